//! Critical band masking (Subramanian et al., "Spatial-frequency channels, shape bias, and adversarial
//! robustness", NeurIPS 2023): how much noise of each octave the answers bear.
//!
//! # Conventions
//! - Images are grey (0.299 R + 0.587 G + 0.114 B, the mean of other channels), of contrast 0.2 about 0.449:
//!   0.449 + 0.2 (x − mean of x), the same in all channels, before normalisation.
//! - Noise is a level of the Laplacian pyramid of white noise with one of the standard deviations
//!   [`LEVELS`](super::channel::LEVELS), brought back to the size of the image and to the root mean square of the highest level. Where image
//!   and noise leave [0, 1], the pixel is 0.1 or 0.9.
//! - Octaves: the highest is called side/2 cycles per image, the others by halves, down to a
//!   pyramid of 2 to 4 pixels, seven at most (at 224×224: 1.75 to 112). The lowest holds all that is below, too.
//! - Every image is shown in every condition, each octave with a noise of its own, scaled to all levels (published: each
//!   image in one condition, chosen at random, 1,050 images).
//! - A Gaussian whose middle is more than an octave outside of all is no channel; as published, it is one.
//! - Neither rounding to bytes nor JPEG, which the published images went through.

use serde::{Deserialize, Serialize};

use super::tuning::Tuning;
use crate::audit::{Rate, Reference};

/// What is left of the contrast.
pub const CONTRAST: f64 = 0.2;
/// The mean of all images.
pub const MEAN: f64 = 0.449;
/// How far from 0 and 1 pixels are put that leave them.
pub const MARGIN: f64 = 0.1;

/// Images as small as this have too few octaves.
pub const SMALLEST: usize = 16;

/// Octaves of images of h×w, and the frequency of the lowest one in cycles per image.
pub fn octaves(h: usize, w: usize) -> (usize, f64) {
    const MOST: u32 = 7;
    let side = h.min(w).max(2);
    let count = side.ilog2().min(MOST);
    (count as usize, side as f64 / 2.0 / f64::from(1u32 << (count - 1)))
}

/// Critical band masking of a network on its own images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Masking {
    /// What answers are held against.
    pub reference: Reference,
    /// `[h, w]` of the images.
    pub size: [usize; 2],
    /// Share of values that left [0, 1] under the strongest noise.
    pub outside: f64,
    /// What noise of each octave does to the answers.
    #[serde(flatten)]
    pub tuning: Tuning,
}

impl Masking {
    /// Of answers that are right or not: `[image][octave][level]`, the first level being the same
    /// for all octaves.
    pub fn new(
        reference: Reference,
        size: [usize; 2],
        outputs: usize,
        outside: f64,
        right: &[Vec<[bool; 5]>],
        seed: u64,
    ) -> Self {
        let (count, first) = octaves(size[0], size[1]);
        let n = right.len() as u64;
        let counted = |rows: &mut dyn Iterator<Item = usize>| {
            let mut counts = vec![[0u64; 5]; count];
            for row in rows {
                for (counts, right) in counts.iter_mut().zip(&right[row]) {
                    counts.iter_mut().zip(right).for_each(|(count, right)| *count += u64::from(*right));
                }
            }
            counts.into_iter().map(|counts| counts.map(|count| Rate::new(count, n))).collect::<Vec<_>>()
        };
        let resampled = |draw| {
            use rand::Rng;
            let mut rng = crate::seed::rng(seed, "audit/masking/bootstrap", draw);
            counted(&mut (0..right.len()).map(|_| rng.random_range(0..right.len())))
        };
        let rates = counted(&mut (0..right.len()));
        let tuning = Tuning::new(n, 1.0 / outputs as f64, first, rates, resampled);
        Self { reference, size, outside, tuning }
    }
}

/// One grey plane in place of channels `[c, h, w]`, of low contrast.
pub fn faint(image: ndarray::ArrayView3<f64>) -> ndarray::Array2<f64> {
    use crate::audit::filter::LUMA;
    let (c, h, w) = image.dim();
    let weight = |channel: usize| if c == 3 { LUMA[channel] } else { 1.0 / c as f64 };
    let mut grey = ndarray::Array2::zeros((h, w));
    for (channel, plane) in image.outer_iter().enumerate() {
        grey.scaled_add(weight(channel), &plane);
    }
    let mean = grey.mean().unwrap_or(0.0);
    grey.mapv(|v| MEAN + CONTRAST * (v - mean))
}

