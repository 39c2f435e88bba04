//! Dormand–Prince 5(4) with adaptive steps and dense output, for states of up
//! to millions of numbers: everything happens in place, and what leaves the
//! integrator is a step at a time, so that only what is measured of the state
//! has to be kept. (Crates for ordinary differential equations keep the state
//! itself at every output.)
//!
//! Coefficients, error estimate and continuous extension: Hairer, Nørsett &
//! Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., II.5 and II.6.

use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::error::{Error, Result};

/// An autonomous system ẏ = f(y).
pub trait System {
    /// Writes f(y) into `derivative`, which has the length of `y`.
    fn derivative(&mut self, y: &[f64], derivative: &mut [f64]);
}

impl<F: FnMut(&[f64], &mut [f64])> System for F {
    fn derivative(&mut self, y: &[f64], derivative: &mut [f64]) {
        self(y, derivative);
    }
}

/// How closely to follow the solution.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy {
    /// Error allowed per step, relative to each component…
    pub relative: f64,
    /// …plus this much, absolutely.
    pub absolute: f64,
    /// Steps after which to give up.
    pub most_steps: usize,
}

/// An accepted step from `t` to `t + h`.
pub struct Step<'a> {
    /// Where it began.
    pub t: f64,
    /// Its length.
    pub h: f64,
    /// State at its beginning.
    pub y0: &'a [f64],
    /// State at its end.
    pub y1: &'a [f64],
    k: &'a [Vec<f64>; 7],
}

impl Step<'_> {
    /// State at t + θh, θ in [0, 1], of fourth order.
    pub fn at(&self, theta: f64, out: &mut [f64]) {
        // The polynomial in θ, gathered into one weight per vector.
        let (t, s) = (theta, 1.0 - theta);
        // y = y0 + θ(Δ + s(hk1 − Δ + θ(2Δ − hk7 − hk1 + s·Σ h d_i k_i))), Δ = y1 − y0.
        let of_delta = t * (1.0 - s + 2.0 * s * t);
        let mut weights = D.map(|d| self.h * d * t * t * s * s);
        weights[0] += self.h * (t * s - t * t * s);
        weights[6] -= self.h * t * t * s;
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, out)| {
            let from = c * CHUNK;
            for (i, out) in out.iter_mut().enumerate() {
                let i = from + i;
                let mut y = self.y0[i] + of_delta * (self.y1[i] - self.y0[i]);
                for (w, k) in weights.iter().zip(self.k) {
                    y += w * k[i];
                }
                *out = y;
            }
        });
    }
}

// States are split for threads into pieces of this many numbers.
const CHUNK: usize = 1 << 15;

const A: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
// Fifth order minus fourth.
const E: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];
// Of the continuous extension.
const D: [f64; 7] = [
    -12715105075.0 / 11282082432.0,
    0.0,
    87487479700.0 / 32700410799.0,
    -10690763975.0 / 1880347072.0,
    701980252875.0 / 199316789632.0,
    -1453857185.0 / 822651844.0,
    69997945.0 / 29380423.0,
];

