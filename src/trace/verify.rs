//! Checks a finished brief again, against the file that it was made from. No model is needed.

use super::{
    Sign, Support,
    check::Judge,
    similarity::Similarity,
    support::{self, Evidence, Trust},
};
use crate::{
    Language, Span,
    article::{self, Source},
    engine::embed::Embedder,
    error::Result,
    render::{Brief, SourceInfo},
    summarize::Material,
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
    let info = &brief.source;
    let source = article::read::from_bytes(&info.path, bytes)?;
    let mut failures: Vec<Failure> = source_failures(&source, info).collect();
    let mut fail = |place: String, span: Option<Span>, reason: String| {
        failures.push(Failure { place, span, reason });
    };
    for sentence in &brief.sentences {
        if !says(&source, sentence.span, &sentence.text) {
            fail(format!("sentence {}", sentence.id), Some(sentence.span), ELSE.into());
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
    let mut by = |by: Option<&String>, what: &str| match its_own(model?, by) {
        Ok(model) => Some(model),
        Err(reason) => {
            fail(what.into(), None, reason);
            None
        }
    };
    let of_segments = by(brief.translation.embedder.as_ref(), "translation");
    let of_claims = by(brief.summary.as_ref().and_then(|s| s.embedder.as_ref()), "summary");
    if let Some(model) = of_segments {
        for (material, reason) in estimates(brief, &materials, model)? {
            let place = format!("segment of {}", material.segment.sentences.join(", "));
            fail(place, material.span(), reason);
        }
    }
    let trust = Trust::in_quality(&brief.translation.quality);
    let mut similarity = of_claims.map(Similarity::new);
    let claims = brief.summary.iter().flat_map(|summary| &summary.claims);
    for (number, claim) in claims.enumerate() {
        let place = format!("claim {}", number + 1);
        let span = claim.citations.first().map(|c| c.span);
        let is_cited = |m: &&Material<'_>| {
            m.sentences.iter().any(|s| claim.citations.iter().any(|c| c.sentence == s.id))
        };
        let cited: Vec<_> = materials.iter().filter(is_cited).map(Material::evidence).collect();
        let judge = similarity.as_mut().map(|s| s as &mut dyn Judge);
        if let Some(reason) = support_failure(&claim.text, &claim.support, &cited, trust, judge)? {
            fail(place, span, reason);
        }
    }
    Ok(failures)
}

/// `model`, if a document's likenesses are its own, as far as the document says; else the reason why
/// they aren't compared: what another model found says nothing of what this one finds.
///
/// # Errors
/// The reason.
pub fn its_own<'m>(
    model: &'m Embedder,
    by: Option<&String>,
) -> std::result::Result<&'m Embedder, String> {
    match by {
        Some(by) if by != model.model() => {
            Err(format!("its likenesses are {by}'s; name that with --embedder"))
        }
        _ => Ok(model),
    }
}

/// What is wrong where a file's bytes aren't the recorded ones.
pub const ELSE: &str = "the file says something else there";

/// Whether the file has this text at a span.
#[must_use]
pub fn says(source: &Source, span: Span, text: &str) -> bool {
    span.start <= span.end && span.end <= source.bytes.len() && source.text_at(span) == text
}

/// In what a file isn't the recorded one.
pub fn source_failures(source: &Source, info: &SourceInfo) -> impl Iterator<Item = Failure> {
    let is_other = source.sha256 != info.sha256.to_ascii_lowercase();
    let (has, said) = (source.bytes.len(), info.bytes);
    let (is, encoding) = (source.encoding.name(), &info.encoding);
    let reasons = [
        is_other.then(|| "the file is not the one that the brief was made from".into()),
        (has != said).then(|| format!("the file has {has} bytes, the brief says {said}")),
        (is != encoding).then(|| format!("the file is in {is}, the brief says {encoding}")),
    ];
    let failure = |reason| Failure { place: "source".into(), span: None, reason };
    reasons.into_iter().flatten().map(failure)
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

/// What is wrong with a claim's recorded support: its verdict or its signs are not what is found
/// now. What a model judged is taken as it is recorded, unless the model is there to judge again.
///
/// # Errors
/// The model's.
pub fn support_failure(
    claim: &str,
    recorded: &Support,
    cited: &[Evidence<'_>],
    trust: Trust,
    judge: Option<&mut dyn Judge>,
) -> Result<Option<String>> {
    let mut signs = support::signs(claim, cited, trust);
    let mut judged: Vec<&Sign> = recorded.signs.iter().filter(|s| !s.is_rule()).collect();
    if let Some(judge) = judge
        && !judged.is_empty()
    {
        let again = judge.signs(claim, cited)?;
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
