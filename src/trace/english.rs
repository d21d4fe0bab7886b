//! English text as the checks see it: words with their concepts, numbers with their units, points
//! in time, names, clauses, and what is negated.

mod quantity;
mod time;

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

pub use quantity::Quantity;
use quantity::{cardinal, quantity};
use time::time;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A word that says little by itself: "the", "of", "has".
    Function,
    /// Any other word.
    Content,
    /// Part of a name.
    Name,
    /// A quantity.
    Number(Quantity),
    /// A point in time.
    Time(String),
}

/// One word, number or point in time.
#[derive(Debug, Clone)]
pub struct Token {
    /// As it stands.
    pub text: String,
    /// Its concept: the first word of its line in the thesaurus, or its own stem.
    pub concept: String,
    /// What it is.
    pub kind: Kind,
    /// The clause it stands in, counted from 0.
    pub clause: usize,
    /// Whether it stands under a negation.
    pub negated: bool,
}

impl Token {
    /// Whether it says something: neither function word nor number.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(self.kind, Kind::Content | Kind::Name)
    }
}

struct Thesaurus {
    /// Stem (or stems joined by `_`) → concept.
    concepts: HashMap<String, String>,
    /// Concept → its opposites, both ways.
    opposites: HashMap<String, Vec<String>>,
    /// Concepts that are names: their words are written with capitals in the list.
    names: HashSet<String>,
}

static THESAURUS: LazyLock<Thesaurus> = LazyLock::new(|| {
    let mut concepts = HashMap::new();
    let mut opposites: HashMap<String, Vec<String>> = HashMap::new();
    let mut proper = HashSet::new();
    let lines = include_str!("thesaurus.tsv").lines();
    for line in lines.filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let mut names: Vec<String> = Vec::new();
        let is_proper = line.starts_with(char::is_uppercase);
        for side in line.split('\t') {
            let mut words = side
                .split_whitespace()
                .map(|word| word.split('_').map(stem).collect::<Vec<_>>().join("_"));
            let Some(name) = words.next() else { continue };
            let name = concepts.get(&name).cloned().unwrap_or(name);
            concepts.entry(name.clone()).or_insert_with(|| name.clone());
            for word in words {
                concepts.entry(word).or_insert_with(|| name.clone());
            }
            if is_proper {
                proper.insert(name.clone());
            }
            names.push(name);
        }
        if let [a, b] = names.as_slice() {
            opposites.entry(a.clone()).or_default().push(b.clone());
            opposites.entry(b.clone()).or_default().push(a.clone());
        }
    }
    Thesaurus { concepts, opposites, names: proper }
});

/// The concepts that say the opposite.
#[must_use]
pub fn opposites(concept: &str) -> &'static [String] {
    THESAURUS.opposites.get(concept).map_or(&[], Vec::as_slice)
}

/// Whether a word names a country or what is of it.
fn is_country(word: &str) -> bool {
    THESAURUS.names.contains(&concept(word))
}

/// The concept of a word.
#[must_use]
pub fn concept(word: &str) -> String {
    let stem = stem(word);
    THESAURUS.concepts.get(&stem).cloned().unwrap_or(stem)
}

/// A light stemmer: what English adds to a word's end, and no more.
#[must_use]
pub fn stem(word: &str) -> String {
    let w = word.to_lowercase();
    let long = [
        "ational", "ations", "ation", "ments", "ment", "ings", "ness", "ies", "ied", "ers", "ian",
        "ean", "er", "ly", "al", "an", "y",
    ];
    let short = ["ing", "ed", "es", "e", "s"];
    let root = |least: usize| {
        let w = &w;
        move |suffix: &&str| w.strip_suffix(*suffix).filter(|r| r.chars().count() >= least)
    };
    if w.ends_with("eed") || w.ends_with("ss") {
        return w;
    }
    let root = long.iter().find_map(root(4)).or_else(|| short.iter().find_map(root(3)));
    let root = root.unwrap_or(&w);
    // slipped, planning: the doubled consonant belongs to the ending.
    let mut last = root.chars().rev();
    match (last.next(), last.next()) {
        (Some(a), Some(b)) if a == b && root.len() < w.len() && !"aeiouyslz".contains(a) => {
            root.chars().take(root.chars().count() - 1).collect()
        }
        _ => root.to_owned(),
    }
}

/// Words that say little by themselves; those that deny are in [`NEGATORS`].
static FUNCTION: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "a an the and or but of to in on at by for with from as is are was were be been being has \
     have had do does did will would can could may might should must that this these those it \
     its he she they them their his her him who whom whose which what when where while also \
     there than then so such into over about after before between during we our you i both more \
     other some any all only if because how due including s up out off down per each own very \
     just still yet even however though although whereas too again once until till since under \
     above below through against among within upon onto toward towards via according themselves \
     itself himself herself well much many few less least most had've either every another \
     further already now here thereby herein amid despite meanwhile moreover furthermore \
     instead"
        .split_ascii_whitespace()
        .collect()
});

