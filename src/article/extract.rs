//! Which blocks of the file are the article.
//!
//! General signs decide: sentences against labels, repetition inside the file and across a
//! folder's files, position, list marks, and phrases that sites put around articles
//! ([`super::phrases`]). Every line gets a reason that a reader understands.

use std::collections::HashMap;

use super::{
    Block, BlockKind, Options, Source, dates, phrases,
    read::{Hint, Markup},
    topic::{Share, Topic},
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

/// Whether a line holds a whole sentence and the beginning of another.
fn breaks_off(line: &Line<'_>) -> bool {
    !line.sentence
        && (line.text.contains(['。', '।', '！', '？'])
            || line
                .text
                .split(". ")
                .nth(1)
                .is_some_and(|rest| rest.starts_with(char::is_uppercase)))
}

fn has_bullet(text: &str) -> bool {
    // "1) …", "(২) …", but not "1. Mai", nor "2023 …".
    let number = text.trim_start_matches(['(', '（']).trim_start_matches(char::is_numeric);
    if number.len() < text.len() && number.starts_with([')', '）']) {
        return true;
    }
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    if (1..=2).contains(&digits) && number.starts_with(". ") && !ends_sentence(text) {
        return dates::find(text).is_none();
    }
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
    // "留言 36 則", "17 Kommentare"
    if line.weight <= 40
        && begins_comments(line)
        && line.text.chars().any(char::is_numeric)
        && !line.sentence
    {
        return true;
    }
    let lower = line.lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let label = lower.trim_end_matches([':', '：', '!', '.', ' ']);
    let limit = if is_link(line) { 200 } else { 60 };
    (line.weight <= limit
        && phrases::END.iter().any(|p| {
            lower.strip_prefix(p).is_some_and(|rest| {
                rest.trim_start().starts_with([':', '：', '】', '丨', '|'])
                    || !line.sentence
                    || line.weight <= p.chars().count() * 3 + 12
            })
        }))
        || (line.weight <= 36 && phrases::END_CHINESE_ENDINGS.iter().any(|p| label.ends_with(p)))
}

/// Whether a line speaks to somebody outside quotation marks, as a site does to its readers.
/// Interviews ask their partner, so questions don't count.
fn speaks_to_reader(line: &Line<'_>) -> bool {
    const QUOTES: &[char] = &['"', '„', '“', '”', '»', '«', '「', '」', '『', '』', '‘', '’', '\''];
    if line.text.ends_with(['?', '？']) {
        return false;
    }
    line.text.split(QUOTES).step_by(2).any(|outside| {
        let words: Vec<&str> = outside.split_whitespace().collect();
        let address =
            |word: &str| ["Sie", "Ihnen", "Ihre", "Ihren", "Ihrem", "Ihrer", "Ihr"].contains(&word);
        let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        // A capital "Sie" that begins no sentence is the polite you.
        let polite = words.windows(2).any(|pair| match pair {
            [before, word] => {
                address(&bare(word)) && before.ends_with(|c: char| c.is_lowercase() || c == ',')
            }
            _ => false,
        });
        polite
            || outside.contains(['您', '你'])
            || words.iter().any(|w| {
                let word = bare(w);
                ["du", "dein", "deine", "deinen", "dich", "dir", "euch"]
                    .contains(&word.to_lowercase().as_str())
                    || ["আপনি", "আপনার", "আপনাকে", "আপনাদের", "আপনিও"].iter().any(|p| w.starts_with(p))
            })
    })
}

/// Whether a label begins the readers' comments.
fn begins_comments(line: &Line<'_>) -> bool {
    const WORDS: &[&str] =
        &["kommentar", "comment", "মন্তব্য", "评论", "評論", "留言", "leserbrief", "netiquette"];
    WORDS.iter().any(|w| line.lower.contains(w))
}

/// The line before the list that the line at `i` is in.
fn list_head<'a>(lines: &'a [Line<'a>], i: usize) -> Option<&'a Line<'a>> {
    (1..=12).filter_map(|back| lines.get(i.checked_sub(back)?)).find(|line| !line.bullet)
}

fn addresses_reader(line: &Line<'_>) -> bool {
    let lower = line.lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let bare = lower.trim_end_matches(|c: char| !c.is_alphanumeric());
    if phrases::LABELS.contains(&bare)
        || (line.weight <= 330 && phrases::BEGINNINGS.iter().any(|p| lower.starts_with(p)))
        || (!is_prose(line) && phrases::CREDITS.iter().any(|p| line.lower.ends_with(p)))
        || (line.weight <= 150 && phrases::PICTURE_CREDITS.iter().any(|p| bare.ends_with(p)))
        || (line.weight <= 400 && has_mail_address(line.text))
    {
        return true;
    }
    // The longer a line, the likelier it is that an article only mentions such words.
    line.weight <= 330 && phrases::ANYWHERE.iter().any(|p| line.lower.contains(p)) && {
        let hits = phrases::ANYWHERE.iter().filter(|p| line.lower.contains(**p)).count();
        line.weight <= 170 || hits >= 2
    }
}

fn has_mail_address(text: &str) -> bool {
    text.split(char::is_whitespace).any(|word| {
        word.split_once('@').is_some_and(|(name, host)| {
            name.ends_with(|c: char| c.is_ascii_alphanumeric()) && host.contains('.')
        })
    })
}

/// A line of its own that says who took a picture.
fn is_credit(line: &Line<'_>) -> bool {
    line.weight <= 90 && phrases::PICTURE.iter().any(|p| line.lower.starts_with(p))
}

/// Share buttons, times of players, `A | B | C`: no words of an article.
fn is_widget(line: &Line<'_>) -> bool {
    const SITES: &[&str] = &[
        "facebook",
        "twitter",
        "x",
        "whatsapp",
        "linkedin",
        "telegram",
        "instagram",
        "youtube",
        "pinterest",
        "flattr",
        "reddit",
        "xing",
        "copy",
        "link",
        "email",
        "e",
        "mail",
        "print",
        "threads",
        "line",
        "google",
        "news",
        "mastodon",
        "bluesky",
        "messenger",
        "share",
        "tiktok",
    ];
    let mut words = line.lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let letters = line.text.chars().filter(|c| c.is_alphabetic()).count();
    let parts = line.text.split(" | ").count();
    line.weight <= LABEL_WEIGHT
        && (words.all(|w| SITES.contains(&w))
            || letters * 3 < line.text.chars().filter(|c| !c.is_whitespace()).count()
            || (parts >= 3 && !line.sentence)
            || (line.text.matches(['\u{3000}', '\u{2003}']).count() >= 3 && !line.sentence)
            || line.text.matches(" / ").count() >= 2
            || line.text.matches(" › ").count() + line.text.matches(" > ").count() >= 1
            || (line.text.starts_with('#')
                && !line.text.trim_start_matches('#').starts_with(' ')
                && line.text.matches('#').count() >= 2)
            || line.text.starts_with("+++")
            || line.text.starts_with(">>"))
}

fn is_metadata(line: &Line<'_>) -> bool {
    if line.weight > 120 || line.bullet {
        return false;
    }
    let bracketed = line.text.starts_with(['(', '（']) && line.text.ends_with([')', '）']);
    if bracketed
        && ["電", "电", "記者", "记者", "dpa", "afp"].iter().any(|w| line.lower.contains(w))
    {
        return true;
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

/// Takes from the end of the prose what is about something else: teasers below headlines of other
/// articles, two at least, and what a paper says of its authors.
fn drop_strangers(lines: &[Line<'_>], own: &mut Vec<usize>) {
    let kept = own.clone();
    let topic = |up_to: usize| {
        let before = kept.iter().take(up_to).filter_map(|i| lines.get(*i));
        Topic::of(before.map(|l| l.text))
    };
    let of_author = |line: &Line<'_>| phrases::OF_AUTHORS.iter().any(|p| line.lower.contains(p));
    let is_teaser = |at: usize| {
        let topic = topic(at);
        let strange = |line: &Line<'_>| topic.share(line.text, false).shared == 0;
        let text = kept.get(at).and_then(|i| lines.get(*i));
        let headline = kept.get(at).and_then(|i| lines.get(i.checked_sub(1)?));
        text.zip(headline).is_some_and(|(text, headline)| {
            text.weight <= 250
                && !headline.sentence
                && !headline.bullet
                && !is_link(headline)
                && (20..text.weight).contains(&headline.weight)
                && strange(text)
                && strange(headline)
        })
    };
    let mut end = kept.len();
    while end > 3 {
        let last = kept.get(end - 1).and_then(|i| lines.get(*i));
        if last.is_some_and(|l| l.weight <= 250 && of_author(l)) {
            end -= 1;
            continue;
        }
        let teasers = (3..end).rev().take_while(|at| is_teaser(*at)).count();
        if teasers >= 2 {
            end -= teasers;
        }
        break;
    }
    own.truncate(end);
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

/// The title: the first label that text follows, unless it is a date, an advert or a list entry.
fn find_title(lines: &[Line<'_>]) -> Option<usize> {
    if let Some(h1) = lines.iter().position(|l| l.hint.heading == Some(1) && !l.hint.head) {
        return Some(h1);
    }
    if let Some(markdown) = lines.iter().position(|l| l.text.starts_with("# ")) {
        return Some(markdown);
    }
    let first_prose =
        lines.iter().position(|l| is_prose(l) && l.weight > 90 && !addresses_reader(l))?;
    let topic = Topic::of(lines.iter().filter(|l| is_prose(l)).map(|l| l.text));
    let candidates: Vec<(usize, &Line<'_>, Share)> = lines
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
                && !is_widget(l)
                && !addresses_reader(l)
                && !ends_article(l)
        })
        .map(|(i, l)| (i, l, topic.share(l.text, false)))
        .collect();
    // The first of those that speak most of what the text speaks of; if none does, the heaviest,
    // since navigation words are short.
    let kinship = |share: &Share| match share.shared {
        0 | 1 => 0,
        shared if shared * 2 >= share.all => 2,
        shared if shared * 4 >= share.all => 1,
        _ => 0,
    };
    let best = candidates.iter().map(|(.., s)| kinship(s)).max().unwrap_or(0);
    let first_kin =
        candidates.iter().find(|(_, l, s)| best > 0 && kinship(s) == best && l.weight >= 30);
    first_kin
        .or_else(|| {
            candidates.iter().max_by_key(|(i, l, s)| (s.shared.min(2), l.weight, usize::MAX - i))
        })
        .map(|(i, ..)| *i)
}

/// Whether a line is the title again, alone or with the site's name.
fn repeats_title(line: &Line<'_>, title: &Line<'_>) -> bool {
    let enough = title.key.chars().count() >= 6;
    enough && line.weight <= title.weight + 60 && line.key.contains(&title.key)
}

/// Whether a line names the article by its title, as invitations to comment or share do. An
/// article's own text never says its headline again word for word.
fn quotes_title(line: &Line<'_>, title: &Line<'_>) -> bool {
    title.weight >= 30 && line.key != title.key && line.key.contains(&title.key)
}

/// Lines that quote the same long text: a site's standing texts name the article so even where
/// the page's title is missing.
fn quoting_alike(lines: &[Line<'_>]) -> Vec<usize> {
    const QUOTES: &[char] = &['"', '„', '“', '”', '»', '«', '「', '」', '『', '』'];
    let mut by_quote: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.weight > 60) {
        let mut quotes: Vec<String> = line
            .text
            .split(QUOTES)
            .skip(1)
            .step_by(2)
            .filter(|quote| weight(quote) >= 30)
            .map(line_key)
            .collect();
        quotes.dedup();
        for quote in quotes {
            by_quote.entry(quote).or_default().push(i);
        }
    }
    by_quote.into_values().filter(|lines| lines.len() > 1).flatten().collect()
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
        if let Some(original) =
            by_key.get(key.as_str()).filter(|o| weight(headline) >= 24 && **o != i)
            && Some(*original) != title
        {
            found.extend([i, *original]);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What stands between the article's lines and after them.
struct Boxes {
    /// Lines of boxes in the article's middle.
    inner: Vec<std::ops::Range<usize>>,
    /// The first line after the article.
    end: usize,
}

impl Boxes {
    fn holds(&self, i: usize) -> bool {
        self.inner.iter().any(|b| b.contains(&i))
    }

    fn find(
        lines: &[Line<'_>],
        fates: &[Option<Fate>],
        prose: &[usize],
        captioned: &[usize],
    ) -> Self {
        let weight_before = |i: usize| -> usize {
            prose
                .iter()
                .take_while(|p| **p < i)
                .filter_map(|p| lines.get(*p))
                .map(|l| l.weight)
                .sum()
        };
        let total = weight_before(usize::MAX);
        let mut inner: Vec<std::ops::Range<usize>> = Vec::new();
        let mut i = 0;
        while let Some(line) = lines.get(i) {
            let hard = captioned.contains(&i);
            let soft = ends_article(line)
                && !fates.get(i).is_some_and(|f| f.as_ref().is_some_and(|f| f.kept));
            if !(hard || soft) {
                i += 1;
                continue;
            }
            let before = weight_before(i);
            let enough = before >= 200 && before * 5 >= total.min(6_000);
            if hard && enough {
                return Self { inner, end: i };
            }
            let resumed = if enough { resumes(lines, fates, prose, i) } else { Some(i + 1) };
            match resumed {
                Some(at) => {
                    inner.push(i..at);
                    i = at;
                }
                None => return Self { inner, end: i },
            }
        }
        Self { inner, end: lines.len() }
    }
}

/// Whether a label and a headline stand in one line: "Lesen Sie auch: …".
fn is_link(line: &Line<'_>) -> bool {
    line.text
        .split_once([':', '：', '】', '丨'])
        .is_some_and(|(_, headline)| weight(headline.trim()) >= 20)
}

/// Where the article goes on after a box that begins at `label`: at text that speaks of what the
/// article has spoken of so far. `None` if it doesn't.
fn resumes(
    lines: &[Line<'_>],
    fates: &[Option<Fate>],
    prose: &[usize],
    label: usize,
) -> Option<usize> {
    let before = prose.iter().take_while(|p| **p < label).filter_map(|p| lines.get(*p));
    let topic = Topic::of(before.map(|l| l.text));
    // A box of one line ends with it.
    if lines.get(label).is_some_and(is_link)
        && prose.contains(&(label + 1))
        && lines.get(label + 1).is_some_and(|l| !l.truncated && !l.bullet && l.weight > 90)
    {
        return Some(label + 1);
    }
    let mut from = label;
    let first = loop {
        let until = (from + 1..lines.len())
            .find(|i| lines.get(*i).is_some_and(ends_article))
            .unwrap_or(lines.len());
        // Below comments and their rules there is nothing of the article any more.
        if lines.get(from).is_some_and(begins_comments) {
            return None;
        }
        let stretch: Vec<usize> = prose
            .iter()
            .copied()
            .filter(|i| *i > from && *i < until)
            .filter(|i| lines.get(*i).is_some_and(|l| !l.truncated && !l.bullet))
            .collect();
        let of_stretch = || stretch.iter().filter_map(|i| lines.get(*i));
        let share =
            of_stretch().map(|l| topic.share(l.text, false)).fold(Share::default(), |a, b| a + b);
        let stated = |i: &usize| {
            lines
                .get(*i)
                .is_some_and(|l| l.weight > 130 || !l.text.ends_with(['?', '!', '？', '！']))
        };
        if let Some(first) = stretch.iter().copied().find(stated)
            && share.goes_on()
            && of_stretch().map(|l| l.weight).sum::<usize>() >= 60
        {
            break first;
        }
        if until == lines.len() {
            return None;
        }
        from = until;
    };
    if lines.get(from).is_some_and(is_link) && first - from <= 4 {
        return Some(from + 1);
    }
    // Short sentences, a list and a question right before the first long text belong to it.
    let open = |i: usize| fates.get(i).is_some_and(Option::is_none);
    let belongs = |i: usize| {
        lines.get(i).is_some_and(|l| {
            (l.sentence && !l.bullet && !l.truncated)
                || breaks_off(l)
                || (l.bullet && list_head(lines, i).is_some_and(breaks_off))
        })
    };
    let mut at = first;
    while at > from + 1 && open(at - 1) && belongs(at - 1) {
        at -= 1;
    }
    Some(at)
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
