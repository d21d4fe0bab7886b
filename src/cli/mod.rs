//! The command line: the only place that prints.

pub mod args;
mod bench;
mod config;
mod eval;
mod jobs;
mod models;
mod plan;
mod progress;
mod show;
mod together;
mod verify;

use std::{path::Path, process::ExitCode, sync::atomic::Ordering};

use clap::{CommandFactory, Parser};
use serde::de::DeserializeOwned;

use self::{
    args::{Cli, Command},
    plan::Loudness,
};
use crate::error::{Error, Result};

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Done,
    /// Some articles failed; each was named.
    SomeFailed,
    /// Wrong usage.
    Usage,
    /// No model can do the job.
    NoModel,
    /// Ctrl-C.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::SomeFailed => 1,
            Exit::Usage => 2,
            Exit::NoModel => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// Parses the command line, runs it, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::args_os().len() <= 1 {
        let _ = Cli::command().print_long_help();
        return Exit::Done.into();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return exit.into();
        }
    };
    watch_for_interrupt();
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("brief: {}", described(&error));
            exit_of(&error).into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Translate(args) => jobs::translate(args),
        Command::Summarize(args) => jobs::summarize(args),
        Command::Show(args) => show::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Eval(args) => eval::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Models(args) => models::run(args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "brief", &mut script);
            jobs::print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
    }
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Usage { .. } => Exit::Usage,
        Error::NoModel { .. } | Error::Model { .. } => Exit::NoModel,
        Error::Interrupted => Exit::Interrupted,
        _ => Exit::SomeFailed,
    }
}

/// The error in a line, with the next step.
fn described(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// What a file of JSON holds; `otherwise` is what is said of a file that holds something else.
fn read_json<T: DeserializeOwned>(path: &Path, otherwise: &str) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "cannot read", e))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::Usage { reason: format!("{} {otherwise}: {e}", path.display()) })
}

/// The first Ctrl-C ends the work in good order, the second at once.
fn watch_for_interrupt() {
    // Without a handler Ctrl-C still ends the program; nothing half-written can be left.
    let _ = ctrlc::set_handler(|| {
        if progress::INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("brief: interrupted; stopping after this step (once more to stop at once)");
    });
}

/// Makes the computing libraries use so many threads. They read that from the environment when
/// they start their pools, so the program starts itself again with the variable set.
fn use_threads(threads: Option<u16>) -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let Some(threads) = threads.map(|t| t.to_string()) else { return Ok(()) };
    if std::env::var(VARIABLE).is_ok_and(|v| v == threads) {
        return Ok(());
    }
    let fail = |e| Error::Usage { reason: format!("--threads {threads} cannot be set: {e}") };
    let program = std::env::current_exe().map_err(fail)?;
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).env(VARIABLE, &threads);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(fail(again.exec()))
    }
    #[cfg(not(unix))]
    {
        let status = again.status().map_err(fail)?;
        std::process::exit(status.code().unwrap_or(1));
    }
}

/// Whether the person lets programs use colour: <https://no-color.org>.
fn allows_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var_os("TERM").is_none_or(|v| v != "dumb")
}

fn log_to_stderr(loudness: Loudness) {
    let level = match loudness {
        Loudness::Quiet => "error",
        // What the hub's client has to say is said as a note when it fails.
        Loudness::Normal => "warn,hf_hub=off",
        Loudness::Verbose(1) => "brief=info,warn",
        Loudness::Verbose(_) => "brief=debug,info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("BRIEF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(allows_colour() && std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .without_time()
        .try_init();
}
