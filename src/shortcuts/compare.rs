//! A training set against a test set: what only one of them has.
//!
//! - *Cues.* What was found in a class of one set scores the images of the other: a cue is in
//!   one set only where it tells its class there by less than half of the area beyond ½. Cues of
//!   the reader, which tells classes by their content too, are where its score there is below
//!   half of an alarm, and of the score here.
//! - *Modes.* (u, v) of the two sets' Σyx, of pixels in [0, 1] centred per pixel and class
//!   indicators centred, from one half of the images of a set; u_αᵀΣyx v_α of the other half
//!   says what the mode is worth on new images of that set, the same of the other set what it is
//!   worth there. A mode is in one set only where the latter is below half of the former, by
//!   three standard errors.
//! - *One against the other*: as two classes, whatever they show. Images of one source have
//!   nothing by which the set could be told.
//! - *Copies*: images of the test set that are in the training set, to the bit.

use std::collections::HashMap;

use ndarray::{Array1, Array2, Array4, Axis};
use rand::seq::index::sample;
use serde::Serialize;

use super::early;
use super::report::{Both, Entry};
use super::search::Search;
use super::set::Set;
use super::{Options, Report};
use crate::data::{Normalize, Samples, prepare};
use crate::error::{Error, Result, listed};
use crate::field::{ImageSet, Targets};
use crate::seed;
use crate::spectrum::Frequency;
use crate::theory::Modes;

/// Images of each set that modes are taken from, and that are told from the other set, at most.
const MOST: usize = 20_000;
/// Numbers of the images that modes are taken from, at most: 20,000 of 32×32 in colour.
const NUMBERS: usize = 20_000 * 3 * 32 * 32;
/// Modes of each set that are looked at, the strongest.
const MODES: usize = 20;
/// Standard errors beyond which a difference counts, and a mode is there at all.
const SURE: f64 = 3.0;
/// Part of what it is worth here that a mode or a cue should be worth there.
const HALF: f64 = 0.5;

/// The two sets, in the order of everything that is said of both.
const NAMES: [&str; 2] = ["train", "test"];

/// What only one of two sets has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Number of images of the test set.
    pub images: usize,
    /// Classes that only the training set has, and only the test set.
    pub classes: [Vec<String>; 2],
    /// Images of the test set that are in the training set to the bit: in the same class, and
    /// in another.
    pub copies: [usize; 2],
    /// The cue of every class with an alarm, of either set, in the other one.
    pub cues: Vec<Both>,
    /// Modes that are strong enough to be measured, of either set, in the other one.
    pub modes: Vec<ModeOfBoth>,
    /// The strongest of what tells the images of one set from those of the other.
    pub between: Entry,
}

/// A mode of one set, and what it is worth on new images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModeOfBoth {
    /// "train" or "test": where it was found.
    pub set: &'static str,
    /// Its number in that set, counted from 1, the strongest first.
    pub mode: usize,
    /// The frequency with the largest |v̂(k)|.
    pub frequency: Frequency,
    /// u_αᵀΣyx v_α of other images of the same set, and its standard error.
    pub here: [f64; 2],
    /// The same of the other set.
    pub there: [f64; 2],
    /// Whether it is in this set only.
    pub only: bool,
}

