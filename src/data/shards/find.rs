//! Which files of a folder are the shards of a split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::data::split;
use crate::error::{Error, Result, listed, shown};

const MAX_DEPTH: usize = 3;

/// The files of one set.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub files: Vec<PathBuf>,
    /// Whether they are one part of several.
    pub in_parts: bool,
    /// What is to be known of them.
    pub notes: Vec<String>,
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
        return Ok(Found { files: vec![path.to_path_buf()], in_parts: false, notes: Vec::new() });
    }
    let mut files = Vec::new();
    walk(path, &mut |file| {
        if ends_in(file, end) {
            files.push(file.to_path_buf());
        }
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
    let mut notes = together(path, &chosen)?;
    let beside = if in_parts { splits.iter().filter(|split| split.is_none()).count() } else { 0 };
    if beside > 0 {
        notes.push(format!("{beside} files whose names speak of no split are left aside"));
    }
    Ok(Found { files: chosen.into_iter().map(|file| path.join(file)).collect(), in_parts, notes })
}

// What is to be known of files that are read as one set; fails for two versions of it.
fn together(path: &Path, files: &[&PathBuf]) -> Result<Vec<String>> {
    let stems: Vec<String> =
        files.iter().filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned())).collect();
    let mut sets: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for stem in &stems {
        match shard(stem) {
            Some((name, index, count)) => sets.entry(name).or_default().push((index, count)),
            // Names without the number at their end.
            None => {
                sets.entry(stem.trim_end_matches(|c: char| c.is_ascii_digit())).or_default();
            }
        }
    }
    let mut notes = Vec::new();
    for shards in sets.values().filter(|shards| !shards.is_empty()) {
        let count = shards[0].1;
        let indices: BTreeSet<usize> = shards.iter().map(|(index, _)| *index).collect();
        let found = match shards.iter().find(|(index, other)| *other != count || *index > count) {
            Some((index, other)) if *other == count => format!("shard {index} of {count}"),
            Some((_, other)) => format!("shards of {count} and of {other}"),
            None if indices.len() < shards.len() => format!("{} shards of {count}", shards.len()),
            None if indices.len() < count => {
                notes.push(format!("{} of {count} shards are there, and read as the set", indices.len()));
                continue;
            }
            None => continue,
        };
        let expected = "the shards of one set (remove others, or name a file)";
        return Err(Error::input(path.display(), expected, found));
    }
    if sets.len() > 1 {
        let named: Vec<String> = stems.iter().map(|stem| shown(stem)).collect();
        notes.push(format!("files of several names are read as one set: {}", listed(&named)));
    }
    Ok(notes)
}

pub fn ends_in(file: &Path, end: &str) -> bool {
    file.extension().is_some_and(|found| found.eq_ignore_ascii_case(end))
}

/// Visits the files in the folder `root`, and up to three levels below it, by their paths relative to it.
///
/// # Errors
/// For folders that cannot be read.
pub fn walk(root: &Path, visit: &mut dyn FnMut(&Path)) -> Result<()> {
    walk_below(root, Path::new(""), MAX_DEPTH, visit)
}

fn walk_below(root: &Path, below: &Path, depth: usize, visit: &mut dyn FnMut(&Path)) -> Result<()> {
    let dir = if below == Path::new("") { root.to_path_buf() } else { root.join(below) };
    for entry in std::fs::read_dir(&dir).map_err(Error::io(&dir, "read"))? {
        let entry = entry.map_err(Error::io(&dir, "read"))?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let relative = below.join(&name);
        let kind = entry.file_type().map_err(Error::io(&dir, "read"))?;
        let is_dir = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
        if is_dir && depth > 0 {
            walk_below(root, &relative, depth - 1, visit)?;
        } else if !is_dir {
            visit(&relative);
        }
    }
    Ok(())
}

// The name, index and count of NAME-00000-of-00002, behind which there may be a checksum in hexadecimal digits.
fn shard(stem: &str) -> Option<(&str, usize, usize)> {
    let (head, count) = stem.rsplit_once("-of-")?;
    let (name, index) = head.rsplit_once('-')?;
    let (count, sum) = count.split_once('-').unwrap_or((count, "00000000"));
    let is_sum = sum.len() >= 8 && sum.bytes().all(|b| b.is_ascii_hexdigit());
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    is_sum.then_some((name, number(index)?, number(count)?))
}

// The split that a path speaks of: the last word of the file's name that does, else a folder.
fn split_of(file: &Path, wanted: &str) -> Option<String> {
    let stem = file.file_stem()?.to_string_lossy().into_owned();
    let known = |word: &&str| *word == wanted || split::part(word).is_some();
    let plain = |word: &str| if word == wanted { word.to_owned() } else { word.to_lowercase() };
    let sharded = shard(&stem).map(|(name, ..)| name);
    let name = sharded.unwrap_or(&stem);
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let word = std::iter::once(name).chain(words.into_iter().rev()).find(known).map(plain);
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
            ("my-test-train-000001.tar", Some("train")),
            ("holdout-00000-of-00002-a1b2c3d4e5f60718.parquet", Some("holdout")),
            ("my_test_set-train.arrow", Some("train")),
            ("restrain.parquet", None),
            ("x-of-y.parquet", None),
        ] {
            assert_eq!(split_of(Path::new(file), "train").as_deref(), split, "{file}");
        }
        assert_eq!(split_of(Path::new("my-set.parquet"), "my-set").as_deref(), Some("my-set"));
    }

    #[test]
    fn shards_of_a_set_are_complete_and_of_one_version_or_it_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(dir.path().join(name), "").unwrap();
        let found = |wanted: &str| shards(dir.path(), "tar", "a tar archive", wanted);
        put("train-00000-of-00002-0123456789abcdef.tar");
        put("train-00001-of-00002-fedcba9876543210.tar");
        assert_eq!(found("train").unwrap().notes, [""; 0]);
        put("test-00001-of-00003.tar");
        put("test-00002-of-00003.tar");
        assert_eq!(found("test").unwrap().notes, ["2 of 3 shards are there, and read as the set"]);
        put("train-00000-of-00001.tar");
        let text = found("train").unwrap_err().to_string();
        assert!(text.contains("found shards of"), "{text}");
        for stray in ["train-1-of-2.tar", "train-00005-of-00002.tar"] {
            std::fs::remove_file(dir.path().join("train-00000-of-00001.tar")).unwrap();
            put(stray);
            assert!(found("train").is_err(), "{stray}");
            std::fs::rename(dir.path().join(stray), dir.path().join("train-00000-of-00001.tar")).unwrap();
        }
        put("set10-dev-0.tar");
        put("set100-dev-0.tar");
        assert!(found("dev").unwrap().notes[0].contains("set10-dev-0, set100-dev-0"));
        std::fs::remove_file(dir.path().join("set10-dev-0.tar")).unwrap();
        std::fs::remove_file(dir.path().join("set100-dev-0.tar")).unwrap();
        put("val-1.tar");
        put("val-more-2.tar");
        let notes = found("val").unwrap().notes;
        assert!(notes[0].contains("several names are read as one set: val-1, val-more-2"), "{notes:?}");
        // The last word is the split's.
        put("my-test-dev-0.tar");
        assert_eq!(found("dev").unwrap().files, [dir.path().join("my-test-dev-0.tar")]);
        assert_eq!(found("test").unwrap().files.len(), 2);
    }
}
