//! Reading discovery times off a curve, and comparing two lists of them.

/// First crossing of `level` by a curve given at ascending `steps`, by linear
/// interpolation; None where the curve never gets there. A curve that starts at
/// or above the level crosses it at its first step.
pub fn crossing(steps: &[f64], values: &[f64], level: f64) -> Option<f64> {
    let i = values.iter().position(|v| *v >= level)?;
    let Some(before) = i.checked_sub(1) else { return steps.first().copied() };
    let (x0, x1, y0, y1) = (steps[before], steps[i], values[before], values[i]);
    // After a gap (NaN) there is nothing to interpolate from.
    if y0.is_nan() { Some(x1) } else { Some(x0 + (x1 - x0) * (level - y0) / (y1 - y0)) }
}

/// Pearson's correlation; NaN for fewer than two points or a constant.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len().min(y.len());
    let mean = |v: &[f64]| v[..n].iter().sum::<f64>() / n as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mx, y - my);
        (xy, xx, yy) = (xy + x * y, xx + x * x, yy + y * y);
    }
    if n < 2 || xx <= 0.0 || yy <= 0.0 { f64::NAN } else { xy / (xx * yy).sqrt() }
}

/// Spearman's rank correlation; equal values share their mean rank. Pairs with a
/// NaN are left out.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let pairs = x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.map(|(x, y)| (*x, *y)).unzip();
    pearson(&ranks(&x), &ranks(&y))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |v: f64| values.iter().filter(|w| **w < v).count();
    let equal = |v: f64| values.iter().filter(|w| **w == v).count();
    values.iter().map(|v| below(*v) as f64 + 0.5 * (equal(*v) as f64 + 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_by_hand() {
        assert!((pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-15);
        // Means 2 and 3; Σxy = 2·(−1)(…): x = −1 0 1, y = −1 1 0: 1/2.
        assert!((pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 3.0]) - 0.5).abs() < 1e-15);
        assert!((spearman(&[1.0, 10.0, 100.0], &[0.1, 0.2, 9.0]) - 1.0).abs() < 1e-15);
        assert!((spearman(&[1.0, 2.0, f64::NAN, 3.0], &[3.0, 2.0, 7.0, 1.0]) + 1.0).abs() < 1e-15);
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5/√(4.5 · 5).
        let tied = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
        assert!((tied - (4.5f64 / 5.0).sqrt()).abs() < 1e-15, "{tied}");
        assert!(pearson(&[1.0], &[1.0]).is_nan() && spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn crossings_by_hand() {
        let steps = [0.0, 10.0, 20.0, 30.0];
        assert_eq!(crossing(&steps, &[0.0, 0.2, 0.6, 1.0], 0.5), Some(17.5));
        assert_eq!(crossing(&steps, &[0.5, 0.2, 0.6, 1.0], 0.5), Some(0.0));
        assert_eq!(crossing(&steps, &[0.0, 0.1, 0.2, 0.3], 0.5), None);
        assert_eq!(crossing(&steps, &[0.0, f64::NAN, 0.8, 1.0], 0.5), Some(20.0));
        assert_eq!(crossing(&[], &[], 0.5), None);
    }
}
