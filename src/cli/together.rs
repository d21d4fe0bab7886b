//! Several articles in work at the same time.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
};

use parking_lot::Mutex;

use super::progress::Screen;
use crate::{
    batch::Input,
    engine::Backend,
    error::Result,
    hub::Manifest,
    pipeline::{Event, Observer},
};

/// Articles in work at a time. What one alone lets decode together, its paragraphs, fills no batch,
/// and a summary is one sequence; more articles only hold more texts and caches in memory.
pub fn at_once(backend: &Backend) -> usize {
    // A GPU computes some hundred sequences in nearly the time of one.
    if backend.device().is_cpu() { 4 } else { 32 }
}

/// When the results are heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they come.
    AsDone,
    /// In the order of the inputs.
    OfInputs,
}

/// A thread's view of the screen that all share.
struct Onlooker<'a, 's> {
    screen: &'a Mutex<&'s mut Screen>,
    stopped: &'a AtomicBool,
}

impl Observer for Onlooker<'_, '_> {
    fn event(&mut self, event: Event<'_>) {
        self.screen.lock().event(event);
    }

    fn interrupted(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.screen.lock().interrupted()
    }

    fn accepts_licence(&mut self, model: &Manifest) -> bool {
        self.screen.lock().accepts_licence(model)
    }
}

/// Does `work` on all inputs, on `at_once` of them at the same time. `each` hears what came of an input, by its
/// index; after it has answered `false`, no other is begun, and those in work are interrupted.
pub fn together<T: Send>(
    inputs: &[Input],
    at_once: usize,
    order: Order,
    screen: &mut Screen,
    work: impl Fn(&Input, &mut dyn Observer) -> Result<T> + Sync,
    mut each: impl FnMut(&Screen, usize, Result<T>) -> bool,
) {
    let (screen, stopped, next) = (Mutex::new(screen), AtomicBool::new(false), AtomicUsize::new(0));
    let (send, receive) = mpsc::channel();
    let thread = |send: mpsc::Sender<(usize, Result<T>)>| {
        let mut onlooker = Onlooker { screen: &screen, stopped: &stopped };
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index).filter(|_| !stopped.load(Ordering::Relaxed)) else {
                return;
            };
            let name = input.name();
            screen.lock().begin(&name);
            let result = work(input, &mut onlooker);
            screen.lock().end(&name);
            if send.send((index, result)).is_err() {
                return;
            }
        }
    };
    let mut hear = |index, result| {
        if !each(&screen.lock(), index, result) {
            stopped.store(true, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(inputs.len()) {
            let send = send.clone();
            scope.spawn(|| thread(send));
        }
        drop(send);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (index, result) in receive {
            match order {
                Order::AsDone => hear(index, result),
                Order::OfInputs => {
                    early.insert(index, result);
                    while let Some(result) = early.remove(&due) {
                        hear(due, result);
                        due += 1;
                    }
                }
            }
        }
        // Where one was never begun.
        early.into_iter().for_each(|(index, result)| hear(index, result));
    });
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::{cli::plan::Loudness, error::Error};

    fn inputs() -> Vec<Input> {
        (0..9).map(|n| Input::at(Path::new(&n.to_string()))).collect()
    }

    /// The later, the sooner done.
    fn number(input: &Input) -> usize {
        let number = input.name().parse().unwrap_or(0);
        std::thread::sleep(Duration::from_millis(20 * (9 - number as u64)));
        number
    }

    #[test]
    fn all_are_done_and_heard_of_in_order() {
        for order in [Order::AsDone, Order::OfInputs] {
            let mut heard = Vec::new();
            let mut screen = Screen::new(Loudness::Quiet, 9);
            let work = |input: &Input, _: &mut dyn Observer| Ok(number(input));
            together(&inputs(), 4, order, &mut screen, work, |_, index, result| {
                assert!(matches!(result, Ok(number) if number == index));
                heard.push(index);
                true
            });
            assert_eq!(heard.is_sorted(), order == Order::OfInputs, "{heard:?}");
            heard.sort_unstable();
            assert!(heard.into_iter().eq(0..9));
        }
    }

    #[test]
    fn what_is_in_work_is_interrupted_when_nobody_wants_it_any_more() {
        let mut heard = Vec::new();
        let mut screen = Screen::new(Loudness::Quiet, 9);
        let work = |input: &Input, observer: &mut dyn Observer| {
            while number(input) != 2 {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
            }
            Ok(())
        };
        together(&inputs(), 4, Order::AsDone, &mut screen, work, |_, index, result| {
            heard.push((index, result.is_ok()));
            result.is_err()
        });
        // Four were begun, and perhaps another before the first was heard of.
        assert!(heard.contains(&(2, true)) && heard.len() <= 5, "{heard:?}");
        assert_eq!(heard.iter().filter(|(_, done)| *done).count(), 1);
    }
}
