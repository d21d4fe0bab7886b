//! The shapes of encoder-decoders, and how they tell where a token stands.

use serde_json::Value;

use super::super::{
    super::{kernels::Activation, marian::Options},
    attention::Biases,
    config::Shape,
};

/// The `model_type`s that load.
pub const SUPPORTED: [&str; 3] = ["marian", "m2m_100", T5];
pub(super) const T5: &str = "t5";

/// What `config.json` says of such a model.
#[derive(Debug, Clone)]
pub struct Config {
    /// The decoder's.
    pub shape: Shape,
    pub(super) encoder: Shape,
    pub(super) activation: Activation,
    /// Norms stand before attention and feed-forward layers, and one more behind all; else they
    /// stand behind each sum.
    pub(super) norm_first: bool,
    pub(super) norm: NormOf,
    /// Simpler simple recurrent units stand in the place of the decoder's own attention (Kim et al.
    /// 2019, D19-5632).
    pub(super) recurrent: bool,
    /// Sources and what is written have embeddings of their own.
    pub(super) two_vocabularies: bool,
    pub(super) positions: Positions,
    pub(super) embedding_scale: f32,
    /// Multiplies the dot products of attention; none where that is 1 over the root of a head's size.
    pub(super) attention_scale: Option<f32>,
    /// Multiplies what the head reads.
    pub(super) head_scale: f32,
}

/// What is done in norms, with what is added to the square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum NormOf {
    Layer {
        eps: f32,
    },
    /// Without a mean, as T5 has it.
    RootMeanSquare {
        eps: f32,
    },
}

/// How a model tells where a token stands.
#[derive(Debug, Clone)]
pub(super) enum Positions {
    /// Added to the embeddings.
    Absolute(Sinusoidal),
    /// Added to the scores, by how far a key is from a query.
    Relative(Relative),
}

/// Buckets of distances, the farther the coarser (Raffel et al. 2020, arXiv:1910.10683, 2.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Relative {
    pub buckets: usize,
    /// From here on all are in the last one.
    most: usize,
}

impl Relative {
    /// Of a key so far behind its query; before it, if that is negative. Where keys behind queries
    /// are seen (`both`), they have buckets of their own.
    fn bucket(self, behind: isize, both: bool) -> usize {
        let buckets = if both { self.buckets / 2 } else { self.buckets };
        let first = if both && behind > 0 { buckets } else { 0 };
        let far = if both { behind.unsigned_abs() } else { (-behind).max(0).unsigned_abs() };
        let exact = buckets / 2;
        if far < exact {
            return first + far;
        }
        let step = (far as f32 / exact as f32).ln() / (self.most as f32 / exact as f32).ln();
        let coarse = exact + (step * (buckets - exact) as f32) as usize;
        first + coarse.min(buckets - 1)
    }

    /// Those of rows at `places` of their sequences, which have up to `keys` keys; `weights` are
    /// `[buckets, heads]`.
    pub fn biases(
        self,
        weights: &[f32],
        heads: usize,
        places: &[usize],
        keys: usize,
        both: bool,
    ) -> Biases {
        let zero = places.iter().copied().max().unwrap_or(0);
        let of_head = |head: usize| {
            let bucket = |i: usize| self.bucket(i as isize - zero as isize, both);
            let weight = |i: usize| weights.get(bucket(i) * heads + head).copied().unwrap_or(0.0);
            (0..zero + keys).map(weight).collect()
        };
        Biases { of_heads: (0..heads).map(of_head).collect(), zero, places: places.to_vec() }
    }
}

/// Sinusoidal positions (Vaswani et al. 2017), sines first, then cosines.
#[derive(Debug, Clone)]
pub(super) struct Sinusoidal {
    /// Of each pair, in radians a token.
    frequencies: Vec<f32>,
    /// That of the first token.
    offset: usize,
}

impl Sinusoidal {
    /// Those of so many tokens from `first` on: `[tokens, hidden]`.
    pub fn of(&self, places: &[usize]) -> Vec<f32> {
        let turn = |place: &usize| {
            let angles = self.frequencies.iter().map(move |f| (place + self.offset) as f32 * f);
            let sines = angles.clone().map(f32::sin);
            sines.chain(angles.map(f32::cos)).collect::<Vec<f32>>()
        };
        places.iter().flat_map(turn).collect()
    }
}

