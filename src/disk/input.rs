//! A file as bytes at places; nothing is allocated before the file is
//! known to hold it.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Take};
use std::path::Path;

use crate::error::{Error, Result};

/// What is read from: a file, or bytes in memory.
pub trait Bytes: Read + Seek {}
impl<T: Read + Seek> Bytes for T {}

/// A file of known length.
pub struct Input<'p> {
    bytes: Box<dyn Bytes + 'p>,
    size: u64,
    path: &'p Path,
}

impl<'p> Input<'p> {
    /// Opens a file; `what` it should be is for the error where it is a directory.
    pub fn open(path: &'p Path, what: &str) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        let about = file.metadata().map_err(Error::io(path, "read"))?;
        if about.is_dir() {
            return Err(Error::input(path.display(), what, "a directory"));
        }
        Ok(Self { bytes: Box::new(file), size: about.len(), path })
    }

    /// A file that is in memory; `path` names it in errors.
    pub fn of_bytes(bytes: &'p [u8], path: &'p Path) -> Self {
        Self { bytes: Box::new(Cursor::new(bytes)), size: bytes.len() as u64, path }
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its path.
    pub fn path(&self) -> &'p Path {
        self.path
    }

    /// An error that names the file.
    pub fn wrong(&self, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Error {
        Error::input(self.path.display(), expected, found)
    }

    /// An error that names the file and something in it.
    pub fn wrong_in(
        &self,
        part: impl std::fmt::Display,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Error {
        Error::input(format_args!("{}: {part}", self.path.display()), expected, found)
    }

    /// A reader of `length` bytes from byte `at` on.
    pub fn section(&mut self, at: u64, length: u64) -> Result<Take<&mut (dyn Bytes + 'p)>> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            let expected = format!("{length} bytes from byte {at} on");
            return Err(self.wrong(expected, format_args!("the end of the file after {}", self.size)));
        }
        self.bytes.seek(SeekFrom::Start(at)).map_err(Error::io(self.path, "read"))?;
        Ok(self.bytes.as_mut().take(length))
    }

    /// `length` bytes from byte `at` on.
    pub fn bytes(&mut self, at: u64, length: u64) -> Result<Vec<u8>> {
        let path = self.path;
        let mut section = self.section(at, length)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        section.read_exact(&mut bytes).map_err(Error::io(path, "read"))?;
        Ok(bytes)
    }
}
