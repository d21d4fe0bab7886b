//! Chooses what a claim cites: all the sentences that it needs, and none that it doesn't.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    english::{self, Kind},
    signs::{self, Text},
    support::Evidence,
};

/// Sentences that are tried together: those that share most with the claim. A claim that says what
/// more than these say needs no better choice among the rest.
const CANDIDATES: usize = 12;
/// Share of what a claim says that a citation must add to be worth it.
const COST: f32 = 0.2;
/// Weight that is worth a citation however much else the claim says: a little less than a figure's.
/// On the labels of `tests/citations` nothing changes from 0.18 to 0.25 and from 3 to 5.
const MOST_COST: f32 = 3.5;
/// Weight of a word that only one sentence has.
const RARE: f32 = 2.8;
/// What a name weighs more than another word.
const NAME: f32 = 0.5;
/// Weight of a number or a point in time.
const FIGURE: f32 = 4.0;

/// The smallest set of sentences, at most `max`, that covers what the claim says, in reading
/// order. What is `proposed` costs a little less than the rest, what is flagged or a headline a
/// little more. Takes time that is linear in the sentences, and grows with `max` as the sets of
/// [`CANDIDATES`] do.
#[must_use]
pub fn select_citations(
    claim: &str,
    all: &[Evidence<'_>],
    proposed: &[usize],
    max: usize,
) -> Vec<usize> {
    let sentences: Vec<BTreeSet<String>> =
        all.iter().map(|e| Text::read([e.target]).concepts()).collect();
    let parts = parts(claim, &idf(&sentences));
    let mut witnesses: Vec<Witness> = all
        .iter()
        .zip(&sentences)
        .enumerate()
        .map(|(index, (evidence, concepts))| {
            let has: Vec<bool> =
                parts.iter().map(|(part, _)| signs::is_covered(part, concepts)).collect();
            let proposed = if proposed.contains(&index) { 0.8 } else { 1.0 };
            let flagged = if evidence.flagged { 1.2 } else { 1.0 };
            let headline = if is_headline(evidence.target) { 1.2 } else { 1.0 };
            // Of two that say the same, the one that says little else is the better witness.
            let size = 1.0 + concepts.len() as f32 / 1000.0;
            Witness { index, has, cost: proposed * flagged * headline * size }
        })
        .filter(|witness| witness.has.contains(&true))
        .collect();
    let every: Vec<&Witness> = witnesses.iter().collect();
    let cost = (COST * covered(&parts, &every)).min(MOST_COST);
    witnesses.sort_by(|a, b| {
        let worth = |w: &Witness| covered(&parts, &[w]) - cost * w.cost;
        worth(b).total_cmp(&worth(a)).then(a.index.cmp(&b.index))
    });
    witnesses.truncate(CANDIDATES);

    let mut best: (f32, Vec<usize>) = (f32::MIN, Vec::new());
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..max {
        sets = extended(&sets, witnesses.len());
        for set in &sets {
            let chosen: Vec<&Witness> = set.iter().filter_map(|i| witnesses.get(*i)).collect();
            let costs: f32 = chosen.iter().map(|w| cost * w.cost).sum();
            let worth = covered(&parts, &chosen) - costs;
            if worth > best.0 {
                best = (worth, chosen.iter().map(|w| w.index).collect());
            }
        }
    }
    best.1.sort_unstable();
    best.1
}

/// A sentence that says something of a claim.
struct Witness {
    /// Its place in the article.
    index: usize,
    /// Of each part of the claim, whether it has it.
    has: Vec<bool>,
    /// What citing it takes, compared with a usual sentence.
    cost: f32,
}

/// What a claim says, each thing once, and how much it tells of where the claim comes from.
fn parts(claim: &str, idf: &BTreeMap<String, f32>) -> Vec<(String, f32)> {
    let rarest = idf.values().copied().fold(f32::EPSILON, f32::max);
    let weighed = english::tokens(claim).into_iter().filter_map(|token| {
        let told = RARE * idf.get(&token.concept).copied().unwrap_or(0.0) / rarest;
        let weight = match &token.kind {
            Kind::Function => return None,
            Kind::Content => told,
            Kind::Name => told + NAME,
            Kind::Time(_) | Kind::Number(_) => FIGURE,
        };
        Some((token.concept, weight))
    });
    weighed.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// The weight of the parts that at least one of the witnesses has.
fn covered(parts: &[(String, f32)], witnesses: &[&Witness]) -> f32 {
    let has = |i: usize| witnesses.iter().any(|w| w.has.get(i) == Some(&true));
    parts.iter().enumerate().filter(|(i, _)| has(*i)).map(|(_, (_, weight))| weight).sum()
}

/// Every set with each higher number below `count` added.
fn extended(sets: &[Vec<usize>], count: usize) -> Vec<Vec<usize>> {
    let further = |set: &Vec<usize>| set.last().map_or(0, |last| last + 1)..count;
    sets.iter().flat_map(|set| further(set).map(|i| [set.as_slice(), &[i]].concat())).collect()
}

/// A line that ends like a headline: without the mark that ends a sentence.
fn is_headline(text: &str) -> bool {
    !text.trim_end_matches(['"', '”', '’', ')', ' ']).ends_with(['.', '!', '?', '…'])
}

/// How much each concept tells of where it is said: the rarer, the more.
pub(super) fn idf(sentences: &[BTreeSet<String>]) -> BTreeMap<String, f32> {
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

    const MEETING: &str =
        "Putin and Kim met in Beijing on the sidelines of a military parade on September 3.";
    const LOSSES: &str = "According to estimates by the South Korean intelligence service, about \
                          2,000 North Korean soldiers died in these battles.";
    const DENIAL: &str = "The ministry did not confirm the report.";

    fn evidence(target: &str) -> Evidence<'_> {
        Evidence { target, source: "", flagged: false }
    }

    fn select(claim: &str, targets: &[&str], proposed: &[usize]) -> Vec<usize> {
        let all: Vec<Evidence<'_>> = targets.iter().map(|t| evidence(t)).collect();
        select_citations(claim, &all, proposed, 3)
    }

    #[test]
    fn citations_are_those_that_the_claim_needs() {
        let select =
            |claim, proposed: &[usize]| select(claim, &[MEETING, LOSSES, DENIAL], proposed);
        assert_eq!(select("About 2,000 North Korean soldiers died in battle.", &[0, 2]), [1]);
        assert_eq!(
            select("Putin met Kim in Beijing, and 2,000 North Korean soldiers have died.", &[0]),
            [0, 1]
        );
        assert_eq!(select("The ministry did not confirm the report.", &[]), [2]);
    }

    #[test]
    fn one_sentence_that_says_all_is_better_than_two() {
        let parts = ["The bridge is closed.", "Cracks were found on October 12."];
        let whole = "The bridge is closed because cracks were found on October 12.";
        let claim = "The bridge is closed after cracks were found on October 12.";
        assert_eq!(select(claim, &parts, &[]), [0, 1]);
        assert_eq!(select(claim, &[parts[0], parts[1], whole], &[]), [2]);
        assert_eq!(select(claim, &[parts[0], parts[1], whole], &[0, 1]), [2]);
    }

    #[test]
    fn of_equal_witnesses_the_proposed_one_counts_and_headlines_and_flagged_ones_count_less() {
        let claim = "The bridge stays closed until November.";
        let headline = "Bridge stays closed until November";
        assert_eq!(select(claim, &[headline, claim], &[]), [1]);
        assert_eq!(select(claim, &[headline, claim], &[0]), [0]);
        assert_eq!(select(claim, &[claim, claim], &[1]), [1]);
        let flagged = Evidence { flagged: true, ..evidence(claim) };
        assert_eq!(select_citations(claim, &[flagged, evidence(claim)], &[], 3), [1]);
    }

    #[test]
    fn a_number_is_worth_a_citation_in_however_long_a_claim() {
        let long = "The ministry in Altenfeld announced that engineers, divers and geologists had \
                    examined the foundations, the piers and the cables of the old bridge.";
        let cost = "Repairs take 12 weeks.";
        let claim = format!("{long} It needs 12 weeks.");
        assert_eq!(select(&claim, &[long, cost, DENIAL], &[]), [0, 1]);
    }

    #[test]
    fn nothing_in_common_is_no_citation() {
        assert!(select("Elephants swim.", &[MEETING, LOSSES, DENIAL], &[]).is_empty());
        assert!(select("Elephants swim.", &[], &[]).is_empty());
    }
}
