//! Audits of trained networks: on which frequencies they live, whether they look
//! at texture or at shape.
//!
//! Every share of images comes with its 95 % interval ([`Rate`]), every draw with
//! its seed. What is measured on images starts from pixels in [0, 1]; they are
//! normalised behind whatever was done to them (`subject`, with feature `torch`).
//!
//! By weights alone: [`layers`], and with images [`profile`]. By showing images to the
//! network: [`gradient`], [`heatmap`], [`bands`], [`swap`], [`dominance`], [`shape`];
//! what these find is plain data, that can be read without libtorch. By images alone:
//! [`adcs`]. Two networks on the same images: [`pair`]. [`guess`] tells the network from its weights, [`report`] puts
//! findings in words, [`page`] makes a file of them.

pub mod adcs;
mod answers;
pub mod bands;
pub mod dominance;
pub mod filter;
mod fingerprint;
pub mod gradient;
pub mod guess;
pub mod heatmap;
pub mod layers;
pub mod page;
pub mod pair;
pub mod profile;
mod rate;
pub mod report;
pub mod shape;
#[cfg(feature = "torch")]
pub mod subject;
pub mod swap;
mod table;
pub mod tables;
#[cfg(all(test, feature = "torch"))]
mod testing;

pub use answers::Reference;
pub use fingerprint::Fingerprint;
pub use rate::Rate;
