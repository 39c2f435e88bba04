//! Real 2-D transforms in double precision, one plane at a time.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, ArrayViewMut2, Axis, Zip};
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::grid::Grid;
use crate::error::{Error, Result};

/// Plans of transforms, made once for each length and shared by all threads.
///
/// The free functions of this module share one; make another only to keep its
/// plans apart.
#[derive(Default)]
pub struct Planner {
    plans: Mutex<Plans>,
}

struct Plans {
    single: FftPlanner<f32>,
    double: FftPlanner<f64>,
    real: RealFftPlanner<f64>,
}

impl Default for Plans {
    fn default() -> Self {
        Self { single: FftPlanner::new(), double: FftPlanner::new(), real: RealFftPlanner::new() }
    }
}

/// The planner that the free functions share.
pub(super) fn shared() -> &'static Planner {
    static SHARED: LazyLock<Planner> = LazyLock::new(Planner::new);
    &SHARED
}

impl Planner {
    /// Without any plan yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// [`rfft2`] with the plans of this planner.
    pub fn rfft2(&self, plane: ArrayView2<f64>) -> Array2<Complex<f64>> {
        let (h, w) = plane.dim();
        let mut half = Array2::zeros(Grid::new(h, w).half_shape());
        if !half.is_empty() {
            let scale = 1.0 / ((h * w) as f64).sqrt();
            self.real(h, w).forward(plane, half.view_mut(), |z| z * scale);
        }
        half
    }

    /// [`irfft2`] with the plans of this planner.
    ///
    /// # Panics
    /// If `half` is not the half plane of a plane of width `w`.
    pub fn irfft2(&self, half: ArrayView2<Complex<f64>>, w: usize) -> Array2<f64> {
        let (h, cols) = half.dim();
        assert_eq!(cols, Grid::new(h, w).half_shape().1, "columns of the half plane of a plane of width {w}");
        let mut plane = Array2::zeros((h, w));
        if plane.is_empty() {
            return plane;
        }
        let (col, row) = {
            let mut plans = self.lock();
            (plans.double.plan_fft_inverse(h), plans.real.plan_fft_inverse(w))
        };
        let mut columns: Vec<_> = half.t().iter().copied().collect();
        col.process(&mut columns);
        let mut rows = vec![Complex::default(); columns.len()];
        transpose::transpose(&columns, &mut rows, h, cols);
        let mut line = row.make_output_vec();
        let mut scratch = row.make_scratch_vec();
        let scale = 1.0 / ((h * w) as f64).sqrt();
        for (spectrum, mut out) in rows.chunks_exact_mut(cols).zip(plane.rows_mut()) {
            // What no real plane has in a column that is its own conjugate.
            spectrum[0].im = 0.0;
            if w.is_multiple_of(2) {
                spectrum[cols - 1].im = 0.0;
            }
            row.process_with_scratch(spectrum, &mut line, &mut scratch)
                .expect("the buffers have the lengths of the plan");
            out.iter_mut().zip(&line).for_each(|(out, &x)| *out = x * scale);
        }
        plane
    }

    /// Complex plans in single precision: along rows of length `w`, along
    /// columns of length `h`.
    pub(super) fn single(&self, h: usize, w: usize) -> (Arc<dyn Fft<f32>>, Arc<dyn Fft<f32>>) {
        let mut plans = self.lock();
        (plans.single.plan_fft_forward(w), plans.single.plan_fft_forward(h))
    }

