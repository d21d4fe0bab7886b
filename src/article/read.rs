//! Bytes to decoded text, with a map back to the file's bytes.

use super::{html, offsets::OffsetMap};
use crate::{
    Span,
    error::{Error, Result},
    sha256,
};

/// The character encoding that a file was decoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without byte order mark.
    Utf8,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// GB18030 and with it GBK and GB2312.
    Gb18030,
    /// Big5.
    Big5,
    /// Windows-1252, and with it Latin-1.
    Windows1252,
}

impl Encoding {
    /// The name that goes into the brief.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Gb18030 => "gb18030",
            Encoding::Big5 => "big5",
            Encoding::Windows1252 => "windows-1252",
        }
    }
}

/// How a file's text is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// Not at all: a line is a paragraph, a heading or something else.
    Plain,
    /// Markdown.
    Markdown,
    /// HTML.
    Html,
}

/// What HTML says of a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hint {
    /// Whether readability takes it for the article; `None` if it found no article.
    pub article: Option<bool>,
    /// Level of a heading element, 1 to 6.
    pub heading: Option<u8>,
    /// Whether it stands in a list item.
    pub list_item: bool,
    /// Whether it stands in the page's head, e.g. `<title>`.
    pub head: bool,
    /// Whether it stands in a caption, a time or an address.
    pub aside: bool,
}

/// A file and its decoded text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as the user gave it, or `-`.
    pub path: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Lower-case hex SHA-256 of `bytes`.
    pub sha256: String,
    /// How it was decoded.
    pub encoding: Encoding,
    /// How its text is marked up.
    pub markup: Markup,
    /// Bytes that could not be decoded; U+FFFD stands for them in `text`.
    pub broken: usize,
    /// The decoded text; of HTML, what a reader sees, a block a line.
    pub text: String,
    /// For HTML, what the page says of each line of `text`.
    pub hints: Vec<Hint>,
    map: OffsetMap,
}

/// Decodes a file's bytes.
///
/// # Errors
/// [`Error::Article`] for empty and binary files and for bytes in no known encoding.
pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Result<Source> {
    let refuse = |reason: &str, hint: &'static str| Error::Article {
        path: path.to_owned(),
        reason: reason.to_owned(),
        hint,
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("the file is empty", "give a file that holds an article's text"));
    }
    if let Some(kind) = binary_kind(&bytes) {
        return Err(refuse(
            &format!("this is {kind}, not text"),
            "save the article's text as .txt, .md or .html first",
        ));
    }
    let Decoded { encoding, text, map, broken } = decode(&bytes).ok_or_else(|| {
        refuse(
            "the bytes are not text in UTF-8, UTF-16, GB18030, Big5 or Windows-1252",
            "convert the file to UTF-8",
        )
    })?;
    let markup = markup(path, &text);
    let (text, map, hints) = match markup {
        Markup::Html => html::visible(&text, &map),
        Markup::Plain | Markup::Markdown => (text, map, Vec::new()),
    };
    if text.trim().is_empty() {
        return Err(refuse("the page holds no text", "save the page again once it has loaded"));
    }
    let sha256 = sha256::of(&bytes);
    Ok(Source { path: path.to_owned(), bytes, sha256, encoding, markup, broken, text, hints, map })
}

impl Source {
    /// The decoded text at `span` of the file; for HTML, with tags removed and entities resolved.
    #[must_use]
    pub fn text_at(&self, span: Span) -> String {
        let range = self.map.text_range(span.start, span.end);
        let mut text = self.text.get(range).unwrap_or_default().to_owned();
        if self.markup == Markup::Html {
            // Between two blocks of a page there is no byte of text, only markup.
            text = text.replace('\n', " ");
        }
        text
    }

    /// The range of [`Source::text`] that comes from `span` of the file.
    #[must_use]
    pub fn text_range(&self, span: Span) -> std::ops::Range<usize> {
        self.map.text_range(span.start, span.end)
    }

    /// The span of the file that the text at `range` comes from.
    #[must_use]
    pub fn span_of(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.map.file_start(range.start), self.map.file_end(range.end))
    }
}

/// Names a file that isn't text by its first bytes.
fn binary_kind(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 9] = [
        (b"%PDF", "a PDF file"),
        (b"PK\x03\x04", "a ZIP archive or an office document"),
        (b"\x89PNG", "a PNG image"),
        (b"\xFF\xD8\xFF", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"\x1F\x8B", "a gzip archive"),
        (b"\x7FELF", "a program"),
        (b"GGUF", "a model file"),
        (b"\xD0\xCF\x11\xE0", "an office document"),
    ];
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, kind)| *kind).or_else(|| {
        let head = bytes.get(..4_096).unwrap_or(bytes);
        let controls =
            head.iter().filter(|b| matches!(b, 0..=8 | 0x0E..=0x1A | 0x1C..=0x1F)).count();
        (utf16(bytes).is_none() && (head.contains(&0) || controls * 20 > head.len()))
            .then_some("a binary file")
    })
}

