//! Markdown for reading: stories with what is agreed on, what isn't, and what one article tells;
//! footnotes with every source.

use super::{Notes, date, finding, path, question, title, told_by, values};
use crate::{
    digest::{Citation, Digest, Own, Statement, Story},
    render::{
        markdown::{code, escape, prose},
        wording,
    },
    summarize::Origin,
};

/// Renders a digest.
pub(super) fn render(digest: &Digest) -> String {
    let mut page = Page { digest, notes: Notes::of(digest), body: String::new() };
    let count = digest.articles.len();
    let articles = if count == 1 { "article" } else { "articles" };
    page.line(&format!("# Digest of {count} {articles}\n"));
    let finding = finding(digest);
    if !finding.is_empty() {
        page.line(&format!("{}\n", escape(&finding)));
    }
    for (index, article) in digest.articles.iter().enumerate() {
        let line = format!(
            "- {} · {} · {} · {}",
            escape(date(digest, index)),
            code(path(digest, index)),
            escape(wording::language_name(&article.source.language)),
            escape(&title(digest, index)),
        );
        page.line(&line);
        for warning in &article.warnings {
            page.line(&format!("  ⚠ {}", prose(warning)));
        }
    }
    for story in &digest.stories {
        page.story(story);
    }
    if !digest.apart.is_empty() {
        page.line("\n## Articles that stand apart");
        for own in &digest.apart {
            page.line(&format!("\n### {}\n", escape(&title(digest, own.article))));
            page.own(own);
        }
    }
    page.finish()
}

struct Page<'a> {
    digest: &'a Digest,
    notes: Notes<'a>,
    body: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.body.push_str(line);
        self.body.push('\n');
    }

    fn story(&mut self, story: &Story) {
        let first = story.articles.first().copied().unwrap_or_default();
        let heading = escape(&title(self.digest, first));
        self.line(&format!("\n## Story: {heading}"));
        if !story.facts.is_empty() {
            self.line("\n### What several articles tell\n");
        }
        for fact in &story.facts {
            let told_by = told_by(self.digest, fact);
            let line = format!("- {} *({})*", self.sentence(fact), escape(&told_by));
            self.line(&line);
        }
        if !story.disagreements.is_empty() {
            self.line("\n### Where they disagree\n");
        }
        for disagreement in &story.disagreements {
            self.line(&format!("- **{}:**", question(disagreement.kind)));
            for side in &disagreement.sides {
                let sentence = self.sentence(&side.statement);
                let told_by = escape(&told_by(self.digest, &side.statement));
                let values = escape(&values(side));
                self.line(&format!("  - **{values}**: {sentence} *({told_by})*"));
            }
        }
        if !story.own.is_empty() {
            self.line("\n### What one article tells alone");
        }
        for own in &story.own {
            let (date, path) = (date(self.digest, own.article), path(self.digest, own.article));
            self.line(&format!("\n{}, {}:\n", escape(date), code(path)));
            self.own(own);
        }
    }

    fn own(&mut self, own: &Own) {
        for statement in &own.statements {
            let line = format!("- {}", self.sentence(statement));
            self.line(&line);
        }
    }

    /// A sentence with its notes, and what speaks against it.
    fn sentence(&self, statement: &Statement) -> String {
        let mut text = escape(&statement.text);
        for number in self.notes.numbers(statement) {
            text.push_str(&format!("[^{number}]"));
        }
        if statement.origin == Origin::Generated {
            text.push_str(" *(from the article's summary)*");
        }
        if let Some(doubt) = wording::doubt(&statement.support) {
            text.push_str(&format!(" ⚠ *{}*", escape(&doubt)));
        }
        text
    }

    fn finish(mut self) -> String {
        let notes: Vec<String> = self.notes.0.iter().map(|citation| self.note(citation)).collect();
        for (index, note) in notes.iter().enumerate() {
            if index == 0 {
                self.body.push('\n');
            }
            self.line(&format!("[^{}]: {note}", index + 1));
        }
        self.body
    }

    fn note(&self, citation: &Citation) -> String {
        let place = format!(
            "“{}” ({}, {}, {}, sentence {})",
            escape(&citation.quote),
            code(wording::path_name(&citation.path)),
            escape(wording::language_name(&citation.language)),
            wording::place(citation.span),
            escape(&citation.sentence),
        );
        match citation.english.trim() {
            "" => place,
            english => format!("{place}. In English: “{}”", escape(english)),
        }
    }
}
