//! Where the model runs.

use std::str::FromStr;

use candle_core::Device;

use crate::error::{Error, Result};

/// What `--device` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this build and machine have.
    #[default]
    Auto,
    /// The processor.
    Cpu,
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
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| {
                    format!("`{text}` is no device; there are auto, cpu, cuda, cuda:N and metal")
                }),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::Usage`] if this build or machine doesn't have it. `auto` never fails.
    pub fn open(self) -> Result<Device> {
        let missing = |what: &str, feature: &str, cause: &dyn std::fmt::Display| Error::Usage {
            reason: format!(
                "--device {self}: {what} ({cause}); this build has{} the feature `{feature}`",
                if feature_built(feature) { "" } else { " not" }
            ),
        };
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(n) => Device::new_cuda(n)
                .map_err(|e| missing("no such NVIDIA GPU can be used", "cuda", &e)),
            Self::Metal => {
                Device::new_metal(0).map_err(|e| missing("no Metal GPU can be used", "metal", &e))
            }
            Self::Auto => Ok([Device::new_cuda(0), Device::new_metal(0)]
                .into_iter()
                .find_map(std::result::Result::ok)
                .unwrap_or(Device::Cpu)),
        }
    }
}

fn feature_built(feature: &str) -> bool {
    match feature {
        "cuda" => cfg!(feature = "cuda"),
        _ => cfg!(feature = "metal"),
    }
}
