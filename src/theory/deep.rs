//! Times of deep networks: a rule that was found, not derived.
//!
//! Where the linear theory or a fixed tangent kernel says that one mode is discovered r times as late
//! as another, deep networks discover it about √r times as late. The linear theory is that of an
//! LCNN, whose times go with 1/(s·ρ) ([`super::closed`]). How near that is, and how near it is to say
//! that all modes come at once, is in `assets/study`, of ResNets and CNNs. Rates that grow in
//! proportion to time would do just that ([`deep_ratio`]); the kernel of a network does grow,
//! but most of it in the first tens of updates, so that this is not the reason.

use crate::theory::Mode;

/// Ratio of two discovery times in a deep network, of the ratio that a theory of constant rates gives.
///
/// With all rates multiplied by t/t₁ the theory's own time is ∫ (t/t₁) dt = t²/(2 t₁), so that
/// ratios of times become their square roots.
pub fn deep_ratio(ratio: f64) -> f64 {
    ratio.sqrt()
}

/// Discovery time τ of each mode over that of the earliest, from the data alone:
/// √(max(s·ρ)/(s_α ρ_α)). Empty for no mode.
pub fn relative_times(modes: &[Mode]) -> Vec<f64> {
    let strength = |mode: &Mode| mode.s * mode.rho;
    let largest = modes.iter().map(strength).fold(0.0, f64::max);
    modes.iter().map(|mode| deep_ratio(largest / strength(mode))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_times_by_hand() {
        let mode = |s: f64, rho: f64| Mode {
            s,
            rho,
            ..crate::theory::Modes::new(
                &crate::data::prepare(
                    crate::data::load(&"cosines:size=8".parse().unwrap(), &Default::default()).unwrap(),
                    crate::data::Normalize::None,
                    false,
                )
                .unwrap(),
            )
            .unwrap()
            .list
            .remove(0)
        };
        // s·ρ of 8, 2 and 4: the largest over them is 1, 4 and 2.
        let found = relative_times(&[mode(2.0, 4.0), mode(2.0, 1.0), mode(1.0, 4.0)]);
        assert!(found.iter().zip([1.0, 2.0, 2f64.sqrt()]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert!(relative_times(&[]).is_empty());
    }
}
