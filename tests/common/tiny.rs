//! A model of a few thousand random weights over a vocabulary of bytes. It writes nonsense, so
//! what is tested with it is everything around the model: that nothing is lost, skipped or hidden.
//! As a hub folder it is also what the engine's arithmetic is compared on.

use std::path::Path;

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};

const HIDDEN: usize = 32;
const FFN: usize = 64;
const LAYERS: usize = 2;
const HEADS: usize = 2;

/// GPT-2's printable stand-in for a byte (openai/gpt-2, `encoder.py`).
fn stand_in(byte: u8) -> char {
    let printable = |b: u8| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|b| !printable(*b)).count() as u32;
    char::from_u32(0x100 + rank).unwrap()
}

/// Writes the model as GGUF, architecture qwen2, prompts in ChatML.
pub fn write(path: &Path) {
    let mut pieces: Vec<String> = (0..=255u8).map(|b| stand_in(b).to_string()).collect();
    pieces.push(format!("{}[", stand_in(b' ')));
    let normal = pieces.len();
    for special in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] {
        pieces.push(special.to_owned());
    }
    let vocab = pieces.len();
    let kinds: Vec<Value> =
        (0..vocab).map(|id| Value::I32(if id < normal { 1 } else { 3 })).collect();
    let text = |s: &str| Value::String(s.to_owned());
    let number = |n: usize| Value::U32(n as u32);
    let merges = vec![Value::String(format!("{} [", stand_in(b' ')))];
    let metadata = [
        ("general.architecture", text("qwen2")),
        ("general.name", text("Tiny")),
        ("qwen2.block_count", number(LAYERS)),
        ("qwen2.embedding_length", number(HIDDEN)),
        ("qwen2.feed_forward_length", number(FFN)),
        ("qwen2.attention.head_count", number(HEADS)),
        ("qwen2.attention.head_count_kv", number(1)),
        ("qwen2.attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ("qwen2.rope.freq_base", Value::F32(10_000.0)),
        ("qwen2.context_length", number(32_768)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("qwen2")),
        ("tokenizer.ggml.tokens", Value::Array(pieces.iter().map(|p| text(p)).collect())),
        ("tokenizer.ggml.token_type", Value::Array(kinds)),
        ("tokenizer.ggml.merges", Value::Array(merges)),
        ("tokenizer.ggml.eos_token_id", number(vocab - 1)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.chat_template", text("{{ '<|im_start|>' }}")),
    ];

    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let head = HIDDEN / HEADS;
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    let mut add = |name: String, shape: &[usize], values: Vec<f32>| {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        tensors.push((name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap()));
    };
    for name in ["token_embd.weight", "output.weight"] {
        add(name.into(), &[vocab, HIDDEN], random.take(vocab * HIDDEN, 0.6));
    }
    add("output_norm.weight".into(), &[HIDDEN], vec![1.0; HIDDEN]);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        for (part, rows, cols) in [
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", head, HIDDEN),
            ("attn_v", head, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_gate", FFN, HIDDEN),
            ("ffn_up", FFN, HIDDEN),
            ("ffn_down", HIDDEN, FFN),
        ] {
            add(name(part), &[rows, cols], random.take(rows * cols, 0.6));
        }
        for part in ["attn_norm", "ffn_norm"] {
            add(name(part), &[HIDDEN], vec![1.0; HIDDEN]);
        }
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (*k, v)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    let mut file = std::fs::File::create(path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}

/// Writes a random model as a hub folder of the given `model_type` and returns its `config.json`.
pub fn write_hub_folder(folder: &Path, model_type: &str) -> serde_json::Value {
    std::fs::create_dir_all(folder).unwrap();
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..=255u8).map(|b| (stand_in(b).to_string(), b.into())).collect();
    let added: Vec<serde_json::Value> = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        .iter()
        .enumerate()
        .map(|(i, piece)| {
            serde_json::json!({
                "id": 256 + i, "content": piece, "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    let byte_level = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": byte_level, "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocab, "merges": [],
        },
    });
    // Gemma's head is wider than its share of the hidden row, so that the two can't be mixed up.
    let gemma = model_type == "gemma3_text";
    let (hidden, heads, kv_heads, head, ffn, layers, size) = (32, 4, 2, 16, 48, 7, 259);
    let head = if gemma || model_type == "qwen3" { head } else { hidden / heads };
    let config = serde_json::json!({
        "model_type": model_type, "vocab_size": size, "hidden_size": hidden,
        "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": head, "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5, "rope_theta": 50_000.0, "rope_local_base_freq": 10_000.0,
        // candle-transformers applies qwen2's window even where the model doesn't use it.
        "sliding_window": if gemma { 5 } else { 256 }, "sliding_window_pattern": 6, "query_pre_attn_scalar": head,
        "max_window_layers": layers, "use_sliding_window": false, "tie_word_embeddings": gemma,
        "hidden_act": if gemma { "gelu_pytorch_tanh" } else { "silu" },
        "hidden_activation": "gelu_pytorch_tanh", "attention_bias": false,
        "eos_token_id": [258, 256], "bos_token_id": 256,
    });
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut tensors = std::collections::HashMap::new();
    let mut add = |name: String, shape: &[usize], scale: f32| {
        let values = random.take(shape.iter().product(), scale);
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    };
    add("model.embed_tokens.weight".into(), &[size, hidden], 1.0);
    add("model.norm.weight".into(), &[hidden], 2.0);
    if !gemma {
        add("lm_head.weight".into(), &[size, hidden], 0.6);
    }
    for layer in 0..layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        for (part, rows, columns) in [
            ("self_attn.q_proj", heads * head, hidden),
            ("self_attn.k_proj", kv_heads * head, hidden),
            ("self_attn.v_proj", kv_heads * head, hidden),
            ("self_attn.o_proj", hidden, heads * head),
            ("mlp.gate_proj", ffn, hidden),
            ("mlp.up_proj", ffn, hidden),
            ("mlp.down_proj", hidden, ffn),
        ] {
            add(name(&format!("{part}.weight")), &[rows, columns], 0.6);
            if model_type == "qwen2"
                && ["q_proj", "k_proj", "v_proj"].iter().any(|p| part.ends_with(p))
            {
                add(name(&format!("{part}.bias")), &[rows], 1.0);
            }
        }
        let mut norms = vec!["input_layernorm", "post_attention_layernorm"];
        if gemma {
            norms.extend(["pre_feedforward_layernorm", "post_feedforward_layernorm"]);
        }
        for norm in norms {
            add(name(&format!("{norm}.weight")), &[hidden], 2.0);
        }
        if gemma || model_type == "qwen3" {
            add(name("self_attn.q_norm.weight"), &[head], 2.0);
            add(name("self_attn.k_norm.weight"), &[head], 2.0);
        }
    }
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let settings = serde_json::json!({ "chat_template": "{{ '<|im_start|>' }}" });
    std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
    config
}

/// Xorshift (Marsaglia 2003): the same numbers on every machine.
struct Random(u64);

impl Random {
    fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                ((self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * scale
            })
            .collect()
    }
}
