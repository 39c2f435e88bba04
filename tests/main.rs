//! The binary as a user meets it. Index: `inspect` (numbers, JSON, pictures),
//! `predict` (forecasts), `bad_input` (one clear error each), `train` (run
//! directories) and `figures` (both need feature `torch`), `readme` (its commands
//! run), `golden_flow` (the gradient flow is SciPy's), `cifar` (numbers on the
//! real images; skipped where they are not).

mod bad_input;
mod cifar;
#[cfg(feature = "torch")]
mod figures;
#[path = "golden/flow/test.rs"]
mod golden_flow;
mod inspect;
mod predict;
mod readme;
mod support;
#[cfg(feature = "torch")]
mod train;
