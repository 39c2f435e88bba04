//! From encoded images and raw bytes to `[N, C, H, W]` pixels in [0, 1], on
//! all cores.
//!
//! Pixels are written straight into the array that is handed back; what is
//! asked for (one channel, another size) is done image by image on the way.

mod fit;
mod format;
mod jpeg;
mod tiff;
mod webp;

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use ndarray::Array4;
use rayon::prelude::*;

use super::Options;
use super::select::{at_least, least, select};
use crate::disk::input::Input;
use crate::error::{Error, Result, brief};
use crate::field::{ImageSet, Provenance, Targets, Told};
use crate::progress::Progress;
use fit::Fit;
use format::{Format, Header};

pub use fit::Interpolation;
pub use format::Exif;
pub(crate) use format::{EXTENSIONS, READ, is_meant, magic, other, start};

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
    /// In a file from a place on, so many of them.
    Part(&'a Path, u64, u64),
}

/// Decodes labelled images (JPEG, PNG, WebP, TIFF, BMP, of GIF the first frame) to `[N, C, H, W]` in [0, 1].
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
    let turned = good.iter().filter(|(_, h)| h.is_turned()).count();
    let mut notes = Vec::new();
    if turned > 0 {
        let (done, instead) = match options.exif {
            Exif::Apply => ("are turned upright, as viewers do", "ignore leaves them as they are stored"),
            Exif::Ignore => ("are left as they are stored", "apply turns them upright, as viewers do"),
        };
        notes.push(format!(
            "{turned} of {} images whose camera was turned (EXIF) {done} (--exif {instead})",
            good.len()
        ));
        if options.exif == Exif::Ignore {
            good.iter_mut().for_each(|(_, header)| header.unturned());
        }
    }
    let Some(&(first, first_header)) = good.first() else {
        return Err(Error::input("data set", "images", "none that decode"));
    };
    let size = first_header.size();
    let other = good.iter().find(|(_, h)| h.size() != size);
    if options.size.is_none()
        && options.reduce.is_none()
        && let Some((other, header)) = other
    {
        return Err(Error::input(
            place(*other),
            format!("{}×{} pixels (h×w) like {}, or --size", size.0, size.1, place(first)),
            format!("{}×{}", header.size().0, header.size().1),
        ));
    }
    let fit = Fit::new(options)?;
    let channels = if !options.grey && good.iter().any(|(_, h)| h.colours == 3) { 3 } else { 1 };
    let (out_size, reduced) = options.sized(good.len(), channels, size, other.is_none());
    let used = |format: &Format| good.iter().any(|(_, h)| h.format == *format);
    let mut decoders: Vec<&str> = Vec::new();
    for decoder in Format::ALL.into_iter().filter(used).map(|format| format.decoder()) {
        if !decoders.contains(&decoder) {
            decoders.push(decoder);
        }
    }

    let mut pixels = allocate([good.len(), channels, out_size.0, out_size.1])?;
    let progress = Progress::new("decoding", good.len() as u64);
    let failures = chunks(&mut pixels, good.len()).enumerate().filter_map(|(k, out)| {
        let (i, header) = good[k];
        progress.inc(1);
        let decoded = items[i].payload.bytes().and_then(|bytes| format::decode(&bytes, &header)).map(|raw| {
            fit.apply(out, channels, header.size(), out_size, |planes| {
                if !header.is_turned() {
                    return raw.write(channels, planes);
                }
                let mut stored = vec![0.0; planes.len()];
                raw.write(channels, &mut stored);
                let area = planes.len() / channels;
                for (stored, out) in stored.chunks_exact(area).zip(planes.chunks_exact_mut(area)) {
                    header.turn(stored, out);
                }
            });
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
            reduced: reduced.then_some(out_size),
            told: Told { skipped, notes, ..Told::default() },
            ..Provenance::default()
        },
    })
}

