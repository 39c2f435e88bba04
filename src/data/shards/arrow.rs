//! `arrow:PATH`: images in Arrow files: what `save_to_disk` of Hugging Face's datasets writes, its cache, and Arrow
//! files of others.
//!
//! Columns are those of [`super::parquet`], but for lists of images. Class names of numbers come from the
//! `huggingface` metadata of the schema. A file is a stream of record batches, with or without the footer of
//! Arrow's file format; batches that are compressed are refused.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{DataType, Schema};
use parquet::data_type::ByteArray;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Columns, Found, IMAGE_NAMES, Image, Shard, choose_images, class_names, features, find, guarded, part_of,
    unended,
};
use crate::data::decode::magic;
use crate::data::label_column::{self, Choice, Holds};
use crate::data::labels::{Labels, whole};
use crate::data::{Options, spec, split};
use crate::error::{Error, Result, brief, listed, shown};
use crate::field::ImageSet;

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("arrow", "PATH", load).taking(&[spec::Takes::Labels]);

const WHAT: &str = "an Arrow file";
const COMPLETE: &str = "a complete Arrow file";
const STATE: &str = "state.json";
const PARTS: &str = "dataset_dict.json";
// Of Arrow's file format; the stream follows, padded to 8 bytes.
const FILE_MAGIC: &[u8] = b"ARROW1";
// Of a stream.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
// Descriptions of sets are short.
const MAX_JSON: u64 = 64 << 20;

/// Reads the images of one Arrow file, of a folder that `save_to_disk` wrote (a `Dataset`, or of a `DatasetDict`
/// the split `options.split`), or of the shards in another folder that belong to the split (`find::shards`).
///
/// # Errors
/// No such split, no image or label column or several to choose from, images that are null, labels out of range, compressed or
/// damaged files: with file and row.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let found = find(Path::new(arg), &options.split)?;
    super::load(arg, "arrow", found, |path| Ok(Box::new(Arrow::open(path, options)?)), options)
}

/// Whether `save_to_disk` wrote the folder `dir`.
pub(super) fn is_saved(dir: &Path) -> bool {
    dir.join(PARTS).is_file() || (dir.join(STATE).is_file() && dir.join("dataset_info.json").is_file())
}

#[derive(Deserialize)]
struct Parts {
    splits: Vec<String>,
}

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    files: Vec<DataFile>,
    #[serde(rename = "_split")]
    split: Option<String>,
    // Of old versions: which rows there are, in which order
    #[serde(rename = "_indices_data_files", default)]
    indices: Option<Value>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

fn find(path: &Path, wanted: &str) -> Result<Found> {
    let parts = path.join(PARTS);
    if parts.is_file() {
        let Parts { splits } = json(&parts)?;
        let part = part_of(&splits, wanted)
            .ok_or_else(|| Error::input(parts.display(), format!("the split '{wanted}'"), listed(&splits)))?;
        return Ok(Found { in_parts: true, ..saved(&path.join(plain(&parts, part)?), None)? });
    }
    if path.join(STATE).is_file() {
        return saved(path, Some(wanted));
    }
    find::shards(path, "arrow", WHAT, wanted)
}

