//! The tokenizer that a GGUF file carries, and prompts as token ids.
//!
//! Article text is data: it is tokenised without any control token in the vocabulary's reach, so
//! `<|im_end|>` in an article is seven ordinary tokens. Control tokens come from
//! [`Tokenizer::special`] alone, that is, from prompt templates.

use std::{collections::HashMap, path::Path};

use candle_core::quantized::gguf_file::{Content, Value};
use tokenizers::{
    AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior,
    models::{bpe::BPE, wordlevel::WordLevel},
    normalizers::{Replace, unicode::NFC},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::{
    gguf, hub_folder, marian,
    sentencepiece::{
        BYTE, CONTROL, ModelFile, NORMAL, SentencePiece, UNUSED, USER_DEFINED, by_merges,
    },
};

/// GGUF's name for Gemma 4's tokenizer: SentencePiece's spelling, with merge rules in order.
const GEMMA4: &str = "gemma4";

/// Where M2M100 and SMaLL-100 have their pieces.
pub const M2M100: &str = "sentencepiece.bpe.model";
/// Their languages, in the order of their tokens (facebookresearch/fairseq, `examples/m2m_100`).
#[rustfmt::skip]
const M2M100_LANGUAGES: [&str; 100] = [
    "af", "am", "ar", "ast", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "ceb", "cs", "cy", "da",
    "de", "el", "en", "es", "et", "fa", "ff", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha", "he",
    "hi", "hr", "ht", "hu", "hy", "id", "ig", "ilo", "is", "it", "ja", "jv", "ka", "kk", "km", "kn",
    "ko", "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms", "my", "ne", "nl",
    "no", "ns", "oc", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sd", "si", "sk", "sl", "so", "sq",
    "sr", "ss", "su", "sv", "sw", "ta", "th", "tl", "tn", "tr", "uk", "ur", "uz", "vi", "wo", "xh",
    "yi", "yo", "zh", "zu",
];

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
    inner: Inner,
    spelling: Spelling,
    pieces: Vec<String>,
    kinds: Vec<u32>,
    specials: HashMap<String, u32>,
    bos: Option<u32>,
    eos: Vec<u32>,
    adds_bos: bool,
}

/// What cuts text into pieces.
enum Inner {
    /// With the vocabulary's own ids.
    Whole(Box<tokenizers::Tokenizer>),
    /// For sources, whose ids may be others than those of what is written.
    Source {
        cutter: Box<SentencePiece>,
        /// Of each piece that is text.
        ids: HashMap<String, u32>,
        /// Of all others.
        unknown: u32,
        /// How many ids there are.
        size: usize,
    },
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
            GEMMA4 => (ranked(content, &pieces)?, Spelling::SentencePiece),
            other => {
                return Err(format!(
                    "its tokenizer is of the kind `{other}`; supported are `gpt2`, `llama` and \
                     `gemma4`"
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
        let adds_bos = match content.metadata.get("tokenizer.ggml.add_bos_token") {
            // Some files say no, and are wrong (ggml-org/llama.cpp#21500).
            _ if model == GEMMA4 => true,
            Some(Value::Bool(adds)) => *adds,
            // As llama.cpp does where a file doesn't say.
            _ => gguf::string(content, "tokenizer.ggml.pre").is_ok_and(|pre| pre == "llama-bpe"),
        };
        let inner = Inner::Whole(Box::new(inner));
        Ok(Self { inner, spelling, pieces, kinds, specials, bos, eos, adds_bos })
    }

    /// One whose tokens are numbers, for models whose texts mean nothing.
    ///
    /// # Errors
    /// The tokenizers library's.
    pub fn numbered(size: usize) -> Result<Self, String> {
        let pieces: Vec<String> = (0..size).map(|id| id.to_string()).collect();
        let vocab = pieces.iter().cloned().zip(0..).collect();
        let words = WordLevel::builder().vocab(vocab).unk_token("0".into()).build();
        let inner = tokenizers::Tokenizer::new(words.map_err(|e| e.to_string())?);
        Ok(Self {
            inner: Inner::Whole(Box::new(inner)),
            spelling: Spelling::SentencePiece,
            kinds: vec![NORMAL; pieces.len()],
            pieces,
            specials: HashMap::new(),
            bos: None,
            eos: Vec::new(),
            adds_bos: false,
        })
    }

    /// Builds the tokenizer from a hub folder's `tokenizer.json`.
    ///
    /// # Errors
    /// A sentence naming the file and what is wrong with it.
    pub fn from_hub(folder: &Path) -> Result<Self, String> {
        let config = hub_folder::config(folder)?;
        let Some(mut json) = hub_folder::json(folder, "tokenizer.json")? else {
            if folder.join("source.spm").exists() {
                return Self::from_pieces(folder, &config, "source.spm", &[]);
            }
            if folder.join(M2M100).exists() {
                return Self::from_pieces(folder, &config, M2M100, &M2M100_LANGUAGES);
            }
            return Err("tokenizer.json is missing; `--model` takes a GGUF file too".into());
        };
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
            inner: Inner::Whole(Box::new(inner)),
            spelling: if byte_level { Spelling::ByteLevel } else { Spelling::SentencePiece },
            eos: ends(ids("eos_token_id").into_iter(), &specials),
            pieces,
            kinds,
            specials,
            bos,
            adds_bos,
        })
    }

