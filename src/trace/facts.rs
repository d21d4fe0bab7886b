//! Numbers, months, weekdays and negations in German, Chinese, Bengali and English text.

mod lexicon;
mod numbers;

use std::borrow::Cow;

pub use numbers::Number;

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
    /// The language, as far as the tongue tells: Chinese in its traditional script.
    #[must_use]
    pub fn language(self) -> crate::Language {
        match self {
            Tongue::Chinese => crate::Language::ChineseTraditional,
            Tongue::Bengali => crate::Language::Bengali,
            Tongue::German | Tongue::English => crate::Language::German,
        }
    }

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

/// The numbers of a text in order. Months written as numbers (`9月`, `14.09.`) are left to
/// [`months`].
#[must_use]
pub fn numbers(text: &str, tongue: Tongue) -> Vec<Number> {
    numbers::numbers(&tight(text, tongue), tongue)
}

/// Chinese text without the spaces that some sites put between digits and characters: `9 月`,
/// `1,000 万`; and with decades as years: `20 世纪 70 年代` is `1970年代`.
fn tight(text: &str, tongue: Tongue) -> Cow<'_, str> {
    if tongue != Tongue::Chinese {
        return Cow::Borrowed(text);
    }
    let is_han = |c: char| matches!(u32::from(c), 0x3400..=0x9FFF);
    let chars: Vec<char> = text.chars().collect();
    let mut tight = String::with_capacity(text.len());
    for (i, c) in chars.iter().copied().enumerate() {
        let before = i.checked_sub(1).and_then(|b| chars.get(b)).copied().unwrap_or(' ');
        let after = chars.get(i + 1).copied().unwrap_or(' ');
        let between = (before.is_ascii_digit() && is_han(after))
            || (is_han(before) && after.is_ascii_digit());
        if !(matches!(c, ' ' | '\u{a0}') && between) {
            tight.push(c);
        }
    }
    for mark in ["世纪", "世紀"] {
        while let Some(at) = tight.find(mark) {
            let (head, tail) = tight.split_at(at);
            let tail = tail.get(mark.len()..).unwrap_or_default();
            let digits = head.len() - head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let century = head.get(head.len() - digits..).and_then(|d| d.parse::<u32>().ok());
            let decade: String = tail.chars().take_while(char::is_ascii_digit).collect();
            tight = match (century, decade.len(), tail.strip_prefix(decade.as_str())) {
                (Some(c @ 1..=30), 2, Some(rest)) if rest.starts_with("年代") => {
                    format!(
                        "{}{}{decade}{rest}",
                        head.get(..head.len() - digits).unwrap_or(""),
                        c - 1
                    )
                }
                // Any other mark that isn't looked for again.
                _ => format!("{head}世\u{E000}紀{tail}"),
            };
        }
    }
    Cow::Owned(tight)
}

/// The months that a text names, 1 to 12, each once.
#[must_use]
pub fn months(text: &str, tongue: Tongue) -> Vec<u32> {
    let text = &*tight(text, tongue);
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
