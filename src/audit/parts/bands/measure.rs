//! Accuracy with some frequencies only: low-pass, high-pass and band-pass curves.
//!
//! # Conventions
//! - Filters act on the pixels, each channel by itself, before normalisation; they
//!   are hard (ideal) masks of the unitary DFT by radius, in cycles per pixel
//!   ([`Grid::radius`]: 0 to √½).
//! - Every filter keeps the mean of each channel (k = 0), so that the brightness
//!   stays. Beside it, low-pass keeps radii ≤ r, high-pass radii > r, and the ring
//!   between two radii of the grid those in (r, r′]. Low-pass and high-pass of the
//!   same r add up to the image and its means.
//! - What leaves [0, 1] is clipped before normalisation, unless told otherwise; the
//!   share of such values is stated. Hard masks ring: they do clip.
//! - A filter that takes nothing away leaves the image as it is, bit for bit.
//! - Beside them, low- and high-frequency accuracy as Gavrikov & Keuper ("Can Biases in ImageNet Models
//!   Explain Generalization?", CVPR 2024) and their code have them: rows −r to r − 1 and columns −s to s − 1 of the
//!   spectrum pass, r and s being a cutoff times half the height and width, rounded down; high-pass with the
//!   cutoff c is what the square of 1 − c does not pass, the mean included. Of the result the real part, clipped
//!   to [0, 1] as above. Accuracies are divided by that on whole images.

use serde::{Deserialize, Serialize};

use crate::audit::Rate;
use crate::audit::filter::Mask;
use crate::error::{Error, Result};
use crate::spectrum::Grid;

/// The largest radius there is, √½ cycles per pixel: that of the checkerboard.
pub const LARGEST: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Radii that differ by less are the same.
const SLACK: f64 = 1e-9;

/// How curves are measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Radii in cycles per pixel, rising, from 0 to √½.
    pub radii: Vec<f64>,
    /// Whether filtered pixels are clipped to [0, 1].
    pub clamp: bool,
    /// Whether there are square filters, too.
    pub squares: bool,
}

impl Default for Options {
    /// 0 to √½ in 12 steps; clipped; with square filters.
    fn default() -> Self {
        Self { radii: radii(12), clamp: true, squares: true }
    }
}

/// 0 to √½ in `steps` equal steps.
pub fn radii(steps: usize) -> Vec<f64> {
    (0..=steps).map(|i| LARGEST * i as f64 / steps.max(1) as f64).collect()
}

/// Radii for images of h×w in `steps` steps. Natural images have their energy at few
/// cycles per image, which is a small part of the plane of large ones: where the shorter
/// side is beyond 64 pixels, 0 and equal factors from 2 cycles per shorter side to √½.
pub fn usual(h: usize, w: usize, steps: usize) -> Vec<f64> {
    const SMALL: usize = 64;
    let side = h.min(w);
    if side <= SMALL || steps < 2 {
        return radii(steps);
    }
    let first = 2.0 / side as f64;
    let radius = |i: usize| LARGEST * (first / LARGEST).powf((steps - i) as f64 / (steps - 1) as f64);
    std::iter::once(0.0).chain((1..=steps).map(radius)).collect()
}

/// The mean, and radii in (`above`, `upto`].
pub fn ring(grid: Grid, above: f64, upto: f64) -> Mask {
    Mask::new(grid, |k| {
        let radius = grid.radius(k);
        (k.row == 0 && k.col == 0) || (radius > above + SLACK && radius <= upto + SLACK)
    })
}

/// One filter of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Radii above this pass, in cycles per pixel.
    pub above: f64,
    /// Radii up to this pass, in cycles per pixel.
    pub upto: f64,
    /// Share of the entries of the full plane that pass, the mean's among them.
    pub frequencies: f64,
    /// Share of the images' energy beside their means that passes; 0 of none.
    pub energy: f64,
    /// Share of values that left [0, 1] and were clipped (counted even where they
    /// were not).
    pub outside: f64,
    /// Images that are classified rightly, where labels are.
    pub accuracy: Option<Rate>,
    /// Images that are classified as they are without a filter.
    pub agreement: Rate,
}

/// Low-pass or high-pass filters of rising radius, or rings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The filters.
    pub points: Vec<Point>,
    /// r50: the radius at which the accuracy first is half-way between chance and
    /// that without a filter, interpolated linearly between two points. None where
    /// the curve does not get there, and of rings.
    pub half_accuracy: Option<f64>,
    /// The same for the agreement, half-way between chance and 1.
    pub half_agreement: Option<f64>,
}

