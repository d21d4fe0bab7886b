//! What a model that nobody has tried is put through before its texts are trusted.

use serde::{Deserialize, Serialize};

use super::{
    Engine, Prompt, Request, Search,
    arch::{
        decoder::{Feed, Logits},
        model::Model,
    },
    kernels::{highest, log_sum_exp},
    kv::SequenceKv,
    tokenizer::Part,
};
use crate::error::{Error, Result};

/// English that every language model should find likely.
const ENGLISH: &str = "The ferry to the island was cancelled on Tuesday because of a storm. About \
    two hundred passengers had to wait in the harbour until the next morning, the company said. \
    Nobody was hurt. According to the weather service, the wind will be weaker on Wednesday, and \
    ships should be able to leave the port again by noon.";

/// Texts that a tokenizer must give back as they are.
const TEXTS: [&str; 4] = [
    "On 30 November, 84 passengers paid €1,250.50 (about 12 %) – “for nothing”.",
    "Am 30. November zahlten 84 Fahrgäste für die „Überfahrt“.",
    "11月30日，84名乘客支付了1250元。碼頭於週二關閉。",
    "৩০ নভেম্বর ৮৪ জন যাত্রী ফেরির জন্য অপেক্ষা করেছিলেন।",
];

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    /// Perplexity of a paragraph of plain English. Good small models are below 20; one that is
    /// computed wrongly is in the hundreds at least. None of an encoder-decoder, which writes what
    /// its source says.
    pub perplexity: Option<f64>,
    /// Texts that the tokenizer didn't give back.
    pub altered: Vec<String>,
    /// The largest difference between the logits of a sequence that is read at once, of the same
    /// read token by token, and of the same among others, as a share of their largest value.
    pub company: f32,
    /// Beside a reference, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Agreement>,
}

/// What a reference implementation computed: what `tests/reference/record_any.py` writes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Reference {
    /// Prompts, or an encoder-decoder's sources, as token ids.
    pub prompts: Vec<Vec<u32>>,
    /// With what an encoder-decoder begins every text.
    #[serde(default)]
    pub begin: Vec<u32>,
    /// The logits behind each, of every token of the vocabulary.
    pub logits: Vec<Vec<f32>>,
    /// The likeliest tokens that follow, one after the other, from all of the vocabulary.
    #[serde(default)]
    pub greedy: Vec<Vec<u32>>,
}

/// How near the engine comes to a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Prompts compared.
    pub prompts: usize,
    /// The largest difference of a logit, as a share of its prompt's largest.
    pub largest: f32,
    /// Of the tokens that the reference wrote, those that follow here too, each after the reference's
    /// own.
    pub tokens: (usize, usize),
}

impl Findings {
    /// What is wrong, in sentences; nothing if the model can be trusted as far as this goes.
    /// `tolerance` is what may lie between a reference and what was computed; where that isn't
    /// `exact`, what is computed beside a sequence may change as much.
    #[must_use]
    pub fn faults(&self, tolerance: f32, exact: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(perplexity) = self.perplexity.filter(|p| p.is_nan() || *p > 200.0) {
            faults.push(format!(
                "plain English is a riddle to it (perplexity {perplexity:.0}): either it is no model \
                 of English, or something in it is computed in another way than its authors do"
            ));
        }
        for text in &self.altered {
            faults.push(format!("its tokenizer doesn't give back “{text}”"));
        }
        let allowed = if exact { 1e-4 } else { tolerance };
        if self.company.is_nan() || self.company > allowed {
            faults.push(format!(
                "its logits depend on what is computed beside them, by {:.1e}",
                self.company
            ));
        }
        if let Some(Agreement { largest, .. }) = self.reference
            && (largest.is_nan() || largest > tolerance)
        {
            faults.push(format!(
                "its logits differ from the reference's by {largest:.1e} of their largest, and \
                 {tolerance:.1e} is allowed"
            ));
        }
        faults
    }
}

/// The largest difference, as a share of the largest value in `b`.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::NAN;
    }
    let spread = b.iter().fold(0f32, |most, v| most.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, worse) / spread
}

/// The larger one; unlike `max`, this doesn't lose what is not a number.
fn worse(a: f32, b: f32) -> f32 {
    if b.is_nan() || b > a { b } else { a }
}

fn untokenised(reason: String) -> Error {
    Error::Engine { context: "checking the model", cause: candle_core::Error::Msg(reason) }
}

impl Engine {
    /// Puts the model through what can be found out without knowing it, and compares it with
    /// `reference`.
    ///
    /// # Errors
    /// candle's, or a reference that doesn't fit the model.
    pub fn check(&self, reference: Option<&Reference>) -> Result<Findings> {
        let tokens = self.beginning_with(ENGLISH)?;
        let company = self.company(&tokens)?;
        let reference = reference.map(|reference| self.beside(reference)).transpose()?;
        if let Model::EncoderDecoder(_) = self.model {
            return Ok(Findings { perplexity: None, altered: Vec::new(), company, reference });
        }
        let mut altered = Vec::new();
        for text in TEXTS {
            let ids = self.tokenizer.encode(text).map_err(untokenised)?;
            if self.tokenizer.decode(&ids).trim_start() != text {
                altered.push(text.to_owned());
            }
        }
        let logits = self.logits(&Prompt { levels: vec![tokens.clone()] })?;
        let following = logits.iter().zip(tokens.iter().skip(1));
        let surprise = following.map(|(logits, next)| {
            let logit = logits.get(*next as usize).copied().unwrap_or(f32::NAN);
            log_sum_exp(logits) - f64::from(logit)
        });
        let mean = surprise.sum::<f64>() / tokens.len().saturating_sub(1).max(1) as f64;
        Ok(Findings { perplexity: Some(mean.exp()), altered, company, reference })
    }

