//! The digest on articles whose agreements and disagreements are known, and on articles that have
//! nothing in common. Their translations are references, so that only the digest is tested.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::{collections::BTreeSet, path::Path, sync::OnceLock};

use brief::{
    article::{self, BlockKind, Options},
    digest::{self, Digest, Statement},
    engine::embed::Embedder,
    render::{self, Brief, Format, SCHEMA, SourceInfo},
    trace::{Sign, SignKind, Verdict, check::Judge, support::Evidence},
    translate::{Segment, Translation},
};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The brief that a perfect translator would have written.
fn brief(folder: &str, name: &str) -> Brief {
    let path = format!("{folder}/{name}.txt");
    let source =
        article::read::from_bytes(&path, std::fs::read(root().join(&path)).unwrap()).unwrap();
    let article = article::prepare(source, &Options::default()).unwrap();
    let english =
        std::fs::read_to_string(root().join(format!("tests/digest/english/{name}.en.txt")))
            .unwrap();
    let segments = article.sentences.iter().zip(english.lines()).map(|(sentence, line)| Segment {
        sentences: vec![sentence.id.clone()],
        target: line.to_owned(),
        estimate: None,
        flags: Vec::new(),
    });
    Brief {
        schema: SCHEMA.into(),
        generator: "test".into(),
        translation: Translation {
            model: "reference".into(),
            model_sha256: "0".repeat(64),
            adapter: None,
            embedder: None,
            quality: "good".into(),
            warnings: Vec::new(),
            segments: segments.collect(),
        },
        source: SourceInfo {
            path,
            sha256: article.source.sha256.clone(),
            bytes: article.source.bytes.len(),
            encoding: article.source.encoding.name().into(),
            language: article.language.tag().into(),
            title: None,
            date: article.date.clone(),
        },
        blocks: article.blocks,
        sentences: article.sentences,
        summary: None,
    }
}

fn briefs(folder: &str) -> Vec<Brief> {
    let files = std::fs::read_dir(root().join(folder)).unwrap().map(|e| e.unwrap().path());
    let mut names: Vec<String> =
        files.map(|f| f.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names.iter().map(|name| brief(folder, name)).collect()
}

fn of_samples() -> Option<&'static Digest> {
    static DIGEST: OnceLock<Option<Digest>> = OnceLock::new();
    DIGEST
        .get_or_init(|| {
            Some(digest::digest(&briefs("samples/digest"), &common::embedder()?, None).unwrap())
        })
        .as_ref()
}

