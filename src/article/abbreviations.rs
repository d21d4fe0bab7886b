//! Stops that end no sentence: abbreviations, ordinals, initials.

use std::{collections::HashSet, sync::LazyLock};

/// Abbreviations of Latin names and titles in text of another script.
pub(super) fn abbreviates_latin(before: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    matches!(
        word,
        "Dr" | "Mr"
            | "Mrs"
            | "Ms"
            | "Prof"
            | "St"
            | "No"
            | "Inc"
            | "Ltd"
            | "Co"
            | "vs"
            | "Jr"
            | "Sr"
    )
}

pub(super) fn last_word(before: &str) -> &str {
    before
        .rsplit(|c: char| {
            c.is_whitespace() || matches!(c, '(' | '„' | '"' | '“' | '»' | '/' | '–' | '‚')
        })
        .next()
        .unwrap_or("")
}

pub(super) fn is_initial(before: &str) -> bool {
    let word = last_word(before);
    let last = word.rsplit(['.', '-']).next().unwrap_or("");
    last.chars().count() == 1 && last.chars().all(char::is_uppercase)
}

/// German abbreviations after which a sentence goes on, in lower case without their last stop.
const GERMAN: &[&str] = &[
    "abb", "abs", "abt", "az", "allg", "anm", "art", "aufl", "bd", "bes", "bsp", "bspw", "bzgl",
    "bzw", "ca", "chr", "co", "dipl", "dr", "ebd", "ehem", "eigtl", "einschl", "engl", "entspr",
    "etc", "evtl", "exkl", "fa", "ff", "fr", "frz", "gegr", "geb", "ges", "gest", "ggf", "hl",
    "hr", "hrsg", "inkl", "ing", "insb", "jh", "jhd", "kap", "kath", "lt", "max", "med", "min",
    "mind", "mio", "mrd", "mr", "mrs", "ms", "mtl", "nr", "orig", "österr", "phil", "prof", "rd",
    "rer", "russ", "s", "sog", "st", "std", "stellv", "str", "tel", "tsd", "u", "urspr", "usf",
    "v", "verh", "vgl", "vs", "wg", "zit", "zt", "zzgl", "jun", "sen", "jr", "sr", "gen", "lat",
    "dt", "ev", "ehrw", "jan", "feb", "apr", "aug", "sept", "okt", "nov", "dez", "mo", "di", "mi",
    "do", "sa", "so", "op", "pos", "rel", "vol", "nat", "habil", "hon", "oec", "pol", "theol",
    "jur",
];

/// Abbreviations that often end a sentence too: what follows decides.
const GERMAN_AT_END: &[&str] =
    &["usw", "etc", "uvm", "u. a", "u. ä", "o. ä", "co", "mio", "mrd", "jh"];

const MONTHS: &[&str] = &[
    "januar",
    "jänner",
    "februar",
    "märz",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "dezember",
];

/// Nouns that an ordinal stands before at the end of a clause: "zum 80. Geburtstag".
const ORDINAL_HEADS: &[&str] = &[
    "jahrestag",
    "geburtstag",
    "jahrhundert",
    "mal",
    "platz",
    "tag",
    "woche",
    "jahr",
    "runde",
    "etage",
    "stock",
    "klasse",
    "liga",
    "spieltag",
    "minute",
    "stunde",
    "bundesliga",
    "weltkrieg",
    "lebensjahr",
    "auflage",
    "kapitel",
    "artikel",
    "armee",
    "brigade",
    "division",
    "etappe",
    "todestag",
    "kongress",
    "parteitag",
    "sitzung",
    "legislaturperiode",
    "quartal",
    "staffel",
    "monat",
    "hochzeitstag",
    "präsident",
    "bezirk",
    "gipfel",
    "ausgabe",
    "tagung",
    "symphonie",
    "sinfonie",
    "folge",
    "amendment",
    "verfassungszusatz",
    "wahlgang",
    "wahlperiode",
    "kalenderwoche",
    "oktoberfest",
    "verhandlungstag",
    "prozesstag",
    "kriegstag",
    "rang",
    "stelle",
    "saison",
    "halbjahr",
];

/// Articles and prepositions that make the number behind them an ordinal.
const BEFORE_ORDINALS: &[&str] = &[
    "der", "die", "das", "den", "dem", "des", "am", "im", "zum", "zur", "vom", "beim", "ihr",
    "ihrem", "ihren", "ihre", "sein", "seinem", "seinen", "seine", "jeder", "jedem", "jeden",
    "bis", "ab", "und", "oder", "ein", "einen", "einem", "dieser",
];

/// Words that begin a new sentence far more often than they continue a name or a date.
static CLAUSE_STARTS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "der die das den dem des ein eine einen einem er sie es wir ich ihr ihre sein seine in im \
     am an auf bei mit nach von vom zu zum zur für und aber doch auch so dies diese dieser \
     dieses dabei damit danach dann dort da als wenn weil ob wie was wer wo nun jetzt heute \
     gestern noch nur zwar denn deshalb darum seit seitdem trotz trotzdem während zudem \
     außerdem jedoch allerdings laut man alle viele mehr kein keine nicht hier unter über um \
     vor aus durch gegen ohne zwischen daher dazu davon darin inzwischen später zuvor insgesamt \
     bisher bereits schon"
        .split_whitespace()
        .collect()
});

