//! `[N, C, H, W]` arrays of images and their targets.

use ndarray::{Array2, Array4};

/// A labelled image set: the one type every source of data becomes.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// Images `[N, C, H, W]`; pixels of image files are in [0, 1].
    pub images: Array4<f32>,
    /// One target per image.
    pub targets: Targets,
    /// Where it came from.
    pub source: Source,
}

/// What the network is asked for.
#[derive(Clone, Debug)]
pub enum Targets {
    /// Class indices in `0..names.len()`, one-hot for the network.
    Classes {
        /// One label per image.
        labels: Vec<u32>,
        /// One name per class, in the order of the labels.
        names: Vec<String>,
    },
    /// Real targets `[N, K]`; of images without labels K is 0.
    Real(Array2<f32>),
}

/// Provenance of an [`ImageSet`], kept for the manifest of a run.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// One line for the reader of a log ("parquet, 2 files").
    pub description: String,
    /// The image decoder and its version, where one was used: decoders differ
    /// in the last bit, and with it in the highest frequencies.
    pub decoder: Option<String>,
    /// Images left out because they did not decode (`--skip-bad`).
    pub skipped: usize,
    /// The part that was read; None of a set that is stored in one piece, whichever
    /// part was asked for.
    pub split: Option<String>,
}

impl ImageSet {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.dim().0
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `count` images, copied; all where there are fewer.
    pub fn first(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            images: self.images.slice(ndarray::s![..count, .., .., ..]).to_owned(),
            targets: match &self.targets {
                Targets::Classes { labels, names } => {
                    Targets::Classes { labels: labels[..count].to_vec(), names: names.clone() }
                }
                Targets::Real(y) => Targets::Real(y.slice(ndarray::s![..count, ..]).to_owned()),
            },
            source: self.source.clone(),
        }
    }

    /// Images of one channel as images of `channels` alike, as a grey photo is one of
    /// colours; others as they are.
    pub fn repeated(mut self, channels: usize) -> Self {
        let (n, c, h, w) = self.images.dim();
        if let Some(images) = self.images.broadcast((n, channels, h, w)).filter(|_| c == 1 && channels > 1) {
            self.images = images.to_owned();
            self.source.description += &format!(", one channel repeated in {channels}");
        }
        self
    }

    /// `[c, h, w]` of each image.
    pub fn shape(&self) -> [usize; 3] {
        let (_, c, h, w) = self.images.dim();
        [c, h, w]
    }
}

impl Targets {
    /// Number of outputs K.
    pub fn outputs(&self) -> usize {
        match self {
            Targets::Classes { names, .. } => names.len(),
            Targets::Real(y) => y.ncols(),
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Targets::Classes { labels, .. } => labels.len(),
            Targets::Real(y) => y.nrows(),
        }
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Targets as a matrix `[N, K]`, one-hot where they are classes.
    pub fn matrix(&self) -> Array2<f32> {
        match self {
            Targets::Classes { labels, names } => {
                let mut y = Array2::zeros((labels.len(), names.len()));
                for (i, &l) in labels.iter().enumerate() {
                    y[[i, l as usize]] = 1.0;
                }
                y
            }
            Targets::Real(y) => y.clone(),
        }
    }
}
