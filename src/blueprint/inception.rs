//! Inception v3 (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016).
//!
//! torchvision's weights are for pixels as 2x − 1 (its `transform_input` makes them from those of
//! ImageNet's normalisation).

use super::{Architecture, Conv, Family, Layer, Pool, RELU, dense, tap};
use crate::error::Result;

const EPSILON: f64 = 1e-3;

fn conv(name: String, shape: [usize; 4], stride: usize, padding: [usize; 2]) -> [Layer; 2] {
    let conv = Conv::rectangular(format!("{name}.conv"), shape, stride, padding);
    [Layer::Conv(conv.with_norm(format!("{name}.bn")).with_epsilon(EPSILON)), RELU]
}

/// Sides of kernels in a way, with the channels they make and the stride; padded so that only
/// strides make an image smaller, but for those of stride 2, which are not padded.
type Unit<'a> = (&'a str, [usize; 2], usize, usize);

// Convolutions after one another, in the block `name`, on so many channels.
fn way(name: &str, mut inputs: usize, units: &[Unit]) -> Vec<Layer> {
    let mut layers = Vec::new();
    for &(unit, [h, w], outputs, stride) in units {
        let padding = if stride == 1 { [h / 2, w / 2] } else { [0, 0] };
        layers.extend(conv(format!("{name}.{unit}"), [outputs, inputs, h, w], stride, padding));
        inputs = outputs;
    }
    layers
}

// The mean around a pixel, then a convolution.
fn pooled(name: &str, inputs: usize, outputs: usize) -> Vec<Layer> {
    let mut layers = vec![Layer::Pool(Pool::mean(3, 1, 1))];
    layers.extend(way(name, inputs, &[("branch_pool", [1, 1], outputs, 1)]));
    layers
}

// Blocks of the paper's figure 5, with the channels behind their pooling.
fn five(name: &str, inputs: usize, last: usize) -> Layer {
    let ways: [&[Unit]; 3] = [
        &[("branch1x1", [1, 1], 64, 1)],
        &[("branch5x5_1", [1, 1], 48, 1), ("branch5x5_2", [5, 5], 64, 1)],
        &[
            ("branch3x3dbl_1", [1, 1], 64, 1),
            ("branch3x3dbl_2", [3, 3], 96, 1),
            ("branch3x3dbl_3", [3, 3], 96, 1),
        ],
    ];
    let ways = ways.iter().map(|units| way(name, inputs, units));
    Layer::Concat(ways.chain([pooled(name, inputs, last)]).collect())
}

// Figure 6: kernels of one row and of one column, with so many channels between them.
fn six(name: &str, inner: usize) -> Layer {
    let inputs = 768;
    let ways: [&[Unit]; 3] = [
        &[("branch1x1", [1, 1], 192, 1)],
        &[
            ("branch7x7_1", [1, 1], inner, 1),
            ("branch7x7_2", [1, 7], inner, 1),
            ("branch7x7_3", [7, 1], 192, 1),
        ],
        &[
            ("branch7x7dbl_1", [1, 1], inner, 1),
            ("branch7x7dbl_2", [7, 1], inner, 1),
            ("branch7x7dbl_3", [1, 7], inner, 1),
            ("branch7x7dbl_4", [7, 1], inner, 1),
            ("branch7x7dbl_5", [1, 7], 192, 1),
        ],
    ];
    let ways = ways.iter().map(|units| way(name, inputs, units));
    Layer::Concat(ways.chain([pooled(name, inputs, 192)]).collect())
}

// Figure 7: the last kernels side by side.
fn seven(name: &str, inputs: usize) -> Layer {
    let beside = |names: [&str; 2]| {
        let ways = names.into_iter().zip([[1, 3], [3, 1]]);
        Layer::Concat(ways.map(|(unit, size)| way(name, 384, &[(unit, size, 384, 1)])).collect())
    };
    let mut three = way(name, inputs, &[("branch3x3_1", [1, 1], 384, 1)]);
    three.push(beside(["branch3x3_2a", "branch3x3_2b"]));
    let units = [("branch3x3dbl_1", [1, 1], 448, 1), ("branch3x3dbl_2", [3, 3], 384, 1)];
    let mut double = way(name, inputs, &units);
    double.push(beside(["branch3x3dbl_3a", "branch3x3dbl_3b"]));
    let one = way(name, inputs, &[("branch1x1", [1, 1], 320, 1)]);
    Layer::Concat(vec![one, three, double, pooled(name, inputs, 192)])
}

