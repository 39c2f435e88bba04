//! What an image takes on this machine: passes through the network, and filters.

use std::time::Instant;

use ndarray::Array4;
use tch::{Kind, Tensor};

use super::Times;
use crate::audit::clean::at_once;
use crate::audit::filter::{Mask, Spectra, outside};
use crate::audit::net::Net;
use crate::audit::subject::chunk;
use crate::error::{Error, Result};
use crate::model::convert;
use crate::spectrum::Grid;

/// Seconds for which passes and filters are timed.
const PASSES: f64 = 0.5;
const FILTERS: f64 = 0.1;

/// Seconds for each of `images` that `once` handles, over `least` seconds.
fn each(least: f64, images: usize, once: impl Fn() -> Result<()>) -> Result<f64> {
    // The first time kernels and transforms are prepared.
    once()?;
    let (start, mut count) = (Instant::now(), 0);
    while count == 0 || start.elapsed().as_secs_f64() < least {
        once()?;
        count += images;
    }
    Ok(start.elapsed().as_secs_f64() / count as f64)
}

impl Times {
    /// Of images for `net`, as many at a time as the parts of an audit show.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn measure(net: &Net) -> Result<Self> {
        Ok(Self { pass: pass(net)?, filter: filter(net)? })
    }
}

fn pass(net: &Net) -> Result<f64> {
    let _no_grad = tch::no_grad_guard();
    let [c, h, w] = net.shape();
    let count = chunk([c, h, w], net.device());
    let x = Tensor::f_zeros([count as i64, c as i64, h as i64, w as i64], (Kind::Float, net.device()));
    let x = net.laid_out(x.map_err(Error::from)?)?;
    // A sum waits for the device.
    each(PASSES, count, || {
        net.forward(&x).and_then(|z| Ok(z.f_sum(Kind::Double)?.f_double_value(&[]).map(drop)?))
    })
}

// The transform back, clipping, and the way to the network.
fn filter(net: &Net) -> Result<f64> {
    let shape @ [c, h, w] = net.shape();
    let count = at_once(shape);
    let spectra = Spectra::new(Array4::zeros((count, c, h, w)).view());
    let mask = Mask::new(Grid::new(h, w), |_| true);
    each(FILTERS, count, || {
        let mut images = spectra.filtered(&mask);
        outside(&mut images, true);
        let there = convert::tensor(images.view(), Kind::Float, net.device())?;
        Ok(there.f_max()?.f_double_value(&[]).map(drop)?)
    })
}
