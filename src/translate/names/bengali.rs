//! Names in Bengali, which has no capitals: found by lists of their forms, and in translations by
//! their sound.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::sounds::{distance, of_bengali, of_english};

/// Words that a listed name has, at most.
const WORDS: usize = 6;
/// What a word of the translation may be apart from any of the source, and yet be its transcription
/// (`tests/guards.rs`).
const APART: f32 = 0.38;
/// The same for words of one or two consonants.
const APART_SHORT: f32 = 0.45;
/// What a word of the translation may be apart from a listed English form, and yet be the same name.
const RESPELT: f32 = 0.2;

/// A name of a list, where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed<'s> {
    /// Byte offset in the source.
    pub at: usize,
    /// As the source has it, without its ending.
    pub form: &'s str,
    /// English forms; the first is the one to write.
    pub english: &'static [&'static str],
    /// Whether it was written by hand; else it was found in translated sentences.
    pub sure: bool,
}

struct Entry {
    english: Vec<&'static str>,
    sure: bool,
}

/// Forms without endings.
static FORMS: LazyLock<HashMap<&str, Entry>> = LazyLock::new(|| {
    let mut forms: HashMap<&str, Entry> = HashMap::new();
    for line in include_str!("../../../prompts/names.bengali.tsv").lines() {
        if let Some((english, bengali)) = line.split_once('\t') {
            let english: Vec<&str> = english.split('|').collect();
            for form in bengali.split('|') {
                let entry = Entry { english: english.clone(), sure: true };
                forms.entry(form).or_insert(entry);
            }
        }
    }
    for line in include_str!("../../../models/bengali/names.tsv").lines() {
        if let Some((form, english)) = line.split_once('\t') {
            let entry = || Entry { english: vec![english], sure: false };
            forms.entry(form).or_insert_with(entry);
        }
    }
    forms
});

/// English words that are no names, though they may have capitals, as in titles.
static ORDINARY: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("../../../prompts/ordinary.txt").lines().collect());

/// The listed names in NFC text, in order; of those that overlap, the longest.
pub fn listed(source: &str) -> Vec<Listed<'_>> {
    let words: Vec<(usize, &str)> = words(source).collect();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((at, _)) = words.get(from) {
        let longest = (1..=WORDS).rev().find_map(|count| {
            let (last, word) = words.get(from + count - 1)?;
            let whole = source.get(*at..last + word.len())?;
            let form = without_endings(whole).find(|form| FORMS.contains_key(form))?;
            let Entry { english, sure } = FORMS.get(form)?;
            Some((count, Listed { at: *at, form, english, sure: *sure }))
        });
        if let Some((_, name)) = longest {
            found.push(name);
        }
        from += longest.map_or(1, |(count, _)| count);
    }
    found
}

/// Those of the names of a source that a list surely has, and of which `target` has no English form.
pub fn untold<'s>(mut listed: Vec<Listed<'s>>, target: &str) -> Vec<Listed<'s>> {
    // U.S. is US.
    let plain = target.replace('.', "");
    let split = |text: &str| -> HashSet<String> {
        text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
    };
    let words: HashSet<String> = &split(target) | &split(&plain);
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let sounds: Vec<Vec<u8>> = lower.iter().map(|word| of_english(word)).collect();
    let tells = |part: &str| {
        if part.chars().count() < 3 {
            return words.contains(part);
        }
        let own = of_english(part);
        let part = part.to_lowercase();
        let alike = |s: &Vec<u8>| !s.is_empty() && distance(s, &own) <= RESPELT;
        lower.iter().any(|word| *word == part || part.len() > 3 && is_form(word, &part))
            || own.len() > 1 && sounds.iter().any(alike)
    };
    listed.retain(|name| name.sure);
    listed.retain(|name| {
        !name.english.iter().any(|english| {
            let english = english.replace('.', "");
            let mut parts = english.split(|c: char| !c.is_alphanumeric());
            // What is written small can be worded otherwise: of, the, von.
            parts.all(|part| !part.starts_with(char::is_uppercase) || tells(part))
        })
    });
    listed
}

/// Names of `target`, a translation of `source` (in NFC), that nothing in it sounds like, and that
/// `told` hasn't, the English names that the source is known to have.
pub fn unfounded<'t>(source: &str, target: &'t str, told: &[&str]) -> Vec<&'t str> {
    let named = capitals(target);
    if named.is_empty() {
        return Vec::new();
    }
    let told: Vec<String> = told
        .iter()
        .flat_map(|english| english.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .filter(|word| word.len() > 1)
        .collect();
    let words: Vec<&str> = words(source).map(|(_, word)| word).collect();
    let mut sounds: Vec<Vec<u8>> =
        words.iter().flat_map(|word| without_endings(word)).map(of_bengali).collect();
    // English may write one word where Bengali writes two.
    sounds.extend(words.windows(2).map(|pair| of_bengali(&pair.concat())));
    let latin = source.to_lowercase();
    named
        .into_iter()
        .filter(|name| {
            let lower = name.to_lowercase();
            let own = of_english(name);
            !(is_ordinary(&lower)
                || own.is_empty()
                || latin.contains(&lower)
                || told.iter().any(|word| is_form(&lower, word))
                || sounds.iter().any(|s| !s.is_empty() && distance(s, &own) <= apart(&own)))
        })
        .collect()
}

/// What a name may be apart from its transcription; a short one is by one sound more.
fn apart(sounds: &[u8]) -> f32 {
    if sounds.len() > 2 { APART } else { APART_SHORT }
}

