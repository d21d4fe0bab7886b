//! One batch for all who generate: what several threads ask of a model decodes together.
//!
//! Nobody is there only to compute. A thread that waits for its sequences while no pass is being
//! computed computes the next one, for all. What comes of it doesn't depend on that: each sequence is
//! the same whatever decodes beside it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Engine,
    generate::{Output, Prefixes, Request, Sequence, Watch},
    kv::Prefix,
};
use crate::error::{Error, Result};

/// One call of [`Engine::generate`]; later calls have higher numbers.
type Job = u64;

/// What is asked of an engine, and what has come of it.
#[derive(Default)]
pub(super) struct Schedule {
    state: Mutex<State>,
    /// Something has come, or the next pass can be computed.
    turn: Condvar,
}

struct State {
    /// What isn't in the batch yet, the next last.
    waiting: Vec<Asked>,
    /// `None` while a pass is computed.
    batch: Option<Batch>,
    /// What has come of each job since its thread looked.
    news: BTreeMap<Job, News>,
    jobs: Job,
}

impl Default for State {
    fn default() -> Self {
        Self { waiting: Vec::new(), batch: Some(Batch::default()), news: BTreeMap::new(), jobs: 0 }
    }
}

/// A request, its job, and its place in the job's outputs.
struct Asked {
    job: Job,
    index: usize,
    request: Request,
}

impl Asked {
    /// What comes first is least: earlier jobs; what goes on from a cache that is held for it; long
    /// prompts, so that sequences of like length end together and the batch stays full.
    fn order(&self) -> impl Ord + use<> {
        let Request { prompt, after, .. } = &self.request;
        let own = prompt.levels.last().map_or(0, Vec::len);
        (self.job, after.is_none(), std::cmp::Reverse(own), self.index)
    }
}

/// What decodes together.
#[derive(Default)]
struct Batch {
    running: Vec<(Job, Sequence)>,
    prefixes: Prefixes,
}

#[derive(Default)]
struct News {
    ended: Vec<Ended>,
    /// Tokens.
    written: usize,
    /// A pass that had some of its sequences failed.
    lost: bool,
}

impl News {
    fn is_empty(&self) -> bool {
        self.written == 0 && !self.lost
    }
}

struct Ended {
    index: usize,
    output: Output,
    kv: Arc<Prefix>,
}

impl Schedule {
    /// What was computed for prompts that are to come doesn't hold any more.
    pub fn forget(&mut self) {
        self.state.get_mut().batch = Some(Batch::default());
    }
}

/// A thread's place at the schedule; when it goes, nothing more is done for it.
struct Place<'e> {
    engine: &'e Engine,
    job: Job,
}

impl<'e> Place<'e> {
    fn take(engine: &'e Engine) -> Self {
        let mut state = engine.schedule.state.lock();
        state.jobs += 1;
        let job = state.jobs;
        state.news.insert(job, News::default());
        Self { engine, job }
    }

    fn ask(&self, requests: impl IntoIterator<Item = (usize, Request)>) {
        let mut state = self.engine.schedule.state.lock();
        let asked =
            requests.into_iter().map(|(index, request)| Asked { job: self.job, index, request });
        state.waiting.extend(asked);
        state.waiting.sort_by_key(|asked| std::cmp::Reverse(asked.order()));
        drop(state);
        // What waits may fit a batch that is computed by nobody.
        self.engine.schedule.turn.notify_all();
    }

    /// Waits for something to come of the job, computing passes while nobody else does.
    fn news(&self) -> Result<News> {
        let schedule = &self.engine.schedule;
        let mut state = schedule.state.lock();
        loop {
            if let Some(news) = state.news.get_mut(&self.job).filter(|news| !news.is_empty()) {
                return Ok(std::mem::take(news));
            }
            let Some(mut batch) = state.batch.take() else {
                schedule.turn.wait(&mut state);
                continue;
            };
            // Some threads may have gone.
            batch.running.retain(|(job, _)| state.news.contains_key(job));
            let most = self.engine.model.together();
            let coming = fitting(&mut state.waiting, &batch, most);
            MutexGuard::unlocked(&mut state, || self.pass(batch, coming))?;
        }
    }

