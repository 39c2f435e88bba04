//! The LCNN of the theory with what makes it nonlinear: L convolutions of M
//! channels, each with batch norm and ReLU, then a dense layer over all positions.

use tch::Tensor;

use super::layers::{Dense, Unit};
use super::maker::Maker;
use super::{Body, Pass};
use crate::error::{Error, Result};

#[derive(Debug)]
pub struct Cnn {
    units: Vec<Unit>,
    head: Dense,
    nonlinear: bool,
}

impl Cnn {
    pub fn new(maker: &mut Maker) -> Result<Self> {
        let architecture = maker.architecture.clone();
        let [c, h, w] = architecture.shape;
        let (channels, layers, (kh, kw)) = architecture.plain;
        if kh > h || kw > w {
            let found = format!("{kh}x{kw} on images of {h}x{w}");
            return Err(Error::input("model.kernel", "kernels no larger than the images", found));
        }
        let m = channels as i64;
        let units = (0..layers).map(|l| {
            let inputs = if l == 0 { c as i64 } else { m };
            let (conv, norm) = (format!("conv{}", l + 1), format!("bn{}", l + 1));
            maker.unit(&conv, &norm, [m, inputs, kh as i64, kw as i64], 1)
        });
        let units = units.collect::<Result<_>>()?;
        let head = maker.dense("fc", architecture.outputs as i64, m * (h * w) as i64)?;
        Ok(Self { units, head, nonlinear: architecture.nonlinear })
    }
}

impl Body for Cnn {
    fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut h = x.shallow_clone();
        for (l, unit) in self.units.iter().enumerate() {
            h = unit.forward(&h, pass)?;
            if self.nonlinear {
                h = h.f_relu_()?;
            }
            pass.tap(&format!("conv{}", l + 1), &h);
        }
        // By channel, row and column, whatever the order in memory.
        self.head.forward(&h.f_flatten(1, -1)?, pass)
    }
}
