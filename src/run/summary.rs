//! `summary.json`: what came out of a run, mode by mode.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
use crate::run::Metrics;
use crate::theory::Modes;
use crate::theory::closed::Forecast;
use crate::theory::curve::crossing;

/// The outcome of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Steps made.
    pub steps: u64,
    /// Step size η.
    pub eta: f64,
    /// Loss at the first and the last measured step.
    pub loss: [f64; 2],
    /// Training accuracy at the end, where targets are classes.
    pub accuracy: Option<f64>,
    /// Name of the theory in the metrics, or null.
    pub theory: Option<String>,
    /// Why there is no theory.
    pub no_theory: Option<String>,
    /// The modes, strongest first.
    pub modes: Vec<ModeSummary>,
}

/// The outcome for one mode. Times are in steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModeSummary {
    /// Strength s.
    pub s: f64,
    /// λ.
    pub lambda: f64,
    /// Concentration ρ.
    pub rho: f64,
    /// Participation ratio of v.
    pub participation: f64,
    /// Strongest frequency of v: (row, column).
    pub dominant: [i32; 2],
    /// Measured times.
    pub measured: Times,
    /// Theory's times.
    pub predicted: Option<Times>,
    /// max |a − theory|/s over the measured steps.
    pub max_error: Option<f64>,
    /// mean |a − theory|/s over the measured steps.
    pub mean_error: Option<f64>,
}

/// Steps at which a reaches shares of s; null where it never does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// 10 %.
    pub t10: Option<f64>,
    /// 50 %: the half-time.
    pub t50: Option<f64>,
    /// 90 %.
    pub t90: Option<f64>,
}

impl Times {
    /// Times of a curve `a` of a mode of strength `s`.
    pub fn of(steps: &[f64], a: &[f64], s: f64) -> Self {
        let at = |share: f64| crossing(steps, a, share * s);
        Self { t10: at(0.1), t50: at(0.5), t90: at(0.9) }
    }
}

impl Summary {
    /// Of a run's metrics.
    pub fn new(
        metrics: &Metrics,
        modes: &Modes,
        eta: f64,
        theory: std::result::Result<&Forecast, &str>,
    ) -> Self {
        let times = theory.ok().map(|f| [0.1, 0.5, 0.9].map(|share| f.steps_to(share)));
        let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
        let summaries = modes.list.iter().enumerate().map(|(i, mode)| {
            let (a, predicted) = (&metrics.a[i], metrics.theory.get(i));
            let errors: Option<Vec<f64>> =
                predicted.map(|p| a.iter().zip(p).map(|(a, p)| (a - p).abs() / mode.s).collect());
            ModeSummary {
                s: mode.s,
                lambda: mode.lambda,
                rho: mode.rho,
                participation: mode.participation,
                dominant: [mode.dominant.row, mode.dominant.col],
                measured: Times::of(&metrics.steps, a, mode.s),
                // From the theory itself: it knows them also beyond the last step.
                predicted: times.as_ref().map(|t| Times {
                    t10: Some(t[0][i]),
                    t50: Some(t[1][i]),
                    t90: Some(t[2][i]),
                }),
                max_error: errors.as_ref().map(|e| e.iter().fold(0.0, |m, x| x.max(m))),
                mean_error: errors.as_ref().map(|e| e.iter().sum::<f64>() / e.len() as f64),
            }
        });
        Self {
            steps: last(&metrics.steps) as u64,
            eta,
            loss: [metrics.loss[0], last(&metrics.loss)],
            accuracy: Some(last(&metrics.accuracy)).filter(|a| a.is_finite()),
            theory: theory.ok().map(|_| "closed form, finite steps".to_owned()),
            no_theory: theory.err().map(str::to_owned),
            modes: summaries.collect(),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("every field has a JSON form");
        disk::write_bytes(path, text.as_bytes())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        serde_json::from_str(&text).map_err(|e| Error::input(path.display(), "the summary of a run", e))
    }
}
