//! Is a summary sentence supported by what it cites?

mod english;
pub mod facts;
mod signs;
pub mod support;
pub mod verify;

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

impl Support {
    /// The same for a translation of that quality: the checks compare with the translation, and
    /// where that is a gist, so is what they find.
    #[must_use]
    pub fn resting_on(mut self, quality: &str) -> Self {
        if self.verdict == Verdict::Supported && !["good", "fair"].contains(&quality) {
            self.verdict = Verdict::Partly;
            self.reason = "it says what its translation says, which is a gist".into();
        }
        self
    }
}

impl Verdict {
    /// For the reader.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Partly => "partly supported",
            Verdict::Unsupported => "unsupported",
        }
    }
}
