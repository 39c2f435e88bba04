//! Jacobians against end-to-end maps and differences, strengths against their
//! definition, standard errors by hand.

use ndarray::{Array1, Array2, Array3, Array4, ArrayView3, Axis, s};
use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::audit::Clean;
use crate::audit::gradient::{Estimate, GROUPS, Groups, Options, mean, signs};
use crate::audit::parts::modes::ModeUses;
use crate::audit::subject::Subject;
use crate::data::Samples;
use crate::data::prepare::{Normalize, prepare};
use crate::field::{ImageSet, Provenance, Targets};
use crate::model::deep::{Architecture, Deep, Pass};
use crate::model::{Padding, convert};
use crate::progress::Progress;
use crate::run::dir::Templates;
use crate::run::summary::Template;
use crate::seed;
use crate::spectrum::{Energies, Grid};
use crate::theory::Modes;
use crate::run::config::{InitKind, ModelKind, Shortcut};

const SCALE: [f64; 2] = [0.5, 0.2];

fn net(kind: ModelKind, linear: bool, outputs: usize) -> Deep {
    let architecture = Architecture {
        nonlinear: !linear,
        norm: !linear,
        padding: Padding::Circular,
        shortcut: Shortcut::B,
        plain: (3, 2, (3, 3)),
        ..Architecture::usual(kind, [2, 8, 12], outputs)
    };
    Deep::new(architecture, InitKind::Kaiming, 1, Kind::Double, Device::Cpu).unwrap()
}

fn set(count: usize, classes: usize) -> ImageSet {
    let mut rng = seed::rng(0, "test/gradient", 0);
    let mut images = Array4::from_shape_simple_fn((count, 2, 8, 12), || rng.random::<f32>() * 0.5);
    let labels: Vec<u32> = (0..count).map(|i| (i % classes) as u32).collect();
    for (mut image, label) in images.outer_iter_mut().zip(&labels) {
        image.slice_mut(s![.., (*label as usize) % 8, ..]).mapv_inplace(|v| v + 0.5);
    }
    let names = (0..classes).map(|i| i.to_string()).collect();
    ImageSet { images, targets: Targets::Classes { labels, names }, source: Provenance::default() }
}

fn subject(net: Deep, set: &ImageSet) -> Subject {
    let offset: Vec<f64> = (0..192).map(|i| 0.4 + i as f64 / 1000.0).collect();
    Subject::new(net, set.images.view(), None, &offset, &SCALE).unwrap()
}

// Answers of a linear network to single pixels of x, less that to none: [K, d].
fn map(net: &Deep) -> Array2<f64> {
    let pixels = Tensor::eye(192, (Kind::Double, Device::Cpu)).reshape([192, 2, 8, 12]);
    let logits = |x: &Tensor| net.forward(x, &Pass::eval(false)).unwrap();
    convert::matrix(&(logits(&pixels) - logits(&pixels.zeros_like())).tr()).unwrap()
}

fn modes(
    subject: &Subject,
    samples: &Samples,
    found: &Modes,
    options: &Options,
    progress: impl FnOnce(u64) -> Progress,
) -> crate::Result<(ModeUses, Templates)> {
    let clean = Clean::new(subject)?;
    crate::audit::parts::modes::modes(subject, &clean, samples, found, options, progress)
}

