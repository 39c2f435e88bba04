//! Images on the device against prepared samples, the trainer against itself.

use std::collections::BTreeMap;

use ndarray::Array4;
use tch::Device;

use super::checkpoint::differences;
use super::*;
use crate::data::prepare::{Normalize, prepare};
use crate::field::Provenance;
use crate::model::deep::Architecture;
use crate::run::Checkpoints;
use crate::run::RunConfig;
use crate::run::config::{AugmentConfig, DeepConfig, InitKind, ModelKind, OptimKind};

fn set(count: usize) -> ImageSet {
    use rand::Rng;
    let mut rng = crate::seed::rng(0, "test/deep", 0);
    let images = Array4::from_shape_simple_fn((count, 3, 8, 10), || f32::from(rng.random::<u8>()) / 255.0);
    let labels: Vec<u32> = (0..count).map(|i| (i % 3) as u32).collect();
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    ImageSet { images, targets: field::Targets::Classes { labels, names }, source: Provenance::default() }
}

fn architecture() -> Architecture {
    Architecture::usual(ModelKind::Resnet8, [3, 8, 10], 3)
}

fn config() -> DeepConfig {
    let mut config = RunConfig::default();
    config.model.kind = ModelKind::Resnet8;
    config.train.batch = Some(16);
    config.train.eta = Some(0.05);
    config.optim.ema = Some(0.9);
    config.augment = AugmentConfig { crop: 2, flip: true };
    config.deep().unwrap()
}

fn trainer(config: &DeepConfig) -> Trainer {
    trainer_of(config, &architecture(), set(50))
}

fn trainer_of(config: &DeepConfig, architecture: &Architecture, set: ImageSet) -> Trainer {
    let pixels = Pixels::new(set.images.view());
    let samples = prepare(set, Normalize::Channel, true).unwrap();
    let net = || Deep::new(architecture.clone(), InitKind::Pytorch, 1, Kind::Float, Device::Cpu).unwrap();
    let net = (net(), config.optim.ema.map(|_| net()));
    let targets = Targets::of_samples(&samples, &config.optim, &net.0).unwrap();
    let images = Images::new(&pixels, &samples, &config.augment, true, Kind::Float, Device::Cpu).unwrap();
    Trainer::new(config, net.0, net.1, images, targets, 12).unwrap()
}

