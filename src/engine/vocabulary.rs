//! Which tokens may be written: English text and the ends of a turn.

use super::tokenizer::Tokenizer;

/// What a token may do in English output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Never,
    Text,
    /// Text with a line break in it.
    Break,
    End,
}

/// The tokens that English output may use. Letters of other scripts can't be written at all, so
/// that no name is left standing in Chinese or Bengali; nor can control tokens.
pub struct Vocabulary {
    uses: Vec<Use>,
    allowed: Vec<u32>,
    closing: Vec<usize>,
}

impl Vocabulary {
    /// Sorts a tokenizer's vocabulary.
    #[must_use]
    pub fn english(tokenizer: &Tokenizer) -> Self {
        let uses: Vec<Use> = (0..tokenizer.vocab_size() as u32)
            .map(|id| {
                if tokenizer.is_end(id) {
                    return Use::End;
                }
                let bytes = tokenizer.token_bytes(id);
                if bytes.is_empty() || !is_english(&bytes) {
                    Use::Never
                } else if bytes.contains(&b'\n') || bytes.contains(&b'\r') {
                    Use::Break
                } else {
                    Use::Text
                }
            })
            .collect();
        let allowed: Vec<(u32, Use)> =
            (0u32..).zip(uses.iter().copied()).filter(|(_, u)| *u != Use::Never).collect();
        let closing = allowed.iter().enumerate().filter(|(_, (_, u))| *u != Use::Text);
        Self {
            closing: closing.map(|(place, _)| place).collect(),
            allowed: allowed.into_iter().map(|(id, _)| id).collect(),
            uses,
        }
    }

    /// The tokens that may be written at all, in order.
    #[must_use]
    pub fn allowed(&self) -> &[u32] {
        &self.allowed
    }

    /// Where in [`Vocabulary::allowed`] those stand that end a turn or a line.
    #[must_use]
    pub fn closing(&self) -> &[usize] {
        &self.closing
    }

    /// Whether the token is text without a line break.
    #[must_use]
    pub fn is_text(&self, id: u32) -> bool {
        self.uses.get(id as usize) == Some(&Use::Text)
    }

    /// Whether the token ends a line.
    #[must_use]
    pub fn is_break(&self, id: u32) -> bool {
        self.uses.get(id as usize) == Some(&Use::Break)
    }
}

/// Whether the bytes, perhaps a part of a character's, can belong to English text with names in
/// Latin letters: ASCII, Latin letters with marks, and general punctuation.
fn is_english(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().all(|c| {
            matches!(u32::from(c),
                0x09 | 0x0A | 0x0D | 0x20..=0x7E | 0xA0..=0x24F | 0x300..=0x36F
                | 0x1E00..=0x1EFF | 0x2010..=0x2027 | 0x2030..=0x203A | 0x20A0..=0x20CF
                | 0x2100..=0x214F | 0x2150..=0x218F | 0x2190..=0x22FF | 0x2070..=0x209F)
        }),
        // A part of a character: its first byte decides (0xC2..=0xCD begin U+0080..=U+037F,
        // 0xE1 and 0xE2 the rest of the list above); bytes after the first can follow any.
        Err(_) => {
            bytes.iter().all(|b| matches!(b, 0x20..=0x7E | 0x80..=0xBF | 0xC2..=0xCD | 0xE1 | 0xE2))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::is_english;

    #[test]
    fn english_text_and_names_in_latin_letters_can_be_written() {
        for text in [" Merkel", "Müller", "Erdoğan", "“quoted”", " 1,200 €", "—", "Zelenskyy’s"]
        {
            assert!(is_english(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn other_scripts_can_not_be_written_even_in_part() {
        for text in ["普京", "পুতিন", "Путин", "。", "プ", "，"] {
            assert!(!is_english(text.as_bytes()), "{text}");
        }
        assert!(!is_english(&"普".as_bytes()[..2]));
        assert!(!is_english(&"প".as_bytes()[..1]));
    }
}
