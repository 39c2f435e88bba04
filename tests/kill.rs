//! Runs killed at random moments, and at each change they make to the file system:
//! what is on disk can be read, and the run goes on to the end of one that was not
//! killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;

use crate::resnet::{args, start};
use crate::support::{domfreq, ok};

// Everything of a run that must not depend on how often it was interrupted.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Times and hosts are in these.
            if ["manifest.json", ".lock", "events"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (contents(a), contents(b));
    let names = |m: &BTreeMap<PathBuf, Vec<u8>>| m.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{} differs", name.display());
    }
}

// Every member of an archive, against its checksum.
fn unzip(bytes: &[u8]) -> std::io::Result<()> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes))?;
    for i in 0..archive.len() {
        std::io::copy(&mut archive.by_index(i)?, &mut std::io::sink())?;
    }
    Ok(())
}

// What is there can be read, whenever it was killed.
fn readable(root: &Path) {
    for (path, bytes) in if root.exists() { contents(root) } else { BTreeMap::new() } {
        let whole = match path.extension().and_then(|e| e.to_str()) {
            Some("json") => serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
            Some("toml") => String::from_utf8(bytes).unwrap().parse::<toml::Table>().is_ok(),
            Some("npz") => unzip(&bytes).is_ok(),
            Some("safetensors") => domfreq::weights::safetensors::read(&root.join(&path)).is_ok(),
            _ => true,
        };
        let beside = path.components().any(|c| c.as_os_str().to_string_lossy().starts_with('.'));
        assert!(whole || beside, "{} is half-written", path.display());
    }
}

#[test]
fn a_run_killed_fifty_times_ends_as_if_it_had_not_been() {
    let tmp = tempfile::tempdir().unwrap();
    let clock = Instant::now();
    ok(tmp.path(), &args("whole", &[]));
    let whole = clock.elapsed();
    let mut rng = domfreq::seed::rng(0, "test/kills", 0);
    let (mut kills, mut runs) = (0, 0);
    while kills < 50 {
        runs += 1;
        let out = format!("killed-{runs}");
        let root = tmp.path().join(&out);
        let args = args(&out, &["--resume"]);
        // A few kills a run, at any moment of what is left of it.
        for _ in 0..10 {
            let mut child = start(tmp.path(), &args);
            std::thread::sleep(Duration::from_secs_f64(rng.random_range(0.0..whole.as_secs_f64())));
            let over = child.try_wait().unwrap().is_some();
            let _ = child.kill();
            let _ = child.wait();
            if over {
                break;
            }
            kills += 1;
            readable(&root);
        }
        ok(tmp.path(), &args);
        same(&tmp.path().join("whole"), &root);
    }
    println!("{kills} kills over {runs} runs of {:.1} s", whole.as_secs_f64());
    // Once more, it is finished already.
    let said = domfreq(tmp.path(), &args("whole", &["--resume"]));
    assert!(said.code == Some(0) && said.err.contains("finished already"), "{}", said.err);
}

// A library that kills the process it is loaded into, `tests/kill/at.c`.
#[cfg(target_os = "linux")]
fn killer(dir: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kill/at.c");
    let library = dir.join("at.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl");
    match command.status() {
        Ok(status) => assert!(status.success(), "tests/kill/at.c does not compile"),
        Err(e) => {
            println!("skipped: no C compiler (cc, or CC): {e}");
            return None;
        }
    }
    Some(library)
}

// Kills the command before each of its changes to the file system; `look` sees what
// each kill has left. Returns how many there were.
#[cfg(target_os = "linux")]
fn at_every_change(dir: &Path, args: &[&str], prepare: impl Fn(), look: impl Fn(u64)) -> Option<u64> {
    let killer = killer(dir)?;
    let run = |name: &str, value: &std::ffi::OsStr| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domfreq"));
        command.args(args).current_dir(dir).env("LD_PRELOAD", &killer).env(name, value);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the binary runs")
    };
    let count = dir.join("count");
    prepare();
    assert!(run("KILL_COUNT", count.as_os_str()).success());
    let count: u64 = std::fs::read_to_string(count).unwrap().parse().unwrap();
    for at in 1..=count {
        prepare();
        let status = run("KILL_AT", at.to_string().as_ref());
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "change {at} of {count}");
        look(at);
    }
    Some(count)
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_killed_at_any_change_of_the_file_system_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    // One epoch: every kind of file, fewer of each.
    let more = ["--resume", "--epochs", "1"];
    let args = |out| args(out, &more);
    ok(tmp.path(), &args("whole"));
    let root = tmp.path().join("killed");
    let clear = || {
        if root.exists() {
            std::fs::remove_dir_all(&root).unwrap()
        }
    };
    let changes = at_every_change(tmp.path(), &args("killed"), clear, |_| {
        readable(&root);
        ok(tmp.path(), &args("killed"));
        same(&tmp.path().join("whole"), &root);
    });
    // At least an fsync before and after each of its files.
    assert!(changes.is_none_or(|n| n > 20), "{changes:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_replaced_and_killed_at_any_change_of_the_file_system_can_be_replaced_again() {
    let tmp = tempfile::tempdir().unwrap();
    let args = |out, size| {
        let data = ["train", "--model", "lcnn", "--data", size, "--steps", "4", "--device", "cpu"];
        [&data[..], &["--threads", "1", "--out", out, "--force"]].concat()
    };
    let (old, new) = ("leaves:count=40,size=6", "leaves:count=40,size=8");
    ok(tmp.path(), &args("whole", new));
    let root = tmp.path().join("killed");
    ok(tmp.path(), &args("old", old));
    let prepare = || {
        let command = "rm -rf killed && cp -r old killed";
        assert!(Command::new("sh").args(["-c", command]).current_dir(tmp.path()).status().unwrap().success());
    };
    at_every_change(tmp.path(), &args("killed", new), prepare, |_| {
        readable(&root);
        ok(tmp.path(), &args("killed", new));
        same(&tmp.path().join("whole"), &root);
    });
}
