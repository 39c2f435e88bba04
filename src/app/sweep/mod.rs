//! `domfreq sweep`: many runs from one file.

mod export;
#[cfg(feature = "torch")]
mod run;
mod submit;
mod tasks;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{print, print_json};
use crate::cli::{SweepArgs, SweepCommand, SweepSaidArgs};
use crate::progress::say;
use crate::sweep::{Collected, Grid, State, Status, Sweep, Vars};

pub fn run(command: &SweepCommand) -> Result<()> {
    match command {
        SweepCommand::Plan(args) => plan(args),
        SweepCommand::Submit(args) => submit::run(args),
        SweepCommand::Export(args) => export::run(args),
        SweepCommand::Status(args) => status(args),
        SweepCommand::Collect(args) => collect(args),
        #[cfg(feature = "torch")]
        SweepCommand::Run(args) => run::run(args),
        #[cfg(not(feature = "torch"))]
        SweepCommand::Run(_) => {
            anyhow::bail!("this domfreq was built without libtorch (feature `torch`): it trains nothing")
        }
    }
}

// The planned sweep: of a file planned now.
fn open(args: &SweepArgs) -> Result<Sweep> {
    let vars = vars(args)?;
    if args.sweep.is_dir() {
        if let Some((name, _)) = vars.first_key_value() {
            let expected = "a sweep file: this sweep is planned, with the values it has";
            return Err(crate::Error::input("--var", expected, format_args!("`{name}`")).into());
        }
        if let Some(out) = &args.out {
            let expected = "nothing: the folder of the sweep is named already";
            return Err(crate::Error::input("--out", expected, out.display()).into());
        }
        return Ok(Sweep::open(&args.sweep)?);
    }
    let root = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("sweeps").join(Grid::read(&args.sweep, &vars)?.name),
    };
    Ok(Sweep::plan(&args.sweep, &root, &vars)?)
}

fn vars(args: &SweepArgs) -> Result<Vars> {
    let mut vars = Vars::new();
    for text in &args.var {
        let expected = "NAME=VALUE, each name once";
        let wrong = || crate::Error::input("--var", expected, format_args!("`{text}`"));
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        if vars.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong().into());
        }
    }
    Ok(vars)
}

#[derive(Serialize)]
struct Said<'a> {
    name: &'a str,
    dir: String,
    runs: usize,
    states: BTreeMap<&'static str, usize>,
    /// Of all runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    all: Vec<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<String>,
}

impl<'a> Said<'a> {
    fn new(sweep: &'a Sweep, states: &[Status]) -> Self {
        let mut counts: BTreeMap<&'static str, usize> =
            State::ALL.iter().map(|state| (state.word(), 0)).collect();
        for status in states {
            *counts.entry(status.state.word()).or_default() += 1;
        }
        Self {
            name: &sweep.plan.name,
            dir: sweep.root().display().to_string(),
            runs: states.len(),
            states: counts,
            all: Vec::new(),
            written: Vec::new(),
        }
    }

    fn line(&self) -> String {
        let states: Vec<String> = State::ALL
            .iter()
            .filter_map(|state| {
                let count = self.states[state.word()];
                (count > 0).then(|| format!("{count} {}", state.word()))
            })
            .collect();
        format!("{} in {}: {} runs, {}\n", self.name, self.dir, self.runs, states.join(", "))
    }
}

fn states(sweep: &Sweep) -> Result<Vec<Status>> {
    Ok(sweep.states(&sweep.plan.runs.iter().collect::<Vec<_>>())?)
}

fn plan(args: &SweepSaidArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let said = Said::new(&sweep, &states(&sweep)?);
    if args.json { print_json(&said) } else { print(said.line().as_bytes()) }
}

/// Runs that are named one by one.
const NAMED: usize = 20;

fn status(args: &SweepSaidArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let states = states(&sweep)?;
    let mut said = Said::new(&sweep, &states);
    if args.json {
        said.all = states;
        return print_json(&said);
    }
    let mut text = said.line();
    for state in [State::Running, State::Stopped, State::Failed] {
        let of: Vec<&Status> = states.iter().filter(|s| s.state == state).collect();
        for status in of.iter().take(NAMED) {
            let run = &sweep.plan.runs[status.number - 1];
            let reason = status.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "{:>8} {:5} {} {}{reason}",
                state.word(),
                run.number,
                run.name,
                values(&sweep, run)
            );
        }
        if of.len() > NAMED {
            let _ = writeln!(text, "{:>8}   … {} more (--json for all)", state.word(), of.len() - NAMED);
        }
    }
    print(text.as_bytes())
}

// What varies in a run.
fn values(sweep: &Sweep, run: &crate::sweep::Planned) -> String {
    let pairs = sweep.plan.keys.iter().zip(&run.values);
    pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn collect(args: &SweepSaidArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let found = Collected::new(&sweep)?;
    let mut said = Said::new(&sweep, &found.states);
    let written = found.write(sweep.root())?;
    said.written = written.iter().map(|path| path.display().to_string()).collect();
    for status in found.states.iter().filter(|s| s.state == State::Failed).take(NAMED) {
        let reason = status.reason.as_deref().unwrap_or("no reason is known");
        say(format_args!("run {} ({}) failed: {reason}", status.number, status.name));
    }
    if args.json {
        return print_json(&said);
    }
    let mut text = said.line();
    said.written.iter().for_each(|path| text += &format!("wrote {path}\n"));
    print(text.as_bytes())
}
