//! Many briefs to one digest: what several articles tell is told once and cites all of them, what
//! they contradict each other in is put side by side, and articles that share nothing stand apart.
//!
//! ```text
//! Brief… ─gather→ Item… ─relate→ pairs that tell the same matter ─group→ Group… ─tell→ Digest
//! ```
//!
//! Every pair of sentences of two articles is compared, by one dot product; the rules read only
//! those pairs that are near in meaning.

mod group;
mod item;
mod tell;
mod verify;

pub use verify::verify;

use serde::{Deserialize, Serialize};

use crate::{
    Span,
    engine::embed::Embedder,
    error::Result,
    render::{Brief, SourceInfo},
    summarize::Origin,
    trace::{Support, check::Judge, conflict::ConflictKind},
};

/// The schema's name in every JSON output.
pub const SCHEMA: &str = "brief-digest/1";

/// One brief over many articles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Version of the program that wrote it.
    pub generator: String,
    /// Id of the model by which sentences were compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub embedder: Option<String>,
    /// The articles, by date; those without one last.
    pub articles: Vec<Told>,
    /// What several articles tell of, the story of most articles first.
    pub stories: Vec<Story>,
    /// Articles that share nothing with any other.
    pub apart: Vec<Own>,
}

/// One article of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The file.
    pub source: SourceInfo,
    /// The article's title in English.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// Without a title, the first sentence in English that isn't flagged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opening: Option<String>,
    /// Id of the model that translated it.
    pub model: String,
    /// What its manifest says of the language: `good`, `fair`, `gist`.
    pub quality: String,
    /// For the reader.
    pub warnings: Vec<String>,
}

/// Articles that tell the same facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Indices of its articles, by date.
    pub articles: Vec<usize>,
    /// What several articles tell; what most of them tell comes first.
    pub facts: Vec<Statement>,
    /// What they tell differently.
    pub disagreements: Vec<Disagreement>,
    /// What one article alone tells, for each that has something of the kind.
    pub own: Vec<Own>,
}

/// What articles tell differently, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// What sort of thing they differ in.
    pub kind: ConflictKind,
    /// At least two; who told it first comes first.
    pub sides: Vec<Side>,
}

/// One side of a disagreement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// What it says where the others say something else, e.g. `14` or `June 15`.
    pub values: Vec<String>,
    /// How it says so.
    pub statement: Statement,
}

/// What only one article tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// The article's index.
    pub article: usize,
    /// Its main facts.
    pub statements: Vec<Statement>,
}

/// One sentence of a digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// The sentence, in English.
    pub text: String,
    /// At least one.
    pub citations: Vec<Citation>,
    /// What the checks found.
    pub support: Support,
    /// Taken from an article's summary as it was written, or a translated sentence.
    pub origin: Origin,
}

/// A pointer from a sentence of the digest to a sentence of an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The article's index.
    pub article: usize,
    /// The article's path.
    pub path: String,
    /// The article's language.
    pub language: String,
    /// Id of the sentence.
    pub sentence: String,
    /// Its place in the file.
    pub span: Span,
    /// Its text there.
    pub quote: String,
    /// Its translation.
    pub english: String,
    /// Whether a check found something in that translation.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub flagged: bool,
}

impl Digest {
    /// Every sentence, in the order in which a reader comes to it.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        let apart = self.apart.iter().flat_map(|own| &own.statements);
        self.stories.iter().flat_map(Story::statements).chain(apart)
    }
}

impl Story {
    fn statements(&self) -> impl Iterator<Item = &Statement> {
        let sides = self.disagreements.iter().flat_map(|d| &d.sides).map(|side| &side.statement);
        let own = self.own.iter().flat_map(|own| &own.statements);
        self.facts.iter().chain(sides).chain(own)
    }
}

/// Puts together what the articles tell. Of briefs of one and the same file only the first counts.
/// The embedding model finds what may be the same; what is told as one must stand before `judge`,
/// each article's sentence by itself. Without a judge, words and likeness decide.
///
/// # Errors
/// The models'.
pub fn digest<'j>(
    briefs: &[Brief],
    model: &Embedder,
    judge: Option<&'j mut (dyn Judge + 'j)>,
) -> Result<Digest> {
    let briefs = in_order(briefs);
    let items = item::gather(&briefs);
    let pairs = item::relate(&items, model)?;
    let groups = group::group(&items, &pairs);
    tell::tell(&briefs, &items, groups, model, judge)
}

impl Statement {
    /// Indices of the articles that it cites, each once.
    #[must_use]
    pub fn articles(&self) -> Vec<usize> {
        let mut articles: Vec<usize> = self.citations.iter().map(|c| c.article).collect();
        articles.sort_unstable();
        articles.dedup();
        articles
    }
}

/// Briefs by date, each file once. A date that can't be compared is none.
fn in_order(briefs: &[Brief]) -> Vec<&Brief> {
    let mut seen = std::collections::HashSet::new();
    let mut ordered: Vec<&Brief> =
        briefs.iter().filter(|brief| seen.insert(&brief.source.sha256)).collect();
    ordered.sort_by_key(|brief| {
        let date = brief.source.date.as_deref().filter(|date| is_iso(date));
        (date.is_none(), date)
    });
    ordered
}

/// Whether a date begins as ISO 8601 has it, `2026-06-07`.
fn is_iso(date: &str) -> bool {
    let mut parts = date.splitn(3, '-');
    let mut is_number = |digits: usize| {
        parts.next().is_some_and(|part| {
            part.len() >= digits && part.bytes().take(digits).all(|b| b.is_ascii_digit())
        })
    };
    is_number(4) && is_number(2) && is_number(2)
}