impl Config {
    /// Reads the shape from a hub folder's `config.json`.
    ///
    /// # Errors
    /// A key is missing, or asks for what isn't supported.
    pub fn from_hub(json: &Value) -> std::result::Result<Self, String> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let number = |name: &str| {
            let value = json.get(name).and_then(Value::as_u64);
            value.map(|v| v as usize).ok_or_else(|| format!("config.json: `{name}` is missing"))
        };
        let flag = |name: &str| json.get(name).and_then(Value::as_bool);
        let architecture = text("model_type").unwrap_or_default().to_owned();
        if architecture == T5 {
            return Self::from_t5(json, number);
        }
        let marian = architecture == "marian";
        // Some converted checkpoints set what the authors' own models don't have.
        for (name, expected) in [
            ("normalize_before", !marian),
            ("normalize_embedding", false),
            ("add_final_layer_norm", false),
            ("static_position_embeddings", true),
        ] {
            if marian && flag(name).is_some_and(|found| found != expected) {
                return Err(format!("its config.json sets `{name}`, which is not supported yet"));
            }
        }
        let hidden = number("d_model")?;
        let half = hidden / 2;
        let steps = if marian { hidden as f32 / 2.0 } else { half.saturating_sub(1).max(1) as f32 };
        let frequency = |i: usize| 10_000f32.powf(-(i as f32) / steps);
        let activation = match text("activation_function").unwrap_or("gelu") {
            "swish" | "silu" => Activation::Silu,
            "relu" => Activation::Relu,
            "gelu" => Activation::Gelu,
            other => {
                return Err(format!("its activation function `{other}` is not supported yet"));
            }
        };
        let half_of = |which: &str| -> std::result::Result<Shape, String> {
            let heads = number(&format!("{which}_attention_heads"))?;
            let shape = Shape {
                architecture: architecture.clone(),
                layers: number(&format!("{which}_layers"))?,
                hidden,
                heads,
                kv_heads: heads,
                head_size: hidden / heads.max(1),
                context_length: number("max_position_embeddings")?,
            };
            let shape = shape.plausible()?;
            if shape.head_size * heads != hidden {
                return Err(format!("its {which}'s {heads} heads don't share rows of {hidden}"));
            }
            Ok(shape)
        };
        Ok(Self {
            shape: half_of("decoder")?,
            encoder: half_of("encoder")?,
            activation,
            norm_first: !marian,
            // PyTorch's default, which none of these models changes.
            norm: NormOf::Layer { eps: 1e-5 },
            recurrent: false,
            two_vocabularies: marian && flag("share_encoder_decoder_embeddings") == Some(false),
            positions: Positions::Absolute(Sinusoidal {
                frequencies: (0..half).map(frequency).collect(),
                // fairseq's: the padding's id, and one more.
                offset: if marian { 0 } else { number("pad_token_id")? + 1 },
            }),
            attention_scale: None,
            head_scale: 1.0,
            embedding_scale: match flag("scale_embedding") {
                Some(false) => 1.0,
                Some(true) => (hidden as f32).sqrt(),
                None => return Err("config.json: `scale_embedding` is missing".into()),
            },
        })
    }

    /// Reads the shape from the options of marian's own files.
    ///
    /// # Errors
    /// An option is missing, or asks for what isn't supported: what Firefox's models have is.
    pub fn from_marian(options: &Options) -> std::result::Result<Self, String> {
        for (name, expected) in [
            ("type", "transformer"),
            ("dec-cell", "ssru"),
            ("transformer-decoder-autoreg", "rnn"),
            ("transformer-preprocess", ""),
            ("transformer-postprocess", "dan"),
            ("transformer-postprocess-top", ""),
            ("transformer-ffn-depth", "2"),
            ("transformer-tied-layers", ""),
        ] {
            let found = options.text(name);
            if found != expected {
                return Err(format!(
                    "its option `{name}` is `{found}`, and only `{expected}` is supported yet"
                ));
            }
        }
        for name in [
            "layer-normalization",
            "transformer-no-projection",
            "transformer-train-positions",
            "transformer-train-position-embeddings",
            "transformer-pool",
            "ulr",
        ] {
            if options.is_set(name) {
                return Err(format!("its option `{name}` is set, which is not supported yet"));
            }
        }
        if !options.is_set("tied-embeddings-all")
            && (!options.is_set("tied-embeddings") || options.is_set("tied-embeddings-src"))
        {
            return Err("its embeddings aren't tied as those of Firefox's models".into());
        }
        if !matches!(options.text("transformer-postprocess-emb"), "" | "d")
            || options.number("lemma-dim-emb").is_ok_and(|size| size > 0)
        {
            return Err("it does more with its embeddings than is supported yet".into());
        }
        let hidden = options.number("dim-emb")?;
        let heads = options.number("transformer-heads")?;
        let shape = |layers| {
            Shape {
                architecture: "marian".into(),
                layers,
                hidden,
                heads,
                kv_heads: heads,
                head_size: hidden / heads.max(1),
                // No position is too far.
                context_length: 512,
            }
            .plausible()
        };
        let activation = match options.text("transformer-ffn-activation") {
            "swish" => Activation::Silu,
            "relu" => Activation::Relu,
            other => {
                return Err(format!("its activation function `{other}` is not supported yet"));
            }
        };
        let half = hidden / 2;
        let step = 10_000f32.ln() / (half.saturating_sub(1).max(1) as f32);
        Ok(Self {
            shape: shape(options.number("dec-depth")?)?,
            encoder: shape(options.number("enc-depth")?)?,
            activation,
            norm_first: false,
            norm: NormOf::Layer { eps: 1e-9 },
            recurrent: true,
            two_vocabularies: !options.is_set("tied-embeddings-all"),
            positions: Positions::Absolute(Sinusoidal {
                frequencies: (0..half).map(|i| (-(i as f32) * step).exp()).collect(),
                offset: 0,
            }),
            attention_scale: None,
            head_scale: 1.0,
            embedding_scale: (hidden as f32).sqrt(),
        })
    }

    fn from_t5(
        json: &Value,
        number: impl Fn(&str) -> std::result::Result<usize, String>,
    ) -> std::result::Result<Self, String> {
        let hidden = number("d_model")?;
        let layers = number("num_layers")?;
        let heads = number("num_heads")?;
        let shape = |layers| {
            Shape {
                architecture: T5.into(),
                layers,
                hidden,
                heads,
                kv_heads: heads,
                head_size: number("d_kv")?,
                // No position is too far. It was trained with so many.
                context_length: number("n_positions").unwrap_or(512),
            }
            .plausible()
        };
        let relative = Relative {
            buckets: number("relative_attention_num_buckets")?,
            most: number("relative_attention_max_distance").unwrap_or(128),
        };
        if !(4..=4096).contains(&relative.buckets) || relative.most <= relative.buckets / 2 {
            return Err(format!(
                "config.json: {} buckets of distances up to {}",
                relative.buckets, relative.most
            ));
        }
        let activation = match json.get("feed_forward_proj").and_then(Value::as_str) {
            Some("gated-gelu") => Activation::GeluTanh,
            Some("gated-silu") => Activation::Silu,
            Some("relu") | None => Activation::Relu,
            Some(other) => {
                return Err(format!("its feed-forward layer `{other}` is not supported yet"));
            }
        };
        let flag = |name: &str| json.get(name).and_then(Value::as_bool);
        let scaled = flag("scale_decoder_outputs").or(flag("tie_word_embeddings")).unwrap_or(true);
        let eps = json.get("layer_norm_epsilon").and_then(Value::as_f64).unwrap_or(1e-6);
        Ok(Self {
            shape: shape(number("num_decoder_layers").unwrap_or(layers))?,
            encoder: shape(layers)?,
            activation,
            norm_first: true,
            norm: NormOf::RootMeanSquare { eps: eps as f32 },
            recurrent: false,
            two_vocabularies: false,
            positions: Positions::Relative(relative),
            embedding_scale: 1.0,
            attention_scale: Some(1.0),
            head_scale: if scaled { 1.0 / (hidden as f32).sqrt() } else { 1.0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where another bucket begins, from -300 to 300: T5Attention._relative_position_bucket of
    /// transformers 5.23 with 32 buckets up to 128.
    #[test]
    fn distances_lie_in_transformers_buckets() {
        let seen_from_both_sides: Vec<(isize, usize)> =
            [(-300, 15), (-90, 14), (-63, 13), (-45, 12), (-31, 11), (-22, 10), (-15, 9), (-11, 8)]
                .into_iter()
                .chain((-7..=0).map(|i: isize| (i, i.unsigned_abs())))
                .chain((1..=8).map(|i: isize| (i, 16 + i.unsigned_abs())))
                .chain([(12, 25), (16, 26), (23, 27), (32, 28), (46, 29), (64, 30), (91, 31)])
                .collect();
        let seen_from_behind: Vec<(isize, usize)> =
            [-300, -112, -98, -86, -76, -66, -58, -51, -45, -39, -34, -30, -26, -23, -20, -18]
                .into_iter()
                .zip((16..=31).rev())
                .chain((-15..=0).map(|i: isize| (i, i.unsigned_abs())))
                .collect();
        let relative = Relative { buckets: 32, most: 128 };
        for (both, expected) in [(true, seen_from_both_sides), (false, seen_from_behind)] {
            let mut found: Vec<(isize, usize)> = Vec::new();
            for distance in -300..=300 {
                let bucket = relative.bucket(distance, both);
                if found.last().is_none_or(|(_, last)| *last != bucket) {
                    found.push((distance, bucket));
                }
            }
            assert_eq!(found, expected);
        }
    }
}
