//! `domfreq`: parse, check, call.

use std::process::ExitCode;

use clap::Parser;
use domfreq::error::{Error, STOPPED};
use domfreq::{app, cli::Cli, progress::say};

fn main() -> ExitCode {
    match app::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            if let Some(
                stopped @ (Error::Stopped { .. } | Error::Interrupted { .. } | Error::Elsewhere { .. }),
            ) = e.downcast_ref()
            {
                say(stopped);
                return ExitCode::from(STOPPED);
            }
            say(format_args!("error: {e:#}"));
            ExitCode::FAILURE
        }
    }
}
