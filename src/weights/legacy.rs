//! The format of `torch.save` before version 1.6: five pickles (a magic number, the
//! version of the format, the machine, the checkpoint, the keys of its storages),
//! then for each key the count of its numbers in 8 bytes and the numbers. There are
//! no checksums: changed numbers go unnoticed.

use std::collections::HashMap;

use super::torch::{Objects, Torch, storages};
use crate::disk::extent::Extent;
use crate::disk::input::Input;
use crate::error::{Result, shown};
use crate::pickle::{self, Id, Object, Pickle, op};

// 0x1950a86a20f9469cfc6c, as a pickle has it.
const MAGIC: [u8; 13] = [op::LONG1, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, op::STOP];
const VERSION: i64 = 1001;

/// Bytes of the first pickle, where it is the magic number.
pub fn magic(start: &[u8]) -> Option<usize> {
    let [op::PROTO, 2..=5, rest @ ..] = start else { return None };
    let frame = if rest.first() == Some(&op::FRAME) { 9 } else { 0 };
    rest.get(frame..)?.starts_with(&MAGIC).then_some(2 + frame + MAGIC.len())
}

/// Reads the pickles; hands the checkpoint to `take`, with the place of each storage.
pub fn read<T>(
    input: &mut Input,
    take: impl FnOnce(&mut Input, &Objects, Id, HashMap<String, Extent>) -> Result<T>,
) -> Result<T> {
    // How long the pickles are is known when they have been read; numbers are not
    // read for it, unless there are few.
    let mut length = input.size().min(1 << 18);
    loop {
        let start = input.bytes(0, length)?;
        match pickles(&start) {
            Err((_, refusal)) if refusal.short && length < input.size() => {
                length = input.size().min(length.saturating_mul(4));
            }
            Err((at, refusal)) => {
                let place = format!("{}: pickle at byte {at}", input.path().display());
                return Err(refusal.error(place));
            }
            Ok((parts, end)) => {
                let [version, machine, checkpoint, keys] = &parts;
                check(input, version, machine)?;
                let extents = places(input, checkpoint, keys, end as u64)?;
                return take(input, &checkpoint.heap, checkpoint.root, extents);
            }
        }
    }
}

type Part<'a> = Pickle<'a, Torch>;

// The four behind the magic number, and where they end.
fn pickles(start: &[u8]) -> std::result::Result<([Part<'_>; 4], usize), (usize, pickle::Refusal)> {
    let mut at = magic(start).unwrap_or(0);
    let mut next = || {
        let part = pickle::read(&start[at..], Torch::default()).map_err(|refusal| (at, refusal))?;
        at += part.len;
        Ok(part)
    };
    let parts = [next()?, next()?, next()?, next()?];
    Ok((parts, at))
}

fn check(input: &Input, version: &Part, machine: &Part) -> Result<()> {
    if !matches!(version.heap[version.root], Object::Int(VERSION)) {
        let found = match version.heap[version.root] {
            Object::Int(version) => version.to_string(),
            ref other => other.kind().to_owned(),
        };
        return Err(input.wrong(format_args!("the legacy format of version {VERSION}"), found));
    }
    let Object::Dict(entries) = &machine.heap[machine.root] else {
        return Err(
            input.wrong("a dict that says on what machine it was saved", machine.heap.kind(machine.root))
        );
    };
    let little = entries.iter().find(|(key, _)| machine.heap.text(*key) == Some("little_endian"));
    if little.is_some_and(|&(_, value)| matches!(machine.heap[value], Object::Bool(false))) {
        return Err(input.wrong("numbers in little-endian order", "big-endian ones"));
    }
    Ok(())
}

// Where the numbers of each storage lie.
fn places(input: &mut Input, checkpoint: &Part, keys: &Part, end: u64) -> Result<HashMap<String, Extent>> {
    let mut named = HashMap::new();
    for storage in storages(&checkpoint.heap) {
        let known = named.entry(storage.key).or_insert(storage);
        if (known.number.size(), known.count) != (storage.number.size(), storage.count) {
            let found = format!("{} numbers of {} bytes", storage.count, storage.number.size());
            let expected = format!("{} numbers of {} bytes", known.count, known.number.size());
            return Err(input.wrong_in(format_args!("storage {}", shown(storage.key)), expected, found));
        }
    }
    let Object::List(list) = &keys.heap[keys.root] else {
        return Err(input.wrong("a list of the keys of storages", keys.heap.kind(keys.root)));
    };
    let mut extents = HashMap::new();
    let mut at = end;
    for &id in list {
        // Each is there once.
        let storage = keys.heap.text(id).and_then(|key| named.remove(key));
        let Some(storage) = storage else {
            let found = keys.heap.text(id).map_or_else(|| keys.heap.kind(id).to_owned(), shown);
            return Err(input.wrong("the keys of the checkpoint's storages, each of them once", found));
        };
        let place = format!("storage {}", shown(storage.key));
        let count = input.bytes(at, 8)?.iter().rev().fold(0, |all, &byte| (all << 8) | u64::from(byte));
        if count != storage.count as u64 {
            return Err(input.wrong_in(place, format_args!("{} numbers", storage.count), count));
        }
        let size = storage.bytes() as u64;
        // Fails where the file is cut off.
        input.section(at + 8, size)?;
        extents.insert(
            storage.key.to_owned(),
            Extent { at: at + 8, stored: size, size, deflated: false, crc: None },
        );
        at += 8 + size;
    }
    if let Some(key) = named.keys().min() {
        return Err(input.wrong(format_args!("numbers of the storage {}", shown(key)), "none"));
    }
    Ok(extents)
}
