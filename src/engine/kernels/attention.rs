//! Softmax attention of a few queries over one KV head.

#![allow(clippy::indexing_slicing)] // inner loops; the bounds are asserted at the top

use super::{super::kv::LayerKv, elementwise::exp, multiversion};

/// What every query of a call shares.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Floats in one head.
    pub head_size: usize,
    /// KV heads in a cached row.
    pub kv_heads: usize,
    /// The KV head that the queries read.
    pub kv_head: usize,
    /// Multiplies the dot products.
    pub scale: f32,
    /// How many positions a query sees, itself included; `usize::MAX` for all.
    pub window: usize,
}

/// Lanes that a dot product sums apart: floating-point addition isn't associative, so the compiler
/// vectorises only what is written in lanes.
const LANES: usize = 16;

#[inline(always)]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0] + x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum::<f32>()
}

multiversion! {
    /// Attends `queries` (each of `head_size` floats at `positions[i]`) over the cached `pieces`, and
    /// writes one row of `head_size` floats a query into `out`. A query sees positions `0..=its own`,
    /// as far back as the window reaches. Results don't depend on how queries are grouped in calls.
    pub fn attend(
        a: Attention,
        pieces: &[&LayerKv],
        queries: &[f32],
        positions: &[usize],
        out: &mut [f32],
    ) {
        assert_eq!(queries.len(), positions.len() * a.head_size);
        assert_eq!(out.len(), queries.len());
        let Attention { head_size, kv_heads, kv_head, scale, window } = a;
        let stride = kv_heads * head_size;
        let from = kv_head * head_size;
        let Some(last) = positions.iter().copied().max() else { return };
        let seen = last + 1;
        let first_of = |position: usize| (position + 1).saturating_sub(window);
        let first = positions.iter().map(|p| first_of(*p)).min().unwrap_or(0);
        let width = seen - first;
        let mut scores = vec![0f32; positions.len() * width];

        // Every cached row is read once for all queries of the call.
        let mut key_position = 0;
        for piece in pieces {
            let rows = piece.keys.len() / stride;
            for row in 0..rows {
                let p = key_position + row;
                if p >= first && p < seen {
                    let key = &piece.keys[row * stride + from..][..head_size];
                    for (q, query) in queries.chunks_exact(head_size).enumerate() {
                        scores[q * width + p - first] = dot(query, key) * scale;
                    }
                }
            }
            key_position += rows;
        }
        for (q, position) in positions.iter().enumerate() {
            let scores = &mut scores[q * width..][..width];
            let (begin, end) = (first_of(*position) - first, position + 1 - first);
            scores[..begin].fill(0.0);
            scores[end..].fill(0.0);
            let visible = &mut scores[begin..end];
            let max = visible.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0f32;
            for s in visible.iter_mut() {
                *s = exp(*s - max);
            }
            for s in visible.iter() {
                sum += *s;
            }
            for s in visible.iter_mut() {
                *s /= sum;
            }
        }
        out.fill(0.0);
        let mut value_position = 0;
        for piece in pieces {
            let rows = piece.values.len() / stride;
            for row in 0..rows {
                let p = value_position + row;
                if p >= first && p < seen {
                    let value = &piece.values[row * stride + from..][..head_size];
                    for (q, out) in out.chunks_exact_mut(head_size).enumerate() {
                        let weight = scores[q * width + p - first];
                        if weight != 0.0 {
                            for (o, v) in out.iter_mut().zip(value) {
                                *o += weight * v;
                            }
                        }
                    }
                }
            }
            value_position += rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect()
    }

    /// The definition, in f64, one query and one position at a time.
    fn reference(a: Attention, kv: &LayerKv, query: &[f32], position: usize) -> Vec<f32> {
        let stride = a.kv_heads * a.head_size;
        let from = a.kv_head * a.head_size;
        let first = (position + 1).saturating_sub(a.window);
        let scores: Vec<f64> = (first..=position)
            .map(|p| {
                let key = &kv.keys[p * stride + from..][..a.head_size];
                let dot: f64 =
                    query.iter().zip(key).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                dot * f64::from(a.scale)
            })
            .collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        (0..a.head_size)
            .map(|i| {
                let total: f64 = (first..=position)
                    .zip(&scores)
                    .map(|(p, s)| {
                        (s - max).exp() / sum * f64::from(kv.values[p * stride + from + i])
                    })
                    .sum();
                total as f32
            })
            .collect()
    }

    #[test]
    fn agrees_with_the_definition_across_pieces_windows_and_groupings() {
        for (head_size, kv_heads, window) in [(64, 3, usize::MAX), (128, 2, 5), (20, 1, 512)] {
            let tokens = 37;
            let row = kv_heads * head_size;
            let whole = LayerKv { keys: noise(tokens * row, 1), values: noise(tokens * row, 2) };
            let cut = 11 * row;
            let parts = [
                LayerKv { keys: whole.keys[..cut].to_vec(), values: whole.values[..cut].to_vec() },
                LayerKv { keys: whole.keys[cut..].to_vec(), values: whole.values[cut..].to_vec() },
            ];
            let pieces: Vec<&LayerKv> = parts.iter().collect();
            let positions = [0, 4, 11, 30, 36];
            let queries = noise(positions.len() * head_size, 3);
            for kv_head in 0..kv_heads {
                let a = Attention { head_size, kv_heads, kv_head, scale: 0.125, window };
                let mut together = vec![0f32; queries.len()];
                attend(a, &pieces, &queries, &positions, &mut together);
                for (i, position) in positions.iter().enumerate() {
                    let query = &queries[i * head_size..][..head_size];
                    let mut alone = vec![0f32; head_size];
                    attend(a, &pieces, query, &[*position], &mut alone);
                    assert_eq!(
                        alone,
                        together[i * head_size..][..head_size],
                        "grouping changed a result"
                    );
                    for (got, want) in alone.iter().zip(reference(a, &whole, query, *position)) {
                        assert!((got - want).abs() < 1e-5, "{got} {want}");
                    }
                }
            }
        }
    }
}
