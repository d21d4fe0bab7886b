//! What was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::{DeviceChoice, Search, convert::Format, random::RandomType};

const EXAMPLES: &str = "\
Examples:
  brief summarize article.txt                     a short summary with its sources, on the screen
  brief summarize articles/ -o briefs/ --format html
                                                  a page for every article of a folder
  brief summarize articles/ --digest              what all of them tell together, and where they
                                                  disagree
  brief translate article.html -o article.md      the whole article in English
  brief translate --format json a.txt -o a.json   ... as data; then, without translating again:
  brief summarize a.json
  brief show a.json                               a brief that was written as data, as text
  brief translate --lines --from de < lines.txt   one sentence a line in, one line out
  brief models list                               which models there are, and which fit here

Sources: German, Chinese (traditional and simplified) and Bengali; .txt, .md and .html files.

Exit codes: 0 all done, 1 some articles failed, 2 wrong usage, 3 no model that can do the job,
130 interrupted.";

const CONFIGURATION: &str = "\
Every option can also be set by its environment variable, shown in brackets, or in the
configuration file ([env: BRIEF_CONFIG=], by default brief/config.toml in the platform's
configuration folder), under its long name:

  model = \"qwen2.5-coder-1.5b-instruct-q4_k_m\"
  device = \"cpu\"
  threads = 4
  format = \"html\"
  offline = true

An option on the command line wins over the variable, and the variable over the file. NO_COLOR
is honoured; HF_HOME, HF_ENDPOINT and HF_TOKEN are used where models come from the hub.";

/// The features that this build has, for `--version`.
#[must_use]
pub fn version() -> String {
    let mut features = vec!["cpu"];
    if cfg!(feature = "cuda") {
        features.push("cuda");
    }
    if cfg!(feature = "metal") {
        features.push("metal");
    }
    format!("{} (features: {})", env!("CARGO_PKG_VERSION"), features.join(", "))
}

/// Translates Chinese, Bengali and German news into English and summarises it, on this machine;
/// every sentence of a summary points to the bytes of the article that it comes from.
#[derive(Debug, Parser)]
#[command(name = "brief", version = version(), after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Translate articles into English
    #[command(after_long_help = CONFIGURATION)]
    Translate(Translate),
    /// Summarise articles in English; every sentence cites its source
    #[command(visible_alias = "summarise", after_long_help = CONFIGURATION)]
    Summarize(Summarize),
    /// Show briefs in the terminal: what `--format json` wrote, as text
    Show(Show),
    /// Check briefs again, against the files that they were made from
    #[command(after_long_help = VERIFY)]
    Verify(Verify),
    /// Score translations against references, and summaries by their citations
    Eval(Eval),
    /// Measure how fast this machine runs a model
    #[command(after_long_help = BENCH)]
    Bench(Bench),
    /// List, fetch, check and remove models
    Models(Models),
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `brief translate`.
#[derive(Debug, Args)]
pub struct Translate {
    /// Take one sentence a line and give exactly one line for each, in order
    #[arg(long)]
    pub lines: bool,
    /// With --lines: the lines are one text, each to be read after those before it; empty lines
    /// part paragraphs
    #[arg(long, requires = "lines")]
    pub connected: bool,
    /// What translate and summarize have in common.
    #[command(flatten)]
    pub common: Common,
}

/// `brief show`.
#[derive(Debug, Args)]
pub struct Show {
    /// What `--format json` wrote: files with one brief, or with one a line; `-` for standard input
    #[arg(required = true, value_name = "BRIEF.json")]
    pub briefs: Vec<PathBuf>,
    /// Everything in which a summary sentence was compared with what it cites, with the scores
    #[arg(long)]
    pub evidence: bool,
    /// The parts of the file that were left out, where they stood
    #[arg(long)]
    pub dropped: bool,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: clap::ColorChoice,
}

