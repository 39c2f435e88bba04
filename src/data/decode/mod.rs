//! From encoded images and raw bytes to `[N, C, H, W]` pixels in [0, 1], on
//! all cores.
//!
//! Pixels are written straight into the array that is handed back; what is
//! asked for (one channel, another size) is done image by image on the way.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::PathBuf;

use image::codecs::png::PngDecoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageBuffer, Luma};
use ndarray::Array4;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Options;
use super::select::{at_least, least, select};
use crate::error::{Error, Result};
use crate::field::{ImageSet, Provenance, Targets};
use crate::progress::Progress;

/// The JPEG decoder, as the manifest names it. Decoders differ in the last
/// bits, and with them in the highest frequencies.
pub const JPEG_DECODER: &str = "zune-jpeg 0.5.15";
/// The PNG decoder; PNG is lossless, so it is named for completeness only.
pub const PNG_DECODER: &str = "image 0.25.10";

// Pillow refuses larger images as decompression bombs.
const MAX_PIXELS: u64 = 178_956_970;
// Deflate packs at most 1032 bytes into one, at most 8 pixels each.
const MAX_PIXELS_PER_BYTE: u64 = 16 * 1024;
const MAX_SIDE: usize = 1 << 16;

/// One encoded image and its label.
pub struct Item<'a> {
    /// Index into the class names.
    pub label: u32,
    /// Where its bytes are.
    pub payload: Payload<'a>,
}

