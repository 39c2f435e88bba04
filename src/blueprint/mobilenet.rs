//! MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear
//! Bottlenecks", CVPR 2018) and V3 (Howard et al., "Searching for MobileNetV3", ICCV 2019), of width 1.
//!
//! In training, running statistics of norms move with the momentum of all networks here, 0.1;
//! torchvision's V3 moves with 0.01.

use super::{Activation, Architecture, Conv, Family, Layer, RELU, dense, multiple_of_8, residual, tap};
use crate::error::Result;

/// Expansion, channels, blocks and stride of the first one (table 2).
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

const RELU6: Layer = Layer::Activation(Activation::Relu6);

/// MobileNetV2.
pub struct V2;

impl Family for V2 {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let unit = |name: String, shape, size: usize, stride, groups| {
            [Layer::Conv(super::unit(name, shape, size, stride, groups)), RELU6]
        };
        let mut layers = Vec::from(unit("features.0".to_owned(), [32, channels], 3, 2, 1));
        layers.push(tap("features.0"));
        let (mut at, mut inputs) = (1, 32);
        for (expansion, outputs, count, first) in STAGES {
            for index in 0..count {
                let stride = if index == 0 { first } else { 1 };
                let name = format!("features.{at}.conv");
                let inner = inputs * expansion;
                let mut block = Vec::new();
                let mut part = 0;
                if expansion != 1 {
                    block.extend(unit(format!("{name}.0"), [inner, inputs], 1, 1, 1));
                    part = 1;
                }
                block.extend(unit(format!("{name}.{part}"), [inner, inner], 3, stride, inner));
                let last = Conv::new(format!("{name}.{}", part + 1), [outputs, inner], 1, 1, 0);
                block.push(Layer::Conv(last.with_norm(format!("{name}.{}", part + 2))));
                if stride == 1 && inputs == outputs {
                    layers.push(residual(block, 0.0));
                } else {
                    layers.extend(block);
                }
                (at, inputs) = (at + 1, outputs);
            }
            layers.push(tap(format!("features.{}", at - 1)));
        }
        layers.extend(unit(format!("features.{at}"), [1280, inputs], 1, 1, 1));
        layers.push(tap(format!("features.{at}")));
        layers.extend([Layer::Mean, Layer::Dropout(0.2), dense("classifier.1", classes, 1280)]);
        Ok((layers, 32))
    }
}

/// Kernel size, channels inside and outside, whether there is a gate, whether activations are hard
/// swishes, stride.
type Block = (usize, usize, usize, bool, bool, usize);

/// Blocks of the large network (table 1 of the second paper).
pub const LARGE: [Block; 15] = [
    (3, 16, 16, false, false, 1),
    (3, 64, 24, false, false, 2),
    (3, 72, 24, false, false, 1),
    (5, 72, 40, true, false, 2),
    (5, 120, 40, true, false, 1),
    (5, 120, 40, true, false, 1),
    (3, 240, 80, false, true, 2),
    (3, 200, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 184, 80, false, true, 1),
    (3, 480, 112, true, true, 1),
    (3, 672, 112, true, true, 1),
    (5, 672, 160, true, true, 2),
    (5, 960, 160, true, true, 1),
    (5, 960, 160, true, true, 1),
];

/// Blocks of the small network (table 2).
pub const SMALL: [Block; 11] = [
    (3, 16, 16, true, false, 2),
    (3, 72, 24, false, false, 2),
    (3, 88, 24, false, false, 1),
    (5, 96, 40, true, true, 2),
    (5, 240, 40, true, true, 1),
    (5, 240, 40, true, true, 1),
    (5, 120, 48, true, true, 1),
    (5, 144, 48, true, true, 1),
    (5, 288, 96, true, true, 2),
    (5, 576, 96, true, true, 1),
    (5, 576, 96, true, true, 1),
];

/// A MobileNetV3.
pub struct V3 {
    /// Its blocks.
    pub blocks: &'static [Block],
    /// Values before the head.
    pub last: usize,
}

impl Family for V3 {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        const HARDSWISH: Layer = Layer::Activation(Activation::Hardswish);
        let unit = |name: String, shape: [usize; 2], size: usize, stride, groups| {
            Layer::Conv(super::unit(name, shape, size, stride, groups).with_epsilon(1e-3))
        };
        let mut inputs = 16;
        let first = unit("features.0".to_owned(), [inputs, architecture.shape[0]], 3, 2, 1);
        let mut layers = vec![first, HARDSWISH, tap("features.0")];
        let mut at = 0;
        for &(size, inner, outputs, gate, hard, stride) in self.blocks {
            at += 1;
            if stride > 1 && at > 1 {
                layers.push(tap(format!("features.{}", at - 1)));
            }
            let name = format!("features.{at}.block");
            let activation = if hard { HARDSWISH } else { RELU };
            let mut block = Vec::new();
            let mut part = 0;
            if inner != inputs {
                block.extend([unit(format!("{name}.0"), [inner, inputs], 1, 1, 1), activation.clone()]);
                part = 1;
            }
            block.extend([unit(format!("{name}.{part}"), [inner, inner], size, stride, inner), activation]);
            if gate {
                part += 1;
                let few = multiple_of_8((inner / 4) as f64);
                let conv = |fc: &str, shape| {
                    Layer::Conv(Conv::new(format!("{name}.{part}.{fc}"), shape, 1, 1, 0).with_bias())
                };
                let layers = vec![conv("fc1", [few, inner]), RELU, conv("fc2", [inner, few])];
                block.push(Layer::Gate { layers, hard: true });
            }
            block.push(unit(format!("{name}.{}", part + 1), [outputs, inner], 1, 1, 1));
            if stride == 1 && inputs == outputs {
                layers.push(residual(block, 0.0));
            } else {
                layers.extend(block);
            }
            inputs = outputs;
        }
        layers.push(tap(format!("features.{at}")));
        let (name, wide) = (format!("features.{}", at + 1), 6 * inputs);
        layers.extend([unit(name.clone(), [wide, inputs], 1, 1, 1), HARDSWISH, tap(name), Layer::Mean]);
        layers.extend([dense("classifier.0", self.last, wide), HARDSWISH, Layer::Dropout(0.2)]);
        layers.push(dense("classifier.3", architecture.outputs, self.last));
        Ok((layers, 1))
    }
}