    /// Builds the tokenizer of a model as the hub lays out Marian's and M2M100's: a SentencePiece
    /// file cuts, `vocab.json` has the ids, and after those come the tokens of `languages`
    /// (transformers, `tokenization_marian.py`, `tokenization_m2m_100.py`). Where what is written has
    /// ids of its own, `target_vocab.json` has them.
    fn from_pieces(
        folder: &Path,
        config: &serde_json::Value,
        file: &str,
        languages: &[&str],
    ) -> Result<Self, String> {
        let cutter = SentencePiece::new(model_file(&folder.join(file))?)
            .map_err(|e| format!("{file}: {e}"))?;
        let settings = hub_folder::json(folder, "tokenizer_config.json")?.unwrap_or_default();
        let separate = settings.get("separate_vocabs").and_then(|v| v.as_bool()).unwrap_or(false);
        let mut source = by_ids(folder, "vocab.json")?;
        source.extend(languages.iter().map(|code| (format!("__{code}__"), CONTROL)));
        let target = separate.then(|| by_ids(folder, "target_vocab.json")).transpose()?;
        let eos = config.get("eos_token_id").and_then(|id| u32::try_from(id.as_u64()?).ok());
        Self::of_source(cutter, source, target, eos)
    }

    /// Builds the tokenizer from a vocabulary of SentencePiece's, whose order is that of the ids, as
    /// marian's own models have it, or from one for each side. Behind the one that is written comes
    /// `<pad>`, with which texts begin.
    ///
    /// # Errors
    /// A sentence naming the file and what is wrong with it.
    pub fn from_marian(files: &marian::Vocabularies) -> Result<Self, String> {
        let pieces = |file: &ModelFile| -> Vec<(String, u32)> {
            let is_text = |kind: u32| matches!(kind, NORMAL | USER_DEFINED | BYTE);
            let pieces = file.pieces().into_iter();
            pieces.map(|(piece, of)| (piece, if is_text(of) { of } else { CONTROL })).collect()
        };
        let path = &files.source;
        let file = model_file(path)?;
        let mut source = pieces(&file);
        let mut target = files.target.as_deref().map(model_file).transpose()?.as_ref().map(pieces);
        let cutter = SentencePiece::new(file).map_err(|e| named(path, &e))?;
        target.as_mut().unwrap_or(&mut source).push(("<pad>".into(), CONTROL));
        Self::of_source(cutter, source, target, None).map_err(|e| named(path, &e))
    }

