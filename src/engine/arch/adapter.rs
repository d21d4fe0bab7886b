//! Low-rank adapters over a decoder's linear layers (LoRA: Hu et al. 2021, arXiv:2106.09685), in
//! PEFT's safetensors layout: `…layers.{i}.{part}.lora_A.weight` `[rank, in]` and `…lora_B.weight`
//! `[out, rank]`. A layer then computes `x·W + x·A·B·scale`; the weights stay as they are, quantised
//! or not, so that one loaded model can be read with an adapter and without.

use std::collections::HashMap;

use candle_core::{DType, Result, Tensor, bail};
use serde::Deserialize;

use super::{
    super::device::Backend,
    config::{Config, Rope},
    linear::{Input, Weight},
    rows::Rows,
    weights::Matrix,
};

/// A linear layer that can be adapted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}

const NAMES: [(&str, Part); 7] = [
    ("self_attn.q_proj", Part::Query),
    ("self_attn.k_proj", Part::Key),
    ("self_attn.v_proj", Part::Value),
    ("self_attn.o_proj", Part::Output),
    ("mlp.gate_proj", Part::Gate),
    ("mlp.up_proj", Part::Up),
    ("mlp.down_proj", Part::Down),
];

const DOWN: &str = ".lora_A.weight";
const UP: &str = ".lora_B.weight";

/// What is added to a model's linear layers.
#[derive(Debug, Clone)]
pub struct Adapter {
    parts: HashMap<(usize, Part), LowRank>,
}

/// What PEFT's `adapter_config.json` says (`peft/tuners/lora/config.py`), as far as it changes what
/// is computed.
#[derive(Debug, Deserialize)]
pub struct PeftConfig {
    peft_type: String,
    r: u32,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    bias: Option<String>,
    /// `true`, `false`, or the name of a method; some of them alter the base model's weights.
    #[serde(default)]
    init_lora_weights: serde_json::Value,
    /// Whole layers that were trained beside the adapter.
    #[serde(default)]
    modules_to_save: serde_json::Value,
    #[serde(default)]
    rank_pattern: serde_json::Value,
    #[serde(default)]
    alpha_pattern: serde_json::Value,
    #[serde(default)]
    layer_replication: serde_json::Value,
    #[serde(default)]
    trainable_token_indices: serde_json::Value,
}

impl PeftConfig {
    /// Reads `adapter_config.json`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, or what it asks for and isn't supported.
    pub fn parse(json: &str) -> std::result::Result<Self, String> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| format!("adapter_config.json: {e}"))?;
        let given = |value: &serde_json::Value| match value {
            serde_json::Value::Null => false,
            serde_json::Value::Array(all) => !all.is_empty(),
            serde_json::Value::Object(all) => !all.is_empty(),
            _ => true,
        };
        let initialised = config.init_lora_weights.as_str().unwrap_or_default();
        let asked = [
            ("peft_type", config.peft_type != "LORA"),
            ("r = 0", config.r == 0),
            ("use_dora", config.use_dora),
            ("fan_in_fan_out", config.fan_in_fan_out),
            ("bias", config.bias.as_deref().is_some_and(|bias| bias != "none")),
            ("modules_to_save", given(&config.modules_to_save)),
            ("rank_pattern", given(&config.rank_pattern)),
            ("alpha_pattern", given(&config.alpha_pattern)),
            ("layer_replication", given(&config.layer_replication)),
            ("trainable_token_indices", given(&config.trainable_token_indices)),
            ("init_lora_weights", !matches!(initialised, "" | "gaussian" | "eva" | "orthogonal")),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            Some((what, _)) => Err(format!(
                "adapter_config.json asks for `{what}`, which isn't supported: only plain LoRA is"
            )),
            None => Ok(config),
        }
    }

    /// What `B·A` is multiplied with.
    #[must_use]
    pub fn scale(&self) -> f64 {
        let rank = f64::from(self.r);
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}

/// Two thin matrices: `down` `[rank, in]` and `up` `[out, rank]`, the latter scaled.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    down: Weight,
    up: Weight,
}

impl LowRank {
    /// `[rows, in]` → what is added to `[rows, out]`.
    pub(super) fn forward(&self, rows: &Input) -> Result<Rows> {
        self.up.forward(&Input::new(self.down.forward(rows)?))
    }
}

impl Adapter {
    /// Takes an adapter out of `tensors` and leaves what isn't part of it. `scale` is PEFT's
    /// `lora_alpha / r`; `linear` tells the shape `[out, in]` of a layer's weight, if the model has
    /// it.
    ///
    /// # Errors
    /// A tensor belongs to no linear layer of the model, is of another shape, or lacks its other
    /// half; or the model is a llama in GGUF.
    pub(super) fn take(
        tensors: &mut HashMap<String, Tensor>,
        scale: f64,
        config: &Config,
        backend: &Backend,
        linear: impl Fn(usize, Part) -> Option<(usize, usize)>,
    ) -> Result<Self> {
        let names = tensors.keys().filter(|name| name.ends_with(DOWN)).cloned().collect::<Vec<_>>();
        if config.rope == Rope::Neighbours && !names.is_empty() {
            // Their queries and keys stand in another order than an adapter's.
            bail!("adapters of llama models in GGUF can't be read")
        }
        let mut parts = HashMap::new();
        for name in names {
            let stem = name.trim_end_matches(DOWN);
            let place = place(stem);
            let Some((place, shape)) = place.and_then(|p| Some((p, linear(p.0, p.1)?))) else {
                bail!("{stem} is no linear layer of this model")
            };
            let pair = (tensors.remove(&name), tensors.remove(&format!("{stem}{UP}")));
            let (Some(down), Some(up)) = pair else { bail!("{stem} has no lora_B") };
            let (rank, columns) = down.dims2()?;
            let (rows, inner) = up.dims2()?;
            if (rows, columns) != shape || inner != rank {
                let (out, into) = shape;
                bail!("{stem} adapts {rows} × {columns}, the model has {out} × {into} there")
            }
            let ready = |tensor: Tensor, scale: f64| {
                let tensor = (tensor.to_dtype(DType::F32)? * scale)?;
                Weight::new(&Matrix::Full(tensor), None, backend)
            };
            parts.insert(place, LowRank { down: ready(down, 1.0)?, up: ready(up, scale)? });
        }
        if let Some(name) = tensors.keys().find(|name| name.contains(".lora_")) {
            bail!("nothing can be done with {name}")
        }
        Ok(Self { parts })
    }

    pub(super) fn part(&self, layer: usize, part: Part) -> Option<&LowRank> {
        self.parts.get(&(layer, part))
    }
}

/// `base_model.model.model.layers.17.mlp.up_proj` → (17, Up)
fn place(stem: &str) -> Option<(usize, Part)> {
    let (_, rest) = stem.rsplit_once("layers.")?;
    let (layer, name) = rest.split_once('.')?;
    let (_, part) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some((layer.parse().ok()?, *part))
}
