//! Run directories, from `train` to `figure`.

use std::fs;
use std::path::Path;

use crate::support::{domfreq, fails, json, ok, photos};

const QUICK: &str = "[data]\nspec = \"cosines:size=8\"\n[init]\nkind = \"matched\"\n[train]\nsteps = 2500\n\
                     [measure]\nsnapshots = 4\n[run]\ndtype = \"f64\"\n";

fn quick(dir: &Path) {
    fs::write(dir.join("quick.toml"), QUICK).unwrap();
}

#[test]
fn a_run_leaves_everything_that_is_promised() {
    let tmp = tempfile::tempdir().unwrap();
    quick(tmp.path());
    let summary = json(&ok(tmp.path(), &["train", "--config", "quick.toml", "--json"]));
    let run = tmp.path().join("runs/quick");
    for (mode, i) in summary["modes"].as_array().unwrap().iter().zip(1..) {
        let theory = &mode["predicted"][0];
        assert!(theory["theory"] == "closed" && theory["max_error"].as_f64().unwrap() < 0.005, "mode {i}");
        let (measured, predicted) = (&mode["measured"]["t50"], &theory["t50"]);
        assert!((measured.as_f64().unwrap() / predicted.as_f64().unwrap() - 1.0).abs() < 0.005);
    }
    assert_eq!(summary["accuracy"], 1.0);

    let manifest = json(&fs::read_to_string(run.join("manifest.json")).unwrap());
    assert_eq!((&manifest["status"], &manifest["data"]["samples"]), (&"finished".into(), &256.into()));
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("eta = ") && config.contains("center = false"), "resolved: {config}");
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert!(
        metrics.starts_with("step,epoch,loss,accuracy,a_1,a_2,a_3,a_4,closed_1,closed_2,closed_3,closed_4\n")
    );
    assert_eq!(metrics.lines().count(), 2502);
    for name in ["modes", "spectra-00000000", "spectra-00000625", "spectra-00002500"] {
        assert!(run.join(format!("arrays/{name}.npz")).exists(), "{name}");
    }
    assert!(run.join("ckpt/step-00002500/weights.npz").exists());

    ok(tmp.path(), &["figure", "stages", "runs/quick", "--out", "stages.png"]);
    assert!(fs::metadata(tmp.path().join("stages.png")).unwrap().len() > 10_000);

    // The resolved configuration repeats the run, bit for bit.
    ok(tmp.path(), &["train", "--config", "runs/quick/config.toml", "--out", "again"]);
    assert_eq!(fs::read_to_string(tmp.path().join("again/metrics.csv")).unwrap(), metrics);
}

#[test]
fn another_run_is_not_overwritten_unless_forced() {
    let tmp = tempfile::tempdir().unwrap();
    let args = ["train", "--data", "cosines:size=8", "--steps", "20", "--out", "r"];
    ok(tmp.path(), &args);
    fails(tmp.path(), &args, &["another run", "--force"]);
    ok(tmp.path(), &[&args[..], &["--force"]].concat());
    fs::create_dir(tmp.path().join("notes")).unwrap();
    fs::write(tmp.path().join("notes/a.txt"), "keep").unwrap();
    fails(tmp.path(), &["train", "--out", "notes", "--force"], &["notes", "no run"]);
    assert!(tmp.path().join("notes/a.txt").exists());
}

#[test]
fn own_images_both_networks_both_spaces() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    for (model, space, dtype) in
        [("fcnn", "moment", "f64"), ("lcnn", "sample", "f32"), ("lcnn", "moment", "f32")]
    {
        let out = format!("{model}-{space}");
        let said = domfreq(
            tmp.path(),
            &[
                "train",
                "--data",
                "folder:photos",
                "--size",
                "8x10",
                "--model",
                model,
                "--space",
                space,
                "--dtype",
                dtype,
                "--steps",
                "60",
                "--batch",
                "5",
                "--momentum",
                "0.5",
                "--out",
                &out,
            ],
        );
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("no theory columns"), "{}", said.err);
        ok(tmp.path(), &["figure", "stages", &out, "--out", &format!("{out}.png")]);
    }
}

