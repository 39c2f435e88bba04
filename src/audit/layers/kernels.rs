//! What the kernels of one layer amount to, a chunk of them at a time.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, Zip, s};
use rustfft::num_complex::Complex;

use super::{DOMINANT, Radial, Spectrum};
use crate::error::{Error, Result};
use crate::spectrum::{Energies, FEW_WEIGHTS, Grid, energies_of_products, irfft2, kernel_energies};

/// Sums over kernels of one size.
pub(super) struct Sums {
    rows: usize,
    cols: usize,
    grid: Grid,
    /// Kernels so far.
    count: usize,
    /// Σ of their squared weights.
    norm: f64,
    /// Σ over kernels of |Σ_k e(k) exp(2iθ_k)|, and of Σ_k e(k), DC left out.
    turned: f64,
    varying: f64,
    energies: Way,
}

enum Way {
    /// Both are quadratic forms of the weights of a kernel.
    Products {
        /// Σ of the products of any two weights of a kernel.
        products: Array2<f64>,
        /// Real and imaginary part of the form of Σ e(k) exp(2iθ_k), side by side.
        form: Array2<f64>,
    },
    /// By the spectrum of each kernel.
    Each {
        /// Σ of the energies.
        sum: Array2<f64>,
        /// exp(2iθ_k), for the full plane.
        angles: Array2<Complex<f64>>,
    },
}

impl Sums {
    /// Of no kernel yet; kernels are of `rows`×`cols`, no larger than `grid`.
    pub fn new(rows: usize, cols: usize, grid: Grid) -> Self {
        let energies = if rows * cols <= FEW_WEIGHTS {
            let weights = rows * cols;
            Way::Products { products: Array2::zeros((weights, weights)), form: form(rows, cols, grid) }
        } else {
            let mut angles = angles(grid);
            angles.indexed_iter_mut().for_each(|((_, c), z)| *z *= grid.weight(c));
            Way::Each { sum: Array2::zeros(grid.half_shape()), angles }
        };
        Self { rows, cols, grid, count: 0, norm: 0.0, turned: 0.0, varying: 0.0, energies }
    }

    /// Kernels that are best added at a time.
    pub fn chunk(&self) -> usize {
        const NUMBERS: usize = 1 << 15;
        let (rows, cols) = self.grid.half_shape();
        let each = match self.energies {
            Way::Products { .. } => self.rows * self.cols,
            Way::Each { .. } => rows * cols,
        };
        (NUMBERS / each).max(16)
    }

    /// Adds kernels, a row each `[n, rows·cols]`.
    pub fn add(&mut self, kernels: ArrayView2<f64>) -> Result<()> {
        self.count += kernels.nrows();
        match &mut self.energies {
            Way::Products { products, form } => {
                general_mat_mul(1.0, &kernels.t(), &kernels, 1.0, products);
                let formed = kernels.dot(form);
                let weights = kernels.ncols();
                for (kernel, formed) in kernels.rows().into_iter().zip(formed.rows()) {
                    let re = kernel.dot(&formed.slice(s![..weights]));
                    let im = kernel.dot(&formed.slice(s![weights..]));
                    let norm = kernel.dot(&kernel);
                    self.norm += norm;
                    self.turned += re.hypot(im);
                    // By Parseval all of it, without DC.
                    let dc = kernel.sum().powi(2) / (self.grid.h * self.grid.w) as f64;
                    self.varying += (norm - dc).max(0.0);
                }
            }
            Way::Each { sum, angles } => {
                let shaped = kernels.to_shape((kernels.nrows(), 1, self.rows, self.cols));
                let shaped = shaped.expect("the same number of weights");
                let all = kernel_energies(shaped.view(), self.grid.h, self.grid.w)?;
                for energies in all.index_axis(Axis(1), 0).outer_iter() {
                    let (mut turned, mut total) = (Complex::<f64>::default(), 0.0);
                    Zip::indexed(&energies).and(&*angles).for_each(|(_, c), &e, z| {
                        turned += z * e;
                        total += self.grid.weight(c) * e;
                    });
                    self.norm += total;
                    self.turned += turned.norm();
                    self.varying += total - energies[[0, 0]];
                    *sum += &energies;
                }
            }
        }
        Ok(())
    }

    /// Mean squared norm of a kernel.
    pub fn energy(&self) -> f64 {
        self.norm / self.count as f64
    }

