//! `brief verify`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{Exit, args::Verify, config, jobs::print, plan::Loudness, progress::Screen};
use crate::{
    error::{Error, Result},
    pipeline::{Pipeline, Settings},
    render::{Brief, json},
    trace::verify,
};

/// Checks every brief and says of each whether it holds, and if not, what doesn't.
///
/// # Errors
/// Standard output that can't be written; with `--deep`, no embedding model.
pub fn run(args: &Verify) -> Result<Exit> {
    let mut failed = false;
    let mut pipeline;
    let embedder = if args.deep {
        let configured = config::Config::load()?;
        pipeline = Pipeline::new(Settings {
            offline: args.offline.or(configured.offline).unwrap_or(false),
            models_dir: args.models_dir.clone().or(configured.models_dir),
            user_manifests: config::folder().map(|f| f.join("models")),
            ..Settings::default()
        })?;
        let loudness = if args.quiet { Loudness::Quiet } else { Loudness::Normal };
        let mut screen = Screen::new(loudness, 1);
        let embedder = pipeline.embedder(&mut screen)?;
        screen.close();
        Some(embedder)
    } else {
        None
    };
    for path in &args.briefs {
        let briefs = match read(path) {
            Ok(briefs) => briefs,
            Err(error) => {
                failed = true;
                print(&format!("FAILED {}\n", super::described(&error)))?;
                continue;
            }
        };
        for brief in briefs {
            let name = format!("{}: {}", path.display(), brief.source.path);
            let failures = match source_of(&brief, path, args.sources.as_deref())
                .and_then(|bytes| verify::verify(&brief, bytes, embedder))
            {
                Ok(failures) => failures.iter().map(ToString::to_string).collect(),
                Err(error) => vec![super::described(&error)],
            };
            if failures.is_empty() {
                let claims = brief.summary.as_ref().map_or(0, |summary| summary.claims.len());
                if !args.quiet {
                    let sentences = brief.sentences.len();
                    print(&format!("ok {name} ({sentences} sentences, {claims} claims)\n"))?;
                }
            }
            failed |= !failures.is_empty();
            for failure in failures {
                print(&format!("FAILED {name}: {failure}\n"))?;
            }
        }
    }
    Ok(if failed { Exit::SomeFailed } else { Exit::Done })
}

/// The briefs in a file that `--format json` wrote, or in standard input for `-`.
///
/// # Errors
/// A file that can't be read, or holds no sound brief.
pub(super) fn read(path: &Path) -> Result<Vec<Brief>> {
    let bytes = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => std::fs::read(path),
    };
    let bytes = bytes.map_err(|e| Error::io(path, "cannot read", e))?;
    json::parse_all(&path.display().to_string(), &String::from_utf8_lossy(&bytes))
}

/// The bytes of the article: its path from `folder`, else from here, else from the brief's folder.
fn source_of(brief: &Brief, path: &Path, folder: Option<&Path>) -> Result<Vec<u8>> {
    let named = &brief.source.path;
    if named == "-" {
        return Err(Error::Article {
            path: "-".into(),
            reason: "the article came from standard input and can't be read again".into(),
            hint: "make the brief from a file",
        });
    }
    let places: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.join(named)],
        None => vec![PathBuf::from(named), path.with_file_name("").join(named)],
    };
    let found = places.iter().find(|place| place.is_file()).or(places.first());
    let place = found.map_or(Path::new(named), PathBuf::as_path);
    std::fs::read(place).map_err(|e| Error::io(place, "cannot read the article", e))
}
