//! `domfreq sweep run`: every run in a process of its own, several at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Said, open, values};
use crate::cli::SweepRunArgs;
use crate::error::{Error, STOPPED};
use crate::progress::say;
use crate::sweep::{Planned, State, Status, Sweep};
use crate::threads;
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
    /// By us; `kept`: with a checkpoint to go on from.
    Stopped {
        kept: bool,
    },
    Failed(String),
    /// By a signal of someone else: no fault of the run's.
    Killed(ExitStatus),
}

pub fn run(args: &SweepRunArgs) -> Result<()> {
    let sweep = open(&args.said.of)?;
    let chosen = sweep.chosen(&args.only)?;
    let gpus = gpus(args);
    let jobs = jobs(args, &gpus)?;
    let mut queue: VecDeque<&Planned> = VecDeque::new();
    let mut left = [0usize; 2];
    for run in &chosen {
        // Not what waits in a queue of SLURM: a task of it does that.
        match sweep.state(run).state {
            State::Finished => {}
            State::Running => left[0] += 1,
            State::Failed if !args.retry => left[1] += 1,
            _ => queue.push_back(run),
        }
    }
    let [running, failed] = left;
    if running > 0 {
        say(format_args!("{running} runs are being written by others"));
    }
    if failed > 0 {
        say(format_args!("{failed} runs failed before (--retry does them again)"));
    }
    say(format_args!(
        "{} runs to do, {jobs} at a time, {} threads each{}",
        queue.len(),
        args.threads,
        on(&gpus)
    ));
    let mut work = Work {
        sweep: &sweep,
        args,
        gpus,
        jobs,
        all: queue.len(),
        queue,
        running: Vec::new(),
        done: 0,
        kept: 0,
        stopped: None,
    };
    let outcome = work.all();
    if outcome.is_err() {
        // Nobody would watch what still runs.
        work.end();
    }
    outcome?;
    let (stopped, kept) = (work.stopped, work.kept);
    let states: Vec<Status> = chosen.iter().map(|run| sweep.state(run)).collect();
    let said = Said::new(&sweep, &states);
    if args.said.json {
        super::print_json(&said)?;
    } else {
        super::print(said.line().as_bytes())?;
    }
    if let Some(signal) = stopped {
        // What would begin again each time should not be queued again for ever.
        anyhow::ensure!(kept > 0, "stopped by {signal} before any run had finished or written a checkpoint");
        return Err(Error::Interrupted { signal }.into());
    }
    let with = |of: &[State]| states.iter().filter(|status| of.contains(&status.state)).count();
    let (failed, cut) = (with(&[State::Failed]), with(&[State::Missing, State::Stopped]));
    let elsewhere = with(&[State::Running]);
    anyhow::ensure!(failed == 0, "{failed} of {} runs failed: `domfreq sweep status` says why", chosen.len());
    anyhow::ensure!(cut == 0, "{cut} of {} runs were killed: running the sweep again goes on", chosen.len());
    if elsewhere > 0 {
        return Err(Error::Elsewhere { runs: elsewhere }.into());
    }
    Ok(())
}

fn on(gpus: &[String]) -> String {
    if gpus.is_empty() { String::new() } else { format!(", on GPU {}", gpus.join(", ")) }
}

// Those that are named or, where nobody says how many runs at a time, all that are here.
fn gpus(args: &SweepRunArgs) -> Vec<String> {
    if !args.gpus.is_empty() || args.jobs.is_some() {
        return args.gpus.clone();
    }
    let count = crate::model::device::cuda().unwrap_or(0);
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(names) if count > 0 => names.split(',').map(|name| name.trim().to_owned()).collect(),
        _ => (0..count).map(|gpu| gpu.to_string()).collect(),
    }
}

fn jobs(args: &SweepRunArgs, gpus: &[String]) -> Result<usize> {
    if args.threads == 0 {
        let expected = "at least 1: results depend on the number, which should not be the machine's";
        return Err(Error::input("--threads", expected, 0).into());
    }
    let cores = threads::cores_of_job();
    let usual = if gpus.is_empty() { (cores / args.threads).max(1) } else { gpus.len() };
    match args.jobs {
        Some(0) => Err(Error::input("--jobs", "at least 1", 0).into()),
        Some(jobs) if !args.gpus.is_empty() && jobs > args.gpus.len() => {
            let expected = format!("at most {}, one for each GPU", args.gpus.len());
            Err(Error::input("--jobs", expected, jobs).into())
        }
        jobs => Ok(jobs.unwrap_or(usual)),
    }
}

