//! `--model ID|PATH`: a model of the catalogue, a GGUF file, or a folder as the hub lays it out.

use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::Value;

use super::adapter;
use super::catalogue::Catalogue;
use super::fetch::Progress;
use super::manifest::{File, Judging, Manifest, Quality, Role};
use super::store::{Pull, Store, Weights};
use crate::engine::{
    arch::{config, encoder_decoder, model::ModelConfig},
    embed::Recipe,
    encoder_folder, gguf, hub_folder, marian,
    tokenizer::M2M100,
};
use crate::error::{Error, Result};

/// The architectures that the engine runs, by their GGUF names.
pub use crate::engine::arch::config::SUPPORTED as ARCHITECTURES;

/// A model that was named by the user.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What is known or guessed about it.
    pub manifest: Manifest,
    /// The weights, if a path was given; else they are in the store, or to be pulled.
    pub path: Option<PathBuf>,
}

impl Resolved {
    /// The weights: hashed if a path was given, pulled if they aren't there yet.
    ///
    /// # Errors
    /// As [`Store::pull`]; [`Error::Model`] if a file that has the name and size of a known model
    /// has other contents.
    pub fn weights(
        &self,
        store: &Store,
        how: Pull,
        progress: &mut dyn Progress,
    ) -> Result<Weights> {
        let Some(path) = &self.path else { return store.pull(&self.manifest, how, progress) };
        if path.is_dir() {
            return folder_weights(store, path, progress);
        }
        let weights = store.weights_at(path, progress)?;
        let known = self.manifest.weights().and_then(|f| f.sha256.as_ref());
        match known {
            Some(expected) if *expected != weights.sha256 => Err(Error::Model {
                model: path.display().to_string(),
                reason: format!(
                    "it is damaged or altered and won't be loaded: expected sha256 {expected} for \
                     {}, found {}",
                    self.manifest.id, weights.sha256
                ),
                hint: format!(
                    "`brief models pull {}` fetches the right one; another model needs another \
                     file name",
                    self.manifest.id
                ),
            }),
            _ => Ok(weights),
        }
    }
}

/// A folder's files with that ending, in order.
fn files_of_kind(folder: &Path, kind: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "cannot read", e))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case(kind)));
    files.sort();
    Ok(files)
}

/// A hub folder's safetensors, or PyTorch's own files where there are none; or marian's.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let several = |reason| refused(folder, reason, "leave one of them in the folder");
    if let Some(file) = marian::model_file(folder).map_err(several)? {
        return Ok(vec![file]);
    }
    match files_of_kind(folder, "safetensors")? {
        none if none.is_empty() => files_of_kind(folder, "bin"),
        files => Ok(files),
    }
}

/// A hub folder as weights. Its checksum is its one file's; of several files, that of their
/// checksums in the order of their names.
fn folder_weights(store: &Store, folder: &Path, progress: &mut dyn Progress) -> Result<Weights> {
    let mut parts = Vec::new();
    for file in weight_files(folder)? {
        parts.push(store.weights_at(&file, progress)?);
    }
    let sha256 = match parts.as_slice() {
        [one] => one.sha256.clone(),
        several => {
            let listed: String = several.iter().map(|part| format!("{}\n", part.sha256)).collect();
            crate::sha256::of(listed.as_bytes())
        }
    };
    let size = parts.iter().map(|part| part.size).sum();
    Ok(Weights { path: folder.to_owned(), size, sha256 })
}

/// Finds the model that the user means: an existing path, or an id of the catalogue.
///
/// # Errors
/// [`Error::NoModel`] if there is neither, [`Error::Model`] if the file is no GGUF file, is
/// truncated, or has an architecture that isn't supported.
pub fn resolve(catalogue: &Catalogue, model: &str) -> Result<Resolved> {
    let path = Path::new(model);
    if !path.exists() {
        let looks_like_a_path = model.contains(std::path::is_separator)
            || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
        if looks_like_a_path {
            return Err(Error::NoModel {
                reason: format!("there is no model file {model}"),
                hint: "`brief models list` names the models that can be fetched".into(),
            });
        }
        return Ok(Resolved { manifest: catalogue.get(model)?.clone(), path: None });
    }
    // A folder named like a model of the catalogue is no reason not to mean that model.
    if let (Ok(manifest), true) = (catalogue.get(model), path.is_dir()) {
        return Ok(Resolved { manifest: manifest.clone(), path: None });
    }
    let file = if path.is_dir() { weights_in_folder(path)? } else { path.to_owned() };
    let header = if file.is_dir() { Header::of_folder(&file)? } else { Header::read(&file)? };
    let known = catalogue.manifests().iter().find(|m| {
        m.weights().is_some_and(|w| {
            file.file_name().is_some_and(|n| n.to_string_lossy() == w.name.as_str())
                && w.size == Some(header.bytes)
        })
    });
    let manifest = match known {
        Some(manifest) => manifest.clone(),
        None => header.manifest(&file),
    };
    Ok(Resolved { manifest, path: Some(file) })
}

