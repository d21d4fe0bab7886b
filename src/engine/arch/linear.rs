//! Linear layers over quantised weights.

use std::cell::OnceCell;

use candle_core::{
    DType, Device, Module, Result, Tensor, bail,
    quantized::{GgmlDType, QMatMul},
};

use super::{
    super::{
        device::Backend,
        kernels::{Activations, Format, Full, Kernel, Packed},
    },
    adapter::LowRank,
    rows::{Rows, Vector},
    weights::{Matrix, Table, Weights},
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
            Rows::Tensor(_) => bail!("a weight of our kernels was given a tensor"),
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
    /// For candle's.
    Candle(QMatMul),
}

impl Weight {
    /// All rows of a matrix, or those of `ids`, as `backend` multiplies them.
    pub fn new(matrix: &Matrix, ids: Option<&[u32]>, backend: &Backend) -> Result<Self> {
        let kernel = match backend {
            Backend::Own(kernel) => *kernel,
            Backend::Mixed => return matrix.candle(ids, &Device::Cpu).map(Self::Candle),
            Backend::Candle { device, .. } => return matrix.candle(ids, device).map(Self::Candle),
        };
        if let Matrix::Blocks { dtype, columns, .. } = *matrix
            && let Some(format) = format(dtype)
        {
            return Ok(Self::Packed(kernel, Packed::new(format, columns, &matrix.rows(ids)?)));
        }
        let tensor = matrix.dequantised(ids)?;
        let columns = tensor.dims2()?.1;
        Ok(Self::Full(Full::new(columns, &tensor.flatten_all()?.to_vec1::<f32>()?)))
    }

    /// The rows `ids` of a table, in order. It isn't held in memory while it is packed.
    pub fn of_rows(table: &Table, ids: &[u32], backend: &Backend) -> Result<Self> {
        /// Rows that are read at once, those between them included.
        const SPAN: u32 = 1 << 12;
        let (&Table::File { dtype, shape: (_, columns), .. }, &Backend::Own(kernel)) =
            (table, backend)
        else {
            return Self::new(&*table.matrix()?, Some(ids), backend);
        };
        let Some(format) = format(dtype) else {
            return Self::new(&*table.matrix()?, Some(ids), backend);
        };
        if !ids.is_sorted() {
            bail!("rows of a table are read in order")
        }
        let (mut packed, mut buffer) = (Packed::with_room(format, columns, ids.len()), Vec::new());
        let mut rest = ids;
        while let Some(&first) = rest.first() {
            let near = rest.partition_point(|id| *id - first < SPAN);
            // Whole panels, but for the last.
            let taken = if near < rest.len() { near.next_multiple_of(Packed::PANEL) } else { near };
            let (these, others) = rest.split_at(taken.min(rest.len()));
            let last = these.last().copied().unwrap_or(first);
            table.read(first as usize..last as usize + 1, &mut buffer)?;
            let width = buffer.len() / (last - first + 1) as usize;
            let row = |id: &u32| buffer.get((*id - first) as usize * width..)?.get(..width);
            let Some(rows) = these.iter().map(row).collect::<Option<Vec<_>>>() else {
                bail!("a row that isn't there was asked for")
            };
            packed.push(&rows);
            rest = others;
        }
        Ok(Self::Packed(kernel, packed))
    }

    /// `[rows, out]`
    pub fn forward(&self, input: &Input) -> Result<Rows> {
        let (data, columns) = match self {
            Self::Candle(weight) => {
                let product = product(weight, input.tensor()?)?;
                return match input.rows {
                    Rows::Host { .. } => Rows::on_host(&product),
                    Rows::Tensor(_) => Ok(Rows::Tensor(product)),
                };
            }
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
    backend: &'a Backend,
    /// What the matrix before lay in.
    buffer: Vec<u8>,
}

impl<'a> Loader<'a> {
    pub fn new(weights: &'a mut dyn Weights, backend: &'a Backend) -> Self {
        Self { weights, backend, buffer: Vec::new() }
    }

    pub fn into_weights(self) -> &'a mut dyn Weights {
        self.weights
    }

    pub fn has(&self, name: &str) -> bool {
        self.weights.has(name)
    }

    pub fn vector(&mut self, name: &str) -> Result<Vector> {
        Vector::new(self.weights.vector(name, self.backend.device())?, self.backend)
    }

    /// A tensor of any shape, in f32, on the host.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        self.weights.vector(name, &Device::Cpu)
    }