/// The bytes of an encoded image.
pub enum Payload<'a> {
    /// In memory.
    Bytes(&'a [u8]),
    /// In a file of their own, read when they are needed.
    File(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    format: Format,
    height: usize,
    width: usize,
    // 1 or 3, without alpha
    colours: usize,
}

/// Decodes labelled JPEG and PNG images to `[N, C, H, W]` in [0, 1].
///
/// C is 3, or 1 where every image has one channel or `options.grey` asks for
/// the mean of the channels; alpha is dropped. H and W are `options.size` or,
/// without it, those of the images. `place(i)` names image `i` in errors.
///
/// # Errors
/// Images of different sizes without `options.size`; an image that does not
/// decode, unless `options.skip_bad` asks to leave it out and count it; fewer
/// than two classes left over; a shorter side without a size, or below it.
pub fn decode_all(
    items: &[Item<'_>],
    names: Vec<String>,
    description: String,
    place: impl Fn(usize) -> String + Sync,
    options: &Options,
) -> Result<ImageSet> {
    let headers: Vec<Result<Header, String>> = items.par_iter().map(|item| item.payload.header()).collect();
    let mut good = Vec::with_capacity(items.len());
    let mut bad = 0;
    for (i, header) in headers.iter().enumerate() {
        match header {
            Ok(header) => good.push((i, *header)),
            Err(_) if options.skip_bad => bad += 1,
            Err(why) => return Err(undecodable(place(i), why)),
        }
    }
    let Some(&(first, first_header)) = good.first() else {
        return Err(Error::input("data set", "images", "none that decode"));
    };
    let size = (first_header.height, first_header.width);
    let other = good.iter().find(|(_, h)| (h.height, h.width) != size);
    if options.size.is_none()
        && options.reduce.is_none()
        && let Some((other, header)) = other
    {
        return Err(Error::input(
            place(*other),
            format!("{}×{} pixels (h×w) like {}, or --size", size.0, size.1, place(first)),
            format!("{}×{}", header.height, header.width),
        ));
    }
    let fit = Fit::new(options)?;
    let channels = if !options.grey && good.iter().any(|(_, h)| h.colours == 3) { 3 } else { 1 };
    let (out_size, reduced) = options.sized(good.len(), channels, size, other.is_none());
    let used = |format| good.iter().any(|(_, h)| h.format == format);
    let decoders: Vec<&str> = [(Format::Jpeg, JPEG_DECODER), (Format::Png, PNG_DECODER)]
        .into_iter()
        .filter_map(|(format, name)| used(format).then_some(name))
        .collect();

    let mut pixels = allocate([good.len(), channels, out_size.0, out_size.1])?;
    let progress = Progress::new("decoding", good.len() as u64);
    let failures = chunks(&mut pixels, good.len()).enumerate().filter_map(|(k, out)| {
        let (i, header) = good[k];
        progress.inc(1);
        let decoded = items[i].payload.bytes().and_then(|bytes| decode(&bytes, header)).map(|raw| {
            let size = (header.height, header.width);
            fit.apply(out, channels, size, out_size, |planes| raw.write(channels, planes));
        });
        decoded.err().map(|why| (k, why))
    });
    // The first one decides what is said, whichever thread meets it.
    let failed: Vec<(usize, String)> = if options.skip_bad {
        failures.collect()
    } else if let Some((k, why)) = failures.find_first(|_| true) {
        return Err(undecodable(place(good[k].0), &why));
    } else {
        Vec::new()
    };
    drop(progress);

    let mut labels: Vec<u32> = good.iter().map(|&(i, _)| items[i].label).collect();
    if !failed.is_empty() {
        let mut keep = vec![true; labels.len()];
        failed.iter().for_each(|&(k, _)| keep[k] = false);
        retain_chunks(&mut pixels, &keep);
        let mut flags = keep.iter();
        labels.retain(|_| flags.next() == Some(&true));
    }
    let skipped = bad + failed.len();
    if skipped > 0 {
        let mut present = vec![false; names.len()];
        labels.iter().for_each(|&label| present[label as usize] = true);
        at_least(least(options), present.iter().filter(|&&p| p).count(), "images that decode")?;
    }
    Ok(ImageSet {
        images: array(pixels, [labels.len(), channels, out_size.0, out_size.1])?,
        targets: Targets::Classes { labels, names },
        source: Provenance {
            description,
            decoder: Some(decoders.join(", ")),
            skipped,
            split: None,
            reduced: reduced.then_some(out_size),
        },
    })
}

/// Labelled records of raw bytes, planar `[C, H, W]`, as an image set: selects
/// by label and converts what is left to value/255.
pub(crate) fn from_bytes<'a>(
    labels: &[u32],
    names: &[String],
    shape: [usize; 3],
    record: impl Fn(usize) -> &'a [u8] + Sync,
    description: String,
    options: &Options,
) -> Result<ImageSet> {
    let selection = select(labels, names, options)?;
    let rows = &selection.rows;
    let images = render(rows.len(), shape, 255.0, options, |k, planes| {
        for (value, &byte) in planes.iter_mut().zip(record(rows[k])) {
            *value = f32::from(byte);
        }
        Ok(())
    })?;
    let targets = Targets::Classes { labels: selection.labels, names: selection.names };
    let reduced = options.reduced_to(shape, &images);
    Ok(ImageSet { images, targets, source: Provenance { description, reduced, ..Provenance::default() } })
}

/// Builds `[N, C, H, W]` from `count` records: `record(k, planes)` writes the
/// values of record `k`, planar and times `scale`, and `options` say whether
/// to take the mean of the channels and to resize.
///
/// Dividing after the mean keeps the mean of bytes exact, whatever stored them.
pub(crate) fn render(
    count: usize,
    [channels, height, width]: [usize; 3],
    scale: f32,
    options: &Options,
    record: impl Fn(usize, &mut [f32]) -> Result<()> + Sync,
) -> Result<Array4<f32>> {
    check_sides([channels, height, width])?;
    let mean = options.grey && channels > 1;
    let out_channels = if mean { 1 } else { channels };
    let (size, _) = options.sized(count, out_channels, (height, width), true);
    let fit = Fit::new(options)?;
    let mut pixels = allocate([count, out_channels, size.0, size.1])?;
    let failure = chunks(&mut pixels, count).enumerate().filter_map(|(k, out)| {
        let mut done = Ok(());
        fit.apply(out, out_channels, (height, width), size, |planes| {
            if mean {
                let mut all = vec![0.0; channels * height * width];
                done = record(k, &mut all);
                let (first, rest) = all.split_at_mut(height * width);
                for plane in rest.chunks_exact(height * width) {
                    first.iter_mut().zip(plane).for_each(|(sum, v)| *sum += v);
                }
                planes.copy_from_slice(first);
            } else {
                done = record(k, planes);
            }
            let divisor = if mean { scale * channels as f32 } else { scale };
            planes.iter_mut().for_each(|value| *value /= divisor);
        });
        done.err()
    });
    if let Some(error) = failure.find_first(|_| true) {
        return Err(error);
    }
    array(pixels, [count, out_channels, size.0, size.1])
}

/// Fails for images without pixels, and for those of sides that are taken for damage.
pub(crate) fn check_sides([channels, height, width]: [usize; 3]) -> Result<()> {
    if channels == 0 || !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
        let expected = format!("images with sides in 1..={MAX_SIDE}");
        return Err(Error::input("data set", expected, format!("{channels}×{height}×{width}")));
    }
    Ok(())
}

fn undecodable(place: String, why: &str) -> Error {
    Error::input(place, "a JPEG or PNG image", format!("{why} (--skip-bad leaves such images out)"))
}

/// The image format that the first bytes of a file announce.
pub(crate) fn magic(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else {
        None
    }
}

