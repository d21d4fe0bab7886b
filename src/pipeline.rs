//! One article, from source to brief: chooses and loads models, and calls the stages in order.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use crate::{
    Language,
    article::{Article, BlockKind},
    digest::{self, Digest},
    engine::{
        AdapterInfo, Backend, DeviceChoice, Engine, Prompts, Search, embed::Embedder,
        entail::Entailer,
    },
    error::{Error, Result},
    hub::{
        self, AdapterFiles, Catalogue, Manifest, Memory, Network, Pull, Quality, Resolved, Role,
        Store, Weights, manifest::Judging,
    },
    render::{Brief, SCHEMA, SourceInfo},
    summarize::{Entailing, Material, Probe, Probed, Summarized, Summarizer, Summary},
    trace::{
        check::{Checker, Judge},
        similarity::Similarity,
        support::Trust,
    },
    translate::{Segment, Translation, Translator, estimate, prepared},
};

/// What the user chose, once everything typed and configured has been put together.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Language family to take as given, instead of identifying it.
    pub from: Option<String>,
    /// Model id or path; the best able model otherwise.
    pub model: Option<String>,
    /// What is added to the model that the user named; what its manifest says otherwise.
    pub adapter: Option<AdapterChoice>,
    /// Id or path of the model that compares meanings; the best able one otherwise.
    pub embedder: Option<String>,
    /// Id or path of the model that judges claims; the one that summarises otherwise, if it can.
    pub judge: Option<String>,
    /// Hypotheses that are followed while translating; what the manifest says otherwise.
    pub beams: Option<usize>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Never touch the network.
    pub offline: bool,
    /// Sentences in a summary.
    pub sentences: usize,
    /// A summary sentence that isn't supported ends the article's work, instead of being replaced.
    pub strict: bool,
    /// Licence terms are accepted without asking.
    pub accept_licence: bool,
    /// Where models are kept.
    pub models_dir: Option<PathBuf>,
    /// The user's own manifests.
    pub user_manifests: Option<PathBuf>,
    /// Templates that replace the compiled-in ones.
    pub prompts_dir: Option<PathBuf>,
}

/// An adapter that the user chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdapterChoice {
    /// None, whatever the manifest says.
    None,
    /// The one in this folder, as PEFT writes it.
    Folder(PathBuf),
}

/// Something the person may want to see while work goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something happened that the person should know, e.g. that the hub can't be reached.
    Note(&'a str),
    /// A file is being fetched: bytes so far, and in all where that is known.
    Download {
        /// Its name.
        file: &'a str,
        /// Bytes here.
        done: u64,
        /// Bytes in all.
        total: Option<u64>,
    },
    /// A model is being loaded.
    Loading {
        /// Its id.
        model: &'a str,
    },
    /// A model is about to translate this many sentences.
    Sentences {
        /// How many.
        total: usize,
    },
    /// Sentences finished and tokens written since the last such event.
    Progress {
        /// Sentences.
        sentences: usize,
        /// Tokens.
        tokens: usize,
    },
    /// The summary is being written.
    Summarizing,
}

/// Follows a pipeline's work, and can end it.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event<'_>);
    /// Whether the person wants it to end.
    fn interrupted(&self) -> bool;
    /// Asks whether the person accepts a model's licence; `false` where nobody can be asked.
    fn accepts_licence(&mut self, _model: &Manifest) -> bool {
        false
    }
}

/// A loaded model and what its manifest says.
struct Loaded {
    manifest: Manifest,
    sha256: String,
    engine: Engine,
    adapter: Option<AdapterInfo>,
    /// Of its prompts.
    style: String,
    search: Search,
    /// Its judgement of claims, if it is one that judges.
    probe: Option<Probe>,
}

/// A loaded model to measure.
pub struct Measured(Arc<Loaded>);

impl Measured {
    /// Its manifest's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.manifest.id
    }

    /// Of its weights.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// The model.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }
}

/// What judges claims after the rules and the likeness.
enum Referee {
    /// A generating model, if there is a probe for it.
    Generating(Arc<Loaded>),
    /// A model that was made for it, and its levels.
    Entailing(Arc<Entailer>, [f32; 2], String),
}

