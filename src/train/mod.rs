//! Training: [`linear`] networks, of which theory says how they learn, by plain
//! gradient descent; [`deep`] ones as they are trained in practice.

pub mod batches;
pub mod deep;
pub mod linear;
pub mod signals;
