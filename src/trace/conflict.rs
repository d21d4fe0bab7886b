//! Where two sentences about one matter contradict each other: another number, another time,
//! another actor, or the opposite. Sentences that tell different things contradict nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    english::{self, Kind, Quantity, Token},
    signs::{self, is_covered, time},
};
use crate::calendar;

/// What two sentences say differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// How many, or how much.
    Number,
    /// When.
    Date,
    /// Who or what does it.
    Actor,
    /// Whether it is so.
    Negation,
}

/// One thing that two sentences say differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What sort of thing.
    pub kind: ConflictKind,
    /// What the first sentence says, and the second.
    pub values: [String; 2],
}

/// What must be shared besides the two values: this many words that are no names (a story's names
/// are everywhere in it), and this part of the words of whichever side says less.
const SHARED_WORDS: usize = 2;
const SHARED_PART: f32 = 0.6;
/// "About 200" doesn't contradict 212.
const ROUGHLY: f64 = 0.1;

/// What makes a deed one that only one can have done.
const UNIQUE: &[&str] =
    &["first", "last", "only", "lead", "head", "win", "invent", "discover", "found", "own"];

/// Whether a sentence tells something of its own: of somebody or something by name, or with a
/// number or a time. "The weather was fine" could stand in any article.
#[must_use]
pub fn is_specific(text: &str) -> bool {
    let tokens = english::tokens(text);
    let content: BTreeSet<&str> =
        tokens.iter().filter(|t| t.is_content()).map(|t| t.concept.as_str()).collect();
    content.len() >= 3 && tokens.iter().any(|t| !matches!(t.kind, Kind::Function | Kind::Content))
}

/// Whether both have a number that hardly comes twice by chance, counting in the same unit.
#[must_use]
pub fn share_a_number(a: &str, b: &str) -> bool {
    /// Small numbers are everywhere.
    const LEAST: f64 = 13.0;
    let (a, b) = (Sentence::read(a), Sentence::read(b));
    a.places(signs::quantity).filter(|(_, q)| q.value >= LEAST).any(|(_, q)| {
        b.places(signs::quantity).any(|(_, r)| q.unit == r.unit && signs::same_value(q, r))
    })
}

/// The first contradiction between two English sentences, if there is one.
#[must_use]
pub fn conflict(a: &str, b: &str) -> Option<Conflict> {
    let (a, b) = (Sentence::read(a), Sentence::read(b));
    let (number, date) = (number(&a, &b), date(&a, &b));
    match (number, date) {
        // Another number at another time is another fact.
        (Some(_), Some(_)) => None,
        (Some(conflict), None) | (None, Some(conflict)) => Some(conflict),
        (None, None) => negation(&a, &b).or_else(|| actor(&a, &b)),
    }
}