pub(super) fn abbreviates_german(before: &str, rest: &str) -> bool {
    let word = last_word(before);
    let lower = word.to_lowercase();
    if word.is_empty() {
        return false;
    }
    let next_word: String =
        rest.chars().take_while(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    // "13. September", "80. Jahrestag", "3. und 4.", "Friedrich II. regierte".
    if word.chars().all(|c| c.is_ascii_digit()) && word.len() <= 3 {
        let month = MONTHS.contains(&next_word.as_str());
        let head = ORDINAL_HEADS.iter().any(|h| next_word.ends_with(h));
        let article = ordinal_before(before, word);
        return month || head || (article && !next_word.is_empty() && !starts_clause(&next_word));
    }
    if word.chars().all(|c| matches!(c, 'I' | 'V' | 'X')) && word.len() <= 5 {
        return word.len() > 1 && !starts_clause(&next_word);
    }
    if is_initial(before) {
        // "z. B. Berlin", "u. a. Firmen", "S. Müller"; but "Vitamin C. Danach".
        return !starts_clause(&next_word) || lower.contains('.');
    }
    if matches!(lower.as_str(), "mio" | "mrd") && begins_with_verb_after(rest) {
        return false;
    }
    if lower == "chr" {
        return !rest.starts_with(char::is_uppercase);
    }
    if GERMAN_AT_END.contains(&lower.as_str()) {
        return !starts_clause(&next_word) && !rest.starts_with(['„', '"', '“', '»']);
    }
    if lower.contains('.') {
        // "z.B", "d.h", "u.a", "a.D": single letters with stops between.
        return lower.split('.').all(|part| part.chars().count() <= 2)
            && !starts_clause(&next_word);
    }
    // The letter of a spaced abbreviation: "z. B. Berlin".
    if word.chars().count() == 1 && word.chars().all(char::is_lowercase) {
        return true;
    }
    GERMAN.contains(&lower.as_str())
}

/// Whether the second word looks like a verb, so that the first is a subject: "… 612 Mrd. Experten
/// halten das für zu viel." But "3 Mrd. Menschen leben dort" counts people.
fn begins_with_verb_after(rest: &str) -> bool {
    const COUNTED: &[&str] = &[
        "Euro",
        "Dollar",
        "Franken",
        "Kronen",
        "Pfund",
        "Menschen",
        "Tonnen",
        "Liter",
        "Yuan",
        "Rubel",
        "Jahre",
        "Jahren",
        "Stück",
        "Haushalte",
        "Einwohner",
        "Kubikmeter",
        "Barrel",
    ];
    let mut words = rest.split_whitespace();
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    first.starts_with(char::is_uppercase)
        && !COUNTED.contains(&first)
        && second.starts_with(char::is_lowercase)
        && (second.ends_with("en") || second.ends_with('t'))
        && !["mit", "seit", "gegen", "zwischen", "neben", "den"].contains(&second)
}

/// Whether the number has an article or preposition before it that makes it an ordinal.
fn ordinal_before(before: &str, number: &str) -> bool {
    let head = before.strip_suffix(number).unwrap_or(before).trim_end();
    BEFORE_ORDINALS.contains(&last_word(head).to_lowercase().as_str())
}

fn starts_clause(word: &str) -> bool {
    CLAUSE_STARTS.contains(word)
}

/// Bengali abbreviations: ড., মো., ডা., প্রো., initials of one or two letters.
pub(super) fn abbreviates_bengali(before: &str, stops: &str) -> bool {
    const ABBREVIATIONS: &[&str] = &[
        "লি",
        "পূ",
        "ড",
        "ডা",
        "মো",
        "মোঃ",
        "মি",
        "মিসেস",
        "প্রফেসর",
        "অধ্যা",
        "প্রো",
        "লে",
        "মে",
        "জে",
        "ক্যা",
        "কর্নেল",
        "ইঞ্জি",
        "অ্যাড",
        "এড",
        "আলহা",
        "মাও",
        "সৈ",
        "নং",
        "খ্রি",
        "খ্রী",
        "বি",
        "পৃ",
        "টা",
        "রা",
        "সা",
        "আ",
        "হা",
        "মু",
        "শ্রী",
        "কি",
        "মি.মি",
        "কিমি",
        "সেমি",
        "কে",
        "এ",
        "এম",
        "এস",
        "আর",
        "জি",
        "ডি",
        "টি",
        "পি",
        "এইচ",
        "এন",
        "এল",
        "বি",
        "সি",
        "ই",
        "এফ",
        "আই",
        "জে",
        "ও",
        "কিউ",
        "ইউ",
        "ভি",
        "ডব্লিউ",
        "এক্স",
        "ওয়াই",
    ];
    if stops != "." {
        return false;
    }
    let word = last_word(before);
    let last = word.rsplit('.').next().unwrap_or(word);
    ABBREVIATIONS.contains(&word)
        || ABBREVIATIONS.contains(&last)
        || (last.is_ascii() && last.chars().count() <= 2 && last.chars().all(char::is_alphabetic))
        || abbreviates_latin(before)
}