/// Recognises UTF-16 by its mark, or by where its zero bytes stand.
fn utf16(bytes: &[u8]) -> Option<(Encoding, usize)> {
    match bytes {
        [0xFF, 0xFE, ..] => return Some((Encoding::Utf16Le, 2)),
        [0xFE, 0xFF, ..] => return Some((Encoding::Utf16Be, 2)),
        _ => {}
    }
    let head = bytes.get(..4_096.min(bytes.len() / 2 * 2))?;
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), head.len() / 2);
    if pairs >= 8 && odd * 5 > pairs && even * 50 < pairs {
        Some((Encoding::Utf16Le, 0))
    } else if pairs >= 8 && even * 5 > pairs && odd * 50 < pairs {
        Some((Encoding::Utf16Be, 0))
    } else {
        None
    }
}

struct Decoded {
    encoding: Encoding,
    text: String,
    map: OffsetMap,
    /// Bytes that are not of that encoding.
    broken: usize,
}

fn decode(bytes: &[u8]) -> Option<Decoded> {
    if let Some((encoding, skip)) = utf16(bytes) {
        return decode_utf16(bytes, encoding, skip);
    }
    let skip = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let body = bytes.get(skip..).unwrap_or_default();
    if let Ok(text) = std::str::from_utf8(body) {
        let map = OffsetMap::identity(skip, text.len());
        return Some(Decoded { encoding: Encoding::Utf8, text: text.into(), map, broken: 0 });
    }
    // A download that breaks off, or one stray byte, doesn't make a UTF-8 file anything else; and
    // bytes of other encodings hardly ever look like UTF-8's sequences.
    let decoded = decode_utf8_lossy(body, skip);
    let sequences = decoded.text.chars().filter(|c| !c.is_ascii()).count();
    let holes = decoded.text.matches(char::REPLACEMENT_CHARACTER).count();
    if skip == 3 || holes * 5 <= sequences {
        return Some(decoded);
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Deny);
    detector.feed(body.get(..65_536).unwrap_or(body), body.len() <= 65_536);
    let guess = detector.guess(None, chardetng::Utf8Detection::Allow);
    let encoding = match guess.name() {
        "GBK" | "gb18030" => Encoding::Gb18030,
        "Big5" => Encoding::Big5,
        "windows-1252" | "ISO-8859-15" | "windows-1250" | "windows-1254" => Encoding::Windows1252,
        _ => return None,
    };
    decode_legacy(bytes, encoding)
}

/// UTF-8 with U+FFFD in the place of what isn't.
fn decode_utf8_lossy(bytes: &[u8], skip: usize) -> Decoded {
    let (mut text, mut map) = (String::new(), OffsetMap::default());
    let (mut at, mut broken) = (skip, 0);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        map.push(at, 1, 1, chunk.valid().len());
        at += chunk.valid().len();
        let invalid = chunk.invalid().len();
        if invalid > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
            map.push(at, 3, invalid, 1);
            at += invalid;
            broken += invalid;
        }
    }
    Decoded { encoding: Encoding::Utf8, text, map, broken }
}

fn decode_utf16(bytes: &[u8], encoding: Encoding, skip: usize) -> Option<Decoded> {
    let (units, rest) = bytes.get(skip..)?.as_chunks::<2>();
    let units = units.iter().map(|pair| match encoding {
        Encoding::Utf16Be => u16::from_be_bytes(*pair),
        _ => u16::from_le_bytes(*pair),
    });
    let (mut text, mut map, mut at) = (String::new(), OffsetMap::default(), skip);
    let mut broken = rest.len();
    for unit in char::decode_utf16(units) {
        broken += if unit.is_err() { 2 } else { 0 };
        let c = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
        let file = 2 * c.len_utf16();
        text.push(c);
        map.push(at, c.len_utf8(), file, 1);
        at += file;
    }
    Some(Decoded { encoding, text, map, broken })
}

/// Decodes a legacy encoding character by character, so that each one's bytes are known. `None`
/// if more than a hundredth of it is broken.
fn decode_legacy(bytes: &[u8], encoding: Encoding) -> Option<Decoded> {
    let codec = match encoding {
        Encoding::Gb18030 => encoding_rs::GB18030,
        Encoding::Big5 => encoding_rs::BIG5,
        _ => encoding_rs::WINDOWS_1252,
    };
    let (mut text, mut map) = (String::new(), OffsetMap::default());
    let (mut at, mut broken) = (0, 0);
    while let Some(&lead) = bytes.get(at) {
        let second = bytes.get(at + 1).copied();
        let length = match (encoding, lead, second) {
            (_, 0..=0x7F, _) | (Encoding::Windows1252, ..) | (_, _, None) => 1,
            (Encoding::Gb18030, _, Some(b'0'..=b'9')) => 4,
            (_, _, Some(0..=0x3F)) => 1,
            _ => 2,
        };
        let unit = bytes.get(at..(at + length).min(bytes.len())).unwrap_or_default();
        if lead < 0x80 {
            text.push(char::from(lead));
            map.push(at, 1, 1, 1);
        } else {
            let (decoded, had_errors) = codec.decode_without_bom_handling(unit);
            broken += if had_errors { unit.len() } else { 0 };
            text.push_str(&decoded);
            map.push(at, decoded.len(), unit.len(), 1);
        }
        at += unit.len();
    }
    (broken * 100 <= bytes.len()).then_some(Decoded { encoding, text, map, broken })
}

