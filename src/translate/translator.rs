//! The order in which an article's sentences are translated, checked and tried again.

use std::sync::Arc;

use super::{
    Flag, FlagKind, Segment, guards, names,
    prompt::{self, Fields, Pair},
};
use crate::{
    Language,
    article::{Article, BlockKind, Sentence},
    engine::{Engine, Output, Prefix, Prompts, Request, Search, Watch},
    error::Result,
    trace::facts,
};

/// Segments that are translated first and then shown to the model with every other one, so that
/// names are written alike throughout: the title and the lead.
const CONTEXT_SEGMENTS: usize = 3;
/// Characters of context, source and target together, that a prompt may carry.
const CONTEXT_CHARS: usize = 1_600;
/// Sentences that are translated one after the other, each seeing those before it. Other runs are
/// translated at the same time.
const RUN: usize = 6;
/// How often a text is tried.
const ATTEMPTS: usize = 3;

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
    pub engine: &'a Engine,
    /// The templates.
    pub prompts: &'a Prompts,
    /// The prompt style.
    pub style: &'a str,
    /// How translations are looked for.
    pub search: Search,
}

/// Texts on their way into English.
struct Draft {
    language: Language,
    texts: Vec<String>,
    /// Whether the texts follow one another, as an article's sentences do.
    connected: bool,
    /// The best attempt so far at each.
    best: Vec<Option<Candidate>>,
    /// What was tried for each: the prompts, and how many hypotheses were followed.
    asked: Vec<Vec<(Vec<u32>, usize)>>,
}

impl Draft {
    fn new(texts: Vec<String>, language: Language, connected: bool) -> Self {
        let best = texts.iter().map(|_| None).collect();
        let asked = vec![Vec::new(); texts.len()];
        Self { language, texts, connected, best, asked }
    }

    /// Takes note that `request` is tried for a text; `false` if it has been already, and would give
    /// the same again.
    fn ask(&mut self, index: usize, request: &Request) -> bool {
        let Some(asked) = self.asked.get_mut(index) else { return false };
        let asking = (request.prompt.tokens(), request.search.beams);
        let new = !asked.contains(&asking);
        asked.push(asking);
        new
    }

    fn best(&self, index: usize) -> Option<&Candidate> {
        self.best.get(index).and_then(Option::as_ref)
    }

    /// Keeps `output` if it is the best so far. Of the texts that the search found it is the first
    /// with the fewest faults.
    fn consider(&mut self, index: usize, output: &Output) {
        let (Some(text), Some(best)) = (self.texts.get(index), self.best.get_mut(index)) else {
            return;
        };
        let found = std::iter::once(output).chain(&output.others);
        let candidates = found.map(|output| Candidate::new(text, output, self.language));
        let Some(candidate) = candidates.min_by_key(Candidate::cost) else { return };
        if best.as_ref().is_none_or(|best| candidate.better_than(best)) {
            *best = Some(candidate);
        }
    }

    /// The text with its translation, if that has no flag: what another prompt may show.
    fn pair(&self, index: usize) -> Option<Pair> {
        let best = self.best(index).filter(|best| best.flags.is_empty())?;
        Some(Pair { source: self.texts.get(index)?.clone(), target: best.target.clone() })
    }

    /// The clean ones among `indices`, as many as fit.
    fn pairs(&self, indices: &[usize]) -> Vec<Pair> {
        let mut left = CONTEXT_CHARS;
        let fits = |pair: &Pair| {
            left = left.saturating_sub(pair.source.chars().count() + pair.target.chars().count());
            left > 0
        };
        indices.iter().filter_map(|i| self.pair(*i)).take_while(fits).collect()
    }
}

struct Candidate {
    target: String,
    flags: Vec<Flag>,
    logprob: f32,
}

impl Candidate {
    fn new(source: &str, output: &Output, language: Language) -> Self {
        let target = rejoined(source, &tidy(&output.text), language);
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
                FlagKind::Runaway | FlagKind::Refused | FlagKind::Unrelated => 80,
                FlagKind::TooLong | FlagKind::TooShort => 20,
                FlagKind::NumberAdded | FlagKind::Date | FlagKind::Negation => 12,
                FlagKind::NumberMissing | FlagKind::Name => 8,
            })
            .sum()
    }

    fn better_than(&self, other: &Self) -> bool {
        (self.cost(), -self.logprob) < (other.cost(), -other.logprob)
    }
}

/// What all prompts of a piece of work have in common.
#[derive(Clone, Copy)]
struct Asking<'a> {
    prompts: &'a Prompts,
    style: &'a str,
    search: Search,
    language: Language,
    /// The article's beginning.
    context: &'a [Pair],
}

