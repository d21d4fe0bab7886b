//! `brief eval` as a person runs it. The model is a tiny one of random weights: what it writes is
//! nonsense, but it must be the same nonsense as `brief translate --lines` writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;
mod render_support;

use std::process::{Command, Output};

use brief::{
    article::BlockKind::Paragraph,
    render::{Brief, json},
    summarize::Origin,
    trace::{Sign, SignKind, Support},
};
use render_support::{
    Line, Piece, claim, german, gist_bengali, supported, translated, with_summary,
};
use serde_json::Value;
use tempfile::TempDir;

const REFERENCE: &str = "The bridge stays closed.\nCosts are rising.\n\nNobody was hurt.\n";
const GERMAN: &str = "Die Brücke bleibt zu.\nDie Kosten steigen.\n\nNiemand wurde verletzt.\n";

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.file("config.toml", "");
        desk.file("ref.txt", REFERENCE);
        desk.file("de.txt", GERMAN);
        desk
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    /// `brief` with these words; exit code, standard output, standard error.
    fn brief(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brief"));
        command.current_dir(self.0.path()).args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BRIEF_") {
                command.env_remove(name);
            }
        }
        command
            .env("BRIEF_CONFIG", "config.toml")
            .env("BRIEF_MODELS_DIR", "models")
            .env("BRIEF_OFFLINE", "1");
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    fn eval(&self, arguments: &[&str]) -> (i32, String, String) {
        self.brief(&[&["eval", "translation", "--reference", "ref.txt"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.eval(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }
}

#[test]
fn a_perfect_translation_scores_100_and_no_edits() {
    let desk = Desk::new();
    desk.file("out.txt", REFERENCE);
    let report = desk.json(&["--hypothesis", "out.txt"]);
    assert_eq!(report["hypothesis"], "out.txt");
    assert_eq!(report["reference"], "ref.txt");
    assert_eq!(report["lines"], 4);
    let scores: Vec<(&str, f64)> = report["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["name"].as_str().unwrap(), s["score"].as_f64().unwrap().round()))
        .collect();
    assert_eq!(scores, [("chrF2", 100.0), ("BLEU", 100.0), ("TER", 0.0)]);
    for score in report["scores"].as_array().unwrap() {
        let signature = score["signature"].as_str().unwrap();
        assert!(signature.starts_with("nrefs:1|case:") && signature.contains("|version:brief-"));
    }
}

#[test]
fn the_table_has_a_row_a_metric() {
    let desk = Desk::new();
    desk.file("out.txt", "The bridge is closed.\nThe costs rise.\n\nNobody was hurt.\n");
    let (code, out, err) = desk.eval(&["--hypothesis", "out.txt"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn other_line_ends_and_a_byte_order_mark_change_nothing() {
    let desk = Desk::new();
    let text = "The bridge is closed.\nThe costs rise.\n\nNobody was hurt.";
    desk.file("plain.txt", text);
    desk.file("windows.txt", format!("\u{FEFF}{}\r\n", text.replace('\n', "\r\n")));
    let scores = |name| desk.json(&["--hypothesis", name])["scores"].clone();
    assert_eq!(scores("plain.txt"), scores("windows.txt"));
}

#[test]
fn files_that_differ_in_lines_are_named_with_their_counts() {
    let desk = Desk::new();
    desk.file("short.txt", "The bridge is closed.\n");
    desk.file("empty.txt", "");
    for (option, name, lines) in [
        ("--hypothesis", "short.txt", 1),
        ("--hypothesis", "empty.txt", 0),
        ("--source", "short.txt", 1),
    ] {
        let (code, out, err) = desk.eval(&[option, name, "--from", "de"]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(&format!("{name} has {lines} lines, but ref.txt has 4")), "{err}");
    }
}

#[test]
fn files_that_cannot_be_scored_are_named() {
    let desk = Desk::new();
    desk.file("out.txt", b"caf\xE9\n");
    desk.file("empty.txt", "");
    for (hypothesis, reference, named) in [
        ("out.txt", "ref.txt", "out.txt: the bytes are not text in UTF-8"),
        ("missing.txt", "ref.txt", "missing.txt: cannot read"),
        ("ref.txt", "missing.txt", "missing.txt: cannot read"),
        ("ref.txt", "empty.txt", "empty.txt: the file is empty"),
    ] {
        let (code, out, err) = desk.brief(&[
            "eval",
            "translation",
            "--hypothesis",
            hypothesis,
            "--reference",
            reference,
        ]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(named), "{err}");
    }
}

#[test]
fn wrong_usage_is_exit_2() {
    let desk = Desk::new();
    for arguments in [
        &["eval"][..],
        &["eval", "translation"],
        &["eval", "translation", "--reference", "ref.txt"],
        &["eval", "translation", "--hypothesis", "ref.txt"],
        &["eval", "translation", "--reference", "ref.txt", "--hypothesis", "a", "--source", "b"],
        &[
            "eval",
            "translation",
            "--reference",
            "ref.txt",
            "--hypothesis",
            "ref.txt",
            "--connected",
        ],
        &["eval", "translation", "--reference", "ref.txt", "--source", "de.txt", "-o", "."],
    ] {
        let (code, out, err) = desk.brief(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
    }
}

#[test]
fn a_source_is_translated_and_scored() {
    let desk = Desk::new();
    common::tiny::write(&desk.0.path().join("tiny.gguf"));
    for how in [&[][..], &["--connected"]] {
        let model =
            [&["--from", "de", "--model", "tiny.gguf", "-q", "-o", "out.txt"], how].concat();
        let mut report = desk.json(&[&["--source", "de.txt"], model.as_slice()].concat());
        assert_eq!(report["source"], "de.txt");
        assert_eq!(report["language"], "de");
        assert_eq!(report["connected"], !how.is_empty());
        assert!(report["model"].as_str().unwrap().contains("tiny"), "{report}");
        assert_eq!(report["model_sha256"].as_str().unwrap().len(), 64);
        let kept = desk.read("out.txt");
        // Scored was what `translate --lines` writes.
        let mut words = model.clone();
        words[6] = "lines.txt";
        let (code, _, err) =
            desk.brief(&[&["translate", "--lines", "de.txt"], words.as_slice()].concat());
        assert_eq!(code, 0, "{err}");
        assert_eq!(kept, desk.read("lines.txt"));
        let given = desk.json(&["--hypothesis", "out.txt"]);
        assert_eq!(report["scores"].take(), given["scores"]);
    }
}

#[test]
fn without_a_model_it_is_exit_3() {
    let desk = Desk::new();
    let (code, out, err) = desk.eval(&["--source", "de.txt", "--from", "de", "--model", "none"]);
    assert_eq!((code, out.as_str()), (3, ""), "{err}");
}

/// A brief whose claims cite what they need, more than that, and the wrong thing.
fn bridge() -> Brief {
    let line = |german, english| Line(german, english, vec![]);
    let paragraph = vec![
        line(
            "Ab dem 13. September ist die Brücke gesperrt.",
            "From September 13 the bridge is closed.",
        ),
        line("Täglich sind 3.000 Fahrzeuge betroffen.", "Every day 3,000 vehicles are affected."),
        line("Die Busse fahren weiter.", "The buses keep running."),
    ];
    let brief = translated("artikel/brücke.txt", "de", &[Piece::Kept(Paragraph, paragraph)]);
    let refused =
        || Support::weigh(vec![Sign::found(SignKind::Numbers, vec!["5,000 is not there".into()])]);
    let claims = [
        (
            "The bridge is closed from September 13, and 3,000 vehicles are affected every day.",
            &[1, 2][..],
            Origin::Generated,
            supported(),
        ),
        ("The buses keep running.", &[1, 3], Origin::Extracted, supported()),
        ("Every day 5,000 vehicles are affected.", &[2], Origin::Generated, refused()),
    ];
    let claims = claims
        .map(|(text, cited, origin, support)| claim(&brief, text, cited, origin, support))
        .to_vec();
    with_summary(brief, claims)
}

/// A desk with these briefs in `briefs/`.
fn desk_with(briefs: &[(&str, Brief)]) -> Desk {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.0.path().join("briefs/deeper")).unwrap();
    std::fs::create_dir(desk.0.path().join("summaries")).unwrap();
    for (name, brief) in briefs {
        desk.file(&format!("briefs/{name}"), json::render(brief));
    }
    desk
}

fn traces(desk: &Desk, arguments: &[&str]) -> Value {
    let (code, out, err) =
        desk.brief(&[&["eval", "trace", "briefs", "--json"], arguments].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

fn near(value: &Value, expected: f64) {
    let found = value.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_citation_counts_if_the_claim_needs_it_or_it_supports_it_alone() {
    let found = traces(&desk_with(&[("a.json", bridge())]), &[]);
    let article = &found["articles"][0];
    assert_eq!(article["path"], "artikel/brücke.txt");
    assert_eq!(article["claims"], 3);
    for (name, share) in [
        ("supported", 2.0 / 3.0),
        ("partly", 0.0),
        ("unsupported", 1.0 / 3.0),
        ("generated", 2.0 / 3.0),
        ("extracted", 1.0 / 3.0),
        ("citations_per_claim", 5.0 / 3.0),
        // 5,000 is not in what that claim cites.
        ("citation_recall", 2.0 / 3.0),
        // Both of the first claim, one of the second, not the third's.
        ("citation_precision", 3.0 / 5.0),
    ] {
        near(&article[name], share);
        near(&found["all"][name], share);
    }
    assert!(article.get("rouge").is_none());
}

#[test]
fn sentences_of_one_translated_segment_are_needed_together() {
    let brief = gist_bengali();
    let text = "It rained heavily in Dhaka on Monday, and many roads are under water.";
    let claims = vec![claim(&brief, text, &[2, 3], Origin::Generated, supported())];
    let found = traces(&desk_with(&[("a.json", with_summary(brief, claims))]), &[]);
    near(&found["all"]["citations_per_claim"], 2.0);
    near(&found["all"]["citation_recall"], 1.0);
    near(&found["all"]["citation_precision"], 1.0);
}

#[test]
fn all_claims_count_alike_and_briefs_without_a_summary_are_named() {
    let desk = desk_with(&[
        ("a.json", bridge()),
        ("deeper/b.json", german()),
        ("deeper/c.json", gist_bengali()),
    ]);
    desk.file("briefs/notes.txt", "not a brief");
    let found = traces(&desk, &[]);
    assert_eq!(found["articles"].as_array().unwrap().len(), 2);
    assert_eq!(found["all"]["claims"], 6);
    near(&found["all"]["generated"], 4.0 / 6.0);
    assert_eq!(found["without_summary"], serde_json::json!(["খবর.html"]));
}

#[test]
fn a_summary_like_its_reference_has_rouge_1_and_marks_of_citation_do_not_count() {
    let mut other = german();
    other.source.path = "unreferenced.txt".into();
    let desk = desk_with(&[("a.json", bridge()), ("b.json", other)]);
    let claims = bridge().summary.unwrap().claims;
    let reference: String = claims.iter().map(|c| format!("{} [1][12]\n", c.text)).collect();
    desk.file("summaries/brücke.summary.txt", reference);
    let found = traces(&desk, &["--references", "summaries"]);
    for name in ["rouge1", "rouge2", "rougeL"] {
        near(&found["articles"][0]["rouge"][name]["f1"], 1.0);
        near(&found["all"]["rouge"][name]["f1"], 1.0);
    }
    assert!(found["articles"][1].get("rouge").is_none());
}

#[test]
fn the_table_of_traces_has_a_row_an_article() {
    let desk = desk_with(&[("a.json", bridge()), ("c.json", gist_bengali())]);
    desk.file("summaries/brücke.summary.txt", "The bridge is closed. [1]\n");
    let arguments = ["eval", "trace", "briefs", "--references", "summaries"];
    let (code, out, err) = desk.brief(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
}

#[test]
fn folders_that_cannot_be_traced_are_named() {
    let desk = desk_with(&[("a.json", bridge())]);
    for folder in ["empty", "unsummarized", "unsound"] {
        std::fs::create_dir(desk.0.path().join(folder)).unwrap();
    }
    desk.file("unsummarized/c.json", json::render(&gist_bengali()));
    desk.file("unsound/d.json", "{\"schema\": \"brief/1\"}");
    for (arguments, named) in [
        (&["missing"][..], "missing: cannot read"),
        (&["empty"], "empty: the folder holds no brief with a summary"),
        (&["unsummarized"], "unsummarized: the folder holds no brief with a summary"),
        (&["unsound"], "unsound/d.json: doesn't follow"),
        (&["briefs", "--references", "summaries"], "summaries: the folder holds no reference"),
    ] {
        let (code, out, err) = desk.brief(&[&["eval", "trace"], arguments].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(named), "{err}");
    }
}
