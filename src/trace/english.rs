//! English text as the checks see it: words with their concepts, numbers with their units, points
//! in time, names, clauses, and what is negated.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

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

/// A number with what is known of what it measures.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// In the unit's basis: durations in days, everything else as it stands.
    pub value: f64,
    /// As it is written.
    pub written: f64,
    /// `percent`, `points`, `euro`, `kilometre`, `days`, …
    pub unit: Option<&'static str>,
    /// 1 for "more than", -1 for "fewer than", 0 without either.
    pub bound: i8,
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

const FUNCTION: &str = " a an the and or but of to in on at by for with from as is are was were be \
    been being has have had do does did will would can could may might should must that this these \
    those it its he she they them their his her him who whom whose which what when where while also \
    there than then so such into over about after before between during not no we our you i both \
    more other some any all only if because how due including s up out off down per each own very \
    just still yet even however though although whereas too again once until till since under \
    above below through against among within without upon onto toward towards via according \
    themselves itself himself herself been'nt did'nt well much many few less least most had've \
    nor neither either every another further already now here thereby herein amid despite \
    meanwhile moreover furthermore instead ";

const CLAUSE_WORDS: &str = " and but while whereas although though after before because which who \
    whom where when if unless until whereupon that saying as ";

const NEGATORS: &str = " not no never neither nor none without cannot n't nobody nothing nowhere \
    hardly ";

fn listed(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|w| w == word)
}

/// Words that are numbers by themselves; "first" or "both" are not.
fn cardinal(word: &str) -> Option<f64> {
    Some(match word {
        "two" => 2.0,
        "three" => 3.0,
        "four" => 4.0,
        "five" => 5.0,
        "six" => 6.0,
        "seven" => 7.0,
        "eight" => 8.0,
        "nine" => 9.0,
        "ten" => 10.0,
        "eleven" => 11.0,
        "twelve" => 12.0,
        "thirteen" => 13.0,
        "fourteen" => 14.0,
        "fifteen" => 15.0,
        "sixteen" => 16.0,
        "seventeen" => 17.0,
        "eighteen" => 18.0,
        "nineteen" => 19.0,
        "twenty" => 20.0,
        "thirty" => 30.0,
        "forty" => 40.0,
        "fifty" => 50.0,
        "sixty" => 60.0,
        "seventy" => 70.0,
        "eighty" => 80.0,
        "ninety" => 90.0,
        _ => return None,
    })
}

fn scale(word: &str) -> Option<f64> {
    Some(match word {
        "hundred" => 1e2,
        "dozen" => 12.0,
        "thousand" => 1e3,
        "lakh" | "lakhs" => 1e5,
        "million" | "mn" | "m" => 1e6,
        "crore" | "crores" => 1e7,
        "billion" | "bn" => 1e9,
        "trillion" => 1e12,
        _ => return None,
    })
}

/// Whether a word denies.
#[must_use]
pub fn is_negator(word: &str) -> bool {
    listed(NEGATORS, &word.to_lowercase())
}