/// `brief verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// What `--format json` wrote: files with one brief, or with one a line
    #[arg(required = true, value_name = "BRIEF.json")]
    pub briefs: Vec<PathBuf>,
    /// Compute the sentence embeddings again too, with the model that `brief models` lists for it
    #[arg(long)]
    pub deep: bool,
    /// With --deep: another model id or folder for them
    #[arg(long, value_name = "ID|FOLDER", env = "BRIEF_EMBEDDER")]
    pub embedder: Option<String>,
    /// With --deep: where models are kept
    #[arg(long, value_name = "FOLDER", env = "BRIEF_MODELS_DIR")]
    pub models_dir: Option<PathBuf>,
    /// With --deep: never use the network
    #[arg(long, env = "BRIEF_OFFLINE", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub offline: Option<bool>,
    /// Folder that the articles' paths start from [default: this one, then the brief's own]
    #[arg(long, value_name = "FOLDER")]
    pub sources: Option<PathBuf>,
    /// Only what fails
    #[arg(long, short)]
    pub quiet: bool,
}

const VERIFY: &str = "\
Checked are, without a model: that the file is the one the brief was made from, that its bytes say \
what each sentence and quotation gives, that the checks of the translation find what the flags say, \
and that each claim's verdict is what the support checks find. What models judged is taken as the \
brief gives it; with --deep, the sentence embeddings are computed again too. Exit code 0 only if all \
of it holds.";

/// `brief summarize`.
#[derive(Debug, Args)]
pub struct Summarize {
    /// Sentences in the summary, 1 to 10 [default: 3]
    #[arg(long, short = 'n', value_name = "N", env = "BRIEF_SENTENCES", value_parser = clap::value_parser!(u8).range(1..=10))]
    pub sentences: Option<u8>,
    /// Fail an article when the model's summary says what the article doesn't, instead of taking
    /// over a sentence of the article in its place
    #[arg(long, env = "BRIEF_STRICT", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub strict: Option<bool>,
    /// One brief over all articles: what several tell, where they disagree, what each tells alone
    #[arg(long)]
    pub digest: bool,
    /// What translate and summarize have in common.
    #[command(flatten)]
    pub common: Common,
}

/// Options of both jobs.
#[derive(Debug, Args)]
pub struct Common {
    /// Files, folders (.txt, .md, .html), or `-` for standard input
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// File, or folder for several inputs [default: standard output]
    #[arg(long, short, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Output format [default: md]
    #[arg(long, value_enum, env = "BRIEF_FORMAT")]
    pub format: Option<FormatArg>,
    /// Model id or folder for comparing meanings by sentence embeddings [default: the model that the checks were made with]
    #[arg(long, value_name = "ID|FOLDER", env = "BRIEF_EMBEDDER")]
    pub embedder: Option<String>,
    /// Model id or folder for judging whether the source says what a summary says [default: the model
    /// that writes the summary, if it can]
    #[arg(long, value_name = "ID|FOLDER", env = "BRIEF_JUDGE")]
    pub judge: Option<String>,
    /// How it is done.
    #[command(flatten)]
    pub running: Running,
}

impl Common {
    /// With the usual format, embedder and judge.
    pub fn usual(paths: Vec<PathBuf>, out: Option<PathBuf>, running: Running) -> Self {
        Self { paths, out, format: None, embedder: None, judge: None, running }
    }
}

