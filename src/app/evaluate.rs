//! `domfreq evaluate`: loss and accuracy of a deep network, from a run or a file
//! of weights.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::Axis;
use serde::Serialize;
use tch::Kind;

use super::images::{for_outputs, named_split, training_set};
use super::{prepared, print, print_json, use_threads};
use crate::audit::Rate;
use crate::audit::guess::guess;
use crate::cli::EvaluateArgs;
use crate::data::{self, Normalize, Outputs, Samples, Spec};
use crate::error::Error;
use crate::field::ImageSet;
use crate::model::deep::{Architecture, Deep};
use crate::model::{convert, device};
use crate::progress::{Progress, say};
use crate::run::arrays::Npz;
use crate::run::config::{AugmentConfig, Dtype, InitKind};
use crate::run::{Checkpoints, RunConfig, RunDir};
use crate::train::deep::{Images, Pixels, Targets, evaluate};
use crate::weights::{Checkpoint, Origin, StateDict, safetensors};

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
    /// Mean loss per image.
    loss: f64,
    /// Share of images that are right; null without classes.
    accuracy: Option<f64>,
    /// 95 % interval of it (Wilson).
    interval: Option<[f64; 2]>,
}

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let threads = use_threads(args.threads.unwrap_or(0))?;
    tch::set_num_threads(i32::try_from(threads)?);
    let (device, _) = device::select(args.device.as_deref().unwrap_or("auto"))?;
    let source = &args.source;
    let Source { config, weights, dict, origin, samples, pixels, set } =
        if source.is_dir() { of_run(args, source)? } else { of_file(args, source)? };
    let kind = if config.run.dtype == Dtype::F64 { Kind::Double } else { Kind::Float };
    let architecture = Architecture::new(&config, samples.shape, samples.outputs());
    let net = Deep::new(architecture, InitKind::Pytorch, 0, kind, device)?;
    net.load(&dict, &weights.display().to_string())?;
    drop(dict);
    let images =
        Images::new(&pixels, &samples, &AugmentConfig::default(), config.run.channels_last, kind, device)?;
    let split = set.as_ref().map_or(&samples.source, |set| &set.source).split.clone();
    let targets = match set {
        Some(set) => Targets::of_set(&set, &samples, &config.optim, &net)?,
        None => Targets::of_samples(&samples, &config.optim, &net)?,
    };
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
        weights: weights.display().to_string(),
        origin,
        model: config.model.kind.to_string(),
        data: config.data.spec.clone(),
        split,
        normalize: config.data.normalize.unwrap_or(Normalize::None),
        samples: count,
        loss,
        accuracy,
        interval: accuracy.map(|a| Rate::new((a * count as f64).round() as u64, count as u64).interval),
    };
    if args.json { print_json(&report) } else { print(lines(&report).as_bytes()) }
}

/// Weights, and the images to evaluate them on.
struct Source {
    config: RunConfig,
    /// The file of the weights.
    weights: PathBuf,
    dict: StateDict,
    /// How the file was read; none of a run's own.
    origin: Option<Origin>,
    /// The training set of a run; of a file of weights, the images themselves.
    samples: Samples,
    pixels: Pixels,
    /// The images, where they are not `samples`.
    set: Option<ImageSet>,
}

// The newest checkpoint of a run, on the split it names (or its evaluation split),
// normalised as in training.
fn of_run(args: &EvaluateArgs, root: &Path) -> Result<Source> {
    let dir = RunDir::open(root)?;
    let mut config = RunConfig::read(&dir.config())?;
    if config.model.kind.is_linear() {
        return Err(Error::input(root.display(), "a run of a deep network", config.model.kind).into());
    }
    let own = [args.model.is_some(), args.data.data.is_some(), args.data.normalize.is_some()];
    if own.contains(&true) || args.outputs.is_some() {
        let found = "--model, --data, --normalize or --outputs beside a run, which has its own";
        return Err(Error::input("evaluate", "a run alone, or a file of weights", found).into());
    }
    if args.data.selects() {
        let expected = "--split and --limit alone beside a run, which has its own data";
        return Err(Error::input("evaluate", expected, "other options of data").into());
    }
    let checkpoints = Checkpoints::new(&dir.checkpoints());
    let Some((state, damaged)) = checkpoints.newest()? else {
        return Err(Error::input(root.display(), "a run with a checkpoint", "none").into());
    };
    damaged.iter().for_each(|e| say(format_args!("a damaged checkpoint is passed over: {e}")));
    let weights = checkpoints.weights(state.step);
    let (samples, _) = training_set(&mut config)?;
    let split = args.data.split.clone().or(config.eval.split.take());
    config.eval.limit = args.data.limit.or(config.eval.limit);
    let set = named_split(&config, &samples, split.as_deref().unwrap_or("test"), None)?;
    let pixels = Pixels::new(set.images.view());
    let dict = safetensors::read(&weights)?;
    Ok(Source { config, weights, dict, origin: None, samples, pixels, set: Some(set) })
}

fn of_file(args: &EvaluateArgs, weights: &Path) -> Result<Source> {
    let Checkpoint { dict, origin } = super::weights(weights)?;
    let mut config = RunConfig::default();
    config.data.split = "test".to_owned();
    args.data.apply(&mut config.data);
    // What weights from elsewhere were trained with, unless told otherwise.
    config.data.normalize.get_or_insert(Normalize::Imagenet);
    config.data.center.get_or_insert(false);
    match args.model {
        Some(kind) => config.model.kind = kind,
        None => {
            let guessed = guess(&dict).map_err(|near| {
                let expected = "weights of a known network, or --model to say which network they are of";
                Error::input(weights.display(), expected, near)
            })?;
            say(format_args!("{}: {guessed}, by its names and shapes", weights.display()));
            guessed.apply(&mut config.model);
        }
    }
    args.network.apply(&mut config);
    config.check()?;
    config.resolve();
    let spec: Spec = config.data.spec.parse()?;
    let outputs = args.outputs.as_deref().map(Outputs::read).transpose()?;
    let mut set = data::load(&spec, &config.data.options())?;
    match (guess(&dict), &outputs) {
        (Ok(guessed), _) => {
            set = for_outputs(set, &config.data.spec, guessed.classes, outputs.as_ref(), "")?;
        }
        (Err(_), Some(outputs)) => set = outputs.matched(set)?,
        (Err(_), None) => {}
    }
    if let Some(channels) = dict.channels() {
        set = set.repeated(channels);
    }
    let pixels = Pixels::new(set.images.view());
    let samples = prepared(set, &mut config.data)?;
    let weights = weights.to_path_buf();
    Ok(Source { config, weights, dict, origin: Some(origin), samples, pixels, set: None })
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
