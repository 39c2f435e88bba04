//! Deep networks for classification, built from the plans of [`crate::blueprint`]:
//! torchvision's, CIFAR ResNets and a plain CNN, with the switches that theory asks
//! about (nonlinearity, batch norm, padding) where a network has them.
//!
//! Tensors are named, shaped and ordered as in PyTorch's `state_dict`, so that a
//! network can be handed over in both ways. They begin as PyTorch's layers do; where
//! torchvision's networks then draw their own (VGG, DenseNet, MobileNets, SqueezeNet,
//! ConvNeXt, EfficientNet, transformers), these do not follow, but for [`InitKind::Kaiming`]'s convolutions.

mod attention;
mod layers;
mod maker;
mod net;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use rand::Rng;
use tch::{Device, Kind, Tensor};

use crate::blueprint::{Plan, current_name, guess};
use crate::error::{Error, Result};
use crate::model::convert;
use crate::run::config::InitKind;
use crate::seed::ChaCha8Rng;
use crate::weights::{NamedTensor, StateDict};

pub use crate::blueprint::Architecture;
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

/// How a forward pass is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass<'a> {
    /// With gradients for the weights, and norms by the statistics of the batch,
    /// which they also take note of. Otherwise the running statistics are used,
    /// folded into the kernels, and nothing flows back to the weights.
    pub train: bool,
    /// Of a training pass: norms by the running statistics, which stay what they are.
    pub frozen: bool,
    /// Convolutions and products in bfloat16.
    pub half: bool,
    /// Receives what the layers put out, with their names.
    pub taps: Option<&'a Taps>,
    /// What dropout and dropped blocks draw from in training; nothing is dropped without.
    pub draws: Option<&'a Draws>,
}

/// Where a pass draws from.
pub type Draws = RefCell<ChaCha8Rng>;

/// Outputs of layers, with their names.
pub type Taps = RefCell<Vec<(String, Tensor)>>;

impl Pass<'_> {
    /// A training pass that drops nothing.
    pub fn train(half: bool) -> Self {
        Self { train: true, half, ..Self::default() }
    }

    /// Answers as those of evaluation, with gradients for the weights.
    pub fn frozen() -> Self {
        Self { train: true, frozen: true, ..Self::default() }
    }

    /// A pass that only looks.
    pub fn eval(half: bool) -> Self {
        Self { train: false, half, ..Self::default() }
    }

    // Values of `shape` that are 1/p with probability p, else zero, as a factor of
    // `like`; none where nothing is dropped.
    fn kept(&self, p: f64, shape: &[i64], like: &Tensor) -> Result<Option<Tensor>> {
        let Some(draws) = self.draws.filter(|_| self.train && p < 1.0) else { return Ok(None) };
        let mut draws = draws.borrow_mut();
        let factor = (1.0 / p) as f32;
        let count = shape.iter().product::<i64>();
        let values = (0..count).map(|_| if draws.random_bool(p) { factor } else { 0.0 });
        let values = Tensor::f_from_slice(&values.collect::<Vec<_>>())?.f_reshape(shape)?;
        Ok(Some(values.f_to_kind(like.kind())?.f_to_device(like.device())?))
    }

    fn tap(&self, name: &str, tensor: &Tensor) {
        if let Some(taps) = self.taps {
            taps.borrow_mut().push((name.to_owned(), tensor.shallow_clone()));
        }
    }
}

/// A deep network.
pub struct Deep {
    architecture: Architecture,
    entries: Vec<Entry>,
    steps: Vec<net::Step>,
}

impl Deep {
    /// With initial weights by `init` ([`InitKind::Pytorch`] or
    /// [`InitKind::Kaiming`]), drawn from `seed` and their names.
    ///
    /// # Errors
    /// [`Error::Input`] for a linear kind, for a switch that the network does not
    /// have and for images too small for it; [`Error::Device`] when the device has
    /// no room.
    pub fn new(
        architecture: Architecture,
        init: InitKind,
        seed: u64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        Self::make(architecture, Some(init), seed, kind, device)
    }

    /// With the weights of `file`, read from `place`: [`Deep::new`] and
    /// [`Deep::load`], without drawing numbers first.
    ///
    /// # Errors
    /// Those of both.
    pub fn with_weights(
        architecture: Architecture,
        file: &StateDict,
        place: &str,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let net = Self::make(architecture, None, 0, kind, device)?;
        net.load(file, place)?;
        Ok(net)
    }

    fn make(
        architecture: Architecture,
        init: Option<InitKind>,
        seed: u64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let plan = Plan::new(&architecture)?;
        let mut maker = Maker::new(&architecture, init, seed, kind, device);
        let steps = net::steps(&mut maker, plan.layers())?;
        let entries = maker.finish();
        Ok(Self { architecture, entries, steps })
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

    /// Whether no weight is infinite or not a number.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn is_finite(&self) -> Result<bool> {
        let _no_grad = tch::no_grad_guard();
        let sums = self.parameters().map(|e| e.tensor.f_sum(Kind::Double));
        let sums = Tensor::f_stack(&sums.collect::<std::result::Result<Vec<_>, _>>()?, 0)?;
        Ok(f64::try_from(sums.f_sum(Kind::Double)?)?.is_finite())
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
        Ok(net::forward(&self.steps, x, pass)?.f_to_kind(self.kind())?)
    }

