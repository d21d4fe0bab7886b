//! The KV cache: per sequence, with shared prefixes; on the host, or in rows of a device's pool.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};

use super::pool::{Pool, Row, places};

/// Keys and values of one layer, for some tokens.
#[derive(Debug, Clone, Default)]
pub struct LayerKv {
    tokens: usize,
    /// Keys, rotated: `[pages, kv_heads * head_size]` lines, each with a float for each token of its
    /// page, so that a line is multiplied at once and nothing is summed across. Behind the last
    /// token there are zeros.
    pub(super) keys: Vec<[f32; PAGE]>,
    /// Values: `[tokens, kv_heads * head_size]`, row-major.
    pub(super) values: Vec<f32>,
}

impl LayerKv {
    /// Tokens held.
    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Appends a token; `keys` and `values` are `kv_heads * head_size` floats each.
    pub fn push(&mut self, keys: &[f32], values: &[f32]) {
        let lane = self.tokens % PAGE;
        if lane == 0 {
            let lines = self.keys.len() + keys.len();
            self.keys.reserve_exact(keys.len());
            self.keys.resize(lines, [0.0; PAGE]);
            self.values.reserve_exact(PAGE * values.len());
        }
        let page = self.keys.len() - keys.len();
        for (line, key) in self.keys.iter_mut().skip(page).zip(keys) {
            if let Some(place) = line.get_mut(lane) {
                *place = *key;
            }
        }
        self.values.extend_from_slice(values);
        self.tokens += 1;
    }

    /// Appends what stands in another, if this one's last page is full.
    fn append(&mut self, other: &Self) {
        debug_assert!(self.tokens.is_multiple_of(PAGE));
        self.keys.extend_from_slice(&other.keys);
        self.values.extend_from_slice(&other.values);
        self.tokens += other.tokens;
    }
}

/// What a layer of the gated delta rule has of all tokens so far, however many: see `arch::delta`.
#[derive(Debug, Clone)]
pub enum Recurrent {
    /// Row-major.
    Host {
        /// `[kernel - 1, channels]`: what the convolution still needs of the tokens before.
        recent: Vec<f32>,
        /// `[heads, key_size, value_size]`
        state: Vec<f32>,
    },
    /// The same.
    Device {
        /// `[kernel - 1, channels]`
        recent: Tensor,
        /// `[heads, key_size, value_size]`
        state: Tensor,
    },
}

/// A computed prefix: what several prompts begin with. Prefixes form chains, so that an article's
/// context can be appended to a language's instructions without computing those again.
#[derive(Debug)]
pub struct Prefix {
    /// The prefix that this one continues.
    pub(super) parent: Option<Arc<Prefix>>,
    /// This link's tokens.
    pub(super) tokens: Vec<u32>,
    /// This link's keys and values, a layer each; empty on a device.
    pub(super) layers: Vec<LayerKv>,
    /// On a device: a row for each of this link's tokens.
    rows: Vec<Arc<Row>>,
    /// What recurrent layers have at the link's end; none of the others, or of no layer.
    recurrent: Vec<Option<Arc<Recurrent>>>,
}

impl Prefix {
    /// Tokens in the whole chain.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len() + self.parent.as_ref().map_or(0, |p| p.len())
    }

    /// Whether the chain holds exactly these tokens, wherever either is cut.
    #[must_use]
    pub fn holds(&self, levels: &[Vec<u32>]) -> bool {
        let mut links = vec![self];
        while let Some(parent) = links.last().and_then(|p| p.parent.as_deref()) {
            links.push(parent);
        }
        links.iter().rev().flat_map(|link| &link.tokens).eq(levels.iter().flatten())
    }

    /// Whether the chain holds no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Tokens in a page: what beams copy when they part is at most as much.
pub(super) const PAGE: usize = 16;

