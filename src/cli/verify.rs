//! `brief verify`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use super::{Exit, args::Verify, config, jobs::print, plan::Loudness, progress::Screen};
use crate::{
    digest::{self, Digest},
    error::{Error, Result},
    pipeline::{Pipeline, Settings},
    render::{self, Brief, SourceInfo, json},
    trace::verify::{self, Failure},
};

/// Checks every brief and says of each whether it holds, and if not, what doesn't.
///
/// # Errors
/// Standard output that can't be written; with `--deep`, no embedding model.
pub fn run(args: &Verify) -> Result<Exit> {
    let mut failed = false;
    let embedder = if args.deep {
        let configured = config::Config::load()?;
        let pipeline = Pipeline::new(Settings {
            offline: args.offline.or(configured.offline).unwrap_or(false),
            models_dir: args.models_dir.clone().or(configured.models_dir),
            embedder: args.embedder.clone().or(configured.embedder),
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
    // Whether all holds.
    let say = |name: &str, found: Result<Vec<Failure>>, holds: String| -> Result<bool> {
        let failures: Vec<String> = match found {
            Ok(failures) => failures.iter().map(ToString::to_string).collect(),
            Err(error) => vec![super::described(&error)],
        };
        if failures.is_empty() && !args.quiet {
            print(&format!("ok {name} ({holds})\n"))?;
        }
        for failure in &failures {
            print(&format!("FAILED {name}: {failure}\n"))?;
        }
        Ok(failures.is_empty())
    };
    for path in &args.briefs {
        let source = |info: &SourceInfo| source_of(info, path, args.sources.as_deref());
        match read(path) {
            Ok(Document::Briefs(briefs)) => {
                for brief in briefs {
                    let name = format!("{}: {}", path.display(), brief.source.path);
                    let found = source(&brief.source)
                        .and_then(|bytes| verify::verify(&brief, bytes, embedder.as_deref()));
                    let claims = brief.summary.as_ref().map_or(0, |summary| summary.claims.len());
                    let sentences = brief.sentences.len();
                    failed |=
                        !say(&name, found, format!("{sentences} sentences, {claims} claims"))?;
                }
            }
            Ok(Document::Digest(digest)) => {
                let found = digest::verify(&digest, source, embedder.as_deref());
                let (articles, statements) = (digest.articles.len(), digest.statements().count());
                let holds = format!("{articles} articles, {statements} statements");
                failed |= !say(&path.display().to_string(), found, holds)?;
            }
            Err(error) => {
                failed = true;
                print(&format!("FAILED {}\n", super::described(&error)))?;
            }
        }
    }
    Ok(if failed { Exit::SomeFailed } else { Exit::Done })
}

/// What a file that `--format json` wrote holds.
pub(super) enum Document {
    Briefs(Vec<Brief>),
    Digest(Box<Digest>),
}

/// The briefs or the digest in a file that `--format json` wrote, or in standard input for `-`.
///
/// # Errors
/// A file that can't be read, or holds no sound brief or digest.
pub(super) fn read(path: &Path) -> Result<Document> {
    let bytes = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => std::fs::read(path),
    };
    let bytes = bytes.map_err(|e| Error::io(path, "cannot read", e))?;
    let (name, text) = (path.display().to_string(), String::from_utf8_lossy(&bytes));
    match render::digest::parse(&name, &text) {
        Some(digest) => digest.map(|digest| Document::Digest(Box::new(digest))),
        None => json::parse_all(&name, &text).map(Document::Briefs),
    }
}

/// The bytes of the article: its path from `folder`, else from here, else from the brief's folder.
fn source_of(info: &SourceInfo, path: &Path, folder: Option<&Path>) -> Result<Vec<u8>> {
    let named = &info.path;
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
