//! How well the claims of finished briefs are traced: verdicts, and citation recall and precision
//! as the ALCE benchmark (Gao et al. 2023, section 4.2) defines them, with the rules of
//! [`crate::trace`] as the judge in place of its entailment model.

use std::{iter::Sum, ops::Add};

use serde::Serialize;

use super::{
    Rouge,
    rouge::{Agreement, rouge},
};
use crate::{
    error::Result,
    render::Brief,
    summarize::{Claim, Material, Origin},
    trace::{
        Verdict,
        check::Checker,
        support::{Evidence, Trust},
    },
};

/// Counts over the claims of one summary, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Summary sentences.
    pub claims: usize,
    /// Of the claims, those that the brief calls supported.
    pub supported: usize,
    /// Of the claims, those that the brief calls partly supported.
    pub partly: usize,
    /// Of the claims, those that a model wrote; the others are taken from the article.
    pub generated: usize,
    /// Of the claims, those that all they cite together supports, at least partly, when they are
    /// checked anew.
    pub upheld: usize,
    /// Sentences that the claims cite.
    pub citations: usize,
    /// Of the citations, those of upheld claims that support them alone, or that they need.
    pub needed: usize,
}

/// What [`Counts`] come to: shares from 0 to 1, each 0 where there is nothing to share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Summary sentences.
    pub claims: usize,
    /// Share of the claims that the brief calls supported.
    pub supported: f64,
    /// Share of the claims that the brief calls partly supported.
    pub partly: f64,
    /// Share of the claims that the brief calls unsupported.
    pub unsupported: f64,
    /// Share of the claims that a model wrote.
    pub generated: f64,
    /// Share of the claims that are sentences of the article.
    pub extracted: f64,
    /// Sentences that a claim cites, on the average.
    pub citations_per_claim: f64,
    /// Share of the claims that what they cite supports.
    pub citation_recall: f64,
    /// Share of the citations that support a claim alone, or that it needs.
    pub citation_precision: f64,
    /// How the summary agrees with its reference, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rouge: Option<Rouge>,
}

impl Counts {
    /// Counts a brief's claims, all of them checked anew by the rules; all zero without a summary.
    ///
    /// # Errors
    /// None that the rules could have; see [`Checker::check`].
    pub fn of(brief: &Brief) -> Result<Self> {
        let materials = Material::of_all(&brief.translation.segments, &brief.sentences);
        let trust = Trust::in_quality(&brief.translation.quality);
        let mut checker = Checker { trust, ..Checker::default() };
        let claims = brief.summary.iter().flat_map(|summary| &summary.claims);
        claims.map(|claim| Self::of_claim(claim, &materials, &mut checker)).sum()
    }

    fn of_claim(
        claim: &Claim,
        materials: &[Material<'_>],
        checker: &mut Checker<'_>,
    ) -> Result<Self> {
        let cites = |id: &str| claim.citations.iter().any(|c| c.sentence == id);
        // A translated segment can hold several cited sentences; they are needed together or not.
        let (cited, sentences): (Vec<Evidence<'_>>, Vec<usize>) = materials
            .iter()
            .map(|m| (m.evidence(), m.sentences.iter().filter(|s| cites(&s.id)).count()))
            .filter(|(_, sentences)| *sentences > 0)
            .unzip();
        let mut holds = |cited: &[Evidence<'_>]| -> Result<bool> {
            Ok(checker.check(&claim.text, cited)?.verdict != Verdict::Unsupported)
        };
        let upheld = holds(&cited)?;
        let mut needed = 0;
        for (place, count) in sentences.iter().enumerate() {
            let (alone, others): (Vec<_>, Vec<_>) =
                cited.iter().cloned().enumerate().partition(|(other, _)| *other == place);
            let evidence = |part: Vec<(usize, _)>| part.into_iter().map(|(_, e)| e).collect();
            let (alone, others): (Vec<_>, Vec<_>) = (evidence(alone), evidence(others));
            if upheld && (holds(&alone)? || !holds(&others)?) {
                needed += count;
            }
        }
        Ok(Self {
            claims: 1,
            supported: usize::from(claim.support.verdict == Verdict::Supported),
            partly: usize::from(claim.support.verdict == Verdict::Partly),
            generated: usize::from(claim.origin == Origin::Generated),
            upheld: usize::from(upheld),
            citations: sentences.iter().sum(),
            needed,
        })
    }

    /// Shares of the counts, with the summary's agreement with its reference.
    #[must_use]
    pub fn figures(self, rouge: Option<Rouge>) -> Figures {
        let of_claims = |count: usize| count as f64 / self.claims.max(1) as f64;
        Figures {
            claims: self.claims,
            supported: of_claims(self.supported),
            partly: of_claims(self.partly),
            unsupported: of_claims(self.claims - self.supported - self.partly),
            generated: of_claims(self.generated),
            extracted: of_claims(self.claims - self.generated),
            citations_per_claim: of_claims(self.citations),
            citation_recall: of_claims(self.upheld),
            citation_precision: self.needed as f64 / self.citations.max(1) as f64,
            rouge,
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            claims: self.claims + other.claims,
            supported: self.supported + other.supported,
            partly: self.partly + other.partly,
            generated: self.generated + other.generated,
            upheld: self.upheld + other.upheld,
            citations: self.citations + other.citations,
            needed: self.needed + other.needed,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::add)
    }
}

/// ROUGE of a brief's summary against a reference; none without a summary. Marks of citation in
/// the reference, like `[3][4]`, are no words of it.
#[must_use]
pub fn summary_rouge(brief: &Brief, reference: &str) -> Option<Rouge> {
    let claims = &brief.summary.as_ref()?.claims;
    let summary = claims.iter().map(|claim| claim.text.as_str()).collect::<Vec<_>>().join(" ");
    Some(rouge(&summary, &without_marks(reference)))
}

/// The text without numbers in brackets.
fn without_marks(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once('[') {
        kept.push_str(before);
        let marked = after.split_once(']');
        rest = match marked.filter(|(mark, _)| mark.parse::<u32>().is_ok()) {
            Some((_, behind)) => behind,
            None => {
                kept.push('[');
                after
            }
        };
    }
    kept + rest
}

/// The mean of several summaries' agreements with their references; none of none.
#[must_use]
pub fn mean_rouge(all: &[Rouge]) -> Option<Rouge> {
    let mean = |of: fn(&Rouge) -> Agreement| {
        let share = |part: fn(Agreement) -> f64| {
            all.iter().map(|rouge| part(of(rouge))).sum::<f64>() / all.len() as f64
        };
        Agreement {
            precision: share(|a| a.precision),
            recall: share(|a| a.recall),
            f1: share(|a| a.f1),
        }
    };
    (!all.is_empty()).then(|| Rouge {
        rouge1: mean(|r| r.rouge1),
        rouge2: mean(|r| r.rouge2),
        rouge_l: mean(|r| r.rouge_l),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_citation_are_no_words() {
        assert_eq!(
            without_marks("Shut. [3][4]\nOpen [sic] again. [12]"),
            "Shut. \nOpen [sic] again. "
        );
        assert_eq!(without_marks("[1"), "[1");
        assert_eq!(without_marks(""), "");
    }

    #[test]
    fn nothing_is_no_share() {
        let figures = Counts::default().figures(mean_rouge(&[]));
        assert_eq!((figures.citation_recall, figures.citation_precision), (0.0, 0.0));
        assert_eq!(figures.rouge, None);
    }
}
