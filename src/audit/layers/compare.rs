//! Two networks layer by layer, and many along a run.

use serde::{Deserialize, Serialize};

use super::kernels::{Sums, named};
use super::{Layer, Layers, Quantity, Spectrum, for_chunks};
use crate::error::shown;
use crate::error::{Error, Result};
use crate::spectrum::Grid;
use crate::weights::{NamedTensor, StateDict};

/// Two networks, a and b.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Layers of one name and shape, in the order of a.
    pub changes: Vec<Change>,
    /// Layers of one name, but of different shapes.
    pub misshapen: Vec<Misshapen>,
    /// Layers that only a has.
    pub only_a: Vec<String>,
    /// Layers that only b has.
    pub only_b: Vec<String>,
}

/// A layer in two networks. Differences are b − a; None where either has no spectrum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Name of its weights.
    pub name: String,
    /// `[O, I, r, s]`.
    pub shape: [usize; 4],
    /// ‖W_b − W_a‖ / ‖W_a‖; None without weights, and where W_a is zero.
    pub relative: Option<f64>,
    /// Difference of [`Spectrum::centroid`], cycles per pixel.
    pub centroid: Option<f64>,
    /// Difference of [`Spectrum::anisotropy`].
    pub anisotropy: Option<f64>,
    /// Difference of [`Spectrum::kernel_anisotropy`].
    pub kernel_anisotropy: Option<f64>,
    /// Difference of [`Spectrum::dominant_share`].
    pub dominant_share: Option<f64>,
    /// Difference of [`Spectrum::participation`].
    pub participation: Option<f64>,
    /// Total variation distance of the energies, each divided by its sum: ½ Σ |b − a|
    /// over the full plane. The share of energy that is elsewhere, 0 to 1.
    pub distance: Option<f64>,
    /// Mean squared norm of the kernels of W_b − W_a; None without weights.
    pub difference_energy: Option<f64>,
    /// The spectrum of W_b − W_a: at which frequencies the weights have changed. None
    /// without weights, for kernels of one weight, and where nothing has changed.
    pub difference: Option<Spectrum>,
}

/// A layer whose name has different shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misshapen {
    /// Name of its weights.
    pub name: String,
    /// Shape in a.
    pub a: [usize; 4],
    /// Shape in b.
    pub b: [usize; 4],
}

impl Change {
    /// Difference of one of the numbers.
    pub fn get(&self, quantity: Quantity) -> Option<f64> {
        match quantity {
            Quantity::Centroid => self.centroid,
            Quantity::Anisotropy => self.anisotropy,
            Quantity::KernelAnisotropy => self.kernel_anisotropy,
            Quantity::DominantShare => self.dominant_share,
            Quantity::Participation => self.participation,
        }
    }
}

/// Compares two networks, and where `weights` are given the weights that their layers
/// were measured on.
///
/// # Errors
/// [`Error::Input`] for tables on different grids (see [`super::grid`]), where no layer
/// of a is one of b, and for weights that are not those of the tables.
pub fn compare(a: &Layers, b: &Layers, weights: Option<(&StateDict, &StateDict)>) -> Result<Comparison> {
    if a.grid != b.grid {
        let text = |[h, w]: [usize; 2]| format!("{h}x{w}");
        let expected = format!("layers on one grid, {}", text(a.grid));
        return Err(Error::input("comparison", expected, text(b.grid)));
    }
    let of = |layers: &Layers, name: &str| layers.layers.iter().position(|l| l.name == name);
    let mut comparison =
        Comparison { changes: Vec::new(), misshapen: Vec::new(), only_a: Vec::new(), only_b: Vec::new() };
    for first in &a.layers {
        match of(b, &first.name).map(|at| &b.layers[at]) {
            None => comparison.only_a.push(first.name.clone()),
            Some(second) if second.shape != first.shape => {
                let name = first.name.clone();
                comparison.misshapen.push(Misshapen { name, a: first.shape, b: second.shape });
            }
            Some(second) => comparison.changes.push(change(first, second, a.grid, weights)?),
        }
    }
    let only = b.layers.iter().filter(|l| of(a, &l.name).is_none());
    comparison.only_b = only.map(|l| l.name.clone()).collect();
    if comparison.changes.is_empty() {
        return Err(apart(a, b));
    }
    Ok(comparison)
}

