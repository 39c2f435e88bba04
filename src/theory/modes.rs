//! The modes of a data set: Σyx = Σ_α s_α u_α v_αᵀ.
//!
//! Sign rule: the entry of u_α of largest magnitude is positive (the first of
//! them, where several are equal within 1e-6). Modes of strength below
//! 1e-6·s_1 are rounding (centring y leaves one such mode) and are left out.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use rustfft::num_complex::Complex;

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::spectrum::{Energies, Frequency, Grid, rfft2};
use crate::theory::moments::{self, Moments};

/// One mode of a data set.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Strength s_α, a singular value of Σyx.
    pub s: f64,
    /// Which outputs it tells apart: unit vector u_α `[K]`.
    pub u: Array1<f64>,
    /// Its image: unit vector v_α `[c, h, w]`.
    pub v: Array3<f64>,
    /// λ_α = v_αᵀ Σxx v_α.
    pub lambda: f64,
    /// Concentration ρ_α = √n · max_k |v̂_α(k)|, with |v̂_α(k)|² summed over
    /// channels (unitary DFT): √(n/2) for a cosine, 1 for a single bright pixel.
    pub rho: f64,
    /// Energy |v̂_α(k)|² summed over channels; sums to 1 over the full plane.
    pub energies: Energies,
    /// Participation ratio of the energies over the full plane: 2 for a cosine.
    pub participation: f64,
    /// The frequency that ρ is of: that of the largest entry |v̂(k)| ([`Energies::dominant`]).
    pub dominant: Frequency,
}

impl Mode {
    /// Rate of discovery relative to a fully connected network: about ρ for a
    /// circular convolution, exactly so for a single frequency.
    pub fn gain(&self, convolutional: bool) -> f64 {
        if convolutional { self.rho } else { 1.0 }
    }

    /// v̂ per channel `[c, h, w/2 + 1]`, and its norm over channels.
    pub(crate) fn spectrum(&self) -> (Array3<Complex<f64>>, Array2<f64>) {
        let (c, h, w) = self.v.dim();
        let (rows, cols) = Grid::new(h, w).half_shape();
        let mut hat = Array3::zeros((c, rows, cols));
        for (mut out, plane) in hat.outer_iter_mut().zip(self.v.outer_iter()) {
            out.assign(&rfft2(plane));
        }
        let norm = hat.map_axis(Axis(0), |z| z.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt());
        (hat, norm)
    }
}

/// The modes of a data set, strongest first.
#[derive(Clone, Debug)]
pub struct Modes {
    /// `[c, h, w]` of the images.
    pub shape: [usize; 3],
    /// The modes, s descending.
    pub list: Vec<Mode>,
    /// Modes there are; more than in the list where only the strongest were asked for.
    pub count: usize,
    /// Σ s² over all modes, the ones left out included.
    pub total: f64,
}

/// Singular values below this share of the largest are rounding.
const NEGLIGIBLE: f64 = 1e-6;

impl Modes {
    /// The modes of prepared samples. Cost: P·d·K, Σxx is not formed.
    ///
    /// # Errors
    /// [`Error::Input`] when targets and images are uncorrelated (Σyx = 0), so
    /// that there is no mode at all.
    pub fn new(samples: &Samples) -> Result<Self> {
        Self::from_cross(samples, moments::cross(samples).view())
    }

    /// As [`Modes::new`], from a Σyx `[K, d]` that is already known.
    ///
    /// # Errors
    /// As [`Modes::new`].
    pub fn from_cross(samples: &Samples, yx: ArrayView2<f64>) -> Result<Self> {
        Self::assemble(samples.shape, yx, square_norm(samples) * moments::yy_trace(samples), |v| {
            moments::variances(samples, v)
        })
    }

