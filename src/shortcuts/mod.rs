//! Which classes of a labelled image set carry a cue that a network could take instead of the
//! content, found before any training.
//!
//! A cue is whatever tells a class apart without its content: a wave or a frame over its
//! images, a watermark, a tint, the noise or the compression of where they came from. Every
//! class is compared with all others by five readers, each of which is blind to what classes
//! usually differ in:
//!
//! | reader | sees | alarm level |
//! |---|---|---|
//! | `energy` (E) | the log energy of one frequency, against its neighbours | 5.0 |
//! | `phase` (F) | the complex mean of one frequency, against its neighbours | 4.8 |
//! | `place` (P) | the mean residual of one place, against all places | 15.5 max(1, (n_c/400)^¼) |
//! | `extremes` (H) | spikes in the smallest and largest values of channels | 6.8 |
//! | `invariant` (R) | what a linear reader of 338 features says out of fold | min(0.6, 0.165 (9/(K−1))^0.6), or beyond chance |
//! | `invariant, part` | the same after self-training, for a part of the class | min(0.8, 0.19 (9/(K−1))^0.9), or beyond chance |
//!
//! Formulas are with each of them. E, F and P compare a class with the rest by
//! z = (mean_c − mean_rest)/(sd √(1/n_c + 1/n_rest)), which needs nothing but sums over classes.
//! The score of a class is the largest ratio of a statistic to its level, and 1 is an alarm.
//!
//! *Chance.* With many classes of few images one hit by chance would be beyond such a level (1,000
//! classes of 50 images with labels at random: 124 alarms). A level of R is never below the share of
//! hits that chance reaches in any of the classes with a probability of 0.01; for a part of a class
//! hits are taken to be twice as frequent.
//!
//! *Ghosts.* A strong cue of one class shifts what the rest is for all others. After an alarm
//! of E, F, P or H the class with the largest ratio is left out, the others are computed again
//! without it, and the smaller of both ratios counts; and so on, while more than two are left.
//!
//! Beside the score of a class stand what is left of it when the frequencies, the place or the
//! value that were found are masked, and how likely its statistic is of images drawn without a
//! look at classes. Where such groups go beyond a level, that is the level.
//!
//! # How the levels were found
//! On CIFAR-10, 32×32, subsets of 1,000 to 4,000 images: nothing planted for the levels, and cues
//! of L2 norm 1 planted in one class, in all of it or in 30 %, to see what is found, by a
//! prototype in Python with another decoder. What they are worth on other images says
//! [`Calibration`] (`domfreq calibrate`).
//!
//! # What it cannot do
//! - A brightness that is multiplied, in 30 % of a class, is not found; waves of fewer than 2.5
//!   cycles per image hardly are.
//! - With two classes, that one has a cue and that the other has the opposite is the same.
//! - With fewer than five classes R has nothing to compare its rates with: where texture is what
//!   the classes are about, it will raise an alarm. Its levels are higher then: of 61 sets of two
//!   to four classes of CIFAR-10, the 45 pairs among them, 2 had an alarm (the largest score
//!   1.04), none of them of R. An alarm says that a class can be told by something simple, not
//!   that this is wrong.
//! - Levels at other sizes and on images that are no photos are not calibrated.
//! - `extremes` counts exact values, which another JPEG decoder moves: the first 4,000 images of
//!   CIFAR-10, stored as JPEG, have a statistic of 6.4 by one and 5.2 by another. Its level was
//!   raised above that from the 6.2 of the study.
//! - The number of carriers is a rough estimate, for `extremes` a lower bound.
//! - AUCs are of the readers' scores by themselves. E, F and H are scored on the images that they
//!   were chosen on, P and R on others.

mod calibrate;
mod compare;
mod detector;
mod early;
mod energy;
mod extremes;
mod features;
mod image;
mod null;
mod phase;
mod place;
mod reader;
mod report;
mod ring;
mod roc;
mod search;
mod set;
mod sums;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::field::ImageSet;
pub use calibrate::{Calibration, Design, Dose};
pub use compare::{Comparison, ModeOfBoth, compare};
pub use early::told;
pub use report::{Both, Duplicates, Entry, Extreme, Place, Report};
pub use set::LEAST;

/// What can be chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Of the folds of the reader R, and of the images that it reads where there are more than
    /// 20,000.
    pub seed: u64,
}

/// Looks for cues in the classes of `set`: images of 1 or 3 channels and at least 12 pixels a
/// side, of which more than 64 are reduced to 64.
/// ```
/// use domfreq::data::{self, Options};
/// use domfreq::shortcuts;
///
/// let spec = "planted:cue=patch,classes=2,over=leaves:count=400,classes=4,channels=3,size=16";
/// let set = data::load(&spec.parse()?, &Options::default())?;
/// let report = shortcuts::search(&set, shortcuts::Options::default())?;
/// assert_eq!(report.shortcuts.len(), 4);
/// assert!(report.shortcuts[0].alarm);
/// # Ok::<(), domfreq::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Input`] for images without class labels, fewer than two classes, a class of
/// fewer than [`LEAST`] images, images that are all the same, smaller than 12 pixels, not
/// finite, or of other numbers of channels.
pub fn search(set: &ImageSet, options: Options) -> Result<Report> {
    let seen = set::Set::new(set)?;
    let mut shortcuts = search::Search::new(&seen, options.seed)?.entries();
    early::tell(set, &mut shortcuts, options.seed)?;
    Ok(Report::new(&seen, set.shape(), shortcuts))
}
