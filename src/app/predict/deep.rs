//! Of a deep network: in which order it will discover the modes.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::study::{self, Like};
use crate::app::expected::{self, Expected, Kernel};
use crate::app::{load, notes, prepared, print};
use crate::cli::PredictArgs;
use crate::data::Samples;
use crate::error::Error;
use crate::field::Told;
use crate::figure::expected::{self as figure, Expected as Shown};
use crate::readers::{FORECAST, Reader, ridge};
use crate::run::config::{DeepConfig, ModelConfig, TheoryKind};
use crate::theory::Modes;
use crate::theory::deep::relative_times;
use crate::theory::reader::{ModeScore, ReaderScore};

#[derive(Serialize)]
struct Report {
    data: String,
    samples: usize,
    shape: [usize; 3],
    model: ModelConfig,
    /// The file of its initial weights, where they are not drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<std::path::PathBuf>,
    /// Of the images, and then of the forecast.
    #[serde(flatten)]
    told: Told,
    /// The modes, counted from 1, in the order expected by `ordered_by`: a reader, or
    /// `kernel` where no reader was asked for. A mode that it says nothing of comes last.
    order: Vec<usize>,
    ordered_by: &'static str,
    readers: Vec<ReaderReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<Kernel>,
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
    /// Discovery time τ over that of the earliest mode, √(max(s·ρ)/(s·ρ)) ([`relative_times`]).
    relative_time: f64,
    /// What each reader says, in the order of `readers`.
    expected: Vec<ModeScore>,
}

pub fn run(args: &PredictArgs, config: DeepConfig) -> Result<()> {
    let asked = &config.measure.theory;
    if asked.contains(&TheoryKind::None) {
        return Err(Error::input("predict", "a theory that applies", "measure.theory = [\"none\"]").into());
    }
    let (samples, modes, expected, like) = expect(&config)?;
    let mut said: Vec<String> = notes::degenerate(&modes).into_iter().collect();
    said.extend(expected.readers.iter().filter_map(|score| few(score, samples.len())));
    if expected.readers.is_empty() && expected.kernel.is_none() {
        let expected = format!("at least {} images, to fit readers to", ridge::LEAST);
        return Err(Error::input(&config.data.spec, expected, samples.len()).into());
    }
    let (ordered_by, order) = order(&modes, &expected);
    let times = relative_times(&modes.list);
    let mode = |(i, m): (usize, &crate::theory::Mode)| ModeReport {
        s: m.s,
        lambda: m.lambda,
        rho: m.rho,
        participation: m.participation,
        relative_time: times[i],
        expected: expected.readers.iter().map(|s| s.modes[i].clone()).collect(),
    };
    let reader = |score: &ReaderScore| {
        let about = Reader::named(score.reader)?.about;
        Ok(ReaderReport { name: score.reader, about, features: score.features, penalty: score.penalty })
    };
    let report = Report {
        data: config.data.spec.to_string(),
        samples: samples.len(),
        shape: samples.shape,
        model: config.model.clone(),
        weights: config.init.weights.clone(),
        told: samples.source.told.with(&said),
        order,
        ordered_by,
        readers: expected.readers.iter().map(reader).collect::<crate::Result<_>>()?,
        modes: modes.list.iter().enumerate().map(mode).collect(),
        kernel: expected.kernel,
    };
    if let Some(dir) = &args.out {
        crate::disk::create_dir(dir)?;
        figure::draw(&shown(&report, &config.data.spec.short()), &dir.join("predict.png"))?;
    }
    if super::written(args, &report)? {
        return Ok(());
    }
    notes::say_all(&said);
    print(table(&report, &like)?.as_bytes())
}

fn expect(config: &DeepConfig) -> Result<(Samples, Modes, Expected, Like)> {
    let kernel = config.measure.theory.contains(&TheoryKind::Kernel);
    if cfg!(not(feature = "torch")) && kernel {
        let found = "`kernel` in a domfreq that was built without libtorch (feature `torch`)";
        return Err(Error::input("measure.theory", "`reader`", found).into());
    }
    let set = load(&config.data.spec, &config.data.options())?;
    // The network reads the images themselves.
    #[cfg(feature = "torch")]
    let pixels = kernel.then(|| crate::train::deep::Pixels::new(set.images.view()));
    let samples = prepared(set, &config.data)?;
    let like = Like::new(&config.architecture(samples.shape, samples.outputs()))?;
    let modes = Modes::new(&samples)?;
    #[cfg_attr(not(feature = "torch"), expect(unused_mut))]
    let mut found = Expected { readers: expected::readers(config, &samples, &modes)?, kernel: None };
    #[cfg(feature = "torch")]
    if let Some(pixels) = pixels {
        found.kernel = Some(kernel_flow(config, &samples, &modes, &pixels)?);
    }
    Ok((samples, modes, found, like))
}

