//! Activations, rounded to eight bits.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::{super::multiversion, BLOCK, UNIT};

/// 32 activations: codes from −127 to 127 and their scale.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Block {
    /// Four codes each, the first in the lowest byte.
    pub codes: [i32; 8],
    pub scale: f32,
    /// The scaled sum.
    pub sum: f32,
    /// Sum of the codes.
    pub whole: i32,
}

/// 32 activations, for products of 16-bit numbers.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Paired {
    /// Two codes each, the first in the lower half: of each four the first and the third, then the
    /// second and the fourth.
    pub pairs: [i32; 16],
    pub scale: f32,
    /// Subtracted: what codes 128 too high make the sum of the products too large.
    pub less: i32,
}

/// 256 activations: codes from −127 to 127 and their scale.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Wide {
    /// Four codes each, the first in the lowest byte.
    pub codes: [i32; UNIT / 4],
    /// Sums of 16 codes, two to a number, the first in the lower half.
    pub sixteens: [i32; 8],
    /// Sums of 32 codes, likewise.
    pub blocks: [i32; 4],
    pub scale: f32,
}

impl Default for Wide {
    fn default() -> Self {
        Self { codes: [0; UNIT / 4], sixteens: [0; 8], blocks: [0; 4], scale: 0.0 }
    }
}

/// Rows that lie one behind the other.
#[inline(always)]
pub(super) fn apart<T, const ROWS: usize>(rows: &[T]) -> [&[T]; ROWS] {
    let length = rows.len() / ROWS;
    std::array::from_fn(|row| &rows[row * length..][..length])
}

/// Rows of activations, rounded as weights in units of 32 or of 256 want them.
#[derive(Debug, Clone)]
pub struct Activations {
    columns: usize,
    pub(super) chunks: Chunks,
    paired: OnceLock<Vec<Paired>>,
}

#[derive(Debug, Clone)]
pub(super) enum Chunks {
    Blocks(Vec<Block>),
    Wides(Vec<Wide>),
}

impl Activations {
    /// Rounds rows of `columns` floats, for weights in units of so many. A unit that holds what isn't
    /// finite gives what isn't a number.
    ///
    /// # Panics
    /// `columns` isn't a multiple of `unit`, or `unit` is neither 32 nor 256.
    #[must_use]
    pub fn new(x: &[f32], columns: usize, unit: usize) -> Self {
        assert!(columns.is_multiple_of(unit) && matches!(unit, BLOCK | UNIT));
        let chunks = match unit {
            BLOCK => Chunks::Blocks(by_tasks(x.as_chunks().0, BLOCK, round_blocks)),
            _ => Chunks::Wides(by_tasks(x.as_chunks().0, UNIT, round_wides)),
        };
        Self { columns, chunks, paired: OnceLock::new() }
    }

    /// The same blocks for products of 16-bit numbers; none where units are larger.
    pub(super) fn paired(&self) -> &[Paired] {
        self.paired.get_or_init(|| match &self.chunks {
            Chunks::Blocks(blocks) => by_tasks(blocks, BLOCK, pair_blocks),
            Chunks::Wides(_) => Vec::new(),
        })
    }

    /// Floats of a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }
}

/// `convert`s items of `floats` activations each.
fn by_tasks<I: Sync, T: Copy + Default + Send>(
    items: &[I],
    floats: usize,
    convert: fn(&[I], &mut [T]),
) -> Vec<T> {
    /// Activations that are worth a task of their own.
    const TASK: usize = 1 << 15;
    let mut converted = vec![T::default(); items.len()];
    let task = TASK / floats;
    if items.len() > task {
        let tasks = converted.par_chunks_mut(task).zip(items.par_chunks(task));
        tasks.for_each(|(converted, items)| convert(items, converted));
    } else {
        convert(items, &mut converted);
    }
    converted
}

multiversion! {
    fn round_blocks(floats: &[[f32; BLOCK]], blocks: &mut [Block]) {
        for (block, x) in blocks.iter_mut().zip(floats) {
            let steps = steps(x);
            let (codes, [low, high]) = coded(x, steps.inverse);
            let whole = low + high;
            *block = Block { codes, scale: steps.scale, sum: steps.scale * whole as f32, whole };
        }
    }
}

multiversion! {
    fn pair_blocks(blocks: &[Block], paired: &mut [Paired]) {
        for (paired, block) in paired.iter_mut().zip(blocks) {
            for (two, four) in paired.pairs.as_chunks_mut().0.iter_mut().zip(block.codes) {
                let byte = |i: i32| four << (24 - 8 * i) >> 24;
                *two = [[0, 2], [1, 3]].map(|[low, high]| byte(low) & 0xffff | byte(high) << 16);
            }
            (paired.scale, paired.less) = (block.scale, -128 * block.whole);
        }
    }
}

