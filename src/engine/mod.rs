//! Loads a model and generates text for many sequences at once. Only this module knows tensors.

pub mod arch;
mod beam;
pub mod device;
pub mod embed;
pub mod generate;
pub mod gguf;
pub mod hub_folder;
pub mod kernels;
pub mod kv;
pub mod measure;
pub mod prompt;
mod schedule;
pub mod tokenizer;
pub mod vocabulary;

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

pub use arch::{adapter::Adapter, decoder::Pass};
pub use beam::Search;
pub use device::DeviceChoice;
pub use generate::{Grammar, Next, Output, Request, Watch};
pub use kv::Prefix;
pub use prompt::{Prompt, Prompts, Values};
pub use tokenizer::Tokenizer;

use self::{
    arch::{
        adapter::PeftConfig,
        config::Config,
        decoder::Decoder,
        weights::{GgufWeights, HubWeights, Weights},
    },
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

/// A loaded model.
pub struct Engine {
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Which tokens English output may use.
    pub vocabulary: Vocabulary,
    decoder: Decoder,
    schedule: Schedule,
}

impl Engine {
    /// Loads the GGUF file or hub folder at `path` onto `device`. `model` names it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] saying what is wrong with the file.
    pub fn load(model: &str, path: &Path, device: &Device) -> Result<Self> {
        let fail = |reason: String| Error::Model {
            model: model.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            hint: "`brief models verify` checks the file, `brief models pull` fetches it again"
                .to_owned(),
        };
        let load = |config, weights: &mut dyn Weights, tokenizer: Tokenizer| {
            let vocabulary = Vocabulary::english(&tokenizer);
            let decoder = Decoder::load(config, weights, vocabulary.allowed(), device)
                .map_err(|e| fail(format!("cannot be loaded: {e}")))?;
            Ok(Self { tokenizer, vocabulary, decoder, schedule: Schedule::default() })
        };
        if path.is_dir() {
            let json = hub_folder::config(path).map_err(fail)?;
            let config = Config::from_hub(&json).map_err(fail)?;
            let tokenizer = Tokenizer::from_hub(path).map_err(fail)?;
            let mut weights = HubWeights::open(path, &config.architecture).map_err(fail)?;
            load(config, &mut weights, tokenizer)
        } else {
            let (content, file) = gguf::open(path).map_err(fail)?;
            let config = Config::from_gguf(&content).map_err(fail)?;
            let tokenizer = Tokenizer::from_gguf(&content).map_err(fail)?;
            load(config, &mut GgufWeights { content, file }, tokenizer)
        }
    }

    /// The model's shape.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.decoder.config
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
        self.decoder.adapter(tensors, scale).map_err(|e| e.to_string())
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
        self.decoder.adopt(adapter);
    }

    /// Logits of every position of one sequence, `[tokens, vocab]`, for comparing with a
    /// reference implementation.
    ///
    /// # Errors
    /// candle's.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.decoder.all_logits(tokens).map_err(Error::engine("computing logits"))
    }
}
