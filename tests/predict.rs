//! Forecasts on the command line.

use std::fs;

use crate::support::{fails, json, npz, ok, photos};

#[test]
fn every_theory_answers_for_the_networks_it_knows() {
    let tmp = tempfile::tempdir().unwrap();
    let predict = |args: &str| {
        let all: Vec<_> = "predict --json --data".split(' ').chain(args.split(' ')).collect();
        json(&ok(tmp.path(), &all))
    };
    let leaves = "leaves:count=300 --size 8";
    for (args, theory) in [
        ("cosines --init matched", "closed"),
        ("spread", "mode"),
        (&format!("{leaves} --model fcnn") as &str, "mode"),
        (leaves, "stationary"),
        (&format!("{leaves} --theory flow"), "flow"),
        (&format!("{leaves} --kernel 3 --channels 2 --scale 1e-2 --theory flow"), "flow"),
        (&format!("{leaves} --layers 2 --channels 2 --scale 1e-2 --theory flow"), "flow"),
    ] {
        let report = predict(args);
        assert_eq!(report["theories"], serde_json::json!([theory]), "{args}");
        let first = &report["modes"][0];
        let time = |key: &str| first["predicted"][0][key].as_f64().unwrap();
        assert!(0.0 < time("t10") && time("t10") < time("t50") && time("t50") < time("t90"), "{args}");
        let template = &first["predicted"][0]["template"];
        assert!(template["participation"].as_f64().unwrap() >= 1.0, "{args}");
        assert!((0.0..=1.0 + 1e-9).contains(&template["overlap"].as_f64().unwrap()), "{args}");
    }
    // From small weights about ρ = √(n/2) = 11.3 times faster than a fully connected network.
    let half_time = |model: &str| {
        let report = predict(&format!("spread --scale 1e-6 --model {model}"));
        let steps = report["modes"][0]["predicted"][0]["t50"].as_f64().unwrap();
        steps * report["eta"].as_f64().unwrap()
    };
    let ratio = half_time("fcnn") / half_time("lcnn");
    assert!((9.0..14.0).contains(&ratio), "{ratio}");
}

