//! Encoders that read a text as a whole: BERT and XLM-RoBERTa (Devlin et al. 2019, arXiv:1810.04805;
//! Conneau et al. 2020, arXiv:1911.02116), and DeBERTa-v2 and v3, whose attention compares words and
//! distances (He et al. 2021, arXiv:2006.03654, arXiv:2111.09543).

use candle_core::{D, Device, IndexOp, Result, Tensor, bail};
use serde::{Deserialize, Serialize};

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
    /// Rows of the table of token types, of which the first is used; 0 if there is no table.
    pub kinds: usize,
    /// How words are told where they stand.
    pub positions: Positions,
    /// Tokens that a sequence may have.
    pub longest: usize,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
}

/// How words are told where they stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// Each place has an embedding, the first one's in row `first`.
    Absolute {
        /// Rows of the table.
        rows: usize,
        /// The first place's.
        first: usize,
    },
    /// Each distance has one, which attention compares with words.
    Relative {
        /// Distances that are told apart to each side; from half of that on only roughly.
        buckets: usize,
        /// From here on all are one.
        furthest: usize,
        /// The table is normalised.
        normalised: bool,
    },
}

/// What of a sequence's states stands for all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first token's.
    First,
}

/// What follows a linear layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// By the error function.
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    fn of(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Gelu => x.gelu_erf(),
            Self::Tanh => x.tanh(),
        }
    }
}

/// Where an encoder's tensors come from.
pub trait EncoderWeights {
    /// A linear layer's weight, `[out, in]`.
    ///
    /// # Errors
    /// It is missing or has another shape.
    fn matrix(&mut self, name: &str, out: usize, input: usize) -> Result<Matrix>;
    /// A bias, a norm's weight or a table, as f32 of that shape.
    ///
    /// # Errors
    /// It is missing or has another shape.
    fn table(&mut self, name: &str, shape: &[usize]) -> Result<Tensor>;
    /// The word embeddings, `[vocabulary, hidden]`.
    ///
    /// # Errors
    /// They are missing.
    fn words(&mut self) -> Result<Table>;
}

struct Linear {
    weight: Matrix,
    bias: Tensor,
}

