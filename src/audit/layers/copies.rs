//! Kernels that stand in a file twice: those of a copy of a network, or of a part of it that
//! is used in two places.

use std::collections::HashMap;

use crate::weights::{NamedTensor, StateDict};

/// Kernels that are copies of others, and of which. All convolutions whose names begin like a copy's
/// (up to the end that it has in common with the other one's) are copies, two at least: layers
/// that are equal by chance, or because they are constant, are none.
pub(super) fn find(weights: &StateDict) -> HashMap<&str, &str> {
    let kernels =
        weights.iter().filter(|t| t.shape().len() == 4 && !super::called_table(t.name()) && !constant(t));
    let kernels: Vec<&NamedTensor> = kernels.collect();
    let mut first: HashMap<u128, Vec<&NamedTensor>> = HashMap::new();
    // From the start of the copies' names to that of the others'.
    let mut pairs: HashMap<(&str, &str), Vec<(&str, &str)>> = HashMap::new();
    for &kernel in &kernels {
        let equal = first.entry(kernel.hash()).or_default();
        for other in equal.iter() {
            let (a, b) = (other.name(), kernel.name());
            let Some(end) = common_end(a, b) else { continue };
            let starts = [a, b].map(|name| &name[..name.len() - end]);
            // The longer name is the copy's.
            let (of, copy) = if starts[1].len() >= starts[0].len() { (0, 1) } else { (1, 0) };
            pairs.entry((starts[copy], starts[of])).or_default().push(([a, b][copy], [a, b][of]));
        }
        if equal.len() < 4 {
            equal.push(kernel);
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    let mut copies = HashMap::new();
    for ((start, of), equal) in pairs {
        let all = kernels.iter().filter(|kernel| kernel.name().starts_with(start)).count();
        if equal.len() == all && all > 1 {
            copies.extend(equal);
            // What is too little to tell a copy by is one with the rest.
            let rest = weights.iter().filter(|t| t.shape().len() == 4 && constant(t));
            copies.extend(rest.filter_map(|kernel| {
                let own = format!("{of}{}", kernel.name().strip_prefix(start)?);
                let other = weights.get(&own)?;
                (other.hash() == kernel.hash()).then_some((kernel.name(), other.name()))
            }));
        }
    }
    copies
}

// Too little to tell a copy by.
fn constant(kernel: &NamedTensor) -> bool {
    let count = kernel.data().len();
    let values = kernel.data().range_f64(0..count.min(64));
    values.len() < 2 || values.iter().all(|value| *value == values[0])
}

// Bytes of the end that two names have in common: whole parts, two at least.
fn common_end(a: &str, b: &str) -> Option<usize> {
    let parts = a.rsplit('.').zip(b.rsplit('.')).take_while(|(a, b)| a == b).map(|(a, _)| a.len());
    let (count, bytes) = parts.fold((0, 0), |(count, bytes), length| (count + 1, bytes + length + 1));
    (count > 1).then(|| (bytes - 1).min(a.len()).min(b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Data;

    fn dict(kernels: &[(&str, f32)]) -> StateDict {
        let mut dict = StateDict::new();
        for (name, first) in kernels {
            let data = Data::F32(vec![*first, 1.0, 2.0, 3.0]);
            dict.push(NamedTensor::new(*name, vec![1, 1, 2, 2], data).unwrap()).unwrap();
        }
        dict
    }

    fn copied(kernels: &[(&str, f32)]) -> Vec<(String, String)> {
        let dict = dict(kernels);
        let mut all: Vec<_> =
            find(&dict).into_iter().map(|(copy, of)| (copy.to_owned(), of.to_owned())).collect();
        all.sort();
        all
    }

    #[test]
    fn copies_are_whole_networks() {
        let pair = |copy: &str, of: &str| (copy.to_owned(), of.to_owned());
        let model = [("model.a.weight", 5.0), ("model.b.weight", 6.0)];
        let attacked = [("attacker.model.a.weight", 5.0), ("attacker.model.b.weight", 6.0)];
        let want = [
            pair("attacker.model.a.weight", "model.a.weight"),
            pair("attacker.model.b.weight", "model.b.weight"),
        ];
        assert_eq!(copied(&[&model[..], &attacked].concat()), want);
        assert_eq!(copied(&[&attacked[..], &model].concat()), want);
        // A kernel of one number, in both.
        let with = |start: &str| {
            NamedTensor::new(format!("{start}c.weight"), vec![1, 1, 1, 1], Data::F32(vec![0.5]))
        };
        let mut both = dict(&[&model[..], &attacked].concat());
        ["model.", "attacker.model."].iter().for_each(|start| both.push(with(start).unwrap()).unwrap());
        assert_eq!(find(&both).get("attacker.model.c.weight"), Some(&"model.c.weight"));
        // One of them was trained on.
        let other = [("attacker.model.a.weight", 5.0), ("attacker.model.b.weight", 7.0)];
        assert!(copied(&[&model[..], &other].concat()).is_empty());
        // Two equal layers of one network; constant ones.
        assert!(copied(&[("a.weight", 5.0), ("b.weight", 5.0)]).is_empty());
        assert!(copied(&[("x.a.weight", 5.0), ("y.a.weight", 5.0)]).is_empty());
        let two = [("x.a.weight", 5.0), ("x.b.weight", 6.0), ("y.a.weight", 5.0), ("y.b.weight", 6.0)];
        assert_eq!(copied(&two), [pair("y.a.weight", "x.a.weight"), pair("y.b.weight", "x.b.weight")]);
    }
}
