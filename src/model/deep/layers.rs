//! Convolution, norms and dense layer, each with its tensors.

use tch::{Kind, Tensor};

use super::Pass;
use crate::error::Result;

/// Momentum of PyTorch's batch norm.
pub(super) const MOMENTUM: f64 = 0.1;

/// The same values `[N, C, H, W]` with channels innermost in memory, the order
/// in which the CPU's and the tensor cores' convolutions work.
///
/// # Errors
/// [`crate::Error::Device`] when libtorch fails.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

// In the precision of the pass.
pub(super) fn cast(t: &Tensor, pass: &Pass) -> Result<Tensor> {
    Ok(if pass.half { t.f_to_kind(Kind::BFloat16)? } else { t.shallow_clone() })
}

// A weight in training; otherwise nothing flows back to it.
pub(super) fn held(t: &Tensor, pass: &Pass) -> Tensor {
    if pass.train { t.shallow_clone() } else { t.detach() }
}

/// Kernels `[out, in/groups, h, w]`.
#[derive(Debug)]
pub struct Conv {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub stride: i64,
    pub groups: i64,
    /// Left, right, top, bottom.
    pub pads: [i64; 4],
    pub circular: bool,
}

impl Conv {
    fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let stride = [self.stride, self.stride];
        let [left, right, top, bottom] = self.pads;
        let convolve = |x: &Tensor, pads: [i64; 2]| -> Result<Tensor> {
            Ok(x.f_conv2d(weight, bias, stride, pads, [1, 1], self.groups)?)
        };
        if self.pads == [0; 4] {
            convolve(x, [0, 0])
        } else if self.circular {
            convolve(&x.f_pad(self.pads, "circular", None::<f64>)?, [0, 0])
        } else if (left, top) == (right, bottom) {
            convolve(x, [top, left])
        } else {
            convolve(&x.f_constant_pad_nd(self.pads)?, [0, 0])
        }
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
    pub epsilon: f64,
}

impl Norm {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let batch = pass.train && !pass.frozen;
        if batch {
            let _ = tch::no_grad(|| self.batches.shallow_clone().f_add_scalar_(1))?;
        }
        let (weight, bias) = (held(&self.weight, pass), held(&self.bias, pass));
        let running = (Some(&self.mean), Some(&self.var));
        Ok(x.f_batch_norm(
            Some(&weight),
            Some(&bias),
            running.0,
            running.1,
            batch,
            MOMENTUM,
            self.epsilon,
            true,
        )?)
    }
}

/// A convolution and its norm.
#[derive(Debug)]
pub struct Unit {
    pub conv: Conv,
    pub norm: Option<Norm>,
}

impl Unit {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let x = cast(x, pass)?;
        let Conv { weight, bias, .. } = &self.conv;
        match &self.norm {
            // The norm is then linear: one convolution does both.
            Some(norm) if !pass.train => {
                let (weight, bias) = tch::no_grad(|| -> Result<_> {
                    let scale = (&norm.var + norm.epsilon).f_rsqrt()?.f_mul(&norm.weight)?;
                    let mean = match bias {
                        Some(bias) => norm.mean.f_sub(bias)?,
                        None => norm.mean.shallow_clone(),
                    };
                    let bias = &norm.bias - mean * &scale;
                    let weight = weight.f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?;
                    Ok((cast(&weight, pass)?, cast(&bias, pass)?))
                })?;
                self.conv.apply(&x, &weight, Some(&bias))
            }
            norm => {
                let weight = cast(&held(weight, pass), pass)?;
                let bias = bias.as_ref().map(|bias| cast(&held(bias, pass), pass)).transpose()?;
                let y = self.conv.apply(&x, &weight, bias.as_ref())?;
                match norm {
                    Some(norm) => norm.forward(&y, pass),
                    None => Ok(y),
                }
            }
        }
    }
}

/// Layer norm over the channels of each position.
#[derive(Debug)]
pub struct ChannelNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub epsilon: f64,
}

impl ChannelNorm {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (weight, bias) = (held(&self.weight, pass), held(&self.bias, pass));
        // In the precision of the weights, which hold the statistics.
        let x = x.f_to_kind(weight.kind())?;
        over_channels(&x, |x| {
            Ok(x.f_layer_norm(weight.size(), Some(&weight), Some(&bias), self.epsilon, true)?)
        })
    }
}

/// ŷ = W h + b, at each position where there are any.
#[derive(Debug)]
pub struct Dense {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

impl Dense {
    pub fn forward(&self, h: &Tensor, pass: &Pass) -> Result<Tensor> {
        let weight = cast(&held(&self.weight, pass), pass)?;
        let bias = self.bias.as_ref().map(|bias| cast(&held(bias, pass), pass)).transpose()?;
        over_channels(&cast(h, pass)?, |h| Ok(h.f_linear(&weight, bias.as_ref())?))
    }
}

// Of `[B, c]` or `[B, c, h, w]`, with channels as the last axis.
fn over_channels(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.dim() == 4 { Ok(f(&x.f_permute([0, 2, 3, 1])?)?.f_permute([0, 3, 1, 2])?) } else { f(x) }
}
