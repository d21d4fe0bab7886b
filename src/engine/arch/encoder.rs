//! A BERT encoder for sentence embeddings (Devlin et al. 2019; post-norm, learned positions).

use candle_core::{D, Device, Result, Tensor};

use super::weights::{Matrix, Table};

/// The encoder's shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderConfig {
    /// Floats in a hidden state.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Floats in the feed-forward layer.
    pub feed_forward: usize,
    /// Rows of the table of token types, of which sentence embeddings use the first.
    pub kinds: usize,
    /// Positions that a sequence may have.
    pub positions: usize,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
}

/// Where an encoder's tensors come from.
pub trait EncoderWeights {
    /// A linear layer's weight, `[out, in]`.
    ///
    /// # Errors
    /// It is missing or has another shape.
    fn matrix(&self, name: &str, out: usize, input: usize) -> Result<Matrix>;
    /// A bias, a norm's weight or a table, as f32 of that shape.
    ///
    /// # Errors
    /// It is missing or has another shape.
    fn table(&self, name: &str, shape: &[usize]) -> Result<Tensor>;
    /// The word embeddings, `[vocabulary, hidden]`.
    ///
    /// # Errors
    /// They are missing.
    fn words(&self) -> Result<Table>;
}

struct Linear {
    weight: Matrix,
    bias: Tensor,
}

impl Linear {
    fn load(weights: &dyn EncoderWeights, name: &str, out: usize, input: usize) -> Result<Self> {
        Ok(Self {
            weight: weights.matrix(&format!("{name}.w"), out, input)?,
            bias: weights.table(&format!("{name}.b"), &[out])?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        // Many short sequences go through it together, and for so many rows it is unpacked in
        // little of the time, while all layers unpacked would be eight times the file.
        x.matmul(&self.weight.dequantised(None)?.t()?)?.broadcast_add(&self.bias)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Norm {
    fn load(weights: &dyn EncoderWeights, name: &str, config: &EncoderConfig) -> Result<Self> {
        Ok(Self {
            weight: weights.table(&format!("{name}.w"), &[config.hidden])?,
            bias: weights.table(&format!("{name}.b"), &[config.hidden])?,
            epsilon: config.epsilon,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::ops::layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

/// An encoder with its weights.
pub struct Encoder {
    /// Its shape.
    pub config: EncoderConfig,
    words: Table,
    positions: Tensor,
    kind: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Encoder {
    /// Takes the tensors that `config` asks for.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(config: EncoderConfig, weights: &dyn EncoderWeights) -> Result<Self> {
        let (h, f) = (config.hidden, config.feed_forward);
        let layers = (0..config.layers)
            .map(|l| {
                let linear = |name: &str, out, input| {
                    Linear::load(weights, &format!("l{l}.{name}"), out, input)
                };
                let norm = |name: &str| Norm::load(weights, &format!("l{l}.{name}"), &config);
                Ok(Layer {
                    query: linear("q", h, h)?,
                    key: linear("k", h, h)?,
                    value: linear("v", h, h)?,
                    attention_out: linear("ao", h, h)?,
                    attention_norm: norm("aln")?,
                    up: linear("fi", f, h)?,
                    down: linear("fo", h, f)?,
                    norm: norm("oln")?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            positions: weights.table("emb.pos", &[config.positions, h])?,
            kind: weights.table("emb.type", &[config.kinds, h])?.get(0)?,
            norm: Norm::load(weights, "emb.ln", &config)?,
            words: weights.words()?,
            config,
            layers,
        })
    }

    /// Mean-pooled and L2-normalised embeddings of token sequences, `hidden` floats each. All
    /// sequences go through the linear layers together; each attends to itself only.
    ///
    /// # Errors
    /// candle's, or a sequence longer than the positions.
    pub fn embed(&self, sequences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let Some(longest) = sequences.iter().map(Vec::len).max() else { return Ok(Vec::new()) };
        if longest > self.config.positions {
            candle_core::bail!("{longest} tokens, {} at most", self.config.positions);
        }
        let tokens: Vec<u32> = sequences.concat();
        let positions: Vec<u32> = sequences.iter().flat_map(|s| 0..s.len() as u32).collect();
        let positions = Tensor::new(positions, &Device::Cpu)?;
        let mut x = self
            .words
            .rows(&tokens)?
            .add(&self.positions.index_select(&positions, 0)?)?
            .broadcast_add(&self.kind)?;
        x = self.norm.forward(&x)?;
        for layer in &self.layers {
            let (q, k, v) =
                (layer.query.forward(&x)?, layer.key.forward(&x)?, layer.value.forward(&x)?);
            let mut start = 0;
            let mut attended = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                let part = |t: &Tensor| t.narrow(0, start, sequence.len());
                attended.push(self.attend(&part(&q)?, &part(&k)?, &part(&v)?)?);
                start += sequence.len();
            }
            let attention = layer.attention_out.forward(&Tensor::cat(&attended, 0)?)?;
            x = layer.attention_norm.forward(&(x + attention)?)?;
            let fed = layer.down.forward(&layer.up.forward(&x)?.gelu_erf()?)?;
            x = layer.norm.forward(&(x + fed)?)?;
        }
        let mut start = 0;
        sequences
            .iter()
            .map(|sequence| {
                let mean = x.narrow(0, start, sequence.len())?.mean(0)?.to_vec1::<f32>()?;
                start += sequence.len();
                let norm = mean.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
                Ok(mean.into_iter().map(|v| v / norm).collect())
            })
            .collect()
    }

    /// Softmax attention of one sequence over itself, `[tokens, hidden]`.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (tokens, hidden) = q.dims2()?;
        let (heads, size) = (self.config.heads, hidden / self.config.heads);
        let split = |t: &Tensor| t.reshape((tokens, heads, size))?.transpose(0, 1)?.contiguous();
        let (q, k, v) = (split(q)?, split(k)?, split(v)?);
        let scores = (q.matmul(&k.t()?)? / (size as f64).sqrt())?;
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
        weights.matmul(&v)?.transpose(0, 1)?.reshape((tokens, hidden))
    }
}
