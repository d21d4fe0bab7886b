//! Files of the Hugging Face hub, through `hf-hub`: its cache first, then ranges over the network.
//!
//! hf-hub's own download of a whole file starts over after an interruption, so files are asked for
//! range by range. HF_ENDPOINT, HF_TOKEN, HF_HOME (token, cache), HF_HUB_CACHE and HF_HUB_OFFLINE
//! mean what they usually do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hf_hub::progress::{DownloadEvent, ProgressEvent, ProgressHandler};
use hf_hub::{HFClient, HFError};

use super::fetch::{self, Event, Failure, Job, Network, Partial, Progress};
use super::manifest::File;
use crate::error::Error;

/// The hub must answer the first question within this time.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// A transfer that brings nothing for this long has failed.
const STALLED: Duration = Duration::from_secs(60);
/// Bytes of the first range; they double while a range takes less than two seconds.
const FIRST_RANGE: u64 = 8 << 20;
/// Bytes of the largest range, all held in memory.
const LARGEST_RANGE: u64 = 64 << 20;

/// Fetches `path` of `repo` into the staging folder.
pub(super) fn fetch(
    job: &Job<'_>,
    file: &File,
    repo: &str,
    revision: &str,
    path: &str,
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let mut builder = HFClient::builder()
        .retry_max_attempts(1)
        .user_agent(concat!("brief/", env!("CARGO_PKG_VERSION")));
    if let Some(hub) = job.hub {
        builder = builder.endpoint(&hub.endpoint).cache_dir(&hub.cache);
    }
    let client = builder.build_sync().map_err(|e| Failure::Source(words(&e)))?;
    let (owner, name) = hf_hub::split_id(repo);
    let repository = client.model(owner, name);

    let cached =
        repository.download_file().filename(path).revision(revision).local_files_only(true).send();
    if let Ok(cached) = cached {
        return fetch::adopt(job, file, &cached);
    }
    if job.network == Network::Offline || hub_is_switched_off() {
        return Err(Failure::Source("offline, and its cache on this machine has no copy".into()));
    }

    let (asked, asked_revision, asked_path) =
        (repository.clone(), revision.to_owned(), path.to_owned());
    let found = attend(FIRST_ANSWER, &AtomicU64::new(0), &mut |_, _| {}, progress, move || {
        asked.get_file_metadata().filepath(asked_path).revision(&asked_revision).send()
    })?
    .map_err(|e| Failure::Source(words(&e)))?;
    let total = found.file_size;
    if let Some(expected) = file.size.filter(|&s| s != total) {
        return Err(Failure::Source(format!("its file has {total} bytes, expected {expected}")));
    }

    // All ranges of one commit: the branch may move while we fetch.
    let commit = found.commit_hash;
    let identity = format!("{repo}@{commit}/{path} {}", found.etag);
    let mut partial = Partial::open(job.staging, &file.name, "hub", &identity)?;
    progress.event(Event::Bytes { file: &file.name, done: partial.bytes(), total: Some(total) });
    let mut range = FIRST_RANGE;
    let mut failures = 0;
    while partial.bytes() < total {
        let start = partial.bytes();
        let end = total.min(start + range);
        let counter = Arc::new(AtomicU64::new(0));
        let handler = Counter(Arc::clone(&counter));
        let begun = Instant::now();
        let (asked, asked_revision, asked_path) =
            (repository.clone(), commit.clone(), path.to_owned());
        let mut tell = |done: u64, progress: &mut dyn Progress| {
            let done = start + done.min(end - start);
            progress.event(Event::Bytes { file: &file.name, done, total: Some(total) });
        };
        let got = attend(STALLED, &counter, &mut tell, progress, move || {
            asked
                .download_file_to_bytes()
                .filename(asked_path)
                .revision(asked_revision)
                .range(start..end)
                .progress(handler)
                .send()
        })?;
        match got {
            Ok(bytes) if bytes.len() as u64 == end - start => {
                partial.append(&mut bytes.as_ref(), &mut |_| true)?;
                failures = 0;
                if begun.elapsed() < Duration::from_secs(2) {
                    range = LARGEST_RANGE.min(range * 2);
                }
            }
            Ok(bytes) => {
                let (got, asked) = (bytes.len(), end - start);
                let reason = format!("it answered {got} bytes to a question for {asked}");
                return Err(Failure::Source(reason));
            }
            Err(HFError::Request { .. } | HFError::Http { .. }) if failures < 3 => failures += 1,
            Err(e) => return Err(Failure::Source(words(&e))),
        }
        let done = partial.bytes();
        progress.event(Event::Bytes { file: &file.name, done, total: Some(total) });
    }
    Ok(partial.finish()?)
}

struct Counter(Arc<AtomicU64>);

impl ProgressHandler for Counter {
    fn on_progress(&self, event: &ProgressEvent) {
        let done = match event {
            ProgressEvent::Download(DownloadEvent::Progress { files }) => {
                files.iter().map(|f| f.bytes_completed).max()
            }
            ProgressEvent::Download(DownloadEvent::AggregateProgress {
                bytes_completed, ..
            }) => Some(*bytes_completed),
            _ => None,
        };
        if let Some(done) = done {
            self.0.fetch_max(done, Ordering::Relaxed);
        }
    }
}

/// Runs `work` on a thread of its own, tells how far its counter is, and gives up on it when the
/// counter hasn't moved for `limit` or the person wants to stop. hf-hub has no time limit of its
/// own: a firewall that drops packets would hold the program for minutes.
fn attend<T: Send + 'static>(
    limit: Duration,
    counter: &AtomicU64,
    tell: &mut dyn FnMut(u64, &mut dyn Progress),
    progress: &mut dyn Progress,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        // Nobody listens any more after the time is up.
        let _ = sender.send(work());
    });
    let mut seen = 0;
    let mut moved = Instant::now();
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Source("the hub's client failed".into()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if progress.cancelled() {
            return Err(Failure::Fatal(Error::Interrupted));
        }
        let done = counter.load(Ordering::Relaxed);
        if done != seen {
            seen = done;
            moved = Instant::now();
            tell(done, progress);
        } else if moved.elapsed() > limit {
            let seconds = limit.as_secs();
            return Err(Failure::Source(format!("nothing came for {seconds} seconds")));
        }
    }
}

fn hub_is_switched_off() -> bool {
    std::env::var("HF_HUB_OFFLINE")
        .is_ok_and(|v| matches!(v.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
}

/// The error in few words: what happened and its deepest cause.
fn words(error: &HFError) -> String {
    match error {
        HFError::AuthRequired { .. } => {
            return "it asks for a token: set HF_TOKEN to one that may read it".into();
        }
        HFError::Forbidden { .. } => {
            return "the token may not read it: accept its terms on the hub first".into();
        }
        HFError::EntryNotFound { path, .. } => return format!("it has no file {path}"),
        HFError::Request { source, .. } if source.is_timeout() => {
            return "it did not answer".into();
        }
        _ => {}
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    match error {
        HFError::Request { source, .. } if source.is_connect() => {
            format!("it can't be reached ({deepest})")
        }
        _ if std::ptr::addr_eq(deepest, error) => error.to_string(),
        _ => format!("{error}: {deepest}"),
    }
}
