//! Which blocks of the file are the article.
//!
//! General signs decide: sentences against labels, repetition inside the file and across a
//! folder's files, position, list marks, and phrases that sites put around articles
//! ([`super::phrases`]). Every line gets a reason that a reader understands.

use std::collections::HashMap;

use super::{
    Block, BlockKind, Options, Source, dates, phrases,
    read::{Hint, Markup},
};
use crate::{
    Span,
    error::{Error, Result},
};

/// A line of the decoded text with what can be seen of it alone.
struct Line<'a> {
    range: std::ops::Range<usize>,
    text: &'a str,
    lower: String,
    key: String,
    hint: Hint,
    /// Length in letters of an alphabet: a Chinese character counts for three.
    weight: usize,
    sentence: bool,
    truncated: bool,
    bullet: bool,
}

/// What became of a line.
#[derive(Clone)]
struct Fate {
    kind: BlockKind,
    kept: bool,
    reason: &'static str,
}

/// Weight from which a line can be a sentence of an article by itself.
const SENTENCE_WEIGHT: usize = 25;
/// Weight from which a line is text even if it ends in no full stop.
const LONG_WEIGHT: usize = 400;
/// Weight up to which a line can be a heading or a label.
const LABEL_WEIGHT: usize = 140;

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

/// The key under which a line counts as repeated: letters and digits in lower case.
#[must_use]
pub fn line_key(line: &str) -> String {
    line.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn lines(source: &Source) -> Vec<Line<'_>> {
    let mut at = 0;
    let mut hints = source.hints.iter();
    source
        .text
        .split('\n')
        .filter_map(|raw| {
            let start = at;
            at += raw.len() + 1;
            let hint = hints.next().copied().unwrap_or_default();
            let blank = |c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\u{200B}' | '\0');
            let text = raw.trim_matches(blank);
            if text.is_empty() {
                return None;
            }
            let start = start + (raw.len() - raw.trim_start_matches(blank).len());
            let lower = text.to_lowercase();
            Some(Line {
                range: start..start + text.len(),
                key: line_key(text),
                weight: weight(text),
                sentence: ends_sentence(text),
                truncated: is_truncated(text),
                bullet: has_bullet(text) || hint.list_item,
                text,
                lower,
                hint,
            })
        })
        .collect()
}

fn weight(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x2E80..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF => 3,
            _ => 1,
        })
        .sum()
}

const CLOSERS: &[char] =
    &['"', '”', '“', '»', '«', '’', '‘', '\'', ')', '）', '」', '』', ']', '】', '*', '_'];

fn ends_sentence(text: &str) -> bool {
    let body = text.trim_end_matches(CLOSERS);
    let closed_quote = body.len() < text.len() && text.ends_with(['”', '“', '"', '」', '»', '«']);
    body.ends_with(['.', '!', '?', '。', '！', '？', '।', '॥', '…', ':', '：', ';', '；'])
        || (closed_quote && weight(text) > 60)
}

/// Whether the line breaks off as teasers do.
fn is_truncated(text: &str) -> bool {
    let body = text.trim_end_matches(CLOSERS);
    body.ends_with("...") || body.ends_with('…') || body.ends_with("[...]")
}

fn has_bullet(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('-' | '–' | '•' | '*' | '·' | '▪' | '■' | '●' | '►' | '▶' | '»' | '>' | '›' | '+') => {
            chars.next().is_some_and(|c| c.is_whitespace() || c.is_alphanumeric())
        }
        Some('◆' | '◇' | '○' | '★' | '☆' | '→' | '➤') => true,
        _ => false,
    }
}

fn is_label(line: &Line<'_>) -> bool {
    line.weight <= LABEL_WEIGHT
}

/// A label that begins the part after the article.
fn ends_article(line: &Line<'_>) -> bool {
    let lower = line.lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let label = lower.trim_end_matches([':', '：', '!', '.', ' ']);
    (line.weight <= 60
        && phrases::END.iter().any(|p| {
            lower.starts_with(p) && (!line.sentence || line.weight <= p.chars().count() * 3 + 12)
        }))
        || (line.weight <= 36 && phrases::END_CHINESE_ENDINGS.iter().any(|p| label.ends_with(p)))
}

fn addresses_reader(line: &Line<'_>) -> bool {
    // The longer a line, the likelier it is that an article only mentions such words.
    line.weight <= 330 && phrases::ANYWHERE.iter().any(|p| line.lower.contains(p)) && {
        let hits = phrases::ANYWHERE.iter().filter(|p| line.lower.contains(**p)).count();
        line.weight <= 170 || hits >= 2
    }
}