// The files of a set in the folder `dir`, which must be of the split `wanted` if it says of which it is.
fn saved(dir: &Path, wanted: Option<&str>) -> Result<Found> {
    let file = dir.join(STATE);
    let state: State = json(&file)?;
    if state.indices.is_some_and(|indices| indices.as_array().is_none_or(|list| !list.is_empty())) {
        let expected = "rows in their own order (flatten_indices before save_to_disk)";
        return Err(Error::input(file.display(), expected, "indices of rows"));
    }
    let mut notes = Vec::new();
    if let (Some(wanted), Some(split)) = (wanted, &state.split)
        && !split::is(split, wanted)
    {
        // As datasets writes parts of a split: "train[:10%]+train[50%:]".
        let name = |part: &str| part.split('[').next().unwrap_or_default().trim().to_owned();
        if !split.split('+').all(|part| split::is(&name(part), wanted)) {
            return Err(Error::input(file.display(), format!("the split '{wanted}'"), shown(split)));
        }
        notes.push(format!("the set is {}, a part of its split", shown(split)));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = state.files.iter().find(|data| !names.insert(data.filename.as_str())) {
        let found = format!("{} twice", shown(&twice.filename));
        return Err(Error::input(file.display(), "each file once", found));
    }
    let files = state.files.iter().map(|data| Ok(dir.join(plain(&file, &data.filename)?)));
    let files = files.collect::<Result<Vec<PathBuf>>>()?;
    Ok(Found { in_parts: state.split.is_some(), files, notes })
}

// A name of something in the folder itself.
fn plain<'n>(place: &Path, name: &'n str) -> Result<&'n str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(std::path::Component::Normal(_)), None) => Ok(name),
        _ => Err(Error::input(place.display(), "names of files in its folder", shown(name))),
    }
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let mut text = String::new();
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    file.take(MAX_JSON).read_to_string(&mut text).map_err(Error::io(path, "read"))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::input(path.display(), "what Hugging Face's datasets say of a set", e))
}

struct Arrow {
    path: PathBuf,
    images: Held,
    // None where it is not read
    labels: Option<usize>,
    columns: Columns,
}

// Where images are: a column of bytes, or of a group the places of bytes and of paths in it.
#[derive(Clone, Copy, Debug)]
enum Held {
    Bytes(usize),
    Group { column: usize, bytes: usize, path: Option<usize> },
}

impl Shard for Arrow {
    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn read_labels(&self, labels: &mut Labels) -> Result<()> {
        self.batches(&mut |start, batch| {
            match self.labels {
                None => (0..batch.num_rows()).for_each(|_| labels.number(0)),
                Some(column) => {
                    let row = |at: usize| self.row(start + at);
                    push_all(batch.column(column), labels, &row)?;
                }
            }
            Ok(true)
        })
    }

    fn read_images(&self, rows: &[usize], images: &mut Vec<Image>) -> Result<()> {
        let mut left = rows;
        self.batches(&mut |start, batch| {
            let end = start + batch.num_rows();
            let (here, rest) = left.split_at(left.partition_point(|&row| row < end));
            left = rest;
            for &row in here {
                let at = row - start;
                let (bytes, path) = match self.images {
                    Held::Bytes(column) => (bytes_at(batch.column(column), at), None),
                    Held::Group { column, bytes, path } => {
                        let group = batch.column(column).as_struct();
                        let here = group.is_valid(at);
                        let text = path.filter(|_| here).and_then(|path| bytes_at(group.column(path), at));
                        (bytes_at(group.column(bytes), at).filter(|_| here), text)
                    }
                };
                // The batch is let go of: what is kept of it is a copy.
                let bytes = bytes.map(|bytes| ByteArray::from(bytes.to_vec()));
                images.push(Image::of_row(&self.path, bytes, path, || self.row(row))?);
            }
            Ok(!left.is_empty())
        })
    }
}

impl Arrow {
    fn open(path: PathBuf, options: &Options) -> Result<Self> {
        let place = path.display().to_string();
        let mut head = None;
        // Up to the first batch: bytes of images are known by how they begin.
        read(&path, &mut |schema, _, batch| {
            head = Some((schema.clone(), batch.cloned()));
            Ok(batch.is_none_or(|batch| batch.num_rows() == 0))
        })?;
        let Some((schema, batch)) = head else { return Err(Error::input(place, WHAT, "no schema")) };
        let stored = schema.metadata.get("huggingface").and_then(|text| features(text));
        let labels = options
            .reads_labels()
            .then(|| choose_labels(&schema, stored.as_ref(), &place, options.labels_at.as_deref()))
            .transpose()?;
        let images = choose(&schema, batch.as_ref(), &place)?;
        let (Held::Bytes(column) | Held::Group { column, .. }) = images;
        let name = |column: usize| schema.field(column).name().clone();
        let mut columns = Columns::new(
            name(column),
            labels.clone().map(|choice| (name(choice.place), choice)),
            stored.as_ref(),
        );
        if !has_end(&path).map_err(Error::io(&path, "read"))? {
            columns.notes.push(unended(&path));
        }
        Ok(Self { path, images, labels: labels.map(|choice| choice.place), columns })
    }

