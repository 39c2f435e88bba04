//! `parquet:PATH`: images in Parquet files, one file or a folder of shards as
//! Hugging Face lays them out.
//!
//! Images: the `bytes` of a group, or of the one group of a list in each row; where these are null, the file
//! that `path` beside them names, from the folder of the Parquet file on; else a column of bytes that begin
//! like an image. Labels: the column
//! that `--labels` names or that has a usual name ([`crate::data::label_column`]), of whole numbers (integers,
//! truth values, floating-point numbers) or of texts ([`crate::data::labels`]). Class names of
//! numbers come from the `huggingface` metadata where it is there, else they are "0", "1", ….

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

use super::{Columns, IMAGE_NAMES, Image, Shard, choose_images, class_names, features, find, guarded};
use crate::data::decode::magic;
use crate::data::label_column::{self, Choice, Holds};
use crate::data::labels::{self, Labels};
use crate::data::{Options, spec};
use crate::disk::extent::DEFLATE_RATIO;
use crate::error::{Error, Result, shown};
use crate::field::ImageSet;

const BATCH: usize = 4096;

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("parquet", "PATH", load).taking(&[spec::Takes::Labels]);

const WHAT: &str = "a Parquet file";

/// Reads the images of one Parquet file, or of the shards in a folder that belong to `options.split`
/// (`find::shards`).
///
/// # Errors
/// No shards of that split, no image or label column or several to choose
/// from, images that are null, labels out of range, damaged files: with file and row.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let found = find::shards(Path::new(arg), "parquet", WHAT, &options.split)?;
    super::load(arg, "parquet", found, |path| Ok(Box::new(Parquet::open(path, options)?)), options)
}

struct Parquet {
    path: PathBuf,
    // Bytes of the file
    size: u64,
    reader: SerializedFileReader<File>,
    image: usize,
    // Of files, where there are no bytes
    path_column: Option<usize>,
    // None where it is not read
    label: Option<usize>,
    columns: Columns,
}

// What rows of a column hold.
enum Values {
    Integers(Vec<i64>),
    Numbers(Vec<f64>),
    Texts(Vec<ByteArray>),
    Truths(Vec<bool>),
}

impl Shard for Parquet {
    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn read_labels(&self, labels: &mut Labels) -> Result<()> {
        guarded(&self.path, WHAT, || self.labels(labels))
    }

    fn read_images(&self, rows: &[usize], images: &mut Vec<Image>) -> Result<()> {
        guarded(&self.path, WHAT, || self.images(rows, images))
    }
}