impl Referee {
    /// The model's id and itself as a judge, if it is one.
    fn judge<'a>(&'a self, prompts: &'a Prompts) -> Option<(&'a str, Box<dyn Judge + 'a>)> {
        match self {
            Self::Generating(model) => {
                let Loaded { engine, style, probe, manifest, .. } = &**model;
                let probed = Probed { engine, prompts, style, probe: probe.as_ref()? };
                Some((&manifest.id, Box::new(probed)))
            }
            Self::Entailing(model, levels, id) => {
                Some((id, Box::new(Entailing { model, levels: *levels })))
            }
        }
    }
}

/// The embedding model, or why there is none.
type Embedding = std::result::Result<Arc<Embedder>, String>;

/// Turns articles into briefs, several at a time if several threads ask. Models are chosen when they
/// are first needed, and stay loaded.
pub struct Pipeline {
    settings: Settings,
    prompts: Prompts,
    catalogue: Catalogue,
    store: Store,
    backend: Backend,
    /// Locked while one is loaded: others wait for it instead of loading it too.
    loaded: Mutex<HashMap<String, Arc<Loaded>>>,
    /// The embedding model, once it has been asked for.
    embedding: Mutex<Option<Embedding>>,
    /// The named judge, once it has been asked for.
    entailer: Mutex<Option<Arc<Entailer>>>,
}

impl Pipeline {
    /// Reads manifests and templates and opens the device; loads no model yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for a template or manifest of the user's own that can't be read, and for a
    /// device that isn't there.
    pub fn new(settings: Settings) -> Result<Self> {
        let prompts = Prompts::load(settings.prompts_dir.as_deref())
            .map_err(|reason| Error::Usage { reason })?;
        let catalogue = Catalogue::load(settings.user_manifests.as_deref())?;
        let store = Store::open(settings.models_dir.as_deref())?;
        let backend = settings.device.open()?;
        let (loaded, embedding, entailer) = Default::default();
        Ok(Self { settings, prompts, catalogue, store, backend, loaded, embedding, entailer })
    }

    /// Where models are computed.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Article → brief with a translation.
    ///
    /// # Errors
    /// No able model, a model that can't be loaded, or an interruption.
    pub fn translate(&self, article: Article, observer: &mut dyn Observer) -> Result<Brief> {
        let translation = self.translation(&article, observer)?;
        Ok(assemble(article, translation))
    }

    /// Article → brief with a translation and a summary.
    ///
    /// # Errors
    /// As [`Pipeline::translate`].
    pub fn summarize(&self, article: Article, observer: &mut dyn Observer) -> Result<Brief> {
        let brief = self.translate(article, observer)?;
        self.summarize_brief(brief, observer)
    }

    /// Adds a summary to a brief that has a translation.
    ///
    /// # Errors
    /// As [`Pipeline::translate`].
    pub fn summarize_brief(&self, mut brief: Brief, observer: &mut dyn Observer) -> Result<Brief> {
        let material = Material::gather(&brief.translation.segments, &brief.sentences);
        if material.is_empty() {
            return Err(Error::Article {
                path: brief.source.path.clone(),
                reason: "there is no translated text to summarise".into(),
                hint: "translate the article again",
            });
        }
        let model = self.load(Role::Summarize, None, observer)?;
        let embedding = self.embedding(observer)?;
        let Self { prompts, settings, .. } = self;
        observer.event(Event::Summarizing);
        let trust = Trust::in_quality(&brief.translation.quality);
        let mut similarity = embedding.as_deref().ok().map(Similarity::new);
        let judges = similarity.iter_mut().map(|judge| judge as &mut dyn Judge).collect();
        let referee = self.referee(&model, observer)?;
        let (judge, mut judging) = referee.judge(prompts).unzip();
        let Summarized { claims, refused } = Summarizer {
            engine: &model.engine,
            prompts,
            style: &model.style,
            checker: Checker { trust, judges },
            judge: judging.as_deref_mut().map(|judge| judge as &mut dyn Judge),
        }
        .summarize(&material, settings.sentences, &mut watch(observer))?;
        if let (true, Some(refused)) = (settings.strict, refused.first()) {
            return Err(Error::Article {
                path: brief.source.path.clone(),
                reason: format!(
                    "a summary sentence is not supported: \"{}\": {}",
                    refused.text, refused.reason
                ),
                hint: "without --strict, a sentence of the article takes its place",
            });
        }
        brief.summary = Some(Summary {
            model: model.manifest.id.clone(),
            model_sha256: model.sha256.clone(),
            adapter: model.adapter.clone(),
            embedder: embedding.ok().map(|embedder| embedder.model().to_owned()),
            judge: judge.map(str::to_owned),
            claims,
        });
        Ok(brief)
    }