impl Asking<'_> {
    /// A first attempt at `text`, which comes after `earlier`.
    fn first(&self, engine: &Engine, text: &str, earlier: &[Pair]) -> Result<Request> {
        self.request(engine, text, self.context, earlier, None)
    }

    /// Another attempt at a text: the second without the article's beginning, the third with what
    /// must not be changed said once more. Names that the best attempt so far got wrong are told.
    fn again(
        &self,
        engine: &Engine,
        text: &str,
        previous: Option<Pair>,
        attempt: usize,
        best: Option<&Candidate>,
    ) -> Result<Request> {
        let misnamed = best.is_some_and(|b| b.flags.iter().any(|f| f.kind == FlagKind::Name));
        let names = misnamed.then(|| format!("Names: {}", names::glossary(text, self.language)));
        let reminder = (attempt == 2).then_some(
            "translate every word; keep all numbers, dates and names exactly as they are",
        );
        let note = match (&names, reminder) {
            (Some(names), Some(reminder)) => Some(format!("{names}. {reminder}")),
            (names, reminder) => names.clone().or(reminder.map(str::to_owned)),
        };
        let context = if attempt == 1 && !misnamed { &[] } else { self.context };
        self.request(engine, text, context, previous.as_slice(), note.as_deref())
    }

    fn request(
        &self,
        engine: &Engine,
        text: &str,
        context: &[Pair],
        earlier: &[Pair],
        note: Option<&str>,
    ) -> Result<Request> {
        let fields = Fields { language: self.language, context, earlier, text, note };
        let prompt = prompt::render(self.style, &fields, self.prompts, engine)?;
        let source_tokens = engine.tokenizer.encode(text).map_or(text.len(), |ids| ids.len());
        let max_tokens = 24 + source_tokens * 2;
        Ok(Request { prompt, after: None, max_tokens, search: self.search, grammar: None })
    }
}

/// First attempts: runs of texts that are translated one after the other, each as the next turn of
/// the conversation that its run is.
struct Runs<'a> {
    asking: Asking<'a>,
    draft: &'a mut Draft,
    progress: &'a mut dyn Progress,
    /// Texts still to come in each run, last first.
    coming: Vec<Vec<usize>>,
    /// What each run's next prompt shows of it.
    earlier: Vec<Vec<Pair>>,
    /// The text that each output translates, and its run.
    outputs: Vec<(usize, usize)>,
}

impl Runs<'_> {
    /// The next text of a run.
    fn next(&mut self, engine: &Engine, run: usize) -> Result<Option<Request>> {
        let Some(index) = self.coming.get_mut(run).and_then(Vec::pop) else { return Ok(None) };
        self.outputs.push((index, run));
        let text = self.draft.texts.get(index).map_or("", String::as_str);
        let earlier = self.earlier.get(run).map_or(&[][..], Vec::as_slice);
        let request = self.asking.first(engine, text, earlier)?;
        self.draft.ask(index, &request);
        Ok(Some(request))
    }
}

