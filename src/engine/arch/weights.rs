//! A decoder's weights, from a GGUF file or from a hub folder's safetensors.
//!
//! Tensors are asked for by GGUF's names (ggml-org/ggml, `docs/gguf.md`).

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use candle_core::{
    DType, Device, Result, Tensor, bail,
    quantized::{GgmlDType, QStorage, QTensor, gguf_file::Content},
    safetensors::BufferedSafetensors,
};

/// A linear layer's weight, `[out, in]`.
#[derive(Clone)]
pub enum Matrix {
    /// In blocks.
    Quantised(Arc<QTensor>),
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
            Self::Quantised(tensor) => tensor.shape().dims2(),
            Self::Full(tensor) => tensor.dims2(),
        }
    }

    /// Some of its rows, in the order of `ids`.
    ///
    /// # Errors
    /// candle's, or an id isn't a row's.
    pub fn rows(&self, ids: &[u32]) -> Result<Self> {
        let tensor = match self {
            Self::Full(tensor) => {
                let ids = Tensor::new(ids, tensor.device())?;
                return tensor.index_select(&ids, 0).map(Self::Full);
            }
            Self::Quantised(tensor) => tensor,
        };
        let (rows, columns) = self.shape()?;
        let data = tensor.data()?;
        // A block lies within a row.
        let width = data.len() / rows.max(1);
        let mut taken = Vec::with_capacity(ids.len() * width);
        for &id in ids {
            let from = id as usize * width;
            match data.get(from..from + width) {
                Some(row) => taken.extend_from_slice(row),
                None => bail!("there is no row {id} in a matrix of {rows}"),
            }
        }
        let storage = QStorage::from_data(taken.into(), &tensor.device(), tensor.dtype())?;
        Ok(Self::Quantised(Arc::new(QTensor::new(storage, (ids.len(), columns))?)))
    }
}

/// Where a decoder's tensors come from.
pub trait Weights {
    /// Whether there is a tensor of that name.
    fn has(&self, name: &str) -> bool;
    /// A linear layer's weight.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn matrix(&mut self, name: &str, device: &Device) -> Result<Matrix>;
    /// A norm's weight or a bias, as f32.
    ///
    /// # Errors
    /// It is missing or can't be read.
    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor>;
}

/// The tensors of a GGUF file.
pub struct GgufWeights<'a> {
    /// Its header.
    pub content: &'a Content,
    /// The file.
    pub file: &'a mut File,
}

impl Weights for GgufWeights<'_> {
    fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    fn matrix(&mut self, name: &str, device: &Device) -> Result<Matrix> {
        let tensor = self.content.tensor(self.file, name, device)?;
        Ok(Matrix::Quantised(Arc::new(tensor)))
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        self.content.tensor(self.file, name, device)?.dequantize(device)
    }
}

/// The tensors of a hub folder. Matrices are quantised to Q8_0 while they are loaded, which no
/// measure of quality tells from the original and which halves bf16.
pub struct HubWeights {
    /// Which file has which tensor, by the hub's names.
    files: HashMap<String, PathBuf>,
    /// The file read last, since tensors come file by file.
    open: Option<(PathBuf, BufferedSafetensors)>,
    gemma: bool,
}

