//! Random convolutions: what the first layer of an untrained network sees.
//!
//! 256 kernels of 5×5 weights in each channel, drawn once from N(0, 2/(25 c)), and as
//! many biases from N(0, 1); each is convolved with the image (circular, at every second
//! pixel), rectified and averaged over the image. Biases are of the size of what the kernels
//! put out where pixels have unit variance, as prepared images have by default. Without biases all but the mean of
//! what a kernel puts out would be blind to the sign of the image, as
//! max(r, 0) = (r + |r|)/2.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rand::Rng;
use rand_distr::StandardNormal;

use super::{Features, Reader};
use crate::seed;

const KERNELS: usize = 256;
const SIDE: usize = 5;
// The mean over every second pixel is as good, at a quarter of the cost.
const STRIDE: usize = 2;

pub(super) const READER: Reader = Reader {
    name: "convolutions",
    about: "256 random 5×5 convolutions, rectified and averaged over the image",
    features: |shape| Box::new(Convolutions::new(shape)),
};

struct Convolutions {
    shape: [usize; 3],
    /// `[256, c·25]`.
    kernels: Mat<f32>,
    biases: Vec<f32>,
}

impl Convolutions {
    fn new(shape: [usize; 3]) -> Self {
        let weights = shape[0] * SIDE * SIDE;
        let scale = (2.0 / weights as f32).sqrt();
        let mut rng = seed::rng(0, "readers/convolutions", 0);
        let kernels = Mat::from_fn(KERNELS, weights, |_, _| scale * rng.sample::<f32, _>(StandardNormal));
        let biases = (0..KERNELS).map(|_| rng.sample(StandardNormal)).collect();
        Self { shape, kernels, biases }
    }

    // The pixels that each place sees `[places, c·25]`.
    fn patches(&self, image: &[f32]) -> Vec<f32> {
        let [c, h, w] = self.shape;
        let mut patches = Vec::with_capacity(h.div_ceil(STRIDE) * w.div_ceil(STRIDE) * c * SIDE * SIDE);
        for y in (0..h).step_by(STRIDE) {
            for x in (0..w).step_by(STRIDE) {
                for plane in image.chunks_exact(h * w) {
                    for dy in 0..SIDE {
                        let row = &plane[(y + dy) % h * w..][..w];
                        patches.extend((0..SIDE).map(|dx| row[(x + dx) % w]));
                    }
                }
            }
        }
        patches
    }
}

impl Features for Convolutions {
    fn count(&self) -> usize {
        KERNELS
    }

    fn of(&self, image: &[f32], out: &mut [f64]) {
        let weights = self.kernels.ncols();
        let patches = self.patches(image);
        let places = patches.len() / weights;
        let patches = MatRef::from_row_major_slice(&patches, places, weights);
        let mut seen = Mat::<f32>::zeros(places, KERNELS);
        matmul(seen.as_mut(), Accum::Replace, patches, self.kernels.transpose(), 1.0, Par::Seq);
        for ((k, bias), out) in self.biases.iter().enumerate().zip(out) {
            *out = seen.col(k).iter().map(|v| f64::from((v + bias).max(0.0))).sum::<f64>() / places as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn features_are_those_of_the_naive_sum() {
        for shape in [[1, 6, 7], [3, 4, 4], [2, 3, 1]] {
            let [c, h, w] = shape;
            let mut rng = seed::rng(3, "test/convolutions", 0);
            let x: Vec<f32> = (0..c * h * w).map(|_| rng.random_range(-1.0..1.0)).collect();
            let images = Array2::from_shape_vec((1, x.len()), x.clone()).unwrap();
            let found = READER.features(images.view(), shape);
            let reader = Convolutions::new(shape);
            for k in [0, 17, 255] {
                let (mut sum, mut places) = (0.0, 0);
                for (y, x0) in (0..h).step_by(2).flat_map(|y| (0..w).step_by(2).map(move |x| (y, x))) {
                    let mut seen = f64::from(reader.biases[k]);
                    for at in 0..c * 25 {
                        let (plane, dy, dx) = (at / 25, at / 5 % 5, at % 5);
                        let pixel = x[(plane * h + (y + dy) % h) * w + (x0 + dx) % w];
                        seen += f64::from(reader.kernels[(k, at)] * pixel);
                    }
                    sum += seen.max(0.0);
                    places += 1;
                }
                assert!((found[[0, k]] - sum / f64::from(places)).abs() < 1e-5, "{shape:?} {k}");
            }
        }
    }
}
