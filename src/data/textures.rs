//! Gratings and noise of given spectra: what a class is, is its spectrum.
//!
//! Every image is a pattern of mean 0 and variance 1 around mid-grey,
//!
//! ```text
//! x = 0.5 + contrast · pattern + noise · ξ,  ξ white Gaussian, cut to [0, 1]
//! ```
//!
//! - `gratings`: √2 cos(2π f (i sin θ_k + j cos θ_k) + φ), i down the rows, j
//!   along the columns, with θ_k = π k / K: class 0 varies along the columns
//!   (upright stripes). f is in cycles per pixel.
//! - `noise`: every frequency has the exact power |f|^−β_k (f the distance in
//!   cycles per pixel, no mean) and a random phase.
//! - `bands`: as `noise`, with equal power in band k and none elsewhere; the K
//!   bands divide the range from 1/max(H, W) to 1/2 cycle per pixel in equal
//!   ratios.
//!
//! Phases decide what a linear network can learn. `fixed`: one pattern per
//! class, drawn from the seed, the same in all of its images but for the
//! noise; the modes of the set are the patterns. `random`: every image has
//! phases of its own. The means of all classes then vanish and with them Σyx:
//! *there is no linear mode*, and only a network that is not linear can tell
//! the classes apart. `mixed`: √mix of the class's pattern and √(1 − mix) of a
//! pattern of the image's own, so that the variance stays 1.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `kind` | `gratings` | `gratings`, `noise` or `bands` |
//! | `classes` | 4 | number of classes K, 2 to 100 |
//! | `size` | 32 | `H` (square) or `HxW`, sides 1 to 512 (2 to 512 for `noise` and `bands`) |
//! | `count` | 2000 | number of images; classes are interleaved |
//! | `phase` | `fixed` | `fixed`, `random` or `mixed` |
//! | `mix` | 0.5 | with `phase=mixed`: part of the variance that the class's pattern has, 0 to 1 |
//! | `contrast` | 0.15 | standard deviation of the pattern, 0 to 1 |
//! | `noise` | 0.05 | standard deviation of the white noise, 0 to 1 |
//! | `frequencies` | 0.125 | with `kind=gratings`: f in cycles per pixel, above 0 and up to 0.5, one for all or one per class |
//! | `slopes` | 0/…/3 | with `kind=noise`: one β_k per class, 0 to 6; evenly spaced by default |
//!
//! Values lie in [0, 1]; the cut begins at 3.3 standard deviations of the
//! default contrast and bends the spectra where contrast is much higher.

use std::f64::consts::{PI, SQRT_2, TAU};

use rand::Rng;
use rand_distr::StandardNormal;
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::data::args::{Args, COUNT};
use crate::data::{Options, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::seed::{self, ChaCha8Rng};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Gratings,
    Noise,
    Bands,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Fixed,
    Random,
    Mixed,
}

enum Texture {
    // Cycles per pixel down the rows and along the columns.
    Grating { down: f64, along: f64, height: usize, width: usize },
    Spectrum(Filter),
}

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::made("textures", load);

