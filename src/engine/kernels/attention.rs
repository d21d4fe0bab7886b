//! Softmax attention of a few queries over one KV head.

#![allow(clippy::indexing_slicing)] // inner loops; the bounds are asserted at the top

use pulp::{Arch, Simd, WithSimd};

use super::{
    super::kv::{LayerKv, PAGE},
    elementwise::exp,
};

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

/// Queries that are multiplied at once, at most.
const TILE: usize = 8;

/// Calls `$tile` with as many queries as there are.
macro_rules! by_queries {
    ($count:expr, $tile:ident($($arg:expr),*)) => {
        match $count {
            1 => $tile::<S, 1>($($arg),*),
            2 => $tile::<S, 2>($($arg),*),
            3 => $tile::<S, 3>($($arg),*),
            4 => $tile::<S, 4>($($arg),*),
            5 => $tile::<S, 5>($($arg),*),
            6 => $tile::<S, 6>($($arg),*),
            7 => $tile::<S, 7>($($arg),*),
            _ => $tile::<S, TILE>($($arg),*),
        }
    };
}

/// Attends `queries` (each of `head_size` floats at `positions[i]`) over the cached `pieces`, and
/// writes one row of `head_size` floats a query into `out`. A query sees positions `0..=its own`,
/// as far back as the window reaches. Results don't depend on how queries are grouped in calls, and
/// are the same bits on every instruction set.
///
/// `biases`, if there are any, are added to the scores of each query: at each position, from the first
/// on. `scores` is room for what is computed on the way.
///
/// # Panics
/// A query has no bias for a position that it sees, though others have.
pub fn attend(
    a: Attention,
    pieces: &[&LayerKv],
    queries: &[f32],
    positions: &[usize],
    biases: &[&[f32]],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    Arch::new().dispatch(Attend { a, pieces, queries, positions, biases, scores, out });
}

struct Attend<'a> {
    a: Attention,
    pieces: &'a [&'a LayerKv],
    queries: &'a [f32],
    positions: &'a [usize],
    biases: &'a [&'a [f32]],
    scores: &'a mut Vec<f32>,
    out: &'a mut [f32],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, pieces, queries, positions, biases, scores, out } = self;
        let Attention { head_size, window, .. } = a;
        assert_eq!(queries.len(), positions.len() * head_size);
        assert_eq!(out.len(), queries.len());
        let Some(last) = positions.iter().copied().max() else { return };
        let first_of = |position: usize| (position + 1).saturating_sub(window);
        let first = positions.iter().map(|p| first_of(*p)).min().unwrap_or(0);
        let seen = Seen { first, end: last + 1 };
        // Every place is written before it is read.
        scores.resize(positions.len() * seen.width(), 0.0);
        let tiles = || queries.chunks(TILE * head_size).zip((0..).step_by(TILE));
        // Every cached key and value is read once for all queries of a tile.
        for (queries, at) in tiles() {
            let scores = &mut scores[at * seen.width()..];
            by_queries!(queries.len() / head_size, score(simd, a, pieces, seen, queries, scores));
        }
        assert!(biases.is_empty() || biases.len() == positions.len());
        for (scores, bias) in scores.chunks_exact_mut(seen.width()).zip(biases) {
            for (score, bias) in scores.iter_mut().zip(&bias[seen.first..seen.end]) {
                *score += bias;
            }
        }
        let mut sums = Vec::with_capacity(positions.len());
        for (scores, position) in scores.chunks_exact_mut(seen.width()).zip(positions) {
            let (begin, end) = (first_of(*position) - first, position + 1 - first);
            scores[..begin].fill(0.0);
            scores[end..].fill(0.0);
            sums.push(exponentials(&mut scores[begin..end]));
        }
        for (queries, at) in tiles() {
            let scores = &scores[at * seen.width()..];
            let out = &mut out[at * head_size..][..queries.len()];
            by_queries!(queries.len() / head_size, gather(simd, a, pieces, seen, scores, out));
        }
        for (out, sum) in out.chunks_exact_mut(head_size).zip(sums) {
            let inverse = 1.0 / sum;
            out.iter_mut().for_each(|o| *o *= inverse);
        }
    }
}

