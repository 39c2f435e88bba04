//! Damage done to files, at random.

use std::io::{Cursor, Write};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
pub enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    // a number in 1, 2, 4 or 8 bytes
    Number(Index, u8, u64),
    Remove(Index, Index),
    // a stretch of the same file or of another one, put in or written over what is there
    Splice { from: Index, of: Option<Index>, length: usize, to: Index, over: bool },
    Repeat { from: Index, length: usize, times: usize },
    Cut(Index),
    // an opcode of pickles or a few of them
    Opcodes(Index, Vec<u8>),
}

pub fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<Index>;
    let numbers = prop_oneof![
        Just(0u64),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(u64::from(u32::MAX)),
        Just(1 << 40),
        (0u32..64).prop_map(|bits| 1 << bits),
        any::<u64>()
    ];
    let opcode = prop::sample::select(
        b".(012NI\x88\x89JKMLUXG])}tl ausdebRcQqrhjgpio\x80\x81\x85\x86\x87\x8a\x8b\x8c\x8f\x90\x91\x92\x93\x94\x95".to_vec(),
    );
    let change = prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        3 => (at(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        3 => (at(), 0u8..4, numbers).prop_map(|(at, width, value)| Change::Number(at, width, value)),
        1 => (at(), at()).prop_map(|(from, to)| Change::Remove(from, to)),
        2 => (at(), prop::option::of(at()), 1usize..400, at(), any::<bool>())
            .prop_map(|(from, of, length, to, over)| Change::Splice { from, of, length, to, over }),
        1 => (at(), 1usize..40, 2usize..2000)
            .prop_map(|(from, length, times)| Change::Repeat { from, length, times }),
        1 => at().prop_map(Change::Cut),
        3 => (at(), prop::collection::vec(opcode, 1..6)).prop_map(|(at, codes)| Change::Opcodes(at, codes)),
    ];
    prop::collection::vec(change, 1..6)
}

pub fn apply(file: &mut Vec<u8>, change: &Change, others: &[(String, Vec<u8>)]) {
    if file.is_empty() {
        return;
    }
    let stretch = |bytes: &[u8], from: &Index, length: usize| {
        let from = from.index(bytes.len().max(1));
        bytes[from.min(bytes.len())..(from + length).min(bytes.len())].to_vec()
    };
    let write = |file: &mut Vec<u8>, at: usize, bytes: &[u8]| {
        for (place, byte) in file[at..].iter_mut().zip(bytes) {
            *place = *byte;
        }
    };
    let length = file.len();
    match change {
        Change::Set(at, value) => file[at.index(length)] = *value,
        Change::Flip(at, bit) => file[at.index(length)] ^= 1 << bit,
        Change::Number(at, width, value) => write(file, at.index(length), &value.to_le_bytes()[..1 << width]),
        Change::Remove(from, to) => {
            let (from, to) = (from.index(length), to.index(length));
            file.drain(from.min(to)..from.max(to));
        }
        Change::Splice { from, of, length: count, to, over } => {
            let other = of.map_or(&**file, |of| &others[of.index(others.len())].1);
            let piece = stretch(other, from, *count);
            let to = to.index(length);
            if *over {
                write(file, to, &piece);
            } else {
                file.splice(to..to, piece);
            }
        }
        Change::Repeat { from, length: count, times } => {
            let piece = stretch(file, from, *count);
            let at = from.index(length);
            file.splice(at..at, piece.repeat(*times));
        }
        Change::Cut(at) => file.truncate(at.index(length)),
        Change::Opcodes(at, codes) => write(file, at.index(length), codes),
    }
}

/// An archive whose checksums are right.
pub fn archive(entries: &[(String, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(name, options).expect("an entry");
        writer.write_all(bytes).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

/// Runs `test` on values of `strategy`: as many as `PROPTEST_CASES` says, again and again for
/// `DOMFREQ_FUZZ_SECONDS`.
pub fn run<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seconds = std::env::var("DOMFREQ_FUZZ_SECONDS").ok().map(|s| s.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let config = Config { failure_persistence: None, ..Config::with_cases(asked.unwrap_or(20_000)) };
    loop {
        TestRunner::new(config.clone()).run(strategy, &test).unwrap_or_else(|error| panic!("{error}"));
        if Instant::now() >= end {
            break;
        }
    }
}
