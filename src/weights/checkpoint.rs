//! Files of weights, recognised by what is in them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::composed::compose;
use super::origin::{self, Format, Origin, Skipped, listed, strip, unwrap_parts};
use super::select::{self, Choice, Found, KEYS};
use super::torch::{Made, Objects, Torch, dtype, storage, view};
use super::view::{View, tensors as read_tensors};
use super::{Dtype, NamedTensor, StateDict, legacy, safetensors, shards};
use crate::disk::extent::{Extent, most, most_text};
use crate::disk::input::Input;
use crate::disk::npy;
use crate::disk::zip::Archive;
use crate::error::{Error, Result, shown};
use crate::pickle::{self, Id, Object};

/// Weights, and what was taken of their file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The tensors, in the order of the file.
    pub dict: StateDict,
    /// Where they come from.
    pub origin: Origin,
}

/// Which tensors of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Those under this key of a checkpoint; dots lead deeper ("checkpoint.model").
    pub key: Option<String>,
    /// Those whose names begin so ("encoder_q."), which is taken off; "." for all, even where they
    /// are more than one network's.
    pub prefix: Option<String>,
}

impl Pick {
    /// Whether all tensors are meant.
    pub fn is_whole(&self) -> bool {
        self.prefix.as_deref().is_some_and(|prefix| prefix.trim_end_matches('.').is_empty())
    }
}

/// Reads a file of weights: a PyTorch checkpoint (zip or legacy format), a
/// safetensors file, the index of several of these, or arrays of numpy (`.npz`); which one is
/// seen from its contents. Of a folder the file that is called as Hugging Face's libraries
/// call it ([`in_folder`]).
///
/// A checkpoint's weights are looked for in every dict first under `state_dict`,
/// `model`, `model_state_dict`, `net`, `network`, `ema`, `state_dict_ema`, `params`,
/// `weights` and `module`, in this order and up to four dicts deep, where there are as many as in the dict
/// itself and a tenth of those of any other key; then in the dict itself; then,
/// where that has fewer, under the only other key with as many. A pickled network counts as its
/// `state_dict`, and any other object as the dict of its attributes. `module.`, `model.`,
/// `_orig_mod.` and other wrappers are taken off the names where all of them have it. Tensors
/// are taken as PyTorch sees them: views of shared storages, in whatever order of axes, become
/// arrays of their own. Parameters that are kept in parts (weight norm, spectral norm, pruning)
/// are computed.
///
/// Nothing is executed: functions and classes that are not known are names
/// ([`Origin::inert`]), and those that can run code are errors. Memory is bounded: numbers
/// by 8 times the file and 1 MiB
/// (where tensors share numbers, or are compressed), all else by about 100 times the
/// pickle. Checksums of all numbers that are read are checked; the legacy format and
/// safetensors have none.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] naming the file and what is at fault: it is
/// no such file (archives of TorchScript and of `torch.package`, tar archives of the
/// oldest versions and other things are called by their names), cut off or damaged;
/// its pickle names a function that can run code, or asks for more
/// memory than the file accounts for; there is no dict of tensors, or several and
/// nothing to choose by; big-endian numbers; nothing but tensors of kinds that are not read
/// (sparse, quantised, complex).
pub fn open(path: &Path) -> Result<Checkpoint> {
    open_with(path, &Pick::default())
}

/// [`open`] of the tensors that `pick` says.
///
/// # Errors
/// Those of [`open`]; a key or a prefix that is not there: what is.
pub fn open_with(path: &Path, pick: &Pick) -> Result<Checkpoint> {
    let file = if path.is_dir() { in_folder(path) } else { None };
    let path = file.as_deref().unwrap_or(path);
    let (dict, origin) = tensors(path, pick)?;
    finish(dict, origin, path, pick)
}

