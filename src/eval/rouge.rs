//! ROUGE (Lin 2004) as Google's `rouge_score` computes it, without stemming.

use serde::Serialize;

use super::ngrams::Overlap;

/// How a summary and its reference agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Rouge {
    /// Single words.
    pub rouge1: Agreement,
    /// Pairs of words.
    pub rouge2: Agreement,
    /// The longest sequence of words that both have in the same order, with or without gaps.
    #[serde(rename = "rougeL")]
    pub rouge_l: Agreement,
}

/// Precision, recall and their harmonic mean, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Of the summary, what the reference has.
    pub precision: f64,
    /// Of the reference, what the summary has.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

/// ROUGE-1, ROUGE-2 and ROUGE-L of a summary. Words are runs of ASCII letters and digits, in lower
/// case. Takes time in proportion to the product of both lengths.
#[must_use]
pub fn rouge(summary: &str, reference: &str) -> Rouge {
    let (summary, reference) = (summary.to_lowercase(), reference.to_lowercase());
    let (summary, reference) = (words(&summary), words(&reference));
    let ngrams = |order| Agreement::from(Overlap::of(&summary, &reference, order));
    Rouge {
        rouge1: ngrams(1),
        rouge2: ngrams(2),
        rouge_l: Agreement::from(Overlap {
            hypothesis: summary.len(),
            reference: reference.len(),
            matches: longest_common_subsequence(&summary, &reference),
        }),
    }
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

impl From<Overlap> for Agreement {
    fn from(overlap: Overlap) -> Self {
        let share = |of: usize| overlap.matches as f64 / of.max(1) as f64;
        let (precision, recall) = (share(overlap.hypothesis), share(overlap.reference));
        let f1 =
            if overlap.matches > 0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
        Self { precision, recall, f1 }
    }
}

fn longest_common_subsequence(a: &[&str], b: &[&str]) -> usize {
    // For each prefix of `b`, the length with what has been read of `a`.
    let mut lengths = vec![0; b.len()];
    for word in a {
        let (mut diagonal, mut left) = (0, 0);
        for (above, other) in lengths.iter_mut().zip(b) {
            let length = if word == other { diagonal + 1 } else { left.max(*above) };
            diagonal = *above;
            *above = length;
            left = length;
        }
    }
    lengths.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts_for_longer_units_only() {
        let found = rouge("closed the bridge is", "The bridge is closed.");
        assert_eq!(found.rouge1.f1, 1.0);
        assert!((found.rouge2.f1 - 2.0 / 3.0).abs() < 1e-12, "{found:?}");
        assert_eq!(found.rouge_l.f1, 0.75);
    }

    #[test]
    fn nothing_agrees_with_nothing() {
        for (summary, reference) in [("", "a b"), ("a b", ""), ("", ""), ("…", "—")] {
            assert_eq!(rouge(summary, reference), Rouge::default());
        }
    }
}
