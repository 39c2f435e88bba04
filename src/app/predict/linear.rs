//! Of a linear network: half-times, and with which frequencies.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::app::forecast::{self, Forecasts};
use crate::app::start::Known;
use crate::app::{notes, print, samples, start};
use crate::cli::PredictArgs;
use crate::data::Samples;
use crate::field::Told;
use crate::run::config::{LinearConfig, ModelConfig};
use crate::run::summary::{Discovery, ModeSummary, Prediction};
use crate::theory::{Mode, Modes, moments};

#[derive(Serialize)]
struct Report {
    data: String,
    samples: usize,
    shape: [usize; 3],
    model: ModelConfig,
    theories: Vec<String>,
    /// Of the images, and then of the forecasts.
    #[serde(flatten)]
    told: Told,
    /// Step size that times in steps are for.
    eta: f64,
    modes: Vec<ModeSummary>,
}

pub fn run(args: &PredictArgs, config: LinearConfig) -> Result<()> {
    let samples = samples(&config.data)?;
    let yx = moments::cross(&samples);
    let modes = Modes::from_cross(&samples, yx.view())?;
    let weights = start::weights(&config, &samples, &modes)?;
    let curvature = start::curvature(&config, &samples, &modes, &weights)?;
    let eta = start::step_size(&config, &modes, curvature);
    let weakest = modes.list.last().map_or(1.0, |m| m.s);
    let known = Known {
        config: &config,
        samples: &samples,
        modes: &modes,
        yx: yx.view(),
        moments: None,
        weights: &weights,
        eta,
        curvature,
        // A mode of strength s takes ln(s/a₀)/(2 g s): no start is so small that
        // this is not enough, but in deep networks, which linger at the start.
        end: 1e4 / weakest,
        until_learned: true,
    };
    let forecasts = forecast::forecasts(&known)?;
    if forecasts.list.is_empty() {
        let found = forecasts.notes.last().map_or("measure.theory = [\"none\"]", String::as_str);
        return Err(crate::Error::input("predict", "a theory that applies", found).into());
    }
    let report = report(&config, &samples, &modes, &forecasts, eta);
    if super::written(args, &report)? {
        return Ok(());
    }
    notes::say_all(&forecasts.notes);
    print(table(&report).as_bytes())
}

fn report(
    config: &LinearConfig,
    samples: &Samples,
    modes: &Modes,
    forecasts: &Forecasts,
    eta: f64,
) -> Report {
    let of_mode = |(i, mode): (usize, &Mode)| {
        let predicted = forecasts.list.iter().map(|f| Prediction::new(f.as_ref(), i, mode, eta));
        ModeSummary::new(mode, Discovery::default(), predicted.collect())
    };
    Report {
        data: config.data.spec.to_string(),
        samples: samples.len(),
        shape: modes.shape,
        model: config.model.clone(),
        theories: forecasts.names().into_iter().map(str::to_owned).collect(),
        told: samples.source.told.with(&forecasts.notes),
        eta,
        modes: modes.list.iter().enumerate().map(of_mode).collect(),
    }
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    for (i, theory) in report.theories.iter().enumerate() {
        let _ = writeln!(text, "{theory} theory, {}; steps of η = {:.3e}\n", report.model.kind, report.eta);
        let _ = writeln!(
            text,
            "mode         s       λ      ρ   half-time t   half-time (steps)   10-90 % (steps)   PR of v   PR used"
        );
        for (a, mode) in report.modes.iter().enumerate() {
            let d = &mode.predicted[i].discovery;
            let number =
                |x: Option<f64>, digits: usize| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.digits$}"));
            let width = d.t90.zip(d.t10).map(|(late, early)| late - early);
            let _ = writeln!(
                text,
                "{:4} {:9.4} {:7.1} {:6.2} {:>13} {:>19} {:>17} {:9.1} {:>9}",
                a + 1,
                mode.s,
                mode.lambda,
                mode.rho,
                d.t50.map_or_else(|| "-".to_owned(), |t| format!("{:.4}", t * report.eta)),
                number(d.t50, 1),
                number(width, 1),
                mode.participation,
                number(d.template.as_ref().map(|t| t.participation), 1),
            );
        }
        text.push('\n');
    }
    text
}
