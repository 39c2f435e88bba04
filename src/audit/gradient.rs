//! Gradients of a network's outputs at its images, and what is known of numbers that
//! are read off them.
//!
//! # Conventions
//! - Jacobians are ∂z/∂x of the logits z for the *normalised* image x that the
//!   network sees. For pixels p = x · scale + offset it is ∂z/∂x / scale, channel
//!   by channel: energies of a channel are 1/scale² of those here.
//! - Evaluation mode: running statistics of norms. DFTs are unitary; energies are
//!   |·|², and sum over the full plane to the sum of squares
//!   ([`crate::spectrum`]).
//! - Images are drawn by `rng(seed, "gradient/images", 0)` where not all are used.
//! - Standard errors are over images: of means, or by leaving out one of
//!   [`GROUPS`] groups of images at a time (the jackknife).

use serde::{Deserialize, Serialize};

#[cfg(feature = "torch")]
use super::parts::Effort;

#[cfg(feature = "torch")]
pub(super) use run::{Groups, chunk, forward, gradient, mean, not_finite, rows, signs, strongest, total};

/// Groups of images that are left out in turn, for standard errors.
pub const GROUPS: usize = 8;

/// How much is looked at.
#[cfg(feature = "torch")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Images of which Jacobians are taken; all where there are fewer.
    pub images: usize,
    /// Networks of up to this many outputs get a backward pass for each.
    pub exact: usize,
    /// Others get this many, for random signs of the outputs.
    pub draws: usize,
    /// Modes looked at, the strongest first.
    pub modes: usize,
    /// Of images and signs.
    pub seed: u64,
}

#[cfg(feature = "torch")]
impl Default for Options {
    fn default() -> Self {
        Self { images: 200, exact: 32, draws: 16, modes: 10, seed: 0 }
    }
}

#[cfg(feature = "torch")]
impl Options {
    /// Those of a full audit, or of a quicker one.
    pub fn asked(effort: Effort, seed: u64) -> Self {
        Self { images: effort.of([Self::default().images, 48, 16]), seed, ..Self::default() }
    }

    /// Gradients that are taken at each image, for all `outputs`.
    pub fn passes(&self, outputs: usize) -> usize {
        if outputs <= self.exact { outputs } else { self.draws }
    }
}

/// A number with its standard error over images, where there is more than one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: Option<f64>,
}

/// A frequency with the share of the energy at it and its conjugate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Cycles per image height.
    pub row: i32,
    /// Cycles per image width.
    pub col: i32,
    /// Share of the energy.
    pub share: f64,
}

#[cfg(feature = "torch")]
mod run {
    use ndarray::{Array, Array2, Array3, Array4, Dimension, s};
    use rand::Rng;
    use rand::seq::index::sample;
    use tch::{Kind, Tensor};

    use super::{Estimate, GROUPS, Options, Share};
    use crate::audit::subject::Subject;
    use crate::error::{Error, Lack, Result};
    use crate::model::convert;
    use crate::seed;
    use crate::spectrum::{Energies, Grid};

    /// Frequencies are listed up to this many.
    const LISTED: usize = 16;

    /// The strongest frequencies, with their shares.
    pub fn strongest(energies: &Energies) -> Vec<Share> {
        let listed = energies.strongest(LISTED).into_iter();
        listed.map(|(k, share)| Share { row: k.row, col: k.col, share }).collect()
    }

    /// The images that Jacobians are taken at, in their order.
    pub fn rows(subject: &Subject, options: &Options) -> Result<Vec<usize>> {
        let count = options.images.min(subject.len());
        if count == 0 {
            return Err(Error::input("images", "at least one to differentiate at", "none"));
        }
        let mut rows =
            sample(&mut seed::rng(options.seed, "gradient/images", 0), subject.len(), count).into_vec();
        rows.sort_unstable();
        Ok(rows)
    }

    /// Images that pass at a time: what their layers put out is kept for the way back.
    pub fn chunk(subject: &Subject) -> usize {
        subject.chunk().div_ceil(4)
    }

