//! Deep networks, trained as they are in practice: minibatches, momentum or Adam,
//! schedules, augmentation.
//!
//! Every draw is named by the seed and the step, so that an update depends on
//! nothing but the state before it: a resumed run repeats the uninterrupted one.

pub mod checkpoint;
mod images;
mod optim;
mod schedule;
#[cfg(test)]
mod tests;

use ndarray::ArrayView2;
use tch::{Kind, Reduction, Tensor};

use crate::data::Samples;
use crate::error::{Error, Result};
use crate::field::{self, ImageSet};
use crate::model::convert;
use crate::model::deep::{Deep, Draws, Pass};
use crate::run::config::{DeepConfig, Dtype, LossKind, OptimConfig};
use crate::seed;
use crate::train::batches::{Batches, epoch_of};

pub use images::{Images, Pixels};
pub use optim::Optimiser;
pub use schedule::Schedule;

/// One update, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRow {
    /// Updates made.
    pub step: u64,
    /// Passes over the data made.
    pub epoch: f64,
    /// Loss of the batch, before the update.
    pub loss: f64,
    /// Share of the batch that was right, before the update; None without classes.
    pub accuracy: Option<f64>,
    /// Step size η of the update.
    pub eta: f64,
}

/// What is asked of a network: targets of images, and the loss.
pub struct Targets {
    /// Classes `[N]`, where targets are classes.
    pub labels: Option<Tensor>,
    /// `[N, K]`, centred where the samples are.
    y: Tensor,
    /// What centring took away `[K]`.
    y_mean: Tensor,
    loss: LossKind,
    smoothing: f64,
}

impl Targets {
    /// Of the training set, in the precision and on the device of `net`.
    ///
    /// # Errors
    /// [`Error::Input`] for cross-entropy without classes; [`Error::Device`].
    pub fn of_samples(samples: &Samples, optim: &OptimConfig, net: &Deep) -> Result<Self> {
        Self::new(samples.labels.as_deref(), samples.y.view(), samples, optim, net)
    }

    /// Of another set of the same classes, centred as the training set `samples`.
    ///
    /// # Errors
    /// As [`Targets::of_samples`].
    pub fn of_set(set: &ImageSet, samples: &Samples, optim: &OptimConfig, net: &Deep) -> Result<Self> {
        let labels = match &set.targets {
            field::Targets::Classes { labels, .. } => Some(labels.as_slice()),
            field::Targets::Real(_) => None,
        };
        let y = set.targets.matrix().mapv(f64::from) - &samples.y_mean;
        Self::new(labels, y.view(), samples, optim, net)
    }

    fn new(
        labels: Option<&[u32]>,
        y: ArrayView2<f64>,
        samples: &Samples,
        optim: &OptimConfig,
        net: &Deep,
    ) -> Result<Self> {
        let (kind, device) = (net.kind(), net.device());
        if labels.is_none() && optim.loss == LossKind::CrossEntropy {
            let expected = "classes; `mse` is for real targets";
            return Err(Error::input("optim.loss = \"cross-entropy\"", expected, "real targets"));
        }
        let labels = labels.map(|labels| {
            let labels: Vec<i64> = labels.iter().map(|&l| i64::from(l)).collect();
            Ok::<_, Error>(Tensor::f_from_slice(&labels)?.f_to_device(device)?)
        });
        Ok(Self {
            labels: labels.transpose()?,
            y: convert::tensor(y, kind, device)?,
            y_mean: convert::tensor(samples.y_mean.view(), kind, device)?,
            loss: optim.loss,
            smoothing: optim.smoothing,
        })
    }

    fn of(&self, rows: &[usize]) -> Result<(Tensor, Option<Tensor>)> {
        let rows: Vec<i64> = rows.iter().map(|&i| i as i64).collect();
        let rows = convert::indices(&rows, self.y.device())?;
        let labels = self.labels.as_ref().map(|l| l.f_index_select(0, &rows)).transpose()?;
        Ok((self.y.f_index_select(0, &rows)?, labels))
    }

