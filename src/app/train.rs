//! `domfreq train`: one run, from configuration to summary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use ndarray::Array2;
use tch::Kind;

use super::record::{Forecast, Recorder};
use super::{print, print_json, samples, use_threads};
use crate::cli::TrainArgs;
use crate::data::Samples;
use crate::model::{Draw, Fcnn, Lcnn, Network, Start, device};
use crate::progress::Progress;
use crate::run::config::{Dtype, InitKind, ModelKind, SpaceKind};
use crate::run::manifest::{DataRecord, Status};
use crate::run::metrics::Writer;
use crate::run::{Manifest, Metrics, RunConfig, RunDir, Summary};
use crate::spectrum;
use crate::theory::closed::{self, Closed};
use crate::theory::{Modes, Moments, moments};
use crate::train::{self, Plan};

pub fn run(args: &TrainArgs) -> Result<()> {
    let mut config = match &args.config {
        Some(path) => RunConfig::read(path)?,
        None => RunConfig::default(),
    };
    args.apply(&mut config);
    config.check()?;
    let threads = use_threads(config.run.threads);
    tch::set_num_threads(threads as i32);
    let (device, described) = device::select(&config.run.device)?;
    let dir = RunDir::create(&directory(args, &config), args.force)?;

    let clock = Instant::now();
    let samples = samples(&mut config.data)?;
    let mut manifest = Manifest::begin(
        device::libtorch_version().unwrap_or_else(|| "unknown".to_owned()),
        described,
        threads,
        config.run.seed,
        record(&config, &samples),
    );
    manifest.seconds.insert("load".to_owned(), clock.elapsed().as_secs_f64());
    manifest.write(&dir.manifest())?;
    let outcome = fill(&mut config, &samples, &dir, device, &mut manifest);
    match &outcome {
        Ok(_) => manifest.end(Status::Finished, None),
        Err(e) => manifest.end(Status::Failed, Some(format!("{e:#}"))),
    }
    manifest.write(&dir.manifest())?;
    let summary = outcome?;
    eprintln!("wrote {}", dir.root().display());
    if args.json { print_json(&summary) } else { print(table(&summary).as_bytes()) }
}

fn directory(args: &TrainArgs, config: &RunConfig) -> PathBuf {
    args.out.clone().unwrap_or_else(|| {
        let stem = args.config.as_deref().and_then(Path::file_stem);
        let name = stem.map_or_else(|| config.model.kind.to_string(), |s| s.to_string_lossy().into_owned());
        Path::new("runs").join(name)
    })
}

fn record(config: &RunConfig, samples: &Samples) -> DataRecord {
    DataRecord {
        spec: config.data.spec.clone(),
        description: samples.source.description.clone(),
        hash: samples.hash(),
        samples: samples.len(),
        shape: samples.shape,
        classes: samples.names.clone(),
        scale: samples.scale.clone(),
        decoder: samples.source.decoder.clone(),
        skipped: samples.source.skipped,
    }
}

// Everything between the claim on the directory and the verdict on the run.
fn fill(
    config: &mut RunConfig,
    samples: &Samples,
    dir: &RunDir,
    device: tch::Device,
    manifest: &mut Manifest,
) -> Result<Summary> {
    let clock = Instant::now();
    let moments = (config.train.space == SpaceKind::Moment).then(|| Moments::new(samples));
    let modes = match &moments {
        Some(m) => Modes::from_cross(samples, m.yx.view())?,
        None => Modes::new(samples)?,
    };
    manifest.seconds.insert("moments".to_owned(), clock.elapsed().as_secs_f64());

    let convolutional = config.model.kind == ModelKind::Lcnn;
    let eta = *config.train.eta.get_or_insert_with(|| automatic_eta(&modes, convolutional));
    if config.train.batch.is_some_and(|b| b >= samples.len()) {
        config.train.batch = None;
    }
    crate::disk::write_bytes(&dir.config(), config.to_toml().as_bytes())?;
    let [c, h, w] = modes.shape;
    let images = samples.x.view().into_shape_with_order((samples.len(), c, h, w))?;
    dir.write_modes(&modes, &spectrum::mean_energies(images))?;

    let theory = forecast(config, samples, &modes, eta);
    if let Err(why) = &theory {
        eprintln!("no theory columns: {why}");
    }
    let net = network(config, samples, &modes, device)?;
    let plan = Plan {
        steps: config.train.steps,
        eta,
        momentum: config.train.momentum,
        batch: config.train.batch,
        every: config.measure.every,
        snapshots: config.measure.snapshots,
        seed: config.run.seed,
    };
    let mut space = train::space(samples, moments.as_ref(), &plan, net.as_ref(), kind(config), device)?;
    let label = format!("training {}", config.model.kind);
    let progress = Progress::new(&label, plan.steps);
    let (forecast, name) = match theory {
        Ok(f) => (Some(f), Ok("closed form, finite steps")),
        Err(why) => (None, Err(why)),
    };
    let mut recorder = Recorder {
        dir,
        modes: &modes,
        metrics: Writer::create(&dir.metrics(), modes.len(), forecast.is_some())?,
        forecast,
        progress: &progress,
        last: None,
    };
    let clock = Instant::now();
    let trained = train::train(net.as_ref(), space.as_mut(), &plan, samples, &modes, &mut recorder);
    manifest.seconds.insert("train".to_owned(), clock.elapsed().as_secs_f64());
    recorder.metrics.sync()?;
    trained?;
    if let Some(last) = &recorder.last {
        dir.write_checkpoint(last)?;
    }
    let name = name.as_ref().map(|n| *n).map_err(String::as_str);
    let summary = Summary::new(&Metrics::read(&dir.metrics())?, &modes, eta, name);
    summary.write(&dir.summary())?;
    Ok(summary)
}