    /// The normalised images of `rows`, and their logits with what gradients need.
    pub fn forward(subject: &Subject, rows: &[usize]) -> Result<(Tensor, Tensor)> {
        let index: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let index = Tensor::f_from_slice(&index)?.f_to_device(subject.pixels.device())?;
        let x = subject.normalised(&subject.pixels.f_index_select(0, &index)?)?;
        let x = x.f_detach()?.f_set_requires_grad(true)?;
        let logits = subject.net.forward(&x)?;
        Ok((x, logits))
    }

    /// Gradient of the sum of `output` at each image: images do not meet in
    /// evaluation mode, so that each has its own.
    pub fn gradient(output: &Tensor, x: &Tensor, again: bool) -> Result<Array4<f64>> {
        let sum = output.f_sum(None::<Kind>)?;
        let gradient = Tensor::f_run_backward(&[&sum], &[x], again, false)?.remove(0);
        Ok(convert::array(&gradient)?.into_dimensionality().expect("images have four axes"))
    }

    /// ±1 `[draws, images, K]`, those of an image by its row alone.
    pub fn signs(seed: u64, rows: &[usize], draws: usize, outputs: usize) -> Result<Tensor> {
        let mut all = Array3::<f32>::zeros((draws, rows.len(), outputs));
        for (i, &row) in rows.iter().enumerate() {
            let mut rng = seed::rng(seed, "gradient/signs", row as u64);
            all.slice_mut(s![.., i, ..]).mapv_inplace(|_| if rng.random::<bool>() { 1.0 } else { -1.0 });
        }
        convert::tensor(all.view(), Kind::Float, tch::Device::Cpu)
    }

    /// Energy of the full plane.
    pub fn total(grid: Grid, half: &Array2<f64>) -> f64 {
        half.columns().into_iter().enumerate().map(|(c, e)| grid.weight(c) * e.sum()).sum()
    }

    pub fn mean(values: &[f64]) -> Estimate {
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - value).powi(2)).sum();
        Estimate { value, se: (values.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt()) }
    }

    pub fn not_finite() -> Error {
        let expected = "finite gradients of the logits";
        Error::lacking(Lack::Numbers, "network", expected, "NaN or infinite ones")
    }

    /// Sums over groups of images, one after the other.
    pub struct Groups<D: Dimension> {
        pub sums: Vec<Array<f64, D>>,
        counts: Vec<usize>,
        added: usize,
    }

    impl<D: Dimension> Groups<D> {
        pub fn new(images: usize, shape: impl ndarray::ShapeBuilder<Dim = D> + Clone) -> Self {
            let count = GROUPS.min(images);
            let sums = (0..count).map(|_| Array::zeros(shape.clone())).collect();
            Self { sums, counts: vec![0; count], added: 0 }
        }

        pub fn add(&mut self, image: &Array<f64, D>) {
            let group = self.added % self.sums.len();
            self.sums[group] += image;
            self.counts[group] += 1;
            self.added += 1;
        }

        pub fn mean(&self) -> Array<f64, D> {
            self.without(None)
        }

        fn without(&self, left_out: Option<usize>) -> Array<f64, D> {
            let mut sum = Array::zeros(self.sums[0].raw_dim());
            let mut count = 0;
            for (group, (part, n)) in self.sums.iter().zip(&self.counts).enumerate() {
                if Some(group) != left_out {
                    sum += part;
                    count += n;
                }
            }
            sum / count as f64
        }

        /// Numbers of the mean, with their standard errors by leaving out each group
        /// in turn; None where the mean has no such numbers.
        pub fn estimates<const N: usize>(
            &self,
            of: &impl Fn(&Array<f64, D>) -> Option<[f64; N]>,
        ) -> Option<[Estimate; N]> {
            let values = of(&self.mean())?;
            let g = self.sums.len();
            let left: Option<Vec<_>> = match g {
                1 => None,
                _ => (0..g).map(|group| of(&self.without(Some(group)))).collect(),
            };
            Some(std::array::from_fn(|i| {
                let se = left.as_ref().map(|left| {
                    let mean = left.iter().map(|l| l[i]).sum::<f64>() / g as f64;
                    let squares: f64 = left.iter().map(|l| (l[i] - mean).powi(2)).sum();
                    ((g - 1) as f64 / g as f64 * squares).sqrt()
                });
                Estimate { value: values[i], se }
            }))
        }
    }
}
