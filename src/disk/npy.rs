//! Arrays of numpy as files hold them: `.npy`, alone or in an archive (`.npz`).
//!
//! Nothing is executed: arrays of objects, which numpy pickles, are refused.

use std::io::{self, Read};

use super::extent::DEFLATE_RATIO;
use super::input::Input;
use super::zip::Archive;
use crate::error::{Error, Result, shown};

// numpy's own limit for headers it trusts.
const MAX_HEADER: usize = 10_000;
const MAX_AXES: usize = 64;

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dtype {
    /// `i`, `u`, `f`, `b` for truth values, `U` and `S` for texts in Unicode and in bytes.
    pub kind: u8,
    /// Bytes of an item.
    pub size: usize,
    big: bool,
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = if self.kind == b'U' { self.size / 4 } else { self.size };
        write!(f, "{}{count}", self.kind as char)
    }
}

/// An array as stored.
#[derive(Debug)]
pub struct Npy {
    /// Its file and its name, for errors.
    pub place: String,
    /// What its items are.
    pub dtype: Dtype,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    fortran: bool,
    /// Its items, in the order of the file.
    pub data: Vec<u8>,
}

impl Npy {
    /// Steps along its axes, in items.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.shape.len()];
        let mut step = 1;
        let mut visit = |axis: usize| {
            strides[axis] = step;
            step *= self.shape[axis];
        };
        if self.fortran {
            (0..self.shape.len()).for_each(&mut visit);
        } else {
            (0..self.shape.len()).rev().for_each(&mut visit);
        }
        strides
    }

    /// Item `at` of an array of numbers or truth values.
    pub fn number(&self, at: usize) -> f64 {
        let size = self.dtype.size;
        let bits = self.bits(at);
        match (self.dtype.kind, size) {
            (b'f', 2) => half::f16::from_bits(bits as u16).to_f64(),
            (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
            (b'f', _) => f64::from_bits(bits),
            (b'i', _) => self.integer(at) as f64,
            _ => bits as f64,
        }
    }

    /// Item `at` of an array of integers.
    pub fn integer(&self, at: usize) -> i64 {
        let unused = 64 - 8 * self.dtype.size as u32;
        let bits = self.bits(at);
        if self.dtype.kind == b'i' {
            ((bits << unused) as i64) >> unused
        } else {
            i64::try_from(bits).unwrap_or(i64::MAX)
        }
    }

    /// Item `at` of an array of texts; None where it is none.
    pub fn text(&self, at: usize) -> Option<String> {
        let bytes = &self.data[at * self.dtype.size..(at + 1) * self.dtype.size];
        let point = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            char::from_u32(if self.dtype.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let text: String = match self.dtype.kind {
            b'U' => bytes.chunks_exact(4).map(point).collect::<Option<_>>()?,
            b'S' => String::from_utf8(bytes.to_vec()).ok()?,
            _ => return None,
        };
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// Its items, little-endian, in the order of the file.
    pub fn little_endian(mut self) -> Vec<u8> {
        if self.dtype.big {
            self.data.chunks_exact_mut(self.dtype.size).for_each(<[u8]>::reverse);
        }
        self.data
    }

    fn bits(&self, at: usize) -> u64 {
        let size = self.dtype.size;
        let bytes = &self.data[at * size..(at + 1) * size];
        let shift_in = |all: u64, &byte: &u8| (all << 8) | u64::from(byte);
        if self.dtype.big { bytes.iter().fold(0, shift_in) } else { bytes.iter().rev().fold(0, shift_in) }
    }
}

/// Reads the array `key` of an archive, compressed or not. Its memory is bounded by the
/// shape in its header, and by what its compressed bytes can hold.
///
/// # Errors
/// No such array; anything but integers and floats of 1 to 8 bytes, truth values and texts; more or fewer
/// bytes than the shape says; damage.
pub fn read(archive: &Archive, input: &mut Input, key: &str) -> Result<Npy> {
    let place = format!("{}: {}", input.path().display(), shown(key));
    let with_end = format!("{key}.npy");
    let name = if archive.has(&with_end) { &with_end } else { key };
    let extent = archive.extent(input, name)?;
    if extent.deflated && extent.size > extent.stored.saturating_mul(DEFLATE_RATIO) {
        let expected = format!("at most {DEFLATE_RATIO} bytes for each of {} compressed ones", extent.stored);
        return Err(Error::input(place, expected, extent.size));
    }
    let mut refusal = None;
    let array = extent.read(input, name, |bytes| {
        parse(bytes, &place).map_err(|error| {
            refusal = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    });
    array.map_err(|error| refusal.unwrap_or(error))
}

/// Reads an array from its header on, up to the end of `stream`; `place` names it in errors.
///
/// # Errors
/// Those of [`read`].
pub fn parse(mut stream: impl Read, place: &str) -> Result<Npy> {
    let cut = |e: std::io::Error| Error::input(place, "a .npy header", e);
    let mut start = [0u8; 8];
    stream.read_exact(&mut start).map_err(cut)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(Error::input(place, "a .npy array", "other bytes"));
    }
    let mut length = [0u8; 4];
    let width = if start[6] == 1 { 2 } else { 4 };
    stream.read_exact(&mut length[..width]).map_err(cut)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(Error::input(place, format!("a header of at most {MAX_HEADER} bytes"), length));
    }
    let mut header = vec![0u8; length];
    stream.read_exact(&mut header).map_err(cut)?;
    let header = String::from_utf8_lossy(&header);
    let (dtype, fortran, shape) = parse_header(header.trim(), place)?;

    // Other arrays of the same shape, of at most 8 bytes an item, must be able to exist too,
    // and those of other axes where one of these is empty.
    let most = shape.iter().try_fold(dtype.size.max(8), |all, &side| all.checked_mul(side.max(1)));
    if most.is_none_or(|most| isize::try_from(most).is_err()) {
        return Err(Error::input(place, "an array that can exist", format!("shape {shape:?}")));
    }
    let size = (shape.iter().product::<usize>() * dtype.size) as u64;
    // One byte more than the shape says is enough to know that there are too
    // many; the buffer grows with what arrives, not with what is announced.
    let mut data = Vec::new();
    let expected = format!("{size} bytes for shape {shape:?} of {dtype}");
    stream.take(size + 1).read_to_end(&mut data).map_err(|e| Error::input(place, &expected, e))?;
    if data.len() as u64 != size {
        let found = if data.len() as u64 > size { "more".to_owned() } else { data.len().to_string() };
        return Err(Error::input(place, expected, found));
    }
    Ok(Npy { place: place.to_owned(), dtype, shape, fortran, data })
}

// {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
fn parse_header(text: &str, place: &str) -> Result<(Dtype, bool, Vec<usize>)> {
    let wrong = |what: &str| Error::input(place, what.to_owned(), shown(text));
    let after = |key: &str| {
        let at = text.find(&format!("'{key}':"))? + key.len() + 3;
        Some(text[at..].trim_start())
    };
    let descr = after("descr").ok_or_else(|| wrong("a header with 'descr'"))?;
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next());
    let dtype = descr.and_then(dtype);
    let dtype =
        dtype.ok_or_else(|| wrong("an array of numbers, truth values or texts (no objects, no records)"))?;
    let order = after("fortran_order").ok_or_else(|| wrong("a header with 'fortran_order'"))?;
    let fortran = match (order.starts_with("True"), order.starts_with("False")) {
        (true, _) => true,
        (_, true) => false,
        _ => return Err(wrong("True or False for 'fortran_order'")),
    };
    let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (sides, _) = shape.ok_or_else(|| wrong("a header with a 'shape'"))?;
    let shape = sides
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| side.trim_end_matches('L').parse().map_err(|_| wrong("lengths in 'shape'")))
        .collect::<Result<Vec<usize>>>()?;
    if shape.len() > MAX_AXES {
        return Err(Error::input(place, format!("at most {MAX_AXES} axes"), shape.len()));
    }
    Ok((dtype, fortran, shape))
}

