//! Names that other libraries give the tensors of the same networks.
//!
//! A [`Scheme`] says for one name of such a library which name the tensor has here, or
//! nothing. Whether the result is a network is for [`super::guess`] to see, tensor by
//! tensor and shape by shape; nothing is matched by its place in a file.

use std::collections::HashSet;

use crate::weights::{NamedTensor, StateDict};

/// How a library calls tensors.
#[derive(Debug)]
pub struct Scheme {
    /// Whose names they are.
    pub of: &'static str,
    // A name split at its dots.
    rename: fn(&[&str]) -> Option<String>,
}

/// Those that are known.
pub const SCHEMES: [Scheme; 8] = [
    Scheme { of: "ResNets in transformers (Hugging Face)", rename: transformers_resnet },
    Scheme { of: "ConvNeXts in transformers (Hugging Face)", rename: transformers_convnext },
    Scheme { of: "ConvNeXts in timm", rename: timm_convnext },
    Scheme { of: "ConvNeXts of their authors", rename: authors_convnext },
    Scheme { of: "ResNets for CIFAR with the layers of ResNet-18 (pytorch-cifar)", rename: pytorch_cifar },
    Scheme { of: "MobileNetV2 in torchvision before 0.5", rename: old_mobilenet },
    Scheme { of: "networks of which a part is wrapped (features.module)", rename: wrapped },
    Scheme { of: "vision transformers in timm (DeiT, DINO, MAE)", rename: timm_vit },
];

impl Scheme {
    /// The name that the tensor `name` has here; None where the scheme has no such name.
    pub fn rename(&self, name: &str) -> Option<String> {
        (self.rename)(&name.split('.').collect::<Vec<_>>())
    }

    /// Names and shapes that all tensors have here; others than those of the scheme stay as they are.
    /// None where two of them would have one name, fewer than half are of the scheme, or none is another's.
    pub fn renamed(&self, file: &StateDict) -> Option<Vec<(String, Vec<usize>)>> {
        let names: Vec<_> = file.iter().map(|tensor| self.rename(tensor.name())).collect();
        if 2 * names.iter().flatten().count() < names.len().max(1) {
            return None;
        }
        let renamed = file.iter().zip(names).map(|(tensor, name)| {
            let name = name.unwrap_or_else(|| tensor.name().to_owned());
            let mut shape = tensor.shape().to_vec();
            // A factor for each channel, along the rows and columns of images.
            if name.ends_with(".layer_scale") && shape.len() == 1 {
                shape.extend([1, 1]);
            }
            (name, shape)
        });
        let renamed: Vec<_> = renamed.collect();
        if file.iter().zip(&renamed).all(|(tensor, (name, _))| tensor.name() == name) {
            return None;
        }
        let differ = renamed.iter().map(|(name, _)| name).collect::<HashSet<_>>().len() == renamed.len();
        differ.then_some(renamed)
    }

    /// The tensors of `file` as [`Scheme::renamed`] says; as they are where it says nothing.
    pub fn translate(&self, file: StateDict) -> StateDict {
        let Some(renamed) = self.renamed(&file) else { return file };
        let mut dict = StateDict::new();
        for (tensor, (name, shape)) in file.into_iter().zip(renamed) {
            let (_, _, data) = tensor.into_parts();
            let tensor = NamedTensor::new(name, shape, data).expect("as many numbers as before");
            dict.push(tensor).expect("names that differ");
        }
        dict
    }
}

fn number(text: &str) -> Option<usize> {
    // More than any network has: sums of these stay small.
    text.parse().ok().filter(|&number| number < 1000)
}

// What a whole network puts before its own parts; there is none in files of the part without a head.
fn inner<'a, 'b>(parts: &'a [&'b str], whole: &str) -> &'a [&'b str] {
    match parts {
        [first, rest @ ..] if *first == whole => rest,
        _ => parts,
    }
}

