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

use std::f64::consts::LN_2;
use std::fmt;

use ndarray::{Array2, Array3, Array4, Axis, s};
use rayon::prelude::*;
use rustfft::num_complex::Complex;

use crate::error::{Error, Result};
use crate::spectrum::{self, Energies, Grid};
use crate::theory::forecast::Forecast;
use crate::theory::linear::{Padding, Weights, transform};
use crate::theory::modes::{Mode, Modes};

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
    /// [`Error::Input`] for a convolutional network with kernels smaller than the
    /// images, zero padding or several layers, for weights of another shape than
    /// the modes or that are not finite, and for an `eta` that is not positive.
    pub fn new(modes: &Modes, weights: &Weights, eta: Option<f64>) -> Result<Self> {
        if let Some(eta) = eta.filter(|eta| !(*eta > 0.0 && eta.is_finite())) {
            return Err(Error::input("train.eta", "a positive step size", eta));
        }
        let [_, h, w] = modes.shape;
        let grid = Grid::new(h, w);
        let list = match weights {
            Weights::Fcnn { w1, w2 } => {
                let d: usize = modes.shape.iter().product();
                let agree = w1.ncols() == d && w2.ncols() == w1.nrows();
                check(modes, agree, w2.nrows(), w1.iter().chain(w2))?;
                modes.list.par_iter().map(|mode| Single::connected(mode, w1, w2, eta)).collect()
            }
            Weights::Lcnn { .. } => {
                let (kernels, dense) = full_circular(modes, weights)?;
                let kernels = transform(kernels.view());
                modes.list.par_iter().map(|m| Single::convolutional(m, grid, &kernels, dense, eta)).collect()
            }
        };
        Ok(Self { grid, list })
    }

    /// a_α of mode `mode` at time `t`; None for a mode that is not there.
    pub fn strength(&self, mode: usize, t: f64) -> Option<f64> {
        Some(self.list.get(mode)?.curve.at(t).a)
    }

    /// Energies of the template u_αᵀE at time `t`, along the mode's own direction
    /// (the channels as v̂(k) mixes them, and for a fully connected network the
    /// image v_α): the rest of the template is what the initial weights left there,
    /// of the order of their size. With a finite step exact to O(η²).
    ///
    /// None for a mode that is not there and where the weights overflow.
    pub fn template(&self, mode: usize, t: f64) -> Option<Energies> {
        let single = self.list.get(mode)?;
        let values = single.template(single.curve.at(t), self.grid);
        Energies::new(self.grid, values).ok()
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

    fn template(&self, mode: usize, t: f64) -> Option<Energies> {
        ModeTheory::template(self, mode, t)
    }
}

/// Kernels `[M, c, H, W]` and dense layer `[K, M, H, W]` of a network of one layer
/// of circular kernels of the images' size; an error for any other.
pub(super) fn full_circular<'a>(
    modes: &Modes,
    weights: &'a Weights,
) -> Result<(&'a Array4<f64>, &'a Array4<f64>)> {
    let [c, h, w] = modes.shape;
    let Weights::Lcnn { kernels, dense, padding } = weights else {
        return Err(Error::input("model.name", "a convolutional network", "`fcnn`"));
    };
    let [kernels] = kernels.as_slice() else {
        return Err(Error::input("model.layers", "1 (this theory knows one layer)", kernels.len()));
    };
    let (m, channels, rows, columns) = kernels.dim();
    if (rows, columns) != (h, w) {
        let found = format!("{rows}x{columns}");
        return Err(Error::input("model.kernel", format!("`full` ({h}x{w}) for this theory"), found));
    }
    if *padding != Padding::Circular {
        return Err(Error::input("model.padding", "`circular` for this theory", "`zero`"));
    }
    let (outputs, maps, rows, columns) = dense.dim();
    let agree = channels == c && maps == m && (rows, columns) == (h, w);
    check(modes, agree, outputs, kernels.iter().chain(dense))?;
    Ok((kernels, dense))
}

fn check<'a>(
    modes: &Modes,
    agree: bool,
    outputs: usize,
    mut values: impl Iterator<Item = &'a f64>,
) -> Result<()> {
    let [c, h, w] = modes.shape;
    let fits = |m: &Mode| m.u.len() == outputs && m.v.dim() == (c, h, w);
    if !(agree && modes.list.iter().all(fits)) {
        let expected = format!("weights for {c}x{h}x{w} images and the outputs of the modes");
        return Err(Error::input("model", expected, "another shape"));
    }
    match values.find(|x| !x.is_finite()) {
        Some(x) => Err(Error::input("init.scale", "finite weights", x)),
        None => Ok(()),
    }
}

/// v̂ per channel `[c, H, W/2 + 1]` and its norm over channels.
pub(super) fn image_spectrum(v: &Array3<f64>) -> (Array3<Complex<f64>>, Array2<f64>) {
    let (c, h, w) = v.dim();
    let (rows, cols) = Grid::new(h, w).half_shape();
    let mut hat = Array3::zeros((c, rows, cols));
    for (mut out, plane) in hat.outer_iter_mut().zip(v.outer_iter()) {
        out.assign(&spectrum::rfft2(plane));
    }
    let norm = hat.map_axis(Axis(0), |z| z.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt());
    (hat, norm)
}

/// Unitary half-plane DFTs of uᵀW2 `[M, H, W/2 + 1]`.
fn read_out(dense: &Array4<f64>, u: &ndarray::Array1<f64>) -> Array3<Complex<f64>> {
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
        let v = ndarray::Array1::from_iter(mode.v.iter().copied());
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
        let (v, norm) = image_spectrum(&mode.v);
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

/// a(τ) = Σ_k e^{grow_k + 2κ_k τ} − e^{decay_k − 2κ_k τ}.
#[derive(Clone, Debug)]
struct Law {
    kappa: Vec<f64>,
    grow: Vec<f64>,
    decay: Vec<f64>,
}

impl Law {
    fn terms(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.kappa.iter().zip(&self.grow).zip(&self.decay).map(|((&k, &g), &d)| (k, g, d))
    }

    fn at(&self, tau: f64) -> f64 {
        let x = 2.0 * tau;
        self.terms().map(|(k, g, d)| (g + k * x).exp() - (d - k * x).exp()).sum()
    }

    /// τ at which a = s > 0; None where nothing grows.
    fn root(&self, s: f64) -> Option<f64> {
        let start = self.at(0.0);
        let decaying: f64 = self.decay.iter().map(|d| d.exp()).sum();
        let (mut low, mut high) = if start < s {
            // Each growing term alone would be there by then.
            let goal = (s + decaying).ln();
            let alone = self.terms().filter(|(k, g, _)| *k > 0.0 && *g > f64::NEG_INFINITY);
            let high = alone.map(|(k, g, _)| (goal - g) / (2.0 * k)).fold(f64::INFINITY, f64::min);
            (0.0, high.max(0.0))
        } else {
            let fastest = self.kappa.iter().copied().fold(0.0, f64::max);
            let mut reach = 1.0 / fastest;
            while reach.is_finite() && self.at(-reach) > s {
                reach *= 2.0;
            }
            (-reach, 0.0)
        };
        if !(low.is_finite() && high.is_finite()) {
            return None;
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Some(middle);
            }
            if self.at(middle) < s { low = middle } else { high = middle }
        }
    }

    /// Without the terms that never count between internal times 0 and `root`.
    fn active(&self, root: f64, s: f64) -> Self {
        let floor = (1e-17 * s / self.kappa.len().max(1) as f64).ln();
        let (first, last) = (root.min(0.0), root.max(0.0));
        let mut kept = Self { kappa: vec![], grow: vec![], decay: vec![] };
        for (k, g, d) in self.terms() {
            if k > 0.0 && (g + 2.0 * k * last).max(d - 2.0 * k * first) > floor {
                kept.kappa.push(k);
                kept.grow.push(g);
                kept.decay.push(d);
            }
        }
        kept
    }
}

