//! `domfreq audit`: which frequencies a network lives on.

mod submit;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::network::{From, Stored, is_run};
use super::{print, use_threads};
use crate::audit::layers::{self, Layers, Series};
use crate::audit::parts::{LeftOut, Name, Quick};
use crate::audit::report::{self, Audit, Network, OnImages, SCHEMA, Second};
use crate::cli::{AuditArgs, SlurmArgs};
use crate::disk;
use crate::error::{Error, shown};
use crate::page::Page;
use crate::progress::say;
use crate::run::{Checkpoints, RunDir};
use crate::weights::{StateDict, listed};

pub fn run(args: &AuditArgs) -> Result<()> {
    let start = Instant::now();
    let alone = stimuli_alone(args);
    let args = alone.as_ref().unwrap_or(args);
    check(args)?;
    use_threads(args.threads)?;
    let first = open(args, &args.weights[0], false)?;
    for (flag, given) in [("--shard", args.shard.is_some()), ("--submit", args.submit.is_some())] {
        if given && args.weights.len() > 1 {
            let found = "two (the second's parts are those of an audit of its own, in OUT/second)";
            return Err(Error::input(flag, "one network at a time", found).into());
        }
    }
    let second = args.weights.get(1).map(|path| open(args, path, true)).transpose()?;
    let networks: Vec<&Stored> = std::iter::once(&first).chain(&second).collect();
    if args.torchscript && networks.iter().all(|stored| stored.program.is_none()) {
        say("--torchscript: no file is a program of TorchScript, none is run");
    }
    let out = args.out.clone().unwrap_or_else(|| folder(&args.weights, &networks));
    if let Some(parts) = args.submit {
        return submit::run(args, parts, &out);
    }
    if args.shard.is_some() {
        return shard(args, &first, &out);
    }
    // Spectra compare on one grid.
    let grid = layers::grid(std::iter::once(&first.dict).chain(second.as_ref().map(|s| &s.dict)));
    let options = layers::Options { seed: args.seed, grid: Some(grid), ..layers::Options::default() };
    let of = |stored: &Stored| match layers::audit(stored.place.display(), &stored.dict, &options) {
        // A program may have its numbers in its code, or none that are kernels.
        Err(Error::Input { .. }) if stored.program.is_some() && stored.dict.channels().is_none() => {
            Ok(Layers::none(&options))
        }
        found => found,
    };
    let mut audit = Audit {
        schema: SCHEMA,
        version: super::version(),
        seed: args.seed,
        quick: args.quick.is_some(),
        effort: None,
        within: None,
        layers: of(&first)?,
        network: network(&first),
        second: second.as_ref().map(|b| compared(&first, b, of)).transpose()?,
        series: None,
        on_images: OnImages::default(),
    };
    left_out(&audit.layers, &first);
    if let (Some(found), Some(second)) = (&audit.second, &second) {
        left_out(&found.layers, second);
    }
    if let Some(run) = first.run() {
        audit.series = series(&run.dir, initial(&first)?, &options)?;
    }
    on_images(&mut audit, &first, second.as_ref(), args, &out, start)?;
    // Drawing takes memory as well, and weights may have much of it.
    drop((first, second));
    disk::create_dir(&out)?;
    report::clear(&out)?;
    let page = audit.page(&out)?;
    let file = out.join(report::PAGE);
    page.write(&file)?;
    audit.write(&out)?;
    say(format_args!("wrote {}", file.display()));
    if args.json {
        let mut text = serde_json::to_string_pretty(&audit)?;
        text.push('\n');
        return print(text.as_bytes());
    }
    print(lines(&page, &file).as_bytes())
}

fn open(args: &AuditArgs, path: &Path, second: bool) -> Result<Stored> {
    if args.torchscript && crate::weights::is_program(path)? {
        program(args, path)
    } else {
        Stored::open(path, &args.shown, second)
    }
}

// Says which tensors might have been convolutions and were none.
fn left_out(layers: &Layers, stored: &Stored) {
    if !layers.skipped.is_empty() {
        let skipped = layers.skipped.iter().map(|s| format!("{} ({})", shown(&s.name), s.reason));
        say(format_args!("{}: left out: {}", stored.place.display(), listed(skipped)));
    }
}

