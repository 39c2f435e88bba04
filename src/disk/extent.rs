//! Stretches of a file, some of them compressed and with a checksum.

use std::io::{self, Read};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::input::Input;
use crate::error::{Error, Result, shown};

/// Deflate packs at most so many bytes into one.
pub const DEFLATE_RATIO: u64 = 1032;

// How much more than the file all tensors may hold, where some share their
// numbers or are compressed: so many times its bytes …
const TIMES: u64 = 8;
// … and so many bytes more, for the smallest files.
const BYTES: u64 = 1 << 20;

/// Bytes that may be made of a file of `size` bytes.
pub fn most(size: u64) -> u64 {
    size.saturating_mul(TIMES).saturating_add(BYTES)
}

/// Where some bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Their first byte in the file.
    pub at: u64,
    /// How many the file has of them.
    pub stored: u64,
    /// How many they are.
    pub size: u64,
    /// Compressed with deflate.
    pub deflated: bool,
    /// Their CRC-32, where the file has it.
    pub crc: Option<u32>,
}

impl Extent {
    /// Hands a reader of the bytes to `take`, which has to read all of them, and
    /// checks their number and their checksum; `name` is theirs, for errors.
    pub fn read<T>(
        &self,
        input: &mut Input,
        name: &str,
        take: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T> {
        let place = format!("{}: {}", input.path().display(), shown(name));
        let path = input.path();
        let section = input.section(self.at, self.stored)?;
        let source: Box<dyn Read> = if self.deflated {
            Box::new(DeflateDecoder::new(io::BufReader::with_capacity(1 << 16, section)))
        } else {
            Box::new(section)
        };
        let mut counted =
            Counted { source: source.take(self.size), crc: Crc::new(), count: self.crc.is_some() };
        let taken = take(&mut counted).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Error::input(&place, format!("{} bytes", self.size), damage(&e))
            }
            _ => Error::io(path, "read")(e),
        })?;
        let Counted { source, crc, .. } = counted;
        // Compressed data that does not end where it should is damaged.
        if self.deflated && !matches!(source.into_inner().read(&mut [0]), Ok(0)) {
            return Err(Error::input(&place, format!("{} bytes", self.size), "more of them"));
        }
        if let Some(expected) = self.crc
            && crc.sum() != expected
        {
            let expected = format!("bytes of the checksum {expected:08x}");
            return Err(Error::input(&place, expected, format!("{:08x}: the file is damaged", crc.sum())));
        }
        Ok(taken)
    }

    /// All bytes. They are bounded by the file where they are not compressed;
    /// where they are, the caller has bounded them.
    pub fn bytes(&self, input: &mut Input, name: &str) -> Result<Vec<u8>> {
        if self.size > most(input.size()) {
            return Err(input.wrong_in(shown(name), most_text(input.size()), format!("{} bytes", self.size)));
        }
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        self.read(input, name, |source| {
            // It grows with what arrives, not with what is announced.
            let mut bytes = Vec::new();
            if !self.deflated {
                bytes.reserve_exact(size);
            }
            source.read_to_end(&mut bytes)?;
            if bytes.len() == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }
}

fn damage(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => "fewer".to_owned(),
        _ => format!("damaged ones ({e})"),
    }
}

/// [`most`] as an error says it.
pub fn most_text(size: u64) -> String {
    format!("at most {} bytes of numbers, {TIMES} times the file and 1 MiB", most(size))
}

struct Counted<R> {
    source: R,
    crc: Crc,
    count: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if self.count {
            self.crc.update(&buffer[..read]);
        }
        Ok(read)
    }
}
