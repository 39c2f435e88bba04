//! Which files of a folder are the shards of a split.

use std::path::{Path, PathBuf};

use crate::data::split;
use crate::error::{Error, Result, listed};

const MAX_DEPTH: usize = 3;

/// The files of one set.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub files: Vec<PathBuf>,
    /// Whether they are one part of several.
    pub in_parts: bool,
    /// How many others are of no part.
    pub beside: usize,
}

/// The file `path`, or those of the folder `path` (and up to three levels below it) whose names end in `end` and
/// that belong to the split `wanted`: by their names (`train-00000-of-00002.parquet`) or by the folder they are in
/// (`train/0000.parquet`). If no name speaks of a split, all are taken; a file named explicitly is taken whatever
/// it is called. `what` names the format in errors.
///
/// # Errors
/// No such files, none of the split, or the same split under several names or in several folders.
pub fn shards(path: &Path, end: &str, what: &str, wanted: &str) -> Result<Found> {
    if path.is_file() {
        return Ok(Found { files: vec![path.to_path_buf()], in_parts: false, beside: 0 });
    }
    let mut files = Vec::new();
    walk(path, Path::new(""), MAX_DEPTH, &mut |file| {
        if ends_in(file, end) {
            files.push(file.to_path_buf());
        }
        true
    })?;
    files.sort();
    if files.is_empty() {
        return Err(Error::input(path.display(), format!("{what} or a folder of them"), "none"));
    }
    let splits: Vec<Option<String>> = files.iter().map(|file| split_of(file, wanted)).collect();
    let in_parts = splits.iter().any(Option::is_some);
    let chosen: Vec<&PathBuf> = if !in_parts {
        files.iter().collect()
    } else {
        // The word itself before others that mean the same, of which there must be one.
        let there = |word: &&str| splits.iter().flatten().any(|split| split == word);
        let lower = wanted.to_lowercase();
        let words =
            split::words(if splits.iter().flatten().any(|split| split == wanted) { wanted } else { &lower });
        let alike: Vec<&str> = words.into_iter().filter(there).collect();
        if alike.len() > 1 && alike[0] != wanted {
            let expected = format!("files of the split '{wanted}', under one name");
            return Err(Error::input(path.display(), expected, listed(&alike)));
        }
        let chosen = alike.first().copied();
        files
            .iter()
            .zip(&splits)
            .filter(|(_, split)| chosen.is_some() && split.as_deref() == chosen)
            .map(|(file, _)| file)
            .collect()
    };
    let Some(first) = chosen.first() else {
        let mut found: Vec<&String> = splits.iter().flatten().collect();
        found.sort();
        found.dedup();
        return Err(Error::input(path.display(), format!("files of the split '{wanted}'"), listed(&found)));
    };
    if let Some(other) = chosen.iter().find(|file| file.parent() != first.parent()) {
        let found = format!("{} and {}", first.display(), other.display());
        return Err(Error::input(path.display(), "the shards of one set in one folder (name it)", found));
    }
    let beside = if in_parts { splits.iter().filter(|split| split.is_none()).count() } else { 0 };
    Ok(Found { files: chosen.into_iter().map(|file| path.join(file)).collect(), in_parts, beside })
}

/// The first of `ends` that the name of a file in the folder `root`, or not far below it, has.
pub fn first_end<'e>(root: &Path, ends: &[&'e str]) -> Option<&'e str> {
    let mut found = None;
    let walked = walk(root, Path::new(""), MAX_DEPTH, &mut |file| {
        found = ends.iter().copied().find(|end| ends_in(file, end));
        found.is_none()
    });
    walked.ok().and(found)
}

pub fn ends_in(file: &Path, end: &str) -> bool {
    file.extension().is_some_and(|found| found.eq_ignore_ascii_case(end))
}

// Paths of the files below `root`, relative to it, as long as `visit` wants more; whether it did to the end.
fn walk(root: &Path, below: &Path, depth: usize, visit: &mut dyn FnMut(&Path) -> bool) -> Result<bool> {
    let dir = root.join(below);
    for entry in std::fs::read_dir(&dir).map_err(Error::io(&dir, "read"))? {
        let entry = entry.map_err(Error::io(&dir, "read"))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let relative = below.join(&name);
        let kind = entry.file_type().map_err(Error::io(&dir, "read"))?;
        let is_dir = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
        let goes_on = match (is_dir, depth) {
            (false, _) => visit(&relative),
            (true, 0) => true,
            (true, _) => walk(root, &relative, depth - 1, visit)?,
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

// The split that a path speaks of: a word of the file's name, else a folder.
fn split_of(file: &Path, wanted: &str) -> Option<String> {
    let stem = file.file_stem()?.to_string_lossy().into_owned();
    let known = |word: &&str| *word == wanted || split::part(word).is_some();
    let plain = |word: &str| if word == wanted { word.to_owned() } else { word.to_lowercase() };
    // NAME-00000-of-00002
    let sharded = stem.rsplit_once("-of-").and_then(|(head, count)| {
        let (name, index) = head.rsplit_once('-')?;
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        (number(index) && number(count)).then_some(name)
    });
    let name = sharded.unwrap_or(&stem);
    let word = std::iter::once(name).chain(name.split(['-', '_', '.'])).find(known).map(plain);
    word.or_else(|| {
        let folders = file.parent()?.components().map(|c| c.as_os_str().to_string_lossy().into_owned());
        folders
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .find(|folder| known(&folder.as_str()))
            .map(|f| plain(&f))
    })
    // What all shards are called where they are not called anything else (`data-00000-of-00001.arrow`).
    .or_else(|| sharded.filter(|name| *name != "data").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_in_names() {
        for (file, split) in [
            ("train-00000-of-00002.parquet", Some("train")),
            ("cifar10-train-00000-of-00002.parquet", Some("train")),
            ("data/train/0000.parquet", Some("train")),
            ("all_test.parquet", Some("test")),
            ("holdout-00000-of-00001.parquet", Some("holdout")),
            ("train/test.parquet", Some("test")),
            ("train/data-00000-of-00001.arrow", Some("train")),
            ("data-00000-of-00001.arrow", None),
            ("cifar-train-000001.tar", Some("train")),
            ("restrain.parquet", None),
            ("x-of-y.parquet", None),
        ] {
            assert_eq!(split_of(Path::new(file), "train").as_deref(), split, "{file}");
        }
        assert_eq!(split_of(Path::new("my-set.parquet"), "my-set").as_deref(), Some("my-set"));
    }

    #[test]
    fn formats_are_known_by_the_first_end_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        assert_eq!(first_end(dir.path(), &["tar", "arrow"]), None);
        std::fs::write(dir.path().join("a/b/x.ARROW"), "").unwrap();
        std::fs::write(dir.path().join(".x.tar"), "").unwrap();
        assert_eq!(first_end(dir.path(), &["tar", "arrow"]), Some("arrow"));
        assert_eq!(first_end(&dir.path().join("absent"), &["tar"]), None);
    }
}
