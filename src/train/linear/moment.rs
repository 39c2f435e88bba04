//! Moment space: a step costs K·d² multiplications, whatever the number of samples.
//!
//! A minibatch has moments of its own; there E Σxx = (1/B)(X Eᵀ)ᵀ X is applied
//! from the samples of the batch, and Σxx `[d, d]` is never formed.

use ndarray::Axis;
use tch::{Device, Kind, Tensor};

use crate::data::Samples;
use crate::error::Result;
use crate::model::{Network, convert};
use crate::theory::Moments;
use crate::train::batches::Batches;
use crate::train::linear::{Plan, Seen, Space};

/// Second moments on the device.
#[derive(Debug)]
pub struct MomentSpace<'a> {
    xx: Tensor,
    yx: Tensor,
    half_yy: f64,
    minibatches: Option<(Batches, &'a Samples)>,
}

impl<'a> MomentSpace<'a> {
    /// # Errors
    /// [`crate::Error::Device`] when the device has no room for Σxx.
    pub fn new(
        samples: &'a Samples,
        moments: &Moments,
        plan: &Plan,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let minibatches = plan.batch.map(|b| (Batches::new(samples.len(), b, plan.seed), samples));
        Ok(Self {
            xx: convert::tensor(moments.xx.view(), kind, device)?,
            yx: convert::tensor(moments.yx.view(), kind, device)?,
            half_yy: 0.5 * moments.yy_trace,
            minibatches,
        })
    }

    // E Σxx and L from it.
    fn see(&self, map: &Tensor) -> Result<Seen> {
        let response = map.f_matmul(&self.xx)?;
        // ½ tr Σyy + ⟨E, ½ E Σxx − Σyx⟩
        let loss = (map * (&response * 0.5 - &self.yx)).sum(None::<Kind>) + self.half_yy;
        Ok(Seen { loss, response })
    }
}

impl Space for MomentSpace<'_> {
    fn gradient(
        &mut self,
        net: &dyn Network,
        parameters: &[Tensor],
        step: u64,
        _look: bool, // what there is to see is a by-product here
    ) -> Result<(Vec<Tensor>, Option<Seen>)> {
        let map = net.end_to_end();
        let detached = map.detach();
        let (at_map, seen) = match &mut self.minibatches {
            None => {
                let seen = self.see(&detached)?;
                (&seen.response - &self.yx, Some(seen))
            }
            Some((batches, samples)) => {
                let rows = batches.at(step);
                let (kind, device) = (map.kind(), map.device());
                let x = convert::tensor(samples.x.select(Axis(0), rows).view(), kind, device)?;
                let y = convert::tensor(samples.y.select(Axis(0), rows).view(), kind, device)?;
                let error = x.f_matmul(&detached.tr())? - y;
                (error.tr().f_matmul(&x)? / rows.len() as f64, None)
            }
        };
        // The gradient of ⟨E, G⟩ at constant G is that of L: one product with
        // Σxx a step instead of autograd's two.
        let surrogate = (&map * at_map).sum(None::<Kind>);
        let gradients = Tensor::f_run_backward(&[surrogate], parameters, false, false)?;
        Ok((gradients, seen))
    }

    fn measure(&mut self, net: &dyn Network) -> Result<Seen> {
        self.see(&tch::no_grad(|| net.end_to_end()))
    }
}
