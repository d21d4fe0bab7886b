//! Beam search with a length penalty, as transformers 5 does it: `GenerationMixin._beam_search` in
//! `generation/utils.py`, `early_stopping=False`, without sampling.

use super::kv::SequenceKv;

/// How a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Hypotheses that are followed together; one is greedy decoding.
    pub beams: usize,
    /// A hypothesis's log-probability is divided by its length to this power: the higher, the
    /// longer the texts that win. No matter in greedy decoding.
    pub length_penalty: f32,
}

impl Search {
    /// The most beams that anything may ask for.
    pub const MOST_BEAMS: u8 = 16;
    /// The likeliest token at each step.
    pub const GREEDY: Self = Self { beams: 1, length_penalty: 1.0 };

    /// With four times the beams, as far as that is allowed; greedy decoding stays what it is.
    #[must_use]
    pub fn wider(self) -> Self {
        match self.beams {
            ..=1 => self,
            beams => Self { beams: (4 * beams).min(Self::MOST_BEAMS.into()), ..self },
        }
    }
}

/// A hypothesis that may go on.
pub(super) struct Beam {
    pub kv: SequenceKv,
    /// What the next pass reads: the prompt's own level at first, then the last token.
    pub pending: Vec<u32>,
    pub written: Vec<u32>,
    /// Sum of the written tokens' natural log-probabilities.
    pub logprob: f64,
}

/// A hypothesis that ended.
pub(super) struct Ended {
    pub kv: SequenceKv,
    /// The tokens, without the one that ended them.
    pub written: Vec<u32>,
    pub logprob: f64,
    /// What decides among hypotheses; higher is better.
    pub score: f64,
    /// Whether the token limit or a repetition ended it.
    pub cut_off: bool,
}

/// A token that may come next in a beam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub token: u32,
    /// Natural log-probability.
    pub logprob: f64,
    /// Whether it ends the text.
    pub ends: bool,
}

/// A candidate among those of all beams.
#[derive(Debug, Clone, Copy)]
struct Way {
    beam: usize,
    candidate: Candidate,
    /// Of the whole hypothesis.
    logprob: f64,
}

/// The `count` likeliest tokens that are `wanted`, with their logits, the best first.
pub(super) fn best(
    tokens: impl Iterator<Item = (u32, f32)>,
    count: usize,
    wanted: impl Fn(u32) -> bool,
) -> Vec<(u32, f32)> {
    let mut kept: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (token, logit) in tokens {
        // Hardly any comes so far.
        if (logit > least || kept.len() < count) && wanted(token) {
            // Of equals the first stays ahead, so that ties depend on nothing but token ids.
            let at = kept.partition_point(|(_, other)| *other >= logit);
            kept.insert(at, (token, logit));
            kept.truncate(count);
            least = kept.last().map_or(least, |(_, logit)| *logit);
        }
    }
    kept
}

/// How long texts may get, and how their length is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    /// Tokens after which a text is cut off.
    pub most: usize,
    /// Tokens that every text of a model has to begin with, such as its language's: they are not
    /// written, but part of its length where that is weighed.
    pub forced: usize,
}

