//! Archives of numpy.

use std::path::Path;

use domfreq::data::{Options, npz};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::changes::{apply, archive, changes, run};
use crate::memory::{ALONE, in_use};

// Bytes that may be in use at a time: so many times the file, and so many more.
const TIMES: usize = 128;

// Whether the images and targets of a file were read; the bytes that were in use, at most.
fn images(file: &[u8]) -> (bool, usize) {
    let mut fine = false;
    let bytes = in_use(|| match npz::from_bytes(file, Path::new("damaged"), &Options::default()) {
        Ok(_) => fine = true,
        Err(error) => assert!(error.to_string().len() < 3000, "{error}"),
    });
    (fine, bytes)
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

    let strategy = (any::<Index>(), any::<Option<bool>>(), changes());
    run(&strategy, |(which, inside, changes)| {
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
}
