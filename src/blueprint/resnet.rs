//! Residual networks (He et al., "Deep Residual Learning for Image Recognition",
//! CVPR 2016), for ImageNet and for CIFAR (section 4.2); wide ones and ResNeXts; and those that are
//! anti-aliased as timm's are.

use serde::{Deserialize, Serialize};

use super::{Architecture, Conv, Family, Layer, ModelKind, Pool, RELU, dense, tap};
use crate::error::Result;

/// What takes the place of the identity where a CIFAR ResNet's size changes
/// (He et al. 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Shortcut {
    /// Every other pixel, and channels of zeros.
    A,
    /// A convolution of size 1, with norm.
    B,
}

/// First layers of ResNets 18 to 152, wide ones and ResNeXts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7×7 kernels of stride 2, then max pooling of stride 2.
    Imagenet,
    /// 3×3 kernels of stride 1.
    Cifar,
}

/// How every second row and column is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// By convolutions of stride 2, and by max pooling: what is above the new Nyquist frequency is aliased.
    Stride,
    /// Convolutions have stride 1 and means of 2×2 pixels follow; they take the place of max pooling, too (timm's
    /// `resnetaa`).
    Mean,
    /// Convolutions and max pooling have stride 1, and binomial filters of 3×3 follow, mirrored about the edges
    /// (Zhang, "Making Convolutional Networks Shift-Invariant Again", ICML 2019; timm's `resnetblur`).
    Blur,
}

impl Sampling {
    // What follows convolutions and max pooling that would have had stride 2.
    fn layers(self) -> Vec<Layer> {
        match self {
            Self::Stride => vec![],
            Self::Mean => vec![Layer::Pool(Pool::mean(2, 2, 0))],
            // Two means over two pixels are the binomial filter (1, 2, 1) / 4.
            Self::Blur => {
                vec![Layer::Mirror, Layer::Pool(Pool::mean(2, 1, 0)), Layer::Pool(Pool::mean(2, 2, 0))]
            }
        }
    }
}

/// A ResNet for ImageNet, a wide one or a ResNeXt.
pub struct Imagenet {
    /// Blocks per stage.
    pub blocks: [usize; 4],
    /// Whether they are bottlenecks.
    pub bottleneck: bool,
    /// Groups of their 3×3 convolutions.
    pub groups: usize,
    /// Channels of each group where a stage has 64.
    pub base: usize,
    /// How sides are halved; by the stem as well, and not in shortcuts.
    pub sampling: Sampling,
}

impl Family for Imagenet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        Ok(layers(architecture, &self.blocks, Some(self)))
    }

    fn has_stem(&self) -> bool {
        true
    }

    fn twin(&self) -> Option<ModelKind> {
        // The only ones with weights in public.
        (self.sampling != Sampling::Stride).then_some(ModelKind::Resnet50)
    }
}

/// A ResNet for CIFAR, of 6n + 2 layers.
pub struct Cifar {
    /// Blocks per stage, n.
    pub blocks: usize,
}

impl Family for Cifar {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        Ok(layers(architecture, &[self.blocks; 3], None))
    }

    fn has_shortcut(&self) -> bool {
        true
    }
}

// Residual networks pad, and would take images that are nothing but padding in the
// end: a pixel must be left after all strides, whose product is the smallest side.
fn layers(architecture: &Architecture, counts: &[usize], large: Option<&Imagenet>) -> (Vec<Layer>, usize) {
    let (bottleneck, groups, base) = large.map_or((false, 1, 64), |l| (l.bottleneck, l.groups, l.base));
    let sampling = large.map_or(Sampling::Stride, |l| l.sampling);
    let first = if large.is_some() { 64 } else { 16 };
    let wide_stem = large.is_some() && architecture.stem == Stem::Imagenet;
    let (size, stride) = if wide_stem { (7, 2) } else { (3, 1) };
    let stem = Conv::new("conv1", [first, architecture.shape[0]], size, stride, size / 2).with_norm("bn1");
    let mut layers = vec![Layer::Conv(stem), RELU, tap("conv1")];
    if wide_stem {
        match sampling {
            Sampling::Stride => layers.push(Layer::Pool(Pool::max(3, 2, 1))),
            Sampling::Mean => {}
            Sampling::Blur => layers.push(Layer::Pool(Pool::max(3, 1, 1))),
        }
        layers.extend(sampling.layers());
    }
    let expansion = if bottleneck { 4 } else { 1 };
    let mut inputs = first;
    let stages = counts.len();
    for (stage, &count) in counts.iter().enumerate() {
        let width = first << stage;
        let outputs = width * expansion;
        for index in 0..count {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("layer{}.{index}", stage + 1);
            let unit = |i: usize, shape, size: usize, stride, groups| {
                let conv = Conv::new(format!("{name}.conv{i}"), shape, size, stride, size / 2);
                Layer::Conv(conv.grouped(groups).with_norm(format!("{name}.bn{i}")))
            };
            let (kept, sampled) = match sampling {
                Sampling::Mean | Sampling::Blur if stride == 2 => (1, sampling.layers()),
                _ => (stride, vec![]),
            };
            let main = if bottleneck {
                let inner = width * base / 64 * groups;
                let before =
                    [unit(1, [inner, inputs], 1, 1, 1), RELU, unit(2, [inner, inner], 3, kept, groups), RELU];
                before.into_iter().chain(sampled).chain([unit(3, [outputs, inner], 1, 1, 1)]).collect()
            } else {
                let before = [unit(1, [width, inputs], 3, kept, 1), RELU];
                before.into_iter().chain(sampled).chain([unit(2, [width, width], 3, 1, 1)]).collect()
            };
            let shortcut = if stride == 1 && inputs == outputs {
                vec![]
            } else if large.is_none() && architecture.shortcut == Shortcut::A {
                vec![Layer::Subsample((outputs - inputs) / 2)]
            } else {
                let path = if large.is_some() { "downsample" } else { "shortcut" };
                let conv = Conv::new(format!("{name}.{path}.0"), [outputs, inputs], 1, stride, 0);
                vec![Layer::Conv(conv.with_norm(format!("{name}.{path}.1")))]
            };
            layers
                .extend([Layer::Sum { main, shortcut, scale: None, drop: 0.0, shortcut_first: false }, RELU]);
            inputs = outputs;
        }
        layers.push(tap(format!("layer{}", stage + 1)));
    }
    let name = if large.is_some() { "fc" } else { "linear" };
    layers.extend([Layer::Mean, dense(name, architecture.outputs, inputs)]);
    (layers, (if wide_stem { 4 } else { 1 }) << (stages - 1))
}
