//! What is measured by showing images to the network.

use std::path::Path;

use anyhow::Result;
use ndarray::Array4;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Kind;

use super::leave_out;
use super::source::Source;
use crate::app::images::{for_outputs, named_split, training_set};
use crate::app::prepared;
use crate::audit::adcs::{Adcs, Variant};
use crate::audit::pair::Pair;
use crate::audit::report::{Audit, Images, OnImages};
use crate::audit::shape::{self, Decision, Stimuli};
use crate::audit::subject::Subject;
use crate::audit::{Rate, bands, dominance, gradient, heatmap, profile, swap};
use crate::blueprint::Architecture;
use crate::cli::{AuditArgs, Part};
use crate::data::{self, Normalize, Outputs, Samples, Spec};
use crate::disk;
use crate::error::Error;
use crate::field::{ImageSet, Targets, repeated};
use crate::model::deep::Deep;
use crate::model::{convert, device};
use crate::progress::{Progress, say};
use crate::run::RunConfig;
use crate::theory::Modes;

/// Images of a quick audit, and frequencies of its heat map.
const QUICK: (usize, usize) = (500, 64);
/// The same where images are larger than [`LARGE`] pixels: a pass takes 50 times as long
/// at 224×224 as at 32×32.
const QUICK_LARGE: (usize, usize) = (100, 32);
const LARGE: usize = 64 * 64;
/// Most passes over the images for the importance of frequencies: as many as 32×32
/// images have frequencies. Larger images have theirs taken out in patches.
const PASSES: usize = 520;
const QUICK_PASSES: usize = 48;

/// The network with its images, and what is known of these.
struct Shown {
    subject: Subject,
    set: ImageSet,
    /// How pixels are normalised for the network.
    normalize: Normalize,
    config: RunConfig,
    /// Names of the classes, where labels count.
    names: Option<Vec<String>>,
}

/// Shows the images to the network, or to both.
pub fn on_images(
    audit: &mut Audit,
    first: &Source,
    second: Option<&Source>,
    args: &AuditArgs,
    out: &Path,
) -> Result<()> {
    if first.run.is_none() && args.data.data.is_none() {
        return Ok(());
    }
    // What is wrong with b is to be known before a has taken its hours.
    let b = match (second, &mut audit.second) {
        (Some(b), Some(found)) if first.run.is_some() != b.run.is_some() => {
            let why = "of a run and a file of weights only the weights are compared";
            leave_out(&mut found.on_images, "Images", why);
            None
        }
        (Some(b), Some(found)) => {
            let fits = Shown::new(b, args).and_then(|shown| answers(&shown.subject));
            self::found(&mut found.on_images, "Images", fits)?.map(|_| b)
        }
        _ => None,
    };
    let a = look(&mut audit.on_images, first, args, out)?;
    let (Some(b), Some(found)) = (b, &mut audit.second) else { return Ok(()) };
    let b = look(&mut found.on_images, b, args, &super::pages::second(out))?;
    // Of files they are the same, if in another number of channels.
    if first.run.is_none() || a.pixels == b.pixels && a.labels == b.labels {
        found.pair = Some(Pair::new(&a.answers, &b.answers, a.labels.as_deref()));
    } else {
        leave_out(&mut found.on_images, "Numbers side by side", "the two runs have other images");
    }
    Ok(())
}

/// A network's answers, and to what.
struct Answers {
    /// Hash of the pixels.
    pixels: String,
    labels: Option<Vec<u32>>,
    answers: Vec<u32>,
}

