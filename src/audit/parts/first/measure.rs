//! The first layer against the energy profile of Chowers & Weiss, "What do CNNs Learn
//! in the First Layer and Why? A Linear Systems Perspective", ICML 2023
//! (arXiv 2206.02454).
//!
//! - Components u_i: eigenvectors of Σ p pᵀ over image patches p (definition 2.1) of the
//!   first layer's kernel size, all channels at once, as the network sees them
//!   (normalised). The mean patch is subtracted, as the paper's appendix A takes it to
//!   be zero and its code does.
//! - Energy of the patches: λ_i² = mean (pᵀu_i)² (definition 4.1), descending.
//! - Energy profile of K filters w: e_i² = (1/K) Σ (wᵀu_i)² (definition 2.2); shown over its
//!   largest entry.
//! - Prediction (theorem 4.2, equation 3) for a linear network with one hidden
//!   convolution, averaged over all places, after t steps η of gradient descent from
//!   small weights: e_i ∝ λ_i |1 − (1 − ηλ_i²)^t| / (ηλ_i²), the loss being such that the
//!   step is ηλ_i². It goes from λ_i to 1/λ_i, which whitens the patches.
//! - Fit: the time at which prediction and profile correlate best (section 5: a constant
//!   step, and a search over t). Small steps only have the time
//!   τ = t·ηλ_1² in units of the first component's: e_i ∝ (1 − exp(−τλ_i²/λ_1²)) / λ_i.

use faer::{Mat, MatRef, Side};
use ndarray::{Array1, Array2, ArrayView2, ArrayView4, Axis, s};
use rand::Rng;
use rand_distr::ChiSquared;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::seed;
use crate::stats::{middle95, pearson};
use crate::theory::moments::add_products;
use crate::weights::{NamedTensor, StateDict};

/// Patches that are enough, for those that do not say.
pub const PATCHES: usize = 100_000;
/// Times in a decade that are tried.
const PER_DECADE: f64 = 40.0;
/// Components with less than this share of λ_1 are not in the patches at all.
const ABSENT: f64 = 1e-6;
const RESAMPLES: usize = 1000;
const DRAWS: usize = 1000;

/// The principal components of image patches.
#[derive(Clone, Debug)]
pub struct Components {
    /// `[c, r, s]` of a patch.
    pub shape: [usize; 3],
    /// Patches that were used.
    pub patches: usize,
    /// Images they could be taken from.
    pub images: usize,
    /// λ_i, descending: the root mean square of a patch along u_i.
    pub lambda: Vec<f64>,
    /// u_i as columns `[c·r·s, c·r·s]`; a patch is flattened as a filter is.
    pub vectors: Array2<f64>,
}

