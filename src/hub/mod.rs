//! Model manifests, fetching, checksums and the local store.

pub mod fetch;
pub mod manifest;
pub mod store;

pub use manifest::{Manifest, Quality, Role};