    /// Makes the running statistics of the norms those of the batch `x` `[B, c, h, w]`
    /// alone; nothing is dropped on the way.
    ///
    /// # Errors
    /// As [`Deep::forward`].
    pub fn take_statistics(&self, x: &Tensor) -> Result<()> {
        let statistics = || {
            let buffers = self.entries.iter().filter(|e| e.role == Role::Buffer);
            buffers.filter(|e| e.name.ends_with(".running_mean") || e.name.ends_with(".running_var"))
        };
        tch::no_grad(|| {
            for entry in statistics() {
                let _ = entry.tensor.shallow_clone().f_zero_()?;
            }
            let _ = self.forward(x, &Pass::train(false))?;
            // The batch came in with this weight.
            for entry in statistics() {
                let _ = entry.tensor.shallow_clone().f_div_scalar_(layers::MOMENTUM)?;
            }
            Ok(())
        })
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
    /// Names of DenseNets from that time are understood ([`current_name`]).
    ///
    /// # Errors
    /// [`Error::Input`] with what is missing, unexpected or misshapen; where that is
    /// the number of classes only, it says so.
    pub fn load(&self, file: &StateDict, place: &str) -> Result<()> {
        let renamed = renamed(file)?;
        let file = renamed.as_ref().unwrap_or(file);
        let counter = |name: &str| name.ends_with(".num_batches_tracked");
        let old = !file.iter().any(|t| counter(t.name()));
        let entries: Vec<_> = self.entries.iter().filter(|e| !(old && counter(&e.name))).collect();
        let model = self.architecture.kind.to_string();
        self.check_head(&entries, file, place, &model)?;
        check_indices(&entries, file, place)?;
        state::load(entries.iter().map(|e| (e.name.as_str(), &e.tensor)), file, place, &model)
    }

    // Says so where another number of classes is all that does not fit.
    fn check_head(&self, entries: &[&Entry], file: &StateDict, place: &str, model: &str) -> Result<()> {
        let outputs = self.architecture.outputs;
        let own: Vec<_> = entries.iter().map(|e| (e.name.clone(), shape(&e.tensor))).collect();
        let Some(head) = guess::head(&own) else { return Ok(()) };
        let Some(found) = file.get(head).and_then(|t| t.shape().first().copied()) else {
            return Ok(());
        };
        let bias = format!("{}.bias", head.trim_end_matches(".weight"));
        let with_found = own.iter().map(|(name, shape)| {
            let mut shape = shape.clone();
            if [head, &bias].contains(&name.as_str()) {
                shape[0] = found;
            }
            (name.clone(), shape)
        });
        if found == outputs || file.check_names(place, model, &with_found.collect::<Vec<_>>()).is_err() {
            return Ok(());
        }
        let expected = format!("a head of {outputs} outputs, one for each class of the images");
        Err(Error::input(place, expected, format!("{found} outputs ({head})")))
    }
}

fn shape(tensor: &Tensor) -> Vec<usize> {
    tensor.size().iter().map(|&n| n as usize).collect()
}

// Which distances pixels have follows from the shape of a network: a file must say the same, or a
// pass would read beside its tables.
fn check_indices(entries: &[&Entry], file: &StateDict, place: &str) -> Result<()> {
    for entry in entries.iter().filter(|e| e.name.ends_with(INDEX)) {
        let Some(stored) = file.get(&entry.name).filter(|t| t.shape() == shape(&entry.tensor)) else {
            continue;
        };
        let stored = convert::from_named(stored)?.f_to_kind(Kind::Int64)?;
        if !stored.f_equal(&entry.tensor.f_to_device(Device::Cpu)?)? {
            let expected = "the distances of pixels in a window, row by row";
            return Err(Error::input(place, expected, format_args!("others ({})", entry.name)));
        }
    }
    Ok(())
}

const INDEX: &str = ".relative_position_index";

// With today's names, where there are old ones.
fn renamed(file: &StateDict) -> Result<Option<StateDict>> {
    if !file.iter().any(|t| current_name(t.name()).is_some()) {
        return Ok(None);
    }
    let mut now = StateDict::new();
    for tensor in file {
        let name = current_name(tensor.name()).unwrap_or_else(|| tensor.name().to_owned());
        now.push(NamedTensor::new(name, tensor.shape().to_vec(), tensor.data().clone())?)?;
    }
    Ok(Some(now))
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
        let expected: Vec<_> =
            tensors.iter().map(|(name, t)| ((*name).to_owned(), super::shape(t))).collect();
        file.check_names(place, model, &expected)?;
        let _no_grad = tch::no_grad_guard();
        for (name, tensor) in tensors {
            let stored = file.get(name).expect("names were checked");
            tensor.shallow_clone().f_copy_(&convert::from_named(stored)?)?;
        }
        Ok(())
    }
}
