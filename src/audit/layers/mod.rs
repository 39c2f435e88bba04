//! The convolutions of a network by their weights alone.
//!
//! Every 4-D tensor `[O, I, r, s]` of floating-point numbers is a convolution of O·I
//! kernels of r×s (I is a group's number of inputs). Their energies are |ŵ(k)|² of
//! each kernel zero-padded to a *common grid*, averaged over the kernels of the layer:
//! 32×32, or as large as the largest kernel. Zero-padding only reads the same
//! continuous spectrum at more frequencies, so layers with kernels of different
//! sizes compare.
//!
//! Numbers of one layer, none of which depends on the scale of its weights:
//! - centroid: energy-weighted mean radial frequency, cycles per pixel;
//! - anisotropy: |Σ e(k) exp(2iθ_k)| / Σ e(k) of the layer's mean energies, DC left
//!   out ([`Energies::anisotropy`](crate::spectrum::Energies::anisotropy)), 0 to 1;
//! - kernel anisotropy: the same of every kernel by itself, averaged with the
//!   kernel's energy without DC as its weight. Filters of all orientations have an
//!   anisotropy of 0 together, yet 1 each;
//! - dominant share: share of the energy on the strongest tenth of the frequencies
//!   (entries of the full plane), 0.1 if all are equal, 1 at most;
//! - participation ratio (Σe)²/Σe² over the full plane.
//!
//! # Against an initialisation
//! Each number stands beside the same number of layers of independent Gaussian
//! weights of the same shape: their mean, standard deviation and middle 95 %. Their
//! variance does not matter, and hardly their distribution: a mean over kernels
//! knows of it by the fourth moment alone. The mean energies of n kernels of p weights
//! are a function of Σ w wᵀ, a Wishart matrix with n degrees of freedom: for n ≥ p it
//! is drawn as RᵀR by Bartlett's decomposition (R upper triangular, R_jj² ~ χ² with
//! n − j degrees of freedom for j = 0, 1, …, the rest standard normal), which is exact
//! and takes p²/2 numbers instead of n·p.
//!
//! The kernel anisotropy alone depends on the distribution of a weight: it is drawn
//! kernel by kernel, with normal weights in one half of the draws and uniform ones, as
//! PyTorch's default, in the other. Where the two lie apart, the interval spans both.
//!
//! One layer in twenty lies outside its interval by chance: with many layers, count.

pub mod chapter;
mod compare;
pub mod comparison;
mod copies;
mod csv;
mod init;
mod kernels;
pub mod series;

use std::collections::HashMap;
use std::fmt;

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use compare::{Change, Comparison, Misshapen, compare};
use kernels::{Sums, named};

pub use series::{Series, Trace, traces};

use crate::error::{Error, Result, shown};
use crate::spectrum::{Frequency, Grid};
use crate::weights::{NamedTensor, StateDict, shape_text};

/// Least side of the common grid.
pub const GRID: usize = 32;
/// Longest side of a kernel; what is larger is no convolution.
pub const LARGEST: usize = 256;
/// Fraction of the frequencies that the dominant share is of.
pub const DOMINANT: f64 = 0.1;

/// How to audit.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Initialisations to draw for each layer; none where it is 0.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// `[h, w]` of the common grid; by default that of [`grid`].
    pub grid: Option<[usize; 2]>,
}

impl Default for Options {
    fn default() -> Self {
        Self { draws: 200, seed: 0, grid: None }
    }
}

/// The convolutions of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layers {
    /// `[h, w]` of the common grid.
    pub grid: [usize; 2],
    /// Initialisations drawn for each layer.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// The layers, in the order of the file.
    pub layers: Vec<Layer>,
    /// Tensors that are no such convolutions, though they might be: of numbers that are no floating-point
    /// ones, copies, kernels over one or three axes.
    pub skipped: Vec<Skipped>,
}

impl Layers {
    /// Those of a network without any, on the grid of `options`.
    pub fn none(options: &Options) -> Self {
        let (layers, skipped) = (Vec::new(), Vec::new());
        Self {
            grid: options.grid.unwrap_or([GRID; 2]),
            draws: options.draws,
            seed: options.seed,
            layers,
            skipped,
        }
    }
}

/// A tensor that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Why.
    pub reason: String,
}

