//! Cuts text into the likeliest sequence of pieces (Kudo 2018, arXiv:1804.10959), as SentencePiece does
//! (google/sentencepiece, `src/unigram_model.cc`, `EncodeOptimized`). Pieces are kept as a minimal
//! automaton: a trie of hash maps takes 0.25 GB more for the 250,000 pieces of multilingual-e5.

use std::ops::Range;

use fst::raw::{Fst, Output};

/// What an unknown character costs beyond the unlikeliest piece.
const PENALTY: f64 = 10.0;

/// Pieces with their log-probabilities.
pub struct Unigram {
    pieces: Fst<Vec<u8>>,
    scores: Vec<f64>,
    unknown: u32,
    /// Of a character that no piece is.
    unknown_score: f64,
    /// Whether sums are rounded to 32 bits.
    single: bool,
}

/// The best way to a position.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    id: u32,
    from: usize,
}

impl Unigram {
    /// Pieces by their ids, with their scores; those without text can't be found in any. Sums are made
    /// in 64 bits, as the tokenizers library does.
    ///
    /// # Errors
    /// There is no piece `unknown`, or there are too many.
    pub fn new(pieces: Vec<(Option<String>, f64)>, unknown: u32) -> Result<Self, String> {
        let lowest = pieces.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
        Self::with(pieces, unknown, lowest - PENALTY, false)
    }

    /// The same with SentencePiece's arithmetic: sums in 32 bits, which decides between ways that are
    /// equally likely. Wherever a piece stands that is `chosen`, it is taken.
    ///
    /// # Errors
    /// As [`Unigram::new`].
    pub fn of_sentencepiece(
        mut pieces: Vec<(Option<String>, f32)>,
        unknown: u32,
        chosen: impl Fn(usize) -> bool,
    ) -> Result<Self, String> {
        let ids =
            pieces.iter().enumerate().filter(|(id, (text, _))| text.is_some() && !chosen(*id));
        let known: Vec<f32> = ids.map(|(_, (_, score))| *score).collect();
        let lowest = known.iter().copied().fold(f32::INFINITY, f32::min);
        let highest = known.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for (_, (text, score)) in pieces.iter_mut().enumerate().filter(|(id, _)| chosen(*id)) {
            let length = text.as_ref().map_or(0, String::len);
            *score = (f64::from(length as f32 * highest) - 0.1) as f32;
        }
        let pieces = pieces.into_iter().map(|(text, score)| (text, f64::from(score))).collect();
        Self::with(pieces, unknown, f64::from(lowest - PENALTY as f32), true)
    }

    fn with(
        pieces: Vec<(Option<String>, f64)>,
        unknown: u32,
        unknown_score: f64,
        single: bool,
    ) -> Result<Self, String> {
        if unknown as usize >= pieces.len() {
            return Err("there is no piece for what is unknown".into());
        }
        let scores: Vec<f64> = pieces.iter().map(|(_, score)| *score).collect();
        let mut texts: Vec<(String, u64)> = (0u64..)
            .zip(pieces)
            .filter_map(|(id, (text, _))| Some((text.filter(|text| !text.is_empty())?, id)))
            .collect();
        texts.sort();
        // Of equal pieces the last one counts.
        texts.reverse();
        texts.dedup_by(|a, b| a.0 == b.0);
        texts.reverse();
        let pieces = Fst::from_iter_map(texts).map_err(|e| e.to_string())?;
        Ok(Self { pieces, scores, unknown, unknown_score, single })
    }