    /// From what cuts sources, and pieces with their kinds in the order of their ids: those of sources,
    /// and those that are written where they are others.
    fn of_source(
        cutter: SentencePiece,
        source: Vec<(String, u32)>,
        target: Option<Vec<(String, u32)>>,
        eos: Option<u32>,
    ) -> Result<Self, String> {
        const END: &str = "</s>";
        let place = |pieces: &[(String, u32)], wanted: &str| {
            pieces.iter().position(|(piece, _)| piece == wanted).map(|id| id as u32)
        };
        let unknown = place(&source, "<unk>").ok_or("it has no <unk>")?;
        let end = place(&source, END).ok_or_else(|| format!("it has no {END}"))?;
        if target.as_ref().is_some_and(|target| place(target, END) != Some(end)) {
            return Err(format!("its two vocabularies have different ids for {END}"));
        }
        let texts = source.iter().zip(0u32..).filter(|((_, kind), _)| *kind != CONTROL);
        let ids = texts.map(|((piece, _), id)| (piece.clone(), id)).collect();
        let size = source.len();
        let (pieces, kinds): (Vec<String>, Vec<u32>) = target.unwrap_or(source).into_iter().unzip();
        let specials: HashMap<String, u32> = pieces
            .iter()
            .zip(&kinds)
            .zip(0u32..)
            .filter(|((_, kind), _)| **kind == CONTROL)
            .map(|((piece, _), id)| (piece.clone(), id))
            .collect();
        Ok(Self {
            inner: Inner::Source { cutter: Box::new(cutter), ids, unknown, size },
            spelling: Spelling::SentencePiece,
            eos: ends(eos.into_iter(), &specials),
            pieces,
            kinds,
            specials,
            bos: None,
            adds_bos: false,
        })
    }

