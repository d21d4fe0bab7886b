//! Scores a claim against the sentences that it cites, chooses citations, and ranks sentences for
//! extraction. No model: words, numbers, dates, names and negations.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Sign, SignKind, Verdict,
    english::{self, Kind},
    facts::{self, Tongue},
    signs::{self, Text},
};
use crate::translate::names;

/// Coverage below which a claim isn't what its citations say.
const LEAST_COVERAGE: f32 = 0.35;
/// Coverage from which a claim is what its citations say.
const FULL_COVERAGE: f32 = 0.7;
/// Share of a claim's weight that a further citation must add.
const LEAST_GAIN: f32 = 0.12;

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
        },
    ]
}

/// What only the translation has: an error of the translator's can't vouch for itself. `known` are
/// the numbers of the translation.
fn of_the_translation_only(claim: &str, cited: &[Evidence<'_>], known: &[f64]) -> Vec<String> {
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
    let sources = cited.iter().map(|e| e.source).collect::<Vec<_>>().join(" ");
    let invented = names::invented(&sources, claim, Tongue::of_source(&sources).language());
    let names = invented.into_iter().filter_map(|name| name.english.first().cloned());
    numbers
        .chain(names)
        .map(|what| format!("{what} is in the translation, not in the original"))
        .collect()
}

/// A reason or result that the cited sentences don't give.
fn invented_cause(claim: &str, target: &str) -> Option<String> {
    let cause = causes(claim)?;
    let given = causes(target).is_some() || has_reason(target);
    (!given).then(|| format!("\"{cause}\" is not in what it cites"))
}

/// Whether a text gives a reason without any of the words that say so outright.
fn has_reason(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["in protest", " having ", " amid ", " in view of "].iter().any(|cue| lower.contains(cue))
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

/// The smallest set of sentences, at most `max`, that covers what the claim says, in reading
/// order. `proposed` counts a little more than the rest; what adds nothing is left out.
#[must_use]
pub fn select_citations(
    claim: &str,
    all: &[Evidence<'_>],
    proposed: &[usize],
    max: usize,
) -> Vec<usize> {
    let sentences: Vec<BTreeSet<String>> =
        all.iter().map(|e| Text::read([e.target]).concepts()).collect();
    let idf = idf(&sentences);
    // What a claim says, and how much each part tells where it comes from.
    let mut weights: BTreeMap<String, f32> = BTreeMap::new();
    for token in english::tokens(claim) {
        let weight = match &token.kind {
            Kind::Function => continue,
            Kind::Content => idf.get(&token.concept).copied().unwrap_or(0.0),
            Kind::Name => idf.get(&token.concept).copied().unwrap_or(0.0) + 0.5,
            Kind::Time(_) => 2.0,
            Kind::Number(_) => 4.0,
        };
        weights.insert(token.concept, weight);
    }
    let total: f32 = weights.values().sum();
    let has: Vec<BTreeSet<&String>> = sentences
        .iter()
        .map(|concepts| weights.keys().filter(|k| signs::is_covered(k, concepts)).collect())
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    let mut covered: BTreeSet<&String> = BTreeSet::new();
    while chosen.len() < max {
        let gain = |i: usize| -> f32 {
            let new: f32 = has
                .get(i)
                .into_iter()
                .flatten()
                .filter(|k| !covered.contains(*k))
                .filter_map(|k| weights.get(*k))
                .sum();
            // A sentence that says the claim and little else is the better witness.
            let size = sentences.get(i).map_or(1, BTreeSet::len).max(1) as f32;
            let trust = if proposed.contains(&i) { 1.15 } else { 1.0 };
            let flagged = if all.get(i).is_some_and(|e| e.flagged) { 0.8 } else { 1.0 };
            new * trust * flagged * (1.0 + 1.0 / size)
        };
        let best = (0..all.len()).filter(|i| !chosen.contains(i)).map(|i| (i, gain(i))).fold(
            None,
            |best: Option<(usize, f32)>, (i, g)| match best {
                Some((_, highest)) if highest >= g => best,
                _ => Some((i, g)),
            },
        );
        let Some((i, g)) = best else { break };
        let least = if chosen.is_empty() { f32::EPSILON } else { LEAST_GAIN * total };
        if g < least {
            break;
        }
        covered.extend(has.get(i).into_iter().flatten().copied());
        chosen.push(i);
    }
    chosen.sort_unstable();
    chosen
}

/// Sentences in the order in which they should be taken over as a summary: those that say what
/// the article is about (TF-IDF centroid) and stand early come first; flagged ones last. Titles
/// are left out.
#[must_use]
pub fn rank_extractive(all: &[Evidence<'_>], titles: &[bool]) -> Vec<usize> {
    let sentences: Vec<BTreeSet<String>> =
        all.iter().map(|e| Text::read([e.target]).content()).collect();
    let idf = idf(&sentences);
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

fn idf(sentences: &[BTreeSet<String>]) -> BTreeMap<String, f32> {
    let mut count: BTreeMap<String, f32> = BTreeMap::new();
    for s in sentences.iter().flatten() {
        *count.entry(s.clone()).or_default() += 1.0;
    }
    let n = sentences.len() as f32;
    count.into_iter().map(|(s, c)| (s, (1.0 + n / c).ln())).collect()
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
    fn citations_are_those_that_the_claim_needs() {
        let all: Vec<Evidence<'_>> =
            [MEETING, LOSSES, DENIAL].iter().map(|(t, s)| evidence(t, s)).collect();
        let select = |claim: &str, proposed: &[usize]| select_citations(claim, &all, proposed, 3);
        assert_eq!(select("About 2,000 North Korean soldiers died in battle.", &[0, 2]), [1]);
        assert_eq!(
            select("Putin met Kim in Beijing, and 2,000 North Korean soldiers have died.", &[0]),
            [0, 1]
        );
        assert_eq!(select("The ministry did not confirm the report.", &[]), [2]);
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
