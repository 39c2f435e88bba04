//! Band curves, swapped phases, dominant frequencies and ADCS against PyTorch's.
//! `make.py` beside this file made the numbers.

use std::f64::consts::TAU;

use domfreq::audit::parts::adcs::{Adcs, Variant};
use domfreq::audit::parts::classes::Positives;
use domfreq::audit::parts::{bands, classes, swap};
use domfreq::audit::subject::Subject;
use domfreq::audit::{Clean, Reference};
use domfreq::model::deep::{Architecture, Deep};
use domfreq::run::config::{InitKind, ModelKind};
use domfreq::spectrum::Frequency;
use domfreq::weights::{Data, NamedTensor, StateDict};
use ndarray::{Array4, ArrayView4};
use serde_json::Value;
use tch::{Device, Kind};

use crate::formula;

const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

fn expected() -> Value {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|n| n.as_f64().expect("a number")).collect()
}

fn images(expected: &Value) -> (Array4<f32>, Vec<u32>) {
    let [h, w] = [0, 1].map(|i| expected["size"][i].as_u64().unwrap() as usize);
    let n = expected["images"].as_u64().unwrap() as usize;
    let noise: Vec<Vec<f64>> = (0..n).map(|i| formula::uniform(&format!("image{i}"), 3 * h * w)).collect();
    let images = Array4::from_shape_fn((n, 3, h, w), |(i, c, y, x)| {
        let wave = (i % 5 * y) as f64 / h as f64 + (i % 4 * x) as f64 / w as f64;
        let turns = wave + i as f64 / 7.0 + c as f64 / 9.0;
        (0.3 * noise[i][(c * h + y) * w + x] + 0.7 * (1.0 + (TAU * turns).cos()) / 2.0) as f32
    });
    (images, (0..n as u32).map(|i| i % 3).collect())
}

fn subject(expected: &Value, images: ArrayView4<f32>, labels: Vec<u32>) -> Subject {
    let (_, _, h, w) = images.dim();
    let architecture = Architecture::usual(ModelKind::Resnet8, [3, h, w], 3);
    let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Double, Device::Cpu).unwrap();
    let shapes: Vec<_> =
        net.state_dict().unwrap().iter().map(|t| (t.name().to_owned(), t.shape().to_vec())).collect();
    let mut weights = StateDict::default();
    for tensor in formula::state(&shapes, false).iter().filter(|t| t.name() != "linear.bias") {
        weights.push(tensor.clone()).unwrap();
    }
    let bias = NamedTensor::new("linear.bias", vec![3], Data::F64(numbers(&expected["bias"]))).unwrap();
    weights.push(bias).unwrap();
    net.load(&weights, "formula").unwrap();
    let offset: Vec<f64> = (0..3 * h * w).map(|i| MEAN[i / (h * w)]).collect();
    Subject::new(net, images, Some(labels), &offset, &STD).unwrap()
}

fn equal(answers: &[f64], to: impl Fn(usize) -> f64) -> u64 {
    answers.iter().enumerate().filter(|(i, a)| **a == to(*i)).count() as u64
}

#[test]
fn band_curves() {
    let expected = expected();
    let (images, labels) = images(&expected);
    let subject = subject(&expected, images.view(), labels.clone());
    let clean = Clean::new(&subject).unwrap();
    let found = bands::measure(&subject, &clean, &bands::Options::default()).unwrap();
    let plain = numbers(&expected["answers"]);
    assert_eq!(found.accuracy.unwrap().count, equal(&plain, |i| f64::from(labels[i])));
    for (name, curve) in [("low", &found.low), ("high", &found.high), ("bands", &found.bands)] {
        let filters = expected["bands"][name].as_array().unwrap();
        assert_eq!(curve.points.len(), filters.len());
        for (point, filter) in curve.points.iter().zip(filters) {
            let answers = numbers(&filter["answers"]);
            assert_eq!(point.accuracy.unwrap().count, equal(&answers, |i| f64::from(labels[i])), "{name}");
            assert_eq!(point.agreement.count, equal(&answers, |i| plain[i]), "{name}");
            let outside = filter["outside"].as_f64().unwrap() / images.len() as f64;
            assert!((point.outside - outside).abs() < 1e-12, "{name}");
        }
    }
    let filters = expected["squares"].as_array().unwrap();
    assert_eq!(found.squares.len(), filters.len());
    for (square, filter) in found.squares.iter().zip(filters) {
        let answers = numbers(&filter["answers"]);
        let right = equal(&answers, |i| f64::from(labels[i]));
        assert_eq!(square.accuracy.unwrap().count, right, "{square:?}");
        assert_eq!(square.agreement.count, equal(&answers, |i| plain[i]), "{square:?}");
    }
}

