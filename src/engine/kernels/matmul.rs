//! Products of activations with quantised weights, in integers.
//!
//! Activations are rounded to eight bits, 32 of them to a scale. Codes are multiplied and summed in
//! integers, which is exact; the sums of 16 or 32 products are then scaled and added in f32, one
//! after the other. So each output depends on its row of weights and its activations alone, and is
//! the same bits on every instruction set, in every batch, with every number of threads.

#![allow(clippy::indexing_slicing)] // inner loops; the bounds are asserted where they begin

use half::f16;
use rayon::prelude::*;

use super::{
    formats::{Format, Unit},
    multiversion,
    panels::{PANEL, Sums, TILE, by_panels},
};

/// Activations that share a scale.
const BLOCK: usize = 32;

/// A cache line, for alignment.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// How a format's units lie in a panel, in lines:
/// `d` (and `dmin`), scales, mins, then the codes of 32 weights after 32.
trait Layout {
    /// Of a code: 4, 5, 6 or 8.
    const BITS: usize;
    /// Weights of a row in a unit: 32 or 256.
    const WEIGHTS: usize;
    /// Whether weights have a min, instead of an offset.
    const MINS: bool;

    /// Weights that share a scale.
    const SHARING: usize = if Self::WEIGHTS == 256 && !Self::MINS { 16 } else { 32 };
    /// Subtracted from each code.
    const OFFSET: i32 = if Self::MINS { 0 } else { 1 << (Self::BITS - 1) };
    const BLOCKS: usize = Self::WEIGHTS / BLOCK;
    /// Lines of scales, 16 bytes for each group that shares one.
    const SCALES: usize = if Self::WEIGHTS == 256 { 256 / Self::SHARING / 4 } else { 0 };
    const MIN_LINES: usize = if Self::WEIGHTS == 256 && Self::MINS { 2 } else { 0 };
    /// Where the codes begin.
    const CODES: usize = 1 + Self::SCALES + Self::MIN_LINES;
    /// Lines of the codes of 32 weights: their lower four bits, then the others.
    const CODE_LINES: usize = match Self::BITS {
        4 => 4,
        5 => 5,
        6 => 6,
        _ => 8,
    };
    /// Lines of a unit.
    const LINES: usize = Self::CODES + Self::BLOCKS * Self::CODE_LINES;
}

macro_rules! layouts {
    ($($name:ident: $bits:literal $weights:literal $mins:literal;)*) => {$(
        struct $name;
        impl Layout for $name {
            const BITS: usize = $bits;
            const WEIGHTS: usize = $weights;
            const MINS: bool = $mins;
        }
    )*};
}
layouts! {
    Q4_0: 4 32 false;
    Q4_1: 4 32 true;
    Q5_0: 5 32 false;
    Q5_1: 5 32 true;
    Q8_0: 8 32 false;
    Q4K: 4 256 true;
    Q5K: 5 256 true;
    Q6K: 6 256 false;
}

/// Calls `$body` with the layout of `$format` as `L`.
macro_rules! with_layout {
    ($format:expr, $body:expr) => {
        match $format {
            Format::Q4_0 => {
                type L = Q4_0;
                $body
            }
            Format::Q4_1 => {
                type L = Q4_1;
                $body
            }
            Format::Q5_0 => {
                type L = Q5_0;
                $body
            }
            Format::Q5_1 => {
                type L = Q5_1;
                $body
            }
            Format::Q8_0 => {
                type L = Q8_0;
                $body
            }
            Format::Q4K => {
                type L = Q4K;
                $body
            }
            Format::Q5K => {
                type L = Q5K;
                $body
            }
            Format::Q6K => {
                type L = Q6K;
                $body
            }
        }
    };
}

