//! The engine against llama.cpp on the real models: tokens, logits and greedy continuations that
//! `tests/reference/record.py` recorded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use brief::{
    Language,
    engine::{Engine, Prompt, Prompts, Tokenizer, Values, gguf, tokenizer::Part},
    translate::{names, prepared},
};
use minijinja::context;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

#[derive(Deserialize)]
struct TokensFile {
    plain: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    text: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct LinesFile {
    models: Vec<LinesOfModel>,
}

#[derive(Deserialize)]
struct LinesOfModel {
    model: String,
    files: Vec<LinesOfFile>,
}

#[derive(Deserialize)]
struct LinesOfFile {
    path: String,
    lines: usize,
    tokens: usize,
    digests: Vec<String>,
}

#[derive(Deserialize)]
struct LogitsFile {
    fixed_ids: Vec<usize>,
    sequences: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Sequence {
    name: String,
    ids: Vec<u32>,
    positions: Vec<Position>,
}

#[derive(Deserialize)]
struct Position {
    position: usize,
    top: Vec<(usize, f32)>,
    fixed: Vec<f32>,
}

#[derive(Deserialize)]
struct Chats {
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    text: String,
    ids: Vec<u32>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

fn fixture<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/tests/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn engine(id: &str) -> Option<Engine> {
    let path = common::model(id)?;
    Some(Engine::load(id, &path, &brief::engine::Backend::cpu()).unwrap())
}

/// Tokens are those of llama.cpp, text by text, but for two differences on purpose: user-defined
/// pieces such as `<table>` or `<tool_call>` can't be formed by text, and Qwen's text is composed
/// first (NFC), as the authors' own tokenizer does and llama.cpp doesn't.
fn tokens_agree(engine: &Engine, name: &str) {
    let file: TokensFile = fixture(&format!("tokens-{name}.json"));
    assert!(file.plain.len() >= 100, "{} texts are too few", file.plain.len());
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for Encoded { text, ids } in &file.plain {
        let forms_a_piece = ids.iter().any(|id| engine.tokenizer.token_bytes(*id).is_empty());
        let composed = !name.starts_with("qwen") || text.nfc().eq(text.chars());
        if forms_a_piece || !composed {
            continue;
        }
        compared += 1;
        let got = engine.tokenizer.encode(text).unwrap();
        if got != *ids {
            wrong.push(format!("{text:?}\n  got  {got:?}\n  want {ids:?}"));
        }
    }
    assert!(compared * 20 >= file.plain.len() * 19, "only {compared} texts were compared");
    assert!(wrong.is_empty(), "{} texts differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Logits are those of llama.cpp within `bound` of the spread of its logits (root mean square
/// over the recorded ids), and the likeliest token is the same unless the reference's two
/// likeliest are closer than the bound. Both sides quantise activations, each in its own way, so
/// that they can't agree to the last bit.
fn logits_agree(engine: &Engine, name: &str, bound: f32) {
    let file: LogitsFile = fixture(&format!("logits-{name}.json"));
    for sequence in &file.sequences {
        let logits = engine.logits(&Prompt { levels: vec![sequence.ids.clone()] }).unwrap();
        for Position { position, top, fixed } in &sequence.positions {
            let row = &logits[*position];
            let recorded: Vec<(usize, f32)> = top
                .iter()
                .copied()
                .chain(file.fixed_ids.iter().copied().zip(fixed.iter().copied()))
                .collect();
            let n = recorded.len() as f32;
            let mean = recorded.iter().map(|(_, l)| l).sum::<f32>() / n;
            let spread = (recorded.iter().map(|(_, l)| (l - mean).powi(2)).sum::<f32>() / n).sqrt();
            // Softmax doesn't see what is added to all logits alike, so neither does this.
            let offset = recorded.iter().map(|(id, l)| row[*id] - l).sum::<f32>() / n;
            let square = |(id, l): &(usize, f32)| (row[*id] - l - offset).powi(2);
            let error = (recorded.iter().map(square).sum::<f32>() / n).sqrt();
            let at = format!("{name}, {} at {position}", sequence.name);
            eprintln!("{at}: error {error:.3} of spread {spread:.3}");
            assert!(error <= bound * spread, "{at}: {error} is more than {bound} of {spread}");
            let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            let close = top[0].1 - top[1].1 < 2.0 * bound * spread;
            assert!(
                best == top[0].0 || (close && top.iter().take(3).any(|t| t.0 == best)),
                "{at}: {best}"
            );
        }
    }
}

#[test]
fn qwen_tokens_and_logits_are_those_of_llama_cpp() {
    let Some(engine) = engine("qwen2.5-coder-1.5b-instruct-q4_k_m") else { return };
    tokens_agree(&engine, "qwen2.5-coder-1.5b");
    chat_prompts_agree(&engine);
    logits_agree(&engine, "qwen2.5-coder-1.5b", 0.05);
}

#[test]
fn gemma_tokens_and_logits_are_those_of_llama_cpp() {
    let Some(engine) = engine("gemma-3-270m-q4_k_m") else { return };
    tokens_agree(&engine, "gemma-3-270m");
    logits_agree(&engine, "gemma-3-270m", 0.05);
}

/// The prompts that models/bengali/train.py learns from, recorded by bengali.py.
#[test]
fn bengali_prompts_are_those_that_the_adapter_learnt_from() {
    #[derive(Deserialize)]
    struct Recorded {
        text: String,
        ids: Vec<u32>,
    }
    let Some(engine) = engine("gemma-3-270m-q4_k_m") else { return };
    let prompts = Prompts::load(None).unwrap();
    for Recorded { text, ids } in fixture::<Vec<Recorded>>("bengali.json") {
        let text = prepared(&text);
        let values = Values::default();
        let names = names::glossary(&text, Language::Bengali);
        let fields = context! { text => values.text(&text), names => values.text(&names) };
        let name = "translate.bengali.jinja";
        let prompt = prompts.render(name, fields, &values, &engine.tokenizer).unwrap();
        assert_eq!(prompt.tokens(), ids, "{text}");
    }
}

#[test]
fn smollm_tokens_and_logits_are_those_of_llama_cpp() {
    let Some(engine) = engine("smollm2-135m-instruct-q4_1") else { return };
    tokens_agree(&engine, "smollm2-135m");
    logits_agree(&engine, "smollm2-135m", 0.05);
}

/// All lines of flores-dev and of the seeds, as record_lines.py recorded them from llama.cpp.
#[test]
fn thousands_of_lines_of_real_text_are_cut_as_llama_cpp_cuts_them() {
    let Some(folder) = common::shared("") else { return };
    let mut wrong = Vec::new();
    for LinesOfModel { model, files } in fixture::<LinesFile>("lines.json").models {
        let id = match model.as_str() {
            "qwen2.5-coder-1.5b" => "qwen2.5-coder-1.5b-instruct-q4_k_m",
            "gemma-3-270m" => "gemma-3-270m-q4_k_m",
            "smollm2-135m" => "smollm2-135m-instruct-q4_1",
            other => panic!("{other}"),
        };
        let Some(path) = common::model(id) else { continue };
        let tokenizer = Tokenizer::from_gguf(&gguf::open(&path).unwrap().0).unwrap();
        assert!(files.iter().map(|file| file.lines).sum::<usize>() >= 4_000);
        for LinesOfFile { path, lines, tokens, digests } in files {
            let Ok(text) = std::fs::read_to_string(folder.join(&path)) else {
                eprintln!("SKIPPED: needs ../shared/{path}");
                continue;
            };
            let text: Vec<&str> = text.split('\n').collect();
            assert_eq!(text.len(), lines, "{path}");
            let mut count = 0;
            for (block, digest) in text.chunks(100).zip(digests) {
                let (tokens, ours) = common::digest(&tokenizer, block);
                count += tokens;
                if ours != digest {
                    wrong.push(format!("{model}, {path}, near {:?}", block[0]));
                }
            }
            assert!(count == tokens || !wrong.is_empty(), "{model}, {path}: {count} of {tokens}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Our parts give the tokens that the model's own chat template gives, also where a message tries
/// to end its turn.
fn chat_prompts_agree(engine: &Engine) {
    let file: Chats = fixture("chat-qwen2.5.json");
    // As above: composed text is what the authors' tokenizer sees.
    for chat in file.chats.iter().filter(|c| c.text.nfc().eq(c.text.chars())) {
        let special = |piece: &str| Part::Special(piece.into());
        let mut parts = Vec::new();
        let mut turn = |role: &str, content: &str| {
            let text = Part::Text(format!("{role}\n{content}"));
            parts.extend([
                special("<|im_start|>"),
                text,
                special("<|im_end|>"),
                Part::Text("\n".into()),
            ]);
        };
        if chat.messages.first().is_none_or(|m| m.role != "system") {
            turn("system", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
        }
        for message in &chat.messages {
            turn(&message.role, &message.content);
        }
        if chat.text.ends_with("<|im_start|>assistant\n") {
            parts.extend([special("<|im_start|>"), Part::Text("assistant\n".into())]);
        }
        assert_eq!(engine.tokenizer.encode_parts(&parts).unwrap(), chat.ids, "{}", chat.text);
    }
}
