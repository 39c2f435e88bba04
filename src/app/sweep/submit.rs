//! `domfreq sweep submit`: what is to do, as job arrays of SLURM.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::open;
use crate::cli::SweepSubmitArgs;
use crate::disk;
use crate::error::Error;
use crate::progress::say;
use crate::sweep::slurm::{self, COLLECT, Job, Submission, TASK, quoted, script};
use crate::sweep::{Planned, State, Sweep};

/// Held while a sweep is submitted: two submissions at once would do runs twice.
struct Lock(PathBuf);

impl Lock {
    fn new(sweep: &Sweep) -> Result<Self> {
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

pub fn run(args: &SweepSubmitArgs) -> Result<()> {
    for (count, flag) in [(args.pack, "--pack"), (args.jobs, "--jobs"), (args.threads, "--threads")] {
        if count == 0 {
            return Err(Error::input(flag, "at least 1", 0).into());
        }
    }
    let gpus = args.gres.as_deref().map_or(0, gpus);
    if gpus > 0 && args.jobs > gpus {
        let expected = format!("at most {gpus}, one run at a time for each GPU of --gres");
        return Err(Error::input("--jobs", expected, args.jobs).into());
    }
    let sweep = open(&args.of)?;
    let _lock = Lock::new(&sweep)?;
    let tasks = tasks(&sweep, args)?;
    if tasks.is_empty() {
        return super::print(b"nothing to do: all runs have finished, failed, or are queued\n");
    }
    let path = sweep.next_submit()?;
    let list = path.with_extension("list");
    let job = job(&sweep, args, &list)?;
    let own = |name: &str| args.templates.as_ref().map(|dir| dir.join(name)).filter(|path| path.exists());
    let template = |name: &str, ours: &str| -> Result<(String, String)> {
        match own(name) {
            Some(path) => {
                let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
                Ok((text, path.display().to_string()))
            }
            None => Ok((ours.to_owned(), name.to_owned())),
        }
    };
    if let Some(dir) = args.templates.as_ref().filter(|_| own("task.sh").or(own("collect.sh")).is_none()) {
        return Err(Error::input(dir.display(), "a task.sh or a collect.sh", "neither").into());
    }
    let (task, place) = template("task.sh", TASK)?;
    let task = script(&task, &job, &place)?;
    let (collect, place) = template("collect.sh", COLLECT)?;
    let collect = script(&collect, &job, &place)?;
    // By their names: numbers are others when the sweep is planned again.
    let line = |runs: &Vec<&Planned>| runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(",");
    let lines: Vec<String> = tasks.iter().map(line).collect();
    disk::write_bytes(&list, (lines.join("\n") + "\n").as_bytes())?;
    let scripts = [path.with_extension("sh"), path.with_extension("collect.sh")];
    disk::write_bytes(&scripts[0], task.as_bytes())?;
    disk::write_bytes(&scripts[1], collect.as_bytes())?;
    let count: usize = tasks.iter().map(Vec::len).sum();
    let size = if args.dry_run { usize::MAX } else { slurm::array_size() };
    if args.dry_run {
        let text = format!(
            "{count} runs in {} tasks; nothing was submitted\nwrote {}\nwrote {}\nwrote {}\n",
            tasks.len(),
            list.display(),
            scripts[0].display(),
            scripts[1].display()
        );
        return super::print(text.as_bytes());
    }
    let mut submission = Submission {
        arrays: Vec::new(),
        collect: None,
        tasks: tasks.iter().map(|runs| runs.iter().map(|r| (r.number, r.name.clone())).collect()).collect(),
    };
    let record = path.with_extension("json");
    for from in (0..tasks.len()).step_by(size) {
        let last = (tasks.len() - from).min(size);
        let most = args.max_parallel.map(|most| format!("%{most}")).unwrap_or_default();
        let array = format!("--array=1-{last}{most}");
        let id = submit(&[&array, &scripts[0].display().to_string(), &from.to_string()])?;
        submission.arrays.push((id, from));
        // What is in the queue is on record, whatever comes after.
        slurm::record(&record, &submission)?;
        say(format_args!("job {id}: tasks {} to {}", from + 1, from + last));
    }
    let ids: Vec<String> = submission.arrays.iter().map(|(id, _)| id.to_string()).collect();
    let after = format!("--dependency=afterany:{}", ids.join(":"));
    // The runs are in the queue: that nothing will gather them is no failure of the submission.
    let gathers = match submit(&[&after, &scripts[1].display().to_string()]) {
        Ok(id) => {
            submission.collect = Some(id);
            slurm::record(&record, &submission)?;
            format!("job {id} gathers them afterwards")
        }
        Err(e) => {
            say(format_args!("no job gathers them: {e:#}"));
            "`domfreq sweep collect` gathers them".to_owned()
        }
    };
    let (tasks, ids) = (tasks.len(), ids.join(", "));
    super::print(format!("submitted {count} runs in {tasks} tasks: job {ids}; {gathers}\n").as_bytes())
}

// What is to do, packed.
fn tasks<'a>(sweep: &'a Sweep, args: &SweepSubmitArgs) -> Result<Vec<Vec<&'a Planned>>> {
    let chosen = sweep.chosen(&args.only)?;
    // Without an answer of the queue all that waits in it would be submitted again.
    if !args.dry_run && !sweep.submissions()?.is_empty() && sweep.queued()?.is_none() {
        slurm::command("squeue", &["-h"])?;
        return Err(Error::input("squeue", "the jobs in the queue", "an answer that cannot be read").into());
    }
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

fn job(sweep: &Sweep, args: &SweepSubmitArgs, list: &Path) -> Result<Job> {
    let whole = |path: &Path| -> Result<String> {
        let path =
            std::path::absolute(path).with_context(|| format!("no absolute path of {}", path.display()))?;
        let text = path.to_str().filter(|text| !text.contains(['\n', '%']));
        Ok(text
            .ok_or_else(|| {
                Error::input(path.display(), "a path without line breaks and per cent signs", "another")
            })?
            .to_owned())
    };
    for (text, flag) in
        args.sbatch.iter().map(|t| (t, "--sbatch")).chain(args.setup.iter().map(|t| (t, "--setup")))
    {
        if text.contains('\n') || text.is_empty() {
            return Err(Error::input(flag, "one line", format_args!("`{}`", text.escape_debug())).into());
        }
    }
    let shared: Vec<String> = [("partition", &args.partition), ("account", &args.account)]
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("--{key}={value}")))
        .collect();
    let of_tasks = [("gres", &args.gres), ("time", &args.time), ("mem", &args.mem)]
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("--{key}={value}")));
    let shared: Vec<String> = shared.into_iter().chain(args.sbatch.iter().cloned()).collect();
    let directives = shared.iter().cloned().chain(of_tasks).collect();
    let program = std::env::current_exe().context("this program cannot be found")?;
    let name = &sweep.plan.name;
    Ok(Job {
        name: name.replace(char::is_control, " "),
        job: name.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect(),
        root: quoted(&whole(sweep.root())?),
        logs: escaped(&whole(&sweep.root().join("logs"))?),
        list: quoted(&whole(list)?),
        program: quoted(&whole(&program)?),
        cpus: args.jobs * args.threads,
        lead: args.lead,
        directives,
        collect_directives: shared,
        setup: args.setup.clone(),
        jobs: args.jobs,
        threads: args.threads,
        gpus: args.gres.as_deref().is_some_and(|gres| gpus(gres) > 0),
        retry: args.retry,
    })
}

// A path in a line of #SBATCH, where blanks, quotes and comments mean something.
fn escaped(path: &str) -> String {
    let special = |c: char| [' ', '\'', '"', '\\', '#'].contains(&c);
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

// GPUs that `gpu`, `gpu:2` or `gpu:a100:2` ask for.
fn gpus(gres: &str) -> usize {
    if !gres.starts_with("gpu") {
        return 0;
    }
    gres.rsplit(':').next().and_then(|count| count.parse().ok()).unwrap_or(1)
}

// The number of the job.
fn submit(args: &[&str]) -> Result<u64> {
    let all: Vec<&str> = std::iter::once("--parsable").chain(args.iter().copied()).collect();
    let output = slurm::command("sbatch", &all)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let id = said.trim().split(';').next().and_then(|id| id.parse().ok());
    Ok(id.ok_or_else(|| Error::input("sbatch", "the number of a job", format_args!("`{}`", said.trim())))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_gpus_as_sbatch_takes_them() {
        assert_eq!(escaped("/it's a #1"), "/it\\'s\\ a\\ \\#1");
        assert_eq!(["gpu", "gpu:2", "gpu:a100:4", "shard:3"].map(gpus), [1, 2, 4, 0]);
    }
}
