//! Files of weights, recognised by what is in them.

use std::collections::HashMap;
use std::path::Path;

use super::origin::{Format, Origin, Skipped, listed, strip};
use super::select::{Choice, Found, KEYS, find};
use super::torch::{Made, Objects, Torch, storage, view};
use super::view::{View, tensors as read_tensors};
use super::{StateDict, legacy, safetensors, shards};
use crate::disk::extent::Extent;
use crate::disk::input::Input;
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

/// Reads a file of weights: a PyTorch checkpoint (zip or legacy format), a
/// safetensors file, or the index of several; which one is seen from its contents.
///
/// A checkpoint's weights are looked for in every dict first under `state_dict`,
/// `model`, `model_state_dict`, `net`, `network`, `ema`, `state_dict_ema`, `params` and
/// `weights`, in this order and up to four dicts deep; then in the dict itself; then,
/// where that has fewer, under the only other key with tensors. `module.`, `model.` and
/// `_orig_mod.` are taken off the names where all of them have it. Tensors are taken as
/// PyTorch sees them: views of shared storages, in whatever order of axes, become arrays
/// of their own.
///
/// Nothing is executed. Memory is bounded: numbers by 8 times the file and 1 MiB
/// (where tensors share numbers, or are compressed), all else by about 100 times the
/// pickle. Checksums of all numbers that are read are checked; the legacy format and
/// safetensors have none.
///
/// # Errors
/// [`Error::Io`], and [`Error::Input`] naming the file and what is at fault: it is
/// no such file (archives of TorchScript and of `torch.package`, tar archives of the
/// oldest versions and other things are called by their names), cut off or damaged;
/// its pickle names a function other than those that rebuild tensors, or asks for more
/// memory than the file accounts for; there is no dict of tensors, or several and
/// nothing to choose by; big-endian, complex, 8-bit floating point or unsigned 16-, 32-
/// or 64-bit numbers.
pub fn open(path: &Path) -> Result<Checkpoint> {
    let mut input = Input::open(path, "a file of weights")?;
    let start = input.bytes(0, input.size().min(START))?;
    if start.trim_ascii_start().starts_with(b"{") && !is_safetensors(&start, input.size()) {
        // An index names a tensor in less than 4 KB.
        const MOST: u64 = 1 << 28;
        if input.size() > MOST {
            return Err(input.wrong(format_args!("an index of at most {MOST} bytes"), input.size()));
        }
        let json = input.bytes(0, input.size())?;
        let (dict, origin) = shards::read(path, &json)?;
        return finish(dict, origin, path);
    }
    read(input, &start)
}

/// [`open`] of a file that is in memory; `path` names it in errors. An index of
/// several files is none.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Checkpoint> {
    let start = &bytes[..bytes.len().min(START as usize)];
    read(Input::of_bytes(bytes, path), start)
}

// Bytes that tell what a file is.
const START: u64 = 512;

fn is_safetensors(start: &[u8], size: u64) -> bool {
    let Some((length, rest)) = start.split_first_chunk() else { return false };
    u64::from_le_bytes(*length).checked_add(8).is_some_and(|end| end <= size) && rest.first() == Some(&b'{')
}

fn read(mut input: Input, start: &[u8]) -> Result<Checkpoint> {
    let path = input.path();
    let (dict, origin) = if start.starts_with(b"PK\x03\x04") {
        archive(&mut input)?
    } else if legacy::magic(start).is_some() {
        legacy::read(&mut input, |input, heap, root, places| {
            weights(input, heap, root, Format::Legacy, |input, key| {
                let name = format!("storage {}", shown(key));
                match places.get(key) {
                    Some(&extent) => Ok((name, extent)),
                    None => Err(input.wrong(name, "none")),
                }
            })
        })?
    } else if is_safetensors(start, input.size()) {
        let size = input.size();
        let dict = safetensors::parse(std::io::BufReader::new(input.section(0, size)?), size, path)?.0;
        (dict, Origin::new(Format::Safetensors))
    } else {
        let expected = "a PyTorch checkpoint, a safetensors file or the index of several";
        return Err(input.wrong(expected, what(start)));
    };
    finish(dict, origin, path)
}

fn finish(dict: StateDict, mut origin: Origin, path: &Path) -> Result<Checkpoint> {
    if dict.is_empty() {
        return Err(Error::input(path.display(), "a file of weights", "no tensors"));
    }
    let (dict, stripped) = strip(dict);
    origin.stripped = stripped;
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

fn archive(input: &mut Input) -> Result<(StateDict, Origin)> {
    let archive = Archive::read(input)?;
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
        } else if any(".npy") {
            "arrays of numpy (.npz)"
        } else {
            "a zip archive without data.pkl"
        };
        return Err(input.wrong(expected, found));
    };
    let inside = |name: &str| format!("{root}/{name}");
    let code = inside("code/");
    if archive.has(&inside("constants.pkl")) || archive.names().any(|name| name.starts_with(&code)) {
        let found = "an archive of TorchScript (torch.jit.save): load it in PyTorch and save its state_dict";
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
    weights(input, &pickle.heap, pickle.root, Format::Zip, |input, key| {
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
    mut place: impl FnMut(&mut Input, &str) -> Result<(String, Extent)>,
) -> Result<(StateDict, Origin)> {
    let choice = choose(input, heap, root)?;
    let mut origin = Origin { others: choice.others, beside: choice.beside, ..Origin::new(format) };
    if !choice.path.is_empty() {
        origin.key = Some(choice.path.join("."));
    }
    let mut known = HashMap::new();
    let mut extents: Vec<(String, Extent)> = Vec::new();
    let mut tensors: Vec<(String, View)> = Vec::new();
    let mut axes = 0;
    for (name, id) in choice.entries {
        let Object::Made(Made::Tensor { arguments, typed }) = heap[id] else {
            origin.skipped.push(Skipped { name: name.to_owned(), what: heap.kind(id).to_owned() });
            continue;
        };
        let wrong = |input: &Input, (expected, found): (String, String)| {
            input.wrong_in(format_args!("tensor {}", shown(name)), expected, found)
        };
        let stored = storage(heap, arguments).map_err(|e| wrong(input, e))?;
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
        let view = view(heap, arguments, typed, &stored, index).map_err(|e| wrong(input, e))?;
        // Shapes are copied, and one of many axes may be named any number of times.
        axes += view.axes();
        if axes > heap.limit() {
            return Err(input.wrong("shapes within the size of the pickle", "the same one repeated"));
        }
        tensors.push((name.to_owned(), view));
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

fn choose<'p>(input: &Input, heap: &'p Objects, root: Id) -> Result<Choice<'p>> {
    let expected = "a dict of tensors, or one under a key";
    match find(heap, root) {
        Found::One(choice) => Ok(choice),
        Found::Several(places) => {
            let expected = format!("{expected} of {}", KEYS.join(", "));
            Err(input.wrong(expected, format_args!("tensors under {}", listed(places.into_iter()))))
        }
        Found::Nothing => {
            let found = match &heap[root] {
                Object::Dict(entries) => {
                    let keys: Vec<_> =
                        entries.iter().filter_map(|(key, _)| heap.text(*key)).map(shown).collect();
                    format!("a dict without tensors; its keys are {}", listed(keys.into_iter()))
                }
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
        assert!(untyped("complex64").unwrap_err().contains("tensor w: expected a dtype of F64"));
        assert!(untyped("float31").unwrap_err().contains("the function torch.float31"));
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
