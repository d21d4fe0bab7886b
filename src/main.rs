//! `brief`: see the library's documentation.

/// A pass asks for the same large buffers again and again, which glibc's allocator maps anew, and
/// the system clears, each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    brief::cli::main()
}
