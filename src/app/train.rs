//! `domfreq train`: one run, from configuration to summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use ndarray::Array2;
use tch::{Device, Kind};

use super::memory;
use super::record::Recorder;
use super::{print, print_json, samples, use_threads};
use crate::cli::TrainArgs;
use crate::data::Samples;
use crate::model::{Draw, Fcnn, Lcnn, Network, Start, device};
use crate::progress::{Progress, say};
use crate::run::config::{Dtype, InitKind, ModelKind, SpaceKind};
use crate::run::manifest::{DataRecord, Status};
use crate::run::metrics::Writer;
use crate::run::{Manifest, Metrics, RunConfig, RunDir, Summary};
use crate::spectrum;
use crate::theory::closed::{self, Forecast};
use crate::theory::{Modes, Moments, moments};
use crate::train::{self, Plan, Space};

pub fn run(args: &TrainArgs) -> Result<()> {
    let mut config = match &args.config {
        Some(path) => RunConfig::read(path)?,
        None => RunConfig::default(),
    };
    args.apply(&mut config);
    config.check()?;
    let threads = use_threads(config.run.threads)?;
    tch::set_num_threads(i32::try_from(threads)?);
    let (device, described) = device::select(&config.run.device)?;
    let root = directory(args, &config);
    RunDir::check(&root, args.force)?;

    // Everything that can be wrong is found before the directory is touched.
    let mut clock = Clock::default();
    let samples = samples(&mut config.data)?;
    clock.lap("load");
    let job = prepare(&mut config, &samples, device)?;
    clock.lap("moments");
    (config.run.threads, config.run.device) = (threads, name_of(device));
    let version = device::libtorch_version().unwrap_or_else(|| "unknown".to_owned());
    let record = record(&config, &samples);
    let mut manifest = Manifest::begin(version, described, threads, config.run.seed, record);
    let dir = RunDir::create(&root, args.force, &manifest)?;

    let outcome = fill(&config, &samples, &dir, job);
    clock.lap("train");
    manifest.seconds = clock.seconds;
    match outcome {
        Ok(summary) => {
            manifest.end(Status::Finished, None);
            manifest.write(&dir.manifest())?;
            say(format_args!("wrote {}", dir.root().display()));
            if args.json { print_json(&summary) } else { print(table(&summary).as_bytes()) }
        }
        Err(e) => {
            manifest.end(Status::Failed, Some(format!("{e:#}")));
            // On a full disk this fails too; the first error is the one to report.
            let _ = manifest.write(&dir.manifest());
            Err(e)
        }
    }
}

struct Clock {
    last: Instant,
    seconds: BTreeMap<String, f64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { last: Instant::now(), seconds: BTreeMap::new() }
    }
}

impl Clock {
    fn lap(&mut self, stage: &str) {
        self.seconds.insert(stage.to_owned(), self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
    }
}

fn name_of(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
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

/// A run that is ready to start.
struct Job<'a> {
    modes: Modes,
    net: Box<dyn Network>,
    space: Box<dyn Space + 'a>,
    plan: Plan,
    /// The closed form's curves, or why they do not apply.
    theory: std::result::Result<Forecast, String>,
}

fn prepare<'a>(config: &mut RunConfig, samples: &'a Samples, device: Device) -> Result<Job<'a>> {
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
    let modes = match &moments {
        Some(m) => Modes::from_cross(samples, m.yx.view())?,
        None => Modes::new(samples)?,
    };
    let convolutional = config.model.kind == ModelKind::Lcnn;
    let eta = *config.train.eta.get_or_insert_with(|| modes.gentle_eta(convolutional));
    if config.train.batch.is_some_and(|b| b >= samples.len()) {
        config.train.batch = None;
    }
    // A pass over the samples that only a matched start asks for.
    let matched = config.init.kind == InitKind::Matched;
    let obstacle = matched.then(|| obstacle(samples, &modes, convolutional)).flatten();
    if let Some(why) = &obstacle {
        // Without it a start "aligned with the modes" has no meaning.
        let expected = "`gaussian`: a matched start needs modes that evolve by themselves";
        return Err(crate::Error::input("init.kind", expected, format_args!("`matched`, but {why}")).into());
    }
    let theory = forecast(config, &modes, obstacle, eta);
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
    let space = train::space(samples, moments.as_ref(), &plan, net.as_ref(), kind(config), device)?;
    Ok(Job { modes, net, space, plan, theory })
}

