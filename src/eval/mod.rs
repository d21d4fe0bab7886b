//! Scores against references: chrF, BLEU and TER of translations, as sacrebleu 2.6 computes them
//! with its defaults, ROUGE of summaries, as Google's `rouge_score` computes it, and how well the
//! claims of briefs are traced.
//!
//! ```
//! use brief::eval;
//! let scores = eval::translation(&[("the bridge is shut", "the bridge is closed")]);
//! assert_eq!(format!("{} {:.2}", scores[0].name, scores[0].score), "chrF2 60.69");
//! ```

pub mod bleu;
pub mod chrf;
mod ngrams;
pub mod rouge;
pub mod ter;
mod tokenize;
pub mod trace;

use std::{iter::Sum, ops::Add};

use rayon::prelude::*;
use serde::Serialize;

pub use rouge::{Rouge, rouge};

/// One metric's score of a whole text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// `chrF2`, `BLEU` or `TER`.
    pub name: &'static str,
    /// 0 to 100 for chrF and BLEU, where more is better; for TER, edits in 100 words of the
    /// reference, where less is better.
    pub score: f64,
    /// How it was computed, in sacrebleu's words.
    pub signature: String,
    /// What the score is made of, where the metric says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbose_score: Option<String>,
}

/// chrF, BLEU and TER of a text, given as pairs of a translation's line and its reference. They
/// are computed over all lines together, which is not the mean over lines.
#[must_use]
pub fn translation(pairs: &[(&str, &str)]) -> [Score; 3] {
    let chrf = over_all(pairs, chrf::Statistics::of);
    let bleu = over_all(pairs, bleu::Statistics::of);
    let ter = over_all(pairs, ter::Statistics::of);
    [
        Score {
            name: "chrF2",
            score: chrf.score(),
            signature: signed(chrf::SETTINGS),
            verbose_score: None,
        },
        Score {
            name: "BLEU",
            score: bleu.score(),
            signature: signed(bleu::SETTINGS),
            verbose_score: Some(bleu.verbose()),
        },
        Score {
            name: "TER",
            score: ter.score(),
            signature: signed(ter::SETTINGS),
            verbose_score: None,
        },
    ]
}

/// The counts of all lines. They are whole numbers, so the order of adding doesn't matter.
fn over_all<S>(pairs: &[(&str, &str)], of: impl Fn(&str, &str) -> S + Sync) -> S
where
    S: Add<Output = S> + Sum + Send,
{
    pairs.par_iter().map(|(hypothesis, reference)| of(hypothesis, reference)).sum()
}

fn signed(settings: &str) -> String {
    format!("nrefs:1|{settings}|version:brief-{}", env!("CARGO_PKG_VERSION"))
}