/// One sequence's cache: a shared prefix and its own tail. A clone shares both, and copies no more
/// than the page that it goes on writing.
#[derive(Debug, Clone)]
pub struct SequenceKv {
    prefix: Option<Arc<Prefix>>,
    prefix_tokens: usize,
    layers: usize,
    /// Layers of up to [`PAGE`] tokens; all pages but the last are full.
    tail: Vec<Arc<Vec<LayerKv>>>,
    /// On a device instead: a row for each token.
    rows: Vec<Arc<Row>>,
    /// What recurrent layers have; as long as they have nothing, it may be shorter.
    recurrent: Vec<Option<Arc<Recurrent>>>,
    tail_tokens: usize,
}

impl SequenceKv {
    /// An empty tail of `layers` layers behind `prefix`.
    #[must_use]
    pub fn new(prefix: Option<Arc<Prefix>>, layers: usize) -> Self {
        Self {
            prefix_tokens: prefix.as_ref().map_or(0, |p| p.len()),
            recurrent: prefix.as_ref().map_or(Vec::new(), |p| p.recurrent.clone()),
            prefix,
            layers,
            tail: Vec::new(),
            rows: Vec::new(),
            tail_tokens: 0,
        }
    }

    /// Tokens held: the position of the next one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefix_tokens + self.tail_tokens
    }

    /// Tokens held behind the shared prefix.
    pub(super) fn tail_len(&self) -> usize {
        self.tail_tokens
    }

    /// Whether no token is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends one token's keys and values to `layer`.
    pub(super) fn push(&mut self, layer: usize, keys: &[f32], values: &[f32]) {
        let is_full =
            |page: &Arc<Vec<LayerKv>>| page.get(layer).is_some_and(|kv| kv.tokens >= PAGE);
        let at = self.tail.partition_point(is_full);
        if at == self.tail.len() {
            self.tail.push(Arc::new(vec![LayerKv::default(); self.layers]));
        }
        let Some(page) = self.tail.get_mut(at).map(Arc::make_mut) else { return };
        if let Some(kv) = page.get_mut(layer) {
            kv.push(keys, values);
        }
    }

    /// Takes out what a recurrent layer has, for a pass to put back.
    pub(super) fn take_recurrent(&mut self, layer: usize) -> Option<Recurrent> {
        self.recurrent.get_mut(layer)?.take().map(Arc::unwrap_or_clone)
    }

    /// The same of a layer that is computed on the host: `recent` and `state`.
    ///
    /// # Errors
    /// They lie on a device.
    pub(super) fn take_recurrent_on_host(
        &mut self,
        layer: usize,
    ) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        match self.take_recurrent(layer) {
            Some(Recurrent::Host { recent, state }) => Ok(Some((recent, state))),
            Some(Recurrent::Device { .. }) => bail!("a state on a device was given to the host"),
            None => Ok(None),
        }
    }

    /// What a recurrent layer has from now on.
    pub(super) fn put_recurrent(&mut self, layer: usize, has: Recurrent) {
        if self.recurrent.len() <= layer {
            self.recurrent.resize(layer + 1, None);
        }
        if let Some(place) = self.recurrent.get_mut(layer) {
            *place = Some(Arc::new(has));
        }
    }

    /// Rows of `pool` for the next `tokens` tokens, which are then to be written there.
    ///
    /// # Errors
    /// There are no more.
    pub(super) fn take(&mut self, pool: &Arc<Pool>, tokens: usize) -> Result<Vec<u32>> {
        // A pass that failed may have left some.
        self.rows.truncate(self.tail_tokens);
        let rows = pool.take(tokens)?;
        let at = places(&rows).collect();
        self.rows.extend(rows);
        Ok(at)
    }

    /// On a device: where all its tokens lie, in order of position.
    pub(super) fn places(&self) -> Vec<u32> {
        let mut all = self.prefix_places();
        all.extend(self.tail_places());
        all
    }

    /// Of these the shared prefix's.
    pub(super) fn prefix_places(&self) -> Vec<u32> {
        let links = self.links();
        links.iter().rev().flat_map(|prefix| places(&prefix.rows)).collect()
    }

    /// Of these the sequence's own.
    pub(super) fn tail_places(&self) -> Vec<u32> {
        places(&self.rows).collect()
    }

    /// Says that `tokens` tokens were pushed to every layer.
    pub(super) fn advance(&mut self, tokens: usize) {
        self.tail_tokens += tokens;
    }

    /// The cache of `layer` as pieces in order of position.
    pub(super) fn pieces(&self, layer: usize) -> Vec<&LayerKv> {
        let mut pieces = self.prefix_pieces(layer);
        pieces.extend(self.tail.iter().filter_map(|page| page.get(layer)));
        pieces
    }

    /// Of these the shared prefix's.
    pub(super) fn prefix_pieces(&self, layer: usize) -> Vec<&LayerKv> {
        self.links().into_iter().rev().filter_map(|prefix| prefix.layers.get(layer)).collect()
    }

    /// The chain of the shared prefix, its end first.
    fn links(&self) -> Vec<&Prefix> {
        std::iter::successors(self.prefix.as_deref(), |link| link.parent.as_deref()).collect()
    }

    /// Of these the sequence's own.
    pub(super) fn tail_pieces(&self, layer: usize) -> Vec<&LayerKv> {
        self.tail.iter().filter_map(|page| page.get(layer)).collect()
    }

    /// Turns the tail into a prefix that other sequences can share.
    pub(super) fn into_prefix(self, tokens: Vec<u32>) -> Prefix {
        let mut layers = match self.tail.is_empty() {
            true => Vec::new(),
            false => vec![LayerKv::default(); self.layers],
        };
        for page in &self.tail {
            for (whole, part) in layers.iter_mut().zip(page.iter()) {
                whole.append(part);
            }
        }
        let Self { prefix: parent, rows, recurrent, .. } = self;
        Prefix { parent, tokens, layers, rows, recurrent }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn push(kv: &mut SequenceKv, value: f32) {
        for layer in 0..2 {
            kv.push(layer, &[value, layer as f32], &[-value, 0.0]);
        }
        kv.advance(1);
    }

    fn keys(kv: &SequenceKv, layer: usize) -> Vec<f32> {
        let keys = |piece: &&LayerKv| -> Vec<f32> {
            let lines: Vec<f32> = piece.keys.iter().step_by(2).flatten().copied().collect();
            assert!(lines[piece.tokens..].iter().all(|zero| *zero == 0.0));
            let values: Vec<f32> = piece.values.iter().step_by(2).map(|value| -value).collect();
            assert_eq!(lines[..piece.tokens], values);
            values
        };
        kv.pieces(layer).iter().flat_map(keys).collect()
    }

    #[test]
    fn what_parted_goes_its_own_way_and_shares_what_was_before() {
        let mut one = SequenceKv::new(None, 2);
        let common = PAGE + 3;
        (0..common).for_each(|i| push(&mut one, i as f32));
        let mut other = one.clone();
        push(&mut one, 100.0);
        push(&mut other, 200.0);
        let before: Vec<f32> = (0..common).map(|i| i as f32).collect();
        for layer in 0..2 {
            assert_eq!(keys(&one, layer), [&before[..], &[100.0]].concat());
            assert_eq!(keys(&other, layer), [&before[..], &[200.0]].concat());
        }
        assert!(Arc::ptr_eq(&one.tail[0], &other.tail[0]), "a full page is shared");
        let prefix = Arc::new(other.into_prefix((0..=common as u32).collect()));
        let mut next = SequenceKv::new(Some(prefix), 2);
        push(&mut next, 300.0);
        assert_eq!(next.len(), common + 2);
        assert_eq!(keys(&next, 1), [&before[..], &[200.0, 300.0]].concat());
    }
}
