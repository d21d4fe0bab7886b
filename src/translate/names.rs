//! Names that news uses often, and how English writes them.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::Language;

/// One name in the source languages and in English.
#[derive(Debug)]
pub struct Name {
    /// English forms; the first is the one to write.
    pub english: Vec<String>,
    chinese: Vec<String>,
    bengali: Vec<String>,
    german: Vec<String>,
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
            Name { english: next(), chinese: next(), bengali: next(), german: next() }
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
    found.into_iter().map(|(_, name, form)| (name, form)).collect()
}

/// Where `form` stands in `source`; in German only as a word of its own, with its endings.
fn position(source: &str, form: &str, language: Language) -> Option<usize> {
    if language != Language::German {
        return source.find(form);
    }
    source.match_indices(form).map(|(at, _)| at).find(|at| {
        let before = source.get(..*at).and_then(|s| s.chars().next_back());
        let after = source.get(at + form.len()..).unwrap_or("");
        let ending: String = after.chars().take_while(|c| c.is_alphanumeric()).collect();
        !before.is_some_and(char::is_alphanumeric) && matches!(ending.as_str(), "" | "s" | "n")
    })
}

/// Whether `target` has one of the name's English forms.
#[must_use]
pub fn is_written(name: &Name, target: &str) -> bool {
    let target = target.to_lowercase();
    name.english.iter().any(|form| {
        // Adjectives and genitives count: "Russian", "Putin's"; so do hyphens for spaces.
        let form = form.to_lowercase();
        target.contains(&form) || target.replace('-', " ").contains(&form)
    })
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
            assert!(is_written(name, target), "{target}");
        }
        assert!(!is_written(name, "The president said"));
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
