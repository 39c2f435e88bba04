//! Tables with names in them, as CSV (RFC 4180, lines end in \n).

use std::io::Write;
use std::path::Path;

use super::Rate;
use crate::disk;
use crate::error::Result;

/// What stands in a cell.
#[derive(Debug)]
pub enum Cell<'a> {
    /// Any text; quoted where it has to be.
    Text(&'a str),
    /// Reads back exactly; not a number is an empty cell.
    Number(f64),
    /// Not measured.
    Empty,
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Number)
    }
}

impl From<usize> for Cell<'_> {
    fn from(value: usize) -> Self {
        Self::Number(value as f64)
    }
}

/// A table.
#[derive(Debug, Default)]
pub struct Csv<'a> {
    /// Names of the columns.
    header: Vec<String>,
    /// As many cells each.
    rows: Vec<Vec<Cell<'a>>>,
}

impl<'a> Csv<'a> {
    /// Of a header and rows.
    ///
    /// # Panics
    /// If a row has another number of cells than the header.
    pub(crate) fn new(
        header: impl IntoIterator<Item = impl Into<String>>,
        rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
    ) -> Self {
        let header: Vec<String> = header.into_iter().map(Into::into).collect();
        let rows: Vec<_> = rows.into_iter().collect();
        rows.iter().for_each(|row| assert_eq!(row.len(), header.len(), "cells of a row"));
        Self { header, rows }
    }

    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) naming `path`; what was there is then untouched.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        disk::write_atomic(path, |out| {
            line(out, self.header.iter().map(|name| Cell::Text(name)))?;
            self.rows.into_iter().try_for_each(|row| line(out, row.into_iter()))
        })
    }
}

/// A share and its interval.
pub(crate) fn rate(rate: Option<Rate>) -> [Cell<'static>; 3] {
    let [low, high] = rate.map_or([None; 2], |r| r.interval.map(Some));
    [rate.map(|r| r.share).into(), low.into(), high.into()]
}

/// Names of columns: those of `plain`, then of each of `rates` the share and the ends of its interval, as [`rate`] has them.
pub(crate) fn header(plain: &[&str], rates: &[&str]) -> Vec<String> {
    let rates = rates.iter().flat_map(|name| ["", "_low", "_high"].map(|end| format!("{name}{end}")));
    plain.iter().map(|name| (*name).to_owned()).chain(rates).collect()
}

/// A class by its name or, without one, its number.
pub(crate) fn class(names: &[String], class: u32) -> Cell<'_> {
    names.get(class as usize).map_or(Cell::Number(f64::from(class)), |name| Cell::Text(name))
}

fn line<'a>(out: &mut dyn Write, cells: impl Iterator<Item = Cell<'a>>) -> std::io::Result<()> {
    for (i, cell) in cells.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Text(text) if text.contains(['"', ',', '\n', '\r']) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Cell::Text(text) => out.write_all(text.as_bytes())?,
            // Whole numbers as counts look.
            Cell::Number(v) if v.fract() == 0.0 && v.abs() < 1e15 => write!(out, "{v}")?,
            Cell::Number(v) if v.is_nan() => {}
            Cell::Number(v) => write!(out, "{v:?}")?,
            Cell::Empty => {}
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_three_columns() {
        assert_eq!(header(&["n"], &["a", "b"]), ["n", "a", "a_low", "a_high", "b", "b_low", "b_high"]);
        assert_eq!(rate(None).len(), 3);
    }

    #[test]
    fn names_are_quoted_and_numbers_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let row = |name, value| vec![Cell::Text(name), Cell::Number(value), Cell::from(None)];
        let rows = [
            row("conv1.weight", 3.0),
            row("a,b", 0.1 + 0.2),
            row("say \"w\"", 1e-300),
            row("two\nlines", f64::NAN),
            row("größe", -2e20),
        ];
        Csv::new(["name", "value", "none"], rows).write(&path).unwrap();
        let expected = "name,value,none\nconv1.weight,3,\n\"a,b\",0.30000000000000004,\n\
                        \"say \"\"w\"\"\",1e-300,\n\"two\nlines\",,\ngröße,-2e20,\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let absent = dir.path().join("absent").join("t.csv");
        let error = Csv::new(["name"], []).write(&absent).unwrap_err().to_string();
        assert!(error.contains("t.csv"), "{error}");
    }
}
