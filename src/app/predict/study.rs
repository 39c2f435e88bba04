//! How well scores ordered the modes where that was measured: the study in `assets/study`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::stats::spearman;

/// A line per mode of each case, as `domfreq figure forecast` writes it.
const RECORD: &str = include_str!("../../../assets/study/forecast.csv");

/// Mean over data sets of the mean over their cases of Spearman's correlation between
/// a column of the record and −τ; `sign` −1 where the smaller comes first. NaN where no
/// case has it.
fn order(column: &str, sign: f64) -> f64 {
    let mut lines = RECORD.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split(',').collect();
    let place = |name: &str| names.iter().position(|n| *n == name);
    let (Some(score), Some(tau)) = (place(column), place("tau")) else { return f64::NAN };
    let mut cases: BTreeMap<(&str, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for line in lines {
        // "data","network",numbers…
        let mut quoted = line.splitn(5, '"');
        let (Some(data), Some(network)) = (quoted.nth(1), quoted.nth(1)) else { continue };
        let Some(rest) = quoted.next() else { continue };
        // The rest begins behind the second of the names.
        let values: Vec<_> = rest.split(',').collect();
        let number = |at: usize| values.get(at - 1).and_then(|v| v.parse::<f64>().ok()).unwrap_or(f64::NAN);
        cases.entry((data, network)).or_default().push((sign * number(score), -number(tau)));
    }
    let mut sets: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for ((data, _), modes) in cases {
        let (a, b): (Vec<_>, Vec<_>) = modes.into_iter().unzip();
        let value = spearman(&a, &b);
        if value.is_finite() {
            sets.entry(data).or_default().push(value);
        }
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    mean(&sets.values().map(|v| mean(v)).collect::<Vec<_>>())
}

/// One line for the table: how far each of `readers`, s and, where it is asked for, the
/// kernel flow are to be trusted.
pub fn reliability(readers: &[&str], kernel: bool) -> String {
    let mut text = String::from(
        "On nine forms of CIFAR-10 with a ResNet-8 (assets/study) Spearman's correlation with the order \
         of discovery was",
    );
    let mut say = |name: &str, value: f64| {
        let _ = write!(text, " {value:.2} for {name},");
    };
    for reader in readers {
        say(&format!("F by {reader}"), order(&format!("f_{reader}"), 1.0));
    }
    if kernel {
        say("the kernel flow", order("kernel_tau", -1.0));
    }
    say("s", order("s", 1.0));
    text.pop();
    text + ".\n"
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
        for (column, sign, what) in [
            ("f_means", 1.0, "F, means: "),
            ("f_autocorrelation", 1.0, "F, autocorrelation: "),
            ("f_convolutions", 1.0, "F, convolutions: "),
            ("kernel_tau", -1.0, "kernel flow, −τ: "),
            ("s", 1.0, "s: "),
        ] {
            let (own, drawn) = (order(column, sign), found(what));
            assert!((own - drawn).abs() < 1e-3, "{what} {own} {drawn}");
        }
        assert!(order("nothing", 1.0).is_nan());
    }

    #[test]
    fn one_line_names_what_was_asked_for() {
        let text = reliability(&["means", "convolutions"], true);
        assert!(
            text.contains("for F by means,") && text.contains("kernel flow") && text.ends_with("for s.\n"),
            "{text}"
        );
        assert!(!reliability(&["means"], false).contains("kernel"));
    }
}
