//! Classes that are sums of cosines: modes that are spread over as many
//! frequencies as wanted, and equally strong whatever that number.
//!
//! Every image of class k is, at position p,
//!
//! ```text
//! x_k(p) = A_k Σ_f √e_{k,f} cos(2π f·p + φ_{k,f})    Σ_f e_{k,f} = 1
//! ```
//!
//! over F_k frequencies of the class's own, with phases drawn from the seed. No
//! two classes share a frequency or its conjugate, and no frequency is its own
//! conjugate, so the images are orthogonal with norms A_k √(n/2), n = H·W. The
//! energy of the f-th frequency (f = 0, 1, …) is e_{k,f} ∝ (f + 1)^−decay:
//! equal energies 1/F_k by default. A frequency and its conjugate have half of
//! it each.
//!
//! With one-hot targets, *without centring* and with as many samples of each of
//! the K classes (`count` must be a multiple of K), mode k of Σyx is class k's
//! image:
//!
//! ```text
//! s_k = A_k √(n/2) / K    λ_k = A_k² n / (2K) + noise²    ρ_k = √(n e_{k,0} / 2)
//! ```
//!
//! (with noise: in expectation), so that ρ_k = √(n / (2 F_k)) where energies are
//! equal, and ρ_k = √(n / (2 Σ_f (f + 1)^−decay)) in general. One class is
//! allowed: y is then constant, and uncentred there is one mode.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `frequencies` | 1/4/40 | F_k, how many frequencies each class has; the length of the list is the number of classes, 1 to 1000 |
//! | `size` | 16 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 64 · classes | number of images, a multiple of the number of classes |
//! | `noise` | 0 | standard deviation of white Gaussian noise |
//! | `amplitudes` | 1/0.7/0.49/… | one A_k > 0 per class; the default is 0.7^k |
//! | `decay` | 0 | exponent of the energies, 0 to 10; 0 makes them equal |
//!
//! Frequencies are dealt out in the order of |f| in cycles per pixel: class 0
//! has the F_0 lowest, class 1 the next F_1, and so on. The lowest of a class
//! is its strongest where energies decay.

use std::f64::consts::TAU;

use ndarray::Array2;
use rand::Rng;
use rustfft::num_complex::Complex;

use crate::data::args::{Args, COUNT};
use crate::data::cosines::{self, Frequency};
use crate::data::{Options, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::{seed, spectrum};

const MOST_CLASSES: usize = 1000;

/// In the registry of sources.
pub const KIND: spec::Kind =
    spec::Kind { classes_are_modes: true, least_classes: 1, ..spec::Kind::made("spread", load) };

/// Makes the set that `args` describe: `count` images `[1, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments, and for
/// more frequencies in all than the size has.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    let mut args = Args::parse("spread", args)?;
    let numbers = args.list("frequencies", "whole numbers above 0", |part| {
        part.parse::<usize>().ok().filter(|&number| number > 0)
    })?;
    let numbers = numbers.unwrap_or_else(|| vec![1, 4, 40]);
    let classes = numbers.len();
    let (height, width) = args.size("size", 16)?;
    let count = args.usize("count", COUNT, 64 * classes)?;
    let noise = args.f64("noise", 0.0..=1e6, 0.0)?;
    let amplitudes = args.f64_list("amplitudes", 1e-6..=1e6)?;
    let decay = args.f64("decay", 0.0..=10.0, 0.0)?;
    args.finish()?;

    if classes > MOST_CLASSES {
        let expected = format!("at most {MOST_CLASSES} numbers, one per class");
        return Err(args.error("frequencies", expected, classes));
    }
    if let Some(length) = amplitudes.as_ref().map(Vec::len).filter(|&length| length != classes) {
        let expected = format!("{classes} values, one per class (as many as `frequencies`)");
        return Err(args.error("amplitudes", expected, length));
    }
    cosines::equal_counts(&args, count, classes)?;
    let usable = cosines::usable(height, width);
    let total = numbers.iter().fold(0usize, |sum, &number| sum.saturating_add(number));
    if total > usable.len() {
        let expected = format!("at most {} in all, those of {height}x{width} pixels", usable.len());
        return Err(args.error("frequencies", expected, total));
    }

    let amplitudes = amplitudes.unwrap_or_else(|| (0..classes).map(|k| 0.7f64.powi(k as i32)).collect());
    let mut frequencies = usable.into_iter().map(|(_, frequency)| frequency);
    let images: Vec<Vec<f64>> = (0..classes)
        .map(|k| {
            let mut rng = seed::rng(options.seed, "spread/phase", k as u64);
            let waves =
                shares(numbers[k], decay).into_iter().zip(frequencies.by_ref()).map(|(share, frequency)| {
                    (frequency, amplitudes[k] * share.sqrt(), rng.random::<f64>() * TAU)
                });
            sum_of_cosines(waves, height, width)
        })
        .collect();
    let names = numbers.iter().enumerate().map(|(k, number)| {
        format!("{k}: {number} {}", if *number == 1 { "frequency" } else { "frequencies" })
    });
    let names = names.collect();
    cosines::repeated(&args, options, [count, 1, height, width], names, &images, noise)
}

