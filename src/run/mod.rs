//! A run and its directory, the only state there is.
//!
//! `config.toml` (fully resolved), `manifest.json` (what ran where, on which
//! data), `metrics.csv` (a row per measured step), `arrays/*.npz` (modes, and
//! spectra per snapshot: `numpy.load` reads them), `ckpt/step-XXXXXXXX/`
//! (the last weights), `summary.json` (half-times, errors against theory). Everything but `metrics.csv` is written beside its place and
//! renamed; `metrics.csv` grows by whole lines.

pub mod arrays;
pub mod config;
pub mod dir;
pub mod events;
pub mod manifest;
pub mod metrics;
pub mod observer;
pub mod summary;

pub use config::RunConfig;
pub use dir::RunDir;
pub use events::Events;
pub use manifest::Manifest;
pub use metrics::Metrics;
pub use observer::{Observer, Row, Snapshot};
pub use summary::Summary;
