//! MNASNet-B1 (Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", CVPR
//! 2019, figure 7), in torchvision's widths.
//!
//! In training, running statistics of norms move with the momentum of all networks here, 0.1; torchvision's
//! move with 0.0003.

use super::{Architecture, Conv, Family, Layer, RELU, dense, multiple_of_8, residual, tap};
use crate::error::Result;

// Channels of the first layers and the stages at width 1.
const CHANNELS: [usize; 8] = [32, 16, 24, 40, 80, 96, 192, 320];

/// Kernel size, stride, expansion and blocks of each stage.
const STAGES: [(usize, usize, usize, usize); 6] =
    [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)];

/// MNASNet.
pub struct Mnasnet {
    /// Factor of all numbers of channels.
    pub width: f64,
}

impl Family for Mnasnet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let widths = CHANNELS.map(|channels| multiple_of_8(channels as f64 * self.width));
        // A convolution, its norm behind it, and an activation that is numbered too.
        let unit = |start: &str, at: usize, shape: [usize; 2], size: usize, stride, groups| {
            let conv = Conv::new(format!("{start}.{at}"), shape, size, stride, size / 2).grouped(groups);
            Layer::Conv(conv.with_norm(format!("{start}.{}", at + 1)))
        };
        let [first, second, ..] = widths;
        let mut layers = vec![
            unit("layers", 0, [first, architecture.shape[0]], 3, 2, 1),
            RELU,
            unit("layers", 3, [first, first], 3, 1, first),
            RELU,
            unit("layers", 6, [second, first], 1, 1, 1),
            tap("layers.6"),
        ];
        let mut inputs = second;
        for (stage, ((size, first, expansion, count), &outputs)) in
            STAGES.iter().zip(&widths[2..]).enumerate()
        {
            for block in 0..*count {
                let name = format!("layers.{}.{block}.layers", 8 + stage);
                let (inner, stride) = (inputs * expansion, if block == 0 { *first } else { 1 });
                let main = vec![
                    unit(&name, 0, [inner, inputs], 1, 1, 1),
                    RELU,
                    unit(&name, 3, [inner, inner], *size, stride, inner),
                    RELU,
                    unit(&name, 6, [outputs, inner], 1, 1, 1),
                ];
                if stride == 1 && inputs == outputs {
                    layers.push(residual(main, 0.0));
                } else {
                    layers.extend(main);
                }
                inputs = outputs;
            }
            layers.push(tap(format!("layers.{}", 8 + stage)));
        }
        layers.extend([unit("layers", 14, [1280, inputs], 1, 1, 1), RELU, tap("layers.14")]);
        layers.extend([Layer::Mean, Layer::Dropout(0.2), dense("classifier.1", architecture.outputs, 1280)]);
        Ok((layers, 32))
    }
}
