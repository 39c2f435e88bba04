//! The networks by name. A new one is a variant and a line of [`ModelKind::family`]; a
//! new family is a file beside this one, too.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::convnext::Convnext;
use super::densenet::Densenet;
use super::efficientnet::Efficientnet;
use super::mnasnet::Mnasnet;
use super::regnet::Regnet;
use super::resnet::{Cifar, Imagenet, Sampling};
use super::shufflenet::Shufflenet;
use super::squeezenet::Squeezenet;
use super::swin::Swin;
use super::vgg::Vgg;
use super::vit::Vit;
use super::{Family, cnn, efficientnet, googlenet, inception, maxvit, mobilenet, vgg};

/// The networks. Deep ones have the names that torchvision gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
// Underscores are where torchvision has them.
#[allow(non_camel_case_types)]
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
    /// ResNet-50 with anti-aliasing: means where strides were, and binomial filters (Zhang 2019), as timm builds
    /// and calls them.
    Resnetaa50,
    #[allow(missing_docs)]
    Resnetblur50,
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
    /// MNASNet (Tan et al. 2019), by its width.
    Mnasnet0_5,
    #[allow(missing_docs)]
    Mnasnet0_75,
    #[allow(missing_docs)]
    Mnasnet1_0,
    #[allow(missing_docs)]
    Mnasnet1_3,
    /// RegNets without (X) and with gates (Y) (Radosavovic et al. 2020), by their operations.
    RegnetX_400mf,
    #[allow(missing_docs)]
    RegnetX_800mf,
    #[allow(missing_docs)]
    RegnetX_1_6gf,
    #[allow(missing_docs)]
    RegnetX_3_2gf,
    #[allow(missing_docs)]
    RegnetX_8gf,
    #[allow(missing_docs)]
    RegnetX_16gf,
    #[allow(missing_docs)]
    RegnetX_32gf,
    #[allow(missing_docs)]
    RegnetY_400mf,
    #[allow(missing_docs)]
    RegnetY_800mf,
    #[allow(missing_docs)]
    RegnetY_1_6gf,
    #[allow(missing_docs)]
    RegnetY_3_2gf,
    #[allow(missing_docs)]
    RegnetY_8gf,
    #[allow(missing_docs)]
    RegnetY_16gf,
    #[allow(missing_docs)]
    RegnetY_32gf,
    #[allow(missing_docs)]
    RegnetY_128gf,
    /// MobileNetV3 (Howard et al. 2019).
    MobilenetV3Large,
    #[allow(missing_docs)]
    MobilenetV3Small,
    /// EfficientNet (Tan & Le 2019), by its scale.
    EfficientnetB0,
    #[allow(missing_docs)]
    EfficientnetB1,
    #[allow(missing_docs)]
    EfficientnetB2,
    #[allow(missing_docs)]
    EfficientnetB3,
    #[allow(missing_docs)]
    EfficientnetB4,
    #[allow(missing_docs)]
    EfficientnetB5,
    #[allow(missing_docs)]
    EfficientnetB6,
    #[allow(missing_docs)]
    EfficientnetB7,
    /// EfficientNetV2 (Tan & Le 2021).
    #[value(name = "efficientnet_v2_s")]
    EfficientnetV2S,
    #[allow(missing_docs)]
    #[value(name = "efficientnet_v2_m")]
    EfficientnetV2M,
    #[allow(missing_docs)]
    #[value(name = "efficientnet_v2_l")]
    EfficientnetV2L,
    /// ShuffleNet V2 (Ma et al. 2018), by its width.
    #[value(name = "shufflenet_v2_x0_5")]
    ShufflenetV2X0_5,
    #[allow(missing_docs)]
    #[value(name = "shufflenet_v2_x1_0")]
    ShufflenetV2X1_0,
    #[allow(missing_docs)]
    #[value(name = "shufflenet_v2_x1_5")]
    ShufflenetV2X1_5,
    #[allow(missing_docs)]
    #[value(name = "shufflenet_v2_x2_0")]
    ShufflenetV2X2_0,
    /// GoogLeNet (Szegedy et al. 2015).
    Googlenet,
    /// Inception v3 (Szegedy et al. 2016).
    InceptionV3,
    /// Vision transformers (Dosovitskiy et al. 2021), by their width and the side of their squares.
    VitB_16,
    #[allow(missing_docs)]
    VitB_32,
    #[allow(missing_docs)]
    VitL_16,
    #[allow(missing_docs)]
    VitL_32,
    #[allow(missing_docs)]
    VitH_14,
    /// Swin transformers (Liu et al. 2021), and of version 2 (Liu et al. 2022).
    SwinT,
    #[allow(missing_docs)]
    SwinS,
    #[allow(missing_docs)]
    SwinB,
    #[allow(missing_docs)]
    #[value(name = "swin_v2_t")]
    SwinV2T,
    #[allow(missing_docs)]
    #[value(name = "swin_v2_s")]
    SwinV2S,
    #[allow(missing_docs)]
    #[value(name = "swin_v2_b")]
    SwinV2B,
    /// MaxViT (Tu et al. 2022).
    MaxvitT,
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
            Resnet18 => &Imagenet {
                blocks: [2, 2, 2, 2],
                bottleneck: false,
                groups: 1,
                base: 64,
                sampling: Sampling::Stride,
            },
            Resnet34 => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: false,
                groups: 1,
                base: 64,
                sampling: Sampling::Stride,
            },
            Resnet50 => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: true,
                groups: 1,
                base: 64,
                sampling: Sampling::Stride,
            },
            Resnet101 => &Imagenet {
                blocks: [3, 4, 23, 3],
                bottleneck: true,
                groups: 1,
                base: 64,
                sampling: Sampling::Stride,
            },
            Resnet152 => &Imagenet {
                blocks: [3, 8, 36, 3],
                bottleneck: true,
                groups: 1,
                base: 64,
                sampling: Sampling::Stride,
            },
            Resnetaa50 => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: true,
                groups: 1,
                base: 64,
                sampling: Sampling::Mean,
            },
            Resnetblur50 => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: true,
                groups: 1,
                base: 64,
                sampling: Sampling::Blur,
            },
            WideResnet50_2 => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: true,
                groups: 1,
                base: 128,
                sampling: Sampling::Stride,
            },
            WideResnet101_2 => &Imagenet {
                blocks: [3, 4, 23, 3],
                bottleneck: true,
                groups: 1,
                base: 128,
                sampling: Sampling::Stride,
            },
            Resnext50_32x4d => &Imagenet {
                blocks: [3, 4, 6, 3],
                bottleneck: true,
                groups: 32,
                base: 4,
                sampling: Sampling::Stride,
            },
            Resnext101_32x8d => &Imagenet {
                blocks: [3, 4, 23, 3],
                bottleneck: true,
                groups: 32,
                base: 8,
                sampling: Sampling::Stride,
            },
            Resnext101_64x4d => &Imagenet {
                blocks: [3, 4, 23, 3],
                bottleneck: true,
                groups: 64,
                base: 4,
                sampling: Sampling::Stride,
            },
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
            Mnasnet0_5 => &Mnasnet { width: 0.5 },
            Mnasnet0_75 => &Mnasnet { width: 0.75 },
            Mnasnet1_0 => &Mnasnet { width: 1.0 },
            Mnasnet1_3 => &Mnasnet { width: 1.3 },
            RegnetX_400mf => {
                &Regnet { depth: 22, first: 24, slope: 24.48, factor: 2.54, group: 16, gated: false }
            }
            RegnetX_800mf => {
                &Regnet { depth: 16, first: 56, slope: 35.73, factor: 2.28, group: 16, gated: false }
            }
            RegnetX_1_6gf => {
                &Regnet { depth: 18, first: 80, slope: 34.01, factor: 2.25, group: 24, gated: false }
            }
            RegnetX_3_2gf => {
                &Regnet { depth: 25, first: 88, slope: 26.31, factor: 2.25, group: 48, gated: false }
            }
            RegnetX_8gf => {
                &Regnet { depth: 23, first: 80, slope: 49.56, factor: 2.88, group: 120, gated: false }
            }
            RegnetX_16gf => {
                &Regnet { depth: 22, first: 216, slope: 55.59, factor: 2.1, group: 128, gated: false }
            }
            RegnetX_32gf => {
                &Regnet { depth: 23, first: 320, slope: 69.86, factor: 2.0, group: 168, gated: false }
            }
            RegnetY_400mf => {
                &Regnet { depth: 16, first: 48, slope: 27.89, factor: 2.09, group: 8, gated: true }
            }
            RegnetY_800mf => {
                &Regnet { depth: 14, first: 56, slope: 38.84, factor: 2.4, group: 16, gated: true }
            }
            RegnetY_1_6gf => {
                &Regnet { depth: 27, first: 48, slope: 20.71, factor: 2.65, group: 24, gated: true }
            }
            RegnetY_3_2gf => {
                &Regnet { depth: 21, first: 80, slope: 42.63, factor: 2.66, group: 24, gated: true }
            }
            RegnetY_8gf => {
                &Regnet { depth: 17, first: 192, slope: 76.82, factor: 2.19, group: 56, gated: true }
            }
            RegnetY_16gf => {
                &Regnet { depth: 18, first: 200, slope: 106.23, factor: 2.48, group: 112, gated: true }
            }
            RegnetY_32gf => {
                &Regnet { depth: 20, first: 232, slope: 115.89, factor: 2.53, group: 232, gated: true }
            }
            RegnetY_128gf => {
                &Regnet { depth: 27, first: 456, slope: 160.83, factor: 2.52, group: 264, gated: true }
            }
            MobilenetV3Large => &mobilenet::V3 { blocks: &mobilenet::LARGE, last: 1280 },
            MobilenetV3Small => &mobilenet::V3 { blocks: &mobilenet::SMALL, last: 1024 },
            EfficientnetB0 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.0,
                depth: 1.0,
                dropout: 0.2,
                large_epsilon: false,
            },
            EfficientnetB1 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.0,
                depth: 1.1,
                dropout: 0.2,
                large_epsilon: false,
            },
            EfficientnetB2 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.1,
                depth: 1.2,
                dropout: 0.3,
                large_epsilon: false,
            },
            EfficientnetB3 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.2,
                depth: 1.4,
                dropout: 0.3,
                large_epsilon: false,
            },
            EfficientnetB4 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.4,
                depth: 1.8,
                dropout: 0.4,
                large_epsilon: false,
            },
            EfficientnetB5 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.6,
                depth: 2.2,
                dropout: 0.4,
                large_epsilon: true,
            },
            EfficientnetB6 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 1.8,
                depth: 2.6,
                dropout: 0.5,
                large_epsilon: true,
            },
            EfficientnetB7 => &Efficientnet {
                stages: &efficientnet::B0,
                stem: 32,
                last: None,
                width: 2.0,
                depth: 3.1,
                dropout: 0.5,
                large_epsilon: true,
            },
            EfficientnetV2S => &Efficientnet {
                stages: &efficientnet::V2_S,
                stem: 24,
                last: Some(1280),
                width: 1.0,
                depth: 1.0,
                dropout: 0.2,
                large_epsilon: true,
            },
            EfficientnetV2M => &Efficientnet {
                stages: &efficientnet::V2_M,
                stem: 24,
                last: Some(1280),
                width: 1.0,
                depth: 1.0,
                dropout: 0.3,
                large_epsilon: true,
            },
            EfficientnetV2L => &Efficientnet {
                stages: &efficientnet::V2_L,
                stem: 32,
                last: Some(1280),
                width: 1.0,
                depth: 1.0,
                dropout: 0.4,
                large_epsilon: true,
            },
            ShufflenetV2X0_5 => &Shufflenet { channels: [48, 96, 192], last: 1024 },
            ShufflenetV2X1_0 => &Shufflenet { channels: [116, 232, 464], last: 1024 },
            ShufflenetV2X1_5 => &Shufflenet { channels: [176, 352, 704], last: 1024 },
            ShufflenetV2X2_0 => &Shufflenet { channels: [244, 488, 976], last: 2048 },
            Googlenet => &googlenet::Googlenet,
            InceptionV3 => &inception::V3,
            VitB_16 => &Vit { patch: 16, depth: 12, heads: 12, width: 768 },
            VitB_32 => &Vit { patch: 32, depth: 12, heads: 12, width: 768 },
            VitL_16 => &Vit { patch: 16, depth: 24, heads: 16, width: 1024 },
            VitL_32 => &Vit { patch: 32, depth: 24, heads: 16, width: 1024 },
            VitH_14 => &Vit { patch: 14, depth: 32, heads: 16, width: 1280 },
            SwinT => &Swin { first: 96, blocks: [2, 2, 6, 2], heads: 3, drop: 0.2, second: false },
            SwinS => &Swin { first: 96, blocks: [2, 2, 18, 2], heads: 3, drop: 0.3, second: false },
            SwinB => &Swin { first: 128, blocks: [2, 2, 18, 2], heads: 4, drop: 0.5, second: false },
            SwinV2T => &Swin { first: 96, blocks: [2, 2, 6, 2], heads: 3, drop: 0.2, second: true },
            SwinV2S => &Swin { first: 96, blocks: [2, 2, 18, 2], heads: 3, drop: 0.3, second: true },
            SwinV2B => &Swin { first: 128, blocks: [2, 2, 18, 2], heads: 4, drop: 0.5, second: true },
            MaxvitT => &maxvit::Tiny,
        })
    }

    /// Whether it is one of the linear networks that theory speaks of, which are
    /// trained by gradient descent alone.
    pub fn is_linear(self) -> bool {
        self.family().is_none()
    }

    /// The network that a file of this one is taken for unless it is said: its tensors are the same.
    pub fn twin(self) -> Option<ModelKind> {
        self.family().and_then(Family::twin)
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
