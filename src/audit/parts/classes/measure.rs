//! Which frequencies a network needs for each class, and how far it gets with
//! those alone: dominant-frequency maps.
//!
//! Source: Wang, Veldhuis, Brune & Strisciuglio, "What do neural networks learn in
//! image classification? A frequency shortcut perspective", ICCV 2023.
//!
//! # Conventions
//! - The importance of a frequency for a class is by how much the mean
//!   cross-entropy of the images of that class grows when the frequency is taken
//!   out of all channels of all of them, and nothing else is; a frequency and its
//!   conjugate go together, so that the half plane is enough. One pass over the
//!   images for each of them, and all classes in the same pass.
//! - Frequencies are taken out of what the network sees, as the paper's code does:
//!   of the normalised images, without clipping. Taking the mean out (k = 0) leaves
//!   the grey that normalisation takes to zero, not black.
//! - The dominant-frequency map (DFM) of a class at x % are its most important
//!   frequencies, in falling order, until they hold ⌊x % · HW⌋ entries of the full
//!   plane (at least one); of equally important ones those of smaller radius first.
//! - Images of all classes are then reduced to that map. True positive: the share
//!   of images of the class that are still classified as it. False positive: the
//!   share of all others that now are. Both high: a shortcut.
//! - `patch` = p > 1 takes out p×p frequencies at once and gives all of them the
//!   growth of the patch, as the paper's code does; patches lie mirrored about the
//!   axes, those at the axes and at the edges hold fewer.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::audit::filter::Mask;
use crate::audit::{Rate, Reference};
use crate::error::{Error, Result};
use crate::spectrum::{Frequency, Grid};

/// How maps are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Frequencies along a side of those that are taken out at once; 1 for the
    /// paper's definition.
    pub patch: usize,
    /// Shares of the plane that maps keep.
    pub shares: Vec<f64>,
}

impl Default for Options {
    /// Each frequency by itself; maps of 1, 5 (the paper's), 10 and 20 %.
    fn default() -> Self {
        Self { patch: 1, shares: vec![0.01, 0.05, 0.1, 0.2] }
    }
}

impl Options {
    /// The smallest patches of which images of this size have at most `passes`, the
    /// passes that they take; or one for each sign of the row.
    pub fn with_passes(grid: Grid, passes: usize) -> Self {
        let patches = 1..=grid.h.max(grid.w).max(1);
        let patch = patches.clone().find(|&p| groups(grid, p).len() <= passes).unwrap_or(*patches.end());
        Self { patch, ..Self::default() }
    }

    /// Whether they can be measured.
    ///
    /// # Errors
    /// [`Error::Input`] for a patch of nothing, and shares outside (0, 1].
    pub fn check(&self) -> Result<()> {
        if self.patch == 0 {
            return Err(Error::input("patch", "at least 1 frequency", 0));
        }
        if let Some(share) = self.shares.iter().find(|x| !(**x > 0.0 && **x <= 1.0)) {
            return Err(Error::input("shares of dominant-frequency maps", "numbers in (0, 1]", share));
        }
        Ok(())
    }
}

/// The frequencies that are taken out together, as indices into
/// [`Grid::frequencies`]: patches of `patch`×`patch`.
///
/// # Panics
/// If `patch` is zero.
pub fn groups(grid: Grid, patch: usize) -> Vec<Vec<usize>> {
    let p = patch as u32;
    let mut groups: BTreeMap<(bool, u32, u32), Vec<usize>> = BTreeMap::new();
    for (i, k) in grid.frequencies().into_iter().enumerate() {
        groups.entry((k.row < 0, k.row.unsigned_abs() / p, k.col as u32 / p)).or_default().push(i);
    }
    groups.into_values().collect()
}

