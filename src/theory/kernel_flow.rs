//! Kernel flow: the learning curves of a network whose tangent kernel stays what it
//! is at the start (Jacot, Gabriel & Hongler 2018).
//!
//! With K `[P, P]` the kernel of P samples, one number per pair of them (the mean over
//! outputs), ŷ follows dŷ/dt = K (y − ŷ)/P for L = ½ mean_i ‖ŷ_i − y_i‖², and from
//! ŷ = 0 mode α grows as
//!
//! ```text
//! a_α(t) = (1/P) (Y u_α)ᵀ (I − e^{−K t/P}) (X v_α)
//! ```
//!
//! Real networks learn features, so that K changes. What holds is the order; ratios of times
//! are about the square roots of what the flow says ([`super::deep`]).

use faer::{Mat, Side};
use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::stats::discovery_time;

/// A mode of which the samples keep less than this share has no curve.
pub const LEAST: f64 = 0.25;

/// Rates below this share of the fastest one are rounding, or none at all.
const NEGLIGIBLE: f64 = 1e-9;

/// Nodes of integrals per unit of ln t.
const NODES: f64 = 40.0;

/// How far the default range of times goes beyond the fastest and the slowest rate.
const BEFORE: f64 = 1e-3;
const AFTER: f64 = 10.0;

/// Learning curves of the modes of a data set by a fixed kernel.
#[derive(Clone, Debug)]
pub struct KernelFlow {
    /// Rates of the kernel's eigenvectors `[P]`.
    rates: Vec<f64>,
    /// Share of mode α that is learned at each rate `[m, P]`; NaN of a mode of which the
    /// samples hold too little. The shares of a mode sum to 1 and may be negative.
    parts: Array2<f64>,
    /// s_α `[m]`.
    strengths: Vec<f64>,
}

/// What the rate of learning is multiplied by so that times are steps of gradient
/// descent: η/(1 − μ) for `momentum` μ, and 1/K of that for the cross-entropy of
/// `classes` K. There ŷ are probabilities, all 1/K at the start, where the Jacobian of
/// the softmax is (1/K)(I − 11ᵀ/K) and u_α is orthogonal to 1.
pub fn rate_per_step(eta: f64, momentum: f64, classes: Option<usize>) -> f64 {
    eta / (1.0 - momentum) / classes.unwrap_or(1) as f64
}