/// Cutoffs of the square low-pass and the square high-pass.
pub const CUTOFFS: [[f64; 4]; 2] = [[0.1, 0.2, 0.3, 0.5], [0.5, 0.7, 0.8, 0.9]];

/// A square filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Square {
    /// Whether it passes high frequencies.
    pub high: bool,
    /// Its cutoff: 1 is half a cycle per pixel along rows and columns.
    pub cutoff: f64,
    /// Images that are classified rightly, where labels are.
    pub accuracy: Option<Rate>,
    /// Images that are classified as they are without a filter.
    pub agreement: Rate,
}

/// Weights of a square filter on the half plane: what the real part of the result has.
pub fn square(grid: Grid, cutoff: f64, high: bool) -> ndarray::Array2<f64> {
    let Grid { h, w } = grid;
    // As a share of the middle, by the arithmetic of the published code.
    let cutoff = if high { 1.0 - cutoff } else { cutoff };
    let reach = |n: usize| (cutoff * (n / 2) as f64) as i64;
    let signed = |k: usize, n: usize| if k < n.div_ceil(2) { k as i64 } else { k as i64 - n as i64 };
    let inside = |k: usize, n: usize| (-reach(n)..reach(n)).contains(&signed(k % n, n));
    let passes = |r: usize, c: usize| f64::from(u8::from((inside(r, h) && inside(c, w)) != high));
    ndarray::Array2::from_shape_fn(grid.half_shape(), |(r, c)| {
        // A frequency and its conjugate may differ: the real part has their mean.
        (passes(r, c) + passes(h - r, w - c)) / 2.0
    })
}

/// The three curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bands {
    /// Number of images.
    pub images: u64,
    /// 1/K of K outputs, the chance that the half-way points start from.
    pub chance: f64,
    /// Whether filtered pixels were clipped to [0, 1].
    pub clamp: bool,
    /// Accuracy without a filter, where labels are.
    pub accuracy: Option<Rate>,
    /// What passes is r or less.
    pub low: Curve,
    /// What passes is above r.
    pub high: Curve,
    /// What passes is between two radii that follow each other.
    pub bands: Curve,
    /// Square filters of the [`CUTOFFS`].
    #[serde(default)]
    pub squares: Vec<Square>,
}

impl Bands {
    /// Accuracy with a square filter, over that on whole images.
    pub fn relative(&self, square: &Square) -> Option<f64> {
        let whole = self.accuracy.filter(|rate| rate.count > 0)?;
        Some(square.accuracy?.share / whole.share)
    }
}

impl Options {
    /// Passes over the images, about: filters that are alike, and those that pass everything, take none.
    pub fn passes(&self) -> usize {
        let steps = self.radii.len().saturating_sub(1);
        (3 * steps).saturating_sub(3).max(1) + if self.squares { CUTOFFS.as_flattened().len() } else { 0 }
    }

    /// Whether they can be measured.
    ///
    /// # Errors
    /// [`Error::Input`] unless two radii or more rise within 0 to √½.
    pub fn check(&self) -> Result<()> {
        let inside = self.radii.iter().all(|r| (0.0..=LARGEST + SLACK).contains(r));
        if !inside || self.radii.len() < 2 || self.radii.windows(2).any(|w| w[0] >= w[1]) {
            let expected = "at least two rising radii from 0 to 0.7071 cycles per pixel";
            return Err(Error::input("radii", expected, format_args!("{:?}", self.radii)));
        }
        Ok(())
    }
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use super::*;
    use crate::audit::clean::{Clean, chunks, decided, in_range, pixels, shown};
    use crate::audit::filter::{Spectra, outside};
    use crate::audit::subject::Subject;
    use crate::progress::Progress;
    use crate::stats::crossing;

    /// (above, upto) of the filters of low-pass, high-pass and rings.
    fn filters(radii: &[f64]) -> [Vec<(f64, f64)>; 3] {
        [
            radii.iter().map(|&r| (0.0, r)).collect(),
            radii.iter().map(|&r| (r, LARGEST)).collect(),
            radii.windows(2).map(|w| (w[0], w[1])).collect(),
        ]
    }

