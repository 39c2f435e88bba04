//! What a network reacts to, by frequency: Jacobians of its logits, and the
//! templates it uses for the modes of a data set.
//!
//! # Conventions
//! - Jacobians are ∂z/∂x of the logits z for the *normalised* image x that the
//!   network sees. For pixels p = x · scale + offset it is ∂z/∂x / scale, channel
//!   by channel: energies of a channel are 1/scale² of those here.
//! - Evaluation mode: running statistics of norms. DFTs are unitary; energies are
//!   |·|², and sum over the full plane to the sum of squares
//!   ([`crate::spectrum`]).
//! - Images are drawn by `rng(seed, "gradient/images", 0)` where not all are used.
//! - Standard errors are over images: of means, or by leaving out one of
//!   [`GROUPS`] groups of images at a time (the jackknife).

#[cfg(feature = "torch")]
mod run;

use serde::{Deserialize, Serialize};

#[cfg(feature = "torch")]
pub use run::{modes, squared};

/// Groups of images that are left out in turn, for standard errors.
pub const GROUPS: usize = 8;

/// How much is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Images of which Jacobians are taken; all where there are fewer.
    pub images: usize,
    /// Networks of up to this many outputs get a backward pass for each.
    pub exact: usize,
    /// Others get this many, for random signs of the outputs.
    pub draws: usize,
    /// Modes looked at, the strongest first.
    pub modes: usize,
    /// Of images and signs.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { images: 200, exact: 32, draws: 16, modes: 10, seed: 0 }
    }
}

/// A number with its standard error over images, where there is more than one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub se: Option<f64>,
}

/// A frequency with the share of the energy at it and its conjugate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Cycles per image height.
    pub row: i32,
    /// Cycles per image width.
    pub col: i32,
    /// Share of the energy.
    pub share: f64,
}

/// The spectrum of a network's reactions: energies of each image's own Jacobian
/// of the logits, summed over outputs and channels, averaged over images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SquaredJacobian {
    /// `[c, h, w]` of the images.
    pub shape: [usize; 3],
    /// Outputs K of the network.
    pub outputs: usize,
    /// Images it is the mean of.
    pub images: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// None: exact, with a backward pass for each output. Else an estimate without
    /// bias (Hutchinson 1990) from so many draws of random signs of the outputs for
    /// each image, r: E|F(rᵀJ)|² is the sum of the energies over the outputs.
    pub draws: Option<usize>,
    /// Sum of squares of the Jacobian.
    pub energy: Estimate,
    /// The same of each channel.
    pub channels: Vec<f64>,
    /// By radius.
    pub radial: Vec<RadialEnergy>,
    /// Participation ratio over the full plane: frequencies that carry it.
    pub participation: Estimate,
    /// Energy-weighted mean radial frequency, in cycles per pixel.
    pub centroid: Estimate,
    /// The fewest distinct frequencies that hold half of the energy.
    pub half: Estimate,
    /// Distinct frequencies there are.
    pub frequencies: usize,
    /// The strongest frequencies.
    pub strongest: Vec<Share>,
}

/// Energy in a ring of radial frequency, as in [`crate::spectrum::Energies::radial_profile`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RadialEnergy {
    /// Radial frequency at the middle of the ring, in cycles per pixel.
    pub radius: f64,
    /// Entries of the full plane in it.
    pub entries: usize,
    /// Energy in it over the full plane, with the standard error of its mean over
    /// images; of an estimate from signs, what these add is in it.
    pub energy: Estimate,
    /// Share of all energy.
    pub share: f64,
}

/// What a network does with the modes of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeUses {
    /// Images that strengths are measured on.
    pub images: usize,
    /// Those of them that Jacobians are taken at.
    pub jacobians: usize,
    /// The seed they were drawn with.
    pub seed: u64,
    /// Modes of the data set.
    pub count: usize,
    /// The strongest of them.
    pub modes: Vec<ModeUse>,
}

/// What a network does with one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeUse {
    /// Strength s of the mode in the data.
    pub s: f64,
    /// Concentration ρ of its image v.
    pub rho: f64,
    /// Participation ratio of v.
    pub participation: f64,
    /// Energy-weighted mean radial frequency of v, in cycles per pixel.
    pub centroid: f64,
    /// The strongest frequencies of v.
    pub strongest: Vec<Share>,
    /// a/s: the share of the mode that the network answers with,
    /// u_αᵀΣŷxv_α / u_αᵀΣyxv_α over the images, ŷ being the softmax of the logits
    /// less what was subtracted from y; 1 for right answers in full confidence.
    /// None where the images have less than a quarter of the mode.
    pub strength: Option<Estimate>,
    /// The image the network uses for it, u_αᵀE; None where it is zero.
    pub template: Option<TemplateUse>,
}

/// The template u_αᵀE of a mode, E being the mean Jacobian of the logits over
/// images, with respect to images normalised as the data set of the modes is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Its norm.
    pub norm: f64,
    /// Participation ratio. What is left of the single images' Jacobians in the mean
    /// makes it larger: fewer images, more of it.
    pub participation: Estimate,
    /// Energy-weighted mean radial frequency, in cycles per pixel.
    pub centroid: Estimate,
    /// Σ_k min(e(k), e_v(k)), both energies normalised to 1: 1 where template
    /// and v have the same spectrum, 0 where they share no frequency.
    pub overlap: Estimate,
    /// Share of its energy at the fewest frequencies that hold half of v's.
    pub on_dominant: Estimate,
    /// Cosine of the angle between template and v: 1 where the network uses v.
    pub cosine: Estimate,
    /// Its strongest frequencies.
    pub strongest: Vec<Share>,
}
