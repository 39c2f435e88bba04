//! The gradient flow itself: exact for any data and any linear network whose
//! convolutions wrap around.
//!
//! ```text
//! R = Σyx − E Σxx                                  [K, d]
//! FCNN:  dW2/dt = R W1ᵀ          dW1/dt = W2ᵀ R
//! LCNN, per frequency k, with A_l = √n ŵ^l … √n ŵ¹ and B_l = Ŵ2 √n ŵ^L … √n ŵ^{l+1}:
//!        dŴ2/dt = R̂ A_L†         dŵ^l/dt = √n B_l† R̂ A_{l−1}†
//! ```
//!
//! For one layer these are dŴ2/dt = √n R̂ ŵ† and dŵ/dt = √n Ŵ2† R̂ (Pinson,
//! Lenaerts & Ginis 2023). Kernels smaller than the images are the same with
//! their gradient cut to their size. Gradient descent of step η converges to
//! this as η → 0, at t = steps · η, with an error in proportion to η.
//!
//! Cost: one product with Σxx (K·d² multiplications) per evaluation, six
//! evaluations per step of an adaptive Dormand–Prince integrator (`ode`).
//! Between its steps a_α(t) is the quartic through five points of the step.

use std::ops::ControlFlow;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::{Array2, Array4};
use rustfft::num_complex::Complex;

use crate::error::{Error, Result};
use crate::spectrum::{self, Energies, Grid};
use crate::theory::linear::{Padding, Weights, on_grid, origin, transform};
use crate::theory::ode::{self, Accuracy, Step, System};
use crate::theory::{Forecast, Modes, Moments};

type C = Complex<f64>;

/// How far and how closely to follow the flow.
#[derive(Clone, Copy, Debug)]
pub struct Follow {
    /// Time at which to stop in any case.
    pub end: f64,
    /// Stop as soon as every mode has reached this share of its strength.
    pub until: Option<f64>,
    /// Relative error allowed per step of the integrator.
    pub tolerance: f64,
    /// Steps after which to give up with an error.
    pub most_steps: usize,
}

impl Follow {
    /// Up to time `end`, with a tolerance that keeps a_α within about 1e-5 s_α.
    pub fn to(end: f64) -> Self {
        Self { end, until: None, tolerance: 1e-6, most_steps: 200_000 }
    }
}

/// One step of the integrator, as far as the modes are concerned.
#[derive(Clone, Debug)]
struct Piece {
    t: f64,
    h: f64,
    /// a_α at t, t + h/4, … t + h: `[5][m]`.
    a: [Vec<f64>; 5],
}

/// The gradient flow from given weights.
#[derive(Debug)]
pub struct Flow {
    s: Vec<f64>,
    pieces: Vec<Piece>,
    templates: Vec<Option<Energies>>,
    reached: f64,
}

