//! Groups of sentences to what the reader gets: facts, disagreements, and what stands alone.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{
    Citation, Digest, Disagreement, Own, SCHEMA, Side, Statement, Story, Told,
    group::Group,
    item::{Item, Relation, telling},
};
use crate::{
    engine::embed::Embedder,
    error::Result,
    render::Brief,
    summarize::Origin,
    trace::{
        Sign, Support, Verdict,
        check::{Checker, Judge},
        conflict,
        similarity::Similarity,
        support::{self, Evidence, Trust},
    },
    translate::Segment,
};

/// Facts of an article's own that a digest gives.
const OWN: usize = 2;
/// What makes two articles one story: one shared matter that is told of nothing else, or two that
/// could be.
const LINK: usize = 2;

/// What a group came to.
struct Finding {
    /// The items that are told, in order.
    items: Vec<usize>,
    /// One where they agree, several where they don't.
    sides: Vec<Side>,
    kind: Option<conflict::ConflictKind>,
    is_specific: bool,
}

struct Teller<'a, 'b, 'j> {
    briefs: &'b [&'a Brief],
    items: &'b [Item<'a>],
    likeness: Likeness<'b>,
    judge: Option<&'j mut (dyn Judge + 'j)>,
}

/// Likeness of a fact to what is cited for it, in however many languages.
pub struct Likeness<'a>(Similarity<'a>);

impl<'a> Likeness<'a> {
    /// A judge with that model.
    pub fn new(model: &'a Embedder) -> Self {
        Self(Similarity::new(model))
    }
}

impl Judge for Likeness<'_> {
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>> {
        let signs = self.0.signs(claim, cited)?;
        // Originals in several languages one after the other are like no sentence in any of them.
        // Each was found near enough by itself; what the rules find holds of all.
        let own = cited.iter().find(|e| e.target.trim() == claim);
        match own {
            Some(own) if signs.iter().any(|s| s.verdict == Verdict::Unsupported) => {
                self.0.signs(claim, std::slice::from_ref(own))
            }
            _ => Ok(signs),
        }
    }
}

/// Writes the digest.
///
/// # Errors
/// The models'.
pub fn tell<'j>(
    briefs: &[&Brief],
    items: &[Item<'_>],
    groups: Vec<Group<'_>>,
    model: &Embedder,
    judge: Option<&'j mut (dyn Judge + 'j)>,
) -> Result<Digest> {
    let mut teller = Teller { briefs, items, likeness: Likeness::new(model), judge };
    let mut findings = Vec::new();
    for group in &groups {
        findings.extend(teller.finding(group)?);
    }
    let components = components(briefs.len(), &findings, items);
    let story_of = |article: usize| components.get(article).copied();
    findings.retain(|finding| {
        let mut stories = finding.items.iter().map(|i| items.get(*i).map(|i| story_of(i.article)));
        let first = stories.next().flatten();
        stories.all(|story| story == first)
    });
    let told: HashSet<usize> = findings.iter().flat_map(|f| f.items.iter().copied()).collect();

    let mut stories: BTreeMap<usize, Story> = BTreeMap::new();
    let mut apart = Vec::new();
    for article in 0..briefs.len() {
        let own = Own { article, statements: teller.own(article, &told)? };
        let Some(story) = story_of(article) else { continue };
        if components.iter().filter(|s| **s == story).count() < 2 {
            apart.push(own);
            continue;
        }
        let story = stories.entry(story).or_insert_with(|| Story {
            articles: Vec::new(),
            facts: Vec::new(),
            disagreements: Vec::new(),
            own: Vec::new(),
        });
        story.articles.push(article);
        if !own.statements.is_empty() {
            story.own.push(own);
        }
    }
    // Most sources first, then as the earliest article has it.
    findings.sort_by_key(|f| (std::cmp::Reverse(f.items.len()), f.items.first().copied()));
    for finding in findings {
        let article = finding.items.first().and_then(|i| items.get(*i)).map(|item| item.article);
        let Some(story) = article.and_then(story_of).and_then(|s| stories.get_mut(&s)) else {
            continue;
        };
        match finding.kind {
            Some(kind) => {
                story.disagreements.push(Disagreement { kind, sides: finding.sides });
            }
            None => story.facts.extend(finding.sides.into_iter().map(|side| side.statement)),
        }
    }
    let mut stories: Vec<Story> = stories.into_values().collect();
    stories.sort_by_key(|s| (std::cmp::Reverse(s.articles.len()), s.articles.first().copied()));
    Ok(Digest {
        schema: SCHEMA.into(),
        generator: format!("brief {}", env!("CARGO_PKG_VERSION")),
        embedder: Some(model.model().to_owned()),
        articles: briefs
            .iter()
            .enumerate()
            .map(|(i, brief)| told_article(i, brief, items))
            .collect(),
        stories,
        apart,
    })
}

