//! Encoders as the hub lays them out.

use std::path::Path;

use candle_core::{Result as CandleResult, Tensor, bail};
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::{
    arch::{
        encoder::{EncoderConfig, EncoderWeights, Pooling, Positions},
        weights::{HubWeights, Matrix, Table, Weights},
    },
    embed::Recipe,
    hub_folder,
};

/// Architectures, as `model_type` names them.
pub const ARCHITECTURES: [&str; 3] = ["bert", "xlm-roberta", "deberta-v2"];

/// A folder's parts.
pub struct EncoderFolder {
    /// What its config.json says.
    pub json: Value,
    /// The encoder's shape.
    pub config: EncoderConfig,
    /// Cuts texts; what a text looks like, it becomes no control token.
    pub tokenizer: Tokenizer,
    /// Its tensors.
    pub weights: FolderWeights,
}

/// The tensors of a folder.
pub struct FolderWeights {
    tensors: HubWeights,
    /// What stands before an encoder's names, in files of models that are more than one.
    prefix: &'static str,
    /// Keys, queries and values have DeBERTa's names.
    projected: bool,
}

impl EncoderFolder {
    /// Reads a folder with config.json, tokenizer.json and tensors. Texts are cut off, of pairs the
    /// longer one, where they are longer than the model reads.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let json = hub_folder::config(folder)?;
        let config = config(&json)?;
        let tokenizer = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(tokenizer)
            .map_err(|e| format!("its tokenizer.json can't be read: {e}"))?;
        tokenizer.set_encode_special_tokens(true);
        tokenizer.with_padding(None);
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: config.longest,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| e.to_string())?;
        let weights =
            FolderWeights::open(folder, json.get("model_type") == Some(&"deberta-v2".into()))?;
        Ok(Self { json, config, tokenizer, weights })
    }
}

