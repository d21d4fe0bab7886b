//! Transformer architectures.

pub mod adapter;
mod attention;
pub mod config;
pub mod decoder;
pub mod delta;
pub mod encoder;
pub mod encoder_decoder;
mod linear;
pub mod model;
mod rows;
pub mod weights;