/// A point of a curve: a and its first two derivatives in t, the internal time,
/// and with a finite step Σ (η r)².
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    t: f64,
    a: f64,
    slope: f64,
    bend: f64,
    tau: f64,
    square: f64,
}

/// Behind the last node.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// s − a falls at this rate.
    Approach(f64),
    /// Nothing grows: a stays, the internal time goes on.
    Barren,
    /// Followed no further.
    Unknown,
}

#[derive(Clone, Debug)]
struct Curve {
    s: f64,
    nodes: Vec<Node>,
    tail: Tail,
}

// Smaller changes between nodes are interpolated linearly, which overshoots nowhere.
const FLAT: f64 = 1e-11;
// Of a between the nodes of the flow, before the last halving.
const TOLERANCE: f64 = 2e-11;
// Steps of the recursion that are worth following, and nodes kept of them.
const MAX_STEPS: usize = 1 << 17;
const MAX_NODES: usize = 1 << 14;

impl Curve {
    /// The gradient flow; with the terms of the law that count.
    ///
    /// s − a = 0 at an internal time τ*, and t = ∫ dτ/(s − a) is smooth in
    /// x = ln(τ*/(τ* − τ)): a grid there, refined where the interpolated curve is
    /// not the actual one. Every s − a is a sum of terms of one sign.
    fn flow(law: &Law, s: f64) -> (Self, Law) {
        let Some(root) = law.root(s) else { return Self::barren(law, s) };
        let law = law.active(root, s);
        let path = Path::toward(&law, s, root);
        let mut curve = Self { s, nodes: vec![path.at(0.0).0], tail: Tail::Unknown };
        let step = 0.125;
        let mut x = 0.0;
        while (s - curve.last().a).abs() > 1e-12 * s && x < 200.0 {
            curve.panel(&path, x, x + step, 0);
            x += step;
        }
        let rate: f64 = law.terms().map(|(k, g, d)| path.rate_at_root(k, g, d)).sum();
        curve.tail = if rate > 0.0 { Tail::Approach(rate) } else { Tail::Unknown };
        (curve, law)
    }

    // Only decaying terms: a rises to zero from below, or is zero.
    fn barren(law: &Law, s: f64) -> (Self, Law) {
        let floor = (1e-13 * s).ln();
        let law = Law {
            kappa: law.kappa.clone(),
            grow: vec![f64::NEG_INFINITY; law.grow.len()],
            decay: law.decay.clone(),
        };
        let ends = law.terms().map(|(k, _, d)| (d - floor) / (2.0 * k));
        let end = ends.filter(|x| x.is_finite()).fold(0.0, f64::max);
        let path = Path { law: &law, s, root: f64::INFINITY, at_root: vec![] };
        let mut curve = Self { s, nodes: vec![path.at(0.0).0], tail: Tail::Barren };
        if end > 0.0 {
            (0..8)
                .for_each(|i| curve.panel(&path, end * f64::from(i) / 8.0, end * f64::from(i + 1) / 8.0, 0));
        }
        (curve, law)
    }

    fn last(&self) -> Node {
        self.nodes.last().copied().unwrap_or_default()
    }

    // Appends the nodes at the middle and the end of [x0, x1], or of parts of it.
    fn panel(&mut self, path: &Path, x0: f64, x1: f64, depth: u32) {
        let before = self.last();
        let middle = 0.5 * (x0 + x1);
        let mut mid = path.at(middle).0;
        mid.t = before.t + path.duration(x0, middle);
        let mut end = path.at(x1).0;
        end.t = mid.t + path.duration(middle, x1);
        let error = (self.between(&before, &end, mid.t).a - mid.a).abs();
        if error > TOLERANCE * self.s.max(mid.a.abs()) && depth < 40 && self.nodes.len() < MAX_NODES {
            self.panel(path, x0, middle, depth + 1);
            self.panel(path, middle, x1, depth + 1);
        } else {
            // Late panels can be shorter than the resolution of t.
            for node in [mid, end] {
                if node.t > self.last().t {
                    self.nodes.push(node);
                }
            }
        }
    }