// Cue-conflict images are images, too: where there are no others, those are shown, and nothing else is asked.
fn stimuli_alone(args: &AuditArgs) -> Option<AuditArgs> {
    let dir = args.stimuli.as_ref()?;
    let others = args.only.iter().any(|part| *part != Name::shape)
        || [args.shard.is_some(), args.merge, args.submit.is_some()].contains(&true);
    if is_run(&args.weights[0]) || args.shown.data.data.is_some() || others {
        return None;
    }
    let mut args = args.clone();
    args.shown.data.data = Some(format!("folder:{}", dir.display()));
    (args.no_labels, args.only) = (true, vec![Name::shape]);
    Some(args)
}

// What no file is needed for to see that it is wrong.
fn check(args: &AuditArgs) -> Result<()> {
    if args.epsilon.is_some_and(|e| !(e.is_finite() && e > 0.0)) {
        let found = args.epsilon.unwrap_or_default();
        return Err(Error::input("--epsilon", "a positive number", found).into());
    }
    let parts = [args.shard.is_some(), args.merge, args.submit.is_some()];
    if matches!(args.quick, Some(Quick::Within(_))) && parts.contains(&true) {
        let expected = "no time, beside --shard, --merge and --submit: the parts must be of the same map";
        return Err(Error::input("--quick", expected, "one").into());
    }
    if args.only.contains(&Name::shape) && args.stimuli.is_none() {
        return Err(Error::input("--only shape", "cue-conflict images (--stimuli DIR)", "none").into());
    }
    if args.submit.is_none() && args.slurm != SlurmArgs::default() {
        return Err(Error::input("--submit", "a number of parts, beside options of SLURM", "none").into());
    }
    let (runs, shown) = (is_run(&args.weights[0]), &args.shown);
    if !runs && shown.data.data.is_none() {
        let needs = [
            ("--shard", args.shard.is_some()),
            ("--submit", args.submit.is_some()),
            ("--merge", args.merge),
            ("--only", !args.only.is_empty()),
            ("--model", shown.model.is_some()),
            ("a switch of the network", shown.switches.any()),
            ("--no-labels", args.no_labels),
            ("--quick with a time", matches!(args.quick, Some(Quick::Within(_)))),
            ("--outputs", shown.outputs.is_some()),
            ("--normalize", shown.data.normalize.is_some()),
            ("--split", shown.data.split.is_some()),
            ("--limit", shown.data.limit.is_some()),
            ("an option of data", shown.data.selects()),
        ];
        if let Some((flag, _)) = needs.iter().find(|(_, given)| *given) {
            return Err(Error::input(*flag, "images to show the network (--data)", "none").into());
        }
    }
    shown.check("audit", runs)
}

// Of a run its name, of a file its own, with that of its folder where files are usually called so;
// checkpoints of runs are named by their folder.
fn name(path: &Path) -> String {
    const USUAL: [&str; 12] = [
        "model",
        "pytorch_model",
        "model_best",
        "best_model",
        "best",
        "last",
        "latest",
        "checkpoint",
        "ckpt",
        "state_dict",
        "net",
        "final",
    ];
    let own = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let own = own.unwrap_or_else(|| "audit".as_ref()).to_string_lossy().into_owned();
    // "model.safetensors.index"
    let own = own.split('.').next().filter(|first| USUAL.contains(first)).map_or(own.clone(), str::to_owned);
    let parent = path.parent().and_then(Path::file_name).map(|p| p.to_string_lossy().into_owned());
    match parent {
        Some(parent) if own == "weights" => parent,
        Some(parent) if USUAL.contains(&own.as_str()) => format!("{parent}-{own}"),
        _ => own,
    }
}

// In audits, under their names; under those and the start of their hash where there is a report on
// others of the same name.
fn folder(weights: &[PathBuf], networks: &[&Stored]) -> PathBuf {
    let names: Vec<_> = weights.iter().map(|path| name(path)).collect();
    let folder = Path::new("audits").join(names.join("-vs-"));
    let Ok(audit) = Audit::read(&folder) else { return folder };
    let hashes: Vec<String> = networks.iter().map(|stored| stored.hash()).collect();
    let same = {
        let second = audit.second.as_ref().map(|second| &second.network.hash);
        // Checkpoints of a run follow each other.
        let of_runs = audit.network.origin.is_none() && networks.iter().all(|stored| stored.run().is_some());
        of_runs || std::iter::once(&audit.network.hash).chain(second).eq(&hashes)
    };
    if same {
        return folder;
    }
    let with: Vec<_> =
        names.iter().zip(&hashes).map(|(name, hash)| format!("{name}-{}", &hash[..8])).collect();
    Path::new("audits").join(with.join("-vs-"))
}

