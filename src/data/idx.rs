//! `idx:IMAGES`: the MNIST family (MNIST, Fashion-, K-, Q-, EMNIST), gzipped or
//! not.
//!
//! IDX: two zero bytes, the type (8 for unsigned bytes, 12 for integers of four, big-endian), the number of
//! dimensions, then each of them as a big-endian u32, then the values in row
//! order. Images are `[N, H, W]`, `[N, C, H, W]` or `[N, H, W, C]` ([`super::axes`]), of bytes; labels `[N]`, or
//! `[N, …]` of integers, the first of each row being the class (QMNIST). Pixels are
//! taken as stored (EMNIST stores its letters transposed).

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::decode::{check_sides, from_bytes};
use super::select::{label, numbered};
use super::{Options, axes, spec, split};
use crate::disk::extent::DEFLATE_RATIO;
use crate::error::{Error, Result, listed};
use crate::field::ImageSet;

struct Idx {
    shape: Vec<usize>,
    // Bytes of an item
    size: usize,
    data: Vec<u8>,
}

/// In the registry of sources.
pub const KIND: spec::Kind =
    spec::Kind::read("idx", "IMAGES", load).taking(&[spec::Takes::LabelFile, spec::Takes::Layout]);

/// Reads the images in the file `arg` and the labels in the file beside it:
/// `train-images-idx3-ubyte.gz` goes with `train-labels-idx1-ubyte`, `.gz` or
/// not, and with a dot or a dash before `idx1`; `options.labels_at` names another. The split is in the file's
/// name, so `options.split` has no say here, but where `arg` is a folder: it chooses among the files of images in
/// it ("t10k" is a name of "test"). Classes are named "0", "1", …
///
/// # Errors
/// No labels beside the images (naming what was tried), another kind of file,
/// more or fewer bytes than the header says, unequal numbers of images and
/// labels.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let in_folder = Path::new(arg).is_dir();
    let path = &if in_folder { images_in(Path::new(arg), &options.split)? } else { PathBuf::from(arg) };
    if in_folder && options.labels_at.is_some() {
        let expected = "a file of images beside --labels: each of a folder has its own labels";
        return Err(Error::input(arg, expected, "the folder"));
    }
    let images = read(path, IMAGES)?;
    let labels = if options.reads_labels() {
        let beside =
            options.labels_at.as_ref().map_or_else(|| labels_beside(path), |file| Ok(file.into()))?;
        Some((classes(&read(&beside, LABELS)?, &beside)?, beside))
    } else {
        None
    };
    let axes = axes::of(&path.display().to_string(), &images.shape, true, options.layout)?;
    let labels: Vec<u32> = match labels {
        Some((labels, path)) if labels.len() != images.shape[0] => {
            let expected = format!("{} labels, one for each image", images.shape[0]);
            return Err(Error::input(path.display(), expected, labels.len()));
        }
        Some((labels, _)) => labels,
        // Of images without pixels a file can hold any number.
        None => {
            check_sides([axes.channels, images.shape[axes.places.1], images.shape[axes.places.2]])?;
            vec![0; images.shape[0]]
        }
    };
    let size: usize = images.shape[1..].iter().product();
    let description = format!("idx, {}", path.file_name().unwrap_or_default().to_string_lossy());
    let (channels, rows, columns) = axes.places;
    let shape = [axes.channels, images.shape[rows], images.shape[columns]];
    let planar = if channels == Some(3) { planar(&images, shape, size) } else { images.data };
    let size = if channels == Some(3) { shape.iter().product() } else { size };
    let record = |i: usize| &planar[i * size..][..shape.iter().product()];
    let mut set = from_bytes(&labels, &numbered(&labels), shape, record, description, options)?;
    set.source.told.notes.extend(axes.notes);
    set.source.split = in_folder.then(|| options.split.clone());
    Ok(set)
}

