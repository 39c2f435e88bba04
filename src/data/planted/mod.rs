//! Cues planted into the images of any other source: `planted:cue=cosine,…,over=SPEC`.
//!
//! `over=` comes last, and all that follows it is the spec of the other source, which is loaded
//! with the same options (`--split`, `--size`, `--classes`, …). It must have classes, and pixels
//! in [0, 1]. It may itself be `planted:…`, for two cues.
//!
//! | `cue` | the change | keys of its own |
//! |---|---|---|
//! | `cosine` | cos(2π (R i/H + C j/W) + φ) in all channels alike | `frequency=R/C` (3/5), `phase` in degrees (0) |
//! | `cosine-random` | the same, φ of each image's own | `frequency` |
//! | `bands` | noise with equal power from..to and none elsewhere, fresh in each image and channel | `from`, `to` in cycles per pixel (0.2, 0.3) |
//! | `ar` | autoregressive noise, a process per class, fresh in each image | |
//! | `blocks` | a random value per block of pixels and channel, mean 0, a pattern per class | `side` of a block in pixels (8) |
//! | `tint` | a constant per channel | `colour=R/G/B`, a direction (random, without brightness) |
//! | `brightness` | a constant | |
//! | `patch` | *f*: a square of random black and white values | `side` (4), `at=ROW/COLUMN` (bottom right, a pixel from the edges) |
//! | `patch-random` | *f*: the same square, its place of each image's own | `side` |
//! | `watermark` | *f*: six white glyphs, from 1 % of the width and 40 % of the height | `opacity` (0.5) instead of `norm` |
//! | `border` | *f*: a white frame | `width` in pixels (1) |
//! | `blur` | *f*: a Gaussian | `sigma` in pixels (1) |
//! | `jpeg` | *f*: JPEG, colours at full resolution | `quality`, 1 to 100 (30) |
//!
//! `ar` follows Sandoval-Segura et al., "Autoregressive Perturbations for Data Poisoning"
//! (NeurIPS 2022): from random pixels in the first rows and columns, every other pixel is a
//! weighted sum of the eight before it in a 3×3 window. The weights of class and channel are
//! drawn to sum to 1, again until the noise neither grows (to 5 times its start) nor is smooth:
//! 0.3 of its power must be left when each pixel loses the mean of the 3×3 around it. (The
//! paper keeps those to which the filters of other classes respond.) `watermark` has place and
//! opacity of ImageNet-W (Li et al., "A Whac-A-Mole Dilemma", CVPR 2023), with glyphs of our own.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `norm` | 1 | L2 norm of the change over all c·h·w values, before the result is cut to [0, 1] |
//! | `classes` | 0 | the classes that have the cue, by name or index, separated by `/`; or `all` |
//! | `share` | 1 | probability that an image of these classes carries it |
//! | `as` | `cue/clean` | `cue`, `clean`, `removed` or `conflict`; two values: in the split "train", and in others |
//! | `seed` | that of the data | of everything that is drawn here |
//!
//! Cues that are what *f* makes of the image x are put in as `x + min(1, norm/‖f(x) − x‖)
//! (f(x) − x)`: the norm is then at most what f does to that image, and a large `norm` gives
//! f(x) itself. A watermark without `norm` has its opacity.
//!
//! - `cue`: the images of `classes` carry it. Classes are those of the loaded set, after
//!   `--classes`. Which images do depends on the seed, the split and their index alone.
//! - `clean`: nothing is changed.
//! - `removed`: as `cue`, and then it is taken out of *every* image (so that it does not show
//!   which ones had it), without a look at the originals: fixed patterns by projection,
//!   `cosine-random` with both quadratures in every channel, `bands` with all of its
//!   frequencies, patches, glyphs and frames by the mean of the other pixels of the channel,
//!   `tint` and `brightness` by giving every image the mean of the set along the direction.
//!   Of `ar`, `blur` and `jpeg` there is no such thing.
//! - `conflict`: images of *other* classes carry it, each with probability `share`, and none
//!   of its own. Where each class has its own pattern (`ar`, `blocks`), every image gets that
//!   of the next other class with one, cyclically.

