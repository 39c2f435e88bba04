//! `webdataset:PATH`: images in tar archives, one file or a folder of shards, as WebDataset lays them out.
//!
//! Members whose names are the same up to the first dot are a sample: `0001.jpg` is its image, and its label is in
//! `0001.cls`, or under a key of `0001.json`, or in the member or under the key that `--labels` names
//! ([`crate::data::label_column`]). Hard links are the members that they lead to. Images are read from their place in
//! the archive when they are decoded. Archives must not be compressed; several, one behind the other, are one.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Columns, Image, Shard, find, guarded, unended};
use crate::data::decode::EXTENSIONS;
use crate::data::label_column::{self, Choice, Holds};
use crate::data::labels::{Labels, whole};
use crate::data::{Options, spec};
use crate::error::{Error, Result, brief, listed, shown};
use crate::field::ImageSet;

/// In the registry of sources.
pub const KIND: spec::Kind = spec::Kind::read("webdataset", "PATH", load).taking(&[spec::Takes::Labels]);

const WHAT: &str = "a tar archive";
// Members of each kind that are looked at for what they hold.
const LOOKED_AT: usize = 100;
const BLOCK: u64 = 512;
// A label, or what is said of an image.
const MAX_LABEL: u64 = 1 << 20;

/// Reads the images of one archive, or of the shards in a folder that belong to `options.split`
/// (`find::shards`).
///
/// # Errors
/// No shards of that split, samples with several images, no labels or several to choose from, damaged or compressed
/// archives: with file and sample.
pub fn load(arg: &str, options: &Options) -> Result<ImageSet> {
    let found = find::shards(Path::new(arg), "tar", WHAT, &options.split)?;
    super::load(arg, "webdataset", found, |path| Ok(Box::new(Tar::open(path, options)?)), options)
}

struct Tar {
    path: PathBuf,
    samples: Vec<Sample>,
    label: Option<Label>,
    columns: Columns,
}

// Where the label of each sample is: a member, or a key of the one called json.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    Member(String),
    Key(String),
}

struct Sample {
    key: String,
    image: Member,
    // By what follows the key
    others: BTreeMap<String, Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    at: u64,
    length: u64,
}

impl Shard for Tar {
    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn read_labels(&self, labels: &mut Labels) -> Result<()> {
        let Some(label) = &self.label else {
            self.samples.iter().for_each(|_| labels.number(0));
            return Ok(());
        };
        let mut file = self.file()?;
        for (row, sample) in self.samples.iter().enumerate() {
            match self.label_of(&mut file, sample, label)? {
                Value::Null => labels.none(),
                Value::Bool(truth) => labels.text(&truth.to_string()),
                Value::String(text) => labels.text(&text),
                Value::Number(number) => {
                    let value = number.as_i64().or_else(|| number.as_f64().and_then(whole));
                    let wrong = || Error::input(self.row(row), "a label, a whole number", &number);
                    labels.number(value.ok_or_else(wrong)?);
                }
                other => {
                    let found = if other.is_array() { "a list" } else { "an object" };
                    return Err(Error::input(self.row(row), "a label, a number or text", found));
                }
            }
        }
        Ok(())
    }

    fn read_images(&self, rows: &[usize], images: &mut Vec<Image>) -> Result<()> {
        images.extend(rows.iter().map(|&row| {
            let Member { at, length } = self.samples[row].image;
            Image::Part(self.path.clone(), at, length)
        }));
        Ok(())
    }

    fn row(&self, row: usize) -> String {
        format!("{}: sample {}", self.path.display(), shown(&self.samples[row].key))
    }
}