    /// Briefs → one over all of them.
    ///
    /// # Errors
    /// No model for summaries or for embeddings can be had; what the models fail in.
    pub fn digest(&self, briefs: &[Brief], observer: &mut dyn Observer) -> Result<Digest> {
        let model = self.load(Role::Summarize, None, observer)?;
        let embedder = self.embedder(observer)?;
        let referee = self.referee(&model, observer)?;
        let mut judging = referee.judge(&self.prompts).map(|(_, judge)| judge);
        if judging.is_none() {
            let id = &model.manifest.id;
            observer.event(Event::Note(&format!(
                "{id} judges no claims: what is told as one fact is found by words and likeness"
            )));
        }
        digest::digest(briefs, &embedder, judging.as_deref_mut().map(|j| j as &mut dyn Judge))
    }

    /// Texts → a translation with one segment each, in order. An empty text gives an empty segment.
    /// `connected` texts are read one after the other, up to an empty one.
    ///
    /// # Errors
    /// As [`Pipeline::translate`].
    pub fn translate_lines(
        &self,
        lines: &[String],
        language: Language,
        connected: bool,
        observer: &mut dyn Observer,
    ) -> Result<Translation> {
        let model = self.load(Role::Translate, Some(language.family()), observer)?;
        let texts: Vec<String> = lines.iter().map(|line| prepared(line)).collect();
        let paragraphs: Vec<Vec<String>> = if connected {
            texts.split(String::is_empty).map(<[String]>::to_vec).collect()
        } else {
            texts.into_iter().filter(|text| !text.is_empty()).map(|text| vec![text]).collect()
        };
        observer.event(Event::Sentences { total: paragraphs.iter().map(Vec::len).sum() });
        let mut targets = translator(&model, &self.prompts)
            .texts(paragraphs, language, &mut watch(observer))?
            .into_iter();
        let segments = lines
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let (target, flags) = if line.trim().is_empty() {
                    Default::default()
                } else {
                    targets.next().unwrap_or_default()
                };
                Segment {
                    sentences: vec![format!("line {}", i + 1)],
                    target,
                    flags,
                    estimate: None,
                }
            })
            .collect();
        Ok(translation_by(&model, language, segments))
    }

    /// The model to measure, loaded: the named one, else the one that translates the chosen
    /// language, or German.
    ///
    /// # Errors
    /// It can't be had or loaded; an interruption.
    pub fn measured(&self, observer: &mut dyn Observer) -> Result<Measured> {
        let family = self.settings.from.clone().unwrap_or_else(|| "de".into());
        let named = self.settings.model.as_ref().map(|model| hub::resolve(&self.catalogue, model));
        match named.transpose()? {
            // Whatever its job is, that is the one to measure.
            Some(named) => {
                let translates = named.manifest.roles.contains(&Role::Translate);
                let family = translates.then_some(family.as_str());
                self.load_resolved(named, true, family, observer)
            }
            None => self.load(Role::Translate, Some(&family), observer),
        }
        .map(Measured)
    }

    fn translation(&self, article: &Article, observer: &mut dyn Observer) -> Result<Translation> {
        let model = self.load(Role::Translate, Some(article.language.family()), observer)?;
        observer.event(Event::Sentences { total: article.sentences.len() });
        let segments = translator(&model, &self.prompts).article(article, &mut watch(observer))?;
        let mut translation = translation_by(&model, article.language, segments);
        match self.embedding(observer)? {
            Ok(embedder) => {
                let materials = Material::of_all(&translation.segments, &article.sentences);
                let originals: Vec<String> = materials.iter().map(Material::prepared).collect();
                estimate(&originals, &mut translation.segments, &embedder)?;
                translation.embedder = Some(embedder.model().to_owned());
            }
            Err(reason) => translation.warnings.push(format!(
                "Nothing was compared by sentence embeddings, so that a translation about \
                 something else may have gone unnoticed: {reason}"
            )),
        }
        Ok(translation)
    }
}

