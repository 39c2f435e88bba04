//! What can be drawn, and what is refused.

use crate::error::{Error, Result};

/// Smallest and largest of the values, NaN passed over; `None` if none is left.
///
/// # Errors
/// [`Error::Input`] naming `place` for an infinite value: no axis holds it.
pub fn range(place: &str, values: impl IntoIterator<Item = f64>) -> Result<Option<(f64, f64)>> {
    let mut found: Option<(f64, f64)> = None;
    for v in values.into_iter().filter(|v| !v.is_nan()) {
        if v.is_infinite() {
            return Err(Error::input(place, "finite numbers (or NaN for a gap)", v));
        }
        found = Some(found.map_or((v, v), |(low, high)| (low.min(v), high.max(v))));
    }
    Ok(found)
}

/// Refuses steps that are negative, not finite or do not ascend.
///
/// # Errors
/// [`Error::Input`] naming `place`.
pub fn ascending(place: &str, steps: &[f64]) -> Result<()> {
    if let Some(bad) = steps.iter().find(|s| !s.is_finite() || **s < 0.0) {
        return Err(Error::input(format!("{place}, steps"), "finite numbers from 0", bad));
    }
    if let Some(pair) = steps.windows(2).find(|w| w[1] <= w[0]) {
        let found = format!("{} after {}", pair[1], pair[0]);
        return Err(Error::input(format!("{place}, steps"), "an ascending series", found));
    }
    Ok(())
}

/// Refuses series of another length than `count`, one value per step, and
/// infinite values.
///
/// # Errors
/// [`Error::Input`] naming `place`.
pub fn series<'a>(place: &str, count: usize, all: impl IntoIterator<Item = &'a Vec<f64>>) -> Result<()> {
    for values in all {
        if values.len() != count {
            return Err(Error::input(place, format!("{count} values, one per step"), values.len()));
        }
        range(place, values.iter().copied())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_pass_over_gaps_and_refuse_infinity() {
        assert_eq!(range("x", [2.0, f64::NAN, -1.0]).unwrap(), Some((-1.0, 2.0)));
        assert_eq!(range("x", [f64::NAN]).unwrap(), None);
        let error = range("mode 3", [0.0, f64::NEG_INFINITY]).unwrap_err().to_string();
        assert!(error.contains("mode 3") && error.contains("-inf"), "{error}");
    }
}