impl Payload<'_> {
    fn header(&self) -> Result<Header, String> {
        match self {
            Payload::Bytes(bytes) => read_header(*bytes, bytes.len() as u64),
            Payload::File(path) => {
                let file = File::open(path).map_err(|e| e.to_string())?;
                let len = file.metadata().map_err(|e| e.to_string())?.len();
                read_header(BufReader::new(file), len)
            }
        }
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Payload::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Payload::File(path) => std::fs::read(path).map(Cow::Owned).map_err(|e| e.to_string()),
        }
    }
}

// Only the marker segments up to the frame header are read, not the pixels.
fn read_header(mut bytes: impl Read, len: u64) -> Result<Header, String> {
    let mut start = [0u8; 8];
    let ended = |_| "a file that ends within its header".to_owned();
    bytes.read_exact(&mut start[..3]).map_err(ended)?;
    let header = if magic(&start[..3]) == Some(Format::Jpeg) {
        // The third byte begins the first marker.
        jpeg_header((&start[2..3]).chain(bytes)).map_err(ended)??
    } else {
        bytes.read_exact(&mut start[3..]).map_err(ended)?;
        if magic(&start) != Some(Format::Png) {
            return Err("other bytes".to_owned());
        }
        let mut ihdr = [0u8; 18];
        bytes.read_exact(&mut ihdr).map_err(ended)?;
        let side =
            |at: usize| u32::from_be_bytes([ihdr[at], ihdr[at + 1], ihdr[at + 2], ihdr[at + 3]]) as usize;
        let colours = if matches!(ihdr[17], 0 | 4) { 1 } else { 3 };
        Header { format: Format::Png, width: side(8), height: side(12), colours }
    };
    let pixels = header.width as u64 * header.height as u64;
    if pixels == 0 || pixels > MAX_PIXELS || pixels / MAX_PIXELS_PER_BYTE > len {
        return Err(format!("{}×{} pixels in {len} bytes", header.height, header.width));
    }
    Ok(header)
}

fn jpeg_header(mut bytes: impl Read) -> std::io::Result<Result<Header, String>> {
    let mut byte = || -> std::io::Result<u8> {
        let mut one = [0u8];
        bytes.read_exact(&mut one)?;
        Ok(one[0])
    };
    loop {
        while byte()? != 0xff {}
        let mut marker = 0xff;
        while marker == 0xff {
            marker = byte()?;
        }
        match marker {
            // Stuffing, and markers without a segment.
            0x00 | 0x01 | 0xd0..=0xd8 => continue,
            0xd9 | 0xda => return Ok(Err("a JPEG without a frame header".to_owned())),
            _ => {}
        }
        let length = u16::from_be_bytes([byte()?, byte()?]);
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            byte()?;
            let height = usize::from(u16::from_be_bytes([byte()?, byte()?]));
            let width = usize::from(u16::from_be_bytes([byte()?, byte()?]));
            let colours = if byte()? == 1 { 1 } else { 3 };
            return Ok(Ok(Header { format: Format::Jpeg, height, width, colours }));
        }
        for _ in 2..length {
            byte()?;
        }
    }
}

/// A decoded image, interleaved.
struct Raw {
    samples: Samples,
    // values per pixel, with alpha
    stride: usize,
    // 1 or 3, without alpha
    colours: usize,
}

enum Samples {
    Eight(Vec<u8>),
    Sixteen(Vec<u16>),
}

impl Raw {
    fn write(&self, channels: usize, planes: &mut [f32]) {
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

fn decode(bytes: &[u8], header: Header) -> Result<Raw, String> {
    let raw = match header.format {
        Format::Jpeg => decode_jpeg(bytes, header)?,
        Format::Png => decode_png(bytes)?,
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

fn decode_jpeg(bytes: &[u8], header: Header) -> Result<Raw, String> {
    // The decoder fills what is missing from the last rows with grey, so ask
    // for the end marker. It must follow the last scan: a thumbnail has its own.
    let last = bytes.windows(2).rev().find(|pair| matches!(pair, [0xff, 0xd9 | 0xda]));
    if last != Some(&[0xff, 0xd9]) {
        return Err("a truncated JPEG (no end marker)".to_owned());
    }
    let (space, colours) = if header.colours == 1 { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|e| e.to_string())?;
    Ok(Raw { samples: Samples::Eight(pixels), stride: colours, colours })
}

fn decode_png(bytes: &[u8]) -> Result<Raw, String> {
    let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
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
        other => return Err(format!("a PNG with {:?} pixels", other.color())),
    };
    Ok(Raw { samples, stride, colours })
}

/// How images come to their size: as a whole, or by their shorter side and a cut.
#[derive(Clone, Copy, Debug)]
struct Fit {
    shorter: Option<usize>,
    interpolation: Interpolation,
}

/// How an image is resized; both widen their kernels where it becomes smaller, as Pillow does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Triangles over two pixels.
    #[default]
    Bilinear,
    /// Catmull and Rom's cubics over four.
    Bicubic,
}

impl Interpolation {
    fn filter(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Triangle,
            Self::Bicubic => FilterType::CatmullRom,
        }
    }
}

impl std::str::FromStr for Interpolation {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        clap::ValueEnum::from_str(text, false)
            .map_err(|_| Error::input("interpolation", "bilinear or bicubic", format_args!("`{text}`")))
    }
}

