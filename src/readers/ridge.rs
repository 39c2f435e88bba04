//! Ridge regression, judged out of fold: every answer comes from images without the
//! one that is answered for.

use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::folds::{FOLDS, folds};
use crate::error::{Error, Result};
use crate::seed;

/// Images that are needed at least.
pub const LEAST: usize = 2 * FOLDS;

/// Penalties tried, in mean eigenvalues of the features' covariance.
const PENALTIES: [f64; 9] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0];

/// What a reader answers for every image.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Out-of-fold answers ŷ `[P, K]`.
    pub y: Array2<f64>,
    /// The penalty γ with the least squared error out of fold, in mean eigenvalues of
    /// the covariance of the standardised features.
    pub penalty: f64,
    /// Fold of each image.
    pub folds: Vec<u8>,
}

/// Moments of some rows.
#[derive(Clone)]
struct Sums {
    count: f64,
    phi: Array1<f64>,
    y: Array1<f64>,
    phi_phi: Array2<f64>,
    phi_y: Array2<f64>,
}

impl Sums {
    fn new(phi: ArrayView2<f64>, y: ArrayView2<f64>) -> Self {
        Self {
            count: phi.nrows() as f64,
            phi: phi.sum_axis(Axis(0)),
            y: y.sum_axis(Axis(0)),
            phi_phi: phi.t().dot(&phi),
            phi_y: phi.t().dot(&y),
        }
    }

    fn add(&mut self, other: &Self, sign: f64) {
        self.count += sign * other.count;
        self.phi.scaled_add(sign, &other.phi);
        self.y.scaled_add(sign, &other.y);
        self.phi_phi.scaled_add(sign, &other.phi_phi);
        self.phi_y.scaled_add(sign, &other.phi_y);
    }
}

/// A fit to some rows, for any penalty.
struct Fit {
    phi_mean: Array1<f64>,
    y_mean: Array1<f64>,
    /// Eigenvectors of the covariance of φ, in columns `[p, p]`.
    vectors: Array2<f64>,
    values: Vec<f64>,
    /// Of the targets, in these directions `[p, K]`.
    along: Array2<f64>,
}

impl Fit {
    fn new(sums: &Sums) -> Result<Self> {
        let n = sums.count;
        let (phi_mean, y_mean) = (&sums.phi / n, &sums.y / n);
        let outer = |a: &Array1<f64>, b: &Array1<f64>| {
            a.view().insert_axis(Axis(1)).dot(&b.view().insert_axis(Axis(0)))
        };
        let covariance = &sums.phi_phi / n - outer(&phi_mean, &phi_mean);
        let cross = &sums.phi_y / n - outer(&phi_mean, &y_mean);
        let p = covariance.nrows();
        let matrix = Mat::from_fn(p, p, |i, j| 0.5 * (covariance[[i, j]] + covariance[[j, i]]));
        let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|e| {
            Error::input("features of a reader", "a covariance with eigenvalues", format!("{e:?}"))
        })?;
        let vectors = Array2::from_shape_fn((p, p), |(i, j)| eigen.U()[(i, j)]);
        let values = (0..p).map(|i| eigen.S()[i].max(0.0)).collect();
        let along = vectors.t().dot(&cross);
        Ok(Self { phi_mean, y_mean, vectors, values, along })
    }

    // Answers for rows φ with the penalty `share` of the mean eigenvalue.
    fn answers(&self, phi: ArrayView2<f64>, share: f64) -> Array2<f64> {
        let mean = self.values.iter().sum::<f64>() / self.values.len().max(1) as f64;
        // Constant features alone: nothing but the mean to answer with.
        let penalty = (share * mean).max(f64::MIN_POSITIVE);
        let mut weights = self.along.clone();
        for (mut row, value) in weights.rows_mut().into_iter().zip(&self.values) {
            row /= value + penalty;
        }
        (&phi - &self.phi_mean).dot(&self.vectors.dot(&weights)) + &self.y_mean
    }
}

