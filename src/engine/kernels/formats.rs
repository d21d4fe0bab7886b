//! The block formats of GGUF files, read into codes and scales: the arithmetic of each, once.
//!
//! Source: ggml-org/llama.cpp, `ggml/src/ggml-common.h` (layouts) and `ggml-quants.c`
//! (`dequantize_row_*`). A weight is `scale · (code − offset) − min`, with a scale for some weights
//! together.

#![allow(clippy::indexing_slicing)] // arrays of the formats' own sizes

use half::f16;

/// Weights that a unit of any format has at most.
const UNIT: usize = 256;

/// A block format, by its name in ggml.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// Weights in a unit.
    #[must_use]
    pub fn weights(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => UNIT,
        }
    }

    /// Bytes of a unit in a file.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// What a unit of a file says; `bytes` are as many as [`Format::bytes`].
    pub(super) fn unit(self, bytes: &[u8]) -> Unit {
        let half = |at: usize| f16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let mut unit = Unit { d: half(0), ..Unit::default() };
        match self {
            Self::Q4_0 => nibbles(&bytes[2..18], &mut unit.codes),
            Self::Q4_1 => {
                unit.dmin = -half(2);
                nibbles(&bytes[4..20], &mut unit.codes);
            }
            Self::Q5_0 => {
                nibbles(&bytes[6..22], &mut unit.codes);
                fifth_bits(&bytes[2..6], &mut unit.codes);
            }
            Self::Q5_1 => {
                unit.dmin = -half(2);
                nibbles(&bytes[8..24], &mut unit.codes);
                fifth_bits(&bytes[4..8], &mut unit.codes);
            }
            Self::Q8_0 => {
                for (code, byte) in unit.codes.iter_mut().zip(&bytes[2..34]) {
                    *code = byte ^ 0x80;
                }
            }
            Self::Q4K | Self::Q5K => {
                unit.dmin = half(2);
                let (scales, mins) = six_bits(&bytes[4..16]);
                unit.scales[..8].copy_from_slice(&scales);
                unit.mins = mins;
                let low = if self == Self::Q4K { &bytes[16..144] } else { &bytes[48..176] };
                for (codes, low) in unit.codes.chunks_exact_mut(64).zip(low.chunks_exact(32)) {
                    nibbles(low, codes);
                }
                if self == Self::Q5K {
                    for (i, codes) in unit.codes.chunks_exact_mut(32).enumerate() {
                        for (code, fifth) in codes.iter_mut().zip(&bytes[16..48]) {
                            *code |= (fifth >> i & 1) << 4;
                        }
                    }
                }
            }
            Self::Q6K => {
                unit.d = half(208);
                for (i, codes) in unit.codes.chunks_exact_mut(32).enumerate() {
                    // Halves of 128; in each, quarters of 32.
                    let (half, quarter) = (i / 4, i % 4);
                    let low = &bytes[64 * half + 32 * (quarter % 2)..][..32];
                    let high = &bytes[128 + 32 * half..][..32];
                    for ((code, low), high) in codes.iter_mut().zip(low).zip(high) {
                        *code = low >> (4 * (quarter / 2)) & 15 | (high >> (2 * quarter) & 3) << 4;
                    }
                }
                for (scale, byte) in unit.scales.iter_mut().zip(&bytes[192..208]) {
                    *scale = *byte as i8;
                }
            }
        }
        unit
    }
}

/// Units of Q5_0 in Q8_0, which has room for the same numbers.
#[must_use]
pub fn q5_0_as_q8_0(bytes: &[u8]) -> Vec<u8> {
    let (from, to) = (Format::Q5_0, Format::Q8_0);
    let mut out = Vec::with_capacity(bytes.len() / from.bytes() * to.bytes());
    for unit in bytes.chunks_exact(from.bytes()) {
        let codes = from.unit(unit).codes;
        out.extend_from_slice(&unit[..2]);
        out.extend(codes.iter().take(to.weights()).map(|code| code.wrapping_sub(16)));
    }
    out
}

/// A unit of weights.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub codes: [u8; UNIT],
    pub d: f16,
    /// What mins are multiplied with; the min itself, where there is but one.
    pub dmin: f16,
    /// Multiply `d`, where there are several.
    pub scales: [i8; 16],
    pub mins: [u8; 8],
}

impl Default for Unit {
    fn default() -> Self {
        Self { codes: [0; UNIT], d: f16::ZERO, dmin: f16::ZERO, scales: [0; 16], mins: [0; 8] }
    }
}

/// Low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(bytes.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        (*low, *high) = (byte & 15, byte >> 4);
    }
}

fn fifth_bits(bytes: &[u8], codes: &mut [u8]) {
    for (i, code) in codes.iter_mut().take(32).enumerate() {
        *code |= (bytes[i / 8] >> (i % 8) & 1) << 4;
    }
}

/// Eight scales and eight mins of six bits.
fn six_bits(bytes: &[u8]) -> ([i8; 8], [u8; 8]) {
    let (mut scales, mut mins) = ([0; 8], [0; 8]);
    for i in 0..8 {
        let (scale, min) = if i < 4 {
            (bytes[i] & 63, bytes[i + 4] & 63)
        } else {
            let high = |at: usize| bytes[at] >> 6 << 4;
            (bytes[i + 4] & 15 | high(i - 4), bytes[i + 4] >> 4 | high(i))
        };
        (scales[i], mins[i]) = (scale as i8, min);
    }
    (scales, mins)
}