fn dot(a: ArrayView3<f64>, b: ArrayView3<f64>) -> f64 {
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

fn measured(subject: &Subject, options: &Options) -> (SquaredJacobian, Energies) {
    squared(subject, options, |_| Progress::hidden()).unwrap()
}

// Energies of the rows of a map together.
fn energies_of(map: &Array2<f64>) -> Array2<f64> {
    let rows = map.outer_iter().map(|row| {
        let image = Array3::from_shape_vec((2, 8, 12), row.to_vec()).unwrap();
        Energies::of_image(image.view()).unwrap().values().to_owned()
    });
    rows.reduce(|a, b| a + b).unwrap()
}

#[test]
fn the_squared_jacobian_of_a_linear_network_is_that_of_its_end_to_end_map() {
    let subject = subject(net(ModelKind::Resnet8, true, 5), &set(20, 5));
    let map = map(subject.net.known().unwrap());
    let (found, energies) = measured(&subject, &Options { images: 12, ..Options::default() });
    let expected = Energies::new(Grid::new(8, 12), energies_of(&map)).unwrap();
    let peak = expected.max_entry();
    assert!(energies.values().iter().zip(&expected.values()).all(|(a, b)| (a - b).abs() < 1e-12 * peak));
    assert_eq!((found.images, found.outputs, found.draws), (12, 5, None));
    let squares: f64 = map.iter().map(|v| v * v).sum();
    assert!((found.energy.value / squares - 1.0).abs() < 1e-12 && found.energy.se.unwrap() < 1e-12 * squares);
    for (channel, energy) in found.channels.iter().enumerate() {
        let own: f64 = map.slice(s![.., channel * 96..(channel + 1) * 96]).iter().map(|v| v * v).sum();
        assert!((energy / own - 1.0).abs() < 1e-12);
    }
    let profile = expected.radial_profile(None);
    for (ring, total) in found.radial.iter().zip(&profile.total) {
        assert!((ring.energy.value - total).abs() < 1e-12 * squares);
        assert!((ring.share - total / squares).abs() < 1e-12);
    }
    assert_eq!(found.radial.iter().map(|r| r.entries).sum::<usize>(), 96);
    assert!((found.participation.value / expected.participation() - 1.0).abs() < 1e-12);
    assert!((found.centroid.value / expected.centroid() - 1.0).abs() < 1e-12);
    assert_eq!(found.half.value, expected.dominant_set(0.5).len() as f64);
    assert!(found.centroid.se.unwrap() < 1e-12 && found.half.se.unwrap() < 1e-12);
    let first = expected.strongest(1)[0];
    assert_eq!((found.strongest[0].row, found.strongest[0].col), (first.0.row, first.0.col));
    let read: SquaredJacobian = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(read, found);
}

#[test]
fn random_signs_estimate_the_sum_over_outputs_within_their_error() {
    // All images have one Jacobian: what varies is the signs alone.
    let subject = subject(net(ModelKind::Cnn, true, 5), &set(60, 5));
    let options = Options { images: 60, ..Options::default() };
    let (exact, _) = measured(&subject, &options);
    let (estimate, _) = measured(&subject, &Options { exact: 4, draws: 8, ..options.clone() });
    assert_eq!((exact.draws, estimate.draws), (None, Some(8)));
    let off = |a: Estimate, b: Estimate| (a.value - b.value).abs() / a.se.unwrap();
    let rings: Vec<f64> =
        estimate.radial.iter().zip(&exact.radial).map(|(a, b)| off(a.energy, b.energy)).collect();
    assert!(rings.iter().all(|off| *off < 4.0), "{rings:?}");
    assert!(rings.iter().filter(|off| **off < 2.0).count() * 10 >= rings.len() * 7, "{rings:?}");
    assert!(estimate.radial.iter().all(|r| r.energy.se.unwrap() < 0.2 * r.energy.value));
    assert!(off(estimate.energy, exact.energy) < 3.0);
    assert!(off(estimate.centroid, exact.centroid) < 3.0);
    // An image has its signs, whatever else is looked at.
    let all = signs(3, &[4, 7, 9], 2, 5).unwrap();
    let one = signs(3, &[7], 2, 5).unwrap();
    assert_eq!(all.select(1, 1), one.select(1, 0));
    assert_ne!(all.select(1, 0), one.select(1, 0));
    assert_ne!(all.select(0, 0), all.select(0, 1));
    let more = measured(&subject, &Options { exact: 4, draws: 64, ..options }).0;
    let relative = |e: Estimate| e.se.unwrap() / e.value;
    assert!(relative(more.energy) < 0.6 * relative(estimate.energy));
}

#[test]
fn squared_jacobians_and_templates_are_those_of_finite_differences() {
    let set = set(3, 3);
    let samples = prepare(set.clone(), Normalize::Channel, true).unwrap();
    let found_modes = Modes::new(&samples).unwrap();
    let subject = subject(net(ModelKind::Resnet8, false, 3), &set);
    let (found, energies) = measured(&subject, &Options::default());
    let (uses, templates) =
        modes(&subject, &samples, &found_modes, &Options::default(), |_| Progress::hidden()).unwrap();
    assert_eq!((found.images, uses.jacobians, uses.count), (3, 3, found_modes.len()));
    // In float64: pixels themselves are kept in single precision.
    let x = subject.normalised(&subject.pixels).unwrap().contiguous();
    let logits = |x: &Tensor| subject.net.forward(x).unwrap();
    let mut jacobians = vec![Array2::<f64>::zeros((3, 192)); 3];
    for p in 0..192i64 {
        let moved = |step: f64| {
            let moved = x.copy();
            let _ = moved.view([3, 192]).narrow(1, p, 1).g_add_scalar_(step);
            logits(&moved)
        };
        let slope = convert::matrix(&((moved(1e-6) - moved(-1e-6)) / 2e-6)).unwrap();
        for ((image, output), v) in slope.indexed_iter() {
            jacobians[image][[output, p as usize]] = *v;
        }
    }
    let mean = jacobians.iter().fold(Array2::zeros((3, 192)), |sum: Array2<f64>, j| sum + j) / 3.0;
    let squares = jacobians.iter().map(energies_of).reduce(|a, b| a + b).unwrap() / 3.0;
    let total = squares.sum();
    for (a, b) in energies.values().iter().zip(&squares) {
        // A kink of ReLU within the step shows as a difference.
        assert!((a - b).abs() < 1e-4 * total / 60.0, "{a} {b}");
    }
    for (i, mode) in found_modes.list.iter().enumerate() {
        let template = mode.u.dot(&mean);
        let size = template.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let found = templates.images.index_axis(Axis(0), i);
        let off = found.iter().zip(&template).enumerate().filter(|(p, (found, want))| {
            let scale = samples.scale[p / 96] / SCALE[p / 96];
            (**found - *want * scale).abs() > 1e-5 * size * scale
        });
        assert!(off.count() <= 2);
    }
}

#[test]
fn templates_of_a_linear_network_are_rows_of_its_map() {
    let set = set(40, 4);
    let samples = prepare(set.clone(), Normalize::Channel, true).unwrap();
    let found_modes = Modes::new(&samples).unwrap();
    let subject = subject(net(ModelKind::Resnet8, true, 4), &set);
    let options = Options { images: 16, modes: 2, ..Options::default() };
    let (uses, templates) =
        modes(&subject, &samples, &found_modes, &options, |_| Progress::hidden()).unwrap();
    assert_eq!((uses.images, uses.jacobians, uses.count, uses.modes.len()), (40, 16, 3, 2));
    let mut map = map(subject.net.known().unwrap());
    for (channel, (of_samples, of_subject)) in samples.scale.iter().zip(SCALE).enumerate() {
        let scale = of_samples / of_subject;
        map.slice_mut(s![.., channel * 96..(channel + 1) * 96]).mapv_inplace(|v| v * scale);
    }
    for (i, (found, mode)) in uses.modes.iter().zip(&found_modes.list).enumerate() {
        let template = Array3::from_shape_vec((2, 8, 12), mode.u.dot(&map).to_vec()).unwrap();
        let norm = dot(template.view(), template.view()).sqrt();
        let off = (&templates.images.index_axis(Axis(0), i) - &template).iter().map(|d| d * d).sum::<f64>();
        assert!(off.sqrt() < 1e-12 * norm);
        let energies = Energies::of_image(template.view()).unwrap();
        let of_template = found.template.as_ref().unwrap();
        let known = Template::new(&energies, mode).unwrap();
        for (estimate, want) in [
            (of_template.participation, energies.participation()),
            (of_template.centroid, energies.centroid()),
            (of_template.overlap, known.overlap),
            (of_template.on_dominant, known.on_dominant),
            (of_template.cosine, dot(template.view(), mode.v.view()) / norm),
        ] {
            assert!((estimate.value - want).abs() < 1e-10 * want.abs().max(1.0));
            assert!(estimate.se.unwrap() < 1e-10 * want.abs().max(1.0), "one Jacobian for all images");
        }
        assert!((of_template.norm / norm - 1.0).abs() < 1e-12);
        assert_eq!((found.s, found.rho, found.participation), (mode.s, mode.rho, mode.participation));
        let strongest = mode.energies.strongest(1)[0];
        assert_eq!((found.strongest[0].row, found.strongest[0].share), (strongest.0.row, strongest.1));
    }
    let read: ModeUses = serde_json::from_str(&serde_json::to_string(&uses).unwrap()).unwrap();
    assert_eq!(read, uses);
}

#[test]
fn strengths_are_those_of_the_definition() {
    let set = set(30, 3);
    for center in [true, false] {
        let samples = prepare(set.clone(), Normalize::Channel, center).unwrap();
        let found_modes = Modes::new(&samples).unwrap();
        let subject = subject(net(ModelKind::Resnet8, false, 3), &set);
        let (uses, _) =
            modes(&subject, &samples, &found_modes, &Options::default(), |_| Progress::hidden()).unwrap();
        let answers = convert::matrix(&subject.logits(&subject.pixels).unwrap().softmax(1, None)).unwrap();
        for (found, mode) in uses.modes.iter().zip(&found_modes.list) {
            let v = Array1::from_iter(mode.v.iter().copied());
            let (mut answered, mut asked) = (0.0, 0.0);
            for i in 0..30 {
                let along = samples.x.row(i).mapv(f64::from).dot(&v);
                answered += mode.u.dot(&(&answers.row(i) - &samples.y_mean)) * along / 30.0;
                asked += mode.u.dot(&samples.y.row(i)) * along / 30.0;
            }
            assert!((asked / mode.s - 1.0).abs() < 1e-6, "all samples have all of the mode");
            let strength = found.strength.unwrap();
            assert!((strength.value - answered / asked).abs() < 1e-6, "{center}");
            assert!(strength.se.unwrap() > 0.0);
        }
    }
}

#[test]
fn right_answers_have_all_of_every_mode() {
    let set = set(24, 3);
    let samples = prepare(set.clone(), Normalize::Global, true).unwrap();
    let found_modes = Modes::new(&samples).unwrap();
    // A linear network that has learned the classes by heart.
    let architecture =
        Architecture { plain: (2, 1, (1, 1)), ..net(ModelKind::Cnn, true, 3).architecture().clone() };
    let net = Deep::new(architecture, InitKind::Kaiming, 1, Kind::Double, Device::Cpu).unwrap();
    let subject = subject(net, &set);
    let x = subject.normalised(&subject.pixels).unwrap().flatten(1, -1);
    let y = Tensor::eye(3, (Kind::Double, Device::Cpu)).repeat([8, 1]) * 40.0;
    let _no_grad = tch::no_grad_guard();
    for entry in subject.net.known().unwrap().entries() {
        let learned = match entry.name.as_str() {
            "conv1.weight" => Tensor::eye(2, (Kind::Double, Device::Cpu)).reshape([2, 2, 1, 1]),
            "fc.weight" => x.pinverse(1e-12).matmul(&y).tr(),
            _ => entry.tensor.zeros_like(),
        };
        entry.tensor.shallow_clone().copy_(&learned);
    }
    drop(_no_grad);
    let (uses, _) =
        modes(&subject, &samples, &found_modes, &Options::default(), |_| Progress::hidden()).unwrap();
    for mode in uses.modes {
        let strength = mode.strength.unwrap();
        assert!((strength.value - 1.0).abs() < 1e-6 && strength.se.unwrap() < 1e-6);
    }
}

#[test]
fn standard_errors_by_hand() {
    let mean_of = mean(&[1.0, 2.0, 6.0]);
    assert_eq!(mean_of.value, 3.0);
    assert!((mean_of.se.unwrap() - (14.0f64 / 6.0).sqrt()).abs() < 1e-15);
    assert_eq!(mean(&[5.0]), Estimate { value: 5.0, se: None });
    // Groups of one image: the jackknife of a mean is its usual standard error.
    let mut groups = Groups::new(3, 1);
    [1.0, 2.0, 6.0].into_iter().for_each(|v| groups.add(&Array1::from_elem(1, v)));
    let [estimate] = groups.estimates(&|mean: &Array1<f64>| Some([mean[0]])).unwrap();
    assert_eq!(estimate.value, 3.0);
    assert!((estimate.se.unwrap() - mean_of.se.unwrap()).abs() < 1e-14);
    let mut one = Groups::new(1, 1);
    one.add(&Array1::from_elem(1, 4.0));
    let [estimate] = one.estimates(&|mean: &Array1<f64>| Some([mean[0]])).unwrap();
    assert_eq!(estimate, Estimate { value: 4.0, se: None });
    let mut many = Groups::new(20, 1);
    (0..20).for_each(|v| many.add(&Array1::from_elem(1, f64::from(v))));
    assert_eq!((many.sums.len(), many.mean()[0]), (GROUPS, 9.5));
    assert!(many.estimates::<1>(&|_| None).is_none());
}

#[test]
fn what_does_not_fit_is_refused() {
    let images = set(12, 3);
    let samples = prepare(images.clone(), Normalize::Channel, true).unwrap();
    let found_modes = Modes::new(&samples).unwrap();
    let refused = |outputs: usize, set: &ImageSet, samples: &Samples, options: &Options, words: &str| {
        let subject = subject(net(ModelKind::Cnn, false, outputs), set);
        let error = modes(&subject, samples, &found_modes, options, |_| Progress::hidden()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    let options = Options::default();
    refused(
        5,
        &images,
        &samples,
        &options,
        "labels of the modes: expected 5 classes, as the network has outputs, found 3",
    );
    refused(3, &set(11, 3), &samples, &options, "of the 11 images that the network is shown, found of 12");
    let numbers = Samples { labels: None, ..samples.clone() };
    refused(3, &images, &numbers, &options, "expected classes, found numbers");
    refused(3, &images, &samples, &Options { modes: 0, ..options.clone() }, "at least one to look at");
    refused(3, &images, &samples, &Options { images: 0, ..options.clone() }, "at least one to differentiate");
    let turned = Samples { shape: [2, 12, 8], ..samples.clone() };
    refused(3, &images, &turned, &options, "2x8x12");
    let subject = subject(net(ModelKind::Cnn, false, 3), &images);
    let none = Options { exact: 2, draws: 0, ..options };
    let error = squared(&subject, &none, |_| Progress::hidden()).unwrap_err().to_string();
    assert!(error.contains("draws: expected at least one"), "{error}");
    let _ = tch::no_grad(|| subject.net.known().unwrap().entries()[0].tensor.shallow_clone().fill_(f64::NAN));
    let error = squared(&subject, &Options::default(), |_| Progress::hidden()).unwrap_err().to_string();
    assert!(error.contains("finite gradients"), "{error}");
    let error = modes(&subject, &samples, &found_modes, &Options::default(), |_| Progress::hidden());
    assert!(error.unwrap_err().to_string().contains("finite"));
}