    /// Gradient descent of step `eta`; None where it would take too many steps,
    /// and for a mode that never grows.
    fn descent(law: &Law, s: f64, eta: f64, flow: &Curve) -> Option<Self> {
        if !matches!(flow.tail, Tail::Approach(_)) {
            return None;
        }
        let done = flow.nodes.iter().find(|n| (s - n.a).abs() <= 1e-9 * s)?.t / eta;
        let idle = idle_steps(law, s, eta, done);
        if done - idle > MAX_STEPS as f64 {
            return None;
        }
        let mut curve = Self { s, nodes: vec![], tail: Tail::Unknown };
        if idle > 0.0 {
            let first = flow.nodes[0];
            curve.nodes.push(Node { slope: 0.0, bend: 0.0, ..first });
        }
        let skipped = curve.nodes.len();
        let mut state = Recursion::new(law, s, eta, idle);
        // Derivatives in t from the neighbouring steps.
        let first = state.node;
        let (second, third) = (state.step(), state.step());
        let at_first = Node {
            slope: (4.0 * second.a - 3.0 * first.a - third.a) / (2.0 * eta),
            bend: (third.a - 2.0 * second.a + first.a) / (eta * eta),
            ..first
        };
        curve.nodes.push(at_first);
        let (mut before, mut now, mut next) = (first, second, third);
        let mut stride = 1;
        let limit = 1e3 * (s + first.a.abs());
        for i in 1..MAX_STEPS + MAX_STEPS / 2 {
            let gap = s - now.a;
            if !(now.a.abs() <= limit && next.a.is_finite()) {
                break;
            }
            let done = gap.abs() <= 1e-9 * s;
            if done || i % stride == 0 {
                let slope = (next.a - before.a) / (2.0 * eta);
                let bend = (next.a - 2.0 * now.a + before.a) / (eta * eta);
                curve.nodes.push(Node { slope, bend, ..now });
            }
            if done {
                let rate = ((s - before.a) / gap).ln() / eta;
                if rate > 0.0 && rate.is_finite() {
                    curve.tail = Tail::Approach(rate);
                }
                break;
            }
            if curve.nodes.len() > MAX_NODES {
                let mut index = 0;
                curve.nodes.retain(|_| {
                    index += 1;
                    index <= skipped || (index - 1 - skipped).is_multiple_of(2)
                });
                stride *= 2;
            }
            (before, now) = (now, next);
            next = state.step();
        }
        Some(curve)
    }

    fn at(&self, t: f64) -> Node {
        let t = t.max(0.0);
        let index = self.nodes.partition_point(|n| n.t <= t);
        if let (Some(a), Some(b)) = (self.nodes.get(index.wrapping_sub(1)), self.nodes.get(index)) {
            return self.between(a, b, t);
        }
        let last = self.last();
        let (dt, gap) = (t - last.t, self.s - last.a);
        match self.tail {
            Tail::Approach(rate) => {
                let gone = -(-rate * dt).exp_m1();
                let tau = last.tau + gap * gone / rate;
                Node { t, a: last.a + gap * gone, tau, ..last }
            }
            Tail::Barren => Node { t, tau: last.tau + gap * dt, ..last },
            Tail::Unknown => Node { t, ..last },
        }
    }

    /// First time at which a ≥ level, level < s.
    fn time_to(&self, level: f64) -> Option<f64> {
        let index = self.nodes.iter().position(|n| n.a >= level);
        let Some(index) = index else {
            let (Tail::Approach(rate), last) = (self.tail, self.last()) else { return None };
            let t = last.t + ((self.s - last.a) / (self.s - level)).ln() / rate;
            return (level < self.s && t.is_finite()).then_some(t);
        };
        let Some(before) = index.checked_sub(1) else { return Some(0.0) };
        let (a, b) = (&self.nodes[before], &self.nodes[index]);
        let (mut low, mut high) = (a.t, b.t);
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Some(high);
            }
            if self.between(a, b, middle).a < level { low = middle } else { high = middle }
        }
    }

    // Quintic Hermite interpolation of a and τ.
    fn between(&self, one: &Node, two: &Node, t: f64) -> Node {
        let h = two.t - one.t;
        let x = if h > 0.0 { ((t - one.t) / h).clamp(0.0, 1.0) } else { 1.0 };
        let quintic = |f: [f64; 2], d: [f64; 2], c: [f64; 2]| {
            let cube = x * x * x;
            let rise = cube * (10.0 - 15.0 * x + 6.0 * x * x);
            let slopes = d[0] * (x - cube * (6.0 - 8.0 * x + 3.0 * x * x))
                - d[1] * cube * (4.0 - 7.0 * x + 3.0 * x * x);
            let bends = c[0] * 0.5 * (x * x - cube * (3.0 - 3.0 * x + x * x))
                + c[1] * 0.5 * cube * (1.0 - 2.0 * x + x * x);
            let value = f[0] + (f[1] - f[0]) * rise + h * slopes + h * h * bends;
            value.clamp(f[0].min(f[1]), f[0].max(f[1]))
        };
        let line = |f: [f64; 2]| f[0] + (f[1] - f[0]) * x;
        let (a, tau) = ([one.a, two.a], [one.tau, two.tau]);
        if (two.a - one.a).abs() <= FLAT * self.s {
            return Node { t, a: line(a), tau: line(tau), square: line([one.square, two.square]), ..*one };
        }
        Node {
            t,
            a: quintic(a, [one.slope, two.slope], [one.bend, two.bend]),
            tau: quintic(tau, [self.s - one.a, self.s - two.a], [-one.slope, -two.slope]),
            square: line([one.square, two.square]),
            ..*one
        }
    }
}

/// The flow along x: τ = root·(1 − e^{−x}), or τ = x where there is no root.
struct Path<'a> {
    law: &'a Law,
    s: f64,
    root: f64,
    // The terms that are largest at the root: growing ones when a rises to s,
    // decaying ones when it falls to s.
    at_root: Vec<f64>,
}

impl<'a> Path<'a> {
    fn toward(law: &'a Law, s: f64, root: f64) -> Self {
        let largest = |(k, g, d): (f64, f64, f64)| {
            if root >= 0.0 { (g + 2.0 * k * root).exp() } else { (d - 2.0 * k * root).exp() }
        };
        Self { law, s, root, at_root: law.terms().map(largest).collect() }
    }

    // da/dτ at the root: the rate at which s − a falls in t.
    fn rate_at_root(&self, k: f64, g: f64, d: f64) -> f64 {
        2.0 * k * ((g + 2.0 * k * self.root).exp() + (d - 2.0 * k * self.root).exp())
    }

    /// The node at x (its t is zero) and dt/dx.
    fn at(&self, x: f64) -> (Node, f64) {
        // Sums of G = e^{grow + 2κτ} and D = e^{decay − 2κτ}: s − a, a, a' and a''.
        let (mut gap, mut a, mut first, mut second) = (0.0, 0.0, 0.0, 0.0);
        let mut add = |k: f64, g: f64, d: f64| {
            a += g - d;
            first += 2.0 * k * (g + d);
            second += 4.0 * k * k * (g - d);
        };
        let (tau, speed);
        if self.root.is_finite() {
            let left = self.root.abs() * (-x).exp();
            tau = if x == 0.0 { 0.0 } else { self.root - left.copysign(self.root) };
            let rising = self.root >= 0.0;
            for ((k, g, d), &there) in self.law.terms().zip(&self.at_root) {
                let fall = (-2.0 * k * left).exp_m1();
                if rising {
                    let d = (d - 2.0 * k * tau).exp();
                    gap -= fall * (there + d);
                    add(k, there * (1.0 + fall), d);
                } else {
                    let g = (g + 2.0 * k * tau).exp();
                    gap += fall * (there + g);
                    add(k, g, there * (1.0 + fall));
                }
            }
            speed = left / gap.abs();
        } else {
            tau = x;
            for (k, _, d) in self.law.terms() {
                add(k, 0.0, (d - 2.0 * k * tau).exp());
            }
            gap = self.s - a;
            speed = 1.0 / gap;
        }
        if gap.abs() < 0.5 * self.s {
            a = self.s - gap;
        }
        let (slope, bend) = (first * gap, (second * gap - first * first) * gap);
        // Arrived: whatever is left is below rounding.
        let speed = if speed.is_finite() { speed } else { 0.0 };
        (Node { t: 0.0, a, slope, bend, tau, square: 0.0 }, speed)
    }

