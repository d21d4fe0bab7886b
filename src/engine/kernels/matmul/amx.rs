//! With AMX's matrix units: sixteen rows of activations times a panel, 32 weights after 32, in one
//! instruction (Intel, Architecture Instruction Set Extensions Programming Reference, chapter 3).
//!
//! A line of codes, four for each of a panel's rows, is what a row of the right matrix has to be. Scales
//! and sums of more than 32 weights are `avx512`'s, for the same bits.

#![allow(clippy::wildcard_imports)]
use std::{
    arch::{asm, x86_64::*},
    mem::offset_of,
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::{
    super::{formats::Format, panels::Sums},
    Activations, BLOCK, Kernel, Packed,
    activations::{Block, Chunks, Wide},
    avx512::{self, load, scales, sixteen},
    layout::{Layout, Line, Q4K},
};

/// Rows of a tile.
const ROWS: usize = 16;
/// Fewer rows of activations are multiplied faster without tiles.
const FEWEST: usize = 8;
/// Blocks of 32 weights that are unpacked together, for all activations.
const BLOCKS: usize = 8;
/// Lines that a block is unpacked to.
const LINES: usize = BLOCK / 4;

/// Products of sixteen rows with each block: `[BLOCKS, ROWS, PANEL]`.
#[repr(C, align(64))]
struct Products([[Line; ROWS]; BLOCKS]);

impl Products {
    fn zero() -> Self {
        Self([[Line([0; 64]); ROWS]; BLOCKS])
    }
}

/// Whether there are matrix units for eight-bit numbers, the system lets this process use them, and
/// what they give is right.
pub(super) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_amx() && permitted() && alone(right))
}

/// Whether many rows are multiplied faster than without: matrix units that several virtual machines
/// share, or that are emulated, needn't be.
pub(super) fn pays() -> bool {
    static PAYS: OnceLock<bool> = OnceLock::new();
    *PAYS.get_or_init(|| alone(is_faster))
}

fn is_faster() -> bool {
    const COUNT: usize = 128;
    const UNITS: usize = 8;
    let (packed, activations) = sample(Format::Q4K, UNITS, COUNT);
    let Chunks::Wides(rows) = &activations.chunks else { return false };
    let fastest = |multiply: &dyn Fn(&mut [Sums])| {
        let times = (0..5).map(|_| {
            let mut sums = [Sums::default(); COUNT];
            let began = Instant::now();
            multiply(&mut sums);
            std::hint::black_box(sums);
            began.elapsed()
        });
        times.min().unwrap_or(Duration::MAX)
    };
    // SAFETY: `Kernel::available` has asked the processor for both.
    #[allow(unsafe_code)]
    let (with, without) = unsafe {
        (
            fastest(&|sums| wides::<Q4K>(&packed.lines, rows, sums)),
            fastest(&|sums| avx512::wides::<Q4K>(&packed.lines, rows, sums)),
        )
    };
    tracing::debug!(?with, ?without, "matrix units");
    with < without
}

/// On a thread that none of the program's own waits for, nor it for them: packing and rounding share
/// their work, and their threads may not have been started yet.
fn alone(work: fn() -> bool) -> bool {
    let run = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        pool.is_ok_and(|pool| pool.install(work))
    };
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or(false)
}

/// Whether the processor has matrix units for eight-bit numbers, usable or not.
pub(in super::super) fn has_amx() -> bool {
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    // SAFETY: every processor of this architecture has the instruction.
    #[allow(unsafe_code, unused_unsafe)]
    let (most, features) = unsafe { (__cpuid(0).eax, __cpuid_count(7, 0).edx) };
    most >= 7 && features & (TILE | INT8) == TILE | INT8
}

/// Asks the system for the tiles' registers, which it saves for processes that use them alone
/// (Linux, Documentation/arch/x86/xstate.rst).
fn permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        const REQUEST_PERMISSION: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: it takes two numbers and changes what this process may use.
        #[allow(unsafe_code)]
        let refused = unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) };
        refused == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Whether it gives what the definition does.
