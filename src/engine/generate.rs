//! Greedy decoding for many sequences at once.

use std::sync::Arc;

use super::{
    Engine,
    arch::decoder::{Pass, Rows},
    kv::{Prefix, SequenceKv},
    prompt::Prompt,
};
use crate::error::{Error, Result};

/// Sequences that decode together. More would be faster on wide machines, but each holds its KV
/// cache in memory.
const BATCH: usize = 24;
/// Prompt tokens in one forward pass.
const CHUNK: usize = 512;
/// Computed prefixes that are kept, the last used ones: a language's instructions, the article in
/// hand, and what retries look back on.
const PREFIXES: usize = 8;

/// What may come next, as a grammar sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Any text but these tokens; the sequence may not end here.
    TextExcept(Vec<u32>),
    /// One of these tokens.
    OneOf(Vec<u32>),
    /// Nothing: the sequence is complete.
    Stop,
}

/// Constrains what a sequence may write.
pub trait Grammar {
    /// What may come next.
    fn next(&self) -> Next;
    /// Takes note of the token that was written.
    fn accept(&mut self, token: u32);
}

/// One sequence to generate.
pub struct Request {
    /// Its prompt.
    pub prompt: Prompt,
    /// The cache of a finished sequence that the prompt may continue; used if it holds exactly the
    /// prompt's shared levels.
    pub after: Option<Arc<Prefix>>,
    /// Tokens after which it is cut off.
    pub max_tokens: usize,
    /// What it may write; without one, English text up to the first line break or end of turn.
    pub grammar: Option<Box<dyn Grammar>>,
}

/// One generated sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The tokens, without the one that ended them.
    pub tokens: Vec<u32>,
    /// Their text, trimmed.
    pub text: String,
    /// Whether the token limit or a repetition ended it.
    pub cut_off: bool,
    /// Mean natural logarithm of the written tokens' probabilities.
    pub mean_logprob: f32,
}

/// Hears how generation goes, and may continue what has finished.
pub trait Watch {
    /// After every decoding step: sequences finished and tokens written in it. `false` ends the
    /// work.
    fn step(&mut self, finished: usize, written: usize) -> bool;

    /// After a sequence has finished: `index` is its place in the outputs, `kv` the cache of its
    /// prompt and text. An answer takes its place in the batch, and the next free place in the
    /// outputs.
    ///
    /// # Errors
    /// The watcher's own; they end the work.
    fn follow(
        &mut self,
        _engine: &Engine,
        _index: usize,
        _output: &Output,
        _kv: Arc<Prefix>,
    ) -> Result<Option<Request>> {
        Ok(None)
    }
}

impl<F: FnMut(usize, usize) -> bool> Watch for F {
    fn step(&mut self, finished: usize, written: usize) -> bool {
        self(finished, written)
    }
}

struct Sequence {
    index: usize,
    kv: SequenceKv,
    /// The prompt's own level, i.e. what `kv` holds behind its prefix, before the written tokens.
    own: Vec<u32>,
    pending: Vec<u32>,
    written: Vec<u32>,
    logprob: f64,
    max_tokens: usize,
    grammar: Option<Box<dyn Grammar>>,
}

impl Engine {
    /// The cached KV of a prompt's shared levels: `after` if that is what it holds, else computed
    /// where it isn't known from an earlier prompt.
    fn prefix(
        &mut self,
        levels: &[Vec<u32>],
        after: Option<Arc<Prefix>>,
    ) -> Result<Option<Arc<Prefix>>> {
        if let Some(after) = after {
            if after.holds(levels) {
                return Ok(Some(after));
            }
            tracing::debug!("a prompt doesn't go on as its sequence's tokens stand: computed anew");
        }
        let mut parent: Option<Arc<Prefix>> = None;
        let mut chain: Vec<u32> = Vec::new();
        for level in levels.iter().filter(|l| !l.is_empty()) {
            chain.extend(level);
            if let Some(at) = self.prefixes.iter().position(|(tokens, _)| *tokens == chain) {
                let known = self.prefixes.remove(at);
                parent = Some(known.1.clone());
                self.prefixes.push(known);
                continue;
            }
            let mut kv = SequenceKv::new(parent.clone(), self.decoder.config.layers);
            for chunk in level.chunks(CHUNK) {
                self.decoder
                    .prefill(&mut [Rows { kv: &mut kv, tokens: chunk }])
                    .map_err(Error::engine("computing a shared prompt"))?;
            }
            let prefix = Arc::new(kv.into_prefix(level.clone()));
            if self.prefixes.len() >= PREFIXES {
                self.prefixes.remove(0);
            }
            self.prefixes.push((chain.clone(), prefix.clone()));
            parent = Some(prefix);
        }
        Ok(parent)
    }