#[test]
fn swapped_phases() {
    let expected = expected();
    let (images, labels) = images(&expected);
    let subject = subject(&expected, images.view(), labels.clone());
    let plain = numbers(&expected["answers"]);
    let answers: Vec<Vec<f64>> =
        expected["swap"]["answers"].as_array().unwrap().iter().map(numbers).collect();
    let outside: Vec<Vec<f64>> =
        expected["swap"]["outside"].as_array().unwrap().iter().map(numbers).collect();
    for seed in 0..3 {
        let found =
            swap::measure(&subject, &Clean::new(&subject).unwrap(), &swap::Options { seed, clamp: true })
                .unwrap();
        let partners = swap::partners(&labels, seed).unwrap();
        let (mut all, mut known, mut clipped) = ([0; 3], [0; 3], 0.0);
        for (a, &b) in partners.iter().enumerate() {
            let classes = [labels[a], labels[b]].map(f64::from);
            let seen = classes.iter().position(|c| *c == answers[a][b]).unwrap_or(2);
            all[seen] += 1;
            known[seen] += u64::from([plain[a], plain[b]] == classes);
            clipped += outside[a][b] / images.len() as f64;
        }
        assert_eq!(found.all, swap::Shares::new(all[0], all[1], all[2]));
        let known = (known != [0; 3]).then(|| swap::Shares::new(known[0], known[1], known[2]));
        assert_eq!((found.known, found.reference), (known, Reference::Labels));
        assert!((found.outside - clipped).abs() < 1e-12);
    }
}

#[test]
fn dominant_frequencies() {
    let expected = expected();
    let (images, labels) = images(&expected);
    let subject = subject(&expected, images.view(), labels.clone());
    let options = classes::Options { patch: 1, shares: vec![0.05, 0.2] };
    let found = classes::measure(&subject, &Clean::new(&subject).unwrap(), &options).unwrap();
    let expected = &expected["dominance"];
    let frequencies: Vec<Frequency> = serde_json::from_value(expected["frequencies"].clone()).unwrap();
    assert_eq!(found.frequencies, frequencies);
    let loss = numbers(&expected["loss"]);
    for (c, class) in found.classes.iter().enumerate() {
        assert!((class.loss - loss[c]).abs() < 1e-9, "{} {}", class.loss, loss[c]);
        for (importance, without) in class.importance.iter().zip(numbers(&expected["without"][c])) {
            assert!((importance - (without - loss[c])).abs() < 1e-9);
        }
        for (i, reduced) in class.reduced.iter().enumerate() {
            let want = &expected["reduced"][2 * c + i];
            assert_eq!(reduced.entries, want["entries"].as_u64().unwrap());
            let answers = numbers(&want["answers"]);
            let as_class = |own: bool| {
                let these = answers.iter().zip(&labels).filter(|(_, l)| (**l == class.class) == own);
                these.filter(|(a, _)| **a == f64::from(class.class)).count() as u64
            };
            let Positives { right, wrong } = reduced.positives;
            assert_eq!((right.count, wrong.count), (as_class(true), as_class(false)), "class {c}");
            assert_eq!((right.of, wrong.of), (8, 16));
        }
    }
}

#[test]
fn differences_of_spectra() {
    let expected = expected();
    let (images, labels) = images(&expected);
    let normal = Array4::from_shape_fn(images.dim(), |(i, c, y, x)| {
        ((f64::from(images[[i, c, y, x]]) - MEAN[c]) / STD[c]) as f32
    });
    for (name, variant, images) in
        [("paper", Variant::Paper, &images), ("published", Variant::Published, &normal)]
    {
        let found = Adcs::new(images.view(), &labels, variant).unwrap();
        for (c, values) in found.values.iter().enumerate() {
            for (found, want) in values.iter().zip(numbers(&expected["adcs"][name][c])) {
                assert!((found - want).abs() < 1e-12, "{name}, class {c}: {found} instead of {want}");
            }
        }
    }
}

#[test]
fn filters_that_suppress_cues_are_opencvs() {
    use domfreq::audit::parts::suppression::{bilateral, blurred, greyed};
    use ndarray::Array3;
    let expected: Value = serde_json::from_str(include_str!("suppression.json")).unwrap();
    let array = |value: &Value| {
        let levels = |y: usize, x: usize, c: usize| value[y][x][c].as_f64().expect("a level");
        Array3::from_shape_fn((3, 11, 14), |(c, y, x)| levels(y, x, c) / 255.0)
    };
    let image = array(&expected["image"]);
    let apart = |a: &Array3<f64>, b: &Array3<f64>| (a - b).mapv(f64::abs).into_iter().fold(0.0, f64::max);
    // Rounded to 8 bits, from weights of single precision.
    let level = 0.51 / 255.0;
    for case in expected["bilateral"].as_array().unwrap() {
        let (d, colour) = (case["d"].as_u64().unwrap() as usize, case["colour"].as_f64().unwrap());
        let off = apart(&bilateral(image.view(), d, colour, 75.0), &array(&case["pixels"]));
        assert!(off < level, "diameter {d}: {} levels", 255.0 * off);
    }
    for case in expected["blur"].as_array().unwrap() {
        let (k, sigma) = (case["k"].as_u64().unwrap() as usize, case["sigma"].as_f64().unwrap());
        let off = apart(&blurred(image.view(), k, sigma), &array(&case["pixels"]));
        assert!(off < 1e-6, "σ = {sigma}: {off:e}");
    }
    let grey = greyed(image.view(), 1.0).unwrap();
    for ((c, y, x), value) in grey.indexed_iter() {
        let level = expected["grey"][y][x].as_f64().unwrap();
        assert!((255.0 * value - level).abs() < 0.51, "({c}, {y}, {x})");
    }
}
