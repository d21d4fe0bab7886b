//! Times the passes that everything else is made of.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rayon::prelude::*;

use super::{
    Engine,
    arch::{
        decoder::{Cost, Feed},
        model::Model,
    },
    generate::CHUNK,
    kernels::log_sum_exp,
    kv::SequenceKv,
};
use crate::error::{Error, Result};

impl Engine {
    /// What one token costs.
    ///
    /// # Errors
    /// candle's.
    pub fn cost(&self) -> Result<Cost> {
        self.model.cost().map_err(Error::engine("measuring the model"))
    }

    /// Reads a prompt of so many tokens, in the chunks in which prompts are read, to the logits of
    /// its last token.
    ///
    /// # Errors
    /// candle's.
    pub fn time_prefill(&self, tokens: usize) -> Result<Duration> {
        let began = Instant::now();
        self.read(tokens)?;
        Ok(began.elapsed())
    }

    /// Decodes so many sequences together, each behind a context of its own, for so many steps, and
    /// returns the time of each step. In each the likeliest token that may be written is appended to
    /// each sequence.
    ///
    /// # Errors
    /// candle's.
    pub fn time_decode(
        &self,
        sequences: usize,
        context: usize,
        steps: usize,
    ) -> Result<Vec<Duration>> {
        let kv = self.read(context)?;
        // Copies, since a cache that all sequences share is read faster than theirs.
        let own = || Some(Arc::new(kv.clone().into_prefix(self.words(context).collect())));
        let layers = self.model.shape().layers;
        let cache = |_| match self.backend.in_tensors() {
            // Rows of a device's pool can't be copied.
            true => self.read(context),
            false => Ok(SequenceKv::new(own(), layers)),
        };
        let mut caches: Vec<SequenceKv> = (0..sequences).map(cache).collect::<Result<_>>()?;
        let mut tokens: Vec<Vec<u32>> =
            self.words(context + sequences).skip(context).map(|token| vec![token]).collect();
        let mut step = || -> Result<Duration> {
            let began = Instant::now();
            let rows = caches.iter_mut().zip(&tokens).map(|(kv, tokens)| Feed { kv, tokens });
            let logits = self
                .model
                .forward(&mut rows.collect::<Vec<_>>())
                .map_err(Error::engine("measuring decoding"))?;
            let rows: Vec<&[f32]> = logits.rows().collect();
            let next = rows.into_par_iter().map(|logits| {
                // As generation does, which tells how likely each token was.
                std::hint::black_box(log_sum_exp(logits));
                self.likeliest(logits).map(|(token, _)| token)
            });
            for (token, next) in tokens.iter_mut().zip(next.collect::<Vec<_>>()) {
                *token = vec![next.unwrap_or_default()];
            }
            Ok(began.elapsed())
        };
        // The first one brings the weights into memory.
        step()?;
        (0..steps).map(|_| step()).collect()
    }

    fn read(&self, tokens: usize) -> Result<SequenceKv> {
        let tokens: Vec<u32> = self.words(tokens).collect();
        if let Model::EncoderDecoder(model) = &self.model {
            // A source, that is.
            return model.encode(&tokens).map_err(Error::engine("measuring a source"));
        }
        let mut kv = SequenceKv::new(None, self.model.shape().layers);
        let (before, last) = tokens.split_at(tokens.len().saturating_sub(1) / CHUNK * CHUNK);
        let fail = "measuring a prompt";
        for tokens in before.chunks(CHUNK) {
            let rows = &mut [Feed { kv: &mut kv, tokens }];
            self.model.prefill(rows).map_err(Error::engine(fail))?;
        }
        let rows = &mut [Feed { kv: &mut kv, tokens: last }];
        self.model.forward(rows).map_err(Error::engine(fail))?;
        Ok(kv)
    }

    /// So many different tokens of English text.
    fn words(&self, count: usize) -> impl Iterator<Item = u32> {
        // A step that has no factor in common with most numbers of tokens visits all.
        let allowed = self.vocabulary.allowed();
        (0..count).filter_map(|i| allowed.get(i * 7_919 % allowed.len().max(1)).copied())
    }
}
