//! The tokenizer that a GGUF file carries, and prompts as token ids.
//!
//! Article text is data: it is tokenised without any control token in the vocabulary's reach, so
//! `<|im_end|>` in an article is seven ordinary tokens. Control tokens come from
//! [`Tokenizer::special`] alone, that is, from prompt templates.

use std::{collections::HashMap, path::Path};

use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::{
    AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    models::bpe::BPE,
    normalizers::{Replace, unicode::NFC},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::{gguf, hub_folder};

/// GGUF's `tokenizer.ggml.token_type` values (llama.cpp, `llama_token_type`).
const NORMAL: u32 = 1;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;
const BYTE: u32 = 6;

/// How a vocabulary writes its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's printable stand-ins for bytes.
    ByteLevel,
    /// SentencePiece: `▁` for a space, `<0xNN>` for single bytes.
    SentencePiece,
}

/// Text to token ids and back.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    spelling: Spelling,
    pieces: Vec<String>,
    kinds: Vec<u32>,
    specials: HashMap<String, u32>,
    bos: Option<u32>,
    eos: Vec<u32>,
    adds_bos: bool,
}

/// A stretch of a rendered prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A control token of the template, by its text.
    Special(String),
    /// Plain text; nothing in it can become a control token.
    Text(String),
}

