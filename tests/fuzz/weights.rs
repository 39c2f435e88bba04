//! Files of weights.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domfreq::weights::from_bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::changes::{apply, archive, changes, run};
use crate::memory::{ALONE, in_use};

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
    let (mut count, mut worst, mut slowest) = (0u64, (0.0, 0), Duration::ZERO);
    let strategy = (any::<Index>(), any::<Option<bool>>(), changes());
    let state = std::cell::RefCell::new((&mut count, &mut worst, &mut slowest));
    run(&strategy, |(which, inside, changes)| {
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
    println!(
        "{count} damaged files; at most {} bytes in use, {:.1} times a file beyond {MORE}; slowest {slowest:.1?}",
        worst.1, worst.0
    );
    assert!(count > 0);
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
