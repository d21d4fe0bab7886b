//! TER (Snover et al. 2006): the words to insert, delete and replace and the runs of words to move
//! until a translation is its reference, by the number of the reference's words.
//!
//! The moves are found greedily, and by many arbitrary rules; they are Tercom's, as sacrebleu has
//! them (mjpost/sacrebleu, `sacrebleu/metrics/lib_ter.py`).

use std::{
    cmp::Reverse,
    collections::HashMap,
    ops::{Add, Range},
};

use super::tokenize::words;

/// sacrebleu's defaults, as its signature says them.
pub const SETTINGS: &str = "case:lc|tok:tercom|norm:no|punct:yes|asian:no";

/// Words that are moved together, at most.
const SHIFT_WORDS: usize = 10;
/// Places between where a run of words stands and where the reference has it, at most.
const SHIFT_DISTANCE: usize = 50;
/// Moves that are tried on one line, at most.
const SHIFT_CANDIDATES: usize = 1000;
/// Cells on either side of the diagonal that are computed.
const BEAM: usize = 25;

/// Edits and words of the reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    edits: usize,
    reference: usize,
}

impl Statistics {
    /// Those of one line; case doesn't matter.
    #[must_use]
    pub fn of(hypothesis: &str, reference: &str) -> Self {
        let (hypothesis, reference) = (hypothesis.to_lowercase(), reference.to_lowercase());
        let mut ids: HashMap<&str, u32> = HashMap::new();
        let mut numbered = |line| -> Vec<u32> {
            words(line)
                .map(|word| {
                    let next = ids.len() as u32;
                    *ids.entry(word).or_insert(next)
                })
                .collect()
        };
        let (hypothesis, reference) = (numbered(&hypothesis), numbered(&reference));
        Self { edits: edits(hypothesis, &reference), reference: reference.len() }
    }

    /// TER: edits in 100 words of the reference.
    #[must_use]
    pub fn score(&self) -> f64 {
        match *self {
            Self { edits: 0, reference: 0 } => 0.0,
            Self { reference: 0, .. } => 100.0,
            Self { edits, reference } => 100.0 * (edits as f64 / reference as f64),
        }
    }
}

impl Add for Statistics {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { edits: self.edits + other.edits, reference: self.reference + other.reference }
    }
}

impl std::iter::Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), Add::add)
    }
}

/// Moves and single edits that make `words` the reference.
fn edits(mut words: Vec<u32>, reference: &[u32]) -> usize {
    if reference.is_empty() {
        return words.len();
    }
    let matrix = Matrix::new(words.len(), reference);
    let (mut shifts, mut tried) = (0, 0);
    loop {
        let rows = matrix.rows(&words);
        match best_shift(&matrix, &rows, &words, &mut tried) {
            Some(shift) if tried < SHIFT_CANDIDATES => {
                words = shift.applied(&words);
                shifts += 1;
            }
            _ => return shifts + matrix.cost(&rows) as usize,
        }
    }
}

/// What became of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Substitute,
    Insert,
    Delete,
    /// The cell is out of the beam's reach.
    Unreached,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    cost: u32,
    edit: Edit,
}

const UNREACHED: Cell = Cell { cost: u32::MAX / 2, edit: Edit::Unreached };

/// The cells of one row that the beam reaches: those from column `first` on.
struct Row {
    first: usize,
    cells: Vec<Cell>,
}

impl Row {
    fn cell(&self, column: usize) -> Cell {
        let cell = column.checked_sub(self.first).and_then(|at| self.cells.get(at));
        cell.copied().unwrap_or(UNREACHED)
    }
}

/// The edit distances between prefixes of a hypothesis (rows) and of the reference (columns), near
/// the diagonal. Moving words doesn't change the hypothesis's length, so it stands for all moves.
struct Matrix<'a> {
    reference: &'a [u32],
    words: usize,
    /// Columns that a row is further down.
    slope: f64,
    beam: usize,
}

impl<'a> Matrix<'a> {
    fn new(words: usize, reference: &'a [u32]) -> Self {
        let slope = if words > 0 { reference.len() as f64 / words as f64 } else { 1.0 };
        // Rows that lie far apart need a wider beam to touch.
        let beam =
            if slope / 2.0 > BEAM as f64 { (slope / 2.0).ceil() as usize + BEAM } else { BEAM };
        Self { reference, words, slope, beam }
    }

