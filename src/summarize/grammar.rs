//! The grammar of a cited summary: sentences of text, each followed by ` [n]` marks and a line
//! break, and after the last sentence nothing.

use std::collections::HashMap;

use crate::engine::{Grammar, Next, Tokenizer};

/// Citations that one sentence may carry while it is written.
const MAX_MARKS: usize = 3;
/// Bytes that a sentence needs before a full stop may end it.
const MIN_SENTENCE_BYTES: usize = 20;

/// The tokens that citation marks are made of.
#[derive(Debug, Clone)]
pub struct Marks {
    open: Vec<u32>,
    close: u32,
    line_break: u32,
    digits: [u32; 10],
    /// Tokens that would write a bracket into a sentence's text.
    banned: Vec<u32>,
    bytes: HashMap<u32, Vec<u8>>,
}

impl Marks {
    /// Finds them in a vocabulary; `None` if one is missing.
    #[must_use]
    pub fn find(tokenizer: &Tokenizer) -> Option<Self> {
        let bytes: HashMap<u32, Vec<u8>> =
            (0..tokenizer.vocab_size() as u32).map(|id| (id, tokenizer.token_bytes(id))).collect();
        let find = |text: &str| {
            bytes.iter().filter(|(_, b)| *b == text.as_bytes()).map(|(id, _)| *id).min()
        };
        let mut digits = [0; 10];
        for (value, id) in digits.iter_mut().enumerate() {
            *id = find(&value.to_string())?;
        }
        let mut banned: Vec<u32> = bytes
            .iter()
            .filter(|(_, b)| b.iter().any(|b| matches!(b, b'[' | b']' | b'*' | b'#')))
            .map(|(id, _)| *id)
            .collect();
        banned.sort_unstable();
        Some(Self {
            open: vec![find(" [").or_else(|| find("["))?, find("[")?],
            close: find("]")?,
            line_break: find("\n")?,
            digits,
            banned,
            bytes,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Inside a sentence.
    Text,
    /// A stop right after a digit: the sentence's end, or a decimal point.
    Point,
    /// A sentence has ended and needs its first mark.
    FirstMark,
    /// Inside a mark: the digits so far.
    Number(String),
    /// After a mark.
    AfterMark,
    Done,
}

/// Follows one summary as it is written.
#[derive(Debug, Clone)]
pub struct CitedSummary {
    marks: Marks,
    /// Sentences that can be cited are numbered from 1.
    sources: usize,
    sentences_left: usize,
    state: State,
    text: Vec<u8>,
    cited: Vec<usize>,
}

impl CitedSummary {
    /// The grammar of a summary of `sentences` sentences citing numbers from 1 to `sources`.
    #[must_use]
    pub fn new(marks: Marks, sources: usize, sentences: usize) -> Self {
        let state = if sentences == 0 || sources == 0 { State::Done } else { State::Text };
        Self {
            marks,
            sources,
            sentences_left: sentences,
            state,
            text: Vec::new(),
            cited: Vec::new(),
        }
    }

    /// Numbers that may be cited and begin with `prefix`.
    fn completions(&self, prefix: &str) -> impl Iterator<Item = usize> + '_ {
        let prefix = prefix.to_owned();
        (1..=self.sources)
            .filter(move |n| !self.cited.contains(n) && n.to_string().starts_with(&prefix))
    }
}

impl Grammar for CitedSummary {
    fn next(&self) -> Next {
        match &self.state {
            State::Text => Next::TextExcept(self.marks.banned.clone()),
            State::Point => {
                let open = self.marks.open.first().copied();
                Next::OneOf(open.into_iter().chain(self.marks.digits).collect())
            }
            State::FirstMark => Next::OneOf(self.marks.open.first().copied().into_iter().collect()),
            State::Number(so_far) => {
                let mut ids: Vec<u32> = self
                    .completions(so_far)
                    .filter_map(|n| n.to_string().as_bytes().get(so_far.len()).copied())
                    .filter_map(|b| self.marks.digits.get(usize::from(b - b'0')).copied())
                    .collect();
                ids.sort_unstable();
                ids.dedup();
                if so_far.parse().is_ok_and(|n: usize| {
                    (1..=self.sources).contains(&n) && !self.cited.contains(&n)
                }) {
                    ids.push(self.marks.close);
                }
                Next::OneOf(ids)
            }
            State::AfterMark => {
                let mut ids = vec![self.marks.line_break];
                if self.cited.len() < MAX_MARKS.min(self.sources) {
                    ids.extend(self.marks.open.last());
                }
                Next::OneOf(ids)
            }
            State::Done => Next::Stop,
        }
    }

    fn accept(&mut self, token: u32) {
        let bytes = self.marks.bytes.get(&token).cloned().unwrap_or_default();
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Text => {
                self.text.extend(bytes);
                let point = matches!(self.text.as_slice(), [.., b'0'..=b'9', b'.']);
                match ends_sentence(&self.text) {
                    true if point => State::Point,
                    true => State::FirstMark,
                    false => State::Text,
                }
            }
            State::Point if self.marks.digits.contains(&token) => {
                self.text.extend(bytes);
                State::Text
            }
            State::Point => State::Number(String::new()),
            State::FirstMark => State::Number(String::new()),
            State::Number(mut so_far) => {
                if token == self.marks.close {
                    self.cited.extend(so_far.parse::<usize>());
                    State::AfterMark
                } else {
                    so_far.push_str(&String::from_utf8_lossy(&bytes));
                    State::Number(so_far)
                }
            }
            State::AfterMark if token == self.marks.line_break => {
                self.sentences_left -= 1;
                self.text.clear();
                self.cited.clear();
                if self.sentences_left == 0 { State::Done } else { State::Text }
            }
            State::AfterMark => State::Number(String::new()),
            State::Done => State::Done,
        };
    }
}

/// Whether the text so far is a whole sentence: it ends in a stop, and not after an abbreviation.
fn ends_sentence(text: &[u8]) -> bool {
    const ABBREVIATIONS: [&str; 14] = [
        "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "No", "Gen", "Lt", "Col", "Sen", "Gov", "vs",
        "approx",
    ];
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let body = text.trim_end_matches(['"', '”', '’', '\'', ')']);
    if text.len() < MIN_SENTENCE_BYTES || !body.ends_with(['.', '!', '?']) {
        return false;
    }
    let word = body.trim_end_matches('.').rsplit([' ', '(', '“', '"']).next().unwrap_or("");
    let initial = body.ends_with('.')
        && word.chars().filter(|c| *c != '.').all(char::is_alphabetic)
        && (word.contains('.') || word.chars().count() == 1);
    !(initial || ABBREVIATIONS.contains(&word))
}

/// One written sentence and the numbers it cites, as parsed back from the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The sentence without its marks.
    pub text: String,
    /// Cited numbers, from 1.
    pub cited: Vec<usize>,
}

