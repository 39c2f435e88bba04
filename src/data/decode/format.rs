//! Formats of encoded images: how they begin, what they say of themselves, and their pixels.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom, copy, sink};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, Limits};
use serde::{Deserialize, Serialize};

use super::jpeg;
use super::tiff::{self, Tiff};
use super::webp::{self, Webp};

/// What is read, for errors.
pub(crate) const READ: &str = "JPEG, PNG, WebP, TIFF, BMP or GIF";

/// A format that is read. A new one is a variant, and an arm of the functions here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    Webp,
    Tiff,
    Bmp,
    Gif,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Jpeg, Self::Png, Self::Webp, Self::Tiff, Self::Bmp, Self::Gif];

    /// The decoder and its version. Those of lossless formats are named for completeness only.
    pub const fn decoder(self) -> &'static str {
        match self {
            Self::Jpeg => jpeg::DECODER,
            Self::Png | Self::Bmp => "image 0.25.10",
            Self::Webp => "image-webp 0.2.4",
            Self::Tiff => "tiff 0.11.3",
            Self::Gif => "gif 0.14.2",
        }
    }
}

/// What is done with a photo whose camera was turned when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Exif {
    /// It is turned upright, as its EXIF orientation says; so do viewers, and Hugging Face's datasets.
    #[default]
    Apply,
    /// It is left as it is stored; so does torchvision's ImageFolder.
    Ignore,
}

/// What an image says of itself before its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub format: Format,
    /// As stored.
    pub height: usize,
    pub width: usize,
    /// 1 or 3, without alpha.
    pub colours: usize,
    /// How it is to be turned to be upright.
    pub orientation: Orientation,
}

impl Header {
    /// (height, width) once it is turned.
    pub fn size(&self) -> (usize, usize) {
        use Orientation::*;
        match self.orientation {
            Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (self.width, self.height),
            NoTransforms | Rotate180 | FlipHorizontal | FlipVertical => (self.height, self.width),
        }
    }

    fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Leaves it as it is stored.
    pub fn unturned(&mut self) {
        self.orientation = Orientation::NoTransforms;
    }

    /// Whether it is to be turned.
    pub fn is_turned(&self) -> bool {
        self.orientation != Orientation::NoTransforms
    }

    /// Turns one channel `stored` as it is to be.
    pub fn turn(&self, stored: &[f32], out: &mut [f32]) {
        use Orientation::*;
        let (h, w) = (self.height, self.width);
        let (_, across) = self.size();
        for (y, row) in out.chunks_exact_mut(across).enumerate() {
            for (x, out) in row.iter_mut().enumerate() {
                let (y, x) = match self.orientation {
                    NoTransforms => (y, x),
                    FlipHorizontal => (y, w - 1 - x),
                    Rotate180 => (h - 1 - y, w - 1 - x),
                    FlipVertical => (h - 1 - y, x),
                    Rotate90FlipH => (x, y),
                    Rotate90 => (h - 1 - x, y),
                    Rotate270FlipH => (h - 1 - x, w - 1 - y),
                    Rotate270 => (x, w - 1 - y),
                };
                *out = stored[y * w + x];
            }
        }
    }
}

// Bytes by which a format is known.
const START: usize = 18;
// Pillow refuses larger images as decompression bombs.
const MAX_PIXELS: u64 = 178_956_970;
// Of formats that pack more, such images are all of one colour.
const MAX_PIXELS_PER_BYTE: u64 = 16 * 1024;
// How many bytes of pixels a byte of a file holds at most: 258 in two bits.
const DEFLATE: u64 = 1032;
// A code of 12 bits stands for fewer than 4096, also in a table that is full.
const LZW: u64 = 4096;
// Two bytes stand for 128.
const PACK_BITS: u64 = 64;
// Two bytes stand for 255 pixels.
const RUNS: u64 = 128;
/// Of JPEG and lossy WebP pixels, not bytes. A block of 8×8 takes a bit, and where those of one colour are
/// stretched those of another are not; 16×16 of WebP take three.
pub(super) const BLOCKS: u64 = 1024;

/// The format that the first bytes of an image announce.
pub(crate) fn magic(bytes: &[u8]) -> Option<Format> {
    let at = |at: usize, word: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(word));
    // The least text of all: two letters, and the size of what follows.
    let is_bitmap = || {
        let sizes = [12u8, 40, 52, 56, 64, 108, 124];
        at(0, b"BM") && at(6, &[0; 4]) && sizes.iter().any(|&size| at(14, &[size, 0, 0, 0]))
    };
    Some(match () {
        () if at(0, &[0xff, 0xd8, 0xff]) => Format::Jpeg,
        () if at(0, b"\x89PNG\r\n\x1a\n") => Format::Png,
        () if at(0, b"RIFF") && at(8, b"WEBP") => Format::Webp,
        () if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") => Format::Tiff,
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => Format::Gif,
        () if is_bitmap() => Format::Bmp,
        () => return None,
    })
}