impl Parquet {
    fn open(path: PathBuf, options: &Options) -> Result<Self> {
        let place = path.display().to_string();
        let file = File::open(&path).map_err(Error::io(&path, "open"))?;
        let len = file.metadata().map_err(Error::io(&path, "read"))?.len();
        guarded(&path, WHAT, || {
            let reader = SerializedFileReader::new(file).map_err(|e| damaged(&place, &e))?;
            check_ranges(reader.metadata(), len, &place)?;
            let columns = reader.metadata().file_metadata().schema_descr().columns();
            let columns: Vec<&ColumnDescriptor> = columns.iter().map(AsRef::as_ref).collect();
            let features = stored_features(reader.metadata());
            let label = options
                .reads_labels()
                .then(|| find_label(&columns, features.as_ref(), &place, options.labels_at.as_deref()))
                .transpose()?;
            let image = find_image(&reader, &columns, &place)?;
            let path_column = path_beside(&columns, image);
            let label_column = label.as_ref().map(|choice| choice.place);
            for column in [Some(image), path_column, label_column].into_iter().flatten() {
                check_sizes(reader.metadata(), column, len, &place)?;
            }
            let name = |column: usize| columns[column].path().string();
            Ok(Self {
                path: path.clone(),
                size: len,
                image,
                path_column,
                label: label_column,
                columns: Columns::new(
                    name(image),
                    label.map(|choice| (name(choice.place), choice)),
                    features.as_ref(),
                ),
                reader,
            })
        })
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn labels(&self, labels: &mut Labels) -> Result<()> {
        let Some(label_column) = self.label else {
            for group in 0..self.reader.num_row_groups() {
                (0..self.rows_of(group)?).for_each(|_| labels.number(0));
            }
            return Ok(());
        };
        let mut row = 0;
        for group in 0..self.reader.num_row_groups() {
            let (mut column, rows) = self.column(group, label_column)?;
            let mut left = rows;
            while left > 0 {
                let (values, valid) = self.values(label_column, &mut column, left.min(BATCH))?;
                if valid.is_empty() {
                    return Err(self.short(group, rows, rows - left));
                }
                let mut at = 0;
                for (k, valid) in valid.iter().enumerate() {
                    if !valid {
                        labels.none();
                        continue;
                    }
                    match &values {
                        Values::Integers(values) => labels.number(values[at]),
                        Values::Numbers(values) if values[at].is_nan() => labels.none(),
                        Values::Numbers(values) => {
                            let value = values[at];
                            let wrong = || Error::input(self.row(row + k), "a label, a whole number", value);
                            labels.number(labels::whole(value).ok_or_else(wrong)?);
                        }
                        Values::Truths(values) => labels.text(if values[at] { "true" } else { "false" }),
                        Values::Texts(values) => {
                            let text = std::str::from_utf8(values[at].data()).map_err(|_| {
                                Error::input(self.row(row + k), "a label, text in UTF-8", "other bytes")
                            })?;
                            labels.text(text);
                        }
                    }
                    at += 1;
                }
                left -= valid.len();
                row += valid.len();
            }
        }
        Ok(())
    }

    // Images of `rows` (ascending, counted from the start of the file).
    fn images(&self, rows: &[usize], images: &mut Vec<Image>) -> Result<()> {
        let bytes = self.read_rows(self.image, rows)?;
        let paths = match self.path_column.filter(|_| bytes.contains(&None)) {
            Some(column) => self.read_rows(column, rows)?,
            None => vec![None; rows.len()],
        };
        for ((bytes, path), &row) in bytes.into_iter().zip(paths).zip(rows) {
            let path = path.as_ref().map(ByteArray::data);
            images.push(Image::of_row(&self.path, bytes, path, || self.row(row))?);
        }
        Ok(())
    }

    // Values of `rows` (ascending, counted from the start of the file).
    fn read_rows(&self, index: usize, rows: &[usize]) -> Result<Vec<Option<ByteArray>>> {
        let mut found = Vec::with_capacity(rows.len());
        let mut next = 0;
        let mut start = 0;
        for group in 0..self.reader.num_row_groups() {
            if next == rows.len() {
                break;
            }
            let end = start + self.rows_of(group)?;
            if rows[next] < end {
                let (mut column, in_group) = self.column(group, index)?;
                let mut at = start;
                while next < rows.len() && rows[next] < end {
                    let run = rows[next..].iter().zip(rows[next]..end.min(rows[next] + BATCH));
                    let run = run.take_while(|&(&row, expected)| row == expected).count();
                    let skip = rows[next] - at;
                    let values = self.bytes(index, &mut column, skip, run, rows[next])?;
                    if values.len() != run {
                        return Err(self.short(group, in_group, at + skip + values.len() - start));
                    }
                    found.extend(values);
                    at = rows[next] + run;
                    next += run;
                }
            }
            start = end;
        }
        Ok(found)
    }

    fn rows_of(&self, group: usize) -> Result<usize> {
        let rows = self.reader.metadata().row_group(group).num_rows();
        let place = || format!("{}: row group {group}", self.place());
        // Each row has an image, of more than one byte in the file.
        let found = usize::try_from(rows).ok().filter(|&rows| rows as u64 <= self.size);
        found.ok_or_else(|| {
            Error::input(place(), format!("at most {} rows, one for each byte", self.size), rows)
        })
    }

    fn column(&self, group: usize, column: usize) -> Result<(ColumnReader, usize)> {
        let rows = self.rows_of(group)?;
        let reader = self.reader.get_row_group(group).and_then(|group| group.get_column_reader(column));
        Ok((reader.map_err(|e| damaged(&self.place(), &e))?, rows))
    }

    // Values that are there, and which of the rows have one.
    fn values(&self, index: usize, column: &mut ColumnReader, count: usize) -> Result<(Values, Vec<bool>)> {
        let mut levels = Vec::new();
        // The values of a reader of any type.
        macro_rules! read {
            ($reader:expr) => {{
                let mut values = Vec::new();
                let read = $reader.read_records(count, Some(&mut levels), None, &mut values);
                let (records, ..) = read.map_err(|e| damaged(&self.place(), &e))?;
                (values, self.valid(index, &levels, records))
            }};
        }
        let (values, valid) = match column {
            ColumnReader::Int64ColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Integers(values), valid)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Integers(values.into_iter().map(i64::from).collect()), valid)
            }
            ColumnReader::BoolColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Truths(values), valid)
            }
            ColumnReader::FloatColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Numbers(values.into_iter().map(f64::from).collect()), valid)
            }
            ColumnReader::DoubleColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Numbers(values), valid)
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                let (values, valid) = read!(reader);
                (Values::Texts(values), valid)
            }
            _ => return Err(Error::input(self.place(), "labels, whole numbers or texts", "another type")),
        };
        Ok((values, valid))
    }

    // The next `count` values after `skip` of them; fewer at the end. `row` is
    // the first one's, for errors.
    fn bytes(
        &self,
        index: usize,
        column: &mut ColumnReader,
        skip: usize,
        count: usize,
        row: usize,
    ) -> Result<Vec<Option<ByteArray>>> {
        let ColumnReader::ByteArrayColumnReader(reader) = column else {
            return Err(Error::input(self.place(), "a column of bytes", "another type"));
        };
        let wrong = |e| damaged(&self.place(), &e);
        if skip > 0 && reader.skip_records(skip).map_err(wrong)? != skip {
            return Ok(Vec::new());
        }
        let (mut values, mut levels, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        let (records, ..) =
            reader.read_records(count, Some(&mut levels), Some(&mut repeated), &mut values).map_err(wrong)?;
        // A level of 0 begins a row.
        if let Some(second) = repeated.iter().position(|&level| level > 0) {
            let before = repeated[..second].iter().filter(|&&level| level == 0).count();
            return Err(Error::input(
                self.row(row + before - 1),
                "one image in each row",
                "a list of several",
            ));
        }
        let mut values = values.into_iter();
        let valid = self.valid(index, &levels, records);
        Ok(valid.into_iter().map(|valid| valid.then(|| values.next()).flatten()).collect())
    }

    // Columns that may not be null have no definition levels.
    fn valid(&self, column: usize, levels: &[i16], records: usize) -> Vec<bool> {
        let full = self.reader.metadata().file_metadata().schema_descr().column(column).max_def_level();
        if full == 0 { vec![true; records] } else { levels.iter().map(|&level| level == full).collect() }
    }

    fn short(&self, group: usize, expected: usize, found: usize) -> Error {
        Error::input(format!("{}: row group {group}", self.place()), format!("{expected} rows"), found)
    }
}

