//! Kept blocks to sentences with exact byte spans.
//!
//! A boundary is found by rules for each language: the stop, what closes after it, and what keeps
//! it from being one (abbreviations, ordinals, decimals, initials, addresses).

use super::abbreviations::{
    abbreviates_bengali, abbreviates_german, abbreviates_latin, is_initial,
};
use super::{Block, BlockKind, Sentence, Source, read::Markup};
use crate::Language;

/// Characters from which a sentence is cut at a weaker mark, so that nothing downstream has to
/// deal with a file that is one endless line.
const LONG: usize = 400;
/// Characters that no sentence exceeds.
const LONGEST: usize = 600;

/// The kept blocks in sentences with their byte spans, `s1`, `s2`, … in reading order.
#[must_use]
pub fn sentences(source: &Source, blocks: &[Block], language: Language) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let kept = blocks.iter().enumerate().filter(|(_, b)| b.kept && b.kind != BlockKind::Metadata);
    for (index, block) in kept {
        let mut range = source.text_range(block.span);
        range.start += marker(source.text.get(range.clone()).unwrap_or_default(), source, block);
        let text = source.text.get(range.clone()).unwrap_or_default();
        let whole = matches!(block.kind, BlockKind::Title | BlockKind::Heading);
        let pieces = if whole { limited(text, 0..text.len()) } else { split(text, language) };
        for piece in pieces {
            let piece = trimmed(text, piece);
            if !text.get(piece.clone()).is_some_and(|t| t.chars().any(char::is_alphanumeric)) {
                continue;
            }
            let span = source.span_of(range.start + piece.start..range.start + piece.end);
            sentences.push(Sentence {
                id: format!("s{}", sentences.len() + 1),
                span,
                text: source.text_at(span),
                block: index,
                kind: block.kind,
            });
        }
    }
    sentences
}

/// Bytes of the mark before a heading, list item or quotation: `## `, `- `, `• `, `> `.
fn marker(text: &str, source: &Source, block: &Block) -> usize {
    let marks: &[char] = match (source.markup, block.kind) {
        (_, BlockKind::ListItem) => &['-', '–', '•', '*', '·', '▪', '■', '●', '►', '▶', '+'],
        (Markup::Markdown, BlockKind::Title | BlockKind::Heading) => &['#'],
        (Markup::Markdown, BlockKind::Paragraph) => &['>'],
        _ => return 0,
    };
    let rest = text.trim_start_matches(marks);
    if rest.len() == text.len() || !rest.starts_with(char::is_whitespace) {
        return 0;
    }
    text.len() - rest.trim_start().len()
}

/// Whether what follows a closed quotation only says who spoke: 他說。 তিনি বলেন।
fn says_who(rest: &str, language: Language) -> bool {
    if language == Language::Bengali {
        const VERBS: &[&str] = &[
            "বলেন",
            "বলেছেন",
            "বললেন",
            "বলেছিলেন",
            "বলে",
            "জানান",
            "জানালেন",
            "জানিয়েছেন",
            "জানিয়েছেন",
            "প্রশ্ন",
        ];
        let clause: String = rest.chars().take_while(|c| !is_stop(*c, language)).take(61).collect();
        let mut words = clause.split_whitespace();
        return clause.chars().count() <= 60
            && !clause.contains(',')
            && (words.clone().take(2).any(|w| VERBS.contains(&w))
                || words.next_back().is_some_and(|w| VERBS.contains(&w)));
    }
    const VERBS: &[&str] =
        &["說", "说", "稱", "称", "表示", "問", "问", "道", "指出", "強調", "强调"];
    // 教練說，「…」 goes on with the quotation.
    let clause: String = rest
        .chars()
        .take_while(|c| !is_stop(*c, language) && !matches!(c, '，' | ',' | '：' | ':'))
        .take(31)
        .collect();
    let next: String = rest.chars().skip(clause.chars().count()).take(2).collect();
    let ends = next.is_empty()
        || next.starts_with(|c| is_stop(c, language))
        || next.ends_with(['「', '“', '『', '"']);
    let length = clause.chars().count();
    length <= 30 && ends && VERBS.iter().any(|v| clause.trim_end().ends_with(v))
}