    /// The half-way points of a curve.
    fn halves(
        points: &[Point],
        radii: &[f64],
        clean: Option<Rate>,
        chance: f64,
        rising: bool,
    ) -> [Option<f64>; 2] {
        let half = |shares: Vec<f64>, full: f64| {
            let level = (chance + full) / 2.0;
            (full > chance).then(|| crossing(radii, &shares, level, rising)).flatten()
        };
        let accuracies: Option<Vec<f64>> = points.iter().map(|p| p.accuracy.map(|rate| rate.share)).collect();
        let accuracy = clean.zip(accuracies).and_then(|(clean, shares)| half(shares, clean.share));
        [accuracy, half(points.iter().map(|p| p.agreement.share).collect(), 1.0)]
    }

    /// What is counted of one filter.
    #[derive(Clone, Default)]
    struct Count {
        right: u64,
        same: u64,
        outside: u64,
        energy: f64,
    }

    /// Curves of `subject`: one pass over the images for each filter that differs from the others, about
    /// three for each radius of the grid.
    ///
    /// # Errors
    /// [`Error::Input`] for radii that do not rise within 0 to √½; [`Error::Lacking`] for
    /// pixels outside [0, 1] where results are to be clipped; [`Error::Device`].
    pub fn measure(subject: &Subject, clean: &Clean, options: &Options) -> Result<Bands> {
        options.check()?;
        let [channels, h, w] = subject.net.shape();
        let grid = Grid::new(h, w);
        let filters = filters(&options.radii);
        let masks: Vec<Mask> = filters.iter().flatten().map(|&(a, b)| ring(grid, a, b)).collect();
        let all = Mask::new(grid, |_| true);
        let mut counts = vec![Count::default(); masks.len()];
        // The mean alone is the lowest low-pass and the highest high-pass; the outer rings are curves' ends.
        let same: Vec<usize> = masks.iter().filter_map(|mask| masks.iter().position(|m| m == mask)).collect();
        let squares = [false, true].into_iter().zip(CUTOFFS).filter(|_| options.squares);
        let squares: Vec<(bool, f64)> = squares.flat_map(|(high, all)| all.map(|c| (high, c))).collect();
        let weights: Vec<_> = squares.iter().map(|&(high, cutoff)| square(grid, cutoff, high)).collect();
        let mut square_counts = vec![Count::default(); squares.len()];
        let mut total = 0.0;
        let filters_in_all = same.iter().enumerate().filter(|(i, first)| i == *first).count() + squares.len();
        let progress =
            Progress::new("band curves", (filters_in_all * subject.len()) as u64);
        for rows in chunks(subject) {
            let images = pixels(subject, &rows)?;
            if options.clamp {
                in_range(&images)?;
            }
            let spectra = Spectra::new(images.view());
            total += spectra.energy(&all);
            for (i, mask) in masks.iter().enumerate() {
                if same[i] < i {
                    continue;
                }
                let answers = if mask.passes_all() {
                    clean.predictions[rows.clone()].to_vec()
                } else {
                    let mut images = spectra.filtered(mask);
                    counts[i].outside += outside(&mut images, options.clamp);
                    decided(&subject.logits(&shown(subject, &images)?)?)?
                };
                let count = &mut counts[i];
                count.energy += spectra.energy(mask);
                for (row, answer) in rows.clone().zip(answers) {
                    count.right += u64::from(answer == clean.classes[row]);
                    count.same += u64::from(answer == clean.predictions[row]);
                }
                progress.inc(rows.len() as u64);
            }
            for (weights, count) in weights.iter().zip(&mut square_counts) {
                let mut images = spectra.weighted(weights.view());
                outside(&mut images, options.clamp);
                let answers = decided(&subject.logits(&shown(subject, &images)?)?)?;
                for (row, answer) in rows.clone().zip(answers) {
                    count.right += u64::from(answer == clean.classes[row]);
                    count.same += u64::from(answer == clean.predictions[row]);
                }
                progress.inc(rows.len() as u64);
            }
        }
        counts = same.iter().map(|&first| counts[first].clone()).collect();
        let n = subject.len() as u64;
        let values = (n as usize * channels * h * w) as f64;
        let labelled = clean.labelled();
        let rate = |count: u64| labelled.then(|| Rate::new(count, n));
        let mut points =
            filters.iter().flatten().zip(&masks).zip(&counts).map(|((&(above, upto), mask), count)| Point {
                above,
                upto,
                frequencies: mask.entries() as f64 / (h * w) as f64,
                energy: if total > 0.0 { count.energy / total } else { 0.0 },
                outside: count.outside as f64 / values,
                accuracy: rate(count.right),
                agreement: Rate::new(count.same, n),
            });
        let [low, high, bands] =
            filters.each_ref().map(|f| points.by_ref().take(f.len()).collect::<Vec<_>>());
        let right = clean.predictions.iter().zip(&clean.classes).filter(|(a, b)| a == b).count();
        let (accuracy, chance) = (rate(right as u64), 1.0 / clean.outputs as f64);
        let curve = |points: Vec<Point>, rising: bool| {
            let [half_accuracy, half_agreement] = halves(&points, &options.radii, accuracy, chance, rising);
            Curve { points, half_accuracy, half_agreement }
        };
        Ok(Bands {
            images: n,
            chance,
            clamp: options.clamp,
            accuracy,
            low: curve(low, true),
            high: curve(high, false),
            bands: Curve { points: bands, half_accuracy: None, half_agreement: None },
            squares: squares
                .into_iter()
                .zip(&square_counts)
                .map(|((high, cutoff), count)| Square {
                    high,
                    cutoff,
                    accuracy: rate(count.right),
                    agreement: Rate::new(count.same, n),
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_by_hand() {
        // Radii of a 4×4 grid: 0, ¼ (row or column 1), √2/4, ½ (2), √5/4, √½.
        let grid = Grid::new(4, 4);
        assert_eq!(
            [0.0, 0.25, 0.36, 0.5, 0.6, LARGEST].map(|r| ring(grid, 0.0, r).entries()),
            [1, 5, 9, 11, 15, 16]
        );
        assert_eq!([0.0, 0.25, LARGEST].map(|r| ring(grid, r, LARGEST).entries()), [16, 12, 1]);
        assert_eq!(ring(grid, 0.25, 0.5).entries(), 1 + 4 + 2);
        assert!(ring(grid, 0.0, LARGEST).passes_all());
        // Odd sizes have no checkerboard; nothing is lost.
        assert!(ring(Grid::new(5, 7), 0.0, *radii(12).last().unwrap()).passes_all());
    }

    #[test]
    fn squares_by_hand() {
        // 8 rows, 6 columns, cutoff 0.5: rows −2 to 1, columns −1 to 0.
        let low = square(Grid::new(8, 6), 0.5, false);
        assert_eq!(low.dim(), (8, 4));
        // (0, 0) and (±1, 0) pass with their conjugates; (2, 0) with −2 alone; column 1 with −1 alone.
        assert_eq!(low.column(0).to_vec(), [1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.5, 1.0]);
        assert_eq!(low.column(1).to_vec(), [0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5]);
        assert!(low.column(2).iter().chain(low.column(3)).all(|w| *w == 0.0));
        assert_eq!(square(Grid::new(8, 6), 0.5, true), low.mapv(|w| 1.0 - w));
        assert!(square(Grid::new(8, 6), 1.0, false)[[4, 3]] == 1.0);
    }

    #[test]
    fn radii_that_do_not_rise_are_refused() {
        assert_eq!((radii(2), radii(12).len()), (vec![0.0, LARGEST / 2.0, LARGEST], 13));
        assert_eq!(usual(32, 64, 12), radii(12));
        let large = usual(224, 300, 12);
        assert_eq!((large.len(), large[0], large[12]), (13, 0.0, LARGEST));
        assert!((large[1] - 2.0 / 224.0).abs() < 1e-15);
        let factor = large[2] / large[1];
        assert!(large[1..].windows(2).all(|r| (r[1] / r[0] - factor).abs() < 1e-12));
        for radii in [
            vec![],
            vec![0.1],
            vec![0.2, 0.1],
            vec![0.1, 0.1],
            vec![0.0, 0.8],
            vec![-0.1, 0.5],
            vec![f64::NAN, 0.1],
        ] {
            let text = Options { radii, ..Options::default() }.check().unwrap_err().to_string();
            assert!(text.starts_with("radii: expected at least two rising radii"), "{text}");
        }
    }

    #[cfg(feature = "torch")]
    mod networks {
        use super::*;
        use crate::audit::subject::Subject;
        use crate::audit::{Clean, testing};

        fn measure(subject: &Subject, options: &Options) -> Result<Bands> {
            super::super::measure(subject, &Clean::new(subject)?, options)
        }

        fn shares(curve: &Curve) -> Vec<f64> {
            curve.points.iter().map(|p| p.accuracy.unwrap().share).collect()
        }

        #[test]
        fn a_network_of_one_frequency_is_right_where_it_passes() {
            // Radius of the frequency: the seventh of the thirteen.
            let bands = measure(&testing::waves(20, true), &Options::default()).unwrap();
            assert_eq!((bands.images, bands.chance, bands.accuracy), (20, 0.5, Some(Rate::new(20, 20))));
            let expected = |passes: &dyn Fn(usize) -> bool, count: usize| -> Vec<f64> {
                (0..count).map(|i| if passes(i) { 1.0 } else { 0.5 }).collect()
            };
            assert_eq!(shares(&bands.low), expected(&|i| i >= 6, 13));
            assert_eq!(shares(&bands.high), expected(&|i| i < 6, 13));
            assert_eq!(shares(&bands.bands), expected(&|i| i == 5, 12));
            // Half-way between ½ and 1, half-way between the sixth and the seventh.
            let half = LARGEST * 5.5 / 12.0;
            for r50 in [&bands.low, &bands.high].map(|c| [c.half_accuracy, c.half_agreement]).concat() {
                assert!((r50.unwrap() - half).abs() < 1e-12);
            }
            assert_eq!((bands.bands.half_accuracy, bands.bands.half_agreement), (None, None));
            for (low, high) in bands.low.points.iter().zip(&bands.high.points) {
                assert_eq!((low.upto, low.above, high.upto), (high.above, 0.0, LARGEST));
                assert!((low.energy + high.energy - 1.0).abs() < 1e-12);
                assert!((low.frequencies + high.frequencies - 1.0 - 1.0 / 96.0).abs() < 1e-12);
                assert_eq!((low.outside, high.outside), (0.0, 0.0));
            }
            assert_eq!((bands.low.points[0].energy, bands.low.points[12].energy), (0.0, 1.0));
        }

        #[test]
        fn without_labels_answers_are_held_against_themselves() {
            let labelled = measure(&testing::waves(20, true), &Options::default()).unwrap();
            let bands = measure(&testing::waves(20, false), &Options::default()).unwrap();
            assert_eq!((bands.accuracy, bands.low.half_accuracy), (None, None));
            assert_eq!(bands.low.half_agreement, labelled.low.half_agreement);
            for (a, b) in bands.low.points.iter().zip(&labelled.low.points) {
                assert_eq!((a.accuracy, a.agreement), (None, b.agreement));
            }
        }

        #[test]
        fn full_radius_is_the_plain_accuracy_and_clipping_is_counted() {
            let subject = testing::random(40, 4);
            let clipped = measure(&subject, &Options::default()).unwrap();
            let free = measure(&subject, &Options { clamp: false, ..Options::default() }).unwrap();
            for bands in [&clipped, &free] {
                for full in [&bands.low.points[12], &bands.high.points[0]] {
                    assert_eq!(
                        (full.accuracy, full.agreement, full.outside),
                        (bands.accuracy, Rate::new(40, 40), 0.0)
                    );
                }
            }
            // Hard masks ring about dots; brightness alone does not.
            assert_eq!(clipped.low.points[0].outside, 0.0);
            assert!(clipped.low.points[6].outside > 0.01);
            assert_eq!(clipped.low.points[6].outside, free.low.points[6].outside);
            let text = serde_json::to_string(&clipped).unwrap();
            assert_eq!(serde_json::from_str::<Bands>(&text).unwrap(), clipped);
        }

        #[test]
        fn pixels_that_clipping_would_change_are_refused() {
            let mut subject = testing::waves(4, true);
            subject.pixels = subject.pixels.f_mul_scalar(3.0).unwrap();
            let text = measure(&subject, &Options::default()).unwrap_err().to_string();
            assert!(text.contains("pixels in [0, 1], or no clipping"), "{text}");
            assert!(measure(&subject, &Options { clamp: false, ..Options::default() }).is_ok());
            subject.pixels = subject.pixels.narrow(0, 0, 0);
            let text = measure(&subject, &Options::default()).unwrap_err().to_string();
            assert!(text.contains("at least one image"), "{text}");
        }
    }
}
