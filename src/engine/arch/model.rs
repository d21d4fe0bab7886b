//! A model of either kind that writes.

use std::collections::HashMap;

use candle_core::{Result, Tensor, bail};
use serde_json::Value;

use super::{
    super::pool::Pool,
    adapter::Adapter,
    config::{Config, Shape},
    decoder::{Cost, Decoder, Feed, Logits, Pass},
    encoder_decoder::{self, EncoderDecoder},
};

/// How a model of either kind is computed.
#[derive(Debug, Clone)]
pub enum ModelConfig {
    /// Writes on from a prompt.
    Decoder(Config),
    /// Writes beside a source.
    EncoderDecoder(encoder_decoder::Config),
}

impl ModelConfig {
    /// Reads it from a hub folder's `config.json`.
    ///
    /// # Errors
    /// The architecture or a part of it isn't supported, or a key is missing.
    pub fn from_hub(json: &Value) -> std::result::Result<Self, String> {
        let kind = json.get("model_type").and_then(Value::as_str).unwrap_or_default();
        if encoder_decoder::SUPPORTED.contains(&kind) {
            return encoder_decoder::Config::from_hub(json).map(Self::EncoderDecoder);
        }
        Config::from_hub(json).map(Self::Decoder)
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        match self {
            Self::Decoder(config) => &config.shape,
            Self::EncoderDecoder(config) => &config.shape,
        }
    }
}

/// A loaded model.
pub enum Model {
    /// Writes on from a prompt.
    Decoder(Box<Decoder>),
    /// Writes beside a source: the levels of its prompts are the source's, but for the last, with
    /// which the text begins.
    EncoderDecoder(Box<EncoderDecoder>),
}

impl Model {
    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        match self {
            Self::Decoder(model) => &model.config.shape,
            Self::EncoderDecoder(model) => &model.config.shape,
        }
    }

    /// Sequences, or their beams, that are best computed together, given the memory for their caches.
    #[must_use]
    pub fn together(&self) -> usize {
        /// More would be faster on wide processors, but each holds its cache in memory.
        const ON_HOST: usize = 24;
        let pool = match self {
            Self::Decoder(model) => model.pool(),
            Self::EncoderDecoder(model) => model.pool(),
        };
        pool.map_or(ON_HOST, Pool::sequences)
    }

    /// Runs `batch` and appends to each sequence's cache. Returns the logits of each sequence's last
    /// row.
    ///
    /// # Errors
    /// candle's.
    pub fn forward(&self, batch: &mut [Feed<'_>]) -> Result<Logits> {
        match self {
            Self::Decoder(model) => model.forward(batch),
            Self::EncoderDecoder(model) => model.forward(batch),
        }
    }

    /// As [`Model::forward`], without computing logits: for prefixes.
    ///
    /// # Errors
    /// candle's.
    pub fn prefill(&self, batch: &mut [Feed<'_>]) -> Result<()> {
        match self {
            Self::Decoder(model) => model.prefill(batch),
            Self::EncoderDecoder(model) => model.forward(batch).map(|_| ()),
        }
    }

    /// What one written token costs.
    ///
    /// # Errors
    /// candle's.
    pub fn cost(&self) -> Result<Cost> {
        match self {
            Self::Decoder(model) => model.cost(),
            Self::EncoderDecoder(model) => model.cost(),
        }
    }

    /// The residual stream behind some layers: see [`Decoder::states`].
    ///
    /// # Errors
    /// candle's; encoder-decoders have none that anything is read off.
    pub fn states(&self, batch: &mut [Feed<'_>], pass: Pass<'_>) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Decoder(model) => model.states(batch, pass),
            Self::EncoderDecoder(_) => bail!("judgements need a decoder-only model"),
        }
    }

    /// Takes an adapter of this model out of `tensors`: see [`Decoder::adapter`].
    ///
    /// # Errors
    /// It doesn't fit this model, or the model is an encoder-decoder.
    pub fn adapter(&self, tensors: &mut HashMap<String, Tensor>, scale: f64) -> Result<Adapter> {
        match self {
            Self::Decoder(model) => model.adapter(tensors, scale),
            Self::EncoderDecoder(_) => bail!("adapters need a decoder-only model"),
        }
    }

    /// Adds `adapter` in every pass from now on; it is one of this model's own.
    pub fn adopt(&mut self, adapter: Adapter) {
        if let Self::Decoder(model) = self {
            model.adopt(adapter);
        }
    }
}