/// Whether the stop stands in brackets or in a book's title that the sentence opened: 《快跑！》,
/// （詳見第三版。）.
fn is_inside(before: &str, marks: &str) -> bool {
    let opened = |open: char, close: char| {
        let count = |c| before.matches(c).count();
        count(open) > count(close)
    };
    if opened('《', '》') || opened('〈', '〉') {
        return true;
    }
    // A bracket that the sentence opens after its first words belongs to it whole.
    let bracket = [('（', '）'), ('(', ')')].into_iter().any(|(open, close)| {
        opened(open, close) && before.split(open).next().is_some_and(|lead| !lead.trim().is_empty())
    });
    bracket
        || (opened('「', '」')
            && opened('『', '』')
            && marks.contains('』')
            && !marks.contains('」'))
}

/// Whether a quoted question or cry is a part of the sentence around it, rather than said by
/// somebody: 高喊着“加油！”跑过终点, ছবি ‘তুমি কে?’ মুক্তি পাবে.
fn is_mentioned(stop: &Stop<'_>) -> bool {
    const PREDICATES: &[&str] = &["成", "是", "的", "引發", "引发", "已", "也", "曾", "這", "这"];
    if !stop.stops.starts_with(['!', '?', '！', '？'])
        || !stop.marks.ends_with(['”', '」', '’', '》'])
    {
        return false;
    }
    // The outermost of the quotations that end here.
    let closers = stop.marks.chars().filter(|c| matches!(c, '”' | '」' | '’' | '』')).count();
    let opened = stop.before.char_indices().rev().filter(|(_, c)| "“「‘『".contains(*c));
    let Some((open, _)) = opened.take(closers).last() else { return false };
    let lead = stop.before.get(..open).unwrap_or("").trim_end();
    let spoken = lead.is_empty() || lead.ends_with([':', '：', ',', '，', '।', '。', '；']);
    if lead.is_empty() {
        return PREDICATES.iter().any(|p| stop.after.starts_with(p));
    }
    !spoken && stop.before.get(open..).is_some_and(|quote| quote.chars().count() <= 16)
}

/// The sentences of one paragraph, as byte ranges that cover it.
#[must_use]
pub fn split(text: &str, language: Language) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_stop(c, language) {
            continue;
        }
        // Several stops, and what closes after them, belong to the sentence.
        let mut end = at + c.len_utf8();
        let mut stops = String::from(c);
        while let Some((next, n)) = chars.peek().copied() {
            if is_stop(n, language) {
                stops.push(n);
            } else if !is_closer(n, text.get(start..next).unwrap_or_default()) {
                break;
            }
            end = next + n.len_utf8();
            chars.next();
        }
        let stop = Stop {
            before: text.get(recent(text, start, at)..at).unwrap_or(""),
            marks: text.get(at..end).unwrap_or(""),
            stops: &stops,
            after: text.get(end..).unwrap_or(""),
        };
        if is_boundary(&stop, language) {
            pieces.extend(limited(text, start..end));
            start = end;
        }
    }
    if start < text.len() {
        pieces.extend(limited(text, start..text.len()));
    }
    pieces
}

fn is_stop(c: char, language: Language) -> bool {
    match c {
        '.' | '!' | '?' | '…' => true,
        '。' | '！' | '？' | '｡' | '．' => language.is_chinese(),
        '।' | '॥' | '|' => language == Language::Bengali,
        _ => false,
    }
}

/// Whether `c` closes something that was opened in the sentence; a straight quote closes if an odd
/// number of them came before.
fn is_closer(c: char, sentence: &str) -> bool {
    match c {
        '”' | '’' | ')' | '）' | '」' | '』' | ']' | '】' | '›' | '》' | '〉' => true,
        '“' => sentence.contains('„'),
        '‘' => sentence.contains('‚'),
        '«' => sentence.contains('»'),
        '»' => sentence.contains('«'),
        '"' | '\'' => sentence.matches(c).count() % 2 == 1,
        _ => false,
    }
}

/// Where to begin looking back from `at`: at `start`, or later in text without end.
fn recent(text: &str, start: usize, at: usize) -> usize {
    const BYTES: usize = 3_000;
    (start.max(at.saturating_sub(BYTES))..=at).find(|i| text.is_char_boundary(*i)).unwrap_or(at)
}

/// A place where a sentence may end.
struct Stop<'a> {
    /// The sentence up to it.
    before: &'a str,
    /// The stop or stops and what closes after them.
    marks: &'a str,
    /// The stops alone.
    stops: &'a str,
    /// The rest of the paragraph.
    after: &'a str,
}