impl KernelFlow {
    /// Of a symmetric positive semidefinite `kernel` `[P, P]`; `xv` `[P, m]` are the
    /// X v_α (centred over the samples, where a constant answer is to have no strength)
    /// and `yu` `[P, m]` the Y u_α of the samples; `strengths` are s_α of all data.
    /// The kernel is multiplied by `rate`: 1 for t of the gradient flow,
    /// [`rate_per_step`] for steps.
    ///
    /// Curves are shares of what the samples hold, a_α(t)/a_α(∞) with a_α(∞) =
    /// (1/P)(Yu_α)ᵀ(Xv_α), as the probe of a training run measures them.
    ///
    /// # Errors
    /// [`Error::Input`] for shapes that do not fit together, a rate that is not
    /// positive, and a kernel that is not finite, zero, or has negative eigenvalues.
    pub fn new(
        kernel: ArrayView2<f64>,
        xv: ArrayView2<f64>,
        yu: ArrayView2<f64>,
        strengths: &[f64],
        rate: f64,
    ) -> Result<Self> {
        let (p, m) = xv.dim();
        if kernel.dim() != (p, p) || yu.dim() != (p, m) || strengths.len() != m {
            let found = format!(
                "K {:?}, XV {:?}, YU {:?}, {} strengths",
                kernel.dim(),
                xv.dim(),
                yu.dim(),
                strengths.len()
            );
            return Err(Error::input("tangent kernel", "K [P, P], XV and YU [P, m], m strengths", found));
        }
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Error::input("rate of the kernel flow", "a positive number", rate));
        }
        if p == 0 || kernel.iter().any(|v| !v.is_finite()) {
            let found = if p == 0 { "no sample" } else { "values that are not" };
            return Err(Error::input("tangent kernel", "finite values", found));
        }
        let lower = Mat::from_fn(p, p, |i, j| kernel[[i.max(j), i.min(j)]]);
        let eigen = lower.self_adjoint_eigen(Side::Lower).map_err(|e| {
            Error::input("tangent kernel", "finite values", format_args!("eigenvalues that fail ({e:?})"))
        })?;
        let (vectors, values) = (eigen.U(), eigen.S().column_vector());
        let largest = values[p - 1];
        if largest <= 0.0 || values[0] < -1e-5 * largest {
            let found = format!("eigenvalues {:.3e} to {largest:.3e}", values[0]);
            return Err(Error::input("tangent kernel", "a positive semidefinite matrix, not zero", found));
        }
        let columns = |a: ArrayView2<f64>| vectors.transpose() * Mat::from_fn(p, m, |i, j| a[[i, j]]);
        let (x, y) = (columns(xv), columns(yu));
        let mut parts = Array2::zeros((m, p));
        for (a, mut row) in parts.rows_mut().into_iter().enumerate() {
            let held = xv.column(a).dot(&yu.column(a));
            let weak = held / (p as f64) < LEAST * strengths[a];
            row.iter_mut().enumerate().for_each(|(j, part)| {
                *part = if weak { f64::NAN } else { x[(j, a)] * y[(j, a)] / held };
            });
        }
        let per_sample = rate / p as f64;
        let rates = (0..p).map(|j| values[j].max(0.0) * per_sample).collect();
        Ok(Self { rates, parts, strengths: strengths.to_vec() })
    }

    /// The mean of the curves of several flows: of other initial weights, and of other
    /// samples, on which the order of weak modes depends more. A mode is averaged over
    /// the flows that have a curve of it.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, or not of the same number of modes.
    pub fn mean(flows: &[Self]) -> Result<Self> {
        let modes: Vec<usize> = flows.iter().map(Self::modes).collect();
        let Some(first) = flows.first().filter(|f| modes.iter().all(|m| *m == f.modes())) else {
            let expected = "at least one, of the same modes";
            return Err(Error::input("kernel flows", expected, format_args!("flows of {modes:?} modes")));
        };
        let rates: Vec<f64> = flows.iter().flat_map(|f| f.rates.iter().copied()).collect();
        let mut parts = Array2::zeros((first.modes(), rates.len()));
        for (a, mut row) in parts.rows_mut().into_iter().enumerate() {
            let has = |flow: &Self| !flow.parts[[a, 0]].is_nan();
            // 0/0 where none has it.
            let weight = 1.0 / flows.iter().filter(|f| has(f)).count() as f64;
            let of = |flow: &Self| {
                flow.parts.row(a).mapv(|part| if has(flow) { part * weight } else { 0.0 * weight })
            };
            row.iter_mut().zip(flows.iter().flat_map(of)).for_each(|(to, part)| *to = part);
        }
        Ok(Self { rates, parts, strengths: first.strengths.clone() })
    }

    /// Number of modes.
    pub fn modes(&self) -> usize {
        self.strengths.len()
    }

    /// a_α at time `t` ≥ 0 `[m]`; NaN for a mode of which the samples hold less than
    /// [`LEAST`].
    pub fn strengths(&self, t: f64) -> Vec<f64> {
        self.shares(t).into_iter().zip(&self.strengths).map(|(share, s)| share * s).collect()
    }

    /// a_α/s_α at time `t` ≥ 0 `[m]`.
    pub fn shares(&self, t: f64) -> Vec<f64> {
        let grown: Vec<f64> = self.rates.iter().map(|rate| -(-rate * t).exp_m1()).collect();
        let share = |parts: ndarray::ArrayView1<f64>| parts.iter().zip(&grown).map(|(p, g)| p * g).sum();
        self.parts.rows().into_iter().map(share).collect()
    }

    /// da_α/dt at t = 0 `[m]`: the cheapest forecast of the order.
    pub fn first_rates(&self) -> Vec<f64> {
        let rate = |parts: ndarray::ArrayView1<f64>| parts.iter().zip(&self.rates).map(|(p, r)| p * r).sum();
        self.parts.rows().into_iter().map(rate).zip(&self.strengths).map(|(r, s): (f64, _)| r * s).collect()
    }

    /// A range of times from before anything is learned to after all is: 1e-3 of the
    /// time constant of the fastest rate to 10 of the slowest one that is not
    /// negligible (1e-9 of the fastest).
    pub fn range(&self) -> (f64, f64) {
        let fastest = self.rates.iter().copied().fold(0.0, f64::max);
        let some = self.rates.iter().copied().filter(|rate| *rate > NEGLIGIBLE * fastest);
        let slowest = some.fold(fastest, f64::min);
        (BEFORE / fastest, AFTER / slowest)
    }

    /// First time at which each mode reaches half of s_α; None where it does not within
    /// `range`, which is looked at in steps of 2.5 %.
    pub fn half_times(&self, range: (f64, f64)) -> Vec<Option<f64>> {
        let times = times(range);
        let curves: Vec<_> = times.iter().map(|t| self.shares(*t)).collect();
        let half = |a: usize| {
            let i = curves.iter().position(|shares| shares[a] >= 0.5)?;
            let Some(before) = i.checked_sub(1) else { return Some(times[i]) };
            let (mut low, mut high) = (times[before], times[i]);
            while high / low > 1.0 + 1e-9 {
                let middle = (low * high).sqrt();
                if self.share(a, middle) >= 0.5 { high = middle } else { low = middle }
            }
            Some(high)
        };
        (0..self.modes()).map(half).collect()
    }

    /// When each mode is discovered, by all of its curve from t₀ to t_end (`range`;
    /// [`KernelFlow::range`] for all that there is to learn):
    ///
    /// ```text
    /// τ_α = exp(ln t₀ + ∫ (1 − clip(a_α/s_α, 0, 1)) d ln t)
    /// ```
    ///
    /// Where nothing is clipped and the range is wide, ln τ_α is −γ less the mean of
    /// ln(rate) over the parts of the mode, γ being Euler's constant. None for a mode
    /// of which the samples hold too little. Only order and ratios are meant.
    pub fn discovery_times(&self, range: (f64, f64)) -> Vec<Option<f64>> {
        let times = times(range);
        // τ is counted from 1.
        let scaled: Vec<f64> = times.iter().map(|t| t / times[0]).collect();
        let rows: Vec<Vec<f64>> = times.iter().map(|t| self.shares(*t)).collect();
        let tau = |mode: usize| {
            let curve: Vec<f64> = rows.iter().map(|shares| shares[mode]).collect();
            Some(times[0] * discovery_time(&scaled, &curve)?)
        };
        (0..self.modes()).map(tau).collect()
    }

    fn share(&self, mode: usize, t: f64) -> f64 {
        self.parts.row(mode).iter().zip(&self.rates).map(|(p, rate)| p * -(-rate * t).exp_m1()).sum()
    }
}

