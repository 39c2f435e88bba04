//! Sweeps on a real SLURM of one machine, which is started here: `tests/slurm/up.sh`. Skipped
//! where SLURM is not installed (Debian: slurm-wlm, munge).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};

use crate::support::{Said, fails, json, ok};
use crate::sweep::{DEEP, summaries, write};

/// Longest wait for a queue to be empty.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running SLURM, ended when this is dropped.
struct Slurm {
    dir: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

/// One at a time on this machine.
static ALONE: Mutex<()> = Mutex::new(());

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm").join(name)
}

impl Slurm {
    fn start() -> Option<Self> {
        let there = |program: &str| {
            let paths = std::env::var_os("PATH").unwrap_or_default();
            let more = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
            std::env::split_paths(&paths).chain(more).any(|dir| dir.join(program).exists())
        };
        if !["slurmctld", "slurmd", "munged", "sbatch"].iter().all(|p| there(p)) {
            println!("skipped: no SLURM here (slurm-wlm and munge)");
            return None;
        }
        let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Its sockets have short paths only.
        let slurm =
            Self { dir: tempfile::Builder::new().prefix("st").tempdir_in("/tmp").unwrap(), _alone: alone };
        let port = 20_000 + std::process::id() % 20_000 / 2 * 2;
        let said: Said = Command::new("bash")
            .arg(script("up.sh"))
            .arg(slurm.root())
            .env("SLURM_TEST_PORT", port.to_string())
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
            .output()
            .unwrap()
            .into();
        if said.code != Some(0) {
            println!("skipped: SLURM does not start here: {}", said.err);
            return None;
        }
        Some(slurm)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    // A program with this SLURM's configuration.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.root().join("slurm.conf"));
        command
    }

    fn call(&self, program: &str, args: &[&str]) -> Said {
        self.command(program).args(args).output().unwrap().into()
    }

    fn domfreq(&self, dir: &Path, args: &[&str]) -> Said {
        self.command(env!("CARGO_BIN_EXE_domfreq")).args(args).current_dir(dir).output().unwrap().into()
    }

    fn queue(&self) -> String {
        self.call("squeue", &["-h", "-r", "-o", "%F %K %t"]).out
    }

    fn wait(&self) {
        let start = Instant::now();
        while !self.queue().trim().is_empty() {
            assert!(start.elapsed() < PATIENCE, "still there: {}", self.queue());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        let _ = Command::new("bash").arg(script("down.sh")).arg(self.root()).status();
    }
}

// The processes that train in `sweep`.
fn trainers(sweep: &Path) -> Vec<u32> {
    let runs = sweep.join("runs").display().to_string();
    let of = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.contains("\0train\0") && line.contains(&runs)).then_some(id)
    };
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| of(entry.unwrap())).collect()
}

