//! Runs of deep networks: updates, probes, evaluations, checkpoints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Clock, Machine, directory, finish};
use crate::app::expected::{self, Expected};
use crate::app::images::{evaluation_sets, training_set};
use crate::app::network::initial;
use crate::app::{print, print_json};
use crate::cli::TrainArgs;
use crate::data::Samples;
use crate::disk;
use crate::error::Error;
use crate::field::ImageSet;
use crate::model::deep::Deep;
use crate::model::device;
use crate::probe::Probe;
use crate::progress::{Progress, say};
use crate::run::checkpoints::{Checkpoints, State};
use crate::run::config::{AugmentConfig, DeepConfig, Dtype, TheoryKind, When};
use crate::run::manifest::Status;
use crate::run::metrics::Writer;
use crate::run::{Events, Layers, Manifest, Metrics, Row, RunConfig, RunDir, Summary, Table, TableWriter};
use crate::spectrum::{self, Energies, Grid};
use crate::theory::Modes;
use crate::train::deep::checkpoint;
use crate::train::deep::{Images, Pixels, Targets, Trainer, evaluate};
use crate::train::signals::{Request, Signals};

const STEPS: [&str; 5] = ["step", "epoch", "loss", "accuracy", "eta"];
const EVAL: [&str; 6] = ["step", "epoch", "loss", "accuracy", "ema_loss", "ema_accuracy"];

pub fn run(args: &TrainArgs, mut config: DeepConfig, machine: &Machine) -> Result<()> {
    let root = directory(args, &config);
    let resume = args.deep.resume && root.join("manifest.json").exists();
    if !resume {
        RunDir::check(&root, args.force)?;
    }
    if resume && Manifest::read(&root.join("manifest.json"))?.status == Status::Finished {
        let dir = RunDir::open(&root)?;
        same(&RunConfig::read(&dir.config())?, &config, &dir.config().display().to_string())?;
        say(format_args!("{}: finished already", root.display()));
        return report(args, &Summary::read(&dir.summary())?);
    }
    let mut clock = Clock::default();
    let (samples, pixels) = training_set(&config)?;
    let eval = evaluation_sets(&config, &samples)?;
    clock.lap("load");
    let modes = Modes::new(&samples)?;
    clock.lap("moments");
    let (count, jacobians) = config.probe.images(samples.len());
    let probe = Probe::new(&samples, &modes, count, jacobians, config.run.seed);
    let mut run = Run::new(&config, &samples, &modes, &pixels, &eval, &probe, machine)?;
    run.expected.readers = expected::readers(&config, &samples, &modes)?;
    if config.measure.theory.contains(&TheoryKind::Kernel) {
        let images = run.trainer.images();
        let weights = config.init.weights.as_ref().map(|_| run.trainer.net.state_dict()).transpose()?;
        let start = weights.map(|dict| ("the initial weights".to_owned(), dict));
        let found = expected::kernel(&config, &samples, &modes, start.as_ref(), images, machine.device)?;
        run.expected.kernel = Some(found);
    }
    clock.lap("forecast");
    machine.note(&mut config);

    // Everything that can be wrong was found before the directory is touched.
    let mut manifest = machine.manifest(&config, &samples);
    let hash = manifest.data.hash.clone();
    let (dir, start) = if resume {
        let dir = RunDir::resume(&root)?;
        // There is none where a run was killed at its very beginning.
        if dir.config().exists() {
            same(&RunConfig::read(&dir.config())?, &config, &dir.config().display().to_string())?;
        }
        let state = run.go_on(&dir, &config, &hash)?;
        let new = std::mem::replace(&mut manifest, Manifest::read(&dir.manifest())?);
        manifest.resume(new);
        manifest.write(&dir.manifest())?;
        (dir, state)
    } else {
        (RunDir::create(&root, args.force, &manifest)?, None)
    };
    let outcome = fill(&config, &dir, &mut run, start, &hash);
    clock.lap("train");
    let summary = finish(manifest, &dir, clock, outcome)?;
    report(args, &summary)
}

fn report(args: &TrainArgs, summary: &Summary) -> Result<()> {
    if args.experiment.json { print_json(summary) } else { print(table(summary).as_bytes()) }
}

// A run goes on with the configuration it began with.
fn same(stored: &RunConfig, asked: &DeepConfig, place: &str) -> Result<()> {
    let differing = checkpoint::differences(stored, &asked.said());
    if differing.is_empty() {
        return Ok(());
    }
    let expected = format!("the configuration that the run began with, in {place}");
    Err(Error::input("--resume", expected, differing.join("; ")).into())
}

