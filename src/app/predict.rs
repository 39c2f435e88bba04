//! `domfreq predict`: when each mode will be learned, before anything is trained.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::forecast::{self, Forecasts, Known};
use super::{memory, print, print_json, samples, use_threads};
use crate::cli::PredictArgs;
use crate::run::RunConfig;
use crate::run::config::TheoryKind;
use crate::run::summary::{Discovery, Prediction, dominant};
use crate::theory::linear::{Layout, Padding};
use crate::theory::{Modes, Moments, moments};

#[derive(Serialize)]
struct Report {
    data: String,
    samples: usize,
    shape: [usize; 3],
    model: crate::run::config::ModelConfig,
    theories: Vec<String>,
    notes: Vec<String>,
    /// Step size that times in steps are for.
    eta: f64,
    modes: Vec<ModeReport>,
}

#[derive(Serialize)]
struct ModeReport {
    s: f64,
    lambda: f64,
    rho: f64,
    participation: f64,
    dominant: Vec<[i32; 2]>,
    predicted: Vec<Prediction>,
}

pub fn run(args: &PredictArgs) -> Result<()> {
    let mut config = match &args.config {
        Some(path) => RunConfig::read(path)?,
        None => RunConfig::default(),
    };
    args.apply(&mut config);
    config.check()?;
    use_threads(config.run.threads)?;
    let samples = samples(&mut config.data)?;
    let exact = match config.layout(samples.shape) {
        // What no approximate theory treats.
        Layout::Lcnn { layers, size, padding: Padding::Circular, .. } => {
            layers > 1 || size != (samples.shape[1], samples.shape[2])
        }
        _ => false,
    };
    let theory = &config.measure.theory;
    let needs_all = theory.contains(&TheoryKind::Flow) || (exact && theory.contains(&TheoryKind::Auto));
    let all = if needs_all {
        let d = samples.x.ncols();
        let advice = format!("that is Σxx of d = {d} inputs; use another theory, or a smaller --size");
        memory::require("measure.theory = \"flow\"", (d as u128).pow(2) * 8, &advice)?;
        Some(Moments::new(&samples))
    } else {
        None
    };
    let yx = all.as_ref().map_or_else(|| moments::cross(&samples), |m| m.yx.clone());
    let modes = Modes::from_cross(&samples, yx.view())?;
    let weights = forecast::weights(&config, &samples, &modes)?;
    let curvature = forecast::start_curvature(&config, &samples, &modes, &weights)?;
    let eta = forecast::step_size(&config, &modes, curvature);
    let weakest = modes.list.last().map_or(1.0, |m| m.s);
    let known = Known {
        config: &config,
        samples: &samples,
        modes: &modes,
        yx: yx.view(),
        moments: all.as_ref(),
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
    let report = report(&config, samples.len(), &modes, &forecasts, eta);
    if args.json {
        return print_json(&report);
    }
    forecast::say_all(&report.notes);
    print(table(&report).as_bytes())
}

fn report(config: &RunConfig, samples: usize, modes: &Modes, forecasts: &Forecasts, eta: f64) -> Report {
    let of_mode = |(i, mode): (usize, &crate::theory::Mode)| {
        let predicted = forecasts.list.iter().map(|f| Prediction {
            theory: f.theory().to_owned(),
            discovery: Discovery::predicted(f.as_ref(), i, mode, eta),
            max_error: None,
            mean_error: None,
        });
        ModeReport {
            s: mode.s,
            lambda: mode.lambda,
            rho: mode.rho,
            participation: mode.participation,
            dominant: dominant(&mode.energies),
            predicted: predicted.collect(),
        }
    };
    Report {
        data: config.data.spec.clone(),
        samples,
        shape: modes.shape,
        model: config.model.clone(),
        theories: forecasts.names().into_iter().map(str::to_owned).collect(),
        notes: forecasts.notes.clone(),
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
