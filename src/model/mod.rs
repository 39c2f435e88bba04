//! Networks on libtorch.
//!
//! Linear networks are trained here either on samples or on moments, so beside
//! the layer-by-layer [`Network::forward`] they give their end-to-end map
//! ([`Network::end_to_end`]), both differentiable.

pub mod convert;
pub mod device;
pub mod fcnn;
pub mod lcnn;

use tch::Tensor;

pub use crate::theory::linear::{Draw, Layout, Padding, Start, Weights};
pub use fcnn::Fcnn;
pub use lcnn::Lcnn;

/// A trainable network.
pub trait Network {
    /// Trainable tensors with their names, in a fixed order; shallow copies that
    /// share the network's storage.
    fn parameters(&self) -> Vec<(&'static str, Tensor)>;

    /// The part of the forward pass that no weight touches (a transform or a
    /// padding of the inputs), done once per data set. `x` `[B, d]`.
    fn encode(&self, x: &Tensor) -> Tensor;

    /// Outputs ŷ `[B, K]` for inputs that [`Network::encode`] has prepared.
    fn forward(&self, encoded: &Tensor) -> Tensor;

    /// End-to-end map E `[K, d]`: ŷ = E x.
    fn end_to_end(&self) -> Tensor;
}
