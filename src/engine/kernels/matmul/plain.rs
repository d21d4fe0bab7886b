//! The definition, one weight at a time.

use half::f16;

use super::{
    super::panels::{PANEL, Sums},
    BLOCK,
    activations::{Block, Wide},
    layout::{Layout, Line},
};

fn float(line: &Line, at: usize) -> f32 {
    f32::from_le_bytes(std::array::from_fn(|i| line.0[at + i]))
}

fn half(line: &Line, at: usize) -> f32 {
    f16::from_le_bytes([line.0[at], line.0[at + 1]]).to_f32()
}

/// A unit's scale and min in a lane.
fn scales<L: Layout>(unit: &[Line], lane: usize) -> (f32, f32) {
    if L::MINS {
        (half(&unit[0], 2 * lane), half(&unit[0], 32 + 2 * lane))
    } else {
        (float(&unit[0], 4 * lane), 0.0)
    }
}

/// The code of weight `k` of 32.
fn code<L: Layout>(codes: &[Line], lane: usize, k: usize) -> i32 {
    let (quad, at) = (k / 4, 4 * lane + k % 4);
    let low = || codes[quad / 2].0[at] >> (4 * (quad % 2)) & 15;
    i32::from(match L::BITS {
        4 => low(),
        5 => low() | (codes[4].0[at] >> quad & 1) << 4,
        6 => low() | (codes[4 + quad / 4].0[at] >> (2 * (quad % 4)) & 3) << 4,
        _ => codes[quad].0[at],
    }) - L::OFFSET
}

fn activation(codes: &[i32], k: usize) -> i32 {
    i32::from((codes[k / 4] >> (8 * (k % 4))) as i8)
}

pub(super) fn blocks<L: Layout>(lines: &[Line], rows: &[Block], out: &mut [Sums]) {
    let units = lines.len() / L::LINES;
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        for lane in 0..PANEL {
            let (d, min) = scales::<L>(unit, lane);
            for (row, out) in rows.chunks_exact(units).zip(out.iter_mut()) {
                let block = &row[u];
                let product =
                    |k| code::<L>(&unit[L::CODES..], lane, k) * activation(&block.codes, k);
                let sum: i32 = (0..BLOCK).map(product).sum();
                out[lane] = (sum as f32).mul_add(d * block.scale, out[lane]);
                if L::MINS {
                    out[lane] = (-min).mul_add(block.sum, out[lane]);
                }
            }
        }
    }
}

pub(super) fn wides<L: Layout>(lines: &[Line], rows: &[Wide], out: &mut [Sums]) {
    let units = lines.len() / L::LINES;
    for (u, unit) in lines.chunks_exact(L::LINES).enumerate() {
        for lane in 0..PANEL {
            let (d, dmin) = scales::<L>(unit, lane);
            let scale = |i: usize| i32::from(unit[1 + i / 4].0[i % 4 * 16 + lane] as i8);
            let min = |i: usize| i32::from(unit[1 + L::SCALES + i / 4].0[i % 4 * 16 + lane]);
            for (row, out) in rows.chunks_exact(units).zip(out.iter_mut()) {
                let wide = &row[u];
                let product = |k: usize| {
                    let codes = &unit[L::CODES + k / BLOCK * L::CODE_LINES..];
                    let product = code::<L>(codes, lane, k % BLOCK) * activation(&wide.codes, k);
                    scale(k / L::SHARING) * product
                };
                let sum: i32 = (0..L::WEIGHTS).map(product).sum();
                out[lane] = (sum as f32).mul_add(d * wide.scale, out[lane]);
                if L::MINS {
                    let whole = |i: usize| (wide.blocks[i / 2] >> (16 * (i % 2))) as i16;
                    let sum: i32 = (0..L::BLOCKS).map(|i| min(i) * i32::from(whole(i))).sum();
                    out[lane] = (-(sum as f32)).mul_add(dmin * wide.scale, out[lane]);
                }
            }
        }
    }
}
