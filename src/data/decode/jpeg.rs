//! JPEG: what its markers say, and its pixels.

use std::io::Read;

use image::metadata::Orientation;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;
use zune_jpeg::{JpegDecoder, SampleRatios};

use super::MAX_SIDE;
use super::format::{BLOCKS, Header, Raw, Samples, filled};

/// The decoder, as the manifest names it. Decoders differ in the last bits, and with them in the
/// highest frequencies.
pub const DECODER: &str = "zune-jpeg 0.5.15";

/// What stands before the pixels.
pub struct Frame {
    pub height: usize,
    pub width: usize,
    /// 1, or 3 for all others.
    pub colours: usize,
    pub orientation: Orientation,
}

/// What stands before the EXIF data of a segment.
pub const EXIF: &[u8] = b"Exif\0\0";

/// Reads the marker segments up to the frame header, after the first two bytes; the inner error says
/// what is wrong with them.
pub fn frame(mut bytes: impl Read) -> std::io::Result<Result<Frame, String>> {
    let mut orientation = Orientation::NoTransforms;
    let one = |bytes: &mut dyn Read| -> std::io::Result<u8> {
        let mut one = [0u8];
        bytes.read_exact(&mut one)?;
        Ok(one[0])
    };
    loop {
        while one(&mut bytes)? != 0xff {}
        let mut marker = 0xff;
        while marker == 0xff {
            marker = one(&mut bytes)?;
        }
        match marker {
            0x00 => continue,
            _ if is_bare(marker) => continue,
            0xd9 | 0xda => return Ok(Err("a JPEG without a frame header".to_owned())),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([one(&mut bytes)?, one(&mut bytes)?]));
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let mut header = [0u8; 6];
            bytes.read_exact(&mut header)?;
            let [_, h1, h0, w1, w0, components] = header;
            let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
            let colours = if components == 1 { 1 } else { 3 };
            return Ok(Ok(Frame { height: side(h1, h0), width: side(w1, w0), colours, orientation }));
        }
        let mut segment = vec![0u8; length.saturating_sub(2)];
        bytes.read_exact(&mut segment)?;
        if let (0xe1, Some(exif)) = (marker, segment.strip_prefix(EXIF)) {
            orientation = Orientation::from_exif_chunk(exif).unwrap_or(orientation);
        }
    }
}

// Markers without a segment behind them.
fn is_bare(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd8)
}

/// Where the image ends: behind its own end marker, whatever follows it. What a segment holds, such as
/// a thumbnail, is passed over.
fn end(bytes: &[u8]) -> Option<usize> {
    // Behind the start marker.
    let mut at = 2;
    loop {
        // In the pixels, 0 stands behind 255s that are no markers.
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += bytes.get(at..)?.iter().position(|&byte| byte != 0xff)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            0xd9 => return Some(at),
            0x00 => {}
            _ if is_bare(marker) => {}
            _ => at += usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?])),
        }
    }
}

/// Height and width, as the decoder understands them.
pub fn sides(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut decoder = JpegDecoder::new(ZCursor::new(bytes));
    decoder.decode_headers().ok()?;
    decoder.dimensions().map(|(width, height)| (height, width))
}

/// The pixels of the image that says `header` of itself, in 1 or 3 colours.
pub fn decode(bytes: &[u8], header: &Header) -> Result<Raw, String> {
    // The decoder fills what is missing from the last rows with grey.
    let end = end(bytes).ok_or("a truncated JPEG (no end marker)")?;
    let (space, colours) = if header.colours == 1 { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes[..end]), options);
    // Before it makes room for them: damaged markers can be understood in two ways.
    decoder.decode_headers().map_err(|e| e.to_string())?;
    if decoder.dimensions() != Some((header.width, header.height)) {
        return Err("two frame headers".to_owned());
    }
    let (across, down) = match decoder.info().map(|info| info.sample_ratio) {
        Some(SampleRatios::H) => (2, 1),
        Some(SampleRatios::V) => (1, 2),
        Some(SampleRatios::HV) => (2, 2),
        Some(SampleRatios::Generic(across, down)) => (across, down),
        _ => (1, 1),
    };
    let filled = filled([header.height, header.width], [8 * down, 8 * across]);
    if filled > BLOCKS * bytes.len() as u64 {
        return Err(format!("blocks of {filled} pixels in {} bytes", bytes.len()));
    }
    let pixels = decoder.decode().map_err(|e| e.to_string())?;
    Ok(Raw { samples: Samples::Eight(pixels), stride: colours, colours })
}
