//! Encoder-decoder transformers for translation: marian (OPUS-MT) and m2m_100 (M2M100, NLLB-200,
//! SMaLL-100), as transformers defines them (`models/marian`, `models/m2m_100`).
//!
//! The encoder reads a source once; what the decoder's layers attend to of it, their keys and values,
//! is the [`Prefix`] of every sequence that translates it. So beams, batches
//! and schedules are those of decoder-only models.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};
use serde_json::Value;

use super::{
    super::{
        device::Backend,
        kernels::Activation,
        kv::{LayerKv, Prefix, SequenceKv},
        pool::{Kept, Plan, Pool, Seen, by_head},
    },
    attention::{Attending, Heads, attend_rows},
    config::Shape,
    decoder::{Cost, Feed, Logits, keep, last_of_each, parted},
    linear::{Input, Linear, Loader, Tables},
    rows::{Rows, Vector},
    weights::Weights,
};

/// The `model_type`s that load.
pub const SUPPORTED: [&str; 2] = ["marian", "m2m_100"];

/// PyTorch's default of `nn.LayerNorm`, which none of these models changes.
const EPS: f32 = 1e-5;

/// What `config.json` says of such a model.
#[derive(Debug, Clone)]
pub struct Config {
    /// The decoder's.
    pub shape: Shape,
    encoder_layers: usize,
    encoder_heads: usize,
    activation: Activation,
    /// Norms stand before attention and feed-forward layers, and one more behind all; else they
    /// stand behind each sum.
    norm_first: bool,
    positions: Positions,
    embedding_scale: f32,
}

/// Sinusoidal positions (Vaswani et al. 2017), sines first, then cosines.
#[derive(Debug, Clone)]
struct Positions {
    /// Of each pair, in radians a token.
    frequencies: Vec<f32>,
    /// That of the first token.
    offset: usize,
}

impl Positions {
    /// Those of so many tokens from `first` on: `[tokens, hidden]`.
    fn of(&self, places: &[usize]) -> Vec<f32> {
        let turn = |place: &usize| {
            let angles = self.frequencies.iter().map(move |f| (place + self.offset) as f32 * f);
            let sines = angles.clone().map(f32::sin);
            sines.chain(angles.map(f32::cos)).collect::<Vec<f32>>()
        };
        places.iter().flat_map(turn).collect()
    }
}

impl Config {
    /// Reads the shape from a hub folder's `config.json`.
    ///
    /// # Errors
    /// A key is missing, or asks for what isn't supported.
    pub fn from_hub(json: &Value) -> std::result::Result<Self, String> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let number = |name: &str| {
            let value = json.get(name).and_then(Value::as_u64);
            value.map(|v| v as usize).ok_or_else(|| format!("config.json: `{name}` is missing"))
        };
        let flag = |name: &str| json.get(name).and_then(Value::as_bool);
        let architecture = text("model_type").unwrap_or_default().to_owned();
        let marian = architecture == "marian";
        // Some converted checkpoints set what the authors' own models don't have.
        for (name, expected) in [
            ("normalize_before", !marian),
            ("normalize_embedding", false),
            ("add_final_layer_norm", false),
            ("static_position_embeddings", true),
        ] {
            if marian && flag(name).is_some_and(|found| found != expected) {
                return Err(format!("its config.json sets `{name}`, which is not supported yet"));
            }
        }
        if flag("share_encoder_decoder_embeddings") == Some(false) {
            return Err("it has two vocabularies, which is not supported yet".into());
        }
        let hidden = number("d_model")?;
        let half = hidden / 2;
        let steps = if marian { hidden as f32 / 2.0 } else { half.saturating_sub(1).max(1) as f32 };
        let frequency = |i: usize| 10_000f32.powf(-(i as f32) / steps);
        let activation = match text("activation_function").unwrap_or("gelu") {
            "swish" | "silu" => Activation::Silu,
            "relu" => Activation::Relu,
            other => {
                return Err(format!("its activation function `{other}` is not supported yet"));
            }
        };
        let half_of = |which: &str| -> std::result::Result<Shape, String> {
            let heads = number(&format!("{which}_attention_heads"))?;
            let shape = Shape {
                architecture: architecture.clone(),
                layers: number(&format!("{which}_layers"))?,
                hidden,
                heads,
                kv_heads: heads,
                head_size: hidden / heads.max(1),
                context_length: number("max_position_embeddings")?,
            };
            let shape = shape.plausible()?;
            if shape.head_size * heads != hidden {
                return Err(format!("its {which}'s {heads} heads don't share rows of {hidden}"));
            }
            Ok(shape)
        };
        let encoder = half_of("encoder")?;
        Ok(Self {
            shape: half_of("decoder")?,
            encoder_layers: encoder.layers,
            encoder_heads: encoder.heads,
            activation,
            norm_first: !marian,
            positions: Positions {
                frequencies: (0..half).map(frequency).collect(),
                // fairseq's: the padding's id, and one more.
                offset: if marian { 0 } else { number("pad_token_id")? + 1 },
            },
            embedding_scale: match flag("scale_embedding") {
                Some(false) => 1.0,
                Some(true) => (hidden as f32).sqrt(),
                None => return Err("config.json: `scale_embedding` is missing".into()),
            },
        })
    }
}