/// The file of weights in a folder, the first of `model.safetensors`,
/// `model.safetensors.index.json`, `pytorch_model.bin`, `pytorch_model.bin.index.json`.
pub fn in_folder(folder: &Path) -> Option<PathBuf> {
    const NAMES: [&str; 4] = [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ];
    NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The tensors of a file under the names that they have there.
pub(super) fn tensors(path: &Path, pick: &Pick) -> Result<(StateDict, Origin)> {
    let mut input = Input::open(path, "a file of weights")?;
    let start = input.bytes(0, input.size().min(START))?;
    if start.trim_ascii_start().starts_with(b"{") && !is_safetensors(&start, input.size()) {
        // An index names a tensor in less than 4 KB.
        const MOST: u64 = 1 << 28;
        if input.size() > MOST {
            return Err(input.wrong(format_args!("an index of at most {MOST} bytes"), input.size()));
        }
        let json = input.bytes(0, input.size())?;
        keyless(&input, pick, "the index of several files")?;
        return shards::read(path, &json);
    }
    read(input, &start, pick)
}

/// The tensors of a file that an index names.
pub(super) fn part(path: &Path) -> Result<(StateDict, Origin)> {
    let mut input = Input::open(path, "a file of weights")?;
    let start = input.bytes(0, input.size().min(START))?;
    read(input, &start, &Pick::default())
}

// There are no keys but in checkpoints.
fn keyless(input: &Input, pick: &Pick, found: &str) -> Result<()> {
    let key = pick.key.as_ref();
    key.map_or(Ok(()), |_| Err(input.wrong("a PyTorch checkpoint, which has keys (--key)", found)))
}

/// [`open`] of a file that is in memory; `path` names it in errors. An index of
/// several files is none.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Checkpoint> {
    let start = &bytes[..bytes.len().min(START as usize)];
    let pick = Pick::default();
    let (dict, origin) = read(Input::of_bytes(bytes, path), start, &pick)?;
    finish(dict, origin, path, &pick)
}

/// Whether the file at `path` is a program of TorchScript, as `torch.jit.save` writes it; nothing of it is run.
///
/// # Errors
/// [`Error::Io`].
pub fn is_program(path: &Path) -> Result<bool> {
    if path.is_dir() {
        return Ok(false);
    }
    let mut input = Input::open(path, "a file of weights")?;
    // What is no archive is something else.
    let Ok(archive) = Archive::read(&mut input) else { return Ok(false) };
    Ok(archive.names().any(|name| {
        name.split_once('/').is_some_and(|(root, rest)| rest == "data.pkl" && has_code(&archive, root))
    }))
}

// Whether the archive of a pickle has code beside it.
fn has_code(archive: &Archive, root: &str) -> bool {
    let code = format!("{root}/code/");
    archive.has(&format!("{root}/constants.pkl")) || archive.names().any(|name| name.starts_with(&code))
}

// Bytes that tell what a file is.
const START: u64 = 512;

fn is_safetensors(start: &[u8], size: u64) -> bool {
    let Some((length, rest)) = start.split_first_chunk() else { return false };
    u64::from_le_bytes(*length).checked_add(8).is_some_and(|end| end <= size) && rest.first() == Some(&b'{')
}

fn read(mut input: Input, start: &[u8], pick: &Pick) -> Result<(StateDict, Origin)> {
    let path = input.path();
    if start.starts_with(b"PK\x03\x04") {
        archive(&mut input, pick)
    } else if legacy::magic(start).is_some() {
        legacy::read(&mut input, |input, heap, root, places| {
            weights(input, heap, root, Format::Legacy, pick, |input, key| {
                let name = format!("storage {}", shown(key));
                match places.get(key) {
                    Some(&extent) => Ok((name, extent)),
                    None => Err(input.wrong(name, "none")),
                }
            })
        })
    } else if is_safetensors(start, input.size()) {
        keyless(&input, pick, "a safetensors file")?;
        let size = input.size();
        let source = std::io::BufReader::new(input.section(0, size)?);
        let (dict, _, others) = safetensors::parse(source, size, path)?;
        let mut origin = Origin::new(Format::Safetensors);
        origin.skipped = others.into_iter().map(|(name, dtype)| numbers(name, &dtype)).collect();
        Ok((dict, origin))
    } else {
        let expected = "a PyTorch checkpoint, a safetensors file, the index of several or a .npz file";
        Err(input.wrong(expected, what(start)))
    }
}

