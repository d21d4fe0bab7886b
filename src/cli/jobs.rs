//! `brief translate` and `brief summarize`.

use std::{io::Write, path::Path};

use super::{
    Exit,
    args::{Summarize, Translate},
    plan::{Plan, ending, plan},
    progress::Screen,
    together::{Order, at_once, together},
};
use crate::{
    Language, article,
    batch::{self, Destination, Input},
    error::{Error, Result},
    pipeline::{Observer, Pipeline},
    render::{self, Brief, Format},
    translate::Segment,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    Translate,
    Summarize,
    /// Summarise, and put together what the articles tell.
    Digest,
}

/// Runs `brief translate`.
///
/// # Errors
/// What ends the whole run; an article's own failure is reported and counted.
pub fn translate(args: Translate) -> Result<Exit> {
    let (lines, connected) = (args.lines, args.connected);
    let plan = plan(args.common, None)?;
    super::use_threads(plan.threads)?;
    super::log_to_stderr(plan.loudness);
    if lines { translate_lines(&plan, connected) } else { run(&plan, Job::Translate) }
}

/// Runs `brief summarize`.
///
/// # Errors
/// As [`translate`].
pub fn summarize(args: Summarize) -> Result<Exit> {
    let mut plan = plan(args.common, args.sentences)?;
    if let Some(strict) = args.strict {
        plan.settings.strict = strict;
    }
    super::use_threads(plan.threads)?;
    super::log_to_stderr(plan.loudness);
    run(&plan, if args.digest { Job::Digest } else { Job::Summarize })
}

fn run(plan: &Plan, job: Job) -> Result<Exit> {
    let found = batch::inputs(&plan.paths, plan.out.as_deref());
    let mut screen = Screen::new(plan.loudness, found.len());
    let mut failed = 0;
    let mut inputs = Vec::new();
    for input in found {
        match input {
            Ok(input) => inputs.push(input),
            Err(error) => {
                failed += 1;
                screen.complain(&super::described(&error));
            }
        }
    }
    let destination = match job {
        Job::Digest => one_file(plan.out.as_deref(), "--digest")?,
        _ => plan.destination(inputs.len()),
    };
    if !inputs.is_empty() {
        batch::prepare(&destination)?;
    }
    let outputs = match &destination {
        Destination::Folder(folder) => batch::output_paths(&inputs, folder, ending(plan.format)),
        Destination::File(path) if job != Job::Digest => vec![path.clone()],
        _ => Vec::new(),
    };
    let options = article::Options {
        from: plan.settings.from.clone(),
        repeated_across_files: batch::shared_lines(&inputs),
    };
    let pipeline = Pipeline::new(plan.settings.clone())?;
    if job == Job::Digest {
        // Without it all the work before would be in vain.
        pipeline.embedder(&mut screen)?;
    }
    let mut pages = Vec::new();
    let (mut done, mut flagged, mut without_model) = (0, 0, 0);
    let (mut given_up, mut unusable) = (Vec::new(), None);
    // Files are written as soon as they can be; what goes to one place goes there in order.
    let order = if outputs.is_empty() { Order::OfInputs } else { Order::AsDone };
    let work =
        |input: &Input, observer: &mut dyn Observer| one(input, &options, job, &pipeline, observer);
    together(
        &inputs,
        at_once(pipeline.backend()),
        order,
        &mut screen,
        work,
        |screen, i, result| {
            let result = result.and_then(|briefs| {
                flagged += briefs.iter().filter(|b| has_flags(b)).count();
                match outputs.get(i) {
                    Some(path) => batch::write(path, &render::render_many(&briefs, plan.format)),
                    // One page holds all articles, as a digest does; the other formats are written as
                    // they come.
                    None if job == Job::Digest || plan.format == Format::Html => {
                        pages.extend(briefs);
                        Ok(())
                    }
                    None => {
                        let joined = done > 0 && plan.format == Format::Markdown;
                        let text = render::render_many(&briefs, plan.format);
                        print(&if joined { format!("\n---\n\n{text}") } else { text })
                    }
                }
            });
            let name = inputs.get(i).map(Input::name).unwrap_or_default();
            match result {
                Ok(()) => done += 1,
                Err(Error::Interrupted) => {
                    given_up.push(name);
                    return false;
                }
                Err(error @ Error::Usage { .. }) => {
                    unusable = Some(error);
                    return false;
                }
                // Another article may be in a language that another model does.
                Err(error @ (Error::NoModel { .. } | Error::Model { .. })) => {
                    failed += 1;
                    without_model += 1;
                    screen.complain(&format!("{name}: {}", super::described(&error)));
                }
                Err(error) => {
                    failed += 1;
                    screen.complain(&super::described(&error));
                }
            }
            true
        },
    );
    if let Some(error) = unusable {
        screen.close();
        return Err(error);
    }
    if !given_up.is_empty() {
        screen.close();
        screen.complain(&format!(
            "interrupted; {done} of {} articles were finished; given up: {}",
            inputs.len(),
            given_up.join(", ")
        ));
        return Ok(Exit::Interrupted);
    }
    if !pages.is_empty() {
        let text = if job == Job::Digest {
            let digest = pipeline.digest(&pages, &mut screen)?;
            render::digest::render(&digest, plan.format)
        } else {
            render::render_many(&pages, Format::Html)
        };
        write_one(&destination, &text)?;
    }
    screen.close();
    if inputs.len() + failed > 1 {
        screen.note(&format!(
            "{done} articles done ({flagged} with flags or warnings), {failed} failed"
        ));
    }
    Ok(match failed {
        0 => Exit::Done,
        _ if failed == without_model && done == 0 => Exit::NoModel,
        _ => Exit::SomeFailed,
    })
}

