//! Residual networks (He et al., "Deep Residual Learning for Image Recognition",
//! CVPR 2016), for ImageNet and for CIFAR (section 4.2); wide ones and ResNeXts.

use super::{Architecture, Conv, Layer, Pool, RELU, dense, tap};
use crate::run::config::{ModelKind, Shortcut, Stem};

/// For ImageNet: blocks per stage, whether they are bottlenecks, groups of their
/// 3×3 convolutions and channels of each where a stage has 64.
fn imagenet(kind: ModelKind) -> Option<([usize; 4], bool, usize, usize)> {
    use ModelKind::*;
    Some(match kind {
        Resnet18 => ([2, 2, 2, 2], false, 1, 64),
        Resnet34 => ([3, 4, 6, 3], false, 1, 64),
        Resnet50 => ([3, 4, 6, 3], true, 1, 64),
        Resnet101 => ([3, 4, 23, 3], true, 1, 64),
        Resnet152 => ([3, 8, 36, 3], true, 1, 64),
        WideResnet50_2 => ([3, 4, 6, 3], true, 1, 128),
        WideResnet101_2 => ([3, 4, 23, 3], true, 1, 128),
        Resnext50_32x4d => ([3, 4, 6, 3], true, 32, 4),
        Resnext101_32x8d => ([3, 4, 23, 3], true, 32, 8),
        Resnext101_64x4d => ([3, 4, 23, 3], true, 64, 4),
        _ => return None,
    })
}

// Blocks per stage: 6n + 2 layers.
fn cifar(kind: ModelKind) -> usize {
    match kind {
        ModelKind::Resnet8 => 1,
        ModelKind::Resnet20 => 3,
        ModelKind::Resnet32 => 5,
        ModelKind::Resnet44 => 7,
        ModelKind::Resnet56 => 9,
        _ => 18,
    }
}

/// The layers, and the product of all strides.
pub fn layers(architecture: &Architecture) -> (Vec<Layer>, usize) {
    let kind = architecture.kind;
    let large = imagenet(kind);
    let (counts, bottleneck, groups, base) = match large {
        Some((counts, bottleneck, groups, base)) => (counts.to_vec(), bottleneck, groups, base),
        None => (vec![cifar(kind); 3], false, 1, 64),
    };
    let first = if large.is_some() { 64 } else { 16 };
    let wide_stem = large.is_some() && architecture.stem == Stem::Imagenet;
    let (size, stride) = if wide_stem { (7, 2) } else { (3, 1) };
    let stem = Conv::new("conv1", [first, architecture.shape[0]], size, stride, size / 2).with_norm("bn1");
    let mut layers = vec![Layer::Conv(stem), RELU, tap("conv1")];
    if wide_stem {
        layers.push(Layer::Pool(Pool::max(3, 2, 1)));
    }
    let expansion = if bottleneck { 4 } else { 1 };
    let mut inputs = first;
    let stages = counts.len();
    for (stage, count) in counts.into_iter().enumerate() {
        let width = first << stage;
        let outputs = width * expansion;
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("layer{}.{index}", stage + 1);
            let unit = |i: usize, shape, size: usize, stride, groups| {
                let conv = Conv::new(format!("{name}.conv{i}"), shape, size, stride, size / 2);
                Layer::Conv(conv.grouped(groups).with_norm(format!("{name}.bn{i}")))
            };
            let main = if bottleneck {
                let inner = width * base / 64 * groups;
                vec![
                    unit(1, [inner, inputs], 1, 1, 1),
                    RELU,
                    unit(2, [inner, inner], 3, stride, groups),
                    RELU,
                    unit(3, [outputs, inner], 1, 1, 1),
                ]
            } else {
                vec![unit(1, [width, inputs], 3, stride, 1), RELU, unit(2, [width, width], 3, 1, 1)]
            };
            let shortcut = if stride == 1 && inputs == outputs {
                vec![]
            } else if large.is_none() && architecture.shortcut == Shortcut::A {
                vec![Layer::Subsample((outputs - inputs) / 2)]
            } else {
                let path = if large.is_some() { "downsample" } else { "shortcut" };
                let conv = Conv::new(format!("{name}.{path}.0"), [outputs, inputs], 1, stride, 0);
                vec![Layer::Conv(conv.with_norm(format!("{name}.{path}.1")))]
            };
            layers.extend([Layer::Sum { main, shortcut, scale: None, drop: 0.0 }, RELU]);
            inputs = outputs;
        }
        layers.push(tap(format!("layer{}", stage + 1)));
    }
    let name = if large.is_some() { "fc" } else { "linear" };
    layers.extend([Layer::Mean, dense(name, architecture.outputs, inputs)]);
    (layers, (if wide_stem { 4 } else { 1 }) << (stages - 1))
}
