//! Parameters that a file holds in parts: what the network multiplies its inputs with is
//! computed from them.
//!
//! - Weight norm (`weight_g`, `weight_v`; `parametrizations.weight.original0` and `1`): g v/|v|, the
//!   norm over all axes along which g has one number (Salimans & Kingma 2016).
//! - Spectral norm (`weight_orig`, `weight_u`, `weight_v`; `parametrizations.weight.original`, `0._u`,
//!   `0._v`): W/(uᵀWv), with the vectors of the file, as in evaluation (Miyato et al. 2018).
//! - Pruning (`weight_orig`, `weight_mask`): W ⊙ mask.

use std::collections::{HashMap, HashSet};

use super::{Data, Dtype, NamedTensor, StateDict};
use crate::error::shown;

/// What a parameter is made of; names of its parts.
enum Parts {
    Norm { g: String, v: String },
    Spectral { w: String, u: String, v: String },
    Masked { w: String, mask: String },
    // A parametrisation that is not known.
    Unknown,
}

/// `dict` with the parameters that are used in the place of their parts; which they are, in
/// words; and the names of parts of which nothing could be computed, which are left out.
pub fn compose(dict: StateDict) -> (StateDict, Vec<String>, Vec<String>) {
    let recipes = recipes(&dict);
    if recipes.is_empty() {
        return (dict, Vec::new(), Vec::new());
    }
    let mut values: HashMap<String, NamedTensor> = HashMap::new();
    let (mut composed, mut left, mut used) = (Vec::new(), Vec::new(), HashSet::new());
    // In the place of the first of its parts.
    let mut places: HashMap<String, String> = HashMap::new();
    for (base, parts, all) in &recipes {
        let get = |name: &String| dict.get(name);
        let (value, how) = match parts {
            Parts::Norm { g, v } => (norm(get(g), get(v)), "weight norm"),
            Parts::Spectral { w, u, v } => (spectral(get(w), get(u), get(v)), "spectral norm"),
            Parts::Masked { w, mask } => (masked(get(w), get(mask)), "pruning"),
            Parts::Unknown => (None, ""),
        };
        let shape = all.iter().filter_map(get).map(|t| t.shape().to_vec()).max_by_key(Vec::len);
        let value = value.zip(shape).and_then(|(data, shape)| NamedTensor::new(base, shape, data).ok());
        used.extend(all.iter().cloned());
        let Some(value) = value else {
            left.extend(all.iter().cloned());
            continue;
        };
        composed.push(format!("{} ({how})", shown(base)));
        if let Some(first) = dict.iter().find(|t| all.iter().any(|name| name == t.name())) {
            places.insert(first.name().to_owned(), base.clone());
            values.insert(base.clone(), value);
        }
    }
    let mut out = StateDict::new();
    for tensor in dict {
        if let Some(value) = places.get(tensor.name()).and_then(|base| values.remove(base)) {
            out.push(value).expect("a name that was not there");
        } else if !used.contains(tensor.name()) {
            out.push(tensor).expect("names differ");
        }
    }
    (out, composed, left)
}

