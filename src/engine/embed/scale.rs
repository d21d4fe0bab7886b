//! What a model's similarities mean. Models spread them differently: texts that have nothing to do with
//! each other are at 0.75 for one and at 0.1 for another. The checks' levels are multilingual-e5-small's;
//! other models' similarities are brought to its scale, by two points each.

use serde::{Deserialize, Serialize};

use super::{
    cosine,
    known::{Known, texts},
};
use crate::error::Result;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// Two English texts.
    English,
    /// Texts of which one at least is in another language.
    Languages,
}

/// Mean similarities that a model gives pairs of texts: those that are about other things, and those
/// that say the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Of English texts.
    pub english: [f32; 2],
    /// Of English texts and others.
    pub languages: [f32; 2],
}

impl Scale {
    /// multilingual-e5-small's.
    pub const E5: Self = Self { english: [0.768, 0.907], languages: [0.742, 0.899] };

    /// A similarity on the scale of multilingual-e5-small; 1 stays 1.
    #[must_use]
    pub fn as_e5(&self, cosine: f32, between: Between) -> f32 {
        let of = |scale: &Self| match between {
            Between::English => scale.english,
            Between::Languages => scale.languages,
        };
        let (from, to) = (of(self), of(&Self::E5));
        if from == to {
            return cosine;
        }
        // Straight through both points, and from the second one to 1.
        let [(x0, y0), (x1, y1)] = match cosine < from[1] {
            true => [(from[0], to[0]), (from[1], to[1])],
            false => [(from[1], to[1]), (1.0, 1.0)],
        };
        y0 + (cosine - x0) / (x1 - x0).max(f32::EPSILON) * (y1 - y0)
    }

    /// Whether it tells texts that say the same from others.
    ///
    /// # Errors
    /// It doesn't.
    pub fn check(&self) -> Result<(), String> {
        for (what, [other, same]) in
            [("English texts", self.english), ("texts in other languages", self.languages)]
        {
            // Not a number is no distance either.
            if !(same - other > 0.05 && same < 1.0) {
                return Err(format!(
                    "it does not tell {what} that say the same from others (similarities of \
                     {same:.2} and {other:.2})"
                ));
            }
        }
        Ok(())
    }

    /// A model's, by its embeddings of length 1.
    ///
    /// # Errors
    /// The model's.
    pub fn measured(embed: impl Fn(&[&str]) -> Result<Vec<Vec<f32>>>) -> Result<Self> {
        let texts = texts();
        let side = |of: fn(&Known) -> &str| embed(&texts.iter().map(of).collect::<Vec<_>>());
        let english = side(|t| &t.en)?;
        let again = side(|t| &t.again)?;
        let others = [side(|t| &t.de)?, side(|t| &t.zh)?, side(|t| &t.bn)?];
        Ok(Self { english: means(&english, &[again]), languages: means(&english, &others) })
    }
}

/// The mean similarities of texts and others: of those that don't belong together, and of those that do.
fn means(texts: &[Vec<f32>], others: &[Vec<Vec<f32>>]) -> [f32; 2] {
    let [mut apart, mut together] = [(0.0, 0u16); 2];
    for others in others {
        for (i, text) in texts.iter().enumerate() {
            for (j, other) in others.iter().enumerate() {
                let (sum, count) = if i == j { &mut together } else { &mut apart };
                *sum += f64::from(cosine(text, other));
                *count += 1;
            }
        }
    }
    [apart, together].map(|(sum, count)| (sum / f64::from(count)) as f32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn similarities_are_brought_to_the_other_scale_point_by_point() {
        assert!(texts().len() >= 8);
        let scale = Scale { english: [0.1, 0.7], languages: [0.2, 0.6] };
        for (between, own, e5) in [
            (Between::English, scale.english, Scale::E5.english),
            (Between::Languages, scale.languages, Scale::E5.languages),
        ] {
            for (from, to) in own.into_iter().zip(e5).chain([(1.0, 1.0)]) {
                assert!((scale.as_e5(from, between) - to).abs() < 1e-6, "{from}");
                assert_eq!(Scale::E5.as_e5(to, between), to);
            }
            let middle = scale.as_e5(f32::midpoint(own[0], own[1]), between);
            assert!((middle - f32::midpoint(e5[0], e5[1])).abs() < 1e-6);
        }
        assert!(scale.check().is_ok());
        let blind = Scale { languages: [0.2, 0.21], ..scale };
        assert!(blind.check().unwrap_err().contains("other languages"));
        assert!(Scale { english: [f32::NAN; 2], ..scale }.check().is_err());
    }
}
