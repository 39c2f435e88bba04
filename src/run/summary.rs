//! `summary.json`: what came out of a run, mode by mode.

use std::ops::Range;
use std::path::Path;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
use crate::run::Metrics;
use crate::spectrum::Energies;
use crate::stats::{crossing, discovery_time};
use crate::theory::subspace;
use crate::theory::{Forecast, Mode, Modes};

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
    /// Accuracy on the evaluation split at the end, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_accuracy: Option<f64>,
    /// Names of the theories beside the measurement.
    pub theories: Vec<String>,
    /// What there is to know about the theories' assumptions, and why there is none.
    pub notes: Vec<String>,
    /// The modes, strongest first.
    pub modes: Vec<ModeSummary>,
    /// Modes of one strength, which are a subspace rather than directions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subspaces: Vec<Subspace>,
}

/// The outcome for modes of one strength. Times are in steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subspace {
    /// Which modes, counted from 1.
    pub modes: Vec<usize>,
    /// Half-time of their mean strength (1/m) Σ a, which does not depend on the basis.
    pub t50: Option<f64>,
    /// The same by each theory, in the order of `theories`; null beyond the last
    /// measured step.
    pub predicted: Vec<Option<f64>>,
    /// Principal angles in degrees, ascending, between what the mode images v and
    /// what the network's last templates u_αᵀE span.
    pub angles: Option<Vec<f64>>,
}

impl Subspace {
    // Of the modes `block`; `images`: the last templates `[m, d]`.
    fn new(metrics: &Metrics, modes: &Modes, block: Range<usize>, images: Option<ArrayView2<f64>>) -> Self {
        let level = 0.5 * modes.list[block.clone()].iter().map(|m| m.s).sum::<f64>() / block.len() as f64;
        let half_time = |a: &[Vec<f64>]| {
            let of_row = |r: usize| a[block.clone()].iter().map(|a| a[r]).sum::<f64>() / block.len() as f64;
            let mean: Vec<f64> = (0..metrics.steps.len()).map(of_row).collect();
            crossing(&metrics.steps, &mean, level, true)
        };
        let v = modes.v_rows();
        let angles = images.and_then(|images| {
            let rows = ndarray::s![block.start..block.end, ..];
            subspace::principal_angles(v.slice(rows), images.slice(rows))
        });
        Self {
            modes: block.clone().map(|i| i + 1).collect(),
            t50: half_time(&metrics.a),
            predicted: metrics.theories.iter().map(|t| half_time(&t.a)).collect(),
            angles: angles.map(|a| a.into_iter().map(f64::to_degrees).collect()),
        }
    }
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
    /// Frequencies of v: (row, column), the fewest that hold half of its energy, most
    /// energy first. The one that ρ is of ([`Mode::dominant`]) need not be first.
    pub dominant: Vec<[i32; 2]>,
    /// Measured; nothing in a forecast.
    #[serde(default, skip_serializing_if = "Discovery::is_empty")]
    pub measured: Discovery,
    /// What each theory predicted, in the order of `theories`.
    pub predicted: Vec<Prediction>,
}

/// When a mode is discovered, and with which frequencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// Step at which a reaches 10 % of s; null where it never does.
    pub t10: Option<f64>,
    /// 50 %: the half-time.
    pub t50: Option<f64>,
    /// 90 %.
    pub t90: Option<f64>,
    /// Discovery time τ of a deep network, whose a/s is noisy and need not be monotone:
    /// exp of the area above a/s in logarithmic time, from step 1 to the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau: Option<f64>,
    /// The template u_αᵀE at the half-time.
    pub template: Option<Template>,
}

/// A theory's word on one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Name of the theory.
    pub theory: String,
    /// Times and template.
    #[serde(flatten)]
    pub discovery: Discovery,
    /// max |a − theory|/s over the measured steps; absent before anything is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_error: Option<f64>,
    /// mean |a − theory|/s over the measured steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_error: Option<f64>,
}

/// The image that a network uses for a mode, by its frequencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Participation ratio of its energies, over the full plane.
    pub participation: f64,
    /// Its frequencies: the fewest that hold half of its energy.
    pub dominant: Vec<[i32; 2]>,
    /// Σ_k min(e(k), e_v(k)), both energies normalised to 1: 1 where template
    /// and mode image have the same spectrum, 0 where they share no frequency.
    pub overlap: f64,
    /// Share of its energy at the frequencies that hold half of v's.
    pub on_dominant: f64,
}

// Frequencies are listed up to this many.
const LISTED: usize = 16;

// The fewest frequencies that hold half of the energy, as (row, column).
fn dominant(energies: &Energies) -> Vec<[i32; 2]> {
    energies.dominant_set(0.5).iter().take(LISTED).map(|k| [k.row, k.col]).collect()
}

/// a/s of a mode of strength `s`.
pub fn shares(a: &[f64], s: f64) -> Vec<f64> {
    a.iter().map(|a| a / s).collect()
}

