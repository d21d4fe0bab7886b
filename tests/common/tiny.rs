//! A model of a few thousand random weights over a vocabulary of bytes. It writes nonsense, so
//! what is tested with it is everything around the model: that nothing is lost, skipped or hidden.

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

    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = |count: usize, scale: f32| -> Vec<f32> {
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * scale
            })
            .collect()
    };
    let head = HIDDEN / HEADS;
    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    let mut add = |name: String, shape: &[usize], values: Vec<f32>| {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        tensors.push((name, QTensor::quantize(&tensor, GgmlDType::F32).unwrap()));
    };
    for name in ["token_embd.weight", "output.weight"] {
        add(name.into(), &[vocab, HIDDEN], random(vocab * HIDDEN, 0.6));
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
            add(name(part), &[rows, cols], random(rows * cols, 0.6));
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