impl Flow {
    /// Follows the flow from `weights`.
    ///
    /// `progress` is shown the time and a_α after every step of the integrator.
    ///
    /// # Errors
    /// [`Error::Input`] for zero-padded convolutions, whose maps are no products
    /// per frequency; [`Error::Integration`] where the tolerance cannot be met.
    pub fn new(
        modes: &Modes,
        moments: &Moments,
        weights: &Weights,
        follow: Follow,
        mut progress: impl FnMut(f64, &[f64]),
    ) -> Result<Self> {
        let (mut dynamics, state) = Dynamics::new(modes, moments, weights)?;
        let m = modes.len();
        let accuracy = accuracy(&state, follow.tolerance, follow.most_steps);
        let meter = Meter::new(modes, moments);
        let mut flow = Self {
            s: modes.list.iter().map(|mode| mode.s).collect(),
            pieces: Vec::new(),
            templates: vec![None; m],
            reached: 0.0,
        };
        let mut last = meter.strengths(&dynamics.net, &state);
        let mut scratch = vec![0.0; state.len()];
        let net = dynamics.net.clone();
        flow.reached = ode::integrate(&mut dynamics, state, follow.end, accuracy, |step: &Step| {
            let mut a = std::array::from_fn(|_| Vec::new());
            a[0] = std::mem::take(&mut last);
            for (a, theta) in a[1..4].iter_mut().zip([0.25, 0.5, 0.75]) {
                step.at(theta, &mut scratch);
                *a = meter.strengths(&net, &scratch);
            }
            a[4] = meter.strengths(&net, step.y1);
            last.clone_from(&a[4]);
            let piece = Piece { t: step.t, h: step.h, a };
            for (i, (s, template)) in flow.s.iter().zip(&mut flow.templates).enumerate() {
                if template.is_none()
                    && let Some(theta) = piece.crossing(i, 0.5 * s)
                {
                    step.at(theta, &mut scratch);
                    let map = net.end_to_end(&scratch);
                    let row =
                        modes.list[i].u.dot(&map).into_shape_with_order(modes.shape).expect("d = c·h·w");
                    *template = Some(Energies::of_image(row.view())?);
                }
            }
            progress(step.t + step.h, &last);
            flow.pieces.push(piece);
            let done = |share: f64| last.iter().zip(&flow.s).all(|(a, s)| *a >= share * s);
            Ok(if follow.until.is_some_and(done) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(flow)
    }

    /// Time up to which the flow was followed.
    pub fn reached(&self) -> f64 {
        self.reached
    }

    /// Steps that the integrator made.
    pub fn steps(&self) -> usize {
        self.pieces.len()
    }
}

// Growth starts from the initial weights: they must be followed too.
fn accuracy(state: &[f64], relative: f64, most_steps: usize) -> Accuracy {
    let size = state.iter().map(|x| x * x).sum::<f64>() / state.len().max(1) as f64;
    Accuracy { relative, absolute: relative * size.sqrt().max(f64::MIN_POSITIVE), most_steps }
}

/// End-to-end map E `[K, d]` of the gradient flow from `weights` at each of
/// `times`, ascending.
///
/// # Errors
/// As [`Flow::new`].
pub fn maps(
    modes: &Modes,
    moments: &Moments,
    weights: &Weights,
    times: &[f64],
    tolerance: f64,
) -> Result<Vec<Array2<f64>>> {
    let (mut dynamics, state) = Dynamics::new(modes, moments, weights)?;
    let accuracy = accuracy(&state, tolerance, 1_000_000);
    let net = dynamics.net.clone();
    let mut out = Vec::with_capacity(times.len());
    let mut left = times.iter().copied().peekable();
    while left.next_if(|t| *t <= 0.0).is_some() {
        out.push(net.end_to_end(&state));
    }
    let Some(&end) = times.last().filter(|end| **end > 0.0) else { return Ok(out) };
    let mut scratch = vec![0.0; state.len()];
    ode::integrate(&mut dynamics, state, end, accuracy, |step| {
        // The last step may end a rounding short of the last time.
        while let Some(t) = left.next_if(|t| *t <= (step.t + step.h) * (1.0 + 8.0 * f64::EPSILON)) {
            step.at(((t - step.t) / step.h).clamp(0.0, 1.0), &mut scratch);
            out.push(net.end_to_end(&scratch));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(out)
}

/// Largest curvature of the loss at `weights`: the largest eigenvalue, in
/// magnitude, of its Hessian, by power iteration on differences of the gradient
/// (to about a tenth). Gradient descent is stable there for steps below 2 over it.
///
/// # Errors
/// [`Error::Input`] for zero-padded convolutions.
pub fn sharpness(modes: &Modes, moments: &Moments, weights: &Weights) -> Result<f64> {
    const ITERATIONS: usize = 20;
    let (mut dynamics, y) = Dynamics::new(modes, moments, weights)?;
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = norm(&y);
    let mut slope = vec![0.0; y.len()];
    dynamics.derivative(&y, &mut slope);
    // A direction that has a part along every eigenvector with any right to it.
    let (steep, far) = (norm(&slope).max(f64::MIN_POSITIVE), scale.max(f64::MIN_POSITIVE));
    let mut v: Vec<f64> = slope.iter().zip(&y).map(|(s, y)| s / steep + y / far).collect();
    let (mut ahead, mut behind) = (vec![0.0; y.len()], vec![0.0; y.len()]);
    let mut eigenvalue = 0.0;
    for _ in 0..ITERATIONS {
        let h = 1e-4 * scale / norm(&v).max(f64::MIN_POSITIVE);
        let shifted = |h: f64| -> Vec<f64> { y.iter().zip(&v).map(|(y, v)| y + h * v).collect() };
        dynamics.derivative(&shifted(h), &mut ahead);
        dynamics.derivative(&shifted(-h), &mut behind);
        let image: Vec<f64> = ahead.iter().zip(&behind).map(|(a, b)| (b - a) / (2.0 * h)).collect();
        eigenvalue = norm(&image) / norm(&v).max(f64::MIN_POSITIVE);
        if eigenvalue == 0.0 {
            break;
        }
        v = image.iter().map(|x| x / eigenvalue).collect();
    }
    Ok(eigenvalue)
}

impl Forecast for Flow {
    fn theory(&self) -> &'static str {
        "flow"
    }

    /// NaN beyond [`Flow::reached`].
    fn strengths(&self, t: f64) -> Vec<f64> {
        let after = self.pieces.partition_point(|p| p.t + p.h < t);
        match self.pieces.get(after) {
            Some(p) => {
                let theta = ((t - p.t) / p.h).max(0.0);
                (0..self.s.len()).map(|i| p.at(i, theta)).collect()
            }
            // Rounding at the very end is not beyond it.
            None => match self.pieces.last() {
                Some(p) if t <= self.reached * (1.0 + 1e-9) => p.a[4].clone(),
                _ => vec![f64::NAN; self.s.len()],
            },
        }
    }

    fn time_to(&self, mode: usize, share: f64) -> Option<f64> {
        let level = share * self.s.get(mode)?;
        if self.pieces.first().is_some_and(|p| p.a[0][mode] >= level) {
            return Some(0.0);
        }
        self.pieces.iter().find_map(|p| p.crossing(mode, level).map(|theta| p.t + theta * p.h))
    }

    fn discovered_with(&self, mode: usize) -> Option<Energies> {
        self.templates.get(mode)?.clone()
    }
}

impl Piece {
    // The quartic through the five points.
    fn at(&self, mode: usize, theta: f64) -> f64 {
        let x = 4.0 * theta;
        let mut sum = 0.0;
        for (i, a) in self.a.iter().enumerate() {
            let others = (0..5).filter(|j| *j != i);
            let weight: f64 = others.map(|j| (x - j as f64) / (i as f64 - j as f64)).product();
            sum += weight * a[mode];
        }
        sum
    }

    // First θ at which the curve rises through `level`.
    fn crossing(&self, mode: usize, level: f64) -> Option<f64> {
        let i = (0..4).find(|&i| self.a[i][mode] < level && self.a[i + 1][mode] >= level)?;
        let (mut low, mut high) = (i as f64 / 4.0, (i + 1) as f64 / 4.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.at(mode, middle) < level { low = middle } else { high = middle }
        }
        Some(0.5 * (low + high))
    }
}

/// Where in the state the weights are, and how they make E.
#[derive(Clone, Debug)]
enum Net {
    /// W1 `[h, d]`, then W2 `[K, h]`.
    Fcnn {
        hidden: usize,
        d: usize,
        k: usize,
    },
    Lcnn(Lcnn),
}

/// Kernels of the images' size as ŵ `[F][M][c]` (real and imaginary parts),
/// smaller ones as they are `[M][c][r_h][r_w]`; then Ŵ2 `[F][K][M]`.
#[derive(Clone, Debug)]
struct Lcnn {
    k: usize,
    h: usize,
    w: usize,
    size: (usize, usize),
    /// Inputs of each layer, then the channels of the last: c, M, … M.
    widths: Vec<usize>,
}

impl Lcnn {
    fn frequencies(&self) -> usize {
        self.h * (self.w / 2 + 1)
    }

    fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    fn full(&self) -> bool {
        self.size == (self.h, self.w)
    }

    fn kernel_length(&self, layer: usize) -> usize {
        let pairs = self.widths[layer] * self.widths[layer + 1];
        pairs * if self.full() { 2 * self.frequencies() } else { self.size.0 * self.size.1 }
    }

    fn dense_start(&self) -> usize {
        (0..self.layers()).map(|l| self.kernel_length(l)).sum()
    }

    // √n ŵ^l of every layer, `[F][M][c]`.
    fn kernels(&self, state: &[f64]) -> Vec<Vec<C>> {
        let root = ((self.h * self.w) as f64).sqrt();
        let mut from = 0;
        let mut all = Vec::with_capacity(self.layers());
        for l in 0..self.layers() {
            let piece = &state[from..from + self.kernel_length(l)];
            from += piece.len();
            all.push(if self.full() {
                complex(piece).map(|z| z * root).collect()
            } else {
                let shape = (self.widths[l + 1], self.widths[l], self.size.0, self.size.1);
                let kernel =
                    ndarray::ArrayView4::from_shape(shape, piece).expect("its length is the product");
                self.by_frequency(&transform(on_grid(kernel, (self.h, self.w)).view()), root)
            });
        }
        all
    }

    // `[a, b, H, W/2+1]` to `[F][a][b]`, times `factor`.
    fn by_frequency(&self, planes: &Array4<C>, factor: f64) -> Vec<C> {
        let (a, b, ..) = planes.dim();
        let mut out = vec![C::default(); planes.len()];
        for ((i, j, row, column), z) in planes.indexed_iter() {
            out[((row * (self.w / 2 + 1) + column) * a + i) * b + j] = z * factor;
        }
        out
    }

    fn dense<'a>(&self, state: &'a [f64]) -> impl Iterator<Item = C> + 'a {
        complex(&state[self.dense_start()..])
    }

    // A_0 (not stored, the identity), A_1 … A_L: `[L][F][M][c]`.
    fn forward(&self, kernels: &[Vec<C>]) -> Vec<Vec<C>> {
        let c = self.widths[0];
        let mut products: Vec<Vec<C>> = vec![kernels[0].clone()];
        for l in 1..self.layers() {
            let (rows, inner) = (self.widths[l + 1], self.widths[l]);
            products.push(self.multiply(&kernels[l], &products[l - 1], (rows, inner, c)));
        }
        products
    }

    // (a×b)(b×c) per frequency.
    fn multiply(&self, x: &[C], y: &[C], (a, b, c): (usize, usize, usize)) -> Vec<C> {
        let f = self.frequencies();
        let mut out = vec![C::default(); f * a * c];
        for ((out, x), y) in out.chunks_exact_mut(a * c).zip(x.chunks_exact(a * b)).zip(y.chunks_exact(b * c))
        {
            for i in 0..a {
                for j in 0..b {
                    let left = x[i * b + j];
                    for l in 0..c {
                        out[i * c + l] += left * y[j * c + l];
                    }
                }
            }
        }
        out
    }

    // (a×b)(c×b)† per frequency.
    fn multiply_adjoint(&self, x: &[C], y: &[C], (a, b, c): (usize, usize, usize)) -> Vec<C> {
        let mut out = vec![C::default(); self.frequencies() * a * c];
        for ((out, x), y) in out.chunks_exact_mut(a * c).zip(x.chunks_exact(a * b)).zip(y.chunks_exact(c * b))
        {
            for i in 0..a {
                for l in 0..c {
                    let terms = (0..b).map(|j| x[i * b + j] * y[l * b + j].conj());
                    out[i * c + l] = terms.sum();
                }
            }
        }
        out
    }

    // (b×a)†(b×c) per frequency.
    fn adjoint_multiply(&self, x: &[C], y: &[C], (a, b, c): (usize, usize, usize)) -> Vec<C> {
        let mut out = vec![C::default(); self.frequencies() * a * c];
        for ((out, x), y) in out.chunks_exact_mut(a * c).zip(x.chunks_exact(b * a)).zip(y.chunks_exact(b * c))
        {
            for j in 0..b {
                for i in 0..a {
                    let left = x[j * a + i].conj();
                    for l in 0..c {
                        out[i * c + l] += left * y[j * c + l];
                    }
                }
            }
        }
        out
    }

    // Ê `[F][K][c]` to E `[K, d]`.
    fn to_pixels(&self, map: &[C]) -> Array2<f64> {
        let (c, columns, n) = (self.widths[0], self.w / 2 + 1, self.h * self.w);
        let mut out = Array2::zeros((self.k, c * n));
        let mut half = Array2::zeros((self.h, columns));
        for j in 0..self.k {
            for ch in 0..c {
                for (f, z) in half.iter_mut().enumerate() {
                    *z = map[(f * self.k + j) * c + ch];
                }
                let plane = spectrum::irfft2(half.view(), self.w);
                let mut row = out.slice_mut(ndarray::s![j, ch * n..(ch + 1) * n]);
                row.iter_mut().zip(&plane).for_each(|(out, x)| *out = *x);
            }
        }
        out
    }

    // R `[K, d]` to R̂ `[F][K][c]`.
    fn to_frequencies(&self, rows: &Array2<f64>) -> Vec<C> {
        let (c, n) = (self.widths[0], self.h * self.w);
        let mut out = vec![C::default(); self.frequencies() * self.k * c];
        for j in 0..self.k {
            for ch in 0..c {
                let plane = rows.slice(ndarray::s![j, ch * n..(ch + 1) * n]);
                let plane = plane.into_shape_with_order((self.h, self.w)).expect("n = h·w");
                for (f, z) in spectrum::rfft2(plane).iter().enumerate() {
                    out[(f * self.k + j) * c + ch] = *z;
                }
            }
        }
        out
    }

    // The entries of a gradient on the whole grid that belong to small kernels.
    fn cut(&self, gradient: &[C], (a, b): (usize, usize), target: &mut [f64]) {
        let (columns, (top, left)) = (self.w / 2 + 1, origin(self.size, (self.h, self.w)));
        let mut half = Array2::zeros((self.h, columns));
        for i in 0..a {
            for j in 0..b {
                for (f, z) in half.iter_mut().enumerate() {
                    *z = gradient[(f * a + i) * b + j];
                }
                let plane = spectrum::irfft2(half.view(), self.w);
                for r in 0..self.size.0 {
                    for s in 0..self.size.1 {
                        target[((i * b + j) * self.size.0 + r) * self.size.1 + s] =
                            plane[[(r + self.h - top) % self.h, (s + self.w - left) % self.w]];
                    }
                }
            }
        }
    }
}

fn complex(pairs: &[f64]) -> impl Iterator<Item = C> + '_ {
    pairs.chunks_exact(2).map(|p| C::new(p[0], p[1]))
}

fn push_complex(out: &mut [f64], values: &[C]) {
    out.chunks_exact_mut(2).zip(values).for_each(|(out, z)| (out[0], out[1]) = (z.re, z.im));
}

fn par() -> Par {
    Par::rayon(0)
}

impl Net {
    fn end_to_end(&self, state: &[f64]) -> Array2<f64> {
        match self {
            Net::Fcnn { hidden, d, k } => {
                let (w1, w2) = state.split_at(hidden * d);
                product((w2, *k), (w1, *hidden), *d)
            }
            Net::Lcnn(net) => {
                let kernels = net.kernels(state);
                let products = net.forward(&kernels);
                let dense: Vec<C> = net.dense(state).collect();
                let (m, c) = (net.widths[net.layers()], net.widths[0]);
                net.to_pixels(&net.multiply(&dense, &products[net.layers() - 1], (net.k, m, c)))
            }
        }
    }
}

// (rows×inner)(inner×columns), row-major.
fn product((x, rows): (&[f64], usize), (y, inner): (&[f64], usize), columns: usize) -> Array2<f64> {
    let mut out = Array2::zeros((rows, columns));
    let target = out.as_slice_mut().expect("made here in standard order");
    matmul(
        MatMut::from_row_major_slice_mut(target, rows, columns),
        Accum::Replace,
        MatRef::from_row_major_slice(x, rows, inner),
        MatRef::from_row_major_slice(y, inner, columns),
        1.0,
        par(),
    );
    out
}

struct Dynamics<'a> {
    net: Net,
    moments: &'a Moments,
    xx: MatRef<'a, f64>,
}

impl<'a> Dynamics<'a> {
    fn new(modes: &Modes, moments: &'a Moments, weights: &Weights) -> Result<(Self, Vec<f64>)> {
        let (net, state) = match weights {
            Weights::Fcnn { w1, w2 } => {
                let net = Net::Fcnn { hidden: w1.nrows(), d: w1.ncols(), k: w2.nrows() };
                (net, w1.iter().chain(w2).copied().collect())
            }
            Weights::Lcnn { padding: Padding::Zero, .. } => {
                return Err(Error::input(
                    "model.padding",
                    "`circular`: with zero padding no theory applies, it is measured only",
                    "`zero`",
                ));
            }
            Weights::Lcnn { kernels, dense, .. } => {
                let (k, _, h, w) = dense.dim();
                let (_, c, rh, rw) = kernels[0].dim();
                let widths = std::iter::once(c).chain(kernels.iter().map(|l| l.dim().0)).collect();
                let net = Lcnn { k, h, w, size: (rh, rw), widths };
                let mut state = Vec::new();
                for layer in kernels {
                    if net.full() {
                        let spectra = transform(layer.view());
                        state.extend(net.by_frequency(&spectra, 1.0).iter().flat_map(|z| [z.re, z.im]));
                    } else {
                        state.extend(layer.iter());
                    }
                }
                let spectra = transform(dense.view());
                state.extend(net.by_frequency(&spectra, 1.0).iter().flat_map(|z| [z.re, z.im]));
                (Net::Lcnn(net), state)
            }
        };
        debug_assert_eq!(moments.xx.nrows(), modes.shape.iter().product::<usize>());
        let d = moments.xx.nrows();
        let xx = moments
            .xx
            .as_slice()
            .ok_or_else(|| Error::input("second moments", "Σxx in standard order", "another order"))?;
        Ok((Self { net, moments, xx: MatRef::from_row_major_slice(xx, d, d) }, state))
    }