/// The dominant-frequency map at `share`, of importances in the order of
/// [`Grid::frequencies`].
pub fn dominant(grid: Grid, importance: &[f64], share: f64) -> Mask {
    let frequencies = grid.frequencies();
    let mut order: Vec<usize> = (0..frequencies.len()).collect();
    order.sort_by(|&a, &b| {
        let radius = |i: usize| grid.radius(frequencies[i]);
        importance[b].total_cmp(&importance[a]).then(radius(a).total_cmp(&radius(b)))
    });
    let wanted = ((share * (grid.h * grid.w) as f64) as usize).max(1);
    let mut held = 0;
    let chosen: HashSet<Frequency> = order
        .into_iter()
        .map(|i| frequencies[i])
        .take_while(|&k| {
            let more = held < wanted;
            held += grid.multiplicity(k);
            more
        })
        .collect();
    Mask::new(grid, |k| chosen.contains(&k))
}

/// What a map does to the answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Positives {
    /// Images of the class that are classified as it.
    pub right: Rate,
    /// Images of other classes that are classified as it.
    pub wrong: Rate,
}

/// A class with the images reduced to its map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduced {
    /// Share of the plane asked for.
    pub share: f64,
    /// Entries of the full plane that the map holds.
    pub entries: u64,
    /// True and false positives.
    pub positives: Positives,
}

/// A class and its frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Which one.
    pub class: u32,
    /// Images of it.
    pub images: u64,
    /// Mean cross-entropy of its images as they are, in nats.
    pub loss: f64,
    /// True and false positives of the images as they are.
    pub positives: Positives,
    /// By how much the loss grows without each frequency, in nats, in the order of
    /// `frequencies`.
    pub importance: Vec<f64>,
    /// With the images reduced to its maps.
    pub reduced: Vec<Reduced>,
}

/// Dominant frequencies of all classes that have images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dominance {
    /// Where the classes are from.
    pub reference: Reference,
    /// Height of the images.
    pub height: usize,
    /// Width of the images.
    pub width: usize,
    /// Frequencies along a side of those taken out at once: 1 unless in a hurry.
    pub patch: usize,
    /// Passes over the images that the importances took, the first of the images as
    /// they are.
    pub passes: u64,
    /// The frequencies, each named once with its conjugate.
    pub frequencies: Vec<Frequency>,
    /// The classes.
    pub classes: Vec<Class>,
}

