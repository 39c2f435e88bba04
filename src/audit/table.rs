//! Tables with names in them, as CSV (RFC 4180, lines end in \n).

use std::io::Write;
use std::path::Path;

use crate::disk;
use crate::error::Result;

/// What stands in a cell.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
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

/// Writes a header and rows of as many cells, whole or not at all.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) naming `path`; what was there is then untouched.
///
/// # Panics
/// If a row has another number of cells than the header.
pub(crate) fn write<'a>(
    path: &Path,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
) -> Result<()> {
    disk::write_atomic(path, |out| {
        line(out, header.iter().map(|name| Cell::Text(name)))?;
        rows.into_iter().try_for_each(|row| {
            assert_eq!(row.len(), header.len(), "cells of a row");
            line(out, row.into_iter())
        })
    })
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
        write(&path, &["name", "value", "none"], rows).unwrap();
        let expected = "name,value,none\nconv1.weight,3,\n\"a,b\",0.30000000000000004,\n\
                        \"say \"\"w\"\"\",1e-300,\n\"two\nlines\",,\ngröße,-2e20,\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        let absent = dir.path().join("absent").join("t.csv");
        let error = write(&absent, &["name"], []).unwrap_err().to_string();
        assert!(error.contains("t.csv"), "{error}");
    }
}
