//! Generation for many sequences at once, on a tiny random model: what a sequence writes must not
//! depend on what else runs, nor on what of its prompt was computed before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

#[path = "common/tiny.rs"]
#[allow(dead_code)]
mod tiny;

use std::sync::Arc;

use brief::{
    Error,
    engine::{Engine, Output, Prefix, Prompt, Request, Search, Watch},
};
use candle_core::Device;

fn engine() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    tiny::write(&path);
    Engine::load("tiny", &path, &Device::Cpu).unwrap()
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
    let mut engine = engine();
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
    let mut together = engine();
    let requests = texts.iter().map(|t| request(&together, &["Shared. ", t])).collect();
    let outputs = together.generate(requests, &mut |_: usize, _: usize| true).unwrap();
    for i in [0, 17, 59] {
        let mut alone = engine();
        let one = vec![request(&alone, &["Shared. ", &texts[i]])];
        let output = alone.generate(one, &mut |_: usize, _: usize| true).unwrap();
        assert_eq!(output[0].tokens, outputs[i].tokens, "{}", texts[i]);
    }
}

#[test]
fn a_watcher_can_end_the_work() {
    let mut engine = engine();
    let requests = vec![request(&engine, &["Never mind."])];
    let ended = engine.generate(requests, &mut |_: usize, _: usize| false);
    assert!(matches!(ended, Err(Error::Interrupted)));
}
