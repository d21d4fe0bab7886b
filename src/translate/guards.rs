//! Checks on each translated segment. They know nothing of the model: source text in, target text
//! in, faults out. Levels are calibrated on FLORES reference translations (`tests/guards.rs`).

use super::{Flag, FlagKind, names};
use crate::{
    Language, calendar,
    trace::facts::{self, Number, Tongue},
};

/// What is wrong with `target` as a translation of `source`; empty if nothing is.
/// `hit_limit` says that generation ended at the token limit instead of a stop token.
#[must_use]
pub fn check(source: &str, target: &str, language: Language, hit_limit: bool) -> Vec<Flag> {
    let flag = |kind, detail: String| Flag { kind, detail };
    if !target.chars().any(char::is_alphanumeric) {
        return vec![flag(FlagKind::Empty, "nothing was written".into())];
    }
    let mut flags = Vec::new();
    if let Some(what) = not_english(target) {
        flags.push(flag(FlagKind::NotEnglish, what));
    }
    if language == Language::German && is_copy(source, target) {
        flags.push(flag(FlagKind::Untranslated, "the source was copied".into()));
    }
    if hit_limit || repeats(target) {
        flags.push(flag(FlagKind::Runaway, "the text repeats itself or was cut off".into()));
    }
    if let Some(phrase) = comment(source, target) {
        flags.push(flag(
            FlagKind::Refused,
            format!("it comments (\"{phrase}\") instead of translating"),
        ));
    }
    flags.extend(length(source, target, language));
    flags.extend(number_flags(source, target, language.into()));
    flags.extend(date_flags(source, target, language.into()));
    flags.extend(negation(source, target, language.into()));
    let written = names::Target::new(target);
    flags.extend(
        names::known(source, language)
            .into_iter()
            .filter(|(name, _)| !written.has(name))
            .filter_map(|(name, form)| {
                let english = name.english.first()?;
                Some(flag(FlagKind::Name, format!("{form} ({english}) is in the source only")))
            }),
    );
    if language == Language::Bengali {
        let (missing, unfounded) = names::mistold(source, target);
        let missing = missing
            .iter()
            .map(|(form, english)| format!("{form} ({english}) is in the source only"));
        let unfounded =
            unfounded.iter().map(|name| format!("nothing in the source sounds like {name}"));
        flags.extend(missing.chain(unfounded).map(|detail| flag(FlagKind::Name, detail)));
    }
    flags.extend(
        misspelt(source, target)
            .into_iter()
            .map(|(is, should)| flag(FlagKind::Name, format!("{should} is spelt {is}"))),
    );
    flags.extend(
        names::invented(source, target, language)
            .into_iter()
            .filter_map(|name| name.english.first())
            .map(|english| flag(FlagKind::Name, format!("{english} is not in the source"))),
    );
    flags
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Words that the source writes in capitals, as date lines do, and the target a letter or two
/// otherwise: what the target writes, and what the source does.
fn misspelt<'t>(source: &'t str, target: &'t str) -> Vec<(&'t str, &'t str)> {
    let shouted = |text: &'t str| -> Vec<&'t str> {
        text.split(|c: char| !c.is_alphabetic())
            .filter(|w| w.chars().count() >= 5 && w.chars().all(char::is_uppercase))
            .collect()
    };
    let (sources, targets) = (shouted(source), shouted(target));
    targets
        .iter()
        .filter(|word| !sources.contains(word))
        .filter_map(|word| {
            let near = sources.iter().filter(|s| !targets.contains(s));
            near.map(|s| (strsim::damerau_levenshtein(word, s), *s))
                .filter(|(distance, _)| *distance <= 2)
                .min()
                .map(|(_, source)| (*word, source))
        })
        .collect()
}

