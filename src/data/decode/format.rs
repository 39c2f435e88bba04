//! Formats of encoded images: how they begin, what they say of themselves, and their pixels.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom, copy, sink};
use std::path::Path;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits};
use serde::{Deserialize, Serialize};

use super::jpeg;

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
// Deflate packs at most 1032 bytes into one, at most 8 pixels each. Of formats that pack more, such images
// are all of one colour.
const MAX_PIXELS_PER_BYTE: u64 = 16 * 1024;

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

const EXTENSIONS: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp", "gif"];
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
    let header = match format {
        Format::Jpeg => {
            let jpeg::Frame { height, width, colours, orientation } = jpeg::frame(from).map_err(wrong)??;
            Header { format, height, width, colours, orientation }
        }
        Format::Png => png(from).map_err(wrong)?,
        Format::Webp => {
            let Webp { orientation, height, width } = webp(&mut from, len).map_err(wrong)??;
            from.seek(SeekFrom::Start(0)).map_err(wrong)?;
            let header = Header { orientation, ..of_decoder(format, WebPDecoder::new(from), false)? };
            if height > header.height || width > header.width {
                return Err(format!(
                    "a frame of {height}×{width} pixels in {}×{}",
                    header.height, header.width
                ));
            }
            header
        }
        Format::Tiff => of_decoder(format, TiffDecoder::new(from), true)?,
        Format::Bmp => of_decoder(format, BmpDecoder::new(from), false)?,
        Format::Gif => of_decoder(format, GifDecoder::new(from), false)?,
    };
    let pixels = header.width as u64 * header.height as u64;
    if pixels == 0 || pixels > MAX_PIXELS || pixels / MAX_PIXELS_PER_BYTE > len {
        return Err(format!("{}×{} pixels in {len} bytes", header.height, header.width));
    }
    Ok(header)
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

// Chunks up to the pixels.
fn png(mut from: impl Read) -> std::io::Result<Header> {
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
    Ok(Header { format: Format::Png, width, height, colours, orientation })
}

// What the chunks of a WebP say: how it is turned, and the largest of its frames.
struct Webp {
    orientation: Orientation,
    height: usize,
    width: usize,
}

// The decoder would allocate what chunks say of their lengths and frames of their sides, and compare only then.
fn webp(mut from: impl BufRead + Seek, len: u64) -> std::io::Result<Result<Webp, String>> {
    let mut webp = Webp { orientation: Orientation::NoTransforms, height: 0, width: 0 };
    // RIFF, its length, WEBP.
    let mut at = 12;
    while at + 8 <= len {
        from.seek(SeekFrom::Start(at))?;
        let mut chunk = [0u8; 8];
        from.read_exact(&mut chunk)?;
        let [kind @ .., a, b, c, d] = chunk;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        at += 8;
        if &kind == b"EXIF" {
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
            let sides = match (&kind, start.as_slice()) {
                (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]) => {
                    Some([[*h0, *h1], [*w0, *w1]].map(|bytes| side(u16::from_le_bytes(bytes).into())))
                }
                (b"VP8L", [0x2f, a, b, c, d, ..]) => {
                    let bits = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                    Some([side(bits >> 14) + 1, side(bits) + 1])
                }
                _ => None,
            };
            if let Some([height, width]) = sides {
                (webp.height, webp.width) = (webp.height.max(height), webp.width.max(width));
            }
        }
        // In a frame of an animation its chunks follow 16 bytes.
        at += if &kind == b"ANMF" { 16 } else { length + length % 2 };
    }
    Ok(Ok(webp))
}

fn of_decoder<D: ImageDecoder>(
    format: Format,
    decoder: image::ImageResult<D>,
    turned: bool,
) -> Result<Header, String> {
    let mut decoder = decoder.map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let colours = if decoder.color_type().has_color() { 3 } else { 1 };
    let orientation =
        if turned { decoder.orientation().map_err(|e| e.to_string())? } else { Orientation::NoTransforms };
    Ok(Header { format, width: width as usize, height: height as usize, colours, orientation })
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
        Format::Jpeg => jpeg::decode(bytes, header.colours)?,
        Format::Png => pixels(PngDecoder::new(Cursor::new(bytes)), header)?,
        Format::Webp => pixels(WebPDecoder::new(Cursor::new(bytes)), header)?,
        Format::Tiff => pixels(TiffDecoder::new(Cursor::new(bytes)), header)?,
        Format::Bmp => pixels(BmpDecoder::new(Cursor::new(bytes)), header)?,
        Format::Gif => pixels(GifDecoder::new(Cursor::new(bytes)), header)?,
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

// What a decoder may take beside its pixels: tables, the file, a strip.
const BESIDE: u64 = 64 << 20;

fn pixels<D: ImageDecoder>(decoder: image::ImageResult<D>, header: &Header) -> Result<Raw, String> {
    let mut decoder = decoder.map_err(|e| e.to_string())?;
    let mut limits = Limits::no_limits();
    // Twice eight bytes for each pixel: a frame, and what is made of it.
    limits.max_alloc = Some(header.width as u64 * header.height as u64 * 16 + BESIDE);
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
        other => return Err(format!("{:?} pixels, which are no bytes", other.color())),
    };
    Ok(Raw { samples, stride, colours })
}
