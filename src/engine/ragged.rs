//! Attention of sequences of any lengths that lie one behind the other, none filled up, in one kernel:
//! FlashAttention 2 (Dao 2023, arXiv:2307.08691), as candle-flash-attn has it for NVIDIA GPUs.

use candle_core::{DType, Device, Result, Tensor};

use super::pool::Seen;

/// What the rows of a pass attend to, as the kernel wants it told.
pub struct Ragged {
    /// Rows of the tensors that hold keys and values: those of all sequences.
    keys: Tensor,
    /// Where each sequence's queries, and keys, end among all; a 0 before the first.
    query_ends: Tensor,
    key_ends: Tensor,
    longest_query: usize,
    longest_keys: usize,
    /// Whether a row doesn't see what is behind it, the last one being that of the last key. Else each
    /// sees all.
    causal: bool,
}

impl Ragged {
    /// For the sequences of a pass, whose rows follow each other. None where rows see what the kernel
    /// can't be told.
    ///
    /// # Errors
    /// candle's.
    pub fn new(sequences: &[Seen], device: &Device) -> Result<Option<Self>> {
        let all = sequences.iter().all(|seen| {
            seen.until.iter().all(|until| until + 1 == seen.keys.len()) && !seen.until.is_empty()
        });
        let causal = sequences.iter().all(|seen| {
            let before = seen.keys.len().checked_sub(seen.until.len());
            before.is_some_and(|before| seen.until.iter().copied().eq(before..seen.keys.len()))
        });
        if sequences.is_empty() || !(all || causal) {
            return Ok(None);
        }
        let ends = |length: fn(&Seen) -> usize| {
            let ends = sequences.iter().scan(0, |end, seen| {
                *end += length(seen) as u32;
                Some(*end)
            });
            let ends: Vec<u32> = std::iter::once(0).chain(ends).collect();
            Tensor::new(ends, device)
        };
        let longest = |length: fn(&Seen) -> usize| sequences.iter().map(length).max().unwrap_or(0);
        let keys: Vec<u32> = sequences.iter().flat_map(|seen| seen.keys.iter().copied()).collect();
        Ok(Some(Self {
            keys: Tensor::new(keys, device)?,
            query_ends: ends(|seen| seen.until.len())?,
            key_ends: ends(|seen| seen.keys.len())?,
            longest_query: longest(|seen| seen.until.len()),
            longest_keys: longest(|seen| seen.keys.len()),
            causal,
        }))
    }

    /// Whether the kernel can compute attention of queries that see `window` positions to such keys:
    /// 16-bit floats, heads of up to 512 in whole eights.
    #[must_use]
    pub fn takes(&self, window: usize, keys: &Tensor) -> bool {
        let size = keys.dims().last().copied().unwrap_or(0);
        (self.causal || window >= self.longest_keys)
            && matches!(keys.dtype(), DType::BF16 | DType::F16)
            && size <= 512
            && size.is_multiple_of(8)
    }

