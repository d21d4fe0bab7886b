//! The languages that `brief` reads.

use serde::{Deserialize, Serialize};

/// A source language, with its script where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// German.
    #[serde(rename = "de")]
    German,
    /// Chinese in traditional characters.
    #[serde(rename = "zh-Hant")]
    ChineseTraditional,
    /// Chinese in simplified characters.
    #[serde(rename = "zh-Hans")]
    ChineseSimplified,
    /// Bengali.
    #[serde(rename = "bn")]
    Bengali,
}

impl Language {
    /// The BCP-47 tag used in every output: `de`, `zh-Hant`, `zh-Hans` or `bn`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::ChineseTraditional => "zh-Hant",
            Language::ChineseSimplified => "zh-Hans",
            Language::Bengali => "bn",
        }
    }

    /// The language of a tag as [`Language::tag`] gives it.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        [Self::German, Self::ChineseTraditional, Self::ChineseSimplified, Self::Bengali]
            .into_iter()
            .find(|language| language.tag() == tag)
    }

    /// The key under which model manifests rate the language: `de`, `zh` or `bn`.
    #[must_use]
    pub fn family(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::ChineseTraditional | Language::ChineseSimplified => "zh",
            Language::Bengali => "bn",
        }
    }

    /// The English name, as prompts and messages use it.
    #[must_use]
    pub fn english_name(self) -> &'static str {
        match self {
            Language::German => "German",
            Language::ChineseTraditional => "Traditional Chinese",
            Language::ChineseSimplified => "Simplified Chinese",
            Language::Bengali => "Bengali",
        }
    }

    /// Whether the language is Chinese, in either script.
    #[must_use]
    pub fn is_chinese(self) -> bool {
        matches!(self, Language::ChineseTraditional | Language::ChineseSimplified)
    }
}

impl std::fmt::Display for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.tag())
    }
}

/// Whether `c` is a Chinese character, of either script.
pub(crate) fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

/// The value of an ASCII, full-width or Bengali digit.
pub(crate) fn digit(c: char) -> Option<u32> {
    match c {
        '0'..='9' => c.to_digit(10),
        '０'..='９' => Some(u32::from(c) - u32::from('０')),
        '০'..='৯' => Some(u32::from(c) - u32::from('০')),
        _ => None,
    }
}