    /// A prompt of plain text, with the model's start token if it wants one.
    fn beginning_with(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode_parts(&[Part::Text(text.into())]).map_err(untokenised)
    }

    /// An empty cache; an encoder-decoder's beside a source.
    fn cache(&self, source: &[u32]) -> Result<SequenceKv> {
        let prefix = match &self.model {
            Model::Decoder(_) => None,
            Model::EncoderDecoder(model) => {
                Some(model.source(source).map_err(Error::engine("checking the model"))?)
            }
        };
        Ok(SequenceKv::new(prefix, self.shape().layers))
    }

    /// See [`Findings::company`].
    fn company(&self, source: &[u32]) -> Result<f32> {
        let pass = |feeds: &mut [Feed<'_>]| -> Result<Logits> {
            self.model.forward(feeds).map_err(Error::engine("checking the model"))
        };
        let first = |logits: Logits| logits.rows().next().unwrap_or_default().to_vec();
        // Which tokens are written doesn't matter.
        let vocabulary = self.tokenizer.vocab_size().max(1) as u32;
        let tokens: &[u32] = &source.iter().map(|id| id % vocabulary).collect::<Vec<_>>();
        let (head, tail) = tokens.split_at(tokens.len() / 2);
        let mut kv = self.cache(source)?;
        let whole = first(pass(&mut [Feed { kv: &mut kv, tokens }])?);
        let mut kv = self.cache(source)?;
        let mut stepped = first(pass(&mut [Feed { kv: &mut kv, tokens: head }])?);
        for token in tail.chunks(1) {
            stepped = first(pass(&mut [Feed { kv: &mut kv, tokens: token }])?);
        }
        let mut caches = (0..6).map(|_| self.cache(source)).collect::<Result<Vec<_>>>()?;
        let mut feeds: Vec<Feed<'_>> = caches
            .iter_mut()
            .zip([tokens, tail, head, tokens, tail, head])
            .map(|(kv, tokens)| Feed { kv, tokens })
            .collect();
        let among = pass(&mut feeds)?;
        let among = among.rows().nth(3).unwrap_or_default();
        Ok(worse(difference(&stepped, &whole), difference(among, &whole)))
    }

    fn beside(&self, reference: &Reference) -> Result<Agreement> {
        let vocabulary = self.tokenizer.source_vocab_size() as u32;
        let known = |ids: &Vec<u32>| !ids.is_empty() && ids.iter().all(|id| *id < vocabulary);
        if reference.prompts.len() != reference.logits.len() || !reference.prompts.iter().all(known)
        {
            return Err(Error::Usage {
                reason:
                    "the reference is none of this model: a prompt is empty, has an id that the \
                         model doesn't have, or has no logits"
                        .into(),
            });
        }
        let mut largest = 0f32;
        let mut tokens = (0, 0);
        for (index, (prompt, theirs)) in reference.prompts.iter().zip(&reference.logits).enumerate()
        {
            let greedy = reference.greedy.get(index).map_or(&[][..], Vec::as_slice);
            let mut levels = match reference.begin.as_slice() {
                [] => vec![prompt.clone()],
                begin => vec![prompt.clone(), begin.to_vec()],
            };
            let read = levels.last().map_or(1, Vec::len);
            levels.last_mut().into_iter().for_each(|last| last.extend(greedy));
            let logits = self.logits(&Prompt { levels })?;
            let behind = logits.get(read - 1..).unwrap_or_default();
            let ours = behind.first().map_or(&[][..], Vec::as_slice);
            // A head may have rows beyond its vocabulary.
            let both = ours.len().min(theirs.len());
            let apart = difference(
                ours.get(..both).unwrap_or_default(),
                theirs.get(..both).unwrap_or_default(),
            );
            largest = worse(largest, apart);
            for (logits, next) in behind.iter().zip(greedy) {
                let best = highest(logits).and_then(|place| u32::try_from(place).ok());
                tokens.0 += usize::from(best == Some(*next));
                tokens.1 += 1;
            }
        }
        Ok(Agreement { prompts: reference.prompts.len(), largest, tokens })
    }

    /// What the model goes on with after the beginning of an English sentence; an encoder-decoder
    /// doesn't.
    ///
    /// # Errors
    /// candle's.
    pub fn specimen(&self, beginning: &str) -> Result<Option<String>> {
        if let Model::EncoderDecoder(_) = self.model {
            return Ok(None);
        }
        let prompt = Prompt { levels: vec![self.beginning_with(beginning)?] };
        let search = Search::GREEDY;
        let request = Request { prompt, after: None, max_tokens: 16, search, grammar: None };
        let outputs = self.generate(vec![request], &mut |_: usize, _: usize| true)?;
        Ok(outputs.into_iter().next().map(|output| output.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_not_a_number_is_not_lost() {
        assert!(difference(&[1.0, f32::NAN, 1.0], &[1.0, 1.0, 2.0]).is_nan());
        assert!(difference(&[1.0], &[1.0, 1.0]).is_nan());
        assert_eq!(difference(&[1.0, 3.0], &[1.0, -4.0]), 1.75);
    }
}