impl Tar {
    fn open(path: PathBuf, options: &Options) -> Result<Self> {
        let Scanned { samples, aside, ended } = guarded(&path, WHAT, || scan(&path))?;
        let mut tar = Self { path, samples, label: None, columns: Columns::default() };
        let mut chosen = None;
        if options.reads_labels() {
            // Where few do not tell, all are looked at.
            let few = tar.choose(LOOKED_AT, options);
            let (choice, columns, places) = match few {
                Ok(few) if !few.0.guessed => few,
                _ => tar.choose(usize::MAX, options)?,
            };
            tar.label = places.into_iter().nth(choice.place);
            chosen = Some((columns[choice.place].name.clone(), choice));
        }
        tar.columns = Columns { aside, ..Columns::new("images".to_owned(), chosen, None) };
        if !ended {
            tar.columns.notes.push(unended(&tar.path));
        }
        Ok(tar)
    }

    fn file(&self) -> Result<BufReader<File>> {
        Ok(BufReader::new(File::open(&self.path).map_err(Error::io(&self.path, "open"))?))
    }

    // Which of what is beside the images is the label, by `most` members of each kind.
    fn choose(
        &self,
        most: usize,
        options: &Options,
    ) -> Result<(Choice, Vec<label_column::Column>, Vec<Label>)> {
        let place = self.path.display().to_string();
        let (columns, places) = self.candidates(most)?;
        if columns.is_empty() {
            let expected = "labels beside images: KEY.cls, or a key label in KEY.json";
            return Err(Error::input(place, expected, "images alone"));
        }
        Ok((label_column::choose(&place, &columns, options.labels_at.as_deref())?, columns, places))
    }

    // What the samples have beside their images.
    fn candidates(&self, most: usize) -> Result<(Vec<label_column::Column>, Vec<Label>)> {
        let (mut columns, mut places) = (Vec::<label_column::Column>::new(), Vec::<Label>::new());
        let mut add = |label: Label, value: &Value| {
            let (Label::Member(name) | Label::Key(name)) = &label;
            let new = column(name, value);
            match places.iter().position(|known| *known == label) {
                Some(at) if columns[at].holds == Holds::Else => columns[at] = new,
                Some(_) => {}
                None => {
                    columns.push(new);
                    places.push(label);
                }
            }
        };
        let mut file = self.file()?;
        let mut looked: HashMap<&str, usize> = HashMap::new();
        // What cannot be read is no label: it is said where there is nothing else.
        let mut wrong = None;
        for sample in &self.samples {
            for end in sample.others.keys() {
                let looked = looked.entry(end).or_default();
                *looked += 1;
                if *looked > most {
                    continue;
                }
                if end != "json" {
                    let label = Label::Member(end.clone());
                    let value = self.label_of(&mut file, sample, &label);
                    add(label, &value.unwrap_or(Value::Array(Vec::new())));
                    continue;
                }
                match self.object(&mut file, sample) {
                    Ok(Some(Value::Object(keys))) => {
                        keys.into_iter().for_each(|(key, value)| add(Label::Key(key), &value));
                    }
                    Ok(_) => {
                        let place = self.member(sample, end);
                        wrong.get_or_insert(Error::input(place, "a JSON object", "another value"));
                    }
                    Err(error) => {
                        wrong.get_or_insert(error);
                    }
                }
            }
        }
        match wrong {
            Some(wrong) if columns.is_empty() => Err(wrong),
            _ => Ok((columns, places)),
        }
    }

