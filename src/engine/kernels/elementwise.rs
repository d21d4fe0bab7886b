//! What is computed for each number alone, and sums of such.

use super::multiversion;

/// What a gate does to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(x)`
    Silu,
    /// `x · Φ(x)` (Hendrycks & Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// Its approximation by tanh, from the same.
    GeluTanh,
    /// What is below zero becomes zero.
    Relu,
}

/// Numbers that a sum takes apart: floating-point addition isn't associative, so the compiler
/// vectorises only what is written in lanes.
const LANES: usize = 16;

multiversion! {
    /// `gate ← activation(gate) · up`, in place. Within 1e-6 of the exact value.
    pub fn activate_gate(activation: Activation, gate: &mut [f32], up: &[f32]) {
        match activation {
            Activation::Silu => {
                for (x, up) in gate.iter_mut().zip(up) {
                    *x = *x / (1.0 + exp(-*x)) * up;
                }
            }
            Activation::Gelu => {
                for (x, up) in gate.iter_mut().zip(up) {
                    *x = *x * below(*x) * up;
                }
            }
            // 1 + tanh(y) is 2 σ(2y).
            Activation::GeluTanh => {
                for (x, up) in gate.iter_mut().zip(up) {
                    let y = 0.797_884_6 * (*x + 0.044_715 * *x * *x * *x);
                    *x = *x / (1.0 + exp(-2.0 * y)) * up;
                }
            }
            Activation::Relu => {
                for (x, up) in gate.iter_mut().zip(up) {
                    *x = x.max(0.0) * up;
                }
            }
        }
    }
}

multiversion! {
    /// `x ← activation(x)`. Within 1e-6 of the exact value.
    pub fn activate(activation: Activation, x: &mut [f32]) {
        match activation {
            Activation::Silu => {
                for x in x.iter_mut() {
                    *x /= 1.0 + exp(-*x);
                }
            }
            Activation::Gelu => {
                for x in x.iter_mut() {
                    *x *= below(*x);
                }
            }
            Activation::GeluTanh => {
                for x in x.iter_mut() {
                    let y = 0.797_884_6 * (*x + 0.044_715 * *x * *x * *x);
                    *x /= 1.0 + exp(-2.0 * y);
                }
            }
            Activation::Relu => {
                for x in x.iter_mut() {
                    *x = x.max(0.0);
                }
            }
        }
    }
}

multiversion! {
    /// `x ← x · σ(gate)`. Within 1e-6 of the exact value.
    pub fn open(x: &mut [f32], gate: &[f32]) {
        for (x, gate) in x.iter_mut().zip(gate) {
            *x /= 1.0 + exp(-*gate);
        }
    }
}

multiversion! {
    /// `x ← x + y`, as far as `x` goes.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

multiversion! {
    /// Adds `y` to each row of `x`, rows being as long as `y`.
    pub fn add_to_each(x: &mut [f32], y: &[f32]) {
        for row in x.chunks_exact_mut(y.len().max(1)) {
            for (x, y) in row.iter_mut().zip(y) {
                *x += y;
            }
        }
    }
}

multiversion! {
    /// Divides each row of `x` by the root of its mean square (`eps` being added to that), times
    /// `weight`, which is as long as a row. A row's result depends on nothing else.
    pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let columns = weight.len().max(1);
        for (x, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(columns)) {
            let mut sums = [0f32; LANES];
            let (chunks, rest) = x.as_chunks::<LANES>();
            for chunk in chunks {
                for (sum, x) in sums.iter_mut().zip(chunk) {
                    *sum += x * x;
                }
            }
            let square: f32 = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
            let scale = 1.0 / (square / columns as f32 + eps).sqrt();
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * scale * weight;
            }
        }
    }
}

multiversion! {
    /// Takes each row's mean off it, divides it by the root of its variance (`eps` being added to
    /// that), and times `weight` plus `bias`, which are as long as a row. A row's result depends on
    /// nothing else.
    pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
        let columns = weight.len().max(1);
        for (x, out) in x.chunks_exact(columns).zip(out.chunks_exact_mut(columns)) {
            let (chunks, rest) = x.as_chunks::<LANES>();
            let mut sums = [0f32; LANES];
            for chunk in chunks {
                for (sum, x) in sums.iter_mut().zip(chunk) {
                    *sum += x;
                }
            }
            let mean = (sums.iter().sum::<f32>() + rest.iter().sum::<f32>()) / columns as f32;
            let mut sums = [0f32; LANES];
            for chunk in chunks {
                for (sum, x) in sums.iter_mut().zip(chunk) {
                    *sum += (x - mean) * (x - mean);
                }
            }
            let rest: f32 = rest.iter().map(|x| (x - mean) * (x - mean)).sum();
            let variance = (sums.iter().sum::<f32>() + rest) / columns as f32;
            let scale = 1.0 / (variance + eps).sqrt();
            for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
                *out = (x - mean) * scale * weight + bias;
            }
        }
    }
}

multiversion! {
    /// The natural logarithm of the sum of the numbers' exponentials.
    pub fn log_sum_exp(x: &[f32]) -> f64 {
        let max = maximum(x);
        let (chunks, rest) = x.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += exp(x - max);
            }
        }
        let rest: f64 = rest.iter().map(|x| f64::from(exp(x - max))).sum();
        (sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() + rest).ln() + f64::from(max)
    }
}