    /// All rows, the one of the empty prefix first.
    fn rows(&self, words: &[u32]) -> Vec<Row> {
        let mut row = Row {
            first: 0,
            cells: (0..=self.reference.len() as u32)
                .map(|cost| Cell { cost, edit: Edit::Insert })
                .collect(),
        };
        let mut rows = Vec::with_capacity(words.len() + 1);
        for (number, word) in (1..).zip(words) {
            let next = self.next_row(&row, number, *word);
            rows.push(std::mem::replace(&mut row, next));
        }
        rows.push(row);
        rows
    }

    /// The row after `previous`, which is that of the first `number` words, `word` the last.
    fn next_row(&self, previous: &Row, number: usize, word: u32) -> Row {
        let columns = self.columns(number);
        let mut cells = Vec::with_capacity(columns.len());
        let mut left = UNREACHED;
        let first = columns.start;
        for column in columns {
            let straight = column.checked_sub(1).map_or(UNREACHED, |before| {
                let Cell { cost, .. } = previous.cell(before);
                if self.reference.get(before) == Some(&word) {
                    Cell { cost, edit: Edit::Keep }
                } else {
                    Cell { cost: cost + 1, edit: Edit::Substitute }
                }
            });
            let delete = Cell { cost: previous.cell(column).cost + 1, edit: Edit::Delete };
            let insert = Cell { cost: left.cost + 1, edit: Edit::Insert };
            // Of edits that cost the same, the first of these is taken.
            let mut cell = UNREACHED;
            for edit in [straight, delete, insert] {
                if edit.cost < cell.cost {
                    cell = edit;
                }
            }
            cells.push(cell);
            left = cell;
        }
        Row { first, cells }
    }

    /// The columns within the beam; the last row reaches the reference's end.
    fn columns(&self, number: usize) -> Range<usize> {
        let diagonal = (number as f64 * self.slope).floor() as usize;
        let end = self.reference.len() + 1;
        let last = if number == self.words { end } else { end.min(diagonal + self.beam) };
        diagonal.saturating_sub(self.beam)..last
    }

    /// The edits to the whole reference, after these rows.
    fn cost(&self, rows: &[Row]) -> u32 {
        rows.last().map_or(UNREACHED, |row| row.cell(self.reference.len())).cost
    }

    /// [`Matrix::cost`] of other words, of which the first `same` are those of `rows`.
    fn cost_of(&self, words: &[u32], rows: &[Row], same: usize) -> u32 {
        let mut last: Option<Row> = None;
        for (at, word) in words.iter().enumerate().skip(same) {
            let Some(previous) = last.as_ref().or(rows.get(at)) else { break };
            last = Some(self.next_row(previous, at + 1, *word));
        }
        self.cost(last.as_ref().map_or(rows, std::slice::from_ref))
    }
}

/// Which words belong together, once the cheapest edits are known.
struct Alignment {
    /// For each word of the reference, how many words of the hypothesis stand up to its place.
    places: Vec<usize>,
    /// Whether each word of the reference is missing or wrong.
    reference_errors: Vec<bool>,
    /// Whether each word of the hypothesis is superfluous or wrong.
    hypothesis_errors: Vec<bool>,
}

impl Alignment {
    fn new(rows: &[Row], reference: usize) -> Self {
        let (mut row, mut column) = (rows.len().saturating_sub(1), reference);
        let mut places = Vec::with_capacity(column);
        let mut reference_errors = Vec::with_capacity(column);
        let mut hypothesis_errors = Vec::with_capacity(row);
        while row > 0 || column > 0 {
            let edit = rows.get(row).map_or(Edit::Unreached, |row| row.cell(column).edit);
            if edit != Edit::Delete {
                places.push(row);
                reference_errors.push(edit != Edit::Keep);
                column = column.saturating_sub(1);
            }
            if edit != Edit::Insert {
                hypothesis_errors.push(edit != Edit::Keep);
                row = row.saturating_sub(1);
            }
        }
        places.reverse();
        reference_errors.reverse();
        hypothesis_errors.reverse();
        Self { places, reference_errors, hypothesis_errors }
    }
}

