//! `npz:FILE`: images and targets as numpy arrays, in an archive, or in `.npy` files beside one another.
//!
//! Images: `X`, `x`, `images`, `data` or `arr_0`; targets: `y`, `Y`, `labels`, `targets`, `target` or `arr_1`.
//! Sets stored in parts have `x_train` and `y_train`, `X_train` and
//! `y_train`, `train_images` and `train_labels`, `images_train` and
//! `labels_train`, with a name of the split ([`super::split`]); those are looked for first.
//!
//! Images are `(N, H, W)`, `(N, C, H, W)` or `(N, H, W, C)`, as their lengths say ([`super::axes`]) or
//! `--layout` does; `(N, d)` where d is a square, or three, or is `--layout HxW`. Bytes become value/255, u2 value/65535, other
//! integers value/255 where all are bytes, floating-point numbers and truth values are taken as they are;
//! `--divide-by` is another divisor. Targets are class indices, whole numbers or truth values `(N)` or `(N, 1)`
//! (−1 and NaN are no label, [`super::labels`]),
//! or one-hot `(N, K)`, or texts `(N)`, whose sorted names are the classes; or real numbers `(N, K)`.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array4};

use super::decode::{check_sides, render};
use super::labels::{Classes, Labels, whole};
use super::select::{MAX_CLASSES, select_real};
use super::{AxisOrder, Options, axes, label_column, spec, split};
use crate::disk::input::Input;
use crate::disk::npy::{self, Npy};
use crate::disk::zip::Archive;
use crate::error::{Error, Result, listed, shown};
use crate::field::{ImageSet, Provenance, Targets, Told};

const WHOLE: [(&str, &str); 12] = [
    ("X", "y"),
    ("x", "y"),
    ("X", "Y"),
    ("images", "labels"),
    ("images", "y"),
    ("images", "targets"),
    ("data", "labels"),
    ("data", "targets"),
    ("images", "target"),
    ("data", "target"),
    ("data", "y"),
    ("arr_0", "arr_1"),
];
// What arrays of targets are called.
const LABELS: [&str; 5] = ["y", "Y", "labels", "targets", "target"];
// {} stands for the split.
const IN_PARTS: [(&str, &str); 4] =
    [("x_{}", "y_{}"), ("X_{}", "y_{}"), ("{}_images", "{}_labels"), ("images_{}", "labels_{}")];

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("npz", "PATH", load).taking(spec::Takes::ARRAYS);

const NPZ: &str = "a .npz file (a zip archive)";

/// Reads one pair of arrays from the `.npz` file `arg`, compressed or not, in
/// either memory order and either byte order; or from the `.npy` files of the folder `arg`, as if they were in an
/// archive; or from the `.npy` file of images `arg` and the one with its targets beside it.
///
/// # Errors
/// No such pair (the arrays there are listed), other types or shapes, unequal
/// lengths, fewer or more bytes than a header says, negative labels, numbers
/// that are not finite: with the array and the index.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let path = Path::new(arg);
    if path.is_dir() {
        return read(Arrays::Folder(path, files(path)?), None, options);
    }
    match path.file_stem().filter(|_| is_npy(path)) {
        Some(stem) => {
            Input::open(path, "a .npy file")?;
            let folder = path.parent().unwrap_or(Path::new(""));
            let folder = if folder == Path::new("") { Path::new(".") } else { folder };
            let arrays = Arrays::Folder(folder, files(folder)?);
            read(arrays, Some(&stem.to_string_lossy()), options)
        }
        None => packed(Input::open(path, NPZ)?, options),
    }
}

/// [`load`] of an archive that is in memory; `path` names it in errors.
///
/// # Errors
/// As [`load`].
pub fn from_bytes(bytes: &[u8], path: &Path, options: &Options) -> Result<ImageSet> {
    packed(Input::of_bytes(bytes, path), options)
}

fn packed(mut input: Input, options: &Options) -> Result<ImageSet> {
    if !input.bytes(0, input.size().min(2))?.starts_with(b"PK") {
        return Err(input.wrong(NPZ, if input.size() == 0 { "an empty file" } else { "other bytes" }));
    }
    let archive = Archive::read(&mut input)?;
    read(Arrays::Packed(input, archive), None, options)
}

/// Whether the folder `dir` holds the arrays of a set, with those of their `labels`.
pub(super) fn is_there(dir: &Path, labels: bool) -> bool {
    let Ok(files) = files(dir) else { return false };
    let keys: Vec<&str> = files.iter().map(|(stem, _)| stem.as_str()).collect();
    split::all().any(|word| choose(&keys, word, labels).is_some())
}

pub(super) fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("npy"))
}

