//! Statistics: shares with their intervals, correlations, quantiles, where a curve
//! crosses a level, and when it has risen.

use rand::Rng;
use serde::{Deserialize, Serialize};

/// Half the width of a 95 % interval, in standard deviations of a normal distribution:
/// its quantile 0.975.
pub const Z95: f64 = 1.959_963_984_540_054;

/// Half the width of a 95 % interval of a mean, in its standard errors: the quantile 0.975 of
/// Student's t with `df` degrees of freedom (NaN of 0).
pub fn t95(df: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157,
        2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922,
        2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529, 2.051_831,
        2.048_407, 2.045_230, 2.042_272,
    ];
    match df {
        0 => f64::NAN,
        1..=30 => TABLE[df - 1],
        // Cornish & Fisher's expansion: to 1e-5 from here on.
        _ => {
            let (z, n) = (Z95, df as f64);
            z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
        }
    }
}

/// Mean of some values and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean; NaN of none.
    pub mean: f64,
    /// Standard deviation, of n − 1; NaN of fewer than two.
    pub sd: f64,
    /// Student's 95 % interval of the mean; NaN of fewer than two.
    pub interval: [f64; 2],
}

impl Spread {
    /// Of `values`.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let reach = t95(values.len().saturating_sub(1)) * sd / n.sqrt();
        Self { mean, sd, interval: [mean - reach, mean + reach] }
    }
}

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

/// 95 % score interval of a share `p` of `n` (Wilson 1927); all of [0, 1] of none.
pub fn wilson(p: f64, n: f64) -> [f64; 2] {
    if n == 0.0 {
        return [0.0, 1.0];
    }
    let z2 = Z95 * Z95 / n;
    let middle = (p + z2 / 2.0) / (1.0 + z2);
    let reach = Z95 / (1.0 + z2) * (p * (1.0 - p) / n + z2 / (4.0 * n)).sqrt();
    // At its ends the interval has them for an end, but for rounding.
    let low = if p <= 0.0 { 0.0 } else { (middle - reach).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { (middle + reach).min(1.0) };
    [low, high]
}

/// Where a curve given at ascending `x` first reaches `level`, from below or, if not
/// `rising`, from above, by linear interpolation; None where it never gets there. A
/// curve that starts at the level or beyond crosses it at its first x.
pub fn crossing(x: &[f64], values: &[f64], level: f64, rising: bool) -> Option<f64> {
    let i = values.iter().position(|v| if rising { *v >= level } else { *v <= level })?;
    let Some(before) = i.checked_sub(1) else { return x.first().copied() };
    let (x0, x1, y0, y1) = (x[before], x[i], values[before], values[i]);
    // After a gap (NaN) there is nothing to interpolate from.
    if y0.is_nan() { Some(x1) } else { Some(x0 + (x1 - x0) * (level - y0) / (y1 - y0)) }
}

/// Discovery time τ of a curve that goes from 0 to 1, noisily: the area above it in
/// logarithmic time, τ = exp ∫ (1 − clip(share, 0, 1)) d ln t, t from 1 to the last of
/// the ascending `steps`. A curve that jumps from 0 to 1 at t has τ = t; one that never
/// rises has the last step, so that τ is a lower bound where little has been learned.
///
/// Shares are clipped where they were measured, and linear in t between two steps; what
/// was not measured (NaN) is left out. None where nothing was measured after step 1.
///
/// A crossing depends on the noise of one measurement; τ on all of them.
pub fn discovery_time(steps: &[f64], shares: &[f64]) -> Option<f64> {
    let measured = steps.iter().zip(shares).filter(|(t, a)| t.is_finite() && a.is_finite());
    let mut points = measured.map(|(t, a)| (*t, a.clamp(0.0, 1.0)));
    let (mut t0, mut a0) = points.next()?;
    // Before its first measurement a curve is as it was then.
    let mut area = (1.0 - a0) * t0.max(1.0).ln();
    for (t1, a1) in points {
        let (from, to) = (t0.max(1.0), t1.max(1.0));
        if to > from {
            // a(t) = a0 + slope (t − t0).
            let slope = (a1 - a0) / (t1 - t0);
            let length = ((to - from) / from).ln_1p();
            area += (1.0 - a0) * length - slope * ((to - from) - t0 * length);
        }
        (t0, a0) = (t1, a1);
    }
    (t0 > 1.0).then(|| area.exp())
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

// Of values without a NaN; infinite ones have their rank too.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut below) = (vec![0.0; values.len()], 0.0);
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let count = equal.len() as f64;
        equal.iter().for_each(|i| ranks[*i] = below + 0.5 * (count + 1.0));
        below += count;
    }
    ranks
}

