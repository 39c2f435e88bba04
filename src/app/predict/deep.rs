//! Of a deep network: in which order it will discover the modes.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::app::{notes, print, print_json, samples};
use crate::cli::ExperimentArgs;
use crate::error::Error;
use crate::readers::{FORECAST, READERS, Reader};
use crate::run::config::{DeepConfig, ModelConfig, TheoryKind};
use crate::theory::Modes;
use crate::theory::reader::{Forecast, ReaderScore};

#[derive(Serialize)]
struct Report {
    data: String,
    samples: usize,
    shape: [usize; 3],
    model: ModelConfig,
    notes: Vec<String>,
    /// The modes, counted from 1, in the order expected by the reader `ordered_by`.
    order: Vec<usize>,
    ordered_by: &'static str,
    readers: Vec<ReaderReport>,
    modes: Vec<ModeReport>,
}

#[derive(Serialize)]
struct ReaderReport {
    name: &'static str,
    about: &'static str,
    features: usize,
    penalty: f64,
}

#[derive(Serialize)]
struct ModeReport {
    s: f64,
    lambda: f64,
    rho: f64,
    participation: f64,
    /// What each reader says, in the order of `readers`.
    expected: Vec<Forecast>,
}

pub fn run(args: &ExperimentArgs, config: DeepConfig) -> Result<()> {
    let known = [TheoryKind::Auto, TheoryKind::Reader];
    if let Some(other) = config.measure.theory.iter().find(|t| !known.contains(t)) {
        let found = format!("`{}` for {}", other.name(), config.model.kind);
        return Err(Error::input(
            "measure.theory",
            "`reader`: the other theories are of linear networks",
            found,
        )
        .into());
    }
    let samples = samples(&config.data)?;
    let modes = Modes::new(&samples)?;
    let scores = READERS.iter().map(|r| ReaderScore::new(&samples, &modes, r, config.run.seed));
    let scores = scores.collect::<crate::Result<Vec<_>>>()?;
    let mut said: Vec<String> = notes::degenerate(&modes).into_iter().collect();
    said.extend(scores.iter().filter_map(|score| few(score, samples.len())));
    let ordered = scores.iter().find(|s| s.reader == FORECAST.name).expect("a reader of the ladder");
    let mut order: Vec<usize> = (1..=modes.len()).collect();
    order.sort_by_key(|mode| ordered.modes[mode - 1].place);
    let mode = |(i, m): (usize, &crate::theory::Mode)| ModeReport {
        s: m.s,
        lambda: m.lambda,
        rho: m.rho,
        participation: m.participation,
        expected: scores.iter().map(|s| s.modes[i].clone()).collect(),
    };
    let reader = |(reader, score): (&Reader, &ReaderScore)| ReaderReport {
        name: reader.name,
        about: reader.about,
        features: score.features,
        penalty: score.penalty,
    };
    let report = Report {
        data: config.data.spec.to_string(),
        samples: samples.len(),
        shape: samples.shape,
        model: config.model.clone(),
        notes: said,
        order,
        ordered_by: FORECAST.name,
        readers: READERS.iter().zip(&scores).map(reader).collect(),
        modes: modes.list.iter().enumerate().map(mode).collect(),
    };
    if args.json {
        return print_json(&report);
    }
    notes::say_all(&report.notes);
    print(table(&report).as_bytes())
}

/// Fewer images than this for each feature say little of it.
const PER_FEATURE: usize = 10;

fn few(score: &ReaderScore, images: usize) -> Option<String> {
    (images < PER_FEATURE * score.features).then(|| {
        format!(
            "{images} images for the {} features of the reader `{}`: its scores are low for that alone, and their \
             intervals do not say so",
            score.features, score.reader
        )
    })
}

fn table(report: &Report) -> String {
    let place = report.readers.iter().position(|r| r.name == report.ordered_by).unwrap_or(0);
    let mut text = format!(
        "Order in which {} should discover the {} modes of {}, without training:\n",
        report.model.kind,
        report.modes.len(),
        report.data
    );
    let order: Vec<_> = report.order.iter().map(usize::to_string).collect();
    let _ = writeln!(text, "{}  (by the reader `{}`)\n", order.join(" "), report.ordered_by);
    for reader in &report.readers {
        let _ = writeln!(text, "F {:16} {} ({} features)", reader.name, reader.about, reader.features);
    }
    let _ = write!(text, "\nmode         s      ρ   place   95 % of places");
    for reader in &report.readers {
        let _ = write!(text, "   {:>26}", format!("F {}, 95 %", reader.name));
    }
    text.push('\n');
    for (i, mode) in report.modes.iter().enumerate() {
        let expected = &mode.expected[place];
        let [first, last] = expected.places;
        let places = format!("{first:.0} to {last:.0}");
        let _ = write!(text, "{:4} {:9.4} {:6.2} {:7} {places:>16}", i + 1, mode.s, mode.rho, expected.place);
        for forecast in &mode.expected {
            let [low, high] = forecast.interval;
            let _ = write!(text, "   {:>26}", format!("{:.4} ({low:.4} to {high:.4})", forecast.score));
        }
        text.push('\n');
    }
    text
}