// The column chunks must lie within the file: a file cut short, or offsets
// that would make the reader allocate more than there is.
fn check_ranges(metadata: &ParquetMetaData, len: u64, place: &str) -> Result<()> {
    for (group, chunks) in metadata.row_groups().iter().enumerate() {
        for chunk in chunks.columns() {
            let first = chunk.dictionary_page_offset().unwrap_or(i64::MAX).min(chunk.data_page_offset());
            let range = u64::try_from(first).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            let end = range.and_then(|(first, size)| first.checked_add(size));
            let enough = end.is_some_and(|end| end <= len) && chunk.data_page_offset() >= 0;
            if !enough {
                let found = format!("row group {group} reaching beyond it ({len} bytes)");
                return Err(Error::input(place, "columns within the file", found));
            }
        }
    }
    Ok(())
}

// Bytes of a column beside those that its file accounts for.
const BESIDE: u64 = 16 << 20;

// A column of pages that unfold to thousands of times the file would be read as a whole.
fn check_sizes(metadata: &ParquetMetaData, column: usize, len: u64, place: &str) -> Result<()> {
    let sizes = metadata.row_groups().iter().map(|group| group.column(column).uncompressed_size());
    let size = sizes.fold(0u64, |all, size| all.saturating_add(u64::try_from(size).unwrap_or(u64::MAX)));
    let most = len.saturating_mul(DEFLATE_RATIO).saturating_add(BESIDE);
    if size > most {
        let name = metadata.file_metadata().schema_descr().column(column).path().string();
        let expected = format!("at most {most} bytes in the column {} of a file of {len}", shown(&name));
        return Err(Error::input(place, expected, size));
    }
    Ok(())
}

fn damaged(place: &str, error: &parquet::errors::ParquetError) -> Error {
    Error::input(place, "a complete Parquet file", error)
}

