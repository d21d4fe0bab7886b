//! Numbers, months, weekdays and negations in German, Chinese, Bengali and English text.

mod lexicon;
mod numbers;

pub use numbers::{Number, numbers};

/// The language of a text, as far as its facts are written differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tongue {
    /// English.
    English,
    /// German.
    German,
    /// Chinese in either script.
    Chinese,
    /// Bengali.
    Bengali,
}

impl From<crate::Language> for Tongue {
    fn from(language: crate::Language) -> Self {
        match language.family() {
            "zh" => Tongue::Chinese,
            "bn" => Tongue::Bengali,
            _ => Tongue::German,
        }
    }
}

impl Tongue {
    /// The source language of a text, by its script.
    #[must_use]
    pub fn of_source(text: &str) -> Self {
        let count = |range: std::ops::RangeInclusive<u32>| {
            text.chars().filter(|c| range.contains(&u32::from(*c))).count()
        };
        let (han, bengali) = (count(0x3400..=0x9FFF), count(0x980..=0x9FF));
        if han * 4 > text.chars().filter(char::is_ascii_alphabetic).count() && han > bengali {
            Tongue::Chinese
        } else if bengali > 0 {
            Tongue::Bengali
        } else {
            Tongue::German
        }
    }
}

/// The months that a text names, 1 to 12, each once.
#[must_use]
pub fn months(text: &str, tongue: Tongue) -> Vec<u32> {
    let mut found = match tongue {
        Tongue::Chinese => numbers::chinese_months(text),
        _ => lexicon::months(text, tongue),
    };
    found.extend(numbers::numeric_months(text, tongue));
    found.sort_unstable();
    found.dedup();
    found
}

/// The weekdays that a text names, 1 (Monday) to 7, each once.
#[must_use]
pub fn weekdays(text: &str, tongue: Tongue) -> Vec<u32> {
    let mut found = lexicon::weekdays(text, tongue);
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether a text plainly negates something. Idioms whose negation says nothing of the kind
/// ("not only", 不斷, নাটক) don't count.
#[must_use]
pub fn negates(text: &str, tongue: Tongue) -> bool {
    lexicon::negates(text, tongue)
}

/// Whether an English text has a word that could render a negation: "not", but also "unclear",
/// "failed to", "without", "lack".
#[must_use]
pub fn may_negate(english: &str) -> bool {
    lexicon::may_negate(english)
}

/// Whether a source text has anything that English may render by a negation: also words like
/// "ohne", 少, 拒绝, "unklar".
#[must_use]
pub fn may_negate_source(text: &str, tongue: Tongue) -> bool {
    lexicon::may_negate_source(text, tongue)
}
