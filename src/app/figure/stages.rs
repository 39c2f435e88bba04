//! Figure 1: discovery of the modes, and the closed form where it holds.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::verdict::Note;
use super::{subtitle, title};
use crate::figure::stages::{self, Curve, Panel};
use crate::run::config::ModelKind;
use crate::run::{RunConfig, RunDir, Summary};
use crate::stats::crossing;

/// Distance allowed between closed form and training, in units of s.
const CLOSE: f64 = 0.005;

pub fn draw(runs: &[PathBuf], out: &Path) -> Result<Note> {
    let panels: Result<Vec<_>> = runs.iter().map(|root| panel(root)).collect();
    let panels = panels?;
    stages::draw(&panels, out)?;
    let mut note = Note::new(
        1,
        "Discovery in stages",
        "Strength a of each mode in units of its final value s, over the steps of gradient descent: \
         measured (solid) and predicted (dashed), with half-times. Linear networks learn the modes of \
         a data set one after the other, the strongest first.",
    );
    for (root, panel) in runs.iter().zip(&panels) {
        // A run that was stopped has no summary, and can be drawn nevertheless.
        let Ok(summary) = Summary::read(&RunDir::open(root)?.summary()) else { continue };
        let alone = summary.theories.first().is_some_and(|t| t == "closed");
        if alone {
            let worst =
                summary.modes.iter().filter_map(|m| m.predicted[0].max_error).fold(f64::NAN, f64::max);
            note.at_most(format!("{}: max |a − closed form|/s", panel.title), worst, CLOSE);
        }
        let times: Vec<f64> = panel.curves.iter().filter_map(|c| c.half_time).collect();
        let ordered = times.windows(2).filter(|w| w[0] < w[1]).count() + 1;
        let what = format!("{}: modes discovered in the order of strength, of {}", panel.title, times.len());
        // Modes that share frequencies or have nearly the same strength may change places.
        if alone {
            note.at_least(what, ordered as f64, times.len() as f64);
        } else {
            note.states(what, ordered as f64);
        }
    }
    // The claim of the figure, in the time of the flow: √(n/2) for cosines.
    let first = |root: &PathBuf| -> Option<(ModelKind, f64)> {
        let dir = RunDir::open(root).ok()?;
        let (config, summary) = (RunConfig::read(&dir.config()).ok()?, Summary::read(&dir.summary()).ok()?);
        Some((config.model.kind, summary.modes[0].measured.t50? * summary.eta))
    };
    let times: Vec<_> = runs.iter().filter_map(first).collect();
    if let [(ModelKind::Fcnn, fcnn), (ModelKind::Lcnn, lcnn)] = times[..] {
        note.states("half-time of mode 1, FCNN / LCNN at the same step size", fcnn / lcnn);
    }
    Ok(note)
}

fn panel(root: &Path) -> Result<Panel> {
    let (config, metrics, s) = RunDir::open(root)?.read()?;
    let curves = s.iter().enumerate().map(|(i, &s)| {
        let relative = |a: &Vec<f64>| -> Vec<f64> { a.iter().map(|v| v / s).collect() };
        let (measured, theory) =
            (relative(&metrics.a[i]), metrics.theories.first().map(|t| relative(&t.a[i])));
        Curve {
            label: format!("mode {}", i + 1),
            note: format!("s = {s:.3}"),
            half_time: crossing(&metrics.steps, &measured, 0.5, true),
            theory_half_time: theory.as_ref().and_then(|t| crossing(&metrics.steps, t, 0.5, true)),
            measured,
            theory,
        }
    });
    Ok(Panel {
        title: title(&config),
        subtitle: subtitle(&config),
        curves: curves.collect(),
        steps: metrics.steps,
    })
}
