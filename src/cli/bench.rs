//! `brief bench`.

use std::{path::Path, time::Instant};

use super::{
    Exit,
    args::{Bench, Common},
    jobs::{Job, one, print},
    plan::{Plan, plan},
    progress::{INTERRUPTED, Screen},
    together::{Order, at_once, together},
};
use crate::{
    article,
    batch::{self, Input},
    bench::{self, Articles, Machine, Measures, Model, Report, timed},
    engine::Engine,
    error::{Error, Result},
    pipeline::{Measured, Observer, Pipeline},
};

/// Runs `brief bench`.
///
/// # Errors
/// What went wrong, of whatever kind.
pub fn run(args: Bench) -> Result<Exit> {
    let Bench {
        paths,
        prefill,
        batch,
        context,
        tokens,
        repeat,
        shape,
        weights,
        json,
        compare,
        running,
    } = args;
    let plan = plan(Common::usual(paths, None, running), None)?;
    super::use_threads(plan.threads)?;
    super::log_to_stderr(plan.loudness);
    let earlier = compare.as_deref().map(read).transpose()?;
    let measures = Measures { prefill, batch, context, steps: tokens, repeat: repeat.into() };
    let inputs = batch::inputs(&plan.paths, None).into_iter().collect::<Result<Vec<Input>>>()?;
    let mut screen = Screen::new(plan.loudness, inputs.len());
    let pipeline = Pipeline::new(plan.settings.clone())?;
    // First of all, so that models are loaded in it.
    let articles = match inputs.as_slice() {
        [] => None,
        inputs => Some(articles(&plan, inputs, &pipeline, &mut screen)?),
    };
    screen.close();
    let (load, measured) = timed(|| match &shape {
        Some(shape) => {
            screen.note(&format!("making a random {shape}"));
            Engine::random(shape, weights, pipeline.backend())
                .map(|engine| Subject::Random(Box::new(engine)))
        }
        None => pipeline.measured(&mut screen).map(Subject::Real),
    })?;
    screen.close();
    let engine = measured.engine();
    let (first, _) = timed(|| engine.time_prefill(1))?;
    let cost = engine.cost()?;
    let peak = bench::peak_memory();
    screen.note("measuring memory and processor");
    let machine = Machine::here(engine.backend())?;
    let (prefill, decode) = bench::passes(engine, &machine, &measures, |what| {
        screen.note(what);
        if INTERRUPTED.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    })?;
    let (id, sha256) = match (&measured, &shape) {
        (Subject::Real(measured), _) => {
            (measured.id().to_owned(), Some(measured.sha256().to_owned()))
        }
        (Subject::Random(_), shape) => {
            (format!("{} with random {weights}", shape.as_deref().unwrap_or_default()), None)
        }
    };
    let model = Model {
        id,
        sha256,
        bytes: cost.layer_bytes + cost.head_bytes,
        products: cost.layer_products + cost.head_products,
        load: load + first,
    };
    let report = Report {
        version: env!("CARGO_PKG_VERSION").into(),
        machine,
        model,
        prefill,
        decode,
        articles,
        peak_memory: peak,
    };
    print(&match json {
        true => format!("{}\n", serde_json::json!(report)),
        false => table(&report, earlier.as_ref()),
    })?;
    Ok(Exit::Done)
}

/// What is measured.
enum Subject {
    /// A model with what its manifest says.
    Real(Measured),
    /// One of which only the shape is real.
    Random(Box<Engine>),
}

impl Subject {
    fn engine(&self) -> &Engine {
        match self {
            Self::Real(measured) => measured.engine(),
            Self::Random(engine) => engine,
        }
    }
}

/// An earlier run.
fn read(path: &Path) -> Result<Report> {
    super::read_json(path, "is not what `brief bench --json` wrote")
}

