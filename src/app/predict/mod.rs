//! `domfreq predict`: when each mode will be learned, before anything is trained.

mod deep;
mod linear;
mod study;

use anyhow::Result;
use serde::Serialize;

use super::{print_json, use_threads};
use crate::cli::PredictArgs;
use crate::disk;
use crate::run::RunConfig;

pub fn run(args: &PredictArgs) -> Result<()> {
    let mut config = RunConfig::read_or_default(args.experiment.config.as_deref())?;
    args.experiment.apply(&mut config)?;
    use_threads(config.run.threads)?;
    if config.model.kind.is_linear() {
        linear::run(args, config.linear()?)
    } else {
        deep::run(args, config.deep()?)
    }
}

// The report as a file, and as JSON on stdout where that is wanted; whether it was.
fn written(args: &PredictArgs, report: &impl Serialize) -> Result<bool> {
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        disk::write_bytes(&dir.join("predict.json"), serde_json::to_string_pretty(report)?.as_bytes())?;
    }
    if args.experiment.json {
        print_json(report)?;
    }
    Ok(args.experiment.json)
}
