//! Sweeps given to other schedulers than SLURM; each is skipped where it is not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Said, fails, json, ok};
use crate::sweep::{DEEP, summaries, write};

/// A program of the PATH, of cargo's folder or of the tools of CI.
fn program(name: &str, what: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dirs: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    dirs.push(root.join(".venv-ci/bin"));
    dirs.extend(std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin")));
    let found = dirs.into_iter().map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        println!("skipped: no `{name}` here ({what})");
    }
    found
}

fn run(program: &Path, dir: &Path, args: &[&str]) -> Said {
    Command::new(program).args(args).current_dir(dir).output().unwrap().into()
}

// Four runs of which one is done, and what all of them come to.
fn begun() -> (tempfile::TempDir, PathBuf, Vec<(String, Vec<u8>)>) {
    let tmp = tempfile::tempdir().unwrap();
    let text = format!("[set]\n{DEEP}[grid]\n\"run.seed\" = {{ from = 0, to = 3 }}\n");
    write(tmp.path(), "four.toml", &text.replace("= 120", "= 20"));
    ok(tmp.path(), &["sweep", "run", "four.toml", "--out", "whole"]);
    ok(tmp.path(), &["sweep", "run", "four.toml", "--only", "2"]);
    let (root, whole) = (tmp.path().join("sweeps/four"), summaries(&tmp.path().join("whole")));
    (tmp, root, whole)
}

// The command that `domfreq` tells its user, in a shell.
fn told(said: &str, dir: &Path) -> Said {
    let command = said.lines().last().unwrap().trim();
    Command::new("bash").args(["-c", command]).current_dir(dir).output().unwrap().into()
}

