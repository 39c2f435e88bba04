//! TIFF: what its first directory says, before the decoder makes room for it.

use std::io::{Cursor, Read, Seek, SeekFrom};

use super::format::{BESIDE, Header, filled};
use super::jpeg;

/// How the pixels of a TIFF are stored, as its first directory says.
pub struct Tiff {
    pub compression: u64,
    pub height: u64,
    /// 0 without tiles.
    pub tile_width: u64,
    /// Of a pixel, with those that are left out.
    pub samples: u64,
    // Where the strips or tiles begin, their lengths, and the tables of their JPEGs.
    offsets: Values,
    lengths: Values,
    tables: Values,
    big_endian: bool,
}

// Values of a directory: where they are, how many, and the bytes of each.
#[derive(Clone, Copy, Default)]
struct Values {
    at: u64,
    count: u64,
    size: u64,
}

// What the decoder reads of a directory, of as many values as it says.
const READ_TAGS: [u64; 20] =
    [256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339, 347, 530];

impl Tiff {
    /// Reads the first directory. The decoder would make room for as many values as it says there are, and only then
    /// read them.
    pub fn read(mut from: impl Read + Seek, len: u64) -> std::io::Result<Self> {
        let mut start = [0u8; 16];
        from.read_exact(&mut start[..8])?;
        let big_endian = start[0] == b'M';
        let wide = start[2..4].contains(&43);
        let (at, word, count) = if wide { (8, 8, 8) } else { (4, 4, 2) };
        if wide {
            from.read_exact(&mut start[8..])?;
        }
        from.seek(SeekFrom::Start(number(&start[at..at + word], big_endian)))?;
        from.read_exact(&mut start[..count])?;
        let entries = number(&start[..count], big_endian);
        let values = Values::default();
        let mut tiff = Self {
            compression: 1,
            height: 0,
            tile_width: 0,
            samples: 1,
            offsets: values,
            lengths: values,
            tables: values,
            big_endian,
        };
        for _ in 0..entries {
            let mut entry = [0u8; 20];
            let at = from.stream_position()? + 4 + word as u64;
            from.read_exact(&mut entry[..12])?;
            let (tag, kind) = (number(&entry[..2], big_endian), number(&entry[2..4], big_endian));
            let size = match kind {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 | 16 | 17 | 18 => 8,
                // The decoder passes over as many bytes of others, also where they are longer.
                _ => continue,
            };
            from.read_exact(&mut entry[12..4 + 2 * word])?;
            let count = number(&entry[4..4 + word], big_endian);
            let value = &entry[4 + word..4 + 2 * word];
            let bytes = count.saturating_mul(size);
            let at = if bytes > word as u64 { number(value, big_endian) } else { at };
            if READ_TAGS.contains(&tag) && at.saturating_add(bytes) > len {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let values = Values { at, count, size };
            let one = || value.get(..bytes as usize).map_or(u64::MAX, |value| number(value, big_endian));
            match tag {
                257 => tiff.height = one(),
                259 => tiff.compression = one(),
                277 => tiff.samples = one(),
                322 => tiff.tile_width = one(),
                273 | 324 => tiff.offsets = values,
                279 | 325 => tiff.lengths = values,
                347 => tiff.tables = values,
                _ => {}
            }
        }
        Ok(tiff)
    }
}

fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let more = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
    if big_endian { bytes.iter().fold(0, more) } else { bytes.iter().rev().fold(0, more) }
}

/// Fails for a JPEG in it that is larger than the image: it would be decoded whole, whatever the strip or tile that
/// it fills. A tile may be larger than the image.
pub fn check_jpegs(bytes: &[u8], header: &Header) -> Result<(), String> {
    let tiff = Tiff::read(Cursor::new(bytes), bytes.len() as u64).map_err(|e| e.to_string())?;
    if tiff.compression != 7 {
        return Ok(());
    }
    let part = |at: u64, length: u64| {
        let rest = bytes.get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
        &rest[..rest.len().min(usize::try_from(length).unwrap_or(usize::MAX))]
    };
    let value = |of: Values, i: u64| number(part(of.at + i * of.size, of.size), tiff.big_endian);
    let tables = part(tiff.tables.at, tiff.tables.count);
    let (h, w) = (header.height, header.width);
    for i in 0..tiff.offsets.count.min(tiff.lengths.count) {
        let strip = part(value(tiff.offsets, i), value(tiff.lengths, i));
        let sides = match (tables, strip) {
            ([], _) => jpeg::sides(strip),
            // Without the end of the tables, and the start of the rest.
            ([tables @ .., _, _], [_, _, strip @ ..]) => jpeg::sides(&[tables, strip].concat()),
            _ => None,
        };
        if let Some((height, width)) = sides
            && filled([height, width], [32; 2])
                > filled([h, w], [32; 2]) + BESIDE / 4 + 32 * strip.len() as u64
        {
            return Err(format!("a JPEG of {height}×{width} pixels in a TIFF of {h}×{w}"));
        }
    }
    Ok(())
}