struct Norm {
    weight: Vector,
    bias: Vector,
}

impl Norm {
    fn load(loader: &mut Loader<'_>, name: &str) -> Result<Self> {
        Ok(Self {
            weight: loader.vector(&format!("{name}.weight"))?,
            bias: loader.vector(&format!("{name}.bias"))?,
        })
    }

    fn forward(&self, rows: &Rows) -> Result<Rows> {
        rows.layer_normed(&self.weight, &self.bias, EPS)
    }
}

struct Projections {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: Norm,
}

impl Projections {
    fn load(loader: &mut Loader<'_>, name: &str) -> Result<Self> {
        Ok(Self {
            query: loader.linear(&format!("{name}.q_proj"))?,
            key: loader.linear(&format!("{name}.k_proj"))?,
            value: loader.linear(&format!("{name}.v_proj"))?,
            output: loader.linear(&format!("{name}.out_proj"))?,
            norm: Norm::load(loader, &format!("{name}_layer_norm"))?,
        })
    }

    /// Keys and values of rows, each `[rows, hidden]`.
    fn remembered(&self, input: &Input) -> Result<(Rows, Rows)> {
        Ok((self.key.forward(input, None)?, self.value.forward(input, None)?))
    }

    /// What comes of attended rows.
    fn project(&self, attended: Rows) -> Result<Rows> {
        self.output.forward(&Input::new(attended), None)
    }
}

struct FeedForward {
    up: Linear,
    down: Linear,
    norm: Norm,
}

impl FeedForward {
    fn load(loader: &mut Loader<'_>, layer: &str) -> Result<Self> {
        Ok(Self {
            up: loader.linear(&format!("{layer}.fc1"))?,
            down: loader.linear(&format!("{layer}.fc2"))?,
            norm: Norm::load(loader, &format!("{layer}.final_layer_norm"))?,
        })
    }

    fn forward(&self, input: &Input, activation: Activation) -> Result<Rows> {
        let up = self.up.forward(input, None)?.activated(activation)?;
        self.down.forward(&Input::new(up), None)
    }
}

struct EncoderLayer {
    attention: Projections,
    feed_forward: FeedForward,
}

struct DecoderLayer {
    attention: Projections,
    source: Projections,
    feed_forward: FeedForward,
}

/// A loaded encoder-decoder.
pub struct EncoderDecoder {
    /// Its shape.
    pub config: Config,
    backend: Backend,
    tables: Tables,
    encoder: Vec<EncoderLayer>,
    decoder: Vec<DecoderLayer>,
    /// Norms behind the encoder and the decoder, where norms come first.
    last: Option<(Norm, Norm)>,
    /// Where keys and values lie, if not on the host.
    pool: Option<Arc<Pool>>,
    /// A row for each token that may be written, and what is added to its logit.
    head: Linear,
    /// What is added to the logits, `[vocab]`.
    bias: Option<Vec<f32>>,
}

