//! Update rules with buffers of our own: tch exports none, and a resumed run
//! needs them.

use tch::Tensor;

use crate::error::Result;
use crate::model::deep::{Entry, Role, state};
use crate::run::config::{OptimConfig, OptimKind};
use crate::weights::StateDict;

/// SGD with momentum, or AdamW, in PyTorch's formulas.
pub struct Optimiser {
    rule: Rule,
    clip: Option<f64>,
    decay: f64,
    parameters: Vec<Parameter>,
    /// Updates made.
    step: u64,
}

struct Parameter {
    name: String,
    tensor: Tensor,
    decays: bool,
    buffers: Vec<Tensor>,
}

#[derive(Clone, Copy)]
enum Rule {
    // b ← μ b + g; w ← w − η b, or with Nesterov's look ahead w ← w − η (g + μ b).
    Sgd { momentum: f64, nesterov: bool },
    // Loshchilov & Hutter 2019: decay apart from the gradient's moments.
    AdamW { betas: [f64; 2], epsilon: f64 },
}

impl Rule {
    fn buffers(self) -> &'static [&'static str] {
        match self {
            Rule::Sgd { momentum: 0.0, .. } => &[],
            Rule::Sgd { .. } => &["momentum_buffer"],
            Rule::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
        }
    }
}

impl Optimiser {
    /// For `parameters`, which it updates in place.
    pub fn new<'a>(
        config: &OptimConfig,
        momentum: f64,
        parameters: impl Iterator<Item = &'a Entry>,
    ) -> Result<Self> {
        let rule = match config.kind {
            OptimKind::Sgd => Rule::Sgd { momentum, nesterov: config.nesterov },
            OptimKind::Adamw => Rule::AdamW { betas: config.betas, epsilon: config.epsilon },
        };
        let parameters = parameters.map(|entry| {
            let tensor = entry.tensor.shallow_clone();
            let zeros = |_: &&str| Ok(tensor.detach().f_zeros_like()?);
            Ok(Parameter {
                name: entry.name.clone(),
                decays: config.weight_decay > 0.0 && (config.decay_all || entry.role != Role::Vector),
                buffers: rule.buffers().iter().map(zeros).collect::<Result<_>>()?,
                tensor,
            })
        });
        Ok(Self {
            rule,
            clip: config.clip,
            decay: config.weight_decay,
            parameters: parameters.collect::<Result<_>>()?,
            step: 0,
        })
    }

    /// The tensors to be updated, for autograd.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.parameters.iter().map(|p| p.tensor.shallow_clone()).collect()
    }

    /// One update of step size `eta` with a gradient for each parameter.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when libtorch fails.
    pub fn update(&mut self, gradients: &[Tensor], eta: f64) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        if let Some(most) = self.clip {
            clip(gradients, most)?;
        }
        self.step += 1;
        // `addcmul` with a factor that is a tensor rounds once, as PyTorch's `add`
        // with one that is a number, which tch does not have.
        let like = |value: f64, t: &Tensor| -> Result<Tensor> {
            Ok(Tensor::f_full([0; 0], value, (t.kind(), t.device()))?)
        };
        let Some(first) = self.parameters.first().map(|p| p.tensor.shallow_clone()) else { return Ok(()) };
        let (descent, decay) = (like(-eta, &first)?, like(self.decay, &first)?);
        for (p, gradient) in self.parameters.iter_mut().zip(gradients) {
            match self.rule {
                Rule::Sgd { momentum, nesterov } => {
                    let mut gradient = gradient.shallow_clone();
                    if p.decays {
                        gradient = gradient.f_addcmul(&p.tensor, &decay)?;
                    }
                    let direction = match p.buffers.first_mut() {
                        None => gradient,
                        Some(buffer) => {
                            let buffer = buffer.f_mul_scalar_(momentum)?.f_add_(&gradient)?;
                            if nesterov { gradient.f_add(&buffer.f_mul_scalar(momentum)?)? } else { buffer }
                        }
                    };
                    let _ = p.tensor.f_addcmul_(&direction, &descent)?;
                }
                Rule::AdamW { betas: [first, second], epsilon } => {
                    if p.decays {
                        let _ = p.tensor.f_mul_scalar_(1.0 - eta * self.decay)?;
                    }
                    let [mean, square] = &mut p.buffers[..] else { unreachable!("AdamW has two buffers") };
                    let _ = mean.f_lerp_(gradient, 1.0 - first)?;
                    let squared = gradient.f_square()?.f_mul_scalar(1.0 - second)?;
                    let _ = square.f_mul_scalar_(second)?.f_add_(&squared)?;
                    let corrected = |beta: f64| 1.0 - beta.powi(self.step as i32);
                    let root =
                        square.f_sqrt()?.f_div_scalar_(corrected(second).sqrt())?.f_add_scalar_(epsilon)?;
                    let direction = mean.f_div(&root)?.f_mul_scalar_(eta / corrected(first))?;
                    let _ = p.tensor.f_sub_(&direction)?;
                }
            }
        }
        Ok(())
    }

    fn named(&self) -> Vec<(String, &Tensor)> {
        let names = self.rule.buffers();
        let of =
            |p: &'_ Parameter| -> Vec<String> { names.iter().map(|n| format!("{}.{n}", p.name)).collect() };
        self.parameters.iter().flat_map(|p| of(p).into_iter().zip(&p.buffers)).collect()
    }

    /// A copy of the buffers, named `<parameter>.<buffer>`.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    pub fn state_dict(&self) -> Result<StateDict> {
        state::save(self.named().iter().map(|(n, t)| (n.as_str(), *t)))
    }

    /// Goes on after `step` updates from buffers read from `place`.
    ///
    /// # Errors
    /// As [`state::load`].
    pub fn load(&mut self, file: &StateDict, place: &str, step: u64) -> Result<()> {
        state::load(self.named().iter().map(|(n, t)| (n.as_str(), *t)), file, place, "the optimiser")?;
        self.step = step;
        Ok(())
    }
}

// Scales all gradients so that their common norm is at most `most`, as
// torch.nn.utils.clip_grad_norm_, without waiting for the device.
fn clip(gradients: &[Tensor], most: f64) -> Result<()> {
    let norms = gradients.iter().map(|g| Ok(g.f_norm()?)).collect::<Result<Vec<_>>>()?;
    let norm = Tensor::f_stack(&norms, 0)?.f_norm()?;
    let factor = (norm + 1e-6).f_reciprocal()?.f_mul_scalar(most)?.f_clamp_max(1.0)?;
    for gradient in gradients {
        let _ = gradient.shallow_clone().f_mul_(&factor)?;
    }
    Ok(())
}
