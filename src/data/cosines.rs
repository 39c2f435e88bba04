//! Classes that are one cosine each: the data whose learning has a closed form.
//!
//! Every image of class k, at row i and column j, is
//!
//! ```text
//! x_k[i, j] = A_k cos(2π (f_row i / H + f_col j / W) + φ_k)
//! ```
//!
//! with a frequency (f_row, f_col) and an amplitude A_k of the class's own and
//! a phase φ_k drawn from the seed; values are signed, in [−A_k, A_k] without
//! noise. No two classes share a frequency or its conjugate, and no frequency
//! is its own conjugate, so with n = H·W the images are orthogonal with norms
//! A_k √(n/2). With one-hot targets, *without centring* and with as many
//! samples of each class (`count` must be a multiple of `classes`), mode k of
//! Σyx is class k's cosine:
//!
//! ```text
//! s_k = A_k √(n/2) / K    λ_k = A_k² n / (2K) + noise²    ρ_k = √(n/2)
//! ```
//!
//! (with noise: in expectation).
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `classes` | 4, or the length of a list given | number of classes K, 2 to 1000 |
//! | `size` | 16 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 64 · classes | number of images, a multiple of `classes` |
//! | `noise` | 0 | standard deviation of white Gaussian noise |
//! | `amplitudes` | 1/0.7/0.49/… | one A_k > 0 per class; the default is 0.7^k |
//! | `frequencies` | low to middle | one `row:col` per class in cycles per image, such as `0:1/2:0/-2:1`; \|row\| ≤ H/2, \|col\| ≤ W/2 |
//!
//! The default frequencies are spread evenly over all those up to a quarter of
//! a cycle per pixel, from the lowest on; if these are too few, over all there
//! are.

use std::collections::HashSet;
use std::f64::consts::TAU;

use rand::Rng;
use rand_distr::StandardNormal;

use crate::data::args::{Args, COUNT};
use crate::data::{Options, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::seed;

// Signed (row, column) in cycles per image; of a conjugate pair the one that
// reports show: column in 0..=W/2, and row > 0 in the columns 0 and W/2.
pub(super) type Frequency = (i64, i64);

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind { classes_are_modes: true, ..spec::Kind::made("cosines", load) };

/// Makes the set that `args` describe: `count` images `[1, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments, and for
/// more classes than the size has frequencies.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    let mut args = Args::parse("cosines", args)?;
    let (height, width) = args.size("size", 16)?;
    let amplitudes = args.f64_list("amplitudes", 1e-6..=1e6)?;
    let frequencies = args.list("frequencies", "pairs of whole numbers `row:col`", |part| {
        let (row, col) = part.split_once(':')?;
        Some((row.trim().parse().ok()?, col.trim().parse().ok()?))
    })?;
    let listed = frequencies.as_ref().map(Vec::len).or(amplitudes.as_ref().map(Vec::len));
    let classes = args.usize("classes", 2..=1000, listed.unwrap_or(4))?;
    let count = args.usize("count", COUNT, 64 * classes)?;
    let noise = args.f64("noise", 0.0..=1e6, 0.0)?;
    args.finish()?;

    if classes < 2 {
        return Err(args.error("classes", "at least 2", classes));
    }
    let lengths = [
        ("amplitudes", amplitudes.as_ref().map(Vec::len)),
        ("frequencies", frequencies.as_ref().map(Vec::len)),
    ];
    for (key, length) in lengths {
        if let Some(length) = length.filter(|&length| length != classes) {
            return Err(args.error(key, format_args!("{classes} values, one per class"), length));
        }
    }
    equal_counts(&args, count, classes)?;
    let amplitudes = amplitudes.unwrap_or_else(|| (0..classes).map(|k| 0.7f64.powi(k as i32)).collect());
    let frequencies = match frequencies {
        Some(given) => checked(&args, &given, height, width)?,
        None => low_to_middle(&args, classes, height, width)?,
    };
    let cosines: Vec<Vec<f64>> = (0..classes)
        .map(|k| {
            let phase = seed::rng(options.seed, "cosines/phase", k as u64).random::<f64>() * TAU;
            plane(amplitudes[k], frequencies[k], phase, height, width)
        })
        .collect();

    let names = frequencies.iter().map(|(row, col)| format!("{row}:{col}")).collect();
    repeated(&args, options, [count, 1, height, width], names, &cosines, noise)
}