/// When something is done, in updates.
struct Due {
    steps: u64,
    at: Rhythm,
}

enum Rhythm {
    Every(u64),
    Evenly(u64),
    Logarithmic(u64),
}

impl Due {
    fn every(epochs: f64, per_epoch: u64, steps: u64) -> Self {
        let every = (epochs * per_epoch as f64).round().max(1.0) as u64;
        Self { steps, at: Rhythm::Every(every) }
    }

    fn at(&self, step: u64) -> bool {
        let share = |s: u64, count: u64| u128::from(s) * u128::from(count) / u128::from(self.steps);
        step == 0
            || step == self.steps
            || match self.at {
                Rhythm::Every(every) => step.is_multiple_of(every),
                Rhythm::Evenly(count) => share(step, count) > share(step - 1, count),
                // The whole numbers nearest to steps^(i/count).
                Rhythm::Logarithmic(count) => {
                    let root = (self.steps as f64).ln() / count as f64;
                    let nearest = ((step as f64).ln() / root).round();
                    (root * nearest).exp().round() as u64 == step
                }
            }
    }
}

/// Everything a run needs but its directory.
struct Run<'a> {
    trainer: Trainer,
    modes: &'a Modes,
    probe: &'a Probe<'a>,
    data_energies: ndarray::Array3<f64>,
    // What decides what is best, then what is evaluated beside it.
    eval: Vec<(Images, Targets)>,
    expected: Expected,
    steps: u64,
    per_epoch: u64,
    half: bool,
}

impl<'a> Run<'a> {
    fn new(
        config: &DeepConfig,
        samples: &Samples,
        modes: &'a Modes,
        pixels: &Pixels,
        eval: &[ImageSet],
        probe: &'a Probe<'a>,
        machine: &Machine,
    ) -> Result<Self> {
        let device = machine.device;
        let kind = device::kind(config.run.dtype);
        let architecture = config.architecture(samples.shape, samples.outputs());
        let network = || Deep::new(architecture.clone(), config.init.kind, config.run.seed, kind, device);
        let net = network()?;
        if let Some((place, dict)) = initial(config)? {
            net.load(&dict, &place)?;
        }
        let ema = config.optim.ema.map(|_| network()).transpose()?;
        if let Some(ema) = &ema {
            ema.load(&net.state_dict()?, "the initial weights")?;
        }
        let images = |pixels: &Pixels, augment: &AugmentConfig| {
            Images::new(pixels, samples, augment, config.run.channels_last, kind, device)
        };
        let targets = Targets::of_samples(samples, &config.optim, &net)?;
        let eval = eval.iter().map(|set| {
            let pixels = Pixels::new(set.images.view());
            let targets = Targets::of_set(set, samples, &config.optim, &net)?;
            Ok((images(&pixels, &AugmentConfig::default())?, targets))
        });
        let eval = eval.collect::<crate::Result<_>>()?;
        let per_epoch = samples.len().div_ceil(config.train.batch.min(samples.len())) as u64;
        let steps = config.train.length.steps(per_epoch);
        let train = images(pixels, &config.augment)?;
        let [c, h, w] = samples.shape;
        let all = samples.x.view().into_shape_with_order((samples.len(), c, h, w))?;
        Ok(Self {
            trainer: Trainer::new(config, net, ema, train, targets, steps)?,
            modes,
            probe,
            data_energies: spectrum::mean_energies(all),
            eval,
            expected: Expected::default(),
            steps,
            per_epoch,
            half: config.run.dtype == Dtype::Bf16,
        })
    }

    // The state to go on from, once it is in the trainer; None before the first.
    fn go_on(&mut self, dir: &RunDir, config: &DeepConfig, data: &str) -> Result<Option<State>> {
        let checkpoints = Checkpoints::new(&dir.checkpoints());
        let Some((state, damaged)) = checkpoints.newest()? else { return Ok(None) };
        for e in damaged {
            say(format_args!("a damaged checkpoint is passed over: {e}"));
        }
        let place = format!("the checkpoint of step {}", state.step);
        same(&state.config, config, &place)?;
        if state.data != data {
            let expected = format!("the data that {place} was trained on (hash {})", state.data);
            return Err(Error::input("--resume", expected, format_args!("hash {data}")).into());
        }
        checkpoints.load(state.step, &mut self.trainer)?;
        let machine = (&state.config.run.device, state.config.run.threads);
        if machine != (&config.run.device, config.run.threads) {
            say("going on with another device or number of threads: the result may differ in the last bits");
        }
        Ok(Some(state))
    }
}

