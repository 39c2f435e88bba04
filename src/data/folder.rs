//! `folder:DIR`: one directory per class, images in it.
//!
//! The classes are the sorted names of the directories. The stored order goes
//! round them: the first file of each class, then the second of each, and so
//! on (by sorted file name), so that `--limit` keeps all classes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::{self, Item, Payload, decode_all};
use super::select::{select, without_lost};
use super::{Options, spec, split};
use crate::error::{Error, Result, listed, shown};
use crate::field::{ImageSet, left_aside};

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("folder", "DIR", load);

/// Reads the images in `DIR/<split>/<class>/` or, without a directory of that
/// name or of one that means the same ([`super::split`]), in `DIR/<class>/`, and in the directories below
/// them. A directory without images is no class. A file is an image where it begins like one (JPEG, PNG, WebP, TIFF, BMP, GIF), or
/// has the name of one: then it is a bad one. Others are left aside and counted by kind. Hidden ones do not
/// exist.
///
/// Without `options.labels` there need be no directories: images of `DIR` itself are
/// read as well, those of each directory taking their turn, and a directory may have
/// none.
///
/// # Errors
/// No directories, fewer than two with images, directories of other splits only;
/// and those of [`decode_all`].
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let Part { root, split, mut notes } = split_root(Path::new(arg), options)?;
    let (mut classes, own) = entries(&root)?;
    if options.labels && classes.is_empty() {
        let found =
            if pictures(own)?.images.is_empty() { "none" } else { "images alone, which have no labels" };
        return Err(Error::input(root.display(), "one directory per class", found));
    }
    if !options.labels {
        classes.push(root.clone());
    }
    // What stands beside the directories of classes belongs to none of them.
    let mut aside = if options.labels { pictures(own)?.all_aside() } else { BTreeMap::new() };
    let (mut images, mut names, mut empty, mut below) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for dir in &classes {
        let mut files = Vec::new();
        if *dir == root {
            files = entries(dir)?.1;
        } else {
            below += files_below(dir, DEEPEST, options.labels, &mut files)?;
        }
        let pictures = pictures(files)?;
        add(&mut aside, &pictures.aside);
        if pictures.images.is_empty() && options.labels {
            empty.push(format!("{} has {}", shown(&name(dir)), pictures.found()));
            continue;
        }
        names.push(if *dir == root { ".".to_owned() } else { name(dir) });
        images.push(pictures.images);
    }
    if options.labels && !names.is_empty() && names.iter().all(|name| split::part(name).is_some()) {
        let found = format!("images in {}, which are names of splits", listed(&names));
        return Err(Error::input(root.display(), "directories of classes, or DIR/<split>/<class>", found));
    }
    if !empty.is_empty() {
        if images.len() < 2 {
            let found = format!("{} ({})", images.len(), listed(&empty));
            return Err(Error::input(root.display(), "images of at least 2 classes", found));
        }
        notes.push(format!("directories without images are no classes: {}", listed(&empty)));
    }
    if below > 0 && options.labels {
        notes.push(format!("images in {below} directories below those of classes are of these classes"));
    }
    let count: usize = images.iter().map(Vec::len).sum();
    if count == 0 {
        let found = Pictures { images: Vec::new(), aside }.found();
        return Err(Error::input(root.display(), "images", found));
    }

    let longest = images.iter().map(Vec::len).max().unwrap_or(0);
    let stored: Vec<(u32, &PathBuf)> = (0..longest)
        .flat_map(|k| images.iter().enumerate().filter_map(move |(c, files)| Some((c as u32, files.get(k)?))))
        .collect();
    let labels: Vec<u32> = stored.iter().map(|&(label, _)| label).collect();
    let selection = select(&labels, &names, options)?;
    let items: Vec<Item<'_>> = selection
        .rows
        .iter()
        .zip(&selection.labels)
        .map(|(&row, &label)| Item { label, payload: Payload::File(stored[row].1.clone()) })
        .collect();
    let place = |i: usize| stored[selection.rows[i]].1.display().to_string();
    let mut description = format!("folder, {count} images");
    if options.labels {
        description += &format!(" of {} classes", names.len());
    }
    description += &left_aside(&aside);
    let mut set = decode_all(&items, selection.names.clone(), description, place, options)?;
    selection.tell(&mut set.source);
    without_lost(&mut set, &selection.labels, options);
    set.source.split = split;
    set.source.told.aside = aside;
    set.source.told.notes.extend(notes);
    Ok(set)
}

