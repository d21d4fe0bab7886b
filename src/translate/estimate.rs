//! A quality estimate of each translated segment, without a reference: how near its meaning is to
//! its original's, by sentence embeddings. It tells fluent text about something else from a
//! translation; a wrong number or name hardly moves it, which is what the guards are for.

use super::{Flag, FlagKind, Segment};
use crate::{
    engine::embed::{Between, Embedder},
    error::Result,
};

/// Below this a translation is about something else than its original. Calibrated on every tenth
/// sentence of FLORES-200 dev; `cargo test --test estimate -- --nocapture` measures on others.
const LEAST: f32 = 0.835;
/// Letters and digits that both sides need before the estimate means anything: "Foto: dpa" has no
/// meaning to compare.
const LEAST_LENGTH: usize = 20;

/// Estimates every segment, given its original as the translating model read it, and flags those
/// that have nothing to do with theirs.
///
/// # Errors
/// The embedding model's.
pub fn estimate(originals: &[String], segments: &mut [Segment], model: &Embedder) -> Result<()> {
    let length = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    // Chinese says in one character what takes English two or three.
    let says_enough = |original: &str, target: &str| {
        length(target) >= LEAST_LENGTH && length(original) >= LEAST_LENGTH / 3
    };
    let pairs: Vec<(&String, &mut Segment)> = originals
        .iter()
        .zip(segments)
        .filter(|(original, segment)| says_enough(original, &segment.target))
        .collect();
    let texts: Vec<&str> = pairs
        .iter()
        .flat_map(|(original, segment)| [original.as_str(), segment.target.as_str()])
        .collect();
    let embeddings = model.embed(&texts)?;
    for ((_, segment), pair) in pairs.into_iter().zip(embeddings.chunks(2)) {
        let [original, target] = pair else { continue };
        let estimate = model.likeness(original, target, Between::Languages).clamp(0.0, 1.0);
        segment.estimate = Some(estimate);
        if estimate < LEAST {
            segment.flags.push(Flag {
                kind: FlagKind::Unrelated,
                detail: format!("its likeness to the original is only {estimate:.2}"),
            });
        }
    }
    Ok(())
}
