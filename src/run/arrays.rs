//! `.npz` files that `numpy.load` reads.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use ndarray::{ArrayD, ArrayView, Dimension, IxDyn};
use ndarray_npy::{NpzReader, NpzWriter};

use crate::disk;
use crate::error::{Error, Result};

/// Collects named arrays and writes them as one file.
pub struct Npz {
    zip: NpzWriter<Cursor<Vec<u8>>>,
    failed: Option<String>,
}

impl Default for Npz {
    fn default() -> Self {
        Self { zip: NpzWriter::new(Cursor::new(Vec::new())), failed: None }
    }
}

impl Npz {
    /// Adds `array` under `name`.
    #[must_use]
    pub fn with<T: ndarray_npy::WritableElement + Clone, D: Dimension>(
        mut self,
        name: &str,
        array: ArrayView<T, D>,
    ) -> Self {
        if let Err(e) = self.zip.add_array(name, &array) {
            self.failed.get_or_insert(format!("{name}: {e}"));
        }
        self
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] naming `path`.
    pub fn write(self, path: &Path) -> Result<()> {
        let failed = |e: String| Error::io(path, "write")(std::io::Error::other(e));
        if let Some(e) = self.failed {
            return Err(failed(e));
        }
        let bytes = self.zip.finish().map_err(|e| failed(e.to_string()))?;
        disk::write_bytes(path, bytes.get_ref())
    }
}

/// Reads one array in double precision.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] naming the file and the array.
pub fn read(path: &Path, name: &str) -> Result<ArrayD<f64>> {
    by_name(path, &mut open(path)?, name)
}

/// As [`read`]; None where the file has no array of this name.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(path: &Path, name: &str) -> Result<Option<ArrayD<f64>>> {
    let mut zip = open(path)?;
    let names = zip.names().map_err(|e| Error::input(path.display(), "an .npz file", e))?;
    names.iter().any(|n| n == name).then(|| by_name(path, &mut zip, name)).transpose()
}

fn open(path: &Path) -> Result<NpzReader<File>> {
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    NpzReader::new(file).map_err(|e| Error::input(path.display(), "an .npz file", e))
}

fn by_name(path: &Path, zip: &mut NpzReader<File>, name: &str) -> Result<ArrayD<f64>> {
    let place = format!("{}, array `{name}`", path.display());
    zip.by_name::<ndarray::OwnedRepr<f64>, IxDyn>(name)
        .map_err(|e| Error::input(place, "an array of float64", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn arrays_read_back_and_errors_name_file_and_array() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let a = array![[1.0, 2.0], [3.0, f64::NAN]];
        Npz::default().with("a", a.view()).with("n", array![1i64, -2].view()).write(&path).unwrap();
        let back = read(&path, "a").unwrap();
        assert_eq!(back.shape(), [2, 2]);
        assert!(back[[1, 1]].is_nan() && back[[1, 0]] == 3.0);
        assert!(read(&path, "b").unwrap_err().to_string().contains("a.npz, array `b`"));
        assert!(read(&path, "n").is_err());
        assert_eq!(read_if_there(&path, "a").unwrap().map(|a| a.len()), Some(4));
        assert!(read_if_there(&path, "b").unwrap().is_none() && read_if_there(&path, "n").is_err());
        std::fs::write(&path, b"no zip").unwrap();
        assert!(read(&path, "a").unwrap_err().to_string().contains("a.npz: expected an .npz file"));
    }
}
