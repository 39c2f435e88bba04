//! How far data are from what the mode theory assumes.

use std::fmt;

use ndarray::{Array2, ArrayView2};
use rustfft::num_complex::Complex;

use crate::spectrum::{self, Grid};
use crate::theory::linear::Weights;
use crate::theory::modes::Modes;

/// How far data are from what the mode theory assumes: reasons to warn, not to
/// refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Largest overlap of two spectra, Σ_k |v̂_α(k)| |v̂_β(k)|: 0 for modes that
    /// share no frequency, 1 for equal spectra. Zero for a fully connected network,
    /// whose modes may share them.
    pub overlap: f64,
    /// The two modes that overlap most, counted from 0.
    pub pair: (usize, usize),
    /// Largest ‖Σxx v_α − λ_α v_α‖ / λ_α.
    pub residual: f64,
    /// The mode with that residual, counted from 0.
    pub mode: usize,
    /// Largest ‖Σxx v_k − e_k λ v‖ / (λ √e_k) over the strong single-frequency parts
    /// v_k (of energy e_k) of modes that have several: how much of what is learned
    /// at one frequency is seen by the data as anything but the mode ([`parts`]).
    pub leak: f64,
}

impl Assumptions {
    /// The same with the `leak` that [`Parts::leak`] has measured.
    #[must_use]
    pub fn with_leak(self, leak: f64) -> Self {
        Self { leak, ..self }
    }
}

/// Single-frequency parts of modes.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The parts v_k `[parts, d]`.
    pub rows: Array2<f64>,
    // Mode and energy of each.
    of: Vec<(usize, f64)>,
}

/// The strong single-frequency parts of modes that have several: of each mode the four
/// that grow fastest ([`Energies::strongest`](crate::spectrum::Energies::strongest)), where
/// they have more than 1 % of its energy. None for a fully connected network, for which
/// frequencies do not matter.
pub fn parts(modes: &Modes, weights: &Weights) -> Parts {
    const MOST: usize = 4;
    let [c, h, w] = modes.shape;
    let d = c * h * w;
    let (mut rows, mut of) = (Vec::new(), Vec::new());
    if !matches!(weights, Weights::Fcnn { .. }) {
        let grid = Grid::new(h, w);
        for (index, mode) in modes.list.iter().enumerate() {
            let strong = mode.energies.strongest(MOST);
            // The strongest of them alone is the mode, up to a rest that hardly matters.
            if strong[0].1 > 0.99 {
                continue;
            }
            let (hat, _) = mode.spectrum();
            for (frequency, energy) in strong.into_iter().filter(|(_, e)| *e > 0.01) {
                for plane in hat.outer_iter() {
                    let kept = Array2::from_shape_fn(plane.dim(), |(r, col)| {
                        let here = grid.frequency(r, col) == frequency;
                        if here { plane[[r, col]] } else { Complex::default() }
                    });
                    rows.extend(spectrum::irfft2(kept.view(), w));
                }
                of.push((index, energy));
            }
        }
    }
    Parts { rows: Array2::from_shape_vec((of.len(), d), rows).expect("one image per part"), of }
}

impl Parts {
    /// [`Assumptions::leak`] from `mapped`, the rows times Σxx `[parts, d]`.
    pub fn leak(&self, modes: &Modes, mapped: ArrayView2<f64>) -> f64 {
        let leaks = self.of.iter().zip(mapped.rows()).map(|(&(index, energy), image)| {
            let mode = &modes.list[index];
            let square: f64 =
                (image.iter().zip(&mode.v)).map(|(x, v)| (x - energy * mode.lambda * v).powi(2)).sum();
            square.sqrt() / (mode.lambda * energy.sqrt())
        });
        leaks.fold(0.0, f64::max)
    }
}

