//! The signs by which a claim is compared with what it cites. Each looks at one thing and knows
//! nothing of the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding,
    english::{self, Kind, Quantity, Token},
};

/// By what each finding speaks against a claim, in log-odds: `models/judge/fit.py` fits them
/// together with a model's judgement. What isn't here is certain.
const SMALL: f32 = 0.1;
const MOVED_NUMBER: f32 = 1.22;
const DISPLACED_NUMBER: f32 = 0.45;
const DISPLACED_TIME: f32 = 0.1;
const MOVED_TIME: f32 = 0.1;
const UNKNOWN_NAME: f32 = 0.7;
const MOVED_NAME: f32 = 0.6;
const AFFIRMED: f32 = 0.19;
const OPPOSITE: f32 = 0.71;
const TURNED: f32 = 0.21;
const HEDGE: f32 = 1.13;
const ROLE: f32 = 0.63;
const SPEAKER: f32 = 0.1;
pub const CAUSE: f32 = 1.04;

/// A claim, or the sentences that it cites, read.
pub struct Text {
    /// A list of tokens a sentence.
    pub sentences: Vec<Vec<Token>>,
}

impl Text {
    /// Reads sentences.
    #[must_use]
    pub fn read<'a>(sentences: impl IntoIterator<Item = &'a str>) -> Self {
        Self { sentences: sentences.into_iter().map(english::tokens).collect() }
    }

    fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.sentences.iter().flatten()
    }

    /// All concepts that are said.
    #[must_use]
    pub fn concepts(&self) -> BTreeSet<String> {
        self.tokens().map(|t| t.concept.clone()).collect()
    }

    /// The concepts of its content words and names.
    #[must_use]
    pub fn content(&self) -> BTreeSet<String> {
        self.tokens().filter(|t| t.is_content()).map(|t| t.concept.clone()).collect()
    }

    fn has_word(&self, words: &[&str]) -> bool {
        self.tokens().any(|t| words.contains(&t.text.to_lowercase().as_str()))
    }
}

/// What stands around a token: concepts with weights that fall with the distance.
fn context(sentence: &[Token], at: usize) -> BTreeMap<&str, f32> {
    let mut around = BTreeMap::new();
    let Some(centre) = sentence.get(at) else { return around };
    for (i, token) in sentence.iter().enumerate() {
        if i == at || !(token.is_content() || matches!(token.kind, Kind::Time(_))) {
            continue;
        }
        // What a number counts comes after it.
        let distance = if i > at { (i - at) as f32 * 0.7 } else { (at - i) as f32 };
        let mut weight = 1.0 / (1.0 + 0.5 * distance);
        if token.clause != centre.clause {
            weight *= 0.5;
        }
        let best = around.entry(token.concept.as_str()).or_insert(0.0);
        *best = f32::max(*best, weight);
    }
    around
}

fn likeness(a: &BTreeMap<&str, f32>, b: &BTreeMap<&str, f32>) -> f32 {
    a.iter().filter_map(|(concept, weight)| Some(weight * b.get(concept)?)).sum::<f32>().sqrt()
}

/// The places of a text where `wanted` holds.
fn places(text: &Text, wanted: impl Fn(&Token) -> bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (s, sentence) in text.sentences.iter().enumerate() {
        found.extend(
            (0..sentence.len()).filter(|i| sentence.get(*i).is_some_and(&wanted)).map(|i| (s, i)),
        );
    }
    found
}

fn best_likeness(around: &BTreeMap<&str, f32>, text: &Text, places: &[(usize, usize)]) -> f32 {
    places
        .iter()
        .filter_map(|(s, i)| Some(likeness(around, &context(text.sentences.get(*s)?, *i))))
        .fold(0.0, f32::max)
}

/// How much better another's surroundings must fit than a thing's own, before it counts as taken
/// from there.
const MOVED_RATIO: f32 = 1.25;
const MOVED_LEAST: f32 = 0.3;
/// The same for names, whose surroundings vary more.
const NAME_RATIO: f32 = 1.5;

/// Whether what the claim says around one of its tokens is what the evidence says around another
/// of the same sort. Where the claim has that other one too, both must have changed places.
fn moved<'e>(
    claim: &Text,
    at: (usize, usize),
    evidence: &'e Text,
    same: impl Fn(&Token, &Token) -> bool,
    rival: impl Fn(&Token) -> bool,
    ratio: f32,
) -> Option<&'e Token> {
    let sentence = claim.sentences.get(at.0)?;
    let token = sentence.get(at.1)?;
    let around = context(sentence, at.1);
    let own_places = places(evidence, |t| same(token, t));
    let own = best_likeness(&around, evidence, &own_places);
    let mut best: Option<(f32, &Token)> = None;
    for (s, i) in places(evidence, |t| rival(t) && !same(token, t)) {
        let cited = evidence.sentences.get(s)?;
        let other = cited.get(i)?;
        let score = likeness(&around, &context(cited, i));
        let stayed = places(claim, |t| same(t, other)).iter().any(|(s2, i2)| {
            claim.sentences.get(*s2).is_some_and(|sentence| {
                let around = context(sentence, *i2);
                let there = best_likeness(&around, evidence, &places(evidence, |t| same(t, other)));
                there * ratio >= best_likeness(&around, evidence, &own_places)
            })
        });
        if !stayed && best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, other));
        }
    }
    let (score, token) = best?;
    (score > own * ratio && score > MOVED_LEAST).then_some(token)
}