// Types of items and numbers of dimensions.
type Kinds = &'static [(u8, u8)];
const IMAGES: Kinds = &[(BYTES, 3), (BYTES, 4)];
const LABELS: Kinds = &[(BYTES, 1), (INTEGERS, 1), (INTEGERS, 2)];
const BYTES: u8 = 0x08;
const INTEGERS: u8 = 0x0c;

// The first number of each row.
fn classes(labels: &Idx, place: &Path) -> Result<Vec<u32>> {
    let Idx { shape, size, data } = labels;
    let row = size * shape[1..].iter().product::<usize>();
    let number = |row: &[u8]| match *size {
        4 => i64::from(i32::from_be_bytes([row[0], row[1], row[2], row[3]])),
        _ => i64::from(row[0]),
    };
    let checked = data.chunks_exact(row.max(1)).enumerate().map(|(at, row)| {
        let (value, place) = (number(row), || format!("{}: label {at}", place.display()));
        label(value, None).map_err(|expected| Error::input(place(), expected, value))
    });
    checked.collect()
}

/// Whether there are files of images in the folder `dir`.
pub(super) fn is_there(dir: &Path) -> bool {
    files_of_images(dir).is_ok_and(|files| !files.is_empty())
}

fn files_of_images(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let name = entry.map_err(Error::io(dir, "read"))?.file_name().to_string_lossy().into_owned();
        if name.contains("images")
            && (name.contains("idx3") || name.contains("idx4"))
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

// The file of images of the split `wanted`; one that is packed and unpacked counts once.
fn images_in(dir: &Path, wanted: &str) -> Result<PathBuf> {
    let all = files_of_images(dir)?;
    let is_of = |name: &&String| name.split(['-', '_', '.']).any(|word| split::is(word, wanted));
    let mut found: Vec<&String> = all.iter().filter(is_of).collect();
    found.dedup_by(|second, first| second.strip_suffix(".gz") == Some(first.as_str()));
    match found.as_slice() {
        [only] => Ok(dir.join(only)),
        _ => {
            let expected =
                format!("one file of images of the split '{wanted}', such as {wanted}-images-idx3-ubyte");
            let found = if found.is_empty() { listed(&all) } else { listed(&found) };
            let found = if found.is_empty() { "none".to_owned() } else { found };
            Err(Error::input(dir.display(), expected, found))
        }
    }
}

// The first channels of images whose channels come last, planar.
fn planar(images: &Idx, [channels, rows, columns]: [usize; 3], size: usize) -> Vec<u8> {
    let stride = images.shape[3];
    let image = |image: &[u8]| -> Vec<u8> {
        (0..channels).flat_map(|c| image.iter().skip(c).step_by(stride)).copied().collect()
    };
    let planar: Vec<u8> = images.data.chunks_exact(size.max(1)).flat_map(image).collect();
    debug_assert_eq!(planar.len(), images.shape[0] * channels * rows * columns);
    planar
}

fn labels_beside(images: &Path) -> Result<PathBuf> {
    let name = images.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".gz").unwrap_or(&name);
    let Some(at) = stem.rfind("images") else {
        let expected = "a file name with 'images', to find the labels beside it";
        return Err(Error::input(images.display(), expected, name));
    };
    let labels = format!("{}labels{}", &stem[..at], &stem[at + "images".len()..]);
    let labels = labels.replace("idx3", "idx1").replace("idx4", "idx1");
    let mut tried = Vec::new();
    let integers = labels.replace("idx1-ubyte", "idx2-int");
    for stem in [labels.clone(), labels.replace(".idx1", "-idx1"), labels.replace("-idx1", ".idx1"), integers]
    {
        for end in ["", ".gz"] {
            let candidate = stem.clone() + end;
            let path = images.with_file_name(&candidate);
            if path.is_file() {
                return Ok(path);
            }
            if !tried.contains(&candidate) {
                tried.push(candidate);
            }
        }
    }
    Err(Error::input(images.display(), format!("labels beside it: {}", tried.join(" or ")), "none of them"))
}

fn read(path: &Path, kinds: Kinds) -> Result<Idx> {
    // A device or a pipe may never end.
    if path.exists() && !path.is_file() {
        return Err(Error::input(path.display(), "a regular file", "something else"));
    }
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    parse(&bytes, &path.display().to_string(), kinds)
}