fn refused(path: &Path, reason: String, hint: &str) -> Error {
    Error::Model { model: path.display().to_string(), reason, hint: hint.into() }
}

/// The one GGUF file of a folder, or the folder itself if it holds safetensors.
fn weights_in_folder(folder: &Path) -> Result<PathBuf> {
    match files_of_kind(folder, "gguf")?.as_slice() {
        [one] => return Ok(one.clone()),
        [] => {}
        [first, ..] => {
            return Err(refused(
                folder,
                "it holds several GGUF files".into(),
                &format!("name one, e.g. --model {}", first.display()),
            ));
        }
    }
    if folder.join(adapter::CONFIG).exists() && !folder.join("config.json").exists() {
        return Err(refused(
            folder,
            "it is an adapter, not a model".into(),
            "name it with --adapter, and the model that it was trained over with --model",
        ));
    }
    if weight_files(folder)?.is_empty() {
        return Err(refused(
            folder,
            "it holds no model: neither a GGUF file nor safetensors".into(),
            "name a GGUF file, or a folder as the hub lays it out",
        ));
    }
    Ok(folder.to_owned())
}

/// The levels of a judge that nobody has measured: those of the one that was.
const LEVELS: [f32; 2] = [0.5, 0.7];

/// Bytes of files together.
fn size(files: &[PathBuf]) -> Result<u64> {
    let size = |file: &PathBuf| {
        file.metadata().map(|m| m.len()).map_err(|e| Error::io(file, "cannot read", e))
    };
    files.iter().map(size).sum()
}

/// What a model says about itself.
struct Header {
    bytes: u64,
    architecture: String,
    name: String,
    template: String,
    context_length: usize,
    parameters: f64,
    /// The only language that it translates from, if its files say so.
    from: Option<&'static str>,
    /// There is a prompt for it.
    prompted: bool,
    /// It writes nothing.
    encoder: Option<Encodes>,
}

/// What an encoder is for.
#[derive(Clone)]
enum Encodes {
    Sentences(Recipe),
    Judgements,
}

/// The language that a file of Firefox's is named for: `model.deen.intgemm.alphas.bin`.
fn named_for(file: &Path) -> Option<&'static str> {
    let name = file.file_name()?.to_str()?;
    let pair = name.split('.').find_map(|part| part.strip_suffix("en"));
    ["bn", "de", "zh"].into_iter().find(|language| pair.is_some_and(|p| p.starts_with(language)))
}

impl Header {
    fn read(path: &Path) -> Result<Self> {
        let again = "get the file again; `brief models list` names models that can be fetched";
        let bytes = path.metadata().map_err(|e| Error::io(path, "cannot read", e))?.len();
        let (content, _) = gguf::open(path).map_err(|reason| refused(path, reason, again))?;
        let text = |key: &str| match content.metadata.get(key) {
            Some(Value::String(s)) => s.clone(),
            _ => String::new(),
        };
        let architecture = text("general.architecture");
        if !ARCHITECTURES.contains(&architecture.as_str()) {
            let reason = if architecture.is_empty() {
                format!("it names no architecture; supported are {}", ARCHITECTURES.join(", "))
            } else {
                config::unsupported(&architecture)
            };
            return Err(refused(path, reason, "`brief models list` names models that are"));
        }
        if content.metadata.get("split.count").and_then(|v| v.to_u64().ok()).unwrap_or(1) > 1 {
            return Err(refused(
                path,
                "it is one part of a model that is split over several files".into(),
                "join the parts with llama.cpp's `llama-gguf-split --merge`",
            ));
        }
        let parameters = content.tensor_infos.values().map(|t| gguf::elements(t) as f64).sum();
        let context_length = content
            .metadata
            .get(&format!("{architecture}.context_length"))
            .and_then(|v| v.to_u64().ok())
            .and_then(|v| usize::try_from(v).ok())
            .filter(|&v| v > 0)
            .unwrap_or(2048);
        Ok(Header {
            bytes,
            name: text("general.name"),
            template: text("tokenizer.chat_template"),
            architecture,
            context_length,
            parameters,
            from: None,
            prompted: true,
            encoder: None,
        })
    }

