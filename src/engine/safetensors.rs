//! The tensors of a safetensors file, each read when it is asked for (format:
//! huggingface/safetensors, README: the header's length as a u64, the header as JSON, the tensors).

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use candle_core::{DType, Device, Result, Tensor, bail, quantized::GgmlDType};
use serde::Deserialize;

use super::arch::weights::{Table, read_at};

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// An open file.
pub struct SafeTensors {
    file: File,
    /// Where the tensors begin.
    start: u64,
    tensors: HashMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    /// From the first tensor's beginning.
    data_offsets: (u64, u64),
}

impl SafeTensors {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// It is no such file, or is cut off.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let there = file.metadata()?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(there) {
            bail!("it is no safetensors file: its header would be {length} bytes long")
        }
        let mut header = vec![0; usize::try_from(length).map_err(candle_core::Error::wrap)?];
        file.read_exact(&mut header)?;
        let mut entries: HashMap<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(candle_core::Error::wrap)?;
        entries.remove("__metadata__");
        let start = 8 + length;
        let mut tensors = HashMap::with_capacity(entries.len());
        for (name, entry) in entries {
            let entry: Entry = serde_json::from_value(entry).map_err(candle_core::Error::wrap)?;
            let (from, to) = entry.data_offsets;
            if from > to || to > there - start {
                bail!(
                    "it is truncated: {there} bytes are there, {} needed",
                    to.saturating_add(start)
                )
            }
            tensors.insert(name, entry);
        }
        Ok(Self { file, start, tensors })
    }

    /// The names of all tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor, on the host, of the type that the file has it in.
    ///
    /// # Errors
    /// It is missing, of a type that candle doesn't know, or can't be read.
    pub fn load(&self, name: &str) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let dtype = match entry.dtype.as_str() {
            "F64" => DType::F64,
            "F32" => DType::F32,
            "F16" => DType::F16,
            "BF16" => DType::BF16,
            "I64" => DType::I64,
            "I32" => DType::I32,
            "U32" => DType::U32,
            "U8" => DType::U8,
            other => bail!("{name} is in {other}, which can't be computed with"),
        };
        let bytes = self.place(name, entry, dtype.size_in_bytes())?;
        let length = usize::try_from(bytes.end - bytes.start).map_err(candle_core::Error::wrap)?;
        let mut data = vec![0; length];
        read_at(&self.file, &mut data, bytes.start)?;
        Tensor::from_raw_buffer(&data, dtype, &entry.shape, &Device::Cpu)
    }

    /// A matrix that isn't multiplied.
    ///
    /// # Errors
    /// It is missing, no matrix, or not in floats.
    pub fn table(&self, name: &str) -> Result<Table> {
        let entry = self.entry(name)?;
        let dtype = match entry.dtype.as_str() {
            "F32" => GgmlDType::F32,
            "F16" => GgmlDType::F16,
            "BF16" => GgmlDType::BF16,
            other => bail!("{name} is in {other}, not in floats"),
        };
        let [rows, columns] = entry.shape.as_slice() else { bail!("{name} is not a matrix") };
        let bytes = self.place(name, entry, dtype.type_size())?;
        let (file, shape) = (self.file.try_clone()?, (*rows, *columns));
        Ok(Table::File { file, start: bytes.start, dtype, shape })
    }

    fn entry(&self, name: &str) -> Result<&Entry> {
        match self.tensors.get(name) {
            Some(entry) => Ok(entry),
            None => bail!("{name} is missing"),
        }
    }

    /// Where a tensor of elements of so many bytes lies in the file.
    fn place(&self, name: &str, entry: &Entry, size: usize) -> Result<std::ops::Range<u64>> {
        let (from, to) = entry.data_offsets;
        let needed = entry.shape.iter().try_fold(size, |bytes, &n| bytes.checked_mul(n));
        if needed.map(|bytes| bytes as u64) != Some(to - from) {
            bail!("{name} has {} bytes for the shape {:?}", to - from, entry.shape)
        }
        Ok(self.start + from..self.start + to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A file of one tensor of that type and shape, with so many bytes.
    fn file(dtype: &str, shape: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
        let header = format!(
            r#"{{"__metadata__":{{"format":"pt"}},"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{}]}}}}"#,
            bytes.len()
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let length = (header.len() as u64).to_le_bytes();
        std::fs::write(file.path(), [&length, header.as_bytes(), bytes].concat()).unwrap();
        file
    }

    #[test]
    fn tensors_and_their_rows_are_those_that_candle_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let values: Vec<f32> = (0..12).map(|i| i as f32 / 8.0).collect();
        let whole = Tensor::from_vec(values, (4, 3), &Device::Cpu).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let tensors = [
                ("first", Tensor::zeros(5, DType::U8, &Device::Cpu).unwrap()),
                ("table", whole.to_dtype(dtype).unwrap()),
            ];
            candle_core::safetensors::save(&HashMap::from(tensors), &path).unwrap();
            let file = SafeTensors::open(&path).unwrap();
            let read = file.load("table").unwrap();
            assert_eq!(read.dtype(), dtype);
            let read: Vec<Vec<f32>> = read.to_dtype(DType::F32).unwrap().to_vec2().unwrap();
            assert_eq!(read, whole.to_vec2::<f32>().unwrap());
            let table = file.table("table").unwrap();
            let rows: Vec<Vec<f32>> = table.rows(&[3, 0, 3]).unwrap().to_vec2().unwrap();
            let expected = [3, 0, 3].map(|row| read.get(row).cloned().unwrap());
            assert_eq!(rows, expected);
            assert!(table.rows(&[4]).is_err(), "there are rows 0 to 3");
            assert!(file.table("first").is_err(), "bytes are no floats");
            assert!(file.load("second").is_err());
        }
    }

    #[test]
    fn what_is_cut_off_or_says_what_cannot_be_is_an_error() {
        let whole = file("F32", "[2]", &[0; 8]);
        let bytes = std::fs::read(whole.path()).unwrap();
        assert!(SafeTensors::open(whole.path()).is_ok());
        for length in 0..bytes.len() {
            let cut = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(cut.path(), bytes.get(..length).unwrap()).unwrap();
            assert!(SafeTensors::open(cut.path()).is_err(), "{length} bytes");
        }
        for (dtype, shape) in
            [("F32", "[3]"), ("F16", "[2]"), ("F8", "[8]"), ("F32", "[9223372036854775807, 4]")]
        {
            let file = file(dtype, shape, &[0; 8]);
            assert!(SafeTensors::open(file.path()).unwrap().load("a").is_err(), "{dtype} {shape}");
        }
    }
}
