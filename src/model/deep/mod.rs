//! Deep networks for classification: ResNets as torchvision and He et al. (2016)
//! have them, and a plain CNN, with the switches that theory asks about
//! (nonlinearity, batch norm, padding).
//!
//! Tensors are named, shaped and ordered as in PyTorch's `state_dict`, and begin
//! as PyTorch's layers do, so that a network can be handed over in both ways.

mod cnn;
mod layers;
mod maker;
mod resnet;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::Padding;
use crate::run::RunConfig;
use crate::run::config::{InitKind, ModelKind, Shortcut, Stem};
use crate::weights::StateDict;

pub use layers::channels_last;
use maker::Maker;

/// How an update treats a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Kernels `[out, in, h, w]`.
    Kernel,
    /// Weights of a dense layer `[out, in]`.
    Matrix,
    /// Biases, and scale and shift of a norm.
    Vector,
    /// Running statistics of a norm: not trained.
    Buffer,
}

/// A tensor of a network, which shares the network's storage.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the state dict.
    pub name: String,
    /// The tensor; it asks for gradients where it is trained.
    pub tensor: Tensor,
    /// What it is.
    pub role: Role,
}

/// What a network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Which network.
    pub kind: ModelKind,
    /// `[c, h, w]` of the images.
    pub shape: [usize; 3],
    /// Outputs K.
    pub outputs: usize,
    /// Whether there are nonlinearities.
    pub nonlinear: bool,
    /// Whether convolutions are followed by batch norm.
    pub norm: bool,
    /// What kernels meet beyond the edges.
    pub padding: Padding,
    /// Shortcuts of CIFAR ResNets.
    pub shortcut: Shortcut,
    /// First layers of ResNets 18 to 152.
    pub stem: Stem,
    /// Channels, layers and kernel size of the CNN.
    pub plain: (usize, usize, (usize, usize)),
    /// Whether kernels are stored with their channels innermost, as images may be.
    pub channels_last: bool,
}

/// Images smaller than this have too few pixels for the ImageNet stem.
const SMALL: usize = 64;

impl Architecture {
    /// The usual form of `kind`, for images of `shape` `[c, h, w]` in `outputs` classes.
    pub fn usual(kind: ModelKind, shape: [usize; 3], outputs: usize) -> Self {
        let [_, h, w] = shape;
        Self {
            kind,
            shape,
            outputs,
            nonlinear: true,
            norm: true,
            padding: Padding::Zero,
            shortcut: Shortcut::A,
            stem: if h.min(w) < SMALL { Stem::Cifar } else { Stem::Imagenet },
            plain: (1, 1, (h, w)),
            channels_last: true,
        }
    }

    /// That of a configuration, for images of `shape` `[c, h, w]` in `outputs` classes.
    pub fn new(config: &RunConfig, shape: [usize; 3], outputs: usize) -> Self {
        let [_, h, w] = shape;
        let model = &config.model;
        let usual = Self::usual(model.kind, shape, outputs);
        Self {
            nonlinear: model.nonlinear,
            norm: model.norm,
            padding: model.padding(),
            shortcut: model.shortcut,
            stem: model.stem.unwrap_or(usual.stem),
            plain: (model.channels, model.layers, model.kernel.size((h, w))),
            channels_last: config.run.channels_last,
            ..usual
        }
    }
}

/// How a forward pass is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass<'a> {
    /// With gradients for the weights, and norms by the statistics of the batch,
    /// which they also take note of. Otherwise the running statistics are used,
    /// folded into the kernels, and nothing flows back to the weights.
    pub train: bool,
    /// Convolutions and products in bfloat16.
    pub half: bool,
    /// Receives what the layers put out, with their names.
    pub taps: Option<&'a Taps>,
}

/// Outputs of layers, with their names.
pub type Taps = RefCell<Vec<(String, Tensor)>>;

impl Pass<'_> {
    /// A training pass.
    pub fn train(half: bool) -> Self {
        Self { train: true, half, taps: None }
    }

    /// A pass that only looks.
    pub fn eval(half: bool) -> Self {
        Self { train: false, half, taps: None }
    }

    fn tap(&self, name: &str, tensor: &Tensor) {
        if let Some(taps) = self.taps {
            taps.borrow_mut().push((name.to_owned(), tensor.shallow_clone()));
        }
    }
}

