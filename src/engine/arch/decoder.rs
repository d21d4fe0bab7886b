//! Decoder-only transformers: qwen2, qwen3, qwen3.5, llama, gemma3, gemma4, hunyuan-dense and smollm3.
//!
//! One forward pass serves any number of sequences: their tokens are the rows of one matrix, so
//! that linear layers see `[rows, hidden]` without padding, and only attention knows which rows
//! belong together. Layer definitions follow llama.cpp's (src/models) and transformers', the references
//! that `tests/reference` compares with.

use std::{collections::HashMap, sync::Arc};

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        device::Backend,
        kv::SequenceKv,
        pool::{Kept, Plan, Pool, Seen},
    },
    adapter::{Adapter, LowRank, Part},
    attention::{Attending, Heads, attend_rows},
    config::{Config, LayerAttention, Rope, Shape},
    delta::Delta,
    linear::{Input, Linear, Loader, Tables, Weight},
    rows::{Rows, Vector},
    weights::{Table, Weights},
};

/// How far a pass goes, and with what.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    /// Layers from the first on.
    pub layers: usize,
    /// What is added to their linear layers.
    pub adapter: Option<&'a Adapter>,
}

struct Norm {
    weight: Vector,
    eps: f32,
}

impl Norm {
    fn forward(&self, rows: &Rows) -> Result<Rows> {
        rows.normed(&self.weight, self.eps)
    }
}

/// How a layer's rows learn of one another.
enum Mixing {
    Attention(Box<Attention>),
    Delta(Box<Delta>),
}

struct Attention {
    /// With a gate beside each head, if the shape says so.
    query: Linear,
    /// None where another layer's keys are read.
    key: Option<Linear>,
    /// None there, and where values are made as keys are.
    value: Option<Linear>,
    query_norm: Option<Norm>,
    key_norm: Option<Norm>,
    /// Of ones.
    value_norm: Option<Norm>,
    of: LayerAttention,
}

struct Layer {
    mixing_norm: Norm,
    mixing: Mixing,
    output: Linear,
    post_mixing_norm: Option<Norm>,
    ffn_norm: Norm,
    gate: Linear,
    up: Linear,
    down: Linear,
    post_ffn_norm: Option<Norm>,
    /// What an embedding of its own adds.
    own: Option<OwnInput>,
    /// What all is multiplied by behind it.
    scale: Option<f32>,
}

/// How a layer adds its own embedding of each token.
struct OwnInput {
    gate: Linear,
    projection: Linear,
    norm: Norm,
}

/// Embeddings that each layer has of its own, one behind the other in a row for each token of the
/// vocabulary.
struct OwnInputs {
    table: Table,
    /// What they take from the common embedding.
    projection: Linear,
    norm: Norm,
    /// Floats of one.
    width: usize,
}

impl OwnInputs {
    /// Of all layers, `[rows, layers * width]`.
    fn of(&self, tokens: &[u32], embedded: &Rows, backend: &Backend) -> Result<Rows> {
        let hidden = embedded.columns()? as f32;
        let own =
            Rows::new(&self.table.rows(tokens)?, backend)?.scaled((self.width as f32).sqrt())?;
        let columns = own.columns()?;
        let common = self.projection.forward(&Input::new(embedded.clone()), None)?;
        let common = common.scaled(1.0 / hidden.sqrt())?.in_rows_of(self.width)?;
        let common = self.norm.forward(&common)?.in_rows_of(columns)?;
        common.plus(&own)?.scaled(std::f32::consts::FRAC_1_SQRT_2)
    }
}

/// A loaded decoder.
pub struct Decoder {
    /// Its shape.
    pub config: Config,
    backend: Backend,
    tables: Tables,
    own_inputs: Option<OwnInputs>,
    layers: Vec<Layer>,
    output_norm: Norm,
    /// What of it is computed: a row for each token that may be written.
    head: Weight,
    /// Where keys and values lie, if not on the host.
    pool: Option<Arc<Pool>>,
    /// What is added in every pass that doesn't say otherwise.
    resident: Option<Adapter>,
}

