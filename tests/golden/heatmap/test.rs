//! Fourier heat maps against a straightforward PyTorch implementation with the
//! same signs; `make.py` beside this file made them.

use domfreq::audit::Clean;
use domfreq::audit::parts::heatmap::{HeatMap, Options, measure};
use domfreq::audit::subject::Subject;
use domfreq::model::deep::{Architecture, Deep};
use domfreq::progress::Progress;
use domfreq::run::config::{InitKind, ModelKind};
use domfreq::weights::{Data, NamedTensor, StateDict};
use ndarray::Array4;
use serde_json::Value;
use tch::{Device, Kind};

use crate::formula;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().expect("a number")).collect()
}

// The network of make.py.
fn net(case: &Value, kind: Kind) -> Deep {
    let shape: Vec<usize> = numbers(&case["shape"]).iter().map(|n| *n as usize).collect();
    let architecture = Architecture::usual(ModelKind::Resnet8, [shape[0], shape[1], shape[2]], 10);
    let net = Deep::new(architecture, InitKind::Pytorch, 0, kind, Device::Cpu).unwrap();
    let own = net.state_dict().unwrap();
    let shapes: Vec<_> = own.iter().map(|t| (t.name().to_owned(), t.shape().to_vec())).collect();
    let mut state = StateDict::default();
    for tensor in formula::state(&shapes, false).iter() {
        let bias = || Data::F32(numbers(&case["bias"]).iter().map(|b| *b as f32).collect());
        let data = if tensor.name() == "linear.bias" { bias() } else { tensor.data().clone() };
        state.push(NamedTensor::new(tensor.name(), tensor.shape().to_vec(), data).unwrap()).unwrap();
    }
    net.load(&state, "formula").unwrap();
    net
}

fn measured(case: &Value, kind: Kind, labelled: bool) -> HeatMap {
    let net = net(case, kind);
    let (count, [c, h, w]) = (case["images"].as_u64().unwrap() as usize, net.architecture().shape);
    let coarse = formula::uniform("pixels", count * c * (h / 4) * (w / 4));
    let images = Array4::from_shape_fn((count, c, h, w), |(i, ch, y, x)| {
        coarse[((i * c + ch) * (h / 4) + y / 4) * (w / 4) + x / 4] as f32
    });
    let labels = numbers(&case["labels"]).iter().map(|l| *l as u32).collect();
    let offset: Vec<f64> = [0.485, 0.456, 0.406].into_iter().flat_map(|m| vec![m; h * w]).collect();
    let scale = [0.229, 0.224, 0.225];
    let subject = Subject::new(net, images.view(), labelled.then_some(labels), &offset, &scale).unwrap();
    let options = Options::usual(h, w, case["seed"].as_u64().unwrap());
    assert!((options.epsilon - case["epsilon"].as_f64().unwrap()).abs() < 1e-12);
    measure(&subject, &Clean::new(&subject).unwrap(), &options, None, None, |_| Progress::hidden()).unwrap()
}

#[test]
fn heat_maps_are_those_of_pytorch() {
    let expected: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    for case in expected["cases"].as_array().unwrap() {
        for (name, kind, bound) in [("float32", Kind::Float, 1e-5), ("float64", Kind::Double, 1e-12)] {
            let map = measured(case, kind, true);
            let changes = measured(case, kind, false);
            assert_eq!(map.clean.unwrap().count, case["clean"].as_u64().unwrap());
            assert_eq!((map.labelled, changes.labelled, changes.clean), (true, false, None));
            let rows: Vec<_> = case[name].as_array().unwrap().iter().map(numbers).collect();
            assert_eq!((rows.len(), map.frequencies), (map.entries.len(), map.entries.len()));
            let mut worst = 0.0f64;
            for (want, (entry, change)) in rows.iter().zip(map.entries.iter().zip(&changes.entries)) {
                assert_eq!([f64::from(entry.row), f64::from(entry.col)], want[..2], "{name}");
                let found = [entry.error.count as f64, change.error.count as f64];
                assert_eq!(found, want[2..4], "{name} ({}, {})", entry.row, entry.col);
                let off = |found: f64, want: f64| (found / want - 1.0).abs();
                worst = worst.max(off(entry.distance, want[4])).max(off(entry.distance_se.unwrap(), want[5]));
            }
            println!("{}, {name}: off by {worst:.1e}", case["shape"]);
            assert!(worst < bound, "{name}: {worst:e}");
        }
        // A map on which nothing happens would agree with anything.
        let rows = case["float64"].as_array().unwrap();
        let counts: std::collections::BTreeSet<_> = rows.iter().map(|r| r[2].as_u64().unwrap()).collect();
        assert!(counts.len() > 3, "{counts:?}");
    }
}
