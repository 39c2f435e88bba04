//! The images of any other source with other spectra: `filtered:by=white,over=SPEC`.
//!
//! `over=` comes last, and all that follows it is the spec of the other source, which is
//! loaded with the same options.
//!
//! | `by` | every channel of every image becomes |
//! |---|---|
//! | `white` | 0.5 + contrast · z: every frequency divided by its mean amplitude over the set, without the mean frequency, z of variance 1 over the set |
//! | `highpass` | 0.5 + its frequencies above `radius` |
//! | `lowpass` | its frequencies up to `radius` |
//! | `scramble` | the same amplitudes with random phases of the image's own, alike in all channels: what there was of shapes and edges is gone, the spectrum stays |
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `radius` | 2.5 | with `highpass` and `lowpass`: in cycles per image, √(row² + column²) |
//! | `contrast` | 0.15 | with `white`: standard deviation of all values |
//!
//! Results are cut to [0, 1]. Amplitudes are |x̂(k)| of the unitary DFT, by channel.

use ndarray::{Array2, Array3, ArrayView2, Axis, Zip};
use rand::Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::data::args::Args;
use crate::data::{Options, Spec, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::seed;
use crate::spectrum::{Grid, irfft2, rfft2};

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind {
    short,
    ..spec::Kind::read("filtered", "by=FILTER,…,over=SPEC", load).taking(spec::Takes::ARRAYS)
};

#[derive(Clone, Copy)]
enum By {
    White,
    Highpass,
    Lowpass,
    Scramble,
}

const FILTERS: [(&str, By); 4] =
    [("white", By::White), ("highpass", By::Highpass), ("lowpass", By::Lowpass), ("scramble", By::Scramble)];

// The filter, its number, and the source.
fn read(text: &str) -> Result<(By, f64, Spec)> {
    let (mut args, over) = Args::over(KIND.name, text)?;
    let by = args.choice("by", FILTERS)?;
    let number = match by {
        By::White => args.f64("contrast", 1e-3..=1.0, 0.15)?,
        By::Highpass | By::Lowpass => args.f64("radius", 0.0..=512.0, 2.5)?,
        By::Scramble => 0.0,
    };
    args.finish()?;
    Ok((by, number, over))
}

// `white leaves`.
fn short(name: &str, text: &str) -> String {
    let Ok((by, _, over)) = read(text) else { return name.to_owned() };
    let name = FILTERS.iter().find(|(_, b)| std::mem::discriminant(b) == std::mem::discriminant(&by));
    format!("{} {}", name.map_or("filtered", |(name, _)| name), over.short())
}

/// Loads the source after `over=` and filters its images.
///
/// # Errors
/// [`crate::Error::Input`] for unknown or unusable arguments, and as that source.
pub fn load(text: &str, options: &Options) -> Result<ImageSet> {
    let (by, number, over) = read(text)?;
    let mut set = over.load(options)?;
    let [c, h, w] = set.shape();
    let grid = Grid::new(h, w);
    let inside = |radius: f64| {
        let (rows, cols) = grid.half_shape();
        Array2::from_shape_fn((rows, cols), |(r, q)| {
            let k = grid.frequency(r, q);
            f64::from(u8::from(f64::from(k.row).hypot(f64::from(k.col)) <= radius))
        })
    };
    match by {
        By::White => whiten(&mut set, number),
        By::Highpass => {
            let kept = inside(number).mapv(|inside| 1.0 - inside);
            each(&mut set, |_, plane, _| {
                let mean = if kept[[0, 0]] > 0.0 { 0.0 } else { 0.5 };
                filtered(plane, kept.view()).mapv(|v| v + mean)
            });
        }
        By::Lowpass => {
            let kept = inside(number);
            each(&mut set, |_, plane, _| filtered(plane, kept.view()));
        }
        By::Scramble => {
            let purpose = format!("filtered/scramble/{}", options.split);
            each(&mut set, |i, plane, _| {
                let mut rng = seed::rng(options.seed, &purpose, i as u64);
                let noise = Array2::from_shape_simple_fn((h, w), || rng.sample::<f64, _>(StandardNormal));
                let mut hat = rfft2(plane);
                let mean = hat[[0, 0]];
                Zip::from(&mut hat).and(&rfft2(noise.view())).for_each(|z, n| {
                    // The phases of noise belong to a real plane.
                    *z = if n.norm() > 0.0 { *z * n / n.norm() } else { *z };
                });
                hat[[0, 0]] = mean;
                irfft2(hat.view(), w)
            });
        }
    }
    debug_assert!(c > 0);
    let by = text.split("over=").next().unwrap_or_default().trim_end_matches(',');
    set.source.description += &format!(", filtered ({})", if by.is_empty() { "by=white" } else { by });
    Ok(set)
}

fn filtered(plane: ArrayView2<f64>, gain: ArrayView2<f64>) -> Array2<f64> {
    let mut hat = rfft2(plane);
    Zip::from(&mut hat).and(gain).for_each(|z, g| *z *= *g);
    irfft2(hat.view(), plane.ncols())
}

// Every plane of every image by `change` (index of the image, plane, channel), cut to [0, 1].
fn each(set: &mut ImageSet, change: impl Fn(usize, ArrayView2<f64>, usize) -> Array2<f64> + Sync) {
    let images = set.images.axis_iter_mut(Axis(0)).into_par_iter().enumerate();
    images.for_each(|(i, mut image)| {
        for (channel, mut plane) in image.outer_iter_mut().enumerate() {
            let new = change(i, plane.mapv(f64::from).view(), channel);
            plane.zip_mut_with(&new, |v, new| *v = new.clamp(0.0, 1.0) as f32);
        }
    });
}

// Images in a block of which sums are taken: fixed, so that they do not depend on threads.
const BLOCK: usize = 256;

fn whiten(set: &mut ImageSet, contrast: f64) {
    let [c, h, w] = set.shape();
    let (rows, cols) = Grid::new(h, w).half_shape();
    let blocks: Vec<Array3<f64>> = set
        .images
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|images| {
            let mut sum = Array3::zeros((c, rows, cols));
            for image in images.outer_iter() {
                for (mut sum, plane) in sum.outer_iter_mut().zip(image.outer_iter()) {
                    sum.zip_mut_with(&rfft2(plane.mapv(f64::from).view()), |sum, z: &Complex<f64>| {
                        *sum += z.norm()
                    });
                }
            }
            sum
        })
        .collect();
    let total = blocks.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| Array3::zeros((c, rows, cols)));
    let mean = total / set.len().max(1) as f64;
    // A frequency that no image has stays without.
    let largest = mean.iter().copied().fold(0.0, f64::max);
    let mut gain = mean.mapv(|a| if a > 1e-9 * largest { 1.0 / a } else { 0.0 });
    gain.slice_mut(ndarray::s![.., 0, 0]).fill(0.0);
    let squares: Vec<f64> = set
        .images
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|images| {
            let square = |plane: ArrayView2<f32>, gain| {
                filtered(plane.mapv(f64::from).view(), gain).iter().map(|v| v * v).sum::<f64>()
            };
            images
                .outer_iter()
                .flat_map(|image| {
                    image
                        .outer_iter()
                        .zip(gain.outer_iter())
                        .map(|(plane, gain)| square(plane, gain))
                        .collect::<Vec<_>>()
                })
                .sum()
        })
        .collect();
    let variance = squares.iter().sum::<f64>() / (set.len() * c * h * w).max(1) as f64;
    let scale = if variance > 0.0 { contrast / variance.sqrt() } else { 0.0 };
    let gain = gain * scale;
    each(set, |_, plane, channel| filtered(plane, gain.index_axis(Axis(0), channel)).mapv(|v| 0.5 + v));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;

    const BASE: &str = "leaves:count=300,classes=3,channels=3,size=12x9";

    fn made(own: &str) -> ImageSet {
        load(&format!("{own}{}over={BASE}", if own.is_empty() { "" } else { "," }), &Options::default())
            .unwrap()
    }

    fn base() -> ImageSet {
        BASE.parse::<Spec>().unwrap().load(&Options::default()).unwrap()
    }

    fn mean_amplitudes(set: &ImageSet, channel: usize) -> Array2<f64> {
        let hats = set
            .images
            .outer_iter()
            .map(|image| rfft2(image.index_axis(Axis(0), channel).mapv(f64::from).view()).mapv(|z| z.norm()));
        hats.reduce(|a, b| a + b).unwrap() / set.len() as f64
    }

    #[test]
    fn white_sets_have_one_amplitude_and_the_contrast_asked_for() {
        let set = made("by=white,contrast=0.1");
        let variance =
            set.images.iter().map(|v| (f64::from(*v) - 0.5).powi(2)).sum::<f64>() / set.images.len() as f64;
        assert!((variance.sqrt() - 0.1).abs() < 0.005, "{variance}");
        for channel in 0..3 {
            let mut amplitudes = mean_amplitudes(&set, channel);
            let mean = amplitudes[[3, 2]];
            amplitudes[[0, 0]] = mean;
            // Cut to [0, 1] now and then.
            assert!(amplitudes.iter().all(|a| (a / mean - 1.0).abs() < 0.05), "{amplitudes}");
        }
        assert!(made("").images.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn high_and_low_frequencies_make_the_image() {
        let (whole, high, low) = (base(), made("by=highpass,radius=1.5"), made("by=lowpass,radius=1.5"));
        let inside = |v: f32| v > 0.0 && v < 1.0;
        let all = whole.images.iter().zip(&high.images).zip(&low.images);
        let compared: Vec<f32> = all
            .filter(|((_, high), low)| inside(**high) && inside(**low))
            .map(|((whole, high), low)| (whole - (high - 0.5) - low).abs())
            .collect();
        assert!(compared.len() > 5000 && compared.iter().all(|e| *e < 1e-5));
        let amplitudes = mean_amplitudes(&high, 1);
        assert!(amplitudes[[1, 1]] < 0.02 && amplitudes[[2, 0]] > 0.05, "{amplitudes}");
    }

    #[test]
    fn scrambled_images_keep_their_amplitudes_and_nothing_else() {
        let (whole, scrambled) = (base(), made("by=scramble"));
        let hat = |set: &ImageSet, i: usize, c: usize| {
            rfft2(set.images.slice(s![i, c, .., ..]).mapv(f64::from).view())
        };
        let mut kept = 0;
        for i in 0..20 {
            let cut = scrambled.images.index_axis(Axis(0), i).iter().any(|v| *v <= 0.0 || *v >= 1.0);
            if cut {
                continue;
            }
            kept += 1;
            let (a, b) = (hat(&whole, i, 0), hat(&scrambled, i, 0));
            assert!(a.iter().zip(&b).all(|(a, b)| (a.norm() - b.norm()).abs() < 1e-5));
            assert!((a[[1, 1]] - b[[1, 1]]).norm() > 1e-3 * a[[1, 1]].norm());
            // Alike in all channels: phases between channels stay.
            let between = |set: &ImageSet| (hat(set, i, 0)[[1, 1]] * hat(set, i, 1)[[1, 1]].conj()).arg();
            assert!((between(&whole) - between(&scrambled)).abs() < 1e-3);
        }
        assert!(kept > 0);
    }

    #[test]
    fn bad_arguments_are_named() {
        let error = |text: &str| load(text, &Options::default()).unwrap_err().to_string();
        assert!(error("by=white").contains("`over=SPEC` at the end"));
        assert!(error("by=blur,over=leaves").contains("`highpass`"));
        assert!(error("by=white,radius=3,over=leaves").contains("key `radius`"));
        assert!(error("by=white,over=leafs").contains("did you mean leaves?"));
        let deep = "by=white,over=".to_owned() + &"filtered:by=white,over=".repeat(8) + "leaves";
        assert!(error(&deep).contains("at most 8 sources"));
        let spec: Spec = "filtered:by=highpass,radius=3,over=leaves:count=60".parse().unwrap();
        assert_eq!(spec.short(), "highpass leaves");
    }
}