    /// What `pass` makes of a prompt: the residual stream at its last token, `[hidden]`. Nothing is
    /// generated.
    ///
    /// # Errors
    /// candle's.
    pub fn state(&self, prompt: &Prompt, pass: Pass<'_>) -> Result<Vec<f32>> {
        // No shared prefix: another pass left other keys and values there.
        let mut kv = SequenceKv::new(None, pass.layers);
        let mut state = Vec::new();
        for chunk in prompt.tokens().chunks(CHUNK) {
            let rows = &mut [Rows { kv: &mut kv, tokens: chunk }];
            let states = self.decoder.states(rows, pass);
            let states = states.map_err(Error::engine("judging a sentence"))?;
            state = states.into_iter().next().unwrap_or_default();
        }
        Ok(state)
    }

    fn start(&mut self, index: usize, request: Request) -> Result<Sequence> {
        let mut levels = request.prompt.levels;
        let own = levels.pop().unwrap_or_default();
        let prefix = self.prefix(&levels, request.after)?;
        Ok(Sequence {
            index,
            kv: SequenceKv::new(prefix, self.decoder.config.layers),
            pending: own.clone(),
            own,
            written: Vec::new(),
            logprob: 0.0,
            max_tokens: request.max_tokens,
            grammar: request.grammar,
        })
    }

