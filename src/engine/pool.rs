//! The KV cache on a device, and attention there; in candle's operations alone, so that every device
//! does the same.
//!
//! Each token that a sequence holds has a row in the pool. What is written there never changes, so
//! that sequences share the rows of what is before them (prefixes; what beams wrote before they
//! parted), and nothing is ever copied.

use std::{cell::OnceCell, collections::BTreeMap, sync::Arc};

use candle_core::{DType, Device, Result, Tensor, bail};
use parking_lot::Mutex;

#[cfg(feature = "flash-attn")]
use super::ragged::Ragged;

/// Keys and values of a model's layers, for all tokens that any sequence holds.
pub struct Pool {
    /// Keys and values of each layer, `[kv_heads, rows, head_size]`; none of those that have none.
    layers: Vec<Option<(Tensor, Tensor)>>,
    /// Rows that nobody holds; what is taken next stands last.
    free: Mutex<Vec<u32>>,
    rows: usize,
}

/// What layers keep.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Of a token, each layer: heads of keys and values, and floats of a head; 0 heads where it reads
    /// another's, or needs none.
    pub layers: Vec<(usize, usize)>,
    /// Of a sequence, all layers, however long it is: floats.
    pub sequence: usize,
}

impl Kept {
    /// Bytes of a token in all layers.
    fn bytes(&self, dtype: DType) -> usize {
        let floats: usize = self.layers.iter().map(|(heads, size)| heads * size).sum();
        2 * floats * dtype.size_in_bytes()
    }

