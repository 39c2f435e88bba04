//! `domfreq audit --submit N`: the heat map as a job array of SLURM, and the report after it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::super::{jobs, print};
use crate::audit::parts::Name;
use crate::cli::AuditArgs;
use crate::disk;
use crate::error::Error;
use crate::progress::say;
use crate::script::{filled, quoted};
use crate::slurm;

/// The script of a part.
const PART: &str = include_str!("../../../assets/slurm/part.sh");
/// The script of the report.
const MERGE: &str = include_str!("../../../assets/slurm/merge.sh");

/// What the scripts are made of.
#[derive(Serialize)]
struct Job {
    /// A name for the job.
    job: String,
    /// Folder of logs, as SLURM takes it.
    logs: String,
    /// The program, as a word of a shell.
    program: String,
    /// What follows `audit`, the same.
    args: String,
    parts: usize,
    cpus: usize,
    /// Seconds before the time limit.
    lead: u64,
    directives: Vec<String>,
    setup: Vec<String>,
}

pub fn run(args: &AuditArgs, parts: usize, out: &Path) -> Result<()> {
    if parts == 0 {
        return Err(Error::input("--submit", "at least 1 part", 0).into());
    }
    jobs::one_line("--setup", &args.setup)?;
    let (directives, _) = jobs::slurm::directives(&args.slurm)?;
    if !args.only.is_empty() && !args.only.contains(&Name::heatmap) {
        return Err(Error::input("--submit", "the heat map among the parts of --only", "others alone").into());
    }
    // Results depend on the number of threads, and a job need not have as many as this machine.
    let cpus = args.threads.max(1);
    let mut words = kept(std::env::args_os().skip(2))?;
    if args.threads == 0 {
        words.splice(0..0, ["--threads".to_owned(), cpus.to_string()]);
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    other_parts(out, parts)?;
    let job = Job {
        job: slurm::job_name(&format!("audit-{}", out.file_name().unwrap_or_default().to_string_lossy())),
        logs: slurm::quotable(&jobs::whole(out)?)?.to_owned(),
        program: quoted(&jobs::program()?),
        args: words.join(" "),
        parts,
        cpus,
        lead: args.slurm.lead,
        directives,
        setup: args.setup.clone(),
    };
    let [part, merge] = jobs::slurm::templates(&args.slurm, [("part.sh", PART), ("merge.sh", MERGE)])?;
    let scripts = [("part.sh", part), ("merge.sh", merge)];
    disk::create_dir(out)?;
    let mut paths = Vec::new();
    for (name, (template, place)) in &scripts {
        let path = out.join(name);
        disk::write_bytes(&path, filled(template, &job, place)?.as_bytes())?;
        paths.push(path.display().to_string());
    }
    if args.slurm.dry_run {
        let text = format!("{parts} parts; nothing was submitted\nwrote {}\nwrote {}\n", paths[0], paths[1]);
        return print(text.as_bytes());
    }
    let array = format!("--array=1-{parts}{}", jobs::slurm::at_a_time(&args.slurm));
    let id = slurm::submit(&[&array, &paths[0]])?;
    // The parts are in the queue: that nothing will make the report is no failure of theirs.
    let report = match slurm::submit(&[&format!("--dependency=afterany:{id}"), &paths[1]]) {
        Ok(after) => format!("job {after} makes the report, in {}", out.display()),
        Err(e) => {
            say(format_args!("no job makes the report: {e}"));
            "the same command with --merge in place of --submit makes the report".to_owned()
        }
    };
    print(format!("submitted {parts} parts: job {id}; {report}\n").as_bytes())
}

// Parts of another division cannot be put together with these.
fn other_parts(out: &Path, parts: usize) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(out) else { return Ok(()) };
    for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let of = name
            .strip_prefix("heatmap-")
            .and_then(|n| n.strip_suffix(".json"))
            .and_then(|n| n.split_once("-of-"));
        if of.is_some_and(|(_, of)| of.parse() != Ok(parts)) {
            let expected = format!("no parts but those of {parts}");
            return Err(Error::input(out.display(), expected, format_args!("`{name}`")).into());
        }
    }
    Ok(())
}

// The command line without what is for SLURM.
fn kept(args: impl Iterator<Item = OsString>) -> Result<Vec<String>> {
    const VALUES: [&str; 11] = [
        "--submit",
        "--partition",
        "--account",
        "--gres",
        "--time",
        "--mem",
        "--sbatch",
        "--max-parallel",
        "--lead",
        "--templates",
        "--setup",
    ];
    let mut kept = Vec::new();
    let mut args = args;
    while let Some(arg) = args.next() {
        let word = arg.into_string().map_err(|arg| {
            Error::input("the command line", "text in UTF-8 for a script", arg.to_string_lossy())
        })?;
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if VALUES.contains(&name) {
            if name.len() == word.len() {
                args.next();
            }
        } else if word != "--dry-run" {
            kept.push(word);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_slurm_is_left_out() {
        let words =
            ["audit", "w.pt", "--submit", "8", "--time=1:0:0", "--sbatch", "--qos=x", "--dry-run", "--out"];
        let words =
            words.into_iter().chain(["a b", "--seed=3", "--setup", "module load x"]).map(OsString::from);
        assert_eq!(kept(words).unwrap(), ["audit", "w.pt", "--out", "a b", "--seed=3"]);
        // Everything that is for SLURM is known here.
        let command = <crate::cli::Cli as clap::CommandFactory>::command();
        let audit = command.find_subcommand("audit").unwrap();
        for arg in audit.get_arguments().filter(|arg| arg.get_help_heading() == Some("SLURM")) {
            let flag = format!("--{}", arg.get_long().unwrap());
            let left = kept([OsString::from(&flag), OsString::from("value")].into_iter()).unwrap();
            assert!(left.is_empty() || (flag == "--dry-run" && left == ["value"]), "{flag}");
        }
    }
}