/// Which model does the work, and how.
#[derive(Debug, Args)]
pub struct Running {
    /// Source language [default: auto]
    #[arg(long, value_enum, env = "BRIEF_FROM")]
    pub from: Option<From>,
    /// Model id (see `brief models list`), GGUF file, or folder [default: the best for the language]
    #[arg(long, value_name = "ID|PATH", env = "BRIEF_MODEL")]
    pub model: Option<String>,
    /// An adapter over that model: a folder as PEFT saves it, or `none` to leave out the one that the
    /// model comes with
    #[arg(long, value_name = "FOLDER|none", env = "BRIEF_ADAPTER")]
    pub adapter: Option<PathBuf>,
    /// Hypotheses to follow while translating; more is slower, and often better [default: the
    /// model's]
    #[arg(long, value_name = "N", env = "BRIEF_BEAMS", value_parser = clap::value_parser!(u8).range(1..=i64::from(Search::MOST_BEAMS)))]
    pub beams: Option<u8>,
    /// Where to compute: auto, cpu, cuda, cuda:N or metal; cpu:candle for the reference that
    /// `cpu` is measured against [default: auto]
    #[arg(long, env = "BRIEF_DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Threads to compute with [default: one a core]
    #[arg(long, value_name = "N", env = "BRIEF_THREADS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Never use the network
    #[arg(long, env = "BRIEF_OFFLINE", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub offline: Option<bool>,
    /// Accept the licence terms of a model that is fetched
    #[arg(long, env = "BRIEF_ACCEPT_LICENCE", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0, default_missing_value = "true")]
    pub accept_licence: Option<bool>,
    /// Where models are kept
    #[arg(long, value_name = "FOLDER", env = "BRIEF_MODELS_DIR")]
    pub models_dir: Option<PathBuf>,
    /// Prompt templates that replace the built-in ones of the same name
    #[arg(long, value_name = "FOLDER", env = "BRIEF_PROMPTS_DIR")]
    pub prompts_dir: Option<PathBuf>,
    /// Say only what goes wrong
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatArg {
    /// Markdown with footnotes
    Md,
    /// The `brief/1` document
    Json,
    /// One self-contained page
    Html,
}

/// Source languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// Identified for each article
    Auto,
    /// Chinese, either script
    Zh,
    /// Bengali
    Bn,
    /// German
    De,
}

/// `brief eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// What to score.
    #[command(subcommand)]
    pub command: EvalCommand,
}

/// The things that can be scored.
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// chrF, BLEU and TER of translated lines, as sacrebleu computes them
    #[command(after_long_help = EVAL_TRANSLATION)]
    Translation(Box<EvalTranslation>),
    /// How well the summaries of finished briefs are traced: verdicts, citation recall and precision
    #[command(after_long_help = EVAL_TRACE)]
    Trace(EvalTrace),
}

/// `brief eval translation`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("translated").args(["source", "hypothesis"]).required(true)))]
pub struct EvalTranslation {
    /// Lines to translate, as `brief translate --lines` does, and to score
    #[arg(long, value_name = "FILE")]
    pub source: Option<PathBuf>,
    /// Lines that are translated already, to score as they are
    #[arg(long, value_name = "FILE")]
    pub hypothesis: Option<PathBuf>,
    /// The right translations, a line for each line
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// With --source: the lines are one text, each to be read after those before it
    #[arg(long, conflicts_with = "hypothesis")]
    pub connected: bool,
    /// With --source: where to keep the translated lines
    #[arg(long, short, value_name = "FILE", conflicts_with = "hypothesis")]
    pub out: Option<PathBuf>,
    /// With --source: how it is translated.
    #[command(flatten)]
    pub running: Running,
}

const EVAL_TRANSLATION: &str = "\
Examples:
  brief eval translation --source de.txt --reference en.txt --from de
  brief eval translation --hypothesis out.txt --reference en.txt --json

More is better for chrF and BLEU (0 to 100), less for TER (edits in 100 words). The scores are \
those of sacrebleu 2.6 with its defaults; a signature tells each metric's settings.";

/// `brief eval trace`.
#[derive(Debug, Args)]
pub struct EvalTrace {
    /// What `brief summarize --format json -o FOLDER` wrote
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Folder with a summary by hand of each article: ARTICLE.summary.txt for ARTICLE.txt
    #[arg(long, value_name = "FOLDER")]
    pub references: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

const EVAL_TRACE: &str = "\
Examples:
  brief eval trace briefs/
  brief eval trace briefs/ --references tests/samples --json

Supported, partly and unsupported are the verdicts in the briefs. Citation recall and precision \
follow the ALCE benchmark, with the checks that need no model as the judge: recall is the share of \
claims that what they cite supports; precision is the share of citations that support a claim \
alone, or that it needs. ROUGE is Google's, without stemming; citation marks like [3] in a \
reference don't count.";

/// `brief bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Articles, or folders of them, to translate and summarise, beginning with no model loaded
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Prompts to read, in tokens
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "256,1024", value_parser = tokens)]
    pub prefill: Vec<usize>,
    /// How many sequences to decode together
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,4,8,16,32,64", value_parser = sequences)]
    pub batch: Vec<usize>,
    /// Tokens that stand before each sequence while it decodes
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = tokens)]
    pub context: usize,
    /// Tokens that each sequence decodes
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = tokens)]
    pub tokens: usize,
    /// How often each prompt is read; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    pub repeat: u8,
    /// A model of that shape with random weights instead of a real one: see the examples below
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    pub shape: Option<String>,
    /// With --shape: the type of the weights
    #[arg(long, value_name = "TYPE", value_enum, requires = "shape", default_value = "q4_k")]
    pub weights: RandomType,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// An earlier run's JSON, to show beside each rate how many times as fast it is
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub compare: Option<PathBuf>,
    /// What is measured, and how it runs.
    #[command(flatten)]
    pub running: Running,
}