#[test]
fn what_is_predicted_is_what_training_is_held_to() {
    let tmp = tempfile::tempdir().unwrap();
    let data = ["--data", "leaves:count=300", "--size", "8", "--theory", "stationary,flow", "--seed", "4"];
    let report = json(&ok(tmp.path(), &[&["predict", "--json"], &data[..]].concat()));
    assert_eq!(report["theories"], serde_json::json!(["stationary", "flow"]));
    if cfg!(not(feature = "torch")) {
        return;
    }
    let mut compared = 0;
    let run = ["--steps", "4000", "--threads", "1", "--out", "r"];
    let summary = json(&ok(tmp.path(), &[&["train", "--json"], &data[..], &run[..]].concat()));
    for (forecast, mode) in
        report["modes"].as_array().unwrap().iter().zip(summary["modes"].as_array().unwrap())
    {
        for theory in 0..2 {
            let [before, beside] = [forecast, mode].map(|m| m["predicted"][theory]["t50"].as_f64());
            // The flow is followed as far as each command needs it.
            if let (Some(before), Some(beside)) = (before, beside) {
                assert!((before / beside - 1.0).abs() < 1e-3, "{before} {beside}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 6, "only {compared} half-times were there to compare");
    let first = &summary["modes"][0];
    assert!(first["predicted"][1]["max_error"].as_f64().unwrap() < 0.01);
    assert!(first["measured"]["template"]["participation"].as_f64().unwrap() > 1.0);
    let header = fs::read_to_string(tmp.path().join("r/metrics.csv")).unwrap();
    assert!(header.lines().next().unwrap().contains("stationary_1,") && header.contains("flow_1,"));
}

#[test]
fn the_order_of_a_deep_network_comes_from_readers() {
    let tmp = tempfile::tempdir().unwrap();
    let data = ["predict", "--model", "resnet8", "--data", "leaves:count=400,channels=3", "--size", "12"];
    let report = json(&ok(tmp.path(), &[&data[..], &["--json"]].concat()));
    let names: Vec<_> =
        report["readers"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["means", "autocorrelation", "convolutions"]);
    let by = names.iter().position(|name| report["ordered_by"] == *name).unwrap();
    let modes = report["modes"].as_array().unwrap();
    let mut order: Vec<_> = report["order"].as_array().unwrap().iter().map(|m| m.as_u64().unwrap()).collect();
    let places: Vec<_> = order
        .iter()
        .map(|mode| modes[*mode as usize - 1]["expected"][by]["place"].as_u64().unwrap())
        .collect();
    order.sort_unstable();
    let counted: Vec<_> = (1..=modes.len() as u64).collect();
    assert!(order == counted && places == counted, "{order:?} {places:?}");
    for mode in modes {
        let [s, score] = [&mode["s"], &mode["expected"][by]["score"]].map(|v| v.as_f64().unwrap());
        // No reader has more of a mode than there is, but for noise.
        assert!(score < 1.1 * s, "{mode}");
    }
    ok(tmp.path(), &[&data[..], &["--out", "p"]].concat());
    assert!(fs::metadata(tmp.path().join("p/predict.png")).unwrap().len() > 20_000);
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(tmp.path().join("p/predict.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    // Few images for so many features are said, and the same seed is the same answer.
    let (first, again) =
        (crate::support::domfreq(tmp.path(), &data), crate::support::domfreq(tmp.path(), &data));
    assert!(first.err.contains("400 images for the 87 features"), "{}", first.err);
    assert!(first.out.contains("by the reader `convolutions`") && first.out == again.out);
    let few = ["predict", "--model", "resnet8", "--data", "leaves", "--limit", "8", "--theory", "reader"];
    fails(tmp.path(), &few, &["at least 10 images"]);
    fails(tmp.path(), &few[..7], &["at least 10 images", "found 8"]);
    let linear = ["predict", "--data", "leaves:count=60", "--size", "8", "--theory", "reader"];
    fails(tmp.path(), &linear, &["measure.theory", "linear networks", "`reader`"]);
}

#[test]
fn mistakes_and_assumptions_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    let bad = |args: &str, parts: &[&str]| {
        let all: Vec<_> =
            "predict --data leaves:count=60 --size 8".split(' ').chain(args.split(' ')).collect();
        fails(tmp.path(), &all, parts);
    };
    bad("--theory closed", &["measure.theory", "matched"]);
    bad("--theory mode --kernel 3", &["model.kernel", "3x3"]);
    bad("--theory stationary --layers 2", &["model.layers", "2"]);
    bad("--theory stationary --model fcnn", &["fcnn", "flow"]);
    bad("--theory flow --padding zero", &["model.padding", "zero"]);
    bad("--theory mode --eta=-1", &["train.eta"]);
    // Said, not refused.
    let said = |args: &[&str]| crate::support::domfreq(tmp.path(), &[&["predict", "--data"], args].concat());
    let large = said(&["leaves:count=60", "--size", "8", "--theory", "flow", "--eta", "0.5"]);
    assert!(large.err.contains("largest eigenvalue") && large.code == Some(0), "{}", large.err);
    let alone = said(&["leaves:count=60", "--size", "8", "--theory", "mode"]);
    assert!(alone.err.contains("mode theory takes each mode alone"), "{}", alone.err);
    let deep = said(&["leaves:count=60", "--size", "8", "--padding", "zero"]);
    assert!(deep.err.contains("measured only") && deep.code == Some(1), "{}", deep.err);
    bad("--model fcnn --hidden 2000000000", &["model.hidden", "GiB"]);
    bad("--scale 1e-200", &["init.scale", "1e-100"]);
    bad("--theory none,mode", &["measure.theory", "none"]);
    bad("--theory none", &["a theory that applies"]);
    // Two classes with images of one strength: a subspace.
    let twins = said(&["cosines:amplitudes=1/1,size=8"]);
    assert!(twins.err.contains("same strength") && twins.code == Some(0), "{}", twins.err);
    // One output, and no correlation at all.
    assert_eq!(said(&["spread:frequencies=3"]).code, Some(0));
    fails(tmp.path(), &["predict", "--data", "spread:frequencies=3", "--center"], &["Σyx = 0"]);
    photos(tmp.path());
    ok(tmp.path(), &["predict", "--data", "folder:photos", "--size", "6x9", "--theory", "flow"]);
    // Uncentred images with a dominant mean.
    npz(
        &tmp.path().join("m.npz"),
        40,
        |i, p| 5.0 + ((i * 5 + p * (1 + i % 2)) % 7) as f32 / 7.0,
        |i| (i % 2) as i64,
    );
    let mean = said(&["npz:m.npz", "--center", "false"]);
    assert!(mean.err.contains("mean") && mean.code == Some(0), "{}", mean.err);
}
