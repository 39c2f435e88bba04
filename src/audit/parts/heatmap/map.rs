//! Fourier heat maps: how wrong a network is when images are disturbed by one
//! frequency at a time (Yin, Gontijo Lopes, Shlens, Cubuk & Gilmer, "A Fourier
//! Perspective on Model Robustness in Computer Vision", NeurIPS 2019, section 2).
//!
//! # Conventions
//! - An image p becomes p + r·ε·U_k in every channel, cut to [0, 1]; only then is
//!   it normalised. Pixels are in single precision throughout.
//! - U_k is the cosine of frequency k with unit norm over the plane ([`basis`]).
//!   The paper leaves its phase open; of a frequency and its conjugate it is the
//!   same, so that half of the plane is computed and the other half mirrored.
//! - r is +1 or −1 for each image and channel, drawn from
//!   `rng(seed, "heatmap/sign", i)` with the place i of k in [`Grid::frequencies`],
//!   images outermost: a frequency has the same signs in every window and order.
//! - ε is the norm of the disturbance of each channel, in pixels of [0, 1].
//! - Error: the share of images that are not answered by their label or, without
//!   labels, whose answer is not the one to the undisturbed image.
//! - Distance: ‖z(disturbed) − z(p)‖₂ of the logits z, averaged over images.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;

use ndarray::Array2;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::store;
use crate::audit::Rate;
use crate::error::{Error, Result};
use crate::seed;
use crate::spectrum::{Frequency, Grid};
use crate::stats::wilson;

/// What a heat map is to show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Norm ε of the disturbance of each channel, pixels being in [0, 1].
    pub epsilon: f64,
    /// Of the signs, and of the frequencies that are drawn.
    pub seed: u64,
    /// Frequencies up to this many cycles per image in each direction; None for
    /// all of them. Never that of half the sampling rate, as in the paper: of 32
    /// pixels −15 to 15.
    pub reach: Option<usize>,
    /// So many of the frequencies are drawn: a ring each in turn, as long as there
    /// are some in it, so that all radii are seen. None for all of them.
    pub quick: Option<usize>,
}

/// Images with a shorter side are disturbed as those of CIFAR-10.
const SMALL: usize = 64;

impl Options {
    /// Those of the paper: ε = 4 and all frequencies for CIFAR-10 (32×32), ε = 15.7
    /// and the 63×63 lowest frequencies for ImageNet (224×224). Images of other
    /// sizes get the same mean square per pixel: ε = 4·√(hw)/32 where a side is
    /// shorter than 64, else 15.7·√(hw)/224 and the 63×63 lowest.
    pub fn usual(h: usize, w: usize, seed: u64) -> Self {
        let side = ((h * w) as f64).sqrt();
        let (epsilon, reach) =
            if h.min(w) < SMALL { (4.0 * side / 32.0, None) } else { (15.7 * side / 224.0, Some(31)) };
        Self { epsilon, seed, reach, quick: None }
    }

    /// Largest frequencies of the window, along rows and columns.
    pub(super) fn reach(&self, grid: Grid) -> [usize; 2] {
        [grid.h, grid.w].map(|n| (n.max(1) - 1) / 2).map(|most| self.reach.map_or(most, |r| r.min(most)))
    }

    /// The frequencies to compute, with their place in [`Grid::frequencies`], and
    /// how many distinct ones are in the window.
    pub(super) fn frequencies(&self, grid: Grid) -> (Vec<(u64, Frequency)>, usize) {
        let [rows, cols] = self.reach(grid);
        let within = |k: &Frequency| k.row.unsigned_abs() as usize <= rows && k.col as usize <= cols;
        let all = grid.frequencies().into_iter().enumerate().map(|(i, k)| (i as u64, k));
        let window: Vec<_> = all.filter(|(_, k)| within(k)).collect();
        let count = window.len();
        match self.quick {
            Some(wanted) if wanted < count => (self.draw(grid, &window, wanted), count),
            _ => (window, count),
        }
    }

