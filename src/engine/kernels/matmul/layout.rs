//! How weights lie in memory for the kernels.

use super::{super::formats::Unit, BLOCK};

/// A cache line, for alignment.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub [u8; 64]);

/// How a format's units lie in a panel, in lines:
/// `d` (and `dmin`), scales, mins, then the codes of 32 weights after 32.
pub(super) trait Layout {
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
        pub(super) struct $name;
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

/// Calls `$body` with the layout of `$format` as `L`; it must be among those named.
macro_rules! with_layout {
    ($format:expr, [$($name:ident)*], $body:expr) => {
        match $format {
            $(Format::$name => {
                type L = layout::$name;
                $body
            })*
            #[allow(unreachable_patterns)]
            other => unreachable!("activations were rounded for other weights than {other:?}"),
        }
    };
}
pub(super) use with_layout;

/// Lines of a unit of any layout, at most.
pub(super) const MOST_LINES: usize = Q6K::LINES;

/// Writes the unit of a panel's row `r` into the panel's, whose lines are zero there.
pub(super) fn pack_unit<L: Layout>(r: usize, unit: &Unit, lines: &mut [Line]) {
    let mut put = |line: usize, at: usize, bytes: &[u8]| {
        lines[line].0[at..at + bytes.len()].copy_from_slice(bytes);
    };
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
    let blocks = lines[L::CODES..].chunks_exact_mut(L::CODE_LINES);
    for (lines, codes) in blocks.zip(unit.codes.as_chunks::<BLOCK>().0) {
        let mut put = |line: usize, four: u32| {
            lines[line].0.as_chunks_mut().0[r] = four.to_le_bytes();
        };
        // Four codes each.
        let fours: [u32; 8] = std::array::from_fn(|i| u32::from_le_bytes(codes.as_chunks().0[i]));
        if L::BITS == 8 {
            fours.into_iter().enumerate().for_each(|(i, four)| put(i, four));
            continue;
        }
        for (i, [first, second]) in fours.as_chunks().0.iter().enumerate() {
            put(i, first & 0x0f0f_0f0f | (second & 0x0f0f_0f0f) << 4);
        }
        let high = |four: u32| four >> 4 & 0x0303_0303;
        let joined = |fours: &[u32], bits: usize| {
            fours.iter().enumerate().fold(0, |all, (i, four)| all | high(*four) << (bits * i))
        };
        match L::BITS {
            5 => put(4, joined(&fours, 1)),
            6 => [0, 1].into_iter().for_each(|i| put(4 + i, joined(&fours[4 * i..4 * i + 4], 2))),
            _ => {}
        }
    }
}
