//! With NEON and its dot products: a lane for each of a quarter of a panel's rows.

#![allow(clippy::wildcard_imports)]
use std::arch::{aarch64::*, asm};

use super::{
    super::panels::{PANEL, Sums},
    BLOCK,
    activations::{Block, Wide, apart},
    layout::{Layout, Line},
};

/// Rows of activations at once: with their sums, what 32 registers hold.
const AT_ONCE: usize = 8;
/// Rows of a panel at once.
const LANES: usize = 4;

/// Calls `$tile` for each quarter of the panel, with as many rows at once as there are, up to eight.
macro_rules! by_rows {
    ($tile:ident, $lines:ident, $rows:ident, $out:ident) => {
        let units = $lines.len() / L::LINES;
        for (rows, out) in $rows.chunks(AT_ONCE * units).zip($out.chunks_mut(AT_ONCE)) {
            for quarter in 0..PANEL / LANES {
                match out.len() {
                    1 => $tile::<L, 1>($lines, quarter, rows, out),
                    2 => $tile::<L, 2>($lines, quarter, rows, out),
                    3 => $tile::<L, 3>($lines, quarter, rows, out),
                    4 => $tile::<L, 4>($lines, quarter, rows, out),
                    5 => $tile::<L, 5>($lines, quarter, rows, out),
                    6 => $tile::<L, 6>($lines, quarter, rows, out),
                    7 => $tile::<L, 7>($lines, quarter, rows, out),
                    _ => $tile::<L, AT_ONCE>($lines, quarter, rows, out),
                }
            }
        }
    };
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn blocks<L: Layout>(lines: &[Line], rows: &[Block], out: &mut [Sums]) {
    by_rows!(block_tile, lines, rows, out);
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn wides<L: Layout>(lines: &[Line], rows: &[Wide], out: &mut [Sums]) {
    by_rows!(wide_tile, lines, rows, out);
}

/// A quarter of a line.
#[target_feature(enable = "neon")]
#[inline]
fn load(line: &Line, quarter: usize) -> uint8x16_t {
    let (quarters, _) = line.0.as_chunks::<16>();
    // SAFETY: a quarter is 16 bytes.
    #[allow(unsafe_code)]
    unsafe {
        vld1q_u8(quarters[quarter].as_ptr())
    }
}

/// Of the 16 bytes at `i` of a row of lines those of a quarter, as whole numbers of 32 bits.
#[inline]
fn four(lines: &[Line], i: usize, quarter: usize) -> [u8; LANES] {
    lines[i / 4].0.as_chunks().0[4 * (i % 4) + quarter]
}

#[target_feature(enable = "neon")]
#[inline]
fn signed(bytes: [u8; LANES]) -> int32x4_t {
    let wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(u32::from_le_bytes(bytes))));
    vmovl_s16(vget_low_s16(wide))
}

#[target_feature(enable = "neon")]
#[inline]
fn unsigned(bytes: [u8; LANES]) -> int32x4_t {
    let wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(u32::from_le_bytes(bytes))));
    vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(wide)))
}

/// The codes of the quad `i` of 32 weights, four to a lane; those of eight bits without their offset,
/// since dot products are of signed numbers.
#[target_feature(enable = "neon")]
#[inline]
fn codes<L: Layout>(lines: &[Line], quarter: usize, i: usize) -> int8x16_t {
    if L::BITS == 8 {
        return vreinterpretq_s8_u8(veorq_u8(load(&lines[i], quarter), vdupq_n_u8(0x80)));
    }
    let both = load(&lines[i / 2], quarter);
    let low =
        if i.is_multiple_of(2) { vandq_u8(both, vdupq_n_u8(15)) } else { vshrq_n_u8::<4>(both) };
    vreinterpretq_s8_u8(match L::BITS {
        5 => {
            let set = vtstq_u8(load(&lines[4], quarter), vdupq_n_u8(1 << i));
            vorrq_u8(low, vandq_u8(set, vdupq_n_u8(16)))
        }
        6 => {
            let high = load(&lines[4 + i / 4], quarter);
            let high = match i % 4 {
                0 => vshlq_n_u8::<4>(high),
                1 => vshlq_n_u8::<2>(high),
                2 => high,
                _ => vshrq_n_u8::<2>(high),
            };
            vorrq_u8(low, vandq_u8(high, vdupq_n_u8(0x30)))
        }
        _ => low,
    })
}

