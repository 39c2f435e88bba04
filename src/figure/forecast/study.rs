//! Runs gathered into cases, and how well each score orders their modes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rand::Rng;

use crate::error::{Error, Result};
use crate::figure::runs::Finished;
use crate::readers::{FORECAST, READERS, Reader};
use crate::run::RunConfig;
use crate::run::config::{LossKind, MachineConfig, MeasureConfig};
use crate::run::summary::shares;
use crate::seed;
use crate::stats::{discovery_time, middle95, quantile, spearman};

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
    pub fn name(&self) -> String {
        format!("{}, {}", self.data, self.network)
    }
}

/// All cases.
pub struct Study {
    pub cases: Vec<Case>,
}

/// Modes that make an order.
const LEAST_MODES: usize = 3;
/// How often data sets are drawn anew.
const RESAMPLES: u64 = 2000;
/// Up to this many data sets all signs are tried.
const ALL_SIGNS: usize = 16;

impl Study {
    /// Of finished runs of deep networks.
    ///
    /// # Errors
    /// [`Error::Input`] for a run of a linear network, for runs of one case that have
    /// other modes or steps than the first, and for fewer than three modes.
    pub fn new(runs: &[Finished]) -> Result<Self> {
        let mut groups: BTreeMap<(String, String, String), Vec<&Finished>> = BTreeMap::new();
        for run in runs {
            let place = run.dir.root().display().to_string();
            if run.config.model.kind.is_linear() {
                return Err(Error::input(place, "a run of a deep network", run.config.model.kind));
            }
            groups.entry((data(run)?, network(&run.config), but_seed(&run.config))).or_default().push(run);
        }
        let cases = groups.into_iter().map(|((data, network, _), mut runs)| {
            // Scores are those of the first run that has them: in whatever order runs are named.
            runs.sort_by_key(|run| run.config.run.seed);
            case(data, network, &runs)
        });
        Ok(Self { cases: cases.collect::<Result<_>>()? })
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

    /// Share of the modes whose τ by the kernel flow is within `factor` of that
    /// measured, times scaled by one factor for each case; None without any.
    pub fn within(&self, factor: f64) -> Option<f64> {
        let ratios: Vec<f64> = self.cases.iter().flat_map(|case| relative(&case.modes)).collect();
        let near = ratios.iter().filter(|r| r.ln().abs() <= factor.ln()).count();
        (!ratios.is_empty()).then(|| near as f64 / ratios.len() as f64)
    }

    /// One line per mode, with a header.
    pub fn table(&self) -> String {
        let readers: String = READERS.iter().map(|r| format!(",f_{}", r.name)).collect();
        let mut text = format!(
            "data,network,seeds,agreement,mode,s,lambda,rho,participation{readers},kernel_tau,tau,tau_seeds\n"
        );
        let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
        let cell = |v: f64| if v.is_finite() { v.to_string() } else { String::new() };
        for case in &self.cases {
            for (i, m) in case.modes.iter().enumerate() {
                let taus: Vec<_> = m.taus.iter().map(|t| format!("{t:.2}")).collect();
                let numbers = [case.ceiling, m.s, m.lambda, m.rho, m.participation];
                let known: Vec<_> = m.readers.iter().chain([&m.kernel, &m.tau]).map(|v| cell(*v)).collect();
                let [ceiling, s, lambda, rho, participation] = numbers.map(cell);
                let _ = writeln!(
                    text,
                    "{},{},{},{ceiling},{},{s},{lambda},{rho},{participation},{},{}",
                    quoted(&case.data),
                    quoted(&case.network),
                    case.seeds,
                    i + 1,
                    known.join(","),
                    taus.join(" ")
                );
            }
        }
        text
    }
}

/// Predicted over measured τ of each mode, the median being 1.
pub fn relative(modes: &[Mode]) -> Vec<f64> {
    let ratios: Vec<f64> =
        modes.iter().map(|m| m.kernel / m.tau).filter(|r| r.is_finite() && *r > 0.0).collect();
    let middle = quantile(&ratios.iter().map(|r| r.ln()).collect::<Vec<_>>(), 0.5).exp();
    ratios.iter().map(|r| r / middle).collect()
}

fn data(run: &Finished) -> Result<String> {
    let d = &run.config.data;
    let mut name = d.spec.short();
    if run.dir.shape()?[0] == 1 {
        name += ", grey";
    }
    if !d.classes.is_empty() {
        let _ = write!(name, ", {} classes ({}…)", d.classes.len(), d.classes[0]);
    }
    Ok(name)
}

fn network(config: &RunConfig) -> String {
    let mut name = config.model.kind.to_string();
    if !config.model.norm {
        name += " without batch norm";
    }
    if config.optim.loss == LossKind::Mse {
        name += ", MSE";
    }
    name
}

fn but_seed(config: &RunConfig) -> String {
    let mut config = config.clone();
    // What changes no answer of the network may differ: where it ran, what was forecast.
    config.run = MachineConfig { seed: 0, device: String::new(), threads: 0, ..config.run };
    config.measure = MeasureConfig::default();
    config.to_toml()
}

fn case(data: String, network: String, runs: &[&Finished]) -> Result<Case> {
    let first = runs[0];
    let count = first.summary.modes.len();
    let place = |run: &Finished| run.dir.root().display().to_string();
    if count < LEAST_MODES {
        return Err(Error::input(
            place(first),
            format!("at least {LEAST_MODES} modes, to be ordered"),
            count,
        ));
    }
    for run in runs {
        let same = run.metrics.steps == first.metrics.steps && run.summary.modes.len() == count;
        if !same {
            let expected =
                format!("the steps and modes of {}, which differs in its seed alone", place(first));
            return Err(Error::input(place(run), expected, "others"));
        }
    }
    let array = |name: &str| -> Result<Vec<f64>> {
        let found = runs.iter().map(|run| run.dir.forecast(name)).find(|f| !matches!(f, Ok(None)));
        let found = found.transpose()?.flatten();
        let found = found.map_or_else(|| vec![f64::NAN; count], |f| f.into_iter().collect());
        if found.len() == count {
            return Ok(found);
        }
        let expected = format!("{count} values of `{name}` in arrays/forecast.npz");
        Err(Error::input(place(first), expected, found.len()))
    };
    let readers = READERS.iter().map(|r| array(r.name)).collect::<Result<Vec<_>>>()?;
    let kernel = array("kernel")?;
    let steps = &first.metrics.steps;
    let mode = |i: usize| {
        let m = &first.summary.modes[i];
        let curves: Vec<Vec<f64>> = runs.iter().map(|run| shares(&run.metrics.a[i], m.s)).collect();
        let mean: Vec<f64> = (0..steps.len())
            .map(|row| curves.iter().map(|c| c[row]).sum::<f64>() / runs.len() as f64)
            .collect();
        let tau = |curve: &[f64]| discovery_time(steps, curve).unwrap_or(f64::NAN);
        Mode {
            s: m.s,
            lambda: m.lambda,
            rho: m.rho,
            participation: m.participation,
            readers: readers.iter().map(|f| f[i]).collect(),
            kernel: kernel[i],
            tau: tau(&mean),
            taus: curves.iter().map(|c| tau(c)).collect(),
        }
    };
    let modes: Vec<Mode> = (0..count).map(mode).collect();
    let early: Vec<f64> = modes.iter().map(|m| -m.tau).collect();
    let of = |score: &Score| spearman(&modes.iter().map(&score.of).collect::<Vec<_>>(), &early);
    Ok(Case {
        data,
        network,
        seeds: runs.len(),
        ceiling: agreement(&modes),
        spearman: scores().iter().map(of).collect(),
        modes,
    })
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
        let modes: Vec<Mode> = taus.iter().enumerate().map(mode).collect();
        let early: Vec<f64> = modes.iter().map(|m| -m.tau).collect();
        let of = |score: &Score| spearman(&modes.iter().map(&score.of).collect::<Vec<_>>(), &early);
        Case {
            data: data.to_owned(),
            network: "resnet8".to_owned(),
            seeds: 2,
            ceiling: agreement(&modes),
            spearman: scores().iter().map(of).collect(),
            modes,
        }
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
        // One mode of four is off by 3 after scaling by the median.
        assert_eq!(study.within(2.0), Some(0.75));
        let lines: Vec<_> = study.table().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 17);
        let columns = lines[0].split(',').count();
        assert!(lines[1].starts_with("\"a\",\"resnet8\",2,1,1,1,1,10,20,0.2,0.4,0.1,"), "{}", lines[1]);
        assert!(
            lines[1].ends_with(",10,10.00 11.00") && lines.iter().all(|l| l.split(',').count() == columns)
        );
    }
}
