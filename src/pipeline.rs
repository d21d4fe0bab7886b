//! One article, from source to brief: chooses and loads models, and calls the stages in order.

use std::{collections::HashMap, path::PathBuf};

use crate::{
    Language,
    article::{Article, BlockKind},
    engine::{DeviceChoice, Engine, Prompts},
    error::{Error, Result},
    hub::{Manifest, Quality, Role},
    render::{Brief, SCHEMA, SourceInfo},
    summarize::{Material, Summarizer, Summary},
    translate::{Segment, Translation, Translator},
};

/// What the user chose, once everything typed and configured has been put together.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Language family to take as given, instead of identifying it.
    pub from: Option<String>,
    /// Model id or path; the best able model otherwise.
    pub model: Option<String>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Never touch the network.
    pub offline: bool,
    /// Sentences in a summary.
    pub sentences: usize,
    /// Licence terms are accepted without asking.
    pub accept_licence: bool,
    /// Where models are kept.
    pub models_dir: Option<PathBuf>,
    /// The user's own manifests.
    pub user_manifests: Option<PathBuf>,
    /// Templates that replace the compiled-in ones.
    pub prompts_dir: Option<PathBuf>,
}

/// Something the person may want to see while work goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something happened that the person should know, e.g. that the hub can't be reached.
    Note(&'a str),
    /// A file is being fetched: bytes so far, and in all where that is known.
    Download {
        /// Its name.
        file: &'a str,
        /// Bytes here.
        done: u64,
        /// Bytes in all.
        total: Option<u64>,
    },
    /// A model is being loaded.
    Loading {
        /// Its id.
        model: &'a str,
    },
    /// A model is about to translate this many sentences.
    Sentences {
        /// How many.
        total: usize,
    },
    /// Sentences finished and tokens written since the last such event.
    Progress {
        /// Sentences.
        sentences: usize,
        /// Tokens.
        tokens: usize,
    },
    /// The summary is being written.
    Summarizing,
}

/// Follows a pipeline's work, and can end it.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
    /// Whether the person wants it to end.
    fn interrupted(&self) -> bool;
    /// Asks whether the person accepts a model's licence; `false` where nobody can be asked.
    fn accepts_licence(&mut self, _model: &str, _licence: &str, _url: Option<&str>) -> bool {
        false
    }
}
