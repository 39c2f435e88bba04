//! At which frequencies the images of a class have more than those of the others:
//! ADCS, the accumulative difference of class-wise average spectra.
//!
//! Source: Wang, Veldhuis, Brune & Strisciuglio, "What do neural networks learn in
//! image classification? A frequency shortcut perspective", ICCV 2023. With
//! E_c(k) the mean of |x̂(k)| over the images of class c,
//!
//! ADCS_c(k) = Σ_{c′ ≠ c} sign(E_c(k) − E_{c′}(k)), in 1 − |C| … |C| − 1,
//!
//! for each channel, averaged over the channels; sign(0) = 0, and differences below
//! 1e-12 of the largest E are rounding and 0.

use ndarray::{Array3, Array4, ArrayView4, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spectrum::{Frequency, Grid, energies};

/// Whose ADCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The definition above.
    #[default]
    Paper,
    /// What the published code computes (nis-research/nn-frequency-shortcuts,
    /// compute_ADCS.py): E_c is the *sum* of amplitudes, which favours classes with
    /// more images; zeros among them (of the transform without a factor) become
    /// 1.2e-11; the channels of E_c − E_{c′} are brought together before the sign,
    /// as 0.2989 R + 0.5870 G + 0.1140 B; a difference that is not positive counts
    /// −1; and the class is compared with itself as well, so that values are in
    /// −|C| … |C| − 2. It sees normalised images: hand it those.
    Published,
}

/// ADCS of each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adcs {
    /// By which definition.
    pub variant: Variant,
    /// Height of the images.
    pub height: usize,
    /// Width of the images.
    pub width: usize,
    /// The classes that have images.
    pub classes: Vec<u32>,
    /// Images of each of them.
    pub images: Vec<u64>,
    /// The frequencies, each named once with its conjugate.
    pub frequencies: Vec<Frequency>,
    /// For each class a value at each frequency.
    pub values: Vec<Vec<f64>>,
}

/// Images that are transformed at a time.
const BLOCK: usize = 64;

impl Adcs {
    /// Of `images` `[N, C, H, W]` with one label each.
    ///
    /// # Errors
    /// [`Error::Input`] where there is not one label per image, for fewer than two
    /// classes, and for the published variant of images that have neither one
    /// channel nor three.
    pub fn new(images: ArrayView4<f32>, labels: &[u32], variant: Variant) -> Result<Self> {
        let (n, c, h, w) = images.dim();
        if labels.len() != n {
            return Err(Error::input("labels", format_args!("one for each of {n} images"), labels.len()));
        }
        let mut classes = labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 || c * h * w == 0 {
            let found = format!("{n} images {c}x{h}x{w} of {}", classes.len());
            return Err(Error::input("ADCS", "images of at least two classes", found));
        }
        if variant == Variant::Published && ![1, 3].contains(&c) {
            return Err(Error::input("ADCS as published", "images of one channel or three", c));
        }
        let grid = Grid::new(h, w);
        let (mut sums, counts) = sums(images, labels, &classes, variant);
        if variant == Variant::Paper {
            for (mut sum, &count) in sums.outer_iter_mut().zip(&counts) {
                sum /= count as f64;
            }
        }
        let rounding = 1e-12 * sums.iter().copied().fold(0.0, f64::max);
        let frequencies = grid.frequencies();
        let at = |class: usize, k: Frequency| {
            let (r, q) = grid.entry(k);
            sums.slice(s![class, .., r, q])
        };
        // Of every class, at one frequency.
        let of = |&k: &Frequency| -> Vec<f64> {
            let all = 0..classes.len();
            match variant {
                Variant::Paper => {
                    let mut signs = vec![0.0; classes.len()];
                    for channel in 0..c {
                        let own: Vec<f64> = all.clone().map(|class| at(class, k)[channel]).collect();
                        signs.iter_mut().zip(lead(&own, rounding)).for_each(|(sum, lead)| *sum += lead);
                    }
                    signs.into_iter().map(|sum| sum / c as f64).collect()
                }
                Variant::Published => {
                    let grey = if c == 3 { [0.2989, 0.5870, 0.1140].as_slice() } else { &[1.0] };
                    let lead = |class: usize| {
                        let signs = all.clone().map(|other| {
                            let differences = at(class, k).into_iter().zip(at(other, k)).zip(grey);
                            let difference: f64 = differences.map(|((a, b), g)| g * (a - b)).sum();
                            if difference > 0.0 { 1.0 } else { -1.0 }
                        });
                        signs.sum()
                    };
                    all.clone().map(lead).collect()
                }
            }
        };
        let by_frequency: Vec<Vec<f64>> = frequencies.par_iter().map(of).collect();
        let values = (0..classes.len()).map(|c| by_frequency.iter().map(|v| v[c]).collect()).collect();
        Ok(Self { variant, height: h, width: w, images: counts, classes, frequencies, values })
    }
}

