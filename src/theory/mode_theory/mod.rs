//! Mode theory: the learning curve of one mode of any spectrum, from the actual
//! initial weights and without any free parameter.
//!
//! For the circular convolutional network (one layer of M kernels of the images'
//! size, c channels) let v̂(k) be the c-vector of the mode's DFT, |v̂(k)| its norm
//! over channels, and
//!
//! ```text
//! z_m(k) = (u_αᵀ Ŵ2)_m(k),   b_m(k) = Σ_c ŵ_{m,c}(k) conj v̂_c(k) / |v̂(k)|,   κ_k = √n |v̂(k)|.
//!
//! a = u_αᵀ E Σxx v_α = λ_α Σ_k Σ_c (u_αᵀÊ)_c(k) conj v̂_c(k) = λ_α √n Σ_{k,m} |v̂(k)| Re(z_m b_m),
//! dz_m/dt = κ_k (s − a) b̄_m,   db̄_m/dt = κ_k (s − a) z_m
//! ```
//!
//! (Ê = √n Ŵ2 ŵ, k over the full plane). In the *internal time* τ = ∫ (s − a) dt
//! that is linear: z + b̄ grows as e^{κτ}, z − b̄ decays as e^{−κτ}, so that with
//! P_k = ½ Σ_m |z_m + b̄_m|² and Q_k = ½ Σ_m |z_m − b̄_m|² of the initial weights
//!
//! ```text
//! a(τ) = ½ λ √n Σ_k |v̂(k)| [ P_k e^{2κ_k τ} − Q_k e^{−2κ_k τ} ],   dτ/dt = s − a(τ),
//! ```
//!
//! one differential equation per mode, and a never falls while it is below s.
//! The fully connected network is the same with one "frequency" of κ = 1,
//! z = W2ᵀu_α and b = W1 v_α: a = ½ λ [P e^{2τ} − Q e^{−2τ}].
//!
//! Gradient descent of step η on the mode alone is a recursion just as exact,
//!
//! ```text
//! r = s − a,   (z + b̄) ← (z + b̄)(1 + ηκr),   (z − b̄) ← (z − b̄)(1 − ηκr).
//! ```
//!
//! # Assumptions
//! Σxx v_α = λ_α v_α, so that the response to the other modes does not enter a_α;
//! for a convolution and a mode of several frequencies also Σxx v_k = e_k λ_α v_α
//! for its part v_k of energy e_k at each of them (the images have nothing else
//! there: while its frequencies grow at different rates, uᵀE is not along v);
//! and the modes do not meet in the weights. Convolutional: they share no frequency,
//! and what remains is of the order of the initial weights. Fully connected: the
//! hidden directions that the initial weights give two modes are orthogonal, as
//! random ones are to 1/√h; with h = 8 half-times are off by 1 %, with h = 256 not.
//! [`assumptions`] measures what the data decide.
//!
//! # Where it fails
//! Modes that share frequencies share kernels: the one discovered first leaves
//! the kernels grown there, and the later one is faster than its own theory says,
//! or slower where it needs the opposite phase. Images far from eigenvectors of
//! Σxx leak into each other through it. Natural images do both: the stationary theory,
//! or the flow, is for them.
//!
//! Source: Pinson, Lenaerts & Ginis 2023, whose pure cosines ([`super::closed`])
//! are the case of one frequency with Q = 0.

mod assumptions;
mod curve;

use std::f64::consts::LN_2;

use ndarray::{Array1, Array2, Array3, Array4, Axis, s};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::error::Result;
use crate::spectrum::{Energies, Grid};
use crate::theory::forecast::Forecast;
use crate::theory::linear::{Weights, checks, transform};
use crate::theory::modes::{Mode, Modes};

pub use assumptions::{Assumptions, Parts, assumptions, parts};
use curve::{Curve, Law, Node};

/// The learning curves of all modes, each by itself.
#[derive(Clone, Debug)]
pub struct ModeTheory {
    grid: Grid,
    list: Vec<Single>,
}