// e_f ∝ (f + 1)^−decay, Σ e = 1.
fn shares(number: usize, decay: f64) -> Vec<f64> {
    let powers: Vec<f64> = (1..=number).map(|f| (f as f64).powf(-decay)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

// Σ b cos(2π f·p + φ) over (f, b, φ). Through the spectrum, since the sums
// would take as long as the number of frequencies times that of pixels.
pub(super) fn sum_of_cosines(
    waves: impl Iterator<Item = (Frequency, f64, f64)>,
    height: usize,
    width: usize,
) -> Vec<f64> {
    let mut half = Array2::<Complex<f64>>::zeros((height, width / 2 + 1));
    let root = ((height * width) as f64).sqrt();
    for ((row, col), amplitude, phase) in waves {
        let value = Complex::from_polar(0.5 * root * amplitude, phase);
        let (row, col) = (row.rem_euclid(height as i64) as usize, col as usize);
        half[[row, col]] = value;
        // The conjugate lies in the half plane too where the column is its own conjugate.
        if (2 * col).is_multiple_of(width) {
            half[[(height - row) % height, col]] = value.conj();
        }
    }
    spectrum::irfft2(half.view(), width).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Normalize, Spec, prepare};
    use crate::field::Targets;
    use crate::spectrum::Energies;
    use crate::theory::Modes;
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    fn modes(args: &str) -> Modes {
        let set = load(args, &Options::default()).unwrap();
        Modes::new(&prepare(set, Normalize::None, false).unwrap()).unwrap()
    }

    // Which entries of the half plane carry image `index` of a set, and how much of it.
    fn carriers(set: &ImageSet, index: usize) -> Vec<((usize, usize), f64)> {
        let image = set.images.index_axis(ndarray::Axis(0), index);
        let energies = spectrum::rfft2(image.mapv(f64::from).index_axis(ndarray::Axis(0), 0));
        let energies = energies.mapv(|z| z.norm_sqr());
        let norm: f64 = image.iter().map(|&x| f64::from(x).powi(2)).sum();
        energies.indexed_iter().filter(|(_, e)| **e > 1e-9 * norm).map(|(at, e)| (at, e / norm)).collect()
    }

    #[test]
    fn sums_of_cosines_are_what_they_say() {
        let waves = [((0, 1), 1.5, 0.3), ((-2, 0), 0.5, -1.0), ((2, 3), 0.25, 2.0), ((-1, 2), 1.0, 0.7)];
        for (height, width) in [(5, 6), (6, 8), (7, 7)] {
            // (−2, 0) is given as no usable frequency is, by its conjugate.
            let image = sum_of_cosines(waves.into_iter(), height, width);
            for (at, value) in image.iter().enumerate() {
                let (i, j) = ((at / width) as f64 / height as f64, (at % width) as f64 / width as f64);
                let want: f64 = waves
                    .iter()
                    .map(|&((r, c), b, phase)| b * (TAU * (r as f64 * i + c as f64 * j) + phase).cos())
                    .sum();
                assert!((value - want).abs() < 1e-13, "{height}x{width}, pixel {at}: {value} {want}");
            }
        }
    }

    #[test]
    fn one_class_is_one_mode_by_hand() {
        // A √(n/2) = √128, K = 1: s = √128, λ = 128, ρ = √128.
        let one = modes("frequencies=1");
        assert_eq!(one.len(), 1);
        let mode = &one.list[0];
        assert_relative_eq!(mode.s, 128f64.sqrt(), max_relative = 1e-6);
        assert_relative_eq!(mode.lambda, 128.0, max_relative = 1e-6);
        assert_relative_eq!(mode.rho, 128f64.sqrt(), max_relative = 1e-6);
        assert_relative_eq!(mode.participation, 2.0, max_relative = 1e-6);
        // The lowest of 16×16 frequencies are (0, 1) and (1, 0).
        assert_eq!((mode.dominant.row.abs(), mode.dominant.col), (0, 1));
    }

    #[test]
    fn strengths_do_not_depend_on_the_number_of_frequencies_and_rho_does() {
        // 8×12, n/2 = 48: s = A √48/3, λ = A² 48/3, ρ = √(48/F).
        let made = modes("size=8x12,frequencies=2/9/25,amplitudes=1/2/0.5,count=6");
        assert_eq!(made.len(), 3);
        for (mode, (a, number)) in made.list.iter().zip([(2.0f64, 9.0f64), (1.0, 2.0), (0.5, 25.0)]) {
            assert_relative_eq!(mode.s, a * 48f64.sqrt() / 3.0, max_relative = 1e-6);
            assert_relative_eq!(mode.lambda, a * a * 16.0, max_relative = 1e-6);
            assert_relative_eq!(mode.rho, (48.0 / number).sqrt(), max_relative = 1e-5);
            assert_relative_eq!(mode.participation, 2.0 * number, max_relative = 1e-5);
        }
    }

    #[test]
    fn energies_decay_as_asked() {
        // Shares of 3 frequencies at decay 1: 6/11, 3/11, 2/11.
        let got = shares(3, 1.0);
        for (got, want) in got.iter().zip([6.0, 3.0, 2.0]) {
            assert_relative_eq!(*got, want / 11.0, max_relative = 1e-14);
        }
        assert_eq!(shares(4, 0.0), [0.25; 4]);
        let made = modes("frequencies=3,decay=1,size=9x7,count=1");
        let n = 63.0;
        assert_relative_eq!(made.list[0].s, (n / 2.0f64).sqrt(), max_relative = 1e-6);
        assert_relative_eq!(made.list[0].rho, (n * 6.0 / 22.0f64).sqrt(), max_relative = 1e-6);
        // Entries hold half of 6, 3 and 2 elevenths each: 1/PR = 2 (9 + 2.25 + 1)/121.
        assert_relative_eq!(made.list[0].participation, 121.0 / 24.5, max_relative = 1e-5);
        // The lowest frequency of 9×7 is a cycle down the rows.
        assert_eq!((made.list[0].dominant.row.abs(), made.list[0].dominant.col), (1, 0));
    }

    #[test]
    fn defaults_are_what_the_table_says() {
        let set = load("", &Options::default()).unwrap();
        assert_eq!((set.len(), set.shape(), set.targets.outputs()), (192, [1, 16, 16], 3));
        let Targets::Classes { names, .. } = &set.targets else { panic!("classes") };
        assert_eq!(names, &["0: 1 frequency", "1: 4 frequencies", "2: 40 frequencies"]);
        let made = modes("");
        for (k, (mode, number)) in made.list.iter().zip([1.0, 4.0, 40.0]).enumerate() {
            assert_relative_eq!(mode.s, 0.7f64.powi(k as i32) * 128f64.sqrt() / 3.0, max_relative = 1e-6);
            assert_relative_eq!(mode.rho, (128.0f64 / number).sqrt(), max_relative = 1e-5);
        }
    }

    #[test]
    fn one_class_passes_selection_and_centring_leaves_no_mode() {
        let spec: Spec = "spread:frequencies=5,count=4".parse().unwrap();
        let set = spec.load(&Options::default()).unwrap();
        assert_eq!((set.len(), set.targets.outputs()), (4, 1));
        let centred = prepare(set, Normalize::None, true).unwrap();
        assert!(Modes::new(&centred).unwrap_err().to_string().contains("Σyx = 0"));
        // Three classes of which one is left are still refused.
        let spec: Spec = "spread".parse().unwrap();
        for options in [
            Options { limit: Some(1), ..Options::default() },
            Options { classes: vec!["1".into()], ..Options::default() },
        ] {
            let error = spec.load(&options).unwrap_err().to_string();
            assert!(error.contains("at least 2 classes"), "{error}");
        }
    }

    #[test]
    fn noise_adds_its_variance_and_seeds_change_phases_only() {
        let made = |args: &str, seed| load(args, &Options { seed, ..Options::default() }).unwrap();
        let (clean, other) = (made("count=3", 0), made("count=3", 1));
        assert_ne!(clean.images, other.images);
        for k in 0..3 {
            let (a, b) = (carriers(&clean, k), carriers(&other, k));
            assert!(a.iter().zip(&b).all(|((at, e), (bt, f))| at == bt && (e - f).abs() < 1e-5));
        }
        let noisy = made("count=900,noise=0.5", 0);
        let mut square = 0.0;
        for (i, image) in noisy.images.outer_iter().enumerate() {
            square +=
                (&image - &clean.images.index_axis(ndarray::Axis(0), i % 3)).mapv(|d| f64::from(d * d)).sum();
        }
        // 230,400 draws: the variance is known to √(2/230,400) = 0.3 %.
        assert_relative_eq!(square / (900.0 * 256.0), 0.25, max_relative = 0.015);
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("frequences=1", "key `frequences`: expected one of `frequencies`, `size`"),
            ("frequencies=1/0", "whole numbers above 0, separated by `/`, found `0`"),
            ("frequencies=1/x", "whole numbers above 0"),
            ("frequencies=1//2", "found nothing"),
            (
                "frequencies=20/11,size=8",
                "key `frequencies`: expected at most 30 in all, those of 8x8 pixels, found 31",
            ),
            ("size=4", "at most 6 in all, those of 4x4 pixels, found 45"),
            ("frequencies=18446744073709551615/2", "at most 126 in all"),
            ("frequencies=1/2,amplitudes=1", "2 values, one per class (as many as `frequencies`), found 1"),
            ("amplitudes=1/2/0", "numbers in 0.000001..=1000000"),
            ("count=8", "a multiple of the 3 classes"),
            ("noise=-1", "a number in 0..=1000000"),
            ("decay=-1", "a number in 0..=10"),
            ("decay=NaN", "a number in 0..=10"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
            assert!(error.starts_with("data `spread:"), "{error}");
        }
        let many = format!("size=64,frequencies={}", vec!["1"; 1001].join("/"));
        let error = load(&many, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("at most 1000 numbers, one per class, found 1001"), "{error}");
    }

    proptest! {
        #[test]
        fn classes_share_no_frequency_and_have_their_norms(
            height in 1usize..14,
            width in 1usize..14,
            numbers in proptest::collection::vec(1usize..9, 1..5),
            decay in 0.0f64..2.0,
        ) {
            let list: Vec<_> = numbers.iter().map(usize::to_string).collect();
            let k = numbers.len();
            let args = format!("size={height}x{width},frequencies={},count={k},decay={decay}", list.join("/"));
            let available = (height * width - (2 - height % 2) * (2 - width % 2)) / 2;
            let set = load(&args, &Options::default());
            prop_assert_eq!(set.is_ok(), numbers.iter().sum::<usize>() <= available);
            let Ok(set) = set else { return Ok(()) };
            let n = (height * width) as f64;
            let mut seen = std::collections::HashSet::new();
            for (k, &number) in numbers.iter().enumerate() {
                let image = set.images.index_axis(ndarray::Axis(0), k).mapv(f64::from);
                let norm: f64 = image.iter().map(|x| x * x).sum();
                let want = 0.49f64.powi(k as i32) * n / 2.0;
                prop_assert!((norm - want).abs() < 1e-5 * want, "{norm} {want}");
                let energies = Energies::of_image(image.view()).unwrap();
                let e0 = shares(number, decay)[0];
                prop_assert!((energies.max_entry() / norm - e0 / 2.0).abs() < 1e-5);
                let carriers = carriers(&set, k);
                // In its own columns a conjugate pair shows twice.
                let own = |col: usize| (2 * col).is_multiple_of(width);
                let doubled = carriers.iter().filter(|((_, col), _)| own(*col)).count();
                prop_assert_eq!(carriers.len() - doubled / 2, number);
                for (at, _) in carriers {
                    prop_assert!(seen.insert(at), "{:?} twice", at);
                }
            }
        }
    }
}
