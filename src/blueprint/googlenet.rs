//! GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015), with batch norm and 3×3 kernels
//! where the paper has 5×5 ones, as torchvision has it.
//!
//! torchvision's weights are for pixels as 2x − 1 (its `transform_input` makes them from those of
//! ImageNet's normalisation).

use super::{Architecture, Conv, Family, Layer, Pool, RELU, dense, tap};
use crate::error::Result;

const EPSILON: f64 = 1e-3;

/// Channels: of the way of 1×1 kernels, of the two of 3×3 before and after, and behind the pooling.
type Block = (&'static str, usize, [usize; 6]);

/// The blocks (table 1), with their inputs.
const BLOCKS: [&[Block]; 3] = [
    &[("3a", 192, [64, 96, 128, 16, 32, 32]), ("3b", 256, [128, 128, 192, 32, 96, 64])],
    &[
        ("4a", 480, [192, 96, 208, 16, 48, 64]),
        ("4b", 512, [160, 112, 224, 24, 64, 64]),
        ("4c", 512, [128, 128, 256, 24, 64, 64]),
        ("4d", 512, [112, 144, 288, 32, 64, 64]),
        ("4e", 528, [256, 160, 320, 32, 128, 128]),
    ],
    &[("5a", 832, [256, 160, 320, 32, 128, 128]), ("5b", 832, [384, 192, 384, 48, 128, 128])],
];

const LAST: usize = 1024;

fn unit(name: String, shape: [usize; 2], size: usize, stride: usize) -> [Layer; 2] {
    let conv = Conv::new(format!("{name}.conv"), shape, size, stride, size / 2);
    [Layer::Conv(conv.with_norm(format!("{name}.bn")).with_epsilon(EPSILON)), RELU]
}

fn pool(size: usize, stride: usize, padding: usize) -> Layer {
    Layer::Pool(Pool { ceil: true, ..Pool::max(size, stride, padding) })
}

/// GoogLeNet.
pub struct Googlenet;

impl Family for Googlenet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let mut layers = Vec::from(unit("conv1".to_owned(), [64, architecture.shape[0]], 7, 2));
        layers.extend([tap("conv1"), pool(3, 2, 0)]);
        layers.extend(unit("conv2".to_owned(), [64, 64], 1, 1));
        layers.extend(unit("conv3".to_owned(), [192, 64], 3, 1));
        layers.extend([tap("conv3"), pool(3, 2, 0)]);
        for (stage, blocks) in BLOCKS.into_iter().enumerate() {
            if stage > 0 {
                layers.push(if stage == 1 { pool(3, 2, 0) } else { pool(2, 2, 0) });
            }
            for (name, inputs, [one, three_in, three, five_in, five, pooled]) in blocks {
                let name = format!("inception{name}");
                let way = |branch: &str, inner: usize, outputs: usize| {
                    let start = format!("{name}.{branch}");
                    let mut way = Vec::from(unit(format!("{start}.0"), [inner, *inputs], 1, 1));
                    way.extend(unit(format!("{start}.1"), [outputs, inner], 3, 1));
                    way
                };
                let mut last = vec![pool(3, 1, 1)];
                last.extend(unit(format!("{name}.branch4.1"), [*pooled, *inputs], 1, 1));
                layers.push(Layer::Concat(vec![
                    unit(format!("{name}.branch1"), [*one, *inputs], 1, 1).into(),
                    way("branch2", *three_in, *three),
                    way("branch3", *five_in, *five),
                    last,
                ]));
                layers.push(tap(name));
            }
        }
        layers.extend([Layer::Mean, Layer::Dropout(0.2), dense("fc", architecture.outputs, LAST)]);
        Ok((layers, 15))
    }

    fn auxiliary(&self, outputs: usize) -> Vec<(&'static str, Vec<Layer>)> {
        let part = |start: &'static str, inputs: usize| {
            let [conv, activation] = unit(format!("{start}conv"), [128, inputs], 1, 1);
            let dense =
                [dense(format!("{start}fc1"), 1024, 2048), dense(format!("{start}fc2"), outputs, 1024)];
            (start, [conv, activation].into_iter().chain(dense).collect())
        };
        vec![part("aux1.", 512), part("aux2.", 528)]
    }
}
