//! What `tests/reference/small.py` recorded of a model, beside what the engine does with it.

use std::path::Path;

use brief::engine::{Backend, DeviceChoice, Engine, Output, Prompt, Request, Search};
use candle_core::{DType, Device};
use serde_json::Value;
use tempfile::TempDir;

/// transformers' limit in the recordings.
const TOKENS: usize = 11;

/// Who computes in tests: our kernels; candle's operations alone, on the processor as on any other
/// device; and those on the device that `BRIEF_TEST_DEVICE` names, if it is set.
pub fn backends() -> Vec<Backend> {
    let candle = |device| Backend::Candle { device, dtype: DType::F32 };
    let mut backends = vec![Backend::cpu(), candle(Device::Cpu)];
    if let Ok(name) = std::env::var("BRIEF_TEST_DEVICE") {
        let device: DeviceChoice = name.parse().unwrap();
        backends.push(candle(device.open().unwrap().device().clone()));
    }
    backends
}

/// What was recorded of a model.
pub fn expected(recording: &Path) -> Value {
    let text = std::fs::read_to_string(recording.join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The recorded model as a folder of the hub; the recording holds no tokenizer.
pub fn folder(recording: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    super::tiny::write_hub_folder(folder.path(), "qwen2");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(recording.join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// A recorded prompt: as bytes, with what ends a source and begins a text, if there is that.
fn prompt(text: &Value, recorded: &Value) -> Prompt {
    let ids = |value: &Value| -> Vec<u32> {
        value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let mut tokens: Vec<u32> = text.as_str().unwrap().bytes().map(u32::from).collect();
    match recorded.get("begin") {
        Some(begin) => {
            tokens.extend(ids(&recorded["end"]));
            Prompt { levels: vec![tokens, ids(begin)] }
        }
        None => Prompt { levels: vec![tokens] },
    }
}

/// What the engine writes after each prompt.
pub fn written(engine: &mut Engine, prompts: Vec<Prompt>, search: Search) -> Vec<Output> {
    let request =
        |prompt| Request { prompt, after: None, max_tokens: TOKENS, search, grammar: None };
    let requests = prompts.into_iter().map(request).collect();
    engine.generate(requests, &mut |_: usize, _: usize| true).unwrap()
}

/// The recorded prompts.
fn prompts(recorded: &Value) -> Vec<Prompt> {
    recorded["prompts"].as_array().unwrap().iter().map(|text| prompt(text, recorded)).collect()
}

/// Logits within 1e-4 of their spread.
pub fn logits_agree(engine: &Engine, recorded: &Value, what: &str) {
    let prompts = prompts(recorded);
    for (prompt, theirs) in prompts.iter().zip(recorded["logits"].as_array().unwrap()) {
        let ours = engine.logits(prompt).unwrap().pop().unwrap();
        let theirs: Vec<f32> =
            theirs.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let spread = theirs.iter().fold(0f32, |most, value| most.max(value.abs()));
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= 1e-4 * spread, "{what}, {prompt:?}: {a} {b}");
        }
    }
}

/// Logits within 1e-4 of their spread, tokens the same, for every recorded search.
pub fn agrees(engine: &mut Engine, recorded: &Value, what: &str) {
    logits_agree(engine, recorded, what);
    let prompts = prompts(recorded);
    for search in recorded["written"].as_array().unwrap() {
        let length_penalty = search["length_penalty"].as_f64().unwrap() as f32;
        let how = Search { beams: search["beams"].as_u64().unwrap() as usize, length_penalty };
        let ours = written(engine, prompts.clone(), how);
        for (ours, theirs) in ours.iter().zip(search["outputs"].as_array().unwrap()) {
            let tokens: Vec<u64> = ours.tokens.iter().map(|token| u64::from(*token)).collect();
            let written = serde_json::json!({ "tokens": tokens, "cut_off": ours.cut_off });
            assert_eq!(written, *theirs, "{what}, {how:?}");
        }
    }
}
