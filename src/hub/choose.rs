//! Which model does a job: the best one installed, else the default.

use super::catalogue::Catalogue;
use super::manifest::{Manifest, Quality, Role};
use super::store::Store;
use crate::error::{Error, Result};

/// Memory that models may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that are available, now, without swapping.
    pub available: u64,
}

impl Memory {
    /// This machine's, as far as the control group lets the process have it.
    #[must_use]
    pub fn now() -> Self {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        let available = system.available_memory();
        // A group's own "free" counts the page cache as used, the model's file among it; its
        // limit is what can be relied on.
        let limit = system.cgroup_limits().map_or(u64::MAX, |c| c.total_memory);
        Memory { available: available.min(limit) }
    }

    fn fits(self, manifest: &Manifest) -> bool {
        manifest.memory_bytes() <= self.available
    }
}

/// The model for a job.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// The model.
    pub manifest: &'a Manifest,
    /// How well it does the job.
    pub quality: Quality,
    /// Whether it is here already, or has to be pulled.
    pub installed: bool,
}

/// One line of `brief models list`.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The model.
    pub manifest: &'a Manifest,
    /// Bytes of its files.
    pub bytes: u64,
    /// Whether `bytes` is an estimate.
    pub estimated: bool,
    /// Whether it is here already.
    pub installed: bool,
    /// Whether it fits this machine's memory.
    pub fits: bool,
    /// The jobs (`de`, `zh`, `bn`, `summarize`) for which no model that fits is better.
    pub best_for: Vec<&'static str>,
    /// The jobs for which it is chosen now if none is named.
    pub used_for: Vec<&'static str>,
}

/// The jobs that the listing speaks of.
const JOBS: [(&str, Role, Option<&str>); 4] = [
    ("de", Role::Translate, Some("de")),
    ("zh", Role::Translate, Some("zh")),
    ("bn", Role::Translate, Some("bn")),
    ("summarize", Role::Summarize, None),
];

/// Chooses the model for `role`, from the language `family` (`de`, `zh`, `bn`) where that matters.
///
/// The best installed model that is able and fits the memory: by quality word, then by size. With
/// none installed the default, or, where the default doesn't fit, the best tried model that does.
///
/// # Errors
/// [`Error::NoModel`] if no known model is able, or none that is fits the memory.
pub fn choose<'a>(
    catalogue: &'a Catalogue,
    store: &Store,
    role: Role,
    family: Option<&str>,
    memory: Memory,
) -> Result<Choice<'a>> {
    let able: Vec<Choice<'a>> = catalogue
        .manifests()
        .iter()
        .filter_map(|manifest| {
            let quality = manifest.quality(role, family)?;
            Some(Choice { manifest, quality, installed: store.installed(manifest) })
        })
        .collect();
    let job = family.unwrap_or(role.word());
    let is_default = |c: &&Choice<'_>| c.manifest.default.iter().any(|d| d == job);
    let fits = |c: &&Choice<'_>| memory.fits(c.manifest);

    let installed = best(able.iter().filter(|c| c.installed).filter(fits));
    let default = || able.iter().find(|c| is_default(c) && fits(c));
    let tried = || best(able.iter().filter(|c| c.manifest.tried).filter(fits));
    if let Some(choice) = installed.or_else(default).or_else(tried) {
        return Ok(*choice);
    }
    let what = match (role, family) {
        (Role::Translate, Some(family)) => format!("translates from `{family}`"),
        (Role::Translate, None) => "translates".into(),
        (Role::Summarize, _) => "writes summaries".into(),
        (Role::Embed, _) => "embeds sentences".into(),
        (Role::Entail, _) => "judges claims".into(),
    };
    let smallest = able.iter().min_by_key(|c| c.manifest.memory_bytes());
    Err(match smallest {
        None => Error::NoModel {
            reason: format!("no known model {what}"),
            hint: "`brief models list` shows what the known models do; --model names a GGUF file \
                   of your own"
                .into(),
        },
        Some(choice) => Error::NoModel {
            reason: format!(
                "no model that {what} fits this machine's memory: {} MB available, {} MB needed \
                 for {}",
                memory.available / 1_000_000,
                choice.manifest.memory_bytes() / 1_000_000,
                choice.manifest.id
            ),
            hint: format!("free some memory, or insist with --model {}", choice.manifest.id),
        },
    })
}

