//! WebP: what its chunks say, before the decoder makes room for it.

use std::io::{BufRead, Read, Seek, SeekFrom};

use image::metadata::Orientation;

use super::format::filled;
use super::jpeg;

/// What the chunks of a WebP say: how it is turned, the largest of its frames, and of those that are lossy
/// the most pixels.
pub struct Webp {
    pub orientation: Orientation,
    pub height: usize,
    pub width: usize,
    pub lossy: u64,
}

/// Reads the chunks; the inner error says what is wrong with them. The decoder would allocate what frames say of
/// their sides, and compare only then: so each chunk is looked at that it could choose.
pub fn read(mut from: impl BufRead + Seek, len: u64) -> std::io::Result<Result<Webp, String>> {
    let mut webp = Webp { orientation: Orientation::NoTransforms, height: 0, width: 0, lossy: 0 };
    // RIFF, its length, WEBP.
    let mut at = 12;
    // Of a frame of an animation: where it ends, and whether the last of its chunks was the alpha of the next.
    let (mut end, mut alpha) = (None, false);
    loop {
        if let Some(after) = end
            && at + 8 > after
        {
            (at, end, alpha) = (after, None, false);
        }
        if at + 8 > len {
            return Ok(Ok(webp));
        }
        from.seek(SeekFrom::Start(at))?;
        let mut chunk = [0u8; 8];
        from.read_exact(&mut chunk)?;
        let [kind @ .., a, b, c, d] = chunk;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8;
        let next = at + length + length % 2;
        if &kind == b"ANMF" && end.is_none() {
            // Its chunks follow 16 bytes.
            (at, end) = (at + 16, Some(next));
            continue;
        }
        if &kind == b"EXIF" && !alpha {
            if length > len - at {
                return Ok(Err(format!("EXIF of {length} bytes in a file of {len}")));
            }
            let mut exif = Vec::new();
            from.by_ref().take(length).read_to_end(&mut exif)?;
            let exif = exif.strip_prefix(jpeg::EXIF).unwrap_or(&exif);
            webp.orientation = Orientation::from_exif_chunk(exif).unwrap_or(webp.orientation);
        } else {
            let mut start = Vec::new();
            from.by_ref().take(10).read_to_end(&mut start)?;
            let side = |bits: usize| bits & 0x3fff;
            let lossy = &kind == b"VP8 " || alpha;
            let sides = match start.as_slice() {
                [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if lossy => {
                    Some([[*h0, *h1], [*w0, *w1]].map(|bytes| side(u16::from_le_bytes(bytes).into())))
                }
                [0x2f, a, b, c, d, ..] if &kind == b"VP8L" => {
                    let bits = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                    Some([side(bits >> 14) + 1, side(bits) + 1])
                }
                _ => None,
            };
            if let Some([height, width]) = sides {
                (webp.height, webp.width) = (webp.height.max(height), webp.width.max(width));
                if lossy {
                    webp.lossy = webp.lossy.max(filled([height, width], [16; 2]));
                }
            }
        }
        alpha = &kind == b"ALPH" && end.is_some();
        at = next;
    }
}
