//! The networks by name. A new one is a variant and a line of [`ModelKind::family`]; a
//! new family is a file beside this one, too.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::convnext::Convnext;
use super::densenet::Densenet;
use super::resnet::{Cifar, Imagenet};
use super::squeezenet::Squeezenet;
use super::vgg::Vgg;
use super::{Family, cnn, mobilenet, vgg};

/// The networks. Deep ones have the names that torchvision gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum ModelKind {
    /// Linear fully connected network.
    Fcnn,
    /// Linear convolutional network.
    Lcnn,
    /// The LCNN with small kernels, ReLU and batch norm.
    Cnn,
    /// CIFAR ResNets (He et al. 2016, section 4.2), by their number of layers.
    Resnet8,
    #[allow(missing_docs)]
    Resnet20,
    #[allow(missing_docs)]
    Resnet32,
    #[allow(missing_docs)]
    Resnet44,
    #[allow(missing_docs)]
    Resnet56,
    #[allow(missing_docs)]
    Resnet110,
    /// ImageNet ResNets (He et al. 2016, table 1), as torchvision builds them.
    Resnet18,
    #[allow(missing_docs)]
    Resnet34,
    #[allow(missing_docs)]
    Resnet50,
    #[allow(missing_docs)]
    Resnet101,
    #[allow(missing_docs)]
    Resnet152,
    /// ResNets with twice the channels inside their blocks (Zagoruyko & Komodakis 2016).
    WideResnet50_2,
    #[allow(missing_docs)]
    WideResnet101_2,
    /// ResNets with grouped convolutions (Xie et al. 2017), groups × channels of each.
    Resnext50_32x4d,
    #[allow(missing_docs)]
    Resnext101_32x8d,
    #[allow(missing_docs)]
    Resnext101_64x4d,
    /// Krizhevsky's network of one column (Krizhevsky 2014).
    Alexnet,
    /// VGG (Simonyan & Zisserman 2015), with batch norm (`_bn`) and without.
    Vgg11,
    #[allow(missing_docs)]
    Vgg11Bn,
    #[allow(missing_docs)]
    Vgg13,
    #[allow(missing_docs)]
    Vgg13Bn,
    #[allow(missing_docs)]
    Vgg16,
    #[allow(missing_docs)]
    Vgg16Bn,
    #[allow(missing_docs)]
    Vgg19,
    #[allow(missing_docs)]
    Vgg19Bn,
    /// DenseNet-BC (Huang et al. 2017).
    Densenet121,
    #[allow(missing_docs)]
    Densenet161,
    #[allow(missing_docs)]
    Densenet169,
    #[allow(missing_docs)]
    Densenet201,
    /// MobileNetV2 (Sandler et al. 2018).
    MobilenetV2,
    /// SqueezeNet (Iandola et al. 2016), versions 1.0 and 1.1.
    Squeezenet1_0,
    #[allow(missing_docs)]
    Squeezenet1_1,
    /// ConvNeXt (Liu et al. 2022).
    ConvnextTiny,
    #[allow(missing_docs)]
    ConvnextSmall,
    #[allow(missing_docs)]
    ConvnextBase,
    #[allow(missing_docs)]
    ConvnextLarge,
}

