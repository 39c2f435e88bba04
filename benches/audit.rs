//! Seconds of a plain pass of a CIFAR ResNet-20 over 1,000 images, by the number
//! of images that pass at a time, and of each frequency of a Fourier heat map; with
//! a straightforward PyTorch implementation (`benches/peers/audit.py`) in the same
//! run, which must come to the same counts and distances.
//!
//! Weights are random unless DOMFREQ_BENCH_WEIGHTS names a safetensors file, images
//! are `leaves` in colour unless DOMFREQ_BENCH_DATA names others (a `--data` SPEC).

use std::process::Command;
use std::time::Instant;

use domfreq::audit::Clean;
use domfreq::audit::parts::heatmap::{HeatMap, Options, measure};
use domfreq::audit::subject::Subject;
use domfreq::data::{self, Spec};
use domfreq::field::Targets;
use domfreq::model::deep::{Architecture, Deep};
use domfreq::progress::Progress;
use domfreq::run::arrays::Npz;
use domfreq::run::config::{InitKind, ModelKind};
use domfreq::weights::safetensors;
use ndarray::{Array1, s};
use tch::{Device, Kind};

const IMAGES: usize = 1_000;
const CHUNKS: [i64; 6] = [50, 64, 100, 125, 250, 500];
const FREQUENCIES: usize = 12;
const ROUNDS: usize = 3;
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Passes that a map of 31×31 may take.
const PASSES: f64 = 496.0;

