//! Models of the shapes of real ones with random weights, so that a device can be measured without
//! fetching anything. What they write means nothing.

use candle_core::{DType, Device, Result, Tensor, bail, quantized::GgmlDType};
use serde_json::Value;

use super::{
    Backend, Engine, Tokenizer,
    arch::{
        config::{Config, Shape},
        delta::DeltaShape,
        model::ModelConfig,
        weights::{Matrix, Table, Weights},
    },
};
use crate::error::Error;

const SHAPES: &str = include_str!("../../models/shapes.json");

/// The type of random weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum RandomType {
    /// 4 bits and a half.
    #[default]
    #[value(name = "q4_k")]
    Q4K,
    /// 8 bits and a half.
    #[value(name = "q8_0")]
    Q8_0,
    /// 16 bits.
    Bf16,
}

impl std::fmt::Display for RandomType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Q4K => "q4_k",
            Self::Q8_0 => "q8_0",
            Self::Bf16 => "bf16",
        })
    }
}

impl RandomType {
    fn dtype(self) -> GgmlDType {
        match self {
            Self::Q4K => GgmlDType::Q4K,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Bf16 => GgmlDType::BF16,
        }
    }
}

/// Shapes by name, as the hub's `config.json` has them.
fn shapes() -> serde_json::Map<String, Value> {
    serde_json::from_str(SHAPES).unwrap_or_default()
}

/// The names of the shapes that there are.
#[must_use]
pub fn names() -> Vec<String> {
    shapes().keys().cloned().collect()
}

impl Engine {
    /// A model of the shape that [`names`] has, all its matrices in that type.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown shape, [`Error::Model`] if it can't be loaded.
    pub fn random(
        shape: &str,
        weights: RandomType,
        backend: &Backend,
    ) -> crate::error::Result<Self> {
        let Some(json) = shapes().remove(shape) else {
            return Err(Error::Usage {
                reason: format!(
                    "there is no shape `{shape}` to measure; there are {}",
                    names().join(", ")
                ),
            });
        };
        let fail = |reason: String| Error::Model {
            model: shape.to_owned(),
            reason,
            hint: "take a smaller shape, or weights of fewer bits".into(),
        };
        let config = Config::from_hub(&json).map_err(&fail)?;
        let random = Random::new(&json, &config, weights.dtype()).map_err(&fail)?;
        let tokenizer = Tokenizer::numbered(random.vocabulary).map_err(&fail)?;
        let config = ModelConfig::Decoder(config);
        Self::assemble(tokenizer, config, Box::new(random), backend)
            .map_err(|e| fail(format!("cannot be loaded: {e}")))
    }
}

/// Weights that are made when they are asked for.
struct Random {
    dtype: GgmlDType,
    hidden: usize,
    feed_forward: usize,
    queries: usize,
    keys: usize,
    head_size: usize,
    vocabulary: usize,
    tied: bool,
    /// Biases at queries, keys and values, as Qwen2.5 has them.
    biased: bool,
    /// Norms of queries and keys, as Qwen3 has them.
    normed: bool,
    /// Of Qwen3.5's layers without attention.
    delta: Option<DeltaShape>,
    /// Bytes, over and over.
    noise: Vec<u8>,
}

impl Random {
    fn new(json: &Value, config: &Config, dtype: GgmlDType) -> std::result::Result<Self, String> {
        let size = |key: &str| {
            let value = json.get(key).and_then(Value::as_u64).map(|v| v as usize);
            value.ok_or_else(|| format!("its shape has no `{key}`"))
        };
        let Shape { hidden, heads, kv_heads, head_size, .. } = config.shape;
        let kind = json.get("model_type").and_then(Value::as_str);
        let mut state = 1u32;
        // A prime number of bytes, so that blocks differ.
        let noise = (0..1_000_003).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        Ok(Self {
            dtype,
            hidden,
            feed_forward: size("intermediate_size")?,
            queries: heads * head_size,
            keys: kv_heads * head_size,
            head_size,
            vocabulary: size("vocab_size")?,
            tied: json.get("tie_word_embeddings").and_then(Value::as_bool) == Some(true),
            biased: kind == Some("qwen2"),
            normed: kind.is_some_and(|kind| kind.starts_with("qwen3")),
            delta: config.delta,
            noise: noise.collect(),
        })
    }

    /// `[out, in]`
    fn shape(&self, name: &str) -> Result<(usize, usize)> {
        let part = name.rsplit('.').nth(1).unwrap_or_default();
        if let Some(delta) = self.delta {
            let values = delta.value_heads * delta.value_size;
            match part {
                "attn_q" => return Ok((2 * self.queries, self.hidden)),
                "attn_qkv" => return Ok((delta.channels(), self.hidden)),
                "attn_gate" => return Ok((values, self.hidden)),
                "ssm_beta" | "ssm_alpha" => return Ok((delta.value_heads, self.hidden)),
                "ssm_out" => return Ok((self.hidden, values)),
                _ => {}
            }
        }
        Ok(match part {
            "token_embd" | "output" => (self.vocabulary, self.hidden),
            "attn_q" => (self.queries, self.hidden),
            "attn_k" | "attn_v" => (self.keys, self.hidden),
            "attn_output" => (self.hidden, self.queries),
            "ffn_gate" | "ffn_up" => (self.feed_forward, self.hidden),
            "ffn_down" => (self.hidden, self.feed_forward),
            _ => bail!("there is no matrix {name}"),
        })
    }

