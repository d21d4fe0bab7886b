//! The one error type: what went wrong, where, and what to do next.

use std::path::PathBuf;

/// What can go wrong between the bytes of an article and the finished brief.
///
/// `Display` is a sentence for the person; the cause is kept as `source()`; [`Error::hint`] is the
/// next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {action}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, e.g. "cannot read".
        action: &'static str,
        /// The system's answer.
        #[source]
        cause: std::io::Error,
    },
    /// The article can't be used: empty, binary, undecodable, only boilerplate, wrong language.
    #[error("{path}: {reason}")]
    Article {
        /// The article's name as the user gave it.
        path: String,
        /// Why, as a sentence without full stop.
        reason: String,
        /// The next step.
        hint: &'static str,
    },
    /// No model can do the job (exit code 3).
    #[error("{reason}")]
    NoModel {
        /// What was asked for and why nothing fits.
        reason: String,
        /// The next step.
        hint: String,
    },
    /// A model could not be fetched, checked or loaded.
    #[error("model {model}: {reason}")]
    Model {
        /// Manifest id or path.
        model: String,
        /// Why.
        reason: String,
        /// The next step.
        hint: String,
    },
    /// The engine failed while computing.
    #[error("{context}: {cause}")]
    Engine {
        /// What was being computed.
        context: &'static str,
        /// candle's error.
        #[source]
        cause: candle_core::Error,
    },
    /// Something the user typed or configured makes no sense (exit code 2).
    #[error("{reason}")]
    Usage {
        /// What and why.
        reason: String,
    },
    /// Two files that should say the same line by line have not as many lines.
    #[error("{path} has {lines} lines, but {reference} has {reference_lines}")]
    LineCounts {
        /// The lines that were to be scored.
        path: String,
        /// How many.
        lines: usize,
        /// Their references.
        reference: String,
        /// How many.
        reference_lines: usize,
    },
    /// Work was interrupted by the user (Ctrl-C).
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The next step for the person, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Article { hint, .. } => Some(hint).copied().filter(|h| !h.is_empty()),
            Error::NoModel { hint, .. } | Error::Model { hint, .. } => {
                Some(hint.as_str()).filter(|h| !h.is_empty())
            }
            Error::LineCounts { .. } => {
                Some("each line must stand beside its reference; leave lines empty, not out")
            }
            _ => None,
        }
    }

    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, action: &'static str, cause: std::io::Error) -> Self {
        Error::Io { path: path.into(), action, cause }
    }

    /// An [`Error::Engine`] from candle, for `map_err`.
    pub fn engine(context: &'static str) -> impl FnOnce(candle_core::Error) -> Self {
        move |cause| Error::Engine { context, cause }
    }
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