impl Watch for Runs<'_> {
    fn step(&mut self, finished: usize, written: usize) -> bool {
        self.progress.advance(finished, written)
    }

    fn follow(
        &mut self,
        engine: &Engine,
        output_index: usize,
        output: &Output,
        kv: Arc<Prefix>,
    ) -> Result<Option<Request>> {
        let Some(&(index, run)) = self.outputs.get(output_index) else { return Ok(None) };
        self.draft.consider(index, output);
        let pair = self.draft.pair(index);
        if let Some(earlier) = self.earlier.get_mut(run) {
            match pair {
                Some(pair) => earlier.push(pair),
                // A translation that failed a check must not lead the next one astray.
                None => earlier.clear(),
            }
        }
        Ok(self.next(engine, run)?.map(|request| Request { after: Some(kv), ..request }))
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
        let texts = sentences.iter().map(|s| prepared(&s.text)).collect();
        let mut draft = Draft::new(texts, article.language, true);
        let (lead, rest) = runs(sentences);
        self.translate(&mut draft, vec![lead.clone()], &[], progress)?;
        let context = draft.pairs(&lead);
        self.translate(&mut draft, rest, &context, progress)?;
        Ok(sentences
            .iter()
            .zip(draft.best)
            .map(|(sentence, best)| {
                let (target, flags) = best.map(|b| (b.target, b.flags)).unwrap_or_default();
                Segment { sentences: vec![sentence.id.clone()], target, flags, estimate: None }
            })
            .collect())
    }

    /// Translates paragraphs that have nothing to do with one another, each a list of sentences;
    /// each sentence gets its target and what is wrong with it, in order.
    ///
    /// # Errors
    /// The engine's, or an interruption.
    pub fn texts(
        &mut self,
        paragraphs: Vec<Vec<String>>,
        language: Language,
        progress: &mut dyn Progress,
    ) -> Result<Vec<(String, Vec<Flag>)>> {
        let mut runs: Vec<Vec<usize>> = Vec::new();
        let mut first = 0;
        for paragraph in &paragraphs {
            let indices: Vec<usize> = (first..first + paragraph.len()).collect();
            runs.extend(indices.chunks(RUN).map(<[usize]>::to_vec));
            first += paragraph.len();
        }
        let connected = paragraphs.iter().any(|paragraph| paragraph.len() > 1);
        let mut draft = Draft::new(paragraphs.concat(), language, connected);
        self.translate(&mut draft, runs, &[], progress)?;
        Ok(draft
            .best
            .into_iter()
            .map(|best| best.map(|b| (b.target, b.flags)).unwrap_or_default())
            .collect())
    }

    /// Translates the texts of `runs`, each run in order, and tries again those that fail a check.
    fn translate(
        &mut self,
        draft: &mut Draft,
        mut runs: Vec<Vec<usize>>,
        context: &[Pair],
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let mut open = runs.concat();
        let Self { prompts, style, search, .. } = *self;
        let asking = Asking { prompts, style, search, language: draft.language, context };
        runs.iter_mut().for_each(|run| run.reverse());
        let earlier = vec![Vec::new(); runs.len()];
        let mut first =
            Runs { asking, draft, progress, coming: runs, earlier, outputs: Vec::new() };
        let requests = (0..first.coming.len())
            .filter_map(|run| first.next(self.engine, run).transpose())
            .collect::<Result<Vec<_>>>()?;
        self.engine.generate(requests, &mut first)?;

        for attempt in 1..ATTEMPTS {
            open.retain(|i| draft.best(*i).is_some_and(|best| !best.flags.is_empty()));
            let (mut tried, mut requests) = (Vec::new(), Vec::new());
            for &i in &open {
                let text = draft.texts.get(i).map_or("", String::as_str);
                let previous = i.checked_sub(1).filter(|_| draft.connected);
                let previous = previous.and_then(|i| draft.pair(i));
                let best = draft.best(i);
                let mut request = asking.again(self.engine, text, previous, attempt, best)?;
                let mut new = draft.ask(i, &request);
                if !new {
                    // The same prompt finds something else only where more is followed.
                    request.search = request.search.wider();
                    new = draft.ask(i, &request);
                }
                if new {
                    tried.push(i);
                    requests.push(request);
                }
            }
            let outputs = self
                .engine
                .generate(requests, &mut |_: usize, tokens: usize| progress.advance(0, tokens))?;
            for (i, output) in tried.iter().zip(&outputs) {
                draft.consider(*i, output);
            }
        }
        Ok(())
    }
}

/// An article's sentences as its beginning, which says who and what it is about, and the runs of
/// the rest. A run is a paragraph with the heading above it, or a part of a long one.
fn runs(sentences: &[Sentence]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let is_heading = |s: &Sentence| s.kind == BlockKind::Heading;
    let lead: Vec<usize> = sentences
        .iter()
        .enumerate()
        .filter(|(_, s)| !is_heading(s))
        .map(|(i, _)| i)
        .take(CONTEXT_SEGMENTS)
        .collect();
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut before: Option<&Sentence> = None;
    for (i, sentence) in sentences.iter().enumerate().filter(|(i, _)| !lead.contains(i)) {
        let goes_on = before.is_some_and(|b| b.block == sentence.block || is_heading(b));
        match runs.last_mut().filter(|run| goes_on && run.len() < RUN) {
            Some(run) => run.push(i),
            None => runs.push(vec![i]),
        }
        before = Some(sentence);
    }
    (lead, runs)
}

/// A text as the model reads it: on one line, in composed form, without the joiners that only shape
/// letters, and with dandas for what stands in their place behind Bengali.
#[must_use]
pub fn prepared(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let mut clean = String::with_capacity(text.len());
    let bengali = |c: char| matches!(c, '\u{980}'..='\u{9FF}');
    for c in text.nfc().filter(|c| !matches!(c, '\u{200C}' | '\u{200D}')) {
        // A bar, or the currency sign that looks like one.
        let danda = matches!(c, '|' | '\u{9F7}')
            && clean.trim_end().chars().next_back().is_some_and(bengali);
        clean.push(if danda { '।' } else { c });
    }
    tidy(&clean)
}

