//! Networks and images that the checks are made on.

use ndarray::Array4;
use rand::Rng;
use tch::{Device, Kind};

use crate::data::Samples;
use crate::data::prepare::{Normalize, prepare};
use crate::error::Result;
use crate::field::{ImageSet, Provenance, Targets as Labels};
use crate::model::deep::{Architecture, Deep};
use crate::run::RunConfig;
use crate::run::config::{AugmentConfig, DeepConfig, Dtype, InitKind, ModelKind, Stem};
use crate::train::deep::{Images, Pixels, Targets, Trainer};

/// Classes of the images.
pub const CLASSES: usize = 10;

/// Images of noise on a wave that tells the class, as they are trained on.
pub struct Material {
    pub samples: Samples,
    pub pixels: Pixels,
}

impl Material {
    pub fn new(images: usize, side: usize) -> Result<Self> {
        let mut rng = crate::seed::rng(0, "gpu-check", 0);
        let labels: Vec<u32> = (0..images).map(|i| (i % CLASSES) as u32).collect();
        let images = Array4::from_shape_fn((images, 3, side, side), |(i, c, y, x)| {
            let wave = (labels[i] as usize + 1) * (x + c * y) % 64;
            f32::from((rng.random::<u8>() / 2) + wave as u8) / 255.0
        });
        let names = (0..CLASSES).map(|i| i.to_string()).collect();
        let set =
            ImageSet { images, targets: Labels::Classes { labels, names }, source: Provenance::default() };
        let pixels = Pixels::new(set.images.view());
        Ok(Self { samples: prepare(set, Normalize::Channel, true)?, pixels })
    }
}

/// How a network is trained here.
#[derive(Clone, Copy)]
pub struct Way {
    pub model: ModelKind,
    pub stem: Stem,
    pub dtype: Dtype,
    pub batch: usize,
    pub augment: bool,
}

impl Way {
    pub fn config(&self) -> Result<DeepConfig> {
        let mut config = RunConfig::default();
        config.model.kind = self.model;
        config.train.batch = Some(self.batch);
        config.train.eta = Some(1e-3);
        config.run.dtype = self.dtype;
        if self.augment {
            config.augment = AugmentConfig { crop: 4, flip: true };
        }
        config.deep()
    }

    pub fn kind(&self) -> Kind {
        if self.dtype == Dtype::F64 { Kind::Double } else { Kind::Float }
    }

    pub fn net(&self, samples: &Samples, device: Device) -> Result<Deep> {
        let mut architecture = Architecture::usual(self.model, samples.shape, CLASSES);
        architecture.stem = self.stem;
        // Drawn in single precision for all, so that all begin alike.
        let drawn = Deep::new(architecture.clone(), InitKind::Kaiming, 0, Kind::Float, Device::Cpu)?;
        Deep::with_weights(architecture, &drawn.state_dict()?, "gpu-check", self.kind(), device)
    }

    pub fn images(&self, material: &Material, device: Device) -> Result<Images> {
        let augment = self.config()?.augment;
        Images::new(&material.pixels, &material.samples, &augment, true, self.kind(), device)
    }

    pub fn trainer(&self, material: &Material, device: Device) -> Result<Trainer> {
        let config = self.config()?;
        let net = self.net(&material.samples, device)?;
        let targets = Targets::of_samples(&material.samples, &config.optim, &net)?;
        Trainer::new(&config, net, None, self.images(material, device)?, targets, 1_000_000)
    }
}