/// The growing files of a run.
struct Files {
    metrics: Writer,
    steps: TableWriter,
    // A table per split; at least the one of `eval.split`, which is empty where there is none.
    eval: Vec<(String, TableWriter)>,
    events: Events,
}

impl Files {
    fn open(dir: &RunDir, modes: usize, beside: &[String], start: Option<&State>) -> Result<Self> {
        let name = |path: &Path| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
        let eval: Vec<_> =
            std::iter::once(dir.eval()).chain(beside.iter().map(|split| dir.eval_beside(split))).collect();
        let events = Events::create(&dir.root().join("events"), start.map_or(0, |s| s.step + 1))?;
        let Some(state) = start else {
            // A run that was killed before its first checkpoint begins again.
            [dir.metrics(), dir.steps()].iter().chain(&eval).try_for_each(|path| disk::remove(path))?;
            let create = |path: &PathBuf| Ok((name(path), TableWriter::create(path, &EVAL)?));
            return Ok(Self {
                metrics: Writer::create(&dir.metrics(), modes, &[])?,
                steps: TableWriter::create(&dir.steps(), &STEPS)?,
                eval: eval.iter().map(create).collect::<Result<_>>()?,
                events,
            });
        };
        let length = |name: &str| state.lengths.get(name).copied().unwrap_or(0);
        let resume = |path: &PathBuf| {
            let name = name(path);
            let table = TableWriter::resume(path, &EVAL, length(&name))?;
            Ok((name, table))
        };
        Ok(Self {
            metrics: Writer::resume(&dir.metrics(), modes, &[], length("metrics.csv"))?,
            steps: TableWriter::resume(&dir.steps(), &STEPS, length("steps.csv"))?,
            eval: eval.iter().map(resume).collect::<Result<_>>()?,
            events,
        })
    }

    // On the disk before a checkpoint says how long they were.
    fn lengths(&mut self) -> Result<BTreeMap<String, u64>> {
        self.metrics.sync()?;
        self.steps.sync()?;
        self.eval.iter_mut().try_for_each(|(_, table)| table.sync())?;
        self.events.flush()?;
        let eval = self.eval.iter().map(|(name, table)| (name.clone(), table.position()));
        let others = [("metrics.csv", self.metrics.position()), ("steps.csv", self.steps.position())];
        Ok(others.map(|(name, at)| (name.to_owned(), at)).into_iter().chain(eval).collect())
    }
}

