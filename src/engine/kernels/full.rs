//! Products of activations with weights that aren't quantised, in f32. Each output is the sum of its
//! products in the order of the columns, each added with one rounding: the same bits on every
//! instruction set, in every batch, with every number of threads.

#![allow(clippy::indexing_slicing)] // inner loops; the bounds are asserted where they begin

use pulp::{Arch, Simd, WithSimd};

use super::panels::{PANEL, Sums, by_panels};

/// Rows of activations that are multiplied at once, at most.
const TILE: usize = 8;

/// A matrix of f32 weights, `[out, in]`, in panels: for each column, its sixteen weights.
#[derive(Debug, Clone)]
pub struct Full {
    rows: usize,
    columns: usize,
    lines: Vec<[f32; PANEL]>,
}

impl Full {
    /// Packs row-major weights.
    ///
    /// # Panics
    /// They aren't rows of that length.
    #[must_use]
    pub fn new(columns: usize, weights: &[f32]) -> Self {
        assert!(columns > 0 && weights.len().is_multiple_of(columns));
        let rows = weights.len() / columns;
        let mut lines = vec![[0f32; PANEL]; rows.div_ceil(PANEL) * columns];
        for (row, weights) in weights.chunks_exact(columns).enumerate() {
            let panel = &mut lines[row / PANEL * columns..][..columns];
            for (line, weight) in panel.iter_mut().zip(weights) {
                line[row % PANEL] = *weight;
            }
        }
        Self { rows, columns, lines }
    }

    /// `[out, in]`
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Bytes held.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    /// `x`, rows of `in` floats, times the transposed matrix: `[rows of x, out]`, row-major.
    ///
    /// # Panics
    /// `x` isn't rows of that length.
    #[must_use]
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let Self { rows, columns, lines } = self;
        assert!(x.len().is_multiple_of(*columns));
        let count = x.len() / columns;
        by_panels(lines, *columns, (*rows, *columns), count, |lines, chunk, sums| {
            let x = &x[chunk.start * columns..chunk.end * columns];
            for (x, sums) in x.chunks(TILE * columns).zip(sums.chunks_mut(TILE)) {
                Arch::new().dispatch(Multiply { lines, x, sums });
            }
        })
    }
}

struct Multiply<'a> {
    lines: &'a [[f32; PANEL]],
    x: &'a [f32],
    sums: &'a mut [Sums],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { lines, x, sums } = self;
        assert!(x.len() <= TILE * lines.len());
        match x.len() / lines.len() {
            1 => rows::<S, 1>(simd, lines, x, sums),
            2 => rows::<S, 2>(simd, lines, x, sums),
            3 => rows::<S, 3>(simd, lines, x, sums),
            4 => rows::<S, 4>(simd, lines, x, sums),
            5 => rows::<S, 5>(simd, lines, x, sums),
            6 => rows::<S, 6>(simd, lines, x, sums),
            7 => rows::<S, 7>(simd, lines, x, sums),
            _ => rows::<S, TILE>(simd, lines, x, sums),
        }
    }
}

#[inline(always)]
fn rows<S: Simd, const ROWS: usize>(simd: S, lines: &[[f32; PANEL]], x: &[f32], out: &mut [Sums]) {
    let x: [&[f32]; ROWS] = std::array::from_fn(|r| &x[r * lines.len()..][..lines.len()]);
    for lanes in 0..PANEL / S::F32_LANES {
        let mut sums = [simd.splat_f32s(0.0); ROWS];
        for (k, line) in lines.iter().enumerate() {
            let line = S::as_simd_f32s(line).0[lanes];
            for r in 0..ROWS {
                sums[r] = simd.mul_add_f32s(line, simd.splat_f32s(x[r][k]), sums[r]);
            }
        }
        for r in 0..ROWS {
            S::as_mut_simd_f32s(&mut out[r]).0[lanes] = sums[r];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn products_are_those_of_the_definition_bit_for_bit_in_every_batch() {
        for (rows, columns, count) in [(1, 1, 1), (37, 65, 11), (64, 640, 24), (16, 3, 8)] {
            let (weights, x) = (noise(rows * columns, 1), noise(count * columns, 2));
            let packed = Full::new(columns, &weights);
            let got = packed.forward(&x);
            assert_eq!(got.len(), count * rows);
            for (x, got) in x.chunks_exact(columns).zip(got.chunks_exact(rows)) {
                for (row, got) in weights.chunks_exact(columns).zip(got) {
                    let sum = row.iter().zip(x).fold(0f32, |sum, (w, x)| w.mul_add(*x, sum));
                    assert_eq!(sum.to_bits(), got.to_bits());
                }
                assert_eq!(packed.forward(x), got);
            }
        }
    }
}
