//! VGG (Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale
//! Image Recognition", ICLR 2015) and AlexNet in the form of Krizhevsky, "One weird
//! trick for parallelizing convolutional neural networks" (2014).

use super::{Architecture, Conv, Family, Layer, Pool, RELU, dense, tap};
use crate::error::Result;

/// A VGG.
pub struct Vgg {
    /// Convolutions per stage.
    pub convs: [usize; 5],
    /// Whether batch norm follows them.
    pub norm: bool,
}

impl Family for Vgg {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let Self { convs: counts, norm } = *self;
        let mut layers = Vec::new();
        let (mut at, mut inputs) = (0, channels);
        for (count, outputs) in counts.into_iter().zip([64, 128, 256, 512, 512]) {
            for _ in 0..count {
                let conv = Conv::new(format!("features.{at}"), [outputs, inputs], 3, 1, 1).with_bias();
                layers.push(Layer::Conv(match norm {
                    true => conv.with_norm(format!("features.{}", at + 1)),
                    false => conv,
                }));
                layers.push(RELU);
                (at, inputs) = (at + if norm { 3 } else { 2 }, outputs);
            }
            // Named by the last activation of a stage, before its pooling.
            layers.extend([tap(format!("features.{}", at - 1)), Layer::Pool(Pool::max(2, 2, 0))]);
            at += 1;
        }
        layers.extend([Layer::Resize(7), Layer::Flatten]);
        layers.extend([dense("classifier.0", 4096, 512 * 7 * 7), RELU, Layer::Dropout(0.5)]);
        layers.extend([dense("classifier.3", 4096, 4096), RELU, Layer::Dropout(0.5)]);
        layers.push(dense("classifier.6", classes, 4096));
        Ok((layers, 1))
    }
}

/// AlexNet.
pub struct Alexnet;

impl Family for Alexnet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let mut layers = Vec::new();
        let mut inputs = channels;
        for (at, outputs, size, stride, padding, pooled) in [
            (0, 64, 11, 4, 2, true),
            (3, 192, 5, 1, 2, true),
            (6, 384, 3, 1, 1, false),
            (8, 256, 3, 1, 1, false),
            (10, 256, 3, 1, 1, true),
        ] {
            let conv = Conv::new(format!("features.{at}"), [outputs, inputs], size, stride, padding);
            layers.extend([Layer::Conv(conv.with_bias()), RELU, tap(format!("features.{}", at + 1))]);
            if pooled {
                layers.push(Layer::Pool(Pool::max(3, 2, 0)));
            }
            inputs = outputs;
        }
        layers.extend([Layer::Resize(6), Layer::Flatten]);
        layers.extend([Layer::Dropout(0.5), dense("classifier.1", 4096, 256 * 6 * 6), RELU]);
        layers.extend([Layer::Dropout(0.5), dense("classifier.4", 4096, 4096), RELU]);
        layers.push(dense("classifier.6", classes, 4096));
        Ok((layers, 1))
    }
}