    /// The same with a token's share of what its sequence needs.
    fn planned(&self, dtype: DType) -> usize {
        self.bytes(dtype) + self.sequence * size_of::<f32>() / PLANNED
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// A token's row. It is free again when the last sequence that holds it is gone.
#[derive(Debug)]
pub struct Row {
    pool: Arc<Pool>,
    at: u32,
}

impl Drop for Row {
    fn drop(&mut self) {
        self.pool.free.lock().push(self.at);
    }
}

/// Tokens that a sequence is planned to hold, what it shares with others left out: a sentence, its
/// translation and some room.
const PLANNED: usize = 512;
/// Sequences that a device decodes together at most.
const MOST_SEQUENCES: usize = 256;
/// Fewer rows are no use: the instructions and the longest prompt must fit.
const FEWEST_ROWS: usize = 8_192;
/// What a pass computes beside the cache, as a share of the memory that is free for both.
const FOR_PASSES: f64 = 0.2;

impl Pool {
    /// A pool of keys and values in `dtype` with as many rows as `device` has room for, but no more
    /// than can be used.
    ///
    /// # Errors
    /// It has no room for the fewest that are of use; candle's.
    pub fn planned(kept: &Kept, device: &Device, dtype: DType) -> Result<Arc<Self>> {
        let most = MOST_SEQUENCES * PLANNED;
        let rows = match free_memory(device)? {
            Some(free) => {
                let room = (free as f64 * (1.0 - FOR_PASSES)) as usize;
                let rows = most.min(room / kept.planned(dtype).max(1));
                if rows < FEWEST_ROWS {
                    bail!(
                        "the device has {} MB free beside the model's weights, and the cache of \
                         {FEWEST_ROWS} tokens needs {}: take a smaller model, or `--device cpu`",
                        free / 1_000_000,
                        FEWEST_ROWS * kept.planned(dtype) / 1_000_000,
                    )
                }
                rows
            }
            None => 4 * FEWEST_ROWS,
        };
        tracing::debug!(rows, bytes = rows * kept.bytes(dtype), "cache on the device");
        Self::new(kept, rows, dtype, device)
    }

    fn new(kept: &Kept, rows: usize, dtype: DType, device: &Device) -> Result<Arc<Self>> {
        let layer = |(heads, size): &(usize, usize)| {
            let zeros = || Tensor::zeros((*heads, rows, *size), dtype, device);
            Ok(if *heads > 0 { Some((zeros()?, zeros()?)) } else { None })
        };
        let layers = kept.layers.iter().map(layer).collect::<Result<_>>()?;
        let free = Mutex::new((0..rows as u32).rev().collect());
        Ok(Arc::new(Self { layers, free, rows }))
    }

    /// Sequences that are planned to fit.
    pub fn sequences(&self) -> usize {
        (self.rows / PLANNED).clamp(1, MOST_SEQUENCES)
    }

    /// Rows for so many new tokens.
    ///
    /// # Errors
    /// There are no more.
    pub fn take(self: &Arc<Self>, tokens: usize) -> Result<Vec<Arc<Row>>> {
        let mut free = self.free.lock();
        let Some(from) = free.len().checked_sub(tokens) else {
            bail!(
                "the cache on the device is full ({} tokens): take a smaller model, or fewer beams",
                self.rows
            )
        };
        let rows = free.drain(from..).rev().map(|at| Row { pool: self.clone(), at });
        Ok(rows.map(Arc::new).collect())
    }

    /// Keys and values of a layer, `[kv_heads, rows, head_size]`.
    ///
    /// # Errors
    /// There is no such layer.
    pub fn layer(&self, index: usize) -> Result<(&Tensor, &Tensor)> {
        match self.layers.get(index) {
            Some(Some((keys, values))) => Ok((keys, values)),
            _ => bail!("the cache has no layer {index}"),
        }
    }

    /// Writes `keys` and `values`, `[tokens, kv_heads * head_size]`, into the rows `at`.
    ///
    /// # Errors
    /// candle's.
    pub fn write(&self, layer: usize, at: &Tensor, keys: &Tensor, values: &Tensor) -> Result<()> {
        let (all_keys, all_values) = self.layer(layer)?;
        for (all, new) in [(all_keys, keys), (all_values, values)] {
            let new = by_head(new, all.dim(0)?)?.to_dtype(all.dtype())?;
            let at = at.reshape((1, (), 1))?.broadcast_as(new.shape())?.contiguous()?;
            all.scatter_set(&at, &new, 1)?;
        }
        Ok(())
    }
}

/// `[tokens, heads * head_size]` as `[heads, tokens, head_size]`.
pub fn by_head(rows: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, width) = rows.dims2()?;
    rows.reshape((tokens, heads, width / heads.max(1)))?.transpose(0, 1)?.contiguous()
}

/// Where the rows lie.
pub fn places(rows: &[Arc<Row>]) -> impl Iterator<Item = u32> {
    rows.iter().map(|row| row.at)
}

/// Bytes that are free on a device; `None` on those that can't be asked.
fn free_memory(device: &Device) -> Result<Option<usize>> {
    #[cfg(feature = "cuda")]
    if let Ok(cuda) = device.as_cuda_device() {
        let info = cuda.cuda_stream().context().mem_get_info();
        let (free, _) = info.map_err(candle_core::Error::wrap)?;
        return Ok(Some(free));
    }
    let _ = device;
    Ok(None)
}

/// A sequence's part in a pass.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The last of `keys` that each of its rows sees, counted among them.
    pub until: Vec<usize>,
    /// What its rows attend to, in order of position: rows of the tensors that [`Plan::attend`] is
    /// given.
    pub keys: Vec<u32>,
}

/// Which rows of a pass attend to what, for all layers.
pub struct Plan {
    sequences: Vec<Seen>,
    windows: Vec<usize>,
    device: Device,
    /// Once it is needed.
    padded: OnceCell<Padded>,
    /// None where the kernel doesn't know what rows see.
    #[cfg(feature = "flash-attn")]
    ragged: Option<Ragged>,
}

/// The same in groups of sequences.
struct Padded {
    groups: Vec<Group>,
    /// Which row of the groups' results, one after the other, is each of the pass; `None` where it is
    /// the same.
    order: Option<Tensor>,
}

/// Sequences that are computed together, with as many rows each; what some lack is filled up.
struct Group {
    sequences: usize,
    rows: usize,
    /// Rows of the pass, `[sequences * rows]`; `None` where they are all, in order.
    queries: Option<Tensor>,
    /// `[sequences * width]`
    keys: Tensor,
    width: usize,
    /// What is added to the scores of each kind of layer, by its window: `[1, sequences, 1, rows,
    /// width]`; nothing, or minus infinity where a query doesn't see a key.
    masks: BTreeMap<usize, Tensor>,
    /// The first row of each sequence in the pass, and how many are its own.
    members: Vec<(usize, usize)>,
}

