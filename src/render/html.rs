//! One self-contained page: the summary, and beside it the article in English and its source.
//!
//! Nothing is loaded from anywhere; a content security policy allows the page's own style and
//! script by their hashes and nothing else. All text goes through the template's escaping.

use base64::Engine as _;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, value::Serde};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Brief,
    layout::{self, Layout, Passage, Row, Unit},
    wording,
};
use crate::{
    article::{Block, BlockKind},
    summarize::{Claim, Origin},
    trace::Verdict,
};

const TEMPLATE: &str = include_str!("page.html.jinja");
pub(super) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Renders one brief.
#[must_use]
pub fn render(brief: &Brief) -> String {
    render_page(std::slice::from_ref(brief))
}

/// Renders a page with an article for each brief, and a list of contents if there are several.
#[must_use]
pub(super) fn render_page(briefs: &[Brief]) -> String {
    let several = briefs.len() != 1;
    let articles: Vec<Article> = briefs
        .iter()
        .enumerate()
        .map(|(i, brief)| {
            article(brief, if several { format!("a{}-", i + 1) } else { String::new() })
        })
        .collect();
    let title = match articles.as_slice() {
        [article] => article.title.clone(),
        articles => format!("{} articles", articles.len()),
    };
    let style = format!("{STYLE}{}", target_rules(&articles));
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        policy_hash(&style),
        policy_hash(SCRIPT)
    );

    filled(TEMPLATE, Page { title, policy, style, script: SCRIPT, several, articles })
}

/// A page's template with its data, all of it escaped.
pub(super) fn filled(template: &str, page: impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    #[expect(clippy::expect_used, reason = "the template is fixed, and gets the same keys always")]
    environment
        .render_str(template, Value::from(Serde(page)))
        .expect("the page's template fits its data")
}

/// Without the script, a link to one half of a pair lights the other half too. Such links exist
/// for the cited sentences only, so the rules are few.
fn target_rules(articles: &[Article]) -> String {
    let mut rules = String::new();
    for cited in articles.iter().flat_map(|article| &article.notes) {
        if let Some(source) = &cited.source {
            let english = &cited.target;
            for (target, other) in [(english, source), (source, english)] {
                rules.push_str(&format!(
                    ":root:not(.scripted):has(#{target}:target) #{other}{{background:var(--lit);\
                     color:var(--lit-ink);box-shadow:0 0 0 .14em var(--lit)}}\n"
                ));
            }
        }
    }
    rules
}

/// `sha256-…` as a content security policy names an inline element's content.
pub(super) fn policy_hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

/// What the template needs to know.
#[derive(Serialize)]
struct Page {
    title: String,
    policy: String,
    style: String,
    script: &'static str,
    several: bool,
    articles: Vec<Article>,
}

/// What the template needs to know of one brief. The ids are made of numbers only, never of text
/// from the article or from a JSON document.
#[derive(Serialize)]
struct Article {
    prefix: String,
    title: String,
    path: String,
    original_title: Option<String>,
    lang: String,
    language: String,
    spaced: bool,
    facts: Vec<Fact>,
    /// Each in alternating parts of text and code.
    warnings: Vec<Vec<String>>,
    summary: bool,
    claims: Vec<ClaimView>,
    rows: Vec<RowView>,
    notes: Vec<NoteView>,
    /// How much was dropped.
    dropped: Option<String>,
    generator: String,
    sha256: String,
}

#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
}

#[derive(Serialize)]
struct ClaimView {
    text: String,
    target: String,
    notes: Vec<usize>,
    extracted: bool,
    verdict: VerdictView,
    /// Why it is to be doubted, if it is.
    faults: Option<String>,
    signs: Vec<SignView>,
}

#[derive(Serialize)]
struct VerdictView {
    class: &'static str,
    mark: &'static str,
    word: &'static str,
}

#[derive(Serialize)]
struct SignView {
    name: &'static str,
    verdict: VerdictView,
    score: Option<String>,
    detail: Option<String>,
}

/// A passage, or what was dropped between two.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum RowView {
    Passage(PassageView),
    Dropped(DroppedView),
}

#[derive(Serialize)]
struct PassageView {
    kind: &'static str,
    tag: &'static str,
    lang: String,
    units: Vec<UnitView>,
    sentences: Vec<SentenceView>,
    flags_summary: String,
    flags: Vec<FlagsView>,
}

#[derive(Serialize)]
struct UnitView {
    id: String,
    keys: String,
    english: String,
    flagged: bool,
    notes: Vec<usize>,
}

/// What the checks found in one segment.
#[derive(Serialize)]
struct FlagsView {
    english: String,
    faults: String,
}

