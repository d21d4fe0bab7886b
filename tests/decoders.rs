//! Every family of decoders against transformers, on the small random models that
//! tests/reference/decoders/record.py made: hub folders with the variants that real models have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use brief::engine::{
    Backend, Engine, Prompt,
    check::Reference,
    convert::{Format, convert},
    gguf,
    tokenizer::Part,
};
use common::recording::{self, agrees};
use serde_json::Value;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/decoders")
}

fn folder(name: &str) -> tempfile::TempDir {
    recording::folder(&recordings().join(name))
}

fn expected(name: &str) -> Value {
    recording::expected(&recordings().join(name))
}

fn load(folder: &Path) -> Engine {
    Engine::load("tiny", folder, &Backend::cpu()).unwrap()
}

fn check(name: &str) {
    let (folder, expected) = (folder(name), expected(name));
    for backend in recording::backends() {
        let mut engine = Engine::load("tiny", folder.path(), &backend).unwrap();
        agrees(&mut engine, &expected, &format!("{name}, {backend:?}"));
    }
}

/// The recordings of which GGUF files can tell everything.
const CONVERTED: [&str; 10] = [
    "gemma4",
    "gemma4-wide",
    "hunyuan",
    "llama3",
    "qwen2-tied",
    "qwen3",
    "qwen35",
    "qwen35-shared",
    "smollm2",
    "smollm3",
];

#[test]
fn every_recording_is_compared() {
    let mut names: Vec<String> = std::fs::read_dir(recordings())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut compared = [&CONVERTED[..], &["gemma3", "qwen3-tied"]].concat();
    compared.sort_unstable();
    assert_eq!(names, compared);
}

#[test]
fn qwen2_with_one_matrix_in_and_out() {
    check("qwen2-tied");
}

#[test]
fn qwen3_with_two_matrices_and_one() {
    check("qwen3");
    check("qwen3-tied");
}

#[test]
fn qwen35_with_layers_of_the_delta_rule() {
    check("qwen35");
    check("qwen35-shared");
}

#[test]
fn llama_plain_and_with_llama_3_s_positions() {
    check("smollm2");
    check("llama3");
}

#[test]
fn smollm3_with_layers_that_are_not_told_positions() {
    check("smollm3");
}

#[test]
fn gemma3_with_scaled_positions() {
    check("gemma3");
}

#[test]
fn gemma4_with_embeddings_of_layers_and_keys_that_several_read() {
    check("gemma4");
}

#[test]
fn gemma4_with_values_that_are_keys() {
    check("gemma4-wide");
}

/// What llama.cpp's converter makes of a recording, with a vocabulary of its kind.
fn check_converted(name: &str, begun: &[u32]) {
    let recording = recordings().join(name);
    for backend in recording::backends() {
        let engine = Engine::load("tiny", &recording.join("converted.gguf"), &backend).unwrap();
        recording::logits_agree(&engine, &expected(name), &format!("{name}, {backend:?}"));
        let recorded = std::fs::read_to_string(recording.join("tokens.json")).unwrap();
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        let texts: Vec<String> = serde_json::from_value(recorded["texts"].clone()).unwrap();
        let tokens: Vec<Vec<u32>> = serde_json::from_value(recorded["tokens"].clone()).unwrap();
        assert!(texts.len() == tokens.len() && texts.len() >= 8);
        let plain = |text: &str| text.replace('▁', " ").replace("e\u{301}", "é");
        for (text, tokens) in texts.iter().zip(&tokens) {
            assert_eq!(engine.tokenizer.encode(text).unwrap(), *tokens, "{name}: {text:?}");
            assert_eq!(plain(&engine.tokenizer.decode(tokens)), plain(text), "{name}");
        }
        assert_eq!(engine.tokenizer.encode_parts(&[Part::Text("x".into())]).unwrap(), begun);
        assert!(engine.tokenizer.is_end(258));
    }
}

#[test]
fn gemma4_as_llama_cpp_writes_it() {
    check_converted("gemma4", &[256, 120]);
    check_converted("gemma4-wide", &[256, 120]);
}

/// Its heads of values stand in another order there.
#[test]
fn qwen35_as_llama_cpp_writes_it() {
    check_converted("qwen35", &[120]);
    check_converted("qwen35-shared", &[120]);
}

#[test]
fn hunyuan_with_norms_behind_the_rotation() {
    check("hunyuan");
}

