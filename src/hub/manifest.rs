//! What a `models/*.toml` file says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::{Search, embed::Recipe};

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
    /// Judges whether a text says what a claim says.
    Entail,
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

impl Quality {
    /// The word, as manifests and listings spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Quality::Gist => "gist",
            Quality::Fair => "fair",
            Quality::Good => "good",
        }
    }
}

impl Role {
    /// The word, as manifests and listings spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Translate => "translate",
            Role::Summarize => "summarize",
            Role::Embed => "embed",
            Role::Entail => "entail",
        }
    }
}

/// One model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// e.g. `qwen2.5-coder-1.5b-instruct-q4_k_m`.
    pub id: String,
    /// One line for `models list`.
    pub description: String,
    /// The GGUF or hub architecture name, e.g. `qwen2` or `marian`.
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
    /// How translations are looked for; greedily if absent.
    #[serde(default)]
    pub search: Option<Search>,
    /// Weights that are added to the model's for some languages.
    #[serde(default)]
    pub adapter: Option<Adapting>,
    /// How well it writes summaries; absent if it isn't used for them.
    #[serde(default)]
    pub summary: Option<Quality>,
    /// How it judges claims; absent if it isn't used for that.
    #[serde(default)]
    pub judge: Option<Judging>,
    /// How it embeds sentences; absent if it isn't used for that.
    #[serde(default)]
    pub embedding: Option<Recipe>,
    /// What it is fetched for when nothing installed can do the job: language families, and
    /// `summarize`.
    #[serde(default)]
    pub default: Vec<String>,
    /// The terms in short, shown before the licence is accepted; see [`Manifest::allows`].
    #[serde(default)]
    pub terms: Option<String>,
    /// A warning that every output made with the model carries, with the way to a better one.
    #[serde(default)]
    pub warning: Option<String>,
    /// Measurements and known faults, for `models info`.
    #[serde(default)]
    pub notes: Option<String>,
    /// Whether the authors of this manifest have run the model.
    #[serde(default)]
    pub tried: bool,
    /// The files; the first is the weights.
    pub files: Vec<File>,
}

/// What is added to a model for some of its languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapting {
    /// Names the adapter: `models/{name}/`.
    pub name: String,
    /// The language families that are translated with it.
    pub languages: Vec<String>,
    /// The prompt style that it was trained with.
    pub prompt: String,
    /// How translations are looked for; greedily if absent.
    #[serde(default)]
    pub search: Option<Search>,
}

/// How a model judges claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judging {
    /// The linear probe that reads the judgement off a generating model; absent if the model was made
    /// to tell.
    #[serde(default)]
    pub probe: Option<Probing>,
    /// The probability below which a claim is unsupported, and from which it is supported.
    pub levels: [f32; 2],
}

