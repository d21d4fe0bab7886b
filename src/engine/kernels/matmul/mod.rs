//! Products of activations with quantised weights, in integers.
//!
//! Activations are rounded to eight bits, 32 of them to a scale, or 256 for weights that come in
//! units of so many (as llama.cpp's Q8_0 and Q8_K, ggml-org/ggml). Codes are multiplied and summed
//! in integers, with their scales where those are integers too, which is exact; a unit's sum is then
//! scaled and added in f32, one after the other. So each output depends on its row of weights and its
//! activations alone, and is the same bits on every instruction set, in every batch, with every
//! number of threads.

#![allow(clippy::indexing_slicing)] // inner loops; the bounds are asserted where they begin

mod activations;
#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod layout;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;

use rayon::prelude::*;

pub use self::activations::Activations;
#[cfg(target_arch = "x86_64")]
pub(super) use self::amx::has_amx;
use self::{
    activations::Chunks,
    layout::{Layout, Line, pack_unit, with_layout},
};
use super::{
    formats::Format,
    panels::{PANEL, Sums, by_panels},
};

/// Activations that share a scale, for weights in units of 32; weights that are unpacked together.
const BLOCK: usize = 32;
/// Weights of the larger units.
const UNIT: usize = 256;

/// Calls a kernel's function.
macro_rules! dispatch {
    ($kernel:expr, $function:ident::<$L:ident>($($arg:ident),*)) => {
        // SAFETY: `Kernel::available` has asked the processor.
        #[allow(unsafe_code, unused_unsafe)]
        unsafe {
            match $kernel {
                #[cfg(target_arch = "x86_64")]
                Kernel::Amx => amx::$function::<$L>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                Kernel::Avx512 => avx512::$function::<$L>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                Kernel::AvxVnni => avx2::$function::<$L, true>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                Kernel::Avx2 => avx2::$function::<$L, false>($($arg),*),
                #[cfg(target_arch = "aarch64")]
                Kernel::Neon => neon::$function::<$L>($($arg),*),
                _ => plain::$function::<$L>($($arg),*),
            }
        }
    };
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
    /// Rows that are packed together.
    pub const PANEL: usize = PANEL;

    /// Packs rows of `columns` weights, each as a file has it.
    ///
    /// # Panics
    /// `columns` isn't a multiple of the format's unit, or a row is of another length.
    #[must_use]
    pub fn new(format: Format, columns: usize, rows: &[&[u8]]) -> Self {
        let mut packed = Self::with_room(format, columns, rows.len());
        packed.push(rows);
        packed
    }

    /// No rows yet, but room for so many.
    ///
    /// # Panics
    /// `columns` isn't a multiple of the format's unit.
    #[must_use]
    pub fn with_room(format: Format, columns: usize, rows: usize) -> Self {
        assert!(columns > 0 && columns.is_multiple_of(format.weights()));
        let lines = with_layout!(format, [Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4K Q5K Q6K], {
            rows.div_ceil(PANEL) * (columns / L::WEIGHTS) * L::LINES
        });
        Self { format, rows: 0, columns, lines: Vec::with_capacity(lines) }
    }

    /// Packs more rows.
    ///
    /// # Panics
    /// A row is of another length, or those before don't fill their last panel.
    pub fn push(&mut self, rows: &[&[u8]]) {
        let Self { format, columns, lines, .. } = self;
        assert!(self.rows.is_multiple_of(PANEL));
        let (units, bytes) = (*columns / format.weights(), format.bytes());
        assert!(rows.iter().all(|row| row.len() == units * bytes));
        with_layout!(format, [Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4K Q5K Q6K], {
            let count = rows.len().div_ceil(PANEL) * units * L::LINES;
            lines.reserve_exact(count);
            // Each panel is written once, by the thread that packs it.
            let places = lines.spare_capacity_mut()[..count].par_chunks_mut(units * L::LINES);
            places.zip(rows.par_chunks(PANEL)).for_each(|(places, rows)| {
                for (u, places) in places.chunks_exact_mut(L::LINES).enumerate() {
                    let mut panel = [Line([0; 64]); layout::MOST_LINES];
                    for (r, row) in rows.iter().enumerate() {
                        let unit = format.unit(&row[u * bytes..][..bytes]);
                        pack_unit::<L>(r, &unit, &mut panel[..L::LINES]);
                    }
                    for (place, line) in places.iter_mut().zip(panel) {
                        place.write(line);
                    }
                }
            });
            // SAFETY: sixteen rows and what is left of them have a panel each, in whole units, and
            // all lines of these were written.
            #[allow(unsafe_code)]
            unsafe {
                lines.set_len(lines.len() + count);
            }
        });
        self.rows += rows.len();
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

    /// Weights that share what is the same for all of a unit: what activations are rounded for.
    #[must_use]
    pub fn unit(&self) -> usize {
        self.format.weights()
    }

    /// `x` times the transposed matrix: `[rows of x, out]`, row-major. What `kernel` it is matters
    /// to the time alone.
    ///
    /// # Panics
    /// The rows of `x` are of another width, or rounded for other units.
    #[must_use]
    pub fn forward(&self, kernel: Kernel, x: &Activations) -> Vec<f32> {
        assert_eq!(x.columns(), self.columns);
        match &x.chunks {
            #[cfg(target_arch = "x86_64")]
            Chunks::Blocks(_) if kernel == Kernel::Avx2 && self.format == Format::Q8_0 => {
                self.multiply::<layout::Q8_0, _>(x.paired(), |lines, rows, sums| {
                    // SAFETY: `Kernel::available` has asked the processor.
                    #[allow(unsafe_code)]
                    unsafe {
                        avx2::paired(lines, rows, sums);
                    }
                })
            }
            Chunks::Blocks(blocks) => {
                with_layout!(self.format, [Q4_0 Q4_1 Q5_0 Q5_1 Q8_0], {
                    self.multiply::<L, _>(blocks, |lines, rows, sums| {
                        dispatch!(kernel, blocks::<L>(lines, rows, sums));
                    })
                })
            }
            Chunks::Wides(wides) => with_layout!(self.format, [Q4K Q5K Q6K], {
                self.multiply::<L, _>(wides, |lines, rows, sums| {
                    dispatch!(kernel, wides::<L>(lines, rows, sums));
                })
            }),
        }
    }

    /// `multiply` multiplies a panel with rows of activations, which lie one behind the other.
    fn multiply<L: Layout, T: Sync>(
        &self,
        chunks: &[T],
        multiply: impl Fn(&[Line], &[T], &mut [Sums]) + Sync,
    ) -> Vec<f32> {
        let units = self.columns / L::WEIGHTS;
        let (shape, count) = (self.shape(), chunks.len() / units);
        by_panels(&self.lines, units * L::LINES, shape, count, |lines, rows, sums| {
            multiply(lines, &chunks[rows.start * units..rows.end * units], sums);
        })
    }
}

/// An instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// AMX's matrix units for many rows of activations, AVX-512 with VNNI for few.
    Amx,
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX2, FMA and AVX-VNNI.
    AvxVnni,
    /// AVX2 and FMA.
    Avx2,
    /// NEON with dot products.
    Neon,
    /// Any processor; the definition.
    Plain,
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Amx => "AMX and AVX-512 VNNI",
            Self::Avx512 => "AVX-512 VNNI",
            Self::AvxVnni => "AVX-VNNI",
            Self::Avx2 => "AVX2",
            Self::Neon => "NEON",
            Self::Plain => "plain",
        })
    }
}

