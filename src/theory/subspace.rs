//! Degenerate modes: strengths that coincide define a subspace, not directions.
//!
//! Where s_α = s_{α+1}, any rotation of (u_α, u_{α+1}) and (v_α, v_{α+1}) is as
//! good a pair of modes, and a_α, a_{α+1} depend on which one the decomposition
//! happened to return. What does not: the mean strength (1/m) Σ a_α over the
//! block, and the angles between the spaces that its images and the network's
//! templates span.

use std::ops::Range;

use faer::Mat;
use ndarray::ArrayView2;

use crate::theory::Modes;

/// Neighbouring modes whose strengths differ by less than this share are one block.
pub const DEGENERATE: f64 = 1e-3;

/// Blocks of two or more modes of the same strength, within [`DEGENERATE`].
pub fn blocks(modes: &Modes) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for i in 1..modes.len() {
        if modes.list[i - 1].s - modes.list[i].s >= DEGENERATE * modes.list[i - 1].s {
            continue;
        }
        match blocks.last_mut() {
            Some(block) if block.end == i => block.end = i + 1,
            _ => blocks.push(i - 1..i + 1),
        }
    }
    blocks
}

/// Principal angles in radians, ascending, between the spaces that the rows of
/// `a` and of `b` `[m, d]` span (Björck & Golub 1973); None where rows are
/// dependent or of different length.
pub fn principal_angles(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Option<Vec<f64>> {
    if a.ncols() != b.ncols() || a.nrows() > a.ncols() || b.nrows() > b.ncols() {
        return None;
    }
    let (a, b) = (basis(a)?, basis(b)?);
    let svd = (a.transpose() * &b).thin_svd().ok()?;
    let cosines = svd.S().column_vector().iter().map(|c| c.clamp(0.0, 1.0));
    // acos loses half of the digits at small angles; what is left is 1e-8.
    Some(cosines.map(f64::acos).collect())
}

// Orthonormal basis of the rows, as columns.
fn basis(rows: ArrayView2<f64>) -> Option<Mat<f64>> {
    let columns = Mat::from_fn(rows.ncols(), rows.nrows(), |i, j| rows[[j, i]]);
    let svd = columns.thin_svd().ok()?;
    let s = svd.S().column_vector();
    let largest = s[0];
    let smallest = s[rows.nrows() - 1];
    (smallest.is_finite() && smallest > 1e-12 * largest).then(|| svd.U().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::tests_support::cosine_samples;
    use ndarray::array;

    #[test]
    fn angles_by_hand() {
        let plane = array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
        // The same plane in another basis, and one turned by 30° about the first axis.
        let same = array![[1.0, 2.0, 0.0], [3.0, -1.0, 0.0]];
        let (sin, cos) = 30f64.to_radians().sin_cos();
        let turned = array![[2.0, 0.0, 0.0], [1.0, cos, sin]];
        let angles = |a: &ndarray::Array2<f64>| principal_angles(plane.view(), a.view()).unwrap();
        assert!(angles(&same).iter().all(|a| a.abs() < 1e-7));
        let found = angles(&turned);
        assert!(found[0].abs() < 1e-7 && (found[1].to_degrees() - 30.0).abs() < 1e-9, "{found:?}");
        let line = array![[0.0, 0.0, 5.0]];
        assert!((angles(&line)[0].to_degrees() - 90.0).abs() < 1e-9);
        assert_eq!(principal_angles(plane.view(), array![[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]].view()), None);
        assert_eq!(principal_angles(plane.view(), array![[1.0, 0.0]].view()), None);
    }

    #[test]
    fn blocks_are_runs_of_equal_strength() {
        let amplitude = |a: &[f64]| {
            let waves: Vec<_> = a.iter().zip(1..).map(|(a, k)| (0, k, *a, 0.3)).collect();
            Modes::new(&cosine_samples((4, 16), &waves)).unwrap()
        };
        assert!(blocks(&amplitude(&[1.0, 0.7, 0.5])).is_empty());
        assert_eq!(blocks(&amplitude(&[1.0, 1.0, 0.5])).first(), Some(&(0..2)));
        assert_eq!(blocks(&amplitude(&[1.0, 0.8, 0.5, 0.5, 0.5, 0.3, 0.3])), [2..5, 5..7]);
    }
}
