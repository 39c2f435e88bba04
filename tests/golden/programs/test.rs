//! Programs of TorchScript answer as in PyTorch, and audits of them are those of networks.

use std::path::{Path, PathBuf};

use domfreq::model::script::{Script, parameters};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::support::{fails, json, ok};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/programs/{name}.pt"))
}

fn expected() -> Value {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let rows = value.as_array().unwrap().iter();
    rows.flat_map(|v| v.as_f64().map_or_else(|| numbers(v), |v| vec![v])).collect()
}

fn values(tensor: &Tensor) -> Vec<f64> {
    domfreq::model::convert::array(tensor).unwrap().into_iter().collect()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn answers_and_gradients_are_pytorchs() {
    let expected = expected();
    let pixels: Vec<f32> = numbers(&expected["pixels"]).iter().map(|v| *v as f32).collect();
    for name in ["scripted", "traced", "frozen", "double", "frozen_double", "two"] {
        let script = Script::open(&file(name), [3, 16, 16], Device::Cpu).unwrap();
        assert_eq!(script.outputs, 4, "{name}");
        assert_eq!(script.kind, if name.ends_with("double") { Kind::Double } else { Kind::Float });
        let x = Tensor::from_slice(&pixels).reshape([2, 3, 16, 16]).set_requires_grad(true);
        let logits = script.forward(&x).unwrap();
        let off = apart(&values(&logits), &numbers(&expected["logits"]));
        assert!(off < 1e-6, "{name}: logits {off:e}");
        let sum = logits.square().sum(None);
        let gradient = Tensor::run_backward(&[&sum], &[&x], false, false).remove(0);
        let off = apart(&values(&gradient), &numbers(&expected["gradient"]));
        assert!(off < 1e-5, "{name}: gradient {off:e}");
        // The same bits each time.
        assert_eq!(values(&script.forward(&x).unwrap()), values(&script.forward(&x).unwrap()), "{name}");
    }
}

#[test]
fn parameters_have_their_names_in_order() {
    for name in ["scripted", "traced"] {
        let (dict, hash) = parameters(&file(name)).unwrap();
        let found: Vec<_> = dict.iter().map(|t| (t.name().to_owned(), t.shape().to_vec())).collect();
        let expected = expected()["parameters"].as_object().unwrap().clone();
        assert_eq!(found.len(), expected.len());
        for (tensor, shape) in &found {
            assert_eq!(serde_json::json!(shape), expected[tensor], "{name}: {tensor}");
        }
        assert_eq!((found[0].0.as_str(), hash.len()), ("conv.weight", 32));
    }
    assert!(parameters(&file("frozen")).unwrap().0.is_empty());
}

#[test]
fn programs_that_do_not_classify_are_refused() {
    let refused = |name: &str, words: &str| {
        let text = Script::open(&file(name), [3, 16, 16], Device::Cpu).err().unwrap().to_string();
        assert!(text.contains(&format!("{name}.pt: expected")) && text.contains(words), "{text}");
        assert!(!text.contains('\n'), "{text}");
    };
    refused("named", "one that makes a dict");
    refused("picky", "too small a picture");
    refused("one", "fails for two at a time");
    refused("training", "model.eval()");
}

const MACHINE: [&str; 4] = ["--device", "cpu", "--threads", "1"];
const DATA: [&str; 4] = ["--data", "leaves:count=60,size=16,channels=3", "--classes", "0,1,2,3"];

fn audit(dir: &Path, name: &str, more: &[&str]) -> Value {
    let path = file(name);
    let base = ["audit", path.to_str().unwrap(), "--quick", "--out", name, "--json"];
    json(&ok(dir, &[&base[..], &DATA, &MACHINE, more].concat()))
}

#[test]
fn an_audit_of_a_program_needs_the_flag_and_says_what_was_run() {
    let tmp = tempfile::tempdir().unwrap();
    let path = file("traced");
    let path = path.to_str().unwrap();
    fails(tmp.path(), &[&["audit", path][..], &DATA].concat(), &["TorchScript", "--torchscript"]);
    fails(tmp.path(), &["audit", path, "--torchscript", "--model", "cnn"], &["--data"]);
    let with = |flag: &'static str, value: &'static str| {
        [&["audit", path, "--torchscript", "--out", "x", flag, value][..], &DATA, &MACHINE].concat()
    };
    fails(tmp.path(), &with("--model", "cnn"), &["--torchscript", "--model"]);
    fails(tmp.path(), &with("--transform", "auto"), &["--torchscript", "--shorter"]);
    fails(tmp.path(), &with("--key", "a"), &["--torchscript", "--key"]);
    fails(tmp.path(), &["audit", path, "--torchscript", "--key", "a"], &["traced.pt", "--key"]);
    assert!(!tmp.path().join("x").exists());

    let traced = audit(tmp.path(), "traced", &["--torchscript"]);
    assert_eq!(traced["network"]["origin"]["format"], "torch-script");
    assert_eq!(traced["layers"]["layers"].as_array().unwrap().len(), 2);
    for part in
        ["first", "modes", "jacobian", "sensitivity", "heatmap", "bands", "masking", "swap", "dominance"]
    {
        assert!(!traced[part].is_null(), "{part}: {}", traced["left_out"]);
    }
    let page = std::fs::read_to_string(tmp.path().join("traced/report.html")).unwrap();
    assert!(page.contains("The program was run"));
    // The same numbers in another kind of program; without parameters, only they are missing.
    let frozen = audit(tmp.path(), "frozen", &["--torchscript"]);
    assert_eq!(frozen["layers"]["layers"], serde_json::json!([]));
    assert!(frozen["first"].is_null());
    for part in ["bands", "swap"] {
        assert_eq!(traced[part], frozen[part], "{part}");
    }
    assert_ne!(traced["network"]["hash"], frozen["network"]["hash"]);
    // Two of them, and the weights of one alone.
    let two = file("two");
    let args =
        ["audit", path, two.to_str().unwrap(), "--torchscript", "--only", "bands", "--out", "both", "--json"];
    let both = json(&ok(tmp.path(), &[&args[..], &DATA, &MACHINE].concat()));
    let agreement = &both["second"]["pair"]["agreement"];
    assert_eq!((agreement["share"].as_f64(), &agreement["of"]), (Some(1.0), &both["images"]["count"]));
    let alone = json(&ok(tmp.path(), &["audit", path, "--torchscript", "--out", "alone", "--json"]));
    assert!(alone["images"].is_null() && alone["layers"] == traced["layers"]);
    // Any other file is what it was.
    fails(tmp.path(), &[&["evaluate", path][..], &DATA].concat(), &["TorchScript", "audit --torchscript"]);
}