// The .npy files in a folder, by name.
fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let path = entry.map_err(Error::io(dir, "read"))?.path();
        if let Some(stem) = path.file_stem().filter(|_| is_npy(&path)).and_then(|stem| stem.to_str()) {
            files.push((stem.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

// Arrays by their names.
enum Arrays<'p> {
    Packed(Input<'p>, Archive),
    Folder(&'p Path, Vec<(String, PathBuf)>),
}

impl Arrays<'_> {
    fn keys(&self) -> Vec<String> {
        match self {
            Self::Packed(_, archive) => {
                archive.names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect()
            }
            Self::Folder(_, files) => files.iter().map(|(stem, _)| stem.clone()).collect(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Packed(input, _) => input.path(),
            Self::Folder(dir, _) => dir,
        }
    }

    fn read(&mut self, key: &str) -> Result<Npy> {
        match self {
            Self::Packed(input, archive) => npy::read(archive, input, key),
            Self::Folder(dir, files) => {
                let found = files.iter().find(|(stem, _)| stem == key);
                file(&found.map_or_else(|| dir.join(key), |(_, path)| path.clone()))
            }
        }
    }
}

// The array in a file of its own.
fn file(path: &Path) -> Result<Npy> {
    let mut input = Input::open(path, "a .npy file")?;
    let size = input.size();
    npy::parse(input.section(0, size)?, &path.display().to_string())
}

// `only`: the name of the array of images, whatever other arrays there are.
fn read(mut arrays: Arrays<'_>, only: Option<&str>, options: &Options) -> Result<ImageSet> {
    let all = arrays.keys();
    let keys: Vec<&str> = all.iter().map(String::as_str).collect();
    let wrong = |expected: String, found: String| Error::input(arrays.path().display(), expected, found);
    let listed = || {
        let keys: Vec<String> = keys.iter().map(|key| shown(key)).collect();
        if keys.is_empty() { "none".to_owned() } else { listed(&keys) }
    };
    let said = options.labels_at.as_deref().filter(|_| options.reads_labels());
    // Beside arrays in files of their own, labels may be in one elsewhere.
    let elsewhere = said.filter(|said| only.is_some() && is_npy(Path::new(said)));
    if let Some(key) = said.filter(|key| elsewhere.is_none() && !keys.contains(key)) {
        return Err(wrong(format!("an array {} (--labels)", shown(key)), listed()));
    }
    let labels = options.reads_labels() && said.is_none();
    let mut others: Vec<&str> = keys.iter().copied().filter(|key| LABELS.contains(key)).collect();
    let (x, y, in_parts) = match only {
        Some(x) => {
            let found = labels.then(|| beside(&keys, x)).transpose();
            let found = found.map_err(|tried| {
                wrong(format!("labels beside {x}.npy: {tried} (--labels FILE says where)"), listed())
            })?;
            others.retain(|key| found.as_ref().is_some_and(|found| found.contains(&(*key).to_owned())));
            (x.to_owned(), found.map(|mut found| found.swap_remove(0)), false)
        }
        None => choose(&keys, &options.split, labels).ok_or_else(|| {
            let split = &options.split;
            wrong(format!("arrays X and y, or x_{split} and y_{split}, or images and labels"), listed())
        })?,
    };
    if let Some(key) = said.filter(|_| in_parts) {
        let own = |word: &str| split::is(word, &options.split);
        if !key.split(['_', '-', '.']).any(own) {
            let expected = format!("an array of labels of the split '{}' (--labels)", options.split);
            return Err(wrong(expected, shown(key)));
        }
    }
    let mut notes = Vec::new();
    if let Some(y) = y.as_deref().filter(|_| !in_parts) {
        others.retain(|key| *key != y);
        if !others.is_empty() {
            notes.push(label_column::beside(y, &others));
        }
    }
    let y = said.map(str::to_owned).or(y);
    let images = arrays.read(&x)?;
    let stored = match (&y, elsewhere) {
        (_, Some(said)) => {
            let beside = arrays.path().join(said);
            Some(file(if Path::new(said).is_file() { Path::new(said) } else { &beside })?)
        }
        (Some(y), None) => Some(arrays.read(y)?),
        (None, None) => None,
    };

    let scale = divisor(&images, options.divide_by, &mut notes)?;
    let is_whole = matches!(images.dtype.kind, b'u' | b'i');
    if images.shape.first() == Some(&0) {
        return Err(Error::input(&images.place, "images", format!("{:?}", images.shape)));
    }
    let strides = images.strides();
    // (length, stride) of channels, rows and columns
    let axes = match unflattened(&images, options.layout, &mut notes)? {
        Some(axes) => axes,
        None => {
            let read = axes::of(&images.place, &images.shape, is_whole, options.layout)?;
            notes.extend(read.notes);
            let of = |axis: usize| (images.shape[axis], strides[axis]);
            let (channels, rows, columns) = read.places;
            [(read.channels, channels.map_or(0, |axis| strides[axis])), of(rows), of(columns)]
        }
    };
    check_sides(axes.map(|(length, _)| length))?;
    if let Some(targets) = &stored
        && targets.shape.first() != Some(&images.shape[0])
    {
        let expected = format!("{} targets, one for each image", images.shape[0]);
        return Err(Error::input(&targets.place, expected, format!("shape {:?}", targets.shape)));
    }

    let wanted = match &stored {
        Some(array) => targets(array)?,
        None => Wanted::Real(Array2::zeros((images.shape[0], 0))),
    };
    let mut source = Provenance { told: Told { notes, ..Told::default() }, ..Provenance::default() };
    let (rows, targets) = match wanted {
        Wanted::Classes(classes) => {
            let selection = classes.select(options)?;
            source.told.notes.extend(classes.notes);
            selection.tell(&mut source);
            (selection.rows, Targets::Classes { labels: selection.labels, names: selection.names })
        }
        Wanted::Real(y) => {
            let kept = select_real(y.nrows(), options)?;
            ((0..kept).collect(), Targets::Real(y.slice_move(ndarray::s![..kept, ..])))
        }
    };
    let [channels, height, width] = axes;
    let pixels = render(rows.len(), [channels.0, height.0, width.0], scale, options, |k, planes| {
        let start = rows[k] * strides[0];
        let mut out = planes.iter_mut();
        for c in 0..channels.0 {
            for y in 0..height.0 {
                for x in 0..width.0 {
                    let value = images.number(start + c * channels.1 + y * height.1 + x * width.1) as f32;
                    if !value.is_finite() {
                        let place =
                            format!("{}: image {} (channel {c}, row {y}, column {x})", images.place, rows[k]);
                        return Err(Error::input(place, "a finite number", value));
                    }
                    out.next().into_iter().for_each(|out| *out = value);
                }
            }
        }
        Ok(())
    })?;
    let mut description = format!("npz, {x} {:?}", images.shape);
    if let Some(y) = y {
        description += &format!(" and {y}");
    }
    if !is_whole && options.divide_by.is_none() {
        source.told.notes.extend(beyond(&images.place, &pixels));
    }
    source.description = description;
    source.split = in_parts.then(|| options.split.clone());
    source.reduced = options.reduced_to(axes.map(|(length, _)| length), &pixels);
    Ok(ImageSet { images: pixels, targets, source })
}

// What the pixels are divided by: as `said`, or as their type says.
fn divisor(images: &Npy, said: Option<f64>, notes: &mut Vec<String>) -> Result<f32> {
    if let Some(said) = said.filter(|said| !(said.is_finite() && *said > 0.0)) {
        return Err(Error::input("--divide-by", "a number above 0", said));
    }
    Ok(match (said, images.dtype.kind, images.dtype.size) {
        (_, b'U' | b'S', _) => return Err(Error::input(&images.place, "an array of numbers", images.dtype)),
        (Some(scale), ..) => scale as f32,
        (None, b'u', 1) => 255.0,
        (None, b'u', 2) => {
            if range(images).1 <= 255.0 {
                notes.push(format!(
                    "{} holds numbers up to 255 as u2; they are divided by 65535 (--divide-by 255 takes them for bytes)",
                    images.place
                ));
            }
            65535.0
        }
        (None, b'u' | b'i', _) => {
            let (low, high) = range(images);
            if low < 0.0 || high > 255.0 {
                let expected =
                    "bytes, 0 to 255, in whole numbers of another type (--divide-by S divides others)";
                let found = format!("{low} to {high} in {}", images.dtype);
                return Err(Error::input(&images.place, expected, found));
            }
            notes.push(format!("{} holds bytes as {}; they are divided by 255", images.place, images.dtype));
            255.0
        }
        (None, ..) => 1.0,
    })
}

// The least and the largest number, 0 among them.
fn range(array: &Npy) -> (f64, f64) {
    let count = array.data.len() / array.dtype.size;
    let numbers = (0..count).map(|at| array.number(at));
    numbers.fold((0.0, 0.0), |(low, high), v| (f64::min(low, v), f64::max(high, v)))
}

// Lengths and strides of channels, rows and columns where each image is a row of pixels, of a square; three times
// as many are three channels, one after the other, or with `--layout nhwc` pixel by pixel.
fn unflattened(
    array: &Npy,
    layout: Option<AxisOrder>,
    notes: &mut Vec<String>,
) -> Result<Option<[(usize, usize); 3]>> {
    let &[_, length] = array.shape.as_slice() else { return Ok(None) };
    let step = array.strides()[1];
    // Pixels that stand side by side are `apart` numbers apart.
    let axes = |[channels, rows, columns]: [usize; 3], by_pixel: bool, apart: usize| {
        let (channel, pixel) = if by_pixel { (step, apart * step) } else { (rows * columns * step, step) };
        Ok(Some([(channels, channel), (rows, columns * pixel), (columns, pixel)]))
    };
    if let Some(said @ AxisOrder::Flat { mut shape, by_pixel }) = layout {
        let needed = shape.iter().try_fold(1usize, |all, &side| all.checked_mul(side));
        if needed != Some(length) {
            let expected = format!("rows of {said} numbers, as --layout says");
            return Err(Error::input(&array.place, expected, format!("rows of {length}")));
        }
        let [channels, rows, columns] = shape;
        if channels > 1 && [rows, columns].iter().any(|side| *side <= axes::MOST_CHANNELS) {
            notes.push(format!("--layout {said} is read as {channels} channels of {rows}×{columns} pixels"));
        }
        let step = if by_pixel { channels } else { 1 };
        // As of arrays with an axis of channels.
        if channels == axes::MOST_CHANNELS && matches!(array.dtype.kind, b'u' | b'i') {
            notes.push(format!("the fourth channel of {} is taken for alpha, and left out", array.place));
            shape[0] = axes::MOST_CHANNELS - 1;
        }
        return axes(shape, by_pixel, step);
    }
    let side = |length: usize| Some(length.isqrt()).filter(|side| *side > 0 && side * side == length);
    let (channels, side) = match (side(length), side(length / 3)) {
        (Some(side), _) => (1, side),
        (None, Some(side)) if length.is_multiple_of(3) => (3, side),
        _ => {
            let expected = "images, (N, H, W), (N, C, H, W) or (N, H, W, C), or rows of pixels of squares, or of \
                            --layout HxW";
            return Err(Error::input(&array.place, expected, format!("{:?}", array.shape)));
        }
    };
    let by_pixel = channels == 3 && layout == Some(AxisOrder::Nhwc);
    notes.push(format!(
        "rows of {length} numbers in {} are read as {} of {side}×{side} pixels",
        array.place,
        match channels {
            1 => "images",
            _ if by_pixel => "three channels, pixel by pixel,",
            _ => "three channels, one after the other (--layout nhwc: pixel by pixel),",
        }
    ));
    axes([channels, side, side], by_pixel, channels)
}

// What is to be known of pixels that are not those of image files.
fn beyond(place: &str, pixels: &Array4<f32>) -> Option<String> {
    let (low, high) = pixels.iter().fold((0f32, 0f32), |(low, high), &v| (low.min(v), high.max(v)));
    if low >= 0.0 && high <= 1.0 {
        return None;
    }
    let way = if low >= 0.0 && high <= 255.0 && high > 2.0 {
        "--divide-by 255 brings them there"
    } else {
        "--divide-by S divides them"
    };
    Some(format!("pixels of {place} are in {low} to {high}; those of image files are in 0 to 1 ({way})"))
}

// Names of images and, where they are to be read, targets, and whether the archive has
// parts.
fn choose(keys: &[&str], split: &str, labels: bool) -> Option<(String, Option<String>, bool)> {
    let there = |(x, y, parts): (String, String, bool)| {
        let y = (labels && keys.contains(&y.as_str())).then_some(y);
        (keys.contains(&x.as_str()) && y.is_some() == labels).then_some((x, y, parts))
    };
    let words = split::words(split);
    let in_parts = words
        .iter()
        .flat_map(|word| IN_PARTS.map(|(x, y)| (x.replace("{}", word), y.replace("{}", word), true)));
    let whole = WHOLE.iter().map(|&(x, y)| (x.to_owned(), y.to_owned(), false));
    in_parts.chain(whole).find_map(there)
}

// The arrays of targets beside that of images `x`, the usual first; the error is what was tried.
fn beside(keys: &[&str], x: &str) -> Result<Vec<String>, String> {
    let in_parts = split::all()
        .flat_map(|word| IN_PARTS.map(|(x, y)| (x.replace("{}", word), y.replace("{}", word))))
        .filter(|(images, _)| images == x);
    let whole =
        WHOLE.iter().filter(|(images, _)| *images == x).map(|(x, y)| ((*x).to_owned(), (*y).to_owned()));
    let tried: Vec<String> = in_parts.chain(whole).map(|(_, y)| y).collect();
    let found: Vec<String> = tried.iter().filter(|y| keys.contains(&y.as_str())).cloned().collect();
    match tried.as_slice() {
        _ if !found.is_empty() => Ok(found),
        [] => Err("a name such as images.npy, X.npy or x_train.npy tells which".to_owned()),
        tried => Err(tried.iter().map(|y| format!("{y}.npy")).collect::<Vec<_>>().join(" or ")),
    }
}

enum Wanted {
    Classes(Classes),
    Real(Array2<f32>),
}

fn targets(array: &Npy) -> Result<Wanted> {
    let item = |i: usize| format!("{}: index {i}", array.place);
    let mut labels = Labels::default();
    match (array.dtype.kind, array.shape.as_slice()) {
        (b'i' | b'u' | b'b', &[count] | &[count, 1]) => {
            (0..count).for_each(|i| labels.number(array.integer(i)));
        }
        (b'U' | b'S', &[count] | &[count, 1]) => {
            for i in 0..count {
                let text = array.text(i);
                labels.text(
                    &text.ok_or_else(|| Error::input(item(i), "a name of a class, text", "other bytes"))?,
                );
            }
        }
        (b'f', &[count]) => {
            for i in 0..count {
                let value = array.number(i);
                if value.is_nan() {
                    labels.none();
                    continue;
                }
                let expected = "a class index, a whole number of at least 0 (real targets are (N, K))";
                labels.number(whole(value).ok_or_else(|| Error::input(item(i), expected, value))?);
            }
        }
        (b'i' | b'u' | b'b', &[count, outputs]) if outputs <= MAX_CLASSES => {
            let strides = array.strides();
            let value = |i: usize, k: usize| array.integer(i * strides[0] + k * strides[1]);
            let one = |i: usize| {
                let mut ones = (0..outputs).filter(|&k| value(i, k) == 1);
                let rest = (0..outputs).filter(|&k| value(i, k) == 0).count();
                ones.next().filter(|_| ones.next().is_none() && rest + 1 == outputs).map(|k| k as u32)
            };
            match (0..count).map(one).collect::<Option<Vec<u32>>>() {
                // Named by their places.
                Some(ones) => {
                    let names = (0..outputs).map(|k| k.to_string()).collect();
                    ones.into_iter().for_each(|one| labels.number(one.into()));
                    return labels.classes(&array.place, Some(names), item).map(Wanted::Classes);
                }
                None if (0..count).all(|i| (0..outputs).all(|k| matches!(value(i, k), 0 | 1))) => {
                    let values = Array2::from_shape_fn((count, outputs), |(i, k)| value(i, k) as f32);
                    return Ok(Wanted::Real(values));
                }
                None => {
                    let expected = "a one in each row, or ones and zeros, or one class index for each image";
                    let found = format!("other numbers of shape {:?}", array.shape);
                    return Err(Error::input(&array.place, expected, found));
                }
            }
        }
        (b'f', &[count, outputs]) => {
            let strides = array.strides();
            let mut values = Array2::zeros((count, outputs));
            for ((i, k), out) in values.indexed_iter_mut() {
                *out = array.number(i * strides[0] + k * strides[1]) as f32;
                if !out.is_finite() {
                    let place = format!("{}: index ({i}, {k})", array.place);
                    return Err(Error::input(place, "a finite number", out));
                }
            }
            return Ok(Wanted::Real(values));
        }
        _ => {
            let expected = "class indices (N), one-hot (N, K) or real targets (N, K)";
            let found = format!("dtype {} and shape {:?}", array.dtype, array.shape);
            return Err(Error::input(&array.place, expected, found));
        }
    }
    labels.classes(&array.place, None, item).map(Wanted::Classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, Array1, Array3, Array4, ArrayD, IxDyn, ShapeBuilder};
    use ndarray_npy::{NpzReader, NpzWriter, WritableElement};
    use proptest::prelude::*;
    use std::fs::File;
    use std::io::Cursor;
    use std::path::Path;

    use crate::data::AxisOrder;

    const LAYOUTS: &[u8] = include_bytes!("testdata/layouts.npz");

    struct Archive(tempfile::TempDir, NpzWriter<File>);

    impl Archive {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = File::create(dir.path().join("a.npz")).unwrap();
            Self(dir, NpzWriter::new_compressed(file))
        }

        fn with<A: WritableElement, D: ndarray::Dimension>(mut self, key: &str, array: Array<A, D>) -> Self {
            self.1.add_array(key, &array).unwrap();
            self
        }

        fn load(self, options: &Options) -> Result<ImageSet> {
            self.1.finish().unwrap();
            load(self.0.path().join("a.npz").to_str().unwrap(), options)
        }

        fn refusal(self) -> String {
            self.load(&Options::default()).expect_err("must be refused").to_string()
        }
    }

    fn stored(bytes: &[u8], key: &str) -> Result<Npy> {
        let mut input = Input::of_bytes(bytes, Path::new("layouts.npz"));
        let archive = crate::disk::zip::Archive::read(&mut input)?;
        npy::read(&archive, &mut input, key)
    }

    fn counted(shape: &[usize]) -> ArrayD<u8> {
        let len: usize = shape.iter().product();
        ArrayD::from_shape_vec(shape, (0..len).map(|i| i as u8).collect()).unwrap()
    }

    fn labels(list: &[i64]) -> Array1<i64> {
        list.to_vec().into()
    }

    #[test]
    fn every_order_of_axes() {
        let load = |shape: &[usize]| {
            let set =
                Archive::new().with("X", counted(shape)).with("y", labels(&[1, 0])).load(&Options::default());
            set.unwrap().images.mapv(|v| (v * 255.0).round() as usize)
        };
        let x = load(&[2, 4, 5]);
        assert_eq!((x.dim(), x[[1, 0, 2, 3]]), ((2, 1, 4, 5), 33));
        let x = load(&[2, 3, 4, 5]);
        assert_eq!((x.dim(), x[[1, 2, 3, 4]]), ((2, 3, 4, 5), 119));
        let x = load(&[2, 4, 5, 3]);
        assert_eq!((x.dim(), x[[1, 2, 0, 1]]), ((2, 3, 4, 5), 60 + 3 + 2));
        // The second axis is a number of channels: it is taken for them.
        assert_eq!(load(&[2, 3, 5, 3]).dim(), (2, 3, 5, 3));
        assert_eq!(load(&[2, 2, 4, 5]).dim(), (2, 2, 4, 5));
        assert_eq!(load(&[2, 4, 5, 1]).dim(), (2, 1, 4, 5));
    }

    #[test]
    fn layouts_that_numpy_writes_hold_the_same_numbers() {
        for key in ["c", "f", "big", "u16", "u8"] {
            let array = stored(LAYOUTS, key).unwrap();
            assert_eq!(array.shape, [2, 3, 2, 4]);
            let strides = array.strides();
            for (k, index) in ndarray::indices([2, 3, 2, 4]).into_iter().enumerate() {
                let at =
                    index.0 * strides[0] + index.1 * strides[1] + index.2 * strides[2] + index.3 * strides[3];
                assert_eq!(array.number(at), k as f64, "{key}");
            }
        }
        assert_eq!(stored(LAYOUTS, "f").unwrap().strides(), [1, 2, 6, 12]);
        let y = stored(LAYOUTS, "y").unwrap();
        assert_eq!((y.integer(0), y.integer(1)), (0, 1));
        let text = stored(LAYOUTS, "objects").unwrap_err().to_string();
        assert!(text.contains("no objects"), "{text}");
    }

    #[test]
    fn types_and_scales() {
        let shape = (2, 2, 3);
        let first = |archive: Archive| {
            let set = archive.with("labels", labels(&[0, 1])).load(&Options::default()).unwrap();
            set.images[[1, 0, 1, 2]]
        };
        assert_eq!(first(Archive::new().with("images", Array3::<u8>::from_elem(shape, 51))), 0.2);
        assert_eq!(first(Archive::new().with("images", Array3::<u16>::from_elem(shape, 65535))), 1.0);
        assert_eq!(first(Archive::new().with("images", Array3::<f32>::from_elem(shape, -2.5))), -2.5);
        assert_eq!(first(Archive::new().with("images", Array3::<f64>::from_elem(shape.f(), 7.0))), 7.0);
        // Bytes in wider types are bytes, and other numbers in them are none.
        assert_eq!(first(Archive::new().with("data", Array3::<i64>::from_elem(shape, 51))), 0.2);
        assert_eq!(first(Archive::new().with("images", Array3::<i8>::from_elem(shape, 51))), 0.2);
        assert_eq!(first(Archive::new().with("images", Array3::<bool>::from_elem(shape, true))), 1.0);
        for wide in [-1i32, 256] {
            let wrong = Archive::new().with("X", Array3::from_elem(shape, wide)).with("y", labels(&[0, 1]));
            let text = wrong.refusal();
            assert!(text.contains("i4") && text.contains("--divide-by"), "{text}");
        }
        let half = stored(LAYOUTS, "half").unwrap();
        assert_eq!((half.dtype.to_string().as_str(), half.number(47)), ("f2", 47.0));
    }

    #[test]
    fn rows_of_pixels_are_squares() {
        let load = |length: usize| {
            let x = counted(&[2, length]);
            Archive::new().with("data", x).with("target", labels(&[0, 1])).load(&Options::default())
        };
        let set = load(16).unwrap();
        assert_eq!((set.shape(), set.images[[1, 0, 2, 1]]), ([1, 4, 4], 25.0 / 255.0));
        assert!(
            set.source.told.notes[0].contains("rows of 16 numbers")
                && set.source.told.notes[0].contains("4×4")
        );
        let by_pixel = Options { layout: Some(AxisOrder::Nhwc), ..Options::default() };
        let x = || Archive::new().with("data", counted(&[2, 27])).with("target", labels(&[0, 1]));
        let set = x().load(&by_pixel).unwrap();
        assert_eq!((set.shape(), set.images[[0, 2, 1, 1]]), ([3, 3, 3], 14.0 / 255.0));
        assert!(set.source.told.notes[0].contains("pixel by pixel"));
        // One channel is one in either order.
        let grey = Archive::new().with("data", counted(&[2, 16])).with("target", labels(&[0, 1]));
        assert_eq!(grey.load(&by_pixel).unwrap().shape(), [1, 4, 4]);
        let set = load(27).unwrap();
        assert_eq!((set.shape(), set.images[[0, 2, 1, 1]]), ([3, 3, 3], 22.0 / 255.0));
        assert!(set.source.told.notes[0].contains("three channels"));
        for length in [15, 6, 2] {
            assert!(load(length).unwrap_err().to_string().contains("(N, H, W)"), "{length}");
        }
    }

    #[test]
    fn targets_of_any_type_are_classes_where_they_can_be() {
        fn of<A: WritableElement, D: ndarray::Dimension>(y: Array<A, D>) -> Result<Targets> {
            let archive = Archive::new().with("arr_0", counted(&[3, 2, 2])).with("arr_1", y);
            archive.load(&Options::default()).map(|set| set.targets)
        }
        let classes = |targets: Targets| match targets {
            Targets::Classes { labels, names } => (labels, names.join(" ")),
            Targets::Real(_) => panic!("classes"),
        };
        assert_eq!(classes(of(ndarray::arr1(&[true, false, true])).unwrap()), (vec![1, 0, 1], "0 1".into()));
        assert_eq!(classes(of(ndarray::arr1(&[1f32, 3.0, 1.0])).unwrap()), (vec![0, 1, 0], "1 3".into()));
        let text = of(ndarray::arr1(&[1f64, 2.5, 0.0])).unwrap_err().to_string();
        assert!(text.contains("index 1") && text.contains("2.5"), "{text}");
        // One-hot, in integers.
        let one_hot = of(ndarray::arr2(&[[0u8, 1, 0], [0, 0, 1], [0, 1, 0]])).unwrap();
        assert_eq!(classes(one_hot), (vec![0, 1, 0], "1 2".into()));
        // Several labels for an image.
        let Targets::Real(y) = of(ndarray::arr2(&[[1i64, 1], [0, 0], [0, 1]])).unwrap() else {
            panic!("real")
        };
        assert_eq!((y[[0, 1]], y[[1, 1]]), (1.0, 0.0));
        assert!(of(ndarray::arr2(&[[1i64, 2], [0, 1], [0, 1]])).is_err());
    }

    #[test]
    fn parts_are_found_under_names_that_mean_the_same() {
        let archive = || {
            Archive::new()
                .with("train_images", counted(&[2, 2, 2]))
                .with("train_labels", labels(&[0, 1]))
                .with("val_images", counted(&[3, 2, 2]))
                .with("val_labels", labels(&[0, 1, 1]))
        };
        for split in ["val", "validation", "valid"] {
            let set = archive().load(&Options { split: split.into(), ..Options::default() }).unwrap();
            assert_eq!((set.len(), set.source.split.as_deref()), (3, Some(split)));
        }
        assert!(archive().load(&Options { split: "test".into(), ..Options::default() }).is_err());
    }

    #[test]
    fn pixels_beyond_those_of_files_are_said_and_divided_where_asked() {
        let load = |value: f32, options: &Options| {
            let x = Array3::from_elem((2, 2, 3), value);
            Archive::new().with("X", x).with("y", labels(&[0, 1])).load(options).unwrap()
        };
        for (value, said) in
            [(0.5, None), (1.0, None), (200.0, Some("--divide-by 255")), (-1.5, Some("--divide-by S"))]
        {
            let notes = load(value, &Options::default()).source.told.notes;
            assert_eq!(notes.len(), usize::from(said.is_some()), "{notes:?}");
            assert!(
                said.is_none_or(|said| notes[0].contains(said) && notes[0].contains("0 to 1")),
                "{notes:?}"
            );
        }
        let divided = load(51.0, &Options { divide_by: Some(255.0), ..Options::default() });
        assert_eq!((divided.images[[0, 0, 1, 1]], divided.source.told.notes.len()), (0.2, 0));
        // Whole numbers have a divisor of their own, unless another is said.
        let bytes = |options: &Options| {
            let x = Array3::<u8>::from_elem((2, 2, 3), 10);
            Archive::new().with("X", x).with("y", labels(&[0, 1])).load(options).unwrap().images[[0, 0, 0, 0]]
        };
        assert_eq!(bytes(&Options::default()), 10.0 / 255.0);
        assert_eq!(bytes(&Options { divide_by: Some(10.0), ..Options::default() }), 1.0);
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let x = Archive::new().with("X", counted(&[2, 2, 2])).with("y", labels(&[0, 1]));
            let text =
                x.load(&Options { divide_by: Some(wrong), ..Options::default() }).unwrap_err().to_string();
            assert!(text.starts_with("--divide-by"), "{text}");
        }
    }

    #[test]
    fn volumes_are_refused_and_alpha_is_left_out() {
        let of = |shape: &[usize], layout: Option<AxisOrder>| {
            let archive = Archive::new().with("X", counted(shape)).with("y", labels(&[1, 0]));
            archive.load(&Options { layout, ..Options::default() })
        };
        let text = of(&[2, 6, 7, 8], None).unwrap_err().to_string();
        assert!(text.contains("--layout") && text.contains("[2, 6, 7, 8]"), "{text}");
        assert_eq!(of(&[2, 6, 7, 8], Some(AxisOrder::Nchw)).unwrap().shape(), [6, 7, 8]);
        assert_eq!(of(&[2, 6, 7, 8], Some(AxisOrder::Nhwc)).unwrap().shape(), [8, 6, 7]);
        let both = of(&[2, 3, 5, 3], None).unwrap();
        assert!(
            both.source.told.notes[0].contains("[2, 3, 5, 3] is read as images, channels, rows, columns")
        );
        let rgba = of(&[2, 5, 6, 4], None).unwrap();
        assert_eq!((rgba.shape(), rgba.images[[0, 2, 0, 1]]), ([3, 5, 6], 6.0 / 255.0));
        assert!(rgba.source.told.notes[0].contains("alpha"), "{:?}", rgba.source.told.notes);
    }

    #[test]
    fn labels_counted_from_one_make_no_empty_class() {
        let archive = || Archive::new().with("X", counted(&[4, 2, 2])).with("y", labels(&[1, 2, 4, 1]));
        let set = archive().load(&Options::default()).unwrap();
        let Targets::Classes { labels: found, names } = &set.targets else { panic!("classes") };
        assert_eq!((found.as_slice(), names.join(" ")), (&[0, 1, 2, 0][..], "1 2 4".to_owned()));
        assert!(
            set.source.told.notes[0].starts_with("2 of 5 classes without samples: 0, 3"),
            "{:?}",
            set.source.told.notes
        );
        // A limit leaves classes without samples, too: they are classes of the set.
        let set = archive().load(&Options { limit: Some(2), ..Options::default() }).unwrap();
        assert_eq!((set.len(), set.targets.outputs()), (2, 3));
        // Chosen by name as they are stored.
        let pick = Options { classes: vec!["4".into(), "1".into()], ..Options::default() };
        let set = archive().load(&pick).unwrap();
        let Targets::Classes { labels: found, names } = &set.targets else { panic!("classes") };
        assert_eq!((found.as_slice(), names.join(" ")), (&[1, 0, 1][..], "4 1".to_owned()));
    }

    #[test]
    fn labels_of_another_part_are_refused_and_no_image_makes_no_names() {
        let archive = || {
            Archive::new()
                .with("x_train", counted(&[2, 2, 2]))
                .with("y_train", labels(&[0, 1]))
                .with("fine_train", labels(&[1, 0]))
                .with("x_test", counted(&[2, 2, 2]))
                .with("y_test", labels(&[0, 1]))
        };
        let of = |split: &str| {
            let options =
                Options { split: split.into(), labels_at: Some("fine_train".into()), ..Options::default() };
            archive().load(&options)
        };
        assert_eq!(of("train").unwrap().len(), 2);
        let text = of("test").unwrap_err().to_string();
        assert!(text.contains("labels of the split 'test'") && text.contains("fine_train"), "{text}");
        // A header may speak of any number of outputs where there is no image.
        let none =
            Archive::new().with("X", counted(&[0, 2, 2])).with("y", Array::<u8, _>::zeros((0, 1 << 40)));
        assert!(none.refusal().contains("expected images"));
        let wide =
            Archive::new().with("X", counted(&[1, 2, 2])).with("y", Array::<u8, _>::zeros((1, 70_000)));
        assert!(wide.refusal().contains("one-hot"));
    }

    #[test]
    fn another_array_of_labels_is_said_by_name() {
        let archive = || {
            Archive::new()
                .with("X", counted(&[2, 2, 2]))
                .with("y", labels(&[0, 1]))
                .with("kind", labels(&[1, 0]))
        };
        let load =
            |name: &str| archive().load(&Options { labels_at: Some(name.into()), ..Options::default() });
        let Targets::Classes { labels: found, .. } = load("kind").unwrap().targets else { panic!("classes") };
        assert_eq!(found, [1, 0]);
        let text = load("kid").unwrap_err().to_string();
        assert!(text.contains("an array kid (--labels)") && text.contains("X, y, kind"), "{text}");
    }

    #[test]
    fn splits_and_targets() {
        let archive = || {
            Archive::new()
                .with("x_train", counted(&[2, 2, 2]))
                .with("y_train", labels(&[0, 1]))
                .with("test_images", counted(&[3, 2, 2]))
                .with("test_labels", ndarray::arr2(&[[1u8], [0], [2]]))
        };
        assert_eq!(archive().load(&Options::default()).unwrap().len(), 2);
        let test = archive().load(&Options { split: "test".into(), ..Options::default() }).unwrap();
        let Targets::Classes { labels: found, names } = &test.targets else { panic!("classes") };
        assert_eq!((found.as_slice(), names.len()), (&[1, 0, 2][..], 3));
        let text =
            archive().load(&Options { split: "val".into(), ..Options::default() }).unwrap_err().to_string();
        assert!(text.contains("x_val") && text.contains("y_train"), "{text}");
        assert_eq!(test.source.split.as_deref(), Some("test"));

        // Where no labels are wanted there need not be any.
        let bare = Options { labels: false, ..Options::default() };
        let set = Archive::new().with("X", counted(&[2, 2, 2])).load(&bare).unwrap();
        assert_eq!((set.len(), set.targets.outputs(), set.source.split), (2, 0, None));
        assert!(Archive::new().with("X", counted(&[2, 2, 2])).refusal().contains("X and y"));

        let y = ndarray::arr2(&[[0.5f64, -1.0, 2.0], [3.0, 4.0, 5.0]]);
        let real = |options: &Options| {
            Archive::new().with("X", counted(&[2, 2, 2])).with("y", y.clone()).load(options)
        };
        let set = real(&Options::default()).unwrap();
        let Targets::Real(found) = &set.targets else { panic!("real targets") };
        assert_eq!(found[[1, 0]], 3.0);
        assert_eq!(real(&Options { limit: Some(1), ..Options::default() }).unwrap().len(), 1);
        assert!(real(&Options { classes: vec!["0".into()], ..Options::default() }).is_err());
    }

    #[test]
    fn selection_grey_and_size_are_applied() {
        let options = Options {
            classes: vec!["2".into(), "0".into()],
            grey: true,
            size: Some((2, 1)),
            ..Options::default()
        };
        let x = Array4::from_shape_fn((4, 3, 4, 2), |(n, c, ..)| (n * 10 + c) as f32);
        let set = Archive::new().with("X", x).with("y", labels(&[2, 1, 0, 2])).load(&options).unwrap();
        assert_eq!(set.images.dim(), (3, 1, 2, 1));
        for (n, value) in [(0, 1.0), (1, 21.0), (2, 31.0)] {
            approx::assert_abs_diff_eq!(set.images[[n, 0, 1, 0]], value, epsilon = 1e-5);
        }
    }

    #[test]
    fn damage_is_named() {
        let x = || Archive::new().with("X", counted(&[2, 2, 2]));
        assert!(x().refusal().contains("found X"));
        assert!(x().with("y", labels(&[0, 1, 0])).refusal().contains("2 targets"));
        let text = x().with("y", labels(&[0, -2])).refusal();
        assert!(text.contains("y: index 1") && text.contains("found -2"), "{text}");
        assert!(x().with("y", labels(&[0, 1 << 40])).refusal().contains("index 1"));
        assert!(x().with("y", labels(&[0, 0])).refusal().contains("at least 2 classes"));
        assert!(x().with("y", ndarray::arr1(&[0.0f32, 1.5])).refusal().contains("a class index"));
        assert!(x().with("y", ndarray::arr2(&[[0.0f32], [f32::NAN]])).refusal().contains("(1, 0)"));
        assert!(
            Archive::new()
                .with("X", counted(&[2, 5]))
                .with("y", labels(&[0, 1]))
                .refusal()
                .contains("(N, H, W)")
        );
        assert!(
            Archive::new()
                .with("X", counted(&[2, 0, 2]))
                .with("y", labels(&[0, 1]))
                .refusal()
                .contains("sides")
        );
        let mut bad = Array3::<f64>::zeros((2, 2, 2));
        bad[[1, 0, 1]] = 1e300;
        let text = Archive::new().with("X", bad).with("y", labels(&[0, 1])).refusal();
        assert!(text.contains("image 1 (channel 0, row 0, column 1)"), "{text}");

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.npz");
        std::fs::write(&path, &LAYOUTS[..LAYOUTS.len() - 30]).unwrap();
        assert!(load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string().contains("zip"));
        std::fs::write(&path, &LAYOUTS[1..]).unwrap();
        let text = load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string();
        assert!(text.ends_with("a .npz file (a zip archive), found other bytes"), "{text}");
        assert!(load("/absent.npz", &Options::default()).unwrap_err().to_string().contains("cannot open"));
    }

    proptest! {
        #[test]
        fn arrays_agree_with_ndarray_npy(
            shape in prop::collection::vec(1usize..4, 1..5),
            fortran: bool,
            seed in prop::collection::vec(-1e30f64..1e30, 81),
        ) {
            let len: usize = shape.iter().product();
            let dim = IxDyn(&shape).set_f(fortran);
            let array = ArrayD::from_shape_vec(dim, seed[..len].to_vec()).unwrap();
            let mut bytes = Cursor::new(Vec::new());
            let mut writer = NpzWriter::new(&mut bytes);
            writer.add_array("a", &array).unwrap();
            writer.finish().unwrap();
            let peer: ArrayD<f64> = NpzReader::new(&mut bytes).unwrap().by_name("a").unwrap();
            let ours = stored(bytes.get_ref(), "a").unwrap();
            let strides = ours.strides();
            for (index, &value) in peer.indexed_iter() {
                let at: usize = strides.iter().enumerate().map(|(axis, stride)| index[axis] * stride).sum();
                prop_assert_eq!(ours.number(at), value);
            }
        }

        #[test]
        fn random_and_damaged_files_never_panic(
            random in prop::collection::vec(any::<u8>(), 0..200),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        ) {
            let mut bytes = LAYOUTS.to_vec();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for bytes in [&random, &bytes] {
                for key in ["c", "f", "big", "u16", "u8", "objects", "y"] {
                    if let Ok(array) = stored(bytes, key) {
                        prop_assert_eq!(array.data.len(), array.shape.iter().product::<usize>() * array.dtype.size);
                        let _ = targets(&array);
                    }
                }
            }
            let _ = npy::parse(&random[..], "fuzz");
        }
    }

    #[test]
    fn the_file_is_read_through_load_too() {
        // `layouts.npz` has no images: its arrays are listed.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/testdata/layouts.npz");
        let text = load(path.to_str().unwrap(), &Options::default()).unwrap_err().to_string();
        assert!(text.contains("c, f, big"), "{text}");
    }
}
