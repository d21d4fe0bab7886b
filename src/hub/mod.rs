//! Model manifests, fetching, checksums and the local store. Prints nothing; what there is to tell
//! goes to a [`Progress`].
//!
//! ```no_run
//! use brief::hub::{self, Catalogue, Memory, Network, Pull, Role, Silent, Store};
//!
//! let catalogue = Catalogue::load(None)?; // or the user's folder of manifests
//! let store = Store::open(None)?; // or --models-dir; `.with_folders` adds read-only folders
//! let memory = Memory::now();
//!
//! // By language, or `hub::resolve(&catalogue, "ID or PATH")` for --model.
//! let choice = hub::choose(&catalogue, &store, Role::Translate, Some("de"), memory)?;
//! let how = Pull { network: Network::Online, accept_licence: false, force: false };
//! if !choice.installed && !store.licence_accepted(choice.manifest) {
//!     // show choice.manifest.terms and store.terms(…), ask, then store.accept_licence(…)
//! }
//! let weights = store.pull(choice.manifest, how, &mut Silent)?; // at once if installed and whole
//! println!("{} {}", weights.path.display(), weights.sha256);
//!
//! for row in hub::rows(&catalogue, &store, memory) {
//!     println!("{} {}", row.manifest.id, row.best_for.join(", "));
//! }
//! # Ok::<(), brief::Error>(())
//! ```

pub mod adapter;
pub mod catalogue;
pub mod checksum;
pub mod choose;
pub mod fetch;
pub mod manifest;
mod packages;
#[cfg(test)]
mod pull_tests;
mod remote;
pub mod resolve;
pub mod store;

pub use adapter::AdapterFiles;
pub use catalogue::Catalogue;
pub use choose::{Choice, Memory, Row, choose, rows};
pub use fetch::{Event, Network, Progress, Silent};
pub use manifest::{Manifest, Quality, Role};
pub use resolve::{Resolved, resolve};
pub use store::{Checked, Hub, Pull, Store, Weights};
