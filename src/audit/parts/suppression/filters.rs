//! What takes cues away from images: patches shuffled, bilateral filter, Gaussian blur, grey.
//!
//! Images are `[c, h, w]` with pixels in [0, 1]. As OpenCV's filters, whose results of 8-bit images they
//! are but for its rounding: borders are mirrored about the middle of the outermost pixel.

use ndarray::{Array3, ArrayView3, Axis, s};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::audit::filter::LUMA;

/// The image in `grid`×`grid` patches of ⌊h/grid⌋×⌊w/grid⌋ pixels, in another order. What is left of the sides
/// stays where it is, half of it on each side.
///
/// # Panics
/// For a grid of 0.
pub fn shuffled(image: ArrayView3<f64>, grid: usize, rng: &mut impl Rng) -> Array3<f64> {
    let (_, h, w) = image.dim();
    let (rows, columns) = (h / grid, w / grid);
    let (top, left) = ((h - rows * grid) / 2, (w - columns * grid) / 2);
    let place = |i: usize| (top + i / grid * rows, left + i % grid * columns);
    let part = |i: usize| {
        let (y, x) = place(i);
        s![.., y..y + rows, x..x + columns]
    };
    let mut from: Vec<usize> = (0..grid * grid).collect();
    from.shuffle(rng);
    let mut out = image.to_owned();
    for (to, from) in from.into_iter().enumerate() {
        out.slice_mut(part(to)).assign(&image.slice(part(from)));
    }
    out
}

/// The mean of all pixels within `diameter`/2 (rounded down), each weighted with Gaussians of its distance (of
/// `space` pixels) and of the difference of its colour, summed over channels (of `colour` of 255 levels).
pub fn bilateral(image: ArrayView3<f64>, diameter: usize, colour: f64, space: f64) -> Array3<f64> {
    /// Entries of the table of colour weights for each level, interpolated linearly.
    const FINE: usize = 4;
    let (c, h, w) = image.dim();
    let radius = (diameter / 2) as i64;
    let gaussian = |squared: f64, deviation: f64| (-squared / (2.0 * deviation * deviation)).exp();
    let near = |(dy, dx): &(i64, i64)| dy * dy + dx * dx <= radius * radius;
    let offsets = (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| (dy, dx))).filter(near);
    let offsets: Vec<_> =
        offsets.map(|(dy, dx)| (dy, dx, gaussian((dy * dy + dx * dx) as f64, space))).collect();
    let table: Vec<f64> =
        (0..=255 * c * FINE + 1).map(|i| gaussian((i as f64 / FINE as f64).powi(2), colour)).collect();
    let image = image.as_standard_layout();
    let mut out = Array3::zeros((c, h, w));
    let (mut own, mut sums) = (vec![0.0; c], vec![0.0; c]);
    for y in 0..h {
        for x in 0..w {
            own.iter_mut().enumerate().for_each(|(channel, own)| *own = image[[channel, y, x]]);
            sums.fill(0.0);
            let mut total = 0.0;
            for &(dy, dx, by_space) in &offsets {
                let (row, column) = (mirrored(y as i64 + dy, h), mirrored(x as i64 + dx, w));
                let apart: f64 = (0..c).map(|channel| (image[[channel, row, column]] - own[channel]).abs()).sum();
                let at = (apart * (255 * FINE) as f64).min((255 * c * FINE) as f64);
                let (below, part) = (at as usize, at.fract());
                let weight = by_space * (table[below] * (1.0 - part) + table[below + 1] * part);
                total += weight;
                sums.iter_mut().enumerate().for_each(|(channel, sum)| *sum += weight * image[[channel, row, column]]);
            }
            sums.iter().enumerate().for_each(|(channel, sum)| out[[channel, y, x]] = sum / total);
        }
    }
    out
}

/// The image under a Gaussian of `deviation` pixels, cut to `size`×`size`.
pub fn blurred(image: ArrayView3<f64>, size: usize, deviation: f64) -> Array3<f64> {
    let radius = (size / 2) as i64;
    let weights = (-radius..=radius).map(|i| (-((i * i) as f64) / (2.0 * deviation * deviation)).exp());
    let weights: Vec<f64> = weights.collect();
    let total: f64 = weights.iter().sum();
    let mut out = image.to_owned();
    for axis in [Axis(1), Axis(2)] {
        let before = out.clone();
        let n = before.len_of(axis);
        for place in 0..n {
            let mut line = out.index_axis_mut(axis, place);
            line.fill(0.0);
            for (offset, weight) in (-radius..=radius).zip(&weights) {
                line.scaled_add(weight / total, &before.index_axis(axis, mirrored(place as i64 + offset, n)));
            }
        }
    }
    out
}

/// The image with a share `alpha` of its grey in place of its colours; None without colours.
pub fn greyed(image: ArrayView3<f64>, alpha: f64) -> Option<Array3<f64>> {
    let (c, h, w) = image.dim();
    (c == LUMA.len()).then(|| {
        Array3::from_shape_fn((c, h, w), |(channel, y, x)| {
            let grey: f64 = LUMA.iter().enumerate().map(|(i, share)| share * image[[i, y, x]]).sum();
            (1.0 - alpha) * image[[channel, y, x]] + alpha * grey
        })
    })
}

