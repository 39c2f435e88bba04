//! Looks into a network in training, on a fixed subset of the training images:
//! mode strengths, Jacobians, kernels, activations, as plain arrays
//! ([`crate::run::Look`]).
//!
//! Everything is measured in evaluation mode (running statistics of batch norm)
//! and in the precision of the weights.

use ndarray::{Array1, Array2, Array4, ArrayView4, Axis};
use rand::seq::index::sample;
use tch::{Kind, Tensor};

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::model::convert;
use crate::model::deep::{Deep, Pass, Role, Taps};
use crate::run::Look;
use crate::run::look::Jacobian;
use crate::seed;
use crate::spectrum::{self, Energies, Grid};
use crate::theory::Modes;
use crate::train::deep::{Images, Targets, evaluate};

pub mod kernel;
#[cfg(test)]
mod tests;

/// The common grid of kernel spectra: fine enough for kernels of any size in use.
const KERNEL_GRID: usize = 32;

/// A fixed subset of the training images, and what was computed of it once.
pub struct Probe<'a> {
    modes: &'a Modes,
    rows: Vec<usize>,
    jacobians: usize,
    /// X V `[M, m]`, X being the subset; centred where the samples are, so that a
    /// constant answer has no strength.
    projected: Array2<f64>,
    /// u_αᵀΣyxv_α over the subset.
    asked: Vec<f64>,
}

/// A mode of which the subset keeps less than this share cannot be measured on it.
const LEAST: f64 = 0.25;

impl<'a> Probe<'a> {
    /// Draws `count` of `samples` by the run's `seed`; the first `jacobians` of
    /// them are for Jacobians and activations.
    pub fn new(samples: &Samples, modes: &'a Modes, count: usize, jacobians: usize, seed: u64) -> Self {
        let count = count.min(samples.len());
        let mut rows = sample(&mut seed::rng(seed, "probe", 0), samples.len(), count).into_vec();
        // In the order in memory but for the first ones, which are to be any.
        let jacobians = jacobians.min(count);
        rows[jacobians..].sort_unstable();
        let v = modes.v_rows();
        let mut projected = Array2::zeros((count, modes.len()));
        for (mut out, &row) in projected.rows_mut().into_iter().zip(&rows) {
            out.assign(&v.dot(&samples.x.row(row).mapv(f64::from)));
        }
        if samples.centred {
            let mean = projected.sum_axis(Axis(0)) / count.max(1) as f64;
            projected -= &mean;
        }
        let y = Array2::from_shape_fn((count, samples.outputs()), |(i, j)| samples.y[[rows[i], j]]);
        let asked = response(modes, &y, &projected).diag().to_vec();
        Self { modes, rows, jacobians, projected, asked }
    }

    /// The images, as rows of the training set.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Modes (counted from 1) of which too little is in the subset to measure them.
    pub fn weak(&self) -> Vec<usize> {
        let kept = self.asked.iter().zip(&self.modes.list);
        kept.enumerate().filter(|(_, (a, mode))| **a < LEAST * mode.s).map(|(i, _)| i + 1).collect()
    }

    /// Looks into `net` after `step` updates.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn look(&self, net: &Deep, images: &Images, targets: &Targets, step: u64) -> Result<Look> {
        let (loss, accuracy, answers) = self.answers(net, images, targets)?;
        let response = response(self.modes, &answers, &self.projected);
        let strengths = self.modes.list.iter().zip(&self.asked).enumerate().map(|(i, (mode, asked))| {
            if *asked < LEAST * mode.s { f64::NAN } else { mode.s * response[[i, i]] / asked }
        });
        let (jacobian, activations) = match self.jacobians {
            0 => (None, Vec::new()),
            count => {
                let x = images.plain(&self.rows[..count])?;
                let (jacobian, activations) = jacobian(net, &x)?;
                (Some(jacobian), activations)
            }
        };
        Ok(Look {
            step,
            loss,
            accuracy,
            strengths: strengths.collect(),
            response,
            jacobian,
            kernels: kernels(net)?,
            activations,
        })
    }

    // Loss, accuracy, and ŷ `[M, K]` over the subset.
    fn answers(
        &self,
        net: &Deep,
        images: &Images,
        targets: &Targets,
    ) -> Result<(f64, Option<f64>, Array2<f64>)> {
        let mut answers = Vec::new();
        let (loss, accuracy) = evaluate(net, images, targets, &self.rows, false, |logits| {
            answers.push(targets.answers(logits)?);
            Ok(())
        })?;
        Ok((loss, accuracy, convert::matrix(&Tensor::f_cat(&answers, 0)?)?))
    }
}

