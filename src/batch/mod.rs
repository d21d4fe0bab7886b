//! The folder job: which files are the inputs, where each output goes, and which lines several
//! files of a folder share.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    article::{self, extract::line_key},
    error::{Error, Result},
};

/// File name endings of articles in a folder.
pub const ENDINGS: [&str; 4] = ["txt", "md", "html", "htm"];

/// One article to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its path below the folder that the person named; its name if they named the file.
        relative: PathBuf,
    },
}

impl Input {
    /// The file at `path`, or standard input for `-`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            Input::Stdin
        } else {
            Input::File { path: path.to_owned(), relative: path.to_owned() }
        }
    }

    /// The name under which messages and briefs speak of it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "-".into(),
            Input::File { path, .. } => path.display().to_string(),
        }
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Input::Stdin => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
                    .map_err(|e| Error::io("-", "cannot read standard input", e))?;
                Ok(bytes)
            }
            Input::File { path, .. } => {
                std::fs::read(path).map_err(|e| Error::io(path, "cannot read", e))
            }
        }
    }
}

/// The inputs that the person's paths stand for, in order, each once. `skip` is an output folder or
/// file that may lie inside an input folder. A path that can't be used is an error of its own; the
/// others go on.
pub fn inputs(paths: &[PathBuf], skip: Option<&Path>) -> Vec<Result<Input>> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let skip = skip.and_then(|s| s.canonicalize().ok());
    for path in paths {
        if path.as_os_str() == "-" {
            found.push(Ok(Input::Stdin));
        } else if path.is_dir() {
            let files = walk(path, skip.as_deref(), &ENDINGS);
            if files.is_empty() {
                found.push(Err(Error::Article {
                    path: path.display().to_string(),
                    reason: "the folder holds no .txt, .md or .html file".into(),
                    hint: "name the folder that holds the articles",
                }));
            }
            found.extend(files.into_iter().map(|file| {
                file.map(|file| Input::File {
                    relative: file.strip_prefix(path).unwrap_or(&file).to_owned(),
                    path: file,
                })
            }));
        } else {
            let relative = path.file_name().map_or_else(|| path.clone(), PathBuf::from);
            found.push(match path.metadata() {
                Ok(_) => Ok(Input::File { path: path.clone(), relative }),
                Err(e) => Err(Error::io(path, "cannot read", e)),
            });
        }
    }
    found.retain(|input| match input {
        Ok(Input::File { path, .. }) => {
            seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        }
        _ => true,
    });
    found
}

/// The files below `folder` whose names end in one of `endings`, by name, without hidden ones,
/// `skip` and those below it.
pub(crate) fn walk(folder: &Path, skip: Option<&Path>, endings: &[&str]) -> Vec<Result<PathBuf>> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            let hidden = entry.file_name().to_str().is_some_and(|n| n.starts_with('.'));
            let is_output = skip.is_some_and(|s| entry.path().canonicalize().is_ok_and(|p| p == s));
            entry.depth() == 0 || !(hidden || is_output)
        })
        .filter_map(|entry| match entry {
            Ok(entry) => {
                let wanted = entry.file_type().is_file()
                    && entry
                        .path()
                        .extension()
                        .and_then(|e| e.to_str())
                        .is_some_and(|e| endings.contains(&e.to_lowercase().as_str()));
                wanted.then(|| Ok(entry.into_path()))
            }
            Err(e) => {
                let path = e.path().unwrap_or(folder).to_owned();
                let cause = e.into_io_error().unwrap_or_else(|| std::io::Error::other("a loop"));
                Some(Err(Error::io(path, "cannot read", cause)))
            }
        })
        .collect()
}

/// Lines that stand in at least three files and in a third of a folder's files: what a site puts
/// around every article. Articles about the same event share words, not lines.
#[must_use]
pub fn shared_lines(inputs: &[Input]) -> HashSet<String> {
    let mut folders: HashMap<&Path, Vec<&Path>> = HashMap::new();
    for input in inputs {
        if let Input::File { path, .. } = input {
            folders.entry(path.parent().unwrap_or(Path::new(""))).or_default().push(path);
        }
    }
    let mut shared = HashSet::new();
    for files in folders.values().filter(|files| files.len() >= 3) {
        let mut count: HashMap<String, usize> = HashMap::new();
        for file in files {
            // A file that can't be read says so when its turn comes.
            let Some(source) = std::fs::read(file)
                .ok()
                .and_then(|bytes| article::read::from_bytes(&file.to_string_lossy(), bytes).ok())
            else {
                continue;
            };
            let keys: HashSet<String> = source.text.lines().map(line_key).collect();
            for key in keys.into_iter().filter(|k| k.chars().count() >= 4) {
                *count.entry(key).or_default() += 1;
            }
        }
        let least = 3.max(files.len().div_ceil(3));
        shared.extend(count.into_iter().filter(|(_, n)| *n >= least).map(|(key, _)| key));
    }
    shared
}

/// Where the outputs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// All to standard output.
    Stdout,
    /// The one output to this file.
    File(PathBuf),
    /// Each to a file of its own below this folder.
    Folder(PathBuf),
}

impl Destination {
    /// What `-o` means for so many inputs: a folder if it is one, ends in a separator, or several
    /// inputs are to go there.
    #[must_use]
    pub fn of(out: Option<&Path>, several: bool) -> Self {
        match out {
            None => Destination::Stdout,
            Some(path) if path.as_os_str() == "-" => Destination::Stdout,
            Some(path) => {
                let text = path.to_string_lossy();
                if several || path.is_dir() || text.ends_with(std::path::MAIN_SEPARATOR) {
                    Destination::Folder(path.to_owned())
                } else {
                    Destination::File(path.to_owned())
                }
            }
        }
    }
}

