//! Sweeps on one machine.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{domfreq, fails, json, ok};

/// A small deep network, about a second a run.
pub const DEEP: &str = "\"model.kind\" = \"cnn\"\n\"model.channels\" = 4\n\"model.kernel\" = \"3\"\n\
    \"data.spec\" = \"leaves:count=200,size=12\"\n\"train.steps\" = 120\n\"train.batch\" = 20\n\
    \"train.eta\" = 0.02\n\"measure.theory\" = [\"none\"]\n\"probe.jacobians\" = 0\n";

pub fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

/// Every summary, by the name of its run.
pub fn summaries(sweep: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(sweep.join("runs"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path.join("summary.json")).unwrap_or_default())
        })
        .collect();
    all.sort();
    all
}

// `sweep run` in a process, one of whose runs in the folder `sweep` has begun to write its numbers.
fn begun(dir: &Path, args: &[&str], sweep: &Path) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_domfreq"))
        .args([&["sweep", "run"], args].concat())
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let writes = || {
        std::fs::read_dir(sweep.join("runs"))
            .is_ok_and(|mut runs| runs.any(|run| run.unwrap().path().join("steps.csv").exists()))
    };
    while !writes() {
        assert!(start.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn term(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
}

#[test]
fn from_a_file_to_tables_and_a_figure_with_bands() {
    let tmp = tempfile::tempdir().unwrap();
    let text = "[set]\n\"train.steps\" = 40\n\"data.spec\" = \"leaves:count=80,size=8\"\n[grid]\n\
                \"model.hidden\" = [4, 8, 16]\n\"model.kind\" = [\"fcnn\"]\n\"run.seed\" = { from = 0, to = 2 }\n";
    write(tmp.path(), "width.toml", text);
    let said = ok(tmp.path(), &["sweep", "plan", "width.toml"]);
    assert!(said.contains("width in sweeps/width: 9 runs, 9 missing"), "{said}");
    let said = ok(tmp.path(), &["sweep", "run", "sweeps/width", "--only", "2-4,9"]);
    assert!(said.contains(": 4 runs, 4 finished"), "{said}");
    // The rest, from the file at once; and then there is nothing left to do.
    let said = ok(tmp.path(), &["sweep", "run", "width.toml", "--jobs", "2", "--json"]);
    assert_eq!(json(&said)["states"]["finished"], 9);
    let again = domfreq(tmp.path(), &["sweep", "run", "sweeps/width"]);
    assert!(again.code == Some(0) && again.err.contains("0 runs to do"), "{}", again.err);
    let said = ok(tmp.path(), &["sweep", "collect", "sweeps/width"]);
    assert!(said.contains("groups.parquet"), "{said}");
    let csv = std::fs::read_to_string(tmp.path().join("sweeps/width/groups.csv")).unwrap();
    assert!(csv.starts_with("model.hidden,model.kind,runs,") && csv.lines().count() == 4, "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains(",fcnn,3,")), "{csv}");
    let figure = ["figure", "sweep", "sweeps/width", "--x", "model.hidden", "--out", "width.png", "--y"];
    ok(tmp.path(), &[&figure[..], &["loss.2,modes.1.s"]].concat());
    assert!(std::fs::metadata(tmp.path().join("width.png")).unwrap().len() > 10_000);
    // Other figures take the runs of a sweep.
    let drawn = ok(tmp.path(), &["figure", "stages", "sweeps/width", "--out", "stages.png"]);
    assert_eq!(drawn.matches("modes discovered in the order of strength").count(), 9, "{drawn}");
    assert!(!drawn.contains("of 0: 1"), "none of none: {drawn}");
    fails(tmp.path(), &[&figure[..], &["loss.3"]].concat(), &["--y", "nearest: `loss.", "`loss.3`"]);
    let other = ["figure", "sweep", "sweeps/width", "--x", "model.hiden", "--out", "w.png", "--y", "loss.2"];
    fails(tmp.path(), &other, &["--x", "nearest: `model.hidden`"]);
}

#[test]
fn a_run_that_fails_says_why_and_is_retried_on_demand() {
    let tmp = tempfile::tempdir().unwrap();
    let text = "[set]\n\"train.steps\" = 5\n[grid]\n\"data.spec\" = [\"npz:late.npz\", \"leaves:count=40,size=8\"]\n";
    write(tmp.path(), "s.toml", text);
    let said = domfreq(tmp.path(), &["sweep", "run", "s.toml"]);
    assert!(said.code == Some(1) && said.err.contains("1 of 2 runs failed"), "{}", said.err);
    let status = ok(tmp.path(), &["sweep", "status", "sweeps/s"]);
    assert!(status.contains("1 finished, 1 failed") && status.contains("late.npz: cannot"), "{status}");
    let csv = domfreq(tmp.path(), &["sweep", "collect", "sweeps/s"]);
    assert!(csv.code == Some(0) && csv.err.contains("run 1") && csv.err.contains("late.npz"), "{}", csv.err);
    // Without --retry it is left alone; with it, and with the file, it is done.
    let said = domfreq(tmp.path(), &["sweep", "run", "sweeps/s"]);
    assert!(said.err.contains("1 runs failed before") && said.err.contains("0 runs to do"), "{}", said.err);
    crate::support::npz(&tmp.path().join("late.npz"), 40, |i, p| (i * p % 7) as f32, |i| (i % 2) as i64);
    let said = ok(tmp.path(), &["sweep", "run", "sweeps/s", "--retry"]);
    assert!(said.contains("2 runs, 2 finished"), "{said}");
}

#[test]
fn a_sweep_that_is_stopped_goes_on_and_comes_to_the_same() {
    let tmp = tempfile::tempdir().unwrap();
    write(tmp.path(), "s.toml", &format!("[set]\n{DEEP}[grid]\n\"run.seed\" = {{ from = 0, to = 3 }}\n"));
    ok(tmp.path(), &["sweep", "run", "s.toml", "--out", "whole", "--jobs", "2"]);
    ok(tmp.path(), &["sweep", "plan", "s.toml", "--out", "cut"]);
    let mut child = begun(tmp.path(), &["cut", "--jobs", "2"], &tmp.path().join("cut"));
    term(&child);
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let status = json(&ok(tmp.path(), &["sweep", "status", "cut", "--json"]));
    assert_eq!(
        (&status["states"]["failed"], &status["states"]["running"]),
        (&0.into(), &0.into()),
        "{status}"
    );
    assert!(status["states"]["finished"].as_u64() < Some(4), "{status}");
    ok(tmp.path(), &["sweep", "run", "cut"]);
    assert_eq!(summaries(&tmp.path().join("whole")), summaries(&tmp.path().join("cut")));
}

#[test]
fn what_is_no_sweep_is_one_clear_error() {
    let tmp = tempfile::tempdir().unwrap();
    write(tmp.path(), "s.toml", "[grid]\n\"train.stepz\" = [1]");
    fails(tmp.path(), &["sweep", "plan", "s.toml"], &["s.toml", "train.stepz", "nearest: `steps`"]);
    assert!(!tmp.path().join("sweeps").exists());
    fails(tmp.path(), &["sweep", "status", "absent"], &["absent"]);
    write(tmp.path(), "s.toml", "[grid]\n\"run.seed\" = [1]");
    fails(tmp.path(), &["sweep", "run", "s.toml", "--only", "2"], &["--only", "1 to 1"]);
    fails(tmp.path(), &["sweep", "run", "s.toml", "--threads", "0"], &["--threads"]);
    fails(tmp.path(), &["sweep", "run", "s.toml", "--jobs", "0"], &["--jobs"]);
    fails(
        tmp.path(),
        &["sweep", "run", "s.toml", "--gpus", "0", "--jobs", "2"],
        &["--jobs", "one for each GPU"],
    );
    fails(tmp.path(), &["sweep", "status", "sweeps/s", "--out", "x"], &["--out"]);
    let many = "[grid]\n\"run.seed\" = { from = 1, to = 99999 }\n\"data.seed\" = [1, 2]";
    write(tmp.path(), "s.toml", many);
    fails(tmp.path(), &["sweep", "plan", "s.toml"], &["at most 100000", "199998"]);
}

#[test]
fn the_sweeps_that_come_with_it_can_be_planned() {
    let tmp = tempfile::tempdir().unwrap();
    let sweeps = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sweeps");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(&sweeps).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) =
            (path.file_stem().unwrap().to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        // Data are not looked at before a run.
        let var: &[&str] = if text.contains("${data}") { &["--var", "data=npz:absent.npz"] } else { &[] };
        let said = ok(tmp.path(), &[&["sweep", "plan", path.to_str().unwrap(), "--json"], var].concat());
        seen.push((name.to_owned(), json(&said)["runs"].as_u64().unwrap()));
    }
    seen.sort();
    let names: Vec<(&str, u64)> = seen.iter().map(|(name, runs)| (name.as_str(), *runs)).collect();
    assert_eq!(names, [("forecast", 24), ("speed", 15), ("study", 162)]);
    let study = sweeps.join("study.toml");
    let study = study.to_str().unwrap();
    fails(tmp.path(), &["sweep", "plan", study], &["study.toml", "--var data=VALUE", "`${data}`"]);
    fails(tmp.path(), &["sweep", "plan", study, "--var", "data"], &["--var", "NAME=VALUE"]);
    fails(
        tmp.path(),
        &["sweep", "plan", study, "--var", "data=a", "--var", "b=c"],
        &["--var", "`b`, which it has not"],
    );
    fails(tmp.path(), &["sweep", "plan", "sweeps/study", "--var", "data=a"], &["--var", "is planned"]);
}

#[test]
fn a_run_directory_that_cannot_be_written_fails_alone() {
    let tmp = tempfile::tempdir().unwrap();
    write(tmp.path(), "s.toml", "[set]\n\"train.steps\" = 5\n[grid]\n\"run.seed\" = [1, 2]");
    let plan = json(&ok(tmp.path(), &["sweep", "plan", "s.toml", "--json"]));
    assert_eq!(plan["runs"], 2);
    let plan = json(&std::fs::read_to_string(tmp.path().join("sweeps/s/plan.json")).unwrap());
    let run = tmp.path().join("sweeps/s/runs").join(plan["runs"][0]["name"].as_str().unwrap());
    std::fs::create_dir(&run).unwrap();
    // Root may write anywhere but on a file system that is read-only.
    let mut mode = std::fs::metadata(&run).unwrap().permissions();
    mode.set_readonly(true);
    std::fs::set_permissions(&run, mode).unwrap();
    let mounted = std::fs::File::create(run.join("x")).is_ok()
        && Command::new("mount")
            .args(["-t", "tmpfs", "-o", "ro", "none"])
            .arg(&run)
            .status()
            .unwrap()
            .success();
    if std::fs::File::create(run.join("x")).is_ok() {
        println!("skipped: nothing can be made read-only here");
        return;
    }
    let said = domfreq(tmp.path(), &["sweep", "run", "sweeps/s"]);
    let status = domfreq(tmp.path(), &["sweep", "status", "sweeps/s"]).out;
    if mounted {
        assert!(Command::new("umount").arg(&run).status().unwrap().success());
    }
    // Nothing was written to it.
    let written = std::fs::read_dir(&run).unwrap().filter(|e| e.as_ref().unwrap().file_name() != "x").count();
    assert_eq!(written, 0);
    let _ = std::fs::remove_dir_all(&run);
    let last = ok(tmp.path(), &["sweep", "run", "sweeps/s", "--retry"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(status.contains("1 finished, 1 failed") && status.contains("cannot create"), "{status}");
    assert!(last.contains("2 runs, 2 finished"), "{last}");
}

#[test]
fn runs_of_another_process_are_left_to_it_and_said() {
    let tmp = tempfile::tempdir().unwrap();
    let long = DEEP.replace("\"train.steps\" = 120", "\"train.steps\" = 1000000");
    write(tmp.path(), "s.toml", &format!("[set]\n{long}[grid]\n\"run.seed\" = [1]\n"));
    let mut first = begun(tmp.path(), &["s.toml"], &tmp.path().join("sweeps/s"));
    let second = domfreq(tmp.path(), &["sweep", "run", "sweeps/s"]);
    term(&first);
    assert_eq!(first.wait().unwrap().code(), Some(75));
    // Come again: the other may end without finishing them.
    assert!(
        second.code == Some(75) && second.err.contains("1 runs are being written by others"),
        "{}",
        second.err
    );
}
