//! With which frequencies a mode is learned: over time, and over the scale of
//! the initial weights.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, Axis};

use super::Finished;
use super::verdict::Note;
use crate::error::Error;
use crate::figure::dominance::{self, Dominance, HeatRun, ParticipationSeries, ScaleSeries};
use crate::run::config::ModelKind;
use crate::spectrum::{Energies, Grid};
use crate::stats::spearman;

/// Rows of the heat maps.
const ROWS: usize = 14;

pub fn draw(runs: &[PathBuf], mode: usize, out: &Path) -> Result<Note> {
    let runs = Finished::all(runs)?;
    let index = mode.checked_sub(1).filter(|i| runs.iter().all(|r| *i < r.summary.modes.len()));
    let Some(index) = index else {
        let fewest = runs.iter().map(|r| r.summary.modes.len()).min().unwrap_or(0);
        return Err(Error::input("--mode", format_args!("1 to {fewest}"), mode).into());
    };
    let (first, data) = (&runs[0], runs[0].data());
    let of_mode = energies(&first.dir.modes_array("energies")?, index, first)?;
    let listed = of_mode.strongest(ROWS);

    let (mut heat, mut participation) = (Vec::new(), Vec::new());
    let kinds = [ModelKind::Fcnn, ModelKind::Lcnn];
    // The first run of each network is the one that is looked at over time.
    let shown: Vec<_> = kinds.iter().filter_map(|k| runs.iter().find(|r| r.is(*k))).collect();
    for run in &shown {
        let half_time = run.summary.modes[index].measured.t50;
        let snapshots = run.dir.snapshots()?;
        let mut shares = Array2::zeros((listed.len(), snapshots.len()));
        let (mut measured, mut predicted) = (Vec::new(), Vec::new());
        let theory = run.summary.theories.first();
        for (column, step) in snapshots.iter().enumerate() {
            let used = energies(&run.dir.spectra_array(*step, "templates")?, index, run)?;
            let all = used.folded();
            for (row, (k, _)) in listed.iter().enumerate() {
                let energy = all.iter().find(|(other, _)| other == k).map_or(0.0, |(_, e)| *e);
                shares[[row, column]] = energy / used.total().max(f64::MIN_POSITIVE);
            }
            measured.push(used.participation());
            if let Some(theory) = theory {
                let all = run.dir.spectra_array(*step, &format!("participation_{theory}"))?;
                predicted.push(all.as_slice().and_then(|a| a.get(index).copied()).unwrap_or(f64::NAN));
            }
        }
        let steps: Vec<f64> = snapshots.iter().map(|s| *s as f64).collect();
        let scaled = half_time.map_or_else(|| steps.clone(), |t| steps.iter().map(|s| s / t).collect());
        participation.push(ParticipationSeries {
            name: run.name().to_owned(),
            steps: scaled,
            measured,
            theory: theory.map(|_| predicted),
        });
        heat.push(HeatRun { title: run.name().to_owned(), steps, shares, half_time });
    }
    let scales = kinds.iter().filter_map(|kind| scale_series(&runs, *kind, index)).collect::<Vec<_>>();
    let figure = Dominance {
        title_of_mode: format!("mode {mode} of {data}"),
        frequencies: listed.iter().map(|(k, _)| k.to_string()).collect(),
        mode_spectrum: listed.iter().map(|(_, share)| *share).collect(),
        heat,
        participation_x_label: "step / half-time of the mode".to_owned(),
        participation,
        scales: scales.clone(),
    };
    dominance::draw(&figure, out)?;

    let mut note = Note::new(
        3,
        "The dominant-frequency bias",
        "Energy of the template uᵀE, the image that a network uses for one mode, over frequencies (that of the \
         mode's largest |v̂(k)| on top, with their conjugates) and steps, for a fully connected and a convolutional network, beside the mode's own \
         spectrum. Below, how many frequencies the template has (participation ratio), over time and against \
         the scale ε of the initial weights: measured (solid) and predicted (dashed; of a fully connected network \
         the theory knows the part along the mode only).",
    );
    let used = |run: &Finished| {
        run.summary.modes[index].measured.template.as_ref().map_or(f64::NAN, |t| t.participation)
    };
    if let [fcnn, lcnn] = shown.as_slice() {
        note.states("participation ratio of the mode itself", of_mode.participation());
        note.states("of the FCNN's template at half-time", used(fcnn));
        note.states("of the LCNN's template at half-time", used(lcnn));
        note.at_most("participation ratio at half-time, LCNN / FCNN", used(lcnn) / used(fcnn), 1.0 / 3.0);
    }
    for series in scales.iter().filter(|s| s.epsilon.len() >= 3) {
        let rank = spearman(&series.epsilon, &series.measured);
        if series.name == "LCNN" {
            let what = "smaller weights, fewer frequencies: rank correlation of the LCNN's participation ratio with ε";
            note.at_least(what, rank, 0.9);
        }
    }
    Ok(note)
}

// One plane of `[m, h, w/2+1]`.
fn energies(all: &ndarray::ArrayD<f64>, index: usize, run: &Finished) -> Result<Energies> {
    let [_, h, w] = run.dir.shape()?;
    let plane = all.index_axis(Axis(0), index).into_dimensionality()?.to_owned();
    Ok(Energies::new(Grid::new(h, w), plane)?)
}

fn scale_series(runs: &[Finished], kind: ModelKind, index: usize) -> Option<ScaleSeries> {
    let mut points: Vec<_> = runs
        .iter()
        .filter(|r| r.is(kind))
        .map(|r| {
            let mode = &r.summary.modes[index];
            let pr = |t: Option<&crate::run::summary::Template>| t.map_or(f64::NAN, |t| t.participation);
            let predicted = mode.predicted.first().map(|p| pr(p.discovery.template.as_ref()));
            (r.config.init.scale, pr(mode.measured.template.as_ref()), predicted, r.name())
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points.dedup_by(|a, b| a.0 == b.0);
    Some(ScaleSeries {
        name: points.first()?.3.to_owned(),
        epsilon: points.iter().map(|p| p.0).collect(),
        measured: points.iter().map(|p| p.1).collect(),
        theory: points.iter().map(|p| p.2).collect(),
    })
}
