//! Dead leaves: images of occluding discs, with the statistics of natural
//! images and a scene per class.
//!
//! Discs fall in front of one another until nothing of the ground is seen. A
//! radius between r₁ and r₂ pixels has the density p(r) ∝ r^−exponent and a
//! centre any place in the plane; what the frame shows of that endless plane
//! is drawn exactly, from the front leaf backwards. The exponent 3 is that of
//! images that look the same at all scales, and gives the power spectrum of
//! natural images, about 1/f² (Lee, Mumford & Huang, "Occlusion Models for
//! Natural Images", IJCV 41, 2001).
//!
//! The brightness of a leaf is `(1 − scene) · u + scene · S_k(centre)`, u
//! uniform in [0, 1] and S_k the *scene* of class k, a smooth field in [0, 1]
//! drawn from the seed (as sky above and ground below are more probable in
//! photographs of ships than of frogs):
//!
//! ```text
//! S_k = 1 / (1 + e^{−1.7 z_k}),  z_k = Σ_α g_α c_α(k) F_α,  α = 1 … K − 1
//! ```
//!
//! The F_α are random fields of variance 1 with amplitudes ∝ 1/f down to half a
//! cycle per image side, c_α(k) = √2 cos(π α (k + ½)/K) are contrasts between
//! the classes, orthogonal to each other and to the mean, and g_α ∝ decay^α.
//! So the mean image of a class is its scene, blurred by the leaves, and the
//! centred set has K − 1 modes of falling strength, near the F_α (which are not
//! quite orthogonal), spread over several low frequencies. With `scene=0` all
//! classes are alike.
//!
//! In colour the channels share ¾ of u and of S_k, and have ¼ of their own.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `classes` | 6 | number of classes K, 2 to 100 |
//! | `size` | 32 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 6000 | number of images; classes are interleaved |
//! | `channels` | 1 | 1 (grey) or 3 (colours) |
//! | `scene` | 0.3 | weight of the scene in a leaf's brightness, 0 to 1 |
//! | `decay` | 0.6 | strength of each field against the one before, above 0 and up to 1 |
//! | `radii` | 1 / longer side | smallest and largest radius in pixels, 0.5 to 2048 |
//! | `exponent` | 3 | of the density of radii, 0 to 6 |
//!
//! Values lie in [0, 1]. A pixel is the mean of 2×2 points.

use std::f64::consts::{PI, SQRT_2};

use rand::Rng;

use crate::data::args::{Args, COUNT};
use crate::data::textures::Filter;
use crate::data::{Options, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::seed::{self, ChaCha8Rng};

// Points per pixel and direction.
const GRID: usize = 2;
// What the channels of a colour image have in common.
const SHARED: f64 = 0.75;

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::made("leaves", load);

/// Makes the set that `args` describe: `count` images `[channels, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    let mut args = Args::parse("leaves", args)?;
    let classes = args.usize("classes", 2..=100, 6)?;
    let (height, width) = args.size("size", 32)?;
    let count = args.usize("count", COUNT, 6000)?;
    let channels = args.choice("channels", [("1", 1), ("3", 3)])?;
    let weight = args.f64("scene", 0.0..=1.0, 0.3)?;
    let decay = args.f64("decay", 1e-3..=1.0, 0.6)?;
    let longer = height.max(width).max(2) as f64;
    let radii = args.f64_list("radii", 0.5..=2048.0)?.unwrap_or_else(|| vec![1.0, longer]);
    let exponent = args.f64("exponent", 0.0..=6.0, 3.0)?;
    args.finish()?;
    let (least, most) = match radii[..] {
        [least, most] if least < most => (least, most),
        _ => {
            let found = radii.iter().map(f64::to_string).collect::<Vec<_>>().join("/");
            return Err(args.error("radii", "`least/most`, in this order", format_args!("`{found}`")));
        }
    };

    let discs = Discs::new(least, most, exponent, height, width);
    let scenes = scenes(options.seed, classes, decay, channels, height, width);
    let names = (0..classes).map(|k| format!("scene {k}")).collect();
    args.make(options, [count, channels, height, width], names, |rng, class, pixels| {
        let plane = height * width;
        discs.fall(rng, |rng, centre, seen| {
            let clamped = |at: f64, side: usize| at.clamp(0.0, side as f64 - 1.0) as usize;
            let at = clamped(centre.0, height) * width + clamped(centre.1, width);
            let shared = rng.random::<f64>();
            for channel in 0..channels {
                let own = if channels == 1 { shared } else { rng.random::<f64>() };
                let leaf = SHARED * shared + (1.0 - SHARED) * own;
                let brightness = (1.0 - weight) * leaf + weight * scenes[class][channel * plane + at];
                let share = brightness as f32 / (GRID * GRID) as f32;
                for &pixel in seen {
                    pixels[channel * plane + pixel as usize] += share;
                }
            }
        });
        // Four shares may round to a hair above one.
        pixels.iter_mut().for_each(|pixel| *pixel = pixel.min(1.0));
    })
}

