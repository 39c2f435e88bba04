//! ResNets against torchvision's, and against PyTorch ones of He et al.'s for
//! CIFAR: names, shapes, order and logits. `make.py` beside this file made them.

use domfreq::model::Padding;
use domfreq::model::deep::{Architecture, Deep, Pass};
use domfreq::run::config::{InitKind, ModelKind, Shortcut, Stem};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::formula;

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn architecture(case: &Value) -> Architecture {
    let depth = case["arch"].as_str().unwrap().trim_start_matches("cifar").trim_start_matches("resnet");
    let input = numbers(&case["input"]);
    Architecture {
        kind: clap::ValueEnum::from_str(&format!("resnet{depth}"), true).unwrap(),
        shape: [input[1], input[2], input[3]].map(|n| n as usize),
        outputs: case["classes"].as_u64().unwrap() as usize,
        nonlinear: case["relu"] == true,
        norm: case["norm"] == true,
        padding: if case["padding"] == "circular" { Padding::Circular } else { Padding::Zero },
        shortcut: if case["shortcut"] == "B" { Shortcut::B } else { Shortcut::A },
        stem: if case["stem"] == "cifar" { Stem::Cifar } else { Stem::Imagenet },
        plain: (1, 1, (1, 1)),
        channels_last: true,
    }
}

// Largest distance of the logits kept, relative to the norm of an image's logits.
fn far(logits: &Tensor, expected: &Value) -> f64 {
    let rows = expected["logits"].as_array().unwrap();
    let worst = rows.iter().zip(numbers(&expected["norms"])).enumerate().map(|(i, (row, norm))| {
        let off = numbers(row).into_iter().enumerate().map(|(j, want)| {
            let found = logits.double_value(&[i as i64, j as i64]);
            (found - want).abs() / norm
        });
        off.fold(0.0, f64::max)
    });
    worst.fold(0.0, f64::max)
}

#[test]
fn logits_are_those_of_pytorch() {
    let text = include_str!("expected.json");
    let expected: Value = serde_json::from_str(text).unwrap();
    for case in expected["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let architecture = architecture(case);
        // The largest ones are of the same blocks; double precision takes them a minute.
        let large = ["resnet101", "resnet152"].contains(&name);
        let precisions = [("float32", Kind::Float, 1e-5), ("float64", Kind::Double, 1e-12)];
        for (precision, kind, bound) in precisions.into_iter().take(if large { 1 } else { 2 }) {
            let net = Deep::new(architecture.clone(), InitKind::Pytorch, 0, kind, Device::Cpu).unwrap();
            let state = case["state"].as_array().unwrap().iter().map(|entry| {
                let shape = numbers(&entry[1]).into_iter().map(|n| n as usize).collect();
                (entry[0].as_str().unwrap().to_owned(), shape)
            });
            let state: Vec<(String, Vec<usize>)> = state.collect();
            let own = net.state_dict().unwrap();
            let own: Vec<_> = own.iter().map(|t| (t.name().to_owned(), t.shape().to_vec())).collect();
            assert_eq!(own, state, "{name}");
            net.load(&formula::state(&state, false), name).unwrap();
            let size: Vec<i64> = numbers(&case["input"]).iter().map(|n| *n as i64).collect();
            let count = size.iter().product::<i64>() as usize;
            let x = Tensor::from_slice(&formula::signed("input", count)).reshape(&size[..]).to_kind(kind);

            let eval = far(&net.forward(&x, &Pass::eval(false)).unwrap(), &case[precision]["eval"]);
            let train = &case[precision]["train"];
            let logits = tch::no_grad(|| net.forward(&x, &Pass::train(false))).unwrap();
            let in_training = far(&logits, train);
            println!("{name}, {precision}: off by {eval:.1e} (eval), {in_training:.1e} (train)");
            assert!(eval < bound, "{name} {precision}: {eval:e}");
            // In single precision PyTorch itself is as far from the exact result.
            let own_error = 3.0 * far_lists(&case["float32"]["train"], &case["float64"]["train"]);
            assert!(
                in_training < bound.max(if kind == Kind::Float { own_error } else { 0.0 }),
                "{name}: {in_training:e}"
            );
            if architecture.norm {
                let entry = |n: &str| &net.entries().iter().find(|e| e.name == n).unwrap().tensor;
                for statistic in ["running_mean", "running_var"] {
                    let found = entry(&format!("bn1.{statistic}"));
                    for (i, want) in numbers(&train[statistic]).into_iter().enumerate() {
                        assert!((found.double_value(&[i as i64]) - want).abs() < bound, "{name} {statistic}");
                    }
                }
                assert_eq!(entry("bn1.num_batches_tracked").int64_value(&[]), 1);
            }
        }
    }
}

fn far_lists(a: &Value, b: &Value) -> f64 {
    let rows = a["logits"].as_array().unwrap().iter().zip(b["logits"].as_array().unwrap());
    let worst = rows.zip(numbers(&b["norms"])).map(|((a, b), norm)| {
        numbers(a).iter().zip(numbers(b)).map(|(a, b)| (a - b).abs() / norm).fold(0.0, f64::max)
    });
    worst.fold(0.0, f64::max)
}

#[test]
fn weights_of_another_network_are_listed_and_none_is_loaded() {
    let of = |kind| Architecture::usual(kind, [3, 32, 32], 10);
    let net = |kind| Deep::new(of(kind), InitKind::Kaiming, 0, Kind::Float, Device::Cpu).unwrap();
    let (small, large) = (net(ModelKind::Resnet8), net(ModelKind::Resnet18));
    let before = small.state_dict().unwrap();
    let error = small.load(&large.state_dict().unwrap(), "a.safetensors").unwrap_err().to_string();
    for part in
        ["a.safetensors: expected the", "resnet8", "missing", "linear.weight", "unexpected", "misshapen"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    let after = small.state_dict().unwrap();
    let same =
        before.iter().zip(after.iter()).all(|(a, b)| format!("{:?}", a.data()) == format!("{:?}", b.data()));
    assert!(same);
}
