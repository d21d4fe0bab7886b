//! Generation for many sequences at once, on a tiny random model: what a sequence writes must not
//! depend on what else runs, nor on what of its prompt was computed before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

#[path = "common/tiny.rs"]
#[allow(dead_code)]
mod tiny;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use brief::{
    Error,
    engine::{Backend, Engine, Grammar, Next, Output, Prefix, Prompt, Request, Search, Watch},
};

fn engine() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    tiny::write(&path);
    Engine::load("tiny", &path, &Backend::cpu()).unwrap()
}

fn request(engine: &Engine, levels: &[&str]) -> Request {
    asking(levels.iter().map(|text| engine.tokenizer.encode(text).unwrap()).collect(), None)
}

fn asking(levels: Vec<Vec<u32>>, after: Option<Arc<Prefix>>) -> Request {
    let prompt = Prompt { levels };
    Request { prompt, after, max_tokens: 24, search: Search::GREEDY, grammar: None }
}

/// Answers every finished sequence up to `turns` with a prompt that goes on from it.
struct Conversation {
    turns: usize,
    /// Whether the cache is handed on, or another sequence's.
    reuse: bool,
    prompts: Vec<Vec<Vec<u32>>>,
    stolen: Option<Arc<Prefix>>,
}

impl Watch for Conversation {
    fn step(&mut self, _: usize, _: usize) -> bool {
        true
    }

    fn follow(
        &mut self,
        engine: &Engine,
        index: usize,
        output: &Output,
        kv: Arc<Prefix>,
    ) -> Result<Option<Request>, Error> {
        if self.prompts.len() >= self.turns {
            return Ok(None);
        }
        let mut levels = self.prompts[index].clone();
        levels.last_mut().unwrap().extend(&output.tokens);
        levels.push(engine.tokenizer.encode(" and then?").unwrap());
        self.prompts.push(levels.clone());
        let first = self.stolen.get_or_insert_with(|| kv.clone()).clone();
        let after = Some(if self.reuse { kv } else { first });
        Ok(Some(asking(levels, after)))
    }
}

fn converse(reuse: bool) -> (Vec<Output>, Vec<Vec<Vec<u32>>>) {
    let engine = engine();
    let first = request(&engine, &["A heading. ", "One sentence."]);
    let mut watch =
        Conversation { turns: 4, reuse, prompts: vec![first.prompt.levels.clone()], stolen: None };
    let outputs = engine.generate(vec![first], &mut watch).unwrap();
    (outputs, watch.prompts)
}

#[test]
fn a_continued_sequence_writes_what_its_whole_prompt_would() {
    let (outputs, prompts) = converse(true);
    assert_eq!(outputs.len(), 4);
    for (output, levels) in outputs.iter().zip(prompts) {
        let request = asking(vec![levels.concat()], None);
        let alone = engine().generate(vec![request], &mut |_: usize, _: usize| true).unwrap();
        assert_eq!(alone[0].tokens, output.tokens);
        assert!((alone[0].mean_logprob - output.mean_logprob).abs() < 1e-4);
    }
}

#[test]
fn a_cache_that_holds_something_else_is_not_used() {
    // From the second turn on, what is handed on is the first turn's cache.
    let (honest, _) = converse(true);
    let (deceived, _) = converse(false);
    for (a, b) in honest.iter().zip(&deceived) {
        assert_eq!(a.tokens, b.tokens);
    }
}

#[test]
fn a_sequence_writes_the_same_alone_and_among_others() {
    let texts: Vec<String> = (0..60).map(|i| format!("Sentence {i} {}", "x".repeat(i))).collect();
    let together = engine();
    let requests = texts.iter().map(|t| request(&together, &["Shared. ", t])).collect();
    let outputs = together.generate(requests, &mut |_: usize, _: usize| true).unwrap();
    for i in [0, 17, 59] {
        let alone = engine();
        let one = vec![request(&alone, &["Shared. ", &texts[i]])];
        let output = alone.generate(one, &mut |_: usize, _: usize| true).unwrap();
        assert_eq!(output[0].tokens, outputs[i].tokens, "{}", texts[i]);
    }
}