    fn draw(&self, grid: Grid, window: &[(u64, Frequency)], wanted: usize) -> Vec<(u64, Frequency)> {
        let mut rings = BTreeMap::<usize, Vec<_>>::new();
        for &(i, k) in window {
            rings.entry(ring(grid, k)).or_default().push((i, k));
        }
        let mut rings: Vec<_> = rings.into_iter().collect();
        for (ring, members) in &mut rings {
            members.shuffle(&mut seed::rng(self.seed, "heatmap/quick", *ring as u64));
        }
        let mut drawn = Vec::with_capacity(wanted);
        while drawn.len() < wanted {
            rings.retain(|(_, members)| !members.is_empty());
            let (open, left) = (rings.len(), wanted - drawn.len());
            let turn = open.min(left);
            // Where not all rings get one more, those at even distances.
            let chosen = (0..turn).map(|j| (2 * j + 1) * open / (2 * turn));
            for ring in chosen.collect::<Vec<_>>() {
                drawn.extend(rings[ring].1.pop());
            }
        }
        drawn.sort_unstable();
        drawn
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(Error::input("heat map, epsilon", "a positive number", self.epsilon));
        }
        if self.quick == Some(0) {
            return Err(Error::input("heat map, quick", "at least one frequency", 0));
        }
        Ok(())
    }
}

/// Ring of a frequency: its radius in cycles per longer side, rounded, as in
/// [`crate::spectrum::Energies::radial_profile`].
pub(super) fn ring(grid: Grid, k: Frequency) -> usize {
    (grid.radius(k) * grid.h.max(grid.w) as f64).round() as usize
}

/// A part of the frequencies: of those in the window, in the order of
/// [`Grid::frequencies`], every `of`-th one from number `index` on. Written `i/N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Number of the part, from 1.
    pub index: usize,
    /// Parts there are.
    pub of: usize,
}

impl Shard {
    /// Part `index`, counted from 1, of `of`.
    ///
    /// # Errors
    /// [`Error::Input`] for a part that is not there.
    pub fn new(index: usize, of: usize) -> Result<Self> {
        if (1..=of).contains(&index) {
            return Ok(Self { index, of });
        }
        let expected = "i/N with a part i from 1 to N, such as 1/4";
        Err(Error::input("shard", expected, format_args!("{index}/{of}")))
    }

    pub(super) fn part<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.index - 1).step_by(self.of).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let expected = "i/N with a part i from 1 to N, such as 1/4";
        let (index, of) = numbers.ok_or_else(|| Error::input("shard", expected, format_args!("`{text}`")))?;
        Self::new(index, of)
    }
}

/// A Fourier heat map, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// `[c, h, w]` of the images.
    pub shape: [usize; 3],
    /// How it was made.
    pub options: Options,
    /// Images that were disturbed.
    pub images: usize,
    /// Whether errors are those against labels; else they are changes of the answer.
    pub labelled: bool,
    /// Largest frequencies along rows and columns: the map has 2r + 1 of each.
    pub reach: [usize; 2],
    /// Distinct frequencies in the window, a frequency and its conjugate being one.
    pub frequencies: usize,
    /// How many of them were drawn; None where all were to be computed.
    pub sampled: Option<usize>,
    /// Which part it is; None for the whole.
    pub shard: Option<Shard>,
    /// Errors on undisturbed images; None without labels.
    pub clean: Option<Rate>,
    /// What was computed, in the order of [`Grid::frequencies`].
    pub entries: Vec<Entry>,
    /// The same by radius, without rings in which nothing was computed.
    pub radial: Vec<Ring>,
}

/// One frequency, and its conjugate (−row, −col).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Cycles per image height.
    pub row: i32,
    /// Cycles per image width, not negative.
    pub col: i32,
    /// Errors, or changes of the answer, with Wilson's interval.
    pub error: Rate,
    /// Mean L2 distance of the logits to those of the undisturbed image.
    pub distance: f64,
    /// Standard error of that mean; None of a single image.
    pub distance_se: Option<f64>,
}

/// Frequencies of about one radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ring {
    /// Radial frequency at the middle of the ring in cycles per pixel; rings are
    /// 1/max(h, w) wide, so that they have integer radius in cycles per image.
    pub radius: f64,
    /// Distinct frequencies of the window in it.
    pub of: usize,
    /// Those that were computed.
    pub frequencies: usize,
    /// Mean share of errors over these.
    pub error: f64,
    /// 95 % interval of that mean over draws of images: Wilson's, of as many images
    /// as there are. All frequencies disturb the same images; were the errors of an
    /// image the same at all of them, the interval would be exact; it is too wide
    /// otherwise. What drawing frequencies adds is in `spread`.
    pub interval: [f64; 2],
    /// Standard deviation of the share over the frequencies of the ring; None of one.
    pub spread: Option<f64>,
    /// Mean distance of the logits.
    pub distance: f64,
}

