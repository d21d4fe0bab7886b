//! Numbers in four languages, to values that can be compared.

use super::{Tongue, lexicon::is_bengali_mark};
use crate::language::digit;

/// A number in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its value, multipliers applied: `650萬` is 6,500,000.
    pub value: f64,
    /// Whether a translation must have it: written in digits, or a large number in words. Small
    /// numbers in words ("one", 兩國, "beide") may come and go.
    pub hard: bool,
    /// As it stands in the text.
    pub text: String,
}

/// The numbers of a text in order. Months written as numbers (`9月`, `14.09.`) are left to
/// [`super::months`].
#[must_use]
pub fn numbers(text: &str, tongue: Tongue) -> Vec<Number> {
    let chars: Vec<char> = text.chars().map(ascii_digit).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        if c.is_ascii_digit() {
            let from = at;
            let mut literal = literal(&chars, from, tongue);
            at = literal.end;
            if tongue == Tongue::Bengali
                && found.last().is_some_and(|n: &Number| is_and_a_half(&n.text))
                && let [(value, text)] = literal.values.as_mut_slice()
            {
                let scale = text.split_whitespace().last().map_or(1.0, bengali_multiplier);
                *value += scale / 2.0;
            }
            if literal.month {
                continue;
            }
            if let Some((value, end)) = summed(&chars, from, &literal, tongue) {
                let text = chars.get(from..end).unwrap_or_default().iter().collect();
                found.push(Number { value, hard: true, text });
                at = end;
                continue;
            }
            found.extend(literal.values.into_iter().map(|(value, text)| Number {
                value,
                hard: true,
                text,
            }));
        } else if tongue == Tongue::Chinese && chinese_value(c).is_some() {
            let end = (at..chars.len())
                .find(|i| chars.get(*i).copied().and_then(chinese_value).is_none())
                .unwrap_or(chars.len());
            let numeral: String = chars.get(at..end).unwrap_or_default().iter().collect();
            let month = chars.get(end) == Some(&'月') && chars.get(end + 1) != Some(&'份');
            if let Some((value, after)) = tenths(&chars, at, end) {
                found.push(Number { value, hard: true, text: format!("{numeral}成") });
                at = after;
                continue;
            }
            if let Some(value) = chinese_numeral(&numeral).filter(|_| !month) {
                let hard = value >= 11.0 && numeral.chars().count() >= 2 && !idiom(&chars, at, end);
                found.push(Number { value, hard, text: numeral });
            }
            at = end;
        } else if c.is_alphabetic() && tongue != Tongue::Chinese {
            let end = word_end(&chars, at);
            let word: String = chars.get(at..end).unwrap_or_default().iter().collect();
            found.extend(word_value(&word, tongue).map(|value| Number {
                value,
                hard: false,
                text: word,
            }));
            at = end.max(at + 1);
        } else {
            at += 1;
        }
    }
    compounds(&mut found);
    found
}

/// "twenty-four", "three hundred", "zwei Millionen": parts in words also count as one number.
fn compounds(found: &mut Vec<Number>) {
    let soft: Vec<f64> = found.iter().filter(|n| !n.hard).map(|n| n.value).collect();
    let mut joined = Vec::new();
    for pair in soft.windows(2) {
        if let [a, b] = pair {
            if *b >= 100.0 && *a < *b {
                joined.push(a * b);
            } else if *b < *a {
                joined.push(a + b);
            }
        }
    }
    for triple in soft.windows(3) {
        if let [a, b, c] = triple {
            if *a == 0.5 && *c >= 100.0 {
                // সাড়ে আট হাজার is 8,500.
                joined.push((a + b) * c);
            } else if *b >= 100.0 && *a < *b && *c < *b {
                joined.push(a * b + c);
            } else if *c >= 100.0 && *b < *a {
                joined.push((a + b) * c);
            }
        }
    }
    found.extend(joined.into_iter().map(|value| Number {
        value,
        hard: false,
        text: String::new(),
    }));
}

struct Literal {
    values: Vec<(f64, String)>,
    end: usize,
    month: bool,
}