/// The positions that any query of a call sees.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first: usize,
    end: usize,
}

impl Seen {
    fn width(self) -> usize {
        self.end - self.first
    }

    /// Which of `tokens` from `position` on are seen, counted from there.
    fn among(self, position: usize, tokens: usize) -> std::ops::Range<usize> {
        let end = tokens.min(self.end.saturating_sub(position));
        self.first.saturating_sub(position).min(end)..end
    }
}

/// Writes the scores of `ROWS` queries, a row of [`Seen::width`] each.
#[inline(always)]
fn score<S: Simd, const ROWS: usize>(
    simd: S,
    a: Attention,
    pieces: &[&LayerKv],
    seen: Seen,
    queries: &[f32],
    scores: &mut [f32],
) {
    let Attention { head_size, kv_heads, kv_head, scale, .. } = a;
    let queries: [&[f32]; ROWS] = std::array::from_fn(|r| &queries[r * head_size..][..head_size]);
    let mut position = 0;
    for piece in pieces {
        for (page, keys) in piece.keys.chunks_exact(kv_heads * head_size).enumerate() {
            let held = PAGE.min(piece.tokens() - page * PAGE);
            let among = seen.among(position, held);
            if !among.is_empty() {
                let keys = &keys[kv_head * head_size..][..head_size];
                let mut sums = [[0f32; PAGE]; ROWS];
                let mut from = 0;
                while from < PAGE / S::F32_LANES {
                    let left = PAGE / S::F32_LANES - from;
                    from += if ROWS <= 2 && left >= 4 {
                        dots::<S, ROWS, 4>(simd, keys, &queries, from, &mut sums)
                    } else if ROWS <= 4 && left >= 2 {
                        dots::<S, ROWS, 2>(simd, keys, &queries, from, &mut sums)
                    } else {
                        dots::<S, ROWS, 1>(simd, keys, &queries, from, &mut sums)
                    };
                }
                let at = position + among.start - seen.first;
                for (sums, scores) in sums.iter().zip(scores.chunks_exact_mut(seen.width())) {
                    for (score, sum) in scores[at..].iter_mut().zip(&sums[among.clone()]) {
                        *score = sum * scale;
                    }
                }
            }
            position += held;
        }
    }
}

/// The products of `ROWS` queries with the keys in `WIDE` vectors of a page's lines, from one on.
/// Returns how many vectors that is.
#[inline(always)]
fn dots<S: Simd, const ROWS: usize, const WIDE: usize>(
    simd: S,
    keys: &[[f32; PAGE]],
    queries: &[&[f32]; ROWS],
    from: usize,
    sums: &mut [[f32; PAGE]; ROWS],
) -> usize {
    let mut own = [[simd.splat_f32s(0.0); WIDE]; ROWS];
    for (d, line) in keys.iter().enumerate() {
        let line = &S::as_simd_f32s(line).0[from..][..WIDE];
        let line: [S::f32s; WIDE] = std::array::from_fn(|i| line[i]);
        for r in 0..ROWS {
            let query = simd.splat_f32s(queries[r][d]);
            for i in 0..WIDE {
                own[r][i] = simd.mul_add_f32s(line[i], query, own[r][i]);
            }
        }
    }
    for r in 0..ROWS {
        S::as_mut_simd_f32s(&mut sums[r]).0[from..][..WIDE].copy_from_slice(&own[r]);
    }
    WIDE
}