/// Makes the set that `args` describe: `count` images `[1, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments, for
/// keys of another kind, and for a size too small to hold a band of its own
/// per class.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    let mut args = Args::parse("textures", args)?;
    let kind =
        args.choice("kind", [("gratings", Kind::Gratings), ("noise", Kind::Noise), ("bands", Kind::Bands)])?;
    let classes = args.usize("classes", 2..=100, 4)?;
    let (height, width) = args.size("size", 32)?;
    let count = args.usize("count", COUNT, 2000)?;
    let phase =
        args.choice("phase", [("fixed", Phase::Fixed), ("random", Phase::Random), ("mixed", Phase::Mixed)])?;
    // Keys that mean nothing here stay unknown, so that they are not passed over.
    let mix = match phase {
        Phase::Fixed => 1.0,
        Phase::Random => 0.0,
        Phase::Mixed => args.f64("mix", 0.0..=1.0, 0.5)?,
    };
    let contrast = args.f64("contrast", 0.0..=1.0, 0.15)?;
    let noise = args.f64("noise", 0.0..=1.0, 0.05)?;
    let frequencies = match kind {
        Kind::Gratings => args.f64_list("frequencies", 1e-3..=0.5)?.unwrap_or_else(|| vec![0.125]),
        Kind::Noise | Kind::Bands => Vec::new(),
    };
    let slopes = match kind {
        Kind::Noise => args.f64_list("slopes", 0.0..=6.0)?,
        Kind::Gratings | Kind::Bands => None,
    };
    args.finish()?;

    if kind == Kind::Gratings && frequencies.len() != 1 && frequencies.len() != classes {
        let expected = format!("one value, or {classes}, one per class");
        return Err(args.error("frequencies", expected, frequencies.len()));
    }
    let slopes =
        slopes.unwrap_or_else(|| (0..classes).map(|k| 3.0 * k as f64 / (classes - 1) as f64).collect());
    if slopes.len() != classes {
        return Err(args.error("slopes", format_args!("{classes} values, one per class"), slopes.len()));
    }
    let lowest = 1.0 / height.max(width) as f64;
    let texture = |k: usize| -> Result<Texture> {
        let power: Box<dyn Fn(f64) -> f64> = match kind {
            Kind::Gratings => {
                let f = frequencies[k.min(frequencies.len() - 1)];
                let (sin, cos) = (PI * k as f64 / classes as f64).sin_cos();
                return Ok(Texture::Grating { down: f * sin, along: f * cos, height, width });
            }
            Kind::Noise => Box::new(|f| f.powf(-slopes[k])),
            Kind::Bands => {
                let edge = |k: usize| lowest * (0.5 / lowest).powf(k as f64 / classes as f64);
                // The last band holds its upper end too.
                let (from, to) = (edge(k), if k + 1 == classes { 0.5 + 1e-9 } else { edge(k + 1) });
                Box::new(move |f| if (from - 1e-9..to - 1e-9).contains(&f) { 1.0 } else { 0.0 })
            }
        };
        let filter = Filter::new(height, width, power).ok_or_else(|| {
            let expected = format!("sides large enough for a frequency in the spectrum of class {k}");
            args.error("size", expected, format_args!("{height}x{width}"))
        })?;
        Ok(Texture::Spectrum(filter))
    };
    let textures = (0..classes).map(texture).collect::<Result<Vec<_>>>()?;
    let patterns: Vec<Vec<f64>> = (0..classes)
        .map(|k| textures[k].draw(&mut seed::rng(options.seed, "textures/pattern", k as u64)))
        .collect();

    let names = (0..classes)
        .map(|k| match kind {
            Kind::Gratings => format!("{:.0} degrees", 180.0 * k as f64 / classes as f64),
            Kind::Noise => format!("slope {}", slopes[k]),
            Kind::Bands => format!("band {k}"),
        })
        .collect();
    args.make(options, [count, 1, height, width], names, |rng, class, pixels| {
        let own = (phase != Phase::Fixed).then(|| textures[class].draw(rng));
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let drawn = own.as_ref().map_or(0.0, |own| own[at]);
            let pattern = mix.sqrt() * patterns[class][at] + (1.0 - mix).sqrt() * drawn;
            let grain = if noise > 0.0 { noise * rng.sample::<f64, _>(StandardNormal) } else { 0.0 };
            *pixel = (0.5 + contrast * pattern + grain).clamp(0.0, 1.0) as f32;
        }
    })
}

impl Texture {
    // A pattern of mean 0 and variance 1 (a grating: in expectation over its phase).
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        match self {
            Texture::Grating { down, along, height, width } => {
                let phase = rng.random::<f64>() * TAU;
                (0..height * width)
                    .map(|at| {
                        let (i, j) = ((at / width) as f64, (at % width) as f64);
                        SQRT_2 * (TAU * (down * i + along * j) + phase).cos()
                    })
                    .collect()
            }
            Texture::Spectrum(filter) => filter.draw(rng),
        }
    }
}

/// A power spectrum on the `H x W` plane, to draw random-phase noise from.
pub(super) struct Filter {
    height: usize,
    width: usize,
    // |ẑ| of the patterns, unnormalised DFT, in the order of the plane.
    amplitudes: Vec<f64>,
}

impl Filter {
    /// The spectrum `power(f)`, f > 0 in cycles per pixel; the mean is 0. None
    /// where no frequency of the plane has any power.
    pub(super) fn new(height: usize, width: usize, power: impl Fn(f64) -> f64) -> Option<Self> {
        Self::shaped(height, width, |down, along| power(f64::hypot(down, along)))
    }