/// A convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of its weights.
    pub name: String,
    /// `[O, I, r, s]`, I being a group's number of inputs.
    pub shape: [usize; 4],
    /// Number of weights.
    pub weights: usize,
    /// Mean squared norm of its kernels of r×s: the sum of the mean energies over the
    /// full plane.
    pub energy: f64,
    /// None for kernels of one weight, which have all frequencies alike, and where
    /// all weights are zero ([`Layer::without`]).
    pub spectrum: Option<Spectrum>,
    /// The same of initialisations; None without draws and without a spectrum.
    pub init: Option<Init>,
}

/// What the mean energies of a layer's kernels say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Mean energies |ŵ(k)|², the half plane of the common grid by rows (unitary DFT,
    /// not doubled; see [`crate::spectrum`]).
    pub energies: Vec<Vec<f64>>,
    /// By radial frequency.
    pub radial: Radial,
    /// Energy-weighted mean radial frequency, cycles per pixel.
    pub centroid: f64,
    /// Of the mean energies, 0 to 1.
    pub anisotropy: f64,
    /// Orientation θ in [0, π) that the anisotropy is along: the direction in which
    /// the pattern varies, from the column axis towards rows downwards.
    pub orientation: f64,
    /// Of the kernels one by one, 0 to 1.
    pub kernel_anisotropy: f64,
    /// Share of the energy on the strongest tenth of the frequencies.
    pub dominant_share: f64,
    /// (Σe)²/Σe² over the full plane.
    pub participation: f64,
    /// The frequency of the largest entry, in cycles per grid ([`crate::spectrum::Energies::dominant`]).
    pub strongest: Frequency,
}

/// A radial profile, a ring around every multiple of 1/max(h, w) cycles per pixel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Radial {
    /// Middle of the ring, cycles per pixel.
    pub radius: Vec<f64>,
    /// Entries of the full plane in it.
    pub entries: Vec<usize>,
    /// Share of the energy in it; sums to 1.
    pub share: Vec<f64>,
    /// Its mean energy over that of the full plane: 1 for a flat spectrum.
    pub density: Vec<f64>,
}

/// Numbers of a layer beside those of initialisations of its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Init {
    /// Of [`Spectrum::centroid`].
    pub centroid: Drawn,
    /// Of [`Spectrum::anisotropy`].
    pub anisotropy: Drawn,
    /// Of [`Spectrum::kernel_anisotropy`], over `kernels` kernels in each draw.
    pub kernel_anisotropy: Drawn,
    /// Of [`Spectrum::dominant_share`].
    pub dominant_share: Drawn,
    /// Of [`Spectrum::participation`].
    pub participation: Drawn,
    /// Of [`Radial::density`], ring by ring.
    pub density: Vec<Drawn>,
    /// Kernels drawn one by one for the kernel anisotropy: where they are fewer than
    /// the layer's, its interval is wider than one of the layer's own size.
    pub kernels: usize,
}

/// A number over the draws, and how the measured one stands to them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// From the 2.5 % to the 97.5 % quantile, between draws by linear interpolation.
    pub interval: [f64; 2],
    /// (measured − mean) / sd; None where all draws are one.
    pub z: Option<f64>,
    /// Whether the measured number is not in the interval.
    pub outside: bool,
}

/// The numbers of a layer, for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// [`Spectrum::centroid`].
    Centroid,
    /// [`Spectrum::anisotropy`].
    Anisotropy,
    /// [`Spectrum::kernel_anisotropy`].
    KernelAnisotropy,
    /// [`Spectrum::dominant_share`].
    DominantShare,
    /// [`Spectrum::participation`].
    Participation,
}

impl Quantity {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Centroid, Self::Anisotropy, Self::KernelAnisotropy, Self::DominantShare, Self::Participation];

    /// Its name in tables ("kernel_anisotropy").
    pub const fn name(self) -> &'static str {
        match self {
            Self::Centroid => "centroid",
            Self::Anisotropy => "anisotropy",
            Self::KernelAnisotropy => "kernel_anisotropy",
            Self::DominantShare => "dominant_share",
            Self::Participation => "participation",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Spectrum {
    /// One of its numbers.
    pub fn get(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Centroid => self.centroid,
            Quantity::Anisotropy => self.anisotropy,
            Quantity::KernelAnisotropy => self.kernel_anisotropy,
            Quantity::DominantShare => self.dominant_share,
            Quantity::Participation => self.participation,
        }
    }
}

