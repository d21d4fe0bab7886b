//! Transformer architectures.

pub mod config;
pub mod decoder;
pub mod encoder;
pub mod weights;
