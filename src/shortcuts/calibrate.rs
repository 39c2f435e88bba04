//! How good the search is: cues planted into images that are at hand, and how many of them are
//! found; and how often it raises an alarm where nothing is planted.
//!
//! Alarm levels were set on one data set. This says what they are worth on another: the same
//! search of many subsets of it, with cues of every kind in one of its classes, over their
//! strengths and the part of the class that carries them.

use rand::Rng;
use rand::seq::index::sample;
use serde::Serialize;

use super::{Options, Report, search};
use crate::data::planted::{CUE_NAMES, Truth, load_with_truth};
use crate::data::{self, Spec};
use crate::error::{Error, Result};
use crate::field::{ImageSet, Targets};
use crate::progress::Progress;
use crate::seed;
use crate::stats::Rate;

/// What is tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Design {
    /// Kinds of cues; all where there are none.
    pub cues: Vec<String>,
    /// L2 norms of the change of an image, pixels in [0, 1].
    pub norms: Vec<f64>,
    /// Parts of the class that carry it.
    pub shares: Vec<f64>,
    /// Draws of each kind, norm and share: of the images, the class, and what of the cue is
    /// drawn.
    pub draws: usize,
    /// Subsets in which nothing is planted.
    pub subsets: usize,
    /// Images of a subset.
    pub images: usize,
    /// Seed of all of them.
    pub seed: u64,
}

/// What was found of one kind of cue, of one norm, in one part of a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dose {
    /// The word of the key `cue`.
    pub cue: String,
    /// L2 norm.
    pub norm: f64,
    /// Part of the class.
    pub share: f64,
    /// Draws whose first entry is an alarm of the right class.
    pub found: Rate,
    /// Draws that are found so, with the right frequency, or the strongest pixel in the box of the
    /// change; None of cues that have neither.
    pub located: Option<Rate>,
}

/// Of all that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// What was tried.
    pub design: Design,
    /// One of each kind, norm and share.
    pub doses: Vec<Dose>,
    /// Subsets in which nothing is planted that have an alarm.
    pub false_alarms: Rate,
    /// The highest score in each of these.
    pub untouched: Vec<f64>,
    /// What is to be known of the images.
    pub told: Vec<String>,
}

impl Calibration {
    /// Tries `design` on subsets of `spec`, loaded with `options`.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown kind of cue, for numbers beyond their range, and as
    /// [`search`] and [`data::load`].
    pub fn new(spec: &Spec, options: &data::Options, design: Design) -> Result<Self> {
        check(&design)?;
        let cues: Vec<String> = match design.cues.as_slice() {
            [] => CUE_NAMES.iter().map(|name| (*name).to_owned()).collect(),
            some => some.to_vec(),
        };
        let (names, told) = {
            let first = data::load(spec, &drawn(options, &design, 0))?;
            let told = first.source.told.lines();
            let Targets::Classes { names, .. } = first.targets else {
                return Err(Error::input("--data", "class labels", "real targets"));
            };
            (names, told)
        };
        let least = ENOUGH * names.len();
        if design.images < least {
            let expected = format!("at least {least}, {ENOUGH} of each of {} classes", names.len());
            return Err(Error::input("--images", expected, design.images));
        }
        let doses: Vec<(&String, f64, f64)> = cues
            .iter()
            .flat_map(|cue| design.norms.iter().map(move |norm| (cue, *norm)))
            .flat_map(|(cue, norm)| design.shares.iter().map(move |share| (cue, norm, *share)))
            .collect();
        let progress = Progress::new("looking", (design.subsets + doses.len() * design.draws) as u64);
        let mut untouched = Vec::new();
        for draw in 0..design.subsets {
            let set = subset(spec, options, &design, &names, draw)?;
            let report = search(&set, Options { seed: design.seed })?;
            untouched.push(report.shortcuts.first().map_or(f64::NAN, |entry| entry.score));
            progress.inc(1);
        }
        let mut all = Vec::new();
        for (cue, norm, share) in doses {
            let (mut found, mut located, mut places) = (0, 0, false);
            for draw in 0..design.draws {
                // By the draw alone: the same classes and cues for every norm and share.
                let rng = &mut seed::rng(design.seed, "calibrate/cue", draw as u64);
                let (class, own) = (rng.random_range(0..names.len()), rng.random::<u32>());
                let planted: Spec =
                    format!("planted:cue={cue},norm={norm},share={share},classes={class},as=cue,seed={own},over={spec}")
                        .parse()?;
                let (set, truth) = load_with_truth(&planted, &drawn(options, &design, draw))?;
                let report = search(&set, Options { seed: design.seed })?;
                let truth = truth.last().expect("a cue was planted");
                let hit = Hit::new(&report, truth, &names[class]);
                found += u64::from(hit.found);
                located += u64::from(hit.found && hit.located == Some(true));
                places |= hit.located.is_some();
                progress.inc(1);
            }
            let of = design.draws as u64;
            all.push(Dose {
                cue: cue.clone(),
                norm,
                share,
                found: Rate::new(found, of),
                located: places.then(|| Rate::new(located, of)),
            });
        }
        let alarms = untouched.iter().filter(|score| **score >= 1.0).count();
        Ok(Self {
            doses: all,
            false_alarms: Rate::new(alarms as u64, design.subsets as u64),
            untouched,
            told,
            design,
        })
    }
}

