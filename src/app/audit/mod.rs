//! `domfreq audit`: which frequencies a network lives on.

#[cfg(feature = "torch")]
mod images;
mod pages;
mod source;

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{print, use_threads};
use crate::audit::layers::{self, Layers};
use crate::audit::report::{Audit, LeftOut, OnImages, SCHEMA, Second, Series};
use crate::cli::{AuditArgs, Part};
use crate::disk;
use crate::error::Error;
use crate::progress::say;
use crate::run::{Checkpoints, RunDir};
use source::Source;

pub use pages::overview;

pub fn run(args: &AuditArgs) -> Result<()> {
    check(args)?;
    use_threads(args.threads)?;
    let first = Source::open(&args.weights[0], args.arch, false)?;
    let out = args.out.clone().unwrap_or_else(|| folder(&args.weights));
    if args.shard.is_some() {
        if args.weights.len() > 1 {
            let found = "two (the second's parts are those of an audit of its own, in OUT/second)";
            return Err(Error::input("--shard", "one network at a time", found).into());
        }
        return shard(args, &first, &out);
    }
    let second = args.weights.get(1).map(|path| Source::open(path, args.arch, true)).transpose()?;
    // Spectra compare on one grid.
    let grid = layers::grid(std::iter::once(&first.dict).chain(second.as_ref().map(|s| &s.dict)));
    let options = layers::Options { seed: args.seed, grid: Some(grid), ..layers::Options::default() };
    let of = |source: &Source| layers::audit(source.place.display(), &source.dict, &options);
    let mut audit = Audit {
        schema: SCHEMA,
        version: version(),
        seed: args.seed,
        quick: args.quick,
        layers: of(&first)?,
        network: first.network.clone(),
        second: second.as_ref().map(|b| compared(&first, b, of)).transpose()?,
        series: None,
        on_images: OnImages::default(),
    };
    if let Some(run) = &first.run {
        audit.series = series(&run.dir, &run.initial()?, &options)?;
    }
    on_images(&mut audit, &first, second.as_ref(), args, &out)?;
    // Drawing takes memory as well, and weights may have much of it.
    drop((first, second));
    disk::create_dir(&out)?;
    pages::clear(&out)?;
    pages::tables(&audit, &out)?;
    let page = pages::report(&audit, &out)?;
    page.write(&out.join("report.html"))?;
    audit.write(&out)?;
    say(format_args!("wrote {}", out.join("report.html").display()));
    if args.json {
        let mut text = serde_json::to_string_pretty(&audit)?;
        text.push('\n');
        return print(text.as_bytes());
    }
    print(pages::lines(&page, &out).as_bytes())
}

// What no file is needed for to see that it is wrong.
fn check(args: &AuditArgs) -> Result<()> {
    if args.epsilon.is_some_and(|e| !(e.is_finite() && e > 0.0)) {
        let found = args.epsilon.unwrap_or_default();
        return Err(Error::input("--epsilon", "a positive number", found).into());
    }
    if args.only.contains(&Part::Shape) && args.stimuli.is_none() {
        return Err(Error::input("--only shape", "cue-conflict images (--stimuli DIR)", "none").into());
    }
    let (runs, data) = (args.weights[0].is_dir(), &args.data);
    let selected = data.selects();
    if runs && selected {
        let expected = "--split and --limit alone beside a run, which has its own data";
        return Err(Error::input("audit", expected, "other options of data").into());
    }
    if !runs && data.data.is_none() {
        let needs = [
            ("--shard", args.shard.is_some()),
            ("--merge", args.merge),
            ("--only", !args.only.is_empty()),
            ("--stimuli", args.stimuli.is_some()),
            ("--arch", args.arch.is_some()),
            ("--no-labels", args.no_labels),
            ("--outputs", args.outputs.is_some()),
            ("--normalize", data.normalize.is_some()),
            ("--split", data.split.is_some()),
            ("--limit", data.limit.is_some()),
            ("an option of data", selected),
        ];
        if let Some((flag, _)) = needs.iter().find(|(_, given)| *given) {
            return Err(Error::input(*flag, "images to show the network (--data)", "none").into());
        }
    }
    let own = [args.arch.is_some(), data.data.is_some(), data.normalize.is_some(), args.outputs.is_some()];
    if runs && own.contains(&true) {
        let found = "--arch, --data, --normalize or --outputs beside a run, which has its own";
        return Err(Error::input("audit", "a run alone, or a file of weights", found).into());
    }
    Ok(())
}

// Of a run its name, of a file its own; checkpoints of runs are named by their folder.
fn folder(weights: &[PathBuf]) -> PathBuf {
    let name = |path: &PathBuf| {
        let own = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let own = own.unwrap_or_else(|| "audit".as_ref()).to_string_lossy().into_owned();
        let parent = path.parent().and_then(Path::file_name).map(|p| p.to_string_lossy().into_owned());
        parent.filter(|_| own == "weights").unwrap_or(own)
    };
    let names: Vec<_> = weights.iter().map(name).collect();
    Path::new("audits").join(names.join("-vs-"))
}

fn version() -> String {
    format!("domfreq {} ({})", env!("CARGO_PKG_VERSION"), env!("DOMFREQ_COMMIT"))
}

fn compared(
    first: &Source,
    second: &Source,
    of: impl Fn(&Source) -> crate::error::Result<Layers>,
) -> Result<Second> {
    let (a, b) = (of(first)?, of(second)?);
    let comparison = layers::compare(&a, &b, Some((&first.dict, &second.dict)))?;
    Ok(Second {
        network: second.network.clone(),
        layers: b,
        comparison,
        on_images: OnImages::default(),
        pair: None,
    })
}

// The initial weights and all checkpoints of a run; None where that is a single one.
fn series(
    dir: &RunDir,
    initial: &Option<crate::weights::StateDict>,
    options: &layers::Options,
) -> Result<Option<Series>> {
    // Only measured numbers are drawn over time.
    let options = layers::Options { draws: 0, ..*options };
    let mut steps = Vec::new();
    let mut all = Vec::new();
    if let Some(weights) = initial {
        steps.push(0);
        all.push(layers::audit("the initial weights", weights, &options)?);
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

#[cfg(feature = "torch")]
use images::{on_images, shard};

#[cfg(not(feature = "torch"))]
fn shard(_: &AuditArgs, _: &Source, _: &Path) -> Result<()> {
    anyhow::bail!("this domfreq was built without libtorch (feature `torch`): it shows no images to networks")
}

#[cfg(not(feature = "torch"))]
fn on_images(
    audit: &mut Audit,
    first: &Source,
    _: Option<&Source>,
    args: &AuditArgs,
    _: &Path,
) -> Result<()> {
    if args.data.data.is_some() || !args.only.is_empty() || args.merge {
        anyhow::bail!(
            "this domfreq was built without libtorch (feature `torch`): it shows no images to networks"
        );
    }
    if first.run.is_some() {
        leave_out(&mut audit.on_images, "Images", "this domfreq was built without libtorch");
    }
    Ok(())
}

fn leave_out(found: &mut OnImages, part: &str, why: impl std::fmt::Display) {
    say(format_args!("{part}: left out: {why}"));
    found.left_out.push(LeftOut { part: part.to_owned(), why: why.to_string() });
}
