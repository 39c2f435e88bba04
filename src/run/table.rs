//! Tables of numbers as CSV: a header of column names, then a row a line. Empty
//! cells were not measured. Numbers are written so that they read back exactly.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The columns of a file.
#[derive(Clone, Debug)]
pub struct Table {
    path: PathBuf,
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Table {
    /// Reads what has been written so far; a last line that was cut off is left out.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] naming line and column of what is no number.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::read_as(path, |_| Ok(()))?.0)
    }

    /// As [`Table::read`], for a table whose columns follow a pattern: `header`
    /// sees their names before any row is read, and says of wrong ones what they
    /// should be.
    ///
    /// # Errors
    /// As [`Table::read`]; [`Error::Input`] with the words of `header`.
    pub fn read_as<T>(
        path: &Path,
        header: impl FnOnce(&[String]) -> std::result::Result<T, &'static str>,
    ) -> Result<(Self, T)> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut lines = whole.lines().enumerate();
        let place = |i: usize| format!("{}, line {}", path.display(), i + 1);
        let first = lines.next().map_or("", |(_, line)| line);
        if first.is_empty() {
            return Err(Error::input(place(0), "names of columns", "none"));
        }
        let names: Vec<String> = first.split(',').map(str::to_owned).collect();
        let known = header(&names).map_err(|expected| Error::input(place(0), expected, first))?;
        let mut columns = vec![Vec::new(); names.len()];
        for (i, line) in lines {
            let cells: Vec<_> = line.split(',').collect();
            if cells.len() != names.len() {
                return Err(Error::input(place(i), format_args!("{} cells", names.len()), cells.len()));
            }
            for ((cell, name), column) in cells.into_iter().zip(&names).zip(&mut columns) {
                let wrong = |_| Error::input(place(i), format_args!("a number in column {name}"), cell);
                column.push(if cell.is_empty() { f64::NAN } else { cell.parse().map_err(wrong)? });
            }
        }
        Ok((Self { path: path.to_path_buf(), names, columns }, known))
    }

    /// Names of the columns, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// A column by its name, NaN where a cell is empty.
    ///
    /// # Errors
    /// [`Error::Input`] naming file and column where there is none.
    pub fn column(&self, name: &str) -> Result<&[f64]> {
        let found = self.names.iter().position(|n| n == name);
        found.map(|i| &self.columns[i][..]).ok_or_else(|| {
            Error::input(self.path.display(), format_args!("a column {name}"), self.names.join(","))
        })
    }

    /// All columns, in the order of their names.
    pub fn into_columns(self) -> Vec<Vec<f64>> {
        self.columns
    }
}

/// Appends rows to a file.
#[derive(Debug)]
pub struct TableWriter {
    file: File,
    path: PathBuf,
    columns: usize,
    position: u64,
    line: String,
}

impl TableWriter {
    /// Creates `path` with columns of these names.
    ///
    /// # Errors
    /// [`Error::Io`], also when the file exists: another run is writing there.
    pub fn create<S: AsRef<str>>(path: &Path, names: &[S]) -> Result<Self> {
        let file =
            OpenOptions::new().append(true).create_new(true).open(path).map_err(Error::io(path, "create"))?;
        let mut writer =
            Self { file, path: path.to_path_buf(), columns: names.len(), position: 0, line: header(names) };
        writer.put()?;
        Ok(writer)
    }

