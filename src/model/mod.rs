//! Networks on libtorch.
//!
//! Linear networks are trained here either on samples or on moments, so beside
//! the layer-by-layer [`Network::forward`] they give their end-to-end map
//! ([`Network::end_to_end`]), both differentiable.

pub mod convert;
pub mod deep;
pub mod device;
pub mod fcnn;
pub mod lcnn;
pub mod neighbours;
pub mod script;

use ndarray::{ArrayView, Dimension};
use tch::{Device, Kind, Tensor};

use crate::error::Result;
pub use crate::theory::linear::{Draw, Layout, Padding, Start, Weights};
pub use fcnn::Fcnn;
pub use lcnn::Lcnn;

/// A trainable network.
pub trait Network {
    /// Trainable tensors with their names, in a fixed order; shallow copies that
    /// share the network's storage.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// The part of the forward pass that no weight touches (a transform or a
    /// padding of the inputs), done once per data set. `x` `[B, d]`.
    fn encode(&self, x: &Tensor) -> Tensor;

    /// Outputs ŷ `[B, K]` for inputs that [`Network::encode`] has prepared.
    fn forward(&self, encoded: &Tensor) -> Tensor;

    /// End-to-end map E `[K, d]`: ŷ = E x.
    fn end_to_end(&self) -> Tensor;
}

/// The network that has these weights, in the precision `kind`.
///
/// # Errors
/// [`crate::Error::Input`] when the shapes of the weights do not fit each other;
/// [`crate::Error::Device`] when the device has no room.
pub fn network(weights: &Weights, kind: Kind, device: Device) -> Result<Box<dyn Network>> {
    Ok(match weights {
        Weights::Fcnn { w1, w2 } => Box::new(Fcnn::new(w1.view(), w2.view(), kind, device)?),
        Weights::Lcnn { kernels, dense, padding } => {
            Box::new(Lcnn::new(kernels, dense, *padding, kind, device)?)
        }
    })
}

// A trainable copy of an array.
fn leaf<D: Dimension>(array: ArrayView<f64, D>, kind: Kind, device: Device) -> Result<Tensor> {
    Ok(convert::tensor(array, kind, device)?.set_requires_grad(true))
}
