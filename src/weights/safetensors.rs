//! `.safetensors`: the length of a header (8 bytes, little-endian), the header
//! (JSON: dtype, shape and place of each tensor, and a map of strings), the
//! numbers of all tensors one after another.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::{Data, Dtype, NamedTensor, StateDict, shape_text, volume};
use crate::disk::write_atomic;
use crate::error::{Error, Result, shown};

/// What the author of a file says of it ("format": "pt").
pub type Metadata = BTreeMap<String, String>;

// The reference implementation's own limit.
const MAX_HEADER: u64 = 100_000_000;
const METADATA: &str = "__metadata__";

/// Reads all tensors, in the order in which their numbers lie in the file.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] naming the file, and the tensor where one
/// is at fault: the file is cut off or is none, tensors overlap or leave a gap,
/// two have one name, a shape does not fit its bytes, a dtype is not of
/// [`Dtype`].
pub fn read(path: &Path) -> Result<StateDict> {
    Ok(read_with_metadata(path)?.0)
}

fn unknown(path: &Path, (name, dtype): &(String, String)) -> Error {
    let known: Vec<_> = Dtype::ALL.iter().map(|d| d.name()).collect();
    let place = format!("{}: tensor {}", path.display(), shown(name));
    Error::input(place, format!("a dtype of {}", known.join(", ")), shown(dtype))
}

/// [`read`], and the metadata.
///
/// # Errors
/// As [`read`].
pub fn read_with_metadata(path: &Path) -> Result<(StateDict, Metadata)> {
    let file = File::open(path).map_err(Error::io(path, "open"))?;
    let size = file.metadata().map_err(Error::io(path, "read"))?.len();
    let (dict, metadata, others) = parse(BufReader::new(file), size, path)?;
    others.first().map_or(Ok((dict, metadata)), |other| Err(unknown(path, other)))
}

/// Writes all tensors in their order, or, where that would leave one on an
/// address that is no multiple of its numbers' size, those of larger numbers
/// first. A reader sees the old file or the new one.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] for a tensor called `__metadata__` and
/// for names too long for a header of 100 MB.
pub fn write(path: &Path, dict: &StateDict, metadata: &Metadata) -> Result<()> {
    if dict.get(METADATA).is_some() {
        let expected = format!("tensors of other names than {METADATA}, which the format keeps for itself");
        return Err(Error::input(path.display(), expected, "one of that name"));
    }
    let layout = Layout { tensors: aligned(dict), metadata };
    let mut header = serde_json::to_vec(&layout)
        .map_err(|e| Error::input(path.display(), "names that can be written as JSON", e))?;
    // Spaces, so that the numbers begin at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = header.len() as u64;
    if length > MAX_HEADER {
        let expected = format!("names and metadata that fit a header of {MAX_HEADER} bytes");
        return Err(Error::input(path.display(), expected, format_args!("{length} bytes")));
    }
    write_atomic(path, |out| {
        out.write_all(&length.to_le_bytes())?;
        out.write_all(&header)?;
        layout.tensors.iter().try_for_each(|t| t.data.write_le_bytes(out))
    })
}

fn aligned(dict: &StateDict) -> Vec<&NamedTensor> {
    let mut tensors: Vec<_> = dict.iter().collect();
    let mut at = 0;
    let fits = tensors.iter().all(|t| {
        let fits = at % t.data.dtype().size() == 0;
        at += t.data.bytes();
        fits
    });
    if !fits {
        tensors.sort_by_key(|t| std::cmp::Reverse(t.data.dtype().size()));
    }
    tensors
}

/// A header to be written.
struct Layout<'a> {
    tensors: Vec<&'a NamedTensor>,
    metadata: &'a Metadata,
}

impl Serialize for Layout<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.metadata.is_empty() {
            map.serialize_entry(METADATA, self.metadata)?;
        }
        let mut at = 0;
        for tensor in &self.tensors {
            let end = at + tensor.data.bytes() as u64;
            let dtype = tensor.data.dtype().name().to_owned();
            map.serialize_entry(
                &tensor.name,
                &Entry { dtype, shape: tensor.shape.clone(), data_offsets: (at, end) },
            )?;
            at = end;
        }
        map.end()
    }
}

