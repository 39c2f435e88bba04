//! Files of weights and archives of numpy that were damaged at random: each is read or refused, without a
//! panic and without more memory than the file accounts for. In a binary of its own,
//! because it counts every allocation.
//!
//! `DOMFREQ_FUZZ_SECONDS=3600` goes on for an hour, `PROPTEST_CASES` sets how many
//! cases there are otherwise.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use domfreq::data::{Options, npz};
use domfreq::weights::from_bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
// Held by a test: what others allocate would count as its own.
static ALONE: Mutex<()> = Mutex::new(());

fn grown(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    // While numbers move there are two of them.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// Bytes that may be in use at a time: so many times the file, and so many more.
const TIMES: usize = 128;
const MORE: usize = 2 << 20;

// Reads a file as `open` does; the bytes that were in use, at most.
fn memory(file: &[u8]) -> usize {
    in_use(|| {
        if let Err(error) = from_bytes(file, Path::new("damaged")) {
            let text = error.to_string();
            assert!(text.starts_with("damaged") && text.len() < 3000, "{text}");
        }
    })
}

// The bytes that were in use while `read` ran, at most.
fn in_use(read: impl FnOnce()) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    read();
    PEAK.load(Relaxed) - before
}

// As `memory`, of images and targets; whether they were read, too.
fn images(file: &[u8]) -> (bool, usize) {
    let mut fine = false;
    let bytes = in_use(|| match npz::from_bytes(file, Path::new("damaged"), &Options::default()) {
        Ok(_) => fine = true,
        Err(error) => assert!(error.to_string().len() < 3000, "{error}"),
    });
    (fine, bytes)
}

#[derive(Clone, Debug)]
enum Change {
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

fn changes() -> impl Strategy<Value = Vec<Change>> {
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

fn apply(file: &mut Vec<u8>, change: &Change, others: &[(String, Vec<u8>)]) {
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

// The entries of an archive.
fn entries(file: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).expect("an archive");
    let mut entries = Vec::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).expect("an entry");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("its bytes");
        entries.push((entry.name().to_owned(), bytes));
    }
    entries
}

// An archive whose checksums are right.
fn archive(entries: &[(String, Vec<u8>)], deflate: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = if deflate { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(name, options).expect("an entry");
        writer.write_all(bytes).expect("its bytes");
    }
    writer.finish().expect("an archive").into_inner()
}

fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights/data");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

// A legacy checkpoint of `count` tensors of `length` floats.
fn large(count: usize, length: u32) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut keys = b"\x80\x02](".to_vec();
    for i in 0..count {
        let name = [b'a' + i as u8];
        let piece = [
            &b"U\x01"[..],
            &name,
            b"ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01",
            &name,
            b"U\x03cpuJ",
            &length.to_le_bytes(),
            b"NtQK\x00J",
            &length.to_le_bytes(),
            b"\x85K\x01\x85\x89NtR",
        ];
        pickle.extend(piece.concat());
        keys.extend([&b"U\x01"[..], &name].concat());
    }
    pickle.extend(b"u.");
    keys.extend(b"e.");
    let [_, mut file] = with_pickle(&pickle);
    file.truncate(file.len() - b"\x80\x02].".len());
    file.extend(keys);
    for i in 0..count {
        file.extend(u64::from(length).to_le_bytes());
        file.extend((0..length).flat_map(|n| (n as f32 + i as f32).to_le_bytes()));
    }
    file
}

/// `DOMFREQ_WEIGHTS_FILE=FILE` reads a file, in a process that does nothing else.
#[test]
fn a_file_named_by_the_environment_is_read_in_less_than_twice_its_size() {
    let Some(path) = std::env::var_os("DOMFREQ_WEIGHTS_FILE").map(PathBuf::from) else {
        println!("skipped: DOMFREQ_WEIGHTS_FILE names no file");
        return;
    };
    let clock = Instant::now();
    let read = domfreq::weights::open(&path).unwrap();
    let elapsed = clock.elapsed();
    let size = std::fs::metadata(&path).unwrap().len();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak = 1024 * peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kB");
    println!("{} tensors of {size} bytes in {elapsed:.2?}; resident at most {peak}", read.dict.len());
    assert!(peak < 2 * size, "{peak} bytes for a file of {size}");
}

