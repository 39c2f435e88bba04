//! From the size of an image to the one that is wanted.

use image::imageops::FilterType;
use image::{ImageBuffer, Luma};
use serde::{Deserialize, Serialize};

use super::MAX_SIDE;
use crate::data::Options;
use crate::error::{Error, Result};

/// How images come to their size: as a whole, or by their shorter side and a cut.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    shorter: Option<usize>,
    interpolation: Interpolation,
}

/// How an image is resized; both widen their kernels where it becomes smaller, as Pillow does.
///
/// Beside torchvision 0.26's Resize and CenterCrop on Pillow 13 images (28 sample pictures of scikit-image and
/// scikit-learn; shorter side and cut 256 → 224, 232 → 224, 256 → 256, 64 → 56, 36 → 32; `cargo bench --bench
/// images`), in units of 1/255: bilinear 0.23 to 0.24 apart in the mean and at most 1.0, bicubic 0.23 to 0.24 and at
/// most 1.1. Pillow rounds to bytes after each of its two passes, and what it works with here is not rounded: on
/// float tensors torchvision is at most 0.0007 apart, where no value leaves [0, 1]; those it leaves there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Triangles over two pixels.
    #[default]
    Bilinear,
    /// Catmull and Rom's cubics over four.
    Bicubic,
}

impl Interpolation {
    fn filter(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Triangle,
            Self::Bicubic => FilterType::CatmullRom,
        }
    }
}

impl std::str::FromStr for Interpolation {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        clap::ValueEnum::from_str(text, false)
            .map_err(|_| Error::input("interpolation", "bilinear or bicubic", format_args!("`{text}`")))
    }
}

impl std::fmt::Display for Interpolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Bilinear { "bilinear" } else { "bicubic" })
    }
}

impl Fit {
    pub fn new(options: &Options) -> Result<Self> {
        let interpolation = options.interpolation;
        let Some(shorter) = options.shorter else { return Ok(Self { shorter: None, interpolation }) };
        let Some((h, w)) = options.size else {
            return Err(Error::input("--shorter", "--size, the size to cut out of the middle", "none"));
        };
        if !(h.max(w)..=MAX_SIDE).contains(&shorter) {
            let expected = format!("{} to {MAX_SIDE}, as {h}×{w} pixels are cut out", h.max(w));
            return Err(Error::input("--shorter", expected, shorter));
        }
        Ok(Self { shorter: Some(shorter), interpolation })
    }

    /// The size to which images of the size `from` are resized, as torchvision has it.
    fn whole(self, (h, w): (usize, usize), to: (usize, usize)) -> (usize, usize) {
        match self.shorter {
            None => to,
            Some(s) if h <= w => (s, (s * w / h).min(MAX_SIDE)),
            Some(s) => ((s * h / w).min(MAX_SIDE), s),
        }
    }

    /// Lets `write` fill an image of `channels` planes of the size `from`, and
    /// brings it to the size `to` in `out`.
    pub fn apply(
        self,
        out: &mut [f32],
        channels: usize,
        from: (usize, usize),
        to: (usize, usize),
        write: impl FnOnce(&mut [f32]),
    ) {
        let whole = self.whole(from, to);
        if from == whole && whole == to {
            return write(out);
        }
        let mut planes = vec![0.0; channels * from.0 * from.1];
        write(&mut planes);
        let mut uncut = vec![0.0; if whole == to { 0 } else { whole.0 * whole.1 }];
        let filter = self.interpolation.filter();
        let corner = (half(whole.0 - to.0), half(whole.1 - to.1));
        for (plane, out) in planes.chunks_exact_mut(from.0 * from.1).zip(out.chunks_exact_mut(to.0 * to.1)) {
            if whole == to {
                resize_plane(plane, from, to, out, filter);
                continue;
            }
            resize_plane(plane, from, whole, &mut uncut, filter);
            for (y, out) in out.chunks_exact_mut(to.1).enumerate() {
                let at = (corner.0 + y) * whole.1 + corner.1;
                out.copy_from_slice(&uncut[at..at + to.1]);
            }
        }
    }
}

// Half of an odd margin goes to the even side, as in Python.
fn half(margin: usize) -> usize {
    if margin % 4 == 3 { margin.div_ceil(2) } else { margin / 2 }
}

