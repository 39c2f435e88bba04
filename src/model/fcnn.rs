//! Linear fully connected network of one hidden layer: ŷ = W2 W1 x.

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::{Network, Start, convert};

/// W1 `[h, d]`, W2 `[K, h]`.
#[derive(Debug)]
pub struct Fcnn {
    w1: Tensor,
    w2: Tensor,
}

impl Fcnn {
    /// A network with the weights that `start` draws.
    ///
    /// # Errors
    /// [`crate::Error::Input`] when a matched start has more modes than hidden
    /// units; [`crate::Error::Device`] when the device has no room.
    pub fn new(start: &Start, hidden: usize, kind: Kind, device: Device) -> Result<Self> {
        let (w1, w2) = start.fcnn(hidden)?;
        let leaf = |w: ndarray::Array2<f64>| -> Result<Tensor> {
            Ok(convert::tensor(w.view(), kind, device)?.set_requires_grad(true))
        };
        Ok(Self { w1: leaf(w1)?, w2: leaf(w2)? })
    }
}

impl Network for Fcnn {
    fn parameters(&self) -> Vec<(&'static str, Tensor)> {
        vec![("w1", self.w1.shallow_clone()), ("w2", self.w2.shallow_clone())]
    }

    fn encode(&self, x: &Tensor) -> Tensor {
        x.shallow_clone()
    }

    fn forward(&self, encoded: &Tensor) -> Tensor {
        encoded.matmul(&self.w1.tr()).matmul(&self.w2.tr())
    }

    fn end_to_end(&self) -> Tensor {
        self.w2.matmul(&self.w1)
    }
}
