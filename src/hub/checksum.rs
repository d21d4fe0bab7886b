//! SHA-256 of files, and the record of what was checked, so that a file of a gigabyte isn't read
//! at every start.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fetch::{Event, Progress};
use crate::error::{Error, Result};

/// What a file looked like when its checksum held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970 of the last change.
    pub modified: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl Record {
    /// Whether the file still looks as it did.
    pub fn matches(&self, metadata: &Metadata) -> bool {
        self.size == metadata.len() && self.modified == modified(metadata)
    }

    /// The record of a file with these metadata.
    pub fn new(metadata: &Metadata, sha256: String) -> Self {
        Record { size: metadata.len(), modified: modified(metadata), sha256 }
    }
}

fn modified(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.and_then(|d| u64::try_from(d.as_nanos()).ok()).unwrap_or(0)
}

/// The records of one model: file name, or absolute path outside the store, to record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Records(pub BTreeMap<String, Record>);

impl Records {
    /// Reads the records at `path`; an absent or damaged file is an empty one (the model is then
    /// hashed again).
    pub fn read(path: &Path) -> Self {
        let Ok(bytes) = std::fs::read(path) else { return Records::default() };
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes the records to `path`, whole or not at all.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// The SHA-256 of a file in lower-case hex; progress is reported as [`Event::Checking`].
///
/// # Errors
/// [`Error::Io`] if it can't be read, [`Error::Interrupted`].
pub fn sha256(path: &Path, progress: &mut dyn Progress) -> Result<String> {
    let failed = |e| Error::io(path, "cannot read", e);
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
        let Some(chunk) = buffer.get(..n).filter(|c| !c.is_empty()) else { break };
        hasher.update(chunk);
        done += n as u64;
        if done % (64 << 20) == 0 || done == total {
            progress.event(Event::Checking { file: &name, done, total });
        }
        if progress.cancelled() {
            return Err(Error::Interrupted);
        }
    }
    Ok(crate::sha256::hex(&hasher.finalize()))
}
