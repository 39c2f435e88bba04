//! Sweeps for schedulers that need no help to run a list of commands: row, HyperQueue, GNU
//! parallel, Kubernetes. Each is a template in `assets/schedulers`; all run the same script
//! ([`Task`]), which does what it is told to of the sweep.

use serde::Serialize;

/// The script of a task.
pub const TASK: &str = include_str!("../../assets/schedulers/task.sh");
/// The workflow of row.
pub const ROW: &str = include_str!("../../assets/schedulers/workflow.toml");
/// The Job of Kubernetes.
pub const KUBERNETES: &str = include_str!("../../assets/schedulers/job.yaml");

/// What the script of a task is made of; paths are absolute and quoted for a shell.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// What the sweep is called.
    pub name: String,
    /// Folder of the sweep.
    pub root: String,
    /// Where relative paths of configurations begin, where that is there.
    pub folder: Option<String>,
    /// The list of tasks, a line of names of runs each.
    pub list: String,
    /// The program.
    pub program: String,
    /// Lines before the program is started.
    pub setup: Vec<String>,
    /// Runs of a task at a time.
    pub jobs: usize,
    /// Threads of a run.
    pub threads: usize,
    /// Its GPUs where nothing else names them: `0,1`.
    pub gpus: Option<String>,
    /// Whether failed runs are done again.
    pub retry: bool,
}

/// What row's workflow is made of; texts are strings of TOML.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What the sweep is called.
    pub name: String,
    /// What it does in a run directory.
    pub command: String,
    /// Runs of a job.
    pub pack: usize,
    /// Cores of a run.
    pub cpus: usize,
    /// GPUs of a run.
    pub gpus: Option<usize>,
    /// Time of a run.
    pub time: Option<String>,
    /// Whose options follow: a key.
    pub cluster: Option<String>,
    /// Account on the cluster.
    pub account: Option<String>,
    /// Partition of the cluster.
    pub partition: Option<String>,
    /// Further options there.
    pub custom: Vec<String>,
}

/// What a Job of Kubernetes is made of; texts are strings of JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Kubernetes {
    /// What the sweep is called.
    pub name: String,
    /// The same, and the number of the export, as a name of Kubernetes ([`label`]): a Job that is
    /// there cannot be changed.
    pub job: String,
    /// Where the Job goes.
    pub namespace: Option<String>,
    /// How many tasks.
    pub tasks: usize,
    /// How many at a time.
    pub parallel: usize,
    /// The container's image.
    pub image: String,
    /// The script of a task.
    pub script: String,
    /// Cores of a task.
    pub cpus: usize,
    /// Its memory.
    pub mem: Option<String>,
    /// Its GPUs.
    pub gpus: Option<usize>,
    /// Volumes.
    pub mounts: Vec<Mount>,
}

/// A volume in a container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mount {
    /// Name of the claim.
    pub claim: String,
    /// Where it is.
    pub path: String,
}

/// Characters of the name of an indexed Job, which its pods' names continue.
const LABEL: usize = 48;

/// `name` as Kubernetes names a Job (RFC 1123): lower-case letters, digits, dashes.
pub fn label(name: &str) -> String {
    let dashed: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let short: String = dashed.trim_matches('-').chars().take(LABEL).collect();
    let short = short.trim_end_matches('-');
    if short.is_empty() { "sweep".to_owned() } else { short.to_owned() }
}

/// A text as a string of JSON, which is one of YAML and of TOML as well.
pub fn string(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{filled, quoted};

    #[test]
    fn names_and_strings_of_other_languages() {
        for (name, expected) in [
            ("Speed of it!", "speed-of-it"),
            ("-ä-", "sweep"),
            (&"x".repeat(80), &"x".repeat(48)),
            (&format!("{}-y", "x".repeat(47)), &"x".repeat(47)),
        ] {
            assert_eq!(label(name), expected);
        }
        let text = "a \"b\" \\ c\td\u{1}é";
        let table: toml::Table = toml::from_str(&format!("k = {}", string(text))).unwrap();
        assert_eq!(table["k"].as_str(), Some(text));
    }

    #[test]
    fn the_script_takes_its_runs_from_whoever_starts_it() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("001.list");
        std::fs::write(&list, "aa,bb\ncc\n").unwrap();
        let task = Task {
            name: "x".to_owned(),
            root: quoted("/it's here"),
            folder: Some(quoted(dir.path().to_str().unwrap())),
            list: quoted(list.to_str().unwrap()),
            program: "echo".to_owned(),
            setup: vec!["export OF=setup".to_owned()],
            jobs: 2,
            threads: 3,
            gpus: None,
            retry: true,
        };
        let script = dir.path().join("task.sh");
        let said = |task: &Task, args: &[&str], vars: &[(&str, &str)]| {
            std::fs::write(&script, filled(TASK, task, "task.sh").unwrap()).unwrap();
            let mut command = std::process::Command::new("sh");
            command.arg(&script).args(args);
            for name in ["CUDA_VISIBLE_DEVICES", "HQ_ENTRY", "JOB_COMPLETION_INDEX"] {
                command.env_remove(name);
            }
            command.envs(vars.iter().copied());
            let output = command.output().unwrap();
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        };
        let expected = |runs: &str| {
            (Some(0), format!("sweep run /it's here --only {runs} --jobs 2 --threads 3 --retry\n"))
        };
        assert_eq!(said(&task, &["dd"], &[("HQ_ENTRY", "ee")]), expected("dd"));
        assert_eq!(said(&task, &[], &[("HQ_ENTRY", "ee")]), expected("ee"));
        assert_eq!(said(&task, &[], &[("JOB_COMPLETION_INDEX", "0")]), expected("aa,bb"));
        assert_eq!(said(&task, &[], &[("JOB_COMPLETION_INDEX", "1")]), expected("cc"));
        assert_eq!(said(&task, &[], &[("JOB_COMPLETION_INDEX", "2")]).0, Some(1));
        assert_eq!(said(&task, &[], &[]).0, Some(1));
        let task = Task { gpus: Some("0,1".to_owned()), retry: false, ..task };
        assert!(said(&task, &["dd"], &[]).1.ends_with("--threads 3 --gpus 0,1\n"));
        assert!(said(&task, &["dd"], &[("CUDA_VISIBLE_DEVICES", "7")]).1.ends_with("--gpus 7\n"));
    }
}
