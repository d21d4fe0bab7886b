//! The gated delta rule (Yang et al. 2024, arXiv:2412.06464), and the short convolution before it.

use super::multiversion;

/// Sizes of a head in the gated delta rule, and where its floats stand in a row.
#[derive(Debug, Clone, Copy)]
pub struct DeltaHead {
    /// Floats of a query and of a key.
    pub key_size: usize,
    /// Floats of a value.
    pub value_size: usize,
    /// Where query, key and value begin in a row.
    pub at: [usize; 3],
    /// Floats of a row.
    pub width: usize,
}

multiversion! {
    /// Runs one head over `rows`, `[tokens, width]`. For each token the `state`, `[key_size,
    /// value_size]`, decays, is told by how much the value that it has for the key is wrong, and is
    /// asked for that of the query; `gates` are decay and strength of each token. Queries and keys are
    /// brought to length 1 first, queries then divided by the root of their size. `out` is `[tokens,
    /// value_size]`.
    pub fn delta_rule(
        head: DeltaHead,
        rows: &[f32],
        gates: &[(f32, f32)],
        state: &mut [f32],
        out: &mut [f32],
    ) {
        let DeltaHead { key_size, value_size, at: [query, key, value], width } = head;
        let mut correction = vec![0f32; value_size];
        let tokens = rows.chunks_exact(width.max(1)).zip(gates);
        for ((row, &(decay, strength)), out) in tokens.zip(out.chunks_exact_mut(value_size.max(1))) {
            let part = |from: usize, size: usize| row.get(from..).and_then(|row| row.get(..size));
            let (Some(query), Some(key), Some(value)) =
                (part(query, key_size), part(key, key_size), part(value, value_size))
            else {
                return;
            };
            let (of_query, of_key) = (shortened(query), shortened(key));
            let of_query = of_query / (key_size as f32).sqrt();
            correction.fill(0.0);
            for (line, key) in state.chunks_exact_mut(value_size).zip(key) {
                let key = key * of_key;
                for (x, sum) in line.iter_mut().zip(&mut correction) {
                    *x *= decay;
                    *sum += key * *x;
                }
            }
            for (correction, value) in correction.iter_mut().zip(value) {
                *correction = (value - *correction) * strength;
            }
            out.fill(0.0);
            for ((line, key), query) in state.chunks_exact_mut(value_size).zip(key).zip(query) {
                let (key, query) = (key * of_key, query * of_query);
                for ((x, correction), out) in line.iter_mut().zip(&correction).zip(out.iter_mut()) {
                    *x += key * correction;
                    *out += query * *x;
                }
            }
        }
    }
}

/// By what a vector is multiplied to have length 1.
#[inline(always)]
fn shortened(x: &[f32]) -> f32 {
    1.0 / (x.iter().map(|x| x * x).sum::<f32>() + 1e-6).sqrt()
}

multiversion! {
    /// A convolution over each channel for itself, and SiLU: `out[t, c] = silu(Σ weight[i, c] ·
    /// rows[t + i, c])`. `rows` are `[kernel - 1 + tokens, channels]`, `weight` `[kernel, channels]`,
    /// `out` `[tokens, channels]`.
    pub fn convolve(rows: &[f32], weight: &[f32], channels: usize, out: &mut [f32]) {
        let channels = channels.max(1);
        for (t, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(0.0);
            let rows = rows.chunks_exact(channels).skip(t);
            for (row, weight) in rows.zip(weight.chunks_exact(channels)) {
                for ((out, x), weight) in out.iter_mut().zip(row).zip(weight) {
                    *out += weight * x;
                }
            }
            for x in out.iter_mut() {
                *x /= 1.0 + super::elementwise::exp(-*x);
            }
        }
    }
}
