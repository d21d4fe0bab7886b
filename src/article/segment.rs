//! Kept blocks to sentences with exact byte spans.

use super::{Block, Sentence, Source};
use crate::Language;

/// The kept blocks in sentences with their byte spans.
#[must_use]
pub fn sentences(_source: &Source, _blocks: &[Block], _language: Language) -> Vec<Sentence> {
    todo!()
}
