//! ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022).

use super::{Activation, Architecture, Conv, Family, Layer, dense, tap};
use crate::error::Result;

/// A ConvNeXt.
pub struct Convnext {
    /// Channels of the first stage.
    pub first: usize,
    /// Blocks per stage.
    pub blocks: [usize; 4],
    /// Largest probability of a dropped block.
    pub drop: f64,
}

impl Family for Convnext {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let Self { first, blocks: counts, drop } = *self;
        let norm =
            |name: &str, channels| Layer::ChannelNorm { name: name.to_owned(), channels, epsilon: 1e-6 };
        let stem = Conv::new("features.0.0", [first, channels], 4, 4, 0).with_bias();
        let mut layers = vec![Layer::Conv(stem), norm("features.0.1", first), tap("features.0")];
        let blocks: usize = counts.iter().sum();
        let mut done = 0;
        for (stage, count) in counts.into_iter().enumerate() {
            let width = first << stage;
            let place = 2 * stage + 1;
            if stage > 0 {
                let name = format!("features.{}", place - 1);
                layers.push(norm(&format!("{name}.0"), width / 2));
                layers.push(Layer::Conv(
                    Conv::new(format!("{name}.1"), [width, width / 2], 2, 2, 0).with_bias(),
                ));
            }
            for index in 0..count {
                let name = format!("features.{place}.{index}");
                let depthwise = Conv::new(format!("{name}.block.0"), [width, width], 7, 1, 3).grouped(width);
                let main = vec![
                    Layer::Conv(depthwise.with_bias()),
                    norm(&format!("{name}.block.2"), width),
                    dense(format!("{name}.block.3"), 4 * width, width),
                    Layer::Activation(Activation::Gelu),
                    dense(format!("{name}.block.5"), width, 4 * width),
                ];
                let scale = Some((format!("{name}.layer_scale"), width));
                // The deeper a block, the likelier it is dropped.
                let drop = drop * done as f64 / (blocks - 1) as f64;
                layers.push(Layer::Sum { main, shortcut: vec![], scale, drop, shortcut_first: false });
                done += 1;
            }
            layers.push(tap(format!("features.{place}")));
        }
        let width = first << 3;
        layers.extend([Layer::Mean, norm("classifier.0", width), dense("classifier.2", classes, width)]);
        Ok((layers, 1))
    }
}