fn network(stored: &Stored) -> Network {
    let (architecture, how) = stored.known();
    Network {
        weights: stored.place.display().to_string(),
        origin: match &stored.from {
            From::File { origin, .. } => Some((**origin).clone()),
            From::Run(_) => None,
        },
        hash: stored.hash(),
        tensors: stored.dict.len(),
        numbers: stored.dict.iter().map(|t| t.data().len()).sum(),
        architecture,
        how: Some(how.to_owned()),
    }
}

fn compared(
    first: &Stored,
    second: &Stored,
    of: impl Fn(&Stored) -> crate::error::Result<Layers>,
) -> Result<Second> {
    let (a, b) = (of(first)?, of(second)?);
    let comparison = layers::compare(&a, &b, Some((&first.dict, &second.dict)))?;
    Ok(Second { network: network(second), layers: b, comparison, on_images: OnImages::default(), pair: None })
}

// The initial weights and all checkpoints of a run; None where that is a single one.
fn series(dir: &RunDir, initial: Option<StateDict>, options: &layers::Options) -> Result<Option<Series>> {
    // Only measured numbers are drawn over time.
    let options = layers::Options { draws: 0, ..*options };
    let mut steps = Vec::new();
    let mut all = Vec::new();
    if let Some(weights) = initial {
        steps.push(0);
        all.push(layers::audit("the initial weights", &weights, &options)?);
    }
    let checkpoints = Checkpoints::new(&dir.checkpoints());
    for step in checkpoints.steps()? {
        let path = checkpoints.weights(step);
        let weights = checkpoints.state(step).and_then(|_| crate::weights::safetensors::read(&path));
        match weights.and_then(|weights| layers::audit(path.display(), &weights, &options)) {
            Ok(layers) => {
                steps.push(step);
                all.push(layers);
            }
            Err(e) => say(format_args!("a damaged checkpoint is passed over: {e}")),
        }
    }
    if all.len() < 2 {
        return Ok(None);
    }
    Ok(Some(Series { traces: layers::traces(&all)?, steps }))
}

// The findings for a terminal.
fn lines(page: &Page, report: &Path) -> String {
    let findings: Vec<_> = page.findings.iter().map(|finding| format!("- {finding}\n")).collect();
    let (title, subtitle) = (&page.title, &page.subtitle);
    format!("{title}\n{subtitle}\n\n{}\nreport: {}\n", findings.concat(), report.display())
}

#[cfg(feature = "torch")]
use shown::{initial, on_images, program, shard};

/// What is measured by showing images to the networks.
#[cfg(feature = "torch")]
mod shown {
    use std::cell::OnceCell;

    use tch::{Kind, Tensor};

