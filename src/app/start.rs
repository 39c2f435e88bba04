//! Where a run starts: its weights, a step size for them, and all that is known before
//! training.

use ndarray::{Array2, ArrayView2};

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::run::config::{InitKind, LinearConfig, ModelKind};
use crate::theory::linear::{Draw, Layout, Padding, Start, Weights};
use crate::theory::mode_theory::{self, Assumptions};
use crate::theory::{Modes, Moments, closed, flow, moments};

/// Everything a forecast is made from.
pub struct Known<'a> {
    pub config: &'a LinearConfig,
    pub samples: &'a Samples,
    pub modes: &'a Modes,
    /// Σyx `[K, d]`.
    pub yx: ArrayView2<'a, f64>,
    /// All second moments, where they are formed already.
    pub moments: Option<&'a Moments>,
    pub weights: &'a Weights,
    /// Step size η.
    pub eta: f64,
    /// Largest eigenvalue of the loss at the initial weights; 0 where it is not known.
    pub curvature: f64,
    /// How far to follow what has to be integrated.
    pub end: f64,
    /// Whether to stop once every mode is learned.
    pub until_learned: bool,
}

impl Known<'_> {
    /// E Σxx of the rows of `map` `[rows, d]`, from Σxx where it is formed.
    pub fn response(&self, map: &Array2<f64>) -> Array2<f64> {
        self.moments.map_or_else(|| moments::response(self.samples, map.view()), |m| map.dot(&m.xx))
    }

    /// How far these data are from what the mode theory assumes.
    pub fn assumptions(&self) -> Assumptions {
        let v = residuals(self.modes, &self.response(&self.modes.v_rows()));
        let parts = mode_theory::parts(self.modes, self.weights);
        let leak = parts.leak(self.modes, self.response(&parts.rows).view());
        mode_theory::assumptions(self.modes, &v, self.weights).with_leak(leak)
    }
}

/// The weights that `config` starts from.
///
/// # Errors
/// [`Error::Input`] as [`Start::weights`], and for a matched start on modes that
/// do not evolve by themselves.
pub fn weights(config: &LinearConfig, samples: &Samples, modes: &Modes) -> Result<Weights> {
    let draw = match config.init.kind {
        InitKind::Matched => Draw::Matched(config.init.start),
        _ => Draw::Gaussian(config.init.scale),
    };
    let start = Start { draw, seed: config.run.seed, modes, outputs: samples.outputs() };
    let layout = config.layout(modes.shape)?;
    require_room(layout, modes.shape, samples.outputs())?;
    let weights = start.weights(layout)?;
    if config.init.kind == InitKind::Matched {
        // A pass over the samples: Σxx itself may be too large to form.
        let mapped = moments::response(samples, modes.v_rows().view());
        let obstacle = closed::obstacle(modes, &residuals(modes, &mapped), convolutional(config));
        if let Some(why) = obstacle {
            // Without it a start "aligned with the modes" has no meaning.
            let expected = "`gaussian`: a matched start needs modes that evolve by themselves";
            return Err(Error::input("init.kind", expected, format_args!("`matched`, but {why}")));
        }
    }
    Ok(weights)
}

// Weights drawn in double precision, then the run's, their gradients and a temporary.
fn require_room(layout: Layout, [c, h, w]: [usize; 3], outputs: usize) -> Result<()> {
    let (key, weights, found) = match layout {
        Layout::Fcnn { hidden } => {
            let weights = hidden as u128 * (c * h * w + outputs) as u128;
            ("model.hidden", weights, format!("that is {hidden} hidden units"))
        }
        Layout::Lcnn { channels, layers, size, padding } => {
            // The end-to-end map of circular kernels has them on the images' grid.
            let kernel = match padding {
                Padding::Circular => h * w,
                Padding::Zero => size.0.min(h) * size.1.min(w),
            };
            let m = channels as u128;
            let later = m.saturating_mul(m).saturating_mul(((layers - 1) * kernel) as u128);
            let weights = (m * (c * kernel + outputs * h * w) as u128).saturating_add(later);
            let many = if layers == 1 { String::new() } else { format!(" in each of {layers} layers") };
            ("model.channels", weights, format!("that is {channels} channels{many}"))
        }
    };
    super::memory::require(key, weights.saturating_mul(24), &found)
}

/// The configuration's step size, or one that follows every mode: a hundredth of
/// the fastest one's time constant, and a tenth of what the start allows where
/// its weights are large (as far as Σxx is known).
pub fn step_size(config: &LinearConfig, modes: &Modes, curvature: f64) -> f64 {
    config.train.eta.unwrap_or_else(|| {
        let gentle = modes.gentle_eta(convolutional(config));
        if curvature > 0.0 { gentle.min(0.2 / curvature) } else { gentle }
    })
}

/// Largest eigenvalue of the loss at the initial weights, from up to 2,048 of the
/// samples, so that it is the same whatever else is computed. 0 where weights are
/// too small for it to matter, and where it is not known: with zero padding, and
/// for more than 4,096 inputs.
pub fn curvature(config: &LinearConfig, samples: &Samples, modes: &Modes, weights: &Weights) -> Result<f64> {
    const ENOUGH: usize = 2048;
    const SMALL: f64 = 3e-3;
    let small = config.init.kind == InitKind::Matched || config.init.scale <= SMALL;
    let zero = matches!(weights, Weights::Lcnn { padding: Padding::Zero, .. });
    if small || zero || samples.x.ncols() > 4096 {
        return Ok(0.0);
    }
    if samples.len() <= ENOUGH {
        return flow::sharpness(modes, &Moments::new(samples), weights);
    }
    // Evenly over all of them: they may be stored class by class.
    let rows: Vec<usize> = (0..ENOUGH).map(|i| i * samples.len() / ENOUGH).collect();
    let some = Samples {
        x: samples.x.select(ndarray::Axis(0), &rows),
        y: samples.y.select(ndarray::Axis(0), &rows),
        labels: None,
        ..samples.clone()
    };
    flow::sharpness(modes, &Moments::new(&some), weights)
}

pub fn convolutional(config: &LinearConfig) -> bool {
    config.model.kind == ModelKind::Lcnn
}

/// ‖Σxx v_α − λ_α v_α‖ per mode, from the rows v_αᵀ Σxx `[m, d]`.
pub fn residuals(modes: &Modes, mapped: &Array2<f64>) -> Vec<f64> {
    let v = modes.v_rows();
    (modes.list.iter().zip(v.rows()).zip(mapped.rows()))
        .map(|((m, v), image)| (&image - &(&v * m.lambda)).mapv(|x| x * x).sum().sqrt())
        .collect()
}
