//! Training against itself (two spaces, autograd against differences) and against theory.

use ndarray::{Array1, Array2};
use tch::{Device, Kind, Tensor};

use super::{MomentSpace, Plan, SampleSpace, Space, train};
use crate::data::Samples;
use crate::error::Result;
use crate::model::{self, Draw, Layout, Network, Padding, Start, convert};
use crate::run::{Observer, Row, Snapshot};
use crate::stats::crossing;
use crate::theory::closed::Closed;
use crate::theory::flow::{Flow, Follow};
use crate::theory::mode_theory::ModeTheory;
use crate::theory::tests_support::{cosine_samples, random_samples, sums_of_cosines};
use crate::theory::{Forecast, Modes, Moments};

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

fn full(size: (usize, usize), channels: usize, layers: usize) -> Layout {
    Layout::Lcnn { channels, layers, size, padding: Padding::Circular }
}

fn network(start: &Start, layout: Layout, kind: Kind) -> Box<dyn Network> {
    model::network(&start.weights(layout).unwrap(), kind, Device::Cpu).unwrap()
}

/// Gaussian weights of `scale` where there is one layer; larger ones where there
/// are several, which would hardly move otherwise.
fn networks(modes: &Modes, outputs: usize, scale: f64, kind: Kind) -> Vec<Box<dyn Network>> {
    let [_, h, w] = modes.shape;
    let small = |layers, padding| Layout::Lcnn { channels: 2, layers, size: (3, 3), padding };
    let layouts = [
        (Layout::Fcnn { hidden: 16 }, 1.0),
        (full((h, w), 1, 1), 1.0),
        (full((h, w), 3, 1), 1.0),
        (small(1, Padding::Circular), 1.0),
        (full((h, w), 2, 2), 2.0),
        (small(2, Padding::Circular), 2.0),
        (small(1, Padding::Zero), 1.0),
        (small(2, Padding::Zero), 2.0),
    ];
    let made = layouts.into_iter().map(|(layout, larger)| {
        network(&Start { draw: Draw::Gaussian(scale * larger), seed: 2, modes, outputs }, layout, kind)
    });
    made.collect()
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

fn distance(a: &[(String, Tensor)], b: &[(String, Tensor)]) -> f64 {
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
    let plan = plan(1, 0.1);
    for net in networks(&modes, 3, 0.3, Kind::Double) {
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
        let fresh = || networks(&modes, 4, 0.05, Kind::Double).into_iter();
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
    let net = network(&start, Layout::Fcnn { hidden: 8 }, Kind::Double);
    let record = run(net.as_ref(), Some(&moments), &plan(5, 0.01), &samples, &modes);
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
        (1.0, network(&start, Layout::Fcnn { hidden: 8 }, Kind::Double)),
        (root, network(&start, full((16, 16), 1, 1), Kind::Double)),
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
            half_times.push(crossing(&steps, &a, 0.5 * mode.s, true).unwrap() * eta);
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
        let net = network(&start, Layout::Fcnn { hidden: 8 }, Kind::Float);
        let plan = Plan { every: 1000, ..plan(5000, 5.0) };
        let mut space =
            super::space(&samples, moments, &plan, net.as_ref(), Kind::Float, Device::Cpu).unwrap();
        let mut record = Record::default();
        let error = train(net.as_ref(), space.as_mut(), &plan, &samples, &modes, &mut record)
            .unwrap_err()
            .to_string();
        assert!(error.contains("diverged by step 50") && error.contains("eta = 5e0"), "{error}");
        assert_eq!(record.rows.len(), 1); // the start; nothing was recorded of the wreck
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let samples = random_samples(60, [1, 6, 6], 3, 5);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let weights = |seed| {
        let start = Start { draw: Draw::Gaussian(0.05), seed, modes: &modes, outputs: 3 };
        let net = network(&start, full((6, 6), 2, 1), Kind::Float);
        let plan = Plan { batch: Some(16), seed, ..plan(30, 0.01) };
        run(net.as_ref(), Some(&moments), &plan, &samples, &modes);
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

#[test]
fn a_snapshot_is_taken_where_a_mode_is_discovered() {
    let waves = [(0, 1, 1.0, 0.2), (-2, 1, 0.7, 1.0), (0, 3, 0.5, 2.0), (2, 2, 0.5, 0.0)];
    let samples = cosine_samples((8, 8), &waves);
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let start = Start { draw: Draw::Matched(1e-2), seed: 0, modes: &modes, outputs: 4 };
    let eta = modes.gentle_eta(true);
    for (every, snapshots) in [(1, 0), (7, 0), (7, 3), (2000, 0)] {
        let net = network(&start, full((8, 8), 1, 1), Kind::Double);
        let plan = Plan { every, snapshots, ..plan(2000, eta) };
        let record = run(net.as_ref(), Some(&moments), &plan, &samples, &modes);
        let reached = modes.list.iter().enumerate().map(|(i, mode)| {
            record.rows.iter().find(|row| row.a[i] >= 0.5 * mode.s).expect("a discovery").step
        });
        // Modes 3 and 4 are of the same strength: one snapshot for both.
        let discoveries: std::collections::BTreeSet<u64> = reached.collect();
        assert_eq!(discoveries.len(), if every == 2000 { 1 } else { 3 });
        let due = (0..=2000).filter(|step| plan.snapshot(*step));
        let want: std::collections::BTreeSet<u64> = discoveries.iter().copied().chain(due).collect();
        let steps: Vec<u64> = record.snapshots.iter().map(|s| s.step).collect();
        assert_eq!(steps, want.into_iter().collect::<Vec<_>>(), "{every} {snapshots}");
        // It shows the network of that very step.
        for snapshot in &record.snapshots {
            let a = modes.strengths(crate::theory::moments::response(&samples, snapshot.map.view()).view());
            let row = record.rows.iter().find(|row| row.step == snapshot.step).unwrap();
            assert!(row.a.iter().zip(&a).all(|(p, q)| (p - q).abs() < 1e-10 * modes.list[0].s));
        }
    }
}

#[test]
fn a_mode_is_discovered_once() {
    let modes = Modes::new(&random_samples(40, [1, 4, 4], 2, 5)).unwrap();
    let s: Vec<f64> = modes.list.iter().map(|m| m.s).collect();
    let mut discovered = super::Discovered::new(&modes);
    let mut at = |x: f64, y: f64| discovered.another(&modes, &[x * s[0], y * s[1]]);
    assert!(!at(0.49, -2.0));
    assert!(at(0.51, 0.0));
    assert!(!at(0.3, 0.0) && !at(0.6, 0.1)); // falling back and coming again
    assert!(at(1.0, 0.9));
    assert!(!at(1.0, 1.0));
}

// Flow and training from the same weights at η, η/2 and η/4: the distance between
// them is in proportion to η.
#[test]
fn training_converges_to_the_gradient_flow() {
    let grey = leaves("count=600,size=10");
    let colour = random_samples(300, [2, 5, 6], 3, 4);
    let lcnn = |channels, layers, size| Layout::Lcnn { channels, layers, size, padding: Padding::Circular };
    for (name, samples, layout, scale) in [
        ("fcnn", &grey, Layout::Fcnn { hidden: 32 }, 1e-2),
        ("one kernel", &grey, lcnn(1, 1, (10, 10)), 1e-2),
        ("four kernels", &grey, lcnn(4, 1, (10, 10)), 1e-2),
        ("two channels", &colour, lcnn(2, 1, (5, 6)), 3e-2),
        ("two layers", &grey, lcnn(2, 2, (10, 10)), 3e-2),
        ("5x5", &grey, lcnn(3, 1, (5, 5)), 2e-2),
    ] {
        let (modes, moments) = (Modes::new(samples).unwrap(), Moments::new(samples));
        let draw = Draw::Gaussian(scale);
        let weights =
            Start { draw, seed: 1, modes: &modes, outputs: samples.outputs() }.weights(layout).unwrap();
        let gain = |m: &crate::theory::Mode| m.gain(!matches!(layout, Layout::Fcnn { .. })) * m.s;
        let (first, eta) = (gain(&modes.list[0]), 1.0 / (100.0 * gain(&modes.list[0])));
        let end = 5.0 / first;
        let follow = Follow { tolerance: 1e-9, ..Follow::to(end) };
        let flow = Flow::new(&modes, &moments, &weights, follow, |_, _| ()).unwrap();
        let errors: Vec<f64> = [1, 2, 4]
            .map(|part| {
                let eta = eta / part as f64;
                let net = model::network(&weights, Kind::Double, Device::Cpu).unwrap();
                let plan = Plan { every: part, ..plan((end / eta).round() as u64, eta) };
                let record = run(net.as_ref(), Some(&moments), &plan, samples, &modes);
                let rows = record.rows.iter().filter(|r| r.step as f64 * eta <= flow.reached());
                let distances = rows.flat_map(|r| {
                    let theory = flow.strengths(r.step as f64 * eta);
                    let pairs = r.a.iter().zip(theory).zip(&modes.list);
                    pairs.map(|((a, t), m)| (a - t).abs() / m.s).collect::<Vec<_>>()
                });
                distances.fold(0.0, f64::max)
            })
            .to_vec();
        let slopes: Vec<f64> = errors.windows(2).map(|w| (w[0] / w[1]).log2()).collect();
        println!("{name}: {errors:?}, slopes {slopes:?}");
        let moved = flow.strengths(end)[0] / modes.list[0].s;
        assert!(moved > 0.5, "{name}: the first mode has reached {moved} s only");
        assert!(errors[2] < 0.005 && slopes.iter().all(|s| (0.9..1.1).contains(s)), "{name}: {errors:?}");
    }
}

#[test]
fn mode_theory_knows_when_spread_modes_are_discovered() {
    // Concentrations 11.3, 8.6 and 2.9 at n = 256, weights of 1e-3, η = 2e-3.
    let samples = spread_samples();
    let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
    let rho: Vec<f64> = modes.list.iter().map(|m| m.rho).collect();
    for (rho, want) in rho.iter().zip([11.3, 8.6, 2.9]) {
        assert!((rho - want).abs() < 0.05, "{rho} is not {want}");
    }
    let draw = Draw::Gaussian(1e-3);
    let start = Start { draw, seed: 3, modes: &modes, outputs: 3 };
    let lcnn = Layout::Lcnn { channels: 1, layers: 1, size: (16, 16), padding: Padding::Circular };
    for (layout, eta) in [(lcnn, 2e-3), (lcnn, 1e-4), (Layout::Fcnn { hidden: 1024 }, 2e-3)] {
        let weights = start.weights(layout).unwrap();
        // At 1e-4 the theory is that of the flow, η → 0, and Richardson's
        // extrapolation takes training there.
        let finite = eta > 1e-3;
        let theory = ModeTheory::new(&modes, &weights, finite.then_some(eta)).unwrap();
        let end = theory.time_to(2, 0.95).unwrap();
        let curves = |eta: f64| -> (Vec<f64>, Vec<Vec<f64>>) {
            let net = model::network(&weights, Kind::Double, Device::Cpu).unwrap();
            let plan = plan((end / eta).ceil() as u64, eta);
            let record = run(net.as_ref(), Some(&moments), &plan, &samples, &modes);
            let times = record.rows.iter().map(|r| r.step as f64 * eta).collect();
            (times, (0..3).map(|i| record.rows.iter().map(|r| r.a[i]).collect()).collect())
        };
        let (times, a) = curves(eta);
        let halved = (!finite).then(|| curves(0.5 * eta));
        for (i, mode) in modes.list.iter().enumerate() {
            let half = |times: &[f64], a: &[f64]| crossing(times, a, 0.5 * mode.s, true).unwrap();
            let mut measured = half(&times, &a[i]);
            let mut values = a[i].clone();
            if let Some((fine_times, fine)) = &halved {
                measured = 2.0 * half(fine_times, &fine[i]) - measured;
                values.iter_mut().zip(fine[i].iter().step_by(2)).for_each(|(a, b)| *a = 2.0 * b - *a);
            }
            let predicted = theory.time_to(i, 0.5).unwrap();
            let errors = values.iter().zip(&times).map(|(a, t)| (a - theory.strengths(*t)[i]).abs() / mode.s);
            let worst = errors.fold(0.0, f64::max);
            let off = measured / predicted - 1.0;
            println!(
                "{layout:?} η {eta:e} mode {}: half-time off by {off:.1e}, curve by {worst:.1e} s",
                i + 1
            );
            assert!(off.abs() < 0.002 && worst < 0.005, "mode {}: {off:e} {worst:e}", i + 1);
        }
    }
}

// Modes of 1, 2 and 16 frequencies, none of them shared.
fn spread_samples() -> Samples {
    let many: Vec<(i32, i32, f64, f64)> = (0..16)
        .map(|i| {
            // Shares of the energy: 0.0657 for the strongest, the rest equal.
            let share: f64 = if i == 0 { 0.0657 } else { (1.0 - 0.0657) / 15.0 };
            (2 + i % 4, 3 + i / 4, 0.5 * share.sqrt(), 0.7 * f64::from(i))
        })
        .collect();
    let two = [(1, 1, 0.7 * 0.578f64.sqrt(), 1.0), (-1, 2, 0.7 * 0.422f64.sqrt(), 2.0)];
    sums_of_cosines((16, 16), &[&[(0, 1, 1.0, 0.2)], &two, &many])
}

fn leaves(arguments: &str) -> Samples {
    use crate::data::{self, Normalize, Options, Spec};
    let spec: Spec = format!("leaves:{arguments}").parse().unwrap();
    data::prepare(data::load(&spec, &Options::default()).unwrap(), Normalize::Global, true).unwrap()
}