    /// A block of small numbers, of which no sum is infinite.
    fn tame(&self, block: &mut [u8]) {
        // Scales: 2^-9 in f16. Only the first one, or two, of a block count.
        const SCALE: [u8; 2] = [0x00, 0x18];
        match self.dtype {
            GgmlDType::Q4K => {
                for (place, byte) in block.iter_mut().zip([SCALE, SCALE].concat()) {
                    *place = byte;
                }
            }
            GgmlDType::Q8_0 => {
                for (place, byte) in block.iter_mut().zip(SCALE) {
                    *place = byte;
                }
            }
            // bf16: the sign and the lowest bits are random, the size is 2^-6 to 2^-5.
            _ => {
                for byte in block.iter_mut().skip(1).step_by(2) {
                    *byte = *byte & 0x80 | 0x3C;
                }
            }
        }
    }
}

impl Weights for Random {
    fn has(&self, name: &str) -> bool {
        match name.rsplit_once('.') {
            Some(("output", _)) => !self.tied,
            Some((part, "bias")) => {
                self.biased && ["attn_q", "attn_k", "attn_v"].iter().any(|p| part.ends_with(p))
            }
            Some((part, _)) if part.ends_with("_norm") => match part.rsplit('.').next() {
                Some("attn_q_norm" | "attn_k_norm") => self.normed,
                Some("attn_norm" | "ffn_norm" | "output_norm") => true,
                Some("post_attention_norm") => self.delta.is_some(),
                _ => false,
            },
            _ => self.shape(name).is_ok(),
        }
    }

    fn matrix(&mut self, name: &str, mut buffer: Vec<u8>) -> Result<Matrix> {
        let (rows, columns) = self.shape(name)?;
        let block = self.dtype.type_size();
        let bytes = rows * columns / self.dtype.block_size() * block;
        buffer.clear();
        buffer.extend(self.noise.iter().copied().cycle().take(bytes));
        buffer.chunks_exact_mut(block).for_each(|block| self.tame(block));
        Ok(Matrix::Blocks { dtype: self.dtype, columns, data: buffer })
    }

    fn table(&mut self, name: &str) -> Result<Table> {
        self.matrix(name, Vec::new()).map(Table::Memory)
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        if let Some(delta) = self.delta {
            match name.split('.').nth(2) {
                Some("ssm_a") => return Tensor::ones(delta.value_heads, DType::F32, device)?.neg(),
                Some("ssm_dt") => return Tensor::zeros(delta.value_heads, DType::F32, device),
                Some("ssm_norm") => return Tensor::ones(delta.value_size, DType::F32, device),
                Some("ssm_conv1d") => {
                    return Tensor::ones((delta.channels(), delta.kernel), DType::F32, device);
                }
                _ => {}
            }
        }
        if let Some(matrix) = name.strip_suffix(".bias") {
            let (out, _) = self.shape(&format!("{matrix}.weight"))?;
            return Tensor::zeros(out, DType::F32, device);
        }
        let of_heads = name.contains("attn_q_norm") || name.contains("attn_k_norm");
        let length = if of_heads { self.head_size } else { self.hidden };
        Tensor::ones(length, DType::F32, device)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_shape_is_one_that_is_computed() {
        for (name, json) in shapes() {
            let config =
                Config::from_hub(&json).unwrap_or_else(|reason| panic!("{name}: {reason}"));
            let random = Random::new(&json, &config, GgmlDType::Q4K).unwrap();
            let Config { shape, .. } = config;
            assert_eq!(random.queries, shape.heads * shape.head_size, "{name}");
            assert_eq!(random.keys, shape.kv_heads * shape.head_size, "{name}");
        }
        assert!(names().len() > 3);
    }

    #[test]
    fn random_weights_are_numbers_of_a_size_that_models_have() {
        for weights in [RandomType::Q4K, RandomType::Q8_0, RandomType::Bf16] {
            let json = shapes().remove("qwen3-0.6b").unwrap();
            let config = Config::from_hub(&json).unwrap();
            let mut random = Random::new(&json, &config, weights.dtype()).unwrap();
            let matrix = random.matrix("blk.3.attn_k.weight", Vec::new()).unwrap();
            let values: Vec<f32> =
                matrix.dequantised(None).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(values.len(), 1024 * 1024);
            let mean = values.iter().map(|v| v.abs()).sum::<f32>() / values.len() as f32;
            assert!(mean > 0.001 && mean < 2.0, "{weights:?}: {mean}");
            assert!(values.iter().all(|v| v.is_finite()));
        }
    }
}