/// Writes units of up to sixteen rows as one panel unit.
fn pack_unit<L: Layout>(rows: &[Unit], lines: &mut [Line]) {
    let mut put = |line: usize, at: usize, bytes: &[u8]| {
        lines[line].0[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for (r, unit) in rows.iter().enumerate() {
        if L::MINS {
            put(0, 2 * r, &unit.d.to_le_bytes());
            put(0, 32 + 2 * r, &unit.dmin.to_le_bytes());
        } else {
            put(0, 4 * r, &unit.d.to_f32().to_le_bytes());
        }
        for (i, scale) in unit.scales.iter().enumerate().take(4 * L::SCALES) {
            put(1 + i / 4, i % 4 * 16 + r, &scale.to_le_bytes());
        }
        for (i, min) in unit.mins.iter().enumerate().take(4 * L::MIN_LINES) {
            put(1 + L::SCALES + i / 4, i % 4 * 16 + r, &[*min]);
        }
    }
    for (r, unit) in rows.iter().enumerate() {
        for (k, &code) in unit.codes.iter().enumerate().take(L::WEIGHTS) {
            let codes = &mut lines[L::CODES + k / BLOCK * L::CODE_LINES..][..L::CODE_LINES];
            let (quad, lane) = (k % BLOCK / 4, 4 * r + k % 4);
            if L::BITS == 8 {
                codes[quad].0[lane] = code;
                continue;
            }
            codes[quad / 2].0[lane] |= (code & 15) << (4 * (quad % 2));
            match L::BITS {
                5 => codes[4].0[lane] |= code >> 4 << quad,
                6 => codes[4 + quad / 4].0[lane] |= code >> 4 << (2 * (quad % 4)),
                _ => {}
            }
        }
    }
}

/// A matrix of quantised weights, `[out, in]`, in panels.
#[derive(Debug, Clone)]
pub struct Packed {
    format: Format,
    rows: usize,
    columns: usize,
    lines: Vec<Line>,
}

impl Packed {
    /// Packs the rows that stand one behind the other in `data`, as in a file.
    ///
    /// # Panics
    /// `columns` isn't a multiple of the format's unit.
    #[must_use]
    pub fn new(format: Format, columns: usize, data: &[u8]) -> Self {
        assert!(columns > 0 && columns.is_multiple_of(format.weights()));
        let units = columns / format.weights();
        let width = units * format.bytes();
        let rows = data.len() / width;
        let lines = with_layout!(format, {
            let mut lines = vec![Line([0; 64]); rows.div_ceil(PANEL) * units * L::LINES];
            let panels = lines.par_chunks_mut(units * L::LINES).zip(data.par_chunks(PANEL * width));
            panels.for_each(|(lines, rows)| {
                for (u, lines) in lines.chunks_exact_mut(L::LINES).enumerate() {
                    let units: Vec<Unit> = rows
                        .chunks_exact(width)
                        .map(|row| format.unit(&row[u * format.bytes()..][..format.bytes()]))
                        .collect();
                    pack_unit::<L>(&units, lines);
                }
            });
            lines
        });
        Self { format, rows, columns, lines }
    }

    /// `[out, in]`
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// Bytes held.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lines.len() * 64
    }

    /// `x` times the transposed matrix: `[rows of x, out]`, row-major. What `kernel` it is matters
    /// to the time alone.
    ///
    /// # Panics
    /// The rows of `x` are of another width.
    #[must_use]
    pub fn forward(&self, kernel: Kernel, x: &Activations) -> Vec<f32> {
        assert_eq!(x.width * BLOCK, self.columns);
        let units = self.columns / self.format.weights();
        with_layout!(self.format, {
            by_panels(&self.lines, units * L::LINES, self.shape(), x.rows(), |lines, tile, sums| {
                let all: [&[Block]; TILE] =
                    std::array::from_fn(|i| x.row(tile.start + i.min(tile.len() - 1)));
                multiply::<L>(kernel, lines, &all[..tile.len()], sums);
            })
        })
    }
}

/// 32 activations: codes from −127 to 127 and their scale.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Block {
    /// Four codes each, the first in the lowest byte.
    codes: [i32; 8],
    scale: f32,
    /// The scaled sum.
    sum: f32,
    /// Sums of the codes of each half.
    halves: [i32; 2],
}