/// What a pass reads and multiplies, attention and adapters apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of weights in the layers.
    pub layer_bytes: usize,
    /// Bytes of weights in the output projection.
    pub head_bytes: usize,
    /// Products that the layers make for a token.
    pub layer_products: usize,
    /// Products that the output projection makes for a token.
    pub head_products: usize,
    /// Bytes of keys and values that a token leaves behind.
    pub kv_bytes: usize,
}

/// What a pass says of the tokens that come next: `[batch, written]`, row-major.
pub struct Logits {
    data: Vec<f32>,
    written: usize,
}

impl Logits {
    pub(super) fn new(rows: Rows) -> Result<Self> {
        let written = rows.columns()?;
        Ok(Self { data: rows.into_host()?, written })
    }

    /// A row for each sequence of the batch.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.written.max(1))
    }
}

/// What one sequence is given in a forward pass: a row for each token.
pub struct Feed<'a> {
    /// The sequence's cache; the pass appends to it.
    pub kv: &'a mut SequenceKv,
    /// The new tokens.
    pub tokens: &'a [u32],
}

fn norm(loader: &mut Loader<'_>, name: &str, eps: f32) -> Result<Norm> {
    Ok(Norm { weight: loader.vector(name)?, eps })
}

impl Loader<'_> {
    fn norm_if_there(&mut self, name: &str, eps: f32) -> Result<Option<Norm>> {
        if self.has(name) { norm(self, name, eps).map(Some) } else { Ok(None) }
    }
}

