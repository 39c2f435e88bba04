//! Images per second of a CIFAR ResNet-20 in training (batch 128, SGD with
//! momentum and weight decay) and in evaluation, float32, with PyTorch's beside
//! them in the same run; and what a look into the network costs, as a share of an
//! epoch of 10,000 images.
//!
//! Rounds alternate between us and `benches/peers/resnet.py`, which writes both
//! in several ways; the peer's figure is that of its best way in each round.

use std::process::Command;
use std::time::Instant;

use domfreq::data::Samples;
use domfreq::data::prepare::{Normalize, prepare};
use domfreq::field::{ImageSet, Provenance, Targets as Labels};
use domfreq::model::deep::{Architecture, Deep};
use domfreq::probe::{self, Probe};
use domfreq::run::RunConfig;
use domfreq::run::config::{AugmentConfig, InitKind, ModelKind};
use domfreq::theory::Modes;
use domfreq::train::deep::{Images, Pixels, Targets, Trainer, evaluate};
use ndarray::Array4;
use rand::Rng;
use tch::{Device, Kind};

const IMAGES: usize = 2_000;
const BATCH: usize = 128;
const STEPS: usize = 20;
const ROUNDS: usize = 3;
/// Defaults of the probe for 10,000 images.
const PROBED: usize = 500;
const JACOBIANS: usize = 31;
const EPOCH: f64 = 10_000.0;

fn set() -> ImageSet {
    let mut rng = domfreq::seed::rng(0, "bench/resnet", 0);
    let labels: Vec<u32> = (0..IMAGES).map(|i| (i % 10) as u32).collect();
    let images = Array4::from_shape_fn((IMAGES, 3, 32, 32), |(i, c, y, x)| {
        let wave = (labels[i] as usize + 1) * (x + c * y) % 64;
        f32::from((rng.random::<u8>() / 2) + wave as u8) / 255.0
    });
    let names = (0..10).map(|i| i.to_string()).collect();
    ImageSet { images, targets: Labels::Classes { labels, names }, source: Provenance::default() }
}

fn trainer(samples: &Samples, pixels: &Pixels, augment: AugmentConfig) -> Trainer {
    let mut config = RunConfig::default();
    config.model.kind = ModelKind::Resnet20;
    config.train.batch = Some(BATCH);
    let config = config.deep().expect("a configuration");
    let architecture = Architecture::usual(ModelKind::Resnet20, samples.shape, 10);
    let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Float, Device::Cpu).expect("a network");
    let targets = Targets::of_samples(samples, &config.optim, &net).expect("targets");
    let images = Images::new(pixels, samples, &augment, true, Kind::Float, Device::Cpu).expect("images");
    Trainer::new(&config, net, None, images, targets, 1_000_000).expect("a trainer")
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn timed(f: impl FnOnce()) -> f64 {
    let clock = Instant::now();
    f();
    clock.elapsed().as_secs_f64()
}

/// Images per second of the peer's best way: (training, evaluation).
fn peer(python: &str) -> Option<(f64, f64)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/resnet.py");
    let threads = rayon::current_num_threads().to_string();
    let output = Command::new(python).args([script, "--threads", &threads, "--budget", "12"]).output();
    let output = output.ok().filter(|o| o.status.success())?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let best = |family: &str| report["results"][family]["best"]["images_per_s"].as_f64();
    let evaluation = best("resnet20-eval-128").into_iter().chain(best("resnet20-eval-500")).reduce(f64::max);
    Some((best("resnet20-train")?, evaluation?))
}

fn main() {
    let python =
        std::env::var("DOMFREQ_BENCH_PYTHON").unwrap_or_else(|_| ".venv-bench/bin/python".to_owned());
    tch::set_num_threads(rayon::current_num_threads() as i32);
    let set = set();
    let pixels = Pixels::new(set.images.view());
    let samples = prepare(set, Normalize::Channel, true).expect("samples");
    let modes = Modes::new(&samples).expect("modes");
    let mut plain = trainer(&samples, &pixels, AugmentConfig::default());
    let mut augmented = trainer(&samples, &pixels, AugmentConfig { crop: 4, flip: true });
    let looks = Probe::new(&samples, &modes, PROBED, JACOBIANS, 0);
    let strengths = Probe::new(&samples, &modes, PROBED, 0, 0);
    let (mut train, mut augment, mut eval) = (Vec::new(), Vec::new(), Vec::new());
    let (mut whole, mut answers, mut kernels) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peer_train, mut peer_eval) = (Vec::new(), Vec::new());
    let count = (STEPS * BATCH) as f64;
    for round in 0..ROUNDS {
        // In turns of five steps, so that what else the machine does meets both alike.
        let (mut first, mut second) = (0.0, 0.0);
        for turn in 0..STEPS / 5 + 1 {
            let steps = |trainer: &mut Trainer| {
                timed(|| (0..5).for_each(|_| drop(trainer.update().expect("an update"))))
            };
            let (a, b) = (steps(&mut plain), steps(&mut augmented));
            // The first turn of all warms up.
            if turn > 0 {
                (first, second) = (first + a, second + b);
            }
        }
        train.push(count / first);
        augment.push(second / first - 1.0);
        let net = &plain.net;
        let of = |f: &dyn Fn()| timed(f);
        let all: Vec<usize> = (0..IMAGES).collect();
        let (images, targets) = (plain.images(), plain.targets());
        let pass = || {
            evaluate(net, images, targets, &all, false, |_| Ok(())).expect("a pass");
        };
        eval.push(IMAGES as f64 / of(&pass));
        let look = |probe: &Probe| drop(probe.look(net, plain.images(), plain.targets(), 0).expect("a look"));
        whole.push(of(&|| look(&looks)));
        answers.push(of(&|| look(&strengths)));
        kernels.push(of(&|| drop(probe::kernels(net).expect("kernels"))));
        if let Some((a, b)) = peer(&python) {
            peer_train.push(a);
            peer_eval.push(b);
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    println!(
        "ResNet-20 on 3x32x32, batch {BATCH}, float32, {} threads, medians of {ROUNDS} rounds",
        rayon::current_num_threads()
    );
    let shown = |what: &str, own: f64, peer: &mut Vec<f64>| {
        if peer.is_empty() {
            println!(
                "{what:24} {own:8.0} images/s   (no PyTorch: {python} with torch, made by `make bench`)"
            );
        } else {
            let peer = median(peer);
            println!(
                "{what:24} {own:8.0} images/s   PyTorch's best way {peer:8.0}   ratio {:.2}",
                own / peer
            );
        }
    };
    let speed = median(&mut train);
    shown("training", speed, &mut peer_train);
    shown("evaluation", median(&mut eval), &mut peer_eval);
    println!("crops and flips: {:+.1} % of training time", 100.0 * median(&mut augment));
    let epoch = EPOCH / speed;
    let share = |seconds: f64| 100.0 * seconds / epoch;
    let (whole, answers, kernels) = (median(&mut whole), median(&mut answers), median(&mut kernels));
    println!(
        "a look, share of an epoch of {EPOCH} images ({epoch:.1} s): {:.2} % = strengths of {PROBED} images {:.2} %, \
         Jacobians and activations of {JACOBIANS} {:.2} %, kernels {:.2} %",
        share(whole),
        share(answers - kernels),
        share(whole - answers),
        share(kernels)
    );
}