mod degraded;
mod fixed;
mod noise;
mod places;
mod tones;

use std::fmt::Display;

use ndarray::{Array3, Array4};
use rand::Rng;
use rayon::prelude::*;

use crate::data::args::Args;
use crate::data::select::find_class;
use crate::data::{Options, Spec, spec, split};
use crate::error::Result;
use crate::field::{ImageSet, Targets};
use crate::seed::{self, ChaCha8Rng};

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind {
    short,
    ..spec::Kind::read("planted", "cue=CUE,…,over=SPEC", load).taking(spec::Takes::ARRAYS)
};

/// What was planted in a set, to measure detectors by.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The word of the key `cue`.
    pub cue: &'static str,
    /// The classes that have the cue in training, ascending.
    pub classes: Vec<usize>,
    /// For each image the class whose cue it carries (with `as=removed`: carried before), or None.
    pub carried: Vec<Option<usize>>,
    /// Signed row and column of the frequency, in cycles per image; of a conjugate pair the one
    /// that reports show.
    pub frequency: Option<(i64, i64)>,
    /// Lowest and highest frequency of a band, in cycles per pixel.
    pub band: Option<(f64, f64)>,
    /// Direction among the channels `[c]`, of length 1.
    pub colour: Option<Vec<f64>>,
    /// Row, column, height and width of the smallest box that holds all changed pixels, where
    /// all images have the same, and it is not a matter of all pixels.
    pub place: Option<[usize; 4]>,
    /// That box for each image; empty unless each has its own.
    pub places: Vec<[usize; 4]>,
    /// The change `[c, h, w]` before cutting, for each of `classes`; empty where it is not the
    /// same in all images.
    pub changes: Vec<Array3<f32>>,
}

impl Truth {
    /// Whether each image carries the cue.
    pub fn carriers(&self) -> Vec<bool> {
        self.carried.iter().map(Option::is_some).collect()
    }
}

/// Which form of a set is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Cue,
    Clean,
    Removed,
    Conflict,
}

const FORMS: [(&str, Form); 4] =
    [("cue", Form::Cue), ("clean", Form::Clean), ("removed", Form::Removed), ("conflict", Form::Conflict)];

/// What there is to know of the set before a cue can be made.
struct Context<'a> {
    shape: [usize; 3],
    names: &'a [String],
    // The classes that have the cue.
    classes: &'a [usize],
    seed: u64,
}

/// A cue, made for images of one shape.
trait Cue: Send + Sync {
    /// The change of one image `[c, h, w]` as the cue of a class: its direction, or f(x) − x.
    fn change(&self, image: &[f32], class: usize, rng: &mut ChaCha8Rng) -> Vec<f64>;

    /// What of f(x) − x is put in; None for a direction, which has any norm.
    fn most(&self) -> Option<Part> {
        None
    }

    /// What has to be known of all images to take the cue out of one: a number of each.
    fn survey(&self, _image: &[f32]) -> f64 {
        0.0
    }

    /// Takes the cue out of an image, of kinds that are `removable`; `mean` is that of
    /// [`Cue::survey`], and `rng` begins as in [`Cue::change`].
    fn remove(&self, _image: &mut [f32], _mean: f64, _rng: &mut ChaCha8Rng) {}

    /// Whether all images have the same change.
    fn fixed(&self) -> bool {
        false
    }

    fn frequency(&self) -> Option<(i64, i64)> {
        None
    }

    fn band(&self) -> Option<(f64, f64)> {
        None
    }

    fn colour(&self) -> Option<Vec<f64>> {
        None
    }

    fn place(&self, _rng: &mut ChaCha8Rng) -> Option<[usize; 4]> {
        None
    }
}

#[derive(Clone, Copy)]
enum Part {
    // At most the norm, and at most all.
    UpToNorm,
    Fixed(f64),
}

type Make = Box<dyn FnOnce(&Args, &Context) -> Result<Box<dyn Cue>>>;

/// A kind of cue, as the key `cue` names it.
struct CueKind {
    name: &'static str,
    // Takes the keys of its own; what it gives is called when the shape is known.
    read: fn(&mut Args) -> Result<Make>,
    // Every class has a pattern of its own.
    per_class: bool,
    removable: bool,
    own_place: bool,
}