    /// Token ids of plain text. Nothing in `text` can become a control token.
    ///
    /// # Errors
    /// The tokenizer's own message.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        match &self.inner {
            Inner::Whole(inner) => {
                let encoding = inner.encode_fast(text, false).map_err(|e| e.to_string())?;
                Ok(encoding.get_ids().to_vec())
            }
            Inner::Source { cutter, ids, unknown, .. } => {
                let id = |piece: String| ids.get(&piece).copied().unwrap_or(*unknown);
                Ok(cutter.pieces(text)?.into_iter().map(id).collect())
            }
        }
    }

    /// Token ids of a rendered prompt, with the model's start token if it wants one.
    ///
    /// # Errors
    /// A template's control token that the model doesn't have.
    pub fn encode_parts(&self, parts: &[Part]) -> Result<Vec<u32>, String> {
        let begins = |bos: &u32| match parts.first() {
            // Some families' templates write it themselves.
            Some(Part::Special(piece)) => self.special(piece) == Some(*bos),
            _ => false,
        };
        let bos = self.bos.filter(|bos| self.adds_bos && !begins(bos));
        let mut ids: Vec<u32> = bos.into_iter().collect();
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
        // Ids that a vocabulary leaves out.
        pieces.retain(|piece| !piece.is_empty());
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

    /// Tokens in the vocabulary; where sources have their own, in that of what is written.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }

    /// Tokens in the vocabulary of what is read.
    #[must_use]
    pub fn source_vocab_size(&self) -> usize {
        match self.inner {
            Inner::Source { size, .. } => size,
            Inner::Whole(_) => self.vocab_size(),
        }
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
    const ENDS: [&str; 11] = [
        "<|im_end|>",
        "<|endoftext|>",
        "<end_of_turn>",
        "<turn|>",
        "<eos>",
        "</s>",
        "<|eot_id|>",
        "<|end_of_text|>",
        "<|eom_id|>",
        // Hunyuan's of 1.8B and less, and of 4B and 7B.
        "<｜hy_place▁holder▁no▁2｜>",
        "<|eos|>",
    ];
    let mut ends: Vec<u32> = named.collect();
    ends.extend(ENDS.iter().filter_map(|piece| specials.get(*piece)));
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// A vocabulary of SentencePiece's.
fn model_file(path: &Path) -> Result<ModelFile, String> {
    let bytes = std::fs::read(path).map_err(|e| named(path, &format!("cannot be read: {e}")))?;
    ModelFile::from_bytes(&bytes).map_err(|e| named(path, &e))
}

fn named(path: &Path, reason: &str) -> String {
    format!("{}: {reason}", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The pieces of a `vocab.json` in the order of their ids, with their kinds.
fn by_ids(folder: &Path, file: &str) -> Result<Vec<(String, u32)>, String> {
    let vocab = hub_folder::json(folder, file)?.ok_or_else(|| format!("{file} is missing"))?;
    let no_map = || format!("its {file} is no map of pieces to ids");
    let vocab = vocab.as_object().ok_or_else(no_map)?;
    let mut pieces = vec![(String::new(), CONTROL); vocab.len()];
    for (piece, id) in vocab {
        let id = id.as_u64().and_then(|id| usize::try_from(id).ok());
        let Some(place) = id.and_then(|id| pieces.get_mut(id)) else {
            return Err(format!("its {file} has no usable id for `{piece}`"));
        };
        let is_control = matches!(piece.as_str(), "<unk>" | "<pad>" | "</s>" | "<s>")
            || (piece.starts_with(">>") && piece.ends_with("<<"));
        *place = (piece.clone(), if is_control { CONTROL } else { NORMAL });
    }
    Ok(pieces)
}

/// What a GGUF file says of the tokenizer in a hub folder (llama.cpp, `conversion/base.py`).
///
/// # Errors
/// A sentence that says what GGUF has no name for, or what is missing.
pub fn gguf_metadata(folder: &Path) -> Result<Vec<(String, Value)>, String> {
    let json = hub_folder::json(folder, "tokenizer.json")?.ok_or("tokenizer.json is missing")?;
    let config = hub_folder::config(folder)?;
    let tokenizer = Tokenizer::from_hub(folder)?;
    let model = json.get("model").ok_or("its tokenizer.json has no model")?;
    if model.get("type").and_then(|kind| kind.as_str()) != Some("BPE") {
        return Err("its tokenizer is no BPE, which is not supported yet".into());
    }
    let merges = model.get("merges").and_then(|m| m.as_array()).ok_or("it has no merges")?;
    let merges: Vec<(&str, &str)> = merges
        .iter()
        .map(|merge| match (merge.as_str(), merge.as_array().map(Vec::as_slice)) {
            (Some(text), _) => text.split_once(' '),
            (_, Some([a, b])) => a.as_str().zip(b.as_str()),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or("a merge of its tokenizer.json is malformed")?;
    // Models have rows for tokens that nobody uses.
    let rows = config.get("vocab_size").and_then(|v| v.as_u64()).unwrap_or(0) as usize;
    let rows = rows.clamp(tokenizer.pieces.len(), tokenizer.pieces.len() + (1 << 16));
    let unused = (tokenizer.pieces.len()..rows).map(|id| (format!("[PAD{id}]"), UNUSED));
    let own = tokenizer.pieces.iter().cloned().zip(tokenizer.kinds.iter().copied());
    let (pieces, kinds): (Vec<String>, Vec<u32>) = own.chain(unused).unzip();
    let text = |text: &str| Value::String(text.to_owned());
    let mut metadata = Vec::new();
    let mut put = |key: &str, value| metadata.push((format!("tokenizer.ggml.{key}"), value));
    let kind = config.get("model_type").and_then(|kind| kind.as_str());
    match tokenizer.spelling {
        Spelling::ByteLevel => {
            put("model", text("gpt2"));
            put("pre", text(pre_tokenizer(&json)?));
            put("merges", spelt(&merges));
        }
        Spelling::SentencePiece if kind.is_some_and(|kind| kind.starts_with(GEMMA4)) => {
            put("model", text(GEMMA4));
            put("merges", spelt(&merges));
        }
        Spelling::SentencePiece => {
            put("model", text("llama"));
            // The earlier a merge, the higher the score of what it makes.
            let ranks = merges.iter().enumerate().rev();
            let ranks: HashMap<String, usize> =
                ranks.map(|(rank, (a, b))| (format!("{a}{b}"), rank)).collect();
            let score = |piece: &String| -> f32 {
                ranks.get(piece).map_or(f32::MIN / 2.0, |rank| -(*rank as f32))
            };
            put("scores", Value::Array(pieces.iter().map(|p| Value::F32(score(p))).collect()));
            put("add_space_prefix", Value::Bool(false));
            if let Some(id) = tokenizer.specials.get("<unk>") {
                put("unknown_token_id", Value::U32(*id));
            }
        }
    }
    put("tokens", Value::Array(pieces.into_iter().map(Value::String).collect()));
    let kinds = kinds.into_iter().map(|kind| Value::I32(kind as i32));
    put("token_type", Value::Array(kinds.collect()));
    put("add_bos_token", Value::Bool(tokenizer.adds_bos));
    if let Some(bos) = tokenizer.bos {
        put("bos_token_id", Value::U32(bos));
    }
    let eos = config.get("eos_token_id").cloned().unwrap_or_default();
    let eos = eos.as_array().and_then(|list| list.first().cloned()).unwrap_or(eos);
    if let Some(eos) = eos.as_u64().and_then(|id| u32::try_from(id).ok()) {
        put("eos_token_id", Value::U32(eos));
    }
    let template = hub_folder::chat_template(folder)?;
    if !template.is_empty() {
        metadata.push(("tokenizer.chat_template".into(), Value::String(template)));
    }
    Ok(metadata)
}

/// Merge rules as GGUF files have them.
fn spelt(merges: &[(&str, &str)]) -> Value {
    Value::Array(merges.iter().map(|(a, b)| Value::String(format!("{a} {b}"))).collect())
}

/// llama.cpp's name of how a `tokenizer.json` cuts text before merging.
fn pre_tokenizer(json: &serde_json::Value) -> Result<&'static str, String> {
    fn regexes<'j>(json: &'j serde_json::Value, found: &mut Vec<&'j str>) {
        match json {
            serde_json::Value::Array(list) => list.iter().for_each(|json| regexes(json, found)),
            serde_json::Value::Object(map) => {
                found.extend(map.get("Regex").and_then(|regex| regex.as_str()));
                map.values().for_each(|json| regexes(json, found));
            }
            _ => {}
        }
    }
    let pre = json.get("pre_tokenizer").cloned().unwrap_or_default();
    let mut found = Vec::new();
    regexes(&pre, &mut found);
    let has = |kind: &str| pre.to_string().contains(&format!("\"type\":\"{kind}\""));
    match found.as_slice() {
        [] if has("Digits") => Ok("smollm"),
        [] => Ok("gpt-2"),
        [one] if one.contains(r"|\p{N}{1,3}|") => Ok("llama-bpe"),
        [one] if one.contains(r"|\p{N}|") && !one.contains(r"\p{M}") => Ok("qwen2"),
        [one] if one.contains(r"[\p{L}\p{M}]+|\p{N}|") => Ok("qwen35"),
        [numbers, chinese, _] if *numbers == r"\p{N}{1,3}" && chinese.starts_with("[一-") => {
            Ok("hunyuan-dense")
        }
        other => Err(format!("GGUF has no name for how its tokenizer cuts text: {other:?}")),
    }
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

/// Each piece with its place, which is its id.
fn numbered(pieces: &[String]) -> tokenizers::models::bpe::Vocab {
    pieces.iter().cloned().zip(0..).collect()
}

/// The merge rules, the first first. A piece may begin with the space that parts the two.
fn merges(content: &Content) -> Result<Vec<(String, String)>, String> {
    let parted = |merge: String| {
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let parts = merge.get(first..).and_then(|rest| rest.split_once(' '));
        match (merge.get(..first), parts) {
            (Some(first), Some((rest, right))) => Ok((format!("{first}{rest}"), right.to_owned())),
            _ => Err(format!("the merge rule `{merge}` is malformed")),
        }
    };
    strings(content, "tokenizer.ggml.merges")?.into_iter().map(parted).collect()
}

/// GPT-2 style byte-level BPE. The regular expressions are those of llama.cpp's
/// `llm_tokenizer_bpe` for the names that GGUF files carry in `tokenizer.ggml.pre`.
fn byte_level(content: &Content, pieces: &[String]) -> Result<tokenizers::Tokenizer, String> {
    const ENDINGS: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|";
    const WORDS: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|";
    const REST: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    // As before, but marks belong to letters.
    const WITH_MARKS: &str = concat!(
        r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|",
        r"\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    );
    const CHINESE: &str = "[一-龥\u{3040}-ゟ゠-ヿ]+";
    const BESIDES: &str = concat!(
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    );
    let merges = merges(content)?;
    let pre = gguf::string(content, "tokenizer.ggml.pre").unwrap_or_else(|_| "default".into());
    let (ignore_merges, normaliser, splitters): (_, Option<NormalizerWrapper>, _) = match pre
        .as_str()
    {
        "qwen2" => {
            (false, Some(NFC.into()), vec![split(&format!(r"{ENDINGS}{WORDS}\p{{N}}{REST}"))?])
        }
        "qwen35" => (false, Some(NFC.into()), vec![split(&format!("{ENDINGS}{WITH_MARKS}"))?]),
        "llama-bpe" | "llama3" | "llama-v3" | "smaug-bpe" => {
            (true, None, vec![split(&format!(r"{ENDINGS}{WORDS}\p{{N}}{{1,3}}{REST}"))?])
        }
        "smollm" => {
            (false, None, vec![Digits::new(true).into(), ByteLevel::new(false, false, true).into()])
        }
        "hunyuan-dense" => (
            false,
            None,
            [r"\p{N}{1,3}", CHINESE, BESIDES].map(split).into_iter().collect::<Result<_, _>>()?,
        ),
        "gpt-2" | "default" => (false, None, vec![ByteLevel::new(false, false, true).into()]),
        other => {
            return Err(format!("its pre-tokeniser `{other}` is not supported"));
        }
    };
    let uses_regex = !matches!(pre.as_str(), "smollm" | "gpt-2" | "default");
    let bpe = BPE::builder()
        .vocab_and_merges(numbered(pieces), merges)
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

/// SentencePiece's merges as Gemma has them, with pieces for single bytes.
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
    let unknown = gguf::u32(content, "tokenizer.ggml.unknown_token_id")
        .ok()
        .map(|id| id as usize)
        .or_else(|| pieces.iter().position(|piece| piece == "<unk>"))
        .ok_or("it has no piece for what it doesn't know")?;
    let is_text = |id: usize| kinds.get(id) == Some(&NORMAL);
    with_spaces(by_merges(pieces, &scores, is_text, unknown, true)?)
}

/// SentencePiece's spelling with merge rules in order, as Gemma 4 has them.
fn ranked(content: &Content, pieces: &[String]) -> Result<tokenizers::Tokenizer, String> {
    let bpe = BPE::builder()
        .vocab_and_merges(numbered(pieces), merges(content)?)
        .byte_fallback(true)
        .fuse_unk(true)
        .unk_token("<unk>".into())
        .build()
        .map_err(|e| e.to_string())?;
    with_spaces(bpe)
}

fn with_spaces(bpe: BPE) -> Result<tokenizers::Tokenizer, String> {
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
