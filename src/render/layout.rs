//! The article as a reader sees it: segments regrouped into passages by the blocks they lie in,
//! and the notes that the summary refers to.

use std::collections::HashMap;

use super::Brief;
use crate::{
    article::{Block, BlockKind, Sentence},
    summarize::{Citation, Claim},
    translate::Segment,
};

/// A brief arranged for reading.
pub(super) struct Layout<'a> {
    /// In reading order.
    pub passages: Vec<Passage<'a>>,
    /// One for each distinct place that the summary cites, in the order of first citation.
    pub notes: Vec<Note<'a>>,
    /// The summary's sentences, each with the indices of its notes; none without a summary.
    pub claims: Vec<(&'a Claim, Vec<usize>)>,
}

/// What stands in one block: a heading, a paragraph, a list item.
pub(super) struct Passage<'a> {
    /// What it is.
    pub kind: BlockKind,
    /// The block's own language, where it differs from the article's.
    pub language: Option<&'a str>,
    /// Its segments; at least one.
    pub units: Vec<Unit<'a>>,
}

/// What stands on the page from top to bottom.
pub(super) enum Row<'l, 'a> {
    /// A part of the article.
    Passage(&'l Passage<'a>),
    /// Parts of the file that were dropped there; at least one.
    Dropped(Vec<&'a Block>),
}

/// One segment with its source sentences, or a sentence that no segment translates.
pub(super) struct Unit<'a> {
    /// The translation, if there is one.
    pub segment: Option<&'a Segment>,
    /// Indices into the brief's sentences, in the segment's order.
    pub sentences: Vec<usize>,
}

/// One place that the summary cites.
pub(super) struct Note<'a> {
    /// The citation.
    pub citation: &'a Citation,
    /// Index of the cited sentence in the brief's sentences.
    pub sentence: Option<usize>,
    /// The cited sentence in English; empty if it has no translation.
    pub english: &'a str,
    /// How near the English is to the original, 0 to 1, if that was estimated.
    pub estimate: Option<f32>,
    /// Indices of the claims that refer to it.
    pub claims: Vec<usize>,
}

impl<'a> Layout<'a> {
    /// Arranges `brief`. Nothing is left out: a sentence without a segment and a segment without
    /// a known sentence are passages too.
    pub fn of(brief: &'a Brief) -> Self {
        let sentence_index: HashMap<&str, usize> =
            brief.sentences.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
        let mut segment_of = vec![None; brief.sentences.len()];
        for (index, segment) in brief.translation.segments.iter().enumerate() {
            for id in &segment.sentences {
                if let Some(slot) =
                    sentence_index.get(id.as_str()).and_then(|&i| segment_of.get_mut(i))
                {
                    *slot = Some(index);
                }
            }
        }
        let (notes, claims) = notes(brief, &sentence_index, &segment_of);
        Layout { passages: passages(brief, &sentence_index, &segment_of), notes, claims }
    }

    /// The passages, and between them what was dropped there.
    pub fn rows(&self, brief: &'a Brief) -> Vec<Row<'_, 'a>> {
        let mut rows = Vec::new();
        let mut dropped = dropped(brief).peekable();
        for passage in &self.passages {
            let mut sentences = passage.units.iter().flat_map(|unit| &unit.sentences);
            let start =
                sentences.find_map(|&index| brief.sentences.get(index)).map(|s| s.span.start);
            let mut before = Vec::new();
            while let Some(block) =
                dropped.next_if(|block| start.is_none_or(|start| block.span.start < start))
            {
                before.push(block);
            }
            rows.extend((!before.is_empty()).then_some(Row::Dropped(before)));
            rows.push(Row::Passage(passage));
        }
        let after: Vec<&Block> = dropped.collect();
        rows.extend((!after.is_empty()).then_some(Row::Dropped(after)));
        rows
    }
}

/// What isn't part of the article, without the markup and white space between blocks.
pub(super) fn dropped(brief: &Brief) -> impl Iterator<Item = &Block> {
    brief.blocks.iter().filter(|block| !block.kept && block.kind != BlockKind::Markup)
}

