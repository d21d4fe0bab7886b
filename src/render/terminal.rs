//! A brief as plain text for a terminal: wrapped to its width, with marks and, if wanted, colour.

use anstyle::{AnsiColor, Style};
use textwrap::WordSplitter;

use super::{
    Brief,
    layout::{Layout, Note, Passage, Row},
    wording,
};
use crate::{
    article::{Block, BlockKind},
    summarize::{Claim, Origin},
    trace::Verdict,
};

/// How a brief is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether escape sequences colour the text.
    pub colour: bool,
    /// Whether every comparison of a summary sentence with what it cites is listed.
    pub evidence: bool,
    /// Whether the parts of the file that were dropped are listed where they stood.
    pub dropped: bool,
}

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const SOFT: Style = Style::new().dimmed();
const FLAG: Style = AnsiColor::Yellow.on_default();

/// Renders one brief. No control character of a text gets out, whatever the brief holds.
#[must_use]
pub fn render(brief: &Brief, view: View) -> String {
    let layout = Layout::of(brief);
    let mut screen = Screen { view, text: String::new() };
    screen.head(brief, &layout);
    if brief.summary.is_some() {
        screen.heading("Summary");
        if layout.claims.is_empty() {
            screen.lines(PLAIN, "", "No sentence of a summary could be written.");
        }
        for (index, (claim, own)) in layout.claims.iter().enumerate() {
            screen.claim(index + 1, claim, own.iter().filter_map(|&note| layout.notes.get(note)));
        }
    }
    screen.heading("The article in English");
    for row in layout.rows(brief) {
        match row {
            Row::Passage(passage) => screen.passage(passage),
            Row::Dropped(blocks) if view.dropped => screen.dropped(&blocks),
            Row::Dropped(_) => {}
        }
    }
    screen.text
}

struct Screen {
    view: View,
    text: String,
}

impl Screen {
    fn head(&mut self, brief: &Brief, layout: &Layout<'_>) {
        let source = &brief.source;
        let path = wording::path_name(&source.path);
        let title = layout.passages.first().filter(|passage| passage.kind == BlockKind::Title);
        self.lines(BOLD, "", &title.map_or_else(|| path.to_owned(), english));
        if let Some(title) = &source.title {
            self.lines(PLAIN, "", title);
        }
        let mut facts = vec![path.to_owned(), wording::language_name(&source.language).to_owned()];
        facts.extend(source.date.clone());
        let translation = &brief.translation;
        facts.push(format!("translated by {} ({})", translation.translator(), translation.quality));
        facts.extend(brief.summary.as_ref().map(|s| format!("summarised by {}", s.model)));
        self.lines(SOFT, "", &facts.join(" · "));
        for warning in wording::warnings(brief) {
            self.lines(FLAG, "⚠ ", &warning);
        }
    }

    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.lines(BOLD.underline(), "", text);
    }

    fn claim<'a>(
        &mut self,
        number: usize,
        claim: &Claim,
        notes: impl Iterator<Item = &'a Note<'a>>,
    ) {
        let support = &claim.support;
        self.text.push('\n');
        self.marked(&format!("{number:>2} "), support.verdict, PLAIN, &claim.text);
        let mut verdict = support.verdict.word().to_owned();
        if let Some(faults) = wording::faults(&claim.support) {
            verdict.push_str(&format!(": {faults}"));
        }
        if claim.origin == Origin::Extracted {
            verdict.push_str(" · sentence taken from the article");
        }
        self.lines(verdict_style(support.verdict), "     ", &verdict);
        if self.view.evidence {
            for sign in &support.signs {
                let mut line = sign.kind.word().to_owned();
                line.extend(sign.score.map(|score| format!(" {score:.2}")));
                line.extend(sign.detail.iter().map(|detail| format!(": {detail}")));
                self.marked("     ", sign.verdict, PLAIN, &line);
            }
        }
        for note in notes {
            let citation = note.citation;
            let mut place = format!("{}, {}", citation.sentence, wording::place(citation.span));
            if let Some(estimate) = note.estimate {
                place.push_str(&format!(" · translation's likeness to it {estimate:.2}"));
            }
            self.lines(SOFT, "     ", &place);
            self.lines(PLAIN, "     │ ", &citation.quote);
            let english = match note.english.trim() {
                "" => "(not translated)",
                english => english,
            };
            self.lines(SOFT, "     │ ", english);
        }
    }

    fn passage(&mut self, passage: &Passage<'_>) {
        self.text.push('\n');
        let style = if passage.is_heading() { BOLD } else { PLAIN };
        let start = if passage.kind == BlockKind::ListItem { "• " } else { "" };
        self.lines(style, start, &english(passage));
        for segment in passage.units.iter().filter_map(|unit| unit.segment) {
            if !segment.flags.is_empty() {
                let faults = wording::flags(&segment.flags);
                let text = match segment.target.trim() {
                    "" => faults,
                    english => format!("“{english}” {faults}"),
                };
                self.lines(FLAG, "  ⚠ ", &text);
            }
        }
    }

    fn dropped(&mut self, blocks: &[&Block]) {
        self.text.push('\n');
        for block in blocks {
            let kind = wording::block_kind(block.kind);
            let line = format!("{kind}: {} · {}", block.reason, wording::place(block.span));
            self.lines(SOFT, "  − ", &line);
        }
    }

    /// Text behind a number and a verdict's mark.
    fn marked(&mut self, before: &str, verdict: Verdict, style: Style, text: &str) {
        let mark = self.painted(verdict_style(verdict), wording::verdict_mark(verdict));
        let indent = before.chars().count() + 2;
        self.wrapped(&format!("{before}{mark} "), indent, style, text);
    }

    /// Text with `before` in front of its first line, or of each line if that's a bar.
    fn lines(&mut self, style: Style, before: &str, text: &str) {
        let painted = self.painted(style, before.trim_start());
        let space = before.len() - before.trim_start().len();
        let start = format!("{}{painted}", " ".repeat(space));
        self.wrapped(&start, before.chars().count(), style, text);
    }

    fn wrapped(&mut self, start: &str, indent: usize, style: Style, text: &str) {
        let text = wording::legible(text);
        let rest = if start.contains('│') { start.to_owned() } else { " ".repeat(indent) };
        // Even a terminal of a few columns gets words.
        let width = self.view.width.saturating_sub(indent).max(16);
        // Names of models and files aren't broken at their hyphens.
        let options = textwrap::Options::new(width).word_splitter(WordSplitter::NoHyphenation);
        for (index, line) in textwrap::wrap(&text, options).iter().enumerate() {
            self.text.push_str(if index == 0 { start } else { &rest });
            self.text.push_str(&self.painted(style, line));
            self.text.push('\n');
        }
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.view.colour && style != PLAIN && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Supported => AnsiColor::Green,
        Verdict::Partly => AnsiColor::Yellow,
        Verdict::Unsupported => AnsiColor::Red,
    }
    .on_default()
}

/// A passage in English; a flagged segment is marked where it stands.
fn english(passage: &Passage<'_>) -> String {
    let units = passage.units.iter().map(|unit| {
        let text = match unit.english() {
            "" => "(not translated)",
            english => english,
        };
        let flagged = unit.segment.is_some_and(|segment| !segment.flags.is_empty());
        format!("{text}{}", if flagged { " ⚠" } else { "" })
    });
    units.collect::<Vec<_>>().join(" ")
}