fn kind(config: &RunConfig) -> Kind {
    match config.run.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
    }
}

fn network(
    config: &RunConfig,
    samples: &Samples,
    modes: &Modes,
    device: tch::Device,
) -> Result<Box<dyn Network>> {
    let draw = match config.init.kind {
        InitKind::Gaussian => Draw::Gaussian(config.init.scale),
        InitKind::Matched => {
            // Without it a start "aligned with the modes" has no meaning.
            if let Some(why) = obstacle(samples, modes, config.model.kind == ModelKind::Lcnn) {
                return Err(crate::Error::input(
                    "init.kind",
                    "`gaussian`: a matched start needs modes that evolve by themselves",
                    format_args!("`matched`, but {why}"),
                )
                .into());
            }
            Draw::Matched(config.init.start)
        }
    };
    let start = Start { draw, seed: config.run.seed, modes, outputs: samples.outputs() };
    let [_, h, w] = modes.shape;
    let kind = kind(config);
    Ok(match config.model.kind {
        ModelKind::Fcnn => Box::new(Fcnn::new(&start, config.model.hidden, kind, device)?),
        ModelKind::Lcnn => {
            let size = config.model.kernel.size((h, w));
            Box::new(Lcnn::new(&start, config.model.channels, size, kind, device)?)
        }
    })
}

fn gain(mode: &crate::theory::Mode, convolutional: bool) -> f64 {
    if convolutional { mode.rho } else { 1.0 }
}

// A hundredth of the time constant 1/(2 g s) of the fastest mode.
fn automatic_eta(modes: &Modes, convolutional: bool) -> f64 {
    let fastest = modes.list.iter().map(|m| gain(m, convolutional) * m.s).fold(0.0, f64::max);
    1.0 / (200.0 * fastest)
}

fn obstacle(samples: &Samples, modes: &Modes, convolutional: bool) -> Option<String> {
    // Rows v_αᵀ Σxx, from the samples: Σxx itself may be too large to form.
    let v = modes.v_rows();
    let mapped: Array2<f64> = moments::response(samples, v.view());
    let residuals: Vec<f64> = (modes.list.iter().zip(v.rows()).zip(mapped.rows()))
        .map(|((m, v), image)| (&image - &(&v * m.lambda)).mapv(|x| x * x).sum().sqrt())
        .collect();
    closed::obstacle(modes, &residuals, convolutional)
}

// The closed form's curves, or why they do not apply to this run.
fn forecast(
    config: &RunConfig,
    samples: &Samples,
    modes: &Modes,
    eta: f64,
) -> std::result::Result<Box<Forecast>, String> {
    if config.init.kind != InitKind::Matched {
        return Err("the closed form needs a matched start (init.kind = \"matched\")".to_owned());
    }
    if config.train.batch.is_some() || config.train.momentum != 0.0 {
        return Err("the closed form is for full batches without momentum".to_owned());
    }
    let convolutional = config.model.kind == ModelKind::Lcnn;
    if let Some(why) = obstacle(samples, modes, convolutional) {
        return Err(format!("the closed form needs modes that evolve by themselves, but {why}"));
    }
    let curves: crate::Result<Vec<Closed>> = modes
        .list
        .iter()
        .map(|m| Closed::new(m.s, config.init.start * m.s, gain(m, convolutional)))
        .collect();
    let curves = curves.map_err(|e| e.to_string())?;
    Ok(Box::new(move |step| curves.iter().map(|c| c.at_step(step, eta)).collect()))
}

fn table(summary: &Summary) -> String {
    let mut text = format!(
        "{} steps of η = {:.3e}; loss {:.4e} -> {:.4e}",
        summary.steps, summary.eta, summary.loss[0], summary.loss[1]
    );
    if let Some(accuracy) = summary.accuracy {
        let _ = write!(text, "; training accuracy {:.1} %", 100.0 * accuracy);
    }
    let _ = writeln!(text, "\n");
    let _ = writeln!(text, "mode         s   half-time (steps)   by theory   max |a - theory|/s");
    for (i, m) in summary.modes.iter().enumerate() {
        let time = |t: Option<f64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}"));
        let _ = writeln!(
            text,
            "{:4} {:9.4} {:>19} {:>11} {:>20}",
            i + 1,
            m.s,
            time(m.measured.t50),
            time(m.predicted.as_ref().and_then(|p| p.t50)),
            m.max_error.map_or_else(|| "-".to_owned(), |e| format!("{e:.1e}")),
        );
    }
    text
}
