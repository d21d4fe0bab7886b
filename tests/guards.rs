//! The guards on human translations (../shared/flores-dev): how often they cry wolf, and how many
//! planted faults they find.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;

use brief::{
    Language,
    translate::{FlagKind, guards},
};

const LANGUAGES: [(&str, Language); 3] =
    [("de", Language::German), ("zh", Language::ChineseSimplified), ("bn", Language::Bengali)];

/// Source lines with their English references.
fn pairs(language: &str) -> Option<Vec<(String, String)>> {
    let folder = common::shared("flores-dev")?;
    let lines = |name: &str| -> Vec<String> {
        let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    let pairs: Vec<_> = lines(language).into_iter().zip(lines("en")).collect();
    assert_eq!(pairs.len(), 997);
    Some(pairs)
}

#[test]
fn good_translations_are_seldom_flagged() {
    for (name, language) in LANGUAGES {
        let Some(pairs) = pairs(name) else { return };
        let mut alarms: BTreeMap<FlagKind, Vec<String>> = BTreeMap::new();
        for (source, target) in &pairs {
            for flag in guards::check(source, target, language, false) {
                let told = format!("{}\n      {source}\n      {target}", flag.detail);
                alarms.entry(flag.kind).or_default().push(told);
            }
        }
        for (kind, told) in &alarms {
            let share = told.len() as f64 / pairs.len() as f64;
            eprintln!("{name} {kind:?}: {} = {share:.3}", told.len());
            if std::env::var_os("GUARDS_VERBOSE").is_some() {
                eprintln!("    {}", told.join("\n    "));
            }
            let most = match kind {
                FlagKind::NumberAdded
                | FlagKind::NumberMissing
                | FlagKind::Negation
                | FlagKind::Name => 0.02,
                _ => 0.01,
            };
            assert!(share <= most, "{name}: {kind:?} is raised on {share:.3} of good translations");
        }
    }
}

/// Spoils every reference that has what can be spoilt, and counts how often the guards notice.
fn recall(what: &str, least: f64, spoil: impl Fn(&str) -> Option<String>, kinds: &[FlagKind]) {
    for (name, language) in LANGUAGES {
        let Some(pairs) = pairs(name) else { return };
        let (mut found, mut all, mut missed) = (0, 0, Vec::new());
        for (source, target) in &pairs {
            let Some(spoilt) = spoil(target) else { continue };
            all += 1;
            let flags = guards::check(source, &spoilt, language, false);
            if flags.iter().any(|f| kinds.contains(&f.kind)) {
                found += 1;
            } else {
                missed.push(format!("{source}\n      {spoilt}"));
            }
        }
        let share = f64::from(found) / f64::from(all);
        eprintln!("{name}: {what}: {found} of {all} = {share:.3}");
        if std::env::var_os("GUARDS_VERBOSE").is_some() {
            eprintln!("    {}", missed.join("\n    "));
        }
        assert!(all >= 15 && share >= least, "{name}: {what}: only {share:.3} are found");
    }
}

#[test]
fn a_changed_number_is_found() {
    let spoil = |target: &str| {
        // The first number in digits, with its first digit made another.
        let at = target.find(|c: char| c.is_ascii_digit())?;
        let digit = target[at..].chars().next()?.to_digit(10)?;
        let number: String = target[at..].chars().take_while(char::is_ascii_digit).collect();
        if number.len() < 2 || target[..at].ends_with(|c: char| c.is_alphabetic() || c == '-') {
            return None;
        }
        let other = if digit >= 8 { digit - 5 } else { digit + 2 };
        Some(format!("{}{other}{}", &target[..at], &target[at + 1..]))
    };
    recall("changed number", 0.98, spoil, &[FlagKind::NumberAdded, FlagKind::NumberMissing]);
}

#[test]
fn a_changed_month_is_found() {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let spoil = |target: &str| {
        let n = MONTHS.iter().position(|m| {
            target.match_indices(m).any(|(at, _)| {
                let number =
                    |text: &str| text.trim_matches(' ').starts_with(|c: char| c.is_ascii_digit());
                number(&target[at + m.len()..])
            })
        })?;
        Some(target.replace(MONTHS[n], MONTHS[(n + 4) % 12]))
    };
    recall("changed month", 0.98, spoil, &[FlagKind::Date]);
}

/// Bengali has no capitals, and most names are on no list: they are compared by their sound.
#[test]
fn a_name_that_a_bengali_source_has_not_is_found() {
    const NAMES: [&str; 24] = [
        "Kuznetsov",
        "Artemis",
        "Svensson",
        "Margaret",
        "Takahashi",
        "Mbeki",
        "Zaporizhzhia",
        "Villeneuve",
        "Brandenburg",
        "Chowdhury",
        "Petrović",
        "Gonzalez",
        "Ferguson",
        "Nakamura",
        "Barishal",
        "Cumberbatch",
        "Thessaloniki",
        "Okonkwo",
        "Lindqvist",
        "Rodrigues",
        "Khartoum",
        "Massachusetts",
        "Bhattacharya",
        "Sokolov",
    ];
    let Some(pairs) = pairs("bn") else { return };
    let mut found = 0;
    for (i, (source, target)) in pairs.iter().enumerate() {
        let name = NAMES[i % NAMES.len()];
        let spoilt = format!("According to {name}, {target}");
        let flags = guards::check(source, &spoilt, Language::Bengali, false);
        found += usize::from(flags.iter().any(|flag| flag.detail.ends_with(name)));
    }
    let share = found as f64 / pairs.len() as f64;
    eprintln!("bn: names out of nowhere: {found} of {} = {share:.3}", pairs.len());
    assert!(share >= 0.75, "{share}");
}

#[test]
fn a_lost_negation_is_found() {
    let spoil = |target: &str| {
        let spoilt = target.replace(" not ", " ").replace("n't ", " ").replace(" never ", " ");
        let others = ["no", "without", "nor", "none", "nothing", "neither", "cannot", "only"];
        let more = spoilt.split(' ').any(|w| others.contains(&w.to_lowercase().as_str()));
        (spoilt != target && !more).then_some(spoilt)
    };
    recall("lost negation", 0.74, spoil, &[FlagKind::Negation]);
}

#[test]
fn another_sentence_s_translation_is_found_when_facts_differ() {
    for (name, language) in LANGUAGES {
        let Some(pairs) = pairs(name) else { return };
        let mut found = 0;
        for (i, (source, _)) in pairs.iter().enumerate() {
            let other = &pairs[(i + 500) % pairs.len()].1;
            found += usize::from(!guards::check(source, other, language, false).is_empty());
        }
        let share = found as f64 / pairs.len() as f64;
        eprintln!("{name}: unrelated translations: {share:.3} are flagged");
        assert!(share > 0.5, "{name}: {share}");
    }
}
