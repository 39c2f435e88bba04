//! Files that are whole or absent: written beside their place, synced, renamed. And files
//! of strangers, read within their size ([`input`]): zip archives and numpy's arrays.

pub(crate) mod extent;
pub(crate) mod input;
pub(crate) mod npy;
pub(crate) mod zip;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// Writes `path` through `fill`: a reader sees the old file or the new one,
/// never a part, whenever the process is killed.
///
/// # Errors
/// [`Error::Io`] naming `path`; what was there before is then untouched.
pub fn write_atomic(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let err = |action| move |e| Error::io(path, action)(plain(e));
    let mut builder = tempfile::Builder::new();
    builder.prefix(BESIDE.0).suffix(BESIDE.1);
    #[cfg(unix)]
    builder.permissions(readable(0o666));
    let file = builder.tempfile_in(dir).map_err(err("create"))?;
    let mut buffer = BufWriter::with_capacity(1 << 20, file);
    fill(&mut buffer).and_then(|()| buffer.flush()).map_err(err("write"))?;
    let file = buffer.into_inner().map_err(|e| err("write")(e.into_error()))?;
    file.as_file().sync_all().map_err(err("write"))?;
    file.persist(path).map_err(|e| err("replace")(e.error))?;
    // The rename itself must survive a power cut; not every file system can sync a directory.
    let _ = File::open(dir).and_then(|d| d.sync_all());
    Ok(())
}

// Start and end of the names of files that are being written.
const BESIDE: (&str, &str) = (".domfreq-", ".tmp");

/// Removes a file, if it is there.
///
/// # Errors
/// [`Error::Io`] naming it.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, "remove")(e)),
        _ => Ok(()),
    }
}

/// Whether `name` is that of a file being written by [`write_atomic`], or left by
/// a process killed meanwhile.
pub fn is_beside(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(BESIDE.0) && name.ends_with(BESIDE.1)
}

/// Removes what killed processes have left half-written in `dir`, which no other
/// process may be writing to.
///
/// # Errors
/// [`Error::Io`] naming the file or the directory.
pub fn sweep(dir: &Path) -> Result<()> {
    sweep_where(dir, |_| true)
}

fn sweep_where(dir: &Path, remove: impl Fn(&fs::DirEntry) -> bool) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir, "read"))?.filter_map(std::result::Result::ok) {
        if is_beside(&entry.file_name()) && remove(&entry) {
            fs::remove_file(entry.path()).map_err(Error::io(entry.path(), "remove"))?;
        }
    }
    Ok(())
}

/// [`sweep`] of a directory that other processes may be writing to: of what has not
/// been touched for an hour, in which any of these files would have been written.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_old(dir: &Path) -> Result<()> {
    const HOUR: Duration = Duration::from_secs(3600);
    let old = |entry: &fs::DirEntry| {
        let modified = entry.metadata().and_then(|m| m.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > HOUR))
    };
    sweep_where(dir, old)
}

/// [`write_atomic`] of bytes that are already there.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |out| out.write_all(bytes))
}

/// Creates a directory and its parents.
///
/// # Errors
/// [`Error::Io`] naming it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io(path, "create"))
}

/// Permissions of a result before the umask: temporary files would be private.
#[cfg(unix)]
pub fn readable(mode: u32) -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(mode)
}

// The system's reason without the name of a temporary file.
fn plain(e: std::io::Error) -> std::io::Error {
    if e.raw_os_error().is_none() && e.kind() != std::io::ErrorKind::Other {
        return e.kind().into();
    }
    e
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_bytes(&path, b"one").unwrap();
        write_bytes(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let failed = write_atomic(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("stopped"))
        });
        assert!(failed.unwrap_err().to_string().contains("a.txt"));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::write(dir.path().join(".domfreq-abc.tmp"), b"ha").unwrap();
        sweep_old(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "it may be being written");
        sweep(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let old = dir.path().join(".domfreq-abc.tmp");
        let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        fs::File::create(&old).unwrap().set_modified(hours_ago).unwrap();
        sweep_old(dir.path()).unwrap();
        assert!(!old.exists());
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            eprintln!("skipped: this system has no /dev/full");
            return;
        }
        // No file can be created beside /dev/full, so fill it through the same writer.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        let result = write_atomic(&path, |_| {
            let mut device = fs::OpenOptions::new().write(true).open(full)?;
            device.write_all(&[0; 4096])
        });
        let message = result.unwrap_err().to_string();
        assert!(message.contains("a.npz") && message.contains("No space left"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = write_bytes(Path::new("no-such-directory/a.txt"), b"").unwrap_err();
        assert!(error.to_string().contains("no-such-directory"));
    }
}
