//! Spectral analyser: 2-D spectra of images and kernels, and what they say.
//!
//! # Conventions
//! - The discrete Fourier transform is *unitary* (numpy's `norm="ortho"`):
//!   x̂(k) = (HW)^(-1/2) Σ_p x(p) exp(-2πi (k_row p_row / H + k_col p_col / W)).
//!   Energies |x̂(k)|² therefore sum over the full plane to the sum of the
//!   squared pixels (Parseval).
//! - Arrays are row-major `[.., H, W]`. A spectrum of a real plane is kept as
//!   the *half plane* `[H, W/2 + 1]`, the real FFT along the last axis: rows are
//!   frequencies 0, 1, .., H-1 (modulo H), columns 0, .., W/2.
//! - An entry is |x̂(k)|² itself, *not* doubled. In a sum over the full plane
//!   it counts once in a column that is its own conjugate (0, and W/2 where W
//!   is even) and twice elsewhere: [`Grid::weight`].
//! - A frequency and its conjugate are one [`Frequency`]. In the columns that
//!   are their own conjugate, rows r and -r are conjugates of each other, both
//!   entries are in the half plane, and [`Energies::folded`] adds them.
//! - The *dominant* frequency has the largest single entry; *strongest* is in that
//!   order ([`Energies::dominant`]). Energies and shares of a frequency have its
//!   conjugate's, so that the fewest frequencies that hold a share of the energy
//!   ([`Energies::dominant_set`]) are ranked by both together.
//! - Participation ratio: (Σe)²/Σe² over the entries of the full plane, so that a
//!   cosine counts 2 and a constant 1.
//! - Radial frequency is in cycles per pixel, 0 to √½, on any grid.
//! - No image has no spectrum: means over no images are zero, and the profiles,
//!   the participation and the shares of a zero spectrum are zero.

mod energies;
mod fft;
mod grid;
mod kernels;
mod mean;
#[cfg(test)]
mod oracle;
mod plane;

pub use energies::{Energies, RadialProfile};
pub use fft::{energies, irfft2, kernel_energies, rfft2};
pub use grid::{Frequency, Grid};
pub use kernels::mean_kernel_energies;
pub(crate) use kernels::{FEW_WEIGHTS, energies_of_products};
pub use mean::{mean_energies, mean_energies_by_class};
pub use plane::{mirror, shift_to_centre};
