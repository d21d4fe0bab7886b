//! Words as the metrics split them.

/// Pieces between white space, as Python's `str.split()` finds it: Unicode's white space and the
/// four ASCII separators.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}'))
        .filter(|word| !word.is_empty())
}

/// A line with white space between the tokens that `mteval-v13a.pl` takes it apart into: sacrebleu's
/// `13a`. Rule for rule as sacrebleu's regular expressions, since each works on what the last left.
pub fn spaced_13a(line: &str) -> String {
    let line = line.trim_end_matches(|c: char| c.is_whitespace());
    let mut line = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if line.contains('&') {
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")]
        {
            line = line.replace(entity, character);
        }
    }
    let mut spaced = String::with_capacity(line.len() * 2);
    for c in std::iter::once(' ').chain(line.chars()).chain(std::iter::once(' ')) {
        if c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.') {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    let digit = |c: char| c.is_ascii_digit();
    let stop = |c: char| matches!(c, '.' | ',');
    let spaced = pairs(&spaced, |a, b| !digit(a) && stop(b), |a, b| format!("{a} {b} "));
    let spaced = pairs(&spaced, |a, b| stop(a) && !digit(b), |a, b| format!(" {a} {b}"));
    pairs(&spaced, |a, b| digit(a) && b == '-', |a, b| format!("{a} {b} "))
}

/// Replaces the pairs of neighbours that match, from left to right; none overlaps another.
fn pairs(
    text: &str,
    matches: impl Fn(char, char) -> bool,
    replacement: impl Fn(char, char) -> String,
) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        match characters.next_if(|second| matches(first, *second)) {
            Some(second) => out.push_str(&replacement(first, second)),
            None => out.push(first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn splits(line: &str, tokens: &[&str]) {
        assert_eq!(words(&spaced_13a(line)).collect::<Vec<_>>(), tokens);
    }

    #[test]
    fn stops_between_digits_stay() {
        splits(
            "It cost 3,500.50, not .5 or 5.",
            &["It", "cost", "3,500.50", ",", "not", ".", "5", "or", "5", "."],
        );
        splits("a...b", &["a", ".", ".", ".", "b"]);
    }

    #[test]
    fn hyphens_part_from_digits_only() {
        splits("a 20-year-old well-known 'x'", &["a", "20", "-", "year-old", "well-known", "'x'"]);
    }

    #[test]
    fn entities_are_characters_and_skipped_parts_are_gone() {
        splits("a&lt;b&amp;c &quot;d&quot;<skipped>", &["a", "<", "b", "&", "c", "\"", "d", "\""]);
    }

    #[test]
    fn white_space_is_pythons() {
        assert_eq!(
            words("a\u{1F}b\u{A0}c\u{3000}d\u{200B}e").collect::<Vec<_>>(),
            ["a", "b", "c", "d\u{200B}e"]
        );
    }
}
