//! `folder:DIR`: one directory per class, JPEG and PNG files in it.
//!
//! The classes are the sorted names of the directories. The stored order goes
//! round them: the first file of each class, then the second of each, and so
//! on (by sorted file name), so that `--limit` keeps all classes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Options;
use super::decode::{Item, Payload, decode_all, magic};
use super::select::{listed, select};
use crate::error::{Error, Result};
use crate::field::ImageSet;

const SPLITS: [&str; 4] = ["train", "test", "val", "validation"];

/// Reads the images in `DIR/<split>/<class>/` or, without a directory of that
/// name, in `DIR/<class>/`. What counts is how a file begins, not how its name
/// ends: files that are no JPEG or PNG are left aside and counted in the
/// description, directories below a class as well. Hidden ones do not exist.
///
/// # Errors
/// No directories, a class without images, directories of other splits only;
/// and those of [`decode_all`].
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let root = split_root(Path::new(arg), &options.split)?;
    let (classes, _) = entries(&root)?;
    if classes.is_empty() {
        return Err(Error::input(root.display(), "one directory per class", "none"));
    }
    let names: Vec<String> = classes.iter().map(|dir| name(dir)).collect();
    let mut ignored = 0;
    let mut images = Vec::with_capacity(classes.len());
    for dir in &classes {
        let (directories, files) = entries(dir)?;
        let all = files.len() + directories.len();
        let pictures = files
            .into_par_iter()
            .map(|file| Ok(is_image(&file)?.then_some(file)))
            .collect::<Result<Vec<Option<PathBuf>>>>()?;
        let pictures: Vec<PathBuf> = pictures.into_iter().flatten().collect();
        if pictures.is_empty() {
            return Err(Error::input(
                dir.display(),
                "JPEG or PNG files",
                format!("none among {all} entries"),
            ));
        }
        ignored += all - pictures.len();
        images.push(pictures);
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
    let mut description = format!("folder, {} images of {} classes", stored.len(), names.len());
    if ignored > 0 {
        description += &format!(", {ignored} other entries left aside");
    }
    decode_all(&items, selection.names, description, place, options)
}

fn split_root(dir: &Path, split: &str) -> Result<PathBuf> {
    let inner = dir.join(split);
    // A class may have the name of a split; a split holds directories, a class images.
    if inner.is_dir() && !entries(&inner)?.0.is_empty() {
        return Ok(inner);
    }
    let (directories, _) = entries(dir)?;
    // Directories of directories with the names of splits hold no class.
    let mut others = Vec::new();
    for directory in directories.iter().filter(|d| SPLITS.contains(&name(d).as_str())) {
        if !entries(directory)?.0.is_empty() {
            others.push(name(directory));
        }
    }
    if others.is_empty() {
        return Ok(dir.to_path_buf());
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

pub(crate) fn is_image(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    file.take(8).read_to_end(&mut start).map_err(Error::io(path, "read"))?;
    Ok(magic(&start).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use std::fs;

    const WIDE: &[u8] = include_bytes!("testdata/wide.png");
    const PHOTO: &[u8] = include_bytes!("testdata/wide.jpg");

    fn png(height: u32, width: u32, value: u8) -> Vec<u8> {
        let image = image::GrayImage::from_pixel(width, height, image::Luma([value]));
        let mut out = std::io::Cursor::new(Vec::new());
        image.write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    }

    fn put(dir: &Path, file: &str, bytes: &[u8]) {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

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
        let text = refusal(dir.path(), &Options { split: "test".into(), ..Options::default() });
        assert!(text.contains("'test'") && text.contains("train, val"), "{text}");
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