    /// Softmax attention of `queries`, `[rows, heads * head_size]`, to rows of `keys` and `values`,
    /// `[kv_heads, any, head_size]`, as [`super::pool::Plan::attend`]; as many floats, in f32. A query
    /// sees `window` positions, its own included.
    ///
    /// # Errors
    /// candle's; the kernel's, for keys that it doesn't take.
    #[cfg(feature = "flash-attn")]
    pub fn attend(
        &self,
        scale: f32,
        window: usize,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<Tensor> {
        self.attend_by(queries, keys, values, |queries, keys, values| {
            candle_flash_attn::flash_attn_varlen_windowed(
                queries,
                keys,
                values,
                &self.query_ends,
                &self.key_ends,
                self.longest_query,
                self.longest_keys,
                scale,
                self.causal.then(|| window.saturating_sub(1)),
                self.causal.then_some(0),
            )
        })
    }

    /// The same by any kernel: of `[rows, heads, head_size]` to `[all keys, kv_heads, head_size]`,
    /// twice.
    fn attend_by(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        kernel: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let size = keys.dim(2)?;
        let (rows, columns) = queries.dims2()?;
        let queries = queries.reshape((rows, columns / size.max(1), size))?;
        let gather = |all: &Tensor| all.index_select(&self.keys, 1)?.transpose(0, 1);
        let attended = kernel(&queries.to_dtype(keys.dtype())?, &gather(keys)?, &gather(values)?)?;
        attended.to_dtype(DType::F32)?.reshape((rows, columns))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::engine::pool::Plan;

    const HEADS: usize = 4;
    const KV_HEADS: usize = 2;
    const SIZE: usize = 8;
    const HELD: usize = 40;
    const SCALE: f32 = 0.7;

    fn numbers(shape: &[usize], from: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| ((from + i as f32) * 0.37).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Sequences of `(rows, keys)`, keys lying anywhere; `until` says what a row sees.
    fn pass(lengths: &[(usize, usize)], until: fn(usize, usize, usize) -> usize) -> Vec<Seen> {
        let sequence = |(i, (rows, keys)): (usize, &(usize, usize))| Seen {
            until: (0..*rows).map(|row| until(row, *rows, *keys)).collect(),
            keys: (0..*keys).map(|k| ((3 * i + k) * 7 % HELD) as u32).collect(),
        };
        lengths.iter().enumerate().map(sequence).collect()
    }

    fn causal(row: usize, rows: usize, keys: usize) -> usize {
        keys - rows + row
    }

    fn all(_: usize, _: usize, keys: usize) -> usize {
        keys - 1
    }

    /// What the kernel's documentation says: sequences end where they are told to end; a row sees all
    /// keys of its own, or none behind its place, the last row standing at the last key, and `window`
    /// of them.
    fn documented(
        of: &Ragged,
        window: usize,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<Tensor> {
        let (query_ends, key_ends) =
            (of.query_ends.to_vec1::<u32>()?, of.key_ends.to_vec1::<u32>()?);
        let (queries, keys) = (queries.to_vec3::<f32>()?, keys.to_vec3::<f32>()?);
        let values = values.to_vec3::<f32>()?;
        let mut out = Vec::new();
        for (query_ends, key_ends) in query_ends.windows(2).zip(key_ends.windows(2)) {
            let of_both = |ends: &[u32]| ends[0] as usize..ends[1] as usize;
            let (rows, held) = (of_both(query_ends), of_both(key_ends));
            assert!(rows.len() <= of.longest_query && held.len() <= of.longest_keys);
            for row in rows.clone() {
                let seen = match of.causal {
                    true => {
                        let end = held.end - (rows.end - 1 - row);
                        held.start.max(end.saturating_sub(window))..end
                    }
                    false => held.clone(),
                };
                for (head, query) in queries[row].iter().enumerate() {
                    let shared = head / (HEADS / KV_HEADS);
                    let product = |k: usize| -> f32 {
                        query.iter().zip(&keys[k][shared]).map(|(q, k)| q * k).sum()
                    };
                    let weights: Vec<f32> =
                        seen.clone().map(|k| (SCALE * product(k)).exp()).collect();
                    let sum: f32 = weights.iter().sum();
                    out.extend((0..SIZE).map(|i| -> f32 {
                        let weighed = seen.clone().zip(&weights);
                        weighed.map(|(k, weight)| weight / sum * values[k][shared][i]).sum()
                    }));
                }
            }
        }
        Tensor::from_vec(out, (queries.len(), HEADS, SIZE), &Device::Cpu)
    }

    #[test]
    fn a_kernel_for_ragged_sequences_is_told_what_a_plan_says() {
        let (keys, values) =
            (numbers(&[KV_HEADS, HELD, SIZE], 1.0), numbers(&[KV_HEADS, HELD, SIZE], 7.0));
        let decoding = [(1, 5), (1, 1), (1, 17)];
        let prompts = [(3, 9), (1, 4), (6, 6)];
        for (lengths, until, windows) in [
            (decoding, causal as fn(usize, usize, usize) -> usize, &[usize::MAX, 4][..]),
            (prompts, causal, &[usize::MAX, 4, 1]),
            (prompts, all, &[usize::MAX, 9]),
        ] {
            let sequences = pass(&lengths, until);
            let rows = lengths.iter().map(|(rows, _)| rows).sum();
            let queries = numbers(&[rows, HEADS * SIZE], 3.0);
            let ragged = Ragged::new(&sequences, &Device::Cpu).unwrap().unwrap();
            let plan = Plan::new(sequences, windows, &Device::Cpu).unwrap();
            for &window in windows {
                assert!(ragged.takes(window, &keys.to_dtype(DType::BF16).unwrap()), "{window}");
                let got = ragged.attend_by(&queries, &keys, &values, |queries, keys, values| {
                    documented(&ragged, window, queries, keys, values)
                });
                let expected = plan.attend(SCALE, window, &queries, &keys, &values, &[]).unwrap();
                let far = (got.unwrap() - expected).unwrap().abs().unwrap().max_all().unwrap();
                assert!(far.to_scalar::<f32>().unwrap() < 1e-5, "{lengths:?} {window}");
            }
        }
    }

    #[test]
    fn what_a_kernel_for_ragged_sequences_does_not_know_is_left_to_others() {
        let made = |until| Ragged::new(&pass(&[(3, 9), (4, 6)], until), &Device::Cpu).unwrap();
        // All see less than what there is.
        assert!(made(|row, _, _| row).is_none());
        assert!(Ragged::new(&[], &Device::Cpu).unwrap().is_none());
        let keys = numbers(&[KV_HEADS, HELD, SIZE], 1.0);
        let half = keys.to_dtype(DType::BF16).unwrap();
        let (whole, before) = (made(all).unwrap(), made(causal).unwrap());
        // A window is one of what is before.
        assert!(before.takes(8, &half) && !whole.takes(8, &half));
        // In 32 bits, and heads of no whole eights.
        assert!(!before.takes(usize::MAX, &keys));
        assert!(!before.takes(usize::MAX, &half.narrow(2, 0, 7).unwrap()));
    }

    /// On a GPU: beside the same without it.
    #[cfg(feature = "flash-attn")]
    #[test]
    fn the_kernel_attends_as_products_and_softmax_do() {
        let Ok(device) = Device::new_cuda(0) else {
            eprintln!("SKIPPED: FlashAttention was not tried, since there is no NVIDIA GPU");
            return;
        };
        let on_device = |x: Tensor| x.to_device(&device).unwrap().to_dtype(DType::BF16).unwrap();
        let keys = on_device(numbers(&[KV_HEADS, HELD, SIZE], 1.0));
        let values = on_device(numbers(&[KV_HEADS, HELD, SIZE], 7.0));
        let prompts = [(3, 9), (1, 4), (6, 6)];
        for (until, windows) in [
            (causal as fn(usize, usize, usize) -> usize, &[usize::MAX, 4, 1][..]),
            (all, &[usize::MAX, 9]),
        ] {
            let sequences = pass(&prompts, until);
            let queries = numbers(&[10, HEADS * SIZE], 3.0).to_device(&device).unwrap();
            let ragged = Ragged::new(&sequences, &device).unwrap().unwrap();
            // In 32 bits, which the kernel doesn't take.
            let plan = Plan::new(sequences, windows, &device).unwrap();
            let full = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
            for &window in windows {
                let got = ragged.attend(SCALE, window, &queries, &keys, &values).unwrap();
                let expected =
                    plan.attend(SCALE, window, &queries, &full(&keys), &full(&values), &[]);
                let far = (got - expected.unwrap()).unwrap().abs().unwrap().max_all().unwrap();
                // Queries, weights and results are rounded to bf16.
                assert!(far.to_scalar::<f32>().unwrap() < 2e-2, "{window}");
            }
        }
    }
}