fn find_label(
    columns: &[&ColumnDescriptor],
    features: Option<&Value>,
    place: &str,
    said: Option<&str>,
) -> Result<Choice> {
    let column = |column: &&ColumnDescriptor| {
        let name = column.path().string();
        let flat = column.path().parts().len() == 1 && column.max_rep_level() == 0;
        let logical = column.logical_type_ref();
        let converted = column.converted_type();
        let text = matches!(logical, Some(LogicalType::String | LogicalType::Enum))
            || matches!(converted, ConvertedType::UTF8 | ConvertedType::ENUM);
        let holds = match column.physical_type() {
            _ if !flat => Holds::Else,
            Type::INT32 | Type::INT64 if matches!(logical, None | Some(LogicalType::Integer(_))) => {
                Holds::Integers
            }
            Type::BOOLEAN => Holds::Integers,
            Type::FLOAT | Type::DOUBLE => Holds::Numbers,
            Type::BYTE_ARRAY if text => Holds::Texts,
            _ => Holds::Else,
        };
        let classes = features.is_some_and(|features| class_names(features, &name).is_some());
        label_column::Column { name, holds, classes }
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    label_column::choose(place, &columns, said)
}

fn find_image(
    reader: &SerializedFileReader<File>,
    columns: &[&ColumnDescriptor],
    place: &str,
) -> Result<usize> {
    let bytes =
        |i: &usize| columns[*i].physical_type() == Type::BYTE_ARRAY && columns[*i].max_rep_level() == 0;
    let parts = |i: usize| columns[i].path().parts();
    let grouped: Vec<usize> =
        (0..columns.len()).filter(bytes).filter(|&i| parts(i).len() == 2 && parts(i)[1] == "bytes").collect();
    // Groups in lists.
    let listed = |i: &usize| {
        columns[*i].physical_type() == Type::BYTE_ARRAY
            && columns[*i].max_rep_level() == 1
            && parts(*i).last().is_some_and(|part| part == "bytes")
    };
    let listed: Vec<usize> = (0..columns.len()).filter(listed).collect();
    let plain = |i: &usize| {
        parts(*i).len() == 1
            && columns[*i].logical_type_ref().is_none()
            && columns[*i].converted_type() == ConvertedType::NONE
    };
    let mut found = Vec::new();
    for i in (0..columns.len()).filter(bytes).filter(plain) {
        if first_value(reader, i, place)?.is_some_and(|value| magic(value.data()).is_some()) {
            found.push(i);
        }
    }
    let usual = |found: &[usize]| found.iter().any(|&i| IMAGE_NAMES.contains(&parts(i)[0].as_str()));
    let by_name = [&grouped, &found].into_iter().find(|found| usual(found));
    let first = [&grouped, &listed].into_iter().find(|found| !found.is_empty());
    choose(columns, by_name.or(first).unwrap_or(&found), place)
}

// The column of paths in the group of the bytes.
fn path_beside(columns: &[&ColumnDescriptor], image: usize) -> Option<usize> {
    let (last, group) = columns[image].path().parts().split_last()?;
    let is_path = |column: &ColumnDescriptor| {
        let parts = column.path().parts();
        parts.split_last().is_some_and(|(last, rest)| last == "path" && rest == group)
            && column.physical_type() == Type::BYTE_ARRAY
            && column.max_rep_level() == columns[image].max_rep_level()
    };
    let beside = columns.iter().position(|column| is_path(column));
    beside.filter(|_| last == "bytes" && !group.is_empty())
}

fn first_value(reader: &SerializedFileReader<File>, column: usize, place: &str) -> Result<Option<ByteArray>> {
    let mut values = Vec::new();
    if reader.num_row_groups() > 0 {
        let column = reader.get_row_group(0).and_then(|group| group.get_column_reader(column));
        if let ColumnReader::ByteArrayColumnReader(mut reader) = column.map_err(|e| damaged(place, &e))? {
            // The first that is not null.
            while values.is_empty() {
                let read = reader.read_records(1, Some(&mut Vec::new()), None, &mut values);
                let (records, ..) = read.map_err(|e| damaged(place, &e))?;
                if records == 0 {
                    break;
                }
            }
        }
    }
    Ok(values.pop())
}

// Which of `found` to take.
fn choose(columns: &[&ColumnDescriptor], found: &[usize], place: &str) -> Result<usize> {
    let describe =
        |column: &&ColumnDescriptor| format!("{} ({})", column.path().string(), column.physical_type());
    let able: Vec<(&str, String)> =
        found.iter().map(|&i| (columns[i].path().parts()[0].as_str(), describe(&columns[i]))).collect();
    let all: Vec<String> = columns.iter().map(describe).collect();
    choose_images(place, &able, &all).map(|at| found[at])
}

fn stored_features(metadata: &ParquetMetaData) -> Option<Value> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    features(pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_ref()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use parquet::data_type::{BoolType, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use proptest::prelude::*;
    use std::fs;
    use std::sync::Arc;

    const HF: &[u8] = include_bytes!("../testdata/hf.parquet");

    // A PNG, 2 high and 3 wide, of one grey value.
    fn png(value: u8) -> Vec<u8> {
        crate::data::testing::png(2, 3, value)
    }

    enum Column {
        // Values, and the definition levels of columns that may be null.
        Bytes(Vec<Vec<u8>>, Option<Vec<i16>>),
        Integers(Vec<i64>, Option<Vec<i16>>),
        Truths(Vec<bool>),
        Numbers(Vec<f64>),
    }

    fn write(path: &Path, schema: &str, groups: Vec<Vec<Column>>) {
        write_as(path, schema, groups, parquet::basic::Compression::UNCOMPRESSED);
    }

    fn write_as(path: &Path, schema: &str, groups: Vec<Vec<Column>>, as_: parquet::basic::Compression) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(as_).build());
        let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        for columns in groups {
            let mut group = writer.next_row_group().unwrap();
            for column in columns {
                let mut out = group.next_column().unwrap().unwrap();
                match column {
                    Column::Bytes(values, levels) => {
                        let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                        out.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None).unwrap();
                    }
                    Column::Truths(values) => {
                        out.typed::<BoolType>().write_batch(&values, None, None).unwrap();
                    }
                    Column::Numbers(values) => {
                        out.typed::<DoubleType>().write_batch(&values, None, None).unwrap();
                    }
                    Column::Integers(values, levels) => {
                        out.typed::<Int64Type>().write_batch(&values, levels.as_deref(), None).unwrap();
                    }
                }
                out.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
    }

    const PLAIN: &str = "message m { required binary picture; required int64 label; }";

    // Rows with picture value `first + i` and label i mod 3.
    fn plain_group(first: u8, rows: u8) -> Vec<Column> {
        let images = (0..rows).map(|i| png(first + i)).collect();
        let labels = (0..rows).map(|i| i64::from((first + i) % 3)).collect();
        vec![Column::Bytes(images, None), Column::Integers(labels, None)]
    }

    fn values(set: &ImageSet) -> Vec<u8> {
        set.images.outer_iter().map(|image| (image[[0, 1, 2]] * 255.0).round() as u8).collect()
    }

    fn try_load(path: &Path, options: &Options) -> Result<ImageSet> {
        load(path.to_str().unwrap(), options)
    }

    fn refusal(path: &Path) -> String {
        try_load(path, &Options::default()).expect_err("must be refused").to_string()
    }

    fn one_file(schema: &str, groups: Vec<Vec<Column>>) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        write(&path, schema, groups);
        (dir, path)
    }

    #[test]
    fn hugging_face_layout_with_class_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        fs::write(&path, HF).unwrap();
        let set = try_load(&path, &Options::default()).unwrap();
        assert_eq!(set.images.dim(), (3, 3, 8, 16));
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!((labels.as_slice(), names.join(" ")), (&[0, 1, 1][..], "cat dog".to_owned()));
        assert_eq!(set.source.decoder.as_deref(), Some("zune-jpeg 0.5.15"));
    }

    #[test]
    fn rows_are_chosen_across_row_groups() {
        let (_dir, path) = one_file(PLAIN, vec![plain_group(0, 5), plain_group(5, 1), plain_group(6, 7)]);
        assert_eq!(values(&try_load(&path, &Options::default()).unwrap()), (0..13).collect::<Vec<u8>>());
        let pick = Options { classes: vec!["2".into(), "1".into()], ..Options::default() };
        let set = try_load(&path, &pick).unwrap();
        assert_eq!(values(&set), [1, 2, 4, 5, 7, 8, 10, 11]);
        let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
        assert_eq!(labels, &[1, 0, 1, 0, 1, 0, 1, 0]);
        let set = try_load(&path, &Options { limit: Some(6), ..pick.clone() }).unwrap();
        assert_eq!(values(&set), [1, 2, 4, 5, 7, 8]);
        let set = try_load(&path, &Options { limit_per_class: Some(1), ..pick }).unwrap();
        assert_eq!(values(&set), [1, 2]);
    }

    #[test]
    fn images_without_labels_need_no_column_for_them() {
        let schema = "message m { required binary picture; }";
        let group = |first: u8| vec![Column::Bytes((first..first + 3).map(png).collect(), None)];
        let (_dir, path) = one_file(schema, vec![group(0), group(3)]);
        assert!(refusal(&path).contains("labels"));
        let bare = Options { labels: false, limit: Some(5), ..Options::default() };
        assert_eq!(values(&try_load(&path, &bare).unwrap()), [0, 1, 2, 3, 4]);
        // Labels that stand for none are not read, unless samples are chosen by them.
        let none = vec![Column::Bytes(vec![png(1), png(2)], None), Column::Integers(vec![-1, -1], None)];
        let (_dir, path) = one_file(PLAIN, vec![none]);
        assert!(refusal(&path).contains("expected labels, found none: null or -1 for all 2 images"));
        assert_eq!(values(&try_load(&path, &bare).unwrap()), [1, 2]);
        let chosen = Options { classes: vec!["0".into()], ..bare };
        assert!(try_load(&path, &chosen).is_err());
    }

    #[test]
    fn only_the_chosen_images_are_decoded() {
        let group = |broken: Vec<u8>| {
            vec![Column::Bytes(vec![png(1), png(2), broken], None), Column::Integers(vec![0, 1, 2], None)]
        };
        let (_dir, path) = one_file(PLAIN, vec![group(b"\x89PNG broken".to_vec())]);
        let text = refusal(&path);
        assert!(text.contains("row 2"), "{text}");
        assert_eq!(try_load(&path, &Options { limit: Some(2), ..Options::default() }).unwrap().len(), 2);
        let skip = Options { skip_bad: true, ..Options::default() };
        assert_eq!(try_load(&path, &skip).unwrap().source.told.skipped, 1);
    }

    #[test]
    fn shards_are_chosen_by_split() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, first: u8| write(&dir.path().join(name), PLAIN, vec![plain_group(first, 3)]);
        put("data/train-00000-of-00002.parquet", 0);
        put("data/train-00001-of-00002.parquet", 3);
        put("data/test-00000-of-00001.parquet", 6);
        put("data/extra-00000-of-00001.parquet", 9);
        let of = |split: &str| try_load(dir.path(), &Options { split: split.into(), ..Options::default() });
        assert_eq!(values(&of("train").unwrap()), [0, 1, 2, 3, 4, 5]);
        assert_eq!(of("train").unwrap().source.split.as_deref(), Some("train"));
        assert_eq!(values(&of("test").unwrap()), [6, 7, 8]);
        assert_eq!(values(&of("extra").unwrap()), [9, 10, 11]);
        let text = of("val").unwrap_err().to_string();
        assert!(text.contains("'val'") && text.contains("extra, test, train"), "{text}");
        // One file is read whatever it is called.
        let file = dir.path().join("data/test-00000-of-00001.parquet");
        let set = try_load(&file, &Options::default()).unwrap();
        assert_eq!((values(&set), set.source.split), (vec![6, 7, 8], None));
        put("other/train-00000-of-00001.parquet", 12);
        assert!(refusal(dir.path()).contains("one folder"));

        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, first: u8| write(&dir.path().join(name), PLAIN, vec![plain_group(first, 3)]);
        put("train/0000.parquet", 0);
        put("test/0000.parquet", 3);
        assert_eq!(values(&try_load(dir.path(), &Options::default()).unwrap()), [0, 1, 2]);

        let dir = tempfile::tempdir().unwrap();
        assert!(refusal(dir.path()).contains("folder of them"));
        assert!(refusal(&dir.path().join("absent")).contains("absent"));
        let put = |name: &str, first: u8| write(&dir.path().join(name), PLAIN, vec![plain_group(first, 3)]);
        put("b.parquet", 3);
        put("a.parquet", 0);
        assert_eq!(values(&try_load(dir.path(), &Options::default()).unwrap()), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn every_compression_is_read() {
        use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

        for compression in [
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4,
            Compression::LZ4_RAW,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.parquet");
            write_as(&path, PLAIN, vec![plain_group(0, 5)], compression);
            assert_eq!(
                values(&try_load(&path, &Options::default()).unwrap()),
                [0, 1, 2, 3, 4],
                "{compression}"
            );
        }
    }

    #[test]
    fn splits_that_mean_the_same_are_found_unless_there_are_several() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, first: u8| write(&dir.path().join(name), PLAIN, vec![plain_group(first, 3)]);
        put("train.parquet", 0);
        put("Valid.parquet", 3);
        put("extra.parquet", 6);
        let of = |split: &str| try_load(dir.path(), &Options { split: split.into(), ..Options::default() });
        assert_eq!(values(&of("validation").unwrap()), [3, 4, 5]);
        assert_eq!(values(&of("val").unwrap()), [3, 4, 5]);
        assert!(of("test").is_err());
        put("dev.parquet", 9);
        assert_eq!(values(&of("dev").unwrap()), [9, 10, 11]);
        let text = of("validation").unwrap_err().to_string();
        assert!(text.contains("under one name") && text.contains("valid, dev"), "{text}");
    }

    #[test]
    fn columns_are_found_by_type() {
        let grouped = "message m { required int64 id; required binary note; required int64 fine_label;
            optional group thing { optional binary bytes; optional binary path (UTF8); } required int64 coarse_label; }";
        let group = || {
            vec![
                Column::Integers(vec![7, 8], None),
                Column::Bytes(vec![b"x".to_vec(), b"y".to_vec()], None),
                Column::Integers(vec![0, 1], None),
                Column::Bytes(vec![png(1), png(2)], Some(vec![2, 2])),
                Column::Bytes(vec![], Some(vec![1, 1])),
                Column::Integers(vec![5, 5], None),
            ]
        };
        let (_dir, path) = one_file(grouped, vec![group()]);
        let set = try_load(&path, &Options::default()).unwrap();
        assert_eq!(values(&set), [1, 2]);
        let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
        assert_eq!(labels, &[0, 1]);

        let text = |schema: &str, columns: Vec<Column>| refusal(&one_file(schema, vec![columns]).1);
        let two = || Column::Bytes(vec![png(1), png(2)], None);
        let ints = || Column::Integers(vec![0, 1], None);
        let found = text(
            "message m { required binary a; required int64 b; required int64 c; }",
            vec![two(), ints(), ints()],
        );
        assert!(found.contains("one column of labels") && found.contains("found b, c"), "{found}");
        let found = text(
            "message m { required binary a; required binary b; required int64 c; }",
            vec![two(), two(), ints()],
        );
        assert!(found.contains("one image column"), "{found}");
        let notes = || Column::Bytes(vec![b"x".to_vec(), b"y".to_vec()], None);
        let found = text("message m { required binary a; required int64 c; }", vec![notes(), ints()]);
        assert!(found.contains("an image column") && found.contains("a (BYTE_ARRAY), c (INT64)"), "{found}");
        let found = text("message m { required binary a; }", vec![two()]);
        assert!(found.contains("a column of labels") && found.contains("--labels"), "{found}");
    }

    #[test]
    fn labels_are_those_of_their_column_whatever_it_holds() {
        let of = |schema: &str, labels: Column, said: Option<&str>| {
            let images = Column::Bytes((0..4).map(png).collect(), None);
            // Numbers of images: never labels, whatever the labels are.
            let numbers = Column::Integers(vec![10, 11, 12, 13], None);
            let schema = format!("message m {{ required binary image; required int64 image_id; {schema} }}");
            let (_dir, path) = one_file(&schema, vec![vec![images, numbers, labels]]);
            let options = Options { labels_at: said.map(str::to_owned), ..Options::default() };
            try_load(&path, &options).map(|set| {
                let Targets::Classes { labels, names } = set.targets else { panic!("classes") };
                (labels, names.join(" "), set.source.told.notes)
            })
        };
        let texts = || Column::Bytes(["dog", "cat", "dog", "ox"].map(|t| t.into()).to_vec(), None);
        let (labels, names, notes) = of("required binary label (UTF8);", texts(), None).unwrap();
        assert_eq!((labels, names.as_str()), (vec![1, 0, 1, 2], "cat dog ox"));
        assert!(notes[0].contains("sorted names: cat, dog, ox"), "{notes:?}");
        let (labels, names, _) =
            of("required boolean label;", Column::Truths(vec![true, false, true, true]), None).unwrap();
        assert_eq!((labels, names.as_str()), (vec![1, 0, 1, 1], "false true"));
        let (labels, names, notes) =
            of("required double label;", Column::Numbers(vec![1.0, 2.0, 1.0, 2.0]), None).unwrap();
        assert_eq!((labels, names.as_str()), (vec![0, 1, 0, 1], "1 2"));
        assert!(notes[0].contains("1 of 3 classes without samples: 0"), "{notes:?}");
        let text = of("required double label;", Column::Numbers(vec![1.0, 2.5, 1.0, 2.0]), None).unwrap_err();
        assert!(text.to_string().contains("row 1: expected a label, a whole number, found 2.5"), "{text}");

        // Another name: said, or the only one of whole numbers that repeat.
        let kinds = || Column::Integers(vec![0, 1, 0, 1], None);
        assert_eq!(of("required int64 kind;", kinds(), Some("kind")).unwrap().0, [0, 1, 0, 1]);
        let text = of("required int64 kind;", kinds(), None).unwrap_err().to_string();
        assert!(text.contains("found image_id, kind"), "{text}");
        let text = of("required binary caption (UTF8);", texts(), None).unwrap_err().to_string();
        assert!(text.contains("image_id, whose numbers do not repeat"), "{text}");
        assert_eq!(of("required binary caption (UTF8);", texts(), Some("caption")).unwrap().1, "cat dog ox");
        let text = of("required int64 kind;", kinds(), Some("kin")).unwrap_err().to_string();
        assert!(text.contains("a column kin (--labels)") && text.contains("image_id"), "{text}");
        let text = of("required int64 kind;", kinds(), Some("image")).unwrap_err().to_string();
        assert!(text.contains("neither"), "{text}");
    }

    #[test]
    fn nulls_and_labels_out_of_range_are_named_by_row() {
        let schema = "message m { optional binary image; optional int64 label; }";
        let group = |images: Vec<i16>, labels: Vec<i16>, values: Vec<i64>| {
            let count = images.iter().filter(|&&level| level == 1).count();
            vec![Column::Bytes(vec![png(1); count], Some(images)), Column::Integers(values, Some(labels))]
        };
        let text = |groups| refusal(&one_file(schema, groups).1);
        let fine = || group(vec![1, 1], vec![1, 1], vec![0, 1]);
        let found = text(vec![fine(), group(vec![1, 0], vec![1, 1], vec![0, 1])]);
        assert!(
            found.contains("row 3: expected the bytes of an image") && found.ends_with("found null"),
            "{found}"
        );
        // Images without a label are left out, and it is said.
        for second in [group(vec![1, 1], vec![0, 1], vec![1]), group(vec![1, 1], vec![1, 1], vec![-1, 1])] {
            let (_dir, path) = one_file(schema, vec![fine(), second]);
            let set = try_load(&path, &Options::default()).unwrap();
            let Targets::Classes { labels, .. } = &set.targets else { panic!("classes") };
            assert_eq!(labels, &[0, 1, 1]);
            assert!(set.source.told.notes[0].starts_with("1 of 4 images without a label"));
        }
        let found = text(vec![fine(), group(vec![1, 1], vec![1, 1], vec![0, -2])]);
        assert!(found.contains("row 3") && found.contains("found -2"), "{found}");
        let found = text(vec![fine(), group(vec![1, 1], vec![1, 1], vec![1 << 40, 1])]);
        assert!(found.contains("row 2"), "{found}");
        // A null that is not chosen does no harm.
        let (_dir, path) = one_file(schema, vec![fine(), group(vec![1, 0], vec![1, 1], vec![0, 1])]);
        assert_eq!(try_load(&path, &Options { limit: Some(3), ..Options::default() }).unwrap().len(), 3);
    }

    #[test]
    fn columns_that_unfold_to_far_more_than_the_file_are_refused() {
        use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

        let images = || Column::Bytes(vec![png(1), vec![0; 96 << 20]], None);
        for as_ in [
            Compression::BROTLI(BrotliLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
            Compression::GZIP(GzipLevel::default()),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("bomb.parquet");
            write_as(&path, PLAIN, vec![vec![images(), Column::Integers(vec![0, 1], None)]], as_);
            let len = fs::metadata(&path).unwrap().len();
            // Deflate itself packs no more.
            let refused = !matches!(as_, Compression::GZIP(_));
            assert_eq!(refusal(&path).contains(&format!("of a file of {len}")), refused, "{as_}, {len}");
        }
    }

    #[test]
    fn truncated_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.parquet");
        for len in [0, 3, 4, 8, 100, HF.len() / 2, HF.len() - 1] {
            fs::write(&path, &HF[..len]).unwrap();
            assert!(refusal(&path).contains("cut.parquet"));
        }
        // The footer is whole, but the pages before it are gone.
        fs::write(&path, [&HF[..4], &HF[1500..]].concat()).unwrap();
        refusal(&path);
    }

    // 10,000 test images of CIFAR-10, where they are at hand.
    #[test]
    fn the_test_images_of_cifar10() {
        let shared = std::env::var("DOMFREQ_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").to_owned());
        let path = Path::new(&shared).join("data/cifar10");
        if !path.is_dir() {
            println!("skipped: {} is not there", path.display());
            return;
        }
        let options = Options { split: "test".into(), grey: true, ..Options::default() };
        let set = try_load(&path, &options).unwrap();
        assert_eq!(set.images.dim(), (10_000, 1, 32, 32));
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        assert_eq!(names.len(), 10);
        let mut counts = [0; 10];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        assert_eq!(counts, [1000; 10]);
        let mean = set.images.mean().unwrap();
        assert!((0.46..0.49).contains(&mean), "CIFAR-10 has a mean of about 0.473: {mean}");
    }

    proptest! {
        #[test]
        fn damaged_files_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            in_footer: bool,
            random in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = HF.to_vec();
            for (at, value) in changes {
                let at = if in_footer { HF.len() - 1 - at.index(HF.len() / 2) } else { at.index(HF.len()) };
                bytes[at] = value;
            }
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("fuzz.parquet");
            for bytes in [&bytes, &[&b"PAR1"[..], &random, b"PAR1"].concat()] {
                fs::write(&path, bytes).unwrap();
                if let Ok(set) = try_load(&path, &Options::default()) {
                    prop_assert_eq!(set.len(), set.targets.len());
                }
            }
        }
    }
}
