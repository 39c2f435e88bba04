//! Labelled image sets, made here or read from files.
//!
//! [`Spec`] names a source (`--data SPEC`), [`Options`] say what to keep of it
//! and how to prepare it, [`load`] gives the images and [`prepare()`] the
//! matrices that the theory and the networks work on.
//!
//! A new source is a module with a `KIND` and a line in the registry in [`spec`].
//!
//! # What is read of files
//! Each row is tested with the sets in its last column (`tests/golden/images`, made by the script there). "Said"
//! means in [`Told::notes`](crate::field::Told::notes), which commands print.
//!
//! | source | layout, type | what is read | tested with |
//! |---|---|---|---|
//! | `folder` | a directory for each class, with JPEG, PNG, WebP, TIFF, BMP, GIF | read | formats |
//! | `folder` | directories of splits, by any of their usual names, alone in one of their own name | read | splits splits_test |
//! | `folder` | another split than those | refused: those are named | splits_none |
//! | `folder` | images in directories of splits, without classes | refused | splits_alone |
//! | `folder` | a directory of the split that holds directories, beside others | read: the others are left aside, said | vehicles |
//! | `folder` | splits below classes | refused | parts_below |
//! | `folder` | directories below those of classes | read: of these classes, said | below |
//! | `folder` | directories without images, other files, images beside the directories | read without them: said, counted by kind | stray |
//! | `folder` | a file called an image that is none | refused | page |
//! | `folder` | the same with `--skip-bad` | read without it: counted | page_skipped |
//! | `folder` | images without directories | refused where labels are needed | bare |
//! | `folder` | the same where no labels are needed | read | bare_unlabelled |
//! | `parquet` | a group with `bytes`, and a column called label or the like; class names of Hugging Face | read | hf |
//! | `parquet` | images in a column of bytes, also beside a group of another name | read | bytes thumbs |
//! | `parquet` | labels that are texts, plain or as a dictionary; truth values | read: sorted names, said | texts dictionary truths |
//! | `parquet` | labels that are whole numbers of a floating-point type | read | floats |
//! | `parquet` | no column called so, but one of whole numbers that repeat | read: said | lone |
//! | `parquet` | a column called so that holds something else | refused | other_kind |
//! | `parquet` | shards with other columns | refused | columns |
//! | `parquet` | two classes of one name | read: they stay two | twice |
//! | `parquet` | another column, named by `--labels` | read | said |
//! | `parquet` | no column but one that numbers the images; several columns | refused: `--labels` says which | numbers several |
//! | `parquet` | labels of which some are null, NaN or −1 | read without those images: said, counted | nulls nan minus |
//! | `parquet` | labels that all are, as hidden ones | refused | hidden |
//! | `parquet` | the same where no labels are needed | read | hidden_unlabelled |
//! | `parquet` | labels without names that all are −1 or 1 | read: two classes, said | signs |
//! | `parquet` | paths without bytes, of files in the folder of the Parquet file or below | read | paths_beside |
//! | `parquet` | paths of files that are not there, or elsewhere | refused | paths outside |
//! | `parquet` | a list of one image in each row | read | lists |
//! | `parquet` | lists of several, or of none | refused: the row is named | several_images no_image |
//! | `parquet` | compressed by snappy, gzip, brotli, lz4, zstd | read | snappy gzip brotli lz4 zstd |
//! | `parquet` | a folder of shards, with splits in their names | read | parts parts_validation |
//! | `parquet` | another split than those | refused: those are named | parts_test |
//! | `arrow` | a `Dataset` of `save_to_disk`, of a `DatasetDict` the split | read | saved saved_parts saved_parts_test |
//! | `arrow` | another split than that, or those | refused: those are named | saved_test saved_parts_validation |
//! | `arrow` | the part of a `DatasetDict`, with its own split | read | saved_test_said |
//! | `arrow` | labels that are integers, whole floating-point numbers, truth values | read | arrow_u1 arrow_floats arrow_truths |
//! | `arrow` | labels that are texts, plain or as a dictionary, of which some are null | read without those images: said | saved_words arrow_dictionary arrow_nan |
//! | `arrow` | labels that all are −1 | refused | saved_hidden |
//! | `arrow` | the same where no labels are needed | read | saved_hidden_unlabelled |
//! | `arrow` | Arrow's file format, images in a column of bytes, also beside a group of another name | read | arrow_footer arrow_two_images |
//! | `arrow` | a folder of the cache of `datasets` | read: files of no split are left aside, said | arrow_cache |
//! | `arrow` | compressed batches; paths of files that are not there | refused | arrow_packed arrow_paths |
//! | `webdataset` | images with `.cls` beside them, numbers or texts | read | wds_cls wds_words |
//! | `webdataset` | images with a key `label` in `.json` beside them | read | wds_json |
//! | `webdataset` | no member or key called so | refused: `--labels` says which | wds_captions |
//! | `webdataset` | another member, named by `--labels` | read | wds_said |
//! | `webdataset` | samples of which some have no label, or no image | read without them: said, counted | wds_some |
//! | `webdataset` | several images in a sample | refused | wds_two |
//! | `webdataset` | a folder of shards, with splits in their names | read | wds_shards wds_shards_val |
//! | `webdataset` | another split than those; compressed archives | refused | wds_shards_test wds_gzipped |
//! | `npz` | (N, H, W), (N, C, H, W), (N, H, W, C); in C and Fortran order | read | nhw nchw nhwc fortran |
//! | `npz` | a fourth channel of whole numbers | read without it: it is alpha, said | rgba |
//! | `npz` | an axis of channels at both places | read: the second axis, said | both |
//! | `npz` | more than 4 channels | refused: `--layout` says which they are | volume |
//! | `npz` | the same with `--layout` | read | volume_said |
//! | `npz` | (N, d), d being a square, or three | read: said | flat |
//! | `npz` | (N, d) otherwise | refused: `--layout HxW` says what they are | flat_other rows |
//! | `npz` | (N, d) with `--layout HxW`, `CxHxW`, `HxWxC` | read | rows_said by_channel by_pixel |
//! | `npz` | the same of other lengths | refused | rows_wrong |
//! | `npz` | `.npy` files in a folder, as the arrays of an archive | read | npy npy_test |
//! | `npz` | another split than theirs | refused: those there are named | npy_validation |
//! | `npz` | a `.npy` file of images, and that of labels beside it | read | npy_file |
//! | `npz` | the same with several of labels | read: the first, said | npy_both |
//! | `npz` | one whose name does not tell which | refused: `--labels FILE` says where | npy_other |
//! | `npz` | the same with `--labels`, a file or a name beside it | read | npy_said npy_elsewhere |
//! | `npz` | arrays by their usual names, and by their places | read | nhwc positions medical medical_validation |
//! | `npz` | u2, f2, f4, f8 in either byte order; wider integers that are bytes | read | types_u2 types_u2_big types_f2 types_f4 types_f8_big types_i8 |
//! | `npz` | wider integers that are not | refused: `--divide-by` | wide |
//! | `npz` | floating-point numbers outside of 0 to 1 | read: said | beyond |
//! | `npz` | the same with `--divide-by` | read | divided |
//! | `npz` | labels counted from 1 | read: no empty class, said | from_one |
//! | `npz` | labels of which some are −1 | read without those images: said | some_labels |
//! | `npz` | labels −1 and 1 | read: two classes, said | sign_labels |
//! | `npz` | labels (N), (N, 1), of any type, one-hot | read | column float_labels truth_labels one_hot |
//! | `npz` | labels that are texts | read: sorted names, said | words byte_words words_big |
//! | `npz` | pixels that are texts | refused | text_pixels |
//! | `npz` | several labels for an image; real targets (N, K) | read: as real targets | many real |
//! | `npz` | labels that are no whole numbers; objects | refused | half_labels objects |
//! | `npz` | no labels | refused where they are needed | alone |
//! | `npz` | the same where no labels are needed | read | alone_unlabelled |
//! | `npz` | another array of labels, named by `--labels` | read | two_said |
//! | `idx` | images with labels beside them; these as rows of integers, the class first (QMNIST) | read | mnist qmnist |
//! | `idx` | a folder with one file of images for each split | read | idx_folder |
//! | `idx` | a folder without one for the split | refused: those there are named | idx_folder_test |
//! | `idx` | no labels beside them | refused: what was tried is named | idx_alone |
//! | `idx` | labels elsewhere, named by `--labels`; channels last | read | idx_said |
//! | `cifar` | the python pickles; the binary files are tested in `cifar` | read | cifar |
//! | `cifar` | the archive as it is downloaded | read | cifar_packed |
//! | `cifar` | another archive | refused | cifar_other |
//! | `cifar` | `data` of shape (N, 3, 32, 32) | read | cifar_axes |

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
pub mod labels;
pub mod leaves;
pub mod npz;
pub mod outputs;
pub mod planted;
pub mod prepare;
pub mod reduce;
pub mod select;
pub mod shapes;
pub mod shards;
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
    /// What the numbers of arrays are divided by; without it 255 for bytes, in whole numbers of any type, 65535
    /// for u2, and 1 for others.
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
