//! What tests share: models that are really there, and inputs that may be absent.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

pub mod recording;
pub mod tiny;

use std::path::{Path, PathBuf};

use brief::{
    engine::{Tokenizer, embed::Embedder},
    hub::{Catalogue, Network, Pull, Silent, Store},
};
use sha2::{Digest, Sha256};

/// The weights of a model, pulled into the store if they aren't there.
///
/// A model that can't be had fails the test where `BRIEF_REAL_MODELS` is set (as on CI), and
/// skips it loudly elsewhere.
pub fn model(id: &str) -> Option<PathBuf> {
    let catalogue = Catalogue::load(None).unwrap();
    let store = Store::open(None).unwrap();
    let how = Pull { network: Network::Online, accept_licence: true, force: false };
    match store.pull(catalogue.get(id).unwrap(), how, &mut Silent) {
        Ok(weights) => Some(weights.path),
        Err(error) if std::env::var_os("BRIEF_REAL_MODELS").is_some() => {
            panic!("the model {id} is needed here: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED: needs the model {id}, which can't be had: {error}");
            None
        }
    }
}

/// The embedding model that the checks' levels were found with, as its manifest says.
pub fn embedder() -> Option<Embedder> {
    const MODEL: &str = "multilingual-e5-small-q4_0";
    let path = model(MODEL)?;
    let recipe = Catalogue::load(None).unwrap().get(MODEL).unwrap().embedding.clone().unwrap();
    Some(Embedder::load(MODEL, &path, &recipe).unwrap())
}

/// How many tokens lines have, and a digest of all their ids as tests/reference/record_lines.py makes it.
pub fn digest(tokenizer: &Tokenizer, lines: &[&str]) -> (usize, String) {
    let (mut tokens, mut bytes) = (0, Vec::new());
    for line in lines {
        let ids = tokenizer.encode(line).unwrap();
        tokens += ids.len();
        bytes.extend((ids.len() as u32).to_le_bytes());
        bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    }
    (tokens, format!("{:x}", Sha256::digest(&bytes)))
}

/// A folder beside the checkout that isn't part of it; skips loudly where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        Some(path)
    } else {
        eprintln!("SKIPPED: needs ../shared/{name}, which is not beside this checkout");
        None
    }
}