impl Components {
    /// Of patches of r×s (`kernel`) of `images` `[N, c, h, w]` in [0, 1], which the
    /// network sees as (x − `mean`) / `std`, a number each per channel.
    ///
    /// `count` patches at places drawn with `seed`, with replacement; every patch once
    /// where there are no more. They lie inside the images: none sees the padding.
    ///
    /// # Errors
    /// [`Error::Input`] for no image, images smaller than a patch, a normalisation of
    /// another number of channels or that is not finite, `count` 0, and for patches that
    /// are all alike or not finite.
    pub fn new(
        images: ArrayView4<f32>,
        (mean, std): (&[f64], &[f64]),
        [r, s]: [usize; 2],
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        let (n, c, h, w) = images.dim();
        let place = "first layer";
        if n == 0 || count == 0 || r > h || s > w || c * r * s == 0 {
            let expected = format!("images of at least {r}x{s} to take patches from");
            return Err(Error::input(
                place,
                expected,
                format!("{count} patches of {n} images of {c}x{h}x{w}"),
            ));
        }
        let usual = |v: &[f64]| v.len() == c && v.iter().all(|v| v.is_finite());
        if !usual(mean) || !usual(std) || std.contains(&0.0) {
            let expected = format!("a finite mean and a standard deviation for each of {c} channels");
            return Err(Error::input(place, expected, format!("{mean:?} and {std:?}")));
        }
        let (rows, cols) = (h - r + 1, w - s + 1);
        let places = n * rows * cols;
        let mut rng = seed::rng(seed, "audit/patches", 0);
        let at: Vec<usize> = if places <= count {
            (0..places).collect()
        } else {
            (0..count).map(|_| rng.random_range(0..places)).collect()
        };
        let p = c * r * s;
        let (mut products, mut sum) = (Array2::<f64>::zeros((p, p)), Array1::<f64>::zeros(p));
        for block in at.chunks(1 << 12) {
            let mut patches = Array2::<f64>::zeros((block.len(), p));
            patches.axis_iter_mut(Axis(0)).into_par_iter().zip(block).for_each(|(mut out, &at)| {
                let (y, x) = (at / cols % rows, at % cols);
                let patch = images.slice(s![at / cols / rows, .., y..y + r, x..x + s]);
                for (out, ((channel, ..), &v)) in out.iter_mut().zip(patch.indexed_iter()) {
                    *out = (f64::from(v) - mean[channel]) / std[channel];
                }
            });
            sum += &patches.sum_axis(Axis(0));
            let patches = patches.as_slice().expect("standard layout");
            add_products(&mut products, MatRef::from_row_major_slice(patches, block.len(), p));
        }
        let count = at.len() as f64;
        let mean = sum / count;
        let covariance = Mat::from_fn(p, p, |i, j| {
            let product = products[[i.max(j), i.min(j)]];
            product / count - mean[i] * mean[j]
        });
        let failed = |found: String| Error::input(place, "patches of finite numbers that differ", found);
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|e| failed(format!("{e:?}")))?;
        let (u, squares) = (eigen.U(), eigen.S().column_vector());
        // Descending.
        let lambda: Vec<f64> = (0..p).rev().map(|i| squares[i].max(0.0).sqrt()).collect();
        if !(lambda[0].is_finite() && lambda[0] > 0.0) {
            return Err(failed("patches that are all alike, or not finite".to_owned()));
        }
        let vectors = Array2::from_shape_fn((p, p), |(i, j)| u[(i, p - 1 - j)]);
        Ok(Self { shape: [c, r, s], patches: at.len(), images: n, lambda, vectors })
    }
}

/// Energy profile of `filters`, a row each `[K, p]`, along `components`, a column each
/// `[p, m]`: e_i = (Σ (wᵀu_i)²)^½ over the largest of them; zeros for filters of zeros.
///
/// # Panics
/// If filters and components are of different lengths.
pub fn energy_profile(filters: ArrayView2<f64>, components: ArrayView2<f64>) -> Vec<f64> {
    let along = filters.dot(&components);
    by_largest(along.columns().into_iter().map(|c| c.dot(&c).sqrt()).collect())
}

/// The predicted profile of small steps at time τ, in units of the first component's
/// time constant: e_i ∝ (1 − exp(−τλ_i²/λ_1²)) / λ_i, over its largest entry. Components
/// below 1e-6 λ_1 are not in the patches, and have none.
pub fn predicted_profile(lambda: &[f64], tau: f64) -> Vec<f64> {
    let first = lambda.iter().copied().fold(0.0, f64::max);
    let entry = |&l: &f64| {
        if l <= ABSENT * first { 0.0 } else { -(-tau * (l / first).powi(2)).exp_m1() / (l / first) }
    };
    by_largest(lambda.iter().map(entry).collect())
}

fn by_largest(profile: Vec<f64>) -> Vec<f64> {
    let largest = profile.iter().copied().fold(0.0, f64::max);
    profile.into_iter().map(|e| if largest > 0.0 { e / largest } else { 0.0 }).collect()
}

