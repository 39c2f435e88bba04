//! Layers as an initialisation would make them.

use ndarray::{Array2, Axis};
use rand::Rng;
use rand_distr::{ChiSquared, StandardNormal};
use rayon::prelude::*;

use super::kernels::Sums;
use super::{Drawn, Init, Options, Spectrum};
use crate::error::Result;
use crate::seed;
use crate::spectrum::Grid;
use crate::stats::middle95;

// Numbers of the kernels of a draw that are drawn one by one.
const NUMBERS: usize = 1 << 14;
const KERNELS: usize = 32;

/// `measured` beside draws of n kernels of r×s, `shape` being `[n, r, s]`. The draws depend on the
/// shape and on the `place` of the layer among the convolutions, not on its name: the same
/// weights under other names have the same.
pub(super) fn compared(
    place: usize,
    shape: [usize; 3],
    grid: Grid,
    options: &Options,
    measured: &Spectrum,
) -> Result<Init> {
    let [n, r, s] = shape;
    let purpose = format!("audit/init/{place}/{n}x{r}x{s}");
    let draws: Vec<_> = (0..options.draws as u64)
        .into_par_iter()
        .map(|draw| {
            let mut rng = seed::rng(options.seed, &purpose, draw);
            spectrum(&mut rng, shape, grid, draw % 2 == 1).map(Numbers::of)
        })
        .collect::<Result<_>>()?;
    let drawn = |of: &dyn Fn(&Numbers) -> f64, measured: f64| {
        let values: Vec<f64> = draws.iter().map(of).collect();
        Drawn::new(&values, measured)
    };
    let density = &measured.radial.density;
    Ok(Init {
        centroid: drawn(&|n| n.centroid, measured.centroid),
        anisotropy: drawn(&|n| n.anisotropy, measured.anisotropy),
        kernel_anisotropy: drawn(&|n| n.kernel_anisotropy, measured.kernel_anisotropy),
        dominant_share: drawn(&|n| n.dominant_share, measured.dominant_share),
        participation: drawn(&|n| n.participation, measured.participation),
        density: (0..density.len()).map(|ring| drawn(&|n| n.density[ring], density[ring])).collect(),
        kernels: one_by_one(shape),
    })
}

impl Drawn {
    /// `measured` beside `values`, of which there is one at least.
    pub(super) fn new(values: &[f64], measured: f64) -> Self {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = (squares / (values.len() - 1).max(1) as f64).sqrt();
        let interval = middle95(values);
        Self {
            mean,
            sd,
            interval,
            z: (sd > 0.0).then(|| (measured - mean) / sd),
            outside: !(interval[0] <= measured && measured <= interval[1]),
        }
    }
}

/// What is kept of a draw.
struct Numbers {
    centroid: f64,
    anisotropy: f64,
    kernel_anisotropy: f64,
    dominant_share: f64,
    participation: f64,
    density: Vec<f64>,
}

impl Numbers {
    fn of(s: Spectrum) -> Self {
        Self {
            centroid: s.centroid,
            anisotropy: s.anisotropy,
            kernel_anisotropy: s.kernel_anisotropy,
            dominant_share: s.dominant_share,
            participation: s.participation,
            density: s.radial.density,
        }
    }
}

/// Kernels of a draw that are drawn one by one.
fn one_by_one([n, r, s]: [usize; 3]) -> usize {
    n.min((NUMBERS / (r * s)).max(KERNELS))
}

/// The spectrum of n independent kernels of r×s standard normal weights, with the mean
/// anisotropy of kernels drawn one by one. That alone depends on the distribution of a
/// weight: their weights are uniform in every other draw.
fn spectrum(rng: &mut impl Rng, shape: [usize; 3], grid: Grid, uniform: bool) -> Result<Spectrum> {
    let [n, r, s] = shape;
    let mut all = Sums::new(r, s, grid);
    add(&mut all, n.min(r * s), r * s, |j, row| fill_row(rng, n, j, row))?;
    let mut single = Sums::new(r, s, grid);
    add(&mut single, one_by_one(shape), r * s, |_, row| {
        row.iter_mut().for_each(|w| {
            *w = if uniform { rng.random_range(-1.0..1.0) } else { rng.sample(StandardNormal) };
        });
    })?;
    Ok(Spectrum::new(&all.energies(n)?, single.kernel_anisotropy()))
}

/// Row `j` of rows whose Σ w wᵀ is distributed as that of `n` rows of p standard
/// normal numbers: of the n themselves, or of the p of Bartlett's factor where they
/// are fewer. The row is zero before.
fn fill_row(rng: &mut impl Rng, n: usize, j: usize, row: &mut [f64]) {
    let from = if n >= row.len() {
        let freedom = ChiSquared::new((n - j) as f64).expect("positive degrees of freedom");
        row[j] = rng.sample::<f64, _>(freedom).sqrt();
        j + 1
    } else {
        0
    };
    row[from..].iter_mut().for_each(|w| *w = rng.sample(StandardNormal));
}

