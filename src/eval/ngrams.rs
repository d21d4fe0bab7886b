//! Counting what two sequences share.

use std::{collections::HashMap, hash::Hash};

/// How many n-grams of one length two sequences have, and share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Those of the hypothesis.
    pub hypothesis: usize,
    /// Those of the reference.
    pub reference: usize,
    /// Those of the hypothesis that the reference has too, each as often at most as it has it.
    pub matches: usize,
}

impl Overlap {
    /// Counts the n-grams of `order` items.
    pub fn of<T: Eq + Hash>(hypothesis: &[T], reference: &[T], order: usize) -> Self {
        let mut left: HashMap<&[T], usize> = HashMap::new();
        for ngram in reference.windows(order) {
            *left.entry(ngram).or_default() += 1;
        }
        let mut matches = 0;
        for ngram in hypothesis.windows(order) {
            if let Some(count) = left.get_mut(ngram).filter(|count| **count > 0) {
                *count -= 1;
                matches += 1;
            }
        }
        let count = |items: &[T]| (items.len() + 1).saturating_sub(order);
        Self { hypothesis: count(hypothesis), reference: count(reference), matches }
    }
}

impl std::ops::Add for Overlap {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            hypothesis: self.hypothesis + other.hypothesis,
            reference: self.reference + other.reference,
            matches: self.matches + other.matches,
        }
    }
}

/// Adds two arrays item by item.
pub fn sum<T: Copy + Default + std::ops::Add<Output = T>, const N: usize>(
    a: [T; N],
    b: [T; N],
) -> [T; N] {
    let mut both = a;
    for (item, other) in both.iter_mut().zip(b) {
        *item = *item + other;
    }
    both
}
