//! `domfreq calibrate`: how good `shortcuts` is on the user's images.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::shortcuts::{SIZE, as_they_are};
use super::{print, print_json, use_threads};
use crate::cli::CalibrateArgs;
use crate::data::{Options, Spec};
use crate::disk;
use crate::error::Error;
use crate::figure::doses;
use crate::run::config::DataConfig;
use crate::shortcuts::{Calibration, Design};
use crate::stats::Rate;

/// What `--json` prints.
#[derive(Serialize)]
struct Whole<'a> {
    data: &'a Spec,
    version: String,
    #[serde(flatten)]
    calibration: &'a Calibration,
}

pub fn run(args: &CalibrateArgs) -> Result<()> {
    as_they_are(&args.data)?;
    if let Some(limit) = args.data.limit {
        return Err(Error::input("--limit", "nothing: images are drawn as --images says", limit).into());
    }
    use_threads(args.threads)?;
    let mut config = DataConfig::default();
    args.data.apply(&mut config)?;
    let design = Design {
        cues: args.cues.clone(),
        norms: args.norms.clone(),
        shares: args.shares.clone(),
        draws: args.draws,
        subsets: args.subsets,
        images: args.images,
        seed: args.seed,
    };
    // As `shortcuts` looks at them.
    let options = Options { reduce: Some(SIZE), ..config.options() };
    let calibration = Calibration::new(&config.spec, &options, design)?;
    calibration.told.iter().for_each(|told| crate::progress::say(format_args!("{}: {told}", config.spec)));
    let whole = Whole { data: &config.spec, version: super::version(), calibration: &calibration };
    if let Some(dir) = &args.out {
        disk::create_dir(dir)?;
        doses::draw(&calibration, &dir.join("calibration.png"))?;
        disk::write_bytes(&dir.join("calibration.json"), serde_json::to_string_pretty(&whole)?.as_bytes())?;
    }
    if args.json { print_json(&whole) } else { print(text(&whole).as_bytes()) }
}

fn text(whole: &Whole) -> String {
    let found = whole.calibration;
    let (design, alarms) = (&found.design, &found.false_alarms);
    let mut text = format!("{}: subsets of {} images\n", whole.data, design.images);
    if alarms.of > 0 {
        let [low, high] = alarms.interval;
        let _ = writeln!(
            text,
            "nothing planted: an alarm in {} of {} subsets (95 % interval {:.1} to {:.1} %)",
            alarms.count,
            alarms.of,
            100.0 * low,
            100.0 * high
        );
    }
    let _ = writeln!(text, "planted in one class: found first, with an alarm, of {} draws\n", design.draws);
    let rate = |rate: &Rate| format!("{}/{}", rate.count, rate.of);
    let _ = writeln!(text, "{:14} {:>6} {:>6} {:>7} {:>8}", "cue", "norm", "share", "found", "located");
    for dose in &found.doses {
        let located = dose.located.as_ref().map_or_else(|| "–".to_owned(), rate);
        let _ = writeln!(
            text,
            "{:14} {:>6} {:>6} {:>7} {:>8}",
            dose.cue,
            dose.norm,
            dose.share,
            rate(&dose.found),
            located
        );
    }
    text
}