/// Measures everything that is asked for, and makes the folder `out`. What these
/// images or this network have not is left out, and said.
fn look(audit: &mut OnImages, source: &Source, args: &AuditArgs, out: &Path) -> Result<Answers> {
    let shown = Shown::new(source, args)?;
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let stimuli = match &args.stimuli {
        Some(dir) if wanted(Part::Shape) => shown.stimuli(dir, args, audit)?,
        _ => None,
    };
    let Shown { subject, .. } = &shown;
    let answers = answers(subject)?;
    let accuracy = subject.labels.as_ref().map(|labels| {
        let right = labels.iter().zip(&answers).filter(|(label, answer)| label == answer).count();
        Rate::new(right as u64, answers.len() as u64)
    });
    audit.images = Some(shown.described(accuracy));
    disk::create_dir(out)?;
    let parts = Parts { dir: out, key: shown.key(args.seed)? };
    let progress = |label: &'static str| move |total: u64| Progress::new(label, total);
    let outside = shown.outside();

    if wanted(Part::Heatmap) {
        let options = shown.heatmap(args);
        if let Some(why) = &outside {
            leave_out(audit, "Heat map", why);
        } else if args.merge {
            audit.heatmap = Some(heatmap::merge_of(out, subject, &options)?);
        } else {
            if args.force {
                heatmap::discard_other(out, subject, &options)?;
            }
            let progress = progress("heat map (frequencies)");
            audit.heatmap = Some(heatmap::measure(subject, &options, Some(out), None, progress)?);
        }
    }
    if wanted(Part::First) {
        let profile = first(&shown, source, args.seed);
        audit.first = found(audit, "First layer", profile)?;
    }
    let gradients = gradient::Options {
        seed: args.seed,
        images: if args.quick { 48 } else { gradient::Options::default().images },
        ..gradient::Options::default()
    };
    if wanted(Part::Jacobian) {
        let jacobian = parts.once("jacobian", &gradients, || {
            Ok(gradient::squared(subject, &gradients, progress("Jacobians (images)"))?.0)
        });
        audit.jacobian = found(audit, "Jacobian", jacobian)?;
    }
    if wanted(Part::Modes) {
        if subject.labels.is_some() {
            let modes = parts.once("modes", &gradients, || {
                let samples = shown.samples()?;
                let modes = Modes::strongest(&samples, gradients.modes)?;
                Ok(gradient::modes(subject, &samples, &modes, &gradients, progress("templates (images)"))?.0)
            });
            audit.modes = found(audit, "Modes", modes)?;
        } else {
            leave_out(audit, "Modes", "they need labels of the network's classes");
        }
    }
    if wanted(Part::Bands) {
        let options = bands::Options {
            radii: {
                let [_, h, w] = shown.set.shape();
                bands::usual(h, w, if args.quick { 6 } else { 12 })
            },
            ..bands::Options::default()
        };
        let bands = parts.once("bands", &options.radii, || Ok(bands::measure(subject, &options)?));
        audit.bands = found(audit, "Filtered images", bands)?;
    }
    if wanted(Part::Swap) {
        let options = swap::Options { seed: args.seed, ..swap::Options::default() };
        let swap = parts.once("swap", &args.seed, || Ok(swap::measure(subject, &options)?));
        audit.swap = found(audit, "Phases against amplitudes", swap)?;
    }
    if wanted(Part::Classes) {
        classes(audit, &shown, &parts, args)?;
    }
    if let Some(stimuli) = stimuli {
        let shape = shape::measure(subject, &stimuli, shown.names.as_deref()).map_err(Into::into);
        audit.shape = found(audit, "Shape or texture", shape)?;
    } else if args.stimuli.is_none() && args.only.is_empty() {
        leave_out(audit, "Shape or texture", "it needs cue-conflict images (--stimuli)");
    }
    let pixels = subject.fingerprint()?.pixels;
    Ok(Answers { pixels, labels: subject.labels.clone(), answers })
}

/// Beyond so many classes, maps of each are left out unless they are asked for: they
/// take a pass over the images for each class, and K numbers for each frequency.
const CLASSES: usize = 100;

fn classes(audit: &mut OnImages, shown: &Shown, parts: &Parts, args: &AuditArgs) -> Result<()> {
    let subject = &shown.subject;
    let count = subject.labels.as_ref().map_or(subject.net.architecture().outputs, |labels| {
        labels.iter().collect::<std::collections::BTreeSet<_>>().len()
    });
    if count > CLASSES && !args.only.contains(&Part::Classes) {
        let why = format!("maps of {count} classes are made only when asked for (--only classes)");
        leave_out(audit, "Frequencies of classes", why);
        return Ok(());
    }
    match &subject.labels {
        Some(labels) => {
            let adcs = shown.adcs(labels, args.adcs);
            audit.adcs = found(audit, "ADCS", adcs)?;
        }
        None => leave_out(audit, "ADCS", "it needs labels"),
    }
    let [_, h, w] = shown.set.shape();
    let passes = if args.quick { QUICK_PASSES } else { PASSES };
    let options = dominance::Options::quick(crate::spectrum::Grid::new(h, w), passes);
    let key = (options.patch, options.shares.clone());
    let dominance = parts.once("classes", &key, || Ok(dominance::measure(subject, &options)?));
    audit.dominance = found(audit, "Frequencies that classes need", dominance)?;
    Ok(())
}