#[test]
fn damaged_files_are_read_or_refused_within_their_memory() {
    let _alone = ALONE.lock();
    for (name, pickle) in bombs() {
        with_pickle(&pickle).iter().for_each(|file| bounded(name, file));
    }
    // A pickle of zeros, a thousandth of its size when compressed.
    bounded("zip bomb", &archive(&[("a/data.pkl".to_owned(), vec![0; 64 << 20])], true));

    bounded("compressed lists", &archive(&[("a/data.pkl".to_owned(), vec![b']'; 900_000])], true));

    // Numbers are read to their place: there is one copy of them.
    let file = large(20, 400_000);
    let read = from_bytes(&file, Path::new("large")).unwrap();
    assert_eq!((read.dict.len(), read.dict.bytes()), (20, 32_000_000));
    drop(read);
    let bytes = memory(&file);
    println!("{bytes} bytes for a sound file of {}", file.len());
    assert!(bytes * 100 < file.len() * 105);

    let files = golden();
    let archives: Vec<_> = files
        .iter()
        .filter(|(name, bytes)| name.ends_with(".pt") && bytes.starts_with(b"PK"))
        .map(|(name, bytes)| (name.clone(), entries(bytes)))
        .collect();
    let seconds = std::env::var("DOMFREQ_FUZZ_SECONDS").ok().map(|s| s.parse().expect("a number of seconds"));
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let config = Config { failure_persistence: None, ..Config::with_cases(cases()) };
    let (mut count, mut worst, mut slowest) = (0u64, (0.0, 0), Duration::ZERO);
    let strategy = (any::<Index>(), any::<Option<bool>>(), changes());
    loop {
        let state = std::cell::RefCell::new((&mut count, &mut worst, &mut slowest));
        let result = TestRunner::new(config.clone()).run(&strategy, |(which, inside, changes)| {
            // A file as it is, or the pickle of an archive that is then put together again.
            let file = match inside {
                None => {
                    let mut file = files[which.index(files.len())].1.clone();
                    changes.iter().for_each(|change| apply(&mut file, change, &files));
                    file
                }
                Some(deflate) => {
                    let mut entries = archives[which.index(archives.len())].1.clone();
                    let pickle = entries.iter_mut().find(|(name, _)| name.ends_with("/data.pkl"));
                    let pickle = &mut pickle.expect("a pickle").1;
                    changes.iter().for_each(|change| apply(pickle, change, &files));
                    archive(&entries, deflate)
                }
            };
            let clock = Instant::now();
            let bytes = memory(&file);
            let mut state = state.borrow_mut();
            *state.0 += 1;
            *state.2 = (*state.2).max(clock.elapsed());
            let ratio = bytes.saturating_sub(MORE) as f64 / file.len().max(1) as f64;
            if ratio > state.1.0 || (state.1.0 == 0.0 && bytes > state.1.1) {
                *state.1 = (ratio, bytes);
            }
            prop_assert!(bytes <= TIMES * file.len() + MORE, "{bytes} bytes for a file of {}", file.len());
            Ok(())
        });
        if let Err(error) = result {
            panic!("after {count} cases: {error}");
        }
        if Instant::now() >= end {
            break;
        }
    }
    println!(
        "{count} damaged files; at most {} bytes in use, {:.1} times a file beyond {MORE}; slowest {slowest:.1?}",
        worst.1, worst.0
    );
    assert!(count > 0);
}

// A .npy file of such a header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{{header}, }}");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn images_and_labels(shape: &str, pixels: &[u8], labels: &[u8]) -> Vec<(String, Vec<u8>)> {
    let head =
        |shape: &str, dtype: &str| format!("'descr': '{dtype}', 'fortran_order': False, 'shape': ({shape})");
    let y = npy(&head(&format!("{},", labels.len()), "|u1"), labels);
    vec![("X.npy".to_owned(), npy(&head(shape, "|u1"), pixels)), ("y.npy".to_owned(), y)]
}

