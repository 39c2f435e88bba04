//! What networks answer to images whose cue is that of another class.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayView2, Axis};

use super::runs::Finished;
use crate::data::{self, Options, Samples, prepare};
use crate::error::{Error, Result};
use crate::readers::{FORECAST, ridge};
use crate::run::Table;
use crate::run::config::{InitKind, Kernel, ModelKind};
use crate::stats::auc;
use crate::theory::linear::Padding;

/// The training images of a run, and those of the split that it was, or would have been,
/// evaluated on.
pub struct Conflicting {
    samples: Samples,
    /// Prepared as the training images `[N, d]`.
    x: Array2<f32>,
    classes: Vec<usize>,
    seed: u64,
}

impl Conflicting {
    /// Of the data of `run`; the split is "test" where none was asked for.
    ///
    /// # Errors
    /// Of data that cannot be made again.
    pub fn new(run: &Finished) -> Result<Self> {
        let (data, options) = (&run.config.data, run.config.data.options());
        let samples = prepare(data::load(&data.spec, &options)?, data.normalize(), data.center())?;
        let set = data::load(&data.spec, &Options { split: split(run), ..options })?;
        let asked = set.targets.matrix();
        let classes = asked.outer_iter().map(|row| largest(row.iter().map(|v| f64::from(*v)))).collect();
        Ok(Self { x: samples.alike(set.images.view())?, samples, classes, seed: run.config.run.seed })
    }

    /// Share of these images that the reader by which the order of deep networks is forecast
    /// answers by their class, fitted to the training images.
    ///
    /// # Errors
    /// As [`ridge::answers_to`].
    pub fn by_reader(&self) -> Result<f64> {
        let features = |x: &Array2<f32>| FORECAST.features(x.view(), self.samples.shape);
        let (phi, others) = (features(&self.samples.x), features(&self.x));
        let answers = ridge::answers_to(others.view(), phi.view(), self.samples.y.view(), self.seed)?;
        Ok(self.right(answers.view()))
    }

    /// Of two classes: how well the answers of a linear network with these templates u_αᵀE
    /// `[m, d]` tell them apart, as the area under the ROC curve (1: by their class, 0: by the
    /// other's). Unlike the share of right answers that does not ask for the threshold, which
    /// a training set without conflicts does not fix. `u` `[m, K]` has the modes' outputs in
    /// rows.
    pub fn by_templates(&self, u: ArrayView2<f64>, templates: ArrayView2<f64>) -> f64 {
        let answers = self.x.mapv(f64::from).dot(&templates.t()).dot(&u);
        let of = |class: usize| {
            let scored = answers.outer_iter().zip(&self.classes).filter(move |(_, c)| **c == class);
            scored.map(|(a, _)| a[1] - a[0]).collect::<Vec<_>>()
        };
        let mut others = of(0);
        others.sort_by(f64::total_cmp);
        auc(&of(1), &others)
    }

    fn right(&self, answers: ArrayView2<f64>) -> f64 {
        let right = answers.outer_iter().zip(&self.classes);
        let right = right.filter(|(answer, class)| largest(answer.iter().copied()) == **class).count();
        right as f64 / self.classes.len() as f64
    }
}

/// The split that a run was evaluated on, "test" where there was none.
pub fn split(run: &Finished) -> String {
    run.config.eval.split.clone().unwrap_or_else(|| "test".to_owned())
}

/// Whether mode theory knows the run: an FCNN, or one layer of full circular kernels, begun
/// with Gaussian weights.
pub fn has_theory(run: &Finished) -> bool {
    let model = &run.config.model;
    let full = model.layers == 1 && model.kernel == Kernel::Full && model.padding() == Padding::Circular;
    let gaussian = matches!(run.config.init.kind, None | Some(InitKind::Gaussian));
    run.is(ModelKind::Fcnn) || (run.is(ModelKind::Lcnn) && full && gaussian)
}

/// One mode is what two centred classes have.
///
/// # Errors
/// [`Error::Input`] for a linear run of more.
pub fn one_mode(run: &Finished) -> Result<()> {
    let modes = run.summary.modes.len();
    if modes == 1 {
        return Ok(());
    }
    let found = format!("{modes} (two centred classes have one)");
    Err(Error::input(run.place(), "one mode", found))
}

fn largest(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (i, v)| if v > best.1 { (i, v) } else { best }).0
}

/// Steps of a deep run, and the share of the evaluation images that were answered by their class.
///
/// # Errors
/// [`Error::Input`] for a run without evaluations.
pub fn accuracy(run: &Finished) -> Result<Vec<(f64, f64)>> {
    let path = run.dir.eval();
    let found = accuracy_in(&path)?;
    if found.is_empty() {
        let expected = "evaluations on a split with conflicting cues (--eval test)";
        return Err(Error::input(path.display(), expected, "none"));
    }
    Ok(found)
}

/// The same on the further split `split`; empty where the run was not evaluated on it.
///
/// # Errors
/// Of a table that cannot be read.
pub fn accuracy_on(run: &Finished, split: &str) -> Result<Vec<(f64, f64)>> {
    let beside = run.config.eval.beside.iter().any(|name| name == split);
    if beside { accuracy_in(&run.dir.eval_beside(split)) } else { Ok(Vec::new()) }
}

fn accuracy_in(path: &Path) -> Result<Vec<(f64, f64)>> {
    let table = Table::read(path)?;
    let (steps, accuracy) = (table.column("step")?, table.column("accuracy")?);
    Ok(steps.iter().copied().zip(accuracy.iter().copied()).collect())
}

/// Rows u_α `[m, K]` of a run, and its templates `[m, d]` at a snapshot.
///
/// # Errors
/// Of arrays that cannot be read.
pub fn templates(run: &Finished, step: u64) -> anyhow::Result<(Array2<f64>, Array2<f64>)> {
    let u: Array2<f64> = run.dir.modes_array("u")?.into_dimensionality()?;
    let u = u.reversed_axes();
    let images = run.dir.spectra_array(step, "images")?;
    let modes = images.len_of(Axis(0));
    let templates = images.to_shape((modes, images.len() / modes))?.into_owned();
    Ok((u, templates))
}

/// v_α of the modes `[m, c·h, w]` of a run.
///
/// # Errors
/// Of arrays that cannot be read.
pub fn v(run: &Finished) -> anyhow::Result<Array3<f64>> {
    let v = run.dir.modes_array("v")?;
    let [c, h, w] = run.dir.shape()?;
    Ok(v.to_shape((v.len_of(Axis(0)), c * h, w))?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_the_answer() {
        assert_eq!(largest([0.1, 0.7, 0.2].into_iter()), 1);
        assert_eq!(largest([0.5, 0.5].into_iter()), 0);
        assert_eq!(largest([f64::NAN, -1.0].into_iter()), 1);
    }
}
