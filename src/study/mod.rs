//! How well scores of the data alone foretell in which order, and when, deep networks
//! discover the modes: over data sets, networks and seeds.

mod table;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use crate::readers::{FORECAST, READERS, Reader};
use crate::seed;
use crate::stats::{middle95, spearman};
pub use times::{AT_ONCE, Clock, KERNEL, ROOT, clocks, relative};

/// A score of the modes, of which the larger is to be discovered the earlier.
pub struct Score {
    /// In figures.
    pub name: String,
    /// Held to the bars.
    pub judged: bool,
    /// What the one that is held to the bars is to be better than.
    pub rival: bool,
    of: Box<dyn Fn(&Mode) -> f64>,
}

type Of = fn(&Mode) -> f64;

/// All of them: those of the readers, in the order of their registry, and the others.
pub fn scores() -> Vec<Score> {
    let score = |name: &str, of: Box<dyn Fn(&Mode) -> f64>| {
        let (judged, rival) = (false, ["s", "s·ρ"].contains(&name));
        Score { name: name.to_owned(), judged, rival, of }
    };
    let reader = |(at, reader): (usize, &Reader)| Score {
        judged: reader.name == FORECAST.name,
        ..score(&format!("F, {}", reader.name), Box::new(move |m| m.readers[at]))
    };
    let others: [(&str, Of); 7] = [
        ("kernel flow, −τ", |m| -m.kernel),
        ("s", |m| m.s),
        ("s·ρ", |m| m.s * m.rho),
        ("−PR of v", |m| -m.participation),
        ("ρ", |m| m.rho),
        ("s/√λ", |m| m.s / m.lambda.sqrt()),
        ("λ", |m| m.lambda),
    ];
    let others = others.into_iter().map(|(name, of)| score(name, Box::new(of)));
    READERS.iter().enumerate().map(reader).chain(others).collect()
}

/// Which of [`READERS`] the forecasts are by.
pub fn forecaster() -> usize {
    READERS.iter().position(|r| r.name == FORECAST.name).expect("a reader of the ladder")
}

/// A mode: what is known before training, and when it was discovered.
#[derive(Clone, Debug)]
pub struct Mode {
    pub s: f64,
    pub lambda: f64,
    pub rho: f64,
    pub participation: f64,
    /// F of each of [`READERS`], NaN where the runs have none.
    pub readers: Vec<f64>,
    /// τ of the kernel flow in time of its own, NaN where the runs have none.
    pub kernel: f64,
    /// τ of the mean curve of all seeds, in steps.
    pub tau: f64,
    /// τ of each seed.
    pub taus: Vec<f64>,
}

/// Runs that differ in their seed alone.
#[derive(Clone, Debug)]
pub struct Case {
    /// The data set.
    pub data: String,
    /// Network and loss.
    pub network: String,
    /// Number of runs.
    pub seeds: usize,
    /// The modes.
    pub modes: Vec<Mode>,
    /// Mean Spearman correlation between τ of two seeds; NaN for one seed.
    pub ceiling: f64,
    /// Spearman's correlation of each of [`scores`] with −τ.
    pub spearman: Vec<f64>,
}

impl Case {
    /// Of `seeds` runs on a data set by a network; what the modes say of each other is found here.
    pub fn new(data: String, network: String, seeds: usize, modes: Vec<Mode>) -> Self {
        let early: Vec<f64> = modes.iter().map(|m| -m.tau).collect();
        let of = |score: &Score| spearman(&modes.iter().map(&score.of).collect::<Vec<_>>(), &early);
        let (ceiling, spearman) = (agreement(&modes), scores().iter().map(of).collect());
        Self { data, network, seeds, ceiling, spearman, modes }
    }

    /// Data set and network.
    pub fn name(&self) -> String {
        format!("{}, {}", self.data, self.network)
    }
}

/// All cases.
#[derive(Clone, Debug)]
pub struct Study {
    /// A data set and a network each.
    pub cases: Vec<Case>,
}

/// Modes that make an order.
pub const LEAST_MODES: usize = 3;
/// How often data sets are drawn anew.
const RESAMPLES: u64 = 2000;
/// Up to this many data sets all signs are tried.
const ALL_SIGNS: usize = 16;

impl Study {
    /// The networks, by name.
    pub fn networks(&self) -> Vec<&str> {
        let names: BTreeSet<&str> = self.cases.iter().map(|c| c.network.as_str()).collect();
        names.into_iter().collect()
    }

    /// The cases of those networks alone that `keep` is true of.
    pub fn of(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self { cases: self.cases.iter().filter(|c| keep(&c.network)).cloned().collect() }
    }

    /// The name of two cases of which all modes are the same.
    pub fn twice(&self) -> Option<String> {
        let same = |a: &Case, b: &Case| {
            let modes = a.modes.iter().map(|m| m.s).eq(b.modes.iter().map(|m| m.s));
            a.data == b.data && a.network == b.network && a.seeds == b.seeds && modes
        };
        let again = |(i, case): (usize, &Case)| self.cases[..i].iter().any(|before| same(before, case));
        let found = self.cases.iter().enumerate().find(|(i, case)| again((*i, case)));
        found.map(|(_, case)| case.name())
    }

