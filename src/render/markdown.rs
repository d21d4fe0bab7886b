//! Markdown for reading: summary with footnotes, then the article in English.

use super::{
    Brief,
    layout::{Layout, Note, Passage, Unit},
    wording,
};
use crate::{
    Span,
    article::BlockKind,
    summarize::{Claim, Origin},
};

/// Renders one brief.
#[must_use]
pub fn render(brief: &Brief) -> String {
    render_labelled(brief, "")
}

/// Renders one brief whose footnotes' labels begin with `label`, so that several fit in one file.
pub(super) fn render_labelled(brief: &Brief, label: &str) -> String {
    let layout = Layout::of(brief);
    let mut page = Page { brief, label, body: String::new(), footnotes: Vec::new(), flagged: 0 };
    // The notes come first, so that the n-th note has the number n.
    for (index, note) in layout.notes.iter().enumerate() {
        let text = page.note(note);
        page.footnotes.push((format!("{label}{}", index + 1), text));
    }
    page.head(&layout);
    if let Some(summary) = &brief.summary {
        page.body.push_str("\n## Summary\n\n");
        if summary.claims.is_empty() {
            page.body.push_str("*No sentence of a summary could be written.*\n");
        }
        for (claim, notes) in &layout.claims {
            page.claim(claim, notes);
        }
    }
    page.body.push_str("\n## The article in English\n");
    page.article(&layout);
    page.finish()
}

struct Page<'a> {
    brief: &'a Brief,
    label: &'a str,
    body: String,
    footnotes: Vec<(String, String)>,
    flagged: usize,
}

impl<'a> Page<'a> {
    fn head(&mut self, layout: &Layout<'a>) {
        let source = &self.brief.source;
        let title = layout.passages.first().filter(|p| p.kind == BlockKind::Title);
        let heading = match title.map(|passage| self.passage_text(passage)) {
            Some(text) if !text.is_empty() => text,
            _ => escape(wording::path_name(&source.path)),
        };
        self.body.push_str(&format!("# {heading}\n\n"));

        let mut facts = vec![
            code(wording::path_name(&source.path)),
            escape(wording::language_name(&source.language)),
        ];
        facts.extend(source.date.as_deref().map(escape));
        let translation = &self.brief.translation;
        facts.push(format!(
            "translated by {} ({})",
            code(&translation.translator()),
            escape(&translation.quality)
        ));
        facts.extend(
            self.brief.summary.as_ref().map(|s| format!("summarised by {}", code(&s.model))),
        );
        self.body.push_str(&facts.join(" · "));
        self.body.push('\n');
        if let Some(title) = &source.title {
            self.body.push_str(&format!("\nOriginal title: {}\n", escape(title)));
        }
        for warning in wording::warnings(self.brief) {
            self.body.push_str(&format!("\n> ⚠ **Warning:** {}\n", prose(&warning)));
        }
    }

    /// One sentence of the summary, on a line of its own in the same paragraph.
    fn claim(&mut self, claim: &Claim, notes: &[usize]) {
        let mut line = escape(&claim.text);
        for note in notes {
            line.push_str(&format!("[^{}{}]", self.label, note + 1));
        }
        if claim.origin == Origin::Extracted {
            line.push_str(" *(sentence taken from the article)*");
        }
        if let Some(doubt) = wording::doubt(&claim.support) {
            line.push_str(&self.flag_mark(escape(&doubt)));
        }
        self.body.push_str(&line);
        self.body.push('\n');
    }

    fn article(&mut self, layout: &Layout<'a>) {
        let mut after_item = false;
        for (index, passage) in layout.passages.iter().enumerate() {
            // The title stands at the top already.
            if index == 0 && passage.kind == BlockKind::Title && !passage_is_empty(passage) {
                continue;
            }
            let text = self.passage_text(passage);
            let item = passage.kind == BlockKind::ListItem;
            if !(item && after_item) {
                self.body.push('\n');
            }
            let start = if item {
                "- "
            } else if passage.is_heading() {
                "### "
            } else {
                ""
            };
            self.body.push_str(&format!("{start}{text}\n"));
            after_item = item;
        }
    }

    fn passage_text(&mut self, passage: &Passage<'a>) -> String {
        let units: Vec<String> = passage.units.iter().map(|unit| self.unit(unit)).collect();
        units.join(" ")
    }

    /// A segment in English, marked if a check found fault with it.
    fn unit(&mut self, unit: &Unit<'a>) -> String {
        let english = unit.english();
        let mut text = match english {
            "" => "*(not translated)*".to_owned(),
            english => escape(english),
        };
        let flags = unit.segment.map_or(&[][..], |segment| &segment.flags);
        if !flags.is_empty() || english.is_empty() {
            let mut parts: Vec<String> = Vec::new();
            if !flags.is_empty() {
                parts.push(escape(&wording::flags(flags)));
            }
            for &index in &unit.sentences {
                if let Some(sentence) = self.brief.sentences.get(index) {
                    parts.push(self.quote(&sentence.text, sentence.span, &sentence.id));
                }
            }
            text.push(' ');
            text.push_str(self.flag_mark(parts.join(". ")).trim_start());
        }
        text
    }

    /// Adds a footnote and returns the mark that refers to it.
    fn flag_mark(&mut self, text: String) -> String {
        self.flagged += 1;
        let label = format!("{}flag{}", self.label, self.flagged);
        let mark = format!(" ⚠[^{label}]");
        self.footnotes.push((label, text));
        mark
    }

    fn quote(&self, text: &str, span: Span, id: &str) -> String {
        let path = code(wording::path_name(&self.brief.source.path));
        format!("“{}” ({path}, {}, sentence {})", escape(text), wording::place(span), escape(id))
    }