impl Pipeline {
    /// Chooses the model for a job, fetches it if it isn't here, and loads it if it isn't loaded.
    fn load(
        &self,
        role: Role,
        family: Option<&str>,
        observer: &mut dyn Observer,
    ) -> Result<Arc<Loaded>> {
        let (resolved, named) = self.resolve(role, family)?;
        self.load_resolved(resolved, named, family, observer)
    }

    /// The same of a model that was chosen, perhaps because it was `named`; to translate a `family`'s
    /// texts, if one is given.
    fn load_resolved(
        &self,
        resolved: Resolved,
        named: bool,
        family: Option<&str>,
        observer: &mut dyn Observer,
    ) -> Result<Arc<Loaded>> {
        let manifest = &resolved.manifest;
        if let Some(family) = family {
            knows(manifest, family)?;
        }
        // A folder's adapter belongs to the model that was named with it.
        let chosen = self.settings.adapter.as_ref();
        let chosen = chosen.filter(|chosen| named || **chosen == AdapterChoice::None);
        let adapting =
            family.and_then(|family| manifest.adapter_for(family)).filter(|_| chosen.is_none());
        let id = manifest.id.clone();
        let key = adapting.map_or(id.clone(), |adapting| format!("{id} with {}", adapting.name));
        let mut loaded = self.loaded.lock();
        if let Some(known) = loaded.get(&key) {
            return Ok(known.clone());
        }
        let files = match (chosen, adapting) {
            (Some(AdapterChoice::Folder(folder)), _) => Some(AdapterFiles::read(folder)?),
            (None, Some(adapting)) => Some(AdapterFiles::built_in(&id, &adapting.name)?),
            _ => None,
        };
        let style = adapting.map_or(&manifest.prompt, |adapting| &adapting.prompt).clone();
        let search = adapting.map_or(manifest.search, |adapting| adapting.search);
        let search = search.unwrap_or(Search::GREEDY);
        let search = Search { beams: self.settings.beams.unwrap_or(search.beams), ..search };
        let weights = self.fetch(&resolved, observer)?;
        observer.event(Event::Loading { model: &key });
        let mut engine = Engine::load(&id, &weights.path, &self.backend)?;
        let adapter = files.map(|files| files.load(&id, &mut engine)).transpose()?;
        let judging = manifest.judge.as_ref();
        let probe = judging
            .and_then(|judging| Some(Probe::of(judging.probe.as_ref()?, judging.levels, &engine)));
        let probe = probe.transpose().map_err(|reason| Error::Model {
            model: id,
            reason,
            hint: "mend its manifest, or remove `judge` and the role `entail` from it".into(),
        })?;
        let new = Arc::new(Loaded {
            sha256: weights.sha256,
            engine,
            adapter,
            style,
            search,
            probe,
            manifest: resolved.manifest,
        });
        loaded.insert(key, new.clone());
        Ok(new)
    }

    /// What judges claims: the model that the user named for it, else the one that `summarises`.
    fn referee(&self, summarises: &Arc<Loaded>, observer: &mut dyn Observer) -> Result<Referee> {
        let Some(model) = &self.settings.judge else {
            return Ok(Referee::Generating(summarises.clone()));
        };
        let resolved = self.named(model, Role::Entail, "judges no claims")?;
        let levels = match &resolved.manifest.judge {
            Some(Judging { probe: None, levels }) => *levels,
            _ => {
                return self
                    .load_resolved(resolved, false, None, observer)
                    .map(Referee::Generating);
            }
        };
        let id = resolved.manifest.id.clone();
        let mut known = self.entailer.lock();
        let entailer = match &*known {
            Some(known) => known.clone(),
            None => {
                let weights = self.fetch(&resolved, observer)?;
                observer.event(Event::Loading { model: &id });
                if !resolved.manifest.tried {
                    observer.event(Event::Note(&format!(
                        "{id}: nobody has measured how well it judges; its levels are another model's"
                    )));
                }
                known.insert(Arc::new(Entailer::load(&id, &weights.path)?)).clone()
            }
        };
        Ok(Referee::Entailing(entailer, levels, id))
    }

