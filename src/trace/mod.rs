//! Is a summary sentence supported by what it cites?

pub mod check;
pub mod cite;
pub mod conflict;
mod english;
pub mod facts;
mod signs;
pub mod similarity;
pub mod support;
pub mod verify;

use serde::{Deserialize, Serialize};

/// The outcome for one summary sentence, or of one sign; the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Supported,
    /// Something is uncertain: part of its words, or the translation that it cites.
    Partly,
    /// What it says is not what its citations say.
    Unsupported,
}

/// The things by which a claim is compared with what it cites, each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignKind {
    /// Numbers, with their units and bounds, and what they are said of.
    Numbers,
    /// Points in time.
    Dates,
    /// Names.
    Names,
    /// What is affirmed and what is denied, and opposites.
    Negation,
    /// Doubt, allegations and plans that must not become facts.
    Hedging,
    /// Who does what to whom.
    Roles,
    /// Who says it.
    Attribution,
    /// Reasons and results.
    Causes,
    /// Numbers and names of the translation that its original lacks.
    Original,
    /// Share of its content words that are in the English of what it cites.
    Words,
    /// Likeness of its embedding to that of the English of what it cites.
    Similarity,
    /// The same with the original itself, past the translation.
    SourceSimilarity,
    /// Whether an entailment model finds it in what it cites.
    Entailment,
    /// How far the translation that it cites can be relied on.
    Translation,
}

/// What one comparison found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// What was compared.
    pub kind: SignKind,
    /// What follows from this sign alone.
    pub verdict: Verdict,
    /// For signs that measure: 0 (nothing in common) to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub score: Option<f32>,
    /// What is wrong, in words, unless nothing is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// What the checks found for one summary sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// The worst of the signs' verdicts.
    pub verdict: Verdict,
    /// The verdict's reason in words.
    pub reason: String,
    /// Every comparison that was made.
    pub signs: Vec<Sign>,
}

impl Sign {
    /// A sign that fails with the first thing found, and holds if nothing was.
    #[must_use]
    pub fn found(kind: SignKind, details: Vec<String>) -> Self {
        let verdict = if details.is_empty() { Verdict::Supported } else { Verdict::Unsupported };
        let detail = (!details.is_empty()).then(|| details.join("; "));
        Self { kind, verdict, score: None, detail }
    }

    /// A sign that measures: unsupported below `least`, partly supported below `full`.
    #[must_use]
    pub fn measured(kind: SignKind, score: f32, [least, full]: [f32; 2], detail: String) -> Self {
        let verdict = match score {
            score if score < least => Verdict::Unsupported,
            score if score < full => Verdict::Partly,
            _ => Verdict::Supported,
        };
        let detail = (verdict != Verdict::Supported).then_some(detail);
        Self { kind, verdict, score: Some(score), detail }
    }

    /// Whether it is computed without a model, from the texts alone.
    #[must_use]
    pub fn is_rule(&self) -> bool {
        use SignKind::{Entailment, Similarity, SourceSimilarity};
        !matches!(self.kind, Similarity | SourceSimilarity | Entailment)
    }
}

impl Support {
    /// What follows from all signs together: the worst of them decides, and gives the reason.
    #[must_use]
    pub fn weigh(signs: Vec<Sign>) -> Self {
        // Of equal verdicts the first sign's: they stand in the order of their certainty.
        let worst = signs.iter().rev().max_by_key(|s| s.verdict);
        let verdict = worst.map_or(Verdict::Unsupported, |s| s.verdict);
        let reason = match worst {
            None => "it cites nothing".to_owned(),
            Some(Sign { detail: Some(detail), .. }) => detail.clone(),
            Some(_) => "everything that was compared is in what it cites".to_owned(),
        };
        Self { verdict, reason, signs }
    }

    /// The sign of that kind, if it was made.
    #[must_use]
    pub fn sign(&self, kind: SignKind) -> Option<&Sign> {
        self.signs.iter().find(|s| s.kind == kind)
    }
}

impl Verdict {
    /// For the reader.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Supported => "supported",
            Verdict::Partly => "partly supported",
            Verdict::Unsupported => "unsupported",
        }
    }
}

impl SignKind {
    /// For the reader.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SignKind::Numbers => "numbers",
            SignKind::Dates => "dates",
            SignKind::Names => "names",
            SignKind::Negation => "negation",
            SignKind::Hedging => "doubt",
            SignKind::Roles => "who does what",
            SignKind::Attribution => "who says it",
            SignKind::Causes => "causes",
            SignKind::Original => "against the original",
            SignKind::Words => "words",
            SignKind::Similarity => "likeness to the translation",
            SignKind::SourceSimilarity => "likeness to the original",
            SignKind::Entailment => "entailment",
            SignKind::Translation => "the translation",
        }
    }
}