/// Adds `count` kernels of `weights` weights, which `fill` fills one after another.
fn add(sums: &mut Sums, count: usize, weights: usize, mut fill: impl FnMut(usize, &mut [f64])) -> Result<()> {
    let chunk = sums.chunk();
    for start in (0..count).step_by(chunk) {
        let mut kernels = Array2::zeros((chunk.min(count - start), weights));
        for (i, mut row) in kernels.axis_iter_mut(Axis(0)).enumerate() {
            fill(start + i, row.as_slice_mut().expect("rows are contiguous"));
        }
        sums.add(kernels.view())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brute(seed: u64, draw: u64, [n, r, s]: [usize; 3], grid: Grid, uniform: bool) -> Spectrum {
        let mut rng = seed::rng(seed, "test/brute", draw);
        let mut sums = Sums::new(r, s, grid);
        let kernels = Array2::from_shape_simple_fn((n, r * s), || {
            if uniform { rng.random_range(-3.0..3.0) } else { rng.sample(StandardNormal) }
        });
        sums.add(kernels.view()).unwrap();
        sums.spectrum().unwrap()
    }

    /// Means of two samples, and their standard deviations, within 4.5 standard errors.
    fn same(a: &[f64], b: &[f64], what: &str) {
        let n = a.len() as f64;
        let [a, b] = [a, b].map(|v| Drawn::new(v, 0.0));
        let error = (a.sd.powi(2) / n + b.sd.powi(2) / n).sqrt();
        assert!((a.mean - b.mean).abs() < 4.5 * error, "{what}: {} and {} ± {error}", a.mean, b.mean);
        // Of a normal sample: sd/√(2n) each.
        let ratio = (a.sd / b.sd).ln().abs();
        assert!(ratio < 4.5 / n.sqrt(), "{what}: deviations {} and {}", a.sd, b.sd);
    }

    #[test]
    fn bartletts_draws_are_those_of_kernels() {
        // Many kernels, as many as weights, fewer: with and without the factor.
        let grid = Grid::new(12, 12);
        for shape in [[3000, 3, 3], [2100, 2, 4], [9, 3, 3], [4, 3, 3]] {
            let draws: Vec<_> = (0..400)
                .map(|d| spectrum(&mut seed::rng(1, "test/wishart", d), shape, grid, d % 2 == 1).unwrap())
                .collect();
            let kernels: Vec<_> = (0..400).map(|d| brute(2, d, shape, grid, false)).collect();
            let compare = |what: &str, of: &dyn Fn(&Spectrum) -> f64| {
                let [a, b] = [&draws, &kernels].map(|all| all.iter().map(of).collect::<Vec<f64>>());
                same(&a, &b, &format!("{what} of {shape:?}"));
            };
            compare("centroid", &|s| s.centroid);
            compare("anisotropy", &|s| s.anisotropy);
            compare("dominant share", &|s| s.dominant_share);
            compare("participation", &|s| s.participation);
            compare("an energy", &|s| s.energies[2][3]);
            compare("density", &|s| s.radial.density[2]);
            if one_by_one(shape) == shape[0] {
                for uniform in [false, true] {
                    let own = draws.iter().skip(usize::from(uniform)).step_by(2);
                    let own: Vec<f64> = own.map(|s| s.kernel_anisotropy).collect();
                    let kernels = (400..600).map(|d| brute(2, d, shape, grid, uniform).kernel_anisotropy);
                    same(&own, &kernels.collect::<Vec<_>>(), &format!("kernel anisotropy of {shape:?}"));
                }
            }
        }
    }

    #[test]
    fn the_factor_has_the_moments_of_a_wishart_matrix() {
        // E[W] = n I, var W_ii = 2n, var W_ij = n.
        let (n, p, draws) = (20usize, 4, 20_000);
        let (mut mean, mut square) = (Array2::<f64>::zeros((p, p)), Array2::<f64>::zeros((p, p)));
        for draw in 0..draws {
            let mut rows = Array2::zeros((p, p));
            let mut rng = seed::rng(0, "test/factor", draw);
            (0..p).for_each(|j| fill_row(&mut rng, n, j, rows.row_mut(j).as_slice_mut().unwrap()));
            let w = rows.t().dot(&rows);
            mean += &w;
            square += &(&w * &w);
        }
        let (n, draws) = (n as f64, draws as f64);
        for ((i, j), sum) in mean.indexed_iter() {
            let (mean, expected) = (sum / draws, if i == j { n } else { 0.0 });
            let variance = square[[i, j]] / draws - mean * mean;
            let expected_variance = if i == j { 2.0 * n } else { n };
            assert!((mean - expected).abs() < 4.5 * (expected_variance / draws).sqrt(), "({i}, {j}): {mean}");
            assert!((variance / expected_variance - 1.0).abs() < 0.06, "({i}, {j}): {variance}");
        }
    }

    #[test]
    fn a_number_among_draws_by_hand() {
        let values: Vec<f64> = (0..41).map(f64::from).collect();
        let drawn = Drawn::new(&values, 39.5);
        assert_eq!((drawn.mean, drawn.interval, drawn.outside), (20.0, [1.0, 39.0], true));
        // Σ (i − 20)² = 2 · 2870.
        assert!((drawn.sd - (5740.0f64 / 40.0).sqrt()).abs() < 1e-13);
        assert!((drawn.z.unwrap() - 19.5 / drawn.sd).abs() < 1e-13);
        assert!(!Drawn::new(&values, 39.0).outside);
        let one = Drawn::new(&[3.0], 3.0);
        assert_eq!((one.mean, one.sd, one.z, one.outside), (3.0, 0.0, None, false));
    }
}