/// The first bytes of a file, as many as [`magic`] looks at.
pub(crate) fn start(mut from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    from.by_ref().take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// What names of images end in, without the dot.
pub(crate) const EXTENSIONS: [&str; 10] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "gif"];
// Sensor data behind the start of a TIFF, whose first image is a thumbnail.
const RAW: [&str; 12] = ["dng", "nef", "nrw", "cr2", "arw", "sr2", "srf", "orf", "rw2", "pef", "srw", "3fr"];

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Whether a file is meant to be an image that is read: by its first bytes, else by its name.
pub(crate) fn is_meant(path: &Path, start: &[u8]) -> bool {
    match magic(start) {
        Some(Format::Tiff) => !RAW.contains(&extension(path).as_str()),
        Some(_) => true,
        None => EXTENSIONS.contains(&extension(path).as_str()),
    }
}

/// What else a file is, in a word that counts it with others like it.
pub(crate) fn other(path: &Path, start: &[u8]) -> String {
    let at = |at: usize, word: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(word));
    let extension = extension(path);
    match extension.as_str() {
        _ if start.is_empty() => "empty files".to_owned(),
        _ if at(4, b"ftypavif") => "AVIF".to_owned(),
        _ if at(4, b"ftyphei") || at(4, b"ftypmif") || at(4, b"ftyphev") => "HEIC".to_owned(),
        _ if at(0, b"\xff\x0a") || at(4, b"JXL ") => "JPEG XL".to_owned(),
        _ if at(4, b"jP  ") => "JPEG 2000".to_owned(),
        // Names come from files: short ones of letters are shown.
        ext if (1..=5).contains(&ext.len()) && ext.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!(".{ext}")
        }
        _ => "other files".to_owned(),
    }
}

/// What an image of `len` bytes says of itself; the error is what was found. The pixels are not read.
pub(crate) fn header(mut from: impl BufRead + Seek, len: u64) -> Result<Header, String> {
    let wrong = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => "a file that ends within its header".to_owned(),
        _ => e.to_string(),
    };
    let start = start(&mut from).map_err(wrong)?;
    let format = match magic(&start) {
        Some(format) => format,
        None if start.is_empty() => return Err("an empty file".to_owned()),
        None => return Err(unlike(&start)),
    };
    let skipped = if format == Format::Jpeg { 2 } else { 0 };
    from.seek(SeekFrom::Start(skipped)).map_err(wrong)?;
    let refused = |height: usize, width: usize| format!("{height}×{width} pixels in {len} bytes");
    // Bits of a pixel, and how many such bytes a byte of the file holds at most.
    let (header, bits, packed) = match format {
        Format::Jpeg => {
            let jpeg::Frame { height, width, colours, orientation } = jpeg::frame(from).map_err(wrong)??;
            if filled([height, width], [8; 2]) > BLOCKS * len {
                return Err(refused(height, width));
            }
            (Header { format, height, width, colours, orientation }, 8, BLOCKS)
        }
        Format::Png => {
            let (header, bits) = png(from).map_err(wrong)?;
            (header, bits, DEFLATE)
        }
        Format::Webp => {
            let Webp { orientation, height, width, lossy } = webp::read(&mut from, len).map_err(wrong)??;
            from.seek(SeekFrom::Start(0)).map_err(wrong)?;
            let header = Header { orientation, ..of_decoder(format, WebPDecoder::new(from), false)?.0 };
            if height > header.height || width > header.width {
                return Err(format!(
                    "a frame of {height}×{width} pixels in {}×{}",
                    header.height, header.width
                ));
            }
            if lossy > BLOCKS * len {
                return Err(refused(header.height, header.width));
            }
            (header, 1, MAX_PIXELS_PER_BYTE / 8)
        }
        Format::Tiff => {
            let tiff = Tiff::read(&mut from, len).map_err(wrong)?;
            // The decoder would name the bits of each of them, and counts strips in 32 bits.
            if tiff.samples > 256 || tiff.height.saturating_mul(tiff.samples) > u64::from(u32::MAX) {
                return Err(format!("{} values for each pixel of {} rows", tiff.samples, tiff.height));
            }
            from.seek(SeekFrom::Start(0)).map_err(wrong)?;
            let (header, bits) = of_decoder(format, TiffDecoder::new(from), true)?;
            // The decoder makes room for a row of a tile with all its samples, those that are left out too.
            let row = tiff.tile_width.max(header.width as u64).saturating_mul(tiff.samples).saturating_mul(2);
            if row > header.pixels().saturating_mul(4).saturating_add(BESIDE) {
                return Err(format!("rows of {row} bytes for {} pixels", header.width));
            }
            match tiff.compression {
                1 => (header, bits, 1),
                5 => (header, bits, LZW),
                7 => (header, 8, BLOCKS),
                8 | 32946 => (header, bits, DEFLATE),
                32773 => (header, bits, PACK_BITS),
                // Of Group 4 a row that is like the last one takes a bit.
                _ => (header, bits, MAX_PIXELS_PER_BYTE / 8),
            }
        }
        Format::Bmp => {
            let stored = bmp(&mut from).map_err(wrong)?;
            from.seek(SeekFrom::Start(0)).map_err(wrong)?;
            let (header, _) = of_decoder(format, BmpDecoder::new(from), false)?;
            match stored {
                Some(bits) => (header, bits, 1),
                None => (header, 8, RUNS),
            }
        }
        // The first frame may be smaller than the image, but not by much.
        Format::Gif => (of_decoder(format, GifDecoder::new(from), false)?.0, 8, LZW),
    };
    let pixels = header.pixels();
    let most = MAX_PIXELS.min(MAX_PIXELS_PER_BYTE.saturating_mul(len));
    // A row may end within a byte: of what is in the file, bits are counted down.
    if pixels == 0 || pixels > most || pixels.saturating_mul(bits) / 8 / packed > len {
        return Err(refused(header.height, header.width));
    }
    Ok(header)
}