/// Adds the products of four codes to a lane with the four activations of lane `I`.
macro_rules! add_products {
    ($sum:expr, $codes:expr, $activations:expr, $lane:literal) => {
        // As assembly, since the intrinsic isn't stable.
        // SAFETY: it reads and writes registers alone.
        #[allow(unsafe_code)]
        unsafe {
            asm!(
                concat!("sdot {:v}.4s, {:v}.16b, {:v}.4b[", $lane, "]"),
                inout(vreg) *$sum, in(vreg) $codes, in(vreg) $activations,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
    };
}

/// Adds the products of sixteen codes to a lane, the quads `4 * half..` of 32 weights, with sixteen
/// activations of each row, those at `from` of their codes.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn add_sixteen<L: Layout, const ROWS: usize>(
    sums: &mut [int32x4_t; ROWS],
    lines: &[Line],
    quarter: usize,
    half: usize,
    activations: [&[i32; 4]; ROWS],
) {
    let codes: [int8x16_t; 4] = [
        codes::<L>(lines, quarter, 4 * half),
        codes::<L>(lines, quarter, 4 * half + 1),
        codes::<L>(lines, quarter, 4 * half + 2),
        codes::<L>(lines, quarter, 4 * half + 3),
    ];
    for (sum, activations) in sums.iter_mut().zip(activations) {
        // SAFETY: four numbers.
        #[allow(unsafe_code)]
        let activations = unsafe { vld1q_s32(activations.as_ptr()) };
        add_products!(sum, codes[0], activations, 0);
        add_products!(sum, codes[1], activations, 1);
        add_products!(sum, codes[2], activations, 2);
        add_products!(sum, codes[3], activations, 3);
    }
}

/// A unit's scales and mins.
#[target_feature(enable = "neon")]
#[inline]
fn scales<L: Layout>(unit: &[Line], quarter: usize) -> (float32x4_t, float32x4_t) {
    let first = &unit[0].0;
    if L::MINS {
        let halves = |at: usize| -> [f32; LANES] {
            std::array::from_fn(|lane| {
                let at = at + 2 * (LANES * quarter + lane);
                half::f16::from_le_bytes([first[at], first[at + 1]]).to_f32()
            })
        };
        (floats(&halves(0)), floats(&halves(32)))
    } else {
        (vreinterpretq_f32_u8(load(&unit[0], quarter)), vdupq_n_f32(0.0))
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn floats(four: &[f32; LANES]) -> float32x4_t {
    // SAFETY: four floats.
    #[allow(unsafe_code)]
    unsafe {
        vld1q_f32(four.as_ptr())
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn store<const ROWS: usize>(sums: [float32x4_t; ROWS], quarter: usize, out: &mut [Sums]) {
    for (out, sum) in out.iter_mut().zip(sums) {
        let (quarters, _) = out.as_chunks_mut::<LANES>();
        // SAFETY: a quarter of a row of `out` is four floats.
        #[allow(unsafe_code)]
        unsafe {
            vst1q_f32(quarters[quarter].as_mut_ptr(), sum);
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
#[inline]
fn block_tile<L: Layout, const ROWS: usize>(
    lines: &[Line],
    quarter: usize,
    rows: &[Block],
    out: &mut [Sums],
) {
    let rows: [&[Block]; ROWS] = apart(rows);
    let offset = if L::BITS == 8 { 0 } else { L::OFFSET };
    let mut sums = [vdupq_n_f32(0.0); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, min) = scales::<L>(unit, quarter);
        let blocks: [&Block; ROWS] = std::array::from_fn(|row| &rows[row][u]);
        let mut products = [vdupq_n_s32(0); ROWS];
        for (products, block) in products.iter_mut().zip(blocks) {
            *products = vdupq_n_s32(-offset * block.whole);
        }
        for half in 0..2 {
            let activations = std::array::from_fn(|row| &blocks[row].codes.as_chunks().0[half]);
            add_sixteen::<L, ROWS>(&mut products, &unit[L::CODES..], quarter, half, activations);
        }
        for ((sum, products), block) in sums.iter_mut().zip(products).zip(blocks) {
            let scale = vmulq_n_f32(d, block.scale);
            *sum = vfmaq_f32(*sum, vcvtq_f32_s32(products), scale);
            if L::MINS {
                *sum = vfmsq_n_f32(*sum, min, block.sum);
            }
        }
    }
    store(sums, quarter, out);
}

#[target_feature(enable = "neon,dotprod")]
#[inline]
fn wide_tile<L: Layout, const ROWS: usize>(
    lines: &[Line],
    quarter: usize,
    rows: &[Wide],
    out: &mut [Sums],
) {
    let rows: [&[Wide]; ROWS] = apart(rows);
    let zero = [vdupq_n_s32(0); ROWS];
    let mut sums = [vdupq_n_f32(0.0); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, dmin) = scales::<L>(unit, quarter);
        let wides: [&Wide; ROWS] = std::array::from_fn(|row| &rows[row][u]);
        let (factors, mins) = (&unit[1..1 + L::SCALES], &unit[1 + L::SCALES..L::CODES]);
        let mut whole = zero;
        for b in 0..L::BLOCKS {
            let lines = &unit[L::CODES + b * L::CODE_LINES..][..L::CODE_LINES];
            for part in 0..BLOCK / L::SHARING {
                let scale = signed(four(factors, b * BLOCK / L::SHARING + part, quarter));
                let mut products = zero;
                for half in 0..L::SHARING / 16 {
                    let half = part * L::SHARING / 16 + half;
                    let activations =
                        std::array::from_fn(|row| &wides[row].codes.as_chunks().0[2 * b + half]);
                    add_sixteen::<L, ROWS>(&mut products, lines, quarter, half, activations);
                }
                for (whole, products) in whole.iter_mut().zip(products) {
                    *whole = vmlaq_s32(*whole, products, scale);
                }
            }
        }
        // Sums of activations, times their mins or scales.
        let mut less = zero;
        for i in 0..L::WEIGHTS / L::SHARING {
            let factor = match L::MINS {
                true => unsigned(four(mins, i, quarter)),
                false => signed(four(factors, i, quarter)),
            };
            for (less, wide) in less.iter_mut().zip(wides) {
                let sums = if L::MINS { wide.blocks[i / 2] } else { wide.sixteens[i / 2] };
                let sum = (sums >> (16 * (i % 2))) as i16;
                *less = vmlaq_n_s32(*less, factor, sum.into());
            }
        }
        for (((sum, whole), less), wide) in sums.iter_mut().zip(whole).zip(less).zip(wides) {
            let d = vmulq_n_f32(d, wide.scale);
            if L::MINS {
                let dmin = vmulq_n_f32(dmin, wide.scale);
                *sum = vfmaq_f32(*sum, vcvtq_f32_s32(whole), d);
                *sum = vfmsq_f32(*sum, vcvtq_f32_s32(less), dmin);
            } else {
                let whole = vmlsq_n_s32(whole, less, L::OFFSET);
                *sum = vfmaq_f32(*sum, vcvtq_f32_s32(whole), d);
            }
        }
    }
    store(sums, quarter, out);
}
