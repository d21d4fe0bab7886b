//! BLEU (Papineni et al. 2002), with mteval-v13a's tokens and its smoothing.

use super::{
    ngrams::{Overlap, sum},
    tokenize::{spaced_13a, words},
};

/// sacrebleu's defaults, as its signature says them.
pub const SETTINGS: &str = "case:mixed|eff:no|tok:13a|smooth:exp";

const ORDERS: usize = 4;

/// N-grams of 1 to 4 tokens; the counts of single tokens are the lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics([Overlap; ORDERS]);

impl Statistics {
    /// Those of one line.
    #[must_use]
    pub fn of(hypothesis: &str, reference: &str) -> Self {
        let (hypothesis, reference) = (spaced_13a(hypothesis), spaced_13a(reference));
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        let reference: Vec<&str> = words(&reference).collect();
        let mut orders = [Overlap::default(); ORDERS];
        for (order, overlap) in (1..).zip(&mut orders) {
            *overlap = Overlap::of(&hypothesis, &reference, order);
        }
        Self(orders)
    }

    /// BLEU, 0 to 100.
    #[must_use]
    pub fn score(&self) -> f64 {
        let precisions = self.precisions();
        // A text too short for some order has no BLEU; sacrebleu gives 0.
        if precisions.contains(&0.0) {
            return 0.0;
        }
        let logarithms: f64 = precisions.iter().map(|precision| precision.ln()).sum();
        self.brevity_penalty() * (logarithms / ORDERS as f64).exp()
    }

    /// Precisions, brevity penalty and lengths, worded as by sacrebleu.
    #[must_use]
    pub fn verbose(&self) -> String {
        let precisions = self.precisions().map(|precision| format!("{precision:.1}")).join("/");
        let (hypothesis, reference) = self.lengths();
        let ratio = if reference > 0 { hypothesis as f64 / reference as f64 } else { 0.0 };
        format!(
            "{precisions} (BP = {:.3} ratio = {ratio:.3} hyp_len = {hypothesis} ref_len = {reference})",
            self.brevity_penalty()
        )
    }

    /// For each order, n-grams in 100 that the reference has. An order without a match counts as
    /// half a match, the next such as a quarter, and so on.
    fn precisions(&self) -> [f64; ORDERS] {
        let mut precisions = [0.0; ORDERS];
        if self.0.iter().all(|order| order.matches == 0) {
            return precisions;
        }
        let mut smoothed = 1.0;
        for (precision, order) in precisions.iter_mut().zip(&self.0) {
            if order.hypothesis == 0 {
                break;
            }
            let matches = if order.matches > 0 {
                order.matches as f64
            } else {
                smoothed /= 2.0;
                smoothed
            };
            *precision = 100.0 * matches / order.hypothesis as f64;
        }
        precisions
    }

    fn brevity_penalty(&self) -> f64 {
        match self.lengths() {
            (0, 1..) => 0.0,
            (hypothesis, reference) if hypothesis < reference => {
                (1.0 - reference as f64 / hypothesis as f64).exp()
            }
            _ => 1.0,
        }
    }

    /// Tokens of hypothesis and reference.
    fn lengths(&self) -> (usize, usize) {
        let [words, ..] = self.0;
        (words.hypothesis, words.reference)
    }
}

impl std::ops::Add for Statistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(sum(self.0, other.0))
    }
}

impl std::iter::Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), std::ops::Add::add)
    }
}