// Fails unless every class gets as many samples: only then are classes modes.
pub(super) fn equal_counts(args: &Args, count: usize, classes: usize) -> Result<()> {
    if !count.is_multiple_of(classes) {
        let expected = format!("a multiple of the {classes} classes, so that all have as many samples");
        return Err(args.error("count", expected, count));
    }
    Ok(())
}

// A set whose images are those of their classes, with white noise on them.
pub(super) fn repeated(
    args: &Args,
    options: &Options,
    shape: [usize; 4],
    names: Vec<String>,
    classes: &[Vec<f64>],
    noise: f64,
) -> Result<ImageSet> {
    args.make(options, shape, names, |rng, class, pixels| {
        for (pixel, &value) in pixels.iter_mut().zip(&classes[class]) {
            *pixel = value as f32;
            if noise > 0.0 {
                *pixel = (value + noise * rng.sample::<f64, _>(StandardNormal)) as f32;
            }
        }
    })
}

pub(super) fn plane(
    amplitude: f64,
    (row, col): Frequency,
    phase: f64,
    height: usize,
    width: usize,
) -> Vec<f64> {
    let turns = |frequency: i64, at: usize, side: usize| {
        // Reduced as whole numbers, so that large frequencies lose no digits.
        (frequency * at as i64).rem_euclid(side as i64) as f64 / side as f64
    };
    (0..height * width)
        .map(|at| {
            let (i, j) = (at / width, at % width);
            amplitude * (TAU * (turns(row, i, height) + turns(col, j, width)) + phase).cos()
        })
        .collect()
}

// The frequency or its conjugate, whichever reports show; None for a frequency
// that is its own conjugate (its "cosine" would lose power to the phase).
pub(super) fn canonical((row, col): Frequency, height: usize, width: usize) -> Option<Frequency> {
    let (h, w) = (height as i64, width as i64);
    let signed = |f: i64, side: i64| (f + (side - 1) / 2).rem_euclid(side) - (side - 1) / 2;
    let (row, col) = (signed(row, h), signed(col, w));
    let own_row = (2 * row) % h == 0;
    let own_col = (2 * col) % w == 0;
    match (own_row, own_col) {
        (true, true) => None,
        (true, false) => Some((row, col.abs())),
        (false, true) => Some((row.abs(), col)),
        (false, false) if col < 0 => Some((-row, -col)),
        (false, false) => Some((row, col)),
    }
}

fn checked(args: &Args, given: &[Frequency], height: usize, width: usize) -> Result<Vec<Frequency>> {
    let mut seen = HashSet::new();
    let mut frequencies = Vec::with_capacity(given.len());
    for &(row, col) in given {
        if row.unsigned_abs() > height as u64 / 2 || col.unsigned_abs() > width as u64 / 2 {
            let expected = format!("|row| <= {} and |col| <= {}", height / 2, width / 2);
            return Err(args.error("frequencies", expected, format_args!("`{row}:{col}`")));
        }
        let Some(frequency) = canonical((row, col), height, width) else {
            let expected = "frequencies that are not their own conjugates";
            return Err(args.error("frequencies", expected, format_args!("`{row}:{col}`")));
        };
        if !seen.insert(frequency) {
            let expected = "no frequency twice, nor with its conjugate";
            return Err(args.error("frequencies", expected, format_args!("`{row}:{col}` again")));
        }
        frequencies.push(frequency);
    }
    Ok(frequencies)
}

