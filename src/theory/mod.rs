//! What can be known from the data alone, before any training.
//!
//! # Symbols
//!
//! | symbol | meaning |
//! |---|---|
//! | x_i, y_i; P, d, K | samples (c·n = d inputs, n = H·W pixels, K outputs), i = 1…P |
//! | Σyx = (1/P) Σ y xᵀ, Σxx = (1/P) Σ x xᵀ | second moments ([`moments`]) |
//! | Σyx = Σ_α s_α u_α v_αᵀ | modes: strength, which outputs, which image ([`modes`]) |
//! | λ_α = v_αᵀ Σxx v_α | variance of the images along v_α |
//! | v̂(k) | unitary 2-D DFT; energies \|v̂(k)\|² sum to 1 over the full plane |
//! | ρ_α = √n · max_k \|v̂_α(k)\| | concentration: 1 for one pixel, √(n/2) for a cosine |
//! | E | end-to-end map of a linear network, ŷ = E x ([`linear`]) |
//! | a_α = u_αᵀ E Σxx v_α | how much of mode α the network has; a → s |
//! | u_αᵀE | template: the image that the network uses for mode α |
//!
//! # Learning
//!
//! L = ½ mean_i ‖ŷ_i − y_i‖² (mean over samples, sum over outputs) depends on the
//! data through second moments only. Gradient descent of step η is Euler's method
//! with dt = η on the gradient flow, so that t = steps · η. With
//! R = Σyx − E Σxx, what is still to be learned,
//!
//! ```text
//! fully connected, E = W2 W1:                dW2/dt = R W1ᵀ         dW1/dt = W2ᵀ R
//! convolution, Ê(k) = √n Ŵ2(k) ŵ(k):         dŴ2/dt = √n R̂ ŵ†       dŵ/dt  = √n Ŵ2† R̂
//! ```
//!
//! A convolution differs from a dense layer in one thing only: its frequencies
//! grow each at its own rate. While mode α is not learned, R̂ is about
//! s_α u_α v̂_α(k)†, and frequency k of the weights grows as e^{√n s_α |v̂_α(k)| t}:
//! the dominant frequency of v_α, that of the largest |v̂_α(k)|, sets the time of
//! discovery, about ρ_α times earlier than in a fully connected network, and the weaker ones stay behind,
//! the more so the smaller the initial weights. That is the dominant-frequency
//! bias (Pinson, Lenaerts & Ginis 2023).
//!
//! # Four theories
//!
//! From the simplest to the exact one; all take the actual initial weights (the
//! first one a matched start) and have no free parameter.
//!
//! | theory | holds for | assumes | cost |
//! |---|---|---|---|
//! | [`closed`] | fully connected; one convolution | modes that are single frequencies, disjoint, eigenvectors of Σxx; matched start | none |
//! | [`mode_theory`] | fully connected; one convolution | eigenvectors of Σxx; for a convolution also frequencies that nothing else uses | n per mode |
//! | [`stationary`] | one convolution | Σxx diagonal in frequency | K·c² per frequency |
//! | [`flow`] | all linear networks with circular convolutions | nothing, but η → 0 | K·d² per step |
//!
//! All but the flow know finite steps too. Each answers [`Forecast`].
//!
//! ```text
//! closed      a(t) = s / (1 + (s/a₀ − 1) e^{−2 g s t}),   g = √(n/2) or 1
//! mode        a(τ) = ½ λ √n Σ_k |v̂(k)| (P_k e^{2κτ} − Q_k e^{−2κτ}),  κ = √n |v̂(k)|,  dτ/dt = s − a
//! stationary  the same for every singular pair σ, p, q of Σ̂yx(k), with κ = √n and λ = q†Σ̂xx(k)q
//! flow        the equations above, integrated
//! ```
//!
//! # When each fails, and how far off it then is
//!
//! Measured as max_t |a − theory| / s, or by the half-time, against gradient
//! descent from the same weights (ε: standard deviation of the initial weights).
//!
//! | case | theory | off by |
//! |---|---|---|
//! | cosines 16×16, matched start | closed | curves 0.002 s, half-times 0.2 % |
//! | disjoint modes of 1, 2 and 16 frequencies, ε = 1e-3, η = 2e-3 | mode | curves 0.002 s, half-times 0.08 % |
//! | the same from weights of 0.1 and larger | mode | no longer small: modes meet in the weights, errors of the order of ε/‖w‖ |
//! | a fully connected network of h hidden units | mode | modes meet in the hidden layer as 1/√h: half-times up to 8 % at h = 8, 0.4 % at h = 256 |
//! | white images, modes of several frequencies, one convolution | mode | curves 0.3 s (the stationary theory is exact there) |
//! | natural images, fully connected | mode | half-times 10–20 % |
//! | natural images, one convolution | mode | half-times by up to a factor of 2 and more |
//! | natural images, grey CIFAR-10, one kernel | stationary | half-times −5 % to +22 % for modes 1–5, 14–46 % early for modes 6–9; curves 0.1–0.25 s |
//! | several channels and fewer kernels than min(K, c) | stationary | pairs compete for kernels: strengths end below s |
//! | any, step η | flow | in proportion to η: at η = 1/(200 g s₁) about 0.003 s |
//!
//! A theory that is asked for where it cannot hold at all (small kernels, zero
//! padding, several layers) is an error; where its assumptions are only
//! approximate, [`mode_theory::assumptions`] says by how much.

