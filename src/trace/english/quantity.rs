//! Numbers with their units and bounds.

use super::{is_country, word_at};

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

/// Words that are numbers by themselves; "first" or "both" are not.
pub(super) fn cardinal(word: &str) -> Option<f64> {
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
        "million" | "mn" => 1e6,
        "crore" | "crores" => 1e7,
        "billion" | "bn" => 1e9,
        "trillion" => 1e12,
        _ => return None,
    })
}

/// Units by the words that name them, with the factor to their basis.
pub(super) fn unit(word: &str) -> Option<(&'static str, f64)> {
    Some(match word {
        "percent" | "%" | "pc" => ("percent", 1.0),
        "hour" | "hours" => ("days", 1.0 / 24.0),
        "minute" | "minutes" => ("days", 1.0 / 1440.0),
        "second" | "seconds" => ("seconds", 1.0),
        "day" | "days" => ("days", 1.0),
        "fortnight" | "fortnights" => ("days", 14.0),
        "week" | "weeks" => ("days", 7.0),
        "month" | "months" => ("days", 365.0 / 12.0),
        "year" | "years" => ("days", 365.0),
        "decade" | "decades" => ("days", 3650.0),
        "km" | "kilometre" | "kilometres" | "kilometer" | "kilometers" => ("kilometre", 1.0),
        "mile" | "miles" => ("mile", 1.0),
        "metre" | "metres" | "meter" | "meters" | "m" => ("metre", 1.0),
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
        "a$" => ("australian dollar", 1.0),
        "nt$" => ("taiwan dollar", 1.0),
        "hk$" => ("hong kong dollar", 1.0),
        "pound" | "pounds" | "£" => ("pound", 1.0),
        "c$" => ("canadian dollar", 1.0),
        "s$" => ("singapore dollar", 1.0),
        "franc" | "francs" | "chf" => ("franc", 1.0),
        "yuan" | "renminbi" | "rmb" => ("yuan", 1.0),
        "yen" | "¥" => ("yen", 1.0),
        "won" => ("won", 1.0),
        "rupee" | "rupees" | "rs" | "₹" => ("rupee", 1.0),
        "taka" | "tk" | "৳" => ("taka", 1.0),
        "rouble" | "roubles" | "ruble" | "rubles" => ("rouble", 1.0),
        "krona" | "kronor" | "krone" | "kroner" => ("krone", 1.0),
        "koruna" | "korunas" | "koruny" => ("koruna", 1.0),
        "zloty" | "zlotys" => ("zloty", 1.0),
        "forint" | "forints" => ("forint", 1.0),
        "hryvnia" | "hryvnias" => ("hryvnia", 1.0),
        "lira" | "liras" => ("lira", 1.0),
        "peso" | "pesos" => ("peso", 1.0),
        "reais" | "r$" => ("real", 1.0),
        "rand" => ("rand", 1.0),
        "dinar" | "dinars" => ("dinar", 1.0),
        "dirham" | "dirhams" => ("dirham", 1.0),
        "riyal" | "riyals" | "rial" | "rials" => ("riyal", 1.0),
        "shekel" | "shekels" => ("shekel", 1.0),
        "baht" => ("baht", 1.0),
        "ringgit" => ("ringgit", 1.0),
        "rupiah" => ("rupiah", 1.0),
        "dong" => ("dong", 1.0),
        "pataca" | "patacas" => ("pataca", 1.0),
        "tenge" => ("tenge", 1.0),
        "naira" => ("naira", 1.0),
        "kyat" | "kyats" => ("kyat", 1.0),
        "barrel" | "barrels" => ("barrel", 1.0),
        "inch" | "inches" => ("inch", 1.0),
        "yard" | "yards" => ("yard", 1.0),
        _ => return None,
    })
}

fn digits(piece: &str) -> Option<f64> {
    if !piece.starts_with(|c: char| c.is_ascii_digit()) || piece.contains(':') {
        return None;
    }
    let parts: Vec<&str> = piece.split(',').collect();
    let grouped = parts.len() > 1 && parts.iter().skip(1).all(|p| p.len() >= 2);
    if grouped || parts.len() == 1 { piece.replace(',', "").parse().ok() } else { None }
}

