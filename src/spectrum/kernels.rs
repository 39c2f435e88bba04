//! Spectra of many small convolution kernels.

use ndarray::{Array2, ArrayView2, ArrayView4, Axis};

use super::energies::Energies;
use super::fft::{kernel_energies, rfft2};
use super::grid::Grid;
use crate::error::{Error, Result};

/// Weights of a kernel up to which products of kernels cost less than a transform
/// of each.
pub(crate) const FEW_WEIGHTS: usize = 128;

/// Energies of convolution kernels `[O, I, r, s]` zero-padded to h×w, averaged
/// over all O·I of them; zeros where there is none.
///
/// By the mean autocorrelation R of the kernels, whose transform it is (Wiener
/// and Khinchin): one transform, whatever the number of kernels.
///
/// # Errors
/// [`Error::Input`] for kernels larger than the grid, and for weights that are
/// not finite.
pub fn mean_kernel_energies(kernels: ArrayView4<f64>, h: usize, w: usize) -> Result<Energies> {
    let (o, i, r, s) = kernels.dim();
    let grid = Grid::new(h, w);
    if o * i == 0 || r * s > FEW_WEIGHTS || r > h || s > w {
        let all = kernel_energies(kernels, h, w)?;
        let sum = all.sum_axis(Axis(0)).sum_axis(Axis(0));
        return Energies::new(grid, sum / (o * i).max(1) as f64);
    }
    let flat = kernels.to_shape((o * i, r * s)).expect("the same number of weights");
    let products = flat.t().dot(&flat) / (o * i) as f64;
    energies_of_products(products.view(), s, grid).map_err(|e| Error::input("kernels", "finite weights", e))
}

/// Mean energies of kernels of `s` columns, no larger than `grid`, from the means
/// of the products of any two of their weights `[r·s, r·s]`.
///
/// # Errors
/// [`Error::Input`] for products that are not finite.
pub(crate) fn energies_of_products(products: ArrayView2<f64>, s: usize, grid: Grid) -> Result<Energies> {
    let (h, w) = (grid.h, grid.w);
    let mut correlation = Array2::zeros((h, w));
    for ((p, q), product) in products.indexed_iter() {
        let row = (h + p / s - q / s) % h;
        let col = (w + p % s - q % s) % w;
        correlation[[row, col]] += product;
    }
    let scale = 1.0 / ((h * w) as f64).sqrt();
    // Rounding may leave an energy of zero below it.
    let values =
        rfft2(correlation.view()).mapv(|z| if z.re.is_nan() { z.re } else { (z.re * scale).max(0.0) });
    Energies::new(grid, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_mean_of_the_spectra(
            o in 1usize..5, i in 1usize..4, r in 1usize..6, s in 1usize..6, h in 6usize..9, w in 6usize..10,
            seed in 0u64..1000,
        ) {
            use rand::Rng;
            let mut rng = crate::seed::rng(seed, "test/kernels", 0);
            let kernels = Array4::from_shape_simple_fn((o, i, r, s), || rng.random_range(-1.0..1.0));
            let fast = mean_kernel_energies(kernels.view(), h, w).unwrap();
            let all = kernel_energies(kernels.view(), h, w).unwrap();
            let mean = all.sum_axis(Axis(0)).sum_axis(Axis(0)) / (o * i) as f64;
            for (a, b) in fast.values().iter().zip(&mean) {
                prop_assert!((a - b).abs() < 1e-13, "{} {}", a, b);
            }
        }
    }

    #[test]
    fn a_kernel_of_one_weight_is_flat_and_bad_ones_are_named() {
        let one = Array4::from_elem((1, 1, 1, 1), 3.0);
        let energies = mean_kernel_energies(one.view(), 4, 6).unwrap();
        assert!(energies.values().iter().all(|e| (e - 9.0 / 24.0).abs() < 1e-15));
        assert!(mean_kernel_energies(Array4::zeros((0, 3, 3, 3)).view(), 4, 4).unwrap().total() == 0.0);
        assert!(mean_kernel_energies(Array4::zeros((1, 1, 5, 3)).view(), 4, 4).is_err());
        let broken = mean_kernel_energies(Array4::from_elem((1, 1, 2, 2), f64::NAN).view(), 4, 4);
        assert!(broken.unwrap_err().to_string().contains("finite"));
    }
}
