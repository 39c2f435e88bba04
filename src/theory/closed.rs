//! Closed form for modes that are single frequencies.
//!
//! Assumptions: every v_α is one cosine, no two modes share a frequency,
//! Σxx v_α = λ_α v_α, and both layers start balanced and aligned with the mode
//! (a *matched* start) at a_α(0) = a₀. Then each mode follows by itself
//!
//!   a(t) = s / (1 + (s/a₀ − 1) e^{−2 g s t}),
//!
//! g = √(n/2) for the circular convolutional network and g = 1 for the fully
//! connected one (Pinson, Lenaerts & Ginis 2023; for g = 1 Saxe, McClelland &
//! Ganguli 2014). A frequency that is its own conjugate has g = √n; in general
//! g is the concentration ρ of the mode. With gradient-descent steps of size η
//! each e^{g s η} becomes 1 + g s η, which is what the curve does while the mode
//! is small, where all of its time goes.

use crate::error::{Error, Result};
use crate::spectrum::Energies;
use crate::theory::forecast::Forecast;
use crate::theory::modes::Modes;

/// The learning curve of one mode.
/// ```
/// use domfreq::theory::closed::Closed;
///
/// // On modes of one frequency the LCNN (g = √(n/2)) is √(n/2) times as fast as the FCNN.
/// let [fcnn, lcnn] = [1.0, 128f64.sqrt()].map(|g| Closed::new(2.0, 1e-3, g));
/// let ratio = fcnn?.time_to(0.5) / lcnn?.time_to(0.5);
/// assert!((ratio - 128f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), domfreq::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closed {
    s: f64,
    a0: f64,
    g: f64,
}

impl Closed {
    /// Strength `s`, start `a0` in (0, s), gain `g`.
    ///
    /// # Errors
    /// [`Error::Input`] outside 0 < a₀ < s or for a gain that is not positive.
    pub fn new(s: f64, a0: f64, g: f64) -> Result<Self> {
        if !(a0 > 0.0 && a0 < s && s.is_finite() && g > 0.0 && g.is_finite()) {
            let found = format!("s = {s}, a0 = {a0}, g = {g}");
            return Err(Error::input("closed form", "0 < a0 < s and g > 0", found));
        }
        Ok(Self { s, a0, g })
    }

    /// a(t), t in units of the gradient flow (steps × η).
    pub fn at_time(&self, t: f64) -> f64 {
        self.logistic((-2.0 * self.g * self.s * t).exp())
    }

    /// a after `step` steps of gradient descent of size `eta`, with the finite-step correction.
    pub fn at_step(&self, step: f64, eta: f64) -> f64 {
        self.logistic((-2.0 * step * (self.g * self.s * eta).ln_1p()).exp())
    }

    /// Time at which a = `fraction`·s, fraction in (0, 1); negative if it starts above.
    pub fn time_to(&self, fraction: f64) -> f64 {
        self.exponent(fraction) / (2.0 * self.g * self.s)
    }

    /// Step at which a = `fraction`·s, with the finite-step correction.
    pub fn step_to(&self, fraction: f64, eta: f64) -> f64 {
        self.exponent(fraction) / (2.0 * (self.g * self.s * eta).ln_1p())
    }

    fn logistic(&self, decay: f64) -> f64 {
        self.s / (1.0 + (self.s / self.a0 - 1.0) * decay)
    }

    fn exponent(&self, fraction: f64) -> f64 {
        ((self.s / self.a0 - 1.0) * fraction / (1.0 - fraction)).ln()
    }
}

/// The learning curves of all modes from a matched start.
#[derive(Clone, Debug)]
pub struct ClosedForm {
    curves: Vec<Closed>,
    energies: Vec<Energies>,
    eta: Option<f64>,
}

impl ClosedForm {
    /// For modes that all start at the share `start` of their strength. With
    /// `eta` it is gradient descent of that step size, without it the flow.
    ///
    /// # Errors
    /// As [`Closed::new`].
    pub fn new(modes: &Modes, convolutional: bool, start: f64, eta: Option<f64>) -> Result<Self> {
        let curves = modes.list.iter().map(|m| Closed::new(m.s, start * m.s, m.gain(convolutional)));
        let energies = modes.list.iter().map(|m| m.energies.clone()).collect();
        Ok(Self { curves: curves.collect::<Result<_>>()?, energies, eta })
    }
}

impl Forecast for ClosedForm {
    fn theory(&self) -> &'static str {
        "closed"
    }

    fn strengths(&self, t: f64) -> Vec<f64> {
        let at = |c: &Closed| self.eta.map_or_else(|| c.at_time(t), |eta| c.at_step(t / eta, eta));
        self.curves.iter().map(at).collect()
    }

    fn time_to(&self, mode: usize, share: f64) -> Option<f64> {
        let c = self.curves.get(mode)?;
        let t = self.eta.map_or_else(|| c.time_to(share), |eta| c.step_to(share, eta) * eta);
        Some(t.max(0.0))
    }

    /// A matched network uses the mode's image itself.
    fn discovered_with(&self, mode: usize) -> Option<Energies> {
        self.energies.get(mode).cloned()
    }

    fn template(&self, mode: usize, _t: f64) -> Option<Energies> {
        self.discovered_with(mode)
    }
}

