//! How well scores ordered the modes where that was measured: the study in `assets/study`.

use std::fmt::Write as _;

use crate::blueprint::{Architecture, ModelKind, Plan};
use crate::error::Result;
use crate::readers::FORECAST;
use crate::study::{AT_ONCE, Case, Clock, KERNEL, ROOT, Study, scores};

/// A line per mode of each case, as `domfreq figure forecast` writes it.
const RECORD: &str = include_str!("../../../assets/study/forecast.csv");

// Of the networks that `keep` is true of.
fn record(keep: impl Fn(&str) -> bool) -> Result<Study> {
    Ok(Study::parse(RECORD, "assets/study/forecast.csv")?.of(keep))
}

// Mean over data sets of Spearman's correlation of a score with −τ; NaN of a score that there is not.
fn order(study: &Study, score: &str) -> f64 {
    let at = scores().iter().position(|s| s.name == score);
    at.map_or(f64::NAN, |at| study.mean(|case: &Case| case.spearman[at]))
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

/// Lines below the table: how far each of `readers`, s, s·ρ and, where it is asked for, the
/// kernel flow are to be trusted.
///
/// # Errors
/// None, as the record is a part of the program.
pub fn reliability(like: &Like, readers: &[&str], kernel: bool) -> Result<String> {
    const FLOW: &str = "kernel flow, −τ";
    let study = record(|network| network == like.name)?;
    let of_reader = |reader: &str| order(&study, &format!("F, {reader}"));
    let mut scores: Vec<(String, f64)> =
        readers.iter().map(|r| (format!("F by {r}"), of_reader(r))).collect();
    let flow = order(&study, FLOW);
    if kernel {
        scores.push(("the kernel flow".to_owned(), flow));
    }
    let product = order(&study, "s·ρ");
    let better = product - of_reader(FORECAST.name);
    scores.push(("s·ρ".to_owned(), product));
    scores.push(("s".to_owned(), order(&study, "s")));
    let seeds = study.mean(|case| case.ceiling);
    let absent = like.other.map_or_else(String::new, |kind| format!("; {kind} was not measured"));
    let mut text = format!(
        "On nine forms of CIFAR-10 with a {} and cross-entropy (assets/study{absent}) Spearman's correlation \
         with the order of discovery was",
        like.name
    );
    for (name, value) in scores.iter().filter(|(_, value)| value.is_finite()) {
        let _ = write!(text, " {value:.2} for {name},");
    }
    let _ = writeln!(text, " {seeds:.2} for one seed with another.");
    let measured = |study: &Study| order(study, FLOW).is_finite();
    if kernel && !measured(&study) {
        let with = record(|_| true)?;
        let with: Vec<&str> =
            with.networks().into_iter().filter(|n| measured(&with.of(|m| m == *n))).collect();
        let _ = writeln!(text, "The kernel flow was measured with {} only.", with.join("; "));
    }
    let clocks = [&ROOT].into_iter().chain(kernel.then_some(&KERNEL)).chain([&AT_ONCE]);
    let share = |clock: &'static Clock| Some((clock, study.pairs(2.0, clock)?));
    let shares: Vec<_> = clocks.filter_map(share).collect();
    text.push_str("Ratios of two times were within a factor of 2");
    for (i, (clock, share)) in shares.iter().enumerate() {
        let what = if i == 0 { " of the pairs of modes" } else { "" };
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(text, "{comma} for {:.0} %{what} by {}", 100.0 * share, clock.name);
    }
    text.push_str(".\n");
    if readers.contains(&FORECAST.name) && better > BETTER {
        let _ = writeln!(text, "There s·ρ ordered better than F by {}, by {better:.2}.", FORECAST.name);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The table and the numbers beside it are of one figure.
    #[test]
    fn the_record_says_what_its_figure_says() {
        let notes: serde_json::Value =
            serde_json::from_str(include_str!("../../../assets/study/forecast.json")).unwrap();
        let verdicts = notes["verdicts"].as_array().unwrap();
        let all = record(|_| true).unwrap();
        assert_eq!(all.networks().len(), 5);
        for network in all.networks() {
            let study = record(|name| name == network).unwrap();
            let said = |what: &str| {
                let what = format!("{network}: {what}");
                let of = |v: &&serde_json::Value| v["what"].as_str().is_some_and(|w| w.starts_with(&what));
                verdicts.iter().find(of).unwrap_or_else(|| panic!("{what}"))["value"].as_f64().unwrap()
            };
            for name in ["F, means", "F, autocorrelation", "F, convolutions", "s·ρ", "s"] {
                assert!((order(&study, name) - said(&format!("{name}: "))).abs() < 1e-9, "{network} {name}");
            }
            if network.starts_with("resnet") {
                assert!((order(&study, "kernel flow, −τ") - said("kernel flow, −τ: ")).abs() < 1e-9);
                let pairs = study.pairs(2.0, &KERNEL).unwrap();
                assert!((pairs - said("times by √ of the kernel flow: share of pairs")).abs() < 1e-9);
            }
            assert!((study.mean(|case| case.ceiling) - said("agreement of seeds")).abs() < 1e-9);
            assert!(order(&study, "nothing").is_nan());
        }
    }

    #[test]
    fn one_line_names_what_was_asked_for_and_the_network_it_was_measured_with() {
        let model = |kind, norm| {
            Like::new(&Architecture { norm, ..Architecture::usual(kind, [3, 32, 32], 10) }).unwrap()
        };
        let resnet8 = model(ModelKind::Resnet8, true);
        let text = reliability(&resnet8, &["means", "none"], true).unwrap();
        let parts = [
            "with a resnet8 and cross-entropy (assets/study)",
            "0.83 for F by means,",
            "0.94 for the kernel flow,",
            "0.94 for s·ρ,",
            "0.91 for one seed",
            "within a factor of 2 for 88 % of the pairs of modes by 1/√(s·ρ), for 93 % by √ of the kernel flow,",
            " for 52 % by one time for all.",
        ];
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("none"), "{text}");
        assert!(!reliability(&resnet8, &["means"], false).unwrap().contains("kernel"));
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
            let text = reliability(&model(kind, norm), &["convolutions"], false).unwrap();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert_eq!(
                text.contains("There s·ρ ordered better than F by convolutions, by 0.05."),
                product,
                "{text}"
            );
        }
        let kernel = reliability(&model(ModelKind::Cnn, false), &[], true).unwrap();
        assert!(
            kernel.contains("measured with resnet20; resnet8; resnet8, MSE only.")
                && !kernel.contains("better"),
            "{kernel}"
        );
    }
}