    /// The pieces of `text`, in order: each one's id, and where it stands. Unknown characters that
    /// follow each other are one.
    pub fn cut(&self, text: &str) -> Vec<(u32, Range<usize>)> {
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        let reach = |from: usize, to: usize, id: u32, score: f64, best: &mut [Option<Best>]| {
            if let Some(place) = best.get_mut(to)
                && place.is_none_or(|known| score > known.score)
            {
                *place = Some(Best { score, id, from });
            }
        };
        for (from, first) in text.char_indices() {
            let before = best.get(from).copied().flatten().map_or(0.0, |b| b.score);
            let sum = |score: f64| match self.single {
                true => f64::from((before + score) as f32),
                false => before + score,
            };
            let mut single = false;
            let (mut node, mut output) = (self.pieces.root(), Output::zero());
            for (byte, to) in text.bytes().skip(from).zip(from + 1..) {
                let Some(next) = node.find_input(byte) else { break };
                let transition = node.transition(next);
                output = output.cat(transition.out);
                node = self.pieces.node(transition.addr);
                if node.is_final() {
                    let id = output.cat(node.final_output()).value();
                    let score = self.scores.get(id as usize).copied().unwrap_or_default();
                    reach(from, to, id as u32, sum(score), &mut best);
                    single |= to == from + first.len_utf8();
                }
            }
            if !single {
                let to = from + first.len_utf8();
                reach(from, to, self.unknown, sum(self.unknown_score), &mut best);
            }
        }
        let mut cuts: Vec<(u32, Range<usize>)> = Vec::new();
        let mut to = text.len();
        while let Some(Best { id, from, .. }) = best.get(to).copied().flatten() {
            match cuts.last_mut() {
                Some((last, range)) if *last == self.unknown && id == self.unknown => {
                    range.start = from;
                }
                _ => cuts.push((id, from..to)),
            }
            to = from;
        }
        cuts.reverse();
        cuts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    /// The same by trying every way.
    fn likeliest(pieces: &[(String, f64)], unknown_score: f64, text: &str) -> f64 {
        let Some(first) = text.chars().next() else { return 0.0 };
        let rest = |length: usize| likeliest(pieces, unknown_score, &text[length..]);
        let known = pieces.iter().filter(|(piece, _)| text.starts_with(piece.as_str()));
        let best = known.map(|(piece, score)| score + rest(piece.len()));
        let best = best.fold(f64::NEG_INFINITY, f64::max);
        if pieces.iter().any(|(piece, _)| piece.chars().eq([first])) {
            return best;
        }
        best.max(unknown_score + rest(first.len_utf8()))
    }

    proptest! {
        #[test]
        fn the_likeliest_way_is_found_and_nothing_is_lost(
            pieces in proptest::collection::hash_map("[abé]{1,3}", -9.0..-0.5f64, 1..9),
            text in "[abéx]{0,9}",
        ) {
            let pieces: Vec<(String, f64)> = pieces.into_iter().collect();
            let mut all = vec![(None, 0.0)];
            all.extend(pieces.iter().map(|(piece, score)| (Some(piece.clone()), *score)));
            let unigram = Unigram::new(all, 0).unwrap();
            let cuts = unigram.cut(&text);
            let joined: String = cuts.iter().map(|(_, range)| &text[range.clone()]).collect();
            prop_assert_eq!(&joined, &text);
            let mut score = 0.0;
            for (id, range) in &cuts {
                score += match id {
                    0 => unigram.unknown_score * text[range.clone()].chars().count() as f64,
                    id => {
                        let (piece, score) = &pieces[*id as usize - 1];
                        prop_assert_eq!(piece, &text[range.clone()]);
                        *score
                    }
                };
            }
            prop_assert!((score - likeliest(&pieces, unigram.unknown_score, &text)).abs() < 1e-9);
        }
    }

    #[test]
    fn unknown_characters_in_a_row_are_one_and_the_last_of_equals_counts() {
        let piece = |text: &str, score| (Some(text.to_owned()), score);
        let pieces = vec![(None, 0.0), piece("a", -1.0), piece("b", -2.0), piece("a", -1.5)];
        let unigram = Unigram::new(pieces, 0).unwrap();
        assert_eq!(unigram.cut("axéyb"), [(3, 0..1), (0, 1..5), (2, 5..6)]);
        assert!(unigram.cut("").is_empty());
        assert!(Unigram::new(Vec::new(), 0).is_err());
    }
}
