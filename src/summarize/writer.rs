//! Writes a summary, checks each sentence against what it cites, and replaces what fails.

use minijinja::{Value, context};

use super::{
    Citation, Claim, Origin,
    grammar::{CitedSummary, Marks, Written, parse},
};
use crate::{
    Span,
    article::{BlockKind, Sentence},
    engine::{Engine, Prompts, Request, Search, Values},
    error::{Error, Result},
    trace::{
        Support, Verdict,
        check::{self, Checker, Judge},
        cite,
        support::{self, Evidence},
    },
    translate::{self, Progress, Segment},
};

/// Citations that a claim carries at most.
const MAX_CITATIONS: usize = 3;
/// Prompt tokens that one part of an article may take. Small models lose the thread long before
/// their context is full.
const PART_TOKENS: usize = 3_000;
/// Tokens that one summary sentence may take.
const SENTENCE_TOKENS: usize = 96;
/// Share of a claim's words that another claim may have before the two say the same.
const REDUNDANT: f32 = 0.7;

/// One translated segment that a summary may be written from.
#[derive(Debug, Clone)]
pub struct Material<'a> {
    /// The segment.
    pub segment: &'a Segment,
    /// The source sentences that it translates; never empty.
    pub sentences: Vec<&'a Sentence>,
    /// Those sentences' text.
    source: String,
}

impl<'a> Material<'a> {
    /// Joins segments with their sentences.
    #[must_use]
    pub fn of_all(segments: &'a [Segment], sentences: &'a [Sentence]) -> Vec<Self> {
        segments
            .iter()
            .map(|segment| {
                let found: Vec<&Sentence> =
                    sentences.iter().filter(|s| segment.sentences.contains(&s.id)).collect();
                let source = found.iter().map(|s| s.text.as_str()).collect::<Vec<_>>().join(" ");
                Self { segment, sentences: found, source }
            })
            .collect()
    }

    /// What a summary can be written from: headings and segments without a target are left out.
    #[must_use]
    pub fn gather(segments: &'a [Segment], sentences: &'a [Sentence]) -> Vec<Self> {
        Self::of_all(segments, sentences)
            .into_iter()
            .filter(|m| !m.segment.target.trim().is_empty())
            .filter(|m| m.sentences.iter().any(|s| s.kind != BlockKind::Heading))
            .collect()
    }

    /// What a claim that cites it is compared with.
    #[must_use]
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            target: &self.segment.target,
            source: &self.source,
            flagged: !self.segment.flags.is_empty(),
        }
    }

    /// The source text as the translating model read it.
    #[must_use]
    pub fn prepared(&self) -> String {
        translate::prepared(&self.source)
    }

    /// Where the source text lies in the file.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let (first, last) = self.sentences.first().zip(self.sentences.last())?;
        Some(Span { start: first.span.start, end: last.span.end })
    }

    /// Whether it is the title.
    #[must_use]
    pub fn is_title(&self) -> bool {
        self.is_all(BlockKind::Title)
    }

    /// Whether it is of a paragraph, not of a heading or a date line.
    #[must_use]
    pub fn is_prose(&self) -> bool {
        self.is_all(BlockKind::Paragraph)
    }

    fn is_all(&self, kind: BlockKind) -> bool {
        self.sentences.iter().all(|s| s.kind == kind)
    }

    /// Pointers to its sentences.
    pub fn citations(&self) -> impl Iterator<Item = Citation> + '_ {
        self.sentences.iter().map(|s| Citation {
            sentence: s.id.clone(),
            span: s.span,
            quote: s.text.clone(),
        })
    }
}

/// A candidate for the summary: text and the material that it cites, by index.
#[derive(Debug, Clone)]
struct Draft {
    text: String,
    cited: Vec<usize>,
    support: Support,
}

/// Summarises with one model.
pub struct Summarizer<'a> {
    /// The loaded model.
    pub engine: &'a Engine,
    /// The templates.
    pub prompts: &'a Prompts,
    /// The manifest's prompt style.
    pub style: &'a str,
    /// Checks every sentence.
    pub checker: Checker<'a>,
    /// A model that judges claims too, after everything else.
    pub judge: Option<&'a mut dyn Judge>,
}

/// A summary, and what the model wrote that isn't in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summarized {
    /// The summary's sentences; none of them is unsupported.
    pub claims: Vec<Claim>,
    /// Sentences of the model's that were not supported, twice, with the reasons: the article's
    /// own sentences stand in their places.
    pub refused: Vec<Refused>,
}

/// A sentence that is not supported by what it cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The sentence.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Refused {
    fn of(draft: &Draft) -> Self {
        Self { text: draft.text.clone(), reason: draft.support.reason.clone() }
    }
}