impl<'a> Passage<'a> {
    /// Whether it is shown as a heading.
    pub fn is_heading(&self) -> bool {
        matches!(self.kind, BlockKind::Title | BlockKind::Heading)
    }
}

impl<'a> Unit<'a> {
    /// The English text as it stands in the brief; empty if there is none.
    pub fn english(&self) -> &'a str {
        self.segment.map_or("", |segment| segment.target.trim())
    }
}

fn passages<'a>(
    brief: &'a Brief,
    sentence_index: &HashMap<&str, usize>,
    segment_of: &[Option<usize>],
) -> Vec<Passage<'a>> {
    let segments = &brief.translation.segments;
    let mut passages: Vec<Passage<'a>> = Vec::new();
    let mut shown = vec![false; segments.len()];
    let mut last_block = None;
    for ((index, sentence), segment_index) in brief.sentences.iter().enumerate().zip(segment_of) {
        let unit = match segment_index {
            Some(segment_index) => match shown.get_mut(*segment_index) {
                Some(shown) if !*shown => {
                    *shown = true;
                    let segment = segments.get(*segment_index);
                    let ids = segment.map_or(&[][..], |segment| &segment.sentences);
                    let sentences =
                        ids.iter().filter_map(|id| sentence_index.get(id.as_str()).copied());
                    Unit { segment, sentences: sentences.collect() }
                }
                _ => continue,
            },
            None => Unit { segment: None, sentences: vec![index] },
        };
        let block = block_of(sentence, &brief.blocks);
        let key = block.map(|(index, _)| index);
        match passages.last_mut() {
            Some(passage) if key.is_some() && key == last_block => passage.units.push(unit),
            _ => passages.push(Passage {
                kind: sentence.kind,
                language: block.and_then(|(_, block)| block.language.as_deref()),
                units: vec![unit],
            }),
        }
        last_block = key;
    }
    let unplaced = segments.iter().zip(&shown).filter(|(_, shown)| !**shown);
    passages.extend(unplaced.map(|(segment, _)| Passage {
        kind: BlockKind::Paragraph,
        language: None,
        units: vec![Unit { segment: Some(segment), sentences: Vec::new() }],
    }));
    passages
}

/// The block that `sentence` lies in. Blocks tile the file, so they are in order.
///
/// `Sentence::block` isn't used: it isn't serialised, so a brief that was read back lacks it.
pub(super) fn block_of<'a>(sentence: &Sentence, blocks: &'a [Block]) -> Option<(usize, &'a Block)> {
    let index = blocks.partition_point(|b| b.span.start <= sentence.span.start).checked_sub(1)?;
    let block = blocks.get(index)?;
    block.span.contains(sentence.span).then_some((index, block))
}

type Cited<'a> = (Vec<Note<'a>>, Vec<(&'a Claim, Vec<usize>)>);

fn notes<'a>(
    brief: &'a Brief,
    sentence_index: &HashMap<&str, usize>,
    segment_of: &[Option<usize>],
) -> Cited<'a> {
    let mut notes: Vec<Note<'a>> = Vec::new();
    let mut claims = Vec::new();
    let mut known = HashMap::new();
    for (claim_index, claim) in brief.summary.iter().flat_map(|s| &s.claims).enumerate() {
        let mut own = Vec::new();
        for citation in &claim.citations {
            let key = (citation.sentence.as_str(), citation.span);
            let note_index = *known.entry(key).or_insert_with(|| {
                let sentence = sentence_index.get(citation.sentence.as_str()).copied();
                let segment = sentence
                    .and_then(|index| segment_of.get(index).copied().flatten())
                    .and_then(|index| brief.translation.segments.get(index));
                notes.push(Note {
                    citation,
                    sentence,
                    english: segment.map_or("", |segment| segment.target.as_str()),
                    estimate: segment.and_then(|segment| segment.estimate),
                    claims: Vec::new(),
                });
                notes.len() - 1
            });
            if let Some(note) = notes.get_mut(note_index)
                && !own.contains(&note_index)
            {
                note.claims.push(claim_index);
                own.push(note_index);
            }
        }
        claims.push((claim, own));
    }
    (notes, claims)
}