    // R = Σyx − E Σxx.
    fn residual(&self, map: &Array2<f64>) -> Array2<f64> {
        let mut out = self.moments.yx.as_standard_layout().into_owned();
        let (k, d) = out.dim();
        matmul(
            MatMut::from_row_major_slice_mut(out.as_slice_mut().expect("standard layout"), k, d),
            Accum::Add,
            MatRef::from_row_major_slice(map.as_slice().expect("made here in standard order"), k, d),
            self.xx,
            -1.0,
            par(),
        );
        out
    }
}

impl System for Dynamics<'_> {
    fn derivative(&mut self, y: &[f64], derivative: &mut [f64]) {
        match &self.net {
            Net::Fcnn { hidden, d, k } => {
                let (h, d, k) = (*hidden, *d, *k);
                let residual = self.residual(&self.net.end_to_end(y));
                let (w1, w2) = y.split_at(h * d);
                let (d1, d2) = derivative.split_at_mut(h * d);
                let r = MatRef::from_row_major_slice(residual.as_slice().expect("standard order"), k, d);
                let w1 = MatRef::from_row_major_slice(w1, h, d);
                let w2 = MatRef::from_row_major_slice(w2, k, h);
                let d1 = MatMut::from_row_major_slice_mut(d1, h, d);
                matmul(d1, Accum::Replace, w2.transpose(), r, 1.0, par());
                let d2 = MatMut::from_row_major_slice_mut(d2, k, h);
                matmul(d2, Accum::Replace, r, w1.transpose(), 1.0, par());
            }
            Net::Lcnn(net) => {
                let root = ((net.h * net.w) as f64).sqrt();
                let (layers, c) = (net.layers(), net.widths[0]);
                let kernels = net.kernels(y);
                let products = net.forward(&kernels);
                let mut back: Vec<C> = net.dense(y).collect();
                let last = net.widths[layers];
                let map = net.to_pixels(&net.multiply(&back, &products[layers - 1], (net.k, last, c)));
                let residual = net.to_frequencies(&self.residual(&map));
                let dense = net.multiply_adjoint(&residual, &products[layers - 1], (net.k, c, last));
                push_complex(&mut derivative[net.dense_start()..], &dense);
                let mut end = net.dense_start();
                for l in (0..layers).rev() {
                    let (inputs, outputs) = (net.widths[l], net.widths[l + 1]);
                    // B_l† R̂ A_{l−1}†
                    let from_above = net.adjoint_multiply(&back, &residual, (outputs, net.k, c));
                    let mut gradient = match l.checked_sub(1) {
                        Some(below) => {
                            net.multiply_adjoint(&from_above, &products[below], (outputs, c, inputs))
                        }
                        None => from_above,
                    };
                    gradient.iter_mut().for_each(|z| *z *= root);
                    let start = end - net.kernel_length(l);
                    let target = &mut derivative[start..end];
                    if net.full() {
                        push_complex(target, &gradient);
                    } else {
                        net.cut(&gradient, (outputs, inputs), target);
                    }
                    end = start;
                    if l > 0 {
                        back = net.multiply(&back, &kernels[l], (net.k, outputs, inputs));
                    }
                }
            }
        }
    }
}