    // The batches of the file, with their first rows.
    fn batches(&self, visit: &mut dyn FnMut(usize, &RecordBatch) -> Result<bool>) -> Result<()> {
        read(&self.path, &mut |_, start, batch| batch.map_or(Ok(true), |batch| visit(start, batch)))
    }
}

// What is done with the schema (no batch), and with each batch from a row on; whether to go on.
type Visit<'v> = dyn FnMut(&Schema, usize, Option<&RecordBatch>) -> Result<bool> + 'v;

// Reads messages one by one: each is known to lie within the file before there is made room for it.
fn read(path: &Path, visit: &mut Visit<'_>) -> Result<()> {
    guarded(path, WHAT, || {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        let len = file.metadata().map_err(Error::io(path, "read"))?.len();
        let wrong = |found: String| Error::input(path.display(), COMPLETE, brief(&found));
        let mut file = BufReader::new(file);
        let mut at = stream_start(&mut file).map_err(Error::io(path, "read"))?;
        let footer = if at > 0 { footer(&mut file).map_err(Error::io(path, "read"))? } else { 0 };
        let (mut decoder, mut told, mut row) = (StreamDecoder::new(), false, 0);
        loop {
            file.seek(SeekFrom::Start(at)).map_err(Error::io(path, "read"))?;
            let found = message(&mut file, at, len).map_err(Error::io(path, "read"))?;
            let (bytes, last) = match found {
                Some((start, 0)) if at + start + footer < len => {
                    let behind = len - at - start - footer;
                    return Err(wrong(format!("{behind} bytes behind the end of its stream")));
                }
                Some((_, 0)) => (END.to_vec(), true),
                // Streams may end without a word.
                None if at == len => (END.to_vec(), true),
                None => return Err(wrong(format!("its end after {len} bytes, within a message"))),
                Some((start, size)) => {
                    let mut bytes = vec![0; (start + size) as usize];
                    file.seek(SeekFrom::Start(at)).map_err(Error::io(path, "read"))?;
                    file.read_exact(&mut bytes).map_err(Error::io(path, "read"))?;
                    let body = arrow_ipc::root_as_message(&bytes[start as usize..]);
                    let body = body.map_err(|e| wrong(e.to_string()))?.bodyLength();
                    let body = u64::try_from(body).unwrap_or(u64::MAX);
                    let end = (at + start + size).checked_add(body).filter(|&end| end <= len);
                    let Some(end) = end else {
                        return Err(wrong(format!("its end after {len} bytes, within a message")));
                    };
                    bytes.resize((end - at) as usize, 0);
                    file.read_exact(&mut bytes[(start + size) as usize..])
                        .map_err(Error::io(path, "read"))?;
                    at = end;
                    (bytes, false)
                }
            };
            // A message without a body is taken in with the next one.
            let mut bytes = Buffer::from(bytes);
            while !bytes.is_empty() {
                let batch = decoder.decode(&mut bytes).map_err(|e| {
                    let why = e.to_string();
                    let packed = why.contains("decompression");
                    let expected = if packed { "an Arrow file without compression" } else { COMPLETE };
                    Error::input(path.display(), expected, brief(&why))
                })?;
                let Some(schema) = decoder.schema() else { continue };
                if !told && !visit(&schema, 0, None)? {
                    return Ok(());
                }
                told = true;
                let Some(batch) = batch else { continue };
                // Each row has an image, of more than one byte in the file.
                if (row + batch.num_rows()) as u64 > len {
                    return Err(wrong(format!("{} rows in {len} bytes", batch.num_rows())));
                }
                if !visit(&schema, row, Some(&batch))? {
                    return Ok(());
                }
                row += batch.num_rows();
            }
            if last {
                return if told { Ok(()) } else { Err(wrong("no schema".to_owned())) };
            }
        }
    })
}

