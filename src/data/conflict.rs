//! Cue-conflict images: the shape of one class with the texture of another.
//!
//! An image is `ground + (inside − ground) · coverage`. Coverage is that of one of the shapes
//! of [`shapes`](super::shapes), blurred by a Gaussian of `edge` pixels; ground is flat, and
//!
//! ```text
//! inside = level + contrast · texture,  level − ground = ± step,  (level + ground)/2 = 0.5
//! ```
//!
//! with a texture of mean 0 and variance 1 (over the whole plane, before it is cut out), and
//! white noise over all. So `step` and `edge` say how strong shapes are and up to which
//! frequencies they reach (a blurred edge has e^(−2π² edge² f²) of the power of a sharp one),
//! and `contrast`, `width`, `fan` and `slope` say how strong textures are and which
//! frequencies they have:
//!
//! | `width` | spectrum of texture k |
//! |---|---|
//! | 0 | one frequency: that of the plane which lies nearest to f_k in the direction θ_k = 180° k/K |
//! | above 0 | power ∝ \|f\|^−slope for f_k 2^(−width/2) ≤ \|f\| ≤ f_k 2^(width/2), in directions within fan/2 of θ_k |
//!
//! θ is 0 for a wave along the columns (upright stripes). All random phases are those of white
//! noise. Which phases an image has is said by `phases`:
//!
//! - `kept`: the class has one pattern, in its place in all images, which shapes cut out;
//! - `shifted`: that pattern, shifted around at random in each image;
//! - `scrambled`: a fresh draw in each image: nothing but the spectrum is common to a class.
//!   Textures then differ only as their spectra do: not at all for bands so wide that all are
//!   the same.
//!
//! Image i has the shape i mod K. With probability `agree` it has the texture of the same
//! index, otherwise one of the others, all as probable. `label` says which of the two is the
//! target; the images are the same. To train, and to ask on the way what is learned:
//! `conflict:agree=1/0`, of which other splits than "train" have images in which the two
//! always differ; [`labels`] are those of both.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `classes` | 4 | number K of shapes and of textures, 2 to 8 |
//! | `size` | 32 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 4000 | number of images; shapes are interleaved |
//! | `channels` | 1 | 1, or 3 that are alike but for the noise |
//! | `label` | `shape` | `shape` or `texture` |
//! | `agree` | 1 | probability that texture and shape have the same index; two values: in the split "train", and in others |
//! | `frequencies` | 0.08/…/0.35 | centres f_k in cycles per pixel, one per class, up to 0.5; by default in equal ratios, from one cycle per shorter side where that is more than 0.08 |
//! | `width` | 0.5 | of the bands, in octaves, 0 to 10 |
//! | `fan` | 180 | of the directions, in degrees, above 0 and up to 180 (all); not with `width=0` |
//! | `slope` | 0 | of the power within the band, −6 to 6; not with `width=0` |
//! | `phases` | `kept` | `kept`, `shifted` or `scrambled` |
//! | `contrast` | 0.15 | standard deviation of the texture, 0 to 1 |
//! | `step` | 0.3 | difference of brightness between the middle of the shape and the ground, 0 to 1 |
//! | `edge` | 0 | blur of the outline, in pixels, 0 to 100 |
//! | `noise` | 0.02 | standard deviation of the white noise, 0 to 1 |
//! | `radius`, `shift`, `turn`, `polarity` | | as of [`shapes`](super::shapes) |
//!
//! Values lie in [0, 1].

use std::collections::HashSet;
use std::f64::consts::PI;

use rand::Rng;
use rand_distr::StandardNormal;

use crate::data::args::{Args, COUNT};
use crate::data::blur::blurred;
use crate::data::select::{least, select_least};
use crate::data::shapes::{ALL, Pose};
use crate::data::textures::Filter;
use crate::data::{Options, Spec, spec};
use crate::error::{Error, Result};
use crate::field::{ImageSet, Targets};
use crate::seed::{self, ChaCha8Rng};

#[derive(Clone, Copy, PartialEq)]
enum Label {
    Shape,
    Texture,
}

#[derive(Clone, Copy, PartialEq)]
enum Phases {
    Kept,
    Shifted,
    Scrambled,
}

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::made("conflict", load);