/// The content words that go with a token and with none of its sort: those of its clause, up to
/// the next of its sort on either side.
fn territory<'t>(
    sentence: &'t [Token],
    at: usize,
    of_its_sort: &impl Fn(&Token) -> bool,
) -> BTreeSet<&'t str> {
    let Some(clause) = sentence.get(at).map(|t| t.clause) else { return BTreeSet::new() };
    let outside = |t: &&Token| t.clause == clause && !of_its_sort(t);
    let before = sentence.iter().take(at).rev().take_while(outside);
    let after = sentence.iter().skip(at + 1).take_while(outside);
    before.chain(after).filter(|t| t.kind == Kind::Content).map(|t| t.concept.as_str()).collect()
}

/// Whether the claim says of a token what the evidence says only of another of its sort: one that
/// the claim leaves out ("31 were trapped" for "31 got out, 15 were trapped"), or one of which it
/// says what the evidence says only of the first ("five died and 16 were hurt", exchanged).
fn displaced<'e>(
    claim: &Text,
    at: (usize, usize),
    evidence: &'e Text,
    same: impl Fn(&Token, &Token) -> bool,
    of_its_sort: impl Fn(&Token) -> bool,
) -> Option<&'e Token> {
    let token = claim.sentences.get(at.0)?.get(at.1)?;
    // The second number of a score, 4–3, is nobody's own.
    let before = at.1.checked_sub(1).and_then(|b| claim.sentences.get(at.0)?.get(b));
    if before.is_some_and(&of_its_sort) {
        return None;
    }
    let ours = territory(claim.sentences.get(at.0)?, at.1, &of_its_sort);
    let said = claim.concepts();
    let territory_at = |(s, i): &(usize, usize)| {
        evidence.sentences.get(*s).map(|sentence| territory(sentence, *i, &of_its_sort))
    };
    let there = places(evidence, |t| same(token, t));
    let own: BTreeSet<&str> = there.iter().filter_map(territory_at).flatten().collect();
    // "Three villages with 900 inhabitants were evacuated": the villages stay three.
    let counted = |text: &Text, (s, i): (usize, usize)| -> Option<String> {
        let clause = text.sentences.get(s)?.get(i)?.clause;
        let mut next = text.sentences.get(s)?.iter().skip(i + 1).take(2);
        let noun = next.find(|t| t.clause == clause && t.kind == Kind::Content)?;
        Some(noun.concept.clone())
    };
    let thing = counted(claim, at);
    if thing.is_some() && there.iter().any(|place| counted(evidence, *place) == thing) {
        return None;
    }
    // What is said of it there and not here: else nothing was left out for the other's sake.
    let left_out = own.iter().any(|concept| !said.contains(*concept));
    places(evidence, |t| of_its_sort(t) && !same(token, t)).into_iter().find_map(|place| {
        let theirs = territory_at(&place)?;
        let other = evidence.sentences.get(place.0)?.get(place.1)?;
        let kept = places(claim, |c| same(c, other));
        let given: BTreeSet<&str> = kept
            .iter()
            .filter_map(|(s, i)| Some(territory(claim.sentences.get(*s)?, *i, &of_its_sort)))
            .flatten()
            .collect();
        let taken = theirs.iter().any(|c| ours.contains(c) && !own.contains(c));
        // Nothing may speak for their own places.
        let stays = own.iter().any(|c| ours.contains(c) && !theirs.contains(c))
            || theirs.iter().any(|c| given.contains(c) && !own.contains(c));
        let exchanged = !stays && own.iter().any(|c| given.contains(c) && !theirs.contains(c));
        let is_so = if kept.is_empty() { left_out } else { exchanged };
        (taken && is_so).then_some(other)
    })
}

fn elsewhere(text: &str, other: &Token) -> String {
    format!("{text} is said of something else; here it is {}", other.text)
}

fn perhaps(text: &str, other: &Token) -> String {
    format!("{text} is perhaps said of what is {} here", other.text)
}

/// The quantity that a token is.
pub fn quantity(token: &Token) -> Option<&Quantity> {
    match &token.kind {
        Kind::Number(q) => Some(q),
        _ => None,
    }
}

/// The key of the point in time that a token is.
pub fn time(token: &Token) -> Option<&str> {
    match &token.kind {
        Kind::Time(key) => Some(key),
        _ => None,
    }
}

/// Whether a quantity is a length of time, an age among them.
fn is_duration(quantity: &Quantity) -> bool {
    matches!(quantity.unit, Some("days" | "age"))
}

/// Whether two quantities are one, however they are written.
pub fn same_value(a: &Quantity, b: &Quantity) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() <= 0.004 * a.abs().max(b.abs());
    close(a.value, b.value)
        || ((is_duration(a) || is_duration(b))
            && (!is_duration(a) || !is_duration(b) || a.unit != b.unit)
            && close(a.written, b.written))
        || (a.unit == Some("percent") && b.unit.is_none() && close(a.value / 100.0, b.value))
        || (b.unit == Some("percent") && a.unit.is_none() && close(b.value / 100.0, a.value))
}

/// Percentages that words say.
const FRACTIONS: &[(f64, &[&str])] = &[
    (10.0, &["tenth", "ten"]),
    (20.0, &["fifth", "five"]),
    (25.0, &["quarter"]),
    (33.3, &["third", "three"]),
    (50.0, &["half"]),
    (66.7, &["thirds"]),
    (75.0, &["quarters"]),
];