// The scene of every class, `[channels, H, W]`.
fn scenes(
    seed: u64,
    classes: usize,
    decay: f64,
    channels: usize,
    height: usize,
    width: usize,
) -> Vec<Vec<f64>> {
    // The frame is a quarter of the periodic plane, so that opposite edges are
    // strangers and half a cycle per side is the lowest frequency.
    let filter = Filter::new(2 * height, 2 * width, |f| f.powi(-2)).expect("the plane is more than a point");
    let gains: Vec<f64> = (1..classes).map(|mode| decay.powi(mode as i32)).collect();
    let norm = gains.iter().map(|g| g * g).sum::<f64>().sqrt();
    // What the channels share, and what each has of its own.
    let drawn = if channels == 1 { 1 } else { 1 + channels };
    let mut sums = vec![vec![vec![0.0; height * width]; drawn]; classes];
    for (mode, gain) in (1..classes).zip(&gains) {
        let mut rng = seed::rng(seed, "leaves/scene", mode as u64);
        for layer in 0..drawn {
            let plane = filter.draw(&mut rng);
            for (class, sums) in sums.iter_mut().enumerate() {
                let turn = PI * mode as f64 * (class as f64 + 0.5) / classes as f64;
                let weight = gain / norm * SQRT_2 * turn.cos();
                for (at, sum) in sums[layer].iter_mut().enumerate() {
                    *sum += weight * plane[at / width * 2 * width + at % width];
                }
            }
        }
    }
    let level = |z: &f64| 1.0 / (1.0 + (-1.7 * z).exp());
    let scene = |layers: Vec<Vec<f64>>| match &layers[..] {
        [shared, own @ ..] if !own.is_empty() => own
            .iter()
            .flat_map(|own| {
                shared.iter().zip(own).map(|(s, o)| SHARED * level(s) + (1.0 - SHARED) * level(o))
            })
            .collect(),
        layers => layers.iter().flatten().map(level).collect(),
    };
    sums.into_iter().map(scene).collect()
}

// The discs that meet a frame of H x W pixels, of an endless plane of them.
struct Discs {
    least: f64,
    most: f64,
    height: usize,
    width: usize,
    // A disc of radius r meets the frame if its centre lies in the frame grown
    // by r on all sides (or by a corner; then it shows nothing). The density
    // r^−e (H + 2r)(W + 2r) is a mixture of three powers: (exponent, weight).
    powers: [(f64, f64); 3],
}

impl Discs {
    fn new(least: f64, most: f64, exponent: f64, height: usize, width: usize) -> Self {
        let (h, w) = (height as f64, width as f64);
        let powers = [(0.0, h * w), (1.0, 2.0 * (h + w)), (2.0, 4.0)]
            .map(|(lift, weight)| (exponent - lift, weight * integral(exponent - lift, least, most)));
        Self { least, most, height, width, powers }
    }

    fn radius(&self, rng: &mut ChaCha8Rng) -> f64 {
        let total: f64 = self.powers.iter().map(|(_, weight)| weight).sum();
        let mut part = rng.random::<f64>() * total;
        let mut power = self.powers[2].0;
        for (p, weight) in self.powers {
            if part < weight {
                power = p;
                break;
            }
            part -= weight;
        }
        quantile(power, self.least, self.most, rng.random())
    }

