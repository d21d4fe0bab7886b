//! A hub folder as one quantised GGUF file, as llama.cpp's `convert_hf_to_gguf.py` and
//! `llama-quantize` would write it (ggml-org/ggml, `docs/gguf.md`).

use std::{fs::File, io::BufWriter, path::Path, str::FromStr};

use candle_core::{
    Device, Tensor,
    quantized::{
        GgmlDType, QTensor,
        gguf_file::{self, Value},
    },
};
use serde_json::Value as Json;

use super::{
    arch::{
        config::{Config, LayerAttention, ROPE_FACTORS, Rope, UNTURNED},
        delta::DeltaShape,
        weights::{GgufWeights, HubWeights, Weights},
    },
    gguf, hub_folder,
    tokenizer::{self, Tokenizer},
};
use crate::error::{Error, Result};

/// In what matrices are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As they are, in 32 bits.
    F32,
    /// Eight bits, with a scale for 32.
    Q8_0,
    /// Four bits, with scales in two steps for 256; embeddings and the output projection have six.
    Q4K,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "f32" => Ok(Self::F32),
            "q8_0" => Ok(Self::Q8_0),
            "q4_k" => Ok(Self::Q4K),
            _ => Err(format!("`{text}` is no format; there are f32, q8_0 and q4_k")),
        }
    }
}

impl Format {
    /// For rows of so many columns: K-quants come in blocks of 256, Q8_0 in blocks of 32.
    fn of(self, name: &str, columns: usize) -> GgmlDType {
        let ends = matches!(name, "token_embd.weight" | "output.weight");
        match self {
            Self::Q4K if columns.is_multiple_of(256) && ends => GgmlDType::Q6K,
            Self::Q4K if columns.is_multiple_of(256) => GgmlDType::Q4K,
            Self::Q4K | Self::Q8_0 if columns.is_multiple_of(32) => GgmlDType::Q8_0,
            _ => GgmlDType::F32,
        }
    }
}

/// What a conversion wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Tensors.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// The tensor that lost most, and how much: the root mean square of what changed, as a share of
    /// that of its numbers.
    pub worst: (String, f64),
}

/// Texts whose tokens must be the same in both.
const TEXTS: [&str; 4] = [
    "On 30 November, 84 passengers’ fares rose to €1,250.50 (12 %) – “for nothing”.\n\n  New line.",
    "Die Überfahrt für 84 Fahrgäste kostete am 30. November 1.250,50 €.",
    "11月30日，84名乘客支付了1250元。碼頭於週二關閉。",
    "৩০ নভেম্বর ৮৪ জন যাত্রী ফেরির জন্য অপেক্ষা করেছিলেন।",
];

