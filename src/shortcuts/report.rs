//! What is found in a set.

use serde::Serialize;

use super::compare::Comparison;
use super::search;
use super::set::Set;
use crate::spectrum::Frequency;

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
    /// Against a test set, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

impl Report {
    pub(super) fn new(set: &Set, shape: [usize; 3], shortcuts: Vec<Entry>) -> Self {
        let mut notes = set.notes.clone();
        notes.extend(search::notes(set));
        Self {
            images: set.len(),
            classes: set.names.len(),
            shape,
            alarms: shortcuts.iter().filter(|entry| entry.alarm).count(),
            shortcuts,
            duplicates: set.duplicates,
            notes,
            comparison: None,
        }
    }
}

/// The cue of one set, in the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Both {
    /// "train" or "test": where it was found.
    pub set: &'static str,
    /// Class that carries it.
    pub class: String,
    /// The reader that found it.
    pub reader: &'static str,
    /// What this reader finds.
    pub kind: &'static str,
    /// Area under the ROC curve in this set, the class against the rest.
    pub here: f64,
    /// The same in the other set: of what was found in this one, or for `invariant` of what
    /// the reader finds in the other.
    pub there: f64,
    /// 95 % interval of the latter.
    pub interval: [f64; 2],
    /// Whether the cue is in this set only.
    pub only: bool,
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
    /// What the same reader says without the frequencies, the place or the value that it found;
    /// None of `invariant`, which has none.
    pub masked: Option<f64>,
    /// Probability of as large a statistic, were classes drawn at random (at least 1/200); None
    /// of `invariant`.
    pub p: Option<f64>,
    /// Area under the ROC curve of this reader's score of single images, the class against the
    /// rest: what the cue alone is worth.
    pub accuracy: f64,
    /// 95 % interval of the area (Hanley & McNeil 1982).
    pub interval: [f64; 2],
    /// How early a network would tell the class: the share of it that a linear reader of random
    /// convolutions tells, out of fold (1: all of it). None where it was not asked for.
    pub told: Option<f64>,
    /// The median of this over the other classes.
    pub told_of_others: Option<f64>,
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