/// A number whose parts stand side by side, each with a smaller multiplier than the one before:
/// 3兆1,300億, ২ লাখ ৭৮ হাজার. Its value and where it ends.
fn summed(chars: &[char], from: usize, first: &Literal, tongue: Tongue) -> Option<(f64, usize)> {
    let (mut total, mut end) = (single(first)?, first.end);
    let (mut last, mut parts) = (total, 1);
    if !matches!(tongue, Tongue::Chinese | Tongue::Bengali)
        || chars.get(from..first.end)?.last()?.is_ascii_digit()
    {
        return None;
    }
    loop {
        let space = usize::from(chars.get(end) == Some(&' ') && tongue == Tongue::Bengali);
        if !chars.get(end + space).is_some_and(char::is_ascii_digit) {
            break;
        }
        let next = literal(chars, end + space, tongue);
        // ৩ হাজার ৯৩৫ কোটি: the last part's crore counts for all of them.
        const CRORE: f64 = 1e7;
        let counts_crores = tongue == Tongue::Bengali
            && next.values.iter().any(|(_, text)| {
                text.split_whitespace().last().is_some_and(|w| bengali_multiplier(w) == CRORE)
            });
        if let Some(value) = single(&next).map(|v| v / CRORE)
            && counts_crores
            && last < CRORE
            && value < last
        {
            return Some(((total + value) * CRORE, next.end));
        }
        // A smaller part: below the last one's multiplier, which divides it.
        let Some(value) = single(&next).filter(|v| *v < last && *v >= 1.0 && !next.month) else {
            break;
        };
        let scale = 10f64.powi(last.log10().floor() as i32);
        if value >= scale || last % 100.0 != 0.0 {
            break;
        }
        total += value;
        (last, end, parts) = (value, next.end, parts + 1);
        if chars.get(end - 1).is_some_and(char::is_ascii_digit) {
            break;
        }
    }
    (parts > 1).then_some((total, end))
}

fn single(literal: &Literal) -> Option<f64> {
    match literal.values.as_slice() {
        [(value, _)] => Some(*value),
        _ => None,
    }
}

/// A number that begins with a digit, with its separators and multiplier.
fn literal(chars: &[char], start: usize, tongue: Tongue) -> Literal {
    let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    let run = |from: usize| (from..).take_while(|i| digit(*i)).count();
    let mut groups = vec![(start, run(start))];
    let mut separators = Vec::new();
    let mut end = start + run(start);
    while let Some(separator) = chars
        .get(end)
        .copied()
        .filter(|s| matches!(s, '.' | ',' | '\u{a0}' | '\u{202f}' | '\'' | '’' | ':'))
    {
        let length = run(end + 1);
        if length == 0 || (matches!(separator, '\u{a0}' | '\u{202f}' | '\'' | '’') && length != 3)
        {
            break;
        }
        separators.push(separator);
        groups.push((end + 1, length));
        end += 1 + length;
    }
    let text: String = chars.get(start..end).unwrap_or_default().iter().collect();
    let digits = |(from, length): (usize, usize)| -> String {
        chars.get(from..from + length).unwrap_or_default().iter().collect()
    };
    let parse = |s: &str| s.parse::<f64>().ok();
    let last = groups.last().map_or(0, |g| g.1);
    let uniform = separators.windows(2).all(|w| matches!(w, [a, b] if a == b));
    let thousands = |separator: char| {
        let inner = groups
            .iter()
            .skip(1)
            .take(groups.len().saturating_sub(2))
            .all(|g| g.1 == 3 || (tongue == Tongue::Bengali && g.1 == 2));
        separators.iter().all(|s| *s == separator)
            && last == 3
            && inner
            && groups.first().is_some_and(|g| g.1 <= 3)
    };
    let plain = || groups.iter().map(|g| digits(*g)).collect::<String>();
    let (group_mark, decimal_mark) = if tongue == Tongue::German { ('.', ',') } else { (',', '.') };
    let values: Vec<f64> = if separators.is_empty()
        || thousands(group_mark)
        || thousands('\u{a0}')
        || thousands('\u{202f}')
        || thousands('\'')
        || thousands('’')
    {
        parse(&plain()).into_iter().collect()
    } else if separators.len() == 1 && separators.first() == Some(&decimal_mark) {
        parse(&text.replace(decimal_mark, ".")).into_iter().collect()
    } else if separators.last() == Some(&decimal_mark) && !uniform {
        // 1.234,5 and 1,234.5
        let head: String = groups.iter().take(groups.len() - 1).map(|g| digits(*g)).collect();
        let tail = groups.last().map(|g| digits(*g)).unwrap_or_default();
        parse(&format!("{head}.{tail}")).into_iter().collect()
    } else {
        // Times, dates, scores: each part counts by itself.
        groups.iter().filter_map(|g| parse(&digits(*g))).collect()
    };
    // 14.09.2023 and 14.09.: the second part is a month.
    let dotted_date = tongue == Tongue::German
        && separators.iter().all(|s| *s == '.')
        && ((separators.len() == 2 && last == 4)
            || (separators.len() == 1 && chars.get(end) == Some(&'.') && last == 2));
    let values = if dotted_date {
        values.into_iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, v)| v).collect()
    } else {
        values
    };
    let month = tongue == Tongue::Chinese
        && chars.get(end) == Some(&'月')
        && values.first().is_some_and(|v| (1.0..=12.0).contains(v));
    let (factor, end) = multiplier(chars, end, tongue);
    let single = values.len() == 1;
    let values = values
        .into_iter()
        .map(|v| {
            let scaled = if single { v * factor } else { v };
            (scaled, chars.get(start..end).unwrap_or_default().iter().collect::<String>())
        })
        .collect();
    Literal { values, end, month }
}