// Everything between the claim on the directory and the verdict on the run.
fn fill(config: &RunConfig, samples: &Samples, dir: &RunDir, mut job: Job) -> Result<Summary> {
    crate::disk::write_bytes(&dir.config(), config.to_toml().as_bytes())?;
    let [c, h, w] = job.modes.shape;
    let images = samples.x.view().into_shape_with_order((samples.len(), c, h, w))?;
    dir.write_modes(&job.modes, &spectrum::mean_energies(images))?;
    if let Err(why) = &job.theory {
        say(format_args!("no theory columns: {why}"));
    }
    let progress = Progress::new(&format!("training {}", config.model.kind), job.plan.steps);
    let forecast = job.theory.as_ref().ok();
    let mut recorder = Recorder {
        dir,
        modes: &job.modes,
        file: Writer::create(&dir.metrics(), job.modes.len(), forecast.is_some())?,
        metrics: Metrics::new(job.modes.len(), forecast.is_some()),
        forecast,
        progress: &progress,
        last: None,
    };
    train::train(job.net.as_ref(), job.space.as_mut(), &job.plan, samples, &job.modes, &mut recorder)?;
    recorder.file.sync()?;
    if let Some(last) = &recorder.last {
        dir.write_checkpoint(last)?;
    }
    let theory = job.theory.as_ref().map_err(String::as_str);
    let summary = Summary::new(&recorder.metrics, &job.modes, job.plan.eta, theory);
    summary.write(&dir.summary())?;
    Ok(summary)
}

fn kind(config: &RunConfig) -> Kind {
    match config.run.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
    }
}

fn network(config: &RunConfig, samples: &Samples, modes: &Modes, device: Device) -> Result<Box<dyn Network>> {
    let draw = match config.init.kind {
        InitKind::Gaussian => Draw::Gaussian(config.init.scale),
        InitKind::Matched => Draw::Matched(config.init.start),
    };
    let start = Start { draw, seed: config.run.seed, modes, outputs: samples.outputs() };
    let [c, h, w] = modes.shape;
    let kind = kind(config);
    Ok(match config.model.kind {
        ModelKind::Fcnn => {
            let hidden = config.model.hidden;
            // Drawn in double precision, then the weights, gradients and a temporary.
            let weights = hidden as u128 * (c * h * w + samples.outputs()) as u128;
            memory::require("model.hidden", weights * 24, &format!("that is {hidden} hidden units"))?;
            Box::new(Fcnn::new(&start, hidden, kind, device)?)
        }
        ModelKind::Lcnn => {
            let (size, channels) = (config.model.kernel.size((h, w)), config.model.channels);
            let weights = channels as u128 * ((c + samples.outputs()) * h * w) as u128;
            memory::require("model.channels", weights * 24, &format!("that is {channels} channels"))?;
            Box::new(Lcnn::new(&start, channels, size, kind, device)?)
        }
    })
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

fn forecast(
    config: &RunConfig,
    modes: &Modes,
    obstacle: Option<String>,
    eta: f64,
) -> std::result::Result<Forecast, String> {
    if config.init.kind != InitKind::Matched {
        return Err("the closed form needs a matched start (init.kind = \"matched\")".to_owned());
    }
    if config.train.batch.is_some() || config.train.momentum != 0.0 {
        return Err("the closed form is for full batches without momentum".to_owned());
    }
    if let Some(why) = obstacle {
        return Err(format!("the closed form needs modes that evolve by themselves, but {why}"));
    }
    let convolutional = config.model.kind == ModelKind::Lcnn;
    Forecast::new(modes, convolutional, config.init.start, eta).map_err(|e| e.to_string())
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