/// One mode.
#[derive(Clone, Debug)]
struct Single {
    s: f64,
    law: Law,
    // ln(λ w |v̂|) per entry, w the weight of its column: from a to the template.
    share: Vec<f64>,
    // √n ½ Im Σ_m (z − b̄) conj(z + b̄) per entry: what never grows.
    cross: Vec<f64>,
    // Energies of v, where the template is that image and not a sum of frequencies.
    image: Option<Array2<f64>>,
    curve: Curve,
}

impl ModeTheory {
    /// Theory of `modes` for a network that starts at `weights`; of gradient
    /// descent of step `eta`, or of the gradient flow (η → 0).
    ///
    /// Curves of gradient descent are those of the recursion itself, to 1e-9 s at
    /// whole steps (interpolated between them). Modes that would take more than
    /// 131,072 steps from 1e-13 s to s (1 − 1e-9) get the flow: their steps are
    /// then so small (ηκs below 2e-4) that its times differ by less than 1e-4.
    /// A step so large that the recursion diverges is followed until it does, and
    /// the strength stays there.
    ///
    /// Cost: one FFT per kernel and mode, then some 1,000 evaluations of a(τ) per
    /// mode; with `eta`, its steps at H·W multiplications each.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for a convolutional network with kernels smaller than the
    /// images, zero padding or several layers, for weights of another shape than
    /// the modes or that are not finite, and for an `eta` that is not positive.
    pub fn new(modes: &Modes, weights: &Weights, eta: Option<f64>) -> Result<Self> {
        checks::step_size(eta)?;
        let [_, h, w] = modes.shape;
        let grid = Grid::new(h, w);
        let list = match weights {
            Weights::Fcnn { w1, w2 } => {
                let d: usize = modes.shape.iter().product();
                let agree = w1.ncols() == d && w2.ncols() == w1.nrows();
                checks::fits(modes, agree, w2.nrows(), w1.iter().chain(w2))?;
                modes.list.par_iter().map(|mode| Single::connected(mode, w1, w2, eta)).collect()
            }
            Weights::Lcnn { .. } => {
                let (kernels, dense) = checks::full_circular(modes, weights)?;
                let kernels = transform(kernels.view());
                modes.list.par_iter().map(|m| Single::convolutional(m, grid, &kernels, dense, eta)).collect()
            }
        };
        Ok(Self { grid, list })
    }
}

impl Forecast for ModeTheory {
    fn theory(&self) -> &'static str {
        "mode"
    }

    fn strengths(&self, t: f64) -> Vec<f64> {
        self.list.iter().map(|m| m.curve.at(t).a).collect()
    }

    fn time_to(&self, mode: usize, share: f64) -> Option<f64> {
        let single = self.list.get(mode)?;
        (share < 1.0).then(|| single.curve.time_to(share * single.s)).flatten()
    }

    fn discovered_with(&self, mode: usize) -> Option<Energies> {
        self.template(mode, self.time_to(mode, 0.5)?)
    }

    /// Along the mode's own direction (the channels as v̂(k) mixes them, and for a fully
    /// connected network the image v_α): the rest of the template is what the initial
    /// weights left there, of the order of their size. With a finite step exact to O(η²).
    /// None for a mode that is not there and where the weights overflow.
    fn template(&self, mode: usize, t: f64) -> Option<Energies> {
        let single = self.list.get(mode)?;
        Energies::new(self.grid, single.template(single.curve.at(t), self.grid)).ok()
    }
}

/// Unitary half-plane DFTs of uᵀW2 `[M, H, W/2 + 1]`.
fn read_out(dense: &Array4<f64>, u: &Array1<f64>) -> Array3<Complex<f64>> {
    let (_, m, h, w) = dense.dim();
    let mut sum = Array3::<f64>::zeros((m, h, w));
    for (plane, u) in dense.outer_iter().zip(u) {
        sum.scaled_add(*u, &plane);
    }
    let planes = sum.insert_axis(Axis(0));
    transform(planes.view()).index_axis_move(Axis(0), 0)
}

/// ln ¼Σ|x|², half of P or Q, without under- or overflow; −∞ of nothing.
fn ln_quarter_square(norms: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = norms.clone().fold(0.0, f64::max);
    if max == 0.0 {
        return f64::NEG_INFINITY;
    }
    let sum: f64 = norms.map(|x| (x / max).powi(2)).sum();
    2.0 * max.ln() + sum.ln() - 2.0 * LN_2
}

