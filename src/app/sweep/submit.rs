//! `domfreq sweep submit`: what is to do, as job arrays of SLURM.

use std::path::Path;

use anyhow::Result;

use super::super::jobs;
use super::{open, tasks};
use crate::cli::SweepSubmitArgs;
use crate::disk;
use crate::error::Error;
use crate::progress::say;
use crate::script::{filled, quoted};
use crate::slurm;
use crate::sweep::Sweep;
use crate::sweep::submission::{self, COLLECT, Job, Submission, TASK};

pub fn run(args: &SweepSubmitArgs) -> Result<()> {
    let gpus = args.slurm.gres.as_deref().map_or(0, slurm::gpus);
    tasks::check(&args.tasks, gpus, "--gres")?;
    let sweep = open(&args.of)?;
    let _lock = tasks::Lock::new(&sweep)?;
    // Without an answer of the queue all that waits in it would be submitted again.
    if !args.slurm.dry_run && !sweep.submissions()?.is_empty() && sweep.queued()?.is_none() {
        slurm::command("squeue", &["-h"])?;
        return Err(Error::input("squeue", "the jobs in the queue", "an answer that cannot be read").into());
    }
    let tasks = tasks::to_do(&sweep, &args.tasks)?;
    if tasks.is_empty() {
        return super::print(b"nothing to do: all runs have finished, failed, or are queued\n");
    }
    let path = sweep.next_submit()?;
    let list = path.with_extension("list");
    let job = job(&sweep, args, &list)?;
    let ours = [("task.sh", TASK), ("collect.sh", COLLECT)];
    let [task, collect] = jobs::slurm::templates(&args.slurm, ours)?;
    let (task, collect) = (filled(&task.0, &job, &task.1)?, filled(&collect.0, &job, &collect.1)?);
    tasks::write(&tasks, &list)?;
    let scripts = [path.with_extension("sh"), path.with_extension("collect.sh")];
    disk::write_bytes(&scripts[0], task.as_bytes())?;
    disk::write_bytes(&scripts[1], collect.as_bytes())?;
    let count: usize = tasks.iter().map(Vec::len).sum();
    let size = if args.slurm.dry_run { usize::MAX } else { slurm::array_size() };
    if args.slurm.dry_run {
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
        let array = format!("--array=1-{last}{}", jobs::slurm::at_a_time(&args.slurm));
        let id = slurm::submit(&[&array, &scripts[0].display().to_string(), &from.to_string()])?;
        submission.arrays.push((id, from));
        // What is in the queue is on record, whatever comes after.
        submission::record(&record, &submission)?;
        say(format_args!("job {id}: tasks {} to {}", from + 1, from + last));
    }
    let ids: Vec<String> = submission.arrays.iter().map(|(id, _)| id.to_string()).collect();
    let after = format!("--dependency=afterany:{}", ids.join(":"));
    // The runs are in the queue: that nothing will gather them is no failure of the submission.
    let gathers = match slurm::submit(&[&after, &scripts[1].display().to_string()]) {
        Ok(id) => {
            submission.collect = Some(id);
            submission::record(&record, &submission)?;
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

fn job(sweep: &Sweep, args: &SweepSubmitArgs, list: &Path) -> Result<Job> {
    jobs::one_line("--setup", &args.tasks.setup)?;
    let (directives, collect_directives) = jobs::slurm::directives(&args.slurm)?;
    Ok(Job {
        name: tasks::called(sweep),
        job: slurm::job_name(&sweep.plan.name),
        root: quoted(&jobs::whole(sweep.root())?),
        logs: slurm::quotable(&jobs::whole(&sweep.root().join("logs"))?)?.to_owned(),
        list: quoted(&jobs::whole(list)?),
        program: quoted(&jobs::program()?),
        cpus: args.tasks.jobs * args.tasks.threads,
        lead: args.slurm.lead,
        directives,
        collect_directives,
        setup: args.tasks.setup.clone(),
        jobs: args.tasks.jobs,
        threads: args.tasks.threads,
        gpus: args.slurm.gres.as_deref().is_some_and(|gres| slurm::gpus(gres) > 0),
        retry: args.tasks.retry,
    })
}
