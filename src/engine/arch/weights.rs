//! A model's weights, from a GGUF file or from a hub folder's safetensors.
//!
//! Tensors are asked for by GGUF's names (ggml-org/ggml, `docs/gguf.md`).

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{
    DType, Device, Result, Tensor, bail,
    pickle::PthTensors,
    quantized::{
        GgmlDType, QMatMul, QStorage, QTensor,
        gguf_file::{Content, TensorInfo},
    },
};

use super::super::{gguf, kernels::q5_0_as_q8_0, safetensors::SafeTensors};

/// A matrix as a file has it, `[out, in]`; on the host.
#[derive(Clone)]
pub enum Matrix {
    /// In one of ggml's types, row by row.
    Blocks {
        /// Which.
        dtype: GgmlDType,
        /// Elements of a row.
        columns: usize,
        /// All rows.
        data: Vec<u8>,
    },
    /// As f32.
    Full(Tensor),
}

impl Matrix {
    /// `[out, in]`
    ///
    /// # Errors
    /// It isn't a matrix.
    pub fn shape(&self) -> Result<(usize, usize)> {
        match self {
            Self::Blocks { columns, data, .. } => Ok((data.len() / self.width()?, *columns)),
            Self::Full(tensor) => tensor.dims2(),
        }
    }

    /// Bytes of a row.
    fn width(&self) -> Result<usize> {
        match self {
            Self::Blocks { dtype, columns, .. } => row_width(*dtype, *columns),
            Self::Full(tensor) => Ok(tensor.dims2()?.1 * size_of::<f32>()),
        }
    }

    /// The bytes of each row; those of `ids`, if they are named.
    ///
    /// # Errors
    /// An id isn't a row's, or it isn't in blocks.
    pub fn rows<'s>(&'s self, ids: Option<&[u32]>) -> Result<Vec<&'s [u8]>> {
        let width = self.width()?;
        let Self::Blocks { data, .. } = self else { bail!("the matrix is not in blocks") };
        let Some(ids) = ids else { return Ok(data.chunks_exact(width).collect()) };
        let row = |id: &u32| data.get(*id as usize * width..)?.get(..width);
        match ids.iter().map(row).collect() {
            Some(rows) => Ok(rows),
            None => bail!("a row that isn't there was asked for"),
        }
    }

    /// The memory that it lay in.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Blocks { data, .. } => data,
            Self::Full(_) => Vec::new(),
        }
    }

    /// Of its rows those of `ids`, if they are named, as f32: `[ids, in]`, on the host.
    ///
    /// # Errors
    /// candle's, or an id isn't a row's.
    pub fn dequantised(&self, ids: Option<&[u32]>) -> Result<Tensor> {
        match (self, ids) {
            (Self::Full(tensor), None) => Ok(tensor.clone()),
            (Self::Full(tensor), Some(ids)) => {
                tensor.index_select(&Tensor::new(ids, tensor.device())?, 0)
            }
            (Self::Blocks { .. }, ids) => self.tensor(ids, &Device::Cpu)?.dequantize(&Device::Cpu),
        }
    }

    /// For candle's kernels, on `device`: all rows, or those of `ids`. What isn't quantised stays of
    /// its type where that is multiplied faster.
    ///
    /// # Errors
    /// candle's, or an id isn't a row's.
    pub fn candle(&self, ids: Option<&[u32]>, device: &Device) -> Result<QMatMul> {
        let half = match self {
            Self::Blocks { dtype: GgmlDType::F16, .. } => Some(DType::F16),
            Self::Blocks { dtype: GgmlDType::BF16, .. } => Some(DType::BF16),
            _ => None,
        };
        match self {
            Self::Full(_) => Ok(QMatMul::Tensor(self.dequantised(ids)?.to_device(device)?)),
            Self::Blocks { .. } if half.is_some() && !device.is_cpu() => {
                // No number is lost on the way.
                let tensor = self.dequantised(ids)?.to_dtype(half.unwrap_or(DType::F32))?;
                Ok(QMatMul::Tensor(tensor.to_device(device)?))
            }
            // candle multiplies Q5_0 on processors without vectors, and Q8_0 with them.
            Self::Blocks { dtype: GgmlDType::Q5_0, columns, .. } if device.is_cpu() => {
                let (dtype, data) = (GgmlDType::Q8_0, q5_0_as_q8_0(&self.taken(ids)?));
                Self::Blocks { dtype, columns: *columns, data }.candle(None, device)
            }
            Self::Blocks { .. } => QMatMul::from_arc(Arc::new(self.tensor(ids, device)?)),
        }
    }

    /// The bytes of all rows, or of those of `ids`, one after the other.
    fn taken(&self, ids: Option<&[u32]>) -> Result<Cow<'_, [u8]>> {
        match (self, ids) {
            (Self::Blocks { data, .. }, None) => Ok(data.into()),
            _ => self.rows(ids).map(|rows| rows.concat().into()),
        }
    }

    fn tensor(&self, ids: Option<&[u32]>, device: &Device) -> Result<QTensor> {
        let Self::Blocks { dtype, columns, .. } = self else {
            bail!("the matrix is not in blocks")
        };
        let data = self.taken(ids)?;
        let rows = data.len() / self.width()?;
        QTensor::new(QStorage::from_data(data, device, *dtype)?, (rows, *columns))
    }
}

