//! What is measured by showing images to the network.

use std::path::Path;

use anyhow::Result;
use ndarray::Array4;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Kind;

use super::leave_out;
use super::source::Source;
use crate::app::images::{evaluation_set, training_set};
use crate::app::prepared;
use crate::audit::adcs::{Adcs, Variant};
use crate::audit::report::{Audit, Images};
use crate::audit::shape::{self, Stimuli};
use crate::audit::subject::Subject;
use crate::audit::{Rate, bands, dominance, gradient, heatmap, profile, swap};
use crate::blueprint::Architecture;
use crate::cli::{AuditArgs, Part};
use crate::data::{self, Normalize, Samples, Spec};
use crate::disk;
use crate::error::Error;
use crate::field::{ImageSet, Targets};
use crate::model::deep::Deep;
use crate::model::{convert, device};
use crate::progress::{Progress, say};
use crate::run::RunConfig;
use crate::theory::Modes;

/// Images of a quick audit.
const QUICK_IMAGES: usize = 500;
/// Frequencies of a quick heat map.
const QUICK_FREQUENCIES: usize = 64;
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

/// Measures everything that is asked for.
pub fn look(audit: &mut Audit, source: &Source, args: &AuditArgs, out: &Path) -> Result<()> {
    if source.run.is_none() && args.data.data.is_none() {
        return Ok(());
    }
    let shown = Shown::new(source, args)?;
    let Shown { subject, .. } = &shown;
    let labelled = subject.labels.is_some();
    let accuracy = labelled.then(|| accuracy(subject)).transpose()?;
    audit.images = Some(shown.described(accuracy));
    let parts = Parts { dir: out, key: shown.key(args.seed)? };
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let progress = |label: &'static str| move |total: u64| Progress::new(label, total);

    if wanted(Part::First) {
        match first(&shown, source, args.seed) {
            Ok(profile) => audit.first = Some(profile),
            // A network whose first layer is something else has no such profile.
            Err(Error::Input { place, expected, found }) => {
                leave_out(audit, "First layer", format_args!("{place}: expected {expected}, found {found}"));
            }
            Err(e) => return Err(e.into()),
        }
    }
    let gradients = gradient::Options {
        seed: args.seed,
        images: if args.quick { 48 } else { gradient::Options::default().images },
        ..gradient::Options::default()
    };
    if wanted(Part::Jacobian) {
        audit.jacobian = Some(parts.once("jacobian", &gradients, || {
            Ok(gradient::squared(subject, &gradients, progress("Jacobians (passes)"))?.0)
        })?);
    }
    if wanted(Part::Modes) {
        if labelled {
            let samples = shown.samples()?;
            let modes = Modes::new(&samples)?;
            audit.modes = Some(parts.once("modes", &gradients, || {
                Ok(gradient::modes(subject, &samples, &modes, &gradients, progress("templates (passes)"))?.0)
            })?);
        } else {
            leave_out(audit, "Modes", "they need labels of the network's classes");
        }
    }
    if wanted(Part::Heatmap) {
        let options = shown.heatmap(args);
        audit.heatmap = Some(if args.merge {
            let merged = heatmap::merge(out)?;
            if merged.options != options {
                let expected = format!("parts made with {options:?}");
                return Err(Error::input("--merge", expected, format_args!("{:?}", merged.options)).into());
            }
            merged
        } else {
            if args.force {
                heatmap::discard(out)?;
            }
            heatmap::measure(subject, &options, Some(out), None, progress("heat map (frequencies)"))?
        });
    }
    if wanted(Part::Bands) {
        let options = bands::Options {
            radii: if args.quick { bands::radii(6) } else { bands::Options::default().radii },
            ..bands::Options::default()
        };
        audit.bands = Some(parts.once("bands", &options.radii, || Ok(bands::measure(subject, &options)?))?);
    }
    let many = subject.labels.as_ref().is_none_or(|labels| labels.iter().any(|l| *l != labels[0]));
    if wanted(Part::Swap) {
        if many {
            let options = swap::Options { seed: args.seed, ..swap::Options::default() };
            audit.swap = Some(parts.once("swap", &args.seed, || Ok(swap::measure(subject, &options)?))?);
        } else {
            leave_out(audit, "Phases against amplitudes", "they need images of two classes");
        }
    }
    if wanted(Part::Classes) {
        match &subject.labels {
            Some(labels) if many => {
                audit.adcs = Some(shown.adcs(labels, args.adcs)?);
            }
            _ => leave_out(audit, "ADCS", "it needs labels of two classes"),
        }
        let [_, h, w] = shown.set.shape();
        let passes = if args.quick { QUICK_PASSES } else { PASSES };
        let options = dominance::Options::quick(crate::spectrum::Grid::new(h, w), passes);
        let key = (options.patch, options.shares.clone());
        audit.dominance = Some(parts.once("classes", &key, || Ok(dominance::measure(subject, &options)?))?);
    }
    if let Some(dir) = &args.stimuli {
        if wanted(Part::Shape) {
            let stimuli = Stimuli::read(dir, &shown.config.data.options())?;
            audit.shape = Some(shape::measure(subject, &stimuli, shown.names.as_deref())?);
        }
    } else if args.only.contains(&Part::Shape) {
        return Err(Error::input("--only shape", "cue-conflict images (--stimuli DIR)", "none").into());
    } else if args.only.is_empty() {
        leave_out(audit, "Shape or texture", "it needs cue-conflict images (--stimuli)");
    }
    Ok(())
}