/// Answers for targets `y` `[P, K]` from features `phi` `[P, p]`, each image by a fit to
/// the four fifths of the images that it is not in. Folds are drawn by `seed`; copies are in one.
///
/// Features are standardised over all images, of which the fit knows no more than
/// that; the penalty γ is the one with the least squared error out of fold, for all
/// targets together. Constant features are left out.
///
/// # Errors
/// [`Error::Input`] for fewer than two images in a fold's fit, and for features that
/// are not finite.
pub fn out_of_fold(phi: ArrayView2<f64>, y: ArrayView2<f64>, seed: u64) -> Result<Answers> {
    let count = phi.nrows();
    if count < LEAST || y.nrows() != count {
        let expected = format!("at least {LEAST} images, one target each");
        return Err(Error::input("images of a reader", expected, format!("{count} and {}", y.nrows())));
    }
    let phi = standardised(phi)?;
    let (order, bounds) = folds(phi.view(), &mut seed::rng(seed, "readers/folds", 0));
    let (phi, y) = (phi.select(Axis(0), &order), y.select(Axis(0), &order));
    let part = |f: usize| s![bounds[f]..bounds[f + 1], ..];
    let parts: Vec<Sums> = (0..FOLDS).map(|f| Sums::new(phi.slice(part(f)), y.slice(part(f)))).collect();
    let mut all = parts[0].clone();
    parts[1..].iter().for_each(|part| all.add(part, 1.0));
    let fits = parts.iter().map(|part| {
        let mut rest = all.clone();
        rest.add(part, -1.0);
        Fit::new(&rest)
    });
    let fits = fits.collect::<Result<Vec<_>>>()?;
    let mut best: Option<(f64, f64, Array2<f64>)> = None;
    for penalty in PENALTIES {
        let mut answers = Array2::zeros(y.dim());
        for (f, fit) in fits.iter().enumerate() {
            answers.slice_mut(part(f)).assign(&fit.answers(phi.slice(part(f)), penalty));
        }
        let error = (&answers - &y).mapv(|e| e * e).sum();
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, penalty, answers));
        }
    }
    let (_, penalty, answers) =
        best.ok_or_else(|| Error::input("features of a reader", "finite answers", "none"))?;
    // Back in the order of the images.
    let (mut back, mut folds) = (Array2::zeros(y.dim()), vec![0; count]);
    for f in 0..FOLDS {
        for at in bounds[f]..bounds[f + 1] {
            back.row_mut(order[at]).assign(&answers.row(at));
            folds[order[at]] = f as u8;
        }
    }
    Ok(Answers { y: back, penalty, folds })
}

/// Answers `[Q, K]` to images with the features `others` `[Q, p]`, by a fit to all of
/// `phi` `[P, p]` and `y` `[P, K]` with the penalty that is best out of fold.
///
/// # Errors
/// As [`out_of_fold`], and for another number of features.
pub fn answers_to(
    others: ArrayView2<f64>,
    phi: ArrayView2<f64>,
    y: ArrayView2<f64>,
    seed: u64,
) -> Result<Array2<f64>> {
    if others.ncols() != phi.ncols() {
        let expected = format!("{} features of each image", phi.ncols());
        return Err(Error::input("images of a reader", expected, others.ncols()));
    }
    let Answers { penalty, .. } = out_of_fold(phi, y, seed)?;
    let columns = varying(phi)?;
    Ok(Fit::new(&Sums::new(scaled(phi, &columns).view(), y))?
        .answers(scaled(others, &columns).view(), penalty))
}

// Columns of mean 0 and variance 1; those that do not vary are left out.
fn standardised(phi: ArrayView2<f64>) -> Result<Array2<f64>> {
    Ok(scaled(phi, &varying(phi)?))
}

/// A column, its mean and its standard deviation.
type Column = (usize, f64, f64);

fn scaled(phi: ArrayView2<f64>, columns: &[Column]) -> Array2<f64> {
    let mut out = Array2::zeros((phi.nrows(), columns.len()));
    for (mut out, &(at, mean, scale)) in out.columns_mut().into_iter().zip(columns) {
        out.assign(&phi.column(at).mapv(|v| (v - mean) / scale));
    }
    out
}