/// Where a probe reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probing {
    /// Its name: `models/judge/{name}.safetensors`.
    pub name: String,
    /// Layers in front of it.
    pub layers: usize,
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
    /// Bytes, roughly, where they aren't known.
    #[serde(default)]
    pub about: Option<u64>,
    /// Lower-case hex SHA-256 of the whole file; absent if not known yet: then the first fetch
    /// pins it in the local store.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Part of the licence's text: fetched before the user is asked, and not needed to run.
    #[serde(default)]
    pub terms: bool,
    /// In order; a file of the user's own has none.
    #[serde(default)]
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

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// What serde can't see: names that become paths and arguments, and words that must agree.
    fn check(&self) -> Result<(), String> {
        let plain = |what: &str, name: &str| {
            let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if good { Ok(()) } else { Err(format!("{what} `{name}` is not a plain name")) }
        };
        plain("the id", &self.id)?;
        plain("the prompt", &self.prompt)?;
        if let Some(adapter) = &self.adapter {
            plain("the adapter", &adapter.name)?;
            plain("the adapter's prompt", &adapter.prompt)?;
            if let Some(other) = adapter.languages.iter().find(|l| !self.languages.contains_key(*l))
            {
                return Err(format!("the adapter is for `{other}`, which isn't in [languages]"));
            }
        }
        let most = Search::MOST_BEAMS;
        let searches = [self.search, self.adapter.as_ref().and_then(|a| a.search)];
        if searches.into_iter().flatten().any(|s| !(1..=most.into()).contains(&s.beams)) {
            return Err(format!("a search has 1 to {most} beams"));
        }
        if self.weights().is_none() {
            return Err("it names no file of weights".into());
        }
        for file in &self.files {
            plain("the file", &file.name)?;
            if let Some(sha) = &file.sha256
                && (sha.len() != 64 || !sha.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            {
                return Err(format!("the sha256 of {} is not 64 lower-case hex digits", file.name));
            }
            for origin in &file.sources {
                let Origin::Pip { parts } = origin else { continue };
                if parts.is_empty() {
                    return Err(format!("a package source of {} has no parts", file.name));
                }
                for part in parts {
                    plain("the package", &part.package)?;
                    plain("the version", &part.version)?;
                }
            }
        }
        if self.roles.contains(&Role::Translate) == self.languages.is_empty() {
            return Err("a translator names its languages, and nothing else does".into());
        }
        if self.roles.contains(&Role::Summarize) != self.summary.is_some() {
            return Err("the role summarize and the quality word `summary` go together".into());
        }
        if self.roles.contains(&Role::Entail) != self.judge.is_some() {
            return Err("the role entail and `judge` go together".into());
        }
        if self.roles.contains(&Role::Embed) != self.embedding.is_some() {
            return Err("the role embed and `embedding` go together".into());
        }
        if let Some(dense) = self.embedding.as_ref().and_then(|recipe| recipe.dense.as_ref()) {
            plain("the dense layer's file", dense)?;
        }
        Ok(())
    }

    /// What its licence allows, in plain words; the licence itself decides.
    #[must_use]
    pub fn allows(&self) -> Option<&str> {
        let known = match self.licence.as_str() {
            "Apache-2.0" => Some(
                "You may use it for any purpose, change it and pass it on, with its licence and \
                 its notices.",
            ),
            "MIT" => {
                Some("You may use it for any purpose, change it and pass it on, with its licence.")
            }
            "CC-BY-4.0" => Some(
                "You may use it for any purpose, change it and pass it on, if you name its authors \
                 and say what you changed.",
            ),
            _ => None,
        };
        self.terms.as_deref().or(known)
    }

    /// The file of weights: the first that isn't part of the licence's text.
    #[must_use]
    pub fn weights(&self) -> Option<&File> {
        self.needed_files().next()
    }

    /// The files that must be there for the model to run.
    pub fn needed_files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| !f.terms)
    }

    /// Bytes of the files that must be there, and whether that is only an estimate: what the manifest
    /// says of them, or that 4-bit K-quants, the usual case, come to 0.72 bytes a parameter in small
    /// models.
    #[must_use]
    pub fn bytes(&self) -> (u64, bool) {
        let known: Option<u64> = self.needed_files().map(|f| f.size).sum();
        let about: Option<u64> = self.needed_files().map(|f| f.size.or(f.about)).sum();
        match (known, about) {
            (Some(bytes), _) => (bytes, false),
            (None, Some(bytes)) => (bytes, true),
            (None, None) => ((f64::from(self.parameters_b.max(0.0)) * 0.72e9) as u64, true),
        }
    }

    /// Bytes of memory that the model takes while it runs: weights, repacked weights, KV cache.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let (bytes, _) = self.bytes();
        bytes.saturating_add(bytes / 5 * 3).saturating_add(600_000_000)
    }

    /// What is added to the model when it translates from `family`.
    #[must_use]
    pub fn adapter_for(&self, family: &str) -> Option<&Adapting> {
        self.adapter.as_ref().filter(|adapter| adapter.languages.iter().any(|l| l == family))
    }

    /// How well it does `role`, for `family` where that matters; `None` if it can't.
    #[must_use]
    pub fn quality(&self, role: Role, family: Option<&str>) -> Option<Quality> {
        if !self.roles.contains(&role) {
            return None;
        }
        match role {
            Role::Translate => family.and_then(|f| self.languages.get(f)).copied(),
            Role::Summarize => self.summary,
            // One whose likenesses nobody has measured is used when it is named.
            Role::Embed => self.embedding.as_ref()?.scale.map(|_| Quality::Fair),
            Role::Entail => Some(Quality::Fair),
        }
    }
}

fn main_revision() -> String {
    "main".into()
}