/// Units by the words that name them, with the factor to their basis.
fn unit(word: &str) -> Option<(&'static str, f64)> {
    Some(match word {
        "percent" | "%" | "pc" => ("percent", 1.0),
        "hour" | "hours" => ("days", 1.0 / 24.0),
        "minute" | "minutes" => ("minutes", 1.0),
        "second" | "seconds" => ("seconds", 1.0),
        "day" | "days" => ("days", 1.0),
        "week" | "weeks" => ("days", 7.0),
        "month" | "months" => ("days", 365.0 / 12.0),
        "year" | "years" => ("days", 365.0),
        "decade" | "decades" => ("days", 3650.0),
        "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => ("kilometre", 1.0),
        "mile" | "miles" => ("mile", 1.0),
        "metre" | "metres" | "meter" | "meters" => ("metre", 1.0),
        "foot" | "feet" => ("foot", 1.0),
        "centimetre" | "centimetres" | "centimeter" | "centimeters" | "cm" => ("centimetre", 1.0),
        "millimetre" | "millimetres" | "millimeters" | "mm" => ("millimetre", 1.0),
        "hectare" | "hectares" => ("hectare", 1.0),
        "acre" | "acres" => ("acre", 1.0),
        "tonne" | "tonnes" | "ton" | "tons" => ("tonne", 1.0),
        "kilogram" | "kilograms" | "kg" | "kilo" | "kilos" | "kilogrammes" => ("kilogram", 1.0),
        "gram" | "grams" | "grammes" => ("gram", 1.0),
        "litre" | "litres" | "liter" | "liters" => ("litre", 1.0),
        "kilowatt" | "kilowatts" => ("kilowatt", 1.0),
        "megawatt" | "megawatts" => ("megawatt", 1.0),
        "gigawatt" | "gigawatts" => ("gigawatt", 1.0),
        "degree" | "degrees" => ("degree", 1.0),
        "euro" | "euros" | "€" | "eur" => ("euro", 1.0),
        "dollar" | "dollars" | "$" | "usd" | "us$" => ("dollar", 1.0),
        "nt$" => ("taiwan dollar", 1.0),
        "hk$" => ("hong kong dollar", 1.0),
        "pound" | "pounds" | "£" => ("pound", 1.0),
        "franc" | "francs" | "chf" => ("franc", 1.0),
        "yuan" | "renminbi" | "rmb" => ("yuan", 1.0),
        "yen" | "¥" => ("yen", 1.0),
        "won" => ("won", 1.0),
        "rupee" | "rupees" | "rs" | "₹" => ("rupee", 1.0),
        "taka" | "tk" | "৳" => ("taka", 1.0),
        "rouble" | "roubles" | "ruble" | "rubles" => ("rouble", 1.0),
        "krona" | "kronor" | "kroner" => ("krone", 1.0),
        _ => return None,
    })
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

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
            // 13th, 1990s
            while at(i).is_ascii_alphabetic() {
                i += 1;
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

fn digits(piece: &str) -> Option<f64> {
    if !piece.starts_with(|c: char| c.is_ascii_digit()) || piece.contains(':') {
        return None;
    }
    let parts: Vec<&str> = piece.split(',').collect();
    let grouped = parts.len() > 1 && parts.iter().skip(1).all(|p| p.len() >= 2);
    if grouped || parts.len() == 1 { piece.replace(',', "").parse().ok() } else { None }
}

/// Reads a text.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let pieces = pieces(text);
    let lower: Vec<String> = pieces.iter().map(|p| p.to_lowercase()).collect();
    let low = |i: usize| lower.get(i).map_or("", String::as_str);
    let mut tokens: Vec<Token> = Vec::new();
    let mut clause = 0;
    let mut first = true;
    let mut i = 0;
    while i < pieces.len() {
        let piece = pieces.get(i).map_or("", String::as_str);
        let word = low(i);
        let push = |tokens: &mut Vec<Token>, kind: Kind, text: &str, concept: String, clause| {
            tokens.push(Token { text: text.to_owned(), concept, kind, clause, negated: false });
        };
        if matches!(word, "." | "!" | "?" | ";" | ":" | "," | "(" | ")" | "\"" | "“" | "”") {
            clause += 1;
            first = matches!(word, "." | "!" | "?");
            i += 1;
            continue;
        }
        if listed(CLAUSE_WORDS, word) {
            clause += 1;
        }
        if let Some((token, next)) = time(&lower, i) {
            push(&mut tokens, Kind::Time(token.clone()), piece, token, clause);
            i = next;
        } else if let Some((quantity, next)) = quantity(&lower, i) {
            let shown = pieces.get(i..next).unwrap_or_default().join(" ");
            let concept = format!("#{}", quantity.value);
            push(&mut tokens, Kind::Number(quantity), &shown, concept, clause);
            i = next;
        } else if let Some((concept, next)) = phrase(&lower, i) {
            let shown = pieces.get(i..next).unwrap_or_default().join(" ");
            push(&mut tokens, Kind::Content, &shown, concept, clause);
            i = next;
        } else {
            let concept = concept(word);
            let capital = piece.starts_with(char::is_uppercase);
            let shouted = piece.chars().filter(|c| c.is_uppercase()).count() > 1;
            let kind = if word.chars().all(|c| !c.is_alphanumeric()) {
                i += 1;
                continue;
            } else if (listed(FUNCTION, word) || listed(NEGATORS, word)) && !shouted {
                Kind::Function
            } else if piece.starts_with(|c: char| c.is_ascii_digit())
                || (capital && (!first || shouted || THESAURUS.names.contains(&concept)))
            {
                Kind::Name
            } else {
                Kind::Content
            };
            push(&mut tokens, kind, piece, concept, clause);
            i += 1;
        }
        first = false;
    }
    negate(&mut tokens);
    tokens
}

/// Two or three words that the thesaurus has as one.
fn phrase(lower: &[String], at: usize) -> Option<(String, usize)> {
    (2..=4).rev().find_map(|n| {
        let words = lower.get(at..at + n)?;
        let joined = words.iter().map(|w| stem(w)).collect::<Vec<_>>().join("_");
        let concept = THESAURUS.concepts.get(&joined)?;
        Some((concept.clone(), at + n))
    })
}

/// A point in time that begins at `at`, as a key that can be compared, and where it ends.
fn time(lower: &[String], at: usize) -> Option<(String, usize)> {
    let low = |i: usize| lower.get(i).map_or("", String::as_str);
    let word = low(at);
    let before = at.checked_sub(1).map_or("", low);
    let day_of = |piece: &str| -> Option<u32> {
        let digits = piece.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let ending = piece.get(digits.len()..)?;
        let day = digits.parse().ok().filter(|d| (1..=31).contains(d))?;
        matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some(day)
    };
    let month_of = |piece: &str| MONTHS.iter().position(|m| *m == piece);
    // "may" is a month only beside a number or after "in", "since", "last" …
    let is_month = |i: usize| {
        month_of(low(i)).filter(|m| {
            *m != 4
                || i.checked_sub(1).is_some_and(|b| {
                    day_of(low(b)).is_some()
                        || matches!(
                            low(b),
                            "in" | "since"
                                | "last"
                                | "until"
                                | "by"
                                | "next"
                                | "early"
                                | "late"
                                | "mid"
                                | "and"
                                | "to"
                        )
                })
                || day_of(low(i + 1)).is_some()
                || low(i + 1).parse::<u32>().is_ok_and(|y| (1900..2100).contains(&y))
        })
    };
    if let Some(month) = is_month(at) {
        // "September 13" and "September": the day counts by itself too.
        return match day_of(low(at + 1)) {
            Some(day) if digits(low(at + 1)).is_none_or(|d| d <= 31.0) => {
                Some((format!("date {} {day}", month + 1), at + 2))
            }
            _ => Some((format!("month {}", month + 1), at + 1)),
        };
    }
    if let Some(day) = day_of(word) {
        let next = if low(at + 1) == "of" { at + 2 } else { at + 1 };
        if let Some(month) = is_month(next) {
            return Some((format!("date {} {day}", month + 1), next + 1));
        }
        let ordinal = word.ends_with(|c: char| c.is_ascii_alphabetic());
        let dated = at.checked_sub(2).is_some_and(|b| {
            matches!(low(b), "on" | "from" | "until" | "by" | "since" | "before" | "after")
        });
        let alone = matches!(
            low(at + 1),
            "" | ","
                | "."
                | "for"
                | "to"
                | "at"
                | "in"
                | "on"
                | "and"
                | "by"
                | "that"
                | "with"
                | "after"
        );
        if ordinal && before == "the" && (dated || alone) {
            return Some((format!("day {day}"), at + 1));
        }
    }
    if let Some(day) = WEEKDAYS.iter().position(|d| *d == word) {
        return Some((format!("weekday {}", day + 1), at + 1));
    }
    if let Some(year) =
        word.parse::<u32>().ok().filter(|y| (1900..2100).contains(y) && word.len() == 4)
        && unit(low(at + 1)).is_none()
        && !matches!(low(at + 1), "people" | "cases" | "students" | "workers" | "homes" | "million")
        && !matches!(before, "$" | "€" | "about" | "around" | "some")
    {
        return Some((format!("year {year}"), at + 1));
    }
    if matches!(word, "today" | "yesterday" | "tomorrow" | "tonight") {
        return Some((format!("day {word}"), at + 1));
    }
    let season = |w: &str| match w {
        "spring" => Some("spring"),
        "summer" => Some("summer"),
        "autumn" | "fall" => Some("autumn"),
        "winter" => Some("winter"),
        _ => None,
    };
    if let Some(season) = season(word)
        && (word != "fall" && word != "spring"
            || matches!(before, "the" | "this" | "last" | "next" | "in" | "early" | "late" | "of"))
    {
        return Some((format!("season {season}"), at + 1));
    }
    let period = |w: &str| match w {
        "week" => Some("week"),
        "month" => Some("month"),
        "year" => Some("year"),
        "night" => Some("night"),
        "day" => Some("day"),
        "morning" => Some("morning"),
        "afternoon" => Some("afternoon"),
        "evening" => Some("evening"),
        _ => None,
    };
    let side = match word {
        "last" | "previous" | "past" => Some("past"),
        "next" | "coming" | "following" => Some("next"),
        "this" | "current" => Some("this"),
        _ => None,
    };
    if let (Some(side), Some(period)) = (side, period(low(at + 1))) {
        return Some((format!("{side} {period}"), at + 2));
    }
    if matches!(word, "a" | "the" | "one")
        && let Some(period) = period(low(at + 1))
        && matches!(low(at + 2), "ago" | "before" | "earlier")
    {
        return Some((format!("past {period}"), at + 3));
    }
    None
}

/// A quantity that begins at `at`, and where it ends.
fn quantity(lower: &[String], at: usize) -> Option<(Quantity, usize)> {
    let low = |i: usize| lower.get(i).map_or("", String::as_str);
    let mut next = at;
    let mut prefix: Option<&'static str> = None;
    if let Some((name, _)) = unit(low(next)).filter(|_| {
        matches!(
            low(at),
            "$" | "€" | "£" | "¥" | "₹" | "৳" | "nt$" | "us$" | "hk$" | "tk" | "rs" | "chf"
        ) || low(at).ends_with('$')
    }) {
        prefix = Some(name);
        next += 1;
        if low(next) == "." {
            next += 1;
        }
    }
    let mut value = if let Some(value) = digits(low(next)) {
        next += 1;
        value
    } else {
        let (value, end) = spoken(lower, next)?;
        next = end;
        value
    };
    while let Some(factor) = scale(low(next)).filter(|_| low(next) != "dozen") {
        value *= factor;
        next += 1;
    }
    // "three quarters", "two thirds"
    match low(next) {
        "quarters" => {
            value /= 4.0;
            next += 1;
        }
        "half" if low(next + 1) == "year" => return None,
        "thirds" => {
            value /= 3.0;
            next += 1;
        }
        _ => {}
    }
    let square = usize::from(matches!(low(next), "square" | "cubic"));
    let mut named = unit(low(next + square)).map(|(name, factor)| match (square, name) {
        (1, "kilometre") => ("square kilometre", 1.0),
        (1, "metre") => ("square metre", 1.0),
        _ => (name, factor),
    });
    let mut end = if named.is_some() { next + square + 1 } else { next };
    if named.is_none() && low(next) == "per" && low(next + 1) == "cent" {
        named = Some(("percent", 1.0));
        end = next + 2;
    }
    if low(next) == "percentage" && low(next + 1).starts_with("point") {
        named = Some(("points", 1.0));
        end = next + 2;
    }
    if low(next) == "basis" && low(next + 1).starts_with("point") {
        named = Some(("points", 0.01));
        end = next + 2;
    }
    if matches!(low(next), "year" | "years") && low(next + 1) == "old" {
        named = Some(("age", 1.0));
        end = next + 2;
    }
    let (unit, factor) =
        named.map_or((prefix, 1.0), |(name, factor)| (prefix.or(Some(name)), factor));
    let bound = bound(lower, at);
    Some((Quantity { value: value * factor, written: value, unit, bound }, end))
}

/// "two thousand five hundred", "thirty-eight", "a dozen", "a million", "half a million".
fn spoken(lower: &[String], at: usize) -> Option<(f64, usize)> {
    let low = |i: usize| lower.get(i).map_or("", String::as_str);
    let (mut total, mut current, mut next, mut any) = (0.0, 0.0, at, false);
    if matches!(low(at), "a" | "one") && scale(low(at + 1)).is_some() {
        current = 1.0;
        next += 1;
    } else if matches!(low(at), "a" | "an" | "one" | "another")
        && unit(low(at + 1)).is_some_and(|(name, _)| name == "days")
        && !matches!(low(at + 2), "ago" | "before" | "earlier")
        && low(at + 1) != "day"
        // "miles an hour" is a rate.
        && at.checked_sub(1).is_none_or(|b| unit(low(b)).is_none())
    {
        return Some((1.0, at + 1));
    }
    loop {
        let word = low(next);
        if let Some(value) = cardinal(word) {
            current += value;
            any = true;
        } else if let Some(factor) = scale(word).filter(|_| any || current > 0.0) {
            any = true;
            if factor >= 1e3 {
                total += if current == 0.0 { factor } else { current * factor };
                current = 0.0;
            } else {
                current = if current == 0.0 { factor } else { current * factor };
            }
        } else if !(word == "and"
            && any
            && cardinal(low(next + 1)).is_some()
            && scale(low(next.wrapping_sub(1))).is_some())
        {
            break;
        }
        next += 1;
    }
    any.then_some((total + current, next))
}

fn bound(lower: &[String], at: usize) -> i8 {
    let before: Vec<&str> = lower
        .get(at.saturating_sub(4)..at)
        .unwrap_or_default()
        .iter()
        .map(String::as_str)
        .collect();
    let text = format!(" {} ", before.join(" "));
    let has = |cues: &[&str]| cues.iter().any(|cue| text.contains(&format!(" {cue} ")));
    if has(&["no fewer than", "no less than", "not less than", "at least", "minimum of"]) {
        1
    } else if has(&["no more than", "not more than", "at most", "up to", "maximum of"])
        || has(&["fewer than", "less than", "under", "below"])
    {
        -1
    } else if has(&["more than", "over", "above", "exceeding"]) {
        1
    } else {
        0
    }
}

/// Marks what a negator denies: the verb after "not", the noun after "no" with its adjective.
fn negate(tokens: &mut [Token]) {
    let negators: Vec<(usize, usize, usize)> = tokens
        .iter()
        .enumerate()
        .map(|(i, t)| (i, t, t.text.to_lowercase()))
        .filter(|(_, _, word)| listed(NEGATORS, word))
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
            (i, t.clause, if word == "no" && adjective { 2 } else { 1 })
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

    fn quantities(text: &str) -> Vec<(f64, Option<&'static str>, i8)> {
        tokens(text)
            .into_iter()
            .filter_map(|t| match t.kind {
                Kind::Number(q) => Some((q.value, q.unit, q.bound)),
                _ => None,
            })
            .collect()
    }

    fn times(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .filter_map(|t| match t.kind {
                Kind::Time(key) => Some(key),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn quantities_have_values_units_and_bounds() {
        for (text, want) in [
            ("rose by 3.5 percent", (3.5, Some("percent"), 0)),
            ("more than 1,200,000 people", (1.2e6, None, 1)),
            ("at least NT$3.13 trillion", (3.13e12, Some("taiwan dollar"), 1)),
            ("two thousand five hundred trucks", (2500.0, None, 0)),
            ("thirty-eight percent", (38.0, Some("percent"), 0)),
            ("up to 110 miles an hour", (110.0, Some("mile"), -1)),
            ("0.4 percentage points", (0.4, Some("points"), 0)),
            ("8,000 square kilometres", (8000.0, Some("square kilometre"), 0)),
            ("within seven days", (7.0, Some("days"), 0)),
            ("for another week", (7.0, Some("days"), 0)),
            ("nearly one lakh names", (1e5, None, 0)),
            ("a fine of five million dollars", (5e6, Some("dollar"), 0)),
        ] {
            assert_eq!(quantities(text), [want], "{text}");
        }
    }

    #[test]
    fn points_in_time_have_keys() {
        for (text, want) in [
            ("on September 13", vec!["date 9 13"]),
            ("on 13 September 2023", vec!["date 9 13", "year 2023"]),
            ("on the 13th, the cabinet", vec!["day 13"]),
            ("last Thursday", vec!["weekday 4"]),
            ("a month ago", vec!["past month"]),
            ("it may rain", vec![]),
            ("in May", vec!["month 5"]),
        ] {
            assert_eq!(times(text), want, "{text}");
        }
    }

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
