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

/// A sweep's list and script, written, and nobody else's meanwhile.
struct Written<'a> {
    _lock: tasks::Lock,
    tasks: Vec<Vec<&'a Planned>>,
    list: PathBuf,
    script: PathBuf,
}

impl<'a> Written<'a> {
    // Of what is to do; None if that is nothing. In `mounts` there may be another program, and
    // this folder need not be there.
    fn new(sweep: &'a Sweep, args: &ExportArgs, mounts: Option<&[Mount]>) -> Result<Option<Self>> {
        tasks::check(&args.tasks, args.gpus, "--gpus")?;
        jobs::one_line("--setup", &args.tasks.setup)?;
        let lock = tasks::Lock::new(sweep)?;
        let tasks = tasks::to_do(sweep, &args.tasks)?;
        if tasks.is_empty() {
            super::print(b"nothing to do: all runs have finished, failed, or are queued\n")?;
            return Ok(None);
        }
        let path = sweep.next_submit()?;
        let (list, script) = (path.with_extension("list"), path.with_extension("sh"));
        let gpus = (0..args.gpus).map(|gpu| gpu.to_string()).collect::<Vec<_>>().join(",");
        let folder = jobs::whole(Path::new("."))?;
        let there =
            mounts.is_none_or(|all| all.iter().any(|mount| Path::new(&folder).starts_with(&mount.path)));
        let program = match mounts {
            None => quoted(&jobs::program()?),
            Some(_) => "domfreq".to_owned(),
        };
        let task = Task {
            name: tasks::called(sweep),
            root: quoted(&jobs::whole(sweep.root())?),
            list: quoted(&jobs::whole(&list)?),
            folder: there.then(|| quoted(&folder)),
            program,
            setup: args.tasks.setup.clone(),
            jobs: args.tasks.jobs,
            threads: args.tasks.threads,
            gpus: (args.gpus > 0).then_some(gpus),
            retry: args.tasks.retry,
        };
        tasks::write(&tasks, &list)?;
        disk::write_bytes(&script, filled(TASK, &task, "task.sh")?.as_bytes())?;
        Ok(Some(Self { _lock: lock, tasks, list, script }))
    }

    // Of the export.
    fn number(&self) -> String {
        self.list.file_stem().unwrap_or_default().to_string_lossy().into_owned()
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
    // With GPUs one task at a time: `sweep run --gpus` gives each its own.
    let cpus = args.tasks.jobs * args.tasks.threads;
    let (list, script) = (jobs::whole(&written.list)?, jobs::whole(&written.script)?);
    let jobs = if args.gpus > 0 {
        "1".to_owned()
    } else {
        // nproc would take what is set for the threads of one program.
        let cores = "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)";
        format!("$(({cores} > {cpus} ? {cores} / {cpus} : 1))")
    };
    // Quoted once more (-q), as it is read by a second shell; time for checkpoints when it is ended.
    let command = format!(
        "parallel -q --termseq TERM,120000,KILL,25 --jobs {jobs} sh {} {{}} :::: {}",
        quoted(&script),
        quoted(&list)
    );
    written.say(None, &command)
}

fn row(args: &ExportRowArgs) -> Result<()> {
    let all = &args.all;
    let sweep = open(&all.of)?;
    jobs::one_line("--custom", &args.custom)?;
    if let Some(name) = &args.cluster
        && (name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)))
    {
        return Err(Error::input("--cluster", "letters, digits, - and _", format_args!("`{name}`")).into());
    }
    // Row gives each directory to a task of its own.
    if all.tasks.jobs > 1 || all.gpus > 1 {
        let (flag, found) =
            if all.tasks.jobs > 1 { ("--jobs", all.tasks.jobs) } else { ("--gpus", all.gpus) };
        return Err(Error::input(flag, "at most 1: row does one run after the other", found).into());
    }
    let root = jobs::whole(sweep.root())?;
    if root.contains(['{', '}']) {
        return Err(Error::input(root, "a folder without braces, which are row's own", "one of them").into());
    }
    let Some(written) = Written::new(&sweep, all, None)? else { return Ok(()) };
    let script = quoted(&jobs::whole(&written.script)?);
    let row = Row {
        name: tasks::called(&sweep),
        // One that fails is not complete, and does not end the others; one that was stopped does.
        command: string(&format!("sh {script} {{directory}} || [ $? -ne 75 ]")),
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
    // By their names where there are others, which failed, were not asked for, or are of an earlier plan.
    let names: Vec<&str> = written.runs().map(|run| run.name.as_str()).collect();
    let runs = sweep.root().join("runs");
    let mut others = std::fs::read_dir(&runs).map_err(Error::io(&runs, "read"))?.flatten().filter(|entry| {
        !names.iter().any(|name| entry.file_name() == *name) && !entry.path().join("summary.json").exists()
    });
    let chosen = if others.next().is_some() { format!(" {}", names.join(" ")) } else { String::new() };
    let command = format!("cd {} && row submit{chosen}", quoted(&root));
    written.say(Some(&path), &command)
}

fn kubernetes(args: &ExportKubernetesArgs) -> Result<()> {
    let all = &args.all;
    let sweep = open(&all.of)?;
    let root = jobs::whole(sweep.root())?;
    let mounts = args.mount.iter().map(|text| mount(text)).collect::<Result<Vec<_>>>()?;
    if let Some((i, twice)) =
        mounts.iter().enumerate().find(|(i, mount)| mounts[..*i].iter().any(|m| m.path == mount.path))
    {
        let found = format!("{} again, for mount {}", twice.path, i + 1);
        return Err(Error::input("--mount", "each path once", found).into());
    }
    if !mounts.iter().any(|mount| Path::new(&root).starts_with(&mount.path)) {
        let expected = format!("a claim that is mounted at or above {root}");
        let found = mounts.iter().map(|mount| mount.path.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::input("--mount", expected, found).into());
    }
    if args.max_parallel == Some(0) {
        return Err(Error::input("--max-parallel", "at least 1", 0).into());
    }
    // The program of the image, which need not be where this one is.
    let Some(written) = Written::new(&sweep, all, Some(&mounts))? else { return Ok(()) };
    let (tasks, strings) = (written.tasks.len(), |text: &Option<String>| text.as_deref().map(string));
    let job = Kubernetes {
        name: tasks::called(&sweep),
        job: string(&format!("{}-{}", label(&sweep.plan.name), written.number())),
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
        let named = !claim.is_empty()
            && claim.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
        named && Path::new(path).is_absolute() && !path.contains(':') && !path.trim_matches('/').is_empty()
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
        assert_eq!(mount("a.b-1:/x").unwrap(), of("a.b-1", "/x"));
        for bad in ["/data", "scratch:data", ":/data", "Scratch:/data", "a:/b:/c", "a:/"] {
            assert!(mount(bad).unwrap_err().to_string().contains("CLAIM:PATH"), "{bad}");
        }
    }
}
