//! Where the model runs.

use std::str::FromStr;

use candle_core::Device;

use super::kernels::Kernel;
use crate::error::{Error, Result};

/// What `--device` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this build and machine have.
    #[default]
    Auto,
    /// The processor, with the kernels made for it.
    Cpu,
    /// The processor, with candle's kernels: the reference that ours are measured against.
    CpuCandle,
    /// An NVIDIA GPU by number.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cpu:candle" => Ok(Self::CpuCandle),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| {
                    format!(
                        "`{text}` is no device; there are auto, cpu, cpu:candle, cuda, cuda:N and \
                         metal"
                    )
                }),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::CpuCandle => f.write_str("cpu:candle"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// A device, and whose kernels multiply there.
#[derive(Debug, Clone)]
pub enum Backend {
    /// The processor, with ours for this instruction set.
    Own(Kernel),
    /// Any device, with candle's.
    Candle(Device),
}

impl Backend {
    /// The processor with the fastest kernels for it: ours, where there are some.
    #[must_use]
    pub fn cpu() -> Self {
        match Kernel::best() {
            Kernel::Plain => Self::Candle(Device::Cpu),
            kernel => Self::Own(kernel),
        }
    }

    /// Where tensors lie.
    #[must_use]
    pub fn device(&self) -> &Device {
        match self {
            Self::Own(_) => &Device::Cpu,
            Self::Candle(device) => device,
        }
    }

    /// Ours, if they multiply.
    #[must_use]
    pub fn kernel(&self) -> Option<Kernel> {
        match self {
            Self::Own(kernel) => Some(*kernel),
            Self::Candle(_) => None,
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use candle_core::DeviceLocation::{Cpu, Cuda, Metal};
        match self.device().location() {
            Cpu => f.write_str("cpu"),
            Cuda { gpu_id } => write!(f, "cuda:{gpu_id}"),
            Metal { .. } => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::Usage`] if this build or machine doesn't have it. `auto` never fails.
    pub fn open(self) -> Result<Backend> {
        let missing = |what: &str, feature: &str, cause: &dyn std::fmt::Display| Error::Usage {
            reason: format!(
                "--device {self}: {what} ({cause}); this build has{} the feature `{feature}`",
                if feature_built(feature) { "" } else { " not" }
            ),
        };
        match self {
            Self::Cpu => Ok(Backend::cpu()),
            Self::CpuCandle => Ok(Backend::Candle(Device::Cpu)),
            Self::Cuda(n) => Device::new_cuda(n)
                .map(Backend::Candle)
                .map_err(|e| missing("no such NVIDIA GPU can be used", "cuda", &e)),
            Self::Metal => Device::new_metal(0)
                .map(Backend::Candle)
                .map_err(|e| missing("no Metal GPU can be used", "metal", &e)),
            Self::Auto => Ok([Device::new_cuda(0), Device::new_metal(0)]
                .into_iter()
                .find_map(std::result::Result::ok)
                .map_or_else(Backend::cpu, Backend::Candle)),
        }
    }
}

fn feature_built(feature: &str) -> bool {
    match feature {
        "cuda" => cfg!(feature = "cuda"),
        _ => cfg!(feature = "metal"),
    }
}