    /// Goes on with the table at `path` as it was when [`TableWriter::position`]
    /// was `bytes`: what was written after is cut off.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] for a file with other columns, a shorter
    /// one, and one where no line ends there. The file is then as it was.
    pub fn resume<S: AsRef<str>>(path: &Path, names: &[S], bytes: u64) -> Result<Self> {
        let text = std::fs::read(path).map_err(Error::io(path, "read"))?;
        let header = header(names);
        let found = text.split(|b| *b == b'\n').next().unwrap_or_default();
        if found != header.as_bytes() {
            let place = format!("{}, line 1", path.display());
            let found = String::from_utf8_lossy(found);
            return Err(Error::input(place, format_args!("the columns {header}"), found));
        }
        let kept = usize::try_from(bytes).ok().and_then(|n| text.get(..n)).ok_or_else(|| {
            Error::input(path.display(), format_args!("at least {bytes} bytes to go on from"), text.len())
        })?;
        if kept.last() != Some(&b'\n') {
            let place = format!("{}, byte {bytes}", path.display());
            return Err(Error::input(place, "the end of a line to go on from", "none"));
        }
        let file = OpenOptions::new().append(true).open(path).map_err(Error::io(path, "open"))?;
        file.set_len(bytes).map_err(Error::io(path, "shorten"))?;
        let (path, columns) = (path.to_path_buf(), names.len());
        Ok(Self { file, path, columns, position: bytes, line: String::new() })
    }

    /// Appends one row; None, like NaN, leaves its cell empty.
    ///
    /// # Errors
    /// [`Error::Io`]: a full disk, mostly. [`Error::Input`] for a row of another
    /// length than the header.
    pub fn append(&mut self, row: &[Option<f64>]) -> Result<()> {
        if row.len() != self.columns {
            let expected = format_args!("{} cells in a row", self.columns);
            return Err(Error::input(self.path.display(), expected, row.len()));
        }
        self.line.clear();
        for (i, cell) in row.iter().enumerate() {
            self.line.push_str(if i > 0 { "," } else { "" });
            let Some(v) = cell.filter(|v| !v.is_nan()) else { continue };
            // Whole numbers as counts look; beyond, `{}` would write hundreds of digits.
            let whole = v.fract() == 0.0 && v.abs() < 1e15;
            let _ = if whole { write!(self.line, "{v}") } else { write!(self.line, "{v:?}") };
        }
        self.put()
    }

    // A line goes out in one call, so that a kill leaves whole lines.
    fn put(&mut self) -> Result<()> {
        self.line.push('\n');
        self.file.write_all(self.line.as_bytes()).map_err(Error::io(&self.path, "write"))?;
        self.position += self.line.len() as u64;
        Ok(())
    }

    /// Length of the file in bytes: where [`TableWriter::resume`] goes on from here.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Makes sure that the rows are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io(&self.path, "write"))
    }
}

