//! `cifar:PATH`: CIFAR-10 and CIFAR-100 as published, in the binary and in the
//! Python version, unpacked or as the archive that is downloaded.
//!
//! Files of CIFAR-10: `data_batch_1.bin` … `data_batch_5.bin`,
//! `test_batch.bin`, `batches.meta.txt`, records of 1 label and 3072 pixels;
//! or the pickles `data_batch_1` …, `test_batch`, `batches.meta`. Of CIFAR-100:
//! `train.bin`, `test.bin`, `fine_label_names.txt`, records of a coarse and a
//! fine label and 3072 pixels; or the pickles `train`, `test`, `meta`. The fine
//! labels are the ones used. Pixels are `[3, 32, 32]`, planar.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::decode::from_bytes;
use super::select::{label, numbered};
use super::{Options, spec, split};
use crate::disk::extent::DEFLATE_RATIO;
use crate::error::{Error, Result, brief, listed};
use crate::field::ImageSet;
use crate::pickle::numpy::Pickle;

const PIXELS: usize = 3 * 32 * 32;
// The largest file, the training part of CIFAR-100, has 155 MB.
const MAX_FILE: u64 = 1 << 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    TenBinary,
    TenPython,
    HundredBinary,
    HundredPython,
}

impl Version {
    const ALL: [Self; 4] = [Self::TenBinary, Self::TenPython, Self::HundredBinary, Self::HundredPython];

    fn folder(self) -> &'static str {
        match self {
            Self::TenBinary => "cifar-10-batches-bin",
            Self::TenPython => "cifar-10-batches-py",
            Self::HundredBinary => "cifar-100-binary",
            Self::HundredPython => "cifar-100-python",
        }
    }

    fn classes(self) -> usize {
        if self.hundred() { 100 } else { 10 }
    }

    fn hundred(self) -> bool {
        matches!(self, Self::HundredBinary | Self::HundredPython)
    }

    fn binary(self) -> bool {
        matches!(self, Self::TenBinary | Self::HundredBinary)
    }

    // Files of a split, "train" or "test".
    fn files(self, test: bool) -> Vec<String> {
        let names: Vec<String> = match (self.hundred(), test) {
            (true, true) => vec!["test".to_owned()],
            (true, false) => vec!["train".to_owned()],
            (false, true) => vec!["test_batch".to_owned()],
            (false, false) => (1..=5).map(|i| format!("data_batch_{i}")).collect(),
        };
        let end = if self.binary() { ".bin" } else { "" };
        names.into_iter().map(|name| name + end).collect()
    }

    fn names_file(self) -> &'static str {
        match self {
            Self::TenBinary => "batches.meta.txt",
            Self::TenPython => "batches.meta",
            Self::HundredBinary => "fine_label_names.txt",
            Self::HundredPython => "meta",
        }
    }
}

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("cifar", "PATH", load);

/// Reads one split ("train" or "test") of the set in the directory `arg`, or
/// in the folder in it that the published archive unpacks to, or in that archive (`.tar.gz` or `.tar`). Names of the
/// classes are "0", "1", … where the file with the names is missing.
///
/// # Errors
/// A directory with no version or several of them, a missing file, a file that
/// is no whole number of records, a label out of range: with file and record.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let test = match split::part(&options.split) {
        Some("train") => false,
        Some("test") => true,
        _ => return Err(Error::input("--split", "train or test (CIFAR has no others)", &options.split)),
    };
    let (files, version) = find(Path::new(arg))?;
    let mut labels = Vec::new();
    let contents = version.files(test).into_iter().map(|name| {
        let place = files.place(&name);
        let bytes = files.read(&name)?;
        Ok((place.clone(), bytes.ok_or_else(|| Error::input(place, "this file of the set", "none"))?))
    });
    let contents = contents.collect::<Result<Vec<(String, Cow<'_, [u8]>)>>>()?;
    let batches = contents
        .iter()
        .map(|(place, bytes)| {
            if version.binary() {
                binary(bytes, version, place, &mut labels)
            } else {
                python(bytes, version, place, &mut labels)
            }
        })
        .collect::<Result<Vec<Batch<'_>>>>()?;
    let names = class_names(&files, version)?.unwrap_or_else(|| numbered(&[version.classes() as u32 - 1]));

    let records: Vec<&[u8]> = batches.iter().flat_map(Batch::records).collect();
    let description = format!("cifar, {}, {} files", version.folder(), contents.len());
    let mut set = from_bytes(&labels, &names, [3, 32, 32], |i| records[i], description, options)?;
    set.source.split = Some(options.split.clone());
    Ok(set)
}

