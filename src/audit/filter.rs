//! Frequencies of images kept or taken away, by hard masks.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, ArrayViewMut3, Axis, Zip};
use rustfft::num_complex::Complex;

use crate::spectrum::{Frequency, Grid, irfft2, rfft2};

/// Grey of red, green and blue.
pub(super) const LUMA: [f64; 3] = [0.299, 0.587, 0.114];

/// Which frequencies pass: all of an entry or nothing, and a frequency always
/// together with its conjugate, so that real images stay real.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    grid: Grid,
    /// Of the half plane `[H, W/2 + 1]`.
    half: Array2<bool>,
}

impl Mask {
    /// Lets those frequencies of `grid` pass for which `keep` holds.
    pub fn new(grid: Grid, keep: impl Fn(Frequency) -> bool) -> Self {
        let half = Array2::from_shape_fn(grid.half_shape(), |(r, c)| keep(grid.frequency(r, c)));
        Self { grid, half }
    }

    /// One flag per entry of the half plane `[H, W/2 + 1]`.
    pub fn half(&self) -> ArrayView2<'_, bool> {
        self.half.view()
    }

    /// Whether nothing is taken away.
    pub fn passes_all(&self) -> bool {
        self.half.iter().all(|&keep| keep)
    }

    /// Entries of the full plane that pass.
    pub fn entries(&self) -> usize {
        let kept = self.half.indexed_iter().filter(|(_, keep)| **keep);
        kept.map(|((_, c), _)| self.grid.weight(c)).sum::<f64>() as usize
    }
}

/// Spectra of a few images, to filter them more than once.
pub struct Spectra {
    grid: Grid,
    /// Unitary half planes `[N, C, H, W/2 + 1]`.
    half: Array4<Complex<f64>>,
}

impl Spectra {
    /// Of images `[N, C, H, W]`, each channel by itself.
    pub fn new(images: ArrayView4<f64>) -> Self {
        let (n, c, h, w) = images.dim();
        let grid = Grid::new(h, w);
        let (rows, cols) = grid.half_shape();
        let mut half = Array4::zeros((n, c, rows, cols));
        Zip::from(half.axis_iter_mut(Axis(0))).and(images.axis_iter(Axis(0))).par_for_each(
            |mut out, image| {
                for (mut out, plane) in out.outer_iter_mut().zip(image.outer_iter()) {
                    out.assign(&rfft2(plane));
                }
            },
        );
        Self { grid, half }
    }

    /// x̂(k) of every image and channel, `[N, C]`.
    pub fn at(&self, k: Frequency) -> ArrayView2<'_, Complex<f64>> {
        let (r, c) = self.grid.entry(k);
        self.half.slice(ndarray::s![.., .., r, c])
    }

    /// The images with those frequencies only that pass `mask`.
    pub fn filtered(&self, mask: &Mask) -> Array4<f64> {
        self.weighted(mask.half.mapv(|keep| f64::from(u8::from(keep))).view())
    }

    /// The images with each frequency times a weight of the half plane `[H, W/2 + 1]`; a frequency
    /// and its conjugate must have the same.
    pub fn weighted(&self, weights: ArrayView2<f64>) -> Array4<f64> {
        let (n, c, _, _) = self.half.dim();
        let Grid { h, w } = self.grid;
        let mut images = Array4::zeros((n, c, h, w));
        images.axis_iter_mut(Axis(0)).into_par_iter().zip(self.half.axis_iter(Axis(0))).for_each(
            |(mut image, spectrum)| {
                let mut kept = Array2::zeros(self.grid.half_shape());
                for (mut plane, spectrum) in image.outer_iter_mut().zip(spectrum.outer_iter()) {
                    Zip::from(&mut kept).and(&spectrum).and(&weights).for_each(|kept, &z, &weight| {
                        *kept = z * weight;
                    });
                    plane.assign(&irfft2(kept.view(), w));
                }
            },
        );
        images
    }

    /// Σ|x̂(k)|² over the full plane, images and channels, of the frequencies that
    /// pass, without that of the means (k = 0).
    pub fn energy(&self, mask: &Mask) -> f64 {
        let sums: Vec<f64> = self
            .half
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|image| {
                let counted = image.indexed_iter().filter(|((_, r, c), _)| mask.half[[*r, *c]] && r + c > 0);
                counted.map(|((_, _, c), z)| self.grid.weight(c) * z.norm_sqr()).sum()
            })
            .collect();
        sums.iter().sum()
    }
}

