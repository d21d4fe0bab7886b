//! Judges whether a text says what a claim says, by what a generating model makes of the question.
//!
//! The model reads the text, the claim and the question, and answers nothing: a linear probe reads
//! the answer off its residual stream, in the middle of its layers, where it is told more plainly
//! than in the words that the model would say (Alain & Bengio 2016; Azaria & Mitchell 2023). An
//! adapter makes those layers compare better; the model's own weights stay as they are.
//! `models/judge/` has the probes, what they were fitted on, and the figures.

use minijinja::context;

use crate::{
    engine::{Adapter, Engine, Pass, Prompt, Prompts, Values, entail::Entailer},
    error::{Error, Result},
    hub::manifest::Probing,
    trace::{Sign, SignKind, check::Judge, support::Evidence},
};

/// The probes, compiled in.
const BUILT_IN: [(&str, &[u8]); 1] = [(
    "qwen2.5-coder-1.5b-instruct",
    include_bytes!("../../models/judge/qwen2.5-coder-1.5b-instruct.safetensors"),
)];

/// A linear probe of one model, and what was fitted with it in front of it.
#[derive(Debug, Clone)]
pub struct Probe {
    /// A weight for each place of the residual stream.
    weight: Vec<f32>,
    bias: f32,
    /// Layers in front of it.
    layers: usize,
    /// What is added to those layers while they judge.
    adapter: Adapter,
    /// Probability below which a claim is unsupported, and from which it is supported.
    levels: [f32; 2],
}

/// A generating model as a judge. It knows paraphrases, and sees exchanged roles, lost negations
/// and numbers said of something else.
pub struct Probed<'a> {
    /// The loaded model.
    pub engine: &'a Engine,
    /// The templates.
    pub prompts: &'a Prompts,
    /// The manifest's prompt style.
    pub style: &'a str,
    /// The model's probe.
    pub probe: &'a Probe,
}

impl Probe {
    /// The probe that a manifest names, for the model in `engine`, and below which probability a claim
    /// is unsupported, and from which it is supported.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of(probing: &Probing, levels: [f32; 2], engine: &Engine) -> Result<Self, String> {
        let Probing { name: probe, layers } = probing;
        let bytes = BUILT_IN.iter().find(|(name, _)| name == probe).map(|(_, bytes)| bytes);
        let bytes = bytes.ok_or_else(|| format!("there is no probe `{probe}`"))?;
        let mut tensors = candle_core::safetensors::load_buffer(bytes, &candle_core::Device::Cpu)
            .map_err(|e| format!("the probe `{probe}` can't be read: {e}"))?;
        // Its scale is in the tensors already.
        let adapter = engine.adapter(&mut tensors, 1.0).map_err(|e| format!("`{probe}`: {e}"))?;
        let values = |name: &str| {
            let tensor = tensors.get(name).ok_or_else(|| format!("`{probe}` has no {name}"))?;
            tensor.to_vec1::<f32>().map_err(|e| format!("`{probe}`: {name}: {e}"))
        };
        let (weight, bias) = (values("weight")?, values("bias")?);
        match bias.as_slice() {
            [bias] if weight.len() == engine.shape().hidden => {
                Ok(Self { weight, bias: *bias, layers: *layers, levels, adapter })
            }
            _ => Err(format!("the probe `{probe}` is for another model")),
        }
    }

    /// A hidden state `[hidden]` → the log-odds that the claim is supported.
    fn log_odds(&self, state: &[f32]) -> f32 {
        self.bias + self.weight.iter().zip(state).map(|(w, x)| w * x).sum::<f32>()
    }
}

/// A model as a judge that was made to tell whether one text says what another does.
pub struct Entailing<'a> {
    /// The loaded model.
    pub model: &'a Entailer,
    /// Probability below which a claim is unsupported, and from which it is supported.
    pub levels: [f32; 2],
}

impl Judge for Entailing<'_> {
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>> {
        let score = self.model.probability(&english(cited), claim)?;
        Ok(vec![sign(score, self.levels)])
    }
}

fn english(cited: &[Evidence<'_>]) -> String {
    cited.iter().map(|e| e.target).collect::<Vec<_>>().join(" ")
}

fn sign(score: f32, levels: [f32; 2]) -> Sign {
    let detail = "the model that read both doubts that what it cites says so".to_owned();
    Sign::measured(SignKind::Entailment, score, levels, detail)
}

impl Judge for Probed<'_> {
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>> {
        let evidence = english(cited);
        let prompt = self.prompt(&evidence, claim)?;
        let Probe { layers, adapter, .. } = self.probe;
        let pass = Pass { layers: *layers, adapter: Some(adapter) };
        let score = probability(self.probe.log_odds(&self.engine.state(&prompt, pass)?));
        Ok(vec![sign(score, self.probe.levels)])
    }
}

impl Probed<'_> {
    fn prompt(&self, evidence: &str, claim: &str) -> Result<Prompt> {
        let values = Values::default();
        let fields = context! { evidence => values.text(evidence), claim => values.text(claim) };
        let name = format!("entail.{}.jinja", self.style);
        self.prompts.render(&name, fields, &values, &self.engine.tokenizer).map_err(|reason| {
            Error::Model {
                model: self.style.to_owned(),
                reason: format!("cannot judge claims: {reason}"),
                hint: "choose another model for summaries with --model".into(),
            }
        })
    }
}

fn probability(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}
