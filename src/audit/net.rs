//! What an audit shows images to.

use tch::{Device, Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

use crate::error::Result;
use crate::model::deep::{Deep, Pass, channels_last};
use crate::model::script::Script;

/// A network: one whose layers are known, or a program of which only the answers are.
pub enum Net {
    /// Of known layers.
    Known(Box<Deep>),
    /// A program.
    Script(Script),
}

impl From<Deep> for Net {
    fn from(net: Deep) -> Self {
        Self::Known(Box::new(net))
    }
}

impl From<Script> for Net {
    fn from(net: Script) -> Self {
        Self::Script(net)
    }
}

impl Net {
    /// Its layers, where they are known.
    pub fn known(&self) -> Option<&Deep> {
        match self {
            Self::Known(net) => Some(net),
            Self::Script(_) => None,
        }
    }

    /// `[c, h, w]` of its images.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Known(net) => net.architecture().shape,
            Self::Script(net) => net.shape,
        }
    }

    /// Numbers that it puts out for an image.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Known(net) => net.architecture().outputs,
            Self::Script(net) => net.outputs,
        }
    }

    /// Precision of its weights.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Known(net) => net.kind(),
            Self::Script(net) => net.kind,
        }
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        match self {
            Self::Known(net) => net.device(),
            Self::Script(net) => net.device,
        }
    }

    /// Images with their channels where its layers want them.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch fails.
    pub fn laid_out(&self, x: Tensor) -> Result<Tensor> {
        match self {
            Self::Known(net) if net.architecture().channels_last => channels_last(&x),
            _ => Ok(x),
        }
    }

    /// Logits `[B, K]` of images `[B, c, h, w]`, in evaluation mode.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch fails; [`crate::Error::Input`] when a program does.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Known(net) => net.forward(x, &Pass::eval(false)),
            Self::Script(net) => net.forward(x),
        }
    }

    /// What it is, and the hash of all that it is made of.
    pub(super) fn fingerprint(&self) -> Result<(String, String)> {
        match self {
            Self::Known(net) => {
                let mut weights = Xxh3::new();
                for entry in net.entries() {
                    weights.update(entry.name.as_bytes());
                    super::subject::hash_tensor(&mut weights, &entry.tensor)?;
                }
                Ok((format!("{:?}", net.architecture()), format!("{:032x}", weights.digest128())))
            }
            Self::Script(net) => Ok((format!("TorchScript {:?}", net.shape), net.hash.clone())),
        }
    }
}
