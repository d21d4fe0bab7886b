//! Which blocks of the file are the article.

use super::{Block, Options, Source};
use crate::error::Result;

/// Tiles the file with blocks, each kept or dropped with its reason.
///
/// # Errors
/// [`crate::Error::Article`] if nothing of the file is an article.
pub fn extract(_source: &Source, _options: &Options) -> Result<Vec<Block>> {
    todo!()
}

/// The article's date from its metadata blocks, as ISO 8601.
#[must_use]
pub fn date(_source: &Source, _blocks: &[Block]) -> Option<String> {
    todo!()
}

/// The key under which a line counts as repeated across the files of a folder.
#[must_use]
pub fn line_key(_line: &str) -> String {
    todo!()
}
