//! The visible text of a page, a block a line, with a map back to the page's bytes.
//!
//! Which of it is the article is for readability (Mozilla's algorithm, through `dom_smoothie`) to
//! say. That library gives text without offsets, so every line is marked with characters that no
//! page has, and those that come out again are the article.

use std::collections::HashSet;

use html5gum::{DefaultEmitter, Token, Tokenizer};

use super::{offsets::OffsetMap, read::Hint};

/// Begins a mark; digits are the ten characters after it. Supplementary private use area A.
const MARK: char = '\u{F0100}';
/// Pages beyond this size aren't given to readability; the rules for plain text decide alone.
const READABILITY_LIMIT: usize = 8 << 20;

/// What a line of the page is made of.
#[derive(Default)]
struct Line {
    text: String,
    map: Vec<(usize, usize, usize, usize)>,
    hint: Hint,
    /// Where in the decoded page the line's text begins.
    begins: usize,
}

impl Line {
    fn push(&mut self, at: usize, text: &str, source: usize) {
        if self.text.is_empty() {
            self.begins = at;
        }
        self.text.push_str(text);
        if text.len() == source {
            self.map.push((at, 1, 1, text.len()));
        } else {
            self.map.push((at, text.len(), source, 1));
        }
    }
}

/// The page's text a block a line, the map of that text to the file, and a hint for every line.
/// `map` maps `page` to the file.
pub fn visible(page: &str, map: &OffsetMap) -> (String, OffsetMap, Vec<Hint>) {
    let mut lines = lines(page);
    mark_article(page, &mut lines);
    let (mut text, mut whole, mut hints) = (String::new(), OffsetMap::default(), Vec::new());
    for line in lines {
        if !text.is_empty() {
            text.push('\n');
            // The break between blocks stands for no byte; it lies where the line begins.
            whole.push(map.file_start(line.begins), 1, 0, 1);
        }
        for (at, text_unit, source_unit, count) in line.map {
            if text_unit == source_unit {
                whole.extend(map, at..at + count);
            } else {
                let (from, to) = (map.file_start(at), map.file_end(at + source_unit));
                whole.push(from, text_unit, to - from, 1);
            }
        }
        text.push_str(&line.text);
        hints.push(line.hint);
    }
    (text, whole, hints)
}

fn lines(page: &str) -> Vec<Line> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    emitter.naively_switch_states(true);
    let mut lines: Vec<Line> = Vec::new();
    let mut line = Line::default();
    let mut hint = Hint::default();
    let mut hidden = 0usize;
    let mut body = false;
    let Ok(tokens) = Tokenizer::new_with_emitter(page, emitter).collect::<Result<Vec<_>, _>>();
    for token in tokens {
        match token {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if is_hidden(&name) && !tag.self_closing {
                    hidden += 1;
                }
                body |= name == "body";
                if !is_inline(&name) {
                    lines.extend(finish(&mut line, hint));
                    match name.as_bytes() {
                        [b'h', level @ b'1'..=b'6'] => hint.heading = Some(level - b'0'),
                        b"li" => hint.list_item = true,
                        b"p" | b"div" => hint.heading = None,
                        b"title" => hint.head = !body,
                        b"figcaption" | b"address" => hint.aside = true,
                        _ => {}
                    }
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if is_hidden(&name) {
                    hidden = hidden.saturating_sub(1);
                }
                if !is_inline(&name) {
                    lines.extend(finish(&mut line, hint));
                    match name.as_bytes() {
                        [b'h', b'1'..=b'6'] => hint.heading = None,
                        b"li" | b"ul" | b"ol" => hint.list_item = false,
                        b"title" | b"head" => hint.head = false,
                        b"figcaption" | b"address" => hint.aside = false,
                        _ => {}
                    }
                }
            }
            Token::String(string) if hidden == 0 => {
                let raw = page.get(string.span.start..string.span.end).unwrap_or_default();
                push_text(&mut line, string.span.start, raw);
            }
            _ => {}
        }
    }
    lines.extend(finish(&mut line, hint));
    lines
}

