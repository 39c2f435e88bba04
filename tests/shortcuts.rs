use crate::support::{fails, json, npz, ok, photos};

#[test]
fn a_planted_patch_comes_first_in_json_table_and_file() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = "planted:cue=patch,at=4/9,classes=1,over=leaves:count=400,classes=4,channels=3,size=20";
    let text = ok(tmp.path(), &["shortcuts", "--data", spec, "--json", "--out", "out"]);
    assert!(std::fs::metadata(tmp.path().join("out/shortcuts.png")).unwrap().len() > 10_000);
    let report = json(&text);
    assert_eq!((report["images"].as_u64(), report["classes"].as_u64()), (Some(400), Some(4)));
    assert_eq!(report["shape"], serde_json::json!([3, 20, 20]));
    let shortcuts = report["shortcuts"].as_array().unwrap();
    let alarms = shortcuts.iter().filter(|entry| entry["alarm"] == true).count() as u64;
    assert_eq!((shortcuts.len(), report["alarms"].as_u64()), (4, Some(alarms)));
    let first = &shortcuts[0];
    assert_eq!((&first["alarm"], first["reader"].as_str()), (&serde_json::json!(true), Some("place")));
    assert!(first["most"].as_array().unwrap().iter().all(|i| i.as_u64().unwrap() % 4 == 1), "{first}");
    let [row, col] = [0, 1].map(|i| first["place"]["peak"][i].as_u64().unwrap());
    assert!((4..8).contains(&row) && (9..13).contains(&col), "{first}");
    let written = std::fs::read_to_string(tmp.path().join("out/shortcuts.json")).unwrap();
    assert_eq!(json(&written), report);
    // The same bits again, on one thread; and for people.
    assert_eq!(ok(tmp.path(), &["shortcuts", "--data", spec, "--json", "--threads", "1"]), text);
    let table = ok(tmp.path(), &["shortcuts", "--data", spec]);
    for part in ["400 images, 4 classes, 3×20×20", "can be told by a cue", "ALARM", "AUC alone", "rows "] {
        assert!(table.contains(part), "{part} in {table}");
    }
}

#[test]
fn bad_sets_are_one_clear_error() {
    let tmp = tempfile::tempdir().unwrap();
    photos(tmp.path());
    npz(&tmp.path().join("small.npz"), 40, |i, p| (i * p % 7) as f32, |i| (i % 2) as i64);
    let run =
        |args: &[&str], parts: &[&str]| fails(tmp.path(), &[&["shortcuts", "--data"], args].concat(), parts);
    run(&["folder:photos"], &["class cat", "at least 20 images", "found 6"]);
    run(&["npz:small.npz"], &["at least 12 pixels", "4×5"]);
    run(&["leaves:count=100", "--center", "false"], &["--center", "as they are"]);
    run(&["leaves:count=100", "--threads", "4000"], &["--threads"]);
}
