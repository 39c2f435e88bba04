//! `[N, C, H, W]` arrays of images and their targets.

use std::collections::{BTreeMap, HashMap};

use ndarray::{Array2, Array4, Axis};
use serde::{Deserialize, Serialize};

/// A labelled image set: the one type every source of data becomes.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// Images `[N, C, H, W]`; pixels of image files are in [0, 1].
    pub images: Array4<f32>,
    /// One target per image.
    pub targets: Targets,
    /// Where it came from.
    pub source: Provenance,
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

/// Where an [`ImageSet`] came from, kept for the manifest of a run.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// One line for the reader of a log ("parquet, 2 files").
    pub description: String,
    /// The image decoder and its version, where one was used: decoders differ
    /// in the last bit, and with it in the highest frequencies.
    pub decoder: Option<String>,
    /// What its user has to know.
    pub told: Told,
    /// The classes as they were stored, where some have no samples and are no classes of this set.
    pub stored: Option<Stored>,
    /// The part that was read; None of a set that is stored in one piece, whichever
    /// part was asked for.
    pub split: Option<String>,
    /// The size that images were brought to because they were large or of different sizes, and
    /// none was asked for ([`Options::reduce`](crate::data::Options)).
    pub reduced: Option<(usize, usize)>,
}

/// What is to be known of a set beside its images; in reports as keys of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Images left out because they did not decode (`--skip-bad`).
    pub skipped: usize,
    /// What else was found where the images were, by kind: how many files of it were left aside.
    pub aside: BTreeMap<String, usize>,
    /// What was decided about the set, where it could have been meant otherwise: sentences for its user.
    pub notes: Vec<String>,
}

/// All classes of which a set has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Their names, in the stored order.
    pub names: Vec<String>,
    /// For each class of the set its place among them.
    pub places: Vec<u32>,
}

/// The end of a description: how many entries were left `aside`.
pub fn left_aside(aside: &BTreeMap<String, usize>) -> String {
    match aside.values().sum::<usize>() {
        0 => String::new(),
        count => format!(", {count} other entries left aside"),
    }
}

impl Told {
    /// The same, with `notes` behind its own.
    pub fn with(&self, notes: &[String]) -> Self {
        let notes = self.notes.iter().chain(notes).cloned().collect();
        Self { notes, ..self.clone() }
    }

    /// The same in sentences: images left out, files left aside, what was decided.
    pub fn lines(&self) -> Vec<String> {
        let mut told = Vec::new();
        if self.skipped > 0 {
            told.push(format!("{} images did not decode and were left out (--skip-bad)", self.skipped));
        }
        if !self.aside.is_empty() {
            let counted: Vec<_> = self.aside.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            told.push(format!("left aside: {}", counted.join(", ")));
        }
        told.extend(self.notes.iter().cloned());
        told
    }
}

impl ImageSet {
    /// The images with all classes that were stored, those without samples among them.
    pub fn with_all_stored(mut self) -> Self {
        if let Targets::Classes { labels, names } = &mut self.targets
            && let Some(Stored { names: all, places }) = self.source.stored.take()
        {
            labels.iter_mut().for_each(|label| *label = places[*label as usize]);
            *names = all;
        }
        self
    }

    /// The images with the classes `names`, in which all of theirs are: what is stored of a part of a set may
    /// lack some. None where there are others, and where names are alike, so that they tell nothing.
    pub fn among(self, names: &[String]) -> Option<Self> {
        if self.source.stored.as_ref().is_some_and(|stored| stored.names == names) {
            return Some(self.with_all_stored());
        }
        let mut set = self;
        if let Targets::Classes { labels, names: own } = &mut set.targets
            && own.as_slice() != names
        {
            let mut places = HashMap::new();
            let alone =
                names.iter().enumerate().all(|(place, name)| places.insert(name, place as u32).is_none());
            let places = own.iter().map(|name| places.get(name).copied()).collect::<Option<Vec<u32>>>();
            let places = places.filter(|_| alone)?;
            labels.iter_mut().for_each(|label| *label = places[*label as usize]);
            *own = names.to_vec();
        }
        Some(set)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.dim().0
    }