fn right() -> bool {
    let right = [Format::Q4K, Format::Q8_0].into_iter().all(|format| {
        let (packed, activations) = sample(format, 3, 2 * ROWS + FEWEST + 1);
        let [is, should] =
            [Kernel::Amx, Kernel::Plain].map(|kernel| packed.forward(kernel, &activations));
        is.iter().zip(&should).all(|(is, should)| is.to_bits() == should.to_bits())
    });
    if !right {
        tracing::warn!("the processor's matrix units (AMX) give wrong products: not used");
    }
    right
}

/// A panel of so many units, and activations.
fn sample(format: Format, units: usize, count: usize) -> (Packed, Activations) {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let columns = units * format.weights();
    let rows: Vec<Vec<u8>> = (0..ROWS)
        .map(|_| {
            // Scales that are numbers: none of their exponents is all ones.
            (0..units * format.bytes()).map(|_| (next() & 0xbb) as u8).collect()
        })
        .collect();
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let x: Vec<f32> = (0..count * columns).map(|_| next() as f32 / 32768.0 - 1.0).collect();
    let packed = Packed::new(format, columns, &rows);
    let activations = Activations::new(&x, columns, packed.unit());
    (packed, activations)
}

/// Activations in blocks of 32 codes, the first of which begins where each does.
trait Codes {
    /// Bytes from a block's codes to the next's.
    const STEP: usize;
}

impl Codes for Block {
    const STEP: usize = size_of::<Self>();
}

impl Codes for Wide {
    const STEP: usize = BLOCK;
}

const _: () = assert!(offset_of!(Block, codes) == 0 && offset_of!(Wide, codes) == 0);

/// The tiles' registers of this thread, while they are in use: 0 to 3 for products, 4 and 5 for
/// activations, 6 and 7 for codes.
struct Tiles {
    /// Rows of activations.
    height: usize,
}

/// What the instruction for it reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    widths: [u16; 16],
    heights: [u8; 16],
}

impl Tiles {
    /// # Safety
    /// There are such registers, and this process may use them.
    #[allow(unsafe_code)]
    unsafe fn configured(height: usize) -> Self {
        assert!((1..=ROWS).contains(&height));
        let (rows, lines) = (height as u8, LINES as u8);
        let mut configuration = Configuration {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            widths: [0; 16],
            heights: [0; 16],
        };
        configuration.widths[..8].copy_from_slice(&[64, 64, 64, 64, 32, 32, 64, 64]);
        configuration.heights[..8]
            .copy_from_slice(&[rows, rows, rows, rows, rows, rows, lines, lines]);
        // SAFETY: it reads the 64 bytes of a configuration that is valid: no tile has more than 16
        // rows of 64 bytes. Nothing else that is compiled into this program uses these registers.
        unsafe {
            asm!(
                "ldtilecfg [{}]",
                in(reg) &raw const configuration,
                options(nostack, preserves_flags, readonly)
            );
        }
        Self { height }
    }

