//! The directory of a zip archive: where its entries lie. Entries are stored or
//! deflated; archives and entries beyond 4 GiB (zip64) are read.
//!
//! (The crate `zip` makes room for as many entries as an archive claims to have,
//! which may be hundreds of times its size.)

use std::collections::HashMap;

use super::extent::Extent;
use super::input::Input;
use crate::error::{Result, shown};

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const END_LEN: usize = 22;
const LOCATOR_LEN: usize = 20;
// In 16 and 32 bits: the number is elsewhere, in 64.
const IN_64: u64 = 0xffff_ffff;
const IN_64_SHORT: u64 = 0xffff;

/// An archive's entries, by name.
#[derive(Debug)]
pub struct Archive {
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    // where its own header is
    at: u64,
    stored: u64,
    size: u64,
    flags: u64,
    method: u64,
    crc: u32,
}

/// Numbers in little-endian order, from the start of some bytes on.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, length: usize) -> Option<u64> {
        Some(self.take(length)?.iter().rev().fold(0, |all, &byte| (all << 8) | u64::from(byte)))
    }

    fn starts(&mut self, signature: [u8; 4]) -> Option<()> {
        (self.take(4)? == signature).then_some(())
    }
}

impl Archive {
    /// Reads the directory.
    ///
    /// # Errors
    /// A file that was cut off, a directory that is damaged, two entries of one name.
    pub fn read(input: &mut Input) -> Result<Self> {
        let size = input.size();
        let tail_len = size.min((END_LEN + LOCATOR_LEN + 0xffff) as u64);
        let tail_at = size - tail_len;
        let tail = input.bytes(tail_at, tail_len)?;
        // The last one whose comment ends with the file.
        let end = (0..=tail.len().saturating_sub(END_LEN)).rev().find(|&at| {
            let rest = &tail[at..];
            rest.len() >= END_LEN
                && rest.starts_with(&END)
                && rest.len() - END_LEN == usize::from(u16::from_le_bytes([rest[20], rest[21]]))
        });
        let Some(end) = end else {
            return Err(input.wrong("a zip archive, which ends with its directory", "none: it is cut off"));
        };
        let damaged =
            |input: &Input, part: &str| input.wrong("a zip archive", format_args!("a damaged {part}"));
        let parse = |bytes: &[u8]| {
            let mut fields = Fields(bytes);
            fields.starts(END)?;
            let disks = (fields.number(2)?, fields.number(2)?, fields.number(2)?);
            Some((disks.2, fields.number(2)?, fields.number(4)?, fields.number(4)?))
        };
        let Some((mut on_disk, mut count, mut length, mut at)) = parse(&tail[end..]) else {
            return Err(damaged(input, "end"));
        };
        if let Some(locator) = end.checked_sub(LOCATOR_LEN)
            && tail[locator..].starts_with(&LOCATOR64)
        {
            let mut fields = Fields(&tail[locator + 8..]);
            let end64_at = fields.number(8).unwrap_or(u64::MAX);
            let end64 = input.bytes(end64_at, 56)?;
            let parse = || {
                let mut fields = Fields(&end64);
                fields.starts(END64)?;
                fields.take(20)?;
                Some((fields.number(8)?, fields.number(8)?, fields.number(8)?, fields.number(8)?))
            };
            let Some(numbers) = parse() else {
                return Err(damaged(input, "zip64 end"));
            };
            (on_disk, count, length, at) = numbers;
        } else if count == IN_64_SHORT || length == IN_64 || at == IN_64 {
            return Err(damaged(input, "end, without its zip64 part"));
        }
        if on_disk != count {
            return Err(
                input.wrong("a zip archive in one part", format_args!("{on_disk} of {count} entries"))
            );
        }
        // What is in the directory bounds all that is made of it.
        let directory = input.bytes(at, length)?;
        let mut fields = Fields(&directory);
        let mut entries = HashMap::new();
        while !fields.0.is_empty() {
            let Some((name, entry)) = entry(&mut fields) else {
                return Err(damaged(input, "directory"));
            };
            if entries.contains_key(&name) {
                return Err(input.wrong(
                    "a zip archive of entries with names of their own",
                    format_args!("two called {}", shown(&name)),
                ));
            }
            entries.insert(name, entry);
        }
        if entries.len() as u64 != count {
            let found = format!("{} in its directory", entries.len());
            return Err(input.wrong(format_args!("a zip archive of {count} entries"), found));
        }
        Ok(Self { entries })
    }

