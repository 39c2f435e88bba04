//! A run and its directory, the only state there is.
//!
//! `config.toml` (fully resolved), `manifest.json` (what ran where, on which
//! data), `metrics.csv` (a row per measured step), `eval.csv`, `eval-SPLIT.csv` and `steps.csv`
//! (held-out samples, those of further splits, and every update; deep networks only), `arrays/*.npz`
//! (modes, and spectra per snapshot: `numpy.load` reads them), `arrays/layers.json`
//! (which layers these are of), `ckpt/step-XXXXXXXX/` (the last weights, or what a
//! run goes on from), `events/` (scalars for TensorBoard; deep networks only),
//! `summary.json` (half-times, errors against theory). Tables and events grow by
//! whole records; everything else is written beside its place and renamed.

pub mod arrays;
pub mod checkpoints;
pub mod config;
pub mod dir;
pub mod events;
pub mod look;
pub mod manifest;
pub mod metrics;
pub mod observer;
pub mod summary;
pub mod table;

pub use checkpoints::Checkpoints;
pub use config::RunConfig;
pub use dir::{Layers, RunDir};
pub use events::Events;
pub use look::Look;
pub use manifest::Manifest;
pub use metrics::Metrics;
pub use observer::{Observer, Row, Snapshot};
pub use summary::Summary;
pub use table::{Table, TableWriter};
