//! `MODEL=FOLDER BATCHES=1,8 cargo bench --bench translators`: how fast candle-transformers' Marian or T5
//! is with a model as the hub lays it out; `translators.py` runs it. Prints JSON: tokens of a source read
//! in a second, and tokens written, by sequences that are written together.

use std::{
    env,
    path::Path,
    process::exit,
    time::{Duration, Instant},
};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{marian, t5};
use serde_json::{Map, Value, json};

/// Tokens of a source, and those that are written; as in translators.py.
const SOURCE: usize = 32;
const STEPS: usize = 64;
const ROUNDS: usize = 3;

type Failed = Box<dyn std::error::Error>;

enum Peer {
    Marian(Box<marian::MTModel>),
    T5(Box<t5::T5ForConditionalGeneration>),
}

impl Peer {
    fn load(folder: &Path) -> std::result::Result<Self, Failed> {
        let config = std::fs::read_to_string(folder.join("config.json"))?;
        let weights = std::fs::read(folder.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let kind: Value = serde_json::from_str(&config)?;
        Ok(if kind.get("model_type").is_some_and(|kind| kind == "t5") {
            let config = serde_json::from_str(&config)?;
            Self::T5(Box::new(t5::T5ForConditionalGeneration::load(weights, &config)?))
        } else {
            let config = serde_json::from_str(&config)?;
            Self::Marian(Box::new(marian::MTModel::new(&config, weights)?))
        })
    }

    /// Forgets what was written.
    fn begin(&mut self) {
        match self {
            Self::Marian(model) => model.reset_kv_cache(),
            Self::T5(model) => model.clear_kv_cache(),
        }
    }

    fn encode(&mut self, tokens: &Tensor) -> Result<Tensor> {
        match self {
            Self::Marian(model) => model.encoder().forward(tokens, 0),
            Self::T5(model) => model.encode(tokens),
        }
    }

    fn step(&mut self, tokens: &Tensor, encoded: &Tensor, written: usize) -> Result<Vec<f32>> {
        let logits = match self {
            Self::Marian(model) => model.decode(tokens, encoded, written),
            Self::T5(model) => model.decode(tokens, encoded),
        };
        logits?.flatten_all()?.to_vec1()
    }

    /// Seconds of reading sources, and of writing all but the first token behind them.
    fn seconds(&mut self, sequences: usize) -> Result<(f64, f64)> {
        let ids: Vec<u32> = (0..sequences * SOURCE).map(|i| (2 + 31 * i % 30_000) as u32).collect();
        let sources = Tensor::from_vec(ids, (sequences, SOURCE), &Device::Cpu)?;
        self.begin();
        let began = Instant::now();
        let encoded = self.encode(&sources)?;
        let read = began.elapsed();
        let mut written = Duration::ZERO;
        for step in 0..STEPS {
            let ids = vec![(2 + 7 * step) as u32; sequences];
            let ids = Tensor::from_vec(ids, (sequences, 1), &Device::Cpu)?;
            let began = Instant::now();
            std::hint::black_box(self.step(&ids, &encoded, step)?);
            if step > 0 {
                written += began.elapsed();
            }
        }
        Ok((read.as_secs_f64(), written.as_secs_f64()))
    }
}

fn rates() -> std::result::Result<Value, Failed> {
    let folder = env::var_os("MODEL").ok_or("MODEL must name a folder as the hub lays it out")?;
    let mut model = Peer::load(Path::new(&folder))?;
    let mut rates = Map::new();
    for sequences in env::var("BATCHES").as_deref().unwrap_or("1").split(',') {
        let sequences: usize = sequences.parse()?;
        let (mut read, mut written) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..ROUNDS {
            let (reading, writing) = model.seconds(sequences)?;
            (read, written) = (read.min(reading), written.min(writing));
        }
        if sequences == 1 {
            rates.insert("encode 1".into(), json!(SOURCE as f64 / read));
        }
        let tokens = (sequences * (STEPS - 1)) as f64;
        rates.insert(format!("decode {sequences}"), json!(tokens / written));
    }
    Ok(Value::Object(rates))
}

fn main() {
    match rates() {
        Ok(rates) => println!("{rates}"),
        Err(error) => {
            eprintln!("translators: {error}");
            exit(1)
        }
    }
}