// Name of the parameter, its parts, and all names that go with it.
fn recipes(dict: &StateDict) -> Vec<(String, Parts, Vec<String>)> {
    let has = |name: &str| dict.get(name).is_some();
    let mut recipes = Vec::new();
    // Names of parametrisations, by what is parametrised.
    let mut owned: HashMap<&str, Vec<&str>> = HashMap::new();
    for tensor in dict {
        if let Some(stem) = parametrised(tensor.name()) {
            owned.entry(stem).or_default().push(tensor.name());
        }
    }
    for tensor in dict {
        let name = tensor.name();
        if let Some(stem) = parametrised(name) {
            let Some(all) = owned.remove(stem) else { continue };
            let (module, parameter) = stem.split_once("parametrizations.").unwrap_or(("", stem));
            let base = match stem.rsplit_once(".parametrizations.") {
                Some((module, parameter)) => format!("{module}.{parameter}"),
                None => format!("{module}{parameter}"),
            };
            if has(&base) {
                continue;
            }
            let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
            let part = |end: &str| format!("{stem}.{end}");
            let is =
                |ends: &[&str]| all.len() == ends.len() && ends.iter().all(|end| all.contains(&part(end)));
            let parts = if is(&["original0", "original1"]) {
                Parts::Norm { g: part("original0"), v: part("original1") }
            } else if is(&["original", "0._u", "0._v"]) {
                Parts::Spectral { w: part("original"), u: part("0._u"), v: part("0._v") }
            } else {
                Parts::Unknown
            };
            recipes.push((base, parts, all));
            continue;
        }
        let part = |base: &str, end: &str| format!("{base}{end}");
        if let Some(base) = name.strip_suffix("_g")
            && has(&part(base, "_v"))
            && !has(base)
            && !has(&part(base, "_orig"))
        {
            let (g, v) = (name.to_owned(), part(base, "_v"));
            recipes.push((base.to_owned(), Parts::Norm { g: g.clone(), v: v.clone() }, vec![g, v]));
        } else if let Some(base) = name.strip_suffix("_orig").filter(|base| !has(base)) {
            let [u, v, mask] = ["_u", "_v", "_mask"].map(|end| part(base, end));
            let w = name.to_owned();
            if has(&mask) {
                let all = vec![w.clone(), mask.clone()];
                recipes.push((base.to_owned(), Parts::Masked { w, mask }, all));
            } else if has(&u) && has(&v) {
                let all = vec![w.clone(), u.clone(), v.clone()];
                recipes.push((base.to_owned(), Parts::Spectral { w, u, v }, all));
            }
        }
    }
    recipes
}

// "conv.parametrizations.weight" of "conv.parametrizations.weight.original0".
fn parametrised(name: &str) -> Option<&str> {
    const MARK: &str = "parametrizations.";
    let at = if name.starts_with(MARK) { 0 } else { name.find(".parametrizations.")? + 1 };
    let rest = &name[at + MARK.len()..];
    rest.find('.').map(|dot| &name[..at + MARK.len() + dot])
}

// In the precision of the parts, but for those below single precision.
fn data(like: &NamedTensor, values: Vec<f64>) -> Option<Data> {
    if values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    Some(match like.data().dtype() {
        Dtype::F64 => Data::F64(values),
        _ => Data::F32(values.into_iter().map(|v| v as f32).collect()),
    })
}

fn floats(tensor: Option<&NamedTensor>) -> Option<&NamedTensor> {
    tensor.filter(|t| t.data().dtype().is_float())
}

fn norm(g: Option<&NamedTensor>, v: Option<&NamedTensor>) -> Option<Data> {
    let (g, v) = (floats(g)?, floats(v)?);
    let shape = v.shape();
    // Which number of g stands for each of v.
    let mut steps = vec![0; shape.len()];
    if g.data().len() != 1 {
        if g.shape().len() != shape.len() {
            return None;
        }
        let mut step = 1;
        for (axis, &side) in g.shape().iter().enumerate().rev() {
            if side != 1 && side != shape[axis] {
                return None;
            }
            steps[axis] = if side == 1 { 0 } else { step };
            step *= side;
        }
    }
    let of = |mut place: usize| {
        let mut at = 0;
        for (side, step) in shape.iter().zip(&steps).rev() {
            at += place % side * step;
            place /= side;
        }
        at
    };
    let (gains, mut values) = (g.data().to_f64(), v.data().to_f64());
    let mut squares = vec![0.0; gains.len()];
    values.iter().enumerate().for_each(|(place, v)| squares[of(place)] += v * v);
    values.iter_mut().enumerate().for_each(|(place, v)| *v *= gains[of(place)] / squares[of(place)].sqrt());
    data(v, values)
}

fn spectral(w: Option<&NamedTensor>, u: Option<&NamedTensor>, v: Option<&NamedTensor>) -> Option<Data> {
    let (w, u, v) = (floats(w)?, floats(u)?, floats(v)?);
    let count = w.data().len();
    let [rows, columns] = [u, v].map(|t| t.data().len());
    // The rows of the matrix are the outputs: the second axis of transposed convolutions.
    let axis = (0..w.shape().len()).find(|&axis| w.shape()[axis] == rows && rows * columns == count)?;
    let inner: usize = w.shape()[axis + 1..].iter().product();
    let (u, v, mut values) = (u.data().to_f64(), v.data().to_f64(), w.data().to_f64());
    let sigma: f64 = values
        .iter()
        .enumerate()
        .map(|(place, w)| {
            let (outer, row, last) = (place / (inner * rows), place / inner % rows, place % inner);
            u[row] * w * v[outer * inner + last]
        })
        .sum();
    values.iter_mut().for_each(|w| *w /= sigma);
    data(w, values)
}