/// Numbers: each must be in what is cited, with the same unit and bound, and said of the same
/// thing. `known` are further values that the cited sentences have in any form.
#[must_use]
pub fn numbers(claim: &Text, evidence: &Text, known: &[f64]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in places(claim, |t| quantity(t).is_some()) {
        let Some(token) = claim.sentences.get(at.0).and_then(|s| s.get(at.1)) else { continue };
        let Some(q) = quantity(token) else { continue };
        let matching: Vec<&Quantity> =
            evidence.tokens().filter_map(quantity).filter(|e| same_value(q, e)).collect();
        let text = &token.text;
        if matching.is_empty() {
            // "The first half" of a year, "three quarters" of it.
            let is_period = |months: f64, word: &str| {
                q.unit == Some("days")
                    && q.written == months
                    && evidence.tokens().any(|t| t.text.to_lowercase().ends_with(word))
            };
            let part_of_year = is_period(6.0, "half")
                || is_period(9.0, "three quarters")
                || is_period(3.0, "quarter");
            let fraction = q.unit == Some("percent")
                && FRACTIONS.iter().any(|(percent, words)| {
                    (q.value - percent).abs() < 0.5 && evidence.has_word(words)
                });
            // "Six weeks" aren't "six days", though six is known.
            let other_unit = || {
                evidence.tokens().filter_map(quantity).any(|e| {
                    e.unit.is_some() && q.unit.is_some() && (e.written - q.written).abs() < 1e-6
                })
            };
            let said_otherwise = part_of_year
                || fraction
                || known.iter().any(|v| (v - q.value).abs() <= 1e-6 * v.abs()) && !other_unit();
            if !said_otherwise {
                let detail = format!("{text} is not in what it cites");
                // A list of two things counts itself.
                let small = q.unit.is_none() && q.value <= 2.0;
                findings.push(if small { Finding::doubtful(SMALL, detail) } else { detail.into() });
            }
            continue;
        }
        let agrees = |e: &&Quantity| {
            q.unit.is_none()
                || e.unit.is_none()
                || q.unit == e.unit
                || is_duration(q) && is_duration(e)
        };
        let fitting: Vec<&&Quantity> = matching.iter().filter(|e| agrees(e)).collect();
        if fitting.is_empty() {
            let other = matching.first().and_then(|e| e.unit).unwrap_or("no unit");
            findings.push(format!("{text}: what it cites counts in another unit ({other})").into());
        } else if q.bound != 0 && fitting.iter().all(|e| e.bound == -q.bound) {
            findings.push(format!("{text}: what it cites bounds it from the other side").into());
        } else if let Some(other) = turned(claim, at, evidence, q) {
            let detail = format!("{text} goes with \"{}\" in what it cites", other.text);
            findings.push(Finding::doubtful(TURNED, detail));
        } else if let Some(other) = moved(
            claim,
            at,
            evidence,
            |a, b| quantity(a).zip(quantity(b)).is_some_and(|(a, b)| same_value(a, b)),
            |t| quantity(t).is_some_and(|e| e.unit == q.unit),
            MOVED_RATIO,
        ) {
            findings.push(Finding::doubtful(MOVED_NUMBER, elsewhere(text, other)));
        } else if let Some(other) = displaced(
            claim,
            at,
            evidence,
            |a, b| quantity(a).zip(quantity(b)).is_some_and(|(a, b)| same_value(a, b)),
            |t| quantity(t).is_some_and(|e| e.unit == q.unit),
        ) {
            findings.push(Finding::doubtful(DISPLACED_NUMBER, perhaps(text, other)));
        }
    }
    findings
}

/// The word beside a number in what is cited whose opposite stands beside it in the claim: "rose by
/// 16 percent" for "fell by 16 percent".
fn turned<'e>(
    claim: &Text,
    at: (usize, usize),
    evidence: &'e Text,
    said: &Quantity,
) -> Option<&'e Token> {
    let beside = |sentence: &[Token], i: usize| -> Vec<String> {
        let clause = sentence.get(i).map(|t| t.clause);
        let near = sentence.iter().filter(|t| Some(t.clause) == clause && !t.negated);
        let said = |t: &&Token| t.kind == Kind::Content || t.text == "down";
        near.filter(said).map(|t| t.concept.clone()).collect()
    };
    let ours = beside(claim.sentences.get(at.0)?, at.1);
    let there = places(evidence, |t| quantity(t).is_some_and(|q| same_value(said, q)));
    let cited: Vec<&[Token]> =
        there.iter().filter_map(|(s, _)| evidence.sentences.get(*s).map(Vec::as_slice)).collect();
    let (rise, fall) = (english::concept("rise"), english::concept("fall"));
    let theirs = || cited.iter().zip(&there).map(|(s, (_, i))| beside(s, *i));
    [(&rise, &fall), (&fall, &rise)].into_iter().find_map(|(way, opposite)| {
        let turned = ours.contains(way)
            && !theirs().any(|theirs| theirs.contains(way))
            && theirs().any(|theirs| theirs.contains(opposite));
        cited.iter().flat_map(|s| s.iter()).find(|t| turned && t.concept == *opposite)
    })
}

/// Whether the time that is said is the one cited, or holds it: a month its days.
pub fn covers(cited: &str, said: &str) -> bool {
    let (c, s): (Vec<&str>, Vec<&str>) = (cited.split(' ').collect(), said.split(' ').collect());
    match (c.as_slice(), s.as_slice()) {
        _ if cited == said => true,
        (["date", m, _], ["month", n]) => m == n,
        (["date", _, d], ["day", e]) => d == e,
        (["day", d], ["date", _, e]) => d == e,
        _ => false,
    }
}

/// Whether two days are named of which one follows the other: then one is "the next day".
fn has_neighbouring_days(text: &Text) -> bool {
    let days: BTreeSet<(bool, u32)> = text
        .tokens()
        .filter_map(time)
        .filter_map(|key| {
            let mut parts = key.split(' ');
            let weekday = parts.next().filter(|sort| ["weekday", "date", "day"].contains(sort))?;
            Some((weekday == "weekday", parts.next_back()?.parse().ok()?))
        })
        .collect();
    // Weekdays count from 1 to 7, and Monday follows Sunday.
    days.iter().any(|&(week, day)| days.contains(&(week, if week { day % 7 } else { day } + 1)))
}

