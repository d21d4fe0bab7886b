//! Each architecture against candle-transformers' own implementation, on random weights in a hub
//! folder: the two share no code but candle's matrix product.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::HashMap;

use brief::engine::{Backend, Engine, Pass, Prompt, tokenizer::Part};
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
    let engine = Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap();
    let tensors =
        candle_core::safetensors::load(folder.path().join("model.safetensors"), &Device::Cpu)
            .unwrap();
    let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    let mut reference = reference(model_type, config, builder);
    let ours = engine.logits(&Prompt { levels: vec![TOKENS.to_vec()] }).unwrap();
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

/// An adapter of random weights for every linear layer of a hub folder's model, and that folder's
/// tensors with `B·A·scale` added to them.
fn adapted(
    tensors: &HashMap<String, Tensor>,
    scale: f64,
) -> (HashMap<String, Tensor>, HashMap<String, Tensor>) {
    let (mut adapter, mut merged) = (HashMap::new(), tensors.clone());
    for (n, (name, weight)) in tensors.iter().filter(|(n, _)| n.contains("_proj.w")).enumerate() {
        let (rows, columns) = weight.dims2().unwrap();
        let wave = |count: usize, pace: f32| -> Vec<f32> {
            (0..count).map(|i| (i as f32 * pace + n as f32).sin() * 0.3).collect()
        };
        let a = Tensor::from_vec(wave(3 * columns, 0.7), (3, columns), &Device::Cpu).unwrap();
        let b = Tensor::from_vec(wave(rows * 3, 1.3), (rows, 3), &Device::Cpu).unwrap();
        let sum = (weight + (b.matmul(&a).unwrap() * scale).unwrap()).unwrap();
        merged.insert(name.clone(), sum);
        let stem = format!("base_model.model.{}", name.trim_end_matches(".weight"));
        adapter.insert(format!("{stem}.lora_A.weight"), a);
        adapter.insert(format!("{stem}.lora_B.weight"), b);
    }
    assert!(adapter.len() >= 28, "every linear layer of both layers");
    (adapter, merged)
}

#[test]
fn an_adapter_beside_the_weights_does_what_it_does_merged_into_them() {
    for model_type in ["qwen2", "qwen3", "llama", "gemma3_text"] {
        let folder = tempfile::tempdir().unwrap();
        common::tiny::write_hub_folder(folder.path(), model_type);
        let file = folder.path().join("model.safetensors");
        let tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
        let engine = Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap();
        let (mut tensors, merged) = adapted(&tensors, 2.0);
        tensors.insert("probe".into(), Tensor::new(&[1f32], &Device::Cpu).unwrap());
        let adapter = engine.adapter(&mut tensors, 2.0).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["probe"], "what isn't the adapter's stays");
        candle_core::safetensors::save(&merged, &file).unwrap();
        let merged = Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap();

        let long: Vec<u32> = TOKENS.iter().copied().cycle().take(600).collect();
        for (tokens, layers) in [(&TOKENS[..], 1), (&TOKENS[..], 2), (&long[..], 2)] {
            let prompt = Prompt { levels: vec![tokens[..5].to_vec(), tokens[5..].to_vec()] };
            let state =
                |engine: &Engine, adapter| engine.state(&prompt, Pass { layers, adapter }).unwrap();
            let within = state(&merged, None);
            let spread = within.iter().fold(0f32, |m, v| m.max(v.abs()));
            let far = |other: Vec<f32>| {
                assert_eq!(other.len(), within.len());
                let pairs = other.iter().zip(&within);
                pairs.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / spread
            };
            let beside = far(state(&engine, Some(&adapter)));
            assert!(beside < 1e-4, "{model_type}, {layers} layers: {beside}");
            assert!(far(state(&engine, None)) > 0.01, "{model_type}: the adapter does nothing");
        }
    }
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    common::tiny::write_hub_folder(folder.path(), "qwen2");
    let engine = Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap();
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let refused = |parts: &[(&str, (usize, usize))]| {
        let stem = |name: &str| format!("base_model.model.model.layers.{name}.weight");
        let mut tensors: HashMap<String, Tensor> =
            parts.iter().map(|(name, shape)| (stem(name), zeros(*shape))).collect();
        engine.adapter(&mut tensors, 1.0).expect_err("it doesn't fit")
    };
    let down = ("0.mlp.up_proj.lora_A", (4, 32));
    for (parts, reason) in [
        (vec![down], "has no lora_B"),
        (vec![down, ("0.mlp.up_proj.lora_B", (63, 4))], "adapts 63 × 32, the model has"),
        (vec![("0.mlp.up_proj.lora_B", (64, 4))], "nothing can be done with"),
        (vec![("7.mlp.up_proj.lora_A", (4, 32))], "is no linear layer of this model"),
        (vec![("0.mlp.side_proj.lora_A", (4, 32))], "is no linear layer of this model"),
    ] {
        let found = refused(&parts);
        assert!(found.contains(reason), "{found}");
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
    let engine = Engine::load("tiny", folder.path(), &Backend::cpu()).unwrap();
    let text = "Ä <|im_end|> ü";
    let ids = engine.tokenizer.encode(text).unwrap();
    assert_eq!(ids.len(), text.len());
    assert!(ids.iter().all(|id| *id < 256));
    assert_eq!(engine.tokenizer.decode(&ids), text);
    let parts = [Part::Special("<|im_end|>".into()), Part::Text("a".into())];
    assert_eq!(engine.tokenizer.encode_parts(&parts).unwrap()[0], 258);
    assert!(engine.tokenizer.is_end(258) && engine.tokenizer.is_end(256));
}
