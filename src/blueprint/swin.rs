//! Swin transformers (Liu et al., "Swin Transformer", ICCV 2021; "Swin Transformer V2", CVPR 2022).

use super::{Activation, Architecture, Attention, Conv, Family, Layer, Over, dense, residual, tap};
use crate::error::Result;

/// A Swin transformer.
pub struct Swin {
    /// Channels of the first stage.
    pub first: usize,
    /// Blocks per stage.
    pub blocks: [usize; 4],
    /// Heads of attention in the first stage; twice as many in each that follows.
    pub heads: usize,
    /// Largest probability of a dropped block.
    pub drop: f64,
    /// Whether it is of version 2: cosines in larger windows, and norms behind what they were before.
    pub second: bool,
}

impl Family for Swin {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let Self { first, blocks: counts, heads, drop, second } = *self;
        let norm = |name: String, channels| Layer::ChannelNorm { name, channels, epsilon: 1e-5 };
        let side = if second { 8 } else { 7 };
        let stem = Conv::new("features.0.0", [first, architecture.shape[0]], 4, 4, 0).with_bias();
        let mut layers = vec![Layer::Conv(stem), norm("features.0.2".to_owned(), first), tap("features.0")];
        let blocks: usize = counts.iter().sum();
        let mut done = 0;
        for (stage, count) in counts.into_iter().enumerate() {
            let (width, heads) = (first << stage, heads << stage);
            let place = 2 * stage + 1;
            if stage > 0 {
                let name = format!("features.{}", place - 1);
                let narrow = Layer::Dense {
                    name: format!("{name}.reduction"),
                    outputs: width,
                    inputs: 2 * width,
                    bias: false,
                };
                layers.push(Layer::Fold);
                layers.extend(if second {
                    vec![narrow, norm(format!("{name}.norm"), width)]
                } else {
                    let norm = norm(format!("{name}.norm"), 2 * width);
                    vec![Layer::Listed { layers: vec![norm, narrow], order: vec![1, 0] }]
                });
            }
            for index in 0..count {
                let name = format!("features.{place}.{index}");
                let shift = if index % 2 == 0 { 0 } else { side / 2 };
                let over =
                    if second { Over::CosineWindows { side, shift } } else { Over::Windows { side, shift } };
                let attention =
                    Layer::Attention(Attention { name: format!("{name}.attn"), width, heads, over });
                let mlp = [
                    dense(format!("{name}.mlp.0"), 4 * width, width),
                    Layer::Activation(Activation::Gelu),
                    dense(format!("{name}.mlp.3"), width, 4 * width),
                ];
                let norms = ["norm1", "norm2"].map(|norm_| norm(format!("{name}.{norm_}"), width));
                // The deeper a block, the likelier it is dropped.
                let drop = drop * done as f64 / (blocks - 1) as f64;
                for (norm, part) in norms.into_iter().zip([vec![attention], mlp.to_vec()]) {
                    let main = if second {
                        // Norms come first in files.
                        let count = part.len();
                        let order = std::iter::once(count).chain(0..count).collect();
                        vec![Layer::Listed { layers: part.into_iter().chain([norm]).collect(), order }]
                    } else {
                        std::iter::once(norm).chain(part).collect()
                    };
                    layers.push(residual(main, drop));
                }
                done += 1;
            }
            layers.push(tap(format!("features.{place}")));
        }
        let width = first << 3;
        layers.extend([norm("norm".to_owned(), width), Layer::Mean]);
        layers.push(dense("head", architecture.outputs, width));
        Ok((layers, 1))
    }
}
