//! What every theory answers, before anything is trained.

use crate::spectrum::Energies;

/// Learning curves of the modes of a data set, computed from data and initial weights.
///
/// Times are those of the gradient flow, t = steps · η.
pub trait Forecast {
    /// Name of the theory: "closed", "mode", "stationary" or "flow".
    fn theory(&self) -> &'static str;

    /// a_α at time `t` ≥ 0, one per mode in the order of the modes.
    fn strengths(&self, t: f64) -> Vec<f64>;

    /// First time at which a_α of mode `mode` reaches `share`·s_α, share in (0, 1);
    /// 0 where it starts above, None where it never does, or not as far as the
    /// theory has been followed.
    fn time_to(&self, mode: usize, share: f64) -> Option<f64>;

    /// Energies of the template u_αᵀE of mode `mode` at its half-time, summed over
    /// channels; None where there is no half-time.
    fn discovered_with(&self, mode: usize) -> Option<Energies>;

    /// The same at any time `t` ≥ 0, where the theory can say.
    fn template(&self, mode: usize, t: f64) -> Option<Energies> {
        let _ = (mode, t);
        None
    }
}