/// `image` with `noise` times `level`; what leaves [0, 1] is put inside, and counted.
pub fn masked(
    image: ndarray::ArrayView2<f64>,
    noise: ndarray::ArrayView2<f64>,
    level: f64,
) -> (ndarray::Array2<f64>, u64) {
    let mut outside = 0;
    let masked = ndarray::Zip::from(image).and(noise).map_collect(|x, n| {
        let value = x + level * n;
        if value < 0.0 {
            outside += 1;
            MARGIN
        } else if value > 1.0 {
            outside += 1;
            1.0 - MARGIN
        } else {
            value
        }
    });
    (masked, outside)
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use ndarray::{Array2, Array4, Axis, parallel::prelude::*};
    use rand_distr::{Distribution, StandardNormal};

    use super::super::channel::LEVELS;
    use super::super::pyramid;
    use super::*;
    use crate::audit::clean::{Clean, chunks, decided, pixels, shown};
    use crate::audit::subject::Subject;
    use crate::error::{Error, Lack, Result};
    use crate::progress::Progress;
    use crate::seed;

    /// Whether images are large enough.
    ///
    /// # Errors
    /// [`Error::Lacking`].
    pub fn check(h: usize, w: usize) -> Result<()> {
        if h.min(w) < SMALLEST {
            let expected = format!("at least {SMALLEST}x{SMALLEST}, for four octaves");
            return Err(Error::lacking(Lack::Size, "images", expected, format_args!("{h}x{w}")));
        }
        Ok(())
    }

    /// Masking of `subject` by its images: four passes over them for each octave.
    ///
    /// # Errors
    /// [`Error::Lacking`] for images that are too small; [`Error::Device`].
    pub fn measure(subject: &Subject, clean: &Clean, seed: u64) -> Result<Masking> {
        let [c, h, w] = subject.net.shape();
        check(h, w)?;
        let (count, _) = octaves(h, w);
        let images = subject.len();
        let mut right = vec![vec![[false; 5]; count]; images];
        let mut outside = 0;
        let progress = Progress::new("noise in octaves", (images * (4 * count + 1)) as u64);
        for rows in chunks(subject) {
            let faint: Vec<Array2<f64>> =
                pixels(subject, &rows)?.axis_iter(Axis(0)).into_par_iter().map(faint).collect();
            let white = |row: usize| {
                let mut rng = seed::rng(seed, "audit/masking/noise", row as u64);
                let octaves = (0..count).map(|octave| {
                    let white = Array2::from_shape_simple_fn((h, w), || StandardNormal.sample(&mut rng));
                    pyramid::noise(white.view(), count, octave)
                });
                octaves.collect::<Vec<Array2<f64>>>()
            };
            let noise: Vec<Vec<Array2<f64>>> = rows.clone().into_par_iter().map(white).collect();
            let answers = |planes: &[Array2<f64>]| -> Result<Vec<u32>> {
                let mut stacked = Array4::zeros((planes.len(), c, h, w));
                stacked.axis_iter_mut(Axis(0)).into_par_iter().zip(planes).for_each(|(mut image, plane)| {
                    image.outer_iter_mut().for_each(|mut channel| channel.assign(plane));
                });
                let answers = decided(&subject.logits(&shown(subject, &stacked)?)?)?;
                progress.inc(planes.len() as u64);
                Ok(answers)
            };
            let without = answers(&faint)?;
            for (row, answer) in rows.clone().zip(without) {
                right[row].iter_mut().for_each(|octave| octave[0] = answer == clean.classes[row]);
            }
            for (octave, level) in (0..count).flat_map(|octave| (1..5).map(move |level| (octave, level))) {
                let planes: Vec<_> = faint
                    .par_iter()
                    .zip(&noise)
                    .map(|(image, noise)| masked(image.view(), noise[octave].view(), LEVELS[level]))
                    .collect();
                if level == 4 {
                    outside += planes.iter().map(|(_, outside)| outside).sum::<u64>();
                }
                let planes: Vec<_> = planes.into_iter().map(|(plane, _)| plane).collect();
                for (row, answer) in rows.clone().zip(answers(&planes)?) {
                    right[row][octave][level] = answer == clean.classes[row];
                }
            }
        }
        let outside = outside as f64 / (images * count * h * w) as f64;
        Ok(Masking::new(clean.reference, [h, w], clean.outputs, outside, &right, seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn octaves_of_images() {
        assert_eq!(octaves(224, 224), (7, 1.75));
        assert_eq!(octaves(32, 40), (5, 1.0));
        assert_eq!((octaves(16, 16), octaves(28, 28)), ((4, 1.0), (4, 1.75)));
        assert_eq!(octaves(500, 400), (7, 400.0 / 128.0));
    }

    #[test]
    fn images_are_faint_and_stay_inside() {
        let image = Array3::from_shape_fn((3, 1, 2), |(c, _, x)| if x == 1 { [1.0, 0.5, 0.0][c] } else { 0.0 });
        let grey = 0.299 + 0.5 * 0.587;
        let faint = faint(image.view());
        assert!((faint[[0, 1]] - (MEAN + 0.1 * grey)).abs() < 1e-12 && (faint[[0, 0]] - (MEAN - 0.1 * grey)).abs() < 1e-12);
        let (masked, outside) = masked(
            array![[0.4, 0.5, 0.6]].view(),
            array![[-3.0, 0.5, 3.0]].view(),
            0.16,
        );
        assert_eq!((masked, outside), (array![[0.1, 0.58, 0.9]], 2));
    }

    // Every image is answered rightly up to a level of noise, by octave.
    fn of(limits: [usize; 5], images: usize) -> Masking {
        let image: Vec<[bool; 5]> =
            limits.iter().map(|&limit| [0, 1, 2, 3, 4].map(|level| level <= limit)).collect();
        Masking::new(Reference::Labels, [32, 32], 10, 0.0, &vec![image; images], 0)
    }

    #[test]
    fn thresholds_make_a_channel() {
        let masking = of([4, 3, 0, 3, 4], 20);
        assert_eq!(masking.tuning.octaves.iter().map(|o| o.stepped).collect::<Vec<_>>(), [0.0, 1.0, 4.0, 1.0, 0.0]);
        assert_eq!(masking.tuning.octaves.iter().map(|o| o.frequency).collect::<Vec<_>>(), [1.0, 2.0, 4.0, 8.0, 16.0]);
        assert!((masking.tuning.criterion - 0.55).abs() < 1e-12);
        // Right up to 3, at 4 never: 0.55 is reached 0.45 of the way.
        assert!((masking.tuning.octaves[1].interpolated.unwrap() - (4.0 - 3.45)).abs() < 1e-12);
        let channel = masking.tuning.published.unwrap().channel;
        assert!((channel.centre - 4.0).abs() < 1e-3, "{channel:?}");
        // The same in all images: intervals of no width.
        let reach = masking.tuning.reach.unwrap();
        assert_eq!((reach.peaked, reach.centre[0]), (1.0, reach.centre[1]));
        let text = serde_json::to_string(&masking).unwrap();
        assert_eq!(serde_json::from_str::<Masking>(&text).unwrap(), masking);
        let flat = of([4; 5], 3).tuning;
        assert_eq!((flat.published, flat.channel, flat.reach), (None, None, None));
        assert!(flat.octaves.iter().all(|o| o.interpolated == Some(0.0)));
        // One right answer of ten is chance: no noise is borne, and none takes anything.
        let mut right = vec![vec![[false; 5]; 5]; 10];
        right[0] = vec![[true; 5]; 5];
        let chance = Masking::new(Reference::Labels, [32, 32], 10, 0.0, &right, 0).tuning;
        assert!(chance.octaves.iter().all(|o| o.interpolated.is_none() && o.interval.is_none()));
        assert_eq!((chance.chance, chance.clean.count, chance.channel), (0.1, 1, None));
    }

    #[cfg(feature = "torch")]
    mod networks {
        use super::super::run::check;
        use super::*;
        use crate::audit::subject::Subject;
        use crate::audit::{Clean, testing};
        use crate::model::deep::{Architecture, Deep};
        use crate::run::config::{InitKind, ModelKind};
        use ndarray::{Array2, Array4};
        use tch::{Device, Kind};

        // Two classes by the sign of a cosine of `cycles` cycles per image, which is all that the
        // network looks at.
        fn cosine(cycles: f64) -> Subject {
            const SIDE: usize = 32;
            const COUNT: usize = 200;
            let wave = |p: usize| (std::f64::consts::TAU * cycles * ((p % SIDE) as f64 + 0.5) / SIDE as f64).cos();
            let images = Array4::from_shape_fn((COUNT, 1, SIDE, SIDE), |(n, _, y, x)| {
                let sign = if n % 2 == 0 { 1.0 } else { -1.0 };
                (0.5 + 0.02 * sign * wave(y * SIDE + x)) as f32
            });
            let weights = Array2::from_shape_fn((2, SIDE * SIDE), |(k, p)| if k == 0 { wave(p) } else { -wave(p) });
            let net = testing::linear([1, SIDE, SIDE], &weights, &[0.0, 0.0]);
            let labels = (0..COUNT as u32).map(|n| n % 2).collect();
            Subject::new(net, images.view(), Some(labels), &[0.0; SIDE * SIDE], &[1.0]).unwrap()
        }

        #[test]
        fn noise_in_the_octave_of_the_cue_hurts_most() {
            // In the octaves called 4 and 16, which have most of their noise below their names.
            for (cycles, expected) in [(2.0, 2), (12.0, 4)] {
                let subject = cosine(cycles);
                let clean = Clean::new(&subject).unwrap();
                let masking = measure(&subject, &clean, 5).unwrap();
                assert_eq!(masking, measure(&subject, &clean, 5).unwrap());
                assert_eq!((masking.tuning.clean.share, masking.tuning.images), (1.0, 200));
                let shares: Vec<f64> = masking.tuning.octaves.iter().map(|o| o.right[4].share).collect();
                let worst = (0..5).min_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
                assert_eq!(worst, expected, "{shares:?}");
                assert!(masking.tuning.octaves.iter().all(|o| o.right[0] == masking.tuning.clean));
            }
        }

        #[test]
        fn small_images_are_left_out() {
            assert!(check(16, 400).is_ok());
            let architecture = Architecture::usual(ModelKind::Resnet8, [3, 15, 20], 2);
            let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Float, Device::Cpu).unwrap();
            let images = Array4::zeros((2, 3, 15, 20));
            let subject = Subject::new(net, images.view(), Some(vec![0, 1]), &[0.0; 900], &[1.0; 3]).unwrap();
            let clean = Clean::new(&subject).unwrap();
            let text = measure(&subject, &clean, 0).unwrap_err().to_string();
            assert!(text.contains("at least 16x16"), "{text}");
        }
    }
}