impl Linear {
    fn load(
        weights: &mut dyn EncoderWeights,
        name: &str,
        out: usize,
        input: usize,
    ) -> Result<Self> {
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
    fn load(weights: &mut dyn EncoderWeights, name: &str, config: &EncoderConfig) -> Result<Self> {
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
    /// Keys and queries of distances, `[heads, head, 2 · buckets]`.
    distances: Option<[Tensor; 2]>,
}

impl Layer {
    fn load(
        weights: &mut dyn EncoderWeights,
        config: &EncoderConfig,
        layer: usize,
        distances: Option<&Tensor>,
    ) -> Result<Self> {
        let (h, f) = (config.hidden, config.feed_forward);
        let name = |part: &str| format!("l{layer}.{part}");
        let (query, key) =
            (Linear::load(weights, &name("q"), h, h)?, Linear::load(weights, &name("k"), h, h)?);
        // They are the same for every text.
        let distances = distances.map(|distances| {
            let of = |linear: &Linear| {
                let turned = split(&linear.forward(distances)?, config.heads)?;
                turned.transpose(1, 2)?.contiguous()
            };
            Ok::<_, candle_core::Error>([of(&key)?, of(&query)?])
        });
        Ok(Self {
            distances: distances.transpose()?,
            query,
            key,
            value: Linear::load(weights, &name("v"), h, h)?,
            attention_out: Linear::load(weights, &name("ao"), h, h)?,
            attention_norm: Norm::load(weights, &name("aln"), config)?,
            up: Linear::load(weights, &name("fi"), f, h)?,
            down: Linear::load(weights, &name("fo"), h, f)?,
            norm: Norm::load(weights, &name("oln"), config)?,
        })
    }

    /// Softmax attention of one sequence over itself, `[tokens, hidden]`. `buckets` has for each pair
    /// of tokens its distance's place, and that of the distance back, `[heads, tokens, tokens]`.
    fn attend(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        heads: usize,
        buckets: Option<&[Tensor; 2]>,
    ) -> Result<Tensor> {
        let (tokens, hidden) = q.dims2()?;
        let (q, k, v) = (split(q, heads)?, split(k, heads)?, split(v, heads)?);
        let mut scores = q.matmul(&k.t()?)?;
        let mut terms = 1;
        if let (Some([keys, queries]), Some([there, back])) = (&self.distances, buckets) {
            let words_to_distances = q.matmul(keys)?.gather(there, D::Minus1)?;
            let back = k.matmul(queries)?.gather(back, D::Minus1)?;
            scores = ((scores + words_to_distances)? + back.transpose(1, 2)?)?;
            terms = 3;
        }
        let size = hidden / heads * terms;
        let weights = candle_nn::ops::softmax(&(scores / (size as f64).sqrt())?, D::Minus1)?;
        weights.matmul(&v)?.transpose(0, 1)?.reshape((tokens, hidden))
    }
}

/// `[tokens, hidden]` → `[heads, tokens, head]`
fn split(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, hidden) = x.dims2()?;
    x.reshape((tokens, heads, hidden / heads))?.transpose(0, 1)?.contiguous()
}

/// The place of a distance between two tokens: near ones have their own, further ones share them, the
/// more the further they are (microsoft/DeBERTa, `make_log_bucket_position`).
fn bucket(distance: i64, buckets: usize, furthest: usize) -> usize {
    let (half, far) = ((buckets / 2) as f32, distance.unsigned_abs() as f32);
    let signed = if far <= half {
        distance as f32
    } else {
        let scale = ((furthest as f32 - 1.0) / half).ln();
        let place = ((far / half).ln() / scale * (half - 1.0)).ceil() + half;
        place * distance.signum() as f32
    };
    (signed + buckets as f32).clamp(0.0, (2 * buckets).saturating_sub(1) as f32) as usize
}

/// An encoder with its weights.
pub struct Encoder {
    /// Its shape.
    pub config: EncoderConfig,
    words: Table,
    positions: Option<Tensor>,
    kind: Option<Tensor>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Encoder {
    /// Takes the tensors that `config` asks for.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(config: EncoderConfig, weights: &mut dyn EncoderWeights) -> Result<Self> {
        let h = config.hidden;
        let (positions, distances) = match config.positions {
            Positions::Absolute { rows, .. } => (Some(weights.table("emb.pos", &[rows, h])?), None),
            Positions::Relative { buckets, normalised, .. } => {
                let table = weights.table("emb.rel", &[2 * buckets, h])?;
                let norm = normalised.then(|| Norm::load(weights, "emb.rel.ln", &config));
                let norm = norm.transpose()?;
                (None, Some(norm.map_or(Ok(table.clone()), |norm| norm.forward(&table))?))
            }
        };
        let kind =
            (config.kinds > 0).then(|| weights.table("emb.type", &[config.kinds, h])?.get(0));
        let layers = (0..config.layers)
            .map(|layer| Layer::load(weights, &config, layer, distances.as_ref()))
            .collect::<Result<_>>()?;
        Ok(Self {
            positions,
            kind: kind.transpose()?,
            norm: Norm::load(weights, "emb.ln", &config)?,
            words: weights.words()?,
            config,
            layers,
        })
    }

    /// What stands for each of the token sequences, `[sequences, hidden]`. All sequences go through the
    /// linear layers together; each attends to itself only.
    ///
    /// # Errors
    /// candle's, or a sequence that is empty or longer than the model reads.
    pub fn pooled(&self, sequences: &[Vec<u32>], pooling: Pooling) -> Result<Tensor> {
        let x = self.states(sequences)?;
        let mut start = 0;
        let pooled = sequences.iter().map(|sequence| {
            let range = start..start + sequence.len();
            start = range.end;
            match pooling {
                Pooling::Mean => x.i(range)?.mean(0),
                Pooling::First => x.get(range.start),
            }
        });
        Tensor::stack(&pooled.collect::<Result<Vec<_>>>()?, 0)
    }

