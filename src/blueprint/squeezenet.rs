//! SqueezeNet (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer
//! parameters and <0.5MB model size", 2016), versions 1.0 and 1.1.

use super::{Architecture, Conv, Family, Layer, Pool, RELU, tap};
use crate::error::Result;

/// Channels that a fire module squeezes to, and that each of its two ways makes.
const FIRES: [(usize, usize); 8] =
    [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)];

/// A SqueezeNet.
pub struct Squeezenet {
    /// Channels of the stem.
    pub first: usize,
    /// Its kernels' size.
    pub size: usize,
    /// Fire modules with pooling before them; the first pooling follows the stem.
    pub pooled: [usize; 3],
}

impl Family for Squeezenet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let Self { first, size, pooled } = *self;
        let conv = |name: String, shape, size, stride, padding| {
            [Layer::Conv(Conv::new(name, shape, size, stride, padding).with_bias()), RELU]
        };
        let mut layers = Vec::from(conv("features.0".to_owned(), [first, channels], size, 2, 0));
        layers.push(tap("features.1"));
        let (mut at, mut inputs) = (2, first);
        for (i, (squeezed, each)) in FIRES.into_iter().enumerate() {
            if pooled.contains(&i) {
                layers.push(Layer::Pool(Pool { ceil: true, ..Pool::max(3, 2, 0) }));
                at += 1;
            }
            let name = format!("features.{at}");
            layers.extend(conv(format!("{name}.squeeze"), [squeezed, inputs], 1, 1, 0));
            let small = conv(format!("{name}.expand1x1"), [each, squeezed], 1, 1, 0);
            let large = conv(format!("{name}.expand3x3"), [each, squeezed], 3, 1, 1);
            layers.extend([Layer::Concat(vec![Vec::from(small), Vec::from(large)]), tap(name)]);
            (at, inputs) = (at + 1, 2 * each);
        }
        layers.push(Layer::Dropout(0.5));
        layers.extend(conv("classifier.1".to_owned(), [classes, inputs], 1, 1, 0));
        layers.push(Layer::Mean);
        Ok((layers, 1))
    }
}
