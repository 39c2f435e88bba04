//! From parsed flags to calls: reads, checks, wires observers to trainers, prints.
//!
//! Results go to stdout, everything else to stderr.

mod audit;
mod calibrate;
mod doctor;
#[cfg(feature = "torch")]
mod evaluate;
mod expected;
mod figure;
mod forecast;
#[cfg(feature = "torch")]
mod gpu_check;
#[cfg(feature = "torch")]
mod images;
mod inspect;
mod jobs;
mod memory;
mod network;
mod notes;
mod predict;
mod shortcuts;
mod start;
mod sweep;
#[cfg(feature = "torch")]
mod train;
#[cfg(feature = "torch")]
mod transform;

use std::io::Write;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::data::{self, Samples};
use crate::field::ImageSet;
use crate::progress::say;
use crate::run::config::DataConfig;
use crate::threads;

/// Does what the command line says.
///
/// # Errors
/// Everything that can go wrong, in one line for the user.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Shortcuts(args) => shortcuts::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Predict(args) => predict::run(&args),
        #[cfg(feature = "torch")]
        Command::Train(args) => train::run(&args),
        #[cfg(feature = "torch")]
        Command::Evaluate(args) => evaluate::run(&args),
        #[cfg(feature = "torch")]
        Command::GpuCheck(args) => gpu_check::run(&args),
        #[cfg(not(feature = "torch"))]
        Command::Train(_) | Command::Evaluate(_) | Command::GpuCheck(_) => {
            anyhow::bail!("this domfreq was built without libtorch (feature `torch`): it runs no networks")
        }
        Command::Sweep(command) => sweep::run(&command),
        Command::Audit(args) => audit::run(&args),
        Command::Figure(args) => figure::run(&args.figure),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "domfreq", &mut script);
            print(&script)
        }
    }
}

/// Writes to stdout; a reader that has gone away (`| head`) is no error.
fn print(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}

/// Version and commit, as reports name them.
fn version() -> String {
    format!("domfreq {} ({})", env!("CARGO_PKG_VERSION"), env!("DOMFREQ_COMMIT"))
}

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(text.as_bytes())
}

/// More threads than any machine has cores: a slip of the finger.
const MOST_THREADS: usize = 1024;

/// Sets the number of threads of the analyser, once, before its first use; the number in use, for 0 the one
/// that was given ([`threads::given`]).
fn use_threads(threads: usize) -> Result<usize> {
    if threads > MOST_THREADS {
        return Err(crate::Error::input("--threads", format_args!("0 to {MOST_THREADS}"), threads).into());
    }
    let threads = if threads > 0 { threads } else { threads::given().count.min(MOST_THREADS) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().with_context(|| format!("cannot start {threads} threads"))?;
    Ok(rayon::current_num_threads())
}

/// Reads and prepares the data of `config`.
fn samples(config: &DataConfig) -> Result<Samples> {
    prepared(load(&config.spec, &config.options())?, config)
}

/// Reads or makes the images of `spec`, and says what is to be known of them.
fn load(spec: &data::Spec, options: &data::Options) -> crate::error::Result<ImageSet> {
    let set = data::load(spec, options)?;
    tell(spec, &set);
    Ok(set)
}

/// Says what is to be known of the set that `spec` names.
fn tell(spec: &data::Spec, set: &ImageSet) {
    set.source.told.lines().iter().for_each(|told| say(format_args!("{spec}: {told}")));
}

/// Prepares `set` as `config` says.
fn prepared(set: ImageSet, config: &DataConfig) -> Result<Samples> {
    Ok(data::prepare(set, config.normalize(), config.center())?)
}