impl ModelKind {
    /// The family of a deep network, with what makes this member of it; None for the
    /// linear ones.
    pub fn family(self) -> Option<&'static dyn Family> {
        use ModelKind::*;
        Some(match self {
            Fcnn | Lcnn => return None,
            Cnn => &cnn::Cnn,
            Resnet8 => &Cifar { blocks: 1 },
            Resnet20 => &Cifar { blocks: 3 },
            Resnet32 => &Cifar { blocks: 5 },
            Resnet44 => &Cifar { blocks: 7 },
            Resnet56 => &Cifar { blocks: 9 },
            Resnet110 => &Cifar { blocks: 18 },
            Resnet18 => &Imagenet { blocks: [2, 2, 2, 2], bottleneck: false, groups: 1, base: 64 },
            Resnet34 => &Imagenet { blocks: [3, 4, 6, 3], bottleneck: false, groups: 1, base: 64 },
            Resnet50 => &Imagenet { blocks: [3, 4, 6, 3], bottleneck: true, groups: 1, base: 64 },
            Resnet101 => &Imagenet { blocks: [3, 4, 23, 3], bottleneck: true, groups: 1, base: 64 },
            Resnet152 => &Imagenet { blocks: [3, 8, 36, 3], bottleneck: true, groups: 1, base: 64 },
            WideResnet50_2 => &Imagenet { blocks: [3, 4, 6, 3], bottleneck: true, groups: 1, base: 128 },
            WideResnet101_2 => &Imagenet { blocks: [3, 4, 23, 3], bottleneck: true, groups: 1, base: 128 },
            Resnext50_32x4d => &Imagenet { blocks: [3, 4, 6, 3], bottleneck: true, groups: 32, base: 4 },
            Resnext101_32x8d => &Imagenet { blocks: [3, 4, 23, 3], bottleneck: true, groups: 32, base: 8 },
            Resnext101_64x4d => &Imagenet { blocks: [3, 4, 23, 3], bottleneck: true, groups: 64, base: 4 },
            Alexnet => &vgg::Alexnet,
            Vgg11 => &Vgg { convs: [1, 1, 2, 2, 2], norm: false },
            Vgg11Bn => &Vgg { convs: [1, 1, 2, 2, 2], norm: true },
            Vgg13 => &Vgg { convs: [2, 2, 2, 2, 2], norm: false },
            Vgg13Bn => &Vgg { convs: [2, 2, 2, 2, 2], norm: true },
            Vgg16 => &Vgg { convs: [2, 2, 3, 3, 3], norm: false },
            Vgg16Bn => &Vgg { convs: [2, 2, 3, 3, 3], norm: true },
            Vgg19 => &Vgg { convs: [2, 2, 4, 4, 4], norm: false },
            Vgg19Bn => &Vgg { convs: [2, 2, 4, 4, 4], norm: true },
            Densenet121 => &Densenet { growth: 32, blocks: [6, 12, 24, 16], first: 64 },
            Densenet161 => &Densenet { growth: 48, blocks: [6, 12, 36, 24], first: 96 },
            Densenet169 => &Densenet { growth: 32, blocks: [6, 12, 32, 32], first: 64 },
            Densenet201 => &Densenet { growth: 32, blocks: [6, 12, 48, 32], first: 64 },
            MobilenetV2 => &mobilenet::V2,
            Squeezenet1_0 => &Squeezenet { first: 96, size: 7, pooled: [0, 3, 7] },
            Squeezenet1_1 => &Squeezenet { first: 64, size: 3, pooled: [0, 2, 4] },
            ConvnextTiny => &Convnext { first: 96, blocks: [3, 3, 9, 3], drop: 0.1 },
            ConvnextSmall => &Convnext { first: 96, blocks: [3, 3, 27, 3], drop: 0.4 },
            ConvnextBase => &Convnext { first: 128, blocks: [3, 3, 27, 3], drop: 0.5 },
            ConvnextLarge => &Convnext { first: 192, blocks: [3, 3, 27, 3], drop: 0.5 },
        })
    }

    /// Whether it is one of the linear networks that theory speaks of, which are
    /// trained by gradient descent alone.
    pub fn is_linear(self) -> bool {
        self.family().is_none()
    }

    /// Whether it has the choice of a [`Shortcut`](super::Shortcut).
    pub fn has_shortcut(self) -> bool {
        self.family().is_some_and(Family::has_shortcut)
    }

    /// Whether it has the choice of a [`Stem`](super::Stem).
    pub fn has_stem(self) -> bool {
        self.family().is_some_and(Family::has_stem)
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(clap::ValueEnum::to_possible_value(self).expect("no kind is hidden").get_name())
    }
}