    /// The model that the user named for a job.
    fn named(&self, model: &str, role: Role, lacks: &str) -> Result<Resolved> {
        let resolved = hub::resolve(&self.catalogue, model)?;
        if resolved.manifest.roles.contains(&role) {
            return Ok(resolved);
        }
        Err(Error::NoModel {
            reason: format!("{model} {lacks}"),
            hint: "`brief models list` shows what each model is for".into(),
        })
    }

    /// The embedding model.
    ///
    /// # Errors
    /// It can't be had or loaded; an interruption.
    pub fn embedder(&self, observer: &mut dyn Observer) -> Result<Arc<Embedder>> {
        self.embedding(observer)?.map_err(|reason| Error::NoModel {
            reason: format!("there is no embedding model: {reason}"),
            hint: "`brief models list` shows the models whose job is embed".into(),
        })
    }

    /// The embedding model, or why there is none: the checks can do without, unless one was named.
    ///
    /// # Errors
    /// An interruption, or what isn't about the model; whatever is wrong with a named one.
    fn embedding(&self, observer: &mut dyn Observer) -> Result<Embedding> {
        let mut known = self.embedding.lock();
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut load = || {
            let resolved = match &self.settings.embedder {
                Some(model) => self.named(model, Role::Embed, "embeds no sentences")?,
                None => self.resolve(Role::Embed, None)?.0,
            };
            let weights = self.fetch(&resolved, observer)?;
            let recipe = resolved.manifest.embedding.unwrap_or_default();
            if recipe.scale.is_none() {
                observer.event(Event::Note(&format!(
                    "{}: how it spreads likenesses is measured; the checks' levels were found with \
                     another model",
                    resolved.manifest.id
                )));
            }
            Embedder::load(&resolved.manifest.id, &weights.path, &recipe)
        };
        let found = match load() {
            Ok(embedder) => Ok(Arc::new(embedder)),
            Err(error) if self.settings.embedder.is_some() => return Err(error),
            Err(error @ (Error::NoModel { .. } | Error::Model { .. })) => {
                observer.event(Event::Note(&error.to_string()));
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        Ok(known.insert(found).clone())
    }

    /// A model's weights, fetched if they aren't here.
    fn fetch(&self, resolved: &Resolved, observer: &mut dyn Observer) -> Result<Weights> {
        let manifest = &resolved.manifest;
        let mut how = Pull {
            network: if self.settings.offline { Network::Offline } else { Network::Online },
            accept_licence: self.settings.accept_licence,
            force: false,
        };
        if !how.accept_licence && !self.store.licence_accepted(manifest) {
            how.accept_licence = observer.accepts_licence(manifest);
        }
        resolved.weights(&self.store, how, &mut Fetching(observer))
    }

    /// The model that the user named, if it does this job, or the best able one; and whether it is
    /// the named one.
    fn resolve(&self, role: Role, family: Option<&str>) -> Result<(Resolved, bool)> {
        if let Some(model) = &self.settings.model {
            let resolved = hub::resolve(&self.catalogue, model)?;
            if resolved.manifest.roles.contains(&role) {
                return Ok((resolved, true));
            }
            // A translator that writes no summaries leaves them to the model that does.
            if role == Role::Translate {
                return Err(Error::NoModel {
                    reason: format!("{model} does not translate"),
                    hint: "`brief models list` shows the models that do".into(),
                });
            }
        }
        let choice = hub::choose(&self.catalogue, &self.store, role, family, Memory::now())?;
        Ok((Resolved { manifest: choice.manifest.clone(), path: None }, false))
    }
}

/// Tells a pipeline's observer how a fetch goes.
pub struct Fetching<'a>(pub &'a mut dyn Observer);

impl hub::Progress for Fetching<'_> {
    fn event(&mut self, event: hub::Event<'_>) {
        match event {
            hub::Event::Source { file, source } => {
                self.0.event(Event::Note(&format!("fetching {file} from {source}")));
            }
            hub::Event::Bytes { file, done, total } => {
                self.0.event(Event::Download { file, done, total });
            }
            hub::Event::Failed { file, source, reason, next } => {
                let next = next.map_or_else(String::new, |n| format!("; trying {n}"));
                self.0.event(Event::Note(&format!("{file}: {source}: {reason}{next}")));
            }
            hub::Event::Waiting { model } => {
                self.0.event(Event::Note(&format!("{model} is being fetched by another process")));
            }
            hub::Event::Checking { .. } | hub::Event::Stored { .. } => {}
        }
    }

