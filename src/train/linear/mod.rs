//! Linear networks: gradient descent by autograd, in two interchangeable ways.
//!
//! *Sample space* sends the samples through the layers. *Moment space* uses that
//! for a linear network the loss depends on the data through second moments
//! alone, L = ½ tr Σyy − tr(E Σyxᵀ) + ½ tr(E Σxx Eᵀ): its gradient with respect
//! to E is G = E Σxx − Σyx, and autograd carries G on to the weights. Both walk
//! through the same weights, up to rounding.

mod moment;
mod optimiser;
mod sample;
#[cfg(test)]
mod tests;

use ndarray::Array2;
use tch::{Device, Kind, Tensor};

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::model::{Network, convert};
use crate::run::{Observer, Row, Snapshot};
use crate::theory::{Modes, Moments};
use crate::train::batches::epoch_of;

pub use moment::MomentSpace;
pub use optimiser::Sgd;
pub use sample::SampleSpace;

/// Loss and response of a network on the whole training set.
#[derive(Debug)]
pub struct Seen {
    /// L, a scalar tensor.
    pub loss: Tensor,
    /// Σŷx `[K, d]`.
    pub response: Tensor,
}

/// Where gradients come from.
pub trait Space {
    /// Gradient of the loss of update number `step` with respect to each of
    /// `parameters`; with full batches, and where `look` asks for it, also what
    /// was seen on the way.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails (out of memory, mostly).
    fn gradient(
        &mut self,
        net: &dyn Network,
        parameters: &[Tensor],
        step: u64,
        look: bool,
    ) -> Result<(Vec<Tensor>, Option<Seen>)>;

    /// Loss and response on all samples, without gradients.
    ///
    /// # Errors
    /// As [`Space::gradient`].
    fn measure(&mut self, net: &dyn Network) -> Result<Seen>;
}

/// How long to train, how, and when to look.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of updates.
    pub steps: u64,
    /// Step size η.
    pub eta: f64,
    /// Momentum μ: velocity ← μ·velocity + gradient, weights ← weights − η·velocity.
    pub momentum: f64,
    /// Samples per update; None for all.
    pub batch: Option<usize>,
    /// Measure every so many updates (and at the first and the last).
    pub every: u64,
    /// Number of snapshots after the first, evenly spaced and rounded to measured
    /// steps. One more is taken where a mode is discovered.
    pub snapshots: u64,
    /// Seed of the order of minibatches.
    pub seed: u64,
}

impl Plan {
    fn measured(&self, step: u64) -> bool {
        step.is_multiple_of(self.every) || step == self.steps
    }

    /// Number of measured steps, the first and the last included.
    pub fn rows(&self) -> u64 {
        self.steps / self.every + 1 + u64::from(!self.steps.is_multiple_of(self.every))
    }

    fn snapshot(&self, step: u64) -> bool {
        if step == 0 || step == self.steps {
            return true;
        }
        // A snapshot falls on the first measured step at or after its due time.
        let due = |s: u64| u128::from(s) * u128::from(self.snapshots) / u128::from(self.steps);
        self.snapshots > 0 && self.measured(step) && due(step) > due(step.saturating_sub(self.every))
    }
}

/// Steps between two looks at the loss when none is measured.
const WATCH: u64 = 50;
/// A loss this many times the first one does not come back.
const LOST: f64 = 1e3;

/// Which modes have been discovered: a_α has reached s_α/2 at a measured step.
///
/// It follows from the measured strengths alone, in their order, so that it need
/// not be stored beside them.
#[derive(Debug)]
struct Discovered(Vec<bool>);

impl Discovered {
    fn new(modes: &Modes) -> Self {
        Self(vec![false; modes.len()])
    }

    /// Whether the strengths `a` of the next measured step discover a mode. A mode
    /// that falls back is not discovered again.
    fn another(&mut self, modes: &Modes, a: &[f64]) -> bool {
        let mut another = false;
        for ((done, mode), a) in self.0.iter_mut().zip(&modes.list).zip(a) {
            if !*done && *a >= 0.5 * mode.s {
                (*done, another) = (true, true);
            }
        }
        another
    }
}

/// Trains `net` by `plan` and shows every measured step to `observer`; snapshots
/// are those of the plan, and one at the first measured step at which a mode has
/// reached half its strength, a_α ≥ s_α/2.
///
/// # Errors
/// [`Error::Diverged`] when the loss is no longer finite or has grown a
/// thousandfold; the observer's own errors; [`Error::Device`] when libtorch fails.
pub fn train(
    net: &dyn Network,
    space: &mut dyn Space,
    plan: &Plan,
    samples: &Samples,
    modes: &Modes,
    observer: &mut dyn Observer,
) -> Result<()> {
    let (names, parameters): (Vec<_>, Vec<_>) = net.parameters().into_iter().unzip();
    let (kind, device) = (parameters[0].kind(), parameters[0].device());
    let meter = Meter::new(modes, kind, device)?;
    let mut optimiser = Sgd::new(&parameters, plan.eta, plan.momentum);
    let (mut start, mut discovered) = (None, Discovered::new(modes));
    for step in 0..=plan.steps {
        let measured = plan.measured(step);
        let look = measured || step.is_multiple_of(WATCH);
        let (gradients, seen) = if step < plan.steps {
            space.gradient(net, &parameters, step, look)?
        } else {
            (Vec::new(), None)
        };
        if look {
            let seen = match seen {
                Some(seen) => seen,
                None => space.measure(net)?,
            };
            let (loss, a) = meter.read(&seen)?;
            let first = *start.get_or_insert(loss);
            if !loss.is_finite() || loss > LOST * first || a.iter().any(|x| !x.is_finite()) {
                let hint = advice(plan, modes, step);
                return Err(Error::Diverged { step, loss: Some(loss), start: Some(first), hint });
            }
            if measured {
                let mut accuracy = None;
                if discovered.another(modes, &a) || plan.snapshot(step) {
                    let map = convert::matrix(&tch::no_grad(|| net.end_to_end()))?;
                    accuracy = self::accuracy(samples, &map);
                    let weights = names.iter().zip(&parameters);
                    let weights: Result<_> =
                        weights.map(|(n, w)| Ok((n.clone(), convert::array(w)?))).collect();
                    observer.snapshot(&Snapshot { step, map, weights: weights? })?;
                }
                let batch = plan.batch.unwrap_or(samples.len());
                let epoch = epoch_of(step, samples.len(), batch);
                observer.row(&Row { step, epoch, loss, accuracy, a })?;
            }
        }
        if step < plan.steps {
            optimiser.step(&gradients)?;
        }
    }
    Ok(())
}

