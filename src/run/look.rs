//! What a probe sees of a deep network at one step, as plain arrays.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::Result;
use crate::run::arrays::Npz;
use crate::run::dir::Templates;
use crate::run::summary::Template;
use crate::spectrum::Energies;
use crate::theory::Modes;

/// A network at one step, on a fixed subset of the training images.
#[derive(Clone, Debug)]
pub struct Look {
    /// Updates made.
    pub step: u64,
    /// Mean loss over the subset, without label smoothing.
    pub loss: f64,
    /// Share of the subset that is right; None without classes.
    pub accuracy: Option<f64>,
    /// UᵀΣŷxV `[m, m]` over the subset: mode strengths on the diagonal, leakage
    /// between modes off it.
    pub response: Array2<f64>,
    /// a_α `[m]`: s_α times the share of the mode that the network answers with,
    /// u_αᵀΣŷxv_α / u_αᵀΣyxv_α, both over the subset. An all-right answer has s_α.
    pub strengths: Vec<f64>,
    /// What the network reacts to; None where it was not asked for.
    pub jacobian: Option<Jacobian>,
    /// Mean energies of each convolution's kernels, zero-padded to one grid;
    /// kernels of a single weight, which have no frequency, left out.
    pub kernels: Vec<(String, Energies)>,
    /// Mean energies of what layers put out, over images and channels, each on
    /// its own grid.
    pub activations: Vec<(String, Energies)>,
}

/// ∂logits/∂x over a part of the subset, x being the normalised images.
#[derive(Clone, Debug)]
pub struct Jacobian {
    /// The mean E `[K, d]`: for a linear network its end-to-end map.
    pub mean: Array2<f64>,
    /// Energies of each image's own Jacobian, summed over outputs and channels,
    /// averaged over images.
    pub squared: Energies,
}

impl Look {
    /// The templates u_αᵀE and their energies; None without a Jacobian.
    ///
    /// # Errors
    /// As [`Templates::of_map`].
    pub fn templates(&self, modes: &Modes) -> Result<Option<Templates>> {
        self.jacobian.as_ref().map(|j| Templates::of_map(modes, &j.mean)).transpose()
    }

    /// The arrays of `arrays/spectra-XXXXXXXX.npz`: response `[m, m]`,
    /// kernel_energies `[L, g, g/2+1]` with kernel_centroid and
    /// kernel_participation `[L]`, activation_centroid `[A]` and
    /// `activation_<name>` `[h, w/2+1]`; with a Jacobian also images `[m, c, h, w]`
    /// and templates `[m, h, w/2+1]` (u_αᵀE and their energies), participation,
    /// overlap and on_dominant `[m]` of them (see [`Template`]; NaN for a template
    /// of zeros), and jacobian `[h, w/2+1]`. Centroids are mean radial frequencies
    /// in cycles per pixel, weighted with energy; layers are in the order of
    /// `arrays/layers.json`.
    ///
    /// # Errors
    /// As [`Look::templates`].
    pub fn arrays(&self, modes: &Modes) -> Result<Npz> {
        let column = |layers: &[(String, Energies)], f: &dyn Fn(&Energies) -> f64| {
            Array1::from_iter(layers.iter().map(|(_, e)| f(e)))
        };
        let planes: Vec<ArrayView2<f64>> = self.kernels.iter().map(|(_, e)| e.values()).collect();
        let mut npz = Npz::default()
            .with("response", self.response.view())
            .with("kernel_centroid", column(&self.kernels, &Energies::centroid).view())
            .with("kernel_participation", column(&self.kernels, &Energies::participation).view())
            .with("activation_centroid", column(&self.activations, &Energies::centroid).view());
        if let Ok(energies) = ndarray::stack(Axis(0), &planes) {
            npz = npz.with("kernel_energies", energies.view());
        }
        for (name, energies) in &self.activations {
            npz = npz.with(&format!("activation_{name}"), energies.values());
        }
        let (Some(templates), Some(jacobian)) = (self.templates(modes)?, &self.jacobian) else {
            return Ok(npz);
        };
        let of_modes: Vec<_> =
            templates.energies.iter().zip(&modes.list).map(|(e, mode)| Template::new(e, mode)).collect();
        let shown = |f: &dyn Fn(&Template) -> f64| {
            Array1::from_iter(of_modes.iter().map(|t| t.as_ref().map_or(f64::NAN, f)))
        };
        let energies: Vec<_> = templates.energies.iter().map(Energies::values).collect();
        Ok(npz
            .with("images", templates.images.view())
            .with("templates", ndarray::stack(Axis(0), &energies).expect("planes of one grid").view())
            .with("participation", shown(&|t| t.participation).view())
            .with("overlap", shown(&|t| t.overlap).view())
            .with("on_dominant", shown(&|t| t.on_dominant).view())
            .with("jacobian", jacobian.squared.values()))
    }
}