/// Looks for cues in `train` as [`super::search`] does, and for what is in `train` or `test`
/// alone, in [`Report::comparison`].
/// ```
/// use domfreq::data::{self, Options};
/// use domfreq::shortcuts;
///
/// let spec = "planted:cue=patch,norm=2,over=leaves:count=600,classes=3,channels=3,size=16";
/// let load = |split: &str| {
///     data::load(&spec.parse().unwrap(), &Options { split: split.into(), ..Options::default() })
/// };
/// // Planted in the split "train" only.
/// let report = shortcuts::compare(&load("train")?, &load("test")?, shortcuts::Options::default())?;
/// let comparison = report.comparison.unwrap();
/// assert!(comparison.cues[0].set == "train" && comparison.cues[0].only);
/// # Ok::<(), domfreq::Error>(())
/// ```
///
/// # Errors
/// Those of [`super::search`] for either set; images of other sizes or channels, and sets that
/// have fewer than two classes in common.
pub fn compare(train: &ImageSet, test: &ImageSet, options: Options) -> Result<Report> {
    if train.shape() != test.shape() {
        let text = |[c, h, w]: [usize; 3]| format!("{c}×{h}×{w}");
        let expected =
            format!("images {} as in the training set (--size brings both to one)", text(train.shape()));
        return Err(Error::input("--test", expected, text(test.shape())));
    }
    let sets = [Set::new(train)?, Set::new(test).map_err(Error::within("--test"))?];
    let has = |set: &Set, name: &String| set.names.contains(name);
    let common: Vec<String> = sets[0].names.iter().filter(|name| has(&sets[1], name)).cloned().collect();
    if common.len() < 2 {
        let expected = format!("at least two classes of the training set ({})", listed(&sets[0].names));
        return Err(Error::input("--test", expected, listed(&sets[1].names)));
    }
    let searches = [Search::new(&sets[0], options.seed)?, Search::new(&sets[1], options.seed)?];
    let mut entries = searches.each_ref().map(Search::entries);
    early::tell(train, &mut entries[0], options.seed)?;
    let mut cues = Vec::new();
    for (at, name) in NAMES.into_iter().enumerate() {
        for found in searches[at].elsewhere(&searches[1 - at]) {
            let class = &sets[at].names[found.class];
            let Some(own) = entries[at].iter().find(|e| e.classes.first() == Some(class)) else { continue };
            cues.push(Both {
                set: name,
                class: class.clone(),
                reader: own.reader,
                kind: own.kind,
                here: own.accuracy,
                there: found.area,
                interval: found.interval,
                only: match found.ratio {
                    Some(ratio) => ratio < HALF.min(HALF * own.score),
                    None => found.area - 0.5 < HALF * (own.accuracy - 0.5),
                },
            });
        }
    }
    let alone = |a: usize| -> Vec<String> {
        sets[a].names.iter().filter(|name| !has(&sets[1 - a], name)).cloned().collect()
    };
    let comparison = Comparison {
        images: sets[1].len(),
        classes: [alone(0), alone(1)],
        copies: copies(&sets),
        cues,
        modes: modes([train, test], &common, options.seed)?,
        between: between([train, test], options.seed)?,
    };
    let [shortcuts, _] = entries;
    Ok(Report { comparison: Some(comparison), ..Report::new(&sets[0], train.shape(), shortcuts) })
}

fn copies([train, test]: &[Set; 2]) -> [usize; 2] {
    let mut classes: HashMap<u128, Vec<&str>> = HashMap::new();
    for (hash, &label) in train.hashes.iter().zip(&train.labels) {
        classes.entry(*hash).or_default().push(&train.names[label]);
    }
    let mut found = [0; 2];
    for (hash, &label) in test.hashes.iter().zip(&test.labels) {
        if let Some(classes) = classes.get(hash) {
            found[usize::from(!classes.contains(&test.names[label].as_str()))] += 1;
        }
    }
    found
}

// At most as many as are looked at, ascending.
fn some(count: usize, most: usize, seed: u64, what: &str) -> Vec<usize> {
    let mut rows: Vec<usize> = if count <= most {
        (0..count).collect()
    } else {
        sample(&mut seed::rng(seed, what, 0), count, most).into_vec()
    };
    rows.sort_unstable();
    rows
}

/// The images of a set in the classes `common`, in two halves, prepared alike.
struct Halves {
    samples: Samples,
    /// Of the other half, of the same offset.
    x: Array2<f64>,
    y: Array2<f64>,
}

impl Halves {
    fn new(set: &ImageSet, common: &[String], seed: u64) -> Result<Self> {
        let Targets::Classes { labels, names } = &set.targets else { unreachable!("checked before") };
        let class = |i: usize| common.iter().position(|name| *name == names[labels[i] as usize]);
        let most = MOST.min(NUMBERS / set.shape().iter().product::<usize>().max(1));
        let rows: Vec<usize> = some(set.len(), most, seed, "shortcuts/modes");
        let rows: Vec<(usize, usize)> =
            rows.into_iter().filter_map(|i| class(i).map(|class| (i, class))).collect();
        // Every other one of its class.
        let mut seen = vec![0usize; common.len()];
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for row in rows {
            seen[row.1] += 1;
            if seen[row.1] % 2 == 1 { first.push(row) } else { second.push(row) }
        }
        let samples = prepare(part(set, &first, common), Normalize::None, true)?;
        let (x, y) = moved(set, &second, common.len());
        Ok(Self { samples, x, y })
    }
}