/// Parses what the grammar let through. A sentence that was cut off before its mark is left out.
#[must_use]
pub fn parse(output: &str) -> Vec<Written> {
    output
        .lines()
        .filter_map(|line| {
            let (text, marks) = line.trim().split_once(" [")?;
            let cited: Vec<usize> = marks
                .split(['[', ']'])
                .filter(|part| !part.is_empty())
                .map(str::parse)
                .collect::<Result<_, _>>()
                .ok()?;
            (!cited.is_empty() && marks.ends_with(']'))
                .then(|| Written { text: text.trim().to_owned(), cited })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    /// A vocabulary of single characters, ids in order.
    fn marks(alphabet: &str) -> Marks {
        let id = |c: char| alphabet.chars().position(|x| x == c).unwrap() as u32;
        let mut digits = [0; 10];
        for (i, d) in digits.iter_mut().enumerate() {
            *d = id(char::from_digit(i as u32, 10).unwrap());
        }
        Marks {
            open: vec![id('‹'), id('[')],
            close: id(']'),
            line_break: id('\n'),
            digits,
            banned: vec![id('['), id(']'), id('‹'), id('\n')],
            bytes: alphabet
                .chars()
                .enumerate()
                .map(|(i, c)| {
                    (i as u32, if c == '‹' { b" [".to_vec() } else { c.to_string().into_bytes() })
                })
                .collect(),
        }
    }

    const ALPHABET: &str = "0123456789[]‹\n.abcdefghijklmnop ";

    proptest! {
        /// However the model chooses, every sentence ends with valid marks and there are N.
        #[test]
        fn whatever_is_chosen_the_summary_is_well_formed(
            choices in proptest::collection::vec(any::<u32>(), 4_000),
            sources in 1usize..120,
            sentences in 1usize..5,
        ) {
            let marks = marks(ALPHABET);
            let mut grammar = CitedSummary::new(marks.clone(), sources, sentences);
            let mut written = Vec::new();
            for choice in choices {
                let allowed = match grammar.next() {
                    Next::Stop => break,
                    Next::OneOf(ids) => ids,
                    Next::TextExcept(banned) => (0..ALPHABET.chars().count() as u32)
                        .filter(|id| !banned.contains(id))
                        .collect(),
                };
                prop_assert!(!allowed.is_empty(), "the grammar has no way on");
                let token = allowed[choice as usize % allowed.len()];
                written.extend(&marks.bytes[&token]);
                grammar.accept(token);
            }
            prop_assume!(grammar.next() == Next::Stop);
            let parsed = parse(std::str::from_utf8(&written).unwrap());
            prop_assert_eq!(parsed.len(), sentences);
            for sentence in parsed {
                prop_assert!((1..=MAX_MARKS).contains(&sentence.cited.len()));
                prop_assert!(sentence.cited.iter().all(|n| (1..=sources).contains(n)));
                let mut unique = sentence.cited.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), sentence.cited.len());
            }
        }
    }

    #[test]
    fn abbreviations_and_decimals_do_not_end_a_sentence() {
        for open in [
            "The talks in the U.S.",
            "According to the police, Dr.",
            "The party of George W.",
            "Inflation has now risen to 3",
            "The meeting took place at 6 a.m.",
            "Short.",
        ] {
            assert!(!ends_sentence(open.as_bytes()), "{open}");
        }
        for closed in [
            "The talks ended without a result.",
            "He called it “a historic success.”",
            "Inflation has risen to 3.5 percent (from 3).",
        ] {
            assert!(ends_sentence(closed.as_bytes()), "{closed}");
        }
    }

    #[test]
    fn a_stop_after_a_digit_may_be_a_decimal_point() {
        let marks = marks(ALPHABET);
        let id = |text: &str| {
            *marks.bytes.iter().find(|(_, b)| *b == text.as_bytes()).map(|(id, _)| id).unwrap()
        };
        let mut grammar = CitedSummary::new(marks.clone(), 9, 1);
        grammar.text = b"the damage is put at about 3".to_vec();
        grammar.accept(id("."));
        let Next::OneOf(ids) = grammar.next() else { panic!("anything may follow") };
        assert!(ids.contains(&id("2")) && ids.contains(&marks.open[0]));
        let mut goes_on = grammar.clone();
        goes_on.accept(id("2"));
        assert_eq!(goes_on.state, State::Text);
        grammar.accept(marks.open[0]);
        assert_eq!(grammar.state, State::Number(String::new()));
    }

    #[test]
    fn an_unfinished_sentence_is_left_out() {
        let parsed = parse("Ferries stopped on Tuesday. [2][4]\nNone of the passengers was");
        assert_eq!(
            parsed,
            [Written { text: "Ferries stopped on Tuesday.".into(), cited: vec![2, 4] }]
        );
    }
}