impl Plan {
    /// For the sequences of a pass, whose rows follow each other; `windows` are those of its layers.
    ///
    /// # Errors
    /// candle's.
    pub fn new(sequences: Vec<Seen>, windows: &[usize], device: &Device) -> Result<Self> {
        Ok(Self {
            #[cfg(feature = "flash-attn")]
            ragged: if device.is_cuda() { Ragged::new(&sequences, device)? } else { None },
            sequences,
            windows: windows.to_vec(),
            device: device.clone(),
            padded: OnceCell::new(),
        })
    }

    fn padded(&self) -> Result<&Padded> {
        if let Some(padded) = self.padded.get() {
            return Ok(padded);
        }
        let padded = Padded::new(&self.sequences, &self.windows, &self.device)?;
        Ok(self.padded.get_or_init(|| padded))
    }

    /// What is added to the scores of each head, for [`Plan::attend`]: `of` gives it for a head and a
    /// row of the pass, by the place of the key. Heads share no keys.
    ///
    /// # Errors
    /// candle's, or a key for which there is none.
    pub fn biases<'b>(
        &self,
        heads: usize,
        of: impl Fn(usize, usize) -> &'b [f32],
    ) -> Result<Vec<Tensor>> {
        let group = |group: &Group| {
            let Group { sequences, rows, width, members, .. } = group;
            let mut all = Vec::with_capacity(heads * sequences * rows * width);
            for head in 0..heads {
                for (begin, own) in members {
                    for row in 0..*rows {
                        let bias = of(head, begin + row.min(own.saturating_sub(1)));
                        let Some(bias) = bias.get(..*width) else {
                            bail!("there are no biases for {width} keys")
                        };
                        all.extend_from_slice(bias);
                    }
                }
            }
            Tensor::from_vec(all, (heads, *sequences, 1, *rows, *width), &self.device)
        };
        self.padded()?.groups.iter().map(group).collect()
    }

    /// Softmax attention of `queries`, `[rows, heads * head_size]`, to rows of `keys` and `values`,
    /// `[kv_heads, any, head_size]`; in the type of these, but for the softmax. As many floats. A query
    /// sees `window` positions, its own included; dot products are multiplied by `scale`, and `biases`,
    /// if there are any, are added to them: see [`Plan::biases`].
    ///
    /// # Errors
    /// candle's, or a window that the plan wasn't made for.
    pub fn attend(
        &self,
        scale: f32,
        window: usize,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        biases: &[Tensor],
    ) -> Result<Tensor> {
        #[cfg(feature = "flash-attn")]
        if let Some(ragged) = &self.ragged
            && biases.is_empty()
            && ragged.takes(window, keys)
        {
            return ragged.attend(scale, window, queries, keys, values);
        }
        self.padded()?.attend(scale, window, queries, keys, values, biases)
    }
}

