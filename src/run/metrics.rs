//! `metrics.csv`: columns step, epoch, loss, accuracy, a_1…a_m and, where a
//! theory applies, theory_1…theory_m. Empty cells were not measured. Numbers
//! are written so that they read back exactly.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::run::Row;

/// Appends rows to a new file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    line: String,
}

impl Writer {
    /// Creates `path` for `modes` modes, with or without columns of theory.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists: another run is writing there.
    pub fn create(path: &Path, modes: usize, theory: bool) -> Result<Self> {
        let file =
            OpenOptions::new().append(true).create_new(true).open(path).map_err(Error::io(path, "create"))?;
        let mut line = "step,epoch,loss,accuracy".to_owned();
        for prefix in ["a", "theory"].iter().take(1 + usize::from(theory)) {
            for i in 1..=modes {
                let _ = write!(line, ",{prefix}_{i}");
            }
        }
        let mut writer = Self { file, path: path.to_path_buf(), line };
        writer.put()?;
        Ok(writer)
    }

    /// Appends one row; `theory` has one value per mode, or none at all.
    ///
    /// # Errors
    /// [`Error::Io`]: a full disk, mostly.
    pub fn append(&mut self, row: &Row, theory: &[f64]) -> Result<()> {
        self.line.clear();
        let _ = write!(self.line, "{},{},{:?},", row.step, row.epoch, row.loss);
        if let Some(accuracy) = row.accuracy {
            let _ = write!(self.line, "{accuracy}");
        }
        for value in row.a.iter().chain(theory) {
            let _ = write!(self.line, ",{value:?}");
        }
        self.put()
    }

    // A line goes out in one call, so that a kill leaves whole lines.
    fn put(&mut self) -> Result<()> {
        self.line.push('\n');
        self.file.write_all(self.line.as_bytes()).map_err(Error::io(&self.path, "write"))
    }

    /// Makes sure that the rows are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io(&self.path, "write"))
    }
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
    /// Theory's a_α of each mode; empty where no theory applied.
    pub theory: Vec<Vec<f64>>,
}

impl Metrics {
    /// For `modes` modes, with or without theory; no rows yet.
    pub fn new(modes: usize, theory: bool) -> Self {
        let theory = vec![Vec::new(); if theory { modes } else { 0 }];
        Self { a: vec![Vec::new(); modes], theory, ..Self::default() }
    }

    /// Adds a row, as [`Writer::append`] does to the file.
    pub fn push(&mut self, row: &Row, theory: &[f64]) {
        self.steps.push(row.step as f64);
        self.loss.push(row.loss);
        self.accuracy.push(row.accuracy.unwrap_or(f64::NAN));
        self.a.iter_mut().zip(&row.a).for_each(|(column, v)| column.push(*v));
        self.theory.iter_mut().zip(theory).for_each(|(column, v)| column.push(*v));
    }

    /// Reads what a run has written so far; a last line that was cut off is left out.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] naming the line that is not what it should be.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate();
        let place = |i: usize| format!("{}, line {}", path.display(), i + 1);
        let header: Vec<_> = lines.next().map_or("", |(_, line)| line).split(',').collect();
        let count = |prefix: &str| header.iter().filter(|c| c.starts_with(prefix)).count();
        let (modes, theory) = (count("a_"), count("theory_"));
        if header.len() < 4
            || header[..4] != ["step", "epoch", "loss", "accuracy"]
            || header.len() != 4 + modes + theory
        {
            return Err(Error::input(
                place(0),
                "the columns step, epoch, loss, accuracy, a_1…",
                header.join(","),
            ));
        }
        let mut metrics =
            Self { a: vec![Vec::new(); modes], theory: vec![Vec::new(); theory], ..Self::default() };
        for (i, line) in lines {
            let cells: Vec<_> = line.split(',').collect();
            if cells.len() != header.len() {
                return Err(Error::input(place(i), format_args!("{} cells", header.len()), cells.len()));
            }
            let number = |column: usize| {
                let cell = cells[column];
                if cell.is_empty() {
                    return Ok(f64::NAN);
                }
                let wrong =
                    |_| Error::input(place(i), format_args!("a number in column {}", header[column]), cell);
                cell.parse::<f64>().map_err(wrong)
            };
            metrics.steps.push(number(0)?);
            metrics.loss.push(number(2)?);
            metrics.accuracy.push(number(3)?);
            let (a, theory) = (&mut metrics.a, &mut metrics.theory);
            for (column, values) in a.iter_mut().chain(theory).enumerate() {
                values.push(number(4 + column)?);
            }
        }
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
        let mut w = Writer::create(&path, 2, true).unwrap();
        w.append(&row(0, &[1e-300, 1.0 / 3.0]), &[0.1, 0.2]).unwrap();
        w.append(&row(3, &[0.7, f64::MIN_POSITIVE]), &[0.3, 0.4]).unwrap();
        w.sync().unwrap();
        let whole = Metrics::read(&path).unwrap();
        assert_eq!(whole.steps, [0.0, 3.0]);
        assert_eq!(whole.a, [[1e-300, 0.7], [1.0 / 3.0, f64::MIN_POSITIVE]]);
        assert_eq!(whole.theory, [[0.1, 0.3], [0.2, 0.4]]);
        assert_eq!(whole.loss, [0.1 + 0.2; 2]);
        assert!(whole.accuracy[0] == 0.25 && whole.accuracy[1].is_nan());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        assert_eq!(Metrics::read(&path).unwrap().steps, [0.0]);
        assert!(Writer::create(&path, 2, true).unwrap_err().to_string().contains("metrics.csv"));
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
    }
}