impl Single {
    fn connected(mode: &Mode, w1: &Array2<f64>, w2: &Array2<f64>, eta: Option<f64>) -> Self {
        let v = Array1::from_iter(mode.v.iter().copied());
        let (b, c) = (w1.dot(&v), w2.t().dot(&mode.u));
        let ln_p = ln_quarter_square(b.iter().zip(&c).map(|(b, c)| (c + b).abs()));
        let ln_q = ln_quarter_square(b.iter().zip(&c).map(|(b, c)| (c - b).abs()));
        let share = mode.lambda.ln();
        let law = Law { kappa: vec![1.0], grow: vec![ln_p + share], decay: vec![ln_q + share] };
        let image = Some(mode.energies.values().to_owned());
        Self::of_law(mode.s, law, vec![share], vec![0.0], image, eta)
    }

    fn convolutional(
        mode: &Mode,
        grid: Grid,
        kernels: &Array4<Complex<f64>>,
        dense: &Array4<f64>,
        eta: Option<f64>,
    ) -> Self {
        let root = ((grid.h * grid.w) as f64).sqrt();
        let (v, norm) = mode.spectrum();
        let z = read_out(dense, &mode.u);
        let mut law = Law { kappa: vec![], grow: vec![], decay: vec![] };
        let (mut share, mut cross) = (vec![], vec![]);
        let (mut p, mut q) = (vec![], vec![]);
        for ((row, col), &norm) in norm.indexed_iter() {
            p.clear();
            q.clear();
            if norm > 0.0 {
                for (m, z) in z.slice(s![.., row, col]).iter().enumerate() {
                    let channels = v.slice(s![.., row, col]);
                    let b: Complex<f64> = (kernels.slice(s![m, .., row, col]).iter().zip(channels))
                        .map(|(w, v)| w * v.conj() / norm)
                        .sum();
                    p.push(z + b.conj());
                    q.push(z - b.conj());
                }
            }
            // From ½ √n P to its part of a.
            let to_a = (mode.lambda * grid.weight(col) * norm).ln();
            law.kappa.push(root * norm);
            law.grow.push(ln_quarter_square(p.iter().map(|p| p.norm())) + root.ln() + to_a);
            law.decay.push(ln_quarter_square(q.iter().map(|q| q.norm())) + root.ln() + to_a);
            share.push(to_a);
            cross.push(0.5 * root * p.iter().zip(&q).map(|(p, q)| (q * p.conj()).im).sum::<f64>());
        }
        Self::of_law(mode.s, law, share, cross, None, eta)
    }

    fn of_law(
        s: f64,
        law: Law,
        share: Vec<f64>,
        cross: Vec<f64>,
        image: Option<Array2<f64>>,
        eta: Option<f64>,
    ) -> Self {
        let (flow, active) = Curve::flow(&law, s);
        let stepped = eta.and_then(|eta| Curve::descent(&active, s, eta, &flow));
        Self { s, law, share, cross, image, curve: stepped.unwrap_or(flow) }
    }

    fn template(&self, now: Node, grid: Grid) -> Array2<f64> {
        let amplitude = |i: usize| {
            let (kappa, share) = (self.law.kappa[i], self.share[i]);
            if share == f64::NEG_INFINITY {
                return 0.0;
            }
            // (1 ± x)² = exp(±2x − x² …) with x = ηκr: what the finite step changes.
            let (growth, loss) = (2.0 * kappa * now.tau, kappa * kappa * now.square);
            let grown = (self.law.grow[i] - share + growth - loss).exp();
            let decayed = (self.law.decay[i] - share - growth - loss).exp();
            // Re = √n ½ (P e^{2κτ} − Q e^{−2κτ}) = √n Σ Re(z b).
            (grown - decayed).powi(2) + (self.cross[i] * (-loss).exp()).powi(2)
        };
        match &self.image {
            Some(image) => image * amplitude(0),
            None => {
                let (rows, cols) = grid.half_shape();
                Array2::from_shape_fn((rows, cols), |(r, c)| amplitude(r * cols + c))
            }
        }
    }
}

#[cfg(test)]
mod tests;
