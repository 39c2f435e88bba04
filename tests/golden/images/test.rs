//! Image sets as people have them: what is read of each, or refused. `make.py` beside this file made them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domfreq::data::{self, AxisOrder, Options, Spec};
use domfreq::field::{ImageSet, Targets};
use serde_json::{Map, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images/data")
}

fn expected() -> Map<String, Value> {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn load(case: &Value) -> domfreq::Result<ImageSet> {
    let (kind, path) = text(&case["data"]).split_once(':').unwrap();
    let spec: Spec = format!("{kind}:{}", folder().join(path).display()).parse().unwrap();
    let mut options = Options::default();
    for (key, value) in case["options"].as_object().into_iter().flatten() {
        match key.as_str() {
            "split" => options.split = text(value).to_owned(),
            "labels" => options.labels = value.as_bool().unwrap(),
            "skip_bad" => options.skip_bad = value.as_bool().unwrap(),
            "labels_at" if kind == "idx" || text(value).ends_with(".npy") => {
                options.labels_at = Some(folder().join(text(value)).display().to_string());
            }
            "labels_at" => options.labels_at = Some(text(value).to_owned()),
            "layout" => options.layout = Some(serde_json::from_value::<AxisOrder>(value.clone()).unwrap()),
            "divide_by" => options.divide_by = value.as_f64(),
            _ => panic!("the option {key}"),
        }
    }
    data::load(&spec, &options)
}

fn words(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}

#[test]
fn every_set_is_read_as_its_author_meant_or_refused() {
    let (mut read, mut refused) = (0, 0);
    for (name, case) in &expected() {
        let set = match (load(case), &case["refused"]) {
            (Ok(set), Value::Null) => set,
            (Err(error), Value::Array(_)) => {
                let error = error.to_string();
                for word in words(&case["refused"]) {
                    assert!(error.contains(word), "{name}: expected `{word}` in: {error}");
                }
                assert!(error.contains(&folder().display().to_string()), "{name}: {error}");
                refused += 1;
                continue;
            }
            (Ok(_), _) => panic!("{name}: read, and must not be"),
            (Err(error), _) => panic!("{name}: {error}"),
        };
        assert_eq!(serde_json::json!(set.shape()), case["shape"], "{name}");
        let values = case["values"].as_array().unwrap();
        assert_eq!(set.len(), values.len(), "{name}");
        for (i, want) in values.iter().enumerate() {
            // JPEG is lossy, and half floats are short.
            let (found, want) = (f64::from(set.images[[i, 0, 0, 0]]) * 255.0, want.as_f64().unwrap());
            assert!((found - want).abs() < 2.0, "{name}, image {i}: {found} {want}");
        }
        match &set.targets {
            Targets::Classes { labels, names } => {
                let found: Vec<&str> = labels.iter().map(|&label| names[label as usize].as_str()).collect();
                assert_eq!(serde_json::json!(found), case["classes"], "{name}");
                // No class is there for nothing, and none is two.
                assert_eq!(names.len(), labels.iter().collect::<BTreeSet<_>>().len(), "{name}");
            }
            Targets::Real(y) => {
                let rows: Vec<Vec<f32>> = y.outer_iter().map(|row| row.to_vec()).collect();
                let none = y.ncols() == 0 && case["targets"].is_null();
                assert!(none || serde_json::json!(rows) == case["targets"], "{name}: {rows:?}");
                assert!(case["classes"].is_null(), "{name}");
            }
        }
        let notes: Vec<&str> = words(&case["notes"]).collect();
        assert_eq!(set.source.told.notes.len(), notes.len(), "{name}: {:?}", set.source.told.notes);
        for (note, word) in set.source.told.notes.iter().zip(notes) {
            assert!(note.contains(word), "{name}: expected `{word}` in: {note}");
        }
        let aside = case["aside"].as_object().cloned().unwrap_or_default();
        assert_eq!(serde_json::json!(set.source.told.aside), Value::Object(aside), "{name}");
        read += 1;
    }
    assert!(read >= 50 && refused >= 15, "{read} read, {refused} refused");
}

// The table of sets in the documentation says what is so.
#[test]
fn the_table_of_sets_is_tested_row_by_row() {
    let sets = expected();
    let table =
        include_str!("../../../src/data/mod.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut named = BTreeSet::new();
    let mut rows = 0;
    for row in table.skip(1) {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        let &[_, _, outcome, names] = cells.as_slice() else { panic!("four cells: {row}") };
        assert!(!names.is_empty(), "{row}");
        for name in names.split(' ') {
            let case = sets.get(name).unwrap_or_else(|| panic!("no set {name}"));
            assert_eq!(case["refused"].is_null(), !outcome.starts_with("refused"), "{name}: {outcome}");
            named.insert(name.to_owned());
        }
        rows += 1;
    }
    assert!(rows > 30, "{rows} rows");
    let missing: Vec<_> = sets.keys().filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "in no row: {missing:?}");
}