/// Σ over the others of the sign of what each has more, less than `zero` being nothing:
/// by their order, as there may be many.
fn lead(own: &[f64], zero: f64) -> Vec<f64> {
    let mut sorted = own.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let of = |&a: &f64| {
        let less = sorted.partition_point(|&b| a - b > zero);
        let not_more = sorted.partition_point(|&b| a - b >= -zero);
        less as f64 - (sorted.len() - not_more) as f64
    };
    own.iter().map(of).collect()
}

/// Sums of |x̂(k)| over the images of each class, `[classes, C, H, W/2 + 1]`.
fn sums(
    images: ArrayView4<f32>,
    labels: &[u32],
    classes: &[u32],
    variant: Variant,
) -> (Array4<f64>, Vec<u64>) {
    let (_, c, h, w) = images.dim();
    let (rows, cols) = Grid::new(h, w).half_shape();
    let mut sums = Array4::zeros((classes.len(), c, rows, cols));
    let mut counts = vec![0; classes.len()];
    let root = ((h * w) as f64).sqrt();
    let amplitude = |energy: f64| match variant {
        Variant::Paper => energy.sqrt(),
        Variant::Published if energy == 0.0 => 1.2e-11,
        Variant::Published => energy.sqrt() * root,
    };
    for (images, labels) in images.axis_chunks_iter(Axis(0), BLOCK).zip(labels.chunks(BLOCK)) {
        for (spectrum, label) in energies(images).outer_iter().zip(labels) {
            let class = classes.binary_search(label).expect("classes are those of the labels");
            counts[class] += 1;
            let spectrum: Array3<f64> = spectrum.mapv(amplitude);
            sums.index_axis_mut(Axis(0), class).zip_mut_with(&spectrum, |sum, a| *sum += a);
        }
    }
    (sums, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;
    use rand::Rng;

    const ACROSS: Frequency = Frequency { row: 0, col: 1 };
    const DOWN: Frequency = Frequency { row: 1, col: 0 };

    /// `across` · cos along a row plus `down` · cos along a column, 4×4.
    fn plane(across: f32, down: f32) -> Array2<f32> {
        const COSINE: [f32; 4] = [1.0, 0.0, -1.0, 0.0];
        Array2::from_shape_fn((4, 4), |(r, c)| across * COSINE[c] + down * COSINE[r])
    }

    fn grey(planes: &[Array2<f32>]) -> Array4<f32> {
        Array4::from_shape_fn((planes.len(), 1, 4, 4), |(n, _, r, c)| planes[n][[r, c]])
    }

    fn at(adcs: &Adcs, k: Frequency) -> Vec<f64> {
        let i = adcs.frequencies.iter().position(|f| *f == k).unwrap();
        adcs.values.iter().map(|values| values[i]).collect()
    }

    #[test]
    fn three_classes_by_hand() {
        // Amplitudes across: class 2 a mean of 3 in two images of opposite sign, class 5
        // has 2, class 7 has 1 in each of three. Down: 5 in class 7 only.
        let images = [(2.0, 0.0), (-4.0, 0.0), (2.0, 0.0), (1.0, 5.0), (1.0, 5.0), (1.0, 5.0)];
        let images = grey(&images.map(|(across, down)| plane(across, down)));
        let labels = [2, 2, 5, 7, 7, 7];
        let paper = Adcs::new(images.view(), &labels, Variant::Paper).unwrap();
        assert_eq!((paper.classes.as_slice(), paper.images.as_slice()), (&[2, 5, 7][..], &[2, 1, 3][..]));
        assert_eq!(at(&paper, ACROSS), [2.0, 0.0, -2.0]);
        assert_eq!(at(&paper, DOWN), [-1.0, -1.0, 2.0]);
        let rest = paper.frequencies.iter().filter(|k| ![ACROSS, DOWN].contains(k));
        rest.for_each(|&k| assert_eq!(at(&paper, k), [0.0; 3], "{k}"));

        // Sums across are 6, 2 and 3, and every class loses against itself.
        let published = Adcs::new(images.view(), &labels, Variant::Published).unwrap();
        assert_eq!(at(&published, ACROSS), [1.0, -3.0, -1.0]);
        assert_eq!(at(&published, DOWN)[2], 1.0);
    }

    #[test]
    fn channels_are_averaged_or_brought_together() {
        // Class 0 has more red, less green and as much blue; then more red and green.
        let amplitudes = |class: usize, channel: usize, second: bool| match (class, channel) {
            (0, 0) | (1, 1) => 3.0,
            (0, 1) if second => 4.0,
            (0, 1) | (1, 0) => 2.0,
            _ => 1.0,
        };
        for (second, paper, published) in
            [(false, [0.0, 0.0], [-2.0, 0.0]), (true, [2.0 / 3.0, -2.0 / 3.0], [0.0, -2.0])]
        {
            let images = Array4::from_shape_fn((2, 3, 4, 4), |(n, ch, r, c)| {
                plane(amplitudes(n, ch, second), 0.0)[[r, c]]
            });
            assert_eq!(at(&Adcs::new(images.view(), &[0, 1], Variant::Paper).unwrap(), ACROSS), paper);
            assert_eq!(
                at(&Adcs::new(images.view(), &[0, 1], Variant::Published).unwrap(), ACROSS),
                published
            );
        }
    }

    #[test]
    fn what_has_no_classes_is_refused() {
        let images = Array4::zeros((3, 2, 4, 4));
        let text =
            |labels: &[u32], variant| Adcs::new(images.view(), labels, variant).unwrap_err().to_string();
        assert!(text(&[0, 1], Variant::Paper).contains("each of 3 images, found 2"));
        assert!(text(&[4, 4, 4], Variant::Paper).contains("at least two classes"));
        assert!(text(&[0, 1, 1], Variant::Published).contains("one channel or three, found 2"));
    }

    proptest! {
        #[test]
        fn leads_are_sums_of_signs(own in prop::collection::vec(0u8..12, 1..40), zero in 0.0f64..3.0) {
            let own: Vec<f64> = own.into_iter().map(f64::from).collect();
            // Not f64::signum, which knows no zero.
            let sign = |x: f64| f64::from(i8::from(x > zero) - i8::from(x < -zero));
            let naive: Vec<f64> = own.iter().map(|a| own.iter().map(|b| sign(a - b)).sum()).collect();
            prop_assert_eq!(lead(&own, zero), naive);
        }

        #[test]
        fn what_a_class_has_more_the_others_have_less(
            h in 1usize..7, w in 1usize..7, seed in any::<u64>(), classes in 2u32..5,
        ) {
            let n = 3 * classes as usize + 1;
            let mut rng = crate::seed::rng(seed, "adcs test", 0);
            let images = Array4::from_shape_simple_fn((n, 2, h, w), || rng.random::<f32>());
            let labels: Vec<u32> = (0..n as u32).map(|i| i % classes).collect();
            let adcs = Adcs::new(images.view(), &labels, Variant::Paper).unwrap();
            let most = f64::from(classes - 1);
            for i in 0..adcs.frequencies.len() {
                let values: Vec<f64> = adcs.values.iter().map(|v| v[i]).collect();
                prop_assert!(values.iter().sum::<f64>().abs() < 1e-12);
                prop_assert!(values.iter().all(|v| v.abs() <= most));
            }
            // The order of the images is of no account.
            let turned = images.slice(s![..;-1, .., .., ..]);
            let labels: Vec<u32> = labels.into_iter().rev().collect();
            prop_assert_eq!(Adcs::new(turned, &labels, Variant::Paper).unwrap().values, adcs.values);
        }
    }
}