// UᵀΣŷxV `[m, m]` with Σŷx = (1/M) ŷᵀX.
fn response(modes: &Modes, answers: &Array2<f64>, projected: &Array2<f64>) -> Array2<f64> {
    answers.dot(&modes.u()).t().dot(projected) / answers.nrows() as f64
}

/// Jacobians of the logits of `net` at images `x` `[J, c, h, w]`, and the mean
/// energies of what its layers put out, on the way.
///
/// K backward passes for J images together.
///
/// # Errors
/// [`Error::Device`] when libtorch fails.
pub fn jacobian(net: &Deep, x: &Tensor) -> Result<(Jacobian, Vec<(String, Energies)>)> {
    let [count, c, h, w] = x.size()[..] else {
        return Err(Error::Device(format!("expected images [J, c, h, w], found {:?}", x.size())));
    };
    let x = x.f_detach()?.set_requires_grad(true);
    let taps = Taps::default();
    let logits = net.forward(&x, &Pass { taps: Some(&taps), ..Pass::eval(false) })?;
    let outputs = logits.size()[1];
    let inputs = (c * h * w) as usize;
    let mut mean = Array2::zeros((outputs as usize, inputs));
    let mut squared = Array2::<f64>::zeros(Grid::new(h as usize, w as usize).half_shape());
    for k in 0..outputs {
        let output = logits.f_select(1, k)?.f_sum(None::<Kind>)?;
        // Images do not meet in evaluation mode: each has its own gradient.
        let gradient = Tensor::f_run_backward(&[&output], &[&x], k + 1 < outputs, false)?.remove(0);
        let average = gradient.f_to_kind(Kind::Double)?.f_mean_dim([0i64].as_slice(), false, None)?;
        let row = Array1::from_iter(convert::array(&average)?);
        mean.row_mut(k as usize).assign(&row);
        squared += &(mean_plane(single(&gradient)?.view()) * c as f64);
    }
    let squared = Energies::new(Grid::new(h as usize, w as usize), squared)?;
    debug_assert!(count > 0);
    let activations = taps.into_inner().into_iter().map(|(name, tensor)| {
        let images = single(&tensor.detach())?;
        let (_, _, h, w) = images.dim();
        Ok((name, Energies::new(Grid::new(h, w), mean_plane(images.view()))?))
    });
    Ok((Jacobian { mean, squared }, activations.collect::<Result<_>>()?))
}

// Energies averaged over images and channels.
fn mean_plane(images: ArrayView4<f32>) -> Array2<f64> {
    let energies = spectrum::mean_energies(images);
    energies.sum_axis(Axis(0)) / energies.dim().0 as f64
}

// A tensor `[N, c, h, w]` in single precision.
fn single(tensor: &Tensor) -> Result<Array4<f32>> {
    let size = tensor.size();
    let [n, c, h, w] = size[..] else {
        return Err(Error::Device(format!("expected four axes, found {size:?}")));
    };
    let flat = tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let mut values = vec![0f32; flat.numel()];
    flat.f_copy_data(&mut values, flat.numel())?;
    let shape = (n as usize, c as usize, h as usize, w as usize);
    Ok(Array4::from_shape_vec(shape, values).expect("one value per element"))
}

/// Mean energies of the kernels of each convolution of `net`, by layer, on a
/// grid of 32×32 (larger where kernels are); kernels of one weight left out.
///
/// # Errors
/// [`Error::Device`]; [`Error::Input`] for weights that are not finite.
pub fn kernels(net: &Deep) -> Result<Vec<(String, Energies)>> {
    let mut found = Vec::new();
    for entry in net.entries().iter().filter(|e| e.role == Role::Kernel) {
        let size = entry.tensor.size();
        let (h, w) = (size[2] as usize, size[3] as usize);
        if (h, w) == (1, 1) {
            continue;
        }
        let weights = convert::array(&entry.tensor)?;
        let weights = weights.view().into_dimensionality().expect("kernels have four axes");
        let energies = spectrum::mean_kernel_energies(weights, KERNEL_GRID.max(h), KERNEL_GRID.max(w))?;
        let name = entry.name.strip_suffix(".weight").unwrap_or(&entry.name);
        found.push((name.to_owned(), energies));
    }
    Ok(found)
}
