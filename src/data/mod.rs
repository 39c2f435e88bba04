//! Labelled image sets, made here or read from files.
//!
//! [`Spec`] names a source (`--data SPEC`), [`Options`] say what to keep of it
//! and how to prepare it, [`load`] gives the images and [`prepare()`] the
//! matrices that the theory and the networks work on.
//!
//! A new source is a module with a `KIND` and a line in the registry in [`spec`].

pub mod args;
pub mod axes;
mod blur;
pub mod cifar;
pub mod conflict;
pub mod cosines;
pub mod decode;
pub mod filtered;
pub mod folder;
pub mod idx;
pub mod label_column;
pub mod leaves;
pub mod npz;
pub mod outputs;
pub mod parquet;
pub mod planted;
pub mod prepare;
pub mod reduce;
pub mod select;
pub mod shapes;
pub mod shortcut;
pub mod spec;
pub mod split;
pub mod spread;
#[cfg(test)]
pub(crate) mod testing;
pub mod textures;

pub use axes::AxisOrder;
pub use decode::{Exif, Interpolation};
pub use outputs::Outputs;
pub use prepare::{Normalize, Samples, prepare};
pub use reduce::Reduce;
pub use spec::Spec;

use crate::error::Result;
use crate::field::ImageSet;

/// What holds for every source: which samples, and in which form.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which part of a set that is stored in parts ("train", "test").
    pub split: String,
    /// At most this many samples, the first in stored order.
    pub limit: Option<usize>,
    /// `limit` samples drawn with this seed, in stored order, instead of the first; of
    /// samples with real targets always the first.
    pub sample: Option<u64>,
    /// At most this many samples of each class, the first in stored order.
    pub limit_per_class: Option<usize>,
    /// Replace the channels by their mean.
    pub grey: bool,
    /// Resize to (height, width).
    pub size: Option<(usize, usize)>,
    /// Resize to this shorter side, and cut `size` out of the middle, instead of
    /// resizing both sides.
    pub shorter: Option<usize>,
    /// How pixels between pixels are found.
    pub interpolation: Interpolation,
    /// What is done with photos whose camera was turned.
    pub exif: Exif,
    /// The order of axes of arrays; as their lengths say without.
    pub layout: Option<AxisOrder>,
    /// What the numbers of arrays are divided by; without it 255 and 65535 for whole numbers of one and of two
    /// bytes, and 1 for others.
    pub divide_by: Option<f64>,
    /// Where the labels are, for sources that have more than one place for them: a column, an array, a file.
    pub labels_at: Option<String>,
    /// Where there is no `size`: to a moderate one, and images of different sizes to one.
    pub reduce: Option<Reduce>,
    /// Keep only these classes (by name or index), relabelled in this order.
    pub classes: Vec<String>,
    /// Leave out images that do not decode instead of stopping; they are counted.
    pub skip_bad: bool,
    /// Whether targets are wanted. Without, a set need not have any, and has K = 0.
    pub labels: bool,
    /// Seed of everything a generator draws.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            split: "train".to_owned(),
            limit: None,
            sample: None,
            limit_per_class: None,
            grey: false,
            size: None,
            shorter: None,
            interpolation: Interpolation::default(),
            exif: Exif::default(),
            layout: None,
            divide_by: None,
            labels_at: None,
            reduce: None,
            classes: Vec::new(),
            skip_bad: false,
            labels: true,
            seed: 0,
        }
    }
}

impl Options {
    /// Whether labels have to be read: also to choose by them.
    pub(crate) fn reads_labels(&self) -> bool {
        self.labels || !self.classes.is_empty() || self.limit_per_class.is_some()
    }
}

/// Reads or makes the images that `spec` and `options` describe: pixels of
/// image files in [0, 1], not centred, not normalised.
/// ```
/// use domfreq::data::{self, Options};
///
/// let options = Options { limit: Some(10), ..Options::default() };
/// let set = data::load(&"leaves:count=20,size=16,channels=3".parse()?, &options)?;
/// assert_eq!((set.len(), set.shape()), (10, [3, 16, 16]));
/// # Ok::<(), domfreq::Error>(())
/// ```
///
/// # Errors
/// [`crate::Error::Input`] for files that are not what they should be, for
/// filters that leave nothing, and for sets with one class only (but for
/// [`spread`], whose one class is a mode where nothing is centred).
pub fn load(spec: &Spec, options: &Options) -> Result<ImageSet> {
    spec.load(options)
}
