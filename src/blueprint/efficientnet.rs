//! EfficientNet (Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
//! ICML 2019; "EfficientNetV2: Smaller Models and Faster Training", ICML 2021).
//!
//! In training, running statistics of norms move with the momentum of all networks here, 0.1; torchvision's
//! B5 to B7 move with 0.01.

use super::{Activation, Architecture, Conv, EPSILON, Family, Layer, dense, multiple_of_8, residual, tap};
use crate::error::Result;

/// Blocks of a stage that are alike.
pub struct Stage {
    /// Whether one convolution widens and looks around, in place of two and a gate.
    pub fused: bool,
    /// Factor by which a block is wider inside.
    pub widen: usize,
    /// Kernel size.
    pub size: usize,
    /// Stride of the first block.
    pub stride: usize,
    /// Channels.
    pub channels: usize,
    /// Blocks.
    pub count: usize,
}

const fn gated(widen: usize, size: usize, stride: usize, channels: usize, count: usize) -> Stage {
    Stage { fused: false, widen, size, stride, channels, count }
}

const fn fused(widen: usize, stride: usize, channels: usize, count: usize) -> Stage {
    Stage { fused: true, widen, size: 3, stride, channels, count }
}

/// Stages of B0 (table 1 of the first paper).
pub const B0: [Stage; 7] = [
    gated(1, 3, 1, 16, 1),
    gated(6, 3, 2, 24, 2),
    gated(6, 5, 2, 40, 2),
    gated(6, 3, 2, 80, 3),
    gated(6, 5, 1, 112, 3),
    gated(6, 5, 2, 192, 4),
    gated(6, 3, 1, 320, 1),
];

/// Stages of V2-S (table 4 of the second paper), M and L.
pub const V2_S: [Stage; 6] = [
    fused(1, 1, 24, 2),
    fused(4, 2, 48, 4),
    fused(4, 2, 64, 4),
    gated(4, 3, 2, 128, 6),
    gated(6, 3, 1, 160, 9),
    gated(6, 3, 2, 256, 15),
];
#[allow(missing_docs)]
pub const V2_M: [Stage; 7] = [
    fused(1, 1, 24, 3),
    fused(4, 2, 48, 5),
    fused(4, 2, 80, 5),
    gated(4, 3, 2, 160, 7),
    gated(6, 3, 1, 176, 14),
    gated(6, 3, 2, 304, 18),
    gated(6, 3, 1, 512, 5),
];
#[allow(missing_docs)]
pub const V2_L: [Stage; 7] = [
    fused(1, 1, 32, 4),
    fused(4, 2, 64, 7),
    fused(4, 2, 96, 7),
    gated(4, 3, 2, 192, 10),
    gated(6, 3, 1, 224, 19),
    gated(6, 3, 2, 384, 25),
    gated(6, 3, 1, 640, 7),
];

/// An EfficientNet.
pub struct Efficientnet {
    /// Stages, before they are scaled.
    pub stages: &'static [Stage],
    /// Channels of the first layer, before they are scaled.
    pub stem: usize,
    /// Channels of the last layer; four times those of the last stage without.
    pub last: Option<usize>,
    /// Factor of channels.
    pub width: f64,
    /// Factor of the numbers of blocks.
    pub depth: f64,
    /// Dropout before the head.
    pub dropout: f64,
    /// Whether the norms' ε is 1e-3.
    pub large_epsilon: bool,
}

const SILU: Layer = Layer::Activation(Activation::Silu);

/// Largest probability of a dropped block.
const DROP: f64 = 0.2;

impl Family for Efficientnet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let epsilon = if self.large_epsilon { 1e-3 } else { EPSILON };
        let unit = |name: String, shape: [usize; 2], size: usize, stride, groups| {
            Layer::Conv(super::unit(name, shape, size, stride, groups).with_epsilon(epsilon))
        };
        let scaled = |channels: usize| multiple_of_8(channels as f64 * self.width);
        let counts: Vec<usize> =
            self.stages.iter().map(|stage| (stage.count as f64 * self.depth).ceil() as usize).collect();
        let blocks: usize = counts.iter().sum();
        let mut inputs = scaled(self.stem);
        let mut layers = vec![
            unit("features.0".to_owned(), [inputs, architecture.shape[0]], 3, 2, 1),
            SILU,
            tap("features.0"),
        ];
        let mut done = 0;
        for (at, (stage, count)) in self.stages.iter().zip(&counts).enumerate() {
            let outputs = scaled(stage.channels);
            for index in 0..*count {
                let stride = if index == 0 { stage.stride } else { 1 };
                let name = format!("features.{}.{index}.block", at + 1);
                let main = block(&unit, &name, stage, [inputs, outputs], stride);
                if stride == 1 && inputs == outputs {
                    // The deeper a block, the likelier it is dropped.
                    layers.push(residual(main, DROP * done as f64 / blocks as f64));
                } else {
                    layers.extend(main);
                }
                (inputs, done) = (outputs, done + 1);
            }
            layers.push(tap(format!("features.{}", at + 1)));
        }
        let (name, last) = (format!("features.{}", self.stages.len() + 1), self.last.unwrap_or(4 * inputs));
        layers.extend([unit(name.clone(), [last, inputs], 1, 1, 1), SILU, tap(name)]);
        layers.extend([Layer::Mean, Layer::Dropout(self.dropout)]);
        layers.push(dense("classifier.1", architecture.outputs, last));
        Ok((layers, 1))
    }
}

type Unit<'a> = &'a dyn Fn(String, [usize; 2], usize, usize, usize) -> Layer;

fn block(unit: Unit, name: &str, stage: &Stage, [inputs, outputs]: [usize; 2], stride: usize) -> Vec<Layer> {
    let inner = multiple_of_8((inputs * stage.widen) as f64);
    let mut block = Vec::new();
    if stage.fused {
        if inner == inputs {
            return vec![unit(format!("{name}.0"), [outputs, inputs], stage.size, stride, 1), SILU];
        }
        block.extend([unit(format!("{name}.0"), [inner, inputs], stage.size, stride, 1), SILU]);
        block.push(unit(format!("{name}.1"), [outputs, inner], 1, 1, 1));
        return block;
    }
    let mut part = 0;
    if inner != inputs {
        block.extend([unit(format!("{name}.0"), [inner, inputs], 1, 1, 1), SILU]);
        part = 1;
    }
    block.extend([unit(format!("{name}.{part}"), [inner, inner], stage.size, stride, inner), SILU]);
    let few = (inputs / 4).max(1);
    let conv = |fc: &str, shape| {
        Layer::Conv(Conv::new(format!("{name}.{}.{fc}", part + 1), shape, 1, 1, 0).with_bias())
    };
    let gate = vec![conv("fc1", [few, inner]), SILU, conv("fc2", [inner, few])];
    block.push(Layer::Gate { layers: gate, hard: false });
    block.push(unit(format!("{name}.{}", part + 2), [outputs, inner], 1, 1, 1));
    block
}