/// Scores → their exponentials, the highest's being 1; returns the sum of these.
#[inline(always)]
fn exponentials(scores: &mut [f32]) -> f32 {
    let mut highest = [f32::NEG_INFINITY; PAGE];
    let (chunks, rest) = scores.as_chunks::<PAGE>();
    for chunk in chunks {
        for (highest, score) in highest.iter_mut().zip(chunk) {
            *highest = if *score > *highest { *score } else { *highest };
        }
    }
    let max = highest.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0f32; PAGE];
    let (chunks, rest) = scores.as_chunks_mut::<PAGE>();
    for chunk in chunks {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    for (sum, score) in sums.iter_mut().zip(rest) {
        *score = exp(*score - max);
        *sum += *score;
    }
    sums.iter().sum()
}

/// Writes the sums of the values, times their scores, to the rows of `out`.
#[inline(always)]
fn gather<S: Simd, const ROWS: usize>(
    simd: S,
    a: Attention,
    pieces: &[&LayerKv],
    seen: Seen,
    scores: &[f32],
    out: &mut [f32],
) {
    let head_size = a.head_size;
    let scores: [&[f32]; ROWS] =
        std::array::from_fn(|r| &scores[r * seen.width()..][..seen.width()]);
    let mut from = 0;
    while from < head_size {
        // As many sums at a time as there are registers for: so many don't wait for each other, and a
        // value's floats are read while they are near.
        let (left, lanes) = (head_size - from, S::F32_LANES);
        from += if ROWS == 1 && left >= 8 * lanes {
            strip::<S, ROWS, 8>(simd, a, pieces, seen, &scores, from, out)
        } else if ROWS <= 2 && left >= 4 * lanes {
            strip::<S, ROWS, 4>(simd, a, pieces, seen, &scores, from, out)
        } else if left >= 2 * lanes {
            strip::<S, ROWS, 2>(simd, a, pieces, seen, &scores, from, out)
        } else {
            let mut sums = [0f32; ROWS];
            each_value(a, pieces, seen, |p, row| {
                for r in 0..ROWS {
                    sums[r] = row[from].mul_add(scores[r][p], sums[r]);
                }
            });
            for r in 0..ROWS {
                out[r * head_size + from] = sums[r];
            }
            1
        };
    }
}

/// [`gather`] for `WIDE` vectors of each row, from a place on. Returns how many floats that is.
#[inline(always)]
fn strip<S: Simd, const ROWS: usize, const WIDE: usize>(
    simd: S,
    a: Attention,
    pieces: &[&LayerKv],
    seen: Seen,
    scores: &[&[f32]; ROWS],
    from: usize,
    out: &mut [f32],
) -> usize {
    let floats = WIDE * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); WIDE]; ROWS];
    each_value(a, pieces, seen, |p, row| {
        let row = S::as_simd_f32s(&row[from..][..floats]).0;
        let row: [S::f32s; WIDE] = std::array::from_fn(|i| row[i]);
        for r in 0..ROWS {
            let weight = simd.splat_f32s(scores[r][p]);
            for i in 0..WIDE {
                sums[r][i] = simd.mul_add_f32s(row[i], weight, sums[r][i]);
            }
        }
    });
    for r in 0..ROWS {
        let out = S::as_mut_simd_f32s(&mut out[r * a.head_size + from..][..floats]).0;
        out.copy_from_slice(&sums[r]);
    }
    floats
}

