//! How well the quality estimate tells translations from texts about something else: FLORES-200
//! dev, whose references are translations by people, and the model multilingual-e5-small-q4_0.
//! `cargo test --test estimate -- --nocapture` prints the shares.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use brief::{
    engine::embed::Embedder,
    translate::{FlagKind, Segment, estimate},
};

fn lines(name: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(common::shared("flores-dev")?.join(name)).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// Share of the targets that are flagged.
fn flagged(originals: &[String], targets: &[String], model: &Embedder) -> f64 {
    let mut segments: Vec<Segment> = targets
        .iter()
        .map(|target| Segment {
            sentences: vec!["s1".into()],
            target: target.clone(),
            estimate: None,
            flags: Vec::new(),
        })
        .collect();
    estimate(originals, &mut segments, model).unwrap();
    let found = segments.iter().filter(|s| s.flags.iter().any(|f| f.kind == FlagKind::Unrelated));
    found.count() as f64 / segments.len() as f64
}

#[test]
fn unrelated_translations_are_found_and_good_ones_pass() {
    let Some(model) = common::embedder() else { return };
    let Some(references) = lines("en.txt") else { return };
    // The level was chosen on the sentences 0, 5, 10, …; these are others.
    let every = |lines: &[String], from: usize| -> Vec<String> {
        lines.iter().skip(from).step_by(10).cloned().collect()
    };
    for language in ["de", "zh", "bn"] {
        let originals = every(&lines(&format!("{language}.txt")).unwrap(), 3);
        let good = flagged(&originals, &every(&references, 3), &model);
        // Some are of the same text: FLORES takes about three sentences in a row from each.
        let near = flagged(&originals, &every(&references, 4), &model);
        let unrelated = flagged(&originals, &every(&references[50..], 3), &model);
        println!(
            "{language}: flagged {:.1} % of the good translations, {:.1} % of the next \
             sentence's, {:.1} % of another text's",
            good * 100.0,
            near * 100.0,
            unrelated * 100.0
        );
        assert!(good <= 0.03, "{language}: {good}");
        assert!(unrelated >= 0.95, "{language}: {unrelated}");
    }
}