/// A sentence without the clauses that only tell who says so.
struct Sentence {
    tokens: Vec<Token>,
    concepts: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Sentence {
    fn read(text: &str) -> Self {
        let mut tokens = english::tokens(text);
        let said: BTreeSet<usize> = tokens
            .iter()
            .filter(|t| signs::SAYING.contains(&t.text.to_lowercase().as_str()))
            .map(|t| t.clause)
            .collect();
        // Where everything stands in the clause of the saying, it is all there is to compare.
        if tokens.iter().any(|t| t.is_content() && !said.contains(&t.clause)) {
            tokens.retain(|t| !said.contains(&t.clause));
        }
        let concepts =
            tokens.iter().filter(|t| t.is_content()).map(|t| t.concept.clone()).collect();
        let names =
            tokens.iter().filter(|t| t.kind == Kind::Name).map(|t| t.concept.clone()).collect();
        Self { tokens, concepts, names }
    }

    /// Whether enough of what one says (`ours`, of this sentence) is in what the other says.
    fn alike(&self, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> bool {
        let (small, large) =
            if ours.len() <= theirs.len() { (ours, theirs) } else { (theirs, ours) };
        let shared: Vec<&String> = small.iter().filter(|c| is_covered(c, large)).collect();
        let words = shared.iter().filter(|c| !self.names.contains(**c)).count();
        words >= SHARED_WORDS && shared.len() as f32 >= SHARED_PART * small.len() as f32
    }

    fn has(&self, token: &Token) -> bool {
        is_covered(&token.concept, &self.concepts)
    }

    /// What is said around a token: the words of its clause, and of the nearest clauses if those
    /// are too few.
    fn around(&self, at: usize) -> BTreeSet<String> {
        let Some(clause) = self.tokens.get(at).map(|t| t.clause) else { return BTreeSet::new() };
        let within = |first: usize, last: usize| -> BTreeSet<String> {
            self.tokens
                .iter()
                .enumerate()
                .filter(|(i, t)| *i != at && t.is_content() && (first..=last).contains(&t.clause))
                .map(|(_, t)| t.concept.clone())
                .collect()
        };
        let own = within(clause, clause);
        if own.len() >= SHARED_WORDS {
            return own;
        }
        let next = within(clause, clause + 1);
        if next.len() >= SHARED_WORDS { next } else { within(clause.saturating_sub(1), clause + 1) }
    }

    /// What a number counts: the words behind it.
    fn counted(&self, at: usize) -> Vec<&Token> {
        let clause = self.tokens.get(at).map(|t| t.clause);
        self.tokens
            .iter()
            .skip(at + 1)
            .take_while(|t| t.is_content() && Some(t.clause) == clause)
            .collect()
    }

    fn places<'s, T>(
        &'s self,
        wanted: impl Fn(&'s Token) -> Option<T> + 's,
    ) -> impl Iterator<Item = (usize, T)> + 's {
        self.tokens.iter().enumerate().filter_map(move |(i, t)| Some((i, wanted(t)?)))
    }
}

fn number(a: &Sentence, b: &Sentence) -> Option<Conflict> {
    let lone = |ours: &Sentence, theirs: &Sentence| -> Vec<usize> {
        ours.places(signs::quantity)
            .filter(|(_, q)| !theirs.places(signs::quantity).any(|(_, r)| signs::same_value(q, r)))
            .map(|(i, _)| i)
            .collect()
    };
    let (ours, theirs) = (lone(a, b), lone(b, a));
    let pairs = ours.iter().flat_map(|i| theirs.iter().map(move |j| (*i, *j)));
    pairs.into_iter().find_map(|(i, j)| {
        let (s, t) = (a.tokens.get(i)?, b.tokens.get(j)?);
        let (q, r) = (signs::quantity(s)?, signs::quantity(t)?);
        let contradict = q.unit == r.unit
            && excludes(q, r)
            && excludes(r, q)
            && !(is_rough(a, i) || is_rough(b, j)) | differ_clearly(q, r)
            && count_the_same(a, i, b, j)
            && a.alike(&a.around(i), &b.around(j));
        contradict.then(|| Conflict {
            kind: ConflictKind::Number,
            values: [shown_number(s, q), shown_number(t, r)],
        })
    })
}

/// Whether a bound leaves no room for the other value: "more than 200" has room for 212.
fn excludes(bounded: &Quantity, other: &Quantity) -> bool {
    match bounded.bound {
        1 => other.value < bounded.value,
        -1 => other.value > bounded.value,
        _ => true,
    }
}

fn is_rough(sentence: &Sentence, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|b| sentence.tokens.get(b));
    before.is_some_and(|t| {
        let word = t.text.to_lowercase();
        ["about", "around", "nearly", "almost", "some", "roughly", "approximately"]
            .contains(&word.as_str())
    })
}

fn differ_clearly(a: &Quantity, b: &Quantity) -> bool {
    (a.value - b.value).abs() > ROUGHLY * a.value.abs().max(b.value.abs())
}

/// Whether two numbers count the same: "9 Chinese tourists" are others than "four Taiwanese
/// tourists", and 24 children others than 14 people.
fn count_the_same(a: &Sentence, i: usize, b: &Sentence, j: usize) -> bool {
    let (ours, theirs) = (a.counted(i), b.counted(j));
    let among = |token: &Token, others: &[&Token]| {
        others.iter().any(|other| other.concept == token.concept)
    };
    let other_group = |ours: &[&Token], theirs: &[&Token]| {
        ours.iter().any(|t| t.kind == Kind::Name && !among(t, theirs))
    };
    if other_group(&ours, &theirs) || other_group(&theirs, &ours) {
        return false;
    }
    ours.is_empty()
        || theirs.is_empty()
        || ours.iter().any(|t| b.around(j).contains(&t.concept))
        || theirs.iter().any(|t| a.around(i).contains(&t.concept))
}

fn shown_number(token: &Token, quantity: &Quantity) -> String {
    let spelt = token.text.chars().all(|c| !c.is_ascii_digit());
    match quantity.unit {
        None if spelt => format!("{}", quantity.written),
        _ => token.text.clone(),
    }
}

fn date(a: &Sentence, b: &Sentence) -> Option<Conflict> {
    let lone = |ours: &Sentence, theirs: &Sentence| -> Vec<usize> {
        ours.places(time)
            .filter(|(_, s)| {
                !theirs.places(time).any(|(_, t)| signs::covers(s, t) || signs::covers(t, s))
            })
            .map(|(i, _)| i)
            .collect()
    };
    let (ours, theirs) = (lone(a, b), lone(b, a));
    let pairs = ours.iter().flat_map(|i| theirs.iter().map(move |j| (*i, *j)));
    pairs.into_iter().find_map(|(i, j)| {
        let (s, t) = (time(a.tokens.get(i)?)?, time(b.tokens.get(j)?)?);
        let values = [shown_time(s)?, shown_time(t)?];
        (comparable(s, t) && a.alike(&a.around(i), &b.around(j)))
            .then_some(Conflict { kind: ConflictKind::Date, values })
    })
}