// To half the size; the last way is pooling.
fn halved(name: &str, inputs: usize, ways: [&[Unit]; 2]) -> Layer {
    let ways = ways.iter().map(|units| way(name, inputs, units));
    Layer::Concat(ways.chain([vec![Layer::Pool(Pool::max(3, 2, 0))]]).collect())
}

/// Inception v3.
pub struct V3;

impl Family for V3 {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let plain = |name: &str, shape: [usize; 2], size: usize, stride, padding| {
            conv(format!("Conv2d_{name}"), [shape[0], shape[1], size, size], stride, [padding; 2])
        };
        let mut layers = Vec::from(plain("1a_3x3", [32, architecture.shape[0]], 3, 2, 0));
        layers.push(tap("Conv2d_1a_3x3"));
        layers.extend(plain("2a_3x3", [32, 32], 3, 1, 0));
        layers.extend(plain("2b_3x3", [64, 32], 3, 1, 1));
        layers.push(Layer::Pool(Pool::max(3, 2, 0)));
        layers.extend(plain("3b_1x1", [80, 64], 1, 1, 0));
        layers.extend(plain("4a_3x3", [192, 80], 3, 1, 0));
        layers.extend([tap("Conv2d_4a_3x3"), Layer::Pool(Pool::max(3, 2, 0))]);
        let blocks = [
            ("Mixed_5b", five("Mixed_5b", 192, 32)),
            ("Mixed_5c", five("Mixed_5c", 256, 64)),
            ("Mixed_5d", five("Mixed_5d", 288, 64)),
            (
                "Mixed_6a",
                halved(
                    "Mixed_6a",
                    288,
                    [
                        &[("branch3x3", [3, 3], 384, 2)],
                        &[
                            ("branch3x3dbl_1", [1, 1], 64, 1),
                            ("branch3x3dbl_2", [3, 3], 96, 1),
                            ("branch3x3dbl_3", [3, 3], 96, 2),
                        ],
                    ],
                ),
            ),
            ("Mixed_6b", six("Mixed_6b", 128)),
            ("Mixed_6c", six("Mixed_6c", 160)),
            ("Mixed_6d", six("Mixed_6d", 160)),
            ("Mixed_6e", six("Mixed_6e", 192)),
            (
                "Mixed_7a",
                halved(
                    "Mixed_7a",
                    768,
                    [
                        &[("branch3x3_1", [1, 1], 192, 1), ("branch3x3_2", [3, 3], 320, 2)],
                        &[
                            ("branch7x7x3_1", [1, 1], 192, 1),
                            ("branch7x7x3_2", [1, 7], 192, 1),
                            ("branch7x7x3_3", [7, 1], 192, 1),
                            ("branch7x7x3_4", [3, 3], 192, 2),
                        ],
                    ],
                ),
            ),
            ("Mixed_7b", seven("Mixed_7b", 1280)),
            ("Mixed_7c", seven("Mixed_7c", 2048)),
        ];
        for (name, block) in blocks {
            layers.extend([block, tap(name)]);
        }
        layers.extend([Layer::Mean, Layer::Dropout(0.5), dense("fc", architecture.outputs, 2048)]);
        Ok((layers, 75))
    }

    fn auxiliary(&self, outputs: usize) -> Vec<(&'static str, Vec<Layer>)> {
        let mut layers = Vec::from(conv("AuxLogits.conv0".to_owned(), [128, 768, 1, 1], 1, [0, 0]));
        layers.extend(conv("AuxLogits.conv1".to_owned(), [768, 128, 5, 5], 1, [0, 0]));
        layers.push(dense("AuxLogits.fc", outputs, 768));
        vec![("AuxLogits.", layers)]
    }
}
