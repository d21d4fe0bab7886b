//! chrF (Popović 2015): the F score of character n-grams, recall counting double.

use super::{
    ngrams::{Overlap, sum},
    tokenize::words,
};

/// sacrebleu's defaults, as its signature says them.
pub const SETTINGS: &str = "case:mixed|eff:yes|nc:6|nw:0|space:no";

const ORDERS: usize = 6;
const BETA: f64 = 2.0;

/// Character n-grams of 1 to 6 characters, without white space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics([Overlap; ORDERS]);

impl Statistics {
    /// Those of one line.
    #[must_use]
    pub fn of(hypothesis: &str, reference: &str) -> Self {
        let characters = |line| words(line).flat_map(str::chars).collect::<Vec<char>>();
        let (hypothesis, reference) = (characters(hypothesis), characters(reference));
        let mut orders = [Overlap::default(); ORDERS];
        for (order, overlap) in (1..).zip(&mut orders) {
            *overlap = Overlap::of(&hypothesis, &reference, order);
            // Where a reference is too short to have any, the hypothesis's aren't held against it.
            if overlap.reference == 0 {
                overlap.hypothesis = 0;
            }
        }
        Self(orders)
    }

    /// chrF, 0 to 100: of the mean precision and the mean recall, over the orders that both have.
    #[must_use]
    pub fn score(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for order in self.0.iter().filter(|order| order.hypothesis > 0 && order.reference > 0) {
            precision += order.matches as f64 / order.hypothesis as f64;
            recall += order.matches as f64 / order.reference as f64;
            orders += 1.0;
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let factor = BETA * BETA;
        100.0 * (1.0 + factor) * precision * recall / (factor * precision + recall)
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