/// Letters of another script, or German instead of English.
fn not_english(target: &str) -> Option<String> {
    let foreign = target
        .chars()
        .find(|c| c.is_alphabetic() && matches!(u32::from(*c), 0x370..=0x1DFF | 0x2C00..=0xFFFC));
    if target.contains(char::REPLACEMENT_CHARACTER) {
        return Some("it has half a character".into());
    }
    if let Some(c) = foreign {
        return Some(format!("it has letters of another script ({c})"));
    }
    const GERMAN: &[&str] = &[
        "der", "die", "das", "und", "ist", "nicht", "mit", "für", "auf", "eine", "einen", "dem",
        "den", "von", "zu", "im", "sich", "wurde", "werden", "auch", "nach", "bei", "dass", "sind",
    ];
    const ENGLISH: &[&str] = &[
        "the", "of", "and", "to", "in", "is", "was", "for", "that", "with", "on", "by", "are",
        "as", "at", "has", "have", "it", "from", "be", "were", "a", "an",
    ];
    let words = words(target);
    let count = |list: &[&str]| words.iter().filter(|w| list.contains(&w.as_str())).count();
    (words.len() >= 6 && count(GERMAN) > count(ENGLISH) && count(GERMAN) >= 2)
        .then(|| "it reads as German".to_owned())
}

/// Whether most of a German source's words stand unchanged in the target.
fn is_copy(source: &str, target: &str) -> bool {
    let (source, target) = (words(source), words(target));
    let lower: Vec<&String> = source.iter().filter(|w| w.chars().count() > 3).collect();
    let same = lower.iter().filter(|w| target.contains(w)).count();
    lower.len() >= 4 && same * 10 >= lower.len() * 8
}

/// Whether a stretch of words comes three times in a row, or half the text twice.
fn repeats(target: &str) -> bool {
    let words = words(target);
    let run = |n: usize, times: usize| {
        words.windows(n * times).any(|w| {
            let (head, tail) = w.split_at(n);
            tail.chunks(n).all(|chunk| chunk == head)
        })
    };
    (2..=8).any(|n| run(n, 3)) || (6..=20).any(|n| run(n, 2)) || run(1, 4)
}

/// Phrases with which models talk about the task. One that the source could account for is none.
fn comment(source: &str, target: &str) -> Option<&'static str> {
    const PHRASES: &[&str] = &[
        "i'm sorry",
        "i am sorry",
        "as an ai",
        "i cannot translate",
        "i can't translate",
        "here is the translation",
        "here's the translation",
        "translation:",
        "english translation",
        "the translated text",
        "the english translation",
        "sure,",
        "sure!",
        "note:",
        "(note",
        "please provide",
        "in english:",
        "translated into english",
        "keep all numbers",
        "(names",
        "names:",
    ];
    let lower = target.to_lowercase().replace('’', "'");
    let source = source.to_lowercase();
    PHRASES
        .iter()
        .find(|p| {
            let begins = matches!(**p, "sure," | "sure!" | "translation:" | "note:");
            if begins { lower.starts_with(*p) } else { lower.contains(*p) }
        })
        .filter(|p| !source.contains(p.trim_end_matches([':', ',', '!'])))
        .copied()
}

/// English letters per source letter, in the extremes that good translations reach.
fn length(source: &str, target: &str, language: Language) -> Option<Flag> {
    let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count() as f32;
    let (from, to) = (letters(source), letters(target));
    let (least, most) = match language {
        Language::German => (0.45, 1.7),
        Language::ChineseTraditional | Language::ChineseSimplified => (1.1, 6.5),
        Language::Bengali => (0.45, 2.1),
    };
    // Short texts vary more: a heading of three characters may need six words.
    let slack = if language.is_chinese() { 30.0 } else { 20.0 };
    let kind = if to > from * most + slack {
        FlagKind::TooLong
    } else if to + slack * 0.5 < from * least {
        FlagKind::TooShort
    } else {
        return None;
    };
    Some(Flag { kind, detail: format!("{to:.0} letters for {from:.0} in the source") })
}

