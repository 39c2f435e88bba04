//! Writes a run directory as training goes.

use crate::error::Result;
use crate::progress::Progress;
use crate::run::metrics::Writer;
use crate::run::{Observer, Row, RunDir, Snapshot};
use crate::theory::Modes;

/// a_α at a step by theory, for every mode.
pub type Forecast = dyn Fn(f64) -> Vec<f64>;

/// Records every measured step.
pub struct Recorder<'a> {
    pub dir: &'a RunDir,
    pub modes: &'a Modes,
    pub metrics: Writer,
    pub forecast: Option<Box<Forecast>>,
    pub progress: &'a Progress,
    pub last: Option<Snapshot>,
}

impl Observer for Recorder<'_> {
    fn row(&mut self, row: &Row) -> Result<()> {
        let theory = self.forecast.as_ref().map_or_else(Vec::new, |f| f(row.step as f64));
        self.metrics.append(row, &theory)?;
        self.progress.set(row.step);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.dir.write_spectra(self.modes, snapshot)?;
        self.last = Some(snapshot.clone());
        Ok(())
    }
}