    // Calls `leaf` for every leaf that shows, front first, with its centre (row,
    // column) and the pixel of each of its points seen.
    fn fall(&self, rng: &mut ChaCha8Rng, mut leaf: impl FnMut(&mut ChaCha8Rng, (f64, f64), &[u32])) {
        let (rows, cols) = (self.height * GRID, self.width * GRID);
        let grid = GRID as f64;
        let mut bare = vec![true; rows * cols];
        let mut left = bare.len();
        let mut seen = Vec::new();
        while left > 0 {
            let r = self.radius(rng);
            let mut place = |side: usize| (side as f64 + 2.0 * r) * rng.random::<f64>() - r;
            let centre = (place(self.height), place(self.width));
            seen.clear();
            // Points whose middle (i + ½)/GRID lies within `reach` of `at`.
            let span = |at: f64, reach: f64, points: usize| {
                let from = ((at - reach) * grid - 0.5).ceil().max(0.0) as usize;
                let to = ((at + reach) * grid - 0.5).floor() + 1.0;
                from..(to.clamp(0.0, points as f64) as usize)
            };
            for i in span(centre.0, r, rows) {
                let down = (i as f64 + 0.5) / grid - centre.0;
                let chord = (r * r - down * down).max(0.0).sqrt();
                for j in span(centre.1, chord, cols) {
                    if std::mem::take(&mut bare[i * cols + j]) {
                        seen.push((i / GRID * self.width + j / GRID) as u32);
                    }
                }
            }
            if !seen.is_empty() {
                left -= seen.len();
                leaf(rng, centre, &seen);
            }
        }
    }
}

// ∫ r^−p dr from a to b.
fn integral(p: f64, a: f64, b: f64) -> f64 {
    if (p - 1.0).abs() < 1e-9 { (b / a).ln() } else { (b.powf(1.0 - p) - a.powf(1.0 - p)) / (1.0 - p) }
}