#[test]
fn row_does_what_is_left() {
    let Some(row) = program("row", "cargo install row") else { return };
    let (tmp, root, whole) = begun();
    let flags = ["--cluster", "night", "--custom=--requeue", "--account", "a \"b\"", "--time", "00:10:00"];
    let args =
        [&["sweep", "export", "row", "sweeps/four", "--pack", "2", "--threads", "1"], &flags[..]].concat();
    let said = ok(tmp.path(), &args);
    assert!(said.starts_with("3 runs in 2 tasks\n") && said.trim_end().ends_with("&& row submit"), "{said}");
    let workflow: toml::Table =
        toml::from_str(&std::fs::read_to_string(root.join("workflow.toml")).unwrap()).unwrap();
    let action = workflow["action"][0].as_table().unwrap();
    let night = &action["submit_options"]["night"];
    assert_eq!(night["custom"].as_array().unwrap()[0].as_str(), Some("--requeue"));
    assert_eq!(night["account"].as_str(), Some("a \"b\""));
    assert_eq!(action["group"]["maximum_size"].as_integer(), Some(2));
    let status = run(&row, &root, &["show", "status", "--no-progress"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    let line = status.out.lines().find(|line| line.starts_with("train")).expect("an action").to_owned();
    assert_eq!(line.split_whitespace().skip(1).take(4).collect::<Vec<_>>(), ["1", "0", "3", "0"], "{line}");
    fails(tmp.path(), &["sweep", "export", "row", "sweeps/four", "--jobs", "2"], &["--jobs", "at most 1"]);
    let done = run(&row, &root, &["submit", "--yes", "--cluster", "none", "--no-progress"]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert_eq!(summaries(&root), whole);
}

#[test]
fn gnu_parallel_does_what_is_left() {
    let Some(parallel) = program("parallel", "apt-get install parallel") else { return };
    if !run(&parallel, Path::new("/"), &["--version"]).out.starts_with("GNU parallel") {
        println!("skipped: another `parallel` than GNU's");
        return;
    }
    let (tmp, _, whole) = begun();
    // A folder that two shells would read differently.
    let root = tmp.path().join("it's \"four\" $HOME");
    std::fs::rename(tmp.path().join("sweeps/four"), &root).unwrap();
    let four = root.to_str().unwrap();
    let said = ok(tmp.path(), &["sweep", "export", "parallel", four, "--pack", "2"]);
    assert!(said.contains("3 runs in 2 tasks"), "{said}");
    let done = told(&said, tmp.path());
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    assert_eq!(summaries(&root), whole);
    let said = ok(tmp.path(), &["sweep", "export", "parallel", four]);
    assert!(said.starts_with("nothing to do"), "{said}");
}

#[test]
fn a_job_of_kubernetes_fits_its_schema() {
    let tmp = tempfile::tempdir().unwrap();
    write(tmp.path(), "s.toml", "name = \"Speed: of it\"\n[grid]\n\"run.seed\" = { from = 0, to = 6 }");
    let root = std::fs::canonicalize(tmp.path()).unwrap().display().to_string();
    let claim = format!("scratch:{root}");
    let export = ["sweep", "export", "kubernetes", "s.toml", "--image", "registry/domfreq:1", "--mount"];
    let more = ["--mount", "data:/data", "--pack", "3", "--gpus", "2", "--jobs", "2", "--mem", "8Gi"];
    let said = ok(Path::new(&root), &[&export[..], &[&claim], &more[..], &["--max-parallel", "2"]].concat());
    assert!(said.contains("7 runs in 3 tasks") && said.contains("kubectl apply -f '"), "{said}");
    let folder = Path::new(&root).join("sweeps/Speed: of it/submits");
    let script = std::fs::read_to_string(folder.join("001.sh")).unwrap();
    assert!(
        script.contains("exec domfreq sweep run '") && script.contains("CUDA_VISIBLE_DEVICES:-0,1"),
        "{script}"
    );
    let file = folder.join("001.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for part in [
        "name: \"speed--of-it-001\"\n",
        "completions: 3\n",
        "parallelism: 2\n",
        "backoffLimitPerIndex: 3\n",
        "image: \"registry/domfreq:1\"\n",
        "nvidia.com/gpu: 2\n",
        "claimName: \"data\"\n",
        "mountPath: \"/data\"\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let elsewhere = [&export[..], &["data:/data"]].concat();
    fails(tmp.path(), &elsewhere, &["--mount", "at or above /", "found /data"]);
    fails(tmp.path(), &[&export[..], &[&claim, "--mount", &claim]].concat(), &["--mount", "each path once"]);
    fails(tmp.path(), &[&export[..], &["/data"]].concat(), &["--mount", "CLAIM:PATH"]);
    let Some(validate) = program("kubernetes-validate", "pip install kubernetes-validate") else { return };
    let said = run(&validate, Path::new("/"), &["--strict", "-k", "1.33", &file.display().to_string()]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    // And it is no rubber stamp.
    std::fs::write(&file, text.replace("completions: 3", "completions: three")).unwrap();
    let said = run(&validate, Path::new("/"), &["--strict", "-k", "1.33", &file.display().to_string()]);
    assert_ne!(said.code, Some(0));
}

#[test]
fn hyperqueue_is_told_how_to_do_it() {
    let (tmp, root, whole) = begun();
    let said = ok(tmp.path(), &["sweep", "export", "hq", "sweeps/four", "--gpus", "1", "--threads", "1"]);
    let (list, script) = (root.join("submits/001.list"), root.join("submits/001.sh"));
    let expected = ["hq submit --each-line", " --cpus 1 --resource gpus/nvidia=1 -- sh "];
    assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    // As it does: a task for each line, which is in HQ_ENTRY.
    let lines = std::fs::read_to_string(list).unwrap();
    assert_eq!(lines.lines().count(), 3);
    for line in lines.lines() {
        let done: Said = Command::new("sh").arg(&script).env("HQ_ENTRY", line).output().unwrap().into();
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    assert_eq!(summaries(&root), whole);
    let status = json(&ok(tmp.path(), &["sweep", "status", "sweeps/four", "--json"]));
    assert_eq!(status["states"]["finished"], 4);
}