fn masked(w: Option<&NamedTensor>, mask: Option<&NamedTensor>) -> Option<Data> {
    let (w, mask) = (floats(w)?, mask.filter(|mask| Some(mask.shape()) == w.map(NamedTensor::shape))?);
    let values = w.data().to_f64().into_iter().zip(mask.data().to_f64()).map(|(w, m)| w * m);
    data(w, values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(tensors: &[(&str, &[usize], &[f32])]) -> StateDict {
        let mut dict = StateDict::new();
        for (name, shape, values) in tensors {
            dict.push(NamedTensor::new(*name, shape.to_vec(), Data::F32(values.to_vec())).unwrap()).unwrap();
        }
        dict
    }

    fn seen(dict: &StateDict) -> Vec<(&str, Vec<f64>)> {
        dict.iter().map(|t| (t.name(), t.data().to_f64())).collect()
    }

    #[test]
    fn by_hand() {
        let (got, composed, left) = compose(dict(&[
            ("a.bias", &[2], &[7.0, 8.0]),
            ("a.weight_g", &[2, 1], &[10.0, 1.0]),
            ("a.weight_v", &[2, 2], &[3.0, 4.0, 0.0, 2.0]),
            // uᵀWv = 1·3·1 + 0 + … = 3 − 1
            ("b.parametrizations.weight.original", &[2, 1, 1, 2], &[3.0, 1.0, 1.0, 5.0]),
            ("b.parametrizations.weight.0._u", &[2], &[1.0, 0.0]),
            ("b.parametrizations.weight.0._v", &[2], &[1.0, -1.0]),
            ("c.weight_orig", &[3], &[1.0, 2.0, 3.0]),
            ("c.weight_mask", &[3], &[1.0, 0.0, 1.0]),
            ("parametrizations.w.original", &[1], &[1.0]),
            ("d_g", &[1], &[1.0]),
        ]));
        assert_eq!(
            seen(&got),
            [
                ("a.bias", vec![7.0, 8.0]),
                ("a.weight", vec![6.0, 8.0, 0.0, 1.0]),
                ("b.weight", vec![1.5, 0.5, 0.5, 2.5]),
                ("c.weight", vec![1.0, 0.0, 3.0]),
                ("d_g", vec![1.0]),
            ]
        );
        assert_eq!(composed, ["a.weight (weight norm)", "b.weight (spectral norm)", "c.weight (pruning)"]);
        assert_eq!(left, ["parametrizations.w.original"]);
        assert_eq!(got.get("b.weight").unwrap().shape(), [2, 1, 1, 2]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_name() {
        for (g, shape) in
            [(&[1.0, 2.0, 3.0][..], &[3, 1][..]), (&[1.0, 2.0], &[2]), (&[f32::NAN, 1.0], &[2, 1])]
        {
            let (got, composed, left) =
                compose(dict(&[("w_g", shape, g), ("w_v", &[2, 2], &[1.0, 0.0, 0.0, 1.0])]));
            assert!(got.is_empty() && composed.is_empty() && left == ["w_g", "w_v"], "{left:?}");
        }
        // One gain of all; an axis in the middle.
        let (got, ..) = compose(dict(&[("w_g", &[], &[10.0]), ("w_v", &[1, 2], &[3.0, 4.0])]));
        assert_eq!(seen(&got), [("w", vec![6.0, 8.0])]);
        let (got, ..) =
            compose(dict(&[("w_g", &[1, 2, 1], &[2.5, 2.0]), ("w_v", &[2, 2, 1], &[3.0, 0.0, 4.0, 5.0])]));
        assert_eq!(seen(&got), [("w", vec![1.5, 0.0, 2.0, 2.0])]);
        // Spectral norm of a transposed convolution: rows along the second axis.
        let (got, ..) = compose(dict(&[
            ("w_orig", &[3, 2, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("w_u", &[2], &[0.0, 1.0]),
            ("w_v", &[3], &[1.0, 0.0, 0.0]),
        ]));
        assert_eq!(seen(&got), [("w", vec![0.5, 1.0, 1.5, 2.0, 2.5, 3.0])]);
    }
}