/// Points in time: each must be in what is cited, and said of the same thing.
#[must_use]
pub fn times(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let sort = |key: &str| key.split(' ').next().unwrap_or("").to_owned();
    let words: BTreeSet<String> = evidence
        .tokens()
        .map(|t| t.text.to_lowercase())
        // "within a month"
        .map(|text| text.strip_prefix("a ").map_or_else(|| text.clone(), str::to_owned))
        .collect();
    let mut findings = Vec::new();
    for at in places(claim, |t| time(t).is_some()) {
        let Some(token) = claim.sentences.get(at.0).and_then(|s| s.get(at.1)) else { continue };
        let Some(said) = time(token) else { continue };
        let cited = evidence.tokens().filter_map(time).any(|cited| covers(cited, said));
        let text = &token.text;
        if !cited {
            // "this year" for "since the beginning of the year"
            let period = said.split(' ').nth(1).unwrap_or("");
            let loose = matches!(sort(said).as_str(), "past" | "next" | "this")
                && (words.iter().any(|w| w.trim_end_matches('s') == period)
                    || evidence.tokens().filter_map(time).any(|c| c.ends_with(period)));
            let side_changed = evidence.tokens().filter_map(time).any(|c| {
                let other = c.split(' ').nth(1).unwrap_or("");
                other == period
                    && sort(c) != sort(said)
                    && ["past", "next"].contains(&sort(c).as_str())
                    && ["past", "next"].contains(&sort(said).as_str())
            });
            // "January" for "the beginning of the year" and "the first nine months"
            let span = said == "month 1" && words.contains("year")
                || sort(said) == "month"
                    && words.contains("first")
                    && words.iter().any(|w| w.contains("month"));
            // "on 8 November" for "from 8 to 21 November", "the 10th" where no more is said
            let day = said.split(' ').next_back().unwrap_or("");
            let listed = match sort(said).as_str() {
                "date" => {
                    let month = said.rsplit_once(' ').map_or("", |(month, _)| month);
                    words.contains(day)
                        && evidence.tokens().filter_map(time).any(|c| c.starts_with(month))
                }
                "day" => words.contains(&text.to_lowercase()),
                _ => false,
            };
            // "the month before" for September; "October of last year" for "last October"
            let turned = said == "past month"
                && evidence.tokens().filter_map(time).any(|c| sort(c) == "month")
                || said == "past year" && words.contains("last")
                || said == "next year" && words.contains("next")
                || matches!(said, "next day" | "past day") && has_neighbouring_days(evidence)
                || said == "past night" && words.contains("yesterday")
                || said == "day yesterday"
                    && evidence.tokens().filter_map(time).any(|cited| cited == "past night");
            if !(loose || span || listed || turned) || side_changed {
                findings.push(format!("{text}: that time is not in what it cites").into());
            }
        } else {
            let same = |a: &Token, b: &Token| {
                time(a).zip(time(b)).is_some_and(|(a, b)| covers(b, a) || covers(a, b))
            };
            let of_its_sort = |t: &Token| {
                time(t).is_some_and(|c| {
                    sort(c) == sort(said)
                        || (sort(c) == "date" && sort(said) == "day")
                        || (sort(c) == "day" && sort(said) == "date")
                })
            };
            if let Some(other) = moved(claim, at, evidence, same, of_its_sort, MOVED_RATIO) {
                findings.push(Finding::doubtful(MOVED_TIME, elsewhere(text, other)));
            } else if let Some(other) = displaced(claim, at, evidence, same, of_its_sort) {
                findings.push(Finding::doubtful(DISPLACED_TIME, perhaps(text, other)));
            }
        }
    }
    findings
}

/// Names: each must be in what is cited, as it stands, by its concept (Swiss for Switzerland) or
/// by its initials, and said of the same thing.
#[must_use]
pub fn names(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let concepts = evidence.concepts();
    let words: Vec<String> = evidence.tokens().map(|t| t.text.to_lowercase()).collect();
    let initials_of = |tokens: &mut dyn Iterator<Item = &Token>| -> String {
        let words = tokens.map(|t| t.text.to_lowercase());
        words
            .flat_map(|w| w.split('-').filter_map(|w| w.chars().next()).collect::<Vec<_>>())
            .collect()
    };
    // "Bank of England", with and without its small words.
    let initials = [
        initials_of(&mut evidence.tokens()),
        initials_of(&mut evidence.tokens().filter(|t| t.is_content())),
    ];
    let roman = |word: &str| {
        matches!((word, &concepts), ("II", c) if c.contains("second"))
            || matches!((word, &concepts), ("I", c) if c.contains("first"))
    };
    let is_cited = |token: &Token| {
        let lower = token.text.to_lowercase();
        let shouted = lower.len() >= 2 && token.text.chars().all(char::is_uppercase);
        concepts.contains(&token.concept)
            || words
                .iter()
                .any(|w| *w == lower || w.trim_end_matches('s') == lower.trim_end_matches('s'))
            || (shouted && initials.iter().any(|all| all.contains(&lower)))
            || roman(&token.text)
    };
    let claimed: BTreeSet<&str> =
        claim.tokens().filter(|t| t.kind == Kind::Name).map(|t| t.concept.as_str()).collect();
    let mut findings = Vec::new();
    for at in places(claim, |t| t.kind == Kind::Name) {
        let Some(token) = claim.sentences.get(at.0).and_then(|s| s.get(at.1)) else { continue };
        if !is_cited(token) {
            let detail = format!("{} is not in what it cites", token.text);
            findings.push(Finding::doubtful(UNKNOWN_NAME, detail));
            continue;
        }
        // A rival must be a name that the claim leaves out, in the same kind of place.
        let frame = frame(claim.sentences.get(at.0).map_or(&[][..], Vec::as_slice), at.1);
        let fitting: BTreeSet<&str> = evidence
            .sentences
            .iter()
            .flat_map(|sentence| {
                (0..sentence.len())
                    .filter(move |i| self::frame(sentence, *i) == frame)
                    .filter_map(|i| Some(sentence.get(i)?.concept.as_str()))
            })
            .collect();
        if !evidence.tokens().any(|t| t.concept == token.concept) {
            continue;
        }
        if let Some(other) = moved(
            claim,
            at,
            evidence,
            |a, b| a.concept == b.concept,
            |t| {
                t.kind == Kind::Name
                    && !claimed.contains(t.concept.as_str())
                    && fitting.contains(t.concept.as_str())
            },
            NAME_RATIO,
        ) {
            findings.push(Finding::doubtful(MOVED_NAME, elsewhere(&token.text, other)));
        }
    }
    findings
}

