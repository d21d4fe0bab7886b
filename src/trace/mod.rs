//! Is a summary sentence supported by what it cites?

mod english;
pub mod facts;
mod signs;
pub mod support;

use serde::{Deserialize, Serialize};

use crate::translate::Flag;

/// The outcome for one summary sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All signs agree.
    Supported,
    /// Supported, but something in what it cites is flagged or uncertain.
    Partly,
    /// A number, date or name is not in what it cites, or the words aren't.
    Unsupported,
}

/// What the checks found for one summary sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// The outcome.
    pub verdict: Verdict,
    /// Share of the claim's content words that occur in the cited English sentences, 0 to 1.
    pub coverage: f32,
    /// What is wrong, if anything.
    pub findings: Vec<Flag>,
    /// The verdict's reason in words.
    pub reason: String,
}
