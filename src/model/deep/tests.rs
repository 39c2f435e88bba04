//! What must hold whatever the weights are; numbers against PyTorch's are in
//! `tests/golden/resnet`.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::convert;

fn architecture(kind: ModelKind, shape: [usize; 3]) -> Architecture {
    Architecture { plain: (4, 2, (3, 3)), ..Architecture::usual(kind, shape, 5) }
}

fn deep(architecture: Architecture) -> Deep {
    Deep::new(architecture, InitKind::Pytorch, 3, Kind::Double, Device::Cpu).unwrap()
}

fn images(shape: [i64; 4]) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| ((i * 7919 % 104_729) as f64 / 52_364.5) - 1.0).collect();
    Tensor::from_slice(&values).reshape(shape)
}

#[test]
fn circular_networks_do_not_see_shifts_that_their_strides_divide() {
    for (kind, shift) in [(ModelKind::Resnet8, 4), (ModelKind::Resnet18, 8)] {
        let net = deep(Architecture { padding: Padding::Circular, ..architecture(kind, [3, 16, 24]) });
        let x = images([2, 3, 16, 24]);
        let logits = |x: &Tensor| convert::array(&net.forward(x, &Pass::eval(false)).unwrap()).unwrap();
        let (still, shifted) = (logits(&x), logits(&x.roll([shift, 0], [2, 3])));
        assert!(still.iter().zip(&shifted).all(|(a, b)| (a - b).abs() < 1e-10), "{kind}");
        let off = logits(&x.roll([1, 0], [2, 3]));
        assert!(still.iter().zip(&off).any(|(a, b)| (a - b).abs() > 1e-6), "{kind}");
    }
}

#[test]
fn without_nonlinearity_outputs_add_up() {
    let kinds = [ModelKind::Cnn, ModelKind::Resnet8, ModelKind::Resnet18, ModelKind::Resnet50];
    for (kind, norm) in kinds.into_iter().flat_map(|k| [(k, true), (k, false)]) {
        for nonlinear in [true, false] {
            let net = deep(Architecture { nonlinear, norm, ..architecture(kind, [3, 8, 12]) });
            let (x, y) = (images([2, 3, 8, 12]), images([2, 3, 8, 12]).flip([2]) * 0.7);
            let logits = |x: &Tensor| net.forward(x, &Pass::eval(false)).unwrap();
            let off = logits(&(&x + &y)) - logits(&x) - logits(&y) + logits(&x.zeros_like());
            let off = (off.norm() / (logits(&x) - logits(&x.zeros_like())).norm()).double_value(&[]);
            assert_eq!(off < 1e-10, !nonlinear, "{kind} norm {norm}: {off:e}");
            let tensors = net.entries().iter().filter(|e| e.name.contains("running_mean")).count();
            assert_eq!(tensors > 0, norm);
        }
    }
}

// Folding the norms into the kernels is an identity, and weights get no gradient.
#[test]
fn evaluation_uses_the_running_statistics() {
    let net = deep(architecture(ModelKind::Resnet8, [3, 8, 8]));
    let x = images([16, 3, 8, 8]);
    // Statistics of this very batch, in the end.
    for _ in 0..200 {
        let _ = tch::no_grad(|| net.forward(&x, &Pass::train(false))).unwrap();
    }
    let logits = |pass: &Pass| tch::no_grad(|| net.forward(&x, pass)).unwrap();
    // PyTorch's running variance is the unbiased one: n/(n-1) of the batch's.
    let off = (logits(&Pass::eval(false)) - logits(&Pass::train(false))).abs().max().double_value(&[]);
    assert!(off > 0.0 && off < 0.02, "{off}");
    let eval = net.forward(&x, &Pass::eval(false)).unwrap();
    assert!(!eval.requires_grad());
    assert!(net.forward(&x, &Pass::train(false)).unwrap().requires_grad());
}

