//! Parameters that a file holds in parts: what the network multiplies its inputs with is
//! computed from them.
//!
//! - Weight norm (`weight_g`, `weight_v`; `parametrizations.weight.original0` and `1`): g v/|v|, the
//!   norm over all axes along which g has one number (Salimans & Kingma 2016).
//! - Spectral norm (`weight_orig`, `weight_u`, `weight_v`; `parametrizations.weight.original`, `0._u`,
//!   `0._v`): W/(uᵀWv), with the vectors of the file, as in evaluation (Miyato et al. 2018).
//! - Pruning (`weight_orig`, `weight_mask`): W ⊙ mask.
//!
//! A parametrisation without tensors of its own, put on top of one of these, does not show in a file.

use std::collections::HashMap;

use super::{Data, Dtype, NamedTensor, StateDict};
use crate::error::shown;

/// What a parameter is made of; names of its parts.
enum Parts {
    Norm { g: String, v: String },
    // Files of PyTorch before 1.1 have no v.
    Spectral { w: String, u: String, v: Option<String> },
    Masked { w: String, mask: String },
    // What the parameter, which is there too, was computed of.
    Spent,
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
    let (mut composed, mut left) = (Vec::new(), Vec::new());
    let mut values: Vec<Option<NamedTensor>> = Vec::new();
    // Which recipe a name is a part of.
    let mut uses: HashMap<String, usize> = HashMap::new();
    for (base, parts, all) in recipes {
        let get = |name: &String| dict.get(name);
        let (value, like, how) = match &parts {
            Parts::Norm { g, v } => (norm(get(g), get(v)), get(v), "weight norm"),
            Parts::Spectral { w, u, v } => {
                (spectral(get(w), get(u), v.as_ref().and_then(get)), get(w), "spectral norm")
            }
            Parts::Masked { w, mask } => (masked(get(w), get(mask)), get(w), "pruning"),
            Parts::Spent | Parts::Unknown => (None, None, ""),
        };
        let shape = like.map(|tensor| tensor.shape().to_vec());
        let value = value.zip(shape).and_then(|(data, shape)| NamedTensor::new(&base, shape, data).ok());
        match (&value, parts) {
            (Some(_), _) => composed.push(format!("{} ({how})", shown(&base))),
            (None, Parts::Spent) => {}
            (None, _) => left.extend(all.iter().cloned()),
        }
        uses.extend(all.into_iter().map(|name| (name, values.len())));
        values.push(value);
    }
    let mut out = StateDict::new();
    for tensor in dict {
        // In the place of the first of its parts.
        let tensor = match uses.get(tensor.name()) {
            Some(&place) => values[place].take(),
            None => Some(tensor),
        };
        if let Some(tensor) = tensor {
            out.push(tensor).expect("a name that was not there");
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
            let gain = |name: &str| dict.get(&part(name)).is_some_and(is_gain);
            let parts = if is(&["original0", "original1"]) && gain("original0") {
                Parts::Norm { g: part("original0"), v: part("original1") }
            } else if is(&["original", "0._u", "0._v"]) {
                Parts::Spectral { w: part("original"), u: part("0._u"), v: Some(part("0._v")) }
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
            && is_gain(tensor)
        {
            let (g, v) = (name.to_owned(), part(base, "_v"));
            recipes.push((base.to_owned(), Parts::Norm { g: g.clone(), v: v.clone() }, vec![g, v]));
        } else if let Some(base) = name.strip_suffix("_orig") {
            let [u, v, mask] = ["_u", "_v", "_mask"].map(|end| part(base, end));
            let w = name.to_owned();
            let there =
                |names: &[&String]| names.iter().filter(|name| has(name)).map(|&n| n.clone()).collect();
            let all: Vec<String> = there(&[&w, &u, &v, &mask]);
            let v = Some(v).filter(|v| has(v));
            if has(base) && all.len() > 1 {
                recipes.push((base.to_owned(), Parts::Spent, all));
            } else if has(base) {
                continue;
            } else if has(&mask) {
                recipes.push((base.to_owned(), Parts::Masked { w, mask }, all));
            } else if has(&u) {
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

// One number for each output at most, whatever axis that is.
fn is_gain(g: &NamedTensor) -> bool {
    g.shape().iter().filter(|&&side| side != 1).count() <= 1
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
    let (w, u) = (floats(w)?, floats(u)?);
    let (count, rows) = (w.data().len(), u.data().len());
    let (given, v) = (v.is_some(), floats(v).map(|v| v.data().to_f64()));
    if rows == 0 || given && v.as_ref().is_none_or(|v| v.len() * rows != count) {
        return None;
    }
    let (u, mut values) = (u.data().to_f64(), w.data().to_f64());
    // The rows of the matrix are the outputs, which are the second axis of transposed convolutions. Where both
    // are as long, u tells, which was made of W v last.
    let mut best: Option<(f64, f64)> = None;
    for axis in (0..w.shape().len()).filter(|&axis| w.shape()[axis] == rows) {
        let inner: usize = w.shape()[axis + 1..].iter().product();
        let at = |place: usize| (place / inner % rows, place / (inner * rows) * inner + place % inner);
        let v = v.clone().unwrap_or_else(|| {
            let mut v = vec![0.0; count / rows];
            values.iter().enumerate().for_each(|(place, w)| v[at(place).1] += w * u[at(place).0]);
            unit(v)
        });
        let mut image = vec![0.0; rows];
        values.iter().enumerate().for_each(|(place, w)| image[at(place).0] += w * v[at(place).1]);
        let sigma: f64 = image.iter().zip(&u).map(|(a, b)| a * b).sum();
        let off = unit(image).iter().zip(&u).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        if best.is_none_or(|(least, _)| off < least) {
            best = Some((off, sigma));
        }
    }
    let (_, sigma) = best?;
    values.iter_mut().for_each(|w| *w /= sigma);
    data(w, values)
}

fn unit(mut v: Vec<f64>) -> Vec<f64> {
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.iter_mut().for_each(|x| *x /= norm);
    v
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
            // No gain is a matrix.
            ("e_g", &[2, 2], &[1.0; 4]),
            ("e_v", &[2, 2], &[1.0; 4]),
            // Before PyTorch 1.1: what was computed is there, or v is not.
            ("f.weight", &[1, 1], &[5.0]),
            ("f.weight_orig", &[1, 1], &[10.0]),
            ("f.weight_u", &[1], &[1.0]),
            ("g_orig", &[2, 2], &[2.0, 0.0, 0.0, 1.0]),
            ("g_u", &[2], &[1.0, 0.0]),
        ]));
        assert_eq!(
            seen(&got),
            [
                ("a.bias", vec![7.0, 8.0]),
                ("a.weight", vec![6.0, 8.0, 0.0, 1.0]),
                ("b.weight", vec![1.5, 0.5, 0.5, 2.5]),
                ("c.weight", vec![1.0, 0.0, 3.0]),
                ("d_g", vec![1.0]),
                ("e_g", vec![1.0; 4]),
                ("e_v", vec![1.0; 4]),
                ("f.weight", vec![5.0]),
                ("g", vec![1.0, 0.0, 0.0, 0.5]),
            ]
        );
        assert_eq!(
            composed,
            ["a.weight (weight norm)", "b.weight (spectral norm)", "c.weight (pruning)", "g (spectral norm)"]
        );
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
        // In any order of its parts.
        let (got, ..) = compose(dict(&[("w_v", &[1, 2], &[3.0, 4.0]), ("w_g", &[1, 1], &[10.0])]));
        assert_eq!((got.get("w").unwrap().shape(), seen(&got)), (&[1, 2][..], vec![("w", vec![6.0, 8.0])]));
        // A square one: W along its second axis is [[1, 0], [2, 0]], and u = W v.
        let (half, one) = (0.2f32.sqrt(), 0.8f32.sqrt());
        let (got, ..) = compose(dict(&[
            ("w_orig", &[2, 2], &[1.0, 2.0, 0.0, 0.0]),
            ("w_u", &[2], &[half, one]),
            ("w_v", &[2], &[1.0, 0.0]),
        ]));
        let sigma = 5f64.sqrt();
        assert!((got.get("w").unwrap().data().to_f64()[0] * sigma - 1.0).abs() < 1e-6, "{:?}", seen(&got));
        // Spectral norm of a transposed convolution: rows along the second axis.
        let (got, ..) = compose(dict(&[
            ("w_orig", &[3, 2, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("w_u", &[2], &[0.0, 1.0]),
            ("w_v", &[3], &[1.0, 0.0, 0.0]),
        ]));
        assert_eq!(seen(&got), [("w", vec![0.5, 1.0, 1.5, 2.0, 2.5, 3.0])]);
    }
}
