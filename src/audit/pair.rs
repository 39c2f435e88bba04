//! Two networks, a and b, on the same images. Differences are b − a.
//!
//! # Conventions
//! - Accuracies are compared image by image: the interval of their difference is that
//!   of Agresti & Min (2005) for paired shares, with half an image added to each of the
//!   four cells.
//! - Of other numbers that have intervals of their own, the difference's is put
//!   together from these as if the two were independent (square-and-add, Newcombe
//!   1998). The images are the same, so that it is rather too wide.
//! - Standard errors of the squared Jacobian are those of the jackknife over a few
//!   groups of images: their intervals are Student's, with a degree of freedom less
//!   than groups.
//! - Numbers without intervals have none of their difference.

use serde::{Deserialize, Serialize};

use super::Rate;
use super::answers::Reference;
use super::gradient::{Estimate, GROUPS};
use super::report::OnImages;

const Z: f64 = 1.959_963_984_540_054;

/// Two networks' answers to the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Images that both answer alike.
    pub agreement: Rate,
    /// Which of the two is right; None without labels.
    pub right: Option<Right>,
}

/// Right answers of two networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Right {
    /// Images that both answer rightly.
    pub both: u64,
    /// Those that a alone does.
    pub only_a: u64,
    /// Those that b alone does.
    pub only_b: u64,
    /// Those that neither does.
    pub neither: u64,
    /// Accuracy of b less that of a.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
}

impl Pair {
    /// Of the answers of a and of b to each image and, where known, its class.
    ///
    /// # Panics
    /// Unless there is one of each per image.
    pub fn new(a: &[u32], b: &[u32], labels: Option<&[u32]>) -> Self {
        assert_eq!(a.len(), b.len(), "answers to the same images");
        let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
        let right = labels.map(|labels| {
            assert_eq!(labels.len(), a.len(), "a label for each image");
            let mut cells = [[0u64; 2]; 2];
            for ((a, b), label) in a.iter().zip(b).zip(labels) {
                cells[usize::from(a == label)][usize::from(b == label)] += 1;
            }
            Right::new(cells)
        });
        Self { agreement: Rate::new(same as u64, a.len() as u64), right }
    }
}

