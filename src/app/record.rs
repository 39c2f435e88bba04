//! Writes a run directory as training goes.

use crate::error::Result;
use crate::progress::Progress;
use crate::run::metrics::Writer;
use crate::run::{Metrics, Observer, Row, RunDir, Snapshot};
use crate::theory::Modes;
use crate::theory::closed::Forecast;

/// Records every measured step.
pub struct Recorder<'a> {
    pub dir: &'a RunDir,
    pub modes: &'a Modes,
    pub file: Writer,
    pub metrics: Metrics,
    pub forecast: Option<&'a Forecast>,
    pub progress: &'a Progress,
    pub last: Option<Snapshot>,
}

impl Observer for Recorder<'_> {
    fn row(&mut self, row: &Row) -> Result<()> {
        let theory = self.forecast.map_or_else(Vec::new, |f| f.at_step(row.step as f64));
        self.file.append(row, &theory)?;
        self.metrics.push(row, &theory);
        self.progress.set(row.step);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.dir.write_spectra(self.modes, snapshot)?;
        self.last = Some(snapshot.clone());
        Ok(())
    }
}
