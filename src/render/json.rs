//! `brief/1`: the brief as JSON, and reading it back.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Brief, SCHEMA, layout};
use crate::{
    Language, Span,
    error::{Error, Result},
};

/// Renders one brief, indented, keys in the order of the types, with a final line break.
#[must_use]
pub fn render(brief: &Brief) -> String {
    indented(brief)
}

/// Plain data without maps as JSON, indented, with a final line break.
pub(super) fn indented(data: &impl Serialize) -> String {
    // Serialising fails only for maps with keys that aren't strings.
    #[expect(clippy::expect_used, reason = "no input can make plain structs fail to serialise")]
    let mut json = serde_json::to_string_pretty(data).expect("it is plain data");
    json.push('\n');
    json
}

/// Renders one brief on one line, with a final line break: a record of JSON Lines.
#[must_use]
pub fn render_line(brief: &Brief) -> String {
    #[expect(clippy::expect_used, reason = "no input can make plain structs fail to serialise")]
    let mut json = serde_json::to_string(brief).expect("a brief is plain data");
    json.push('\n');
    json
}

/// Whether a file's bytes look like the output of `--format json`, rather than like an article.
/// A file that does may still be refused by [`parse`].
#[must_use]
pub fn is_brief(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    // The schema is the first key that `render` writes; another program may write it anywhere,
    // but a document whose first kilobytes don't hold it isn't worth a parse.
    let head = bytes.get(..4096).unwrap_or(bytes);
    head.first() == Some(&b'{') && head.windows(8).any(|window| window == b"\"schema\"")
}

/// Reads what [`render`] wrote, and checks that it holds together. See [`parse_all`], which also
/// names the file in its errors.
///
/// # Errors
/// [`Error::Article`] if it isn't exactly one sound `brief/1` document.
pub fn parse(json: &str) -> Result<Brief> {
    const NAME: &str = "brief/1 JSON";
    let mut briefs = parse_all(NAME, json)?;
    match (briefs.pop(), briefs.len()) {
        (Some(brief), 0) => Ok(brief),
        (_, others) => Err(unsound(NAME, format!("holds {} documents, not one", others + 1))),
    }
}

/// Reads the documents in `json`: one as [`render`] wrote it, or one a line as
/// [`super::render_many`] did. `path` names the file in errors.
///
/// Checked are the schema's name, that blocks tile the file, that every sentence lies in a kept
/// block and is in exactly one segment, that every claim has a citation, and that a citation gives
/// the place and the text of a sentence that exists. The file itself isn't needed.
///
/// # Errors
/// [`Error::Article`] if a document isn't JSON, isn't `brief/1`, or contradicts itself.
pub fn parse_all(path: &str, json: &str) -> Result<Vec<Brief>> {
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    let mut briefs = Vec::new();
    let documents = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>();
    for document in documents {
        let document = document.map_err(|cause| unsound(path, format!("is not JSON: {cause}")))?;
        briefs.push(read(document).map_err(|reason| unsound(path, reason))?);
    }
    if briefs.is_empty() { Err(unsound(path, "is empty")) } else { Ok(briefs) }
}

fn unsound(path: &str, reason: impl Into<String>) -> Error {
    Error::Article {
        path: path.to_owned(),
        reason: reason.into(),
        hint: "give the article itself, or what `brief translate --format json` wrote, unchanged",
    }
}

fn read(mut document: serde_json::Value) -> Result<Brief, String> {
    match document.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) if other.starts_with("brief/") => {
            return Err(format!("has schema {other:?}; this version of brief reads {SCHEMA:?}"));
        }
        _ => return Err(format!("is JSON, but has no \"schema\": {SCHEMA:?}")),
    }
    let mut brief: Brief = Brief::deserialize(document.take())
        .map_err(|cause| format!("doesn't follow {SCHEMA}: {cause}"))?;
    check(&brief)?;
    for sentence in &mut brief.sentences {
        if let Some((index, _)) = layout::block_of(sentence, &brief.blocks) {
            sentence.block = index;
        }
    }
    Ok(brief)
}

/// What [`parse_all`] promises, beyond the types. Spans are checked before anything computes with
/// them: a length of a span whose end lies before its start would overflow.
fn check(brief: &Brief) -> Result<(), String> {
    let source = &brief.source;
    if source.sha256.len() != 64 || !source.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("has a source.sha256 that isn't 64 hexadecimal digits".into());
    }
    if Language::from_tag(&source.language).is_none() {
        return Err(format!(
            "has source.language {:?}, not one of de, zh-Hant, zh-Hans, bn",
            source.language
        ));
    }

    let mut end = 0;
    for (index, block) in brief.blocks.iter().enumerate() {
        let Span { start, end: block_end } = block.span;
        if start != end || block_end < start {
            return Err(format!(
                "has blocks that don't tile the file: block {index} is {start}–{block_end}, \
                 the one before ends at {end}"
            ));
        }
        end = block_end;
    }
    if end != source.bytes {
        return Err(format!("has blocks up to byte {end} of a file of {} bytes", source.bytes));
    }

    let mut sentences = std::collections::HashMap::new();
    let mut last_end = 0;
    for sentence in &brief.sentences {
        let (id, Span { start, end }) = (&sentence.id, sentence.span);
        if end < start || end > source.bytes {
            return Err(format!("has sentence {id:?} at bytes {start}–{end}, outside the file"));
        }
        if start < last_end {
            return Err(format!(
                "has sentence {id:?} at bytes {start}–{end}, before the end of the one before it"
            ));
        }
        last_end = end;
        if !layout::block_of(sentence, &brief.blocks).is_some_and(|(_, block)| block.kept) {
            return Err(format!(
                "has sentence {id:?} at bytes {start}–{end}, which is in no kept block"
            ));
        }
        if sentences.insert(id.as_str(), sentence).is_some() {
            return Err(format!("has two sentences {id:?}"));
        }
    }

    let mut translated = HashSet::new();
    for (index, segment) in brief.translation.segments.iter().enumerate() {
        if segment.sentences.is_empty() {
            return Err(format!("has segment {index} without a sentence"));
        }
        for id in &segment.sentences {
            if !sentences.contains_key(id.as_str()) {
                return Err(format!("has segment {index} of sentence {id:?}, which doesn't exist"));
            }
            if !translated.insert(id.as_str()) {
                return Err(format!("has sentence {id:?} in two segments"));
            }
        }
    }
    if let Some(sentence) = brief.sentences.iter().find(|s| !translated.contains(s.id.as_str())) {
        return Err(format!("has sentence {:?} in no segment", sentence.id));
    }

    for (index, claim) in brief.summary.iter().flat_map(|s| &s.claims).enumerate() {
        if claim.citations.is_empty() {
            return Err(format!("has claim {index} without a citation"));
        }
        for citation in &claim.citations {
            let id = &citation.sentence;
            let Some(sentence) = sentences.get(id.as_str()) else {
                return Err(format!("has claim {index} cite sentence {id:?}, which doesn't exist"));
            };
            if citation.span != sentence.span || citation.quote != sentence.text {
                return Err(format!(
                    "has claim {index} cite sentence {id:?} with another place or text than its own"
                ));
            }
        }
    }
    Ok(())
}