#[test]
fn a_sweep_survives_what_a_cluster_does_to_it() {
    let Some(slurm) = Slurm::start() else { return };
    let tmp = tempfile::tempdir().unwrap();
    // Long enough to be disturbed on a fast machine, too.
    let deep = DEEP.replace("\"train.steps\" = 120", "\"train.steps\" = 300");
    let text = format!("[set]\n{deep}[grid]\n\"run.seed\" = {{ from = 0, to = 23 }}\n");
    write(tmp.path(), "s.toml", &text);
    ok(tmp.path(), &["sweep", "run", "s.toml", "--out", "whole"]);

    // Shown beforehand, and then for good.
    let dry =
        slurm.domfreq(tmp.path(), &["sweep", "submit", "s.toml", "--out", "cut", "--pack", "2", "--dry-run"]);
    assert!(
        dry.code == Some(0) && dry.out.contains("24 runs in 12 tasks; nothing was submitted"),
        "{}",
        dry.err
    );
    assert!(slurm.queue().is_empty());
    let refused = slurm.domfreq(tmp.path(), &["sweep", "submit", "cut", "--partition", "nowhere"]);
    assert!(refused.code == Some(1) && refused.err.contains("invalid partition"), "{}", refused.err);
    let said = slurm.domfreq(tmp.path(), &["sweep", "submit", "cut", "--max-parallel", "4"]);
    assert!(said.code == Some(0) && said.out.contains("24 runs in 24 tasks"), "{}{}", said.out, said.err);
    let status = json(&slurm.domfreq(tmp.path(), &["sweep", "status", "cut", "--json"]).out);
    assert!(status["states"]["queued"].as_u64() > Some(10), "{status}");
    let again = slurm.domfreq(tmp.path(), &["sweep", "submit", "cut"]);
    assert!(again.out.contains("nothing to do"), "{}{}", again.out, again.err);

    // Every third task is put back, pushed aside, or killed.
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut disturbed = [0; 3];
    let start = Instant::now();
    while disturbed.iter().sum::<i32>() < 8 && start.elapsed() < PATIENCE {
        let queue = slurm.queue();
        let running: Vec<String> = queue
            .lines()
            .filter(|line| line.ends_with(" R") && !line.contains("N/A"))
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join("_"))
            .collect();
        if queue.trim().is_empty() {
            break;
        }
        if !running.is_empty() {
            let what = disturbed.iter().enumerate().min_by_key(|(_, n)| **n).map_or(0, |(i, _)| i);
            let said: Said = match what {
                0 => slurm.call("scontrol", &["requeue", &running[rng.random_range(0..running.len())]]),
                1 => {
                    slurm.call("sbatch", &["-p", "urgent", "-c", "8", "-o", "/dev/null", "--wrap", "sleep 1"])
                }
                _ => {
                    let all = trainers(&tmp.path().join("cut"));
                    let Some(id) = all.first() else { continue };
                    Command::new("kill").args(["-9", &id.to_string()]).output().unwrap().into()
                }
            };
            disturbed[what] += i32::from(said.code == Some(0));
        }
        std::thread::sleep(Duration::from_millis(rng.random_range(150..500)));
    }
    assert!(disturbed.iter().all(|n| *n >= 2), "{disturbed:?}");
    slurm.wait();
    // What was killed is missing; the dependent job has gathered the others.
    assert!(tmp.path().join("cut/groups.csv").exists());
    let said = slurm.domfreq(tmp.path(), &["sweep", "submit", "cut"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    slurm.wait();
    let status = slurm.domfreq(tmp.path(), &["sweep", "status", "cut"]);
    assert!(status.out.contains("24 runs, 24 finished"), "{}", status.out);
    assert_eq!(summaries(&tmp.path().join("whole")), summaries(&tmp.path().join("cut")));
}

#[test]
fn time_limits_and_failures_of_a_cluster() {
    let Some(slurm) = Slurm::start() else { return };
    let tmp = tempfile::tempdir().unwrap();
    // Run 1 fails; the dependent job gathers all the same, and says which.
    let text = "[set]\n\"train.steps\" = 5\n[grid]\n\"data.spec\" = [\"npz:absent.npz\", \"leaves:count=40,size=8\"]\n";
    write(tmp.path(), "f.toml", text);
    let said = slurm.domfreq(tmp.path(), &["sweep", "submit", "f.toml"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    slurm.wait();
    let logs = tmp.path().join("sweeps/f/logs");
    let gathered = std::fs::read_dir(logs).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name()?.to_string_lossy().into_owned();
        name.starts_with("slurm-collect").then(|| std::fs::read_to_string(&path).unwrap())
    });
    let gathered = gathered.expect("the job that gathers has run");
    assert!(gathered.contains("1 finished, 1 failed") && gathered.contains("absent.npz"), "{gathered}");

    // What comes before a time limit, when it can be told how far the run is: SLURM's own signal
    // comes up to half a minute early or late, and the run may have ended by then.
    let long = DEEP.replace("\"train.steps\" = 120", "\"train.steps\" = 4000");
    write(tmp.path(), "t.toml", &format!("[set]\n{long}[grid]\n\"run.seed\" = [1]\n"));
    ok(tmp.path(), &["sweep", "run", "t.toml", "--out", "whole"]);
    let args = ["sweep", "submit", "t.toml", "--out", "it's cut", "--time", "20", "--lead", "56"];
    let said = slurm.domfreq(tmp.path(), &args);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let script = std::fs::read_to_string(tmp.path().join("it's cut/submits/001.sh")).unwrap();
    assert!(script.contains("\n#SBATCH --signal=B:USR1@56\n"), "{script}");
    let run = only(&tmp.path().join("it's cut/runs"), PATIENCE);
    let start = Instant::now();
    while !run.join("metrics.csv").exists() {
        assert!(start.elapsed() < PATIENCE, "nothing is trained in {}", run.display());
        std::thread::sleep(Duration::from_millis(10));
    }
    let queue = slurm.queue();
    let task = queue.lines().find(|line| line.ends_with(" 1 R")).expect("its task runs");
    let job = task.split(' ').next().unwrap();
    let said = slurm.call("scancel", &["--batch", "--signal=USR1", &format!("{job}_1")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    slurm.wait();
    assert_eq!(summaries(&tmp.path().join("whole")), summaries(&tmp.path().join("it's cut")));
    let manifest = json(&std::fs::read_to_string(run.join("manifest.json")).unwrap());
    assert!(manifest["resumed"].as_array().is_some_and(|turns| !turns.is_empty()), "{manifest}");
}

#[test]
fn an_audit_in_parts_on_a_cluster() {
    let Some(slurm) = Slurm::start() else { return };
    let tmp = tempfile::tempdir().unwrap();
    let data = "leaves:count=60,size=8,channels=3";
    let train =
        ["train", "--model", "resnet8", "--data", data, "--steps", "10", "--batch", "20", "--out", "run"];
    ok(tmp.path(), &[&train[..], &["--jacobians", "0", "--threads", "1", "--device", "cpu"]].concat());
    let audit =
        |more: &[&'static str]| [&["audit", "run", "--only", "heatmap", "--threads", "1"][..], more].concat();
    ok(tmp.path(), &audit(&["--out", "whole"]));
    let submit =
        audit(&["--out", "the parts", "--submit", "3", "--max-parallel", "2", "--setup", "export A=1"]);
    let dry = slurm.domfreq(tmp.path(), &[&submit[..], &["--dry-run"]].concat());
    assert!(dry.code == Some(0) && dry.out.contains("nothing was submitted"), "{}{}", dry.out, dry.err);
    let script = std::fs::read_to_string(tmp.path().join("the parts/part.sh")).unwrap();
    let shard = " audit --shard \"$SLURM_ARRAY_TASK_ID/3\" 'run' '--only' 'heatmap' ";
    assert!(script.contains(shard) && script.contains("\nexport A=1\n"), "{script}");
    assert!(slurm.queue().is_empty());
    let said = slurm.domfreq(tmp.path(), &submit);
    assert!(said.code == Some(0) && said.out.contains("submitted 3 parts"), "{}{}", said.out, said.err);
    slurm.wait();
    let map = |folder: &str| {
        let path = tmp.path().join(folder).join("audit.json");
        json(&std::fs::read_to_string(path).unwrap_or_default())["heatmap"].clone()
    };
    assert!(!map("whole").is_null());
    assert_eq!(map("the parts"), map("whole"));
    // Not two networks, no parts of nothing, and no options of SLURM for nothing.
    let refused = |more: &[&'static str], parts: &[&str]| fails(tmp.path(), &audit(more), parts);
    refused(&["--submit", "0"], &["--submit", "at least 1"]);
    refused(&["--out", "the parts", "--submit", "2"], &["no parts but those of 2", "heatmap-1-of-3.json"]);
    refused(&["--partition", "gpu"], &["--submit", "a number of parts"]);
    refused(&["--submit", "2", "--templates", "."], &["a part.sh or a merge.sh", "neither"]);
}

// The one folder in `dir`, once it is there.
fn only(dir: &Path, patience: Duration) -> PathBuf {
    let start = Instant::now();
    loop {
        let first = std::fs::read_dir(dir).ok().and_then(|mut entries| Some(entries.next()?.ok()?.path()));
        if let Some(path) = first {
            return path;
        }
        assert!(start.elapsed() < patience, "nothing in {}", dir.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}
