//! How fast this machine runs a model, and how near that is to what it can do.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    engine::{Backend, Engine, device::Limits, kernels::limits},
    error::{Error, Result},
};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// Tokens of prompts.
    pub prefill: Vec<usize>,
    /// Sequences that decode together.
    pub batch: Vec<usize>,
    /// Tokens that stand before each sequence while it decodes.
    pub context: usize,
    /// Tokens that each sequence decodes.
    pub steps: usize,
    /// How often a prompt is read; the median counts.
    pub repeat: usize,
}

/// What was measured, as `brief bench --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The program's.
    pub version: String,
    /// Where.
    pub machine: Machine,
    /// What.
    pub model: Model,
    /// Reading prompts.
    pub prefill: Vec<Prefill>,
    /// Writing.
    pub decode: Vec<Decode>,
    /// Whole articles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub articles: Option<Articles>,
    /// The most memory that the process held, in bytes; absent where the system doesn't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its processor's name.
    pub processor: String,
    /// Physical cores; 0 where the system doesn't tell.
    pub cores: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Where the model runs.
    pub device: String,
    /// Its extensions, as far as they matter.
    #[serde(default)]
    pub features: Vec<String>,
    /// The instruction set of the kernels in use, or `candle` where they are candle's.
    pub kernel: String,
    /// Bytes a second that the threads read from memory, or that a GPU reads and writes in copying.
    pub bandwidth: f64,
    /// Products a second: of eight-bit numbers, as the kernel's instructions make them in registers;
    /// on a GPU of bf16 numbers, in products of matrices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<f64>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// Of its file; none if its weights are random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of weights that a decoding step reads.
    pub bytes: usize,
    /// Products that a decoding step makes for each sequence, attention apart.
    pub products: usize,
    /// Seconds from the file to the first token.
    pub load: f64,
}

/// Reading a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefill {
    /// Its tokens.
    pub tokens: usize,
    /// Seconds.
    pub time: f64,
    /// Tokens a second.
    pub rate: f64,
    /// Share of the products that the machine could have made in that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_products: Option<f64>,
}

/// Sequences that decode together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decode {
    /// How many.
    pub sequences: usize,
    /// Seconds for a token of each.
    pub time: f64,
    /// Tokens a second, all together.
    pub rate: f64,
    /// Share of what the machine could have read in that time: weights once, caches each.
    pub of_bandwidth: f64,
    /// Share of the products that the machine could have made in that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_products: Option<f64>,
    /// Watts that the GPU drew at the end, where it can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
}

/// Whole articles, each translated and summarised, beginning with no model loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Articles {
    /// How many.
    pub articles: usize,
    /// Their sentences.
    pub sentences: usize,
    /// Seconds to the first brief.
    pub first: f64,
    /// Seconds in all.
    pub time: f64,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// candle's, on a GPU.
    pub fn here(backend: &Backend) -> Result<Self> {
        let limits = backend.limits().map_err(Error::engine("measuring the device"))?;
        let Limits { bandwidth, products } = limits;
        let mut system = sysinfo::System::new();
        system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
        let name = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Ok(Self {
            processor: name.filter(|name| !name.is_empty()).unwrap_or("unknown".into()),
            cores: sysinfo::System::physical_core_count().unwrap_or(0),
            threads: rayon::current_num_threads(),
            device: backend.to_string(),
            features: limits::features().into_iter().map(str::to_owned).collect(),
            kernel: backend.kernel_name(),
            bandwidth,
            products,
        })
    }
}

/// Measures passes of a loaded model. `step` is called before each measurement with what it is, and
/// may end the work.
///
/// # Errors
/// candle's, or what `step` says.
pub fn passes(
    engine: &Engine,
    machine: &Machine,
    measures: &Measures,
    mut step: impl FnMut(&str) -> Result<()>,
) -> Result<(Vec<Prefill>, Vec<Decode>)> {
    let cost = engine.cost()?;
    let share = |products: usize, time: f64| {
        machine.products.map(|possible| products as f64 / time / possible)
    };
    let prefill = measures.prefill.iter().map(|&tokens| {
        step(&format!("reading {tokens} tokens"))?;
        // The first one brings the weights into memory.
        engine.time_prefill(tokens.min(16))?;
        let times = (0..measures.repeat).map(|_| engine.time_prefill(tokens));
        let time = median(times.collect::<Result<_>>()?);
        let products = cost.layer_products * tokens + cost.head_products;
        let rate = tokens as f64 / time;
        Ok(Prefill { tokens, time, rate, of_products: share(products, time) })
    });
    let prefill = prefill.collect::<Result<_>>()?;
    let decode = measures.batch.iter().map(|&sequences| {
        step(&format!("decoding {sequences} together"))?;
        let time = median(engine.time_decode(sequences, measures.context, measures.steps)?);
        let power = engine.backend().power();
        let products = (cost.layer_products + cost.head_products) * sequences;
        let cached = measures.context + measures.steps / 2;
        let read = cost.layer_bytes + cost.head_bytes + sequences * cached * cost.kv_bytes;
        Ok(Decode {
            sequences,
            time,
            rate: sequences as f64 / time,
            of_bandwidth: read as f64 / time / machine.bandwidth,
            of_products: share(products, time),
            power,
        })
    });
    Ok((prefill, decode.collect::<Result<_>>()?))
}

/// Seconds that `work` took, and what it gave.
///
/// # Errors
/// Its own.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    work().map(|done| (began.elapsed().as_secs_f64(), done))
}

/// The most memory that this process has held, in bytes, as Linux tells it.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kb| kb * 1024)
}

/// Of an odd number the middle one, else the later of both; in seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_measurement_does_not_count() {
        let times = [3, 1, 90, 2, 2].map(Duration::from_secs);
        assert!((median(times.to_vec()) - 2.0).abs() < 1e-9);
    }
}
