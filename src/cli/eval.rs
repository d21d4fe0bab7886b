//! `brief eval`.

use std::path::Path;

use serde::Serialize;

use super::{
    Exit,
    args::{Common, Eval, EvalCommand, EvalTrace, EvalTranslation},
    jobs::{print, source_lines, target_line},
    plan::{Plan, plan},
    progress::Screen,
    verify::{self, Document},
};
use crate::{
    batch::{self, Destination, Input},
    engine::AdapterInfo,
    error::{Error, Result},
    eval::{
        self, Rouge, Score,
        trace::{Counts, Figures},
    },
    pipeline::Pipeline,
    render::Brief,
};

/// Runs `brief eval`.
///
/// # Errors
/// What went wrong, of whatever kind.
pub fn run(args: Eval) -> Result<Exit> {
    match args.command {
        EvalCommand::Translation(args) => translation(*args),
        EvalCommand::Trace(args) => trace(&args),
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
        #[serde(skip_serializing_if = "Option::is_none")]
        adapter: Option<AdapterInfo>,
    },
    Given {
        hypothesis: String,
    },
}

fn translation(args: EvalTranslation) -> Result<Exit> {
    let plan = plan(Common::usual(Vec::new(), args.out, args.running), None)?;
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
        adapter: translation.adapter,
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

/// What `brief eval trace --json` prints.
#[derive(Serialize)]
struct Traces {
    /// Those with a summary.
    articles: Vec<Traced>,
    /// All claims together; ROUGE is the mean of the articles that have one.
    all: Figures,
    /// Paths of the articles whose briefs have no summary.
    without_summary: Vec<String>,
}

#[derive(Serialize)]
struct Traced {
    /// The article.
    path: String,
    #[serde(flatten)]
    figures: Figures,
}

fn trace(args: &EvalTrace) -> Result<Exit> {
    let (briefs, unsummarized): (Vec<Brief>, Vec<Brief>) =
        briefs_below(&args.folder)?.into_iter().partition(|brief| brief.summary.is_some());
    if briefs.is_empty() {
        return Err(Error::Article {
            path: args.folder.display().to_string(),
            reason: "the folder holds no brief with a summary".into(),
            hint: "name a folder that `brief summarize --format json -o` wrote",
        });
    }
    let mut counts = Counts::default();
    let mut rouges: Vec<Rouge> = Vec::new();
    let mut articles = Vec::new();
    for brief in &briefs {
        let reference = match &args.references {
            Some(folder) => reference(brief, folder)?,
            None => None,
        };
        let rouge = reference.and_then(|text| eval::trace::summary_rouge(brief, &text));
        let found = Counts::of(brief)?;
        counts = counts + found;
        rouges.extend(rouge);
        articles.push(Traced { path: brief.source.path.clone(), figures: found.figures(rouge) });
    }
    if let Some(folder) = args.references.as_ref().filter(|_| rouges.is_empty()) {
        return Err(Error::Article {
            path: folder.display().to_string(),
            reason: "the folder holds no reference summary of any of the articles".into(),
            hint: "name the summary of ARTICLE.txt ARTICLE.summary.txt",
        });
    }
    let all = counts.figures(eval::trace::mean_rouge(&rouges));
    let without_summary = unsummarized.into_iter().map(|brief| brief.source.path).collect();
    let traces = Traces { articles, all, without_summary };
    print(&match args.json {
        true => format!("{}\n", serde_json::json!(traces)),
        false => traces_table(&traces),
    })?;
    Ok(Exit::Done)
}

/// The briefs in the JSON files below a folder. A digest of them is none.
fn briefs_below(folder: &Path) -> Result<Vec<Brief>> {
    let mut briefs = Vec::new();
    for file in batch::walk(folder, None, &["json"]) {
        if let Document::Briefs(read) = verify::read(&file?)? {
            briefs.extend(read);
        }
    }
    Ok(briefs)
}

/// The summary by hand of a brief's article, if the folder has one.
fn reference(brief: &Brief, folder: &Path) -> Result<Option<String>> {
    let Some(stem) = Path::new(&brief.source.path).file_stem() else { return Ok(None) };
    let mut name = stem.to_owned();
    name.push(".summary.txt");
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path, "cannot read the reference summary", e)),
    }
}

fn traces_table(traces: &Traces) -> String {
    let rows = traces.articles.iter().map(|a| (a.path.as_str(), &a.figures));
    let rows: Vec<_> = rows.chain([("all", &traces.all)]).collect();
    let width =
        rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("article".len());
    let mut text = format!(
        "{:width$}  claims  supported  partly  unsupported  generated  cited  recall  precision",
        "article"
    );
    let scored = traces.all.rouge.is_some();
    text.push_str(if scored { "  ROUGE-1  ROUGE-2  ROUGE-L\n" } else { "\n" });
    for (name, f) in rows {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        text.push_str(&format!(
            "{name:width$}  {:>6}  {:>9}  {:>6}  {:>11}  {:>9}  {:>5.1}  {:>6}  {:>9}",
            f.claims,
            percent(f.supported),
            percent(f.partly),
            percent(f.unsupported),
            percent(f.generated),
            f.citations_per_claim,
            percent(f.citation_recall),
            percent(f.citation_precision),
        ));
        let shares = f.rouge.map(|r| [r.rouge1.f1, r.rouge2.f1, r.rouge_l.f1]);
        for share in shares.into_iter().flatten() {
            text.push_str(&format!("  {share:>7.3}"));
        }
        text.push('\n');
    }
    for path in &traces.without_summary {
        text.push_str(&format!("\n{path}: no summary\n"));
    }
    text
}
