//! For the tests: the definition of the transform, and pictures without any
//! symmetry that could hide a mistake.

use std::f64::consts::TAU;

use ndarray::{Array2, Array4, ArrayView, ArrayView2, Dimension};
use rand::Rng;
use rustfft::num_complex::Complex;

use crate::seed::rng;

/// The unitary DFT from its definition, O((HW)²), full plane.
pub fn dft2(plane: ArrayView2<f64>) -> Array2<Complex<f64>> {
    let (h, w) = plane.dim();
    Array2::from_shape_fn((h, w), |(k, l)| {
        let sum: Complex<f64> = plane
            .indexed_iter()
            .map(|((r, c), &x)| {
                // Reduced first: the phase is exact for any size.
                let phase = (k * r % h) as f64 / h as f64 + (l * c % w) as f64 / w as f64;
                Complex::from_polar(x, -TAU * phase)
            })
            .sum();
        sum / ((h * w) as f64).sqrt()
    })
}

/// Uniform in [-1, 1).
pub fn plane(h: usize, w: usize, seed: u64) -> Array2<f64> {
    let mut rng = rng(seed, "spectrum test plane", (h * 10_000 + w) as u64);
    Array2::from_shape_simple_fn((h, w), || rng.random_range(-1.0..1.0))
}

/// Uniform in [0, 1): like pixels, with a mean far above the rest.
pub fn images(shape: (usize, usize, usize, usize), seed: u64) -> Array4<f32> {
    let mut rng = rng(seed, "spectrum test images", 0);
    Array4::from_shape_simple_fn(shape, || rng.random::<f32>())
}

/// How far a computed value may be from one of size `scale`: `ulps` roundings
/// for each of the log₂ n stages of a transform of n points, and one more.
pub fn tolerance(epsilon: f64, ulps: f64, n: usize, scale: f64) -> f64 {
    ulps * epsilon * (1.0 + (n as f64).log2()) * scale
}

/// The largest absolute difference of two arrays of the same shape.
pub fn distance<D: Dimension>(a: ArrayView<f64, D>, b: ArrayView<f64, D>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
