//! Vision transformers (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021). Their
//! convolution makes tokens of squares of pixels.

use super::{Activation, Architecture, Attention, Conv, Embedding, Family, Layer, Over, dense, residual};
use crate::error::Result;

/// A vision transformer.
pub struct Vit {
    /// Pixels of a square's side.
    pub patch: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Values of a token.
    pub width: usize,
}

const POSITIONS: &str = "encoder.pos_embedding";

impl Family for Vit {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let Self { patch, depth, heads, width } = *self;
        let [channels, h, w] = architecture.shape;
        let norm = |name: String| Layer::ChannelNorm { name, channels: width, epsilon: 1e-6 };
        let embedding = Embedding {
            class: "class_token".to_owned(),
            patches: Conv::new("conv_proj", [width, channels], patch, patch, 0).with_bias(),
            positions: POSITIONS.to_owned(),
            count: (h / patch) * (w / patch) + 1,
        };
        let mut layers = vec![Layer::Embedding(embedding)];
        for block in 0..depth {
            let name = format!("encoder.layers.encoder_layer_{block}");
            let attention =
                Attention { name: format!("{name}.self_attention"), width, heads, over: Over::Tokens };
            layers.push(residual(vec![norm(format!("{name}.ln_1")), Layer::Attention(attention)], 0.0));
            let mlp = vec![
                norm(format!("{name}.ln_2")),
                dense(format!("{name}.mlp.0"), 4 * width, width),
                Layer::Activation(Activation::Gelu),
                dense(format!("{name}.mlp.3"), width, 4 * width),
            ];
            layers.extend([residual(mlp, 0.0), Layer::TokenTap { name, size: [h / patch, w / patch] }]);
        }
        layers.extend([norm("encoder.ln".to_owned()), Layer::First]);
        layers.push(dense("heads.head", architecture.outputs, width));
        Ok((layers, patch))
    }

    fn positions(&self) -> Option<(&'static str, usize)> {
        Some((POSITIONS, self.patch))
    }
}
