//! marian's own files, as Firefox's translation models have them: `model*.bin` with weights in eight bits
//! and one or two SentencePiece vocabularies beside it (browsermt/marian-dev, `src/common/binary.cpp`,
//! `src/tensors/cpu/integer_common.h`). Their lists of likely words are not read: only tokens that
//! English needs are computed in any case.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use candle_core::{Device, Result, Tensor, bail, quantized::GgmlDType};
use half::f16;

use super::arch::weights::{Matrix, Table, Weights};

/// What the authors call the options among the tensors.
const OPTIONS: &str = "special:model.yml";
/// marian's types: 32-bit floats, bytes, and eight bits with a multiplier behind them.
const F32: u64 = 0x0404;
const BYTES: u64 = 0x0101;
const INTGEMM8: u64 = 0x4101;

/// The options that a model was trained with: YAML, of which only what stands at a line's beginning and
/// lists below it are read.
#[derive(Debug, Clone, Default)]
pub struct Options(HashMap<String, String>);

impl Options {
    fn parse(yaml: &str) -> Self {
        let mut options: HashMap<String, String> = HashMap::new();
        let mut last = String::new();
        for line in yaml.lines() {
            if let Some(item) = line.trim_start().strip_prefix("- ") {
                let list = options.entry(last.clone()).or_default();
                if !list.is_empty() {
                    list.push(' ');
                }
                list.push_str(item.trim());
            } else if let Some((key, value)) = line.split_once(':')
                && !line.starts_with([' ', '#'])
            {
                last = key.trim().to_owned();
                let value = value.trim().trim_matches(['"', '\'']);
                options.insert(last.clone(), value.trim_matches(['[', ']']).to_owned());
            }
        }
        Self(options)
    }

    /// An option's text; empty where it isn't set.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A number.
    ///
    /// # Errors
    /// It isn't there, or is none.
    pub fn number(&self, name: &str) -> std::result::Result<usize, String> {
        self.text(name).parse().map_err(|_| format!("its options don't say `{name}`"))
    }

    /// Whether an option is set to `true`.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
}

struct Item {
    kind: u64,
    /// `[rows, columns]`, rows being what is summed over.
    shape: (usize, usize),
    data: Vec<u8>,
}

/// A model file's tensors.
pub struct MarianWeights {
    items: HashMap<String, Item>,
}

/// The model file of a folder that isn't laid out as the hub does, if there is one.
///
/// # Errors
/// There are several, or the folder can't be read.
pub fn model_file(folder: &Path) -> std::result::Result<Option<PathBuf>, String> {
    if folder.join("config.json").exists() {
        return Ok(None);
    }
    let found = named(folder, |name| name.starts_with("model") && name.ends_with(".bin"))?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, second, ..] => {
            Err(format!("it holds several models: {} and {}", first.display(), second.display()))
        }
    }
}

/// The SentencePiece vocabularies beside a model file.
#[derive(Debug)]
pub struct Vocabularies {
    /// That of what is translated.
    pub source: PathBuf,
    /// That of what is written, where it is another.
    pub target: Option<PathBuf>,
}

/// Those of a folder: one, or one for each side, by their names.
///
/// # Errors
/// There are none, or others than the options say.
pub fn vocabularies(folder: &Path, options: &Options) -> std::result::Result<Vocabularies, String> {
    let found = named(folder, |name| name.ends_with(".spm"))?;
    let of_side = |side: &str| {
        let is_its = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(side))
        };
        found.iter().find(is_its).cloned()
    };
    let shared = options.is_set("tied-embeddings-all");
    match (shared, found.as_slice(), of_side("src"), of_side("trg")) {
        (_, [], ..) => Err("no vocabulary (*.spm) lies beside its model".into()),
        (true, [one], ..) => Ok(Vocabularies { source: one.clone(), target: None }),
        (true, ..) => {
            Err("several vocabularies (*.spm) lie beside its model, which has one".into())
        }
        (false, _, Some(source), Some(target)) => Ok(Vocabularies { source, target: Some(target) }),
        (false, ..) => {
            Err("its model has two vocabularies: srcvocab….spm and trgvocab….spm must lie beside \
                 it"
            .into())
        }
    }
}