/// How often [`spearman_interval`] draws.
const RESAMPLES: usize = 2000;

/// The middle `share` (0 to 1) of [`spearman`] over bootstraps of the pairs; None
/// for fewer than five pairs, of which there are too few resamples, and where the
/// correlation is not defined. Generators of one state draw the same pairs.
pub fn spearman_interval(x: &[f64], y: &[f64], share: f64, rng: &mut impl Rng) -> Option<(f64, f64)> {
    let n = x.len().min(y.len());
    if n < 5 || spearman(x, y).is_nan() {
        return None;
    }
    let mut resampled = || {
        let pairs = (0..n).map(|_| rng.random_range(0..n)).map(|i| (x[i], y[i]));
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
        spearman(&x, &y)
    };
    let values: Vec<f64> = (0..RESAMPLES).map(|_| resampled()).collect();
    Some((quantile(&values, 0.5 - 0.5 * share), quantile(&values, 0.5 + 0.5 * share)))
}

/// The value below which a share `q` (0 to 1) of the values lies, between two of
/// them by linear interpolation; NaN are left out. NaN for no value.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = q.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(low), Some(high)) if above > below => low + (high - low) * at.fract(),
        (Some(low), _) => *low,
        _ => f64::NAN,
    }
}

/// The middle 95 % of the values: their quantiles 0.025 and 0.975.
pub fn middle95(values: &[f64]) -> [f64; 2] {
    [0.025, 0.975].map(|q| quantile(values, q))
}