/// Words that begin a clause.
static CLAUSE_WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "and but while whereas although though after before because which who whom where when if \
     unless until whereupon that saying as"
        .split_ascii_whitespace()
        .collect()
});

/// Words that deny.
static NEGATORS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "not no never neither nor none without cannot nobody nothing nowhere hardly"
        .split_ascii_whitespace()
        .collect()
});

/// Whether a word denies.
#[must_use]
pub fn is_negator(word: &str) -> bool {
    NEGATORS.contains(word.to_lowercase().as_str())
}

/// Raw pieces: words with inner apostrophes and points, numbers with their separators, and marks.
fn pieces(text: &str) -> Vec<String> {
    let chars: Vec<char> =
        text.replace(['’', '‘'], "'").replace(['–', '—'], " , ").chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or(' ');
    let mut pieces: Vec<String> = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        let start = i;
        if c.is_ascii_digit() {
            while at(i).is_ascii_digit()
                || (matches!(at(i), ',' | '.' | ':') && at(i + 1).is_ascii_digit())
            {
                i += 1;
            }
            // 13th and 1990s are one word, 200m is two.
            let letters = (i..).take_while(|i| at(*i).is_ascii_alphabetic()).count();
            let ending: String = chars.get(i..i + letters).unwrap_or_default().iter().collect();
            if matches!(ending.to_ascii_lowercase().as_str(), "st" | "nd" | "rd" | "th" | "s") {
                i += letters;
            }
        } else if c.is_alphanumeric() {
            while at(i).is_alphanumeric() || (at(i) == '\'' && at(i + 1).is_alphabetic()) {
                i += 1;
            }
            // NT$3, US$5
            if at(i) == '$' {
                i += 1;
            }
        } else {
            i += 1;
            if !c.is_whitespace() && c != '-' {
                pieces.push(c.to_string());
            }
            continue;
        }
        let piece: String = chars.get(start..i).unwrap_or_default().iter().collect();
        let (head, tail) = match piece.strip_suffix("n't") {
            Some(head) => (head.to_owned(), Some("not")),
            None => (piece.strip_suffix("'s").unwrap_or(&piece).to_owned(), None),
        };
        pieces.push(head);
        pieces.extend(tail.map(str::to_owned));
    }
    pieces
}

/// Reads a text.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let pieces = pieces(text);
    let lower: Vec<String> = pieces.iter().map(|p| p.to_lowercase()).collect();
    let mut tokens: Vec<Token> = Vec::new();
    let mut clause = 0;
    let mut first = true;
    let mut i = 0;
    while let Some(piece) = pieces.get(i) {
        let word = word_at(&lower, i);
        if matches!(word, "." | "!" | "?" | ";" | ":" | "," | "(" | ")" | "\"" | "“" | "”") {
            clause += 1;
            first = matches!(word, "." | "!" | "?");
            i += 1;
            continue;
        }
        clause += usize::from(CLAUSE_WORDS.contains(word));
        let (kind, concept, next) = if let Some((key, next)) = time(&lower, i) {
            (Kind::Time(key.clone()), key, next)
        } else if let Some((concept, next)) = ordinal(&lower, i) {
            // "A fifth" is a share.
            let share = i.checked_sub(1).is_some_and(|b| matches!(word_at(&lower, b), "a" | "one"));
            let which = if share || !concept.ends_with('.') { Kind::Content } else { Kind::Name };
            (which, concept, next)
        } else if let Some((quantity, next)) = quantity(&lower, i) {
            let concept = format!("#{}", quantity.value);
            (Kind::Number(quantity), concept, next)
        } else if let Some((concept, next)) = phrase(&lower, i) {
            (Kind::Content, concept, next)
        } else if word.contains(char::is_alphanumeric) {
            let concept = concept(word);
            (kind(piece, word, &concept, first), concept, i + 1)
        } else {
            i += 1;
            continue;
        };
        // A point in time is shown by its first word.
        let shown = if matches!(kind, Kind::Time(_)) { i + 1 } else { next };
        let text = pieces.get(i..shown).unwrap_or_default().join(" ");
        tokens.push(Token { text, concept, kind, clause, negated: false });
        first = false;
        i = next;
    }
    negate(&mut tokens);
    tokens
}

/// The word at `at`; empty beyond the text's end.
fn word_at(words: &[String], at: usize) -> &str {
    words.get(at).map_or("", String::as_str)
}

/// What a single word is; `first` says that it begins a sentence, where a capital tells nothing.
fn kind(piece: &str, word: &str, concept: &str, first: bool) -> Kind {
    let shouted = piece.chars().filter(|c| c.is_uppercase()).count() > 1;
    let capital = piece.starts_with(char::is_uppercase);
    if (FUNCTION.contains(word) || NEGATORS.contains(word)) && !shouted {
        Kind::Function
    } else if piece.starts_with(|c: char| c.is_ascii_digit())
        || (capital && (!first || shouted || THESAURUS.names.contains(concept)))
    {
        Kind::Name
    } else {
        Kind::Content
    }
}