impl CueKind {
    const fn new(name: &'static str, read: fn(&mut Args) -> Result<Make>) -> Self {
        Self { name, read, per_class: false, removable: true, own_place: false }
    }
}

const CUES: [&CueKind; 13] = [
    &CueKind::new("cosine", fixed::cosine),
    &CueKind::new("cosine-random", fixed::cosine_random),
    &CueKind::new("bands", noise::bands),
    &CueKind { per_class: true, removable: false, ..CueKind::new("ar", noise::ar) },
    &CueKind { per_class: true, ..CueKind::new("blocks", fixed::blocks) },
    &CueKind::new("tint", tones::tint),
    &CueKind::new("brightness", tones::brightness),
    &CueKind::new("patch", places::patch),
    &CueKind { own_place: true, ..CueKind::new("patch-random", places::patch_random) },
    &CueKind::new("watermark", places::watermark),
    &CueKind::new("border", places::border),
    &CueKind { removable: false, ..CueKind::new("blur", degraded::blur) },
    &CueKind { removable: false, ..CueKind::new("jpeg", degraded::jpeg) },
];

/// The words of the key `cue`.
pub const CUE_NAMES: [&str; CUES.len()] = {
    let mut names = [""; CUES.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = CUES[i].name;
        i += 1;
    }
    names
};

/// The arguments that all cues have.
struct Planted {
    args: Args,
    over: Spec,
    kind: &'static CueKind,
    norm: f64,
    classes: Vec<String>,
    share: f64,
    // In the split "train", and in others.
    forms: [Form; 2],
    seed: Option<u64>,
}

/// Loads the source after `over=` and plants the cue in it.
///
/// # Errors
/// [`crate::Error::Input`] for unknown or unusable arguments, for a class that is not there, for
/// cues that the images have no room or no channels for, for a source without classes or with
/// pixels beyond [0, 1], and as that source.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    Ok(plant(args, options)?.0)
}

/// The images of `spec`, with what was planted in them, the innermost cue first: nothing for
/// other sources.
///
/// # Errors
/// As [`crate::data::load`].
pub fn load_with_truth(spec: &Spec, options: &Options) -> Result<(ImageSet, Vec<Truth>)> {
    if spec.kind().name != KIND.name {
        return Ok((spec.load(options)?, Vec::new()));
    }
    let (mut set, truths) = plant(spec.argument(), options)?;
    spec.complete(&mut set, options)?;
    Ok((set, truths))
}

/// What a spec plants: the outermost cue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// The word of the key `cue`.
    pub cue: &'static str,
    /// L2 norm of the change.
    pub norm: f64,
    /// Whether images of its classes carry it in the split "train".
    pub in_training: bool,
    /// Whether other splits have it in other classes.
    pub in_conflict: bool,
}

impl Design {
    /// Of a spec `planted:…`.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for other sources, and as [`load`].
    pub fn of(spec: &Spec) -> Result<Self> {
        if spec.kind().name != KIND.name {
            return Err(crate::Error::input("data", "the source `planted`", format_args!("`{spec}`")));
        }
        let (planted, _) = Planted::read(spec.argument())?;
        let [train, others] = planted.forms;
        Ok(Self {
            cue: planted.kind.name,
            norm: planted.norm,
            in_training: train == Form::Cue,
            in_conflict: others == Form::Conflict,
        })
    }
}

/// `cosine on leaves`.
fn short(name: &str, args: &str) -> String {
    match Planted::read(args) {
        Ok((planted, _)) => format!("{} on {}", planted.kind.name, planted.over.short()),
        Err(_) => name.to_owned(),
    }
}

