//! `domfreq gpu-check`: on the CPU everywhere, on CUDA where there is any.

use crate::support::{fails, json, ok};

#[test]
fn the_cpu_passes_its_own_check() {
    let tmp = tempfile::tempdir().unwrap();
    let args = ["gpu-check", "--device", "cpu", "--seconds", "0", "--only", "cnn", "--out", "check.json"];
    let table = ok(tmp.path(), &args);
    assert!(table.contains("cnn: gradients, f64") && !table.contains("FAILS"), "{table}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(tmp.path().join("check.json")).unwrap()).unwrap();
    assert_eq!(report["passed"], true);
    let checks = report["checks"].as_array().unwrap();
    let named = |what: &str| checks.iter().find(|c| c["what"] == what).unwrap_or_else(|| panic!("{what}"));
    // In double precision the CPU is its own reference; in the others it is not.
    assert_eq!(named("cnn: 3 updates, f64")["error"], 0.0);
    let half = named("cnn: forward, evaluation, bf16")["error"].as_f64().unwrap();
    assert!((1e-4..0.1).contains(&half), "{half}");
    assert!(named("cnn: forward, evaluation")["error"].as_f64().unwrap() > 0.0);
    assert_eq!(named("cnn: other bits in a second run, bf16")["error"], 0.0);
}

#[test]
fn cuda_passes_where_there_is_any() {
    let tmp = tempfile::tempdir().unwrap();
    let args = ["gpu-check", "--seconds", "0", "--only", "cnn,resnet20,alexnet,inception_v3", "--json"];
    match domfreq::model::device::cuda() {
        Ok(_) => assert_eq!(json(&ok(tmp.path(), &args))["passed"], true),
        Err(_) => fails(tmp.path(), &args, &["device `cuda`: no CUDA", "lib"]),
    }
}

#[test]
fn bad_input_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let check = |more: &[&str], what: &[&str]| {
        fails(tmp.path(), &[&["gpu-check", "--device", "cpu"], more].concat(), what);
    };
    check(&["--only", "vgg19"], &["--only", "resnet20", "vgg19"]);
    check(&["--seconds=-1"], &["--seconds", "0 or more", "-1"]);
    check(&["--peer", "none.json"], &["none.json"]);
    std::fs::write(tmp.path().join("other.json"), "{}").unwrap();
    check(&["--peer", "other.json"], &["other.json", "benches/peers/resnet.py"]);
}
