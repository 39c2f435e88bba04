//! The layers of a plan with their tensors, and the pass through them.

use tch::Tensor;

use super::Pass;
use super::layers::{ChannelNorm, Dense, Norm, Unit};
use super::maker::Maker;
use crate::blueprint::{Activation, Layer, Pool};
use crate::error::Result;

/// A step of the forward pass.
#[derive(Debug)]
pub enum Step {
    Unit(Unit),
    Norm(Norm),
    ChannelNorm(ChannelNorm),
    Activation(Activation),
    Pool(Pool),
    Resize(i64),
    Mean,
    Flatten,
    Dense(Dense),
    Dropout(f64),
    Subsample(i64),
    Sum { main: Vec<Step>, shortcut: Vec<Step>, scale: Option<Tensor>, drop: f64 },
    Gate(Vec<Step>),
    Concat(Vec<Vec<Step>>),
    Tap(String),
}

/// The steps of `layers`, their tensors made in order.
pub fn steps(maker: &mut Maker, layers: &[Layer]) -> Result<Vec<Step>> {
    let mut all = Vec::with_capacity(layers.len());
    for layer in layers {
        all.push(match layer {
            Layer::Conv(conv) => Step::Unit(maker.unit(conv)?),
            Layer::Norm { name, channels } => Step::Norm(maker.norm(name, *channels as i64)?),
            Layer::ChannelNorm { name, channels } => {
                Step::ChannelNorm(maker.channel_norm(name, *channels as i64)?)
            }
            Layer::Activation(activation) => Step::Activation(*activation),
            Layer::Pool(pool) => Step::Pool(*pool),
            Layer::Resize(side) => Step::Resize(*side as i64),
            Layer::Mean => Step::Mean,
            Layer::Flatten => Step::Flatten,
            Layer::Dense { name, outputs, inputs } => {
                Step::Dense(maker.dense(name, *outputs as i64, *inputs as i64)?)
            }
            Layer::Dropout(p) => Step::Dropout(*p),
            Layer::Subsample(zeros) => Step::Subsample(*zeros as i64),
            Layer::Sum { main, shortcut, scale, drop } => {
                let scale = scale.as_ref().map(|(name, channels)| maker.scale(name, *channels as i64));
                let scale = scale.transpose()?;
                let (main, shortcut) = (steps(maker, main)?, steps(maker, shortcut)?);
                Step::Sum { main, shortcut, scale, drop: *drop }
            }
            Layer::Gate(layers) => Step::Gate(steps(maker, layers)?),
            Layer::Concat(ways) => {
                Step::Concat(ways.iter().map(|way| steps(maker, way)).collect::<Result<_>>()?)
            }
            Layer::Tap(name) => Step::Tap(name.clone()),
        });
    }
    Ok(all)
}

/// What `steps` make of `x` `[B, c, h, w]`.
pub fn forward(steps: &[Step], x: &Tensor, pass: &Pass) -> Result<Tensor> {
    let mut h = x.shallow_clone();
    for (i, step) in steps.iter().enumerate() {
        h = match (step, i.checked_sub(1).map(|before| &steps[before])) {
            // In place: none of these needs what it has put out for backward, and
            // nobody else holds it.
            (Step::Activation(activation), Some(Step::Unit(_) | Step::Norm(_) | Step::Sum { .. })) => {
                activate(h, *activation)?
            }
            _ => step.forward(h, pass)?,
        };
    }
    Ok(h)
}

fn activate(mut h: Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Relu => h.f_relu_()?,
        Activation::Relu6 => h.f_relu6_()?,
        Activation::Gelu => h.f_gelu("none")?,
    })
}

impl Step {
    fn forward(&self, h: Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(match self {
            Step::Unit(unit) => unit.forward(&h, pass)?,
            Step::Norm(norm) => norm.forward(&h, pass)?,
            Step::ChannelNorm(norm) => norm.forward(&h, pass)?,
            Step::Activation(Activation::Relu) => h.f_relu()?,
            Step::Activation(Activation::Relu6) => h.f_relu6()?,
            Step::Activation(Activation::Gelu) => h.f_gelu("none")?,
            Step::Pool(pool) => pooled(&h, pool)?,
            Step::Resize(side) => h.f_adaptive_avg_pool2d([*side, *side])?,
            Step::Mean => h.f_mean_dim([2i64, 3].as_slice(), false, None)?,
            Step::Flatten => h.f_flatten(1, -1)?,
            Step::Dense(dense) => dense.forward(&h, pass)?,
            Step::Dropout(p) => match pass.kept(1.0 - p, &h.size(), &h)? {
                Some(kept) => h.f_mul(&kept)?,
                None => h,
            },
            Step::Subsample(zeros) => {
                let every_other = h.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
                every_other.f_constant_pad_nd([0, 0, 0, 0, *zeros, *zeros])?
            }
            Step::Sum { main, shortcut, scale, drop } => {
                let mut sum = forward(main, &h, pass)?;
                if let Some(scale) = scale {
                    let scale = if pass.train { scale.shallow_clone() } else { scale.detach() };
                    sum = sum.f_mul(&scale)?;
                }
                if let Some(kept) = pass.kept(1.0 - drop, &[h.size()[0], 1, 1, 1], &sum)? {
                    sum = sum.f_mul(&kept)?;
                }
                let shortcut = forward(shortcut, &h, pass)?;
                if sum.kind() == shortcut.kind() { sum.f_add_(&shortcut)? } else { sum.f_add(&shortcut)? }
            }
            Step::Gate(steps) => {
                let means = h.f_mean_dim([2i64, 3].as_slice(), true, None)?;
                h.f_mul(&forward(steps, &means, pass)?.f_sigmoid()?)?
            }
            Step::Concat(ways) => {
                let ways = ways.iter().map(|way| forward(way, &h, pass)).collect::<Result<Vec<_>>>()?;
                Tensor::f_cat(&ways, 1)?
            }
            Step::Tap(name) => {
                pass.tap(name, &h);
                h
            }
        })
    }
}

fn pooled(h: &Tensor, pool: &Pool) -> Result<Tensor> {
    let (size, stride, padding) = ([pool.size; 2], [pool.stride; 2], [pool.padding; 2]);
    let [size, stride, padding] = [size, stride, padding].map(|pair| pair.map(|n| n as i64));
    Ok(if pool.max {
        h.f_max_pool2d(size, stride, padding, [1, 1], pool.ceil)?
    } else {
        h.f_avg_pool2d(size, stride, padding, pool.ceil, true, None::<i64>)?
    })
}
