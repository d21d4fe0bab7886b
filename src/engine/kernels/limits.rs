//! What the processor can do at most, measured: how near a pass comes to it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::matmul::has_amx;
use super::{matmul::Kernel, multiversion};

/// How often each is measured; the fastest counts, since whatever disturbs only slows down.
const TIMES: usize = 5;

/// Products of eight-bit numbers a second, all threads together, by the instructions that `kernel`
/// multiplies with, on registers alone. `None` for the kernel that uses none.
#[must_use]
pub fn products(kernel: Kernel) -> Option<f64> {
    /// A few hundredths of a second.
    const ROUNDS: usize = 1 << 22;
    let round: fn(usize) -> usize = match kernel {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Kernel::available` has asked the processor and the system.
        #[allow(unsafe_code)]
        Kernel::Amx => |rounds| unsafe { x86::amx(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the same.
        #[allow(unsafe_code)]
        Kernel::Avx512 => |rounds| unsafe { x86::avx512(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the same.
        #[allow(unsafe_code)]
        Kernel::AvxVnni => |rounds| unsafe { x86::avx_vnni(rounds) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the same.
        #[allow(unsafe_code)]
        Kernel::Avx2 => |rounds| unsafe { x86::avx2(rounds) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the same.
        #[allow(unsafe_code)]
        Kernel::Neon => |rounds| unsafe { neon(rounds) },
        _ => return None,
    };
    let mut products = 0;
    let time = fastest(|| products = rayon::broadcast(|_| round(black_box(ROUNDS))).iter().sum());
    Some(products as f64 / time.as_secs_f64())
}

/// Bytes a second that all threads together read from memory, out of a range that no cache holds.
#[must_use]
pub fn bandwidth() -> f64 {
    const BYTES: usize = 256 << 20;
    let memory = vec![1u64; BYTES / 8];
    let part = memory.len().div_ceil(rayon::current_num_threads());
    let time = fastest(|| {
        black_box(memory.par_chunks(part).map(sum).reduce(|| 0, u64::wrapping_add));
    });
    BYTES as f64 / time.as_secs_f64()
}

/// What the processor has of the extensions that matter to products, whether a kernel uses them or not.
#[must_use]
pub fn features() -> Vec<&'static str> {
    macro_rules! found {
        ($detected:ident: $($name:tt)*) => {
            [$(($name, std::arch::$detected!($name))),*]
                .into_iter()
                .filter_map(|(name, has)| has.then_some(name))
                .collect()
        };
    }
    #[cfg(target_arch = "x86_64")]
    {
        let mut all: Vec<&str> = found!(is_x86_feature_detected:
            "avx2" "fma" "f16c" "avxvnni" "avx512f" "avx512bw" "avx512vnni" "avx512vbmi"
            "avx512bf16" "avx512fp16");
        all.extend(has_amx().then_some("amx-int8"));
        all
    }
    #[cfg(target_arch = "aarch64")]
    return found!(is_aarch64_feature_detected: "neon" "dotprod" "i8mm" "bf16" "fp16" "sve");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Vec::new()
}

fn fastest(mut work: impl FnMut()) -> Duration {
    let times = (0..TIMES).map(|_| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    times.min().unwrap_or_default()
}

multiversion! {
    fn sum(numbers: &[u64]) -> u64 {
        numbers.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

/// Returns how many products were made.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn neon(rounds: usize) -> usize {
    use std::arch::aarch64::*;
    /// Sums that don't wait for each other.
    const SUMS: usize = 16;
    let (a, b) = (black_box(vdupq_n_s8(3)), black_box(vdupq_n_s8(5)));
    let mut sums = [vdupq_n_s32(0); SUMS];
    for _ in 0..rounds {
        for sum in &mut sums {
            // SAFETY: it reads and writes registers alone.
            #[allow(unsafe_code)]
            unsafe {
                std::arch::asm!(
                    "sdot {:v}.4s, {:v}.16b, {:v}.4b[0]",
                    inout(vreg) *sum, in(vreg) a, in(vreg) b,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
        }
    }
    black_box(sums);
    rounds * SUMS * 16
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(clippy::wildcard_imports)]
    use std::{
        arch::{asm, x86_64::*},
        hint::black_box,
    };

    /// Sums that don't wait for each other.
    const SUMS: usize = 12;

    /// Returns how many products were made.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn avx512(rounds: usize) -> usize {
        let (a, b) = (black_box(_mm512_set1_epi8(3)), black_box(_mm512_set1_epi8(5)));
        let mut sums = [_mm512_setzero_si512(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
        rounds * SUMS * 64
    }

    /// Returns how many products were made.
    ///
    /// # Safety
    /// There are matrix units, and this process may use them.
    #[allow(unsafe_code)]
    pub(super) unsafe fn amx(rounds: usize) -> usize {
        // Palette 1; for each tile, rows of 64 bytes, and sixteen of them.
        let configuration: [u8; 64] = std::array::from_fn(|at| match at {
            0 => 1,
            16..32 if at % 2 == 0 => 64,
            48..56 => 16,
            _ => 0,
        });
        // SAFETY: the configuration is valid, and nothing else that is compiled into this program
        // uses these registers.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack));
            for tile in 0..rounds / 16 {
                asm!(
                    "tdpbsud tmm0, tmm4, tmm6",
                    "tdpbsud tmm1, tmm5, tmm6",
                    "tdpbsud tmm2, tmm4, tmm7",
                    "tdpbsud tmm3, tmm5, tmm7",
                    options(nostack, nomem)
                );
                black_box(tile);
            }
            asm!("tilerelease", options(nostack, nomem));
        }
        rounds / 16 * 4 * 16 * 16 * 64
    }

    /// Returns how many products were made.
    ///
    /// # Safety
    /// The processor has AVX-VNNI.
    #[target_feature(enable = "avx2")]
    #[allow(unsafe_code)]
    pub(super) unsafe fn avx_vnni(rounds: usize) -> usize {
        let (a, b) = (black_box(_mm256_set1_epi8(3)), black_box(_mm256_set1_epi8(5)));
        let mut sums = [_mm256_setzero_si256(); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                // SAFETY: the processor has the instruction.
                unsafe {
                    asm!(
                        "{{vex}} vpdpbusd {}, {}, {}",
                        inout(ymm_reg) *sum, in(ymm_reg) a, in(ymm_reg) b,
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
            }
        }
        black_box(sums);
        rounds * SUMS * 32
    }

    /// Returns how many products were made.
    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(rounds: usize) -> usize {
        let (a, b) = (black_box(_mm256_set1_epi8(3)), black_box(_mm256_set1_epi8(5)));
        let ones = _mm256_set1_epi16(1);
        let mut sums = [_mm256_setzero_si256(); SUMS];
        for _ in 0..rounds {
            // Not the same product twice, else it is made but once.
            for sum in &mut sums {
                let pairs = _mm256_maddubs_epi16(_mm256_xor_si256(a, *sum), b);
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        black_box(sums);
        rounds * SUMS * 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_multiplies_more_than_it_reads() {
        let read = bandwidth();
        assert!(read > 1e8 && read < 1e13, "{read} bytes/s");
        for kernel in Kernel::available().filter(|kernel| *kernel != Kernel::Plain) {
            let made = products(kernel).unwrap_or_default();
            eprintln!("{kernel}: {made:.2e} products/s");
            assert!(made > read, "{kernel:?}: {made} products/s, {read} bytes/s");
        }
    }
}