multiversion! {
    fn round_wides(floats: &[[f32; UNIT]], wides: &mut [Wide]) {
        for (wide, x) in wides.iter_mut().zip(floats) {
            let steps = steps(x);
            let mut sums = [0i32; UNIT / 16];
            let (blocks, _) = x.as_chunks::<BLOCK>();
            for (i, block) in blocks.iter().enumerate() {
                let (codes, halves) = coded(block, steps.inverse);
                wide.codes[8 * i..8 * i + 8].copy_from_slice(&codes);
                sums[2 * i..2 * i + 2].copy_from_slice(&halves);
            }
            let two = |low: i32, high: i32| low & 0xffff | high << 16;
            for i in 0..8 {
                wide.sixteens[i] = two(sums[2 * i], sums[2 * i + 1]);
            }
            for i in 0..4 {
                wide.blocks[i] = two(
                    sums[4 * i] + sums[4 * i + 1],
                    sums[4 * i + 2] + sums[4 * i + 3],
                );
            }
            wide.scale = steps.scale;
        }
    }
}

struct Steps {
    /// Of a code.
    scale: f32,
    /// What activations are multiplied with.
    inverse: f32,
}

/// Floats that are looked at together, so that loops are vectorised.
const LANES: usize = 16;

#[inline(always)]
fn steps(x: &[f32]) -> Steps {
    let (mut most, mut spoilt) = ([0f32; LANES], [0f32; LANES]);
    for x in x.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            most[i] = most[i].max(x[i].abs());
            spoilt[i] += x[i] * 0.0;
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            most[i] = most[i].max(most[i + width]);
            spoilt[i] += spoilt[i + width];
        }
        width /= 2;
    }
    // What is smaller is nothing.
    let inverse = if most[0] > 1e-30 { 127.0 / most[0] } else { 0.0 };
    Steps { scale: most[0] / 127.0 + spoilt[0], inverse }
}

/// The codes of a block, four to a number, and the sums of its halves.
#[inline(always)]
fn coded(x: &[f32; BLOCK], inverse: f32) -> ([i32; 8], [i32; 2]) {
    /// Added to a small number it leaves the nearest whole one in the lowest bits, of two equally
    /// near the even one.
    const ROUNDING: f32 = 12_582_912.0;
    let mut bytes = [0u8; BLOCK];
    for i in 0..BLOCK {
        let code = (x[i] * inverse + ROUNDING).to_bits();
        bytes[i] = code.wrapping_sub(ROUNDING.to_bits()) as u8;
    }
    let sum = |half: &[u8]| half.iter().map(|byte| i32::from(*byte as i8)).sum::<i32>();
    let halves = [sum(&bytes[..LANES]), sum(&bytes[LANES..])];
    let mut codes = [0i32; BLOCK / 4];
    for (code, four) in codes.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *code = i32::from_le_bytes(*four);
    }
    (codes, halves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(codes: &[i32], k: usize) -> f32 {
        f32::from((codes[k / 4] >> (8 * (k % 4))) as i8)
    }

    #[test]
    fn rounding_keeps_within_half_a_step_and_adds_up() {
        let x: Vec<f32> = (0..UNIT).map(|i| ((i as f32 - 11.3) * 0.7).sin() * 5.0).collect();
        let Chunks::Blocks(blocks) = Activations::new(&x, UNIT, BLOCK).chunks else { panic!() };
        for (block, x) in blocks.iter().zip(x.chunks(BLOCK)) {
            for (k, x) in x.iter().enumerate() {
                assert!((code(&block.codes, k) * block.scale - x).abs() <= 0.5001 * block.scale);
            }
            let whole: f32 = (0..BLOCK).map(|k| code(&block.codes, k)).sum();
            assert_eq!((block.whole as f32, block.sum), (whole, whole * block.scale));
        }
        let Chunks::Wides(wides) = Activations::new(&x, UNIT, UNIT).chunks else { panic!() };
        let Wide { codes, sixteens, blocks, scale } = wides[0];
        for (k, x) in x.iter().enumerate() {
            assert!((code(&codes, k) * scale - x).abs() <= 0.5001 * scale);
        }
        let sum =
            |from: usize, count: usize| (from..from + count).map(|k| code(&codes, k)).sum::<f32>();
        let part = |sums: &[i32], i: usize| f32::from((sums[i / 2] >> (16 * (i % 2))) as i16);
        assert!((0..16).all(|i| part(&sixteens, i) == sum(16 * i, 16)));
        assert!((0..8).all(|i| part(&blocks, i) == sum(32 * i, 32)));
    }

    #[test]
    fn what_is_not_finite_shows_and_nothing_is_nothing() {
        for unit in [BLOCK, UNIT] {
            let scale = |x: &[f32]| match Activations::new(x, unit, unit).chunks {
                Chunks::Blocks(blocks) => blocks[0].scale,
                Chunks::Wides(wides) => wides[0].scale,
            };
            let mut x = vec![0.0; unit];
            assert_eq!(scale(&x), 0.0);
            for bad in [f32::NAN, f32::INFINITY] {
                x[5] = bad;
                assert!(scale(&x).is_nan());
            }
        }
    }
}