    /// Of a folder as the hub lays it out.
    fn of_folder(folder: &Path) -> Result<Self> {
        let hint = "name a GGUF file, or a folder as the hub lays it out";
        let fail = |reason| refused(folder, reason, hint);
        if let Some(file) = marian::model_file(folder).map_err(fail)? {
            return Self::of_marian(folder, &file);
        }
        let config = hub_folder::config(folder).map_err(fail)?;
        let kind = config.get("model_type").and_then(|kind| kind.as_str()).unwrap_or_default();
        if encoder_folder::ARCHITECTURES.contains(&kind) {
            return Self::of_encoder(folder, &config, kind);
        }
        let shape = ModelConfig::from_hub(&config).map_err(|reason| {
            refused(folder, reason, "`brief models list` names models that are")
        })?;
        let bytes = size(&weight_files(folder)?)?;
        let name = config.get("_name_or_path").and_then(|n| n.as_str()).unwrap_or_default();
        Ok(Header {
            bytes,
            name: name.to_owned(),
            template: hub_folder::chat_template(folder).map_err(fail)?,
            architecture: shape.shape().architecture.clone(),
            context_length: shape.shape().context_length,
            // Most are kept in 16 bits.
            parameters: bytes as f64 / 2.0,
            from: None,
            // Of T5's kind only MADLAD-400, which is told so, is known to write English.
            prompted: shape.shape().architecture != "t5"
                || std::fs::read_to_string(folder.join("tokenizer.json"))
                    .is_ok_and(|tokenizer| tokenizer.contains("<2en>")),
            encoder: None,
        })
    }

    /// Of a folder with an encoder.
    fn of_encoder(folder: &Path, config: &serde_json::Value, kind: &str) -> Result<Self> {
        let fail = |reason| refused(folder, reason, "`brief models list` names models that are");
        let shape = encoder_folder::config(config).map_err(fail)?;
        let bytes = size(&weight_files(folder)?)?;
        let first = config.get("architectures").and_then(|a| a.get(0)).and_then(|a| a.as_str());
        let judges = first.is_some_and(|name| name.ends_with("ForSequenceClassification"));
        Ok(Header {
            bytes,
            name: if judges { "a judge of claims" } else { "sentence embeddings" }.into(),
            template: String::new(),
            architecture: kind.to_owned(),
            context_length: shape.longest,
            // Most are kept in 32 bits.
            parameters: bytes as f64 / 4.0,
            from: None,
            prompted: false,
            encoder: Some(match judges {
                true => Encodes::Judgements,
                false => Encodes::Sentences(encoder_folder::recipe(folder).map_err(fail)?),
            }),
        })
    }

    /// Of a folder with marian's own files.
    fn of_marian(folder: &Path, file: &Path) -> Result<Self> {
        let fail = |reason| refused(folder, reason, "models as Firefox has them can be used");
        let (_, options) = marian::MarianWeights::open(file).map_err(fail)?;
        let config = encoder_decoder::Config::from_marian(&options).map_err(fail)?;
        marian::vocabularies(folder, &options).map_err(fail)?;
        let bytes = file.metadata().map_err(|e| Error::io(file, "cannot read", e))?.len();
        Ok(Header {
            bytes,
            name: "a model of marian's".into(),
            template: String::new(),
            architecture: config.shape.architecture,
            context_length: config.shape.context_length,
            parameters: bytes as f64,
            from: named_for(file),
            prompted: true,
            encoder: None,
        })
    }