/// The kind of place that a name stands in: by the preposition before it, other names and "the"
/// skipped.
fn frame(sentence: &[Token], at: usize) -> &'static str {
    let before = sentence.iter().take(at).rev().find(|t| {
        t.kind != Kind::Name && !matches!(t.text.to_lowercase().as_str(), "the" | "a" | "an")
    });
    match before.map(|t| t.text.to_lowercase()).as_deref() {
        Some("in" | "at" | "near" | "outside" | "around" | "off" | "into") => "place",
        Some("to" | "from" | "towards") => "way",
        Some("of" | "for" | "with" | "on") => "relation",
        Some("by") => "agent",
        _ => "plain",
    }
}

/// Tokens, and whether each stands in a clause that denies something.
fn with_doubt(sentence: &[Token]) -> Vec<(&Token, bool)> {
    let denying: BTreeSet<usize> =
        sentence.iter().filter(|t| english::is_negator(&t.text)).map(|t| t.clause).collect();
    sentence.iter().map(|t| (t, denying.contains(&t.clause))).collect()
}

/// What stands in a token's own clause, of both of the texts' names and content words.
fn neighbours(sentences: &[Vec<Token>], token: &Token) -> BTreeSet<String> {
    sentences
        .iter()
        .filter(|s| s.iter().any(|t| std::ptr::eq(t, token)))
        .flatten()
        .filter(|t| t.clause == token.clause && t.is_content() && !std::ptr::eq(*t, token))
        .map(|t| t.concept.clone())
        .collect()
}

/// Negations and opposites: what the claim affirms must not be denied by what it cites, nor the
/// other way round.
#[must_use]
pub fn polarity(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cited: Vec<(&Token, bool)> =
        evidence.sentences.iter().flat_map(|s| with_doubt(s)).collect();
    for (token, doubtful) in claim.sentences.iter().flat_map(|s| with_doubt(s)) {
        if token.kind != Kind::Content || (doubtful && !token.negated) {
            continue;
        }
        let same: Vec<&(&Token, bool)> =
            cited.iter().filter(|(t, _)| t.concept == token.concept).collect();
        if same.iter().any(|(t, doubtful)| t.negated == token.negated || *doubtful && !t.negated) {
            continue;
        }
        if let Some((other, _)) = same.first() {
            let how = if token.negated { "affirmed" } else { "denied" };
            let against = if token.negated { AFFIRMED } else { OPPOSITE };
            let detail = format!("\"{}\" is {how} in what it cites", other.text);
            findings.push(Finding::doubtful(against, detail));
            continue;
        }
        if is_converse(&token.concept) {
            continue;
        }
        let opposites = english::opposites(&token.concept);
        let around = neighbours(&claim.sentences, token);
        let other = evidence
            .tokens()
            .filter(|t| {
                let opposite = opposites.contains(&t.concept) || is_prefixed(&token.text, &t.text);
                opposite && t.negated == token.negated && t.is_content()
            })
            .find(|t| neighbours(&evidence.sentences, t).intersection(&around).next().is_some());
        if let Some(other) = other {
            let detail = format!("\"{}\" is \"{}\" in what it cites", token.text, other.text);
            findings.push(Finding::doubtful(OPPOSITE, detail));
        }
    }
    findings
}

/// Whether one word is the other with "un" or "in" before it: "paid" and "unpaid".
fn is_prefixed(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let rest = ["un", "in", "im", "ir", "il"].iter().find_map(|prefix| long.strip_prefix(prefix));
    short.len() >= 4 && rest == Some(short.as_str())
}

const STRONG_HEDGES: &[&str] = &[
    "thinking",
    "contemplating",
    "exploring",
    "may",
    "might",
    "could",
    "allegedly",
    "alleged",
    "alleges",
    "alleging",
    "suspected",
    "suspects",
    "suspect",
    "considering",
    "considers",
    "consider",
    "possible",
    "possibly",
    "reportedly",
    "believed",
    "believe",
    "believes",
    "seems",
    "appears",
    "appear",
    "whether",
    "likely",
    "unconfirmed",
    "fear",
    "fears",
    "feared",
    "potential",
    "potentially",
    "claims",
    "claimed",
    "claim",
    "accuses",
    "accused",
    "accuse",
    "perhaps",
    "probably",
    "apparently",
    "rumoured",
    "presumably",
    "thought",
    "assumed",
    "suggests",
    "suggest",
    "indicates",
    "mulling",
    "examining",
    "assume",
    "assumes",
    "unless",
    "if",
];
/// By these a claim keeps a doubt; by themselves they are none.
const NOUNS_OF_DOUBT: &[&str] = &["suspicion", "consideration", "weighing"];
const WEAK_HEDGES: &[&str] = &[
    "proposes",
    "proposed",
    "proposal",
    "wants",
    "want",
    "hopes",
    "hope",
    "seeks",
    "would",
    "plans",
    "plan",
    "planned",
    "planning",
    "intends",
    "intend",
    "expected",
    "expects",
    "expect",
    "aims",
    "aim",
    "forecast",
    "forecasts",
    "anticipates",
    "scheduled",
    "should",
    "predicts",
    "predicted",
    "estimated",
    "estimates",
    "estimate",
    "due",
    "provided",
    "pending",
];

