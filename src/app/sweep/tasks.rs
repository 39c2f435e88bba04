//! What is to do of a sweep, as tasks of a scheduler.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::TaskArgs;
use crate::disk;
use crate::error::Error;
use crate::progress::say;
use crate::sweep::{Planned, State, Sweep};

/// Held while a sweep is submitted or exported: two at once would do runs twice.
pub struct Lock(PathBuf);

impl Lock {
    pub fn new(sweep: &Sweep) -> Result<Self> {
        disk::create_dir(&sweep.submits())?;
        let path = sweep.submits().join("lock");
        match File::create_new(&path) {
            Ok(_) => Ok(Self(path)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let expected = "no other submission of this sweep at the same time";
                Err(Error::input(path.display(), expected, "one (remove this file if there is none)").into())
            }
            Err(e) => Err(e).with_context(|| format!("cannot create {}", path.display())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The sweep's name in a comment.
pub fn called(sweep: &Sweep) -> String {
    sweep.plan.name.replace(char::is_control, " ")
}

/// Refuses counts that no task can have; `gpus` are those that `flag` asks for.
pub fn check(args: &TaskArgs, gpus: usize, flag: &str) -> Result<()> {
    for (count, flag) in [(args.pack, "--pack"), (args.jobs, "--jobs"), (args.threads, "--threads")] {
        if count == 0 {
            return Err(Error::input(flag, "at least 1", 0).into());
        }
    }
    if gpus > 0 && args.jobs > gpus {
        let expected = format!("at most {gpus}, one run at a time for each GPU of {flag}");
        return Err(Error::input("--jobs", expected, args.jobs).into());
    }
    Ok(())
}

/// What is to do and in no queue, packed.
pub fn to_do<'a>(sweep: &'a Sweep, args: &TaskArgs) -> Result<Vec<Vec<&'a Planned>>> {
    let chosen = sweep.chosen(&args.only)?;
    let states = sweep.states(&chosen)?;
    let to_do = |state: State| match state {
        State::Missing | State::Stopped => true,
        State::Failed => args.retry,
        State::Finished | State::Running | State::Queued => false,
    };
    let left: Vec<&Planned> = chosen
        .into_iter()
        .zip(&states)
        .filter(|(_, status)| to_do(status.state))
        .map(|(run, _)| run)
        .collect();
    let failed = states.iter().filter(|s| s.state == State::Failed).count();
    if failed > 0 && !args.retry {
        say(format_args!("{failed} runs failed before (--retry does them again)"));
    }
    Ok(left.chunks(args.pack).map(<[_]>::to_vec).collect())
}

/// Writes a line of names per task: numbers are others when the sweep is planned again.
pub fn write(tasks: &[Vec<&Planned>], list: &Path) -> Result<()> {
    let line = |runs: &Vec<&Planned>| runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = tasks.iter().map(line).collect();
    Ok(disk::write_bytes(list, (lines.join("\n") + "\n").as_bytes())?)
}
