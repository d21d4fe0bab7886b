//! The metrics against what sacrebleu 2.6.0 and rouge_score 0.1.2 computed
//! (`tests/reference/metrics.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use brief::eval::{self, Score, rouge};

#[derive(serde::Deserialize)]
struct Record {
    signatures: std::collections::HashMap<String, String>,
    pairs: Vec<Pair>,
    subsets: Vec<Subset>,
    flores: Vec<Spoilt>,
}

#[derive(serde::Deserialize)]
struct Scores {
    chrf: f64,
    bleu: f64,
    verbose: String,
    ter: f64,
}

#[derive(serde::Deserialize)]
struct Pair {
    hypothesis: String,
    reference: String,
    #[serde(flatten)]
    scores: Scores,
    rouge1: [f64; 3],
    rouge2: [f64; 3],
    #[serde(rename = "rougeL")]
    rouge_l: [f64; 3],
}

#[derive(serde::Deserialize)]
struct Subset {
    start: usize,
    step: usize,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(serde::Deserialize)]
struct Spoilt {
    rule: String,
    #[serde(flatten)]
    scores: Scores,
}

fn record() -> Record {
    serde_json::from_str(include_str!("reference/metrics.json")).unwrap()
}

#[track_caller]
fn same(found: &[Score; 3], expected: &Scores, what: &str) {
    let [chrf, bleu, ter] = found;
    for (found, expected) in [(chrf, expected.chrf), (bleu, expected.bleu), (ter, expected.ter)] {
        let (name, score) = (found.name, found.score);
        assert!((score - expected).abs() < 1e-9, "{what}: {name} {score} instead of {expected}");
    }
    assert_eq!(bleu.verbose_score.as_ref(), Some(&expected.verbose), "{what}");
}

#[test]
fn scores_of_single_lines_are_sacrebleus() {
    for pair in record().pairs {
        let found = eval::translation(&[(&pair.hypothesis, &pair.reference)]);
        same(&found, &pair.scores, &format!("{:?} for {:?}", pair.hypothesis, pair.reference));
    }
}

#[test]
fn scores_of_texts_are_sacrebleus() {
    let record = record();
    for subset in &record.subsets {
        let Subset { start, step, scores } = subset;
        let pairs: Vec<(&str, &str)> = record.pairs[*start..]
            .iter()
            .step_by(*step)
            .map(|pair| (pair.hypothesis.as_str(), pair.reference.as_str()))
            .collect();
        same(&eval::translation(&pairs), scores, &format!("every {step} from {start}"));
    }
}

#[test]
fn signatures_are_sacrebleus_but_for_the_version() {
    for score in eval::translation(&[("a", "a")]) {
        let settings = |signature: &str| signature.rsplit_once("version:").unwrap().0.to_owned();
        let expected = &record().signatures[score.name];
        assert_eq!(settings(&score.signature), settings(expected));
        assert!(score.signature.ends_with(&format!("brief-{}", env!("CARGO_PKG_VERSION"))));
    }
}

#[test]
fn rouge_is_googles() {
    for pair in record().pairs {
        let found = rouge(&pair.hypothesis, &pair.reference);
        for (found, expected) in [
            (found.rouge1, pair.rouge1),
            (found.rouge2, pair.rouge2),
            (found.rouge_l, pair.rouge_l),
        ] {
            for (a, b) in [found.precision, found.recall, found.f1].into_iter().zip(expected) {
                assert!((a - b).abs() < 1e-9, "{:?}: {found:?}, {expected:?}", pair.hypothesis);
            }
        }
    }
}

/// A line spoilt, by the same rules as in `metrics.py`.
fn spoilt(rule: &str, i: usize, lines: &[&str]) -> Vec<String> {
    let words = |i: usize| -> Vec<String> {
        lines[i % lines.len()].split_whitespace().map(str::to_owned).collect()
    };
    let mut line = words(i);
    match rule {
        "drop" => {
            let mut at = 0;
            line.retain(|_| {
                at += 1;
                at % 7 != 0
            });
        }
        "swap" => {
            for at in (0..line.len().saturating_sub(1)).step_by(6) {
                line.swap(at, at + 1);
            }
        }
        "move" => {
            let count = (i % 7 + 1).min(line.len());
            line.rotate_left(count);
        }
        "bare" => {
            for word in &mut line {
                *word = word.to_uppercase().trim_matches(['.', ',']).to_owned();
            }
        }
        "borrow" => {
            let other = words(i + 1)[0].clone();
            line.iter_mut().skip(3).step_by(4).for_each(|word| word.clone_from(&other));
        }
        "other" => line = words(i + 1),
        "backwards" => line.reverse(),
        "mixed" if i % 50 == 49 => line.clear(),
        "mixed" => {
            let rules = ["drop", "swap", "move", "bare", "borrow", "other", "backwards"];
            return spoilt(rules[i % 7], i, lines);
        }
        _ => panic!("{rule} is no rule"),
    }
    line
}

#[test]
fn scores_of_flores_are_sacrebleus() {
    let Some(folder) = common::shared("flores-dev") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let english = read("en.txt");
    let references: Vec<&str> = english.lines().collect();
    assert_eq!(references.len(), 997);
    for Spoilt { rule, scores } in record().flores {
        let hypotheses: Vec<String> = if matches!(rule.as_str(), "de" | "zh" | "bn") {
            read(&format!("{rule}.txt")).lines().map(str::to_owned).collect()
        } else {
            (0..references.len()).map(|i| spoilt(&rule, i, &references).join(" ")).collect()
        };
        let pairs: Vec<(&str, &str)> =
            hypotheses.iter().map(String::as_str).zip(references.iter().copied()).collect();
        let start = std::time::Instant::now();
        let found = eval::translation(&pairs);
        eprintln!("{rule}: {} lines in {:.1} s", pairs.len(), start.elapsed().as_secs_f64());
        same(&found, &scores, &rule);
    }
}
