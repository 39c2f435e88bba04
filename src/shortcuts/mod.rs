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
//! | `invariant` (R) | what a linear reader of 338 features says out of fold | min(0.6, 0.165 (9/(K−1))^0.6) |
//! | `invariant, part` | the same after self-training, for a part of the class | min(0.8, 0.19 (9/(K−1))^0.9) |
//!
//! Formulas are with each of them. E, F and P compare a class with the rest by
//! z = (mean_c − mean_rest)/(sd √(1/n_c + 1/n_rest)), which needs nothing but sums over classes.
//! The score of a class is the largest ratio of a statistic to its level, and 1 is an alarm.
//!
//! *Ghosts.* A strong cue of one class shifts what the rest is for all others. After an alarm
//! of E, F, P or H the class with the largest ratio is left out, the others are computed again
//! without it, and the smaller of both ratios counts; and so on, while more than two are left.
//!
//! # How the levels were found
//! On CIFAR-10, 32×32, subsets of 1,000 to 4,000 images: nothing planted for the levels, and cues
//! of L2 norm 1 planted in one class, in all of it or in 30 %, to see what is found. In that study
//! (of a prototype in Python, by another decoder) 3 of 206 untouched subsets raised an alarm, and
//! nearly all planted cues came first. By this code 3 of 120 other subsets did (the largest score
//! 1.16), and planted cues came first with an alarm in all of 18 to 20 draws of each kind in all
//! of a class, in at least 16 of 18 (tint) in 30 % of it.
//!
//! # What it cannot do
//! - A brightness that is multiplied, in 30 % of a class, is not found; waves of fewer than 2.5
//!   cycles per image hardly are.
//! - With two classes, that one has a cue and that the other has the opposite is the same.
//! - With fewer than five classes R has nothing to compare its rates with: where texture is what
//!   the classes are about, it will raise an alarm. An alarm says that a class can be told by
//!   something simple, not that this is wrong.
//! - Levels at other sizes and on images that are no photos are not calibrated.
//! - `extremes` counts exact values, which another JPEG decoder moves: the first 4,000 images of
//!   CIFAR-10, stored as JPEG, have a statistic of 6.4 by one and 5.2 by another. Its level was
//!   raised above that from the 6.2 of the study.
//! - The number of carriers is a rough estimate, for `extremes` a lower bound.
//! - AUCs are of the readers' scores by themselves. E, F and H are scored on the images that they
//!   were chosen on, P and R on others.

mod detector;
mod energy;
mod extremes;
mod features;
mod image;
mod phase;
mod place;
mod rank;
mod reader;
mod ring;
mod roc;
mod set;
mod sums;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::error::Result;
use crate::field::ImageSet;
use crate::spectrum::Frequency;
pub use set::LEAST;

/// What can be chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Of the folds of the reader R, and of the images that it reads where there are more than
    /// 20,000.
    pub seed: u64,
}

/// What was found in a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of images.
    pub images: usize,
    /// Number of classes that have images.
    pub classes: usize,
    /// `[c, h, w]` of the images, as they came.
    pub shape: [usize; 3],
    /// One entry per class, the highest score first.
    pub shortcuts: Vec<Entry>,
    /// How many entries are alarms.
    pub alarms: usize,
    /// Images that are there more than once.
    pub duplicates: Duplicates,
    /// What should be known of how this was computed.
    pub notes: Vec<String>,
}

/// The strongest cue of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The class, by name.
    pub classes: Vec<String>,
    /// The reader with the highest ratio.
    pub reader: &'static str,
    /// What this reader finds.
    pub kind: &'static str,
    /// Frequencies, the strongest first, where E or F is above its level.
    pub frequencies: Vec<Frequency>,
    /// Plane of the frequencies: "grey", "red-green" or "yellow-blue".
    pub colour: Option<&'static str>,
    /// Where P is above its level.
    pub place: Option<Place>,
    /// Where H is above its level, or has the highest ratio.
    pub extreme: Option<Extreme>,
    /// Statistic over alarm level, the largest of all readers.
    pub score: f64,
    /// Statistic over alarm level of every reader.
    pub ratios: Vec<(&'static str, f64)>,
    /// Area under the ROC curve of this reader's score of single images, the class against the
    /// rest: what the cue alone is worth.
    pub accuracy: f64,
    /// 95 % interval of the area (Hanley & McNeil 1982).
    pub interval: [f64; 2],
    /// About how many images of the class carry the cue: n_c (TPR − FPR)/(1 − FPR) at a false
    /// positive rate of 0.01; a lower bound for `extremes`.
    pub carriers: usize,
    /// Indices of the 10 images of the class with the highest scores.
    pub most: Vec<usize>,
    /// Whether the score is at least 1.
    pub alarm: bool,
}

/// A box in pixels of the images as they were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// First row.
    pub row: usize,
    /// First column.
    pub col: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// Row and column of the strongest pixel.
    pub peak: [usize; 2],
}

/// A value at which unusually many images of a class have the end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Extreme {
    /// "red", "green", "blue" or "grey".
    pub channel: &'static str,
    /// "minimum" or "maximum".
    pub end: &'static str,
    /// 0 to 255.
    pub value: u8,
}

/// Images that are there more than once, to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Images of which there is an earlier one in the same class.
    pub within: usize,
    /// Images that are in several classes.
    pub across: usize,
    /// Number of different images.
    pub distinct: usize,
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
    let shape = set.shape();
    let set = set::Set::new(set)?;
    let shortcuts = rank::entries(&set, options.seed)?;
    let mut notes = set.notes.clone();
    notes.extend(rank::notes(&set));
    Ok(Report {
        images: set.len(),
        classes: set.names.len(),
        shape,
        alarms: shortcuts.iter().filter(|entry| entry.alarm).count(),
        shortcuts,
        duplicates: set.duplicates,
        notes,
    })
}