// A tensor of numbers that are not read.
fn numbers(name: String, dtype: &str) -> Skipped {
    Skipped { name, what: format!("numbers of type {}", shown(dtype)) }
}

fn finish(mut dict: StateDict, mut origin: Origin, path: &Path, pick: &Pick) -> Result<Checkpoint> {
    // As it is said: in the names of the file, or in those without their wrappers.
    let prefix = pick.prefix.as_ref().filter(|_| !pick.is_whole());
    let dotted = prefix.map(|prefix| format!("{}.", prefix.strip_suffix('.').unwrap_or(prefix)));
    if !dotted.as_ref().is_some_and(|prefix| dict.iter().any(|t| t.name().starts_with(prefix))) {
        (dict, origin.stripped) = strip(dict);
    }
    if let Some(prefix) = dotted {
        let (kept, outside) = origin::under(dict, &prefix);
        if kept.is_empty() {
            let expected = format!("tensors whose names begin with {} (--prefix)", shown(&prefix));
            let found = format!("others: {}", listed(outside.iter().map(|o| shown(o))));
            return Err(Error::input(path.display(), expected, found));
        }
        origin.stripped.push(prefix);
        origin.outside = outside;
        let (kept, stripped) = strip(kept);
        dict = kept;
        origin.stripped.extend(stripped);
    }
    let (dict, unwrapped) = unwrap_parts(dict);
    origin.stripped.extend(unwrapped);
    let (dict, composed, left) = compose(dict);
    origin.composed = composed;
    let what = "a part of a parameter that could not be computed";
    origin.skipped.extend(left.into_iter().map(|name| Skipped { name, what: what.to_owned() }));
    if dict.is_empty() {
        let notes = if origin.skipped.is_empty() {
            String::new()
        } else {
            format!(": {}", origin.notes().join("; "))
        };
        return Err(Error::input(path.display(), "a file of weights", format!("no tensors{notes}")));
    }
    Ok(Checkpoint { dict, origin })
}

// What else a file might be, by its first bytes.
fn what(start: &[u8]) -> &'static str {
    const TAR: usize = 257;
    // The older tar format has no mark; these are PyTorch's own entries.
    let first = start.split(|&byte| byte == 0).next().unwrap_or_default();
    let first = first.strip_prefix(b"./").unwrap_or(first);
    let first = first.strip_suffix(b"/").unwrap_or(first);
    let text = start.trim_ascii_start().to_ascii_lowercase();
    if start.is_empty() {
        "an empty file"
    } else if [&b"sys_info"[..], b"pickle", b"storages", b"tensors"].contains(&first) {
        "a tar archive of PyTorch before 0.1.10: load it with a PyTorch of today and save it again"
    } else if start.get(TAR..).is_some_and(|mark| mark.starts_with(b"ustar")) {
        "a tar archive"
    } else if start.starts_with(b"version https://git-lfs") {
        "a pointer of Git LFS: the file itself was not fetched (git lfs pull)"
    } else if text.starts_with(b"<!doctype") || text.starts_with(b"<html") || text.starts_with(b"<?xml") {
        "a web page"
    } else if text.starts_with(b"{") {
        "JSON"
    } else if start.starts_with(b"\x89HDF") {
        "an HDF5 file (Keras?)"
    } else if is_onnx(start) {
        "an ONNX model: save the network's state_dict in PyTorch"
    } else if start.starts_with(b"GGUF") {
        "a GGUF file"
    } else if start.starts_with(b"\x93NUMPY") {
        "an array of numpy"
    } else if start.starts_with(b"\x1f\x8b") {
        "a gzip archive: unpack it first"
    } else if let [0x80, 2..=5, ..] = start {
        "a pickle that torch.save has not written"
    } else {
        "something else"
    }
}