    /// A manifest for a file that nobody has rated: it may try everything, and says so.
    fn manifest(&self, path: &Path) -> Manifest {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let languages = ["bn", "de", "zh"].into_iter();
        let languages = languages.filter(|language| self.from.is_none_or(|from| from == *language));
        let languages = languages.filter(|_| self.encoder.is_none());
        let languages = languages.map(|l| (l.to_owned(), Quality::Gist)).collect();
        let (embedding, judge) = match &self.encoder {
            Some(Encodes::Sentences(recipe)) => (Some(recipe.clone()), None),
            Some(Encodes::Judgements) => (None, Some(Judging { probe: None, levels: LEVELS })),
            None => (None, None),
        };
        Manifest {
            id: stem,
            description: self.name.clone(),
            architecture: self.architecture.clone(),
            // Base models and pure translators follow no instructions.
            roles: match self.prompt(path) {
                _ if embedding.is_some() => vec![Role::Embed],
                _ if judge.is_some() => vec![Role::Entail],
                _ if !self.prompted => Vec::new(),
                "lmt" | "gemma-base" | "hunyuan" | "hunyuan-7b" | "translategemma" | "marian"
                | "nllb" | "m2m100" | "small100" | "madlad" => {
                    vec![Role::Translate]
                }
                _ => vec![Role::Translate, Role::Summarize],
            },
            languages,
            licence: "unknown".into(),
            licence_acceptance: false,
            licence_url: None,
            context_length: self.context_length,
            parameters_b: (self.parameters / 1e9) as f32,
            prompt: self.prompt(path).into(),
            summary: Some(Quality::Gist),
            search: None,
            adapter: None,
            judge,
            embedding,
            default: Vec::new(),
            terms: None,
            warning: self.encoder.is_none().then(|| {
                "This model is not in the catalogue: nobody has measured how well it translates."
                    .into()
            }),
            notes: None,
            tried: false,
            files: vec![File {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                size: Some(self.bytes),
                about: None,
                sha256: None,
                terms: false,
                sources: Vec::new(),
            }],
        }
    }

