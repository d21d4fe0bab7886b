//! Which sentences contradict each other, and which only tell different things.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use brief::trace::conflict::{ConflictKind, conflict};

fn found(a: &str, b: &str) -> Option<(ConflictKind, [String; 2])> {
    let there = conflict(a, b).map(|c| (c.kind, c.values));
    let back = conflict(b, a).map(|c| (c.kind, [c.values[1].clone(), c.values[0].clone()]));
    assert_eq!(there, back, "the other way round: {a} | {b}");
    there
}

#[test]
fn another_number_time_or_actor_contradicts() {
    use ConflictKind::{Actor, Date, Negation, Number};
    for (a, b, kind, values) in [
        (
            "Eleven workers were injured in the fire, the hospital said.",
            "The mayor said that a total of 15 workers were injured.",
            Number,
            ["11", "15"],
        ),
        (
            "The repair of the bridge will cost 3 million euros.",
            "Repairing the bridge costs five million euros, the council said.",
            Number,
            ["3 million euros", "five million euros"],
        ),
        (
            "The museum announced that the exhibition opens on May 3.",
            "The exhibition of the museum will open on May 10.",
            Date,
            ["May 3", "May 10"],
        ),
        (
            "The investigation is led by prosecutor Anna Weber.",
            "Judge Karl Stein leads the investigation.",
            Actor,
            ["prosecutor Anna Weber", "Judge Karl Stein"],
        ),
        (
            "Neighbours were the first to reach the burning house.",
            "The fire brigade was the first to reach the house.",
            Actor,
            ["Neighbours", "fire brigade"],
        ),
        (
            "The ministry confirmed the death of the hostage.",
            "The ministry did not confirm the death of the hostage.",
            Negation,
            ["confirmed", "not confirm"],
        ),
    ] {
        assert_eq!(found(a, b), Some((kind, values.map(str::to_owned))), "{a} | {b}");
    }
}

#[test]
fn other_matters_contradict_nothing() {
    for (a, b) in [
        ("Eleven workers were injured in the fire.", "200 workers were in the building."),
        ("9 Chinese tourists were on the train.", "Four Indian tourists were on the train."),
        ("The train is 80 metres long.", "The train was built in 1994."),
        ("More than 200 people were on the train.", "212 people were on the train."),
        ("About 200 people were on the train.", "212 people were on the train."),
        ("Two hours later, 9 people were injured.", "9 people were injured in three cars."),
        ("On May 3, 11 workers were injured.", "On May 9, 15 workers were injured."),
        ("Police questioned the driver.", "Police found the recorder."),
        ("The embassy said all are safe.", "The ministry said all are safe."),
        ("Neighbours brought blankets.", "The fire brigade brought ladders."),
        (
            "If an arms agreement between North Lanur and Tessia is reached, South Lanur may also \
             provide military assistance to Orvan, which could lead to broader conflicts.",
            "Merz thanked North Lanur for its support in the conflict with Orvan, while Kim \
             confirmed his readiness to provide further assistance.",
        ),
    ] {
        assert_eq!(found(a, b), None, "{a} | {b}");
    }
}