    /// Products of rows of activations, each `units` long, with unpacked blocks of codes, the first of
    /// which belongs to the unit `first`.
    fn multiply<T: Codes>(
        &self,
        rows: &[T],
        units: usize,
        first: usize,
        codes: &[Line],
        out: &mut Products,
    ) {
        let blocks = codes.len() / LINES;
        assert!(rows.len() == self.height * units && (1..=BLOCKS).contains(&blocks));
        assert!(first * size_of::<T>() + (blocks - 1) * T::STEP + BLOCK <= units * size_of::<T>());
        let (left, stride) = (rows[first..].as_ptr().cast::<u8>(), units * size_of::<T>());
        for block in (0..blocks).step_by(4) {
            // Where there are fewer than four left, the last one again.
            let nth = |i: usize| (block + i).min(blocks - 1);
            // SAFETY: tiles read a block's codes in each row, which end within it, as asserted, and
            // the eight lines of its codes; they write the sixteen lines of its products, whose place
            // is there for eight blocks.
            #[allow(unsafe_code)]
            unsafe {
                let left = |i: usize| left.add(nth(i) * T::STEP);
                let right = |i: usize| codes.as_ptr().add(nth(i) * LINES);
                let mut products = |i: usize| &raw mut out.0[nth(i)];
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "tileloadd tmm4, [{a0} + {stride}]",
                    "tileloadd tmm6, [{b0} + {line}]",
                    "tileloadd tmm5, [{a1} + {stride}]",
                    "tileloadd tmm7, [{b1} + {line}]",
                    "tdpbsud tmm0, tmm4, tmm6",
                    "tdpbsud tmm1, tmm5, tmm7",
                    "tileloadd tmm4, [{a2} + {stride}]",
                    "tileloadd tmm6, [{b2} + {line}]",
                    "tileloadd tmm5, [{a3} + {stride}]",
                    "tileloadd tmm7, [{b3} + {line}]",
                    "tdpbsud tmm2, tmm4, tmm6",
                    "tdpbsud tmm3, tmm5, tmm7",
                    a0 = in(reg) left(0),
                    a1 = in(reg) left(1),
                    a2 = in(reg) left(2),
                    a3 = in(reg) left(3),
                    b0 = in(reg) right(0),
                    b1 = in(reg) right(1),
                    b2 = in(reg) right(2),
                    b3 = in(reg) right(3),
                    stride = in(reg) stride,
                    line = in(reg) size_of::<Line>(),
                    options(nostack, preserves_flags, readonly)
                );
                asm!(
                    "tilestored [{c3} + {line}], tmm3",
                    "tilestored [{c2} + {line}], tmm2",
                    "tilestored [{c1} + {line}], tmm1",
                    "tilestored [{c0} + {line}], tmm0",
                    c0 = in(reg) products(0),
                    c1 = in(reg) products(1),
                    c2 = in(reg) products(2),
                    c3 = in(reg) products(3),
                    line = in(reg) size_of::<Line>(),
                    options(nostack, preserves_flags)
                );
            }
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the registers are as a thread begins with them. No tile of this one is read again.
        #[allow(unsafe_code)]
        unsafe {
            asm!("tilerelease", options(nostack, preserves_flags, nomem));
        }
    }
}

/// Whole tiles' rows of activations, each `units` long, with their sums, and what is left.
fn by_height<'a, T>(
    rows: &'a [T],
    units: usize,
    out: &'a mut [Sums],
) -> impl Iterator<Item = (usize, &'a [T], &'a mut [Sums])> {
    let whole = out.len() / ROWS * ROWS;
    let (tiles, rest) = rows.split_at(whole * units);
    let (tiles_out, rest_out) = out.split_at_mut(whole);
    let last = rest_out.len();
    [(ROWS, tiles, tiles_out), (last, rest, rest_out)]
        .into_iter()
        .filter(|(.., out)| !out.is_empty())
}

/// # Safety
/// There are matrix units, and this process may use them.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[allow(unsafe_code)]
pub(super) unsafe fn blocks<L: Layout>(lines: &[Line], rows: &[Block], out: &mut [Sums]) {
    let units = lines.len() / L::LINES;
    let mut codes = [Line([0; 64]); BLOCKS * LINES];
    let mut products = Products::zero();
    for (height, rows, out) in by_height(rows, units, out) {
        if height < FEWEST {
            avx512::blocks::<L>(lines, rows, out);
            continue;
        }
        // SAFETY: as the caller says.
        let tiles = unsafe { Tiles::configured(height) };
        for (group, lines) in lines.chunks(BLOCKS * L::LINES).enumerate() {
            let (first, count) = (group * BLOCKS, lines.len() / L::LINES);
            let mut factors = [(_mm512_setzero_ps(), _mm512_setzero_ps()); BLOCKS];
            for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
                factors[u] = scales::<L>(unit);
                unpack::<L>(&unit[L::CODES..], &mut codes[u * LINES..][..LINES]);
            }
            for (rows, out) in rows.chunks_exact(height * units).zip(out.chunks_exact_mut(height)) {
                tiles.multiply(rows, units, first, &codes[..count * LINES], &mut products);
                for (r, (row, out)) in rows.chunks_exact(units).zip(out).enumerate() {
                    let mut sum = sums(out);
                    for (u, block) in row[first..][..count].iter().enumerate() {
                        let (d, min) = factors[u];
                        let offset = _mm512_set1_epi32(L::OFFSET * block.whole);
                        let products = _mm512_sub_epi32(load(&products.0[u][r]), offset);
                        let scale = _mm512_mul_ps(d, _mm512_set1_ps(block.scale));
                        sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scale, sum);
                        if L::MINS {
                            sum = _mm512_fnmadd_ps(min, _mm512_set1_ps(block.sum), sum);
                        }
                    }
                    avx512::store([sum], std::slice::from_mut(out));
                }
            }
        }
    }
}