// Equally spaced in ln t, both ends included.
fn times((from, to): (f64, f64)) -> Vec<f64> {
    let length = (to / from).ln();
    let count = (length * NODES).ceil().max(1.0);
    (0..=count as usize).map(|i| from * (length * i as f64 / count).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::deep::deep_ratio;
    use ndarray::{Array1, array};
    use proptest::prelude::*;
    use rand_distr::{Distribution, StandardNormal};

    fn normal(rows: usize, cols: usize, seed: u64) -> Array2<f64> {
        let mut rng = crate::seed::rng(seed, "test/kernel_flow", 0);
        Array2::from_shape_simple_fn((rows, cols), || StandardNormal.sample(&mut rng))
    }

    // Strengths that the samples hold exactly.
    fn held(xv: &Array2<f64>, yu: &Array2<f64>) -> Vec<f64> {
        (0..xv.ncols()).map(|a| xv.column(a).dot(&yu.column(a)) / xv.nrows() as f64).collect()
    }

    // Samples 1 and 2 are mode 1, samples 3 and 4 mode 2, of two rates.
    fn by_hand(rate: f64) -> KernelFlow {
        let kernel = Array2::from_diag(&array![8.0, 8.0, 4.0, 1.0]);
        let xv = array![[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]];
        KernelFlow::new(kernel.view(), xv.view(), (&xv * 3.0).view(), &[1.5, 1.5], rate).unwrap()
    }

    #[test]
    fn a_diagonal_kernel_by_hand() {
        let flow = by_hand(1.0);
        for t in [0.0f64, 0.1, 1.0, 7.0] {
            let [first, second] = flow.strengths(t)[..] else { panic!() };
            assert!((first - 1.5 * (1.0 - (-2.0 * t).exp())).abs() < 1e-14);
            assert!((second - 1.5 * (1.0 - 0.5 * (-t).exp() - 0.5 * (-0.25 * t).exp())).abs() < 1e-14);
        }
        assert_eq!(flow.strengths(0.0), [0.0, 0.0]);
        // 1.5·2 and 1.5·(1 + 1/4)/2.
        let [first, second] = flow.first_rates()[..] else { panic!() };
        assert!((first - 3.0).abs() < 1e-14 && (second - 0.9375).abs() < 1e-14);
        let range = flow.range();
        assert!((range.0 - 0.5e-3).abs() < 1e-15 && (range.1 - 40.0).abs() < 1e-12);
        let half = flow.half_times(range);
        assert!((half[0].unwrap() - 2f64.ln() / 2.0).abs() < 1e-8);
        let second = half[1].unwrap();
        assert!((0.5 * (-second).exp() + 0.5 * (-0.25 * second).exp() - 0.5).abs() < 1e-8);
        assert_eq!(flow.half_times((1e-3, 0.5))[1], None);
        // −γ − ln 2, and −γ − (ln 1 + ln ¼)/2: one and the same would be 4 times 2.
        let tau = flow.discovery_times((1e-5, 1e3));
        let euler = 0.577_215_664_901_532_9f64;
        assert!((tau[0].unwrap() / ((-euler).exp() / 2.0) - 1.0).abs() < 1e-4, "{tau:?}");
        assert!((tau[1].unwrap() / ((-euler).exp() * 2.0) - 1.0).abs() < 1e-4, "{tau:?}");
    }

    #[test]
    fn rates_turn_times_into_steps() {
        assert!((rate_per_step(0.02, 0.9, Some(10)) - 0.02).abs() < 1e-15);
        assert!((rate_per_step(0.1, 0.0, None) - 0.1).abs() < 1e-15);
        let (flow, steps) = (by_hand(1.0), by_hand(0.01));
        for (a, b) in flow.strengths(0.7).iter().zip(steps.strengths(70.0)) {
            assert!((a - b).abs() < 1e-12);
        }
        let (a, b) = (flow.discovery_times(flow.range()), steps.discovery_times(steps.range()));
        assert!(a.iter().zip(b).all(|(a, b)| (b.unwrap() / a.unwrap() - 100.0).abs() < 1e-6));
    }

    // The very flow with a kernel of K t/t₁, by Euler's method on both curves.
    #[test]
    fn times_of_a_growing_kernel_are_the_roots_of_those_of_a_fixed_one() {
        let fixed = by_hand(1.0);
        let first = 0.3;
        let (mut rest, dt) = ([1.0f64, 0.5, 0.5], 1e-5);
        let rates = [2.0, 1.0, 0.25];
        let mut found: Vec<(f64, [f64; 2])> = Vec::new();
        for step in 0..400_000 {
            let t = f64::from(step) * dt;
            if step % 1000 == 0 && step > 0 {
                found.push((t, [1.0 - rest[0], 1.0 - rest[1] - rest[2]]));
            }
            rest.iter_mut().zip(rates).for_each(|(r, rate)| *r -= dt * rate * t / first * *r);
        }
        for (t, [a, b]) in &found {
            let shares = fixed.shares(t * t / (2.0 * first));
            assert!((shares[0] - a).abs() < 1e-4 && (shares[1] - b).abs() < 1e-4, "{t}: {shares:?} {a} {b}");
        }
        let times = fixed.discovery_times((1e-5, 1e3));
        let (a, b) = (times[0].unwrap(), times[1].unwrap());
        let times: Vec<f64> = found.iter().map(|(t, _)| t / found[0].0).collect();
        let tau = |i: usize| {
            discovery_time(&times, &found.iter().map(|(_, all)| all[i]).collect::<Vec<_>>()).unwrap()
        };
        assert!((tau(1) / tau(0) / deep_ratio(b / a) - 1.0).abs() < 0.01, "{} {}", tau(1) / tau(0), b / a);
    }

    // ŷ itself by Euler's method, for all outputs together.
    #[test]
    fn curves_are_those_of_small_steps() {
        let (p, k, m) = (12, 3, 2);
        let root = normal(p, 7, 1);
        let kernel = root.dot(&root.t());
        let (y, u, xv) = (normal(p, k, 2), normal(k, m, 3), normal(p, m, 4));
        let yu = y.dot(&u);
        let strengths: Vec<f64> = held(&xv, &yu);
        // Of either sign here: the shares are none the less.
        let flow = KernelFlow::new(kernel.view(), xv.view(), yu.view(), &[-9.0; 2], 1.0).unwrap();
        let steps = 20_000;
        let (end, mut answers) = (2.0, Array2::<f64>::zeros((p, k)));
        for _ in 0..steps {
            answers = &answers + &(kernel.dot(&(&y - &answers)) * (end / steps as f64 / p as f64));
        }
        let found = held(&xv, &answers.dot(&u));
        for (a, share) in flow.shares(end).iter().enumerate() {
            let want = found[a] / strengths[a];
            assert!((share - want).abs() < 2e-4 * want.abs().max(1.0), "mode {a}: {share} {want}");
        }
        // Five directions are learned by no one: the shares end where K has no rank.
        let settled = flow.shares(1e9);
        assert!(settled.iter().all(|s| (s - 1.0).abs() > 1e-3), "{settled:?}");
    }

    #[test]
    fn means_of_curves_by_hand() {
        let (one, other) = (by_hand(1.0), by_hand(0.25));
        let mut weak = by_hand(3.0);
        weak.parts.row_mut(1).fill(f64::NAN);
        let mean = KernelFlow::mean(&[one.clone(), other.clone(), weak.clone()]).unwrap();
        for t in [0.0, 0.3, 2.0] {
            let (a, b, c, found) = (one.shares(t), other.shares(t), weak.shares(t), mean.shares(t));
            assert!((found[0] - (a[0] + b[0] + c[0]) / 3.0).abs() < 1e-14);
            assert!((found[1] - (a[1] + b[1]) / 2.0).abs() < 1e-14);
        }
        // The fastest rate is 6, the slowest 1/16.
        let range = mean.range();
        assert!((range.0 * 6.0 - 1e-3).abs() < 1e-12 && (range.1 / 160.0 - 1.0).abs() < 1e-12);
        let none = KernelFlow::mean(&[weak.clone(), weak]).unwrap();
        assert!(none.shares(1.0)[0].is_finite() && none.shares(1.0)[1].is_nan());
        assert!(KernelFlow::mean(&[]).is_err());
    }

    #[test]
    fn what_the_samples_do_not_hold_has_no_curve() {
        let xv = array![[1.0, 1.0], [-1.0, -1.0]];
        let yu = array![[1.0, 0.1], [-1.0, -0.1]];
        let flow = KernelFlow::new(Array2::eye(2).view(), xv.view(), yu.view(), &[1.0, 1.0], 1.0).unwrap();
        let range = flow.range();
        assert!(flow.shares(1.0)[0] > 0.0 && flow.shares(1.0)[1].is_nan());
        assert!(flow.discovery_times(range)[0].is_some() && flow.discovery_times(range)[1].is_none());
        assert!(flow.half_times(range)[0].is_some() && flow.half_times(range)[1].is_none());
    }

    #[test]
    fn what_is_no_kernel_is_an_error() {
        let one = Array2::<f64>::ones((2, 1));
        let of = |kernel: Array2<f64>, rate| {
            KernelFlow::new(kernel.view(), one.view(), one.view(), &[1.0], rate).unwrap_err().to_string()
        };
        let said = of(array![[1.0, 0.0], [0.0, -1.0]], 1.0);
        assert!(said.contains("positive semidefinite") && said.contains("-1.000e0"), "{said}");
        assert!(of(Array2::zeros((2, 2)), 1.0).contains("not zero"));
        assert!(of(Array2::from_elem((2, 2), f64::NAN), 1.0).contains("finite"));
        assert!(of(Array2::eye(3), 1.0).contains("K (3, 3)"));
        for rate in [0.0, -1.0, f64::NAN] {
            assert!(of(Array2::eye(2), rate).contains("rate"));
        }
    }

    proptest! {
        // Y u_α along X v_α: every part is a square, and the curve rises from 0 to s.
        #[test]
        fn aligned_modes_rise_from_nothing_to_all(p in 3usize..12, seed in 0u64..1000, scale in -3.0f64..3.0) {
            let root = normal(p, 2 * p, seed);
            let kernel = root.dot(&root.t()) * 10f64.powf(scale);
            let xv = normal(p, 2, seed + 1);
            let yu = &xv * &Array1::from(vec![0.5, 2.0]);
            let strengths = held(&xv, &yu);
            let flow = KernelFlow::new(kernel.view(), xv.view(), yu.view(), &strengths, 1.0).unwrap();
            prop_assert_eq!(flow.strengths(0.0), vec![0.0; 2]);
            let range = flow.range();
            let curve: Vec<_> = times(range).iter().map(|t| flow.strengths(*t)).collect();
            for a in 0..2 {
                prop_assert!(curve.windows(2).all(|w| w[1][a] >= w[0][a] - 1e-12 * strengths[a]));
                let end = flow.strengths(1e3 * range.1)[a];
                prop_assert!((end / strengths[a] - 1.0).abs() < 1e-9, "{} {}", end, strengths[a]);
                let first = (flow.strengths(1e-6 * range.0)[a] / (1e-6 * range.0)) / flow.first_rates()[a];
                prop_assert!((first - 1.0).abs() < 1e-6);
            }
            for (tau, half) in flow.discovery_times(range).iter().zip(flow.half_times(range)) {
                let (tau, half) = (tau.unwrap(), half.unwrap());
                prop_assert!(range.0 < tau && tau < range.1 && range.0 < half && half < range.1);
            }
            // The order of the samples does not matter, nor does a factor of time.
            let reversed = |a: &Array2<f64>| a.slice(ndarray::s![..;-1, ..]).to_owned();
            let turned = kernel.slice(ndarray::s![..;-1, ..;-1]).to_owned() * 5.0;
            let other = KernelFlow::new(turned.view(), reversed(&xv).view(), reversed(&yu).view(), &strengths, 0.2).unwrap();
            for (a, b) in flow.discovery_times(range).iter().zip(other.discovery_times(range)) {
                prop_assert!((a.unwrap() / b.unwrap() - 1.0).abs() < 1e-6);
            }
        }
    }
}