/// Runs in their processes, and those that wait.
struct Work<'a> {
    sweep: &'a Sweep,
    args: &'a SweepRunArgs,
    gpus: Vec<String>,
    jobs: usize,
    all: usize,
    queue: VecDeque<&'a Planned>,
    running: Vec<Running<'a>>,
    done: usize,
    /// Runs that have finished or written a checkpoint to go on from.
    kept: usize,
    /// The signal that stopped it.
    stopped: Option<&'static str>,
}

impl Work<'_> {
    fn all(&mut self) -> Result<()> {
        let signals = Signals::note()?;
        loop {
            match signals.take() {
                Some(Request::Stop(signal)) if self.stopped.is_none() => {
                    self.stopped = Some(signal);
                    say(format_args!("{signal}: {} runs are asked to stop", self.running.len()));
                    self.running.iter().for_each(|run| send("TERM", &run.child));
                }
                Some(Request::Checkpoint) => self.running.iter().for_each(|run| send("USR1", &run.child)),
                _ => {}
            }
            self.look()?;
            while self.stopped.is_none() && self.running.len() < self.jobs {
                let Some(run) = self.queue.pop_front() else { break };
                self.begin(run)?;
            }
            if self.running.is_empty() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }

    // Counts what has ended.
    fn look(&mut self) -> Result<()> {
        let mut at = 0;
        while at < self.running.len() {
            let waited = self.running[at].child.try_wait();
            let Some(status) = waited.context("a run cannot be waited for")? else {
                at += 1;
                continue;
            };
            let Running { run, .. } = self.running.swap_remove(at);
            let what = match ended(self.sweep, run, status, self.stopped.is_some()) {
                End::Finished => {
                    self.kept += 1;
                    self.sweep.note_failure(run, None)?;
                    "finished".to_owned()
                }
                End::Stopped { kept } => {
                    self.kept += usize::from(kept);
                    "stopped".to_owned()
                }
                End::Failed(reason) => {
                    self.sweep.note_failure(run, Some(&reason))?;
                    format!("FAILED: {reason}")
                }
                End::Killed(status) => format!("KILLED ({status}): running the sweep again goes on with it"),
            };
            self.say(run, &what);
        }
        Ok(())
    }

    fn begin(&mut self, run: &Planned) -> Result<()> {
        let run = &self.sweep.plan.runs[run.number - 1];
        // Another process may have done it meanwhile.
        let state = self.sweep.state(run).state;
        if matches!(state, State::Finished | State::Running) {
            self.say(run, &format!("{} by another process", state.word()));
            return Ok(());
        }
        let place = (0..).find(|place| self.running.iter().all(|r| r.place != *place)).expect("one is free");
        match start(self.sweep, run, state, self.args, self.gpus.get(place)) {
            Ok(child) => self.running.push(Running { run, place, child }),
            Err(e) => {
                let reason = format!("{e:#}");
                self.sweep.note_failure(run, Some(&reason))?;
                self.say(run, &format!("FAILED: {reason}"));
            }
        }
        Ok(())
    }

    fn say(&mut self, run: &Planned, what: &str) {
        self.done += 1;
        say(format_args!(
            "{}/{} run {} {}: {what}",
            self.done,
            self.all,
            run.number,
            values(self.sweep, run)
        ));
    }

    // Asks all to stop, and waits for them.
    fn end(&mut self) {
        self.running.iter().for_each(|run| send("TERM", &run.child));
        self.running.drain(..).for_each(|mut run| drop(run.child.wait()));
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
        Some(code) if code == i32::from(STOPPED) => End::Stopped { kept: true },
        Some(code) => {
            End::Failed(last_error(&sweep.log(run)).unwrap_or_else(|| format!("exit status {code}")))
        }
        None if asked => End::Stopped { kept: false },
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