    /// Energies, the sum divided by `count`.
    pub fn energies(&self, count: usize) -> Result<Energies> {
        let count = count as f64;
        match &self.energies {
            Way::Products { products, .. } => {
                energies_of_products((products / count).view(), self.cols, self.grid)
            }
            Way::Each { sum, .. } => Energies::new(self.grid, sum / count),
        }
    }

    /// Mean anisotropy of a kernel, by their energies without DC.
    pub fn kernel_anisotropy(&self) -> f64 {
        if self.varying <= 1e-13 * self.norm { 0.0 } else { (self.turned / self.varying).min(1.0) }
    }

    /// All of the spectrum.
    pub fn spectrum(&self) -> Result<Spectrum> {
        Ok(Spectrum::new(&self.energies(self.count)?, self.kernel_anisotropy()))
    }
}

impl Spectrum {
    pub(super) fn new(energies: &Energies, kernel_anisotropy: f64) -> Self {
        let rings = energies.radial_profile(None);
        let (total, entries) = (energies.total(), energies.grid().h * energies.grid().w);
        let (anisotropy, orientation) = energies.anisotropy();
        Self {
            radial: Radial {
                share: rings.total.iter().map(|e| e / total).collect(),
                density: rings.mean().iter().map(|e| e * entries as f64 / total).collect(),
                radius: rings.radius,
                entries: rings.entries,
            },
            centroid: energies.centroid(),
            anisotropy,
            orientation,
            kernel_anisotropy,
            dominant_share: energies.carried_by(DOMINANT),
            participation: energies.participation(),
            strongest: energies.dominant(),
            energies: energies.values().rows().into_iter().map(|row| row.to_vec()).collect(),
        }
    }
}

/// exp(2iθ) of every entry of the half plane; 0 at DC.
fn angles(grid: Grid) -> Array2<Complex<f64>> {
    Array2::from_shape_fn(grid.half_shape(), |(r, c)| {
        let (cos, sin) = grid.double_angle(grid.frequency(r, c));
        Complex::new(cos, sin)
    })
}

/// The matrices Q of Σ_k e(k) cos 2θ_k = wᵀ Q w and of the same with sin 2θ_k, side by
/// side, for the weights w of a kernel: Q_pq = (HW)^(-1/2) q(p − q), with q the
/// unitary inverse transform of cos 2θ (or sin 2θ), which is real and even.
fn form(rows: usize, cols: usize, grid: Grid) -> Array2<f64> {
    let (h, w) = (grid.h, grid.w);
    let angles = angles(grid);
    let scale = 1.0 / ((h * w) as f64).sqrt();
    let parts: [fn(&Complex<f64>) -> f64; 2] = [|z| z.re, |z| z.im];
    let lags = parts.map(|part| irfft2(angles.mapv(|z| Complex::from(part(&z))).view(), w) * scale);
    let weights = rows * cols;
    Array2::from_shape_fn((weights, 2 * weights), |(p, q)| {
        let (lag, q) = (&lags[q / weights], q % weights);
        lag[[(h + p / cols - q / cols) % h, (w + p % cols - q % cols) % w]]
    })
}

