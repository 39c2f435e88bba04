//! Gaussian blur of planes.

/// The `height × width` plane under a Gaussian of standard deviation `sigma` pixels, cut off
/// at 4 σ and of sum 1. Beyond the edges the outermost pixels go on. With `sigma` 0 the plane
/// as it is.
pub(super) fn blurred(plane: &[f64], height: usize, width: usize, sigma: f64) -> Vec<f64> {
    if sigma == 0.0 {
        return plane.to_vec();
    }
    let reach = (4.0 * sigma).ceil() as isize;
    let mut weights: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    // Value `at` of a line of `side` values that lie `step` apart from `start`.
    let line = |values: &[f64], start: usize, step: usize, side: usize, at: usize| -> f64 {
        let beside = |d: isize| (at as isize + d).clamp(0, side as isize - 1) as usize;
        (-reach..=reach).zip(&weights).map(|(d, w)| w * values[start + step * beside(d)]).sum()
    };
    let along: Vec<f64> =
        (0..height * width).map(|at| line(plane, at / width * width, 1, width, at % width)).collect();
    (0..height * width).map(|at| line(&along, at % width, width, height, at / width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_becomes_a_gaussian_and_a_flat_plane_stays() {
        let (height, width) = (21, 25);
        let mut point = vec![0.0; height * width];
        point[10 * width + 12] = 1.0;
        let blurred_point = blurred(&point, height, width, 1.5);
        // By definition; the sum over whole pixels is √(2π) σ to twelve digits.
        let g = |d: f64| (-0.5 * (d / 1.5).powi(2)).exp() / (1.5 * std::f64::consts::TAU.sqrt());
        for (i, j) in [(10, 12), (11, 12), (10, 14), (13, 9), (8, 15)] {
            let want = g(i as f64 - 10.0) * g(j as f64 - 12.0);
            let got = blurred_point[i * width + j];
            assert!((got - want).abs() < 1e-4 * want, "{i} {j}: {got} {want}");
        }
        let flat = blurred(&vec![0.3; 35], 5, 7, 2.0);
        assert!(flat.iter().all(|v| (v - 0.3).abs() < 1e-12));
        assert_eq!(blurred(&point, height, width, 0.0), point);
    }
}