/// "90th", "ninetieth", "twenty-first": which one in a row, under one concept. "First" to "third"
/// are words like others.
fn ordinal(lower: &[String], at: usize) -> Option<(String, usize)> {
    const WORDS: &str = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh \
                         twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth \
                         nineteenth";
    let unit = |word: &str| WORDS.split(' ').position(|w| w == word).map(|i| i + 1);
    let tens = |word: &str| cardinal(word).filter(|n| *n >= 20.0).map(|n| n as usize);
    let word = word_at(lower, at);
    let (digits, end) =
        word.split_at(word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let written = || digits.parse().ok().filter(|_| matches!(end, "st" | "nd" | "rd" | "th"));
    let whole = || tens(&format!("{}y", word.strip_suffix("ieth")?));
    let (number, next) = match tens(word) {
        Some(tens) => (tens + unit(word_at(lower, at + 1)).filter(|unit| *unit < 10)?, at + 2),
        None => (written().or_else(|| unit(word)).or_else(whole)?, at + 1),
    };
    let concept = match number {
        1..=3 => concept(WORDS.split(' ').nth(number - 1)?),
        _ => format!("{number}."),
    };
    Some((concept, next))
}

/// Two to four words that the thesaurus has as one.
fn phrase(lower: &[String], at: usize) -> Option<(String, usize)> {
    (2..=4).rev().find_map(|n| {
        let words = lower.get(at..at + n)?;
        let joined = words.iter().map(|w| stem(w)).collect::<Vec<_>>().join("_");
        let concept = THESAURUS.concepts.get(&joined)?;
        Some((concept.clone(), at + n))
    })
}

/// Marks what a negator denies: the verb after "not", the noun after "no" with its adjective.
fn negate(tokens: &mut [Token]) {
    let negators: Vec<(usize, usize, usize)> = tokens
        .iter()
        .enumerate()
        .map(|(i, t)| (i, t, t.text.to_lowercase()))
        .filter(|(_, _, word)| NEGATORS.contains(word.as_str()))
        // "not only", "no more than" and "no fewer than" deny nothing.
        .filter(|(i, ..)| {
            let next = tokens.get(i + 1).map_or(String::new(), |t| t.text.to_lowercase());
            !matches!(
                next.as_str(),
                "only" | "more" | "fewer" | "less" | "least" | "later" | "other"
            )
        })
        .map(|(i, t, word)| {
            let adjective = tokens.get(i + 1).is_some_and(|t| {
                matches!(
                    t.text.to_lowercase().as_str(),
                    "known"
                        | "new"
                        | "direct"
                        | "major"
                        | "clear"
                        | "official"
                        | "immediate"
                        | "serious"
                )
            });
            let heads = match word.as_str() {
                // Of "none of the passengers had belts" it isn't known what is denied.
                "none" | "neither" | "nobody" => 0,
                "no" if adjective => 2,
                _ => 1,
            };
            (i, t.clause, heads)
        })
        .collect();
    for (at, clause, heads) in negators {
        let reach = tokens.iter_mut().skip(at + 1).take(5).filter(|t| t.clause == clause);
        let said = reach
            .filter(|t| t.kind == Kind::Content && !t.text.ends_with("ly") && t.text != "longer");
        for token in said.take(heads) {
            token.negated = !token.negated;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn words_of_one_concept_are_one() {
        let concepts = |text: &str| -> Vec<String> {
            tokens(text).into_iter().filter(Token::is_content).map(|t| t.concept).collect()
        };
        assert_eq!(concepts("sales climbed"), concepts("revenue increased"));
        assert_eq!(concepts("it was turned down"), concepts("it was rejected"));
        assert!(opposites(&concepts("rejected")[0]).contains(&concepts("approved")[0]));
    }

    #[test]
    fn ordinals_are_one_concept_however_they_are_written() {
        let concepts = |text: &str| tokens(text).into_iter().map(|t| t.concept).collect::<Vec<_>>();
        assert_eq!(concepts("its 90th grandmaster"), concepts("its ninetieth grandmaster"));
        assert_eq!(concepts("the 21st time"), concepts("the twenty-first time"));
        assert_eq!(concepts("2nd"), concepts("second"));
        assert_ne!(concepts("the 21st time"), concepts("the twentieth time"));
        assert_eq!(tokens("0th")[0].concept, "0.");
    }

    #[test]
    fn negation_reaches_its_clause_only() {
        let negated = |text: &str| -> Vec<String> {
            tokens(text)
                .into_iter()
                .filter(|t| t.negated && t.is_content())
                .map(|t| t.text)
                .collect()
        };
        assert_eq!(negated("The ministry did not confirm it, but the army did"), ["confirm"]);
        assert!(negated("not only trucks").is_empty());
    }
}
