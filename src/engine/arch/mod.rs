//! Model architectures.

pub mod decoder;
