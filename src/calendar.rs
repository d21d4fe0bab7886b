//! English names of months and weekdays.

/// January to December.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Monday to Sunday.
pub const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The month that a word names in any case, 1 to 12.
#[must_use]
pub fn month(word: &str) -> Option<u32> {
    number(&MONTHS, word)
}

/// The weekday that a word names in any case, 1 (Monday) to 7.
#[must_use]
pub fn weekday(word: &str) -> Option<u32> {
    number(&WEEKDAYS, word)
}

fn number(names: &[&str], word: &str) -> Option<u32> {
    names.iter().zip(1..).find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, n)| n)
}