/// Reads a_α = u_αᵀ E Σxx v_α off a state, without forming E.
struct Meter {
    /// u_α `[m, K]`.
    u: Array2<f64>,
    /// Σxx v_α as columns `[d, m]`.
    probe: Array2<f64>,
    /// DFT of the same, times the weights of the half plane: `[m][F][c]`.
    spectra: Vec<Vec<C>>,
}

impl Meter {
    fn new(modes: &Modes, moments: &Moments) -> Self {
        let [c, h, w] = modes.shape;
        let probe = moments.xx.dot(&modes.v_rows().t());
        let grid = Grid::new(h, w);
        let spectra = probe.columns().into_iter().map(|column| {
            let images = column.to_owned().into_shape_with_order((c, h, w)).expect("d = c·h·w");
            let planes: Vec<Vec<C>> =
                images.outer_iter().map(|plane| spectrum::rfft2(plane).into_iter().collect()).collect();
            let weight = |f: usize| grid.weight(f % (w / 2 + 1));
            (0..planes[0].len())
                .flat_map(|f| planes.iter().map(move |p| (f, p[f])))
                .map(|(f, z)| z.conj() * weight(f))
                .collect()
        });
        let spectra = spectra.collect();
        Self { u: modes.u().t().to_owned(), probe, spectra }
    }