    /// Whether there is no image at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `count` images at even distances, copied; all where there are fewer.
    pub fn thinned(&self, count: usize) -> Self {
        let count = count.min(self.len());
        self.part(&(0..count).map(|i| i * self.len() / count).collect::<Vec<_>>())
    }

    /// The images `rows`, copied.
    pub fn part(&self, rows: &[usize]) -> Self {
        Self {
            images: self.images.select(Axis(0), rows),
            targets: match &self.targets {
                Targets::Classes { labels, names } => {
                    let labels = rows.iter().map(|&row| labels[row]).collect();
                    Targets::Classes { labels, names: names.clone() }
                }
                Targets::Real(y) => Targets::Real(y.select(Axis(0), rows)),
            },
            source: self.source.clone(),
        }
    }

    /// Images of one channel as images of `channels` alike, as a grey photo is one of
    /// colours; others as they are.
    pub fn repeated(mut self, channels: usize) -> Self {
        if self.images.dim().1 == 1 && channels > 1 {
            self.images = repeated(self.images, channels);
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

/// Images `[N, 1, H, W]` as `[N, channels, H, W]`, all channels alike; others as they are.
pub fn repeated(images: Array4<f32>, channels: usize) -> Array4<f32> {
    let (n, c, h, w) = images.dim();
    match images.broadcast((n, channels, h, w)) {
        Some(more) if c == 1 && channels > 1 => more.to_owned(),
        _ => images,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered() -> ImageSet {
        let images = Array4::from_shape_fn((10, 1, 1, 2), |(n, _, _, x)| (2 * n + x) as f32);
        let names = vec!["a".to_owned(), "b".to_owned()];
        let labels = (0..10).map(|i| i % 2).collect();
        ImageSet { images, targets: Targets::Classes { labels, names }, source: Provenance::default() }
    }

    #[test]
    fn thinned_sets_keep_images_with_their_labels() {
        let set = numbered().thinned(4);
        let first: Vec<f32> = set.images.slice(ndarray::s![.., 0, 0, 0]).to_vec();
        assert_eq!(first, [0.0, 4.0, 10.0, 14.0]);
        let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
        assert_eq!(labels, &[0, 0, 1, 1]);
        assert_eq!(numbered().thinned(99).images, numbered().images);
        assert!(numbered().thinned(0).is_empty());
        let real = ImageSet { targets: Targets::Real(Array2::zeros((10, 0))), ..numbered() };
        assert_eq!(real.thinned(3).targets.len(), 3);
    }

    #[test]
    fn parts_take_the_classes_of_the_whole_by_name() {
        let classes = |set: &ImageSet| match &set.targets {
            Targets::Classes { labels, names } => (labels[..3].to_vec(), names.join(" ")),
            Targets::Real(_) => panic!("classes"),
        };
        let among =
            |names: &[&str]| numbered().among(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!(classes(&among(&["x", "b", "a"]).unwrap()), (vec![2, 1, 2], "x b a".to_owned()));
        assert_eq!(classes(&among(&["a", "b"]).unwrap()), (vec![0, 1, 0], "a b".to_owned()));
        assert!(among(&["a", "x"]).is_none());
        // Of two alike neither is meant, unless the set says which it has.
        assert!(among(&["a", "b", "b"]).is_none());
        let all = ["a", "a", "b", "b"].map(str::to_owned).to_vec();
        let mut set = numbered();
        set.source.stored = Some(Stored { names: all.clone(), places: vec![1, 3] });
        assert_eq!(classes(&set.clone().among(&all).unwrap()), (vec![1, 3, 1], "a a b b".to_owned()));
        assert_eq!(classes(&set.with_all_stored()), (vec![1, 3, 1], "a a b b".to_owned()));
    }

    #[test]
    fn one_channel_becomes_several() {
        let set = numbered().repeated(3);
        assert_eq!((set.images.dim(), set.images[[4, 2, 0, 1]]), ((10, 3, 1, 2), 9.0));
        assert!(set.source.description.contains("repeated in 3"));
        assert_eq!(set.clone().repeated(1).images, set.images);
        assert_eq!(numbered().repeated(1).source.description, "");
    }
}