// "<f8", "|b1", "<U12".
fn dtype(descr: &str) -> Option<Dtype> {
    // Texts longer than these are no names.
    const LONGEST: usize = 1 << 16;
    let (order, rest) = descr.split_at_checked(1)?;
    let (kind, count) = rest.split_at_checked(1)?;
    let (order, kind) = (order.as_bytes()[0], kind.as_bytes()[0]);
    let digits = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    let count: usize = count.parse().ok().filter(|_| digits)?;
    let size = match (kind, count) {
        (b'i' | b'u', 1 | 2 | 4 | 8) | (b'f', 2 | 4 | 8) | (b'b', 1) => count,
        (b'U', 1..=LONGEST) => 4 * count,
        (b'S', 1..=LONGEST) => count,
        _ => return None,
    };
    matches!(order, b'<' | b'>' | b'|' | b'=').then_some(Dtype { kind, size, big: order == b'>' })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let refuse = |bytes: &[u8]| parse(bytes, "a").expect_err("must be refused").to_string();
        let header =
            |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
        let fine = parse(&npy(&header("2, 3"), &[1, 2, 3, 4, 5, 6])[..], "a").unwrap();
        assert_eq!((fine.shape, fine.data.len()), (vec![2, 3], 6));
        assert!(refuse(&npy(&header("2, 3"), &[0; 5])).contains("found 5"));
        assert!(refuse(&npy(&header("2, 3"), &[0; 7])).contains("more"));
        assert!(refuse(&npy(&header("1000000000000"), &[0; 7])).contains("found 7"));
        assert!(refuse(&npy(&header("4294967296, 4294967296, 2"), &[])).contains("can exist"));
        assert!(refuse(&npy(&header("0, 9223372036854775807"), &[])).contains("can exist"));
        assert!(refuse(&npy(&header(&"1,".repeat(65)), &[0])).contains("at most 64 axes, found 65"));
        assert!(refuse(&npy("{'descr': \x1b[31m", &[])).contains("\\u{1b}[31m"));
        assert!(refuse(&npy(&header("-1"), &[])).contains("lengths"));
        for text in ["", "{}", "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "{'descr': '<U3'}"]
        {
            refuse(&npy(text, &[]));
        }
        assert!(refuse(b"\x93NUMPY\x02\0\xff\xff\xff\xff").contains("header of at most"));
        assert!(refuse(b"PK").contains("header"));
    }

    #[test]
    fn a_bomb_is_cut_off() {
        // 200 MB of zeros behind a header that speaks of four bytes.
        let stream = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", &[]);
        let endless = Cursor::new(stream).chain(std::io::repeat(0));
        assert!(parse(endless, "a").unwrap_err().to_string().contains("more"));
    }
}