impl std::fmt::Display for Interpolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Bilinear { "bilinear" } else { "bicubic" })
    }
}

impl Fit {
    fn new(options: &Options) -> Result<Self> {
        let interpolation = options.interpolation;
        let Some(shorter) = options.shorter else { return Ok(Self { shorter: None, interpolation }) };
        let Some((h, w)) = options.size else {
            return Err(Error::input("--shorter", "--size, the size to cut out of the middle", "none"));
        };
        if !(h.max(w)..=MAX_SIDE).contains(&shorter) {
            let expected = format!("{} to {MAX_SIDE}, as {h}×{w} pixels are cut out", h.max(w));
            return Err(Error::input("--shorter", expected, shorter));
        }
        Ok(Self { shorter: Some(shorter), interpolation })
    }

    /// The size to which images of the size `from` are resized, as torchvision has it.
    fn whole(self, (h, w): (usize, usize), to: (usize, usize)) -> (usize, usize) {
        match self.shorter {
            None => to,
            Some(s) if h <= w => (s, (s * w / h).min(MAX_SIDE)),
            Some(s) => ((s * h / w).min(MAX_SIDE), s),
        }
    }

    /// Lets `write` fill an image of `channels` planes of the size `from`, and
    /// brings it to the size `to` in `out`.
    fn apply(
        self,
        out: &mut [f32],
        channels: usize,
        from: (usize, usize),
        to: (usize, usize),
        write: impl FnOnce(&mut [f32]),
    ) {
        let whole = self.whole(from, to);
        if from == whole && whole == to {
            return write(out);
        }
        let mut planes = vec![0.0; channels * from.0 * from.1];
        write(&mut planes);
        let mut uncut = vec![0.0; if whole == to { 0 } else { whole.0 * whole.1 }];
        let filter = self.interpolation.filter();
        let corner = (half(whole.0 - to.0), half(whole.1 - to.1));
        for (plane, out) in planes.chunks_exact_mut(from.0 * from.1).zip(out.chunks_exact_mut(to.0 * to.1)) {
            if whole == to {
                resize_plane(plane, from, to, out, filter);
                continue;
            }
            resize_plane(plane, from, whole, &mut uncut, filter);
            for (y, out) in out.chunks_exact_mut(to.1).enumerate() {
                let at = (corner.0 + y) * whole.1 + corner.1;
                out.copy_from_slice(&uncut[at..at + to.1]);
            }
        }
    }
}

// Half of an odd margin goes to the even side, as in Python.
fn half(margin: usize) -> usize {
    if margin % 4 == 3 { margin.div_ceil(2) } else { margin / 2 }
}

// `imageops::resize` clamps to [0, 1]: planes with other values go there and
// back. Triangles make weighted means, which stay within the range they are given; what cubics make
// beyond it is cut off, as Pillow does at black and white.
fn resize_plane(
    plane: &mut [f32],
    from: (usize, usize),
    to: (usize, usize),
    out: &mut [f32],
    filter: FilterType,
) {
    let low = plane.iter().copied().fold(0.0, f32::min);
    let range = plane.iter().copied().fold(1.0, f32::max) - low;
    let inside = low == 0.0 && range == 1.0;
    if !inside {
        plane.iter_mut().for_each(|value| *value = (*value - low) / range);
    }
    // Both sides fit into u32: see `allocate` and the readers' checks.
    let view = ImageBuffer::<Luma<f32>, &[f32]>::from_raw(from.1 as u32, from.0 as u32, plane);
    if let Some(view) = view {
        let small = image::imageops::resize(&view, to.1 as u32, to.0 as u32, filter);
        out.copy_from_slice(small.as_raw());
    }
    if !inside {
        out.iter_mut().for_each(|value| *value = *value * range + low);
    }
}

