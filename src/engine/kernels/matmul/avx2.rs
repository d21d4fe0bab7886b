//! With AVX2 and FMA, and AVX-VNNI where there is that: a lane for each of half a panel's rows.

#![allow(clippy::wildcard_imports)]
use std::{arch::x86_64::*, ops::Range};

use super::{
    super::panels::Sums,
    BLOCK,
    activations::{Block, Paired, Wide, apart},
    layout::{Layout, Line, Q8_0},
};

/// Rows of activations at once: with their sums, what sixteen registers hold.
const AT_ONCE: usize = 4;

/// Calls `$tile` for each half of the panel, with up to four rows at once.
macro_rules! by_rows {
    ($tile:ident, $lines:ident, $rows:ident, $out:ident) => {
        let units = $lines.len() / L::LINES;
        for (rows, out) in $rows.chunks(AT_ONCE * units).zip($out.chunks_mut(AT_ONCE)) {
            for half in 0..2 {
                match out.len() {
                    1 => $tile::<L, VNNI, 1>($lines, half, rows, out),
                    2 => $tile::<L, VNNI, 2>($lines, half, rows, out),
                    3 => $tile::<L, VNNI, 3>($lines, half, rows, out),
                    _ => $tile::<L, VNNI, AT_ONCE>($lines, half, rows, out),
                }
            }
        }
    };
}

/// # Safety
/// The processor has AVX-VNNI if `VNNI` says so.
#[target_feature(enable = "avx2,fma,f16c")]
#[allow(unsafe_code)]
pub(super) unsafe fn blocks<L: Layout, const VNNI: bool>(
    lines: &[Line],
    rows: &[Block],
    out: &mut [Sums],
) {
    by_rows!(block_tile, lines, rows, out);
}

/// Q8_0, where there is no AVX-VNNI.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn paired(lines: &[Line], rows: &[Paired], out: &mut [Sums]) {
    let units = lines.len() / Q8_0::LINES;
    for (rows, out) in rows.chunks(AT_ONCE * units).zip(out.chunks_mut(AT_ONCE)) {
        match out.len() {
            1 => paired_tile::<1>(lines, rows, out),
            2 => paired_tile::<2>(lines, rows, out),
            3 => paired_tile::<3>(lines, rows, out),
            _ => paired_tile::<AT_ONCE>(lines, rows, out),
        }
    }
}

/// # Safety
/// The processor has AVX-VNNI if `VNNI` says so.
#[target_feature(enable = "avx2,fma,f16c")]
#[allow(unsafe_code)]
pub(super) unsafe fn wides<L: Layout, const VNNI: bool>(
    lines: &[Line],
    rows: &[Wide],
    out: &mut [Sums],
) {
    by_rows!(wide_tile, lines, rows, out);
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

/// A unit's scales and mins.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn scales<L: Layout>(unit: &[Line], half: usize) -> (__m256, __m256) {
    if L::MINS {
        (_mm256_cvtph_ps(sixteen(unit, half)), _mm256_cvtph_ps(sixteen(unit, 2 + half)))
    } else {
        (_mm256_castsi256_ps(load(&unit[0], half)), _mm256_setzero_ps())
    }
}

/// Adds to each lane the products of its codes with activations: of the quads `quads` of 32 weights,
/// `four` giving a row's activations of a quad.
#[target_feature(enable = "avx2")]
#[inline]
fn add_products<L: Layout, const VNNI: bool, const ROWS: usize>(
    products: &mut [__m256i; ROWS],
    lines: &[Line],
    half: usize,
    quads: Range<usize>,
    four: impl Fn(usize, usize) -> i32,
) {
    if VNNI {
        for i in quads {
            let codes = codes::<L>(lines, half, i);
            for (row, products) in products.iter_mut().enumerate() {
                *products = dot(*products, codes, _mm256_set1_epi32(four(row, i)));
            }
            in_order(products);
        }
        return;
    }
    // So many sums of two products don't overflow 16 bits: 2 · 15 · 127 · 8, 2 · 31 · 127 · 4,
    // 2 · 63 · 127 · 2.
    let together = match L::BITS {
        4 => 8,
        5 => 4,
        6 => 2,
        _ => unreachable!("without AVX-VNNI codes of eight bits are multiplied in pairs"),
    };
    for first in quads.clone().step_by(together) {
        let mut pairs = [_mm256_setzero_si256(); ROWS];
        for i in first..quads.end.min(first + together) {
            let codes = codes::<L>(lines, half, i);
            for (row, pairs) in pairs.iter_mut().enumerate() {
                let two = _mm256_maddubs_epi16(codes, _mm256_set1_epi32(four(row, i)));
                *pairs = _mm256_add_epi16(*pairs, two);
            }
            in_order(&mut pairs);
        }
        for (products, pairs) in products.iter_mut().zip(pairs) {
            let sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
            *products = _mm256_add_epi32(*products, sums);
        }
    }
}

