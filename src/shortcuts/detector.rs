//! What a detector is: values of every image, of which sums over the classes say all.

use std::sync::Arc;

use rayon::prelude::*;

use super::image::{Image, spectra};
use super::ring::Contrast;
use super::set::Set;
use super::sums::Sums;
use super::{Extreme, Place, energy, extremes, phase, place};
use crate::spectrum::{Frequency, Grid};
use crate::stats::quantile;

/// All of them.
pub(super) const DETECTORS: [Kind; 4] = [energy::KIND, phase::KIND, place::KIND, extremes::KIND];

/// A detector by its name.
pub(super) struct Kind {
    pub name: &'static str,
    /// What it finds.
    pub about: &'static str,
    pub make: fn(&Arc<Context>) -> Box<dyn Detector>,
}

/// Looks at a class against the others, through sums of per-image values alone.
pub(super) trait Detector: Send + Sync {
    /// Number of values of an image.
    fn len(&self) -> usize;

    /// The values of an image.
    fn values(&self, image: &Image, out: &mut [f64]);

    /// The statistic of a class, of those that `total` has, in its alarm levels; of `own` the
    /// squares are not looked at.
    fn ratio(&self, own: &Sums, total: &Sums) -> f64;

    /// The same without the frequencies, the place or the value that it is largest at.
    fn masked(&self, own: &Sums, total: &Sums) -> f64;

    /// What it is that was found in a class, from the sums over every other image of a class,
    /// and the others.
    fn finding(&self, own: &[Sums; 2], total: &[Sums; 2]) -> Finding<'_>;
}

type Score<'a> = Box<dyn Fn(&[f64], usize) -> f64 + Sync + 'a>;

/// Where a cue lies, and a score of how much of it an image has.
pub(super) struct Finding<'a> {
    pub frequencies: Vec<Frequency>,
    pub colour: Option<&'static str>,
    pub place: Option<Place>,
    pub extreme: Option<Extreme>,
    /// Whether scores are from a fit to the other half of the images, in its own unit.
    pub crossed: bool,
    /// Whether a score is 1 or 0.
    pub ties: bool,
    /// From the values of an image and its half.
    pub score: Score<'a>,
}

impl<'a> Finding<'a> {
    pub fn scored(score: impl Fn(&[f64], usize) -> f64 + Sync + 'a) -> Self {
        let score = Box::new(score);
        Self {
            frequencies: Vec::new(),
            colour: None,
            place: None,
            extreme: None,
            crossed: false,
            ties: false,
            score,
        }
    }

    pub fn wave(found: &Wave, score: impl Fn(&[f64], usize) -> f64 + Sync + 'a) -> Self {
        let (frequencies, colour) = (found.frequencies.clone(), Some(found.colour));
        Self { frequencies, colour, ..Self::scored(score) }
    }
}

/// What detectors know of the set.
pub(super) struct Context {
    /// `[c, h, w]`
    pub shape: [usize; 3],
    /// μ `[c, h, w]`, the median over classes of their mean of L.
    pub reference: Vec<f64>,
    /// Cells `[h, w]` among which a frequency is looked for: one of each conjugate pair.
    search: Vec<bool>,
}

/// Images of a class that the reference is taken from, the first.
const FIRST: usize = 600;
/// Cycles per image below which no frequency is looked for.
const LOWEST: f64 = 1.9;
/// Part of the largest contrast that a frequency needs to be named.
const NAMED: f64 = 0.5;
/// Frequencies that are named at most.
const MOST: usize = 5;
const COLOURS: [&str; 3] = ["grey", "red-green", "yellow-blue"];

/// A frequency that stands out.
pub(super) struct Wave {
    /// Index in `[c, h, w]`.
    pub at: usize,
    pub colour: &'static str,
    pub frequencies: Vec<Frequency>,
}

impl Context {
    pub fn new(set: &Set) -> Self {
        let [c, h, w] = set.shape;
        let means: Vec<Vec<f64>> = set
            .members
            .par_iter()
            .map(|members| {
                let first = &members[..members.len().min(FIRST)];
                let mut mean = vec![0.0; c * h * w];
                for &i in first {
                    let (_, log) = spectra(set.bytes(i), set.shape);
                    mean.iter_mut().zip(log).for_each(|(m, l)| *m += l / first.len() as f64);
                }
                mean
            })
            .collect();
        let reference = (0..c * h * w)
            .map(|i| quantile(&means.iter().map(|mean| mean[i]).collect::<Vec<_>>(), 0.5))
            .collect();
        let grid = Grid::new(h, w);
        let mut search = vec![false; h * w];
        for k in grid.frequencies() {
            if f64::from(k.row).hypot(f64::from(k.col)) >= LOWEST {
                let (r, c) = grid.entry(k);
                search[r * w + c] = true;
            }
        }
        Self { shape: set.shape, reference, search }
    }

    fn searched<'a>(&'a self, found: &'a Contrast) -> impl Iterator<Item = usize> + 'a {
        (0..found.t.len()).filter(|&i| self.search[i])
    }

    /// The largest contrast.
    pub fn largest(&self, planes: &[Contrast]) -> f64 {
        planes.iter().flat_map(|plane| self.searched(plane).map(|i| plane.t[i])).fold(0.0, f64::max)
    }

    /// The largest contrast without the frequencies that are named, in all planes.
    pub fn masked(&self, planes: &[Contrast], level: f64) -> f64 {
        let [_, h, w] = self.shape;
        let grid = Grid::new(h, w);
        let found = self.strongest(planes, level);
        let named = |i: usize| found.frequencies.contains(&grid.frequency(i / w, i % w));
        let left = |plane| self.searched(plane).filter(|&i| !named(i)).map(|i| plane.t[i]);
        planes.iter().flat_map(left).fold(0.0, f64::max)
    }

    /// In the plane of the largest contrast, of the frequencies that have at least half of it
    /// the one with the largest difference; it comes first of those that are above `level` too.
    pub fn strongest(&self, planes: &[Contrast], level: f64) -> Wave {
        let [_, h, w] = self.shape;
        let most = |plane: &Contrast| self.searched(plane).map(|i| plane.t[i]).fold(0.0, f64::max);
        let (mut channel, mut largest) = (0, most(&planes[0]));
        for (i, plane) in planes.iter().enumerate().skip(1) {
            if most(plane) > largest {
                (channel, largest) = (i, most(plane));
            }
        }
        let plane = &planes[channel];
        let mut cells: Vec<usize> = self.searched(plane).filter(|&i| plane.t[i] >= NAMED * largest).collect();
        cells.sort_by(|a, b| plane.difference[*b].total_cmp(&plane.difference[*a]));
        let first = cells.first().copied().unwrap_or(0);
        let grid = Grid::new(h, w);
        let named = cells.iter().enumerate().filter(|&(rank, &i)| rank == 0 || plane.t[i] >= level);
        let frequencies = named.take(MOST).map(|(_, &i)| grid.frequency(i / w, i % w)).collect();
        Wave { at: channel * h * w + first, colour: COLOURS[channel], frequencies }
    }
}
