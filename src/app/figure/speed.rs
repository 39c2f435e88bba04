//! Discovery time of modes in a convolutional network relative to a fully
//! connected one, over the concentration of the mode.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finished;
use super::verdict::Note;
use crate::error::Error;
use crate::figure::speed::{self, Speed, SpeedPoint, SpeedSeries};
use crate::run::config::ModelKind;
use crate::stats::spearman;

/// Error allowed of the predicted ratio of half-times.
const CLOSE: f64 = 0.02;

pub fn draw(runs: &[PathBuf], out: &Path) -> Result<Note> {
    // Pairs of runs on the same data.
    let mut pairs: BTreeMap<(usize, String), [Option<Finished>; 2]> = BTreeMap::new();
    for run in Finished::all(runs)? {
        let shape = run.dir.shape()?;
        let key = (shape[1] * shape[2], format!("{}×{} {}", shape[1], shape[2], run.config.data.spec));
        let side = usize::from(run.is(ModelKind::Lcnn));
        let place = &mut pairs.entry(key).or_default()[side];
        if let Some(other) = place {
            let found = format!("{} and {}", other.dir.root().display(), run.dir.root().display());
            return Err(Error::input("figure speed", "one run of each network per data set", found).into());
        }
        *place = Some(run);
    }
    let mut sizes: BTreeMap<usize, SpeedSeries> = BTreeMap::new();
    for ((n, key), pair) in pairs {
        let [Some(fcnn), Some(lcnn)] = pair else {
            let expected = "a run of each network on the same data";
            return Err(Error::input("figure speed", expected, format_args!("one only, on {key}")).into());
        };
        let name = key.split(' ').next().unwrap_or_default().to_owned();
        let series = sizes.entry(n).or_insert_with(|| SpeedSeries { name, points: Vec::new() });
        let ratio = |f: Option<f64>, c: Option<f64>| {
            f.zip(c)
                .filter(|(f, c)| *f > 0.0 && *c > 0.0)
                .map(|(f, c)| (c * lcnn.summary.eta) / (f * fcnn.summary.eta))
        };
        for (f, c) in fcnn.summary.modes.iter().zip(&lcnn.summary.modes) {
            // Modes that both have discovered.
            let Some(measured) = ratio(f.measured.t50, c.measured.t50) else { continue };
            let by_theory =
                |m: &crate::run::summary::ModeSummary| m.predicted.first().and_then(|p| p.discovery.t50);
            series.points.push(SpeedPoint {
                rho: c.rho,
                measured,
                theory: ratio(by_theory(f), by_theory(c)),
            });
        }
    }
    let mut data = Speed { sizes: sizes.into_values().collect() };
    for series in &mut data.sizes {
        series.points.sort_by(|a, b| a.rho.total_cmp(&b.rho));
    }
    speed::draw(&data, out)?;

    let mut note = Note::new(
        2,
        "How much faster a convolution is",
        "Half-time of a mode in a convolutional network over that in a fully connected one, against its \
         concentration ρ (by default of single modes spread over 1 to many frequencies). Markers: measured; \
         rings: theory, from the same initial weights; dashed: 1/ρ. Data and architecture set the speed \
         together.",
    );
    let points: Vec<_> = data.sizes.iter().flat_map(|s| &s.points).copied().collect();
    if points.iter().all(|p| p.theory.is_some()) {
        let error = |p: &SpeedPoint| p.theory.map_or(f64::NAN, |t| (p.measured / t - 1.0).abs());
        let worst = points.iter().map(error).fold(f64::NAN, f64::max);
        note.at_most(format!("largest error of the predicted ratio, {} modes", points.len()), worst, CLOSE);
    }
    let inverse: Vec<f64> = points.iter().map(|p| 1.0 / p.rho).collect();
    let measured: Vec<f64> = points.iter().map(|p| p.measured).collect();
    note.at_least("rank correlation of the ratio with 1/ρ", spearman(&inverse, &measured), 0.95);
    let (low, high) = points
        .iter()
        .map(|p| p.measured * p.rho)
        .fold((f64::INFINITY, 0f64), |(low, high), x| (low.min(x), high.max(x)));
    note.states("ratio · ρ (1 where the rule of thumb is exact), smallest", low);
    note.states("ratio · ρ, largest", high);
    Ok(note)
}