/// Whether a word is no name, or the plural of one that isn't.
fn is_ordinary(lower: &str) -> bool {
    let singular = |ending| lower.strip_suffix(ending).is_some_and(|word| ORDINARY.contains(word));
    let ordinary = |word: &str| ORDINARY.contains(word);
    ordinary(lower) || ordinary(&lower.replace("iz", "is")) || singular("s") || singular("es")
}

/// Whether an English word is `word`, or made of it: Ukrainian of Ukraine.
fn is_form(name: &str, word: &str) -> bool {
    let same = name.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
    same >= word.chars().count().min(4)
}

/// Words with a capital inside a sentence; not those in capitals throughout.
fn capitals(english: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    // What comes next begins a sentence, or a quotation.
    let mut begins = true;
    for word in english.split_inclusive([' ', '-', '—', '–', '/']) {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let abbreviated = bare.chars().count() <= 3;
        let (bare, _) = bare.split_once(['\'', '’']).unwrap_or((bare, ""));
        let quoted = word.starts_with(['"', '“', '‘', '\'']);
        let mut letters = bare.chars();
        if !begins
            && !quoted
            && letters.next().is_some_and(char::is_uppercase)
            && bare.chars().count() > 2
            && bare.chars().all(char::is_alphabetic)
            && letters.any(char::is_lowercase)
            && !found.contains(&bare)
        {
            found.push(bare);
        }
        if !bare.is_empty() {
            let ending = word.trim_end().trim_end_matches(['"', '”', '’', '\'', ')']);
            begins = ending.ends_with(['.', '!', '?', ':']) && !abbreviated;
        }
    }
    found
}

/// Runs of Bengali letters and signs, without digits and stops, with their byte offsets.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let letter = |c: char| matches!(c, '\u{980}'..='\u{9E5}' | '\u{9F0}'..='\u{9F1}');
    let mut from = 0;
    text.split(move |c| !letter(c)).filter_map(move |word| {
        let at = from;
        // Behind the word stands what it was split at.
        from = at + word.len();
        from += text.get(from..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((at, word))
    })
}

/// A Bengali word, and what it may be without its ending (as in models/bengali/names.py).
fn without_endings(word: &str) -> impl Iterator<Item = &str> {
    /// Of case and number, and articles; the longest first.
    const ENDINGS: [&str; 20] = [
        "গুলোর",
        "গুলির",
        "গুলোতে",
        "গুলোকে",
        "গুলো",
        "গুলি",
        "দেরকে",
        "দের",
        "টিকে",
        "টির",
        "টি",
        "েরা",
        "ের",
        "কে",
        "তে",
        "রা",
        "য\u{9BC}ের",
        "য\u{9BC}",
        "র",
        "ে",
    ];
    let length = word.chars().count();
    let bare = ENDINGS.into_iter().filter_map(move |ending| {
        word.strip_suffix(ending).filter(|_| length > ending.chars().count() + 2)
    });
    std::iter::once(word).chain(bare)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn names(source: &str) -> Vec<String> {
        let source: String = source.nfc().collect();
        let found = listed(&source);
        assert!(found.iter().all(|name| source[name.at..].starts_with(name.form)));
        found.iter().map(|name| format!("{} = {}", name.form, name.english[0])).collect()
    }

    #[test]
    fn forms_of_several_words_are_found_with_their_endings_and_not_their_parts() {
        let found = names("হোয়াইট হাউসের মুখপাত্র রেড ক্রসকে ধন্যবাদ দিয়েছেন");
        let expected = ["হোয়াইট হাউস = White House", "রেড ক্রস = Red Cross"];
        assert_eq!(found, expected.map(|name| name.nfc().collect::<String>()));
    }

    #[test]
    fn what_stands_in_capitals_inside_a_sentence_is_a_name() {
        let named = capitals(
            "Officials said Andrei Dmitriev of the U.S. met O’Neill. Later he went: \"No,\" said UN \
             envoy Smith-Jones in Kyiv's centre.",
        );
        assert_eq!(named, ["Andrei", "Dmitriev", "Smith", "Jones", "Kyiv"]);
    }

    #[test]
    fn a_name_without_anything_like_it_in_the_source_is_unfounded() {
        let source: String = "বিশ্লেষক আন্দ্রেই পেত্রভ জার্মানিতে বলেছেন, বৈঠক হবে।".nfc().collect();
        let found = |target| unfounded(&source, target, &[]);
        assert!(
            found("The analyst Andrei Petrov said in Germany that a meeting is due.").is_empty()
        );
        assert_eq!(
            found("The analyst Boris Kuznetsov said in Germany that a meeting is due."),
            ["Boris", "Kuznetsov"]
        );
        assert_eq!(unfounded(&source, "He spoke of Moldova there.", &["Moldova"]), [""; 0]);
    }

    #[test]
    fn every_line_of_the_list_is_whole() {
        let mut seen = HashSet::new();
        for line in include_str!("../../../prompts/names.bengali.tsv").lines() {
            let (english, bengali) = line.split_once('\t').unwrap();
            let sound = |form: &str| {
                form.trim() == form
                    && form.chars().count() > 1
                    && !form.contains(|c: char| matches!(c, '\u{980}'..='\u{9FF}'))
            };
            assert!(english.split('|').all(sound), "{line}");
            for form in bengali.split('|') {
                assert!(form.nfc().eq(form.chars()), "not composed: {line}");
                assert!(form.split([' ', '-']).count() <= WORDS, "{line}");
                assert!(seen.insert(form), "twice: {form}");
                assert!(
                    form.chars().all(
                        |c| matches!(c, ' ' | '-' | '\u{980}'..='\u{9E5}' | '\u{9F0}'..='\u{9F1}')
                    ),
                    "{line}"
                );
            }
        }
    }
}
