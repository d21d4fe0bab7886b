//! Checks on each translated segment.

use super::Flag;
use crate::Language;

/// What is wrong with `target` as a translation of `source`; empty if nothing is.
/// `hit_limit` says that generation ended at the token limit instead of a stop token.
#[must_use]
pub fn check(_source: &str, _target: &str, _language: Language, _hit_limit: bool) -> Vec<Flag> {
    todo!()
}
