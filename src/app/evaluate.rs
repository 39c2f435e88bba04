//! `domfreq evaluate`: loss and accuracy of a deep network, from a run or a file
//! of weights.

use anyhow::Result;
use ndarray::Axis;
use serde::Serialize;

use super::network::{From, Loaded, Stored, Which, is_run};
use super::{print, print_json, use_threads};
use crate::audit::Rate;
use crate::cli::EvaluateArgs;
use crate::data::Normalize;
use crate::field::Told;
use crate::model::deep::Deep;
use crate::model::{convert, device};
use crate::progress::{Progress, say};
use crate::run::arrays::Npz;
use crate::run::config::AugmentConfig;
use crate::train::deep::{Images, Pixels, Targets, evaluate};
use crate::weights::Origin;

/// What comes out.
#[derive(Serialize)]
struct Report {
    weights: String,
    /// What was taken of a file from elsewhere; null for a run.
    origin: Option<Origin>,
    model: String,
    data: String,
    /// Null of a set that is stored in one piece.
    split: Option<String>,
    /// How pixels were normalised.
    normalize: Normalize,
    samples: usize,
    #[serde(flatten)]
    told: Told,
    /// Mean loss per image.
    loss: f64,
    /// Share of images that are right; null without classes.
    accuracy: Option<f64>,
    /// 95 % interval of it (Wilson).
    interval: Option<[f64; 2]>,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let threads = use_threads(args.threads.unwrap_or(0))?;
    crate::model::neighbours::use_threads(threads);
    let (device, _) =
        device::select(args.device.as_deref().unwrap_or("auto"), device::Arithmetic::default())?;
    args.shown.check("evaluate", is_run(&args.source))?;
    let stored = Stored::open(&args.source, &args.shown, false)?;
    let weights = stored.place.display().to_string();
    if let From::File { said: None, guess: Ok(guess), .. } = &stored.from {
        say(format_args!("{weights}: {guess}, by its names and shapes"));
    }
    let which = Which { labels: true, instead: "", sample: None, channels_last: None };
    let (Loaded { config, set, samples }, architecture) = stored.load(&args.shown, which)?;
    let origin = stored.origin().cloned();
    let Stored { dict, .. } = stored;
    let kind = device::kind(config.run.dtype);
    let net = Deep::with_weights(architecture, &dict, &weights, kind, device)?;
    drop(dict);
    let pixels = Pixels::new(set.images.view());
    let images =
        Images::new(&pixels, &samples, &AugmentConfig::default(), config.run.channels_last, kind, device)?;
    let targets = Targets::of_set(&set, &samples, &config.optim, &net)?;
    let rows: Vec<usize> = (0..images.len()).collect();
    let progress = Progress::new("evaluating (images)", rows.len() as u64);
    let mut logits = Vec::new();
    let (loss, accuracy) = evaluate(&net, &images, &targets, &rows, false, |part| {
        progress.inc(part.size()[0] as u64);
        logits.push(convert::matrix(part)?);
        Ok(())
    })?;
    drop(progress);
    if let Some(out) = &args.logits {
        let parts: Vec<_> = logits.iter().map(|part| part.view()).collect();
        let npz = Npz::default().with("logits", ndarray::concatenate(Axis(0), &parts)?.view());
        let labels = targets.labels.as_ref().map(convert::array).transpose()?;
        match labels {
            Some(labels) => npz.with("labels", labels.mapv(|l| l as i64).view()).write(out)?,
            None => npz.write(out)?,
        }
    }
    let count = images.len();
    let report = Report {
        weights,
        origin,
        model: config.model.kind.to_string(),
        data: config.data.spec.to_string(),
        split: set.source.split.clone(),
        normalize: config.data.normalize(),
        samples: count,
        told: set.source.told.clone(),
        loss,
        accuracy,
        interval: accuracy.map(|a| Rate::new((a * count as f64).round() as u64, count as u64).interval),
    };
    if args.json { print_json(&report) } else { print(lines(&report).as_bytes()) }
}

fn lines(report: &Report) -> String {
    let Report { weights, model, data, split, normalize, samples, loss, .. } = report;
    let split = split.as_deref().unwrap_or("no splits");
    let mut text =
        format!("{model} from {weights}\non {samples} images of {data} ({split}), normalised: {normalize}\n");
    text += &format!("loss {loss:.4}\n");
    if let (Some(accuracy), Some([low, high])) = (report.accuracy, report.interval) {
        let percent = |v: f64| 100.0 * v;
        text += &format!(
            "accuracy {:.2} % (95 % interval {:.2} to {:.2})\n",
            percent(accuracy),
            percent(low),
            percent(high)
        );
    }
    text
}
