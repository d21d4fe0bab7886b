//! Which blocks of the file are the article.
//!
//! General signs decide: sentences against labels, repetition inside the file and across a
//! folder's files, position, list marks, and phrases that sites put around articles
//! ([`super::phrases`]). Every line gets a reason that a reader understands.

use std::collections::HashMap;

pub use super::line::line_key;
use super::{
    Block, BlockKind, Options, Source,
    boxes::{Boxes, drop_strangers},
    dates,
    line::{
        LABEL_WEIGHT, Line, addresses_reader, breaks_off, is_credit, is_label, is_metadata,
        is_prose, is_widget, lines, list_head, speaks_to_reader,
    },
    phrases,
    read::Markup,
    title::{captioned_headlines, find_title, quotes_title, quoting_alike, repeats_title},
    topic::{Share, Topic},
};
use crate::{
    Span,
    error::{Error, Result},
};

/// What became of a line.
#[derive(Clone)]
pub(super) struct Fate {
    pub(super) kind: BlockKind,
    pub(super) kept: bool,
    pub(super) reason: &'static str,
}

/// Tiles the file with blocks, each kept or dropped with its reason.
///
/// # Errors
/// [`Error::Article`] if nothing of the file is an article.
pub fn extract(source: &Source, options: &Options) -> Result<Vec<Block>> {
    let lines = lines(source);
    let fates = fates(source, &lines, options);
    if !fates.iter().any(|f| f.kept && f.kind == BlockKind::Paragraph) {
        return Err(Error::Article {
            path: source.path.clone(),
            reason: "no article was found in the file, only labels, links or boilerplate".into(),
            hint: "give the file that holds the article's text",
        });
    }
    Ok(tile(source, &lines, &fates))
}

/// The article's date from its metadata, as ISO 8601.
#[must_use]
pub fn date(source: &Source, blocks: &[Block]) -> Option<String> {
    blocks
        .iter()
        .filter(|b| b.kind == BlockKind::Metadata)
        .find_map(|b| dates::find(&source.text_at(b.span)))
}

fn dropped(reason: &'static str) -> Fate {
    Fate { kind: BlockKind::Boilerplate, kept: false, reason }
}

