//! What theories of one layer of full-size circular kernels ask of a network.

use ndarray::Array4;

use super::{Padding, Weights};
use crate::error::{Error, Result};
use crate::theory::modes::{Mode, Modes};

/// A step size, where there is one, is positive and finite.
pub(crate) fn step_size(eta: Option<f64>) -> Result<()> {
    match eta {
        Some(eta) if !(eta > 0.0 && eta.is_finite()) => {
            Err(Error::input("train.eta", "a positive step size", eta))
        }
        _ => Ok(()),
    }
}

/// Kernels `[M, c, H, W]` and dense layer `[K, M, H, W]` of a network of one layer
/// of circular kernels of the images' size; an error for any other.
pub(crate) fn full_circular<'a>(
    modes: &Modes,
    weights: &'a Weights,
) -> Result<(&'a Array4<f64>, &'a Array4<f64>)> {
    let [c, h, w] = modes.shape;
    let Weights::Lcnn { kernels, dense, padding } = weights else {
        return Err(Error::input("model.name", "a convolutional network", "`fcnn`"));
    };
    let [kernels] = kernels.as_slice() else {
        return Err(Error::input("model.layers", "1 (this theory knows one layer)", kernels.len()));
    };
    let (m, channels, rows, columns) = kernels.dim();
    if (rows, columns) != (h, w) {
        let found = format!("{rows}x{columns}");
        return Err(Error::input("model.kernel", format!("`full` ({h}x{w}) for this theory"), found));
    }
    if *padding != Padding::Circular {
        return Err(Error::input("model.padding", "`circular` for this theory", "`zero`"));
    }
    let (outputs, maps, rows, columns) = dense.dim();
    let agree = channels == c && maps == m && (rows, columns) == (h, w);
    fits(modes, agree, outputs, kernels.iter().chain(dense))?;
    Ok((kernels, dense))
}

/// Whether finite weights fit the images and the outputs of `modes`; whether they
/// `agree` among themselves is known to the caller.
pub(crate) fn fits<'a>(
    modes: &Modes,
    agree: bool,
    outputs: usize,
    mut values: impl Iterator<Item = &'a f64>,
) -> Result<()> {
    let [c, h, w] = modes.shape;
    let fits = |m: &Mode| m.u.len() == outputs && m.v.dim() == (c, h, w);
    if !(agree && modes.list.iter().all(fits)) {
        let expected = format!("weights for {c}x{h}x{w} images and the outputs of the modes");
        return Err(Error::input("model", expected, "another shape"));
    }
    match values.find(|x| !x.is_finite()) {
        Some(x) => Err(Error::input("init.scale", "finite weights", x)),
        None => Ok(()),
    }
}