// The radius below which lies the part `u` of the density ∝ r^−p on [a, b].
fn quantile(p: f64, a: f64, b: f64, u: f64) -> f64 {
    if (p - 1.0).abs() < 1e-9 {
        a * (b / a).powf(u)
    } else {
        let (from, to) = (a.powf(1.0 - p), b.powf(1.0 - p));
        (from + u * (to - from)).powf(1.0 / (1.0 - p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis, s};
    use proptest::prelude::*;
    use rustfft::FftPlanner;
    use rustfft::num_complex::Complex;
    use std::f64::consts::TAU;

    fn made(args: &str) -> ImageSet {
        load(args, &Options::default()).unwrap()
    }

    // Slope of log power against log frequency, of the radially averaged
    // spectrum between 2 cycles per image and an eighth of a cycle per pixel.
    // Under a Hann window: without it, the leap between opposite edges alone
    // would give any image an f^−2.
    fn slope_of(set: &ImageSet) -> f64 {
        let [_, side, _] = set.shape();
        let mut planner = FftPlanner::new();
        let fft = planner.plan_fft_forward(side);
        let hann: Vec<f64> = (0..side).map(|i| 0.5 - 0.5 * (TAU * i as f64 / side as f64).cos()).collect();
        let mut power = Array2::<f64>::zeros((side, side));
        for image in set.images.outer_iter() {
            let windowed = |(at, v): (usize, &f32)| {
                Complex::new((f64::from(*v) - 0.5) * hann[at / side] * hann[at % side], 0.0)
            };
            let mut plane: Vec<Complex<f64>> = image.iter().enumerate().map(windowed).collect();
            fft.process(&mut plane);
            let mut turned: Vec<_> = (0..side * side).map(|at| plane[at % side * side + at / side]).collect();
            fft.process(&mut turned);
            for (sum, z) in power.iter_mut().zip(&turned) {
                *sum += z.norm_sqr();
            }
        }
        let (lowest, highest) = (2, side / 8);
        let mut rings = vec![(0.0, 0.0); highest + 1];
        for ((row, col), p) in power.indexed_iter() {
            let f = (row.min(side - row) as f64).hypot(col.min(side - col) as f64).round() as usize;
            if (lowest..=highest).contains(&f) {
                rings[f].0 += p;
                rings[f].1 += 1.0;
            }
        }
        let points: Vec<(f64, f64)> =
            (lowest..=highest).map(|f| ((f as f64).ln(), (rings[f].0 / rings[f].1).ln())).collect();
        let n = points.len() as f64;
        let (mx, my) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
        let (xy, xx) = points
            .iter()
            .fold((0.0, 0.0), |(xy, xx), p| (xy + (p.0 - mx) * (p.1 - my), xx + (p.0 - mx).powi(2)));
        xy / xx
    }

    #[test]
    fn spectrum_falls_as_that_of_natural_images() {
        // Photographs: −2 + η with η = 0.19 (Ruderman & Bialek 1994). Cubic leaves
        // would have −2 only with radii from nothing to infinity; four seeds gave
        // −1.80 to −1.85 here. Discs of one size have edges and no scales: they
        // tend to −3.
        let cubic = slope_of(&made("size=64,scene=0,count=600"));
        assert!((-2.0..-1.6).contains(&cubic), "{cubic}");
        let single = slope_of(&made("size=64,scene=0,count=600,radii=8/8.1"));
        assert!(single < -2.4, "{single}");
    }

    #[test]
    fn covariance_is_that_of_the_dead_leaves_model() {
        // Two points at distance d lie in one leaf with probability
        // γ(d)/(2γ(0) − γ(d)), γ the mean overlap of a leaf with itself shifted
        // by d; the covariance is that, times the variance 1/12 of a leaf.
        let (least, most) = (3.0, 12.0);
        let steps = 2000;
        let overlap = |d: f64| -> f64 {
            let at = |step: usize| least + (most - least) * (step as f64 + 0.5) / steps as f64;
            let lens = |r: f64| {
                if d >= 2.0 * r {
                    0.0
                } else {
                    2.0 * r * r * (d / (2.0 * r)).acos() - d / 2.0 * (4.0 * r * r - d * d).sqrt()
                }
            };
            (0..steps).map(|step| lens(at(step)) * at(step).powi(-3)).sum()
        };
        let set = made("size=24x32,count=4000,scene=0,radii=3/12");
        for d in [2usize, 5, 9, 14] {
            let product = |down: usize, right: usize| {
                let (h, w) = (24 - down, 32 - right);
                let a = set.images.slice(s![.., 0, ..h, ..w]).mapv(|v| f64::from(v) - 0.5);
                let b = set.images.slice(s![.., 0, down.., right..]).mapv(|v| f64::from(v) - 0.5);
                (&a * &b).mean().unwrap()
            };
            let want = overlap(d as f64) / (2.0 * overlap(0.0) - overlap(d as f64)) / 12.0;
            // About 10 leaves per image: chance leaves 0.0833·√(2/40,000) = 6e-4.
            for got in [product(d, 0), product(0, d)] {
                assert!((got - want).abs() < 1.8e-3, "distance {d}: {got}, {want} in theory");
            }
        }
        // Brightness is uniform: mean ½ (to 2e-3) and at distance 0 the pixel's
        // blur only lowers the variance 1/12.
        let deviation = set.images.mapv(|v| f64::from(v) - 0.5);
        assert!(deviation.mean().unwrap().abs() < 5e-3);
        let variance = deviation.mapv(|v| v * v).mean().unwrap();
        assert!(variance < 1.02 / 12.0 && variance > 0.85 / 12.0, "{variance}");
    }

    #[test]
    fn radii_follow_the_density_of_discs_that_meet_the_frame() {
        let (least, most, height, width) = (1.0, 20.0, 12, 30);
        for exponent in [0.0, 1.0, 2.0, 3.0, 4.5] {
            let discs = Discs::new(least, most, exponent, height, width);
            let mut rng = seed::rng(1, "test", 0);
            let drawn: Vec<f64> = (0..40_000).map(|_| discs.radius(&mut rng)).collect();
            assert!(drawn.iter().all(|r| (least..=most * (1.0 + 1e-12)).contains(r)));
            // The share below each edge, against a sum over the density itself.
            let density = |r: f64| r.powf(-exponent) * (height as f64 + 2.0 * r) * (width as f64 + 2.0 * r);
            let sum = |to: f64| -> f64 {
                let step = (to - least) / 20_000.0;
                (0..20_000).map(|i| density(least + (f64::from(i) + 0.5) * step) * step).sum()
            };
            for edge in [1.5, 3.0, 8.0, 15.0] {
                let share = drawn.iter().filter(|r| **r < edge).count() as f64 / drawn.len() as f64;
                // Four standard errors of a share of 40,000 are at most 0.01.
                assert!((share - sum(edge) / sum(most)).abs() < 0.01, "exponent {exponent}, r < {edge}");
            }
        }
    }

    #[test]
    fn tiny_leaves_show_the_scene_rows_as_rows() {
        let (height, width, r) = (10, 16, 0.6);
        let set = made("size=10x16,classes=3,count=900,scene=1,radii=0.599/0.601,channels=3");
        // The leaf that shows at a point has its centre anywhere within r of it.
        let blurred = |plane: &[f64], row: usize, col: usize| {
            let (mut sum, mut number) = (0.0, 0.0);
            for (down, right) in (0..40).flat_map(|a| (0..40).map(move |b| (a, b))) {
                let offset = |at: i32| (f64::from(at) - 19.5) / 20.0 * r;
                if offset(down).hypot(offset(right)) > r {
                    continue;
                }
                for point in 0..4 {
                    let pixel = |at: usize, point: usize, offset: f64, side: usize| {
                        let centre = at as f64 + 0.25 + 0.5 * point as f64 + offset;
                        centre.clamp(0.0, side as f64 - 1.0) as usize
                    };
                    let i = pixel(row, point / 2, offset(down), height);
                    let j = pixel(col, point % 2, offset(right), width);
                    sum += plane[i * width + j];
                    number += 1.0;
                }
            }
            sum / number
        };
        for (class, scene) in scenes(0, 3, 0.6, 3, height, width).iter().enumerate() {
            let mean = set.images.slice(s![class..;3, .., .., ..]).mean_axis(Axis(0)).unwrap();
            for ((channel, row, col), got) in mean.indexed_iter() {
                let want = blurred(&scene[channel * height * width..][..height * width], row, col);
                // Chance: 300 images whose pixels differ by less than 0.2.
                assert!((f64::from(*got) - want).abs() < 0.04, "{channel}, {row}, {col}: {got} {want}");
            }
        }
    }

    #[test]
    fn class_means_are_of_the_class_and_lasting() {
        let set = made("count=3000,size=16");
        let all = set.images.mean_axis(Axis(0)).unwrap();
        // Of the first and of the second half of the images of each class.
        let mean = |class: usize, from: usize| {
            set.images.slice(s![from + class..from + 1500; 6, .., .., ..]).mean_axis(Axis(0)).unwrap() - &all
        };
        let angle = |a: &ndarray::Array3<f32>, b: &ndarray::Array3<f32>| {
            (a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()
        };
        for class in 0..6 {
            let first = mean(class, 0);
            let own = angle(&first, &mean(class, 1500));
            assert!(own > 0.8, "class {class}: {own}");
            for other in (0..6).filter(|&other| other != class) {
                let foreign = angle(&first, &mean(other, 1500));
                assert!(foreign < own, "class {class}: {foreign} with {other}, {own} with itself");
            }
        }
    }

    #[test]
    fn contrast_of_classes_is_the_weight_of_the_scene() {
        // Without a scene the class makes no difference to an image's draws.
        let few = made("classes=2,count=8,size=8,scene=0");
        let many = made("classes=5,count=8,size=8,scene=0");
        assert_eq!(few.images, many.images);
        assert_ne!(made("classes=2,count=8,size=8").images, made("classes=5,count=8,size=8").images);
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("radii=4", "`least/most`, in this order, found `4`"),
            ("radii=4/4", "`least/most`"),
            ("radii=0.1/4", "numbers in 0.5..=2048"),
            ("classes=1", "2..=100"),
            ("scene=1.5", "0..=1"),
            ("exponents=3", "did you mean `exponent`?"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
        }
    }

    proptest! {
        #[test]
        fn values_lie_in_the_unit_interval(
            (height, width) in (1usize..20, 1usize..20), classes in 2usize..8, colour: bool, seed: u64,
            scene in 0.0..=1.0f64, least in 0.5..3.0f64, ratio in 1.1..20.0f64, exponent in 0.0..=6.0f64
        ) {
            let channels = 1 + 2 * usize::from(colour);
            let args = format!(
                "size={height}x{width},classes={classes},count=5,channels={channels},scene={scene},\
                 radii={least}/{},exponent={exponent}", least * ratio
            );
            let set = load(&args, &Options { seed, ..Options::default() }).unwrap();
            prop_assert_eq!(set.images.dim(), (5, channels, height, width));
            prop_assert!(set.images.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}
