//! `brief models`.

use std::path::Path;

use textwrap::{WordSeparator, WordSplitter};

use super::{
    Exit,
    args::{Models, ModelsCommand},
    config,
    jobs::print,
    plan::Loudness,
    progress::Screen,
};
use crate::{
    engine::{
        Engine,
        arch::encoder::EncoderConfig,
        check::{Agreement, Findings, Reference},
        convert::{Converted, convert},
        embed::{Embedder, Recipe, Scale},
        entail::Entailer,
    },
    error::{Error, Result},
    hub::{self, Catalogue, Manifest, Memory, Network, Pull, Store, Weights, manifest::Judging},
    pipeline::{Fetching, Observer},
};

/// Runs `brief models`.
///
/// # Errors
/// What went wrong, of whatever kind.
pub fn run(args: Models) -> Result<Exit> {
    let loudness = if args.quiet { Loudness::Quiet } else { Loudness::Normal };
    let configured = config::Config::load()?;
    let catalogue = Catalogue::load(config::folder().map(|f| f.join("models")).as_deref())?;
    let store = Store::open(args.models_dir.or(configured.models_dir).as_deref())?;
    let mut screen = Screen::new(loudness, 1);
    let network = if args.offline || configured.offline == Some(true) {
        Network::Offline
    } else {
        Network::Online
    };
    let exit = match args.command {
        ModelsCommand::List { json } => {
            let memory = Memory::now();
            print(&if json {
                listed_json(&catalogue, &store, memory)
            } else {
                listed(&catalogue, &store, memory)
            })?;
            Exit::Done
        }
        ModelsCommand::Info { id } => {
            print(&described(catalogue.get(&id)?, &store))?;
            Exit::Done
        }
        ModelsCommand::Pull { ids, force, accept_licence } => {
            for id in ids {
                let manifest = catalogue.get(&id)?;
                screen.begin(&id);
                let accepted = accept_licence.unwrap_or(false)
                    || store.licence_accepted(manifest)
                    || screen.accepts_licence(manifest);
                let how = Pull { network, accept_licence: accepted, force };
                let weights = store.pull(manifest, how, &mut Fetching(&mut screen))?;
                screen.note(&format!("{id} is at {}", weights.path.display()));
            }
            Exit::Done
        }
        ModelsCommand::Verify { ids } => verify(&ids, &catalogue, &store, &mut screen)?,
        ModelsCommand::Check { model, reference, tolerance, device, json } => {
            let resolved = hub::resolve(&catalogue, &model)?;
            let how = Pull { network, accept_licence: false, force: false };
            let weights = resolved.weights(&store, how, &mut Fetching(&mut screen))?;
            let encoder = encoder(&resolved.manifest, &weights)?;
            if let (Some(_), Some(path)) = (&encoder, &reference) {
                return Err(Error::Usage {
                    reason: format!(
                        "--reference {}: recorded are the texts that models write, and this one writes \
                         none",
                        path.display()
                    ),
                });
            }
            if let Some(encoder) = encoder {
                let faults = encoder.faults();
                print(&if json {
                    encoder_json(&resolved.manifest, &weights, &encoder, &faults)
                } else {
                    encoder_text(&resolved.manifest, &weights, &encoder, &faults)
                })?;
                return Ok(if faults.is_empty() { Exit::Done } else { Exit::SomeFailed });
            }
            let reference = reference.as_deref().map(read_reference).transpose()?;
            let engine = Engine::load(&model, &weights.path, &device.open()?)?;
            let findings = engine.check(reference.as_ref())?;
            let faults = findings.faults(tolerance, engine.backend().is_exact());
            print(&if json {
                checked_json(&resolved.manifest, &weights, &engine, &findings, &faults)
            } else {
                checked(&resolved.manifest, &weights, &engine, &findings, &faults)?
            })?;
            if faults.is_empty() { Exit::Done } else { Exit::SomeFailed }
        }
        ModelsCommand::Convert { folder, output, format } => {
            screen.begin(&folder.display().to_string());
            let Converted { tensors, bytes, worst: (name, lost) } =
                convert(&folder, &output, format)?;
            screen.note(&format!(
                "{} has {tensors} tensors in {}; {name} lost most, {:.1} %. `brief models check` tells \
                 more",
                output.display(),
                indicatif::HumanBytes(bytes),
                lost * 100.0
            ));
            Exit::Done
        }
        ModelsCommand::Path { id } => {
            let path = match id {
                Some(id) => store.path(catalogue.get(&id)?)?,
                None => store.dir().to_owned(),
            };
            print(&format!("{}\n", path.display()))?;
            Exit::Done
        }
        ModelsCommand::Rm { ids } => {
            for id in ids {
                let freed = store.remove(catalogue.get(&id)?, &mut Fetching(&mut screen))?;
                screen.note(&format!("{id} removed, {} freed", indicatif::HumanBytes(freed)));
            }
            Exit::Done
        }
    };
    screen.close();
    Ok(exit)
}

