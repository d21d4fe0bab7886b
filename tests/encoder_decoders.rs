//! Every family of encoder-decoders against transformers, on the small random models that
//! tests/reference/encoder_decoders/record.py made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::path::{Path, PathBuf};

use brief::engine::{
    Backend, Engine, Prompt, Prompts, Request, Search, Tokenizer, Values, marian, tokenizer::Part,
};
use common::recording::{self, agrees};
use minijinja::context;
use serde_json::Value;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn load(name: &str, backend: &Backend) -> Engine {
    let folder = recording::folder(&reference("encoder_decoders").join(name));
    Engine::load("tiny", folder.path(), backend).unwrap()
}

fn check(name: &str) {
    for backend in recording::backends() {
        agrees(&mut load(name, &backend), &expected(name), &format!("{name}, {backend:?}"));
    }
}

#[test]
fn a_shape_that_is_not_computed_is_refused() {
    for (name, key, value, reason) in [
        ("marian", "decoder_attention_heads", Value::from(5), "5 heads"),
        ("marian", "encoder_attention_heads", 0.into(), "0 heads"),
        ("marian", "activation_function", "gelu_new".into(), "`gelu_new`"),
        ("marian", "normalize_before", true.into(), "`normalize_before`"),
        ("marian", "scale_embedding", Value::Null, "`scale_embedding` is missing"),
        ("t5", "feed_forward_proj", "gated-swish".into(), "`gated-swish`"),
        ("t5", "relative_attention_num_buckets", 0.into(), "0 buckets"),
        ("t5", "num_heads", 0.into(), "0 heads"),
        ("t5", "d_kv", Value::Null, "`d_kv` is missing"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        common::tiny::write_hub_folder(folder.path(), "qwen2");
        let config = reference("encoder_decoders").join(name).join("config.json");
        let config = std::fs::read_to_string(config).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config[key] = value;
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let error = Engine::load("tiny", folder.path(), &Backend::cpu()).err().expect(reason);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

fn expected(name: &str) -> Value {
    recording::expected(&reference("encoder_decoders").join(name))
}

#[test]
fn marian_writes_what_it_does_in_transformers() {
    check("marian");
    check("marian-two");
}

#[test]
fn m2m100_writes_what_it_does_in_transformers() {
    check("m2m100");
}

#[test]
fn t5_writes_what_it_does_in_transformers() {
    check("madlad");
    check("t5");
}

/// A folder with files of another under names of their own.
fn copied(from: &Path, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, name) in files {
        std::fs::copy(from.join(file), folder.path().join(name)).unwrap();
    }
    folder
}

/// A folder as Firefox's models have theirs.
fn firefox(model: &str) -> tempfile::TempDir {
    copied(&reference("bergamot"), &[(model, "model.deen.bin"), ("vocab.spm", "vocab.deen.spm")])
}

fn source(engine: &Engine, text: &str) -> Prompt {
    let of = |piece: &str| engine.tokenizer.special(piece).unwrap();
    let mut tokens = engine.tokenizer.encode(text).unwrap();
    tokens.push(of("</s>"));
    Prompt { levels: vec![tokens, vec![of("<pad>")]] }
}

#[test]
fn firefox_s_models_write_what_bergamot_does() {
    let one = firefox("model.bin");
    as_bergamot(one.path(), &recording::expected(&reference("bergamot")));
    // With a vocabulary for each side.
    let recording = reference("bergamot/two");
    let files = [
        ("model.bin", "model.zhen.bin"),
        ("srcvocab.spm", "srcvocab.zhen.spm"),
        ("trgvocab.spm", "trgvocab.zhen.spm"),
    ];
    let two = copied(&recording, &files);
    as_bergamot(two.path(), &recording::expected(&recording));
    std::fs::remove_file(two.path().join("trgvocab.zhen.spm")).unwrap();
    let error = Engine::load("tiny", two.path(), &Backend::cpu()).err().unwrap();
    assert!(error.to_string().contains("trgvocab….spm must lie beside it"), "{error}");
}

fn as_bergamot(folder: &Path, expected: &Value) {
    let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
    let theirs = expected["outputs"].as_array().unwrap();
    for backend in recording::backends() {
        let engine = Engine::load("tiny", folder, &backend).unwrap();
        let request = |text: &String| Request {
            prompt: source(&engine, text),
            after: None,
            max_tokens: 11,
            search: Search::GREEDY,
            grammar: None,
        };
        let requests = texts.iter().map(request).collect();
        let outputs = engine.generate(requests, &mut |_: usize, _: usize| true).unwrap();
        assert_eq!(outputs.len(), theirs.len());
        let mut written = 0;
        for ((ours, theirs), text) in outputs.iter().zip(theirs).zip(&texts) {
            let said = engine.tokenizer.decode(&ours.tokens);
            assert_eq!(said.trim_start(), theirs["text"], "{text:?}, {backend:?}");
            assert_eq!(ours.tokens.len() as u64, theirs["tokens"].as_u64().unwrap());
            written += ours.tokens.len();
        }
        assert!(written > 100, "{written}");
        let faults = engine.check(None).unwrap().faults(1e-3, false);
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn of_several_models_in_a_folder_none_is_taken() {
    let folder = firefox("model.intgemm.bin");
    assert!(Engine::load("tiny", folder.path(), &Backend::cpu()).is_ok());
    let other = folder.path().join("model.en.bin");
    std::fs::copy(folder.path().join("model.deen.bin"), other).unwrap();
    let error = Engine::load("tiny", folder.path(), &Backend::cpu()).err().unwrap();
    assert!(error.to_string().contains("several models"), "{error}");
}

#[test]
fn every_recording_is_compared() {
    let folders =
        std::fs::read_dir(reference("encoder_decoders")).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["m2m100", "madlad", "marian", "marian-two", "t5"]);
}

#[test]
fn texts_are_the_same_alone_and_among_others() {
    for name in ["marian", "m2m100", "madlad"] {
        let (engine, expected) = (load(name, &Backend::cpu()), expected(name));
        let begin: Vec<u32> = serde_json::from_value(expected["begin"].clone()).unwrap();
        let request = |i: usize| {
            let mut source: Vec<u32> =
                format!("Sentence {i} {}", "x".repeat(i)).bytes().map(u32::from).collect();
            source.push(258);
            let prompt = Prompt { levels: vec![source, begin.clone()] };
            let search = Search { beams: 1 + i % 4, length_penalty: 1.0 };
            Request { prompt, after: None, max_tokens: 11, search, grammar: None }
        };
        let generate = |range: std::ops::Range<usize>| {
            engine.generate(range.map(request).collect(), &mut |_: usize, _: usize| true).unwrap()
        };
        let together = generate(0..17);
        for (i, output) in together.iter().enumerate() {
            assert_eq!(generate(i..i + 1)[0], *output, "{name}, {i}");
        }
    }
}

/// Sources as transformers' tokenizer of M2M100 gives them, with their language and end.
#[test]
fn an_m2m100_folder_s_tokenizer_gives_the_recorded_sources() {
    let recorded = reference("sentencepiece/m2m100");
    let files = ["sentencepiece.bpe.model", "vocab.json"].map(|file| (file, file));
    let folder = copied(&recorded, &files);
    std::fs::write(folder.path().join("config.json"), r#"{"eos_token_id": 2}"#).unwrap();
    let tokenizer = Tokenizer::from_hub(folder.path()).unwrap();
    let expected = std::fs::read_to_string(recorded.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let (texts, ids) = (expected["texts"].as_array().unwrap(), expected["ids"].as_array().unwrap());
    assert!(texts.len() > 40);
    let special = |piece: &str| Part::Special(piece.into());
    for (text, ids) in texts.iter().zip(ids) {
        let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
        let text = text.as_str().unwrap();
        let source = [special("__de__"), Part::Text(text.into()), special("</s>")];
        assert_eq!(tokenizer.encode_parts(&source).unwrap(), ids, "{text}");
    }
    assert_eq!(u64::from(tokenizer.special("__en__").unwrap()), expected["en"].as_u64().unwrap());
    // The prompts: a source, and what the target begins with.
    let prompts = Prompts::load(None).unwrap();
    let render = |name: &str| {
        let values = Values::default();
        let fields = context! { tag => "zh-Hant", text => values.text("a") };
        prompts.render(&format!("translate.{name}.jinja"), fields, &values, &tokenizer).unwrap()
    };
    let ids = |pieces: &[&str]| -> Vec<u32> {
        pieces.iter().map(|piece| tokenizer.special(piece).unwrap()).collect()
    };
    let a = tokenizer.encode("a").unwrap();
    let source = [ids(&["__zh__"]), a.clone(), ids(&["</s>"])].concat();
    assert_eq!(render("m2m100").levels, [source, ids(&["</s>", "__en__"])]);
    let source = [ids(&["__en__"]), a, ids(&["</s>"])].concat();
    assert_eq!(render("small100").levels, [source, ids(&["</s>"])]);
    // Nothing in a text is a control token.
    let source = tokenizer.encode("a </s> __en__ b").unwrap();
    assert!(!ids(&["</s>", "__en__"]).iter().any(|id| source.contains(id)));
    let ids = tokenizer.encode("The bridge").unwrap();
    assert_eq!(tokenizer.decode(&ids).trim(), "The bridge");
}

/// MADLAD-400 is told by its source that English is wanted: its piece for that stands in the vocabulary, or,
/// as newer versions of transformers write it, among the tokens that were added.
#[test]
fn a_madlad_folder_s_sources_ask_for_english() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, json: &Value| {
        std::fs::write(folder.path().join(file), json.to_string()).unwrap();
    };
    write("config.json", &serde_json::json!({ "model_type": "t5", "eos_token_id": 2 }));
    let pieces = ["<unk>", "<s>", "</s>", "<2en>", "▁", "▁Die", "▁Brücke", "<", "2", "e", "n", ">"];
    let vocab: Vec<(&str, f64)> =
        pieces.iter().zip([0.0; 4].into_iter().chain([-4.0; 8])).map(|(p, s)| (*p, s)).collect();
    for listed in [false, true] {
        let added: Vec<Value> = pieces[..if listed { 4 } else { 3 }].iter().enumerate().map(|(id, piece)| {
            serde_json::json!({ "id": id, "content": piece, "special": id < 3, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false })
        }).collect();
        let metaspace = serde_json::json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
        write(
            "tokenizer.json",
            &serde_json::json!({
                "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
                "pre_tokenizer": metaspace, "post_processor": null, "decoder": metaspace,
                "model": { "type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": false },
            }),
        );
        let tokenizer = Tokenizer::from_hub(folder.path()).unwrap();
        let values = Values::default();
        let fields = context! { tag => "de", text => values.text("Die Brücke") };
        let prompts = Prompts::load(None).unwrap();
        let prompt = prompts.render("translate.madlad.jinja", fields, &values, &tokenizer).unwrap();
        let marked: &[u32] = if listed { &[3] } else { &[4, 3] };
        assert_eq!(prompt.levels, [[marked, &[5, 6, 2]].concat(), vec![0]]);
    }
}

/// Vocabularies with pieces for single bytes and such as users define, as Firefox's newer models have
/// them: ids as SentencePiece gives them, of texts and of thousands of lines.
#[test]
fn firefox_s_vocabularies_give_sentencepiece_s_ids() {
    let recorded = reference("sentencepiece/firefox");
    let expected = recording::expected(&recorded);
    let texts: Vec<String> = serde_json::from_value(expected["texts"].clone()).unwrap();
    assert!(texts.len() > 50);
    for kind in ["unigram", "merges"] {
        let files =
            marian::Vocabularies { source: recorded.join(format!("{kind}.spm")), target: None };
        let tokenizer = Tokenizer::from_marian(&files).unwrap();
        let theirs: Vec<Vec<u32>> = serde_json::from_value(expected[kind]["ids"].clone()).unwrap();
        assert_eq!(texts.len(), theirs.len());
        for (text, theirs) in texts.iter().zip(theirs) {
            assert_eq!(tokenizer.encode(text).unwrap(), theirs, "{kind}: {text}");
        }
        for file in expected[kind]["files"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap();
            let Some(path) = common::shared(path) else { continue };
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<&str> = text.split('\n').collect();
            let theirs = file["digests"].as_array().unwrap();
            assert_eq!(lines.chunks(100).len(), theirs.len());
            for (lines, theirs) in lines.chunks(100).zip(theirs) {
                let (_, ours) = common::digest(&tokenizer, lines);
                assert_eq!(ours, *theirs, "{kind}, {}, near {:?}", path.display(), lines[0]);
            }
        }
    }
}

/// As SentencePiece cuts texts, and with the ids that transformers gives the pieces.
#[test]
fn a_marian_folder_s_tokenizer_gives_the_recorded_ids() {
    let recorded = reference("sentencepiece");
    let folder = copied(&recorded, &["source.spm", "vocab.json"].map(|file| (file, file)));
    std::fs::write(folder.path().join("config.json"), r#"{"eos_token_id": 0}"#).unwrap();
    let tokenizer = Tokenizer::from_hub(folder.path()).unwrap();
    let expected = std::fs::read_to_string(recorded.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let (texts, ids) = (expected["texts"].as_array().unwrap(), expected["ids"].as_array().unwrap());
    assert!(texts.len() > 40);
    for (text, ids) in texts.iter().zip(ids) {
        let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
        assert_eq!(tokenizer.encode(text.as_str().unwrap()).unwrap(), ids, "{text}");
    }
    // Text can't end a source, and what ends one is no text.
    assert!(!tokenizer.encode("a </s> b").unwrap().contains(&0));
    assert!(tokenizer.is_end(0) && tokenizer.token_bytes(0).is_empty());
    // A space is a piece's, and pieces join to text.
    let ids = tokenizer.encode("The bridge").unwrap();
    assert_eq!(tokenizer.decode(&ids).trim(), "The bridge");
    // What is written may have ids of its own.
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("tokenizer_config.json", r#"{"separate_vocabs": true}"#);
    let error = Tokenizer::from_hub(folder.path()).err().unwrap();
    assert!(error.contains("target_vocab.json is missing"), "{error}");
    write("target_vocab.json", r#"{"</s>": 0, "<unk>": 1, "▁a": 2, "▁bridge": 3, "<pad>": 4}"#);
    let tokenizer = Tokenizer::from_hub(folder.path()).unwrap();
    assert_eq!(tokenizer.encode("The bridge").unwrap(), ids);
    assert_eq!(tokenizer.decode(&[2, 3]).trim(), "a bridge");
    assert_eq!((tokenizer.special("<pad>"), tokenizer.vocab_size()), (Some(4), 5));
    // An id that no piece has is no token that a prompt could hold.
    write("target_vocab.json", r#"{"</s>": 0, "▁a": 1, "▁b": 1}"#);
    let tokenizer = Tokenizer::from_hub(folder.path()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.special_pieces()), (3, vec!["</s>"]));
    write("target_vocab.json", r#"{"<unk>": 0, "</s>": 1, "▁a": 2}"#);
    let error = Tokenizer::from_hub(folder.path()).err().unwrap();
    assert!(error.contains("different ids for </s>"), "{error}");
}