/// # Safety
/// There are matrix units, and this process may use them.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[allow(unsafe_code)]
pub(super) unsafe fn wides<L: Layout>(lines: &[Line], rows: &[Wide], out: &mut [Sums]) {
    if L::SHARING != BLOCK || !L::MINS {
        // With a scale for 16 weights, a tile would be a quarter full.
        return avx512::wides::<L>(lines, rows, out);
    }
    let units = lines.len() / L::LINES;
    let mut codes = [Line([0; 64]); BLOCKS * LINES];
    let mut products = Products::zero();
    for (height, rows, out) in by_height(rows, units, out) {
        if height < FEWEST {
            avx512::wides::<L>(lines, rows, out);
            continue;
        }
        // SAFETY: as the caller says.
        let tiles = unsafe { Tiles::configured(height) };
        for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
            let (d, dmin) = scales::<L>(unit);
            let (factors, mins) = (&unit[1..1 + L::SCALES], &unit[1 + L::SCALES..L::CODES]);
            let mut scales = [_mm512_setzero_si512(); BLOCKS];
            // Two to a lane.
            let mut pairs = [_mm512_setzero_si512(); BLOCKS / 2];
            let blocks = unit[L::CODES..].chunks_exact(L::CODE_LINES);
            for (b, (lines, codes)) in blocks.zip(codes.chunks_exact_mut(LINES)).enumerate() {
                unpack::<L>(lines, codes);
                scales[b] = _mm512_cvtepi8_epi32(sixteen(factors, b));
                let min = _mm512_cvtepu8_epi32(sixteen(mins, b));
                let shifted = if b % 2 == 0 { min } else { _mm512_slli_epi32::<16>(min) };
                pairs[b / 2] = _mm512_or_si512(pairs[b / 2], shifted);
            }
            for (rows, out) in rows.chunks_exact(height * units).zip(out.chunks_exact_mut(height)) {
                tiles.multiply(rows, units, u, &codes, &mut products);
                for (r, (row, out)) in rows.chunks_exact(units).zip(out).enumerate() {
                    let wide = &row[u];
                    let (mut whole, mut less) = (_mm512_setzero_si512(), _mm512_setzero_si512());
                    for (scale, products) in scales.iter().zip(&products.0) {
                        let scaled = _mm512_mullo_epi32(load(&products[r]), *scale);
                        whole = _mm512_add_epi32(whole, scaled);
                    }
                    for (pair, sums) in pairs.iter().zip(wide.blocks) {
                        less = _mm512_dpwssd_epi32(less, *pair, _mm512_set1_epi32(sums));
                    }
                    let scale = _mm512_set1_ps(wide.scale);
                    let mut sum = sums(out);
                    let (d, dmin) = (_mm512_mul_ps(d, scale), _mm512_mul_ps(dmin, scale));
                    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), d, sum);
                    sum = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(less), dmin, sum);
                    avx512::store([sum], std::slice::from_mut(out));
                }
            }
        }
    }
}

/// A byte for each code of 32 weights.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn unpack<L: Layout>(lines: &[Line], out: &mut [Line]) {
    for (codes, line) in avx512::codes::<L>(lines).into_iter().zip(out) {
        // SAFETY: a line is 64 bytes, aligned to 64.
        #[allow(unsafe_code)]
        unsafe {
            _mm512_store_si512(line.0.as_mut_ptr().cast(), codes);
        }
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn sums(out: &Sums) -> __m512 {
    // SAFETY: sixteen floats.
    #[allow(unsafe_code)]
    unsafe {
        _mm512_loadu_ps(out.as_ptr())
    }
}