/// An encoder's shape from a hub folder's config.json.
///
/// # Errors
/// A sentence that says what is missing, or in what it differs from those that are supported.
pub fn config(json: &Value) -> Result<EncoderConfig, String> {
    let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = text("model_type");
    if !ARCHITECTURES.contains(&kind) {
        return Err(format!(
            "its config.json says model_type `{kind}`; encoders are {}",
            ARCHITECTURES.join(", ")
        ));
    }
    if text("hidden_act") != "gelu" {
        return Err(format!("its activation is `{}`, not `gelu`", text("hidden_act")));
    }
    let number = |key: &str| json.get(key).and_then(Value::as_u64);
    let size = |key: &str| {
        let value = number(key).and_then(|v| usize::try_from(v).ok()).filter(|v| *v > 0);
        value.ok_or_else(|| format!("its config.json has no number `{key}`"))
    };
    let is = |key: &str, wanted: bool| json.get(key).and_then(Value::as_bool) == Some(wanted);
    let rows = size("max_position_embeddings")?;
    let positions = match kind {
        "bert" => Positions::Absolute { rows, first: 0 },
        "xlm-roberta" => {
            // Places are counted from behind the row that stands for padding.
            let padding = number("pad_token_id").and_then(|v| usize::try_from(v).ok());
            Positions::Absolute { rows, first: padding.unwrap_or(1).saturating_add(1) }
        }
        _ => {
            let both = match json.get("pos_att_type") {
                Some(Value::String(terms)) => terms.split('|').map(str::trim).collect::<Vec<_>>(),
                Some(Value::Array(terms)) => terms.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let both = ["c2p", "p2c"].iter().all(|term| both.contains(term));
            let plain = is("relative_attention", true)
                && is("position_biased_input", false)
                && is("share_att_key", true)
                && number("conv_kernel_size").unwrap_or(0) == 0;
            if !(both && plain) {
                return Err("its attention is not DeBERTa-v3's, which is the one supported".into());
            }
            let furthest = json.get("max_relative_positions").and_then(Value::as_i64);
            let furthest = furthest.and_then(|v| usize::try_from(v).ok()).filter(|v| *v > 0);
            Positions::Relative {
                buckets: size("position_buckets")?,
                furthest: furthest.unwrap_or(rows),
                normalised: text("norm_rel_ebd").contains("layer_norm"),
            }
        }
    };
    let config = EncoderConfig {
        hidden: size("hidden_size")?,
        layers: size("num_hidden_layers")?,
        heads: size("num_attention_heads")?,
        feed_forward: size("intermediate_size")?,
        kinds: number("type_vocab_size").and_then(|v| usize::try_from(v).ok()).unwrap_or(0),
        longest: match positions {
            Positions::Absolute { rows, first } => rows.saturating_sub(first),
            Positions::Relative { .. } => rows,
        },
        positions,
        epsilon: json.get("layer_norm_eps").and_then(Value::as_f64).unwrap_or(1e-12) as f32,
    };
    if !config.hidden.is_multiple_of(config.heads) {
        return Err("its heads don't divide its hidden size".into());
    }
    Ok(config)
}

/// How a folder's model embeds, as sentence-transformers' files in it say (`1_Pooling`, `2_Dense`); what
/// stands in front of texts they don't tell. Without them, the mean is taken.
///
/// # Errors
/// A sentence that says what they ask for that is not supported.
pub fn recipe(folder: &Path) -> Result<Recipe, String> {
    let pooling = hub_folder::json(folder, "1_Pooling/config.json")?.unwrap_or_default();
    let is = |mode: &str| {
        let on = pooling.get(format!("pooling_mode_{mode}")).and_then(Value::as_bool);
        on == Some(true)
            || pooling.get("pooling_mode").and_then(Value::as_str) == mode.split('_').next()
    };
    let pooling = match (is("cls_token"), is("mean_tokens"), &pooling) {
        (true, false, _) => Pooling::First,
        (false, true, _) | (_, _, Value::Null) => Pooling::Mean,
        _ => return Err("its 1_Pooling takes neither the mean nor the first token".into()),
    };
    let dense = match hub_folder::json(folder, "2_Dense/config.json")? {
        None => None,
        Some(dense) => {
            let activation = dense.get("activation_function").and_then(Value::as_str);
            if !activation.is_some_and(|name| name.ends_with("Tanh")) {
                return Err("its 2_Dense is not followed by a tanh".into());
            }
            let files = ["model.safetensors", "pytorch_model.bin"];
            let mut files = files.iter().map(|file| format!("2_Dense/{file}"));
            let found = files.find(|file| folder.join(file).exists());
            Some(found.ok_or("its 2_Dense has no tensors")?)
        }
    };
    Ok(Recipe { pooling, dense, ..Recipe::default() })
}

impl FolderWeights {
    fn open(folder: &Path, projected: bool) -> Result<Self, String> {
        let tensors = HubWeights::open(folder, "encoder")?;
        let prefixes = ["bert.", "roberta.", "deberta.", ""].into_iter();
        let word = |prefix: &str| format!("{prefix}{WORDS}");
        let mut found = prefixes.filter(|prefix| tensors.has(&word(prefix)));
        let prefix = found.next().ok_or("it has no word embeddings")?;
        Ok(Self { tensors, prefix, projected })
    }

    /// The tensors of one file, by the hub's names.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn of_file(path: &Path) -> Result<Self, String> {
        Ok(Self { tensors: HubWeights::of_file(path)?, prefix: "", projected: false })
    }

    /// The hub's name for one of an encoder's; other names are the hub's but for their endings.
    fn name(&self, name: &str) -> String {
        let (part, kind) = name.rsplit_once('.').unwrap_or((name, ""));
        let kind = if kind == "b" { "bias" } else { "weight" };
        let prefix = self.prefix;
        match name {
            "emb.pos" => return format!("{prefix}embeddings.position_embeddings.weight"),
            "emb.type" => return format!("{prefix}embeddings.token_type_embeddings.weight"),
            "emb.rel" => return format!("{prefix}encoder.rel_embeddings.weight"),
            _ if part == "emb.rel.ln" => return format!("{prefix}encoder.LayerNorm.{kind}"),
            _ if part == "emb.ln" => return format!("{prefix}embeddings.LayerNorm.{kind}"),
            _ => {}
        }
        let layer = part.split_once('.').and_then(|(layer, part)| {
            Some((layer.strip_prefix('l')?.parse::<usize>().ok()?, part))
        });
        let Some((layer, part)) = layer else { return format!("{part}.{kind}") };
        let part = match (part, self.projected) {
            ("q", false) => "attention.self.query",
            ("k", false) => "attention.self.key",
            ("v", false) => "attention.self.value",
            ("q", true) => "attention.self.query_proj",
            ("k", true) => "attention.self.key_proj",
            ("v", true) => "attention.self.value_proj",
            ("ao", _) => "attention.output.dense",
            ("aln", _) => "attention.output.LayerNorm",
            ("fi", _) => "intermediate.dense",
            ("fo", _) => "output.dense",
            _ => "output.LayerNorm",
        };
        format!("{prefix}encoder.layer.{layer}.{part}.{kind}")
    }
}

const WORDS: &str = "embeddings.word_embeddings.weight";

impl EncoderWeights for FolderWeights {
    fn matrix(&mut self, name: &str, out: usize, input: usize) -> CandleResult<Matrix> {
        Ok(Matrix::Full(self.table(name, &[out, input])?))
    }

    fn table(&mut self, name: &str, shape: &[usize]) -> CandleResult<Tensor> {
        let hub = self.name(name);
        let tensor = self.tensors.full(&hub)?;
        if tensor.dims() != shape {
            bail!("{hub} has the shape {:?}, not {shape:?}", tensor.dims())
        }
        Ok(tensor)
    }

    fn words(&mut self) -> CandleResult<Table> {
        self.tensors.exact(&format!("{}{WORDS}", self.prefix))
    }
}