    fn label_of(&self, file: &mut BufReader<File>, sample: &Sample, label: &Label) -> Result<Value> {
        match label {
            Label::Key(key) => Ok(self
                .object(file, sample)?
                .and_then(|mut object| Some(object.get_mut(key)?.take()))
                .unwrap_or(Value::Null)),
            Label::Member(end) => {
                let Some(member) = sample.others.get(end) else { return Ok(Value::Null) };
                let bytes = self.bytes(file, sample, end, *member)?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    Error::input(self.member(sample, end), "a label, text in UTF-8", "other bytes")
                })?;
                let text = text.trim();
                if text.is_empty() {
                    return Ok(Value::Null);
                }
                // Numbers only as such: neither texts in quotes nor lists.
                let number = serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
                Ok(number.unwrap_or_else(|| Value::String(text.to_owned())))
            }
        }
    }

    fn object(&self, file: &mut BufReader<File>, sample: &Sample) -> Result<Option<Value>> {
        let Some(member) = sample.others.get("json") else { return Ok(None) };
        let bytes = self.bytes(file, sample, "json", *member)?;
        let value = serde_json::from_slice(&bytes);
        value.map(Some).map_err(|e| Error::input(self.member(sample, "json"), "JSON", e))
    }

    fn bytes(
        &self,
        file: &mut BufReader<File>,
        sample: &Sample,
        end: &str,
        member: Member,
    ) -> Result<Vec<u8>> {
        let Member { at, length } = member;
        if length > MAX_LABEL {
            let expected = format!("at most {MAX_LABEL} bytes");
            return Err(Error::input(self.member(sample, end), expected, length));
        }
        let mut bytes = vec![0; length as usize];
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Error::io(&self.path, "read"))?;
        Ok(bytes)
    }

    fn member(&self, sample: &Sample, end: &str) -> String {
        format!("{}: {}", self.path.display(), shown(&format!("{}.{end}", sample.key)))
    }
}

fn column(name: &str, value: &Value) -> label_column::Column {
    let holds = match value {
        Value::Bool(_) => Holds::Integers,
        Value::Number(number) if number.is_i64() || number.is_u64() => Holds::Integers,
        Value::Number(_) => Holds::Numbers,
        Value::String(_) => Holds::Texts,
        Value::Null | Value::Array(_) | Value::Object(_) => Holds::Else,
    };
    label_column::Column { name: name.to_owned(), holds, classes: false }
}

// The key of a member, and what follows it; None where nothing does.
fn parts(name: &str) -> Option<(String, String)> {
    let file = name.rfind('/').map_or(0, |at| at + 1);
    let dot = file + name[file..].find('.')?;
    Some((name[..dot].to_owned(), name[dot + 1..].to_lowercase()))
}

struct Scanned {
    // In stored order
    samples: Vec<Sample>,
    // What else there is, by kind
    aside: BTreeMap<String, usize>,
    // Whether the end of the archive is there
    ended: bool,
}

