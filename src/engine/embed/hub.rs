//! BERT encoders as the hub lays them out.

use std::path::Path;

use candle_core::{DType, Result as CandleResult, Tensor, bail};
use tokenizers::Tokenizer;

use super::Tokens;
use crate::engine::{
    arch::{
        encoder::{EncoderConfig, EncoderWeights},
        weights::{Matrix, Table},
    },
    hub_folder,
    safetensors::SafeTensors,
};

/// The tensors of `model.safetensors`.
pub(super) struct HubEncoder {
    file: SafeTensors,
    /// What stands before all names, in files of models that are more than an encoder.
    prefix: &'static str,
}

/// Reads the folder that `path`, its `model.safetensors`, lies in.
///
/// # Errors
/// A sentence that says what is missing or wrong.
pub(super) fn read(path: &Path) -> Result<(EncoderConfig, Tokenizer, HubEncoder), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let json = hub_folder::config(folder)?;
    let text = |key: &str| json.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    if text("model_type") != "bert" {
        return Err(format!(
            "its config.json says model_type `{}`; embeddings are computed with `bert` models",
            text("model_type")
        ));
    }
    if text("hidden_act") != "gelu" {
        return Err(format!("its activation is `{}`, not `gelu`", text("hidden_act")));
    }
    let size = |key: &str| {
        let value = json.get(key).and_then(serde_json::Value::as_u64);
        value
            .and_then(|v| usize::try_from(v).ok())
            .filter(|v| *v > 0)
            .ok_or_else(|| format!("its config.json has no number `{key}`"))
    };
    let config = EncoderConfig {
        hidden: size("hidden_size")?,
        layers: size("num_hidden_layers")?,
        heads: size("num_attention_heads")?,
        feed_forward: size("intermediate_size")?,
        kinds: size("type_vocab_size")?,
        positions: size("max_position_embeddings")?,
        epsilon: json.get("layer_norm_eps").and_then(serde_json::Value::as_f64).unwrap_or(1e-12)
            as f32,
    };
    if !config.hidden.is_multiple_of(config.heads) {
        return Err("its heads don't divide its hidden size".into());
    }
    let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))
        .map_err(|e| format!("its tokenizer.json can't be read: {e}"))?;
    let file = SafeTensors::open(path).map_err(|e| e.to_string())?;
    let prefix = if file.names().any(|name| name.starts_with("bert.")) { "bert." } else { "" };
    Ok((config, tokenizer, HubEncoder { file, prefix }))
}

/// The hub's name for one of the encoder's.
fn hub_name(name: &str) -> String {
    let (part, kind) = name.rsplit_once('.').unwrap_or((name, ""));
    let kind = if kind == "b" { "bias" } else { "weight" };
    match name {
        "emb.pos" => return "embeddings.position_embeddings.weight".into(),
        "emb.type" => return "embeddings.token_type_embeddings.weight".into(),
        _ if part == "emb.ln" => return format!("embeddings.LayerNorm.{kind}"),
        _ => {}
    }
    let (layer, part) = part.split_once('.').unwrap_or((part, ""));
    let layer = layer.trim_start_matches('l');
    let part = match part {
        "q" => "attention.self.query",
        "k" => "attention.self.key",
        "v" => "attention.self.value",
        "ao" => "attention.output.dense",
        "aln" => "attention.output.LayerNorm",
        "fi" => "intermediate.dense",
        "fo" => "output.dense",
        _ => "output.LayerNorm",
    };
    format!("encoder.layer.{layer}.{part}.{kind}")
}

impl EncoderWeights for HubEncoder {
    fn matrix(&self, name: &str, out: usize, input: usize) -> CandleResult<Matrix> {
        Ok(Matrix::Full(self.table(name, &[out, input])?))
    }

    fn table(&self, name: &str, shape: &[usize]) -> CandleResult<Tensor> {
        let hub = format!("{}{}", self.prefix, hub_name(name));
        let tensor = self.file.load(&hub)?.to_dtype(DType::F32)?;
        if tensor.dims() != shape {
            bail!("{hub} has the shape {:?}, not {shape:?}", tensor.dims())
        }
        Ok(tensor)
    }

    fn words(&self) -> CandleResult<Table> {
        self.file.table(&format!("{}embeddings.word_embeddings.weight", self.prefix))
    }
}

impl Tokens for Tokenizer {
    fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.encode(text, true).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }
}