    /// Computes a pass over the batch and those who are coming, and tells each job what came of it.
    fn pass(&self, mut batch: Batch, coming: Vec<Asked>) -> Result<()> {
        let Self { engine, .. } = self;
        let schedule = &engine.schedule;
        let coming_jobs = coming.iter().map(|asked| asked.job);
        let jobs = batch.running.iter().map(|(job, _)| *job).chain(coming_jobs).collect();
        let mut lost = Lost { schedule, jobs: Some(jobs) };
        for Asked { job, index, request } in coming {
            tracing::trace!(job, index, prompt = ?request.prompt.tokens(), "begins");
            batch.running.push((job, engine.start(&mut batch.prefixes, index, request)?));
        }
        engine.step(&mut batch.running.iter_mut().map(|(_, s)| s).collect::<Vec<_>>())?;
        let (ended, running): (Vec<_>, Vec<_>) =
            batch.running.into_iter().partition(|(_, sequence)| sequence.is_complete());
        batch.running = running;
        let ended = ended.into_iter().map(|(job, sequence)| {
            let index = sequence.index();
            let (output, kv) = engine.finish(sequence);
            tracing::trace!(job, index, written = output.tokens.len(), "ended");
            (job, Ended { index, output, kv })
        });
        let ended: Vec<_> = ended.collect();
        let mut state = schedule.state.lock();
        for job in lost.jobs.take().into_iter().flatten() {
            if let Some(news) = state.news.get_mut(&job) {
                news.written += 1;
            }
        }
        for (job, ended) in ended {
            if let Some(news) = state.news.get_mut(&job) {
                news.ended.push(ended);
            }
        }
        state.batch = Some(batch);
        drop(state);
        schedule.turn.notify_all();
        Ok(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let schedule = &self.engine.schedule;
        let mut state = schedule.state.lock();
        state.waiting.retain(|asked| asked.job != self.job);
        state.news.remove(&self.job);
        drop(state);
        // It may have been the one to compute.
        schedule.turn.notify_all();
    }
}

/// The job of each sequence of a pass, until it is computed: if that fails, or panics, their threads
/// must hear of it instead of waiting for ever.
struct Lost<'s> {
    schedule: &'s Schedule,
    /// `None` once it is computed.
    jobs: Option<Vec<Job>>,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        let Some(jobs) = self.jobs.take() else { return };
        let mut state = self.schedule.state.lock();
        state.batch = Some(Batch::default());
        for job in jobs {
            state.news.entry(job).and_modify(|news| news.lost = true);
        }
        drop(state);
        self.schedule.turn.notify_all();
    }
}

/// Takes from those who wait what fits beside the batch, up to `most` rows in all: at least one, if
/// that is empty.
fn fitting(waiting: &mut Vec<Asked>, batch: &Batch, most: usize) -> Vec<Asked> {
    let mut rows: usize = batch.running.iter().map(|(_, sequence)| sequence.rows()).sum();
    let mut coming = Vec::new();
    while let Some(next) = waiting.last()
        && (rows == 0 || rows + next.request.beams() <= most)
        && let Some(next) = waiting.pop()
    {
        rows += next.request.beams();
        coming.push(next);
    }
    coming
}

impl Engine {
    /// Generates every request, together with what other threads are generating; outputs come in the
    /// order of the requests, behind them those of the requests that `watch` made of finished ones.
    ///
    /// # Errors
    /// candle's, the watcher's, or [`Error::Interrupted`].
    pub fn generate(&self, requests: Vec<Request>, watch: &mut dyn Watch) -> Result<Vec<Output>> {
        let mut outputs: Vec<Option<Output>> = (0..requests.len()).map(|_| None).collect();
        let mut open = requests.len();
        let place = Place::take(self);
        place.ask(requests.into_iter().enumerate());
        while open > 0 {
            let News { ended, written, lost } = place.news()?;
            if lost {
                return Err(Error::Engine {
                    context: "generating text",
                    cause: candle_core::Error::Msg("a pass that others took part in failed".into()),
                });
            }
            let finished = ended.len();
            for Ended { index, output, kv } in ended {
                open -= 1;
                if let Some(request) = watch.follow(self, index, &output, kv)? {
                    open += 1;
                    place.ask([(outputs.len(), request)]);
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
}
