//! Every family of encoders against transformers, on the small random models that
//! tests/reference/encoders/record.py made: embeddings, and what follows from what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::path::{Path, PathBuf};

use brief::{
    engine::{
        embed::{Embedder, Recipe, Scale},
        entail::Entailer,
    },
    hub::{self, Catalogue, Manifest, Role},
};
use common::recording;

const EMBEDDERS: [&str; 3] = ["bge-m3", "e5", "labse"];
const JUDGES: [&str; 3] = ["deberta", "deberta-two", "xnli"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoders").join(name)
}

/// What is known of a folder that somebody names.
fn manifest(folder: &Path) -> Manifest {
    hub::resolve(&Catalogue::load(None).unwrap(), folder.to_str().unwrap()).unwrap().manifest
}

#[test]
fn every_recording_is_compared() {
    let entries = std::fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    let mut compared = [EMBEDDERS, JUDGES].concat();
    compared.sort_unstable();
    assert_eq!(names, compared);
}

#[test]
fn embeddings_are_those_of_sentence_transformers_modules() {
    for name in EMBEDDERS {
        let folder = folder(name);
        let manifest = manifest(&folder);
        assert_eq!(manifest.roles, [Role::Embed], "{name}");
        // What random weights find alike means nothing.
        let recipe = Recipe { scale: Some(Scale::E5), ..manifest.embedding.unwrap() };
        let embedder = Embedder::load(name, &folder, &recipe).unwrap();
        let expected = recording::expected(&folder);
        let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
        let theirs: Vec<Vec<f32>> = serde_json::from_value(expected["embeddings"].clone()).unwrap();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let together = embedder.embed(&texts).unwrap();
        assert!(texts.len() == theirs.len() && texts.len() >= 7);
        for ((text, ours), theirs) in texts.iter().zip(&together).zip(&theirs) {
            let alone = embedder.embed(&[text]).unwrap().remove(0);
            for ours in [ours, &alone] {
                assert_eq!(ours.len(), theirs.len());
                let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{name}: {text:?} is off by {off}");
            }
        }
    }
}

#[test]
fn what_follows_is_what_transformers_finds() {
    for name in JUDGES {
        let folder = folder(name);
        let manifest = manifest(&folder);
        assert_eq!(manifest.roles, [Role::Entail], "{name}");
        assert!(manifest.judge.unwrap().probe.is_none());
        // The folder and the tensors in it are the same model.
        for path in [folder.clone(), folder.join("model.safetensors")] {
            let judge = Entailer::load(name, &path).unwrap();
            let expected = recording::expected(&folder);
            let pairs: Vec<[String; 2]> =
                serde_json::from_value(expected["pairs"].clone()).unwrap();
            let theirs: Vec<f32> =
                serde_json::from_value(expected["probabilities"].clone()).unwrap();
            assert!(pairs.len() == theirs.len() && pairs.len() >= 6);
            for ([text, claim], theirs) in pairs.iter().zip(theirs) {
                let ours = judge.probability(text, claim).unwrap();
                assert!(
                    (ours - theirs).abs() < 1e-5,
                    "{name}: {text:?}, {claim:?}: {ours}, {theirs}"
                );
            }
        }
    }
}

#[test]
fn a_model_that_tells_nothing_apart_is_refused() {
    let error = Embedder::load("random", &folder("bge-m3"), &Recipe::default()).unwrap_err();
    assert!(error.to_string().contains("does not tell"), "{error}");
}

/// A copy of a recorded folder whose config.json says something else.
fn with(name: &str, edit: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(folder(name).join(file), copy.path().join(file)).unwrap();
    }
    let path = copy.path().join("config.json");
    let mut json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    edit(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
    copy
}

#[test]
fn what_is_not_supported_is_refused_with_its_reason() {
    let refused = |copy: &tempfile::TempDir| {
        Entailer::load("odd", copy.path()).err().expect("it is refused").to_string()
    };
    let odd = with("deberta", |json| json["share_att_key"] = false.into());
    assert!(refused(&odd).contains("not DeBERTa-v3's"), "{}", refused(&odd));
    let odd = with("deberta", |json| json["id2label"] = serde_json::json!({"0": "yes", "1": "no"}));
    assert!(refused(&odd).contains("its id2label has yes, no"), "{}", refused(&odd));
    let odd = with("xnli", |json| json["hidden_size"] = 48.into());
    assert!(refused(&odd).contains("has the shape"), "{}", refused(&odd));
    let odd = with("xnli", |json| json["model_type"] = "electra".into());
    assert!(refused(&odd).contains("model_type `electra`"), "{}", refused(&odd));
}
