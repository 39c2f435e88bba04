//! Critical band masking on the published images (Subramanian et al., "Spatial-frequency channels, shape bias, and
//! adversarial robustness", NeurIPS 2023).
//!
//! # Conventions
//! - Each image is in one condition, so that shares of different conditions are of different images. What the octave of
//!   no noise is called says nothing: all images without noise are one rate.
//! - Decisions are those of shape bias: a network for ImageNet decides among 16 categories by mean probability, as
//!   published; any other by the name of its largest output. Chance is one over what there is to decide among.
//! - Images are shown whole, in the size of the network's (they are 224×224), octaves called as published, from 1.75
//!   cycles per image.
//! - Intervals are over bootstraps of the images of each condition.

use serde::{Deserialize, Serialize};

use super::Condition;
use crate::audit::Rate;
use crate::audit::parts::masking::tuning::{PUBLISHED, Tuning};
use crate::audit::parts::shape::Mapping;
use crate::error::{Error, Lack, Result};

/// Cycles per image that the lowest octave is called by.
const FIRST: f64 = 1.75;

/// Critical band masking of a network on the published images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalBand {
    /// How the network's outputs became decisions.
    pub mapping: Mapping,
    /// What noise of each octave does to them.
    #[serde(flatten)]
    pub tuning: Tuning,
}

impl CriticalBand {
    /// Of answers that are `right` or not, made by `mapping` among `among` classes, in `conditions`.
    ///
    /// # Errors
    /// [`Error::Lacking`] where a condition has no image.
    pub fn new(
        mapping: Mapping,
        among: usize,
        conditions: &[Condition],
        right: &[bool],
        seed: u64,
    ) -> Result<Self> {
        let mut cells: Vec<[Vec<bool>; 5]> = vec![Default::default(); PUBLISHED];
        let mut clean = Vec::new();
        for (&Condition { octave, level }, &right) in conditions.iter().zip(right) {
            if level == 0 { &mut clean } else { &mut cells[octave][level] }.push(right);
        }
        cells.iter_mut().for_each(|octave| octave[0].clone_from(&clean));
        for (octave, level) in (0..PUBLISHED).flat_map(|octave| (0..5).map(move |level| (octave, level))) {
            if cells[octave][level].is_empty() {
                let expected = "images in each of 5 levels of noise in 7 octaves";
                let found = format!("none in level {level} of octave {octave}");
                return Err(Error::lacking(Lack::Stimuli, "critical band masking", expected, found));
            }
        }
        let rate = |cell: &Vec<bool>| Rate::new(cell.iter().filter(|right| **right).count() as u64, cell.len() as u64);
        let resampled = |draw| {
            use rand::Rng;
            let mut rng = crate::seed::rng(seed, "audit/critical_band/bootstrap", draw);
            let mut again = |cell: &Vec<bool>| {
                let drawn: Vec<bool> = cell.iter().map(|_| cell[rng.random_range(0..cell.len())]).collect();
                rate(&drawn)
            };
            let clean = again(&clean);
            let levels = |octave: &[Vec<bool>; 5]| {
                [0, 1, 2, 3, 4].map(|level| if level == 0 { clean } else { again(&octave[level]) })
            };
            cells.iter().map(levels).collect()
        };
        let rates = cells.iter().map(|octave| octave.each_ref().map(rate)).collect();
        let tuning = Tuning::new(right.len() as u64, 1.0 / among as f64, FIRST, rates, resampled);
        Ok(Self { mapping, tuning })
    }
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use super::super::Masked;
    use super::*;
    use crate::audit::parts::shape::{CATEGORIES, Decision, decided};
    use crate::audit::subject::Subject;

    /// Critical band masking of the network of `subject`, whose own images are not looked at; `outputs_are`: names of
    /// its classes, where known ([`Decision::new`]).
    ///
    /// # Errors
    /// [`Error::Input`] for images of another size than the network's and for categories that it cannot decide
    /// for; [`Error::Lacking`] where a condition has no image; [`Error::Device`].
    pub fn measure(
        subject: &Subject,
        masked: &Masked,
        outputs_are: Option<&[String]>,
        seed: u64,
    ) -> Result<CriticalBand> {
        let outputs = subject.net.outputs();
        let decision = Decision::new(outputs, outputs_are, &masked.names)?;
        let decisions = decided(subject, masked.images.view(), &decision, "images under noise")?;
        let right: Vec<bool> =
            decisions.iter().zip(&masked.classes).map(|(answer, class)| *answer == Some(*class)).collect();
        let mapping = decision.mapping();
        let among = if mapping == Mapping::Imagenet { CATEGORIES.len() } else { outputs };
        CriticalBand::new(mapping, among, &masked.conditions, &right, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(images: usize) -> Vec<Condition> {
        let one = || (0..PUBLISHED).flat_map(|octave| (0..5).map(move |level| Condition { octave, level }));
        (0..images).flat_map(|_| one()).collect()
    }

    #[test]
    fn thresholds_of_a_resnet_18_make_its_published_channel() {
        // Right in nine images of ten while the noise is below the threshold 0 1 2 3 4 4 3, else in one of ten.
        const STEPS: [usize; 7] = [0, 1, 2, 3, 4, 4, 3];
        let conditions = all(10);
        let right: Vec<bool> = (conditions.iter().enumerate())
            .map(|(i, c)| {
                let image = i / (5 * PUBLISHED);
                if c.level == 0 || c.level + STEPS[c.octave] <= 4 { image != 3 } else { image == 3 }
            })
            .collect();
        let found = CriticalBand::new(Mapping::Imagenet, 16, &conditions, &right, 1).unwrap();
        let tuning = &found.tuning;
        assert_eq!(tuning.octaves.iter().map(|o| o.stepped as usize).collect::<Vec<_>>(), STEPS);
        let channel = tuning.published.unwrap().channel;
        let far = [channel.bandwidth - 4.74, channel.centre - 38.9, channel.peak - 1.0];
        assert!(far[0].abs() < 0.01 && far[1].abs() < 0.1 && far[2].abs() < 0.01, "{channel:?}");
        // Without noise: 63 of 70, of all octaves together; with noise 10 each.
        assert_eq!((tuning.clean.count, tuning.clean.of, tuning.images), (63, 70, 350));
        assert!(tuning.octaves.iter().all(|o| o.right[0] == tuning.clean && o.right[1].of == 10));
        assert!((tuning.chance - 1.0 / 16.0).abs() < 1e-15);
        assert!((tuning.criterion - (0.9 + 1.0 / 16.0) / 2.0).abs() < 1e-12);
        // An interval has the threshold inside.
        for octave in &tuning.octaves {
            let ([low, high], value) = (octave.interval.unwrap(), octave.interpolated.unwrap());
            assert!(low <= value && value <= high, "{octave:?}");
        }
        assert_eq!(found, CriticalBand::new(Mapping::Imagenet, 16, &conditions, &right, 1).unwrap());
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<CriticalBand>(&text).unwrap(), found);
    }

    #[test]
    fn every_condition_has_images() {
        let mut conditions = all(2);
        conditions.retain(|c| (c.octave, c.level) != (3, 2));
        let right = vec![true; conditions.len()];
        let text = CriticalBand::new(Mapping::Names, 10, &conditions, &right, 0).unwrap_err().to_string();
        assert!(text.contains("none in level 2 of octave 3"), "{text}");
    }
}