/// What a hedge at `at` speaks of: the next words of its clause, or of the next clause where it
/// stands at the end of its own ("suspect that …").
fn scope(sentence: &[Token], at: usize) -> Vec<&str> {
    let clause = sentence.get(at).map_or(0, |t| t.clause);
    let within = |last: usize| -> Vec<&str> {
        sentence
            .iter()
            .skip(at + 1)
            .take_while(|t| t.clause <= last)
            .filter(|t| t.is_content())
            .map(|t| t.concept.as_str())
            .take(6)
            .collect()
    };
    let own = within(clause);
    if own.len() < 2 { within(clause + 1) } else { own }
}

fn hedges<'t>(sentence: &'t [Token], words: &[&str]) -> Vec<(&'t Token, Vec<&'t str>)> {
    sentence
        .iter()
        .enumerate()
        // "May 13" is a point in time, and no hedge.
        .filter(|(_, t)| !matches!(t.kind, Kind::Time(_)))
        // "No letters could be sent": what couldn't be done wasn't.
        .filter(|(_, t)| {
            let denied =
                || sentence.iter().any(|n| n.clause == t.clause && english::is_negator(&n.text));
            !(t.text.eq_ignore_ascii_case("could") && denied())
        })
        .filter(|(_, t)| words.contains(&t.text.to_lowercase().as_str()))
        .map(|(i, t)| (t, scope(sentence, i)))
        .collect()
}

/// Doubt: what is only possible, alleged or planned in what it cites must not be a fact in the
/// claim.
#[must_use]
pub fn hedging(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let doubted: BTreeSet<&str> = claim
        .sentences
        .iter()
        .flat_map(|s| hedges(s, STRONG_HEDGES).into_iter().chain(hedges(s, NOUNS_OF_DOUBT)))
        .flat_map(|(hedge, scope)| scope.into_iter().chain([hedge.concept.as_str()]))
        .collect();
    let words: Vec<String> = claim.tokens().map(|t| t.text.to_lowercase()).collect();
    let future = claim.has_word(WEAK_HEDGES)
        || claim.has_word(&["will", "going"])
        || words.windows(2).any(|w| {
            let [a, b] = w else { return false };
            b == "to" && (a == "set" || BE.contains(&a.as_str()))
        });
    let said: BTreeSet<&str> =
        claim.tokens().filter(|t| t.is_content()).map(|t| t.concept.as_str()).collect();
    for sentence in &evidence.sentences {
        let strong = hedges(sentence, STRONG_HEDGES);
        let weak = if future { Vec::new() } else { hedges(sentence, WEAK_HEDGES) };
        for (hedge, scope) in strong.into_iter().chain(weak) {
            let shared: Vec<&&str> = scope.iter().filter(|c| said.contains(*c)).collect();
            let condition = ["if", "unless"].contains(&hedge.text.to_lowercase().as_str());
            let kept = shared.iter().any(|c| doubted.contains(**c))
                || doubted.contains(hedge.concept.as_str())
                || (condition && !doubted.is_empty());
            if scope.len() >= 2 && shared.len() * 2 >= scope.len() && !kept {
                let detail = format!(
                    "\"{}\" is missing: it states as fact what its citations don't",
                    hedge.text
                );
                return vec![Finding::doubtful(HEDGE, detail)];
            }
        }
    }
    Vec::new()
}

/// The agent's and the patient's side of each verb that has an opposite or takes two parties.
struct Deed {
    agents: BTreeSet<String>,
    patients: BTreeSet<String>,
}

const BE: &[&str] =
    &["is", "are", "was", "were", "be", "been", "being", "get", "got", "gets", "am"];

/// Who does what to whom, for each concept that both texts have.
fn deeds(text: &Text, concept: &str) -> Vec<Deed> {
    let mut found = Vec::new();
    for sentence in &text.sentences {
        for (at, token) in sentence.iter().enumerate() {
            let determined = at.checked_sub(1).and_then(|b| sentence.get(b)).is_some_and(|t| {
                matches!(
                    t.text.to_lowercase().as_str(),
                    "the"
                        | "a"
                        | "an"
                        | "their"
                        | "its"
                        | "his"
                        | "her"
                        | "this"
                        | "that"
                        | "of"
                        | "in"
                )
            });
            if token.concept != concept || determined || is_title(&token.text) {
                continue;
            }
            let word = |i: usize| sentence.get(i).map_or(String::new(), |t| t.text.to_lowercase());
            let content = |range: &[Token]| -> BTreeSet<String> {
                range
                    .iter()
                    .filter(|t| t.is_content() && t.concept != concept)
                    .map(|t| t.concept.clone())
                    .collect()
            };
            let begin = sentence
                .iter()
                .take(at)
                .rposition(|t| t.clause != token.clause)
                .map_or(0, |i| i + 1);
            let opener = word(begin);
            // ", which had sued …": the clause before says who.
            let begin = if matches!(opener.as_str(), "which" | "who" | "that") || begin == at {
                let clause = begin.checked_sub(1).and_then(|b| sentence.get(b)).map(|t| t.clause);
                sentence.iter().position(|t| Some(t.clause) == clause).unwrap_or(begin)
            } else {
                begin
            };
            let end = sentence
                .iter()
                .skip(at)
                .position(|t| t.clause != token.clause)
                .map_or(sentence.len(), |n| at + n);
            let left = sentence.get(begin..at).unwrap_or_default();
            let right = sentence.get(at + 1..end).unwrap_or_default();
            let (left, nearest) = (noun_before(left), noun_after(right));
            let passive = (1..=3).any(|n| {
                at.checked_sub(n).is_some_and(|i| i >= begin && BE.contains(&word(i).as_str()))
            }) && !token.text.split(' ').next().is_some_and(|w| w.ends_with("ing"));
            let by = right.iter().position(|t| t.text.eq_ignore_ascii_case("by"));
            let by = by.map(|by| noun_after(right.get(by + 1..).unwrap_or_default()));
            let (agents, patients) = match (passive, by) {
                (true, Some(by)) => (content(by), content(left)),
                (true, None) => (BTreeSet::new(), content(left)),
                (false, _) => (content(left), content(nearest)),
            };
            // Who is given something, or wins, stands behind "to".
            let to = right.iter().position(|t| t.text.eq_ignore_ascii_case("to"));
            let mut patients = patients;
            let party = ["give", "lose"].iter().any(|word| concept == english::concept(word));
            if let Some(to) = to.filter(|_| party) {
                patients = content(noun_after(right.get(to + 1..).unwrap_or_default()));
            }
            found.push(Deed { agents, patients });
        }
    }
    found
}

