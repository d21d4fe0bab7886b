//! A decoder's shape, from a GGUF header or a hub folder's `config.json`.

use candle_core::quantized::gguf_file::Content;
use serde_json::Value;

use super::super::{gguf, kernels::Activation};

/// The architectures that load, by GGUF's `general.architecture`.
pub const SUPPORTED: [&str; 4] = ["qwen2", "qwen3", "llama", "gemma3"];

/// Which pairs of a head's floats rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rope {
    /// `(i, i + half)`.
    Halves,
    /// `(2i, 2i + 1)`.
    Neighbours,
}

/// What the file says of its shape.
#[derive(Debug, Clone)]
pub struct Config {
    /// GGUF's name of the architecture.
    pub architecture: String,
    /// Layers.
    pub layers: usize,
    /// Floats of a hidden row.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Floats of a head.
    pub head_size: usize,
    /// Tokens that the model was trained on.
    pub context_length: usize,
    pub(super) eps: f32,
    pub(super) rope: Rope,
    pub(super) rope_theta: f32,
    /// Theta and window of local layers, and every how manieth layer is global (Gemma 3).
    pub(super) local: Option<Local>,
    pub(super) activation: Activation,
    pub(super) embedding_scale: Option<f32>,
    pub(super) scale: f32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Local {
    theta: f32,
    window: usize,
    every: usize,
}

impl Config {
    /// Reads the shape from a GGUF header.
    ///
    /// # Errors
    /// The architecture isn't supported, or a key is missing.
    pub fn from_gguf(content: &Content) -> std::result::Result<Self, String> {
        let architecture = gguf::string(content, "general.architecture")?;
        if !SUPPORTED.contains(&architecture.as_str()) {
            return Err(unsupported(&architecture));
        }
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| gguf::u32(content, &key(name)).map(|v| v as usize);
        let gemma = architecture == "gemma3";
        let heads = number("attention.head_count")?;
        let hidden = number("embedding_length")?;
        let head_size = number("attention.key_length").unwrap_or(hidden / heads.max(1));
        if content.metadata.contains_key(&key("rope.scaling.type"))
            && gguf::string(content, &key("rope.scaling.type")).is_ok_and(|s| s != "none")
        {
            return Err("it scales its rotary positions, which is not supported yet".into());
        }
        let local = gemma
            .then(|| -> std::result::Result<_, String> {
                Ok(Local {
                    // Not in the file; llama.cpp sets the same two constants for gemma3.
                    theta: 10_000.0,
                    every: 6,
                    window: number("attention.sliding_window")?,
                })
            })
            .transpose()?;
        Ok(Self {
            layers: number("block_count")?,
            hidden,
            heads,
            kv_heads: number("attention.head_count_kv").unwrap_or(heads),
            head_size,
            context_length: number("context_length")?,
            eps: gguf::f32(content, &key("attention.layer_norm_rms_epsilon"))?,
            rope: if architecture == "llama" { Rope::Neighbours } else { Rope::Halves },
            rope_theta: gguf::f32(content, &key("rope.freq_base")).unwrap_or(10_000.0),
            local,
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: gemma.then(|| (hidden as f32).sqrt()),
            scale: 1.0 / (head_size as f32).sqrt(),
            architecture,
        })
    }

    /// Reads the shape from a hub folder's `config.json` (transformers' `PretrainedConfig`).
    ///
    /// # Errors
    /// The architecture or a part of it isn't supported, or a key is missing.
    pub fn from_hub(json: &Value) -> std::result::Result<Self, String> {
        // Multimodal checkpoints keep the decoder's shape apart.
        let json = json.get("text_config").unwrap_or(json);
        let architecture = hub_architecture(json)?;
        if !SUPPORTED.contains(&architecture.as_str()) {
            return Err(unsupported(&architecture));
        }
        let number = |name: &str| {
            let value = json.get(name).and_then(Value::as_u64);
            value.map(|v| v as usize).ok_or_else(|| format!("config.json: `{name}` is missing"))
        };
        let real = |from: &Value, name: &str| from.get(name).and_then(Value::as_f64);
        let gemma = architecture == "gemma3";
        let (hidden, heads) = (number("hidden_size")?, number("num_attention_heads")?);
        let head_size = number("head_dim").unwrap_or(hidden / heads.max(1));
        // transformers 5 keeps rotary settings together, per kind of layer for Gemma.
        let rope = json.get("rope_parameters").unwrap_or(json);
        let global = rope.get("full_attention").unwrap_or(rope);
        for scaling in [json.get("rope_scaling"), Some(global)].into_iter().flatten() {
            let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
            if kind.and_then(Value::as_str).is_some_and(|k| k != "default") {
                return Err("it scales its rotary positions, which is not supported yet".into());
            }
        }
        if json.get("use_sliding_window").and_then(Value::as_bool) == Some(true) {
            return Err("it uses a sliding window, which is not supported yet".into());
        }
        let local = gemma
            .then(|| -> std::result::Result<_, String> {
                let theta = rope.get("sliding_attention").and_then(|r| real(r, "rope_theta"));
                Ok(Local {
                    theta: theta.or(real(json, "rope_local_base_freq")).unwrap_or(10_000.0) as f32,
                    every: number("sliding_window_pattern").unwrap_or(6),
                    window: number("sliding_window")?,
                })
            })
            .transpose()?;
        let scale = real(json, "query_pre_attn_scalar").filter(|_| gemma);
        Ok(Self {
            layers: number("num_hidden_layers")?,
            hidden,
            heads,
            kv_heads: number("num_key_value_heads").unwrap_or(heads),
            head_size,
            context_length: number("max_position_embeddings")?,
            eps: real(json, "rms_norm_eps").unwrap_or(1e-6) as f32,
            // Unlike GGUF's, the hub's llama weights are not rearranged.
            rope: Rope::Halves,
            rope_theta: real(global, "rope_theta").or(real(json, "rope_theta")).unwrap_or(10_000.0)
                as f32,
            local,
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            embedding_scale: gemma.then(|| (hidden as f32).sqrt()),
            scale: 1.0 / scale.map_or(head_size as f32, |s| s as f32).sqrt(),
            architecture,
        })
    }

    pub(super) fn window(&self, layer: usize) -> usize {
        match self.local {
            Some(local) if !(layer + 1).is_multiple_of(local.every) => local.window,
            _ => usize::MAX,
        }
    }

    /// The bases of the layers' rotary frequencies.
    pub(super) fn thetas(&self) -> impl Iterator<Item = f32> {
        std::iter::once(self.rope_theta).chain(self.local.map(|local| local.theta))
    }

    /// Which of [`Config::thetas`] a layer has.
    pub(super) fn theta(&self, layer: usize) -> usize {
        self.local.map_or(0, |local| usize::from(!(layer + 1).is_multiple_of(local.every)))
    }
}

/// Says that an architecture isn't supported, and which are.
#[must_use]
pub fn unsupported(architecture: &str) -> String {
    format!(
        "its architecture `{architecture}` is not supported; supported are {}",
        SUPPORTED.join(", ")
    )
}

/// The architecture that a hub folder's `config.json` names, as GGUF would call it.
fn hub_architecture(json: &Value) -> std::result::Result<String, String> {
    let kind = json.get("model_type").and_then(Value::as_str);
    kind.map(|k| k.trim_end_matches("_text").to_owned())
        .ok_or_else(|| "config.json names no `model_type`".to_owned())
}
