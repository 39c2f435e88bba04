//! Shape bias: does a network classify by shape or by texture where the two
//! disagree?
//!
//! Source: Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR
//! 2019.
//!
//! # Conventions
//! - Images whose shape and texture are of the same class are left out (80 of the
//!   1,280 stimuli of the paper).
//! - Shape bias = decisions for the shape / (for the shape + for the texture), over
//!   images; decisions for a third class do not count.
//! - A network with the 1,000 classes of ImageNet decides among 16 categories for
//!   the one whose classes have the largest *mean* probability (softmax in double
//!   precision), the first in alphabetical order of several. Any other network
//!   decides for its largest output, by the name of that class.
//! - Stimuli are shown whole, in the size of the network's images. (The usual
//!   preparation of photographs, resizing to 256 and cropping the central 224, is
//!   not for them: they are 224×224.)

use ndarray::{Array1, ArrayView1};
use serde::{Deserialize, Serialize};

use super::{CATEGORIES, CUES};
use crate::audit::Rate;
use crate::error::{Error, Result, listed};

/// Outputs of a network for ImageNet.
const IMAGENET: usize = 1000;

/// Category, an index into [`CATEGORIES`], with the largest mean of 1,000
/// probabilities.
///
/// # Panics
/// If there are fewer than 1,000.
pub fn imagenet_decision(probabilities: ArrayView1<f64>) -> usize {
    let mean = |members: &[u16]| {
        members.iter().map(|&m| probabilities[usize::from(m)]).sum::<f64>() / members.len() as f64
    };
    largest(CATEGORIES.iter().map(|(_, members)| mean(members)).collect::<Array1<f64>>().view())
}

/// How outputs become classes of stimuli.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mapping {
    /// ImageNet's classes to 16 categories, by mean probability.
    Imagenet,
    /// The largest output, by the name of its class.
    Names,
}

/// A [`Mapping`] for a network and stimuli.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    mapping: Mapping,
    /// For each category or output the index of the stimuli's class of its name.
    classes: Vec<Option<u32>>,
}

impl Decision {
    /// For a network of `outputs` outputs, named `outputs_are` where that is known,
    /// and stimuli of the classes `names`, called `which`. Where all of `names` are among the
    /// outputs', decisions are by name; 16 outputs without names are the 16
    /// categories in alphabetical order; 1,000 outputs are ImageNet's.
    ///
    /// # Errors
    /// [`Error::Input`] where stimuli have classes that the network cannot decide for.
    pub fn new(
        which: &str,
        outputs: usize,
        outputs_are: Option<&[String]>,
        names: &[String],
    ) -> Result<Self> {
        let index = |name: &str| names.iter().position(|n| n == name).map(|i| i as u32);
        let categories = || CATEGORIES.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        let missing = |among: &[String]| names.iter().find(|n| !among.contains(n)).cloned();
        let known = match outputs_are {
            Some(known) if known.len() != outputs => {
                let expected = format!("one for each of the network's {outputs} outputs");
                return Err(Error::input("names of classes", expected, known.len()));
            }
            Some(known) => Some(known.to_vec()),
            None => (outputs == CATEGORIES.len()).then(categories),
        };
        if let Some(known) = &known
            && (outputs != IMAGENET || missing(known).is_none())
        {
            return match missing(known) {
                Some(name) => {
                    let expected = format!("classes of the network ({})", listed(known));
                    Err(Error::input(which, expected, format_args!("`{name}`")))
                }
                None => {
                    Ok(Self { mapping: Mapping::Names, classes: known.iter().map(|n| index(n)).collect() })
                }
            };
        }
        if outputs != IMAGENET {
            let expected =
                "the names of the network's classes, or ImageNet's 1000 outputs, or the 16 categories'";
            return Err(Error::input(
                which,
                expected,
                format_args!("{outputs} outputs without names"),
            ));
        }
        if let Some(name) = missing(&categories()) {
            let expected = format!("the 16 categories ({})", listed(&categories()));
            return Err(Error::input(which, expected, format_args!("`{name}`")));
        }
        let classes = CATEGORIES.iter().map(|(name, _)| index(name)).collect();
        Ok(Self { mapping: Mapping::Imagenet, classes })
    }

    /// Which way it goes.
    pub fn mapping(&self) -> Mapping {
        self.mapping
    }

    /// The stimuli's class that a network decides for by its probabilities; none for
    /// a class that no stimulus has.
    ///
    /// # Panics
    /// If there is not one probability for each output.
    pub fn decide(&self, probabilities: ArrayView1<f64>) -> Option<u32> {
        match self.mapping {
            Mapping::Imagenet => self.classes[imagenet_decision(probabilities)],
            Mapping::Names => self.classes[largest(probabilities)],
        }
    }
}

/// The first of the largest.
fn largest(values: ArrayView1<f64>) -> usize {
    let pick =
        |best: (usize, f64), (i, &value): (usize, &f64)| if value > best.1 { (i, value) } else { best };
    values.indexed_iter().fold((0, f64::NEG_INFINITY), pick).0
}

/// Decisions, counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// For the class of the shape.
    pub shape: u64,
    /// For the class of the texture.
    pub texture: u64,
    /// For a third class.
    pub other: u64,
    /// shape / (shape + texture); none where both are 0.
    pub bias: Option<Rate>,
}

