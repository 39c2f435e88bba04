//! What the runs of a sweep have come to.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::plan::{Planned, Sweep};
use crate::disk;
use crate::error::Result;
use crate::run::dir::is_locked;
use crate::run::manifest::{self, Manifest};

/// What a run has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its summary is there.
    Finished,
    /// A process writes it now.
    Running,
    /// Waits in a queue of SLURM.
    Queued,
    /// Nothing has been made of it yet.
    Missing,
    /// Stopped by a signal, or killed: it can be gone on with.
    Stopped,
    /// Ended by an error.
    Failed,
}

impl State {
    /// All of them, in the order of reports.
    pub const ALL: [State; 6] =
        [State::Finished, State::Running, State::Queued, State::Missing, State::Stopped, State::Failed];

    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            State::Finished => "finished",
            State::Running => "running",
            State::Queued => "queued",
            State::Missing => "missing",
            State::Stopped => "stopped",
            State::Failed => "failed",
        }
    }
}

/// A run and what it has come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Its number.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// What it has come to.
    pub state: State,
    /// Why it failed, or what is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Sweep {
    /// What a run has come to, by its folder alone.
    ///
    /// # Errors
    /// None: what cannot be read is a reason.
    pub fn state(&self, run: &Planned) -> Status {
        let dir = self.dir(run);
        let with = |state, reason: Option<String>| Status {
            number: run.number,
            name: run.name.clone(),
            state,
            reason,
        };
        let failure = || fs::read_to_string(self.failure(run)).ok().map(|text| first_line(&text));
        let manifest = dir.join(manifest::FILE);
        if !manifest.exists() {
            return match failure() {
                Some(reason) => with(State::Failed, Some(reason)),
                None => with(State::Missing, None),
            };
        }
        match Manifest::read(&manifest) {
            Err(e) => with(State::Failed, Some(e.to_string())),
            Ok(m) => match m.status {
                manifest::Status::Finished if dir.join("summary.json").exists() => {
                    with(State::Finished, None)
                }
                manifest::Status::Finished => {
                    with(State::Failed, Some("finished, but its summary.json is gone".to_owned()))
                }
                _ if is_locked(&dir) => with(State::Running, None),
                // Locks of another machine need not be seen here.
                manifest::Status::Running
                    if m.host != manifest::host() && !is_ended(&m, var) && is_fresh(&dir) =>
                {
                    with(State::Running, Some(format!("on {}", m.host)))
                }
                manifest::Status::Running => with(State::Stopped, Some("killed".to_owned())),
                manifest::Status::Stopped => with(State::Stopped, m.error.map(|e| first_line(&e))),
                manifest::Status::Failed => {
                    with(State::Failed, failure().or_else(|| m.error.map(|e| first_line(&e))))
                }
            },
        }
    }

    /// The runs that have finished.
    pub fn finished(&self) -> Vec<&Planned> {
        self.plan.runs.iter().filter(|run| self.state(run).state == State::Finished).collect()
    }

    /// What these runs have come to; what is not there yet and waits in a queue of SLURM is
    /// queued.
    ///
    /// # Errors
    /// As [`Sweep::submissions`].
    pub fn states(&self, runs: &[&Planned]) -> Result<Vec<Status>> {
        use rayon::prelude::*;
        let queued = self.queued()?.unwrap_or_default();
        let state = |run: &&Planned| {
            let mut status = self.state(run);
            if matches!(status.state, State::Missing | State::Stopped) && queued.contains(&run.name) {
                status.state = State::Queued;
            }
            status
        };
        Ok(runs.par_iter().map(state).collect())
    }

    /// Notes why a run failed, or that it did not.
    ///
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn note_failure(&self, run: &Planned, reason: Option<&str>) -> Result<()> {
        let path = self.failure(run);
        match reason {
            Some(reason) => disk::write_bytes(&path, reason.as_bytes()),
            None => disk::remove(&path),
        }
    }
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

// Whether what wrote it on another machine has ended: SLURM has queued again the job that it was in,
// and that this process is in.
fn is_ended(manifest: &Manifest, var: impl Fn(&str) -> Option<String>) -> bool {
    const JOB: &str = "SLURM_JOB_ID";
    let again = var("SLURM_RESTART_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0u64) > 0;
    // A job may have several machines, which work at the same time.
    again && var(JOB).is_some_and(|job| manifest.slurm.get(JOB) == Some(&job))
}

/// A run that has written nothing for so long is not running.
const SILENT: Duration = Duration::from_secs(15 * 60);

// Whether one of the files that grow with a run was written to lately; of a clock that is ahead
// of ours, too.
fn is_fresh(dir: &Path) -> bool {
    [manifest::FILE, "metrics.csv", "steps.csv"].iter().any(|file| {
        let written = fs::metadata(dir.join(file)).and_then(|data| data.modified());
        written.is_ok_and(|at| {
            SystemTime::now().duration_since(at).is_ok_and(|age| age < SILENT) || at > SystemTime::now()
        })
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::manifest::DataRecord;
    use crate::sweep::Vars;

    #[test]
    fn a_job_that_is_queued_again_has_ended_where_it_was() {
        let mut m = Manifest::begin("x".into(), "CPU".into(), 1, 0, DataRecord::default());
        m.slurm = [("SLURM_JOB_ID".to_owned(), "7".to_owned())].into();
        let ended = |m: &Manifest, job: Option<&str>, restarts: Option<&str>| {
            is_ended(m, |name| match name {
                "SLURM_JOB_ID" => job.map(str::to_owned),
                "SLURM_RESTART_COUNT" => restarts.map(str::to_owned),
                _ => None,
            })
        };
        assert!(ended(&m, Some("7"), Some("1")));
        // On another machine of the same job, in another job, outside of any.
        assert!(!ended(&m, Some("7"), None) && !ended(&m, Some("7"), Some("0")));
        assert!(!ended(&m, Some("8"), Some("1")) && !ended(&m, None, None));
        m.slurm.clear();
        assert!(!ended(&m, None, Some("1")));
    }

    #[test]
    fn runs_of_other_machines_are_running_while_they_write() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("s.toml");
        fs::write(&file, "[grid]\n\"run.seed\" = [0]").unwrap();
        let sweep = Sweep::plan(&file, &tmp.path().join("out"), &Vars::new()).unwrap();
        let run = &sweep.plan.runs[0];
        assert_eq!(sweep.state(run).state, State::Missing);
        let dir = sweep.dir(run);
        fs::create_dir_all(&dir).unwrap();
        let mut m = Manifest::begin("x".into(), "CPU".into(), 1, 0, DataRecord::default());
        let path = dir.join(manifest::FILE);
        m.write(&path).unwrap();
        // Of this machine, and nobody holds the lock.
        assert_eq!(sweep.state(run).state, State::Stopped);
        m.host = "elsewhere".to_owned();
        m.write(&path).unwrap();
        let status = sweep.state(run);
        assert_eq!((status.state, status.reason.as_deref()), (State::Running, Some("on elsewhere")));
        let long_ago = SystemTime::now() - 2 * SILENT;
        fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(sweep.state(run).state, State::Stopped);
    }
}