fn told_article(index: usize, brief: &Brief, items: &[Item<'_>]) -> Told {
    let mut own = items.iter().filter(|item| item.article == index);
    let title = own.clone().find(|item| item.is_title);
    let sound = |item: &&Item<'_>| item.material.is_prose() && item.is_sound();
    let opening = if title.is_none() { own.find(sound) } else { None };
    let text = |item: &Item<'_>| item.text().to_owned();
    Told {
        source: brief.source.clone(),
        title: title.map(text),
        opening: opening.map(text),
        model: brief.translation.translator(),
        quality: brief.translation.quality.clone(),
        warnings: brief.translation.warnings.clone(),
    }
}

/// What a judge gives a claim, at the least.
fn likelihood(signs: &[Sign]) -> f32 {
    signs.iter().filter_map(|s| s.score).fold(1.0, f32::min)
}

/// For each article the number of its story. Articles that share nothing have one of their own.
fn components(articles: usize, findings: &[Finding], items: &[Item<'_>]) -> Vec<usize> {
    let mut links: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for finding in findings {
        let weight = if finding.is_specific { LINK } else { 1 };
        let told: Vec<usize> =
            finding.items.iter().filter_map(|i| Some(items.get(*i)?.article)).collect();
        for (n, a) in told.iter().enumerate() {
            for b in told.iter().skip(n + 1) {
                *links.entry((*a.min(b), *a.max(b))).or_default() += weight;
            }
        }
    }
    let mut story: Vec<usize> = (0..articles).collect();
    for ((a, b), weight) in links {
        if let (Some(&a), Some(&b), true) = (story.get(a), story.get(b), weight >= LINK) {
            for s in story.iter_mut().filter(|s| **s == b) {
                *s = a;
            }
        }
    }
    story
}

impl<'a> Teller<'a, '_, '_> {
    /// What a group comes to; nothing where no sentence of it stands the checks.
    fn finding(&mut self, group: &Group<'_>) -> Result<Option<Finding>> {
        let mut told: Vec<(Vec<usize>, Statement)> = Vec::new();
        for side in group.sides() {
            told.extend(self.merged(&side)?);
        }
        let items: BTreeSet<usize> = told.iter().flat_map(|(items, _)| items.clone()).collect();
        if items.len() < 2 {
            return Ok(None);
        }
        let kind = (told.len() > 1).then(|| kind(group)).flatten();
        let is_specific = items
            .iter()
            .any(|i| self.items.get(*i).is_some_and(|item| conflict::is_specific(item.text())));
        let sides = told
            .into_iter()
            .map(|(items, statement)| Side {
                values: kind.map_or_else(Vec::new, |kind| values(group, kind, &items)),
                statement,
            })
            .collect();
        Ok(Some(Finding { items: items.into_iter().collect(), sides, kind, is_specific }))
    }

    /// The sentence that most of the others tell too, citing all that do. Nothing where none
    /// stands the checks.
    fn merged(&mut self, side: &[usize]) -> Result<Option<(Vec<usize>, Statement)>> {
        struct Candidate {
            item: usize,
            witnesses: Vec<usize>,
            trust: Trust,
            share: f32,
            /// The judge's signs of the witness that it doubts most.
            judged: Vec<Sign>,
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for item in side {
            let Some(claim) = self.items.get(*item) else { continue };
            let (mut witnesses, mut sum, mut judged) = (Vec::new(), 0.0, Vec::new());
            for other in side.iter().filter(|other| *other != item) {
                let Some(witness) = self.items.get(*other) else { continue };
                if let Some(share) = telling(claim, witness)
                    && let Some(signs) = self.tells(witness, claim)?
                {
                    witnesses.push(*other);
                    sum += share;
                    if judged.is_empty() || likelihood(&signs) < likelihood(&judged) {
                        judged = signs;
                    }
                }
            }
            let trust = claim.trust;
            candidates.push(Candidate { item: *item, trust, share: sum, witnesses, judged });
        }
        candidates.sort_by(|a, b| {
            (b.witnesses.len().cmp(&a.witnesses.len()))
                .then((a.trust == Trust::Gist).cmp(&(b.trust == Trust::Gist)))
                .then(b.share.total_cmp(&a.share))
        });
        for candidate in candidates {
            let mut cited = candidate.witnesses;
            cited.push(candidate.item);
            cited.sort_unstable();
            if let Some(mut statement) = self.statement(candidate.item, &cited)? {
                statement.support.signs.extend(candidate.judged);
                statement.support = Support::weigh(statement.support.signs);
                return Ok(Some((cited, statement)));
            }
        }
        Ok(None)
    }

    /// The judge's signs, if it finds that a sentence tells all that another does; none without a
    /// judge.
    fn tells(&mut self, witness: &Item<'_>, claim: &Item<'_>) -> Result<Option<Vec<Sign>>> {
        let Some(judge) = &mut self.judge else { return Ok(Some(Vec::new())) };
        let signs = judge.signs(claim.text(), &[witness.material.evidence()])?;
        Ok(signs.iter().all(|s| s.verdict != Verdict::Unsupported).then_some(signs))
    }

    /// An item's sentence, citing items; nothing if they don't support it.
    fn statement(&mut self, item: usize, cited: &[usize]) -> Result<Option<Statement>> {
        let Some(claim) = self.items.get(item) else { return Ok(None) };
        let cited: Vec<&Item<'a>> = cited.iter().filter_map(|i| self.items.get(*i)).collect();
        let evidence: Vec<Evidence<'_>> = cited.iter().map(|i| i.material.evidence()).collect();
        let mut checker = Checker { trust: claim.trust, judges: vec![&mut self.likeness] };
        let support = checker.check(claim.text(), &evidence)?;
        let citations = cited.iter().flat_map(|item| {
            let segment = item.material.segment;
            item.material.citations().map(|c| self.citation(item.article, c, Some(segment)))
        });
        Ok((support.verdict != Verdict::Unsupported).then(|| Statement {
            text: claim.text().to_owned(),
            citations: citations.collect(),
            support,
            origin: Origin::Extracted,
        }))
    }

    fn citation(
        &self,
        article: usize,
        citation: crate::summarize::Citation,
        segment: Option<&Segment>,
    ) -> Citation {
        let source = self.briefs.get(article).map(|brief| &brief.source);
        Citation {
            article,
            path: source.map_or_else(String::new, |s| s.path.clone()),
            language: source.map_or_else(String::new, |s| s.language.clone()),
            sentence: citation.sentence,
            span: citation.span,
            quote: citation.quote,
            english: segment.map_or_else(String::new, |s| s.target.trim().to_owned()),
            flagged: segment.is_some_and(|s| !s.flags.is_empty()),
        }
    }

    /// What an article tells alone: its summary's sentences; without a summary its weightiest.
    fn own(&mut self, article: usize, told: &HashSet<usize>) -> Result<Vec<Statement>> {
        let Some(brief) = self.briefs.get(article) else { return Ok(Vec::new()) };
        let own: Vec<(usize, &Item<'a>)> =
            self.items.iter().enumerate().filter(|(_, item)| item.article == article).collect();
        if let Some(summary) = &brief.summary {
            let known: HashSet<&str> = own
                .iter()
                .filter(|(i, _)| told.contains(i))
                .flat_map(|(_, item)| item.material.sentences.iter().map(|s| s.id.as_str()))
                .collect();
            let new = summary.claims.iter().filter(|claim| {
                claim.support.verdict != Verdict::Unsupported
                    && !claim.citations.iter().all(|c| known.contains(c.sentence.as_str()))
            });
            let segment = |sentence: &str| {
                let mut segments = brief.translation.segments.iter();
                segments.find(|s| s.sentences.iter().any(|id| id == sentence))
            };
            let statements = new.take(OWN).map(|claim| Statement {
                text: claim.text.clone(),
                citations: claim
                    .citations
                    .iter()
                    .map(|c| self.citation(article, c.clone(), segment(&c.sentence)))
                    .collect(),
                support: claim.support.clone(),
                origin: claim.origin,
            });
            return Ok(statements.collect());
        }
        let evidence: Vec<Evidence<'_>> = own.iter().map(|(_, i)| i.material.evidence()).collect();
        let titles: Vec<bool> = own.iter().map(|(_, item)| item.is_title).collect();
        let mut best: Vec<usize> = support::rank_extractive(&evidence, &titles)
            .into_iter()
            .filter_map(|n| own.get(n))
            .filter(|(i, item)| item.is_sound() && !told.contains(i))
            .map(|(i, _)| *i)
            .take(OWN)
            .collect();
        best.sort_unstable();
        let mut statements = Vec::new();
        for item in best {
            statements.extend(self.statement(item, &[item])?);
        }
        Ok(statements)
    }
}

/// The sort of thing that most of a group's pairs differ in.
fn kind(group: &Group<'_>) -> Option<conflict::ConflictKind> {
    let mut count = BTreeMap::new();
    for pair in &group.pairs {
        if let Relation::Differ(conflict) = &pair.relation {
            *count.entry(conflict.kind).or_insert(0) += 1;
        }
    }
    count.into_iter().max_by_key(|(kind, n)| (*n, std::cmp::Reverse(*kind))).map(|(kind, _)| kind)
}

/// What these items say where others of their group say something else.
fn values(group: &Group<'_>, kind: conflict::ConflictKind, items: &[usize]) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for pair in &group.pairs {
        let Relation::Differ(conflict) = &pair.relation else { continue };
        for (item, value) in pair.items.iter().zip(&conflict.values) {
            if conflict.kind == kind && items.contains(item) && !values.contains(value) {
                values.push(value.clone());
            }
        }
    }
    values
}
