//! What a training run shows of itself: the one interface between trainers and
//! everything that measures, records or draws.

use ndarray::{Array2, ArrayD};

use crate::error::Result;

/// One measured step. The values are those of the weights *after* `step` updates.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of updates made.
    pub step: u64,
    /// Passes over the data made: the number of updates for full batches.
    pub epoch: f64,
    /// L = ½ mean_i ‖ŷ_i − y_i‖² over all training samples.
    pub loss: f64,
    /// Share of training samples whose class has the largest output, where it
    /// was measured and targets are classes.
    pub accuracy: Option<f64>,
    /// Mode strengths a_α.
    pub a: Vec<f64>,
}

/// The network at one step.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Number of updates made.
    pub step: u64,
    /// End-to-end map E `[K, d]`.
    pub map: Array2<f64>,
    /// Weights with their names, in the network's order.
    pub weights: Vec<(String, ArrayD<f64>)>,
}

/// Receives what a trainer measures, in the order of steps.
pub trait Observer {
    /// A measured step. The first is step 0, before any update.
    ///
    /// # Errors
    /// Those of whoever records it; training then stops with them.
    fn row(&mut self, row: &Row) -> Result<()>;

    /// The network itself, at some measured steps: the first, the last, evenly
    /// between them, and where a mode is discovered (a_α has reached s_α/2 since
    /// the measured step before, for the first time). At most once a step, before
    /// the row of the same step.
    ///
    /// # Errors
    /// As [`Observer::row`].
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()>;
}
