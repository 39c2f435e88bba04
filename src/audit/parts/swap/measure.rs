//! Images with the phases of one and the amplitudes of another: which of the two
//! does the network see?
//!
//! # Conventions
//! - Pixels, each channel by itself, before normalisation: x̂(k) = |b̂(k)| e^{i arg â(k)}
//!   of the phase donor a and the amplitude donor b, by the unitary DFT. The phase
//!   of a zero is 0.
//! - Frequencies that are their own conjugate (the mean, and half the sampling rate
//!   along an axis) are real: their phase is a sign. The mean of pixels is not
//!   negative, so the brightness of each channel is the amplitude donor's.
//! - What leaves [0, 1] is clipped before normalisation, unless told otherwise; the
//!   share of such values is stated.
//! - Every image is the phase donor once; the amplitude donor is drawn evenly from
//!   the images of all other classes.

use ndarray::{Array3, ArrayView3, Zip};
use rand::Rng;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::audit::{Rate, Reference};
use crate::seed;
use crate::spectrum::{irfft2, rfft2};

/// How pairs are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Seed of the amplitude donors.
    pub seed: u64,
    /// Whether mixed pixels are clipped to [0, 1].
    pub clamp: bool,
}

impl Default for Options {
    /// Seed 0; clipped.
    fn default() -> Self {
        Self { seed: 0, clamp: true }
    }
}

/// The image `[C, H, W]` with the phases of one and the amplitudes of the other.
///
/// # Panics
/// If the two are not of the same shape.
pub fn mixed(phase: ArrayView3<f64>, amplitude: ArrayView3<f64>) -> Array3<f64> {
    assert_eq!(phase.dim(), amplitude.dim(), "images of one shape");
    let mut image = Array3::zeros(phase.dim());
    for ((mut out, a), b) in image.outer_iter_mut().zip(phase.outer_iter()).zip(amplitude.outer_iter()) {
        let (mut spectrum, other) = (rfft2(a), rfft2(b));
        Zip::from(&mut spectrum).and(&other).for_each(|a, b| {
            let norm = a.norm();
            *a = if norm > 0.0 { *a * (b.norm() / norm) } else { Complex::from(b.norm()) };
        });
        out.assign(&irfft2(spectrum.view(), a.ncols()));
    }
    image
}

/// For each image one of another class, drawn evenly from all of them; none where
/// there is but one class.
pub fn partners(classes: &[u32], seed: u64) -> Option<Vec<usize>> {
    let mut by_class: Vec<usize> = (0..classes.len()).collect();
    by_class.sort_by_key(|&i| classes[i]);
    let first = |class: u32| by_class.partition_point(|&i| classes[i] < class);
    let partner = |(i, &class): (usize, &u32)| {
        let (start, end) = (first(class), by_class.partition_point(|&i| classes[i] <= class));
        let others = classes.len() - (end - start);
        if others == 0 {
            return None;
        }
        let drawn = seed::rng(seed, "audit/swap", i as u64).random_range(0..others);
        Some(by_class[if drawn < start { drawn } else { drawn + end - start }])
    };
    classes.iter().enumerate().map(partner).collect()
}

/// As what mixed images are classified.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// As the phase donor's class.
    pub phase: Rate,
    /// As the amplitude donor's class.
    pub amplitude: Rate,
    /// As another class.
    pub other: Rate,
    /// Phase-versus-amplitude bias: of those classified as one of the donors'
    /// classes, the share of the phase donor's. None where there are none.
    pub bias: Option<Rate>,
}

impl Shares {
    /// Of counted answers.
    pub fn new(phase: u64, amplitude: u64, other: u64) -> Self {
        let all = phase + amplitude + other;
        Self {
            phase: Rate::new(phase, all),
            amplitude: Rate::new(amplitude, all),
            other: Rate::new(other, all),
            bias: (phase + amplitude > 0).then(|| Rate::new(phase, phase + amplitude)),
        }
    }
}

