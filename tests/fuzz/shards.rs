//! Arrow files and tar archives of images.

use std::path::Path;

use domfreq::data::{self, Options, Spec};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::changes::{apply, changes, run};
use crate::memory::{ALONE, in_use};

// Bytes that may be in use at a time: so many times the file, and so many more.
const TIMES: usize = 64;
const MORE: usize = 8 << 20;

// What begins like an image, and is none: so that nothing but the file that it is in takes memory.
const IMAGE: &[u8] = b"\x89PNG\r\n\x1a\n and no more";

fn tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    };
    for i in 0..4 {
        let (folder, long) = (format!("folder{}", "x".repeat(60 * i)), i == 3);
        add(&format!("{folder}/{i}.png"), IMAGE);
        add(&format!("{folder}/{i}.cls"), if long { b"1" } else { b"0" });
        add(&format!("{folder}/{i}.json"), br#"{"label": 3, "caption": "x"}"#);
    }
    // A name that does not fit into a header.
    add(&format!("{}/long.png", "f".repeat(300)), IMAGE);
    builder.into_inner().unwrap()
}

fn golden(path: &str) -> Vec<u8> {
    let mut file =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images/data").join(path));
    let bytes = file.as_mut().unwrap();
    // Their images lose their headers: see `IMAGE`.
    for at in 0..bytes.len().saturating_sub(16) {
        if bytes[at..].starts_with(b"IHDR") {
            bytes[at] = b'X';
        }
    }
    file.unwrap()
}

fn read(kind: &str, place: &Path, file: &[u8]) -> usize {
    std::fs::write(place, file).unwrap();
    let spec: Spec = format!("{kind}:{}", place.display()).parse().unwrap();
    in_use(|| {
        let error = data::load(&spec, &Options::default()).expect_err("its images are none").to_string();
        assert!(error.len() < 3000, "{error}");
    })
}

#[test]
fn damaged_shards_are_read_or_refused_within_their_memory() {
    let _alone = ALONE.lock();
    let files: Vec<(String, Vec<u8>)> =
        ["saved/data-00000-of-00001.arrow", "footer.arrow", "dictionary.arrow"]
            .iter()
            .map(|path| ("arrow".to_owned(), golden(path)))
            .chain([("webdataset".to_owned(), tar())])
            .collect();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("damaged");
    let strategy = (any::<Index>(), changes(), any::<bool>());
    run(&strategy, |(which, changes, sums)| {
        let (kind, mut file) = files[which.index(files.len())].clone();
        changes.iter().for_each(|change| apply(&mut file, change, &files));
        if sums && kind == "webdataset" {
            with_sums(&mut file);
        }
        let bytes = read(&kind, &place, &file);
        prop_assert!(bytes <= TIMES * file.len() + MORE, "{bytes} bytes for {kind} of {}", file.len());
        Ok(())
    });
}

// Headers of an archive are read where their checksums are right.
fn with_sums(file: &mut [u8]) {
    for header in file.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