    /// The modes of moments alone, of images of `shape` `[c, h, w]`.
    ///
    /// # Errors
    /// As [`Modes::new`].
    pub fn from_moments(moments: &Moments, shape: [usize; 3]) -> Result<Self> {
        let norm = moments.xx.diag().sum() * moments.yy_trace;
        Self::assemble(shape, moments.yx.view(), norm, |v| {
            let mapped = moments.xx.dot(&v);
            v.columns().into_iter().zip(mapped.columns()).map(|(v, mapped)| v.dot(&mapped)).collect()
        })
    }

    /// The `most` strongest modes of prepared samples. All of [`Modes::new`] take memory
    /// and time for K images of d numbers; these for as many as are asked for. By the
    /// eigenvectors of Σyx Σyxᵀ `[K, K]`: u and s are as exact as by the SVD where s is
    /// not far below s_1 (relative to it, 1e-16·(s_1/s)²).
    ///
    /// # Errors
    /// As [`Modes::new`].
    pub fn strongest(samples: &Samples, most: usize) -> Result<Self> {
        let yx = moments::cross(samples);
        let norm = square_norm(samples) * moments::yy_trace(samples);
        Self::select(samples.shape, leading(yx.view(), most)?, norm, |v| moments::variances(samples, v))
    }

    // `norm`: mean ‖x‖² times mean ‖y‖².
    fn assemble(
        shape: [usize; 3],
        yx: ArrayView2<f64>,
        norm: f64,
        lambdas: impl FnOnce(ArrayView2<f64>) -> Vec<f64>,
    ) -> Result<Self> {
        Self::select(shape, svd(yx)?, norm, lambdas)
    }

    // Of singular vectors, in u and v those of the largest s alone.
    fn select(
        shape: [usize; 3],
        (u, s, v): (Array2<f64>, Vec<f64>, Array2<f64>),
        norm: f64,
        lambdas: impl FnOnce(ArrayView2<f64>) -> Vec<f64>,
    ) -> Result<Self> {
        // Σyx of unrelated x and y is not zero but the rounding of a sum that cancels.
        let floor = 1e-10 * norm.sqrt();
        let count = s.iter().take_while(|&&x| x > NEGLIGIBLE * s[0] && x > floor).count();
        if count == 0 {
            return Err(Error::input(
                "data",
                "images that tell something about their targets (Σyx ≠ 0)",
                "Σyx = 0: every class has the same mean image, so there is no mode to discover",
            ));
        }
        let lambdas = lambdas(v.slice(ndarray::s![.., ..count.min(v.ncols())]));
        let [c, h, w] = shape;
        let mut list = Vec::with_capacity(lambdas.len());
        for (a, lambda) in lambdas.into_iter().enumerate() {
            let (mut u, mut v) = (u.column(a).to_owned(), v.column(a).to_owned());
            if sign(&u) < 0.0 {
                u *= -1.0;
                v *= -1.0;
            }
            let v = v.into_shape_with_order((c, h, w)).expect("d = c·h·w");
            let energies = Energies::of_image(v.view())?;
            list.push(Mode {
                s: s[a],
                lambda,
                rho: ((h * w) as f64 * energies.max_entry()).sqrt(),
                participation: energies.participation(),
                dominant: energies.dominant(),
                energies,
                u,
                v,
            });
        }
        Ok(Self { shape, list, count, total: s.iter().map(|s| s * s).sum() })
    }

    /// A step size that follows every mode: 1/(200 g s) of the fastest one, a
    /// hundredth of its time constant 1/(2 g s).
    pub fn gentle_eta(&self, convolutional: bool) -> f64 {
        let fastest = self.list.iter().map(|m| m.gain(convolutional) * m.s).fold(0.0, f64::max);
        1.0 / (200.0 * fastest)
    }

    /// Number of modes in the list.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is no mode (never so for modes that [`Modes::new`] made).
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Share of Σs² of mode `index`.
    pub fn share(&self, index: usize) -> f64 {
        self.list[index].s.powi(2) / self.total
    }