    fn strengths(&self, net: &Net, state: &[f64]) -> Vec<f64> {
        match net {
            Net::Fcnn { hidden, d, k } => {
                let (w1, w2) = state.split_at(hidden * d);
                let probe = self.probe.as_standard_layout();
                let inner =
                    product((w1, *hidden), (probe.as_slice().expect("standard"), *d), self.probe.ncols());
                let w2 = ndarray::ArrayView2::from_shape((*k, *hidden), w2).expect("K·h weights");
                let response = w2.dot(&inner); // [K, m]
                (0..self.u.nrows()).map(|i| self.u.row(i).dot(&response.column(i))).collect()
            }
            Net::Lcnn(net) => {
                let products = net.forward(&net.kernels(state));
                let dense: Vec<C> = net.dense(state).collect();
                let (m, c) = (net.widths[net.layers()], net.widths[0]);
                let map = net.multiply(&dense, &products[net.layers() - 1], (net.k, m, c));
                let rows = self.u.rows().into_iter();
                rows.zip(&self.spectra)
                    .map(|(u, spectrum)| {
                        let per_frequency = map.chunks_exact(net.k * c).zip(spectrum.chunks_exact(c));
                        per_frequency
                            .map(|(map, probe)| {
                                let of_output = map.chunks_exact(c).zip(u).map(|(row, u)| {
                                    u * row.iter().zip(probe).map(|(e, p)| (e * p).re).sum::<f64>()
                                });
                                of_output.sum::<f64>()
                            })
                            .sum()
                    })
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::closed::Closed;
    use crate::theory::linear::{Draw, Layout, Start};
    use crate::theory::tests_support::{cosine_samples, random_samples};

    fn circular(channels: usize, layers: usize, size: (usize, usize)) -> Layout {
        Layout::Lcnn { channels, layers, size, padding: Padding::Circular }
    }

    fn loss(map: &Array2<f64>, moments: &Moments) -> f64 {
        let response = map.dot(&moments.xx);
        0.5 * moments.yy_trace + (map * &(response * 0.5 - &moments.yx)).sum()
    }

    #[test]
    fn the_closed_form_is_met_as_closely_as_asked() {
        let samples = cosine_samples((8, 10), &[(1, 2, 2.0, 0.3), (-2, 1, 1.5, 1.1)]);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let start = Start { draw: Draw::Matched(1e-4), seed: 1, modes: &modes, outputs: 2 };
        for (gain, layout) in [(1.0, Layout::Fcnn { hidden: 3 }), (40f64.sqrt(), circular(2, 1, (8, 10)))] {
            let weights = start.weights(layout).unwrap();
            let end = 10.0 / (gain * modes.list[1].s);
            let mut worst = Vec::new();
            for tolerance in [1e-4, 1e-6, 1e-8] {
                let follow = Follow { tolerance, ..Follow::to(end) };
                let flow = Flow::new(&modes, &moments, &weights, follow, |_, _| ()).unwrap();
                assert_eq!(flow.reached(), end);
                let mut error = 0.0f64;
                for (i, mode) in modes.list.iter().enumerate() {
                    let closed = Closed::new(mode.s, 1e-4 * mode.s, gain).unwrap();
                    for j in 0..=400 {
                        let t = end * f64::from(j) / 400.0;
                        error = error.max((flow.strengths(t)[i] - closed.at_time(t)).abs() / mode.s);
                    }
                    for share in [0.1, 0.5, 0.9] {
                        let ratio = flow.time_to(i, share).unwrap() / closed.time_to(share);
                        assert!((ratio - 1.0).abs() < 30.0 * tolerance, "{ratio}");
                    }
                    // What it learns is the mode itself: one frequency.
                    let template = flow.discovered_with(i).unwrap();
                    assert_eq!(template.dominant(), mode.dominant);
                    assert!((template.participation() - 2.0).abs() < 1e-4);
                }
                worst.push(error);
            }
            // A hundredth of the tolerance, a tenth of the error or less.
            assert!(worst[2] < 1e-6 && worst.windows(2).all(|w| w[1] < 0.1 * w[0]), "{worst:?}");
        }
    }

    #[test]
    fn the_loss_falls_by_the_square_of_the_gradient() {
        // dL/dt = −‖∂L/∂w‖²: exact for true gradients, and for nothing else.
        let samples = random_samples(60, [2, 4, 6], 3, 8);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let start = Start { draw: Draw::Gaussian(0.2), seed: 2, modes: &modes, outputs: 3 };
        for layout in [
            Layout::Fcnn { hidden: 7 },
            circular(1, 1, (4, 6)),
            circular(3, 1, (4, 6)),
            circular(2, 3, (4, 6)),
            circular(2, 1, (3, 3)),
            circular(2, 2, (2, 3)),
        ] {
            let weights = start.weights(layout).unwrap();
            let (mut dynamics, state) = Dynamics::new(&modes, &moments, &weights).unwrap();
            assert!((dynamics.net.end_to_end(&state) - weights.end_to_end()).iter().all(|e| e.abs() < 1e-12));
            let mut d = vec![0.0; state.len()];
            dynamics.derivative(&state, &mut d);
            let along = |h: f64| {
                let moved: Vec<f64> = state.iter().zip(&d).map(|(y, d)| y + h * d).collect();
                loss(&dynamics.net.end_to_end(&moved), &moments)
            };
            let slope = (along(1e-6) - along(-1e-6)) / 2e-6;
            // Interior columns of a half plane stand for two frequencies.
            let weight = |i: usize| match &dynamics.net {
                Net::Lcnn(net) if net.full() || i >= net.dense_start() => {
                    let (i, per) = if i >= net.dense_start() {
                        (i - net.dense_start(), net.k * net.widths[net.layers()])
                    } else {
                        let mut i = i;
                        let mut l = 0;
                        while i >= net.kernel_length(l) {
                            i -= net.kernel_length(l);
                            l += 1;
                        }
                        (i, net.widths[l] * net.widths[l + 1])
                    };
                    Grid::new(net.h, net.w).weight(i / (2 * per) % (net.w / 2 + 1))
                }
                _ => 1.0,
            };
            let square: f64 = d.iter().enumerate().map(|(i, d)| weight(i) * d * d).sum();
            assert!((slope / square + 1.0).abs() < 1e-6, "{layout:?}: {slope} against {square}");
            let a = Meter::new(&modes, &moments).strengths(&dynamics.net, &state);
            let want = modes.strengths(weights.end_to_end().dot(&moments.xx).view());
            assert!(a.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn sharpness_by_hand() {
        // One hidden unit and one weight each, L = ½ (ab − s)², at a = b = 1, s = 0:
        // Hessian ((1, 2), (2, 1)), its largest eigenvalue 3.
        let moments = Moments { yx: ndarray::array![[1e-9]], xx: ndarray::array![[1.0]], yy_trace: 1.0 };
        let modes = Modes::from_moments(&moments, [1, 1, 1]).unwrap();
        let one = ndarray::array![[1.0]];
        let weights = Weights::Fcnn { w1: one.clone(), w2: one };
        let found = sharpness(&modes, &moments, &weights).unwrap();
        assert!((found - 3.0).abs() < 0.01, "{found}");
        // At a learned cosine it is 2 g s.
        let samples = cosine_samples((8, 8), &[(1, 2, 2.0, 0.3), (-2, 1, 1.0, 1.1)]);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let start = Start { draw: Draw::Matched(1.0 - 1e-9), seed: 1, modes: &modes, outputs: 2 };
        for (gain, layout) in [(1.0, Layout::Fcnn { hidden: 2 }), (32f64.sqrt(), circular(1, 1, (8, 8)))] {
            let weights = start.weights(layout).unwrap();
            let found = sharpness(&modes, &moments, &weights).unwrap();
            let want = 2.0 * gain * modes.list[0].s;
            assert!((found / want - 1.0).abs() < 0.1, "{found} {want}");
        }
    }

    #[test]
    fn stops_when_all_modes_are_learned_and_keeps_maps() {
        let samples = random_samples(300, [1, 4, 5], 3, 8);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let start = Start { draw: Draw::Gaussian(0.01), seed: 2, modes: &modes, outputs: 3 };
        let weights = start.weights(circular(2, 1, (4, 5))).unwrap();
        let follow = Follow { until: Some(0.9), ..Follow::to(1e4) };
        let mut shown = 0;
        let flow = Flow::new(&modes, &moments, &weights, follow, |_, _| shown += 1).unwrap();
        assert!(flow.reached() < 1e4 && shown == flow.steps());
        for i in 0..modes.len() {
            let t = [0.1, 0.5, 0.9].map(|share| flow.time_to(i, share).unwrap());
            assert!(t[0] < t[1] && t[1] < t[2]);
            assert!((flow.strengths(t[1])[i] / modes.list[i].s - 0.5).abs() < 1e-9);
        }
        assert!(flow.strengths(2.0 * flow.reached())[0].is_nan());
        let times = [0.0, 0.5 * flow.reached(), flow.reached()];
        let maps = maps(&modes, &moments, &weights, &times, 1e-6).unwrap();
        for (map, t) in maps.iter().zip(times) {
            let a = modes.strengths(map.dot(&moments.xx).view());
            for (a, b) in a.iter().zip(flow.strengths(t)) {
                assert!((a - b).abs() < 1e-4 * modes.list[0].s, "{a} {b} at {t}");
            }
        }
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        let samples = random_samples(30, [1, 4, 5], 2, 8);
        let (modes, moments) = (Modes::new(&samples).unwrap(), Moments::new(&samples));
        let start = Start { draw: Draw::Gaussian(0.01), seed: 2, modes: &modes, outputs: 2 };
        let zero = Layout::Lcnn { channels: 1, layers: 1, size: (3, 3), padding: Padding::Zero };
        let go = |layout, follow| {
            let weights = start.weights(layout).unwrap();
            Flow::new(&modes, &moments, &weights, follow, |_, _| ()).unwrap_err().to_string()
        };
        assert!(go(zero, Follow::to(1.0)).contains("model.padding"));
        let few = Follow { most_steps: 3, ..Follow::to(100.0) };
        let error = go(circular(1, 1, (3, 3)), few);
        assert!(error.contains("t = ") && error.contains("3 steps were not enough"), "{error}");
        let start = Start { draw: Draw::Gaussian(1e200), seed: 2, modes: &modes, outputs: 2 };
        let weights = start.weights(circular(1, 1, (3, 3))).unwrap();
        assert!(Flow::new(&modes, &moments, &weights, Follow::to(1.0), |_, _| ()).is_err());
    }
}
