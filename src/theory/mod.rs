//! What can be known from the data alone, before any training.
//!
//! Loss: L = ½ mean_i ‖ŷ_i − y_i‖² (mean over samples, sum over outputs), so
//! that gradient descent of step η is Euler's method with dt = η on a flow that
//! sees the data only through its second moments ([`moments`]). Their singular
//! value decomposition gives the modes ([`modes`]); for data whose modes are
//! single frequencies the learning curves are known in closed form ([`closed`]).

pub mod closed;
pub mod curve;
pub mod flow;
pub mod forecast;
pub mod linear;
pub mod modes;
pub mod moments;
pub mod ode;

pub use forecast::Forecast;
pub use modes::{Mode, Modes};
pub use moments::Moments;

#[cfg(test)]
pub(crate) mod tests_support {
    use crate::data::Samples;
    use crate::field::Source;
    use ndarray::{Array1, Array2};
    use rand_distr::{Distribution, StandardNormal};

    fn samples(x: Array2<f32>, y: Array2<f64>, shape: [usize; 3]) -> Samples {
        let k = y.ncols();
        Samples {
            x,
            y,
            shape,
            y_mean: Array1::zeros(k),
            scale: vec![1.0; shape[0]],
            centred: false,
            labels: None,
            names: (0..k).map(|i| i.to_string()).collect(),
            source: Source::default(),
        }
    }

    /// Gaussian inputs, and targets that are a random linear map of them plus noise.
    pub fn random_samples(p: usize, shape: [usize; 3], k: usize, seed: u64) -> Samples {
        let d = shape.iter().product();
        let mut rng = crate::seed::rng(seed, "test/samples", 0);
        let mut normal = |n, m| Array2::from_shape_simple_fn((n, m), || StandardNormal.sample(&mut rng));
        let (x, map, noise): (Array2<f64>, Array2<f64>, Array2<f64>) =
            (normal(p, d), normal(d, k), normal(p, k));
        let y = x.dot(&map) * 0.3 + noise;
        samples(x.mapv(|v| v as f32), y, shape)
    }

    /// One sample per class, class k being A cos(2π(r i/h + c j/w) + φ) for its (r, c, A, φ).
    pub fn cosine_samples((h, w): (usize, usize), waves: &[(i32, i32, f64, f64)]) -> Samples {
        let x = Array2::from_shape_fn((waves.len(), h * w), |(k, p)| {
            let (r, c, a, phase) = waves[k];
            let turns = f64::from(r) * (p / w) as f64 / h as f64 + f64::from(c) * (p % w) as f64 / w as f64;
            (a * (std::f64::consts::TAU * turns + phase).cos()) as f32
        });
        samples(x, Array2::eye(waves.len()), [1, h, w])
    }
}
