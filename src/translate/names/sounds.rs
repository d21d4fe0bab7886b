//! How names sound: whether an English word can be what Bengali letters spell.
//!
//! Compared are consonants alone, since vowels are written in many ways in both languages.

/// A consonant, as far as transcription keeps consonants apart.
type Sound = u8;

/// The consonants of a Bengali word; of doubled ones, one.
pub fn of_bengali(word: &str) -> Vec<Sound> {
    const NUKTA: char = '\u{9BC}';
    const HASANTA: char = '\u{9CD}';
    let mut sounds: Vec<Sound> = Vec::new();
    let mut previous = ' ';
    for letter in word.chars() {
        let sound = match letter {
            'ক' | 'খ' => b'k',
            'গ' | 'ঘ' => b'g',
            'ঙ' | 'ঞ' | 'ণ' | 'ন' | 'ং' => b'n',
            'চ' | 'ছ' => b'c',
            // Behind a hasanta it colours a vowel: অ্যা.
            'য' if previous == HASANTA => 0,
            'জ' | 'ঝ' | 'য' => b'j',
            'ট' | 'ঠ' | 'ত' | 'থ' | 'ৎ' => b't',
            'ড' | 'ঢ' | 'দ' | 'ধ' => b'd',
            'প' => b'p',
            'ফ' => b'f',
            'ব' | 'ভ' => b'b',
            'ম' => b'm',
            'র' => b'r',
            'ল' => b'l',
            'শ' | 'ষ' | 'স' => b's',
            _ => 0,
        };
        if letter == NUKTA {
            // ড় and ঢ় are r, য় is a vowel.
            match sounds.pop() {
                Some(b'd') => sounds.push(b'r'),
                Some(b'j') | None => {}
                Some(other) => sounds.push(other),
            }
        } else if sound != 0 {
            sounds.push(sound);
        }
        previous = letter;
    }
    sounds.dedup();
    sounds
}

/// The consonants of an English word, or of one that English takes over.
pub fn of_english(word: &str) -> Vec<Sound> {
    use unicode_normalization::UnicodeNormalization;
    /// Spellings of one sound; capitals are sounds already.
    const SPELT: [(&str, &str); 20] = [
        ("dz", "j"),
        ("tsch", "C"),
        ("sch", "s"),
        ("tch", "C"),
        ("sh", "s"),
        ("ch", "C"),
        ("ck", "k"),
        ("ph", "f"),
        ("th", "t"),
        ("gh", "g"),
        ("kh", "k"),
        ("bh", "b"),
        ("dh", "d"),
        ("zh", "j"),
        ("x", "ks"),
        ("qu", "k"),
        ("q", "k"),
        ("v", "b"),
        ("z", "j"),
        ("tion", "sn"),
    ];
    let plain: String =
        word.to_lowercase().replace('ç', "s").nfd().filter(char::is_ascii_alphabetic).collect();
    // Xi, Xavier
    let plain = plain.strip_prefix('x').map_or(plain.clone(), |rest| format!("s{rest}"));
    let spelt = SPELT.iter().fold(plain, |text, (letters, sound)| text.replace(letters, sound));
    let mut sounds: Vec<Sound> = Vec::new();
    let letters = spelt.as_bytes();
    for (i, letter) in letters.iter().enumerate() {
        let soft = matches!(letters.get(i + 1), Some(b'e' | b'i' | b'y'));
        sounds.push(match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' | b'y' | b'h' | b'w' => continue,
            b'C' => b'c',
            b'c' if soft => b's',
            b'c' => b'k',
            b'g' if soft => b'j',
            other => *other,
        });
    }
    sounds.dedup();
    sounds
}

/// How far two words are apart, 0 for the same consonants to about 1 for none in common: the cost of
/// the edits that make one of the other, by the length of the longer.
pub fn distance(a: &[Sound], b: &[Sound]) -> f32 {
    const GAP: f32 = 0.8;
    let mut row: Vec<f32> = (0..=b.len()).map(|j| GAP * j as f32).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(GAP * (i + 1) as f32);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[f32], j: usize| row.get(j).copied().unwrap_or(f32::INFINITY);
            let changed = at(&row, j) + change(*x, *y);
            next.push(changed.min(at(&row, j + 1) + GAP).min(at(&next, j) + GAP));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0.0) / a.len().max(b.len()).max(1) as f32
}

/// What it costs that one consonant stands for another.
fn change(x: Sound, y: Sound) -> f32 {
    const ALIKE: [&[Sound]; 4] = [b"kg", b"cjs", b"td", b"pbf"];
    const NEAR: [&[Sound]; 4] = [b"mn", b"kc", b"gj", b"ks"];
    let among = |groups: &[&[Sound]]| groups.iter().any(|g| g.contains(&x) && g.contains(&y));
    match () {
        () if x == y => 0.0,
        () if among(&ALIKE) => 0.35,
        () if among(&NEAR) => 0.6,
        () => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_what_they_are_spelt_like_and_far_from_others() {
        let apart = |bengali, english| distance(&of_bengali(bengali), &of_english(english));
        for (bengali, english) in [
            ("জার্মানি", "Germany"),
            ("নিউজিল্যান্ড", "Zealand"),
            ("অ্যাঞ্জেলেস", "Angeles"),
            ("শার্লট", "Charlotte"),
            ("ফ্রাঁসোয়া", "François"),
            ("চট্টগ্রাম", "Chattogram"),
            ("ঝেলেজনি", "Zhelezny"),
        ] {
            assert!(apart(bengali, english) < 0.3, "{english}: {}", apart(bengali, english));
        }
        for (bengali, english) in
            [("কুরস্ক", "Korea"), ("ডোনেটস্ক", "Zaporizhzhia"), ("অরাস", "Artemis")]
        {
            assert!(apart(bengali, english) > 0.38, "{english}: {}", apart(bengali, english));
        }
    }
}