/// Values this far outside [0, 1] are rounding, not clipped.
const ROUNDING: f64 = 1e-9;

/// How many values are outside [0, 1]; with `clip` they are put to 0 or 1.
pub fn outside(images: &mut Array4<f64>, clip: bool) -> u64 {
    let of = |mut image: ArrayViewMut3<f64>| {
        let mut count = 0;
        for value in &mut image {
            count += u64::from(*value < -ROUNDING || *value > 1.0 + ROUNDING);
            if clip {
                *value = value.clamp(0.0, 1.0);
            }
        }
        count
    };
    images.axis_iter_mut(Axis(0)).into_par_iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, s};
    use proptest::prelude::*;
    use rand::Rng;
    use std::f64::consts::TAU;

    fn noise(shape: (usize, usize, usize, usize), seed: u64) -> Array4<f64> {
        let mut rng = crate::seed::rng(seed, "audit test images", 0);
        Array4::from_shape_simple_fn(shape, || rng.random::<f64>())
    }

    fn far(a: &Array4<f64>, b: &Array4<f64>) -> f64 {
        assert_eq!(a.dim(), b.dim());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_mask_by_hand() {
        let grid = Grid::new(4, 4);
        let mask = Mask::new(grid, |k| k.row == -1 || k.col == 2);
        let expected = [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1]];
        for ((r, c), keep) in mask.half().indexed_iter() {
            assert_eq!(*keep, expected[r][c] == 1, "({r}, {c})");
        }
        // Column 2 is its own conjugate, (-1, 1) is not.
        assert_eq!(mask.entries(), 4 + 2);
        assert!(!mask.passes_all() && Mask::new(grid, |_| true).passes_all());
        assert_eq!(Mask::new(grid, |_| true).entries(), 16);
    }

    #[test]
    fn of_two_cosines_the_one_that_passes_is_left() {
        let (h, w) = (6, 10);
        let wave = |row: f64, col: f64, phase: f64| {
            Array2::from_shape_fn((h, w), |(r, c)| {
                (TAU * (row * r as f64 / h as f64 + col * c as f64 / w as f64) + phase).cos()
            })
        };
        let (a, b) = (wave(-2.0, 1.0, 0.4), wave(2.0, 1.0, 1.1));
        let mut images = Array4::zeros((2, 1, h, w));
        images.slice_mut(s![0, 0, .., ..]).assign(&(&a + &b + 0.5));
        images.slice_mut(s![1, 0, .., ..]).assign(&(2.0 * &b));
        let spectra = Spectra::new(images.view());
        let mask = Mask::new(Grid::new(h, w), |k| k == Frequency { row: -2, col: 1 });
        let left = spectra.filtered(&mask);
        let mut expected = Array4::zeros((2, 1, h, w));
        expected.slice_mut(s![0, 0, .., ..]).assign(&a);
        assert!(far(&left, &expected) < 1e-14);
        // n/2 = 30 of a in the first image, as much of b, four times that in the second.
        assert!((spectra.energy(&mask) - 30.0).abs() < 1e-12);
        assert!((spectra.energy(&Mask::new(Grid::new(h, w), |_| true)) - 180.0).abs() < 1e-12);
        let root = (30.0f64 / 2.0).sqrt();
        let z = spectra.at(Frequency { row: -2, col: 1 });
        assert!((z[[0, 0]] - Complex::from_polar(root, 0.4)).norm() < 1e-13 && z[[1, 0]].norm() < 1e-13);
    }

    #[test]
    fn filters_are_the_sum_of_their_definition() {
        for (h, w) in [(5, 6), (6, 5), (4, 4), (1, 3), (3, 1)] {
            let images = noise((1, 1, h, w), 3);
            let mask = Mask::new(Grid::new(h, w), |k| (k.row + 2 * k.col).rem_euclid(3) != 1);
            let filtered = Spectra::new(images.view()).filtered(&mask);
            let angle = |r: usize, q: usize, y: usize, x: usize| {
                TAU * ((r * y) as f64 / h as f64 + (q * x) as f64 / w as f64)
            };
            let pixels = |f: &dyn Fn(usize, usize) -> Complex<f64>| -> Complex<f64> {
                (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).map(|(y, x)| f(y, x)).sum()
            };
            for ((_, _, y, x), value) in filtered.indexed_iter() {
                // Over the full plane, each entry by the name it has there.
                let sum = pixels(&|r, q| {
                    let (kr, kq) = Grid::new(h, w).entry(Grid::new(h, w).frequency(r, q));
                    if !mask.half()[[kr, kq]] {
                        return Complex::default();
                    }
                    let z = pixels(&|v, u| Complex::from_polar(images[[0, 0, v, u]], -angle(r, q, v, u)));
                    z * Complex::from_polar(1.0 / (h * w) as f64, angle(r, q, y, x))
                });
                assert!((sum - value).norm() < 1e-13, "{h}x{w} ({y}, {x}): {value}, not {sum}");
            }
        }
    }

    #[test]
    fn values_outside_are_counted_and_rounding_is_not() {
        let mut images =
            Array4::from_shape_vec((1, 1, 1, 5), vec![-0.5, -1e-15, 0.25, 1.0 + 1e-15, 1.5]).unwrap();
        let before = images.clone();
        assert_eq!(outside(&mut images, false), 2);
        assert_eq!(images, before);
        assert_eq!(outside(&mut images, true), 2);
        assert_eq!(images.into_raw_vec_and_offset().0, [0.0, 0.0, 0.25, 1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn complements_add_up_to_the_image(
            h in 1usize..9, w in 1usize..9, cut in 0f64..0.8, seed in any::<u64>(),
        ) {
            let images = noise((2, 2, h, w), seed);
            let grid = Grid::new(h, w);
            let (low, high) =
                (Mask::new(grid, |k| grid.radius(k) <= cut), Mask::new(grid, |k| grid.radius(k) > cut));
            prop_assert_eq!(low.entries() + high.entries(), h * w);
            let spectra = Spectra::new(images.view());
            let (a, b) = (spectra.filtered(&low), spectra.filtered(&high));
            prop_assert!(far(&(&a + &b), &images) < 1e-13);
            // Parseval, the means counted apart.
            let means: f64 = images.lanes(Axis(3)).into_iter().map(|row| row.sum()).collect::<Vec<_>>()
                .chunks(h).map(|rows| rows.iter().sum::<f64>().powi(2) / (h * w) as f64).sum();
            let energy = means + spectra.energy(&low) + spectra.energy(&high);
            let pixels = images.mapv(|x| x * x).sum();
            prop_assert!((energy - pixels).abs() < 1e-12 * pixels);
            // The two parts share no frequency.
            prop_assert!((&a * &b).sum().abs() < 1e-12 * pixels);
        }

        #[test]
        fn a_filter_commutes_with_circular_shifts(
            h in 1usize..9, w in 1usize..9, down in 0usize..9, right in 0usize..9, seed in any::<u64>(),
        ) {
            let images = noise((1, 2, h, w), seed);
            let shift = |x: &Array4<f64>| Array4::from_shape_fn(x.dim(), |(n, c, r, q)| {
                x[[n, c, (r + down) % h, (q + right) % w]]
            });
            // Any mask, of no symmetry but the one with the conjugate.
            let mask = Mask::new(Grid::new(h, w), |k| (k.row * 7 + k.col * 3 + seed as i32 % 5) % 2 == 0);
            let first = shift(&Spectra::new(images.view()).filtered(&mask));
            let then = Spectra::new(shift(&images).view()).filtered(&mask);
            prop_assert!(far(&first, &then) < 1e-13);
        }

        #[test]
        fn a_mask_is_symmetric_under_conjugation(h in 1usize..9, w in 1usize..9, seed in any::<u64>()) {
            let grid = Grid::new(h, w);
            let mask = Mask::new(grid, |k| (k.row * 5 + k.col * 11 + (seed % 7) as i32) % 3 == 0);
            let keep = |r: usize, c: usize| {
                let (r, c) = grid.entry(grid.frequency(r, c));
                mask.half()[[r, c]]
            };
            for (r, c) in (0..h).flat_map(|r| (0..w).map(move |c| (r, c))) {
                prop_assert_eq!(keep(r, c), keep((h - r) % h, (w - c) % w));
                if c <= w / 2 {
                    prop_assert_eq!(mask.half()[[r, c]], keep(r, c));
                }
            }
        }
    }
}
