//! Names that news uses often, and how English writes them.

mod bengali;
mod sounds;

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use unicode_normalization::UnicodeNormalization;

use self::bengali::Listed;
use crate::Language;

/// One name in the source languages and in English.
#[derive(Debug)]
pub struct Name {
    /// English forms; the first is the one to write.
    pub english: Vec<String>,
    chinese: Vec<String>,
    bengali: Vec<String>,
    german: Vec<String>,
    /// Beginnings and abbreviations that speak of it, of any language, in lower case.
    also: Vec<String>,
}

/// The names of `prompts/names.tsv`.
static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    include_str!("../../prompts/names.tsv")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut columns = line.split('\t').map(|column| {
                column
                    .split('|')
                    .map(|form| form.trim().nfc().collect::<String>())
                    .filter(|form| !form.is_empty())
                    .collect::<Vec<_>>()
            });
            let mut next = || columns.next().unwrap_or_default();
            Name { english: next(), chinese: next(), bengali: next(), german: next(), also: next() }
        })
        .collect()
});

impl Name {
    fn forms(&self, language: Language) -> &[String] {
        match language {
            Language::German => &self.german,
            Language::Bengali => &self.bengali,
            Language::ChineseTraditional | Language::ChineseSimplified => &self.chinese,
        }
    }
}

/// The known names in `source`, with the form in which each stands there, in order of appearance.
#[must_use]
pub fn known(source: &str, language: Language) -> Vec<(&'static Name, &'static str)> {
    places(source, language).into_iter().map(|(_, name, form)| (name, form)).collect()
}

/// The known names in `source`, in order, with where they stand.
fn places(source: &str, language: Language) -> Vec<(usize, &'static Name, &'static str)> {
    let source: String = source.nfc().collect();
    let mut found: Vec<(usize, &Name, &str)> = NAMES
        .iter()
        .filter_map(|name| {
            name.forms(language)
                .iter()
                .filter_map(|form| Some((position(&source, form, language)?, name, form.as_str())))
                .min_by_key(|(at, ..)| *at)
        })
        .collect();
    found.sort_by_key(|(at, ..)| *at);
    found
}

/// Known names that `target` has and `source` doesn't, in any form: what a model wrote of its own.
#[must_use]
pub fn invented(source: &str, target: &str, language: Language) -> Vec<&'static Name> {
    let source: String = source.nfc().collect();
    let lower = source.to_lowercase();
    let target = Target::new(target);
    NAMES
        .iter()
        .filter(|name| target.has(name))
        .filter(|name| {
            // What is written as in English, or in passing, is there too: UN, 中美, US-Präsident.
            let latin = name.english.iter().any(|form| lower.contains(&form.to_lowercase()));
            let hinted = name.also.iter().any(|hint| lower.contains(hint.as_str()));
            let said = name.forms(language).iter().any(|form| source.contains(form.as_str()));
            !(latin || hinted || said)
        })
        .collect()
}