    /// Generates every request, greedily; outputs come in the order of the requests, behind them
    /// those of the requests that `watch` made of finished ones.
    ///
    /// # Errors
    /// candle's, the watcher's, or [`Error::Interrupted`].
    pub fn generate(
        &mut self,
        requests: Vec<Request>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Output>> {
        let mut outputs: Vec<Option<Output>> = (0..requests.len()).map(|_| None).collect();
        // Long prompts first: sequences of like length end together, and the batch stays full.
        let mut waiting: Vec<(usize, Request)> = requests.into_iter().enumerate().collect();
        waiting.sort_by_key(|(i, r)| (r.prompt.levels.last().map_or(0, Vec::len), usize::MAX - i));
        let mut running: Vec<Sequence> = Vec::new();
        while !waiting.is_empty() || !running.is_empty() {
            while running.len() < BATCH
                && let Some((index, request)) = waiting.pop()
            {
                running.push(self.start(index, request)?);
            }
            self.step(&mut running)?;
            let written = running.len();
            let (ended, still): (Vec<_>, Vec<_>) =
                running.into_iter().partition(|sequence| sequence.pending.is_empty());
            running = still;
            let finished = ended.len();
            for sequence in ended {
                let index = sequence.index;
                let (output, kv) = self.finish(sequence);
                if let Some(request) = watch.follow(self, index, &output, kv)? {
                    waiting.push((outputs.len(), request));
                    outputs.push(None);
                }
                if let Some(place) = outputs.get_mut(index) {
                    *place = Some(output);
                }
            }
            if !watch.step(finished, written) {
                return Err(Error::Interrupted);
            }
        }
        Ok(outputs.into_iter().flatten().collect())
    }

    /// One forward pass over all running sequences: prompts of newcomers, one token of the
    /// others. Each sequence then has its next token pending, or nothing if it ended.
    fn step(&self, running: &mut [Sequence]) -> Result<()> {
        // Prompts longer than a chunk go ahead alone, all but their last part.
        for sequence in running.iter_mut() {
            while sequence.pending.len() > CHUNK {
                let rest = sequence.pending.split_off(CHUNK);
                self.decoder
                    .prefill(&mut [Rows { kv: &mut sequence.kv, tokens: &sequence.pending }])
                    .map_err(Error::engine("reading a prompt"))?;
                sequence.pending = rest;
            }
        }
        let mut start = 0;
        while start < running.len() {
            let count = fitting(running.iter().skip(start).map(|s| s.pending.len()));
            let group = running.get_mut(start..start + count).unwrap_or(&mut []);
            let mut rows: Vec<Rows<'_>> =
                group.iter_mut().map(|s| Rows { kv: &mut s.kv, tokens: &s.pending }).collect();
            let logits =
                self.decoder.forward(&mut rows).map_err(Error::engine("generating text"))?;
            for (sequence, logits) in group.iter_mut().zip(logits) {
                self.choose(sequence, &logits);
            }
            start += count;
        }
        Ok(())
    }

    /// Picks the likeliest token that may come next.
    fn choose(&self, sequence: &mut Sequence, logits: &[f32]) {
        sequence.pending.clear();
        let next = sequence.grammar.as_ref().map(|g| g.next());
        let best = match &next {
            Some(Next::Stop) => None,
            Some(Next::OneOf(ids)) => {
                argmax(ids.iter().filter_map(|id| Some((*id, *logits.get(*id as usize)?))))
            }
            Some(Next::TextExcept(banned)) => argmax(
                self.text_logits(logits)
                    .filter(|(id, _)| self.vocabulary.is_text(*id) && !banned.contains(id)),
            ),
            None => argmax(self.text_logits(logits)),
        };
        let Some((token, logit)) = best else { return };
        if next.is_none() && (self.tokenizer.is_end(token) || self.ends_line(sequence, token)) {
            return;
        }
        sequence.logprob += f64::from(logit) - log_sum_exp(logits);
        sequence.written.push(token);
        if let Some(grammar) = &mut sequence.grammar {
            grammar.accept(token);
            if grammar.next() == Next::Stop {
                return;
            }
        }
        if sequence.written.len() < sequence.max_tokens && !repeats(&sequence.written) {
            sequence.pending.push(token);
        } else {
            sequence.max_tokens = 0;
        }
    }

    fn text_logits<'a>(&'a self, logits: &'a [f32]) -> impl Iterator<Item = (u32, f32)> + 'a {
        (0u32..).zip(logits.iter().copied()).filter(|(id, _)| self.vocabulary.is_allowed(*id))
    }

    fn ends_line(&self, sequence: &Sequence, token: u32) -> bool {
        self.vocabulary.is_break(token) && !sequence.written.is_empty()
    }

    /// A finished sequence's output, and its cache for a prompt that continues it.
    fn finish(&self, sequence: Sequence) -> (Output, Arc<Prefix>) {
        let output = Output {
            text: self.tokenizer.decode(&sequence.written).trim().to_owned(),
            cut_off: sequence.max_tokens == 0,
            mean_logprob: (sequence.logprob / sequence.written.len().max(1) as f64) as f32,
            tokens: sequence.written,
        };
        let mut tokens = sequence.own;
        tokens.extend(&output.tokens);
        // The last token is computed only where another was asked for.
        tokens.truncate(sequence.kv.tail_len());
        (output, Arc::new(sequence.kv.into_prefix(tokens)))
    }
}

/// How many of the next prompts go into one pass: at least one.
fn fitting(lengths: impl Iterator<Item = usize>) -> usize {
    let mut tokens = 0;
    let fits = lengths.take_while(|length| {
        tokens += length;
        tokens <= CHUNK
    });
    fits.count().max(1)
}

fn argmax(candidates: impl Iterator<Item = (u32, f32)>) -> Option<(u32, f32)> {
    // The first of equals wins, so that ties can't depend on anything else.
    candidates.fold(None, |best, (id, logit)| match best {
        Some((_, highest)) if highest >= logit => best,
        _ => Some((id, logit)),
    })
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(logits.iter().map(|l| (l - max).exp()).sum::<f32>().ln() + max)
}

/// Whether the text has begun to go round in circles: the last `n` tokens stand there three times
/// in a row.
fn repeats(tokens: &[u32]) -> bool {
    (4..=24).any(|n| {
        let len = tokens.len();
        len >= 3 * n
            && tokens.get(len - n..) == tokens.get(len - 2 * n..len - n)
            && tokens.get(len - n..) == tokens.get(len - 3 * n..len - 2 * n)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn circles_are_noticed_and_prose_is_not() {
        let circle: Vec<u32> = [7, 8].into_iter().chain((0..15).map(|i| 1 + i % 5)).collect();
        assert!(repeats(&circle));
        assert!(!repeats(&circle[..15]));
        assert!(!repeats(&(0..60).collect::<Vec<u32>>()));
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(argmax([(3, 1.0), (5, 2.0), (9, 2.0)].into_iter()), Some((5, 2.0)));
    }
}
