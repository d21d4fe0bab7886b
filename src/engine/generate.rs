//! What decodes in a batch, step by step: greedy, or with beams.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    Engine,
    arch::{
        decoder::{Feed, Logits, Pass},
        model::Model,
    },
    beam::{self, Beam, Candidate, Ended, Lengths, Search, repeats},
    kernels::{highest, log_sum_exp},
    kv::{Prefix, SequenceKv},
    prompt::Prompt,
};
use crate::error::{Error, Result};

/// Prompt tokens in one forward pass.
pub(super) const CHUNK: usize = 512;
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
pub trait Grammar: Send {
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
    /// How it is looked for.
    pub search: Search,
    /// What it may write; without one, English text up to the first line break or end of turn. With
    /// one, decoding is greedy.
    pub grammar: Option<Box<dyn Grammar>>,
}

impl Request {
    /// Rows that it takes in a pass.
    pub(super) fn beams(&self) -> usize {
        if self.grammar.is_some() { 1 } else { self.search.beams.max(1) }
    }
}

/// One generated sequence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// The tokens, without the one that ended them.
    pub tokens: Vec<u32>,
    /// Their text, trimmed.
    pub text: String,
    /// Whether the token limit or a repetition ended it.
    pub cut_off: bool,
    /// Mean natural logarithm of the written tokens' probabilities.
    pub mean_logprob: f32,
    /// What else the search found, the best first.
    pub others: Vec<Output>,
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

/// Computed prefixes by their tokens, the last used one at the end.
#[derive(Default)]
pub(super) struct Prefixes(Vec<(Vec<u32>, Arc<Prefix>)>);

impl Prefixes {
    /// Tokens of those that are kept, the last used ones: for each article in work its language's
    /// instructions, its beginning, and what retries look back on.
    const TOKENS: usize = 4_096;

    fn find(&mut self, tokens: &[u32]) -> Option<Arc<Prefix>> {
        let at = self.0.iter().position(|(known, _)| known == tokens)?;
        let known = self.0.remove(at);
        let prefix = known.1.clone();
        self.0.push(known);
        Some(prefix)
    }

    fn keep(&mut self, tokens: Vec<u32>, prefix: Arc<Prefix>) {
        self.0.push((tokens, prefix));
        let mut held: usize = self.0.iter().map(|(_, prefix)| prefix.tokens.len()).sum();
        self.0.retain(|(_, prefix)| {
            let keep = held <= Self::TOKENS;
            held -= if keep { 0 } else { prefix.tokens.len() };
            keep
        });
    }
}

/// What is being generated for a request.
pub(super) struct Sequence {
    /// Its place in the outputs.
    index: usize,
    /// The prompt's own level, i.e. what the caches hold behind their prefix, before the written
    /// tokens.
    own: Vec<u32>,
    /// At most as many as are searched with; none when the sequence is complete.
    beams: Vec<Beam>,
    /// The best first.
    ended: Vec<Ended>,
    search: Search,
    lengths: Lengths,
    grammar: Option<Box<dyn Grammar>>,
}

impl Sequence {
    pub fn index(&self) -> usize {
        self.index
    }

    /// Rows that it takes in a pass, at most.
    pub fn rows(&self) -> usize {
        self.search.beams
    }

    pub fn is_complete(&self) -> bool {
        self.beams.is_empty()
    }
}

/// What a pass says of the token that comes next in a row.
struct Outlook<'p> {
    /// Of each token that may be written.
    logits: &'p [f32],
    /// The logarithm of the sum of their exponentials.
    sum: f64,
}