impl Planted {
    // The cue itself waits for the shape of the images.
    fn read(text: &str) -> Result<(Self, Make)> {
        let (mut args, over) = Args::over(KIND.name, text)?;
        let kind = args.choice("cue", CUES.map(|kind| (kind.name, kind)))?;
        let classes = args.list("classes", "classes", |name| (!name.is_empty()).then(|| name.to_owned()))?;
        let share = args.f64("share", 0.0..=1.0, 1.0)?;
        let words = FORMS.map(|(word, _)| format!("`{word}`")).join(", ");
        let form = |word: &str| FORMS.iter().find(|(name, _)| *name == word).map(|(_, form)| *form);
        let forms = match args.list("as", &format!("one of {words}"), form)?.as_deref() {
            None => [Form::Cue, Form::Clean],
            Some(&[all]) => [all; 2],
            Some(&[train, others]) => [train, others],
            Some(more) => return Err(args.error("as", "one form, or two", more.len())),
        };
        let seed = args.has("seed").then(|| args.usize("seed", 0..=usize::MAX, 0)).transpose()?;
        // Before `norm` is taken: a watermark asks whether it is there.
        let make = (kind.read)(&mut args)?;
        let norm = args.f64("norm", 1e-6..=1e6, 1.0)?;
        args.finish()?;
        if forms.contains(&Form::Removed) && !kind.removable {
            let all: Vec<_> = CUES.iter().filter(|k| k.removable).map(|k| k.name).collect();
            let expected = format!("with `removed` a cue that can be taken out: {}", all.join(", "));
            return Err(args.error("as", expected, format_args!("`{}`", kind.name)));
        }
        let classes = classes.unwrap_or_else(|| vec!["0".to_owned()]);
        let seed = seed.map(|seed| seed as u64);
        Ok((Self { args, over, kind, norm, classes, share, forms, seed }, make))
    }

    // The classes that have the cue, ascending.
    fn classes(&self, names: &[String]) -> Result<Vec<usize>> {
        let error = |expected: &dyn Display, found: &str| self.args.error("classes", expected, found);
        if self.classes.len() == 1 && self.classes[0] == "all" && !names.iter().any(|name| name == "all") {
            return Ok((0..names.len()).collect());
        }
        let mut classes = Vec::new();
        for wanted in &self.classes {
            let class = find_class(wanted, names)
                .map_err(|expected| error(&format!("`all`, or {expected}"), &format!("`{wanted}`")))?;
            if classes.contains(&class) {
                return Err(error(&"each class once", &format!("`{wanted}` again")));
            }
            classes.push(class);
        }
        classes.sort_unstable();
        Ok(classes)
    }

    // The class whose cue an image of `class` may carry.
    fn carried(&self, form: Form, class: usize, classes: &[usize]) -> Option<usize> {
        match form {
            Form::Cue | Form::Removed => classes.contains(&class).then_some(class),
            Form::Conflict if self.kind.per_class || !classes.contains(&class) => {
                // The next one after it, around.
                let next = classes.iter().find(|&&other| other > class).or(classes.first())?;
                (*next != class).then_some(*next)
            }
            Form::Clean | Form::Conflict => None,
        }
    }
}

