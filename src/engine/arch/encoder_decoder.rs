//! Encoder-decoder transformers for translation: marian (OPUS-MT), m2m_100 (M2M100, NLLB-200,
//! SMaLL-100) and t5 (T5 1.1, MADLAD-400), as transformers defines them (`models/marian`,
//! `models/m2m_100`, `models/t5`).
//!
//! The encoder reads a source once; what the decoder's layers attend to of it, their keys and values,
//! is the [`Prefix`] of every sequence that translates it. So beams, batches
//! and schedules are those of decoder-only models.

mod config;

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, bail};

pub use self::config::{Config, SUPPORTED};
use self::config::{NormOf, Positions, Relative, T5};
use super::{
    super::{
        device::Backend,
        kernels::Activation,
        kv::{LayerKv, Prefix, Recurrent, SequenceKv},
        pool::{Kept, Plan, Pool, Seen, by_head},
    },
    attention::{Attending, Biases, Heads, attend_rows},
    config::Shape,
    decoder::{Cost, Feed, Logits, keep, last_of_each, parted},
    linear::{Input, Linear, Loader, Tables},
    rows::{Rows, Vector},
    weights::{Table, Weights},
};

/// What the tensors of a layer are called.
struct Names {
    layer: String,
    t5: bool,
}

impl Names {
    fn of(config: &Config, stack: &str, index: usize) -> Self {
        let t5 = config.shape.architecture == T5;
        let layer = match t5 {
            true => format!("{stack}.block.{index}.layer"),
            false => format!("model.{stack}.layers.{index}"),
        };
        Self { layer, t5 }
    }

    /// An attention: of T5 the part of the layer that it is, and its name there; of the others its name.
    fn attention(&self, part: usize, theirs: &str, ours: &str) -> [String; 5] {
        let Self { layer, t5 } = self;
        match t5 {
            true => {
                let [q, k, v, o] =
                    ["q", "k", "v", "o"].map(|p| format!("{layer}.{part}.{theirs}.{p}"));
                [q, k, v, o, format!("{layer}.{part}.layer_norm")]
            }
            false => {
                let [q, k, v, o] = ["q_proj", "k_proj", "v_proj", "out_proj"]
                    .map(|p| format!("{layer}.{ours}.{p}"));
                [q, k, v, o, format!("{layer}.{ours}_layer_norm")]
            }
        }
    }
}

struct Norm {
    weight: Vector,
    kind: NormKind,
}

enum NormKind {
    Layer { bias: Vector, eps: f32 },
    RootMeanSquare { eps: f32 },
}

impl Norm {
    fn load(loader: &mut Loader<'_>, name: &str, of: NormOf) -> Result<Self> {
        let weight = loader.vector(&format!("{name}.weight"))?;
        let kind = match of {
            NormOf::RootMeanSquare { eps } => NormKind::RootMeanSquare { eps },
            NormOf::Layer { eps } => {
                NormKind::Layer { bias: loader.vector(&format!("{name}.bias"))?, eps }
            }
        };
        Ok(Self { weight, kind })
    }