/// Whether there is a version of the set in the directory `dir`.
pub(super) fn is_there(dir: &Path) -> bool {
    let folders = Version::ALL.iter().map(|version| version.folder());
    folders.chain([""]).any(|folder| Files::Folder(dir.join(folder)).version().next().is_some())
}

/// Whether a file of this name is the set as it is downloaded.
pub(super) fn is_packed(name: &str) -> bool {
    let name = name.to_lowercase();
    let stem = [".tar.gz", ".tgz", ".tar"].iter().find_map(|end| name.strip_suffix(end));
    let published = ["cifar-10-python", "cifar-10-binary", "cifar-100-python", "cifar-100-binary"];
    stem.is_some_and(|stem| published.contains(&stem))
}

/// Whether there is such a file in the directory `dir`.
pub(super) fn is_packed_in(dir: &Path) -> bool {
    packed_in(dir).is_ok_and(|files| !files.is_empty())
}

fn packed_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut packed = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let file = entry.map_err(Error::io(dir, "read"))?.path();
        if file.is_file() && is_packed(&file.file_name().unwrap_or_default().to_string_lossy()) {
            packed.push(file);
        }
    }
    packed.sort();
    Ok(packed)
}

// The files of a set: in a directory, or out of an archive.
enum Files {
    Folder(PathBuf),
    Packed(PathBuf, HashMap<String, Vec<u8>>),
}

impl Files {
    fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(dir) => dir.join(name).display().to_string(),
            Self::Packed(archive, _) => format!("{}: {name}", archive.display()),
        }
    }

    fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(dir) => dir.join(name).is_file(),
            Self::Packed(_, files) => files.contains_key(name),
        }
    }

    // None where there is no such file.
    fn read(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Self::Folder(dir) => {
                let path = dir.join(name);
                let bytes = path.is_file().then(|| std::fs::read(&path).map_err(Error::io(&path, "read")));
                Ok(bytes.transpose()?.map(Cow::Owned))
            }
            Self::Packed(_, files) => Ok(files.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice()))),
        }
    }

    // The test part of either set is one file, with a name of its own.
    fn version(&self) -> impl Iterator<Item = Version> + '_ {
        let known = |version: &Version| [true, false].iter().any(|&test| self.has(&version.files(test)[0]));
        Version::ALL.into_iter().filter(known)
    }
}

// The files of an archive whose names are those of a set, whichever directory they are in.
fn unpack(path: &Path) -> Result<Files> {
    let wrong = |found: &dyn std::fmt::Display| {
        Error::input(path.display(), "CIFAR-10 or CIFAR-100 as published, a tar archive", found)
    };
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    let packed = file.metadata().map_err(Error::io(path, "read"))?.len();
    let mut file = BufReader::new(file);
    let gzipped = file.fill_buf().map_err(Error::io(path, "read"))?.starts_with(&[0x1f, 0x8b]);
    let stream: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let names: Vec<String> = Version::ALL
        .iter()
        .flat_map(|version| {
            [version.files(false), version.files(true), vec![version.names_file().to_owned()]]
        })
        .flatten()
        .collect();
    let mut files = HashMap::new();
    let mut archive = tar::Archive::new(stream);
    let broken = |e: std::io::Error| wrong(&brief(&e.to_string()));
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(name) = name.rsplit('/').next().filter(|name| names.iter().any(|known| known == name))
        else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let size = entry.size();
        if size > MAX_FILE.min(packed.saturating_mul(DEFLATE_RATIO)) {
            return Err(wrong(&format_args!("{name} of {size} bytes")));
        }
        // The buffer grows with what arrives.
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(wrong(&format_args!("{} of {size} bytes of {name}", bytes.len())));
        }
        if files.insert(name.to_owned(), bytes).is_some() {
            return Err(wrong(&format_args!("{name} twice")));
        }
    }
    Ok(Files::Packed(path.to_path_buf(), files))
}

