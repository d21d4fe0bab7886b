//! Brings the signs together: the rules', and those of models that judge meaning.

use super::{
    Sign, Support,
    support::{self, Evidence, Trust},
};
use crate::error::Result;

/// A model that judges how well texts agree: sentence embeddings, or entailment.
pub trait Judge {
    /// Its signs for a claim and the sentences that it cites, which are never none.
    ///
    /// # Errors
    /// The model's.
    fn signs(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Vec<Sign>>;
}

/// Checks claims against what they cite.
#[derive(Default)]
pub struct Checker<'a> {
    /// What the translation is worth.
    pub trust: Trust,
    /// Models that judge too; what they say is weighed with what the rules find: see
    /// [`Support::weigh`].
    pub judges: Vec<&'a mut dyn Judge>,
}

impl Checker<'_> {
    /// What the checks find for `claim`.
    ///
    /// # Errors
    /// A judge's.
    pub fn check(&mut self, claim: &str, cited: &[Evidence<'_>]) -> Result<Support> {
        let mut support = Support::weigh(support::signs(claim, cited, self.trust));
        for judge in &mut self.judges {
            support = consult(support, &mut **judge, claim, cited)?;
        }
        Ok(support)
    }
}

/// Adds a judge's signs. What is refused for certain needs no model's judgement.
///
/// # Errors
/// The judge's.
pub fn consult(
    mut support: Support,
    judge: &mut dyn Judge,
    claim: &str,
    cited: &[Evidence<'_>],
) -> Result<Support> {
    if support.is_settled() {
        return Ok(support);
    }
    support.signs.extend(judge.signs(claim, cited)?);
    Ok(Support::weigh(support.signs))
}