#[test]
fn damaged_arrays_are_read_or_refused_within_their_memory() {
    let _alone = ALONE.lock();
    // A label may stand for as many classes as there can be, each of them with a name.
    const MORE: usize = 8 << 20;
    let sound = images_and_labels("3, 4, 5", &(0..60).collect::<Vec<u8>>(), &[0, 1, 2]);
    let files: Vec<_> = [false, true].map(|deflate| ("npz".to_owned(), archive(&sound, deflate))).to_vec();
    assert!(files.iter().all(|(_, file)| images(file).0));

    // Zeros, a thousandth of their size when compressed: a header that speaks of few of them ...
    let zeros = vec![0; 64 << 20];
    let (fine, bytes) = images(&archive(&images_and_labels("2, 2, 2", &zeros, &[0, 1]), true));
    assert!(!fine && bytes < MORE, "{bytes}");
    // ... and one of all: deflate's own bound holds, for bytes and for the numbers made of them.
    let file = archive(&images_and_labels("2, 4096, 8192", &zeros, &[0, 1]), true);
    let (fine, bytes) = images(&file);
    assert!(fine && bytes < 8 * 1032 * file.len(), "{bytes} of {}", file.len());
    drop(zeros);

    let config = Config { failure_persistence: None, ..Config::with_cases(cases()) };
    let strategy = (any::<Index>(), any::<Option<bool>>(), changes());
    let result = TestRunner::new(config).run(&strategy, |(which, inside, changes)| {
        // An archive as it is, or an array of one that is then put together again.
        let file = match inside {
            None => {
                let mut file = files[which.index(files.len())].1.clone();
                changes.iter().for_each(|change| apply(&mut file, change, &files));
                file
            }
            Some(deflate) => {
                let mut entries = sound.clone();
                let array = which.index(entries.len());
                changes.iter().for_each(|change| apply(&mut entries[array].1, change, &files));
                archive(&entries, deflate)
            }
        };
        let (_, bytes) = images(&file);
        prop_assert!(bytes <= TIMES * file.len() + MORE, "{bytes} bytes for a file of {}", file.len());
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

// A checkpoint whose pickle is `pickle`, in both formats.
fn with_pickle(pickle: &[u8]) -> [Vec<u8>; 2] {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    [
        archive(&[("a/data.pkl".to_owned(), pickle.to_vec())], false),
        [&magic[..], pickle, b"\x80\x02]."].concat(),
    ]
}

// The densest pickles: a byte for each object, for each entry of the memo, a few for
// each copy of something long.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    const MANY: usize = 300_000;
    let repeated = |start: &[u8], piece: &[u8], times: usize, end: &[u8]| {
        [b"\x80\x02", start, &piece.repeat(times), end].concat()
    };
    let text =
        |length: usize, byte: u8| [&b"X"[..], &(length as u32).to_le_bytes(), &vec![byte; length]].concat();
    let doubled = b"h\x00h\x00\x86q\x00".as_slice();
    let list = [&b"(]q\x01("[..], &b"K\x01N\x86".repeat(20_000), b"e0"].concat();
    let ordered = b"ccollections\nOrderedDict\nq\x02h\x01\x85R0".as_slice();
    let tensor = |shape: &str, strides: &str| {
        let dims = |list: &str| -> Vec<u8> {
            let each = list.split(' ').flat_map(|n| {
                let n: i64 = n.parse().expect("a number");
                [&b"\x8a\x08"[..], &n.to_le_bytes()].concat()
            });
            [&b"("[..], &each.collect::<Vec<u8>>(), b"t"].concat()
        };
        [
            &b"}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQK\x00"[..],
            &dims(shape),
            &dims(strides),
            b"\x89NtRs.",
        ]
        .concat()
    };
    vec![
        ("lists", repeated(b"", b"]", MANY, b".")),
        ("dicts", repeated(b"", b"}", MANY, b".")),
        ("nested lists", [vec![b']'; MANY], vec![b'a'; MANY - 1], b".".to_vec()].concat()),
        ("marks", repeated(b"", b"(", MANY, b".")),
        ("memo", repeated(b"N", b"\x94", MANY, b".")),
        ("doubled tuples", repeated(b"]q\x00", doubled, 40_000, b".")),
        ("a long key in many dicts", {
            let key = [&text(30_000, b'k')[..], b"q\x00q\x01"].concat();
            repeated(
                &[&key[..], b"0}("].concat(),
                b"N",
                0,
                &[&b"U\x01a}h\x00}h\x00Nss".repeat(20_000)[..], b"u."].concat(),
            )
        }),
        ("instances of instances", repeated(b"cm\nC\n", b")\x81", MANY, b".")),
        ("instances by their memo", repeated(b"cm\nC\nq\x000", b"h\x00)\x810", MANY, b"N.")),
        ("instances of protocol 0", repeated(b"", b"(im\nC\n0", MANY, b"N.")),
        ("functions that are not known", repeated(b"", b"cm\nC\n0", MANY, b"N.")),
        (
            "a long name again and again",
            repeated(&[b"(", &text(100_000, b'm')[..], b"q\x00"].concat(), b"h\x00h\x00\x930", MANY, b"1N."),
        ),
        ("sets", repeated(b"(", b"\x8f", MANY, b"lN.")),
        (
            "a set of a list again and again",
            repeated(&list, b"c__builtin__\nset\nh\x01\x85R0", 10_000, b"N."),
        ),
        ("states of one object", repeated(b"cm\nC\n)\x81", b"Nb", MANY, b".")),
        ("entries of an object", repeated(b"cm\nC\n)\x81(", b"U\x01aN", MANY, b"u.")),
        ("entries that are one deep object", {
            let deep = [&b"}(U\x01acm\nC\n"[..], &b")\x81".repeat(MANY), b"q\x00"].concat();
            let names: Vec<u8> =
                (0..MANY as u32).flat_map(|i| [&b"U\x04"[..], &i.to_le_bytes(), b"h\x00"].concat()).collect();
            [b"\x80\x02", &deep[..], &names, b"u."].concat()
        }),
        ("parts of a network that double", {
            // A part with two parts, which are both the one before.
            let part = b"cm\nC\n)\x81}(U\x0b_parametersh\x02U\x08_modules}(U\x01ah\x01U\x01bh\x01uubq\x010";
            repeated(
                b"(}q\x020cm\nC\n)\x81}(U\x0b_parametersh\x02U\x08_modulesh\x02ubq\x010",
                part,
                2_000,
                b"h\x01.",
            )
        }),
        ("a list of pairs again and again", repeated(&list, ordered, 10_000, b"N.")),
        ("length of a string", repeated(b"", b"X\xff\xff\xff\x7f", 1, b"abc.")),
        ("length of an integer", repeated(b"", b"\x8b\xff\xff\xff\x7f", 1, b"abc.")),
        ("an expanded tensor", tensor("1099511627776", "0")),
        ("a shape that overflows", tensor("4294967296 4294967296 4294967296", "0 0 0")),
        ("a shape of many axes", tensor(&vec!["1"; 5000].join(" "), "0")),
        ("negative strides", tensor("2 2", "-1 1")),
        ("strides that overflow", tensor("3 3", "9223372036854775807 1")),
    ]
}

#[track_caller]
fn bounded(name: &str, file: &[u8]) {
    let bytes = memory(file);
    println!("{name}: {bytes} bytes for a file of {}", file.len());
    assert!(bytes <= TIMES * file.len() + MORE, "{name}: {bytes} bytes for a file of {}", file.len());
    assert!(from_bytes(file, Path::new("bomb")).is_err(), "{name}");
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(20_000)
}
