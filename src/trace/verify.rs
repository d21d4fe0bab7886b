//! Checks a finished brief again, against the file that it was made from. No model is needed.

use super::{
    Sign, Support,
    check::Judge,
    similarity::Similarity,
    support::{self, Trust},
};
use crate::{
    Language, Span,
    article::{self, Source},
    engine::embed::Embedder,
    error::Result,
    render::Brief,
    summarize::{Claim, Material},
    translate::{self, Flag, FlagKind, Segment, guards},
};

/// By how much a score may differ from the recorded one: models round differently on another
/// machine.
const TOLERANCE: f32 = 0.005;

/// One thing in a brief that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it is about: `source`, `sentence s4`, `segment of s4`, `claim 2`.
    pub place: String,
    /// Where in the source file, if it is about a part of it.
    pub span: Option<Span>,
    /// What does not hold.
    pub reason: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(Span { start, end }) = self.span {
            write!(f, " (bytes {start}–{end})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Compares `brief` with the file's bytes: the file's checksum and length, the text of every
/// sentence, the guards' findings in every segment, and every claim's verdict. What a brief says of
/// itself (tiling, citations that give their sentence's place and text) is checked when it is read:
/// see [`crate::render::json::parse_all`].
///
/// With an embedding model, segments' estimates and claims' likenesses are computed again too;
/// without, they are taken as the brief gives them.
///
/// # Errors
/// [`crate::Error::Article`] if the bytes can't be read as an article's text; the model's.
pub fn verify(brief: &Brief, bytes: Vec<u8>, model: Option<&Embedder>) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    let mut fail = |place: String, span: Option<Span>, reason: String| {
        failures.push(Failure { place, span, reason });
    };
    let info = &brief.source;
    let source = article::read::from_bytes(&info.path, bytes)?;
    if source.sha256 != info.sha256.to_ascii_lowercase() {
        fail("source".into(), None, "the file is not the one that the brief was made from".into());
    }
    if source.bytes.len() != info.bytes {
        let (has, said) = (source.bytes.len(), info.bytes);
        fail("source".into(), None, format!("the file has {has} bytes, the brief says {said}"));
    }
    if source.encoding.name() != info.encoding {
        let (is, said) = (source.encoding.name(), &info.encoding);
        fail("source".into(), None, format!("the file is in {is}, the brief says {said}"));
    }
    for sentence in &brief.sentences {
        if text_at(&source, sentence.span).as_deref() != Some(sentence.text.as_str()) {
            let place = format!("sentence {}", sentence.id);
            fail(place, Some(sentence.span), "the file says something else there".into());
        }
    }
    let materials = Material::of_all(&brief.translation.segments, &brief.sentences);
    if let Some(language) = Language::from_tag(&info.language) {
        for material in &materials {
            let segment = material.segment;
            // Whether a text ran into its limit can't be seen afterwards.
            let is_seen = |f: &&Flag| f.kind != FlagKind::Runaway && f.kind.is_rule();
            let recorded: Vec<_> = segment.flags.iter().filter(is_seen).collect();
            let found = guards::check(&material.prepared(), &segment.target, language, false);
            let found: Vec<_> = found.iter().filter(is_seen).collect();
            let place = || format!("segment of {}", segment.sentences.join(", "));
            for flag in found.iter().filter(|f| !recorded.contains(f)) {
                fail(place(), material.span(), format!("{}, and no flag says so", flag.detail));
            }
            for flag in recorded.iter().filter(|f| !found.contains(f)) {
                fail(place(), material.span(), format!("it is not so that {}", flag.detail));
            }
        }
    }
    if let Some(model) = model {
        for (material, reason) in estimates(brief, &materials, model)? {
            let place = format!("segment of {}", material.segment.sentences.join(", "));
            fail(place, material.span(), reason);
        }
    }
    let trust = Trust::in_quality(&brief.translation.quality);
    let mut similarity = model.map(Similarity::new);
    let claims = brief.summary.iter().flat_map(|summary| &summary.claims);
    for (number, claim) in claims.enumerate() {
        let place = format!("claim {}", number + 1);
        let span = claim.citations.first().map(|c| c.span);
        if let Some(reason) = claim_failure(&materials, claim, trust, similarity.as_mut())? {
            fail(place, span, reason);
        }
    }
    Ok(failures)
}

/// The text at a span, unless the span is none of this file's.
fn text_at(source: &Source, span: Span) -> Option<String> {
    (span.end <= source.bytes.len()).then(|| source.text_at(span))
}

/// Segments whose estimate isn't what the model finds now.
fn estimates<'m, 'a>(
    brief: &Brief,
    materials: &'m [Material<'a>],
    model: &Embedder,
) -> Result<Vec<(&'m Material<'a>, String)>> {
    let originals: Vec<String> = materials.iter().map(Material::prepared).collect();
    let mut again = brief.translation.segments.clone();
    for segment in &mut again {
        segment.estimate = None;
        segment.flags.retain(|f| f.kind.is_rule());
    }
    translate::estimate(&originals, &mut again, model)?;
    let unrelated = |s: &Segment| s.flags.iter().any(|f| !f.kind.is_rule());
    let pairs = materials.iter().zip(&again).filter_map(|(material, found)| {
        let said = material.segment.estimate?;
        let is = found.estimate.unwrap_or(0.0);
        let reason = if (said - is).abs() > TOLERANCE {
            format!("its likeness to the original is {is:.2}, the brief says {said:.2}")
        } else if unrelated(found) != unrelated(material.segment) {
            "the brief and the model differ on whether it is about its original".to_owned()
        } else {
            return None;
        };
        Some((material, reason))
    });
    Ok(pairs.collect())
}

/// What is wrong with a claim: its verdict or its signs are not what is found now. What a model
/// judged is taken as it is recorded, unless the model is there to judge again.
fn claim_failure(
    materials: &[Material<'_>],
    claim: &Claim,
    trust: Trust,
    similarity: Option<&mut Similarity<'_>>,
) -> Result<Option<String>> {
    let cited: Vec<_> = materials
        .iter()
        .filter(|m| m.sentences.iter().any(|s| claim.citations.iter().any(|c| c.sentence == s.id)))
        .map(Material::evidence)
        .collect();
    let recorded = &claim.support;
    let mut signs = support::signs(&claim.text, &cited, trust);
    let mut judged: Vec<&Sign> = recorded.signs.iter().filter(|s| !s.is_rule()).collect();
    if let Some(similarity) = similarity
        && !judged.is_empty()
    {
        let again = similarity.signs(&claim.text, &cited)?;
        judged.retain(|s| again.iter().all(|a| a.kind != s.kind));
        signs.extend(again);
    }
    let unlike = signs.iter().find(|found| {
        recorded.sign(found.kind).is_none_or(|r| {
            let scores = found.score.unwrap_or(0.0) - r.score.unwrap_or(0.0);
            let detail = found.is_rule() && r.detail != found.detail;
            r.verdict != found.verdict || detail || scores.abs() > TOLERANCE
        })
    });
    let unlike = unlike.map(|sign| {
        let found = sign.detail.as_deref().unwrap_or("nothing is wrong");
        format!("the brief says something else of {}: {found}", sign.kind.word())
    });
    signs.extend(judged.into_iter().cloned());
    let found = Support::weigh(signs);
    if found.verdict != recorded.verdict {
        return Ok(Some(format!(
            "the brief calls it {}, the checks find it {}: {}",
            recorded.verdict.word(),
            found.verdict.word(),
            found.reason
        )));
    }
    Ok(unlike)
}
