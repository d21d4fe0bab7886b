//! One self-contained page without scripts: stories, disagreements side by side, and the evidence
//! as notes. All text goes through the template's escaping.

use serde::Serialize;

use super::{Notes, date, finding, path, question, title, told_by, values};
use crate::{
    digest::{Digest, Own, Statement},
    render::{html, wording},
    summarize::Origin,
};

const TEMPLATE: &str = include_str!("digest.html.jinja");
const STYLE: &str = include_str!("digest.css");

#[derive(Serialize)]
struct Page {
    policy: String,
    style: String,
    finding: String,
    articles: Vec<ArticleView>,
    stories: Vec<StoryView>,
    apart: Vec<OwnView>,
    notes: Vec<NoteView>,
    generator: String,
}

#[derive(Serialize)]
struct ArticleView {
    date: String,
    path: String,
    language: String,
    title: String,
    original_title: Option<String>,
    lang: String,
    warnings: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct StoryView {
    title: String,
    facts: Vec<StatementView>,
    disagreements: Vec<DisagreementView>,
    own: Vec<OwnView>,
}

#[derive(Serialize)]
struct DisagreementView {
    question: &'static str,
    sides: Vec<SideView>,
}

#[derive(Serialize)]
struct SideView {
    values: String,
    statement: StatementView,
}

#[derive(Serialize)]
struct OwnView {
    title: String,
    date: String,
    path: String,
    statements: Vec<StatementView>,
}

#[derive(Serialize)]
struct StatementView {
    text: String,
    notes: Vec<usize>,
    told_by: String,
    class: &'static str,
    mark: &'static str,
    verdict: &'static str,
    doubt: Option<String>,
    summarised: bool,
}

#[derive(Serialize)]
struct NoteView {
    quote: String,
    lang: String,
    language: String,
    english: String,
    path: String,
    place: String,
}

/// Renders a digest.
pub(super) fn render(digest: &Digest) -> String {
    let notes = Notes::of(digest);
    let style = format!("{}{STYLE}", html::STYLE);
    let page = Page {
        policy: format!(
            "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'",
            html::policy_hash(&style)
        ),
        style,
        finding: finding(digest),
        articles: articles(digest),
        stories: digest
            .stories
            .iter()
            .map(|story| StoryView {
                title: legible_title(digest, story.articles.first().copied().unwrap_or_default()),
                facts: story.facts.iter().map(|s| statement(digest, &notes, s)).collect(),
                disagreements: story
                    .disagreements
                    .iter()
                    .map(|disagreement| DisagreementView {
                        question: question(disagreement.kind),
                        sides: disagreement
                            .sides
                            .iter()
                            .map(|side| SideView {
                                values: wording::legible(&values(side)),
                                statement: statement(digest, &notes, &side.statement),
                            })
                            .collect(),
                    })
                    .collect(),
                own: story.own.iter().map(|own| own_view(digest, &notes, own)).collect(),
            })
            .collect(),
        apart: digest.apart.iter().map(|own| own_view(digest, &notes, own)).collect(),
        notes: notes
            .0
            .iter()
            .map(|citation| NoteView {
                quote: wording::legible(&citation.quote),
                lang: wording::lang_attribute(&citation.language).to_owned(),
                language: wording::language_name(&citation.language).to_owned(),
                english: wording::legible(&citation.english),
                path: wording::legible(wording::path_name(&citation.path)),
                place: format!("{}, sentence {}", wording::place(citation.span), citation.sentence),
            })
            .collect(),
        generator: digest.generator.clone(),
    };
    html::filled(TEMPLATE, page)
}

fn articles(digest: &Digest) -> Vec<ArticleView> {
    let view = |(index, article): (usize, &crate::digest::Told)| ArticleView {
        date: wording::legible(date(digest, index)),
        path: wording::legible(path(digest, index)),
        language: wording::language_name(&article.source.language).to_owned(),
        title: legible_title(digest, index),
        original_title: article.source.title.as_deref().map(wording::legible),
        lang: wording::lang_attribute(&article.source.language).to_owned(),
        warnings: article.warnings.iter().map(|w| wording::prose(w)).collect(),
    };
    digest.articles.iter().enumerate().map(view).collect()
}

fn legible_title(digest: &Digest, article: usize) -> String {
    wording::legible(&title(digest, article))
}

fn own_view(digest: &Digest, notes: &Notes<'_>, own: &Own) -> OwnView {
    OwnView {
        title: legible_title(digest, own.article),
        date: wording::legible(date(digest, own.article)),
        path: wording::legible(path(digest, own.article)),
        statements: own.statements.iter().map(|s| statement(digest, notes, s)).collect(),
    }
}

fn statement(digest: &Digest, notes: &Notes<'_>, statement: &Statement) -> StatementView {
    let verdict = statement.support.verdict;
    StatementView {
        text: wording::legible(&statement.text),
        notes: notes.numbers(statement),
        told_by: told_by(digest, statement),
        class: html::verdict_class(verdict),
        mark: wording::verdict_mark(verdict),
        verdict: verdict.word(),
        doubt: wording::faults(&statement.support).map(|doubt| wording::legible(&doubt)),
        summarised: statement.origin == Origin::Generated,
    }
}