fn markup(path: &str, text: &str) -> Markup {
    let path = path.to_lowercase();
    if path.ends_with(".html") || path.ends_with(".htm") {
        return Markup::Html;
    }
    if path.ends_with(".md") {
        return Markup::Markdown;
    }
    let head: String = text.trim_start().chars().take(1_000).collect::<String>().to_lowercase();
    if head.starts_with("<!doctype html") || head.starts_with("<html") || head.contains("<body") {
        Markup::Html
    } else {
        Markup::Plain
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn read(bytes: &[u8]) -> Source {
        from_bytes("article.txt", bytes.to_vec()).unwrap()
    }

    fn reason(bytes: &[u8]) -> String {
        from_bytes("article.txt", bytes.to_vec()).unwrap_err().to_string()
    }

    const CHINESE: &str =
        "俄罗斯总统普京13日在东方航天发射场与朝鲜最高领导人举行会谈，双方讨论了军事技术合作。";
    const TAIWAN: &str =
        "中央氣象署表示，今天各地天氣穩定，白天氣溫約二十八度，請民眾注意防曬與補充水分。";
    const GERMAN: &str =
        "Die Größe der Löhne überraschte die Gewerkschaften in München – „völlig“.";

    #[test]
    fn every_encoding_is_recognised_and_maps_back_to_its_bytes() {
        let gb = encoding_rs::GB18030.encode(CHINESE).0;
        let big5 = encoding_rs::BIG5.encode(TAIWAN).0;
        let latin = encoding_rs::WINDOWS_1252.encode(GERMAN).0;
        let utf16 = |bom: &[u8], be: bool| -> Vec<u8> {
            let units = GERMAN.encode_utf16();
            bom.iter()
                .copied()
                .chain(units.flat_map(|u| if be { u.to_be_bytes() } else { u.to_le_bytes() }))
                .collect()
        };
        let cases: Vec<(Vec<u8>, Encoding, &str)> = vec![
            (CHINESE.as_bytes().to_vec(), Encoding::Utf8, CHINESE),
            ([b"\xEF\xBB\xBF", GERMAN.as_bytes()].concat(), Encoding::Utf8, GERMAN),
            (gb.to_vec(), Encoding::Gb18030, CHINESE),
            (big5.to_vec(), Encoding::Big5, TAIWAN),
            (latin.to_vec(), Encoding::Windows1252, GERMAN),
            (utf16(b"\xFF\xFE", false), Encoding::Utf16Le, GERMAN),
            (utf16(b"\xFE\xFF", true), Encoding::Utf16Be, GERMAN),
            (utf16(b"", false), Encoding::Utf16Le, GERMAN),
        ];
        for (bytes, encoding, text) in cases {
            let source = read(&bytes);
            assert_eq!(source.encoding, encoding, "{text}");
            assert_eq!(source.text, text);
            for (at, c) in text.char_indices() {
                let span = source.span_of(at..at + c.len_utf8());
                assert_eq!(source.text_at(span), c.to_string(), "{encoding:?} at {at}");
            }
        }
    }

    #[test]
    fn a_cut_or_damaged_utf8_file_stays_utf8() {
        let mut cut = CHINESE.as_bytes().to_vec();
        cut.truncate(cut.len() - 1);
        let source = read(&cut);
        assert_eq!(source.encoding, Encoding::Utf8);
        assert!(source.text.ends_with('\u{FFFD}'));
        assert_eq!(source.span_of(0..source.text.len()), Span::new(0, cut.len()));
    }

    #[test]
    fn what_is_not_text_is_named() {
        assert!(reason(b"").contains("empty"));
        assert!(reason(b" \n\t ").contains("empty"));
        assert!(reason(b"%PDF-1.7 ...").contains("a PDF file"));
        assert!(reason(b"\x00\x01\x02\x03 data").contains("a binary file"));
    }

    #[test]
    fn html_is_read_as_its_reader_sees_it() {
        let page = "<html><head><title>T</title></head><body><p>Die <b>AT&amp;T</b>-Zahlen \
                    stiegen&nbsp;um 3&thinsp;%.</p></body></html>";
        let source = from_bytes("page.html", page.into()).unwrap();
        let line = source.text.lines().nth(1).unwrap().to_owned();
        assert_eq!(line, "Die AT&T-Zahlen stiegen\u{a0}um 3\u{2009}%.");
        let at = source.text.find("AT&T").unwrap();
        let span = source.span_of(at..at + 4);
        assert_eq!(&page[span.start..span.end], "AT&amp;T");
        assert_eq!(source.text_at(span), "AT&T");
    }
}
