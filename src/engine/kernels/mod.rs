//! Inner loops that are compiled for several instruction sets and chosen at run time.
//!
//! The one place where `unsafe` is allowed: calling a function that was compiled for an
//! instruction set, after having asked the processor whether it has it.

mod attention;

pub use attention::{Attention, attend};