/// A matrix whose rows are taken out one by one; few of them are ever needed.
pub enum Table {
    /// In memory.
    Memory(Matrix),
    /// In a file, from which rows are read when they are asked for.
    File {
        /// The file.
        file: File,
        /// Where the matrix begins in it.
        start: u64,
        /// In which of ggml's types it is, row by row.
        dtype: GgmlDType,
        /// `[out, in]`
        shape: (usize, usize),
    },
}

impl Table {
    /// `[out, in]`
    ///
    /// # Errors
    /// It isn't a matrix.
    pub fn shape(&self) -> Result<(usize, usize)> {
        match self {
            Self::Memory(matrix) => matrix.shape(),
            Self::File { shape, .. } => Ok(*shape),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// It can't be read.
    pub fn matrix(&self) -> Result<Cow<'_, Matrix>> {
        match self {
            Self::Memory(matrix) => Ok(Cow::Borrowed(matrix)),
            Self::File { dtype, shape: (rows, columns), .. } => {
                let (dtype, columns, mut data) = (*dtype, *columns, Vec::new());
                self.read(0..*rows, &mut data)?;
                Ok(Cow::Owned(Matrix::Blocks { dtype, columns, data }))
            }
        }
    }

    /// The rows of that range, into `buffer`, as the file has them.
    ///
    /// # Errors
    /// It lies in no file or can't be read, or there are no such rows.
    pub fn read(&self, range: Range<usize>, buffer: &mut Vec<u8>) -> Result<()> {
        let Self::File { file, start, dtype, shape: (rows, columns) } = self else {
            bail!("the matrix lies in no file")
        };
        if range.end > *rows {
            bail!("a row that isn't there was asked for")
        }
        let width = row_width(*dtype, *columns)?;
        buffer.resize(range.len() * width, 0);
        read_at(file, buffer, start + (range.start * width) as u64)
    }

    /// The rows `ids` as f32: `[ids, in]`, on the host.
    ///
    /// # Errors
    /// It can't be read, or an id isn't a row's.
    pub fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let (dtype, columns) = match self {
            Self::Memory(matrix) => return matrix.dequantised(Some(ids)),
            Self::File { dtype, shape: (_, columns), .. } => (*dtype, *columns),
        };
        let (mut data, mut row) = (Vec::new(), Vec::new());
        for id in ids {
            let id = *id as usize;
            self.read(id..id + 1, &mut row)?;
            data.extend_from_slice(&row);
        }
        Matrix::Blocks { dtype, columns, data }.dequantised(None)
    }
}

/// Reads from a place of a file, which stays where it is for whoever else reads.
pub fn read_at(file: &File, buffer: &mut [u8], at: u64) -> Result<()> {
    #[cfg(unix)]
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)?;
    #[cfg(windows)]
    {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match std::os::windows::fs::FileExt::seek_read(file, rest, at + read as u64)? {
                0 => bail!("the file has become shorter"),
                more => read += more,
            }
        }
    }
    Ok(())
}

