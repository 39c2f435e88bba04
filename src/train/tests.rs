//! Training against itself (two spaces, autograd against differences) and against theory.

use ndarray::{Array1, Array2};
use tch::{Device, Kind, Tensor};

use super::{MomentSpace, Plan, SampleSpace, Space, train};
use crate::data::Samples;
use crate::error::Result;
use crate::model::{Draw, Fcnn, Lcnn, Network, Start, convert};
use crate::run::{Observer, Row, Snapshot};
use crate::theory::closed::Closed;
use crate::theory::curve::crossing;
use crate::theory::tests_support::{cosine_samples, random_samples};
use crate::theory::{Modes, Moments};

#[derive(Default)]
struct Record {
    rows: Vec<Row>,
    snapshots: Vec<Snapshot>,
}

impl Observer for Record {
    fn row(&mut self, row: &Row) -> Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.snapshots.push(snapshot.clone());
        Ok(())
    }
}

fn plan(steps: u64, eta: f64) -> Plan {
    Plan { steps, eta, momentum: 0.0, batch: None, every: 1, snapshots: 0, seed: 3 }
}

fn networks(start: &Start, kind: Kind) -> Vec<Box<dyn Network>> {
    let [_, h, w] = start.shape();
    vec![
        Box::new(Fcnn::new(start, 16, kind, Device::Cpu).unwrap()),
        Box::new(Lcnn::new(start, 1, (h, w), kind, Device::Cpu).unwrap()),
        Box::new(Lcnn::new(start, 3, (h, w), kind, Device::Cpu).unwrap()),
        Box::new(Lcnn::new(start, 2, (3, 3), kind, Device::Cpu).unwrap()),
    ]
}

/// Sees only what a training run in this space shows.
fn run(
    net: &dyn Network,
    moments: Option<&Moments>,
    plan: &Plan,
    samples: &Samples,
    modes: &Modes,
) -> Record {
    let mut record = Record::default();
    let kind = net.parameters()[0].1.kind();
    let mut space = super::space(samples, moments, plan, net, kind, Device::Cpu).unwrap();
    train(net, space.as_mut(), plan, samples, modes, &mut record).unwrap();
    record
}

fn distance(a: &[(&str, Tensor)], b: &[(&str, Tensor)]) -> f64 {
    let (mut difference, mut norm) = (0.0, 0.0);
    for ((_, x), (_, y)) in a.iter().zip(b) {
        let (x, y) = (convert::array(x).unwrap(), convert::array(y).unwrap());
        difference += (&x - &y).mapv(|v| v * v).sum();
        norm += y.mapv(|v| v * v).sum();
    }
    (difference / norm).sqrt()
}

#[test]
fn gradients_of_both_spaces_equal_central_differences() {
    let samples = random_samples(20, [2, 4, 5], 3, 8);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let start = Start { draw: Draw::Gaussian(0.3), seed: 2, modes: &modes, outputs: 3 };
    let plan = plan(1, 0.1);
    for net in networks(&start, Kind::Double) {
        let parameters: Vec<_> = net.parameters().into_iter().map(|(_, w)| w).collect();
        let spaces: [Box<dyn Space>; 2] = [
            Box::new(MomentSpace::new(&samples, &moments, &plan, Kind::Double, Device::Cpu).unwrap()),
            Box::new(SampleSpace::new(&samples, &plan, net.as_ref(), Kind::Double, Device::Cpu).unwrap()),
        ];
        for mut space in spaces {
            let (gradients, seen) = space.gradient(net.as_ref(), &parameters, 0, true).unwrap();
            assert!(seen.is_some());
            for (w, g) in parameters.iter().zip(&gradients) {
                assert_eq!(w.size(), g.size());
                for index in [0, w.numel() as i64 / 2, w.numel() as i64 - 1] {
                    let mut loss_at = |shift: f64| {
                        let _no_grad = tch::no_grad_guard();
                        let mut element = w.detach().view([-1]).get(index);
                        let _ = element.g_add_scalar_(shift);
                        let loss = space.measure(net.as_ref()).unwrap().loss.double_value(&[]);
                        let _ = element.g_add_scalar_(-shift);
                        loss
                    };
                    // The loss is quartic: central differences err by the square of their step.
                    let difference = (loss_at(1e-4) - loss_at(-1e-4)) / 2e-4;
                    let gradient = g.reshape([-1]).double_value(&[index]);
                    assert!(
                        (gradient - difference).abs() < 1e-6 * (1.0 + gradient.abs()),
                        "{gradient} {difference}"
                    );
                }
            }
        }
    }
}

#[test]
fn both_spaces_walk_through_the_same_weights() {
    let samples = random_samples(120, [2, 6, 5], 4, 11);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    for (momentum, batch) in [(0.0, None), (0.8, None), (0.5, Some(50))] {
        let plan = Plan { momentum, batch, ..plan(60, 0.004) };
        let start = Start { draw: Draw::Gaussian(0.05), seed: 2, modes: &modes, outputs: 4 };
        let fresh = || networks(&start, Kind::Double).into_iter();
        for ((a, b), still) in fresh().zip(fresh()).zip(fresh()) {
            let by_moments = run(a.as_ref(), Some(&moments), &plan, &samples, &modes);
            let by_samples = run(b.as_ref(), None, &plan, &samples, &modes);
            assert!(distance(&a.parameters(), &b.parameters()) < 1e-11);
            let walked = distance(&a.parameters(), &still.parameters());
            assert!(walked > 0.1, "a walk of {walked} shows nothing");
            for (x, y) in by_moments.rows.iter().zip(&by_samples.rows) {
                assert!((x.loss - y.loss).abs() < 1e-11 * y.loss);
                assert!(x.a.iter().zip(&y.a).all(|(p, q)| (p - q).abs() < 1e-11 * modes.list[0].s));
                assert_eq!((x.step, x.epoch, x.accuracy), (y.step, y.epoch, y.accuracy));
            }
        }
    }
}