/// One input to its brief; a JSON file of briefs to all that it holds.
pub(super) fn one(
    input: &Input,
    options: &article::Options,
    job: Job,
    pipeline: &Pipeline,
    observer: &mut dyn Observer,
) -> Result<Vec<Brief>> {
    let bytes = input.read()?;
    if job != Job::Translate && render::json::is_brief(&bytes) {
        let text = String::from_utf8_lossy(&bytes);
        return render::json::parse_all(&input.name(), &text)?
            .into_iter()
            .map(|brief| match &brief.summary {
                Some(_) if job == Job::Digest => Ok(brief),
                _ => pipeline.summarize_brief(brief, observer),
            })
            .collect();
    }
    let source = article::read::from_bytes(&input.name(), bytes)?;
    let article = article::prepare(source, options)?;
    let brief = match job {
        Job::Translate => pipeline.translate(article, observer)?,
        Job::Summarize | Job::Digest => pipeline.summarize(article, observer)?,
    };
    Ok(vec![brief])
}

fn has_flags(brief: &Brief) -> bool {
    !brief.translation.warnings.is_empty()
        || brief.translation.segments.iter().any(|s| !s.flags.is_empty())
}

/// `--lines`: every line of the input gives one line of output, whatever happens to it.
fn translate_lines(plan: &Plan, connected: bool) -> Result<Exit> {
    let mut screen = Screen::new(plan.loudness, plan.paths.len());
    // All lines go to one place, in order, from however many files.
    let destination = one_file(plan.out.as_deref(), "--lines")?;
    batch::prepare(&destination)?;
    let pipeline = Pipeline::new(plan.settings.clone())?;
    let mut out = String::new();
    for path in &plan.paths {
        let input = Input::at(path);
        screen.begin(&input.name());
        let (lines, language) = source_lines(&input, plan.settings.from.as_deref())?;
        let segments = pipeline.translate_lines(&lines, language, connected, &mut screen)?.segments;
        for (number, segment) in segments.iter().enumerate() {
            for flag in &segment.flags {
                screen.note(&format!("{}:{}: {}", input.name(), number + 1, flag.detail));
            }
            out.push_str(&target_line(segment));
            out.push('\n');
        }
        screen.end(&input.name());
    }
    screen.close();
    write_one(&destination, &out)?;
    Ok(Exit::Done)
}

/// Where the one output of an option goes that takes several inputs together.
fn one_file(out: Option<&Path>, option: &str) -> Result<Destination> {
    match out {
        Some(path) if path.is_dir() => Err(Error::Usage {
            reason: format!("-o {} is a folder; {option} writes one file", path.display()),
        }),
        out => Ok(Destination::of(out, false)),
    }
}

fn write_one(destination: &Destination, text: &str) -> Result<()> {
    match destination {
        Destination::Stdout => print(text),
        Destination::File(path) | Destination::Folder(path) => batch::write(path, text),
    }
}

/// The lines of a file to translate, and their language: `from`, or the one that they are in.
pub(super) fn source_lines(input: &Input, from: Option<&str>) -> Result<(Vec<String>, Language)> {
    let source = article::read::from_bytes(&format!("{}.txt", input.name()), input.read()?)?;
    let text = source.text.strip_suffix('\n').unwrap_or(&source.text);
    let lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l).to_owned()).collect();
    let language = match from {
        Some(from) => article::identify::chosen(from, text),
        None => article::identify::language_of(text).map_err(|found| Error::Article {
            path: input.name(),
            reason: format!(
                "the lines are in {}; brief reads German, Chinese and Bengali",
                found.as_deref().unwrap_or("an unknown language")
            ),
            hint: "name the language with --from de, --from zh or --from bn",
        })?,
    };
    Ok((lines, language))
}

/// A segment's translation, on one line.
pub(super) fn target_line(segment: &Segment) -> String {
    segment.target.replace(['\n', '\r'], " ")
}

/// Writes a result to standard output; a reader that has gone is no error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|e| Error::io("-", "cannot write to standard output", e)),
    }
}