    fn by_set(&self, of: impl Fn(&Case) -> f64) -> Vec<f64> {
        let mut sets: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for case in &self.cases {
            let value = of(case);
            if value.is_finite() {
                sets.entry(&case.data).or_default().push(value);
            }
        }
        sets.values().map(|v| v.iter().sum::<f64>() / v.len() as f64).collect()
    }

    /// Number of data sets.
    pub fn sets(&self) -> usize {
        self.cases.iter().map(|c| &c.data).collect::<BTreeSet<_>>().len()
    }

    /// Mean over data sets of the mean over their cases; what is NaN is left out.
    pub fn mean(&self, of: impl Fn(&Case) -> f64) -> f64 {
        let values = self.by_set(of);
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// The middle 95 % of that mean over bootstraps of the data sets.
    pub fn interval(&self, of: impl Fn(&Case) -> f64) -> [f64; 2] {
        let values = self.by_set(of);
        if values.is_empty() {
            return [f64::NAN; 2];
        }
        let mean = |resample: u64| {
            let mut rng = seed::rng(0, "figure forecast/bootstrap", resample);
            let sum: f64 = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        };
        middle95(&(0..RESAMPLES).map(mean).collect::<Vec<_>>())
    }

    /// By how much score `a` is better than `b` in the mean over data sets, and the
    /// one-sided p of the sign-flip permutation test of their differences.
    pub fn better(&self, a: usize, b: usize) -> (f64, f64) {
        let differences = self.by_set(|case| case.spearman[a] - case.spearman[b]);
        let n = differences.len();
        let found: f64 = differences.iter().sum();
        let flipped = |signs: u64| -> f64 {
            differences
                .iter()
                .enumerate()
                .map(|(i, d)| if signs >> (i % 64) & 1 == 1 { -d } else { *d })
                .sum()
        };
        let draws: Vec<f64> = if n <= ALL_SIGNS {
            (0..1u64 << n).map(flipped).collect()
        } else {
            let mut rng = seed::rng(0, "figure forecast/signs", 0);
            (0..1 << ALL_SIGNS).map(|_| flipped(rng.random())).collect()
        };
        // A hair's breadth: the same sum in another order is as large.
        let as_large = draws.iter().filter(|d| **d >= found - 1e-12).count();
        (found / n as f64, as_large as f64 / draws.len() as f64)
    }
}

// Mean over pairs of seeds.
fn agreement(modes: &[Mode]) -> f64 {
    let seeds = modes[0].taus.len();
    let of = |seed: usize| modes.iter().map(|m| m.taus[seed]).collect::<Vec<_>>();
    let pairs = (0..seeds).flat_map(|a| (a + 1..seeds).map(move |b| (a, b)));
    let found: Vec<f64> = pairs.map(|(a, b)| spearman(&of(a), &of(b))).collect();
    found.iter().sum::<f64>() / found.len() as f64
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A case whose modes come in the order of s, but for those that are swapped; τ of
    /// seed 1 is that of seed 0, times 1.1.
    pub fn made(data: &str, count: usize, swapped: Option<(usize, usize)>) -> Case {
        let mut taus: Vec<f64> = (0..count).map(|i| 10.0 * 1.6f64.powi(i as i32)).collect();
        if let Some((a, b)) = swapped {
            taus.swap(a, b);
        }
        let mode = |(i, tau): (usize, &f64)| {
            let s = 0.7f64.powi(i as i32);
            Mode {
                s,
                lambda: 1.0 / (1.0 + i as f64),
                rho: 10.0 + (i as f64 * 2.0).sin(),
                participation: 20.0 + i as f64,
                readers: (0..READERS.len())
                    .map(|at| if at == forecaster() { 1.0 / tau } else { 0.2 * s * (1.0 + at as f64) })
                    .collect(),
                kernel: tau * 0.03 * if i == 1 { 3.0 } else { 1.0 },
                tau: *tau,
                taus: vec![*tau, 1.1 * tau],
            }
        };
        let modes = taus.iter().enumerate().map(mode).collect();
        Case::new(data.to_owned(), "resnet8".to_owned(), 2, modes)
    }

    #[test]
    fn statistics_over_data_sets_by_hand() {
        let study = Study {
            cases: vec![
                made("a", 4, None),
                made("b", 4, Some((0, 1))),
                made("b", 4, None),
                made("c", 4, None),
            ],
        };
        assert_eq!(study.sets(), 3);
        assert!((study.mean(|c| c.ceiling) - 1.0).abs() < 1e-12);
        // The score that is judged is 1/τ here: always right. s is wrong once: ranks 2 1 3 4: 0.8.
        assert!((study.mean(|c| c.spearman[forecaster()]) - 1.0).abs() < 1e-12);
        assert!((study.mean(|c| c.spearman[4]) - (1.0 + 0.9 + 1.0) / 3.0).abs() < 1e-12);
        let [low, high] = study.interval(|c| c.spearman[4]);
        assert!((low - 0.9).abs() < 1e-12 && (high - 1.0).abs() < 1e-12, "{low} {high}");
        // One difference of three is not 0: half of the flips are as large.
        let (better, p) = study.better(forecaster(), 4);
        assert!((better - 0.1 / 3.0).abs() < 1e-12 && (p - 0.5).abs() < 1e-12, "{better} {p}");
        assert_eq!(study.networks(), ["resnet8"]);
        assert_eq!(study.of(|network| network == "resnet8").cases.len(), 4);
        assert!(study.of(|_| false).cases.is_empty());
    }
}