impl Template {
    /// Of the energies of a template for `mode`; None for a template of zeros.
    pub fn new(energies: &Energies, mode: &Mode) -> Option<Self> {
        let total = energies.total();
        if total <= 0.0 || !total.is_finite() {
            return None;
        }
        let grid = energies.grid();
        let of_mode = mode.energies.values();
        let shared = energies.values().indexed_iter().fold(0.0, |sum, ((r, c), e)| {
            sum + grid.weight(c) * (e / total).min(of_mode[[r, c]] / mode.energies.total())
        });
        let half = mode.energies.dominant_set(0.5);
        let on_dominant: f64 =
            energies.folded().into_iter().filter(|(k, _)| half.contains(k)).map(|(_, e)| e).sum();
        Some(Self {
            participation: energies.participation(),
            dominant: dominant(energies),
            overlap: shared,
            on_dominant: on_dominant / total,
        })
    }
}

impl Discovery {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Of a measured curve `a` of `mode`, and the template at its half-time.
    pub fn measured(steps: &[f64], a: &[f64], mode: &Mode, template: Option<&Energies>) -> Self {
        let at = |share: f64| crossing(steps, a, share * mode.s, true);
        let template = template.and_then(|e| Template::new(e, mode));
        Self { t10: at(0.1), t50: at(0.5), t90: at(0.9), tau: None, template }
    }

    /// Of a theory, with steps of size `eta`: it may know more than was measured.
    pub fn predicted(forecast: &dyn Forecast, index: usize, mode: &Mode, eta: f64) -> Self {
        let at = |share: f64| forecast.time_to(index, share).map(|t| t / eta);
        let template = forecast.discovered_with(index).and_then(|e| Template::new(&e, mode));
        Self { t10: at(0.1), t50: at(0.5), t90: at(0.9), tau: None, template }
    }
}

impl Prediction {
    /// Of mode `index`, before anything is measured.
    pub fn new(forecast: &dyn Forecast, index: usize, mode: &Mode, eta: f64) -> Self {
        Self {
            theory: forecast.theory().to_owned(),
            discovery: Discovery::predicted(forecast, index, mode, eta),
            max_error: None,
            mean_error: None,
        }
    }

    // Beside the strengths `a` and what the theory said of them.
    fn beside(self, a: &[f64], predicted: &[f64], s: f64) -> Self {
        let pairs = a.iter().zip(predicted).filter(|(_, p)| p.is_finite());
        let errors: Vec<f64> = pairs.map(|(a, p)| (a - p).abs() / s).collect();
        let any = !errors.is_empty();
        Self {
            max_error: any.then(|| errors.iter().fold(0.0, |m, x| x.max(m))),
            mean_error: any.then(|| errors.iter().sum::<f64>() / errors.len() as f64),
            ..self
        }
    }
}

impl ModeSummary {
    /// Of `mode`, its measurement and predictions.
    pub fn new(mode: &Mode, measured: Discovery, predicted: Vec<Prediction>) -> Self {
        Self {
            s: mode.s,
            lambda: mode.lambda,
            rho: mode.rho,
            participation: mode.participation,
            dominant: dominant(&mode.energies),
            measured,
            predicted,
        }
    }
}

impl Summary {
    /// Of a run's metrics; `templates` are the energies measured at the half-times,
    /// `images` the last templates u_αᵀE `[m, d]`.
    pub fn new(
        metrics: &Metrics,
        modes: &Modes,
        eta: f64,
        forecasts: &[Box<dyn Forecast>],
        templates: &[Option<Energies>],
        images: Option<ArrayView2<f64>>,
        notes: Vec<String>,
    ) -> Self {
        let last = |v: &[f64]| v.last().copied().unwrap_or(f64::NAN);
        let summaries = modes.list.iter().enumerate().map(|(i, mode)| {
            let a = &metrics.a[i];
            let template = templates.get(i).and_then(Option::as_ref);
            let predicted = forecasts.iter().zip(&metrics.theories).map(|(forecast, columns)| {
                Prediction::new(forecast.as_ref(), i, mode, eta).beside(a, &columns.a[i], mode.s)
            });
            let predicted = predicted.collect();
            ModeSummary::new(mode, Discovery::measured(&metrics.steps, a, mode, template), predicted)
        });
        Self {
            steps: last(&metrics.steps) as u64,
            eta,
            loss: [metrics.loss[0], last(&metrics.loss)],
            accuracy: Some(last(&metrics.accuracy)).filter(|a| a.is_finite()),
            test_accuracy: None,
            theories: forecasts.iter().map(|f| f.theory().to_owned()).collect(),
            notes,
            modes: summaries.collect(),
            subspaces: subspace::blocks(modes)
                .into_iter()
                .map(|block| Subspace::new(metrics, modes, block, images))
                .collect(),
        }
    }

    /// Adds the discovery times τ, by which modes of a deep network are ordered.
    #[must_use]
    pub fn with_discovery_times(mut self, metrics: &Metrics) -> Self {
        for (mode, a) in self.modes.iter_mut().zip(&metrics.a) {
            mode.measured.tau = discovery_time(&metrics.steps, &shares(a, mode.s));
        }
        self
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