impl EncoderDecoder {
    /// Loads the weights for `backend`. [`EncoderDecoder::forward`] will tell the logits of the
    /// tokens `written`; those that the model doesn't have may stand at their end.
    ///
    /// # Errors
    /// A tensor is missing, of another shape, or can't be read.
    pub fn load(
        config: Config,
        weights: &mut dyn Weights,
        written: &[u32],
        backend: &Backend,
    ) -> Result<Self> {
        let mut loader = Loader::new(weights, backend);
        let encoder = (0..config.encoder_layers)
            .map(|i| {
                let layer = format!("model.encoder.layers.{i}");
                Ok(EncoderLayer {
                    attention: Projections::load(&mut loader, &format!("{layer}.self_attn"))?,
                    feed_forward: FeedForward::load(&mut loader, &layer)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let decoder = (0..config.shape.layers)
            .map(|i| {
                let layer = format!("model.decoder.layers.{i}");
                Ok(DecoderLayer {
                    attention: Projections::load(&mut loader, &format!("{layer}.self_attn"))?,
                    source: Projections::load(&mut loader, &format!("{layer}.encoder_attn"))?,
                    feed_forward: FeedForward::load(&mut loader, &layer)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let last = match config.norm_first {
            true => Some((
                Norm::load(&mut loader, "model.encoder.layer_norm")?,
                Norm::load(&mut loader, "model.decoder.layer_norm")?,
            )),
            false => None,
        };
        let weights = loader.into_weights();
        let tables = Tables::load(weights, "model.shared.weight", "lm_head.weight")?;
        let written = tables.known(written)?;
        let bias = match weights.has("final_logits_bias") {
            true => {
                let bias = weights.vector("final_logits_bias", &Device::Cpu)?;
                Some(bias.flatten_all()?.to_vec1::<f32>()?)
            }
            false => None,
        };
        let head = Linear {
            weight: tables.head_of(written, backend)?,
            bias: bias.as_ref().map(|bias| Vector::picked(bias, written, backend)).transpose()?,
        };
        let Shape { kv_heads, head_size, .. } = config.shape;
        let kept = Kept { layers: decoder.len(), kv_heads, head_size };
        let pool = match backend {
            Backend::Candle { device, dtype } => Some(Pool::planned(kept, device, *dtype)?),
            Backend::Own(_) | Backend::Mixed => None,
        };
        let backend = backend.clone();
        Ok(Self { config, backend, tables, encoder, decoder, last, pool, head, bias })
    }

    /// What the decoder's layers attend to of a source: their keys and values, which have no place
    /// in the sequences that are written.
    ///
    /// # Errors
    /// candle's, or an empty source.
    pub fn encode(&self, tokens: &[u32]) -> Result<SequenceKv> {
        rayon::scope(|_| self.encode_here(tokens))
    }

    /// The same as the prefix of the sequences that translate the source.
    ///
    /// # Errors
    /// As [`EncoderDecoder::encode`].
    pub fn source(&self, tokens: &[u32]) -> Result<Arc<Prefix>> {
        Ok(Arc::new(self.encode(tokens)?.into_prefix(tokens.to_vec())))
    }

    fn encode_here(&self, tokens: &[u32]) -> Result<SequenceKv> {
        let Some(last) = tokens.len().checked_sub(1) else {
            bail!("there is nothing to translate")
        };
        let places: Vec<usize> = (0..tokens.len()).collect();
        let until = vec![last; tokens.len()];
        let heads = self.heads(self.config.encoder_heads);
        let mut x = self.embedded(tokens, &places)?;
        let plan = match &self.pool {
            Some(_) => {
                let seen = Seen { until: until.clone(), keys: (0..tokens.len() as u32).collect() };
                Some(Plan::new(&[seen], &[heads.window], self.backend.device())?)
            }
            None => None,
        };
        for layer in &self.encoder {
            let EncoderLayer { attention, feed_forward } = layer;
            x = self.around(x, &attention.norm, |input| {
                let queries = attention.query.forward(input, None)?;
                let (keys, values) = attention.remembered(input)?;
                let Some(plan) = &plan else {
                    let mut kv = LayerKv::default();
                    each_token(keys, values, |key, value| kv.push(key, value))?;
                    let sequence = Attending { rows: tokens.len(), pieces: vec![&kv] };
                    let out = attend_rows(heads, &queries.into_host()?, &until, &[sequence]);
                    return attention.project(self.rows(out)?);
                };
                let keys = by_head(&keys.to_tensor()?, heads.kv_heads)?;
                let values = by_head(&values.to_tensor()?, heads.kv_heads)?;
                let out =
                    plan.attend(heads.scale, heads.window, &queries.to_tensor()?, &keys, &values)?;
                attention.project(Rows::Tensor(out))
            })?;
            x = self.fed(x, feed_forward)?;
        }
        if let Some((norm, _)) = &self.last {
            x = norm.forward(&x)?;
        }
        let input = Input::new(x);
        let mut kv = SequenceKv::new(None, self.decoder.len());
        let new = match &self.pool {
            Some(pool) => {
                let at = Tensor::new(kv.take(pool, tokens.len())?, self.backend.device())?;
                Some((pool, at))
            }
            None => None,
        };
        for (index, layer) in self.decoder.iter().enumerate() {
            let (keys, values) = layer.source.remembered(&input)?;
            match &new {
                Some((pool, at)) => {
                    pool.write(index, at, &keys.to_tensor()?, &values.to_tensor()?)?;
                }
                None => each_token(keys, values, |key, value| kv.push(index, key, value))?,
            }
        }
        kv.advance(tokens.len());
        Ok(kv)
    }

    /// Runs `batch` through the decoder and appends to each sequence's cache, whose prefix is its
    /// source. Returns the logits of each sequence's last row.
    ///
    /// # Errors
    /// candle's.
    pub fn forward(&self, batch: &mut [Feed<'_>]) -> Result<Logits> {
        let rows = rayon::scope(|_| self.hidden(batch))?;
        let rows = last_of_each(&rows, batch)?;
        Logits::new(self.head.forward(&Input::new(rows), None)?)
    }

    /// Logits `[tokens, vocab]` of every row of `target` behind `source`, for tests against the
    /// reference.
    ///
    /// # Errors
    /// candle's.
    pub fn all_logits(&self, source: &[u32], target: &[u32]) -> Result<Vec<Vec<f32>>> {
        let mut kv = SequenceKv::new(Some(self.source(source)?), self.decoder.len());
        let rows = self.hidden(&mut [Feed { kv: &mut kv, tokens: target }])?;
        let head = self.tables.head(&self.backend)?;
        let mut logits = parted(head.forward(&Input::new(rows))?)?;
        for row in &mut logits {
            for (logit, bias) in row.iter_mut().zip(self.bias.iter().flatten()) {
                *logit += bias;
            }
        }
        Ok(logits)
    }

    /// Where keys and values lie, if not on the host.
    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// What one written token costs; the encoder apart.
    ///
    /// # Errors
    /// candle's.
    pub fn cost(&self) -> Result<Cost> {
        let Shape { layers, hidden, .. } = self.config.shape;
        let mut cost =
            Cost { kv_bytes: 2 * self.backend.float() * layers * hidden, ..Cost::default() };
        for layer in &self.decoder {
            let DecoderLayer { attention, source, feed_forward } = layer;
            let own = [&attention.query, &attention.key, &attention.value, &attention.output];
            let rest = [&source.query, &source.output, &feed_forward.up, &feed_forward.down];
            for linear in own.into_iter().chain(rest) {
                let (rows, columns) = linear.shape()?;
                cost.layer_bytes += linear.weight.size();
                cost.layer_products += rows * columns;
            }
        }
        let (rows, columns) = self.head.shape()?;
        cost.head_bytes = self.head.weight.size();
        cost.head_products = rows * columns;
        Ok(cost)
    }

    fn heads(&self, heads: usize) -> Heads {
        let head_size = self.config.shape.hidden / heads.max(1);
        let scale = 1.0 / (head_size as f32).sqrt();
        Heads { heads, kv_heads: heads, head_size, scale, window: usize::MAX }
    }

    fn embedded(&self, tokens: &[u32], places: &[usize]) -> Result<Rows> {
        let embedded = self.tables.embedding.rows(tokens)?;
        let x = Rows::new(&embedded, &self.backend)?.scaled(self.config.embedding_scale)?;
        x.plus(&self.rows(self.config.positions.of(places))?)
    }

    /// Rows of hidden states that were computed on the host.
    fn rows(&self, data: Vec<f32>) -> Result<Rows> {
        Rows::from_host(data, self.config.shape.hidden, &self.backend)
    }

    /// `x` plus what `part` makes of it, normed before or behind.
    fn around(
        &self,
        x: Rows,
        norm: &Norm,
        part: impl FnOnce(&Input) -> Result<Rows>,
    ) -> Result<Rows> {
        if self.config.norm_first {
            let made = part(&Input::new(norm.forward(&x)?))?;
            return x.plus(&made);
        }
        let input = Input::new(x);
        let made = part(&input)?;
        norm.forward(&input.into_rows().plus(&made)?)
    }

    fn fed(&self, x: Rows, layer: &FeedForward) -> Result<Rows> {
        self.around(x, &layer.norm, |input| layer.forward(input, self.config.activation))
    }

    /// What the decoder makes of all rows, before the head: `[rows, hidden]`.
    fn hidden(&self, batch: &mut [Feed<'_>]) -> Result<Rows> {
        let tokens: Vec<u32> = batch.iter().flat_map(|s| s.tokens.iter().copied()).collect();
        let places: Vec<usize> =
            batch.iter().flat_map(|s| (0..s.tokens.len()).map(|i| s.kv.tail_len() + i)).collect();
        // A source is seen as a whole.
        let sources: Vec<usize> = batch
            .iter()
            .flat_map(|s| {
                let tokens = s.kv.len() - s.kv.tail_len();
                std::iter::repeat_n(tokens.saturating_sub(1), s.tokens.len())
            })
            .collect();
        if batch.iter().any(|s| s.kv.len() == s.kv.tail_len()) {
            bail!("a sequence has no source")
        }
        let heads = self.heads(self.config.shape.heads);
        let on_device = match &self.pool {
            Some(pool) => Some(OnDevice::new(pool, batch, &places, &sources, &self.backend)?),
            None => None,
        };
        let mut x = self.embedded(&tokens, &places)?;
        for (index, layer) in self.decoder.iter().enumerate() {
            let DecoderLayer { attention, source, feed_forward } = layer;
            x = self.around(x, &attention.norm, |input| {
                let queries = attention.query.forward(input, None)?;
                let (keys, values) = attention.remembered(input)?;
                if let Some(OnDevice { pool, new, own, .. }) = &on_device {
                    pool.write(index, new, &keys.to_tensor()?, &values.to_tensor()?)?;
                    let (keys, values) = pool.layer(index)?;
                    let out =
                        own.attend(heads.scale, heads.window, &queries.to_tensor()?, keys, values)?;
                    return attention.project(Rows::Tensor(out));
                }
                keep(batch, index, keys, values)?;
                let pieces = attending(batch, |kv| kv.tail_pieces(index));
                let out = attend_rows(heads, &queries.into_host()?, &places, &pieces);
                attention.project(self.rows(out)?)
            })?;
            x = self.around(x, &source.norm, |input| {
                let queries = source.query.forward(input, None)?;
                if let Some(OnDevice { pool, given, .. }) = &on_device {
                    let (keys, values) = pool.layer(index)?;
                    let out = given.attend(
                        heads.scale,
                        heads.window,
                        &queries.to_tensor()?,
                        keys,
                        values,
                    )?;
                    return source.project(Rows::Tensor(out));
                }
                let pieces = attending(batch, |kv| kv.prefix_pieces(index));
                let out = attend_rows(heads, &queries.into_host()?, &sources, &pieces);
                source.project(self.rows(out)?)
            })?;
            x = self.fed(x, feed_forward)?;
        }
        for sequence in batch.iter_mut() {
            sequence.kv.advance(sequence.tokens.len());
        }
        match &self.last {
            Some((_, norm)) => norm.forward(&x),
            None => Ok(x),
        }
    }
}

/// What all layers of a pass need on a device.
struct OnDevice<'p> {
    pool: &'p Pool,
    /// Rows of the pool for the pass's tokens.
    new: Tensor,
    /// What they attend to of what was written before.
    own: Plan,
    /// What they attend to of their sources.
    given: Plan,
}

impl<'p> OnDevice<'p> {
    /// `places` and `sources` are the last that each row sees of its own sequence and of its source.
    fn new(
        pool: &'p Arc<Pool>,
        batch: &mut [Feed<'_>],
        places: &[usize],
        sources: &[usize],
        backend: &Backend,
    ) -> Result<Self> {
        let device = backend.device();
        let (mut new, mut own, mut given) = (Vec::new(), Vec::new(), Vec::new());
        let (mut places, mut sources) = (places.iter(), sources.iter());
        for Feed { kv, tokens } in batch {
            let count = tokens.len();
            new.extend(kv.take(pool, count)?);
            let until = places.by_ref().take(count).copied().collect();
            own.push(Seen { until, keys: kv.tail_places() });
            let until = sources.by_ref().take(count).copied().collect();
            given.push(Seen { until, keys: kv.prefix_places() });
        }
        let whole = [usize::MAX];
        Ok(Self {
            pool,
            new: Tensor::new(new, device)?,
            own: Plan::new(&own, &whole, device)?,
            given: Plan::new(&given, &whole, device)?,
        })
    }
}

/// Takes keys and values apart, `[tokens, hidden]` each.
fn each_token(keys: Rows, values: Rows, mut take: impl FnMut(&[f32], &[f32])) -> Result<()> {
    let width = keys.columns()?.max(1);
    let (keys, values) = (keys.into_host()?, values.into_host()?);
    for (key, value) in keys.chunks_exact(width).zip(values.chunks_exact(width)) {
        take(key, value);
    }
    Ok(())
}

fn attending<'b>(
    batch: &'b [Feed<'_>],
    pieces: impl for<'k> Fn(&'k SequenceKv) -> Vec<&'k LayerKv>,
) -> Vec<Attending<'b>> {
    batch.iter().map(|s| Attending { rows: s.tokens.len(), pieces: pieces(s.kv) }).collect()
}