#[test]
fn a_cnn_of_one_linear_layer_is_the_lcnn() {
    let shape = [2, 6, 7];
    for (padding, kernel) in [
        (Padding::Circular, (3, 3)),
        (Padding::Zero, (3, 5)),
        (Padding::Zero, (2, 4)),
        (Padding::Circular, (6, 7)),
    ] {
        let plain = (3, 2, kernel);
        let net = deep(Architecture {
            nonlinear: false,
            norm: false,
            padding,
            plain,
            ..architecture(ModelKind::Cnn, shape)
        });
        let entry = |name: &str| {
            convert::array(&net.entries().iter().find(|e| e.name == name).unwrap().tensor).unwrap()
        };
        let kernels = ["conv1.weight", "conv2.weight"].map(|n| entry(n).into_dimensionality().unwrap());
        let dense = entry("fc.weight").into_shape_with_order((5, 3, 6, 7)).unwrap();
        let lcnn = crate::model::Lcnn::new(&kernels, &dense, padding, Kind::Double, Device::Cpu).unwrap();
        use crate::model::Network;
        let x = images([4, 2, 6, 7]);
        let expected = x.reshape([4, -1]).matmul(&lcnn.end_to_end().tr());
        let bias = &net.entries().iter().find(|e| e.name == "fc.bias").unwrap().tensor;
        let found = net.forward(&x, &Pass::eval(false)).unwrap() - bias;
        let off = (found - expected).abs().max().double_value(&[]);
        assert!(off < 1e-12, "{padding:?} {kernel:?}: {off:e}");
    }
}

#[test]
fn initial_weights_are_pytorchs_and_named_by_their_seed() {
    let make = |init, seed| {
        Deep::new(architecture(ModelKind::Resnet18, [3, 16, 16]), init, seed, Kind::Float, Device::Cpu)
            .unwrap()
    };
    let weights = |net: &Deep, name: &str| {
        let entry = net.entries().iter().find(|e| e.name == name).unwrap();
        convert::array(&entry.tensor).unwrap()
    };
    let name = "layer2.0.conv2.weight"; // 128×128×3×3
    let (a, again, b) = (make(InitKind::Pytorch, 1), make(InitKind::Pytorch, 1), make(InitKind::Pytorch, 2));
    assert_eq!(weights(&a, name), weights(&again, name));
    assert_ne!(weights(&a, name), weights(&b, name));
    let bound = 1.0 / (128.0f64 * 9.0).sqrt();
    let variance = |w: &ndarray::ArrayD<f64>| w.iter().map(|v| v * v).sum::<f64>() / w.len() as f64;
    let w = weights(&a, name);
    assert!(w.iter().all(|v| v.abs() <= bound) && (variance(&w) / (bound * bound / 3.0) - 1.0).abs() < 0.01);
    let kaiming = weights(&make(InitKind::Kaiming, 1), name);
    assert!((variance(&kaiming) / (2.0 / (128.0 * 9.0)) - 1.0).abs() < 0.02);
}

#[test]
fn half_precision_is_close() {
    let net = Deep::new(
        architecture(ModelKind::Resnet8, [3, 16, 16]),
        InitKind::Pytorch,
        0,
        Kind::Float,
        Device::Cpu,
    )
    .unwrap();
    let x = images([8, 3, 16, 16]).to_kind(Kind::Float);
    for train in [true, false] {
        let logits = |half| tch::no_grad(|| net.forward(&x, &Pass { train, half, taps: None })).unwrap();
        let (full, half) = (logits(false), logits(true));
        assert_eq!(half.kind(), Kind::Float);
        let off = ((&full - &half).norm() / full.norm()).double_value(&[]);
        assert!(off > 0.0 && off < 0.05, "{off}");
    }
}

#[test]
fn images_too_small_for_the_strides_are_refused() {
    let refused = |architecture: Architecture| {
        let net = Deep::new(architecture, InitKind::Pytorch, 0, Kind::Float, Device::Cpu);
        net.err().expect("an error").to_string()
    };
    let imagenet = Architecture { stem: Stem::Imagenet, ..architecture(ModelKind::Resnet50, [3, 31, 64]) };
    assert!(refused(imagenet).contains("at least 32x32 for resnet50"));
    assert!(refused(architecture(ModelKind::Resnet8, [3, 3, 8])).contains("at least 4x4"));
    assert!(refused(architecture(ModelKind::Lcnn, [3, 8, 8])).contains("a deep network"));
    let wide = Architecture { plain: (2, 1, (9, 3)), ..architecture(ModelKind::Cnn, [3, 8, 8]) };
    assert!(refused(wide).contains("no larger than the images"));
}
