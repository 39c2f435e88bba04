//! `domfreq`: parse, check, call.

use std::process::ExitCode;

use clap::Parser;
use domfreq::{app, cli::Cli, progress::say};

fn main() -> ExitCode {
    match app::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(format_args!("error: {e:#}"));
            ExitCode::FAILURE
        }
    }
}