#[test]
fn a_watcher_can_end_the_work() {
    let engine = engine();
    let requests = vec![request(&engine, &["Never mind."])];
    let ended = engine.generate(requests, &mut |_: usize, _: usize| false);
    assert!(matches!(ended, Err(Error::Interrupted)));
}

#[test]
fn threads_share_a_batch_and_each_gets_its_own() {
    let engine = engine();
    let texts = |thread: usize| -> Vec<String> {
        (0..15).map(|i| format!("Thread {thread} says {i} {}", "x".repeat(7 * i % 31))).collect()
    };
    let steps = AtomicUsize::new(0);
    let together: Vec<Vec<Output>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..5)
            .map(|thread| {
                let (engine, steps) = (&engine, &steps);
                scope.spawn(move || {
                    let texts = texts(thread);
                    let requests =
                        texts.iter().map(|t| request(engine, &["Shared. ", t])).collect();
                    let mut watch = |_: usize, written: usize| {
                        steps.fetch_add(written, Ordering::Relaxed);
                        true
                    };
                    engine.generate(requests, &mut watch).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (thread, outputs) in together.iter().enumerate() {
        for (text, output) in texts(thread).iter().zip(outputs) {
            let alone = request(&engine, &["Shared. ", text]);
            let alone = engine.generate(vec![alone], &mut |_: usize, _: usize| true).unwrap();
            assert_eq!(alone[0].tokens, output.tokens, "{text}");
        }
    }
    // Each thread heard of all its tokens.
    let written: usize = together.iter().flatten().map(|output| output.tokens.len()).sum();
    assert!(steps.load(Ordering::Relaxed) >= written);
}

#[test]
fn who_leaves_holds_up_nobody() {
    let engine = engine();
    std::thread::scope(|scope| {
        let stays: Vec<_> = (0..3)
            .map(|thread| {
                let engine = &engine;
                scope.spawn(move || {
                    let text = format!("Thread {thread} stays.");
                    let requests = (0..20).map(|_| request(engine, &[&text])).collect();
                    engine.generate(requests, &mut |_: usize, _: usize| true).unwrap().len()
                })
            })
            .collect();
        let goes: Vec<_> = (1..6)
            .map(|passes| {
                let engine = &engine;
                scope.spawn(move || {
                    let requests = (0..20).map(|_| request(engine, &["Never mind."])).collect();
                    let mut left = passes;
                    engine.generate(requests, &mut |_: usize, _: usize| {
                        left -= 1;
                        left > 0
                    })
                })
            })
            .collect();
        for thread in goes {
            assert!(matches!(thread.join().unwrap(), Err(Error::Interrupted)));
        }
        for thread in stays {
            assert_eq!(thread.join().unwrap(), 20);
        }
    });
}

/// Fails at its third token.
struct Broken(usize);

impl Grammar for Broken {
    fn next(&self) -> Next {
        Next::TextExcept(Vec::new())
    }

    fn accept(&mut self, _: u32) {
        self.0 += 1;
        assert!(self.0 < 3, "as it is meant to");
    }
}

#[test]
fn a_pass_that_fails_is_an_error_for_all_in_it_and_the_next_goes_on() {
    let engine = engine();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = [false, true, false]
            .map(|broken| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut request = request(engine, &["Three threads."]);
                    request.grammar = broken.then(|| Box::new(Broken(0)) as Box<dyn Grammar>);
                    engine.generate(vec![request], &mut |_: usize, _: usize| true)
                })
            })
            .into_iter()
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    // One thread computed the pass; the others, if they took part, were told.
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    let request = request(&engine, &["On it goes."]);
    assert_eq!(engine.generate(vec![request], &mut |_: usize, _: usize| true).unwrap().len(), 1);
}