#[cfg(feature = "torch")]
fn kernel_flow(
    config: &DeepConfig,
    samples: &Samples,
    modes: &Modes,
    pixels: &crate::train::deep::Pixels,
) -> Result<Kernel> {
    use crate::model::device;
    use crate::run::config::AugmentConfig;
    use crate::train::deep::Images;

    crate::model::neighbours::use_threads(rayon::current_num_threads());
    let (device, _) = device::select(&config.run.device, device::arithmetic(&config.run))?;
    let kind = device::kind(config.run.dtype);
    let images = Images::new(pixels, samples, &AugmentConfig::default(), false, kind, device)?;
    let start = crate::app::network::initial(config)?;
    Ok(expected::kernel(config, samples, modes, start.as_ref(), &images, device)?)
}

fn order(modes: &Modes, expected: &Expected) -> (&'static str, Vec<usize>) {
    let mut order: Vec<usize> = (1..=modes.len()).collect();
    if let Some(score) = expected.readers.iter().find(|s| s.reader == FORECAST.name) {
        order.sort_by_key(|mode| score.modes[mode - 1].place);
        return (FORECAST.name, order);
    }
    let tau = |mode: &usize| expected.kernel.as_ref().and_then(|k| k.tau[mode - 1]).unwrap_or(f64::INFINITY);
    order.sort_by(|a, b| tau(a).total_cmp(&tau(b)));
    ("kernel", order)
}

// What the picture shows of the report.
fn shown(report: &Report, data: &str) -> Shown {
    let of = |f: &dyn Fn(&ModeReport) -> (f64, [f64; 2])| report.modes.iter().map(f).collect::<Vec<_>>();
    let reader = |(r, reader): (usize, &ReaderReport)| {
        (reader.name.to_owned(), of(&|m| (m.expected[r].score, m.expected[r].interval)))
    };
    let place = report.readers.iter().position(|r| r.name == report.ordered_by);
    Shown {
        title: format!("{} on {data}, before training", report.model.kind),
        strengths: report.modes.iter().map(|m| m.s).collect(),
        readers: report.readers.iter().enumerate().map(reader).collect(),
        places: place.map(|r| {
            (report.readers[r].name.to_owned(), of(&|m| (m.expected[r].place as f64, m.expected[r].places)))
        }),
        times: report.modes.iter().map(|m| m.relative_time).collect(),
        kernel: report.kernel.as_ref().map(|k| {
            k.relative.iter().zip(&k.relative_spread).map(|(tau, spread)| tau.zip(*spread)).collect()
        }),
    }
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

fn table(report: &Report, like: &Like) -> Result<String> {
    let mut text = format!(
        "Order in which {} should discover the {} modes of {}, without training:\n",
        report.model.kind,
        report.modes.len(),
        report.data
    );
    let order: Vec<_> = report.order.iter().map(usize::to_string).collect();
    let by = if report.readers.is_empty() { "the kernel flow" } else { "the reader" };
    let name = if report.readers.is_empty() { String::new() } else { format!(" `{}`", report.ordered_by) };
    let _ = writeln!(text, "{}  (by {by}{name})\n", order.join(" "));
    for reader in &report.readers {
        let _ = writeln!(text, "F {:16} {}; features: {}", reader.name, reader.about, reader.features);
    }
    text.push_str("τ by s·ρ           √(max(s·ρ)/(s·ρ)), relative to the earliest\n");
    if let Some(kernel) = &report.kernel {
        let from = report.weights.as_ref().map_or_else(String::new, |path| format!(" of {}", path.display()));
        let _ = writeln!(
            text,
            "τ by kernel flow   of the tangent kernel{from} on {} images: square roots of its ratios",
            kernel.samples
        );
    }
    text.push_str("\nmode         s      ρ   τ by s·ρ");
    let place = report.readers.iter().position(|r| r.name == report.ordered_by);
    if place.is_some() {
        text.push_str("   place   95 % of places");
    }
    for reader in &report.readers {
        let _ = write!(text, "   {:>26}", format!("F {}, 95 %", reader.name));
    }
    if report.kernel.is_some() {
        let _ = write!(text, "   {:>26}", "τ by kernel flow, draws");
    }
    text.push('\n');
    for (i, mode) in report.modes.iter().enumerate() {
        let _ = write!(text, "{:4} {:9.4} {:6.2} {:10.2}", i + 1, mode.s, mode.rho, mode.relative_time);
        if let Some(expected) = place.map(|place| &mode.expected[place]) {
            let [first, last] = expected.places;
            let places = format!("{first:.0} to {last:.0}");
            let _ = write!(text, " {:7} {places:>16}", expected.place);
        }
        for forecast in &mode.expected {
            let [low, high] = forecast.interval;
            let _ = write!(text, "   {:>26}", format!("{:.4} ({low:.4} to {high:.4})", forecast.score));
        }
        if let Some(kernel) = &report.kernel {
            let shown = kernel.relative[i].zip(kernel.relative_spread[i]).map_or_else(
                || "too little of it".to_owned(),
                |(tau, [low, high])| format!("{tau:.2} ({low:.2} to {high:.2})"),
            );
            let _ = write!(text, "   {shown:>26}");
        }
        text.push('\n');
    }
    let readers: Vec<_> = report.readers.iter().map(|r| r.name).collect();
    Ok(text + "\n" + &study::reliability(like, &readers, report.kernel.is_some())?)
}