fn check(design: &Design) -> Result<()> {
    let unknown = design.cues.iter().find(|cue| !CUE_NAMES.contains(&cue.as_str()));
    if let Some(cue) = unknown {
        return Err(Error::input("--cues", format_args!("some of {}", CUE_NAMES.join(", ")), cue));
    }
    let bad = |values: &[f64], most: f64| values.iter().copied().find(|v| !(*v > 0.0 && *v <= most));
    if let Some(norm) = bad(&design.norms, 1e6) {
        return Err(Error::input("--norms", "positive numbers", norm));
    }
    if let Some(share) = bad(&design.shares, 1.0) {
        return Err(Error::input("--shares", "parts above 0, at most 1", share));
    }
    for (count, flag) in [(design.draws, "--draws"), (design.images, "--images")] {
        if count == 0 {
            return Err(Error::input(flag, "at least 1", 0));
        }
    }
    Ok(())
}

// The images of a draw.
fn drawn(options: &data::Options, design: &Design, draw: usize) -> data::Options {
    let seed = seed::rng(design.seed, "calibrate/images", draw as u64).random();
    data::Options { limit: Some(design.images), sample: Some(seed), ..options.clone() }
}

/// Images of a class that are asked for at least, of which a draw has [`super::LEAST`] but for
/// one in ten thousand.
const ENOUGH: usize = 2 * super::LEAST;
/// Classes that a subset has at least, where there are as many.
const CLASSES: usize = 5;

// Some of the images, of all classes or of some.
fn subset(
    spec: &Spec,
    options: &data::Options,
    design: &Design,
    names: &[String],
    draw: usize,
) -> Result<ImageSet> {
    let mut options = drawn(options, design, design.draws + draw);
    let rng = &mut seed::rng(design.seed, "calibrate/classes", draw as u64);
    if draw % 2 == 1 && names.len() > CLASSES {
        let count = rng.random_range(CLASSES..names.len());
        options.classes =
            sample(rng, names.len(), count).into_iter().map(|class| names[class].clone()).collect();
    }
    data::load(spec, &options)
}

/// A cue in a report.
struct Hit {
    found: bool,
    located: Option<bool>,
}

impl Hit {
    fn new(report: &Report, truth: &Truth, class: &String) -> Self {
        let Some(first) = report.shortcuts.first() else { return Self { found: false, located: None } };
        let by_frequency = truth.frequency.map(|(row, col)| {
            first.frequencies.iter().any(|k| {
                let is = |sign: i64| i64::from(k.row) == sign * row && i64::from(k.col) == sign * col;
                is(1) || is(-1)
            })
        });
        // A residual reaches a pixel further than the change.
        let by_place = truth.place.map(|[row, col, height, width]| {
            first.place.is_some_and(|place| {
                let near = |at: usize, from: usize, size: usize| at + 1 >= from && at <= from + size;
                near(place.peak[0], row, height) && near(place.peak[1], col, width)
            })
        });
        let found = first.alarm && first.classes.first() == Some(class);
        Self { found, located: by_frequency.or(by_place) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design() -> Design {
        Design {
            cues: vec!["patch".to_owned(), "tint".to_owned()],
            norms: vec![1e-3, 3.0],
            shares: vec![1.0],
            draws: 2,
            subsets: 2,
            images: 300,
            seed: 0,
        }
    }

    fn of(design: Design) -> Result<Calibration> {
        let spec: Spec = "leaves:count=400,classes=3,channels=3,size=16".parse().unwrap();
        Calibration::new(&spec, &data::Options::default(), design)
    }

    #[test]
    fn strong_cues_are_found_and_hidden_ones_are_not() {
        let found = of(design()).unwrap();
        assert_eq!((found.doses.len(), found.untouched.len()), (4, 2));
        let dose =
            |cue: &str, norm: f64| found.doses.iter().find(|d| d.cue == cue && d.norm == norm).unwrap();
        assert_eq!((dose("patch", 3.0).found.count, dose("patch", 1e-3).found.count), (2, 0));
        assert_eq!(dose("patch", 3.0).located.as_ref().map(|rate| rate.count), Some(2));
        assert_eq!(dose("tint", 3.0).located, None);
        let alarms = found.untouched.iter().filter(|score| **score >= 1.0).count() as u64;
        assert_eq!((found.false_alarms.count, found.false_alarms.of), (alarms, 2));
        assert_eq!(of(design()).unwrap(), found);
    }

    #[test]
    fn what_cannot_be_tried_is_named() {
        let text = |change: &dyn Fn(&mut Design)| {
            let mut design = design();
            change(&mut design);
            of(design).unwrap_err().to_string()
        };
        assert!(text(&|d| d.cues = vec!["ghost".to_owned()]).contains("cosine, cosine-random"));
        assert!(text(&|d| d.norms = vec![0.0]).contains("--norms"));
        assert!(text(&|d| d.shares = vec![1.5]).contains("--shares"));
        assert!(text(&|d| d.draws = 0).contains("--draws"));
    }
}
