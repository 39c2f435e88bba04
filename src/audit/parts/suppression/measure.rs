//! Answers to images with a cue taken away, more and more of it (Burgert, Stoll, Rota & Demir, "ImageNet-trained
//! CNNs are not biased towards texture: Revisiting feature reliance through controlled suppression", NeurIPS 2025).
//!
//! # Conventions
//! - Strengths are those of the published code ([`super::Cue::strengths`]); what is shown is in [`super::filters`].
//! - Pixels in [0, 1] are changed before normalisation; nothing leaves [0, 1].
//! - Patches of image i at strength s are shuffled with `rng(seed, "audit/suppression/G", i)`, G×G being the patches.
//! - Differences from the published code: images are not resized for it, filtered images are not rounded to 8 bits, and
//!   sides that patches do not divide keep a rim. Lengths are in pixels of the images as they are shown, and were
//!   chosen for 224×224: on small images the same numbers take more away.

use serde::{Deserialize, Serialize};

use crate::audit::{Rate, Reference};

/// What is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cue {
    /// Global shape: patches are shuffled.
    Patches,
    /// Texture: the bilateral filter, which leaves edges.
    Bilateral,
    /// Texture and fine shape: Gaussian blur.
    Blur,
    /// Colour.
    Colour,
}

impl Cue {
    /// All, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Patches, Self::Bilateral, Self::Blur, Self::Colour];

    /// What is done to the images.
    pub fn how(self) -> &'static str {
        match self {
            Self::Patches => "patches shuffled",
            Self::Bilateral => "bilateral filter",
            Self::Blur => "Gaussian blur",
            Self::Colour => "grey",
        }
    }

    /// What they lose.
    pub fn what(self) -> &'static str {
        match self {
            Self::Patches => "global shape",
            Self::Bilateral => "texture",
            Self::Blur => "texture and fine shape",
            Self::Colour => "colour",
        }
    }

    /// What its accuracy is called beside another network's.
    pub fn number(self) -> &'static str {
        match self {
            Self::Patches => "accuracy without global shape",
            Self::Bilateral => "accuracy without texture",
            Self::Blur => "accuracy without texture and fine shape",
            Self::Colour => "accuracy without colour",
        }
    }

    /// What the first number of a strength is.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Patches => "patches along a side",
            Self::Bilateral => "diameter (pixels)",
            Self::Blur => "standard deviation (pixels)",
            Self::Colour => "share of grey",
        }
    }

    /// Strengths, rising: patches along a side; diameter in pixels and standard deviation of colours in 255 levels
    /// (that of distances is [`SPACE`]); standard deviation in pixels and size of the Gaussian; share of grey.
    pub fn strengths(self) -> Vec<[f64; 2]> {
        match self {
            Self::Patches => (1..=8).map(|i| [2.0 * f64::from(i), 0.0]).collect(),
            Self::Bilateral => (0..6).map(|i| [4.0 + 2.0 * f64::from(i), 50.0 + 30.0 * f64::from(i)]).collect(),
            Self::Blur => {
                const DEVIATIONS: [f64; 7] = [0.33, 0.66, 1.0, 1.33, 1.66, 2.0, 2.33];
                DEVIATIONS.iter().zip(0..).map(|(deviation, i)| [*deviation, 3.0 + 2.0 * f64::from(i)]).collect()
            }
            Self::Colour => (1..=5).map(|i| [f64::from(i) / 5.0, 0.0]).collect(),
        }
    }
}

/// Standard deviation of distances of the bilateral filter, in pixels.
pub const SPACE: f64 = 75.0;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Every so many strengths, the strongest first.
    pub step: usize,
    /// Of the shuffles.
    pub seed: u64,
}

impl Options {
    /// What is done to images of `[c, h, w]`: grey ones have no colour to lose, and patches have at least two
    /// pixels along a side.
    pub fn conditions(&self, [c, h, w]: [usize; 3]) -> Vec<(Cue, [f64; 2])> {
        let fits = |cue: Cue, strength: &[f64; 2]| match cue {
            Cue::Patches => 2 * strength[0] as usize <= h.min(w),
            Cue::Colour => c == 3,
            Cue::Bilateral | Cue::Blur => true,
        };
        let of = |cue: Cue| {
            let mut all: Vec<_> = cue.strengths().into_iter().filter(|strength| fits(cue, strength)).collect();
            all.reverse();
            let mut all: Vec<_> = all.into_iter().step_by(self.step.max(1)).map(|strength| (cue, strength)).collect();
            all.reverse();
            all
        };
        Cue::ALL.into_iter().flat_map(of).collect()
    }
}

