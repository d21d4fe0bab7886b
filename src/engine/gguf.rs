//! Reading GGUF files (format: ggml-org/ggml, `docs/gguf.md`).

use std::{fs::File, path::Path};

use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};

/// Opens a GGUF file and reads its header.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn open(path: &Path) -> Result<(Content, File), String> {
    let mut file = File::open(path).map_err(|e| format!("cannot open the file: {e}"))?;
    let length = file.metadata().map_err(|e| format!("cannot read the file's size: {e}"))?.len();
    let content = Content::read(&mut std::io::BufReader::new(&mut file)).map_err(|e| {
        // candle's errors may carry a backtrace below their first line.
        let text = e.to_string();
        format!("it is no GGUF file, or is damaged ({})", text.lines().next().unwrap_or_default())
    })?;
    let needed =
        content.tensor_infos.values().map(|info| bytes(&content, info).end).max().unwrap_or(0);
    if needed > length {
        return Err(format!("it is truncated: {length} bytes are there, at least {needed} needed"));
    }
    Ok((content, file))
}

/// Elements of a tensor. (candle's own `elem_count` overflows on a damaged shape.)
#[must_use]
pub fn elements(info: &TensorInfo) -> u64 {
    info.shape.dims().iter().fold(1u64, |product, &d| product.saturating_mul(d as u64))
}

/// Where a tensor lies in the file. All are checked before any is read: a missing tail would be found
/// only when its tensor is.
#[must_use]
pub fn bytes(content: &Content, info: &TensorInfo) -> std::ops::Range<u64> {
    let blocks = elements(info) / info.ggml_dtype.block_size().max(1) as u64;
    let size = blocks.saturating_mul(info.ggml_dtype.type_size() as u64);
    let start = content.tensor_data_offset.saturating_add(info.offset);
    start..start.saturating_add(size)
}

/// A text from the metadata.
///
/// # Errors
/// Names the key that is missing or of another type.
pub fn string(content: &Content, key: &str) -> Result<String, String> {
    match content.metadata.get(key) {
        Some(Value::String(s)) => Ok(s.clone()),
        Some(_) => Err(format!("`{key}` is not a text")),
        None => Err(format!("`{key}` is missing")),
    }
}

/// A whole number from the metadata.
///
/// # Errors
/// Names the key that is missing or of another type.
pub fn u32(content: &Content, key: &str) -> Result<u32, String> {
    match content.metadata.get(key) {
        Some(Value::U8(v)) => Ok((*v).into()),
        Some(Value::U16(v)) => Ok((*v).into()),
        Some(Value::U32(v)) => Ok(*v),
        Some(Value::I32(v)) => u32::try_from(*v).map_err(|_| format!("`{key}` is negative")),
        Some(Value::U64(v)) => u32::try_from(*v).map_err(|_| format!("`{key}` is too large")),
        Some(_) => Err(format!("`{key}` is not a number")),
        None => Err(format!("`{key}` is missing")),
    }
}

/// A real number from the metadata.
///
/// # Errors
/// Names the key that is missing or of another type.
pub fn f32(content: &Content, key: &str) -> Result<f32, String> {
    match content.metadata.get(key) {
        Some(Value::F32(v)) => Ok(*v),
        Some(Value::F64(v)) => Ok(*v as f32),
        Some(_) => Err(format!("`{key}` is not a number")),
        None => Err(format!("`{key}` is missing")),
    }
}

/// A list from the metadata.
///
/// # Errors
/// Names the key that is missing or of another type.
pub fn array<'c>(content: &'c Content, key: &str) -> Result<&'c [Value], String> {
    match content.metadata.get(key) {
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(format!("`{key}` is not a list")),
        None => Err(format!("`{key}` is missing")),
    }
}

/// A whole number from the metadata that each layer may have of its own: one for all, one for each, or
/// none where the key is missing.
///
/// # Errors
/// It is neither a number nor a list.
pub fn of_layers(content: &Content, key: &str) -> Result<Vec<usize>, String> {
    match content.metadata.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => Ok(values.iter().map(|v| as_u32(v) as usize).collect()),
        Some(_) => Ok(vec![u32(content, key)? as usize]),
    }
}

/// An element of a metadata array as a whole number; 0 if it is none.
#[must_use]
pub fn as_u32(value: &Value) -> u32 {
    match value {
        Value::U8(v) => (*v).into(),
        Value::I8(v) => u32::try_from(*v).unwrap_or(0),
        Value::U16(v) => (*v).into(),
        Value::I16(v) => u32::try_from(*v).unwrap_or(0),
        Value::U32(v) => *v,
        Value::I32(v) => u32::try_from(*v).unwrap_or(0),
        _ => 0,
    }
}
