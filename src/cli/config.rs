//! The configuration file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::args::{FormatArg, From};
use crate::error::{Error, Result};

/// What the configuration file may say; the keys are the options' long names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// `--format`
    pub format: Option<FormatArg>,
    /// `--from`
    pub from: Option<From>,
    /// `--model`
    pub model: Option<String>,
    /// `--adapter`
    pub adapter: Option<PathBuf>,
    /// `--embedder`
    pub embedder: Option<String>,
    /// `--judge`
    pub judge: Option<String>,
    /// `--beams`
    pub beams: Option<u8>,
    /// `--device`
    pub device: Option<String>,
    /// `--threads`
    pub threads: Option<u16>,
    /// `--offline`
    pub offline: Option<bool>,
    /// `--accept-licence`
    pub accept_licence: Option<bool>,
    /// `--models-dir`
    pub models_dir: Option<PathBuf>,
    /// `--prompts-dir`
    pub prompts_dir: Option<PathBuf>,
    /// `--sentences`
    pub sentences: Option<u8>,
    /// `--strict`
    pub strict: Option<bool>,
}

impl Config {
    /// Reads the file that `BRIEF_CONFIG` names, or the one in the usual place if it is there.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the file and what is wrong with it.
    pub fn load() -> Result<Self> {
        let named = std::env::var_os("BRIEF_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = match named.clone().or_else(|| folder().map(|f| f.join("config.toml"))) {
            Some(path) if named.is_some() || path.is_file() => path,
            _ => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(&path).map_err(|e| Error::Usage {
            reason: format!("{}: cannot read the configuration: {e}", path.display()),
        })?;
        Self::parse(&text, &path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::Usage {
            reason: format!("{}: {}", path.display(), e.to_string().trim()),
        })
    }
}

/// The platform's configuration folder for `brief`: the configuration file, and `models/` with the
/// user's own manifests.
#[must_use]
pub fn folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "brief").map(|d| d.config_dir().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_option_can_be_configured_and_a_wrong_key_is_named() {
        let text = "format = 'html'\nfrom = 'zh'\nmodel = 'm'\nadapter = 'a'\nbeams = 2\n\
                    embedder = 'e'\njudge = 'j'\n\
                    device = 'cpu'\nthreads = 2\n\
                    offline = true\naccept-licence = true\nmodels-dir = '/m'\nprompts-dir = '/p'\n\
                    sentences = 5\n";
        let config = Config::parse(text, Path::new("c.toml")).unwrap();
        assert_eq!((config.threads, config.sentences), (Some(2), Some(5)));
        let error = Config::parse("modle = 'm'", Path::new("c.toml")).unwrap_err().to_string();
        assert!(error.contains("c.toml") && error.contains("modle"), "{error}");
    }
}
