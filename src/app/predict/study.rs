//! How well scores ordered the modes where that was measured: the study in `assets/study`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::blueprint::{Architecture, ModelKind, Plan};
use crate::error::Result;
use crate::readers::FORECAST;
use crate::stats::spearman;

/// A line per mode of each case, as `domfreq figure forecast` writes it.
const RECORDS: [&str; 3] = [
    include_str!("../../../assets/study/forecast.csv"),
    include_str!("../../../assets/study/resnet20.csv"),
    include_str!("../../../assets/study/cnn.csv"),
];

/// A mode of the record: its values by the names of their columns.
struct Mode<'a> {
    data: &'a str,
    network: &'a str,
    columns: &'a [&'a str],
    values: Vec<&'a str>,
}

impl Mode<'_> {
    fn get(&self, column: &str) -> f64 {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.values.get(at)?.parse().ok()).unwrap_or(f64::NAN)
    }
}

fn columns() -> Vec<&'static str> {
    // Behind the names of data set and network.
    RECORDS[0].lines().next().unwrap_or_default().split(',').skip(2).collect()
}

fn modes<'a>(columns: &'a [&'a str]) -> impl Iterator<Item = Mode<'a>> {
    RECORDS.iter().flat_map(|record| record.lines().skip(1)).filter_map(|line| {
        // "data","network",numbers…
        let mut quoted = line.splitn(5, '"');
        let (data, network) = (quoted.nth(1)?, quoted.nth(1)?);
        let values = quoted.next()?.split(',').skip(1).collect();
        Some(Mode { data, network, columns, values })
    })
}

// Mean over data sets of the mean over their cases of `of` a case; what is NaN is left out.
fn mean(keep: impl Fn(&str) -> bool, of: impl Fn(&[Mode]) -> f64) -> f64 {
    let columns = columns();
    let mut cases: BTreeMap<(&str, &str), Vec<Mode>> = BTreeMap::new();
    for mode in modes(&columns).filter(|mode| keep(mode.network)) {
        cases.entry((mode.data, mode.network)).or_default().push(mode);
    }
    let mut sets: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((data, _), modes) in &cases {
        let value = of(modes);
        if value.is_finite() {
            sets.entry(data).or_default().push(value);
        }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    mean(&sets.values().map(|v| mean(v)).collect::<Vec<_>>())
}

// Spearman's correlation of a score with −τ.
fn order(keep: impl Fn(&str) -> bool, score: impl Fn(&Mode) -> f64) -> f64 {
    mean(keep, |modes| {
        let (a, b): (Vec<_>, Vec<_>) = modes.iter().map(|m| (score(m), -m.get("tau"))).unzip();
        spearman(&a, &b)
    })
}

/// The network of the study that another one is most like.
pub struct Like {
    name: &'static str,
    /// Where it is not the network of the study itself.
    other: Option<ModelKind>,
}

impl Like {
    /// # Errors
    /// Those of [`Plan::new`].
    pub fn new(architecture: &Architecture) -> Result<Self> {
        let (kind, plan) = (architecture.kind, Plan::new(architecture)?);
        let name = match (plan.reads_places(), plan.has_norm()) {
            (true, true) => "cnn",
            (true, false) => "cnn without batch norm",
            (false, _) if kind == ModelKind::Resnet8 => "resnet8",
            (false, _) => "resnet20",
        };
        let itself = matches!(kind, ModelKind::Resnet8 | ModelKind::Resnet20 | ModelKind::Cnn);
        Ok(Self { name, other: (!itself).then_some(kind) })
    }
}

/// By how much a score has to order better for that to be said: differences of up to 0.03 between two
/// scores were not told from chance in the study (p > 0.1), those of 0.04 and more were (p < 0.04).
const BETTER: f64 = 0.04;

/// One line for the table: how far each of `readers`, s, s·ρ and, where it is asked for, the
/// kernel flow are to be trusted.
pub fn reliability(like: &Like, readers: &[&str], kernel: bool) -> String {
    let keep = |network: &str| network == like.name;
    let of_reader = |reader: &str| order(keep, |m| m.get(&format!("f_{reader}")));
    let mut scores: Vec<(String, f64)> =
        readers.iter().map(|r| (format!("F by {r}"), of_reader(r))).collect();
    let flow = |keep: &dyn Fn(&str) -> bool| order(keep, |m| -m.get("kernel_tau"));
    if kernel {
        scores.push(("the kernel flow".to_owned(), flow(&keep)));
    }
    let product = order(keep, |m| m.get("s") * m.get("rho"));
    scores.push(("s·ρ".to_owned(), product));
    scores.push(("s".to_owned(), order(keep, |m| m.get("s"))));
    let seeds = mean(keep, |modes| modes[0].get("agreement"));
    let other = like.other.map_or_else(String::new, |kind| format!("; {kind} was not measured"));
    let mut text = format!(
        "On nine forms of CIFAR-10 with a {} and cross-entropy (assets/study{other}) Spearman's correlation \
         with the order of discovery was",
        like.name
    );
    for (name, value) in scores.iter().filter(|(_, value)| value.is_finite()) {
        let _ = write!(text, " {value:.2} for {name},");
    }
    let _ = writeln!(text, " {seeds:.2} for one seed with another.");
    if kernel && flow(&keep).is_nan() {
        let value = flow(&|network| network == "resnet8");
        let _ = writeln!(text, "The kernel flow was measured with a resnet8 only: {value:.2}.");
    }
    let better = product - of_reader(FORECAST.name);
    if readers.contains(&FORECAST.name) && better > BETTER {
        let _ = writeln!(text, "There s·ρ ordered better than F by {}, by {better:.2}.", FORECAST.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_what_its_figure_says() {
        let notes: serde_json::Value =
            serde_json::from_str(include_str!("../../../assets/study/forecast.json")).unwrap();
        let verdicts = notes["verdicts"].as_array().unwrap();
        let found = |what: &str| {
            let of = |v: &&serde_json::Value| v["what"].as_str().is_some_and(|w| w.starts_with(what));
            verdicts.iter().find(of).unwrap_or_else(|| panic!("{what}"))["value"].as_f64().unwrap()
        };
        let all = |network: &str| network.starts_with("resnet8");
        let own = |column: &'static str, sign: f64| order(all, |m| sign * m.get(column));
        for (own, what) in [
            (own("f_means", 1.0), "F, means: "),
            (own("f_autocorrelation", 1.0), "F, autocorrelation: "),
            (own("f_convolutions", 1.0), "F, convolutions: "),
            (own("kernel_tau", -1.0), "kernel flow, −τ: "),
            (own("s", 1.0), "s: "),
            (order(all, |m| m.get("s") * m.get("rho")), "s·ρ: "),
            (mean(all, |modes| modes[0].get("agreement")), "agreement of seeds"),
        ] {
            let drawn = found(what);
            assert!((own - drawn).abs() < 1e-3, "{what} {own} {drawn}");
        }
        assert!(own("nothing", 1.0).is_nan());
    }

    #[test]
    fn one_line_names_what_was_asked_for_and_the_network_it_was_measured_with() {
        let model = |kind, norm| {
            Like::new(&Architecture { norm, ..Architecture::usual(kind, [3, 32, 32], 10) }).unwrap()
        };
        let resnet8 = model(ModelKind::Resnet8, true);
        let text = reliability(&resnet8, &["means", "none"], true);
        let parts = [
            "with a resnet8 and cross-entropy (assets/study)",
            "0.83 for F by means,",
            "0.94 for the kernel flow,",
            "0.94 for s·ρ,",
            "0.91 for one seed",
        ];
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("none"), "{text}");
        assert!(!reliability(&resnet8, &["means"], false).contains("kernel"));
        for (kind, norm, parts, product) in [
            (
                ModelKind::Resnet20,
                true,
                &["a resnet20 and", "0.94 for F by conv", "0.92 for one seed"],
                false,
            ),
            (
                ModelKind::Cnn,
                false,
                &["a cnn without batch norm and", "0.89 for F by conv", "0.94 for s,"],
                true,
            ),
            (ModelKind::Cnn, true, &["a cnn and", "0.85 for F by conv", "0.88 for s·ρ"], false),
            (ModelKind::Vgg16Bn, true, &["a cnn and", "vgg16_bn was not measured", "0.88 for s,"], false),
            (
                ModelKind::VitB_16,
                true,
                &["a resnet20 and", "vit_b_16 was not measured", "0.90 for s,"],
                false,
            ),
            (ModelKind::Vgg16, true, &["a cnn without", "vgg16 was not measured", "0.94 for s·ρ"], true),
        ] {
            let text = reliability(&model(kind, norm), &["convolutions"], false);
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(
                text.contains("There s·ρ ordered better than F by convolutions, by 0.05."),
                product,
                "{text}"
            );
        }
        let kernel = reliability(&model(ModelKind::Cnn, false), &[], true);
        assert!(
            kernel.contains("measured with a resnet8 only: 0.94.") && !kernel.contains("better"),
            "{kernel}"
        );
    }
}
