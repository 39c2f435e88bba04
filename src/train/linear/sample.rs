//! Sample space: the samples go through the layers, one by one.

use ndarray::Array1;
use tch::{Device, Kind, Tensor};

use crate::data::Samples;
use crate::error::Result;
use crate::model::{Network, convert};
use crate::train::batches::Batches;
use crate::train::linear::{Plan, Seen, Space};

/// Samples on the device.
#[derive(Debug)]
pub struct SampleSpace {
    x: Tensor,
    y: Tensor,
    /// What [`Network::encode`] made of x.
    encoded: Tensor,
    batches: Option<Batches>,
}

/// Samples that are sent through the layers at a time when only measuring.
const CHUNK: i64 = 4096;

impl SampleSpace {
    /// # Errors
    /// [`crate::Error::Device`] when the device has no room for the samples.
    pub fn new(
        samples: &Samples,
        plan: &Plan,
        net: &dyn Network,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let x = convert::tensor(samples.x.view(), kind, device)?;
        Ok(Self {
            y: convert::tensor(samples.y.view(), kind, device)?,
            encoded: tch::no_grad(|| net.encode(&x)),
            x,
            batches: plan.batch.map(|b| Batches::new(samples.len(), b, plan.seed)),
        })
    }
}

fn loss_of(error: &Tensor) -> Tensor {
    error.square().sum(None::<Kind>) * (0.5 / error.size()[0] as f64)
}

impl Space for SampleSpace {
    fn gradient(
        &mut self,
        net: &dyn Network,
        parameters: &[Tensor],
        step: u64,
        look: bool,
    ) -> Result<(Vec<Tensor>, Option<Seen>)> {
        let device = self.x.device();
        let Some(batches) = &mut self.batches else {
            let outputs = net.forward(&self.encoded);
            let loss = loss_of(&(&outputs - &self.y));
            let gradients = Tensor::f_run_backward(&[&loss], parameters, false, false)?;
            let response = look.then(|| self.response(&outputs.detach())).transpose()?;
            return Ok((gradients, response.map(|response| Seen { loss: loss.detach(), response })));
        };
        let rows = Array1::from_iter(batches.at(step).iter().map(|&i| i as i64));
        let rows = Tensor::from_slice(rows.as_slice().expect("one axis")).to_device(device);
        let outputs = net.forward(&self.encoded.f_index_select(0, &rows)?);
        let loss = loss_of(&(outputs - self.y.index_select(0, &rows)));
        Ok((Tensor::f_run_backward(&[&loss], parameters, false, false)?, None))
    }

    fn measure(&mut self, net: &dyn Network) -> Result<Seen> {
        let _no_grad = tch::no_grad_guard();
        let outputs: Vec<_> = self.encoded.split(CHUNK, 0).iter().map(|part| net.forward(part)).collect();
        let outputs = Tensor::cat(&outputs, 0);
        Ok(Seen { loss: loss_of(&(&outputs - &self.y)), response: self.response(&outputs)? })
    }
}

impl SampleSpace {
    // Σŷx = (1/P) Σ ŷ_i x_iᵀ
    fn response(&self, outputs: &Tensor) -> Result<Tensor> {
        Ok(outputs.tr().f_matmul(&self.x)? / outputs.size()[0] as f64)
    }
}