/// Elements whose text nobody sees. `noscript` repeats what scripts show.
fn is_hidden(name: &str) -> bool {
    matches!(name, "script" | "style" | "template" | "noscript" | "svg" | "iframe" | "select")
}

/// Elements that stand inside a line (HTML Living Standard, phrasing content).
fn is_inline(name: &str) -> bool {
    matches!(
        name,
        "a" | "abbr"
            | "b"
            | "bdi"
            | "bdo"
            | "cite"
            | "code"
            | "data"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "img"
            | "ins"
            | "del"
            | "kbd"
            | "label"
            | "mark"
            | "q"
            | "ruby"
            | "rt"
            | "rp"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "u"
            | "var"
            | "wbr"
            | "picture"
            | "source"
            | "script"
            | "style"
            | "noscript"
    )
}

/// Appends text as a browser shows it: white space collapsed, character references resolved.
fn push_text(line: &mut Line, start: usize, raw: &str) {
    let mut at = 0;
    while let Some(c) = raw.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = raw.get(at..).unwrap_or_default();
        let (text, length) = if c.is_ascii_whitespace() {
            let length =
                rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
            let again = line.text.is_empty() || line.text.ends_with(' ');
            (if again { String::new() } else { " ".into() }, length)
        } else if c == '&' {
            let length = reference_length(rest);
            (resolve(rest.get(..length).unwrap_or("&")), length)
        } else {
            let length =
                rest.find(|c: char| c == '&' || c.is_ascii_whitespace()).unwrap_or(rest.len());
            (rest.get(..length).unwrap_or_default().to_owned(), length)
        };
        if !text.is_empty() {
            line.push(start + at, &text, length);
        }
        at += length.max(1);
    }
}

/// Bytes of the character reference that `rest` begins with; 1 if it is a plain ampersand.
fn reference_length(rest: &str) -> usize {
    let name = rest.get(1..).unwrap_or_default();
    let length =
        name.bytes().take(32).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    if length > 0 && name.as_bytes().get(length) == Some(&b';') { length + 2 } else { 1 }
}

fn resolve(reference: &str) -> String {
    let Ok(tokens) = Tokenizer::new(reference).collect::<Result<Vec<_>, _>>();
    tokens
        .into_iter()
        .filter_map(|token| match token {
            Token::String(s) => Some(String::from_utf8_lossy(&s).into_owned()),
            _ => None,
        })
        .collect()
}

fn finish(line: &mut Line, hint: Hint) -> Option<Line> {
    let mut done = std::mem::take(line);
    if done.text.trim().is_empty() {
        return None;
    }
    done.hint = hint;
    Some(done)
}

/// Asks readability which lines are the article.
fn mark_article(page: &str, lines: &mut [Line]) {
    if page.len() > READABILITY_LIMIT {
        return;
    }
    let mut marked = String::with_capacity(page.len() + lines.len() * 16);
    let mut copied = 0;
    for (number, line) in lines.iter().enumerate() {
        marked.push_str(page.get(copied..line.begins).unwrap_or_default());
        copied = line.begins;
        if !line.hint.head {
            marked.push(MARK);
            marked.extend(
                number
                    .to_string()
                    .bytes()
                    .filter_map(|d| char::from_u32(u32::from(MARK) + 1 + u32::from(d - b'0'))),
            );
            marked.push(MARK);
        }
    }
    marked.push_str(page.get(copied..).unwrap_or_default());
    let config = dom_smoothie::Config { max_elements_to_parse: 200_000, ..Default::default() };
    let Ok(article) = dom_smoothie::Readability::new(marked, None, Some(config))
        .and_then(|mut readability| readability.parse())
    else {
        return;
    };
    let found: HashSet<usize> = article
        .text_content
        .split(MARK)
        .filter_map(|part| {
            let digits: Option<String> = part
                .chars()
                .map(|c| char::from_digit(u32::from(c).checked_sub(u32::from(MARK) + 1)?, 10))
                .collect();
            digits?.parse().ok()
        })
        .collect();
    if found.is_empty() {
        return;
    }
    for (number, line) in lines.iter_mut().enumerate() {
        line.hint.article = Some(found.contains(&number));
    }
}
