//! Calendar dates in metadata lines, to ISO 8601.

use crate::{calendar, language::digit};

/// German and Bengali names of the months.
const MONTHS: [&[&str]; 12] = [
    &["januar", "jänner", "জানুয়ারি", "জানুয়ারী"],
    &["februar", "ফেব্রুয়ারি", "ফেব্রুয়ারী"],
    &["märz", "মার্চ"],
    &["april", "এপ্রিল"],
    &["mai", "মে"],
    &["juni", "জুন"],
    &["juli", "জুলাই"],
    &["august", "আগস্ট", "অগাস্ট"],
    &["september", "সেপ্টেম্বর"],
    &["oktober", "অক্টোবর"],
    &["november", "নভেম্বর"],
    &["dezember", "ডিসেম্বর"],
];

/// The first whole date (day, month and year) in a text: `2023年09月14日`, `14. September 2023`,
/// `14.09.2023`, `2023-09-14`, `১৪ সেপ্টেম্বর ২০২৩`, `September 14, 2023`.
#[must_use]
pub fn find(text: &str) -> Option<String> {
    use unicode_normalization::UnicodeNormalization;
    let tokens = tokens(&text.nfc().collect::<String>().to_lowercase());
    tokens
        .windows(5)
        .chain(tokens.windows(3))
        .find_map(|window| match window {
            [
                Token::Number(y),
                Token::Mark('年'),
                Token::Number(m),
                Token::Mark('月'),
                Token::Number(d),
            ] => iso(*y, *m, *d),
            [
                Token::Number(y),
                Token::Mark('-' | '/' | '.'),
                Token::Number(m),
                Token::Mark('-' | '/' | '.'),
                Token::Number(d),
            ] if *y > 999 => iso(*y, *m, *d),
            [
                Token::Number(d),
                Token::Mark('.' | '/' | '-'),
                Token::Number(m),
                Token::Mark('.' | '/' | '-'),
                Token::Number(y),
            ] if *y > 999 => iso(*y, *m, *d),
            [
                Token::Number(d),
                Token::Mark('.' | ','),
                Token::Month(m),
                Token::Mark(_),
                Token::Number(y),
            ]
            | [Token::Number(d), Token::Month(m), Token::Mark(_), Token::Number(y), _]
            | [Token::Number(d), Token::Mark('.'), Token::Month(m), Token::Number(y), _]
            | [Token::Month(m), Token::Number(d), Token::Mark(','), Token::Number(y), _] => {
                iso(*y, *m, *d)
            }
            [Token::Number(d), Token::Month(m), Token::Number(y)]
            | [Token::Month(m), Token::Number(d), Token::Number(y)] => iso(*y, *m, *d),
            _ => None,
        })
        .or_else(|| ends_with_date(&tokens))
}

/// Windows of five can't see a date of four tokens at the very end.
fn ends_with_date(tokens: &[Token]) -> Option<String> {
    tokens.windows(4).find_map(|window| match window {
        [Token::Number(d), Token::Mark('.'), Token::Month(m), Token::Number(y)]
        | [Token::Number(d), Token::Month(m), Token::Mark(_), Token::Number(y)] => iso(*y, *m, *d),
        [Token::Month(m), Token::Number(d), Token::Mark(','), Token::Number(y)] => iso(*y, *m, *d),
        _ => None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Number(u32),
    Month(u32),
    Mark(char),
    Word,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if let Some(mut value) = digit(c) {
            while let Some(next) = chars.peek().copied().and_then(digit) {
                value = value.saturating_mul(10).saturating_add(next);
                chars.next();
            }
            tokens.push(Token::Number(value));
        } else if matches!(c, '年' | '月' | '日') {
            tokens.push(Token::Mark(c));
        } else if c.is_alphabetic() {
            let mut word = String::from(c);
            while let Some(next) = chars.peek().filter(|n| {
                (n.is_alphanumeric() || matches!(u32::from(**n), 0x981..=0x9E3))
                    && digit(**n).is_none()
            }) {
                word.push(*next);
                chars.next();
            }
            tokens.push(month(&word).map_or(Token::Word, Token::Month));
        } else if !c.is_whitespace() {
            tokens.push(Token::Mark(c));
        }
    }
    tokens
}

/// The month that a word names in any of the languages.
fn month(word: &str) -> Option<u32> {
    use unicode_normalization::UnicodeNormalization;
    let same = |name: &&str| name.nfc().eq(word.nfc());
    calendar::month(word).or_else(|| {
        MONTHS.iter().zip(1..).find(|(names, _)| names.iter().any(same)).map(|(_, n)| n)
    })
}

fn iso(year: u32, month: u32, day: u32) -> Option<String> {
    ((1900..2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn dates_are_read_in_every_language() {
        for text in [
            "2023年09月14日16:41:02 國際 1362",
            "Stand: 14. September 2023, 16:41 Uhr",
            "14.09.2023, 16.41 Uhr",
            "Veröffentlicht am 14. September 2023",
            "প্রকাশ: ১৪ সেপ্টেম্বর ২০২৩, ১৬:৪১",
            "১৪ সেপ্টেম্বর ২০২৩",
            "2023-09-14T16:41:02",
            "September 14, 2023",
        ] {
            assert_eq!(find(text).as_deref(), Some("2023-09-14"), "{text}");
        }
    }

    #[test]
    fn parts_of_dates_and_other_numbers_are_no_dates() {
        for text in ["13日", "September 2023", "3.500 Euro", "99.99.2023", "Tel. 030 123 456"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