/// Bytes of a row. No block goes beyond one.
fn row_width(dtype: GgmlDType, columns: usize) -> Result<usize> {
    if columns == 0 || !columns.is_multiple_of(dtype.block_size()) {
        bail!("rows of {columns} are not made of {dtype:?} blocks")
    }
    Ok(columns / dtype.block_size() * dtype.type_size())
}

/// Where a decoder's tensors come from.
pub trait Weights {
    /// Whether there is a tensor of that name.
    fn has(&self, name: &str) -> bool;
    /// A matrix. It may come to lie in `buffer`: memory that is there already is filled faster.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn matrix(&mut self, name: &str, buffer: Vec<u8>) -> Result<Matrix>;
    /// A matrix that isn't multiplied.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn table(&mut self, name: &str) -> Result<Table>;
    /// A matrix of which single rows are looked up, and nothing else; it may be too large for memory.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn lookup(&mut self, name: &str) -> Result<Table> {
        self.table(name)
    }
    /// A norm's weight or a bias, as f32.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor>;
}

/// The tensors of a GGUF file.
pub struct GgufWeights {
    /// Its header.
    pub content: Content,
    /// The file.
    pub file: File,
}

impl GgufWeights {
    fn info(&self, name: &str) -> Result<&TensorInfo> {
        match self.content.tensor_infos.get(name) {
            Some(info) => Ok(info),
            None => bail!("the tensor {name} is missing"),
        }
    }
}

impl Weights for GgufWeights {
    fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    fn matrix(&mut self, name: &str, mut buffer: Vec<u8>) -> Result<Matrix> {
        let info = self.info(name)?;
        let (dtype, columns) = (info.ggml_dtype, info.shape.dims2()?.1);
        let bytes = gguf::bytes(&self.content, info);
        self.file.seek(SeekFrom::Start(bytes.start))?;
        let length = bytes.end - bytes.start;
        buffer.clear();
        buffer.reserve_exact(usize::try_from(length).map_err(candle_core::Error::wrap)?);
        if (&self.file).take(length).read_to_end(&mut buffer)? as u64 != length {
            bail!("the file ends within the tensor {name}")
        }
        Ok(Matrix::Blocks { dtype, columns, data: buffer })
    }

    fn table(&mut self, name: &str) -> Result<Table> {
        let info = self.info(name)?;
        Ok(Table::File {
            file: self.file.try_clone()?,
            start: gguf::bytes(&self.content, info).start,
            dtype: info.ggml_dtype,
            shape: info.shape.dims2()?,
        })
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        self.content.tensor(&mut self.file, name, device)?.dequantize(device)
    }
}

/// The tensors of a hub folder. Matrices are quantised to Q8_0 while they are loaded, which no
/// measure of quality tells from the original and which halves bf16; or kept as bf16.
pub struct HubWeights {
    in_bf16: bool,
    /// Which file has which tensor, by the hub's names.
    files: HashMap<String, PathBuf>,
    /// The file read last, since tensors come file by file.
    open: Option<(PathBuf, Open)>,
    naming: Naming,
}

/// A file of tensors.
enum Open {
    Safetensors(SafeTensors),
    /// PyTorch's own, of which only the tensors are read: nothing in it is run.
    Pickle(PthTensors),
}

impl Open {
    fn read(path: &Path) -> Result<Self> {
        if path.extension().is_some_and(|e| e == "bin") {
            return match PthTensors::new(path, None) {
                Ok(tensors) => Ok(Self::Pickle(tensors)),
                Err(e) => bail!("{e}; what PyTorch before 1.6 wrote must be saved anew"),
            };
        }
        SafeTensors::open(path).map(Self::Safetensors)
    }

    fn names(&self) -> Vec<String> {
        match self {
            Self::Safetensors(file) => file.names().map(str::to_owned).collect(),
            Self::Pickle(file) => file.tensor_infos().keys().cloned().collect(),
        }
    }

