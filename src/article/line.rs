//! A line of the decoded text, and what can be seen of it alone.

use super::{Source, dates, phrases, read::Hint};

/// A line of the decoded text with what can be seen of it alone.
pub(super) struct Line<'a> {
    pub(super) range: std::ops::Range<usize>,
    pub(super) text: &'a str,
    pub(super) lower: String,
    pub(super) key: String,
    pub(super) hint: Hint,
    /// Length in letters of an alphabet: a Chinese character counts for three.
    pub(super) weight: usize,
    pub(super) sentence: bool,
    pub(super) truncated: bool,
    pub(super) bullet: bool,
}

/// Weight from which a line can be a sentence of an article by itself.
const SENTENCE_WEIGHT: usize = 25;
/// Weight from which a line is text even if it ends in no full stop.
const LONG_WEIGHT: usize = 400;
/// Weight up to which a line can be a heading or a label.
pub(super) const LABEL_WEIGHT: usize = 140;

/// The key under which a line counts as repeated: letters and digits in lower case.
#[must_use]
pub fn line_key(line: &str) -> String {
    line.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

pub(super) fn lines(source: &Source) -> Vec<Line<'_>> {
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

pub(super) fn weight(text: &str) -> usize {
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
pub(super) fn breaks_off(line: &Line<'_>) -> bool {
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

pub(super) fn is_label(line: &Line<'_>) -> bool {
    line.weight <= LABEL_WEIGHT
}

/// A label that begins the part after the article.
pub(super) fn ends_article(line: &Line<'_>) -> bool {
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
pub(super) fn speaks_to_reader(line: &Line<'_>) -> bool {
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
pub(super) fn begins_comments(line: &Line<'_>) -> bool {
    const WORDS: &[&str] =
        &["kommentar", "comment", "মন্তব্য", "评论", "評論", "留言", "leserbrief", "netiquette"];
    WORDS.iter().any(|w| line.lower.contains(w))
}

/// The line before the list that the line at `i` is in.
pub(super) fn list_head<'a>(lines: &'a [Line<'a>], i: usize) -> Option<&'a Line<'a>> {
    (1..=12).filter_map(|back| lines.get(i.checked_sub(back)?)).find(|line| !line.bullet)
}

pub(super) fn addresses_reader(line: &Line<'_>) -> bool {
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
pub(super) fn is_credit(line: &Line<'_>) -> bool {
    line.weight <= 90 && phrases::PICTURE.iter().any(|p| line.lower.starts_with(p))
}

/// Share buttons, times of players, `A | B | C`: no words of an article.
pub(super) fn is_widget(line: &Line<'_>) -> bool {
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

pub(super) fn is_metadata(line: &Line<'_>) -> bool {
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
pub(super) fn is_prose(line: &Line<'_>) -> bool {
    (line.sentence || line.weight > LONG_WEIGHT)
        && line.weight >= SENTENCE_WEIGHT
        && !line.lower.starts_with("http")
        && line.text.chars().filter(|c| c.is_alphabetic()).count() * 2 > line.text.chars().count()
}

/// Whether a label and a headline stand in one line: "Lesen Sie auch: …".
pub(super) fn is_link(line: &Line<'_>) -> bool {
    line.text
        .split_once([':', '：', '】', '丨'])
        .is_some_and(|(_, headline)| weight(headline.trim()) >= 20)
}
