//! Scores a claim against the sentences that it cites, and ranks sentences for extraction. No model:
//! words, numbers, dates, names and negations.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Sign, SignKind, Verdict, cite,
    facts::{self, Tongue},
    signs::{self, Text},
};
use crate::translate::names;

/// Coverage below which a claim isn't what its citations say.
const LEAST_COVERAGE: f32 = 0.35;
/// Coverage from which a claim is what its citations say.
const FULL_COVERAGE: f32 = 0.7;

/// One sentence that a claim may cite.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Its English translation.
    pub target: &'a str,
    /// The source sentence(s) it translates.
    pub source: &'a str,
    /// Whether a guard flagged the translation.
    pub flagged: bool,
}

/// What a claim's citations are known to be worth, apart from what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trust {
    /// The translation is good or fair.
    #[default]
    Sound,
    /// The translation gives the gist only.
    Gist,
}

impl Trust {
    /// By a translation's quality word.
    #[must_use]
    pub fn in_quality(word: &str) -> Self {
        if ["good", "fair"].contains(&word) { Trust::Sound } else { Trust::Gist }
    }
}

/// Compares `claim` with the sentences that it cites, by every rule. No signs come of no citations.
#[must_use]
pub fn signs(claim: &str, cited: &[Evidence<'_>], trust: Trust) -> Vec<Sign> {
    use SignKind as Kind;
    if cited.is_empty() {
        return Vec::new();
    }
    let target = cited.iter().map(|e| e.target).collect::<Vec<_>>().join(" ");
    let (ours, theirs) = (Text::read([claim]), Text::read(cited.iter().map(|e| e.target)));
    let known: Vec<f64> =
        facts::numbers(&target, Tongue::English).into_iter().map(|n| n.value).collect();
    let coverage = signs::coverage(&ours, &theirs);
    let percent = coverage * 100.0;
    let few = format!("only {percent:.0} % of its words are in what it cites");
    let flagged = cited.iter().any(|e| e.flagged);
    let unsure = match trust {
        _ if flagged => Some("a translation that it cites is flagged"),
        Trust::Gist => Some("it says what its translation says, which is a gist"),
        Trust::Sound => None,
    };
    vec![
        Sign::found(Kind::Numbers, signs::numbers(&ours, &theirs, &known)),
        Sign::found(Kind::Dates, signs::times(&ours, &theirs)),
        Sign::found(Kind::Names, signs::names(&ours, &theirs)),
        Sign::found(Kind::Negation, signs::polarity(&ours, &theirs)),
        Sign::found(Kind::Hedging, signs::hedging(&ours, &theirs)),
        Sign::found(Kind::Roles, signs::roles(&ours, &theirs)),
        Sign::found(Kind::Attribution, signs::attribution(&ours, &theirs)),
        Sign::found(Kind::Original, of_the_translation_only(claim, cited, &known)),
        Sign::found(Kind::Causes, invented_cause(claim, &target).into_iter().collect()),
        Sign::measured(Kind::Words, coverage, [LEAST_COVERAGE, FULL_COVERAGE], few),
        Sign {
            kind: Kind::Translation,
            verdict: if unsure.is_some() { Verdict::Partly } else { Verdict::Supported },
            score: None,
            detail: unsure.map(str::to_owned),
            against: None,
        },
    ]
}

/// What only the translation has: an error of the translator's can't vouch for itself. `known` are
/// the numbers of the translation.
fn of_the_translation_only(claim: &str, cited: &[Evidence<'_>], known: &[f64]) -> Vec<Finding> {
    let in_sources: Vec<f64> = cited
        .iter()
        .flat_map(|e| facts::numbers(e.source, Tongue::of_source(e.source)))
        .map(|n| n.value)
        .collect();
    let among = |values: &[f64], value: f64| {
        values.iter().any(|v| (v - value).abs() <= 1e-6 * v.abs().max(value.abs()))
    };
    let said = facts::numbers(claim, Tongue::English);
    // Small numbers can be hidden in the words of a language: "a dozen", "twins", "beide".
    let numbers = said
        .iter()
        .filter(|n| n.hard && n.value >= 13.0)
        .filter(|n| among(known, n.value) && !among(&in_sources, n.value))
        .map(|n| n.text.trim().to_owned());
    // Each in its own language: a claim may cite articles in several.
    let mut invented = cited
        .iter()
        .map(|e| names::invented(e.source, claim, Tongue::of_source(e.source).language()));
    let mut everywhere = invented.next().unwrap_or_default();
    for names in invented {
        everywhere.retain(|name| names.iter().any(|other| std::ptr::eq(*other, *name)));
    }
    let names = everywhere.into_iter().filter_map(|name| name.english.first().cloned());
    numbers
        .chain(names)
        .map(|what| format!("{what} is in the translation, not in the original").into())
        .collect()
}

/// A reason or result that the cited sentences don't give.
fn invented_cause(claim: &str, target: &str) -> Option<Finding> {
    let cause = causes(claim)?;
    let given = causes(target).is_some() || has_reason(target);
    (!given)
        .then(|| Finding::doubtful(signs::CAUSE, format!("\"{cause}\" is not in what it cites")))
}

/// Whether a text gives a reason without any of the words that say so outright.
fn has_reason(text: &str) -> bool {
    let lower = text.to_lowercase();
    [
        "in protest",
        " having ",
        " amid ",
        " in view of ",
        "affected by",
        " factor",
        " attribut",
        "blam",
    ]
    .iter()
    .any(|cue| lower.contains(cue))
}

/// Words that make one thing the reason or the result of another.
fn causes(text: &str) -> Option<&'static str> {
    const CUES: &[&str] = &[
        "because",
        "due to",
        "in response to",
        "as a result",
        "result of",
        "resulted in",
        "resulting in",
        "led to",
        "caused a",
        "caused the",
        "leads to",
        "leading to",
        "thanks to",
        "in order to",
        "therefore",
        "thus",
        "consequently",
        "owing to",
        "prompted",
        "triggered",
        "in retaliation",
        "so that",
        "since it",
        "reason for",
        "following from",
        "stems from",
    ];
    let lower = text.to_lowercase();
    // "is due to begin" is a plan.
    let planned = ["is", "are", "was", "were", "be", "been"]
        .iter()
        .any(|be| lower.contains(&format!("{be} due to")));
    let found = CUES.iter().find(|cue| {
        !(**cue == "due to" && planned)
            && lower.match_indices(**cue).any(|(at, _)| {
                !lower.get(..at).is_some_and(|b| b.ends_with(char::is_alphanumeric))
                    && !lower
                        .get(at + cue.len()..)
                        .is_some_and(|a| a.starts_with(char::is_alphanumeric))
            })
    });
    found.copied()
}

/// Sentences in the order in which they should be taken over as a summary: those that say what
/// the article is about (TF-IDF centroid) and stand early come first; flagged ones last. Titles
/// are left out.
#[must_use]
pub fn rank_extractive(all: &[Evidence<'_>], titles: &[bool]) -> Vec<usize> {
    let sentences: Vec<BTreeSet<String>> =
        all.iter().map(|e| Text::read([e.target]).content()).collect();
    let idf = cite::idf(&sentences);
    let mut frequency: BTreeMap<&String, f32> = BTreeMap::new();
    for s in sentences.iter().flatten() {
        *frequency.entry(s).or_default() += 1.0;
    }
    let mut ranked: Vec<(usize, f32)> = all
        .iter()
        .zip(&sentences)
        .enumerate()
        .filter(|(i, _)| titles.get(*i) != Some(&true))
        .map(|(i, (evidence, stems))| {
            let centrality: f32 = stems
                .iter()
                .map(|s| {
                    frequency.get(s).copied().unwrap_or(0.0) * idf.get(s).copied().unwrap_or(0.0)
                })
                .sum::<f32>()
                / (stems.len().max(6) as f32);
            let place = 1.0 + 1.5 / (1.0 + i as f32);
            let words = evidence.target.split_whitespace().count();
            let size = if (8..=45).contains(&words) { 1.0 } else { 0.4 };
            let sound = if evidence.flagged { 0.05 } else { 1.0 };
            (i, centrality * place * size * sound)
        })
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.into_iter().map(|(i, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Support;

    fn evidence<'a>(target: &'a str, source: &'a str) -> Evidence<'a> {
        Evidence { target, source, flagged: false }
    }

    const LOSSES: (&str, &str) = (
        "According to estimates by the South Korean intelligence service, about 2,000 North Korean \
         soldiers died in these battles.",
        "Laut Einschätzungen des südkoreanischen Geheimdienstes kamen bei diesen Kämpfen etwa 2.000 \
         nordkoreanische Soldaten ums Leben.",
    );
    const MEETING: (&str, &str) = (
        "Putin and Kim met in Beijing on the sidelines of a military parade on September 3.",
        "Putin und Kim trafen sich am 3. September in Peking am Rande einer Militärparade.",
    );
    const DENIAL: (&str, &str) = (
        "The ministry did not confirm the report.",
        "Das Ministerium bestätigte den Bericht nicht.",
    );

    fn verdict(claim: &str, cited: &[(&str, &str)]) -> Verdict {
        let cited: Vec<Evidence<'_>> = cited.iter().map(|(t, s)| evidence(t, s)).collect();
        Support::weigh(signs(claim, &cited, Trust::Sound)).verdict
    }

    #[test]
    fn paraphrases_and_merged_facts_are_supported() {
        for (claim, cited) in [
            (
                "About 2,000 North Korean soldiers died in the battles, South Korea's intelligence service estimates.",
                vec![LOSSES],
            ),
            ("Putin and Kim met in Beijing on September 3.", vec![MEETING]),
            (
                "Putin met Kim in Beijing; an estimated 2,000 North Korean soldiers have died.",
                vec![MEETING, LOSSES],
            ),
            ("The report was not confirmed by the ministry.", vec![DENIAL]),
        ] {
            assert_ne!(verdict(claim, &cited), Verdict::Unsupported, "{claim}");
        }
    }

    #[test]
    fn a_wrong_number_name_date_or_negation_is_never_supported() {
        for (claim, cited) in [
            ("About 20,000 North Korean soldiers died in these battles.", LOSSES),
            ("About 2,000 North Korean soldiers died, the Pentagon estimates.", LOSSES),
            ("Putin and Kim met in Beijing on October 3.", MEETING),
            ("Putin and Xi met in Beijing on September 3.", MEETING),
            ("The ministry confirmed the report.", DENIAL),
            ("Putin and Kim did not meet in Beijing.", MEETING),
            ("The harvest in southern Spain was better than expected.", LOSSES),
            ("Putin and Kim met in Beijing in response to the military parade.", MEETING),
        ] {
            assert_eq!(verdict(claim, &[cited]), Verdict::Unsupported, "{claim}");
        }
    }

    #[test]
    fn a_translation_error_does_not_vouch_for_itself() {
        let mistranslated = ("About 20,000 soldiers died.", "Etwa 2.000 Soldaten starben.");
        assert_eq!(verdict("About 20,000 soldiers died.", &[mistranslated]), Verdict::Unsupported);
        let misnamed = ("Trump met Kim in Beijing.", "Putin traf Kim in Peking.");
        assert_eq!(verdict("Trump met Kim in Beijing.", &[misnamed]), Verdict::Unsupported);
    }

    #[test]
    fn extraction_leaves_out_titles_and_puts_flagged_sentences_last() {
        let mut all: Vec<Evidence<'_>> =
            [MEETING, LOSSES, DENIAL].iter().map(|(t, s)| evidence(t, s)).collect();
        if let Some(first) = all.first_mut() {
            first.flagged = true;
        }
        let ranked = rank_extractive(&all, &[false, false, true]);
        assert_eq!(ranked, [1, 0]);
    }
}
