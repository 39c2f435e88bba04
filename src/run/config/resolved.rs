//! Configurations with their defaults, for those who train and forecast.

use std::path::PathBuf;

use serde::Serialize;

use super::{Config, InitKind, ModelKind, OptimKind, RunConfig, SpaceKind};
use crate::error::{Error, Result};

/// A checked configuration of a linear network.
pub type LinearConfig = Config<Init, LinearTrain>;

/// A checked configuration of a deep network.
pub type DeepConfig = Config<Init, DeepTrain>;

/// `[init]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Init {
    /// How weights begin.
    pub kind: InitKind,
    /// Weights of a deep network to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Standard deviation ε of every weight (`gaussian`).
    pub scale: f64,
    /// a_α(0)/s_α (`matched`).
    pub start: f64,
}

/// `[train]` of a linear network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinearTrain {
    /// Where gradients come from.
    pub space: SpaceKind,
    /// Number of updates.
    pub steps: u64,
    /// Step size η; None until the data are known that decide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// Momentum μ.
    pub momentum: f64,
    /// Samples per update; None for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
}

/// `[train]` of a deep network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeepTrain {
    /// Of no meaning here.
    pub space: SpaceKind,
    /// How long.
    #[serde(flatten)]
    pub length: Length,
    /// Step size η, the largest of the schedule.
    pub eta: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Samples per update, all where there are fewer.
    pub batch: usize,
}

/// How long a deep network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Number of updates.
    Steps(u64),
    /// Number of passes over the data.
    Epochs(f64),
}

impl Length {
    /// Number of updates, where a pass has so many.
    pub fn steps(self, per_epoch: u64) -> u64 {
        match self {
            Length::Steps(steps) => steps,
            Length::Epochs(epochs) => (epochs * per_epoch as f64).round().max(1.0) as u64,
        }
    }
}

impl RunConfig {
    /// How weights begin.
    pub fn init(&self) -> InitKind {
        let usual = if self.model.kind.is_linear() { InitKind::Gaussian } else { InitKind::Pytorch };
        self.init.kind.unwrap_or(usual)
    }

    /// Checks this configuration of a linear network, and fills in all defaults.
    ///
    /// # Errors
    /// As [`RunConfig::check`]; for a deep network.
    pub fn linear(self) -> Result<LinearConfig> {
        self.check()?;
        if !self.model.kind.is_linear() {
            return Err(not_linear(self.model.kind));
        }
        let (kind, train) = (self.init(), self.train.clone());
        Ok(self.with(
            kind,
            LinearTrain {
                space: train.space,
                steps: train.steps.unwrap_or(2000),
                eta: train.eta,
                momentum: train.momentum.unwrap_or(0.0),
                batch: train.batch,
            },
        ))
    }

    /// Checks this configuration of a deep network, and fills in all defaults.
    ///
    /// # Errors
    /// As [`RunConfig::check`]; for a linear network.
    pub fn deep(self) -> Result<DeepConfig> {
        self.check()?;
        if self.model.kind.is_linear() {
            return Err(Error::input("model.kind", "a deep network", self.model.kind));
        }
        let (kind, train) = (self.init(), self.train.clone());
        let eta = match self.optim.kind {
            OptimKind::Sgd => 0.1,
            OptimKind::Adamw => 1e-3,
        };
        Ok(self.with(
            kind,
            DeepTrain {
                space: train.space,
                length: train.steps.map_or(Length::Epochs(train.epochs.unwrap_or(10.0)), Length::Steps),
                eta: train.eta.unwrap_or(eta),
                momentum: train.momentum.unwrap_or(0.9),
                batch: train.batch.unwrap_or(128),
            },
        ))
    }

    fn with<T>(mut self, kind: InitKind, train: T) -> Config<Init, T> {
        self.model.padding = Some(self.model.padding());
        self.data.normalize = Some(self.data.normalize());
        self.data.center = Some(self.data.center());
        let Config { data, model, init, measure, optim, augment, eval, probe, checkpoint, run, train: _ } =
            self;
        let init = Init { kind, weights: init.weights, scale: init.scale, start: init.start };
        Config { data, model, init, train, measure, optim, augment, eval, probe, checkpoint, run }
    }
}

pub(super) fn not_linear(kind: ModelKind) -> Error {
    Error::input("model.kind", "a linear network (fcnn or lcnn) for theory", kind)
}

impl<I: Serialize, T: Serialize> Config<I, T> {
    /// The file that [`RunConfig::read`] reads back as this configuration.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field has a TOML form")
    }

    /// The same, with all defaults said.
    pub fn said(&self) -> RunConfig {
        RunConfig::parse(&self.to_toml(), "a configuration").expect("a configuration reads back")
    }
}