    /// Mean loss over the images of `rows`, whose outputs `logits` `[B, K]` are;
    /// without label smoothing unless `smooth`.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails.
    pub fn loss(&self, logits: &Tensor, rows: &[usize], smooth: bool) -> Result<Tensor> {
        let (y, labels) = self.of(rows)?;
        Ok(match (self.loss, labels) {
            (LossKind::CrossEntropy, Some(labels)) => {
                let smoothing = if smooth { self.smoothing } else { 0.0 };
                logits.f_cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, smoothing)?
            }
            _ => (logits - y).f_square()?.f_sum(None::<Kind>)?.f_mul_scalar(0.5 / rows.len() as f64)?,
        })
    }

    /// The number of `rows` whose class has the largest output, a scalar tensor;
    /// None without classes.
    ///
    /// # Errors
    /// As [`Targets::loss`].
    pub fn right(&self, logits: &Tensor, rows: &[usize]) -> Result<Option<Tensor>> {
        let (_, Some(labels)) = self.of(rows)? else { return Ok(None) };
        let scores = match self.loss {
            LossKind::CrossEntropy => logits.shallow_clone(),
            LossKind::Mse => logits.f_add(&self.y_mean)?,
        };
        Ok(Some(scores.f_argmax(1, false)?.f_eq_tensor(&labels)?.f_sum(Kind::Double)?))
    }

    /// ŷ, comparable to the targets y: probabilities less the mean of y for
    /// cross-entropy, else the outputs themselves. `[B, K]`.
    ///
    /// # Errors
    /// As [`Targets::loss`].
    pub fn answers(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(match self.loss {
            LossKind::CrossEntropy => logits.f_softmax(1, None)?.f_sub(&self.y_mean)?,
            LossKind::Mse => logits.shallow_clone(),
        })
    }
}

/// A network in training.
pub struct Trainer {
    /// The network.
    pub net: Deep,
    /// The running mean of its weights, where one is kept.
    pub ema: Option<Deep>,
    images: Images,
    targets: Targets,
    optimiser: Optimiser,
    schedule: Schedule,
    batches: Batches,
    batch: usize,
    accumulate: usize,
    decay: f64,
    half: bool,
    seed: u64,
    step: u64,
    /// Losses and right answers that are still on the device.
    pending: Vec<(u64, usize, Tensor, Option<Tensor>)>,
}

/// Updates after which losses are read from the device; they and the weights are then found to be numbers.
const READ: usize = 20;

impl Trainer {
    /// Of `net`, as the resolved `config` says, for `steps` updates.
    ///
    /// # Errors
    /// As [`Targets::of_samples`].
    pub fn new(
        config: &DeepConfig,
        net: Deep,
        ema: Option<Deep>,
        images: Images,
        targets: Targets,
        steps: u64,
    ) -> Result<Self> {
        let batch = config.train.batch.min(images.len());
        let batches = Batches::new(images.len(), batch, config.run.seed);
        Ok(Self {
            optimiser: Optimiser::new(&config.optim, config.train.momentum, net.parameters())?,
            schedule: Schedule::new(&config.optim, config.train.eta, steps, batches.per_epoch()),
            net,
            ema,
            images,
            targets,
            batches,
            batch,
            accumulate: config.optim.accumulate,
            decay: config.optim.ema.unwrap_or(0.0),
            half: config.run.dtype == Dtype::Bf16,
            seed: config.run.seed,
            step: 0,
            pending: Vec::new(),
        })
    }

    /// Updates made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Passes over the data made.
    pub fn epoch(&self) -> f64 {
        epoch_of(self.step, self.images.len(), self.batch)
    }

    /// The training images.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Their targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// One update; the rows of the last few whenever they have been read.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch fails, [`Error::Diverged`] when a loss or a
    /// weight is not a number.
    pub fn update(&mut self) -> Result<Vec<StepRow>> {
        let rows = self.batches.at(self.step).to_vec();
        let weights = self.optimiser.tensors();
        let (mut loss, mut right) = (None, None);
        let mut gradients: Vec<Tensor> = Vec::new();
        let part = rows.len().div_ceil(self.accumulate);
        let x = self.images.augmented(&rows, self.seed, self.step)?;
        let draws = Draws::new(seed::rng(self.seed, "dropout", self.step));
        let pass = Pass { draws: Some(&draws), ..Pass::train(self.half) };
        for (i, rows_of_part) in rows.chunks(part).enumerate() {
            let share = rows_of_part.len() as f64 / rows.len() as f64;
            let x = x.f_narrow(0, (i * part) as i64, rows_of_part.len() as i64)?;
            let logits = self.net.forward(&x, &pass)?;
            let of_part = self.targets.loss(&logits, rows_of_part, true)?.f_mul_scalar(share)?;
            let more = Tensor::f_run_backward(&[&of_part], &weights, false, false)?;
            if gradients.is_empty() {
                gradients = more;
            } else {
                for (sum, more) in gradients.iter_mut().zip(&more) {
                    let _ = sum.f_add_(more)?;
                }
            }
            let add = |sum: Option<Tensor>, more: Tensor| match sum {
                None => Ok::<_, Error>(more),
                Some(sum) => Ok(sum.f_add(&more)?),
            };
            loss = Some(add(loss, of_part.detach())?);
            if let Some(more) = tch::no_grad(|| self.targets.right(&logits.detach(), rows_of_part))? {
                right = Some(add(right, more)?);
            }
        }
        self.optimiser.update(&gradients, self.schedule.at(self.step))?;
        self.step += 1;
        if let Some(ema) = &self.ema {
            follow(ema, &self.net, self.decay)?;
        }
        self.pending.push((self.step, rows.len(), loss.expect("a batch has a part"), right));
        if self.pending.len() >= READ { self.read() } else { Ok(Vec::new()) }
    }