#[test]
fn images_on_the_device_are_the_prepared_samples() {
    for normalize in [Normalize::Global, Normalize::Channel, Normalize::Imagenet, Normalize::None] {
        for (center, bytes) in [(true, true), (false, true), (true, false)] {
            let mut set = set(9);
            if !bytes {
                set.images.mapv_inplace(|v| 1.3 * v - 0.2);
            }
            let pixels = Pixels::new(set.images.view());
            assert_eq!(matches!(pixels, Pixels::Bytes(_)), bytes);
            let samples = prepare(set, normalize, center).unwrap();
            for channels_last in [true, false] {
                let augment = AugmentConfig { crop: 3, flip: false };
                let images =
                    Images::new(&pixels, &samples, &augment, channels_last, Kind::Double, Device::Cpu)
                        .unwrap();
                let rows = [4, 0, 8];
                let found = convert::array(&images.plain(&rows).unwrap()).unwrap();
                for (i, row) in rows.iter().enumerate() {
                    let image = found.index_axis(ndarray::Axis(0), i);
                    for (a, b) in image.iter().zip(samples.x.row(*row)) {
                        assert!((a - f64::from(*b)).abs() < 1e-5, "{normalize} {center} {bytes}: {a} {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn crops_and_flips_are_windows_of_the_padded_images() {
    let mut set = set(6);
    // Every pixel has a value of its own, and 0 is black.
    set.images =
        Array4::from_shape_fn((6, 3, 8, 10), |(_, c, y, x)| (1 + c * 80 + y * 10 + x) as f32 / 255.0);
    let pixels = Pixels::new(set.images.view());
    let samples = prepare(set, Normalize::None, false).unwrap();
    let augment = AugmentConfig { crop: 2, flip: true };
    let images = Images::new(&pixels, &samples, &augment, true, Kind::Double, Device::Cpu).unwrap();
    let (mut offsets, mut flips) = (std::collections::BTreeSet::new(), 0);
    let rows: Vec<usize> = (0..600).map(|i| i % 6).collect();
    let found =
        convert::array(&images.augmented(&rows, 5, 3).unwrap()).unwrap().mapv(|v| (v * 255.0).round() as i64);
    for image in found.outer_iter() {
        // The window is told by any pixel that is not black.
        let at = |y: usize, x: usize| image[[0, y, x]];
        let middle = at(4, 5) - 1;
        let (row, col) = (middle / 10, middle % 10);
        let flipped = at(4, 4) > at(4, 5);
        let top = row - 4;
        let left = if flipped { col - 4 } else { col - 5 };
        offsets.insert((top, left));
        flips += usize::from(flipped);
        for ((c, y, x), v) in image.view().into_dimensionality::<ndarray::Ix3>().unwrap().indexed_iter() {
            let (row, col) = (y as i64 + top, (if flipped { 9 - x } else { x }) as i64 + left);
            let inside = (0..8).contains(&row) && (0..10).contains(&col);
            let want = if inside { 1 + c as i64 * 80 + row * 10 + col } else { 0 };
            assert_eq!(*v, want, "{c} {y} {x}, window {top} {left}, flipped {flipped}");
        }
    }
    let all: std::collections::BTreeSet<_> = (-2..=2).flat_map(|y| (-2..=2).map(move |x| (y, x))).collect();
    assert_eq!(offsets, all, "every offset, the last ones included");
    assert!((230..370).contains(&flips), "{flips} of 600 were flipped");
    let again = |seed, step| convert::array(&images.augmented(&rows, seed, step).unwrap()).unwrap();
    assert_eq!(again(5, 3), again(5, 3));
    assert_ne!(again(5, 3), again(5, 4));
    assert_ne!(again(5, 3), again(6, 3));
}

fn weights(net: &Deep) -> Vec<Vec<f64>> {
    net.entries().iter().map(|e| convert::array(&e.tensor).unwrap().into_iter().collect()).collect()
}

#[test]
fn a_run_that_goes_on_repeats_the_uninterrupted_one_bit_by_bit() {
    for kind in [OptimKind::Sgd, OptimKind::Adamw] {
        let mut config = config();
        config.optim.kind = kind;
        let mut whole = trainer(&config);
        let mut rows = Vec::new();
        (0..12).for_each(|_| rows.extend(whole.update().unwrap()));
        rows.extend(whole.read().unwrap());
        assert_eq!(rows.len(), 12);
        let tmp = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(tmp.path());
        let mut first = trainer(&config);
        // In the middle of an epoch (50 images, batches of 16).
        let mut seen = Vec::new();
        (0..7).for_each(|_| seen.extend(first.update().unwrap()));
        seen.extend(first.read().unwrap());
        checkpoints.write(&first, &config, "hash", BTreeMap::new()).unwrap();
        let mut second = trainer(&config);
        let (state, damaged) = checkpoints.newest().unwrap().unwrap();
        assert_eq!((state.step, damaged.len()), (7, 0));
        checkpoints.load(7, &mut second).unwrap();
        (7..12).for_each(|_| seen.extend(second.update().unwrap()));
        seen.extend(second.read().unwrap());
        assert_eq!(seen, rows);
        assert_eq!(weights(&second.net), weights(&whole.net));
        assert_eq!(weights(second.ema.as_ref().unwrap()), weights(whole.ema.as_ref().unwrap()));
        assert_ne!(weights(&second.net), weights(second.ema.as_ref().unwrap()));
    }
}

// Everything that is drawn is named by the step.
#[test]
fn networks_with_dropout_go_on_bit_by_bit() {
    let kind = ModelKind::Squeezenet1_1;
    let mut config = config();
    config.model.kind = kind;
    config.train.batch = 4;
    let architecture = Architecture::usual(kind, [3, 20, 20], 3);
    let trainer = || {
        let mut set = set(12);
        set.images = Array4::from_shape_fn((12, 3, 20, 20), |(n, c, y, x)| {
            (n * 31 + c * 17 + y * (n % 5) + x * 3) as f32 % 256.0 / 255.0
        });
        trainer_of(&config, &architecture, set)
    };
    let mut whole = trainer();
    let mut rows = Vec::new();
    (0..5).for_each(|_| rows.extend(whole.update().unwrap()));
    rows.extend(whole.read().unwrap());
    let tmp = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(tmp.path());
    let mut first = trainer();
    (0..3).for_each(|_| drop(first.update().unwrap()));
    checkpoints.write(&first, &config, "hash", BTreeMap::new()).unwrap();
    let mut second = trainer();
    checkpoints.load(3, &mut second).unwrap();
    let mut seen = Vec::new();
    (3..5).for_each(|_| seen.extend(second.update().unwrap()));
    seen.extend(second.read().unwrap());
    assert_eq!(seen, rows[3..]);
    assert_eq!(weights(&second.net), weights(&whole.net));
}

#[test]
fn parts_of_a_batch_add_up_to_its_gradient() {
    // Without norm, which sees the parts.
    let losses = |accumulate: usize| {
        let mut config = config();
        config.optim.accumulate = accumulate;
        config.augment = AugmentConfig::default();
        let set = set(50);
        let pixels = Pixels::new(set.images.view());
        let samples = prepare(set, Normalize::Channel, true).unwrap();
        let architecture = Architecture { norm: false, ..architecture() };
        let net = Deep::new(architecture, InitKind::Pytorch, 1, Kind::Double, Device::Cpu).unwrap();
        let targets = Targets::of_samples(&samples, &config.optim, &net).unwrap();
        let images =
            Images::new(&pixels, &samples, &config.augment, true, Kind::Double, Device::Cpu).unwrap();
        let mut trainer = Trainer::new(&config, net, None, images, targets, 8).unwrap();
        let mut rows = Vec::new();
        (0..8).for_each(|_| rows.extend(trainer.update().unwrap()));
        rows.extend(trainer.read().unwrap());
        rows.iter().flat_map(|r| [r.loss, r.accuracy.unwrap()]).collect::<Vec<_>>()
    };
    let whole = losses(1);
    for accumulate in [2, 3, 16, 100] {
        for (a, b) in whole.iter().zip(losses(accumulate)) {
            assert!((a - b).abs() < 1e-10 * a.abs().max(1e-3), "{accumulate}: {a} {b}");
        }
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let mut config = config();
    config.train.eta = 1e30;
    let mut trainer = trainer(&config);
    let error = (0..40).find_map(|_| trainer.update().err()).expect("an error").to_string();
    assert!(error.contains("diverged by step") && error.contains("optim.clip"), "{error}");
    assert!(!error.contains("at the start"), "{error}");
}

#[test]
fn weights_that_are_no_numbers_stop_the_run_though_the_loss_was_one() {
    let mut trainer = trainer(&config());
    assert!(trainer.net.is_finite().unwrap());
    trainer.update().unwrap();
    let last = trainer.net.parameters().last().unwrap().tensor.detach();
    let _ = last.narrow(0, 0, 1).fill_(f64::NEG_INFINITY);
    assert!(!trainer.net.is_finite().unwrap());
    let error = trainer.read().unwrap_err().to_string();
    assert!(error.contains("diverged by step 1: weights are no numbers; the step size eta"), "{error}");
}

#[test]
fn damaged_checkpoints_are_named_and_newer_ones_refused() {
    let config = config();
    let tmp = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::new(tmp.path());
    assert!(checkpoints.newest().unwrap().is_none());
    let mut trainer = trainer(&config);
    for _ in 0..3 {
        trainer.update().unwrap();
        checkpoints.write(&trainer, &config, "hash", BTreeMap::from([("a".into(), 7)])).unwrap();
    }
    assert_eq!(checkpoints.steps().unwrap(), [1, 2, 3]);
    checkpoints.thin(2, None).unwrap();
    assert_eq!(checkpoints.steps().unwrap(), [2, 3]);
    let file = |step: u64, name: &str| tmp.path().join(format!("step-{step:08}/{name}"));
    // A flipped bit, then a file cut off, then one that is gone.
    let path = file(3, "weights.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for damage in [flipped, bytes[..bytes.len() - 9].to_vec()] {
        std::fs::write(&path, damage).unwrap();
        let (state, damaged) = checkpoints.newest().unwrap().unwrap();
        assert_eq!(state.step, 2);
        let text = damaged[0].to_string();
        assert!(text.contains("step-00000003/weights.safetensors") && text.contains("XXH3"), "{text}");
    }
    std::fs::remove_file(file(2, "optimiser.safetensors")).unwrap();
    let error = checkpoints.newest().unwrap_err().to_string();
    assert!(error.contains("a checkpoint that is whole"), "{error}");
    std::fs::write(&path, bytes).unwrap();
    let state = file(3, "state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    assert_eq!(checkpoints.newest().unwrap().unwrap().0.lengths["a"], 7);
    std::fs::write(&state, text.replace("\"schema\": 1", "\"schema\": 2")).unwrap();
    let error = checkpoints.newest().unwrap_err().to_string();
    assert!(error.contains("expected schema 1 or older, found schema 2"), "{error}");
}

#[test]
fn the_key_that_differs_is_said() {
    let stored = config().said();
    let mut asked = stored.clone();
    asked.run.device = "cuda:1".to_owned();
    asked.run.threads = 7;
    assert!(differences(&stored, &asked).is_empty());
    asked.train.eta = Some(0.2);
    asked.optim.ema = None;
    assert_eq!(
        differences(&stored, &asked),
        ["optim.ema = nothing (stored: 0.9)", "train.eta = 0.2 (stored: 0.05)"]
    );
}

#[test]
fn cross_entropy_needs_classes() {
    let set = set(30);
    let mut samples = prepare(set, Normalize::Channel, true).unwrap();
    samples.labels = None;
    let net = Deep::new(architecture(), InitKind::Pytorch, 1, Kind::Float, Device::Cpu).unwrap();
    let error = Targets::of_samples(&samples, &config().optim, &net).err().unwrap().to_string();
    assert!(error.contains("cross-entropy") && error.contains("real targets"), "{error}");
}