fn advice(plan: &Plan, modes: &Modes, step: u64) -> String {
    if step == 0 {
        return "the initial weights are too large (init.scale)".to_owned();
    }
    // Slow enough for either network; never more than a quarter of what failed.
    let eta = modes.gentle_eta(true).min(plan.eta / 4.0);
    let momentum = if plan.momentum > 0.0 { ", or less momentum" } else { "" };
    format!(
        "the step size eta = {:e} is too large for these data and weights; try {eta:.1e}{momentum}",
        plan.eta
    )
}

/// Share of samples whose class has the largest ŷ + ȳ (ȳ: what centring took
/// away), or None where targets are not classes.
pub fn accuracy(samples: &Samples, map: &Array2<f64>) -> Option<f64> {
    use ndarray::{Axis, parallel::prelude::*};
    const BLOCK: usize = 512;
    let labels = samples.labels.as_ref()?;
    let map = map.mapv(|v| v as f32).reversed_axes();
    let blocks = samples.x.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().enumerate();
    let right: usize = blocks
        .map(|(b, x)| {
            let outputs = x.dot(&map);
            let best = outputs.rows().into_iter().map(|row| {
                let score = |j: usize| f64::from(row[j]) + samples.y_mean[j];
                (0..row.len()).fold(0, |best, j| if score(j) > score(best) { j } else { best })
            });
            best.zip(&labels[b * BLOCK..]).filter(|(j, label)| *j == **label as usize).count()
        })
        .sum();
    Some(right as f64 / samples.len() as f64)
}

// Reads loss and mode strengths in one transfer from the device.
struct Meter {
    u: Tensor,
    v: Tensor,
}

impl Meter {
    fn new(modes: &Modes, kind: Kind, device: Device) -> Result<Self> {
        Ok(Self {
            u: convert::tensor(modes.u().t(), kind, device)?,
            v: convert::tensor(modes.v_rows().view(), kind, device)?,
        })
    }

    fn read(&self, seen: &Seen) -> Result<(f64, Vec<f64>)> {
        let all = tch::no_grad(|| {
            let a = (self.u.matmul(&seen.response) * &self.v).sum_dim_intlist([1i64].as_slice(), false, None);
            Tensor::cat(&[seen.loss.reshape([1]), a], 0)
        });
        let values = convert::array(&all)?;
        Ok((values[[0]], values.iter().skip(1).copied().collect()))
    }
}

/// The samples and moments of one run as the space that `moments` asks for.
///
/// # Errors
/// [`Error::Device`] when the device has no room for them.
pub fn space<'a>(
    samples: &'a Samples,
    moments: Option<&Moments>,
    plan: &Plan,
    net: &dyn Network,
    kind: Kind,
    device: Device,
) -> Result<Box<dyn Space + 'a>> {
    Ok(match moments {
        Some(moments) => Box::new(MomentSpace::new(samples, moments, plan, kind, device)?),
        None => Box::new(SampleSpace::new(samples, plan, net, kind, device)?),
    })
}

#[cfg(test)]
mod plan_tests {
    use super::*;

    fn plan(steps: u64, every: u64, snapshots: u64) -> Plan {
        Plan { steps, eta: 0.1, momentum: 0.0, batch: None, every, snapshots, seed: 0 }
    }

    #[test]
    fn rows_and_snapshots_fall_where_they_should() {
        for (steps, every) in [(10, 1), (10, 3), (7, 7), (7, 9), (1, 1)] {
            let p = plan(steps, every, 3);
            let rows: Vec<_> = (0..=steps).filter(|s| p.measured(*s)).collect();
            assert_eq!(rows.len() as u64, p.rows(), "{steps} {every}");
            assert_eq!((rows[0], *rows.last().unwrap()), (0, steps));
        }
        let p = plan(100, 1, 4);
        assert_eq!((0..=100).filter(|s| p.snapshot(*s)).collect::<Vec<_>>(), [0, 25, 50, 75, 100]);
        let p = plan(100, 10, 3);
        assert_eq!((0..=100).filter(|s| p.snapshot(*s)).collect::<Vec<_>>(), [0, 40, 70, 100]);
        assert_eq!((0..=100).filter(|s| plan(100, 1, 0).snapshot(*s)).collect::<Vec<_>>(), [0, 100]);
    }
}