fn transformers_resnet(parts: &[&str]) -> Option<String> {
    // "convolution.weight" of layer "conv1" and "normalization.bias" of "bn1".
    let layer = |kind: &str, number: usize, end: &str| match kind {
        "convolution" => Some(format!("conv{number}.{end}")),
        "normalization" => Some(format!("bn{number}.{end}")),
        _ => None,
    };
    Some(match inner(parts, "resnet") {
        ["embedder", "embedder", kind, end] => layer(kind, 1, end)?,
        ["encoder", "stages", stage, "layers", block, rest @ ..] => {
            let start = format!("layer{}.{block}", number(stage)? + 1);
            match rest {
                ["shortcut", "convolution", end] => format!("{start}.downsample.0.{end}"),
                ["shortcut", "normalization", end] => format!("{start}.downsample.1.{end}"),
                ["layer", place, kind, end] => format!("{start}.{}", layer(kind, number(place)? + 1, end)?),
                _ => return None,
            }
        }
        ["classifier", "1", end] => format!("fc.{end}"),
        _ => return None,
    })
}

// The parts of a block, in the order in which torchvision numbers them.
fn block(stage: &str, block: &str, part: &str, end: &str) -> Option<String> {
    Some(format!("features.{}.{block}.block.{part}.{end}", 2 * number(stage)? + 1))
}

fn scale(stage: &str, block: &str) -> Option<String> {
    Some(format!("features.{}.{block}.layer_scale", 2 * number(stage)? + 1))
}

// What halves the images before a stage.
fn between(stage: &str, part: &str, end: &str) -> Option<String> {
    Some(format!("features.{}.{part}.{end}", 2 * number(stage)?))
}

fn transformers_convnext(parts: &[&str]) -> Option<String> {
    match inner(parts, "convnext") {
        ["embeddings", "patch_embeddings", end] => between("0", "0", end),
        ["embeddings", "layernorm", end] => between("0", "1", end),
        ["encoder", "stages", stage, "downsampling_layer", part, end] => between(stage, part, end),
        ["encoder", "stages", stage, "layers", at, "layer_scale_parameter"] => scale(stage, at),
        ["encoder", "stages", stage, "layers", at, part, end] => {
            let part = match *part {
                "dwconv" => "0",
                "layernorm" => "2",
                "pwconv1" => "3",
                "pwconv2" => "5",
                _ => return None,
            };
            block(stage, at, part, end)
        }
        ["layernorm", end] => Some(format!("classifier.0.{end}")),
        ["classifier", end] => Some(format!("classifier.2.{end}")),
        _ => None,
    }
}

fn timm_convnext(parts: &[&str]) -> Option<String> {
    match parts {
        ["stem", part, end] => between("0", part, end),
        ["stages", stage, "downsample", part, end] => between(stage, part, end),
        ["stages", stage, "blocks", at, "gamma"] => scale(stage, at),
        ["stages", stage, "blocks", at, "conv_dw", end] => block(stage, at, "0", end),
        ["stages", stage, "blocks", at, "norm", end] => block(stage, at, "2", end),
        ["stages", stage, "blocks", at, "mlp", "fc1", end] => block(stage, at, "3", end),
        ["stages", stage, "blocks", at, "mlp", "fc2", end] => block(stage, at, "5", end),
        ["head", "norm", end] => Some(format!("classifier.0.{end}")),
        ["head", "fc", end] => Some(format!("classifier.2.{end}")),
        _ => None,
    }
}

fn authors_convnext(parts: &[&str]) -> Option<String> {
    match parts {
        ["downsample_layers", stage, part, end] => between(stage, part, end),
        ["stages", stage, at, "gamma"] => scale(stage, at),
        ["stages", stage, at, "dwconv", end] => block(stage, at, "0", end),
        ["stages", stage, at, "norm", end] => block(stage, at, "2", end),
        ["stages", stage, at, "pwconv1", end] => block(stage, at, "3", end),
        ["stages", stage, at, "pwconv2", end] => block(stage, at, "5", end),
        ["norm", end] => Some(format!("classifier.0.{end}")),
        ["head", end] => Some(format!("classifier.2.{end}")),
        _ => None,
    }
}

fn pytorch_cifar(parts: &[&str]) -> Option<String> {
    match parts {
        [layer, block, "shortcut", part, end] => Some(format!("{layer}.{block}.downsample.{part}.{end}")),
        ["linear", end] => Some(format!("fc.{end}")),
        // These have the same names.
        ["conv1" | "bn1", ..] => Some(parts.join(".")),
        [layer, _, kind, _]
            if layer.starts_with("layer") && (kind.starts_with("conv") || kind.starts_with("bn")) =>
        {
            Some(parts.join("."))
        }
        _ => None,
    }
}

