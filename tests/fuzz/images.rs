//! Encoded images.

use std::path::{Path, PathBuf};

use domfreq::data::Options;
use domfreq::data::decode::{Item, Payload, decode_all, sides};
use domfreq::field::ImageSet;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::changes::{apply, changes, run};
use crate::memory::{ALONE, in_use};

// Bytes that may be in use at a time: for each pixel, which a decoder may fill up to whole blocks, what it holds and
// the numbers made of it; so many times the file; and so many more, tables and buffers of the decoders.
const OF_A_PIXEL: usize = 20 + 3 * 4;
const TIMES: usize = 512;
const MORE: usize = 4 << 20;
// The decoder of lossy WebP makes room for parts of 2^24 bytes before it reads them.
const PARTS: usize = 16 << 20;
// A header is read without pixels.
const OF_A_HEADER: usize = 1 << 20;

fn decode(file: &[u8]) -> domfreq::Result<ImageSet> {
    let items = [Item { label: 0, payload: Payload::Bytes(file) }];
    let options = Options { labels: false, ..Options::default() };
    decode_all(&items, vec!["a".to_owned()], String::new(), |_| "damaged".to_owned(), &options)
}

fn memory(file: &[u8]) -> Result<(), String> {
    let mut found = Err(String::new());
    let header = in_use(|| found = sides(file));
    let area = |(h, w): (usize, usize)| h.next_multiple_of(32) * w.next_multiple_of(32);
    let pixels = found.map_or(0, area);
    let taken = in_use(|| {
        if let Err(error) = decode(file) {
            assert!(error.to_string().len() < 3000, "{error}");
        }
    });
    let webp = if file.get(8..12) == Some(b"WEBP") { PARTS } else { 0 };
    let most = OF_A_PIXEL * pixels + TIMES * file.len() + MORE + webp;
    if taken > most || header > TIMES * file.len() + OF_A_HEADER {
        return Err(format!(
            "{header} and {taken} bytes for a file of {} with {pixels} pixels in whole blocks: {}…",
            file.len(),
            file.iter().take(4000).map(|byte| format!("{byte:02x}")).collect::<String>()
        ));
    }
    Ok(())
}

fn in_folder(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
}

#[test]
fn damaged_images_are_decoded_or_refused_within_their_memory() {
    let _alone = ALONE.lock();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for folder in ["src/data/testdata", "src/data/testdata/formats"] {
        for path in in_folder(folder) {
            let bytes = std::fs::read(&path).unwrap();
            if sides(&bytes).is_ok() {
                files.push((path.file_name().unwrap().to_string_lossy().into_owned(), bytes));
            }
        }
    }
    assert!(files.len() > 20, "{}", files.len());
    for (name, file) in &files {
        memory(file).unwrap_or_else(|found| panic!("{name}: {found}"));
    }
    // Files that speak of far more than they hold (make.py): the decoders alone would take 2 MB to 2 GB for each.
    let hostile = in_folder("tests/fuzz/images");
    for path in &hostile {
        let file = std::fs::read(path).unwrap();
        memory(&file).unwrap_or_else(|found| panic!("{}: {found}", path.display()));
        // What unfolds there is a profile of colours, which is not used.
        assert_eq!(decode(&file).is_ok(), path.ends_with("icc.png"), "{}", path.display());
    }
    assert!(hostile.len() > 5, "{}", hostile.len());

    let strategy = (any::<Index>(), changes());
    run(&strategy, |(which, changes)| {
        let mut file = files[which.index(files.len())].1.clone();
        changes.iter().for_each(|change| apply(&mut file, change, &files));
        memory(&file).map_err(TestCaseError::fail)
    });
}
