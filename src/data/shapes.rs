//! Filled geometric shapes, one class per shape, that vary in place, size,
//! turn and brightness.
//!
//! An image is `background + (foreground − background) · coverage`, where
//! coverage is the part of the pixel that the shape covers (16 points each).
//! A shape is given by the radius R of the circle around it:
//!
//! | class | shape | area |
//! |---|---|---|
//! | `disc` | | π R² |
//! | `square` | | 2 R² |
//! | `triangle` | equilateral | (3√3/4) R² |
//! | `cross` | two bars of width R/2 | (√15/2 − 1/4) R² |
//! | `ring` | inner radius 0.6 R | 0.64 π R² |
//! | `star` | five points, inner radius 0.4 R | 2 sin 36° R² |
//! | `bar` | sides in the ratio 4 : 1 | (16/17) R² |
//! | `half` | half a disc | (π/2) R² |
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `classes` | 5 | the first K shapes of the table, 2 to 8 |
//! | `size` | 32 | `H` (square) or `HxW`, sides 1 to 512 |
//! | `count` | 5000 | number of images; classes are interleaved |
//! | `channels` | 1 | 1 (grey) or 3 (colours) |
//! | `radius` | 0.2/0.4 | smallest and largest R as parts of the shorter side, R uniform between; at most 0.5 |
//! | `shift` | 1 | part of the room that the circle leaves which the centre roams, 0 (centred) to 1 |
//! | `turn` | `yes` | `yes`: any angle; `no`: upright |
//! | `polarity` | `bright` | the shape is `bright` or `dark` on its ground, or either at `random` |
//! | `contrast` | 0.3 | least difference between shape and ground, in every channel, 0 to 1 |
//!
//! Values lie in [0, 1]. With `polarity=random` shape and ground trade places
//! in half of the images: all classes then have the same mean image (a flat
//! grey) and a linear network has nothing to learn.

use std::f64::consts::{PI, TAU};

use rand::Rng;

use crate::data::args::{Args, COUNT};
use crate::data::{Options, spec};
use crate::error::Result;
use crate::field::ImageSet;
use crate::seed::ChaCha8Rng;

// Points per pixel and direction.
const GRID: usize = 4;

pub(super) const ALL: [(&str, Shape); 8] = [
    ("disc", Shape::Disc),
    ("square", Shape::Square),
    ("triangle", Shape::Triangle),
    ("cross", Shape::Cross),
    ("ring", Shape::Ring),
    ("star", Shape::Star),
    ("bar", Shape::Bar),
    ("half", Shape::Half),
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Disc,
    Square,
    Triangle,
    Cross,
    Ring,
    Star,
    Bar,
    Half,
}

#[derive(Clone, Copy)]
enum Polarity {
    Bright,
    Dark,
    Random,
}

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::made("shapes", load);

/// Makes the set that `args` describe: `count` images `[channels, H, W]`.
///
/// # Errors
/// [`crate::Error::Input`] for unknown, repeated or unusable arguments.
pub fn load(args: &str, options: &Options) -> Result<ImageSet> {
    let mut args = Args::parse("shapes", args)?;
    let classes = args.usize("classes", 2..=ALL.len(), 5)?;
    let (height, width) = args.size("size", 32)?;
    let count = args.usize("count", COUNT, 5000)?;
    let channels = args.choice("channels", [("1", 1), ("3", 3)])?;
    let pose = Pose::read(&mut args)?;
    let contrast = args.f64("contrast", 0.0..=1.0, 0.3)?;
    args.finish()?;

    let names = ALL[..classes].iter().map(|(name, _)| (*name).to_owned()).collect();
    args.make(options, [count, channels, height, width], names, |rng, class, pixels| {
        let (coverage, swap) = pose.draw(rng, ALL[class].1, height, width);
        for plane in pixels.chunks_exact_mut(height * width) {
            let step = contrast + (1.0 - contrast) * rng.random::<f64>();
            let dark = (1.0 - step) * rng.random::<f64>();
            let (ground, shape) = if swap { (dark + step, dark) } else { (dark, dark + step) };
            for (pixel, part) in plane.iter_mut().zip(&coverage) {
                *pixel = ((1.0 - part) * ground + part * shape) as f32;
            }
        }
    })
}

/// Where a shape may lie, how large, and whether bright on dark: the keys `radius`,
/// `shift`, `turn` and `polarity`.
pub(super) struct Pose {
    // Least and largest radius, as parts of the shorter side.
    radius: (f64, f64),
    shift: f64,
    turn: bool,
    polarity: Polarity,
}

impl Pose {
    pub(super) fn read(args: &mut Args) -> Result<Self> {
        let radius = args.f64_list("radius", 0.01..=0.5)?.unwrap_or_else(|| vec![0.2, 0.4]);
        let radius = match radius[..] {
            [least, most] if least <= most => (least, most),
            _ => {
                let found = radius.iter().map(f64::to_string).collect::<Vec<_>>().join("/");
                return Err(args.error("radius", "`least/most`, in this order", format_args!("`{found}`")));
            }
        };
        let shift = args.f64("shift", 0.0..=1.0, 1.0)?;
        let turn = args.choice("turn", [("yes", true), ("no", false)])?;
        let polarity = args.choice(
            "polarity",
            [("bright", Polarity::Bright), ("dark", Polarity::Dark), ("random", Polarity::Random)],
        )?;
        Ok(Self { radius, shift, turn, polarity })
    }

