//! Prompts for translating one segment.

use minijinja::{Value, context};

use super::names;
use crate::{
    Language,
    engine::{Engine, Prompt, Prompts, Values},
    error::{Error, Result},
};

/// A source segment and its accepted translation: what a prompt shows as an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Source text.
    pub source: String,
    /// English text.
    pub target: String,
}

/// What a segment's prompt is made of.
pub struct Fields<'a> {
    /// The source language.
    pub language: Language,
    /// The beginning of the same article, where that is translated already.
    pub context: &'a [Pair],
    /// What comes right before the text.
    pub earlier: &'a [Pair],
    /// The text to translate.
    pub text: &'a str,
    /// A reminder for a second attempt.
    pub note: Option<&'a str>,
}

/// Renders the prompt of `style` (a manifest's `prompt`) for one segment.
///
/// # Errors
/// [`Error::Model`] if there is no template of that style or it doesn't fit the model.
pub fn render(
    style: &str,
    fields: &Fields<'_>,
    prompts: &Prompts,
    engine: &Engine,
) -> Result<Prompt> {
    let values = Values::default();
    let pair = |pair: &Pair| {
        context! {
            source => values.text(&pair.source),
            target => values.text(&pair.target),
            names => values.text(&names::glossary(&pair.source, fields.language)),
        }
    };
    let context: Vec<Value> = fields.context.iter().map(pair).collect();
    let earlier: Vec<Value> = fields.earlier.iter().map(pair).collect();
    prompts
        .render(
            &format!("translate.{style}.jinja"),
            context! {
                language => fields.language.english_name(),
                family => fields.language.family(),
                tag => fields.language.tag(),
                context => context,
                earlier => earlier,
                text => values.text(fields.text),
                names => values.text(&names::glossary(fields.text, fields.language)),
                note => fields.note.map(|note| values.text(note)),
            },
            &values,
            &engine.tokenizer,
        )
        .map_err(|reason| Error::Model {
            model: style.to_owned(),
            reason,
            hint: "the manifest's `prompt` must name a template in prompts/".into(),
        })
}
