use crate::support::{fails, json, npz, ok, photos, write_png};

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
fn photos_of_different_sizes_are_brought_to_one() {
    let tmp = tempfile::tempdir().unwrap();
    for class in 0..2u32 {
        for i in 0..24u32 {
            let file = tmp.path().join(format!("set/c{class}/{i}.png"));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            // One class has waves, 1 in 4 pixels of it.
            let wave = move |x: u32| if class == 1 { 60 * u8::from(x % 4 < 2) } else { 0 };
            write_png(&file, 70 + i, 90 - i, |y, x| ((x * 7 + y * 13 + i * 29) % 97) as u8 + wave(x));
        }
    }
    let report = json(&ok(tmp.path(), &["shortcuts", "--data", "folder:set", "--json"]));
    assert_eq!(report["shape"], serde_json::json!([1, 64, 64]));
    assert!(report["notes"].to_string().contains("64×64 pixels"), "{report}");
    let wide = json(&ok(tmp.path(), &["shortcuts", "--data", "folder:set", "--size", "24x32", "--json"]));
    assert_eq!(wide["shape"], serde_json::json!([1, 24, 32]));
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

const LEAVES: &str = "leaves:count=400,classes=4,channels=3,size=20";

#[test]
fn a_test_set_without_the_cue_shows_that_it_is_one_of_training_only() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = format!("planted:cue=patch,norm=2,at=4/9,classes=1,over={LEAVES}");
    let text = ok(tmp.path(), &["shortcuts", "--data", &spec, "--test", &spec, "--json", "--out", "out"]);
    let report = json(&text);
    assert_eq!(report["test"]["split"], "test");
    let both = &report["comparison"];
    let cue = &both["cues"][0];
    assert_eq!((cue["set"].as_str(), cue["only"].as_bool()), (Some("train"), Some(true)), "{both}");
    assert!(cue["here"].as_f64() > Some(0.9) && cue["there"].as_f64() < Some(0.7), "{cue}");
    assert_eq!(both["copies"], serde_json::json!([0, 0]));
    assert_eq!(both["classes"], serde_json::json!([[], []]));
    assert!(both["modes"].as_array().unwrap().len() > 2, "{both}");
    // One page with the picture in it, and the tables.
    let page = std::fs::read_to_string(tmp.path().join("out/report.html")).unwrap();
    for part in ["data:image/png;base64", "cues of train that test has not", "Train against test", "ALARM"] {
        assert!(page.contains(part), "{part}");
    }
    // Of another part of the set, which has the cue: it is in both.
    let args = ["shortcuts", "--data", &spec, "--test", &spec, "--test-split", "train"];
    let table = ok(tmp.path(), &args);
    assert!(table.contains("400 of 400 images of test are copies") && table.contains("in both"), "{table}");
    assert!(!table.contains("ONLY HERE"), "{table}");
}

#[test]
fn images_of_two_sources_can_be_told_apart() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = format!("planted:cue=cosine,frequency=4/-5,norm=2,classes=all,as=cue/clean,over={LEAVES}");
    let args = ["shortcuts", "--data", &spec, "--test", &spec];
    let table = ok(tmp.path(), &args);
    assert!(table.contains("no alarm: no class") && table.contains("can be told apart"), "{table}");
    assert!(table.contains("frequency (4, -5)") || table.contains("frequency (-4, 5)"), "{table}");
}

#[test]
fn test_sets_that_do_not_fit_are_one_clear_error() {
    let tmp = tempfile::tempdir().unwrap();
    npz(&tmp.path().join("small.npz"), 40, |i, p| (i * p % 7) as f32, |i| (i % 2) as i64);
    let run = |test: &str, parts: &[&str]| {
        fails(tmp.path(), &["shortcuts", "--data", LEAVES, "--test", test], parts);
    };
    run("leaves:count=400,classes=4,channels=3,size=21", &["--test", "3×20×20", "3×21×21"]);
    run(
        "shapes:count=400,classes=4,channels=3,size=20",
        &["--test", "two classes of the training set", "scene 0"],
    );
    run("npz:small.npz", &["--test"]);
    run("npz:absent.npz", &["absent.npz"]);
    run("nonsense", &["--test", "one of", "nonsense"]);
}

#[test]
fn calibration_counts_what_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let args = |cues: &'static str| {
        [
            "calibrate",
            "--data",
            LEAVES,
            "--cues",
            cues,
            "--norms",
            "0.001,3",
            "--shares",
            "1",
            "--draws",
            "2",
            "--subsets",
            "1",
            "--images",
            "300",
        ]
    };
    let text = ok(tmp.path(), &[&args("patch")[..], &["--json", "--out", "out"]].concat());
    let found = json(&text);
    let doses: Vec<(f64, u64)> = found["doses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dose| (dose["norm"].as_f64().unwrap(), dose["found"]["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(doses, [(0.001, 0), (3.0, 2)]);
    assert_eq!(found["false_alarms"]["of"], 1);
    assert_eq!(json(&std::fs::read_to_string(tmp.path().join("out/calibration.json")).unwrap()), found);
    assert!(std::fs::metadata(tmp.path().join("out/calibration.png")).unwrap().len() > 5_000);
    let table = ok(tmp.path(), &args("patch"));
    assert!(table.contains("found first, with an alarm") && table.contains("patch"), "{table}");
    fails(tmp.path(), &args("ghost"), &["--cues", "cosine-random", "ghost"]);
    fails(tmp.path(), &["calibrate", "--data", LEAVES, "--limit", "9"], &["--limit", "--images"]);
}
