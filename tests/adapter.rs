//! Adapters and beam search against PEFT and transformers, on the small random models that
//! tests/reference/peft/record.py made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use brief::engine::{Engine, Output, Prompt, Request, Search};
use candle_core::{Device, Tensor};
use serde_json::Value;

/// transformers' limit in the recording.
const TOKENS: usize = 11;

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
    Engine::load("tiny", folder.path(), &Device::Cpu).unwrap()
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

fn written(engine: &mut Engine, prompts: &[Value], search: Search) -> Vec<Output> {
    let requests = prompts
        .iter()
        .map(|prompt| {
            let prompt =
                Prompt { levels: vec![prompt.as_str().unwrap().bytes().map(u32::from).collect()] };
            Request { prompt, after: None, max_tokens: TOKENS, search, grammar: None }
        })
        .collect();
    engine.generate(requests, &mut |_: usize, _: usize| true).unwrap()
}

/// Logits within 1e-4 of their spread, tokens the same, for every recorded search.
fn agrees(engine: &mut Engine, expected: &Value, kind: &str) {
    let prompts = expected["prompts"].as_array().unwrap();
    for (prompt, theirs) in prompts.iter().zip(expected[kind]["logits"].as_array().unwrap()) {
        let tokens: Vec<u32> = prompt.as_str().unwrap().bytes().map(u32::from).collect();
        let ours = engine.logits(&tokens).unwrap().pop().unwrap();
        let theirs: Vec<f32> =
            theirs.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let spread = theirs.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= 1e-4 * spread, "{kind}, {prompt}: {a} {b}");
        }
    }
    for search in expected[kind]["written"].as_array().unwrap() {
        let length_penalty = search["length_penalty"].as_f64().unwrap() as f32;
        let how = Search { beams: search["beams"].as_u64().unwrap() as usize, length_penalty };
        let ours = written(engine, prompts, how);
        for (ours, theirs) in ours.iter().zip(search["outputs"].as_array().unwrap()) {
            let tokens: Vec<u64> = ours.tokens.iter().map(|token| u64::from(*token)).collect();
            let written = serde_json::json!({ "tokens": tokens, "cut_off": ours.cut_off });
            assert_eq!(written, *theirs, "{kind}, {how:?}");
        }
    }
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
    let prompts: Vec<Value> =
        (0..17).map(|i| format!("Sentence {i} {}", "x".repeat(i)).into()).collect();
    let together = written(&mut adapted(&recording), &prompts, search);
    for (i, output) in together.iter().enumerate() {
        let alone = written(&mut adapted(&recording), &prompts[i..=i], search);
        assert_eq!(alone[0].tokens, output.tokens, "{}", prompts[i]);
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
