//! The real way on real articles: one seed a language through the real models, and what must hold
//! of any result is checked. Needs the models
//! qwen2.5-coder-1.5b-instruct-q4_k_m and gemma-3-270m-q4_k_m; where ../shared/seeds is absent, a
//! sample stands in for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::{collections::BTreeSet, path::Path};

use brief::{
    article::{self, BlockKind},
    pipeline::{Event, Observer, Pipeline, Settings},
    render::{self, Brief, Format},
    summarize::Origin,
    trace::{
        Verdict,
        facts::{self, Tongue},
    },
    translate::FlagKind,
};

struct Nobody;

impl Observer for Nobody {
    fn event(&mut self, _: Event<'_>) {}
    fn interrupted(&self) -> bool {
        false
    }
}

/// The brief of a seed, and that it is one; where the seeds are absent, that of a sample.
fn brief_of(seed: &str, sample: &str, models: &[&str]) -> Option<(Brief, bool)> {
    for model in models {
        common::model(model)?;
    }
    let seed = common::shared("seeds").map(|folder| folder.join(seed));
    let is_seed = seed.is_some();
    let path = seed.unwrap_or_else(|| {
        eprintln!("samples/{sample} stands in for it");
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample)
    });
    let bytes = std::fs::read(&path).unwrap();
    let source = article::read::from_bytes(&path.to_string_lossy(), bytes).unwrap();
    let article = article::prepare(source, &article::Options::default()).unwrap();
    let settings = Settings { sentences: 3, accept_licence: true, ..Settings::default() };
    let brief = Pipeline::new(settings).unwrap().summarize(article, &mut Nobody).unwrap();
    Some((brief, is_seed))
}

/// What holds of every brief, whatever the models wrote.
fn holds(brief: &Brief, language: &str) {
    assert_eq!(brief.source.language, language);
    let bytes = std::fs::read(&brief.source.path).unwrap();
    let source = article::read::from_bytes(&brief.source.path, bytes.clone()).unwrap();

    let mut at = 0;
    for block in &brief.blocks {
        assert_eq!(block.span.start, at, "blocks tile the file");
        at = block.span.end;
    }
    assert_eq!(at, bytes.len(), "blocks tile the file");

    for sentence in &brief.sentences {
        assert_eq!(source.text_at(sentence.span), sentence.text, "{}", sentence.id);
        let block = brief.blocks.iter().find(|b| b.span.contains(sentence.span)).unwrap();
        assert!(block.kept, "{} lies in a dropped block", sentence.id);
    }
    let translated: Vec<&String> =
        brief.translation.segments.iter().flat_map(|s| &s.sentences).collect();
    let all: Vec<&String> = brief.sentences.iter().map(|s| &s.id).collect();
    assert_eq!(translated, all, "every sentence is in one segment, in order");

    for segment in &brief.translation.segments {
        assert!(!segment.target.is_empty(), "{segment:?}");
        let foreign = |c: char| c.is_alphabetic() && u32::from(c) > 0x24F;
        assert!(!segment.target.contains(foreign), "not English: {segment:?}");
        // A hard number that one side lacks is either right or flagged, never silent.
        let sentence = brief.sentences.iter().find(|s| segment.sentences.contains(&s.id)).unwrap();
        let flags = brief::translate::guards::check(
            &sentence.text,
            &segment.target,
            match language {
                "de" => brief::Language::German,
                "bn" => brief::Language::Bengali,
                _ => brief::Language::ChineseTraditional,
            },
            false,
        );
        let recorded: BTreeSet<FlagKind> = segment.flags.iter().map(|f| f.kind).collect();
        for flag in flags {
            assert!(recorded.contains(&flag.kind), "{flag:?} is not recorded: {segment:?}");
        }
    }

    let summary = brief.summary.as_ref().unwrap();
    assert_eq!(summary.claims.len(), 3);
    for claim in &summary.claims {
        assert!(!claim.citations.is_empty(), "{claim:?}");
        for citation in &claim.citations {
            let cited = brief.sentences.iter().find(|s| s.id == citation.sentence).unwrap();
            assert_eq!((citation.span, &citation.quote), (cited.span, &cited.text));
            assert_eq!(source.text_at(citation.span), citation.quote);
        }
        let cited: String = brief
            .translation
            .segments
            .iter()
            .filter(|s| claim.citations.iter().any(|c| s.sentences.contains(&c.sentence)))
            .map(|s| format!("{} ", s.target))
            .collect();
        let known: Vec<f64> =
            facts::numbers(&cited, Tongue::English).into_iter().map(|n| n.value).collect();
        for number in facts::numbers(&claim.text, Tongue::English).iter().filter(|n| n.hard) {
            assert!(known.contains(&number.value), "{} in {claim:?}", number.text);
        }
        if claim.origin == Origin::Generated {
            assert_ne!(claim.support.verdict, Verdict::Unsupported, "{claim:?}");
        }
    }
    let json = render::render(brief, Format::Json);
    assert_eq!(render::json::parse(&json).unwrap(), *brief, "JSON keeps everything");
}

