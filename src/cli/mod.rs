//! The command line: the only place that prints.

/// Parses the command line, runs it, and says how it went.
#[must_use]
pub fn main() -> std::process::ExitCode {
    todo!()
}
