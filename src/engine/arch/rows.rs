//! Activations, and what is done to each row of them alone.

use candle_core::{DType, Device, Result, Tensor, bail};
use rayon::prelude::*;

use super::super::{
    device::Backend,
    kernels::{Activation, activate, activate_gate, add, add_to_each, layer_norm, open, rms_norm},
};

/// Rows of activations, `[rows, columns]`.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// For our kernels, row-major.
    Host {
        /// All of them.
        data: Vec<f32>,
        /// Floats of a row.
        columns: usize,
    },
    /// For candle's operations, in f32.
    Tensor(Tensor),
}

/// What is the same for all rows: a norm's weight or a bias.
#[derive(Debug, Clone)]
pub(super) enum Vector {
    Host(Vec<f32>),
    Tensor(Tensor),
}

impl Vector {
    /// A tensor that lies where `backend` computes.
    pub fn new(tensor: Tensor, backend: &Backend) -> Result<Self> {
        match backend.in_tensors() {
            true => Ok(Self::Tensor(tensor)),
            false => Ok(Self::Host(tensor.to_vec1()?)),
        }
    }

    /// Of `values` those at `places`.
    pub fn picked(values: &[f32], places: &[u32], backend: &Backend) -> Result<Self> {
        let picked = places.iter().map(|place| values.get(*place as usize).copied());
        let Some(picked) = picked.collect::<Option<Vec<f32>>>() else {
            bail!("a place that isn't there was asked for")
        };
        Self::new(Tensor::new(picked, backend.device())?, backend)
    }
}

/// Numbers that are worth a task of their own.
const TASK: usize = 1 << 15;

/// Calls `work` on parts of `x`, each with its place, so many of `width` together as make a task.
fn by_parts(x: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let part = TASK.div_ceil(width.max(1)) * width.max(1);
    if x.len() <= part {
        return work(0, x);
    }
    x.par_chunks_mut(part).enumerate().for_each(|(i, x)| work(i * part, x));
}

impl Rows {
    /// Of a matrix that was made on the host, for `backend`.
    pub fn new(tensor: &Tensor, backend: &Backend) -> Result<Self> {
        let tensor = tensor.to_dtype(DType::F32)?;
        match backend.in_tensors() {
            true => tensor.to_device(backend.device()).map(Self::Tensor),
            false => Self::on_host(&tensor),
        }
    }

    /// Of a matrix in f32, for our kernels.
    pub fn on_host(tensor: &Tensor) -> Result<Self> {
        let columns = tensor.dims2()?.1;
        Ok(Self::Host { data: tensor.flatten_all()?.to_vec1()?, columns })
    }

    /// Of what was computed on the host, for `backend`.
    pub fn from_host(data: Vec<f32>, columns: usize, backend: &Backend) -> Result<Self> {
        if !backend.in_tensors() {
            return Ok(Self::Host { data, columns });
        }
        let rows = data.len() / columns.max(1);
        Tensor::from_vec(data, (rows, columns), backend.device()).map(Self::Tensor)
    }

    /// All floats, row-major.
    pub fn into_host(self) -> Result<Vec<f32>> {
        match self {
            Self::Host { data, .. } => Ok(data),
            Self::Tensor(tensor) => tensor.flatten_all()?.to_vec1(),
        }
    }