/// Shape and texture of every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// Index of the shape, in 0..K.
    pub shape: Vec<u32>,
    /// Index of the texture, in 0..K.
    pub texture: Vec<u32>,
}

/// What such a set is made of, as far as figures ask.
#[derive(Clone, Copy, Debug)]
pub struct Design {
    /// K.
    pub classes: usize,
    /// Of the textures' spectra, in octaves; 0 is one frequency.
    pub width: f64,
    /// Whether a texture is the same pattern in all images.
    pub kept: bool,
    /// Whether the target is the shape.
    pub shape_is_label: bool,
    /// Probability that texture and shape have the same index: in training, in other splits.
    pub agree: [f64; 2],
}

impl Design {
    /// Of the source that `spec` names.
    ///
    /// # Errors
    /// [`Error::Input`] for another source, and as [`load`].
    pub fn of(spec: &Spec) -> Result<Self> {
        if spec.kind().name != KIND.name {
            return Err(Error::input("--data", "`conflict`, whose images have two labels", spec));
        }
        let Conflict { classes, width, phases, label, agree, .. } = Conflict::read(spec.argument())?;
        let (kept, shape_is_label) = (phases == Phases::Kept, label == Label::Shape);
        Ok(Self { classes, width, kept, shape_is_label, agree })
    }
}

struct Conflict {
    args: Args,
    classes: usize,
    size: (usize, usize),
    count: usize,
    channels: usize,
    label: Label,
    /// In training, and in other splits.
    agree: [f64; 2],
    frequencies: Vec<f64>,
    width: f64,
    fan: f64,
    slope: f64,
    phases: Phases,
    contrast: f64,
    step: f64,
    edge: f64,
    noise: f64,
    pose: Pose,
}

/// Makes the set that `args` describe: `count` images `[channels, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments, and for a size without
/// a frequency in the band of a class.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    Conflict::read(args)?.make(options)
}

/// Both labels of the images that `spec` gives with these options, in the same order: which
/// shape and which texture each has, counted as without `options.classes`.
///
/// # Errors
/// A source that is not `conflict`; otherwise as [`Spec::load`].
pub fn labels(spec: &Spec, options: &Options) -> Result<Labels> {
    Design::of(spec)?;
    let conflict = Conflict::read(spec.argument())?;
    let all = conflict.labels(options);
    let least = conflict.classes.min(least(options));
    let rows = select_least(conflict.target(&all), &conflict.names(), options, least)?.rows;
    let kept = |labels: &[u32]| rows.iter().map(|&row| labels[row]).collect();
    Ok(Labels { shape: kept(&all.shape), texture: kept(&all.texture) })
}

impl Conflict {
    fn read(args: &str) -> Result<Self> {
        let mut args = Args::parse(KIND.name, args)?;
        let classes = args.usize("classes", 2..=ALL.len(), 4)?;
        let size = args.size("size", 32)?;
        let count = args.usize("count", COUNT, 4000)?;
        let channels = args.choice("channels", [("1", 1), ("3", 3)])?;
        let label = args.choice("label", [("shape", Label::Shape), ("texture", Label::Texture)])?;
        let agree = match args.f64_list("agree", 0.0..=1.0)?.as_deref() {
            None => [1.0; 2],
            Some([both]) => [*both; 2],
            Some([train, others]) => [*train, *others],
            Some(more) => return Err(args.error("agree", "one probability, or two", more.len())),
        };
        let frequencies = args.f64_list("frequencies", 1e-3..=0.5)?;
        let width = args.f64("width", 0.0..=10.0, 0.5)?;
        // Of one frequency there is nothing to spread: the keys stay unknown.
        let (fan, slope) = if width > 0.0 {
            (args.f64("fan", 1e-3..=180.0, 180.0)?, args.f64("slope", -6.0..=6.0, 0.0)?)
        } else {
            (180.0, 0.0)
        };
        let phases = args.choice(
            "phases",
            [("kept", Phases::Kept), ("shifted", Phases::Shifted), ("scrambled", Phases::Scrambled)],
        )?;
        let contrast = args.f64("contrast", 0.0..=1.0, 0.15)?;
        let step = args.f64("step", 0.0..=1.0, 0.3)?;
        let edge = args.f64("edge", 0.0..=100.0, 0.0)?;
        let noise = args.f64("noise", 0.0..=1.0, 0.02)?;
        let pose = Pose::read(&mut args)?;
        args.finish()?;
        let frequencies = frequencies.unwrap_or_else(|| {
            let lowest = 0.08f64.max(1.0 / size.0.min(size.1) as f64);
            let ratio: f64 = 0.35 / lowest;
            (0..classes).map(|k| lowest * ratio.powf(k as f64 / (classes - 1) as f64)).collect()
        });
        if frequencies.len() != classes {
            let expected = format!("{classes} values, one per class");
            return Err(args.error("frequencies", expected, frequencies.len()));
        }
        Ok(Self {
            args,
            classes,
            size,
            count,
            channels,
            label,
            agree,
            frequencies,
            width,
            fan,
            slope,
            phases,
            contrast,
            step,
            edge,
            noise,
            pose,
        })
    }