/// The layers.
trait Body {
    /// Logits `[B, K]` of images `[B, c, h, w]`.
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor>;
}

/// A deep network.
pub struct Deep {
    architecture: Architecture,
    entries: Vec<Entry>,
    body: Box<dyn Body>,
}

impl Deep {
    /// With initial weights by `init` ([`InitKind::Pytorch`] or
    /// [`InitKind::Kaiming`]), drawn from `seed` and their names.
    ///
    /// # Errors
    /// [`Error::Input`] for a linear kind and for images too small for the
    /// network; [`Error::Device`] when the device has no room.
    pub fn new(
        architecture: Architecture,
        init: InitKind,
        seed: u64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let mut maker = Maker::new(&architecture, init, seed, kind, device);
        let body: Box<dyn Body> = match architecture.kind {
            ModelKind::Cnn => Box::new(cnn::Cnn::new(&mut maker)?),
            ModelKind::Fcnn | ModelKind::Lcnn => {
                return Err(Error::input("model.kind", "a deep network", architecture.kind));
            }
            _ => Box::new(resnet::ResNet::new(&mut maker)?),
        };
        let entries = maker.finish();
        Ok(Self { architecture, entries, body })
    }

    /// What it is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its tensors, in the order of PyTorch's `state_dict`.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Those that are trained.
    pub fn parameters(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|e| e.role != Role::Buffer)
    }

    /// Precision of the weights.
    pub fn kind(&self) -> Kind {
        self.entries[0].tensor.kind()
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.entries[0].tensor.device()
    }

    /// Logits `[B, K]` of images `[B, c, h, w]`, in the precision of the weights.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails: out of memory, mostly.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(self.body.forward(x, pass)?.f_to_kind(self.kind())?)
    }

    /// A copy of all tensors, with their names.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch refuses the copy.
    pub fn state_dict(&self) -> Result<StateDict> {
        state::save(self.entries.iter().map(|e| (e.name.as_str(), &e.tensor)))
    }

    /// Puts the tensors of `file`, read from `place`, into the network: all of
    /// them or, where one does not fit, none. Only the counters that files of
    /// PyTorch before 0.4.1 lack may be missing; nothing is computed from them.
    ///
    /// # Errors
    /// [`Error::Input`] with what is missing, unexpected or misshapen.
    pub fn load(&self, file: &StateDict, place: &str) -> Result<()> {
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        let old = !file.iter().any(|t| counter(t.name()));
        let entries = self.entries.iter().filter(|e| !(old && counter(&e.name)));
        let entries = entries.map(|e| (e.name.as_str(), &e.tensor));
        state::load(entries, file, place, &self.architecture.kind.to_string())
    }
}

/// Named tensors as files hold them, and back.
pub mod state {
    use super::{Result, StateDict, Tensor};
    use crate::model::convert;

    /// A copy of tensors with their names.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch refuses the copy.
    pub fn save<'a>(tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> Result<StateDict> {
        let mut dict = StateDict::default();
        for (name, tensor) in tensors {
            dict.push(convert::named(name, tensor)?)?;
        }
        Ok(dict)
    }

    /// Copies the tensors of `file`, read from `place`, into those of the same
    /// names, which are those of `model`; all fit, or none is touched.
    ///
    /// # Errors
    /// [`crate::Error::Input`] with all that does not fit.
    pub fn load<'a>(
        tensors: impl Iterator<Item = (&'a str, &'a Tensor)>,
        file: &StateDict,
        place: &str,
        model: &str,
    ) -> Result<()> {
        let tensors: Vec<_> = tensors.collect();
        let shape = |t: &Tensor| t.size().iter().map(|&n| n as usize).collect();
        let expected: Vec<_> = tensors.iter().map(|(name, t)| ((*name).to_owned(), shape(t))).collect();
        file.check_names(place, model, &expected)?;
        let _no_grad = tch::no_grad_guard();
        for (name, tensor) in tensors {
            let stored = file.get(name).expect("names were checked");
            tensor.shallow_clone().f_copy_(&convert::from_named(stored)?)?;
        }
        Ok(())
    }
}