fn verify(
    ids: &[String],
    catalogue: &Catalogue,
    store: &Store,
    screen: &mut Screen,
) -> Result<Exit> {
    let manifests: Vec<&Manifest> = if ids.is_empty() {
        catalogue.manifests().iter().filter(|m| store.installed(m)).collect()
    } else {
        ids.iter().map(|id| catalogue.get(id)).collect::<Result<_>>()?
    };
    if manifests.is_empty() {
        screen.note("no model is installed");
    }
    let mut exit = Exit::Done;
    for manifest in manifests {
        screen.begin(&manifest.id);
        match store.verify(manifest, &mut Fetching(screen)) {
            Ok(files) => {
                for file in files {
                    let what =
                        if file.pinned { "recorded now for the first time" } else { "holds" };
                    print(&format!("{}  {}  {what}\n", file.sha256, file.path.display()))?;
                }
            }
            Err(error @ Error::Model { .. }) => {
                screen.complain(&super::described(&error));
                exit = Exit::SomeFailed;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(exit)
}

/// An encoder, and what it makes of texts of which it is known what they say.
struct CheckedEncoder {
    config: EncoderConfig,
    made: Made,
}

enum Made {
    /// Similarities of texts that are about other things, and of those that say the same.
    Likeness(Scale),
    /// How likely it finds that a text says what another doesn't, and what it does.
    Judgement([f32; 2]),
}

impl CheckedEncoder {
    fn faults(&self) -> Vec<String> {
        match self.made {
            Made::Likeness(scale) => scale.check().err().into_iter().collect(),
            Made::Judgement([other, same]) if other < 0.5 && same > other => Vec::new(),
            Made::Judgement(_) => {
                vec!["it does not tell what a text says from what it doesn't".into()]
            }
        }
    }
}

/// The model, if it is one that writes nothing.
fn encoder(manifest: &Manifest, weights: &Weights) -> Result<Option<CheckedEncoder>> {
    let path = &weights.path;
    if let Some(recipe) = &manifest.embedding {
        // Whatever it makes of texts is told, not refused.
        let known = Recipe { scale: Some(Scale::E5), ..recipe.clone() };
        let embedder = Embedder::load(&manifest.id, path, &known)?;
        let made = Made::Likeness(embedder.measured()?);
        return Ok(Some(CheckedEncoder { config: embedder.config(), made }));
    }
    match &manifest.judge {
        Some(Judging { probe: None, .. }) => {
            let judge = Entailer::load(&manifest.id, path)?;
            let made = Made::Judgement(judge.measured()?);
            Ok(Some(CheckedEncoder { config: judge.config(), made }))
        }
        _ => Ok(None),
    }
}

fn encoder_text(
    manifest: &Manifest,
    weights: &Weights,
    checked: &CheckedEncoder,
    faults: &[String],
) -> String {
    let config = &checked.config;
    let mut text = identified(&manifest.id, weights);
    text.push_str(&format!(
        "  architecture  {}: {} layers of {}, {} heads, {} tokens of context\n",
        manifest.architecture, config.layers, config.hidden, config.heads, config.longest,
    ));
    text.push_str(&match checked.made {
        Made::Likeness(Scale { english: [a, b], languages: [c, d] }) => format!(
            "  likeness      English texts {a:.3} about other things, {b:.3} saying the same\n                \
             with Chinese, Bengali and German {c:.3} and {d:.3}\n"
        ),
        Made::Judgement([other, same]) => format!(
            "  judgement     {other:.2} for what a text doesn't say, {same:.2} for what it does\n"
        ),
    });
    told(&mut text, faults);
    text
}

fn encoder_json(
    manifest: &Manifest,
    weights: &Weights,
    checked: &CheckedEncoder,
    faults: &[String],
) -> String {
    let config = &checked.config;
    let (name, made) = match checked.made {
        Made::Likeness(scale) => ("likeness", serde_json::json!(scale)),
        Made::Judgement(levels) => ("judgement", serde_json::json!(levels)),
    };
    let report = serde_json::json!({
        "id": manifest.id,
        "path": weights.path,
        "bytes": weights.size,
        "sha256": weights.sha256,
        "architecture": manifest.architecture,
        "layers": config.layers,
        "hidden": config.hidden,
        "heads": config.heads,
        "context_length": config.longest,
        name: made,
        "faults": faults,
    });
    format!("{report}\n")
}

/// What was checked, and its file.
fn identified(what: &str, weights: &Weights) -> String {
    format!(
        "{what}\n  file          {} ({})\n  sha256        {}\n",
        weights.path.display(),
        indicatif::HumanBytes(weights.size),
        weights.sha256
    )
}

fn told(text: &mut String, faults: &[String]) {
    for fault in faults {
        text.push_str(&format!("  wrong         {fault}\n"));
    }
    if faults.is_empty() {
        text.push_str("  found         nothing wrong\n");
    }
}

fn read_reference(path: &Path) -> Result<Reference> {
    super::read_json(path, "is no recorded reference")
}

/// What a model is, and what was found.
fn checked(
    manifest: &Manifest,
    weights: &Weights,
    engine: &Engine,
    findings: &Findings,
    faults: &[String],
) -> Result<String> {
    const BEGINNING: &str = "The capital of Germany is";
    let shape = engine.shape();
    let backend = engine.backend();
    let what = format!("{}, on {backend} with {}", manifest.id, backend.kernel_name());
    let mut text = identified(&what, weights);
    text.push_str(&format!(
        "  architecture  {}: {} layers of {}, {} heads of {} ({} of keys and values), {} tokens of \
         context\n  vocabulary    {} tokens, {} of which English needs\n  prompts       {}\n  \
         company       {:.1e} between a sequence alone and among others\n",
        shape.architecture,
        shape.layers,
        shape.hidden,
        shape.heads,
        shape.head_size,
        shape.kv_heads,
        shape.context_length,
        engine.tokenizer.vocab_size(),
        engine.vocabulary.allowed().len(),
        manifest.prompt,
        findings.company,
    ));
    if let Some(perplexity) = findings.perplexity {
        text.push_str(&format!("  perplexity    {perplexity:.1} on plain English\n"));
    }
    if let Some(specimen) = engine.specimen(BEGINNING)? {
        text.push_str(&format!("  goes on       {BEGINNING} {specimen}\n"));
    }
    if let Some(Agreement { prompts, largest, tokens: (same, all) }) = findings.reference {
        text.push_str(&format!(
            "  reference     {prompts} prompts: logits within {largest:.1e} of the largest"
        ));
        if all > 0 {
            text.push_str(&format!(", {same} of {all} tokens the same"));
        }
        text.push('\n');
    }
    told(&mut text, faults);
    Ok(text)
}

fn checked_json(
    manifest: &Manifest,
    weights: &Weights,
    engine: &Engine,
    findings: &Findings,
    faults: &[String],
) -> String {
    let shape = engine.shape();
    let report = serde_json::json!({
        "id": manifest.id,
        "path": weights.path,
        "bytes": weights.size,
        "sha256": weights.sha256,
        "device": engine.backend().to_string(),
        "kernel": engine.backend().kernel_name(),
        "architecture": shape.architecture,
        "layers": shape.layers,
        "hidden": shape.hidden,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_size": shape.head_size,
        "context_length": shape.context_length,
        "vocabulary": engine.tokenizer.vocab_size(),
        "english": engine.vocabulary.allowed().len(),
        "prompt": manifest.prompt,
        "findings": findings,
        "faults": faults,
    });
    format!("{report}\n")
}

fn languages(manifest: &Manifest) -> String {
    manifest
        .languages
        .iter()
        .map(|(family, quality)| format!("{family} {}", quality.word()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn roles(manifest: &Manifest) -> String {
    manifest.roles.iter().map(|r| r.word()).collect::<Vec<_>>().join(", ")
}

fn listed(catalogue: &Catalogue, store: &Store, memory: Memory) -> String {
    let heading = ["MODEL", "SIZE", "ROLES", "LANGUAGES", "INSTALLED", "FITS", "TRIED", "BEST FOR"];
    let mut table: Vec<Vec<String>> = vec![heading.map(str::to_owned).to_vec()];
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for row in hub::rows(catalogue, store, memory) {
        let about = if row.estimated { "~" } else { "" };
        table.push(vec![
            row.manifest.id.clone(),
            format!("{about}{:.1} GB", row.bytes as f64 / 1e9),
            roles(row.manifest),
            languages(row.manifest),
            word(row.installed),
            word(row.fits),
            word(row.manifest.tried),
            row.best_for.join(", "),
        ]);
    }
    let columns = heading.len();
    let widths: Vec<usize> = (0..columns)
        .map(|c| {
            table.iter().filter_map(|r| r.get(c)).map(|t| t.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &table {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(t, w)| format!("{t:w$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text.push_str(&format!(
        "\n{:.1} GB of memory are available. Quality: good > fair > gist; a language that is not \
         named can't be done.\n`brief models info MODEL` tells more, `brief models pull MODEL` \
         fetches.\n",
        memory.available as f64 / 1e9
    ));
    text
}

fn listed_json(catalogue: &Catalogue, store: &Store, memory: Memory) -> String {
    let rows: Vec<serde_json::Value> = hub::rows(catalogue, store, memory)
        .into_iter()
        .map(|row| {
            serde_json::json!({
                "id": row.manifest.id,
                "description": row.manifest.description,
                "bytes": row.bytes,
                "estimated": row.estimated,
                "roles": row.manifest.roles,
                "languages": row.manifest.languages,
                "licence": row.manifest.licence,
                "allows": row.manifest.allows(),
                "installed": row.installed,
                "fits": row.fits,
                "tried": row.manifest.tried,
                "best_for": row.best_for,
            })
        })
        .collect();
    format!("{}\n", serde_json::Value::from(rows))
}

fn described(manifest: &Manifest, store: &Store) -> String {
    let (bytes, estimated) = manifest.bytes();
    let mut text = format!(
        "{}\n  {}\n\n  architecture  {} ({} billion parameters, {} tokens of context)\n  roles         {}\n  \
         languages     {}\n  licence       {}{}\n  size          {}{:.1} GB\n  installed     {}\n  tried         {}\n",
        manifest.id,
        manifest.description,
        manifest.architecture,
        manifest.parameters_b,
        manifest.context_length,
        roles(manifest),
        languages(manifest),
        manifest.licence,
        if manifest.licence_acceptance { " (to be accepted)" } else { "" },
        if estimated { "about " } else { "" },
        bytes as f64 / 1e9,
        store.path(manifest).map_or_else(|_| "no".to_owned(), |p| p.display().to_string()),
        if manifest.tried {
            "yes, by the authors of this list"
        } else {
            "no: nobody has run it with brief yet"
        },
    );
    if let Some(adapter) = &manifest.adapter {
        let languages = adapter.languages.join(", ");
        text.push_str(&format!("  adapter       {} (for {languages})\n", adapter.name));
    }
    let told = [
        ("allows", manifest.allows()),
        ("terms", manifest.licence_url.as_deref()),
        ("warning", manifest.warning.as_deref()),
        ("notes", manifest.notes.as_deref()),
    ];
    for (what, told) in told {
        let words = told.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        // Addresses stay whole.
        let options = textwrap::Options::new(76)
            .word_splitter(WordSplitter::NoHyphenation)
            .word_separator(WordSeparator::AsciiSpace)
            .break_words(false);
        for (index, line) in textwrap::wrap(&words, options).iter().enumerate() {
            let what = if index == 0 { what } else { "" };
            if !line.is_empty() {
                text.push_str(&format!("  {what:<14}{line}\n"));
            }
        }
    }
    for file in &manifest.files {
        let sha256 = file.sha256.as_deref().unwrap_or("not known yet; the first fetch records it");
        text.push_str(&format!("  file          {}\n  sha256        {sha256}\n", file.name));
    }
    text
}