/// Height and width that an encoded image says it has, as it is stored; the error is what was found in its place.
///
/// # Errors
/// For bytes that are no image, and for more pixels than so many bytes can hold.
pub fn sides(bytes: &[u8]) -> Result<(usize, usize), String> {
    let Header { height, width, .. } = Payload::Bytes(bytes).header()?;
    Ok((height, width))
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
    let reduced = options.reduced_to(shape, &images);
    let mut source = Provenance { description, reduced, ..Provenance::default() };
    selection.tell(&mut source);
    let targets = Targets::Classes { labels: selection.labels, names: selection.names };
    Ok(ImageSet { images, targets, source })
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
    // Decoders list what they found, which may be thousands of numbers.
    let why = brief(why);
    Error::input(place, format!("an image ({READ})"), format!("{why} (--skip-bad leaves such images out)"))
}

impl Payload<'_> {
    fn header(&self) -> Result<Header, String> {
        match self {
            Payload::Bytes(bytes) => format::header(Cursor::new(*bytes), bytes.len() as u64),
            Payload::File(path) => {
                let file = File::open(path).map_err(|e| e.to_string())?;
                let len = file.metadata().map_err(|e| e.to_string())?.len();
                format::header(BufReader::new(file), len)
            }
            Payload::Part(_, _, length) => format::header(Cursor::new(self.bytes()?), *length),
        }
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Payload::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Payload::File(path) => std::fs::read(path).map(Cow::Owned).map_err(|e| e.to_string()),
            Payload::Part(path, at, length) => {
                let input = Input::open(path, "a file");
                let bytes = input.and_then(|mut input| input.bytes(*at, *length));
                bytes.map(Cow::Owned).map_err(|e| e.to_string())
            }
        }
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
    use image::{ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
    use ndarray::Array3;
    use proptest::prelude::*;

    const JPG: &[u8] = include_bytes!("../testdata/wide.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../testdata/progressive.jpg");
    const GREY_JPG: &[u8] = include_bytes!("../testdata/grey.jpg");
    const CMYK: &[u8] = include_bytes!("../testdata/cmyk.jpg");
    const PNG: &[u8] = include_bytes!("../testdata/wide.png");
    const PALETTE: &[u8] = include_bytes!("../testdata/palette.png");

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
        near_pillow(JPG, include_bytes!("../testdata/wide.rgb"), 3);
        near_pillow(PROGRESSIVE, include_bytes!("../testdata/wide.rgb"), 3);
        near_pillow(GREY_JPG, include_bytes!("../testdata/grey.grey"), 1);
        near_pillow(CMYK, include_bytes!("../testdata/cmyk.rgb"), 3);
        near_pillow(PALETTE, include_bytes!("../testdata/palette.rgb"), 3);
    }

    // Files of `testdata/formats`.
    fn formats() -> Vec<(String, Vec<u8>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/testdata/formats");
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn every_format_agrees_with_pillow() {
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/formats.json")).unwrap();
        let files = formats();
        assert!(files.len() >= 32);
        for (name, bytes) in files {
            let [h, w, values] = expected[&name].as_array().unwrap().as_slice() else { panic!("{name}") };
            let values: Vec<f64> = values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let (h, w) = (h.as_u64().unwrap() as usize, w.as_u64().unwrap() as usize);
            if name == "palette.tif" {
                assert!(refusal(&[&bytes], &options()).contains("RGBPalette"));
                continue;
            }
            let pixels = one(&bytes, &options());
            let colours = values.len() / (h * w);
            // Decoders of what is lossy differ by what two correct transforms do.
            let lossy = name.ends_with(".jpg") || ["jpeg.tif", "lossy.webp"].contains(&name.as_str());
            let bound = if lossy { 5.5 } else { 1e-3 };
            // A palette may have colours, whether it has any or not.
            let planes = if name == "grey.bmp" { 3 } else { colours };
            assert_eq!(pixels.dim(), (planes, h, w), "{name}");
            for ((c, y, x), value) in pixels.indexed_iter() {
                let want = values[(y * w + x) * colours + c.min(colours - 1)];
                let off = (f64::from(*value) * 255.0 - want).abs();
                assert!(off < bound, "{name} ({c}, {y}, {x}): {} {want}", value * 255.0);
            }
        }
    }

    #[test]
    fn photos_are_turned_upright_or_left_as_they_are_and_it_is_said() {
        let file = |name: &str| formats().into_iter().find(|(other, _)| other == name).unwrap().1;
        let ignore = Options { exif: Exif::Ignore, ..options() };
        for name in ["turned6.png", "turned6.webp", "turned6.tif", "turned6.jpg"] {
            let bytes = file(name);
            assert_eq!(one(&bytes, &options()).dim(), (3, 16, 8), "{name}");
            let stored = one(&bytes, &ignore);
            assert_eq!(stored.dim(), (3, 8, 16), "{name}");
            if !name.ends_with("jpg") {
                assert_eq!(stored, one(PNG, &options()), "{name}");
            }
        }
        // With the prefix that JPEG has; and one that speaks of more than there is.
        let mut prefixed = file("turned6.webp");
        let at = prefixed.windows(4).position(|word| word == b"EXIF").unwrap();
        let length = u32::from_le_bytes(prefixed[at + 4..at + 8].try_into().unwrap());
        prefixed[at + 4..at + 8].copy_from_slice(&(length + 6).to_le_bytes());
        prefixed.splice(at + 8..at + 8, *b"Exif\0\0");
        let riff = prefixed.len() as u32 - 8;
        prefixed[4..8].copy_from_slice(&riff.to_le_bytes());
        assert_eq!(one(&prefixed, &options()).dim(), (3, 16, 8));
        let mut lies = file("turned6.webp");
        lies[at + 4..at + 8].copy_from_slice(&0xf000_0000u32.to_le_bytes());
        assert!(refusal(&[&lies], &options()).contains("EXIF of 4026531840 bytes"));
        let (upright, turned) = (file("turned1.png"), file("turned6.png"));
        assert_eq!(one(&upright, &options()), one(PNG, &options()));
        let text = refusal(&[PNG, &turned], &options());
        assert!(text.contains("8×16") && text.contains("16×8"), "{text}");
        let set = try_all(&[PNG, &turned], &ignore).unwrap();
        assert!(
            set.source.told.notes[0].starts_with("1 of 2 images whose camera was turned (EXIF) are left")
        );
        let sized = Options { size: Some((4, 4)), ..options() };
        let set = try_all(&[PNG, &turned, &upright], &sized).unwrap();
        assert!(
            set.source.told.notes[0].starts_with("1 of 3 images")
                && set.source.told.notes[0].contains("--exif ignore")
        );
        assert!(try_all(&[PNG, &upright], &options()).unwrap().source.told.notes.is_empty());
    }

    #[test]
    fn a_jpeg_ends_at_its_own_end_marker() {
        let motion: &[u8] = include_bytes!("../testdata/motion.jpg");
        assert_eq!(one(motion, &options()), one(JPG, &options()));
        // Whatever stands behind it.
        for behind in [&b"\0"[..], b"\xff\xda", b"\xff\xd8\xff\xe0", &JPG[..50], JPG] {
            for image in [JPG, PROGRESSIVE, GREY_JPG, CMYK] {
                assert_eq!(one(&[image, behind].concat(), &options()), one(image, &options()));
            }
        }
        // A thumbnail in a segment has an end marker that is not the image's.
        let thumbnail = [&b"\xff\xe1"[..], &(JPG.len() as u16 + 2).to_be_bytes(), JPG].concat();
        let with = [&JPG[..2], &thumbnail, &JPG[2..]].concat();
        assert_eq!(one(&with, &options()), one(JPG, &options()));
        assert!(refusal(&[PNG, &with[..with.len() - 2]], &options()).contains("truncated"));
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
        assert_eq!((set.images.dim(), set.source.told.skipped), ((4, 3, 8, 16), 2));
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

        // The sides of other formats, as they are stored.
        let file = |name: &str| formats().into_iter().find(|(other, _)| other == name).unwrap().1;
        let mut bomb = file("plain.bmp");
        bomb[18..26].copy_from_slice(&[0, 0x20, 0, 0, 0, 0x20, 0, 0]);
        assert!(refusal(&[&bomb], &options()).contains("8192×8192 pixels in"));
        let mut bomb = file("palette.gif");
        bomb[6..10].fill(0xff);
        assert!(refusal(&[&bomb], &options()).contains("65535×65535 pixels in"));
        // Canvas of the extended format, three bytes each, less one.
        let mut bomb = file("two.webp");
        assert_eq!(&bomb[12..16], b"VP8X");
        bomb[24..30].copy_from_slice(&[0xff, 0x3f, 0, 0xff, 0x3f, 0]);
        assert!(refusal(&[&bomb], &options()).contains("16384×16384 pixels in"));
        // A frame larger than its canvas, lossy and not, in an animation and alone.
        let mut bomb = file("two.webp");
        let at = bomb.windows(4).position(|word| word == b"VP8L").unwrap();
        assert_eq!(bomb[at + 8], 0x2f);
        bomb[at + 9..at + 13].copy_from_slice(&0x0fff_ffffu32.to_le_bytes());
        assert!(refusal(&[&bomb], &options()).contains("a frame of 16384×16384 pixels in 8×16"));
        let mut bomb = file("lossy.webp");
        let at = bomb.windows(3).position(|word| word == [0x9d, 0x01, 0x2a]).unwrap();
        bomb[at + 3..at + 7].copy_from_slice(&[0xff, 0x3f, 0xff, 0x3f]);
        assert!(refusal(&[&bomb], &options()).contains("16383×16383 pixels in"));
        // Width, height and rows of a strip, which is one, in a TIFF's directory.
        let mut bomb = file("lzw.tif");
        let directory = u32::from_le_bytes(bomb[4..8].try_into().unwrap()) as usize;
        let count = usize::from(u16::from_le_bytes(bomb[directory..directory + 2].try_into().unwrap()));
        let entries: Vec<usize> = (0..count).map(|entry| directory + 2 + 12 * entry).collect();
        for tag in [256u16, 257, 278] {
            let at = *entries.iter().find(|&&at| bomb[at..at + 2] == tag.to_le_bytes()).unwrap();
            bomb[at + 2..at + 4].copy_from_slice(&4u16.to_le_bytes());
            bomb[at + 8..at + 12].copy_from_slice(&0x2000u32.to_le_bytes());
        }
        assert!(refusal(&[&bomb], &options()).contains("8192×8192 pixels in"));
    }

    #[test]
    fn truncated_images_of_other_formats_are_refused() {
        for name in
            ["lossless.webp", "lossy.webp", "raw.tif", "lzw.tif", "deflate.tif", "plain.bmp", "palette.gif"]
        {
            let bytes = formats().into_iter().find(|(other, _)| other == name).unwrap().1;
            // What ends a GIF, and the padding of others, carries no pixels.
            for len in 0..bytes.len() - 4 {
                let result = try_all(&[PNG, &bytes[..len]], &options());
                assert!(result.is_err(), "{name}: {len} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn decoder_names_carry_the_versions_in_use() {
        let lock = include_str!("../../../Cargo.lock");
        for format in Format::ALL {
            let decoder = format.decoder();
            let (name, version) = decoder.split_once(' ').unwrap();
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{decoder}");
        }
    }

    proptest! {
        #[test]
        fn damaged_images_never_panic(
            which in 0usize..100,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            random in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut files: Vec<_> = formats().into_iter().map(|(_, bytes)| bytes).collect();
            files.extend([JPG, PROGRESSIVE, GREY_JPG, CMYK, PNG, PALETTE].map(<[u8]>::to_vec));
            let mut bytes = files[which % files.len()].clone();
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
