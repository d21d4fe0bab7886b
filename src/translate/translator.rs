//! The order in which an article's sentences are translated, checked and tried again.

use std::collections::HashMap;

use super::{
    Flag, FlagKind, Segment, guards, names,
    prompt::{self, Fields, Pair},
};
use crate::{
    Language,
    article::{Article, BlockKind, Sentence},
    engine::{Engine, Output, Prompts, Request},
    error::Result,
};

/// Segments that are translated first and then shown to the model with every other one, so that
/// names are written alike throughout: the title and the lead.
const CONTEXT_SEGMENTS: usize = 3;
/// Characters of context, source and target together, that a prompt may carry.
const CONTEXT_CHARS: usize = 1_600;

/// Hears how far a translation is. Its answer `false` ends the work.
pub trait Progress {
    /// `segments` more were finished, `tokens` more were written.
    fn advance(&mut self, segments: usize, tokens: usize) -> bool;
}

impl<F: FnMut(usize, usize) -> bool> Progress for F {
    fn advance(&mut self, segments: usize, tokens: usize) -> bool {
        self(segments, tokens)
    }
}

/// Translates with one model.
pub struct Translator<'a> {
    /// The loaded model.
    pub engine: &'a mut Engine,
    /// The templates.
    pub prompts: &'a Prompts,
    /// The manifest's prompt style.
    pub style: &'a str,
}

struct Candidate {
    target: String,
    flags: Vec<Flag>,
    logprob: f32,
}

impl Candidate {
    fn new(source: &str, output: &Output, language: Language) -> Self {
        let target = tidy(&output.text);
        let flags = guards::check(source, &target, language, output.cut_off);
        Self { target, flags, logprob: output.mean_logprob }
    }

    /// How bad the flags are, for choosing among attempts: the reader is misled more by what is
    /// wrong than by what is missing.
    fn cost(&self) -> u32 {
        self.flags
            .iter()
            .map(|flag| match flag.kind {
                FlagKind::Empty | FlagKind::NotEnglish | FlagKind::Untranslated => 100,
                FlagKind::Runaway | FlagKind::Refused => 80,
                FlagKind::TooLong | FlagKind::TooShort => 20,
                FlagKind::NumberAdded | FlagKind::Date | FlagKind::Negation => 12,
                FlagKind::NumberMissing | FlagKind::Name | FlagKind::Cause => 8,
            })
            .sum()
    }

    fn better_than(&self, other: &Self) -> bool {
        (self.cost(), -self.logprob) < (other.cost(), -other.logprob)
    }
}