impl Padded {
    fn new(sequences: &[Seen], windows: &[usize], device: &Device) -> Result<Self> {
        let mut begin = 0u32;
        // Those with one row, which decode, together; prompts with those of like length.
        let mut classes: BTreeMap<u32, Vec<(u32, &Seen)>> = BTreeMap::new();
        for seen in sequences {
            let rows = seen.until.len() as u32;
            let class = if rows <= 1 { 0 } else { rows.next_multiple_of(16) };
            classes.entry(class).or_default().push((begin, seen));
            begin += rows;
        }
        let total = begin as usize;
        let mut order = vec![0u32; total];
        let (mut groups, mut results) = (Vec::with_capacity(classes.len()), 0u32);
        for members in classes.into_values() {
            let rows = members.iter().map(|(_, s)| s.until.len()).max().unwrap_or(0);
            let width = members.iter().map(|(_, s)| s.keys.len()).max().unwrap_or(0);
            let mut queries = Vec::with_capacity(members.len() * rows);
            let mut keys = Vec::with_capacity(members.len() * width);
            for (begin, seen) in &members {
                let own = seen.until.len() as u32;
                for row in 0..own {
                    if let Some(place) = order.get_mut((begin + row) as usize) {
                        *place = results + queries.len() as u32;
                    }
                    queries.push(begin + row);
                }
                // What isn't there is computed as the first, and taken by nobody.
                queries.extend(std::iter::repeat_n(*begin, rows - own as usize));
                let first = seen.keys.first().copied().unwrap_or(0);
                keys.extend(&seen.keys);
                keys.extend(std::iter::repeat_n(first, width - seen.keys.len()));
            }
            results += queries.len() as u32;
            let mask = |window: usize| -> Result<Tensor> {
                let mut mask = Vec::with_capacity(members.len() * rows * width);
                for (_, seen) in &members {
                    for row in 0..rows {
                        let until = seen.until.get(row).or(seen.until.first()).copied();
                        let end = until.map_or(0, |until| until + 1);
                        let begin = end.saturating_sub(window);
                        let sees = |key| (begin..end).contains(&key);
                        mask.extend(
                            (0..width).map(|k| if sees(k) { 0f32 } else { f32::NEG_INFINITY }),
                        );
                    }
                }
                Tensor::from_vec(mask, (1, members.len(), 1, rows, width), device)
            };
            let masks = windows.iter().map(|window| Ok((*window, mask(*window)?)));
            let whole = queries.len() == total && queries.iter().copied().eq(0..begin);
            groups.push(Group {
                sequences: members.len(),
                rows,
                queries: if whole { None } else { Some(Tensor::new(queries, device)?) },
                keys: Tensor::new(keys, device)?,
                width,
                masks: masks.collect::<Result<_>>()?,
                members: members.iter().map(|(at, s)| (*at as usize, s.until.len())).collect(),
            });
        }
        let same = order.iter().copied().eq(0..begin) && results == begin;
        Ok(Self { groups, order: if same { None } else { Some(Tensor::new(order, device)?) } })
    }

