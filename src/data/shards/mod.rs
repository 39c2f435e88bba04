//! Sets in one file or in a folder of shards, whose samples are rows: what is the same in every format.
//!
//! The labels are read first, and of the images only the chosen ones. A new format is a module with a `KIND`
//! and a reader that is a `Shard`.

pub mod arrow;
mod find;
pub mod parquet;
pub mod webdataset;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Once;

use ::parquet::data_type::ByteArray;
use serde_json::Value;

use super::decode::{Item, Payload, decode_all, is_meant};
use super::label_column::Choice;
use super::labels::Labels;
use super::select::without_lost;
use super::spec::Kind;
use super::{Options, cifar, split};
use crate::error::{Error, Result, listed, shown};
use crate::field::ImageSet;
use find::Found;

// Images in one directory that are no pictures of a set's documentation.
const MANY: usize = 20;

/// Usual names of the column of images.
const IMAGE_NAMES: [&str; 4] = ["image", "img", "images", "picture"];

/// What a file says of its columns.
#[derive(Clone, Debug, Default)]
struct Columns {
    images: String,
    // None where labels are not read
    labels: Option<String>,
    // Whether nothing but its type speaks for the column of labels: its numbers must look like those of classes
    guessed: bool,
    // What is to be known of the choice of the column of labels, in every file the same
    choice: Option<String>,
    // What is to be known of this file
    notes: Vec<String>,
    // Names of the classes, where the file has them
    names: Option<Vec<String>>,
    // What else is in the file, by kind
    aside: BTreeMap<String, usize>,
}

impl Columns {
    fn new(images: String, labels: Option<(String, Choice)>, features: Option<&Value>) -> Self {
        let Some((name, choice)) = labels else { return Self { images, ..Self::default() } };
        let names = features.and_then(|features| class_names(features, &name));
        let Choice { guessed, note, .. } = choice;
        Self { images, labels: Some(name), guessed, choice: note, names, ..Self::default() }
    }

    fn all(&self) -> String {
        std::iter::once(&self.images).chain(&self.labels).cloned().collect::<Vec<_>>().join(" and ")
    }
}

/// One file of a set.
trait Shard: Sync {
    fn path(&self) -> &Path;

    fn columns(&self) -> &Columns;

    /// Appends the label of each row.
    fn read_labels(&self, labels: &mut Labels) -> Result<()>;

    /// Appends the images of `rows`, which ascend.
    fn read_images(&self, rows: &[usize], images: &mut Vec<Image>) -> Result<()>;

    /// A row, for errors.
    fn row(&self, row: usize) -> String {
        format!("{}: row {row}", self.path().display())
    }
}

/// Where the bytes of an image are.
enum Image {
    Bytes(ByteArray),
    File(PathBuf),
    /// So many bytes of a file, from a place on.
    Part(PathBuf, u64, u64),
}

impl Image {
    fn payload(&self) -> Payload<'_> {
        match self {
            Self::Bytes(bytes) => Payload::Bytes(bytes.data()),
            Self::File(path) => Payload::File(path.clone()),
            Self::Part(path, at, length) => Payload::Part(path, *at, *length),
        }
    }

    /// What a row of the file `table` has: bytes, or the path of a file, which must lie where the table does or
    /// below; `row` names it.
    fn of_row(
        table: &Path,
        bytes: Option<ByteArray>,
        path: Option<&[u8]>,
        row: impl Fn() -> String,
    ) -> Result<Self> {
        let path = match (bytes, path) {
            (Some(bytes), _) => return Ok(Self::Bytes(bytes)),
            (None, Some(path)) => path,
            (None, None) => {
                return Err(Error::input(row(), "the bytes of an image, or the path of a file", "null"));
            }
        };
        let text = String::from_utf8_lossy(path);
        let inside = Path::new(&*text).components().all(|part| matches!(part, Component::Normal(_)));
        let file = table.parent().unwrap_or(Path::new("")).join(&*text);
        if inside && !text.is_empty() && file.is_file() {
            return Ok(Self::File(file));
        }
        let expected = "the bytes of an image, or the path of a file in its folder";
        Err(Error::input(row(), expected, shown(&text)))
    }
}