    /// The spectrum `power(down, along)`, in cycles per pixel from −½ to ½, not both 0; of a
    /// frequency and its conjugate the mean. None as for [`Filter::new`].
    pub(super) fn shaped(height: usize, width: usize, power: impl Fn(f64, f64) -> f64) -> Option<Self> {
        let per_pixel = |at: usize, side: usize| {
            if 2 * at <= side { at as f64 / side as f64 } else { -((side - at) as f64 / side as f64) }
        };
        let power = |row: usize, col: usize| power(per_pixel(row, height), per_pixel(col, width));
        let mut amplitudes: Vec<f64> = (0..height * width)
            .map(|at| {
                let (row, col) = (at / width, at % width);
                let both = || power(row, col) + power((height - row) % height, (width - col) % width);
                if at == 0 { 0.0 } else { (both() / 2.0).sqrt() }
            })
            .collect();
        let total: f64 = amplitudes.iter().map(|a| a * a).sum();
        if total == 0.0 {
            return None;
        }
        // Parseval: Σ|ẑ|² = n Σz² = n² for a variance of 1.
        let scale = (height * width) as f64 / total.sqrt();
        amplitudes.iter_mut().for_each(|a| *a *= scale);
        Some(Self { height, width, amplitudes })
    }

    /// A plane with exactly this spectrum: the phases are those of white noise,
    /// which are uniform and belong to real values.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let white: Vec<f64> = self.amplitudes.iter().map(|_| rng.sample(StandardNormal)).collect();
        self.filtered(&white, |amplitude, z| {
            let length = z.norm();
            if length > 0.0 { z * (amplitude / length) } else { Complex::ZERO }
        })
    }

    /// The plane without the frequencies that have power here.
    pub(super) fn stopped(&self, plane: &[f64]) -> Vec<f64> {
        self.filtered(plane, |amplitude, z| if amplitude > 0.0 { Complex::ZERO } else { z })
    }

    // The plane with `f(|ẑ| of the patterns, its own)` for its frequencies.
    fn filtered(&self, plane: &[f64], f: impl Fn(f64, Complex<f64>) -> Complex<f64>) -> Vec<f64> {
        let mut plane: Vec<Complex<f64>> = plane.iter().map(|&value| Complex::new(value, 0.0)).collect();
        let mut planner = FftPlanner::new();
        let (along, down) = (planner.plan_fft_forward(self.width), planner.plan_fft_forward(self.height));
        along.process(&mut plane);
        let mut turned = transposed(&plane, self.height, self.width);
        down.process(&mut turned);
        for (at, z) in turned.iter_mut().enumerate() {
            let (row, col) = (at % self.height, at / self.height);
            *z = f(self.amplitudes[row * self.width + col], *z);
        }
        planner.plan_fft_inverse(self.height).process(&mut turned);
        let mut plane = transposed(&turned, self.width, self.height);
        planner.plan_fft_inverse(self.width).process(&mut plane);
        let n = plane.len() as f64;
        plane.iter().map(|z| z.re / n).collect()
    }
}

