//! Critical band masking on the published images (Subramanian et al., "Spatial-frequency channels, shape bias, and
//! adversarial robustness", NeurIPS 2023).
//!
//! # Conventions
//! - Each image is in one condition, so that shares of different conditions are of different images. What the octave of
//!   no noise is called says nothing: all images without noise are one rate.
//! - Decisions are those of shape bias: a network for ImageNet decides among 16 categories by mean probability, as
//!   published; any other by the name of its largest output. Chance is one over what there is to decide among.
//! - Images are shown whole, in the size of the network's (they are 224×224), octaves called as published, from 1.75
//!   cycles per image. What a smaller size has not, octaves called by more than side/2, is left out.
//! - Intervals are over bootstraps of the images of each condition.

use serde::{Deserialize, Serialize};

use super::Condition;
use crate::audit::Rate;
use crate::audit::parts::masking::tuning::{PUBLISHED, Tuning};
use crate::audit::parts::shape::Mapping;
use crate::error::{Error, Lack, Result};

/// Cycles per image that the lowest octave is called by.
const FIRST: f64 = 1.75;

/// Fewest octaves that a channel is fitted through, and the side that has them.
pub const LEAST: usize = 4;
/// See [`LEAST`].
pub const SMALLEST: usize = 28;

/// Octaves of the published images that images of h×w have.
pub fn octaves((h, w): (usize, usize)) -> usize {
    let called = |octave: &usize| FIRST * f64::from(1u32 << octave);
    (0..PUBLISHED).take_while(|octave| called(octave) <= h.min(w) as f64 / 2.0).count()
}

/// Fails where a condition in one of the first `octaves` has no image.
///
/// # Errors
/// [`Error::Lacking`].
pub fn complete(conditions: &[Condition], octaves: usize) -> Result<()> {
    for (octave, level) in (0..octaves).flat_map(|octave| (0..5).map(move |level| (octave, level))) {
        // Without noise all octaves are one.
        if !conditions.iter().any(|c| c.level == level && (level == 0 || c.octave == octave)) {
            let expected = format!("images in each of 5 levels of noise in {octaves} octaves");
            let found = format!("none in level {level} of octave {octave}");
            return Err(Error::lacking(Lack::Stimuli, "critical band masking", expected, found));
        }
    }
    Ok(())
}

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
    /// Of answers that are `right` or not, made by `mapping` among `among` classes, in `conditions`, of which those in
    /// the first `octaves` count.
    ///
    /// # Errors
    /// As [`complete`].
    pub fn new(
        mapping: Mapping,
        among: usize,
        octaves: usize,
        conditions: &[Condition],
        right: &[bool],
        seed: u64,
    ) -> Result<Self> {
        complete(conditions, octaves)?;
        let mut cells: Vec<[Vec<bool>; 5]> = vec![Default::default(); octaves];
        let mut clean = Vec::new();
        let mut images = 0;
        for (&Condition { octave, level }, &right) in conditions.iter().zip(right) {
            if level == 0 || octave < octaves {
                if level == 0 { &mut clean } else { &mut cells[octave][level] }.push(right);
                images += 1;
            }
        }
        cells.iter_mut().for_each(|octave| octave[0].clone_from(&clean));
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
        let tuning = Tuning::new(images, 1.0 / among as f64, FIRST, rates, resampled);
        Ok(Self { mapping, tuning })
    }
}

#[cfg(feature = "torch")]
pub use run::measure;

