//! Which frequencies of the images does a network use, when does it discover
//! them, and what could have been known from the data alone?
//!
//! # Conventions
//! - Images are `[N, C, H, W]`, row-major; n = H·W pixels, d = C·n inputs.
//! - DFTs are unitary (1/√n both ways) and two-dimensional per channel; spectra
//!   are half planes `[H, W/2+1]`, an entry being |x̂(k)|² ([`spectrum`]).
//! - Loss: L = ½ mean_i ‖ŷ_i − y_i‖², mean over samples, sum over outputs.
//! - Time t of the gradient flow and step of gradient descent: t = step · η.
//! - Mode strength a_α = u_αᵀ Σŷx v_α with Σŷx = (1/P) Σ ŷ_i x_iᵀ, on the
//!   training samples; the half-time is where a_α = s_α/2 ([`theory`]).
//!
//! # Modules
//! [`field`], `stats` → [`spectrum`], `plot`, `pickle` → [`data`], [`weights`], [`readers`], [`theory`] →
//! [`blueprint`] → [`run`] → `model` → `train` → `probe` → [`audit`]; `figure` reads run directories;
//! [`shortcuts`] looks for cues in [`data`] alone; [`sweep`] plans and gathers many runs; [`app`] wires everything to
//! [`cli`]. `model`, `train`, `probe` and the parts of `audit` that run networks need
//! libtorch (feature `torch`), nothing else does.
//!
//! # Example
//! The modes of a data set, before anything is trained:
//! ```
//! use domfreq::data::{self, Normalize, Options, Spec};
//! use domfreq::theory::Modes;
//!
//! let spec: Spec = "cosines:size=8".parse()?;
//! let samples = data::prepare(data::load(&spec, &Options::default())?, Normalize::None, false)?;
//! let modes = Modes::new(&samples)?;
//! // Each class is one cosine: ρ = √(n/2).
//! assert!((modes.list[0].rho - 32f64.sqrt()).abs() < 1e-6);
//! # Ok::<(), domfreq::Error>(())
//! ```
//!
//! Source of the theory: Pinson, Lenaerts & Ginis, "Linear CNNs Discover the
//! Statistical Structure of the Dataset Using Only the Most Dominant
//! Frequencies", ICML 2023.

#![warn(missing_docs)]

pub mod app;
pub mod audit;
pub mod blueprint;
pub mod cli;
pub mod data;
pub(crate) mod disk;
pub mod error;
pub mod field;
pub(crate) mod figure;
mod html;
#[cfg(feature = "torch")]
pub mod model;
pub mod page;
pub(crate) mod pickle;
pub(crate) mod plot;
#[cfg(feature = "torch")]
pub mod probe;
pub mod progress;
pub mod readers;
pub mod run;
pub mod script;
pub mod seed;
pub mod shortcuts;
pub mod slurm;
pub mod spectrum;
pub(crate) mod stats;
pub(crate) mod study;
pub mod sweep;
pub mod theory;
pub mod threads;
#[cfg(feature = "torch")]
pub mod train;
pub mod weights;

pub use error::{Error, Result};