// Directories in one another, below one of a class.
const DEEPEST: usize = 8;

// The files in `dir` and below it, sorted by path; how many directories with files are below it. Links to
// directories are not followed there: they may lead to other classes. Splits are not part of a class.
fn files_below(dir: &Path, deepest: usize, labels: bool, files: &mut Vec<PathBuf>) -> Result<usize> {
    let (directories, own) = entries(dir)?;
    files.extend(own);
    let mut below = 0;
    for directory in directories.iter().filter(|directory| !directory.is_symlink()) {
        if labels && split::part(&name(directory)).is_some() {
            let expected = "directories of a class without splits in them (name the folder of one split)";
            return Err(Error::input(directory.display(), expected, "one with the name of a split"));
        }
        if deepest == 0 {
            let expected = format!("at most {DEEPEST} directories in one another below that of a class");
            return Err(Error::input(directory.display(), expected, "another one"));
        }
        below += usize::from(!entries(directory)?.1.is_empty());
        below += files_below(directory, deepest - 1, labels, files)?;
    }
    Ok(below)
}

// Where the images are.
struct Part {
    root: PathBuf,
    // Which split that is, if there are any.
    split: Option<String>,
    notes: Vec<String>,
}

fn split_root(dir: &Path, options: &Options) -> Result<Part> {
    let wanted = &options.split;
    // A class may have the name of a split; a split holds directories, a class images.
    let holds = |inner: &Path| -> Result<bool> { Ok(!options.labels || !entries(inner)?.0.is_empty()) };
    let (directories, _) = entries(dir)?;
    let mut found = Vec::new();
    for directory in directories.iter().filter(|d| split::is(&name(d), wanted)) {
        if holds(directory)? {
            found.push(directory);
        }
    }
    let exact = found.iter().find(|d| name(d) == *wanted).copied();
    if exact.is_none() && found.len() > 1 {
        let found: Vec<_> = found.iter().map(|d| name(d)).collect();
        return Err(Error::input(
            dir.display(),
            format!("one directory of the split '{wanted}'"),
            listed(&found),
        ));
    }
    if let Some(inner) = exact.or(found.first().copied()) {
        let mut notes = Vec::new();
        if exact.is_none() {
            notes.push(format!("the split '{wanted}' is the directory {}", shown(&name(inner))));
        }
        let beside: Vec<_> =
            directories.iter().filter(|d| split::part_in(&name(d)).is_none() && *d != inner).collect();
        if !beside.is_empty() {
            let beside: Vec<_> = beside.iter().map(|d| shown(&name(d))).collect();
            notes.push(format!(
                "{} is read as the split '{wanted}'; {} beside it are left aside",
                shown(&name(inner)),
                listed(&beside)
            ));
        }
        // Archives that unpack into a directory of their own name.
        let again = inner.join(name(inner));
        let (inside, _) = entries(inner)?;
        let root = if inside == [again.clone()] && holds(&again)? { again } else { inner.clone() };
        return Ok(Part { root, split: Some(wanted.to_owned()), notes });
    }
    // Directories of directories with the names of splits hold no class; where there need
    // be no classes, none of these names does.
    let mut others = Vec::new();
    for directory in directories.iter().filter(|d| split::part_in(&name(d)).is_some()) {
        if holds(directory)? {
            others.push(name(directory));
        }
    }
    if others.is_empty() {
        return Ok(Part { root: dir.to_path_buf(), split: None, notes: Vec::new() });
    }
    Err(Error::input(dir.display(), format!("a directory of the split '{wanted}'"), listed(&others)))
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

// Directories and files, each sorted by name.
pub(crate) fn entries(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let path = entry.map_err(Error::io(dir, "read"))?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// The images among files, and what the others are: how many of each kind.
pub(crate) struct Pictures {
    pub images: Vec<PathBuf>,
    pub aside: BTreeMap<String, usize>,
}

impl Pictures {
    /// What there is in place of images, for errors.
    pub fn found(&self) -> String {
        let counted: Vec<_> = self.aside.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        if counted.is_empty() { "none".to_owned() } else { format!("none, but {}", counted.join(", ")) }
    }

    /// Counts directories in which nothing is looked for.
    pub fn count_directories(&mut self, directories: &[PathBuf]) {
        if !directories.is_empty() {
            *self.aside.entry("directories".to_owned()).or_default() += directories.len();
        }
    }

    // All of it where no images are looked for.
    fn all_aside(mut self) -> BTreeMap<String, usize> {
        if !self.images.is_empty() {
            *self.aside.entry("images in no class".to_owned()).or_default() += self.images.len();
        }
        self.aside
    }
}

/// Adds up how many there are of each kind.
pub(crate) fn add(to: &mut BTreeMap<String, usize>, more: &BTreeMap<String, usize>) {
    more.iter().for_each(|(kind, count)| *to.entry(kind.clone()).or_default() += count);
}

pub(crate) fn pictures(files: Vec<PathBuf>) -> Result<Pictures> {
    let looked_at = files
        .into_par_iter()
        .map(|file| {
            // Opening a pipe would wait for who writes to it.
            if file.metadata().is_ok_and(|about| !about.is_file()) {
                return Ok((file, Some("no regular files".to_owned())));
            }
            let start = match File::open(&file) {
                Ok(open) => decode::start(open).map_err(Error::io(&file, "read"))?,
                // A link to nothing is a bad image where it is called one.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(Error::io(&file, "open")(e)),
            };
            let other = (!decode::is_meant(&file, &start)).then(|| decode::other(&file, &start));
            Ok((file, other))
        })
        .collect::<Result<Vec<(PathBuf, Option<String>)>>>()?;
    let mut pictures = Pictures { images: Vec::with_capacity(looked_at.len()), aside: BTreeMap::new() };
    for (file, other) in looked_at {
        match other {
            None => pictures.images.push(file),
            Some(kind) => *pictures.aside.entry(kind).or_default() += 1,
        }
    }
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{png, put};
    use crate::field::Targets;

    const WIDE: &[u8] = include_bytes!("testdata/wide.png");
    const PHOTO: &[u8] = include_bytes!("testdata/wide.jpg");

    fn refusal(dir: &Path, options: &Options) -> String {
        load(dir.to_str().unwrap(), options).expect_err("must be refused").to_string()
    }

    #[test]
    fn classes_take_turns() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in
            [("b/1", 10), ("b/2.JPG", 20), ("a/x.png", 30), ("b/3", 40), ("c/1", 50), ("c/2", 60)]
        {
            put(dir.path(), file, &png(2, 3, value));
        }
        put(dir.path(), "a/notes.txt", b"not a picture");
        put(dir.path(), "c/photo.HEIC", b"\0\0\0\x18ftypheic");
        put(dir.path(), "loose.png", &png(2, 3, 1));
        put(dir.path(), "a/.hidden", b"");
        put(dir.path(), "readme.md", b"x");
        let path = dir.path().to_str().unwrap();
        let set = load(path, &Options::default()).unwrap();
        assert_eq!(set.images.dim(), (6, 1, 2, 3));
        let values: Vec<f32> = (0..6).map(|i| set.images[[i, 0, 1, 2]] * 255.0).collect();
        assert_eq!(values, [30.0, 10.0, 50.0, 20.0, 60.0, 40.0]);
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), names.join("")), (&[0, 1, 2, 1, 2, 1][..], "abc".to_owned()));
        assert!(set.source.description.contains("4 other"), "{}", set.source.description);
        assert_eq!(set.source.told.lines(), ["left aside: 1 .md, 1 .txt, 1 HEIC, 1 images in no class"]);

        let three = load(path, &Options { limit: Some(3), ..Options::default() }).unwrap();
        let Targets::Classes { labels, .. } = &three.targets else { panic!("classes") };
        assert_eq!(labels, &[0, 1, 2]);
    }

    #[test]
    fn a_directory_of_the_split_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in [("train/a/1", 1), ("train/b/1", 2), ("val/a/1", 3), ("val/b/1", 4)] {
            put(dir.path(), file, &png(2, 3, value));
        }
        let path = dir.path().to_str().unwrap();
        let value = |split: &str| {
            let set = load(path, &Options { split: split.into(), ..Options::default() }).unwrap();
            set.images[[0, 0, 0, 0]] * 255.0
        };
        assert_eq!((value("train"), value("val")), (1.0, 3.0));
        let whole = load(dir.path().join("val").to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!(whole.source.split, None);
        let text = refusal(dir.path(), &Options { split: "test".into(), ..Options::default() });
        assert!(text.contains("'test'") && text.contains("train, val"), "{text}");
    }

    #[test]
    fn images_without_labels_need_no_directories() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in [("1.png", 1), ("2.png", 2), ("3", 3)] {
            put(dir.path(), file, &png(2, 3, value));
        }
        put(dir.path(), "list.txt", b"1 2 3");
        let path = dir.path().to_str().unwrap();
        let text = refusal(dir.path(), &Options::default());
        assert!(text.contains("one directory per class") && text.contains("have no labels"), "{text}");

        let bare = Options { labels: false, ..Options::default() };
        let values = |set: &ImageSet| -> Vec<f32> {
            (0..set.len()).map(|i| set.images[[i, 0, 1, 2]] * 255.0).collect()
        };
        let set = load(path, &bare).unwrap();
        assert_eq!((values(&set), &set.source.split), (vec![1.0, 2.0, 3.0], &None));
        assert!(set.source.description.contains("3 images, 1 other"), "{}", set.source.description);
        assert_eq!(values(&load(path, &Options { limit: Some(1), ..bare.clone() }).unwrap()), [1.0]);

        // Directories take their turn, and may have nothing.
        put(dir.path(), "a/1", &png(2, 3, 9));
        put(dir.path(), "b/none.txt", b"");
        let set = load(path, &bare).unwrap();
        assert_eq!(values(&set), [9.0, 1.0, 2.0, 3.0]);
        assert!(set.source.description.contains("4 images, 2 other"), "{}", set.source.description);

        // One of the name of the split is the split.
        put(dir.path(), "test/1", &png(2, 3, 7));
        let set = load(path, &Options { split: "test".into(), ..bare.clone() }).unwrap();
        assert_eq!((values(&set), set.source.split.as_deref()), (vec![7.0], Some("test")));

        // Others than it are other splits.
        let text = refusal(dir.path(), &bare);
        assert!(text.contains("the split 'train'") && text.contains("test"), "{text}");

        let empty = tempfile::tempdir().unwrap();
        put(empty.path(), "a/text", b"text");
        let text = refusal(empty.path(), &bare);
        assert!(text.contains("expected images") && text.contains("none, but 1 other files"), "{text}");
    }

    #[test]
    fn splits_have_several_names_and_archives_a_folder_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in [
            ("seg_train/seg_train/a/1", 1),
            ("seg_train/seg_train/b/1", 2),
            ("Testing/a/1", 3),
            ("Testing/b/1", 4),
            ("valid/a/1", 5),
            ("valid/b/1", 6),
        ] {
            put(dir.path(), file, &png(2, 3, value));
        }
        let of = |split: &str| {
            load(dir.path().to_str().unwrap(), &Options { split: split.into(), ..Options::default() })
        };
        for (split, value, said) in
            [("train", 1.0, "seg_train"), ("test", 3.0, "Testing"), ("validation", 5.0, "valid")]
        {
            let set = of(split).unwrap();
            assert_eq!((set.len(), set.images[[0, 0, 0, 0]] * 255.0), (2, value), "{split}");
            assert_eq!(set.source.split.as_deref(), Some(split));
            assert_eq!(set.source.told.notes, [format!("the split '{split}' is the directory {said}")]);
        }
        assert!(of("extra").unwrap_err().to_string().contains("seg_train, valid"));
        // The word itself comes first, and of others there must be one.
        put(dir.path(), "val/a/1", &png(2, 3, 7));
        put(dir.path(), "val/b/1", &png(2, 3, 8));
        assert_eq!(of("val").unwrap().images[[0, 0, 0, 0]] * 255.0, 7.0);
        assert!(of("validation").unwrap_err().to_string().contains("val, valid"));
    }

    #[test]
    fn directories_below_a_class_are_of_it_and_those_without_images_are_none() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in [("a/x/1.png", 1), ("a/2.png", 2), ("b/y/z/1.png", 3), ("c/1.png", 4)] {
            put(dir.path(), file, &png(2, 3, value));
        }
        put(dir.path(), "__MACOSX/._a", b"x");
        put(dir.path(), "notes/readme.txt", b"x");
        let set = load(dir.path().to_str().unwrap(), &Options::default()).unwrap();
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), names.join(" ")), (&[0, 1, 2, 0][..], "a b c".to_owned()));
        let values: Vec<f32> = set.images.slice(ndarray::s![.., 0, 0, 0]).iter().map(|v| v * 255.0).collect();
        assert_eq!(values, [2.0, 3.0, 4.0, 1.0]);
        let notes = set.source.told.notes.join("; ");
        assert!(notes.contains("no classes: __MACOSX has none, notes has none, but 1 .txt"), "{notes}");
        assert!(notes.contains("images in 2 directories below"), "{notes}");
    }

    #[test]
    fn splits_are_no_classes_and_no_part_of_one() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["train/1.png", "train/2.png", "test/1.png"] {
            put(dir.path(), file, &png(2, 3, 1));
        }
        let text = refusal(dir.path(), &Options::default());
        assert!(text.contains("<split>/<class>") && text.contains("test, train"), "{text}");
        // A class that is called like a split stands beside classes that are not.
        let vehicles = tempfile::tempdir().unwrap();
        for file in ["bus/1.png", "train/1.png"] {
            put(vehicles.path(), file, &png(2, 3, 1));
        }
        let set = load(vehicles.path().to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!((set.len(), set.targets.outputs(), set.source.told.notes.len()), (2, 2, 0));
        for file in ["train/day/1.png", "train/night/1.png"] {
            put(vehicles.path(), file, &png(2, 3, 1));
        }
        let set = load(vehicles.path().to_str().unwrap(), &Options::default()).unwrap();
        assert!(
            set.source.told.notes[0].contains("train is read as the split 'train'; bus beside it"),
            "{:?}",
            set.source.told.notes
        );
        // Splits below classes are not theirs.
        let parts = tempfile::tempdir().unwrap();
        for file in ["bottle/train/good/1.png", "bottle/test/broken/1.png", "cable/train/good/1.png"] {
            put(parts.path(), file, &png(2, 3, 1));
        }
        let text = refusal(parts.path(), &Options::default());
        assert!(text.contains("bottle/test") && text.contains("the name of a split"), "{text}");
        let deep = tempfile::tempdir().unwrap();
        put(deep.path(), "a/1.png", &png(2, 3, 1));
        put(deep.path(), "b/1/2/3/4/5/6/7/8/9/1.png", &png(2, 3, 1));
        assert!(refusal(deep.path(), &Options::default()).contains("at most 8 directories"));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_directories_below_a_class_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/1.png", "b/1.png", "b/x/2.png"] {
            put(dir.path(), file, &png(2, 3, 1));
        }
        for (to, at) in [("..", "a/l"), (".", "a/m"), ("../b/x", "a/n")] {
            std::os::unix::fs::symlink(to, dir.path().join(at)).unwrap();
        }
        // A link to the directory of a class is one.
        std::os::unix::fs::symlink("b", dir.path().join("c")).unwrap();
        let set = load(dir.path().to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!((set.len(), set.targets.outputs()), (5, 3));
    }

    #[test]
    fn classes_of_bad_images_alone_are_none() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/1.png", "b/1.png"] {
            put(dir.path(), file, &png(2, 3, 1));
        }
        put(dir.path(), "c/1.png", b"x");
        let skip = Options { skip_bad: true, ..Options::default() };
        let set = load(dir.path().to_str().unwrap(), &skip).unwrap();
        assert_eq!((set.targets.outputs(), set.source.told.skipped), (2, 1));
        assert!(set.source.told.notes[0].contains("of which no image decodes: c"));
    }

    #[cfg(unix)]
    #[test]
    fn broken_links_are_bad_images() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/1.png", "b/1.png"] {
            put(dir.path(), file, &png(2, 3, 1));
        }
        std::os::unix::fs::symlink("/absent/photo.jpg", dir.path().join("a/2.jpg")).unwrap();
        assert!(refusal(dir.path(), &Options::default()).contains("a/2.jpg"));
        let skip = Options { skip_bad: true, ..Options::default() };
        let set = load(dir.path().to_str().unwrap(), &skip).unwrap();
        assert_eq!((set.len(), set.source.told.skipped), (2, 1));
    }

    #[test]
    fn files_called_images_that_are_none_are_bad_ones() {
        let dir = tempfile::tempdir().unwrap();
        for (file, value) in [("a/1.png", 1), ("a/2.png", 2), ("b/1.png", 3)] {
            put(dir.path(), file, &png(2, 3, value));
        }
        for (file, bytes, what) in [
            ("b/x.jpg", &b"<!DOCTYPE html><html>"[..], "a web page"),
            ("b/x.WEBP", b"", "an empty file"),
            ("b/x.jpeg", b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        ] {
            put(dir.path(), file, bytes);
            let text = refusal(dir.path(), &Options::default());
            assert!(text.contains(file) && text.contains(what) && text.contains("--skip-bad"), "{text}");
            let skip = Options { skip_bad: true, ..Options::default() };
            let set = load(dir.path().to_str().unwrap(), &skip).unwrap();
            assert_eq!((set.len(), set.source.told.skipped), (3, 1));
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        // Sensor data begin like a TIFF, with a thumbnail.
        put(dir.path(), "b/photo.NEF", b"II*\0\x08\0\0\0");
        let set = load(dir.path().to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!((set.len(), set.source.told.aside), (3, [(".nef".to_owned(), 1)].into()));
    }

    #[test]
    fn damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(&dir.path().join("absent"), &Options::default()).contains("absent"));
        assert!(refusal(dir.path(), &Options::default()).contains("one directory per class"));
        put(dir.path(), "a/1", WIDE);
        assert!(refusal(dir.path(), &Options::default()).contains("at least 2 classes"));
        put(dir.path(), "b/text", b"text");
        let text = refusal(dir.path(), &Options::default());
        assert!(
            text.contains("at least 2 classes") && text.contains("b has none, but 1 other files"),
            "{text}"
        );
        put(dir.path(), "b/1", &png(2, 3, 9));
        let text = refusal(dir.path(), &Options::default());
        assert!(text.contains("/a/1") && text.contains("/b/1") && text.contains("--size"), "{text}");
        assert!(
            load(dir.path().to_str().unwrap(), &Options { size: Some((4, 4)), ..Options::default() }).is_ok()
        );

        put(dir.path(), "b/1", &PHOTO[..PHOTO.len() / 2]);
        let text = refusal(dir.path(), &Options::default());
        assert!(text.contains("/b/1") && text.contains("truncated"), "{text}");
        // Without it class b has nothing left.
        let skip = Options { skip_bad: true, ..Options::default() };
        assert!(refusal(dir.path(), &skip).contains("at least 2 classes"));
        put(dir.path(), "b/2", PHOTO);
        let set = load(dir.path().to_str().unwrap(), &skip).unwrap();
        assert_eq!((set.len(), set.source.told.skipped), (2, 1));
    }
}