type Opened = Result<Box<dyn Shard>>;

/// Reads the set in `found` files, each of which `open` opens; `arg` names the set in errors, and `format` in the
/// description.
///
/// # Errors
/// Files with other columns or class names, labels out of range, damaged files: with file and row.
fn load(
    arg: &str,
    format: &str,
    Found { files, in_parts, notes: found }: Found,
    open: impl Fn(PathBuf) -> Opened,
    options: &Options,
) -> Result<ImageSet> {
    let shards = files.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    let [first, others @ ..] = shards.as_slice() else {
        return Err(Error::input(arg, "files", "none"));
    };
    for shard in others {
        let (place, like) = (shard.path().display(), first.path().display());
        if shard.columns().names != first.columns().names {
            return Err(Error::input(place, format!("the class names of {like}"), "others"));
        }
        if shard.columns().all() != first.columns().all() {
            let expected = format!("the same columns of images and labels as {like}");
            return Err(Error::input(place, expected, shard.columns().all()));
        }
    }

    // Sample k is row `starts[s] + row` over all shards.
    let (mut labels, mut starts) = (Labels::default(), Vec::new());
    for shard in &shards {
        starts.push(labels.len());
        shard.read_labels(&mut labels)?;
    }
    let count = labels.len();
    let place = |row: usize| {
        let s = starts.partition_point(|&start| start <= row) - 1;
        shards[s].row(row - starts[s])
    };
    let columns = first.columns();
    let mut notes: Vec<String> = columns.choice.iter().cloned().collect();
    notes.extend(shards.iter().flat_map(|shard| &shard.columns().notes).cloned());
    notes.extend(found);
    if count == 0 {
        return Err(Error::input(arg, "images", "none"));
    }
    let classes = labels.classes(arg, columns.names.clone(), place)?;
    if columns.guessed && !classes.repeat() {
        let column = columns.labels.as_deref().unwrap_or_default();
        let found = format!("{}, whose numbers do not repeat as those of classes do", shown(column));
        let expected = "a column of labels, called label (--labels says which it is)";
        return Err(Error::input(arg, expected, found));
    }
    notes.extend(classes.notes.iter().cloned());
    let selection = classes.select(options)?;

    let mut images: Vec<Image> = Vec::with_capacity(selection.rows.len());
    for (s, shard) in shards.iter().enumerate() {
        let end = starts.get(s + 1).copied().unwrap_or(count);
        let from = selection.rows.partition_point(|&row| row < starts[s]);
        let to = selection.rows.partition_point(|&row| row < end);
        let rows: Vec<usize> = selection.rows[from..to].iter().map(|row| row - starts[s]).collect();
        shard.read_images(&rows, &mut images)?;
    }
    let items = images.iter().zip(&selection.labels);
    let items: Vec<Item<'_>> =
        items.map(|(image, &label)| Item { label, payload: image.payload() }).collect();
    let of_item = |i: usize| place(selection.rows[i]);
    let files = if shards.len() == 1 { "1 file".to_owned() } else { format!("{} files", shards.len()) };
    let mut set =
        decode_all(&items, selection.names.clone(), format!("{format}, {files}"), of_item, options)?;
    selection.tell(&mut set.source);
    without_lost(&mut set, &selection.labels, options);
    for (kind, count) in shards.iter().flat_map(|shard| &shard.columns().aside) {
        *set.source.told.aside.entry(kind.clone()).or_default() += count;
    }
    set.source.told.notes.extend(notes);
    set.source.split = in_parts.then(|| options.split.clone());
    Ok(set)
}

/// What a folder may be read as, by the files in it and not far below it.
pub(super) struct Guess {
    /// Formats of its shards, but for what lies among images: archives of directories of images, and files in these.
    pub shards: Vec<&'static Kind>,
    /// Whether its images may be the set: they are in several directories, in the folder itself, or many.
    pub images: bool,
}