fn named(folder: &Path, which: impl Fn(&str) -> bool) -> std::result::Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("cannot read the folder: {e}"))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&which))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    Ok(found)
}

/// Numbers and bytes, one behind the other.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, count: u64) -> std::result::Result<&'b [u8], String> {
        let count = usize::try_from(count).ok();
        let parts = count.and_then(|count| self.0.split_at_checked(count));
        let (bytes, rest) = parts.ok_or("it ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> std::result::Result<u64, String> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| "it ends too early")?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl MarianWeights {
    /// Reads a model file and its options.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn open(path: &Path) -> std::result::Result<(Self, Options), String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bytes = std::fs::read(path).map_err(|e| format!("cannot read {name}: {e}"))?;
        Self::read(&bytes).map_err(|reason| format!("{name}: {reason}"))
    }

    fn read(bytes: &[u8]) -> std::result::Result<(Self, Options), String> {
        /// More tensors or dimensions than any model has.
        const MOST: u64 = 1 << 16;
        let mut reader = Reader(bytes);
        if reader.number()? != 1 {
            return Err("it is no model file of marian's, or of another version".into());
        }
        let count = reader.number()?;
        if count > MOST {
            return Err(format!("it says that it has {count} tensors"));
        }
        let mut headers = Vec::new();
        for _ in 0..count {
            headers.push([reader.number()?, reader.number()?, reader.number()?, reader.number()?]);
        }
        let mut names = Vec::new();
        for [length, ..] in &headers {
            let name = reader.bytes(*length)?.strip_suffix(&[0]).unwrap_or_default();
            names.push(String::from_utf8(name.to_vec()).map_err(|_| "a name is no text")?);
        }
        let mut shapes: Vec<Vec<usize>> = Vec::new();
        for [_, _, length, _] in &headers {
            let (sizes, _) = reader.bytes(length.saturating_mul(4))?.as_chunks::<4>();
            let sizes = sizes.iter().map(|size| usize::try_from(i32::from_le_bytes(*size)));
            shapes.push(sizes.collect::<std::result::Result<_, _>>().map_err(|_| "a shape")?);
        }
        let padding = reader.number()?;
        reader.bytes(padding)?;
        let (mut items, mut options) = (HashMap::new(), Options::default());
        for (([_, kind, _, length], name), shape) in headers.iter().zip(names).zip(shapes) {
            let data = reader.bytes(*length)?;
            if name == OPTIONS {
                let yaml = String::from_utf8_lossy(data);
                options = Options::parse(yaml.split('\0').next().unwrap_or_default());
                continue;
            }
            let columns = shape.last().copied().unwrap_or(1);
            let elements = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
            let needed = elements.and_then(|n| match *kind {
                F32 => n.checked_mul(4),
                INTGEMM8 => n.checked_add(4),
                BYTES => Some(n),
                _ => None,
            });
            let data = needed.and_then(|needed| data.get(..needed)).ok_or_else(|| {
                format!(
                    "its tensor {name} is of a type ({kind:#x}) that is not supported, or damaged"
                )
            })?;
            let rows = elements.unwrap_or(0) / columns.max(1);
            items.insert(name, Item { kind: *kind, shape: (rows, columns), data: data.to_vec() });
        }
        if options.0.is_empty() {
            return Err("it doesn't tell its options".into());
        }
        Ok((Self { items }, options))
    }

    fn item(&self, name: &str) -> Result<&Item> {
        let marian = marian_name(name);
        match marian.as_ref().and_then(|name| self.items.get(name)) {
            Some(item) => Ok(item),
            None => bail!("the tensor {} is missing", marian.as_deref().unwrap_or(name)),
        }
    }
}

