//! Tensors by the formula of `resnet/nets.py`, so that goldens need no weights.

use domfreq::weights::{Data, NamedTensor, StateDict};

fn fnv1a64(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// u of the formula, for the first `count` values of the tensor `name`.
pub fn uniform(name: &str, count: usize) -> Vec<f64> {
    let first = fnv1a64(name);
    let unit = |i: u64| (splitmix64(first.wrapping_add(i)) >> 40) as f64 / f64::from(1 << 24);
    (0..count as u64).map(unit).collect()
}

/// 2u − 1.
pub fn signed(name: &str, count: usize) -> Vec<f64> {
    uniform(name, count).into_iter().map(|u| 2.0 * u - 1.0).collect()
}

/// A state dict of these names and shapes; `fresh`: norms as they are before training.
pub fn state(shapes: &[(String, Vec<usize>)], fresh: bool) -> StateDict {
    state_with(shapes, fresh, 1.0)
}

// Row of a table of distances for each two pixels of a square, by the definition.
fn distances(count: usize) -> Vec<i64> {
    let side = (count as f64).powf(0.25).round() as i64;
    assert_eq!(side.pow(4), count as i64);
    let mut rows = Vec::new();
    for from in 0..side * side {
        for to in 0..side * side {
            let (down, right) = (from / side - to / side, from % side - to % side);
            rows.push((down + side - 1) * (2 * side - 1) + right + side - 1);
        }
    }
    rows
}

/// The same, with weights of batch norms times `gain`.
pub fn state_with(shapes: &[(String, Vec<usize>)], fresh: bool, gain: f64) -> StateDict {
    let norm = |owner: &str| shapes.iter().any(|(name, _)| *name == format!("{owner}.running_mean"));
    let mut dict = StateDict::default();
    for (name, shape) in shapes {
        let (owner, kind) = name.rsplit_once('.').unwrap_or(("", name));
        let count = shape.iter().product();
        let values: Vec<f64> = match kind {
            "num_batches_tracked" => {
                dict.push(NamedTensor::new(name, vec![], Data::I64(vec![0])).unwrap()).unwrap();
                continue;
            }
            "relative_position_index" => {
                let rows = Data::I64(distances(count));
                dict.push(NamedTensor::new(name, shape.clone(), rows).unwrap()).unwrap();
                continue;
            }
            "weight" | "running_var" if fresh && norm(owner) => vec![1.0; count],
            "bias" | "running_mean" if fresh && norm(owner) => vec![0.0; count],
            "weight" | "running_var" if norm(owner) => {
                let gain = if kind == "weight" { gain } else { 1.0 };
                uniform(name, count).into_iter().map(|u| gain * (0.5 + u)).collect()
            }
            "bias" | "running_mean" => signed(name, count).into_iter().map(|v| v / 10.0).collect(),
            // Of convolutions, dense layers and layer norms; factors of layers.
            _ => {
                let fan_in: usize = shape[1..].iter().product();
                let bound = (3.0 / fan_in as f64).sqrt();
                signed(name, count).into_iter().map(|v| v * bound).collect()
            }
        };
        let values = values.into_iter().map(|v| v as f32).collect();
        dict.push(NamedTensor::new(name, shape.clone(), Data::F32(values)).unwrap()).unwrap();
    }
    dict
}
