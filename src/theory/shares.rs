//! With which frequencies a mode will be learned, expected over Gaussian weights.
//!
//! Mode theory ([`super::mode_theory`]) without the actual weights: entries of Ŵ2 and ŵ are
//! independent with variance ε² (they are drawn with standard deviation ε and the DFT is
//! unitary), so that of P_k and Q_k the mean is M ε², and a network of M kernels has of
//! frequency k at the internal time τ
//!
//! ```text
//! a_k(τ) = λ √n |v̂(k)| M ε² sinh(2 κ_k τ),   κ_k = √n |v̂(k)|,   Σ_k a_k(τ) = a(τ)
//! ```
//!
//! How much of the mode is learned, a, gives τ, and with it the shares a_k/a; at the end
//! a = s. A fully connected network has κ = 1 for all: a_k/a = |v̂(k)|², the mode's own
//! spectrum, throughout.
//!
//! The assumptions are those of mode theory, and that the mean over weights is what one
//! draw gives: good where many frequencies or kernels take part, and for small ε, where the
//! draw enters by its logarithm.

/// A network of one convolution layer with kernels of the images' size, before training.
#[derive(Clone, Copy, Debug)]
pub struct GaussianStart {
    /// Pixels of an image.
    pub n: usize,
    /// Number M of kernels.
    pub kernels: usize,
    /// Standard deviation ε of the initial weights.
    pub epsilon: f64,
}

/// Shares a_k/a of frequencies of energies `|v̂(k)|²` (one per entry of the full plane;
/// zeros may be left out) in the strength `a` > 0 of a mode of variance `lambda`. They sum
/// to 1.
pub fn shares(energies: &[f64], lambda: f64, a: f64, start: GaussianStart) -> Vec<f64> {
    let root = (start.n as f64).sqrt();
    let start = lambda * root * start.kernels as f64 * start.epsilon.powi(2);
    let parts = |tau: f64| -> Vec<f64> {
        energies.iter().map(|e| start * e.sqrt() * (2.0 * root * e.sqrt() * tau).sinh()).collect()
    };
    let learned = |tau: f64| parts(tau).iter().sum::<f64>() >= a;
    // The strongest frequency alone is there by then.
    let strongest = energies.iter().fold(0f64, |m, e| m.max(e.sqrt()));
    let mut end = (a / (start * strongest)).asinh() / (2.0 * root * strongest);
    let mut begin = 0.0;
    for _ in 0..200 {
        let middle = 0.5 * (begin + end);
        if learned(middle) {
            end = middle;
        } else {
            begin = middle;
        }
    }
    let found = parts(end);
    let sum: f64 = found.iter().sum();
    found.iter().map(|a| a / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn equal_energies_share_equally() {
        for share in shares(&[0.25; 4], 3.0, 1.5, GaussianStart { n: 64, kernels: 2, epsilon: 1e-4 }) {
            assert_relative_eq!(share, 0.25, max_relative = 1e-12);
        }
    }

    #[test]
    fn two_entries_by_hand() {
        // n = 4, λ √n M ε² = 1e-6, |v̂| = 0.8 and 0.6: sinh(3.2 τ), sinh(2.4 τ) with
        // 0.8 sinh(3.2 τ) + 0.6 sinh(2.4 τ) = 1e6 s.
        let start = GaussianStart { n: 4, kernels: 1, epsilon: 1e-3 };
        let found = shares(&[0.64, 0.36], 0.5, 1.0, start);
        let tau = (1..4_000_000u32)
            .map(|i| f64::from(i) * 2e-6)
            .find(|t| 0.8 * (3.2 * t).sinh() + 0.6 * (2.4 * t).sinh() >= 1e6)
            .unwrap();
        let (a, b) = (0.8 * (3.2 * tau).sinh(), 0.6 * (2.4 * tau).sinh());
        assert_relative_eq!(found[0], a / (a + b), max_relative = 1e-5);
        assert!((found[0] + found[1] - 1.0).abs() < 1e-12);
        // From large weights the mode is learned at once, with its spectrum.
        let large = shares(&[0.64, 0.36], 0.5, 1.0, GaussianStart { epsilon: 1e3, ..start });
        assert_relative_eq!(large[0], 0.64, max_relative = 1e-3);
    }

    #[test]
    fn smaller_weights_leave_less_to_the_weaker() {
        let weaker = [1e-1, 1e-3, 1e-6]
            .map(|epsilon| shares(&[0.6, 0.4], 2.0, 1.0, GaussianStart { n: 256, kernels: 1, epsilon })[1]);
        assert!(weaker[0] > weaker[1] && weaker[1] > weaker[2] && weaker[0] < 0.4, "{weaker:?}");
    }
}
