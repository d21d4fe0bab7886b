//! Texts of which it is known what they say, to find out what models make of them.

use serde::Deserialize;

const TEXTS: &str = include_str!("../../../models/likeness.json");

/// A sentence, and what says the same.
#[derive(Debug, Deserialize)]
pub struct Known {
    /// In English.
    pub en: String,
    /// In English, in other words.
    pub again: String,
    /// In German.
    pub de: String,
    /// In Chinese.
    pub zh: String,
    /// In Bengali.
    pub bn: String,
}

/// All of them. No two are about the same.
#[must_use]
pub fn texts() -> Vec<Known> {
    // A test reads them.
    serde_json::from_str(TEXTS).unwrap_or_default()
}
