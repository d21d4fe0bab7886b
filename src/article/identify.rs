//! Language and script of an article and of each block.

use std::sync::LazyLock;

use lingua::{LanguageDetector, LanguageDetectorBuilder};

use super::{Block, BlockKind, Options, Source};
use crate::{
    Language,
    error::{Error, Result},
    language::is_han,
};

/// Characters of an article that are looked at; more don't change the answer.
const SAMPLE_CHARS: usize = 20_000;
/// Letters from which a block's language can be told from its own text.
const BLOCK_LETTERS: usize = 40;

static DETECTOR: LazyLock<LanguageDetector> =
    LazyLock::new(|| LanguageDetectorBuilder::from_all_languages().build());

/// What a text is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Identified {
    Source(Language),
    /// Another language, by its English name.
    Other(String),
    /// Too little text to tell.
    Unknown,
}

/// The article's language; blocks in another language are marked, and dropped where the
/// article's model couldn't translate them.
///
/// # Errors
/// [`Error::Article`] if the kept text is not German, Chinese or Bengali.
pub fn article_language(
    source: &Source,
    mut blocks: Vec<Block>,
    options: &Options,
) -> Result<(Language, Vec<Block>)> {
    let mut sample = String::new();
    for block in blocks.iter().filter(|b| b.kept && b.kind != BlockKind::Metadata) {
        if sample.len() > 4 * SAMPLE_CHARS {
            break;
        }
        sample.push_str(&source.text_at(block.span));
        sample.push('\n');
    }
    let sample: String = sample.chars().take(SAMPLE_CHARS).collect();
    let language = match options.from.as_deref() {
        Some(from) => chosen(from, &sample),
        None => match identify(&sample) {
            Identified::Source(language) => language,
            Identified::Other(name) => return Err(refusal(source, &name)),
            Identified::Unknown => return Err(refusal(source, "an unknown language")),
        },
    };
    for block in blocks.iter_mut().filter(|b| b.kept && b.kind != BlockKind::Metadata) {
        let text = source.text_at(block.span);
        if text.chars().filter(|c| c.is_alphabetic()).count() < BLOCK_LETTERS {
            continue;
        }
        let other = match identify(&text) {
            Identified::Source(found) if found.family() == language.family() => continue,
            Identified::Source(found) => found.tag().to_owned(),
            Identified::Other(name) => name,
            Identified::Unknown => continue,
        };
        // Two languages with the same letters are easily mistaken in a short block.
        if shares_script(language, &text) && text.chars().count() < 120 {
            continue;
        }
        block.reason = format!("in another language ({other})");
        block.kind = BlockKind::Boilerplate;
        block.kept = false;
        block.language = Some(other);
    }
    Ok((language, blocks))
}

/// The language that `--from` names: `de`, `bn`, or `zh` in the script of the text.
#[must_use]
pub fn chosen(from: &str, text: &str) -> Language {
    match from {
        "de" => Language::German,
        "bn" => Language::Bengali,
        "zh-Hant" => Language::ChineseTraditional,
        "zh-Hans" => Language::ChineseSimplified,
        _ => chinese_script(text),
    }
}

/// The language of a text by itself: `de`, `zh-Hant`, `zh-Hans` or `bn`, or the English name of
/// another one.
///
/// # Errors
/// The name of a language that `brief` doesn't read, or `None` if there is too little text.
pub fn language_of(text: &str) -> std::result::Result<Language, Option<String>> {
    match identify(text) {
        Identified::Source(language) => Ok(language),
        Identified::Other(name) => Err(Some(name)),
        Identified::Unknown => Err(None),
    }
}

fn refusal(source: &Source, found: &str) -> Error {
    Error::Article {
        path: source.path.clone(),
        reason: format!("the article is in {found}; brief reads German, Chinese and Bengali"),
        hint: "if that is wrong, name the language with --from de, --from zh or --from bn",
    }
}