    fn forward(&self, rows: &Rows) -> Result<Rows> {
        match &self.kind {
            NormKind::Layer { bias, eps } => rows.layer_normed(&self.weight, bias, *eps),
            NormKind::RootMeanSquare { eps } => rows.normed(&self.weight, *eps),
        }
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
    fn load(loader: &mut Loader<'_>, names: &[String; 5], of: NormOf) -> Result<Self> {
        let [query, key, value, output, norm] = names;
        Ok(Self {
            query: loader.linear(query)?,
            key: loader.linear(key)?,
            value: loader.linear(value)?,
            output: loader.linear(output)?,
            norm: Norm::load(loader, norm, of)?,
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
    /// What lets through, where something does.
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    norm: Norm,
}

impl FeedForward {
    /// `part` is that of T5's layer.
    fn load(loader: &mut Loader<'_>, of: &Names, part: usize, norm: NormOf) -> Result<Self> {
        let Names { layer, t5 } = of;
        let name = |theirs: &str, ours: &str| match t5 {
            true => format!("{layer}.{part}.{theirs}"),
            false => format!("{layer}.{ours}"),
        };
        let gate = name("DenseReluDense.wi_0", "");
        let gated = loader.has(&format!("{gate}.weight"));
        let up = if gated { "DenseReluDense.wi_1" } else { "DenseReluDense.wi" };
        Ok(Self {
            gate: gated.then(|| loader.linear(&gate)).transpose()?,
            up: loader.linear(&name(up, "fc1"))?,
            down: loader.linear(&name("DenseReluDense.wo", "fc2"))?,
            norm: Norm::load(loader, &name("layer_norm", "final_layer_norm"), norm)?,
        })
    }

    fn forward(&self, input: &Input, activation: Activation) -> Result<Rows> {
        let up = self.up.forward(input, None)?;
        let up = match &self.gate {
            Some(gate) => gate.forward(input, None)?.gating(&up, activation)?,
            None => up.activated(activation)?,
        };
        self.down.forward(&Input::new(up), None)
    }
}

struct EncoderLayer {
    attention: Projections,
    feed_forward: FeedForward,
}

struct DecoderLayer {
    own: Own,
    source: Projections,
    feed_forward: FeedForward,
}

/// How a layer of the decoder looks at what was written.
enum Own {
    Attention(Projections),
    Recurrent(Recurrence),
}

/// A simpler simple recurrent unit (Kim et al. 2019, D19-5632): a float of each channel, of which a part
/// is forgotten at every token.
struct Recurrence {
    input: Linear,
    forget: Linear,
    norm: Norm,
}

impl Recurrence {
    fn load(loader: &mut Loader<'_>, layer: &str, of: NormOf) -> Result<Self> {
        Ok(Self {
            input: loader.linear(&format!("{layer}.ssru.input"))?,
            forget: loader.linear(&format!("{layer}.ssru.forget"))?,
            norm: Norm::load(loader, &format!("{layer}.self_attn_layer_norm"), of)?,
        })
    }

    /// What it makes of each row, `[rows, hidden]`; each sequence's state goes on.
    fn forward(
        &self,
        index: usize,
        input: &Input,
        batch: &mut [Feed<'_>],
        backend: &Backend,
    ) -> Result<Rows> {
        let (x, kept) = (self.input.forward(input, None)?, self.forget.forward(input, None)?);
        let columns = x.columns()?;
        // Little work; on devices, where it is a copy there and back, too.
        let (mut x, kept) = (x.into_host()?, kept.into_host()?);
        let mut rows = x.chunks_exact_mut(columns.max(1)).zip(kept.chunks_exact(columns.max(1)));
        for Feed { kv, tokens } in batch {
            let taken = kv.take_recurrent_on_host(index)?;
            let mut state = taken.map_or_else(|| vec![0.0; columns], |(_, state)| state);
            for (x, kept) in rows.by_ref().take(tokens.len()) {
                for ((state, x), kept) in state.iter_mut().zip(x).zip(kept) {
                    let share = 1.0 / (1.0 + (-kept).exp());
                    *state = share * *state + (1.0 - share) * *x;
                    *x = state.max(0.0);
                }
            }
            kv.put_recurrent(index, Recurrent::Host { recent: Vec::new(), state });
        }
        Rows::from_host(x, columns, backend)
    }
}

/// Weights of relative positions, `[buckets, heads]`; all layers of a stack have the same.
struct Distances {
    relative: Relative,
    encoder: Vec<f32>,
    decoder: Vec<f32>,
}

impl Distances {
    fn load(weights: &mut dyn Weights, config: &Config, relative: Relative) -> Result<Self> {
        let mut of = |stack: &str| -> Result<Vec<f32>> {
            let part = "SelfAttention.relative_attention_bias.weight";
            let weights =
                weights.vector(&format!("{stack}.block.0.layer.0.{part}"), &Device::Cpu)?;
            if weights.dims() != [relative.buckets, config.shape.heads] {
                bail!("the weights of the {stack}'s distances have the shape {:?}", weights.dims())
            }
            weights.flatten_all()?.to_vec1()
        };
        Ok(Self { relative, encoder: of("encoder")?, decoder: of("decoder")? })
    }
}

/// A loaded encoder-decoder.
pub struct EncoderDecoder {
    /// Its shape.
    pub config: Config,
    backend: Backend,
    tables: Tables,
    /// The sources' embeddings, where they have their own.
    sources: Option<Table>,
    encoder: Vec<EncoderLayer>,
    decoder: Vec<DecoderLayer>,
    /// Norms behind the encoder and the decoder, where norms come first.
    last: Option<(Norm, Norm)>,
    /// How distances are weighed, where that tells positions.
    distances: Option<Distances>,
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
        let norm = config.norm;
        let encoder = (0..config.encoder.layers)
            .map(|i| {
                let names = Names::of(&config, "encoder", i);
                let own = names.attention(0, "SelfAttention", "self_attn");
                Ok(EncoderLayer {
                    attention: Projections::load(&mut loader, &own, norm)?,
                    feed_forward: FeedForward::load(&mut loader, &names, 1, norm)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let decoder = (0..config.shape.layers)
            .map(|i| {
                let names = Names::of(&config, "decoder", i);
                let own = names.attention(0, "SelfAttention", "self_attn");
                let source = names.attention(1, "EncDecAttention", "encoder_attn");
                Ok(DecoderLayer {
                    own: match config.recurrent {
                        true => Own::Recurrent(Recurrence::load(&mut loader, &names.layer, norm)?),
                        false => Own::Attention(Projections::load(&mut loader, &own, norm)?),
                    },
                    source: Projections::load(&mut loader, &source, norm)?,
                    feed_forward: FeedForward::load(&mut loader, &names, 2, norm)?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let (encoder_norm, decoder_norm, shared) = match norm {
            NormOf::RootMeanSquare { .. } => {
                ("encoder.final_layer_norm", "decoder.final_layer_norm", "shared.weight")
            }
            NormOf::Layer { .. } => {
                ("model.encoder.layer_norm", "model.decoder.layer_norm", "model.shared.weight")
            }
        };
        let last = match config.norm_first {
            true => Some((
                Norm::load(&mut loader, encoder_norm, norm)?,
                Norm::load(&mut loader, decoder_norm, norm)?,
            )),
            false => None,
        };
        let weights = loader.into_weights();
        let distances = match config.positions {
            Positions::Absolute(_) => None,
            Positions::Relative(relative) => Some(Distances::load(weights, &config, relative)?),
        };
        let of_side = |side: &str| format!("model.{side}.embed_tokens.weight");
        let (sources, shared) = match config.two_vocabularies {
            true => (Some(weights.table(&of_side("encoder"))?), of_side("decoder")),
            false => (None, shared.to_owned()),
        };
        let tables = Tables::load(weights, &shared, "lm_head.weight")?;
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
        let kept = Kept { layers: vec![(kv_heads, head_size); decoder.len()], sequence: 0 };
        let pool = match backend {
            Backend::Candle { device, dtype } => Some(Pool::planned(&kept, device, *dtype)?),
            Backend::Own(_) | Backend::Mixed => None,
        };
        let backend = backend.clone();
        Ok(Self {
            config,
            backend,
            tables,
            sources,
            encoder,
            decoder,
            last,
            distances,
            pool,
            head,
            bias,
        })
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
        let heads = self.heads(&self.config.encoder);
        let sources = self.sources.as_ref().unwrap_or(&self.tables.embedding);
        let mut x = self.embedded(sources, tokens, &places)?;
        let biases = self.distances.as_ref().map(|distances| {
            let Distances { relative, encoder, .. } = distances;
            relative.biases(encoder, heads.heads, &places, tokens.len(), true)
        });
        let plan = match &self.pool {
            Some(_) => {
                let device = self.backend.device();
                let seen = Seen { until: until.clone(), keys: (0..tokens.len() as u32).collect() };
                let plan = Plan::new(vec![seen], &[heads.window], device)?;
                let biases = on_device(&plan, biases.as_ref(), heads.heads)?;
                Some((plan, biases))
            }
            None => None,
        };
        for layer in &self.encoder {
            let EncoderLayer { attention, feed_forward } = layer;
            x = self.around(x, &attention.norm, |input| {
                let queries = attention.query.forward(input, None)?;
                let (keys, values) = attention.remembered(input)?;
                let Some((plan, on_device)) = &plan else {
                    let mut kv = LayerKv::default();
                    each_token(keys, values, |key, value| kv.push(key, value))?;
                    let sequence = Attending { rows: tokens.len(), pieces: vec![&kv] };
                    let out = attend_rows(
                        heads,
                        &queries.into_host()?,
                        &until,
                        &[sequence],
                        biases.as_ref(),
                    );
                    return attention.project(self.rows(heads, out)?);
                };
                let keys = by_head(&keys.to_tensor()?, heads.kv_heads)?;
                let values = by_head(&values.to_tensor()?, heads.kv_heads)?;
                let out = plan.attend(
                    heads.scale,
                    heads.window,
                    &queries.to_tensor()?,
                    &keys,
                    &values,
                    on_device,
                )?;
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
        let Shape { layers, heads, head_size, .. } = self.config.shape;
        let kv_bytes = 2 * self.backend.float() * layers * heads * head_size;
        let mut cost = Cost { kv_bytes, ..Cost::default() };
        for layer in &self.decoder {
            let DecoderLayer { own, source, feed_forward } = layer;
            let own = match own {
                Own::Attention(own) => vec![&own.query, &own.key, &own.value, &own.output],
                Own::Recurrent(own) => vec![&own.input, &own.forget],
            };
            let rest = [&source.query, &source.output, &feed_forward.up, &feed_forward.down];
            for linear in own.into_iter().chain(rest).chain(&feed_forward.gate) {
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

    fn heads(&self, of: &Shape) -> Heads {
        let Shape { heads, kv_heads, head_size, .. } = *of;
        let scale = self.config.attention_scale.unwrap_or(1.0 / (head_size as f32).sqrt());
        Heads { heads, kv_heads, head_size, scale, window: usize::MAX }
    }

    fn embedded(&self, table: &Table, tokens: &[u32], places: &[usize]) -> Result<Rows> {
        let embedded = table.rows(tokens)?;
        let x = Rows::new(&embedded, &self.backend)?;
        match &self.config.positions {
            Positions::Absolute(positions) => {
                let positions =
                    Rows::from_host(positions.of(places), self.config.shape.hidden, &self.backend)?;
                x.scaled(self.config.embedding_scale)?.plus(&positions)
            }
            Positions::Relative(_) => Ok(x),
        }
    }

    /// What all heads of rows attended to, computed on the host.
    fn rows(&self, heads: Heads, data: Vec<f32>) -> Result<Rows> {
        Rows::from_host(data, heads.heads * heads.head_size, &self.backend)
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
        let heads = self.heads(&self.config.shape);
        let keys = batch.iter().map(|s| s.kv.tail_len() + s.tokens.len()).max().unwrap_or(0);
        let biases = self.distances.as_ref().map(|distances| {
            let Distances { relative, decoder, .. } = distances;
            relative.biases(decoder, heads.heads, &places, keys, false)
        });
        let on_device = match &self.pool {
            Some(pool) => {
                let device = self.backend.device();
                let pass = OnDevice::new(pool, batch, &places, &sources, device)?;
                let biases = on_device(&pass.own, biases.as_ref(), heads.heads)?;
                Some((pass, biases))
            }
            None => None,
        };
        let mut x = self.embedded(&self.tables.embedding, &tokens, &places)?;
        for (index, layer) in self.decoder.iter().enumerate() {
            let DecoderLayer { own, source, feed_forward } = layer;
            let norm = match own {
                Own::Attention(own) => &own.norm,
                Own::Recurrent(own) => &own.norm,
            };
            x = self.around(x, norm, |input| {
                let attention = match own {
                    Own::Attention(attention) => attention,
                    Own::Recurrent(own) => return own.forward(index, input, batch, &self.backend),
                };
                let queries = attention.query.forward(input, None)?;
                let (keys, values) = attention.remembered(input)?;
                if let Some((OnDevice { pool, new, own, .. }, biases)) = &on_device {
                    pool.write(index, new, &keys.to_tensor()?, &values.to_tensor()?)?;
                    let (keys, values) = pool.layer(index)?;
                    let out = own.attend(
                        heads.scale,
                        heads.window,
                        &queries.to_tensor()?,
                        keys,
                        values,
                        biases,
                    )?;
                    return attention.project(Rows::Tensor(out));
                }
                keep(batch, index, keys, values)?;
                let pieces = attending(batch, |kv| kv.tail_pieces(index));
                let out =
                    attend_rows(heads, &queries.into_host()?, &places, &pieces, biases.as_ref());
                attention.project(self.rows(heads, out)?)
            })?;
            x = self.around(x, &source.norm, |input| {
                let queries = source.query.forward(input, None)?;
                if let Some((OnDevice { pool, given, .. }, _)) = &on_device {
                    let (keys, values) = pool.layer(index)?;
                    let out = given.attend(
                        heads.scale,
                        heads.window,
                        &queries.to_tensor()?,
                        keys,
                        values,
                        &[],
                    )?;
                    return source.project(Rows::Tensor(out));
                }
                let pieces = attending(batch, |kv| kv.prefix_pieces(index));
                let out = attend_rows(heads, &queries.into_host()?, &sources, &pieces, None);
                source.project(self.rows(heads, out)?)
            })?;
            x = self.fed(x, feed_forward)?;
        }
        for sequence in batch.iter_mut() {
            sequence.kv.advance(sequence.tokens.len());
        }
        match &self.last {
            Some((_, norm)) => norm.forward(&x)?.scaled(self.config.head_scale),
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
        device: &Device,
    ) -> Result<Self> {
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
            own: Plan::new(own, &whole, device)?,
            given: Plan::new(given, &whole, device)?,
        })
    }
}

/// Biases for a plan; none where there are none.
fn on_device(plan: &Plan, biases: Option<&Biases>, heads: usize) -> Result<Vec<Tensor>> {
    match biases {
        Some(biases) => plan.biases(heads, |head, row| biases.of(head, row)),
        None => Ok(Vec::new()),
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