impl Init {
    /// The draws of one of the numbers.
    pub fn get(&self, quantity: Quantity) -> &Drawn {
        match quantity {
            Quantity::Centroid => &self.centroid,
            Quantity::Anisotropy => &self.anisotropy,
            Quantity::KernelAnisotropy => &self.kernel_anisotropy,
            Quantity::DominantShare => &self.dominant_share,
            Quantity::Participation => &self.participation,
        }
    }
}

impl Layer {
    /// Why there is no spectrum; None where there is one.
    pub fn without(&self) -> Option<&'static str> {
        match &self.spectrum {
            Some(_) => None,
            None if self.shape[2] * self.shape[3] == 1 => Some("kernels of one weight: flat"),
            None => Some("all weights are zero"),
        }
    }
}

impl Layers {
    /// How many layers lie outside the interval of their initialisations, of how many
    /// that have one. One in twenty would by chance.
    pub fn outside(&self, quantity: Quantity) -> (usize, usize) {
        let compared = self.layers.iter().filter_map(|l| l.init.as_ref());
        compared
            .fold((0, 0), |(outside, all), init| (outside + usize::from(init.get(quantity).outside), all + 1))
    }
}

/// `[h, w]` of the grid on which all convolutions of these networks compare: 32×32, or
/// as large as the largest kernel.
pub fn grid<'a>(networks: impl IntoIterator<Item = &'a StateDict>) -> [usize; 2] {
    let kernels = networks.into_iter().flat_map(|weights| convolutions(weights, &HashMap::new()).0);
    kernels.fold([GRID; 2], |[h, w], tensor| match *tensor.shape() {
        [_, _, r, s] => [h.max(r), w.max(s)],
        _ => [h, w],
    })
}

/// The convolutions among `weights`, which come from `place` (a file): a layer each.
///
/// Weights are brought to double precision a few kernels at a time.
/// ```
/// use domfreq::audit::layers::{Options, audit};
/// use domfreq::weights::{Data, NamedTensor, StateDict};
///
/// let mut weights = StateDict::new();
/// // Kernels of equal weights: a blur, at low frequencies.
/// weights.push(NamedTensor::new("conv.weight", vec![2, 1, 3, 3], Data::F32(vec![1.0; 18]))?)?;
/// let found = audit("here", &weights, &Options::default())?;
/// let (spectrum, init) = (found.layers[0].spectrum.as_ref(), found.layers[0].init.as_ref());
/// assert!(spectrum.unwrap().centroid < init.unwrap().centroid.interval[0]);
/// # Ok::<(), domfreq::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] where there is no convolution, naming what there is; for weights
/// that are not finite, naming the tensor; for a grid that is smaller than a kernel.
pub fn audit(place: impl fmt::Display, weights: &StateDict, options: &Options) -> Result<Layers> {
    let (tensors, skipped) = convolutions(weights, &copies::find(weights));
    if tensors.is_empty() {
        return Err(nothing(place, weights, &skipped));
    }
    let [h, w] = options.grid.unwrap_or_else(|| grid([weights]));
    let layers = tensors.into_par_iter().enumerate();
    let layers: Vec<_> = layers.map(|(place, t)| layer(t, place, Grid::new(h, w), options)).collect();
    // The first error of the file, whichever was met first.
    let layers = layers.into_iter().collect::<Result<_>>()?;
    Ok(Layers { grid: [h, w], draws: options.draws, seed: options.seed, layers, skipped })
}

// Without the `copies` of others.
fn convolutions<'w>(
    weights: &'w StateDict,
    copies: &HashMap<&str, &str>,
) -> (Vec<&'w NamedTensor>, Vec<Skipped>) {
    let (mut tensors, mut skipped) = (Vec::new(), Vec::new());
    for tensor in weights {
        let mut skip = |reason| {
            let (name, shape) = (tensor.name().to_owned(), tensor.shape().to_vec());
            skipped.push(Skipped { name, shape, reason });
        };
        let called_weight = tensor.name().rsplit('.').next() == Some("weight");
        let [o, i, r, s] = match *tensor.shape() {
            [o, i, r, s] if !called_table(tensor.name()) => [o, i, r, s],
            // Other tensors of as many axes are embeddings of places and classes.
            [_, _, _] | [_, _, _, _, _] if called_weight => {
                let axes = tensor.shape().len() - 2;
                skip(format!("kernels over {axes} ax{}, not two", if axes == 1 { "is" } else { "es" }));
                continue;
            }
            _ => continue,
        };
        let dtype = tensor.data().dtype();
        let reason = if !dtype.is_float() {
            format!("numbers of type {dtype}, not floating-point ones")
        } else if o * i * r * s == 0 {
            "no weights".to_owned()
        } else if r.max(s) > LARGEST {
            format!("{r}x{s} is more than a kernel of {LARGEST}x{LARGEST}")
        } else if o * r * s == 1 && i > 1 && called_statistic(tensor.name()) {
            "one number for each channel, not kernels".to_owned()
        } else if let Some(first) = copies.get(tensor.name()) {
            format!("the same weights as {first}")
        } else {
            tensors.push(tensor);
            continue;
        };
        skip(reason);
    }
    (tensors, skipped)
}