impl Item {
    /// As floats, in the order in which they lie.
    fn floats(&self) -> Result<Vec<f32>> {
        match self.kind {
            F32 => {
                let (floats, _) = self.data.as_chunks::<4>();
                Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            INTGEMM8 => {
                let (codes, scale) = self.codes()?;
                Ok(codes.iter().map(|code| f32::from(code.cast_signed()) * scale).collect())
            }
            _ => bail!("a tensor holds no numbers"),
        }
    }

    /// Codes of eight bits, and what they are multiplied by.
    fn codes(&self) -> Result<(&[u8], f32)> {
        match self.data.split_last_chunk::<4>() {
            Some((codes, multiplier)) => Ok((codes, 1.0 / f32::from_le_bytes(*multiplier))),
            None => bail!("a tensor has no multiplier"),
        }
    }

    /// `[rows, columns]` as it lies; where it is in eight bits, in blocks that have the same codes.
    fn matrix(&self, (rows, columns): (usize, usize)) -> Result<Matrix> {
        let dtype = GgmlDType::Q8_0;
        if self.kind != INTGEMM8 || !columns.is_multiple_of(dtype.block_size()) {
            let tensor = Tensor::from_vec(self.floats()?, (rows, columns), &Device::Cpu)?;
            return Ok(Matrix::Full(tensor));
        }
        let (codes, scale) = self.codes()?;
        let scale = f16::from_f32(scale).to_le_bytes();
        let mut data = Vec::with_capacity(codes.len() / dtype.block_size() * dtype.type_size());
        for block in codes.chunks_exact(dtype.block_size()) {
            data.extend_from_slice(&scale);
            data.extend_from_slice(block);
        }
        Ok(Matrix::Blocks { dtype, columns, data })
    }
}

impl Weights for MarianWeights {
    fn has(&self, name: &str) -> bool {
        marian_name(name).is_some_and(|name| self.items.contains_key(&name))
    }

    fn matrix(&mut self, name: &str, _: Vec<u8>) -> Result<Matrix> {
        let item = self.item(name)?;
        let (rows, columns) = item.shape;
        // What is in eight bits lies transposed already, under the shape of before.
        if item.kind == INTGEMM8 {
            return item.matrix((columns, rows));
        }
        let tensor = Tensor::from_vec(item.floats()?, (rows, columns), &Device::Cpu)?;
        Ok(Matrix::Full(tensor.t()?.contiguous()?))
    }

    /// The embeddings, with a row of zeros behind them: that of what a text begins with.
    fn table(&mut self, name: &str) -> Result<Table> {
        let item = self.item(name)?;
        let matrix = match item.matrix(item.shape)? {
            Matrix::Full(tensor) => {
                let zeros = Tensor::zeros((1, item.shape.1), tensor.dtype(), &Device::Cpu)?;
                Matrix::Full(Tensor::cat(&[&tensor, &zeros], 0)?)
            }
            Matrix::Blocks { dtype, columns, mut data } => {
                data.resize(data.len() + columns / dtype.block_size() * dtype.type_size(), 0);
                Matrix::Blocks { dtype, columns, data }
            }
        };
        Ok(Table::Memory(matrix))
    }

