//! Audits of trained networks: on which frequencies they live, whether they look
//! at texture or at shape.
//!
//! Every share of images comes with its 95 % interval ([`Rate`]), every draw with
//! its seed. What is measured on images starts from pixels in [0, 1]; they are
//! normalised behind whatever was done to them (`subject`, with feature `torch`).
//!
//! By weights alone: [`layers`]. By showing images to the network: [`parts`], each of them
//! one folder; what they find is plain data, that can be read without libtorch. Two
//! networks on the same images: [`pair`]. [`report`] puts all of it together, [`page`](crate::page) makes a file of it.

mod chapter;
mod clean;
mod csv;
pub mod filter;
mod fingerprint;
mod gradient;
pub mod layers;
#[cfg(feature = "torch")]
pub mod net;
mod numbers;
pub mod pair;
pub mod parts;
mod pens;
pub mod published;
pub mod report;
#[cfg(feature = "torch")]
pub mod subject;
#[cfg(all(test, feature = "torch"))]
mod testing;

pub use crate::stats::Rate;
#[cfg(feature = "torch")]
pub use clean::Clean;
pub use clean::Reference;
pub use fingerprint::Fingerprint;
