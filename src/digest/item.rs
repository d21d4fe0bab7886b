//! The sentences that a digest is made of, and which of them tell the same matter.

use crate::{
    engine::embed::{Between, Embedder},
    error::Result,
    render::Brief,
    summarize::Material,
    trace::{
        SignKind, Verdict,
        conflict::{self, Conflict},
        support::{self, Evidence, Trust},
    },
};

/// Likeness that two sentences about one matter have at least: of their English, and of their
/// originals, so that a translation error can't vouch for itself. Of the planted facts in
/// `samples/digest/`, those that agree have 0.89 and 0.83 or more, those that contradict each
/// other 0.87 and 0.82. Other sentences of one story have as much, so that the rules decide.
const AGREEING: [f32; 2] = [0.885, 0.825];
const DIFFERING: [f32; 2] = [0.86, 0.81];
/// Share of a sentence's words that another must have to tell it, and where both give the same
/// number as well.
const WORDS: f32 = 0.5;
const WORDS_WITH_NUMBER: f32 = 0.15;

/// One translated sentence of an article.
pub struct Item<'a> {
    /// Index of its article.
    pub article: usize,
    /// What the translation is worth.
    pub trust: Trust,
    /// The sentence with its original.
    pub material: Material<'a>,
    /// Whether it is a title: it stands for the article, not for a fact.
    pub is_title: bool,
}

impl Item<'_> {
    /// The sentence in English.
    pub fn text(&self) -> &str {
        self.material.segment.target.trim()
    }

    /// Whether a fact may be built on it.
    pub fn is_sound(&self) -> bool {
        !self.is_title && self.material.segment.flags.is_empty()
    }
}

/// How two items of different articles stand to each other.
#[derive(Debug, Clone)]
pub enum Relation {
    /// They tell the same: at least one of them says nothing that the other doesn't.
    Agree,
    /// They tell the same matter differently. The first value is that of the pair's first item.
    Differ(Conflict),
}

/// Two items that tell the same matter.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Indices of the items, the smaller first.
    pub items: [usize; 2],
    /// Mean of the two likenesses.
    pub likeness: f32,
    /// How they stand to each other.
    pub relation: Relation,
}

/// All translated sentences of all articles, in order.
pub fn gather<'a>(briefs: &[&'a Brief]) -> Vec<Item<'a>> {
    briefs
        .iter()
        .enumerate()
        .flat_map(|(article, brief)| {
            let trust = Trust::in_quality(&brief.translation.quality);
            Material::gather(&brief.translation.segments, &brief.sentences).into_iter().map(
                move |material| {
                    let is_title = material.is_title();
                    Item { article, trust, material, is_title }
                },
            )
        })
        .collect()
}

/// The pairs of sound items that tell the same matter, the most alike first.
///
/// # Errors
/// The embedding model's.
pub fn relate(items: &[Item<'_>], model: &Embedder) -> Result<Vec<Pair>> {
    let sound: Vec<(usize, &Item<'_>)> =
        items.iter().enumerate().filter(|(_, item)| item.is_sound()).collect();
    let english: Vec<&str> = sound.iter().map(|(_, item)| item.text()).collect();
    let originals: Vec<String> = sound.iter().map(|(_, item)| item.material.prepared()).collect();
    let originals: Vec<&str> = originals.iter().map(String::as_str).collect();
    let (english, originals) = (model.embed(&english)?, model.embed(&originals)?);
    let embedded: Vec<_> = sound.into_iter().zip(english.iter().zip(&originals)).collect();

    let mut pairs = Vec::new();
    for (n, ((i, a), (a_english, a_original))) in embedded.iter().enumerate() {
        for ((j, b), (b_english, b_original)) in embedded.iter().skip(n + 1) {
            if a.article == b.article {
                continue;
            }
            let english = model.likeness(a_english, b_english, Between::English);
            // Most pairs end here, before the second product.
            if english < DIFFERING[0] {
                continue;
            }
            let original = model.likeness(a_original, b_original, Between::Languages);
            if let Some(relation) = relation(a, b, [english, original]) {
                let likeness = f32::midpoint(english, original);
                pairs.push(Pair { items: [*i, *j], likeness, relation });
            }
        }
    }
    pairs.sort_by(|a, b| b.likeness.total_cmp(&a.likeness).then(a.items.cmp(&b.items)));
    Ok(pairs)
}

fn relation(a: &Item<'_>, b: &Item<'_>, likeness: [f32; 2]) -> Option<Relation> {
    let reaches = |levels: [f32; 2]| likeness[0] >= levels[0] && likeness[1] >= levels[1];
    if !reaches(DIFFERING) {
        return None;
    }
    if let Some(conflict) = conflict::conflict(a.text(), b.text()) {
        return Some(Relation::Differ(conflict));
    }
    let agree = reaches(AGREEING) && (telling(a, b).is_some() || telling(b, a).is_some());
    agree.then_some(Relation::Agree)
}

/// How much of what `claim` says `witness` says too, 0 to 1, if it says nothing against it and
/// enough to stand for it.
pub fn telling(claim: &Item<'_>, witness: &Item<'_>) -> Option<f32> {
    let cited: [Evidence<'_>; 1] = [witness.material.evidence()];
    let signs = support::signs(claim.text(), &cited, Trust::Sound);
    let words = |kind| matches!(kind, SignKind::Words | SignKind::Translation);
    if signs.iter().any(|s| s.verdict == Verdict::Unsupported && !words(s.kind)) {
        return None;
    }
    let share = signs.iter().find(|s| s.kind == SignKind::Words)?.score?;
    let least = if conflict::share_a_number(claim.text(), witness.text()) {
        WORDS_WITH_NUMBER
    } else {
        WORDS
    };
    (share >= least).then_some(share)
}
