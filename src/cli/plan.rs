//! What the typed options mean, once the configuration file has been read.

use std::path::PathBuf;

use super::{
    args::{Common, FormatArg, From},
    config::{self, Config},
};
use crate::{
    batch::Destination,
    engine::Search,
    error::{Error, Result},
    pipeline::{AdapterChoice, Settings},
    render::Format,
};

/// How much is said on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// Failures.
    Quiet,
    /// Failures, notes and progress.
    Normal,
    /// And what the stages log.
    Verbose(u8),
}

/// A job, decided.
#[derive(Debug)]
pub struct Plan {
    /// What the person named.
    pub paths: Vec<PathBuf>,
    /// `-o`.
    pub out: Option<PathBuf>,
    /// The output format.
    pub format: Format,
    /// For the pipeline.
    pub settings: Settings,
    /// Threads to compute with, if the person said so.
    pub threads: Option<u16>,
    /// How much is said.
    pub loudness: Loudness,
}

/// Puts together what was typed, the environment (clap has read it) and the file.
///
/// # Errors
/// [`Error::Usage`].
pub fn plan(common: Common, sentences: Option<u8>) -> Result<Plan> {
    let config = Config::load()?;
    let running = common.running;
    let format = match common.format.or(config.format).unwrap_or(FormatArg::Md) {
        FormatArg::Md => Format::Markdown,
        FormatArg::Json => Format::Json,
        FormatArg::Html => Format::Html,
    };
    let device = match (running.device, config.device) {
        (Some(device), _) => device,
        (None, Some(text)) => {
            text.parse().map_err(|e| Error::Usage { reason: format!("the configuration: {e}") })?
        }
        (None, None) => Default::default(),
    };
    let sentences = sentences.or(config.sentences).unwrap_or(3);
    within("sentences", sentences, 10)?;
    let from = match running.from.or(config.from).unwrap_or(From::Auto) {
        From::Auto => None,
        From::Zh => Some("zh".to_owned()),
        From::Bn => Some("bn".to_owned()),
        From::De => Some("de".to_owned()),
    };
    let beams = running.beams.or(config.beams);
    beams.map_or(Ok(()), |beams| within("beams", beams, Search::MOST_BEAMS))?;
    let model = running.model.or(config.model);
    let adapter = running.adapter.or(config.adapter).map(|adapter| match adapter.to_str() {
        Some("none") => AdapterChoice::None,
        _ => AdapterChoice::Folder(adapter),
    });
    if let (Some(AdapterChoice::Folder(folder)), None) = (&adapter, &model) {
        return Err(Error::Usage {
            reason: format!(
                "--adapter {}: an adapter belongs to one model; name that with --model",
                folder.display()
            ),
        });
    }
    Ok(Plan {
        paths: common.paths,
        out: common.out,
        format,
        threads: running.threads.or(config.threads),
        loudness: match (running.quiet, running.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 0) => Loudness::Normal,
            (false, n) => Loudness::Verbose(n),
        },
        settings: Settings {
            from,
            model,
            adapter,
            embedder: common.embedder.or(config.embedder),
            judge: common.judge.or(config.judge),
            beams: beams.map(usize::from),
            device,
            offline: running.offline.or(config.offline).unwrap_or(false),
            sentences: sentences.into(),
            strict: config.strict.unwrap_or(false),
            accept_licence: running.accept_licence.or(config.accept_licence).unwrap_or(false),
            models_dir: running.models_dir.or(config.models_dir),
            user_manifests: config::folder().map(|f| f.join("models")),
            prompts_dir: running.prompts_dir.or(config.prompts_dir),
        },
    })
}

/// What clap has checked where it was typed.
fn within(key: &str, value: u8, most: u8) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Usage {
        reason: format!("the configuration: {key} = {value} is not from 1 to {most}"),
    })
}

impl Plan {
    /// Where the outputs of so many inputs go.
    #[must_use]
    pub fn destination(&self, inputs: usize) -> Destination {
        let folder = self.paths.iter().any(|p| p.is_dir());
        Destination::of(self.out.as_deref(), inputs > 1 || folder)
    }
}

/// The file name ending of a format.
#[must_use]
pub fn ending(format: Format) -> &'static str {
    match format {
        Format::Markdown => "md",
        Format::Json => "json",
        Format::Html => "html",
    }
}
