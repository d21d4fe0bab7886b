//! What products with matrices in panels share. A panel is sixteen rows of weights, one to each f32
//! lane of an AVX-512 register, so that nothing is summed across lanes.

#![allow(clippy::indexing_slicing)] // chunks of the rows that there are

use std::ops::Range;

use rayon::prelude::*;

/// Rows of weights in a panel.
pub(super) const PANEL: usize = 16;
/// Rows of activations that a panel is multiplied with before the next ones, at most: their sums and
/// what is unpacked of a panel for all of them stay in the innermost cache.
const CHUNK: usize = 128;
/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 20;

/// A row of activations' products with a panel.
pub(super) type Sums = [f32; PANEL];

/// Multiplies `count` rows of activations with a matrix, `shape` being its rows and columns, and
/// `lines` its panels, `panel` lines each. `multiply` gets a panel and which activations, and adds
/// to a row of sums for each, which are zero. Returns `[count, rows]`, row-major.
pub(super) fn by_panels<T: Sync>(
    lines: &[T],
    panel: usize,
    shape: (usize, usize),
    count: usize,
    multiply: impl Fn(&[T], Range<usize>, &mut [Sums]) + Sync,
) -> Vec<f32> {
    let (rows, columns) = shape;
    assert_eq!(lines.len(), rows.div_ceil(PANEL) * panel);
    let mut out: Vec<f32> = Vec::with_capacity(count * rows);
    let target = Target(out.as_mut_ptr());
    let work = PANEL * columns * count;
    let panels = lines.par_chunks(panel.max(1)).with_min_len(TASK.div_ceil(work.max(1)));
    let room = || vec![Sums::default(); count.min(CHUNK)];
    panels.enumerate().for_each_init(room, |sums, (panel, lines)| {
        let target = &target;
        let first = panel * PANEL;
        let width = PANEL.min(rows - first);
        for from in (0..count).step_by(CHUNK) {
            let chunk = from..count.min(from + CHUNK);
            let sums = &mut sums[..chunk.len()];
            sums.fill(Sums::default());
            multiply(lines, chunk.clone(), sums);
            for (row, sums) in chunk.zip(&*sums) {
                // SAFETY: `out` has room for count × rows floats; `row` is below count, and this
                // panel alone writes columns first..first + width.
                #[allow(unsafe_code)]
                unsafe {
                    let place = target.0.add(row * rows + first);
                    place.copy_from_nonoverlapping(sums.as_ptr(), width);
                }
            }
        }
    });
    // SAFETY: there is a panel for every column, as asserted, and it wrote all rows of it.
    #[allow(unsafe_code)]
    unsafe {
        out.set_len(count * rows);
    }
    out
}

/// Where panels write: each its own columns.
struct Target(*mut f32);
// SAFETY: threads write to disjoint places.
#[allow(unsafe_code)]
unsafe impl Sync for Target {}
