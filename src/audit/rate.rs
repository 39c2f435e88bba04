//! Shares of images, with what is known of them.

use serde::{Deserialize, Serialize};

/// A share of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Images that are counted.
    pub count: u64,
    /// Images there are.
    pub of: u64,
    /// count/of; not a number of none.
    pub share: f64,
    /// 95 % score interval of the share (Wilson 1927); all of [0, 1] of none.
    pub interval: [f64; 2],
}

impl Rate {
    /// `count` of `of` images.
    pub fn new(count: u64, of: u64) -> Self {
        let share = count as f64 / of as f64;
        Self { count, of, share, interval: wilson(share, of as f64) }
    }
}

/// The interval of [`Rate`] for a share `p` of `n` images.
pub(super) fn wilson(p: f64, n: f64) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0.0 {
        return [0.0, 1.0];
    }
    let z2 = Z * Z / n;
    let middle = (p + z2 / 2.0) / (1.0 + z2);
    let reach = Z / (1.0 + z2) * (p * (1.0 - p) / n + z2 / (4.0 * n)).sqrt();
    // At its ends the interval has them for an end, but for rounding.
    let low = if p <= 0.0 { 0.0 } else { (middle - reach).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { (middle + reach).min(1.0) };
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        // Of 0 in 10 and 5 in 10, as tabled.
        let close =
            |[a, b]: [f64; 2], [c, d]: [f64; 2]| assert!((a - c).abs() < 1e-4 && (b - d).abs() < 1e-4);
        close(Rate::new(0, 10).interval, [0.0, 0.2775]);
        close(Rate::new(5, 10).interval, [0.2366, 0.7634]);
        for count in 0..=20 {
            let Rate { share, interval: [low, high], .. } = Rate::new(count, 20);
            assert!(low <= share + 1e-12 && share <= high + 1e-12 && 0.0 <= low && high <= 1.0);
        }
        assert!(
            (1..5000).all(|of| Rate::new(0, of).interval[0] == 0.0 && Rate::new(of, of).interval[1] == 1.0)
        );
        assert_eq!(Rate::new(0, 0).interval, [0.0, 1.0]);
    }
}