// A part that these images, or this network, cannot have is left out: an audit of
// hours is not to be lost for it.
fn found<T>(audit: &mut OnImages, part: &str, outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(e) => match e.downcast_ref::<Error>() {
            Some(Error::Input { .. }) => {
                leave_out(audit, part, e);
                Ok(None)
            }
            _ => Err(e),
        },
    }
}

/// Computes one part of the heat map.
pub fn shard(args: &AuditArgs, source: &Source, out: &Path) -> Result<()> {
    let shown = Shown::new(source, args)?;
    if let Some(why) = shown.outside() {
        return Err(Error::input("--shard", "images with pixels in [0, 1]", why).into());
    }
    let shard = args.shard.expect("asked for");
    let progress = |total| Progress::new("heat map (frequencies)", total);
    let part = heatmap::measure(&shown.subject, &shown.heatmap(args), Some(out), Some(shard), progress)?;
    say(format_args!(
        "part {shard} of the heat map: {} frequencies, in {}",
        part.entries.len(),
        out.display()
    ));
    Ok(())
}

/// The class each image is taken for.
fn answers(subject: &Subject) -> Result<Vec<u32>> {
    let logits = subject.logits(&subject.pixels)?;
    if !bool::try_from(logits.f_isfinite()?.f_all()?)? {
        return Err(Error::input("network", "finite logits of the images", "NaN or infinite ones").into());
    }
    Ok(convert::array(&logits.f_argmax(1, false)?)?.iter().map(|&class| class as u32).collect())
}

fn first(shown: &Shown, source: &Source, seed: u64) -> Result<profile::Profile> {
    let images = shown.set.images.view();
    let tensor = profile::first_convolution(&source.dict, images.dim().1)?;
    let &[k, c, r, s] = tensor.shape() else { unreachable!("a convolution has four axes") };
    let filters = Array4::from_shape_vec((k, c, r, s), tensor.data().to_f64())
        .expect("a tensor has the numbers of its shape");
    let scale = shown.subject.scale();
    // Patches are centred: what is subtracted from the pixels does not matter.
    let (mean, std) = (vec![0.0; c], scale.to_vec());
    let components = profile::Components::new(images, (&mean, &std), [r, s], profile::PATCHES, seed)?;
    // What training has added, where that can be told.
    let initial = match &source.run {
        Some(run) => run.initial().ok().flatten(),
        None => None,
    };
    let initial =
        initial.as_ref().and_then(|dict| dict.get(tensor.name())).filter(|t| t.shape() == tensor.shape());
    let initial = initial.and_then(|t| Array4::from_shape_vec((k, c, r, s), t.data().to_f64()).ok());
    Ok(profile::fit(filters.view(), initial.as_ref().map(Array4::view), &components, seed)?)
}

impl Shown {
    fn new(source: &Source, args: &AuditArgs) -> Result<Self> {
        let (device, _) = device::select(args.device.as_deref().unwrap_or("auto"))?;
        tch::set_num_threads(i32::try_from(rayon::current_num_threads())?);
        let (config, set, scaling, architecture) = match &source.run {
            Some(run) => of_run(&run.config, args)?,
            None => of_file(source, args)?,
        };
        let place = source.place.display().to_string();
        let net = Deep::with_weights(architecture, &source.dict, &place, Kind::Float, device)?;
        let (labels, names) = match &set.targets {
            Targets::Classes { labels, names } if !args.no_labels => {
                (Some(labels.clone()), Some(names.clone()))
            }
            _ => (None, None),
        };
        let (offset, scale) = scaling;
        let subject = Subject::new(net, set.images.view(), labels, &offset, &scale)?;
        let normalize = config.data.normalize.unwrap_or(Normalize::None);
        Ok(Self { subject, set, normalize, config, names })
    }