// Whether the file ends as a stream does, or as Arrow's file format.
fn has_end(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let mut last = [0; END.len()];
    file.seek(SeekFrom::End(-(last.len() as i64)))?;
    file.read_exact(&mut last)?;
    Ok(last == END || last.ends_with(FILE_MAGIC))
}

// The bytes behind the stream in Arrow's file format, as the last of them say; 0 where they are others.
fn footer(file: &mut BufReader<File>) -> std::io::Result<u64> {
    let mut last = [0; 4 + FILE_MAGIC.len()];
    file.seek(SeekFrom::End(-(last.len() as i64)))?;
    file.read_exact(&mut last)?;
    let [a, b, c, d, magic @ ..] = last;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    Ok(if magic == *FILE_MAGIC { length.saturating_add(last.len() as u64) } else { 0 })
}

fn stream_start(file: &mut BufReader<File>) -> std::io::Result<u64> {
    let mut start = Vec::new();
    file.by_ref().take(FILE_MAGIC.len() as u64).read_to_end(&mut start)?;
    Ok(if start == FILE_MAGIC { 8 } else { 0 })
}

// Of the message at `at` the bytes before its metadata, and those of it, 0 at the end of the stream; None where the
// file ends before them.
fn message(file: &mut impl Read, at: u64, len: u64) -> std::io::Result<Option<(u64, u64)>> {
    let mut word = || -> std::io::Result<Option<u32>> {
        let mut word = Vec::new();
        file.by_ref().take(4).read_to_end(&mut word)?;
        Ok(<[u8; 4]>::try_from(word).ok().map(u32::from_le_bytes))
    };
    // The length alone, as before version 0.15, or behind a mark.
    let (start, size) = match word()? {
        Some(u32::MAX) => (8, word()?),
        first => (4, first),
    };
    Ok(size.map(u64::from).filter(|size| at + start + size <= len).map(|size| (start, size)))
}

fn bytes_at(column: &ArrayRef, at: usize) -> Option<&[u8]> {
    if column.is_null(at) {
        return None;
    }
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(at)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(at)),
        DataType::Utf8 => Some(column.as_string::<i32>().value(at).as_bytes()),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(at).as_bytes()),
        _ => None,
    }
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary)
}

fn choose(schema: &Schema, batch: Option<&RecordBatch>, place: &str) -> Result<Held> {
    let columns = || schema.fields().iter().enumerate();
    let grouped: Vec<(&str, Held)> = columns()
        .filter_map(|(column, field)| {
            let DataType::Struct(parts) = field.data_type() else { return None };
            let of = |name: &str| parts.iter().position(|part| part.name() == name);
            let bytes = of("bytes").filter(|&at| is_bytes(parts[at].data_type()))?;
            let text = |&at: &usize| matches!(parts[at].data_type(), DataType::Utf8 | DataType::LargeUtf8);
            Some((field.name().as_str(), Held::Group { column, bytes, path: of("path").filter(text) }))
        })
        .collect();
    // The first that is there tells.
    let is_image = |column: usize| {
        let column = batch.map(|batch| batch.column(column));
        let first = column.and_then(|column| (0..column.len()).find_map(|at| bytes_at(column, at)));
        first.is_some_and(|bytes| magic(bytes).is_some())
    };
    let plain: Vec<(&str, Held)> = columns()
        .filter(|(column, field)| is_bytes(field.data_type()) && is_image(*column))
        .map(|(column, field)| (field.name().as_str(), Held::Bytes(column)))
        .collect();
    let usual = |found: &[(&str, Held)]| found.iter().any(|(name, _)| IMAGE_NAMES.contains(name));
    let found = if grouped.is_empty() || (!usual(&grouped) && usual(&plain)) { plain } else { grouped };
    let describe = |name: &str| match schema.field_with_name(name) {
        Ok(field) => format!("{} ({})", shown(name), short(field.data_type())),
        Err(_) => shown(name),
    };
    let able: Vec<(&str, String)> = found.iter().map(|(name, _)| (*name, describe(name))).collect();
    let all: Vec<String> = columns().map(|(_, field)| describe(field.name())).collect();
    choose_images(place, &able, &all).map(|at| found[at].1)
}