// A protocol buffer with a version of the format (field 1) and who wrote it (field 2, a string).
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=20, 0x12, length, rest @ ..]
        if rest.get(..usize::from(*length)).is_some_and(|by| std::str::from_utf8(by).is_ok()))
}

// Arrays of numpy, by their names.
fn arrays(input: &mut Input, archive: &Archive) -> Result<(StateDict, Origin)> {
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let mut bytes = 0u64;
    for name in &names {
        bytes = bytes.saturating_add(archive.extent(input, name)?.size);
        if bytes > most(input.size()) {
            return Err(input.wrong(most_text(input.size()), format_args!("{bytes} bytes in its arrays")));
        }
    }
    let mut dict = StateDict::new();
    for name in &names {
        let array = npy::read(archive, input, name)?;
        let dtype = match (array.dtype.kind, array.dtype.size) {
            (b'f', 8) => Dtype::F64,
            (b'f', 4) => Dtype::F32,
            (b'f', 2) => Dtype::F16,
            (b'i', 8) => Dtype::I64,
            (b'i', 4) => Dtype::I32,
            (b'i', 2) => Dtype::I16,
            (b'i', _) => Dtype::I8,
            (b'u', 8) => Dtype::U64,
            (b'u', 4) => Dtype::U32,
            (b'u', 2) => Dtype::U16,
            (b'u', _) => Dtype::U8,
            _ => return Err(Error::input(&array.place, "integers or floats", array.dtype)),
        };
        let (shape, strides) = (array.shape.clone(), array.strides());
        let count = array.data.len() / dtype.size();
        let whole = View::new(0, dtype, 0, shape.clone(), strides, count);
        let whole = whole.map_err(|(expected, found)| Error::input(&array.place, expected, found))?;
        let data = whole.gather(&array.little_endian());
        dict.push(NamedTensor::new(name.strip_suffix(".npy").unwrap_or(name), shape, data)?)?;
    }
    Ok((dict, Origin::new(Format::Npz)))
}

fn archive(input: &mut Input, pick: &Pick) -> Result<(StateDict, Origin)> {
    let archive = Archive::read(input)?;
    if archive.names().next().is_some() && archive.names().all(|name| name.ends_with(".npy")) {
        keyless(input, pick, "arrays of numpy (.npz)")?;
        return arrays(input, &archive);
    }
    let checkpoint = archive.names().filter_map(|name| {
        let (root, rest) = name.split_once('/')?;
        (rest == "data.pkl").then_some(root)
    });
    let mut roots: Vec<_> = checkpoint.collect();
    roots.sort_unstable();
    let expected = "a PyTorch checkpoint, as torch.save writes a state_dict";
    let &[root] = roots.as_slice() else {
        let any = |end: &str| archive.names().any(|name| name.ends_with(end));
        let found = if roots.len() > 1 {
            "a zip archive with several of them"
        } else if any(".data/extern_modules") {
            "an archive of torch.package"
        } else if any("serialized_exported_program.json") || any("archive_format") {
            "an exported program (torch.export)"
        } else {
            "a zip archive without data.pkl"
        };
        return Err(input.wrong(expected, found));
    };
    let inside = |name: &str| format!("{root}/{name}");
    if has_code(&archive, root) {
        let found = "an archive of TorchScript (torch.jit.save): save its state_dict in PyTorch, or run it \
                     (`domfreq audit --torchscript`, which executes what is in it)";
        return Err(input.wrong(expected, found));
    }
    if archive.has(&inside("byteorder")) {
        let extent = archive.extent(input, &inside("byteorder"))?;
        let order = extent.bytes(input, &inside("byteorder"))?;
        if order != b"little" {
            let found = shown(&String::from_utf8_lossy(&order));
            return Err(input.wrong_in("byteorder", "numbers in little-endian order", found));
        }
    }
    let name = inside("data.pkl");
    let extent = archive.extent(input, &name)?;
    // What is made of a pickle may be a hundred times as large.
    if extent.deflated && extent.size > input.size() + (1 << 14) {
        let expected = "a pickle no larger than its archive and 16 KiB";
        return Err(input.wrong_in(shown(&name), expected, format_args!("{} bytes", extent.size)));
    }
    let bytes = extent.bytes(input, &name)?;
    let pickle = pickle::read(&bytes, Torch::default())
        .map_err(|refusal| refusal.error(format_args!("{}: {}", input.path().display(), shown(&name))))?;
    weights(input, &pickle.heap, pickle.root, Format::Zip, pick, |input, key| {
        let name = inside(&format!("data/{key}"));
        let extent = archive.extent(input, &name)?;
        Ok((name, extent))
    })
}

