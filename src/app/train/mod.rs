//! `domfreq train`: one run, from configuration to summary.

mod deep;
mod linear;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use tch::Device;

use super::use_threads;
use crate::cli::TrainArgs;
use crate::data::Samples;
use crate::model::device;
use crate::progress::say;
use crate::run::config::Config;
use crate::run::manifest::{DataRecord, Status};
use crate::run::{Manifest, RunConfig, RunDir, Summary};

pub fn run(args: &TrainArgs) -> Result<()> {
    let config = configuration(args)?;
    let threads = use_threads(config.run.threads)?;
    crate::model::neighbours::use_threads(threads);
    let (device, described) = device::select(&config.run.device, device::arithmetic(&config.run))?;
    let machine = Machine { device, described, threads };
    if config.model.kind.is_linear() {
        linear::run(args, config.linear()?, &machine)
    } else {
        deep::run(args, config.deep()?, &machine)
    }
}

// The file that is named or, where a run is gone on with, that run's; then the flags.
fn configuration(args: &TrainArgs) -> Result<RunConfig> {
    let named = args.experiment.config.as_deref();
    let stored =
        args.out.as_deref().filter(|_| args.deep.resume && named.is_none()).map(|d| d.join("config.toml"));
    let mut config = RunConfig::read_or_default(named.or(stored.as_deref().filter(|path| path.exists())))?;
    args.apply(&mut config)?;
    config.check()?;
    Ok(config)
}

/// Where a run is computed.
struct Machine {
    device: Device,
    described: String,
    threads: usize,
}

impl Machine {
    /// Writes into the configuration what `auto` and 0 have come to.
    fn note<I, T>(&self, config: &mut Config<I, T>) {
        config.run.threads = self.threads;
        config.run.device = match self.device {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".to_owned(),
        };
    }

    /// Of a run on `samples` that begins now.
    fn manifest<I, T>(&self, config: &Config<I, T>, samples: &Samples) -> Manifest {
        let version = device::libtorch_version().unwrap_or_else(|| "unknown".to_owned());
        let data = DataRecord {
            spec: config.data.spec.to_string(),
            description: samples.source.description.clone(),
            hash: samples.hash(),
            samples: samples.len(),
            shape: samples.shape,
            classes: samples.names.clone(),
            scale: samples.scale.clone(),
            decoder: samples.source.decoder.clone(),
            told: samples.source.told.clone(),
        };
        Manifest::begin(version, self.described.clone(), self.threads, config.run.seed, data)
    }
}

// Notes in the manifest how a run ended.
fn finish(mut manifest: Manifest, dir: &RunDir, clock: Clock, outcome: Result<Summary>) -> Result<Summary> {
    for (stage, seconds) in clock.seconds {
        *manifest.seconds.entry(stage).or_default() += seconds;
    }
    match outcome {
        Ok(summary) => {
            manifest.end(Status::Finished, None);
            manifest.write(&dir.manifest())?;
            say(format_args!("wrote {}", dir.root().display()));
            Ok(summary)
        }
        Err(e) => {
            let stopped = matches!(e.downcast_ref(), Some(crate::Error::Stopped { .. }));
            manifest.end(if stopped { Status::Stopped } else { Status::Failed }, Some(format!("{e:#}")));
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

fn directory<I, T>(args: &TrainArgs, config: &Config<I, T>) -> PathBuf {
    args.out.clone().unwrap_or_else(|| {
        let stem = args.experiment.config.as_deref().and_then(Path::file_stem);
        let name = stem.map_or_else(|| config.model.kind.to_string(), |s| s.to_string_lossy().into_owned());
        Path::new("runs").join(name)
    })
}
