//! Linear fully connected network of one hidden layer: ŷ = W2 W1 x.

use ndarray::ArrayView2;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::{Network, convert};

/// W1 `[h, d]`, W2 `[K, h]`.
#[derive(Debug)]
pub struct Fcnn {
    w1: Tensor,
    w2: Tensor,
}

impl Fcnn {
    /// A network with the weights W1 `[h, d]` and W2 `[K, h]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device has no room.
    pub fn new(w1: ArrayView2<f64>, w2: ArrayView2<f64>, kind: Kind, device: Device) -> Result<Self> {
        let leaf = |w| -> Result<Tensor> { Ok(convert::tensor(w, kind, device)?.set_requires_grad(true)) };
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
