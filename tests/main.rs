//! The binary as a user meets it. Index: `audit` (reports), `inspect` (numbers, JSON, pictures), `shortcuts` (cues of a data set), `sweep`,
//! `slurm` and `export` (many runs, here, on a cluster, and by others' means), `containers`, `predict` (forecasts), `bad_input` (one clear error each), `train` (run
//! directories of linear networks), `resnet` (those of deep ones) and `figures`
//! (these need feature `torch`), `gpu` (the CPU's half of `gpu-check`), `readme` (its commands
//! run), `golden_flow` (the gradient flow is SciPy's), `golden_architectures`,
//! `golden_resnet`, `golden_descent`, `golden_heatmap` and `golden_stimuli` (networks,
//! training and what audits measure are PyTorch's), `golden_weights` and `weights`
//! (files of weights are read as PyTorch reads them), `cifar` (numbers on the real
//! images; skipped where they are not).

mod audit;
mod bad_input;
mod cifar;
mod containers;
#[cfg(feature = "torch")]
mod export;
#[cfg(feature = "torch")]
mod figures;
#[cfg(feature = "torch")]
#[path = "golden/formula.rs"]
mod formula;
#[path = "golden/architectures/test.rs"]
mod golden_architectures;
#[cfg(feature = "torch")]
#[path = "golden/descent/test.rs"]
mod golden_descent;
#[path = "golden/flow/test.rs"]
mod golden_flow;
#[cfg(feature = "torch")]
#[path = "golden/heatmap/test.rs"]
mod golden_heatmap;
#[cfg(feature = "torch")]
#[path = "golden/resnet/test.rs"]
mod golden_resnet;
#[cfg(feature = "torch")]
mod gpu;
mod inspect;
#[cfg(feature = "torch")]
mod kill;
mod predict;
mod readme;
#[cfg(feature = "torch")]
mod resnet;
mod shortcuts;
#[cfg(feature = "torch")]
mod slurm;
mod support;
#[cfg(feature = "torch")]
mod sweep;
#[cfg(feature = "torch")]
mod train;
mod weights;
