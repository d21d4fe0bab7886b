//! Scores a claim against the sentences that it cites.

use super::Support;

/// One sentence that a claim may cite.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Its English translation.
    pub target: &'a str,
    /// The source sentence(s) it translates.
    pub source: &'a str,
    /// Whether a guard flagged the translation.
    pub flagged: bool,
}

/// Scores `claim` against the sentences that it cites.
#[must_use]
pub fn score(_claim: &str, _cited: &[Evidence<'_>]) -> Support {
    todo!()
}