pub mod closed;
pub mod deep;
pub mod flow;
pub mod forecast;
pub mod kernel_flow;
pub mod linear;
pub mod mode_theory;
pub mod modes;
pub mod moments;
#[cfg(test)]
mod naive;
pub(crate) mod ode;
pub mod reader;
pub mod shares;
pub mod stationary;
pub(crate) mod subspace;

pub use forecast::Forecast;
pub use kernel_flow::KernelFlow;
pub use modes::{Mode, Modes};
pub use moments::Moments;

#[cfg(test)]
pub(crate) mod tests_support {
    use crate::data::Samples;
    use crate::field::Provenance;
    use crate::spectrum::{self, Grid};
    use crate::theory::linear::{Draw, Layout, Padding, Start, Weights};
    use crate::theory::{Modes, Moments};
    use ndarray::{Array1, Array2, s};
    use rand_distr::{Distribution, StandardNormal};

    /// Of these inputs and targets, as they are.
    pub fn samples(x: Array2<f32>, y: Array2<f64>, shape: [usize; 3]) -> Samples {
        let k = y.ncols();
        Samples {
            x,
            y,
            shape,
            y_mean: Array1::zeros(k),
            offset: Array1::zeros(shape.iter().product::<usize>()),
            scale: vec![1.0; shape[0]],
            centred: false,
            labels: None,
            names: (0..k).map(|i| i.to_string()).collect(),
            source: Provenance::default(),
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
    pub fn cosine_samples(size: (usize, usize), waves: &[(i32, i32, f64, f64)]) -> Samples {
        let classes: Vec<&[_]> = waves.iter().map(std::slice::from_ref).collect();
        sums_of_cosines(size, &classes)
    }

    /// As [`cosine_samples`], class k being the sum of its cosines.
    pub fn sums_of_cosines((h, w): (usize, usize), classes: &[&[(i32, i32, f64, f64)]]) -> Samples {
        let x = Array2::from_shape_fn((classes.len(), h * w), |(k, p)| {
            let wave = |&(r, c, a, phase): &(i32, i32, f64, f64)| {
                let turns =
                    f64::from(r) * (p / w) as f64 / h as f64 + f64::from(c) * (p % w) as f64 / w as f64;
                a * (std::f64::consts::TAU * turns + phase).cos()
            };
            classes[k].iter().map(wave).sum::<f64>() as f32
        });
        samples(x, Array2::eye(classes.len()), [1, h, w])
    }

    /// One layer of circular kernels of the images' size.
    pub fn lcnn(modes: &Modes, channels: usize) -> Layout {
        let size = (modes.shape[1], modes.shape[2]);
        Layout::Lcnn { channels, layers: 1, size, padding: Padding::Circular }
    }

    /// Weights drawn for the modes.
    pub fn drawn(modes: &Modes, layout: Layout, draw: Draw, seed: u64) -> Weights {
        Start { draw, seed, modes, outputs: modes.list[0].u.len() }.weights(layout).unwrap()
    }

    /// K classes of one image each, made of frequencies no other class has: every
    /// assumption of the mode theory holds.
    pub fn disjoint(shape: [usize; 3], k: usize, seed: u64) -> Samples {
        let [c, h, w] = shape;
        let mut samples = random_samples(k, shape, k, seed);
        samples.y = Array2::eye(k);
        let cols = w / 2 + 1;
        for (a, mut row) in samples.x.rows_mut().into_iter().enumerate() {
            for channel in 0..c {
                let mut plane = row.slice_mut(s![channel * h * w..(channel + 1) * h * w]);
                let noise = plane.mapv(f64::from).into_shape_with_order((h, w)).unwrap();
                let mut hat = spectrum::rfft2(noise.view());
                for ((r, q), z) in hat.indexed_iter_mut() {
                    // Conjugates belong together.
                    let f = Grid::new(h, w).frequency(r, q);
                    let index = (f.row.rem_euclid(h as i32) as usize * cols + f.col as usize) % k;
                    *z *= if index == a { 1.0 + a as f64 * 0.4 } else { 0.0 };
                }
                let image = spectrum::irfft2(hat.view(), w).into_shape_with_order(h * w).unwrap();
                plane.assign(&image.mapv(|x| x as f32));
            }
        }
        samples
    }

    /// One sample is one mode, and nothing but that mode.
    pub fn alone(shape: [usize; 3], seed: u64) -> (Modes, Moments) {
        let samples = random_samples(1, shape, 1, seed);
        (Modes::new(&samples).unwrap(), Moments::new(&samples))
    }
}