// The tensors of the dict of weights in `root`; `place` says where the numbers of a
// storage lie, and what to call them in errors.
fn weights(
    input: &mut Input,
    heap: &Objects,
    root: Id,
    format: Format,
    pick: &Pick,
    mut place: impl FnMut(&mut Input, &str) -> Result<(String, Extent)>,
) -> Result<(StateDict, Origin)> {
    let choice = choose(input, heap, root, pick)?;
    let mut origin = Origin { others: choice.others, beside: choice.beside, ..Origin::new(format) };
    origin.inert = inert(heap);
    if !choice.path.is_empty() {
        origin.key = Some(choice.path.join("."));
    }
    let mut known = HashMap::new();
    let mut extents: Vec<(String, Extent)> = Vec::new();
    let mut tensors: Vec<(String, View)> = Vec::new();
    let mut axes = 0;
    for (name, id) in choice.entries {
        let Object::Made(Made::Tensor { arguments, typed }) = heap[id] else {
            origin.skipped.push(Skipped { name: name.into_owned(), what: heap.called(id) });
            continue;
        };
        let wrong = |input: &Input, (expected, found): (String, String)| {
            input.wrong_in(format_args!("tensor {}", shown(&name)), expected, found)
        };
        let stored = storage(heap, arguments).map_err(|e| wrong(input, e))?;
        let dtype = match dtype(heap, arguments, typed, &stored) {
            Ok(dtype) => dtype,
            Err(other) => {
                origin.skipped.push(numbers(name.into_owned(), other));
                continue;
            }
        };
        let index = match known.get(stored.key) {
            Some(&index) => index,
            None => {
                extents.push(place(input, stored.key)?);
                known.insert(stored.key, extents.len() - 1);
                extents.len() - 1
            }
        };
        let (place, extent) = &extents[index];
        if extent.size != stored.bytes() as u64 {
            return Err(input.wrong_in(shown(place), format_args!("{} bytes", stored.bytes()), extent.size));
        }
        let view = view(heap, arguments, dtype, &stored, index).map_err(|e| wrong(input, e))?;
        // Shapes are copied, and one of many axes may be named any number of times.
        axes += view.axes();
        if axes > heap.limit() {
            return Err(input.wrong("shapes within the size of the pickle", "the same one repeated"));
        }
        tensors.push((name.into_owned(), view));
    }
    if choice.unnamed > 0 {
        let name = format!("{} entries", choice.unnamed);
        origin.skipped.push(Skipped { name, what: "without a string for a key".to_owned() });
    }
    if tensors.is_empty() {
        let found = format!("none that is read: {}", origin.notes().join("; "));
        return Err(input.wrong("tensors", found));
    }
    Ok((read_tensors(input, &extents, tensors)?, origin))
}

