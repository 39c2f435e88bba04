//! Writes a run directory as training goes.

use crate::app::forecast::Forecasts;
use crate::error::Result;
use crate::progress::Progress;
use crate::run::dir::Templates;
use crate::run::metrics::Writer;
use crate::run::{Metrics, Observer, Row, RunDir, Snapshot};
use crate::spectrum::Energies;
use crate::theory::Modes;

/// Records every measured step.
pub struct Recorder<'a> {
    pub dir: &'a RunDir,
    pub modes: &'a Modes,
    pub file: Writer,
    pub metrics: Metrics,
    pub forecasts: &'a Forecasts,
    pub eta: f64,
    pub progress: &'a Progress,
    /// The last snapshot, and what it showed.
    pub last: Option<(Snapshot, Templates)>,
    /// Energies of each mode's template when it was discovered.
    pub used: Vec<Option<Energies>>,
}

impl Observer for Recorder<'_> {
    fn row(&mut self, row: &Row) -> Result<()> {
        let t = row.step as f64 * self.eta;
        let predicted: Vec<f64> = self.forecasts.list.iter().flat_map(|f| f.strengths(t)).collect();
        self.file.append(row, &predicted)?;
        self.metrics.push(row, &predicted);
        // A snapshot came first where a mode is discovered at this step.
        if let Some((snapshot, templates)) = &self.last
            && snapshot.step == row.step
        {
            for (i, (used, mode)) in self.used.iter_mut().zip(&self.modes.list).enumerate() {
                if used.is_none() && row.a[i] >= 0.5 * mode.s {
                    *used = Some(templates.energies[i].clone());
                }
            }
        }
        self.progress.set(row.step);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        let templates = Templates::new(self.modes, snapshot)?;
        let t = snapshot.step as f64 * self.eta;
        let participation = |f: &dyn crate::theory::Forecast| -> Vec<f64> {
            (0..self.modes.len())
                .map(|i| f.template(i, t).filter(|e| e.total() > 0.0).map_or(f64::NAN, |e| e.participation()))
                .collect()
        };
        let predicted: Vec<_> =
            self.forecasts.list.iter().map(|f| (f.theory(), participation(f.as_ref()))).collect();
        self.dir.write_spectra(self.modes, snapshot, &templates, &predicted)?;
        self.last = Some((snapshot.clone(), templates));
        Ok(())
    }
}
