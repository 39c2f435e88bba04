//! Makes the tensors of a network, in the order of its layers.

use rand::Rng;
use rand_distr::{Distribution, Normal};
use tch::{Device, Kind, Tensor};

use super::layers::{Conv, Dense, Norm, Unit};
use super::{Architecture, Entry, Role, channels_last};
use crate::error::Result;
use crate::model::Padding;
use crate::run::config::InitKind;
use crate::seed;
use crate::theory::linear;

pub struct Maker<'a> {
    pub architecture: &'a Architecture,
    init: InitKind,
    seed: u64,
    kind: Kind,
    device: Device,
    entries: Vec<Entry>,
}

impl<'a> Maker<'a> {
    pub fn new(
        architecture: &'a Architecture,
        init: InitKind,
        seed: u64,
        kind: Kind,
        device: Device,
    ) -> Self {
        Self { architecture, init, seed, kind, device, entries: Vec::new() }
    }

    pub fn finish(self) -> Vec<Entry> {
        self.entries
    }

    /// A convolution `name` and, unless switched off, its norm `norm`.
    pub fn unit(&mut self, name: &str, norm: &str, shape: [i64; 4], stride: i64) -> Result<Unit> {
        let [out, inputs, h, w] = shape;
        // Variance of a uniform number in ±b is b²/3.
        let weight = match self.init {
            InitKind::Kaiming => self.normal(name, &shape, (2.0 / (out * h * w) as f64).sqrt())?,
            _ => self.uniform(name, "weight", &shape, inputs * h * w)?,
        };
        let weight = if self.architecture.channels_last { channels_last(&weight)? } else { weight };
        let weight = self.keep(name, "weight", weight, Role::Kernel);
        let [_, image_h, image_w] = self.architecture.shape;
        let origin = linear::origin((h as usize, w as usize), (image_h, image_w));
        let conv = Conv::new(weight, stride, self.architecture.padding == Padding::Circular, origin);
        let norm = if self.architecture.norm { Some(self.norm(norm, out)?) } else { None };
        Ok(Unit { conv, norm })
    }

    fn norm(&mut self, name: &str, channels: i64) -> Result<Norm> {
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
        let count: i64 = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|_| draw()).collect();
        Ok(Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_kind(self.kind)?.f_to_device(self.device)?)
    }

    fn keep(&mut self, name: &str, part: &str, tensor: Tensor, role: Role) -> Tensor {
        let tensor = if role == Role::Buffer { tensor } else { tensor.set_requires_grad(true) };
        let shared = tensor.shallow_clone();
        self.entries.push(Entry { name: format!("{name}.{part}"), tensor, role });
        shared
    }
}