#[test]
fn several_layers_and_zero_padding() {
    let tmp = tempfile::tempdir().unwrap();
    let flags = "train --data cosines:size=8 --layers 2 --kernel 3 --padding zero --channels 2 --scale 0.3 \
                 --steps 300 --eta 3e-3 --snapshots 2 --threads 1 --json --out";
    let run = |more: &[&str], out: &str| {
        let args: Vec<_> = flags.split_whitespace().chain([out]).chain(more.iter().copied()).collect();
        json(&ok(tmp.path(), &args))
    };
    let (moment, sample) = (run(&[], "deep"), run(&["--space", "sample"], "deep-samples"));
    let loss = |summary: &serde_json::Value, i: usize| summary["loss"][i].as_f64().unwrap();
    assert!(loss(&moment, 1) < 0.9 * loss(&moment, 0), "{moment}");
    assert!((loss(&moment, 1) / loss(&sample, 1) - 1.0).abs() < 1e-3);
    let config = fs::read_to_string(tmp.path().join("deep/config.toml")).unwrap();
    assert!(config.contains("layers = 2") && config.contains("padding = \"zero\""), "{config}");
    ok(tmp.path(), &["figure", "stages", "deep", "--out", "deep.png"]);

    // A matched start is that of one circular layer of full size.
    let args = ["train", "--data", "cosines:size=8", "--init", "matched", "--threads", "1", "--out", "r"];
    for (more, found) in [
        (&["--layers", "2"][..], "2 layers"),
        (&["--padding", "zero"], "Zero padding"),
        (&["--kernel", "3"], "3x3"),
    ] {
        fails(tmp.path(), &[&args[..], more].concat(), &["init.kind", "one layer", found]);
    }
    assert!(!tmp.path().join("r").exists());
}

#[test]
fn bad_configurations() {
    let tmp = tempfile::tempdir().unwrap();
    let config = |text: &str, parts: &[&str]| {
        fs::write(tmp.path().join("c.toml"), text).unwrap();
        fails(tmp.path(), &["train", "--config", "c.toml", "--out", "r"], parts);
        assert!(!tmp.path().join("r").exists(), "nothing is written for: {text}");
    };
    config("[train]\nstepps = 3\n", &["c.toml, line 2, column 1", "`stepps`", "nearest: `steps`"]);
    config("[train]\nsteps = \"three\"\n", &["c.toml, line 2, column 9", "u64"]);
    config("[train]\neta = -1.0\n", &["train.eta"]);
    config("[train]\neta = 1e39\n", &["train.eta", "up to 3e38"]);
    fails(tmp.path(), &["train", "--config", "absent.toml"], &["absent.toml"]);
    fails(tmp.path(), &["train", "--device", "gpu", "--out", "r"], &["device", "cuda"]);
    fails(tmp.path(), &["train", "--kernel", "40", "--out", "r1"], &["model.kernel", "16x16"]);
    let zero = ["train", "--kernel", "40", "--padding", "zero", "--threads", "1", "--out", "r1"];
    fails(tmp.path(), &zero, &["model.kernel", "16x16"]);
    fails(tmp.path(), &["train", "--layers", "0", "--out", "r1"], &["model.layers", "1 to 16", "found 0"]);
    fails(tmp.path(), &["train", "--layers", "17", "--out", "r1"], &["model.layers", "found 17"]);
    let mirror = domfreq(tmp.path(), &["train", "--padding", "mirror", "--out", "r1"]);
    assert_eq!(mirror.code, Some(2), "{}", mirror.err);
    assert!(mirror.err.contains("--padding") && mirror.err.contains("circular, zero"), "{}", mirror.err);
    config("[model]\npadding = \"mirror\"\n", &["line 2, column 11", "`circular` or `zero`", "mirror"]);
    let matched = ["train", "--data", "leaves:count=60", "--init", "matched", "--out", "r2"];
    fails(tmp.path(), &matched, &["init.kind", "matched"]);
    assert!(!tmp.path().join("r1").exists() && !tmp.path().join("r2").exists());
    let wide = ["train", "--model", "fcnn", "--hidden", "100000000000", "--out", "r3"];
    fails(tmp.path(), &wide, &["model.hidden", "GiB"]);
    // Little in one layer, too much in sixteen: later layers have M² kernels.
    let deep = ["train", "--channels", "20000", "--kernel", "1", "--layers", "16", "--out", "r3"];
    fails(tmp.path(), &deep, &["model.channels", "16 layers", "GiB"]);
    let large = ["train", "--data", "cosines:size=512,count=4", "--out", "r4"];
    fails(tmp.path(), &large, &["moment", "GiB", "--space sample"]);
}