fn find(path: &Path) -> Result<(Files, Version)> {
    let mut found: Vec<(Files, Version)> = Vec::new();
    if path.is_file() {
        let files = unpack(path)?;
        let versions: Vec<Version> = files.version().collect();
        let [version] = versions.as_slice() else {
            let listed: Vec<&str> = versions.iter().map(|version| version.folder()).collect();
            let listed = if listed.is_empty() { "none of its files".to_owned() } else { listed.join(", ") };
            return Err(Error::input(path.display(), "CIFAR-10 or CIFAR-100 as published", listed));
        };
        return Ok((files, *version));
    }
    if !path.is_dir() {
        let expected = "a directory with CIFAR-10 or CIFAR-100, or its archive";
        return Err(Error::input(path.display(), expected, "none"));
    }
    for version in Version::ALL {
        for candidate in [path.to_path_buf(), path.join(version.folder())] {
            let files = Files::Folder(candidate);
            if files.version().any(|there| there == version) {
                found.push((files, version));
            }
        }
    }
    if found.len() > 1 {
        let listed: Vec<String> =
            found.iter().map(|(files, v)| format!("{} ({})", files.place(""), v.folder())).collect();
        return Err(Error::input(path.display(), "one set (name its folder)", listed.join(", ")));
    }
    if let Some(found) = found.pop() {
        return Ok(found);
    }
    let packed = packed_in(path)?;
    match packed.as_slice() {
        [only] => find(only),
        _ => {
            let expected = "data_batch_1.bin, data_batch_1, train.bin or train, here or in the published folder, or its archive";
            let names: Vec<String> = packed.iter().map(|file| file.display().to_string()).collect();
            Err(Error::input(path.display(), expected, listed(&names)))
        }
    }
}

struct Batch<'a> {
    // bytes from one record's pixels to the next one's, and before the first
    stride: usize,
    skip: usize,
    data: Cow<'a, [u8]>,
}

impl Batch<'_> {
    fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.data.chunks_exact(self.stride).map(|record| &record[self.skip..])
    }
}

fn push_label(value: i64, version: Version, place: &str, record: usize, labels: &mut Vec<u32>) -> Result<()> {
    let checked = label(value, Some(version.classes()));
    labels.push(
        checked.map_err(|expected| Error::input(format!("{place}: record {record}"), expected, value))?,
    );
    Ok(())
}

fn binary<'a>(bytes: &'a [u8], version: Version, place: &str, labels: &mut Vec<u32>) -> Result<Batch<'a>> {
    let skip = if version.hundred() { 2 } else { 1 };
    let stride = skip + PIXELS;
    if bytes.is_empty() || !bytes.len().is_multiple_of(stride) {
        let expected = format!("a multiple of {stride} bytes");
        return Err(Error::input(place, expected, format!("{} bytes", bytes.len())));
    }
    for (record, bytes) in bytes.chunks_exact(stride).enumerate() {
        push_label(i64::from(bytes[skip - 1]), version, place, record, labels)?;
    }
    Ok(Batch { stride, skip, data: Cow::Borrowed(bytes) })
}

fn python<'a>(bytes: &'a [u8], version: Version, place: &str, labels: &mut Vec<u32>) -> Result<Batch<'a>> {
    let pickle = Pickle::read(bytes, place)?;
    let key = if version.hundred() { "fine_labels" } else { "labels" };
    let values = pickle.integers(pickle.entry(pickle.root(), key)?)?;
    let data = pickle.bytes2(pickle.entry(pickle.root(), "data")?)?;
    let flat = data.axes.len() == 2 || data.axes[1..] == [3, 32, 32];
    if data.shape != (values.len(), PIXELS) || !flat {
        let count = values.len();
        let expected =
            format!("data of shape ({count}, {PIXELS}) or ({count}, 3, 32, 32), as many rows as labels");
        return Err(Error::input(place, expected, format!("{:?}", data.axes)));
    }
    for (record, &value) in values.iter().enumerate() {
        push_label(value, version, place, record, labels)?;
    }
    Ok(Batch { stride: PIXELS, skip: 0, data: Cow::Owned(data.data.into_owned()) })
}

