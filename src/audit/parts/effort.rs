//! How much the parts of an audit look at, what that costs, and what a given time is enough for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How much is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// All images, all frequencies.
    #[default]
    Full,
    /// Some images, some frequencies.
    Quick,
    /// The fewest frequencies that curves can be drawn of.
    Brief,
}

impl Effort {
    /// All, the most first.
    pub const ALL: [Self; 3] = [Self::Full, Self::Quick, Self::Brief];

    /// That one of `of`, which are in the order of [`Effort::ALL`].
    pub fn of<T: Copy>(self, of: [T; 3]) -> T {
        of[self as usize]
    }
}

/// Whether an audit is a quick one, and how long it may take: what `--quick` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quick {
    /// A fixed number of images and frequencies: the same on every machine.
    Usual,
    /// As many as so many seconds are enough for on this machine.
    Within(f64),
}

impl FromStr for Quick {
    type Err = Error;

    /// Nothing, or a time such as 30s, 5m or 1.5h.
    fn from_str(text: &str) -> Result<Self> {
        const UNITS: [(char, f64); 3] = [('s', 1.0), ('m', 60.0), ('h', 3600.0)];
        if text.is_empty() {
            return Ok(Self::Usual);
        }
        let seconds = UNITS.iter().find_map(|(unit, seconds)| {
            let number: f64 = text.strip_suffix(*unit)?.parse().ok()?;
            Some(number * seconds).filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        });
        let expected = "a time such as 30s, 5m or 1.5h, or nothing";
        seconds.map(Self::Within).ok_or_else(|| Error::input("--quick", expected, format_args!("`{text}`")))
    }
}

/// What a part costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Passes through the network for each image that is looked at.
    pub each: f64,
    /// Filters of frequencies for each image that is looked at: the processor's work, wherever the
    /// network is.
    pub filters: f64,
    /// Passes of one image whatever their number.
    pub fixed: f64,
}

impl Cost {
    /// So many passes of each image, filtered before each of them.
    pub fn filtered(passes: usize) -> Self {
        Self { each: passes as f64, filters: passes as f64, fixed: 0.0 }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            each: a.each + b.each,
            filters: a.filters + b.filters,
            fixed: a.fixed + b.fixed,
        })
    }
}

/// Seconds for one of many images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// A pass through the network.
    pub pass: f64,
    /// A filter of frequencies.
    pub filter: f64,
}

impl std::ops::Add for Times {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { pass: self.pass + other.pass, filter: self.filter + other.filter }
    }
}

/// A gradient with respect to an image, in passes.
pub const BACKWARD: f64 = 1.5;

/// What a cost depends on.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Height and width of the images.
    pub size: (usize, usize),
    /// Outputs of the network.
    pub outputs: usize,
    /// Classes that count.
    pub classes: usize,
}

/// What an audit looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plan {
    /// How much of everything but images.
    pub effort: Effort,
    /// Images at even distances of those that are drawn; None for all of them.
    pub images: Option<usize>,
    /// Classes among all that are drawn, where not all are shown.
    pub classes: Option<usize>,
}

/// A time that an audit was given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Within {
    /// Seconds asked for.
    pub asked_s: f64,
    /// Seconds that the plan was to take: more where even the least did not fit.
    pub planned_s: f64,
}

/// Fewest images that anything is said of.
const FEWEST: usize = 16;