    // Of the targets.
    fn names(&self) -> Vec<String> {
        match self.label {
            Label::Shape => ALL[..self.classes].iter().map(|(name, _)| (*name).to_owned()).collect(),
            Label::Texture => (0..self.classes).map(|k| format!("texture {k}")).collect(),
        }
    }

    fn target<'a>(&self, labels: &'a Labels) -> &'a [u32] {
        match self.label {
            Label::Shape => &labels.shape,
            Label::Texture => &labels.texture,
        }
    }

    // The texture of an image: its first draw.
    fn texture(&self, rng: &mut ChaCha8Rng, shape: usize, options: &Options) -> usize {
        if rng.random::<f64>() < self.agree[usize::from(options.split != "train")] {
            shape
        } else {
            (shape + rng.random_range(1..self.classes)) % self.classes
        }
    }

    // Of all images, before any are chosen.
    fn labels(&self, options: &Options) -> Labels {
        let shape = |i: usize| i % self.classes;
        let texture = |i: usize| self.texture(&mut self.args.stream(options, i), shape(i), options) as u32;
        Labels {
            shape: (0..self.count).map(|i| shape(i) as u32).collect(),
            texture: (0..self.count).map(texture).collect(),
        }
    }

    // The frequency of the plane that lies nearest to that of class k: indices, of it or its
    // conjugate whichever are lower.
    fn nearest(&self, k: usize) -> (i64, i64) {
        let (sin, cos) = (PI * k as f64 / self.classes as f64).sin_cos();
        let f = self.frequencies[k];
        self.index(f * sin, f * cos)
    }

    fn index(&self, down: f64, along: f64) -> (i64, i64) {
        let (height, width) = (self.size.0 as i64, self.size.1 as i64);
        let row = (down * height as f64).round() as i64;
        let col = (along * width as f64).round() as i64;
        let own = (row.rem_euclid(height), col.rem_euclid(width));
        own.min(((-row).rem_euclid(height), (-col).rem_euclid(width)))
    }

    fn filters(&self) -> Result<Vec<Filter>> {
        let (height, width) = self.size;
        let mut seen = HashSet::new();
        let filter = |k: usize| {
            let lowest = self.frequencies[k] * (-self.width / 2.0).exp2();
            let highest = self.frequencies[k] * (self.width / 2.0).exp2();
            let nearest = self.nearest(k);
            let direction = 180.0 * k as f64 / self.classes as f64;
            let power = |down: f64, along: f64| -> f64 {
                if self.width == 0.0 {
                    return f64::from(u8::from(self.index(down, along) == nearest));
                }
                let f = down.hypot(along);
                let turn = (down.atan2(along).to_degrees() - direction).rem_euclid(180.0);
                let inside = (lowest - 1e-9..=highest + 1e-9).contains(&f)
                    && turn.min(180.0 - turn) <= self.fan / 2.0 + 1e-9;
                if inside { f.powf(-self.slope) } else { 0.0 }
            };
            let lacking = |expected: String| {
                let at = format!("{:.4} cycles per pixel in planes of {height}×{width}", self.frequencies[k]);
                self.args.error("frequencies", expected, at)
            };
            let filter = Filter::shaped(height, width, power)
                .ok_or_else(|| lacking(format!("a band with a frequency of the plane for class {k}")))?;
            if self.width == 0.0 && !seen.insert(nearest) {
                return Err(lacking(format!("a frequency of its own for class {k}")));
            }
            Ok(filter)
        };
        (0..self.classes).map(filter).collect()
    }

    fn make(self, options: &Options) -> Result<ImageSet> {
        let (height, width) = self.size;
        let shape = [self.count, self.channels, height, width];
        self.args.check(options, shape)?;
        let filters = self.filters()?;
        let patterns: Vec<Vec<f64>> = filters
            .iter()
            .enumerate()
            .map(|(k, filter)| filter.draw(&mut seed::rng(options.seed, "conflict/pattern", k as u64)))
            .collect();
        let names = self.names();
        let mut set = self.args.make(options, shape, names.clone(), |rng, shape, pixels| {
            let texture = self.texture(rng, shape, options);
            let (coverage, swap) = self.pose.draw(rng, ALL[shape].1, height, width);
            let coverage = blurred(&coverage, height, width, self.edge);
            let own = (self.phases == Phases::Scrambled).then(|| filters[texture].draw(rng));
            let shift = match self.phases {
                Phases::Shifted => (rng.random_range(0..height), rng.random_range(0..width)),
                Phases::Kept | Phases::Scrambled => (0, 0),
            };
            let pattern = own.as_ref().unwrap_or(&patterns[texture]);
            let half = if swap { -self.step / 2.0 } else { self.step / 2.0 };
            for plane in pixels.chunks_exact_mut(height * width) {
                for (at, pixel) in plane.iter_mut().enumerate() {
                    let (row, col) = ((at / width + shift.0) % height, (at % width + shift.1) % width);
                    let inside = 0.5 + half + self.contrast * pattern[row * width + col];
                    let ground = 0.5 - half;
                    let grain = if self.noise > 0.0 {
                        self.noise * rng.sample::<f64, _>(StandardNormal)
                    } else {
                        0.0
                    };
                    *pixel = (ground + (inside - ground) * coverage[at] + grain).clamp(0.0, 1.0) as f32;
                }
            }
        })?;
        let labels = self.labels(options);
        set.targets = Targets::Classes { labels: self.target(&labels).to_vec(), names };
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;
    use proptest::prelude::*;

    fn set(args: &str) -> ImageSet {
        load(args, &Options::default()).unwrap()
    }

    fn both(args: &str, options: &Options) -> Labels {
        labels(&format!("conflict:{args}").parse().unwrap(), options).unwrap()
    }

    #[test]
    fn one_frequency_is_one_cosine_inside_and_the_ground_is_flat() {
        // A radius of half the side and no room to roam: the square covers the middle.
        let args = "classes=2,size=16,count=4,width=0,frequencies=0.125/0.25,noise=0,radius=0.5/0.5,turn=no,\
                    contrast=0.1,step=0.2";
        let set = set(args);
        // Class 0 is the disc with upright stripes of period 8, class 1 the square with lying ones of period 4.
        let value = |i: usize, row: usize, col: usize| f64::from(set.images[[i, 0, row, col]]);
        for (i, row, col, down, along) in [(0, 6, 4, 0, 4), (1, 4, 6, 2, 0)] {
            let (a, b) = (value(i, row, col), value(i, row + down, col + along));
            // Half a period apart, and across the stripes nothing changes.
            assert!((a + b - 1.2).abs() < 1e-6, "{i}: {a} {b}");
            let (row2, col2) = if down == 0 { (row + 1, col) } else { (row, col + 1) };
            assert!((a - value(i, row2, col2)).abs() < 1e-6);
            // A quarter of a period apart, squares add up to those of the amplitude √2 · 0.1.
            let quarter = value(i, row + down / 2, col + along / 2);
            assert!(((a - 0.6).powi(2) + (quarter - 0.6).powi(2) - 0.02).abs() < 1e-6);
        }
        for i in 0..4 {
            assert_eq!(set.images[[i, 0, 0, 0]], 0.4);
        }
        // The same pattern in all images of a class.
        assert_eq!(set.images.slice(s![0, .., .., ..]), set.images.slice(s![2, .., .., ..]));
    }

    #[test]
    fn textures_can_agree_in_training_and_conflict_elsewhere() {
        let spec: Spec = "conflict:count=40,size=8,agree=1/0,width=0.7".parse().unwrap();
        let labels =
            |split: &str| labels(&spec, &Options { split: split.to_owned(), ..Options::default() }).unwrap();
        let (train, test) = (labels("train"), labels("test"));
        assert_eq!(train.shape, train.texture);
        assert!(test.shape.iter().zip(&test.texture).all(|(shape, texture)| shape != texture));
        let design = Design::of(&spec).unwrap();
        assert!((design.classes, design.width, design.kept) == (4, 0.7, true));
        assert!(Design::of(&"leaves".parse().unwrap()).is_err());
    }

    #[test]
    fn textures_agree_as_often_as_asked_and_one_set_has_two_targets() {
        let all = Options::default();
        let same = |args: &str| {
            let Labels { shape, texture } = both(args, &all);
            shape.iter().zip(&texture).filter(|(s, t)| s == t).count()
        };
        assert_eq!(same("count=400,size=8"), 400);
        assert_eq!(same("count=400,size=8,agree=0"), 0);
        // 400 · 0.7, standard deviation 9.
        assert!((240..320).contains(&same("count=400,size=8,agree=0.7")));
        let other = both("count=400,size=8,agree=0", &all);
        for k in 0..4 {
            // 100 images of a shape, each of the three others as probable.
            let of =
                |t: u32| other.shape.iter().zip(&other.texture).filter(|l| (*l.0, *l.1) == (k, t)).count();
            assert!((0..4).filter(|&t| t != k).all(|t| (15..55).contains(&of(t))), "{k}");
        }

        let (shapes, textures) =
            (set("count=40,size=8,agree=0.3"), set("count=40,size=8,agree=0.3,label=texture"));
        assert_eq!(shapes.images, textures.images);
        let labels = both("count=40,size=8,agree=0.3", &all);
        let of = |set: &ImageSet| match &set.targets {
            Targets::Classes { labels, names } => (labels.clone(), names.join(" ")),
            Targets::Real(_) => panic!("classes"),
        };
        assert_eq!(of(&shapes), (labels.shape.clone(), "disc square triangle cross".to_owned()));
        assert_eq!(of(&textures), (labels.texture, "texture 0 texture 1 texture 2 texture 3".to_owned()));
    }

    #[test]
    fn both_labels_follow_the_choice_of_images() {
        let options =
            Options { classes: vec!["cross".into(), "disc".into()], limit: Some(9), ..Options::default() };
        let spec: Spec = "conflict:count=60,size=8,agree=0.4".parse().unwrap();
        let (set, all) = (spec.load(&options).unwrap(), spec.load(&Options::default()).unwrap());
        let chosen = labels(&spec, &options).unwrap();
        let every = labels(&spec, &Options::default()).unwrap();
        let rows: Vec<usize> = (0..60).filter(|i| i % 4 == 0 || i % 4 == 3).take(9).collect();
        assert_eq!(chosen.shape, rows.iter().map(|&r| every.shape[r]).collect::<Vec<_>>());
        assert_eq!(chosen.texture, rows.iter().map(|&r| every.texture[r]).collect::<Vec<_>>());
        for (i, &row) in rows.iter().enumerate() {
            assert_eq!(set.images.slice(s![i, .., .., ..]), all.images.slice(s![row, .., .., ..]));
        }
        let error = labels(&"shapes".parse().unwrap(), &options).unwrap_err().to_string();
        assert!(error.contains("`conflict`"), "{error}");
        // Another split is another draw.
        let test = Options { split: "test".to_owned(), ..Options::default() };
        assert_ne!(labels(&spec, &test).unwrap().texture, every.texture);
    }

    #[test]
    fn bands_and_phases_are_what_was_asked_for() {
        let conflict = |args: &str| Conflict::read(args).unwrap();
        let (height, width) = (24, 32);
        let c = conflict("size=24x32,classes=3,frequencies=0.1/0.2/0.3,width=1,fan=60,slope=2");
        for (k, filter) in c.filters().unwrap().iter().enumerate() {
            let plane = filter.draw(&mut seed::rng(1, "test", k as u64));
            let variance = plane.iter().map(|v| v * v).sum::<f64>() / plane.len() as f64;
            assert!((variance - 1.0).abs() < 1e-9);
            // Nothing is left where the band is taken out, and nothing is taken out beyond it.
            assert!(filter.stopped(&plane).iter().all(|v| v.abs() < 1e-9));
            let centre = 0.1 * (k + 1) as f64;
            let of = |row: i32, col: i32| -> Vec<f64> {
                let (fr, fc) = (f64::from(row) / height as f64, f64::from(col) / width as f64);
                (0..height * width)
                    .map(|at| (2.0 * PI * (fr * (at / width) as f64 + fc * (at % width) as f64)).cos())
                    .collect()
            };
            for (row, col) in (-11..12).flat_map(|row| (1..16).map(move |col| (row, col))) {
                let (fr, fc) = (f64::from(row) / height as f64, f64::from(col) / width as f64);
                let f = fr.hypot(fc);
                let turn = (fr.atan2(fc).to_degrees() - 60.0 * k as f64).rem_euclid(180.0);
                let octaves = (f / centre).log2().abs() - 0.5;
                let degrees = turn.min(180.0 - turn) - 30.0;
                if octaves.abs() < 1e-6 || degrees.abs() < 1e-6 {
                    continue;
                }
                let inside = octaves < 0.0 && degrees < 0.0;
                let wave = of(row, col);
                let rest = filter.stopped(&wave);
                let left = rest.iter().map(|v| v * v).sum::<f64>() / wave.iter().map(|v| v * v).sum::<f64>();
                assert!(if inside { left < 1e-12 } else { left > 1.0 - 1e-12 }, "{k} {row}:{col} {left}");
            }
        }
        let image = |args: &str, i: usize| set(args).images.slice(s![i, 0, .., ..]).to_owned();
        let still = "size=16,count=9,radius=0.3/0.3,shift=0,turn=no,noise=0";
        assert_eq!(image(still, 0), image(still, 4));
        for phases in ["shifted", "scrambled"] {
            let args = format!("{still},phases={phases}");
            assert_ne!(image(&args, 0), image(&args, 4), "{phases}");
        }
    }

    #[test]
    fn a_blurred_edge_has_less_of_the_high_frequencies() {
        let args = "size=32,count=8,contrast=0,noise=0,step=0.4,shift=0";
        let steepest = |args: &str| {
            let set = set(args);
            let (a, b) = (set.images.slice(s![.., .., .., 1..]), set.images.slice(s![.., .., .., ..-1]));
            (&a - &b).iter().fold(0.0f32, |most, d| most.max(d.abs()))
        };
        let (sharp, soft) = (steepest(args), steepest(&format!("{args},edge=2")));
        assert!(sharp > 0.35, "{sharp}");
        // The slope of a step under a Gaussian of 2 pixels: 0.4/(2 √(2π)) = 0.08 per pixel.
        assert!(soft < 0.081 && soft > 0.04, "{soft}");
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("classes=9", "2..=8"),
            ("label=colour", "one of `shape`, `texture`"),
            ("agree=1.5", "key `agree`"),
            ("agree=1/0/1", "one probability, or two"),
            ("frequencies=0.1/0.2", "4 values, one per class"),
            ("width=0,fan=30", "key `fan`: expected one of"),
            ("size=2", "key `frequencies`: expected a band with a frequency"),
            (
                "size=8,width=0,frequencies=0.01/0.25/0.25/0.25",
                "a band with a frequency of the plane for class 0",
            ),
            ("size=8,width=0,classes=2,frequencies=0.25/0.05", "for class 1"),
            ("radius=0.4/0.3", "`least/most`, in this order"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
        }
    }

    proptest! {
        #[test]
        fn values_lie_in_the_unit_interval(
            (height, width) in (12usize..28, 12usize..28), classes in 2usize..=8, seed: u64, colour: bool,
            octaves in 0.7..6.0f64, agree in 0.0..=1.0f64, phases in 0usize..3, edge in 0.0..2.0f64,
            contrast in 0.0..=1.0f64, step in 0.0..=1.0f64
        ) {
            let (channels, phases) = (1 + 2 * usize::from(colour), ["kept", "shifted", "scrambled"][phases]);
            let args = format!(
                "size={height}x{width},classes={classes},count=9,channels={channels},width={octaves},agree={agree},\
                 phases={phases},edge={edge},contrast={contrast},step={step},polarity=random"
            );
            let set = load(&args, &Options { seed, ..Options::default() }).unwrap();
            prop_assert_eq!(set.images.dim(), (9, channels, height, width));
            prop_assert!(set.images.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}
