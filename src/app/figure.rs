//! `domfreq figure`: figures read run directories only.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::data::Spec;
use crate::figure::stages::{self, Curve, Panel};
use crate::progress::say;
use crate::run::config::{Kernel, ModelKind, SpaceKind};
use crate::run::{RunConfig, RunDir};
use crate::theory::curve::crossing;

pub fn stages(runs: &[PathBuf], out: &Path) -> Result<()> {
    let panels: Result<Vec<_>> = runs.iter().map(|root| panel(root)).collect();
    stages::draw(&panels?, out)?;
    say(format_args!("wrote {}", out.display()));
    Ok(())
}

fn panel(root: &Path) -> Result<Panel> {
    let (config, metrics, s) = RunDir::open(root)?.read()?;
    let curves = s.iter().enumerate().map(|(i, &s)| {
        let relative = |a: &Vec<f64>| -> Vec<f64> { a.iter().map(|v| v / s).collect() };
        let (measured, theory) = (relative(&metrics.a[i]), metrics.theory.get(i).map(relative));
        Curve {
            label: format!("mode {}", i + 1),
            note: format!("s = {s:.3}"),
            half_time: crossing(&metrics.steps, &measured, 0.5),
            theory_half_time: theory.as_ref().and_then(|t| crossing(&metrics.steps, t, 0.5)),
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

fn title(config: &RunConfig) -> String {
    match config.model.kind {
        ModelKind::Fcnn => format!("FCNN, {} hidden units", config.model.hidden),
        ModelKind::Lcnn => {
            let kernel = match config.model.kernel {
                Kernel::Full => "full-size".to_owned(),
                Kernel::Fixed(size) => size.to_string(),
            };
            format!("LCNN, {} {kernel} kernel{}", config.model.channels, plural(config.model.channels))
        }
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn subtitle(config: &RunConfig) -> String {
    let source = config.data.spec.parse::<Spec>().map_or_else(|_| config.data.spec.clone(), |s| s.short());
    let space = match config.train.space {
        SpaceKind::Moment => "moment space",
        SpaceKind::Sample => "sample space",
    };
    let eta = config.train.eta.map_or_else(String::new, |eta| format!(", η = {eta:.2e}"));
    format!("{source}{eta}, {space}")
}