#[test]
fn a_mistake_does_not_cost_the_run_that_is_there() {
    let tmp = tempfile::tempdir().unwrap();
    ok(tmp.path(), &["train", "--data", "cosines:size=8", "--steps", "20", "--out", "r"]);
    let before = fs::read_to_string(tmp.path().join("r/metrics.csv")).unwrap();
    fails(tmp.path(), &["train", "--data", "cosine", "--out", "r", "--force"], &["cosines"]);
    fails(tmp.path(), &["train", "--data", "npz:absent.npz", "--out", "r", "--force"], &["absent.npz"]);
    assert_eq!(fs::read_to_string(tmp.path().join("r/metrics.csv")).unwrap(), before);
}

#[test]
fn a_log_that_goes_away_does_not_stop_a_run() {
    let tmp = tempfile::tempdir().unwrap();
    let script = format!("{} train --steps 20 --out r 2>/dev/full >/dev/null", env!("CARGO_BIN_EXE_domfreq"));
    let status =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(tmp.path()).status().unwrap();
    assert!(status.success());
    let manifest = json(&fs::read_to_string(tmp.path().join("r/manifest.json")).unwrap());
    assert_eq!(manifest["status"], "finished");
}

#[test]
fn a_diverging_run_says_so_and_its_directory_stays_readable() {
    let tmp = tempfile::tempdir().unwrap();
    let args = ["train", "--data", "leaves:count=60,size=8", "--eta", "50", "--scale", "0.3", "--out", "r"];
    fails(tmp.path(), &args, &["diverged by step", "loss", "eta = 5e1"]);
    let manifest = json(&fs::read_to_string(tmp.path().join("r/manifest.json")).unwrap());
    assert_eq!(manifest["status"], "failed");
    assert!(manifest["error"].as_str().unwrap().contains("diverged"));
    ok(tmp.path(), &["figure", "stages", "r", "--out", "f.png"]);
}

#[test]
fn a_disk_without_room_is_an_error_that_names_the_file() {
    // The shell's limit on the size of files stands for the full disk.
    let tmp = tempfile::tempdir().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} train --data cosines --steps 3000 --out r",
        env!("CARGO_BIN_EXE_domfreq")
    );
    let output =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(tmp.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error: ") && said.contains("cannot write") && !said.contains("panicked"),
        "{said}"
    );
    // What is there is whole: the manifest says that it failed, no half-written file is left.
    let manifest = json(&fs::read_to_string(tmp.path().join("r/manifest.json")).unwrap());
    assert_eq!(manifest["status"], "failed");
    let leftovers = fs::read_dir(tmp.path().join("r/arrays")).unwrap().filter_map(Result::ok);
    assert!(leftovers.into_iter().all(|f| !f.file_name().to_string_lossy().ends_with(".tmp")));
}

#[test]
fn a_killed_run_can_be_drawn_and_replaced() {
    let tmp = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_domfreq"))
        .args(["train", "--data", "cosines", "--steps", "100000000", "--eta", "1e-5", "--out", "r"])
        .current_dir(tmp.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let metrics = tmp.path().join("r/metrics.csv");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while fs::metadata(&metrics).map_or(true, |m| m.len() < 20_000) {
        assert!(std::time::Instant::now() < deadline, "the run did not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let force = ["train", "--steps", "10", "--out", "r", "--force"];
    fails(tmp.path(), &force, &["being written"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json(&fs::read_to_string(tmp.path().join("r/manifest.json")).unwrap())["status"], "running");
    ok(tmp.path(), &["figure", "stages", "r", "--out", "f.png"]);
    ok(tmp.path(), &["train", "--data", "cosines", "--steps", "10", "--out", "r", "--force"]);
}
