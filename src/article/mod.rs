//! From the bytes of a file to an article in sentences: read · extract · language · segment.

mod abbreviations;
mod boxes;
pub mod dates;
pub mod extract;
mod html;
pub mod identify;
mod line;
pub mod offsets;
mod phrases;
pub mod read;
pub mod segment;
mod title;
mod topic;

use serde::{Deserialize, Serialize};

use crate::{Language, Span, error::Result};
pub use read::{Encoding, Source};

/// What a block of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// The article's title.
    Title,
    /// Date line, place line, author, view counts: about the article, not translated as prose.
    Metadata,
    /// A heading inside the article.
    Heading,
    /// A paragraph of the article.
    Paragraph,
    /// An item of a list that belongs to the article.
    ListItem,
    /// Everything that isn't the article: adverts, teasers, rules, captions, link lists.
    Boilerplate,
    /// White space, byte order marks and markup between blocks.
    Markup,
}

/// One block. Blocks tile the file: every byte is in exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Where it lies in the file.
    pub span: Span,
    /// Whether it belongs to the article.
    pub kept: bool,
    /// Why it was kept or dropped, in a few words a reader understands.
    pub reason: String,
    /// The block's own language where it differs from the article's or none was found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
}

/// One sentence (or heading, or title) of the article, in its source language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// `s1`, `s2`, … in reading order.
    pub id: String,
    /// Where it lies in the file. `Source::text_at(span)` gives `text`.
    pub span: Span,
    /// The decoded text, as it stands in the file.
    pub text: String,
    /// Index of its block in `Article::blocks`.
    #[serde(skip)]
    pub block: usize,
    /// What kind of block it came from.
    pub kind: BlockKind,
}

/// An article ready for translation.
#[derive(Debug, Clone)]
pub struct Article {
    /// The file and its decoded text.
    pub source: Source,
    /// The language of the kept text.
    pub language: Language,
    /// The whole file, tiled.
    pub blocks: Vec<Block>,
    /// The kept text (title, headings, paragraphs, list items; not metadata), in sentences.
    pub sentences: Vec<Sentence>,
    /// The article's date as the metadata gives it (ISO 8601 where it can be read), if any.
    pub date: Option<String>,
}

/// What the caller may fix beforehand.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The language family to take as given (`--from`), instead of identifying it.
    pub from: Option<String>,
    /// Lines that occur in several files of the same folder, normalised by
    /// [`extract::line_key`]: repeated across files means boilerplate.
    pub repeated_across_files: std::collections::HashSet<String>,
}

/// Source → extract → language → segment.
///
/// # Errors
/// [`crate::Error::Article`] if the file is empty, binary, only boilerplate, or in a language that
/// `brief` doesn't read.
pub fn prepare(source: Source, options: &Options) -> Result<Article> {
    let blocks = extract::extract(&source, options)?;
    let (language, blocks) = identify::article_language(&source, blocks, options)?;
    let sentences = segment::sentences(&source, &blocks, language);
    let date = extract::date(&source, &blocks);
    Ok(Article { source, language, blocks, sentences, date })
}