/// Up to so many frequencies are taken out one by one: a product with a few waves is faster than a
/// transform of the images, with many it is slower.
#[cfg(feature = "torch")]
pub(super) const WAVES: usize = 16;

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use std::f64::consts::TAU;
    use std::ops::Range;

    use ndarray::{Array2, Array4, Axis};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::audit::clean::{Clean, chunks, decided, pixels, shown};
    use crate::audit::filter::Spectra;
    use crate::audit::subject::Subject;
    use crate::model::convert;
    use crate::progress::Progress;

    /// Importances, maps, and what becomes of the answers with the maps alone.
    ///
    /// # Errors
    /// [`Error::Input`] for a patch of nothing and shares that are none;
    /// [`Error::Lacking`] for images of fewer than two classes (without labels:
    /// answers); [`Error::Device`].
    pub fn measure(subject: &Subject, clean: &Clean, options: &Options) -> Result<Dominance> {
        options.check()?;
        let [_, height, width] = subject.net.shape();
        let grid = Grid::new(height, width);
        let mut present = clean.classes.clone();
        present.sort_unstable();
        present.dedup();
        if present.len() < 2 {
            return Err(clean.one_class());
        }
        let groups = groups(grid, options.patch);
        let look = Look { subject, clean, present: &present, grey: grey(subject)? };
        let (losses, without) = look.losses(&groups)?;

        let frequencies = grid.frequencies();
        let mut classes = Vec::new();
        for (c, &class) in present.iter().enumerate() {
            let mut importance = vec![0.0; frequencies.len()];
            for (g, members) in groups.iter().enumerate() {
                members.iter().for_each(|&i| importance[i] = without[[g, c]] - losses[c]);
            }
            let images = clean.classes.iter().filter(|l| **l == class).count() as u64;
            let positives = look.counted(c, &clean.predictions, 0..subject.len()).rates(images, subject);
            classes.push(Class {
                class,
                images,
                loss: losses[c],
                positives,
                importance,
                reduced: Vec::new(),
            });
        }
        look.reduce(&mut classes, grid, &options.shares)?;
        Ok(Dominance {
            reference: clean.reference,
            height,
            width,
            patch: options.patch,
            passes: groups.len() as u64 + 1,
            frequencies,
            classes,
        })
    }

    /// The pixels `[1, c, h, w]` that normalisation takes to zero.
    fn grey(subject: &Subject) -> Result<Array4<f64>> {
        let [c, h, w] = subject.net.shape();
        let black = shown(subject, &Array4::zeros((1, c, h, w)))?;
        let mut grey = convert::array(&subject.normalised(&black)?)?
            .into_dimensionality::<ndarray::Ix4>()
            .expect("images have four axes");
        for (mut plane, scale) in grey.index_axis_mut(Axis(0), 0).outer_iter_mut().zip(subject.scale()) {
            plane.mapv_inplace(|x| -x * scale);
        }
        Ok(grey)
    }

    struct Look<'a> {
        subject: &'a Subject,
        clean: &'a Clean,
        present: &'a [u32],
        grey: Array4<f64>,
    }

    #[derive(Clone, Copy, Default)]
    struct Count {
        right: u64,
        wrong: u64,
    }

    impl Count {
        fn rates(self, images: u64, subject: &Subject) -> Positives {
            let others = subject.len() as u64 - images;
            Positives { right: Rate::new(self.right, images), wrong: Rate::new(self.wrong, others) }
        }
    }

    impl Look<'_> {
        /// Spectra of some images, about the grey.
        fn spectra(&self, rows: &Range<usize>) -> Result<Spectra> {
            Ok(Spectra::new((pixels(self.subject, rows)? - &self.grey).view()))
        }

        /// Adds the cross-entropy of some images to those of their classes.
        fn add(&self, sums: &mut [f64], logits: &Tensor, rows: &Range<usize>) -> Result<()> {
            let labels: Vec<i64> = rows.clone().map(|row| i64::from(self.clean.classes[row])).collect();
            let labels = Tensor::f_from_slice(&labels)?.f_to_device(logits.device())?.f_unsqueeze(1)?;
            let chances = logits.f_log_softmax(1, Kind::Double)?.f_gather(1, &labels, false)?;
            for (row, chance) in rows.clone().zip(convert::matrix(&chances)?.column(0)) {
                let class = self.present.binary_search(&self.clean.classes[row]);
                sums[class.expect("the classes present are those of the images")] -= chance;
            }
            Ok(())
        }

        /// Mean loss of each class: of the images as they are, and without each group.
        fn losses(&self, groups: &[Vec<usize>]) -> Result<(Vec<f64>, Array2<f64>)> {
            let subject = self.subject;
            let [c, h, w] = subject.net.shape();
            let grid = Grid::new(h, w);
            let frequencies = grid.frequencies();
            let mut clean = vec![0.0; self.present.len()];
            let mut without = Array2::zeros((groups.len(), self.present.len()));
            let progress = Progress::new("frequencies taken out", (groups.len() * subject.len()) as u64);
            for rows in chunks(subject) {
                let part = shown(subject, &pixels(subject, &rows)?)?;
                self.add(&mut clean, &subject.logits(&part)?, &rows)?;
                let spectra = self.spectra(&rows)?;
                for (members, mut sums) in groups.iter().zip(without.rows_mut()) {
                    let members: Vec<Frequency> = members.iter().map(|&i| frequencies[i]).collect();
                    let left = if members.len() <= WAVES {
                        let (parts, waves) = component(grid, &spectra, &members, rows.len() * c);
                        let [parts, waves] =
                            [parts, waves].map(|m| convert::tensor(m.view(), part.kind(), part.device()));
                        part.f_sub(&parts?.f_matmul(&waves?)?.f_view_as(&part)?)?
                    } else {
                        let members: HashSet<Frequency> = members.into_iter().collect();
                        let others = Mask::new(grid, |k| !members.contains(&k));
                        shown(subject, &(spectra.filtered(&others) + &self.grey))?
                    };
                    let logits = subject.logits(&left)?;
                    self.add(sums.as_slice_mut().expect("rows are contiguous"), &logits, &rows)?;
                    progress.inc(rows.len() as u64);
                }
            }
            for (c, class) in self.present.iter().enumerate() {
                let images = self.clean.classes.iter().filter(|l| *l == class).count() as f64;
                clean[c] /= images;
                without.column_mut(c).mapv_inplace(|sum| sum / images);
            }
            Ok((clean, without))
        }

        /// Positives of class `c` among answers to the images `rows`.
        fn counted(&self, c: usize, answers: &[u32], rows: Range<usize>) -> Count {
            let class = self.present[c];
            let mut count = Count::default();
            for (row, _) in rows.zip(answers).filter(|(_, answer)| **answer == class) {
                if self.clean.classes[row] == class {
                    count.right += 1;
                } else {
                    count.wrong += 1;
                }
            }
            count
        }

        /// Answers to images that are reduced to the maps.
        fn reduce(&self, classes: &mut [Class], grid: Grid, shares: &[f64]) -> Result<()> {
            let subject = self.subject;
            let maps: Vec<(usize, f64, Mask)> = classes
                .iter()
                .enumerate()
                .flat_map(|(c, class)| {
                    shares.iter().map(move |&x| (c, x, dominant(grid, &class.importance, x)))
                })
                .collect();
            let mut counts = vec![Count::default(); maps.len()];
            let progress = Progress::new("dominant frequencies", (maps.len() * subject.len()) as u64);
            for rows in chunks(subject) {
                let spectra = self.spectra(&rows)?;
                for ((c, _, map), count) in maps.iter().zip(&mut counts) {
                    let images = spectra.filtered(map) + &self.grey;
                    let answers = decided(&subject.logits(&shown(subject, &images)?)?)?;
                    let more = self.counted(*c, &answers, rows.clone());
                    count.right += more.right;
                    count.wrong += more.wrong;
                    progress.inc(rows.len() as u64);
                }
            }
            for ((c, share, map), count) in maps.iter().zip(counts) {
                let positives = count.rates(classes[*c].images, subject);
                let entries = map.entries() as u64;
                classes[*c].reduced.push(Reduced { share: *share, entries, positives });
            }
            Ok(())
        }
    }

    /// What `members` contribute to images, as a product `[planes, 2m]` · `[2m, h·w]`.
    fn component(
        grid: Grid,
        spectra: &Spectra,
        members: &[Frequency],
        planes: usize,
    ) -> (Array2<f64>, Array2<f64>) {
        let Grid { h, w } = grid;
        let mut parts = Array2::zeros((planes, 2 * members.len()));
        let mut waves = Array2::zeros((2 * members.len(), h * w));
        for (m, &k) in members.iter().enumerate() {
            let scale = grid.multiplicity(k) as f64 / ((h * w) as f64).sqrt();
            for (plane, z) in spectra.at(k).iter().enumerate() {
                parts[[plane, 2 * m]] = scale * z.re;
                parts[[plane, 2 * m + 1]] = -scale * z.im;
            }
            let turn = |p: usize| {
                let (row, col) = ((p / w) as i64, (p % w) as i64);
                // Reduced first: the angle is exact for any size.
                let down = (i64::from(k.row) * row).rem_euclid(h as i64) as f64 / h as f64;
                let right = (i64::from(k.col) * col).rem_euclid(w as i64) as f64 / w as f64;
                TAU * (down + right)
            };
            for p in 0..h * w {
                let (sin, cos) = turn(p).sin_cos();
                waves[[2 * m, p]] = cos;
                waves[[2 * m + 1, p]] = sin;
            }
        }
        (parts, waves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn maps_hold_the_most_important_frequencies() {
        // (0,0) (0,1) (0,2) (1,0) (1,1) (1,2) (2,0) (2,1) (2,2) (-1,1)
        let grid = Grid::new(4, 4);
        let importance = [0.5, 0.1, 0.2, -1.0, 0.9, 0.1, 0.0, 0.1, 0.1, 0.3];
        let map = |share: f64| dominant(grid, &importance, share);
        let names = |map: &Mask| -> Vec<Frequency> {
            let frequencies = grid.frequencies().into_iter();
            frequencies
                .filter(|&k| {
                    let (r, c) = grid.entry(k);
                    map.half()[[r, c]]
                })
                .collect()
        };
        let k = |row, col| Frequency { row, col };
        // Of 16 entries: (1,1) counts twice, and so on.
        assert_eq!(names(&map(0.01)), [k(1, 1)]);
        assert_eq!(names(&map(0.125)), [k(1, 1)]);
        assert_eq!(names(&map(3.0 / 16.0)), [k(0, 0), k(1, 1)]);
        assert_eq!(names(&map(4.0 / 16.0)), [k(0, 0), k(1, 1), k(-1, 1)]);
        // (0,1), (1,2), (2,1) and (2,2) are equal: the one of smaller radius.
        assert_eq!(names(&map(7.0 / 16.0)), [k(0, 0), k(0, 1), k(0, 2), k(1, 1), k(-1, 1)]);
        assert!(map(1.0).passes_all());
    }

    #[test]
    fn patches_are_mirrored_about_the_axes() {
        let grid = Grid::new(8, 8);
        let frequencies = grid.frequencies();
        let patches = groups(grid, 2);
        let of = |k: Frequency| {
            let group = patches.iter().find(|g| g.iter().any(|&i| frequencies[i] == k)).unwrap();
            group.iter().map(|&i| (frequencies[i].row, frequencies[i].col)).collect::<Vec<_>>()
        };
        assert_eq!(of(Frequency { row: 0, col: 0 }), [(0, 0), (0, 1), (1, 0), (1, 1)]);
        assert_eq!(of(Frequency { row: 3, col: 2 }), [(2, 2), (2, 3), (3, 2), (3, 3)]);
        assert_eq!(of(Frequency { row: -2, col: 3 }), [(-3, 2), (-3, 3), (-2, 2), (-2, 3)]);
        assert_eq!(of(Frequency { row: -1, col: 1 }), [(-1, 1)]);
    }

    #[test]
    fn a_hurry_makes_patches_no_larger_than_needed() {
        let grid = Grid::new(32, 32);
        for passes in [1, 10, 50, 200, 1000] {
            let patch = Options::with_passes(grid, passes).patch;
            assert!(groups(grid, patch).len() <= passes.max(2), "{passes}");
            assert!(patch == 1 || groups(grid, patch - 1).len() > passes, "{passes}");
        }
        assert_eq!(Options::with_passes(grid, 1000).patch, 1);
    }

    proptest! {
        #[test]
        fn every_frequency_is_in_one_patch(h in 1usize..12, w in 1usize..12, patch in 1usize..6) {
            let grid = Grid::new(h, w);
            let mut all: Vec<usize> = groups(grid, patch).concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..grid.frequencies().len()).collect::<Vec<_>>());
            prop_assert!(groups(grid, patch).iter().all(|g| g.len() <= patch * patch));
        }
    }

    #[cfg(feature = "torch")]
    mod networks {
        use std::f64::consts::TAU;

        use ndarray::{Array4, Ix4};
        use rustfft::num_complex::Complex;
        use tch::{Device, Kind};

        use super::*;
        use crate::audit::Clean;
        use crate::audit::subject::Subject;
        use crate::audit::testing::{self, FREQUENCY, SIZE};
        use crate::model::convert;

        fn measure(subject: &Subject, options: &Options) -> Result<Dominance> {
            super::super::measure(subject, &Clean::new(subject)?, options)
        }

        fn pixels(subject: &Subject) -> Array4<f64> {
            convert::array(&subject.pixels).unwrap().into_dimensionality::<Ix4>().unwrap()
        }

        fn index(result: &Dominance, k: Frequency) -> usize {
            result.frequencies.iter().position(|f| *f == k).unwrap()
        }

        #[test]
        fn a_network_of_one_frequency_needs_that_one() {
            let subject = testing::waves(20, true);
            let options = Options { patch: 1, shares: vec![0.01, 0.3, 1.0] };
            let result = measure(&subject, &options).unwrap();
            let at = index(&result, FREQUENCY);
            let cosine = testing::cosine(FREQUENCY, SIZE);
            // Loss of class 0 is ln(1 + e^(b - z)), of class 1 ln(1 + e^(z - b)).
            let loss = |class: usize, z: f64| if class == 0 { 0.001 - z } else { z - 0.001 }.exp().ln_1p();
            let images = pixels(&subject);
            for (c, class) in result.classes.iter().enumerate() {
                let own = images.outer_iter().enumerate().filter(|(i, _)| i % 2 == c);
                let losses = own.map(|(_, image)| {
                    let z: f64 =
                        image.iter().zip(&cosine).map(|(x, w)| (x - 0.5) / 0.25 * w * 2.0 / 96.0).sum();
                    loss(c, z)
                });
                let mean = losses.sum::<f64>() / 10.0;
                assert!((class.loss - mean).abs() < 1e-12);
                assert!(
                    (class.importance[at] - (loss(c, 0.0) - mean)).abs() < 1e-12
                        && class.importance[at] > 0.3
                );
                for (i, importance) in class.importance.iter().enumerate().filter(|(i, _)| *i != at) {
                    assert!(importance.abs() < 1e-12, "{}: {importance}", result.frequencies[i]);
                }
                assert_eq!((class.class, class.images), (c as u32, 10));
                let all = Positives { right: Rate::new(10, 10), wrong: Rate::new(0, 10) };
                assert_eq!(class.positives, all);
                // With that frequency alone nothing is lost.
                assert_eq!(class.reduced.iter().map(|r| r.entries).collect::<Vec<_>>()[0], 2);
                assert!(class.reduced.iter().all(|r| r.positives == all));
            }
            assert_eq!(result.passes, result.frequencies.len() as u64 + 1);
            let text = serde_json::to_string(&result).unwrap();
            assert_eq!(serde_json::from_str::<Dominance>(&text).unwrap(), result);

            // In patches, all of a patch get what the patch is worth.
            let patches = measure(&subject, &Options { patch: 2, ..options }).unwrap();
            for (class, single) in patches.classes.iter().zip(&result.classes) {
                let high: Vec<Frequency> = (0..class.importance.len())
                    .filter(|&i| class.importance[i] > 0.3)
                    .map(|i| result.frequencies[i])
                    .collect();
                assert_eq!(high.len(), 4);
                assert!(high.iter().all(|k| [-3, -2].contains(&k.row) && [2, 3].contains(&k.col)));
                assert!((class.importance[at] - single.importance[at]).abs() < 1e-12);
            }
        }

        /// x without `k` and its conjugate, from the definition of the transform.
        fn without(x: &Array4<f64>, k: Frequency) -> Array4<f64> {
            let (_, _, h, w) = x.dim();
            let grid = Grid::new(h, w);
            let angle = |r: usize, q: usize, y: usize, x: usize| {
                TAU * ((r * y) as f64 / h as f64 + (q * x) as f64 / w as f64)
            };
            let mut out = x.clone();
            for (r, q) in (0..h).flat_map(|r| (0..w).map(move |q| (r, q))) {
                if grid.frequency(r, q) != k {
                    continue;
                }
                for (mut out, plane) in out.outer_iter_mut().zip(x.outer_iter()) {
                    for (mut out, plane) in out.outer_iter_mut().zip(plane.outer_iter()) {
                        let z: Complex<f64> = plane
                            .indexed_iter()
                            .map(|((y, x), p)| Complex::from_polar(*p, -angle(r, q, y, x)))
                            .sum();
                        for ((y, x), p) in out.indexed_iter_mut() {
                            *p -= (z * Complex::from_polar(1.0 / (h * w) as f64, angle(r, q, y, x))).re;
                        }
                    }
                }
            }
            out
        }

        #[test]
        fn importances_are_those_of_normalised_images_without_the_frequency() {
            let subject = testing::random(12, 3);
            let result = measure(&subject, &Options { patch: 1, shares: vec![0.2] }).unwrap();
            let x = convert::array(&subject.normalised(&subject.pixels).unwrap()).unwrap();
            let x = x.into_dimensionality::<Ix4>().unwrap();
            let losses = |x: &Array4<f64>| -> Vec<f64> {
                let x = convert::tensor(x.view(), Kind::Double, Device::Cpu).unwrap();
                let logits = convert::matrix(&subject.net.forward(&x).unwrap()).unwrap();
                let mut sums = vec![0.0; 3];
                for (i, row) in logits.rows().into_iter().enumerate() {
                    let total: f64 = row.iter().map(|z| z.exp()).sum();
                    sums[i % 3] += (total.ln() - row[i % 3]) / 4.0;
                }
                sums
            };
            let clean = losses(&x);
            let mut apart: f64 = 0.0;
            for (row, col) in [(0, 0), (0, 1), (1, 0), (4, 5), (4, 0), (0, 5), (-3, 2), (3, 2), (1, 5)] {
                let k = Frequency { row, col };
                let naive = losses(&without(&x, k));
                for (c, class) in result.classes.iter().enumerate() {
                    let importance = class.importance[index(&result, k)];
                    assert!((class.loss - clean[c]).abs() < 1e-9);
                    assert!(
                        (importance - (naive[c] - clean[c])).abs() < 1e-9,
                        "{k}, class {c}: {importance}"
                    );
                    apart = apart.max(importance.abs());
                }
            }
            assert!(apart > 1e-4, "the frequencies matter: {apart}");

            // A patch of 30, too many for waves, and one of 12.
            let patches = measure(&subject, &Options { patch: 16, shares: vec![0.2] }).unwrap();
            assert_eq!(patches.passes, 3);
            for upper in [true, false] {
                let members: Vec<_> = patches.frequencies.iter().filter(|k| (k.row < 0) == upper).collect();
                assert_eq!(members.len(), if upper { 12 } else { 30 });
                let naive = losses(&members.iter().fold(x.clone(), |x, &&k| without(&x, k)));
                for (c, class) in patches.classes.iter().enumerate() {
                    let importance = class.importance[index(&patches, *members[0])];
                    assert!((importance - (naive[c] - clean[c])).abs() < 1e-9, "class {c}: {importance}");
                }
            }
        }

        #[test]
        fn what_cannot_be_measured_is_refused() {
            let mut subject = testing::waves(6, true);
            let text =
                |subject: &Subject, options: &Options| measure(subject, options).unwrap_err().to_string();
            assert!(text(&subject, &Options { patch: 0, ..Options::default() }).starts_with("patch:"));
            let none = Options { shares: vec![0.1, 0.0], ..Options::default() };
            assert!(text(&subject, &none).contains("numbers in (0, 1], found 0"));
            subject.labels = Some(vec![0; 6]);
            assert!(text(&subject, &Options::default()).contains("found class 0 only"));
        }
    }
}
