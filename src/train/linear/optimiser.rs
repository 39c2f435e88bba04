//! Stochastic gradient descent with buffers of our own: tch exports no
//! optimiser state, and a resumed run needs it.

use tch::{Kind, Tensor};

use crate::error::Result;

/// w ← w − η·b with b ← μ·b + gradient, as PyTorch's SGD without dampening.
#[derive(Debug)]
pub struct Sgd {
    parameters: Vec<Tensor>,
    velocity: Vec<Tensor>,
    momentum: f64,
    // −η as a tensor: `addcmul_` with it updates in place without a temporary.
    descent: Tensor,
}

impl Sgd {
    /// For `parameters`, which it updates in place.
    pub fn new(parameters: &[Tensor], eta: f64, momentum: f64) -> Self {
        let descent = Tensor::from(-eta).to_kind(parameters[0].kind()).to_device(parameters[0].device());
        let velocity = if momentum == 0.0 {
            Vec::new()
        } else {
            parameters.iter().map(|p| p.zeros_like().set_requires_grad(false)).collect()
        };
        Self {
            parameters: parameters.iter().map(Tensor::shallow_clone).collect(),
            velocity,
            momentum,
            descent,
        }
    }

    /// One update with a gradient for each parameter.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch fails.
    pub fn step(&mut self, gradients: &[Tensor]) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        for (i, gradient) in gradients.iter().enumerate() {
            debug_assert!(matches!(gradient.kind(), Kind::Float | Kind::Double));
            let direction = match self.velocity.get_mut(i) {
                None => gradient,
                Some(velocity) => {
                    let _ = velocity.f_mul_scalar_(self.momentum)?;
                    let _ = velocity.f_add_(gradient)?;
                    velocity
                }
            };
            let _ = self.parameters[i].f_addcmul_(direction, &self.descent)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_by_hand() {
        let w = Tensor::from_slice(&[1.0f64]).set_requires_grad(true);
        let mut sgd = Sgd::new(&[w.shallow_clone()], 0.1, 0.5);
        let g = Tensor::from_slice(&[2.0f64]);
        sgd.step(&[g.shallow_clone()]).unwrap(); // b = 2,  w = 0.8
        sgd.step(&[g]).unwrap(); // b = 3,  w = 0.5
        assert!((w.double_value(&[0]) - 0.5).abs() < 1e-15);
        let plain = Tensor::from_slice(&[1.0f64]).set_requires_grad(true);
        Sgd::new(&[plain.shallow_clone()], 0.1, 0.0).step(&[Tensor::from_slice(&[2.0f64])]).unwrap();
        assert!((plain.double_value(&[0]) - 0.8).abs() < 1e-15);
    }
}