    use super::*;
    use crate::app::network::{Loaded, Sample, Which};
    use crate::audit::net::Net;
    use crate::audit::pair::Pair;
    use crate::audit::parts::heatmap;
    use crate::audit::parts::{Effort, Found, Look, MOST, Plan, QUICK, Sizes, Within, large};
    use crate::audit::report::Images;
    use crate::audit::subject::{Subject, chunk};
    use crate::audit::{Clean, Fingerprint};
    use crate::data::{Normalize, Outputs};
    use crate::field::{ImageSet, Targets};
    use crate::model::deep::Deep;
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
        let mut pass = 0.0;
        let b = match (second, &mut audit.second) {
            (Some(b), Some(found)) if runs != b.run().is_some() => {
                let why = "of a run and a file of weights only the weights are compared";
                found.on_images.left_out.push(LeftOut::say("Images", why));
                None
            }
            (Some(b), Some(found)) => match Opened::new(b, args).and_then(|opened| opened.tried(args)) {
                Ok(seconds) => {
                    pass += seconds;
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
                let pass = pass + opened.seconds(args)?;
                let (plan, within) = opened.plan(pass, args, seconds, start);
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
    fn look(
        on: &mut OnImages,
        shown: Shown,
        stored: &Stored,
        args: &AuditArgs,
        out: &Path,
    ) -> Result<Answers> {
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

    /// Passes that are timed take so long.
    const TIMED: f64 = 0.5;
    /// Share of the time for what is no pass: filters, pictures, the report.
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
            let (loaded, net): (_, Net) = if stored.program.is_some() {
                let (loaded, script) = stored.load_program(&args.shown, which, device)?;
                (loaded, script.into())
            } else {
                let (loaded, architecture) = stored.load(&args.shown, which)?;
                let place = stored.place.display().to_string();
                let net = Deep::with_weights(architecture, &stored.dict, &place, Kind::Float, device)?;
                (loaded, net.into())
            };
            let outputs = args.shown.outputs.as_ref().filter(|_| args.no_labels);
            let outputs = outputs.map(|file| Outputs::read(file)).transpose()?;
            outputs.iter().try_for_each(|outputs| outputs.check(net.outputs()))?;
            let outputs = outputs.map(|outputs| outputs.names());
            Ok(Self { loaded, net, labels: !args.no_labels, outputs })
        }

        /// Seconds that an image takes through the network; 0 where that does not matter.
        fn seconds(&self, args: &AuditArgs) -> Result<f64> {
            if !matches!(args.quick, Some(Quick::Within(_))) {
                return Ok(0.0);
            }
            let _no_grad = tch::no_grad_guard();
            let [c, h, w] = self.net.shape();
            let count = chunk([c, h, w], self.net.device());
            let x = Tensor::f_zeros(
                [count as i64, c as i64, h as i64, w as i64],
                (Kind::Float, self.net.device()),
            );
            let x = self.net.laid_out(x.map_err(Error::from)?)?;
            let pass = || self.net.forward(&x).and_then(|z| Ok(f64::try_from(z.f_sum(Kind::Double)?)?));
            // The first one prepares the kernels.
            pass()?;
            let (start, mut passes) = (Instant::now(), 0);
            while passes == 0 || start.elapsed().as_secs_f64() < TIMED {
                pass()?;
                passes += 1;
            }
            Ok(start.elapsed().as_secs_f64() / (passes * count) as f64)
        }

        /// [`Self::seconds`], and whether its answers are any: to all images or, where there is little time, to some.
        fn tried(self, args: &AuditArgs) -> Result<f64> {
            const FEW: usize = 16;
            let seconds = self.seconds(args)?;
            let images = matches!(args.quick, Some(Quick::Within(_))).then_some(FEW);
            self.shown(Plan { images, ..Plan::default() })?;
            Ok(seconds)
        }

        /// What is left of `seconds` is enough for, where an image takes `pass` seconds.
        fn plan(&self, pass: f64, args: &AuditArgs, seconds: f64, start: Instant) -> (Plan, Within) {
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
            let (plan, takes) = Plan::within(left, pass, self.loaded.set.len(), large(h, w), cost);
            let images = plan.images.unwrap_or_default();
            let effort = format!("{:?}", plan.effort).to_lowercase();
            let planned_s = (takes + elapsed) / (1.0 - BESIDE);
            let each = 1e3 * pass;
            // What was cut to whole images takes a little less.
            let within = if takes > left.max(0.0) {
                say(format_args!(
                    "warning: {seconds} s were asked for; the least there is, {images} images ({effort}) at {each:.1} ms, \
                     takes about {planned_s:.0} s (--only looks at some parts alone)"
                ));
                Within { asked_s: seconds, planned_s }
            } else {
                say(format_args!(
                    "{seconds} s are enough for {images} images ({effort}) at {each:.1} ms each"
                ));
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
            };
            Ok(f(&look)?)
        }
    }
}

/// The core alone shows nothing to networks.
#[cfg(not(feature = "torch"))]
use without::{initial, on_images, program, shard};

#[cfg(not(feature = "torch"))]
mod without {
    use super::*;

    const NONE: &str =
        "this domfreq was built without libtorch (feature `torch`): it shows no images to networks";

    pub fn program(_: &AuditArgs, _: &Path) -> Result<Stored> {
        anyhow::bail!(NONE)
    }

    pub fn initial(_: &Stored) -> Result<Option<StateDict>> {
        Ok(None)
    }

    pub fn shard(_: &AuditArgs, _: &Stored, _: &Path) -> Result<()> {
        anyhow::bail!(NONE)
    }

    pub fn on_images(
        audit: &mut Audit,
        first: &Stored,
        _: Option<&Stored>,
        args: &AuditArgs,
        _: &Path,
        _: Instant,
    ) -> Result<()> {
        if args.shown.data.data.is_some() || !args.only.is_empty() || args.merge {
            anyhow::bail!(NONE);
        }
        if first.run().is_some() {
            let why = "this domfreq was built without libtorch";
            audit.on_images.left_out.push(LeftOut::say("Images", why));
        }
        Ok(())
    }
}