impl HubWeights {
    /// Finds the tensors of `folder`: in `model.safetensors`, or in the files that
    /// `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// A sentence that says what is missing.
    pub fn open(folder: &Path, architecture: &str) -> std::result::Result<Self, String> {
        let mut weights =
            Self { files: HashMap::new(), open: None, gemma: architecture == "gemma3" };
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
            let path = folder.join("model.safetensors");
            let file = read(&path).map_err(|e| format!("model.safetensors: {e}"))?;
            for (tensor, _) in file.tensors() {
                weights.files.insert(tensor, path.clone());
            }
            weights.open = Some((path, file));
        }
        Ok(weights)
    }

    fn load(&mut self, name: &str) -> Result<Tensor> {
        let Some((hub, path)) = self.names(name).into_iter().find_map(|hub| {
            let path = self.files.get(&hub)?.clone();
            Some((hub, path))
        }) else {
            bail!("the tensor {name} is missing")
        };
        if self.open.as_ref().is_none_or(|(at, _)| *at != path) {
            self.open = None;
            self.open = Some((path.clone(), read(&path)?));
        }
        match &self.open {
            Some((_, file)) => file.load(&hub, &Device::Cpu)?.to_dtype(DType::F32),
            None => bail!("{} is not open", path.display()),
        }
    }

    /// The hub's names for one of GGUF's; multimodal checkpoints put a prefix before them.
    fn names(&self, gguf: &str) -> Vec<String> {
        let plain = match gguf.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            None => match gguf {
                "token_embd.weight" => "model.embed_tokens.weight".to_owned(),
                "output_norm.weight" => "model.norm.weight".to_owned(),
                _ => "lm_head.weight".to_owned(),
            },
            Some((layer, part)) => {
                let (part, kind) = part.rsplit_once('.').unwrap_or((part, "weight"));
                let part = match part {
                    "attn_norm" => "input_layernorm",
                    "attn_q" => "self_attn.q_proj",
                    "attn_k" => "self_attn.k_proj",
                    "attn_v" => "self_attn.v_proj",
                    "attn_q_norm" => "self_attn.q_norm",
                    "attn_k_norm" => "self_attn.k_norm",
                    "attn_output" => "self_attn.o_proj",
                    "post_attention_norm" if self.gemma => "post_attention_layernorm",
                    "ffn_norm" if self.gemma => "pre_feedforward_layernorm",
                    "ffn_norm" => "post_attention_layernorm",
                    "ffn_gate" => "mlp.gate_proj",
                    "ffn_up" => "mlp.up_proj",
                    "ffn_down" => "mlp.down_proj",
                    "post_ffw_norm" => "post_feedforward_layernorm",
                    other => other,
                };
                format!("model.layers.{layer}.{part}.{kind}")
            }
        };
        let nested =
            plain.strip_prefix("model.").map(|rest| format!("language_model.model.{rest}"));
        std::iter::once(plain).chain(nested).collect()
    }
}

fn read(path: &Path) -> Result<BufferedSafetensors> {
    BufferedSafetensors::new(std::fs::read(path)?)
}

impl Weights for HubWeights {
    fn has(&self, name: &str) -> bool {
        self.names(name).iter().any(|hub| self.files.contains_key(hub))
    }

    fn matrix(&mut self, name: &str, device: &Device) -> Result<Matrix> {
        let tensor = self.load(name)?;
        if tensor.dims2()?.1.is_multiple_of(256) {
            let tensor = QTensor::quantize_onto(&tensor, GgmlDType::Q8_0, device)?;
            Ok(Matrix::Quantised(Arc::new(tensor)))
        } else {
            tensor.to_device(device).map(Matrix::Full)
        }
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        let tensor = self.load(name)?;
        // Gemma's norms multiply by 1 + weight; GGUF files hold that sum.
        let tensor =
            if self.gemma && name.ends_with("norm.weight") { (tensor + 1.0)? } else { tensor };
        tensor.to_device(device)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_of_blocks_are_the_rows_of_their_values() {
        let values: Vec<f32> = (0..6 * 64).map(|i| (i as f32 * 0.7).sin()).collect();
        let tensor = Tensor::from_vec(values, (6, 64), &Device::Cpu).unwrap();
        let quantised = QTensor::quantize(&tensor, GgmlDType::Q8_0).unwrap();
        let all: Vec<Vec<f32>> = quantised.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
        let quantised = Matrix::Quantised(Arc::new(quantised));
        let Matrix::Quantised(taken) = quantised.rows(&[4, 0, 5]).unwrap() else { panic!() };
        let taken: Vec<Vec<f32>> = taken.dequantize(&Device::Cpu).unwrap().to_vec2().unwrap();
        assert_eq!(taken, [4, 0, 5].map(|row: usize| all.get(row).unwrap().clone()));
        assert!(quantised.rows(&[6]).is_err());
    }
}
