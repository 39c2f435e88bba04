//! Images of two parts that both tell the class: its content and a cue.
//!
//! Every image of class k is, at position p,
//!
//! ```text
//! x(p) = c_k(p) + A q_k(p),    c_k, q_k = Σ_f √(1/F) cos(2π f·p + φ_f)  over F frequencies
//! ```
//!
//! with F = `content` frequencies of the content and `cue` of the cue, no two patterns
//! sharing one, nor one with its own conjugate: all are orthogonal, and have the norm
//! √(n/2), n = H·W, the cue A times as much. Contents have the lowest frequencies, cues
//! those that follow. With two classes, centred, there is one mode, v ∝ c_0 − c_1 + A (q_0 −
//! q_1): a network that has learned it answers with both parts, or with one of them. Which
//! one shows on images whose cue is that of another class.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `classes` | 2 | number K of classes, 2 to 8 |
//! | `content` | 4 | frequencies of the content of a class |
//! | `cue` | 1 | frequencies of its cue |
//! | `amplitude` | 1 | A, norm of the cue over that of the content, 1e-3 to 1e3 |
//! | `as` | `auto` | `cue`, `clean` (no cue) or `conflict` (the cue of the next class, cyclically); `auto` is `cue` in the split "train", `clean` in "validation" and `conflict` in "test" |
//! | `size` | 16 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 64 · classes | number of images, a multiple of the number of classes |
//! | `noise` | 0 | standard deviation of white Gaussian noise |

use std::f64::consts::TAU;

use ndarray::Array3;
use rand::Rng;

use crate::data::args::{Args, COUNT};
use crate::data::spread::sum_of_cosines;
use crate::data::{Options, Spec, cosines, spec};
use crate::error::{Error, Result};
use crate::field::ImageSet;
use crate::seed;

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::made("shortcut", load);

/// Which cue an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Auto,
    Cue,
    Clean,
    Conflict,
}

/// What such a set is made of.
#[derive(Clone, Debug)]
pub struct Design {
    /// K.
    pub classes: usize,
    /// Frequencies of the content of a class.
    pub content: usize,
    /// Frequencies of its cue.
    pub cue: usize,
    /// Norm of the cue over that of the content.
    pub amplitude: f64,
    size: (usize, usize),
    count: usize,
    noise: f64,
    form: Form,
    args: Args,
}

/// The two parts of each class `[K, H, W]`.
#[derive(Clone, Debug)]
pub struct Parts {
    /// c_k.
    pub content: Array3<f64>,
    /// A q_k.
    pub cue: Array3<f64>,
}

/// Makes the set that `args` describe: `count` images `[1, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments, and for more
/// frequencies in all than the size has.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    Design::read(args)?.make(options)
}

impl Design {
    /// Of the source that `spec` names.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for another source, and as [`load`].
    pub fn of(spec: &Spec) -> Result<Self> {
        if spec.kind().name == KIND.name {
            return Self::read(spec.argument());
        }
        Err(Error::input("--data", "`shortcut`, whose images have a content and a cue", spec))
    }

    /// `[c, h, w]` of the images.
    pub fn shape(&self) -> [usize; 3] {
        [1, self.size.0, self.size.1]
    }

    /// Whether images of this split have the cues of their own classes (true), of others
    /// (false), or none.
    pub fn agrees(&self, split: &str) -> Option<bool> {
        match self.form {
            Form::Auto => (split != "validation").then_some(split == "train"),
            Form::Cue => Some(true),
            Form::Conflict => Some(false),
            Form::Clean => None,
        }
    }

    fn read(args: &str) -> Result<Self> {
        let mut args = Args::parse("shortcut", args)?;
        let classes = args.usize("classes", 2..=8, 2)?;
        let content = args.usize("content", 1..=100_000, 4)?;
        let cue = args.usize("cue", 1..=100_000, 1)?;
        let amplitude = args.f64("amplitude", 1e-3..=1e3, 1.0)?;
        let forms =
            [("auto", Form::Auto), ("cue", Form::Cue), ("clean", Form::Clean), ("conflict", Form::Conflict)];
        let form = args.choice("as", forms)?;
        let size = args.size("size", 16)?;
        let count = args.usize("count", COUNT, 64 * classes)?;
        let noise = args.f64("noise", 0.0..=1e6, 0.0)?;
        args.finish()?;
        cosines::equal_counts(&args, count, classes)?;
        let (there, needed) = (cosines::usable(size.0, size.1).len(), classes * (content + cue));
        if needed > there {
            let expected = format!(
                "classes · (content + cue) of at most {there}, those of {}x{} pixels",
                size.0, size.1
            );
            return Err(args.wrong(expected, needed));
        }
        Ok(Self { classes, content, cue, amplitude, size, count, noise, form, args })
    }

