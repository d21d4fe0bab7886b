//! Asks a generating model whether a text says what a claim says.

use minijinja::context;

use crate::{
    engine::{Engine, Grammar, Next, Prompts, Request, Values},
    error::{Error, Result},
    trace::{Sign, SignKind, check::Judge, support::Evidence},
};

/// A generating model as a judge. It knows paraphrases, and sees exchanged roles and lost
/// negations that the rules don't; what it says of numbers is worth less than theirs.
pub struct Asked<'a> {
    /// The loaded model.
    pub engine: &'a mut Engine,
    /// The templates.
    pub prompts: &'a Prompts,
    /// The manifest's prompt style.
    pub style: &'a str,
    /// The probability of "Yes" below which a claim is unsupported, and from which it is
    /// supported: the manifest's.
    pub levels: [f32; 2],
}

/// One token, yes or no.
struct Answer {
    tokens: Vec<u32>,
    given: bool,
}

impl Grammar for Answer {
    fn next(&self) -> Next {
        if self.given { Next::Stop } else { Next::OneOf(self.tokens.clone()) }
    }

    fn accept(&mut self, _token: u32) {
        self.given = true;
    }
}

impl Judge for Asked<'_> {
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>> {
        let broken = |reason: String| Error::Model {
            model: self.style.to_owned(),
            reason: format!("cannot judge claims: {reason}"),
            hint: "choose another model for summaries with --model".into(),
        };
        let values = Values::default();
        let evidence = cited.iter().map(|e| e.target).collect::<Vec<_>>().join(" ");
        let fields = context! { evidence => values.text(&evidence), claim => values.text(claim) };
        let name = format!("entail.{}.jinja", self.style);
        let tokenizer = &self.engine.tokenizer;
        let prompt = self.prompts.render(&name, fields, &values, tokenizer).map_err(broken)?;
        let first = |word| Ok::<_, String>(tokenizer.encode(word)?.first().copied());
        let yes = first("Yes").map_err(broken)?;
        let no = first("No").map_err(broken)?;
        let (Some(yes), Some(no)) = (yes, no) else {
            return Err(broken("its vocabulary has no words".into()));
        };
        let grammar = Answer { tokens: vec![yes, no], given: false };
        let request =
            Request { prompt, after: None, max_tokens: 1, grammar: Some(Box::new(grammar)) };
        let outputs = self.engine.generate(vec![request], &mut |_: usize, _: usize| true)?;
        let Some(output) = outputs.first() else { return Ok(Vec::new()) };
        // The likelier word's probability; the two share all but nothing of the whole.
        let likelier = output.mean_logprob.exp();
        let score = if output.tokens == [yes] { likelier } else { 1.0 - likelier };
        let detail = "asked whether what it cites says so, the model doubts it".to_owned();
        Ok(vec![Sign::measured(SignKind::Entailment, score, self.levels, detail)])
    }
}
