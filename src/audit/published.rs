//! What others have measured, to set beside one's own: a number, of whom or what, and where it stands.

use serde::Serialize;

/// A published number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Of whom, or of which network.
    pub of: &'static str,
    /// The number.
    pub value: f64,
    /// Its standard deviation over observers, where it is a mean of them.
    pub deviation: Option<f64>,
}

const fn one(of: &'static str, value: f64) -> Published {
    Published { of, value, deviation: None }
}

const fn mean(of: &'static str, value: f64, deviation: f64) -> Published {
    Published { of, value, deviation: Some(deviation) }
}

/// Bandwidth in octaves and centre in cycles per image, of critical band masking on 224×224 pixels
/// (Subramanian et al., "Spatial-frequency channels, shape bias, and adversarial robustness", NeurIPS 2023,
/// and its data; 14 people).
pub const CHANNELS: [[Published; 2]; 3] = [
    [mean("humans", 1.43, 0.54), mean("humans", 39.1, 3.0)],
    [one("ResNet-50", 3.99), one("ResNet-50", 39.4)],
    [one("ResNet-18", 4.74), one("ResNet-18", 38.9)],
];

/// Shape bias on cue-conflict images (Geirhos et al., "ImageNet-trained CNNs are biased towards texture",
/// ICLR 2019; VGG-16 of torchvision as in the README of its code, where the paper has Caffe's).
pub const SHAPE_BIAS: [Published; 3] = [one("humans", 0.959), one("ResNet-50", 0.221), one("VGG-16", 0.092)];

/// Accuracy of torchvision's first ResNet-50 weights with a square low-pass and a square high-pass, over that
/// on whole images of ImageNet, by cutoff (Gavrikov & Keuper, "Can Biases in ImageNet Models Explain
/// Generalization?", CVPR 2024, raw data).
pub const LOW_FREQUENCY: [(f64, f64); 4] = [(0.1, 0.1776), (0.2, 0.5303), (0.3, 0.7269), (0.5, 0.9000)];
#[allow(missing_docs)]
pub const HIGH_FREQUENCY: [(f64, f64); 4] = [(0.5, 0.0150), (0.7, 0.0334), (0.8, 0.0640), (0.9, 0.2654)];

/// "humans 0.959, ResNet-50 0.221".
pub fn listed(all: &[Published]) -> String {
    let text = |p: &Published| match p.deviation {
        Some(deviation) => format!("{} {} ± {deviation}", p.of, p.value),
        None => format!("{} {}", p.of, p.value),
    };
    all.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_whom_they_are_of() {
        assert_eq!(listed(&SHAPE_BIAS[..2]), "humans 0.959, ResNet-50 0.221");
        assert_eq!(listed(&[CHANNELS[0][0]]), "humans 1.43 ± 0.54");
    }
}