/// Takes each running beam one token further. `candidates` has the likeliest of each beam, as many
/// as there are beams of each sort, ending and not: more can't be needed. `ended` keeps the best
/// `search.beams` hypotheses. No beam is left when the search is over.
pub(super) fn advance(
    search: Search,
    lengths: Lengths,
    running: &mut Vec<Beam>,
    ended: &mut Vec<Ended>,
    candidates: &[Vec<Candidate>],
) {
    let mut ways: Vec<Way> = running
        .iter()
        .zip(candidates)
        .enumerate()
        .flat_map(|(beam, (Beam { logprob, .. }, candidates))| {
            candidates.iter().map(move |&candidate| {
                let logprob = logprob + candidate.logprob;
                Way { beam, candidate, logprob }
            })
        })
        .collect();
    // Stable: of equals, the better beam and the lower token come first.
    ways.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));

    // The length with the token that is added now, the ending one included.
    let length = 1 + running.first().map_or(0, |beam| beam.written.len());
    let full = length >= lengths.most;
    let penalty = ((lengths.forced + length) as f64).powf(f64::from(search.length_penalty));
    // Only the best may end; the others are there to go on with.
    for way in ways.iter().take(search.beams).filter(|way| full || way.candidate.ends) {
        let Some(beam) = running.get(way.beam) else { continue };
        let (mut written, mut logprob) = (beam.written.clone(), beam.logprob);
        if !way.candidate.ends {
            written.push(way.candidate.token);
            logprob = way.logprob;
        }
        let (score, cut_off) = (way.logprob / penalty, !way.candidate.ends);
        ended.push(Ended { kv: beam.kv.clone(), written, logprob, score, cut_off });
    }
    let going = ways.iter().filter(|way| !full && !way.candidate.ends).take(search.beams);
    let mut next: Vec<Beam> = Vec::new();
    for way in going {
        let Some(beam) = running.get(way.beam) else { continue };
        let mut written = beam.written.clone();
        written.push(way.candidate.token);
        let logprob = way.logprob;
        if repeats(&written) {
            // It wins only if nothing better ends.
            let score = f64::NEG_INFINITY;
            ended.push(Ended { kv: beam.kv.clone(), written, logprob, score, cut_off: true });
        } else {
            let pending = vec![way.candidate.token];
            next.push(Beam { kv: beam.kv.clone(), pending, written, logprob });
        }
    }
    *running = next;
    ended.sort_by(|a, b| b.score.total_cmp(&a.score));
    ended.truncate(search.beams);
    let attainable = running.first().map_or(f64::NEG_INFINITY, |beam| beam.logprob / penalty);
    if let (Some(worst), true) = (ended.last(), ended.len() == search.beams)
        && attainable <= worst.score
    {
        running.clear();
    }
}

/// Whether the text has begun to go round in circles: the last `n` tokens stand there three times
/// in a row.
pub(super) fn repeats(tokens: &[u32]) -> bool {
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

    fn candidate(token: u32, logprob: f64) -> Candidate {
        Candidate { token, logprob, ends: token == 0 }
    }

    #[test]
    fn the_likeliest_that_are_wanted_are_kept_and_the_first_of_equals_wins() {
        let tokens = [(3, -2.0), (7, -0.5), (4, -1.0), (5, -2.0), (6, -3.0)];
        let kept = best(tokens.into_iter(), 2, |token| token != 7);
        assert_eq!(kept, [(4, -1.0), (3, -2.0)]);
    }

    /// Beams over a language in which `next` tells the candidates after a text.
    fn searched(search: Search, most: usize, next: impl Fn(&[u32]) -> Vec<Candidate>) -> Vec<u32> {
        let kv = SequenceKv::new(None, 0);
        let mut running = vec![Beam { kv, pending: vec![], written: vec![], logprob: 0.0 }];
        let mut ended = Vec::new();
        while !running.is_empty() {
            let candidates: Vec<_> = running.iter().map(|beam| next(&beam.written)).collect();
            advance(search, Lengths { most, forced: 0 }, &mut running, &mut ended, &candidates);
        }
        ended.remove(0).written
    }

    /// The likeliest first word leads to unlikely ones, the second to a likely end.
    fn garden_path(text: &[u32]) -> Vec<Candidate> {
        match text {
            [] => vec![candidate(1, -0.5), candidate(2, -0.9)],
            [1] => vec![candidate(3, -2.0), candidate(4, -2.1)],
            [1, _] => vec![candidate(0, -2.0)],
            _ => vec![candidate(0, -0.1), candidate(5, -3.0)],
        }
    }

    #[test]
    fn a_wider_search_finds_the_likelier_text() {
        let plain = |beams| Search { beams, length_penalty: 0.0 };
        assert_eq!(searched(plain(1), 9, garden_path), [1, 3]);
        assert_eq!(searched(plain(2), 9, garden_path), [2]);
    }

    #[test]
    fn a_length_penalty_favours_longer_texts() {
        let next = |text: &[u32]| match text.len() {
            0 => vec![candidate(1, -1.0), candidate(0, -1.2)],
            1..=3 => vec![candidate(2, -0.3), candidate(0, -4.0)],
            _ => vec![candidate(0, -0.1)],
        };
        let search = |length_penalty| Search { beams: 3, length_penalty };
        assert_eq!(searched(search(0.0), 9, next), [] as [u32; 0]);
        assert_eq!(searched(search(1.0), 9, next), [1, 2, 2, 2]);
    }

    #[test]
    fn the_limit_ends_what_would_go_on() {
        let next = |_: &[u32]| vec![candidate(1, -0.1), candidate(2, -0.2)];
        let search = Search { beams: 2, length_penalty: 1.0 };
        assert_eq!(searched(search, 3, next).len(), 3);
    }
}
