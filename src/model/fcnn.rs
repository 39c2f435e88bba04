//! Linear fully connected network of one hidden layer: ŷ = W2 W1 x.

use ndarray::ArrayView2;
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::model::{Network, leaf};

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
        Ok(Self { w1: leaf(w1, kind, device)?, w2: leaf(w2, kind, device)? })
    }
}

impl Network for Fcnn {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        vec![("w1".to_owned(), self.w1.shallow_clone()), ("w2".to_owned(), self.w2.shallow_clone())]
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
