//! `brief show`.

use std::io::IsTerminal;

use clap::ColorChoice;

use super::{
    Exit,
    args::Show,
    jobs::print,
    verify::{self, Document},
};
use crate::{
    error::Result,
    render::{
        self, Format,
        terminal::{self, View},
    },
};

/// Columns where no terminal says how many it has.
const COLUMNS: usize = 80;
/// Columns beyond which lines are hard to read.
const MOST_COLUMNS: usize = 100;

/// Shows every brief; one that can't be read is named, and the others are shown.
///
/// # Errors
/// Standard output that can't be written.
pub fn run(args: &Show) -> Result<Exit> {
    let view = View {
        width: columns().min(MOST_COLUMNS),
        colour: match args.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => super::allows_colour() && std::io::stdout().is_terminal(),
        },
        evidence: args.evidence,
        dropped: args.dropped,
    };
    let mut exit = Exit::Done;
    let mut first = true;
    for path in &args.briefs {
        match verify::read(path) {
            Ok(document) => {
                let views = match document {
                    Document::Briefs(briefs) => {
                        briefs.iter().map(|brief| terminal::render(brief, view)).collect()
                    }
                    Document::Digest(digest) => {
                        vec![render::digest::render(&digest, Format::Markdown)]
                    }
                };
                for view_of in views {
                    if !first {
                        print(&format!("\n{}\n\n", "─".repeat(view.width)))?;
                    }
                    first = false;
                    print(&view_of)?;
                }
            }
            Err(error) => {
                exit = Exit::SomeFailed;
                eprintln!("brief: {}", super::described(&error));
            }
        }
    }
    Ok(exit)
}

fn columns() -> usize {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    set.or_else(asked).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}
