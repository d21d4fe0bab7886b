//! Transformer architectures.

pub mod adapter;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod weights;