fn same_value(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

/// Whether `number` is among `others`, as it is or in another usual way of writing it.
fn accounted(number: &Number, others: &[Number], other_text: &str, afternoon: bool) -> bool {
    let v = number.value;
    let has = |value: f64| others.iter().any(|o| same_value(o.value, value));
    has(v)
        // 14.30 Uhr is 2:30 p.m.; half is 50 percent.
        || (afternoon && ((v > 12.0 && has(v - 12.0)) || (v < 12.0 && has(v + 12.0))))
        || (same_value(v, 50.0) && has(0.5))
        || (same_value(v, 100.0) && other_text.to_lowercase().contains("hundred"))
        // "the 1990s" for 上世纪90年代 and the like.
        || ((1900.0..2100.0).contains(&v) && has(v % 100.0))
        || (v < 100.0 && number.hard && others.iter().any(|o| o.value > 1900.0 && o.value < 2100.0 && same_value(o.value % 100.0, v)))
}

fn number_flags(source: &str, target: &str, tongue: Tongue) -> Vec<Flag> {
    let from = facts::numbers(source, tongue);
    let to = facts::numbers(target, Tongue::English);
    let lower = target.to_lowercase();
    let afternoon = lower.contains("p.m") || lower.contains(" pm");
    let missing =
        from.iter().filter(|n| n.hard && !accounted(n, &to, target, afternoon)).map(|n| Flag {
            kind: FlagKind::NumberMissing,
            detail: format!("{} is in the source only", n.text.trim()),
        });
    let added =
        to.iter().filter(|n| n.hard && !accounted(n, &from, source, afternoon)).map(|n| Flag {
            kind: FlagKind::NumberAdded,
            detail: format!("{} is not in the source", n.text.trim()),
        });
    added.chain(missing).collect()
}

fn date_flags(source: &str, target: &str, tongue: Tongue) -> Vec<Flag> {
    let mut flags = Vec::new();
    let mut compare = |names: &[&str], from: Vec<u32>, to: Vec<u32>| {
        let name = |n: u32| names.get(n as usize - 1).copied().unwrap_or("?");
        for n in to.iter().filter(|n| !from.contains(n)) {
            flags.push(Flag {
                kind: FlagKind::Date,
                detail: format!("{} is not in the source", name(*n)),
            });
        }
        for n in from.iter().filter(|n| !to.contains(n)) {
            flags.push(Flag {
                kind: FlagKind::Date,
                detail: format!("{} is in the source only", name(*n)),
            });
        }
    };
    compare(
        &calendar::MONTHS,
        facts::months(source, tongue),
        facts::months(target, Tongue::English),
    );
    compare(
        &calendar::WEEKDAYS,
        facts::weekdays(source, tongue),
        facts::weekdays(target, Tongue::English),
    );
    flags
}

fn negation(source: &str, target: &str, tongue: Tongue) -> Option<Flag> {
    let (from, to) = (facts::negates(source, tongue), facts::negates(target, Tongue::English));
    let detail = if from && !to && !facts::may_negate(target) {
        "the source denies something, the translation doesn't"
    } else if to && !from && !facts::may_negate_source(source, tongue) {
        "the translation denies something, the source doesn't"
    } else {
        return None;
    };
    Some(Flag { kind: FlagKind::Negation, detail: detail.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str, target: &str, language: Language) -> Vec<FlagKind> {
        check(source, target, language, false).into_iter().map(|f| f.kind).collect()
    }

    #[test]
    fn a_date_line_s_name_must_be_spelt_as_in_the_source() {
        let details = |target: &str| -> Vec<String> {
            let flags = check("ALTENFELD. Die Brücke bleibt zu.", target, Language::German, false);
            flags.into_iter().map(|f| f.detail).collect()
        };
        assert_eq!(
            details("ALTEFELD. The bridge remains closed."),
            ["ALTENFELD is spelt ALTEFELD"]
        );
        assert!(details("ALTENFELD. The bridge remains closed.").is_empty());
        assert!(details("Altenfeld: the bridge remains closed.").is_empty());
    }

    #[test]
    fn a_prompt_s_own_words_in_the_output_are_flagged() {
        let leaked = "Putin met Kim Jong Un. (Names: 普京 = Putin; 金正恩 = Kim Jong Un)";
        let found = kinds(
            "普京會晤金正恩。",
            &leaked.replace(['普', '京', '金', '正', '恩'], ""),
            Language::ChineseTraditional,
        );
        assert!(found.contains(&FlagKind::Refused), "{found:?}");
    }

    #[test]
    fn good_translations_are_not_flagged() {
        use Language::{Bengali, ChineseTraditional, German};
        for (source, target, language) in [
            (
                "Am 13. September starben etwa 2.000 Soldaten.",
                "About 2,000 soldiers died on September 13.",
                German,
            ),
            (
                "Das Ministerium bestätigte dies nicht.",
                "The ministry did not confirm this.",
                German,
            ),
            ("Um 14.30 Uhr begann die Sitzung.", "The session began at 2:30 p.m.", German),
            (
                "Nicht nur Experten warnen davor.",
                "Experts are not alone in warning of this.",
                German,
            ),
            (
                "俄羅斯總統普京與金正恩13日會晤。",
                "Russian President Putin and Kim Jong Un met on the 13th.",
                ChineseTraditional,
            ),
            (
                "至少24人受傷,約650萬戶斷電。",
                "At least 24 people were injured and about 6.5 million homes lost power.",
                ChineseTraditional,
            ),
            ("前言", "Introduction", ChineseTraditional),
            ("এটি ২ কোটি টাকার প্রকল্প।", "It is a project worth 20 million taka.", Bengali),
            ("বৈঠক প্রায় আড়াই ঘণ্টা চলে।", "The meeting lasted about two and a half hours.", Bengali),
        ] {
            assert_eq!(kinds(source, target, language), [], "{source} → {target}");
        }
    }

    #[test]
    fn each_fault_is_found() {
        use FlagKind::*;
        use Language::{ChineseSimplified, ChineseTraditional, German};
        for (source, target, language, kind) in [
            ("普京13日抵達。", "Putin arrived on March 13.", ChineseTraditional, Date),
            ("Etwa 2.000 Soldaten starben.", "About 200 soldiers died.", German, NumberAdded),
            ("Etwa 2.000 Soldaten starben.", "Many soldiers died.", German, NumberMissing),
            (
                "Die Regierung hat dem nicht zugestimmt.",
                "The government has agreed to it.",
                German,
                Negation,
            ),
            ("他没有出席会议。", "He attended the meeting.", ChineseSimplified, Negation),
            ("普京會見了記者。", "The president met reporters.", ChineseTraditional, Name),
            (
                "Die Regierung tagt heute in Berlin wieder.",
                "Die Regierung tagt heute in Berlin wieder.",
                German,
                Untranslated,
            ),
            (
                "Das Wetter wird morgen schön.",
                "The weather will be fine, will be fine, will be fine.",
                German,
                Runaway,
            ),
            ("Das Wetter wird schön.", "I'm sorry, but I can't help with that.", German, Refused),
            ("Das Wetter.", "", German, Empty),
            ("Am Montag tagt der Rat.", "The council meets on Tuesday.", German, Date),
            ("会谈结果尚未公布。", "会谈结果尚未公布。", ChineseSimplified, NotEnglish),
        ] {
            let found = kinds(source, target, language);
            assert!(found.contains(&kind), "{source} → {target}: {found:?}");
        }
    }

    #[test]
    fn generation_that_ran_into_its_limit_is_flagged() {
        let flags = check("Guten Tag.", "Good day.", Language::German, true);
        assert_eq!(flags.first().map(|f| f.kind), Some(FlagKind::Runaway));
    }
}