fn fill(
    config: &DeepConfig,
    dir: &RunDir,
    run: &mut Run,
    start: Option<State>,
    data: &str,
) -> Result<Summary> {
    crate::disk::write_bytes(&dir.config(), config.to_toml().as_bytes())?;
    dir.write_modes(run.modes, &run.data_energies)?;
    dir.write_forecast(run.expected.named())?;
    let mut notes = Vec::new();
    let weak = run.probe.weak();
    if !weak.is_empty() {
        notes.push(format!(
            "modes {weak:?} are too weak in the {} probe samples to be measured; probe.samples sets more",
            run.probe.rows().len()
        ));
    }
    for note in &notes {
        say(format_args!("note: {note}"));
    }
    let (steps, per_epoch) = (run.steps, run.per_epoch);
    let probe = match config.probe.when {
        When::Epoch => Due::every(config.probe.every, per_epoch, steps),
        When::Even => Due { steps, at: Rhythm::Evenly(config.probe.count) },
        When::Log => Due { steps, at: Rhythm::Logarithmic(config.probe.count) },
    };
    let eval = Due::every(config.eval.every, per_epoch, steps);
    let save = Due::every(config.checkpoint.every, per_epoch, steps);
    let checkpoints = Checkpoints::new(&dir.checkpoints());
    let mut files = Files::open(dir, run.modes.len(), &config.eval.beside, start.as_ref())?;
    let mut best = Best::read(dir)?;
    let signals = Signals::note()?;
    let images = run.trainer.images().len() as u64;
    let label = format!("training {} (images)", config.model.kind);
    let progress = Progress::new(&label, steps * images / per_epoch);
    let resumed = start.as_ref().map(|s| s.step);
    if let Some(step) = resumed {
        say(format_args!("going on after step {step} of {steps}"));
        progress.begin_at((run.trainer.epoch() * images as f64) as u64);
        // It may have been killed with the checkpoint written, and older ones still there.
        checkpoints.thin(config.checkpoint.keep, best.step.filter(|_| config.checkpoint.best))?;
    }
    loop {
        let step = run.trainer.step();
        // What was done at the step of a checkpoint is in the files already.
        let seen = resumed == Some(step);
        // What has diverged is not looked at.
        if !seen && (probe.at(step) || eval.at(step)) {
            record(&run.trainer.read()?, &mut files)?;
        }
        if !seen && probe.at(step) {
            look(dir, run, &mut files)?;
        }
        let mut over = step == steps || (seen && best.enough(config.eval.patience));
        if !seen && step > 0 && eval.at(step) && !run.eval.is_empty() {
            let accuracy = assess(run, &mut files)?;
            best.another(step, accuracy);
            over |= best.enough(config.eval.patience);
            if over && step < steps {
                say(format_args!("no better accuracy for {} evaluations: stopped", best.since));
            }
        }
        let asked = signals.take();
        if !seen && (over || asked.is_some() || (step > 0 && save.at(step))) {
            record(&run.trainer.read()?, &mut files)?;
            checkpoints.write(&run.trainer, config, data, files.lengths()?)?;
            let kept = best.step.filter(|_| config.checkpoint.best);
            checkpoints.thin(config.checkpoint.keep, kept)?;
        }
        if let Some(Request::Stop(signal)) = asked
            && !over
        {
            return Err(Error::Stopped { signal, step }.into());
        }
        if over {
            break;
        }
        let rows = run.trainer.update()?;
        record(&rows, &mut files)?;
        progress.set((run.trainer.epoch() * images as f64) as u64);
    }
    drop(progress);
    let summary = summary(dir, run, config, notes)?;
    summary.write(&dir.summary())?;
    Ok(summary)
}

fn record(rows: &[crate::train::deep::StepRow], files: &mut Files) -> Result<()> {
    for row in rows {
        let cells = [Some(row.step as f64), Some(row.epoch), Some(row.loss), row.accuracy, Some(row.eta)];
        files.steps.append(&cells)?;
        files.events.scalar(row.step, "train/loss", row.loss)?;
        files.events.scalar(row.step, "train/eta", row.eta)?;
    }
    Ok(())
}

// Looks into the network and records what is seen.
fn look(dir: &RunDir, run: &Run, files: &mut Files) -> Result<()> {
    let trainer = &run.trainer;
    let step = trainer.step();
    let look = run.probe.look(&trainer.net, trainer.images(), trainer.targets(), step)?;
    if step == 0 {
        let names = |layers: &[(String, Energies)]| layers.iter().map(|(n, _)| n.clone()).collect();
        dir.write_layers(&Layers { kernels: names(&look.kernels), activations: names(&look.activations) })?;
    }
    dir.write_look(run.modes, &look)?;
    let (epoch, loss, accuracy, a) = (trainer.epoch(), look.loss, look.accuracy, look.strengths);
    for (i, (a, mode)) in a.iter().zip(&run.modes.list).enumerate().filter(|(_, (a, _))| a.is_finite()) {
        files.events.scalar(step, &format!("modes/{}", i + 1), a / mode.s)?;
    }
    files.metrics.append(&Row { step, epoch, loss, accuracy, a }, &[])?;
    Ok(())
}

// Evaluates the network, and the mean of its weights; the better accuracy on the first split.
fn assess(run: &Run, files: &mut Files) -> Result<Option<f64>> {
    let mut all = Vec::new();
    for ((images, targets), (name, table)) in run.eval.iter().zip(&mut files.eval) {
        let place = name.strip_suffix(".csv").unwrap_or(name);
        all.push(assess_on(run, images, targets, place, table, &mut files.events)?);
    }
    files.events.flush()?;
    Ok(all.first().copied().flatten())
}