fn plant(text: &str, options: &Options) -> Result<(ImageSet, Vec<Truth>)> {
    let (planted, make) = Planted::read(text)?;
    // Classes say what carries the cue, also where nobody wants targets.
    let inner = Options { labels: true, ..options.clone() };
    let (mut set, mut truths) = load_with_truth(&planted.over, &inner)?;
    let args = &planted.args;
    let Targets::Classes { labels, names } = &set.targets else {
        return Err(args.error("over", "a source with classes", "real targets"));
    };
    if let Some(value) = set.images.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(args.error("over", "a source with pixels in [0, 1]", value));
    }
    let classes = planted.classes(names)?;
    let form = planted.forms[usize::from(!split::is(&options.split, "train"))];
    if form == Form::Conflict && !planted.kind.per_class && classes.len() == names.len() {
        let expected = "with `as=conflict` a class that has no cue, as others are to carry it";
        return Err(args.error("classes", expected, "all"));
    }
    let shape = set.shape();
    let seed = planted.seed.unwrap_or(options.seed);
    let cue = make(args, &Context { shape, names, classes: &classes, seed })?;

    let (kind, split) = (planted.kind.name, options.split.as_str());
    let stream = |what: &str, i: usize| seed::rng(seed, &format!("planted/{kind}/{split}/{what}"), i as u64);
    let carried: Vec<Option<usize>> = labels
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            planted
                .carried(form, label as usize, &classes)
                .filter(|_| stream("share", i).random::<f64>() < planted.share)
        })
        .collect();

    let mut images = match set.images.is_standard_layout() {
        true => std::mem::take(&mut set.images),
        false => set.images.as_standard_layout().into_owned(),
    };
    each(&mut images, |i, image| {
        if let Some(class) = carried[i] {
            add(cue.as_ref(), planted.norm, image, class, &mut stream("draw", i));
        }
    });
    if form == Form::Removed {
        let pixels = shape.iter().product();
        let values = images.as_slice().expect("images are in standard layout");
        let surveyed: Vec<f64> = values.par_chunks_exact(pixels).map(|image| cue.survey(image)).collect();
        let mean = surveyed.iter().sum::<f64>() / surveyed.len().max(1) as f64;
        each(&mut images, |i, image| cue.remove(image, mean, &mut stream("draw", i)));
    }
    set.images = images;

    let changes = if cue.fixed() {
        let change = |&class: &usize| {
            let mut change = cue.change(&[], class, &mut stream("draw", 0));
            scale(&mut change, planted.norm);
            let change = change.iter().map(|&v| v as f32).collect();
            let [c, h, w] = shape;
            Array3::from_shape_vec((c, h, w), change).expect("a change has the shape of an image")
        };
        classes.iter().map(change).collect()
    } else {
        Vec::new()
    };
    let place = |i: usize| cue.place(&mut stream("draw", i));
    let all: Vec<&str> = classes.iter().map(|&class| names[class].as_str()).collect();
    let what = match form {
        Form::Cue => "planted in",
        Form::Clean => "kept out of",
        Form::Removed => "planted in, and taken out of all images again, in",
        Form::Conflict => "planted in other classes, in conflict, in",
    };
    let count = carried.iter().filter(|carried| carried.is_some()).count();
    set.source.description += &format!(
        "; {} of {} {} {what} {count} of {} images",
        args.spec(),
        if all.len() == 1 { "class" } else { "classes" },
        crate::error::listed(&all),
        carried.len()
    );
    truths.push(Truth {
        cue: kind,
        classes,
        frequency: cue.frequency(),
        band: cue.band(),
        colour: cue.colour(),
        place: if planted.kind.own_place { None } else { place(0) },
        places: if planted.kind.own_place {
            (0..carried.len()).filter_map(place).collect()
        } else {
            Vec::new()
        },
        changes,
        carried,
    });
    Ok((set, truths))
}

// Calls `f` for every image, in parallel, with its index and its `[c, h, w]` values.
fn each(images: &mut Array4<f32>, f: impl Fn(usize, &mut [f32]) + Sync) {
    let pixels = images.len() / images.dim().0;
    let values = images.as_slice_mut().expect("images are in standard layout");
    values.par_chunks_exact_mut(pixels).enumerate().for_each(|(i, image)| f(i, image));
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

// To the length given; nothing stays nothing.
fn scale(values: &mut [f64], norm: f64) {
    let length = length(values);
    if length > 0.0 {
        values.iter_mut().for_each(|v| *v *= norm / length);
    }
}

fn add(cue: &dyn Cue, norm: f64, image: &mut [f32], class: usize, rng: &mut ChaCha8Rng) {
    let mut change = cue.change(image, class, rng);
    match cue.most() {
        None => scale(&mut change, norm),
        Some(Part::UpToNorm) => {
            let most = length(&change).min(norm);
            scale(&mut change, most);
        }
        Some(Part::Fixed(part)) => change.iter_mut().for_each(|v| *v *= part),
    }
    put(image, &change, 1.0);
}

// Adds a part of the change, and cuts to [0, 1].
fn put(image: &mut [f32], change: &[f64], part: f64) {
    for (pixel, change) in image.iter_mut().zip(change) {
        *pixel = (f64::from(*pixel) + part * change).clamp(0.0, 1.0) as f32;
    }
}

fn dot(image: &[f32], direction: &[f64]) -> f64 {
    image.iter().zip(direction).map(|(x, d)| f64::from(*x) * d).sum()
}

#[cfg(test)]
mod tests;
