//! What the person sees while work goes on: notes and a progress bar on stderr.

use std::{
    io::{BufRead, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Loudness;
use crate::{
    hub::Manifest,
    pipeline::{Event, Observer},
};

/// Set by Ctrl-C.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Shows a pipeline's events.
pub struct Screen {
    bar: ProgressBar,
    loudness: Loudness,
    /// Done, and in all.
    articles: (usize, usize),
    /// Names of the articles in work.
    names: Vec<String>,
    /// Done, and in all, of the articles in work and of those done since there was none.
    sentences: (usize, usize),
    tokens: usize,
    /// Since when tokens and sentences are counted.
    since: Instant,
}

impl Screen {
    /// A screen for so many articles; without a terminal, or when quiet, nothing moves on it.
    #[must_use]
    pub fn new(loudness: Loudness, articles: usize) -> Self {
        let moving = loudness != Loudness::Quiet && std::io::stderr().is_terminal();
        let target =
            if moving { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        if moving {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self {
            bar,
            loudness,
            articles: (0, articles),
            names: Vec::new(),
            sentences: (0, 0),
            tokens: 0,
            since: Instant::now(),
        }
    }

    /// Says a line for the person.
    pub fn note(&self, text: &str) {
        if self.loudness != Loudness::Quiet {
            self.bar.suspend(|| eprintln!("brief: {text}"));
        }
    }

    /// Says a line that matters even when quiet.
    pub fn complain(&self, text: &str) {
        self.bar.suspend(|| eprintln!("brief: {text}"));
    }

    /// An article begins.
    pub fn begin(&mut self, name: &str) {
        if self.names.is_empty() {
            (self.sentences, self.tokens) = ((0, 0), 0);
        }
        self.names.push(name.to_owned());
        self.draw("");
    }

    /// An article is done, well or not.
    pub fn end(&mut self, name: &str) {
        self.articles.0 += 1;
        if let Some(at) = self.names.iter().position(|n| n == name) {
            self.names.remove(at);
        }
        self.draw("");
    }

    /// No more moves.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn draw(&mut self, doing: &str) {
        let (done, all) = self.articles;
        let mut text = if all > 1 {
            format!("article {} of {all}  ", (done + 1).min(all))
        } else {
            String::new()
        };
        if let Some(name) = self.names.first() {
            text.push_str(name);
        }
        if self.names.len() > 1 {
            text.push_str(&format!(" and {} more", self.names.len() - 1));
        }
        let (finished, total) = self.sentences;
        if total > 0 {
            text.push_str(&format!("  sentence {finished} of {total}"));
        }
        let seconds = self.since.elapsed().as_secs_f64();
        if self.tokens > 0 && seconds > 0.5 {
            text.push_str(&format!("  {:.0} tokens/s", self.tokens as f64 / seconds));
        }
        // Only what is left of these can be foreseen; other articles may be of any length.
        if finished > 0 && finished < total {
            let left =
                Duration::from_secs_f64(seconds / finished as f64 * (total - finished) as f64);
            let these = if self.names.len() > 1 { "these articles" } else { "this article" };
            text.push_str(&format!("  {} left in {these}", indicatif::HumanDuration(left)));
        }
        if !doing.is_empty() {
            text.push_str("  ");
            text.push_str(doing);
        }
        self.bar.set_message(text);
    }
}

impl Observer for Screen {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(text) => self.note(text),
            Event::Download { file, done, total } => {
                let of =
                    total.map_or_else(String::new, |t| format!(" of {}", indicatif::HumanBytes(t)));
                self.draw(&format!("fetching {file}: {}{of}", indicatif::HumanBytes(done)));
            }
            Event::Loading { model } => {
                tracing::info!(model, "loading");
                self.draw(&format!("loading {model}"));
            }
            Event::Sentences { total } => {
                if self.sentences.1 == 0 {
                    self.since = Instant::now();
                }
                self.sentences.1 += total;
                self.draw("");
            }
            Event::Progress { sentences, tokens } => {
                self.sentences.0 += sentences;
                self.tokens += tokens;
                self.draw("");
            }
            Event::Summarizing => self.draw("summarising"),
        }
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }

    fn accepts_licence(&mut self, model: &Manifest) -> bool {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return false;
        }
        self.bar.suspend(|| {
            eprintln!("{} may be used under the {}.", model.id, model.licence);
            if let Some(terms) = model.allows() {
                eprintln!("\n{}\n", terms.trim());
            }
            if let Some(url) = &model.licence_url {
                eprintln!("Read them at {url}");
            }
            eprint!("Do you accept them? [y/N] ");
            let _ = std::io::stderr().flush();
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer).is_ok()
                && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
        })
    }
}
