//! Makes the tensors of a network, in the order of its layers.

use rand::Rng;
use rand_distr::{Distribution, Normal};
use tch::{Device, Kind, Tensor};

use super::attention::{Attention, Embedding, coordinates, index};
use super::layers::{ChannelNorm, Conv, Dense, Norm, Unit};
use super::{Architecture, Entry, Role, channels_last};
use crate::blueprint::{self, Over, Part};
use crate::error::Result;
use crate::model::Padding;
use crate::run::config::InitKind;
use crate::seed;

/// Standard deviation of positions and of biases by distance.
const DEVIATION: f64 = 0.02;

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
        let norm = plan.norm.as_ref().map(|norm| self.norm(norm, out, plan.epsilon)).transpose()?;
        Ok(Unit { conv, norm })
    }

    /// A batch norm, which changes nothing yet.
    pub fn norm(&mut self, name: &str, channels: i64, epsilon: f64) -> Result<Norm> {
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
            epsilon,
        })
    }

    /// A layer norm over channels.
    pub fn channel_norm(&mut self, name: &str, channels: i64, epsilon: f64) -> Result<ChannelNorm> {
        let options = (self.kind, self.device);
        let (weight, bias) = (Tensor::f_ones([channels], options)?, Tensor::f_zeros([channels], options)?);
        Ok(ChannelNorm {
            weight: self.keep(name, "weight", weight, Role::Vector),
            bias: self.keep(name, "bias", bias, Role::Vector),
            epsilon,
        })
    }

    /// A factor `[c, 1, 1]` per channel, 1e-6 to begin with (Touvron et al. 2021).
    pub fn scale(&mut self, name: &str, channels: i64) -> Result<Tensor> {
        let factor = Tensor::f_full([channels, 1, 1], 1e-6, (self.kind, self.device))?;
        Ok(self.keep_as(name.to_owned(), factor, Role::Vector))
    }

    /// A dense layer.
    pub fn dense(&mut self, name: &str, outputs: i64, inputs: i64, bias: bool) -> Result<Dense> {
        let weight = self.uniform(name, "weight", &[outputs, inputs], inputs)?;
        let weight = self.keep(name, "weight", weight, Role::Matrix);
        let bias = bias.then(|| self.uniform(name, "bias", &[outputs], inputs)).transpose()?;
        Ok(Dense { weight, bias: bias.map(|bias| self.keep(name, "bias", bias, Role::Vector)) })
    }

    /// Tokens of squares: the first one zero, positions drawn with a standard deviation of 0.02.
    pub fn embedding(&mut self, plan: &blueprint::Embedding) -> Result<Embedding> {
        let width = plan.patches.shape[0] as i64;
        let class = Tensor::f_zeros([1, 1, width], (self.kind, self.device))?;
        let class = self.keep_as(plan.class.clone(), class, Role::Vector);
        let patches = self.unit(&plan.patches)?;
        let positions = self.normal(&plan.positions, &[1, plan.count as i64, width], DEVIATION)?;
        let positions = self.keep_as(plan.positions.clone(), positions, Role::Vector);
        Ok(Embedding { class, patches, positions })
    }

    /// Attention: matrices as dense layers have them, biases zero.
    pub fn attention(&mut self, plan: &blueprint::Attention) -> Result<Attention> {
        let side = match plan.over {
            Over::Tokens => 0,
            Over::Windows { side, .. }
            | Over::CosineWindows { side, .. }
            | Over::Blocks(side)
            | Over::Grid(side) => side,
        };
        let mut tensors = Vec::new();
        for (name, shape, part) in plan.parts() {
            let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
            let options = (self.kind, self.device);
            let (tensor, role) = match part {
                Part::Matrix => (self.uniform_as(&name, &shape, shape[1])?, Role::Matrix),
                Part::Vector => (Tensor::f_zeros(&shape[..], options)?, Role::Vector),
                Part::Table => (self.normal(&name, &shape, DEVIATION)?, Role::Vector),
                Part::Scale => (Tensor::f_full(&shape[..], 10f64.ln(), options)?, Role::Vector),
                Part::Index => {
                    let index = Tensor::f_from_slice(&index(side))?.f_reshape(&shape[..])?;
                    (index.f_to_device(self.device)?, Role::Buffer)
                }
                Part::Distances => {
                    let values = Tensor::f_from_slice(&coordinates(side))?.f_reshape(&shape[..])?;
                    (values.f_to_kind(self.kind)?.f_to_device(self.device)?, Role::Buffer)
                }
            };
            let end = name.strip_prefix(&format!("{}.", plan.name)).unwrap_or(&name).to_owned();
            tensors.push((end, self.keep_as(name, tensor, role)));
        }
        Ok(Attention::new(plan.clone(), tensors))
    }

    // What PyTorch's layers do: uniform within ±1/√fan_in.
    fn uniform(&self, name: &str, part: &str, shape: &[i64], fan_in: i64) -> Result<Tensor> {
        self.uniform_as(&format!("{name}.{part}"), shape, fan_in)
    }

    fn uniform_as(&self, name: &str, shape: &[i64], fan_in: i64) -> Result<Tensor> {
        let bound = 1.0 / (fan_in as f64).sqrt();
        let mut rng = seed::rng(self.seed, &format!("weights/{name}"), 0);
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