    /// The rows of the updates whose losses are still on the device.
    ///
    /// # Errors
    /// As [`Trainer::update`].
    pub fn read(&mut self) -> Result<Vec<StepRow>> {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let losses: Vec<_> = pending.iter().map(|p| p.2.to_kind(Kind::Double)).collect();
        let losses = convert::array(&Tensor::f_stack(&losses, 0)?)?;
        let right: Vec<_> = pending.iter().filter_map(|p| p.3.as_ref()).collect();
        let right = if right.is_empty() { None } else { Some(convert::array(&Tensor::f_stack(&right, 0)?)?) };
        let mut rows = Vec::new();
        for (i, (step, count, ..)) in pending.iter().enumerate() {
            let loss = losses[[i]];
            if !loss.is_finite() {
                return Err(self.diverged(*step, Some(loss)));
            }
            rows.push(StepRow {
                step: *step,
                epoch: epoch_of(*step, self.images.len(), self.batch),
                loss,
                accuracy: right.as_ref().map(|r| r[[i]] / *count as f64),
                eta: self.schedule.at(step - 1),
            });
        }
        // A loss is that before its update: the last one may have been one too many.
        if !self.net.is_finite()? {
            return Err(self.diverged(self.step, None));
        }
        Ok(rows)
    }

    fn diverged(&self, step: u64, loss: Option<f64>) -> Error {
        let hint = format!(
            "the step size eta = {:.3e} may be too large, or optim.warmup too short; optim.clip may help",
            self.schedule.at(step - 1)
        );
        Error::Diverged { step, loss, start: None, hint }
    }
}

// ema ← d·ema + (1 − d)·weights, running statistics included; counters are copied.
fn follow(ema: &Deep, net: &Deep, decay: f64) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    for (mean, now) in ema.entries().iter().zip(net.entries()) {
        let mut mean = mean.tensor.shallow_clone();
        if mean.kind() == Kind::Int64 {
            mean.f_copy_(&now.tensor)?;
        } else {
            let _ = mean.f_lerp_(&now.tensor, 1.0 - decay)?;
        }
    }
    Ok(())
}

/// Images that are sent through the layers at a time when only looking.
const CHUNK: usize = 256;

/// Mean loss (without label smoothing) and accuracy of `net` on the images of
/// `rows`; `each` sees the logits `[B, K]`, part by part in the order of `rows`.
///
/// # Errors
/// [`Error::Device`] when libtorch fails; those of `each`.
pub fn evaluate(
    net: &Deep,
    images: &Images,
    targets: &Targets,
    rows: &[usize],
    half: bool,
    mut each: impl FnMut(&Tensor) -> Result<()>,
) -> Result<(f64, Option<f64>)> {
    let _no_grad = tch::no_grad_guard();
    let (mut loss, mut right) = (0.0, None);
    for rows in rows.chunks(images.at_a_time(CHUNK)) {
        let logits = net.forward(&images.plain(rows)?, &Pass::eval(half))?;
        loss += f64::try_from(targets.loss(&logits, rows, false)?)? * rows.len() as f64;
        if let Some(more) = targets.right(&logits, rows)? {
            *right.get_or_insert(0.0) += f64::try_from(more)?;
        }
        each(&logits)?;
    }
    let count = rows.len() as f64;
    Ok((loss / count, right.map(|r: f64| r / count)))
}
