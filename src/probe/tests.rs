//! Jacobians against differences and end-to-end maps, strengths against their
//! definition.

use ndarray::Array3;
use tch::Device;

use super::*;
use crate::data::prepare::{Normalize, prepare};
use crate::field::{ImageSet, Provenance};
use crate::model::Padding;
use crate::model::deep::Architecture;
use crate::run::config::{AugmentConfig, InitKind, LossKind, ModelKind, OptimConfig, Shortcut};
use crate::run::dir::Templates;
use crate::train::deep::Pixels;

fn architecture(kind: ModelKind, linear: bool) -> Architecture {
    Architecture {
        nonlinear: !linear,
        norm: !linear,
        padding: Padding::Circular,
        shortcut: Shortcut::B,
        plain: (3, 2, (3, 3)),
        ..Architecture::usual(kind, [2, 8, 12], 3)
    }
}

fn set(count: usize) -> ImageSet {
    use rand::Rng;
    let mut rng = crate::seed::rng(0, "test/probe", 0);
    let images = Array4::from_shape_simple_fn((count, 2, 8, 12), || f32::from(rng.random::<u8>()) / 255.0);
    let mut images: Array4<f32> = images;
    let labels: Vec<u32> = (0..count).map(|i| (i % 3) as u32).collect();
    // Something to learn: a brighter half.
    for (mut image, label) in images.outer_iter_mut().zip(&labels) {
        image.mapv_inplace(|v| v * 0.5);
        image
            .slice_mut(ndarray::s![.., (2 * *label as usize)..(2 * *label as usize + 3), ..])
            .mapv_inplace(|v| v + 0.5);
    }
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    ImageSet {
        images,
        targets: crate::field::Targets::Classes { labels, names },
        source: Provenance::default(),
    }
}

fn x(count: i64, kind: Kind) -> Tensor {
    let values: Vec<f64> = (0..count * 192).map(|i| ((i * 7919 % 104_729) as f64 / 52_364.5) - 1.0).collect();
    Tensor::from_slice(&values).reshape([count, 2, 8, 12]).to_kind(kind)
}

#[test]
fn jacobians_are_those_of_finite_differences() {
    for kind in [ModelKind::Cnn, ModelKind::Resnet8] {
        let net =
            Deep::new(architecture(kind, false), InitKind::Pytorch, 1, Kind::Double, Device::Cpu).unwrap();
        let x = x(3, Kind::Double);
        let (found, activations) = jacobian(&net, &x).unwrap();
        assert!(activations.len() >= 2 && activations.iter().all(|(_, e)| e.total() > 0.0));
        let logits = |x: &Tensor| net.forward(x, &Pass::eval(false)).unwrap();
        let mut squared = Array4::<f32>::zeros((9, 2, 8, 12));
        let mut mean = Array2::<f64>::zeros((3, 192));
        for p in 0..192i64 {
            let step = 1e-6;
            let moved = |h: f64| {
                let moved = x.copy();
                let _ = moved.view([3, 192]).narrow(1, p, 1).g_add_scalar_(h);
                logits(&moved)
            };
            let slope = convert::matrix(&((moved(step) - moved(-step)) / (2.0 * step))).unwrap();
            for ((i, k), v) in slope.indexed_iter() {
                mean[[k, p as usize]] += v / 3.0;
                let (c, row, col) = (p as usize / 96, p as usize / 12 % 8, p as usize % 12);
                squared[[i * 3 + k, c, row, col]] = *v as f32;
            }
        }
        let size = mean.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // A kink of ReLU within the step would show as a larger difference.
        let off = found.mean.iter().zip(&mean).filter(|(a, b)| (*a - *b).abs() > 1e-6 * size).count();
        assert!(off <= 2, "{kind}: {off} of 576 entries differ");
        let energies = mean_plane(squared.view()) * 2.0 * 3.0;
        for (a, b) in found.squared.values().iter().zip(&energies) {
            assert!((a - b).abs() < 1e-4 * energies.sum() / 60.0, "{kind}: {a} {b}");
        }
    }
}

#[test]
fn the_jacobian_of_a_linear_network_is_its_end_to_end_map() {
    for (precision, bound) in [(Kind::Double, 1e-12), (Kind::Float, 1e-6)] {
        for kind in [ModelKind::Cnn, ModelKind::Resnet8] {
            let net =
                Deep::new(architecture(kind, true), InitKind::Pytorch, 1, precision, Device::Cpu).unwrap();
            let (found, _) = jacobian(&net, &x(4, precision)).unwrap();
            // Its answers to single pixels, less that to none.
            let pixels = Tensor::eye(192, (precision, Device::Cpu)).reshape([192, 2, 8, 12]);
            let logits = |x: &Tensor| net.forward(x, &Pass::eval(false)).unwrap();
            let map = convert::matrix(&(logits(&pixels) - logits(&pixels.zeros_like())).tr()).unwrap();
            let norm = map.iter().map(|v| v * v).sum::<f64>().sqrt();
            let off = (&found.mean - &map).iter().map(|v| v * v).sum::<f64>().sqrt() / norm;
            assert!(off < bound, "{kind} {precision:?}: {off:e}");
            // And the spectrum of each image's own is that of the map.
            let rows: Vec<_> = map.outer_iter().map(|r| r.to_shape((2, 8, 12)).unwrap().to_owned()).collect();
            let of_row = |row: &Array3<f64>| Energies::of_image(row.view()).unwrap().values().to_owned();
            let total = rows.iter().map(of_row).reduce(|a, b| a + b).unwrap();
            let peak = total.iter().fold(0.0f64, |m, v| m.max(*v));
            assert!(found.squared.values().iter().zip(&total).all(|(a, b)| (a - b).abs() < 1e-6 * peak));
        }
    }
}