// Zeroed pages come from the system as they are touched, so that asking for
// them first tells whether they are to be had.
fn allocate(shape: [usize; 4]) -> Result<Vec<f32>> {
    let [n, c, h, w] = shape;
    if h == 0 || w == 0 || h > MAX_SIDE || w > MAX_SIDE {
        return Err(Error::input("--size", format!("sides in 1..={MAX_SIDE}"), format!("{h}×{w}")));
    }
    let total = shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
    match total {
        Some(total) if Vec::<f32>::new().try_reserve_exact(total).is_ok() => Ok(vec![0.0; total]),
        _ => {
            let gib = shape.iter().map(|&side| side as f64).product::<f64>() * 4.0 / f64::from(1u32 << 30);
            let found = format!("{n} images of {c}×{h}×{w}, {gib:.1} GiB (see --limit, --grey, --size)");
            Err(Error::input("data set", "images that fit into memory", found))
        }
    }
}

fn chunks(pixels: &mut [f32], count: usize) -> rayon::slice::ChunksExactMut<'_, f32> {
    pixels.par_chunks_exact_mut((pixels.len() / count.max(1)).max(1))
}

fn retain_chunks(pixels: &mut Vec<f32>, keep: &[bool]) {
    let chunk = pixels.len() / keep.len().max(1);
    let mut to = 0;
    for from in keep.iter().enumerate().filter_map(|(k, &kept)| kept.then_some(k)) {
        pixels.copy_within(from * chunk..(from + 1) * chunk, to * chunk);
        to += 1;
    }
    pixels.truncate(to * chunk);
    pixels.shrink_to_fit();
}