// Whether a name is that of distances between the pixels of a window (Swin V2).
fn called_table(name: &str) -> bool {
    name.ends_with("relative_coords_table")
}

// Whether a name is one of those that numbers for each channel have.
fn called_statistic(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    ["mean", "std", "var", "scale", "shift", "offset"].iter().any(|word| last.contains(word))
}

fn nothing(place: impl fmt::Display, weights: &StateDict, skipped: &[Skipped]) -> Error {
    const SHOWN: usize = 8;
    let listed = |tensors: Vec<String>| {
        let more = if tensors.len() > SHOWN { ", …" } else { "" };
        tensors[..tensors.len().min(SHOWN)].join(", ") + more
    };
    let named = |name: &str, shape: &[usize]| format!("{} {}", shown(name), shape_text(shape));
    let found = if weights.is_empty() {
        "no tensor at all".to_owned()
    } else if skipped.is_empty() {
        let all = weights.iter().map(|t| named(t.name(), t.shape())).collect();
        format!("{} tensors, none of them 4-D: {}", weights.len(), listed(all))
    } else {
        let reasons = skipped.iter().map(|s| format!("{} ({})", named(&s.name, &s.shape), s.reason));
        format!(
            "{} tensors, {} of them left out: {}",
            weights.len(),
            skipped.len(),
            listed(reasons.collect())
        )
    };
    Error::input(place, "the weights of a convolution, a 4-D tensor", found)
}

fn layer(tensor: &NamedTensor, place: usize, grid: Grid, options: &Options) -> Result<Layer> {
    let [o, i, r, s] = *tensor.shape() else { unreachable!("convolutions are 4-D") };
    let error = named(tensor.name());
    if r > grid.h || s > grid.w {
        let expected = format!("kernels of at most {}x{}, the grid", grid.h, grid.w);
        return Err(error(Error::input("", expected, format!("{r}x{s}"))));
    }
    let mut sums = Sums::new(r, s, grid);
    for_chunks(tensor, sums.chunk(), |kernels| sums.add(kernels)).map_err(&error)?;
    let energy = sums.energy();
    if !energy.is_finite() {
        return Err(error(Error::input("", "weights with finite squares", energy)));
    }
    let spectrum = (r * s > 1 && energy > 0.0).then(|| sums.spectrum()).transpose().map_err(&error)?;
    let init = match &spectrum {
        Some(spectrum) if options.draws > 0 => {
            Some(init::compared(place, [o * i, r, s], grid, options, spectrum)?)
        }
        _ => None,
    };
    let (name, weights) = (tensor.name().to_owned(), tensor.data().len());
    Ok(Layer { name, shape: [o, i, r, s], weights, energy, spectrum, init })
}

/// Kernels of a 4-D tensor, at most `most` at a time, a row each.
fn for_chunks(
    tensor: &NamedTensor,
    most: usize,
    mut use_kernels: impl FnMut(ArrayView2<f64>) -> Result<()>,
) -> Result<()> {
    let weights = tensor.shape()[2..].iter().product::<usize>();
    let mut at = 0;
    while at < tensor.data().len() {
        let end = (at + most * weights).min(tensor.data().len());
        let values = tensor.data().range_f64(at..end);
        if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
            let found = format!("{} (number {})", values[bad], at + bad);
            return Err(Error::input("", "finite weights", found));
        }
        let kernels = ArrayView2::from_shape((values.len() / weights, weights), &values);
        use_kernels(kernels.expect("whole kernels"))?;
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
