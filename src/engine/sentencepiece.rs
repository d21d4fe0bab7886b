//! SentencePiece's model files (google/sentencepiece, `src/sentencepiece_model.proto`): text to
//! pieces, as the library itself cuts it.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tokenizers::{Model as _, models::bpe};

use super::unigram::Unigram;

/// A model file. Fields that change nothing here are left out.
#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<PieceProto>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<TrainerProto>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<NormalizerProto>,
}

#[derive(Clone, PartialEq, Message)]
struct PieceProto {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    /// Of [`NORMAL`] and its like.
    #[prost(uint32, optional, tag = "3")]
    kind: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct TrainerProto {
    /// 1: unigram; 2: BPE.
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerProto {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// Model types.
const UNIGRAM: i32 = 1;
const BPE: i32 = 2;
/// Kinds of pieces, which GGUF files have too (`tokenizer.ggml.token_type`): one that is text.
pub const NORMAL: u32 = 1;
/// What stands for all that the model doesn't know.
pub const UNKNOWN: u32 = 2;
/// No text can become one.
pub const CONTROL: u32 = 3;
/// Taken out of a text before anything else is done to it.
pub const USER_DEFINED: u32 = 4;
/// Stands for nothing.
pub const UNUSED: u32 = 5;
/// One of the 256 bytes, `<0xE4>`: for characters that no piece has.
pub const BYTE: u32 = 6;

/// How spaces are written in pieces.
const SPACE: char = '▁';

/// A model that cuts text into pieces.
pub struct SentencePiece {
    model: Cutter,
    normaliser: Normaliser,
    /// The id of what the model doesn't know.
    unknown: u32,
    /// Whether that is spelt in bytes.
    byte_fallback: bool,
}

/// How text is cut.
enum Cutter {
    Unigram(Unigram),
    Merges(Box<bpe::BPE>),
}

/// A model file, read.
pub struct ModelFile(ModelProto);

impl ModelFile {
    /// Reads one.
    ///
    /// # Errors
    /// It is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        ModelProto::decode(bytes).map(Self).map_err(|e| format!("it is damaged: {e}"))
    }

    /// Its pieces in the order of their ids, and their kinds.
    #[must_use]
    pub fn pieces(&self) -> Vec<(String, u32)> {
        let piece = |piece: &PieceProto| (piece.piece().to_owned(), piece.kind.unwrap_or(NORMAL));
        self.0.pieces.iter().map(piece).collect()
    }
}

impl SentencePiece {
    /// What cuts text as a model file says.
    ///
    /// # Errors
    /// A sentence that says why it can't be used.
    pub fn new(ModelFile(model): ModelFile) -> Result<Self, String> {
        let trainer = model.trainer.unwrap_or_default();
        let kind = trainer.model_type.unwrap_or(UNIGRAM);
        if !matches!(kind, UNIGRAM | BPE) {
            return Err("it is neither a unigram model nor one of merges (BPE)".into());
        }
        let normalizer = model.normalizer.unwrap_or_default();
        if normalizer.escape_whitespaces == Some(false) {
            return Err("it doesn't mark spaces, which is not supported yet".into());
        }
        if trainer.treat_whitespace_as_suffix == Some(true) {
            return Err("it marks spaces behind words, which is not supported yet".into());
        }
        let byte_fallback = trainer.byte_fallback == Some(true);
        let kinds: Vec<u32> =
            model.pieces.iter().map(|piece| piece.kind.unwrap_or(NORMAL)).collect();
        let Some(unknown) = kinds.iter().position(|kind| *kind == UNKNOWN) else {
            return Err("it has no piece for what it doesn't know".into());
        };
        let of_kind = |id: usize, kind: u32| kinds.get(id) == Some(&kind);
        let bytes = model.pieces.iter().zip(&kinds).filter(|(_, kind)| **kind == BYTE);
        let bytes: HashSet<&str> = bytes.map(|(piece, _)| piece.piece()).collect();
        if byte_fallback && !(0..=u8::MAX).all(|byte| bytes.contains(spelling(byte).as_str())) {
            return Err("it lacks pieces for single bytes".into());
        }
        let scores: Vec<f32> = model.pieces.iter().map(|p| p.score.unwrap_or(0.0)).collect();
        let pieces: Vec<String> =
            model.pieces.into_iter().map(|piece| piece.piece.unwrap_or_default()).collect();
        let defined = pieces.iter().enumerate().filter(|(id, _)| of_kind(*id, USER_DEFINED));
        let mut defined: Vec<String> =
            defined.map(|(_, piece)| piece.clone()).filter(|piece| !piece.is_empty()).collect();
        defined.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        Ok(Self {
            model: if kind == BPE {
                let is_text = |id| of_kind(id, NORMAL);
                let merges = by_merges(&pieces, &scores, is_text, unknown, false)?;
                Cutter::Merges(Box::new(merges))
            } else {
                let found = |id| of_kind(id, NORMAL) || of_kind(id, USER_DEFINED);
                let texts = pieces.into_iter().enumerate();
                let texts = texts.map(|(id, piece)| found(id).then_some(piece));
                let pieces = texts.zip(scores).collect();
                let chosen = |id| of_kind(id, USER_DEFINED);
                Cutter::Unigram(Unigram::of_sentencepiece(pieces, unknown as u32, chosen)?)
            },
            normaliser: Normaliser {
                charsmap: match normalizer.precompiled_charsmap {
                    Some(map) if !map.is_empty() => Some(Charsmap::from_bytes(&map)?),
                    _ => None,
                },
                defined,
                dummy_prefix: normalizer.add_dummy_prefix.unwrap_or(true),
                extra_whitespace: !normalizer.remove_extra_whitespaces.unwrap_or(true),
            },
            unknown: unknown as u32,
            byte_fallback,
        })
    }

    /// A text's pieces; what the model doesn't know is spelt in bytes, if it does so, or else stands
    /// there as it is, as far as it goes.
    ///
    /// # Errors
    /// The tokenizer's own message.
    pub fn pieces(&self, text: &str) -> Result<Vec<String>, String> {
        let text = self.normaliser.normalise(text);
        let mut out = Vec::new();
        let mut put = |known: bool, piece: &str| match known || !self.byte_fallback {
            true => out.push(piece.to_owned()),
            false => out.extend(piece.bytes().map(spelling)),
        };
        match &self.model {
            Cutter::Unigram(unigram) => {
                for (id, range) in unigram.cut(&text) {
                    put(id != self.unknown, text.get(range).unwrap_or_default());
                }
            }
            Cutter::Merges(merges) => {
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    // Nothing merges with what a user defined.
                    let mut places = rest.char_indices();
                    let found = places.find_map(|(at, _)| {
                        Some((at, self.normaliser.defined_at(rest.get(at..)?)?))
                    });
                    let (before, after) = rest.split_at(found.map_or(rest.len(), |(at, _)| at));
                    for token in merges.tokenize(before).map_err(|e| e.to_string())? {
                        let (from, to) = token.offsets;
                        put(token.id != self.unknown, before.get(from..to).unwrap_or_default());
                    }
                    let defined = found.map_or("", |(_, piece)| piece);
                    if !defined.is_empty() {
                        put(true, defined);
                    }
                    rest = after.get(defined.len()..).unwrap_or_default();
                }
            }
        }
        Ok(out)
    }
}

/// A byte's piece.
fn spelling(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// A model of merges (BPE) from pieces, of which `is_text` may be found in text, and their scores: of
/// all neighbours those go first whose piece has the highest. So every way of cutting a piece into
/// two others is a merge rule, with the score of the piece that it makes.
///
/// # Errors
/// The tokenizers library's, or `unknown` is no piece.
pub fn by_merges(
    pieces: &[String],
    scores: &[f32],
    is_text: impl Fn(usize) -> bool,
    unknown: usize,
    byte_fallback: bool,
) -> Result<bpe::BPE, String> {
    let text: HashMap<&str, usize> = pieces
        .iter()
        .enumerate()
        .filter(|(id, _)| is_text(*id))
        .map(|(id, p)| (p.as_str(), id))
        .collect();
    let mut rules: Vec<(f32, usize, usize, usize)> = Vec::new();
    for (piece, id) in &text {
        let score = scores.get(*id).copied().unwrap_or(0.0);
        for (cut, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(cut);
            if let (Some(l), Some(r)) = (text.get(left), text.get(right)) {
                rules.push((score, *id, *l, *r));
            }
        }
    }
    rules.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    let piece = |id: usize| pieces.get(id).cloned().unwrap_or_default();
    let merges = rules.into_iter().map(|(_, _, l, r)| (piece(l), piece(r))).collect();
    let vocab: bpe::Vocab = pieces.iter().cloned().zip(0..).collect();
    bpe::BPE::builder()
        .vocab_and_merges(vocab, merges)
        .byte_fallback(byte_fallback)
        .fuse_unk(true)
        .unk_token(piece(unknown))
        .build()
        .map_err(|e| e.to_string())
}

/// What is done to a text before it is cut (`src/normalizer.cc`).
struct Normaliser {
    charsmap: Option<Charsmap>,
    /// Pieces that a user defined, the longest first: they are left as they are.
    defined: Vec<String>,
    dummy_prefix: bool,
    extra_whitespace: bool,
}

impl Normaliser {
    /// The longest piece that a user defined and with which a text begins.
    fn defined_at(&self, text: &str) -> Option<&str> {
        self.defined.iter().map(String::as_str).find(|piece| text.starts_with(piece))
    }

    /// Replaces the longest known beginning, again and again.
    fn mapped(&self, text: &str) -> String {
        let Some(charsmap) = &self.charsmap else { return text.to_owned() };
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            let (length, replacement) = match self.defined_at(rest) {
                Some(piece) => (piece.len(), piece),
                None => charsmap.longest(rest.as_bytes()),
            };
            match rest.get(length..).filter(|_| length > 0) {
                Some(after) => {
                    out.push_str(replacement);
                    rest = after;
                }
                None => {
                    out.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }

    fn normalise(&self, text: &str) -> String {
        let mapped = self.mapped(text);
        let mut out = String::with_capacity(mapped.len() + 16);
        if self.extra_whitespace {
            if self.dummy_prefix && !mapped.is_empty() {
                out.push(SPACE);
            }
            out.extend(mapped.chars().map(|c| if c == ' ' { SPACE } else { c }));
            return out;
        }
        for word in mapped.split(' ').filter(|word| !word.is_empty()) {
            if self.dummy_prefix || !out.is_empty() {
                out.push(SPACE);
            }
            out.push_str(word);
        }
        out
    }
}

/// Which sequences of bytes become which: a trie as darts-clone writes it
/// (s-yata/darts-clone, `include/darts.h`), and the texts that its values point into.
struct Charsmap {
    units: Vec<u32>,
    /// Texts, each ended by a zero.
    texts: Vec<u8>,
}

impl Charsmap {
    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let damaged = || "its map of characters is damaged".to_owned();
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
        let size = u32::from_le_bytes(*size) as usize;
        let (trie, texts) = rest.split_at_checked(size).ok_or_else(damaged)?;
        let (units, left) = trie.as_chunks::<4>();
        if units.is_empty() || !left.is_empty() || std::str::from_utf8(texts).is_err() {
            return Err(damaged());
        }
        let units = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        Ok(Self { units, texts: texts.to_vec() })
    }

    /// Bytes of the longest beginning that the map knows, and what it becomes.
    fn longest(&self, bytes: &[u8]) -> (usize, &str) {
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let unit = |at: usize| self.units.get(at).copied();
        let mut found = (0, "");
        let Some(mut at) = unit(0).map(offset) else { return found };
        for (index, byte) in bytes.iter().enumerate() {
            at ^= usize::from(*byte);
            let Some(here) = unit(at).filter(|u| u & ((1 << 31) | 0xFF) == u32::from(*byte)) else {
                break;
            };
            at ^= offset(here);
            if here >> 8 & 1 == 1
                && let Some(value) = unit(at)
            {
                let texts = self.texts.get((value & !(1 << 31)) as usize..).unwrap_or_default();
                let text = texts.split(|byte| *byte == 0).next().unwrap_or_default();
                found = (index + 1, std::str::from_utf8(text).unwrap_or_default());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(
        pieces: &[(&str, f32, u32)],
        trainer: Option<TrainerProto>,
        normalizer: NormalizerProto,
    ) -> Result<SentencePiece, String> {
        let piece = |(piece, score, kind): &(&str, f32, u32)| PieceProto {
            piece: Some((*piece).to_owned()),
            score: Some(*score),
            kind: Some(*kind),
        };
        let model = ModelProto {
            pieces: pieces.iter().map(piece).collect(),
            trainer,
            normalizer: Some(normalizer),
        };
        ModelFile::from_bytes(&model.encode_to_vec()).and_then(SentencePiece::new)
    }

    #[test]
    fn the_likeliest_pieces_are_taken_and_what_is_unknown_is_one() {
        let pieces = [
            ("<unk>", 0.0, UNKNOWN),
            ("</s>", 0.0, CONTROL),
            ("▁a", -1.0, NORMAL),
            ("b", -2.0, NORMAL),
            ("▁ab", -2.5, NORMAL),
            ("▁", -3.0, NORMAL),
        ];
        let model = read(&pieces, None, NormalizerProto::default()).unwrap();
        assert_eq!(model.pieces("ab").unwrap(), ["▁ab"]);
        assert_eq!(model.pieces("  a  bb ").unwrap(), ["▁a", "▁", "b", "b"]);
        assert_eq!(model.pieces("zzb").unwrap(), ["▁", "zz", "b"]);
        assert!(model.pieces("").unwrap().is_empty());
    }

    #[test]
    fn a_damaged_model_is_refused() {
        assert!(ModelFile::from_bytes(b"\xff\xff\xff").is_err());
        assert!(ModelFile::from_bytes(b"").and_then(SentencePiece::new).is_err());
        let whole = [8u32.to_le_bytes(), 0u32.to_le_bytes()].concat();
        assert!(Charsmap::from_bytes(&whole).is_err());
        let trainer = TrainerProto { byte_fallback: Some(true), ..TrainerProto::default() };
        let pieces = [("<unk>", 0.0, UNKNOWN), ("<0x00>", 0.0, BYTE), ("a", -1.0, NORMAL)];
        let error = read(&pieces, Some(trainer), NormalizerProto::default()).err().unwrap();
        assert!(error.contains("pieces for single bytes"), "{error}");
    }
}
