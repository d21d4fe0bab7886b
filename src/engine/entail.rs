//! Natural language inference: whether a text says what a claim says, by encoders that were trained to
//! tell (Williams et al. 2018, arXiv:1704.05426): XLM-RoBERTa and DeBERTa with a classifier behind them.

use std::path::Path;

use candle_core::D;
use serde_json::Value;
use tokenizers::Tokenizer;

use super::{
    arch::encoder::{Activation, Encoder, EncoderConfig, Head, Pooling},
    embed::{folder_of, known},
    encoder_folder::EncoderFolder,
};
use crate::error::{Error, Result};

/// A loaded model.
pub struct Entailer {
    encoder: Encoder,
    head: Head,
    tokenizer: Tokenizer,
    /// Which of its classes says that the claim follows.
    follows: usize,
}

impl Entailer {
    /// Loads the hub's folder, or the one that these tensors lie in. `model` names it in messages.
    ///
    /// # Errors
    /// [`Error::Model`] saying what is missing or wrong.
    pub fn load(model: &str, path: &Path) -> Result<Self> {
        Self::read(folder_of(path)).map_err(|reason| Error::Model {
            model: model.to_owned(),
            reason: format!("{}: {reason}", path.display()),
            hint: "`brief models list` shows the models that judge claims".into(),
        })
    }

    fn read(folder: &Path) -> Result<Self, String> {
        let EncoderFolder { json, config, tokenizer, mut weights } = EncoderFolder::open(folder)?;
        let classes = classes(&json);
        let follows = classes.iter().position(|class| class.starts_with("entail"));
        let follows = follows.ok_or_else(|| {
            format!("it has no class for what follows: its id2label has {}", classes.join(", "))
        })?;
        let (hidden, out) = (config.hidden, classes.len());
        let layers = match json.get("model_type").and_then(Value::as_str) {
            Some("xlm-roberta") => [
                ("classifier.dense", hidden, Some(Activation::Tanh)),
                ("classifier.out_proj", out, None),
            ],
            Some("deberta-v2") => {
                [("pooler.dense", hidden, Some(Activation::Gelu)), ("classifier", out, None)]
            }
            _ => return Err("judging models are of `xlm-roberta` or `deberta-v2`".into()),
        };
        Ok(Self {
            encoder: Encoder::load(config, &mut weights).map_err(|e| e.to_string())?,
            head: Head::load(&mut weights, hidden, &layers).map_err(|e| e.to_string())?,
            tokenizer,
            follows,
        })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> EncoderConfig {
        self.encoder.config
    }

    /// How likely it finds, in the mean, that texts say what others do that are about other things, and
    /// what those do that say the same.
    ///
    /// # Errors
    /// As [`Entailer::probability`].
    pub fn measured(&self) -> Result<[f32; 2]> {
        let texts = known::texts();
        let mut sums = [(0.0, 0u16); 2];
        for (i, text) in texts.iter().enumerate() {
            // Each with its own and with the next one's: judging all pairs would take long.
            for (sum, other) in sums.iter_mut().zip([(i + 1) % texts.len(), i]) {
                let Some(claim) = texts.get(other) else { continue };
                sum.0 += self.probability(&text.en, &claim.again)?;
                sum.1 += 1;
            }
        }
        Ok(sums.map(|(sum, count)| sum / f32::from(count)))
    }

    /// How likely it is, from 0 to 1, that `text` says what `claim` says. Where both are too
    /// long for the model, the longer one is cut off.
    ///
    /// # Errors
    /// [`Error::Engine`] with candle's or the tokenizer's reason.
    pub fn probability(&self, text: &str, claim: &str) -> Result<f32> {
        let encoded = self.tokenizer.encode((text, claim), true);
        let failed = |e: tokenizers::Error| candle_core::Error::Msg(e.to_string());
        let probability = || {
            let tokens = encoded.map_err(failed)?.get_ids().to_vec();
            let pooled = self.encoder.pooled(&[tokens], Pooling::First)?;
            let classes = candle_nn::ops::softmax(&self.head.forward(&pooled)?, D::Minus1)?;
            classes.get(0)?.get(self.follows)?.to_scalar::<f32>()
        };
        probability().map_err(Error::engine("judging"))
    }
}

/// The names of a model's classes, in lower case, in order.
pub fn classes(json: &Value) -> Vec<String> {
    let labels = json.get("id2label").and_then(Value::as_object);
    let mut labels: Vec<(usize, String)> = labels
        .into_iter()
        .flatten()
        .filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_lowercase())))
        .collect();
    labels.sort();
    labels.into_iter().map(|(_, label)| label).collect()
}