/// Answers at one strength.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The strength ([`Cue::strengths`]).
    pub strength: [f64; 2],
    /// Images that are classified rightly, where labels are.
    pub accuracy: Option<Rate>,
    /// Images that are classified as they are untouched.
    pub agreement: Rate,
}

/// Answers without one cue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What is taken away.
    pub cue: Cue,
    /// By strength, rising.
    pub points: Vec<Point>,
}

/// Answers without cues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    /// What right answers are.
    pub reference: Reference,
    /// Images that were shown.
    pub images: u64,
    /// 1/K of K outputs.
    pub chance: f64,
    /// Accuracy untouched, where labels are.
    pub accuracy: Option<Rate>,
    /// By cue.
    pub curves: Vec<Curve>,
}

impl Suppression {
    /// The accuracy at the strongest, where labels are; else the share of answers that stay.
    pub fn at_strongest(&self, cue: Cue) -> Option<Rate> {
        let last = self.curves.iter().find(|curve| curve.cue == cue)?.points.last()?;
        Some(last.accuracy.unwrap_or(last.agreement))
    }
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use ndarray::parallel::prelude::*;
    use ndarray::{Array3, Array4, ArrayView3, Axis};

    use super::super::filters::{bilateral, blurred, greyed, shuffled};
    use super::*;
    use crate::audit::clean::{Clean, chunks, decided, pixels, shown};
    use crate::audit::subject::Subject;
    use crate::error::Result;
    use crate::progress::Progress;
    use crate::seed;

    fn suppressed(image: ArrayView3<f64>, (cue, strength): (Cue, [f64; 2]), seed: u64, row: usize) -> Array3<f64> {
        let [a, b] = strength;
        match cue {
            Cue::Patches => {
                let purpose = format!("audit/suppression/{a}");
                shuffled(image, a as usize, &mut seed::rng(seed, &purpose, row as u64))
            }
            Cue::Bilateral => bilateral(image, a as usize, b, SPACE),
            Cue::Blur => blurred(image, b as usize, a),
            Cue::Colour => greyed(image, a).expect("conditions are those of the images"),
        }
    }