fn scan(path: &Path) -> Result<Scanned> {
    let mut file = File::open(path).map_err(Error::io(path, "open"))?;
    let len = file.metadata().map_err(Error::io(path, "read"))?.len();
    let wrong = |found: String| Error::input(path.display(), WHAT, found);
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(Error::io(path, "read"))?;
    if start == [0x1f, 0x8b] {
        return Err(wrong(
            "a compressed one (gunzip it: images are read from their places in it)".to_owned(),
        ));
    }
    file.rewind().map_err(Error::io(path, "read"))?;
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut samples: Vec<(String, BTreeMap<String, Member>)> = Vec::new();
    let mut aside = BTreeMap::new();
    let mut end = 0;
    let mut archive = tar::Archive::new(file);
    // Archives that were put together one behind the other: each has its end.
    archive.set_ignore_zeros(true);
    let broken = |e: std::io::Error| wrong(brief(&e.to_string()));
    for entry in archive.entries_with_seek().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let mut member = Member { at: entry.raw_file_position(), length: entry.size() };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        // Links and directories have no bytes of their own, whatever they say.
        let length = if kind.is_file() || kind.is_contiguous() { member.length } else { 0 };
        let after = member.at.checked_add(length).filter(|&after| after <= len);
        end = after.ok_or_else(|| wrong(format!("{} beyond its end", shown(&name))))?.next_multiple_of(BLOCK);
        if kind.is_hard_link() {
            let to = entry.link_name_bytes().map(|to| String::from_utf8_lossy(&to).into_owned());
            let linked = to
                .as_deref()
                .and_then(parts)
                .and_then(|(key, end)| places.get(&key).and_then(|&at| samples[at].1.get(&end)));
            let Some(linked) = linked else {
                *aside.entry("links".to_owned()).or_default() += 1;
                continue;
            };
            member = *linked;
        } else if kind.is_dir() || name.ends_with('/') || kind.is_pax_global_extensions() {
            continue;
        } else if !kind.is_file() && !kind.is_contiguous() {
            let what = if kind.is_symlink() { "links" } else { "members that are no files" };
            *aside.entry(what.to_owned()).or_default() += 1;
            continue;
        }
        if name.rsplit('/').next().is_some_and(|file| file.starts_with('.')) {
            continue;
        }
        let Some((key, end)) = parts(&name) else {
            *aside.entry("other files".to_owned()).or_default() += 1;
            continue;
        };
        let at = *places.entry(key.clone()).or_insert(samples.len());
        if at == samples.len() {
            samples.push((key, BTreeMap::new()));
        }
        if samples[at].1.insert(end, member).is_some() {
            return Err(wrong(format!("{} twice", shown(&name))));
        }
    }
    let mut complete = Vec::with_capacity(samples.len());
    for (key, mut others) in samples {
        let images: Vec<String> =
            others.keys().filter(|end| EXTENSIONS.contains(&end.as_str())).cloned().collect();
        match images.as_slice() {
            [only] => {
                let image = others.remove(only).expect("it is one of them");
                complete.push(Sample { key, image, others });
            }
            [] => {
                for end in others.keys() {
                    *aside.entry(format!(".{} without an image", shown(end))).or_default() += 1;
                }
            }
            several => {
                let several: Vec<String> = several.iter().map(|end| format!("{key}.{end}")).collect();
                return Err(wrong(format!("{}, which are several images of one sample", listed(&several))));
            }
        }
    }
    if complete.is_empty() {
        let ends: Vec<String> = aside.keys().cloned().collect();
        let found = if ends.is_empty() { "none".to_owned() } else { format!("none, but {}", listed(&ends)) };
        return Err(Error::input(path.display(), "images, such as KEY.jpg beside KEY.cls", found));
    }
    Ok(Scanned { samples: complete, aside, ended: len >= end + BLOCK })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Targets;
    use proptest::prelude::*;

    fn png(value: u8) -> Vec<u8> {
        crate::data::testing::png(2, 3, value)
    }

    fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8], options: &Options) -> Result<ImageSet> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar");
        std::fs::write(&file, bytes).unwrap();
        load(file.to_str().unwrap(), options)
    }

    fn of(members: &[(&str, Vec<u8>)]) -> Result<ImageSet> {
        read(&archive(members), &Options::default())
    }

    fn classes(set: &ImageSet) -> Vec<&str> {
        let Targets::Classes { labels, names } = &set.targets else { panic!("classes") };
        labels.iter().map(|&label| names[label as usize].as_str()).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn samples_are_members_of_one_name() {
        let set = of(&[
            ("a/0.cls", text("1\n")),
            ("a/0.png", png(10)),
            ("a/0.txt", text("a caption")),
            ("a/1.seg.png", png(99)),
            ("a/1.PNG", png(20)),
            ("a/1.cls", text("0")),
            ("b/0.jpg", png(30)),
            ("a/._0.png", text("x")),
            ("LICENSE", text("x")),
            ("list.csv", text("x")),
        ])
        .unwrap();
        let values: Vec<f32> =
            set.images.outer_iter().map(|image| (image[[0, 0, 0]] * 255.0).round()).collect();
        // The last sample has no label.
        assert_eq!((values, classes(&set)), (vec![10.0, 20.0], vec!["1", "0"]));
        assert!(set.source.told.notes[0].starts_with("1 of 3 images without a label"));
        let aside: Vec<(&str, usize)> = set.source.told.aside.iter().map(|(k, n)| (k.as_str(), *n)).collect();
        assert_eq!(aside, [(".csv without an image", 1), ("other files", 1)]);
    }

    #[test]
    fn labels_are_members_or_keys() {
        let json = |label: &str| text(&format!("{{\"label\": {label}, \"width\": 3}}"));
        let two = |first: &str, second: &str| {
            of(&[("0.png", png(1)), ("0.json", json(first)), ("1.png", png(2)), ("1.json", json(second))])
        };
        assert_eq!(classes(&two("3", "1").unwrap()), ["3", "1"]);
        assert_eq!(classes(&two("2.0", "1").unwrap()), ["2", "1"]);
        assert_eq!(classes(&two("\"dog\"", "\"cat\"").unwrap()), ["dog", "cat"]);
        assert_eq!(classes(&two("true", "false").unwrap()), ["true", "false"]);
        // The first that is not null says what they are, however late it comes.
        let found = two("null", "1").unwrap_err().to_string();
        assert!(found.contains("at least 2 classes"), "{found}");
        let found = two("null", "null").unwrap_err().to_string();
        assert!(found.contains("label, which holds neither"), "{found}");
        let names: Vec<[String; 2]> = (0..130).map(|i| [format!("{i}.png"), format!("{i}.json")]).collect();
        let late: Vec<(&str, Vec<u8>)> = names
            .iter()
            .enumerate()
            .flat_map(|(i, [image, told])| {
                let told_of = if i < 120 { text(r#"{"width": 3}"#) } else { json(&(i % 2).to_string()) };
                [(image.as_str(), png(1)), (told.as_str(), told_of)]
            })
            .collect();
        assert_eq!(of(&late).unwrap().len(), 10);
        let broken = [("0.png", png(1)), ("0.json", text("NaN"))];
        assert!(of(&broken).unwrap_err().to_string().contains("0.json: expected JSON"));
        assert!(two("[1]", "[2]").unwrap_err().to_string().contains("label, which holds neither"));
        assert!(
            two("0.5", "1").unwrap_err().to_string().contains("sample 0: expected a label, a whole number")
        );
        assert!(two("1", "\"a\"").unwrap_err().to_string().contains("numbers and texts"));
        let members = [
            ("0.png", png(1)),
            ("0.txt", text("dog")),
            ("0.index", text("7")),
            ("1.png", png(2)),
            ("1.txt", text("cat")),
            ("1.index", text("8")),
        ];
        // Numbers of images are not taken for labels, and captions only where they are named.
        let found = of(&members).unwrap_err().to_string();
        assert!(found.contains("index, whose numbers do not repeat"), "{found}");
        let said = Options { labels_at: Some("txt".to_owned()), ..Options::default() };
        assert_eq!(classes(&read(&archive(&members), &said).unwrap()), ["dog", "cat"]);
        let bare = Options { labels: false, ..Options::default() };
        assert_eq!(read(&archive(&members), &bare).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let refusal = |members: &[(&str, Vec<u8>)]| of(members).unwrap_err().to_string();
        let found = refusal(&[("0.png", png(1)), ("0.jpg", png(1)), ("0.cls", text("1"))]);
        assert!(found.contains("0.jpg, 0.png, which are several images"), "{found}");
        assert!(refusal(&[("0.png", png(1)), ("0.png", png(2))]).contains("0.png twice"));
        assert!(refusal(&[("0.cls", text("1"))]).contains("found none, but .cls without an image"));
        let large = vec![b'1'; MAX_LABEL as usize + 1];
        let found = refusal(&[("0.png", png(1)), ("0.cls", text("1")), ("1.png", png(1)), ("1.cls", large)]);
        assert!(found.contains("1.cls") && found.contains("at most"), "{found}");
        let mut cut =
            archive(&[("0.png", png(1)), ("0.cls", text("1")), ("1.png", png(2)), ("1.cls", text("0"))]);
        let whole = cut.len();
        cut.truncate(whole - 1024);
        let set = read(&cut, &Options::default()).unwrap();
        assert!(set.source.told.notes[0].contains("may have been cut short"));
        cut.truncate(whole - 1024 - 512 - 200);
        assert!(read(&cut, &Options::default()).is_err());
        let packed = read(&[0x1f, 0x8b, 8, 0], &Options::default()).unwrap_err().to_string();
        assert!(packed.contains("gunzip"), "{packed}");
        assert!(read(&[], &Options::default()).is_err());
    }

    #[test]
    fn links_are_followed_or_counted_and_archives_behind_one_another_are_one() {
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: tar::EntryType, link: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            if link.is_empty() {
                builder.append_data(&mut header, name, bytes).unwrap();
            } else {
                builder.append_link(&mut header, name, link).unwrap();
            }
        };
        add("a/", Directory, "", b"");
        add("a/0.png", Regular, "", &png(1));
        add("a/0.cls", Regular, "", b"1");
        add("a/1.png", Link, "a/0.png", b"");
        add("a/1.cls", Regular, "", b"0");
        add("a/2.png", Symlink, "a/0.png", b"");
        add("a/3.png", Link, "b/0.png", b"");
        let first = builder.into_inner().unwrap();
        let members =
            [("b/0.png", png(3)), ("b/0.cls", text("0")), ("b/1.png", png(4)), ("b/1.cls", text(""))];
        let set = read(&[first, archive(&members)].concat(), &Options::default()).unwrap();
        let values: Vec<f32> =
            set.images.outer_iter().map(|image| (image[[0, 0, 0]] * 255.0).round()).collect();
        assert_eq!((values, classes(&set)), (vec![1.0, 1.0, 3.0], vec!["1", "0", "0"]));
        let aside: Vec<(&str, usize)> = set.source.told.aside.iter().map(|(k, n)| (k.as_str(), *n)).collect();
        assert_eq!(aside, [("links", 2)]);
        assert_eq!(set.source.told.notes.len(), 1, "{:?}", set.source.told.notes);
        assert!(set.source.told.notes[0].starts_with("1 of 4 images without a label"));

        // What is no image is a bad one, and what is no label elsewhere does no harm.
        let found =
            of(&[("0.png", Vec::new()), ("0.cls", text("1")), ("1.png", png(1)), ("1.cls", text("0"))]);
        let found = found.unwrap_err().to_string();
        assert!(found.contains("sample 0") && found.contains("an empty file"), "{found}");
        let members = [
            ("0.png", png(1)),
            ("0.cls", text("1")),
            ("0.json", text("NaN")),
            ("1.png", png(1)),
            ("1.cls", text("0")),
        ];
        assert_eq!(of(&members).unwrap().len(), 2);
        assert!(of(&[("0.png", png(1))]).unwrap_err().to_string().contains("found images alone"));
        let noise: Vec<u8> = (0..2048u32).map(|i| (i * 7 % 251) as u8).collect();
        let found = read(&noise, &Options::default()).unwrap_err().to_string();
        assert!(found.len() < 1000 && !found.contains(char::is_control), "{found}");
    }

    proptest! {
        #[test]
        fn damaged_archives_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            in_header: bool,
            cut in any::<prop::sample::Index>(),
            shorten: bool,
        ) {
            let mut bytes = archive(&[
                ("0.png", png(1)), ("0.cls", text("1")), ("1.png", png(2)), ("1.cls", text("0")),
            ]);
            for (at, value) in changes {
                let at = if in_header { at.index(512) } else { at.index(bytes.len()) };
                bytes[at] = value;
                // A checksum that is right lets what follows be read.
                let sum: u32 = (0..512).map(|i| if (148..156).contains(&i) { 32 } else { u32::from(bytes[i]) }).sum();
                bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            if shorten {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(set) = read(&bytes, &Options::default()) {
                prop_assert_eq!(set.len(), set.targets.len());
            }
        }
    }
}