/// A first layer and its prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// `[c, r, s]` of a filter.
    pub shape: [usize; 3],
    /// Number of filters K.
    pub filters: usize,
    /// Patches whose components these are.
    pub patches: usize,
    /// Images they could be taken from.
    pub images: usize,
    /// λ_i of the patches, descending.
    pub lambda: Vec<f64>,
    /// Energy profile of the filters over its largest entry.
    pub measured: Vec<f64>,
    /// The prediction at τ over its largest entry.
    pub predicted: Vec<f64>,
    /// The fitted time, in time constants of the first component.
    pub tau: f64,
    /// Whether it is inside of the times that were tried.
    pub end: End,
    /// Pearson's correlation of measured and predicted profile over the components.
    pub correlation: f64,
    /// Middle 95 % of the correlation over 1,000 bootstraps of the filters, the time fitted
    /// to each. Bootstraps repeat filters, so their profiles are rougher than the
    /// layer's and their correlations lower on the whole. None for fewer than 5 filters.
    pub interval: Option<[f64; 2]>,
    /// Middle 95 % of the correlation of as many filters of independent Gaussian
    /// weights, the time fitted to each: what the fit finds in nothing.
    pub random: [f64; 2],
    /// Whether initial weights were subtracted from the filters.
    pub initial: bool,
}

/// Where the fitted time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Between the earliest and the latest that were tried.
    Inside,
    /// At the earliest: e ∝ λ, nothing is whitened yet.
    Early,
    /// At the latest: e ∝ 1/λ, all components are whitened.
    Late,
}

/// The first convolution of `weights` on images of `channels` channels: the first
/// tensor `[K, channels, r, s]` with kernels of more than one weight.
///
/// # Errors
/// [`Error::Input`] where there is none.
pub fn first_convolution(weights: &StateDict, channels: usize) -> Result<&NamedTensor> {
    let first = |t: &&NamedTensor| matches!(*t.shape(), [k, c, r, s] if k > 0 && c == channels && r * s > 1);
    weights.iter().find(first).ok_or_else(|| {
        let expected = format!("weights [K,{channels},r,s] of a convolution of the images' channels");
        Error::input("first layer", expected, "none")
    })
}

/// Fits the prediction to the filters `[K, c, r, s]` of a first layer, minus its
/// `initial` weights where these are known (which the theorem takes to be small).
///
/// # Errors
/// [`Error::Input`] for filters or initial weights of another shape than the patches,
/// or not finite; fewer than three components; profiles that do not vary, which
/// correlate with nothing.
pub fn fit(
    filters: ArrayView4<f64>,
    initial: Option<ArrayView4<f64>>,
    components: &Components,
    seed: u64,
) -> Result<Profile> {
    let place = "first layer";
    let (k, c, r, s) = filters.dim();
    let wrong = initial.as_ref().filter(|initial| initial.dim() != filters.dim());
    if [c, r, s] != components.shape || k == 0 || wrong.is_some() {
        let [c, r, s] = components.shape;
        let found = wrong.map_or(filters.dim(), ArrayView4::dim);
        return Err(Error::input(
            place,
            format!("filters [K, {c}, {r}, {s}], as the patches"),
            format!("{found:?}"),
        ));
    }
    let difference = match &initial {
        Some(initial) => &filters - initial,
        None => filters.to_owned(),
    };
    let p = c * r * s;
    let weights = difference.to_shape((k, p)).expect("the same number of weights");
    let along = weights.dot(&components.vectors);
    if along.iter().any(|v| !v.is_finite()) {
        return Err(Error::input(place, "finite weights", "others"));
    }
    let measured = energy_profile(weights.view(), components.vectors.view());
    let search = Search::new(&components.lambda)?;
    let Some((at, _)) = search.best(&measured) else {
        return Err(Error::input(
            place,
            "filters whose energy varies over three components at least",
            format!("{p}, alike"),
        ));
    };
    let tau = search.times[at];
    let predicted = predicted_profile(&components.lambda, tau);
    let squares = &along * &along;
    let middle = |correlations: Vec<f64>| middle95(&correlations);
    let resampled = |draw: u64| {
        let mut rng = seed::rng(seed, "audit/profile/bootstrap", draw);
        let mut sum = Array1::<f64>::zeros(p);
        (0..k).for_each(|_| sum += &squares.row(rng.random_range(0..k)));
        search.correlation(&sum.mapv(f64::sqrt).to_vec())
    };
    // K filters of normal weights have independent χ² energies along any components.
    let freedom = ChiSquared::new(k as f64).expect("positive degrees of freedom");
    let random = |draw: u64| {
        let mut rng = seed::rng(seed, "audit/profile/random", draw);
        let energies: Vec<f64> = (0..p).map(|_| rng.sample::<f64, _>(freedom).sqrt()).collect();
        search.correlation(&energies)
    };
    Ok(Profile {
        shape: [c, r, s],
        filters: k,
        patches: components.patches,
        images: components.images,
        lambda: components.lambda.clone(),
        tau,
        end: match at {
            0 => End::Early,
            at if at + 1 == search.times.len() => End::Late,
            _ => End::Inside,
        },
        correlation: pearson(&measured, &predicted),
        interval: (k >= 5).then(|| middle((0..RESAMPLES as u64).into_par_iter().map(resampled).collect())),
        random: middle((0..DRAWS as u64).into_par_iter().map(random).collect()),
        initial: initial.is_some(),
        measured,
        predicted,
    })
}

