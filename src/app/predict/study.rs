//! How well scores ordered the modes where that was measured: the study in `assets/study`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::stats::spearman;

/// A line per mode of each case, as `domfreq figure forecast` writes it.
const RECORD: &str = include_str!("../../../assets/study/forecast.csv");

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
    RECORD.lines().next().unwrap_or_default().split(',').skip(2).collect()
}

fn modes<'a>(columns: &'a [&'a str]) -> impl Iterator<Item = Mode<'a>> {
    RECORD.lines().skip(1).filter_map(|line| {
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

/// One line for the table: how far each of `readers`, s, s·ρ and, where it is asked for, the
/// kernel flow are to be trusted.
pub fn reliability(readers: &[&str], kernel: bool) -> String {
    // The kernel flow was computed for this loss only.
    let entropy = |network: &str| !network.ends_with("MSE");
    let mut scores: Vec<(String, f64)> =
        readers.iter().map(|r| (format!("F by {r}"), order(entropy, |m| m.get(&format!("f_{r}"))))).collect();
    if kernel {
        scores.push(("the kernel flow".to_owned(), order(entropy, |m| -m.get("kernel_tau"))));
    }
    scores.push(("s·ρ".to_owned(), order(entropy, |m| m.get("s") * m.get("rho"))));
    scores.push(("s".to_owned(), order(entropy, |m| m.get("s"))));
    let seeds = mean(entropy, |modes| modes[0].get("agreement"));
    let mut text = String::from(
        "On nine forms of CIFAR-10 with a ResNet-8 and cross-entropy (assets/study) Spearman's correlation \
         with the order of discovery was",
    );
    for (name, value) in scores.iter().filter(|(_, value)| value.is_finite()) {
        let _ = write!(text, " {value:.2} for {name},");
    }
    let _ = writeln!(text, " {seeds:.2} for one seed with another.");
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
        let all = |_: &str| true;
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
    fn one_line_names_what_was_asked_for() {
        let text = reliability(&["means", "none"], true);
        let parts =
            ["0.83 for F by means,", "0.94 for the kernel flow,", "0.94 for s·ρ,", "0.91 for one seed"];
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("none"), "{text}");
        assert!(!reliability(&["means"], false).contains("kernel"));
    }
}