/// The multiplier after a number, and where it ends.
fn multiplier(chars: &[char], at: usize, tongue: Tongue) -> (f64, usize) {
    if tongue == Tongue::Chinese {
        let mut factor = 1.0;
        let mut end = at
            + usize::from(
                chars.get(at) == Some(&'多')
                    || chars.get(at) == Some(&'余')
                    || chars.get(at) == Some(&'餘'),
            );
        let begin = end;
        // 千米 is a kilometre, 千瓦 a kilowatt.
        let unit = |at: usize| chars.get(at).is_some_and(|c| "米克瓦卡伏赫帕焦".contains(*c));
        while let Some(f) = chars.get(end).and_then(|c| match c {
            '百' => Some(1e2),
            '千' if !unit(end + 1) => Some(1e3),
            '万' | '萬' => Some(1e4),
            '亿' | '億' => Some(1e8),
            '兆' if !unit(end + 1) => Some(1e12),
            _ => None,
        }) {
            factor *= f;
            end += 1;
        }
        return (factor, if end == begin { at } else { end });
    }
    // "20 thousand crore", ২০ হাজার কোটি: each multiplies what stands before it.
    let (mut factor, mut end) = (1.0, at);
    while let Some((next, after)) = multiplier_word(chars, end, tongue)
        && (factor == 1.0 || next > factor)
    {
        factor *= next;
        end = after;
    }
    (factor, end)
}

/// The factor of the word behind `at`, and where that word ends.
fn multiplier_word(chars: &[char], at: usize, tongue: Tongue) -> Option<(f64, usize)> {
    let mut from = at;
    while chars.get(from).is_some_and(|c| matches!(c, ' ' | '\u{a0}' | '-' | '\u{202f}'))
        && from < at + 2
    {
        from += 1;
    }
    let end = word_end(chars, from);
    let word: String =
        chars.get(from..end).unwrap_or_default().iter().collect::<String>().to_lowercase();
    let factor = match (tongue, word.as_str()) {
        (Tongue::English, "hundred") => 1e2,
        (Tongue::English, "thousand" | "k") => 1e3,
        (Tongue::English, "million" | "millions" | "mn")
        | (Tongue::German, "million" | "millionen" | "mio") => 1e6,
        (Tongue::English, "billion" | "billions" | "bn")
        | (Tongue::German, "milliarde" | "milliarden" | "mrd") => 1e9,
        (Tongue::English, "trillion" | "trillions") | (Tongue::German, "billion" | "billionen") => {
            1e12
        }
        (Tongue::English, "lakh" | "lakhs") => 1e5,
        (Tongue::English, "crore" | "crores") => 1e7,
        (Tongue::German, "tausend" | "tsd") => 1e3,
        (Tongue::German, "hundert") => 1e2,
        (Tongue::Bengali, w) => bengali_multiplier(w),
        _ => 1.0,
    };
    (factor != 1.0).then_some((factor, end))
}

