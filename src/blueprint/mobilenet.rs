//! MobileNetV2 (Sandler et al., "MobileNetV2: Inverted Residuals and Linear
//! Bottlenecks", CVPR 2018), of width 1.

use super::{Activation, Architecture, Conv, Family, Layer, dense, tap};
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
            let conv = Conv::new(format!("{name}.0"), shape, size, stride, size / 2).grouped(groups);
            [Layer::Conv(conv.with_norm(format!("{name}.1"))), RELU6]
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
                    layers.push(Layer::Sum { main: block, shortcut: vec![], scale: None, drop: 0.0 });
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