impl Plan {
    /// The plan of most effort that `seconds` are enough for with enough images for it, and as many
    /// as the time allows: all parts show as many, so that no interval is much wider than
    /// the others. `times`: of one image; `images`: how many there are; `large`: whether they are
    /// [`super::large`]. Whether the time is enough for the least that is done, is said beside it, by
    /// the seconds that the plan takes.
    pub fn within(
        seconds: f64,
        Times { pass, filter }: Times,
        images: usize,
        large: bool,
        cost: impl Fn(Effort) -> Cost,
    ) -> (Self, f64) {
        /// Images that are enough for each effort, small ones and large ones.
        const ENOUGH: [[usize; 2]; 3] = [[250, 100], [100, 50], [FEWEST; 2]];
        let fits = |effort: Effort| {
            let Cost { each, filters, fixed } = cost(effort);
            let image = (pass * each + filter * filters).max(pass);
            // As a number of floating point it saturates.
            (((seconds - pass * fixed) / image).max(0.0) as usize).min(images)
        };
        let enough = |effort: &Effort| fits(*effort) >= effort.of(ENOUGH)[usize::from(large)].min(images);
        let effort = Effort::ALL.into_iter().find(enough).unwrap_or(Effort::Brief);
        let images = fits(effort).max(FEWEST.min(images));
        let Cost { each, filters, fixed } = cost(effort);
        let takes = pass * (fixed + each * images as f64) + filter * filters * images as f64;
        (Self { effort, images: Some(images), classes: None }, takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let of = |text: &str| text.parse::<Quick>().map_err(|e| e.to_string());
        assert_eq!(of(""), Ok(Quick::Usual));
        assert_eq!(of("30s"), Ok(Quick::Within(30.0)));
        assert_eq!(of("5m"), Ok(Quick::Within(300.0)));
        assert_eq!(of("1.5h"), Ok(Quick::Within(5400.0)));
        for text in ["30", "s", "-5s", "0s", "nans", "infs", "1d", "5 min", "1e999h"] {
            assert!(of(text).unwrap_err().contains(&format!("`{text}`")), "{text}");
        }
    }

    #[test]
    fn a_plan_takes_what_the_time_is_enough_for() {
        // In passes of 10 ms: 10 each, 100 fixed; a tenth each time.
        let cost = |effort: Effort| {
            let each = effort.of([1000.0, 100.0, 10.0]);
            Cost { each, filters: 0.0, fixed: 10.0 * each }
        };
        let times = Times { pass: 0.01, filter: 7.0 };
        let of = |seconds: f64, images: usize, large: bool| Plan::within(seconds, times, images, large, cost);
        let plan = |effort, images| Plan { effort, images: Some(images), classes: None };
        // 260,000 passes: 10,000 fixed, and 250 images.
        assert_eq!(of(2600.0, 1000, false), (plan(Effort::Full, 250), 2600.0));
        assert_eq!(of(2590.0, 1000, false).0, plan(Effort::Quick, 1000));
        assert_eq!(of(2590.0, 1000, true).0, plan(Effort::Full, 249));
        assert_eq!(of(110.0, 1000, false), (plan(Effort::Quick, 100), 110.0));
        assert_eq!(of(60.0, 1000, false), (plan(Effort::Brief, 590), 60.0));
        assert_eq!(of(60.0, 1000, true).0, plan(Effort::Quick, 50));
        // More than the time there is.
        assert_eq!(of(0.1, 1000, false), (plan(Effort::Brief, 16), 2.6));
        assert_eq!(of(-1.0, 1000, false).0, plan(Effort::Brief, 16));
        // No more than there are.
        assert_eq!(of(180.0, 8, false), (plan(Effort::Full, 8), 180.0));
        assert_eq!(of(0.1, 8, false).0, plan(Effort::Brief, 8));
        // Where filters take longer than the network, they decide.
        let cost = |effort: Effort| Cost::filtered(effort.of([500, 50, 5]));
        let of = |seconds: f64, filter: f64| {
            Plan::within(seconds, Times { pass: 0.001, filter }, 1000, false, cost)
        };
        assert_eq!(of(125.0, 0.0), (plan(Effort::Full, 250), 125.0));
        assert_eq!(of(125.0, 0.003), (plan(Effort::Quick, 625), 125.0));
        assert_eq!(of(10.0, 0.003), (plan(Effort::Brief, 500), 10.0));
    }
}