    // ∫ dt/dx over [x0, x1], Gauss-Legendre of 3 points.
    fn duration(&self, x0: f64, x1: f64) -> f64 {
        let (half, middle) = (0.5 * (x1 - x0), 0.5 * (x0 + x1));
        let away = half * 0.6f64.sqrt();
        let ends = self.at(middle - away).1 + self.at(middle + away).1;
        half * (5.0 * ends + 8.0 * self.at(middle).1) / 9.0
    }
}

/// Steps at the start during which every term is below 1e-13 s, and s − a is s.
fn idle_steps(law: &Law, s: f64, eta: f64, most: f64) -> f64 {
    let fastest = law.kappa.iter().copied().fold(0.0, f64::max);
    if eta * fastest * s >= 0.5 {
        return 0.0;
    }
    let all = |n: f64| -> f64 {
        law.terms().map(|(k, g, d)| (g + 2.0 * n * (eta * k * s).ln_1p()).exp() + d.exp()).sum()
    };
    let (mut low, mut high) = (0.0, most.min(9e15));
    if all(0.0) > 1e-13 * s {
        return 0.0;
    }
    while high - low > 1.0 {
        let middle = 0.5 * (low + high);
        if all(middle) <= 1e-13 * s { low = middle } else { high = middle }
    }
    low.floor()
}

/// Gradient descent on one mode.
struct Recursion {
    s: f64,
    eta: f64,
    step: f64,
    node: Node,
    kappa: Vec<f64>,
    grown: Vec<f64>,
    decayed: Vec<f64>,
}

// The compiler makes vector instructions of sums over so many lanes.
const LANES: usize = 4;

impl Recursion {
    // After `idle` steps with r = s.
    fn new(law: &Law, s: f64, eta: f64, idle: f64) -> Self {
        let padded = |mut values: Vec<f64>| {
            values.resize(values.len().next_multiple_of(LANES), 0.0);
            values
        };
        // ln(1 − x) is only defined for steps so small that some may be idle.
        let passed = |x: f64| if idle > 0.0 { 2.0 * idle * x.ln_1p() } else { 0.0 };
        let mut state = Self {
            s,
            eta,
            step: idle,
            node: Node::default(),
            kappa: padded(law.kappa.clone()),
            grown: padded(law.terms().map(|(k, g, _)| (g + passed(eta * k * s)).exp()).collect()),
            decayed: padded(law.terms().map(|(k, _, d)| (d + passed(-eta * k * s)).exp()).collect()),
        };
        let a = state.grown.iter().zip(&state.decayed).map(|(g, d)| g - d).sum();
        let tau = idle * eta * s;
        state.node = Node { t: idle * eta, a, tau, square: tau * eta * s, ..Node::default() };
        state
    }

    fn step(&mut self) -> Node {
        let move_by = self.eta * (self.s - self.node.a);
        let mut sums = [0.0; LANES];
        let lanes = (self.grown.chunks_exact_mut(LANES))
            .zip(self.decayed.chunks_exact_mut(LANES))
            .zip(self.kappa.chunks_exact(LANES));
        for ((grown, decayed), kappa) in lanes {
            for i in 0..LANES {
                let x = kappa[i] * move_by;
                grown[i] *= (1.0 + x) * (1.0 + x);
                decayed[i] *= (1.0 - x) * (1.0 - x);
                sums[i] += grown[i] - decayed[i];
            }
        }
        self.step += 1.0;
        self.node.t = self.step * self.eta;
        self.node.a = sums.iter().sum();
        self.node.tau += move_by;
        self.node.square += move_by * move_by;
        self.node
    }
}

/// How far data are from what the mode theory assumes: reasons to warn, not to
/// refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Largest overlap of two spectra, Σ_k |v̂_α(k)| |v̂_β(k)|: 0 for modes that
    /// share no frequency, 1 for equal spectra. Zero for a fully connected network,
    /// whose modes may share them.
    pub overlap: f64,
    /// The two modes that overlap most, counted from 0.
    pub pair: (usize, usize),
    /// Largest ‖Σxx v_α − λ_α v_α‖ / λ_α.
    pub residual: f64,
    /// The mode with that residual, counted from 0.
    pub mode: usize,
    /// Largest ‖Σxx v_k − e_k λ v‖ / (λ √e_k) over the strong single-frequency parts
    /// v_k (of energy e_k) of modes that have several: how much of what is learned
    /// at one frequency is seen by the data as anything but the mode ([`parts`]).
    pub leak: f64,
}

impl Assumptions {
    /// The same with the `leak` that [`Parts::leak`] has measured.
    #[must_use]
    pub fn with_leak(self, leak: f64) -> Self {
        Self { leak, ..self }
    }
}

/// Single-frequency parts of modes.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The parts v_k `[parts, d]`.
    pub rows: Array2<f64>,
    // Mode and energy of each.
    of: Vec<(usize, f64)>,
}

/// The strong single-frequency parts of modes that have several: of each mode up to
/// four, those of more than 1 % of its energy. None for a fully
/// connected network, for which frequencies do not matter.
pub fn parts(modes: &Modes, weights: &Weights) -> Parts {
    const MOST: usize = 4;
    let [c, h, w] = modes.shape;
    let d = c * h * w;
    let (mut rows, mut of) = (Vec::new(), Vec::new());
    if !matches!(weights, Weights::Fcnn { .. }) {
        let grid = Grid::new(h, w);
        for (index, mode) in modes.list.iter().enumerate() {
            let strong = mode.energies.strongest(MOST);
            // The strongest of them alone is the mode, up to a rest that hardly matters.
            if strong[0].1 > 0.99 {
                continue;
            }
            let (hat, _) = image_spectrum(&mode.v);
            for (frequency, energy) in strong.into_iter().filter(|(_, e)| *e > 0.01) {
                for plane in hat.outer_iter() {
                    let kept = ndarray::Array2::from_shape_fn(plane.dim(), |(r, col)| {
                        let here = grid.frequency(r, col) == frequency;
                        if here { plane[[r, col]] } else { Complex::default() }
                    });
                    rows.extend(spectrum::irfft2(kept.view(), w));
                }
                of.push((index, energy));
            }
        }
    }
    Parts { rows: Array2::from_shape_vec((of.len(), d), rows).expect("one image per part"), of }
}

