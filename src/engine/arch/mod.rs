//! Transformer architectures.

pub mod adapter;
pub mod config;
pub mod decoder;
pub mod encoder;
mod linear;
mod rows;
pub mod weights;
