//! Loads a model and generates text for many sequences at once. Only this module knows tensors.

pub mod arch;
mod beam;
pub mod check;
pub mod convert;
pub mod device;
pub mod embed;
pub mod encoder_folder;
pub mod entail;
pub mod generate;
pub mod gguf;
pub mod hub_folder;
pub mod kernels;
pub mod kv;
pub mod marian;
pub mod measure;
mod pool;
pub mod prompt;
#[cfg(any(test, feature = "flash-attn"))]
mod ragged;
pub mod random;
mod safetensors;
mod schedule;
mod sentencepiece;
pub mod tokenizer;
mod unigram;
pub mod vocabulary;

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

pub use arch::{adapter::Adapter, decoder::Pass};
pub use beam::Search;
pub use device::{Backend, DeviceChoice};
pub use generate::{Grammar, Next, Output, Request, Watch};
pub use kv::Prefix;
pub use prompt::{Prompt, Prompts, Values};
pub use tokenizer::Tokenizer;

use self::{
    arch::{
        adapter::PeftConfig,
        config::{Config, Shape},
        decoder::Decoder,
        encoder_decoder::{self, EncoderDecoder},
        model::{Model, ModelConfig},
        weights::{GgufWeights, HubWeights, Weights},
    },
    marian::MarianWeights,
    schedule::Schedule,
    vocabulary::Vocabulary,
};
use crate::error::{Error, Result};

/// The adapter that a model wrote with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// Its name, or its folder.
    pub name: String,
    /// SHA-256 of its weights file.
    pub sha256: String,
}

/// What a model's files say of it.
struct Description {
    tokenizer: Tokenizer,
    config: ModelConfig,
    weights: Box<dyn Weights>,
}

impl Description {
    fn from_hub(path: &Path, backend: &Backend) -> Result<Self, String> {
        let json = hub_folder::config(path)?;
        let config = ModelConfig::from_hub(&json)?;
        let tokenizer = Tokenizer::from_hub(path)?;
        let mut weights = HubWeights::open(path, &config.shape().architecture)?;
        if let Backend::Candle { dtype: DType::BF16, .. } = backend {
            weights = weights.in_bf16();
        }
        Ok(Self { tokenizer, config, weights: Box::new(weights) })
    }

    /// From a folder as Firefox's models have them.
    fn from_marian(folder: &Path, model: &Path) -> Result<Self, String> {
        let (weights, options) = MarianWeights::open(model)?;
        let config = encoder_decoder::Config::from_marian(&options)?;
        let tokenizer = Tokenizer::from_marian(&marian::vocabularies(folder, &options)?)?;
        let config = ModelConfig::EncoderDecoder(config);
        Ok(Self { tokenizer, config, weights: Box::new(weights) })
    }

    fn from_gguf(path: &Path) -> Result<Self, String> {
        let (mut content, file) = gguf::open(path)?;
        let config = ModelConfig::Decoder(Config::from_gguf(&content)?);
        let tokenizer = Tokenizer::from_gguf(&content)?;
        // The vocabulary once more, which nobody reads again.
        content.metadata.clear();
        Ok(Self { tokenizer, config, weights: Box::new(GgufWeights { content, file }) })
    }
}

/// A loaded model.
pub struct Engine {
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Which tokens English output may use.
    pub vocabulary: Vocabulary,
    backend: Backend,
    model: Model,
    schedule: Schedule,
}