    fn note(&self, note: &Note<'_>) -> String {
        let citation = note.citation;
        let quote = self.quote(&citation.quote, citation.span, &citation.sentence);
        match note.english.trim() {
            "" => format!("{quote}. Not translated."),
            english => format!("{quote}. In English: “{}”", escape(english)),
        }
    }

    fn finish(mut self) -> String {
        for (index, (label, text)) in self.footnotes.iter().enumerate() {
            if index == 0 {
                self.body.push('\n');
            }
            self.body.push_str(&format!("[^{label}]: {text}\n"));
        }
        self.body
    }
}

fn passage_is_empty(passage: &Passage<'_>) -> bool {
    passage.units.iter().all(|unit| unit.english().is_empty() && unit.sentences.is_empty())
}

/// Text of the program's own, in which `code` is marked with backticks. The rest is escaped, since
/// a warning may name a model or a path that the user gave.
pub(super) fn prose(text: &str) -> String {
    let parts = wording::prose(text);
    let shown = parts.iter().enumerate().map(|(index, part)| match index % 2 {
        0 => escape_inner(part),
        _ => code(part),
    });
    shown.collect()
}

/// Text as a code span, whatever it holds.
pub(super) fn code(text: &str) -> String {
    let text = wording::legible(text);
    if text.is_empty() {
        return String::new();
    }
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    // A space between fence and content is dropped by the reader if there is one on both sides.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Text as text: on one line, and without a character that could form emphasis, code, links,
/// footnotes, tables, mathematics, HTML, headings, lists, rules or definitions, in CommonMark and
/// its usual extensions. What a reader would make a link by itself (`https://…`, `www.…`, `a@b`)
/// becomes code.
pub(super) fn escape(text: &str) -> String {
    let mut out = escape_inner(&wording::legible(text));
    if out.ends_with('!') {
        // A footnote's mark right behind would make it `![`, an image.
        out.pop();
        out.push_str("\\!");
    }
    out
}

fn escape_inner(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    let mut rest = text;
    let mut at_start = true;
    while let Some(first) = rest.chars().next() {
        let split = if in_address(first) {
            rest.find(|c| !in_address(c)).unwrap_or(rest.len())
        } else {
            rest.find(in_address).unwrap_or(rest.len())
        };
        let (run, after) = rest.split_at(split);
        if is_address(run) {
            let address = run.trim_start_matches(['(', '[', '<', '"', '\'']);
            let (before, address) = run.split_at(run.len() - address.len());
            let address_end =
                address.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '>', '"', '\'']);
            let (address, behind) = address.split_at(address_end.len());
            escape_run(before, at_start, &mut out);
            out.push_str(&code(address));
            escape_run(behind, false, &mut out);
        } else {
            escape_run(run, at_start, &mut out);
        }
        at_start = false;
        rest = after;
    }
    out
}

/// The characters of an address that readers would link; an address ends before others.
fn in_address(c: char) -> bool {
    c.is_ascii_graphic() || ('\u{C0}'..='\u{24F}').contains(&c)
}

fn is_address(run: &str) -> bool {
    let has = |needle: &str| {
        run.as_bytes().windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle.as_bytes()))
    };
    has("://") || has("www.") || has("@") || has("mailto:") || has("xmpp:")
}

fn escape_run(run: &str, at_line_start: bool, out: &mut String) {
    // `1.` and `1)` begin a list.
    let digits = run.bytes().take_while(u8::is_ascii_digit).count();
    for (index, c) in run.char_indices() {
        let first = at_line_start && index == 0;
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' if is_entity(run.get(index + 1..).unwrap_or("")) => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '~' | '|' | '$' | '^' | '#' => {
                out.push('\\');
                out.push(c);
            }
            '+' | '-' | '=' | ':' | '%' if first => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if at_line_start && digits > 0 && index == digits => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
}

/// Whether what follows an `&` makes it an entity: `amp;`, `#38;`.
fn is_entity(after: &str) -> bool {
    // The longest name of an entity has 31 letters; the bound also keeps this linear.
    let name = after.bytes().take(40).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#');
    after.as_bytes().get(name.count()) == Some(&b';') && !after.starts_with(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("# 1 < 2 & \"x\" &amp; R&D"), "\\# 1 &lt; 2 & \"x\" &amp;amp; R&D");
        assert_eq!(escape("3. Oktober"), "3\\. Oktober");
        assert_eq!(escape("Am 3. Oktober - *heute*"), "Am 3. Oktober - \\*heute\\*");
        assert_eq!(escape("[^1] ![x](y)"), "\\[^1\\] !\\[x\\](y)".replace('^', "\\^"));
        assert_eq!(escape("<|im_end|>"), "&lt;\\|im\\_end\\|&gt;");
        assert_eq!(escape("- a\n- b\n\n    c"), "\\- a - b c");
    }

    #[test]
    fn addresses_become_code() {
        assert_eq!(escape("Siehe https://a.de/b_c."), "Siehe `https://a.de/b_c`.");
        assert_eq!(escape("請看www.a.tw。"), "請看`www.a.tw`。");
        assert_eq!(escape("(mail a@b.de)"), "(mail `a@b.de`)");
        assert_eq!(escape("x`@`y"), "``x`@`y``");
    }

    #[test]
    fn code_keeps_backticks_inside() {
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn prose_keeps_its_code_and_nothing_else() {
        assert_eq!(prose("see `brief models list`, *now*"), "see `brief models list`, \\*now\\*");
        assert_eq!(prose("a ` b"), "a \\` b");
    }
}
