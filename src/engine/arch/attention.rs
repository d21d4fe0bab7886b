//! Attention of all rows of a pass, computed on the host.

use std::cell::RefCell;

use rayon::prelude::*;

use super::super::{
    kernels::{Attention, attend},
    kv::LayerKv,
};

/// What heads have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values; several query heads share one.
    pub kv_heads: usize,
    /// Floats of a head.
    pub head_size: usize,
    /// Multiplies the dot products.
    pub scale: f32,
    /// Positions that a query sees, the last one included; `usize::MAX` for all.
    pub window: usize,
}

/// A sequence in a pass.
pub(super) struct Attending<'a> {
    /// Its rows, which follow those of the sequence before.
    pub rows: usize,
    /// What they attend to, in order of position.
    pub pieces: Vec<&'a LayerKv>,
}

/// What is added to the scores of each head by how far a key is from a query (Raffel et al. 2020,
/// arXiv:1910.10683, 2.1), for heads that share no keys.
pub(super) struct Biases {
    /// Of each head; a query at the place `zero` finds that of the first key at 0, one before it at 1.
    pub of_heads: Vec<Vec<f32>>,
    /// The last place of a query.
    pub zero: usize,
    /// Where each row of the pass stands among its sequence's keys.
    pub places: Vec<usize>,
}

impl Biases {
    /// For a row's scores in a head, by the place of the key.
    pub fn of(&self, head: usize, row: usize) -> &[f32] {
        let from = self.zero.saturating_sub(self.places.get(row).copied().unwrap_or(0));
        self.of_heads.get(head).and_then(|all| all.get(from..)).unwrap_or_default()
    }
}

/// Attends `queries`, `[rows, heads * head_size]`, each to what its sequence holds up to the
/// position that `until` has for its row. Returns as many floats.
pub(super) fn attend_rows(
    of: Heads,
    queries: &[f32],
    until: &[usize],
    sequences: &[Attending<'_>],
    biases: Option<&Biases>,
) -> Vec<f32> {
    thread_local! {
        /// Room that [`attend`] asks for.
        static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    // A unit of work: a few rows of one sequence and one KV head with all its query heads.
    const ROWS: usize = 8;
    let Heads { heads, kv_heads, head_size, scale, window } = of;
    let group = heads / kv_heads;
    let mut units = Vec::new();
    let mut row = 0;
    for sequence in sequences {
        let end = row + sequence.rows;
        while row < end {
            let rows = row..(row + ROWS).min(end);
            units.extend((0..kv_heads).map(|head| (sequence, head, rows.clone())));
            row = rows.end;
        }
    }
    let head_at = |row: usize, head: usize| (row * heads + head) * head_size;
    let results: Vec<Vec<f32>> = units
        .par_iter()
        .map(|(sequence, kv_head, rows)| {
            let mut q = Vec::with_capacity(rows.len() * group * head_size);
            let mut at = Vec::with_capacity(rows.len() * group);
            for row in rows.clone() {
                let from = head_at(row, kv_head * group);
                q.extend_from_slice(queries.get(from..from + group * head_size).unwrap_or(&[]));
                at.extend(std::iter::repeat_n(until.get(row).copied().unwrap_or(0), group));
            }
            let own: Vec<&[f32]> = match biases {
                Some(biases) => rows.clone().map(|row| biases.of(*kv_head, row)).collect(),
                None => Vec::new(),
            };
            let mut out = vec![0f32; q.len()];
            let a = Attention { head_size, kv_heads, kv_head: *kv_head, scale, window };
            SCORES.with_borrow_mut(|scores| {
                attend(a, &sequence.pieces, &q, &at, &own, scores, &mut out);
            });
            out
        })
        .collect();
    let mut out = vec![0f32; queries.len()];
    let mut rest = out.as_mut_slice();
    let mut tasks = Vec::with_capacity(units.len());
    // All heads of the same rows stand together.
    for (units, results) in units.chunks(kv_heads).zip(results.chunks(kv_heads)) {
        let count = units.first().map_or(0, |(.., rows)| rows.len());
        let (own, others) = std::mem::take(&mut rest).split_at_mut(count * heads * head_size);
        tasks.push((own, results));
        rest = others;
    }
    tasks.into_par_iter().for_each(|(out, results)| {
        let width = group * head_size;
        for (row, out) in out.chunks_exact_mut(heads * head_size).enumerate() {
            for (out, result) in out.chunks_exact_mut(width).zip(results) {
                out.copy_from_slice(result.get(row * width..(row + 1) * width).unwrap_or(&[]));
            }
        }
    });
    out
}
