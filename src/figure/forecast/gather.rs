//! Runs of deep networks that differ in their seed alone, gathered into cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::figure::runs::Finished;
use crate::readers::READERS;
use crate::run::RunConfig;
use crate::run::config::{LossKind, MachineConfig, MeasureConfig};
use crate::run::summary::shares;
use crate::stats::discovery_time;
use crate::study::{Case, LEAST_MODES, Mode};

/// Of finished runs of deep networks.
///
/// # Errors
/// [`Error::Input`] for a run of a linear network, for runs of one case that have
/// other modes or steps than the first, and for fewer than three modes.
pub fn gather(runs: &[Finished]) -> Result<Vec<Case>> {
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
    cases.collect()
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
    Ok(Case::new(data, network, runs.len(), (0..count).map(mode).collect()))
}