impl Translator<'_> {
    /// Translates an article, sentence by sentence. Every sentence is in exactly one segment.
    ///
    /// # Errors
    /// The engine's, or an interruption.
    pub fn article(
        &mut self,
        article: &Article,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Segment>> {
        let sentences = &article.sentences;
        // Context is an article's beginning, which says who and what it is about.
        let lead: Vec<usize> = sentences
            .iter()
            .enumerate()
            .filter(|(_, s)| s.kind != BlockKind::Heading)
            .map(|(i, _)| i)
            .take(CONTEXT_SEGMENTS)
            .collect();
        let texts = |indices: &[usize]| -> Vec<String> {
            indices.iter().filter_map(|i| sentences.get(*i)).map(prepared).collect()
        };
        let rest: Vec<usize> = (0..sentences.len()).filter(|i| !lead.contains(i)).collect();
        let lead_texts = texts(&lead);
        let lead_targets = self.texts(&lead_texts, article.language, &[], progress)?;
        let context = context_pairs(&lead_texts, &lead_targets);
        let rest_targets = self.texts(&texts(&rest), article.language, &context, progress)?;

        let mut targets: HashMap<usize, (String, Vec<Flag>)> =
            lead.into_iter().zip(lead_targets).chain(rest.into_iter().zip(rest_targets)).collect();
        Ok(sentences
            .iter()
            .enumerate()
            .map(|(i, sentence)| {
                let (target, flags) = targets.remove(&i).unwrap_or_default();
                Segment { sentences: vec![sentence.id.clone()], target, flags }
            })
            .collect())
    }

    /// Translates texts that belong together; each gets its target and what is wrong with it.
    ///
    /// # Errors
    /// The engine's, or an interruption.
    pub fn texts(
        &mut self,
        texts: &[String],
        language: Language,
        context: &[Pair],
        progress: &mut dyn Progress,
    ) -> Result<Vec<(String, Vec<Flag>)>> {
        let mut best: Vec<Option<Candidate>> = texts.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..texts.len()).collect();
        for attempt in 0..3 {
            let requests = open
                .iter()
                .filter_map(|i| Some((texts.get(*i)?, best.get(*i)?.as_ref())))
                .map(|(text, best)| self.request(text, language, context, attempt, best))
                .collect::<Result<Vec<_>>>()?;
            let first = attempt == 0;
            let outputs = self.engine.generate(requests, &mut |finished, tokens| {
                progress.advance(if first { finished } else { 0 }, tokens)
            })?;
            for (i, output) in open.iter().zip(&outputs) {
                let (Some(text), Some(best)) = (texts.get(*i), best.get_mut(*i)) else { continue };
                let candidate = Candidate::new(text, output, language);
                if best.as_ref().is_none_or(|b| candidate.better_than(b)) {
                    *best = Some(candidate);
                }
            }
            open.retain(|i| {
                best.get(*i).and_then(Option::as_ref).is_some_and(|b| !b.flags.is_empty())
            });
            if open.is_empty() {
                break;
            }
        }
        Ok(best
            .into_iter()
            .map(|candidate| candidate.map_or_else(Default::default, |c| (c.target, c.flags)))
            .collect())
    }

    /// The prompt of one attempt: first with the article's beginning, then without it, then with
    /// what must not be changed said once more. Names that the best attempt so far got wrong are
    /// told.
    fn request(
        &self,
        text: &str,
        language: Language,
        context: &[Pair],
        attempt: usize,
        best: Option<&Candidate>,
    ) -> Result<Request> {
        let misnamed = best.is_some_and(|b| b.flags.iter().any(|f| f.kind == FlagKind::Name));
        let names = misnamed.then(|| format!("Names: {}", names::glossary(text, language)));
        let reminder = (attempt == 2).then_some(
            "translate every word; keep all numbers, dates and names exactly as they are",
        );
        let note = match (&names, reminder) {
            (Some(names), Some(reminder)) => Some(format!("{names}. {reminder}")),
            (names, reminder) => names.clone().or(reminder.map(str::to_owned)),
        };
        let bare = attempt == 1 && !misnamed;
        let fields = Fields {
            language,
            context: if bare { &[] } else { context },
            text,
            note: note.as_deref(),
        };
        let prompt = prompt::render(self.style, &fields, self.prompts, self.engine)?;
        let source_tokens = self.engine.tokenizer.encode(text).map_or(text.len(), |ids| ids.len());
        Ok(Request { prompt, max_tokens: 24 + source_tokens * 2, grammar: None })
    }
}

/// A sentence as the model reads it: on one line, in composed form.
fn prepared(sentence: &Sentence) -> String {
    use unicode_normalization::UnicodeNormalization;
    sentence.text.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The clean ones among the lead's translations, as many as fit.
fn context_pairs(sources: &[String], targets: &[(String, Vec<Flag>)]) -> Vec<Pair> {
    let mut left = CONTEXT_CHARS;
    sources
        .iter()
        .zip(targets)
        .filter(|(_, (_, flags))| flags.is_empty())
        .map(|(source, (target, _))| Pair { source: source.clone(), target: target.clone() })
        .take_while(|pair| {
            let chars = pair.source.chars().count() + pair.target.chars().count();
            left = left.saturating_sub(chars);
            left > 0
        })
        .collect()
}