    /// Names of the entries, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<_> = self.entries.iter().map(|(name, entry)| (entry.at, name.as_str())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name)
    }

    /// Whether there is an entry of that name.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Where the bytes of an entry are.
    ///
    /// # Errors
    /// No such entry, one whose own header says something else, encryption, a
    /// method other than stored and deflated.
    pub fn extent(&self, input: &mut Input, name: &str) -> Result<Extent> {
        const HEADER: u64 = 30;
        let Some(entry) = self.entries.get(name) else {
            return Err(input.wrong(format_args!("an entry {}", shown(name)), "none of that name"));
        };
        let header = input.bytes(entry.at, HEADER)?;
        let parse = || {
            let mut fields = Fields(&header);
            fields.starts(LOCAL)?;
            fields.take(2)?;
            let (flags, method) = (fields.number(2)?, fields.number(2)?);
            fields.take(16)?;
            Some((flags, method, fields.number(2)?, fields.number(2)?))
        };
        let own = parse().filter(|own| (own.0, own.1) == (entry.flags, entry.method));
        let Some((_, _, name_len, extra_len)) = own else {
            return Err(input.wrong_in(
                shown(name),
                "the header of an entry",
                "other bytes: the file is damaged",
            ));
        };
        let own_name = input.bytes(entry.at + HEADER, name_len)?;
        if own_name != name.as_bytes() {
            let found = shown(&String::from_utf8_lossy(&own_name));
            return Err(input.wrong_in(
                shown(name),
                "an entry of that name",
                format_args!("one called {found}"),
            ));
        }
        if entry.flags & 1 != 0 {
            return Err(input.wrong_in(shown(name), "an entry that is not encrypted", "an encrypted one"));
        }
        let deflated = match entry.method {
            0 if entry.stored == entry.size => false,
            8 => true,
            method => {
                let found = format!("method {method}, {} bytes of {}", entry.stored, entry.size);
                return Err(input.wrong_in(shown(name), "an entry that is stored or deflated", found));
            }
        };
        let at = entry.at + HEADER + name_len + extra_len;
        Ok(Extent { at, stored: entry.stored, size: entry.size, deflated, crc: Some(entry.crc) })
    }
}

// One entry of the directory.
fn entry(fields: &mut Fields) -> Option<(String, Entry)> {
    fields.starts(CENTRAL)?;
    fields.take(4)?;
    let (flags, method) = (fields.number(2)?, fields.number(2)?);
    fields.take(4)?;
    let crc = fields.number(4)? as u32;
    let (mut stored, mut size) = (fields.number(4)?, fields.number(4)?);
    let (name_len, extra_len, comment_len) = (fields.number(2)?, fields.number(2)?, fields.number(2)?);
    fields.take(8)?;
    let mut at = fields.number(4)?;
    let name = String::from_utf8(fields.take(name_len as usize)?.to_vec()).ok()?;
    let mut extra = Fields(fields.take(extra_len as usize)?);
    fields.take(comment_len as usize)?;
    while [size, stored, at].contains(&IN_64) {
        let (id, length) = (extra.number(2)?, extra.number(2)?);
        let mut body = Fields(extra.take(length as usize)?);
        if id == 1 {
            for number in [&mut size, &mut stored, &mut at] {
                if *number == IN_64 {
                    *number = body.number(8)?;
                }
            }
            break;
        }
    }
    // Beyond, sums with lengths could overflow.
    let fine = [at, stored, size].iter().all(|&number| number < 1 << 62);
    fine.then_some((name, Entry { at, stored, size, flags, method, crc }))
}
