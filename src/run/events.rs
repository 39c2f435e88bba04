//! Event files, which TensorBoard shows: scalars under tags over steps.
//!
//! A file is a list of records: the length of the data (8 bytes), its checksum,
//! the data (a protobuf `Event`), its checksum. All of it is little-endian.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::manifest::host;
use crate::disk::create_dir;
use crate::error::{Error, Result};

// Bytes that wait for company before they are written.
const BUFFER: usize = 1 << 16;

/// Writes scalars to an event file of its own.
///
/// What was not flushed is written when this is dropped, as far as that is possible.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
    written: u64,
    buffer: Vec<u8>,
    clock: fn() -> f64,
}

impl Events {
    /// Creates `events.out.tfevents.<unix seconds>.<host>.<pid>` in `dir`, which
    /// is created too; a file of that name stays, and the new one gets a number.
    ///
    /// `step` is the first one that will be written here, 0 for a new run: what
    /// older files of `dir` have at that step and after it is shown no more.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(dir: &Path, step: u64) -> Result<Self> {
        Self::create_at(dir, step, unix_time)
    }

    fn create_at(dir: &Path, step: u64, clock: fn() -> f64) -> Result<Self> {
        create_dir(dir)?;
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
        let host: String = host().chars().map(safe).collect();
        // Ten digits, so that files sort by age: TensorBoard reads them in that order.
        let name = format!("events.out.tfevents.{:010}.{host}.{}", clock() as u64, std::process::id());
        let (file, path) = create_new(dir, &name)?;
        let mut events = Self { file, path, written: 0, buffer: Vec::new(), clock };
        events.event(0, |event| bytes_field(event, 3, b"brain.Event:2"));
        // SessionLog { status: START }
        events.event(step, |event| bytes_field(event, 7, &[1 << 3, 1]));
        events.flush()?;
        Ok(events)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds one value, in single precision as the format has it, under `tag`
    /// ("loss/train"). It is on its way to the file after [`Self::flush`].
    ///
    /// # Errors
    /// [`Error::Io`]: a full disk, mostly. The value is kept for the next try.
    pub fn scalar(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        // Summary.Value { tag: 1, simple_value: 2 }
        let mut item = Vec::with_capacity(tag.len() + 16);
        bytes_field(&mut item, 1, tag.as_bytes());
        item.push(2 << 3 | 5);
        item.extend((value as f32).to_le_bytes());
        let mut summary = Vec::with_capacity(item.len() + 8);
        bytes_field(&mut summary, 1, &item);
        self.event(step, |event| bytes_field(event, 5, &summary));
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    /// Writes what has gathered, in one call, so that a kill leaves whole records.
    ///
    /// # Errors
    /// As [`Self::scalar`].
    pub fn flush(&mut self) -> Result<()> {
        if let Err(e) = self.file.write_all(&self.buffer) {
            // Part of a record would hide all that is written behind it.
            let _ = self.file.set_len(self.written);
            return Err(Error::io(&self.path, "write")(e));
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    // Event { wall_time: 1, step: 2, and what `fill` adds }
    fn event(&mut self, step: u64, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut event = vec![1 << 3 | 1];
        event.extend((self.clock)().to_le_bytes());
        if step > 0 {
            event.push(2 << 3);
            varint(&mut event, step);
        }
        fill(&mut event);
        let length = (event.len() as u64).to_le_bytes();
        self.buffer.extend(length);
        self.buffer.extend(masked_crc(&length).to_le_bytes());
        self.buffer.extend(&event);
        self.buffer.extend(masked_crc(&event).to_le_bytes());
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

// Appending, so that a write after a failed one goes to the end that is left.
fn create_new(dir: &Path, name: &str) -> Result<(File, PathBuf)> {
    let mut path = dir.join(name);
    let mut number = 0;
    loop {
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                number += 1;
                path = dir.join(format!("{name}.{number}"));
            }
            Err(e) => return Err(Error::io(&path, "create")(e)),
        }
    }
}

fn unix_time() -> f64 {
    // A clock before 1970 is wrong, and no reason to stop a run.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}

// The checksum of the format, made so that the checksum of data with checksums is of use.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock() -> f64 {
        1.5
    }

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        time: f64,
        step: u64,
        version: Option<String>,
        start: bool,
        scalar: Option<(String, f32)>,
    }

    enum Field<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    fn take_varint(data: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = data[0];
            *data = &data[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn fields(mut data: &[u8]) -> Vec<(u64, Field<'_>)> {
        let mut list = Vec::new();
        while !data.is_empty() {
            let key = take_varint(&mut data);
            let length = match key & 7 {
                0 => {
                    list.push((key >> 3, Field::Number(take_varint(&mut data))));
                    continue;
                }
                1 => 8,
                2 => take_varint(&mut data) as usize,
                5 => 4,
                other => panic!("wire type {other}"),
            };
            let (bytes, rest) = data.split_at(length);
            list.push((key >> 3, Field::Bytes(bytes)));
            data = rest;
        }
        list
    }

    fn event(data: &[u8]) -> Seen {
        let mut seen = Seen::default();
        for field in fields(data) {
            match field {
                (1, Field::Bytes(b)) => seen.time = f64::from_le_bytes(b.try_into().unwrap()),
                (2, Field::Number(n)) => seen.step = n,
                (3, Field::Bytes(b)) => seen.version = Some(String::from_utf8(b.to_vec()).unwrap()),
                (7, Field::Bytes(b)) => seen.start = matches!(fields(b)[..], [(1, Field::Number(1))]),
                (5, Field::Bytes(b)) => {
                    let [(1, Field::Bytes(value))] = fields(b)[..] else { panic!("one value") };
                    let [(1, Field::Bytes(tag)), (2, Field::Bytes(number))] = fields(value)[..] else {
                        panic!("a tag and a number")
                    };
                    let tag = String::from_utf8(tag.to_vec()).unwrap();
                    seen.scalar = Some((tag, f32::from_le_bytes(number.try_into().unwrap())));
                }
                (other, _) => panic!("field {other}"),
            }
        }
        seen
    }

    // Walks a file; a record that is not whole is an error.
    fn walk(path: &Path) -> Vec<Seen> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = &bytes[..];
        let mut seen = Vec::new();
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(number(&rest[8..12]), masked_crc(&rest[..8]));
            let data = &rest[12..12 + length];
            assert_eq!(number(&rest[12 + length..16 + length]), masked_crc(data));
            seen.push(event(data));
            rest = &rest[16 + length..];
        }
        seen
    }

    fn scalar(step: u64, tag: &str, value: f32) -> Seen {
        Seen { time: 1.5, step, scalar: Some((tag.to_owned(), value)), ..Seen::default() }
    }

    #[test]
    fn checksum_of_a_known_vector() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn bytes_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create_at(dir.path(), 300, clock).unwrap();
        events.scalar(300, "loss", 0.25).unwrap();
        events.flush().unwrap();
        #[rustfmt::skip]
        let expected = [
            // length, its checksum, wall time 1.5, file version, checksum
            0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22,
            0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f,
            0x1a, 13, b'b', b'r', b'a', b'i', b'n', b'.', b'E', b'v', b'e', b'n', b't', b':', b'2',
            0x2a, 0x28, 0x64, 0x6c,
            // …, step 300, start of a session
            0x10, 0, 0, 0, 0, 0, 0, 0, 0x95, 0xfb, 0xfe, 0x18,
            0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02,
            0x3a, 2, 0x08, 1,
            0x71, 0x3b, 0x78, 0x8a,
            // …, summary, value, tag, number
            0x1b, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x0d, 0x9e, 0x13,
            0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02,
            0x2a, 13, 0x0a, 11, 0x0a, 4, b'l', b'o', b's', b's', 0x15, 0, 0, 0x80, 0x3e,
            0x99, 0x08, 0xde, 0xed,
        ];
        assert_eq!(std::fs::read(events.path()).unwrap(), expected);
    }

    #[test]
    fn a_resumed_run_begins_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("run/events");
        let mut first = Events::create_at(&dir, 0, clock).unwrap();
        first.scalar(0, "loss", 2.0).unwrap();
        drop(first);
        let mut second = Events::create_at(&dir, 7, clock).unwrap();
        second.scalar(u64::from(u32::MAX), "größe/π", f64::NAN).unwrap();
        let start = |step| Seen { time: 1.5, step, start: true, ..Seen::default() };
        let version = || Seen { time: 1.5, version: Some("brain.Event:2".into()), ..Seen::default() };
        // Not flushed yet.
        assert_eq!(walk(second.path()), [version(), start(7)]);
        let path = second.path().to_path_buf();
        drop(second);
        let seen = walk(&path);
        let Some((tag, value)) = &seen[2].scalar else { panic!("a scalar") };
        assert!(tag == "größe/π" && value.is_nan() && seen[2].step == u64::from(u32::MAX));

        let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), 2);
        assert_eq!(files[1], path);
        assert_eq!(walk(&files[0]), [version(), start(0), scalar(0, "loss", 2.0)]);
        let name = files[0].file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents.0000000001."), "{name}");
        assert!(name.ends_with(&format!(".{}", std::process::id())), "{name}");
    }

    #[test]
    fn many_scalars_are_written_as_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create_at(dir.path(), 0, clock).unwrap();
        let count = 5 * BUFFER as u64 / 40;
        (0..count).for_each(|step| events.scalar(step, "loss", step as f64).unwrap());
        let seen = walk(events.path());
        assert!(seen.len() > 100 && events.buffer.len() < BUFFER);
        events.flush().unwrap();
        let seen = walk(events.path());
        assert_eq!(seen.len() as u64, count + 2);
        assert!(seen[2..].iter().zip(0..).all(|(seen, i)| *seen == scalar(i, "loss", i as f32)));
    }

    #[test]
    fn what_could_not_be_written_is_kept() {
        if !Path::new("/dev/full").exists() {
            eprintln!("skipped: this system has no /dev/full");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create_at(dir.path(), 0, clock).unwrap();
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut events.file, full);
        events.scalar(1, "loss", 0.5).unwrap();
        let text = events.flush().unwrap_err().to_string();
        assert!(text.contains("tfevents") && text.contains("No space left"), "{text}");
        events.file = file;
        events.flush().unwrap();
        assert_eq!(walk(events.path())[2..], [scalar(1, "loss", 0.5)]);

        let occupied = dir.path().join("file");
        std::fs::write(&occupied, "").unwrap();
        assert!(Events::create(&occupied, 0).unwrap_err().to_string().contains("file: cannot create"));
    }

    #[test]
    fn the_clock_is_that_of_the_system() {
        let now = unix_time();
        assert!(now > 1.7e9 && unix_time() >= now);
    }

    proptest! {
        #[test]
        fn scalars_read_back(
            scalars in prop::collection::vec((any::<u32>(), any::<String>(), -1e30f64..1e30), 0..20),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut events = Events::create_at(dir.path(), 0, clock).unwrap();
            for (step, tag, value) in &scalars {
                events.scalar(u64::from(*step), tag, *value).unwrap();
            }
            events.flush().unwrap();
            let seen = walk(events.path());
            prop_assert_eq!(seen.len(), scalars.len() + 2);
            for (seen, (step, tag, value)) in seen[2..].iter().zip(&scalars) {
                prop_assert_eq!(seen, &scalar(u64::from(*step), tag, *value as f32));
            }
        }
    }
}
