//! Predicted against measured half-times, of all modes of all runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Finished;
use super::verdict::Note;
use crate::figure::order::{self, Order, OrderGroup};
use crate::stats::{pearson, spearman};

pub fn draw(runs: &[PathBuf], out: &Path) -> Result<Note> {
    let runs = Finished::all(runs)?;
    let mut groups: BTreeMap<String, (usize, Vec<(f64, f64)>)> = BTreeMap::new();
    for run in &runs {
        let group = groups.entry(format!("{}, {}", run.data(), run.name())).or_default();
        for mode in &run.summary.modes {
            group.0 += 1;
            let predicted = mode.predicted.first().and_then(|p| p.discovery.t50);
            if let (Some(p), Some(m)) = (predicted, mode.measured.t50)
                && p > 0.0
                && m > 0.0
            {
                group.1.push((p, m));
            }
        }
    }
    let all: Vec<(f64, f64)> = groups.values().flat_map(|(_, points)| points).copied().collect();
    let (predicted, measured): (Vec<f64>, Vec<f64>) = all.iter().copied().unzip();
    let ln = |v: &[f64]| v.iter().map(|x| x.ln()).collect::<Vec<_>>();
    let data = Order {
        spearman: spearman(&predicted, &measured),
        pearson: pearson(&ln(&predicted), &ln(&measured)),
        groups: groups
            .iter()
            .map(|(name, (_, points))| OrderGroup { name: name.clone(), points: points.clone() })
            .collect(),
    };
    order::draw(&data, out)?;

    let mut note = Note::new(
        6,
        "The order of discovery, from the data alone",
        "Half-times of all modes of several data sets in fully connected and convolutional networks: predicted \
         from data and initial weights before training, and measured. The line is where both agree. \
         Correlations are over all modes learned (Pearson's of the logarithms).",
    );
    let modes: usize = groups.values().map(|(count, _)| count).sum();
    note.at_least(
        format!("Spearman's correlation, {} of {modes} modes learned", all.len()),
        data.spearman,
        0.95,
    );
    note.at_least("Pearson's correlation of the logarithms", data.pearson, 0.95);
    for (name, (count, points)) in &groups {
        let (p, m): (Vec<f64>, Vec<f64>) = points.iter().copied().unzip();
        if p.len() > 2 {
            note.states(
                format!("{name}: Spearman's correlation, {} of {count} modes", p.len()),
                spearman(&p, &m),
            );
        }
        let off: Vec<f64> = points.iter().map(|(p, m)| (p / m).ln().abs()).collect();
        if !off.is_empty() {
            let typical = off.iter().sum::<f64>() / off.len() as f64;
            note.states(format!("{name}: typical factor between prediction and measurement"), typical.exp());
        }
    }
    Ok(note)
}
