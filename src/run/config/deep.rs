//! Keys that only deep networks have: `[optim]`, `[augment]`, `[eval]`,
//! `[probe]`, `[checkpoint]`.

use serde::{Deserialize, Serialize};

use super::{MOST, positive};
use crate::error::{Error, Result};

/// `[optim]`: how a deep network descends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// The update rule.
    pub kind: OptimKind,
    /// What is minimised.
    pub loss: LossKind,
    /// Label smoothing in [0, 1) (`cross-entropy`).
    pub smoothing: f64,
    /// Nesterov's momentum (`sgd`).
    pub nesterov: bool,
    /// Weight decay: added to the gradient (`sgd`), or to the update (`adamw`).
    pub weight_decay: f64,
    /// Whether norms and biases decay as well, as they do in PyTorch unless told
    /// otherwise.
    pub decay_all: bool,
    /// Decay of the running moments (`adamw`).
    pub betas: [f64; 2],
    /// Added to the root of the second moment (`adamw`).
    pub epsilon: f64,
    /// Largest norm of all gradients together; beyond, they are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Decay per update of a running mean of the weights, which is evaluated too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Parts that a batch is computed in, one after the other: less memory, and
    /// batch norm sees the parts.
    pub accumulate: usize,
    /// η over time, `train.eta` being its largest value.
    pub schedule: ScheduleKind,
    /// Epochs of linear warm-up (`constant`, `cosine`, `step`).
    pub warmup: f64,
    /// Epochs after which η is multiplied by `gamma` (`step`).
    pub milestones: Vec<f64>,
    /// The factor (`step`).
    pub gamma: f64,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            kind: OptimKind::Sgd,
            loss: LossKind::CrossEntropy,
            smoothing: 0.0,
            nesterov: false,
            weight_decay: 5e-4,
            decay_all: true,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            clip: None,
            ema: None,
            accumulate: 1,
            schedule: ScheduleKind::Cosine,
            warmup: 0.0,
            milestones: Vec::new(),
            gamma: 0.1,
        }
    }
}

/// Update rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OptimKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// Losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Mean over samples of −log softmax(ŷ) at the class; ŷ are logits.
    CrossEntropy,
    /// ½ mean_i ‖ŷ_i − y_i‖², y as prepared (centred, where it is).
    Mse,
}

/// Courses of η.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// The same throughout.
    Constant,
    /// Half a cosine, to zero at the end.
    Cosine,
    /// Times `gamma` at each milestone.
    Step,
    /// One cycle (Smith & Topin 2019), as PyTorch's defaults have it: from η/25 up
    /// to η over the first 30 %, down to η/250,000, both by half a cosine.
    Onecycle,
}

/// `[augment]`: what is done to training images at random.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Crops of the images' size from images with so many zero pixels around.
    pub crop: usize,
    /// Left-right flips of half of the images.
    pub flip: bool,
}

/// `[eval]`: images not trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// Split of the same source; nothing is evaluated without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Further splits, each with a table of its own; `patience` and `checkpoint.best` ignore them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// At most this many images of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Every so many epochs, and at the end.
    pub every: f64,
    /// Stop after so many evaluations in a row without a new best accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self { split: None, beside: Vec::new(), limit: None, every: 1.0, patience: None }
    }
}

/// `[probe]`: when the network is looked into, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Spacing of the looks.
    pub when: When,
    /// Their number after the first one (`even`, `log`).
    pub count: u64,
    /// Epochs between two of them (`epoch`).
    pub every: f64,
    /// Training images on which mode strengths are measured, drawn once; without it
    /// 4,000, or all where there are fewer. On 1,000 weak modes are mostly noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<usize>,
    /// The first so many of them for Jacobians and activations, none where 0; without
    /// it a sixteenth, at most 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jacobians: Option<usize>,
}

impl ProbeConfig {
    /// On how many of `all` training images mode strengths are measured, and on how
    /// many of these Jacobians.
    pub fn images(&self, all: usize) -> (usize, usize) {
        let samples = self.samples.unwrap_or(all.min(4000));
        (samples, self.jacobians.unwrap_or((samples / 16).min(128)))
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { when: When::Epoch, count: 30, every: 1.0, samples: None, jacobians: None }
    }
}