/// Whether two times can be compared at all. "Last week" and "tomorrow" depend on the day of
/// writing.
fn comparable(a: &str, b: &str) -> bool {
    let sort = |key: &str| key.split(' ').next().map(str::to_owned);
    match (sort(a).as_deref(), sort(b).as_deref()) {
        (Some("date" | "month"), Some("date" | "month")) => true,
        (a @ Some("weekday" | "year"), b) => a == b,
        _ => false,
    }
}

fn shown_time(key: &str) -> Option<String> {
    let mut parts = key.split(' ');
    let sort = parts.next()?;
    let number: usize = parts.next()?.parse().ok()?;
    let name =
        |names: &[&str]| number.checked_sub(1).and_then(|i| names.get(i)).map(|n| (*n).into());
    match sort {
        "date" => {
            Some(format!("{} {}", name(&calendar::MONTHS).unwrap_or_default(), parts.next()?))
        }
        "month" => name(&calendar::MONTHS),
        "weekday" => name(&calendar::WEEKDAYS),
        "year" => Some(number.to_string()),
        _ => None,
    }
}

/// What one affirms and the other denies, or the opposite of it.
fn negation(a: &Sentence, b: &Sentence) -> Option<Conflict> {
    let content = |t: &Token| (t.kind == Kind::Content).then_some(());
    a.places(content).find_map(|(i, ())| {
        let ours = a.tokens.get(i)?;
        b.places(content).find_map(|(j, ())| {
            let theirs = b.tokens.get(j)?;
            let denied = ours.concept == theirs.concept && ours.negated != theirs.negated;
            let opposite = ours.negated == theirs.negated
                && !signs::is_converse(&ours.concept)
                && english::opposites(&ours.concept).contains(&theirs.concept);
            let shown = |t: &Token| {
                let not = if t.negated { "not " } else { "" };
                format!("{not}{}", t.text)
            };
            ((denied || opposite) && a.alike(&a.around(i), &b.around(j))).then(|| Conflict {
                kind: ConflictKind::Negation,
                values: [shown(ours), shown(theirs)],
            })
        })
    })
}

/// Who does what only one can do, or what is done to somebody.
fn actor(a: &Sentence, b: &Sentence) -> Option<Conflict> {
    let (ours, theirs) = (doer(a, b)?, doer(b, a)?);
    let rest = |sentence: &Sentence, doer: &[Token]| -> BTreeSet<String> {
        sentence
            .concepts
            .iter()
            .filter(|c| doer.iter().all(|t| t.concept != **c))
            .cloned()
            .collect()
    };
    let (of_ours, of_theirs) = (rest(a, ours), rest(b, theirs));
    let telling: BTreeSet<String> =
        UNIQUE.iter().chain(signs::TWO_PARTY).map(|word| english::concept(word)).collect();
    // The deed must be the doer's own: in the same clause.
    let deeds = |sentence: &Sentence, doer: &[Token]| -> BTreeSet<String> {
        let clause = doer.last().map(|t| t.clause);
        let own = sentence.tokens.iter().filter(|t| Some(t.clause) == clause);
        own.map(|t| t.concept.clone()).filter(|c| telling.contains(c)).collect()
    };
    let unique = !deeds(a, ours).is_disjoint(&deeds(b, theirs));
    let counts = |doer: &[Token]| doer.iter().any(|t| signs::quantity(t).is_some());
    (unique && !counts(ours) && !counts(theirs) && a.alike(&of_ours, &of_theirs)).then(|| {
        Conflict { kind: ConflictKind::Actor, values: [shown_doer(ours), shown_doer(theirs)] }
    })
}

/// Who does it, if it is somebody of whom the other sentence says nothing: the noun phrase behind
/// "by", or what stands before the first word that both share.
fn doer<'s>(sentence: &'s Sentence, other: &Sentence) -> Option<&'s [Token]> {
    let tokens = &sentence.tokens;
    let by = tokens.iter().position(|t| t.text.eq_ignore_ascii_case("by"));
    let phrase = match by {
        Some(by) => signs::noun_after(tokens.get(by + 1..)?),
        None => {
            let shared = tokens.iter().position(|t| t.is_content() && other.has(t))?;
            let before = tokens.get(..shared)?;
            let end = before.iter().rposition(Token::is_content)? + 1;
            let start = before.iter().position(Token::is_content)?;
            before.get(start..end)?
        }
    };
    let known = phrase.iter().any(|t| t.is_content() && other.has(t));
    let times = phrase.iter().any(|t| time(t).is_some());
    (phrase.iter().any(Token::is_content) && !known && !times).then_some(phrase)
}

fn shown_doer(phrase: &[Token]) -> String {
    phrase.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" ")
}
