//! `domfreq audit`: which frequencies a network lives on.

#[cfg(feature = "torch")]
mod shown;
mod submit;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::network::{Stored, is_run};
use super::{print, use_threads};
use crate::audit::layers::{self, Layers, Series};
use crate::audit::parts::{LeftOut, Name, Quick, critical_band};
use crate::audit::report::{self, Audit, Network, OnImages, SCHEMA, Second};
use crate::cli::{AuditArgs, SlurmArgs};
use crate::data::Normalize;
use crate::disk;
use crate::error::{Error, shown};
use crate::page::Page;
use crate::progress::say;
use crate::run::{Checkpoints, RunDir};
use crate::weights::{StateDict, listed};

pub fn run(args: &AuditArgs) -> Result<()> {
    let start = Instant::now();
    let alone = stimuli_alone(args)?;
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
    if args.torchscript && networks.iter().all(|stored| !stored.is_program()) {
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
        Err(Error::Input { .. }) if stored.is_program() && stored.dict.channels().is_none() => {
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

// Stimuli are images, too: where there are no others, those are shown, and nothing else is asked.
fn stimuli_alone(args: &AuditArgs) -> Result<Option<AuditArgs>> {
    let Some(dir) = &args.stimuli else { return Ok(None) };
    let others = args.only.iter().any(|part| part.about().needs.stimuli.is_none())
        || [args.shard.is_some(), args.merge, args.submit.is_some()].contains(&true);
    if is_run(&args.weights[0]) || args.shown.data.data.is_some() || others {
        return Ok(None);
    }
    let (part, dir) = match critical_band::block(dir)? {
        Some(block) => (Name::critical_band, block),
        None => (Name::shape, dir.clone()),
    };
    if let Some(normalize @ (Normalize::Global | Normalize::Channel)) = args.shown.data.normalize {
        say(format_args!(
            "warning: --normalize {normalize} takes its statistics from the images of --stimuli"
        ));
    }
    let mut args = args.clone();
    args.shown.data.data = Some(format!("folder:{}", dir.display()));
    args.no_labels = true;
    if args.only.is_empty() {
        args.only = vec![part];
    }
    Ok(Some(args))
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
    for part in args.only.iter().filter(|_| args.stimuli.is_none()) {
        if let Some(which) = part.about().needs.stimuli {
            let only = format!("--only {}", part.name());
            return Err(Error::input(only, format_args!("{which} (--stimuli DIR)"), "none").into());
        }
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
        origin: stored.origin().cloned(),
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