    /// One pass over the images of `subject` for each condition of `options`.
    ///
    /// # Errors
    /// [`crate::Error::Lacking`] for answers that are no numbers; [`crate::Error::Device`].
    pub fn measure(subject: &Subject, clean: &Clean, options: &Options) -> Result<Suppression> {
        let mut conditions = options.conditions(subject.net.shape());
        let first = subject.pixels.f_narrow(1, 0, 1)?;
        if subject.pixels.f_sub(&first)?.f_abs()?.f_max()?.double_value(&[]) == 0.0 {
            // Grey images in three channels.
            conditions.retain(|(cue, _)| *cue != Cue::Colour);
        }
        let mut counts = vec![[0u64; 2]; conditions.len()];
        let progress = Progress::new("cues taken away", (conditions.len() * subject.len()) as u64);
        for rows in chunks(subject) {
            let images = pixels(subject, &rows)?;
            for (condition, [right, same]) in conditions.iter().zip(&mut counts) {
                let mut changed = Array4::zeros(images.dim());
                changed
                    .axis_iter_mut(Axis(0))
                    .into_par_iter()
                    .zip(images.axis_iter(Axis(0)))
                    .zip(rows.clone())
                    .for_each(|((mut out, image), row)| {
                        out.assign(&suppressed(image, *condition, options.seed, row));
                    });
                for (row, answer) in rows.clone().zip(decided(&subject.logits(&shown(subject, &changed)?)?)?) {
                    *right += u64::from(answer == clean.classes[row]);
                    *same += u64::from(answer == clean.predictions[row]);
                }
                progress.inc(rows.len() as u64);
            }
        }
        let n = subject.len() as u64;
        let mut curves: Vec<Curve> = Vec::new();
        for ((cue, strength), [right, same]) in conditions.into_iter().zip(counts) {
            let accuracy = clean.labelled().then(|| Rate::new(right, n));
            let point = Point { strength, accuracy, agreement: Rate::new(same, n) };
            match curves.last_mut().filter(|curve| curve.cue == cue) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve { cue, points: vec![point] }),
            }
        }
        Ok(Suppression {
            reference: clean.reference,
            images: n,
            chance: 1.0 / clean.outputs as f64,
            accuracy: clean.accuracy(),
            curves,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_the_published_ones() {
        let of = |cue: Cue| cue.strengths();
        assert_eq!((of(Cue::Patches)[0], of(Cue::Patches)[7]), ([2.0, 0.0], [16.0, 0.0]));
        assert_eq!((of(Cue::Bilateral)[0], of(Cue::Bilateral)[5]), ([4.0, 50.0], [14.0, 200.0]));
        assert_eq!((of(Cue::Blur)[0], of(Cue::Blur)[6]), ([0.33, 3.0], [2.33, 15.0]));
        assert_eq!(of(Cue::Colour).len(), 5);
    }

    #[test]
    fn conditions_are_those_that_images_have() {
        let of = |step, shape| Options { step, seed: 0 }.conditions(shape);
        let count = |all: &[(Cue, [f64; 2])], cue| all.iter().filter(|(c, _)| *c == cue).count();
        let all = of(1, [3, 32, 40]);
        assert_eq!(Cue::ALL.map(|cue| count(&all, cue)), [8, 6, 7, 5]);
        let small = of(1, [1, 9, 9]);
        assert_eq!(Cue::ALL.map(|cue| count(&small, cue)), [2, 6, 7, 0]);
        // The strongest stay.
        let few = of(4, [3, 32, 32]);
        assert_eq!(few[..2], [(Cue::Patches, [8.0, 0.0]), (Cue::Patches, [16.0, 0.0])]);
        assert_eq!(few.last(), Some(&(Cue::Colour, [1.0, 0.0])));
    }

    #[cfg(feature = "torch")]
    mod networks {
        use super::*;
        use crate::audit::testing::{SIZE, waves};
        use crate::audit::Clean;

        #[test]
        fn a_network_of_one_frequency_loses_it_under_blur_and_not_as_grey() {
            // It knows the sign of one cosine of radius 0.35 cycles per pixel: a Gaussian of σ pixels leaves
            // exp(−½(2π·0.35σ)²) of it, nothing at the strongest.
            let subject = waves(60, true);
            let clean = Clean::new(&subject).unwrap();
            let options = Options { step: 1, seed: 3 };
            let found = measure(&subject, &clean, &options).unwrap();
            assert_eq!((found.images, found.chance, found.accuracy.unwrap().share), (60, 0.5, 1.0));
            // Of one channel: no colour; of 8 rows: two and four patches.
            let cues: Vec<_> = found.curves.iter().map(|curve| (curve.cue, curve.points.len())).collect();
            assert_eq!(SIZE.0, 8);
            assert_eq!(cues, [(Cue::Patches, 2), (Cue::Bilateral, 6), (Cue::Blur, 7)]);
            let blur = &found.curves[2].points;
            assert_eq!(blur[0].accuracy.unwrap().share, 1.0);
            assert!(blur[6].accuracy.unwrap().share < 0.7, "{:?}", blur[6]);
            assert!(found.at_strongest(Cue::Patches).unwrap().share < 0.9, "{:?}", found.curves[0]);
            assert_eq!(found.at_strongest(Cue::Blur), blur[6].accuracy);
            assert!(found.at_strongest(Cue::Colour).is_none());
            assert_eq!(found, measure(&subject, &clean, &options).unwrap());
            let other = measure(&subject, &clean, &Options { seed: 4, ..options }).unwrap();
            assert!(other.curves[0] != found.curves[0] && other.curves[1] == found.curves[1]);
            // Without labels, answers are held against those to the whole images.
            let subject = waves(60, false);
            let clean = Clean::new(&subject).unwrap();
            let bare = measure(&subject, &clean, &options).unwrap();
            assert!(bare.accuracy.is_none() && bare.curves[2].points[6].accuracy.is_none());
            assert_eq!(bare.curves[2].points[6].agreement, blur[6].agreement);
        }
    }
}
