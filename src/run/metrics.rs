//! `metrics.csv`: columns step, epoch, loss, accuracy, a_1…a_m and, for every
//! theory that applies, its prediction of the same under its own name
//! (mode_1…mode_m). Empty cells were not measured. Numbers are written so that
//! they read back exactly.

use std::path::Path;

use crate::error::{Error, Result};
use crate::run::Row;
use crate::run::table::{Table, TableWriter};

const FIRST: [&str; 4] = ["step", "epoch", "loss", "accuracy"];

/// Appends rows to the file.
#[derive(Debug)]
pub struct Writer {
    table: TableWriter,
    row: Vec<Option<f64>>,
}

impl Writer {
    /// Creates `path` for `modes` modes and the theories of these names.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists: another run is writing there.
    pub fn create(path: &Path, modes: usize, theories: &[&str]) -> Result<Self> {
        let table = TableWriter::create(path, &names(modes, theories))?;
        Ok(Self { table, row: Vec::new() })
    }

    /// Goes on with the file as it was when [`Writer::position`] was `bytes`.
    ///
    /// # Errors
    /// As [`TableWriter::resume`].
    pub fn resume(path: &Path, modes: usize, theories: &[&str], bytes: u64) -> Result<Self> {
        let table = TableWriter::resume(path, &names(modes, theories), bytes)?;
        Ok(Self { table, row: Vec::new() })
    }

    /// Appends one row; `predicted` has the values of each theory after each
    /// other, one per mode.
    ///
    /// # Errors
    /// As [`TableWriter::append`].
    pub fn append(&mut self, row: &Row, predicted: &[f64]) -> Result<()> {
        self.row.clear();
        self.row.extend([Some(row.step as f64), Some(row.epoch), Some(row.loss), row.accuracy]);
        // What a theory was not followed to is NaN: an empty cell.
        self.row.extend(row.a.iter().chain(predicted).map(|v| Some(*v)));
        self.table.append(&self.row)
    }

    /// Length of the file in bytes: where [`Writer::resume`] goes on from here.
    pub fn position(&self) -> u64 {
        self.table.position()
    }

    /// Makes sure that the rows are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.table.sync()
    }
}

fn names(modes: usize, theories: &[&str]) -> Vec<String> {
    let curves = std::iter::once(&"a").chain(theories);
    let curves = curves.flat_map(|name| (1..=modes).map(move |i| format!("{name}_{i}")));
    FIRST.iter().map(|n| (*n).to_owned()).chain(curves).collect()
}

// Number of modes and names of the theories.
fn parse(header: &[String]) -> Option<(usize, Vec<String>)> {
    let curves = header.strip_prefix(FIRST.map(str::to_owned).as_slice())?;
    let modes = curves.iter().take_while(|c| c.starts_with("a_")).count();
    let theories: Option<Vec<&str>> = match modes {
        0 => None,
        _ => curves[modes..].chunks(modes).map(|group| group[0].strip_suffix("_1")).collect(),
    };
    let theories = theories?;
    let known = names(modes, &theories) == header;
    known.then(|| (modes, theories.into_iter().map(str::to_owned).collect()))
}

/// The columns of a `metrics.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Step of each row.
    pub steps: Vec<f64>,
    /// Loss of each row.
    pub loss: Vec<f64>,
    /// Accuracy of each row, NaN where it was not measured.
    pub accuracy: Vec<f64>,
    /// a_α of each mode: `a[mode][row]`.
    pub a: Vec<Vec<f64>>,
    /// What each theory predicted.
    pub theories: Vec<Predicted>,
}

/// a_α as one theory has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predicted {
    /// Name of the theory.
    pub theory: String,
    /// a_α of each mode: `a[mode][row]`, NaN where the theory was not followed.
    pub a: Vec<Vec<f64>>,
}

impl Metrics {
    /// For `modes` modes and the theories of these names; no rows yet.
    pub fn new(modes: usize, theories: &[&str]) -> Self {
        let columns = |theory: &&str| Predicted { theory: (*theory).to_owned(), a: vec![Vec::new(); modes] };
        Self {
            a: vec![Vec::new(); modes],
            theories: theories.iter().map(columns).collect(),
            ..Self::default()
        }
    }