impl Right {
    // Images by whether a and b are right.
    fn new([[neither, only_b], [only_a, both]]: [[u64; 2]; 2]) -> Self {
        let n = (neither + only_b + only_a + both) as f64;
        let [a, b] = [only_a, only_b].map(|count| count as f64);
        let (a_more, b_more, m) = (a + 0.5, b + 0.5, n + 2.0);
        let middle = (b_more - a_more) / m;
        let reach = Z * (a_more + b_more - (b_more - a_more).powi(2) / m).sqrt() / m;
        Self {
            both,
            only_a,
            only_b,
            neither,
            difference: (b - a) / n,
            interval: [(middle - reach).max(-1.0), (middle + reach).min(1.0)],
        }
    }
}

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
    fn jackknifed(Estimate { value, se }: Estimate, images: usize) -> Self {
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

/// The numbers that were found for both networks on the same images.
pub fn numbers(a: &OnImages, b: &OnImages, pair: &Pair) -> Vec<Number> {
    let both = measured(a).into_iter().zip(measured(b));
    let numbers = both.filter_map(|((name, unit, a), (_, _, b))| {
        let (a, b) = (a?, b?);
        let finite = a.value.is_finite() && b.value.is_finite();
        finite.then(|| Number { name, unit, a, b, difference: b.less(a) })
    });
    let mut numbers: Vec<_> = numbers.collect();
    if let Some((right, accuracy)) = pair.right.zip(numbers.iter_mut().find(|n| n.name == ACCURACY)) {
        accuracy.difference.interval = Some(right.interval);
    }
    numbers
}

const ACCURACY: &str = "accuracy";

type Named = (&'static str, &'static str, Option<Measured>);

// Always the same list, of every network.
fn measured(on: &OnImages) -> Vec<Named> {
    const PER_PIXEL: &str = "cycles/pixel";
    let jacobian = |of: fn(&super::gradient::SquaredJacobian) -> Estimate| {
        on.jacobian.as_ref().map(|j| Measured::jackknifed(of(j), j.images))
    };
    let bands =
        |of: fn(&super::bands::Bands) -> Option<f64>| on.bands.as_ref().and_then(of).map(Measured::from);
    let modes = |of: fn(&super::gradient::ModeUse) -> Option<f64>| {
        let values: Vec<f64> = on.modes.iter().flat_map(|m| m.modes.iter().filter_map(of)).collect();
        (!values.is_empty()).then(|| Measured::from(values.iter().sum::<f64>() / values.len() as f64))
    };
    let map = |labelled: bool| {
        let map = on.heatmap.as_ref().filter(|map| map.labelled == labelled)?;
        // A quick map has of each ring about as many: they count as in a full one.
        let sum = |of: fn(&super::heatmap::Ring) -> f64| map.radial.iter().map(of).sum::<f64>();
        Some(Measured::from(sum(|r| r.error * r.of as f64) / sum(|r| r.of as f64)))
    };
    // By labels the pairs are the same; by answers each network has its own.
    let swap = on.swap.as_ref().filter(|s| s.reference == Reference::Labels).and_then(|s| s.all.bias);
    vec![
        (ACCURACY, "", on.images.as_ref().and_then(|i| i.accuracy).map(Measured::from)),
        ("low-pass, radius half-way from chance to the accuracy", PER_PIXEL, bands(|b| b.low.half_accuracy)),
        (
            "high-pass, radius half-way from chance to the accuracy",
            PER_PIXEL,
            bands(|b| b.high.half_accuracy),
        ),
        ("low-pass, radius half-way from chance to agreement", PER_PIXEL, bands(|b| b.low.half_agreement)),
        ("high-pass, radius half-way from chance to agreement", PER_PIXEL, bands(|b| b.high.half_agreement)),
        ("heat map, mean error", "", map(true)),
        ("heat map, mean share of changed answers", "", map(false)),
        ("squared Jacobian, centroid", PER_PIXEL, jacobian(|j| j.centroid)),
        ("squared Jacobian, participation ratio", "entries", jacobian(|j| j.participation)),
        ("squared Jacobian, half of the energy in", "frequencies", jacobian(|j| j.half)),
        ("modes, a/s (mean)", "", modes(|m| Some(m.strength?.value))),
        (
            "templates, energy on the modes' dominant frequencies (mean)",
            "",
            modes(|m| Some(m.template.as_ref()?.on_dominant.value)),
        ),
        ("phases against amplitudes, all pairs: by the phases", "", swap.map(Measured::from)),
        ("shape bias", "", on.shape.as_ref().and_then(|s| s.decided.bias).map(Measured::from)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::report::Images;

    #[test]
    fn answers_are_counted_in_four_cells() {
        let labels = [0, 0, 1, 1, 2, 2, 2, 0];
        let a = [0, 0, 1, 0, 2, 1, 0, 1];
        let b = [0, 1, 1, 1, 2, 2, 0, 2];
        let pair = Pair::new(&a, &b, Some(&labels));
        assert_eq!((pair.agreement.count, pair.agreement.of), (4, 8));
        let right = pair.right.unwrap();
        assert_eq!((right.both, right.only_a, right.only_b, right.neither), (3, 1, 2, 2));
        assert_eq!(right.difference, 0.125);
        // 1.5 and 2.5 of 10: 0.1 ± 1.96 √(4 − 0.1)/10.
        let reach = 1.959964 * 3.9f64.sqrt() / 10.0;
        assert!((right.interval[0] - (0.1 - reach)).abs() < 1e-6);
        assert!((right.interval[1] - (0.1 + reach)).abs() < 1e-6);
        assert_eq!(Pair::new(&a, &b, None).right, None);
    }

    // Pairs of networks that are right with given chances: the interval holds the true
    // difference about as often as it says.
    #[test]
    fn paired_intervals_cover() {
        use rand::Rng;
        let mut rng = crate::seed::rng(3, "test/pair", 0);
        let (draws, images) = (2000, 150);
        let mut held = 0;
        for _ in 0..draws {
            let mut cells = [[0u64; 2]; 2];
            for _ in 0..images {
                let cell = match rng.random::<f64>() {
                    p if p < 0.70 => (1, 1),
                    p if p < 0.75 => (1, 0),
                    p if p < 0.87 => (0, 1),
                    _ => (0, 0),
                };
                cells[cell.0][cell.1] += 1;
            }
            let [low, high] = Right::new(cells).interval;
            held += usize::from(low <= 0.07 && 0.07 <= high);
        }
        let share = held as f64 / draws as f64;
        assert!((0.93..0.97).contains(&share), "{share}");
    }

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

    #[test]
    fn what_only_one_has_is_no_number() {
        let with = |accuracy: Option<Rate>| OnImages {
            images: Some(Images {
                spec: String::new(),
                split: None,
                description: String::new(),
                decoder: None,
                count: 4,
                shape: [1, 2, 2],
                classes: None,
                normalize: String::new(),
                accuracy,
            }),
            ..OnImages::default()
        };
        let (a, b) = (with(Some(Rate::new(3, 4))), with(Some(Rate::new(2, 4))));
        let pair = Pair::new(&[0, 0, 0, 1], &[0, 0, 1, 1], Some(&[0; 4]));
        assert!(numbers(&a, &with(None), &pair).is_empty());
        let found = numbers(&a, &b, &pair);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name, found[0].difference.value), ("accuracy", -0.25));
        assert_eq!(found[0].difference.interval, Some(pair.right.unwrap().interval));
    }
}