/// The better model has the better word; of equal words the one with more parameters; of equally many
/// the one that was tried, then the one with more bits for each. (Ids only make the order complete.)
fn best<'c, 'a: 'c>(choices: impl Iterator<Item = &'c Choice<'a>>) -> Option<&'c Choice<'a>> {
    choices.max_by(|a, b| {
        let words = a.quality.cmp(&b.quality);
        let sizes = a.manifest.parameters_b.total_cmp(&b.manifest.parameters_b);
        let tried = a.manifest.tried.cmp(&b.manifest.tried);
        let bytes = a.manifest.bytes().cmp(&b.manifest.bytes());
        let ids = || b.manifest.id.cmp(&a.manifest.id);
        words.then(sizes).then(tried).then(bytes).then_with(ids)
    })
}

/// The lines of `brief models list`, ordered by id.
#[must_use]
pub fn rows<'a>(catalogue: &'a Catalogue, store: &Store, memory: Memory) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = catalogue
        .manifests()
        .iter()
        .map(|manifest| {
            let (bytes, estimated) = manifest.bytes();
            Row {
                manifest,
                bytes,
                estimated,
                installed: store.installed(manifest),
                fits: memory.fits(manifest),
                best_for: Vec::new(),
                used_for: Vec::new(),
            }
        })
        .collect();
    for (job, role, family) in JOBS {
        let able: Vec<Choice<'a>> = rows
            .iter()
            .filter(|row| row.fits)
            .filter_map(|row| {
                let quality = row.manifest.quality(role, family)?;
                Some(Choice { manifest: row.manifest, quality, installed: row.installed })
            })
            .collect();
        let top = best(able.iter()).map(|c| c.manifest.id.as_str());
        let used = choose(catalogue, store, role, family, memory).ok().map(|c| &c.manifest.id);
        for row in &mut rows {
            if Some(row.manifest.id.as_str()) == top {
                row.best_for.push(job);
            }
            if Some(&row.manifest.id) == used {
                row.used_for.push(job);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const PLENTY: Memory = Memory { available: 64_000_000_000 };

    /// A store in which these models seem to be installed.
    fn store_with(ids: &[&str]) -> (tempfile::TempDir, Store, Catalogue) {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::load(None).unwrap();
        for id in ids {
            let home = dir.path().join(id);
            std::fs::create_dir_all(&home).unwrap();
            let name = &catalogue.get(id).unwrap().weights().unwrap().name;
            std::fs::write(home.join(name), b"x").unwrap();
        }
        let store = Store::open(Some(dir.path())).unwrap();
        (dir, store, catalogue)
    }

    fn chosen(ids: &[&str], role: Role, family: Option<&str>, memory: Memory) -> (String, bool) {
        let (_dir, store, catalogue) = store_with(ids);
        let choice = choose(&catalogue, &store, role, family, memory).unwrap();
        (choice.manifest.id.clone(), choice.installed)
    }

    #[test]
    fn with_nothing_installed_the_defaults_are_to_be_pulled() {
        for (role, family, expected) in [
            (Role::Translate, Some("de"), "qwen2.5-coder-1.5b-instruct-q4_k_m"),
            (Role::Translate, Some("zh"), "qwen2.5-coder-1.5b-instruct-q4_k_m"),
            (Role::Summarize, None, "qwen2.5-coder-1.5b-instruct-q4_k_m"),
            (Role::Translate, Some("bn"), "gemma-3-270m-q4_k_m"),
        ] {
            assert_eq!(chosen(&[], role, family, PLENTY), (expected.to_owned(), false));
        }
    }

    #[test]
    fn the_best_installed_model_wins_by_word_then_by_size() {
        let de = |ids: &[&str]| chosen(ids, Role::Translate, Some("de"), PLENTY).0;
        assert_eq!(
            de(&["gemma-3-270m-q4_k_m", "qwen2.5-coder-0.5b-instruct-q4_k_m"]),
            "qwen2.5-coder-0.5b-instruct-q4_k_m"
        );
        assert_eq!(
            de(&[
                "qwen2.5-coder-1.5b-instruct-q4_k_m",
                "lmt-60-4b-q4_k_m",
                "qwen2.5-3b-instruct-q4_k_m"
            ]),
            "lmt-60-4b-q4_k_m"
        );
        assert_eq!(
            de(&["qwen2.5-coder-1.5b-instruct-q4_k_m", "qwen2.5-1.5b-instruct-q4_k_m"]),
            "qwen2.5-coder-1.5b-instruct-q4_k_m",
            "of two equals the one that was tried"
        );
    }

    #[test]
    fn an_installed_model_that_cannot_do_the_job_is_not_chosen() {
        let ids = ["qwen2.5-coder-1.5b-instruct-q4_k_m", "smollm2-135m-instruct-q4_1"];
        let bengali = chosen(&ids, Role::Translate, Some("bn"), PLENTY);
        assert_eq!(bengali, ("gemma-3-270m-q4_k_m".into(), false));
        let summary = chosen(&["lmt-60-8b-q4_k_m"], Role::Summarize, None, PLENTY);
        assert_eq!(summary, ("qwen2.5-coder-1.5b-instruct-q4_k_m".into(), false));
    }

    #[test]
    fn a_model_too_large_for_the_memory_is_passed_over() {
        let small = Memory { available: 1_500_000_000 };
        let ids = ["qwen2.5-coder-1.5b-instruct-q4_k_m"];
        assert_eq!(
            chosen(&ids, Role::Translate, Some("de"), small),
            ("qwen2.5-coder-0.5b-instruct-q4_k_m".into(), false)
        );
        let (_dir, store, catalogue) = store_with(&ids);
        let none = Memory { available: 300_000_000 };
        let error = choose(&catalogue, &store, Role::Translate, Some("bn"), none).unwrap_err();
        assert!(matches!(error, Error::NoModel { .. }), "{error:?}");
        assert!(error.to_string().contains("300 MB available"), "{error}");
    }

    #[test]
    fn a_language_that_no_model_knows_is_said_so() {
        let (_dir, store, catalogue) = store_with(&[]);
        let error = choose(&catalogue, &store, Role::Translate, Some("ru"), PLENTY).unwrap_err();
        assert_eq!(error.to_string(), "no known model translates from `ru`");
        assert!(error.hint().is_some());
    }

    #[test]
    fn the_listing_says_what_fits_and_what_is_best() {
        let (_dir, store, catalogue) = store_with(&["gemma-3-270m-q4_k_m"]);
        let rows = rows(&catalogue, &store, Memory { available: 4_000_000_000 });
        let row = |id: &str| rows.iter().find(|r| r.manifest.id == id).unwrap();
        assert!(!row("qwen2.5-7b-instruct-q4_k_m").fits);
        assert!(row("gemma-3-270m-q4_k_m").installed);
        assert_eq!(row("gemma-3-270m-q4_k_m").used_for, ["de", "zh", "bn"]);
        assert_eq!(row("hy-mt2-1.8b-q8_0").best_for, ["de", "zh", "bn"]);
        let best: Vec<&str> = rows.iter().flat_map(|r| r.best_for.iter().copied()).collect();
        assert_eq!(best.len(), JOBS.len());
        let coder = row("qwen2.5-coder-1.5b-instruct-q4_k_m");
        assert_eq!((coder.bytes, coder.estimated), (1_117_320_768, false));
        assert!(row("lmt-60-8b-q4_k_m").estimated);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(Memory::now().available > 100_000_000);
    }
}
