//! `metrics.csv`: columns step, epoch, loss, accuracy, a_1…a_m and, for every
//! theory that applies, its prediction of the same under its own name
//! (mode_1…mode_m). Empty cells were not measured. Numbers are written so that
//! they read back exactly.

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
    /// Creates `path` for `modes` modes and the theories of these names.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists: another run is writing there.
    pub fn create(path: &Path, modes: usize, theories: &[&str]) -> Result<Self> {
        let file =
            OpenOptions::new().append(true).create_new(true).open(path).map_err(Error::io(path, "create"))?;
        let mut line = "step,epoch,loss,accuracy".to_owned();
        for prefix in std::iter::once(&"a").chain(theories) {
            for i in 1..=modes {
                let _ = write!(line, ",{prefix}_{i}");
            }
        }
        let mut writer = Self { file, path: path.to_path_buf(), line };
        writer.put()?;
        Ok(writer)
    }

    /// Appends one row; `predicted` has the values of each theory after each
    /// other, one per mode.
    ///
    /// # Errors
    /// [`Error::Io`]: a full disk, mostly.
    pub fn append(&mut self, row: &Row, predicted: &[f64]) -> Result<()> {
        self.line.clear();
        let _ = write!(self.line, "{},{},{:?},", row.step, row.epoch, row.loss);
        if let Some(accuracy) = row.accuracy {
            let _ = write!(self.line, "{accuracy}");
        }
        for value in row.a.iter().chain(predicted) {
            // What a theory was not followed to is not a number.
            let _ = if value.is_nan() { write!(self.line, ",") } else { write!(self.line, ",{value:?}") };
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
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines().enumerate();
        let place = |i: usize| format!("{}, line {}", path.display(), i + 1);
        let header: Vec<_> = lines.next().map_or("", |(_, line)| line).split(',').collect();
        let modes = header.iter().filter(|c| c.starts_with("a_")).count();
        let expected = "the columns step, epoch, loss, accuracy, a_1…a_m and as many of each theory";
        let wrong = || Error::input(place(0), expected, header.join(","));
        if header.len() < 5 || header[..4] != ["step", "epoch", "loss", "accuracy"] || modes == 0 {
            return Err(wrong());
        }
        let mut names = Vec::new();
        for group in header[4..].chunks(modes) {
            let name = group[0].strip_suffix("_1").ok_or_else(wrong)?;
            let whole = (1..=modes).all(|i| group.get(i - 1).is_some_and(|c| **c == format!("{name}_{i}")));
            if !whole || (name == "a") != names.is_empty() {
                return Err(wrong());
            }
            names.push(name);
        }
        let mut metrics = Self::new(modes, &names[1..]);
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
            let predicted = metrics.theories.iter_mut().flat_map(|t| &mut t.a);
            for (column, values) in metrics.a.iter_mut().chain(predicted).enumerate() {
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
