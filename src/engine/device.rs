//! Where the model runs.

use std::{str::FromStr, time::Instant};

use candle_core::{
    DType, Device,
    DeviceLocation::{Cpu, Cuda, Metal},
    Tensor,
};

use super::kernels::{Kernel, limits};
use crate::error::{Error, Result};

/// What `--device` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The best that this build and machine have.
    #[default]
    Auto,
    /// The processor, with the kernels made for it.
    Cpu,
    /// The processor, with candle's operations, as on other devices: the reference that our kernels
    /// are measured against.
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

/// A device, and who computes there.
#[derive(Debug, Clone)]
pub enum Backend {
    /// The processor, with our kernels for this instruction set.
    Own(Kernel),
    /// The processor, with ours, but candle's for products with weights: where ours know no fast
    /// instructions.
    Mixed,
    /// Any device, with candle's operations for everything.
    Candle {
        /// Which.
        device: Device,
        /// The type of the KV cache, and of weights that aren't quantised: f32 or bf16.
        dtype: DType,
    },
}

impl Backend {
    /// The processor with the fastest kernels for it: ours, where there are some.
    #[must_use]
    pub fn cpu() -> Self {
        match Kernel::best() {
            Kernel::Plain => Self::Mixed,
            kernel => Self::Own(kernel),
        }
    }

    /// A GPU, which computes in bf16 fastest.
    fn gpu(device: Device) -> Self {
        Self::Candle { device, dtype: DType::BF16 }
    }

    /// Where tensors lie.
    #[must_use]
    pub fn device(&self) -> &Device {
        match self {
            Self::Own(_) | Self::Mixed => &Device::Cpu,
            Self::Candle { device, .. } => device,
        }
    }

    /// Whether activations are candle's tensors.
    pub(super) fn in_tensors(&self) -> bool {
        matches!(self, Self::Candle { .. })
    }

    /// Whether what is computed of a sequence is the same, bit for bit, in any company.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Bytes of a float in the KV cache.
    pub(super) fn float(&self) -> usize {
        match self {
            Self::Own(_) | Self::Mixed => DType::F32.size_in_bytes(),
            Self::Candle { dtype, .. } => dtype.size_in_bytes(),
        }
    }

    /// Whose instructions multiply weights: our kernels' by their name, or `candle`.
    #[must_use]
    pub fn kernel_name(&self) -> String {
        self.kernel().map_or_else(|| "candle".to_owned(), |kernel| kernel.to_string())
    }

    /// Ours, if they multiply.
    #[must_use]
    pub fn kernel(&self) -> Option<Kernel> {
        match self {
            Self::Own(kernel) => Some(*kernel),
            Self::Mixed | Self::Candle { .. } => None,
        }
    }
}

/// What a device can do at most, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes a second that it reads from memory; that a GPU reads and writes in copying.
    pub bandwidth: f64,
    /// Products a second: of eight-bit numbers, as the kernel's instructions make them in registers;
    /// on a GPU of bf16 numbers, in products of matrices.
    pub products: Option<f64>,
}

impl Backend {
    /// Measures it; takes about a second.
    ///
    /// # Errors
    /// candle's, on a GPU.
    pub fn limits(&self) -> candle_core::Result<Limits> {
        match self.device() {
            Device::Cpu => Ok(Limits {
                bandwidth: limits::bandwidth(),
                products: self.kernel().and_then(limits::products),
            }),
            gpu => on_gpu(gpu),
        }
    }

    /// Watts that an NVIDIA GPU draws at the moment, as its own tool tells it.
    #[must_use]
    pub fn power(&self) -> Option<f64> {
        let Cuda { gpu_id } = self.device().location() else { return None };
        let tool = std::process::Command::new("nvidia-smi")
            .args(["-i", &gpu_id.to_string(), "--query-gpu=power.draw"])
            .arg("--format=csv,noheader,nounits")
            .output();
        String::from_utf8(tool.ok()?.stdout).ok()?.trim().parse().ok()
    }
}

/// Bytes a second that a GPU reads and writes, and products of bf16 numbers that it makes.
fn on_gpu(device: &Device) -> candle_core::Result<Limits> {
    const TIMES: usize = 5;
    /// Floats that no cache holds, and rows and columns that keep every unit busy.
    const FLOATS: usize = 1 << 28;
    const SIDE: usize = 8192;
    let fastest = |work: &dyn Fn() -> candle_core::Result<Tensor>| {
        // What is compiled or allocated at first isn't measured.
        work()?;
        device.synchronize()?;
        let mut best = f64::INFINITY;
        for _ in 0..TIMES {
            let began = Instant::now();
            let made = work()?;
            device.synchronize()?;
            best = best.min(began.elapsed().as_secs_f64());
            drop(made);
        }
        Ok::<_, candle_core::Error>(best)
    };
    let floats = Tensor::zeros(FLOATS, DType::F32, device)?;
    let copying = fastest(&|| floats.affine(1.0, 1.0))?;
    drop(floats);
    let matrix = Tensor::zeros((SIDE, SIDE), DType::BF16, device)?;
    let multiplying = fastest(&|| matrix.matmul(&matrix))?;
    let products = Some(SIDE.pow(3) as f64 / multiplying);
    Ok(Limits { bandwidth: (2 * 4 * FLOATS) as f64 / copying, products })
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            Self::CpuCandle => Ok(Backend::Candle { device: Device::Cpu, dtype: DType::F32 }),
            Self::Cuda(n) => Device::new_cuda(n)
                .map(Backend::gpu)
                .map_err(|e| missing("no such NVIDIA GPU can be used", "cuda", &e)),
            Self::Metal => Device::new_metal(0)
                .map(Backend::gpu)
                .map_err(|e| missing("no Metal GPU can be used", "metal", &e)),
            Self::Auto => Ok([Device::new_cuda(0), Device::new_metal(0)]
                .into_iter()
                .find_map(std::result::Result::ok)
                .map_or_else(Backend::cpu, Backend::gpu)),
        }
    }
}

fn feature_built(feature: &str) -> bool {
    match feature {
        "cuda" => cfg!(feature = "cuda"),
        _ => cfg!(feature = "metal"),
    }
}