#[test]
fn loss_and_strengths_are_those_of_the_definition() {
    let samples = random_samples(40, [1, 4, 4], 3, 5);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let start = Start { draw: Draw::Gaussian(0.3), seed: 2, modes: &modes, outputs: 3 };
    let net = Fcnn::new(&start, 8, Kind::Double, Device::Cpu).unwrap();
    let record = run(&net, Some(&moments), &plan(5, 0.01), &samples, &modes);
    let last = record.snapshots.last().unwrap();
    let outputs: Array2<f64> = samples.x.mapv(f64::from).dot(&last.map.t());
    let loss = 0.5 * (&outputs - &samples.y).mapv(|e| e * e).sum() / 40.0;
    let row = record.rows.last().unwrap();
    assert!((row.loss - loss).abs() < 1e-12 * loss);
    let response = outputs.t().dot(&samples.x.mapv(f64::from)) / 40.0;
    for (a, mode) in row.a.iter().zip(&modes.list) {
        let v = Array1::from_iter(mode.v.iter().copied());
        assert!((a - mode.u.dot(&response.dot(&v))).abs() < 1e-12);
    }
    assert_eq!(record.rows.len(), 6);
    assert_eq!(row.accuracy, None); // targets are not classes here
}

#[test]
fn the_closed_form_predicts_training_from_a_matched_start() {
    let samples = cosine_samples((16, 16), &[(0, 1, 1.0, 0.2), (-2, 1, 0.7, 1.0), (0, 3, 0.5, 2.0)]);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let draw = Draw::Matched(1e-3);
    let start = Start { draw, seed: 0, modes: &modes, outputs: 3 };
    let root = 128f64.sqrt();
    let nets: [(f64, Box<dyn Network>); 2] = [
        (1.0, Box::new(Fcnn::new(&start, 8, Kind::Double, Device::Cpu).unwrap())),
        (root, Box::new(Lcnn::new(&start, 1, (16, 16), Kind::Double, Device::Cpu).unwrap())),
    ];
    let mut half_times = Vec::new();
    for (gain, net) in nets {
        let eta = 1.0 / (200.0 * gain * modes.list[0].s);
        let record = run(net.as_ref(), Some(&moments), &plan(2500, eta), &samples, &modes);
        let steps: Vec<f64> = record.rows.iter().map(|r| r.step as f64).collect();
        for (i, mode) in modes.list.iter().enumerate() {
            let closed = Closed::new(mode.s, 1e-3 * mode.s, gain).unwrap();
            let a: Vec<f64> = record.rows.iter().map(|r| r.a[i]).collect();
            let worst = (a.iter().zip(&steps))
                .map(|(a, step)| (a - closed.at_step(*step, eta)).abs() / mode.s)
                .fold(0.0, f64::max);
            assert!(worst < 0.005, "mode {i}: {worst}");
            half_times.push(crossing(&steps, &a, 0.5 * mode.s).unwrap() * eta);
        }
    }
    // The convolution is √(n/2) times faster, mode by mode.
    for (f, c) in half_times[..3].iter().zip(&half_times[3..]) {
        assert!((c / f * root - 1.0).abs() < 0.03);
    }
}

#[test]
fn a_diverging_run_stops_with_step_loss_and_advice() {
    let samples = random_samples(40, [1, 4, 4], 3, 5);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let start = Start { draw: Draw::Gaussian(0.5), seed: 2, modes: &modes, outputs: 3 };
    for moments in [Some(&moments), None] {
        let net = Fcnn::new(&start, 8, Kind::Float, Device::Cpu).unwrap();
        let plan = Plan { every: 1000, ..plan(5000, 5.0) };
        let mut space = super::space(&samples, moments, &plan, &net, Kind::Float, Device::Cpu).unwrap();
        let mut record = Record::default();
        let error =
            train(&net, space.as_mut(), &plan, &samples, &modes, &mut record).unwrap_err().to_string();
        assert!(error.contains("diverged at step 50") && error.contains("eta = 5e0"), "{error}");
        assert_eq!(record.rows.len(), 1); // the start; nothing was recorded of the wreck
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let samples = random_samples(60, [1, 6, 6], 3, 5);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let weights = |seed| {
        let start = Start { draw: Draw::Gaussian(0.05), seed, modes: &modes, outputs: 3 };
        let net = Lcnn::new(&start, 2, (6, 6), Kind::Float, Device::Cpu).unwrap();
        let plan = Plan { batch: Some(16), seed, ..plan(30, 0.01) };
        run(&net, Some(&moments), &plan, &samples, &modes);
        net.parameters().iter().map(|(_, w)| convert::array(w).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn accuracy_adds_back_what_centring_took_away() {
    let mut samples = random_samples(4, [1, 1, 2], 2, 1);
    samples.labels = Some(vec![0, 0, 0, 1]);
    samples.y_mean = ndarray::array![0.75, 0.25];
    // A network that answers zero is left with the more frequent class.
    assert_eq!(super::accuracy(&samples, &Array2::zeros((2, 2))), Some(0.75));
    let toward_second =
        Array2::from_shape_fn((2, 2), |(j, i)| if j == 1 { f64::from(samples.x[[3, i]]) } else { 0.0 });
    let norm: f64 = samples.x.row(3).iter().map(|&v| f64::from(v).powi(2)).sum();
    samples.x.row_mut(0).fill(0.0);
    samples.x.row_mut(1).fill(0.0);
    samples.x.row_mut(2).fill(0.0);
    assert_eq!(super::accuracy(&samples, &(toward_second / norm)), Some(1.0));
}
