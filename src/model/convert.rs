//! The only place where arrays become tensors and tensors become arrays.

use ndarray::{Array, ArrayD, ArrayView, Dimension, IxDyn};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// Element types both sides know.
pub trait Element: tch::kind::Element + Clone {}
impl Element for f32 {}
impl Element for f64 {}

/// A copy of `array` as a tensor of `kind` on `device`, shape kept.
///
/// # Errors
/// [`Error::Device`] when the device has no room for it.
pub fn tensor<T: Element, D: Dimension>(
    array: ArrayView<T, D>,
    kind: Kind,
    device: Device,
) -> Result<Tensor> {
    let shape: Vec<i64> = array.shape().iter().map(|&n| n as i64).collect();
    let contiguous = array.as_standard_layout();
    let flat = contiguous.as_slice().expect("standard layout");
    let copy = || Tensor::f_from_slice(flat)?.f_reshape(&shape)?.f_to_kind(kind)?.f_to_device(device);
    copy().map_err(|e| Error::Device(format!("cannot copy {shape:?} values to {device:?}: {e}")))
}

/// A copy of `tensor` in double precision, shape kept.
///
/// # Errors
/// [`Error::Device`] when libtorch refuses the copy.
pub fn array(tensor: &Tensor) -> Result<ArrayD<f64>> {
    let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
    let copy = || -> std::result::Result<Vec<f64>, tch::TchError> {
        let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_contiguous()?;
        let mut values = vec![0.0; flat.numel()];
        flat.f_copy_data(&mut values, flat.numel())?;
        Ok(values)
    };
    let values = copy().map_err(|e| Error::Device(format!("cannot read a tensor {shape:?}: {e}")))?;
    Ok(Array::from_shape_vec(IxDyn(&shape), values).expect("one value per element"))
}

/// [`array()`] of a matrix.
///
/// # Errors
/// As [`array()`], and when the tensor has not two axes.
pub fn matrix(tensor: &Tensor) -> Result<ndarray::Array2<f64>> {
    array(tensor)?
        .into_dimensionality()
        .map_err(|_| Error::Device(format!("expected a matrix, found a tensor {:?}", tensor.size())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Axis};

    #[test]
    fn round_trip_keeps_order_even_of_transposed_views() {
        let a = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 100 + j * 10 + k) as f64);
        let swapped = a.view().permuted_axes([2, 0, 1]);
        let t = tensor(swapped.view(), Kind::Double, Device::Cpu).unwrap();
        assert_eq!(t.size(), [4, 2, 3]);
        assert_eq!(t.double_value(&[3, 1, 2]), 123.0);
        assert_eq!(array(&t).unwrap(), swapped.into_dyn());
        assert_eq!(array(&t.permute([1, 2, 0])).unwrap(), a.clone().into_dyn());
        assert!(matrix(&t).is_err());
        let first = matrix(&tensor(a.index_axis(Axis(0), 1), Kind::Float, Device::Cpu).unwrap()).unwrap();
        assert_eq!(first, a.index_axis(Axis(0), 1));
    }
}