    /// The covered part of every pixel, and whether the shape is darker than its ground.
    pub(super) fn draw(
        &self,
        rng: &mut ChaCha8Rng,
        shape: Shape,
        height: usize,
        width: usize,
    ) -> (Vec<f64>, bool) {
        let (least, most) = self.radius;
        let r = height.min(width) as f64 * (least + (most - least) * rng.random::<f64>());
        let mut place = |side: usize| {
            let side = side as f64;
            side / 2.0 + self.shift * (side / 2.0 - r) * (2.0 * rng.random::<f64>() - 1.0)
        };
        let centre = (place(height), place(width));
        let angle = if self.turn { rng.random::<f64>() * TAU } else { 0.0 };
        let swap = match self.polarity {
            Polarity::Bright => false,
            Polarity::Dark => true,
            Polarity::Random => rng.random(),
        };
        (coverage(shape, centre, r, angle, height, width), swap)
    }
}

// The covered part of every pixel, row-major. Row i spans i..i+1, and `centre`
// is (row, column) in the same units.
fn coverage(shape: Shape, centre: (f64, f64), r: f64, angle: f64, height: usize, width: usize) -> Vec<f64> {
    let mut covered = vec![0.0; height * width];
    let (sin, cos) = angle.sin_cos();
    let span = |at: f64, side: usize| {
        ((at - r).floor().max(0.0) as usize)..((at + r).ceil().clamp(0.0, side as f64) as usize)
    };
    for i in span(centre.0, height) {
        for j in span(centre.1, width) {
            let mut hits = 0;
            for point in 0..GRID * GRID {
                let at = |pixel: usize, k: usize| pixel as f64 + (k as f64 + 0.5) / GRID as f64;
                let down = (at(i, point / GRID) - centre.0) / r;
                let right = (at(j, point % GRID) - centre.1) / r;
                let distance2 = down * down + right * right;
                // x to the right and y up, turned counterclockwise by the angle
                let (x, y) = (right * cos - down * sin, -(right * sin) - down * cos);
                hits += usize::from(distance2 <= 1.0 && shape.contains(x, y, distance2));
            }
            covered[i * width + j] = hits as f64 / (GRID * GRID) as f64;
        }
    }
    covered
}