/// Adds the products of four codes to a lane with four activations. There must be AVX-VNNI.
#[target_feature(enable = "avx2")]
#[inline]
fn dot(mut sum: __m256i, codes: __m256i, four: __m256i) -> __m256i {
    // As assembly, since what is compiled for more instructions isn't inlined here.
    // SAFETY: the processor has AVX-VNNI, as the caller of the kernel has made sure.
    #[allow(unsafe_code)]
    unsafe {
        std::arch::asm!(
            "{{vex}} vpdpbusd {sum}, {codes}, {four}",
            sum = inout(ymm_reg) sum,
            codes = in(ymm_reg) codes,
            four = in(ymm_reg) four,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// Keeps the compiler from taking up one row after the other: it would hold the codes of all quads for
/// that, for which there are too few registers.
#[target_feature(enable = "avx2")]
#[inline]
fn in_order<const ROWS: usize>(products: &mut [__m256i; ROWS]) {
    for row in products {
        let mut sum = *row;
        // SAFETY: nothing is done.
        #[allow(unsafe_code)]
        unsafe {
            std::arch::asm!(
                "/* {sum} */",
                sum = inout(ymm_reg) sum,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        *row = sum;
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store<const ROWS: usize>(sums: [__m256; ROWS], half: usize, out: &mut [Sums]) {
    for (out, sum) in out.iter_mut().zip(sums) {
        let (halves, _) = out.as_chunks_mut::<8>();
        // SAFETY: half a row of `out` is eight floats.
        #[allow(unsafe_code)]
        unsafe {
            _mm256_storeu_ps(halves[half].as_mut_ptr(), sum);
        }
    }
}

/// Products of bytes with a sign would need another instruction to take it from the codes, or lose
/// bits; those of 16-bit numbers need neither. Both halves of a panel, so that an activation is
/// loaded once for them; sums are left in memory, since there are no registers for them.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn paired_tile<const ROWS: usize>(lines: &[Line], rows: &[Paired], out: &mut [Sums]) {
    let rows: [&[Paired]; ROWS] = apart(rows);
    for (u, unit) in lines.chunks_exact(Q8_0::LINES).enumerate() {
        let blocks = rows.map(|row| &row[u]);
        let mut products = blocks.map(|block| [_mm256_set1_epi32(block.less); 2]);
        for i in 0..BLOCK / 4 {
            let fours = [0, 1].map(|half| load(&unit[Q8_0::CODES + i], half));
            let even = fours.map(|four| _mm256_and_si256(four, _mm256_set1_epi16(0xff)));
            add_pairs(&mut products, even, |row| blocks[row].pairs[2 * i]);
            let odd = fours.map(|four| _mm256_srli_epi16::<8>(four));
            add_pairs(&mut products, odd, |row| blocks[row].pairs[2 * i + 1]);
        }
        for half in 0..2 {
            let (d, _) = scales::<Q8_0>(unit, half);
            for ((out, products), block) in out.iter_mut().zip(products).zip(blocks) {
                let scale = _mm256_mul_ps(d, _mm256_set1_ps(block.scale));
                let (halves, _) = out.as_chunks_mut::<8>();
                let out = &mut halves[half];
                // SAFETY: half a row of `out` is eight floats.
                #[allow(unsafe_code)]
                unsafe {
                    let sum = _mm256_loadu_ps(out.as_ptr());
                    let sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products[half]), scale, sum);
                    _mm256_storeu_ps(out.as_mut_ptr(), sum);
                }
            }
        }
    }
}

/// Adds the products of two codes to a lane with the two activations that `pair` gives of a row.
#[target_feature(enable = "avx2")]
#[inline]
fn add_pairs<const ROWS: usize>(
    products: &mut [[__m256i; 2]; ROWS],
    codes: [__m256i; 2],
    pair: impl Fn(usize) -> i32,
) {
    for (row, products) in products.iter_mut().enumerate() {
        let pair = _mm256_set1_epi32(pair(row));
        for (products, codes) in products.iter_mut().zip(codes) {
            *products = _mm256_add_epi32(*products, _mm256_madd_epi16(codes, pair));
        }
        in_order(products);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn block_tile<L: Layout, const VNNI: bool, const ROWS: usize>(
    lines: &[Line],
    half: usize,
    rows: &[Block],
    out: &mut [Sums],
) {
    let rows: [&[Block]; ROWS] = apart(rows);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, min) = scales::<L>(unit, half);
        let blocks = rows.map(|row| &row[u]);
        let mut products = blocks.map(|block| _mm256_set1_epi32(-L::OFFSET * block.whole));
        let four = |row: usize, i: usize| blocks[row].codes[i];
        add_products::<L, VNNI, ROWS>(&mut products, &unit[L::CODES..], half, 0..BLOCK / 4, four);
        for ((sum, products), block) in sums.iter_mut().zip(products).zip(blocks) {
            let scale = _mm256_mul_ps(d, _mm256_set1_ps(block.scale));
            *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, *sum);
            if L::MINS {
                *sum = _mm256_fnmadd_ps(min, _mm256_set1_ps(block.sum), *sum);
            }
        }
    }
    store(sums, half, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn wide_tile<L: Layout, const VNNI: bool, const ROWS: usize>(
    lines: &[Line],
    half: usize,
    rows: &[Wide],
    out: &mut [Sums],
) {
    let rows: [&[Wide]; ROWS] = apart(rows);
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        let (d, dmin) = scales::<L>(unit, half);
        let wides = rows.map(|row| &row[u]);
        let (factors, mins) = (&unit[1..1 + L::SCALES], &unit[1 + L::SCALES..L::CODES]);
        let mut whole = [_mm256_setzero_si256(); ROWS];
        for b in 0..L::BLOCKS {
            let lines = &unit[L::CODES + b * L::CODE_LINES..][..L::CODE_LINES];
            for part in 0..BLOCK / L::SHARING {
                let i = b * BLOCK / L::SHARING + part;
                let scale = _mm256_cvtepi8_epi32(eight(factors, i, half));
                let mut products = [_mm256_setzero_si256(); ROWS];
                let quads = part * L::SHARING / 4..(part + 1) * L::SHARING / 4;
                let four = |row: usize, i: usize| wides[row].codes[8 * b + i];
                add_products::<L, VNNI, ROWS>(&mut products, lines, half, quads, four);
                for (whole, products) in whole.iter_mut().zip(products) {
                    *whole = _mm256_add_epi32(*whole, _mm256_mullo_epi32(products, scale));
                }
            }
        }
        // Sums of activations, times their mins or scales: two products to a lane.
        let mut less = [_mm256_setzero_si256(); ROWS];
        for pair in 0..L::WEIGHTS / L::SHARING / 2 {
            let both = |i: usize| match L::MINS {
                true => _mm256_cvtepu8_epi32(eight(mins, i, half)),
                false => _mm256_cvtepi8_epi32(eight(factors, i, half)),
            };
            let low = _mm256_and_si256(both(2 * pair), _mm256_set1_epi32(0xffff));
            let two = _mm256_or_si256(low, _mm256_slli_epi32::<16>(both(2 * pair + 1)));
            for (less, wide) in less.iter_mut().zip(wides) {
                let sums = if L::MINS { wide.blocks[pair] } else { wide.sixteens[pair] };
                let products = _mm256_madd_epi16(two, _mm256_set1_epi32(sums));
                *less = _mm256_add_epi32(*less, products);
            }
        }
        for (((sum, whole), less), wide) in sums.iter_mut().zip(whole).zip(less).zip(wides) {
            let scale = _mm256_set1_ps(wide.scale);
            let d = _mm256_mul_ps(d, scale);
            if L::MINS {
                let dmin = _mm256_mul_ps(dmin, scale);
                *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), d, *sum);
                *sum = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(less), dmin, *sum);
            } else {
                let offset = _mm256_mullo_epi32(less, _mm256_set1_epi32(L::OFFSET));
                let whole = _mm256_sub_epi32(whole, offset);
                *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), d, *sum);
            }
        }
    }
    store(sums, half, out);
}
