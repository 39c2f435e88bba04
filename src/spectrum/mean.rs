//! Mean energies over many images: the fast path, in single precision.
//!
//! Two images a and b of a channel are transformed at once as z = a + ib. Both
//! spectra are Hermitian, so |â(k)|² + |b̂(k)|² = (|ẑ(k)|² + |ẑ(-k)|²) / 2, and
//! as that is linear in |ẑ|² one symmetrisation at the end of a sum is enough:
//! the halves are never told apart. Measured faster than a real transform of
//! each image at every size tried (32² to 512², odd and prime ones).

use std::sync::Arc;

use ndarray::parallel::prelude::*;
use ndarray::{Array3, Array4, ArrayView2, ArrayView4, Axis, s};
use rustfft::Fft;
use rustfft::num_complex::Complex;

use super::fft::shared;
use super::grid::Grid;

/// Blocks whose sums wait in memory at the same time.
const WAVE: usize = 256;

/// Energies `[C, H, W/2 + 1]`, averaged over the images `[N, C, H, W]`; zeros
/// where there is no image.
///
/// In single precision within blocks of at most 256 images, in double precision
/// over the blocks: a few parts in 10⁷ of an entry plus as much of the mean
/// entry. Pixels beyond about 10¹³ overflow. The result does not depend, bit for
/// bit, on the number of threads.
pub fn mean_energies(images: ArrayView4<f32>) -> Array3<f64> {
    let all: Vec<usize> = (0..images.dim().0).collect();
    mean_of_groups(images, &[all]).index_axis_move(Axis(0), 0)
}

/// Energies `[classes, C, H, W/2 + 1]`, averaged over the images of each class;
/// zeros for a class without images. Precision as in [`mean_energies`].
///
/// # Panics
/// If there is not one label below `classes` for each image.
pub fn mean_energies_by_class(images: ArrayView4<f32>, labels: &[u32], classes: usize) -> Array4<f64> {
    assert_eq!(labels.len(), images.dim().0, "one label for each image");
    let mut groups = vec![Vec::new(); classes];
    for (i, &label) in labels.iter().enumerate() {
        assert!((label as usize) < classes, "label {label} of image {i} is not below {classes}");
        groups[label as usize].push(i);
    }
    mean_of_groups(images, &groups)
}

fn mean_of_groups(images: ArrayView4<f32>, groups: &[Vec<usize>]) -> Array4<f64> {
    let (_, c, h, w) = images.dim();
    let (rows, cols) = Grid::new(h, w).half_shape();
    let mut means = Array4::zeros((groups.len(), c, rows, cols));
    if means.is_empty() {
        return means;
    }
    let transform = PairTransform::new(h, w);
    let blocks: Vec<(usize, &[usize])> = groups
        .iter()
        .enumerate()
        .flat_map(|(g, members)| members.chunks(block_len(members.len())).map(move |block| (g, block)))
        .collect();
    for wave in blocks.chunks(WAVE) {
        let sums: Vec<Array3<f32>> =
            wave.par_iter().map(|(_, block)| transform.doubled_sum(images, block)).collect();
        // In the order of the blocks, whichever thread was first.
        for ((g, _), sum) in wave.iter().zip(&sums) {
            means.index_axis_mut(Axis(0), *g).zip_mut_with(sum, |mean, &s| *mean += f64::from(s));
        }
    }
    for (mut mean, members) in means.outer_iter_mut().zip(groups) {
        // The sums are doubled, and the transform is not normalised.
        let scale = 1.0 / (2.0 * (h * w) as f64 * members.len().max(1) as f64);
        mean.mapv_inplace(|sum| sum * scale);
    }
    means
}

/// Images in a block: even, for pairs; few enough for 64 blocks where that
/// leaves them long enough to amortise their buffers, and for single-precision
/// sums. It must not depend on the number of threads.
fn block_len(images: usize) -> usize {
    (images / 64).next_multiple_of(2).clamp(16, 256)
}

struct PairTransform {
    h: usize,
    w: usize,
    row: Arc<dyn Fft<f32>>,
    col: Arc<dyn Fft<f32>>,
}

impl PairTransform {
    fn new(h: usize, w: usize) -> Self {
        let (row, col) = shared().single(h, w);
        Self { h, w, row, col }
    }

    /// Twice the sum of the energies of `members`, `[C, H, W/2 + 1]`, before
    /// the division by H·W that makes the transform unitary.
    fn doubled_sum(&self, images: ArrayView4<f32>, members: &[usize]) -> Array3<f32> {
        let (h, w) = (self.h, self.w);
        let c = images.dim().1;
        let zero = Complex::default();
        let scratch_len = self.row.get_outofplace_scratch_len().max(self.col.get_outofplace_scratch_len());
        let mut scratch = vec![zero; scratch_len];
        let (mut z, mut t) = (vec![zero; h * w], vec![zero; h * w]);
        // |ẑ|² of each channel, transposed: [C, W, H].
        let mut sums = vec![0f32; c * h * w];
        for pair in members.chunks(2) {
            for (channel, sum) in sums.chunks_exact_mut(h * w).enumerate() {
                let plane = |i: usize| images.slice_move(s![i, channel, .., ..]);
                pack(plane(pair[0]), pair.get(1).map(|&i| plane(i)), &mut z);
                self.row.process_outofplace_with_scratch(&mut z, &mut t, &mut scratch);
                transpose::transpose(&t, &mut z, w, h);
                self.col.process_outofplace_with_scratch(&mut z, &mut t, &mut scratch);
                sum.iter_mut().zip(&t).for_each(|(sum, z)| *sum += z.re * z.re + z.im * z.im);
            }
        }
        let (rows, cols) = Grid::new(h, w).half_shape();
        Array3::from_shape_fn((c, rows, cols), |(channel, r, q)| {
            let sum = &sums[channel * h * w..];
            sum[q * h + r] + sum[(w - q) % w * h + (h - r) % h]
        })
    }
}