    fn load(&self, name: &str) -> Result<Tensor> {
        match self {
            Self::Safetensors(file) => file.load(name),
            Self::Pickle(file) => match file.get(name)? {
                Some(tensor) => Ok(tensor),
                None => bail!("the tensor {name} is missing"),
            },
        }
    }
}

/// Whose names the hub's tensors have, where families differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Llama,
    Gemma,
    /// As Gemma, but norms multiply by their weight alone.
    Gemma4,
    Hunyuan,
    /// Norms but one are as Gemma's; some layers have other parts.
    Qwen35,
    /// Tensors are asked for by their own names, as encoder-decoders do, for which GGUF has none.
    Own,
}

impl HubWeights {
    /// Finds the tensors of `folder`: in `model.safetensors`, or in the files that
    /// `model.safetensors.index.json` lists, or, in older ones, in `pytorch_model.bin`.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn open(folder: &Path, architecture: &str) -> std::result::Result<Self, String> {
        let naming = match architecture {
            "gemma3" => Naming::Gemma,
            "gemma4" => Naming::Gemma4,
            "hunyuan-dense" => Naming::Hunyuan,
            "qwen35" => Naming::Qwen35,
            "marian" | "m2m_100" | "t5" | "encoder" => Naming::Own,
            _ => Naming::Llama,
        };
        let mut weights = Self::none(naming);
        let index = folder.join("model.safetensors.index.json");
        if index.exists() {
            let text = std::fs::read_to_string(&index).map_err(|e| format!("{e}"))?;
            let json: serde_json::Value = serde_json::from_str(&text)
                .map_err(|e| format!("model.safetensors.index.json: {e}"))?;
            let map = json.get("weight_map").and_then(|m| m.as_object());
            for (tensor, file) in map.into_iter().flatten() {
                let name = file.as_str().unwrap_or_default();
                // A name, not a way out of the folder.
                if Path::new(name).components().count() != 1 {
                    return Err(format!("model.safetensors.index.json: the file name `{name}`"));
                }
                weights.files.insert(tensor.clone(), folder.join(name));
            }
        } else {
            let names = ["model.safetensors", "pytorch_model.bin"];
            let name = names.into_iter().find(|name| folder.join(name).exists());
            let name = name.ok_or("neither model.safetensors nor pytorch_model.bin is there")?;
            weights.take(&folder.join(name))?;
        }
        Ok(weights)
    }

    /// The tensors of one file, safetensors or PyTorch's own, under the names that it has.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn of_file(path: &Path) -> std::result::Result<Self, String> {
        let mut weights = Self::none(Naming::Own);
        weights.take(path)?;
        Ok(weights)
    }

    fn none(naming: Naming) -> Self {
        Self { in_bf16: false, files: HashMap::new(), open: None, naming }
    }

    fn take(&mut self, path: &Path) -> std::result::Result<(), String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let file = Open::read(path).map_err(|e| format!("{name}: {e}"))?;
        self.files.extend(file.names().into_iter().map(|tensor| (tensor, path.to_owned())));
        self.open = Some((path.to_owned(), file));
        Ok(())
    }

    /// The same, with matrices in bf16: for devices that multiply those fastest.
    #[must_use]
    pub fn in_bf16(self) -> Self {
        Self { in_bf16: true, ..self }
    }

    /// A tensor in f32, as GGUF files have it.
    ///
    /// # Errors
    /// It is missing or can't be read.
    pub fn full(&mut self, name: &str) -> Result<Tensor> {
        let tensor = self.load(name)?;
        // Gemma's norms multiply by 1 + weight; GGUF files hold that sum.
        let plus_one = match self.naming {
            Naming::Gemma => name.ends_with("norm.weight"),
            Naming::Qwen35 => name.ends_with("norm.weight") && !name.ends_with("ssm_norm.weight"),
            _ => false,
        };
        match name.rsplit('.').next() {
            _ if plus_one => tensor + 1.0,
            // The hub's has a logarithm.
            Some("ssm_a") => tensor.exp()?.neg(),
            // Channels of one input each.
            _ if name.ends_with("ssm_conv1d.weight") => tensor.squeeze(1),
            _ => Ok(tensor),
        }
    }

    /// A matrix of which rows are looked up, as exact as the file has it.
    ///
    /// # Errors
    /// It is missing, no matrix, or can't be read.
    pub fn exact(&mut self, name: &str) -> Result<Table> {
        match self.opened(name)? {
            (hub, Open::Safetensors(file)) => file.table(&hub),
            _ => self.load(name).map(Matrix::Full).map(Table::Memory),
        }
    }

    /// The hub's name of a tensor, and the file that has it.
    fn opened(&mut self, name: &str) -> Result<(String, &Open)> {
        let Some((hub, path)) = self.names(name).into_iter().find_map(|hub| {
            let path = self.files.get(&hub)?.clone();
            Some((hub, path))
        }) else {
            bail!("the tensor {name} is missing")
        };
        if self.open.as_ref().is_none_or(|(at, _)| *at != path) {
            self.open = None;
            self.open = Some((path.clone(), Open::read(&path)?));
        }
        match &self.open {
            Some((_, file)) => Ok((hub, file)),
            None => bail!("{} is not open", path.display()),
        }
    }

    fn load(&mut self, name: &str) -> Result<Tensor> {
        let (hub, file) = self.opened(name)?;
        file.load(&hub)?.to_dtype(DType::F32)
    }

    /// The hub's names for one of GGUF's; multimodal checkpoints put a prefix before them.
    fn names(&self, gguf: &str) -> Vec<String> {
        if self.naming == Naming::Own {
            return vec![gguf.to_owned()];
        }
        let gemma = matches!(self.naming, Naming::Gemma | Naming::Gemma4);
        let plain = match gguf.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            None => match gguf {
                "token_embd.weight" => "model.embed_tokens.weight".to_owned(),
                "output_norm.weight" => "model.norm.weight".to_owned(),
                "output.weight" => "lm_head.weight".to_owned(),
                "per_layer_token_embd.weight" => "model.embed_tokens_per_layer.weight".to_owned(),
                "per_layer_model_proj.weight" => {
                    "model.per_layer_model_projection.weight".to_owned()
                }
                "per_layer_proj_norm.weight" => "model.per_layer_projection_norm.weight".to_owned(),
                // Some tensors are GGUF's alone.
                _ => return Vec::new(),
            },
            // The one that isn't a layer's weight or bias.
            Some((layer, "layer_output_scale.weight")) => {
                format!("model.layers.{layer}.layer_scalar")
            }
            Some((layer, "ssm_a")) => format!("model.layers.{layer}.linear_attn.A_log"),
            Some((layer, "ssm_dt.bias")) => format!("model.layers.{layer}.linear_attn.dt_bias"),
            Some((layer, part)) => {
                let (part, kind) = part.rsplit_once('.').unwrap_or((part, "weight"));
                let part = match part {
                    "attn_norm" => "input_layernorm",
                    "attn_q" => "self_attn.q_proj",
                    "attn_k" => "self_attn.k_proj",
                    "attn_v" => "self_attn.v_proj",
                    "attn_q_norm" if self.naming == Naming::Hunyuan => "self_attn.query_layernorm",
                    "attn_k_norm" if self.naming == Naming::Hunyuan => "self_attn.key_layernorm",
                    "attn_q_norm" => "self_attn.q_norm",
                    "attn_k_norm" => "self_attn.k_norm",
                    "attn_output" => "self_attn.o_proj",
                    "post_attention_norm" if gemma || self.naming == Naming::Qwen35 => {
                        "post_attention_layernorm"
                    }
                    "attn_qkv" => "linear_attn.in_proj_qkv",
                    "attn_gate" => "linear_attn.in_proj_z",
                    "ssm_beta" => "linear_attn.in_proj_b",
                    "ssm_alpha" => "linear_attn.in_proj_a",
                    "ssm_conv1d" => "linear_attn.conv1d",
                    "ssm_norm" => "linear_attn.norm",
                    "ssm_out" => "linear_attn.out_proj",
                    "ffn_norm" if gemma => "pre_feedforward_layernorm",
                    // GGUF files have it under the other name alone.
                    "ffn_norm" if self.naming == Naming::Qwen35 => return Vec::new(),
                    "ffn_norm" => "post_attention_layernorm",
                    "ffn_gate" => "mlp.gate_proj",
                    "ffn_up" => "mlp.up_proj",
                    "ffn_down" => "mlp.down_proj",
                    "post_ffw_norm" => "post_feedforward_layernorm",
                    "inp_gate" => "per_layer_input_gate",
                    "proj" => "per_layer_projection",
                    "post_norm" => "post_per_layer_input_norm",
                    other => other,
                };
                format!("model.layers.{layer}.{part}.{kind}")
            }
        };
        // As transformers nests them now, and as it did.
        let nested = plain.strip_prefix("model.").map(|rest| {
            [format!("model.language_model.{rest}"), format!("language_model.model.{rest}")]
        });
        std::iter::once(plain).chain(nested.into_iter().flatten()).collect()
    }
}

