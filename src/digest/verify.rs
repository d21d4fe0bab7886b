//! Checks a finished digest again, against the files that it was made from. No model is needed.

use super::{Citation, Digest, Statement, tell::Likeness};
use crate::{
    article::{self, Source},
    engine::embed::Embedder,
    error::Result,
    render::SourceInfo,
    trace::{
        check::Judge,
        support::{Evidence, Trust},
        verify::{ELSE, Failure, its_own, says, source_failures, support_failure},
    },
};

/// Compares `digest` with the bytes of its articles, which `read` gives: each file's checksum and
/// length, every quote at its place, and every sentence's verdict. With an embedding model the
/// likenesses are computed again too; without, they are taken as the digest gives them.
///
/// # Errors
/// The model's. What `read` can't give, or what is no article's text, is a [`Failure`].
pub fn verify(
    digest: &Digest,
    mut read: impl FnMut(&SourceInfo) -> Result<Vec<u8>>,
    model: Option<&Embedder>,
) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    let mut sources: Vec<Option<Source>> = Vec::new();
    for told in &digest.articles {
        let info = &told.source;
        let place = |place: &str| format!("{place} {}", info.path);
        let source = read(info).and_then(|bytes| article::read::from_bytes(&info.path, bytes));
        match &source {
            Ok(source) => failures.extend(
                source_failures(source, info).map(|f| Failure { place: place(&f.place), ..f }),
            ),
            Err(error) => {
                failures.push(Failure {
                    place: place("source"),
                    span: None,
                    reason: error.to_string(),
                });
            }
        }
        sources.push(source.ok());
    }
    let by = digest.embedder.as_ref();
    let model = model.map(|model| its_own(model, by)).transpose().unwrap_or_else(|reason| {
        failures.push(Failure { place: "digest".into(), span: None, reason });
        None
    });
    let mut likeness = model.map(Likeness::new);
    for (number, statement) in digest.statements().enumerate() {
        let place = format!("statement {}", number + 1);
        for citation in &statement.citations {
            let reason = citation_failure(digest, &sources, citation);
            failures.extend(reason.map(|reason| Failure {
                place: format!("{place}, {} of {}", citation.sentence, citation.path),
                span: Some(citation.span),
                reason,
            }));
        }
        let judge = likeness.as_mut().map(|likeness| likeness as &mut dyn Judge);
        if let Some(reason) = statement_failure(digest, statement, judge)? {
            let span = statement.citations.first().map(|c| c.span);
            failures.push(Failure { place, span, reason });
        }
    }
    Ok(failures)
}

/// What is wrong with a citation. Nothing is said of a file that can't be read: that is known.
fn citation_failure(
    digest: &Digest,
    sources: &[Option<Source>],
    citation: &Citation,
) -> Option<String> {
    let Some((told, source)) =
        digest.articles.get(citation.article).zip(sources.get(citation.article))
    else {
        return Some("the digest has no such article".into());
    };
    if citation.path != told.source.path || citation.language != told.source.language {
        return Some("it names another file or language than its article".into());
    }
    let source = source.as_ref()?;
    (!says(source, citation.span, &citation.quote)).then(|| ELSE.into())
}

fn statement_failure(
    digest: &Digest,
    statement: &Statement,
    judge: Option<&mut dyn Judge>,
) -> Result<Option<String>> {
    // A segment's sentences are cited one after the other, each with the segment's translation.
    let segments: Vec<&[Citation]> = statement
        .citations
        .chunk_by(|a, b| a.article == b.article && a.english == b.english)
        .collect();
    let quotes: Vec<String> = segments
        .iter()
        .map(|s| s.iter().map(|c| c.quote.as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    let cited: Vec<Evidence<'_>> = segments
        .iter()
        .zip(&quotes)
        .filter_map(|(segment, source)| {
            let Citation { english, flagged, .. } = segment.first()?;
            Some(Evidence { target: english, source, flagged: *flagged })
        })
        .collect();
    // It is worth what the translation is worth that it was taken from.
    let own = statement.citations.iter().find(|c| c.english == statement.text);
    let Some(own) = own.or(statement.citations.first()) else {
        return Ok(Some("it cites nothing".into()));
    };
    let Some(told) = digest.articles.get(own.article) else { return Ok(None) };
    let trust = Trust::in_quality(&told.quality);
    support_failure(&statement.text, &statement.support, &cited, trust, judge)
}