/// Area under the ROC curve: the probability that a positive score is above a negative one, ties
/// counting one half. Negative scores ascend.
pub fn auc(positive: &[f64], negative: &[f64]) -> f64 {
    let above = |s: &f64| {
        let (below, at_most) = (negative.partition_point(|n| n < s), negative.partition_point(|n| n <= s));
        (below + at_most) as f64 / 2.0
    };
    positive.iter().map(above).sum::<f64>() / (positive.len() * negative.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_under_the_roc_curve_by_hand() {
        // Of 2·3 pairs 4 are in order and one is a tie.
        assert_eq!(auc(&[0.2, 0.9], &[0.1, 0.2, 0.3]), 4.5 / 6.0);
        assert_eq!((auc(&[1.0], &[0.0]), auc(&[0.0], &[1.0])), (1.0, 0.0));
    }

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
        // What never happens comes last, all of it with one rank.
        let never = f64::INFINITY;
        let censored = spearman(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, never, never]);
        assert!((censored - (4.5f64 / 5.0).sqrt()).abs() < 1e-15, "{censored}");
        assert!(pearson(&[1.0], &[1.0]).is_nan() && spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn crossings_by_hand() {
        let steps = [0.0, 10.0, 20.0, 30.0];
        assert_eq!(crossing(&steps, &[0.0, 0.2, 0.6, 1.0], 0.5, true), Some(17.5));
        assert_eq!(crossing(&steps, &[0.5, 0.2, 0.6, 1.0], 0.5, true), Some(0.0));
        assert_eq!(crossing(&steps, &[0.0, 0.1, 0.2, 0.3], 0.5, true), None);
        assert_eq!(crossing(&steps, &[0.0, f64::NAN, 0.8, 1.0], 0.5, true), Some(20.0));
        assert_eq!(crossing(&[], &[], 0.5, true), None);
        let x = [0.0, 1.0, 3.0, 4.0];
        assert_eq!(crossing(&x, &[0.0, 0.2, 0.6, 0.5], 0.5, true), Some(2.5));
        assert_eq!(crossing(&x, &[0.0, 0.2, 0.6, 0.5], 0.2, true), Some(1.0));
        assert_eq!(crossing(&x, &[0.9, 0.5, 0.1, 0.3], 0.3, false), Some(2.0));
        assert_eq!(crossing(&x, &[0.9, 0.5, 0.1, 0.3], 0.95, false), Some(0.0));
        assert_eq!(crossing(&x, &[0.0, 0.2, 0.6, 0.5], 0.7, true), None);
        assert_eq!(crossing(&[], &[], 0.7, true), None);
        assert_eq!(crossing(&x, &[0.9, f64::NAN, 0.1, 0.3], 0.3, false), Some(3.0));
    }

    #[test]
    fn discovery_times_by_hand() {
        let close = |found: Option<f64>, want: f64| {
            let found = found.unwrap();
            assert!((found / want - 1.0).abs() < 1e-12, "{found} {want}");
        };
        // A jump at 10, all but at once; never; from the start.
        let (late, early) = ([0.0, 10.0, 10.0 + 1e-12, 100.0], [0.0, 0.0, 1.0, 1.0]);
        close(discovery_time(&late, &early), 10.0);
        close(discovery_time(&[0.0, 50.0], &[0.0, -0.3]), 50.0);
        close(discovery_time(&[0.0, 50.0], &[1.0, 1.7]), 1.0);
        // Half of it at once, the rest never: √T.
        close(discovery_time(&[1.0, 81.0], &[0.5, 0.5]), 9.0);
        // a = (t − 1)/(e − 1) from 1 to e: ∫ (1 − a) d ln t = 1 + 1/(e − 1) − 1.
        let e = std::f64::consts::E;
        close(discovery_time(&[1.0, e], &[0.0, 1.0]), (1.0 / (e - 1.0)).exp());
        // The same from a point before 1: only what lies beyond 1 counts.
        let at = |t: f64| t / e;
        close(discovery_time(&[0.0, e], &[0.0, 1.0]), discovery_time(&[1.0, e], &[at(1.0), 1.0]).unwrap());
        // Gaps are bridged, and what comes before the first measurement is as it was then.
        let bridged = discovery_time(&[0.0, 4.0, 8.0], &[0.0, f64::NAN, 1.0]);
        close(bridged, discovery_time(&[0.0, 8.0], &[0.0, 1.0]).unwrap());
        close(discovery_time(&[4.0, 16.0], &[0.0, 0.0]), 16.0);
        for (steps, shares) in [(&[][..], &[][..]), (&[0.0, 1.0], &[0.0, 1.0]), (&[5.0], &[f64::NAN])] {
            assert_eq!(discovery_time(steps, shares), None);
        }
    }

    proptest::proptest! {
        // τ lies between the first step and the last, and no curve that is above
        // another is discovered later.
        #[test]
        fn discovery_times_are_monotone(
            shares in proptest::collection::vec((-0.5f64..1.5, 0.0f64..1.0), 2..30), factor in 1.1f64..3.0
        ) {
            let steps: Vec<f64> = (0..shares.len()).map(|i| factor.powi(i as i32)).collect();
            let (low, high): (Vec<f64>, Vec<f64>) = shares.iter().map(|(a, more)| (*a, a + more)).unzip();
            let (late, early) = (discovery_time(&steps, &low).unwrap(), discovery_time(&steps, &high).unwrap());
            let last = steps[steps.len() - 1];
            proptest::prop_assert!(early <= late * (1.0 + 1e-12), "{} {}", early, late);
            proptest::prop_assert!(early >= 1.0 - 1e-12 && late <= last * (1.0 + 1e-12));
        }
    }

    #[test]
    fn quantiles_by_hand() {
        let values = [4.0, 1.0, f64::NAN, 2.0, 3.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|q| quantile(&values, q)), [1.0, 2.5, 3.25, 4.0]);
        assert_eq!(middle95(&values), [1.075, 3.925]);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
        assert!(quantile(&[f64::NAN], 0.5).is_nan());
    }

    #[test]
    fn the_interval_of_a_correlation_is_around_it_and_repeats() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| x + 12.0 * (3.7 * x).sin()).collect();
        let interval = |y: &[f64]| spearman_interval(&x, y, 0.95, &mut crate::seed::rng(0, "test", 0));
        let (low, high) = interval(&y).unwrap();
        let middle = spearman(&x, &y);
        assert!(low < middle && middle < high && low > 0.4 && high < 1.0, "{low} {middle} {high}");
        // Fisher's approximation of the standard error.
        let fisher = 2.0 * 1.96 * (1.0 - middle * middle) * (1.06 / 37.0f64).sqrt();
        assert!(((high - low) / fisher - 1.0).abs() < 0.5, "{} {fisher}", high - low);
        assert_eq!(interval(&y), interval(&y));
        assert_eq!(interval(&x), Some((1.0, 1.0)));
        assert_eq!(interval(&x[..4]), None);
        assert_eq!(interval(&[1.0; 40]), None);
    }
}
