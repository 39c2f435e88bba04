//! Reading discovery times off a curve.

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

#[cfg(test)]
mod tests {
    use super::*;

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