/// Spacing in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Every so many epochs.
    Epoch,
    /// Evenly over the run.
    Even,
    /// By a constant factor, from step 1.
    Log,
}

/// `[checkpoint]`: what a killed run goes on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Every so many epochs, and at the end.
    pub every: f64,
    /// The newest so many are kept.
    pub keep: usize,
    /// Keep the one of the best accuracy, too (needs `eval.split`).
    pub best: bool,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: 1.0, keep: 2, best: true }
    }
}

/// Checks the values of these sections that types cannot.
///
/// # Errors
/// [`Error::Input`] naming the key.
pub(super) fn check(
    optim: &OptimConfig,
    augment: &AugmentConfig,
    eval: &EvalConfig,
    probe: &ProbeConfig,
    checkpoint: &CheckpointConfig,
) -> Result<()> {
    let within = |key: &str, ok: bool, expected: &str, found: f64| {
        if ok { Ok(()) } else { Err(Error::input(key, expected, found)) }
    };
    let share = |key: &str, v: f64| within(key, (0.0..1.0).contains(&v), "0 to below 1", v);
    let not_negative = |key: &str, v: f64| within(key, (0.0..=MOST).contains(&v), "a number, 0 to 3e38", v);
    let at_least_one = |key: &str, v: u64| within(key, v >= 1, "at least 1", v as f64);
    share("optim.smoothing", optim.smoothing)?;
    if optim.smoothing > 0.0 && optim.loss == LossKind::Mse {
        return Err(Error::input("optim.smoothing", "0 with loss = \"mse\"", optim.smoothing));
    }
    not_negative("optim.weight_decay", optim.weight_decay)?;
    optim.betas.iter().try_for_each(|b| share("optim.betas", *b))?;
    positive("optim.epsilon", optim.epsilon)?;
    optim.clip.map_or(Ok(()), |v| positive("optim.clip", v))?;
    optim.ema.map_or(Ok(()), |v| share("optim.ema", v))?;
    at_least_one("optim.accumulate", optim.accumulate as u64)?;
    not_negative("optim.warmup", optim.warmup)?;
    optim.milestones.iter().try_for_each(|m| positive("optim.milestones", *m))?;
    if optim.milestones.windows(2).any(|m| m[0] >= m[1]) {
        let found = format!("{:?}", optim.milestones);
        return Err(Error::input("optim.milestones", "epochs in ascending order", found));
    }
    positive("optim.gamma", optim.gamma)?;
    if augment.crop > MOST_CROP {
        return Err(Error::input("augment.crop", format!("0 to {MOST_CROP} pixels"), augment.crop));
    }
    positive("eval.every", eval.every)?;
    if eval.limit == Some(0) {
        return Err(Error::input("eval.limit", "at least 1", 0));
    }
    if let Some(patience) = eval.patience {
        at_least_one("eval.patience", patience)?;
        if eval.split.is_none() {
            return Err(Error::input("eval.patience", "a split to evaluate on (eval.split)", "none"));
        }
    }
    let splits: Vec<&String> = eval.split.iter().chain(&eval.beside).collect();
    if eval.split.is_none() && !eval.beside.is_empty() {
        return Err(Error::input("eval.beside", "a split to evaluate on (eval.split)", "none"));
    }
    for (i, split) in splits.iter().enumerate() {
        // They are a part of file names.
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if i > 0 && (split.is_empty() || split.starts_with('.') || !split.chars().all(known)) {
            let expected = "names of letters, digits, - _ ., not beginning with a dot";
            return Err(Error::input("eval.beside", expected, format!("`{split}`")));
        }
        if splits[..i].contains(split) {
            return Err(Error::input("eval.beside", "each split once", format!("`{split}` twice")));
        }
    }
    at_least_one("probe.count", probe.count)?;
    positive("probe.every", probe.every)?;
    if let Some(samples) = probe.samples {
        at_least_one("probe.samples", samples as u64)?;
    }
    positive("checkpoint.every", checkpoint.every)?;
    at_least_one("checkpoint.keep", checkpoint.keep as u64)
}

const MOST_CROP: usize = 64;
