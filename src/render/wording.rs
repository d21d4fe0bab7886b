//! What the reader is told, in words, and text made fit to be shown.

use super::Brief;
use crate::{
    Language, Span,
    article::{Block, BlockKind},
    trace::{Support, Verdict},
    translate::{Flag, FlagKind},
};

/// The English name of a language tag; the tag itself if it isn't one of ours.
pub(super) fn language_name(tag: &str) -> &str {
    use Language::{Bengali, ChineseSimplified, ChineseTraditional, German};
    [German, ChineseTraditional, ChineseSimplified, Bengali]
        .into_iter()
        .find(|language| language.tag() == tag)
        .map_or(tag, |language| language.english_name())
}

/// A value for a `lang` attribute: the tag if it's shaped like one, else `und` (undetermined).
pub(super) fn lang_attribute(tag: &str) -> &str {
    let shaped = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if shaped && !tag.is_empty() { tag } else { "und" }
}

/// The file's name as the reader knows it.
pub(super) fn path_name(path: &str) -> &str {
    match path.trim() {
        "-" => "standard input",
        "" => "(no path)",
        path => path,
    }
}

/// At most `most` characters of a text, cut between words and then with an ellipsis.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.to_owned() };
    let fits = text.get(..end).unwrap_or(text);
    let words = fits.rsplit_once(char::is_whitespace).map_or(fits, |(words, _)| words);
    format!("{} …", words.trim_end_matches([',', ';', ':', '–', '-', ' ']))
}

/// `bytes 120–180`: the first byte and the one past the last, as in the JSON.
pub(super) fn place(span: Span) -> String {
    format!("bytes {}–{}", span.start, span.end)
}

/// The fault in two or three words.
pub(super) fn flag_name(kind: FlagKind) -> &'static str {
    match kind {
        FlagKind::Empty => "nothing was translated",
        FlagKind::NotEnglish => "not English",
        FlagKind::Untranslated => "not translated",
        FlagKind::Runaway => "runaway text",
        FlagKind::Refused => "the model answered instead of translating",
        FlagKind::TooLong => "too long for its source",
        FlagKind::TooShort => "too short for its source",
        FlagKind::NumberAdded => "number not in the source",
        FlagKind::NumberMissing => "number missing",
        FlagKind::Date => "date differs",
        FlagKind::Negation => "negation differs",
        FlagKind::Name => "name differs",
        FlagKind::Unrelated => "about something else",
    }
}

/// The fault with its details.
pub(super) fn flag(flag: &Flag) -> String {
    let name = flag_name(flag.kind);
    match flag.detail.trim() {
        "" => name.to_owned(),
        detail => format!("{name}: {detail}"),
    }
}

/// Several faults in one phrase.
pub(super) fn flags(found: &[Flag]) -> String {
    found.iter().map(flag).collect::<Vec<_>>().join("; ")
}

/// Why a sentence is to be doubted, if it is, with the verdict.
pub(super) fn doubt(support: &Support) -> Option<String> {
    let verdict = match support.verdict {
        Verdict::Supported => return None,
        Verdict::Partly => "partly supported by what it cites",
        Verdict::Unsupported => "not supported by what it cites",
    };
    Some(format!("{verdict}: {}", faults(support)?))
}

/// What is wrong with a sentence, if anything.
pub(super) fn faults(support: &Support) -> Option<String> {
    let signs = support.signs.iter().filter(|sign| sign.verdict != Verdict::Supported);
    let found: Vec<&str> = signs.filter_map(|sign| sign.detail.as_deref()).collect();
    let reason = if found.is_empty() { support.reason.clone() } else { found.join("; ") };
    (support.verdict != Verdict::Supported).then_some(reason)
}

/// A verdict as a mark; its word stands beside it.
pub(super) fn verdict_mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "✓",
        Verdict::Partly => "◐",
        Verdict::Unsupported => "✗",
    }
}

/// What was dropped at one place, in a line.
pub(super) fn dropped(blocks: &[&Block]) -> String {
    let bytes: usize = blocks.iter().map(|block| block.span.len()).sum();
    let parts = if blocks.len() == 1 { "part" } else { "parts" };
    format!("{} {parts} left out, {bytes} bytes", blocks.len())
}

/// What a block is, in a word.
pub(super) fn block_kind(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Title => "title",
        BlockKind::Metadata => "metadata",
        BlockKind::Heading => "heading",
        BlockKind::Paragraph => "paragraph",
        BlockKind::ListItem => "list item",
        BlockKind::Boilerplate => "boilerplate",
        BlockKind::Markup => "markup",
    }
}

/// What the reader should know before reading.
///
/// A `gist` translation never goes out without a warning, even if the stage before gave none.
pub(super) fn warnings(brief: &Brief) -> Vec<String> {
    let translation = &brief.translation;
    let mut warnings = translation.warnings.clone();
    if translation.quality == "gist" && warnings.is_empty() {
        warnings.push(format!(
            "{} gives only the gist of {}: names, numbers and who did what may be wrong. \
             `brief models list` shows better models; choose one with --model.",
            translation.translator(),
            language_name(&brief.source.language),
        ));
    }
    let flagged = translation.segments.iter().filter(|segment| !segment.flags.is_empty()).count();
    if flagged > 0 {
        warnings.push(format!(
            "{flagged} of {} translated segments failed a check; each is marked ⚠ where it stands.",
            translation.segments.len(),
        ));
    }
    warnings
}

/// Text of the program's own, legible, in alternating parts: text, code, text, code … where
/// backticks mark the code. With an unpaired backtick none of them marks code.
pub(super) fn prose(text: &str) -> Vec<String> {
    let text = legible(text);
    let backticks = text.bytes().filter(|&b| b == b'`').count();
    if backticks % 2 == 1 { vec![text] } else { text.split('`').map(str::to_owned).collect() }
}

/// Text on one line, without characters that could garble the page around it.
///
/// White space becomes one space, except that a line break between two Chinese characters (a
/// hard-wrapped file) becomes nothing. Control characters and the bidirectional overrides become
/// U+FFFD, so that they're seen and can't reorder what stands beside them.
pub(super) fn legible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = None;
    for c in text.trim().chars() {
        if c.is_whitespace() {
            let line_break = matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
            space = Some(space.unwrap_or(false) || line_break);
            continue;
        }
        if let Some(line_break) = space.take() {
            let unspaced =
                line_break && is_chinese(c) && out.chars().next_back().is_some_and(is_chinese);
            if !unspaced {
                out.push(' ');
            }
        }
        let garbles =
            c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        out.push(if garbles { char::REPLACEMENT_CHARACTER } else { c });
    }
    out
}

/// Whether `c` is written without spaces around it: ideographs and full-width punctuation.
fn is_chinese(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}'
        | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_becomes_one_space_but_none_inside_wrapped_chinese() {
        assert_eq!(legible("  ein\n  Satz\u{a0}hier \n"), "ein Satz hier");
        assert_eq!(legible("天氣\n很好，\r\n我們 GDP\n上升"), "天氣很好，我們 GDP 上升");
        assert_eq!(legible("甲 乙"), "甲 乙");
        assert_eq!(legible("আমি\nযাই"), "আমি যাই");
    }

    #[test]
    fn controls_and_overrides_are_seen_and_joiners_stay() {
        assert_eq!(legible("a\u{0}b\u{1b}[31m\u{202e}c"), "a\u{fffd}b\u{fffd}[31m\u{fffd}c");
        assert_eq!(legible("র\u{200d}্য\u{200c}"), "র\u{200d}্য\u{200c}");
    }
}
