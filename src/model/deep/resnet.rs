//! Residual networks (He et al., "Deep Residual Learning for Image Recognition",
//! CVPR 2016): for ImageNet in torchvision's names, for CIFAR (section 4.2) in
//! those in use for them (`layer1.0.conv1`, `layer2.0.shortcut.0`, `linear`).

use tch::Tensor;

use super::layers::{Dense, Unit};
use super::maker::Maker;
use super::{Body, Pass};
use crate::error::{Error, Result};
use crate::run::config::{ModelKind, Shortcut, Stem};

#[derive(Debug)]
pub struct ResNet {
    stem: Unit,
    pool: bool,
    stages: Vec<Vec<Block>>,
    head: Dense,
    nonlinear: bool,
}

/// Two convolutions, or three (bottleneck), beside a shortcut.
#[derive(Debug)]
struct Block {
    units: Vec<Unit>,
    shortcut: Path,
}

#[derive(Debug)]
enum Path {
    Identity,
    /// Every other pixel, and so many channels of zeros before and after.
    Subsample(i64),
    Project(Unit),
}

// Blocks per stage, and whether they are bottlenecks.
fn imagenet(kind: ModelKind) -> Option<([i64; 4], bool)> {
    Some(match kind {
        ModelKind::Resnet18 => ([2, 2, 2, 2], false),
        ModelKind::Resnet34 => ([3, 4, 6, 3], false),
        ModelKind::Resnet50 => ([3, 4, 6, 3], true),
        ModelKind::Resnet101 => ([3, 4, 23, 3], true),
        ModelKind::Resnet152 => ([3, 8, 36, 3], true),
        _ => return None,
    })
}

// Blocks per stage: 6n + 2 layers.
fn cifar(kind: ModelKind) -> i64 {
    match kind {
        ModelKind::Resnet8 => 1,
        ModelKind::Resnet20 => 3,
        ModelKind::Resnet32 => 5,
        ModelKind::Resnet44 => 7,
        ModelKind::Resnet56 => 9,
        _ => 18,
    }
}

impl ResNet {
    pub fn new(maker: &mut Maker) -> Result<Self> {
        let architecture = maker.architecture.clone();
        let [c, h, w] = architecture.shape;
        let kind = architecture.kind;
        let large = imagenet(kind);
        let wide_stem = large.is_some() && architecture.stem == Stem::Imagenet;
        // The last stage must have a pixel left of each image.
        let reduction = if wide_stem {
            32
        } else if large.is_some() {
            8
        } else {
            4
        };
        if h.min(w) < reduction {
            let expected = format!("images of at least {reduction}x{reduction} for {kind}");
            return Err(Error::input("model.kind", expected, format!("{h}x{w}")));
        }
        let (counts, bottleneck, first) = match large {
            Some((counts, bottleneck)) => (counts.to_vec(), bottleneck, 64),
            None => (vec![cifar(kind); 3], false, 16),
        };
        let (size, stride) = if wide_stem { (7, 2) } else { (3, 1) };
        let stem = maker.unit("conv1", "bn1", [first, c as i64, size, size], stride)?;
        let expansion = if bottleneck { 4 } else { 1 };
        let mut inputs = first;
        let mut stages = Vec::new();
        for (stage, count) in counts.into_iter().enumerate() {
            let width = first << stage;
            let mut blocks = Vec::new();
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let name = format!("layer{}.{index}", stage + 1);
                let outputs = width * expansion;
                let mut units = Vec::new();
                let mut unit = |i: usize, shape, stride| {
                    units.push(maker.unit(
                        &format!("{name}.conv{i}"),
                        &format!("{name}.bn{i}"),
                        shape,
                        stride,
                    )?);
                    Ok::<_, Error>(())
                };
                if bottleneck {
                    unit(1, [width, inputs, 1, 1], 1)?;
                    unit(2, [width, width, 3, 3], stride)?;
                    unit(3, [outputs, width, 1, 1], 1)?;
                } else {
                    unit(1, [width, inputs, 3, 3], stride)?;
                    unit(2, [width, width, 3, 3], 1)?;
                }
                let shortcut = if stride == 1 && inputs == outputs {
                    Path::Identity
                } else if large.is_none() && architecture.shortcut == Shortcut::A {
                    Path::Subsample((outputs - inputs) / 2)
                } else {
                    let path = if large.is_some() { "downsample" } else { "shortcut" };
                    let (conv, norm) = (format!("{name}.{path}.0"), format!("{name}.{path}.1"));
                    Path::Project(maker.unit(&conv, &norm, [outputs, inputs, 1, 1], stride)?)
                };
                blocks.push(Block { units, shortcut });
                inputs = outputs;
            }
            stages.push(blocks);
        }
        let name = if large.is_some() { "fc" } else { "linear" };
        let head = maker.dense(name, architecture.outputs as i64, inputs)?;
        Ok(Self { stem, pool: wide_stem, stages, head, nonlinear: architecture.nonlinear })
    }

    // In place: nothing that backward needs is overwritten.
    fn activate(&self, mut x: Tensor) -> Result<Tensor> {
        Ok(if self.nonlinear { x.f_relu_()? } else { x })
    }

    fn block(&self, block: &Block, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (last, inner) = block.units.split_last().expect("a block has units");
        let mut h = x.shallow_clone();
        for unit in inner {
            h = self.activate(unit.forward(&h, pass)?)?;
        }
        let mut h = last.forward(&h, pass)?;
        let shortcut = match &block.shortcut {
            Path::Identity => x.shallow_clone(),
            Path::Subsample(zeros) => {
                let every_other = x.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
                every_other.f_constant_pad_nd([0, 0, 0, 0, *zeros, *zeros])?
            }
            Path::Project(unit) => unit.forward(x, pass)?,
        };
        self.activate(h.f_add_(&shortcut)?)
    }
}

impl Body for ResNet {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut h = self.activate(self.stem.forward(x, pass)?)?;
        pass.tap("conv1", &h);
        if self.pool {
            h = if self.nonlinear {
                h.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?
            } else {
                h.f_avg_pool2d([3, 3], [2, 2], [1, 1], false, true, None::<i64>)?
            };
        }
        for (i, stage) in self.stages.iter().enumerate() {
            for block in stage {
                h = self.block(block, &h, pass)?;
            }
            pass.tap(&format!("layer{}", i + 1), &h);
        }
        self.head.forward(&h.f_mean_dim([2i64, 3].as_slice(), false, None)?, pass)
    }
}