/// What a `config.json` may ask for and isn't done is refused, never left out in silence.
#[test]
fn a_shape_that_is_not_computed_is_refused() {
    for (name, change, reason) in [
        ("llama3", serde_json::json!({ "rope_parameters": { "rope_type": "yarn" } }), "`yarn`"),
        (
            "qwen2-tied",
            serde_json::json!({ "rope_scaling": { "type": "dynamic", "factor": 2.0 }, "rope_parameters": null }),
            "`dynamic`",
        ),
        ("qwen2-tied", serde_json::json!({ "use_sliding_window": true }), "sliding window"),
        (
            "qwen3",
            serde_json::json!({ "layer_types": ["full_attention", "sliding_attention"] }),
            "layer 1",
        ),
        ("qwen3", serde_json::json!({ "num_key_value_heads": 0 }), "0 of keys and values"),
        ("qwen3", serde_json::json!({ "num_hidden_layers": 4_000_000_000u32 }), "layers"),
        (
            "gemma3",
            serde_json::json!({ "final_logit_softcapping": 30.0 }),
            "final_logit_softcapping",
        ),
    ] {
        let folder = folder(name);
        let path = folder.path().join("config.json");
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        std::fs::write(&path, config.to_string()).unwrap();
        let error = Engine::load("tiny", folder.path(), &Backend::cpu()).err().expect(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// A folder as GGUF writes the same, and what GGUF can't tell is refused.
#[test]
fn a_folder_becomes_a_gguf_file_that_is_computed_alike() {
    let out = tempfile::tempdir().unwrap();
    for name in CONVERTED {
        let expected = expected(name);
        let path = out.path().join(format!("{name}.gguf"));
        let converted = convert(folder(name).path(), &path, Format::F32).unwrap();
        assert_eq!(converted.worst.1, 0.0, "{name}");
        assert_eq!(converted.bytes, path.metadata().unwrap().len());
        agrees(&mut load(&path), &expected, name);
        // Tensors as llama.cpp's converter writes them, not one more.
        let theirs = recordings().join(name).join("converted.gguf");
        if theirs.exists() {
            let [ours, theirs] = [&path, &theirs].map(|path| {
                let (content, _) = gguf::open(path).unwrap();
                let tensors = content.tensor_infos.iter();
                let shapes = tensors.map(|(name, t)| (name.clone(), t.shape.dims().to_vec()));
                shapes.collect::<BTreeMap<String, Vec<usize>>>()
            });
            assert_eq!(ours, theirs, "{name}");
        }
    }
    // llama.cpp has no key for a scale that isn't a head's.
    let path = out.path().join("gemma3.gguf");
    let error = convert(folder("gemma3").path(), &path, Format::F32).unwrap_err().to_string();
    assert!(error.contains("can't tell by what something is multiplied"), "{error}");
    assert!(!path.exists() && !path.with_extension("part").exists());
}

#[test]
fn quantised_weights_are_near_those_of_the_folder() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("q8.gguf");
    let converted = convert(folder("llama3").path(), &path, Format::Q8_0).unwrap();
    assert!(converted.worst.1 > 0.0 && converted.worst.1 < 0.01, "{converted:?}");
    let (folder, engine) = (load(folder("llama3").path()), load(&path));
    let prompt = Prompt { levels: vec![(65..90).collect()] };
    let (ours, theirs) = (engine.logits(&prompt).unwrap(), folder.logits(&prompt).unwrap());
    let spread = theirs.iter().flatten().fold(0f32, |most, v| most.max(v.abs()));
    let apart = ours.iter().flatten().zip(theirs.iter().flatten()).map(|(a, b)| (a - b).abs());
    let apart = apart.fold(0f32, f32::max) / spread;
    assert!(apart > 0.0 && apart < 0.1, "{apart}");
}

/// `brief models check` agrees with the recorded reference, and notices another one.
#[test]
fn a_check_compares_with_a_reference() {
    let engine = load(folder("qwen3").path());
    let expected = expected("qwen3");
    let prompts = expected["prompts"].as_array().unwrap().iter();
    let prompts =
        prompts.map(|text| text.as_str().unwrap().bytes().map(u32::from).collect()).collect();
    let logits: Vec<Vec<f32>> = serde_json::from_value(expected["logits"].clone()).unwrap();
    let mut reference = Reference { prompts, begin: Vec::new(), logits, greedy: Vec::new() };
    let findings = engine.check(Some(&reference)).unwrap();
    let agreement = findings.reference.clone().unwrap();
    assert!(agreement.prompts == 3 && agreement.largest < 1e-4, "{agreement:?}");
    assert_eq!(findings.company, 0.0);
    assert!(findings.perplexity.unwrap() > 200.0, "it is random");
    assert_eq!(findings.faults(1e-4, true).len(), 1, "{:?}", findings.faults(1e-4, true));
    reference.logits.rotate_left(1);
    let findings = engine.check(Some(&reference)).unwrap();
    assert!(findings.faults(0.05, true).iter().any(|fault| fault.contains("the reference's")));
    reference.prompts[0].push(259);
    assert!(engine.check(Some(&reference)).unwrap_err().to_string().contains("none of this model"));
}
