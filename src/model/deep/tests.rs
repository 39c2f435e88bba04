//! What must hold whatever the weights are; numbers against PyTorch's are in
//! `tests/golden/resnet`.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::model::{Padding, convert};
use crate::run::config::{ModelKind, Stem};

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
    use ModelKind::*;
    let small = [Cnn, Resnet8, Resnet18, Resnet50, Resnext50_32x4d].map(|kind| (kind, [8, 12]));
    let others = [(Squeezenet1_0, [24, 38]), (Densenet121, [32, 40]), (MobilenetV2, [32, 40])];
    let kinds = small.into_iter().chain(others);
    for (kind, size, norm) in kinds.flat_map(|(k, size)| [(k, size, true), (k, size, false)]) {
        // It has none to leave out.
        let norm = norm || kind == Squeezenet1_0;
        for nonlinear in [true, false] {
            let shape = [3, size[0], size[1]];
            let net = deep(Architecture { nonlinear, norm, ..architecture(kind, shape) });
            let size = [2, 3, size[0] as i64, size[1] as i64];
            let (x, y) = (images(size), images(size).flip([2]) * 0.7);
            let logits = |x: &Tensor| net.forward(x, &Pass::eval(false)).unwrap();
            let off = logits(&(&x + &y)) - logits(&x) - logits(&y) + logits(&x.zeros_like());
            let off = (off.norm() / (logits(&x) - logits(&x.zeros_like())).norm()).double_value(&[]);
            assert_eq!(off < 1e-10, !nonlinear, "{kind} norm {norm}: {off:e}");
            let tensors = net.entries().iter().filter(|e| e.name.contains("running_mean")).count();
            assert_eq!(tensors > 0, norm && kind != Squeezenet1_0);
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
fn statistics_of_one_batch_can_be_taken_and_frozen() {
    let net = deep(architecture(ModelKind::Resnet8, [3, 8, 8]));
    let (x, other) = (images([16, 3, 8, 8]), images([5, 3, 8, 8]).flip([3]) * 2.0);
    let _ = tch::no_grad(|| net.forward(&other, &Pass::train(false))).unwrap();
    net.take_statistics(&x).unwrap();
    let logits = |x: &Tensor, pass: &Pass| tch::no_grad(|| net.forward(x, pass)).unwrap();
    // But for n/(n-1) in the variance, n = 16·4 values at least.
    let off = (logits(&x, &Pass::eval(false)) - logits(&x, &Pass::train(false))).abs().max();
    assert!(off.double_value(&[]) < 0.02, "{off:?}");
    net.take_statistics(&x).unwrap();
    let entry = |name: &str| &net.entries().iter().find(|e| e.name == name).unwrap().tensor;
    let first = x.conv2d(entry("conv1.weight"), None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
    let mean = first.mean_dim([0i64, 2, 3].as_slice(), false, None::<Kind>);
    let var = first.var_dim([0i64, 2, 3].as_slice(), true, false);
    for (name, want) in [("bn1.running_mean", mean), ("bn1.running_var", var)] {
        let off = (entry(name) - want).abs().max().double_value(&[]);
        assert!(off < 1e-12, "{name}: {off:e}");
    }
    // A frozen pass answers as evaluation does, changes nothing, and has gradients.
    let all = || net.entries().iter().map(|e| convert::array(&e.tensor).unwrap()).collect::<Vec<_>>();
    let before = all();
    let frozen = net.forward(&other, &Pass::frozen()).unwrap();
    let off = (&frozen - logits(&other, &Pass::eval(false))).abs().max().double_value(&[]);
    assert!(off < 1e-12, "{off:e}");
    assert!(frozen.requires_grad());
    assert_eq!(before, all());
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
    let small = [true, false].map(|train| (ModelKind::Resnet8, [16, 16], train));
    // In training, norms over a few pixels make deep ones differ by more.
    let deep = varied().map(|(kind, size)| (kind, size, false));
    for (kind, [h, w], train) in small.into_iter().chain(deep) {
        let of = architecture(kind, [3, h, w]);
        let net = Deep::new(of, InitKind::Pytorch, 0, Kind::Float, Device::Cpu).unwrap();
        blocks_at_work(&net);
        let x = images([8, 3, h as i64, w as i64]).to_kind(Kind::Float);
        let logits =
            |half| tch::no_grad(|| net.forward(&x, &Pass { train, half, ..Pass::default() })).unwrap();
        let (full, half) = (logits(false), logits(true));
        assert_eq!(half.kind(), Kind::Float);
        let off = ((&full - &half).norm() / full.norm()).double_value(&[]);
        println!("{kind}, training {train}: off by {off:.4}");
        assert!(off > 0.0 && off < 0.05, "{kind}, training {train}: {off}");
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

// One network of each kind of layers, on small images.
fn varied() -> [(ModelKind, [usize; 2]); 5] {
    use ModelKind::*;
    [
        (Resnext50_32x4d, [16, 24]),
        (Squeezenet1_1, [17, 24]),
        (Densenet121, [32, 40]),
        (MobilenetV2, [32, 40]),
        (ConvnextTiny, [32, 40]),
    ]
}

// As they begin, ConvNeXt's blocks are as good as not there.
fn blocks_at_work(net: &Deep) {
    let _no_grad = tch::no_grad_guard();
    for entry in net.entries().iter().filter(|e| e.name.ends_with("layer_scale")) {
        let _ = entry.tensor.shallow_clone().fill_(0.5);
    }
}

#[test]
fn gradients_flow_through_all_layers() {
    for (kind, [h, w]) in varied() {
        let net = deep(architecture(kind, [3, h, w]));
        blocks_at_work(&net);
        // So that signals keep their size: differences round.
        for kernel in net.entries().iter().filter(|e| e.role == Role::Kernel) {
            let _ = tch::no_grad(|| kernel.tensor.shallow_clone().g_mul_scalar_(6f64.sqrt()));
        }
        let x = images([2, 3, h as i64, w as i64]);
        let sum = |x: &Tensor| {
            let logits = net.forward(x, &Pass::eval(false)).unwrap();
            (&logits * (Tensor::arange(5, (Kind::Double, Device::Cpu)) - 1.5)).sum(Kind::Double)
        };
        let input = x.copy().set_requires_grad(true);
        let gradient = Tensor::run_backward(&[sum(&input)], &[&input], false, false).remove(0);
        // Along the gradient the slope is its norm.
        let norm = gradient.norm().double_value(&[]);
        let step = 1e-6;
        let aside = gradient * (step / norm);
        let difference = (sum(&(&x + &aside)) - sum(&(&x - &aside))).double_value(&[]);
        let off = (difference / (2.0 * step) - norm).abs() / norm;
        println!("{kind}: gradient of {norm:.3e}, off by {off:.1e}");
        assert!(off < 1e-4, "{kind}: {norm:e} is off by {off:e}");
        // In training, to every weight.
        let logits = net.forward(&x, &Pass::train(false)).unwrap();
        let weights: Vec<_> = net.parameters().map(|e| &e.tensor).collect();
        let loss = logits.square().sum(Kind::Double);
        let gradients = Tensor::run_backward(&[loss], &weights, false, false);
        for (gradient, entry) in gradients.iter().zip(net.parameters()) {
            let size = gradient.abs().max().double_value(&[]);
            assert!(size > 0.0 && size.is_finite(), "{kind} {}: {size}", entry.name);
        }
    }
}

#[test]
fn taps_hold_what_layers_put_out() {
    for (kind, [h, w]) in varied() {
        let norm = kind != ModelKind::Densenet121;
        let net = deep(Architecture { norm, ..architecture(kind, [3, h, w]) });
        let taps = Taps::default();
        let x = images([2, 3, h as i64, w as i64]);
        let logits = net.forward(&x, &Pass { taps: Some(&taps), ..Pass::eval(false) }).unwrap();
        assert_eq!(logits, net.forward(&x, &Pass::eval(false)).unwrap(), "{kind}");
        let taps = taps.into_inner();
        assert!(taps.len() >= 5, "{kind}: {}", taps.len());
        let names: std::collections::BTreeSet<_> = taps.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), taps.len(), "{kind}");
        assert!(taps.iter().all(|(_, t)| t.dim() == 4 && t.size()[0] == 2), "{kind}");
        if kind == ModelKind::Densenet121 {
            // What is rectified later is not rectified here.
            let block = &taps.iter().find(|(name, _)| name == "features.denseblock1").unwrap().1;
            assert!(block.min().double_value(&[]) < 0.0);
        }
    }
}

#[test]
fn dropout_leaves_the_mean_and_is_named_by_its_draws() {
    let x = Tensor::ones([40, 3, 20, 20], (Kind::Double, Device::Cpu));
    let pass = |seed: u64, steps: &[net::Step], train| {
        let draws = Draws::new(crate::seed::rng(seed, "test/dropout", 0));
        let pass = Pass { train, draws: Some(&draws), ..Pass::default() };
        convert::array(&net::forward(steps, &x, &pass).unwrap()).unwrap()
    };
    let dropout = [net::Step::Dropout(0.25)];
    let (a, again, b) = (pass(1, &dropout, true), pass(1, &dropout, true), pass(2, &dropout, true));
    assert_eq!(a, again);
    assert_ne!(a, b);
    let close = |v: f64, w: f64| (v - w).abs() < 1e-6;
    assert!(a.iter().all(|&v| v == 0.0 || close(v, 4.0 / 3.0)));
    let share = a.iter().filter(|v| **v == 0.0).count() as f64 / a.len() as f64;
    assert!((share - 0.25).abs() < 0.01, "{share}");
    assert!(pass(1, &dropout, false).iter().all(|&v| v == 1.0));
    assert_eq!(net::forward(&dropout, &x, &Pass::train(false)).unwrap(), x);
    // A block is dropped for whole images: x + x/p, or x alone.
    let main = vec![net::Step::Activation(crate::blueprint::Activation::Relu)];
    let block = [net::Step::Sum { main, shortcut: vec![], scale: None, drop: 0.5 }];
    let y = pass(1, &block, true);
    let kinds: std::collections::BTreeSet<_> = y
        .outer_iter()
        .map(|image| {
            let first = image[[0, 0, 0]];
            assert!(image.iter().all(|&v| v == first));
            first as i64
        })
        .collect();
    assert_eq!(kinds, [1, 3].into(), "40 images, half of them dropped");
    assert!(pass(1, &block, false).iter().all(|&v| v == 2.0));
}

#[test]
fn another_number_of_classes_is_said_to_be_that() {
    let shape = [3, 32, 32];
    for kind in [ModelKind::Resnet8, ModelKind::Squeezenet1_1] {
        let of = |classes| Architecture::usual(kind, shape, classes);
        let net = |classes| Deep::new(of(classes), InitKind::Pytorch, 0, Kind::Float, Device::Cpu).unwrap();
        let file = net(7).state_dict().unwrap();
        let error = net(5).load(&file, "a.pth").unwrap_err().to_string();
        let expected =
            "a.pth: expected a head of 5 outputs, one for each class of the images, found 7 outputs";
        assert!(error.starts_with(expected), "{error}");
        let same = Deep::with_weights(of(7), &file, "a.pth", Kind::Float, Device::Cpu).unwrap();
        let x = images([2, 3, 32, 32]).to_kind(Kind::Float);
        let logits = |net: &Deep| net.forward(&x, &Pass::eval(false)).unwrap();
        assert_eq!(logits(&same), logits(&net(7)));
    }
}

#[test]
fn names_of_old_densenets_are_loaded() {
    let architecture = Architecture::usual(ModelKind::Densenet121, [3, 32, 32], 5);
    let net =
        |seed| Deep::new(architecture.clone(), InitKind::Pytorch, seed, Kind::Float, Device::Cpu).unwrap();
    let (one, other) = (net(1), net(2));
    let mut old = StateDict::new();
    for tensor in one.state_dict().unwrap() {
        let (mut name, shape, data) = tensor.into_parts();
        for module in ["norm", "conv"] {
            for i in ["1", "2"] {
                name = name.replace(&format!(".{module}{i}."), &format!(".{module}.{i}."));
            }
        }
        old.push(NamedTensor::new(name, shape, data).unwrap()).unwrap();
    }
    assert!(old.get("features.denseblock4.denselayer16.conv.2.weight").is_some());
    other.load(&old, "old.pth").unwrap();
    let x = images([2, 3, 32, 32]).to_kind(Kind::Float);
    let logits = |net: &Deep| net.forward(&x, &Pass::eval(false)).unwrap();
    assert_eq!(logits(&one), logits(&other));
}

#[test]
fn every_family_learns_and_can_be_looked_at() {
    use ModelKind::*;
    let kinds = [
        (MobilenetV3Small, [32, 40]),
        (EfficientnetB0, [32, 40]),
        (EfficientnetV2S, [32, 40]),
        (ShufflenetV2X0_5, [32, 40]),
        (Googlenet, [32, 40]),
        (InceptionV3, [75, 80]),
        (VitB_32, [32, 64]),
        (SwinT, [40, 64]),
        (SwinV2T, [40, 64]),
        (MaxvitT, [224, 224]),
    ];
    for (kind, [h, w]) in kinds {
        let architecture = Architecture::usual(kind, [3, h, w], 3);
        let net = Deep::new(architecture, InitKind::Pytorch, 3, Kind::Float, Device::Cpu).unwrap();
        let x = images([3, 3, h as i64, w as i64]).to_kind(Kind::Float);
        let logits = net.forward(&x, &Pass::train(false)).unwrap();
        assert_eq!(logits.size(), [3, 3], "{kind}");
        (logits * Tensor::from_slice(&[1f32, -2.0, 0.5])).sum(Kind::Float).backward();
        let without: Vec<_> =
            net.parameters().filter(|e| !e.tensor.grad().defined()).map(|e| &e.name).collect();
        assert!(without.is_empty(), "{kind}: no gradient for {without:?}");
        // In bfloat16 the answers are about the same.
        let eval = |half| net.forward(&x, &Pass::eval(half)).unwrap();
        let off = ((eval(true) - eval(false)).norm() / eval(false).norm()).double_value(&[]);
        assert!(off < 0.1, "{kind}: {off}");
        let (jacobian, activations) = crate::probe::jacobian(&net, &x.narrow(0, 0, 1)).unwrap();
        assert!(jacobian.mean.iter().all(|v| v.is_finite()) && activations.len() > 3, "{kind}");
    }
}

#[test]
fn mean_pools_are_those_of_libtorch_forward_and_backward() {
    use crate::blueprint::Pool;
    let weights = images([2, 3, 9, 9]);
    for (last, ceil) in [(false, false), (true, false), (false, true), (true, true)] {
        for (size, stride, padding) in [(3, 1, 1), (3, 2, 1), (2, 2, 0), (5, 3, 2), (2, 2, 1)] {
            let of = |pool: &dyn Fn(&Tensor) -> Tensor| {
                let x = images([2, 3, 9, 8]);
                let x = if last { super::channels_last(&x).unwrap() } else { x }.set_requires_grad(true);
                let y = pool(&x);
                let part = weights.narrow(2, 0, y.size()[2]).narrow(3, 0, y.size()[3]);
                (&y * part).sum(Kind::Double).backward();
                [y.detach(), x.grad()]
            };
            let (s, t, p) = (size as i64, stride as i64, padding as i64);
            let want = of(&|x| x.avg_pool2d([s, s], [t, t], [p, p], ceil, true, None::<i64>));
            let pool = Pool { ceil, ..Pool::mean(size, stride, padding) };
            let found = of(&|x| net::pooled(x, &pool).unwrap());
            for (want, found) in want.iter().zip(&found) {
                assert_eq!(found.size(), want.size(), "{pool:?}");
                assert!(found.allclose(want, 1e-14, 1e-14, false), "{pool:?} {last}");
            }
        }
    }
}

#[test]
fn resizing_is_adaptive_pooling_forward_and_backward() {
    for (kind, off) in [(Kind::Double, 1e-14), (Kind::Float, 1e-6), (Kind::BFloat16, 1e-2)] {
        for [h, w] in [[1, 1], [2, 5], [7, 7], [7, 9], [13, 30]] {
            let rounded = |shape| images(shape).to_kind(kind);
            let of = |kind, pool: &dyn Fn(&Tensor) -> Tensor| {
                let x = rounded([2, 3, h, w]).to_kind(kind).set_requires_grad(true);
                let y = pool(&x);
                (&y * rounded([2, 3, 7, 7]).to_kind(kind)).sum(Kind::Double).backward();
                [y.detach(), x.grad()]
            };
            let want = of(Kind::Double, &|x| x.adaptive_avg_pool2d([7, 7]));
            let found = of(kind, &|x| net::resized(x, 7).unwrap());
            for (want, found) in want.iter().zip(&found) {
                assert_eq!((found.kind(), found.size()), (kind, want.size()));
                assert!(found.to_kind(Kind::Double).allclose(want, off, off, false), "{kind:?} {h} {w}");
            }
        }
    }
}
