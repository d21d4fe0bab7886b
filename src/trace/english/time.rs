//! Points in time, as keys that can be compared: `date 9 13`, `weekday 4`, `past month`.

use super::{quantity::unit, word_at};
use crate::calendar;

/// A point in time that begins at `at`, and where it ends.
pub(super) fn time(words: &[String], at: usize) -> Option<(String, usize)> {
    let word = word_at(words, at);
    let one_word = |key: String| (key, at + 1);
    date(words, at)
        .or_else(|| calendar::weekday(word).map(|day| one_word(format!("weekday {day}"))))
        .or_else(|| year(words, at).map(|year| one_word(format!("year {year}"))))
        .or_else(|| {
            matches!(word, "today" | "yesterday" | "tomorrow" | "tonight")
                .then(|| one_word(format!("day {word}")))
        })
        .or_else(|| season(words, at).map(|season| one_word(format!("season {season}"))))
        .or_else(|| period(words, at))
}

fn word_before(words: &[String], at: usize) -> &str {
    at.checked_sub(1).map_or("", |before| word_at(words, before))
}

/// "September 13", "13th of September", "September", "the 13th".
fn date(words: &[String], at: usize) -> Option<(String, usize)> {
    let low = |i: usize| word_at(words, i);
    if let Some(month) = month_at(words, at) {
        // "September 13" and "September": the day counts by itself too.
        return Some(match day_of(low(at + 1)) {
            Some(day) => (format!("date {month} {day}"), at + 2),
            None => (format!("month {month}"), at + 1),
        });
    }
    let day = day_of(low(at))?;
    let next = if low(at + 1) == "of" { at + 2 } else { at + 1 };
    if let Some(month) = month_at(words, next) {
        return Some((format!("date {month} {day}"), next + 1));
    }
    let ordinal = low(at).ends_with(|c: char| c.is_ascii_alphabetic());
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
    (ordinal && word_before(words, at) == "the" && (dated || alone))
        .then(|| (format!("day {day}"), at + 1))
}

/// "13", "13th".
fn day_of(piece: &str) -> Option<u32> {
    let digits = piece.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = piece.get(digits.len()..)?;
    let day = digits.parse().ok().filter(|d| (1..=31).contains(d))?;
    matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some(day)
}

fn year_of(piece: &str) -> Option<u32> {
    piece.parse().ok().filter(|y| (1900..2100).contains(y) && piece.len() == 4)
}

/// The month at `at`. "may" is one only beside a number or after "in", "since", "last" …
fn month_at(words: &[String], at: usize) -> Option<u32> {
    let month = calendar::month(word_at(words, at))?;
    let (before, after) = (word_before(words, at), word_at(words, at + 1));
    let placed = || {
        day_of(before).is_some()
            || day_of(after).is_some()
            || year_of(after).is_some()
            || matches!(
                before,
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
    };
    (month != 5 || placed()).then_some(month)
}

/// A number that is a year, and no amount of anything.
fn year(words: &[String], at: usize) -> Option<u32> {
    let year = year_of(word_at(words, at))?;
    let (before, after) = (word_before(words, at), word_at(words, at + 1));
    let counts = unit(after).is_some()
        || matches!(after, "people" | "cases" | "students" | "workers" | "homes" | "million")
        || matches!(before, "$" | "€" | "about" | "around" | "some");
    (!counts).then_some(year)
}

/// "fall" and "spring" are verbs too.
fn season(words: &[String], at: usize) -> Option<&str> {
    let before = word_before(words, at);
    let placed =
        matches!(before, "the" | "this" | "last" | "next" | "in" | "early" | "late" | "of");
    match word_at(words, at) {
        "fall" if placed => Some("autumn"),
        "spring" if placed => Some("spring"),
        season @ ("summer" | "autumn" | "winter") => Some(season),
        _ => None,
    }
}

/// "last week", "this morning", "a month ago".
fn period(words: &[String], at: usize) -> Option<(String, usize)> {
    let period = word_at(words, at + 1);
    if !matches!(
        period,
        "week" | "month" | "year" | "night" | "day" | "morning" | "afternoon" | "evening"
    ) {
        return None;
    }
    let (side, end) = match word_at(words, at) {
        // "on the last day of", "over the last day"
        "last" | "past" if period == "day" => return None,
        "last" | "previous" | "past" => ("past", at + 2),
        "next" | "coming" | "following" => ("next", at + 2),
        "this" | "current" => ("this", at + 2),
        "a" | "the" | "one" if matches!(word_at(words, at + 2), "ago" | "before" | "earlier") => {
            ("past", at + 3)
        }
        "the" if matches!(word_at(words, at + 2), "after" | "later") => ("next", at + 3),
        _ => return None,
    };
    Some((format!("{side} {period}"), end))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, tokens};

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
    fn points_in_time_have_keys() {
        for (text, want) in [
            ("on September 13", vec!["date 9 13"]),
            ("on 13 September 2023", vec!["date 9 13", "year 2023"]),
            ("on the 13th, the cabinet", vec!["day 13"]),
            ("last Thursday", vec!["weekday 4"]),
            ("a month ago", vec!["past month"]),
            ("the day before the summit", vec!["past day"]),
            ("the day after the summit", vec!["next day"]),
            ("it may rain", vec![]),
            ("in May", vec!["month 5"]),
        ] {
            assert_eq!(times(text), want, "{text}");
        }
    }
}
