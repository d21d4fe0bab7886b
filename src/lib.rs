//! `brief`: local translation of Chinese, Bengali and German news into English, and short
//! summaries in which every sentence can be traced to the bytes of the source article.
//!
//! Data goes one way, and each stage is a function from one plain value to the next:
//!
//! ```text
//! bytes ─read→ Source ─extract→ Article{blocks} ─language, segment→ Article{sentences}
//!       ─translate→ Translation ─summarise→ Summary ─verify→ Brief ─render→ md · json · html
//! ```
//!
//! Reading needs no model:
//!
//! ```
//! use brief::article;
//! let source = article::read::from_bytes("note.txt", "Berlin. Am 13. September regnete es.".into())?;
//! let article = article::prepare(source, &article::Options::default())?;
//! for sentence in &article.sentences {
//!     println!("{} {:?} {}", sentence.id, sentence.span, sentence.text);
//! }
//! # Ok::<(), brief::Error>(())
//! ```

pub mod article;
pub mod batch;
pub mod bench;
mod calendar;
pub mod cli;
pub mod digest;
pub mod engine;
pub mod error;
pub mod eval;
pub mod hub;
pub mod language;
pub mod pipeline;
pub mod render;
mod sha256;
pub mod span;
pub mod summarize;
pub mod trace;
pub mod translate;

pub use error::Error;
pub use language::Language;
pub use span::Span;