// Types with parts in a word.
fn short(kind: &DataType) -> String {
    match kind {
        DataType::Struct(_) => "a group".to_owned(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "a list".to_owned(),
        DataType::Dictionary(_, values) => format!("a dictionary of {values}"),
        other => other.to_string(),
    }
}

fn choose_labels(
    schema: &Schema,
    features: Option<&Value>,
    place: &str,
    said: Option<&str>,
) -> Result<Choice> {
    let holds = |kind: &DataType| match kind {
        DataType::Boolean => Holds::Integers,
        kind if kind.is_integer() => Holds::Integers,
        DataType::Float32 | DataType::Float64 => Holds::Numbers,
        DataType::Utf8 | DataType::LargeUtf8 => Holds::Texts,
        _ => Holds::Else,
    };
    let columns: Vec<label_column::Column> = schema
        .fields()
        .iter()
        .map(|field| label_column::Column {
            name: field.name().clone(),
            holds: match field.data_type() {
                DataType::Dictionary(_, values) => holds(values),
                kind => holds(kind),
            },
            classes: features.is_some_and(|features| class_names(features, field.name()).is_some()),
        })
        .collect();
    label_column::choose(place, &columns, said)
}

// The labels in a column.
fn push_all(column: &ArrayRef, labels: &mut Labels, row: &dyn Fn(usize) -> String) -> Result<()> {
    match column.as_any_dictionary_opt() {
        Some(dictionary) if !dictionary.values().is_empty() => {
            for (at, key) in dictionary.normalized_keys().into_iter().enumerate() {
                match dictionary.is_null(at) {
                    true => labels.none(),
                    false => push(dictionary.values(), key, labels, &|| row(at))?,
                }
            }
            Ok(())
        }
        // Of nothing else than nulls.
        Some(dictionary) => {
            (0..dictionary.len()).for_each(|_| labels.none());
            Ok(())
        }
        None => (0..column.len()).try_for_each(|at| push(column, at, labels, &|| row(at))),
    }
}

// One of them.
fn push(column: &ArrayRef, at: usize, labels: &mut Labels, row: &dyn Fn() -> String) -> Result<()> {
    if column.is_null(at) {
        labels.none();
        return Ok(());
    }
    macro_rules! small {
        ($type:ty) => {
            Ok(i64::from(column.as_primitive::<$type>().value(at)))
        };
    }
    let number = match column.data_type() {
        DataType::Boolean => {
            labels.text(if column.as_boolean().value(at) { "true" } else { "false" });
            return Ok(());
        }
        DataType::Utf8 => {
            labels.text(column.as_string::<i32>().value(at));
            return Ok(());
        }
        DataType::LargeUtf8 => {
            labels.text(column.as_string::<i64>().value(at));
            return Ok(());
        }
        DataType::Int8 => small!(Int8Type),
        DataType::Int16 => small!(Int16Type),
        DataType::Int32 => small!(Int32Type),
        DataType::Int64 => small!(Int64Type),
        DataType::UInt8 => small!(UInt8Type),
        DataType::UInt16 => small!(UInt16Type),
        DataType::UInt32 => small!(UInt32Type),
        DataType::UInt64 => {
            Ok(i64::try_from(column.as_primitive::<UInt64Type>().value(at)).unwrap_or(i64::MAX))
        }
        DataType::Float32 => Err(f64::from(column.as_primitive::<Float32Type>().value(at))),
        DataType::Float64 => Err(column.as_primitive::<Float64Type>().value(at)),
        other => return Err(Error::input(row(), "a label, a whole number or text", short(other))),
    };
    if matches!(number, Err(value) if value.is_nan()) {
        labels.none();
        return Ok(());
    }
    let whole = number.or_else(|value| whole(value).ok_or(value));
    labels.number(whole.map_err(|value| Error::input(row(), "a label, a whole number", value))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use proptest::prelude::*;

    // As `datasets` wrote it: tests/golden/images.
    const SAVED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/images/data/saved");

    fn bytes() -> Vec<u8> {
        std::fs::read(Path::new(SAVED).join("data-00000-of-00001.arrow")).unwrap()
    }

    fn load_bytes(bytes: &[u8]) -> Result<ImageSet> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.arrow");
        std::fs::write(&file, bytes).unwrap();
        load(file.to_str().unwrap(), &Options::default())
    }

    #[test]
    fn files_that_are_cut_are_refused() {
        let bytes = bytes();
        assert_eq!(load_bytes(&bytes).unwrap().len(), 4);
        for len in (0..bytes.len() - 8).step_by(37) {
            let text = load_bytes(&bytes[..len]).expect_err("cut").to_string();
            assert!(text.contains("a.arrow"), "{text}");
        }
        // The end of a stream need not be said, but where it is not there may have been more.
        let set = load_bytes(&bytes[..bytes.len() - 8]).unwrap();
        assert_eq!(set.len(), 4);
        assert!(set.source.told.notes[0].contains("may have been cut short"));
        let text = load_bytes(&[bytes.clone(), bytes].concat()).expect_err("two").to_string();
        assert!(text.contains("bytes behind the end of its stream"), "{text}");
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/images/data/footer.arrow");
        let footer = std::fs::read(place).unwrap();
        assert_eq!(load_bytes(&footer).unwrap().len(), 4);
        let text = load_bytes(&[footer.clone(), footer].concat()).expect_err("two").to_string();
        assert!(text.contains("bytes behind the end of its stream"), "{text}");
    }

    #[test]
    fn descriptions_name_files_of_their_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = |text: &str| {
            std::fs::write(dir.path().join(STATE), text).unwrap();
            load(dir.path().to_str().unwrap(), &Options::default()).unwrap_err().to_string()
        };
        let text = state(r#"{"_data_files": [{"filename": "../a.arrow"}], "_split": null}"#);
        assert!(
            text.contains("state.json: expected names of files in its folder, found ../a.arrow"),
            "{text}"
        );
        let indices =
            r#"{"_data_files": [], "_split": null, "_indices_data_files": [{"filename": "i.arrow"}]}"#;
        assert!(state(indices).contains("flatten_indices"));
        assert!(state("{").contains("state.json"));
        assert!(state(r#"{"_data_files": [], "_split": "test"}"#).contains("the split 'train', found test"));
        assert!(state(r#"{"_data_files": [], "_split": "train+test"}"#).contains("found train+test"));
        let twice = r#"{"_data_files": [{"filename": "a"}, {"filename": "a"}], "_split": null}"#;
        assert!(state(twice).contains("each file once, found a twice"));
        std::fs::write(dir.path().join("a.arrow"), bytes()).unwrap();
        let part = r#"{"_data_files": [{"filename": "a.arrow"}], "_split": "train[:50%]"}"#;
        std::fs::write(dir.path().join(STATE), part).unwrap();
        let set = load(dir.path().to_str().unwrap(), &Options::default()).unwrap();
        assert_eq!(set.source.told.notes, ["the set is train[:50%], a part of its split"]);
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
            shorten: bool,
        ) {
            let mut bytes = bytes();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if shorten {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(set) = load_bytes(&bytes) {
                let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
                prop_assert_eq!(set.len(), labels.len());
            }
        }
    }
}