/// Phase- versus amplitude-swapped accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swap {
    /// What the donors' classes are: labels, or the network's own answers to the
    /// unmixed images.
    pub reference: Reference,
    /// Seed of the amplitude donors.
    pub seed: u64,
    /// Whether mixed pixels were clipped to [0, 1].
    pub clamp: bool,
    /// Share of values that left [0, 1] (and were clipped, unless told otherwise).
    pub outside: f64,
    /// Over all pairs, one for each image.
    pub all: Shares,
    /// Over the pairs of which the network classifies both donors rightly as they
    /// are; none where there is no such pair.
    pub known: Option<Shares>,
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use ndarray::parallel::prelude::*;
    use ndarray::{Array4, Axis};
    use tch::Tensor;

    use super::*;
    use crate::audit::clean::{Clean, chunks, decided, in_range, pixels, shown};
    use crate::audit::filter::outside;
    use crate::audit::subject::Subject;
    use crate::error::Result;
    use crate::model::convert;
    use crate::progress::Progress;

    /// Shows `subject` every image's phases with the amplitudes of another class.
    ///
    /// # Errors
    /// [`crate::Error::Lacking`] where all images are of one class (without labels: get
    /// the same answer), and for pixels outside [0, 1] where results are to be clipped;
    /// [`crate::Error::Device`].
    pub fn measure(subject: &Subject, clean: &Clean, options: &Options) -> Result<Swap> {
        let Some(partners) = partners(&clean.classes, options.seed) else {
            return Err(clean.one_class());
        };
        let (mut all, mut known, mut clipped) = ([0u64; 3], [0u64; 3], 0);
        let progress = Progress::new("phases and amplitudes", subject.len() as u64);
        for rows in chunks(subject) {
            let phases = pixels(subject, &rows)?;
            let index: Vec<i64> = rows.clone().map(|row| partners[row] as i64).collect();
            let index = Tensor::f_from_slice(&index)?.f_to_device(subject.pixels.device())?;
            let amplitudes = convert::array(&subject.pixels.f_index_select(0, &index)?)?;
            let amplitudes: Array4<f64> = amplitudes.into_dimensionality().expect("images have four axes");
            if options.clamp {
                in_range(&phases)?;
                in_range(&amplitudes)?;
            }
            let mut images = Array4::zeros(phases.dim());
            images
                .axis_iter_mut(Axis(0))
                .into_par_iter()
                .zip(phases.axis_iter(Axis(0)))
                .zip(amplitudes.axis_iter(Axis(0)))
                .for_each(|((mut out, a), b)| out.assign(&mixed(a, b)));
            clipped += outside(&mut images, options.clamp);
            let answers = decided(&subject.logits(&shown(subject, &images)?)?)?;
            let right = |row: usize| clean.predictions[row] == clean.classes[row];
            for (row, answer) in rows.clone().zip(answers) {
                let (a, b) = (clean.classes[row], clean.classes[partners[row]]);
                let seen = if answer == a {
                    0
                } else if answer == b {
                    1
                } else {
                    2
                };
                all[seen] += 1;
                known[seen] += u64::from(right(row) && right(partners[row]));
            }
            progress.inc(rows.len() as u64);
        }
        let shares = |[phase, amplitude, other]: [u64; 3]| Shares::new(phase, amplitude, other);
        Ok(Swap {
            reference: clean.reference,
            seed: options.seed,
            clamp: options.clamp,
            outside: clipped as f64 / subject.pixels.numel() as f64,
            all: shares(all),
            known: (known.iter().sum::<u64>() > 0).then(|| shares(known)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use ndarray::{Array, Dimension, array};
    use proptest::prelude::*;
    use rand::Rng;

    fn noise(shape: (usize, usize, usize), seed: u64) -> Array3<f64> {
        let mut rng = crate::seed::rng(seed, "swap test", 0);
        Array3::from_shape_simple_fn(shape, || rng.random::<f64>())
    }

    fn far<D: Dimension>(a: &Array<f64, D>, b: &Array<f64, D>) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn two_by_two_by_hand() {
        // Spectra (sum, columns, rows, both)/2: 7.5 -2.5 -4.5 1.5 and 3 1 1 1. All four
        // are their own conjugates: the phases are signs, + - - +.
        let (a, b) = (array![[[1.0, 2.0], [4.0, 8.0]]], array![[[3.0, 1.0], [1.0, 1.0]]]);
        assert!(far(&mixed(a.view(), b.view()), &array![[[1.0, 1.0], [1.0, 3.0]]]) < 1e-14);
        // All signs of b are +: the amplitudes 7.5 2.5 4.5 1.5.
        assert!(far(&mixed(b.view(), a.view()), &array![[[8.0, 4.0], [2.0, 1.0]]]) < 1e-14);
        // A zero has phase 0.
        let flat = array![[[1.0, 1.0], [1.0, 1.0]]];
        assert!(far(&mixed(flat.view(), a.view()), &array![[[8.0, 4.0], [2.0, 1.0]]]) < 1e-14);
    }

    #[test]
    fn partners_are_of_other_classes_and_evenly_drawn() {
        let classes = [3, 0, 3, 0, 0, 7, 3];
        let mut seen = vec![HashSet::new(); classes.len()];
        for seed in 0..200 {
            let partners = partners(&classes, seed).unwrap();
            assert_eq!(super::partners(&classes, seed).unwrap(), partners);
            for (i, &p) in partners.iter().enumerate() {
                assert_ne!(classes[i], classes[p]);
                seen[i].insert(p);
            }
        }
        for (i, seen) in seen.iter().enumerate() {
            assert_eq!(seen.len(), classes.iter().filter(|c| **c != classes[i]).count(), "image {i}");
        }
        assert_eq!((partners(&[4, 4, 4], 0), partners(&[4, 5], 9)), (None, Some(vec![1, 0])));
    }

    #[test]
    fn answers_for_neither_do_not_count_for_the_bias() {
        let shares = Shares::new(3, 1, 6);
        assert_eq!((shares.phase.share, shares.amplitude.share, shares.other.share), (0.3, 0.1, 0.6));
        assert_eq!(shares.bias.unwrap().share, 0.75);
        assert_eq!(Shares::new(0, 0, 2).bias, None);
    }

    proptest! {
        #[test]
        fn phases_are_of_one_and_amplitudes_of_the_other(
            c in 1usize..4, h in 1usize..10, w in 1usize..10, seed in any::<u64>(),
        ) {
            let (a, b) = (noise((c, h, w), seed), noise((c, h, w), seed ^ 1));
            let image = mixed(a.view(), b.view());
            for ((x, a), b) in image.outer_iter().zip(a.outer_iter()).zip(b.outer_iter()) {
                for ((x, a), b) in rfft2(x).iter().zip(&rfft2(a)).zip(&rfft2(b)) {
                    prop_assert!((x.norm() - b.norm()).abs() < 1e-12);
                    // arg x = arg a: x ā is real and not negative.
                    let turned = x * a.conj();
                    prop_assert!((turned.re - turned.norm()).abs() < 1e-12 && turned.im.abs() < 1e-12);
                }
                prop_assert!((x.sum() - b.sum()).abs() < 1e-11);
            }
            prop_assert!(far(&mixed(a.view(), a.view()), &a) < 1e-13);
        }
    }

    #[cfg(feature = "torch")]
    mod networks {
        use super::*;
        use crate::audit::subject::Subject;
        use crate::audit::{Clean, testing};
        use crate::error::Result;

        fn measure(subject: &Subject, options: &Options) -> Result<Swap> {
            super::super::measure(subject, &Clean::new(subject)?, options)
        }

        #[test]
        fn what_looks_at_phases_follows_phases() {
            let subject = testing::waves(24, true);
            let swap = measure(&subject, &Options::default()).unwrap();
            assert_eq!((swap.reference, swap.outside), (Reference::Labels, 0.0));
            assert_eq!((swap.all.phase.count, swap.all.amplitude.count, swap.all.other.of), (24, 0, 24));
            assert_eq!((swap.all.bias.unwrap().share, swap.known), (1.0, Some(swap.all)));
            // Without labels its own answers are the classes: the same ones.
            let own = measure(&testing::waves(24, false), &Options::default()).unwrap();
            assert_eq!(own, Swap { reference: Reference::Predictions, ..swap });
        }

        #[test]
        fn what_looks_at_brightness_follows_amplitudes() {
            let subject = testing::bright(20, [0.4, 0.6]);
            let swap = measure(&subject, &Options { seed: 5, clamp: true }).unwrap();
            assert_eq!((swap.all.phase.count, swap.all.amplitude.count), (0, 20));
            assert_eq!(swap.all.bias.unwrap().share, 0.0);
        }

        #[test]
        fn clipping_is_counted_and_only_done_where_asked_for() {
            // Black and white dots: mixtures leave [0, 1].
            let subject = testing::random(30, 3);
            let clipped = measure(&subject, &Options::default()).unwrap();
            let free = measure(&subject, &Options { seed: 0, clamp: false }).unwrap();
            assert!(clipped.outside > 0.01 && clipped.outside == free.outside);
            assert_eq!(clipped.all.phase.of, 30);
            let again = measure(&subject, &Options::default()).unwrap();
            assert_eq!(again, clipped);
        }

        #[test]
        fn one_class_has_no_partner() {
            let mut subject = testing::waves(6, true);
            subject.labels = Some(vec![1; 6]);
            let text = measure(&subject, &Options::default()).unwrap_err().to_string();
            assert!(text.contains("two classes, found class 1 only"), "{text}");
            subject.labels = Some(vec![2; 6]);
            let text = measure(&subject, &Options::default()).unwrap_err().to_string();
            assert!(text.contains("2 outputs, found class 2"), "{text}");
        }
    }
}
