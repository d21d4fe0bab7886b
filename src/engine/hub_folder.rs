//! Models as the hub lays them out: `config.json`, `tokenizer.json`, safetensors.

use std::path::Path;

use serde_json::Value;

/// One of the folder's JSON files; `None` if it isn't there.
///
/// # Errors
/// A sentence naming the file and what is wrong with it.
pub fn json(folder: &Path, name: &str) -> Result<Option<Value>, String> {
    let bytes = match std::fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("cannot read {name}: {e}")),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| format!("its {name} is no JSON: {e}"))
}

/// The folder's `config.json`.
///
/// # Errors
/// As [`json`], or that it is missing.
pub fn config(folder: &Path) -> Result<Value, String> {
    json(folder, "config.json")?.ok_or_else(|| "config.json is missing".into())
}

/// The chat template, wherever the folder keeps it; empty if it has none.
///
/// # Errors
/// As [`json`].
pub fn chat_template(folder: &Path) -> Result<String, String> {
    if let Ok(text) = std::fs::read_to_string(folder.join("chat_template.jinja")) {
        return Ok(text);
    }
    let config = json(folder, "tokenizer_config.json")?.unwrap_or_default();
    Ok(config.get("chat_template").and_then(Value::as_str).unwrap_or_default().to_owned())
}
