//! The only place where arrays become tensors and tensors become arrays.

use ndarray::{Array, ArrayD, ArrayView, ArrayView4, Dimension, IxDyn};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::weights::{Data, Dtype, NamedTensor};

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

/// `values` as a tensor `[n]` on `device`, without waiting for what the device is doing.
///
/// # Errors
/// [`Error::Device`] when the device has no room for it.
pub fn indices<T: tch::kind::Element>(values: &[T], device: Device) -> Result<Tensor> {
    let here = Tensor::f_from_slice(values)?;
    // The driver has taken its copy of pageable memory when this comes back.
    Ok(here.f_to_device_(device, here.kind(), true, false)?)
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

/// Bytes `[N, c, h, w]` as a tensor on the CPU.
///
/// # Errors
/// [`Error::Device`] when there is no room.
pub fn bytes(array: ArrayView4<u8>) -> Result<Tensor> {
    let shape: Vec<i64> = array.shape().iter().map(|&n| n as i64).collect();
    let contiguous = array.as_standard_layout();
    Ok(Tensor::f_from_slice(contiguous.as_slice().expect("standard layout"))?.f_reshape(shape)?)
}

const DTYPES: [(Dtype, Kind); 10] = [
    (Dtype::F64, Kind::Double),
    (Dtype::F32, Kind::Float),
    (Dtype::F16, Kind::Half),
    (Dtype::Bf16, Kind::BFloat16),
    (Dtype::I64, Kind::Int64),
    (Dtype::I32, Kind::Int),
    (Dtype::I16, Kind::Int16),
    (Dtype::I8, Kind::Int8),
    (Dtype::U8, Kind::Uint8),
    (Dtype::Bool, Kind::Bool),
];

/// A copy of `tensor` as files hold it, its last axis fastest.
///
/// # Errors
/// [`Error::Device`] when libtorch refuses the copy, or the file format knows no
/// such numbers.
pub fn named(name: &str, tensor: &Tensor) -> Result<NamedTensor> {
    let kind = tensor.kind();
    let dtype = DTYPES.iter().find(|(_, k)| *k == kind).map(|(dtype, _)| *dtype);
    let dtype = dtype.ok_or_else(|| Error::Device(format!("cannot store `{name}`, a tensor of {kind:?}")))?;
    let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut bytes = vec![0; flat.numel() * dtype.size()];
    flat.f_copy_data_u8(&mut bytes, flat.numel())?;
    let shape = tensor.size().iter().map(|&n| n as usize).collect();
    NamedTensor::new(name, shape, Data::from_le_bytes(dtype, &bytes))
}

/// A copy of a tensor from a file, on the CPU; of 8-bit floating point numbers and of unsigned integers
/// wider than a byte in double precision.
///
/// # Errors
/// [`Error::Device`] when there is no room.
pub fn from_named(stored: &NamedTensor) -> Result<Tensor> {
    let dtype = stored.data().dtype();
    let shape: Vec<i64> = stored.shape().iter().map(|&n| n as i64).collect();
    let Some((_, kind)) = DTYPES.iter().find(|(d, _)| *d == dtype) else {
        // Not all of libtorch computes with such numbers.
        return Ok(Tensor::f_from_slice(&stored.data().to_f64())?.f_reshape(shape)?);
    };
    let mut bytes = Vec::with_capacity(stored.data().bytes());
    stored.data().write_le_bytes(&mut bytes).expect("memory takes every byte");
    Ok(Tensor::f_from_data_size(&bytes, &shape, *kind)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Axis};

    #[test]
    fn stored_tensors_come_back_bit_by_bit() {
        for (dtype, kind) in DTYPES {
            let t = Tensor::arange(24, (Kind::Double, Device::Cpu))
                .to_kind(kind)
                .reshape([2, 3, 4])
                .permute([2, 1, 0]);
            let stored = named("a", &t).unwrap();
            assert_eq!((stored.data().dtype(), stored.shape()), (dtype, &[4, 3, 2][..]));
            let back = from_named(&stored).unwrap();
            assert_eq!(back.kind(), kind);
            assert!(back.equal(&t), "{dtype}");
        }
    }

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