/// What is wrong with the names of `target`, a translation from Bengali, by lists and by their sound:
/// those that it left out, as the source and as English write them, and those that nothing in the
/// source accounts for.
#[must_use]
pub fn mistold(source: &str, target: &str) -> (Vec<(String, &'static str)>, Vec<String>) {
    let source: String = source.nfc().collect();
    let known = places(&source, Language::Bengali);
    let listed = bengali::listed(&source);
    let known_names = known.iter().flat_map(|(_, name, _)| &name.english).map(String::as_str);
    let told: Vec<&str> =
        listed.iter().flat_map(|l| l.english).copied().chain(known_names).collect();
    let unfounded = bengali::unfounded(&source, target, &told);
    let missing = bengali::untold(listed, target)
        .into_iter()
        // Those are looked for by other rules.
        .filter(|l| !known.iter().any(|(at, _, form)| (*at..at + form.len()).contains(&l.at)))
        .filter_map(|l| Some((l.form.to_owned(), *l.english.first()?)))
        .collect();
    (missing, unfounded.into_iter().map(str::to_owned).collect())
}

/// The known names in `source` as a prompt shows them: `普京 = Putin; 克宫 = Kremlin`. Empty if
/// there are none.
#[must_use]
pub fn glossary(source: &str, language: Language) -> String {
    /// More would be a lesson, not a hint.
    const MOST: usize = 8;
    let source: String = source.nfc().collect();
    let listed = match language {
        Language::Bengali => bengali::listed(&source),
        _ => Vec::new(),
    };
    let mut known = places(&source, language);
    // Of names that stand in one another, the longer one is meant.
    let within = |at: usize, form: &str, from: usize, longer: &str| {
        form.len() < longer.len() && (from..from + longer.len()).contains(&at)
    };
    known.retain(|(at, _, form)| !listed.iter().any(|l| within(*at, form, l.at, l.form)));
    let mut entries = BTreeMap::new();
    for Listed { at, form, english, .. } in listed {
        let part = known.iter().any(|(from, _, longer)| within(at, form, *from, longer));
        if let (Some(english), false) = (english.first(), part) {
            entries.insert(at, format!("{form} = {english}"));
        }
    }
    for (at, name, form) in known {
        if let Some(english) = name.english.first() {
            entries.insert(at, format!("{form} = {english}"));
        }
    }
    entries.into_values().take(MOST).collect::<Vec<_>>().join("; ")
}

/// Longer words that merely contain a name.
const NOT_NAMES: &[&str] = &[
    "都柏林",
    "发展中国",
    "發展中國",
    "印度教",
    "印度河",
    "印度语",
    "印度語",
    "印度尼西",
    "印地",
    "罗德里",
    "羅德里",
    "朝鲜王朝",
    "朝鮮王朝",
    "南美国家",
    "南美國家",
    "以色列王国",
    "高中国",
    "初中国",
];

/// Where `form` stands in `source` as a word of its own, with the endings of its language. Chinese
/// has no word boundaries; there the known longer words are left out.
fn position(source: &str, form: &str, language: Language) -> Option<usize> {
    source.match_indices(form).map(|(at, _)| at).find(|at| {
        let before = source.get(..*at).unwrap_or("");
        let after = source.get(at + form.len()..).unwrap_or("");
        let previous = before.chars().next_back();
        match language {
            Language::German => {
                let ending: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
                !previous.is_some_and(char::is_alphanumeric)
                    && matches!(ending.as_str(), "" | "s" | "n")
            }
            Language::Bengali => {
                let part = |c: char| c.is_alphabetic() || matches!(c, '\u{981}'..='\u{9CD}');
                // Case endings begin with a letter or with ে; another vowel sign or a conjunct
                // makes another word.
                let other = |c: char| matches!(c, '\u{9BE}'..='\u{9C4}' | '\u{9C8}' | '\u{9CD}');
                !previous.is_some_and(part) && !after.starts_with(other)
            }
            Language::ChineseTraditional | Language::ChineseSimplified => {
                !NOT_NAMES.iter().any(|word| {
                    word.match_indices(form).any(|(inside, _)| {
                        before.ends_with(word.get(..inside).unwrap_or("-"))
                            && after.starts_with(word.get(inside + form.len()..).unwrap_or("-"))
                    })
                })
            }
        }
    })
}

/// English text in which names are looked for; hyphens count as spaces.
pub struct Target {
    spaced: String,
    /// The words without stops: "U.S." is "US".
    words: HashSet<String>,
}

impl Target {
    /// Prepares a text for looking up many names.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let spaced = text.replace(['-', '‑'], " ");
        let plain = spaced.replace('.', "");
        let words = plain.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
        Self { spaced, words }
    }

    /// Whether the text has one of the name's English forms, as a word with at most a usual ending
    /// ("Putin's", "Russian", "Japanese"). "US" only as it is written.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        const ENDINGS: &[&str] =
            &["", "n", "ns", "s", "an", "ans", "ese", "ian", "ians", "i", "is"];
        let spaced = self.spaced.as_str();
        name.english.iter().any(|form| {
            if form.chars().all(|c| c.is_uppercase() || c == '.') {
                return self.words.contains(&form.replace('.', ""));
            }
            let form = form.replace('-', " ");
            spaced.match_indices(&form).any(|(at, _)| {
                let before = spaced.get(..at).and_then(|b| b.chars().next_back());
                let after = spaced.get(at + form.len()..).unwrap_or("");
                let ending: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
                !before.is_some_and(char::is_alphanumeric)
                    && ENDINGS.contains(&ending.as_str())
                    && !goes_on_otherwise(name, &form, after)
            })
        })
    }
}

/// Whether a short form is the beginning of another's full name: "Kim" in "Kim Jong Il" is not
/// Kim Jong Un. Where the full name stood right, the full form was found.
fn goes_on_otherwise(name: &Name, form: &str, after: &str) -> bool {
    name.english
        .iter()
        .filter_map(|full| full.strip_prefix(form)?.strip_prefix(' ')?.split(' ').next())
        .any(|next| after.strip_prefix(' ').is_some_and(|after| after.starts_with(next)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn english(source: &str, language: Language) -> Vec<&'static str> {
        known(source, language).into_iter().map(|(n, _)| n.english[0].as_str()).collect()
    }

    #[test]
    fn names_are_found_in_every_source_language() {
        assert_eq!(
            english("俄羅斯總統普京13日會晤金正恩", Language::ChineseTraditional),
            ["Russia", "Putin", "Kim Jong Un"]
        );
        assert_eq!(
            english("泽连斯基访问柏林", Language::ChineseSimplified),
            ["Zelensky", "Berlin"]
        );
        assert_eq!(english("পুতিন মস্কো থেকে ফিরেছেন", Language::Bengali), ["Putin", "Moscow"]);
        assert_eq!(english("Chinas Präsident in Peking", Language::German), ["China", "Beijing"]);
    }

    #[test]
    fn german_names_are_whole_words() {
        assert!(english("Der Wiener Kongress und die Krimis", Language::German).is_empty());
    }

    #[test]
    fn any_english_form_counts() {
        let (name, _) = known("泽连斯基", Language::ChineseSimplified)[0];
        for target in ["Zelenskyy said", "President Zelensky's office"] {
            assert!(Target::new(target).has(name), "{target}");
        }
        assert!(!Target::new("The president said").has(name));
    }

    #[test]
    fn a_namesake_is_another_person() {
        let (name, _) = known("金正恩", Language::ChineseSimplified)[0];
        for target in ["Kim Jong Un said", "Kim Jong-un's visit", "Kim said"] {
            assert!(Target::new(target).has(name), "{target}");
        }
        assert!(!Target::new("Kim Jong Il said").has(name));
        let zh = Language::ChineseSimplified;
        let namesakes: Vec<_> = invented("金正恩13日到访", "Kim Jong Il arrived on the 13th", zh);
        assert_eq!(namesakes[0].english[0], "Kim Jong Il");
    }

    #[test]
    fn every_line_of_the_list_is_whole() {
        assert!(NAMES.len() > 90);
        for name in NAMES.iter() {
            assert!(!name.english.is_empty() && !name.chinese.is_empty(), "{name:?}");
            assert!(!name.bengali.is_empty() && !name.german.is_empty(), "{name:?}");
        }
    }
}