/// A run of words that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    /// Where it starts.
    start: usize,
    /// How many words.
    length: usize,
    /// Before which word of the hypothesis it goes, by Tercom's count.
    target: usize,
}

impl Shift {
    fn applied(self, words: &[u32]) -> Vec<u32> {
        let mut moved = words.to_vec();
        let run: Vec<u32> = moved.drain(self.start..self.start + self.length).collect();
        let at = self.place().min(moved.len());
        moved.splice(at..at, run);
        moved
    }

    /// Where the run starts once it has moved. A target within the run counts on from its start.
    fn place(self) -> usize {
        if self.target > self.start + self.length { self.target - self.length } else { self.target }
    }
}

/// The shift that saves most edits, if any saves some. `tried` counts candidates, over all calls.
fn best_shift(matrix: &Matrix, rows: &[Row], words: &[u32], tried: &mut usize) -> Option<Shift> {
    let before = matrix.cost(rows);
    let aligned = Alignment::new(rows, matrix.reference.len());
    let any = |errors: &[bool], start: usize, length: usize| {
        errors.iter().skip(start).take(length).any(|error| *error)
    };
    let mut best = None;
    for (start, in_reference, length) in common_runs(words, matrix.reference) {
        // Only wrong words move, and only to where the reference isn't met yet.
        if !any(&aligned.hypothesis_errors, start, length)
            || !any(&aligned.reference_errors, in_reference, length)
        {
            continue;
        }
        let mut targets = aligned.places.iter().copied().skip(in_reference).take(length).peekable();
        if targets.peek().is_some_and(|place| (start + 1..=start + length).contains(place)) {
            continue;
        }
        let ahead = in_reference.checked_sub(1).and_then(|at| aligned.places.get(at));
        let mut last = None;
        for target in std::iter::once(ahead.copied().unwrap_or(0)).chain(targets) {
            if last.replace(target) == Some(target) {
                continue;
            }
            let shift = Shift { start, length, target };
            let cost = matrix.cost_of(&shift.applied(words), rows, shift.start.min(shift.place()));
            // Then the longest, then the earliest, then the one that goes furthest ahead.
            let rank = (Reverse(cost), length, Reverse(start), Reverse(target));
            *tried += 1;
            if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, shift));
            }
        }
        if *tried >= SHIFT_CANDIDATES {
            break;
        }
    }
    best.filter(|((cost, ..), _)| cost.0 < before).map(|(_, shift)| shift)
}

/// The runs of words that both have: start in the hypothesis, start in the reference, length.
fn common_runs<'a>(
    words: &'a [u32],
    reference: &'a [u32],
) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    (0..words.len()).flat_map(move |start| {
        let near = start.saturating_sub(SHIFT_DISTANCE)..=start + SHIFT_DISTANCE;
        near.take_while(|at| *at < reference.len()).flat_map(move |at| {
            let run = words.iter().skip(start).zip(reference.iter().skip(at)).take(SHIFT_WORDS);
            let length = run.take_while(|(word, other)| word == other).count();
            (1..=length).map(move |length| (start, at, length))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hypothesis: &str, reference: &str) -> (usize, usize) {
        let found = Statistics::of(hypothesis, reference);
        (found.edits, found.reference)
    }

    #[test]
    fn a_moved_run_is_one_edit() {
        assert_eq!(of("d e a b c", "A b c d E"), (1, 5));
        assert_eq!(of("on monday the bridge was shut", "the bridge was shut on monday"), (1, 6));
    }

    #[test]
    fn single_edits_count_each() {
        assert_eq!(of("a x c d", "a b c"), (2, 3));
        assert_eq!(of("", "a b"), (2, 2));
        assert_eq!(of("a b", ""), (2, 0));
        assert_eq!(of("", ""), (0, 0));
    }

    #[test]
    fn long_lines_end_soon() {
        let line =
            |step: usize| (0..5000).map(|i| format!("w{} ", i * step % 97)).collect::<String>();
        let (edits, reference) = of(&line(7), &line(5));
        assert!(edits > 0 && edits <= 5000 && reference == 5000);
    }
}