impl Summarizer<'_> {
    /// Writes `count` sentences about `material`, fewer if there is not that much to say. Every
    /// sentence is supported by what it cites as far as the checks can see: one that isn't is
    /// written anew from what it cites, the model being told why, and if that fails too, replaced
    /// by the best sentence of the article.
    ///
    /// # Errors
    /// The engine's, or an interruption.
    pub fn summarize(
        &mut self,
        material: &[Material<'_>],
        count: usize,
        progress: &mut dyn Progress,
    ) -> Result<Summarized> {
        // A summary is better off without a fact than with a wrong one: where enough sentences have
        // passed the translation's guards, it is written from those.
        let sound: Vec<Material<'_>> =
            material.iter().filter(|m| m.segment.flags.is_empty()).cloned().collect();
        let material = if sound.len() > count { &sound } else { material };
        let evidence: Vec<Evidence<'_>> = material.iter().map(Material::evidence).collect();
        let written = self.draft(material, count, progress)?;
        let mut accepted: Vec<(Draft, Origin)> = Vec::new();
        let mut refused = Vec::new();
        for sentence in written {
            let draft = self.checked(&evidence, &sentence.text, &sentence.cited)?;
            let draft = if self.passes(&draft, &accepted) {
                Some(draft)
            } else {
                let again = self.rewrite(material, &evidence, &draft, progress)?;
                for failed in std::iter::once(&draft).chain(&again) {
                    tracing::debug!(text = failed.text, reason = failed.support.reason, "refused");
                }
                let again = again.filter(|again| self.passes(again, &accepted));
                if again.is_none() && draft.support.verdict == Verdict::Unsupported {
                    refused.push(Refused::of(&draft));
                }
                again
            };
            match draft {
                Some(draft) => accepted.push((draft, Origin::Generated)),
                None => accepted.extend(
                    self.extract(material, &evidence, &accepted)?.map(|d| (d, Origin::Extracted)),
                ),
            }
        }
        while accepted.len() < count {
            let Some(draft) = self.extract(material, &evidence, &accepted)? else { break };
            accepted.push((draft, Origin::Extracted));
        }
        accepted.truncate(count);
        let claims = accepted
            .into_iter()
            .map(|(draft, origin)| Claim {
                text: draft.text,
                citations: draft
                    .cited
                    .iter()
                    .filter_map(|i| material.get(*i))
                    .flat_map(Material::citations)
                    .collect(),
                support: draft.support,
                origin,
            })
            .collect();
        Ok(Summarized { claims, refused })
    }

    fn passes(&self, draft: &Draft, accepted: &[(Draft, Origin)]) -> bool {
        draft.support.verdict != Verdict::Unsupported
            && !draft.cited.is_empty()
            && !accepted.iter().any(|(other, _)| {
                overlap(&draft.text, &other.text) > REDUNDANT || draft.cited == other.cited
            })
    }

    /// The model's own summary. What doesn't fit the context is summarised in parts, and the
    /// parts' sentences as a whole; citations are carried through to the article.
    fn draft(
        &mut self,
        material: &[Material<'_>],
        count: usize,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Written>> {
        let lines: Vec<&str> = material.iter().map(|m| m.segment.target.as_str()).collect();
        let parts = self.parts(&lines)?;
        if parts.len() <= 1 {
            return Ok(shifted(self.write(&lines, count, None, progress)?, 0));
        }
        let mut notes = Vec::new();
        for part in parts {
            let lines = lines.get(part.clone()).unwrap_or(&[]);
            notes.extend(shifted(self.write(lines, count, None, progress)?, part.start));
        }
        let texts: Vec<&str> = notes.iter().map(|n| n.text.as_str()).collect();
        let whole = match self.parts(&texts)?.first() {
            Some(first) => {
                let texts = texts.get(first.clone()).unwrap_or(&[]);
                self.write(texts, count, None, progress)?
            }
            None => Vec::new(),
        };
        Ok(shifted(whole, 0)
            .into_iter()
            .map(|sentence| Written {
                cited: sentence
                    .cited
                    .iter()
                    .filter_map(|i| notes.get(*i))
                    .flat_map(|note| note.cited.iter().copied())
                    .collect(),
                ..sentence
            })
            .collect())
    }

    /// Cuts the article where the prompt would become too long.
    fn parts(&self, lines: &[&str]) -> Result<Vec<std::ops::Range<usize>>> {
        let budget = PART_TOKENS.min(self.engine.shape().context_length / 2);
        let mut parts = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (i, line) in lines.iter().enumerate() {
            let length = self.engine.tokenizer.encode(line).map_err(|r| self.broken(r))?.len() + 6;
            if tokens + length > budget && i > start {
                parts.push(start..i);
                (start, tokens) = (i, 0);
            }
            tokens += length;
        }
        if start < lines.len() {
            parts.push(start..lines.len());
        }
        Ok(parts)
    }

    /// One pass of the model over numbered lines; cites numbers from 1. It is told what it wrote
    /// before that was `refused`.
    fn write(
        &mut self,
        lines: &[&str],
        count: usize,
        refused: Option<&Refused>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Written>> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let values = Values::default();
        let sentences: Vec<Value> = lines
            .iter()
            .enumerate()
            .map(|(i, line)| context! { number => i + 1, text => values.text(line) })
            .collect();
        let refused = refused.map(|refused| {
            context! { text => values.text(&refused.text), reason => values.text(&refused.reason) }
        });
        let prompt = self
            .prompts
            .render(
                &format!("summarize.{}.jinja", self.style),
                context! { sentences => sentences, count => count, refused => refused },
                &values,
                &self.engine.tokenizer,
            )
            .map_err(|r| self.broken(r))?;
        let marks = Marks::find(&self.engine.tokenizer)
            .ok_or_else(|| self.broken("its vocabulary lacks brackets or digits".into()))?;
        let request = Request {
            prompt,
            after: None,
            max_tokens: SENTENCE_TOKENS * count,
            search: Search::GREEDY,
            grammar: Some(Box::new(CitedSummary::new(marks, lines.len(), count))),
        };
        let outputs = self
            .engine
            .generate(vec![request], &mut |_: usize, tokens: usize| progress.advance(0, tokens))?;
        Ok(outputs.first().map(|o| parse(&o.text)).unwrap_or_default())
    }

    /// A second attempt at a sentence that failed: the model sees only what the sentence is about.
    fn rewrite(
        &mut self,
        material: &[Material<'_>],
        evidence: &[Evidence<'_>],
        failed: &Draft,
        progress: &mut dyn Progress,
    ) -> Result<Option<Draft>> {
        let about = &failed.cited;
        let lines: Vec<&str> =
            about.iter().filter_map(|i| Some(material.get(*i)?.segment.target.as_str())).collect();
        // What is wrong with a sentence that only says again what another says isn't told.
        let unsupported = failed.support.verdict == Verdict::Unsupported;
        let refused = unsupported.then(|| Refused::of(failed));
        let written = self.write(&lines, 1, refused.as_ref(), progress)?;
        let Some(sentence) = written.first() else { return Ok(None) };
        let cited: Vec<usize> =
            sentence.cited.iter().filter_map(|n| about.get(n.checked_sub(1)?).copied()).collect();
        self.checked(evidence, &sentence.text, &cited).map(Some)
    }

    /// Finds the best citations for a sentence and checks it against them.
    fn checked(
        &mut self,
        evidence: &[Evidence<'_>],
        text: &str,
        proposed: &[usize],
    ) -> Result<Draft> {
        let cited = cite::select_citations(text, evidence, proposed, MAX_CITATIONS);
        let chosen: Vec<Evidence<'_>> =
            cited.iter().filter_map(|i| evidence.get(*i)).cloned().collect();
        let mut support = self.checker.check(text, &chosen)?;
        if let Some(judge) = &mut self.judge {
            support = check::consult(support, &mut **judge, text, &chosen)?;
        }
        Ok(Draft { text: text.to_owned(), support, cited })
    }

    /// The best sentence of the article that is not in the summary yet, and is supported.
    fn extract(
        &mut self,
        material: &[Material<'_>],
        evidence: &[Evidence<'_>],
        accepted: &[(Draft, Origin)],
    ) -> Result<Option<Draft>> {
        let titles: Vec<bool> = material.iter().map(Material::is_title).collect();
        for i in support::rank_extractive(evidence, &titles) {
            let Some(chosen) = evidence.get(i) else { continue };
            let told = accepted.iter().any(|(draft, _)| {
                draft.cited == [i] || overlap(chosen.target, &draft.text) > REDUNDANT
            });
            if told {
                continue;
            }
            let support = self.checker.check(chosen.target, std::slice::from_ref(chosen))?;
            if support.verdict != Verdict::Unsupported {
                let text = chosen.target.to_owned();
                return Ok(Some(Draft { text, support, cited: vec![i] }));
            }
        }
        Ok(None)
    }

    fn broken(&self, reason: String) -> Error {
        Error::Model {
            model: self.style.to_owned(),
            reason: format!("cannot write summaries: {reason}"),
            hint: "choose another model for summaries with --model".into(),
        }
    }
}

/// From the prompt's numbers (from 1) to indices into the article, `offset` lines further on.
fn shifted(written: Vec<Written>, offset: usize) -> Vec<Written> {
    written
        .into_iter()
        .map(|s| Written {
            cited: s.cited.iter().filter_map(|n| Some(n.checked_sub(1)? + offset)).collect(),
            text: s.text,
        })
        .collect()
}

/// Share of the shorter text's words that the other has too.
fn overlap(a: &str, b: &str) -> f32 {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|w| w.chars().count() > 3)
            .map(str::to_lowercase)
            .collect()
    };
    let (a, b) = (words(a), words(b));
    let shared = a.intersection(&b).count();
    shared as f32 / a.len().min(b.len()).max(1) as f32
}