fn is_metadata(line: &Line<'_>) -> bool {
    if line.weight > 120 || line.bullet {
        return false;
    }
    let begins = phrases::METADATA.iter().any(|p| line.lower.starts_with(p));
    let dated = dates::find(line.text).is_some();
    let digits = line.text.chars().filter(|c| c.is_numeric()).count();
    (dated && (line.weight <= 70 || digits * 4 > line.text.chars().count()) && !long_sentence(line))
        || (begins && !line.sentence && (dated || line.weight <= 70))
}

fn long_sentence(line: &Line<'_>) -> bool {
    line.sentence && line.weight > 80
}

/// A line that reads as text of an article.
fn is_prose(line: &Line<'_>) -> bool {
    (line.sentence || line.weight > LONG_WEIGHT)
        && line.weight >= SENTENCE_WEIGHT
        && !line.lower.starts_with("http")
        && line.text.chars().filter(|c| c.is_alphabetic()).count() * 2 > line.text.chars().count()
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
        } else if shared(line) && !(copied && is_prose(line)) {
            Some(dropped("stands in other files of the folder too"))
        } else if line.hint.head {
            Some(dropped("the page's own title"))
        } else if is_metadata(line) {
            Some(Fate { kind: BlockKind::Metadata, kept: true, reason: "date, place or author" })
        } else if line.hint.aside {
            Some(dropped("caption or address"))
        } else if times > 1 && !is_prose(line) {
            Some(dropped("repeated label or caption"))
        } else if addresses_reader(line) {
            Some(dropped("addresses the site's readers"))
        } else if readability && line.hint.article == Some(false) && line.hint.heading != Some(1) {
            Some(dropped("outside the page's article"))
        } else if captioned.contains(&i) {
            Some(dropped("headline of another article"))
        } else {
            None
        };
        if let Some(place) = fates.get_mut(i) {
            *place = fate;
        }
    }

    // Where the article ends.
    let prose: Vec<usize> = (0..lines.len())
        .filter(|i| {
            fates.get(*i).is_some_and(Option::is_none) && lines.get(*i).is_some_and(is_prose)
        })
        .collect();
    let end = article_end(lines, &fates, &prose, &captioned);
    let last_prose = prose.iter().copied().rfind(|i| *i < end);
    let first_prose = prose.first().copied();

    // What a line is by its neighbours.
    (0..lines.len())
        .map(|i| {
            let (Some(line), Some(fate)) = (lines.get(i), fates.get(i)) else {
                return dropped("no words");
            };
            if i >= end {
                return match fate {
                    Some(fate) if !fate.kept && fate.kind == BlockKind::Boilerplate => fate.clone(),
                    _ => dropped("after the end of the article"),
                };
            }
            if let Some(fate) = fate {
                return fate.clone();
            }
            place(lines, i, line, end, first_prose, last_prose)
        })
        .collect()
}