/// Pixels of an image that is filled up to whole blocks.
pub(super) fn filled([height, width]: [usize; 2], [down, across]: [usize; 2]) -> u64 {
    height.next_multiple_of(down) as u64 * width.next_multiple_of(across) as u64
}

// Bytes that begin like no image, in a word where they are known.
fn unlike(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    let words = [
        ("<!doctype", "a web page"),
        ("<html", "a web page"),
        ("<svg", "an SVG drawing"),
        ("<?xml", "XML"),
        ("version https:", "a pointer of Git LFS (git lfs pull brings the file)"),
    ];
    let known = words.iter().find(|(begin, _)| text.starts_with(begin));
    known.map_or("other bytes", |(_, what)| what).to_owned()
}

// Chunks up to the pixels; and the bits of a pixel.
fn png(mut from: impl Read) -> std::io::Result<(Header, u64)> {
    let mut start = [0u8; 33];
    from.read_exact(&mut start)?;
    let number = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    let colours = if matches!(start[25], 0 | 4) { 1 } else { 3 };
    let mut orientation = Orientation::NoTransforms;
    loop {
        let mut chunk = [0u8; 8];
        from.read_exact(&mut chunk)?;
        let [a, b, c, d, kind @ ..] = chunk;
        let length = u64::from(u32::from_be_bytes([a, b, c, d]));
        match &kind {
            b"IDAT" | b"IEND" => break,
            b"eXIf" => {
                let mut exif = Vec::new();
                from.by_ref().take(length).read_to_end(&mut exif)?;
                orientation = Orientation::from_exif_chunk(&exif).unwrap_or(orientation);
                copy(&mut from.by_ref().take(4), &mut sink())?;
            }
            _ => {
                copy(&mut from.by_ref().take(length + 4), &mut sink())?;
            }
        }
    }
    let (width, height) = (number(16) as usize, number(20) as usize);
    let samples = match start[25] {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    Ok((Header { format: Format::Png, width, height, colours, orientation }, samples * u64::from(start[24])))
}

// The bits of a pixel of a bitmap; none where runs of pixels are packed.
fn bmp(mut from: impl Read) -> std::io::Result<Option<u64>> {
    let mut start = [0u8; 34];
    let mut read = 0;
    while read < start.len() {
        match from.read(&mut start[read..])? {
            0 => break,
            n => read += n,
        }
    }
    let (bits, packed) = if start[14] == 12 { (24, false) } else { (28, matches!(start[30], 1 | 2)) };
    Ok((!packed).then(|| u64::from(u16::from_le_bytes([start[bits], start[bits + 1]]))))
}

// Also the bits of a pixel, as it is stored.
fn of_decoder<D: ImageDecoder>(
    format: Format,
    decoder: image::ImageResult<D>,
    turned: bool,
) -> Result<(Header, u64), String> {
    let mut decoder = decoder.map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    if matches!(colour, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(no_bytes(colour));
    }
    let bits = match decoder.original_color_type() {
        ExtendedColorType::L1 => 1,
        _ => u64::from(colour.bits_per_pixel()),
    };
    let colours = if colour.has_color() { 3 } else { 1 };
    let orientation =
        if turned { decoder.orientation().map_err(|e| e.to_string())? } else { Orientation::NoTransforms };
    Ok((Header { format, width: width as usize, height: height as usize, colours, orientation }, bits))
}

fn no_bytes(colour: ColorType) -> String {
    format!("{colour:?} pixels, which are no bytes")
}

/// A decoded image, interleaved.
pub(crate) struct Raw {
    pub samples: Samples,
    /// Values per pixel, with alpha.
    pub stride: usize,
    /// 1 or 3, without alpha.
    pub colours: usize,
}

pub(crate) enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Raw {
    /// Writes the image in `channels` planes, as it is stored.
    pub fn write(&self, channels: usize, planes: &mut [f32]) {
        match &self.samples {
            Samples::Eight(v) => write_planes(v, 255.0, self.stride, self.colours, channels, planes),
            Samples::Sixteen(v) => write_planes(v, 65535.0, self.stride, self.colours, channels, planes),
        }
    }
}

fn write_planes<T: Copy + Into<f32>>(
    samples: &[T],
    max: f32,
    stride: usize,
    colours: usize,
    channels: usize,
    planes: &mut [f32],
) {
    let pixels = samples.chunks_exact(stride);
    if channels == 1 && colours == 3 {
        for (out, pixel) in planes.iter_mut().zip(pixels) {
            *out = (pixel[0].into() + pixel[1].into() + pixel[2].into()) / (3.0 * max);
        }
        return;
    }
    let area = planes.len() / channels;
    for (c, plane) in planes.chunks_exact_mut(area).enumerate() {
        let colour = c.min(colours - 1);
        for (out, pixel) in plane.iter_mut().zip(pixels.clone()) {
            *out = pixel[colour].into() / max;
        }
    }
}

/// The pixels of the image that says `header` of itself; of several the first. The error is what was found.
pub(crate) fn decode(bytes: &[u8], header: &Header) -> Result<Raw, String> {
    let raw = match header.format {
        Format::Jpeg => jpeg::decode(bytes, header)?,
        Format::Png => {
            // A row, and what stands before the pixels: texts, and what a profile of colours unfolds to.
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(header.width as u64 * 8 + bytes.len() as u64 * 4 + BESIDE);
            pixels(PngDecoder::with_limits(Cursor::new(bytes), limits), header, 0)?
        }
        Format::Webp => pixels(WebPDecoder::new(Cursor::new(bytes)), header, 0)?,
        Format::Tiff => {
            tiff::check_jpegs(bytes, header)?;
            pixels(TiffDecoder::new(Cursor::new(bytes)), header, STRIP)?
        }
        Format::Bmp => pixels(BmpDecoder::new(Cursor::new(bytes)), header, 0)?,
        Format::Gif => pixels(GifDecoder::new(Cursor::new(bytes)), header, BESIDE)?,
    };
    let len = match &raw.samples {
        Samples::Eight(v) => v.len(),
        Samples::Sixteen(v) => v.len(),
    };
    if len != header.width * header.height * raw.stride || raw.colours > header.colours {
        return Err(format!("{len} values for {}×{} pixels", header.height, header.width));
    }
    Ok(raw)
}

// What a decoder may take beside its pixels: tables, a row, a frame that is larger than a small image.
pub(super) const BESIDE: u64 = 1 << 20;
// Of how many bytes a strip of a TIFF may say it is; what is not there is not made room for.
const STRIP: u64 = 64 << 20;

fn pixels<D: ImageDecoder>(
    decoder: image::ImageResult<D>,
    header: &Header,
    beside: u64,
) -> Result<Raw, String> {
    let mut decoder = decoder.map_err(|e| e.to_string())?;
    let mut limits = Limits::no_limits();
    // Eight bytes for each pixel: a frame, or what is made of it.
    limits.max_alloc = Some(header.pixels() * 8 + beside);
    decoder.set_limits(limits).map_err(|e| e.to_string())?;
    let image = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    let colours = if image.color().has_color() { 3 } else { 1 };
    let stride = usize::from(image.color().channel_count());
    let samples = match image {
        DynamicImage::ImageLuma8(i) => Samples::Eight(i.into_raw()),
        DynamicImage::ImageLumaA8(i) => Samples::Eight(i.into_raw()),
        DynamicImage::ImageRgb8(i) => Samples::Eight(i.into_raw()),
        DynamicImage::ImageRgba8(i) => Samples::Eight(i.into_raw()),
        DynamicImage::ImageLuma16(i) => Samples::Sixteen(i.into_raw()),
        DynamicImage::ImageLumaA16(i) => Samples::Sixteen(i.into_raw()),
        DynamicImage::ImageRgb16(i) => Samples::Sixteen(i.into_raw()),
        DynamicImage::ImageRgba16(i) => Samples::Sixteen(i.into_raw()),
        other => return Err(no_bytes(other.color())),
    };
    Ok(Raw { samples, stride, colours })
}