impl Engine {
    /// The cached KV of a prompt's shared levels: `after` if that is what it holds, else computed
    /// where it isn't known from an earlier prompt. Of an encoder-decoder the levels are the source.
    fn prefix(
        &self,
        prefixes: &mut Prefixes,
        levels: &[Vec<u32>],
        after: Option<Arc<Prefix>>,
    ) -> Result<Option<Arc<Prefix>>> {
        if let (Some(after), Model::Decoder(_)) = (after, &self.model) {
            if after.holds(levels) {
                return Ok(Some(after));
            }
            tracing::debug!("a prompt doesn't go on as its sequence's tokens stand: computed anew");
        }
        if let Model::EncoderDecoder(model) = &self.model {
            let source: Vec<u32> = levels.iter().flatten().copied().collect();
            if let Some(known) = prefixes.find(&source) {
                return Ok(Some(known));
            }
            let prefix = model.source(&source).map_err(Error::engine("reading a source"))?;
            prefixes.keep(source, prefix.clone());
            return Ok(Some(prefix));
        }
        let mut parent: Option<Arc<Prefix>> = None;
        let mut chain: Vec<u32> = Vec::new();
        for level in levels.iter().filter(|l| !l.is_empty()) {
            chain.extend(level);
            if let Some(known) = prefixes.find(&chain) {
                parent = Some(known);
                continue;
            }
            let mut kv = SequenceKv::new(parent.clone(), self.model.shape().layers);
            for chunk in level.chunks(CHUNK) {
                self.model
                    .prefill(&mut [Feed { kv: &mut kv, tokens: chunk }])
                    .map_err(Error::engine("computing a shared prompt"))?;
            }
            let prefix = Arc::new(kv.into_prefix(level.clone()));
            prefixes.keep(chain.clone(), prefix.clone());
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
        let tokens = prompt.tokens();
        tracing::trace!(tokens = tokens.len(), layers = pass.layers, "a judgement");
        for chunk in tokens.chunks(CHUNK) {
            let rows = &mut [Feed { kv: &mut kv, tokens: chunk }];
            let states = self.model.states(rows, pass);
            let states = states.map_err(Error::engine("judging a sentence"))?;
            state = states.into_iter().next().unwrap_or_default();
        }
        Ok(state)
    }

    /// The sequence that is the answer to a request, before anything of its own level is computed.
    pub(super) fn start(
        &self,
        prefixes: &mut Prefixes,
        index: usize,
        request: Request,
    ) -> Result<Sequence> {
        let search = Search { beams: request.beams(), ..request.search };
        let mut levels = request.prompt.levels;
        let own = levels.pop().unwrap_or_default();
        let prefix = self.prefix(prefixes, &levels, request.after)?;
        let kv = SequenceKv::new(prefix, self.model.shape().layers);
        let forced = match &self.model {
            Model::Decoder(_) => 0,
            // Behind the token with which every text begins.
            Model::EncoderDecoder(_) => own.len().saturating_sub(1),
        };
        let first = Beam { kv, pending: own.clone(), written: Vec::new(), logprob: 0.0 };
        Ok(Sequence {
            index,
            own,
            beams: vec![first],
            ended: Vec::new(),
            search,
            lengths: Lengths { most: request.max_tokens, forced },
            grammar: request.grammar,
        })
    }

    /// One forward pass over all running sequences: prompts of newcomers, one token of the others'
    /// beams. Each beam then has its next token pending; a sequence that is complete has no beam.
    pub(super) fn step(&self, running: &mut [&mut Sequence]) -> Result<()> {
        let mut beams: Vec<&mut Beam> = running.iter_mut().flat_map(|s| &mut s.beams).collect();
        // Prompts longer than a chunk go ahead alone, all but their last part.
        for beam in &mut beams {
            while beam.pending.len() > CHUNK {
                let rest = beam.pending.split_off(CHUNK);
                self.model
                    .prefill(&mut [Feed { kv: &mut beam.kv, tokens: &beam.pending }])
                    .map_err(Error::engine("reading a prompt"))?;
                beam.pending = rest;
            }
        }
        let mut passes = Vec::new();
        let mut coming = beams.as_mut_slice();
        while !coming.is_empty() {
            let count = fitting(coming.iter().map(|beam| beam.pending.len()));
            let (group, rest) = coming.split_at_mut(count);
            let mut rows: Vec<Feed<'_>> =
                group.iter_mut().map(|b| Feed { kv: &mut b.kv, tokens: &b.pending }).collect();
            let tokens: usize = rows.iter().map(|row| row.tokens.len()).sum();
            tracing::trace!(sequences = rows.len(), tokens, "a pass");
            let logits = self.model.forward(&mut rows);
            passes.push(logits.map_err(Error::engine("generating text"))?);
            coming = rest;
        }
        let logits: Vec<&[f32]> = passes.iter().flat_map(Logits::rows).collect();
        let outlooks = logits.into_par_iter();
        let outlooks = outlooks.map(|logits| Outlook { logits, sum: log_sum_exp(logits) });
        let outlooks: Vec<Outlook<'_>> = outlooks.collect();
        let (mut rest, mut choices) = (outlooks.as_slice(), Vec::with_capacity(running.len()));
        for sequence in running.iter_mut() {
            let (own, others) = rest.split_at(sequence.beams.len().min(rest.len()));
            choices.push((sequence, own));
            rest = others;
        }
        choices.into_par_iter().for_each(|(sequence, own)| match own {
            [own] if sequence.search.beams == 1 => self.choose(sequence, own),
            own => self.branch(sequence, own),
        });
        Ok(())
    }

    /// Picks the likeliest token that may come next, in a sequence of one beam.
    fn choose(&self, sequence: &mut Sequence, Outlook { logits, sum }: &Outlook<'_>) {
        let Some(mut beam) = sequence.beams.pop() else { return };
        let mut end = |beam: Beam, cut_off| {
            let Beam { kv, written, logprob, .. } = beam;
            sequence.ended.push(Ended { kv, written, logprob, score: logprob, cut_off });
        };
        let next = sequence.grammar.as_ref().map(|g| g.next());
        let best = match &next {
            Some(Next::Stop) => None,
            Some(Next::OneOf(ids)) => {
                let place = |id| self.vocabulary.allowed().binary_search(id).ok();
                argmax(ids.iter().filter_map(|id| Some((*id, *logits.get(place(id)?)?))))
            }
            Some(Next::TextExcept(banned)) => argmax(
                self.tokens(logits)
                    .filter(|(id, _)| self.vocabulary.is_text(*id) && !banned.contains(id)),
            ),
            None => self.likeliest(logits),
        };
        let Some((token, logit)) = best else { return end(beam, false) };
        if next.is_none() && self.ends(&beam, token) {
            return end(beam, false);
        }
        beam.logprob += f64::from(logit) - sum;
        beam.written.push(token);
        if let Some(grammar) = &mut sequence.grammar {
            grammar.accept(token);
            if grammar.next() == Next::Stop {
                return end(beam, false);
            }
        }
        if beam.written.len() < sequence.lengths.most && !repeats(&beam.written) {
            beam.pending = vec![token];
            sequence.beams.push(beam);
        } else {
            end(beam, true);
        }
    }

    /// Takes the beams of a sequence one token further; `outlooks` has one for each.
    fn branch(&self, sequence: &mut Sequence, outlooks: &[Outlook<'_>]) {
        let search = sequence.search;
        let candidates: Vec<Vec<Candidate>> = sequence
            .beams
            .par_iter()
            .zip(outlooks)
            .map(|(beam, Outlook { logits, sum })| {
                let going = beam::best(self.tokens(logits), search.beams, |t| !self.ends(beam, t));
                let closing = self.vocabulary.closing().iter().filter_map(|place| {
                    Some((*self.vocabulary.allowed().get(*place)?, *logits.get(*place)?))
                });
                let ending = beam::best(closing, search.beams, |t| self.ends(beam, t));
                let candidate = |tokens: Vec<(u32, f32)>, ends| {
                    tokens.into_iter().map(move |(token, logit)| {
                        let logprob = f64::from(logit) - sum;
                        Candidate { token, logprob, ends }
                    })
                };
                candidate(going, false).chain(candidate(ending, true)).collect()
            })
            .collect();
        let Sequence { beams, ended, lengths, .. } = sequence;
        beam::advance(search, *lengths, beams, ended, &candidates);
    }

    /// The likeliest of all that may be written, with its logit.
    pub(super) fn likeliest(&self, logits: &[f32]) -> Option<(u32, f32)> {
        let allowed = self.vocabulary.allowed();
        let place = highest(logits.get(..allowed.len()).unwrap_or(logits))?;
        Some((*allowed.get(place)?, *logits.get(place)?))
    }

    /// What may be written, with its logit.
    fn tokens(&self, logits: &[f32]) -> impl Iterator<Item = (u32, f32)> {
        self.vocabulary.allowed().iter().copied().zip(logits.iter().copied())
    }

    /// Whether the token would end the beam's text.
    fn ends(&self, beam: &Beam, token: u32) -> bool {
        self.tokenizer.is_end(token)
            || (self.vocabulary.is_break(token) && !beam.written.is_empty())
    }

    /// A complete sequence's output, and its cache for a prompt that continues it.
    pub(super) fn finish(&self, sequence: Sequence) -> (Output, Arc<Prefix>) {
        let mut ended = sequence.ended.into_iter();
        let Some(best) = ended.next() else {
            return (Output::default(), Arc::new(SequenceKv::new(None, 0).into_prefix(Vec::new())));
        };
        let mut tokens = sequence.own;
        tokens.extend(&best.written);
        // The last token is computed only where another was asked for.
        tokens.truncate(best.kv.tail_len());
        let (mut output, kv) = self.output(best);
        output.others = ended.map(|other| self.output(other).0).collect();
        (output, Arc::new(kv.into_prefix(tokens)))
    }

    fn output(&self, Ended { kv, written, logprob, cut_off, .. }: Ended) -> (Output, SequenceKv) {
        let output = Output {
            text: self.tokenizer.decode(&written).trim().to_owned(),
            cut_off,
            mean_logprob: (logprob / written.len().max(1) as f64) as f32,
            tokens: written,
            others: Vec::new(),
        };
        (output, kv)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(argmax([(3, 1.0), (5, 2.0), (9, 2.0)].into_iter()), Some((5, 2.0)));
    }
}
