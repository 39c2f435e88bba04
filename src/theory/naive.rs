//! Training itself, naively: what the theories are held against.

use ndarray::{Array2, Array4, s};
use rustfft::num_complex::Complex;

use crate::spectrum;
use crate::stats::crossing;
use crate::theory::linear::{Weights, transform};
use crate::theory::{Modes, Moments};

/// Minus the gradient of the loss with respect to every weight.
pub fn descent(weights: &Weights, moments: &Moments) -> Weights {
    let r = &moments.yx - &weights.end_to_end().dot(&moments.xx);
    match weights {
        Weights::Fcnn { w1, w2 } => Weights::Fcnn { w1: w2.t().dot(&r), w2: r.dot(&w1.t()) },
        Weights::Lcnn { kernels, dense, padding } => {
            let (m, c, h, w) = kernels[0].dim();
            let k = dense.dim().0;
            let root = Complex::from(((h * w) as f64).sqrt());
            let r = transform(r.to_shape((k, c, h, w)).unwrap().view());
            let (first, second) = (transform(kernels[0].view()), transform(dense.view()));
            let (mut down, mut up) = (Array4::zeros((m, c, h, w)), Array4::zeros((k, m, h, w)));
            for m in 0..m {
                for c in 0..c {
                    let mut sum = Array2::zeros((h, w / 2 + 1));
                    for j in 0..k {
                        let part = second.slice(s![j, m, .., ..]).mapv(|z| z.conj() * root);
                        sum = sum + part * r.slice(s![j, c, .., ..]);
                    }
                    down.slice_mut(s![m, c, .., ..]).assign(&spectrum::irfft2(sum.view(), w));
                }
                for j in 0..k {
                    let mut sum = Array2::zeros((h, w / 2 + 1));
                    for c in 0..c {
                        let part = first.slice(s![m, c, .., ..]).mapv(|z| z.conj() * root);
                        sum = sum + part * r.slice(s![j, c, .., ..]);
                    }
                    up.slice_mut(s![j, m, .., ..]).assign(&spectrum::irfft2(sum.view(), w));
                }
            }
            Weights::Lcnn { kernels: vec![down], dense: up, padding: *padding }
        }
    }
}

/// weights + h · change.
pub fn moved(weights: &Weights, change: &Weights, h: f64) -> Weights {
    match (weights, change) {
        (Weights::Fcnn { w1, w2 }, Weights::Fcnn { w1: d1, w2: d2 }) => {
            Weights::Fcnn { w1: w1 + &(d1 * h), w2: w2 + &(d2 * h) }
        }
        (Weights::Lcnn { kernels, dense, padding }, Weights::Lcnn { kernels: dk, dense: dd, .. }) => {
            let (kernels, dense) = (vec![&kernels[0] + &(&dk[0] * h)], dense + &(dd * h));
            Weights::Lcnn { kernels, dense, padding: *padding }
        }
        _ => panic!("two networks"),
    }
}

/// One step of the classical Runge-Kutta method on the gradient flow.
pub fn rk4(weights: &Weights, moments: &Moments, h: f64) -> Weights {
    let one = descent(weights, moments);
    let two = descent(&moved(weights, &one, h / 2.0), moments);
    let three = descent(&moved(weights, &two, h / 2.0), moments);
    let four = descent(&moved(weights, &three, h), moments);
    let sum = moved(&moved(&moved(&one, &two, 2.0), &three, 2.0), &four, 1.0);
    moved(weights, &sum, h / 6.0)
}

/// a_α of a network.
pub fn strengths(modes: &Modes, weights: &Weights, moments: &Moments) -> Vec<f64> {
    modes.strengths(weights.end_to_end().dot(&moments.xx).view())
}

/// Half-times by linear interpolation of a curve sampled every `h`.
pub fn half_time(values: &[f64], s: f64, h: f64) -> f64 {
    let steps: Vec<f64> = (0..values.len()).map(|i| i as f64 * h).collect();
    crossing(&steps, values, 0.5 * s, true).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::linear::{Draw, Layout};
    use crate::theory::tests_support::{drawn, lcnn, random_samples};

    #[test]
    fn the_naive_descent_is_the_gradient_of_the_loss() {
        let samples = random_samples(30, [2, 3, 4], 2, 3);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let loss = |weights: &Weights| {
            let e = weights.end_to_end();
            let fit = (e.dot(&moments.xx) * &e).sum();
            0.5 * moments.yy_trace - (&e * &moments.yx).sum() + 0.5 * fit
        };
        for layout in [lcnn(&modes, 2), Layout::Fcnn { hidden: 3 }] {
            let weights = drawn(&modes, layout, Draw::Gaussian(0.3), 1);
            let direction = drawn(&modes, layout, Draw::Gaussian(1.0), 2);
            let descent = descent(&weights, &moments);
            let dot = |a: &Weights, b: &Weights| match (a, b) {
                (Weights::Fcnn { w1, w2 }, Weights::Fcnn { w1: a, w2: b }) => (w1 * a).sum() + (w2 * b).sum(),
                (Weights::Lcnn { kernels, dense, .. }, Weights::Lcnn { kernels: ks, dense: d, .. }) => {
                    (&kernels[0] * &ks[0]).sum() + (dense * d).sum()
                }
                _ => panic!("two networks"),
            };
            let h = 1e-5;
            let up = loss(&moved(&weights, &direction, h));
            let down = loss(&moved(&weights, &direction, -h));
            let (got, want) = (dot(&descent, &direction), (down - up) / (2.0 * h));
            assert!((got - want).abs() < 1e-6 * want.abs(), "{got} {want}");
        }
    }
}