// Every frequency that is not its own conjugate, one of each conjugate pair,
// with |f|² in cycles per pixel: nearest to zero first.
pub(super) fn usable(height: usize, width: usize) -> Vec<(f64, Frequency)> {
    let (h, w) = (height as i64, width as i64);
    let mut all: Vec<(f64, Frequency)> = (0..=w / 2)
        .flat_map(|col| (-((h - 1) / 2)..=h / 2).map(move |row| (row, col)))
        .filter(|&f| canonical(f, height, width) == Some(f))
        .map(|(row, col)| {
            ((row as f64 / height as f64).powi(2) + (col as f64 / width as f64).powi(2), (row, col))
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

fn low_to_middle(args: &Args, classes: usize, height: usize, width: usize) -> Result<Vec<Frequency>> {
    let all = usable(height, width);
    let low = all.iter().take_while(|(squared, _)| *squared <= 0.0625 + 1e-12).count();
    let pool = if low >= classes { &all[..low] } else { &all[..] };
    if pool.len() < classes {
        let expected = format!("at most {} classes, the frequencies of {height}x{width} pixels", pool.len());
        return Err(args.error("classes", expected, classes));
    }
    Ok((0..classes).map(|k| pool[k * pool.len() / classes].1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use approx::assert_relative_eq;
    use ndarray::{Array1, Array2, s};
    use proptest::prelude::*;

    fn made(args: &str) -> ImageSet {
        load(args, &Options::default()).unwrap()
    }

    // (Σyx, Σxx) of an uncentred set, straight from their definitions.
    fn moments(set: &ImageSet) -> (Array2<f64>, Array2<f64>) {
        let pixels: usize = set.shape().iter().product();
        let x = set.images.mapv(f64::from).into_shape_with_order((set.len(), pixels)).unwrap();
        let y = set.targets.matrix().mapv(f64::from);
        let samples = set.len() as f64;
        (y.t().dot(&x) / samples, x.t().dot(&x) / samples)
    }

    #[test]
    fn plane_matches_values_by_hand() {
        // 2 cos(2π i/4) down the rows of 4x4: rows of 2, 0, −2, 0.
        let x = plane(2.0, (1, 0), 0.0, 4, 4);
        for (at, want) in [2.0, 0.0, -2.0, 0.0].iter().flat_map(|v| [v; 4]).enumerate() {
            assert!((x[at] - want).abs() < 1e-15, "pixel {at}");
        }
        // cos(2π (i + j)/4 + π/2) = −sin(π (i + j)/2): 0, −1, 0, 1 along i + j.
        let x = plane(1.0, (1, 1), TAU / 4.0, 4, 4);
        for (at, value) in x.iter().enumerate() {
            assert!((value - [0.0, -1.0, 0.0, 1.0][(at / 4 + at % 4) % 4]).abs() < 1e-15, "pixel {at}");
        }
    }

    #[test]
    fn height_and_width_keep_their_places() {
        // One cycle along the 6 columns of 4x6: equal rows, a period of 6.
        let x = plane(1.0, (0, 1), 0.0, 4, 6);
        let want = [1.0, 0.5, -0.5, -1.0, -0.5, 0.5];
        for (at, value) in x.iter().enumerate() {
            assert!((value - want[at % 6]).abs() < 1e-15, "pixel {at}");
        }
        let set = made("size=4x6,frequencies=0:1/1:0,count=2");
        assert_eq!(set.shape(), [1, 4, 6]);
        let rows = set.images.slice(s![0, 0, .., ..]);
        assert!(rows.outer_iter().all(|row| row == rows.row(0)));
        let columns = set.images.slice(s![1, 0, .., ..]);
        assert!(columns.columns().into_iter().all(|column| column == columns.column(0)));
    }

    #[test]
    fn modes_are_the_cosines_with_the_strengths_of_the_formula() {
        let amplitudes = [1.5, 1.0, 0.4];
        let set = made("size=6x8,frequencies=0:1/2:0/-2:3,amplitudes=1.5/1/0.4,count=12");
        let (syx, sxx) = moments(&set);
        let n = 48.0f64;
        let gram = syx.dot(&syx.t());
        for k in 0..3 {
            let strength = amplitudes[k] * (n / 2.0).sqrt() / 3.0;
            for l in 0..3 {
                let want = if k == l { strength * strength } else { 0.0 };
                assert!((gram[[k, l]] - want).abs() < 1e-6, "rows {k} and {l} of Σyx");
            }
            let v: Array1<f64> = &syx.row(k) / strength;
            let lambda = amplitudes[k].powi(2) * n / 6.0;
            let rest = sxx.dot(&v) - lambda * &v;
            assert!(rest.dot(&rest).sqrt() < 1e-6 * lambda, "mode {k} is no eigenvector of Σxx");
            // ρ = √n max |v̂|: all the energy sits in one conjugate pair.
            let (row, col) = [(0, 1), (2, 0), (-2, 3)][k];
            let (re, im) = v.iter().enumerate().fold((0.0, 0.0), |(re, im), (at, value)| {
                let turns = f64::from(row) * (at / 8) as f64 / 6.0 + f64::from(col) * (at % 8) as f64 / 8.0;
                (re + value * (TAU * turns).cos(), im - value * (TAU * turns).sin())
            });
            // The unitary DFT has 1/√n, ρ has √n.
            assert_relative_eq!(re.hypot(im), (n / 2.0).sqrt(), max_relative = 1e-6);
        }
    }

    #[test]
    fn noise_adds_its_variance_and_nothing_else() {
        let set = made("size=8,classes=2,count=4000,noise=0.5");
        let clean = made("size=8,classes=2,count=2");
        let mut square = 0.0;
        for (i, image) in set.images.outer_iter().enumerate() {
            square += (&image - &clean.images.slice(s![i % 2, .., .., ..])).mapv(|d| f64::from(d * d)).sum();
        }
        // 256,000 draws: the variance is known to √(2/256,000) = 0.3 %.
        assert_relative_eq!(square / (4000.0 * 64.0), 0.25, max_relative = 0.015);
    }

    #[test]
    fn defaults_are_what_the_table_says() {
        let set = made("");
        assert_eq!((set.len(), set.shape(), set.targets.outputs()), (256, [1, 16, 16], 4));
        let (syx, _) = moments(&set);
        for k in 0..4 {
            let strength = syx.row(k).dot(&syx.row(k)).sqrt();
            assert_relative_eq!(strength, 0.7f64.powi(k as i32) * 128f64.sqrt() / 4.0, max_relative = 1e-6);
        }
    }

    #[test]
    fn canonical_halves_the_plane() {
        for (height, width) in [(4, 4), (5, 7), (4, 7), (6, 3), (1, 8), (2, 2), (1, 1)] {
            let mut seen = HashSet::new();
            let mut own = 0;
            for row in 0..height as i64 {
                for col in 0..width as i64 {
                    match canonical((row, col), height, width) {
                        None => own += 1,
                        Some(f) => {
                            assert_eq!(canonical((-row, -col), height, width), Some(f), "{height}x{width}");
                            assert_eq!(canonical(f, height, width), Some(f), "{height}x{width}");
                            assert!(f.1 >= 0 && f.1 <= width as i64 / 2, "{f:?} of {height}x{width}");
                            seen.insert(f);
                        }
                    }
                }
            }
            assert_eq!(2 * seen.len() + own, height * width);
            assert_eq!(own, (2 - height % 2) * (2 - width % 2));
        }
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("amplitud=1/2", "key `amplitud`: expected one of `size`, `amplitudes`"),
            ("classes=7,size=4", "at most 6 classes"),
            ("classes=1", "2..=1000"),
            ("frequencies=0:1", "at least 2"),
            ("frequencies=0:1/0:-1", "nor with its conjugate"),
            ("frequencies=0:1/0:8", "own conjugates"),
            ("frequencies=0:1/9:0", "|row| <= 8"),
            ("frequencies=0:1/1", "pairs of whole numbers"),
            ("frequencies=0:1/99999999999999999999:0", "pairs of whole numbers"),
            ("classes=3,amplitudes=1/2", "3 values, one per class, found 2"),
            ("amplitudes=1/0", "numbers in 0.000001..=1000000"),
            ("count=6", "a multiple of the 4 classes"),
            ("noise=-1", "a number in 0..=1000000"),
            ("noise=NaN", "a number in 0..=1000000"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
            assert!(error.starts_with("data `cosines:"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn default_frequencies_never_collide(height in 1usize..20, width in 1usize..20, classes in 2usize..12) {
            let args = format!("size={height}x{width},classes={classes},count={classes}");
            let available = (height * width - (2 - height % 2) * (2 - width % 2)) / 2;
            let set = load(&args, &Options::default());
            prop_assert_eq!(set.is_ok(), classes <= available);
            if let Ok(set) = set {
                let (syx, _) = moments(&set);
                let gram = syx.dot(&syx.t());
                let n = (height * width) as f64;
                for k in 0..classes {
                    for l in 0..classes {
                        let want = if k == l { 0.49f64.powi(k as i32) * n / 2.0 } else { 0.0 };
                        let got = gram[[k, l]] * (classes * classes) as f64;
                        prop_assert!((got - want).abs() < 1e-5 * n, "{k} {l}: {got} {want}");
                    }
                }
                let Targets::Classes { labels, .. } = set.targets else { unreachable!() };
                prop_assert_eq!(labels, (0..classes as u32).collect::<Vec<_>>());
            }
        }
    }
}
