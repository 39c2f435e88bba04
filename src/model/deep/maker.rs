//! Makes the tensors of a network, in the order of its layers.

use rand::Rng;
use rand_distr::{Distribution, Normal};
use tch::{Device, Kind, Tensor};

use super::layers::{ChannelNorm, Conv, Dense, Norm, Unit};
use super::{Architecture, Entry, Role, channels_last};
use crate::blueprint;
use crate::error::Result;
use crate::model::Padding;
use crate::run::config::InitKind;
use crate::seed;

pub struct Maker<'a> {
    architecture: &'a Architecture,
    /// How weights are drawn; zeros without.
    init: Option<InitKind>,
    seed: u64,
    kind: Kind,
    device: Device,
    entries: Vec<Entry>,
}

impl<'a> Maker<'a> {
    pub fn new(
        architecture: &'a Architecture,
        init: Option<InitKind>,
        seed: u64,
        kind: Kind,
        device: Device,
    ) -> Self {
        Self { architecture, init, seed, kind, device, entries: Vec::new() }
    }

    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }

    /// A convolution and, where it has one, its norm.
    pub fn unit(&mut self, plan: &blueprint::Conv) -> Result<Unit> {
        let shape = plan.shape.map(|n| n as i64);
        let [out, inputs, h, w] = shape;
        let name = &plan.name;
        let fan_in = inputs * h * w;
        // Variance of a uniform number in ±b is b²/3.
        let weight = match self.init {
            Some(InitKind::Kaiming) => self.normal(name, &shape, (2.0 / (out * h * w) as f64).sqrt())?,
            _ => self.uniform(name, "weight", &shape, fan_in)?,
        };
        let weight = if self.architecture.channels_last { channels_last(&weight)? } else { weight };
        let weight = self.keep(name, "weight", weight, Role::Kernel);
        let bias = match (plan.bias, self.init) {
            (false, _) => None,
            (true, Some(InitKind::Kaiming)) => Some(Tensor::f_zeros([out], (self.kind, self.device))?),
            (true, _) => Some(self.uniform(name, "bias", &[out], fan_in)?),
        };
        let bias = bias.map(|bias| self.keep(name, "bias", bias, Role::Vector));
        let conv = Conv {
            weight,
            bias,
            stride: plan.stride as i64,
            groups: plan.groups as i64,
            pads: plan.pads.map(|n| n as i64),
            circular: self.architecture.padding == Padding::Circular,
        };
        let norm = plan.norm.as_ref().map(|norm| self.norm(norm, out)).transpose()?;
        Ok(Unit { conv, norm })
    }

    /// A batch norm, which changes nothing yet.
    pub fn norm(&mut self, name: &str, channels: i64) -> Result<Norm> {
        let options = (self.kind, self.device);
        let ones = || Tensor::f_ones([channels], options);
        let zeros = || Tensor::f_zeros([channels], options);
        Ok(Norm {
            weight: self.keep(name, "weight", ones()?, Role::Vector),
            bias: self.keep(name, "bias", zeros()?, Role::Vector),
            mean: self.keep(name, "running_mean", zeros()?, Role::Buffer),
            var: self.keep(name, "running_var", ones()?, Role::Buffer),
            batches: self.keep(
                name,
                "num_batches_tracked",
                Tensor::f_zeros([0i64; 0], (Kind::Int64, self.device))?,
                Role::Buffer,
            ),
        })
    }

    /// A layer norm over channels.
    pub fn channel_norm(&mut self, name: &str, channels: i64) -> Result<ChannelNorm> {
        let options = (self.kind, self.device);
        let (weight, bias) = (Tensor::f_ones([channels], options)?, Tensor::f_zeros([channels], options)?);
        Ok(ChannelNorm {
            weight: self.keep(name, "weight", weight, Role::Vector),
            bias: self.keep(name, "bias", bias, Role::Vector),
        })
    }

    /// A factor `[c, 1, 1]` per channel, 1e-6 to begin with (Touvron et al. 2021).
    pub fn scale(&mut self, name: &str, channels: i64) -> Result<Tensor> {
        let factor = Tensor::f_full([channels, 1, 1], 1e-6, (self.kind, self.device))?;
        Ok(self.keep_as(name.to_owned(), factor, Role::Vector))
    }

    /// A dense layer with bias.
    pub fn dense(&mut self, name: &str, outputs: i64, inputs: i64) -> Result<Dense> {
        let weight = self.uniform(name, "weight", &[outputs, inputs], inputs)?;
        let bias = self.uniform(name, "bias", &[outputs], inputs)?;
        Ok(Dense {
            weight: self.keep(name, "weight", weight, Role::Matrix),
            bias: self.keep(name, "bias", bias, Role::Vector),
        })
    }

    // What PyTorch's layers do: uniform within ±1/√fan_in.
    fn uniform(&self, name: &str, part: &str, shape: &[i64], fan_in: i64) -> Result<Tensor> {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let mut rng = seed::rng(self.seed, &format!("weights/{name}.{part}"), 0);
        self.tensor(shape, || rng.random_range(-bound..bound))
    }

    fn normal(&self, name: &str, shape: &[i64], deviation: f64) -> Result<Tensor> {
        let normal = Normal::new(0.0, deviation).expect("a finite deviation");
        let mut rng = seed::rng(self.seed, &format!("weights/{name}.weight"), 0);
        self.tensor(shape, || normal.sample(&mut rng))
    }

    fn tensor(&self, shape: &[i64], mut draw: impl FnMut() -> f64) -> Result<Tensor> {
        if self.init.is_none() {
            return Ok(Tensor::f_zeros(shape, (self.kind, self.device))?);
        }
        let count: i64 = shape.iter().product();
        // Without a copy in double precision: the largest layers are large.
        let values = if self.kind == Kind::Float {
            Tensor::f_from_slice(&(0..count).map(|_| draw() as f32).collect::<Vec<_>>())?
        } else {
            Tensor::f_from_slice(&(0..count).map(|_| draw()).collect::<Vec<_>>())?
        };
        Ok(values.f_reshape(shape)?.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }

    fn keep(&mut self, name: &str, part: &str, tensor: Tensor, role: Role) -> Tensor {
        self.keep_as(format!("{name}.{part}"), tensor, role)
    }

    fn keep_as(&mut self, name: String, tensor: Tensor, role: Role) -> Tensor {
        let tensor = if role == Role::Buffer { tensor } else { tensor.set_requires_grad(true) };
        let shared = tensor.shallow_clone();
        self.entries.push(Entry { name, tensor, role });
        shared
    }
}
