//! Seconds per forecast from the moments of grey and RGB images, K = 10: the
//! approximate theories, and the gradient flow beside what it replaces, training
//! in moment space with a step so small that it is as close to the flow as 1e-3 s.
//! And SciPy's `solve_ivp` (`benches/peers/flow.py`) on the same small network.
//!
//! Images are `leaves` unless DOMFREQ_BENCH_DATA names others (a `--data` SPEC).

use std::process::Command;
use std::time::Instant;

use domfreq::data::{self, Normalize, Options, Samples, Spec};
use domfreq::model;
use domfreq::run::arrays::Npz;
use domfreq::run::{Observer, Row, Snapshot};
use domfreq::theory::flow::{Flow, Follow};
use domfreq::theory::linear::{Draw, Layout, Padding, Start, Weights};
use domfreq::theory::mode_theory::ModeTheory;
use domfreq::theory::stationary::{InputSpectrum, Stationary};
use domfreq::theory::{Forecast, Modes, Moments};
use domfreq::train::linear::{self as train, Plan};
use tch::{Device, Kind};

fn samples(grey: bool) -> Samples {
    let spec = std::env::var("DOMFREQ_BENCH_DATA").unwrap_or_else(|_| "leaves".to_owned());
    let options = Options { grey, ..Options::default() };
    let spec: Spec = spec.parse().expect("a source of images");
    let set = data::load(&spec, &options).expect("images");
    data::prepare(set, Normalize::Global, true).expect("samples")
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn best(rounds: usize, mut work: impl FnMut()) -> f64 {
    (0..rounds).map(|_| seconds(&mut work)).fold(f64::INFINITY, f64::min)
}

struct Strengths(Vec<(u64, Vec<f64>)>);

impl Observer for Strengths {
    fn row(&mut self, row: &Row) -> domfreq::Result<()> {
        self.0.push((row.step, row.a.clone()));
        Ok(())
    }

    fn snapshot(&mut self, _: &Snapshot) -> domfreq::Result<()> {
        Ok(())
    }
}

fn approximate(name: &str, samples: &Samples) {
    let moments = Moments::new(samples);
    let modes = Modes::from_moments(&moments, samples.shape).expect("modes");
    let [_, h, w] = samples.shape;
    let draw = Draw::Gaussian(1e-3);
    let start = Start { draw, seed: 0, modes: &modes, outputs: samples.outputs() };
    let layout = Layout::Lcnn { channels: 1, layers: 1, size: (h, w), padding: Padding::Circular };
    let weights = start.weights(layout).expect("weights");
    let times = |f: &dyn Forecast| {
        for mode in 0..modes.len() {
            for share in [0.1, 0.5, 0.9] {
                std::hint::black_box(f.time_to(mode, share));
            }
        }
    };
    let eta = Some(modes.gentle_eta(true));
    let stationary = best(3, || {
        let spectrum = InputSpectrum::of_moments(moments.xx.view(), samples.shape).expect("a spectrum");
        times(&Stationary::new(&modes, moments.yx.view(), &spectrum, &weights, eta).expect("a theory"));
    });
    let mode = best(3, || times(&ModeTheory::new(&modes, &weights, eta).expect("a theory")));
    let decomposition = best(3, || drop(Modes::from_moments(&moments, samples.shape)));
    println!(
        "{name}: modes {decomposition:.3} s, stationary theory {stationary:.3} s, mode theory {mode:.3} s"
    );
}

// Flow to the last half-time against training that is as close to it as 1e-3 s.
fn exact(name: &str, samples: &Samples, layout: Layout, eta: f64) {
    let moments = Moments::new(samples);
    let modes = Modes::from_moments(&moments, samples.shape).expect("modes");
    let draw = Draw::Gaussian(1e-3);
    let weights =
        Start { draw, seed: 0, modes: &modes, outputs: samples.outputs() }.weights(layout).expect("weights");
    let follow = Follow { until: Some(0.5), ..Follow::to(1e4) };
    let mut flow = None;
    let by_flow = best(3, || {
        flow = Some(Flow::new(&modes, &moments, &weights, follow, |_, _| ()).expect("a flow"));
    });
    let flow = flow.expect("followed just now");
    let steps = (flow.reached() / eta).floor() as u64;
    let every = (steps / 500).max(1);
    let plan = Plan { steps, eta, momentum: 0.0, batch: None, every, snapshots: 0, seed: 0 };
    let mut seen = Strengths(Vec::new());
    let by_training = seconds(|| {
        let net = model::network(&weights, Kind::Float, Device::Cpu).expect("a network");
        let mut space = train::space(samples, Some(&moments), &plan, net.as_ref(), Kind::Float, Device::Cpu)
            .expect("moments");
        train::train(net.as_ref(), space.as_mut(), &plan, samples, &modes, &mut seen).expect("a run");
    });
    let distance = |(step, a): &(u64, Vec<f64>)| {
        let theory = flow.strengths(*step as f64 * eta);
        let pairs = a.iter().zip(theory).zip(&modes.list);
        pairs.map(|((a, t), m)| (a - t).abs() / m.s).fold(0.0, f64::max)
    };
    let error = seen.0.iter().map(distance).fold(0.0, f64::max);
    println!(
        "{name}: flow to the last half-time {by_flow:.2} s ({} steps), training {by_training:.1} s \
         ({steps} steps, max |a - flow|/s {error:.1e}): {:.0} times faster",
        flow.steps(),
        by_training / by_flow
    );
}

fn against_scipy() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("problem.npz");
    let spec: Spec = "leaves:count=600,size=10".parse().expect("a source");
    let set = data::load(&spec, &Options::default()).expect("images");
    let samples = data::prepare(set, Normalize::Global, true).expect("samples");
    let moments = Moments::new(&samples);
    let modes = Modes::from_moments(&moments, samples.shape).expect("modes");
    let draw = Draw::Gaussian(1e-2);
    let start = Start { draw, seed: 0, modes: &modes, outputs: samples.outputs() };
    let weights = start.weights(Layout::Fcnn { hidden: 32 }).expect("weights");
    let Weights::Fcnn { w1, w2 } = &weights else { unreachable!("asked for above") };
    let end = 10.0 / modes.list[0].s;
    let save = Npz::default()
        .with("yx", moments.yx.view())
        .with("xx", moments.xx.view())
        .with("w1", w1.view())
        .with("w2", w2.view())
        .with("end", ndarray::array![end].view());
    save.write(&file).expect("a file");
    let ours = best(5, || {
        let follow = Follow { tolerance: 1e-8, ..Follow::to(end) };
        drop(Flow::new(&modes, &moments, &weights, follow, |_, _| ()).expect("a flow"));
    });
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv-bench/bin/python");
    let output = Command::new(&python).arg(root.join("benches/peers/flow.py")).arg(&file).output();
    match output {
        Ok(o) if o.status.success() => {
            let theirs: f64 = String::from_utf8_lossy(&o.stdout).trim().parse().expect("seconds");
            println!(
                "FCNN d = 100, h = 32, tolerance 1e-8: flow {ours:.3} s, SciPy's solve_ivp (RK45) {theirs:.3} s"
            );
        }
        Ok(o) => println!("the peer failed: {}", String::from_utf8_lossy(&o.stderr)),
        Err(e) => println!("no peer: {}: {e} (make bench sets it up)", python.display()),
    }
}

fn main() {
    let grey = samples(true);
    approximate("grey", &grey);
    let colour = samples(false);
    if colour.shape[0] > 1 {
        approximate("RGB", &colour);
    }
    let [_, h, w] = grey.shape;
    let lcnn = Layout::Lcnn { channels: 1, layers: 1, size: (h, w), padding: Padding::Circular };
    exact("LCNN, M = 1", &grey, lcnn, 5e-5);
    exact("FCNN, h = 64", &grey, Layout::Fcnn { hidden: 64 }, 1e-3);
    against_scipy();
}
