//! Other readings of a claim: with two of its names, numbers or times exchanged, or one replaced
//! by another that its citations have. A model that finds such a reading likelier than the claim
//! itself says that the claim has taken one thing for another.

use super::{
    english::{self, Kind, Token},
    support::Evidence,
};

/// Readings of one claim; each costs a model's look.
const MOST: usize = 6;

/// A claim with something exchanged or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The whole claim, so read.
    pub text: String,
    /// What the claim has taken for what, in words.
    pub detail: String,
}

/// What can be taken for something else: a name, a number or a time, as it is written.
struct Thing {
    text: String,
    sort: Sort,
}

#[derive(PartialEq)]
enum Sort {
    Name,
    /// By unit.
    Number(Option<&'static str>),
    /// By the sort of its key: `month`, `weekday`, …
    Time(String),
}

/// The readings of `claim`, those with something exchanged first.
#[must_use]
pub fn readings(claim: &str, cited: &[Evidence<'_>]) -> Vec<Reading> {
    let ours = things(claim);
    let theirs: Vec<Thing> = cited.iter().flat_map(|e| things(e.target)).collect();
    let known = |thing: &Thing| cited.iter().any(|e| e.target.contains(&thing.text));
    let mut readings = Vec::new();
    for (n, a) in ours.iter().enumerate() {
        for b in ours.iter().skip(n + 1).filter(|b| b.sort == a.sort && known(a) && known(b)) {
            readings.extend(exchanged(claim, &a.text, &b.text));
        }
    }
    // Another name is seldom as good a reading: there are too many.
    for a in ours.iter().filter(|a| a.sort != Sort::Name && known(a)) {
        for b in theirs.iter().filter(|b| b.sort == a.sort && !claim.contains(&b.text)) {
            readings.push(Reading {
                text: claim.replacen(&a.text, &b.text, 1),
                detail: format!("what it cites says so rather of {} than of {}", b.text, a.text),
            });
        }
    }
    readings.truncate(MOST);
    readings
}

fn exchanged(claim: &str, a: &str, b: &str) -> Option<Reading> {
    let (first, second) = (claim.find(a)?, claim.find(b)?);
    let ((first, a), (second, b)) =
        if first < second { ((first, a), (second, b)) } else { ((second, b), (first, a)) };
    let before = claim.get(..first)?;
    let between = claim.get(first + a.len()..second)?;
    let after = claim.get(second + b.len()..)?;
    Some(Reading {
        text: format!("{before}{b}{between}{a}{after}"),
        detail: format!("{a} and {b} have changed places"),
    })
}

/// The names (of as many words as they have), numbers and times of a text, each once.
fn things(text: &str) -> Vec<Thing> {
    let tokens = english::tokens(text);
    let mut things: Vec<Thing> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let same_name = |t: &&Token| t.kind == Kind::Name && t.clause == token.clause;
        let words = tokens.iter().skip(at).take_while(same_name).count().max(1);
        let sort = match &token.kind {
            Kind::Name => Some(Sort::Name),
            Kind::Number(quantity) => Some(Sort::Number(quantity.unit)),
            Kind::Time(key) => {
                Some(Sort::Time(key.split(' ').next().unwrap_or_default().to_owned()))
            }
            Kind::Content | Kind::Function => None,
        };
        // A sentence's first word may be part of the name that follows.
        let opens = |t: &Token| {
            t.kind == Kind::Content
                && t.clause == token.clause
                && t.text.starts_with(char::is_uppercase)
        };
        let before = at.checked_sub(1).filter(|b| tokens.get(*b).is_some_and(opens));
        let from = before.filter(|_| token.kind == Kind::Name).unwrap_or(at);
        let written = tokens.get(from..at + words).unwrap_or_default();
        let written = written.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" ");
        if let Some(sort) = sort
            && text.contains(&written)
            && things.iter().all(|thing| thing.text != written)
        {
            things.push(Thing { text: written, sort });
        }
        at += words;
    }
    things
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(claim: &str, cited: &str) -> Vec<String> {
        let cited = [Evidence { target: cited, source: "", flagged: false }];
        readings(claim, &cited).into_iter().map(|reading| reading.text).collect()
    }

    #[test]
    fn what_can_be_taken_for_something_else_is() {
        assert_eq!(
            texts("Anna Weber sued Karl Stein.", "Karl Stein sued Anna Weber."),
            ["Karl Stein sued Anna Weber."]
        );
        assert_eq!(
            texts("In the mine 31 were trapped.", "31 got out, 15 were trapped."),
            ["In the mine 15 were trapped."]
        );
        assert_eq!(
            texts("He left on Tuesday.", "The vote was on Tuesday; on Friday he left."),
            ["He left on Friday."]
        );
        assert_eq!(texts("The weather was fine.", "It was fine in Berlin."), [""; 0]);
    }
}
