//! `folder:DIR`: one directory per class, JPEG and PNG files in it.
//!
//! The classes are the sorted names of the directories. The stored order goes
//! round them: the first file of each class, then the second of each, and so
//! on (by sorted file name), so that `--limit` keeps all classes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::{Item, Payload, decode_all, magic};
use super::select::select;
use super::{Options, spec};
use crate::error::{Error, Result, listed};
use crate::field::ImageSet;

const SPLITS: [&str; 4] = ["train", "test", "val", "validation"];

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("folder", "DIR", load);

/// Reads the images in `DIR/<split>/<class>/` or, without a directory of that
/// name, in `DIR/<class>/`. What counts is how a file begins, not how its name
/// ends: files that are no JPEG or PNG are left aside and counted in the
/// description, directories below a class as well. Hidden ones do not exist.
///
/// Without `options.labels` there need be no directories: images of `DIR` itself are
/// read as well, those of each directory taking their turn, and a directory may have
/// none.
///
/// # Errors
/// No directories, a class without images, directories of other splits only;
/// and those of [`decode_all`].
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let (root, split) = split_root(Path::new(arg), options)?;
    let (mut classes, own) = entries(&root)?;
    let mut names: Vec<String> = classes.iter().map(|dir| name(dir)).collect();
    if options.labels && classes.is_empty() {
        let found = if pictures(own)?.0.is_empty() { "none" } else { "images alone, which have no labels" };
        return Err(Error::input(root.display(), "one directory per class", found));
    }
    if !options.labels {
        classes.push(root.clone());
        names.push(".".to_owned());
    }
    let mut ignored = 0;
    let mut images = Vec::with_capacity(classes.len());
    for dir in &classes {
        let (directories, files) = entries(dir)?;
        let directories = if *dir == root { 0 } else { directories.len() };
        let (pictures, others) = pictures(files)?;
        if pictures.is_empty() && options.labels {
            let found = format!("none among {} entries", directories + others);
            return Err(Error::input(dir.display(), "JPEG or PNG files", found));
        }
        ignored += directories + others;
        images.push(pictures);
    }
    let count: usize = images.iter().map(Vec::len).sum();
    if count == 0 {
        return Err(Error::input(
            root.display(),
            "JPEG or PNG files",
            format!("none among {ignored} entries"),
        ));
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
    if ignored > 0 {
        description += &format!(", {ignored} other entries left aside");
    }
    let mut set = decode_all(&items, selection.names, description, place, options)?;
    set.source.split = split;
    Ok(set)
}

// Where the images are, and which split that is, if there are any.
fn split_root(dir: &Path, options: &Options) -> Result<(PathBuf, Option<String>)> {
    let split = &options.split;
    let inner = dir.join(split);
    // A class may have the name of a split; a split holds directories, a class images.
    if inner.is_dir() && (!options.labels || !entries(&inner)?.0.is_empty()) {
        return Ok((inner, Some(split.to_owned())));
    }
    let (directories, _) = entries(dir)?;
    // Directories of directories with the names of splits hold no class; where there need
    // be no classes, none of these names does.
    let mut others = Vec::new();
    for directory in directories.iter().filter(|d| SPLITS.contains(&name(d).as_str())) {
        if !options.labels || !entries(directory)?.0.is_empty() {
            others.push(name(directory));
        }
    }
    if others.is_empty() {
        return Ok((dir.to_path_buf(), None));
    }
    Err(Error::input(dir.display(), format!("a directory of the split '{split}'"), listed(&others)))
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

// The images among files, and how many others there are.
pub(crate) fn pictures(files: Vec<PathBuf>) -> Result<(Vec<PathBuf>, usize)> {
    let all = files.len();
    let found = files
        .into_par_iter()
        .map(|file| Ok(is_image(&file)?.then_some(file)))
        .collect::<Result<Vec<Option<PathBuf>>>>()?;
    let found: Vec<PathBuf> = found.into_iter().flatten().collect();
    let others = all - found.len();
    Ok((found, others))
}

fn is_image(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    file.take(8).read_to_end(&mut start).map_err(Error::io(path, "read"))?;
    Ok(magic(&start).is_some())
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
        put(dir.path(), "a/.hidden", b"");
        put(dir.path(), "readme.md", b"");
        let path = dir.path().to_str().unwrap();
        let set = load(path, &Options::default()).unwrap();
        assert_eq!(set.images.dim(), (6, 1, 2, 3));
        let values: Vec<f32> = (0..6).map(|i| set.images[[i, 0, 1, 2]] * 255.0).collect();
        assert_eq!(values, [30.0, 10.0, 50.0, 20.0, 60.0, 40.0]);
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), names.join("")), (&[0, 1, 2, 1, 2, 1][..], "abc".to_owned()));
        assert!(set.source.description.contains("1 other"), "{}", set.source.description);

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
        assert!(text.contains("JPEG or PNG files") && text.contains("none among 1"), "{text}");
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
        assert!(text.contains("/b:") && text.contains("none among 1"), "{text}");
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
        assert_eq!((set.len(), set.source.skipped), (2, 1));
    }
}