    /// The same as a tensor, `[rows, columns]`.
    pub fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Host { data, columns } => {
                Tensor::from_slice(data, (data.len() / (*columns).max(1), *columns), &Device::Cpu)
            }
            Self::Tensor(tensor) => Ok(tensor.clone()),
        }
    }

    pub fn columns(&self) -> Result<usize> {
        match self {
            Self::Host { columns, .. } => Ok(*columns),
            Self::Tensor(tensor) => Ok(tensor.dims2()?.1),
        }
    }

    /// The same floats in rows of another length, which they must fill.
    pub fn in_rows_of(self, columns: usize) -> Result<Self> {
        match self {
            Self::Host { data, .. } => Ok(Self::Host { data, columns }),
            Self::Tensor(tensor) => tensor.reshape(((), columns)).map(Self::Tensor),
        }
    }

    /// The rows `ids`, in that order.
    pub fn select(&self, ids: &[u32]) -> Result<Self> {
        match self {
            Self::Host { data, columns } => {
                let row = |id: &u32| data.get(*id as usize * columns..)?.get(..*columns);
                let Some(rows) = ids.iter().map(row).collect::<Option<Vec<_>>>() else {
                    bail!("a row that isn't there was asked for")
                };
                Ok(Self::Host { data: rows.concat(), columns: *columns })
            }
            Self::Tensor(tensor) => {
                tensor.index_select(&Tensor::new(ids, tensor.device())?, 0).map(Self::Tensor)
            }
        }
    }

    /// Of each row so many floats from the one at `from` on.
    pub fn part(&self, from: usize, width: usize) -> Result<Self> {
        match self {
            Self::Host { data, columns } => {
                if from + width > *columns {
                    bail!("rows of {columns} have no {width} floats at {from}")
                }
                let rows = data.chunks_exact((*columns).max(1));
                let part = rows.flat_map(|row| row.iter().skip(from).take(width).copied());
                Ok(Self::Host { data: part.collect(), columns: width })
            }
            Self::Tensor(tensor) => tensor.narrow(1, from, width)?.contiguous().map(Self::Tensor),
        }
    }

    /// Bent so that none is larger than `cap` (Gemma Team 2024, arXiv:2408.00118, 2).
    pub fn capped(self, cap: f32) -> Result<Self> {
        match self {
            Self::Host { mut data, columns } => {
                by_parts(&mut data, 1, |_, x| {
                    x.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh())
                });
                Ok(Self::Host { data, columns })
            }
            Self::Tensor(tensor) => {
                ((tensor / f64::from(cap))?.tanh()? * f64::from(cap)).map(Self::Tensor)
            }
        }
    }

    pub fn scaled(self, by: f32) -> Result<Self> {
        match self {
            Self::Host { mut data, columns } => {
                data.iter_mut().for_each(|x| *x *= by);
                Ok(Self::Host { data, columns })
            }
            Self::Tensor(tensor) => (tensor * f64::from(by)).map(Self::Tensor),
        }
    }

    pub fn plus(self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Host { mut data, columns }, Self::Host { data: other, .. }) => {
                if data.len() != other.len() {
                    bail!("{} floats cannot be added to {}", other.len(), data.len())
                }
                by_parts(&mut data, 1, |at, x| {
                    add(x, other.get(at..).unwrap_or_default());
                });
                Ok(Self::Host { data, columns })
            }
            (this, other) => (this.to_tensor()? + other.to_tensor()?).map(Self::Tensor),
        }
    }

    /// Plus a vector, to each row.
    pub fn plus_each(self, vector: &Vector) -> Result<Self> {
        match (self, vector) {
            (Self::Host { mut data, columns }, Vector::Host(vector)) => {
                if columns != vector.len() {
                    bail!("a bias of {} does not fit rows of {columns}", vector.len())
                }
                by_parts(&mut data, columns, |_, x| add_to_each(x, vector));
                Ok(Self::Host { data, columns })
            }
            (Self::Tensor(tensor), Vector::Tensor(vector)) => {
                tensor.broadcast_add(vector).map(Self::Tensor)
            }
            _ => bail!("rows and their bias are not of one kind"),
        }
    }

    /// Root mean square norm (Zhang & Sennrich 2019, arXiv:1910.07467).
    pub fn normed(&self, weight: &Vector, eps: f32) -> Result<Self> {
        match (self, weight) {
            (Self::Host { data, columns }, Vector::Host(weight)) => {
                let columns = *columns;
                if columns != weight.len() {
                    bail!("a norm of {} does not fit rows of {columns}", weight.len())
                }
                let mut out = vec![0f32; data.len()];
                by_parts(&mut out, columns, |at, out| {
                    rms_norm(data.get(at..).unwrap_or_default(), weight, eps, out);
                });
                Ok(Self::Host { data: out, columns })
            }
            (Self::Tensor(tensor), Vector::Tensor(weight)) => {
                candle_nn::ops::rms_norm(&tensor.contiguous()?, weight, eps).map(Self::Tensor)
            }
            _ => bail!("rows and their norm are not of one kind"),
        }
    }

    /// Layer norm (Ba et al. 2016, arXiv:1607.06450).
    pub fn layer_normed(&self, weight: &Vector, bias: &Vector, eps: f32) -> Result<Self> {
        match (self, weight, bias) {
            (Self::Host { data, columns }, Vector::Host(weight), Vector::Host(bias)) => {
                let columns = *columns;
                if columns != weight.len() || columns != bias.len() {
                    bail!("a norm of {} does not fit rows of {columns}", weight.len())
                }
                let mut out = vec![0f32; data.len()];
                by_parts(&mut out, columns, |at, out| {
                    layer_norm(data.get(at..).unwrap_or_default(), weight, bias, eps, out);
                });
                Ok(Self::Host { data: out, columns })
            }
            (Self::Tensor(tensor), Vector::Tensor(weight), Vector::Tensor(bias)) => {
                let tensor = tensor.contiguous()?;
                candle_nn::ops::layer_norm(&tensor, weight, bias, eps).map(Self::Tensor)
            }
            _ => bail!("rows and their norm are not of one kind"),
        }
    }

    /// What `activation` makes of each number.
    pub fn activated(self, activation: Activation) -> Result<Self> {
        match self {
            Self::Host { mut data, columns } => {
                by_parts(&mut data, 1, |_, x| activate(activation, x));
                Ok(Self::Host { data, columns })
            }
            Self::Tensor(tensor) => activated(&tensor, activation).map(Self::Tensor),
        }
    }

    /// As far as the gate is open: times its σ.
    pub fn behind(self, gate: &Self) -> Result<Self> {
        match (self, gate) {
            (Self::Host { mut data, columns }, Self::Host { data: gate, .. }) => {
                if data.len() != gate.len() {
                    bail!("a gate of {} floats does not fit {}", gate.len(), data.len())
                }
                by_parts(&mut data, 1, |at, x| open(x, gate.get(at..).unwrap_or_default()));
                Ok(Self::Host { data, columns })
            }
            (this, gate) => {
                let open = candle_nn::ops::sigmoid(&gate.to_tensor()?)?;
                (this.to_tensor()? * open).map(Self::Tensor)
            }
        }
    }

    /// This gate, opened, times what it lets through.
    pub fn gating(self, up: &Self, activation: Activation) -> Result<Self> {
        match (self, up) {
            (Self::Host { mut data, columns }, Self::Host { data: up, .. }) => {
                if data.len() != up.len() {
                    bail!("a gate of {} floats does not fit {}", data.len(), up.len())
                }
                by_parts(&mut data, 1, |at, gate| {
                    activate_gate(activation, gate, up.get(at..).unwrap_or_default());
                });
                Ok(Self::Host { data, columns })
            }
            (this, up) => {
                let gate = activated(&this.to_tensor()?, activation)?;
                (gate * up.to_tensor()?).map(Self::Tensor)
            }
        }
    }
}

fn activated(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Silu => x.silu(),
        Activation::Gelu => x.gelu_erf(),
        Activation::GeluTanh => x.gelu(),
        Activation::Relu => x.relu(),
    }
}
