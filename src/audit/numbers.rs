//! Numbers of two networks, a and b, side by side. Differences are b − a.
//!
//! # Conventions
//! - Of numbers that have intervals of their own, the difference's is put together from
//!   these as if the two were independent (square-and-add, Newcombe 1998). The images are
//!   the same, so that it is rather too wide.
//! - Standard errors by the jackknife over a few groups of images ([`GROUPS`]): their
//!   intervals are Student's, with a degree of freedom less than groups.
//! - Numbers without intervals have none of their difference.

use super::Rate;
use super::gradient::{Estimate, GROUPS};
use crate::plot::Panel;

/// A number with its 95 % interval, where it has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The number.
    pub value: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Self { value, interval: None }
    }
}

impl From<Rate> for Measured {
    fn from(rate: Rate) -> Self {
        Self { value: rate.share, interval: Some(rate.interval) }
    }
}

impl Measured {
    /// An estimate by the jackknife over `images` images ([`GROUPS`]).
    pub fn jackknifed(Estimate { value, se }: Estimate, images: usize) -> Self {
        // Quantile 0.975 of Student's t with 1 to GROUPS - 1 degrees of freedom.
        const T: [f64; GROUPS - 1] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365];
        let t = images.min(GROUPS).checked_sub(2).map(|i| T[i]);
        let interval = se.zip(t).map(|(se, t)| [value - t * se, value + t * se]);
        Self { value, interval }
    }

    /// `self` − `a`, of independent numbers.
    fn less(self, a: Self) -> Self {
        let value = self.value - a.value;
        let interval = self.interval.zip(a.interval).map(|([low, high], [a_low, a_high])| {
            [
                value - (self.value - low).hypot(a_high - a.value),
                value + (high - self.value).hypot(a.value - a_low),
            ]
        });
        Self { value, interval }
    }
}

/// What two networks have measured alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// What it is.
    pub name: &'static str,
    /// Its unit; empty of shares.
    pub unit: &'static str,
    /// Of a.
    pub a: Measured,
    /// Of b.
    pub b: Measured,
    /// b − a.
    pub difference: Measured,
}

impl Number {
    /// Of a and of b.
    pub fn new(name: &'static str, unit: &'static str, a: Measured, b: Measured) -> Self {
        Self { name, unit, a, b, difference: b.less(a) }
    }
}

/// (x, y, interval of y).
pub type Point = (f64, f64, Option<[f64; 2]>);

/// A curve of both networks, a and b, in one panel.
pub struct Beside {
    /// The panel, with nothing in it; its title without a letter.
    pub panel: Panel,
    /// Of a, and of b.
    pub points: [Vec<Point>; 2],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_put_together_by_squares() {
        let a = Measured { value: 0.5, interval: Some([0.4, 0.53]) };
        let b = Measured { value: 0.8, interval: Some([0.76, 0.9]) };
        let found = b.less(a);
        assert!((found.value - 0.3).abs() < 1e-12);
        let [low, high] = found.interval.unwrap();
        assert!((low - 0.25).abs() < 1e-12 && (high - (0.3 + 0.1 * 2f64.sqrt())).abs() < 1e-12);
        assert_eq!(b.less(0.5.into()).interval, None);
        // Eight groups at most, and none of one image.
        let of = |images| Measured::jackknifed(Estimate { value: 1.0, se: Some(0.1) }, images).interval;
        assert_eq!((of(1), of(2), of(100)), (None, Some([1.0 - 1.2706, 1.0 + 1.2706]), of(8)));
        assert_eq!(of(8), Some([1.0 - 0.1 * 2.365, 1.0 + 0.1 * 2.365]));
        // A number and itself: zero is in it.
        assert_eq!(a.less(a).value, 0.0);
    }
}
