//! `domfreq sweep run`: every run in a process of its own, several at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Said, open, states, values};
use crate::cli::SweepRunArgs;
use crate::error::{Error, STOPPED};
use crate::progress::say;
use crate::sweep::{Planned, State, Sweep};
use crate::train::signals::{Request, Signals};

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(20);

/// A run in its process, in one of the places there are.
struct Running<'a> {
    run: &'a Planned,
    place: usize,
    child: Child,
}

/// How a process ended.
enum End {
    Finished,
    Stopped,
    Failed(String),
    /// By a signal of someone else: no fault of the run's.
    Killed(ExitStatus),
}

pub fn run(args: &SweepRunArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let chosen = sweep.chosen(&args.only)?;
    let jobs = jobs(args)?;
    let mut queue: VecDeque<(&Planned, State)> = VecDeque::new();
    let mut left = [0usize; 2];
    for run in &chosen {
        // A task of SLURM does what is queued.
        match sweep.state(run).state {
            State::Finished => {}
            State::Running => left[0] += 1,
            State::Failed if !args.retry => left[1] += 1,
            state => queue.push_back((*run, state)),
        }
    }
    let [running, failed] = left;
    if running > 0 {
        say(format_args!("{running} runs are being written by others"));
    }
    if failed > 0 {
        say(format_args!("{failed} runs failed before (--retry does them again)"));
    }
    let all = queue.len();
    say(format_args!("{all} runs to do, {jobs} at a time, {} threads each", args.threads));
    let stopped = work(&sweep, queue, jobs, args)?;
    let states = states(&sweep)?;
    let said = Said::new(&sweep, &states);
    if args.of.json {
        super::print_json(&said)?;
    } else {
        super::print(said.line().as_bytes())?;
    }
    if let Some(signal) = stopped {
        return Err(Error::Interrupted { signal }.into());
    }
    let with = |states_of: &[State]| {
        chosen.iter().filter(|run| states_of.contains(&states[run.number - 1].state)).count()
    };
    let (failed, cut) = (with(&[State::Failed]), with(&[State::Missing, State::Stopped]));
    anyhow::ensure!(failed == 0, "{failed} of {} runs failed: `domfreq sweep status` says why", chosen.len());
    anyhow::ensure!(cut == 0, "{cut} of {} runs were killed: running the sweep again goes on", chosen.len());
    Ok(())
}

fn jobs(args: &SweepRunArgs) -> Result<usize> {
    if args.threads == 0 {
        let expected = "at least 1: results depend on the number, which should not be the machine's";
        return Err(Error::input("--threads", expected, 0).into());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let usual = if args.gpus.is_empty() { (cores / args.threads).max(1) } else { args.gpus.len() };
    match args.jobs {
        Some(0) => Err(Error::input("--jobs", "at least 1", 0).into()),
        Some(jobs) if !args.gpus.is_empty() && jobs > args.gpus.len() => {
            let expected = format!("at most {}, one for each GPU", args.gpus.len());
            Err(Error::input("--jobs", expected, jobs).into())
        }
        jobs => Ok(jobs.unwrap_or(usual)),
    }
}

// Does all of `queue`; the signal that stopped it, if one did.
fn work(
    sweep: &Sweep,
    mut queue: VecDeque<(&Planned, State)>,
    jobs: usize,
    args: &SweepRunArgs,
) -> Result<Option<&'static str>> {
    let signals = Signals::note()?;
    let (all, mut done, mut stopped) = (queue.len(), 0, None);
    let mut running: Vec<Running> = Vec::new();
    loop {
        match signals.take() {
            Some(Request::Stop(signal)) if stopped.is_none() => {
                stopped = Some(signal);
                say(format_args!("{signal}: {} runs are asked to stop", running.len()));
                running.iter().for_each(|run| send("TERM", &run.child));
            }
            Some(Request::Checkpoint) => running.iter().for_each(|run| send("USR1", &run.child)),
            _ => {}
        }
        let mut at = 0;
        while at < running.len() {
            let Some(status) = running[at].child.try_wait().context("a run cannot be waited for")? else {
                at += 1;
                continue;
            };
            let Running { run, .. } = running.swap_remove(at);
            done += 1;
            let what = match ended(sweep, run, status, stopped.is_some()) {
                End::Finished => {
                    sweep.note_failure(run, None)?;
                    "finished".to_owned()
                }
                End::Stopped => "stopped".to_owned(),
                End::Failed(reason) => {
                    sweep.note_failure(run, Some(&reason))?;
                    format!("FAILED: {reason}")
                }
                End::Killed(status) => format!("KILLED ({status}): running the sweep again goes on with it"),
            };
            say(format_args!("{done}/{all} run {} {}: {what}", run.number, values(sweep, run)));
        }
        while stopped.is_none() && running.len() < jobs {
            let Some((run, state)) = queue.pop_front() else { break };
            let place = (0..).find(|place| running.iter().all(|r| r.place != *place)).expect("one is free");
            let child = start(sweep, run, state, args, args.gpus.get(place))?;
            running.push(Running { run, place, child });
        }
        if running.is_empty() {
            return Ok(stopped);
        }
        std::thread::sleep(LOOK);
    }
}

fn start(
    sweep: &Sweep,
    run: &Planned,
    state: State,
    args: &SweepRunArgs,
    gpu: Option<&String>,
) -> Result<Child> {
    let log = sweep.log(run);
    let open = || File::options().create(true).append(true).open(&log).map_err(Error::io(&log, "open"));
    let own = std::env::current_exe().context("this program cannot be found")?;
    let config = sweep.config(run);
    let mut command = Command::new(own);
    command.arg("train").arg("--config").arg(&config).arg("--out").arg(sweep.dir(run));
    command.args(["--threads", &args.threads.to_string()]);
    // What failed is done from its beginning; linear networks have nothing to go on from.
    let deep = !crate::run::RunConfig::read(&config)?.model.kind.is_linear();
    command.arg(if deep && state != State::Failed { "--resume" } else { "--force" });
    if let Some(gpu) = gpu {
        command.env("CUDA_VISIBLE_DEVICES", gpu);
    }
    command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
    command.spawn().with_context(|| format!("run {} cannot be started", run.number))
}

fn send(signal: &str, child: &Child) {
    // A process that has just ended cannot be reached, and need not.
    let _ = Command::new("kill").args(["-s", signal, &child.id().to_string()]).stderr(Stdio::null()).status();
}

fn ended(sweep: &Sweep, run: &Planned, status: ExitStatus, asked: bool) -> End {
    match status.code() {
        Some(0) => End::Finished,
        Some(code) if code == i32::from(STOPPED) => End::Stopped,
        Some(code) => {
            End::Failed(last_error(&sweep.log(run)).unwrap_or_else(|| format!("exit status {code}")))
        }
        None if asked => End::Stopped,
        None => End::Killed(status),
    }
}

/// Bytes at the end of a log that an error is looked for in.
const END: u64 = 1 << 16;

// The last error that a run has said.
fn last_error(log: &Path) -> Option<String> {
    use std::io::Seek;
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut bytes = Vec::new();
    file.take(END).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().rev().find_map(|line| line.strip_prefix("error: ").map(str::to_owned))
}
