//! MaxViT (Tu et al., "MaxViT: Multi-Axis Vision Transformer", ECCV 2022), the tiny one, for images
//! whose sides are multiples of 224.
//!
//! In training, running statistics of norms move with the momentum of all networks here, 0.1; torchvision's
//! move with 0.01.

use super::{Activation, Architecture, Attention, Conv, Family, Layer, Over, Pool, dense, residual, tap};
use crate::error::{Error, Result};

/// Channels and layers of each block (table 1 of the paper).
const BLOCKS: [(usize, usize); 4] = [(64, 2), (128, 2), (256, 5), (512, 2)];
const STEM: usize = 64;
/// Channels of a head.
const HEAD: usize = 32;
/// Pixels of a block's side, and blocks of a grid's.
const SIDE: usize = 7;
/// Sides of images are multiples of this: a block in the last stage.
const STEP: usize = 32 * SIDE;
/// Largest probability of a dropped layer.
const DROP: f64 = 0.2;
/// ε of batch norms.
const EPSILON: f64 = 1e-3;

const GELU: Layer = Layer::Activation(Activation::Gelu);

/// MaxViT-T.
pub struct Tiny;

impl Family for Tiny {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        // What is a few pixels short would be rounded up on the way.
        let [_, h, w] = architecture.shape;
        if !(h.is_multiple_of(STEP) && w.is_multiple_of(STEP)) {
            let expected = format!("sides that are multiples of {STEP} for maxvit_t");
            return Err(Error::input("model.kind", expected, format_args!("{h}x{w}")));
        }
        let unit = |name: String, shape: [usize; 2], size: usize, stride, groups| {
            Layer::Conv(super::unit(name, shape, size, stride, groups).with_epsilon(EPSILON))
        };
        let norm = |name: String, channels| Layer::ChannelNorm { name, channels, epsilon: 1e-5 };
        let mut layers = vec![
            unit("stem.0".to_owned(), [STEM, architecture.shape[0]], 3, 2, 1),
            GELU,
            Layer::Conv(Conv::new("stem.1.0", [STEM, STEM], 3, 1, 1).with_bias()),
            tap("stem"),
        ];
        let count: usize = BLOCKS.iter().map(|(_, count)| count).sum();
        let (mut inputs, mut done) = (STEM, 0);
        for (block, (width, depth)) in BLOCKS.into_iter().enumerate() {
            for layer in 0..depth {
                let name = format!("blocks.{block}.layers.{layer}.layers");
                let stride = if layer == 0 { 2 } else { 1 };
                let drop = DROP * f64::from(done) / (count - 1) as f64;
                done += 1;
                let at = |part: &str| format!("{name}.MBconv.layers.{part}");
                let conv = |name: String, shape: [usize; 2]| {
                    Layer::Conv(Conv::new(name, shape, 1, 1, 0).with_bias())
                };
                let (inner, few) = (4 * width, width / 4);
                let gate = vec![
                    conv(at("squeeze_excitation.fc1"), [few, inner]),
                    Layer::Activation(Activation::Silu),
                    conv(at("squeeze_excitation.fc2"), [inner, few]),
                ];
                let main = vec![
                    Layer::Norm { name: at("pre_norm"), channels: inputs, epsilon: EPSILON },
                    unit(at("conv_a"), [inner, inputs], 1, 1, 1),
                    GELU,
                    unit(at("conv_b"), [inner, inner], 3, stride, inner),
                    GELU,
                    Layer::Gate { layers: gate, hard: false },
                    conv(at("conv_c"), [width, inner]),
                ];
                let shortcut = if stride == 2 {
                    let proj = conv(format!("{name}.MBconv.proj.1"), [width, inputs]);
                    vec![Layer::Pool(Pool::mean(3, 2, 1)), proj]
                } else {
                    vec![]
                };
                layers.push(Layer::Sum { main, shortcut, scale: None, drop, shortcut_first: true });
                for (part, over) in [("window", Over::Blocks(SIDE)), ("grid", Over::Grid(SIDE))] {
                    let at = |end: &str| format!("{name}.{part}_attention.{end}");
                    let attention = Attention { name: at("attn_layer.1"), width, heads: width / HEAD, over };
                    let main = vec![norm(at("attn_layer.0"), width), Layer::Attention(attention)];
                    layers.push(residual(main, drop));
                    let mlp = vec![
                        norm(at("mlp_layer.0"), width),
                        dense(at("mlp_layer.1"), 4 * width, width),
                        GELU,
                        dense(at("mlp_layer.3"), width, 4 * width),
                    ];
                    layers.push(residual(mlp, drop));
                }
                inputs = width;
            }
            layers.push(tap(format!("blocks.{block}")));
        }
        layers.extend([Layer::Mean, norm("classifier.2".to_owned(), inputs)]);
        layers.extend([dense("classifier.3", inputs, inputs), Layer::Activation(Activation::Tanh)]);
        layers.push(Layer::Dense {
            name: "classifier.5".to_owned(),
            outputs: architecture.outputs,
            inputs,
            bias: false,
        });
        Ok((layers, 1))
    }
}
