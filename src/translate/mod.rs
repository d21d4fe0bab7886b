//! Source sentences to English segments.

mod estimate;
pub mod guards;
pub mod names;
mod prompt;
mod translator;

pub use estimate::estimate;
pub use translator::{Progress, Translator, prepared};

use serde::{Deserialize, Serialize};

use crate::engine::AdapterInfo;

/// One translated unit. It covers one or more source sentences, never none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Ids of the source sentences, in order.
    pub sentences: Vec<String>,
    /// The English text.
    pub target: String,
    /// How near its meaning is to the source's, 0 to 1, if that was estimated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<f32>,
    /// What a check found wrong and a retry did not mend.
    pub flags: Vec<Flag>,
}

/// One finding of a check, for the reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// What kind of fault.
    pub kind: FlagKind,
    /// The fault in words, e.g. `"March" is not in the source`.
    pub detail: String,
}

/// The kinds of fault that the guards look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagKind {
    /// Nothing came out.
    Empty,
    /// The output is not English text.
    NotEnglish,
    /// The source was copied instead of translated.
    Untranslated,
    /// Generation ran into the token limit or repeats itself.
    Runaway,
    /// The model refused or commented instead of translating.
    Refused,
    /// Far too long for its source.
    TooLong,
    /// Far too short for its source.
    TooShort,
    /// A number in the output that the source lacks.
    NumberAdded,
    /// A number of the source that the output lacks.
    NumberMissing,
    /// A month, weekday or date in the output that the source lacks, or the other way round.
    Date,
    /// A negation gained or lost.
    Negation,
    /// A name in the output that the source can't account for, or the other way round.
    Name,
    /// The output is about something else than the source.
    Unrelated,
}

impl FlagKind {
    /// Whether the text alone shows the fault, without a model.
    #[must_use]
    pub fn is_rule(self) -> bool {
        self != FlagKind::Unrelated
    }
}

/// An article in English, segment by segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Translation {
    /// Id of the model that translated.
    pub model: String,
    /// SHA-256 of the model's weights file.
    pub model_sha256: String,
    /// What was added to its weights.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adapter: Option<AdapterInfo>,
    /// Id of the embedding model that compared the segments with their originals, if one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub embedder: Option<String>,
    /// What the manifest says of this language: `good`, `fair`, `gist`.
    pub quality: String,
    /// For the reader: e.g. the `gist` warning and how to get a better model.
    pub warnings: Vec<String>,
    /// In reading order; every sentence of the article is in exactly one.
    pub segments: Vec<Segment>,
}

impl Translation {
    /// What translated, in words: `gemma-3-270m-q4_k_m with bengali`.
    #[must_use]
    pub fn translator(&self) -> String {
        match &self.adapter {
            Some(adapter) => format!("{} with {}", self.model, adapter.name),
            None => self.model.clone(),
        }
    }
}