impl Parts {
    /// [`Assumptions::leak`] from `mapped`, the rows times Σxx `[parts, d]`.
    pub fn leak(&self, modes: &Modes, mapped: ndarray::ArrayView2<f64>) -> f64 {
        let leaks = self.of.iter().zip(mapped.rows()).map(|(&(index, energy), image)| {
            let mode = &modes.list[index];
            let square: f64 =
                (image.iter().zip(&mode.v)).map(|(x, v)| (x - energy * mode.lambda * v).powi(2)).sum();
            square.sqrt() / (mode.lambda * energy.sqrt())
        });
        leaks.fold(0.0, f64::max)
    }
}

/// Measures the assumptions of the theory on `modes`; `residuals` are
/// ‖Σxx v_α − λ_α v_α‖, one per mode.
pub fn assumptions(modes: &Modes, residuals: &[f64], weights: &Weights) -> Assumptions {
    let mut worst = Assumptions { overlap: 0.0, pair: (0, 0), residual: 0.0, mode: 0, leak: 0.0 };
    for (i, (mode, residual)) in modes.list.iter().zip(residuals).enumerate() {
        let relative = residual / mode.lambda;
        if relative > worst.residual {
            (worst.residual, worst.mode) = (relative, i);
        }
    }
    if matches!(weights, Weights::Fcnn { .. }) {
        return worst;
    }
    for (j, later) in modes.list.iter().enumerate() {
        for (i, mode) in modes.list[..j].iter().enumerate() {
            let (one, two) = (mode.energies.values(), later.energies.values());
            let grid = mode.energies.grid();
            let entries = one.indexed_iter().zip(two);
            let overlap: f64 = entries.map(|(((_, c), a), b)| grid.weight(c) * (a * b).sqrt()).sum();
            if overlap > worst.overlap {
                (worst.overlap, worst.pair) = (overlap, (i, j));
            }
        }
    }
    worst
}

impl fmt::Display for Assumptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.overlap > 0.0 {
            let (i, j) = (self.pair.0 + 1, self.pair.1 + 1);
            write!(f, "modes {i} and {j} share {:.0} % of their spectra, ", 100.0 * self.overlap)?;
        }
        write!(f, "mode {} is no eigenvector of Σxx (residual {:.1e} λ)", self.mode + 1, self.residual)?;
        if self.leak > 0.0 {
            write!(f, ", what is learned at one frequency leaks to others through Σxx ({:.1e})", self.leak)?;
        }
        Ok(())
    }
}

/// Training itself, naively: what the theories are held against.
#[cfg(test)]
pub(crate) mod naive {
    use super::*;
    use crate::theory::Moments;

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
        crate::stats::crossing(&steps, values, 0.5 * s, true).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Samples;
    use crate::theory::Moments;
    use crate::theory::closed::Closed;
    use crate::theory::linear::{Draw, Layout, Start};
    use crate::theory::tests_support::{cosine_samples, random_samples};
    use ndarray::array;
    use proptest::prelude::*;

    fn lcnn(modes: &Modes, channels: usize) -> Layout {
        let size = (modes.shape[1], modes.shape[2]);
        Layout::Lcnn { channels, layers: 1, size, padding: Padding::Circular }
    }

    fn drawn(modes: &Modes, layout: Layout, draw: Draw, seed: u64) -> Weights {
        Start { draw, seed, modes, outputs: modes.list[0].u.len() }.weights(layout).unwrap()
    }

