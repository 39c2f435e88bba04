//! Checkpoints against what PyTorch reads of them. `make.py` beside this file made
//! them, and says in which kinds they come.

use std::path::{Path, PathBuf};

use domfreq::weights::{self, Checkpoint, NamedTensor};
use serde_json::{Map, Value, json};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/weights/data")
}

fn expected() -> Map<String, Value> {
    let mut all: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    let Value::Object(files) = all["files"].take() else { panic!("a map of files") };
    files
}

fn fnv1a(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn bytes(tensor: &NamedTensor) -> Vec<u8> {
    let mut bytes = Vec::new();
    tensor.data().write_le_bytes(&mut bytes).unwrap();
    bytes
}

// Takes the numbers that PyTorch computed out of a case, having compared them with those
// that were read: the last bits differ.
fn without_near(case: &Value, read: &Checkpoint, seen: &mut Value) -> Value {
    let mut case = case.clone();
    let Some(Value::Object(near)) = case.as_object_mut().unwrap().remove("near") else { return case };
    for (name, numbers) in &near {
        let got = read.dict.get(name).unwrap_or_else(|| panic!("{name}")).data().to_f64();
        let want: Vec<f64> = numbers.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let largest = want.iter().fold(0.0f64, |all, v| all.max(v.abs()));
        assert_eq!(got.len(), want.len(), "{name}");
        assert!(
            got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-6 * largest),
            "{name}: {got:?} {want:?}"
        );
    }
    // All but the hash.
    for side in [&mut case, seen] {
        for row in side["tensors"].as_array_mut().unwrap() {
            let row = row.as_array_mut().unwrap();
            if near.contains_key(row[0].as_str().unwrap()) {
                row.truncate(3);
            }
        }
    }
    case
}

// In the words of expected.json.
fn seen(read: &Checkpoint) -> Value {
    let origin = &read.origin;
    let skipped: Map<String, Value> =
        origin.skipped.iter().map(|s| (s.name.clone(), s.what.clone().into())).collect();
    let rows: Vec<Value> = read
        .dict
        .iter()
        .map(|t| json!([t.name(), t.data().dtype().name(), t.shape(), fnv1a(&bytes(t))]))
        .collect();
    let mut seen = json!({
        "format": origin.format,
        "key": origin.key,
        "others": origin.others,
        "beside": origin.beside,
        "stripped": origin.stripped,
        "skipped": skipped,
        "tensors": rows,
    });
    for (name, list) in
        [("inert", &origin.inert), ("composed", &origin.composed), ("outside", &origin.outside)]
    {
        if !list.is_empty() {
            seen[name] = json!(list);
        }
    }
    seen
}

#[test]
fn every_kind_of_file_is_read_as_pytorch_reads_it_or_refused_in_words() {
    let folder = data();
    let files = expected();
    let (mut read, mut refused) = (0, 0);
    for (name, case) in &files {
        let found = weights::open(&folder.join(name));
        match (case.get("refused"), found) {
            (None, Ok(found)) => {
                let mut seen = seen(&found);
                let case = without_near(case, &found, &mut seen);
                assert_eq!(seen, case, "{name}");
                read += 1;
            }
            (Some(words), Err(error)) => {
                let text = error.to_string();
                let place = text.starts_with(&folder.display().to_string());
                let words = words.as_array().unwrap().iter().map(|w| w.as_str().unwrap());
                assert!(place && text.len() < 1000, "{name}: {text}");
                for word in words {
                    assert!(text.contains(word), "{name}: expected `{word}` in: {text}");
                }
                refused += 1;
            }
            (None, Err(error)) => panic!("{name}: {error}"),
            (Some(words), Ok(_)) => panic!("{name}: read, but expected {words}"),
        }
    }
    assert!(read >= 50 && refused >= 26, "{read} read, {refused} refused");
}

#[test]
fn what_is_under_a_key_may_be_deep_a_list_or_a_tensor() {
    let of = |name: &str, key: &str| {
        let pick = weights::Pick { key: Some(key.to_owned()), prefix: None };
        weights::open_with(&data().join(name), &pick)
    };
    let names = |name: &str, key: &str| -> Vec<String> {
        let read = of(name, key).unwrap();
        assert_eq!(read.origin.key.as_deref(), Some(key), "{name}");
        read.dict.iter().map(|t| t.name().to_owned()).collect()
    };
    assert_eq!(names("two.pt", "discriminator"), ["w", "b"]);
    assert_eq!(names("nested.pt", "checkpoint.model.net"), ["w", "b"]);
    assert_eq!(names("list_under.pt", "weights"), ["0"]);
    assert_eq!(names("list_under.pt", "weights.0"), ["tensor"]);
    assert_eq!(names("module_under.pt", "model")[0], "conv.weight");
    let text = of("two.pt", "teacher").unwrap_err().to_string();
    assert!(text.contains("`teacher`; there is generator, discriminator"), "{text}");
}

// The table of files in the documentation says what is so.
#[test]
fn the_table_of_files_is_tested_row_by_row() {
    let files = expected();
    let table =
        include_str!("../../../src/weights/mod.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut rows = 0;
    for row in table.skip(1) {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let &[_, outcome, _, names] = cells.as_slice() else { panic!("four cells: {row}") };
        assert!(!names.is_empty(), "{row}");
        for name in names.split(' ') {
            let case = files.get(name).unwrap_or_else(|| panic!("{name} of: {row}"));
            // A row may name the part of it that is refused.
            let refused = case.get("refused").is_some();
            assert!(refused == (outcome == "refused") || name == "outside.index.json", "{name} of: {row}");
        }
        rows += 1;
    }
    assert!(rows > 25, "{rows} rows");
}

// Every single bit of an archive has a meaning that is checked, or none that matters.
#[test]
fn a_flipped_bit_of_an_archive_is_seen_or_changes_nothing() {
    let path = data().join("nested.pt");
    let mut file = std::fs::read(&path).unwrap();
    let whole = seen(&weights::open(&path).unwrap());
    let mut unseen = 0;
    for bit in 0..8 * file.len() {
        file[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = weights::from_bytes(&file, &path) {
            assert_eq!(seen(&read), whole, "bit {} of byte {}", bit % 8, bit / 8);
            unseen += 1;
        }
        file[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{unseen} of {} bits have no meaning", 8 * file.len());
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for name in ["nested.pt", "dtypes.th", "dtypes.safetensors", "deflated.pt"] {
        let path = data().join(name);
        let file = std::fs::read(&path).unwrap();
        for length in (0..file.len()).step_by(if file.len() > 8000 { 13 } else { 1 }) {
            let text = weights::from_bytes(&file[..length], &path).unwrap_err().to_string();
            assert!(text.starts_with(&path.display().to_string()), "{name}, {length} bytes: {text}");
        }
    }
}
