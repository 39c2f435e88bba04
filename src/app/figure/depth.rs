//! Convolution layers: the more of them, the fewer frequencies.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finished;
use super::verdict::Note;
use crate::error::Error;
use crate::figure::depth::{self, Depth};
use crate::run::config::ModelKind;

/// Share of one layer's frequencies that deeper networks may use.
const SPARSER: f64 = 0.5;
/// Modes shown.
const SHOWN: usize = 5;

pub fn draw(runs: &[PathBuf], out: &Path) -> Result<Note> {
    let mut runs = Finished::all(runs)?;
    if let Some(run) = runs.iter().find(|r| !r.is(ModelKind::Lcnn)) {
        let found = run.dir.root().display().to_string();
        return Err(Error::input("figure depth", "convolutional networks", found).into());
    }
    runs.sort_by_key(|r| r.config.model.layers);
    let count = runs.iter().map(|r| r.summary.modes.len()).min().unwrap_or(0).min(SHOWN);
    let used = |run: &Finished| -> Vec<f64> {
        run.summary.modes[..count]
            .iter()
            .map(|m| m.measured.template.as_ref().map_or(f64::NAN, |t| t.participation))
            .collect()
    };
    let participation: Vec<(f64, Vec<f64>)> =
        runs.iter().map(|r| (r.config.model.layers as f64, used(r))).collect();
    let panels = runs.iter().map(|r| r.panel(format!("L = {}", r.config.model.layers), count, false));
    let data = Depth {
        panels: panels.collect(),
        participation: participation.clone(),
        labels: (1..=count).map(|i| format!("mode {i}")).collect(),
        mode_participation: runs[0].summary.modes[..count].iter().map(|m| m.participation).collect(),
    };
    depth::draw(&data, out)?;

    let mut note = Note::new(
        5,
        "Depth",
        "Linear networks of L convolution layers and a dense one: strengths of the modes over \
         training, with the gradient flow (dashed), and how many frequencies the template of each mode has at \
         its half-time. Of modes with many frequencies of equal strength deep networks take one, 2 being the \
         participation ratio of a single cosine, and they take it more suddenly (Gunasekar et al. 2018).",
    );
    for (run, (layers, used)) in runs.iter().zip(&participation) {
        let learned: Vec<f64> = used.iter().copied().filter(|p| p.is_finite()).collect();
        let mean = (learned.iter().map(|p| p.ln()).sum::<f64>() / learned.len() as f64).exp();
        note.states(format!("L = {layers}: geometric mean of the participation ratios at half-time"), mean);
        let flow = run.summary.theories.iter().position(|t| t == "flow");
        if let Some(t) = flow {
            let errors = run.summary.modes[..count].iter().filter_map(|m| m.predicted[t].max_error);
            // Where nothing was learned yet there is nothing to agree on.
            let worst = if learned.is_empty() { f64::NAN } else { errors.fold(f64::NAN, f64::max) };
            note.at_most(
                format!("L = {layers}: max |a − flow|/s, {} modes learned", learned.len()),
                worst,
                0.02,
            );
        }
    }
    // Over the modes that every depth has learned.
    let common: Vec<usize> =
        (0..count).filter(|i| participation.iter().all(|(_, used)| used[*i].is_finite())).collect();
    let mean = |used: &[f64]| common.iter().map(|i| used[*i].ln()).sum::<f64>() / common.len() as f64;
    for (layers, used) in participation.iter().skip(1) {
        let ratio = if common.is_empty() { f64::NAN } else { (mean(used) - mean(&participation[0].1)).exp() };
        let what = format!("L = {layers}: participation ratio relative to L = {}", participation[0].0);
        note.at_most(format!("{what}, mean over {} modes", common.len()), ratio, SPARSER);
    }
    Ok(note)
}