fn fates(source: &Source, lines: &[Line<'_>], options: &Options) -> Vec<Fate> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        *count.entry(line.key.as_str()).or_default() += 1;
    }
    let readability = source.markup == Markup::Html
        && lines
            .iter()
            .filter(|l| l.hint.article == Some(true) && is_prose(l))
            .map(|l| l.weight)
            .sum::<usize>()
            >= 200;
    let title = find_title(lines);
    let captioned = captioned_headlines(lines, title);
    let quoting = quoting_alike(lines);
    let mut fates: Vec<Option<Fate>> = vec![None; lines.len()];

    // What a line is by itself.
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let front_matter = front_matter(source, lines);
    let shared = |line: &Line<'_>| options.repeated_across_files.contains(&line.key);
    // Papers that print the same agency report share the article, not what stands around it.
    let prose_weight = |of: &dyn Fn(&Line<'_>) -> bool| -> usize {
        lines.iter().filter(|l| is_prose(l) && of(l)).map(|l| l.weight).sum()
    };
    let copied = prose_weight(&shared) * 2 > prose_weight(&|_| true);
    for (i, line) in lines.iter().enumerate() {
        let times = count.get(line.key.as_str()).copied().unwrap_or(0);
        let nth = seen.entry(line.key.as_str()).or_default();
        *nth += 1;
        let fate = if i < front_matter {
            Some(Fate { kind: BlockKind::Metadata, kept: false, reason: "front matter" })
        } else if line.key.is_empty() {
            Some(dropped("no words"))
        } else if Some(i) == title {
            Some(Fate { kind: BlockKind::Title, kept: true, reason: "title" })
        } else if times > 1 && *nth > 1 {
            Some(dropped("repeats an earlier line"))
        } else if title.and_then(|t| lines.get(t)).is_some_and(|t| repeats_title(line, t)) {
            Some(dropped("repeats the title"))
        } else if title.and_then(|t| lines.get(t)).is_some_and(|t| quotes_title(line, t)) {
            Some(dropped("speaks of the article by its title"))
        } else if quoting.contains(&i) {
            Some(dropped("quotes a headline that other lines quote too"))
        } else if shared(line) && !(copied && is_prose(line)) {
            Some(dropped("stands in other files of the folder too"))
        } else if line.hint.head {
            Some(dropped("the page's own title"))
        } else if is_metadata(line) {
            Some(Fate { kind: BlockKind::Metadata, kept: true, reason: "date, place or author" })
        } else if line.hint.aside {
            Some(dropped("caption or address"))
        } else if is_widget(line) {
            Some(dropped("buttons, tags or figures of the site"))
        } else if times > 1 && !is_prose(line) {
            Some(dropped("repeated label or caption"))
        } else if addresses_reader(line) {
            Some(dropped("addresses the site's readers"))
        } else if readability && line.hint.article == Some(false) && line.hint.heading != Some(1) {
            Some(dropped("outside the page's article"))
        } else if captioned.contains(&i) {
            Some(dropped("headline of another article"))
        } else if !line.sentence && lines.get(i + 1).is_some_and(is_credit) {
            Some(dropped("caption"))
        } else {
            None
        };
        if let Some(place) = fates.get_mut(i) {
            *place = fate;
        }
    }

    // Where other things stand between the article's lines, and where it ends.
    let prose: Vec<usize> = (0..lines.len())
        .filter(|i| {
            fates.get(*i).is_some_and(Option::is_none) && lines.get(*i).is_some_and(is_prose)
        })
        .collect();
    let boxes = Boxes::find(lines, &fates, &prose, &captioned);
    let inside =
        |i: &usize| *i < boxes.end && !boxes.holds(*i) && lines.get(*i).is_some_and(|l| !l.bullet);
    let mut own: Vec<usize> = prose.iter().copied().filter(inside).collect();
    drop_strangers(lines, &mut own);
    let place = Place {
        lines,
        title,
        topic: Topic::of(own.iter().filter_map(|i| lines.get(*i)).map(|l| l.text)),
        markdown: source.markup == Markup::Markdown,
        first_prose: own.first().copied(),
        last_prose: own.last().copied(),
    };

    // What a line is by its neighbours.
    lines
        .iter()
        .zip(fates)
        .enumerate()
        .map(|(i, (line, fate))| {
            let outside = if i >= boxes.end {
                Some("after the end of the article")
            } else {
                boxes.holds(i).then_some("in a box of the site")
            };
            match (outside, fate) {
                (None, Some(fate)) => fate,
                (None, None) => place.decide(i, line),
                (Some(_), Some(fate)) if !fate.kept && fate.kind == BlockKind::Boilerplate => fate,
                (Some(reason), _) => dropped(reason),
            }
        })
        .collect()
}

/// What decides a line that nothing speaks against: where it stands.
struct Place<'a> {
    lines: &'a [Line<'a>],
    title: Option<usize>,
    topic: Topic,
    markdown: bool,
    first_prose: Option<usize>,
    last_prose: Option<usize>,
}