fn is_boundary(stop: &Stop<'_>, language: Language) -> bool {
    let Stop { before, marks, stops, after } = *stop;
    let closed = marks.len() > stops.len();
    let rest = after.trim_start();
    if rest.is_empty() {
        return true;
    }
    // "1. …": the number of a point in running text.
    let number = before.trim();
    if !number.is_empty() && number.chars().count() <= 2 && number.chars().all(char::is_numeric) {
        return false;
    }
    if language != Language::German && (is_inside(before, marks) || is_mentioned(stop)) {
        return false;
    }
    let spaced = after.starts_with(char::is_whitespace);
    let next = rest.chars().next().unwrap_or(' ');
    if closed && language != Language::German && says_who(rest, language) {
        return false;
    }
    if stops.contains(['。', '！', '？', '｡', '।', '॥', '|']) {
        // 。。。 is how some write an ellipsis.
        if stops.chars().filter(|c| *c == '。').count() >= 3 {
            return closed;
        }
        // A sentence may go on after its quotation: “…。”，并称…
        return !matches!(next, '，' | ',' | '、' | '；' | ';' | '：' | ':' | '—' | '–' | '-');
    }
    if language.is_chinese() {
        // Half-width stops are stops only where Chinese text stands before or after them.
        let last = before.chars().next_back().unwrap_or(' ');
        let number = last.is_ascii_digit() && next.is_ascii_digit();
        let latin = last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() && !spaced;
        if stops.starts_with('…') {
            return closed;
        }
        let initial =
            last.is_ascii_alphabetic() && (is_initial(before) || abbreviates_latin(before));
        let goes_on = matches!(next, '，' | ',' | '、');
        return !(number || latin || initial || goes_on);
    }
    if !spaced && !closed {
        return false;
    }
    if matches!(next, ',' | ';' | ':' | '–' | '—' | '-' | '…') {
        return false;
    }
    // The place line of an agency report, "BERLIN." or "WIEN/LINZ.", belongs to what follows.
    let place = before.trim();
    if stops == "."
        && place.chars().count() > 3
        && place.chars().count() <= 40
        && place.chars().all(|c| c.is_uppercase() || matches!(c, ' ' | '/' | '-' | '.'))
    {
        return false;
    }
    let strong = stops.contains(['!', '?']);
    match language {
        Language::Bengali => {
            !abbreviates_bengali(before, stops) && (strong || stops == "." || closed)
        }
        _ => {
            // A German sentence begins with a capital, a digit or an opening mark.
            let opens = next.is_uppercase()
                || is_brand(rest)
                || next.is_numeric()
                || matches!(
                    next,
                    '„' | '“' | '"' | '»' | '«' | '(' | '‚' | '\'' | '”' | '[' | '–' | '•'
                );
            if strong || stops.contains('…') || stops.len() > 1 {
                return opens && !(closed && attributes(rest));
            }
            opens && !abbreviates_german(before, rest)
        }
    }
}

/// After a closed quotation: `„…!“, sagte er` is handled by the comma; `„…!“ (lacht)` by this.
fn attributes(rest: &str) -> bool {
    rest.starts_with('(')
}

/// A name written like iPhone or eBay may begin a sentence.
fn is_brand(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next().is_some_and(char::is_lowercase) && chars.next().is_some_and(char::is_uppercase)
}

fn trimmed(text: &str, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let piece = text.get(range.clone()).unwrap_or_default();
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\u{200B}' | '\0');
    let start = range.start + (piece.len() - piece.trim_start_matches(blank).len());
    start..(start + piece.trim_matches(blank).len())
}

/// Cuts a sentence that is far too long: at a semicolon or comma, else at a space, else anywhere.
fn limited(text: &str, range: std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    loop {
        let rest = text.get(start..range.end).unwrap_or_default();
        let Some((limit, _)) = rest.char_indices().nth(LONGEST) else {
            pieces.push(start..range.end);
            return pieces;
        };
        let from = rest.char_indices().nth(LONG).map_or(0, |(at, _)| at);
        let window = rest.get(from..limit).unwrap_or_default();
        let cut = [&['；', ';'][..], &['，', ',', '、', ':', '：'], &[' ', '\u{a0}', '\t']]
            .iter()
            .find_map(|marks| {
                window
                    .char_indices()
                    .rfind(|(_, c)| marks.contains(c))
                    .map(|(at, c)| at + c.len_utf8())
            })
            .map_or(limit, |at| from + at);
        pieces.push(start..start + cut);
        start += cut;
    }
}
