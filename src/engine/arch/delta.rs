//! Layers of the gated delta rule (Yang et al. 2024, arXiv:2412.06464), as Qwen3.5 has them between its
//! layers of attention: what a sequence said so far is a matrix for each head, of one size however long
//! it is. Follows transformers' `modeling_qwen3_5.py`.

use candle_core::{D, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        device::Backend,
        kernels::{Activation, DeltaHead, convolve, delta_rule},
        kv::Recurrent,
    },
    decoder::Feed,
    linear::{Input, Linear, Loader},
    rows::{Rows, Vector},
};

/// Sizes of these layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct DeltaShape {
    /// Heads of queries and keys.
    pub key_heads: usize,
    /// Heads of values; a multiple of those.
    pub value_heads: usize,
    /// Floats of a query and of a key.
    pub key_size: usize,
    /// Floats of a value.
    pub value_size: usize,
    /// Tokens that the convolution sees.
    pub kernel: usize,
    /// Heads of values go round those of keys, as GGUF files have them; not, those of one key's stand
    /// together.
    pub tiled: bool,
}

impl DeltaShape {
    /// Whether anything can be computed with it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn plausible(self) -> std::result::Result<Self, String> {
        /// The most of anything that is believed.
        const MOST: usize = 1 << 14;
        let Self { key_heads, value_heads, key_size, value_size, kernel, .. } = self;
        let all = [key_heads, value_heads, key_size, value_size, kernel];
        if all.iter().any(|n| !(1..=MOST).contains(n)) || !value_heads.is_multiple_of(key_heads) {
            return Err(format!(
                "it says that it has {value_heads} heads of {value_size} floats beside {key_heads} of \
                 {key_size}, and sees {kernel} tokens"
            ));
        }
        Ok(self)
    }

    /// Floats of a row of queries, keys and values.
    pub fn channels(&self) -> usize {
        2 * self.key_heads * self.key_size + self.value_heads * self.value_size
    }

    /// Floats that a layer keeps of a sequence.
    pub fn kept(&self) -> usize {
        (self.kernel - 1) * self.channels() + self.value_heads * self.key_size * self.value_size
    }

    /// Whose queries and keys a head of values has.
    fn keys_of(&self, head: usize) -> usize {
        match self.tiled {
            true => head % self.key_heads,
            false => head * self.key_heads / self.value_heads,
        }
    }
}

/// A layer's weights, but for the output projection.
pub(super) struct Delta {
    shape: DeltaShape,
    /// Queries, keys and values behind one another.
    mixed: Linear,
    /// What opens the output.
    gate: Linear,
    /// How strongly each head is told, before σ.
    strength: Linear,
    /// How much each head forgets, before [`Delta::decays`].
    decay: Linear,
    /// `[kernel, channels]`
    convolution: Rows,
    /// Of each head: what is added to its decay, and what that is then multiplied by.
    rates: Vec<(f32, f32)>,
    norm: Vector,
    eps: f32,
}

/// One sequence on a device.
struct Steps {
    tokens: usize,
    /// Where its rows begin among all.
    from: usize,
    state: Tensor,
}

