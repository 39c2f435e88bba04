//! Runs of linear networks: theory beside the measurement.

use std::fmt::Write as _;

use anyhow::Result;
use tch::{Device, Kind};

use super::record::Recorder;
use super::{Clock, Machine, directory, finish};
use crate::app::forecast::{self, Forecasts};
use crate::app::start::Known;
use crate::app::{memory, notes, print, print_json, samples, start};
use crate::cli::TrainArgs;
use crate::data::Samples;
use crate::error::Error;
use crate::model::{self, Network};
use crate::progress::Progress;
use crate::run::config::{Dtype, LinearConfig, SpaceKind};
use crate::run::dir::Templates;
use crate::run::metrics::Writer;
use crate::run::{Metrics, RunDir, Summary};
use crate::spectrum;
use crate::theory::{Modes, Moments, moments};
use crate::train::linear::{self as train, Plan, Space};

pub fn run(args: &TrainArgs, mut config: LinearConfig, machine: &Machine) -> Result<()> {
    if args.deep.resume {
        let expected = "a deep network; linear ones take minutes, and are simply run again (--force)";
        return Err(Error::input("--resume", expected, config.model.kind).into());
    }
    let root = directory(args, &config);
    RunDir::check(&root, args.force)?;

    // Everything that can be wrong is found before the directory is touched.
    let mut clock = Clock::default();
    let samples = samples(&config.data)?;
    clock.lap("load");
    let job = prepare(&mut config, &samples, machine.device, &mut clock)?;
    machine.note(&mut config);
    let manifest = machine.manifest(&config, &samples);
    let dir = RunDir::create(&root, args.force, &manifest)?;

    let outcome = fill(&config, &samples, &dir, job);
    clock.lap("train");
    let summary = finish(manifest, &dir, clock, outcome)?;
    if args.experiment.json { print_json(&summary) } else { print(table(&summary).as_bytes()) }
}

/// A run that is ready to start.
struct Job<'a> {
    modes: Modes,
    net: Box<dyn Network>,
    space: Box<dyn Space + 'a>,
    plan: Plan,
    forecasts: Forecasts,
}

fn prepare<'a>(
    config: &mut LinearConfig,
    samples: &'a Samples,
    device: Device,
    clock: &mut Clock,
) -> Result<Job<'a>> {
    let d = samples.x.ncols();
    let moments = if config.train.space == SpaceKind::Moment {
        // Once in double precision here, once in the run's for libtorch.
        let bytes = (d as u128).pow(2) * (8 + if config.run.dtype == Dtype::F64 { 8 } else { 4 });
        let advice = format!("that is Σxx of d = {d} inputs; use --space sample, or a smaller --size");
        memory::require("train.space = \"moment\"", bytes, &advice)?;
        Some(Moments::new(samples))
    } else {
        None
    };
    let yx = moments.as_ref().map_or_else(|| moments::cross(samples), |m| m.yx.clone());
    let modes = Modes::from_cross(samples, yx.view())?;
    clock.lap("moments");
    if config.train.batch.is_some_and(|b| b >= samples.len()) {
        config.train.batch = None;
    }
    let weights = start::weights(config, samples, &modes)?;
    let curvature = start::curvature(config, samples, &modes, &weights)?;
    let eta = start::step_size(config, &modes, curvature);
    config.train.eta = Some(eta);
    let forecasts = forecast::forecasts(&Known {
        config,
        samples,
        modes: &modes,
        yx: yx.view(),
        moments: moments.as_ref(),
        weights: &weights,
        eta,
        curvature,
        end: config.train.steps as f64 * eta,
        until_learned: false,
    })?;
    clock.lap("theory");
    let net = model::network(&weights, kind(config), device)?;
    let plan = Plan {
        steps: config.train.steps,
        eta,
        momentum: config.train.momentum,
        batch: config.train.batch,
        every: config.measure.every,
        snapshots: config.measure.snapshots,
        seed: config.run.seed,
    };
    let space = train::space(samples, moments.as_ref(), &plan, net.as_ref(), kind(config), device)?;
    Ok(Job { modes, net, space, plan, forecasts })
}

// Everything between the claim on the directory and the verdict on the run.
fn fill(config: &LinearConfig, samples: &Samples, dir: &RunDir, mut job: Job) -> Result<Summary> {
    crate::disk::write_bytes(&dir.config(), config.to_toml().as_bytes())?;
    let [c, h, w] = job.modes.shape;
    let images = samples.x.view().into_shape_with_order((samples.len(), c, h, w))?;
    dir.write_modes(&job.modes, &spectrum::mean_energies(images))?;
    notes::say_all(&job.forecasts.notes);
    let progress = Progress::new(&format!("training {}", config.model.kind), job.plan.steps);
    let names = job.forecasts.names();
    let mut recorder = Recorder {
        dir,
        modes: &job.modes,
        file: Writer::create(&dir.metrics(), job.modes.len(), &names)?,
        metrics: Metrics::new(job.modes.len(), &names),
        forecasts: &job.forecasts,
        eta: job.plan.eta,
        progress: &progress,
        last: None,
        used: vec![None; job.modes.len()],
    };
    train::train(job.net.as_ref(), job.space.as_mut(), &job.plan, samples, &job.modes, &mut recorder)?;
    recorder.file.sync()?;
    if let Some((last, _)) = &recorder.last {
        dir.write_checkpoint(last)?;
    }
    let Forecasts { list, notes } = &job.forecasts;
    let flat = |t: &Templates| {
        let rows = (job.modes.len(), job.modes.shape.iter().product::<usize>());
        t.images.to_shape(rows).map(|images| images.into_owned())
    };
    let images = recorder.last.as_ref().map(|(_, templates)| flat(templates)).transpose()?;
    let summary = Summary::new(
        &recorder.metrics,
        &job.modes,
        job.plan.eta,
        list,
        &recorder.used,
        images.as_ref().map(|i| i.view()),
        notes.clone(),
    );
    summary.write(&dir.summary())?;
    Ok(summary)
}

fn kind(config: &LinearConfig) -> Kind {
    match config.run.dtype {
        Dtype::F32 | Dtype::Bf16 => Kind::Float,
        Dtype::F64 => Kind::Double,
    }
}

fn table(summary: &Summary) -> String {
    let mut text = format!(
        "{} steps of η = {:.3e}; loss {:.4e} -> {:.4e}",
        summary.steps, summary.eta, summary.loss[0], summary.loss[1]
    );
    if let Some(accuracy) = summary.accuracy {
        let _ = write!(text, "; training accuracy {:.1} %", 100.0 * accuracy);
    }
    let _ = write!(text, "\n\nmode         s   half-time (steps)   PR of v   PR used");
    for theory in &summary.theories {
        let _ = write!(text, "   {:>12}   max |a - {theory}|/s", format!("by {theory}"));
    }
    text.push('\n');
    for (i, m) in summary.modes.iter().enumerate() {
        let time = |t: Option<f64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}"));
        let used = time(m.measured.template.as_ref().map(|t| t.participation));
        let _ = write!(
            text,
            "{:4} {:9.4} {:>19} {:9.1} {used:>9}",
            i + 1,
            m.s,
            time(m.measured.t50),
            m.participation
        );
        for p in &m.predicted {
            let error = p.max_error.map_or_else(|| "-".to_owned(), |e| format!("{e:.1e}"));
            let _ = write!(
                text,
                "   {:>12}   {error:>width$}",
                time(p.discovery.t50),
                width = 12 + p.theory.len()
            );
        }
        text.push('\n');
    }
    text
}