/// Decides a line that nothing speaks against, by where it stands.
fn place(
    lines: &[Line<'_>],
    i: usize,
    line: &Line<'_>,
    end: usize,
    first_prose: Option<usize>,
    last_prose: Option<usize>,
) -> Fate {
    let kept = |kind, reason| Fate { kind, kept: true, reason };
    let (Some(first), Some(last)) = (first_prose, last_prose) else {
        return dropped("no sentence near it");
    };
    let previous = i.checked_sub(1).and_then(|p| lines.get(p));
    let next = lines.get(i + 1);
    if line.bullet {
        let introduced = (1..=12)
            .filter_map(|back| lines.get(i.checked_sub(back)?))
            .find(|l| !l.bullet)
            .is_some_and(|l| l.text.ends_with([':', '：']) || l.hint.heading.is_some());
        return if i < end && (introduced || (is_prose(line) && line.weight > 60)) {
            kept(BlockKind::ListItem, "list item of the article")
        } else {
            dropped("link or list entry")
        };
    }
    if line.text.starts_with('#') && line.weight <= LABEL_WEIGHT {
        return kept(BlockKind::Heading, "heading");
    }
    let asks = line.text.ends_with(['?', '!', '？', '！'])
        && line.weight <= 90
        && !line.text.starts_with(['„', '“', '"', '»', '「', '”'])
        && next.is_some_and(|n| is_prose(n) && n.weight > 2 * line.weight);
    if asks && i > first {
        return kept(BlockKind::Heading, "heading");
    }
    if is_prose(line) {
        return kept(BlockKind::Paragraph, "paragraph");
    }
    if line.hint.heading.is_some() && i > first && i < last {
        return kept(BlockKind::Heading, "heading");
    }
    if i > last {
        // A file that breaks off in the middle of a sentence.
        let follows = previous.is_some_and(is_prose);
        return if follows && line.weight > 60 && next.is_none() {
            kept(BlockKind::Paragraph, "paragraph, cut off at the end of the file")
        } else {
            dropped("label after the last paragraph")
        };
    }
    if i < first {
        return if next.is_some_and(is_prose) && line.weight >= 6 && is_label(line) {
            kept(BlockKind::Heading, "heading before the first paragraph")
        } else {
            dropped("label before the article")
        };
    }
    if line.sentence && line.weight >= 6 {
        return kept(BlockKind::Paragraph, "short paragraph");
    }
    if line.weight > LABEL_WEIGHT {
        return kept(BlockKind::Paragraph, "paragraph without a full stop");
    }
    // Between paragraphs: a heading is followed by text.
    if next.is_some_and(|n| is_prose(n) || n.sentence) && line.weight >= 6 {
        kept(BlockKind::Heading, "heading")
    } else {
        dropped("label between paragraphs")
    }
}

/// The title: the first label that text follows, unless it is a date, an advert or a list entry.
fn find_title(lines: &[Line<'_>]) -> Option<usize> {
    if let Some(h1) = lines.iter().position(|l| l.hint.heading == Some(1) && !l.hint.head) {
        return Some(h1);
    }
    if let Some(markdown) = lines.iter().position(|l| l.text.starts_with("# ")) {
        return Some(markdown);
    }
    let first_prose = lines.iter().position(|l| is_prose(l) && l.weight > 90)?;
    lines
        .iter()
        .take(first_prose)
        .enumerate()
        .filter(|(_, l)| {
            !l.hint.head
                && l.weight >= 15
                && l.weight <= 260
                && !l.bullet
                && !l.truncated
                && !l.text.ends_with(['.', '。', '।', ':', '：'])
                && !is_metadata(l)
                && !addresses_reader(l)
                && !ends_article(l)
        })
        // Of several labels the heaviest is the title; navigation words are short.
        .max_by_key(|(i, l)| (l.weight, usize::MAX - i))
        .map(|(i, _)| i)
}

/// Whether a line is the title again, alone or with the site's name.
fn repeats_title(line: &Line<'_>, title: &Line<'_>) -> bool {
    let enough = title.key.chars().count() >= 6;
    enough && line.weight <= title.weight + 60 && line.key.contains(&title.key)
}

/// Headlines of other articles: lines that stand there twice, once with a site's name behind them.
fn captioned_headlines(lines: &[Line<'_>], title: Option<usize>) -> Vec<usize> {
    let by_key: HashMap<&str, usize> =
        lines.iter().enumerate().map(|(i, l)| (l.key.as_str(), i)).collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some((headline, _)) = [" - ", " | ", "_", " – ", "－"]
            .iter()
            .find_map(|separator| line.text.rsplit_once(separator))
        else {
            continue;
        };
        let key = line_key(headline);
        if let Some(original) = by_key.get(key.as_str()).filter(|o| key.len() > 8 && **o != i)
            && Some(*original) != title
        {
            found.extend([i, *original]);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The index of the first line after the article.
fn article_end(
    lines: &[Line<'_>],
    fates: &[Option<Fate>],
    prose: &[usize],
    captioned: &[usize],
) -> usize {
    let total: usize = prose.iter().filter_map(|i| lines.get(*i)).map(|l| l.weight).sum();
    for (i, line) in lines.iter().enumerate() {
        let before: usize =
            prose.iter().filter(|p| **p < i).filter_map(|p| lines.get(*p)).map(|l| l.weight).sum();
        let enough = before >= 200 && before * 5 >= total.min(6_000);
        if !enough {
            continue;
        }
        if captioned.contains(&i) || (ends_article(line) && !continues(lines, fates, i)) {
            return i;
        }
    }
    lines.len()
}

/// Whether the article goes on after a box in its middle: at least two sound paragraphs in a row
/// follow within a few lines, and no further label of the kind that ends articles.
fn continues(lines: &[Line<'_>], fates: &[Option<Fate>], label: usize) -> bool {
    let sound = |i: usize| {
        lines.get(i).is_some_and(|l| is_prose(l) && !l.truncated && l.weight > 90 && !l.bullet)
            && fates.get(i).is_some_and(Option::is_none)
    };
    let open = |i: &usize| fates.get(*i).is_some_and(Option::is_none);
    let next = (label + 1..lines.len()).find(open);
    // "Lesen Sie auch: …" in one line is a link between two paragraphs.
    let link = lines.get(label).is_some_and(|l| {
        l.text.split_once([':', '：']).is_some_and(|(_, headline)| weight(headline) >= 20)
    });
    if link && next.is_some_and(sound) {
        return true;
    }
    let within = (label + 1..label + 7).find(|i| sound(*i) && sound(*i + 1));
    within.is_some_and(|at| {
        let rest: usize = (at..lines.len()).filter(|i| sound(*i)).count();
        let boxes =
            lines.iter().skip(label + 1).take(at - label).filter(|l| ends_article(l)).count();
        rest >= 3 && boxes == 0
    })
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