fn identify(text: &str) -> Identified {
    let count = Scripts::of(text);
    if count.letters == 0 {
        return Identified::Unknown;
    }
    // Kana and Hangul decide before Han does: Japanese is full of Chinese characters. (A title or
    // a name in kana makes no Chinese article Japanese.)
    if count.kana * 5 > count.han + count.kana && count.kana > 1 {
        return Identified::Other("Japanese".into());
    }
    if count.hangul * 3 > count.letters {
        return Identified::Other("Korean".into());
    }
    // A Chinese character is a word; Latin names beside it have many letters.
    if count.han * 4 > count.letters - count.han && count.han >= 2 {
        return Identified::Source(chinese_script(text));
    }
    // Letters of Bengali's script that only Assamese has.
    let assamese = text.chars().filter(|c| matches!(c, 'ৰ' | 'ৱ')).count();
    if assamese >= 2 && assamese * 30 > count.letters {
        return Identified::Other("Assamese".into());
    }
    match (DETECTOR.detect_language_of(text), Germanness::of(text)) {
        // Names decide too much in short texts: function words must agree.
        (Some(lingua::Language::German), Germanness::No) => Identified::Other("English".into()),
        (Some(lingua::Language::German), Germanness::Unlikely) => Identified::Unknown,
        (Some(lingua::Language::German), _) => Identified::Source(Language::German),
        (Some(lingua::Language::Dutch | lingua::Language::Danish), Germanness::Yes) => {
            Identified::Source(Language::German)
        }
        (Some(lingua::Language::Bengali), _) => Identified::Source(Language::Bengali),
        (Some(lingua::Language::Chinese), _) => Identified::Source(chinese_script(text)),
        (Some(other), _) => Identified::Other(other.to_string()),
        (None, _) => Identified::Unknown,
    }
}

/// What function words say of a text in Latin letters.
enum Germanness {
    Yes,
    Maybe,
    /// Too few German function words for so many words.
    Unlikely,
    /// More English ones.
    No,
}

impl Germanness {
    fn of(text: &str) -> Self {
        const GERMAN: &[&str] = &[
            "der", "die", "das", "den", "dem", "des", "und", "ist", "nicht", "von", "mit", "auf",
            "ein", "eine", "einen", "einem", "einer", "im", "zu", "für", "fuer", "sich", "bei",
            "nach", "wird", "werden", "wurde", "hat", "haben", "aus", "an", "als", "zum", "zur",
            "am", "vom", "es", "er", "sie", "war", "sind", "oder", "auch", "über", "ueber", "dass",
            "noch", "nur", "gegen", "kein", "keine", "wie", "so", "vor", "durch", "um",
        ];
        const ENGLISH: &[&str] = &[
            "the", "of", "and", "to", "with", "is", "that", "by", "for", "on", "it", "from", "are",
        ];
        let (mut german, mut english, mut words) = (0, 0, 0);
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|w| !w.is_empty()).take(500) {
            let word = word.to_lowercase();
            words += 1;
            german += usize::from(GERMAN.contains(&word.as_str()));
            english += usize::from(ENGLISH.contains(&word.as_str()));
        }
        match words {
            _ if english > german => Self::No,
            0..8 => Self::Maybe,
            _ if german * 7 >= words => Self::Yes,
            _ if german * 12 < words => Self::Unlikely,
            _ => Self::Maybe,
        }
    }
}

#[derive(Default)]
struct Scripts {
    letters: usize,
    han: usize,
    kana: usize,
    hangul: usize,
}

impl Scripts {
    fn of(text: &str) -> Self {
        let mut count = Self::default();
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            count.letters += 1;
            match u32::from(c) {
                _ if is_han(c) => count.han += 1,
                0x3041..=0x30FA | 0x30FD..=0x30FF | 0xFF66..=0xFF9F => count.kana += 1,
                0xAC00..=0xD7A3 => count.hangul += 1,
                _ => {}
            }
        }
        count
    }
}

fn shares_script(language: Language, text: &str) -> bool {
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    (language == Language::German) == (latin * 2 > text.chars().count())
}

/// Traditional or simplified, by the characters that only one of the two has (OpenCC's tables).
fn chinese_script(text: &str) -> Language {
    let sample: String = text.chars().take(2_000).collect();
    let changed = |config| {
        ferrous_opencc::OpenCC::from_config(config).ok().map_or(0, |converter| {
            let converted = converter.convert(&sample);
            sample.chars().zip(converted.chars()).filter(|(a, b)| a != b).count()
        })
    };
    use ferrous_opencc::config::BuiltinConfig;
    // Changed by conversion to simplified: was traditional; and the other way round.
    if changed(BuiltinConfig::T2s) > changed(BuiltinConfig::S2t) {
        Language::ChineseTraditional
    } else {
        Language::ChineseSimplified
    }
}
