//! Loads a model and generates text for many sequences at once. Only this module knows tensors.

pub mod arch;
pub mod device;
pub mod generate;
pub mod gguf;
pub mod kernels;
pub mod kv;
pub mod prompt;
pub mod tokenizer;
pub mod vocabulary;

use std::{path::Path, sync::Arc};

use candle_core::Device;

pub use device::DeviceChoice;
pub use generate::{Grammar, Next, Output, Request};
pub use prompt::{Prompt, Prompts, Values};
pub use tokenizer::Tokenizer;

use self::{arch::decoder, kv::Prefix, vocabulary::Vocabulary};
use crate::error::{Error, Result};

/// A loaded model.
pub struct Engine {
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Which tokens English output may use.
    pub vocabulary: Vocabulary,
    decoder: decoder::Decoder,
    /// Computed prefixes by their tokens.
    prefixes: Vec<(Vec<u32>, Arc<Prefix>)>,
}

impl Engine {
    /// Loads the GGUF file at `path` onto `device`. `model` names it in messages.
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
        let (content, mut file) = gguf::open(path).map_err(fail)?;
        let config = decoder::Config::from_gguf(&content).map_err(fail)?;
        let tokenizer = Tokenizer::from_gguf(&content).map_err(fail)?;
        let decoder = decoder::Decoder::load(config, &content, &mut file, device)
            .map_err(|e| fail(format!("cannot be loaded: {e}")))?;
        let vocabulary = Vocabulary::english(&tokenizer);
        Ok(Self { tokenizer, vocabulary, decoder, prefixes: Vec::new() })
    }

    /// The model's shape.
    #[must_use]
    pub fn config(&self) -> &decoder::Config {
        &self.decoder.config
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