/// Says which tensor is meant.
pub(super) fn named(name: &str) -> impl Fn(Error) -> Error {
    let place = format!("tensor {}", crate::error::shown(name));
    move |e| match e {
        Error::Input { expected, found, .. } => Error::input(&place, expected, found),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use ndarray::{Array4, array};
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;
    use crate::seed;

    fn random(count: usize, rows: usize, cols: usize, seed: u64) -> Array2<f64> {
        let mut rng = seed::rng(seed, "test/sums", 0);
        Array2::from_shape_simple_fn((count, rows * cols), || rng.random_range(-1.0..1.0))
    }

    /// From the definition: one kernel, one spectrum, one anisotropy at a time.
    fn naive(kernels: &Array2<f64>, rows: usize, cols: usize, grid: Grid) -> (Energies, f64) {
        let shaped = kernels.to_shape((kernels.nrows(), 1, rows, cols)).unwrap();
        let shaped: Array4<f64> = shaped.to_owned();
        let all = kernel_energies(shaped.view(), grid.h, grid.w).unwrap();
        let (mut turned, mut varying) = (0.0, 0.0);
        for kernel in all.index_axis(Axis(1), 0).outer_iter() {
            let energies = Energies::new(grid, kernel.to_owned()).unwrap();
            let without_dc = energies.total() - kernel[[0, 0]];
            turned += energies.anisotropy().0 * without_dc;
            varying += without_dc;
        }
        let mean = all.mean_axis(Axis(0)).unwrap().index_axis(Axis(0), 0).to_owned();
        (Energies::new(grid, mean).unwrap(), turned / varying)
    }

    fn check(count: usize, rows: usize, cols: usize, grid: Grid, seed: u64) {
        let kernels = random(count, rows, cols, seed);
        let (energies, anisotropy) = naive(&kernels, rows, cols, grid);
        let mut sums = Sums::new(rows, cols, grid);
        let (first, rest) = kernels.view().split_at(Axis(0), count / 2);
        sums.add(first).unwrap();
        sums.add(rest).unwrap();
        let spectrum = sums.spectrum().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} is not {b}");
        close(sums.energy(), energies.total());
        close(spectrum.kernel_anisotropy, anisotropy);
        close(spectrum.anisotropy, energies.anisotropy().0);
        close(spectrum.centroid, energies.centroid());
        for (a, b) in spectrum.energies.iter().flatten().zip(energies.values()) {
            close(*a, *b);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn sums_are_those_of_the_kernels_one_by_one(
            count in 2usize..9, rows in 1usize..5, cols in 1usize..5,
            h in 5usize..9, w in 5usize..9, seed in 0u64..1000,
        ) {
            check(count, rows, cols.max(2), Grid::new(h, w), seed);
        }
    }

    #[test]
    fn large_kernels_are_summed_one_by_one() {
        check(5, 12, 11, Grid::new(13, 12), 1);
        check(3, 16, 16, Grid::new(32, 32), 2);
        assert!(matches!(Sums::new(12, 11, Grid::new(13, 12)).energies, Way::Each { .. }));
        assert!(matches!(Sums::new(11, 11, Grid::new(32, 32)).energies, Way::Products { .. }));
    }

    #[test]
    fn stripes_of_all_orientations_are_anisotropic_one_by_one() {
        // A cosine along columns and one along rows, both filling the grid.
        let cosine = |turned: bool| {
            (0..64).map(move |i| {
                let x = if turned { i / 8 } else { i % 8 };
                (2.0 * PI * x as f64 / 8.0).cos()
            })
        };
        let kernels = Array2::from_shape_vec((2, 64), cosine(false).chain(cosine(true)).collect()).unwrap();
        let mut sums = Sums::new(8, 8, Grid::new(8, 8));
        sums.add(kernels.view()).unwrap();
        let spectrum = sums.spectrum().unwrap();
        assert!(spectrum.anisotropy < 1e-13 && (spectrum.kernel_anisotropy - 1.0).abs() < 1e-13);
        // One varies with its columns only: θ = 0.
        let mut one = Sums::new(8, 8, Grid::new(8, 8));
        one.add(kernels.slice(s![..1, ..])).unwrap();
        let spectrum = one.spectrum().unwrap();
        assert!((spectrum.anisotropy - 1.0).abs() < 1e-13 && spectrum.orientation < 1e-13);
        assert!((spectrum.centroid - 0.125).abs() < 1e-13);
    }

    #[test]
    fn a_constant_has_no_orientation() {
        let mut sums = Sums::new(3, 4, Grid::new(3, 4));
        sums.add(Array2::from_elem((2, 12), 0.3).view()).unwrap();
        let spectrum = sums.spectrum().unwrap();
        assert_eq!((spectrum.anisotropy, spectrum.kernel_anisotropy), (0.0, 0.0));
        let error = named("conv")(Error::input("spectrum", "a", "b")).to_string();
        assert_eq!(error, "tensor conv: expected a, found b");
    }

    #[test]
    fn a_difference_of_two_weights_by_hand() {
        // (1, −1) along columns: e(f) ∝ 1 − cos 2πf_x, which is |Σ e exp 2iθ| in closed
        // form on 2×2: frequencies (0,1) and (1,1) with equal energy, θ = 0 and diagonal.
        let mut sums = Sums::new(1, 2, Grid::new(2, 2));
        sums.add(array![[1.0, -1.0]].view()).unwrap();
        let spectrum = sums.spectrum().unwrap();
        assert!((sums.energy() - 2.0).abs() < 1e-15);
        assert!((spectrum.anisotropy - 0.5).abs() < 1e-15, "{}", spectrum.anisotropy);
        assert!((spectrum.kernel_anisotropy - 0.5).abs() < 1e-15);
        assert!((spectrum.centroid - 0.5 * (0.5 + 0.5f64.sqrt())).abs() < 1e-15);
        assert!((spectrum.participation - 2.0).abs() < 1e-14);
    }
}