/// Integrates from t = 0 and shows every accepted step, until `observe` breaks
/// or `end` is reached; the time reached.
///
/// # Errors
/// [`Error::Integration`] with time and step where the tolerance cannot be met,
/// the state leaves the numbers or the steps run out; errors of `observe`.
pub fn integrate(
    system: &mut impl System,
    mut y: Vec<f64>,
    end: f64,
    accuracy: Accuracy,
    mut observe: impl FnMut(&Step) -> Result<ControlFlow<()>>,
) -> Result<f64> {
    let n = y.len();
    let mut k: [Vec<f64>; 7] = std::array::from_fn(|_| vec![0.0; n]);
    let mut next = vec![0.0; n];
    system.derivative(&y, &mut k[0]);
    let mut t = 0.0;
    let mut h = first_step(system, &y, &k[0], &mut next, &accuracy).min(end);
    let (mut previous, mut rejected) = (1e-4f64, false);
    let fail = |t: f64, h: f64, why: &str| Error::Integration {
        t,
        h,
        tolerance: accuracy.relative,
        why: why.to_owned(),
    };
    for _ in 0..accuracy.most_steps {
        if t >= end {
            return Ok(t);
        }
        if h.is_nan() || h <= 16.0 * f64::EPSILON * t.max(f64::MIN_POSITIVE) {
            return Err(fail(t, h, "the step has become too small to advance the time"));
        }
        h = h.min(end - t);
        for (stage, a) in A.iter().enumerate() {
            combine(&y, &k, a, h, &mut next);
            let (_, rest) = k.split_at_mut(stage + 1);
            system.derivative(&next, &mut rest[0]);
        }
        // The last stage's state is the fifth-order solution (first same as last).
        let error = error_norm(&y, &next, &k, h, &accuracy);
        if !error.is_finite() {
            if rejected && h < 1e-12 * t.max(1e-300) {
                return Err(fail(t, h, "the state is not finite"));
            }
            (h, rejected) = (0.1 * h, true);
            continue;
        }
        // PI control (Gustafsson): steps change little from one to the next.
        const BETA: f64 = 0.04;
        let factor = 0.9 * error.max(1e-10).powf(0.75 * BETA - 0.2) * previous.powf(BETA);
        if error > 1.0 {
            h *= (0.9 * error.powf(-0.2)).clamp(0.2, 1.0);
            rejected = true;
            continue;
        }
        let step = Step { t, h, y0: &y, y1: &next, k: &k };
        let flow = observe(&step)?;
        t = if t + h >= end { end } else { t + h };
        if flow.is_break() {
            return Ok(t);
        }
        std::mem::swap(&mut y, &mut next);
        k.swap(0, 6);
        previous = error.max(1e-4);
        h *= factor.clamp(0.2, if rejected { 1.0 } else { 10.0 });
        rejected = false;
    }
    Err(fail(t, h, &format!("{} steps were not enough", accuracy.most_steps)))
}

// y + h Σ a_j k_j.
fn combine(y: &[f64], k: &[Vec<f64>; 7], a: &[f64], h: f64, out: &mut [f64]) {
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, out)| {
        let range = c * CHUNK..c * CHUNK + out.len();
        out.copy_from_slice(&y[range.clone()]);
        for (a, k) in a.iter().zip(k).filter(|(a, _)| **a != 0.0) {
            out.iter_mut().zip(&k[range.clone()]).for_each(|(y, k)| *y += h * a * k);
        }
    });
}

fn error_norm(y0: &[f64], y1: &[f64], k: &[Vec<f64>; 7], h: f64, accuracy: &Accuracy) -> f64 {
    // Sums per piece, added in order: the same bits whatever the threads do.
    let sums: Vec<f64> = y0
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(c, piece)| {
            let from = c * CHUNK;
            let square = |i: usize| {
                let error: f64 = E.iter().zip(k).map(|(e, k)| e * k[i]).sum();
                let scale = accuracy.absolute + accuracy.relative * y0[i].abs().max(y1[i].abs());
                (h * error / scale).powi(2)
            };
            (from..from + piece.len()).map(square).sum()
        })
        .collect();
    (sums.iter().sum::<f64>() / y0.len().max(1) as f64).sqrt()
}

