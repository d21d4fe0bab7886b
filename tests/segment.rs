//! Sentences and languages on labelled cases (`tests/segment/*.json`, `tests/language.json`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fmt::Write, path::Path};

use brief::{
    Language,
    article::{identify, segment},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Segmented {
    name: String,
    sentences: Vec<String>,
    joiner: Option<String>,
}

#[derive(Deserialize)]
struct Identified {
    name: String,
    text: String,
    language: String,
}

fn cases<T: for<'a> Deserialize<'a>>(file: &str, at_least: usize) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    let cases: Vec<T> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= at_least, "{file}: only {} cases", cases.len());
    cases
}

/// Splits every case and reports those that come out differently.
fn split_cases(file: &str, languages: &[Language], joiner: &str) {
    let cases: Vec<Segmented> = cases(file, 60);
    let (mut wrong, mut right) = (String::new(), 0);
    for case in &cases {
        let text = case.sentences.join(case.joiner.as_deref().unwrap_or(joiner));
        for language in languages {
            let found: Vec<&str> =
                segment::split(&text, *language).into_iter().map(|r| text[r].trim()).collect();
            if found == case.sentences {
                right += 1;
            } else {
                writeln!(
                    wrong,
                    "{}:\n   {}\n   {}",
                    case.name,
                    case.sentences.join(" ‖ "),
                    found.join(" ‖ ")
                )
                .unwrap();
            }
        }
    }
    let all = cases.len() * languages.len();
    eprintln!("{file}: {right} of {all} are right; wrong are\n{wrong}");
    // Whether an ellipsis ends a sentence can't be told from its signs; such sentences stay joined.
    assert!(right * 100 >= all * 95, "{file}: {right} of {all} are right; wrong are\n{wrong}");
}

#[test]
fn german_sentences() {
    split_cases("segment/de.json", &[Language::German], " ");
}

#[test]
fn chinese_sentences() {
    split_cases(
        "segment/zh.json",
        &[Language::ChineseSimplified, Language::ChineseTraditional],
        "",
    );
}

#[test]
fn bengali_sentences() {
    split_cases("segment/bn.json", &[Language::Bengali], " ");
}

#[test]
fn languages_are_told_apart() {
    let cases: Vec<Identified> = cases("language.json", 240);
    let mut wrong = String::new();
    for case in &cases {
        let found = identify::language_of(&case.text).map_or_else(
            |other| other.map_or("other".into(), |o| format!("other: {o}")),
            |l| l.tag().to_owned(),
        );
        if found != case.language && !(case.language == "other" && found.starts_with("other")) {
            writeln!(wrong, "{}: {} is taken for {found}: {}", case.name, case.language, case.text)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{} cases, wrong are\n{wrong}", cases.len());
}