// These images, with these classes.
fn part(set: &ImageSet, rows: &[(usize, usize)], names: &[String]) -> ImageSet {
    let at: Vec<usize> = rows.iter().map(|row| row.0).collect();
    let labels = rows.iter().map(|row| row.1 as u32).collect();
    ImageSet { targets: Targets::Classes { labels, names: names.to_vec() }, ..set.part(&at) }
}

// Pixels `[N, d]` and class indicators `[N, K]` of these images, less their means.
fn moved(set: &ImageSet, rows: &[(usize, usize)], classes: usize) -> (Array2<f64>, Array2<f64>) {
    let d: usize = set.shape().iter().product();
    let mut x = Array2::zeros((rows.len(), d));
    let mut y = Array2::zeros((rows.len(), classes));
    for (i, &(at, class)) in rows.iter().enumerate() {
        let image = set.images.index_axis(Axis(0), at);
        x.row_mut(i).iter_mut().zip(image).for_each(|(x, v)| *x = f64::from(*v));
        y[[i, class]] = 1.0;
    }
    for values in [&mut x, &mut y] {
        let mean: Array1<f64> = values.mean_axis(Axis(0)).expect("some images");
        *values -= &mean;
    }
    (x, y)
}

fn modes(sets: [&ImageSet; 2], common: &[String], seed: u64) -> Result<Vec<ModeOfBoth>> {
    let halves = [Halves::new(sets[0], common, seed)?, Halves::new(sets[1], common, seed)?];
    let mut all = Vec::new();
    for (at, name) in NAMES.into_iter().enumerate() {
        let modes = Modes::strongest(&halves[at].samples, MODES)?;
        let here = worth(&modes, &halves[at]);
        let there = worth(&modes, &halves[1 - at]);
        for (index, mode) in modes.list.iter().enumerate() {
            let ([a, a_error], [b, b_error]) = (here[index], there[index]);
            if a > SURE * a_error {
                let short = HALF * a - b;
                all.push(ModeOfBoth {
                    set: name,
                    mode: index + 1,
                    frequency: mode.dominant,
                    here: here[index],
                    there: there[index],
                    only: short > SURE * (HALF * a_error).hypot(b_error),
                });
            }
        }
    }
    Ok(all)
}

// (1/N) Σ_i (u·y_i)(v·x_i) of the second half, and its standard error.
fn worth(modes: &Modes, halves: &Halves) -> Vec<[f64; 2]> {
    let n = halves.x.nrows() as f64;
    let products = halves.y.dot(&modes.u()) * halves.x.dot(&modes.v_rows().t());
    let of = |column: ndarray::ArrayView1<f64>| {
        let mean = column.sum() / n;
        let variance = column.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / (n - 1.0);
        [mean, (variance / n).sqrt()]
    };
    products.columns().into_iter().map(of).collect()
}

// The images of both sets as two classes.
fn between(sets: [&ImageSet; 2], seed: u64) -> Result<Entry> {
    let rows = sets.map(|set| some(set.len(), MOST / 2, seed, "shortcuts/between"));
    let [c, h, w] = sets[0].shape();
    let mut images = Array4::zeros((rows[0].len() + rows[1].len(), c, h, w));
    let all = sets
        .iter()
        .zip(&rows)
        .flat_map(|(set, rows)| rows.iter().map(|&i| set.images.index_axis(Axis(0), i)));
    images.outer_iter_mut().zip(all).for_each(|(mut out, image)| out.assign(&image));
    let labels =
        rows.iter().enumerate().flat_map(|(set, rows)| rows.iter().map(move |_| set as u32)).collect();
    let names = NAMES.map(str::to_owned).to_vec();
    let set =
        ImageSet { images, targets: Targets::Classes { labels, names }, source: sets[0].source.clone() };
    let set = Set::new(&set)?;
    let entries = Search::new(&set, seed)?.entries();
    entries.into_iter().next().ok_or_else(|| Error::input("data set", "two classes", "none"))
}
