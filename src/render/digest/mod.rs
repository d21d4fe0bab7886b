//! A digest to Markdown, JSON or HTML.

mod html;
mod markdown;

use serde::Deserialize;

use super::{Format, json, wording};
use crate::{
    digest::{Citation, Digest, SCHEMA, Side, Statement},
    error::{Error, Result},
    trace::conflict::ConflictKind,
};

/// Renders a digest.
#[must_use]
pub fn render(digest: &Digest, format: Format) -> String {
    match format {
        Format::Markdown => markdown::render(digest),
        Format::Json => json::indented(digest),
        Format::Html => html::render(digest),
    }
}

/// Reads what [`render`] wrote as JSON; nothing if it is something else. `path` names the file in
/// errors.
///
/// # Errors
/// [`Error::Article`] if it is a digest of another version, or doesn't follow its schema.
#[must_use]
pub fn parse(path: &str, text: &str) -> Option<Result<Digest>> {
    let document: serde_json::Value = serde_json::from_str(text).ok()?;
    let schema = document.get("schema")?.as_str()?.to_owned();
    let broken = |reason| Error::Article {
        path: path.to_owned(),
        reason,
        hint: "give what `brief summarize --digest --format json` wrote, unchanged",
    };
    if schema == SCHEMA {
        let digest = Digest::deserialize(document);
        Some(digest.map_err(|cause| broken(format!("doesn't follow {SCHEMA}: {cause}"))))
    } else if schema.starts_with("brief-digest/") {
        let reason = format!("has schema {schema:?}; this version of brief reads {SCHEMA:?}");
        Some(Err(broken(reason)))
    } else {
        None
    }
}

/// The places that a digest cites, each once, in the order in which they are read.
struct Notes<'a>(Vec<&'a Citation>);

impl<'a> Notes<'a> {
    fn of(digest: &'a Digest) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut notes: Vec<&Citation> = digest.statements().flat_map(|s| &s.citations).collect();
        notes.retain(|c| seen.insert((c.article, c.sentence.as_str())));
        Self(notes)
    }

    /// The numbers, from 1, of a statement's notes.
    fn numbers(&self, statement: &Statement) -> Vec<usize> {
        let number = |citation: &Citation| {
            let same = |note: &&Citation| {
                note.article == citation.article && note.sentence == citation.sentence
            };
            self.0.iter().position(same).map(|i| i + 1)
        };
        let mut numbers: Vec<usize> = statement.citations.iter().filter_map(number).collect();
        numbers.dedup();
        numbers
    }
}

/// Characters of a first sentence that stand for a title.
const OPENING: usize = 90;

/// The article's title in English, or how it begins, or its path.
fn title(digest: &Digest, article: usize) -> String {
    let Some(article) = digest.articles.get(article) else { return String::new() };
    let given = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    given(&article.title)
        .or_else(|| given(&article.opening).map(|text| wording::shortened(&text, OPENING)))
        .unwrap_or_else(|| wording::path_name(&article.source.path).to_owned())
}

fn path(digest: &Digest, article: usize) -> &str {
    digest.articles.get(article).map_or("", |article| wording::path_name(&article.source.path))
}

fn date(digest: &Digest, article: usize) -> &str {
    let date = digest.articles.get(article).and_then(|article| article.source.date.as_deref());
    date.unwrap_or("undated")
}

/// `3 articles: German, Bengali, Chinese (traditional)`.
fn told_by(digest: &Digest, statement: &Statement) -> String {
    let articles = statement.articles();
    let mut languages: Vec<&str> = articles
        .iter()
        .filter_map(|i| digest.articles.get(*i))
        .map(|article| wording::language_name(&article.source.language))
        .collect();
    languages.dedup();
    let count = if articles.len() == 1 {
        "1 article".into()
    } else {
        format!("{} articles", articles.len())
    };
    format!("{count}: {}", languages.join(", "))
}

/// What is found in common, in a sentence.
fn finding(digest: &Digest) -> String {
    let articles = digest.articles.len();
    match digest.stories.as_slice() {
        [] if articles > 1 => "These articles have no story in common: no fact was found that two \
                               of them tell."
            .into(),
        [] => String::new(),
        [story] if story.articles.len() == articles => "All of them tell one story.".into(),
        stories => {
            let told: usize = stories.iter().map(|s| s.articles.len()).sum();
            let stories = if let [_] = stories {
                "one story".into()
            } else {
                format!("{} stories", stories.len())
            };
            let apart = digest.apart.len();
            let alone = match apart {
                0 => String::new(),
                1 => "; one stands apart".into(),
                n => format!("; {n} stand apart"),
            };
            format!("{told} of them tell {stories}{alone}.")
        }
    }
}

/// What a disagreement is about.
fn question(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::Number => "How many or how much",
        ConflictKind::Date => "When",
        ConflictKind::Actor => "Who",
        ConflictKind::Negation => "Whether it is so",
    }
}

fn values(side: &Side) -> String {
    side.values.join(", ")
}
