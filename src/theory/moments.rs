//! Second moments of the samples, accumulated in double precision:
//! Σyx = (1/P) Σ y_i x_iᵀ `[K, d]` and Σxx = (1/P) Σ x_i x_iᵀ `[d, d]`.

use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::{Array2, ArrayView2, Axis, parallel::prelude::*};

use crate::data::Samples;

/// Second moments of a prepared data set.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Σyx `[K, d]`.
    pub yx: Array2<f64>,
    /// Σxx `[d, d]`, symmetric to the bit.
    pub xx: Array2<f64>,
    /// tr Σyy: twice the loss of a network that answers zero.
    pub yy_trace: f64,
}

impl Moments {
    /// All second moments: P·d² multiplications, of which half are done.
    pub fn new(samples: &Samples) -> Self {
        Self { yx: cross(samples), xx: inputs(samples), yy_trace: yy_trace(samples) }
    }
}

// Samples converted to double precision at a time: 24 MiB at d = 3072; fewer of
// large images, so that a block has at most 256 MiB.
const BLOCK: usize = 1024;
const VALUES: usize = 1 << 25;

fn block(d: usize) -> usize {
    (VALUES / d.max(1)).clamp(1, BLOCK)
}

/// Σyx = (1/P) Σ y_i x_iᵀ `[K, d]`.
pub fn cross(samples: &Samples) -> Array2<f64> {
    let (p, d, k) = (samples.len(), samples.x.ncols(), samples.outputs());
    let mut sum = Array2::<f64>::zeros((k, d));
    for_blocks(samples, |x, y| {
        let out = row_major_mut(&mut sum);
        faer::linalg::matmul::matmul(out, Accum::Add, y.transpose(), x, 1.0, par());
    });
    sum / p as f64
}

/// Σxx = (1/P) Σ x_i x_iᵀ `[d, d]`.
pub fn inputs(samples: &Samples) -> Array2<f64> {
    let (p, d) = (samples.len(), samples.x.ncols());
    let mut sum = Array2::<f64>::zeros((d, d));
    for_blocks(samples, |x, _| add_products(&mut sum, x));
    let scale = 1.0 / p as f64;
    for i in 0..d {
        for j in 0..=i {
            let v = sum[[i, j]] * scale;
            sum[[i, j]] = v;
            sum[[j, i]] = v;
        }
    }
    sum
}

/// sum += XᵀX of rows X `[N, d]`: the lower triangle `[d, d]` alone.
pub(crate) fn add_products(sum: &mut Array2<f64>, x: MatRef<f64>) {
    triangular::matmul(
        row_major_mut(sum),
        BlockStructure::TriangularLower,
        Accum::Add,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        par(),
    );
}

/// tr Σyy = (1/P) Σ ‖y_i‖².
pub fn yy_trace(samples: &Samples) -> f64 {
    samples.y.iter().map(|v| v * v).sum::<f64>() / samples.len() as f64
}

/// (1/P) Σ (v·x_i)² for each column v of `directions` `[d, m]`: vᵀ Σxx v
/// without forming Σxx, at P·d·m multiplications.
pub fn variances(samples: &Samples, directions: ArrayView2<f64>) -> Vec<f64> {
    let m = directions.ncols();
    let columns = Mat::from_fn(directions.nrows(), m, |i, j| directions[[i, j]]);
    let mut sums = vec![0.0; m];
    for_blocks(samples, |x, _| {
        let mut projected = Mat::<f64>::zeros(x.nrows(), m);
        faer::linalg::matmul::matmul(projected.as_mut(), Accum::Replace, x, &columns, 1.0, par());
        for (j, sum) in sums.iter_mut().enumerate() {
            *sum += projected.col(j).iter().map(|z| z * z).sum::<f64>();
        }
    });
    sums.iter().map(|s| s / samples.len() as f64).collect()
}

/// Σŷx = E Σxx `[K, d]` of a linear map E `[K, d]`, without forming Σxx.
pub fn response(samples: &Samples, map: ArrayView2<f64>) -> Array2<f64> {
    let (k, d) = map.dim();
    let e = Mat::from_fn(k, d, |i, j| map[[i, j]]);
    let mut sum = Array2::<f64>::zeros((k, d));
    for_blocks(samples, |x, _| {
        let mut y = Mat::<f64>::zeros(k, x.nrows());
        faer::linalg::matmul::matmul(y.as_mut(), Accum::Replace, &e, x.transpose(), 1.0, par());
        faer::linalg::matmul::matmul(row_major_mut(&mut sum), Accum::Add, &y, x, 1.0, par());
    });
    sum / samples.len() as f64
}

fn par() -> Par {
    Par::rayon(0)
}

fn row_major_mut(a: &mut Array2<f64>) -> MatMut<'_, f64> {
    let (rows, cols) = a.dim();
    let slice = a.as_slice_mut().expect("owned arrays made here are in standard order");
    MatMut::from_row_major_slice_mut(slice, rows, cols)
}

fn for_blocks(samples: &Samples, mut f: impl FnMut(MatRef<f64>, MatRef<f64>)) {
    let (p, d, k) = (samples.len(), samples.x.ncols(), samples.outputs());
    let rows = block(d).min(p);
    let mut x = Array2::<f64>::zeros((rows, d));
    for start in (0..p).step_by(block(d)) {
        let count = rows.min(p - start);
        let source = samples.x.slice(ndarray::s![start..start + count, ..]);
        let mut target = x.slice_mut(ndarray::s![..count, ..]);
        target
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(source.axis_iter(Axis(0)))
            .for_each(|(mut to, from)| to.iter_mut().zip(from).for_each(|(t, &v)| *t = f64::from(v)));
        let x = &x.as_slice().expect("made here")[..count * d];
        let y = samples.y.slice(ndarray::s![start..start + count, ..]);
        let y = y.as_standard_layout();
        f(
            MatRef::from_row_major_slice(x, count, d),
            MatRef::from_row_major_slice(y.as_slice().expect("standard layout"), count, k),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::tests_support::random_samples;

    #[test]
    fn moments_equal_the_naive_sums() {
        // More samples than a block, and not a multiple of it.
        let s = random_samples(BLOCK + 77, [2, 3, 5], 4, 1);
        let m = Moments::new(&s);
        let x = s.x.mapv(f64::from);
        let p = s.len() as f64;
        let (yx, xx) = (s.y.t().dot(&x) / p, x.t().dot(&x) / p);
        assert!((&m.yx - &yx).iter().all(|e| e.abs() < 1e-13));
        assert!((&m.xx - &xx).iter().all(|e| e.abs() < 1e-13));
        assert_eq!(m.xx, m.xx.t());
        assert!((m.yy_trace - (&s.y * &s.y).sum() / p).abs() < 1e-13);

        let v = Array2::from_shape_fn((30, 3), |(i, j)| ((i * 3 + j * 5) % 7) as f64 - 3.0);
        for (j, got) in variances(&s, v.view()).into_iter().enumerate() {
            let want = v.column(j).dot(&xx.dot(&v.column(j)));
            assert!((got - want).abs() < 1e-11 * want);
        }
        let e = Array2::from_shape_fn((4, 30), |(i, j)| ((i * 5 + j * 2) % 9) as f64 - 4.0);
        assert!((response(&s, e.view()) - e.dot(&xx)).iter().all(|d| d.abs() < 1e-11));
    }
}