impl Engine {
    /// Loads the GGUF file or hub folder at `path` for `backend`; the folder may be named by its file
    /// of weights. `model` names it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] saying what is wrong with the file.
    pub fn load(model: &str, path: &Path, backend: &Backend) -> Result<Self> {
        let in_folder = path.extension().is_some_and(|e| e == "safetensors" || e == "bin");
        let path = path.parent().filter(|_| in_folder).unwrap_or(path);
        let fail = |reason: String| Error::Model {
            model: model.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            hint: "`brief models verify` checks the file, `brief models pull` fetches it again"
                .to_owned(),
        };
        let shape = if path.is_dir() {
            match marian::model_file(path).map_err(fail)? {
                Some(model) => Description::from_marian(path, &model).map_err(fail)?,
                None => Description::from_hub(path, backend).map_err(fail)?,
            }
        } else {
            Description::from_gguf(path).map_err(fail)?
        };
        let Description { tokenizer, weights, config } = shape;
        Self::assemble(tokenizer, config, weights, backend)
            .map_err(|e| fail(format!("cannot be loaded: {e}")))
    }

    fn assemble(
        tokenizer: Tokenizer,
        config: ModelConfig,
        mut weights: Box<dyn Weights>,
        backend: &Backend,
    ) -> candle_core::Result<Self> {
        let vocabulary = Vocabulary::english(&tokenizer);
        let (weights, written) = (weights.as_mut(), vocabulary.allowed());
        let model = match config {
            ModelConfig::Decoder(config) => {
                let model = Decoder::load(config, weights, written, backend);
                model.map(|model| Model::Decoder(Box::new(model)))
            }
            ModelConfig::EncoderDecoder(config) => {
                let model = EncoderDecoder::load(config, weights, written, backend);
                model.map(|model| Model::EncoderDecoder(Box::new(model)))
            }
        }?;
        let (backend, schedule) = (backend.clone(), Schedule::default());
        Ok(Self { tokenizer, vocabulary, backend, model, schedule })
    }

    /// What it is computed on.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The model's shape.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        self.model.shape()
    }

    /// Takes an adapter of this model out of `tensors`: see [`Adapter`]. `scale` is PEFT's
    /// `lora_alpha / r`.
    ///
    /// # Errors
    /// A sentence that says why it doesn't fit this model.
    pub fn adapter(
        &self,
        tensors: &mut HashMap<String, Tensor>,
        scale: f64,
    ) -> Result<Adapter, String> {
        self.model.adapter(tensors, scale).map_err(|e| e.to_string())
    }

    /// An adapter of this model from PEFT's files: the text of `adapter_config.json` and the bytes of
    /// `adapter_model.safetensors`.
    ///
    /// # Errors
    /// A sentence that says why they can't be read or used.
    pub fn peft(&self, config: &str, weights: &[u8]) -> Result<Adapter, String> {
        let config = PeftConfig::parse(config)?;
        let mut tensors = candle_core::safetensors::load_buffer(weights, &Device::Cpu)
            .map_err(|e| format!("adapter_model.safetensors: {e}"))?;
        let adapter = self.adapter(&mut tensors, config.scale())?;
        match tensors.keys().min() {
            Some(name) => Err(format!("nothing can be done with {name}")),
            None => Ok(adapter),
        }
    }

    /// Adds `adapter` to everything that is generated from now on.
    pub fn adopt(&mut self, adapter: Adapter) {
        // What was computed without it doesn't hold any more.
        self.schedule.forget();
        self.model.adopt(adapter);
    }

    /// Logits of every position of a prompt's last level, `[tokens, vocab]`, for comparing with a
    /// reference implementation: behind the levels before, or beside the source that they are.
    ///
    /// # Errors
    /// candle's.
    pub fn logits(&self, prompt: &Prompt) -> Result<Vec<Vec<f32>>> {
        let (last, before) = match prompt.levels.split_last() {
            Some((last, before)) => (last.as_slice(), before),
            None => (&[][..], &[][..]),
        };
        let before: Vec<u32> = before.iter().flatten().copied().collect();
        let logits = match &self.model {
            Model::Decoder(model) => {
                let tokens: Vec<u32> = before.iter().chain(last).copied().collect();
                model.all_logits(&tokens).map(|mut logits| logits.split_off(before.len()))
            }
            Model::EncoderDecoder(model) => model.all_logits(&before, last),
        };
        logits.map_err(Error::engine("computing logits"))
    }
}
