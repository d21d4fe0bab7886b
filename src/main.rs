//! `brief`: see the library's documentation.

fn main() -> std::process::ExitCode {
    brief::cli::main()
}