impl Weights for HubWeights {
    fn has(&self, name: &str) -> bool {
        self.names(name).iter().any(|hub| self.files.contains_key(hub))
    }

    fn matrix(&mut self, name: &str, _: Vec<u8>) -> Result<Matrix> {
        let tensor = self.load(name)?;
        let columns = tensor.dims2()?.1;
        if self.in_bf16 {
            return tensor.to_dtype(DType::BF16).map(Matrix::Full);
        }
        if !columns.is_multiple_of(256) {
            return Ok(Matrix::Full(tensor));
        }
        let dtype = GgmlDType::Q8_0;
        let tensor = QTensor::quantize(&tensor, dtype)?;
        Ok(Matrix::Blocks { dtype, columns, data: tensor.data()?.into_owned() })
    }

    fn table(&mut self, name: &str) -> Result<Table> {
        self.matrix(name, Vec::new()).map(Table::Memory)
    }

    fn lookup(&mut self, name: &str) -> Result<Table> {
        match self.opened(name)? {
            (hub, Open::Safetensors(file)) => file.table(&hub),
            _ => self.table(name),
        }
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        self.full(name)?.to_device(device)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Six rows of 64: as they are, in blocks of that type, and what those hold.
    fn blocks(dtype: GgmlDType) -> (Tensor, Matrix, Vec<Vec<f32>>) {
        let values: Vec<f32> = (0..6 * 64).map(|i| (i as f32 * 0.7).sin()).collect();
        let tensor = Tensor::from_vec(values, (6, 64), &Device::Cpu).unwrap();
        let quantised = QTensor::quantize(&tensor, dtype).unwrap();
        let held = quantised.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
        let data = quantised.data().unwrap().into_owned();
        (tensor, Matrix::Blocks { dtype, columns: 64, data }, held)
    }

    #[test]
    fn rows_of_blocks_are_the_rows_of_their_values() {
        let (tensor, matrix, all) = blocks(GgmlDType::Q8_0);
        assert_eq!(matrix.shape().unwrap(), (6, 64));
        for (matrix, tolerance) in [(&matrix, 0.0), (&Matrix::Full(tensor), 0.01)] {
            let taken = matrix.dequantised(Some(&[4, 0, 5])).unwrap();
            let taken: Vec<Vec<f32>> = taken.to_vec2().unwrap();
            for (got, id) in taken.iter().zip([4, 0, 5]) {
                let off = got.iter().zip(all.get(id).unwrap()).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f32::max) <= tolerance);
            }
            assert!(matrix.dequantised(Some(&[6])).is_err());
        }
        assert!(matrix.rows(Some(&[6])).is_err());
    }

    #[test]
    fn blocks_of_five_bits_are_the_same_numbers_for_candle_on_the_processor() {
        let (_, matrix, all) = blocks(GgmlDType::Q5_0);
        let QMatMul::QTensor(held) = matrix.candle(Some(&[4, 0, 5]), &Device::Cpu).unwrap() else {
            panic!("not held in blocks")
        };
        assert_eq!(held.dtype(), GgmlDType::Q8_0);
        let held: Vec<Vec<f32>> = held.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
        assert_eq!(held, [4, 0, 5].map(|row: usize| all.get(row).cloned().unwrap()));
    }
}