impl HeatMap {
    /// Share of errors `[2r + 1, 2s + 1]` for drawing: frequency zero in the middle,
    /// rows downwards; conjugates mirrored; NaN where nothing was computed.
    pub fn grid(&self) -> Array2<f64> {
        self.mirrored(|e| e.error.share)
    }

    /// [`HeatMap::grid`] of the distances of the logits.
    pub fn distances(&self) -> Array2<f64> {
        self.mirrored(|e| e.distance)
    }

    fn mirrored(&self, of: impl Fn(&Entry) -> f64) -> Array2<f64> {
        let [rows, cols] = self.reach;
        let mut plane = Array2::from_elem((2 * rows + 1, 2 * cols + 1), f64::NAN);
        for entry in &self.entries {
            let (middle, value) = ((rows as i32, cols as i32), of(entry));
            for sign in [1, -1] {
                let (row, col) = (middle.0 + sign * entry.row, middle.1 + sign * entry.col);
                plane[[row as usize, col as usize]] = value;
            }
        }
        plane
    }

    pub(super) fn new(about: &store::About, entries: Vec<Entry>) -> Self {
        let store::About { shape, images, options, shard, clean, fingerprint, .. } = about;
        let grid = Grid::new(shape[1], shape[2]);
        let (computed, frequencies) = options.frequencies(grid);
        Self {
            shape: *shape,
            options: options.clone(),
            images: *images,
            labelled: fingerprint.labels.is_some(),
            reach: options.reach(grid),
            frequencies,
            sampled: (computed.len() < frequencies).then_some(computed.len()),
            shard: *shard,
            clean: *clean,
            radial: radial(grid, options, &entries, *images),
            entries,
        }
    }
}

fn radial(grid: Grid, options: &Options, entries: &[Entry], images: usize) -> Vec<Ring> {
    let (window, _) = Options { quick: None, ..options.clone() }.frequencies(grid);
    let mut rings = BTreeMap::<usize, (usize, Vec<&Entry>)>::new();
    for (_, k) in window {
        rings.entry(ring(grid, k)).or_default().0 += 1;
    }
    for entry in entries {
        let k = Frequency { row: entry.row, col: entry.col };
        rings.entry(ring(grid, k)).or_default().1.push(entry);
    }
    let side = grid.h.max(grid.w) as f64;
    let computed = rings.into_iter().filter(|(_, (_, members))| !members.is_empty());
    computed
        .map(|(ring, (of, members))| {
            let shares: Vec<f64> = members.iter().map(|e| e.error.share).collect();
            let distances: Vec<f64> = members.iter().map(|e| e.distance).collect();
            let (error, deviation) = mean(&shares);
            Ring {
                radius: ring as f64 / side,
                of,
                frequencies: members.len(),
                error,
                interval: wilson(error, images as f64),
                spread: deviation,
                distance: mean(&distances).0,
            }
        })
        .collect()
}

/// Mean and standard deviation (divisor: one less than the number; None of one).
pub(super) fn mean(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// The plane U_k `[h, w]` of unit norm: √(2/hw)·cos(2π(row·y/h + col·x/w)), and
/// 1/√(hw) times the cosine where k is its own conjugate (frequency zero, and half
/// the sampling rate of both axes).
pub fn basis(grid: Grid, k: Frequency) -> Array2<f64> {
    let (h, w) = (grid.h as i64, grid.w as i64);
    let own = (2 * i64::from(k.row)) % h == 0 && (2 * i64::from(k.col)) % w == 0;
    let scale = ((if own { 1.0 } else { 2.0 }) / (h * w) as f64).sqrt();
    Array2::from_shape_fn((grid.h, grid.w), |(y, x)| {
        // Whole turns are left out before anything is rounded.
        let turns = (i64::from(k.row) * y as i64 * w + i64::from(k.col) * x as i64 * h).rem_euclid(h * w);
        scale * (TAU * turns as f64 / (h * w) as f64).cos()
    })
}