/// A quantity that begins at `at`, and where it ends.
pub(super) fn quantity(words: &[String], at: usize) -> Option<(Quantity, usize)> {
    let low = |i: usize| word_at(words, i);
    let mut next = at;
    let mut prefix: Option<&'static str> = None;
    let sign = matches!(low(at), "€" | "£" | "¥" | "₹" | "৳" | "tk" | "rs" | "chf" | "usd" | "eur")
        || low(at).ends_with('$');
    if let Some((name, _)) = unit(low(next)).filter(|_| sign) {
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
        let (value, end) = spoken(words, next)?;
        next = end;
        value
    };
    // "two and a half hours", "seven and a half thousand"
    if (low(next), low(next + 1), low(next + 2)) == ("and", "a", "half") {
        value += 0.5;
        next += 3;
    }
    while let Some(factor) = scale(low(next)).filter(|_| low(next) != "dozen") {
        value *= factor;
        next += 1;
        // "2 crore 30 lakh"
        let rest = digits(low(next)).zip(scale(low(next + 1)));
        if let Some((rest, smaller)) = rest.filter(|(_, smaller)| *smaller < factor) {
            value += rest * smaller;
            next += 2;
        }
    }
    // "€3.5 m"
    if prefix.is_some() && low(next) == "m" {
        value *= 1e6;
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
    if let Some((name, words)) = qualified(words, next) {
        named = Some((name, 1.0));
        end = next + words;
    }
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
    if low(next) == "°" {
        named = Some(("degree", 1.0));
        end = next + 1;
    }
    if named.is_some_and(|(name, _)| name == "degree")
        && matches!(low(end), "c" | "f" | "celsius" | "fahrenheit" | "centigrade")
    {
        end += 1;
    }
    if matches!(low(next), "year" | "years") && low(next + 1) == "old" {
        named = Some(("age", 1.0));
        end = next + 2;
    }
    // "an hour and a half"
    if (low(end), low(end + 1), low(end + 2)) == ("and", "a", "half") {
        value += 0.5;
        end += 3;
    }
    let (unit, factor) =
        named.map_or((prefix, 1.0), |(name, factor)| (prefix.or(Some(name)), factor));
    let bound = bound(words, at);
    let quantity = Quantity { value: value * factor, written: value, unit, bound };
    Some(prolonged(words, quantity, end))
}

/// "one year and eight months", "2 hours, 19 minutes": one length of time.
fn prolonged(words: &[String], mut quantity: Quantity, mut end: usize) -> (Quantity, usize) {
    let low = |i: usize| word_at(words, i);
    let days = |word: &str| unit(word).filter(|(name, _)| *name == "days").map(|(_, days)| days);
    // A day's seconds count with the minutes before them.
    let length =
        |word: &str| if word.starts_with("second") { Some(1.0 / 86_400.0) } else { days(word) };
    let mut last = end.checked_sub(1).and_then(|named| days(low(named)));
    while let Some(longer) = last {
        let joined = usize::from(low(end) == ",");
        let from = end + joined + usize::from(low(end + joined) == "and");
        let Some((count, after)) =
            digits(low(from)).map(|count| (count, from + 1)).or_else(|| spoken(words, from))
        else {
            break;
        };
        let Some(shorter) = length(low(after)).filter(|days| *days < longer) else { break };
        quantity.value += count * shorter;
        end = after + 1;
        last = Some(shorter);
    }
    (quantity, end)
}

/// "US dollars", "Hong Kong dollars", "Swiss francs", "nautical miles", and how many words name
/// them.
fn qualified(words: &[String], at: usize) -> Option<(&'static str, usize)> {
    let low = |i: usize| word_at(words, at + i);
    let (name, before) = match (low(0), low(1)) {
        ("nautical", mile) if mile.starts_with("mile") => return Some(("nautical mile", 2)),
        ("us" | "american", _) => ("dollar", 1),
        ("hong", "kong") => ("hong kong dollar", 2),
        ("new", "taiwan") => ("taiwan dollar", 2),
        ("taiwan", _) => ("taiwan dollar", 1),
        ("australian", _) => ("australian dollar", 1),
        ("canadian", _) => ("canadian dollar", 1),
        ("singapore", _) => ("singapore dollar", 1),
        (word, _) if is_country(word) => ("", 1),
        _ => return None,
    };
    let (unit, _) = unit(low(before))?;
    let is_money = !matches!(unit, "dollar" | "percent" | "days" | "seconds");
    match (name, unit) {
        ("", unit) if is_money => Some((unit, 2)),
        (name, "dollar") if !name.is_empty() => Some((name, before + 1)),
        _ => None,
    }
}

/// "two thousand five hundred", "thirty-eight", "a dozen", "a million", "half a million".
fn spoken(words: &[String], at: usize) -> Option<(f64, usize)> {
    let low = |i: usize| word_at(words, i);
    let (mut total, mut current, mut next, mut any) = (0.0, 0.0, at, false);
    let half = low(at) == "half" && matches!(low(at + 1), "a" | "an");
    if half && let Some(factor) = scale(low(at + 2)) {
        return Some((factor / 2.0, at + 3));
    }
    if half && unit(low(at + 2)).is_some() {
        return Some((0.5, at + 2));
    }
    // "a quarter of an hour"
    let quarters = match (low(at), low(at + 1)) {
        ("a" | "every", "quarter") => 0.25,
        ("three", "quarters") => 0.75,
        _ => 0.0,
    };
    if quarters > 0.0 && (low(at + 2), low(at + 3), low(at + 4)) == ("of", "an", "hour") {
        return Some((quarters, at + 4));
    }
    if low(at) == "one" && (low(at + 1), low(at + 2), low(at + 3)) == ("and", "a", "half") {
        return Some((1.0, at + 1));
    }
    if matches!(low(at), "a" | "one") && scale(low(at + 1)).is_some() {
        current = 1.0;
        next += 1;
    } else if matches!(low(at), "a" | "an" | "one" | "another")
        && unit(low(at + 1)).is_some_and(|(name, _)| name == "days")
        && !matches!(low(at + 2), "ago" | "before" | "earlier")
        && low(at + 1) != "day"
        // "miles an hour", "50 million a year" and "once a week" are rates.
        && at.checked_sub(1).is_none_or(|b| {
            unit(low(b)).is_none()
                && scale(low(b)).is_none()
                && digits(low(b)).is_none()
                && !matches!(low(b), "once" | "twice" | "times")
        })
    {
        return Some((1.0, at + 1));
    }
    loop {
        let word = low(next);
        if let Some(value) = cardinal(word) {
            current += value;
            any = true;
        } else if word == "one"
            && any
            && matches!(current as u32, 20 | 30 | 40 | 50 | 60 | 70 | 80 | 90)
        {
            // "thirty-one"; alone, "one" is seldom a number.
            current += 1.0;
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

/// Whether the words before a number make it a least (1) or a most (-1).
fn bound(words: &[String], at: usize) -> i8 {
    let text = format!(" {} ", words.get(at.saturating_sub(4)..at).unwrap_or_default().join(" "));
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

#[cfg(test)]
mod tests {
    use super::super::{Kind, tokens};

    fn quantities(text: &str) -> Vec<(f64, Option<&'static str>, i8)> {
        tokens(text)
            .into_iter()
            .filter_map(|t| match t.kind {
                Kind::Number(q) => Some((q.value, q.unit, q.bound)),
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
            ("thirty-one thousand tonnes", (31e3, Some("tonne"), 0)),
            ("half a million tons", (5e5, Some("tonne"), 0)),
            ("for half a year", (182.5, Some("days"), 0)),
            ("every quarter of an hour", (15.0 / 1440.0, Some("days"), 0)),
            ("one year and eight months", (365.0 + 8.0 * (365.0 / 12.0), Some("days"), 0)),
            ("2 hours, 19 minutes", (2.0 * (1.0 / 24.0) + 19.0 * (1.0 / 1440.0), Some("days"), 0)),
            ("a fortnight", (14.0, Some("days"), 0)),
            ("42.3°C", (42.3, Some("degree"), 0)),
            ("42.3 degrees Celsius", (42.3, Some("degree"), 0)),
            ("the 200m final", (200.0, Some("metre"), 0)),
            ("an hour and a half", (1.5 / 24.0, Some("days"), 0)),
            ("2 crore 30 lakh taka", (2.3e7, Some("taka"), 0)),
            ("€3.5 m", (3.5e6, Some("euro"), 0)),
            ("1.6 m in length", (1.6, Some("metre"), 0)),
            ("USD 240 million", (2.4e8, Some("dollar"), 0)),
            ("4,400 US dollars", (4400.0, Some("dollar"), 0)),
            ("two and a half hours", (2.5 * (1.0 / 24.0), Some("days"), 0)),
            ("seven and a half thousand people", (7500.0, None, 0)),
            ("one and a half million", (1.5e6, None, 0)),
            ("half a million Hong Kong dollars", (5e5, Some("hong kong dollar"), 0)),
            ("1.7 million Swiss francs", (1.7e6, Some("franc"), 0)),
            ("12 nautical miles", (12.0, Some("nautical mile"), 0)),
            ("HK$500,000", (5e5, Some("hong kong dollar"), 0)),
            ("870 million koruna", (8.7e8, Some("koruna"), 0)),
            ("Tk 50 million a year", (5e7, Some("taka"), 0)),
        ] {
            assert_eq!(quantities(text), [want], "{text}");
        }
    }
}
