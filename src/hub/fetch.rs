//! Fetching a model's files.
