//! Linear layers over quantised weights.

use std::cell::OnceCell;

use candle_core::{
    Device, Module, Result, Tensor, bail,
    quantized::{GgmlDType, QMatMul},
};

use super::{
    super::kernels::{Activations, Format, Full, Kernel, Packed},
    adapter::LowRank,
    rows::{Rows, Vector},
    weights::{Matrix, Weights},
};

/// What linear layers read. Several may read the same.
pub(super) struct Input {
    rows: Rows,
    /// The same as a tensor, once a layer needs it.
    tensor: OnceCell<Tensor>,
    /// The same, rounded for weights in units of 32, and of 256.
    rounded: [OnceCell<Activations>; 2],
}

impl Input {
    pub fn new(rows: Rows) -> Self {
        Self { rows, tensor: OnceCell::new(), rounded: Default::default() }
    }

    /// The rows again.
    pub fn into_rows(self) -> Rows {
        self.rows
    }

    /// On the processor, with the length of a row.
    fn host(&self) -> Result<(&[f32], usize)> {
        match &self.rows {
            Rows::Host { data, columns } => Ok((data, *columns)),
            Rows::Device(_) => bail!("a weight on the processor was given activations elsewhere"),
        }
    }

    fn tensor(&self) -> Result<&Tensor> {
        if self.tensor.get().is_none() {
            let tensor = self.rows.to_tensor()?;
            return Ok(self.tensor.get_or_init(|| tensor));
        }
        self.tensor.get().ok_or_else(|| candle_core::Error::Msg("no tensor".into()))
    }

    fn rounded(&self, unit: usize) -> Result<&Activations> {
        let (host, columns) = self.host()?;
        let [small, large] = &self.rounded;
        let cell = if unit == 32 { small } else { large };
        Ok(cell.get_or_init(|| Activations::new(host, columns, unit)))
    }
}

/// A weight, `[out, in]`, in the form in which it is multiplied fastest.
#[derive(Debug, Clone)]
pub(super) enum Weight {
    /// In blocks, for our own kernels.
    Packed(Kernel, Packed),
    /// In f32, for our own kernels.
    Full(Full),
    /// For candle's: on other devices, and on processors that ours aren't made for.
    Candle(QMatMul),
}

impl Weight {
    /// All rows of a matrix, or those of `ids`, for products on `device`.
    pub fn new(matrix: &Matrix, ids: Option<&[u32]>, device: &Device) -> Result<Self> {
        let kernel = Kernel::best();
        if !device.is_cpu() || kernel == Kernel::Plain {
            return matrix.candle(ids, device).map(Self::Candle);
        }
        if let Matrix::Blocks { dtype, columns, .. } = *matrix
            && let Some(format) = format(dtype)
        {
            return Ok(Self::Packed(kernel, Packed::new(format, columns, &matrix.rows(ids)?)));
        }
        let tensor = matrix.dequantised(ids)?;
        let columns = tensor.dims2()?.1;
        Ok(Self::Full(Full::new(columns, &tensor.flatten_all()?.to_vec1::<f32>()?)))
    }

    /// `[rows, out]`
    pub fn forward(&self, input: &Input) -> Result<Rows> {
        let (data, columns) = match self {
            Self::Candle(weight) => return Rows::new(weight.forward(input.tensor()?)?),
            Self::Packed(kernel, weight) => {
                (weight.forward(*kernel, input.rounded(weight.unit())?), weight.shape().0)
            }
            Self::Full(weight) => (weight.forward(input.host()?.0), weight.shape().0),
        };
        Ok(Rows::Host { data, columns })
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        match self {
            Self::Packed(_, weight) => weight.size(),
            Self::Full(weight) => weight.size(),
            Self::Candle(QMatMul::QTensor(weight)) => weight.storage_size_in_bytes(),
            Self::Candle(QMatMul::Tensor(weight) | QMatMul::TensorF16(weight)) => {
                weight.elem_count() * weight.dtype().size_in_bytes()
            }
        }
    }

    /// `[out, in]`
    pub fn shape(&self) -> Result<(usize, usize)> {
        match self {
            Self::Packed(_, weight) => Ok(weight.shape()),
            Self::Full(weight) => Ok(weight.shape()),
            Self::Candle(QMatMul::QTensor(weight)) => weight.shape().dims2(),
            Self::Candle(QMatMul::Tensor(weight) | QMatMul::TensorF16(weight)) => weight.dims2(),
        }
    }
}

/// A linear layer.
pub(super) struct Linear {
    pub weight: Weight,
    pub bias: Option<Vector>,
}

impl Linear {
    pub fn forward(&self, input: &Input, adapted: Option<&LowRank>) -> Result<Rows> {
        let mut out = self.weight.forward(input)?;
        if let Some(low_rank) = adapted {
            out = out.plus(&low_rank.forward(input)?)?;
        }
        match &self.bias {
            Some(bias) => out.plus_each(bias),
            None => Ok(out),
        }
    }

    /// `[out, in]`
    pub fn shape(&self) -> Result<(usize, usize)> {
        self.weight.shape()
    }
}

/// Takes a model's tensors, one after the other.
pub(super) struct Loader<'a> {
    weights: &'a mut dyn Weights,
    device: &'a Device,
    /// What the matrix before lay in.
    buffer: Vec<u8>,
}

impl<'a> Loader<'a> {
    pub fn new(weights: &'a mut dyn Weights, device: &'a Device) -> Self {
        Self { weights, device, buffer: Vec::new() }
    }

    pub fn into_weights(self) -> &'a mut dyn Weights {
        self.weights
    }

    pub fn has(&self, name: &str) -> bool {
        self.weights.has(name)
    }

    pub fn vector(&mut self, name: &str) -> Result<Vector> {
        Vector::new(self.weights.vector(name, self.device)?)
    }

    /// The linear layer of that name: its weight, and its bias if it has one.
    pub fn linear(&mut self, name: &str) -> Result<Linear> {
        let buffer = std::mem::take(&mut self.buffer);
        let matrix = self.weights.matrix(&format!("{name}.weight"), buffer)?;
        let weight = Weight::new(&matrix, None, self.device)?;
        self.buffer = matrix.into_buffer();
        let bias = format!("{name}.bias");
        let bias = if self.has(&bias) { Some(self.vector(&bias)?) } else { None };
        Ok(Linear { weight, bias })
    }
}

/// What stands before the first layer and behind the last, a row for each token of the vocabulary.
pub(super) struct Tables {
    /// `[vocab, hidden]`. Its rows are looked up on the host, never multiplied.
    pub embedding: Matrix,
    /// The output projection, `[vocab, hidden]`; none where it is the embedding.
    output: Option<Matrix>,
}

impl Tables {
    pub fn load(weights: &mut dyn Weights, embedding: &str, output: &str) -> Result<Self> {
        let embedding = weights.matrix(embedding, Vec::new())?;
        let output = match weights.has(output) {
            true => Some(weights.matrix(output, Vec::new())?),
            false => None,
        };
        Ok(Self { embedding, output })
    }

    /// The output projection.
    pub fn projection(&self) -> &Matrix {
        self.output.as_ref().unwrap_or(&self.embedding)
    }

    /// Of the tokens `written`, in order, those that there are.
    pub fn known<'w>(&self, written: &'w [u32]) -> Result<&'w [u32]> {
        let vocabulary = self.projection().shape()?.0;
        let known = written.partition_point(|token| (*token as usize) < vocabulary);
        Ok(written.get(..known).unwrap_or(written))
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
