//! How near a claim's meaning is to what it cites, by sentence embeddings: to the English, and past
//! it to the original, so that a translation error can't vouch for itself.

use std::collections::HashMap;

use super::{Sign, SignKind, check::Judge, support::Evidence};
use crate::{
    engine::embed::{Between, Embedder},
    error::Result,
};

/// Likeness below which a claim is about something else, and from which nothing speaks against it.
/// Calibrated on the developing part of `tests/claims`.
const TO_TRANSLATION: [f32; 2] = [0.885, 0.91];
const TO_ORIGINAL: [f32; 2] = [0.80, 0.83];

/// Compares by one embedding model; texts that come again are embedded once.
pub struct Similarity<'a> {
    model: &'a Embedder,
    known: HashMap<String, Vec<f32>>,
}

impl<'a> Similarity<'a> {
    /// A judge with that model.
    #[must_use]
    pub fn new(model: &'a Embedder) -> Self {
        Self { model, known: HashMap::new() }
    }

    fn likeness(&mut self, a: &str, b: &str, between: Between) -> Result<f32> {
        let new: Vec<&str> = [a, b].into_iter().filter(|t| !self.known.contains_key(*t)).collect();
        let embeddings = self.model.embed(&new)?;
        self.known.extend(new.into_iter().map(str::to_owned).zip(embeddings));
        let pair = self.known.get(a).zip(self.known.get(b));
        Ok(pair.map_or(0.0, |(a, b)| self.model.likeness(a, b, between).clamp(0.0, 1.0)))
    }
}

impl Judge for Similarity<'_> {
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>> {
        let join = |side: fn(&Evidence<'_>) -> String| {
            cited.iter().map(side).collect::<Vec<_>>().join(" ")
        };
        let (targets, sources) = (join(|e| e.target.to_owned()), join(|e| e.source.to_owned()));
        let target = self.likeness(claim, &targets, Between::English)?;
        let source = self.likeness(claim, &sources, Between::Languages)?;
        let detail = |score: f32, what| format!("its likeness to {what} is only {score:.2}");
        Ok(vec![
            Sign::measured(
                SignKind::Similarity,
                target,
                TO_TRANSLATION,
                detail(target, "what it cites"),
            ),
            Sign::measured(
                SignKind::SourceSimilarity,
                source,
                TO_ORIGINAL,
                detail(source, "the original of what it cites"),
            ),
        ])
    }
}