    /// Adds a row, as [`Writer::append`] does to the file.
    pub fn push(&mut self, row: &Row, predicted: &[f64]) {
        self.steps.push(row.step as f64);
        self.loss.push(row.loss);
        self.accuracy.push(row.accuracy.unwrap_or(f64::NAN));
        self.a.iter_mut().zip(&row.a).for_each(|(column, v)| column.push(*v));
        let columns = self.theories.iter_mut().flat_map(|t| &mut t.a);
        columns.zip(predicted).for_each(|(column, v)| column.push(*v));
    }

    /// Reads what a run has written so far; a last line that was cut off is left out.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] naming the line that is not what it should be.
    pub fn read(path: &Path) -> Result<Self> {
        let expected = "the columns step, epoch, loss, accuracy, a_1…a_m and as many of each theory";
        let (table, (modes, theories)) = Table::read_as(path, |header| parse(header).ok_or(expected))?;
        let mut columns = table.into_columns().into_iter();
        let mut take = |n: usize| columns.by_ref().take(n).collect::<Vec<_>>();
        let [steps, _, loss, accuracy] = take(4).try_into().unwrap_or_default();
        let a = take(modes);
        let theories = theories.into_iter().map(|theory| Predicted { theory, a: take(modes) }).collect();
        let metrics = Self { steps, loss, accuracy, a, theories };
        if metrics.steps.is_empty() {
            return Err(Error::input(path.display(), "at least one measured step", "none"));
        }
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64, a: &[f64]) -> Row {
        Row {
            step,
            epoch: step as f64,
            loss: 0.1 + 0.2,
            accuracy: (step == 0).then_some(0.25),
            a: a.to_vec(),
        }
    }

    #[test]
    fn rows_read_back_exactly_and_a_cut_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut w = Writer::create(&path, 2, &["mode", "flow"]).unwrap();
        w.append(&row(0, &[1e-300, 1.0 / 3.0]), &[0.1, 0.2, 0.5, 0.6]).unwrap();
        w.append(&row(3, &[0.7, f64::MIN_POSITIVE]), &[0.3, 0.4, f64::NAN, 0.8]).unwrap();
        w.sync().unwrap();
        let whole = Metrics::read(&path).unwrap();
        assert_eq!(whole.steps, [0.0, 3.0]);
        assert_eq!(whole.a, [[1e-300, 0.7], [1.0 / 3.0, f64::MIN_POSITIVE]]);
        assert_eq!(
            whole.theories[0],
            Predicted { theory: "mode".into(), a: vec![vec![0.1, 0.3], vec![0.2, 0.4]] }
        );
        let flow = &whole.theories[1];
        assert!(flow.theory == "flow" && flow.a[0][1].is_nan() && flow.a[1] == [0.6, 0.8]);
        assert_eq!(whole.loss, [0.1 + 0.2; 2]);
        assert!(whole.accuracy[0] == 0.25 && whole.accuracy[1].is_nan());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(Metrics::read(&path).unwrap().steps, [0.0]);
        assert!(Writer::create(&path, 2, &["mode", "flow"]).unwrap_err().to_string().contains("metrics.csv"));
    }

    #[test]
    fn a_resumed_run_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut w = Writer::create(&path, 1, &[]).unwrap();
        w.append(&row(0, &[0.1]), &[]).unwrap();
        let position = w.position();
        w.append(&row(1, &[0.2]), &[]).unwrap();
        drop(w);
        assert!(Writer::resume(&path, 2, &[], position).unwrap_err().to_string().contains("line 1"));
        Writer::resume(&path, 1, &[], position).unwrap().append(&row(2, &[0.3]), &[]).unwrap();
        let metrics = Metrics::read(&path).unwrap();
        assert_eq!((metrics.steps, metrics.a), (vec![0.0, 2.0], vec![vec![0.1, 0.3]]));
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Metrics::read(&path).unwrap_err().to_string()
        };
        assert!(
            read("step,epoch,loss,accuracy,a_1\n0,0,1,,x\n")
                .contains("line 2: expected a number in column a_1")
        );
        assert!(read("step,epoch,loss,accuracy,a_1\n0,0,1\n").contains("line 2: expected 5 cells, found 3"));
        assert!(read("a,b\n1,2\n").contains("line 1"));
        assert!(read("step,epoch,loss,accuracy,a_1\n").contains("at least one measured step"));
        assert!(read("").contains("line 1"));
        for header in ["a_1,a_2,mode_1", "a_1,mode_1,mode_2", "mode_1,a_1", "a_1,a_3", "a_1,mode"] {
            let text = format!("step,epoch,loss,accuracy,{header}\n0,0,1,,1,1,1\n");
            assert!(read(&text).contains("line 1"), "{header}");
        }
    }
}