fn array(pixels: Vec<f32>, shape: [usize; 4]) -> Result<Array4<f32>> {
    let len = pixels.len();
    Array4::from_shape_vec(shape, pixels)
        .map_err(|_| Error::input("data set", format!("pixels of shape {shape:?}"), format!("{len} pixels")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, Rgba};
    use ndarray::Array3;
    use proptest::prelude::*;

    const JPG: &[u8] = include_bytes!("testdata/wide.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("testdata/progressive.jpg");
    const GREY_JPG: &[u8] = include_bytes!("testdata/grey.jpg");
    const CMYK: &[u8] = include_bytes!("testdata/cmyk.jpg");
    const PNG: &[u8] = include_bytes!("testdata/wide.png");
    const PALETTE: &[u8] = include_bytes!("testdata/palette.png");

    // The picture that `testdata/make.py` draws.
    fn drawn(c: usize, y: usize, x: usize) -> f32 {
        [x * 16, y * 32, x * 8 + y * 16][c] as f32 / 255.0
    }

    fn options() -> Options {
        Options::default()
    }

    fn try_all(images: &[&[u8]], options: &Options) -> Result<ImageSet> {
        let items: Vec<Item<'_>> = images
            .iter()
            .enumerate()
            .map(|(i, bytes)| Item { label: i as u32 % 2, payload: Payload::Bytes(bytes) })
            .collect();
        let names = vec!["a".to_owned(), "b".to_owned()];
        decode_all(&items, names, "test".to_owned(), |i| format!("image {i}"), options)
    }

    fn one(bytes: &[u8], options: &Options) -> Array3<f32> {
        try_all(&[bytes], options).unwrap().images.index_axis_move(ndarray::Axis(0), 0)
    }

    fn refusal(images: &[&[u8]], options: &Options) -> String {
        try_all(images, options).expect_err("must be refused").to_string()
    }

    fn png<P>(width: u32, height: u32, pixel: impl Fn(u32, u32) -> P) -> Vec<u8>
    where
        P: image::PixelWithColorType,
        [P::Subpixel]: image::EncodableLayout,
    {
        let image = ImageBuffer::<P, Vec<P::Subpixel>>::from_fn(width, height, pixel);
        let mut out = Cursor::new(Vec::new());
        image.write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
    }

    #[test]
    fn png_is_exact_and_its_axes_are_channel_row_column() {
        let pixels = one(PNG, &options());
        assert_eq!(pixels.dim(), (3, 8, 16));
        for ((c, y, x), &value) in pixels.indexed_iter() {
            assert_eq!(value, drawn(c, y, x));
        }
        let grey = one(PNG, &Options { grey: true, ..options() });
        assert_eq!(grey.dim(), (1, 8, 16));
        let sum = |y: usize, x: usize| (x * 16 + y * 32 + x * 8 + y * 16) as f32;
        for ((_, y, x), &value) in grey.indexed_iter() {
            assert_eq!(value, sum(y, x) / 765.0);
        }
    }

    // The bound is what two correct inverse transforms and colour conversions
    // were seen to differ by, in steps of 1/255.
    fn near_pillow(bytes: &[u8], pillow: &[u8], channels: usize) {
        let pixels = one(bytes, &options());
        assert_eq!(pixels.dim(), (channels, 8, 16));
        for ((c, y, x), &value) in pixels.indexed_iter() {
            let expected = f32::from(pillow[(y * 16 + x) * channels + c]);
            assert!((value * 255.0 - expected).abs() < 5.5, "({c}, {y}, {x}): {} {expected}", value * 255.0);
        }
    }

    #[test]
    fn jpeg_agrees_with_pillow() {
        near_pillow(JPG, include_bytes!("testdata/wide.rgb"), 3);
        near_pillow(PROGRESSIVE, include_bytes!("testdata/wide.rgb"), 3);
        near_pillow(GREY_JPG, include_bytes!("testdata/grey.grey"), 1);
        near_pillow(CMYK, include_bytes!("testdata/cmyk.rgb"), 3);
        near_pillow(PALETTE, include_bytes!("testdata/palette.rgb"), 3);
    }

    #[test]
    fn grey_is_the_mean_of_the_channels() {
        for bytes in [JPG, CMYK, PALETTE] {
            let colour = one(bytes, &options());
            let grey = one(bytes, &Options { grey: true, ..options() });
            for ((_, y, x), &value) in grey.indexed_iter() {
                let mean = (colour[[0, y, x]] + colour[[1, y, x]] + colour[[2, y, x]]) / 3.0;
                assert!((value - mean).abs() < 1e-6);
            }
        }
        assert_eq!(one(GREY_JPG, &options()), one(GREY_JPG, &Options { grey: true, ..options() }));
    }

    #[test]
    fn grey_images_among_coloured_ones_get_three_channels() {
        let set = try_all(&[GREY_JPG, PNG], &options()).unwrap();
        assert_eq!(set.images.dim(), (2, 3, 8, 16));
        let alone = one(GREY_JPG, &options());
        for c in 0..3 {
            assert_eq!(set.images.slice(ndarray::s![0, c, .., ..]), alone.slice(ndarray::s![0, .., ..]));
        }
        assert_eq!(set.source.decoder.as_deref(), Some("zune-jpeg 0.5.15, image 0.25.10"));
        assert_eq!(one(GREY_JPG, &options()).dim(), (1, 8, 16));
    }

    #[test]
    fn sixteen_bits_and_alpha() {
        let rgba = png(3, 2, |x, y| Rgba([x as u8, y as u8, 7, 99]));
        let pixels = one(&rgba, &options());
        assert_eq!(
            (pixels.dim(), pixels[[0, 1, 2]], pixels[[1, 1, 2]]),
            ((3, 2, 3), 2.0 / 255.0, 1.0 / 255.0)
        );
        let deep = png(3, 2, |x, _| Rgb([x as u16, 65535, 300]));
        let pixels = one(&deep, &options());
        assert_eq!((pixels[[0, 0, 2]], pixels[[1, 0, 0]]), (2.0 / 65535.0, 1.0));
        let deep_grey = one(&deep, &Options { grey: true, ..options() });
        assert_eq!(deep_grey[[0, 1, 2]], (2.0 + 65535.0 + 300.0) / (3.0 * 65535.0));
        let luma_alpha = png(3, 2, |x, y| image::LumaA([(x + 10 * y) as u16, 5]));
        let pixels = one(&luma_alpha, &options());
        assert_eq!((pixels.dim(), pixels[[0, 1, 2]]), ((1, 2, 3), 12.0 / 65535.0));
    }

    #[test]
    fn order_is_kept_by_all_the_threads() {
        let files: Vec<Vec<u8>> =
            (0..200u32).map(|i| png(3, 2, |x, y| Luma([(i + x * 2 + y) as u8]))).collect();
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let set = try_all(&files, &options()).unwrap();
        for ((n, _, y, x), &value) in set.images.indexed_iter() {
            assert_eq!(value, (n + 2 * x + y) as f32 / 255.0);
        }
    }

    #[test]
    fn sizes_must_agree_or_be_given() {
        let small = png(3, 2, |_, _| Luma([9u8]));
        let text = refusal(&[PNG, PNG, &small, JPG], &options());
        for part in ["image 2", "image 0", "8×16", "2×3", "--size"] {
            assert!(text.contains(part), "{text}");
        }
        // The same numbers of pixels in the other order are another size.
        let tall = png(8, 16, |_, _| Luma([9u8]));
        assert!(refusal(&[PNG, &tall], &options()).contains("16×8"));
        let set = try_all(&[PNG, &small], &Options { size: Some((5, 4)), ..options() }).unwrap();
        assert_eq!(set.images.dim(), (2, 3, 5, 4));
        assert!(set.images.slice(ndarray::s![1, .., .., ..]).iter().all(|v| (v - 9.0 / 255.0).abs() < 1e-6));
        assert!(refusal(&[PNG], &Options { size: Some((0, 4)), ..options() }).contains("--size"));
        assert!(refusal(&[PNG], &Options { size: Some((4, 70_000)), ..options() }).contains("--size"));
    }

    #[test]
    fn the_resize_filter_is_a_triangle_as_wide_as_the_step() {
        // Halving four columns: weights 3, 3, 1 from the left, then mirrored.
        let mut plane = vec![0.1, 0.2, 0.7, 0.9, 0.5, 0.5, 0.5, 0.5];
        let mut out = vec![0.0; 4];
        resize_plane(&mut plane, (2, 4), (2, 2), &mut out, FilterType::Triangle);
        let left = (3.0 * 0.1 + 3.0 * 0.2 + 0.7) / 7.0;
        let right = (0.2 + 3.0 * 0.7 + 3.0 * 0.9) / 7.0;
        for (found, expected) in out.iter().zip([left, right, 0.5, 0.5]) {
            approx::assert_abs_diff_eq!(*found, expected, epsilon = 1e-6);
        }
    }

    #[test]
    fn cubics_are_pillows() {
        // Image.fromarray(plane).resize((w, h), BICUBIC) of Pillow 13.0, mode "F".
        let plane: Vec<f32> = (0..24).map(|i| (i * 7 % 11) as f32 * 0.06 + 0.2).collect();
        let half = [0.4919, 0.5512, 0.4365, 0.4916, 0.5353, 0.4525];
        let first = [0.1261, 0.3936, 0.6231, 0.3996, 0.5995, 0.8077, 0.6172, 0.4283, 0.3137];
        let last = [0.5063, 0.3528, 0.2899, 0.6310, 0.5917, 0.3828, 0.1923, 0.3987, 0.6381];
        let resized = |to: (usize, usize)| {
            let mut out = vec![0.0; to.0 * to.1];
            resize_plane(&mut plane.clone(), (4, 6), to, &mut out, Interpolation::Bicubic.filter());
            out
        };
        let (small, large) = (resized((2, 3)), resized((7, 9)));
        let pairs = small.iter().zip(&half).chain(large[..9].iter().zip(&first));
        for (found, expected) in pairs.chain(large[54..].iter().zip(&last)) {
            approx::assert_abs_diff_eq!(*found, *expected, epsilon = 1e-4);
        }
        let parsed: Result<Interpolation> = "cubic".parse();
        assert!(parsed.unwrap_err().to_string().contains("bilinear or bicubic"));
        for one in [Interpolation::Bilinear, Interpolation::Bicubic] {
            assert_eq!(one.to_string().parse::<Interpolation>().unwrap(), one);
        }
    }

    #[test]
    fn the_middle_is_cut_out_where_torchvision_cuts() {
        // Resize(6) and CenterCrop((3, 5)) of torchvision 0.26, which rounds to bytes twice.
        let row = |values: [u8; 5]| values.map(f32::from);
        let expected: [[[f32; 5]; 3]; 3] = [
            [row([88, 109, 131, 152, 173]); 3],
            [[90.0; 5], [134.0; 5], [176.0; 5]],
            [[89, 100, 110, 121, 132], [111, 122, 132, 143, 154], [132, 143, 153, 164, 175]].map(row),
        ];
        let image = one(PNG, &Options { size: Some((3, 5)), shorter: Some(6), ..options() });
        assert_eq!(image.dim(), (3, 3, 5));
        for ((c, y, x), value) in image.indexed_iter() {
            approx::assert_abs_diff_eq!(value * 255.0, expected[c][y][x], epsilon = 1.01);
        }
        // A side of eight is eight already, and is only cut.
        let image = one(PNG, &Options { size: Some((4, 4)), shorter: Some(8), ..options() });
        for ((c, y, x), value) in image.indexed_iter() {
            assert_eq!(*value, drawn(c, y + 2, x + 6));
        }
        // Python's round(margin / 2).
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7, 8].map(half), [0, 0, 1, 2, 2, 2, 3, 4, 4]);
        let fit = Fit { shorter: Some(256), interpolation: Interpolation::Bilinear };
        assert_eq!(fit.whole((375, 500), (224, 224)), (256, 341));
        assert_eq!(fit.whole((500, 375), (224, 224)), (341, 256));

        let text = refusal(&[PNG], &Options { shorter: Some(8), ..options() });
        assert!(text.contains("--shorter") && text.contains("--size"), "{text}");
        let text = refusal(&[PNG], &Options { size: Some((9, 4)), shorter: Some(8), ..options() });
        assert!(text.contains("--shorter") && text.contains("9 to"), "{text}");
    }

    #[test]
    fn truncated_jpegs_are_refused_wherever_they_end() {
        for bytes in [JPG, PROGRESSIVE, GREY_JPG, CMYK] {
            for len in 0..bytes.len() {
                let text = refusal(&[PNG, &bytes[..len]], &options());
                assert!(text.contains("image 1") && text.contains("--skip-bad"), "{len}: {text}");
            }
        }
        // PNG: up to the end of the pixels; what follows carries none.
        for len in 0..PNG.len() - 16 {
            refusal(&[JPG, &PNG[..len]], &options());
        }
    }

    #[test]
    fn bad_images_are_named_or_left_out_and_counted() {
        let images = [PNG, b"no image at all", JPG, &JPG[..JPG.len() - 20], CMYK];
        assert!(refusal(&images, &options()).contains("image 1"));
        assert!(refusal(&images[2..], &options()).contains("image 1"));
        let set = try_all(&images, &Options { skip_bad: true, ..options() }).unwrap_err().to_string();
        // 0, 2 and 4 are left, all of class a.
        assert!(set.contains("at least 2 classes"), "{set}");
        let images = [PNG, b"no image at all", JPG, &JPG[..JPG.len() - 20], CMYK, PALETTE];
        let set = try_all(&images, &Options { skip_bad: true, ..options() }).unwrap();
        assert_eq!((set.images.dim(), set.source.skipped), ((4, 3, 8, 16), 2));
        for (row, bytes) in [PNG, JPG, CMYK, PALETTE].into_iter().enumerate() {
            assert_eq!(set.images.index_axis(ndarray::Axis(0), row), one(bytes, &options()));
        }
        let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
        assert_eq!(labels, &[0, 0, 0, 1]);
        assert!(
            refusal(&[b"x", b"y"], &Options { skip_bad: true, ..options() }).contains("none that decode")
        );
    }

    #[test]
    fn files_are_read_when_they_are_needed() {
        let dir = tempfile::tempdir().unwrap();
        let items: Vec<Item<'_>> = [PNG, JPG]
            .iter()
            .enumerate()
            .map(|(i, bytes)| {
                let path = dir.path().join(i.to_string());
                std::fs::write(&path, bytes).unwrap();
                Item { label: i as u32, payload: Payload::File(path) }
            })
            .collect();
        let names = vec!["a".to_owned(), "b".to_owned()];
        let load = || decode_all(&items, names.clone(), String::new(), |i| format!("file {i}"), &options());
        assert_eq!(load().unwrap().images, try_all(&[PNG, JPG], &options()).unwrap().images);
        std::fs::remove_file(dir.path().join("1")).unwrap();
        assert!(load().unwrap_err().to_string().contains("file 1"));
    }

    #[test]
    fn sizes_beyond_what_the_bytes_can_hold_are_refused() {
        let mut bomb = PNG.to_vec();
        bomb[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
        assert!(refusal(&[&bomb], &options()).contains("8192×8192 pixels in"));
        bomb[16..24].copy_from_slice(&[0xff; 8]);
        refusal(&[&bomb], &options());
        bomb[16..24].fill(0);
        refusal(&[&bomb], &options());
    }

    #[test]
    fn decoder_names_carry_the_versions_in_use() {
        let lock = include_str!("../../Cargo.lock");
        for decoder in [JPEG_DECODER, PNG_DECODER] {
            let (name, version) = decoder.split_once(' ').unwrap();
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{decoder}");
        }
    }

    proptest! {
        #[test]
        fn resizing_commutes_with_scale_and_offset(
            plane in prop::collection::vec(0.0f32..1.0, 35),
            (scale, offset) in (-50.0f32..50.0, -50.0f32..50.0),
            to in (1usize..12, 1usize..12),
        ) {
            let resize = |mut plane: Vec<f32>| {
                let mut out = vec![0.0; to.0 * to.1];
                resize_plane(&mut plane, (5, 7), to, &mut out, FilterType::Triangle);
                out
            };
            let mapped: Vec<f32> = plane.iter().map(|v| v * scale + offset).collect();
            let plain = resize(plane.clone());
            let (low, high) = plane.iter().fold((1.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
            for (&plain, &mapped) in plain.iter().zip(&resize(mapped)) {
                prop_assert!(plain >= low - 1e-5 && plain <= high + 1e-5);
                prop_assert!((plain * scale + offset - mapped).abs() < 1e-4 * (1.0 + scale.abs() + offset.abs()));
            }
        }

        #[test]
        fn damaged_images_never_panic(
            which in 0usize..6,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            random in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = [JPG, PROGRESSIVE, GREY_JPG, CMYK, PNG, PALETTE][which].to_vec();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for bytes in [&bytes, &random] {
                if let Ok(set) = try_all(&[PNG, bytes], &Options { size: Some((4, 4)), ..options() }) {
                    prop_assert!(set.images.iter().all(|v| (0.0..=1.0).contains(v)));
                }
            }
        }
    }
}
