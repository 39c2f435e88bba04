//! The layers of a plan with their tensors, and the pass through them.

use tch::{Kind, Tensor};

use super::Pass;
use super::attention::{Attention, Embedding};
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
    Mirror,
    Sum { main: Vec<Step>, shortcut: Vec<Step>, scale: Option<Tensor>, drop: f64 },
    Gate { steps: Vec<Step>, hard: bool },
    Channels { start: i64, count: i64 },
    Shuffle(i64),
    Fold,
    Embedding(Embedding),
    Attention(Attention),
    First,
    All(Vec<Step>),
    Concat(Vec<Vec<Step>>),
    Tap(String),
    TokenTap { name: String, size: [i64; 2] },
}

/// The steps of `layers`, their tensors made in order.
pub fn steps(maker: &mut Maker, layers: &[Layer]) -> Result<Vec<Step>> {
    let mut all = Vec::with_capacity(layers.len());
    for layer in layers {
        all.push(match layer {
            Layer::Conv(conv) => Step::Unit(maker.unit(conv)?),
            Layer::Norm { name, channels, epsilon } => {
                Step::Norm(maker.norm(name, *channels as i64, *epsilon)?)
            }
            Layer::ChannelNorm { name, channels, epsilon } => {
                Step::ChannelNorm(maker.channel_norm(name, *channels as i64, *epsilon)?)
            }
            Layer::Activation(activation) => Step::Activation(*activation),
            Layer::Pool(pool) => Step::Pool(*pool),
            Layer::Resize(side) => Step::Resize(*side as i64),
            Layer::Mean => Step::Mean,
            Layer::Flatten => Step::Flatten,
            Layer::Dense { name, outputs, inputs, bias } => {
                Step::Dense(maker.dense(name, *outputs as i64, *inputs as i64, *bias)?)
            }
            Layer::Dropout(p) => Step::Dropout(*p),
            Layer::Subsample(zeros) => Step::Subsample(*zeros as i64),
            Layer::Mirror => Step::Mirror,
            Layer::Sum { main, shortcut, scale, drop, shortcut_first } => {
                let scale = scale.as_ref().map(|(name, channels)| maker.scale(name, *channels as i64));
                let scale = scale.transpose()?;
                let (main, shortcut) = if *shortcut_first {
                    let shortcut = steps(maker, shortcut)?;
                    (steps(maker, main)?, shortcut)
                } else {
                    (steps(maker, main)?, steps(maker, shortcut)?)
                };
                Step::Sum { main, shortcut, scale, drop: *drop }
            }
            Layer::Gate { layers, hard } => Step::Gate { steps: steps(maker, layers)?, hard: *hard },
            Layer::Channels { start, count } => Step::Channels { start: *start as i64, count: *count as i64 },
            Layer::Shuffle(parts) => Step::Shuffle(*parts as i64),
            Layer::Fold => Step::Fold,
            Layer::Embedding(embedding) => Step::Embedding(maker.embedding(embedding)?),
            Layer::Attention(attention) => Step::Attention(maker.attention(attention)?),
            Layer::First => Step::First,
            Layer::Listed { layers, order } => {
                let mut made = Vec::with_capacity(layers.len());
                for &at in order {
                    made.extend(
                        steps(maker, std::slice::from_ref(&layers[at]))?.into_iter().map(|step| (at, step)),
                    );
                }
                made.sort_by_key(|(at, _)| *at);
                Step::All(made.into_iter().map(|(_, step)| step).collect())
            }
            Layer::Concat(ways) => {
                Step::Concat(ways.iter().map(|way| steps(maker, way)).collect::<Result<_>>()?)
            }
            Layer::Tap(name) => Step::Tap(name.clone()),
            Layer::TokenTap { name, size } => {
                Step::TokenTap { name: name.clone(), size: size.map(|n| n as i64) }
            }
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
    match activation {
        Activation::Relu => Ok(h.f_relu_()?),
        Activation::Relu6 => Ok(h.f_relu6_()?),
        _ => activated(&h, activation),
    }
}

fn activated(h: &Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Relu => h.f_relu()?,
        Activation::Relu6 => h.f_relu6()?,
        Activation::Gelu => h.f_gelu("none")?,
        Activation::Silu => h.f_silu()?,
        Activation::Hardswish => h.f_hardswish()?,
        Activation::Tanh => h.f_tanh()?,
    })
}

impl Step {
    fn forward(&self, h: Tensor, pass: &Pass) -> Result<Tensor> {
        Ok(match self {
            Step::Unit(unit) => unit.forward(&h, pass)?,
            Step::Norm(norm) => norm.forward(&h, pass)?,
            Step::ChannelNorm(norm) => norm.forward(&h, pass)?,
            Step::Activation(activation) => activated(&h, *activation)?,
            Step::Pool(pool) => pooled(&h, pool)?,
            Step::Resize(side) => resized(&h, *side)?,
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
            Step::Mirror => {
                // libtorch's own reflection adds up gradients in no order on CUDA.
                let mirrored = |h: &Tensor, dim: i64| {
                    let n = h.size()[dim as usize];
                    Tensor::f_cat(
                        &[h.f_narrow(dim, 1, 1)?, h.shallow_clone(), h.f_narrow(dim, n - 2, 1)?],
                        dim,
                    )
                };
                mirrored(&mirrored(&h, 2)?, 3)?
            }
            Step::Sum { main, shortcut, scale, drop } => {
                let mut sum = forward(main, &h, pass)?;
                if let Some(scale) = scale {
                    let scale = if pass.train { scale.shallow_clone() } else { scale.detach() };
                    sum = sum.f_mul(&scale)?;
                }
                let mut each = vec![1; h.dim()];
                each[0] = h.size()[0];
                if let Some(kept) = pass.kept(1.0 - drop, &each, &sum)? {
                    sum = sum.f_mul(&kept)?;
                }
                let shortcut = forward(shortcut, &h, pass)?;
                if sum.kind() == shortcut.kind() { sum.f_add_(&shortcut)? } else { sum.f_add(&shortcut)? }
            }
            Step::Gate { steps, hard } => {
                let means = h.f_mean_dim([2i64, 3].as_slice(), true, None)?;
                let gate = forward(steps, &means, pass)?;
                h.f_mul(&if *hard { gate.f_hardsigmoid()? } else { gate.f_sigmoid()? })?
            }
            Step::Channels { start, count } => h.f_narrow(1, *start, *count)?,
            Step::Shuffle(parts) => {
                let [b, c, y, x] = size(&h)?;
                let turned = h.f_reshape([b, *parts, c / parts, y, x])?.f_transpose(1, 2)?;
                turned.f_reshape([b, c, y, x])?
            }
            Step::Fold => {
                let [_, _, rows, columns] = size(&h)?;
                let h = h.f_constant_pad_nd([0, columns % 2, 0, rows % 2])?;
                let part = |y: i64, x: i64| h.f_slice(2, y, None, 2)?.f_slice(3, x, None, 2);
                Tensor::f_cat(&[part(0, 0)?, part(1, 0)?, part(0, 1)?, part(1, 1)?], 1)?
            }
            Step::Embedding(embedding) => embedding.forward(&h, pass)?,
            Step::Attention(attention) => attention.forward(&h, pass)?,
            Step::First => h.f_select(1, 0)?,
            Step::All(steps) => forward(steps, &h, pass)?,
            Step::Concat(ways) => {
                let ways = ways.iter().map(|way| forward(way, &h, pass)).collect::<Result<Vec<_>>>()?;
                Tensor::f_cat(&ways, 1)?
            }
            Step::Tap(name) => {
                pass.tap(name, &h);
                h
            }
            Step::TokenTap { name, size: [rows, columns] } => {
                if pass.taps.is_some() {
                    let (b, n, width) = h.size3()?;
                    let squares = h.f_narrow(1, 1, n - 1)?.f_transpose(1, 2)?;
                    pass.tap(name, &squares.f_reshape([b, width, *rows, *columns])?);
                }
                h
            }
        })
    }
}

// `[B, c, h, w]`.
fn size(h: &Tensor) -> Result<[i64; 4]> {
    let (b, c, y, x) = h.size4()?;
    Ok([b, c, y, x])
}

pub(super) fn pooled(h: &Tensor, pool: &Pool) -> Result<Tensor> {
    let (size, stride, padding) = ([pool.size; 2], [pool.stride; 2], [pool.padding; 2]);
    let [size, stride, padding] = [size, stride, padding].map(|pair| pair.map(|n| n as i64));
    if pool.max {
        return Ok(h.f_max_pool2d(size, stride, padding, [1, 1], pool.ceil)?);
    }
    // Padded before: gradients through a mean pool that pads are wrong on CUDA where the channels come last
    // (pytorch/pytorch#188344; seen with libtorch 2.11).
    let [rows, columns] = padding;
    let padded = (padding != [0, 0]).then(|| h.f_constant_pad_nd([columns, columns, rows, rows]));
    let means = padded.transpose()?.as_ref().unwrap_or(h).f_avg_pool2d(
        size,
        stride,
        [0, 0],
        pool.ceil,
        true,
        None::<i64>,
    )?;
    // Of what is padded already, a window that is padding only would be one more.
    let [_, _, y, x] = self::size(h)?;
    let windows = |n: i64| pool.windows(n as usize).unwrap_or_default() as i64;
    Ok(means.f_narrow(2, 0, windows(y))?.f_narrow(3, 0, windows(x))?)
}

// Means over `side` windows along each side, which overlap where they have to. As products with matrices:
// the gradients of libtorch's adaptive pooling are not deterministic on CUDA.
pub(super) fn resized(h: &Tensor, side: i64) -> Result<Tensor> {
    let [_, _, rows, columns] = size(h)?;
    if [rows, columns] == [side; 2] {
        return Ok(h.shallow_clone());
    }
    // In half precision the weights of the means would be rounded.
    let kind = if h.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let windows = |n: i64| -> Result<Tensor> {
        let weights: Vec<f64> = (0..side).flat_map(|i| weights_of_window(i, side, n)).collect();
        Ok(Tensor::from_slice(&weights).f_reshape([side, n])?.f_to_device(h.device())?.f_to_kind(kind)?)
    };
    let means = windows(rows)?.f_matmul(&h.f_to_kind(kind)?)?;
    Ok(means.f_matmul(&windows(columns)?.f_transpose(0, 1)?)?.f_to_kind(h.kind())?)
}

// Of window `i` of `windows` over `n` places.
fn weights_of_window(i: i64, windows: i64, n: i64) -> impl Iterator<Item = f64> {
    let within = i * n / windows..((i + 1) * n + windows - 1) / windows;
    let share = 1.0 / (within.end - within.start) as f64;
    (0..n).map(move |place| if within.contains(&place) { share } else { 0.0 })
}
