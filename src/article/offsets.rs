//! A map between offsets in decoded text and offsets in the file.

/// A stretch in which `count` units of `text_unit` bytes of text come from `count` units of
/// `file_unit` bytes of the file, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    text: usize,
    file: usize,
    text_unit: usize,
    file_unit: usize,
    count: usize,
}

impl Run {
    fn text_end(&self) -> usize {
        self.text + self.text_unit * self.count
    }

    fn file_end(&self) -> usize {
        self.file + self.file_unit * self.count
    }
}

/// Text offsets to file offsets and back. Runs are in order; between two runs the file may have
/// bytes that the text doesn't (markup), never the other way round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetMap {
    runs: Vec<Run>,
}

impl OffsetMap {
    /// The map of a text that is its file, `skip` bytes in (a byte order mark).
    #[must_use]
    pub fn identity(skip: usize, length: usize) -> Self {
        let mut map = Self::default();
        map.push(skip, 1, 1, length);
        map
    }

    /// Appends `count` units of `text_unit` bytes that stand at `file` in units of `file_unit`
    /// bytes.
    pub fn push(&mut self, file: usize, text_unit: usize, file_unit: usize, count: usize) {
        if count == 0 {
            return;
        }
        let text = self.runs.last().map_or(0, Run::text_end);
        if let Some(last) = self.runs.last_mut()
            && last.text_unit == text_unit
            && last.file_unit == file_unit
            && last.file_end() == file
        {
            last.count += count;
            return;
        }
        self.runs.push(Run { text, file, text_unit, file_unit, count });
    }

    /// Appends what `inner` maps `range` of its text to.
    pub fn extend(&mut self, inner: &OffsetMap, range: std::ops::Range<usize>) {
        let first = inner.runs.partition_point(|r| r.text_end() <= range.start);
        for run in inner.runs.iter().skip(first).take_while(|r| r.text < range.end) {
            let unit = run.text_unit.max(1);
            let from = range.start.saturating_sub(run.text) / unit;
            let to = (range.end - run.text).div_ceil(unit).min(run.count);
            self.push(
                run.file + from * run.file_unit,
                run.text_unit,
                run.file_unit,
                to.saturating_sub(from),
            );
        }
    }

    /// The file offset at which the character at `text` begins.
    #[must_use]
    pub fn file_start(&self, text: usize) -> usize {
        let at = self.runs.partition_point(|r| r.text_end() <= text);
        match self.runs.get(at) {
            Some(run) => {
                run.file + text.saturating_sub(run.text) / run.text_unit.max(1) * run.file_unit
            }
            None => self.runs.last().map_or(0, Run::file_end),
        }
    }

    /// The file offset at which the text before `text` ends.
    #[must_use]
    pub fn file_end(&self, text: usize) -> usize {
        let at = self.runs.partition_point(|r| r.text_end() < text);
        match self.runs.get(at) {
            Some(run) if text > run.text => {
                run.file + (text - run.text).div_ceil(run.text_unit.max(1)) * run.file_unit
            }
            Some(run) => run.file,
            None => self.runs.last().map_or(0, Run::file_end),
        }
    }

    /// The text that comes from the file's bytes `start..end`, as a range of text offsets. Units
    /// that begin inside the range count.
    #[must_use]
    pub fn text_range(&self, start: usize, end: usize) -> std::ops::Range<usize> {
        let offset = |file: usize| {
            let at = self.runs.partition_point(|r| r.file_end() <= file);
            match self.runs.get(at) {
                Some(run) if file > run.file => {
                    run.text
                        + ((file - run.file).div_ceil(run.file_unit.max(1))).min(run.count)
                            * run.text_unit
                }
                Some(run) => run.text,
                None => self.runs.last().map_or(0, Run::text_end),
            }
        };
        let from = offset(start);
        from..offset(end).max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_survive_units_of_different_width_and_gaps() {
        let mut map = OffsetMap::default();
        map.push(10, 3, 2, 4); // four GB18030 characters
        map.push(18, 1, 1, 5); // five ASCII letters
        map.push(40, 1, 5, 1); // &amp;
        for (text, file) in [(0, 10), (3, 12), (9, 16), (12, 18), (14, 20), (17, 40)] {
            assert_eq!(map.file_start(text), file, "{text}");
        }
        assert_eq!(map.file_end(12), 18);
        assert_eq!(map.file_end(17), 23);
        assert_eq!(map.file_end(18), 45);
        assert_eq!(map.text_range(12, 18), 3..12);
        assert_eq!(map.text_range(40, 45), 17..18);
        assert_eq!(map.text_range(23, 40), 17..17);
    }
}