/// Where the word that begins at `from` ends.
fn word_end(chars: &[char], from: usize) -> usize {
    let rest = chars.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|c| c.is_alphabetic() || is_bengali_mark(**c)).count()
}

fn bengali_multiplier(word: &str) -> f64 {
    [
        ("হাজার", 1e3),
        ("লাখ", 1e5),
        ("লক্ষ", 1e5),
        ("কোটি", 1e7),
        ("শত", 1e2),
        ("শ", 1e2),
        ("মিলিয়ন", 1e6),
        ("মিলিয়ন", 1e6),
        ("বিলিয়ন", 1e9),
        ("বিলিয়ন", 1e9),
    ]
    .iter()
    .find(|(name, _)| word == *name || (name.chars().count() > 2 && word.starts_with(name)))
    .map_or(1.0, |(_, factor)| *factor)
}

fn ascii_digit(c: char) -> char {
    digit(c).and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

fn chinese_value(c: char) -> Option<f64> {
    Some(match c {
        '〇' | '零' => 0.0,
        '一' => 1.0,
        '二' | '两' | '兩' => 2.0,
        '三' => 3.0,
        '四' => 4.0,
        '五' => 5.0,
        '六' => 6.0,
        '七' => 7.0,
        '八' => 8.0,
        '九' => 9.0,
        '十' => 10.0,
        '百' => 1e2,
        '千' => 1e3,
        '万' | '萬' => 1e4,
        '亿' | '億' => 1e8,
        _ => return None,
    })
}

/// 三千五百 → 3500, 二〇二三 → 2023, 十五 → 15. `None` for runs that are no number.
fn chinese_numeral(numeral: &str) -> Option<f64> {
    let values: Vec<f64> = numeral.chars().filter_map(chinese_value).collect();
    if values.iter().all(|v| *v < 10.0) {
        // Digits in a row are read as a year or a code.
        return if values.len() == 1 || values.len() == 4 {
            Some(values.iter().fold(0.0, |sum, v| sum * 10.0 + v))
        } else {
            None
        };
    }
    let (mut total, mut section, mut digit) = (0.0, 0.0, 0.0);
    for value in values {
        if value < 10.0 {
            digit = value;
        } else if value >= 1e4 {
            section += digit;
            total = (total + if section == 0.0 { 1.0 } else { section }) * value;
            (section, digit) = (0.0, 0.0);
        } else {
            section += if digit == 0.0 { 1.0 } else { digit } * value;
            digit = 0.0;
        }
    }
    Some(total + section + digit)
}

/// 三成 is 30 percent, 三成五 35. The value in percent and where it ends; `None` for 成 as the
/// beginning of a word (成立, 成為) and behind more than one digit.
fn tenths(chars: &[char], start: usize, end: usize) -> Option<(f64, usize)> {
    let value = chars.get(start).copied().and_then(chinese_value)?;
    let word =
        chars.get(end + 1).is_some_and(|c| "立为為功员員长長果本人就交份绩績分群套".contains(*c));
    if end != start + 1 || chars.get(end) != Some(&'成') || word || !(1.0..10.0).contains(&value) {
        return None;
    }
    match chars.get(end + 1).copied().and_then(chinese_value).filter(|v| (1.0..10.0).contains(v)) {
        Some(more) => Some((value * 10.0 + more, end + 2)),
        None => Some((value * 10.0, end + 1)),
    }
}

/// Numerals inside words that say no number: 万一, 千万不要, 百姓, 百年.
fn idiom(chars: &[char], start: usize, end: usize) -> bool {
    let numeral: String = chars.get(start..end).unwrap_or_default().iter().collect();
    let next = chars.get(end).copied().unwrap_or(' ');
    matches!(
        numeral.as_str(),
        "万一" | "萬一" | "千万" | "千萬" | "百万" | "百萬" | "千百" | "十一" | "九十"
    ) && !matches!(
        next,
        '人' | '元'
            | '名'
            | '年'
            | '个'
            | '個'
            | '美'
            | '歐'
            | '欧'
            | '日'
            | '吨'
            | '噸'
            | '%'
            | '輛'
            | '辆'
            | '月'
    )
}

/// The value of a number word; small ones are what matters, as they stand for digits.
fn word_value(word: &str, tongue: Tongue) -> Option<f64> {
    use unicode_normalization::UnicodeNormalization;
    let lower: String = word.to_lowercase().nfc().collect();
    let table: &[(&str, f64)] = match tongue {
        Tongue::English => ENGLISH,
        Tongue::German => GERMAN,
        Tongue::Bengali => BENGALI,
        Tongue::Chinese => return None,
    };
    table.iter().find(|(name, _)| name.nfc().eq(lower.chars())).map(|(_, value)| *value).or_else(
        || match tongue {
            Tongue::German => german_compound(&lower),
            Tongue::Bengali => bengali_hundreds(&lower),
            _ => None,
        },
    )
}

/// চারশো, পাঁচশ.
fn bengali_hundreds(word: &str) -> Option<f64> {
    let units = ["শো", "শত", "শ"].iter().find_map(|hundred| word.strip_suffix(hundred))?;
    let units = BENGALI.iter().find(|(name, value)| *name == units && *value < 10.0)?;
    Some(units.1 * 100.0)
}

/// সাড়ে before a number adds a half of what it counts in.
fn is_and_a_half(word: &str) -> bool {
    use unicode_normalization::UnicodeNormalization;
    word.nfc().eq("সাড়ে".nfc())
}

const ENGLISH: &[(&str, f64)] = &[
    ("zero", 0.0),
    ("one", 1.0),
    ("first", 1.0),
    ("once", 1.0),
    ("single", 1.0),
    ("two", 2.0),
    ("second", 2.0),
    ("both", 2.0),
    ("twice", 2.0),
    ("double", 2.0),
    ("pair", 2.0),
    ("half", 0.5),
    ("three", 3.0),
    ("third", 3.0),
    ("four", 4.0),
    ("fourth", 4.0),
    ("quarter", 0.25),
    ("five", 5.0),
    ("fifth", 5.0),
    ("six", 6.0),
    ("sixth", 6.0),
    ("seven", 7.0),
    ("seventh", 7.0),
    ("eight", 8.0),
    ("eighth", 8.0),
    ("nine", 9.0),
    ("ninth", 9.0),
    ("ten", 10.0),
    ("tenth", 10.0),
    ("eleven", 11.0),
    ("eleventh", 11.0),
    ("twelve", 12.0),
    ("twelfth", 12.0),
    ("dozen", 12.0),
    ("dozens", 12.0),
    ("thirteen", 13.0),
    ("fourteen", 14.0),
    ("fifteen", 15.0),
    ("sixteen", 16.0),
    ("seventeen", 17.0),
    ("eighteen", 18.0),
    ("nineteen", 19.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("forty", 40.0),
    ("fifty", 50.0),
    ("sixty", 60.0),
    ("seventy", 70.0),
    ("eighty", 80.0),
    ("ninety", 90.0),
    ("hundred", 100.0),
    ("hundreds", 100.0),
    ("thousand", 1e3),
    ("thousands", 1e3),
    ("million", 1e6),
    ("millions", 1e6),
    ("billion", 1e9),
    ("billions", 1e9),
    ("trillion", 1e12),
    ("lakh", 1e5),
    ("lakhs", 1e5),
    ("crore", 1e7),
    ("crores", 1e7),
    ("noon", 12.0),
    ("midnight", 12.0),
    ("triple", 3.0),
    ("decade", 10.0),
    ("century", 100.0),
    ("thirteenth", 13.0),
    ("fifteenth", 15.0),
    ("twentieth", 20.0),
];

const GERMAN: &[(&str, f64)] = &[
    ("null", 0.0),
    ("ein", 1.0),
    ("eins", 1.0),
    ("eine", 1.0),
    ("einen", 1.0),
    ("einem", 1.0),
    ("erste", 1.0),
    ("ersten", 1.0),
    ("erster", 1.0),
    ("erstes", 1.0),
    ("zwei", 2.0),
    ("beide", 2.0),
    ("beiden", 2.0),
    ("zweite", 2.0),
    ("zweiten", 2.0),
    ("zweiter", 2.0),
    ("doppelt", 2.0),
    ("halb", 0.5),
    ("halbe", 0.5),
    ("hälfte", 0.5),
    ("drei", 3.0),
    ("dritte", 3.0),
    ("dritten", 3.0),
    ("drittel", 3.0),
    ("vier", 4.0),
    ("vierte", 4.0),
    ("vierten", 4.0),
    ("viertel", 0.25),
    ("fünf", 5.0),
    ("fünfte", 5.0),
    ("fünften", 5.0),
    ("sechs", 6.0),
    ("sechste", 6.0),
    ("sechsten", 6.0),
    ("sieben", 7.0),
    ("siebte", 7.0),
    ("siebten", 7.0),
    ("acht", 8.0),
    ("achte", 8.0),
    ("achten", 8.0),
    ("neun", 9.0),
    ("neunte", 9.0),
    ("neunten", 9.0),
    ("zehn", 10.0),
    ("zehnte", 10.0),
    ("zehnten", 10.0),
    ("elf", 11.0),
    ("zwölf", 12.0),
    ("dutzend", 12.0),
    ("hundert", 100.0),
    ("hunderte", 100.0),
    ("hunderten", 100.0),
    ("tausend", 1e3),
    ("tausende", 1e3),
    ("tausenden", 1e3),
    ("million", 1e6),
    ("millionen", 1e6),
    ("milliarde", 1e9),
    ("milliarden", 1e9),
    ("billion", 1e12),
    ("billionen", 1e12),
    ("jahrzehnt", 10.0),
    ("jahrhundert", 100.0),
];

const BENGALI: &[(&str, f64)] = &[
    ("এক", 1.0),
    ("একটি", 1.0),
    ("একজন", 1.0),
    ("প্রথম", 1.0),
    ("দুই", 2.0),
    ("দু", 2.0),
    ("দুটি", 2.0),
    ("দুইটি", 2.0),
    ("দুজন", 2.0),
    ("দ্বিতীয়", 2.0),
    ("উভয়", 2.0),
    ("তিন", 3.0),
    ("তিনটি", 3.0),
    ("তিনজন", 3.0),
    ("তৃতীয়", 3.0),
    ("চার", 4.0),
    ("চারটি", 4.0),
    ("চারজন", 4.0),
    ("পাঁচ", 5.0),
    ("পাঁচটি", 5.0),
    ("পাঁচজন", 5.0),
    ("ছয়", 6.0),
    ("সাত", 7.0),
    ("আট", 8.0),
    ("নয়", 9.0),
    ("দশ", 10.0),
    ("এগারো", 11.0),
    ("বারো", 12.0),
    ("তেরো", 13.0),
    ("চৌদ্দ", 14.0),
    ("পনেরো", 15.0),
    ("ষোলো", 16.0),
    ("সতেরো", 17.0),
    ("আঠারো", 18.0),
    ("উনিশ", 19.0),
    ("বিশ", 20.0),
    ("কুড়ি", 20.0),
    ("ত্রিশ", 30.0),
    ("চল্লিশ", 40.0),
    ("পঞ্চাশ", 50.0),
    ("ষাট", 60.0),
    ("সত্তর", 70.0),
    ("আশি", 80.0),
    ("নব্বই", 90.0),
    ("শত", 100.0),
    ("শ", 100.0),
    ("শো", 100.0),
    ("একশ", 100.0),
    ("হাজার", 1e3),
    ("লাখ", 1e5),
    ("লক্ষ", 1e5),
    ("কোটি", 1e7),
    ("দেড়", 1.5),
    ("আড়াই", 2.5),
    ("অর্ধেক", 0.5),
    ("আধা", 0.5),
    ("সোয়া", 1.25),
    ("সাড়ে", 0.5),
    ("শতাধিক", 100.0),
];

/// vierundzwanzig, siebzehn, dreihundert.
fn german_compound(word: &str) -> Option<f64> {
    const UNITS: &[(&str, f64)] = &[
        ("ein", 1.0),
        ("zwei", 2.0),
        ("drei", 3.0),
        ("vier", 4.0),
        ("fünf", 5.0),
        ("sechs", 6.0),
        ("sech", 6.0),
        ("sieben", 7.0),
        ("sieb", 7.0),
        ("acht", 8.0),
        ("neun", 9.0),
    ];
    const TENS: &[(&str, f64)] = &[
        ("zwanzig", 20.0),
        ("dreißig", 30.0),
        ("vierzig", 40.0),
        ("fünfzig", 50.0),
        ("sechzig", 60.0),
        ("siebzig", 70.0),
        ("achtzig", 80.0),
        ("neunzig", 90.0),
    ];
    let unit = |w: &str| UNITS.iter().find(|(n, _)| *n == w).map(|(_, v)| *v);
    let ten = |w: &str| TENS.iter().find(|(n, _)| *n == w).map(|(_, v)| *v);
    if let Some(v) = ten(word) {
        return Some(v);
    }
    if let Some(u) = word.strip_suffix("zehn").and_then(unit) {
        return Some(u + 10.0);
    }
    if let Some(u) = word.strip_suffix("hundert").and_then(unit) {
        return Some(u * 100.0);
    }
    if let Some(u) = word.strip_suffix("tausend").and_then(unit) {
        return Some(u * 1_000.0);
    }
    let (u, t) = word.split_once("und")?;
    Some(unit(u)? + ten(t)?)
}

/// `9月`, 九月.
pub(super) fn chinese_months(text: &str) -> Vec<u32> {
    let chars: Vec<char> = text.chars().map(ascii_digit).collect();
    chars
        .iter()
        .enumerate()
        // 个月 counts months; 月 after anything but a number is the moon or part of a word.
        .filter(|(i, c)| **c == '月' && *i > 0)
        .filter_map(|(i, _)| {
            let before: Vec<char> = chars
                .get(..i)?
                .iter()
                .rev()
                .take_while(|c| c.is_ascii_digit() || chinese_value(**c).is_some())
                .copied()
                .collect();
            let numeral: String = before.iter().rev().collect();
            let value = numeral.parse::<f64>().ok().or_else(|| chinese_numeral(&numeral))?;
            (1.0..=12.0).contains(&value).then_some(value as u32)
        })
        .collect()
}

/// The months of `14.09.2023` and `14.09.`.
pub(super) fn numeric_months(text: &str, tongue: Tongue) -> Vec<u32> {
    if tongue != Tongue::German {
        return Vec::new();
    }
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .filter_map(|token| {
            let parts: Vec<&str> = token.split('.').collect();
            match parts.as_slice() {
                [d, m, y] if d.len() <= 2 && m.len() == 2 && (y.len() == 4 || y.is_empty()) => {
                    m.parse().ok().filter(|m| (1..=12).contains(m))
                }
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hard(text: &str, tongue: Tongue) -> Vec<f64> {
        numbers(text, tongue).into_iter().filter(|n| n.hard).map(|n| n.value).collect()
    }

    fn all(text: &str, tongue: Tongue) -> Vec<f64> {
        numbers(text, tongue).into_iter().map(|n| n.value).collect()
    }

    #[test]
    fn digits_are_read_as_each_language_writes_them() {
        use Tongue::{Bengali, Chinese, English, German};
        for (text, tongue, values) in [
            ("etwa 2.000 Soldaten", German, vec![2000.0]),
            ("um 3,5 Prozent", German, vec![3.5]),
            ("1.234,5 Tonnen", German, vec![1234.5]),
            ("3 Milliarden Euro", German, vec![3e9]),
            ("2,5 Mio. Euro", German, vec![2.5e6]),
            ("um 14.30 Uhr", German, vec![14.0, 30.0]),
            ("am 14.09.2023", German, vec![14.0, 2023.0]),
            ("zum 80. Jahrestag", German, vec![80.0]),
            ("about 2,000 soldiers", English, vec![2000.0]),
            ("3.5 percent", English, vec![3.5]),
            ("6.5 million", English, vec![6.5e6]),
            ("the 80th anniversary", English, vec![80.0]),
            ("飛行約650公里", Chinese, vec![650.0]),
            ("650萬戶", Chinese, vec![6.5e6]),
            ("1.2億人", Chinese, vec![1.2e8]),
            ("2023年9月14日", Chinese, vec![2023.0, 14.0]),
            ("三千五百人", Chinese, vec![3500.0]),
            ("二〇二三年", Chinese, vec![2023.0]),
            ("২৪ জন", Bengali, vec![24.0]),
            ("১০.৫ শতাংশ", Bengali, vec![10.5]),
            ("৩ হাজার ৯৩৫ কোটি ডলার", Bengali, vec![3.935e10]),
            ("২০ হাজার কোটি টাকা", Bengali, vec![2e11]),
            ("১ লাখ ২০ হাজার কোটি টাকা", Bengali, vec![1.2e12]),
            ("২ লাখ ৭৮ হাজার", Bengali, vec![2.78e5]),
            ("1.2 lakh crore rupees", English, vec![1.2e12]),
            ("২ কোটি টাকা", Bengali, vec![2e7]),
            ("সাড়ে ৮ হাজার হেক্টর", Bengali, vec![8500.0]),
            ("সাড়ে ৫ টাকা", Bengali, vec![5.5]),
            ("৫ লাখ মানুষ", Bengali, vec![5e5]),
            ("১,০০,০০০ টাকা", Bengali, vec![1e5]),
            ("২ হাজার ৩৪৭ জন", Bengali, vec![2347.0]),
            ("২ লাখ ৭৮ হাজার শিক্ষার্থী", Bengali, vec![278_000.0]),
            ("১৩ জন, ২৬ জন", Bengali, vec![13.0, 26.0]),
            ("歲出編列3兆1,300億元", Chinese, vec![3.13e12]),
            ("1億2,000萬人", Chinese, vec![1.2e8]),
            ("其中六十二架被击落", Chinese, vec![62.0]),
            ("约占四成", Chinese, vec![40.0]),
            ("增至三成五", Chinese, vec![35.0]),
            ("一成立就", Chinese, vec![]),
        ] {
            assert_eq!(hard(text, tongue), values, "{text}");
        }
    }

    #[test]
    fn words_have_values_but_are_not_demanded() {
        use Tongue::{Bengali, English, German};
        for (text, tongue, value) in [
            ("twenty-four people", English, 24.0),
            ("three hundred", English, 300.0),
            ("two million", English, 2e6),
            ("vierundzwanzig", German, 24.0),
            ("siebzehn", German, 17.0),
            ("zwei Millionen", German, 2e6),
            ("আড়াই ঘন্টা", Bengali, 2.5),
            ("সাড়ে আট হাজার হেক্টর", Bengali, 8500.0),
            ("সাড়ে তিন কোটি ইউরো", Bengali, 3.5e7),
            ("প্রায় চারশো কর্মী", Bengali, 400.0),
            ("প্রায় তিন শ পরিবার", Bengali, 300.0),
        ] {
            assert!(all(text, tongue).contains(&value), "{text}: {:?}", all(text, tongue));
            assert!(hard(text, tongue).is_empty(), "{text}");
        }
    }

    #[test]
    fn numerals_in_words_are_no_numbers() {
        for text in ["一方面", "這兩國", "万一发生", "千万不要", "三個月"] {
            assert!(hard(text, Tongue::Chinese).is_empty(), "{text}");
        }
    }
}