fn planted() -> Value {
    let path = root().join("tests/digest/planted.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Article's file name and the beginning of a sentence of it → whether the statement cites it.
fn cites(statement: &Statement, file: &str, text: &str) -> bool {
    statement
        .citations
        .iter()
        .any(|c| c.path.ends_with(&format!("/{file}")) && c.quote.contains(text))
}

#[test]
fn every_planted_agreement_is_told_once_with_all_its_sources() {
    let Some(digest) = of_samples() else { return };
    assert_eq!(digest.stories.len(), 1, "{digest:#?}");
    for agreement in planted()["agreements"].as_array().unwrap() {
        let articles = agreement["articles"].as_object().unwrap();
        let citing = |statement: &&Statement| {
            articles.iter().filter(|(f, t)| cites(statement, f, t.as_str().unwrap())).count()
        };
        let told: Vec<&Statement> =
            digest.stories[0].facts.iter().filter(|fact| citing(fact) > 0).collect();
        assert_eq!(told.len(), 1, "{}: {told:#?}", agreement["fact"]);
        assert_eq!(citing(&told[0]), articles.len(), "{}: {:#?}", agreement["fact"], told[0]);
        assert_eq!(told[0].citations.len(), articles.len(), "{}", agreement["fact"]);
    }
}

#[test]
fn every_planted_disagreement_stands_side_by_side_with_its_values() {
    let Some(digest) = of_samples() else { return };
    let found = &digest.stories[0].disagreements;
    for disagreement in planted()["disagreements"].as_array().unwrap() {
        let values = disagreement["values"].as_object().unwrap();
        let text = |v: &Value, key: &str| v[key].as_str().unwrap().to_owned();
        let expected: BTreeSet<(String, String)> = values
            .iter()
            .map(|(file, v)| (text(v, "value").to_lowercase(), file.clone()))
            .collect();
        let met = found.iter().any(|d| {
            let told: BTreeSet<(String, String)> = values
                .iter()
                .flat_map(|(file, v)| {
                    let sentence = text(v, "sentence");
                    d.sides
                        .iter()
                        .filter(move |side| cites(&side.statement, file, &sentence))
                        .flat_map(|side| &side.values)
                        .map(|value| value.to_lowercase())
                        .filter(|value| value.contains(&text(v, "value").to_lowercase()))
                        .map(|_| (text(v, "value").to_lowercase(), file.clone()))
                })
                .collect();
            let sides: BTreeSet<&String> = expected.iter().map(|(value, _)| value).collect();
            told == expected && d.sides.len() == sides.len()
        });
        assert!(met, "{}: {found:#?}", disagreement["fact"]);
    }
}

#[test]
fn nothing_else_is_called_a_disagreement() {
    let Some(digest) = of_samples() else { return };
    let found = &digest.stories[0].disagreements;
    assert_eq!(found.len(), planted()["disagreements"].as_array().unwrap().len(), "{found:#?}");
    for compatible in planted()["compatible"].as_array().unwrap() {
        for (file, text) in compatible["articles"].as_object().unwrap() {
            let mut told = found.iter().flat_map(|d| &d.sides).map(|side| &side.statement);
            assert!(!told.any(|s| cites(s, file, text.as_str().unwrap())), "{file}: {text}");
        }
    }
}

#[test]
fn facts_of_most_sources_come_first_and_articles_by_date() {
    let Some(digest) = of_samples() else { return };
    let dates: Vec<_> = digest.articles.iter().map(|a| a.source.date.clone().unwrap()).collect();
    assert!(dates.is_sorted(), "{dates:?}");
    assert_eq!(digest.stories[0].articles, [0, 1, 2, 3, 4]);
    let sources: Vec<usize> =
        digest.stories[0].facts.iter().map(|fact| fact.articles().len()).collect();
    assert!(sources.is_sorted_by(|a, b| a >= b), "{sources:?}");
    let own = &digest.stories[0].own;
    assert!(own.iter().all(|own| (1..=2).contains(&own.statements.len())), "{own:#?}");
}

#[test]
fn every_sentence_is_supported_by_what_it_cites() {
    let Some(digest) = of_samples() else { return };
    for statement in digest.statements() {
        assert_ne!(statement.support.verdict, Verdict::Unsupported, "{statement:#?}");
        assert!(!statement.citations.is_empty());
        assert!(statement.support.signs.iter().any(|s| !s.is_rule()), "no model judged");
        for citation in &statement.citations {
            let bytes = std::fs::read(root().join(&citation.path)).unwrap();
            let quoted = &bytes[citation.span.start..citation.span.end];
            assert_eq!(String::from_utf8_lossy(quoted), citation.quote);
            assert_eq!(citation.path, digest.articles[citation.article].source.path);
        }
    }
}

/// A judge that doubts a shorter sentence more than a longer one, and refuses those with a mayor.
struct ByLength;

impl Judge for ByLength {
    fn signs(&mut self, _: &str, cited: &[Evidence<'_>]) -> brief::error::Result<Vec<Sign>> {
        let score = 0.9 + 0.001 * cited[0].target.len().min(99) as f32;
        let detail = "too short".to_owned();
        let levels = if cited[0].target.contains("mayor") { [1.1, 1.2] } else { [0.5, 0.7] };
        Ok(vec![Sign::measured(SignKind::Entailment, score, levels, detail)])
    }
}

#[test]
fn a_fact_carries_what_the_judge_doubted_most_and_cites_no_one_it_refused() {
    let Some(model) = common::embedder() else { return };
    let briefs = briefs("samples/digest");
    let digest = digest::digest(&briefs, &model, Some(&mut ByLength)).unwrap();
    let facts = &digest.stories[0].facts;
    assert!(!facts.is_empty());
    for fact in facts {
        let mut others: Vec<&str> = fact.citations.iter().map(|c| c.english.as_str()).collect();
        others.remove(others.iter().position(|english| *english == fact.text).unwrap());
        assert!(others.iter().all(|english| !english.contains("mayor")), "{fact:#?}");
        let least = others.iter().map(|e| 0.9 + 0.001 * e.len().min(99) as f32);
        let least = least.fold(1.0, f32::min);
        let sign = fact.support.sign(SignKind::Entailment).expect("the judge's sign");
        assert!((sign.score.unwrap() - least).abs() < 1e-6, "{fact:#?}");
    }
}

#[test]
fn articles_that_share_nothing_get_no_common_story() {
    let Some(model) = common::embedder() else { return };
    let digest = digest::digest(&briefs("tests/digest/unrelated"), &model, None).unwrap();
    assert_eq!(digest.stories, [], "a story was invented");
    assert_eq!(digest.apart.len(), 4);
    assert!(render::digest::render(&digest, Format::Markdown).contains("no story in common"));
}

#[test]
fn a_story_among_unrelated_articles_stays_theirs() {
    let Some(model) = common::embedder() else { return };
    let mut all = briefs("tests/digest/unrelated");
    all.extend(briefs("samples/digest"));
    // The same file twice is one source, not two.
    all.extend(briefs("samples/digest"));
    let digest = digest::digest(&all, &model, None).unwrap();
    let alone = of_samples().unwrap();
    assert_eq!(digest.articles.len(), 9);
    assert_eq!(digest.stories.len(), 1);
    assert_eq!(digest.stories[0].articles.len(), 5);
    assert_eq!(digest.apart.len(), 4);
    let told = |digest: &Digest| -> Vec<String> {
        digest.stories[0].facts.iter().map(|fact| fact.text.clone()).collect()
    };
    assert_eq!(told(&digest), told(alone));
}

#[test]
fn no_article_and_one_article_make_a_digest_too() {
    let Some(model) = common::embedder() else { return };
    for folder in [&[][..], &briefs("samples/digest")[..1]] {
        let digest = digest::digest(folder, &model, None).unwrap();
        assert!(digest.stories.is_empty());
        assert_eq!(digest.apart.len(), folder.len());
        for format in [Format::Markdown, Format::Html, Format::Json] {
            assert!(!render::digest::render(&digest, format).is_empty());
        }
    }
}

#[test]
fn what_is_flagged_vouches_for_nothing() {
    use brief::translate::{Flag, FlagKind};
    let Some(model) = common::embedder() else { return };
    let mut briefs = briefs("samples/digest");
    for segment in briefs.iter_mut().flat_map(|b| &mut b.translation.segments) {
        segment.flags.push(Flag { kind: FlagKind::Unrelated, detail: "planted".into() });
    }
    let digest = digest::digest(&briefs, &model, None).unwrap();
    assert_eq!(digest.stories, []);
}

#[test]
fn the_digest_is_rendered_whole_and_safe() {
    let Some(digest) = of_samples() else { return };
    let json = render::digest::render(digest, Format::Json);
    let value: Value = serde_json::from_str(&json).unwrap();
    let schema = root().join("tests/schema/brief-digest-1.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), *digest);

    let mut nasty = digest.clone();
    nasty.stories[0].facts[0].text = "<script>alert(1)</script> [x](y)".into();
    nasty.stories[0].disagreements[0].sides[0].values = vec!["<b>14</b>".into()];
    nasty.articles[0].title = Some("<img src=x onerror=y>".into());
    let html = render::digest::render(&nasty, Format::Html);
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"));
    assert!(html.contains("&lt;script&gt;"));
    let markdown = render::digest::render(&nasty, Format::Markdown);
    assert!(!markdown.contains("<script") && !markdown.contains("[x](y)"));

    for format in [Format::Markdown, Format::Html] {
        let text = render::digest::render(digest, format);
        for statement in digest.statements() {
            for citation in &statement.citations {
                let place = format!("bytes {}–{}", citation.span.start, citation.span.end);
                // The page escapes the slashes of a path.
                let file = citation.path.rsplit('/').next().unwrap();
                assert!(text.contains(&place) && text.contains(file), "{citation:?}");
            }
        }
        if let Some(folder) = std::env::var_os("DIGEST_OUT") {
            let ending = if format == Format::Html { "html" } else { "md" };
            std::fs::write(Path::new(&folder).join(format!("digest.{ending}")), text).unwrap();
        }
    }
}

#[test]
fn an_article_without_a_title_is_headed_by_how_it_begins() {
    let Some(model) = common::embedder() else { return };
    let mut untitled = brief("samples/digest", "de-hafen");
    for sentence in &mut untitled.sentences {
        sentence.kind = BlockKind::Paragraph;
    }
    untitled.translation.segments.remove(0);
    let mut digest = digest::digest(&[untitled], &model, None).unwrap();
    let article = &mut digest.articles[0];
    assert_eq!(article.title, None);
    let opening = article.opening.clone().unwrap();
    assert!(opening.chars().count() > 90, "{opening}");
    for format in [Format::Markdown, Format::Html] {
        let page = render::digest::render(&digest, format);
        let heading = page.lines().find(|line| line.contains("###") || line.contains("<h3>"));
        assert!(heading.unwrap().contains(&opening[..20]), "{heading:?}");
        assert!(heading.unwrap().contains(" …"), "{heading:?}");
    }
    digest.articles[0].opening = None;
    let page = render::digest::render(&digest, Format::Markdown);
    assert!(page.contains("### samples/digest/de-hafen.txt"), "{page}");
}

/// What is found wrong with a digest, on the files as they are.
fn failures(digest: &Digest, model: Option<&Embedder>) -> Vec<String> {
    let read = |info: &SourceInfo| Ok(std::fs::read(root().join(&info.path)).unwrap());
    let failures = digest::verify(digest, read, model).unwrap();
    failures.iter().map(ToString::to_string).collect()
}

#[test]
fn a_digest_that_nobody_touched_is_verified() {
    let Some(digest) = of_samples() else { return };
    assert_eq!(failures(digest, None), [""; 0]);
    assert_eq!(failures(digest, common::embedder().as_ref()), [""; 0]);
    // What another model found can't be compared, and that is said once.
    let another = Digest { embedder: Some("another".into()), ..digest.clone() };
    assert_eq!(failures(&another, None), [""; 0]);
    let found = failures(&another, common::embedder().as_ref());
    assert!(found.len() == 1 && found[0].contains("are another's; name that"), "{found:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digest.json");
    std::fs::write(&path, render::digest::render(digest, Format::Json)).unwrap();
    let brief = |command: &str| {
        let mut brief = std::process::Command::new(env!("CARGO_BIN_EXE_brief"));
        brief.current_dir(root()).arg(command).arg(&path).output().unwrap()
    };
    let verified = brief("verify");
    let out = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && out.starts_with("ok "), "{out}");
    assert!(out.contains("5 articles"), "{out}");
    let shown = String::from_utf8(brief("show").stdout).unwrap();
    assert_eq!(shown, render::digest::render(digest, Format::Markdown));
}

#[test]
fn whatever_was_altered_in_a_digest_is_found() {
    let Some(digest) = of_samples() else { return };
    let altered = |change: &dyn Fn(&mut Digest)| {
        let mut digest = digest.clone();
        change(&mut digest);
        failures(&digest, None).join("\n")
    };
    let out = altered(&|d| d.stories[0].facts[0].citations[0].quote = "Anders.".into());
    assert!(out.starts_with("statement 1, ") && out.contains("says something else"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].citations[0].span.end += 1);
    assert!(out.contains("says something else"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].citations[0].span.end = usize::MAX);
    assert!(out.contains("says something else"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].citations[0].article = 77);
    assert!(out.contains("no such article"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].text += " 48 people were arrested.");
    assert!(out.contains("statement 1") && out.contains("48"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].support.verdict = Verdict::Unsupported);
    assert!(out.contains("statement 1") && out.contains("the brief calls it"), "{out}");
    let out = altered(&|d| d.stories[0].facts[0].citations.clear());
    assert!(out.contains("cites nothing"), "{out}");
    let out = altered(&|d| d.articles[0].source.sha256 = "0".repeat(64));
    assert!(out.contains("not the one that the brief was made from"), "{out}");
    let side = |d: &mut Digest| d.stories[0].disagreements[0].sides[0].statement.text.clear();
    assert!(altered(&side).contains("statement"));
}
