//! Language and script of an article and of each block.

use super::{Block, Options, Source};
use crate::{Language, error::Result};

/// The article's language; blocks in another language are marked, and dropped where they can't be
/// translated.
///
/// # Errors
/// [`crate::Error::Article`] if the kept text is not German, Chinese or Bengali.
pub fn article_language(
    _source: &Source,
    _blocks: Vec<Block>,
    _options: &Options,
) -> Result<(Language, Vec<Block>)> {
    todo!()
}
