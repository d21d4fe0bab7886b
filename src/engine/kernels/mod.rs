//! Inner loops that are compiled for several instruction sets and chosen at run time.
//!
//! The one place where `unsafe` is allowed: calling a function that was compiled for an
//! instruction set, after having asked the processor whether it has it; loading and storing
//! vectors; and writing one output from several threads.

mod attention;
mod delta;
mod elementwise;
mod formats;
mod full;
pub mod limits;
mod matmul;
mod panels;

/// Compiles a function without intrinsics for several instruction sets, and calls the one for the
/// best that the processor has.
macro_rules! multiversion {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $kind),*) $(-> $out)? {
            #[inline(always)]
            fn generic($($arg: $kind),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
                fn avx512($($arg: $kind),*) $(-> $out)? {
                    generic($($arg),*)
                }

                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $kind),*) $(-> $out)? {
                    generic($($arg),*)
                }

                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the processor has what the function is compiled for, as just asked.
                    #[allow(unsafe_code)]
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the same.
                    #[allow(unsafe_code)]
                    return unsafe { avx2($($arg),*) };
                }
            }
            generic($($arg),*)
        }
    };
}
use multiversion;

pub use attention::{Attention, attend};
pub use delta::{DeltaHead, convolve, delta_rule};
pub use elementwise::{
    Activation, activate, activate_gate, add, add_to_each, highest, layer_norm, log_sum_exp, open,
    rms_norm,
};
pub use formats::{Format, q5_0_as_q8_0};
pub use full::Full;
pub use matmul::{Activations, Kernel, Packed};
