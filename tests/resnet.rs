//! Runs of deep networks: stopped by signals, evaluated, and everything that can be
//! wrong with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{domfreq, fails, json, ok, python};

// Small enough for many runs: 9 updates of a small CNN an epoch, 8 epochs.
const RUN: [&str; 22] = [
    "train",
    "--model",
    "cnn",
    "--channels",
    "4",
    "--layers",
    "2",
    "--kernel",
    "3",
    "--data",
    "shapes:count=280,size=12",
    "--batch",
    "32",
    "--epochs",
    "8",
    "--eval",
    "test,validation",
    "--crop",
    "2",
    "--flip",
    "--threads",
    "1",
];
const MORE: [&str; 8] = ["--checkpoint", "0.5", "--probe-samples", "64", "--jacobians", "4", "--ema", "0.9"];

/// A run into `out`, with `more` flags or other values of its own.
pub fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = Vec::new();
    let mut passed_over = false;
    for word in [&RUN[..], &MORE, &["--device", "cpu", "--out", out]].concat() {
        let flag = word.starts_with("--");
        passed_over = if flag { more.contains(&word) } else { passed_over };
        if !passed_over {
            all.push(word);
        }
    }
    [&all, more].concat()
}

pub fn start(dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_domfreq"))
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn until(what: impl Fn() -> bool) {
    let clock = Instant::now();
    while !what() {
        assert!(clock.elapsed() < Duration::from_secs(120), "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn signals_stop_a_run_with_a_checkpoint_or_only_write_one() {
    let tmp = tempfile::tempdir().unwrap();
    // Long enough to be running still when the second signal comes, on a busy machine too.
    let long = ["--epochs", "40"];
    ok(tmp.path(), &args("whole", &long));
    let rows =
        |root: &Path| std::fs::read_to_string(root.join("metrics.csv")).map_or(0, |t| t.lines().count());
    let checkpoints = |root: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(root.join("ckpt")).into_iter().flatten();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.starts_with("step"))
            .collect()
    };
    for name in ["TERM", "INT"] {
        let root = tmp.path().join(name);
        // No checkpoint but by the signal.
        let args = args(name, &[&long[..], &["--checkpoint", "100", "--resume"]].concat());
        let mut child = start(tmp.path(), &args);
        until(|| rows(&root) >= 3);
        signal(&child, "USR1");
        until(|| !checkpoints(&root).is_empty());
        assert!(child.try_wait().unwrap().is_none(), "SIGUSR1 ends no run");
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{text}");
        assert!(
            text.contains(&format!("stopped by SIG{name} after step")) && text.contains("--resume"),
            "{text}"
        );
        let manifest = json(&std::fs::read_to_string(root.join("manifest.json")).unwrap());
        assert_eq!(manifest["status"], "stopped");
        ok(tmp.path(), &args);
        let manifest = json(&std::fs::read_to_string(root.join("manifest.json")).unwrap());
        assert_eq!(
            (&manifest["status"], manifest["resumed"].as_array().unwrap().len()),
            (&"finished".into(), 1)
        );
        for file in ["metrics.csv", "steps.csv", "eval.csv", "eval-validation.csv", "summary.json"] {
            let read = |run: &str| std::fs::read(tmp.path().join(run).join(file)).unwrap();
            assert!(read(name) == read("whole"), "{file} differs");
        }
    }
}

#[test]
fn what_does_not_fit_is_said_and_nothing_is_begun() {
    let tmp = tempfile::tempdir().unwrap();
    let data = ["--data", "shapes:count=60,size=12", "--device", "cpu", "--out", "r"];
    let train = |more: &[&str], parts: &[&str]| {
        fails(tmp.path(), &[&["train"][..], &data, more].concat(), parts);
        assert!(!tmp.path().join("r").exists());
    };
    train(&["--model", "resnet20", "--init", "matched"], &["init.kind", "a linear network", "resnet20"]);
    train(&["--model", "lcnn", "--epochs", "3"], &["train.epochs", "a deep network", "lcnn"]);
    train(&["--model", "lcnn", "--resume"], &["--resume", "a deep network"]);
    train(&["--model", "resnet20", "--epochs", "3", "--steps", "9"], &["either epochs or steps"]);
    train(&["--model", "resnet50", "--stem", "imagenet"], &["at least 32x32 for resnet50", "12x12"]);
    train(&["--model", "resnet8", "--eval", "train"], &["eval.split", "another split"]);
    train(&["--model", "resnet8", "--eval", "test,train"], &["eval.beside", "another split"]);
    train(&["--model", "resnet8", "--eval", "test,../a"], &["eval.beside", "letters", "../a"]);
    train(&["--model", "resnet8", "--eval", "dev"], &["`train`, `validation` or `test`", "dev"]);
    train(&["--model", "resnet8", "--weights", "absent.safetensors"], &["absent.safetensors"]);
    train(&["--model", "cnn", "--kernel", "13"], &["model.kernel", "13x13"]);
    if domfreq::model::device::cuda().is_err() {
        fails(
            tmp.path(),
            &["train", "--model", "resnet8", "--device", "cuda"],
            &["device `cuda`: no CUDA", "lib"],
        );
    }
    fails(
        tmp.path(),
        &["predict", "--model", "resnet20", "--data", "shapes", "--theory", "flow"],
        &["measure.theory", "`flow` for resnet20"],
    );
}

#[test]
fn weights_configurations_and_data_that_differ_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    let base = ["train", "--model", "resnet8", "--data", "shapes:count=60,size=12", "--device", "cpu"];
    let run = |more: &[&'static str]| [&base[..], more].concat();
    ok(tmp.path(), &run(&["--steps", "2", "--out", "r"]));
    let weights = "r/ckpt/step-00000002/weights.safetensors";
    // Another head, another network, and no weights at all.
    let other =
        ["train", "--data", "shapes:count=60,size=12", "--out", "s", "--device", "cpu", "--weights", weights];
    let with = |more: &[&'static str]| [&other[..], more].concat();
    let classes = ["--model", "resnet8", "--data-seed", "0", "--classes", "0,1"];
    fails(tmp.path(), &with(&classes), &[weights, "a head of 2 outputs", "found 5 outputs"]);
    fails(
        tmp.path(),
        &with(&["--model", "resnet20"]),
        &[weights, "the", "resnet20", "missing (layer1.1.conv1.weight"],
    );
    let junk = tmp.path().join("junk.safetensors");
    std::fs::write(&junk, b"no weights").unwrap();
    let args = run(&["--weights", "junk.safetensors", "--out", "s"]);
    fails(tmp.path(), &args, &["junk.safetensors", "safetensors"]);
    assert!(!tmp.path().join("s").exists());
    // The same weights are taken as they are.
    ok(tmp.path(), &run(&["--weights", weights, "--steps", "1", "--out", "s"]));

    // A run goes on as it began or not at all.
    fails(tmp.path(), &run(&["--steps", "2", "--out", "r"]), &["another run"]);
    let args = run(&["--steps", "2", "--out", "r", "--resume", "--eta", "0.3"]);
    fails(tmp.path(), &args, &["--resume", "config.toml", "train.eta = 0.3 (stored: 0.1)"]);
    let state = tmp.path().join("r/ckpt/step-00000002/state.json");
    let manifest = tmp.path().join("r/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"finished\",", "\"running\",")).unwrap();
    let whole = std::fs::read_to_string(&state).unwrap();
    let resume = ["train", "--out", "r", "--resume", "--device", "cpu"];
    std::fs::write(&state, whole.replace("\"schema\": 1", "\"schema\": 9")).unwrap();
    fails(tmp.path(), &resume, &["state.json", "schema 1 or older", "schema 9"]);
    std::fs::write(&state, whole.replace("\"data\": \"", "\"data\": \"0")).unwrap();
    fails(tmp.path(), &resume, &["--resume", "the data", "hash"]);
    std::fs::write(&state, whole.replace("\"momentum\": 0.9", "\"momentum\": 0.5")).unwrap();
    fails(tmp.path(), &resume, &["the checkpoint of step 2", "train.momentum = 0.9 (stored: 0.5)"]);
    std::fs::write(&state, &whole).unwrap();
    ok(tmp.path(), &resume);
}

#[test]
fn a_network_that_diverged_is_said_to_have_and_not_looked_at_then() {
    let tmp = tempfile::tempdir().unwrap();
    let args = "train --model resnet8 --data leaves:count=40 --size 16 --steps 6 --batch 16 --eta 1e37 --jacobians 0 \
                --set probe.when=log --threads 1 --out r";
    let args: Vec<_> = args.split_whitespace().collect();
    fails(tmp.path(), &args, &["diverged by step 2:", "the step size eta = ", "optim.clip"]);
    // The looks before it are there, and none at it.
    let metrics = std::fs::read_to_string(tmp.path().join("r/metrics.csv")).unwrap();
    let steps: Vec<_> = metrics.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert!(steps == ["0", "1"] && !metrics.contains("NaN"), "{metrics}");
}

#[test]
fn evaluation_is_that_of_the_run() {
    let tmp = tempfile::tempdir().unwrap();
    let out = ok(tmp.path(), &args("r", &["--json"]));
    let summary = json(&out);
    let eval = std::fs::read_to_string(tmp.path().join("r/eval.csv")).unwrap();
    let last: Vec<&str> = eval.lines().last().unwrap().split(',').collect();
    assert_eq!(summary["test_accuracy"].as_f64(), last[3].parse().ok());
    let report = json(&ok(tmp.path(), &["evaluate", "r", "--json", "--device", "cpu", "--logits", "l.npz"]));
    assert_eq!(report["accuracy"].as_f64(), last[3].parse().ok());
    let loss: f64 = last[2].parse().unwrap();
    assert!((report["loss"].as_f64().unwrap() - loss).abs() < 1e-5 * loss);
    assert_eq!((report["samples"].as_u64(), &report["split"]), (Some(280), &"test".into()));
    let beside = std::fs::read_to_string(tmp.path().join("r/eval-validation.csv")).unwrap();
    let beside: Vec<&str> = beside.lines().last().unwrap().split(',').collect();
    let validation = ["evaluate", "r", "--split", "validation", "--json", "--device", "cpu"];
    let found = json(&ok(tmp.path(), &validation));
    assert_eq!((found["accuracy"].as_f64(), beside[0]), (beside[3].parse().ok(), last[0]));
    // One split alone, in the same place, leaves nothing of the other.
    ok(tmp.path(), &args("r2", &["--epochs", "1"]));
    assert!(tmp.path().join("r2/eval-validation.csv").exists());
    ok(tmp.path(), &args("r2", &["--epochs", "1", "--eval", "test", "--force"]));
    assert!(!tmp.path().join("r2/eval-validation.csv").exists() && tmp.path().join("r2/eval.csv").exists());
    let logits = domfreq::run::arrays::read(&tmp.path().join("l.npz"), "logits").unwrap();
    assert_eq!(logits.shape()[0], 280);
    fails(tmp.path(), &["evaluate", "r", "--model", "cnn"], &["--model"]);
    let file = std::fs::read_dir(tmp.path().join("r/ckpt")).unwrap().next().unwrap().unwrap().path();
    let file = file.join("weights.safetensors");
    let file = file.to_str().unwrap();
    fails(tmp.path(), &["evaluate", file], &["--model"]);
    // The tangent kernel is that of the weights it is asked for.
    let first_rate = |more: &[&str]| {
        let predict = ["predict", "--config", "r/config.toml", "--theory", "kernel", "--json"];
        json(&ok(tmp.path(), &[&predict[..], more].concat()))["kernel"]["first_rates"][0].as_f64().unwrap()
    };
    let weights = format!("init.weights={file}");
    let (drawn, read) = (first_rate(&[]), first_rate(&["--set", &weights]));
    assert!(drawn > 0.0 && (read / drawn - 1.0).abs() > 0.05, "{drawn} {read}");
    let data = ["--data", "shapes:count=60,size=12", "--device", "cpu", "--normalize", "global"];
    fails(
        tmp.path(),
        &[&["evaluate", file, "--model", "resnet8"][..], &data].concat(),
        &["expected the", "resnet8"],
    );
}

#[test]
fn evaluation_of_a_file_guesses_the_network() {
    use domfreq::model::deep::{Architecture, Deep};
    use domfreq::run::config::{InitKind, ModelKind, Shortcut};
    use domfreq::weights::safetensors;
    use tch::{Device, Kind};
    let tmp = tempfile::tempdir().unwrap();
    let write = |classes: usize| {
        let usual = Architecture::usual(ModelKind::Resnet8, [1, 12, 12], classes);
        let architecture = Architecture { shortcut: Shortcut::B, norm: false, ..usual };
        let net = Deep::new(architecture, InitKind::Pytorch, 1, Kind::Float, Device::Cpu).unwrap();
        let file = tmp.path().join(format!("{classes}.safetensors"));
        safetensors::write(&file, &net.state_dict().unwrap(), &BTreeMap::new()).unwrap();
    };
    let data = ["--data", "shapes:count=60,size=12", "--normalize", "global", "--device", "cpu", "--json"];
    let classes = 5;
    write(classes);
    write(classes + 1);
    let file = format!("{classes}.safetensors");
    let guessed = domfreq(tmp.path(), &[&["evaluate", &file][..], &data].concat());
    assert!(
        guessed.err.contains("resnet8 with shortcuts B without batch norm, 1 channel"),
        "{}",
        guessed.err
    );
    let said = ["--model", "resnet8", "--shortcut", "b", "--norm", "false"];
    let told = ok(tmp.path(), &[&["evaluate", &file][..], &said, &data].concat());
    assert_eq!(json(&guessed.out), json(&told));
    // Told otherwise, it is not guessed.
    fails(tmp.path(), &[&["evaluate", &file, "--model", "resnet20"][..], &data].concat(), &["expected the"]);
    let other = format!("{}.safetensors", classes + 1);
    let expected = format!("images of the network's {} classes", classes + 1);
    let found = format!("found {classes} classes");
    let parts = [expected.as_str(), "--outputs", found.as_str()];
    fails(tmp.path(), &[&["evaluate", &other][..], &data].concat(), &parts);
    fails(tmp.path(), &[&["evaluate", &file, "--stem", "cifar"][..], &data].concat(), &["model.stem"]);
}

#[test]
fn networks_pass_between_here_and_torchvision() {
    use domfreq::model::deep::{Architecture, Deep, Pass};
    use domfreq::run::config::{InitKind, ModelKind, Stem};
    use domfreq::weights::safetensors;
    use tch::{Device, Kind, Tensor};
    let Some(python) = python() else { return };
    let tmp = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/resnet/roundtrip.py");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        let rows = value.as_array().expect("rows");
        rows.iter().flat_map(|r| r.as_array().expect("a row").iter().map(|v| v.as_f64().unwrap())).collect()
    };
    for (kind, arch) in [
        (ModelKind::Resnet18, "resnet18"),
        (ModelKind::Resnet50, "resnet50"),
        (ModelKind::Resnet20, "resnet20"),
    ] {
        let file = tmp.path().join(format!("{arch}.safetensors"));
        let run = |args: &[&str]| {
            let said = Command::new(&python).arg(script).args(args).output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            said.stdout
        };
        run(&["save", file.to_str().unwrap(), "--arch", arch]);
        let beside = format!("{}.logits.json", file.display());
        let made = json(&std::fs::read_to_string(beside).unwrap());
        let size: Vec<i64> = made["input"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
        let imagenet = arch != "resnet20";
        let shape = [3, size[2] as usize, size[3] as usize];
        let architecture = Architecture::usual(kind, shape, if imagenet { 1000 } else { 10 });
        let architecture = Architecture { stem: Stem::Imagenet, ..architecture };
        let count = size.iter().product::<i64>() as usize;
        let x = Tensor::from_slice(&crate::formula::signed("input", count))
            .reshape(&size[..])
            .to_kind(Kind::Float);
        let net = Deep::new(architecture, InitKind::Pytorch, 5, Kind::Float, Device::Cpu).unwrap();
        let logits = || -> Vec<f64> {
            let logits = net.forward(&x, &Pass::eval(false)).unwrap().reshape([-1]).to_kind(Kind::Double);
            Vec::try_from(logits).unwrap()
        };
        let close = |a: &[f64], b: &[f64], what: &str| {
            let norm = b.iter().map(|v| v * v).sum::<f64>().sqrt();
            assert_eq!(a.len(), b.len(), "{arch} {what}");
            let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / norm;
            println!("{arch}, {what}: off by {off:.1e}");
            assert!(off < 1e-5, "{arch} {what}: {off:e}");
        };
        // Ours, read there.
        let own = tmp.path().join("own.safetensors");
        safetensors::write(&own, &net.state_dict().unwrap(), &BTreeMap::new()).unwrap();
        let there = json(&String::from_utf8(run(&["load", own.to_str().unwrap(), "--arch", arch])).unwrap());
        close(&numbers(&there["logits"]), &logits(), "written here");
        // Theirs, read here.
        net.load(&safetensors::read(&file).unwrap(), "torchvision's file").unwrap();
        close(&logits(), &numbers(&made["logits"]), "written by torchvision");
    }
}

#[test]
fn a_study_of_forecasts_takes_runs_that_differ_in_their_seed() {
    let tmp = tempfile::tempdir().unwrap();
    let run = |seed: &str, data: &str, out: &str| {
        let fixed = ["train", "--model", "resnet8", "--steps", "6", "--batch", "20", "--jacobians", "0"];
        let own = ["--set", "probe.when=log", "--size", "8", "--device", "cpu", "--threads", "1"];
        ok(tmp.path(), &[&fixed[..], &own, &["--seed", seed, "--data", data, "--out", out]].concat());
    };
    let leaves = "leaves:count=120,classes=5,channels=3";
    for (seed, data, out) in
        [("0", leaves, "a0"), ("1", leaves, "a1"), ("0", "shapes:count=120,channels=3", "b0")]
    {
        run(seed, data, out);
    }
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(tmp.path().join("a0/summary.json")).unwrap()).unwrap();
    let tau = |mode: usize| summary["modes"][mode]["measured"]["tau"].as_f64().unwrap();
    assert!((0..4).all(|mode| (1.0..=6.0).contains(&tau(mode))), "{summary}");
    let drawn = ok(tmp.path(), &["figure", "forecast", "a0", "a1", "b0", "--out", "f.png"]);
    assert!(drawn.contains("agreement of seeds") || tmp.path().join("f.json").exists());
    let csv = std::fs::read_to_string(tmp.path().join("f.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|l| l.split(',').collect()).collect();
    // Four modes of the leaves from two seeds, four of the shapes from one, which agrees with none.
    assert_eq!((rows.len(), rows.iter().filter(|r| r[2] == "2" && !r[3].is_empty()).count()), (8, 4));
    assert!(rows.iter().all(|r| !r[10].is_empty() && r[12].is_empty() && !r[13].is_empty()), "{csv}");
    // The order in which runs are named changes nothing.
    ok(tmp.path(), &["figure", "forecast", "b0", "a1", "a0", "--out", "turned.png"]);
    assert_eq!(std::fs::read_to_string(tmp.path().join("turned.csv")).unwrap(), csv);
    // A table is drawn as the runs that it is of.
    ok(tmp.path(), &["figure", "forecast", "f.csv", "--out", "again.png"]);
    for (again, first) in [("again.csv", "f.csv"), ("again.png", "f.png")] {
        let read = |name: &str| std::fs::read(tmp.path().join(name)).unwrap();
        assert!(read(again) == read(first), "{again} differs");
    }
    fails(
        tmp.path(),
        &["figure", "forecast", "a0/eval.csv", "--out", "g.png"],
        &["eval.csv, line 1", "data,network"],
    );
    ok(tmp.path(), &["train", "--data", "cosines", "--steps", "5", "--device", "cpu", "--out", "linear"]);
    fails(tmp.path(), &["figure", "forecast", "linear", "--out", "g.png"], &["a run of a deep network"]);
    assert!(!tmp.path().join("g.png").exists());
}
