//! With AVX-512 and VNNI: a lane for each of a panel's sixteen rows.

#![allow(clippy::wildcard_imports)]
use std::arch::x86_64::*;

use super::{
    super::panels::Sums,
    BLOCK,
    activations::{Block, Wide, apart},
    layout::{Layout, Line},
};

/// Rows of activations at once: with their sums, what 32 registers hold.
const AT_ONCE: usize = 8;

/// Calls `$tile` with as many rows at once as there are, up to eight.
macro_rules! by_rows {
    ($tile:ident, $lines:ident, $rows:ident, $out:ident) => {
        let units = $lines.len() / L::LINES;
        for (rows, out) in $rows.chunks(AT_ONCE * units).zip($out.chunks_mut(AT_ONCE)) {
            match out.len() {
                1 => $tile::<L, 1>($lines, rows, out),
                2 => $tile::<L, 2>($lines, rows, out),
                3 => $tile::<L, 3>($lines, rows, out),
                4 => $tile::<L, 4>($lines, rows, out),
                5 => $tile::<L, 5>($lines, rows, out),
                6 => $tile::<L, 6>($lines, rows, out),
                7 => $tile::<L, 7>($lines, rows, out),
                _ => $tile::<L, AT_ONCE>($lines, rows, out),
            }
        }
    };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn blocks<L: Layout>(lines: &[Line], rows: &[Block], out: &mut [Sums]) {
    by_rows!(block_tile, lines, rows, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn wides<L: Layout>(lines: &[Line], rows: &[Wide], out: &mut [Sums]) {
    by_rows!(wide_tile, lines, rows, out);
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes, aligned to 64.
    #[allow(unsafe_code)]
    unsafe {
        _mm512_load_si512(line.0.as_ptr().cast())
    }
}

/// The 16 bytes at `i` of a row of lines, as whole numbers of 32 bits.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn sixteen(lines: &[Line], i: usize) -> __m128i {
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
pub(super) fn codes<L: Layout>(lines: &[Line]) -> [__m512i; 8] {
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

/// A unit's scales and mins.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn scales<L: Layout>(unit: &[Line]) -> (__m512, __m512) {
    let first = load(&unit[0]);
    if L::MINS {
        (
            _mm512_cvtph_ps(_mm512_castsi512_si256(first)),
            _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(first)),
        )
    } else {
        (_mm512_castsi512_ps(first), _mm512_setzero_ps())
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn store<const ROWS: usize>(sums: [__m512; ROWS], out: &mut [Sums]) {
    for (out, sum) in out.iter_mut().zip(sums) {
        // SAFETY: a row of `out` is sixteen floats.
        #[allow(unsafe_code)]
        unsafe {
            _mm512_storeu_ps(out.as_mut_ptr(), sum);
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn block_tile<L: Layout, const ROWS: usize>(lines: &[Line], rows: &[Block], out: &mut [Sums]) {
    let rows: [&[Block]; ROWS] = apart(rows);
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, min) = scales::<L>(unit);
        let codes = codes::<L>(&unit[L::CODES..]);
        for (sum, row) in sums.iter_mut().zip(rows) {
            let block = &row[u];
            let mut products = _mm512_set1_epi32(-L::OFFSET * block.whole);
            for (codes, four) in codes.iter().zip(block.codes) {
                products = _mm512_dpbusd_epi32(products, *codes, _mm512_set1_epi32(four));
            }
            let scale = _mm512_mul_ps(d, _mm512_set1_ps(block.scale));
            *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), scale, *sum);
            if L::MINS {
                *sum = _mm512_fnmadd_ps(min, _mm512_set1_ps(block.sum), *sum);
            }
        }
    }
    store(sums, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn wide_tile<L: Layout, const ROWS: usize>(lines: &[Line], rows: &[Wide], out: &mut [Sums]) {
    let rows: [&[Wide]; ROWS] = apart(rows);
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, dmin) = scales::<L>(unit);
        let wides = rows.map(|row| &row[u]);
        let (factors, mins) = (&unit[1..1 + L::SCALES], &unit[1 + L::SCALES..L::CODES]);
        let mut whole = [_mm512_setzero_si512(); ROWS];
        for b in 0..L::BLOCKS {
            let codes = codes::<L>(&unit[L::CODES + b * L::CODE_LINES..]);
            for part in 0..BLOCK / L::SHARING {
                let scale = _mm512_cvtepi8_epi32(sixteen(factors, b * BLOCK / L::SHARING + part));
                for (whole, wide) in whole.iter_mut().zip(wides) {
                    let mut products = _mm512_setzero_si512();
                    for i in 0..L::SHARING / 4 {
                        let i = part * L::SHARING / 4 + i;
                        let four = _mm512_set1_epi32(wide.codes[8 * b + i]);
                        products = _mm512_dpbusd_epi32(products, codes[i], four);
                    }
                    *whole = _mm512_add_epi32(*whole, _mm512_mullo_epi32(products, scale));
                }
            }
        }
        // Sums of activations, times their mins or scales: two products to a lane.
        let mut less = [_mm512_setzero_si512(); ROWS];
        for pair in 0..L::WEIGHTS / L::SHARING / 2 {
            let both = |i: usize| match L::MINS {
                true => _mm512_cvtepu8_epi32(sixteen(mins, i)),
                false => _mm512_cvtepi8_epi32(sixteen(factors, i)),
            };
            let low = _mm512_and_si512(both(2 * pair), _mm512_set1_epi32(0xffff));
            let two = _mm512_or_si512(low, _mm512_slli_epi32::<16>(both(2 * pair + 1)));
            for (less, wide) in less.iter_mut().zip(wides) {
                let sums = if L::MINS { wide.blocks[pair] } else { wide.sixteens[pair] };
                *less = _mm512_dpwssd_epi32(*less, two, _mm512_set1_epi32(sums));
            }
        }
        for (((sum, whole), less), wide) in sums.iter_mut().zip(whole).zip(less).zip(wides) {
            let scale = _mm512_set1_ps(wide.scale);
            let d = _mm512_mul_ps(d, scale);
            if L::MINS {
                let dmin = _mm512_mul_ps(dmin, scale);
                *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), d, *sum);
                *sum = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(less), dmin, *sum);
            } else {
                let offset = _mm512_mullo_epi32(less, _mm512_set1_epi32(L::OFFSET));
                let whole = _mm512_sub_epi32(whole, offset);
                *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), d, *sum);
            }
        }
    }
    store(sums, out);
}