    fn attend(
        &self,
        scale: f32,
        window: usize,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        biases: &[Tensor],
    ) -> Result<Tensor> {
        let (kv_heads, _, size) = keys.dims3()?;
        let columns = queries.dim(1)?;
        let shared = columns / (kv_heads * size).max(1);
        let queries = (queries * f64::from(scale))?.to_dtype(keys.dtype())?;
        let mut results = Vec::with_capacity(self.groups.len());
        for (index, group) in self.groups.iter().enumerate() {
            let Group { sequences, rows, width, .. } = *group;
            let Some(mask) = group.masks.get(&window) else {
                bail!("no pass was planned for a window of {window}")
            };
            let own = match &group.queries {
                Some(ids) => queries.index_select(ids, 0)?,
                None => queries.clone(),
            };
            let own = own
                .reshape((sequences, rows, kv_heads, shared, size))?
                .permute((2, 0, 3, 1, 4))?
                .contiguous()?
                .reshape((kv_heads * sequences, shared * rows, size))?;
            let gather = |all: &Tensor| {
                all.index_select(&group.keys, 1)?.reshape((kv_heads * sequences, width, size))
            };
            let scores = own.matmul(&gather(keys)?.transpose(1, 2)?)?.to_dtype(DType::F32)?;
            let mut scores = scores.reshape((kv_heads, sequences, shared, rows, width))?;
            if let Some(bias) = biases.get(index) {
                scores = (scores + bias)?;
            }
            let scores = scores.broadcast_add(mask)?;
            let weights = candle_nn::ops::softmax_last_dim(&scores)?
                .reshape((kv_heads * sequences, shared * rows, width))?
                .to_dtype(values.dtype())?;
            let attended = weights
                .matmul(&gather(values)?)?
                .reshape((kv_heads, sequences, shared, rows, size))?
                .permute((1, 3, 0, 2, 4))?
                .contiguous()?
                .reshape((sequences * rows, columns))?;
            results.push(attended.to_dtype(DType::F32)?);
        }
        let result = match results.as_slice() {
            [one] => one.clone(),
            several => Tensor::cat(several, 0)?,
        };
        match &self.order {
            Some(order) => result.index_select(order, 0),
            None => Ok(result),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn kept() -> Kept {
        Kept { layers: vec![(2, 3), (2, 3)], sequence: 0 }
    }

    fn numbers(shape: (usize, usize), from: f32) -> Tensor {
        let count = shape.0 * shape.1;
        let values: Vec<f32> = (0..count).map(|i| ((from + i as f32) * 0.37).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn rows_are_free_again_when_nobody_holds_them() {
        let pool = Pool::new(&kept(), 5, DType::F32, &Device::Cpu).unwrap();
        let first = pool.take(3).unwrap();
        let shared = first.clone();
        assert_eq!(places(&first).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(pool.take(3).is_err(), "two are left");
        drop(first);
        assert!(pool.take(3).is_err(), "the others are still held");
        drop(shared);
        assert_eq!(pool.take(5).unwrap().len(), 5);
    }

    #[test]
    fn attention_is_that_of_the_definition_whatever_is_computed_together() {
        // Three sequences with one row, one with two and one with three, in rows that lie anywhere;
        // the second one's keys are shared with the first's.
        let device = Device::Cpu;
        let (heads, size, held) = (4, 3, 24);
        let pool = Pool::new(&kept(), held, DType::F32, &device).unwrap();
        let (keys, values) = (numbers((held, 6), 1.0), numbers((held, 6), 7.0));
        let anywhere: Vec<u32> = (0..held as u32).map(|i| i * 7 % held as u32).collect();
        let at = Tensor::new(anywhere.clone(), &device).unwrap();
        pool.write(1, &at, &keys, &values).unwrap();
        let held_at = |from: usize, to: usize| anywhere.get(from..to).unwrap().to_vec();
        let sequences = vec![
            Seen { until: vec![4], keys: held_at(0, 5) },
            Seen { until: vec![2, 3], keys: held_at(5, 9) },
            Seen { until: vec![6], keys: held_at(0, 7) },
            Seen { until: vec![0, 1, 2], keys: held_at(9, 12) },
            Seen { until: vec![11], keys: held_at(12, 24) },
        ];
        let queries = numbers((8, heads * size), 3.0);
        let rows = |tensor: &Tensor| tensor.to_vec2::<f32>().unwrap();
        let plan = Plan::new(sequences.clone(), &[usize::MAX, 2], &device).unwrap();
        for window in [usize::MAX, 2] {
            let (all_keys, all_values) = pool.layer(1).unwrap();
            let found = plan.attend(0.7, window, &queries, all_keys, all_values, &[]).unwrap();
            let (queries, keys, values) = (rows(&queries), rows(&keys), rows(&values));
            let order = |place: &u32| anywhere.iter().position(|at| at == place).unwrap();
            let mut row = 0;
            for seen in &sequences {
                for until in &seen.until {
                    let from = (until + 1).saturating_sub(window);
                    let seen: Vec<usize> =
                        seen.keys.get(from..=*until).unwrap().iter().map(order).collect();
                    for head in 0..heads {
                        let part = |of: &[f32], head: usize| of[head * size..][..size].to_vec();
                        let query = part(&queries[row], head);
                        let exponentials: Vec<f32> = seen
                            .iter()
                            .map(|k| {
                                let key = part(&keys[*k], head / 2);
                                let dot: f32 = query.iter().zip(&key).map(|(q, k)| q * k).sum();
                                (0.7 * dot).exp()
                            })
                            .collect();
                        let sum: f32 = exponentials.iter().sum();
                        let got = part(&rows(&found)[row], head);
                        for (place, got) in got.iter().enumerate() {
                            let weighed = seen.iter().zip(&exponentials);
                            let expected: f32 = weighed
                                .map(|(k, e)| e / sum * part(&values[*k], head / 2)[place])
                                .sum();
                            assert!((expected - got).abs() < 1e-5, "{window} {row} {head}");
                        }
                    }
                    row += 1;
                }
            }
            assert_eq!(row, 8);
        }
    }
}