    /// A matrix of the host's where the backend computes.
    pub fn rows(&self, tensor: &Tensor) -> Result<Rows> {
        Rows::new(tensor, self.backend)
    }

    /// So many ones.
    pub fn ones(&self, length: usize) -> Result<Vector> {
        let device = self.backend.device();
        Vector::new(Tensor::ones(length, DType::F32, device)?, self.backend)
    }

    /// The number of that name, if there is one.
    pub fn number(&mut self, name: &str) -> Result<Option<f32>> {
        if !self.has(name) {
            return Ok(None);
        }
        match self.tensor(name)?.flatten_all()?.to_vec1()?.as_slice() {
            [number] => Ok(Some(*number)),
            several => bail!("{name} has {} numbers, not one", several.len()),
        }
    }

    /// A matrix of which single rows are looked up.
    pub fn lookup(&mut self, name: &str) -> Result<Table> {
        self.weights.lookup(name)
    }

    /// The linear layer of that name: its weight, and its bias if it has one.
    pub fn linear(&mut self, name: &str) -> Result<Linear> {
        let buffer = std::mem::take(&mut self.buffer);
        let matrix = self.weights.matrix(&format!("{name}.weight"), buffer)?;
        let weight = Weight::new(&matrix, None, self.backend)?;
        self.buffer = matrix.into_buffer();
        let bias = format!("{name}.bias");
        let bias = if self.has(&bias) { Some(self.vector(&bias)?) } else { None };
        Ok(Linear { weight, bias })
    }
}

/// What stands before the first layer and behind the last, a row for each token of the vocabulary.
pub(super) struct Tables {
    /// `[vocab, hidden]`
    pub embedding: Table,
    /// The output projection, `[vocab, hidden]`; none where it is the embedding.
    output: Option<Table>,
}

impl Tables {
    pub fn load(weights: &mut dyn Weights, embedding: &str, output: &str) -> Result<Self> {
        let embedding = weights.table(embedding)?;
        let output = weights.has(output).then(|| weights.table(output)).transpose()?;
        Ok(Self { embedding, output })
    }

    /// All rows of the output projection.
    pub fn head(&self, backend: &Backend) -> Result<Weight> {
        Weight::new(&*self.projection().matrix()?, None, backend)
    }

    /// Its rows for the tokens `written`, in order, of which the model may lack those at the end.
    pub fn head_of(&self, written: &[u32], backend: &Backend) -> Result<Weight> {
        Weight::of_rows(self.projection(), self.known(written)?, backend)
    }

    /// Of the tokens `written`, in order, those that there are.
    pub fn known<'w>(&self, written: &'w [u32]) -> Result<&'w [u32]> {
        let vocabulary = self.projection().shape()?.0;
        let known = written.partition_point(|token| (*token as usize) < vocabulary);
        Ok(written.get(..known).unwrap_or(written))
    }

    fn projection(&self) -> &Table {
        self.output.as_ref().unwrap_or(&self.embedding)
    }
}

/// candle's product of activations in f32 with a weight of any type, in f32.
fn product(weight: &QMatMul, input: &Tensor) -> Result<Tensor> {
    match weight {
        QMatMul::QTensor(_) => weight.forward(&input.contiguous()?),
        QMatMul::Tensor(full) | QMatMul::TensorF16(full) => {
            input.to_dtype(full.dtype())?.matmul(&full.t()?)?.to_dtype(DType::F32)
        }
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