    /// u_α as columns `[K, m]`.
    pub fn u(&self) -> Array2<f64> {
        let columns: Vec<_> = self.list.iter().map(|m| m.u.view()).collect();
        ndarray::stack(Axis(1), &columns).expect("modes share their shape")
    }

    /// v_α as rows `[m, d]`.
    pub fn v_rows(&self) -> Array2<f64> {
        let d = self.shape.iter().product();
        let mut rows = Array2::zeros((self.len(), d));
        for (mut row, mode) in rows.rows_mut().into_iter().zip(&self.list) {
            row.iter_mut().zip(&mode.v).for_each(|(r, v)| *r = *v);
        }
        rows
    }

    /// Mode strengths a_α = u_αᵀ Σŷx v_α of a network with response Σŷx `[K, d]`.
    pub fn strengths(&self, response: ArrayView2<f64>) -> Vec<f64> {
        self.list.iter().map(|m| m.u.dot(&response.dot(&Array1::from_iter(m.v.iter().copied())))).collect()
    }
}

fn sign(u: &Array1<f64>) -> f64 {
    let largest = u.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let first = u.iter().find(|x| x.abs() >= largest * (1.0 - 1e-6));
    first.map_or(1.0, |x| x.signum())
}

// Mean ‖x‖².
fn square_norm(samples: &Samples) -> f64 {
    samples.x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / samples.len() as f64
}

/// Below this share of the largest, square roots of eigenvalues are not exact enough to
/// tell which are [`NEGLIGIBLE`]; below the other they are that for sure.
const INEXACT: [f64; 2] = [1e-7, 1e-4];

/// Images that are made at a time.
const AT_A_TIME: usize = 32;

// As [`svd`], but u and v of the `most` largest s alone.
fn leading(yx: ArrayView2<f64>, most: usize) -> Result<(Array2<f64>, Vec<f64>, Array2<f64>)> {
    let (k, d) = yx.dim();
    let owned = yx.as_standard_layout();
    let matrix = MatRef::from_row_major_slice(owned.as_slice().expect("standard layout"), k, d);
    let mut lower = Array2::zeros((k, k));
    moments::add_products(&mut lower, matrix.transpose());
    // Eigenvalues that are zero but for rounding, as of classes without images, are not
    // found to converge: all are moved by the largest entry, which costs no more than the
    // rounding that is there already.
    let shift = lower.diag().iter().copied().fold(0.0, f64::max);
    let gram = Mat::from_fn(k, k, |i, j| lower[[i.max(j), i.min(j)]] + if i == j { shift } else { 0.0 });
    let eigen = gram.self_adjoint_eigen(Side::Lower).map_err(|e| {
        Error::input("data", "finite second moments Σyx", format_args!("eigenvalues that fail ({e:?})"))
    })?;
    // Ascending.
    let (vectors, squares) = (eigen.U(), eigen.S().column_vector());
    let vector = |i: usize, j: usize| vectors[(i, k - 1 - j)];
    let u = Array2::from_shape_fn((k, k.min(most)), |(i, j)| vector(i, j));
    let mut v = Array2::zeros((d, u.ncols()));
    let mut s: Vec<f64> = (0..k).map(|j| (squares[k - 1 - j] - shift).max(0.0).sqrt()).collect();
    let largest = s.first().copied().unwrap_or(0.0);
    let [surely, exact] = INEXACT.map(|share| share * largest);
    // Σyxᵀu is s·v.
    let wanted: Vec<usize> = (0..k).filter(|&j| j < u.ncols() || (surely..exact).contains(&s[j])).collect();
    for part in wanted.chunks(AT_A_TIME) {
        let chosen = Mat::from_fn(k, part.len(), |i, at| vector(i, part[at]));
        let mut images = Mat::<f64>::zeros(d, part.len());
        matmul(images.as_mut(), Accum::Replace, matrix.transpose(), &chosen, 1.0, Par::rayon(0));
        for (image, &j) in images.col_iter().zip(part) {
            s[j] = image.norm_l2();
            if j < u.ncols() && s[j] > 0.0 {
                v.column_mut(j).iter_mut().zip(image.iter()).for_each(|(v, x)| *v = x / s[j]);
            }
        }
    }
    Ok((u, s, v))
}