pub(super) fn apart(a: &Layers, b: &Layers) -> Error {
    let first = |layers: &Layers| {
        const SHOWN: usize = 3;
        if layers.layers.is_empty() {
            return "no convolution".to_owned();
        }
        let names = layers.layers.iter().take(SHOWN).map(|l| format!("{} {:?}", shown(&l.name), l.shape));
        let more = if layers.layers.len() > SHOWN { ", …" } else { "" };
        names.collect::<Vec<_>>().join(", ") + more
    };
    let found = format!("none: one has {}, the other {}", first(a), first(b));
    Error::input("comparison", "a convolution of the same name and shape in both networks", found)
}

fn change(
    a: &Layer,
    b: &Layer,
    grid: [usize; 2],
    weights: Option<(&StateDict, &StateDict)>,
) -> Result<Change> {
    let both = a.spectrum.as_ref().zip(b.spectrum.as_ref());
    let difference_of = |quantity| both.map(|(a, b)| b.get(quantity) - a.get(quantity));
    let mut change = Change {
        name: a.name.clone(),
        shape: a.shape,
        relative: None,
        centroid: difference_of(Quantity::Centroid),
        anisotropy: difference_of(Quantity::Anisotropy),
        kernel_anisotropy: difference_of(Quantity::KernelAnisotropy),
        dominant_share: difference_of(Quantity::DominantShare),
        participation: difference_of(Quantity::Participation),
        distance: both.map(|(a, b)| distance(a, b, Grid::new(grid[0], grid[1]))),
        difference_energy: None,
        difference: None,
    };
    if let Some((first, second)) = weights {
        let [first, second] = [find(first, a)?, find(second, b)?];
        let sums = difference(first, second, Grid::new(grid[0], grid[1]))?;
        let energy = sums.energy();
        change.relative = (a.energy > 0.0).then(|| (energy / a.energy).sqrt());
        change.difference_energy = Some(energy);
        let seen = a.shape[2] * a.shape[3] > 1 && energy > 0.0;
        change.difference = seen.then(|| sums.spectrum()).transpose().map_err(named(&a.name))?;
    }
    Ok(change)
}

fn find<'a>(weights: &'a StateDict, layer: &Layer) -> Result<&'a NamedTensor> {
    let tensor = weights.get(&layer.name).filter(|t| t.shape() == layer.shape);
    tensor.ok_or_else(|| {
        let place = format!("tensor {}", shown(&layer.name));
        Error::input(place, format!("weights of shape {:?}, as in the table", layer.shape), "none")
    })
}

fn difference(a: &NamedTensor, b: &NamedTensor, grid: Grid) -> Result<Sums> {
    let [_, _, r, s] = *a.shape() else { unreachable!("layers are 4-D") };
    let mut sums = Sums::new(r, s, grid);
    let (mut at, chunk) = (0, sums.chunk());
    for_chunks(b, chunk, |kernels| {
        let end = at + kernels.len();
        let mut difference = kernels.to_owned();
        difference.iter_mut().zip(a.data().range_f64(at..end)).for_each(|(b, a)| *b -= a);
        at = end;
        sums.add(difference.view())
    })
    .map_err(named(a.name()))?;
    if !sums.energy().is_finite() {
        return Err(named(a.name())(Error::input("", "a finite difference of the weights", sums.energy())));
    }
    Ok(sums)
}

fn distance(a: &Spectrum, b: &Spectrum, grid: Grid) -> f64 {
    let entries = |s: &Spectrum| -> Vec<f64> {
        let weighted = |(c, e): (usize, &f64)| grid.weight(c) * e;
        let all: Vec<f64> = s.energies.iter().flat_map(|row| row.iter().enumerate().map(weighted)).collect();
        let total: f64 = all.iter().sum();
        all.into_iter().map(|e| e / total).collect()
    };
    0.5 * entries(a).iter().zip(entries(b)).map(|(a, b)| (a - b).abs()).sum::<f64>()
}