/// The output file of each input below `folder`: `a/b.txt` gives `folder/a/b.json`. Inputs that
/// would get the same one keep their own ending in it: `b.txt.json`.
#[must_use]
pub fn output_paths(inputs: &[Input], folder: &Path, ending: &str) -> Vec<PathBuf> {
    let plain = |input: &Input| match input {
        Input::Stdin => PathBuf::from("stdin"),
        Input::File { relative, .. } => relative.with_extension(""),
    };
    let mut count: HashMap<PathBuf, usize> = HashMap::new();
    for input in inputs {
        *count.entry(plain(input)).or_default() += 1;
    }
    let mut used: HashSet<PathBuf> = HashSet::new();
    inputs
        .iter()
        .map(|input| {
            let stem = plain(input);
            let stem = match input {
                Input::File { relative, .. } if count.get(&stem).is_some_and(|n| *n > 1) => {
                    relative.clone()
                }
                _ => stem,
            };
            let named = |n: usize| {
                let mut name = stem.as_os_str().to_owned();
                if n > 1 {
                    name.push(format!("-{n}"));
                }
                name.push(format!(".{ending}"));
                folder.join(name)
            };
            let path = (1..).map(named).find(|p| !used.contains(p)).unwrap_or_else(|| named(1));
            used.insert(path.clone());
            path
        })
        .collect()
}

/// Makes sure that outputs can be written, so that nobody waits for a translation that has no
/// place to go.
///
/// # Errors
/// [`Error::Usage`] if a file stands where the folder is to be, [`Error::Io`] if nothing can be
/// written there.
pub fn prepare(destination: &Destination) -> Result<()> {
    let folder = match destination {
        Destination::Stdout => return Ok(()),
        Destination::File(path) if path.exists() && !path.is_file() => return Ok(()),
        Destination::File(path) => folder_of(path),
        Destination::Folder(path) if path.is_file() => {
            return Err(Error::Usage {
                reason: format!(
                    "-o {} is a file; several inputs need a folder to go to",
                    path.display()
                ),
            });
        }
        Destination::Folder(path) => path,
    };
    let fail = |e| Error::io(folder, "cannot write", e);
    std::fs::create_dir_all(folder).map_err(fail)?;
    tempfile::Builder::new().prefix(".brief-").tempfile_in(folder).map_err(fail)?;
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Writes a file whole or not at all: beside its place first, then renamed.
///
/// # Errors
/// [`Error::Io`] naming the file; nothing half-written is left.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let fail = |e| Error::io(path, "cannot write", e);
    let folder = folder_of(path);
    // Devices such as /dev/full are written to, not replaced.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, text).map_err(fail);
    }
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix(".brief-").tempfile_in(folder).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(fail)?;
    // A temporary file is its owner's alone; a result is not.
    #[cfg(unix)]
    {
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(fail)?;
    }
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn file(relative: &str) -> Input {
        Input::File { path: Path::new("in").join(relative), relative: relative.into() }
    }

    #[test]
    fn outputs_mirror_the_folder_and_never_share_a_name() {
        let inputs = [file("a/b.txt"), file("c.txt"), file("c.md"), Input::Stdin, Input::Stdin];
        let paths = output_paths(&inputs, Path::new("out"), "json");
        let expected = [
            "out/a/b.json",
            "out/c.txt.json",
            "out/c.md.json",
            "out/stdin.json",
            "out/stdin-2.json",
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_files_and_the_output_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a/x.html", "a/y.pdf", ".hidden.txt", "out/b.md", "C.MD"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let found = inputs(&[folder.path().to_owned()], Some(&folder.path().join("out")));
        let names: Vec<String> = found
            .into_iter()
            .map(|i| match i.unwrap() {
                Input::File { relative, .. } => relative.to_string_lossy().into_owned(),
                Input::Stdin => "-".into(),
            })
            .collect();
        assert_eq!(names, ["C.MD", "a/x.html", "b.txt"]);
    }

    #[test]
    fn a_missing_path_and_an_empty_folder_are_errors_beside_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.txt");
        std::fs::write(&good, "x").unwrap();
        let empty = folder.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        let found = inputs(&[folder.path().join("missing.txt"), good, empty], None);
        assert!(found[0].is_err() && found[1].is_ok() && found[2].is_err());
    }

    #[test]
    fn lines_of_many_files_are_shared_and_those_of_two_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let inputs: Vec<Input> = (0..6)
            .map(|n| {
                let path = folder.path().join(format!("{n}.txt"));
                let two = if n < 2 { "Nur in zweien." } else { "" };
                std::fs::write(
                    &path,
                    format!("Artikel Nummer {n}.\n{two}\nFolgen Sie dem Sender!\n"),
                )
                .unwrap();
                Input::File { relative: format!("{n}.txt").into(), path }
            })
            .collect();
        let shared = shared_lines(&inputs);
        assert_eq!(shared, HashSet::from([line_key("Folgen Sie dem Sender!")]));
    }

    #[test]
    fn what_can_not_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let error = write(&file.join("below.md"), "text").unwrap_err();
        assert!(error.to_string().contains("below.md"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        if Path::new("/dev/full").exists() {
            assert!(write(Path::new("/dev/full"), "text").is_err());
        }
    }
}