/// What a header says of one tensor; offsets count from the end of the header.
#[derive(Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// A header as it was read, in its own order.
#[derive(Default)]
struct Header {
    tensors: Vec<(String, Entry)>,
    metadata: Option<Metadata>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = map.next_key::<String>()? {
            let named = |e: A::Error| A::Error::custom(format_args!("{}: {e}", shown(&name)));
            if name != METADATA {
                let entry = map.next_value().map_err(named)?;
                header.tensors.push((name, entry));
            } else if header.metadata.is_some() {
                return Err(A::Error::duplicate_field(METADATA));
            } else {
                header.metadata = map.next_value().map_err(named)?;
            }
        }
        Ok(header)
    }
}

/// Tensors of types that are not read: name and type.
type Others = Vec<(String, String)>;

// Nothing is allocated before `size`, the bytes of the file, is known to hold it.
pub(super) fn parse(mut file: impl Read, size: u64, path: &Path) -> Result<(StateDict, Metadata, Others)> {
    let place = path.display();
    let mut bytes = |length: u64| {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact(&mut bytes).map(|()| bytes).map_err(Error::io(path, "read"))
    };
    let Some(after_length) = size.checked_sub(8) else {
        return Err(Error::input(place, "a safetensors file", format_args!("{size} bytes")));
    };
    let length = bytes(8)?.iter().rev().fold(0, |all, &byte| (all << 8) | u64::from(byte));
    if length > MAX_HEADER {
        let expected = format!("a safetensors file, which has a header of at most {MAX_HEADER} bytes");
        return Err(Error::input(place, expected, length));
    }
    let Some(size) = after_length.checked_sub(length) else {
        let expected = format!("a safetensors file with a header of {length} bytes");
        return Err(Error::input(place, expected, format_args!("the end of the file after {after_length}")));
    };
    let Header { mut tensors, metadata } = serde_json::from_slice(&bytes(length)?).map_err(|e| {
        let expected = "a safetensors header in JSON: dtype, shape and data_offsets for each tensor";
        Error::input(&place, expected, shown(&e.to_string()))
    })?;

    // Other readers take the last of two; what was meant is not known.
    let mut seen = HashSet::with_capacity(tensors.len());
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        let place = format!("{place}: tensor {}", shown(name));
        return Err(Error::input(place, "a name of its own", "another tensor of that name"));
    }
    // Tensors without numbers share their place; the sort is stable.
    tensors.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut dtypes = Vec::with_capacity(tensors.len());
    let mut at = 0;
    for (name, entry) in &tensors {
        dtypes.push(check(entry, at, size).map_err(|(expected, found)| {
            Error::input(format_args!("{place}: tensor {}", shown(name)), expected, found)
        })?);
        at = entry.data_offsets.1;
    }
    if at != size {
        let expected = format!("{at} bytes of numbers for {} tensors", tensors.len());
        return Err(Error::input(place, expected, size));
    }

    let mut dict = StateDict::new();
    let mut others = Others::new();
    for ((name, Entry { shape, data_offsets: (begin, end), dtype: called }), dtype) in
        tensors.into_iter().zip(dtypes)
    {
        let Some(dtype) = dtype else {
            let skipped = std::io::copy(&mut (&mut file).take(end - begin), &mut std::io::sink());
            skipped.map_err(Error::io(path, "read"))?;
            others.push((name, called));
            continue;
        };
        let count = usize::try_from(end - begin).unwrap_or(usize::MAX) / dtype.size();
        let data = Data::read_le(dtype, count, &mut file).map_err(Error::io(path, "read"))?;
        dict.push(NamedTensor { name, shape, data })?;
    }
    Ok((dict, metadata.unwrap_or_default(), others))
}

