//! An axis of a panel: its scale, its ends and its ticks.

use super::check::range;
use super::ticks::{Ticks, log_ticks, tick_labels, ticks};
use crate::error::{Error, Result};

/// One axis of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures, with its unit; may be empty.
    pub label: String,
    /// Logarithmic: values from 0 downwards have no place on it, unless `zero`
    /// gives one to 0 itself.
    pub log: bool,
    /// On a logarithmic axis: where 0 stands, and the smallest positive value.
    /// The axis is broken between them.
    pub zero: Option<(f64, f64)>,
    /// From left to right or from bottom to top; descending turns the axis
    /// around. `None`: what the data needs.
    pub range: Option<(f64, f64)>,
    /// Places with names of their own instead of numbers.
    pub named: Option<Vec<(f64, String)>>,
    /// Whether it shows tick labels and its label: a panel may share those of
    /// its neighbour.
    pub labelled: bool,
}

impl Axis {
    /// A linear axis over what the data needs.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), log: false, zero: None, range: None, named: None, labelled: true }
    }

    /// A logarithmic one.
    pub fn log(label: impl Into<String>) -> Self {
        Self { log: true, ..Self::linear(label) }
    }

    /// From `low` to `high`.
    pub fn within(self, low: f64, high: f64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// From 0, which gets a tenth of the axis, over `first` (both positive) to
    /// `last`: for a logarithmic axis.
    pub fn starting_at_zero(self, first: f64, last: f64) -> Self {
        let place = first * (first / last).min(0.5).powf(0.1);
        Self { zero: Some((place, first)), ..self }.within(place, last)
    }

    /// With these ticks.
    pub fn named(self, places: Vec<(f64, String)>) -> Self {
        Self { named: Some(places), ..self }
    }

    /// Without numbers and label.
    pub fn unlabelled(self) -> Self {
        Self { labelled: false, ..self }
    }

    /// A value in the coordinate that grows evenly along the axis; NaN where it
    /// has no place.
    pub(super) fn along(&self, v: f64) -> f64 {
        match self.log {
            false => v,
            true if v > 0.0 => v.log10(),
            true => self.zero.filter(|_| v == 0.0).map_or(f64::NAN, |z| z.0.log10()),
        }
    }

    /// The ends of the axis, in that coordinate. `snug`: no margin (an area
    /// fills its axes).
    pub(super) fn span(
        &self,
        place: &str,
        values: impl Iterator<Item = f64>,
        reach: Option<(f64, f64)>,
    ) -> Result<(f64, f64)> {
        if let Some((low, high)) = self.range {
            let (from, to) = (self.along(low), self.along(high));
            if !(from.is_finite() && to.is_finite() && from != to && (to - from).is_finite()) {
                return Err(Error::input(place, "an axis with two finite ends", format!("{low} to {high}")));
            }
            return Ok((from, to));
        }
        if let Some(reach) = reach {
            return Ok(reach);
        }
        let found = range(place, values)?;
        let (low, high) = found.unwrap_or((0.0, 1.0));
        let margin = match high - low {
            0.0 if self.log => 0.5,
            0.0 if low == 0.0 => 1.0,
            0.0 => 0.5 * low.abs(),
            wide => 0.04 * wide,
        };
        let (low, high) = if found.is_none() { (low, high) } else { (low - margin, high + margin) };
        if !(high - low).is_finite() || high <= low {
            return Err(Error::input(place, "values that fit on one axis", format!("{low:e} to {high:e}")));
        }
        Ok((low, high))
    }
}

/// About `count` ticks of an axis that spans `span`.
pub(super) fn axis_ticks(axis: &Axis, span: (f64, f64), count: usize) -> Ticks {
    let (low, high) = (span.0.min(span.1), span.0.max(span.1));
    if let Some(places) = &axis.named {
        let placed = places.iter().map(|(v, name)| (axis.along(*v), name.clone()));
        return Ticks { major: placed.filter(|p| p.0 >= low && p.0 <= high).collect(), minor: Vec::new() };
    }
    if let Some((place, first)) = axis.zero.filter(|_| axis.log) {
        let mut found = log_ticks(first.log10(), high, count);
        found.major.insert(0, (place.log10(), "0".to_owned()));
        return found;
    }
    if axis.log {
        return log_ticks(low, high, count);
    }
    let values = ticks(low, high, count);
    Ticks { major: values.iter().copied().zip(tick_labels(&values)).collect(), minor: Vec::new() }
}

/// Borders of cells around ascending middles: half-way between neighbours, in
/// the coordinate of the axis. Middles without a place (0 on a logarithmic axis)
/// come first and get no cell: the returned offset is how many there are.
pub(super) fn borders(axis: &Axis, middles: &[f64]) -> (usize, Vec<f64>) {
    let at: Vec<f64> = middles.iter().map(|&v| axis.along(v)).collect();
    let skipped = at.iter().take_while(|v| v.is_nan()).count();
    let at = &at[skipped..];
    let (Some(&first), Some(&last)) = (at.first(), at.last()) else { return (skipped, Vec::new()) };
    let half = |i: usize| at.get(i..i + 2).map_or(0.5, |w| 0.5 * (w[1] - w[0]));
    let mut found = vec![first - half(0)];
    found.extend(at.windows(2).map(|w| 0.5 * (w[0] + w[1])));
    found.push(last + half(at.len().saturating_sub(2)));
    (skipped, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_meet_half_way() {
        assert_eq!(borders(&Axis::linear(""), &[0.0, 2.0, 6.0]), (0, vec![-1.0, 1.0, 4.0, 8.0]));
        assert_eq!(borders(&Axis::log(""), &[0.0, 1.0, 100.0]), (1, vec![-1.0, 1.0, 3.0]));
        assert_eq!(borders(&Axis::linear(""), &[3.0]), (0, vec![2.5, 3.5]));
        assert_eq!(borders(&Axis::log(""), &[0.0]), (1, vec![]));
        let starting_at_zero = Axis::log("").starting_at_zero(1.0, 1e10);
        assert_eq!(borders(&starting_at_zero, &[0.0, 1.0, 100.0]), (0, vec![-1.5, -0.5, 1.0, 3.0]));
    }

    #[test]
    fn a_logarithmic_axis_that_starts_at_zero() {
        let axis = Axis::log("").starting_at_zero(100.0, 1e4);
        let span = axis.span("", std::iter::empty(), None).unwrap();
        let found = axis_ticks(&axis, span, 6);
        let texts: Vec<_> = found.major.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(texts, ["0", "100", "1000", "10\u{2009}000"]);
        assert!((axis.along(0.0) - 1.8).abs() < 1e-12 && found.major[0].0 == axis.along(0.0));
        assert!(found.minor.iter().all(|m| *m >= 2.0), "nothing between 0 and the first value");
        assert!(axis.along(-1.0).is_nan() && Axis::log("").along(0.0).is_nan());
        // One positive value only.
        let span = Axis::log("").starting_at_zero(5.0, 5.0).span("", std::iter::empty(), None).unwrap();
        assert!(span.0 < span.1);
    }
}