/// Translates and summarises each, as `brief summarize` does for a folder.
fn articles(
    plan: &Plan,
    inputs: &[Input],
    pipeline: &Pipeline,
    screen: &mut Screen,
) -> Result<Articles> {
    let options = article::Options {
        from: plan.settings.from.clone(),
        repeated_across_files: batch::shared_lines(inputs),
    };
    let work = |input: &Input, observer: &mut dyn Observer| {
        let briefs = one(input, &options, Job::Summarize, pipeline, observer)?;
        Ok(briefs.iter().map(|brief| brief.sentences.len()).sum::<usize>())
    };
    let began = Instant::now();
    let (mut sentences, mut first, mut failed) = (0, None, None);
    together(inputs, at_once(pipeline.backend()), Order::AsDone, screen, work, |_, _, result| {
        first.get_or_insert_with(|| began.elapsed().as_secs_f64());
        match result {
            Ok(count) => sentences += count,
            // That of the others is that they were interrupted.
            Err(error) => _ = failed.get_or_insert(error),
        }
        failed.is_none()
    });
    let time = began.elapsed().as_secs_f64();
    match failed {
        Some(error) => Err(error),
        None => {
            Ok(Articles { articles: inputs.len(), sentences, first: first.unwrap_or(0.0), time })
        }
    }
}

fn table(report: &Report, earlier: Option<&Report>) -> String {
    let Report { version, machine: m, model, prefill, decode, articles, peak_memory } = report;
    let possible = m.products.map_or(String::new(), |p| {
        let of = if m.device.starts_with("cpu") { "eight-bit" } else { "bf16" };
        format!(", {:.0} thousand million {of} products a second", p / 1e9)
    });
    let has = match m.features.as_slice() {
        [] => String::new(),
        features => format!(" ({})", features.join(", ")),
    };
    let mut text = format!(
        "brief {version} on {}{has}: {} cores, {} threads, {}, {}\n\
         The machine reads {:.1} GB/s{possible} (measured).\n\
         {}: {:.0} MB of weights in a step, ready after {:.1} s\n\n",
        m.processor,
        m.cores,
        m.threads,
        m.kernel,
        m.device,
        m.bandwidth / 1e9,
        model.id,
        model.bytes as f64 / 1e6,
        model.load,
    );
    let share = |share: Option<f64>| share.map_or("-".into(), |s| format!("{:.0} %", s * 100.0));
    // More is better in all that is compared.
    let against = |now: f64, then: Option<f64>| match then {
        Some(then) => format!("  {:>7}", format!("{:.2}x", now / then)),
        None if earlier.is_some() => format!("  {:>7}", "-"),
        None => String::new(),
    };
    let column = if earlier.is_some() { "  earlier" } else { "" };
    text.push_str(&format!("prefill     tokens/s  of products{column}\n"));
    for p in prefill {
        let then = earlier.and_then(|e| e.prefill.iter().find(|then| then.tokens == p.tokens));
        text.push_str(&format!(
            "{:>7}  {:>11.1}  {:>11}{}\n",
            p.tokens,
            p.rate,
            share(p.of_products),
            against(p.rate, then.map(|then| then.rate))
        ));
    }
    text.push_str(&format!("\ndecode      tokens/s  of products  of reading{column}\n"));
    for d in decode {
        let then = earlier.and_then(|e| e.decode.iter().find(|then| then.sequences == d.sequences));
        let power = d.power.map_or(String::new(), |watts| format!("  {watts:>5.0} W"));
        text.push_str(&format!(
            "{:>7}  {:>11.1}  {:>11}  {:>10}{}{power}\n",
            d.sequences,
            d.rate,
            share(d.of_products),
            share(Some(d.of_bandwidth)),
            against(d.rate, then.map(|then| then.rate))
        ));
    }
    if let Some(a) = articles {
        // Of the same articles, as far as can be seen.
        let then = earlier.and_then(|e| e.articles.as_ref());
        let then = then.filter(|t| (t.articles, t.sentences) == (a.articles, a.sentences));
        text.push_str(&format!(
            "\n{} articles of {} sentences: {:.1} s (first brief after {:.1} s){}\n",
            a.articles,
            a.sentences,
            a.time,
            a.first,
            against(1.0 / a.time, then.map(|then| 1.0 / then.time)),
        ));
    }
    if let Some(bytes) = peak_memory {
        text.push_str(&format!("\nmemory at most: {:.0} MB\n", *bytes as f64 / 1e6));
    }
    text
}
