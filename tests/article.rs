//! Reading articles: the samples against their references, the seeds line by line, and what must
//! hold of any input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::path::Path;

use brief::{
    Language, Span,
    article::{self, Article, BlockKind, Options},
};
use proptest::prelude::*;

fn article(path: &Path) -> Article {
    let source =
        article::read::from_bytes(&path.to_string_lossy(), std::fs::read(path).unwrap()).unwrap();
    article::prepare(source, &Options::default()).unwrap()
}

/// The articles of a folder of ours, each with the sentences of its reference translation.
fn articles_like_their_references(folder: &str, references: &str) -> Vec<(String, Article)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut samples: Vec<_> =
        std::fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    samples.retain(|path| path.is_file());
    samples.sort();
    samples
        .iter()
        .map(|sample| {
            let name = sample.file_stem().unwrap().to_str().unwrap();
            let reference =
                std::fs::read_to_string(root.join(references).join(format!("{name}.en.txt")))
                    .unwrap();
            let article = article(sample);
            let sentences: Vec<&str> = article.sentences.iter().map(|s| s.text.as_str()).collect();
            let pairs: Vec<String> = (0..sentences.len().max(reference.lines().count()))
                .map(|i| {
                    let line = reference.lines().nth(i).unwrap_or("—");
                    format!("{}\n    {line}", sentences.get(i).unwrap_or(&"—"))
                })
                .collect();
            assert_eq!(sentences.len(), reference.lines().count(), "{name}:\n{}", pairs.join("\n"));
            let language = match name {
                n if n.starts_with("de") => Language::German,
                n if n.starts_with("bn") => Language::Bengali,
                n if n.starts_with("zh-hans") => Language::ChineseSimplified,
                _ => Language::ChineseTraditional,
            };
            assert_eq!(article.language, language, "{name}");
            (name.to_owned(), article)
        })
        .collect()
}

#[test]
fn every_sample_has_the_sentences_of_its_reference() {
    let samples = articles_like_their_references("samples", "tests/samples");
    assert!(samples.len() >= 6);
    for (name, article) in samples {
        let dated = article.date.is_some();
        assert!(dated || name == "de-chipfabrik", "{name} has a date line");
    }
}

#[test]
fn every_article_of_the_digest_samples_has_the_sentences_of_its_reference_and_its_date() {
    let planted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digest/planted.json");
    let planted: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(planted).unwrap()).unwrap();
    let samples = articles_like_their_references("samples/digest", "tests/digest/english");
    assert_eq!(samples.len(), 5);
    for (name, article) in samples {
        let date = planted["dates"][format!("{name}.txt")].as_str();
        assert_eq!(article.date.as_deref(), date, "{name}");
    }
    let unrelated =
        articles_like_their_references("tests/digest/unrelated", "tests/digest/english");
    assert_eq!(unrelated.len(), 4);
    assert!(unrelated.iter().all(|(_, article)| article.date.is_some()));
}

/// The first and last line of each seed's article, how many blocks are kept, and of what kind.
#[test]
fn the_seeds_keep_their_article_and_nothing_else() {
    let Some(folder) = common::shared("seeds") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let expected = [
        // title, headings, paragraphs, metadata
        (Language::German, 0, 0, 6, 0),
        (Language::German, 0, 0, 5, 0),
        (Language::ChineseTraditional, 1, 6, 12, 1),
        (Language::German, 0, 0, 6, 0),
        (Language::Bengali, 1, 4, 6, 0),
    ];
    assert_eq!(files.len(), expected.len());
    for (file, (language, titles, headings, paragraphs, metadata)) in files.iter().zip(expected) {
        let article = article(file);
        let kept = |kind| article.blocks.iter().filter(|b| b.kept && b.kind == kind).count();
        let listing: Vec<String> = article
            .blocks
            .iter()
            .filter(|b| b.kind != BlockKind::Markup)
            .map(|b| {
                let text: String = article.source.text_at(b.span).chars().take(40).collect();
                format!("{} {:?} ({}) {text}", b.kept, b.kind, b.reason)
            })
            .collect();
        let found = (
            article.language,
            kept(BlockKind::Title),
            kept(BlockKind::Heading),
            kept(BlockKind::Paragraph),
            kept(BlockKind::Metadata),
        );
        assert_eq!(kept(BlockKind::ListItem), 0, "{}:\n{}", file.display(), listing.join("\n"));
        assert_eq!(
            found,
            (language, titles, headings, paragraphs, metadata),
            "{}:\n{}",
            file.display(),
            listing.join("\n")
        );
    }
}

