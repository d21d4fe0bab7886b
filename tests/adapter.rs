//! Adapters and beam search against PEFT and transformers, on the small random models that
//! tests/reference/peft/record.py made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use brief::engine::{Backend, Engine, Prompt, Search};
use candle_core::{Device, Tensor};
use common::recording::{self, written};
use serde_json::Value;

fn recorded(model: &str) -> (PathBuf, Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/peft").join(model);
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected = serde_json::from_str(&expected).unwrap();
    (folder, expected)
}

/// The recorded base model, with these weights.
fn engine(recording: &Path, tensors: &HashMap<String, Tensor>) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    // For its tokenizer.
    common::tiny::write_hub_folder(folder.path(), "qwen2");
    std::fs::copy(recording.join("config.json"), folder.path().join("config.json")).unwrap();
    candle_core::safetensors::save(tensors, folder.path().join("model.safetensors")).unwrap();
    Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap()
}

fn tensors(recording: &Path, file: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(recording.join(file), &Device::Cpu).unwrap()
}

fn adapted(recording: &Path) -> Engine {
    let mut engine = engine(recording, &tensors(recording, "model.safetensors"));
    let read = |name: &str| std::fs::read(recording.join(name)).unwrap();
    let config = String::from_utf8(read("adapter_config.json")).unwrap();
    let adapter = engine.peft(&config, &read("adapter_model.safetensors")).unwrap();
    engine.adopt(adapter);
    engine
}

/// `W + B·A·scale` in place of each `W`.
fn merged(recording: &Path, scale: f64) -> Engine {
    let mut base = tensors(recording, "model.safetensors");
    let adapter = tensors(recording, "adapter_model.safetensors");
    for (name, down) in adapter.iter().filter(|(name, _)| name.ends_with("lora_A.weight")) {
        let up = &adapter[&name.replace("lora_A", "lora_B")];
        let weight = name.replace("base_model.model.", "").replace("lora_A.", "");
        let sum = (&base[&weight] + (up.matmul(down).unwrap() * scale).unwrap()).unwrap();
        base.insert(weight, sum);
    }
    engine(recording, &base)
}

fn agrees(engine: &mut Engine, expected: &Value, kind: &str) {
    let mut recorded = expected[kind].clone();
    recorded["prompts"] = expected["prompts"].clone();
    recording::agrees(engine, &recorded, kind);
}

#[test]
fn a_model_and_its_adapter_write_what_they_do_in_peft() {
    for model in ["gemma3", "qwen2"] {
        let (recording, expected) = recorded(model);
        let mut base = engine(&recording, &tensors(&recording, "model.safetensors"));
        agrees(&mut base, &expected, "base");
        agrees(&mut adapted(&recording), &expected, "adapted");
    }
}

#[test]
fn an_adapter_merged_into_the_weights_writes_the_same() {
    // lora_alpha over r, and over its root (rsLoRA), in the recordings.
    for (model, scale) in [("gemma3", 4.0), ("qwen2", 3.0)] {
        let (recording, expected) = recorded(model);
        agrees(&mut merged(&recording, scale), &expected, "adapted");
    }
}

#[test]
fn beams_write_the_same_alone_and_among_others() {
    let (recording, _) = recorded("qwen2");
    let search = Search { beams: 4, length_penalty: 1.0 };
    let prompt = |i: usize| {
        let text = format!("Sentence {i} {}", "x".repeat(i));
        Prompt { levels: vec![text.bytes().map(u32::from).collect()] }
    };
    let together = written(&mut adapted(&recording), (0..17).map(prompt).collect(), search);
    for (i, output) in together.iter().enumerate() {
        let alone = written(&mut adapted(&recording), vec![prompt(i)], search);
        assert_eq!(alone[0].tokens, output.tokens, "{i}");
    }
}

#[test]
fn an_adapter_of_another_kind_is_refused_with_its_reason() {
    let (recording, _) = recorded("qwen2");
    let engine = engine(&recording, &tensors(&recording, "model.safetensors"));
    let config = std::fs::read_to_string(recording.join("adapter_config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let weights = std::fs::read(recording.join("adapter_model.safetensors")).unwrap();
    for (key, value) in [
        ("use_dora", Value::from(true)),
        ("peft_type", "LOHA".into()),
        ("bias", "all".into()),
        ("modules_to_save", vec!["lm_head"].into()),
        ("rank_pattern", serde_json::json!({ "q_proj": 8 })),
        ("init_lora_weights", "pissa".into()),
    ] {
        let mut other = config.clone();
        other[key] = value;
        let reason = engine.peft(&other.to_string(), &weights).unwrap_err();
        assert!(reason.contains(key) && reason.contains("isn't supported"), "{reason}");
    }
    let of_another = std::fs::read(recorded("gemma3").0.join("adapter_model.safetensors")).unwrap();
    let reason = engine.peft(&config.to_string(), &of_another).unwrap_err();
    assert!(reason.contains("is no linear layer of this model"), "{reason}");
    let reason = engine.peft(&config.to_string(), &weights[..100]).unwrap_err();
    assert!(reason.starts_with("adapter_model.safetensors: "), "{reason}");
    let reason = engine.peft("{}", &weights).unwrap_err();
    assert!(reason.starts_with("adapter_config.json: missing field"), "{reason}");
}
