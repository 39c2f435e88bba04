//! Noise of one octave: levels of a Laplacian pyramid (Burt & Adelson, "The Laplacian Pyramid as a Compact
//! Image Code", IEEE Transactions on Communications 1983), as pyrtools computes them.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

/// The binomial filter of five taps.
const TAPS: [f64; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

// The place that is `at`, mirrored about the first and the last of `n` places.
fn mirrored(at: isize, n: usize) -> usize {
    let last = n as isize - 1;
    if last == 0 {
        return 0;
    }
    let at = at.rem_euclid(2 * last);
    (if at > last { 2 * last - at } else { at }) as usize
}

// Filtered, every other place kept.
fn halved(line: ArrayView1<f64>) -> Vec<f64> {
    let n = line.len();
    let at = |i: usize| {
        let tap = |(t, weight): (usize, f64)| weight * line[mirrored(2 * i as isize + t as isize - 2, n)];
        TAPS.into_iter().enumerate().map(tap).sum()
    };
    (0..n.div_ceil(2)).map(at).collect()
}

// Zeros between the places, then filtered, to `n` places: a constant stays what it is.
fn doubled(line: ArrayView1<f64>, n: usize) -> Vec<f64> {
    let at = |i: usize| {
        let tap = |(t, weight): (usize, f64)| {
            let from = mirrored(i as isize + t as isize - 2, n);
            if from.is_multiple_of(2) { 2.0 * weight * line[from / 2] } else { 0.0 }
        };
        TAPS.into_iter().enumerate().map(tap).sum()
    };
    (0..n).map(at).collect()
}

// Along both axes.
fn both(image: ArrayView2<f64>, to: [usize; 2], line: impl Fn(ArrayView1<f64>, usize) -> Vec<f64>) -> Array2<f64> {
    let mut rows = Array2::zeros((image.nrows(), to[1]));
    for (row, mut out) in image.outer_iter().zip(rows.outer_iter_mut()) {
        out.assign(&ArrayView1::from(&line(row, to[1])));
    }
    let mut all = Array2::zeros((to[0], to[1]));
    for (column, mut out) in rows.axis_iter(Axis(1)).zip(all.axis_iter_mut(Axis(1))) {
        out.assign(&ArrayView1::from(&line(column, to[0])));
    }
    all
}

fn smaller(image: ArrayView2<f64>) -> Array2<f64> {
    let (h, w) = image.dim();
    both(image, [h.div_ceil(2), w.div_ceil(2)], |line, _| halved(line))
}

fn larger(image: ArrayView2<f64>, (h, w): (usize, usize)) -> Array2<f64> {
    both(image, [h, w], doubled)
}

// Levels of the pyramid of `image`, the highest first, each in its own size.
fn levels(image: ArrayView2<f64>, count: usize) -> Vec<Array2<f64>> {
    let mut all = Vec::with_capacity(count);
    let mut rest = image.to_owned();
    for _ in 1..count {
        let low = smaller(rest.view());
        let high = &rest - &larger(low.view(), rest.dim());
        all.push(high);
        rest = low;
    }
    all.push(rest);
    all
}

// The level at place `at` in the size of the first.
fn brought_back(levels: &[Array2<f64>], at: usize) -> Array2<f64> {
    levels[..at].iter().rev().fold(levels[at].clone(), |band, size| larger(band.view(), size.dim()))
}

/// `image` in `count` octaves, the lowest first: levels of its pyramid brought back to its size; the lowest
/// is what is left, mean included. They add up to the image.
pub fn octaves(image: ArrayView2<f64>, count: usize) -> Vec<Array2<f64>> {
    let levels = levels(image, count);
    (0..count).rev().map(|at| brought_back(&levels, at)).collect()
}

/// Root of the mean square.
pub fn rms(image: ArrayView2<f64>) -> f64 {
    (image.iter().map(|v| v * v).sum::<f64>() / image.len() as f64).sqrt()
}

/// An octave of `noise`, of `count`, with the root mean square of the highest.
pub fn noise(noise: ArrayView2<f64>, count: usize, octave: usize) -> Array2<f64> {
    let levels = levels(noise, count);
    let highest = rms(levels[0].view());
    let mut band = brought_back(&levels, count - 1 - octave);
    let own = rms(band.view());
    if own > 0.0 {
        band *= highest / own;
    }
    band
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn lines_by_hand() {
        assert_eq!([-2, -1, 0, 3, 4, 5, 6].map(|at| mirrored(at, 4)), [2, 1, 0, 3, 2, 1, 0]);
        assert_eq!(mirrored(-2, 1), 0);
        // (0, 0): 6·1 + 2·4·2 + 2·1·4; (2): 1 + 4·2 + 6·4 + 4·8 + mirrored 4.
        let line = array![1.0, 2.0, 4.0, 8.0];
        assert_eq!(halved(line.view()), [30.0 / 16.0, 69.0 / 16.0]);
        // Even places: 1, 6, 1 eighths; odd ones halves.
        let line = array![8.0, 16.0];
        assert_eq!(doubled(line.view(), 4), [10.0, 12.0, 15.0, 16.0]);
    }

    #[test]
    fn octaves_add_up_and_are_pyrtools() {
        let image =
            |size| Array2::from_shape_fn(size, |(y, x)| ((y * 37 + x * 61 + y * x) % 17) as f64 / 8.0 - 1.0);
        // LaplacianPyramid(image, height=n).recon_pyr(levels=n - 1 - i) of pyrtools 1.1.1.
        let even: [[f64; 3]; 4] = [
            [-0.012708224254, -0.026065665443, -0.078494913876],
            [-0.033896967871, -0.011291046481, 0.097812540829],
            [-0.066248811781, 0.070681907237, -0.185333251953],
            [-0.887145996094, -0.533325195312, 0.291015625],
        ];
        let odd: [[f64; 3]; 3] = [
            [-0.046605192125, -0.037356711924, -0.060819625854],
            [-0.066248811781, 0.070681907237, 0.327909469604],
            [-0.887145996094, -0.533325195312, -0.64208984375],
        ];
        for (size, expected) in [((32, 40), &even[..]), ((28, 21), &odd[..])] {
            let image = image(size);
            let all = octaves(image.view(), expected.len());
            let sum = all.iter().fold(Array2::zeros(size), |sum, band| sum + band);
            assert!((&sum - &image).iter().all(|v: &f64| v.abs() < 1e-12));
            for (band, expected) in all.iter().zip(expected) {
                let last = (size.0 - 1, size.1 - 1);
                for (value, want) in [band[(0, 0)], band[(7, 9)], band[last]].into_iter().zip(expected) {
                    assert!((value - want).abs() < 1e-11, "{value} {want}");
                }
            }
        }
        let image = image((16, 20));
        let all = octaves(image.view(), 4);
        for octave in 0..4 {
            let noise = noise(image.view(), 4, octave);
            assert!((rms(noise.view()) - rms(all[3].view())).abs() < 1e-12);
            // A multiple of its octave.
            let factor = noise[[3, 5]] / all[octave][[3, 5]];
            assert!((&all[octave] * factor - &noise).iter().all(|v| v.abs() < 1e-12));
        }
    }
}