fn transposed(plane: &[Complex<f64>], rows: usize, cols: usize) -> Vec<Complex<f64>> {
    (0..rows * cols).map(|at| plane[(at % rows) * cols + at / rows]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;
    use proptest::prelude::*;

    fn made(args: &str) -> ImageSet {
        load(args, &Options::default()).unwrap()
    }

    // |DFT|² by its definition.
    fn power(plane: &[f64], height: usize, width: usize, row: usize, col: usize) -> f64 {
        let sum: Complex<f64> = plane
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let turns =
                    (row * (at / width)) as f64 / height as f64 + (col * (at % width)) as f64 / width as f64;
                Complex::from_polar(*value, -TAU * turns)
            })
            .sum();
        sum.norm_sqr()
    }

    #[test]
    fn noise_has_exactly_the_spectrum_asked_for() {
        for (height, width) in [(6, 9), (9, 6), (8, 8), (1, 7), (5, 1)] {
            let filter = Filter::new(height, width, |f| f.powf(-2.0)).unwrap();
            let plane = filter.draw(&mut seed::rng(3, "test", 0));
            let n = (height * width) as f64;
            let variance = plane.iter().map(|v| v * v).sum::<f64>() / n;
            assert!((variance - 1.0).abs() < 1e-12, "{height}x{width}: variance {variance}");
            let f2 = |row: usize, col: usize| {
                let f = |at: usize, side: usize| at.min(side - at) as f64 / side as f64;
                f(row, height).powi(2) + f(col, width).powi(2)
            };
            let total: f64 = (1..height * width).map(|at| 1.0 / f2(at / width, at % width)).sum();
            for at in 0..height * width {
                let (row, col) = (at / width, at % width);
                let want = if at == 0 { 0.0 } else { n * n / (f2(row, col) * total) };
                let got = power(&plane, height, width, row, col);
                assert!((got - want).abs() < 1e-9 * n * n, "{height}x{width} at {row}:{col}: {got} {want}");
            }
        }
    }

    #[test]
    fn gratings_turn_from_the_columns_to_the_rows() {
        let set = made("classes=2,size=4x8,frequencies=0.25,count=2,contrast=0.3,noise=0");
        // Class 0 varies along a row with period 4, class 1 down a column.
        let upright: ndarray::ArrayView2<f32> = set.images.slice(s![0, 0, .., ..]);
        assert!(upright.outer_iter().all(|row| row == upright.row(0)));
        for j in 0..4 {
            assert!((upright[[0, j]] - upright[[0, j + 4]]).abs() < 1e-6);
            // Half a period apart lies the mirror value.
            assert!((upright[[0, j]] + upright[[0, j + 2]] - 1.0).abs() < 1e-6);
        }
        let lying: ndarray::ArrayView2<f32> = set.images.slice(s![1, 0, .., ..]);
        assert!((0..8).all(|j| (lying[[0, j]] - lying[[0, 0]]).abs() < 1e-6));
        assert!((lying[[0, 0]] + lying[[2, 0]] - 1.0).abs() < 1e-6);
        assert!((lying[[0, 0]] - lying[[1, 0]]).abs() > 1e-3);
        // A quarter period apart, squares add up to the squared amplitude 2 · 0.3².
        let squares = (lying[[0, 0]] - 0.5).powi(2) + (lying[[1, 0]] - 0.5).powi(2);
        assert!((squares - 0.18).abs() < 1e-6);
    }

    #[test]
    fn bands_divide_the_frequencies() {
        let (height, width, classes) = (16, 24, 3);
        let set = made("kind=bands,classes=3,size=16x24,count=3,contrast=0.05,noise=0");
        for class in 0..classes {
            let plane: Vec<f64> =
                set.images.slice(s![class, 0, .., ..]).iter().map(|&v| f64::from(v) - 0.5).collect();
            let edge = |k: usize| 12f64.powf(k as f64 / classes as f64) / 24.0;
            let (mut within, mut without) = (0.0, 0.0);
            for at in 1..height * width {
                let (row, col) = (at / width, at % width);
                let f = (row.min(16 - row) as f64 / 16.0).hypot(col.min(24 - col) as f64 / 24.0);
                let inside = f > edge(class) - 1e-6 && f < edge(class + 1) + 1e-6;
                *(if inside { &mut within } else { &mut without }) += power(&plane, height, width, row, col);
            }
            assert!(without < 1e-9 * within, "band {class}: {without} of {within}");
        }
    }

    #[test]
    fn phases_decide_whether_class_means_vanish() {
        let distance = |phase: &str| {
            let set = made(&format!("kind=noise,classes=2,size=8,count=2000,noise=0,{phase}"));
            let mean = |k: usize| {
                let images = set.images.slice(s![k..;2, .., .., ..]);
                images.mean_axis(ndarray::Axis(0)).unwrap()
            };
            let difference = mean(0) - mean(1);
            f64::from((&difference * &difference).mean().unwrap()) / (2.0 * 0.15 * 0.15)
        };
        // Two patterns of variance 1 drawn apart differ by 2 in the mean square, give or take chance.
        let fixed = distance("phase=fixed");
        assert!((0.6..1.4).contains(&fixed), "{fixed}");
        let mixed = distance("phase=mixed,mix=0.25");
        assert!((mixed / fixed - 0.25).abs() < 0.05, "{mixed} of {fixed}");
        // The mean of 1000 patterns: 1/1000.
        let random = distance("phase=random");
        assert!(random < 0.002, "{random}");
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("kind=stripes", "one of `gratings`, `noise`, `bands`"),
            ("slopes=1/2/3/4", "key `slopes`: expected one of"),
            ("mix=0.5", "key `mix`: expected one of"),
            ("frequencies=0.1/0.2", "one value, or 4"),
            ("frequencies=0.6", "0.001..=0.5"),
            ("kind=noise,slopes=1", "4 values, one per class"),
            ("kind=noise,size=1", "key `size`: expected sides large enough"),
            ("kind=bands,size=4,classes=9", "key `size`: expected sides large enough"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
        }
    }

    proptest! {
        #[test]
        fn values_lie_in_the_unit_interval(
            (height, width) in (2usize..24, 2usize..24), kind in 0usize..2, phase in 0usize..3,
            classes in 2usize..6, contrast in 0.0..=1.0f64, noise in 0.0..=1.0f64, seed: u64
        ) {
            let (kind, phase) = (["gratings", "noise"][kind], ["fixed", "random", "mixed"][phase]);
            let args = format!(
                "kind={kind},phase={phase},size={height}x{width},classes={classes},count=7,\
                 contrast={contrast},noise={noise}"
            );
            let set = load(&args, &Options { seed, ..Options::default() }).unwrap();
            prop_assert_eq!(set.images.dim(), (7, 1, height, width));
            prop_assert!(set.images.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}