fn tokens(text: &str) -> Result<usize, String> {
    within(text, 32_768)
}

fn sequences(text: &str) -> Result<usize, String> {
    within(text, 1_024)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("not a number from 1 to {most}"))
}

const BENCH: &str = "\
Examples:
  brief bench                                     prompts and batches through the default translator
  brief bench articles/ --json > before.json      and a folder, from cold start to last brief
  brief bench articles/ --compare before.json     how many times as fast it is now
  brief bench --model model.gguf --batch 1,2,4 --threads 4
  brief bench --device cuda --shape qwen3-4b --weights bf16 --batch 1,8,64,256

What a decoding step reads (the weights once, every sequence's cache) and multiplies is shown as a \
share of what the machine was measured to read and multiply. Times are medians. Shapes: \
qwen2.5-1.5b, qwen2.5-7b, qwen3-0.6b, qwen3-4b, qwen3-8b.";

/// `brief models`.
#[derive(Debug, Args)]
pub struct Models {
    /// What to do.
    #[command(subcommand)]
    pub command: ModelsCommand,
    /// Where models are kept
    #[arg(long, value_name = "FOLDER", env = "BRIEF_MODELS_DIR", global = true)]
    pub models_dir: Option<PathBuf>,
    /// Never use the network
    #[arg(long, global = true)]
    pub offline: bool,
    /// Say only what goes wrong
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// The commands about models.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Which models there are, which fit this machine, and which is best for what
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one model
    Info {
        /// Its id
        id: String,
    },
    /// Fetch models
    Pull {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Fetch again what is already there
        #[arg(long)]
        force: bool,
        /// Accept their licence terms
        #[arg(long, env = "BRIEF_ACCEPT_LICENCE", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0, default_missing_value = "true")]
        accept_licence: Option<bool>,
    },
    /// Compute the checksums of installed models again
    Verify {
        /// Their ids [default: all that are installed]
        ids: Vec<String>,
    },
    /// Load a model of your own, say what it is, and find out whether it is computed rightly
    Check {
        /// Its id, its GGUF file, or its folder
        model: String,
        /// What a reference implementation computed, to compare with (see tests/reference/record_any.py)
        #[arg(long, value_name = "FILE")]
        reference: Option<PathBuf>,
        /// How far a logit may be from the reference's, as a share of the largest. Weights of 4 bits
        /// with activations of 8 come within 0.05 of the same weights in full precision
        #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
        tolerance: f32,
        /// Where to compute: auto, cpu, cpu:candle, cuda, cuda:N or metal
        #[arg(long, env = "BRIEF_DEVICE", default_value = "cpu")]
        device: DeviceChoice,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a folder of safetensors, as the hub lays it out, as one quantised GGUF file, which
    /// llama.cpp loads too, and compare what was written with what was read
    Convert {
        /// The folder
        folder: PathBuf,
        /// The file to write
        #[arg(long, short, value_name = "FILE.gguf")]
        output: PathBuf,
        /// f32, q8_0 or q4_k
        #[arg(long, default_value = "q8_0")]
        format: Format,
    },
    /// Print where a model's weights are, or the folder of all models
    Path {
        /// Its id
        id: Option<String>,
    },
    /// Remove models
    Rm {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
}