// `place` is what the split is called in events.
fn assess_on(
    run: &Run,
    images: &Images,
    targets: &Targets,
    place: &str,
    table: &mut TableWriter,
    events: &mut Events,
) -> Result<Option<f64>> {
    let trainer = &run.trainer;
    let (step, epoch) = (trainer.step(), trainer.epoch());
    let rows: Vec<usize> = (0..images.len()).collect();
    let of = |net: &Deep| evaluate(net, images, targets, &rows, run.half, |_| Ok(()));
    let (loss, accuracy) = of(&trainer.net)?;
    let ema = trainer.ema.as_ref().map(of).transpose()?;
    let (ema_loss, ema_accuracy) = ema.map_or((None, None), |(loss, accuracy)| (Some(loss), accuracy));
    table.append(&[Some(step as f64), Some(epoch), Some(loss), accuracy, ema_loss, ema_accuracy])?;
    events.scalar(step, &format!("{place}/loss"), loss)?;
    if let Some(accuracy) = accuracy {
        events.scalar(step, &format!("{place}/accuracy"), accuracy)?;
    }
    Ok(accuracy.into_iter().chain(ema_accuracy).reduce(f64::max))
}

/// The best evaluation so far.
#[derive(Default)]
struct Best {
    accuracy: Option<f64>,
    step: Option<u64>,
    since: u64,
}

impl Best {
    // From what an interrupted run has recorded.
    fn read(dir: &RunDir) -> Result<Self> {
        let mut best = Self::default();
        if dir.eval().exists() {
            let table = Table::read(&dir.eval())?;
            let (steps, own, ema) =
                (table.column("step")?, table.column("accuracy")?, table.column("ema_accuracy")?);
            for ((step, own), ema) in steps.iter().zip(own).zip(ema) {
                best.another(*step as u64, Some(own.max(*ema)).filter(|a| a.is_finite()));
            }
        }
        Ok(best)
    }

    fn another(&mut self, step: u64, accuracy: Option<f64>) {
        if accuracy > self.accuracy {
            (self.accuracy, self.step, self.since) = (accuracy, Some(step), 0);
        } else {
            self.since += 1;
        }
    }

    fn enough(&self, patience: Option<u64>) -> bool {
        patience.is_some_and(|p| self.since >= p)
    }
}

fn summary(dir: &RunDir, run: &Run, config: &DeepConfig, notes: Vec<String>) -> Result<Summary> {
    let metrics = Metrics::read(&dir.metrics())?;
    // With which frequencies the network knew each mode when it was discovered.
    let [_, h, w] = run.modes.shape;
    let template = |i: usize, s: f64| -> Result<Option<Energies>> {
        let Some(row) = metrics.a[i].iter().position(|a| *a >= 0.5 * s) else { return Ok(None) };
        let step = metrics.steps[row] as u64;
        let Some(templates) = dir.spectra_array_if_there(step, "templates")? else { return Ok(None) };
        let plane = templates.index_axis_move(ndarray::Axis(0), i).into_dimensionality()?;
        Ok(Some(Energies::new(Grid::new(h, w), plane)?))
    };
    let templates = run.modes.list.iter().enumerate().map(|(i, mode)| template(i, mode.s));
    let templates = templates.collect::<Result<Vec<_>>>()?;
    let summary = Summary::new(&metrics, run.modes, config.train.eta, &[], &templates, None, notes);
    let mut summary = summary.with_discovery_times(&metrics);
    summary.steps = run.trainer.step();
    if !run.eval.is_empty() {
        let table = Table::read(&dir.eval())?;
        summary.test_accuracy = table.column("accuracy")?.last().copied().filter(|a| a.is_finite());
    }
    Ok(summary)
}

fn table(summary: &Summary) -> String {
    let mut text =
        format!("{} steps; probe loss {:.4} -> {:.4}", summary.steps, summary.loss[0], summary.loss[1]);
    let percent = |a: f64| format!("{:.2} %", 100.0 * a);
    if let Some(accuracy) = summary.accuracy {
        let _ = write!(text, "; accuracy on training images {}", percent(accuracy));
    }
    if let Some(accuracy) = summary.test_accuracy {
        let _ = write!(text, "; on the evaluation split {}", percent(accuracy));
    }
    text.push_str(
        "\n\nmode         s      ρ   discovery time τ (steps)   half-time (steps)   PR of v   PR used\n",
    );
    for (i, m) in summary.modes.iter().enumerate() {
        let shown = |t: Option<f64>| t.map_or_else(|| "-".to_owned(), |t| format!("{t:.1}"));
        let used = shown(m.measured.template.as_ref().map(|t| t.participation));
        let _ = writeln!(
            text,
            "{:4} {:9.4} {:6.2} {:>26} {:>19} {:9.1} {used:>9}",
            i + 1,
            m.s,
            m.rho,
            shown(m.measured.tau),
            shown(m.measured.t50),
            m.participation
        );
    }
    text
}