    fn cancelled(&self) -> bool {
        self.0.interrupted()
    }
}

fn translator<'a>(model: &'a Loaded, prompts: &'a Prompts) -> Translator<'a> {
    let Loaded { engine, style, search, .. } = model;
    Translator { engine, prompts, style, search: *search }
}

fn translation_by(model: &Loaded, language: Language, segments: Vec<Segment>) -> Translation {
    let quality = model.manifest.languages.get(language.family()).copied();
    Translation {
        model: model.manifest.id.clone(),
        model_sha256: model.sha256.clone(),
        adapter: model.adapter.clone(),
        embedder: None,
        quality: quality.map_or("unrated", Quality::word).to_owned(),
        warnings: warnings(language, quality, &model.manifest),
        segments,
    }
}

/// Whether a model may be tried on a language: those of one language write nonsense from all others.
fn knows(manifest: &Manifest, family: &str) -> Result<()> {
    let mut languages = manifest.languages.keys();
    match (languages.next(), languages.next()) {
        (Some(only), None) if manifest.architecture == "marian" && only != family => {
            Err(Error::NoModel {
                reason: format!(
                    "{} translates from `{only}` only, not from `{family}`",
                    manifest.id
                ),
                hint: "`brief models list` shows what the known models translate from".into(),
            })
        }
        _ => Ok(()),
    }
}

/// What the reader must know of a translation of that quality.
fn warnings(language: Language, quality: Option<Quality>, manifest: &Manifest) -> Vec<String> {
    let name = language.english_name();
    let better = "`brief models list` shows better models; choose one with --model";
    match quality {
        Some(Quality::Good | Quality::Fair) => Vec::new(),
        Some(Quality::Gist) => vec![format!(
            "The translation from {name} gives the gist only: names, numbers and who did what can \
             be wrong. {better}."
        )],
        None if manifest.tried => vec![format!(
            "{} is not able to translate from {name}: what it writes may have nothing to do with \
             the article. {better}.",
            manifest.id
        )],
        None => vec![format!(
            "Nothing is known of how well this model translates from {name}. {better}."
        )],
    }
}

fn assemble(article: Article, mut translation: Translation) -> Brief {
    if article.source.broken > 0 {
        translation.warnings.push(format!(
            "{} bytes of the source file are damaged (not {}); what stood there is lost.",
            article.source.broken,
            article.source.encoding.name()
        ));
    }
    let title =
        article.sentences.iter().find(|s| s.kind == BlockKind::Title).map(|s| s.text.clone());
    Brief {
        schema: SCHEMA.into(),
        generator: format!("brief {}", env!("CARGO_PKG_VERSION")),
        source: SourceInfo {
            bytes: article.source.bytes.len(),
            encoding: article.source.encoding.name().into(),
            language: article.language.tag().into(),
            title,
            date: article.date,
            path: article.source.path,
            sha256: article.source.sha256,
        },
        blocks: article.blocks,
        sentences: article.sentences,
        translation,
        summary: None,
    }
}

fn watch(observer: &mut dyn Observer) -> impl FnMut(usize, usize) -> bool + '_ {
    |sentences, tokens| {
        observer.event(Event::Progress { sentences, tokens });
        !observer.interrupted()
    }
}