/// Writes the decoder in `folder` to `out`, reads it back, and compares.
///
/// # Errors
/// [`Error::Model`] that says what can't be converted, or what didn't come out right.
pub fn convert(folder: &Path, out: &Path, format: Format) -> Result<Converted> {
    let fail = |reason: String| Error::Model {
        model: folder.display().to_string(),
        reason,
        hint: "folders of decoder-only models as the hub lays them out can be converted".into(),
    };
    let json = hub_folder::config(folder).map_err(fail)?;
    let json = json.get("text_config").unwrap_or(&json);
    let config = Config::from_hub(json).map_err(fail)?;
    let mut weights = HubWeights::open(folder, &config.shape.architecture).map_err(fail)?;
    let mut metadata = shape(&config, json).map_err(fail)?;
    metadata.extend(tokenizer::gguf_metadata(folder).map_err(fail)?);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    metadata.push(("general.name".into(), Value::String(name)));

    let mut tensors: Vec<(String, QTensor)> = Vec::new();
    for name in names(&config, &weights) {
        let tensor = arranged(&config, &name, &mut weights)
            .and_then(|tensor| match *tensor.dims() {
                [_, columns] => QTensor::quantize(&tensor, format.of(&name, columns)),
                _ => QTensor::quantize(&tensor, GgmlDType::F32),
            })
            .map_err(|e| fail(format!("{name}: {e}")))?;
        tensors.push((name, tensor));
    }
    let factors = config.rotary.first().map_or(&[][..], |rotary| &rotary.factors);
    if !factors.is_empty() {
        // As llama.cpp's converter has what isn't turned.
        let factors: Vec<f32> = factors.iter().map(|factor| factor.min(UNTURNED)).collect();
        let factors = Tensor::new(factors, &Device::Cpu)
            .and_then(|factors| QTensor::quantize(&factors, GgmlDType::F32))
            .map_err(|e| fail(e.to_string()))?;
        tensors.push((ROPE_FACTORS.into(), factors));
    }

    let unfinished = out.with_extension("part");
    let write = |file: File| -> candle_core::Result<()> {
        let mut file = BufWriter::new(file);
        let metadata: Vec<(&str, &Value)> =
            metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let tensors: Vec<(&str, &QTensor)> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        gguf_file::write(&mut file, &metadata, &tensors)?;
        file.into_inner().map_err(|e| e.into_error())?.sync_all()?;
        Ok(())
    };
    let file = File::create(&unfinished).map_err(|e| Error::io(&unfinished, "cannot write", e))?;
    let written = write(file).map_err(|e| fail(format!("cannot be written: {e}")));
    let checked = written.and_then(|()| check(&unfinished, &config, &mut weights, folder));
    let worst = match checked {
        Ok(worst) => worst,
        Err(error) => {
            // What is not right must not lie around.
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
    };
    std::fs::rename(&unfinished, out).map_err(|e| Error::io(out, "cannot write", e))?;
    let bytes = out.metadata().map_err(|e| Error::io(out, "cannot read", e))?.len();
    Ok(Converted { tensors: tensors.len(), bytes, worst })
}

/// Reads the file back: the same shape, the same tokens, and tensors as near as their format is.
fn check(
    path: &Path,
    config: &Config,
    weights: &mut HubWeights,
    folder: &Path,
) -> Result<(String, f64)> {
    let fail = |reason: String| Error::Model {
        model: folder.display().to_string(),
        reason: format!("what was written is not what was read: {reason}"),
        hint: "this is a fault of the program; please report the model".into(),
    };
    let (content, file) = gguf::open(path).map_err(fail)?;
    let mut read = Config::from_gguf(&content).map_err(fail)?;
    let after = Tokenizer::from_gguf(&content).map_err(fail)?;
    let mut written = GgufWeights { content, file };
    read.take_factors(&mut written).map_err(|e| fail(e.to_string()))?;
    if let Some(what) = read.difference(config) {
        return Err(Error::Model {
            model: folder.display().to_string(),
            reason: format!("GGUF files of `{}` can't tell {what}", config.shape.architecture),
            hint: "use the folder as it is".into(),
        });
    }
    let before = Tokenizer::from_hub(folder).map_err(fail)?;
    for text in TEXTS {
        if before.encode(text).map_err(fail)? != after.encode(text).map_err(fail)? {
            return Err(fail(format!("the tokens of “{text}”")));
        }
    }
    let mut worst = (String::new(), 0f64);
    for name in names(config, weights) {
        let lost = (|| {
            let original = arranged(config, &name, weights)?;
            let read = match original.rank() {
                2 => written.matrix(&name, Vec::new())?.dequantised(None)?,
                _ => written.vector(&name, &Device::Cpu)?,
            };
            let lost = (read - &original)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
            let whole = original.sqr()?.mean_all()?.to_scalar::<f32>()?;
            candle_core::Result::Ok(f64::from(lost / whole.max(f32::MIN_POSITIVE)).sqrt())
        })()
        .map_err(|e| fail(format!("{name}: {e}")))?;
        if lost.is_nan() || lost > 0.15 {
            return Err(fail(format!("{name} lost {:.0} %", lost * 100.0)));
        }
        if lost >= worst.1 {
            worst = (name, lost);
        }
    }
    Ok(worst)
}

/// GGUF's names of the tensors that there are.
fn names(config: &Config, weights: &HubWeights) -> Vec<String> {
    const LAYER: [&str; 29] = [
        "attn_norm.weight",
        "attn_q.weight",
        "attn_q.bias",
        "attn_k.weight",
        "attn_k.bias",
        "attn_v.weight",
        "attn_v.bias",
        "attn_q_norm.weight",
        "attn_k_norm.weight",
        "attn_output.weight",
        "post_attention_norm.weight",
        "ffn_norm.weight",
        "ffn_gate.weight",
        "ffn_up.weight",
        "ffn_down.weight",
        "post_ffw_norm.weight",
        "inp_gate.weight",
        "proj.weight",
        "post_norm.weight",
        "layer_output_scale.weight",
        "attn_qkv.weight",
        "attn_gate.weight",
        "ssm_a",
        "ssm_alpha.weight",
        "ssm_beta.weight",
        "ssm_conv1d.weight",
        "ssm_dt.bias",
        "ssm_norm.weight",
        "ssm_out.weight",
    ];
    let layers =
        (0..config.shape.layers).flat_map(|layer| LAYER.map(|part| format!("blk.{layer}.{part}")));
    let whole = [
        "token_embd.weight",
        "output.weight",
        "output_norm.weight",
        "per_layer_token_embd.weight",
        "per_layer_model_proj.weight",
        "per_layer_proj_norm.weight",
    ]
    .map(str::to_owned);
    whole.into_iter().chain(layers).filter(|name| weights.has(name)).collect()
}

/// A tensor as GGUF files have it.
fn arranged(config: &Config, name: &str, weights: &mut HubWeights) -> candle_core::Result<Tensor> {
    let tensor = weights.full(name)?;
    let part = name.split('.').nth(2);
    if let (Some(delta), Some(part)) = (&config.delta, part) {
        return tiled(delta, part, tensor);
    }
    let heads = match part {
        Some("attn_q") => config.shape.heads,
        Some("attn_k") => config.shape.kv_heads,
        _ => return Ok(tensor),
    };
    if Config::gguf_rope(&config.shape.architecture) == Rope::Halves {
        return Ok(tensor);
    }
    // The two halves that turn together come to stand side by side.
    let dims = tensor.dims().to_vec();
    let half = config.shape.head_size / 2;
    tensor.reshape((heads, 2, half, ()))?.transpose(1, 2)?.contiguous()?.reshape(dims)
}

/// A tensor of Qwen3.5's with the heads of values in GGUF's order: the first one of each head of keys, then
/// the second ones.
fn tiled(delta: &DeltaShape, part: &str, tensor: Tensor) -> candle_core::Result<Tensor> {
    let DeltaShape { key_heads, value_heads, key_size, value_size, .. } = *delta;
    let reordered = |tensor: &Tensor, floats: usize| {
        let heads = tensor.reshape((key_heads, value_heads / key_heads, floats, ()))?;
        heads.transpose(0, 1)?.contiguous()?.reshape(tensor.dims())
    };
    match part {
        "attn_qkv" | "ssm_conv1d" => {
            let keys = 2 * key_heads * key_size;
            let values = tensor.narrow(0, keys, value_heads * value_size)?.contiguous()?;
            Tensor::cat(&[&tensor.narrow(0, 0, keys)?, &reordered(&values, value_size)?], 0)
        }
        "attn_gate" => reordered(&tensor, value_size),
        "ssm_a" | "ssm_alpha" | "ssm_beta" | "ssm_dt" => reordered(&tensor, 1),
        "ssm_out" => reordered(&tensor.t()?.contiguous()?, value_size)?.t()?.contiguous(),
        _ => Ok(tensor),
    }
}

fn number(n: usize) -> std::result::Result<Value, String> {
    Ok(Value::U32(u32::try_from(n).map_err(|_| format!("{n} is too large"))?))
}

/// What the header says of Gemma 4's layers, which differ.
fn gemma4(
    config: &Config,
    json: &Json,
    feed_forward: usize,
    put: &mut dyn FnMut(&str, Value),
) -> std::result::Result<(), String> {
    let layers: Vec<LayerAttention> = config.attention.iter().flatten().copied().collect();
    let each = |of: &dyn Fn(&LayerAttention) -> usize| {
        layers.iter().map(|layer| number(of(layer))).collect::<std::result::Result<_, _>>()
    };
    // Layers that read others' keys may be twice as wide.
    let wide = json.get("use_double_wide_mlp").and_then(Json::as_bool) == Some(true);
    let times = |layer: &LayerAttention| if wide && layer.reads.is_some() { 2 } else { 1 };
    put("feed_forward_length", Value::Array(each(&|layer| times(layer) * feed_forward)?));
    put("attention.head_count_kv", Value::Array(each(&|layer| layer.kv_heads)?));
    let local = layers.iter().map(|layer| Value::Bool(layer.window != usize::MAX)).collect();
    put("attention.sliding_window_pattern", Value::Array(local));
    let readers = layers.iter().filter(|layer| layer.reads.is_some()).count();
    put("attention.shared_kv_layers", number(readers)?);
    put("embedding_length_per_layer_input", number(config.per_layer)?);
    if let Some(cap) = config.logit_cap {
        put("final_logit_softcapping", Value::F32(cap));
    }
    for (rotary, of) in config.rotary.iter().zip(["", "_swa"]) {
        put(&format!("attention.key_length{of}"), number(rotary.head_size)?);
        put(&format!("attention.value_length{of}"), number(rotary.head_size)?);
        put(&format!("rope.dimension_count{of}"), number(rotary.head_size)?);
    }
    if let Some(local) = config.rotary.get(1) {
        put("rope.freq_base_swa", Value::F32(local.base));
    }
    Ok(())
}

/// What the header says of Qwen3.5's layers.
fn qwen35(
    config: &Config,
    delta: &DeltaShape,
    json: &Json,
    put: &mut dyn FnMut(&str, Value),
) -> std::result::Result<(), String> {
    put("ssm.conv_kernel", number(delta.kernel)?);
    put("ssm.state_size", number(delta.key_size)?);
    put("ssm.group_count", number(delta.key_heads)?);
    put("ssm.time_step_rank", number(delta.value_heads)?);
    put("ssm.inner_size", number(delta.value_heads * delta.value_size)?);
    let recurrent = config.attention.iter().map(|layer| Value::Bool(layer.is_none()));
    put("attention.recurrent_layers", Value::Array(recurrent.collect()));
    // How many pairs tell an image's time, height and width; texts' are all the same.
    let rope = json.get("rope_parameters").or(json.get("rope_scaling"));
    let sections = rope.and_then(|rope| rope.get("mrope_section")?.as_array());
    let sections = sections.into_iter().flatten().filter_map(|n| i32::try_from(n.as_u64()?).ok());
    let mut sections: Vec<i32> = sections.collect();
    if sections.is_empty() {
        sections = vec![11, 11, 10];
    }
    sections.resize(4, 0);
    put("rope.dimension_sections", Value::Array(sections.into_iter().map(Value::I32).collect()));
    Ok(())
}

/// What the header says of the shape.
fn shape(config: &Config, json: &Json) -> std::result::Result<Vec<(String, Value)>, String> {
    let shape = &config.shape;
    let architecture = &shape.architecture;
    let real = |name: &str| json.get(name).and_then(Json::as_f64).map(|v| v as f32);
    let feed_forward = json.get("intermediate_size").and_then(Json::as_u64);
    let feed_forward = feed_forward.ok_or("config.json: `intermediate_size` is missing")?;
    let mut metadata =
        vec![("general.architecture".to_owned(), Value::String(architecture.clone()))];
    let mut put = |key: &str, value: Value| metadata.push((format!("{architecture}.{key}"), value));
    put("block_count", number(shape.layers)?);
    put("context_length", number(shape.context_length)?);
    put("embedding_length", number(shape.hidden)?);
    put("attention.head_count", number(shape.heads)?);
    if architecture == "gemma4" {
        gemma4(config, json, feed_forward as usize, &mut put)?;
    } else {
        put("feed_forward_length", number(feed_forward as usize)?);
        put("attention.head_count_kv", number(shape.kv_heads)?);
        put("attention.key_length", number(shape.head_size)?);
        put("attention.value_length", number(shape.head_size)?);
        // Of Qwen3.5's heads a part is turned.
        let turned = config.rotary.first();
        put("rope.dimension_count", number(turned.map_or(shape.head_size, |r| r.head_size))?);
    }
    if let Some(delta) = &config.delta {
        qwen35(config, delta, json, &mut put)?;
    }
    put("attention.layer_norm_rms_epsilon", Value::F32(real("rms_norm_eps").unwrap_or(1e-6)));
    if let Some(rotary) = config.rotary.first() {
        put("rope.freq_base", Value::F32(rotary.base));
        if rotary.linear != 1.0 {
            put("rope.scaling.type", Value::String("linear".into()));
            put("rope.scaling.factor", Value::F32(rotary.linear));
        }
    }
    if let Some(window) = config.attention.iter().flatten().map(|a| a.window).min()
        && window != usize::MAX
    {
        put("attention.sliding_window", number(window)?);
    }
    Ok(metadata)
}