multiversion! {
    /// Where the highest number stands; of equals the first. What isn't a number is passed over; none
    /// where there is nothing else.
    pub fn highest(x: &[f32]) -> Option<usize> {
        let max = maximum(x);
        // Whole runs are passed over faster than single numbers.
        let run = 16 * LANES;
        let before = x.chunks(run).position(|run| {
            run.iter().fold(false, |found, x| found | (*x == max))
        })? * run;
        Some(before + x.get(before..)?.iter().position(|x| *x == max)?)
    }
}

/// The highest number; what isn't one is passed over.
#[inline(always)]
fn maximum(x: &[f32]) -> f32 {
    let mut highest = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (highest, x) in highest.iter_mut().zip(chunk) {
            *highest = highest.max(*x);
        }
    }
    highest.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// e to the power of `x`, within two units in the last place where the result is a normal number:
/// Cephes' `expf` (Moshier 1992), without branches, so that loops over it are vectorised. What is
/// below −87.3 gives the smallest normal number, what is above 88.4 the largest power; what isn't a
/// number stays so.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.336_54, 88.376_26);
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts, the first of which times n is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + c;
    }
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    (p * r * r + r + 1.0) * power
}

/// Φ(x), the share of a standard normal distribution that is below `x`; within 1e-7 (Abramowitz &
/// Stegun 1964, 7.1.26).
#[inline(always)]
fn below(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut p = 1.061_405_4;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = p * t + c;
    }
    let beyond = 0.5 * p * t * exp(-z * z);
    if x < 0.0 { beyond } else { 1.0 - beyond }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn the_highest_is_found_and_of_equals_the_first() {
        assert_eq!(highest(&[]), None);
        assert_eq!(highest(&[f32::NAN; 3]), None);
        for length in [1, 7, 64, 1000, 4099] {
            let mut x: Vec<f32> = (0..length).map(|i| ((i * 7919) % 613) as f32 - 700.0).collect();
            let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(highest(&x), x.iter().position(|x| *x == most), "{length}");
            for place in [length - 1, length / 2, 0] {
                x[place] = 1.0;
                assert_eq!(highest(&x), Some(place), "{length}");
            }
            if length > 1 {
                x[0] = f32::NAN;
                assert_eq!(highest(&x), Some(length / 2));
            }
        }
    }

    #[test]
    fn exponentials_are_near_the_exact_ones() {
        for i in -87_000..88_000 {
            let x = i as f32 * 1e-3 + 3e-4;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 2.5e-7 * exact, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::NEG_INFINITY) < 1.3e-38);
    }

    #[test]
    fn gates_are_near_their_definitions() {
        let x: Vec<f32> = (-4_000..4_000).map(|i| i as f32 * 0.01).collect();
        let up = vec![1.0; x.len()];
        let gated = |activation| {
            let mut gate = x.clone();
            activate_gate(activation, &mut gate, &up);
            gate
        };
        for (x, got) in x.iter().map(|x| f64::from(*x)).zip(gated(Activation::Silu)) {
            assert!(
                (f64::from(got) - x / (1.0 + (-x).exp())).abs() < 1e-6 * x.abs().max(1.0),
                "{x}"
            );
        }
        // Φ from e to the power of −t²/2, summed in steps of 0.001 (Simpson's rule).
        let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let mut below = 0.0;
        for (x, got) in x.iter().map(|x| f64::from(*x)).zip(gated(Activation::Gelu)) {
            assert!((f64::from(got) - x * below).abs() < 1e-6 * x.abs().max(1.0), "{x}");
            let step = |i: usize| density(x + 0.01 * i as f64 / 10.0);
            let inner = (1..10).map(|i| step(i) * if i % 2 == 0 { 2.0 } else { 4.0 });
            below += (step(0) + step(10) + inner.sum::<f64>()) * 0.001 / 3.0;
        }
        for (x, got) in x.iter().map(|x| f64::from(*x)).zip(gated(Activation::GeluTanh)) {
            let tanh = (0.797_884_560_802_865_4 * (x + 0.044_715 * x.powi(3))).tanh();
            let exact = 0.5 * x * (1.0 + tanh);
            assert!((f64::from(got) - exact).abs() < 1e-6 * x.abs().max(1.0), "{x}");
        }
    }

    #[test]
    fn rows_are_normed_as_defined_each_for_itself() {
        let columns = 83;
        let x: Vec<f32> = (0..5 * columns).map(|i| (i as f32 * 0.7).sin() * 9.0).collect();
        let weight: Vec<f32> = (0..columns).map(|i| 1.0 + i as f32 * 0.01).collect();
        let mut out = vec![0.0; x.len()];
        rms_norm(&x, &weight, 1e-6, &mut out);
        for (row, got) in x.chunks(columns).zip(out.chunks(columns)) {
            let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            let root = (square / columns as f64 + 1e-6).sqrt();
            for ((x, weight), got) in row.iter().zip(&weight).zip(got) {
                let want = f64::from(*x) / root * f64::from(*weight);
                assert!((f64::from(*got) - want).abs() < 1e-6 * want.abs().max(1.0), "{x}");
            }
            let mut alone = vec![0.0; columns];
            rms_norm(row, &weight, 1e-6, &mut alone);
            assert_eq!(alone, got);
        }
    }

    #[test]
    fn the_logarithm_of_a_sum_is_near_the_exact_one() {
        let x: Vec<f32> = (0..1_003).map(|i| (i as f32 * 0.7).sin() * 30.0 - 400.0).collect();
        let exact = x.iter().map(|x| (f64::from(*x) + 400.0).exp()).sum::<f64>().ln() - 400.0;
        assert!((log_sum_exp(&x) - exact).abs() < 1e-5);
    }
}