/// Computes one part of the heat map.
pub fn shard(args: &AuditArgs, source: &Source, out: &Path) -> Result<()> {
    let shown = Shown::new(source, args)?;
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

fn accuracy(subject: &Subject) -> Result<Rate> {
    let answers = subject.logits(&subject.pixels)?.f_argmax(1, false)?;
    let right = answers.f_eq_tensor(&subject.classes()?)?.f_sum(Kind::Int64)?;
    Ok(Rate::new(i64::try_from(right)? as u64, subject.len() as u64))
}

fn first(shown: &Shown, source: &Source, seed: u64) -> crate::error::Result<profile::Profile> {
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
    profile::fit(filters.view(), initial.as_ref().map(Array4::view), &components, seed)
}

impl Shown {
    fn new(source: &Source, args: &AuditArgs) -> Result<Self> {
        let (device, _) = device::select(args.device.as_deref().unwrap_or("auto"))?;
        tch::set_num_threads(i32::try_from(rayon::current_num_threads())?);
        let (mut config, set, scaling, architecture) = match &source.run {
            Some(run) => of_run(&run.config, args)?,
            None => of_file(source, args)?,
        };
        config.run.channels_last = true;
        let place = source.place.display().to_string();
        let net = Deep::with_weights(architecture, &source.dict, &place, Kind::Float, device)?;
        let outputs = net.architecture().outputs;
        let (labels, names) = match &set.targets {
            Targets::Classes { labels, names } if !args.no_labels => {
                if names.len() != outputs {
                    let expected = format!(
                        "images of the network's {outputs} classes (or --no-labels, for what needs none)"
                    );
                    let found = format!("{} classes", names.len());
                    return Err(Error::input(&config.data.spec, expected, found).into());
                }
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
            split: data.split.clone(),
            description: self.set.source.description.clone(),
            decoder: self.set.source.decoder.clone(),
            count: self.set.len(),
            shape: self.set.shape(),
            classes: self.names.clone(),
            normalize: self.normalize.to_string(),
            accuracy,
        }
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
            quick: args.quick.then_some(QUICK_FREQUENCIES),
            ..usual
        }
    }

    /// What decides on every number: program, network, images, normalisation, seed.
    fn key(&self, seed: u64) -> Result<String> {
        let of = serde_json::to_string(&self.subject.fingerprint()?)?;
        let device = format!("{:?}", self.subject.pixels.device());
        Ok(format!("{} {of} {} {seed} {device}", env!("DOMFREQ_COMMIT"), self.normalize))
    }
}

type Taken = (RunConfig, ImageSet, (Vec<f64>, Vec<f64>), Architecture);

// The split a run was evaluated on (or the one that is named), normalised as in training.
fn of_run(config: &RunConfig, args: &AuditArgs) -> Result<Taken> {
    let mut config = config.clone();
    let (samples, _) = training_set(&mut config)?;
    let split = args.data.split.clone().or(config.eval.split.take());
    config.eval.split = Some(split.unwrap_or_else(|| "test".to_owned()));
    config.eval.limit = args.data.limit.or(config.eval.limit).or(args.quick.then_some(QUICK_IMAGES));
    let set = evaluation_set(&config, &samples)?.expect("a split was given");
    config.data.split = config.eval.split.clone().unwrap_or_default();
    let architecture = Architecture::new(&config, samples.shape, samples.outputs());
    Ok((config, set, (samples.offset.to_vec(), samples.scale.clone()), architecture))
}

fn of_file(source: &Source, args: &AuditArgs) -> Result<Taken> {
    let mut config = RunConfig::default();
    config.data.split = "test".to_owned();
    args.data.apply(&mut config.data);
    config.data.normalize.get_or_insert(Normalize::Imagenet);
    config.data.center.get_or_insert(false);
    if args.quick {
        config.data.limit.get_or_insert(QUICK_IMAGES);
    }
    let spec: Spec = config.data.spec.parse()?;
    let set = data::load(&spec, &config.data.options())?;
    let shape @ [c, h, w] = set.shape();
    let architecture = match (args.arch, &source.guess) {
        (None, Ok(guess)) if guess.channels != c => {
            let expected = format!("images of {} channels, as the network's", guess.channels);
            return Err(Error::input(&config.data.spec, expected, format_args!("{c}")).into());
        }
        (None, Ok(guess)) => guess.architecture((h, w)),
        (None, Err(near)) => {
            let expected = "weights of a known network, or --arch to say which network they are of";
            return Err(Error::input(source.place.display(), expected, near).into());
        }
        (Some(kind), guess) => match guess {
            Ok(guess) if guess.kind == kind => guess.architecture((h, w)),
            _ => Architecture::usual(kind, shape, set.targets.outputs()),
        },
    };
    let samples = prepared(set.clone(), &mut config.data)?;
    Ok((config, set, (samples.offset.to_vec(), samples.scale.clone()), architecture))
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
        let text = serde_json::to_string(&serde_json::json!({ "key": key, "found": &found }))?;
        disk::write_bytes(&path, text.as_bytes())?;
        Ok(found)
    }
}
