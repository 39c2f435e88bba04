//! To which frequencies a network's outputs react: energies of the Jacobians of its
//! logits. Conventions: [`gradient`](crate::audit::gradient).

use serde::{Deserialize, Serialize};

use crate::audit::gradient::{Estimate, Share};

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
    /// The frequencies of the largest entries ([`crate::spectrum::Energies::strongest`]).
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

#[cfg(feature = "torch")]
pub use run::squared;

#[cfg(feature = "torch")]
mod run {
    use ndarray::{Array2, Array3, Axis};

    use super::*;
    use crate::audit::gradient::{
        Groups, Options, chunk, forward, gradient, mean, not_finite, rows, signs, strongest, total,
    };
    use crate::audit::subject::Subject;
    use crate::error::{Error, Result};
    use crate::progress::Progress;
    use crate::spectrum::{self, Energies, Grid};

    /// The squared Jacobian of a network on its images, and its energies. K backward
    /// passes, or as many as there are draws.
    ///
    /// # Errors
    /// [`Error::Input`] without images and for options that ask for nothing;
    /// [`Error::Lacking`] for gradients that are not finite; [`Error::Device`].
    pub fn squared(
        subject: &Subject,
        options: &Options,
        progress: impl FnOnce(u64) -> Progress,
    ) -> Result<(SquaredJacobian, Energies)> {
        let rows = rows(subject, options)?;
        let shape @ [c, h, w] = subject.net.shape();
        let grid = Grid::new(h, w);
        let bar = progress(rows.len() as u64);
        let mut groups = Groups::new(rows.len(), grid.half_shape());
        let mut channels = vec![0.0; c];
        let mut rings: Vec<Vec<f64>> = Vec::new();
        let (mut outputs, mut draws) = (0, None);
        for part in rows.chunks(chunk(subject)) {
            let (x, logits) = forward(subject, part)?;
            outputs = logits.size()[1] as usize;
            draws = (outputs > options.exact).then_some(options.draws);
            let passes = draws.unwrap_or(outputs);
            if passes == 0 {
                return Err(Error::input("gradients, draws", "at least one", 0));
            }
            let signs = draws.map(|draws| signs(options.seed, part, draws, outputs)).transpose()?;
            let mut planes = Array3::<f64>::zeros((part.len(), grid.half_shape().0, grid.half_shape().1));
            for pass in 0..passes {
                let output = match &signs {
                    None => logits.f_select(1, pass as i64)?,
                    Some(signs) => {
                        let signs = signs.f_select(0, pass as i64)?.f_to_device(logits.device())?;
                        logits.f_mul(&signs.f_to_kind(logits.kind())?)?
                    }
                };
                let gradient = gradient(&output, &x, pass + 1 < passes)?;
                let energies = spectrum::energies(gradient.view());
                for (channel, sum) in channels.iter_mut().enumerate() {
                    let plane = energies.index_axis(Axis(1), channel).sum_axis(Axis(0));
                    *sum += total(grid, &plane) / draws.unwrap_or(1) as f64;
                }
                planes += &energies.sum_axis(Axis(1));
            }
            planes /= draws.unwrap_or(1) as f64;
            for plane in planes.outer_iter() {
                let energies = Energies::new(grid, plane.to_owned()).map_err(|_| not_finite())?;
                rings.push(energies.radial_profile(None).total);
                groups.add(&plane.to_owned());
            }
            bar.inc(part.len() as u64);
        }
        let energies = Energies::new(grid, groups.mean()).map_err(|_| not_finite())?;
        let profile = energies.radial_profile(None);
        let whole = energies.total();
        let radial = profile.radius.iter().zip(&profile.entries).enumerate().map(|(ring, (radius, entries))| {
            let energy = mean(&rings.iter().map(|image| image[ring]).collect::<Vec<_>>());
            let share = if whole > 0.0 { energy.value / whole } else { 0.0 };
            RadialEnergy { radius: *radius, entries: *entries, energy, share }
        });
        let of_plane = |plane: &Array2<f64>| {
            let energies = Energies::new(grid, plane.clone()).ok()?;
            let half = energies.dominant_set(0.5).len() as f64;
            Some([energies.participation(), energies.centroid(), half])
        };
        let [participation, centroid, half] = groups.estimates(&of_plane).ok_or_else(not_finite)?;
        let found = SquaredJacobian {
            shape,
            outputs,
            images: rows.len(),
            seed: options.seed,
            draws,
            energy: mean(&rings.iter().map(|image| image.iter().sum()).collect::<Vec<_>>()),
            channels: channels.into_iter().map(|sum| sum / rows.len() as f64).collect(),
            radial: radial.collect(),
            participation,
            centroid,
            half,
            frequencies: grid.frequencies().len(),
            strongest: strongest(&energies),
        };
        Ok((found, energies))
    }
}