    fn real(&self, h: usize, w: usize) -> RealTransform {
        let (row, col) = {
            let mut plans = self.lock();
            (plans.real.plan_fft_forward(w), plans.double.plan_fft_forward(h))
        };
        let cols = w / 2 + 1;
        let zero = Complex::default();
        RealTransform {
            h,
            line: row.make_input_vec(),
            rows: vec![zero; h * cols],
            columns: vec![zero; h * cols],
            scratch: vec![zero; row.get_scratch_len().max(col.get_outofplace_scratch_len())],
            row,
            col,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plans> {
        // A panic inside a plan leaves the planners' tables whole.
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plans for one size with the buffers of one thread.
struct RealTransform {
    h: usize,
    row: Arc<dyn RealToComplex<f64>>,
    col: Arc<dyn Fft<f64>>,
    line: Vec<f64>,
    rows: Vec<Complex<f64>>,
    columns: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl RealTransform {
    /// Transforms `plane`, zero-padded to the size of the plan, not normalised,
    /// and writes `entry` of every value into the half plane `out`.
    fn forward<T: Copy + Into<f64>, U>(
        &mut self,
        plane: ArrayView2<T>,
        mut out: ArrayViewMut2<U>,
        entry: impl Fn(Complex<f64>) -> U,
    ) {
        let cols = self.columns.len() / self.h;
        let (top, below) = self.rows.split_at_mut(plane.nrows() * cols);
        for (pixels, spectrum) in plane.rows().into_iter().zip(top.chunks_exact_mut(cols)) {
            let (filled, padding) = self.line.split_at_mut(pixels.len());
            filled.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = pixel.into());
            padding.fill(0.0);
            self.row
                .process_with_scratch(&mut self.line, spectrum, &mut self.scratch)
                .expect("the buffers have the lengths of the plan");
        }
        below.fill(Complex::default());
        transpose::transpose(&self.rows, &mut self.columns, cols, self.h);
        self.col.process_outofplace_with_scratch(&mut self.columns, &mut self.rows, &mut self.scratch);
        transpose::transpose(&self.rows, &mut self.columns, self.h, cols);
        out.iter_mut().zip(&self.columns).for_each(|(out, &z)| *out = entry(z));
    }
}

/// Unitary 2-D transform of a real plane `[H, W]`: its half plane
/// `[H, W/2 + 1]`. Any size; an empty plane gives an empty half plane.
pub fn rfft2(plane: ArrayView2<f64>) -> Array2<Complex<f64>> {
    shared().rfft2(plane)
}

/// The real plane `[H, w]` whose unitary half plane `[H, w/2 + 1]` is `half`,
/// the inverse of [`rfft2`].
///
/// As numpy's `irfft2`, it ignores what `half` has and no real plane's spectrum
/// can have: asymmetry in the columns that are their own conjugate.
///
/// # Panics
/// If `half` does not have w/2 + 1 columns.
pub fn irfft2(half: ArrayView2<Complex<f64>>, w: usize) -> Array2<f64> {
    shared().irfft2(half, w)
}

/// Energies |x̂(k)|² of each image by itself, `[N, C, H, W]` to
/// `[N, C, H, W/2 + 1]`, transformed in double precision whatever the pixels
/// are (`f32`, `f64`).
pub fn energies<T>(images: ArrayView4<T>) -> Array4<f64>
where
    T: Copy + Into<f64> + Send + Sync,
{
    let (_, _, h, w) = images.dim();
    padded_energies(images, Grid::new(h, w))
}

/// Energies |ŵ(k)|² of convolution kernels `[O, I, r, s]`, zero-padded to the
/// grid of the H×W images they act on: `[O, I, H, W/2 + 1]`.
///
/// # Errors
/// [`Error::Input`] for kernels larger than the grid.
pub fn kernel_energies(kernels: ArrayView4<f64>, h: usize, w: usize) -> Result<Array4<f64>> {
    let (_, _, r, s) = kernels.dim();
    if r > h || s > w {
        return Err(Error::input(
            "kernel spectra",
            format!("kernels of at most {h}x{w}"),
            format!("{r}x{s}"),
        ));
    }
    Ok(padded_energies(kernels, Grid::new(h, w)))
}

fn padded_energies<T>(planes: ArrayView4<T>, grid: Grid) -> Array4<f64>
where
    T: Copy + Into<f64> + Send + Sync,
{
    let (n, c, _, _) = planes.dim();
    let (rows, cols) = grid.half_shape();
    let mut out = Array4::zeros((n, c, rows, cols));
    if out.is_empty() {
        return out;
    }
    let scale = 1.0 / (grid.h * grid.w) as f64;
    out.axis_iter_mut(Axis(0)).into_par_iter().zip(planes.axis_iter(Axis(0))).for_each_init(
        || shared().real(grid.h, grid.w),
        |transform, (mut out, image)| {
            Zip::from(out.outer_iter_mut()).and(image.outer_iter()).for_each(|out, plane| {
                transform.forward(plane, out, |z| z.norm_sqr() * scale);
            });
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use ndarray::{Array3, array, s};
    use proptest::prelude::*;
    use rustfft::num_complex::Complex64;

    use super::super::oracle::{dft2, distance, plane, tolerance};
    use super::*;

    fn assert_is_half_of(half: &Array2<Complex64>, full: &Array2<Complex64>) {
        let (h, w) = full.dim();
        assert_eq!(half.dim(), Grid::new(h, w).half_shape());
        // Errors are relative to the norm of the whole, in both transforms; the
        // O(n²) sum rounds each of its n terms.
        let norm = full.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
        let allowed = tolerance(f64::EPSILON, 4.0, h * w, norm);
        for ((r, c), z) in half.indexed_iter() {
            let error = (z - full[[r, c]]).norm();
            assert!(error <= allowed, "{h}x{w} entry ({r}, {c}): {z} is not {}", full[[r, c]]);
        }
    }

    fn check_against_the_definition(h: usize, w: usize) {
        let plane = plane(h, w, 1);
        let half = rfft2(plane.view());
        assert_is_half_of(&half, &dft2(plane.view()));
        let back = irfft2(half.view(), w);
        assert!(distance(back.view(), plane.view()) <= tolerance(f64::EPSILON, 4.0, h * w, 1.0), "{h}x{w}");
    }

    #[test]
    fn transforms_by_hand() {
        let real = |z: Array2<Complex64>| {
            assert!(z.iter().all(|z| z.im == 0.0));
            z.mapv(|z| z.re)
        };
        assert_eq!(real(rfft2(array![[3.0]].view())), array![[3.0]]);
        let root = 0.5f64.sqrt();
        let close = |z, expected: Array2<f64>| assert!(distance(real(z).view(), expected.view()) < 1e-15);
        close(rfft2(array![[3.0, 1.0]].view()), array![[4.0 * root, 2.0 * root]]);
        close(rfft2(array![[3.0], [1.0]].view()), array![[4.0 * root], [2.0 * root]]);
        // Sum, column difference; row difference, checkerboard.
        let quad = array![[1.0, 2.0], [4.0, 8.0]];
        close(rfft2(quad.view()), array![[7.5, -2.5], [-4.5, 1.5]]);
        // 1×4: x̂(1) = ((x0 - x2) - i (x1 - x3)) / 2.
        let four = rfft2(array![[1.0, 2.0, 4.0, 8.0]].view());
        let expected = [Complex64::new(7.5, 0.0), Complex64::new(-1.5, 3.0), Complex64::new(-2.5, 0.0)];
        four.iter().zip(expected).for_each(|(z, e)| assert!((z - e).norm() < 1e-15, "{four}"));
    }

    #[test]
    fn a_cosine_is_two_entries_of_half_its_norm() {
        let (h, w, row, col) = (6, 8, 2, 3);
        let cosine = Array2::from_shape_fn((h, w), |(r, c)| {
            (std::f64::consts::TAU * (row as f64 * r as f64 / h as f64 + col as f64 * c as f64 / w as f64))
                .cos()
        });
        let half = rfft2(cosine.view());
        for ((r, c), z) in half.indexed_iter() {
            let expected = if (r, c) == (row, col) { ((h * w) as f64).sqrt() / 2.0 } else { 0.0 };
            assert!((z - expected).norm() < 1e-14, "({r}, {c}): {z}");
        }
    }

    #[test]
    fn every_small_size_agrees_with_the_definition() {
        for h in 1..=12 {
            for w in 1..=12 {
                check_against_the_definition(h, w);
            }
        }
    }

    #[test]
    fn larger_sizes_agree_with_the_definition() {
        let sizes = [
            (13, 13),
            (16, 16),
            (17, 19),
            (16, 27),
            (29, 6),
            (31, 32),
            (33, 33),
            (37, 5),
            (5, 37),
            (37, 37),
            (32, 32),
            (1, 512),
            (512, 1),
            (1, 509),
            (509, 1),
            (2, 128),
        ];
        for (h, w) in sizes {
            check_against_the_definition(h, w);
        }
    }

    #[test]
    fn an_empty_plane_has_an_empty_spectrum() {
        for (h, w) in [(0, 0), (0, 4), (4, 0)] {
            let half = rfft2(Array2::zeros((h, w)).view());
            assert_eq!(half.dim(), Grid::new(h, w).half_shape());
            assert_eq!(irfft2(half.view(), w).dim(), (h, w));
            assert_eq!(energies(Array4::<f32>::zeros((2, 3, h, w)).view()).len(), 0);
        }
    }

    #[test]
    fn views_that_are_not_contiguous_are_read_right() {
        let big = plane(14, 15, 4);
        let view = big.slice(s![1..;2, ..;-3]);
        assert_is_half_of(&rfft2(view), &dft2(view));
        assert_is_half_of(&rfft2(big.t()), &dft2(big.t()));
        let half = rfft2(big.view());
        let stored_by_column = half.t().as_standard_layout().into_owned();
        assert_eq!(irfft2(stored_by_column.t(), 15), irfft2(half.view(), 15));

        let images =
            Array4::from_shape_fn((2, 3, 4, 5), |(n, c, h, w)| (n * 60 + c * 20 + h * 5 + w * w) as f32);
        let permuted = images.view().permuted_axes([1, 0, 3, 2]);
        assert_eq!(energies(permuted), energies(permuted.as_standard_layout().view()));
    }

    #[test]
    fn a_planner_used_for_other_sizes_before_gives_the_same_bits() {
        let used = Planner::new();
        for (h, w) in [(8, 9), (9, 8), (31, 2), (1, 1), (8, 9), (16, 16), (9, 8)] {
            let plane = plane(h, w, 5);
            let half = used.rfft2(plane.view());
            assert_eq!(half, Planner::new().rfft2(plane.view()));
            assert_eq!(used.irfft2(half.view(), w), Planner::new().irfft2(half.view(), w));
        }
    }

    #[test]
    fn buffers_left_by_another_plane_change_nothing() {
        let (first, second) = (plane(7, 6, 6), plane(3, 4, 7));
        let mut transform = shared().real(7, 6);
        let mut run = |plane: &Array2<f64>| {
            let mut half = Array2::zeros((7, 4));
            transform.forward(plane.view(), half.view_mut(), |z| z);
            half
        };
        let clean = run(&second);
        run(&first);
        assert_eq!(run(&second), clean, "padding must not show what was there");
        let mut padded = Array2::zeros((7, 6));
        padded.slice_mut(s![..3, ..4]).assign(&second);
        assert_eq!(run(&padded), clean);
    }

    #[test]
    fn a_planner_serves_many_threads() {
        let planner = Planner::new();
        let planes: Vec<_> = (0..32).map(|i| plane(3 + i % 5, 4 + i % 3, i as u64)).collect();
        let parallel: Vec<_> = planes.par_iter().map(|p| planner.rfft2(p.view())).collect();
        let serial: Vec<_> = planes.iter().map(|p| Planner::new().rfft2(p.view())).collect();
        assert_eq!(parallel, serial);
    }

    #[test]
    #[should_panic(expected = "columns of the half plane of a plane of width 6")]
    fn a_half_plane_of_another_width_is_refused() {
        irfft2(Array2::zeros((4, 3)).view(), 6);
    }

    #[test]
    fn what_no_real_plane_has_is_ignored() {
        // In column 0 of a 2×3 plane every entry is its own conjugate, hence real.
        let half = rfft2(plane(2, 3, 8).view());
        let mut bent = half.clone();
        bent[[0, 0]].im += 1.0;
        bent[[1, 0]].im -= 2.0;
        assert!(distance(irfft2(bent.view(), 3).view(), irfft2(half.view(), 3).view()) < 1e-14);
    }

    #[test]
    fn energies_are_of_each_image_by_itself_in_either_precision() {
        let images = Array4::from_shape_fn((3, 2, 5, 4), |(n, c, h, w)| {
            (f64::from((n * 40 + c * 20 + h * 4 + w) as u32) * 0.37).sin()
        });
        let all = energies(images.view());
        assert_eq!(all.dim(), (3, 2, 5, 3));
        for ((n, c, h, w), &e) in all.indexed_iter() {
            let full = dft2(images.slice(s![n, c, .., ..]));
            assert_relative_eq!(e, full[[h, w]].norm_sqr(), epsilon = 1e-13);
        }
        let single = images.mapv(|x| x as f32);
        let widened = single.mapv(f64::from);
        assert_eq!(energies(single.view()), energies(widened.view()));
    }

    #[test]
    fn kernels_are_padded_to_the_grid() {
        let kernels = Array4::from_shape_fn((2, 3, 3, 2), |(o, i, r, s)| {
            (f64::from((o * 18 + i * 6 + r * 2 + s) as u32) * 0.7).cos()
        });
        for (h, w) in [(3, 2), (8, 9), (5, 2), (3, 7)] {
            let spectra = kernel_energies(kernels.view(), h, w).unwrap();
            let mut padded = Array4::zeros((2, 3, h, w));
            padded.slice_mut(s![.., .., ..3, ..2]).assign(&kernels);
            assert_eq!(spectra, energies(padded.view()));
            assert_relative_eq!(
                spectra[[1, 2, 0, 0]],
                kernels.slice(s![1, 2, .., ..]).sum().powi(2) / (h * w) as f64,
                epsilon = 1e-14
            );
        }
        // The Sobel kernel by hand, 3×3 on its own grid: rows smoothed, columns derived.
        let sobel = array![[[[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]]];
        let spectrum = kernel_energies(sobel.view(), 3, 3).unwrap();
        // Column part |1 - ω²|² = 3 at col 1, row part |1 + 2ω + ω²|² = 1 at rows ±1, 16 at 0.
        let expected = array![[0.0, 16.0 * 3.0], [0.0, 3.0], [0.0, 3.0]] / 9.0;
        assert!(distance(spectrum.slice(s![0, 0, .., ..]), expected.view()) < 1e-14, "{spectrum}");
    }

    #[test]
    fn a_kernel_larger_than_the_grid_is_refused() {
        for (h, w) in [(2, 5), (5, 2), (0, 5)] {
            let message = kernel_energies(Array4::zeros((1, 1, 3, 3)).view(), h, w).unwrap_err().to_string();
            assert_eq!(message, format!("kernel spectra: expected kernels of at most {h}x{w}, found 3x3"));
        }
        assert_eq!(kernel_energies(Array4::zeros((0, 1, 3, 3)).view(), 4, 4).unwrap().dim(), (0, 1, 4, 3));
    }

    fn any_plane() -> impl Strategy<Value = Array2<f64>> {
        (1usize..24, 1usize..24, any::<u64>()).prop_map(|(h, w, seed)| plane(h, w, seed))
    }

    fn rolled(plane: &Array2<f64>, down: usize, right: usize) -> Array2<f64> {
        let (h, w) = plane.dim();
        Array2::from_shape_fn((h, w), |(r, c)| plane[[(r + h - down % h) % h, (c + w - right % w) % w]])
    }

    fn image(plane: &Array2<f64>) -> Array3<f64> {
        energies(plane.view().insert_axis(Axis(0)).insert_axis(Axis(0))).index_axis_move(Axis(0), 0)
    }

    proptest! {
        #[test]
        fn parseval(plane in any_plane()) {
            let (h, w) = plane.dim();
            let spectrum = image(&plane);
            let full: f64 = spectrum.indexed_iter().map(|((_, _, c), e)| Grid::new(h, w).weight(c) * e).sum();
            let pixels = plane.mapv(|x| x * x).sum();
            prop_assert!((full - pixels).abs() <= tolerance(f64::EPSILON, 4.0, h * w, pixels));
        }

        #[test]
        fn a_circular_shift_leaves_the_energies(plane in any_plane(), down in 0usize..50, right in 0usize..50) {
            let (h, w) = plane.dim();
            let (a, b) = (image(&plane), image(&rolled(&plane, down, right)));
            let allowed = tolerance(f64::EPSILON, 4.0, h * w, plane.mapv(|x| x * x).sum());
            prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= allowed));
        }

        #[test]
        fn linear(plane in any_plane(), a in -3f64..3.0, b in -3f64..3.0) {
            let (h, w) = plane.dim();
            let other = super::super::oracle::plane(h, w, 99);
            let mixed = rfft2((&plane * a + &other * b).view());
            let expected = rfft2(plane.view()) * Complex64::from(a) + rfft2(other.view()) * Complex64::from(b);
            let norm = 6.0 * ((h * w) as f64).sqrt();
            let allowed = tolerance(f64::EPSILON, 4.0, h * w, norm);
            prop_assert!(mixed.iter().zip(&expected).all(|(x, y)| (x - y).norm() <= allowed));
        }

        #[test]
        fn a_point_reflection_conjugates(plane in any_plane()) {
            // x(-p) has the conjugate spectrum, hence the same energies.
            let (h, w) = plane.dim();
            let reflected = Array2::from_shape_fn((h, w), |(r, c)| plane[[(h - r) % h, (w - c) % w]]);
            let (a, b) = (rfft2(plane.view()), rfft2(reflected.view()));
            let allowed = tolerance(f64::EPSILON, 4.0, h * w, ((h * w) as f64).sqrt());
            prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b.conj()).norm() <= allowed));
        }

        #[test]
        fn columns_that_are_their_own_conjugate_are_symmetric(plane in any_plane()) {
            let (h, w) = plane.dim();
            let half = rfft2(plane.view());
            let allowed = tolerance(f64::EPSILON, 4.0, h * w, ((h * w) as f64).sqrt());
            for c in (0..half.ncols()).filter(|&c| Grid::new(h, w).weight(c) == 1.0) {
                for r in 0..h {
                    prop_assert!((half[[r, c]] - half[[(h - r) % h, c]].conj()).norm() <= allowed);
                }
            }
        }

        #[test]
        fn there_and_back(plane in any_plane()) {
            let (h, w) = plane.dim();
            let back = irfft2(rfft2(plane.view()).view(), w);
            let allowed = tolerance(f64::EPSILON, 4.0, h * w, 1.0);
            prop_assert!(back.iter().zip(&plane).all(|(a, b)| (a - b).abs() <= allowed));
        }
    }
}
