//! English segments to a short summary whose sentences cite the article.

mod grammar;
mod judge;
mod writer;

pub use judge::{Entailing, Probe, Probed};
pub use writer::{Material, Refused, Summarized, Summarizer};

use serde::{Deserialize, Serialize};

use crate::{Span, engine::AdapterInfo, trace::Support};

/// How a summary sentence came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Written by the model and checked.
    Generated,
    /// A translated sentence of the article, taken over because what the model wrote failed.
    Extracted,
}

/// A pointer from a summary sentence to a source sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Id of the source sentence.
    pub sentence: String,
    /// Its place in the file.
    pub span: Span,
    /// Its text there, in the source language.
    pub quote: String,
}

/// One sentence of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The sentence, in English, without citation marks.
    pub text: String,
    /// At least one.
    pub citations: Vec<Citation>,
    /// What the checks found.
    pub support: Support,
    /// Generated or extracted.
    pub origin: Origin,
}

/// A short English summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Id of the model that wrote it.
    pub model: String,
    /// SHA-256 of the model's weights file.
    pub model_sha256: String,
    /// What was added to its weights.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adapter: Option<AdapterInfo>,
    /// Id of the embedding model that compared the claims with what they cite, if one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub embedder: Option<String>,
    /// Id of the model that judged the claims, if one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub judge: Option<String>,
    /// The summary, a sentence each.
    pub claims: Vec<Claim>,
}
