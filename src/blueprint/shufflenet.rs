//! ShuffleNet V2 (Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
//! ECCV 2018).

use super::{Architecture, Conv, Family, Layer, Pool, RELU, dense, tap};
use crate::error::Result;

const STEM: usize = 24;

/// Blocks per stage (table 5).
const BLOCKS: [usize; 3] = [4, 8, 4];

/// A ShuffleNet V2.
pub struct Shufflenet {
    /// Channels of the stages.
    pub channels: [usize; 3],
    /// Channels of the last layer.
    pub last: usize,
}

impl Family for Shufflenet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        // A convolution with its norm behind it.
        let unit = |start: &str, at: usize, shape: [usize; 2], size: usize, stride, groups| {
            let conv = Conv::new(format!("{start}.{at}"), shape, size, stride, size / 2).grouped(groups);
            Layer::Conv(conv.with_norm(format!("{start}.{}", at + 1)))
        };
        let mut layers = vec![
            unit("conv1", 0, [STEM, architecture.shape[0]], 3, 2, 1),
            RELU,
            tap("conv1"),
            Layer::Pool(Pool::max(3, 2, 1)),
        ];
        let mut inputs = STEM;
        for (stage, (count, outputs)) in BLOCKS.into_iter().zip(self.channels).enumerate() {
            let stage = stage + 2;
            let half = outputs / 2;
            for block in 0..count {
                let name = format!("stage{stage}.{block}");
                let (stride, incoming) = if block == 0 { (2, inputs) } else { (1, half) };
                let second = format!("{name}.branch2");
                let mut branch = vec![
                    unit(&second, 0, [half, incoming], 1, 1, 1),
                    RELU,
                    unit(&second, 3, [half, half], 3, stride, half),
                    unit(&second, 5, [half, half], 1, 1, 1),
                    RELU,
                ];
                let other = if block == 0 {
                    let first = format!("{name}.branch1");
                    vec![
                        unit(&first, 0, [inputs, inputs], 3, stride, inputs),
                        unit(&first, 2, [half, inputs], 1, 1, 1),
                        RELU,
                    ]
                } else {
                    branch.insert(0, Layer::Channels { start: half, count: half });
                    vec![Layer::Channels { start: 0, count: half }]
                };
                layers.extend([Layer::Concat(vec![other, branch]), Layer::Shuffle(2)]);
                inputs = outputs;
            }
            layers.push(tap(format!("stage{stage}")));
        }
        layers.extend([unit("conv5", 0, [self.last, inputs], 1, 1, 1), RELU, tap("conv5")]);
        layers.extend([Layer::Mean, dense("fc", architecture.outputs, self.last)]);
        Ok((layers, 1))
    }
}