// The type of a tensor whose numbers must begin `at` and end within `size`, none where it
// is not known; or what was expected and what is there.
fn check(entry: &Entry, at: u64, size: u64) -> Result<Option<Dtype>, (String, String)> {
    let dtype = Dtype::ALL.iter().copied().find(|d| d.name() == entry.dtype);
    let (begin, end) = entry.data_offsets;
    if let Some(dtype) = dtype {
        let shape = || format!("shape {} of {dtype}", shape_text(&entry.shape));
        let length = volume(&entry.shape).and_then(|n| n.checked_mul(dtype.size()));
        let Some(length) = length.map(|n| n as u64) else {
            return Err(("a tensor that can exist".to_owned(), shape()));
        };
        if begin.checked_add(length) != Some(end) {
            return Err((format!("{length} bytes for {}", shape()), format!("data_offsets [{begin},{end}]")));
        }
    }
    if begin > end {
        return Err((
            "numbers that end behind their start".to_owned(),
            format!("data_offsets [{begin},{end}]"),
        ));
    }
    if begin != at {
        let expected = format!("numbers from byte {at} on, where those of the tensor before it end");
        return Err((expected, format!("data_offsets [{begin},{end}]")));
    }
    if end > size {
        let found = format!("{size} bytes in the file after its header");
        return Err((format!("numbers up to byte {end}"), found));
    }
    Ok(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::safetensors::SafeTensors;
    use proptest::prelude::*;

    type Plain = (String, Dtype, Vec<usize>, Vec<u8>);

    // Bits, which NaNs have in common too.
    fn plain(dict: &StateDict) -> Vec<Plain> {
        let plain = |t: &NamedTensor| {
            let mut bytes = Vec::new();
            t.data.write_le_bytes(&mut bytes).unwrap();
            (t.name.clone(), t.data.dtype(), t.shape.clone(), bytes)
        };
        dict.iter().map(plain).collect()
    }

    fn dict(tensors: Vec<(&str, Vec<usize>, Data)>) -> StateDict {
        let mut dict = StateDict::new();
        for (name, shape, data) in tensors {
            dict.push(NamedTensor::new(name, shape, data).unwrap()).unwrap();
        }
        dict
    }

    fn sample() -> StateDict {
        let nan = f32::from_bits(0xffa0_0001);
        dict(vec![
            ("conv.weight", vec![1, 2, 2], Data::F32(vec![nan, -0.0, f32::INFINITY, 1e-45])),
            ("steps", vec![], Data::I64(vec![-7])),
            ("empty", vec![3, 0, 2], Data::F64(vec![])),
            ("größe \"\n", vec![2, 1], Data::Bf16(vec![0x7fc1, 1])),
            ("half", vec![2], Data::F16(vec![0x7c01, 0x8000])),
            ("mask", vec![3], Data::Bool(vec![0, 1, 1])),
        ])
    }

    fn written(dict: &StateDict, metadata: &Metadata) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        write(&path, dict, metadata).unwrap();
        std::fs::read(&path).unwrap()
    }

    fn parsed(bytes: &[u8]) -> Result<(StateDict, Metadata)> {
        let path = Path::new("a.safetensors");
        let (dict, metadata, others) = parse(bytes, bytes.len() as u64, path)?;
        others.first().map_or(Ok((dict, metadata)), |other| Err(unknown(path, other)))
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn refusal(header: &str, data: &[u8]) -> String {
        parsed(&file(header, data)).expect_err("must be refused").to_string()
    }

    fn peer_sees(bytes: &[u8]) -> Option<Vec<Plain>> {
        let peer = SafeTensors::deserialize(bytes).ok()?;
        let plain = |(name, view): (String, ::safetensors::tensor::TensorView)| {
            let dtype = format!("{}", view.dtype());
            let dtype = *Dtype::ALL.iter().find(|d| d.name() == dtype)?;
            Some((name, dtype, view.shape().to_vec(), view.data().to_vec()))
        };
        peer.tensors().into_iter().map(plain).collect()
    }

    fn by_name(mut list: Vec<Plain>) -> Vec<Plain> {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        list
    }

    #[test]
    fn reads_back_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let metadata = Metadata::from([("format".into(), "pt".into()), ("µ".into(), "\u{0}".into())]);
        write(&path, &sample(), &metadata).unwrap();
        let (back, found) = read_with_metadata(&path).unwrap();
        assert_eq!((plain(&back), found), (plain(&sample()), metadata));
        // Without tensors, and over a file that is there.
        write(&path, &StateDict::new(), &Metadata::new()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), file("{}      ", b""));
        assert!(read(&path).unwrap().is_empty());
        assert!(read(Path::new("/absent.safetensors")).unwrap_err().to_string().contains("cannot open"));
        let text = read(dir.path()).unwrap_err().to_string();
        assert!(text.contains("directory"), "{text}");
    }

    #[test]
    fn bytes_of_a_small_file() {
        let bytes = written(&dict(vec![("w", vec![2], Data::I16(vec![1, -1]))]), &Metadata::new());
        let header = r#"{"w":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}  "#;
        assert_eq!(bytes, file(header, &[1, 0, 0xff, 0xff]));
    }

    #[test]
    fn larger_numbers_go_first_where_one_would_lie_askew() {
        let names = |tensors| -> Vec<String> {
            let (back, _) = parsed(&written(&dict(tensors), &Metadata::new())).unwrap();
            back.iter().map(|t| t.name.clone()).collect()
        };
        let f32s = |n| Data::F32(vec![0.0; n]);
        let step = || ("n", vec![], Data::I64(vec![0]));
        assert_eq!(names(vec![("a", vec![2], f32s(2)), step(), ("b", vec![3], f32s(3))]), ["a", "n", "b"]);
        assert_eq!(names(vec![("a", vec![3], f32s(3)), step(), ("b", vec![3], f32s(3))]), ["n", "a", "b"]);
    }

    #[test]
    fn tensors_come_in_the_order_of_their_numbers() {
        let header = r#" {"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3],"more":[{}]},
            "__metadata__":null, "e":{"data_offsets":[1,1],"dtype":"F32","shape":[0]},
            "a":{"dtype":"I8","shape":[],"data_offsets":[0,1]}} "#;
        let (dict, metadata) = parsed(&file(header, &[255, 1, 2])).unwrap();
        assert!(metadata.is_empty());
        let expected = [
            ("a".to_owned(), Dtype::I8, vec![], vec![255]),
            ("e".to_owned(), Dtype::F32, vec![0], vec![]),
            ("b".to_owned(), Dtype::U8, vec![2], vec![1, 2]),
        ];
        assert_eq!(plain(&dict), expected);
    }

    #[test]
    fn files_of_the_reference_implementation() {
        use ::safetensors::tensor::{Dtype as Theirs, TensorView};
        let bytes: Vec<u8> = (0..24).collect();
        let view = |dtype, shape| TensorView::new(dtype, shape, &bytes).unwrap();
        let tensors = [
            ("odd", TensorView::new(Theirs::BOOL, vec![3], &bytes[..3]).unwrap()),
            ("half", view(Theirs::F16, vec![3, 4])),
            ("bf16", view(Theirs::BF16, vec![12])),
            ("long", view(Theirs::I64, vec![1, 3])),
            ("double", view(Theirs::F64, vec![3])),
            ("int", view(Theirs::I32, vec![6])),
        ];
        let metadata = [("format".to_owned(), "pt".to_owned())];
        let file = ::safetensors::serialize(tensors, Some(metadata.clone().into())).unwrap();
        let (ours, found) = parsed(&file).unwrap();
        assert_eq!(found, metadata.into());
        assert_eq!(by_name(plain(&ours)), by_name(peer_sees(&file).unwrap()));
        assert_eq!((ours.len(), ours.bytes()), (6, 123));
    }

    #[test]
    fn damage_is_named() {
        let tensor = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#""w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
        };
        let one = |dtype, shape, offsets| format!("{{{}}}", tensor(dtype, shape, offsets));
        let u8s = |name: &str, from, to| {
            format!(r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#, to - from)
        };
        let two = |a, b| format!("{{{a},{b}}}");

        let text = refusal(&one("F8_E8M0", "[4]", "[0,4]"), &[0; 4]);
        assert!(text.starts_with("a.safetensors: tensor w: expected a dtype of F64,"), "{text}");
        assert!(text.ends_with("found F8_E8M0"), "{text}");
        let text = refusal(&one("F32", "[2,2]", "[0,15]"), &[0; 15]);
        assert!(
            text.contains("tensor w: expected 16 bytes for shape [2,2] of F32, found data_offsets [0,15]")
        );
        refusal(&one("U8", "[2]", "[2,0]"), &[0; 2]);
        refusal(&one("U8", "[0]", "[18446744073709551615,18446744073709551615]"), &[]);
        for shape in ["[4294967296,4294967296,2]", "[18446744073709551615]", "[9223372036854775808,2,0]"] {
            let text = refusal(&one("F32", shape, "[0,0]"), &[]);
            assert!(text.contains("a tensor that can exist"), "{text}");
        }
        // A file that was cut off, and one with something behind it.
        let text = refusal(&one("F32", "[2]", "[0,8]"), &[0; 7]);
        assert!(text.contains("tensor w: expected numbers up to byte 8, found 7 bytes"), "{text}");
        let text = refusal(&one("F32", "[2]", "[0,8]"), &[0; 9]);
        assert!(text.contains("expected 8 bytes of numbers for 1 tensors, found 9"), "{text}");
        refusal(&one("F64", "[137438953472]", "[0,1099511627776]"), &[]);
        // An overlap, a gap, a name twice.
        let text = refusal(&two(u8s("a", 0, 4), u8s("b", 3, 7)), &[0; 7]);
        assert!(text.contains("tensor b: expected numbers from byte 4 on"), "{text}");
        let text = refusal(&two(u8s("b", 5, 7), u8s("a", 0, 4)), &[0; 7]);
        assert!(text.contains("tensor b: expected numbers from byte 4 on"), "{text}");
        let text = refusal(&two(u8s("a", 0, 4), u8s("a", 4, 7)), &[0; 7]);
        assert!(text.contains("tensor a: expected a name of its own"), "{text}");

        for (header, part) in [
            ("", "EOF"),
            ("[]", "a map of tensors"),
            ("{", "EOF"),
            ("{} {}", "trailing characters"),
            ("\u{1}", "expected value"),
            (r#"{"w":3}"#, "w: invalid type"),
            (r#"{"w":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, "w: invalid value"),
            (r#"{"w":{"dtype":"U8","shape":[1e99],"data_offsets":[0,1]}}"#, "w: invalid type"),
            (r#"{"w":{"dtype":"U8","shape":[1]}}"#, "w: missing field `data_offsets`"),
            (r#"{"w":{"dtype":"U8","dtype":"U8","shape":[1]}}"#, "w: duplicate field `dtype`"),
            (r#"{"__metadata__":{"a":1}}"#, "__metadata__: invalid type"),
            (r#"{"__metadata__":{},"__metadata__":{}}"#, "duplicate"),
        ] {
            let text = refusal(header, &[0]);
            assert!(text.starts_with("a.safetensors: ") && text.contains(part), "{header}: {text}");
        }
        refusal(&"[".repeat(100_000), &[]);
        let long = refusal(&format!("{{\"{}\":\"{}\"}}", "n".repeat(10_000), "v".repeat(10_000)), &[]);
        assert!(long.len() < 1000, "{long}");

        let start = |bytes: &[u8]| parsed(bytes).unwrap_err().to_string();
        assert!(start(b"").contains("found 0 bytes"));
        assert!(start(b"1234567").contains("found 7 bytes"));
        assert!(start(&[255; 20]).contains("at most 100000000 bytes"));
        let text = start(&[&90_000_000u64.to_le_bytes()[..], b"{}"].concat());
        assert!(text.contains("found the end of the file after 2"), "{text}");
        assert!(start(&[&2u64.to_le_bytes()[..], b"\xff\xff"].concat()).contains("JSON"));
        // Shorter than the system said: it is being written.
        let bytes = written(&sample(), &Metadata::new());
        let text = parse(&bytes[..bytes.len() - 1], bytes.len() as u64, Path::new("a.safetensors"));
        assert!(text.unwrap_err().to_string().contains("a.safetensors: cannot read"));
    }

    #[test]
    fn the_name_of_the_metadata_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let dict = dict(vec![(METADATA, vec![], Data::U8(vec![1]))]);
        let text = write(&path, &dict, &Metadata::new()).unwrap_err().to_string();
        assert!(text.contains("a.safetensors: expected tensors of other names"), "{text}");
        assert!(!path.exists());
    }

    fn dicts() -> impl Strategy<Value = StateDict> {
        let tensor = (any::<String>(), prop::collection::vec(0usize..4, 0..4), 0..Dtype::ALL.len())
            .prop_flat_map(|(name, shape, dtype)| {
                let dtype = Dtype::ALL[dtype];
                let length = shape.iter().product::<usize>() * dtype.size();
                let bytes = prop::collection::vec(any::<u8>(), length);
                bytes.prop_map(move |bytes| {
                    NamedTensor::new(name.clone(), shape.clone(), Data::from_le_bytes(dtype, &bytes)).unwrap()
                })
            });
        prop::collection::vec(tensor, 0..7).prop_map(|tensors| {
            let mut seen = HashSet::new();
            let mut dict = StateDict::new();
            for tensor in tensors.into_iter().filter(|t| t.name != METADATA && seen.insert(t.name.clone())) {
                dict.push(tensor).unwrap();
            }
            dict
        })
    }

    // Ours and the reference agree on what a file is, but for what only one of them knows.
    fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
        match (parsed(bytes), peer_sees(bytes)) {
            (Ok((dict, _)), peer) => prop_assert_eq!(Some(by_name(plain(&dict))), peer.map(by_name)),
            (Err(e), Some(_)) => {
                let text = e.to_string();
                let known = text.contains("a name of its own") || text.contains("duplicate field");
                prop_assert!(known, "only the reference reads it: {}", text);
            }
            (Err(e), None) => prop_assert!(e.to_string().starts_with("a.safetensors: ")),
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn random_dicts_read_back(
            dict in dicts(),
            metadata in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
        ) {
            let bytes = written(&dict, &metadata);
            let (back, found) = parsed(&bytes).unwrap();
            prop_assert_eq!(found, metadata);
            let mut order = StateDict::new();
            aligned(&dict).into_iter().for_each(|t| order.push(t.clone()).unwrap());
            prop_assert_eq!(plain(&back), plain(&order));
            prop_assert_eq!(peer_sees(&bytes).map(by_name), Some(by_name(plain(&dict))));
        }

        #[test]
        fn damaged_files_never_panic(
            dict in dicts(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            end in any::<prop::sample::Index>(),
            whole: bool,
        ) {
            let mut bytes = written(&dict, &Metadata::new());
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(if whole { bytes.len() } else { end.index(bytes.len()) });
            agree(&bytes)?;
        }

        #[test]
        fn headers_that_lie_are_seen_through(
            tensors in prop::collection::vec(
                (
                    prop::sample::select(vec!["a", "b", "c", "d"]),
                    prop::sample::select(vec!["U8", "I16", "F32", "F8_E5M2"]),
                    prop::collection::vec(prop::sample::select(vec![0usize, 1, 2, 3, usize::MAX]), 0..3),
                    (0u64..9, 0u64..9),
                ),
                0..4,
            ),
            size in 0usize..9,
        ) {
            let entries: Vec<_> = tensors.iter().map(|(name, dtype, shape, (begin, end))| {
                format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#)
            }).collect();
            agree(&file(&format!("{{{}}}", entries.join(",")), &vec![7; size]))?;
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            agree(&bytes)?;
            agree(&[&(bytes.len() as u64).to_le_bytes()[..], &bytes].concat())?;
        }
    }
}
