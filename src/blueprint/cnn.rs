//! The LCNN of the theory with what makes it nonlinear: L convolutions of M
//! channels, each with batch norm and ReLU, then a dense layer over all positions.

use super::{Architecture, Conv, EPSILON, Family, Layer, RELU, dense, tap};
use crate::error::{Error, Result};
use crate::theory::linear;

pub struct Cnn;

impl Family for Cnn {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let [c, h, w] = architecture.shape;
        let (m, depth, (kh, kw)) = architecture.plain;
        if kh > h || kw > w {
            let found = format!("{kh}x{kw} on images of {h}x{w}");
            return Err(Error::input("model.kernel", "kernels no larger than the images", found));
        }
        let (top, left) = linear::origin((kh, kw), (h, w));
        let pads = [left, kw - 1 - left, top, kh - 1 - top];
        let mut layers = Vec::new();
        for l in 1..=depth {
            let inputs = if l == 1 { c } else { m };
            layers.push(Layer::Conv(Conv {
                name: format!("conv{l}"),
                shape: [m, inputs, kh, kw],
                stride: 1,
                groups: 1,
                pads,
                bias: false,
                norm: Some(format!("bn{l}")),
                epsilon: EPSILON,
            }));
            layers.extend([RELU, tap(format!("conv{l}"))]);
        }
        layers.extend([Layer::Flatten, dense("fc", architecture.outputs, m * h * w)]);
        Ok((layers, 1))
    }
}