/// On one line, words one space apart.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers that a model tore apart ("28, 500" for 28.500) in one piece again, where the source has
/// the whole.
fn rejoined(source: &str, target: &str, language: Language) -> String {
    let known = facts::numbers(source, language.into());
    let mut joined = target.to_owned();
    let gaps: Vec<usize> = target.match_indices(", ").map(|(at, _)| at).collect();
    for at in gaps.into_iter().rev() {
        let (head, tail) = joined.split_at(at);
        let tail = tail.get(2..).unwrap_or("");
        let before = head.len() - head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let after = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let whole: f64 = format!(
            "{}{}",
            head.get(head.len() - before..).unwrap_or(""),
            tail.get(..after).unwrap_or("")
        )
        .parse()
        .unwrap_or(f64::NAN);
        if (1..=3).contains(&before) && after == 3 && known.iter().any(|n| n.value == whole) {
            joined = format!("{head},{tail}");
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::Span;
    use crate::engine::Prompt;

    fn sentences(kinds: &[(BlockKind, usize)]) -> Vec<Sentence> {
        kinds
            .iter()
            .enumerate()
            .flat_map(|(block, (kind, count))| std::iter::repeat_n((block, *kind), *count))
            .enumerate()
            .map(|(i, (block, kind))| Sentence {
                id: format!("s{}", i + 1),
                span: Span { start: i, end: i + 1 },
                text: "x".into(),
                block,
                kind,
            })
            .collect()
    }

    #[test]
    fn runs_are_paragraphs_with_their_headings() {
        use BlockKind::{Heading, Paragraph, Title};
        let (lead, runs) = runs(&sentences(&[
            (Title, 1),
            (Heading, 1),
            (Paragraph, 3),
            (Heading, 1),
            (Paragraph, 2),
            (Paragraph, 8),
        ]));
        assert_eq!(lead, [0, 2, 3]);
        assert_eq!(runs, [vec![1, 4], vec![5, 6, 7], vec![8, 9, 10, 11, 12, 13], vec![14, 15]]);
    }

    #[test]
    fn numbers_torn_apart_are_joined_where_the_source_has_them() {
        let joined = |source, target| rejoined(source, target, Language::German);
        assert_eq!(joined("rund 28.500 Fahrzeuge", "about 28, 500 cars"), "about 28,500 cars");
        assert_eq!(joined("28 und 500 Autos", "28, 500 cars"), "28, 500 cars");
    }

    #[test]
    fn what_failed_a_check_is_not_shown_to_the_model() {
        let texts = vec!["Am 13. Mai.".to_owned(), "Er kam.".to_owned()];
        let mut draft = Draft::new(texts, Language::German, true);
        let output = |text: &str| Output { text: text.into(), ..Output::default() };
        draft.consider(0, &output("On June 14."));
        draft.consider(1, &output("He came."));
        assert_eq!(draft.pairs(&[0, 1]).len(), 1);
        draft.consider(0, &output("On May 13."));
        assert_eq!(draft.pairs(&[0, 1])[0].target, "On May 13.");
    }

    #[test]
    fn of_what_a_search_found_the_first_without_a_fault_is_taken() {
        let mut draft = Draft::new(vec!["Am 13. Mai.".to_owned()], Language::German, true);
        let output = |text: &str| Output { text: text.into(), ..Output::default() };
        let others =
            vec![output("On May 31."), output("On May 13."), output("On the 13th of May.")];
        draft.consider(0, &Output { others, ..output("On June 14.") });
        assert_eq!(draft.best(0).unwrap().target, "On May 13.");
    }

    #[test]
    fn a_prompt_is_tried_again_only_with_more_hypotheses() {
        let mut draft = Draft::new(vec!["Ja.".to_owned()], Language::German, false);
        let request = |levels: &[&[u32]], search| Request {
            prompt: Prompt { levels: levels.iter().map(|l| l.to_vec()).collect() },
            after: None,
            max_tokens: 9,
            search,
            grammar: None,
        };
        let beams = Search { beams: 4, ..Search::GREEDY };
        assert!(draft.ask(0, &request(&[&[1], &[2, 3]], beams)));
        assert!(!draft.ask(0, &request(&[&[1, 2, 3]], beams)));
        assert!(draft.ask(0, &request(&[&[1, 2]], beams)));
        assert!(draft.ask(0, &request(&[&[1, 2, 3]], beams.wider())));
        assert!(!draft.ask(0, &request(&[&[1, 2, 3]], beams.wider())));
        assert!(draft.ask(0, &request(&[&[1, 2, 3]], Search::GREEDY)));
        assert!(!draft.ask(0, &request(&[&[1, 2, 3]], Search::GREEDY.wider())));
    }
}