fn timm_vit(parts: &[&str]) -> Option<String> {
    Some(match parts {
        ["cls_token"] => "class_token".to_owned(),
        ["pos_embed"] => "encoder.pos_embedding".to_owned(),
        ["patch_embed", "proj", end] => format!("conv_proj.{end}"),
        ["blocks", at, rest @ ..] => {
            let start = format!("encoder.layers.encoder_layer_{}", number(at)?);
            match rest {
                ["norm1", end] => format!("{start}.ln_1.{end}"),
                ["norm2", end] => format!("{start}.ln_2.{end}"),
                ["attn", "qkv", end] => format!("{start}.self_attention.in_proj_{end}"),
                ["attn", "proj", end] => format!("{start}.self_attention.out_proj.{end}"),
                ["mlp", "fc1", end] => format!("{start}.mlp.0.{end}"),
                ["mlp", "fc2", end] => format!("{start}.mlp.3.{end}"),
                _ => return None,
            }
        }
        ["norm", end] => format!("encoder.ln.{end}"),
        ["head", end] => format!("heads.head.{end}"),
        _ => return None,
    })
}

fn wrapped(parts: &[&str]) -> Option<String> {
    Some(parts.iter().filter(|part| **part != "module").copied().collect::<Vec<_>>().join("."))
}

fn old_mobilenet(parts: &[&str]) -> Option<String> {
    match parts {
        // Layers were numbered through, activations too; now a convolution, its norm and its activation
        // are one. The first block does not widen its images.
        ["features", block, "conv", place, end] => {
            let place = match (*block, *place) {
                (_, "0") => "0.0",
                (_, "1") => "0.1",
                ("1", "3") => "1",
                ("1", "4") => "2",
                (_, "3") => "1.0",
                (_, "4") => "1.1",
                (_, "6") => "2",
                (_, "7") => "3",
                _ => return None,
            };
            Some(format!("features.{block}.conv.{place}.{end}"))
        }
        ["features", "0" | "18", "0" | "1", _] | ["classifier", "1", _] => Some(parts.join(".")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let renamed = |scheme: usize, name: &str| SCHEMES[scheme].rename(name);
        for (scheme, name, own) in [
            (0, "resnet.embedder.embedder.normalization.running_var", "bn1.running_var"),
            (0, "encoder.stages.2.layers.5.layer.0.convolution.weight", "layer3.5.conv1.weight"),
            (0, "resnet.encoder.stages.0.layers.0.shortcut.normalization.bias", "layer1.0.downsample.1.bias"),
            (1, "convnext.encoder.stages.3.downsampling_layer.1.weight", "features.6.1.weight"),
            (1, "encoder.stages.2.layers.8.layer_scale_parameter", "features.5.8.layer_scale"),
            (2, "stages.0.blocks.1.mlp.fc2.bias", "features.1.1.block.5.bias"),
            (3, "downsample_layers.0.0.weight", "features.0.0.weight"),
            (4, "layer2.0.shortcut.1.running_mean", "layer2.0.downsample.1.running_mean"),
            (4, "layer2.0.conv1.weight", "layer2.0.conv1.weight"),
            (5, "features.1.conv.3.weight", "features.1.conv.1.weight"),
            (6, "features.module.0.weight", "features.0.weight"),
            (5, "features.17.conv.7.running_var", "features.17.conv.3.running_var"),
            (7, "blocks.11.attn.qkv.bias", "encoder.layers.encoder_layer_11.self_attention.in_proj_bias"),
            (7, "pos_embed", "encoder.pos_embedding"),
        ] {
            assert_eq!(renamed(scheme, name).as_deref(), Some(own), "{name}");
        }
        for (scheme, name) in [
            (0, "resnet.encoder.stages.18446744073709551615.layers.0.layer.0.convolution.weight"),
            (0, "resnet.encoder.stages.x.layers.5.layer.0.convolution.weight"),
            (0, "resnet.encoder.stages.2.layers.5.layer.0.activation.weight"),
            (1, "convnext.encoder.stages.0.layers.1.other.weight"),
            (2, "stages.0.blocks.1.mlp.fc3.bias"),
            (5, "features.1.conv.2.weight"),
            (4, "head.weight"),
            (7, "blocks.x.norm1.weight"),
            (7, "blocks.1.ls1.gamma"),
        ] {
            assert_eq!(renamed(scheme, name), None, "{name}");
        }
    }
}
