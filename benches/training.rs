//! Milliseconds per step of full-batch gradient descent (in moment space with
//! every mode strength measured in every step, as the peer does), with PyTorch's
//! beside them in the same run: 10,000 grey 32×32 images, K = 10, M = 1,
//! h = 1024, float32.
//!
//! Rounds alternate between us and `benches/peers/training.py`, which writes the
//! step in several ways; the peer's time is that of its best way in each round.
//! "folded" ways multiply the layers out into one map before the samples, which
//! only a linear network allows and our sample space does not do.

use std::process::Command;
use std::time::Instant;

use domfreq::data::Samples;
use domfreq::field::Provenance;
use domfreq::model::{self, Draw, Layout, Padding, Start};
use domfreq::run::{Observer, Row, Snapshot};
use domfreq::theory::{Modes, Moments};
use domfreq::train::linear::{self as train, Plan, Sgd};
use ndarray::{Array1, Array2};
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind};

const SAMPLES: usize = 10_000;
const SIDE: usize = 32;
const CLASSES: usize = 10;
const HIDDEN: usize = 1024;
const ROUNDS: usize = 3;

fn samples() -> Samples {
    let mut rng = domfreq::seed::rng(0, "bench/training", 0);
    let mut normal = |rows| -> Array2<f32> {
        Array2::from_shape_simple_fn((rows, SIDE * SIDE), || StandardNormal.sample(&mut rng))
    };
    let (means, mut x) = (normal(CLASSES), normal(SAMPLES));
    let labels: Vec<u32> = (0..SAMPLES).map(|i| (i % CLASSES) as u32).collect();
    for (mut row, &label) in x.rows_mut().into_iter().zip(&labels) {
        row.scaled_add(0.3, &means.row(label as usize));
    }
    let y = Array2::from_shape_fn((SAMPLES, CLASSES), |(i, j)| f64::from(u8::from(i % CLASSES == j)) - 0.1);
    Samples {
        x,
        y,
        shape: [1, SIDE, SIDE],
        y_mean: Array1::from_elem(CLASSES, 0.1),
        offset: Array1::zeros(SIDE * SIDE),
        scale: vec![1.0],
        centred: true,
        labels: None,
        names: (0..CLASSES).map(|i| i.to_string()).collect(),
        source: Provenance::default(),
    }
}

struct Nobody;

impl Observer for Nobody {
    fn row(&mut self, _: &Row) -> domfreq::Result<()> {
        Ok(())
    }

    fn snapshot(&mut self, _: &Snapshot) -> domfreq::Result<()> {
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Median over repeats of the milliseconds per step of ours.
fn ours(samples: &Samples, modes: &Modes, moments: Option<&Moments>, convolutional: bool) -> f64 {
    let start = Start { draw: Draw::Gaussian(1e-3), seed: 0, modes, outputs: CLASSES };
    let layout = if convolutional {
        Layout::Lcnn { channels: 1, layers: 1, size: (SIDE, SIDE), padding: Padding::Circular }
    } else {
        Layout::Fcnn { hidden: HIDDEN }
    };
    let weights = start.weights(layout).expect("weights");
    let net = model::network(&weights, Kind::Float, Device::Cpu).expect("a network");
    let steps = if moments.is_some() { 300 } else { 5 };
    let plan = Plan { steps, eta: 1e-4, momentum: 0.0, batch: None, every: 1, snapshots: 0, seed: 0 };
    let mut space =
        train::space(samples, moments, &plan, net.as_ref(), Kind::Float, Device::Cpu).expect("room");
    let parameters: Vec<_> = net.parameters().into_iter().map(|(_, w)| w).collect();
    let mut sgd = Sgd::new(&parameters, plan.eta, plan.momentum);
    let times: Vec<f64> = (0..6)
        .map(|_| {
            let clock = Instant::now();
            if moments.is_some() {
                train::train(net.as_ref(), space.as_mut(), &plan, samples, modes, &mut Nobody)
                    .expect("a run");
            } else {
                for step in 0..steps {
                    let (gradients, _) =
                        space.gradient(net.as_ref(), &parameters, step, false).expect("gradients");
                    sgd.step(&gradients).expect("a step");
                }
            }
            clock.elapsed().as_secs_f64() * 1e3 / steps as f64
        })
        .collect();
    median(&times[1..])
}

/// The peer's milliseconds per step: (best layer by layer, best of all).
fn peer(python: &str, family: &str) -> Option<(f64, f64)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/training.py");
    let output = Command::new(python)
        .args([script, "--only", family, "--skip", "conv2d", "--budget", "4"])
        .output()
        .ok()
        .filter(|o| o.status.success())?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let results = &report["results"][family];
    let time = |key: &str| results[key]["ms_per_step"].as_f64();
    let all = time("best")?;
    Some((time("best_layer_by_layer").unwrap_or(all), all))
}

fn main() {
    let python =
        std::env::var("DOMFREQ_BENCH_PYTHON").unwrap_or_else(|_| ".venv-bench/bin/python".to_owned());
    tch::set_num_threads(rayon::current_num_threads() as i32);
    let samples = samples();
    let modes = Modes::new(&samples).expect("modes");
    let moments = Moments::new(&samples);
    println!(
        "milliseconds per step, {SAMPLES} samples 1x{SIDE}x{SIDE}, {} threads, median of {ROUNDS} rounds",
        rayon::current_num_threads()
    );
    println!("{:14} {:>8} {:>10} {:>7} {:>16}", "", "ours", "PyTorch", "ratio", "PyTorch folded");
    for (family, from_moments, convolutional) in [
        ("lcnn-moments", true, true),
        ("fcnn-moments", true, false),
        ("lcnn-samples", false, true),
        ("fcnn-samples", false, false),
    ] {
        let (mut own, mut layers, mut folded) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            own.push(ours(&samples, &modes, from_moments.then_some(&moments), convolutional));
            if let Some((a, b)) = peer(&python, family) {
                layers.push(a);
                folded.push(b);
            }
        }
        let own = median(&own);
        if layers.is_empty() {
            println!("{family:14} {own:8.3}   (no PyTorch: {python} with torch, made by `make bench`)");
        } else {
            let fold = if from_moments { String::new() } else { format!("{:.3}", median(&folded)) };
            println!(
                "{family:14} {own:8.3} {:10.3} {:7.2} {fold:>16}",
                median(&layers),
                own / median(&layers)
            );
        }
    }
}