impl Tokenizer {
    /// Builds the tokenizer from a GGUF file's metadata.
    ///
    /// # Errors
    /// A sentence naming the key that is missing or the tokenizer that isn't supported.
    pub fn from_gguf(content: &Content) -> Result<Self, String> {
        let model = gguf::string(content, "tokenizer.ggml.model")?;
        let pieces = strings(content, "tokenizer.ggml.tokens")?;
        let kinds = match content.metadata.get("tokenizer.ggml.token_type") {
            Some(Value::Array(values)) => values.iter().map(gguf::as_u32).collect(),
            _ => vec![NORMAL; pieces.len()],
        };
        if kinds.len() != pieces.len() {
            return Err("the file's token types and tokens differ in number".into());
        }
        let (mut inner, spelling) = match model.as_str() {
            "gpt2" => (byte_level(content, &pieces)?, Spelling::ByteLevel),
            "llama" => (sentence_piece(content, &pieces, &kinds)?, Spelling::SentencePiece),
            other => {
                return Err(format!(
                    "its tokenizer is of the kind `{other}`; supported are `gpt2` and `llama`"
                ));
            }
        };
        // Runs of white space are single pieces in Gemma's vocabulary. Other user-defined pieces
        // (`<tool_call>`, `<table>`) are left out: text must not be able to form them.
        let blanks: Vec<AddedToken> = pieces
            .iter()
            .zip(&kinds)
            .filter(|(piece, kind)| **kind == USER_DEFINED && is_blank(piece))
            .map(|(piece, _)| AddedToken::from(piece.clone(), false).normalized(false))
            .collect();
        inner.add_tokens(blanks).map_err(|e| e.to_string())?;

        let specials = pieces
            .iter()
            .zip(&kinds)
            .enumerate()
            .filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED))
            .map(|(id, (piece, _))| (piece.clone(), id as u32))
            .collect::<HashMap<_, _>>();
        let bos = gguf::u32(content, "tokenizer.ggml.bos_token_id").ok();
        let eos = ends(gguf::u32(content, "tokenizer.ggml.eos_token_id").into_iter(), &specials);
        let adds_bos =
            matches!(content.metadata.get("tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        Ok(Self { inner, spelling, pieces, kinds, specials, bos, eos, adds_bos })
    }

    /// Builds the tokenizer from a hub folder's `tokenizer.json`.
    ///
    /// # Errors
    /// A sentence naming the file and what is wrong with it.
    pub fn from_hub(folder: &Path) -> Result<Self, String> {
        let mut json = hub_folder::json(folder, "tokenizer.json")?
            .ok_or("tokenizer.json is missing; `--model` takes a GGUF file too")?;
        let config = hub_folder::config(folder)?;
        let settings = hub_folder::json(folder, "tokenizer_config.json")?.unwrap_or_default();
        let byte_level = json.get("decoder").is_some_and(|d| d.to_string().contains("ByteLevel"));
        let post_processor = json.get("post_processor").map(ToString::to_string);
        let added =
            json.get("added_tokens").and_then(|a| a.as_array()).cloned().unwrap_or_default();
        // Text must not be able to form control tokens: the tokenizer doesn't learn of them.
        if let Some(object) = json.as_object_mut() {
            let blank = |token: &serde_json::Value| {
                token.get("content").and_then(|c| c.as_str()).is_some_and(is_blank)
            };
            let blanks: Vec<serde_json::Value> =
                added.iter().filter(|t| blank(t)).cloned().collect();
            object.insert("added_tokens".into(), blanks.into());
            for key in ["post_processor", "truncation", "padding"] {
                object.insert(key.into(), serde_json::Value::Null);
            }
        }
        let bytes = json.to_string().into_bytes();
        let inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|e| format!("its tokenizer.json can't be used: {e}"))?;

        let vocab = inner.get_vocab(false);
        let added: Vec<(u32, String, bool)> = added
            .iter()
            .filter_map(|token| {
                let id = u32::try_from(token.get("id")?.as_u64()?).ok()?;
                let special = token.get("special").and_then(|s| s.as_bool()).unwrap_or(false);
                Some((id, token.get("content")?.as_str()?.to_owned(), special))
            })
            .collect();
        let size = vocab.values().chain(added.iter().map(|(id, ..)| id)).max().map_or(0, |m| m + 1);
        if size > 4_000_000 {
            return Err("its tokenizer.json names ids that no vocabulary has".into());
        }
        let mut pieces = vec![String::new(); size as usize];
        let mut kinds = vec![CONTROL; size as usize];
        let mut put = |id: u32, piece: String, kind: u32| {
            if let (Some(p), Some(k)) = (pieces.get_mut(id as usize), kinds.get_mut(id as usize)) {
                (*p, *k) = (piece, kind);
            }
        };
        for (piece, id) in vocab {
            let is_byte = !byte_level && piece.len() == 6 && piece.starts_with("<0x");
            put(id, piece, if is_byte { BYTE } else { NORMAL });
        }
        for (id, piece, special) in &added {
            put(*id, piece.clone(), if *special { CONTROL } else { USER_DEFINED });
        }
        let specials: HashMap<String, u32> = added.into_iter().map(|(id, p, _)| (p, id)).collect();
        let ids = |key: &str| -> Vec<u32> {
            let value = config.get(key).cloned().unwrap_or_default();
            let list = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            list.iter().filter_map(|v| u32::try_from(v.as_u64()?).ok()).collect()
        };
        let bos = ids("bos_token_id").first().copied();
        let bos_piece = bos.and_then(|b| pieces.get(b as usize)).cloned().unwrap_or_default();
        let adds_bos = match settings.get("add_bos_token").and_then(|v| v.as_bool()) {
            Some(adds) => adds,
            None => post_processor
                .is_some_and(|p| !bos_piece.is_empty() && p.contains(&format!("\"{bos_piece}\""))),
        };
        Ok(Self {
            inner,
            spelling: if byte_level { Spelling::ByteLevel } else { Spelling::SentencePiece },
            eos: ends(ids("eos_token_id").into_iter(), &specials),
            pieces,
            kinds,
            specials,
            bos,
            adds_bos,
        })
    }

    /// Token ids of plain text. Nothing in `text` can become a control token.
    ///
    /// # Errors
    /// The tokenizer's own message.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        Ok(self.inner.encode_fast(text, false).map_err(|e| e.to_string())?.get_ids().to_vec())
    }

    /// Token ids of a rendered prompt, with the model's start token if it wants one.
    ///
    /// # Errors
    /// A template's control token that the model doesn't have.
    pub fn encode_parts(&self, parts: &[Part]) -> Result<Vec<u32>, String> {
        let mut ids: Vec<u32> = self.bos.filter(|_| self.adds_bos).into_iter().collect();
        for part in parts {
            match part {
                Part::Text(text) => ids.extend(self.encode(text)?),
                Part::Special(piece) => ids.push(self.special(piece).ok_or_else(|| {
                    format!("the prompt uses `{piece}`, which the model doesn't have")
                })?),
            }
        }
        Ok(ids)
    }

    /// The id of a control token.
    #[must_use]
    pub fn special(&self, piece: &str) -> Option<u32> {
        self.specials.get(piece).copied()
    }

    /// The control tokens' texts, longest first, for finding them in templates.
    #[must_use]
    pub fn special_pieces(&self) -> Vec<&str> {
        let mut pieces: Vec<&str> = self.specials.keys().map(String::as_str).collect();
        pieces.sort_by_key(|p| (std::cmp::Reverse(p.len()), *p));
        pieces
    }

    /// Whether `ids` begin with the start token that this model's prompts begin with.
    pub(super) fn starts_with_bos(&self, ids: &[u32]) -> bool {
        self.adds_bos && ids.first().copied() == self.bos && self.bos.is_some()
    }

    /// Whether `id` ends a generation.
    #[must_use]
    pub fn is_end(&self, id: u32) -> bool {
        self.eos.contains(&id)
    }

    /// Tokens in the vocabulary.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// The bytes that a token stands for; empty for control tokens.
    #[must_use]
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        let (Some(piece), Some(kind)) = (self.pieces.get(id as usize), self.kinds.get(id as usize))
        else {
            return Vec::new();
        };
        match (*kind, self.spelling) {
            (USER_DEFINED, _) if is_blank(piece) => piece.replace('▁', " ").into_bytes(),
            (NORMAL, Spelling::ByteLevel) => piece.chars().filter_map(byte_of_char).collect(),
            (NORMAL, Spelling::SentencePiece) => piece.replace('▁', " ").into_bytes(),
            (BYTE, _) => piece
                .strip_prefix("<0x")
                .and_then(|p| p.strip_suffix('>'))
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Text of generated tokens; incomplete UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.token_bytes(*id)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The tokens that end a generation: those that the model's files name, and every one that a model
/// may end its turn with.
fn ends(named: impl Iterator<Item = u32>, specials: &HashMap<String, u32>) -> Vec<u32> {
    const ENDS: [&str; 6] =
        ["<|im_end|>", "<|endoftext|>", "<end_of_turn>", "<eos>", "</s>", "<|eot_id|>"];
    let mut ends: Vec<u32> = named.collect();
    ends.extend(ENDS.iter().filter_map(|piece| specials.get(*piece)));
    ends.sort_unstable();
    ends.dedup();
    ends
}

fn is_blank(piece: &str) -> bool {
    !piece.is_empty() && piece.chars().all(|c| c.is_whitespace() || c == '▁')
}

fn strings(content: &Content, key: &str) -> Result<Vec<String>, String> {
    match content.metadata.get(key) {
        Some(Value::Array(values)) => values
            .iter()
            .map(|v| v.to_string().cloned().map_err(|_| format!("`{key}` holds no texts")))
            .collect(),
        _ => Err(format!("`{key}` is missing")),
    }
}

/// GPT-2 style byte-level BPE. The regular expressions are those of llama.cpp's
/// `llm_tokenizer_bpe` for the names that GGUF files carry in `tokenizer.ggml.pre`.
fn byte_level(content: &Content, pieces: &[String]) -> Result<tokenizers::Tokenizer, String> {
    const WORDS: &str =
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|";
    const REST: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let vocab: tokenizers::models::bpe::Vocab =
        pieces.iter().enumerate().map(|(id, p)| (p.clone(), id as u32)).collect();
    let merges = strings(content, "tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| {
            merge
                .split_once(' ')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .ok_or_else(|| format!("the merge rule `{merge}` is malformed"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let pre = gguf::string(content, "tokenizer.ggml.pre").unwrap_or_else(|_| "default".into());
    let (ignore_merges, normaliser, splitters): (_, Option<NormalizerWrapper>, _) = match pre
        .as_str()
    {
        "qwen2" => (false, Some(NFC.into()), vec![split(&format!(r"{WORDS}\p{{N}}{REST}"))?]),
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" => {
            (true, None, vec![split(&format!(r"{WORDS}\p{{N}}{{1,3}}{REST}"))?])
        }
        "smollm" => {
            (false, None, vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()])
        }
        "gpt-2" | "default" => (false, None, vec![ByteLevel::new(false, false, true).into()]),
        other => {
            return Err(format!("its pre-tokeniser `{other}` is not supported"));
        }
    };
    let uses_regex = !matches!(pre.as_str(), "smollm" | "gpt-2" | "default");
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .ignore_merges(ignore_merges)
        .build()
        .map_err(|e| e.to_string())?;
    let mut tokenizer = tokenizers::Tokenizer::new(bpe);
    tokenizer.with_normalizer(normaliser).map_err(|e| e.to_string())?;
    let mut steps: Vec<PreTokenizerWrapper> = splitters;
    if uses_regex {
        steps.push(ByteLevel::new(false, false, false).into());
    }
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(tokenizer)
}

fn split(regex: &str) -> Result<PreTokenizerWrapper, String> {
    Ok(Split::new(SplitPattern::Regex(regex.into()), SplitDelimiterBehavior::Isolated, false)
        .map_err(|e| e.to_string())?
        .into())
}

/// SentencePiece BPE as Gemma has it: pieces carry scores, and the merge of highest score goes
/// first. Every way of cutting a piece into two other pieces is a merge rule with the score of the
/// piece it makes.
fn sentence_piece(
    content: &Content,
    pieces: &[String],
    kinds: &[u32],
) -> Result<tokenizers::Tokenizer, String> {
    if !matches!(content.metadata.get("tokenizer.ggml.add_space_prefix"), Some(Value::Bool(false)))
    {
        return Err("its SentencePiece vocabulary puts a space before the text, which is not \
                    supported yet"
            .into());
    }
    let scores: Vec<f32> = match content.metadata.get("tokenizer.ggml.scores") {
        Some(Value::Array(values)) => values.iter().map(|v| v.to_f32().unwrap_or(0.0)).collect(),
        _ => return Err("`tokenizer.ggml.scores` is missing".into()),
    };
    let normal: HashMap<&str, usize> = pieces
        .iter()
        .enumerate()
        .filter(|(id, _)| kinds.get(*id) == Some(&NORMAL))
        .map(|(id, p)| (p.as_str(), id))
        .collect();
    let mut rules: Vec<(f32, usize, usize, usize)> = Vec::new();
    for (piece, id) in &normal {
        let score = scores.get(*id).copied().unwrap_or(0.0);
        for (cut, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(cut);
            if let (Some(l), Some(r)) = (normal.get(left), normal.get(right)) {
                rules.push((score, *id, *l, *r));
            }
        }
    }
    rules.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    let piece = |id: usize| pieces.get(id).cloned().unwrap_or_default();
    let merges = rules.into_iter().map(|(_, _, l, r)| (piece(l), piece(r))).collect();
    let vocab: tokenizers::models::bpe::Vocab =
        pieces.iter().enumerate().map(|(id, p)| (p.clone(), id as u32)).collect();
    let unknown = gguf::u32(content, "tokenizer.ggml.unknown_token_id")
        .ok()
        .and_then(|id| pieces.get(id as usize).cloned())
        .unwrap_or_else(|| "<unk>".into());
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .byte_fallback(true)
        .fuse_unk(true)
        .unk_token(unknown)
        .build()
        .map_err(|e| e.to_string())?;
    let mut tokenizer = tokenizers::Tokenizer::new(bpe);
    let spaces = Replace::new(" ", "▁").map_err(|e| e.to_string())?;
    tokenizer.with_normalizer(Some(NormalizerWrapper::from(spaces))).map_err(|e| e.to_string())?;
    Ok(tokenizer)
}

/// GPT-2's map from printable characters back to bytes (openai/gpt-2, `encoder.py`).
fn byte_of_char(c: char) -> Option<u8> {
    let code = u32::from(c);
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u8::try_from(code).ok(),
        // The 68 other bytes in order, from U+0100 on: 0..=0x20, 0x7F..=0xA0, 0xAD.
        0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}
