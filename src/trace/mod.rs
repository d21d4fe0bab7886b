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
    /// For an unsupported sign that may err: the log-odds by which it speaks against the claim. A
    /// model that judges the claim may outweigh it; what has none here nothing outweighs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub against: Option<f32>,
}

/// Something that a rule found against a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is wrong, in words.
    pub detail: String,
    /// As [`Sign::against`].
    pub against: Option<f32>,
}

impl Finding {
    /// What a model that judges the claim may outweigh.
    #[must_use]
    pub fn doubtful(against: f32, detail: String) -> Self {
        Self { detail, against: Some(against) }
    }
}

impl<T: Into<String>> From<T> for Finding {
    fn from(detail: T) -> Self {
        Self { detail: detail.into(), against: None }
    }
}

/// What the checks found for one summary sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Support {
    /// What follows from the signs.
    pub verdict: Verdict,
    /// The verdict's reason in words.
    pub reason: String,
    /// Every comparison that was made.
    pub signs: Vec<Sign>,
}

/// By what a likeness speaks against a claim when it is too low.
const MEASURED: f32 = 0.1;

/// The logarithm of the odds of a probability; of certainty it is finite.
fn log_odds(probability: f32) -> f32 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

impl Sign {
    /// A sign that fails if anything was found.
    #[must_use]
    pub fn found(kind: SignKind, findings: Vec<Finding>) -> Self {
        if findings.is_empty() {
            let verdict = Verdict::Supported;
            return Self { kind, verdict, score: None, detail: None, against: None };
        }
        let against: Option<f32> = findings.iter().map(|f| f.against).sum();
        let details: Vec<String> = findings.into_iter().map(|f| f.detail).collect();
        let detail = Some(details.join("; "));
        Self { kind, verdict: Verdict::Unsupported, score: None, detail, against }
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
        let against = (verdict == Verdict::Unsupported).then_some(MEASURED);
        Self { kind, verdict, score: Some(score), detail, against }
    }

    /// Whether it is computed without a model, from the texts alone.
    #[must_use]
    pub fn is_rule(&self) -> bool {
        use SignKind::{Entailment, Similarity, SourceSimilarity};
        !matches!(self.kind, Similarity | SourceSimilarity | Entailment)
    }
}

impl Support {
    /// What follows from all signs together. Without a model that judges the claim the worst of
    /// them decides. With one, what may err is weighed against its judgement: log-odds add up, as
    /// of evidence that is independent, and a claim that is likelier true than not in spite of
    /// what was found is partly supported.
    #[must_use]
    pub fn weigh(signs: Vec<Sign>) -> Self {
        let judged = signs.iter().find(|s| s.kind == SignKind::Entailment).and_then(|s| s.score);
        let outweighed = judged.is_some_and(|p| {
            let found = signs.iter().filter(|s| s.kind != SignKind::Entailment);
            log_odds(p) > found.filter_map(|s| s.against).sum::<f32>()
        });
        let verdict_of = |sign: &Sign| match sign.verdict {
            Verdict::Unsupported if outweighed && sign.against.is_some() => Verdict::Partly,
            verdict => verdict,
        };
        // Of equal verdicts the first sign's: they stand in the order of their certainty.
        let worst = signs.iter().rev().max_by_key(|s| verdict_of(s));
        let verdict = worst.map_or(Verdict::Unsupported, verdict_of);
        let reason = match worst {
            None => "it cites nothing".to_owned(),
            Some(Sign { detail: Some(detail), .. }) => detail.clone(),
            Some(_) => "everything that was compared is in what it cites".to_owned(),
        };
        Self { verdict, reason, signs }
    }

    /// Whether nothing that a model says can change the verdict.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.signs.iter().any(|s| s.verdict == Verdict::Unsupported && s.against.is_none())
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