/// Measures the assumptions of the theory on `modes`; `residuals` are
/// ‖Σxx v_α − λ_α v_α‖, one per mode.
pub fn assumptions(modes: &Modes, residuals: &[f64], weights: &Weights) -> Assumptions {
    let mut worst = Assumptions { overlap: 0.0, pair: (0, 0), residual: 0.0, mode: 0, leak: 0.0 };
    for (i, (mode, residual)) in modes.list.iter().zip(residuals).enumerate() {
        let relative = residual / mode.lambda;
        if relative > worst.residual {
            (worst.residual, worst.mode) = (relative, i);
        }
    }
    if matches!(weights, Weights::Fcnn { .. }) {
        return worst;
    }
    for (j, later) in modes.list.iter().enumerate() {
        for (i, mode) in modes.list[..j].iter().enumerate() {
            let (one, two) = (mode.energies.values(), later.energies.values());
            let grid = mode.energies.grid();
            let entries = one.indexed_iter().zip(two);
            let overlap: f64 = entries.map(|(((_, c), a), b)| grid.weight(c) * (a * b).sqrt()).sum();
            if overlap > worst.overlap {
                (worst.overlap, worst.pair) = (overlap, (i, j));
            }
        }
    }
    worst
}

impl fmt::Display for Assumptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.overlap > 0.0 {
            let (i, j) = (self.pair.0 + 1, self.pair.1 + 1);
            write!(f, "modes {i} and {j} share {:.0} % of their spectra, ", 100.0 * self.overlap)?;
        }
        write!(f, "mode {} is no eigenvector of Σxx (residual {:.1e} λ)", self.mode + 1, self.residual)?;
        if self.leak > 0.0 {
            write!(f, ", what is learned at one frequency leaks to others through Σxx ({:.1e})", self.leak)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::Moments;
    use crate::theory::linear::Draw;
    use crate::theory::tests_support::{disjoint, drawn, lcnn, random_samples};

    #[test]
    fn assumptions_are_measured() {
        let samples = disjoint([1, 4, 6], 3, 11);
        let modes = Modes::new(&samples).unwrap();
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 1);
        let good = assumptions(&modes, &[0.0; 3], &weights);
        assert!(good.overlap < 1e-5 && good.residual == 0.0, "{good:?}");
        let rough = Modes::new(&random_samples(100, [1, 4, 6], 3, 5)).unwrap();
        let bad = assumptions(&rough, &[0.0, 2.0 * rough.list[1].lambda, 0.0], &weights);
        assert!(bad.overlap > 0.3 && bad.overlap <= 1.0 && (bad.residual, bad.mode) == (2.0, 1));
        let said = bad.to_string();
        assert!(
            said.contains("mode 2 is no eigenvector of Σxx (residual 2.0e0 λ)") && said.contains("share"),
            "{said}"
        );
    }

    #[test]
    fn parts_leak_where_images_have_more_at_their_frequencies() {
        let v = |p: usize| {
            let (i, j) = ((p / 8) as f64, (p % 8) as f64);
            let wave = |r: f64, c: f64| (std::f64::consts::TAU * (r * i + c * j) / 8.0).cos();
            wave(0.0, 1.0) + wave(1.0, 2.0) + wave(2.0, 0.0) + wave(2.0, 3.0)
        };
        let image = Array2::from_shape_fn((1, 64), |(_, p)| v(p));
        // White images, and images along v only: Σxx v = λ v in both.
        for (xx, want) in [(Array2::eye(64), 0.75f64.sqrt()), (image.t().dot(&image), 0.0)] {
            let moments = Moments { yx: image.clone(), xx, yy_trace: 1e3 };
            let modes = Modes::from_moments(&moments, [1, 8, 8]).unwrap();
            let parts = parts(&modes, &drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-3), 1));
            assert_eq!(parts.rows.dim(), (4, 64));
            let leak = parts.leak(&modes, parts.rows.dot(&moments.xx).view());
            assert!((leak - want).abs() < 1e-9, "{leak} {want}");
        }
    }
}