#[cfg(feature = "torch")]
mod run {
    use super::super::{MASKED, Masked};
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
        let decision = Decision::new(MASKED, outputs, outputs_are, &masked.names)?;
        let decisions = decided(subject, masked.images.view(), &decision, MASKED)?;
        let right: Vec<bool> =
            decisions.iter().zip(&masked.classes).map(|(answer, class)| *answer == Some(*class)).collect();
        let mapping = decision.mapping();
        let among = if mapping == Mapping::Imagenet { CATEGORIES.len() } else { outputs };
        let [_, h, w] = subject.net.shape();
        CriticalBand::new(mapping, among, octaves((h, w)), &masked.conditions, &right, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "torch")]
    use crate::audit::parts::Name;

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
        let of = |octaves| CriticalBand::new(Mapping::Imagenet, 16, octaves, &conditions, &right, 1).unwrap();
        let found = of(PUBLISHED);
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
        assert_eq!(found, of(PUBLISHED));
        // Without the highest octaves: their images without noise stay.
        let fewer = of(5).tuning;
        assert_eq!((fewer.images, fewer.clean, fewer.octaves.len()), (70 + 200, tuning.clean, 5));
        assert!(fewer.octaves.iter().zip(&tuning.octaves).all(|(a, b)| a.right == b.right));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<CriticalBand>(&text).unwrap(), found);
    }

    #[test]
    fn every_condition_has_images() {
        let mut conditions = all(2);
        conditions.retain(|c| (c.octave, c.level) != (3, 2));
        let right = vec![true; conditions.len()];
        let of = |octaves| CriticalBand::new(Mapping::Names, 10, octaves, &conditions, &right, 0);
        let text = of(PUBLISHED).unwrap_err().to_string();
        assert!(text.contains("none in level 2 of octave 3"), "{text}");
        assert!(of(3).is_ok());
        conditions.retain(|c| c.level > 0);
        assert!(complete(&conditions, 1).unwrap_err().to_string().contains("none in level 0"));
    }

    #[test]
    fn small_images_have_fewer_octaves() {
        assert_eq!([224, 223, 299, 112, 64, SMALLEST, 27].map(|side| octaves((side, 400))), [7, 6, 7, 6, 5, LEAST, 3]);
        assert_eq!(octaves((224, 64)), 5);
    }

    #[cfg(feature = "torch")]
    #[test]
    fn a_folder_costs_the_part_that_it_is_for() {
        use crate::audit::parts::{Ask, Found, Sizes};
        use crate::data::testing::put;
        let cost = |file: &str| {
            let dir = tempfile::tempdir().unwrap();
            put(dir.path(), file, b"");
            let stimuli = Some(dir.path().to_owned());
            let sizes = Sizes { size: (32, 32), outputs: 10, classes: 10 };
            [vec![Name::critical_band], vec![Name::shape], vec![Name::shape, Name::critical_band]].map(|only| {
                let ask = Ask { only, stimuli: stimuli.clone(), ..Ask::default() };
                Found::cost(&ask, &sizes).fixed
            })
        };
        assert_eq!(cost("0/1_cbm_noise0_freq0_gray_g_bear.JPEG"), [1050.0, 0.0, 1050.0]);
        assert_eq!(cost("bear/bear1-dog2.png"), [0.0, 1280.0, 1280.0]);
    }

    #[cfg(feature = "torch")]
    #[test]
    fn each_answer_counts_for_its_own_class_and_condition() {
        use super::super::Masked;
        use crate::audit::testing::{SIZE, bright};
        use ndarray::Array4;
        // It tells bright images from dark ones; in one condition they are the wrong way round. Of 8×12 pixels: two octaves.
        let subject = bright(4, [0.2, 0.8]);
        let conditions = all(6);
        let classes: Vec<u32> = (0..conditions.len() as u32).map(|i| i % 3 % 2).collect();
        let wrong = Condition { octave: 1, level: 3 };
        let value = |i: usize| if (classes[i] == 1) == (conditions[i] == wrong) { 0.8 } else { 0.2 };
        let images = Array4::from_shape_fn((classes.len(), 1, SIZE.0, SIZE.1), |(i, ..)| value(i));
        let names = ["bright", "dark"].map(str::to_owned).to_vec();
        let masked = Masked { images, names, classes, conditions, source: Default::default() };
        let of = |outputs: [&str; 2]| {
            let outputs = outputs.map(str::to_owned);
            measure(&subject, &masked, Some(&outputs), 0).unwrap()
        };
        let found = of(["dark", "bright"]);
        assert_eq!((found.mapping, found.tuning.chance, found.tuning.octaves.len()), (Mapping::Names, 0.5, 2));
        for (o, octave) in found.tuning.octaves.iter().enumerate() {
            for (level, right) in octave.right.iter().enumerate() {
                let all = if level == 0 { 6 * 7 } else { 6 };
                let expected = if (Condition { octave: o, level }) == wrong { 0 } else { all };
                assert_eq!((right.count, right.of), (expected, all), "octave {o}, level {level}");
            }
        }
        // By the other names all is the other way round.
        let other = of(["bright", "dark"]).tuning;
        assert_eq!((other.clean.count, other.octaves[1].right[3].count), (0, 6));
    }
}