#[test]
fn a_german_seed_becomes_a_traceable_brief() {
    let models = ["qwen2.5-coder-1.5b-instruct-q4_k_m"];
    let Some((brief, is_seed)) = brief_of("001_6b328d2fee1c6195.txt", "de-bruecke.txt", &models)
    else {
        return;
    };
    holds(&brief, "de");
    assert!(brief.translation.warnings.is_empty());
    if !is_seed {
        return;
    }
    let text: String =
        brief.translation.segments.iter().map(|s| format!("{} ", s.target)).collect();
    for needed in ["Putin", "Kim Jong Un", "Beijing", "Kursk", "2,000"] {
        assert!(text.contains(needed), "{needed} is missing: {text}");
    }
    assert!(brief.sentences.iter().all(|s| !s.text.contains("Stellenangebote")));
}

#[test]
fn a_chinese_seed_becomes_a_traceable_brief() {
    let models = ["qwen2.5-coder-1.5b-instruct-q4_k_m"];
    let Some((brief, is_seed)) = brief_of("002_87bf054be2aeb521.txt", "zh-hant-yugang.md", &models)
    else {
        return;
    };
    holds(&brief, "zh-Hant");
    if !is_seed {
        return;
    }
    assert_eq!(brief.source.date.as_deref(), Some("2023-09-14"));
    assert_eq!(brief.sentences[0].kind, BlockKind::Title);
    let text: String =
        brief.translation.segments.iter().map(|s| format!("{} ", s.target)).collect();
    for needed in ["Putin", "Kim Jong Un", "650", "24", "32"] {
        assert!(text.contains(needed), "{needed} is missing: {text}");
    }
    // "13日" names no month; one in the translation must be flagged.
    let meeting = brief.sentences.iter().position(|s| s.text.contains("13日")).unwrap();
    let segment = &brief.translation.segments[meeting];
    let dated = !facts::months(&segment.target, Tongue::English).is_empty();
    assert_eq!(dated, segment.flags.iter().any(|f| f.kind == FlagKind::Date), "{segment:?}");
}

#[test]
fn a_bengali_seed_becomes_a_traceable_brief_with_its_warning() {
    let models = ["qwen2.5-coder-1.5b-instruct-q4_k_m", "gemma-3-270m-q4_k_m"];
    let Some((brief, _)) = brief_of("004_c9ff75befa050224.txt", "bn-setu.txt", &models) else {
        return;
    };
    holds(&brief, "bn");
    assert_eq!(brief.translation.quality, "gist");
    assert_eq!(brief.translation.warnings.len(), 1);
    // Nothing that rests on a gist counts as proven.
    let claims = &brief.summary.as_ref().unwrap().claims;
    assert!(claims.iter().all(|c| c.support.verdict != Verdict::Supported), "{claims:?}");
    for format in [Format::Markdown, Format::Json, Format::Html] {
        let text = render::render(&brief, format);
        assert!(text.contains("gist"), "{format:?} lacks the warning");
    }
}