/// Nouns of winning, which tell no deed by themselves: "joins the Danish champions".
fn is_title(word: &str) -> bool {
    let word = word.to_lowercase();
    let one = word.strip_suffix('s').unwrap_or(&word);
    ["champion", "title", "winner"].contains(&one)
}

const ARTICLES: &[&str] = &["the", "a", "an", "his", "her", "its", "their", "both", "all", "some"];

/// The noun phrase that ends before a verb, auxiliaries and adverbs left out.
fn noun_before(tokens: &[Token]) -> &[Token] {
    let is_function = |t: &Token| t.kind == Kind::Function;
    let end = tokens
        .iter()
        .rposition(|t| !is_function(t) && !t.text.ends_with("ly"))
        .map_or(0, |i| i + 1);
    let start = tokens
        .iter()
        .take(end)
        .rposition(|t| {
            let word = t.text.to_lowercase();
            is_function(t) && !ARTICLES.contains(&word.as_str()) && word != "of" && word != "and"
        })
        .map_or(0, |i| i + 1);
    tokens.get(start..end).unwrap_or_default()
}

/// The noun phrase that begins after a verb.
pub fn noun_after(tokens: &[Token]) -> &[Token] {
    let end = tokens
        .iter()
        .position(|t| {
            t.kind == Kind::Function && !ARTICLES.contains(&t.text.to_lowercase().as_str())
        })
        .unwrap_or(tokens.len());
    tokens.get(..end).unwrap_or_default()
}

/// Concepts whose opposite is the same deed seen from the other side: A beats B, B loses to A.
const CONVERSE: &[&str] = &["win", "lose", "buy", "sell", "give", "receive"];

/// Whether a concept is one of a pair that tell the same deed from two sides.
pub fn is_converse(concept: &str) -> bool {
    CONVERSE.iter().any(|word| english::concept(word) == concept)
}

/// Concepts with two parties that can be taken for each other.
pub const TWO_PARTY: &[&str] = &[
    "accuse",
    "beat",
    "lose",
    "buy",
    "sell",
    "sue",
    "hit",
    "praise",
    "criticise",
    "ask",
    "order",
    "give",
    "shoot_down",
    "attack",
    "arrest",
    "help",
    "threaten",
    "blame",
    "support",
    "reject",
    "appoint",
    "invite",
    "replace",
    "warn",
    "thank",
    "overtake",
    "elect",
    "pressure",
    "hire",
    "follow",
    "rescue",
    "marry",
    "insult",
    "defend",
    "occupy",
    "borrow",
    "lend",
    "owe",
    "call",
    "lead",
    "attend",
    "host",
    "save",
    "push",
    "interview",
    "convince",
    "persuade",
    "advise",
    "summon",
    "stab",
    "rob",
    "kidnap",
    "expel",
    "cheat",
    "deceive",
    "chase",
    "contradict",
    "divorce",
    "mock",
];

/// Roles: who does something in the claim must not be the one to whom it is done in what it cites.
#[must_use]
pub fn roles(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let two_party: BTreeSet<String> = TWO_PARTY.iter().map(|w| english::concept(w)).collect();
    let cited = evidence.concepts();
    let shared: BTreeSet<String> = claim
        .tokens()
        .filter(|t| t.kind == Kind::Content && two_party.contains(&t.concept))
        .map(|t| t.concept.clone())
        .collect();
    let overlap = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).count();
    let exchanged = |ours: &[Deed], theirs: &[Deed], converse: bool| {
        ours.iter().any(|our| {
            let fits = |their: &Deed, crossed: bool| {
                let (a, b) = if crossed == converse {
                    (&their.agents, &their.patients)
                } else {
                    (&their.patients, &their.agents)
                };
                let (a, b) = (overlap(&our.agents, a), overlap(&our.patients, b));
                a + b
            };
            let best = |crossed| theirs.iter().map(|t| fits(t, crossed)).max().unwrap_or(0);
            best(true) > best(false)
        })
    };
    for concept in shared {
        let ours = deeds(claim, &concept);
        let opposite = english::opposites(&concept)
            .iter()
            .find(|o| is_converse(&concept) && cited.contains(*o));
        let wrong = if cited.contains(&concept) {
            exchanged(&ours, &deeds(evidence, &concept), false)
        } else if let Some(opposite) = opposite {
            exchanged(&ours, &deeds(evidence, opposite), true)
        } else {
            false
        };
        if wrong {
            let detail = format!("who and whom of \"{concept}\" are exchanged in what it cites");
            return vec![Finding::doubtful(ROLE, detail)];
        }
    }
    Vec::new()
}