// Thin SVD: u [K, r], s [r] descending, v [d, r].
fn svd(yx: ArrayView2<f64>) -> Result<(Array2<f64>, Vec<f64>, Array2<f64>)> {
    let owned = yx.as_standard_layout();
    let slice = owned.as_slice().expect("standard layout");
    let matrix = MatRef::from_row_major_slice(slice, yx.nrows(), yx.ncols());
    let svd = matrix.thin_svd().map_err(|e| {
        Error::input("data", "finite second moments Σyx", format_args!("an SVD that fails ({e:?})"))
    })?;
    let (u, s, v) = (svd.U(), svd.S(), svd.V());
    let rank = s.column_vector().nrows();
    Ok((
        Array2::from_shape_fn((yx.nrows(), rank), |(i, j)| u[(i, j)]),
        (0..rank).map(|i| s.column_vector()[i]).collect(),
        Array2::from_shape_fn((yx.ncols(), rank), |(i, j)| v[(i, j)]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::tests_support::{cosine_samples, random_samples, samples};
    use ndarray::array;

    #[test]
    fn reconstruct_the_cross_moment_and_are_orthonormal() {
        let s = random_samples(300, [3, 4, 5], 6, 3);
        let yx = moments::cross(&s);
        let modes = Modes::new(&s).unwrap();
        let mut rebuilt = Array2::<f64>::zeros(yx.dim());
        let (u, v) = (modes.u(), modes.v_rows());
        for (a, mode) in modes.list.iter().enumerate() {
            let outer = u.column(a).insert_axis(Axis(1)).dot(&v.row(a).insert_axis(Axis(0)));
            rebuilt = rebuilt + outer * mode.s;
            assert!((mode.energies.total() - 1.0).abs() < 1e-12);
            let largest = mode.energies.values()[mode.energies.grid().entry(mode.dominant)];
            assert!((mode.rho - (20.0 * largest).sqrt()).abs() < 1e-12);
            assert!(mode.rho >= 1.0 / 3f64.sqrt() && mode.rho <= 20f64.sqrt());
            let norm: f64 = mode.v.iter().map(|x| x * x).sum();
            assert!((norm - 1.0).abs() < 1e-12 && sign(&mode.u) > 0.0);
        }
        let scale = modes.list[0].s;
        assert!((rebuilt - yx).iter().all(|e| e.abs() < 1e-12 * scale));
        assert!((0..modes.len()).map(|i| modes.share(i)).sum::<f64>() - 1.0 < 1e-12);
        assert!(modes.list.windows(2).all(|w| w[0].s >= w[1].s));
    }

    #[test]
    fn the_strongest_are_the_same_by_eigenvectors() {
        let s = random_samples(300, [3, 4, 5], 6, 3);
        let (all, some) = (Modes::new(&s).unwrap(), Modes::strongest(&s, 3).unwrap());
        assert_eq!((some.len(), some.count, all.count), (3, all.len(), all.len()));
        assert!((some.total - all.total).abs() < 1e-12 * all.total);
        for (a, b) in all.list.iter().zip(&some.list) {
            assert!((a.s - b.s).abs() < 1e-12 * a.s && (a.lambda - b.lambda).abs() < 1e-12 * a.lambda);
            assert!((&a.u - &b.u).iter().chain(&(&a.v - &b.v)).all(|e| e.abs() < 1e-10));
            assert!((a.rho - b.rho).abs() < 1e-10 && a.dominant == b.dominant);
        }
        // Centred targets have a mode less than there are classes; more is not asked for.
        let cosines = cosine_samples((8, 8), &[(1, 2, 2.0, 0.3), (-3, 1, 1e-3, 1.1)]);
        assert_eq!(Modes::strongest(&cosines, 9).unwrap().len(), 2);
        let weak = cosine_samples((8, 8), &[(1, 2, 2.0, 0.3), (-3, 1, 1e-7, 1.1)]);
        assert_eq!(Modes::strongest(&weak, 9).unwrap().count, Modes::new(&weak).unwrap().count);
    }

    #[test]
    fn images_of_a_few_of_many_classes_have_as_many_modes_less_one() {
        // 10 images of each of 10 classes of 1,000: most of Σyx Σyxᵀ is zero.
        for seed in 0..4 {
            let random = random_samples(100, [3, 8, 8], 1, seed);
            let centred = &random.x - &random.x.mean_axis(Axis(0)).unwrap();
            let y = |classes: usize, every: usize| {
                let one_hot = |(i, k)| f64::from(u8::from(k == i / 10 * every));
                let y = Array2::from_shape_fn((100, classes), one_hot);
                &y - &y.mean_axis(Axis(0)).unwrap()
            };
            let few = samples(centred.clone(), y(10, 1), random.shape);
            let many = samples(centred, y(1000, 99), random.shape);
            let few = Modes::new(&few).unwrap();
            let (all, some) = (Modes::new(&many).unwrap(), Modes::strongest(&many, 5).unwrap());
            assert_eq!((few.count, all.count, some.count, some.len()), (9, 9, 9, 5));
            for ((a, b), c) in few.list.iter().zip(&all.list).zip(&some.list) {
                assert!((a.s - b.s).abs() < 1e-12 * a.s && (a.s - c.s).abs() < 1e-12 * a.s);
                assert!((&a.v - &c.v).iter().all(|e| e.abs() < 1e-9));
                assert!((0..10).all(|k| (a.u[k] - c.u[99 * k]).abs() < 1e-9));
            }
        }
    }

    #[test]
    fn cosines_by_hand() {
        // Two classes of one cosine each, 8×8, amplitudes 2 and 1: s = A √(n/2)/K, λ = A² n/(2K), ρ = √(n/2).
        let s = cosine_samples((8, 8), &[(1, 2, 2.0, 0.3), (-3, 1, 1.0, 1.1)]);
        let modes = Modes::new(&s).unwrap();
        assert_eq!(modes.len(), 2);
        let want = [(2.0, Frequency { row: 1, col: 2 }), (1.0, Frequency { row: -3, col: 1 })];
        for ((a, dominant), mode) in want.into_iter().zip(&modes.list) {
            let root = 32f64.sqrt();
            assert!((mode.s - a * root / 2.0).abs() < 1e-6);
            assert!((mode.lambda - a * a * 16.0).abs() < 1e-5);
            assert!((mode.rho - root).abs() < 1e-6);
            assert!((mode.participation - 2.0).abs() < 1e-6);
            assert_eq!(mode.dominant, dominant);
        }
        assert!((modes.share(0) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn strengths_of_the_perfect_response_are_the_singular_values() {
        let s = random_samples(200, [1, 4, 6], 3, 9);
        let modes = Modes::new(&s).unwrap();
        let a = modes.strengths(moments::cross(&s).view());
        assert!(a.iter().zip(&modes.list).all(|(a, m)| (a - m.s).abs() < 1e-12));
    }

    #[test]
    fn signs_follow_the_rule() {
        assert_eq!(sign(&array![-0.5, 0.5]), -1.0);
        assert_eq!(sign(&array![0.1, 0.9, -0.2]), 1.0);
        assert_eq!(sign(&array![0.1, 0.2, -0.9]), -1.0);
    }

    #[test]
    fn unrelated_targets_have_no_mode() {
        let mut s = random_samples(4, [1, 2, 2], 2, 1);
        s.x = array![[1., 0., 0., 0.], [1., 0., 0., 0.], [0., 1., 0., 0.], [0., 1., 0., 0.]];
        s.y = array![[0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]];
        assert!(Modes::new(&s).unwrap_err().to_string().contains("no mode"));
    }
}
