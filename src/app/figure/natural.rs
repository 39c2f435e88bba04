//! Natural images: modes, what networks use for them, and when.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, ArrayD, Axis};

use super::verdict::Note;
use super::{Finished, title};
use crate::error::Error;
use crate::figure::natural::{self, Natural, NaturalMode};
use crate::run::config::ModelKind;
use crate::spectrum::{mirror, shift_to_centre};
use crate::stats::spearman;

/// Rows of pictures and curves.
const SHOWN: usize = 6;

pub fn draw(runs: &[PathBuf], out: &Path) -> Result<Note> {
    let runs = Finished::all(runs)?;
    let of = |kind| runs.iter().find(|r| r.is(kind));
    let (Some(fcnn), Some(lcnn)) = (of(ModelKind::Fcnn), of(ModelKind::Lcnn)) else {
        return Err(Error::input("figure natural", "a run of each network", "one network only").into());
    };
    let count = fcnn.summary.modes.len().min(lcnn.summary.modes.len()).min(SHOWN);
    let [_, _, width] = fcnn.dir.shape()?;
    let (images, energies) = (fcnn.dir.modes_array("v")?, fcnn.dir.modes_array("energies")?);
    let templates = [Templates::read(fcnn, count)?, Templates::read(lcnn, count)?];
    let mut modes = Vec::new();
    for i in 0..count {
        let tile = |t: &Templates| t.tiles[i].clone();
        let participation =
            |run: &Finished| run.summary.modes[i].measured.template.as_ref().map(|t| t.participation);
        modes.push(NaturalMode {
            label: format!("mode {}", i + 1),
            image: grey(&images, i)?,
            spectrum: full(&energies, i, width)?,
            fcnn: tile(&templates[0]),
            lcnn: tile(&templates[1]),
            participation: [
                Some(fcnn.summary.modes[i].participation),
                participation(fcnn),
                participation(lcnn),
            ],
        });
    }
    let panels =
        [fcnn, lcnn].map(|r| r.panel(format!("{}, {}", title(&r.config), r.data()), SHOWN, true)).into();
    natural::draw(&Natural { modes, panels }, out)?;

    let mut note = Note::new(
        4,
        "Natural images",
        "Modes of natural images (v, and its spectrum), and the templates uᵀE that a fully connected and a \
         convolutional network have for each at its half-time: the network's image of the mode, with fewer \
         frequencies where it convolves. Below, the strengths over training with each theory's prediction.",
    );
    for run in [fcnn, lcnn] {
        for (t, theory) in run.summary.theories.iter().enumerate() {
            let name = run.name();
            let learned: Vec<_> = run
                .summary
                .modes
                .iter()
                .filter_map(|m| m.measured.t50.zip(m.predicted[t].discovery.t50))
                .collect();
            let worst =
                run.summary.modes.iter().filter_map(|m| m.predicted[t].max_error).fold(f64::NAN, f64::max);
            if theory == "flow" {
                note.at_most(format!("{name}: max |a − flow|/s"), worst, 0.01);
            } else {
                note.states(format!("{name}: max |a − {theory}|/s"), worst);
                let (measured, predicted): (Vec<f64>, Vec<f64>) = learned.into_iter().unzip();
                let what = format!(
                    "{name}: rank correlation of half-times with {theory} theory, {} modes",
                    measured.len()
                );
                let rank = spearman(&measured, &predicted);
                // Of two or three modes any order may come by chance.
                if measured.len() >= 4 { note.at_least(what, rank, 0.95) } else { note.states(what, rank) }
            }
        }
    }
    Ok(note)
}

/// Templates at discovery, with their spectra.
struct Templates {
    tiles: Vec<Option<(Array2<f64>, Array2<f64>)>>,
}

impl Templates {
    fn read(run: &Finished, count: usize) -> Result<Self> {
        let [_, _, width] = run.dir.shape()?;
        let snapshots = run.dir.snapshots()?;
        let tile = |i: usize| -> Result<_> {
            // The snapshot of the discovery is the first one at or after the half-time.
            let Some(t) = run.summary.modes[i].measured.t50 else { return Ok(None) };
            let Some(step) = snapshots.iter().find(|s| **s as f64 >= t) else { return Ok(None) };
            let images = run.dir.spectra_array(*step, "images")?;
            let energies = run.dir.spectra_array(*step, "templates")?;
            Ok(Some((grey(&images, i)?, full(&energies, i, width)?)))
        };
        Ok(Self { tiles: (0..count).map(tile).collect::<Result<_>>()? })
    }
}

// Image `index` of `[m, c, h, w]`, averaged over channels.
pub(super) fn grey(images: &ArrayD<f64>, index: usize) -> Result<Array2<f64>> {
    let image = images.index_axis(Axis(0), index).to_owned();
    let plane = image.mean_axis(Axis(0)).expect("at least one channel");
    Ok(plane.into_dimensionality()?)
}

// Spectrum `index` of `[m, h, w/2+1]` over the full plane, frequency zero in the middle.
pub(super) fn full(energies: &ArrayD<f64>, index: usize, width: usize) -> Result<Array2<f64>> {
    let half = energies.index_axis(Axis(0), index).into_dimensionality()?;
    Ok(shift_to_centre(mirror(half, width).view()))
}
