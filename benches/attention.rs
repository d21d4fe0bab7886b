//! `cargo bench --bench attention`: the attention kernel over caches of several lengths, decoding
//! (one query) and prefill (a tile of queries). Throughput is in cached rows read.

use std::hint::black_box;

use brief::engine::{
    kernels::{Attention, attend},
    kv::LayerKv,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Heads of Qwen2.5-1.5B: 128 floats, 2 KV heads, 6 query heads each.
const HEAD_SIZE: usize = 128;
const KV_HEADS: usize = 2;
const GROUP: usize = 6;

fn attention(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention");
    for cached in [128, 512, 2_048] {
        let wave = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
        let row = KV_HEADS * HEAD_SIZE;
        let mut kv = LayerKv::default();
        wave(cached * row).chunks_exact(row).for_each(|token| kv.push(token, token));
        for rows in [1, 8] {
            let queries = wave(rows * GROUP * HEAD_SIZE);
            let positions = vec![cached - 1; rows * GROUP];
            let (mut scores, mut out) = (Vec::new(), vec![0f32; queries.len()]);
            let a = Attention {
                head_size: HEAD_SIZE,
                kv_heads: KV_HEADS,
                kv_head: 0,
                scale: 0.088,
                window: usize::MAX,
            };
            group.throughput(Throughput::Elements(cached as u64));
            group.bench_function(BenchmarkId::new(format!("{rows} rows"), cached), |bencher| {
                bencher.iter(|| {
                    attend(a, black_box(&[&kv]), &queries, &positions, &[], &mut scores, &mut out);
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, attention);
criterion_main!(benches);
