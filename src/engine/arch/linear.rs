//! Linear layers over quantised weights.

use std::{cell::OnceCell, sync::Arc};

use candle_core::{
    Device, Module, Result, Tensor,
    quantized::{GgmlDType, QMatMul},
};

use super::{
    super::kernels::{Activations, Format, Kernel, Packed},
    adapter::LowRank,
    weights::Matrix,
};

/// What linear layers read: rows of activations, `[rows, in]`. Several layers may read the same.
pub(super) struct Input {
    rows: Tensor,
    /// Rounded, once a layer needs it.
    rounded: OnceCell<Activations>,
}

impl Input {
    pub fn new(rows: Tensor) -> Self {
        Self { rows, rounded: OnceCell::new() }
    }

    fn rounded(&self) -> Result<&Activations> {
        if let Some(known) = self.rounded.get() {
            return Ok(known);
        }
        let rounded = Activations::new(&self.rows.flatten_all()?.to_vec1()?, self.rows.dims2()?.1);
        Ok(self.rounded.get_or_init(|| rounded))
    }
}

/// A weight, `[out, in]`, in the form in which it is multiplied fastest.
pub(super) enum Weight {
    /// For our own kernels.
    Packed(Kernel, Packed),
    /// For candle's: on other devices, and of formats and on processors that ours aren't made for.
    Candle(QMatMul),
}

impl Weight {
    pub fn new(matrix: &Matrix, device: &Device) -> Result<Self> {
        let tensor = match matrix {
            Matrix::Full(tensor) => return Ok(Self::Candle(QMatMul::Tensor(tensor.clone()))),
            Matrix::Quantised(tensor) => tensor,
        };
        let kernel = Kernel::best();
        if device.is_cpu() && kernel != Kernel::Plain {
            let columns = matrix.shape()?.1;
            return match format(tensor.dtype()) {
                Some(format) if columns.is_multiple_of(format.weights()) => {
                    Ok(Self::Packed(kernel, Packed::new(format, columns, &tensor.data()?)))
                }
                // candle's other path is scalar, and f32 several times faster.
                _ => Ok(Self::Candle(QMatMul::Tensor(tensor.dequantize(device)?))),
            };
        }
        QMatMul::from_arc(Arc::clone(tensor)).map(Self::Candle)
    }

    /// `[rows, out]`
    pub fn forward(&self, input: &Input) -> Result<Tensor> {
        match self {
            Self::Candle(weight) => weight.forward(&input.rows),
            Self::Packed(kernel, weight) => {
                let out = weight.forward(*kernel, input.rounded()?);
                Tensor::from_vec(out, (input.rows.dims2()?.0, weight.shape().0), &Device::Cpu)
            }
        }
    }

    fn shape(&self) -> Result<(usize, usize)> {
        match self {
            Self::Packed(_, weight) => Ok(weight.shape()),
            Self::Candle(QMatMul::QTensor(weight)) => weight.shape().dims2(),
            Self::Candle(QMatMul::Tensor(weight) | QMatMul::TensorF16(weight)) => weight.dims2(),
        }
    }
}

/// A linear layer.
pub(super) struct Linear {
    pub weight: Weight,
    pub bias: Option<Tensor>,
}

impl Linear {
    pub fn forward(&self, input: &Input, adapted: Option<&LowRank>) -> Result<Tensor> {
        let mut out = self.weight.forward(input)?;
        if let Some(low_rank) = adapted {
            out = (out + low_rank.forward(&input.rows)?)?;
        }
        match &self.bias {
            Some(bias) => out.broadcast_add(bias),
            None => Ok(out),
        }
    }

    /// `[out, in]`
    pub fn shape(&self) -> Result<(usize, usize)> {
        self.weight.shape()
    }
}

fn format(dtype: GgmlDType) -> Option<Format> {
    match dtype {
        GgmlDType::Q4_0 => Some(Format::Q4_0),
        GgmlDType::Q4_1 => Some(Format::Q4_1),
        GgmlDType::Q5_0 => Some(Format::Q5_0),
        GgmlDType::Q5_1 => Some(Format::Q5_1),
        GgmlDType::Q8_0 => Some(Format::Q8_0),
        GgmlDType::Q4K => Some(Format::Q4K),
        GgmlDType::Q5K => Some(Format::Q5K),
        GgmlDType::Q6K => Some(Format::Q6K),
        _ => None,
    }
}