#[test]
fn strengths_are_those_of_the_definition_and_right_answers_have_all() {
    let set = set(90);
    let pixels = Pixels::new(set.images.view());
    assert!(matches!(pixels, Pixels::Real(_)));
    let samples = prepare(set, Normalize::Channel, true).unwrap();
    let modes = Modes::new(&samples).unwrap();
    for loss in [LossKind::CrossEntropy, LossKind::Mse] {
        let net = Deep::new(
            architecture(ModelKind::Resnet8, false),
            InitKind::Kaiming,
            1,
            Kind::Double,
            Device::Cpu,
        )
        .unwrap();
        let optim = OptimConfig { loss, ..OptimConfig::default() };
        let targets = Targets::of_samples(&samples, &optim, &net).unwrap();
        let augment = AugmentConfig::default();
        let images = Images::new(&pixels, &samples, &augment, true, Kind::Double, Device::Cpu).unwrap();
        let probe = Probe::new(&samples, &modes, 60, 4, 7);
        assert_eq!((probe.rows().len(), probe.weak()), (60, vec![]));
        let look = probe.look(&net, &images, &targets, 5).unwrap();
        // From the images themselves.
        let x = images.plain(probe.rows()).unwrap();
        let logits = tch::no_grad(|| net.forward(&x, &Pass::eval(false))).unwrap();
        let answers = match loss {
            LossKind::CrossEntropy => logits.softmax(1, None),
            LossKind::Mse => logits.shallow_clone(),
        };
        let answers = convert::matrix(&answers).unwrap();
        let mut right = 0;
        let (mut found, mut asked) = (vec![0.0; modes.len()], vec![0.0; modes.len()]);
        // About the mean of the subset.
        let rows: Vec<_> = probe.rows().iter().map(|&row| samples.x.row(row).mapv(f64::from)).collect();
        let mean = rows.iter().fold(Array1::zeros(192), |sum: Array1<f64>, x| sum + x) / 60.0;
        for (i, &row) in probe.rows().iter().enumerate() {
            let x = &rows[i] - &mean;
            let mut score = answers.row(i).to_vec();
            if loss == LossKind::Mse {
                score.iter_mut().zip(&samples.y_mean).for_each(|(s, m)| *s += m);
            }
            let best = (0..3).max_by(|a, b| score[*a].total_cmp(&score[*b])).unwrap();
            right += usize::from(best as u32 == samples.labels.as_ref().unwrap()[row]);
            for (k, mode) in modes.list.iter().enumerate() {
                let along: f64 = mode.v.iter().zip(&x).map(|(v, x)| v * x).sum();
                let mut y = answers.row(i).to_owned();
                if loss == LossKind::CrossEntropy {
                    y -= &samples.y_mean;
                }
                found[k] += mode.u.dot(&y) * along / 60.0;
                asked[k] += mode.u.dot(&samples.y.row(row)) * along / 60.0;
            }
        }
        assert_eq!(look.accuracy, Some(right as f64 / 60.0));
        for (k, mode) in modes.list.iter().enumerate() {
            // Images are normalised in the other order than the samples were.
            let want = mode.s * found[k] / asked[k];
            assert!(
                (look.strengths[k] - want).abs() < 1e-5 * mode.s,
                "{loss:?} {} {want}",
                look.strengths[k]
            );
            assert!((look.response[[k, k]] - found[k]).abs() < 1e-5 * mode.s);
        }
        // A network that answers right has all of every mode.
        let y = Array2::from_shape_fn((60, 3), |(i, j)| samples.y[[probe.rows()[i], j]]);
        let perfect = response(&modes, &y, &probe.projected);
        for (k, asked) in probe.asked.iter().enumerate() {
            assert!((perfect[[k, k]] - asked).abs() < 1e-12);
        }
        // What goes into the run directory fits together.
        let templates = Templates::of_map(&modes, &look.jacobian.as_ref().unwrap().mean).unwrap();
        assert_eq!(templates.images.dim(), (modes.len(), 2, 8, 12));
        assert_eq!(look.kernels.len(), 7, "the 1x1 shortcuts have no frequency");
        assert_eq!(look.activations.len(), 4);
    }
}

#[test]
fn the_subset_is_fixed_by_the_seed() {
    let samples = prepare(set(90), Normalize::Global, true).unwrap();
    let modes = Modes::new(&samples).unwrap();
    let rows = |seed| Probe::new(&samples, &modes, 20, 5, seed).rows().to_vec();
    assert_eq!(rows(1), rows(1));
    assert_ne!(rows(1), rows(2));
    let all: std::collections::BTreeSet<_> =
        Probe::new(&samples, &modes, 200, 5, 1).rows().to_vec().into_iter().collect();
    assert_eq!(all.len(), 90);
}
