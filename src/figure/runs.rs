//! Runs as figures need them, and what they are called.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::curves::{StageCurve, StagePanel};
use crate::error::Error;
use crate::progress::say;
use crate::run::config::{Kernel, ModelKind, SpaceKind};
use crate::run::{Metrics, RunConfig, RunDir, Summary};
use crate::sweep::Sweep;
use crate::theory::linear::Padding;

/// Runs, and the picture of them.
#[derive(Debug, clap::Args)]
pub struct Runs {
    /// Run directories, or folders of sweeps: all runs of them that have finished
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The PNG to write
    #[arg(long, value_name = "PNG")]
    pub out: PathBuf,
}

/// A finished run, as figures need it.
pub(super) struct Finished {
    pub dir: RunDir,
    pub config: RunConfig,
    pub metrics: Metrics,
    pub summary: Summary,
}

impl Finished {
    fn open(root: &Path) -> Result<Self> {
        let dir = RunDir::open(root)?;
        let (config, metrics, _) = dir.read()?;
        if !dir.summary().exists() {
            let expected = "a run that has finished (this figure needs its summary.json)";
            return Err(Error::input(root.display(), expected, "none").into());
        }
        let summary = Summary::read(&dir.summary())?;
        if summary.modes.len() != metrics.a.len() {
            let found = format!("{} and {} modes", summary.modes.len(), metrics.a.len());
            return Err(Error::input(root.display(), "one run", found).into());
        }
        Ok(Self { dir, config, metrics, summary })
    }

    /// These runs, and the finished ones of sweeps among them.
    pub fn all(runs: &[PathBuf]) -> Result<Vec<Self>> {
        expanded(runs)?.iter().map(|root| Self::open(root)).collect()
    }

    pub fn is(&self, kind: ModelKind) -> bool {
        self.config.model.kind == kind
    }

    pub fn name(&self) -> String {
        self.config.model.kind.to_string().to_uppercase()
    }

    /// The run directory, for errors.
    pub fn place(&self) -> String {
        self.dir.root().display().to_string()
    }

    /// What the data are called, without the folder they are in.
    pub fn data(&self) -> String {
        self.config.data.spec.short()
    }

    /// Curves of the first `modes` modes, with the theories of the run.
    pub fn panel(&self, title: String, modes: usize, log_x: bool) -> StagePanel {
        let relative = |a: &[f64], i: usize| a.iter().map(|v| v / self.summary.modes[i].s).collect();
        let curves = (0..self.summary.modes.len().min(modes)).map(|i| StageCurve {
            label: format!("mode {}", i + 1),
            measured: relative(&self.metrics.a[i], i),
            theory: (self.metrics.theories.iter())
                .map(|t| (in_words(&t.theory), relative(&t.a[i], i)))
                .collect(),
        });
        StagePanel { title, steps: self.metrics.steps.clone(), curves: curves.collect(), log_x }
    }
}

/// Run directories: these, and those of the finished runs of sweeps among them.
pub(super) fn expanded(roots: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for root in roots {
        if !Sweep::is_at(root) {
            all.push(root.clone());
            continue;
        }
        let sweep = Sweep::open(root)?;
        let finished = sweep.finished();
        let left = sweep.plan.runs.len() - finished.len();
        if finished.is_empty() {
            return Err(Error::input(root.display(), "a sweep with a run that has finished", "none").into());
        }
        if left > 0 {
            say(format_args!("{}: {left} runs have not finished, and are left out", root.display()));
        }
        all.extend(finished.into_iter().map(|run| sweep.dir(run)));
    }
    Ok(all)
}

/// The networks of `runs`, the linear ones first.
pub(super) fn kinds(runs: &[Finished]) -> Vec<ModelKind> {
    let mut kinds: Vec<ModelKind> = runs.iter().map(|run| run.config.model.kind).collect();
    kinds.sort_by_key(|kind| (*kind != ModelKind::Fcnn, *kind != ModelKind::Lcnn, kind.to_string()));
    kinds.dedup();
    kinds
}

/// What a network is called: linear ones by their abbreviation.
pub(super) fn called(kind: ModelKind) -> String {
    if kind.is_linear() { kind.to_string().to_uppercase() } else { kind.to_string() }
}

/// A theory as legends name it: "mode" alone stands for the modes.
fn in_words(theory: &str) -> String {
    match theory {
        "closed" => "closed form".to_owned(),
        "flow" => "gradient flow".to_owned(),
        other => format!("{other} theory"),
    }
}

/// What network it was.
pub(super) fn title(config: &RunConfig) -> String {
    match config.model.kind {
        ModelKind::Fcnn => format!("FCNN, {} hidden units", config.model.hidden),
        ModelKind::Lcnn => {
            let kernel = match config.model.kernel {
                Kernel::Full => "full-size".to_owned(),
                Kernel::Fixed(size) => size.to_string(),
            };
            let (channels, layers) = (config.model.channels, config.model.layers);
            let depth = if layers == 1 { String::new() } else { format!("{layers} layers of ") };
            format!("LCNN, {depth}{channels} {kernel} kernel{}", plural(channels))
        }
        deep => deep.to_string().to_uppercase(),
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

pub(super) fn subtitle(config: &RunConfig) -> String {
    let source = config.data.spec.short();
    let space = match config.train.space {
        SpaceKind::Moment if config.model.kind.is_linear() => "moment space",
        _ => "sample space",
    };
    let eta = config.train.eta.map_or_else(String::new, |eta| format!(", η = {eta:.2e}"));
    // Here and not in the title, which is cut where it is too long for its panel.
    let padding = match (config.model.kind, config.model.padding()) {
        (ModelKind::Lcnn, Padding::Zero) => "zero padding, ",
        _ => "",
    };
    format!("{padding}{source}{eta}, {space}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_say_what_the_network_is() {
        let of = |text: &str| title(&RunConfig::parse(text, "x").expect("a configuration"));
        assert_eq!(of(""), "LCNN, 1 full-size kernel");
        assert_eq!(of("[model]\nkind = \"fcnn\"\nlayers = 3"), "FCNN, 64 hidden units");
        assert_eq!(of("[model]\nlayers = 3\nchannels = 2"), "LCNN, 3 layers of 2 full-size kernels");
        assert_eq!(of("[model]\nlayers = 2\nkernel = 3"), "LCNN, 2 layers of 1 3x3 kernel");
        let below = |text: &str| subtitle(&RunConfig::parse(text, "x").expect("a configuration"));
        assert_eq!(below(""), "cosines, moment space");
        assert_eq!(below("[model]\npadding = \"zero\""), "zero padding, cosines, moment space");
        assert_eq!(below("[model]\nkind = \"fcnn\"\npadding = \"zero\""), "cosines, moment space");
    }
}