impl Shape {
    // Whether the upright shape of radius 1 holds the point, which lies in the unit disc.
    fn contains(self, x: f64, y: f64, distance2: f64) -> bool {
        match self {
            Shape::Disc => true,
            Shape::Square => x.abs().max(y.abs()) <= 0.5f64.sqrt(),
            Shape::Triangle => y >= -0.5 && 3f64.sqrt() * x.abs() + y <= 1.0,
            Shape::Cross => x.abs().min(y.abs()) <= 0.25 && x.abs().max(y.abs()) <= 15f64.sqrt() / 4.0,
            Shape::Ring => distance2 >= 0.36,
            Shape::Star => {
                // Folded into the tenth of a turn between a point of the star and the next notch.
                let fifth = TAU / 5.0;
                let fold = ((x.atan2(y) + fifth / 2.0).rem_euclid(fifth) - fifth / 2.0).abs();
                let (sin, cos) = fold.sin_cos();
                let (notch_sin, notch_cos) = (PI / 5.0).sin_cos();
                let d = distance2.sqrt();
                (0.4 * notch_cos - 1.0) * d * sin >= 0.4 * notch_sin * (d * cos - 1.0)
            }
            Shape::Bar => x.abs() <= 4.0 / 17f64.sqrt() && y.abs() <= 1.0 / 17f64.sqrt(),
            Shape::Half => y >= 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use proptest::prelude::*;

    // In units of R², as the table of the module says.
    fn area(shape: Shape) -> f64 {
        match shape {
            Shape::Disc => PI,
            Shape::Square => 2.0,
            Shape::Triangle => 0.75 * 3f64.sqrt(),
            Shape::Cross => 15f64.sqrt() / 2.0 - 0.25,
            Shape::Ring => 0.64 * PI,
            Shape::Star => 2.0 * (TAU / 10.0).sin(),
            Shape::Bar => 16.0 / 17.0,
            Shape::Half => PI / 2.0,
        }
    }

    proptest! {
        #[test]
        fn areas_follow_the_formulas(
            class in 0..ALL.len(), r in 10.0..15.0f64, angle in 0.0..TAU, di in -1.0..1.0f64, dj in -1.0..1.0f64
        ) {
            let shape = ALL[class].1;
            // An edge along the axes lies up to half a point of the grid off; over all
            // shifts by parts of a point it lies right.
            const SHIFTS: usize = 8;
            let part = |k: usize| k as f64 / (SHIFTS * GRID) as f64;
            let at = |k: usize| (16.0 + di + part(k), 20.0 + dj + part(k));
            let sums = (0..SHIFTS).map(|k| coverage(shape, at(k), r, angle, 32, 40).iter().sum::<f64>());
            let covered = sums.sum::<f64>() / SHIFTS as f64;
            let relative = covered / (area(shape) * r * r) - 1.0;
            prop_assert!(relative.abs() < 0.02, "{shape:?}: {relative}");
        }

        #[test]
        fn a_disc_does_not_turn(r in 2.0..8.0f64, angle in 0.0..TAU, row in 8.0..16.0f64, col in 8.0..12.0f64) {
            let upright = coverage(Shape::Disc, (row, col), r, 0.0, 24, 20);
            prop_assert_eq!(coverage(Shape::Disc, (row, col), r, angle, 24, 20), upright);
        }

        #[test]
        fn values_lie_in_the_unit_interval(
            (height, width) in (1usize..40, 1usize..40), classes in 2usize..=8, seed: u64, colour: bool,
            contrast in 0.0..=1.0f64, shift in 0.0..=1.0f64, polarity in 0usize..3
        ) {
            let (channels, polarity) = (1 + 2 * usize::from(colour), ["bright", "dark", "random"][polarity]);
            let args = format!(
                "size={height}x{width},classes={classes},count=9,channels={channels},contrast={contrast},\
                 shift={shift},polarity={polarity},radius=0.01/0.5"
            );
            let set = load(&args, &Options { seed, ..Options::default() }).unwrap();
            prop_assert_eq!(set.images.dim(), (9, channels, height, width));
            prop_assert!(set.images.iter().all(|v| (0.0..=1.0).contains(v)));
        }
    }

    #[test]
    fn the_centre_is_row_then_column() {
        for (shape, tolerance) in [(Shape::Disc, 0.02), (Shape::Square, 0.02), (Shape::Triangle, 0.02)] {
            let covered = coverage(shape, (9.0, 27.5), 7.0, 0.3, 20, 40);
            let sum: f64 = covered.iter().sum();
            let mean = |axis: fn(usize) -> usize| {
                covered.iter().enumerate().map(|(at, v)| v * (axis(at) as f64 + 0.5)).sum::<f64>() / sum
            };
            assert!((mean(|at| at / 40) - 9.0).abs() < tolerance, "{shape:?}");
            assert!((mean(|at| at % 40) - 27.5).abs() < tolerance, "{shape:?}");
        }
    }

    #[test]
    fn upright_shapes_point_up() {
        let rows = |shape| -> Vec<f64> {
            coverage(shape, (8.0, 8.0), 8.0, 0.0, 16, 16).chunks(16).map(|row| row.iter().sum()).collect()
        };
        let triangle = rows(Shape::Triangle);
        assert!(triangle[0] < 2.0 && triangle[11] > 12.0 && triangle[12] == 0.0, "{triangle:?}");
        let half = rows(Shape::Half);
        assert!(half[7] > 15.0 && half[8] == 0.0, "{half:?}");
        // A bar lies: a quarter turn makes it stand.
        assert!(rows(Shape::Bar)[0] == 0.0);
        let standing = coverage(Shape::Bar, (8.0, 8.0), 8.0, TAU / 4.0, 16, 16);
        assert!(standing[8] > 0.0 && standing[8 * 16] == 0.0);
    }

    #[test]
    fn a_quarter_turn_keeps_square_and_cross() {
        for shape in [Shape::Square, Shape::Cross] {
            let upright = coverage(shape, (8.0, 8.0), 7.3, 0.2, 16, 16);
            let turned = coverage(shape, (8.0, 8.0), 7.3, 0.2 + TAU / 4.0, 16, 16);
            let moved = upright.iter().zip(&turned).filter(|(a, b)| (*a - *b).abs() > 1e-12).count();
            assert_eq!(moved, 0, "{shape:?}");
        }
    }

    #[test]
    fn classes_are_balanced_and_their_means_differ() {
        let set = load("count=1000", &Options::default()).unwrap();
        let Targets::Classes { labels, names } = &set.targets else { unreachable!() };
        assert_eq!(names, &["disc", "square", "triangle", "cross", "ring"]);
        assert!(labels.iter().enumerate().all(|(i, &label)| label as usize == i % 5));
        let mean = |class: usize| {
            let images = set.images.outer_iter().skip(class).step_by(5);
            images.map(|image| image.mean().unwrap()).sum::<f32>() / 200.0
        };
        // The disc covers 2.4 times what the triangle does.
        assert!(mean(0) > mean(2) + 0.02);
    }

    #[test]
    fn bad_arguments_are_named() {
        for (args, wanted) in [
            ("clases=3", "did you mean `classes`?"),
            ("classes=9", "2..=8"),
            ("radius=0.4/0.2", "`least/most`, in this order, found `0.4/0.2`"),
            ("radius=0.3", "`least/most`"),
            ("radius=0.3/0.6", "numbers in 0.01..=0.5"),
            ("channels=2", "one of `1`, `3`, found `2`"),
            ("contrast=2", "0..=1"),
            ("turn=maybe", "one of `yes`, `no`"),
        ] {
            let error = load(args, &Options::default()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{args}: {error}");
        }
    }
}