impl Decided {
    /// Of counted decisions.
    pub fn new(shape: u64, texture: u64, other: u64) -> Self {
        let bias = (shape + texture > 0).then(|| Rate::new(shape, shape + texture));
        Self { shape, texture, other, bias }
    }
}

/// Decisions on the images of one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByShape {
    /// The class of the shape.
    pub name: String,
    /// What was decided for.
    pub decided: Decided,
}

/// Shape bias of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapeBias {
    /// How the network's outputs became decisions.
    pub mapping: Mapping,
    /// Images there are.
    pub images: u64,
    /// Images left out, whose shape and texture are of one class.
    pub agreeing: u64,
    /// Decisions on all others.
    pub decided: Decided,
    /// Share of all others that were classified as their shape or their texture.
    pub either: Rate,
    /// Decisions for each shape that has images.
    pub by_shape: Vec<ByShape>,
}

impl ShapeBias {
    /// Counts `decisions`, made by `mapping`, one for each image, given the classes of
    /// their shapes and textures and the names of these.
    ///
    /// # Errors
    /// [`Error::Input`] where no image has cues that conflict.
    pub fn new(
        mapping: Mapping,
        shapes: &[u32],
        textures: &[u32],
        decisions: &[Option<u32>],
        names: &[String],
    ) -> Result<Self> {
        let mut counts = vec![[0u64; 3]; names.len()];
        for ((&shape, &texture), &decision) in shapes.iter().zip(textures).zip(decisions) {
            if shape != texture {
                let seen = [Some(shape), Some(texture)].iter().position(|cue| *cue == decision).unwrap_or(2);
                counts[shape as usize][seen] += 1;
            }
        }
        let images = shapes.len() as u64;
        let of = |[shape, texture, other]: [u64; 3]| Decided::new(shape, texture, other);
        let sum = [0, 1, 2].map(|seen| counts.iter().map(|c| c[seen]).sum::<u64>());
        let used = sum.iter().sum::<u64>();
        if used == 0 {
            let found = format!("none among {images}");
            return Err(Error::input(CUES, "images whose cues are of two classes", found));
        }
        let by_shape = names.iter().zip(&counts).filter(|(_, c)| c.iter().sum::<u64>() > 0);
        let by_shape = by_shape.map(|(name, &c)| ByShape { name: name.clone(), decided: of(c) });
        Ok(Self {
            mapping,
            images,
            agreeing: images - used,
            decided: of(sum),
            either: Rate::new(sum[0] + sum[1], used),
            by_shape: by_shape.collect(),
        })
    }
}

#[cfg(feature = "torch")]
pub use run::{decided, measure};

#[cfg(feature = "torch")]
mod run {
    use ndarray::{ArrayView4, s};
    use tch::Kind;

    use super::super::Stimuli;
    use super::*;
    use crate::audit::subject::{CHUNK, Subject};
    use crate::model::convert;
    use crate::field::repeated;
    use crate::progress::Progress;

    /// Shape bias of the network of `subject`, whose own images are not looked at;
    /// `outputs_are`: names of its classes, where known ([`Decision::new`]).
    ///
    /// # Errors
    /// [`Error::Input`] for stimuli of another size than the network's images, for
    /// classes that it cannot decide for, and where no cues conflict;
    /// [`Error::Device`].
    pub fn measure(
        subject: &Subject,
        stimuli: &Stimuli,
        outputs_are: Option<&[String]>,
    ) -> Result<ShapeBias> {
        let decision = Decision::new(CUES, subject.net.outputs(), outputs_are, &stimuli.names)?;
        let decisions = decided(subject, stimuli.images.view(), &decision, CUES)?;
        ShapeBias::new(decision.mapping(), &stimuli.shapes, &stimuli.textures, &decisions, &stimuli.names)
    }

    /// What the network of `subject` decides for on each of `images`, which are called `what`.
    ///
    /// # Errors
    /// [`Error::Input`] for images of another size than the network's; [`Error::Device`].
    pub fn decided(
        subject: &Subject,
        images: ArrayView4<f32>,
        decision: &Decision,
        what: &str,
    ) -> Result<Vec<Option<u32>>> {
        let (count, c, h, w) = images.dim();
        let [ec, eh, ew] = subject.net.shape();
        if [h, w] != [eh, ew] || ![1, ec].contains(&c) {
            let expected = format!("images of {ec}x{eh}x{ew}, as the network was built for");
            return Err(Error::input(what, expected, format_args!("{c}x{h}x{w}")));
        }
        let mut decisions = Vec::with_capacity(count);
        let progress = Progress::new(what, count as u64);
        for at in (0..count).step_by(CHUNK) {
            let part = images.slice(s![at..(at + CHUNK).min(count), .., .., ..]);
            // Grey ones are those of all channels alike.
            let part = repeated(part.to_owned(), ec);
            let part = convert::tensor(part.view(), Kind::Float, subject.pixels.device())?;
            let chances = convert::matrix(&subject.logits(&part)?.f_softmax(1, Kind::Double)?)?;
            if chances.iter().any(|p| p.is_nan()) {
                return Err(Error::input("outputs of the network", "numbers", "NaN"));
            }
            decisions.extend(chances.rows().into_iter().map(|row| decision.decide(row)));
            progress.inc(chances.nrows() as u64);
        }
        Ok(decisions)
    }
}
