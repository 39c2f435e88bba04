//! Convolution, batch norm and dense layer, each with its tensors.

use tch::{Kind, Tensor};

use super::Pass;
use crate::error::Result;

/// Momentum and ε of PyTorch's batch norm.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// The same values `[N, C, H, W]` with channels innermost in memory, the order
/// in which the CPU's and the tensor cores' convolutions work.
///
/// # Errors
/// [`crate::Error::Device`] when libtorch fails.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

/// Kernels `[out, in, h, w]`, padded to "same" size before the stride.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    stride: i64,
    circular: bool,
    /// Row and column of the entry that meets the position itself.
    origin: (i64, i64),
}

impl Conv {
    pub fn new(weight: Tensor, stride: i64, circular: bool, origin: (usize, usize)) -> Self {
        Self { weight, stride, circular, origin: (origin.0 as i64, origin.1 as i64) }
    }

    fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let size = weight.size();
        let (h, w) = (size[2], size[3]);
        let stride = [self.stride, self.stride];
        let (top, left) = self.origin;
        let (bottom, right) = (h - 1 - top, w - 1 - left);
        if !self.circular && (top, left) == (bottom, right) {
            return Ok(x.f_conv2d(weight, bias, stride, [top, left], [1, 1], 1)?);
        }
        let pads = [left, right, top, bottom];
        let x = match (h, w) {
            (1, 1) => x.shallow_clone(),
            _ if self.circular => x.f_pad(pads, "circular", None::<f64>)?,
            _ => x.f_constant_pad_nd(pads)?,
        };
        Ok(x.f_conv2d(weight, bias, stride, [0, 0], [1, 1], 1)?)
    }
}

/// Batch norm over images and positions.
#[derive(Debug)]
pub struct Norm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub mean: Tensor,
    pub var: Tensor,
    pub batches: Tensor,
}

/// A convolution and its norm.
#[derive(Debug)]
pub struct Unit {
    pub conv: Conv,
    pub norm: Option<Norm>,
}

impl Unit {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let cast = |t: &Tensor| if pass.half { t.f_to_kind(Kind::BFloat16) } else { Ok(t.shallow_clone()) };
        let x = cast(x)?;
        let weight = &self.conv.weight;
        match &self.norm {
            Some(norm) if pass.train => {
                let y = self.conv.apply(&x, &cast(weight)?, None)?;
                let _ = tch::no_grad(|| norm.batches.shallow_clone().f_add_scalar_(1))?;
                let (mean, var) = (Some(&norm.mean), Some(&norm.var));
                let affine = (Some(&norm.weight), Some(&norm.bias));
                Ok(y.f_batch_norm(affine.0, affine.1, mean, var, true, MOMENTUM, EPSILON, true)?)
            }
            Some(norm) => {
                // The norm is then linear: one convolution does both.
                let (weight, bias) = tch::no_grad(|| -> Result<_> {
                    let scale = (&norm.var + EPSILON).f_rsqrt()?.f_mul(&norm.weight)?;
                    let bias = &norm.bias - &norm.mean * &scale;
                    Ok((cast(&weight.f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?)?, cast(&bias)?))
                })?;
                self.conv.apply(&x, &weight, Some(&bias))
            }
            None if pass.train => self.conv.apply(&x, &cast(weight)?, None),
            None => self.conv.apply(&x, &cast(&weight.detach())?, None),
        }
    }
}

/// ŷ = W h + b.
#[derive(Debug)]
pub struct Dense {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl Dense {
    pub fn forward(&self, h: &Tensor, pass: &Pass) -> Result<Tensor> {
        let cast = |t: &Tensor| if pass.half { t.f_to_kind(Kind::BFloat16) } else { Ok(t.shallow_clone()) };
        let (weight, bias) = if pass.train {
            (self.weight.shallow_clone(), self.bias.shallow_clone())
        } else {
            (self.weight.detach(), self.bias.detach())
        };
        Ok(cast(h)?.f_linear(&cast(&weight)?, Some(&cast(&bias)?))?)
    }
}
