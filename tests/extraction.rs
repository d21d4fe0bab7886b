//! Extraction on pages of sites that the rules were not written for. Each line of
//! `tests/extraction/*.txt` has a label: `k` article, `m` metadata, `d` anything else, `-` blank.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fmt::Write, path::Path};

use brief::article::{self, BlockKind};

#[derive(Default)]
struct Score {
    kept: (usize, usize),
    dropped: (usize, usize),
    wrong: String,
}

impl Score {
    fn page(&mut self, path: &Path) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let labelled = std::fs::read_to_string(path).unwrap();
        let lines: Vec<(&str, &str)> =
            labelled.lines().map(|l| l.split_once('\t').unwrap_or((l, ""))).collect();
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        let source = article::read::from_bytes(&name, text.into_bytes()).unwrap();
        let blocks = article::extract::extract(&source, &article::Options::default()).unwrap();
        let mut at = 0;
        for (number, (label, line)) in lines.iter().enumerate() {
            let (start, end) = (at, at + line.len());
            at = end + 1;
            let inside = |b: &&article::Block| b.span.start < end && start < b.span.end;
            let block = blocks.iter().filter(inside).find(|b| b.kind != BlockKind::Markup);
            let is_text = block.is_some_and(|b| b.kept && b.kind != BlockKind::Metadata);
            let (place, right) = match *label {
                "k" => (&mut self.kept, is_text),
                "d" | "m" => (&mut self.dropped, !is_text),
                "-" => continue,
                other => panic!("{name}:{}: the label {other:?}", number + 1),
            };
            place.0 += usize::from(right);
            place.1 += 1;
            if !right {
                let reason = block.map_or("no block", |b| b.reason.as_str());
                writeln!(self.wrong, "{name}:{}: {label} {line} ({reason})", number + 1).unwrap();
            }
        }
    }
}

/// The shares of the articles' lines that are kept, and of the others that are dropped.
fn score(folder: &str, at_least: usize) -> (f64, f64, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut pages: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    pages.retain(|p| p.extension().is_some_and(|e| e == "txt"));
    pages.sort();
    assert!(pages.len() >= at_least, "only {} pages", pages.len());
    let mut score = Score::default();
    for page in pages {
        score.page(&page);
    }
    let share = |(right, all): (usize, usize)| right as f64 / all as f64;
    let (kept, dropped) = (share(score.kept), share(score.dropped));
    let told = format!(
        "article lines kept: {:?} = {kept:.4}; others dropped: {:?} = {dropped:.4}\n{}",
        score.kept, score.dropped, score.wrong
    );
    eprintln!("{told}");
    (kept, dropped, told)
}

/// Pages that the rules were tuned on.
#[test]
fn articles_of_many_sites_are_kept_and_the_rest_is_dropped() {
    let (kept, dropped, told) = score("extraction", 24);
    assert!(kept >= 0.98 && dropped >= 0.95, "{told}");
}

/// Pages that were written apart and looked at only once the rules were done.
#[test]
fn articles_of_unseen_sites_are_kept_and_the_rest_is_dropped() {
    let (kept, dropped, told) = score("extraction-unseen", 18);
    assert!(kept >= 0.98 && dropped >= 0.95, "{told}");
}