impl Decoder {
    /// Loads the weights for `backend`. [`Decoder::forward`] will tell the logits of the tokens
    /// `written`; those that the model doesn't have may stand at their end.
    ///
    /// # Errors
    /// A tensor is missing, of another shape, or can't be read.
    pub fn load(
        mut config: Config,
        weights: &mut dyn Weights,
        written: &[u32],
        backend: &Backend,
    ) -> Result<Self> {
        config.take_factors(weights)?;
        let mut loader = Loader::new(weights, backend);
        let eps = config.eps;
        let width = config.per_layer;
        let own_inputs = match width {
            0 => None,
            width => Some(OwnInputs {
                table: loader.lookup("per_layer_token_embd.weight")?,
                projection: loader.linear("per_layer_model_proj")?,
                norm: norm(&mut loader, "per_layer_proj_norm.weight", eps)?,
                width,
            }),
        };
        let layers = config
            .attention
            .iter()
            .enumerate()
            .map(|(i, attention)| {
                let name = |part: &str| format!("blk.{i}.{part}");
                let mixing_norm = norm(&mut loader, &name("attn_norm.weight"), eps)?;
                let (mixing, output) = match (attention, config.delta) {
                    (Some(attention), _) => (
                        Mixing::Attention(Box::new(Attention::load(
                            &mut loader,
                            &config,
                            *attention,
                            name,
                        )?)),
                        "attn_output",
                    ),
                    (None, Some(shape)) => {
                        let delta = Delta::load(&mut loader, shape, name, eps)?;
                        (Mixing::Delta(Box::new(delta)), "ssm_out")
                    }
                    (None, None) => bail!("the shape doesn't say what layer {i} does"),
                };
                // Qwen3.5's files call so what others call the next.
                let (after, before) = match config.delta {
                    Some(_) => (None, "post_attention_norm.weight"),
                    None => (Some("post_attention_norm.weight"), "ffn_norm.weight"),
                };
                Ok(Layer {
                    mixing_norm,
                    mixing,
                    output: loader.linear(&name(output))?,
                    post_mixing_norm: match after {
                        Some(after) => loader.norm_if_there(&name(after), eps)?,
                        None => None,
                    },
                    ffn_norm: norm(&mut loader, &name(before), eps)?,
                    gate: loader.linear(&name("ffn_gate"))?,
                    up: loader.linear(&name("ffn_up"))?,
                    down: loader.linear(&name("ffn_down"))?,
                    post_ffn_norm: loader.norm_if_there(&name("post_ffw_norm.weight"), eps)?,
                    own: match width {
                        0 => None,
                        _ => Some(OwnInput {
                            gate: loader.linear(&name("inp_gate"))?,
                            projection: loader.linear(&name("proj"))?,
                            norm: norm(&mut loader, &name("post_norm.weight"), eps)?,
                        }),
                    },
                    scale: loader.number(&name("layer_output_scale.weight"))?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let output_norm = norm(&mut loader, "output_norm.weight", eps)?;
        let tables = Tables::load(loader.into_weights(), "token_embd.weight", "output.weight")?;
        let head = tables.head_of(written, backend)?;
        let kept = |layer: &Option<LayerAttention>| match layer {
            Some(LayerAttention { kv_heads, head_size, reads: None, .. }) => {
                (*kv_heads, *head_size)
            }
            _ => (0, 0),
        };
        let recurrent = config.attention.iter().filter(|layer| layer.is_none()).count();
        let kept = Kept {
            layers: config.attention.iter().map(kept).collect(),
            sequence: config.delta.map_or(0, |delta| delta.kept() * recurrent),
        };
        let pool = match backend {
            Backend::Candle { device, dtype } => Some(Pool::planned(&kept, device, *dtype)?),
            Backend::Own(_) | Backend::Mixed => None,
        };
        let backend = backend.clone();
        let resident = None;
        Ok(Self { config, backend, tables, own_inputs, layers, output_norm, head, pool, resident })
    }

    /// Runs `batch` through the model and appends to each sequence's cache. Returns the logits of each
    /// sequence's last row.
    ///
    /// # Errors
    /// candle's.
    pub fn forward(&self, batch: &mut [Feed<'_>]) -> Result<Logits> {
        let rows = self.last_rows(batch, self.whole())?;
        Logits::new(self.said(&rows, &self.head)?)
    }

    /// Logits of rows behind the last layer.
    fn said(&self, rows: &Rows, head: &Weight) -> Result<Rows> {
        let logits = head.forward(&Input::new(self.output_norm.forward(rows)?))?;
        match self.config.logit_cap {
            Some(cap) => logits.capped(cap),
            None => Ok(logits),
        }
    }

    /// Runs `batch` through the layers of `pass`, and returns the residual stream behind them at
    /// each sequence's last row: `[batch, hidden]`, one vector a sequence, before any norm. The
    /// caches hold no more than these layers afterwards.
    ///
    /// # Errors
    /// candle's.
    pub fn states(&self, batch: &mut [Feed<'_>], pass: Pass<'_>) -> Result<Vec<Vec<f32>>> {
        parted(self.last_rows(batch, pass)?)
    }

    /// Where keys and values lie, if not on the host.
    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// What one token costs.
    ///
    /// # Errors
    /// candle's.
    pub fn cost(&self) -> Result<Cost> {
        let kept = self.config.attention.iter().flatten().filter(|layer| layer.reads.is_none());
        let floats: usize = kept.map(|layer| layer.kv_heads * layer.head_size).sum();
        let mut cost = Cost { kv_bytes: 2 * self.backend.float() * floats, ..Cost::default() };
        let linears = self.layers.iter().flat_map(|layer| {
            let Layer { mixing, output, gate, up, down, own, .. } = layer;
            let own = own.iter().flat_map(|own| [&own.gate, &own.projection]);
            let mixing: Vec<&Linear> = match mixing {
                Mixing::Attention(attention) => {
                    let Attention { query, key, value, .. } = &**attention;
                    std::iter::once(query).chain(key).chain(value).collect()
                }
                Mixing::Delta(delta) => delta.linears().to_vec(),
            };
            [output, gate, up, down].into_iter().chain(mixing).chain(own)
        });
        let common = self.own_inputs.iter().map(|own| &own.projection);
        for weight in linears.chain(common).map(|linear| &linear.weight) {
            let (rows, columns) = weight.shape()?;
            cost.layer_bytes += weight.size();
            cost.layer_products += rows * columns;
        }
        let (rows, columns) = self.head.shape()?;
        cost.head_bytes = self.head.size();
        cost.head_products = rows * columns;
        Ok(cost)
    }

    /// Takes an adapter of this model out of `tensors`: see [`Adapter`]. `scale` is PEFT's
    /// `lora_alpha / r`.
    ///
    /// # Errors
    /// It doesn't fit this model.
    pub fn adapter(&self, tensors: &mut HashMap<String, Tensor>, scale: f64) -> Result<Adapter> {
        Adapter::take(tensors, scale, &self.config, &self.backend, |layer, part| {
            let layer = self.layers.get(layer)?;
            let attention = match &layer.mixing {
                Mixing::Attention(attention) => Some(attention),
                Mixing::Delta(_) => None,
            };
            let linear = match part {
                Part::Query => &attention?.query,
                Part::Key => attention?.key.as_ref()?,
                Part::Value => attention?.value.as_ref()?,
                Part::Output => &layer.output,
                Part::Gate => &layer.gate,
                Part::Up => &layer.up,
                Part::Down => &layer.down,
            };
            linear.shape().ok()
        })
    }

    /// Adds `adapter` in every pass from now on that doesn't name its own.
    pub fn adopt(&mut self, adapter: Adapter) {
        self.resident = Some(adapter);
    }

    /// All layers, with what is added to them.
    fn whole(&self) -> Pass<'_> {
        Pass { layers: self.layers.len(), adapter: self.resident.as_ref() }
    }

    fn last_rows(&self, batch: &mut [Feed<'_>], pass: Pass<'_>) -> Result<Rows> {
        last_of_each(&self.hidden(batch, pass)?, batch)
    }

    /// As [`Decoder::forward`], without computing logits: for prefixes.
    ///
    /// # Errors
    /// candle's.
    pub fn prefill(&self, batch: &mut [Feed<'_>]) -> Result<()> {
        self.hidden(batch, self.whole()).map(|_| ())
    }

    /// Logits `[tokens, vocab]` of every row of one sequence, for tests against the reference.
    ///
    /// # Errors
    /// candle's.
    pub fn all_logits(&self, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
        let mut kv = SequenceKv::new(None, self.config.shape.layers);
        let rows = self.hidden(&mut [Feed { kv: &mut kv, tokens }], self.whole())?;
        let head = self.tables.head(&self.backend)?;
        parted(self.said(&rows, &head)?)
    }

    /// The residual stream behind the layers of `pass`: `[rows, hidden]`.
    fn hidden(&self, batch: &mut [Feed<'_>], pass: Pass<'_>) -> Result<Rows> {
        // On a thread of the pool, so that none has to be woken for each product, and another to tell
        // that it is done.
        rayon::scope(|_| self.hidden_here(batch, pass))
    }

    fn hidden_here(&self, batch: &mut [Feed<'_>], pass: Pass<'_>) -> Result<Rows> {
        let tokens: Vec<u32> = batch.iter().flat_map(|s| s.tokens.iter().copied()).collect();
        let embedded = self.tables.embedding.rows(&tokens)?;
        let mut x = Rows::new(&embedded, &self.backend)?;
        if let Some(scale) = self.config.embedding_scale {
            x = x.scaled(scale)?;
        }
        let positions: Vec<usize> =
            batch.iter().flat_map(|s| (0..s.tokens.len()).map(|i| s.kv.len() + i)).collect();
        let own_inputs = match &self.own_inputs {
            Some(own) => Some((own.of(&tokens, &x, &self.backend)?, own.width)),
            None => None,
        };
        let ways = self.config.rotary.iter().map(|rotary| rotary.frequencies());
        let turns = ways.map(|frequencies| turns(&positions, &frequencies)).collect();
        let places = Places { turns, positions };
        let on_device = match &self.pool {
            Some(pool) => Some(OnDevice::new(self, pool, batch, &places)?),
            None => None,
        };
        for (index, layer) in self.layers.iter().enumerate().take(pass.layers) {
            let with = |part| pass.adapter.and_then(|a| a.part(index, part));
            let normed = Input::new(layer.mixing_norm.forward(&x)?);
            let mixed = match (&layer.mixing, &on_device) {
                (Mixing::Delta(delta), _) => delta.forward(index, &normed, batch, &self.backend)?,
                (Mixing::Attention(attention), on_device) => {
                    let asked = attention.asked(self, &normed, &with)?;
                    let attended = match on_device {
                        Some(pass) => {
                            pass.attention(self, index, attention, asked.0, &normed, &with)?
                        }
                        None => {
                            let places = (&places, asked.0);
                            self.attention(index, attention, places, &normed, batch, &with)?
                        }
                    };
                    match asked.1 {
                        Some(gate) => attended.behind(&gate)?,
                        None => attended,
                    }
                }
            };
            let mixed = Input::new(mixed);
            let mut mixed = layer.output.forward(&mixed, with(Part::Output))?;
            if let Some(norm) = &layer.post_mixing_norm {
                mixed = norm.forward(&mixed)?;
            }
            x = x.plus(&mixed)?;
            let normed = Input::new(layer.ffn_norm.forward(&x)?);
            let gate = layer.gate.forward(&normed, with(Part::Gate))?;
            let up = layer.up.forward(&normed, with(Part::Up))?;
            let gated = Input::new(gate.gating(&up, self.config.activation)?);
            let mut fed = layer.down.forward(&gated, with(Part::Down))?;
            if let Some(norm) = &layer.post_ffn_norm {
                fed = norm.forward(&fed)?;
            }
            x = x.plus(&fed)?;
            if let (Some(layer), Some((all, width))) = (&layer.own, &own_inputs) {
                let gate = layer.gate.forward(&Input::new(x.clone()), None)?;
                let gated =
                    gate.gating(&all.part(index * width, *width)?, self.config.activation)?;
                let added = layer.projection.forward(&Input::new(gated), None)?;
                x = x.plus(&layer.norm.forward(&added)?)?;
            }
            if let Some(scale) = layer.scale {
                x = x.scaled(scale)?;
            }
        }
        for sequence in batch.iter_mut() {
            sequence.kv.advance(sequence.tokens.len());
        }
        Ok(x)
    }

    /// Attention of one layer over all rows, computed on the host: `[rows, heads * head_size]`.
    fn attention<'a>(
        &self,
        index: usize,
        layer: &Attention,
        (places, queries): (&Places, Rows),
        normed: &Input,
        batch: &mut [Feed<'_>],
        with: &dyn Fn(Part) -> Option<&'a LowRank>,
    ) -> Result<Rows> {
        let Config { shape: Shape { heads, .. }, rope, norm_after_rope, .. } = self.config;
        let LayerAttention { rotary, window, kv_heads, head_size, reads } = layer.of;
        let Places { positions, turns } = places;
        let turns = rotary.and_then(|r| turns.get(r).zip(self.config.rotary.get(r)));
        let placed = |rows: Rows, norm: &Option<Norm>, heads: usize| -> Result<Vec<f32>> {
            let normed = |rows: Rows| match norm {
                Some(norm) => norm.forward(&rows.in_rows_of(head_size)?),
                None => Ok(rows),
            };
            let rows = if norm_after_rope { rows } else { normed(rows)? };
            let mut data = rows.into_host()?;
            if let Some((turns, rotary)) = turns {
                let of = Turning { heads, head_size, turned: rotary.head_size, rope };
                rotate(&mut data, turns, of);
            }
            if norm_after_rope {
                data = normed(Rows::from_host(data, head_size, &self.backend)?)?.into_host()?;
            }
            Ok(data)
        };
        let queries = placed(queries, &layer.query_norm, heads)?;
        if let Some((keys, values)) = layer.keys_and_values(normed, head_size, with)? {
            let keys = placed(keys, &layer.key_norm, kv_heads)?;
            keep(batch, index, Rows::Host { data: keys, columns: kv_heads * head_size }, values)?;
        }
        let of_layer = reads.unwrap_or(index);
        let sequences: Vec<Attending<'_>> = batch
            .iter()
            .map(|s| Attending { rows: s.tokens.len(), pieces: s.kv.pieces(of_layer) })
            .collect();
        let of = Heads { heads, kv_heads, head_size, scale: self.config.scale, window };
        let out = attend_rows(of, &queries, positions, &sequences, None);
        Rows::from_host(out, heads * head_size, &self.backend)
    }
}

impl Attention {
    fn load(
        loader: &mut Loader<'_>,
        config: &Config,
        of: LayerAttention,
        name: impl Fn(&str) -> String,
    ) -> Result<Self> {
        let eps = config.eps;
        Ok(Self {
            query: loader.linear(&name("attn_q"))?,
            key: match of.reads {
                None => Some(loader.linear(&name("attn_k"))?),
                Some(_) => None,
            },
            value: match of.reads {
                // Those of Gemma 4 alone may lack it.
                None if !config.values_normed || loader.has(&name("attn_v.weight")) => {
                    Some(loader.linear(&name("attn_v"))?)
                }
                _ => None,
            },
            query_norm: loader.norm_if_there(&name("attn_q_norm.weight"), eps)?,
            key_norm: loader.norm_if_there(&name("attn_k_norm.weight"), eps)?,
            value_norm: match config.values_normed {
                true => Some(Norm { weight: loader.ones(of.head_size)?, eps }),
                false => None,
            },
            of,
        })
    }

    /// Queries, not yet normalised or turned, `[rows, heads * head_size]`, and what opens the heads'
    /// output, if anything does.
    fn asked<'a>(
        &self,
        model: &Decoder,
        normed: &Input,
        with: &dyn Fn(Part) -> Option<&'a LowRank>,
    ) -> Result<(Rows, Option<Rows>)> {
        let queries = self.query.forward(normed, with(Part::Query))?;
        if !model.config.heads_gated {
            return Ok((queries, None));
        }
        let (size, columns) = (self.of.head_size, queries.columns()? / 2);
        let both = queries.in_rows_of(2 * size)?;
        let half = |from| both.part(from, size)?.in_rows_of(columns);
        Ok((half(0)?, Some(half(size)?)))
    }

    /// Keys, not yet normalised or turned, and values of a pass's rows, `[rows, kv_heads *
    /// head_size]`; none where another layer's are read.
    fn keys_and_values<'a>(
        &self,
        normed: &Input,
        head_size: usize,
        with: &dyn Fn(Part) -> Option<&'a LowRank>,
    ) -> Result<Option<(Rows, Rows)>> {
        let Some(key) = &self.key else { return Ok(None) };
        let keys = key.forward(normed, with(Part::Key))?;
        let values = match &self.value {
            Some(value) => value.forward(normed, with(Part::Value))?,
            None => keys.clone(),
        };
        let values = match &self.value_norm {
            Some(norm) => {
                let columns = values.columns()?;
                norm.forward(&values.in_rows_of(head_size)?)?.in_rows_of(columns)?
            }
            None => values,
        };
        Ok(Some((keys, values)))
    }
}

/// What all layers of a pass need on a device.
struct OnDevice<'p> {
    pool: &'p Pool,
    /// Rows of the pool for the pass's tokens.
    new: Tensor,
    plan: Plan,
    /// Cosines and sines of [`Places::turns`], `[rows, head_size / 2]`.
    turns: Vec<(Tensor, Tensor)>,
}

impl<'p> OnDevice<'p> {
    fn new(
        model: &Decoder,
        pool: &'p Arc<Pool>,
        batch: &mut [Feed<'_>],
        places: &Places,
    ) -> Result<Self> {
        let device = model.backend.device();
        let (mut new, mut sequences) = (Vec::new(), Vec::with_capacity(batch.len()));
        for Feed { kv, tokens } in batch {
            let before = kv.len();
            new.extend(kv.take(pool, tokens.len())?);
            let until = (before..before + tokens.len()).collect();
            sequences.push(Seen { until, keys: kv.places() });
        }
        let mut windows: Vec<usize> =
            model.config.attention.iter().flatten().map(|l| l.window).collect();
        windows.sort_unstable();
        windows.dedup();
        let turns = places.turns.iter().zip(&model.config.rotary).map(|(turns, rotary)| {
            let half = rotary.head_size / 2;
            let table = |of: fn(&(f32, f32)) -> f32| {
                let values: Vec<f32> = turns.iter().map(of).collect();
                Tensor::from_vec(values, (turns.len() / half.max(1), half), device)
            };
            Ok((table(|(_, cos)| *cos)?, table(|(sin, _)| *sin)?))
        });
        Ok(Self {
            pool,
            new: Tensor::new(new, device)?,
            plan: Plan::new(sequences, &windows, device)?,
            turns: turns.collect::<Result<_>>()?,
        })
    }

    /// As [`Decoder::attention`].
    fn attention<'a>(
        &self,
        model: &Decoder,
        index: usize,
        layer: &Attention,
        queries: Rows,
        normed: &Input,
        with: &dyn Fn(Part) -> Option<&'a LowRank>,
    ) -> Result<Rows> {
        let Config { rope, norm_after_rope, scale, .. } = model.config;
        let LayerAttention { rotary, window, head_size, reads, .. } = layer.of;
        let turns = rotary.and_then(|r| self.turns.get(r));
        let placed = |rows: Rows, norm: &Option<Norm>| -> Result<Tensor> {
            let columns = rows.columns()?;
            let normed = |rows: Rows| match norm {
                Some(norm) => norm.forward(&rows.in_rows_of(head_size)?)?.in_rows_of(columns),
                None => Ok(rows),
            };
            let rows = if norm_after_rope { rows } else { normed(rows)? };
            let mut rows = rows.to_tensor()?;
            if let Some((cos, sin)) = turns {
                rows = turned(&rows, cos, sin, head_size, rope)?;
            }
            if norm_after_rope {
                rows = normed(Rows::Tensor(rows))?.to_tensor()?;
            }
            Ok(rows)
        };
        let queries = placed(queries, &layer.query_norm)?;
        if let Some((keys, values)) = layer.keys_and_values(normed, head_size, with)? {
            let keys = placed(keys, &layer.key_norm)?;
            self.pool.write(index, &self.new, &keys, &values.to_tensor()?)?;
        }
        let (keys, values) = self.pool.layer(reads.unwrap_or(index))?;
        self.plan.attend(scale, window, &queries, keys, values, &[]).map(Rows::Tensor)
    }
}

/// Turns `[rows, heads * head_size]` by cosines and sines, `[rows, turned / 2]`: the first `turned`
/// floats of each head.
fn turned(x: &Tensor, cos: &Tensor, sin: &Tensor, head_size: usize, rope: Rope) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    let heads = x.reshape((1, rows, columns / head_size.max(1), head_size))?;
    let size = 2 * cos.dim(1)?;
    if size < head_size {
        let first = heads.narrow(3, 0, size)?.contiguous()?.reshape((rows, ()))?;
        let first = turned(&first, cos, sin, size, rope)?;
        let first = first.reshape((1, rows, columns / head_size.max(1), size))?;
        let rest = heads.narrow(3, size, head_size - size)?;
        return Tensor::cat(&[&first, &rest], 3)?.reshape((rows, columns));
    }
    let turned = match rope {
        Rope::Halves => candle_nn::rotary_emb::rope_thd(&heads.contiguous()?, cos, sin)?,
        Rope::Neighbours => {
            let by_head = heads.transpose(1, 2)?.contiguous()?;
            candle_nn::rotary_emb::rope_i(&by_head, cos, sin)?.transpose(1, 2)?.contiguous()?
        }
    };
    turned.reshape((rows, columns))
}

/// Appends a layer's keys and values of all rows, on the host, each to its sequence.
pub(super) fn keep(batch: &mut [Feed<'_>], layer: usize, keys: Rows, values: Rows) -> Result<()> {
    let width = values.columns()?.max(1);
    let (keys, values) = (keys.into_host()?, values.into_host()?);
    let mut rows = keys.chunks_exact(width).zip(values.chunks_exact(width));
    for Feed { kv, tokens } in batch {
        for (key, value) in rows.by_ref().take(tokens.len()) {
            kv.push(layer, key, value);
        }
    }
    Ok(())
}

/// Each sequence's last row of a pass.
pub(super) fn last_of_each(rows: &Rows, batch: &[Feed<'_>]) -> Result<Rows> {
    let mut last = Vec::with_capacity(batch.len());
    let mut end = 0u32;
    for sequence in batch {
        end += sequence.tokens.len() as u32;
        last.push(end.saturating_sub(1));
    }
    rows.select(&last)
}

/// Each row for itself.
pub(super) fn parted(rows: Rows) -> Result<Vec<Vec<f32>>> {
    let columns = rows.columns()?.max(1);
    Ok(rows.into_host()?.par_chunks(columns).map(<[f32]>::to_vec).collect())
}

/// Where the rows of a pass stand.
struct Places {
    positions: Vec<usize>,
    /// Sine and cosine by which each pair of a head's floats is turned, `[rows, head_size / 2]`, for
    /// each of [`Config::rotary`], of its heads.
    turns: Vec<Vec<(f32, f32)>>,
}

/// The turns of rotary position embeddings (Su et al. 2021) at `positions`.
fn turns(positions: &[usize], frequencies: &[f32]) -> Vec<(f32, f32)> {
    positions
        .iter()
        .flat_map(|position| frequencies.iter().map(|f| (*position as f32 * f).sin_cos()))
        .collect()
}

/// What of a row is turned.
#[derive(Clone, Copy)]
struct Turning {
    heads: usize,
    head_size: usize,
    /// The first floats of a head.
    turned: usize,
    rope: Rope,
}

/// Turns `[rows, heads, head_size]` in place.
fn rotate(x: &mut [f32], turns: &[(f32, f32)], of: Turning) {
    /// Rows that are worth a task of their own.
    const TASK: usize = 32;
    x.par_chunks_mut(TASK * of.heads * of.head_size)
        .zip(turns.par_chunks(TASK * of.turned / 2))
        .for_each(|(x, turns)| rotate_rows(x, turns, of));
}

fn rotate_rows(x: &mut [f32], turns: &[(f32, f32)], of: Turning) {
    let Turning { heads, head_size, turned, rope } = of;
    let half = turned / 2;
    for (row, turns) in x.chunks_exact_mut(heads * head_size).zip(turns.chunks_exact(half)) {
        for head in row.chunks_exact_mut(head_size) {
            let head = head.get_mut(..turned).unwrap_or_default();
            match rope {
                Rope::Halves => {
                    let (low, high) = head.split_at_mut(half);
                    for ((a, b), (sin, cos)) in low.iter_mut().zip(high).zip(turns) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
                Rope::Neighbours => {
                    let (pairs, _) = head.as_chunks_mut::<2>();
                    for ([a, b], (sin, cos)) in pairs.iter_mut().zip(turns) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
            }
        }
    }
}