/// z = a + ib, row-major; b = 0 where the last image has no partner.
fn pack(a: ArrayView2<f32>, b: Option<ArrayView2<f32>>, z: &mut [Complex<f32>]) {
    match (a.to_slice(), b.map(|b| b.to_slice())) {
        (Some(a), Some(Some(b))) => fill(z, a, b),
        _ => match b {
            Some(b) => fill(z, a.iter(), b.iter()),
            None => fill(z, a.iter(), std::iter::repeat(&0.0)),
        },
    }
}

fn fill<'a>(
    z: &mut [Complex<f32>],
    a: impl IntoIterator<Item = &'a f32>,
    b: impl IntoIterator<Item = &'a f32>,
) {
    for ((z, &re), &im) in z.iter_mut().zip(a).zip(b) {
        *z = Complex { re, im };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ndarray::{ArrayView3, s};
    use proptest::prelude::*;

    use super::super::energies;
    use super::super::oracle::{dft2, images, tolerance};
    use super::*;

    /// Single precision errs relative to an entry and to the mean entry of the
    /// plane (by Parseval, the mean square of a pixel), which the large entries
    /// leak into the small ones.
    fn assert_close(fast: ArrayView3<f64>, exact: ArrayView3<f64>, grid: Grid, what: &str) {
        assert_eq!(fast.dim(), exact.dim(), "{what}");
        let n = grid.h * grid.w;
        for (fast, exact) in fast.outer_iter().zip(exact.outer_iter()) {
            let total: f64 = exact.indexed_iter().map(|((_, c), e)| grid.weight(c) * e).sum();
            for ((r, c), &e) in exact.indexed_iter() {
                let allowed = tolerance(f64::from(f32::EPSILON), 1.0, n, e + total / n as f64);
                let f = fast[[r, c]];
                assert!(
                    (f - e).abs() <= allowed,
                    "{what}, entry ({r}, {c}): {f} is not {e} within {allowed}"
                );
            }
        }
    }

    fn check(shape: (usize, usize, usize, usize)) {
        let images = images(shape, 1);
        let exact = energies(images.view()).mean_axis(Axis(0)).unwrap();
        let grid = Grid::new(shape.2, shape.3);
        assert_close(mean_energies(images.view()).view(), exact.view(), grid, &format!("{shape:?}"));
    }

    #[test]
    fn one_pixel_by_hand() {
        let images = Array4::from_shape_vec((3, 2, 1, 1), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let mean = mean_energies(images.view());
        assert_eq!(mean.dim(), (2, 1, 1));
        assert_eq!(mean[[0, 0, 0]], (1.0 + 9.0 + 25.0) / 3.0);
        assert!((mean[[1, 0, 0]] - (4.0 + 16.0 + 36.0) / 3.0).abs() < 1e-14);
    }

    #[test]
    fn the_mean_of_a_pair_agrees_with_the_definition() {
        for (h, w) in [(1, 2), (2, 1), (2, 2), (3, 4), (5, 3), (8, 7)] {
            let images = images((2, 1, h, w), 2);
            let full =
                |i: usize| dft2(images.slice(s![i, 0, .., ..]).mapv(f64::from).view()).mapv(|z| z.norm_sqr());
            let exact = ((full(0) + full(1)) / 2.0).slice_move(s![.., ..=w / 2]).insert_axis(Axis(0));
            let fast = mean_energies(images.view());
            assert_close(fast.view(), exact.view(), Grid::new(h, w), &format!("{h}x{w}"));
        }
    }

    #[test]
    fn every_small_size_agrees_with_images_one_by_one() {
        for h in 1..=12 {
            for w in 1..=12 {
                check((5, 2, h, w));
            }
        }
    }

    #[test]
    fn larger_sizes_and_counts_agree_with_images_one_by_one() {
        let shapes = [
            (1, 3, 32, 32),
            (2, 3, 33, 33),
            (17, 1, 37, 31),
            (3, 1, 97, 101),
            (2, 2, 1, 512),
            (2, 2, 512, 1),
            (4, 1, 128, 96),
            (1500, 1, 8, 9),
            (2, 1, 224, 224),
        ];
        for shape in shapes {
            check(shape);
        }
    }

    #[test]
    fn views_that_are_not_contiguous_are_read_right() {
        let images = images((20, 3, 7, 10), 3);
        let exact = |view: ArrayView4<f32>| mean_energies(view.as_standard_layout().view());
        let permuted = images.view().permuted_axes([1, 0, 3, 2]);
        assert_eq!(mean_energies(permuted), exact(permuted));
        let thinned = images.slice(s![..;3, ..;-1, 1..6, ..;2]);
        assert_eq!(mean_energies(thinned), exact(thinned));
        let cropped = images.slice(s![1.., .., .., 2..9]);
        assert_eq!(mean_energies(cropped), exact(cropped));
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let images = images((333, 3, 16, 12), 4);
        let labels: Vec<u32> = (0..333).map(|i| i * i % 7).collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (mean_energies(images.view()), mean_energies_by_class(images.view(), &labels, 7)))
        };
        let one = with(1);
        for threads in [2, 3, 8] {
            for _ in 0..3 {
                assert_eq!(with(threads), one);
            }
        }
    }

    #[test]
    fn blocks_beyond_a_wave_are_counted_too() {
        // One image of one pixel in each of more classes than a wave has blocks.
        let classes = WAVE + 3;
        let images = Array4::from_shape_fn((classes, 1, 1, 1), |(i, ..)| i as f32);
        let labels: Vec<u32> = (0..classes as u32).rev().collect();
        let means = mean_energies_by_class(images.view(), &labels, classes);
        for (class, &mean) in means.iter().enumerate() {
            assert_eq!(mean, ((classes - 1 - class) as f64).powi(2));
        }
    }

    #[test]
    fn classes_are_averaged_apart() {
        let images = images((40, 2, 6, 5), 5);
        let labels: Vec<u32> = (0..40).map(|i| [0, 2, 2, 3, 2][i % 5]).collect();
        let means = mean_energies_by_class(images.view(), &labels, 5);
        assert_eq!(means.dim(), (5, 2, 6, 3));
        for class in 0..5 {
            let members: Vec<usize> = (0..40).filter(|&i| labels[i] as usize == class).collect();
            let mean = means.index_axis(Axis(0), class);
            if members.is_empty() {
                assert!(mean.iter().all(|&e| e == 0.0), "class {class} has no image");
            } else {
                assert_eq!(mean, mean_energies(images.select(Axis(0), &members).view()), "class {class}");
            }
        }
        let absent: HashSet<u32> = (0..5).filter(|class| !labels.contains(class)).collect();
        assert_eq!(absent, HashSet::from([1, 4]));
    }

    #[test]
    fn nothing_has_no_energy() {
        assert_eq!(mean_energies(Array4::zeros((0, 3, 4, 5)).view()), Array3::<f64>::zeros((3, 4, 3)));
        assert_eq!(mean_energies(Array4::zeros((2, 0, 4, 5)).view()).dim(), (0, 4, 3));
        assert_eq!(mean_energies(Array4::zeros((2, 3, 0, 5)).view()).dim(), (3, 0, 3));
        assert_eq!(mean_energies(Array4::zeros((2, 3, 5, 0)).view()).dim(), (3, 5, 0));
        let no_image = mean_energies_by_class(Array4::zeros((0, 1, 2, 2)).view(), &[], 2);
        assert_eq!(no_image, Array4::<f64>::zeros((2, 1, 2, 2)));
        assert_eq!(mean_energies_by_class(Array4::zeros((0, 1, 2, 2)).view(), &[], 0).dim(), (0, 1, 2, 2));
        let black = mean_energies(Array4::zeros((3, 1, 4, 4)).view());
        assert!(black.iter().all(|&e| e == 0.0));
    }

    #[test]
    #[should_panic(expected = "label 3 of image 1 is not below 3")]
    fn a_label_beyond_the_classes_is_refused() {
        mean_energies_by_class(Array4::zeros((2, 1, 2, 2)).view(), &[0, 3], 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn fast_is_exact_to_single_precision(
            n in 1usize..40, c in 1usize..4, h in 1usize..20, w in 1usize..20, seed: u64,
        ) {
            let images = images((n, c, h, w), seed);
            let exact = energies(images.view()).mean_axis(Axis(0)).unwrap();
            assert_close(mean_energies(images.view()).view(), exact.view(), Grid::new(h, w), "any");
        }

        #[test]
        fn a_power_of_two_scales_exactly(h in 1usize..10, w in 1usize..10, seed: u64, power in -3i32..4) {
            let images = images((3, 1, h, w), seed);
            let factor = 2f32.powi(power);
            let scaled = mean_energies((&images * factor).view());
            prop_assert_eq!(scaled, mean_energies(images.view()) * f64::from(factor * factor));
        }

        #[test]
        fn the_columns_that_are_their_own_conjugate_are_exactly_symmetric(
            h in 1usize..12, w in 1usize..12, seed: u64,
        ) {
            let mean = mean_energies(images((3, 1, h, w), seed).view());
            for q in (0..=w / 2).filter(|&q| Grid::new(h, w).weight(q) == 1.0) {
                for r in 0..h {
                    prop_assert_eq!(mean[[0, r, q]], mean[[0, (h - r) % h, q]]);
                }
            }
        }
    }
}