/// Rows of activations, rounded to eight bits.
#[derive(Debug, Clone)]
pub struct Activations {
    /// Blocks in a row.
    width: usize,
    blocks: Vec<Block>,
}

impl Activations {
    /// Rounds rows of `columns` floats, a multiple of 32. A block that holds what isn't finite gives
    /// what isn't a number.
    #[must_use]
    pub fn new(x: &[f32], columns: usize) -> Self {
        /// Blocks that are worth a task of their own.
        const TASK: usize = 1 << 10;
        assert_eq!(columns % BLOCK, 0);
        let (floats, _) = x.as_chunks::<BLOCK>();
        let mut blocks = vec![Block::default(); floats.len()];
        let tasks = blocks.par_chunks_mut(TASK).zip(floats.par_chunks(TASK));
        if floats.len() > TASK {
            tasks.for_each(|(blocks, floats)| round(floats, blocks));
        } else {
            round(floats, &mut blocks);
        }
        Self { width: columns / BLOCK, blocks }
    }

    fn rows(&self) -> usize {
        self.blocks.len() / self.width.max(1)
    }

    fn row(&self, row: usize) -> &[Block] {
        &self.blocks[row * self.width..][..self.width]
    }
}

multiversion! {
    fn round(floats: &[[f32; BLOCK]], blocks: &mut [Block]) {
        for (block, x) in blocks.iter_mut().zip(floats) {
            *block = rounded(x);
        }
    }
}

/// In halves and lanes, so that it is vectorised: floating-point sums keep their order.
#[inline(always)]
fn rounded(x: &[f32; BLOCK]) -> Block {
    const LANES: usize = BLOCK / 2;
    /// Added to a small number it leaves the nearest whole one in the lowest bits, of two equally
    /// near the even one.
    const ROUNDING: f32 = 12_582_912.0;
    let (low, high) = x.split_at(LANES);
    let (mut most, mut spoilt) = ([0f32; LANES], [0f32; LANES]);
    for i in 0..LANES {
        most[i] = low[i].abs().max(high[i].abs());
        spoilt[i] = (low[i] + high[i]) * 0.0;
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
    let scale = most[0] / 127.0 + spoilt[0];
    Block { codes, scale, sum: scale * (halves[0] + halves[1]) as f32, halves }
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX2 and FMA.
    Avx2,
    /// Any processor; the definition.
    Plain,
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "AVX-512 VNNI",
            Self::Avx2 => "AVX2",
            Self::Plain => "plain",
        })
    }
}

impl Kernel {
    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Plain)
    }

    /// What this processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Avx512, Self::Avx2, Self::Plain].into_iter().filter(|k| k.is_available())
    }

    fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            Self::Plain => true,
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Plain
        }
    }
}

/// A panel times up to [`TILE`] rows of activations.
fn multiply<L: Layout>(kernel: Kernel, lines: &[Line], rows: &[&[Block]], out: &mut Sums) {
    #[cfg(target_arch = "x86_64")]
    match kernel {
        // SAFETY: `Kernel::available` has asked the processor.
        #[allow(unsafe_code)]
        Kernel::Avx512 => return unsafe { avx512::multiply::<L>(lines, rows, out) },
        // SAFETY: the same.
        #[allow(unsafe_code)]
        Kernel::Avx2 => return unsafe { avx2::multiply::<L>(lines, rows, out) },
        Kernel::Plain => {}
    }
    let _ = kernel;
    plain::<L>(lines, rows, out);
}