/// Words by which somebody says something.
pub const SAYING: &[&str] = &[
    "said",
    "says",
    "say",
    "told",
    "stated",
    "stressed",
    "emphasised",
    "emphasized",
    "explained",
    "added",
    "remarked",
    "noted",
    "warned",
    "claimed",
    "alleged",
    "according",
    "argued",
    "argues",
    "believes",
    "thinks",
    "warns",
    "admitted",
    "complained",
    "pledged",
    "promised",
    "insisted",
    "asserted",
    "conceded",
    "acknowledged",
    "vowed",
];

/// The names of whoever says what a sentence says; empty where nobody does, or nobody by name.
fn speaker(sentence: &[Token]) -> BTreeSet<String> {
    let Some(at) = sentence.iter().position(|t| SAYING.contains(&t.text.to_lowercase().as_str()))
    else {
        return BTreeSet::new();
    };
    let clause = sentence.get(at).map_or(0, |t| t.clause);
    let names = |tokens: &[Token]| -> BTreeSet<String> {
        tokens.iter().filter(|t| t.kind == Kind::Name).map(|t| t.concept.clone()).collect()
    };
    let begin = sentence.iter().position(|t| t.clause == clause).unwrap_or(at);
    let before = sentence.get(begin..at).unwrap_or_default();
    let after = noun_after(sentence.get(at + 1..).unwrap_or_default());
    if sentence.get(at).is_some_and(|t| t.text.eq_ignore_ascii_case("according")) {
        return names(noun_after(sentence.get(at + 2..).unwrap_or_default()));
    }
    if before.iter().any(|t| t.is_content()) {
        return names(before);
    }
    if !before.is_empty() {
        return BTreeSet::new();
    }
    // "The director, Dr Kader, said the bridge …": the clauses before; or ", said Mayor Moser".
    let from = sentence.iter().position(|t| t.clause + 2 >= clause).unwrap_or(0);
    let apposition = sentence.get(from..at).unwrap_or_default();
    let short = apposition.iter().filter(|t| t.is_content()).count() <= 8;
    let mut found = names(after);
    if found.is_empty() || short {
        found.extend(names(apposition));
    }
    found
}

/// Whether `concept` stands in the same sentence, before the saying, as the speaker's names do:
/// then it may be part of who speaks ("Tan, director of the museum, said").
fn known_near(evidence: &Text, concept: &str, speaker: &BTreeSet<String>) -> bool {
    evidence.sentences.iter().any(|s| {
        let said = s.iter().position(|t| SAYING.contains(&t.text.to_lowercase().as_str()));
        let head = s.get(..said.unwrap_or(0)).unwrap_or_default();
        head.iter().any(|t| t.concept == concept)
            && head.iter().any(|t| speaker.contains(&t.concept))
    })
}

/// Attribution: a statement must be in the mouth of whoever makes it in what is cited.
#[must_use]
pub fn attribution(claim: &Text, evidence: &Text) -> Vec<Finding> {
    let Some(sentence) = claim.sentences.first() else { return Vec::new() };
    let ours = speaker(sentence);
    let known = evidence.concepts();
    if ours.is_empty() || !ours.iter().any(|c| known.contains(c)) {
        return Vec::new();
    }
    let said: BTreeSet<&str> = sentence
        .iter()
        .filter(|t| t.is_content() && !ours.contains(&t.concept))
        .map(|t| t.concept.as_str())
        .collect();
    let best = evidence
        .sentences
        .iter()
        .map(|s| {
            let theirs = speaker(s);
            let shared = s
                .iter()
                .filter(|t| said.contains(t.concept.as_str()) && !theirs.contains(&t.concept))
                .count();
            (shared, theirs)
        })
        .max_by_key(|(shared, _)| *shared);
    match best {
        Some((shared, theirs))
            if shared >= 2
                && !theirs.is_empty()
                && ours.is_disjoint(&theirs)
                && ours.iter().all(|c| !known_near(evidence, c, &theirs)) =>
        {
            let detail = "somebody else says so in what it cites".to_owned();
            vec![Finding::doubtful(SPEAKER, detail)]
        }
        _ => Vec::new(),
    }
}

/// Share of the claim's content words whose concept is in what it cites, 0 to 1.
#[must_use]
pub fn coverage(claim: &Text, evidence: &Text) -> f32 {
    let concepts = evidence.concepts();
    let said: BTreeSet<&str> =
        claim.tokens().filter(|t| t.is_content()).map(|t| t.concept.as_str()).collect();
    let covered = said.iter().filter(|concept| is_covered(concept, &concepts)).count();
    covered as f32 / said.len().max(1) as f32
}

/// Whether a concept stands in the set, itself or with another ending: "cooperat", "cooperation".
#[must_use]
pub fn is_covered(concept: &str, concepts: &BTreeSet<String>) -> bool {
    if concepts.contains(concept) {
        return true;
    }
    // Numbers and points in time are themselves or something else.
    if concept.starts_with('#') || concept.contains(' ') {
        return false;
    }
    let head: String = concept.chars().take(5).collect();
    head.chars().count() == 5
        && concepts.range(head.clone()..).take_while(|s| s.starts_with(&head)).any(|s| {
            let shared = s.chars().zip(concept.chars()).take_while(|(a, b)| a == b).count();
            shared * 10 >= concept.chars().count().min(s.chars().count()) * 8
        })
}
