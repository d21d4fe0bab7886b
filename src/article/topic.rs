//! What an article is about, by its rarer words: its own lines share them, teasers and a site's
//! standing texts don't.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use crate::language::is_han;

/// The content words of a text, and how many of its lines have each.
#[derive(Debug, Default)]
pub struct Topic {
    lines: HashMap<String, usize>,
}

impl Topic {
    /// The topic of these lines.
    #[must_use]
    pub fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut topic = Self::default();
        lines.for_each(|line| topic.add(line));
        topic
    }

    /// Takes one more line into the topic.
    pub fn add(&mut self, line: &str) {
        for word in content(line) {
            *self.lines.entry(word).or_default() += 1;
        }
    }

    /// How much `line` shares with the topic. A line that is itself part of the topic should be
    /// asked with `own`, so that it doesn't vouch for itself.
    #[must_use]
    pub fn share(&self, line: &str, own: bool) -> Share {
        let words = content(line);
        let least = 1 + usize::from(own);
        let shared =
            words.iter().filter(|w| self.lines.get(*w).is_some_and(|n| *n >= least)).count();
        let han = words.iter().filter(|w| w.chars().next().is_some_and(is_han)).count();
        Share { shared, all: words.len(), han: han * 2 > words.len() }
    }
}

/// Content words of a line that the topic has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Found in the topic.
    pub shared: usize,
    /// In all.
    pub all: usize,
    /// Whether most are pairs of Chinese characters, of which any text has many and shares few.
    pub han: bool,
}

impl Share {
    /// Whether a line or stretch of text speaks of the topic.
    #[must_use]
    pub fn is_related(self) -> bool {
        self.shared >= 2 && self.shared * 6 >= self.all
    }

    /// Whether paragraphs may be a continuation: articles bring new words all the time, but what
    /// belongs to another text brings nothing else.
    #[must_use]
    pub fn goes_on(self) -> bool {
        if self.han {
            self.shared >= 2 && self.shared * 60 >= self.all
        } else {
            self.shared >= 1 && self.shared * 20 >= self.all
        }
    }
}

impl std::ops::Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            shared: self.shared + other.shared,
            all: self.all + other.all,
            han: if self.all >= other.all { self.han } else { other.han },
        }
    }
}

/// Content words, each once: in Latin letters the longer capitalised ones (German nouns, names),
/// in Bengali the longer ones, in Chinese every two neighbouring characters. Cut to their
/// beginnings, so that endings don't matter.
fn content(line: &str) -> Vec<String> {
    // The same letter is written in one or two code points.
    let line: String = line.nfc().collect();
    const FUNCTION: &[&str] = &[
        "diese",
        "dieser",
        "dieses",
        "einen",
        "einer",
        "seine",
        "wegen",
        "unter",
        "nicht",
        "damit",
        "dabei",
        "außer",
        "nachd",
        "während",
        "währe",
        "inzwi",
        "allerd",
        "gegen",
        "jedoch",
        // Bengali, by their first four code points.
        "অনেক",
        "তাদে",
        "তাঁদ",
        "আমাদ",
        "করেছ",
        "করছে",
        "করবে",
        "করতে",
        "করার",
        "করেন",
        "হয়ে",
        "বলেছ",
        "বলেন",
        "জানি",
        "জানা",
        "থেকে",
        "সঙ্গ",
        "তিনি",
        "নিয়",
        "দিয়",
        "জন্য",
        "কিছু",
        "অন্য",
        "একটি",
        "যাবে",
        "পারে",
        "রয়ে",
        "এছাড",
        "হচ্ছ",
        "হওয",
        "যাওয",
        "দেওয",
        "নেওয",
        "প্রত",
        "পরিস",
        "মানু",
        "এখনো",
        "এখনও",
        "কিন্",
        "তাঁর",
        "এরপর",
        "থাকা",
        "থাকে",
        "প্রথ",
        "নতুন",
        "আরো",
        "শেষে",
    ];
    let mut found = Vec::new();
    for word in line.split(|c: char| !(c.is_alphanumeric() || is_mark(c))) {
        let Some(first) = word.chars().next() else { continue };
        let length = word.chars().count();
        if is_han(first) {
            let han: Vec<char> = word.chars().filter(|c| is_han(*c)).collect();
            found.extend(han.windows(2).map(|pair| pair.iter().collect()));
        } else if (first.is_uppercase() && length >= 5) || (is_bengali(first) && length >= 4) {
            let letters = if is_bengali(first) { 4 } else { 5 };
            let stem: String = word.chars().flat_map(char::to_lowercase).take(letters).collect();
            if !FUNCTION.contains(&stem.as_str()) {
                found.push(stem);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn is_bengali(c: char) -> bool {
    matches!(c, '\u{980}'..='\u{9FF}')
}

/// Bengali vowel signs and joiners, which belong to a word.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{981}'..='\u{983}' | '\u{9BC}'..='\u{9CD}' | '\u{9D7}' | '\u{200C}' | '\u{200D}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_article_s_own_lines_are_related_and_others_are_not() {
        for (article, own, other) in [
            (
                "Der Seilbahnhersteller Hintermoser baut in Kirchwald Stellen ab.",
                "Eigentümer Josef Hintermoser schließt einen Verkauf der Firma in Kirchwald aus.",
                "Die Redaktion behält sich vor, Kommentare mit Beleidigungen zu entfernen.",
            ),
            (
                "竹泉縣政府預計拆除老街騎樓，引發居民反彈。",
                "居民說老街的騎樓拆了就沒了。",
                "女星曬產後照，網友驚呼哪像生過。",
            ),
            (
                "শিবতলায় সাত বছর পরে ট্রামের ঘণ্টি শোনা যাবে, জানিয়েছে পরিবহণ দফতর।",
                "পরিবহণমন্ত্রী বলেন, শিবতলার পর অন্য রুটেও ট্রামের কথা ভাবা হবে।",
                "হাসপাতালের লিফটে আটকে রোগী, বিক্ষোভ আত্মীয়দের।",
            ),
        ] {
            let topic = Topic::of([article].into_iter());
            assert!(topic.share(own, false).is_related(), "{own}");
            assert!(!topic.share(other, false).is_related(), "{other}");
        }
    }

    #[test]
    fn a_line_does_not_vouch_for_itself() {
        let line = "Eigentümer Josef Hintermoser in Kirchwald.";
        let topic = Topic::of([line].into_iter());
        assert_eq!(topic.share(line, true).shared, 0);
    }
}