    /// The last layer's states of all sequences' tokens, one after the other: `[tokens, hidden]`
    fn states(&self, sequences: &[Vec<u32>]) -> Result<Tensor> {
        let most = self.config.longest;
        if let Some(odd) = sequences.iter().map(Vec::len).find(|n| *n == 0 || *n > most) {
            bail!("a sequence of {odd} tokens; 1 to {most} can be read")
        }
        let mut x = self.words.rows(&sequences.concat())?;
        if let (Some(table), Positions::Absolute { first, .. }) =
            (&self.positions, self.config.positions)
        {
            let places = sequences.iter().flat_map(|s| (first..).take(s.len()));
            let places: Vec<u32> = places.map(|place| place as u32).collect();
            x = (x + table.index_select(&Tensor::new(places, &Device::Cpu)?, 0)?)?;
        }
        if let Some(kind) = &self.kind {
            x = x.broadcast_add(kind)?;
        }
        x = self.norm.forward(&x)?;
        let buckets = self.buckets(sequences)?;
        for layer in &self.layers {
            let (q, k, v) =
                (layer.query.forward(&x)?, layer.key.forward(&x)?, layer.value.forward(&x)?);
            let mut start = 0;
            let mut attended = Vec::with_capacity(sequences.len());
            for (sequence, buckets) in sequences.iter().zip(&buckets) {
                let part = |t: &Tensor| t.narrow(0, start, sequence.len());
                let (q, k, v) = (part(&q)?, part(&k)?, part(&v)?);
                attended.push(layer.attend(&q, &k, &v, self.config.heads, buckets.as_ref())?);
                start += sequence.len();
            }
            let attention = layer.attention_out.forward(&Tensor::cat(&attended, 0)?)?;
            x = layer.attention_norm.forward(&(x + attention)?)?;
            let fed = layer.down.forward(&layer.up.forward(&x)?.gelu_erf()?)?;
            x = layer.norm.forward(&(x + fed)?)?;
        }
        Ok(x)
    }

    /// For each sequence the places of its tokens' distances, there and back, `[heads, tokens, tokens]`,
    /// if it is told those.
    fn buckets(&self, sequences: &[Vec<u32>]) -> Result<Vec<Option<[Tensor; 2]>>> {
        let Positions::Relative { buckets, furthest, .. } = self.config.positions else {
            return Ok(vec![None; sequences.len()]);
        };
        let of = |sequence: &Vec<u32>| {
            let n = sequence.len();
            let places = (0..n as i64).flat_map(|i| (0..n as i64).map(move |j| i - j));
            let places: Vec<u32> =
                places.map(|distance| bucket(distance, buckets, furthest) as u32).collect();
            let there = Tensor::from_vec(places, (n, n), &Device::Cpu)?;
            let heads = |x: &Tensor| x.expand((self.config.heads, n, n))?.contiguous();
            Ok(Some([heads(&there)?, heads(&there.t()?)?]))
        };
        sequences.iter().map(of).collect()
    }
}

/// Linear layers over what stands for a sequence.
pub struct Head(Vec<(Linear, Option<Activation>)>);

impl Head {
    /// Takes the layers of those names and widths, the first of which reads `input` floats, with what
    /// follows each.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(
        weights: &mut dyn EncoderWeights,
        mut input: usize,
        layers: &[(&str, usize, Option<Activation>)],
    ) -> Result<Self> {
        let layers = layers.iter().map(|(name, out, activation)| {
            let linear = Linear::load(weights, name, *out, std::mem::replace(&mut input, *out))?;
            Ok((linear, *activation))
        });
        layers.collect::<Result<_>>().map(Self)
    }

    /// `[sequences, input]` → `[sequences, out]`
    ///
    /// # Errors
    /// candle's.
    pub fn forward(&self, pooled: &Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(pooled.clone(), |x, (linear, activation)| {
            let x = linear.forward(&x)?;
            activation.map_or(Ok(x.clone()), |activation| activation.of(&x))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_have_their_own_place_and_far_ones_share_theirs() {
        // Of transformers 5.23's make_log_bucket_position with 8 buckets up to 32.
        let known = [(0, 8), (3, 11), (4, 12), (5, 13), (7, 13), (8, 14), (15, 14), (16, 15)];
        for (distance, place) in known.into_iter().chain([(31, 15)]) {
            assert_eq!(bucket(distance, 8, 32), place, "{distance}");
            assert_eq!(bucket(-distance, 8, 32), 16 - place, "-{distance}");
        }
        assert_eq!([90, -90].map(|distance| bucket(distance, 8, 32)), [15, 0]);
    }
}