fn class_names(files: &Files, version: Version) -> Result<Option<Vec<String>>> {
    let place = files.place(version.names_file());
    let Some(bytes) = files.read(version.names_file())? else { return Ok(None) };
    let names: Vec<String> = if version.binary() {
        let text = String::from_utf8_lossy(&bytes);
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    } else {
        let pickle = Pickle::read(&bytes, &place)?;
        let key = if version.hundred() { "fine_label_names" } else { "label_names" };
        pickle.strings(pickle.entry(pickle.root(), key)?)?
    };
    if names.len() != version.classes() {
        return Err(Error::input(place, format!("{} names", version.classes()), names.len()));
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use proptest::prelude::*;
    use std::fs;

    // Record i of a file: label i, pixel p has the value (i + p) mod 251.
    fn pixels(i: usize) -> Vec<u8> {
        (0..PIXELS).map(|p| ((i + p) % 251) as u8).collect()
    }

    fn ten_binary(dir: &Path) {
        for (file, first) in Version::TenBinary.files(false).iter().zip([0usize, 2, 4, 6, 8]) {
            let bytes: Vec<u8> =
                (first..first + 2).flat_map(|i| [vec![i as u8], pixels(i)].concat()).collect();
            fs::write(dir.join(file), bytes).unwrap();
        }
        let bytes: Vec<u8> = [9usize, 3].iter().flat_map(|&i| [vec![i as u8], pixels(i)].concat()).collect();
        fs::write(dir.join("test_batch.bin"), bytes).unwrap();
    }

    // What Python 2's cPickle writes, protocol 2, for {'data': array, key: labels}.
    fn python2(key: &str, labels: &[u8], rows: &[usize]) -> Vec<u8> {
        let short = |text: &str| [b"U", &[text.len() as u8][..], text.as_bytes()].concat();
        let mut out = b"\x80\x02}q\x01(".to_vec();
        out.extend(short("data"));
        out.extend(b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85");
        out.extend(short("b"));
        out.extend(b"\x87R(K\x01");
        out.extend([b"K", &[rows.len() as u8][..], b"M\x00\x0c\x86"].concat());
        out.extend(b"cnumpy\ndtype\nq\x04U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
        let data: Vec<u8> = rows.iter().flat_map(|&i| pixels(i)).collect();
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.extend(b"tb");
        out.extend(short(key));
        out.extend(b"](");
        labels.iter().for_each(|&label| out.extend([b'K', label]));
        out.extend(b"eu.");
        out
    }

    fn names_pickle(key: &str, count: usize) -> Vec<u8> {
        let mut out = format!("(dp0\nS'{key}'\np1\n(lp2\n").into_bytes();
        (0..count).for_each(|i| out.extend(format!("S'c{i}'\na").bytes()));
        out.extend(b"s.");
        out
    }

    fn refusal(dir: &Path, options: &Options) -> String {
        load(dir.to_str().unwrap(), options).expect_err("must be refused").to_string()
    }

    fn labels_and_names(set: &ImageSet) -> (&[u32], &[String]) {
        match &set.targets {
            Targets::Classes { labels, names } => (labels, names),
            Targets::Real(_) => panic!("CIFAR has classes"),
        }
    }

    fn check_pixels(set: &ImageSet, row: usize, record: usize) {
        let expected = pixels(record);
        for ((c, y, x), &value) in set.images.index_axis(ndarray::Axis(0), row).indexed_iter() {
            assert_eq!(value, f32::from(expected[c * 1024 + y * 32 + x]) / 255.0);
        }
    }

    #[test]
    fn binary_version_of_ten_classes() {
        let dir = tempfile::tempdir().unwrap();
        ten_binary(dir.path());
        let path = dir.path().to_str().unwrap();
        let set = load(path, &Options::default()).unwrap();
        assert_eq!(set.images.dim(), (10, 3, 32, 32));
        let (labels, names) = labels_and_names(&set);
        assert_eq!(labels, (0..10).collect::<Vec<u32>>());
        assert_eq!(names[7], "7");
        (0..10).for_each(|i| check_pixels(&set, i, i));

        fs::write(dir.path().join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
        let options =
            Options { split: "test".into(), classes: vec!["d".into(), "j".into()], ..Options::default() };
        let set = load(path, &options).unwrap();
        assert_eq!(labels_and_names(&set), (&[1, 0][..], &["d".to_owned(), "j".to_owned()][..]));
        check_pixels(&set, 0, 9);
        let grey = load(path, &Options { grey: true, ..options }).unwrap();
        assert_eq!(grey.shape(), [1, 32, 32]);
        let p = pixels(9);
        let sum = f32::from(p[33]) + f32::from(p[1024 + 33]) + f32::from(p[2048 + 33]);
        assert_eq!(grey.images[[0, 0, 1, 1]], sum / 765.0);
    }

    #[test]
    fn python_versions() {
        let dir = tempfile::tempdir().unwrap();
        let ten = dir.path().join("ten/cifar-10-batches-py");
        fs::create_dir_all(&ten).unwrap();
        for (i, file) in Version::TenPython.files(false).iter().enumerate() {
            fs::write(ten.join(file), python2("labels", &[i as u8, 9], &[i, 100 + i])).unwrap();
        }
        fs::write(ten.join("batches.meta"), names_pickle("label_names", 10)).unwrap();
        let set = load(dir.path().join("ten").to_str().unwrap(), &Options::default()).unwrap();
        let (labels, names) = labels_and_names(&set);
        // Classes without samples are none, and the others keep their names.
        assert_eq!(
            (labels, names.join(" ")),
            (&[0, 5, 1, 5, 2, 5, 3, 5, 4, 5][..], "c0 c1 c2 c3 c4 c9".into())
        );
        assert!(set.source.told.notes[0].starts_with("4 of 10 classes without samples: c5, c6, c7, c8"));
        assert_eq!(set.source.stored.as_ref().unwrap().places, [0, 1, 2, 3, 4, 9]);
        check_pixels(&set, 7, 103);

        let hundred = dir.path().join("hundred");
        fs::create_dir_all(&hundred).unwrap();
        fs::write(hundred.join("train"), python2("fine_labels", &[99, 0], &[5, 6])).unwrap();
        let set = load(hundred.to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!(labels_and_names(&set), (&[1, 0][..], &["0".to_owned(), "99".to_owned()][..]));
        check_pixels(&set, 1, 6);
        fs::write(hundred.join("meta"), names_pickle("fine_label_names", 99)).unwrap();
        assert!(refusal(&hundred, &Options::default()).contains("100 names"));
        fs::write(hundred.join("train"), python2("fine_labels", &[1, 2, 3], &[5, 6])).unwrap();
        assert!(refusal(&hundred, &Options::default()).contains("as many rows as labels"));
        fs::write(hundred.join("train"), python2("labels", &[1, 2], &[5, 6])).unwrap();
        assert!(refusal(&hundred, &Options::default()).contains("'fine_labels'"));
    }

    #[test]
    fn binary_version_of_a_hundred_classes_uses_the_fine_label() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> =
            [40usize, 99].iter().flat_map(|&i| [vec![7, i as u8], pixels(i)].concat()).collect();
        fs::write(dir.path().join("train.bin"), &bytes).unwrap();
        let set = load(dir.path().to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!(labels_and_names(&set), (&[0, 1][..], &["40".to_owned(), "99".to_owned()][..]));
        check_pixels(&set, 1, 99);
        assert!(
            refusal(dir.path(), &Options { split: "test".into(), ..Options::default() }).contains("test.bin")
        );
    }

    #[test]
    fn damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::default();
        assert!(refusal(dir.path(), &options).contains("data_batch_1.bin"));
        assert!(refusal(&dir.path().join("absent"), &options).contains("absent"));
        ten_binary(dir.path());
        assert!(refusal(dir.path(), &Options { split: "val".into(), ..Options::default() }).contains("val"));

        let file = dir.path().join("data_batch_4.bin");
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        let text = refusal(dir.path(), &options);
        assert!(
            text.contains("data_batch_4.bin") && text.contains("3073") && text.contains("6145"),
            "{text}"
        );
        let mut wrong = whole.clone();
        wrong[3073] = 10;
        fs::write(&file, &wrong).unwrap();
        let text = refusal(dir.path(), &options);
        assert!(text.contains("record 1") && text.contains("0..10") && text.contains("found 10"), "{text}");
        fs::remove_file(&file).unwrap();
        assert!(refusal(dir.path(), &options).contains("data_batch_4.bin"));

        fs::write(dir.path().join("train"), "x").unwrap();
        assert!(refusal(dir.path(), &options).contains("one set"));
    }

    proptest! {
        #[test]
        fn damaged_batches_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
            shorten: bool,
        ) {
            let mut bytes = python2("labels", &[1, 2], &[5, 6]);
            // Only the opcodes: the pixels may be anything.
            let ends: Vec<usize> = (0..bytes.len()).filter(|i| !(200..bytes.len() - 60).contains(i)).collect();
            for (at, value) in changes {
                bytes[ends[at.index(ends.len())]] = value;
            }
            if shorten {
                bytes.truncate(cut.index(bytes.len()));
            }
            let mut labels = Vec::new();
            if let Ok(batch) = python(&bytes, Version::TenPython, "fuzz", &mut labels) {
                prop_assert_eq!(batch.records().count(), labels.len());
            }
            labels.clear();
            if let Ok(batch) = binary(&bytes, Version::HundredBinary, "fuzz", &mut labels) {
                prop_assert_eq!(batch.records().count(), labels.len());
            }
        }
    }
}