    /// Contents and cues, their phases drawn from `seed`.
    pub fn parts(&self, seed: u64) -> Parts {
        let (h, w) = self.size;
        let mut frequencies = cosines::usable(h, w).into_iter().map(|(_, frequency)| frequency);
        let mut patterns = |what: &str, number: usize, amplitude: f64| {
            let mut all = Array3::zeros((self.classes, h, w));
            for (k, mut pattern) in all.outer_iter_mut().enumerate() {
                let mut rng = seed::rng(seed, &format!("shortcut/{what}"), k as u64);
                let height = amplitude / (number as f64).sqrt();
                let waves = frequencies.by_ref().take(number);
                let waves = waves.map(|frequency| (frequency, height, rng.random::<f64>() * TAU));
                let values = sum_of_cosines(waves, h, w);
                pattern.iter_mut().zip(values).for_each(|(out, value)| *out = value);
            }
            all
        };
        let content = patterns("content", self.content, 1.0);
        Parts { content, cue: patterns("cue", self.cue, self.amplitude) }
    }

    fn make(&self, options: &Options) -> Result<ImageSet> {
        let Parts { content, cue } = self.parts(options.seed);
        let agrees = self.agrees(&options.split);
        let image = |k: usize| {
            let mut image = content.index_axis(ndarray::Axis(0), k).to_owned();
            if let Some(agrees) = agrees {
                let of = if agrees { k } else { (k + 1) % self.classes };
                image += &cue.index_axis(ndarray::Axis(0), of);
            }
            image.into_raw_vec_and_offset().0
        };
        let images: Vec<Vec<f64>> = (0..self.classes).map(image).collect();
        let names = (0..self.classes).map(|k| k.to_string()).collect();
        let shape = [self.count, 1, self.size.0, self.size.1];
        cosines::repeated(&self.args, options, shape, names, &images, self.noise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Normalize, prepare};
    use crate::theory::Modes;
    use approx::assert_relative_eq;

    fn set(args: &str, split: &str) -> ImageSet {
        load(args, &Options { split: split.to_owned(), ..Options::default() }).unwrap()
    }

    #[test]
    fn two_classes_are_one_mode_by_hand() {
        // ‖c‖² = n/2 = 24, ‖d‖² = ‖x_0 − x_1‖² = 2·24 (1 + A²) with A = 2: 240.
        // y = ±½ (1, −1), x = ±d/2: s = √2/4 ‖d‖, λ = ‖d‖²/4.
        let samples =
            prepare(set("size=6x8,content=2,cue=3,amplitude=2,count=4", "train"), Normalize::None, true);
        let modes = Modes::new(&samples.unwrap()).unwrap();
        assert_eq!(modes.len(), 1);
        let mode = &modes.list[0];
        assert_relative_eq!(mode.s, 2f64.sqrt() / 4.0 * 240f64.sqrt(), max_relative = 1e-5);
        assert_relative_eq!(mode.lambda, 60.0, max_relative = 1e-5);
        // The strongest entry is of a cue: energy 4/5 over 2 classes · 3 frequencies · 2 entries.
        assert_relative_eq!(mode.rho, (48.0 * 0.8 / 12.0f64).sqrt(), max_relative = 1e-5);
    }

    #[test]
    fn cues_agree_in_training_and_are_exchanged_or_absent_elsewhere() {
        let args = "size=8,content=2,cue=1,amplitude=0.5,count=6,classes=3";
        let parts = Design::read(args).unwrap().parts(0);
        let image = |set: &ImageSet, k: usize| set.images.slice(ndarray::s![k, 0, .., ..]).mapv(f64::from);
        let close = |a: &ndarray::Array2<f64>, b: &ndarray::Array2<f64>| {
            assert!((a - b).iter().all(|d| d.abs() < 1e-6));
        };
        let part = |all: &Array3<f64>, k: usize| all.index_axis(ndarray::Axis(0), k).to_owned();
        for k in 0..3 {
            let content = part(&parts.content, k);
            close(&image(&set(args, "train"), k), &(&content + &part(&parts.cue, k)));
            let other = part(&parts.cue, (k + 1) % 3);
            close(&image(&set(args, "test"), k), &(&content + &other));
            close(&image(&set(&format!("{args},as=clean"), "test"), k), &content);
            close(&image(&set(args, "validation"), k), &content);
            close(&image(&set(&format!("{args},as=conflict"), "train"), k), &(&content + &other));
        }
        // All are orthogonal, with the norms of the formula.
        let all: Vec<_> = (0..3).flat_map(|k| [part(&parts.content, k), part(&parts.cue, k)]).collect();
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                let norm = if i % 2 == 0 { 32.0 } else { 8.0 };
                let want = if i == j { norm } else { 0.0 };
                assert!(((a * b).sum() - want).abs() < 1e-9, "{i} {j}");
            }
        }
    }

    #[test]
    fn unusable_arguments_are_named() {
        let error = |args: &str| load(args, &Options::default()).unwrap_err().to_string();
        assert!(
            error("size=4,content=3,cue=1").contains("of at most 6"),
            "{}",
            error("size=4,content=3,cue=1")
        );
        assert!(error("cue=0").contains("cue"));
        assert!(error("count=3").contains("multiple"));
        assert!(error("as=clear").contains("`conflict`"));
        assert!(error("amplitud=1").contains("did you mean `amplitude`"));
        assert!(Design::of(&"cosines".parse().unwrap()).unwrap_err().to_string().contains("`shortcut`"));
    }
}
