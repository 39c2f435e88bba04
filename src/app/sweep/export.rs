//! `domfreq sweep export`: a sweep for other schedulers than SLURM, and the command that gives it
//! to them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::super::jobs;
use super::{open, tasks};
use crate::cli::{ExportArgs, ExportCommand, ExportKubernetesArgs, ExportRowArgs};
use crate::disk;
use crate::error::Error;
use crate::script::{filled, quoted};
use crate::sweep::export::{KUBERNETES, Kubernetes, Mount, ROW, Row, TASK, Task, label, string};
use crate::sweep::{Planned, Sweep};

pub fn run(command: &ExportCommand) -> Result<()> {
    match command {
        ExportCommand::Row(args) => row(args),
        ExportCommand::Hq(args) => hq(args),
        ExportCommand::Parallel(args) => parallel(args),
        ExportCommand::Kubernetes(args) => kubernetes(args),
    }
}

/// A sweep's list and script, written.
struct Written<'a> {
    tasks: Vec<Vec<&'a Planned>>,
    list: PathBuf,
    script: PathBuf,
}

impl<'a> Written<'a> {
    // Of what is to do; None if that is nothing. Another place than this starts `program`.
    fn new(sweep: &'a Sweep, args: &ExportArgs, program: Option<&str>) -> Result<Option<Self>> {
        tasks::check(&args.tasks, args.gpus, "--gpus")?;
        jobs::one_line("--setup", &args.tasks.setup)?;
        let tasks = tasks::to_do(sweep, &args.tasks)?;
        if tasks.is_empty() {
            super::print(b"nothing to do: all runs have finished, failed, or are queued\n")?;
            return Ok(None);
        }
        let path = sweep.next_submit()?;
        let (list, script) = (path.with_extension("list"), path.with_extension("sh"));
        let gpus = (0..args.gpus).map(|gpu| gpu.to_string()).collect::<Vec<_>>().join(",");
        let task = Task {
            name: called(sweep),
            root: quoted(&jobs::whole(sweep.root())?),
            list: quoted(&jobs::whole(&list)?),
            program: program.map_or_else(|| Ok(quoted(&jobs::program()?)), |p| anyhow::Ok(p.to_owned()))?,
            setup: args.tasks.setup.clone(),
            jobs: args.tasks.jobs,
            threads: args.tasks.threads,
            gpus: (args.gpus > 0).then_some(gpus),
            retry: args.tasks.retry,
        };
        tasks::write(&tasks, &list)?;
        disk::write_bytes(&script, filled(TASK, &task, "task.sh")?.as_bytes())?;
        Ok(Some(Self { tasks, list, script }))
    }

    fn runs(&self) -> impl Iterator<Item = &'a Planned> {
        self.tasks.iter().flatten().copied()
    }

    // What was written, and how it is started.
    fn say(&self, more: Option<&Path>, command: &str) -> Result<()> {
        let (runs, tasks) = (self.runs().count(), self.tasks.len());
        let files = [self.list.as_path(), self.script.as_path()].into_iter().chain(more);
        let files: String = files.map(|path| format!("wrote {}\n", path.display())).collect();
        super::print(
            format!("{runs} runs in {tasks} tasks\n{files}start them with:\n  {command}\n").as_bytes(),
        )
    }
}

// A name in a comment.
fn called(sweep: &Sweep) -> String {
    sweep.plan.name.replace(char::is_control, " ")
}

fn hq(args: &ExportArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let Some(written) = Written::new(&sweep, args, None)? else { return Ok(()) };
    let gpus = if args.gpus > 0 { format!(" --resource gpus/nvidia={}", args.gpus) } else { String::new() };
    let (list, script) = (jobs::whole(&written.list)?, jobs::whole(&written.script)?);
    let cpus = args.tasks.jobs * args.tasks.threads;
    let command =
        format!("hq submit --each-line {} --cpus {cpus}{gpus} -- sh {}", quoted(&list), quoted(&script));
    written.say(None, &command)
}

fn parallel(args: &ExportArgs) -> Result<()> {
    let sweep = open(&args.of)?;
    let Some(written) = Written::new(&sweep, args, None)? else { return Ok(()) };
    // A place of its own for each GPU: {%} counts from 1.
    let cpus = args.tasks.jobs * args.tasks.threads;
    let (list, script) = (jobs::whole(&written.list)?, jobs::whole(&written.script)?);
    let jobs = if args.gpus > 0 {
        "1".to_owned()
    } else {
        format!("$(($(nproc) / {cpus} ? $(nproc) / {cpus} : 1))")
    };
    written.say(None, &format!("parallel --jobs {jobs} sh {} {{}} :::: {}", quoted(&script), quoted(&list)))
}

