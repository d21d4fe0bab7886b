//! Bytes to decoded text, with a map back to the file's bytes.

use crate::{Span, error::Result};

/// The character encoding that a file was decoded with; its name goes into the brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without byte order mark.
    Utf8,
}

/// A file and its decoded text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path as the user gave it, or `-`.
    pub path: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// Lower-case hex SHA-256 of `bytes`.
    pub sha256: String,
    /// How it was decoded.
    pub encoding: Encoding,
}

/// Decodes a file's bytes.
///
/// # Errors
/// [`crate::Error::Article`] for empty and binary files.
pub fn from_bytes(_path: &str, _bytes: Vec<u8>) -> Result<Source> {
    todo!()
}

impl Source {
    /// The decoded text at `span` of the file; for HTML, with tags removed and entities resolved.
    #[must_use]
    pub fn text_at(&self, _span: Span) -> String {
        todo!()
    }
}