fn subject() -> Subject {
    let spec =
        std::env::var("DOMFREQ_BENCH_DATA").unwrap_or_else(|_| "leaves:channels=3,count=1000".to_owned());
    let spec: Spec = spec.parse().expect("a source of images");
    let set = data::load(&spec, &data::Options::default()).expect("images");
    let images = set.images.slice(s![..IMAGES.min(set.len()), .., .., ..]);
    assert_eq!(images.shape()[1..], [3, 32, 32], "images of 3x32x32");
    let Targets::Classes { labels, .. } = &set.targets else { panic!("images of classes") };
    let labels = labels[..images.dim().0].iter().map(|l| l % 10).collect();
    let architecture = Architecture::usual(ModelKind::Resnet20, [3, 32, 32], 10);
    let net = Deep::new(architecture, InitKind::Kaiming, 0, Kind::Float, Device::Cpu).expect("a network");
    if let Ok(path) = std::env::var("DOMFREQ_BENCH_WEIGHTS") {
        let state = safetensors::read(path.as_ref()).expect("weights");
        net.load(&state, &path).expect("weights of a ResNet-20");
    }
    let offset: Vec<f64> = MEAN.iter().flat_map(|m| vec![*m; 32 * 32]).collect();
    Subject::new(net, images, Some(labels), &offset, &STD).expect("a network with images")
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn peer(python: &str, subject: &Subject, map: &HeatMap) -> Option<serde_json::Value> {
    let tmp = tempfile::tempdir().expect("a folder");
    let [weights, images] = ["net.safetensors", "images.npz"].map(|name| tmp.path().join(name));
    let state = subject.net.known().expect("layers").state_dict().expect("weights");
    safetensors::write(&weights, &state, &Default::default()).expect("a file");
    let pixels = domfreq::model::convert::array(&subject.pixels).expect("pixels");
    let labels = subject.labels.iter().flatten().map(|l| f64::from(*l));
    Npz::default()
        .with("pixels", pixels.view())
        .with("labels", Array1::from_iter(labels).view())
        .with("offset", Array1::from_iter(MEAN).view())
        .with("scale", Array1::from_iter(STD).view())
        .write(&images)
        .expect("a file");
    let mut command = Command::new(python);
    command.arg("benches/peers/audit.py").args([&weights, &images]);
    command.args([map.options.seed.to_string(), map.options.epsilon.to_string()]);
    command.args(map.entries.iter().map(|e| format!("{},{}", e.row, e.col)));
    let output = command.output().ok()?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    serde_json::from_slice(&output.stdout).ok()
}

fn main() {
    tch::set_num_threads(rayon::current_num_threads() as i32);
    let python =
        std::env::var("DOMFREQ_BENCH_PYTHON").unwrap_or_else(|_| ".venv-bench/bin/python".to_owned());
    let subject = subject();
    let options = Options { quick: Some(FREQUENCIES), ..Options::usual(32, 32, 0) };
    let count = subject.len() as i64;
    println!(
        "ResNet-20 on {count} images of 3x32x32, float32, {} threads, medians of {ROUNDS} rounds",
        rayon::current_num_threads()
    );

    let x = subject.normalised(&subject.pixels).expect("images");
    let mut by_chunk = vec![Vec::new(); CHUNKS.len()];
    // The first round warms up.
    for round in 0..=ROUNDS {
        for (times, chunk) in by_chunk.iter_mut().zip(CHUNKS) {
            let time = seconds(|| {
                let _no_grad = tch::no_grad_guard();
                for at in (0..count).step_by(chunk as usize) {
                    let part = x.narrow(0, at, chunk.min(count - at));
                    drop(subject.net.forward(&part).expect("a pass"));
                }
            });
            times.extend((round > 0).then_some(time));
        }
    }
    for (chunk, times) in CHUNKS.iter().zip(&by_chunk) {
        println!("forward, {chunk:3} images at a time  {:.3} s", median(times));
    }

    let (mut plain, mut each) = (Vec::new(), Vec::new());
    let mut map = None;
    for round in 0..ROUNDS {
        let passes = FREQUENCIES + 1;
        let pass =
            seconds(|| (0..passes).for_each(|_| drop(subject.logits(&subject.pixels).expect("a pass"))));
        let whole = seconds(|| {
            let clean = Clean::new(&subject).expect("a pass");
            map = Some(
                measure(&subject, &clean, &options, None, None, |_| Progress::hidden()).expect("a heat map"),
            );
        });
        // The map takes one pass over undisturbed images.
        plain.push(pass / passes as f64);
        each.push((whole - pass / passes as f64) / FREQUENCIES as f64);
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    let map = map.expect("a heat map");
    let (plain, each) = (median(&plain), median(&each));
    let full = 481.0 * each + plain;
    println!("plain pass                    {plain:.3} s");
    println!("a frequency of the heat map   {each:.3} s, {:.3} plain passes", each / plain);
    println!(
        "a map of 31x31                {full:.0} s, {:.3} of {PASSES} plain passes",
        full / PASSES / plain
    );
    let Some(peer) = peer(&python, &subject, &map) else {
        println!("(no PyTorch: {python} with torch, made by `make bench`)");
        return;
    };
    let number = |key: &str| peer[key].as_f64().expect("a number");
    println!(
        "PyTorch, channels last        {:.3} s a plain pass, {:.3} s a frequency: ratio {:.2}",
        number("plain"),
        number("frequency"),
        number("frequency") / each
    );
    println!(
        "                              481 of ours in {:.3} of {PASSES} of its plain passes",
        full / PASSES / number("plain")
    );
    let (mut apart, mut worst) = (0, 0.0f64);
    for (ours, theirs) in map.entries.iter().zip(peer["entries"].as_array().expect("entries")) {
        let off = theirs[2].as_i64().expect("a count") - ours.error.count as i64;
        apart += off.unsigned_abs();
        worst = worst.max((ours.distance / theirs[3].as_f64().expect("a distance") - 1.0).abs());
    }
    println!(
        "{} frequencies, errors {} undisturbed to {} at most: counts {apart} apart in all, distances {worst:.1e}",
        map.entries.len(),
        map.clean.map_or(0, |c| c.count),
        map.entries.iter().map(|e| e.error.count).max().unwrap_or(0)
    );
}