// `imageops::resize` clamps to [0, 1]: planes with other values go there and
// back. Triangles make weighted means, which stay within the range they are given; what cubics make
// beyond it is cut off, as Pillow does at black and white: after resizing the rows, and after the columns.
fn resize_plane(
    plane: &mut [f32],
    from: (usize, usize),
    to: (usize, usize),
    out: &mut [f32],
    filter: FilterType,
) {
    let low = plane.iter().copied().fold(0.0, f32::min);
    let range = plane.iter().copied().fold(1.0, f32::max) - low;
    let inside = low == 0.0 && range == 1.0;
    if !inside {
        plane.iter_mut().for_each(|value| *value = (*value - low) / range);
    }
    // Both sides fit into u32: see `allocate` and the readers' checks.
    let view = ImageBuffer::<Luma<f32>, &[f32]>::from_raw(from.1 as u32, from.0 as u32, plane);
    if let Some(view) = view {
        let [height, width] = [to.0, to.1].map(|side| side as u32);
        let small = if filter == FilterType::CatmullRom {
            let wide = image::imageops::resize(&view, width, from.0 as u32, filter);
            image::imageops::resize(&wide, width, height, filter)
        } else {
            image::imageops::resize(&view, width, height, filter)
        };
        out.copy_from_slice(small.as_raw());
    }
    if !inside {
        out.iter_mut().for_each(|value| *value = *value * range + low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_resize_filter_is_a_triangle_as_wide_as_the_step() {
        // Halving four columns: weights 3, 3, 1 from the left, then mirrored.
        let mut plane = vec![0.1, 0.2, 0.7, 0.9, 0.5, 0.5, 0.5, 0.5];
        let mut out = vec![0.0; 4];
        resize_plane(&mut plane, (2, 4), (2, 2), &mut out, FilterType::Triangle);
        let left = (3.0 * 0.1 + 3.0 * 0.2 + 0.7) / 7.0;
        let right = (0.2 + 3.0 * 0.7 + 3.0 * 0.9) / 7.0;
        for (found, expected) in out.iter().zip([left, right, 0.5, 0.5]) {
            approx::assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
        }
    }

    #[test]
    fn cubics_are_pillows() {
        // Image.fromarray(plane).resize((w, h), BICUBIC) of Pillow 13.0, mode "F".
        let plane: Vec<f32> = (0..24).map(|i| (i * 7 % 11) as f32 * 0.06 + 0.2).collect();
        let half = [0.4919, 0.5512, 0.4365, 0.4916, 0.5353, 0.4525];
        let first = [0.1261, 0.3936, 0.6231, 0.3996, 0.5995, 0.8077, 0.6172, 0.4283, 0.3137];
        let last = [0.5063, 0.3528, 0.2899, 0.6310, 0.5917, 0.3828, 0.1923, 0.3987, 0.6381];
        let resized = |to: (usize, usize)| {
            let mut out = vec![0.0; to.0 * to.1];
            resize_plane(&mut plane.clone(), (4, 6), to, &mut out, Interpolation::Bicubic.filter());
            out
        };
        let (small, large) = (resized((2, 3)), resized((7, 9)));
        let pairs = small.iter().zip(&half).chain(large[..9].iter().zip(&first));
        for (found, expected) in pairs.chain(large[54..].iter().zip(&last)) {
            approx::assert_abs_diff_eq!(*found, *expected, epsilon = 1e-4);
        }
        let parsed: Result<Interpolation> = "cubic".parse();
        assert!(parsed.unwrap_err().to_string().contains("bilinear or bicubic"));
        for one in [Interpolation::Bilinear, Interpolation::Bicubic] {
            assert_eq!(one.to_string().parse::<Interpolation>().unwrap(), one);
        }
    }

    #[test]
    fn the_shorter_side_and_the_margins_are_rounded_as_in_python() {
        // Python's round(margin / 2).
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8].map(half), [0, 0, 1, 2, 2, 2, 3, 4, 4]);
        let fit = Fit { shorter: Some(256), interpolation: Interpolation::Bilinear };
        assert_eq!(fit.whole((375, 500), (224, 224)), (256, 341));
        assert_eq!(fit.whole((500, 375), (224, 224)), (341, 256));
    }

    proptest! {
        #[test]
        fn resizing_commutes_with_scale_and_offset(
            plane in prop::collection::vec(0.0f32..1.0, 35),
            (scale, offset) in (-50.0f32..50.0, -50.0f32..50.0),
            to in (1usize..12, 1usize..12),
        ) {
            let resize = |mut plane: Vec<f32>| {
                let mut out = vec![0.0; to.0 * to.1];
                resize_plane(&mut plane, (5, 7), to, &mut out, FilterType::Triangle);
                out
            };
            let mapped: Vec<f32> = plane.iter().map(|v| v * scale + offset).collect();
            let plain = resize(plane.clone());
            let (low, high) = plane.iter().fold((1.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
            for (&plain, &mapped) in plain.iter().zip(&resize(mapped)) {
                prop_assert!(plain >= low - 1e-5 && plain <= high + 1e-5);
                prop_assert!((plain * scale + offset - mapped).abs() < 1e-4 * (1.0 + scale.abs() + offset.abs()));
            }
        }
    }
}