    fn described(&self, accuracy: Option<Rate>) -> Images {
        let data = &self.config.data;
        Images {
            spec: data.spec.clone(),
            split: self.set.source.split.clone(),
            description: self.set.source.description.clone(),
            decoder: self.set.source.decoder.clone(),
            count: self.set.len(),
            shape: self.set.shape(),
            classes: self.names.clone(),
            normalize: self.normalize.to_string(),
            accuracy,
        }
    }

    /// Why images cannot be disturbed in [0, 1]; None where they can.
    fn outside(&self) -> Option<String> {
        let bad = self.set.images.iter().find(|v| !(0.0..=1.0).contains(*v))?;
        Some(format!("a pixel of {bad}, which is outside [0, 1]"))
    }

    /// How stimuli are read: all of them, in the size of the network's images.
    fn for_stimuli(&self) -> data::Options {
        let [c, h, w] = self.set.shape();
        data::Options {
            limit: None,
            limit_per_class: None,
            classes: Vec::new(),
            size: Some((h, w)),
            shorter: None,
            grey: c == 1,
            ..self.config.data.options()
        }
    }

    /// The cue-conflict images in `dir`, in as many channels as the network's; None, and
    /// said, of classes for which it cannot decide, unless it is asked for nothing else.
    fn stimuli(&self, dir: &Path, args: &AuditArgs, audit: &mut OnImages) -> Result<Option<Stimuli>> {
        let mut stimuli = Stimuli::read(dir, &self.for_stimuli())?;
        stimuli.images = repeated(stimuli.images, self.set.shape()[0]);
        let outputs = self.subject.net.architecture().outputs;
        let decision = Decision::new(outputs, self.names.as_deref(), &stimuli.names);
        if args.only.contains(&Part::Shape) {
            decision?;
            return Ok(Some(stimuli));
        }
        Ok(found(audit, "Shape or texture", decision.map_err(Into::into))?.map(|_| stimuli))
    }

    /// The images with their modes: centred, over one standard deviation.
    fn samples(&self) -> Result<Samples> {
        Ok(data::prepare(self.set.clone(), self.normalize, true)?)
    }

    fn adcs(&self, labels: &[u32], variant: Variant) -> Result<Adcs> {
        let images = self.set.images.view();
        Ok(match variant {
            Variant::Paper => Adcs::new(images, labels, variant)?,
            // The published code sees images as the network does.
            Variant::Published => {
                let seen = convert::array(&self.subject.normalised(&self.subject.pixels)?)?;
                let seen = seen.mapv(|v| v as f32).into_dimensionality().expect("images have four axes");
                Adcs::new(seen.view(), labels, variant)?
            }
        })
    }

    fn heatmap(&self, args: &AuditArgs) -> heatmap::Options {
        let [_, h, w] = self.set.shape();
        let usual = heatmap::Options::usual(h, w, args.seed);
        heatmap::Options {
            epsilon: args.epsilon.unwrap_or(usual.epsilon),
            quick: args.quick.then_some(if h * w > LARGE { QUICK_LARGE.1 } else { QUICK.1 }),
            ..usual
        }
    }

    /// What decides on every number: program, network, images, normalisation, seed.
    fn key(&self, seed: u64) -> Result<String> {
        let of = serde_json::to_string(&self.subject.fingerprint()?)?;
        let device = format!("{:?}", self.subject.pixels.device());
        let version = (env!("CARGO_PKG_VERSION"), env!("DOMFREQ_COMMIT"));
        Ok(format!("{version:?} {of} {} {seed} {device}", self.normalize))
    }
}

type Taken = (RunConfig, ImageSet, (Vec<f64>, Vec<f64>), Architecture);

// The split a run was evaluated on (or the one that is named), normalised as in training.
fn of_run(config: &RunConfig, args: &AuditArgs) -> Result<Taken> {
    let mut config = config.clone();
    let (samples, _) = training_set(&mut config)?;
    let split = args.data.split.clone().or(config.eval.split.take());
    config.eval.limit = args.data.limit.or(config.eval.limit);
    let sample = sample(args, config.eval.limit);
    if sample.is_some() {
        config.eval.limit = Some(QUICK.0);
    }
    let set = fewer(named_split(&config, &samples, split.as_deref().unwrap_or("test"), sample)?, args);
    config.run.channels_last = true;
    let architecture = Architecture::new(&config, samples.shape, samples.outputs());
    Ok((config, set, (samples.offset.to_vec(), samples.scale.clone()), architecture))
}