    fn vector(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        Tensor::new(self.item(name)?.floats()?, device)
    }
}

/// marian's name of a tensor of the hub's (`src/models/transformer.h`, `src/rnn/cells.h`).
fn marian_name(hub: &str) -> Option<String> {
    match hub {
        "model.shared.weight" => return Some("Wemb".into()),
        "model.encoder.embed_tokens.weight" => return Some("encoder_Wemb".into()),
        "model.decoder.embed_tokens.weight" => return Some("decoder_Wemb".into()),
        "final_logits_bias" => return Some("decoder_ff_logit_out_b".into()),
        _ => {}
    }
    let (stack, rest) = hub.strip_prefix("model.")?.split_once(".layers.")?;
    let (layer, rest) = rest.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (matrix, norm) = match kind {
        "weight" => ('W', "scale"),
        "bias" => ('b', "bias"),
        _ => return None,
    };
    let of_decoder = stack == "decoder";
    let part = match part {
        "ssru.input" if matrix == 'W' => "rnn_W".into(),
        "ssru.forget" => format!("rnn_{matrix}f"),
        "fc1" => format!("ffn_{matrix}1"),
        "fc2" => format!("ffn_{matrix}2"),
        "final_layer_norm" => format!("ffn_ffn_ln_{norm}"),
        "encoder_attn_layer_norm" => format!("context_Wo_ln_{norm}"),
        "self_attn_layer_norm" if of_decoder => format!("rnn_ffn_ln_{norm}"),
        "self_attn_layer_norm" => format!("self_Wo_ln_{norm}"),
        projection => {
            let (attention, projection) = projection.split_once('.')?;
            let attention = if attention == "encoder_attn" { "context" } else { "self" };
            let which = match projection {
                "q_proj" => 'q',
                "k_proj" => 'k',
                "v_proj" => 'v',
                "out_proj" => 'o',
                _ => return None,
            };
            format!("{attention}_{matrix}{which}")
        }
    };
    Some(format!("{stack}_l{}_{part}", layer.parse::<usize>().ok()? + 1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn options_are_read_with_their_lists() {
        let yaml = "dec-cell: ssru\ndim-vocabs:\n  - 32000\n  - 32000\nenc-depth: 6\n\
                    transformer-tied-layers:\n  []\ntransformer-postprocess-top: \"\"\nskip: false\n";
        let options = Options::parse(yaml);
        assert_eq!(options.text("dec-cell"), "ssru");
        assert_eq!(options.text("dim-vocabs"), "32000 32000");
        assert_eq!(options.number("enc-depth"), Ok(6));
        assert_eq!(options.text("transformer-tied-layers"), "");
        assert_eq!(options.text("transformer-postprocess-top"), "");
        assert!(!options.is_set("skip") && options.number("skip").is_err());
    }

    /// The same weights in f32 and in eight bits, as tests/reference/bergamot/record.py wrote them.
    #[test]
    fn weights_in_eight_bits_are_those_in_32() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/bergamot");
        let (mut full, options) = MarianWeights::open(&folder.join("model.bin")).unwrap();
        let (mut eight, _) = MarianWeights::open(&folder.join("model.intgemm.bin")).unwrap();
        assert_eq!(options.text("dec-cell"), "ssru");
        let near = |a: &Matrix, b: &Matrix, what: &str| {
            assert!(matches!((a, b), (Matrix::Full(_), Matrix::Blocks { .. })), "{what}");
            let values = |m: &Matrix| -> Vec<f32> {
                m.dequantised(None).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(a.shape().unwrap(), b.shape().unwrap(), "{what}");
            let (a, b) = (values(a), values(b));
            let step = a.iter().fold(0f32, |most, v| most.max(v.abs())) / 127.0;
            // Half a step, and what the scale loses in 16 bits.
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 0.57 * step), "{what}");
        };
        for part in ["decoder.layers.1.ssru.forget", "encoder.layers.0.fc1", "decoder.layers.0.fc2"]
        {
            let name = format!("model.{part}.weight");
            let both = (full.matrix(&name, Vec::new()), eight.matrix(&name, Vec::new()));
            near(&both.0.unwrap(), &both.1.unwrap(), &name);
        }
        let name = "model.shared.weight";
        let (a, b) = (full.table(name).unwrap(), eight.table(name).unwrap());
        near(&a.matrix().unwrap(), &b.matrix().unwrap(), name);
        let last = a.shape().unwrap().0 as u32 - 1;
        let zeros: Vec<f32> = b.rows(&[last]).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert!(zeros.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_damaged_file_is_refused_at_any_length() {
        let mut whole: Vec<u8> = [1u64, 1, 5, F32, 2, 256].map(u64::to_le_bytes).concat();
        whole.extend(b"Wemb\0");
        whole.extend([1i32, 2].map(i32::to_le_bytes).concat());
        whole.extend(0u64.to_le_bytes());
        whole.extend([0; 256]);
        for length in 0..whole.len() {
            assert!(MarianWeights::read(whole.get(..length).unwrap()).is_err(), "{length}");
        }
        let error = MarianWeights::read(&whole).err().unwrap();
        assert_eq!(error, "it doesn't tell its options");
    }
}