#[derive(Serialize)]
struct SentenceView {
    id: String,
    key: String,
    place: String,
    text: String,
}

#[derive(Serialize)]
struct NoteView {
    key: String,
    quote: String,
    english: String,
    estimate: Option<String>,
    /// The whole place, and the bytes alone.
    place: String,
    bytes: String,
    /// Id of the source sentence's element, and of the English one's.
    source: Option<String>,
    target: String,
    claims: Vec<usize>,
}

/// Blocks that were dropped, one after the other.
#[derive(Serialize)]
struct DroppedView {
    summary: String,
    parts: Vec<DroppedPart>,
}

#[derive(Serialize)]
struct DroppedPart {
    place: String,
    kind: &'static str,
    reason: String,
}

fn article(brief: &Brief, prefix: String) -> Article {
    let layout = Layout::of(brief);
    let source = &brief.source;
    let language = wording::legible(wording::language_name(&source.language));
    let key = |index: usize| format!("{prefix}{}", index + 1);
    let keys = |indices: &[usize]| indices.iter().map(|&i| key(i)).collect::<Vec<_>>().join(" ");
    let source_id = |index: usize| format!("{prefix}source-{}", index + 1);

    // Which element holds a sentence's English, and which notes quote a sentence.
    let mut english_id = vec![None; brief.sentences.len()];
    let mut notes_of = vec![Vec::new(); brief.sentences.len()];
    for (index, note) in layout.notes.iter().enumerate() {
        if let Some(notes) = note.sentence.and_then(|sentence| notes_of.get_mut(sentence)) {
            notes.push(index + 1);
        }
    }
    let mut unit_count = 0;
    let mut rows = Vec::new();
    for row in layout.rows(brief) {
        let passage = match row {
            Row::Passage(passage) => passage,
            Row::Dropped(blocks) => {
                rows.push(RowView::Dropped(dropped(&blocks)));
                continue;
            }
        };
        let mut units = Vec::new();
        for unit in &passage.units {
            unit_count += 1;
            let id = format!("{prefix}english-{unit_count}");
            for &sentence in &unit.sentences {
                if let Some(slot) = english_id.get_mut(sentence) {
                    *slot = Some(id.clone());
                }
            }
            let notes = unit.sentences.iter().filter_map(|&i| notes_of.get(i)).flatten().copied();
            units.push(UnitView {
                id,
                keys: keys(&unit.sentences),
                english: english(unit),
                flagged: unit.segment.is_some_and(|segment| !segment.flags.is_empty()),
                notes: notes.collect(),
            });
        }
        let sentences = passage.units.iter().flat_map(|unit| &unit.sentences).filter_map(|&i| {
            let sentence = brief.sentences.get(i)?;
            let place = wording::place(sentence.span);
            Some(SentenceView {
                id: source_id(i),
                key: key(i),
                place: wording::legible(&format!("{}, {place}", sentence.id)),
                text: wording::legible(&sentence.text),
            })
        });
        rows.push(RowView::Passage(PassageView {
            kind: row_class(passage),
            tag: tag(passage, prefix.is_empty()),
            lang: wording::lang_attribute(passage.language.unwrap_or(&source.language)).to_owned(),
            sentences: sentences.collect(),
            units,
            flags_summary: flags_summary(passage),
            flags: flags(passage),
        }));
    }

    let notes: Vec<NoteView> = layout
        .notes
        .iter()
        .map(|note| {
            let target = note.sentence.and_then(|i| english_id.get(i).cloned().flatten());
            let citation = note.citation;
            NoteView {
                key: note.sentence.map(key).unwrap_or_default(),
                quote: wording::legible(&citation.quote),
                english: wording::legible(note.english),
                estimate: note.estimate.map(|estimate| format!("{estimate:.2}")),
                place: wording::legible(&format!(
                    "{}, {}, sentence {}",
                    wording::path_name(&source.path),
                    wording::place(citation.span),
                    citation.sentence
                )),
                bytes: wording::place(citation.span),
                source: target.is_some().then(|| note.sentence.map(source_id)).flatten(),
                target: target.unwrap_or_else(|| format!("{prefix}columns")),
                claims: note.claims.iter().map(|index| index + 1).collect(),
            }
        })
        .collect();
    let claims = layout
        .claims
        .iter()
        .map(|(claim, own)| {
            let first = own.first().and_then(|&i| notes.get(i));
            ClaimView {
                text: wording::legible(&claim.text),
                target: first
                    .map_or_else(|| format!("{prefix}columns"), |note| note.target.clone()),
                notes: own.iter().map(|index| index + 1).collect(),
                extracted: claim.origin == Origin::Extracted,
                verdict: verdict(claim.support.verdict),
                faults: wording::faults(&claim.support).map(|faults| wording::legible(&faults)),
                signs: signs(claim),
            }
        })
        .collect();

    let dropped: Vec<&Block> = layout::dropped(brief).collect();
    Article {
        title: title(brief, &layout),
        path: wording::legible(wording::path_name(&source.path)),
        original_title: source.title.as_deref().map(wording::legible),
        lang: wording::lang_attribute(&source.language).to_owned(),
        spaced: !source.language.starts_with("zh"),
        facts: facts(brief, &language),
        language,
        warnings: wording::warnings(brief).iter().map(|w| wording::prose(w)).collect(),
        summary: brief.summary.is_some(),
        claims,
        rows,
        notes,
        dropped: (!dropped.is_empty())
            .then(|| format!("{} of {}", wording::dropped(&dropped), source.bytes)),
        generator: wording::legible(&brief.generator),
        sha256: wording::legible(&source.sha256),
        prefix,
    }
}

