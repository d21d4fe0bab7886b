//! `MODEL=FILE.gguf cargo bench --bench passes`: whole passes of a qwen2 model, beside those of
//! candle-transformers on the same file. Throughput is in tokens.

use std::{
    env,
    path::Path,
    process::exit,
    time::{Duration, Instant},
};

use brief::engine::{Backend, Engine};
use candle_core::{Device, Tensor, quantized::gguf_file::Content};
use candle_transformers::models::quantized_qwen2::ModelWeights;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Tokens before a sequence that decodes.
const CONTEXT: usize = 64;

type Failed = Box<dyn std::error::Error>;

fn candle(path: &Path) -> Result<ModelWeights, Failed> {
    let mut file = std::fs::File::open(path)?;
    let content = Content::read(&mut file)?;
    Ok(ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?)
}

/// The logits of the last of so many tokens, the first of them at `position`.
fn forward(model: &mut ModelWeights, tokens: usize, position: usize) -> Duration {
    let ids: Vec<u32> = (0..tokens as u32).map(|i| 1_000 + i * 37 % 9_000).collect();
    let began = Instant::now();
    let logits = Tensor::new(ids, &Device::Cpu)
        .and_then(|ids| model.forward(&ids.unsqueeze(0)?, position)?.flatten_all()?.to_vec1());
    std::hint::black_box::<Vec<f32>>(logits.unwrap_or_else(|e| fail(&e.to_string())));
    began.elapsed()
}

fn fail(why: &str) -> ! {
    eprintln!("passes: {why}");
    exit(1)
}

fn passes(criterion: &mut Criterion) {
    let Some(path) = env::var_os("MODEL") else { fail("MODEL must name a qwen2 model in GGUF") };
    let path = Path::new(&path);
    let engine = Engine::load("bench", path, &Backend::cpu());
    let engine = engine.unwrap_or_else(|e| fail(&e.to_string()));
    let mut candle = candle(path).unwrap_or_else(|e| fail(&e.to_string()));

    let mut group = criterion.benchmark_group("prefill");
    group.sample_size(10);
    for tokens in [256, 1_024] {
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(BenchmarkId::new("brief", tokens), |bencher| {
            let once = || engine.time_prefill(tokens).unwrap_or_else(|e| fail(&e.to_string()));
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
        group.bench_function(BenchmarkId::new("candle", tokens), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| forward(&mut candle, tokens, 0)).sum());
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("decode");
    group.sample_size(10);
    for sequences in [1, 16] {
        group.throughput(Throughput::Elements(sequences as u64));
        group.bench_function(BenchmarkId::new("brief", sequences), |bencher| {
            bencher.iter_custom(|times| {
                let steps = engine.time_decode(sequences, CONTEXT, times as usize);
                steps.unwrap_or_else(|e| fail(&e.to_string())).iter().sum()
            });
        });
    }
    // candle-transformers' has one sequence.
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("candle", 1), |bencher| {
        bencher.iter_custom(|times| {
            forward(&mut candle, CONTEXT, 0);
            (0..times).map(|i| forward(&mut candle, 1, CONTEXT + i as usize)).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
