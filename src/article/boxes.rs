//! What a site puts between an article's lines and after them.

use std::collections::HashSet;

use super::{
    extract::Fate,
    line::{Line, begins_comments, breaks_off, ends_article, is_link, list_head},
    phrases,
    topic::{Share, Topic},
};

/// Takes from the end of the prose what is about something else: teasers below headlines of other
/// articles, two at least, and what a paper says of its authors.
pub(super) fn drop_strangers(lines: &[Line<'_>], own: &mut Vec<usize>) {
    let of_author = |line: &Line<'_>| phrases::OF_AUTHORS.iter().any(|p| line.lower.contains(p));
    let line = |at: usize| own.get(at).and_then(|i| lines.get(*i));
    let with_headline = |at: usize| {
        let headline = lines.get(own.get(at)?.checked_sub(1)?)?;
        Some((line(at)?, headline))
    };
    let looks_like_teaser = |at: usize| {
        with_headline(at).is_some_and(|(text, headline)| {
            text.weight <= 250
                && !headline.sentence
                && !headline.bullet
                && !is_link(headline)
                && (20..text.weight).contains(&headline.weight)
        })
    };
    let mut end = own.len();
    while end > 3 && line(end - 1).is_some_and(|l| l.weight <= 250 && of_author(l)) {
        end -= 1;
    }
    let first = end - (3..end).rev().take_while(|at| looks_like_teaser(*at)).count();
    // Of those, the last ones that speak of nothing that the text before them speaks of.
    let mut topic = Topic::of((0..first).filter_map(line).map(|l| l.text));
    let mut teasers = 0;
    for (text, headline) in (first..end).filter_map(with_headline) {
        let strange = [text, headline].iter().all(|l| topic.share(l.text, false).shared == 0);
        teasers = if strange { teasers + 1 } else { 0 };
        topic.add(text.text);
    }
    if teasers >= 2 {
        end -= teasers;
    }
    own.truncate(end);
}

/// What stands between the article's lines and after them.
pub(super) struct Boxes {
    /// Lines of boxes in the article's middle, in order.
    inner: Vec<std::ops::Range<usize>>,
    /// The first line after the article.
    pub(super) end: usize,
}

impl Boxes {
    pub(super) fn holds(&self, i: usize) -> bool {
        let at = self.inner.partition_point(|b| b.end <= i);
        self.inner.get(at).is_some_and(|b| b.contains(&i))
    }

    pub(super) fn find(
        lines: &[Line<'_>],
        fates: &[Option<Fate>],
        prose: &[usize],
        captioned: &HashSet<usize>,
    ) -> Self {
        // Weight of the prose before each line, so that many labels cost no more than few.
        let mut total = 0;
        let before: Vec<usize> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let so_far = total;
                total += if prose.binary_search(&i).is_ok() { line.weight } else { 0 };
                so_far
            })
            .collect();
        let mut inner: Vec<std::ops::Range<usize>> = Vec::new();
        // What the prose before a label speaks of, read on from one label to the next.
        let mut topic = Topic::default();
        let mut unread = prose.iter().peekable();
        let mut i = 0;
        while let Some(line) = lines.get(i) {
            let hard = captioned.contains(&i);
            let soft = ends_article(line)
                && !fates.get(i).is_some_and(|f| f.as_ref().is_some_and(|f| f.kept));
            if !(hard || soft) {
                i += 1;
                continue;
            }
            let before = before.get(i).copied().unwrap_or(0);
            let enough = before >= 200 && before * 5 >= total.min(6_000);
            if hard && enough {
                return Self { inner, end: i };
            }
            while let Some(at) = unread.next_if(|at| **at < i) {
                topic.add(lines.get(*at).map_or("", |l| l.text));
            }
            let resumed =
                if enough { resumes(lines, fates, prose, &topic, i) } else { Some(i + 1) };
            match resumed {
                Some(at) => {
                    inner.push(i..at);
                    i = at;
                }
                None => return Self { inner, end: i },
            }
        }
        Self { inner, end: lines.len() }
    }
}

/// Where the article goes on after a box that begins at `label`: at text that speaks of what the
/// article has spoken of so far, its `topic`. `None` if it doesn't.
fn resumes(
    lines: &[Line<'_>],
    fates: &[Option<Fate>],
    prose: &[usize],
    topic: &Topic,
    label: usize,
) -> Option<usize> {
    // A box of one line ends with it.
    if lines.get(label).is_some_and(is_link)
        && prose.binary_search(&(label + 1)).is_ok()
        && lines.get(label + 1).is_some_and(|l| !l.truncated && !l.bullet && l.weight > 90)
    {
        return Some(label + 1);
    }
    let mut from = label;
    let first = loop {
        let until = (from + 1..lines.len())
            .find(|i| lines.get(*i).is_some_and(ends_article))
            .unwrap_or(lines.len());
        // Below comments and their rules there is nothing of the article any more.
        if lines.get(from).is_some_and(begins_comments) {
            return None;
        }
        let inside = prose.partition_point(|i| *i <= from)..prose.partition_point(|i| *i < until);
        let stretch: Vec<usize> = prose
            .get(inside)
            .unwrap_or_default()
            .iter()
            .copied()
            .filter(|i| lines.get(*i).is_some_and(|l| !l.truncated && !l.bullet))
            .collect();
        let of_stretch = || stretch.iter().filter_map(|i| lines.get(*i));
        let share =
            of_stretch().map(|l| topic.share(l.text, false)).fold(Share::default(), |a, b| a + b);
        let stated = |i: &usize| {
            lines
                .get(*i)
                .is_some_and(|l| l.weight > 130 || !l.text.ends_with(['?', '!', '？', '！']))
        };
        if let Some(first) = stretch.iter().copied().find(stated)
            && share.goes_on()
            && of_stretch().map(|l| l.weight).sum::<usize>() >= 60
        {
            break first;
        }
        if until == lines.len() {
            return None;
        }
        from = until;
    };
    if lines.get(from).is_some_and(is_link) && first - from <= 4 {
        return Some(from + 1);
    }
    // Short sentences, a list and a question right before the first long text belong to it.
    let open = |i: usize| fates.get(i).is_some_and(Option::is_none);
    let belongs = |i: usize| {
        lines.get(i).is_some_and(|l| {
            (l.sentence && !l.bullet && !l.truncated)
                || breaks_off(l)
                || (l.bullet && list_head(lines, i).is_some_and(breaks_off))
        })
    };
    let mut at = first;
    while at > from + 1 && open(at - 1) && belongs(at - 1) {
        at -= 1;
    }
    Some(at)
}
