//! How well the citations that are chosen for a claim agree with labels made by hand, as the ALCE
//! benchmark (Gao et al. 2023) counts it: `tests/citations/README.md` says what the labels are.
//! `cargo test --test citations -- --nocapture` prints what was misjudged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use brief::{
    article::{self, Options, Sentence},
    render::json,
    summarize::Material,
    trace::cite::select_citations,
    translate::Segment,
};

/// As many as a summary's claim may cite.
const MOST: usize = 3;

#[derive(serde::Deserialize)]
struct Labelled {
    file: String,
    claims: Vec<Label>,
}

#[derive(serde::Deserialize)]
struct Label {
    claim: String,
    /// Alternatives, each a smallest set.
    cites: Vec<Vec<Place>>,
}

/// Something inside a sentence.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Text(String),
    Byte(usize),
}

impl Place {
    fn offset(&self, file: &[u8]) -> usize {
        match self {
            Place::Byte(offset) => *offset,
            Place::Text(text) => {
                let length = text.len();
                let found: Vec<usize> = (0..=file.len().saturating_sub(length))
                    .filter(|at| &file[*at..at + length] == text.as_bytes())
                    .collect();
                assert_eq!(found.len(), 1, "{text:?} must occur once");
                found[0]
            }
        }
    }
}

/// Sums over claims of what each citation set is worth.
#[derive(Debug, Default)]
struct Figures {
    claims: usize,
    precision: f64,
    recall: f64,
}

impl Figures {
    fn precision(&self) -> f64 {
        self.precision / self.claims as f64
    }

    fn recall(&self) -> f64 {
        self.recall / self.claims as f64
    }

    fn add(&mut self, chosen: &BTreeSet<usize>, labels: &[BTreeSet<usize>]) -> (f64, f64) {
        let shared = |label: &BTreeSet<usize>| label.intersection(chosen).count();
        let best = labels.iter().map(shared).max().unwrap();
        let precision = best as f64 / chosen.len().max(1) as f64;
        let recall = f64::from(labels.iter().any(|label| label.is_subset(chosen)));
        self.claims += 1;
        self.precision += precision;
        self.recall += recall;
        (precision, recall)
    }
}

fn labelled(folder: &str) -> Vec<Labelled> {
    let labels = std::fs::read_to_string("tests/citations/labels.json").unwrap();
    let mut labels: Vec<Labelled> = serde_json::from_str(&labels).unwrap();
    labels.retain(|l| l.file.starts_with(folder));
    labels
}

/// Chooses citations for every labelled claim of one article.
fn judge(
    article: &Labelled,
    file: &[u8],
    segments: &[Segment],
    sentences: &[Sentence],
    figures: &mut Figures,
) {
    let materials = Material::gather(segments, sentences);
    let evidence: Vec<_> = materials.iter().map(Material::evidence).collect();
    let material_at = |place: &Place| -> usize {
        let offset = place.offset(file);
        let holds = |s: &Sentence| s.span.start <= offset && offset < s.span.end;
        let found = materials.iter().position(|m| m.sentences.iter().any(|s| holds(s)));
        found.unwrap_or_else(|| panic!("{}: no sentence at byte {offset}", article.file))
    };
    for Label { claim, cites } in &article.claims {
        let labels: Vec<BTreeSet<usize>> =
            cites.iter().map(|places| places.iter().map(material_at).collect()).collect();
        let chosen: BTreeSet<usize> =
            select_citations(claim, &evidence, &[], MOST).into_iter().collect();
        let (precision, recall) = figures.add(&chosen, &labels);
        if precision < 1.0 || recall < 1.0 {
            println!("{}: {claim}\n    chose {chosen:?}, not {labels:?}", article.file);
            for i in chosen.iter().chain(labels.iter().flatten()).collect::<BTreeSet<_>>() {
                println!("    {i}: {}", evidence[*i].target);
            }
        }
    }
}

#[test]
fn claims_about_the_samples_cite_what_they_need_and_no_more() {
    let mut figures = Figures::default();
    for article in labelled("samples/") {
        let path = Path::new(&article.file);
        let file = std::fs::read(path).unwrap();
        let source = article::read::from_bytes(&article.file, file.clone()).unwrap();
        let read = article::prepare(source, &Options::default()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let english = std::fs::read_to_string(format!("tests/samples/{name}.en.txt")).unwrap();
        assert_eq!(english.lines().count(), read.sentences.len(), "{name}");
        let segments: Vec<Segment> = read
            .sentences
            .iter()
            .zip(english.lines())
            .map(|(sentence, line)| Segment {
                sentences: vec![sentence.id.clone()],
                target: line.to_owned(),
                estimate: None,
                flags: Vec::new(),
            })
            .collect();
        judge(&article, &file, &segments, &read.sentences, &mut figures);
    }
    let (precision, recall) = (figures.precision(), figures.recall());
    println!("samples: {} claims, precision {precision:.3}, recall {recall:.3}", figures.claims);
    assert!(figures.claims >= 60);
    // 1.0 each when this was written.
    assert!(precision >= 0.97, "citation precision {precision:.3}");
    assert!(recall >= 0.97, "citation recall {recall:.3}");
}

/// The seeds have no English of ours. `BRIEF_SEED_BRIEFS` names a folder of what
/// `brief translate --format json ../shared/seeds/*.txt -o FOLDER` wrote.
#[test]
fn so_do_claims_about_the_seeds() {
    let Some(seeds) = common::shared("seeds") else { return };
    let Some(folder) = std::env::var_os("BRIEF_SEED_BRIEFS").map(PathBuf::from) else {
        eprintln!("SKIPPED: needs BRIEF_SEED_BRIEFS, a folder with the seeds' briefs in JSON");
        return;
    };
    let mut figures = Figures::default();
    for article in labelled("seeds/") {
        let path = Path::new(&article.file).file_name().unwrap();
        let file = std::fs::read(seeds.join(path)).unwrap();
        let path = folder.join(path).with_extension("json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: needs {}", path.display());
            continue;
        };
        let brief = json::parse(&text).unwrap();
        judge(&article, &file, &brief.translation.segments, &brief.sentences, &mut figures);
    }
    let (precision, recall) = (figures.precision(), figures.recall());
    println!("seeds: {} claims, precision {precision:.3}, recall {recall:.3}", figures.claims);
    assert!(precision >= 0.95, "citation precision {precision:.3}");
    assert!(recall >= 0.95, "citation recall {recall:.3}");
}
