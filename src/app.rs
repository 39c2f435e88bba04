//! From parsed flags to calls: reads, checks, wires observers to trainers, prints.
//!
//! Results go to stdout, everything else to stderr.

mod doctor;
mod figure;
mod inspect;
#[cfg(feature = "torch")]
mod record;
#[cfg(feature = "torch")]
mod train;

use std::io::Write;

use anyhow::{Context, Result};
use clap::CommandFactory;

use crate::cli::{Cli, Command, Figure};
use crate::data::{self, Normalize, Samples, Spec};
use crate::run::config::DataConfig;

/// Does what the command line says.
///
/// # Errors
/// Everything that can go wrong, in one line for the user.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Inspect(args) => inspect::run(&args),
        #[cfg(feature = "torch")]
        Command::Train(args) => train::run(&args),
        #[cfg(not(feature = "torch"))]
        Command::Train(_) => {
            anyhow::bail!("this domfreq was built without libtorch (feature `torch`): it cannot train")
        }
        Command::Figure(args) => match args.figure {
            Figure::Stages { runs, out } => figure::stages(&runs, &out),
        },
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

fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(text.as_bytes())
}

/// Sets the number of threads of the analyser, once, before its first use; the number in use.
fn use_threads(threads: usize) -> usize {
    if threads > 0 {
        // Fails only when a pool exists already, which then is the one in use.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    rayon::current_num_threads()
}

/// Reads and prepares the data of `config`, which is resolved on the way.
fn samples(config: &mut DataConfig) -> Result<Samples> {
    let spec: Spec = config.spec.parse()?;
    let (normalize, center): (Normalize, bool) = config.resolve();
    let set = data::load(&spec, &config.options())?;
    if set.source.skipped > 0 {
        eprintln!("{} images did not decode and were left out", set.source.skipped);
    }
    Ok(data::prepare(set, normalize, center)?)
}