    // K classes of one image each, made of frequencies no other class has: every
    // assumption holds.
    fn disjoint(shape: [usize; 3], k: usize, seed: u64) -> Samples {
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
            let descent = naive::descent(&weights, &moments);
            let dot = |a: &Weights, b: &Weights| match (a, b) {
                (Weights::Fcnn { w1, w2 }, Weights::Fcnn { w1: a, w2: b }) => (w1 * a).sum() + (w2 * b).sum(),
                (Weights::Lcnn { kernels, dense, .. }, Weights::Lcnn { kernels: ks, dense: d, .. }) => {
                    (&kernels[0] * &ks[0]).sum() + (dense * d).sum()
                }
                _ => panic!("two networks"),
            };
            let h = 1e-5;
            let up = loss(&naive::moved(&weights, &direction, h));
            let down = loss(&naive::moved(&weights, &direction, -h));
            let (got, want) = (dot(&descent, &direction), (down - up) / (2.0 * h));
            assert!((got - want).abs() < 1e-6 * want.abs(), "{got} {want}");
        }
    }

    #[test]
    fn by_hand() {
        // One pixel, x = 2, y = 1, one hidden unit of b and c: s = 2, λ = 4,
        // a(τ) = ½·4·½ [(b + c)² e^{2τ} − (c − b)² e^{−2τ}], τ(a = s) by the quadratic formula.
        let mut samples = random_samples(1, [1, 1, 1], 1, 1);
        (samples.x, samples.y) = (array![[2.0]], array![[1.0]]);
        let modes = Modes::new(&samples).unwrap();
        let weights = Weights::Fcnn { w1: array![[0.5]], w2: array![[0.5]] };
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        // Balanced: 2/(1 + e^{−4t}).
        assert_eq!(theory.time_to(0, 0.5), Some(0.0));
        for t in [0.0f64, 0.1, 0.5, 1.0, 3.0, 8.0, 20.0] {
            let want = 2.0 / (1.0 + (-4.0 * t).exp());
            assert!((theory.strengths(t)[0] - want).abs() < 1e-10, "{t}");
        }
        let law = Law { kappa: vec![1.0], grow: vec![0f64.ln()], decay: vec![1f64.ln()] };
        assert_eq!((law.root(1.0), law.at(0.0)), (None, -1.0));
        let weights = Weights::Fcnn { w1: array![[0.1]], w2: array![[0.2]] };
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        assert!((theory.strengths(0.0)[0] - 4.0 * 0.02).abs() < 1e-15);
        let law = &theory.list[0].law;
        let y: f64 = (2.0 + (4.0 + 4.0 * 0.09 * 0.01f64).sqrt()) / (2.0 * 0.09);
        assert!((2.0 * law.root(2.0).unwrap() - y.ln()).abs() < 1e-13);
        // One step of gradient descent, η = 0.1: r = 1.92; (0.3·1.192)², (0.1·0.808)².
        let stepped = ModeTheory::new(&modes, &weights, Some(0.1)).unwrap();
        let want = (0.3f64 * 1.192).powi(2) - (0.1f64 * 0.808).powi(2);
        assert!((stepped.strengths(0.1)[0] - want).abs() < 1e-14);
    }

    #[test]
    fn pure_cosines_from_a_matched_start_follow_the_closed_form() {
        let samples = cosine_samples((8, 6), &[(1, 2, 2.0, 0.3), (-3, 1, 1.0, 1.1), (4, 0, 0.7, 0.0)]);
        let modes = Modes::new(&samples).unwrap();
        for layout in [lcnn(&modes, 1), Layout::Fcnn { hidden: 4 }] {
            let weights = drawn(&modes, layout, Draw::Matched(0.01), 1);
            let theory = ModeTheory::new(&modes, &weights, None).unwrap();
            for (i, mode) in modes.list.iter().enumerate() {
                let gain = mode.gain(!matches!(layout, Layout::Fcnn { .. }));
                let closed = Closed::new(mode.s, 0.01 * mode.s, gain).unwrap();
                for share in [0.1, 0.5, 0.9, 0.999] {
                    let (got, want) = (theory.time_to(i, share).unwrap(), closed.time_to(share));
                    assert!((got / want - 1.0).abs() < 1e-6, "{i} {share}: {got} {want}");
                    let (got, want) = (theory.strength(i, want).unwrap(), share * mode.s);
                    assert!((got - want).abs() < 1e-6 * mode.s);
                }
                let eta = 0.002 / (gain * mode.s);
                let stepped = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
                let (got, want) = (stepped.time_to(i, 0.5).unwrap(), closed.step_to(0.5, eta) * eta);
                assert!((got / want - 1.0).abs() < 1e-3, "{got} {want}");
            }
        }
    }

    // One sample is one mode, and nothing but that mode.
    fn alone(shape: [usize; 3], seed: u64) -> (Modes, Moments) {
        let samples = random_samples(1, shape, 1, seed);
        (Modes::new(&samples).unwrap(), Moments::new(&samples))
    }

    #[test]
    fn one_mode_alone_is_followed_exactly() {
        for (shape, layout, scale) in [
            ([2, 4, 6], None, 0.05),
            ([2, 4, 6], None, 1e-4),
            ([1, 5, 3], None, 0.3),
            ([2, 4, 6], Some(Layout::Fcnn { hidden: 5 }), 0.01),
        ] {
            let (modes, moments) = alone(shape, 7);
            let layout = layout.unwrap_or(lcnn(&modes, 3));
            let start = drawn(&modes, layout, Draw::Gaussian(scale), 2);
            let (s, gain) = (modes.list[0].s, modes.list[0].gain(!matches!(layout, Layout::Fcnn { .. })));
            let eta = 0.02 / (gain * s);
            let flow = ModeTheory::new(&modes, &start, None).unwrap();
            let stepped = ModeTheory::new(&modes, &start, Some(eta)).unwrap();
            let (mut exact, mut descended) = (start.clone(), start.clone());
            let mut worst = [0.0f64; 2];
            for i in 0..1500 {
                let t = f64::from(i) * eta;
                let a = [&exact, &descended].map(|w| naive::strengths(&modes, w, &moments)[0]);
                worst[0] = worst[0].max((flow.strengths(t)[0] - a[0]).abs() / s);
                worst[1] = worst[1].max((stepped.strengths(t)[0] - a[1]).abs() / s);
                for _ in 0..10 {
                    exact = naive::rk4(&exact, &moments, eta / 10.0);
                }
                descended = naive::moved(&descended, &naive::descent(&descended, &moments), eta);
            }
            println!("{shape:?} {scale}: flow {:.1e}, descent {:.1e}", worst[0], worst[1]);
            assert!(worst[0] < 1e-8 && worst[1] < 1e-9, "{worst:?}");
            assert!(flow.strengths(1500.0 * eta)[0] > 0.999 * s);
        }
    }

    #[test]
    fn the_template_is_that_of_training() {
        let (modes, moments) = alone([2, 4, 6], 7);
        for layout in [lcnn(&modes, 3), Layout::Fcnn { hidden: 5 }] {
            let convolutional = !matches!(layout, Layout::Fcnn { .. });
            let mut weights = drawn(&modes, layout, Draw::Gaussian(1e-4), 2);
            let s = modes.list[0].s;
            let eta = 0.006 / (modes.list[0].gain(convolutional) * s);
            let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
            for i in 0..6000 {
                weights = naive::moved(&weights, &naive::descent(&weights, &moments), eta);
                // Once it has left the initial weights.
                if i % 200 == 199 && naive::strengths(&modes, &weights, &moments)[0] > 0.02 * s {
                    let e = weights.end_to_end().into_shape_with_order((2, 4, 6)).unwrap();
                    let want = Energies::of_image(e.view()).unwrap();
                    let got = theory.template(0, f64::from(i + 1) * eta).unwrap();
                    let error = (&got.values() - &want.values()).mapv(f64::abs).sum();
                    // What is not along v, an amplitude of the order of the initial weights.
                    let v = &modes.list[0].v;
                    let rest = &e - &(v * (&e * v).sum());
                    let rest =
                        rest.iter().map(|x| x * x).sum::<f64>() * if convolutional { 0.0 } else { 1.0 };
                    let allowed = 1e-3 * want.total() + 2.0 * (rest * want.total()).sqrt();
                    assert!(
                        rest < 1e-3 * want.total() && error < allowed,
                        "{i}: {error} of {}",
                        want.total()
                    );
                }
            }
        }
        // From small weights fewer frequencies are used than the mode has.
        let weights = drawn(&modes, lcnn(&modes, 3), Draw::Gaussian(1e-12), 2);
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        let used = theory.discovered_with(0).unwrap();
        assert!(used.participation() < 0.5 * modes.list[0].participation);
        assert_eq!(used.strongest(1)[0].0, modes.list[0].dominant);
    }

    #[test]
    fn modes_of_disjoint_frequencies_follow_their_own_theory() {
        for (shape, channels, hidden) in
            [([1, 4, 6], 1, None), ([2, 4, 6], 3, None), ([1, 4, 6], 0, Some(256))]
        {
            let samples = disjoint(shape, 3, 11);
            let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
            let layout = hidden.map_or(lcnn(&modes, channels), |hidden| Layout::Fcnn { hidden });
            let mut weights = drawn(&modes, layout, Draw::Gaussian(1e-4), 5);
            let theory = ModeTheory::new(&modes, &weights, None).unwrap();
            let h = 0.05 / (modes.list[0].s * modes.list[0].gain(hidden.is_none()));
            let mut curves = vec![vec![]; modes.len()];
            let mut worst = 0.0f64;
            for i in 0..1000 {
                let got = naive::strengths(&modes, &weights, &moments);
                let want = theory.strengths(f64::from(i) * h);
                for ((curve, (a, b)), mode) in curves.iter_mut().zip(got.iter().zip(want)).zip(&modes.list) {
                    curve.push(*a);
                    worst = worst.max((a - b).abs() / mode.s);
                }
                weights = naive::rk4(&weights, &moments, h);
            }
            let mut off = 0.0f64;
            for (i, (curve, mode)) in curves.iter().zip(&modes.list).enumerate() {
                let ratio = theory.time_to(i, 0.5).unwrap() / naive::half_time(curve, mode.s, h);
                off = off.max((ratio - 1.0).abs());
            }
            println!("{shape:?} {layout:?}: curves {worst:.1e} s, half-times {off:.1e}");
            // Hidden directions of two modes are orthogonal only to 1/√h.
            let allowed = if hidden.is_some() { (0.02, 3e-3) } else { (1e-4, 1e-4) };
            assert!(worst < allowed.0 && off < allowed.1, "{shape:?} {layout:?}: {worst} {off}");
        }
    }

    #[test]
    fn starts_without_a_discovery() {
        let (modes, moments) = alone([1, 4, 6], 3);
        let s = modes.list[0].s;
        let drawn = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 2);
        let still = naive::moved(&drawn, &drawn, -1.0);
        let theory = ModeTheory::new(&modes, &still, Some(0.1)).unwrap();
        assert_eq!((theory.strengths(3.0), theory.time_to(0, 0.5)), (vec![0.0], None));
        assert!(theory.discovered_with(0).is_none());
        // b = 0.2 and z = −b̄ everywhere: a starts below zero, nothing grows but rounding.
        let (hat, norm) = image_spectrum(&modes.list[0].v);
        let plane = |z: Array2<Complex<f64>>| {
            spectrum::irfft2(z.view(), 6).into_shape_with_order((1, 1, 4, 6)).unwrap()
        };
        let along = Array2::from_shape_fn(norm.dim(), |(r, q)| hat[[0, r, q]] / norm[[r, q]] * 0.2);
        let flat = Array2::from_elem(norm.dim(), Complex::from(-0.2 * modes.list[0].u[0]));
        let (kernels, dense) = (vec![plane(along)], plane(flat));
        let against = Weights::Lcnn { kernels, dense, padding: Padding::Circular };
        let theory = ModeTheory::new(&modes, &against, None).unwrap();
        let start = naive::strengths(&modes, &against, &moments)[0];
        assert!(start < 0.0 && (theory.strengths(0.0)[0] - start).abs() < 1e-9 * start.abs());
        assert!(theory.time_to(0, 0.5).is_none_or(|t| t > 30.0 / (2.0 * s * modes.list[0].rho)));
        // Beyond s: it decays towards s.
        let mut beyond = naive::moved(&drawn, &drawn, 0.0);
        for _ in 0..4000 {
            let change = naive::descent(&beyond, &moments);
            beyond = naive::moved(&beyond, &change, 0.01 / (s * modes.list[0].rho));
        }
        beyond = naive::moved(&beyond, &beyond, 0.5);
        let theory = ModeTheory::new(&modes, &beyond, None).unwrap();
        assert_eq!(theory.time_to(0, 0.5), Some(0.0));
        let mut before = theory.strengths(0.0)[0];
        assert!(before > 2.0 * s);
        let h = 0.002 / (s * modes.list[0].rho);
        for i in 1..2000 {
            beyond = naive::rk4(&beyond, &moments, h);
            let a = theory.strengths(f64::from(i) * h)[0];
            assert!(a >= s && a <= before, "{i}: {a}");
            assert!((a - naive::strengths(&modes, &beyond, &moments)[0]).abs() < 1e-6 * s, "{i}");
            before = a;
        }
    }

    #[test]
    fn nothing_that_grows_is_never_discovered() {
        let law = Law { kappa: vec![1.0, 300.0], grow: vec![f64::NEG_INFINITY; 2], decay: vec![3.0, 1.0] };
        let (curve, _) = Curve::flow(&law, 2.0);
        let mut before = law.at(0.0);
        assert!((curve.at(0.0).a - before).abs() < 1e-14);
        // dτ/dt = 2 − a, by many small steps.
        let (mut tau, h) = (0.0, 1e-6);
        for i in 1..300_000 {
            let middle = tau + 0.5 * h * (2.0 - law.at(tau));
            tau += h * (2.0 - law.at(middle));
            let now = curve.at(f64::from(i) * h);
            assert!(now.a >= before && (now.a - law.at(tau)).abs() < 1e-6, "{i}: {} {}", now.a, law.at(tau));
            before = now.a;
        }
        assert_eq!(curve.time_to(1e-9), None);
        assert!(curve.at(1e9).a <= 0.0 && curve.at(1e9).tau > 1e9);
    }

    #[test]
    fn long_runs_get_the_flow_and_lose_nothing() {
        let (modes, _) = alone([1, 4, 6], 3);
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-3), 2);
        let flow = ModeTheory::new(&modes, &weights, None).unwrap();
        let rate = modes.list[0].s * modes.list[0].rho;
        for (eta, count) in [(1e-2 / rate, 1), (1e-3 / rate, 1), (1e-9 / rate, 0)] {
            let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
            let kept = theory.list[0].curve.nodes.len();
            assert!(kept <= MAX_NODES + 2);
            assert_eq!(kept == flow.list[0].curve.nodes.len(), count == 0);
            let ratio = theory.time_to(0, 0.5).unwrap() / flow.time_to(0, 0.5).unwrap();
            assert!((ratio - 1.0).abs() < eta * rate, "{eta}: {ratio}");
        }
        // A step far too large: followed until it leaves, then no further.
        let wild = ModeTheory::new(&modes, &weights, Some(10.0 / rate)).unwrap();
        assert!(wild.strengths(1e6).iter().all(|a| a.is_finite()));
    }

    #[test]
    fn thinned_nodes_lose_nothing() {
        let (modes, _) = alone([1, 3, 4], 3);
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(1e-3), 2);
        let rate = modes.list[0].s * modes.list[0].rho;
        let eta = 3e-4 / rate;
        let theory = ModeTheory::new(&modes, &weights, Some(eta)).unwrap();
        let single = &theory.list[0];
        let (law, s) = (&single.law, single.s);
        let steps = single.curve.last().t / eta;
        assert!(steps > 2.0 * MAX_NODES as f64, "{steps}");
        let law = law.active(law.root(s).unwrap(), s);
        let mut state = Recursion::new(&law, s, eta, 0.0);
        for i in 1..steps as usize {
            let a = state.step().a;
            let got = theory.strengths(i as f64 * eta)[0];
            assert!((got - a).abs() < 1e-9 * s, "{i}: {got} {a}");
        }
    }

    #[test]
    fn other_networks_are_refused() {
        let (modes, _) = alone([1, 4, 6], 3);
        let refused = |layout| {
            let weights = drawn(&modes, layout, Draw::Gaussian(0.1), 1);
            ModeTheory::new(&modes, &weights, None).unwrap_err().to_string()
        };
        let layout = |layers, size, padding| Layout::Lcnn { channels: 2, layers, size, padding };
        assert!(refused(layout(1, (3, 3), Padding::Circular)).starts_with("model.kernel"));
        assert!(refused(layout(1, (4, 6), Padding::Zero)).starts_with("model.padding"));
        assert!(refused(layout(2, (4, 6), Padding::Circular)).starts_with("model.layers"));
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 1);
        assert!(ModeTheory::new(&modes, &weights, Some(-1.0)).is_err());
        let (others, _) = alone([1, 6, 4], 3);
        assert!(ModeTheory::new(&others, &weights, None).is_err());
        let bad = naive::moved(&weights, &weights, f64::NAN);
        assert!(ModeTheory::new(&modes, &bad, None).unwrap_err().to_string().contains("finite"));
        let theory = ModeTheory::new(&modes, &weights, None).unwrap();
        assert!(theory.time_to(1, 0.5).is_none() && theory.template(1, 0.0).is_none());
        assert!(theory.time_to(0, 1.0).is_none() && theory.time_to(0, f64::NAN).is_none());
        assert!(theory.strengths(f64::NAN)[0].is_finite() && theory.strengths(f64::INFINITY)[0].is_finite());
    }

    #[test]
    fn assumptions_are_measured() {
        let samples = disjoint([1, 4, 6], 3, 11);
        let modes = Modes::new(&samples).unwrap();
        let weights = drawn(&modes, lcnn(&modes, 1), Draw::Gaussian(0.1), 1);
        let good = assumptions(&modes, &[0.0; 3], &weights);
        assert!(good.overlap < 1e-5 && good.residual == 0.0, "{good:?}");
        let rough = Modes::new(&random_samples(100, [1, 4, 6], 3, 5)).unwrap();
        let bad = assumptions(&rough, &[0.0, 2.0 * rough.list[1].lambda, 0.0], &weights);
        assert!(bad.overlap > 0.3 && bad.overlap <= 1.0 && (bad.residual, bad.mode) == (2.0, 1));
        let said = bad.to_string();
        assert!(
            said.contains("mode 2 is no eigenvector of Σxx (residual 2.0e0 λ)") && said.contains("share"),
            "{said}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn curves_rise_and_times_invert_them(
            exponent in -150f64..-1.0, size in -6f64..6.0, seed in 0u64..1000, step in prop::option::of(1e-4f64..0.3),
        ) {
            let mut samples = random_samples(1, [1, 3, 4], 1, seed);
            samples.y *= 10f64.powf(size);
            let modes = Modes::new(&samples).unwrap();
            let weights = drawn(&modes, lcnn(&modes, 2), Draw::Gaussian(10f64.powf(exponent)), seed);
            let (s, rate) = (modes.list[0].s, modes.list[0].s * modes.list[0].rho);
            // Descent can step past s where it starts with weights that are not small against s.
            let smooth = step.is_none() || exponent < -3.0;
            let eta = step.map(|x| x / rate);
            let theory = ModeTheory::new(&modes, &weights, eta).unwrap();
            let half = theory.time_to(0, 0.5).unwrap();
            prop_assert!(half.is_finite());
            let mut before = theory.strengths(0.0)[0];
            let above = before >= s;
            for i in 1..400 {
                let a = theory.strengths(f64::from(i) / 100.0 * half.max(1e-3 / rate))[0];
                prop_assert!(a.is_finite());
                if smooth && size > 2.0 * exponent + 2.0 {
                    let ordered = if above { a <= before } else { a >= before - 1e-12 * s };
                    prop_assert!(ordered, "{}: {} {}", i, before, a);
                }
                before = a;
            }
            if smooth && size > 2.0 * exponent + 2.0 {
                let end = theory.strengths(100.0 * half + 100.0 / rate)[0];
                prop_assert!((end / s - 1.0).abs() < 1e-6, "{end} of {s}");
            }
            for share in [1e-4, 0.1, 0.5, 0.9, 0.9999] {
                let t = theory.time_to(0, share).unwrap();
                let a = theory.strengths(t)[0];
                let met = if t > 0.0 { (a / s - share).abs() < 1e-8 } else { a >= share * s };
                prop_assert!(met, "{}: {} of {}", share, a, s);
            }
        }
    }

    #[test]
    fn parts_leak_where_images_have_more_at_their_frequencies() {
        let v = |p: usize| {
            let (i, j) = ((p / 8) as f64, (p % 8) as f64);
            let wave = |r: f64, c: f64| (std::f64::consts::TAU * (r * i + c * j) / 8.0).cos();
            wave(0.0, 1.0) + wave(1.0, 2.0) + wave(2.0, 0.0) + wave(2.0, 3.0)
        };
        let image = Array2::from_shape_fn((1, 64), |(_, p)| v(p));
        let draw = crate::theory::linear::Draw::Gaussian(1e-3);
        let layout = crate::theory::linear::Layout::Lcnn {
            channels: 1,
            layers: 1,
            size: (8, 8),
            padding: Padding::Circular,
        };
        // White images, and images along v only: Σxx v = λ v in both.
        for (xx, want) in [(Array2::eye(64), 0.75f64.sqrt()), (image.t().dot(&image), 0.0)] {
            let moments = crate::theory::Moments { yx: image.clone(), xx, yy_trace: 1e3 };
            let modes = Modes::from_moments(&moments, [1, 8, 8]).unwrap();
            let start = crate::theory::linear::Start { draw, seed: 1, modes: &modes, outputs: 1 };
            let parts = parts(&modes, &start.weights(layout).unwrap());
            assert_eq!(parts.rows.dim(), (4, 64));
            let leak = parts.leak(&modes, parts.rows.dot(&moments.xx).view());
            assert!((leak - want).abs() < 1e-9, "{leak} {want}");
        }
    }
}