fn title(brief: &Brief, layout: &Layout<'_>) -> String {
    let english = layout
        .passages
        .first()
        .filter(|passage| passage.kind == BlockKind::Title)
        .map(|p| p.units.iter().map(|unit| unit.english()).collect::<Vec<_>>().join(" "))
        .map(|text| wording::legible(&text))
        .filter(|text| !text.is_empty());
    english.unwrap_or_else(|| wording::legible(wording::path_name(&brief.source.path)))
}

fn facts(brief: &Brief, language: &str) -> Vec<Fact> {
    let (source, translation) = (&brief.source, &brief.translation);
    let mut facts = vec![
        Fact { label: "File", value: wording::legible(wording::path_name(&source.path)) },
        Fact { label: "Language", value: language.to_owned() },
    ];
    let date = source.date.as_deref();
    facts.extend(date.map(|date| Fact { label: "Date", value: wording::legible(date) }));
    let translator = format!("{} ({})", translation.translator(), translation.quality);
    facts.push(Fact { label: "Translated by", value: wording::legible(&translator) });
    facts.extend(
        brief
            .summary
            .as_ref()
            .map(|s| Fact { label: "Summarised by", value: wording::legible(&s.model) }),
    );
    facts
}

fn english(unit: &Unit<'_>) -> String {
    match wording::legible(unit.english()) {
        text if text.is_empty() => "(not translated)".to_owned(),
        text => text,
    }
}

/// The class of the page's elements that tell a verdict.
pub(super) fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "supported",
        Verdict::Partly => "partly",
        Verdict::Unsupported => "unsupported",
    }
}

fn verdict(verdict: Verdict) -> VerdictView {
    let class = verdict_class(verdict);
    VerdictView { class, mark: wording::verdict_mark(verdict), word: verdict.word() }
}

fn signs(claim: &Claim) -> Vec<SignView> {
    let signs = claim.support.signs.iter().map(|sign| SignView {
        name: sign.kind.word(),
        verdict: verdict(sign.verdict),
        score: sign.score.map(|score| format!("{score:.2}")),
        detail: sign.detail.as_deref().map(wording::legible),
    });
    signs.collect()
}

fn dropped(blocks: &[&Block]) -> DroppedView {
    let parts = blocks.iter().map(|block| DroppedPart {
        place: wording::place(block.span),
        kind: wording::block_kind(block.kind),
        reason: wording::legible(&block.reason),
    });
    DroppedView { summary: wording::dropped(blocks), parts: parts.collect() }
}

fn flags(passage: &Passage<'_>) -> Vec<FlagsView> {
    let flagged = passage.units.iter().filter_map(|unit| {
        let flags = &unit.segment?.flags;
        (!flags.is_empty()).then(|| FlagsView {
            english: english(unit),
            faults: wording::legible(&wording::flags(flags)),
        })
    });
    flagged.collect()
}

/// The kinds of faults in a passage, each once.
fn flags_summary(passage: &Passage<'_>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for flag in passage.units.iter().filter_map(|unit| unit.segment).flat_map(|s| &s.flags) {
        let name = wording::flag_name(flag.kind);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    format!("⚠ {}", names.join("; "))
}

fn row_class(passage: &Passage<'_>) -> &'static str {
    match passage.kind {
        BlockKind::Title => "title",
        BlockKind::Heading => "heading",
        BlockKind::ListItem => "list-item",
        _ => "paragraph",
    }
}

/// Headings lie below the section's own heading, which is one deeper in a page of several.
fn tag(passage: &Passage<'_>, alone: bool) -> &'static str {
    match (passage.is_heading(), alone) {
        (true, true) => "h3",
        (true, false) => "h4",
        (false, _) => "p",
    }
}
