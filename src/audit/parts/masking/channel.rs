//! From shares of right answers to a channel: thresholds of the noise, a Gaussian through them, its
//! width and place.

use serde::{Deserialize, Serialize};

/// Standard deviations of the noise, as published.
pub const LEVELS: [f64; 5] = [0.0, 0.02, 0.04, 0.08, 0.16];

/// Largest threshold: no noise at all is borne.
pub const MOST: f64 = 4.0;

/// A spatial-frequency channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Full width at half height, in octaves.
    pub bandwidth: f64,
    /// Its middle, in cycles per image.
    pub centre: f64,
    /// Peak noise sensitivity 2^(A − 4), A being the height of the Gaussian in steps of noise: 1 where the
    /// weakest noise is too much.
    pub peak: f64,
}

/// Height, middle (in bands, from 0) and standard deviation (in bands) of a Gaussian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gaussian {
    /// Height A, at most 4.
    pub height: f64,
    /// Middle μ.
    pub middle: f64,
    /// Standard deviation σ.
    pub deviation: f64,
}

impl Gaussian {
    /// Its value in band `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.height * (-0.5 * ((x - self.middle) / self.deviation).powi(2)).exp()
    }

    /// The channel, the lowest band being at `first` cycles per image.
    pub fn channel(&self, first: f64) -> Channel {
        Channel {
            bandwidth: 2.0 * 4f64.ln().sqrt() * self.deviation,
            centre: first * self.middle.exp2(),
            peak: (self.height - MOST).exp2(),
        }
    }
}

/// Steps from the strongest noise down to the strongest that leaves a share of right answers above one half,
/// as published; 4 where none does, not even none. `shares`: by level of noise, the first without.
pub fn stepped(shares: &[f64; 5]) -> f64 {
    let strongest = (0..5).rev().find(|&level| shares[level] > 0.5).unwrap_or(0);
    MOST - strongest as f64
}

/// The same with the level at which the share first falls to `criterion`, interpolated linearly between
/// levels (from 0.02 on in octaves of the noise); 0 where it never does, 4 where it is so without noise.
pub fn interpolated(shares: &[f64; 5], criterion: f64) -> f64 {
    if shares[0] <= criterion {
        return MOST;
    }
    let Some(level) = (1..5).find(|&level| shares[level] <= criterion) else { return 0.0 };
    let (before, after) = (shares[level - 1], shares[level]);
    MOST - (level as f64 - 1.0 + (before - criterion) / (before - after))
}

// Beyond these no channel of one peak is to be told from none.
const DEVIATIONS: [f64; 2] = [0.1, 20.0];

/// The Gaussian nearest to `thresholds` in squares, with a height from 0 to 4; None where all are zero, and
/// where it has no peak.
pub fn fit(thresholds: &[f64]) -> Option<Gaussian> {
    let n = thresholds.len();
    if n < 4 || thresholds.iter().all(|t| *t <= 0.0) {
        return None;
    }
    // The best height of a place and width, and what is left.
    let tried = |middle: f64, deviation: f64| {
        let unit = Gaussian { height: 1.0, middle, deviation };
        let (mut dot, mut square) = (0.0, 0.0);
        for (x, t) in thresholds.iter().enumerate() {
            let g = unit.at(x as f64);
            dot += g * t;
            square += g * g;
        }
        let height = if square > 0.0 { (dot / square).clamp(0.0, MOST) } else { 0.0 };
        let best = Gaussian { height, ..unit };
        let left = thresholds.iter().enumerate().map(|(x, t)| (t - best.at(x as f64)).powi(2)).sum::<f64>();
        (left, best)
    };
    const STEPS: i32 = 40;
    let [least, most] = DEVIATIONS;
    let mut span = (n as f64 + 2.0, (most / least).ln());
    let mut centre = ((n as f64 - 1.0) / 2.0, (most * least).sqrt().ln());
    let mut best = tried(centre.0, centre.1.exp());
    while span.0 > 1e-7 || span.1 > 1e-7 {
        let of = |i: i32, span: f64| f64::from(i) / f64::from(STEPS) * span;
        for (i, j) in (-STEPS / 2..=STEPS / 2).flat_map(|i| (-STEPS / 2..=STEPS / 2).map(move |j| (i, j))) {
            let deviation = (centre.1 + of(j, span.1)).exp().clamp(least, most);
            let (left, gaussian) = tried(centre.0 + of(i, span.0), deviation);
            if left < best.0 {
                best = (left, gaussian);
            }
        }
        centre = (best.1.middle, best.1.deviation.ln());
        span = (span.0 / 4.0, span.1 / 4.0);
    }
    let gaussian = best.1;
    let inside = gaussian.deviation > 1.01 * least && gaussian.deviation < 0.9 * most;
    (inside && gaussian.height > 0.0).then_some(gaussian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_channels() {
        // Subramanian et al. 2023 and their data: thresholds, then bandwidth, centre and peak.
        for (thresholds, bandwidth, centre, peak) in [
            ([0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 3.0], 4.74, 38.9, 1.00),
            ([0.0, 0.0, 2.0, 2.0, 3.0, 4.0, 2.0], 3.99, 39.4, 0.71),
            ([0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0], 1.00, 39.6, 1.00),
        ] {
            let channel = fit(&thresholds).unwrap().channel(1.75);
            assert!((channel.bandwidth - bandwidth).abs() < 0.01, "{channel:?}");
            assert!((channel.centre - centre).abs() < 0.1, "{channel:?}");
            assert!((channel.peak - peak).abs() < 0.01, "{channel:?}");
        }
    }

    #[test]
    fn thresholds_by_hand() {
        assert_eq!(stepped(&[0.9, 0.8, 0.7, 0.4, 0.6]), 0.0, "the strongest that leaves half");
        assert_eq!(stepped(&[0.9, 0.8, 0.7, 0.4, 0.2]), 2.0);
        assert_eq!(stepped(&[0.9, 0.5, 0.4, 0.2, 0.1]), 4.0, "half is not more than half");
        assert_eq!(stepped(&[0.4, 0.3, 0.2, 0.2, 0.1]), 4.0);
        assert_eq!(interpolated(&[0.9, 0.8, 0.7, 0.6, 0.55], 0.5), 0.0);
        assert!((interpolated(&[0.9, 0.8, 0.7, 0.3, 0.2], 0.5) - 1.5).abs() < 1e-12);
        assert!((interpolated(&[0.9, 0.1, 0.1, 0.1, 0.1], 0.5) - 3.5).abs() < 1e-12);
        assert_eq!(interpolated(&[0.4, 0.3, 0.2, 0.2, 0.1], 0.5), 4.0);
    }

    #[test]
    fn gaussians_are_found_again_and_flat_lines_have_no_peak() {
        for (height, middle, deviation) in [(3.0, 2.5, 1.2), (1.5, 5.0, 0.8), (3.9, 0.5, 2.0), (2.0, 7.0, 1.5)] {
            let true_one = Gaussian { height, middle, deviation };
            let thresholds: Vec<f64> = (0..7).map(|x| true_one.at(f64::from(x))).collect();
            let found = fit(&thresholds).unwrap();
            for (a, b) in [(found.height, height), (found.middle, middle), (found.deviation, deviation)] {
                assert!((a - b).abs() < 1e-4, "{found:?} {true_one:?}");
            }
        }
        for flat in [[0.0; 7], [2.0; 7], [4.0; 7]] {
            assert_eq!(fit(&flat), None);
        }
        assert_eq!(fit(&[1.0, 2.0, 1.0]), None, "as many bands as numbers to find");
    }
}
