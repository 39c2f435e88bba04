//! What is measured by showing images to the networks, and how much of it a given time is enough for.

use std::cell::OnceCell;

use super::*;
use crate::app::network::{Loaded, Sample, Which};
use crate::audit::net::Net;
use crate::audit::pair::Pair;
use crate::audit::parts::heatmap;
use crate::audit::parts::{Effort, Found, Look, MOST, Plan, QUICK, Sizes, Times, Within, large};
use crate::audit::report::Images;
use crate::audit::subject::Subject;
use crate::audit::{Clean, Fingerprint};
use crate::data::{Normalize, Outputs};
use crate::field::{ImageSet, Targets};
use crate::model::device;
use crate::run::RunConfig;

pub fn program(args: &AuditArgs, path: &Path) -> Result<Stored> {
    Stored::program(path, &args.shown)
}

pub fn initial(stored: &Stored) -> Result<Option<StateDict>> {
    stored.run().map_or(Ok(None), |run| run.initial())
}

/// Shows the images to the network, or to both.
pub fn on_images(
    audit: &mut Audit,
    first: &Stored,
    second: Option<&Stored>,
    args: &AuditArgs,
    out: &Path,
    start: Instant,
) -> Result<()> {
    let runs = first.run().is_some();
    if !runs && args.shown.data.data.is_none() {
        return Ok(());
    }
    // What is wrong with b is to be known before a has taken its hours. Then it makes room.
    let mut times = Times::default();
    let b = match (second, &mut audit.second) {
        (Some(b), Some(found)) if runs != b.run().is_some() => {
            let why = "of a run and a file of weights only the weights are compared";
            found.on_images.left_out.push(LeftOut::say("Images", why));
            None
        }
        (Some(b), Some(found)) => match Opened::new(b, args).and_then(|opened| opened.tried(args)) {
            Ok(more) => {
                times = more;
                Some(b)
            }
            Err(e) if matches!(e.downcast_ref(), Some(Error::Input { .. } | Error::Lacking { .. })) => {
                found.on_images.left_out.push(LeftOut::say("Images", e));
                None
            }
            Err(e) => return Err(e),
        },
        _ => None,
    };
    let opened = Opened::new(first, args)?;
    let plan = match args.quick {
        None => Plan::default(),
        Some(Quick::Usual) => Plan { effort: Effort::Quick, ..Plan::default() },
        // Both networks are shown the same.
        Some(Quick::Within(seconds)) => {
            let times = times + opened.times(args)?;
            let (plan, within) = opened.plan(times, args, seconds, start);
            audit.within = Some(within);
            plan
        }
    };
    audit.effort = Some(plan.effort);
    let a = look(&mut audit.on_images, opened.shown(plan)?, first, args, out)?;
    let (Some(b), Some(found)) = (b, &mut audit.second) else { return Ok(()) };
    let shown = Opened::new(b, args)?.shown(plan)?;
    let b = look(&mut found.on_images, shown, b, args, &report::second(out))?;
    // Of files they are the same, if in another number of channels.
    if !runs || a.pixels == b.pixels && a.labels == b.labels {
        found.pair = Some(Pair::new(&a.answers, &b.answers, a.labels.as_deref()));
    } else {
        let why = LeftOut::say("Numbers side by side", "the two runs have other images");
        found.on_images.left_out.push(why);
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

/// Measures everything that is asked for, and makes the folder `out`.
fn look(on: &mut OnImages, shown: Shown, stored: &Stored, args: &AuditArgs, out: &Path) -> Result<Answers> {
    disk::create_dir(out)?;
    on.images = Some(shown.images());
    let (found, left) = shown.with_look(stored, args, out, Found::measure)?;
    on.found = found;
    on.left_out.extend(left);
    let Shown { fingerprint, subject, clean, .. } = shown;
    Ok(Answers { pixels: fingerprint.pixels, labels: subject.labels, answers: clean.predictions })
}

/// Computes one part of the heat map.
pub fn shard(args: &AuditArgs, stored: &Stored, out: &Path) -> Result<()> {
    let effort = if args.quick.is_some() { Effort::Quick } else { Effort::Full };
    let shown = Opened::new(stored, args)?.shown(Plan { effort, ..Plan::default() })?;
    let shard = args.shard.expect("asked for");
    let part = shown.with_look(stored, args, out, |look| heatmap::shard(look, shard))?;
    let count = part.entries.len();
    say(format_args!("part {shard} of the heat map: {count} frequencies, in {}", out.display()));
    Ok(())
}

/// The network with its images, and its answers to them.
struct Shown {
    config: RunConfig,
    set: ImageSet,
    subject: Subject,
    fingerprint: Fingerprint,
    clean: Clean,
    /// Names of the classes, where labels count.
    names: Option<Vec<String>>,
    /// Names of the outputs, where labels do not count.
    outputs: Option<Vec<String>>,
    plan: Plan,
}

/// The network and its images, before anything is shown.
struct Opened {
    loaded: Loaded,
    net: Net,
    /// Whether labels count.
    labels: bool,
    /// Names of the outputs, where they are said and labels do not count.
    outputs: Option<Vec<String>>,
}

// In the unit that it has digits in.
fn time(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.0} µs", 1e6 * seconds) } else { format!("{:.1} ms", 1e3 * seconds) }
}

/// Share of the time for what is neither a pass nor a filter: pictures, the report.
const BESIDE: f64 = 0.15;

impl Opened {
    fn new(stored: &Stored, args: &AuditArgs) -> Result<Self> {
        let (device, _) =
            device::select(args.device.as_deref().unwrap_or("auto"), device::Arithmetic::default())?;
        crate::model::neighbours::use_threads(rayon::current_num_threads());
        let which = Which {
            labels: !args.no_labels,
            instead: "; --no-labels for what needs none",
            sample: args.quick.map(|quick| Sample {
                seed: args.seed,
                most: if quick == Quick::Usual { QUICK } else { MOST },
            }),
            channels_last: Some(true),
        };
        let (loaded, net) = stored.network(&args.shown, which, device)?;
        let outputs = args.shown.outputs.as_ref().filter(|_| args.no_labels);
        let outputs = outputs.map(|file| Outputs::read(file)).transpose()?;
        outputs.iter().try_for_each(|outputs| outputs.check(net.outputs()))?;
        let outputs = outputs.map(|outputs| outputs.names());
        Ok(Self { loaded, net, labels: !args.no_labels, outputs })
    }

    /// What an image takes; nothing where that does not matter.
    fn times(&self, args: &AuditArgs) -> Result<Times> {
        let within = matches!(args.quick, Some(Quick::Within(_)));
        Ok(if within { Times::measure(&self.net)? } else { Times::default() })
    }

    /// [`Self::times`], and whether its answers are any: to all images or, where there is little time, to some.
    fn tried(self, args: &AuditArgs) -> Result<Times> {
        const FEW: usize = 16;
        let times = self.times(args)?;
        let images = matches!(args.quick, Some(Quick::Within(_))).then_some(FEW);
        self.shown(Plan { images, ..Plan::default() })?;
        Ok(times)
    }

    /// What is left of `seconds` is enough for, where an image takes `times`.
    fn plan(&self, times: Times, args: &AuditArgs, seconds: f64, start: Instant) -> (Plan, Within) {
        let [_, h, w] = self.loaded.set.shape();
        let sizes = Sizes {
            size: (h, w),
            outputs: self.net.outputs(),
            classes: match &self.loaded.set.targets {
                Targets::Classes { labels, .. } if self.labels => {
                    labels.iter().collect::<std::collections::BTreeSet<_>>().len()
                }
                _ => self.net.outputs(),
            },
        };
        let classes = Some(sizes.classes);
        let cost = |effort| Found::cost(&args.ask(&Plan { effort, ..Plan::default() }), &sizes);
        let elapsed = start.elapsed().as_secs_f64();
        let left = (1.0 - BESIDE) * seconds - elapsed;
        let (plan, takes) = Plan::within(left, times, self.loaded.set.len(), large(h, w), cost);
        let images = plan.images.unwrap_or_default();
        let effort = format!("{:?}", plan.effort).to_lowercase();
        let planned_s = (takes + elapsed) / (1.0 - BESIDE);
        let each = format!("{} a pass, {} a filter", time(times.pass), time(times.filter));
        // What was cut to whole images takes a little less.
        let within = if takes > left.max(0.0) {
            say(format_args!(
                "warning: {seconds} s were asked for; the least there is, {images} images ({effort}) at {each}, \
                 takes about {planned_s:.0} s (--only looks at some parts alone)"
            ));
            Within { asked_s: seconds, planned_s }
        } else {
            say(format_args!("{seconds} s are enough for {images} images ({effort}) at {each}"));
            Within { asked_s: seconds, planned_s: planned_s.min(seconds) }
        };
        (Plan { classes, ..plan }, within)
    }

    fn shown(self, plan: Plan) -> Result<Shown> {
        let Self { loaded: Loaded { config, set, samples }, net, labels, outputs } = self;
        let set = match plan.images {
            Some(images) if images < set.len() => set.thinned(images),
            _ => set,
        };
        let (labels, names) = match &set.targets {
            Targets::Classes { labels: of, names } if labels => (Some(of.clone()), Some(names.clone())),
            _ => (None, None),
        };
        let offset = samples.offset.to_vec();
        let subject = Subject::new(net, set.images.view(), labels, &offset, &samples.scale)?;
        let (fingerprint, clean) = (subject.fingerprint()?, Clean::new(&subject)?);
        Ok(Shown { config, set, subject, fingerprint, clean, names, outputs, plan })
    }
}

impl Shown {
    fn normalize(&self) -> Normalize {
        self.config.data.normalize()
    }

    fn images(&self) -> Images {
        let (set, data) = (&self.set, &self.config.data);
        Images {
            spec: data.spec.to_string(),
            split: set.source.split.clone(),
            description: set.source.description.clone(),
            decoder: set.source.decoder.clone(),
            told: set.source.told.clone(),
            count: set.len(),
            shape: set.shape(),
            classes: self.names.clone(),
            normalize: self.normalize().to_string(),
            accuracy: self.clean.accuracy(),
        }
    }

    fn with_look<T>(
        &self,
        stored: &Stored,
        args: &AuditArgs,
        out: &Path,
        f: impl FnOnce(&Look) -> crate::error::Result<T>,
    ) -> Result<T> {
        let look = Look {
            subject: &self.subject,
            fingerprint: &self.fingerprint,
            clean: &self.clean,
            set: &self.set,
            data: self.config.data.options(),
            normalize: self.normalize(),
            names: self.names.as_deref().or(self.outputs.as_deref()),
            weights: &stored.dict,
            initial: &|| initial(stored).ok().flatten(),
            ask: &args.ask(&self.plan),
            out,
            stimuli: OnceCell::new(),
            masked: OnceCell::new(),
        };
        Ok(f(&look)?)
    }
}