// A place beyond the borders, mirrored about the outermost pixels.
fn mirrored(place: i64, n: usize) -> usize {
    if (0..n as i64).contains(&place) {
        return place as usize;
    }
    let period = 2 * (n as i64 - 1).max(1);
    let place = place.rem_euclid(period);
    place.min(period - place).min(n as i64 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use proptest::prelude::*;

    #[test]
    fn places_are_mirrored_about_the_outermost_pixels() {
        assert_eq!((-4..8).map(|i| mirrored(i, 4)).collect::<Vec<_>>(), [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!([-2, 0, 5].map(|i| mirrored(i, 1)), [0; 3]);
    }

    #[test]
    fn blur_by_hand() {
        // Deviation such that the neighbours have half of the weight of the middle.
        let deviation = (1.0 / (2.0 * 2f64.ln())).sqrt();
        let image = Array3::from_shape_vec((1, 1, 4), vec![0.0, 1.0, 0.0, 0.0]).unwrap();
        // Mirrored: 1 0* 1 0 0 0*; the rows are all alike.
        let found = blurred(image.view(), 3, deviation);
        for (found, expected) in found.iter().zip([0.5, 0.5, 0.25, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
    }

    #[test]
    fn bilateral_by_hand() {
        // A step of 255 levels beside flat ground: weights exp(−½(255/100)²) across it, distances do not count.
        let image = Array3::from_shape_vec((1, 1, 4), vec![0.0, 0.0, 1.0, 1.0]).unwrap();
        let across = (-0.5 * 2.55f64.powi(2)).exp();
        // Within one pixel: five places, of which three are in the one row (mirrored: itself twice more).
        let found = bilateral(image.view(), 2, 100.0, 1e9);
        let expected = across / (4.0 + across);
        assert!((found[[0, 0, 1]] - expected).abs() < 1e-6, "{} {expected}", found[[0, 0, 1]]);
        assert!((found[[0, 0, 2]] - (1.0 - expected)).abs() < 1e-6 && found[[0, 0, 0]] == 0.0);
        // Without limits of colour it is a mean.
        let mean = bilateral(image.view(), 2, 1e9, 1e9);
        assert!((mean[[0, 0, 1]] - 0.2).abs() < 1e-9);
    }

    #[test]
    fn grey_by_hand() {
        let image = Array3::from_shape_vec((3, 1, 1), vec![1.0, 0.5, 0.0]).unwrap();
        let grey = 0.299 + 0.2935;
        let found = greyed(image.view(), 1.0).unwrap();
        assert!(found.iter().all(|v| (v - grey).abs() < 1e-12));
        let half = greyed(image.view(), 0.5).unwrap();
        assert!((half[[2, 0, 0]] - grey / 2.0).abs() < 1e-12);
        assert!(greyed(Array3::zeros((1, 2, 2)).view(), 1.0).is_none());
    }

    #[test]
    fn patches_of_odd_sides_move() {
        // Of 5×5 in 2×2: patches of 2×2 in the corner, and a rim of one pixel below and to the right.
        let image = Array3::from_shape_fn((1, 5, 5), |(_, y, x)| (10 * y + x) as f64);
        let places = (0..40).map(|draw| {
            let found = shuffled(image.view(), 2, &mut seed::rng(draw, "patches", 0));
            assert!((0..5).all(|i| found[[0, 4, i]] == image[[0, 4, i]] && found[[0, i, 4]] == image[[0, i, 4]]));
            found[[0, 0, 0]] as usize
        });
        // Any of the four may come first.
        let places: std::collections::BTreeSet<_> = places.collect();
        assert_eq!(places.into_iter().collect::<Vec<_>>(), [0, 2, 20, 22]);
    }

    proptest! {
        #[test]
        fn shuffling_moves_whole_patches(h in 1usize..12, w in 1usize..12, grid in 1usize..6, seed in 0u64..99) {
            let image = Array3::from_shape_fn((2, h, w), |(c, y, x)| (c * 1000 + y * 30 + x) as f64);
            let mut rng = seed::rng(seed, "shuffled", 0);
            let found = shuffled(image.view(), grid, &mut rng);
            let mut sorted: Vec<_> = found.iter().map(|v| *v as u64).collect();
            let mut before: Vec<_> = image.iter().map(|v| *v as u64).collect();
            sorted.sort_unstable();
            before.sort_unstable();
            prop_assert_eq!(sorted, before);
            // Neighbours within a patch stay neighbours, in all channels.
            let (side, left) = (w / grid, w % grid / 2);
            for x in (left + 1..left + grid * side).filter(|x| (x - left) % side != 0) {
                let y = h / 2;
                if (h % grid / 2..h % grid / 2 + grid * (h / grid)).contains(&y) {
                    prop_assert_eq!(found[[0, y, x]] - found[[0, y, x - 1]], 1.0);
                    prop_assert_eq!(found[[1, y, x]] - found[[0, y, x]], 1000.0);
                }
            }
            prop_assert_eq!(shuffled(image.view(), 1, &mut rng), image);
        }

        #[test]
        fn flat_images_stay(value in 0.0f64..1.0, d in 2usize..9, size in 0usize..4) {
            let image = Array3::from_elem((3, 5, 4), value);
            for found in [bilateral(image.view(), d, 50.0, 75.0), blurred(image.view(), 2 * size + 1, 1.5)] {
                prop_assert!(found.iter().all(|v| (v - value).abs() < 1e-12));
            }
        }
    }
}