impl Place<'_> {
    fn decide(&self, i: usize, line: &Line<'_>) -> Fate {
        let kept = |kind, reason| Fate { kind, kept: true, reason };
        let (Some(first), Some(last)) = (self.first_prose, self.last_prose) else {
            return dropped("no sentence near it");
        };
        let previous = i.checked_sub(1).and_then(|p| self.lines.get(p));
        let next = self.lines.get(i + 1);
        let share = self.topic.share(line.text, is_prose(line));
        if self.title.is_some_and(|title| i < title) {
            return dropped("before the title");
        }
        if line.weight <= 250 && speaks_to_reader(line) && !share.is_related() {
            return dropped("addresses the site's readers");
        }
        if line.truncated && line.weight < 60 && !share.is_related() {
            return dropped("teaser");
        }
        if line.bullet {
            let statement = is_prose(line) && line.weight > 60 && (i < last || share.goes_on());
            return if self.belongs_to_list(i) || statement {
                kept(BlockKind::ListItem, "list item of the article")
            } else {
                dropped("link or list entry")
            };
        }
        if self.markdown && line.text.starts_with('#') && line.weight <= LABEL_WEIGHT {
            return kept(BlockKind::Heading, "heading");
        }
        let asks = line.text.ends_with(['?', '!', '？', '！'])
            && line.weight <= 90
            && !line.text.starts_with(['„', '“', '"', '»', '「', '”', '‘', '’'])
            && next.is_some_and(|n| is_prose(n) && n.weight > 2 * line.weight);
        if asks && i > first {
            return kept(BlockKind::Heading, "heading");
        }
        if is_prose(line) && i > last {
            return dropped("about something else than the article");
        }
        if is_prose(line) {
            return kept(BlockKind::Paragraph, "paragraph");
        }
        if line.hint.heading.is_some() && i > first && i < last {
            return kept(BlockKind::Heading, "heading");
        }
        let opens_list = next.is_some_and(|n| n.bullet)
            && line.text.ends_with([':', '：', ',', '—', '–'])
            && i > first;
        if opens_list {
            return kept(BlockKind::Paragraph, "introduces a list");
        }
        if i > last {
            // A file that breaks off in the middle of a sentence.
            let follows = previous.is_some_and(|p| is_prose(p) || p.bullet)
                || (i == last + 2 && previous.is_some_and(|p| p.sentence));
            return if i == last + 1 && line.sentence && line.weight >= 12 {
                kept(BlockKind::Paragraph, "short paragraph")
            } else if follows && line.weight > 60 && (next.is_none() || breaks_off(line)) {
                kept(BlockKind::Paragraph, "paragraph, cut off at the end of the file")
            } else {
                dropped("label after the last paragraph")
            };
        }
        if i < first {
            let bare = line.lower.trim_matches(|c: char| !c.is_alphanumeric());
            let said = phrases::OPENINGS.contains(&bare)
                || (line.weight >= 25 && share.shared >= 1)
                || line.hint.heading.is_some();
            let deck = line.weight >= 40 && share.is_related();
            let before_text = next.is_some_and(|n| is_prose(n) || n.sentence);
            return if is_label(line) && ((said && before_text) || deck) {
                kept(BlockKind::Heading, "heading before the first paragraph")
            } else {
                dropped("label before the article")
            };
        }
        if line.sentence && line.weight >= 6 {
            return kept(BlockKind::Paragraph, "short paragraph");
        }
        // Between paragraphs: a heading is followed by text.
        let headed = next.is_some_and(|n| is_prose(n) || n.sentence || n.bullet);
        if headed && is_label(line) && line.weight >= 6 {
            kept(BlockKind::Heading, "heading")
        } else if line.weight > LABEL_WEIGHT || (share.shared >= 3 && line.weight > 45) {
            kept(BlockKind::Paragraph, "paragraph without a full stop")
        } else {
            dropped("label between paragraphs")
        }
    }

    /// Whether a list entry stands in a list that the article introduces, or speaks of its topic
    /// in the midst of it.
    fn belongs_to_list(&self, i: usize) -> bool {
        let head = list_head(self.lines, i);
        let introduced = head.is_some_and(|line| {
            line.text.ends_with([':', '：', ',', '—'])
                || line.hint.heading.is_some()
                || (!line.sentence && self.topic.share(line.text, false).shared >= 1)
        });
        let list = |j: &usize| self.lines.get(*j).is_some_and(|l| l.bullet);
        let start = (0..i).rev().take_while(list).last().unwrap_or(i);
        let items = self.lines.iter().skip(start).take_while(|l| l.bullet).take(20);
        let share = items
            .map(|l| self.topic.share(l.text, is_prose(l)))
            .fold(Share::default(), |a, b| a + b);
        let between = self.first_prose.is_some_and(|f| i > f)
            && self.last_prose.is_some_and(|l| i < l)
            && head.is_some_and(|line| is_prose(line) || is_label(line));
        (introduced && self.first_prose.is_some_and(|f| i > f)) || (between && share.is_related())
    }
}

/// Lines of Markdown's front matter, `---` to `---`.
fn front_matter(source: &Source, lines: &[Line<'_>]) -> usize {
    if source.markup != Markup::Markdown || lines.first().is_none_or(|l| l.text != "---") {
        return 0;
    }
    lines.iter().skip(1).position(|l| l.text == "---").map_or(0, |at| at + 2)
}

/// Blocks for the lines and for what lies between them.
fn tile(source: &Source, lines: &[Line<'_>], fates: &[Fate]) -> Vec<Block> {
    let mut blocks = Vec::with_capacity(lines.len() * 2 + 1);
    let mut at = 0;
    let gap = |blocks: &mut Vec<Block>, from: usize, to: usize| {
        if from < to {
            blocks.push(Block {
                kind: BlockKind::Markup,
                span: Span::new(from, to),
                kept: false,
                reason: "between blocks".into(),
                language: None,
            });
        }
    };
    for (line, fate) in lines.iter().zip(fates) {
        let span = source.span_of(line.range.clone());
        if span.is_empty() || span.start < at {
            continue;
        }
        gap(&mut blocks, at, span.start);
        blocks.push(Block {
            kind: fate.kind,
            span,
            kept: fate.kept,
            reason: fate.reason.into(),
            language: None,
        });
        at = span.end;
    }
    gap(&mut blocks, at, source.bytes.len());
    blocks
}