fn header<S: AsRef<str>>(names: &[S]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 3] = ["step", "loss", "accuracy"];

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rows_read_back_and_a_cut_line_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eval.csv");
        let mut w = TableWriter::create(&path, &NAMES).unwrap();
        w.append(&[Some(0.0), Some(0.1 + 0.2), None]).unwrap();
        w.append(&[Some(1e6), Some(1e-300), Some(f64::NAN)]).unwrap();
        w.append(&[Some(3e20), Some(-0.0), Some(1.0)]).unwrap();
        w.sync().unwrap();
        let written = "step,loss,accuracy\n0,0.30000000000000004,\n1000000,1e-300,\n3e20,-0,1\n";
        assert_eq!(text(&path), written);
        assert_eq!(w.position(), written.len() as u64);
        let table = Table::read(&path).unwrap();
        assert_eq!((table.names(), table.rows()), (&NAMES.map(str::to_owned)[..], 3));
        assert_eq!(table.column("step").unwrap(), [0.0, 1e6, 3e20]);
        assert_eq!(table.column("loss").unwrap(), [0.1 + 0.2, 1e-300, 0.0]);
        let accuracy = table.column("accuracy").unwrap();
        assert!(accuracy[0].is_nan() && accuracy[1].is_nan() && accuracy[2] == 1.0);
        let error = table.column("ema_loss").unwrap_err().to_string();
        assert!(error.contains("eval.csv") && error.contains("ema_loss"), "{error}");

        std::fs::write(&path, &written[..written.len() - 1]).unwrap();
        assert_eq!(Table::read(&path).unwrap().rows(), 2);
        std::fs::write(&path, "step,loss\n").unwrap();
        assert_eq!(Table::read(&path).unwrap().column("loss").unwrap(), [0.0; 0]);
        assert!(TableWriter::create(&path, &NAMES).unwrap_err().to_string().contains("eval.csv"));
    }

    #[test]
    fn damage_is_named_with_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Table::read(&path).unwrap_err().to_string()
        };
        assert!(read("a,b\n1,2\n1,x\n").contains("t.csv, line 3: expected a number in column b, found x"));
        assert!(read("a,b\n1,2,3\n").contains("line 2: expected 2 cells, found 3"));
        assert!(read("").contains("line 1") && read("\n1\n").contains("line 1"));
        assert!(read("no line end").contains("line 1"));
        assert!(Table::read(&dir.path().join("absent.csv")).unwrap_err().to_string().contains("absent.csv"));
        let error = Table::read_as::<()>(&path, |_| Err("other columns")).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        let mut w = TableWriter::create(&dir.path().join("w.csv"), &NAMES).unwrap();
        assert!(w.append(&[None]).unwrap_err().to_string().contains("w.csv: expected 3 cells"));
    }

    #[test]
    fn a_resumed_table_is_that_of_an_uninterrupted_run() {
        let dir = tempfile::tempdir().unwrap();
        let [whole, broken] = ["whole.csv", "broken.csv"].map(|name| dir.path().join(name));
        let row = |i: u32| [Some(f64::from(i)), Some(1.0 / f64::from(i + 1)), None];
        let fill =
            |w: &mut TableWriter, from: u32, to: u32| (from..to).for_each(|i| w.append(&row(i)).unwrap());
        fill(&mut TableWriter::create(&whole, &NAMES).unwrap(), 0, 9);

        let mut w = TableWriter::create(&broken, &NAMES).unwrap();
        let empty = w.position();
        fill(&mut w, 0, 4);
        let position = w.position();
        fill(&mut w, 4, 6);
        drop(w);
        // The kill came in the middle of a line.
        std::fs::write(&broken, text(&broken) + "6,0.1").unwrap();
        let mut w = TableWriter::resume(&broken, &NAMES, position).unwrap();
        assert_eq!(w.position(), position);
        fill(&mut w, 4, 9);
        assert_eq!(text(&broken), text(&whole));
        assert_eq!(w.position(), text(&whole).len() as u64);
        fill(&mut TableWriter::resume(&broken, &NAMES, empty).unwrap(), 0, 9);
        assert_eq!(text(&broken), text(&whole));
    }

    #[test]
    fn another_table_is_not_resumed_and_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let before = "step,loss,accuracy\n0,1,\n";
        std::fs::write(&path, before).unwrap();
        let resume =
            |names: &[&str], bytes: u64| TableWriter::resume(&path, names, bytes).unwrap_err().to_string();
        for (names, bytes, words) in [
            (&NAMES[..], before.len() as u64 + 1, "at least 25 bytes"),
            (&NAMES, u64::MAX, "t.csv"),
            (&NAMES, 20, "byte 20"),
            (&NAMES, 0, "byte 0"),
            (&NAMES[..2], 24, "the columns step,loss,"),
            (&["step", "loss", "accuracy", "eta"], 24, "line 1"),
        ] {
            let error = resume(names, bytes);
            assert!(error.contains(words), "{bytes}: {error}");
            assert_eq!(text(&path), before);
        }
        let absent = TableWriter::resume(&dir.path().join("no.csv"), &NAMES, 0).unwrap_err().to_string();
        assert!(absent.contains("no.csv"), "{absent}");
    }

    proptest! {
        #[test]
        fn every_number_reads_back(bits in any::<u64>()) {
            let v = f64::from_bits(bits);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t.csv");
            TableWriter::create(&path, &["v"]).unwrap().append(&[Some(v)]).unwrap();
            let table = Table::read(&path).unwrap();
            let back = table.column("v").unwrap();
            prop_assert!(back.len() == 1 && (back[0].to_bits() == bits || (v.is_nan() && back[0].is_nan())));
        }
    }
}