/// Predictions at many times, to correlate profiles with.
struct Search {
    times: Vec<f64>,
    /// A row each, of mean 0 and norm 1; zeros where it does not vary.
    predictions: Array2<f64>,
}

impl Search {
    fn new(lambda: &[f64]) -> Result<Self> {
        if lambda.len() < 3 {
            let found = lambda.len();
            return Err(Error::input("first layer", "at least three components of the patches", found));
        }
        let first = lambda[0];
        let least = lambda.iter().copied().filter(|l| *l > ABSENT * first).fold(first, f64::min);
        // From where all of it still grows to where the last component has long stopped.
        let (from, to) = (1e-2f64, 10.0 * (first / least).powi(2));
        let steps = (PER_DECADE * (to / from).log10()).ceil() as usize;
        let time = |i: usize| from * (to / from).powf(i as f64 / steps as f64);
        let times: Vec<f64> = (0..=steps).map(time).collect();
        let mut predictions = Array2::zeros((times.len(), lambda.len()));
        for (mut row, &tau) in predictions.rows_mut().into_iter().zip(&times) {
            if let Some(shape) = standardised(&predicted_profile(lambda, tau)) {
                row.assign(&shape);
            }
        }
        Ok(Self { times, predictions })
    }

    /// The time with the highest correlation, and that; None for a profile that does
    /// not vary, and where no prediction does.
    fn best(&self, profile: &[f64]) -> Option<(usize, f64)> {
        let correlations = self.predictions.dot(&standardised(profile)?);
        let varies = self.predictions.rows().into_iter().map(|row| row.iter().any(|v| *v != 0.0));
        let all = correlations.iter().copied().enumerate().zip(varies).filter(|(_, varies)| *varies);
        // The first of equal ones.
        all.map(|(at, _)| at).reduce(|best, at| if at.1 > best.1 { at } else { best })
    }

    /// The highest correlation; NaN where there is none.
    fn correlation(&self, profile: &[f64]) -> f64 {
        self.best(profile).map_or(f64::NAN, |(_, correlation)| correlation)
    }
}

/// Of mean 0 and norm 1; None where all entries are one, up to rounding.
fn standardised(profile: &[f64]) -> Option<Array1<f64>> {
    let values = Array1::from(profile.to_vec());
    let mean = values.mean()?;
    let norm = values.dot(&values).sqrt();
    let centred = values - mean;
    let length = centred.dot(&centred).sqrt();
    (length > 1e-12 * norm).then(|| centred / length)
}

#[cfg(test)]
mod tests;