// Hairer's guess: a step that changes the state, and its derivative, by little.
fn first_step(
    system: &mut impl System,
    y: &[f64],
    derivative: &[f64],
    scratch: &mut [f64],
    accuracy: &Accuracy,
) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = (f64, f64)>| {
        let sum: f64 =
            values.map(|(v, y)| (v / (accuracy.absolute + accuracy.relative * y.abs())).powi(2)).sum();
        (sum / y.len().max(1) as f64).sqrt()
    };
    let d0 = norm(&mut y.iter().map(|&v| (v, v)));
    let d1 = norm(&mut derivative.iter().copied().zip(y.iter().copied()));
    let h0 = if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 };
    scratch.iter_mut().zip(y).zip(derivative).for_each(|((s, y), d)| *s = y + h0 * d);
    let mut ahead = vec![0.0; y.len()];
    system.derivative(scratch, &mut ahead);
    let change = ahead.iter().zip(derivative).map(|(a, b)| a - b).zip(y.iter().copied());
    let d2 = norm(&mut { change }) / h0;
    let largest = d1.max(d2);
    let h1 = if largest <= 1e-15 { (h0 * 1e-3).max(1e-6) } else { (0.01 / largest).powf(0.2) };
    (100.0 * h0).min(h1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: Accuracy = Accuracy { relative: 1e-10, absolute: 1e-14, most_steps: 100_000 };

    fn logistic(y: &[f64], d: &mut [f64]) {
        d[0] = 2.0 * y[0] * (1.0 - y[0]);
    }

    fn exact(t: f64) -> f64 {
        1.0 / (1.0 + 99.0 * (-2.0 * t).exp())
    }

    #[test]
    fn a_rotation_comes_back() {
        let mut turn = |y: &[f64], d: &mut [f64]| (d[0], d[1]) = (-y[1], y[0]);
        let mut last = vec![];
        let end = std::f64::consts::TAU;
        let t = integrate(&mut turn, vec![1.0, 0.0], end, TIGHT, |s| {
            last = s.y1.to_vec();
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(t.unwrap(), end);
        assert!((last[0] - 1.0).abs() < 1e-8 && last[1].abs() < 1e-8, "{last:?}");
    }

    // Order of convergence against the closed form, from runs with fixed steps:
    // a tolerance that never rejects, and the step bounded by short spans.
    #[test]
    fn converges_with_order_five_and_densely_with_order_four() {
        let errors = |steps: usize| {
            let h = 4.0 / steps as f64;
            let (mut k, mut y, mut next) = (std::array::from_fn(|_| vec![0.0; 1]), vec![0.01], vec![0.0]);
            let mut between = 0.0f64;
            for i in 0..steps {
                logistic(&y, &mut k[0]);
                for (stage, a) in A.iter().enumerate() {
                    combine(&y, &k, a, h, &mut next);
                    let (_, rest) = k.split_at_mut(stage + 1);
                    logistic(&next, &mut rest[0]);
                }
                let t = i as f64 * h;
                let step = Step { t, h, y0: &y, y1: &next, k: &k };
                for theta in [0.25, 0.5, 0.75] {
                    let mut at = [0.0];
                    step.at(theta, &mut at);
                    between = between.max((at[0] - exact(t + theta * h)).abs());
                }
                std::mem::swap(&mut y, &mut next);
            }
            ((y[0] - exact(4.0)).abs(), between)
        };
        for steps in [32, 64] {
            let (coarse, fine) = (errors(steps), errors(2 * steps));
            let order = (coarse.0 / fine.0).log2();
            assert!((4.6..5.6).contains(&order), "order {order} at {steps} steps");
            // Locally of fourth order: globally no worse than that.
            let dense = (coarse.1 / fine.1).log2();
            assert!((3.8..5.6).contains(&dense), "dense order {dense} at {steps} steps");
        }
    }

    #[test]
    fn dense_output_meets_both_ends_and_the_error_follows_the_tolerance() {
        let mut worst = Vec::new();
        for relative in [1e-5, 1e-7, 1e-9] {
            let accuracy = Accuracy { relative, absolute: 0.01 * relative, most_steps: 1000 };
            let (mut error, mut count) = (0.0f64, 0);
            integrate(&mut logistic, vec![0.01], 6.0, accuracy, |s| {
                let mut y = [0.0];
                for (theta, want) in [(0.0, s.y0[0]), (1.0, s.y1[0])] {
                    s.at(theta, &mut y);
                    assert!((y[0] - want).abs() < 1e-14);
                }
                for i in 0..=8 {
                    let theta = f64::from(i) / 8.0;
                    s.at(theta, &mut y);
                    error = error.max((y[0] - exact(s.t + theta * s.h)).abs());
                }
                count += 1;
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
            assert!(error < 100.0 * relative && count < 200, "{error} in {count} steps");
            worst.push(error);
        }
        assert!(worst.windows(2).all(|w| w[1] < 0.1 * w[0]), "{worst:?}");
    }

    #[test]
    fn stops_where_it_is_told_and_reports_what_it_cannot_do() {
        let mut count = 0;
        let t = integrate(&mut logistic, vec![0.01], 6.0, TIGHT, |_| {
            count += 1;
            Ok(if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert!(count == 3 && t.unwrap() < 6.0);
        // ẏ = y² blows up at t = 1.
        let mut blow_up = |y: &[f64], d: &mut [f64]| d[0] = y[0] * y[0];
        let go = |_: &Step| Ok(ControlFlow::Continue(()));
        let error = integrate(&mut blow_up, vec![1.0], 2.0, TIGHT, go).unwrap_err().to_string();
        assert!(error.contains("t = ") && error.contains("step"), "{error}");
        let few = Accuracy { most_steps: 5, ..TIGHT };
        let error = integrate(&mut logistic, vec![0.01], 6.0, few, go).unwrap_err().to_string();
        assert!(error.contains("5 steps were not enough"), "{error}");
        let mut broken = |_: &[f64], d: &mut [f64]| d[0] = f64::NAN;
        assert!(integrate(&mut broken, vec![1.0], 2.0, TIGHT, go).is_err());
    }
}
