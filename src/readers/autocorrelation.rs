//! Channel means and local autocorrelation: the lowest features that do not depend on
//! the place.
//!
//! r_cc′(δ) = mean over pixels p of x_c(p) x_c′(p + δ), circular, for lags
//! δ = (δy, δx) with 0 ≤ δy ≤ 2 and |δx| ≤ 2. Of a channel with itself δ and −δ are
//! one: 13 lags; of two channels (c < c′) all 15. With the means that is 14 features
//! of grey images and 87 in RGB. Together they are the power spectrum, smoothed to what
//! a patch of 5×5 pixels can tell.

use super::{Features, Reader};

/// The largest lag.
const LAG: i64 = 2;

pub(super) const READER: Reader = Reader {
    name: "autocorrelation",
    about: "channel means and products of pixels at most 2 apart, averaged over the image",
    features: |shape| Box::new(Autocorrelation { shape, lags: lags(shape[0]) }),
};

struct Autocorrelation {
    shape: [usize; 3],
    // Channel, channel, δy, δx.
    lags: Vec<(usize, usize, i64, i64)>,
}

fn lags(channels: usize) -> Vec<(usize, usize, i64, i64)> {
    let mut lags = Vec::new();
    for first in 0..channels {
        for second in first..channels {
            for (dy, dx) in (0..=LAG).flat_map(|dy| (-LAG..=LAG).map(move |dx| (dy, dx))) {
                if first != second || dy > 0 || dx >= 0 {
                    lags.push((first, second, dy, dx));
                }
            }
        }
    }
    lags
}

impl Features for Autocorrelation {
    fn count(&self) -> usize {
        self.shape[0] + self.lags.len()
    }

    fn of(&self, image: &[f32], out: &mut [f64]) {
        let [c, h, w] = self.shape;
        let (means, products) = out.split_at_mut(c);
        for (mean, plane) in means.iter_mut().zip(image.chunks_exact(h * w)) {
            *mean = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / (h * w) as f64;
        }
        // Rows that go on at both ends as they do around the other side.
        let reach = LAG as usize;
        let long = w + 2 * reach;
        let wrapped: Vec<f32> = image
            .chunks_exact(w)
            .flat_map(|row| (0..long).map(move |x| row[(x + reach * (w - 1)) % w]))
            .collect();
        for (out, &(first, second, dy, dx)) in products.iter_mut().zip(&self.lags) {
            let from = (reach as i64 + dx) as usize;
            let mut sum = 0.0;
            for y in 0..h {
                let below = (y + dy as usize) % h;
                let here = &image[(first * h + y) * w..][..w];
                let there = &wrapped[(second * h + below) * long + from..][..w];
                // In single precision over a row only: rows of images are short.
                sum += f64::from(here.iter().zip(there).map(|(a, b)| a * b).sum::<f32>());
            }
            *out = sum / (h * w) as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use ndarray::Array2;
    use rand::Rng;

    #[test]
    fn lags_by_hand() {
        // One bright pixel of two, one above the other.
        let images = Array2::from_shape_vec((1, 4), vec![2.0f32, 0.0, 1.0, 0.0]).unwrap();
        let found = READER.features(images.view(), [1, 2, 2]);
        // Mean 3/4; lag (0, 0): (4 + 1)/4; (0, 1): 0; (0, 2) is (0, 0) on two columns.
        assert_eq!(found.row(0).to_vec()[..4], [0.75, 1.25, 0.0, 1.25]);
        // (1, −2 … 2): the pixel below, both ways round: 2 · 2 · 1/4, or nothing beside it.
        assert_eq!(found.row(0).to_vec()[4..9], [1.0, 0.0, 1.0, 0.0, 1.0]);
        // (2, −2 … 2): two rows on is the same row.
        assert_eq!(found.row(0).to_vec()[9..], [1.25, 0.0, 1.25, 0.0, 1.25]);
    }

    #[test]
    fn products_are_those_of_the_naive_sum() {
        for shape in [[1, 1, 1], [2, 3, 4], [3, 5, 2], [3, 8, 8]] {
            let [c, h, w] = shape;
            let mut rng = seed::rng(7, "test/autocorrelation", 0);
            let x: Vec<f32> = (0..c * h * w).map(|_| rng.random_range(-1.0..1.0)).collect();
            let found =
                READER.features(Array2::from_shape_vec((1, x.len()), x.clone()).unwrap().view(), shape);
            let mut at = c;
            for a in 0..c {
                for b in a..c {
                    for (dy, dx) in (0..=2i64).flat_map(|dy| (-2..=2i64).map(move |dx| (dy, dx))) {
                        if a == b && dy == 0 && dx < 0 {
                            continue;
                        }
                        let mut sum = 0.0;
                        for (y, x0) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                            let below = (y as i64 + dy).rem_euclid(h as i64) as usize;
                            let beside = (x0 as i64 + dx).rem_euclid(w as i64) as usize;
                            let pixel = |c: usize, y: usize, x0: usize| f64::from(x[(c * h + y) * w + x0]);
                            sum += pixel(a, y, x0) * pixel(b, below, beside);
                        }
                        let want = sum / (h * w) as f64;
                        assert!((found[[0, at]] - want).abs() < 1e-6, "{shape:?} {a} {b} {dy} {dx}");
                        at += 1;
                    }
                }
            }
            assert_eq!(at, found.ncols());
        }
    }
}
