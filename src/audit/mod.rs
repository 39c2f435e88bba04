//! Audits of trained networks: on which frequencies they live, whether they look
//! at texture or at shape.
//!
//! Every share of images comes with its 95 % interval ([`Rate`]), every draw with
//! its seed. What is measured on images starts from pixels in [0, 1]; they are
//! normalised behind whatever was done to them ([`subject`]).

pub mod page;
pub mod guess;
pub mod adcs;
mod answers;
pub mod bands;
pub mod dominance;
pub mod filter;
pub mod layers;
pub mod profile;
mod rate;
pub mod shape;
#[cfg(feature = "torch")]
pub mod subject;
pub mod swap;
#[cfg(all(test, feature = "torch"))]
mod testing;
mod table;

pub use answers::Reference;
pub use rate::Rate;
