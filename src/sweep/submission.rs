//! Sweeps as job arrays of SLURM.
//!
//! A submission is a list of tasks, one line of names of runs each, and a script that does the
//! runs of its line ([`Job`]). Scripts are templates in `assets/slurm`, which a site's own can
//! replace. Which runs are queued is what `squeue` says of the array jobs that a sweep has
//! submitted ([`Submission`]).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Sweep;
use crate::disk;
use crate::error::{Error, Result};
use crate::slurm;

/// The script of a task.
pub const TASK: &str = include_str!("../../assets/slurm/task.sh");
/// The script that gathers what tasks have left.
pub const COLLECT: &str = include_str!("../../assets/slurm/collect.sh");

/// What scripts are made of.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// What the sweep is called.
    pub name: String,
    /// The same as a name of a job: letters, digits, dots, dashes.
    pub job: String,
    /// Folder of the sweep, absolute, quoted for a shell.
    pub root: String,
    /// Folder of its logs, as SLURM takes it.
    pub logs: String,
    /// The list of tasks, quoted.
    pub list: String,
    /// The program, quoted.
    pub program: String,
    /// Cores of a task.
    pub cpus: usize,
    /// Seconds before the time limit at which a checkpoint is written.
    pub lead: u64,
    /// Further lines for `#SBATCH`.
    pub directives: Vec<String>,
    /// The same of the job that gathers.
    pub collect_directives: Vec<String>,
    /// Lines before the program is started.
    pub setup: Vec<String>,
    /// Runs of a task at a time.
    pub jobs: usize,
    /// Threads of a run.
    pub threads: usize,
    /// Whether the task has GPUs.
    pub gpus: bool,
    /// Whether failed runs are done again.
    pub retry: bool,
}

/// What was submitted at one time: `submits/NNN.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Array jobs, and the line of the list before the first of each.
    pub arrays: Vec<(u64, usize)>,
    /// The job that gathers.
    pub collect: Option<u64>,
    /// Numbers and names of the runs of each task.
    pub tasks: Vec<Vec<(usize, String)>>,
}

impl Sweep {
    /// Folder of all submissions.
    pub fn submits(&self) -> PathBuf {
        self.root().join("submits")
    }

    /// All submissions so far.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a record that is none.
    pub fn submissions(&self) -> Result<Vec<Submission>> {
        let dir = self.submits();
        if !dir.is_dir() {
            return Ok(Vec::new());
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&dir)
            .map_err(Error::io(&dir, "read"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .collect();
        files.sort();
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
            serde_json::from_str(&text)
                .map_err(|e| Error::input(path.display(), "a submission of a sweep", e))
        };
        files.into_iter().map(read).collect()
    }

    /// The next submission's path without an ending.
    ///
    /// # Errors
    /// As [`Sweep::submissions`].
    pub fn next_submit(&self) -> Result<PathBuf> {
        disk::create_dir(&self.submits())?;
        let number =
            (1..).find(|n| !self.submits().join(format!("{n:03}.list")).exists()).expect("one is free");
        Ok(self.submits().join(format!("{number:03}")))
    }

    /// Names of the runs that SLURM has in a queue or runs; None where it cannot be asked.
    ///
    /// # Errors
    /// As [`Sweep::submissions`].
    pub fn queued(&self) -> Result<Option<HashSet<String>>> {
        let submissions = self.submissions()?;
        if submissions.is_empty() {
            return Ok(None);
        }
        // Of all jobs: asked for one that has ended it fails.
        let Ok(output) = slurm::command("squeue", &["-h", "-r", "-o", "%F %K"]) else { return Ok(None) };
        let Ok(text) = String::from_utf8(output.stdout) else { return Ok(None) };
        Ok(Some(waiting(&submissions, &text)))
    }
}

// Of lines "ARRAY TASK".
fn waiting(submissions: &[Submission], text: &str) -> HashSet<String> {
    let mut names = HashSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(array)), Some(Ok(task))) = (words.next(), words.next()) else { continue };
        for submission in submissions {
            let Some((_, before)) = submission.arrays.iter().find(|(id, _)| *id == array) else { continue };
            let line = before + task as usize;
            let runs = line.checked_sub(1).and_then(|at| submission.tasks.get(at));
            names.extend(runs.into_iter().flatten().map(|(_, name)| name.clone()));
        }
    }
    names
}

/// Writes the record of a submission.
///
/// # Errors
/// [`Error::Io`].
pub fn record(path: &Path, submission: &Submission) -> Result<()> {
    let text = serde_json::to_string_pretty(submission).expect("a submission is JSON");
    disk::write_bytes(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{filled, quoted};

    fn job() -> Job {
        Job {
            name: "speed of it".to_owned(),
            job: "speed-of-it".to_owned(),
            root: quoted("/scratch/it's here"),
            logs: "/scratch/logs".to_owned(),
            list: quoted("/scratch/001.list"),
            program: quoted("/bin/domfreq"),
            cpus: 4,
            lead: 120,
            directives: vec!["--partition=gpu".to_owned(), "--gres=gpu:1".to_owned()],
            collect_directives: vec!["--partition=gpu".to_owned()],
            setup: vec!["module load cuda".to_owned()],
            jobs: 2,
            threads: 2,
            gpus: true,
            retry: false,
        }
    }

    #[test]
    fn scripts_say_what_they_were_told() {
        let text = filled(TASK, &job(), "task.sh").unwrap();
        for part in [
            "#!/bin/bash\n",
            "#SBATCH --partition=gpu\n#SBATCH --gres=gpu:1\n\n# USR1 comes 120 s before",
            // Traps are set before what may take long.
            "trap stop TERM\nmodule load cuda\nset -u\n",
            "#SBATCH --signal=B:USR1@120\n",
            "sweep run '/scratch/it'\\''s here' --only \"$runs\" --jobs 2 --threads 2 ${CUDA_VISIBLE_DEVICES",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let plain = filled(TASK, &Job { gpus: false, retry: true, ..job() }, "task.sh").unwrap();
        assert!(plain.contains("--threads 2 --retry &") && !plain.contains("CUDA"), "{plain}");
        assert!(
            filled(COLLECT, &job(), "collect.sh")
                .unwrap()
                .ends_with("sweep collect '/scratch/it'\\''s here'\n")
        );
        for (bad, part) in
            [("{{ partition }}", "template of collect_directives, cpus"), ("{% if %}", "my.sh")]
        {
            let said = filled(bad, &job(), "my.sh").unwrap_err().to_string();
            assert!(said.contains(part) && said.lines().count() == 1, "{said}");
        }
    }

    #[test]
    fn what_waits_in_the_queue_is_found_by_its_line() {
        let run = |n: usize| (n, format!("r{n}"));
        let submissions = [Submission {
            arrays: vec![(10, 0), (11, 2)],
            collect: Some(12),
            tasks: vec![vec![run(1), run(2)], vec![run(3)], vec![run(7)]],
        }];
        let names = |text: &str| {
            let mut names: Vec<_> = waiting(&submissions, text).into_iter().collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(names("10 1\n11 1\n99 1\n12 N/A\n10 7\n"), "r1 r2 r7");
        assert_eq!(names(""), "");
    }
}
