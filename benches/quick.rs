//! Seconds of a quick audit of a CIFAR ResNet-20, part by part and whole, as commands with their start, images,
//! tables and figures; with the same parts written well in PyTorch (`benches/peers/quick.py`) in the same run, which
//! must come to the same numbers. They take turns.
//!
//! Weights are random unless DOMFREQ_BENCH_WEIGHTS names a safetensors file, images are `leaves` in colour unless
//! DOMFREQ_BENCH_DATA names others (a `--data` SPEC, of which the test split is taken).

use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use domfreq::data::{self, Spec};
use domfreq::field::Targets;
use domfreq::model::deep::{Architecture, Deep};
use domfreq::run::arrays::Npz;
use domfreq::run::config::{InitKind, ModelKind};
use domfreq::weights::safetensors;
use ndarray::Array1;
use serde_json::Value;
use tch::{Device, Kind};

/// As many as a quick audit looks at.
const IMAGES: usize = 250;
const ROUNDS: usize = 3;
/// Images in a count, and relative differences or nats, that single precision explains: answers that two classes are
/// nearly equal in, gradients that are nearly zero in a ring.
const COUNTS: f64 = 2.0;
const FAR: f64 = 1e-2;
/// The parts that the peer has.
const PARTS: [&str; 4] = ["heatmap", "bands", "classes", "sensitivity"];

fn weights(path: &Path) -> Result<()> {
    if let Ok(own) = std::env::var("DOMFREQ_BENCH_WEIGHTS") {
        std::fs::copy(own, path)?;
        return Ok(());
    }
    let architecture = Architecture::usual(ModelKind::Resnet20, [3, 32, 32], 10);
    let net = Deep::new(architecture, InitKind::Kaiming, 0, Kind::Float, Device::Cpu)?;
    Ok(safetensors::write(path, &net.state_dict()?, &Default::default())?)
}

fn images(path: &Path) -> Result<()> {
    let own = std::env::var("DOMFREQ_BENCH_DATA").ok();
    let mut options = data::Options { limit: Some(IMAGES), ..data::Options::default() };
    if own.is_some() {
        options.split = "test".to_owned();
    }
    let spec: Spec = own.as_deref().unwrap_or("leaves:channels=3,classes=10,count=250,size=32").parse()?;
    let set = data::load(&spec, &options)?;
    let Targets::Classes { labels, .. } = &set.targets else { anyhow::bail!("images of classes") };
    let labels: Array1<i64> = labels.iter().map(|l| i64::from(*l)).collect();
    Npz::default().with("images", set.images.view()).with("labels", labels.view()).write(path)?;
    Ok(())
}

fn checked(output: Output) -> Result<Output> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output)
}

fn audit(weights: &Path, images: &Path, out: &Path, only: Option<&str>) -> Result<f64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domfreq"));
    command.arg("audit").arg(weights).arg("--data").arg(format!("npz:{}", images.display()));
    command.args(["--normalize", "imagenet", "--quick", "--device", "cpu", "--out"]).arg(out);
    command.args(only.iter().flat_map(|part| ["--only", part]));
    // What an audit has kept is not measured again.
    if out.exists() {
        std::fs::remove_dir_all(out)?;
    }
    let start = Instant::now();
    checked(command.output()?)?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<()> {
    let python =
        std::env::var("DOMFREQ_BENCH_PYTHON").unwrap_or_else(|_| ".venv-bench/bin/python".to_owned());
    let tmp = tempfile::tempdir()?;
    let [net, npz, out] = ["net.safetensors", "images.npz", "audit"].map(|name| tmp.path().join(name));
    weights(&net)?;
    images(&npz)?;
    let peer = Command::new(&python).args(["-c", "import torch"]).output().is_ok_and(|o| o.status.success());
    if !peer {
        println!("(no PyTorch: {python} with torch, made by `make bench`)");
    }
    let threads = rayon::current_num_threads();
    println!("ResNet-20, {IMAGES} images of 3x32x32, {threads} threads, seconds, medians of {ROUNDS} rounds");
    println!("{:12}  {:>7}  {:>7}  {:>5}  furthest apart", "", "domfreq", "PyTorch", "ratio");
    let mut start = Vec::new();
    for part in PARTS {
        let (mut ours, mut theirs, mut apart) = (Vec::new(), Vec::new(), [0.0; 2]);
        for _ in 0..ROUNDS {
            ours.push(audit(&net, &npz, &out, Some(part))?);
            if peer {
                let mut command = Command::new(&python);
                command.arg("benches/peers/quick.py").args([&net, &npz, &out.join("audit.json")]);
                command.arg(part).arg(threads.to_string());
                let output = checked(command.output()?)?;
                let found: Value =
                    serde_json::from_slice(&output.stdout).context("benches/peers/quick.py")?;
                let number = |key: &str| found[key].as_f64().with_context(|| format!("{key} in {found}"));
                theirs.push(number("seconds")?);
                start.push(number("start")?);
                apart = [number("counts")?, number("far")?];
                ensure!(
                    apart[0] <= COUNTS && apart[1] <= FAR,
                    "{part}: further apart than is rounding: {apart:?}"
                );
            }
        }
        let ours = median(&ours);
        if theirs.is_empty() {
            println!("{part:12}  {ours:7.2}");
        } else {
            let theirs = median(&theirs);
            let [counts, far] = apart;
            println!(
                "{part:12}  {ours:7.2}  {theirs:7.2}  {:5.2}  {counts} images, {far:.1e}",
                theirs / ours
            );
        }
    }
    println!("{:12}  {:7.2}  (once)", "all parts", audit(&net, &npz, &out, None)?);
    let weights_alone = audit(&net, &npz, &out, Some("adcs"))?;
    println!("of each command {weights_alone:.2} s are its start, the weights, the images, the report");
    if peer {
        println!("PyTorch's are without its start and imports, which take {:.2} s", median(&start));
    }
    Ok(())
}
