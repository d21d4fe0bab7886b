//! Each architecture against candle-transformers' own implementation, on random weights in a hub
//! folder: the two share no code but candle's matrix product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use brief::engine::{Engine, tokenizer::Part};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{gemma3, llama, qwen2, qwen3};

/// Longer than Gemma's window of 5.
const TOKENS: [u32; 23] = [
    72, 101, 108, 108, 111, 257, 32, 119, 258, 111, 0, 255, 33, 7, 200, 13, 64, 65, 66, 1, 2, 3, 90,
];

/// The reference's logits after each prefix of [`TOKENS`].
type Reference = Box<dyn FnMut(&Tensor) -> Vec<f32>>;

fn reference(
    model_type: &str,
    config: serde_json::Value,
    builder: VarBuilder<'static>,
) -> Reference {
    let last = |logits: Tensor| -> Vec<f32> {
        let logits = logits.squeeze(0).unwrap();
        let row = if logits.rank() == 2 {
            logits.get(logits.dim(0).unwrap() - 1).unwrap()
        } else {
            logits
        };
        row.to_vec1().unwrap()
    };
    match model_type {
        "qwen2" => {
            let config: qwen2::Config = serde_json::from_value(config).unwrap();
            Box::new(move |ids| {
                let mut model = qwen2::ModelForCausalLM::new(&config, builder.clone()).unwrap();
                last(model.forward(ids, 0).unwrap())
            })
        }
        "qwen3" => {
            let config: qwen3::Config = serde_json::from_value(config).unwrap();
            Box::new(move |ids| {
                let mut model = qwen3::ModelForCausalLM::new(&config, builder.clone()).unwrap();
                last(model.forward(ids, 0).unwrap())
            })
        }
        "gemma3_text" => {
            let config: gemma3::Config = serde_json::from_value(config).unwrap();
            Box::new(move |ids| {
                // Token by token: its window is right only so.
                let mut model = gemma3::Model::new(false, &config, builder.clone()).unwrap();
                let tokens = ids.dim(1).unwrap();
                let steps = (0..tokens).map(|at| {
                    model.forward(&ids.narrow(1, at, 1).unwrap().contiguous().unwrap(), at).unwrap()
                });
                last(steps.last().unwrap())
            })
        }
        _ => {
            let config: llama::LlamaConfig = serde_json::from_value(config).unwrap();
            let config = config.into_config(false);
            Box::new(move |ids| {
                let model = llama::Llama::load(builder.clone(), &config).unwrap();
                let mut cache =
                    llama::Cache::new(false, DType::F32, &config, &Device::Cpu).unwrap();
                last(model.forward(ids, 0, &mut cache).unwrap())
            })
        }
    }
}

/// Logits agree within 1e-4 of their spread, after every prefix.
fn agrees(model_type: &str) {
    let folder = tempfile::tempdir().unwrap();
    let config = common::tiny::write_hub_folder(folder.path(), model_type);
    let engine = Engine::load("tiny", folder.path(), &Device::Cpu).unwrap();
    let tensors =
        candle_core::safetensors::load(folder.path().join("model.safetensors"), &Device::Cpu)
            .unwrap();
    let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let mut reference = reference(model_type, config, builder);
    let ours = engine.logits(&TOKENS).unwrap();
    for length in 1..=TOKENS.len() {
        let ids = Tensor::new(&TOKENS[..length], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let theirs = reference(&ids);
        let ours = &ours[length - 1];
        assert_eq!(ours.len(), theirs.len());
        let spread = theirs.iter().fold(0f32, |a, b| a.max(b.abs()));
        for (id, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!(
                (a - b).abs() <= 1e-4 * spread,
                "{model_type}, {length} tokens, id {id}: {a} {b}"
            );
        }
    }
}

#[test]
fn qwen2_agrees_with_candle_transformers() {
    agrees("qwen2");
}

#[test]
fn qwen3_agrees_with_candle_transformers() {
    agrees("qwen3");
}

#[test]
fn llama_agrees_with_candle_transformers() {
    agrees("llama");
}

#[test]
fn gemma3_agrees_with_candle_transformers() {
    agrees("gemma3_text");
}

#[test]
fn a_hub_folder_s_tokenizer_forms_no_control_tokens_from_text() {
    let folder = tempfile::tempdir().unwrap();
    common::tiny::write_hub_folder(folder.path(), "qwen2");
    let engine = Engine::load("tiny", folder.path(), &Device::Cpu).unwrap();
    let text = "Ä <|im_end|> ü";
    let ids = engine.tokenizer.encode(text).unwrap();
    assert_eq!(ids.len(), text.len());
    assert!(ids.iter().all(|id| *id < 256));
    assert_eq!(engine.tokenizer.decode(&ids), text);
    let parts = [Part::Special("<|im_end|>".into()), Part::Text("a".into())];
    assert_eq!(engine.tokenizer.encode_parts(&parts).unwrap()[0], 258);
    assert!(engine.tokenizer.is_end(258) && engine.tokenizer.is_end(256));
}