    /// The prompt style, from the chat template; a model without one is prompted with examples.
    fn prompt(&self, path: &Path) -> &'static str {
        if self.encoder.is_some() {
            return "none";
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let named =
            |start: &str| self.name.to_lowercase().starts_with(start) || file.starts_with(start);
        if named("lmt-60") {
            "lmt"
        } else if self.architecture == "marian" {
            "marian"
        } else if self.architecture == "t5" {
            "madlad"
        } else if self.architecture == "m2m_100" {
            // SMaLL-100 is told the target's language in the source.
            let small = ["small100", "small-100"]
                .map(|part| file.contains(part) || self.name.to_lowercase().contains(part));
            match path.join(M2M100).exists() {
                true if small.contains(&true) => "small100",
                true => "m2m100",
                false => "nllb",
            }
        } else if self.template.contains("source_lang_code") || named("translategemma") {
            "translategemma"
        } else if self.architecture == "hunyuan-dense" {
            // The smaller ones' control tokens, and those of 4B and 7B.
            if self.template.contains("<｜hy_User｜>") { "hunyuan" } else { "hunyuan-7b" }
        } else if self.template.contains("<|start_header_id|>") {
            "llama3"
        } else if self.template.contains("<|im_start|>") {
            if self.template.contains("enable_thinking") { "chatml-nothink" } else { "chatml" }
        } else if self.template.contains("<|turn>") {
            "gemma4"
        } else if self.template.contains("<start_of_turn>") {
            "gemma"
        } else {
            "gemma-base"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use candle_core::quantized::{GgmlDType, QTensor, gguf_file};
    use candle_core::{Device, Tensor};

    /// Writes a small GGUF file with one tensor.
    fn gguf(path: &Path, architecture: &str, template: &str) {
        let tensor = Tensor::zeros((4, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
        let tensor = QTensor::quantize(&tensor, GgmlDType::F32).unwrap();
        let metadata = [
            ("general.architecture".to_owned(), Value::String(architecture.into())),
            ("general.name".to_owned(), Value::String("Test".into())),
            ("tokenizer.chat_template".to_owned(), Value::String(template.into())),
            (format!("{architecture}.context_length"), Value::U32(512)),
        ];
        let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let mut file = std::fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &metadata, &[("t", &tensor)]).unwrap();
    }

    fn resolved(path: &Path) -> Result<Resolved> {
        resolve(&Catalogue::load(None).unwrap(), path.to_str().unwrap())
    }

    #[test]
    fn an_id_is_a_model_of_the_catalogue() {
        let catalogue = Catalogue::load(None).unwrap();
        let found = resolve(&catalogue, "gemma-3-270m-q4_k_m").unwrap();
        assert_eq!((found.manifest.prompt.as_str(), found.path), ("gemma-base", None));
        let error = resolve(&catalogue, "no-such-model").unwrap_err();
        assert!(error.to_string().contains("no-such-model"), "{error}");
        let error = resolve(&catalogue, "./no/such.gguf").unwrap_err();
        assert_eq!(error.to_string(), "there is no model file ./no/such.gguf");
    }

    #[test]
    fn the_prompt_style_follows_the_chat_template() {
        let dir = tempfile::tempdir().unwrap();
        for (file, architecture, template, prompt) in [
            ("a.gguf", "qwen2", "{{ '<|im_start|>' }}", "chatml"),
            ("b.gguf", "qwen3", "<|im_start|> if enable_thinking", "chatml-nothink"),
            ("c.gguf", "gemma3", "<start_of_turn>", "gemma"),
            ("d.gguf", "gemma3", "", "gemma-base"),
            ("i.gguf", "gemma3", "<|turn>", "gemma4"),
            ("LMT-60-1.7B.Q8_0.gguf", "qwen3", "<|im_start|>", "lmt"),
            ("e.gguf", "hunyuan-dense", "<｜hy_User｜>", "hunyuan"),
            ("f.gguf", "hunyuan-dense", "<|extra_0|>", "hunyuan-7b"),
            ("g.gguf", "llama", "<|start_header_id|>", "llama3"),
            ("h.gguf", "gemma3", "source_lang_code <start_of_turn>", "translategemma"),
            ("translategemma-4b-it.Q8_0.gguf", "gemma3", "<start_of_turn>", "translategemma"),
        ] {
            let path = dir.path().join(file);
            gguf(&path, architecture, template);
            let found = resolved(&path).unwrap();
            assert_eq!(found.manifest.prompt, prompt, "{file}");
            assert_eq!(found.manifest.context_length, 512);
            assert_eq!(found.manifest.architecture, architecture);
            assert!(found.manifest.warning.is_some());
        }
    }

    #[test]
    fn only_a_t5_that_can_be_asked_for_english_translates() {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "model_type": "t5", "d_model": 8, "d_kv": 4, "num_heads": 2, "num_layers": 1,
            "relative_attention_num_buckets": 8,
        });
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        std::fs::write(dir.path().join("model.safetensors"), "x").unwrap();
        for (tokenizer, roles) in [("{}", vec![]), ("<2en>", vec![Role::Translate])] {
            std::fs::write(dir.path().join("tokenizer.json"), tokenizer).unwrap();
            let found = resolved(dir.path()).unwrap().manifest;
            assert_eq!((found.prompt.as_str(), found.roles), ("madlad", roles));
        }
    }

    #[test]
    fn an_unknown_architecture_is_refused_with_those_that_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        gguf(&path, "mamba", "");
        let error = resolved(&path).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains(&ARCHITECTURES.join(", ")), "{error}");
    }

    #[test]
    fn every_truncation_and_garbage_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.gguf");
        gguf(&path, "qwen2", "<|im_start|>");
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = resolved(&path).unwrap_err();
            assert!(matches!(error, Error::Model { .. }), "{length}: {error:?}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        for position in 0..whole.len().min(600) {
            let mut garbled = whole.clone();
            garbled[position] ^= 0xff;
            std::fs::write(&path, garbled).unwrap();
            let _ = resolved(&path); // an error or a model, but no panic
        }
    }

    #[test]
    fn a_folder_gives_its_only_gguf_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(resolved(dir.path()).unwrap_err().to_string().contains("holds no model"));
        std::fs::write(dir.path().join("config.json"), r#"{"model_type":"mamba"}"#).unwrap();
        std::fs::write(dir.path().join("model.safetensors"), "x").unwrap();
        let error = resolved(dir.path()).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains("supported are"), "{error}");
        std::fs::write(dir.path().join("config.json"), r#"{"model_type":"qwen2"}"#).unwrap();
        let error = resolved(dir.path()).unwrap_err().to_string();
        assert!(error.contains("`hidden_size` is missing"), "{error}");
        gguf(&dir.path().join("m.gguf"), "qwen2", "");
        assert_eq!(resolved(dir.path()).unwrap().path.unwrap(), dir.path().join("m.gguf"));
        gguf(&dir.path().join("n.gguf"), "qwen2", "");
        assert!(resolved(dir.path()).unwrap_err().to_string().contains("several"));
    }
}