/// Looks at the folder `dir`.
pub(super) fn guess(dir: &Path) -> Guess {
    if arrow::is_saved(dir) {
        return Guess { shards: vec![&arrow::KIND], images: false };
    }
    let (mut shards, mut holders, mut images) = (Vec::new(), BTreeSet::new(), 0);
    let walked = find::walk(dir, &mut |file| {
        if let Some(kind) = kind_of(file) {
            shards.push((file.to_path_buf(), kind));
        } else if is_meant(file, &[]) {
            images += 1;
            let folder = file.parent().unwrap_or(Path::new(""));
            if !holders.contains(folder) {
                holders.insert(folder.to_path_buf());
            }
        }
    });
    if walked.is_err() {
        return Guess { shards: Vec::new(), images: false };
    }
    let among = |file: &Path| {
        let inside = |holder: &PathBuf| !holder.as_os_str().is_empty() && file.starts_with(holder);
        let packed = file.with_extension("");
        holders.iter().any(|holder| inside(holder) || holder.starts_with(&packed))
    };
    let mut kinds: Vec<&'static Kind> = Vec::new();
    for (_, kind) in shards.iter().filter(|(file, _)| !among(file)) {
        if !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    kinds.sort_by_key(|kind| kind.name);
    Guess { shards: kinds, images: holders.len() > 1 || holders.contains(Path::new("")) || images >= MANY }
}

/// The format of the file `path`, by its name.
pub(super) fn kind_of(path: &Path) -> Option<&'static Kind> {
    if cifar::is_packed(&path.file_name()?.to_string_lossy()) {
        return None;
    }
    let kinds = [("parquet", &parquet::KIND), ("arrow", &arrow::KIND), ("tar", &webdataset::KIND)];
    kinds.into_iter().find(|(end, _)| find::ends_in(path, end)).map(|(_, kind)| kind)
}

thread_local! {
    // Whether a panic on this thread is one that `guarded` makes an error of
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

// Libraries panic on some damaged files: that is an error like any other, found in the file and not in this
// program, and nothing else is said of it.
fn guarded<T>(place: &Path, what: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                others(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(before);
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(Error::input(place.display(), what, format!("damage ({text})")))
    })
}

// What is to be known of a file that can be read to its last byte, where others go on to say so.
fn unended(path: &Path) -> String {
    format!("{} ends without the mark of its end: it may have been cut short", path.display())
}

// What Hugging Face's datasets say of the columns, in the metadata of a table.
fn features(text: &str) -> Option<Value> {
    let mut json: Value = serde_json::from_str(text).ok()?;
    Some(json.get_mut("info")?.get_mut("features")?.take())
}

fn class_names(features: &Value, column: &str) -> Option<Vec<String>> {
    let names = features.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

// Which of the columns of images `found` (names and types) to take: the only one, else the first of the usual
// names; `all` are those of the table.
fn choose_images(place: &str, found: &[(&str, String)], all: &[String]) -> Result<usize> {
    if found.len() == 1 {
        return Ok(0);
    }
    let named = |usual: &&str| found.iter().position(|(name, _)| name == usual);
    if let Some(at) = IMAGE_NAMES.iter().find_map(named) {
        return Ok(at);
    }
    if found.is_empty() {
        return Err(Error::input(place, "an image column", format!("columns {}", listed(all))));
    }
    let several: Vec<&String> = found.iter().map(|(_, described)| described).collect();
    let expected = format!("one image column, or one called {}", IMAGE_NAMES.join(", "));
    Err(Error::input(place, expected, listed(&several)))
}

// The name of the one of `parts` that `wanted` means: the word itself, or else the only one that means the same.
fn part_of<'p>(parts: &'p [String], wanted: &str) -> Option<&'p String> {
    let alike: Vec<&String> = parts.iter().filter(|part| split::is(part, wanted)).collect();
    let only = if let [only] = alike.as_slice() { Some(*only) } else { None };
    parts.iter().find(|part| *part == wanted).or(only)
}
