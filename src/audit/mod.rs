//! Audits of trained networks: on which frequencies they live, whether they look
//! at texture or at shape.
//!
//! Every share of images comes with its 95 % interval ([`Rate`]), every draw with
//! its seed. What is measured on images starts from pixels in [0, 1]; they are
//! normalised behind whatever was done to them ([`subject`]).

pub mod page;
pub mod guess;
mod rate;
#[cfg(feature = "torch")]
pub mod subject;

pub use rate::Rate;
