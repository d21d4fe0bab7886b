//! The article's title, and the headlines of other articles.

use std::collections::{HashMap, HashSet};

use super::{
    line::{
        Line, addresses_reader, ends_article, is_metadata, is_prose, is_widget, line_key, weight,
    },
    topic::{Share, Topic},
};

/// The title: the first label that text follows, unless it is a date, an advert or a list entry.
pub(super) fn find_title(lines: &[Line<'_>]) -> Option<usize> {
    if let Some(h1) = lines.iter().position(|l| l.hint.heading == Some(1) && !l.hint.head) {
        return Some(h1);
    }
    if let Some(markdown) = lines.iter().position(|l| l.text.starts_with("# ")) {
        return Some(markdown);
    }
    let first_prose =
        lines.iter().position(|l| is_prose(l) && l.weight > 90 && !addresses_reader(l))?;
    let topic = Topic::of(lines.iter().filter(|l| is_prose(l)).map(|l| l.text));
    let candidates: Vec<(usize, &Line<'_>, Share)> = lines
        .iter()
        .take(first_prose)
        .enumerate()
        .filter(|(_, l)| {
            !l.hint.head
                && l.weight >= 15
                && l.weight <= 260
                && !l.bullet
                && !l.truncated
                && !l.text.ends_with(['.', '。', '।', ':', '：'])
                && !is_metadata(l)
                && !is_widget(l)
                && !addresses_reader(l)
                && !ends_article(l)
        })
        .map(|(i, l)| (i, l, topic.share(l.text, false)))
        .collect();
    // The first of those that speak most of what the text speaks of; if none does, the heaviest,
    // since navigation words are short.
    let kinship = |share: &Share| match share.shared {
        0 | 1 => 0,
        shared if shared * 2 >= share.all => 2,
        shared if shared * 4 >= share.all => 1,
        _ => 0,
    };
    let best = candidates.iter().map(|(.., s)| kinship(s)).max().unwrap_or(0);
    let first_kin =
        candidates.iter().find(|(_, l, s)| best > 0 && kinship(s) == best && l.weight >= 30);
    first_kin
        .or_else(|| {
            candidates.iter().max_by_key(|(i, l, s)| (s.shared.min(2), l.weight, usize::MAX - i))
        })
        .map(|(i, ..)| *i)
}

/// Whether a line is the title again, alone or with the site's name.
pub(super) fn repeats_title(line: &Line<'_>, title: &Line<'_>) -> bool {
    let enough = title.key.chars().count() >= 6;
    enough && line.weight <= title.weight + 60 && line.key.contains(&title.key)
}

/// Whether a line names the article by its title, as invitations to comment or share do. An
/// article's own text never says its headline again word for word.
pub(super) fn quotes_title(line: &Line<'_>, title: &Line<'_>) -> bool {
    title.weight >= 30 && line.key != title.key && line.key.contains(&title.key)
}

/// Lines that quote the same long text: a site's standing texts name the article so even where
/// the page's title is missing.
pub(super) fn quoting_alike(lines: &[Line<'_>]) -> HashSet<usize> {
    const QUOTES: &[char] = &['"', '„', '“', '”', '»', '«', '「', '」', '『', '』'];
    let mut by_quote: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.weight > 60) {
        let mut quotes: Vec<String> = line
            .text
            .split(QUOTES)
            .skip(1)
            .step_by(2)
            .filter(|quote| weight(quote) >= 30)
            .map(line_key)
            .collect();
        quotes.dedup();
        for quote in quotes {
            by_quote.entry(quote).or_default().push(i);
        }
    }
    by_quote.into_values().filter(|lines| lines.len() > 1).flatten().collect()
}

/// Headlines of other articles: lines that stand there twice, once with a site's name behind them.
pub(super) fn captioned_headlines(lines: &[Line<'_>], title: Option<usize>) -> HashSet<usize> {
    let by_key: HashMap<&str, usize> =
        lines.iter().enumerate().map(|(i, l)| (l.key.as_str(), i)).collect();
    let mut found = HashSet::new();
    for (i, line) in lines.iter().enumerate() {
        let Some((headline, _)) = [" - ", " | ", "_", " – ", "－"]
            .iter()
            .find_map(|separator| line.text.rsplit_once(separator))
        else {
            continue;
        };
        let key = line_key(headline);
        if let Some(original) =
            by_key.get(key.as_str()).filter(|o| weight(headline) >= 24 && **o != i)
            && Some(*original) != title
        {
            found.extend([i, *original]);
        }
    }
    found
}