fn row(args: &ExportRowArgs) -> Result<()> {
    let all = &args.all;
    let sweep = open(&all.of)?;
    jobs::one_line("--custom", &args.custom)?;
    if let Some(name) = &args.cluster
        && !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    {
        return Err(Error::input("--cluster", "letters, digits, - and _", format_args!("`{name}`")).into());
    }
    let Some(written) = Written::new(&sweep, all, None)? else { return Ok(()) };
    let row = Row {
        name: called(&sweep),
        command: string(&format!("sh {} {{directory}}", quoted(&jobs::whole(&written.script)?))),
        pack: all.tasks.pack,
        cpus: all.tasks.jobs * all.tasks.threads,
        gpus: (all.gpus > 0).then_some(all.gpus),
        time: args.time.as_deref().map(string),
        cluster: args.cluster.clone(),
        account: args.account.as_deref().map(string),
        partition: args.partition.as_deref().map(string),
        custom: args.custom.iter().map(|text| string(text)).collect(),
    };
    // Row knows the directories that are there.
    for run in written.runs() {
        disk::create_dir(&sweep.dir(run))?;
    }
    let path = sweep.root().join("workflow.toml");
    disk::write_bytes(&path, filled(ROW, &row, "workflow.toml")?.as_bytes())?;
    let command = format!("cd {} && row submit", quoted(&jobs::whole(sweep.root())?));
    written.say(Some(&path), &command)
}

fn kubernetes(args: &ExportKubernetesArgs) -> Result<()> {
    let all = &args.all;
    let sweep = open(&all.of)?;
    let root = jobs::whole(sweep.root())?;
    let mounts = args.mount.iter().map(|text| mount(text)).collect::<Result<Vec<_>>>()?;
    if !mounts.iter().any(|mount| Path::new(&root).starts_with(&mount.path)) {
        let expected = format!("a claim that is mounted at or above {root}");
        let found = mounts.iter().map(|mount| mount.path.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::input("--mount", expected, found).into());
    }
    if args.max_parallel == Some(0) {
        return Err(Error::input("--max-parallel", "at least 1", 0).into());
    }
    // The program of the image, which need not be where this one is.
    let Some(written) = Written::new(&sweep, all, Some("domfreq"))? else { return Ok(()) };
    let (tasks, strings) = (written.tasks.len(), |text: &Option<String>| text.as_deref().map(string));
    let job = Kubernetes {
        name: called(&sweep),
        job: label(&sweep.plan.name),
        namespace: strings(&args.namespace),
        tasks,
        parallel: args.max_parallel.map_or(tasks, |most| most.min(tasks)),
        image: string(&args.image),
        script: string(&jobs::whole(&written.script)?),
        cpus: all.tasks.jobs * all.tasks.threads,
        mem: strings(&args.mem),
        gpus: (all.gpus > 0).then_some(all.gpus),
        mounts: mounts
            .into_iter()
            .map(|mount| Mount { claim: string(&mount.claim), path: string(&mount.path) })
            .collect(),
    };
    let path = written.list.with_extension("yaml");
    disk::write_bytes(&path, filled(KUBERNETES, &job, "job.yaml")?.as_bytes())?;
    written.say(Some(&path), &format!("kubectl apply -f {}", quoted(&jobs::whole(&path)?)))
}

fn mount(text: &str) -> Result<Mount> {
    let parts = text.split_once(':').filter(|(claim, path)| {
        label(claim) == *claim && Path::new(path).is_absolute() && !path.contains(':')
    });
    let Some((claim, path)) = parts else {
        let expected = "CLAIM:PATH, the name of a volume claim and an absolute path";
        return Err(Error::input("--mount", expected, format_args!("`{text}`")).into());
    };
    Ok(Mount { claim: claim.to_owned(), path: path.trim_end_matches('/').to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_by_hand() {
        let of = |claim: &str, path: &str| Mount { claim: claim.to_owned(), path: path.to_owned() };
        assert_eq!(mount("scratch:/data/").unwrap(), of("scratch", "/data"));
        for bad in ["/data", "scratch:data", ":/data", "Scratch:/data", "a:/b:/c"] {
            assert!(mount(bad).unwrap_err().to_string().contains("CLAIM:PATH"), "{bad}");
        }
    }
}
