//! Relative times: what foretells how much later one mode comes than another.

use super::{Mode, Study, forecaster};
use crate::stats::quantile;
use crate::theory::deep::deep_ratio;

/// A forecast of the times of the modes, but for a factor that all modes of a case share.
pub struct Clock {
    /// In figures and in words, behind "by".
    pub name: &'static str,
    /// Held to the bar.
    pub judged: bool,
    of: fn(&Mode) -> f64,
}

const fn clock(name: &'static str, of: fn(&Mode) -> f64) -> Clock {
    Clock { name, judged: false, of }
}

/// The square root of times by the kernel flow.
pub static KERNEL: Clock =
    Clock { judged: true, ..clock("√ of the kernel flow", |m| deep_ratio(m.kernel)) };
/// The square root of an LCNN's times.
pub static ROOT: Clock = clock("1/√(s·ρ)", |m| deep_ratio(1.0 / (m.s * m.rho)));
/// All modes at once: what a forecast has to be better than.
pub static AT_ONCE: Clock = clock("one time for all", |_| 1.0);

/// Others, to compare with.
static OTHERS: [Clock; 4] = [
    clock("the kernel flow", |m| m.kernel),
    clock("1/√F, convolutions", |m| deep_ratio(1.0 / m.readers[forecaster()])),
    clock("1/√s", |m| deep_ratio(1.0 / m.s)),
    clock("1/s", |m| 1.0 / m.s),
];

/// All of them.
pub fn clocks() -> impl Iterator<Item = &'static Clock> {
    [&KERNEL, &ROOT].into_iter().chain(&OTHERS).chain([&AT_ONCE])
}

/// Predicted over measured τ of each mode, the median being 1; None of a mode without a prediction.
pub fn relative(modes: &[Mode], clock: &Clock) -> Vec<Option<f64>> {
    let ratio = |m: &Mode| Some((clock.of)(m) / m.tau).filter(|r| r.is_finite() && *r > 0.0);
    let ratios: Vec<Option<f64>> = modes.iter().map(ratio).collect();
    let logs: Vec<f64> = ratios.iter().flatten().map(|r| r.ln()).collect();
    let middle = quantile(&logs, 0.5).exp();
    ratios.into_iter().map(|r| r.map(|r| r / middle)).collect()
}

impl Study {
    /// Share of the modes whose τ by `clock` is within `factor` of that measured, times scaled by
    /// one factor for each case; None where no case has such times. A mode that has none beside
    /// others that have is not within.
    pub fn within(&self, factor: f64, clock: &Clock) -> Option<f64> {
        share(self.cases.iter().flat_map(|case| {
            let ratios = relative(&case.modes, clock);
            let any = ratios.iter().any(Option::is_some);
            ratios.into_iter().filter(move |_| any).map(move |r| r.is_some_and(|r| near(r, factor)))
        }))
    }

    /// Share of the pairs of modes of one case whose ratio of times by `clock` is within `factor`
    /// of that measured, of those that have times; None where there is none.
    pub fn pairs(&self, factor: f64, clock: &Clock) -> Option<f64> {
        share(self.cases.iter().flat_map(|case| {
            let ratios: Vec<f64> = relative(&case.modes, clock).into_iter().flatten().collect();
            let pairs = (0..ratios.len()).flat_map(|a| (a + 1..ratios.len()).map(move |b| (a, b)));
            pairs.map(|(a, b)| near(ratios[a] / ratios[b], factor)).collect::<Vec<_>>()
        }))
    }
}

fn near(ratio: f64, factor: f64) -> bool {
    ratio.ln().abs() <= factor.ln()
}

fn share(hits: impl Iterator<Item = bool>) -> Option<f64> {
    let all: Vec<bool> = hits.collect();
    let count = all.iter().filter(|hit| **hit).count();
    (!all.is_empty()).then(|| count as f64 / all.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::made;
    use super::*;

    #[test]
    fn shares_of_modes_and_pairs_by_hand() {
        let cases =
            vec![made("a", 4, None), made("b", 4, Some((0, 1))), made("b", 4, None), made("c", 4, None)];
        let study = Study { cases };
        // One mode of four is off by 3 after scaling by the median. The roots of 1, 3·1.6, 1.6² and
        // 1.6³ over 1, 1.6, 1.6² and 1.6³ are 1.26, 1.73, 0.79 and 0.62 times their median; where the
        // first two are exchanged 1.12, 2.46, 0.89 and 0.70.
        let fixed = &OTHERS[0];
        assert_eq!(study.within(2.0, fixed), Some(0.75));
        assert_eq!(study.within(2.0, &KERNEL), Some(15.0 / 16.0));
        assert_eq!(study.within(1.2, &KERNEL), Some(2.0 / 16.0));
        // Of six pairs the three with the second mode are off by 3; of the roots 1.26/0.62, 1.73/0.79
        // and 1.73/0.62 are beyond 2, or the three with 2.46 where the first two are exchanged.
        assert_eq!(study.pairs(2.0, fixed), Some(0.5));
        assert_eq!(study.pairs(2.0, &KERNEL), Some(0.5));
        assert!((study.pairs(1.27, &KERNEL).unwrap() - 5.0 / 24.0).abs() < 1e-12);
        // The median 20.24 over τ itself, 10, 16, 25.6 and 40.96: 2.02, 1.26, 0.79 and 0.49.
        assert_eq!(study.within(2.0, &AT_ONCE), Some(0.5));
        let mut without = study.clone();
        without.cases[0].modes[0].kernel = f64::NAN;
        assert!(without.within(2.0, fixed) < study.within(2.0, fixed), "no forecast is no hit");
        without.cases.iter_mut().flat_map(|c| &mut c.modes).for_each(|m| m.kernel = f64::NAN);
        assert_eq!((without.within(2.0, fixed), without.pairs(2.0, fixed)), (None, None));
        assert!(study.of(|_| false).within(2.0, &ROOT).is_none());
    }

    #[test]
    fn one_is_held_to_the_bar_and_names_are_unlike() {
        let names: Vec<_> = clocks().map(|clock| clock.name).collect();
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "{names:?}");
        assert_eq!(clocks().filter(|clock| clock.judged).map(|c| c.name).collect::<Vec<_>>(), [KERNEL.name]);
    }
}