/// Tolerance: on "one frequency" the share of the energy elsewhere, on
/// "eigenvector" the residual relative to λ.
const PURE: f64 = 1e-3;

/// Why the closed form does not hold for these modes, or None where it does.
/// `convolutional` asks for single frequencies too; Σxx v_α = λ_α v_α is asked
/// for always, through `residuals`: ‖Σxx v_α − λ_α v_α‖ per mode.
pub fn obstacle(modes: &Modes, residuals: &[f64], convolutional: bool) -> Option<String> {
    for (a, (mode, residual)) in modes.list.iter().zip(residuals).enumerate() {
        if *residual > PURE * mode.lambda {
            return Some(format!(
                "mode {} is no eigenvector of Σxx (residual {:.1e} λ, {PURE} at most)",
                a + 1,
                residual / mode.lambda
            ));
        }
    }
    if !convolutional {
        return None;
    }
    if modes.shape[0] != 1 {
        return Some(format!("the images have {} channels", modes.shape[0]));
    }
    for (a, mode) in modes.list.iter().enumerate() {
        let (_, share) = mode.energies.strongest(1)[0];
        if share < 1.0 - PURE {
            let found = 100.0 * share;
            return Some(format!("mode {} is no single frequency (the strongest holds {found:.0} %)", a + 1));
        }
        if let Some(b) = modes.list[..a].iter().position(|other| other.dominant == mode.dominant) {
            return Some(format!("modes {} and {} share the frequency {}", b + 1, a + 1, mode.dominant));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::tests_support::{cosine_samples, random_samples};
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        // s = 1, a0 = 1/4, g = 1: a(t) = 1/(1 + 3e^{−2t}); half at ln 3 / 2.
        let c = Closed::new(1.0, 0.25, 1.0).unwrap();
        assert_eq!(c.at_time(0.0), 0.25);
        assert!((c.time_to(0.5) - 3f64.ln() / 2.0).abs() < 1e-15);
        assert!((c.at_time(3f64.ln() / 2.0) - 0.5).abs() < 1e-15);
        // One step of η = 1: the factor e^{−2} becomes (1 + 1)^{−2}.
        assert!((c.at_step(1.0, 1.0) - 1.0 / (1.0 + 3.0 / 4.0)).abs() < 1e-15);
        assert!(Closed::new(1.0, 1.0, 1.0).is_err() && Closed::new(1.0, 0.0, 1.0).is_err());
        assert!(Closed::new(1.0, f64::NAN, 1.0).is_err() && Closed::new(1.0, 0.1, 0.0).is_err());
    }

    #[test]
    fn solves_its_differential_equation() {
        // da/dt = 2 g a (s − a), by central differences.
        let c = Closed::new(2.3, 1e-3, 3.0).unwrap();
        for i in 0..60 {
            let (t, h) = (f64::from(i) * 0.02, 1e-5);
            let slope = (c.at_time(t + h) - c.at_time(t - h)) / (2.0 * h);
            let a = c.at_time(t);
            assert!((slope - 6.0 * a * (2.3 - a)).abs() < 1e-7);
        }
    }

    proptest! {
        #[test]
        fn crossing_times_invert_the_curve(
            s in 0.01f64..10.0, start in 1e-6f64..0.09, g in 0.5f64..30.0, fraction in 0.1f64..0.95
        ) {
            let c = Closed::new(s, start * s, g).unwrap();
            prop_assert!((c.at_time(c.time_to(fraction)) / s - fraction).abs() < 1e-9);
            let eta = 0.01 / (g * s);
            let step = c.step_to(fraction, eta);
            prop_assert!((c.at_step(step, eta) / s - fraction).abs() < 1e-9);
            // A finite step is slower than the flow, by about g·s·η/2.
            let ratio = step * eta / c.time_to(fraction);
            prop_assert!(ratio > 1.0 && ratio < 1.006);
        }
    }

    #[test]
    fn obstacles_are_named() {
        let pure = cosine_samples((8, 8), &[(1, 2, 2.0, 0.3), (-3, 1, 1.0, 1.1)]);
        let modes = Modes::new(&pure).unwrap();
        assert_eq!(obstacle(&modes, &[0.0, 0.0], true), None);
        assert!(obstacle(&modes, &[0.0, 9.0], false).unwrap().contains("mode 2 is no eigenvector"));
        let rough = Modes::new(&random_samples(100, [1, 6, 6], 3, 5)).unwrap();
        assert!(obstacle(&rough, &[0.0; 3], true).unwrap().contains("no single frequency"));
        assert_eq!(obstacle(&rough, &[0.0; 3], false), None);
    }
}
