//! A brief to Markdown, JSON, HTML or a terminal's text.

pub mod digest;
pub mod html;
pub mod json;
mod layout;
pub mod markdown;
pub mod terminal;
mod wording;

use serde::{Deserialize, Serialize};

use crate::{
    article::{Block, Sentence},
    summarize::Summary,
    translate::Translation,
};

/// The schema's name in every JSON output.
pub const SCHEMA: &str = "brief/1";

/// Everything about one article; each output format is rendered from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of the program that wrote it.
    pub generator: String,
    /// The file.
    pub source: SourceInfo,
    /// The file, tiled.
    pub blocks: Vec<Block>,
    /// The article's sentences.
    pub sentences: Vec<Sentence>,
    /// The article in English.
    pub translation: Translation,
    /// The summary, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub summary: Option<Summary>,
}

/// The source file as the brief records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// As the user gave it, or `-`.
    pub path: String,
    /// Lower-case hex SHA-256 of the file.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: usize,
    /// e.g. `utf-8`, `gb18030`, `big5`, `utf-16le`, `windows-1252`.
    pub encoding: String,
    /// `de`, `zh-Hant`, `zh-Hans` or `bn`.
    pub language: String,
    /// The article's title in its own language, if one was found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// The article's date, if the file gives one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub date: Option<String>,
}

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Markdown with footnotes.
    Markdown,
    /// `brief/1`.
    Json,
    /// One self-contained page.
    Html,
}

/// Renders one brief.
#[must_use]
pub fn render(brief: &Brief, format: Format) -> String {
    match format {
        Format::Markdown => markdown::render(brief),
        Format::Json => json::render(brief),
        Format::Html => html::render(brief),
    }
}

/// Renders several briefs into one output.
///
/// Markdown is joined with rules, footnotes numbered apart; JSON becomes JSON Lines, a document a
/// line; HTML is one page with an article each. One brief gives what [`render`] gives.
#[must_use]
pub fn render_many(briefs: &[Brief], format: Format) -> String {
    if let [brief] = briefs {
        return render(brief, format);
    }
    match format {
        Format::Markdown => {
            let numbered = briefs.iter().enumerate();
            let parts: Vec<String> = numbered
                .map(|(index, brief)| markdown::render_labelled(brief, &format!("{}-", index + 1)))
                .collect();
            parts.join("\n---\n\n")
        }
        Format::Json => briefs.iter().map(json::render_line).collect(),
        Format::Html => html::render_page(briefs),
    }
}