/// The definition, one weight at a time.
fn plain<L: Layout>(lines: &[Line], rows: &[&[Block]], out: &mut Sums) {
    let float =
        |line: &Line, at: usize| f32::from_le_bytes(std::array::from_fn(|i| line.0[at + i]));
    let half = |line: &Line, at: usize| f16::from_le_bytes([line.0[at], line.0[at + 1]]).to_f32();
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        for lane in 0..PANEL {
            let (d, dmin) = if L::MINS {
                (half(&unit[0], 2 * lane), half(&unit[0], 32 + 2 * lane))
            } else {
                (float(&unit[0], 4 * lane), 0.0)
            };
            for b in 0..L::BLOCKS {
                let codes = &unit[L::CODES + b * L::CODE_LINES..][..L::CODE_LINES];
                let code = |k: usize| {
                    let (quad, at) = (k / 4, 4 * lane + k % 4);
                    let low = || codes[quad / 2].0[at] >> (4 * (quad % 2)) & 15;
                    i32::from(match L::BITS {
                        4 => low(),
                        5 => low() | (codes[4].0[at] >> quad & 1) << 4,
                        6 => low() | (codes[4 + quad / 4].0[at] >> (2 * (quad % 4)) & 3) << 4,
                        _ => codes[quad].0[at],
                    }) - L::OFFSET
                };
                for (row, out) in rows.iter().zip(out.iter_mut()) {
                    let block = &row[u * L::BLOCKS + b];
                    for part in 0..BLOCK / L::SHARING {
                        let i = b * BLOCK / L::SHARING + part;
                        let scale = if L::WEIGHTS == 256 {
                            d * f32::from(unit[1 + i / 4].0[i % 4 * 16 + lane] as i8)
                        } else {
                            d
                        };
                        let from = part * L::SHARING;
                        let sum: i32 = (from..from + L::SHARING)
                            .map(|k| {
                                code(k) * i32::from((block.codes[k / 4] >> (8 * (k % 4))) as i8)
                            })
                            .sum();
                        out[lane] = (sum as f32).mul_add(scale * block.scale, out[lane]);
                    }
                    if L::MINS {
                        let min = if L::WEIGHTS == 256 {
                            dmin * f32::from(unit[1 + L::SCALES + b / 4].0[b % 4 * 16 + lane])
                        } else {
                            dmin
                        };
                        out[lane] = (-min).mul_add(block.sum, out[lane]);
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    #![allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    use super::{BLOCK, Block, Layout, Line, Sums};

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn multiply<L: Layout>(lines: &[Line], rows: &[&[Block]], out: &mut Sums) {
        match *rows {
            [a] => tile::<L, 1>(lines, [a], out),
            [a, b] => tile::<L, 2>(lines, [a, b], out),
            [a, b, c] => tile::<L, 3>(lines, [a, b, c], out),
            [a, b, c, d] => tile::<L, 4>(lines, [a, b, c, d], out),
            [a, b, c, d, e] => tile::<L, 5>(lines, [a, b, c, d, e], out),
            [a, b, c, d, e, f] => tile::<L, 6>(lines, [a, b, c, d, e, f], out),
            [a, b, c, d, e, f, g] => tile::<L, 7>(lines, [a, b, c, d, e, f, g], out),
            [a, b, c, d, e, f, g, h] => tile::<L, 8>(lines, [a, b, c, d, e, f, g, h], out),
            _ => unreachable!("a tile has one to eight rows"),
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(line: &Line) -> __m512i {
        // SAFETY: a line is 64 bytes, aligned to 64.
        #[allow(unsafe_code)]
        unsafe {
            _mm512_load_si512(line.0.as_ptr().cast())
        }
    }

    /// The 16 bytes at `i` of a row of lines, as whole numbers of 32 bits.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn sixteen(lines: &[Line], i: usize) -> __m128i {
        let (quarters, _) = lines[i / 4].0.as_chunks::<16>();
        // SAFETY: a quarter is 16 bytes.
        #[allow(unsafe_code)]
        unsafe {
            _mm_loadu_si128(quarters[i % 4].as_ptr().cast())
        }
    }

    /// The codes of 32 weights, four to a lane.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn codes<L: Layout>(lines: &[Line]) -> [__m512i; 8] {
        let lines = &lines[..L::CODE_LINES];
        if L::BITS == 8 {
            return std::array::from_fn(|i| load(&lines[i]));
        }
        let mask = _mm512_set1_epi8(15);
        let mut codes = [_mm512_setzero_si512(); 8];
        for i in 0..4 {
            let both = load(&lines[i]);
            codes[2 * i] = _mm512_and_si512(both, mask);
            codes[2 * i + 1] = _mm512_and_si512(_mm512_srli_epi16::<4>(both), mask);
        }
        if L::BITS == 5 {
            let high = load(&lines[4]);
            let sixteen = _mm512_set1_epi8(16);
            for (i, codes) in codes.iter_mut().enumerate() {
                let set = _mm512_test_epi8_mask(high, _mm512_set1_epi8(1i8 << i));
                *codes = _mm512_mask_add_epi8(*codes, set, *codes, sixteen);
            }
        }
        if L::BITS == 6 {
            let mask = _mm512_set1_epi8(0x30);
            for (half, codes) in codes.chunks_exact_mut(4).enumerate() {
                let high = load(&lines[4 + half]);
                let shifted = [
                    _mm512_slli_epi16::<4>(high),
                    _mm512_slli_epi16::<2>(high),
                    high,
                    _mm512_srli_epi16::<2>(high),
                ];
                for (codes, high) in codes.iter_mut().zip(shifted) {
                    *codes = _mm512_or_si512(*codes, _mm512_and_si512(high, mask));
                }
            }
        }
        codes
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    #[inline]
    fn tile<L: Layout, const ROWS: usize>(lines: &[Line], rows: [&[Block]; ROWS], out: &mut Sums) {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
            let first = load(&unit[0]);
            let (d, dmin) = if L::MINS {
                (
                    _mm512_cvtph_ps(_mm512_castsi512_si256(first)),
                    _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(first)),
                )
            } else {
                (_mm512_castsi512_ps(first), _mm512_setzero_ps())
            };
            let scale = |i: usize| {
                if L::WEIGHTS == 256 {
                    let scale = _mm512_cvtepi8_epi32(sixteen(&unit[1..1 + L::SCALES], i));
                    _mm512_mul_ps(d, _mm512_cvtepi32_ps(scale))
                } else {
                    d
                }
            };
            for b in 0..L::BLOCKS {
                let codes = codes::<L>(&unit[L::CODES + b * L::CODE_LINES..]);
                let blocks = rows.map(|row| &row[u * L::BLOCKS + b]);
                for part in 0..BLOCK / L::SHARING {
                    let scale = scale(b * BLOCK / L::SHARING + part);
                    for (sum, block) in sums.iter_mut().zip(blocks) {
                        let whole = if L::SHARING == 32 {
                            block.halves[0] + block.halves[1]
                        } else {
                            block.halves[part]
                        };
                        let mut products = _mm512_set1_epi32(-L::OFFSET * whole);
                        for i in 0..L::SHARING / 4 {
                            let i = part * L::SHARING / 4 + i;
                            let four = _mm512_set1_epi32(block.codes[i]);
                            products = _mm512_dpbusd_epi32(products, codes[i], four);
                        }
                        let scale = _mm512_mul_ps(scale, _mm512_set1_ps(block.scale));
                        *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scale, *sum);
                    }
                }
                if L::MINS {
                    let min = if L::WEIGHTS == 256 {
                        let mins = &unit[1 + L::SCALES..L::CODES];
                        let min = _mm512_cvtepu8_epi32(sixteen(mins, b));
                        _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(min))
                    } else {
                        dmin
                    };
                    for (sum, block) in sums.iter_mut().zip(blocks) {
                        *sum = _mm512_fnmadd_ps(min, _mm512_set1_ps(block.sum), *sum);
                    }
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            // SAFETY: a row of `out` is sixteen floats.
            #[allow(unsafe_code)]
            unsafe {
                _mm512_storeu_ps(out.as_mut_ptr(), sum);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    #![allow(clippy::wildcard_imports)]
    use std::arch::x86_64::*;

    use super::{BLOCK, Block, Layout, Line, PANEL, Sums};

    /// Rows of activations at once: with their sums, what sixteen registers hold.
    const AT_ONCE: usize = 4;

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn multiply<L: Layout>(lines: &[Line], rows: &[&[Block]], out: &mut Sums) {
        for (rows, out) in rows.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            for half in 0..2 {
                match *rows {
                    [a] => tile::<L, 1>(lines, half, [a], out),
                    [a, b] => tile::<L, 2>(lines, half, [a, b], out),
                    [a, b, c] => tile::<L, 3>(lines, half, [a, b, c], out),
                    [a, b, c, d] => tile::<L, 4>(lines, half, [a, b, c, d], out),
                    _ => unreachable!("one to four rows"),
                }
            }
        }
    }

    /// Half a line.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(line: &Line, half: usize) -> __m256i {
        let (halves, _) = line.0.as_chunks::<32>();
        // SAFETY: half a line is 32 bytes, aligned to 32.
        #[allow(unsafe_code)]
        unsafe {
            _mm256_load_si256(halves[half].as_ptr().cast())
        }
    }

    /// The 16 bytes at `i` of a row of lines.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn sixteen(lines: &[Line], i: usize) -> __m128i {
        let (quarters, _) = lines[i / 4].0.as_chunks::<16>();
        // SAFETY: a quarter is 16 bytes.
        #[allow(unsafe_code)]
        unsafe {
            _mm_loadu_si128(quarters[i % 4].as_ptr().cast())
        }
    }

    /// Eight bytes of sixteen, in the lower half.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn eight(lines: &[Line], i: usize, half: usize) -> __m128i {
        let all = sixteen(lines, i);
        if half == 0 { all } else { _mm_unpackhi_epi64(all, all) }
    }

    /// The codes of the quad `i` of 32 weights, four to a lane.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn codes<L: Layout>(lines: &[Line], half: usize, i: usize) -> __m256i {
        if L::BITS == 8 {
            return load(&lines[i], half);
        }
        let both = load(&lines[i / 2], half);
        let low = if i.is_multiple_of(2) { both } else { _mm256_srli_epi16::<4>(both) };
        let low = _mm256_and_si256(low, _mm256_set1_epi8(15));
        match L::BITS {
            5 => {
                let bit = _mm256_set1_epi8(1i8 << i);
                let set = _mm256_cmpeq_epi8(_mm256_and_si256(load(&lines[4], half), bit), bit);
                _mm256_or_si256(low, _mm256_and_si256(set, _mm256_set1_epi8(16)))
            }
            6 => {
                let high = load(&lines[4 + i / 4], half);
                let high = match i % 4 {
                    0 => _mm256_slli_epi16::<4>(high),
                    1 => _mm256_slli_epi16::<2>(high),
                    2 => high,
                    _ => _mm256_srli_epi16::<2>(high),
                };
                _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(0x30)))
            }
            _ => low,
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    fn tile<L: Layout, const ROWS: usize>(
        lines: &[Line],
        half: usize,
        rows: [&[Block]; ROWS],
        out: &mut [[f32; PANEL]],
    ) {
        let ones = _mm256_set1_epi16(1);
        let top = _mm256_set1_epi8(-128);
        let mut sums = [_mm256_setzero_ps(); ROWS];
        for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
            let (d, dmin) = if L::MINS {
                (_mm256_cvtph_ps(sixteen(unit, half)), _mm256_cvtph_ps(sixteen(unit, 2 + half)))
            } else {
                (_mm256_castsi256_ps(load(&unit[0], half)), _mm256_setzero_ps())
            };
            for b in 0..L::BLOCKS {
                let lines = &unit[L::CODES + b * L::CODE_LINES..][..L::CODE_LINES];
                let blocks = rows.map(|row| &row[u * L::BLOCKS + b]);
                for part in 0..BLOCK / L::SHARING {
                    let scale = if L::WEIGHTS == 256 {
                        let i = b * BLOCK / L::SHARING + part;
                        let scale = _mm256_cvtepi8_epi32(eight(&unit[1..1 + L::SCALES], i, half));
                        _mm256_mul_ps(d, _mm256_cvtepi32_ps(scale))
                    } else {
                        d
                    };
                    // Codes of eight bits are multiplied with their sign, and need no offset.
                    let mut products = blocks.map(|block| {
                        let whole = match L::SHARING {
                            32 => block.halves[0] + block.halves[1],
                            _ => block.halves[part],
                        };
                        _mm256_set1_epi32(if L::BITS == 8 { 0 } else { -L::OFFSET * whole })
                    });
                    for i in 0..L::SHARING / 4 {
                        let i = part * L::SHARING / 4 + i;
                        let codes = codes::<L>(lines, half, i);
                        let signed = _mm256_xor_si256(codes, top);
                        for (products, block) in products.iter_mut().zip(blocks) {
                            let four = _mm256_set1_epi32(block.codes[i]);
                            // No pair of products overflows 16 bits: 2 · 63 · 127, 2 · 128 · 127.
                            let pairs = if L::BITS == 8 {
                                let four = _mm256_sign_epi8(four, signed);
                                _mm256_maddubs_epi16(_mm256_abs_epi8(signed), four)
                            } else {
                                _mm256_maddubs_epi16(codes, four)
                            };
                            let fours = _mm256_madd_epi16(pairs, ones);
                            *products = _mm256_add_epi32(*products, fours);
                        }
                    }
                    for ((sum, products), block) in sums.iter_mut().zip(products).zip(blocks) {
                        let scale = _mm256_mul_ps(scale, _mm256_set1_ps(block.scale));
                        *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, *sum);
                    }
                }
                if L::MINS {
                    let min = if L::WEIGHTS == 256 {
                        let mins = &unit[1 + L::SCALES..L::CODES];
                        let min = _mm256_cvtepu8_epi32(eight(mins, b, half));
                        _mm256_mul_ps(dmin, _mm256_cvtepi32_ps(min))
                    } else {
                        dmin
                    };
                    for (sum, block) in sums.iter_mut().zip(blocks) {
                        *sum = _mm256_fnmadd_ps(min, _mm256_set1_ps(block.sum), *sum);
                    }
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            let (halves, _) = out.as_chunks_mut::<8>();
            // SAFETY: half a row of `out` is eight floats.
            #[allow(unsafe_code)]
            unsafe {
                _mm256_storeu_ps(halves[half].as_mut_ptr(), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{
        Device,
        quantized::{GgmlDType, QStorage, QTensor},
    };
    use proptest::prelude::*;

    use super::*;

    fn dtype(format: Format) -> GgmlDType {
        match format {
            Format::Q4_0 => GgmlDType::Q4_0,
            Format::Q4_1 => GgmlDType::Q4_1,
            Format::Q5_0 => GgmlDType::Q5_0,
            Format::Q5_1 => GgmlDType::Q5_1,
            Format::Q8_0 => GgmlDType::Q8_0,
            Format::Q4K => GgmlDType::Q4K,
            Format::Q5K => GgmlDType::Q5K,
            Format::Q6K => GgmlDType::Q6K,
        }
    }

    /// Any bytes, with scales of any size that are numbers.
    fn matrix(format: Format, columns: usize, rows: usize, bytes: &[u8]) -> Vec<u8> {
        let length = rows * columns / format.weights() * format.bytes();
        let mut data: Vec<u8> = bytes.iter().copied().cycle().take(length).collect();
        let halves: &[usize] = match format {
            Format::Q6K => &[209],
            Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => &[1],
            _ => &[1, 3],
        };
        for unit in data.chunks_exact_mut(format.bytes()) {
            for &high in halves {
                // Not all ones in the exponent: neither infinite nor not a number.
                if unit[high] & 0x7c == 0x7c {
                    unit[high] ^= 0x40;
                }
            }
        }
        data
    }

    /// The weights as candle reads them.
    fn dequantised(format: Format, rows: usize, columns: usize, data: &[u8]) -> Vec<f32> {
        let storage = QStorage::from_data(data.into(), &Device::Cpu, dtype(format)).unwrap();
        let tensor = QTensor::new(storage, (rows, columns)).unwrap();
        tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn same(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_kernel_and_batch_gives_the_definition_bit_for_bit(
            format in proptest::sample::select(&Format::ALL[..]),
            bytes in proptest::collection::vec(any::<u8>(), 997),
            rows in 1usize..40,
            units in 1usize..3,
            count in 1usize..12,
            x in proptest::collection::vec(-4f32..4.0, 64..2048),
        ) {
            let columns = units * format.weights();
            let data = matrix(format, columns, rows, &bytes);
            let packed = Packed::new(format, columns, &data);
            prop_assert_eq!(packed.shape(), (rows, columns));
            let x: Vec<f32> = x.iter().copied().cycle().take(count * columns).collect();
            let activations = Activations::new(&x, columns);
            let definition = packed.forward(Kernel::Plain, &activations);
            for kernel in Kernel::available() {
                let got = packed.forward(kernel, &activations);
                prop_assert!(same(&got, &definition), "{:?} {:?}", format, kernel);
                for (x, together) in x.chunks_exact(columns).zip(got.chunks_exact(rows)) {
                    let alone = packed.forward(kernel, &Activations::new(x, columns));
                    prop_assert!(same(&alone, together), "{:?} {:?} alone", format, kernel);
                }
            }
            // Products of what candle reads with the rounded activations, in f64.
            let weights = dequantised(format, rows, columns, &data);
            for (i, got) in definition.iter().enumerate() {
                let blocks = activations.row(i / rows);
                let products = weights[i % rows * columns..][..columns].iter().enumerate().map(|(k, w)| {
                    let Block { codes, scale, .. } = blocks[k / BLOCK];
                    let code = (codes[k % BLOCK / 4] >> (8 * (k % 4))) as i8;
                    f64::from(code) * f64::from(scale) * f64::from(*w)
                });
                let (sum, size) = products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
                prop_assert!((f64::from(*got) - sum).abs() <= 1e-5 * size, "{:?}: {} {}", format, got, sum);
            }
        }
    }

    #[test]
    fn rounding_keeps_within_half_a_step_and_shows_what_is_not_finite() {
        let x: Vec<f32> = (0..BLOCK).map(|i| (i as f32 - 11.3) * 0.7).collect();
        let rounded = Activations::new(&x, BLOCK);
        let Block { codes, scale, sum, halves } = rounded.blocks[0];
        for (k, x) in x.iter().enumerate() {
            let code = (codes[k / 4] >> (8 * (k % 4))) as i8;
            assert!((f32::from(code) * scale - x).abs() <= 0.5001 * scale, "{k}");
        }
        assert_eq!(sum, scale * (halves[0] + halves[1]) as f32);
        assert_eq!(Activations::new(&[0.0; BLOCK], BLOCK).blocks[0].scale, 0.0);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut x = x.clone();
            x[5] = bad;
            assert!(Activations::new(&x, BLOCK).blocks[0].scale.is_nan());
        }
    }
}