impl Kernel {
    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        let pays = |kernel: &Self| *kernel != Self::Amx || amx::pays();
        #[cfg(not(target_arch = "x86_64"))]
        let pays = |_: &Self| true;
        Self::available().find(pays).unwrap_or(Self::Plain)
    }

    /// What this processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Amx, Self::Avx512, Self::AvxVnni, Self::Avx2, Self::Neon, Self::Plain]
            .into_iter()
            .filter(|k| k.is_available())
    }

    fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Amx => Self::Avx512.is_available() && amx::is_available(),
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::AvxVnni => Self::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            Self::Neon => false,
            Self::Plain => true,
        }
        #[cfg(target_arch = "aarch64")]
        match self {
            Self::Neon => {
                std::arch::is_aarch64_feature_detected!("neon")
                    && std::arch::is_aarch64_feature_detected!("dotprod")
            }
            _ => self == Self::Plain,
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            self == Self::Plain
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
            count in 1usize..40,
            x in proptest::collection::vec(-4f32..4.0, 64..2048),
        ) {
            let columns = units * format.weights();
            let data = matrix(format, columns, rows, &bytes);
            let lines: Vec<&[u8]> = data.chunks_exact(data.len() / rows).collect();
            let packed = Packed::new(format, columns, &lines);
            prop_assert_eq!(packed.shape(), (rows, columns));
            let x: Vec<f32> = x.iter().copied().cycle().take(count * columns).collect();
            let activations = Activations::new(&x, columns, packed.unit());
            let definition = packed.forward(Kernel::Plain, &activations);
            for kernel in Kernel::available() {
                let got = packed.forward(kernel, &activations);
                prop_assert!(same(&got, &definition), "{:?} {:?}", format, kernel);
                for (x, together) in x.chunks_exact(columns).zip(got.chunks_exact(rows)) {
                    let alone = packed.forward(kernel, &Activations::new(x, columns, packed.unit()));
                    prop_assert!(same(&alone, together), "{:?} {:?} alone", format, kernel);
                }
            }
            // Products of what candle reads with the rounded activations, in f64.
            let weights = dequantised(format, rows, columns, &data);
            for (i, got) in definition.iter().enumerate() {
                let row = i / rows * columns;
                let products = weights[i % rows * columns..][..columns].iter().enumerate().map(|(k, w)| {
                    let (codes, scale) = match &activations.chunks {
                        Chunks::Blocks(blocks) => {
                            let block = &blocks[(row + k) / BLOCK];
                            (&block.codes[..], block.scale)
                        }
                        Chunks::Wides(wides) => {
                            let wide = &wides[(row + k) / UNIT];
                            (&wide.codes[..], wide.scale)
                        }
                    };
                    let k = k % packed.unit();
                    let code = (codes[k / 4] >> (8 * (k % 4))) as i8;
                    f64::from(code) * f64::from(scale) * f64::from(*w)
                });
                let (sum, size) = products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()));
                prop_assert!((f64::from(*got) - sum).abs() <= 1e-5 * size, "{:?}: {} {}", format, got, sum);
            }
        }
    }
}
