//! `cargo bench --bench matmul`: the product of activations with quantised weights, for the formats
//! and shapes of the models that tests run, by rows of activations and by instruction set.
//! Throughput is in multiplications.

use std::hint::black_box;

use brief::engine::kernels::{Activations, Format, Kernel, Packed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Qwen2.5-1.5B's feed-forward layers, Gemma 3 270M's, and the English part of its output.
const SHAPES: [(Format, usize, usize); 5] = [
    (Format::Q4K, 8_960, 1_536),
    (Format::Q6K, 1_536, 8_960),
    (Format::Q5_0, 2_048, 640),
    (Format::Q6K, 640, 2_048),
    (Format::Q8_0, 163_840, 640),
];

fn matmul(criterion: &mut Criterion) {
    for (format, out, columns) in SHAPES {
        let mut group = criterion.benchmark_group(format!("{format:?} {out}x{columns}"));
        // Speed doesn't depend on the weights, as long as they are numbers.
        let size = out * columns / format.weights() * format.bytes();
        let data: Vec<u8> = (0..size).map(|i| (i * 7 % 61) as u8 & 0x3b).collect();
        let lines: Vec<&[u8]> = data.chunks_exact(size / out).collect();
        let weight = Packed::new(format, columns, &lines);
        for rows in [1, 8, 24, 256] {
            let x: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * 0.37).sin()).collect();
            group.throughput(Throughput::Elements((rows * out * columns) as u64));
            for kernel in Kernel::available().filter(|kernel| *kernel != Kernel::Plain) {
                let id = BenchmarkId::new(format!("{kernel:?}"), rows);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        let x = Activations::new(black_box(&x), columns, weight.unit());
                        weight.forward(kernel, &x)
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, matmul);
criterion_main!(benches);
