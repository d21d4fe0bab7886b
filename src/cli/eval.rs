//! `brief eval`.

use serde::Serialize;

use super::{
    Exit,
    args::{Common, Eval, EvalCommand, EvalTranslation},
    jobs::{print, source_lines, target_line},
    plan::{Plan, plan},
    progress::Screen,
};
use crate::{
    batch::{self, Destination, Input},
    error::{Error, Result},
    eval::{self, Score},
    pipeline::Pipeline,
};

/// Runs `brief eval`.
///
/// # Errors
/// What went wrong, of whatever kind.
pub fn run(args: Eval) -> Result<Exit> {
    match args.command {
        EvalCommand::Translation(args) => translation(*args),
    }
}

/// What `brief eval translation --json` prints.
#[derive(Serialize)]
struct Report {
    /// The file that was translated, or the one that was scored as it is.
    #[serde(flatten)]
    scored: Scored,
    reference: String,
    lines: usize,
    scores: [Score; 3],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Scored {
    Translated {
        source: String,
        /// IETF tag of the source's language.
        language: &'static str,
        connected: bool,
        model: String,
        model_sha256: String,
    },
    Given {
        hypothesis: String,
    },
}

fn translation(args: EvalTranslation) -> Result<Exit> {
    let common = Common { paths: Vec::new(), out: args.out, format: None, running: args.running };
    let plan = plan(common, None)?;
    super::use_threads(plan.threads)?;
    super::log_to_stderr(plan.loudness);
    let reference = Input::at(&args.reference);
    let references = lines_of(&reference)?;
    let reference = reference.name();
    if references.is_empty() {
        return Err(Error::Article {
            path: reference,
            reason: "the file is empty".into(),
            hint: "give the right translations, one a line",
        });
    }
    let counted = |path: &str, lines: usize| match references.len() {
        same if same == lines => Ok(()),
        reference_lines => Err(Error::LineCounts {
            path: path.to_owned(),
            lines,
            reference: reference.clone(),
            reference_lines,
        }),
    };
    let (scored, hypotheses) = match (args.source, args.hypothesis) {
        (Some(source), _) => translated(&plan, &Input::at(&source), args.connected, counted)?,
        (None, Some(hypothesis)) => {
            let input = Input::at(&hypothesis);
            let hypotheses = lines_of(&input)?;
            counted(&input.name(), hypotheses.len())?;
            (Scored::Given { hypothesis: input.name() }, hypotheses)
        }
        (None, None) => {
            return Err(Error::Usage { reason: "--source or --hypothesis is needed".into() });
        }
    };
    let pairs: Vec<(&str, &str)> =
        hypotheses.iter().map(String::as_str).zip(references.iter().map(String::as_str)).collect();
    let scores = eval::translation(&pairs);
    let report = Report { scored, reference, lines: pairs.len(), scores };
    print(&if args.json { format!("{}\n", serde_json::json!(report)) } else { table(&report) })?;
    Ok(Exit::Done)
}

/// Translates the lines, once `counted` has found as many as there are references.
fn translated(
    plan: &Plan,
    input: &Input,
    connected: bool,
    counted: impl Fn(&str, usize) -> Result<()>,
) -> Result<(Scored, Vec<String>)> {
    let name = input.name();
    let out = match plan.out.as_deref().map(|out| Destination::of(Some(out), false)) {
        None => None,
        Some(file @ Destination::File(_)) => Some(file),
        Some(_) => {
            return Err(Error::Usage { reason: "-o takes a file for the translated lines".into() });
        }
    };
    let (lines, language) = source_lines(input, plan.settings.from.as_deref())?;
    counted(&name, lines.len())?;
    if let Some(out) = &out {
        batch::prepare(out)?;
    }
    let mut screen = Screen::new(plan.loudness, 1);
    screen.begin(&name);
    let translation = Pipeline::new(plan.settings.clone())?.translate_lines(
        &lines,
        language,
        connected,
        &mut screen,
    )?;
    screen.close();
    for warning in &translation.warnings {
        screen.note(warning);
    }
    let hypotheses: Vec<String> = translation.segments.iter().map(target_line).collect();
    if let Some(Destination::File(path)) = out {
        batch::write(&path, &(hypotheses.join("\n") + "\n"))?;
    }
    let scored = Scored::Translated {
        source: name,
        language: language.tag(),
        connected,
        model: translation.model,
        model_sha256: translation.model_sha256,
    };
    Ok((scored, hypotheses))
}

/// The lines of a file of translations, parted at line feeds alone, as sacrebleu parts them.
fn lines_of(input: &Input) -> Result<Vec<String>> {
    let text = String::from_utf8(input.read()?).map_err(|_| Error::Article {
        path: input.name(),
        reason: "the bytes are not text in UTF-8".into(),
        hint: "convert the file to UTF-8",
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect())
}

fn table(report: &Report) -> String {
    let scored = match &report.scored {
        Scored::Given { hypothesis } => hypothesis.clone(),
        Scored::Translated { source, connected, model, .. } => {
            let how = if *connected { "line after line" } else { "each line alone" };
            format!("{source}, translated by {model}, {how},")
        }
    };
    let mut text = format!("{scored} against {}: {} lines\n\n", report.reference, report.lines);
    for Score { name, score, signature, .. } in &report.scores {
        text.push_str(&format!("{name:5}  {score:6.2}  {signature}\n"));
    }
    for Score { name, verbose_score, .. } in &report.scores {
        if let Some(verbose) = verbose_score {
            text.push_str(&format!("\n{name}: {verbose}\n"));
        }
    }
    text
}
