//! Real images: the numbers of CIFAR-10 to check an implementation against, and
//! training on them.
//!
//! The numbers (50,000 training images, grey = mean of the channels, x centred
//! per pixel and divided by one standard deviation, y one-hot and centred) are
//! held to the digits given. They were computed from PIL's decoding; the default
//! decoder differs from it in a fifth of the bytes, by at most 5, and moves a
//! last digit here and there.

use crate::support::{json, ok, shared};

const S: [f64; 9] = [2.106, 1.123, 0.634, 0.303, 0.283, 0.150, 0.142, 0.118, 0.051];
const LAMBDA: [f64; 9] = [276.4, 131.7, 87.4, 33.9, 37.9, 16.4, 17.4, 16.1, 11.0];
const RHO: [f64; 9] = [22.56, 20.36, 17.91, 11.32, 10.37, 10.19, 10.63, 9.34, 9.78];
const DOMINANT: [[i32; 2]; 9] = [[0, 0], [0, 0], [1, 0], [0, 1], [2, 0], [3, 0], [1, 1], [2, 0], [-2, 1]];

#[test]
fn modes_of_grey_cifar10() {
    let Some(file) = shared("data/cifar10/train-00000-of-00001.parquet") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let spec = format!("parquet:{}", file.display());
    let report = json(&ok(tmp.path(), &["inspect", "--data", &spec, "--grey", "--json"]));
    assert_eq!((report["samples"].as_u64(), report["classes"].as_u64()), (Some(50_000), Some(10)));
    let modes = report["modes"].as_array().unwrap();
    assert_eq!(modes.len(), 9);
    for (i, mode) in modes.iter().enumerate() {
        // One unit of the last digit for the decoder, half a unit for rounding;
        // λ and ρ move by up to 0.2 % and 0.4 % (measured against PIL's decoding).
        let near = |key: &str, want: f64, unit: f64| {
            let got = mode[key].as_f64().unwrap();
            assert!((got - want).abs() <= 1.5 * unit, "mode {}: {key} {got}, expected {want}", i + 1);
        };
        near("s", S[i], 0.001);
        near("lambda", LAMBDA[i], if LAMBDA[i] > 100.0 { 0.2 } else { 0.1 });
        near("rho", RHO[i], 0.04);
        assert_eq!(mode["dominant"], serde_json::json!(DOMINANT[i]), "mode {}", i + 1);
    }
}

#[cfg(feature = "torch")]
#[test]
fn both_spaces_walk_through_the_same_weights() {
    let Some(file) = shared("data/cifar10/train-00000-of-00001.parquet") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let spec = format!("parquet:{}", file.display());
    for (dtype, bound) in [("f64", 1e-9), ("f32", 1e-3)] {
        for (model, eta) in [("fcnn", "4e-3"), ("lcnn", "4e-4")] {
            let weights = ["moment", "sample"].map(|space| {
                let out = format!("{model}-{dtype}-{space}");
                let args = [
                    "train",
                    "--data",
                    &spec,
                    "--grey",
                    "--limit",
                    "2000",
                    "--threads",
                    "1",
                    "--steps",
                    "500",
                    "--every",
                    "100",
                ];
                let flags =
                    ["--model", model, "--eta", eta, "--dtype", dtype, "--space", space, "--out", &out];
                ok(tmp.path(), &[&args[..], &flags[..]].concat());
                tmp.path().join(out).join("ckpt/step-00000500/weights.npz")
            });
            let (mut difference, mut norm) = (0.0, 0.0);
            for name in if model == "fcnn" { ["w1", "w2"] } else { ["kernels", "dense"] } {
                let [a, b] = weights.each_ref().map(|path| domfreq::run::arrays::read(path, name).unwrap());
                difference += (&a - &b).mapv(|x| x * x).sum();
                norm += b.mapv(|x| x * x).sum();
            }
            let relative = (difference / norm).sqrt();
            println!("{model} {dtype}: relative difference after 500 steps {relative:.1e}");
            assert!(relative <= bound, "{model} {dtype}: {relative:e}");
        }
    }
}

#[cfg(feature = "torch")]
#[test]
fn training_discovers_the_modes_when_it_should_and_a_convolution_uses_fewer_frequencies() {
    let Some(file) = shared("data/cifar10/train-00000-of-00001.parquet") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let spec = format!("parquet:{}", file.display());
    let run = |model: &str, eta: &str| {
        let args = [
            "train",
            "--data",
            &spec,
            "--grey",
            "--hidden",
            "1024",
            "--threads",
            "1",
            "--steps",
            "3000",
            "--snapshots",
            "1",
        ];
        let flags = ["--model", model, "--eta", eta, "--out", model, "--json"];
        let summary = json(&ok(tmp.path(), &[&args[..], &flags[..]].concat()));
        let spectra = tmp.path().join(model).join("arrays/spectra-00003000.npz");
        (summary, domfreq::run::arrays::read(&spectra, "participation").unwrap())
    };
    let (fcnn, wide) = run("fcnn", "2e-3");
    // About steps 311, 635 and 1032 from weights of standard deviation 1e-3; seeds differ by 2 %.
    for (i, want) in [311.0, 635.0, 1032.0].into_iter().enumerate() {
        let got = fcnn["modes"][i]["measured"]["t50"].as_f64().unwrap();
        assert!((got / want - 1.0).abs() < 0.04, "mode {}: {got}, expected about {want}", i + 1);
    }
    // About 12, 16, 9, 18, 24 frequencies against 5, 3, 5, 6, 5.
    for (i, want) in [12.0, 16.0, 9.0, 18.0, 24.0].into_iter().enumerate() {
        assert!((wide[[i]] / want - 1.0).abs() < 0.06, "mode {}: {}", i + 1, wide[[i]]);
    }
    // From one random kernel the convolution's times depend on the seed, its sparsity does not.
    let (_, sparse) = run("lcnn", "2e-4");
    for i in 0..5 {
        assert!(sparse[[i]] < 7.0 && sparse[[i]] < 0.6 * wide[[i]], "mode {}: {}", i + 1, sparse[[i]]);
    }
}