// Functions and classes that are not known, each once.
fn inert(heap: &Objects) -> Vec<String> {
    const LISTED: usize = 100;
    let names: BTreeSet<_> = heap.unknown().collect();
    names.into_iter().take(LISTED).map(|(module, name)| shown(&format!("{module}.{name}"))).collect()
}

fn choose<'p>(input: &Input, heap: &'p Objects, root: Id, pick: &Pick) -> Result<Choice<'p>> {
    let expected = "a dict of tensors, or one under a key";
    let found = match &pick.key {
        Some(key) => select::under(heap, root, key),
        None => select::find(heap, root),
    };
    match found.map_err(|(expected, found)| input.wrong(expected, found))? {
        Found::One(choice) => Ok(choice),
        Found::Several(places) => {
            let expected = format!("{expected} of {}, or one that is named (--key)", KEYS.join(", "));
            Err(input.wrong(expected, format_args!("tensors under {}", listed(places.into_iter()))))
        }
        Found::Nothing => {
            let found = match &heap[root] {
                Object::Dict(entries) => {
                    let keys: Vec<_> =
                        entries.iter().filter_map(|(key, _)| heap.text(*key)).map(shown).collect();
                    format!("a dict without tensors; its keys are {}", listed(keys.into_iter()))
                }
                Object::Instance(_) => format!("{} without tensors", heap.called(root)),
                other => other.kind().to_owned(),
            };
            Err(input.wrong(expected, found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Data;

    const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

    // A legacy file: a dict with the tensor `w`, made by `rebuild` of a storage called
    // `s`, and `numbers` floats, which are their indexes.
    fn legacy(class: &str, count: u8, part: &[u8], rebuild: &str, rest: &[u8], numbers: u8) -> Vec<u8> {
        let storage = format!("ctorch\n{class}\nU\x01sU\x03cpu");
        let storage = [b"(U\x07storage", storage.as_bytes(), b"K", &[count], part, b"tQ"].concat();
        let tensor = [b"ctorch._utils\n", rebuild.as_bytes(), b"\n(", &storage, rest, b"tR"].concat();
        let floats: Vec<u8> = (0..numbers).flat_map(|n| f32::from(n).to_le_bytes()).collect();
        let head = b"\x80\x02M\xe9\x03.\x80\x02}U\x0dlittle_endian\x88s.\x80\x02}U\x01w";
        let keys = b"s.\x80\x02]U\x01sa.";
        [MAGIC, head, &tensor, keys, &u64::from(count).to_le_bytes(), &floats].concat()
    }

    fn read(file: &[u8]) -> Result<Vec<f64>, String> {
        let read = from_bytes(file, Path::new("f")).map_err(|e| e.to_string())?;
        assert_eq!(read.origin.format, Format::Legacy);
        Ok(read.dict.get("w").expect("w").data().to_f64())
    }

    #[test]
    fn storages_may_be_parts_of_others_and_without_a_type() {
        let plain =
            |part: &[u8], rest: &[u8]| read(&legacy("FloatStorage", 6, part, "_rebuild_tensor", rest, 6));
        assert_eq!(plain(b"N", b"K\x01K\x03\x85K\x02\x85").unwrap(), [1.0, 3.0, 5.0]);
        // Two numbers from the third on.
        let part = b"(U\x01vK\x02K\x02t";
        assert_eq!(plain(part, b"K\x00K\x02\x85K\x01\x85").unwrap(), [2.0, 3.0]);
        assert!(plain(part, b"K\x01K\x02\x85K\x01\x85").unwrap_err().contains("tensor w"));
        assert!(plain(b"(U\x01vK\x05K\x02t", b"K\x00))").unwrap_err().contains("a part within its storage"));
        let negative = plain(b"N", b"K\x05K\x02\x85J\xff\xff\xff\xff\x85").unwrap_err();
        assert!(negative.contains("strides for shape [2], none of them negative, found -1"), "{negative}");

        // The numbers are those that the tensor names; the storage counts bytes.
        let untyped = |dtype: &str| {
            let rest = [b"K\x01K\x02\x85K\x01\x85\x89Nctorch\n", dtype.as_bytes(), b"\n"].concat();
            let file = legacy("UntypedStorage", 12, b"", "_rebuild_tensor_v3", &rest, 3);
            read(&file)
        };
        assert_eq!(untyped("float32").unwrap(), [1.0, 2.0]);
        assert!(untyped("complex64").unwrap_err().contains("left out: w (numbers of type complex64)"));
        assert!(untyped("float31").unwrap_err().contains("w (a tensor of a type that is not known)"));
    }

    #[test]
    fn what_legacy_files_say_must_fit() {
        let rest = b"K\x00K\x02\x85K\x01\x85";
        let file = legacy("FloatStorage", 2, b"N", "_rebuild_tensor", rest, 2);
        assert_eq!(read(&file).unwrap(), [0.0, 1.0]);
        let changed = |from: &[u8], to: &[u8]| {
            let at = file.windows(from.len()).position(|part| part == from).expect("it is there");
            let mut file = file.clone();
            file.splice(at..at + from.len(), to.iter().copied());
            read(&file).unwrap_err()
        };
        assert!(changed(b"M\xe9\x03", b"M\xe8\x03").contains("version 1001, found 1000"));
        assert!(changed(b"endian\x88", b"endian\x89").contains("big-endian"));
        assert!(changed(b"]U\x01sa.", b"].").contains("numbers of the storage s, found none"));
        assert!(changed(b"]U\x01sa.", b"]U\x01ta.").contains("found t"));
        assert!(
            changed(&2u64.to_le_bytes(), &3u64.to_le_bytes())
                .contains("storage s: expected 2 numbers, found 3")
        );
        assert!(read(&file[..file.len() - 1]).unwrap_err().contains("the end of the file"));
    }

    #[test]
    fn arrays_are_in_one_order_of_axes_and_bytes() {
        let numbers = |values: &[u16], big: bool| -> Vec<u8> {
            values.iter().flat_map(|v| if big { v.to_be_bytes() } else { v.to_le_bytes() }).collect()
        };
        for (descr, order, stored) in [
            ("<u2", "False", numbers(&[1, 2, 3, 4, 5, 6], false)),
            (">u2", "False", numbers(&[1, 2, 3, 4, 5, 6], true)),
            ("<u2", "True", numbers(&[1, 4, 2, 5, 3, 6], false)),
            (">u2", "True", numbers(&[1, 4, 2, 5, 3, 6], true)),
        ] {
            let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (2, 3), }}");
            let start =
                [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
            let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file("w.npy", options.compression_method(zip::CompressionMethod::Stored)).unwrap();
            std::io::Write::write_all(&mut writer, &[start, stored].concat()).unwrap();
            let file = writer.finish().unwrap().into_inner();
            let read = from_bytes(&file, Path::new("f")).unwrap();
            assert_eq!(read.origin.format, Format::Npz);
            let Data::U16(values) = read.dict.get("w").unwrap().data() else { panic!("u2") };
            assert_eq!(values[..], [1, 2, 3, 4, 5, 6], "{descr} {order}");
        }
    }

    #[test]
    fn expanded_tensors_are_bounded_by_their_file() {
        let many = |count: u32| {
            let rest = [b"K\x00J".as_slice(), &count.to_le_bytes(), b"\x85K\x00\x85"].concat();
            from_bytes(&legacy("FloatStorage", 1, b"N", "_rebuild_tensor", &rest, 1), Path::new("f"))
        };
        let read = many(1 << 18).unwrap();
        assert!(matches!(read.dict.get("w").unwrap().data(), Data::F32(v) if v.len() == 1 << 18));
        let text = many(1 << 30).unwrap_err().to_string();
        assert!(text.contains("at most") && text.contains("4294967296 bytes in 1 tensors"), "{text}");
    }
}
