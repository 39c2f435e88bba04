//! `domfreq predict`: when each mode will be learned, before anything is trained.

mod deep;
mod linear;

use anyhow::Result;

use super::use_threads;
use crate::cli::ExperimentArgs;
use crate::run::RunConfig;

pub fn run(args: &ExperimentArgs) -> Result<()> {
    let mut config = RunConfig::read_or_default(args.config.as_deref())?;
    args.apply(&mut config)?;
    use_threads(config.run.threads)?;
    if config.model.kind.is_linear() {
        linear::run(args, config.linear()?)
    } else {
        deep::run(args, config.deep()?)
    }
}