impl Delta {
    pub fn load(
        loader: &mut Loader<'_>,
        shape: DeltaShape,
        name: impl Fn(&str) -> String,
        eps: f32,
    ) -> Result<Self> {
        let numbers = |loader: &mut Loader<'_>, name: &str| -> Result<Vec<f32>> {
            loader.tensor(name)?.flatten_all()?.to_vec1()
        };
        let dt = numbers(loader, &name("ssm_dt.bias"))?;
        let a = numbers(loader, &name("ssm_a"))?;
        let convolution = loader.tensor(&name("ssm_conv1d.weight"))?.t()?.contiguous()?;
        let expected = (shape.kernel, shape.channels());
        let layer = Self {
            mixed: loader.linear(&name("attn_qkv"))?,
            gate: loader.linear(&name("attn_gate"))?,
            strength: loader.linear(&name("ssm_beta"))?,
            decay: loader.linear(&name("ssm_alpha"))?,
            rates: dt.into_iter().zip(a).collect(),
            norm: loader.vector(&name("ssm_norm.weight"))?,
            convolution: loader.rows(&convolution)?,
            shape,
            eps,
        };
        let heads = shape.value_heads;
        let outs = [&layer.mixed, &layer.gate, &layer.strength, &layer.decay].map(|l| l.shape());
        for (out, wanted) in
            outs.into_iter().zip([shape.channels(), heads * shape.value_size, heads, heads])
        {
            if out?.0 != wanted {
                bail!("a layer of the delta rule is of another shape than the file says")
            }
        }
        if convolution.dims2()? != expected || layer.rates.len() != heads {
            bail!("a convolution or a decay is of another shape than the file says")
        }
        Ok(layer)
    }

    /// Its linear layers.
    pub fn linears(&self) -> [&Linear; 4] {
        [&self.mixed, &self.gate, &self.strength, &self.decay]
    }

    /// What its heads say of each row, `[rows, value_heads * value_size]`; each sequence's state goes
    /// on.
    pub fn forward(
        &self,
        index: usize,
        normed: &Input,
        batch: &mut [Feed<'_>],
        backend: &Backend,
    ) -> Result<Rows> {
        let mixed = self.mixed.forward(normed, None)?;
        let strength = self.strength.forward(normed, None)?.into_host()?;
        let decay = self.decay.forward(normed, None)?.into_host()?;
        let gates = self.gates(&decay, &strength);
        let said = match mixed {
            Rows::Host { data, .. } => self.on_host(index, &data, &gates, batch)?,
            Rows::Tensor(rows) => self.in_tensors(index, &rows, &gates, batch, backend)?,
        };
        let gate = self.gate.forward(normed, None)?;
        let columns = gate.columns()?;
        let said = said.in_rows_of(self.shape.value_size)?.normed(&self.norm, self.eps)?;
        gate.gating(&said.in_rows_of(columns)?, Activation::Silu)
    }

    /// By how much each head's state decays at each row, and how strongly it is told: `[rows, heads]`.
    fn gates(&self, decay: &[f32], strength: &[f32]) -> Vec<(f32, f32)> {
        let heads = self.rates.len().max(1);
        let rows = decay.chunks_exact(heads).zip(strength.chunks_exact(heads));
        let gate = |((decay, strength), (dt, a)): ((&f32, &f32), &(f32, f32))| {
            let x = decay + dt;
            // softplus, as PyTorch has it.
            let x = if x > 20.0 { x } else { x.exp().ln_1p() };
            ((a * x).exp(), 1.0 / (1.0 + (-strength).exp()))
        };
        rows.flat_map(|(d, s)| d.iter().zip(s).zip(&self.rates).map(gate)).collect()
    }

    fn on_host(
        &self,
        index: usize,
        rows: &[f32],
        gates: &[(f32, f32)],
        batch: &mut [Feed<'_>],
    ) -> Result<Rows> {
        let DeltaShape { key_heads, value_heads, key_size, value_size, kernel, .. } = self.shape;
        let (channels, width) = (self.shape.channels(), value_heads * value_size);
        let of_head = key_size * value_size;
        let Rows::Host { data: convolution, .. } = &self.convolution else {
            bail!("a convolution on a device was given to the host")
        };
        let mut rest = (rows, gates);
        let mut sequences = Vec::with_capacity(batch.len());
        for Feed { kv, tokens } in batch.iter_mut() {
            let (rows, after) =
                rest.0.split_at_checked(tokens.len() * channels).unwrap_or_default();
            let (gates, gates_after) =
                rest.1.split_at_checked(tokens.len() * value_heads).unwrap_or_default();
            rest = (after, gates_after);
            let (recent, state) = kv.take_recurrent_on_host(index)?.unwrap_or_else(|| {
                (vec![0.0; (kernel - 1) * channels], vec![0.0; value_heads * of_head])
            });
            sequences.push((rows, gates, recent, state));
        }
        let said = sequences.par_iter_mut().flat_map_iter(|(rows, gates, recent, state)| {
            let tokens = rows.len() / channels;
            recent.extend_from_slice(rows);
            let mut mixed = vec![0f32; tokens * channels];
            convolve(recent, convolution, channels, &mut mixed);
            recent.drain(..tokens * channels);
            let heads = state.par_chunks_exact_mut(of_head).enumerate().map(|(head, state)| {
                let keys = self.shape.keys_of(head) * key_size;
                let head_of = DeltaHead {
                    key_size,
                    value_size,
                    at: [
                        keys,
                        key_heads * key_size + keys,
                        2 * key_heads * key_size + head * value_size,
                    ],
                    width: channels,
                };
                let gates: Vec<(f32, f32)> =
                    gates.iter().skip(head).step_by(value_heads).copied().collect();
                let mut out = vec![0f32; tokens * value_size];
                delta_rule(head_of, &mixed, &gates, state, &mut out);
                out
            });
            let heads: Vec<Vec<f32>> = heads.collect();
            let mut said = vec![0f32; tokens * width];
            for (t, row) in said.chunks_exact_mut(width).enumerate() {
                for (out, head) in row.chunks_exact_mut(value_size).zip(&heads) {
                    let at = t * value_size;
                    out.copy_from_slice(head.get(at..at + value_size).unwrap_or_default());
                }
            }
            said
        });
        let data: Vec<f32> = said.collect();
        for (Feed { kv, .. }, (_, _, recent, state)) in batch.iter_mut().zip(sequences) {
            kv.put_recurrent(index, Recurrent::Host { recent, state });
        }
        Ok(Rows::Host { data, columns: width })
    }

    /// The same in candle's operations: token by token, all sequences together.
    fn in_tensors(
        &self,
        index: usize,
        rows: &Tensor,
        gates: &[(f32, f32)],
        batch: &mut [Feed<'_>],
        backend: &Backend,
    ) -> Result<Rows> {
        let DeltaShape { key_heads, value_heads, key_size, value_size, kernel, .. } = self.shape;
        let (device, dtype) = (backend.device(), rows.dtype());
        let (channels, convolution) = (self.shape.channels(), self.convolution.to_tensor()?);
        let (mut mixed, mut recents, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
        let mut from = 0;
        for Feed { kv, tokens } in batch.iter_mut() {
            let tokens = tokens.len();
            let (recent, state) = match kv.take_recurrent(index) {
                Some(Recurrent::Device { recent, state }) => (recent, state),
                Some(Recurrent::Host { .. }) => bail!("a state on the host was given to a device"),
                None => (
                    Tensor::zeros((kernel - 1, channels), dtype, device)?,
                    Tensor::zeros((value_heads, key_size, value_size), dtype, device)?,
                ),
            };
            let seen = Tensor::cat(&[&recent, &rows.narrow(0, from, tokens)?], 0)?;
            let mut sum = Tensor::zeros((tokens, channels), dtype, device)?;
            for i in 0..kernel {
                let weight = convolution.narrow(0, i, 1)?;
                sum = (sum + seen.narrow(0, i, tokens)?.broadcast_mul(&weight)?)?;
            }
            mixed.push(sum.silu()?);
            recents.push(seen.narrow(0, tokens, kernel - 1)?.contiguous()?);
            sequences.push(Steps { tokens, from, state });
            from += tokens;
        }
        let mixed = Tensor::cat(&mixed, 0)?;
        let heads: Vec<u32> = (0..value_heads).map(|h| self.shape.keys_of(h) as u32).collect();
        let heads = Tensor::new(heads, device)?;
        // `[rows, value_heads, key_size]`, each of length 1
        let short = |part: usize| -> Result<Tensor> {
            let part = mixed.narrow(1, part * key_heads * key_size, key_heads * key_size)?;
            let part = part.reshape((from, key_heads, key_size))?;
            let length = (part.sqr()?.sum_keepdim(D::Minus1)? + 1e-6)?.sqrt()?;
            part.broadcast_div(&length)?.index_select(&heads, 1)
        };
        let queries = (short(0)? / (key_size as f64).sqrt())?;
        let keys = short(1)?;
        let values = mixed.narrow(1, 2 * key_heads * key_size, value_heads * value_size)?;
        let values = values.contiguous()?.reshape((from, value_heads, value_size))?;
        let gate = |of: fn(&(f32, f32)) -> f32| {
            let gates: Vec<f32> = gates.iter().map(of).collect();
            Tensor::from_vec(gates, (from, value_heads, 1, 1), device)
        };
        let (decay, strength) = (gate(|g| g.0)?, gate(|g| g.1)?);

        // The longest first, so that those that go on stand together.
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        let tokens_of = |i: &usize| sequences.get(*i).map_or(0, |s: &Steps| s.tokens);
        order.sort_by_key(|i| std::cmp::Reverse(tokens_of(i)));
        let ordered: Vec<&Steps> = order.iter().filter_map(|i| sequences.get(*i)).collect();
        let first: Vec<&Tensor> = ordered.iter().map(|s| &s.state).collect();
        let mut state = Tensor::stack(&first, 0)?;
        let mut ended: Vec<Tensor> = Vec::new();
        let (mut said, mut places) = (Vec::new(), vec![0u32; from]);
        let mut row = 0u32;
        for t in 0..ordered.first().map_or(0, |s| s.tokens) {
            let active = ordered.partition_point(|s| s.tokens > t);
            if active < state.dim(0)? {
                ended.push(state.narrow(0, active, state.dim(0)? - active)?);
                state = state.narrow(0, 0, active)?.contiguous()?;
            }
            let at: Vec<u32> = ordered.iter().take(active).map(|s| (s.from + t) as u32).collect();
            for at in &at {
                if let Some(place) = places.get_mut(*at as usize) {
                    *place = row;
                }
                row += 1;
            }
            let at = Tensor::new(at, device)?;
            let pick = |x: &Tensor| x.index_select(&at, 0);
            let key = pick(&keys)?;
            state = state.broadcast_mul(&pick(&decay)?)?;
            let has = key.unsqueeze(2)?.matmul(&state)?;
            let wrong = (pick(&values)?.unsqueeze(2)? - has)?;
            let wrong = wrong.broadcast_mul(&pick(&strength)?)?;
            state = (state + key.unsqueeze(3)?.matmul(&wrong)?)?;
            said.push(pick(&queries)?.unsqueeze(2)?.matmul(&state)?.squeeze(2)?);
        }
        ended.push(state);
        // Those that ended last stand first.
        ended.reverse();
        let states = Tensor::cat(&ended, 0)?;
        let mut by_sequence: Vec<Option<Tensor>> = vec![None; batch.len()];
        for (i, sequence) in order.iter().enumerate() {
            if let Some(place) = by_sequence.get_mut(*sequence) {
                *place = Some(states.get(i)?.contiguous()?);
            }
        }
        for ((Feed { kv, .. }, recent), state) in batch.iter_mut().zip(recents).zip(by_sequence) {
            let Some(state) = state else { bail!("a sequence has no state") };
            kv.put_recurrent(index, Recurrent::Device { recent, state });
        }
        let said = Tensor::cat(&said, 0)?.index_select(&Tensor::new(places, device)?, 0)?;
        said.reshape((from, value_heads * value_size)).map(Rows::Tensor)
    }
}