// The columns that vary.
fn varying(phi: ArrayView2<f64>) -> Result<Vec<Column>> {
    if let Some(((i, j), v)) = phi.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::input(format!("feature {j} of image {i}"), "a finite number", v));
    }
    let n = phi.nrows() as f64;
    let columns = phi.columns().into_iter().enumerate().filter_map(|(at, column)| {
        let mean = column.sum() / n;
        let scale = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let size = column.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // Rounding is no variance.
        (scale.sqrt() > 1e-12 * size).then(|| (at, mean, scale.sqrt()))
    });
    Ok(columns.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;
    use rand_distr::StandardNormal;

    fn drawn(rows: usize, columns: usize, purpose: &str) -> Array2<f64> {
        let mut rng = seed::rng(5, purpose, 0);
        Array2::from_shape_simple_fn((rows, columns), || rng.sample(StandardNormal))
    }

    #[test]
    fn answers_are_those_of_the_normal_equations_without_the_fold() {
        let (phi, y) = (drawn(60, 3, "test/phi") * 2.0 + 5.0, drawn(60, 2, "test/y"));
        let found = out_of_fold(phi.view(), y.view(), 1).unwrap();
        let phi = standardised(phi.view()).unwrap();
        for fold in 0..5u8 {
            let rows = |inside: bool| -> Vec<usize> {
                (0..60).filter(|i| (found.folds[*i] == fold) == inside).collect()
            };
            assert_eq!(rows(true).len(), 12);
            let (train, t) = (phi.select(Axis(0), &rows(false)), y.select(Axis(0), &rows(false)));
            let (m, t_mean) = (train.mean_axis(Axis(0)).unwrap(), t.mean_axis(Axis(0)).unwrap());
            let centred = &train - &m;
            let covariance = centred.t().dot(&centred) / 48.0;
            let mean = covariance.diag().sum() / 3.0;
            let system = Mat::from_fn(3, 3, |i, j| {
                covariance[[i, j]] + if i == j { found.penalty * mean } else { 0.0 }
            });
            let cross = centred.t().dot(&(&t - &t_mean)) / 48.0;
            use faer::linalg::solvers::Solve;
            let weights = system.partial_piv_lu().solve(Mat::from_fn(3, 2, |i, j| cross[[i, j]]));
            for i in rows(true) {
                for k in 0..2 {
                    let want: f64 =
                        t_mean[k] + (0..3).map(|j| (phi[[i, j]] - m[j]) * weights[(j, k)]).sum::<f64>();
                    assert!((found.y[[i, k]] - want).abs() < 1e-10, "{i} {k}");
                }
            }
        }
    }

    #[test]
    fn noise_is_answered_with_next_to_nothing_and_what_is_linear_exactly() {
        let phi = drawn(500, 20, "test/phi");
        let noise = drawn(500, 1, "test/noise");
        let found = out_of_fold(phi.view(), noise.view(), 0).unwrap();
        // Out of fold there is nothing to be learned from noise: the most is best penalised.
        assert_eq!(found.penalty, 1.0);
        assert!((&found.y * &noise).mean().unwrap().abs() < 0.05);
        let linear = phi.dot(&drawn(20, 2, "test/map")) + 3.0;
        let found = out_of_fold(phi.view(), linear.view(), 0).unwrap();
        assert_eq!(found.penalty, 1e-4);
        let error = (&found.y - &linear).mapv(f64::abs).fold(0.0, |m: f64, e| m.max(*e));
        assert!(error < 0.01, "{error}");
    }

    #[test]
    fn other_images_are_answered_by_the_fit_to_all() {
        let (phi, others) = (drawn(300, 4, "test/phi") * 3.0 - 1.0, drawn(7, 4, "test/others"));
        let map = drawn(4, 2, "test/map");
        let found = answers_to(others.view(), phi.view(), (phi.dot(&map) + 2.0).view(), 0).unwrap();
        let error = (&found - &(others.dot(&map) + 2.0)).mapv(f64::abs).fold(0.0, |m: f64, e| m.max(*e));
        assert!(error < 0.01, "{error}");
        assert!(answers_to(others.slice(s![.., ..3]), phi.view(), phi.view(), 0).is_err());
    }

    #[test]
    fn constant_features_and_too_few_images() {
        let mut phi = drawn(40, 2, "test/phi");
        phi.column_mut(1).fill(0.1);
        let y = phi.slice(s![.., ..1]).to_owned();
        assert!(out_of_fold(phi.view(), y.view(), 0).unwrap().y.iter().all(|v| v.is_finite()));
        phi.fill(7.0);
        let none = out_of_fold(phi.view(), y.view(), 0).unwrap();
        let mean = y.mean().unwrap();
        assert!(none.y.iter().all(|v| (v - mean).abs() < 0.5));
        assert!(out_of_fold(phi.slice(s![..9, ..]), y.slice(s![..9, ..]), 0).is_err());
        phi[[3, 1]] = f64::NAN;
        let error = out_of_fold(phi.view(), y.view(), 0).unwrap_err().to_string();
        assert!(error.contains("feature 1 of image 3"), "{error}");
    }
}