/// Calls `take` with the values at each position that is seen, counted from the first.
#[inline(always)]
fn each_value(a: Attention, pieces: &[&LayerKv], seen: Seen, mut take: impl FnMut(usize, &[f32])) {
    let Attention { head_size, kv_heads, kv_head, .. } = a;
    let (mut position, mut p) = (0, 0);
    for piece in pieces {
        let among = seen.among(position, piece.tokens());
        position += piece.tokens();
        let rows = piece.values.chunks_exact(kv_heads * head_size);
        for row in rows.skip(among.start).take(among.len()) {
            take(p, &row[kv_head * head_size..][..head_size]);
            p += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pulp::Scalar;

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

    fn cached(keys: &[f32], values: &[f32], row: usize) -> LayerKv {
        let mut kv = LayerKv::default();
        keys.chunks_exact(row).zip(values.chunks_exact(row)).for_each(|(k, v)| kv.push(k, v));
        kv
    }

    /// The definition, in f64, one query and one position at a time.
    fn reference(
        a: Attention,
        (keys, values): (&[f32], &[f32]),
        query: &[f32],
        bias: &[f32],
        position: usize,
    ) -> Vec<f32> {
        let stride = a.kv_heads * a.head_size;
        let from = a.kv_head * a.head_size;
        let first = (position + 1).saturating_sub(a.window);
        let scores: Vec<f64> = (first..=position)
            .map(|p| {
                let key = &keys[p * stride + from..][..a.head_size];
                let dot: f64 =
                    query.iter().zip(key).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                dot * f64::from(a.scale) + f64::from(bias.get(p).copied().unwrap_or(0.0))
            })
            .collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
        (0..a.head_size)
            .map(|i| {
                let total: f64 = (first..=position)
                    .zip(&scores)
                    .map(|(p, s)| (s - max).exp() / sum * f64::from(values[p * stride + from + i]))
                    .sum();
                total as f32
            })
            .collect()
    }

    /// On the processor's own instructions, on AVX2 and without any: the same bits.
    fn attended(
        a: Attention,
        pieces: &[&LayerKv],
        queries: &[f32],
        positions: &[usize],
        biases: &[&[f32]],
    ) -> Vec<f32> {
        let mut scores = vec![f32::NAN; 7];
        let out = || vec![f32::NAN; queries.len()];
        let (mut own, mut none) = (out(), out());
        attend(a, pieces, queries, positions, biases, &mut scores, &mut own);
        Simd::vectorize(
            Scalar,
            Attend { a, pieces, queries, positions, biases, scores: &mut scores, out: &mut none },
        );
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            let (mut avx2, scores) = (out(), &mut scores);
            Simd::vectorize(
                v3,
                Attend { a, pieces, queries, positions, biases, scores, out: &mut avx2 },
            );
            assert_eq!(avx2, none, "AVX2");
        }
        assert_eq!(own, none);
        own
    }

    #[test]
    fn agrees_with_the_definition_across_pieces_windows_and_groupings() {
        for (head_size, kv_heads, window) in [(64, 3, usize::MAX), (128, 2, 5), (20, 1, 512)] {
            let tokens = 57;
            let row = kv_heads * head_size;
            let (keys, values) = (noise(tokens * row, 1), noise(tokens * row, 2));
            let parts = [0..11, 11..30, 30..tokens].map(|part| {
                let part = part.start * row..part.end * row;
                cached(&keys[part.clone()], &values[part], row)
            });
            let pieces: Vec<&LayerKv> = parts.iter().collect();
            let positions = [0, 4, 11, 30, 36, 17, 18, 19, 20, 56, 47];
            let queries = noise(positions.len() * head_size, 3);
            for kv_head in 0..kv_heads {
                let a = Attention { head_size, kv_heads, kv_head, scale: 0.125, window };
                // The same number at every position would change nothing.
                let of_each: Vec<Vec<f32>> =
                    (0..positions.len()).map(|i| noise(tokens, 4 + i as u32)).collect();
                let all: Vec<&[f32]> = of_each.iter().map(Vec::as_slice).collect();
                for biases in [&[][..], &all] {
                    let together = attended(a, &pieces, &queries, &positions, biases);
                    for (i, position) in positions.iter().enumerate() {
                        let query = &queries[i * head_size..][..head_size];
                        let own: Vec<&[f32]> = biases.get(i).copied().into_iter().collect();
                        let alone = attended(a, &pieces, query, &[*position], &own);
                        assert_eq!(
                            alone,
                            together[i * head_size..][..head_size],
                            "grouping changed a result"
                        );
                        let bias = own.first().copied().unwrap_or_default();
                        let expected = reference(a, (&keys, &values), query, bias, *position);
                        for (got, want) in alone.iter().zip(expected) {
                            assert!((got - want).abs() < 1e-5, "{got} {want}");
                        }
                    }
                }
            }
        }
    }
}