/// What holds of any file that can be read at all.
fn holds(name: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(source) = article::read::from_bytes(name, bytes.to_vec()) else { return Ok(()) };
    let Ok(blocks) = article::extract::extract(&source, &Options::default()) else {
        return Ok(());
    };
    let mut at = 0;
    for block in &blocks {
        prop_assert_eq!(block.span.start, at, "a gap or an overlap");
        prop_assert!(!block.span.is_empty());
        at = block.span.end;
    }
    prop_assert_eq!(at, bytes.len(), "the blocks end before the file");
    for language in [Language::German, Language::ChineseSimplified, Language::Bengali] {
        let sentences = article::segment::sentences(&source, &blocks, language);
        let mut last = Span::new(0, 0);
        for sentence in &sentences {
            prop_assert_eq!(&source.text_at(sentence.span), &sentence.text);
            prop_assert!(sentence.span.start >= last.end, "sentences overlap");
            prop_assert!(blocks[sentence.block].kept);
            prop_assert!(blocks[sentence.block].span.contains(sentence.span));
            prop_assert_eq!(sentence.text.trim(), sentence.text.as_str());
            prop_assert!(sentence.text.chars().count() <= 600);
            last = sentence.span;
        }
    }
    Ok(())
}

/// Lines that look like articles more often than arbitrary text would.
fn article_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(
            "Am 13. September starben etwa 2.000 Soldaten, teilte das Ministerium mit. ".to_owned()
        ),
        Just("俄羅斯總統普京13日會晤金正恩。".to_owned()),
        Just("পুতিন কিম জং উনকে আমন্ত্রণ জানিয়েছেন। ".to_owned()),
        Just("\n".to_owned()),
        Just("- Mehr zum Thema\n".to_owned()),
        Just("<p>Der <b>Rat</b> &amp; die AT&T-Zahlen&nbsp;stiegen.</p>\n".to_owned()),
        "\\PC{0,12}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spans_hold_for_any_text(text in article_like()) {
        holds("a.txt", text.as_bytes())?;
        holds("a.md", text.as_bytes())?;
    }

    #[test]
    fn spans_hold_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        holds("a.txt", &bytes)?;
    }

    #[test]
    fn spans_hold_for_any_page(text in article_like()) {
        holds("a.html", format!("<html><body><h1>Titel</h1>{text}</body></html>").as_bytes())?;
    }

    #[test]
    fn spans_hold_in_every_encoding(text in article_like()) {
        for codec in [encoding_rs::GB18030, encoding_rs::BIG5, encoding_rs::WINDOWS_1252] {
            holds("a.txt", &codec.encode(&text).0)?;
        }
        let utf16: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        holds("a.txt", &utf16)?;
    }
}

#[test]
fn ten_megabytes_in_one_line_are_no_trouble() {
    let sentence = "Der Rat tagte am 3. Oktober in Wien und beschloss 2.500 neue Stellen ";
    let text = sentence.repeat(10_000_000 / sentence.len());
    let start = std::time::Instant::now();
    let source = article::read::from_bytes("a.txt", text.into_bytes()).unwrap();
    let article = article::prepare(source, &Options::default()).unwrap();
    assert!(article.sentences.len() > 10_000);
    assert!(article.sentences.iter().all(|s| s.text.chars().count() <= 600));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
