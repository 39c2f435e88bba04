//! DenseNet-BC (Huang et al., "Densely Connected Convolutional Networks", CVPR
//! 2017), with bottlenecks of four times the growth rate.

use super::{Architecture, Conv, EPSILON, Family, Layer, Pool, RELU, dense, tap};
use crate::error::Result;

/// A DenseNet-BC.
pub struct Densenet {
    /// Channels that each layer adds.
    pub growth: usize,
    /// Layers per block.
    pub blocks: [usize; 4],
    /// Channels of the stem.
    pub first: usize,
}

impl Family for Densenet {
    fn layers(&self, architecture: &Architecture) -> Result<(Vec<Layer>, usize)> {
        let (channels, classes) = (architecture.shape[0], architecture.outputs);
        let Self { growth, blocks: counts, first } = *self;
        let stem = Conv::new("features.conv0", [first, channels], 7, 2, 3).with_norm("features.norm0");
        let mut layers =
            vec![Layer::Conv(stem), RELU, tap("features.relu0"), Layer::Pool(Pool::max(3, 2, 1))];
        let mut width = first;
        for (i, count) in counts.into_iter().enumerate() {
            for l in 1..=count {
                let name = format!("features.denseblock{}.denselayer{l}", i + 1);
                let inner = Conv::new(format!("{name}.conv1"), [4 * growth, width], 1, 1, 0);
                let way = vec![
                    Layer::Norm { name: format!("{name}.norm1"), channels: width, epsilon: EPSILON },
                    RELU,
                    Layer::Conv(inner.with_norm(format!("{name}.norm2"))),
                    RELU,
                    Layer::Conv(Conv::new(format!("{name}.conv2"), [growth, 4 * growth], 3, 1, 1)),
                ];
                layers.push(Layer::Concat(vec![vec![], way]));
                width += growth;
            }
            layers.push(tap(format!("features.denseblock{}", i + 1)));
            if i + 1 < counts.len() {
                let name = format!("features.transition{}", i + 1);
                layers.extend([
                    Layer::Norm { name: format!("{name}.norm"), channels: width, epsilon: EPSILON },
                    RELU,
                    Layer::Conv(Conv::new(format!("{name}.conv"), [width / 2, width], 1, 1, 0)),
                    Layer::Pool(Pool { max: false, size: 2, stride: 2, padding: 0, ceil: false }),
                ]);
                width /= 2;
            }
        }
        layers.extend([
            Layer::Norm { name: "features.norm5".to_owned(), channels: width, epsilon: EPSILON },
            RELU,
            Layer::Mean,
        ]);
        layers.push(dense("classifier", classes, width));
        Ok((layers, 1))
    }
}

/// What a tensor of a DenseNet is called today, where `name` is from the time when
/// PyTorch allowed dots in names of modules (`….denselayer1.norm.1.weight`), as in
/// the files that torchvision still hands out.
pub fn current_name(name: &str) -> Option<String> {
    let (layer, rest) = name.split_once(".denselayer")?;
    let (number, rest) = rest.split_once('.')?;
    let (module, rest) = rest.split_once('.')?;
    let (index, part) = rest.split_once('.')?;
    let known = ["norm", "conv"].contains(&module) && ["1", "2"].contains(&index);
    let number_known = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (known && number_known).then(|| format!("{layer}.denselayer{number}.{module}{index}.{part}"))
}
