//! What an audit found: `audit.json`, and the same in words.

mod words;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Rate;
use super::adcs::Adcs;
use super::bands::Bands;
use super::dominance::Dominance;
use super::gradient::{ModeUses, SquaredJacobian};
use super::heatmap::HeatMap;
use super::layers::{Comparison, Layers, Trace};
use super::pair::Pair;
use super::profile::Profile;
use super::shape::ShapeBias;
use super::swap::Swap;
use crate::disk;
use crate::error::{Error, Result};
use crate::weights::Origin;

pub use words::{Part, conventions, percent};

/// Version of the layout of `audit.json`.
pub const SCHEMA: u32 = 1;
/// Its name.
pub const FILE: &str = "audit.json";

/// Everything an audit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Version of the layout.
    pub schema: u32,
    /// Version and commit of domfreq.
    pub version: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Whether it was a quick one.
    pub quick: bool,
    /// What was audited.
    pub network: Network,
    /// The convolutions, by their weights alone.
    pub layers: Layers,
    /// What it was compared with.
    pub second: Option<Second>,
    /// The layers at all checkpoints of a run.
    pub series: Option<Series>,
    /// What was found by showing it images.
    #[serde(flatten)]
    pub on_images: OnImages,
}

/// What was found by showing a network images. What was not looked at is null, and
/// `left_out` says why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OnImages {
    /// The images it was shown.
    pub images: Option<Images>,
    /// The first layer on the principal components of image patches.
    pub first: Option<Profile>,
    /// What it makes of the modes of the images.
    pub modes: Option<ModeUses>,
    /// To which frequencies its outputs react.
    pub jacobian: Option<SquaredJacobian>,
    /// The Fourier heat map.
    pub heatmap: Option<HeatMap>,
    /// Answers to filtered images.
    pub bands: Option<Bands>,
    /// Answers to images of mixed phases and amplitudes.
    pub swap: Option<Swap>,
    /// Where classes have more energy than the others; of the images alone.
    pub adcs: Option<Adcs>,
    /// Which frequencies it needs for each class.
    pub dominance: Option<Dominance>,
    /// Shape or texture.
    pub shape: Option<ShapeBias>,
    /// What was not looked at, and why.
    pub left_out: Vec<LeftOut>,
}

/// A network as it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The file of its weights.
    pub weights: String,
    /// How the file was read; None for a checkpoint of a run.
    pub origin: Option<Origin>,
    /// XXH3-128 of names, shapes and numbers, in hexadecimal.
    pub hash: String,
    /// Tensors of its state dict.
    pub tensors: usize,
    /// Numbers in them.
    pub numbers: usize,
    /// What it is; None where only its weights were looked at and no known network fits.
    pub architecture: Option<String>,
    /// How that is known; which network is nearest, where none fits.
    pub how: Option<String>,
}

/// The network it was compared with, b; the audited one is a.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// What it is.
    pub network: Network,
    /// Its convolutions.
    pub layers: Layers,
    /// What is different: b − a.
    pub comparison: Comparison,
    /// What was found by showing it the same images.
    #[serde(default)]
    pub on_images: OnImages,
    /// Its answers beside those of a, where both were shown the same images.
    #[serde(default)]
    pub pair: Option<Pair>,
}

/// The convolutions at several steps of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Updates made at each.
    pub steps: Vec<u64>,
    /// Each layer at all of them.
    pub traces: Vec<Trace>,
}

/// The images a network was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Images {
    /// `--data` as it was given.
    pub spec: String,
    /// Which split; None of a set that is stored in one piece.
    pub split: Option<String>,
    /// Where they came from, in one line.
    pub description: String,
    /// The decoder, where they were decoded: it touches the highest frequencies.
    pub decoder: Option<String>,
    /// How many.
    pub count: usize,
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    /// Names of the classes; None without labels of the network's classes.
    pub classes: Option<Vec<String>>,
    /// How pixels are normalised for the network.
    pub normalize: String,
    /// Right answers; None without labels.
    pub accuracy: Option<Rate>,
}

/// A part that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Which part.
    pub part: String,
    /// Why.
    pub why: String,
}

impl Audit {
    /// Writes `audit.json` into `dir`, complete or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, dir: &Path) -> Result<()> {
        let text = serde_json::to_string(self).expect("every field has a JSON form");
        disk::write_bytes(&dir.join(FILE), text.as_bytes())
    }

    /// Reads the `audit.json` of `dir`.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for what is none, or of a newer layout.
    pub fn read(dir: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let path = dir.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let wrong = |e| Error::input(path.display(), "what `domfreq audit` wrote", e);
        let version: Version = serde_json::from_str(&text).map_err(wrong)?;
        if version.schema != SCHEMA {
            let found = format!("schema {}", version.schema);
            return Err(Error::input(path.display(), format_args!("schema {SCHEMA}"), found));
        }
        serde_json::from_str(&text).map_err(wrong)
    }
}

impl OnImages {
    /// Names of the classes of the images; none where labels do not count.
    pub fn class_names(&self) -> &[String] {
        self.images.as_ref().and_then(|i| i.classes.as_deref()).unwrap_or_default()
    }
}