fn parse(bytes: &[u8], place: &str, kinds: Kinds) -> Result<Idx> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let most = (bytes.len() as u64).saturating_mul(DEFLATE_RATIO);
        parse_stream(MultiGzDecoder::new(bytes), most, place, kinds)
    } else {
        parse_stream(bytes, bytes.len() as u64, place, kinds)
    }
}

// `most`: no stream over this file can be longer.
fn parse_stream(mut stream: impl Read, most: u64, place: &str, kinds: Kinds) -> Result<Idx> {
    let broken = |what: &str| {
        let expected = what.to_owned();
        move |e: std::io::Error| Error::input(place, expected, e)
    };
    let mut magic = [0u8; 4];
    stream.read_exact(&mut magic).map_err(broken("an IDX header"))?;
    let count = usize::from(magic[3]);
    if magic[..2] != [0, 0] || !kinds.contains(&(magic[2], magic[3])) {
        let wanted: Vec<String> = kinds.iter().map(|(kind, d)| format!("00 00 {kind:02x} {d:02x}")).collect();
        let expected = format!("the IDX magic {} (08: unsigned bytes)", wanted.join(" or "));
        let found: Vec<String> = magic.iter().map(|b| format!("{b:02x}")).collect();
        return Err(Error::input(place, expected, found.join(" ")));
    }
    let mut shape = Vec::with_capacity(count);
    for _ in 0..count {
        let mut side = [0u8; 4];
        stream.read_exact(&mut side).map_err(broken("an IDX header"))?;
        shape.push(u32::from_be_bytes(side) as usize);
    }
    let item = if magic[2] == INTEGERS { 4 } else { 1 };
    let size = shape.iter().try_fold(item as u64, |all, &side| all.checked_mul(side as u64));
    let size = size.filter(|&size| size <= most).ok_or_else(|| {
        Error::input(place, format!("{shape:?} bytes, as the header says"), format!("at most {most}"))
    })?;
    // One byte more than announced is enough to know that there are too many.
    let mut data = Vec::new();
    let expected = format!("{size} bytes for shape {shape:?}");
    stream.take(size + 1).read_to_end(&mut data).map_err(broken(&expected))?;
    if data.len() as u64 != size {
        let found = if data.len() as u64 > size { "more".to_owned() } else { data.len().to_string() };
        return Err(Error::input(place, expected, found));
    }
    Ok(Idx { shape, size: item, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Write;

    fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 8, shape.len() as u8];
        shape.iter().for_each(|side| out.extend(side.to_be_bytes()));
        out.extend(data);
        out
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    // Three pictures, 2 high and 3 wide: 0, 1, 2, … throughout.
    fn images() -> Vec<u8> {
        idx(&[3, 2, 3], &(0..18).collect::<Vec<u8>>())
    }

    fn write(dir: &Path, images: (&str, &[u8]), labels: (&str, &[u8])) -> String {
        fs::write(dir.join(labels.0), labels.1).unwrap();
        let path = dir.join(images.0);
        fs::write(&path, images.1).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn refusal(images: &[u8], labels: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), ("t-images-idx3-ubyte", images), ("t-labels-idx1-ubyte", labels));
        load(&path, &Options::default()).expect_err("must be refused").to_string()
    }

    #[test]
    fn images_and_labels_of_every_naming() {
        let labels = idx(&[3], &[1, 0, 2]);
        for (image_name, label_name) in [
            ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
            ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
            ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
            ("t10k-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte"),
            ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let pack = |name: &str, bytes: Vec<u8>| if name.ends_with("gz") { gz(&bytes) } else { bytes };
            let path = write(
                dir.path(),
                (image_name, &pack(image_name, images())),
                (label_name, &pack(label_name, labels.clone())),
            );
            let set = load(&path, &Options::default()).unwrap();
            assert_eq!(set.images.dim(), (3, 1, 2, 3));
            for (k, &value) in set.images.iter().enumerate() {
                assert_eq!(value, k as f32 / 255.0);
            }
            let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
            assert_eq!((labels.as_slice(), names.len()), (&[1, 0, 2][..], 3));
        }
    }

    #[test]
    fn four_dimensions_are_channels_before_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..24).collect();
        let path = write(
            dir.path(),
            ("a-images-idx4-ubyte", &idx(&[2, 3, 1, 4], &data)),
            ("a-labels-idx1-ubyte", &idx(&[2], &[0, 1])),
        );
        let set = load(&path, &Options::default()).unwrap();
        assert_eq!(set.images.dim(), (2, 3, 1, 4));
        assert_eq!(set.images[[1, 2, 0, 3]], 23.0 / 255.0);
        let grey = load(&path, &Options { grey: true, ..Options::default() }).unwrap();
        assert_eq!(grey.images[[1, 0, 0, 3]], (15.0 + 19.0 + 23.0) / 765.0);
    }

    #[test]
    fn damage_is_named() {
        let labels = idx(&[3], &[1, 0, 2]);
        let whole = images();
        assert!(refusal(&whole[..whole.len() - 1], &labels).contains("t-images"));
        assert!(refusal(&[&whole[..], &[0]].concat(), &labels).contains("more"));
        assert!(refusal(&[], &labels).contains("IDX header"));
        assert!(refusal(&whole[..7], &labels).contains("IDX header"));
        assert!(refusal(&labels, &labels).contains("00 00 08 03 or 00 00 08 04"));
        let text = refusal(&whole, &idx(&[2], &[1, 0]));
        assert!(text.contains("3 labels") && text.contains("t-labels"), "{text}");
        assert!(refusal(&idx(&[0, 2, 3], &[]), &idx(&[0], &[])).contains("none"));
        let packed = gz(&whole);
        assert!(refusal(&packed[..packed.len() - 12], &labels).contains("18 bytes"));
        // Sides whose product is far beyond the file, and beyond 64 bits.
        assert!(refusal(&idx(&[1 << 20, 1 << 10, 1 << 10], &[]), &labels).contains("at most"));
        assert!(refusal(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), &labels).contains("at most"));
    }

    #[test]
    fn a_stream_that_goes_on_is_cut_off() {
        let bomb = gz(&[images(), vec![0; 50_000_000]].concat());
        assert!(bomb.len() < 60_000);
        assert!(refusal(&bomb, &idx(&[3], &[1, 0, 2])).contains("more"));
    }

    #[test]
    fn images_without_labels_need_no_file_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photos");
        std::fs::write(
            &path,
            [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[0, 255, 51, 0]].concat(),
        )
        .unwrap();
        let bare = Options { labels: false, ..Options::default() };
        let set = load(path.to_str().unwrap(), &bare).unwrap();
        assert_eq!((set.images.dim(), set.images[[1, 0, 0, 0]]), ((2, 1, 1, 2), 0.2));
        assert!(load(path.to_str().unwrap(), &Options { limit_per_class: Some(1), ..bare }).is_err());
    }

    #[test]
    fn missing_labels_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |name: &str| {
            let path = dir.path().join(name);
            fs::write(&path, images()).unwrap();
            load(path.to_str().unwrap(), &Options::default()).expect_err("must be refused").to_string()
        };
        let text = refuse("train-images-idx3-ubyte");
        for name in ["train-labels-idx1-ubyte or", "train-labels-idx1-ubyte.gz", "train-labels.idx1-ubyte"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(refuse("pictures").contains("'images'"));
        assert!(load("/absent/images", &Options::default()).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn a_folder_has_a_file_of_images_for_each_split() {
        let dir = tempfile::tempdir().unwrap();
        let two = |first: u8| idx(&[2, 1, 2], &[first, 0, first, 1]);
        write(dir.path(), ("train-images-idx3-ubyte", &two(1)), ("train-labels-idx1-ubyte", &labels_file()));
        write(dir.path(), ("t10k-images-idx3-ubyte", &two(2)), ("t10k-labels-idx1-ubyte", &labels_file()));
        // The same as it was downloaded.
        fs::write(dir.path().join("train-images-idx3-ubyte.gz"), gz(&two(1))).unwrap();
        let of = |split: &str| {
            load(dir.path().to_str().unwrap(), &Options { split: split.into(), ..Options::default() })
        };
        for (split, value) in [("train", 1.0), ("test", 2.0)] {
            let set = of(split).unwrap();
            assert_eq!((set.images[[0, 0, 0, 0]] * 255.0, set.source.split.as_deref()), (value, Some(split)));
        }
        let text = of("validation").unwrap_err().to_string();
        assert!(text.contains("'validation'") && text.contains("t10k-images-idx3-ubyte"), "{text}");
        write(
            dir.path(),
            ("b-train-images-idx3-ubyte", &two(1)),
            ("b-train-labels-idx1-ubyte", &labels_file()),
        );
        assert!(of("train").unwrap_err().to_string().contains("b-train-images-idx3-ubyte, train"));
    }

    #[test]
    fn labels_may_be_rows_of_integers() {
        let dir = tempfile::tempdir().unwrap();
        let rows = |first: [i32; 3]| {
            let mut out = vec![0, 0, 0x0c, 2, 0, 0, 0, 3, 0, 0, 0, 2];
            first.iter().for_each(|&class| out.extend([class.to_be_bytes(), 7i32.to_be_bytes()].concat()));
            out
        };
        let files = ("qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int");
        let path = write(dir.path(), (files.0, &images()), (files.1, &rows([1, 0, 2])));
        let Targets::Classes { labels, .. } = load(&path, &Options::default()).unwrap().targets else {
            panic!("classes")
        };
        assert_eq!(labels, [1, 0, 2]);
        write(dir.path(), (files.0, &images()), (files.1, &rows([1, -1, 2])));
        let text = load(&path, &Options::default()).unwrap_err().to_string();
        assert!(text.contains("label 1") && text.ends_with("found -1"), "{text}");
    }

    #[test]
    fn channels_are_found_and_labels_may_be_anywhere() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..2 * 5 * 6 * 4).map(|i| i as u8).collect();
        let labels = idx(&[2], &[1, 0]);
        let path =
            write(dir.path(), ("my-images-idx4-ubyte", &idx(&[2, 5, 6, 4], &data)), ("kinds", &labels));
        assert!(load(&path, &Options::default()).unwrap_err().to_string().contains("labels beside it"));
        let at = dir.path().join("kinds").display().to_string();
        let options = Options { labels_at: Some(at), ..Options::default() };
        let set = load(&path, &options).unwrap();
        assert_eq!(set.images.dim(), (2, 3, 5, 6));
        // Row 4, column 1, channel 2 of the second image.
        assert_eq!(set.images[[1, 2, 4, 1]], f32::from(data[(5 + 4) * 24 + 4 + 2]) / 255.0);
        assert!(set.source.told.notes[0].contains("alpha"));
        let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
        assert_eq!(labels, &[1, 0]);

        let volume =
            write(dir.path(), ("v-images-idx4-ubyte", &idx(&[2, 5, 6, 7], &[0; 420])), ("l", &labels_file()));
        assert!(load(&volume, &options).unwrap_err().to_string().contains("--layout"));
    }

    fn labels_file() -> Vec<u8> {
        idx(&[2], &[0, 1])
    }

    proptest! {
        #[test]
        fn random_and_damaged_files_never_panic(
            random in prop::collection::vec(any::<u8>(), 0..100),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            zip: bool,
        ) {
            let mut bytes = if zip { gz(&images()) } else { images() };
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            for bytes in [&random, &bytes] {
                for kinds in [IMAGES, LABELS] {
                    if let Ok(idx) = parse(bytes, "fuzz", kinds) {
                        prop_assert_eq!(idx.data.len(), idx.size * idx.shape.iter().product::<usize>());
                        let _ = classes(&idx, Path::new("fuzz"));
                    }
                }
            }
        }
    }
}