fn of_file(source: &Source, args: &AuditArgs) -> Result<Taken> {
    let mut config = RunConfig::default();
    config.data.split = "test".to_owned();
    args.data.apply(&mut config.data);
    config.data.normalize.get_or_insert(Normalize::Imagenet);
    config.data.center.get_or_insert(false);
    let sample = sample(args, args.data.limit);
    config.data.limit = args.data.limit.or(sample.map(|_| QUICK.0));
    let spec: Spec = config.data.spec.parse()?;
    let options = data::Options { labels: !args.no_labels, sample, ..config.data.options() };
    let outputs = args.outputs.as_deref().map(Outputs::read).transpose()?;
    let mut set = fewer(data::load(&spec, &options)?, args);
    if let Some(channels) = source.dict.channels() {
        set = set.repeated(channels);
    }
    let shape @ [c, h, w] = set.shape();
    let architecture = match (source.arch, &source.guess) {
        (None, _) => {
            let guess = source.guessed()?;
            if guess.channels != c {
                let hint = if guess.channels == 1 { " (--grey)" } else { "" };
                let expected = format!("images of {} channels, as the network's{hint}", guess.channels);
                return Err(Error::input(&config.data.spec, expected, format_args!("{c}")).into());
            }
            guess.architecture((h, w))
        }
        (Some(kind), guess) => match guess {
            Ok(guess) if guess.kind == kind => guess.architecture((h, w)),
            _ => Architecture::usual(kind, shape, head(&source.dict).unwrap_or(set.targets.outputs().max(1))),
        },
    };
    if !args.no_labels {
        let count = architecture.outputs;
        let else_ = "; --no-labels for what needs none";
        set = for_outputs(set, &config.data.spec, count, outputs.as_ref(), else_)?;
    }
    // Statistics of other data are had from any image.
    let constant =
        config.data.center == Some(false) && config.data.normalize.is_some_and(Normalize::constant);
    let some = if constant { set.thinned(1) } else { set.clone() };
    let samples = prepared(some, &mut config.data)?;
    Ok((config, set, (samples.offset.to_vec(), samples.scale.clone()), architecture))
}

// The seed by which the images of a quick audit are drawn; None where all are shown, or
// as many of the first as were asked for.
fn sample(args: &AuditArgs, limit: Option<usize>) -> Option<u64> {
    (args.quick && limit.is_none_or(|limit| limit > QUICK.0 && args.data.limit.is_none()))
        .then_some(args.seed)
}

// Fewer of large images, whose size is not known before. A limit that was asked for stays.
fn fewer(set: ImageSet, args: &AuditArgs) -> ImageSet {
    let [_, h, w] = set.shape();
    let many = args.quick && args.data.limit.is_none() && h * w > LARGE && set.len() > QUICK_LARGE.0;
    if many { set.thinned(QUICK_LARGE.0) } else { set }
}

// Outputs of the last matrix of a file.
fn head(dict: &crate::weights::StateDict) -> Option<usize> {
    dict.iter().rev().find_map(|t| if let [rows, _] = t.shape() { Some(*rows) } else { None })
}

/// Results that are kept, so that a killed audit need not compute them again.
struct Parts<'a> {
    dir: &'a Path,
    key: String,
}

/// A kept result.
#[derive(serde::Deserialize)]
struct Kept<T> {
    key: String,
    found: T,
}

/// A result to be kept.
#[derive(Serialize)]
struct Keep<'a, T> {
    key: &'a str,
    found: &'a T,
}

impl Parts<'_> {
    /// What is kept of part `name` for these options, or else what `measure` finds,
    /// which is then kept.
    fn once<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        options: &impl Serialize,
        measure: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let key = format!("{} {}", self.key, serde_json::to_string(options)?);
        let path = self.dir.join("parts").join(format!("{name}.json"));
        let kept = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept<T>>(&text).ok());
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            say(format_args!("{name}: taken from {}", path.display()));
            return Ok(kept.found);
        }
        let found = measure()?;
        disk::create_dir(&self.dir.join("parts"))?;
        let text = serde_json::to_string(&Keep { key: &key, found: &found })?;
        disk::write_bytes(&path, text.as_bytes())?;
        Ok(found)
    }
}
