//! Which dict of a checkpoint holds the weights.

use std::collections::{HashMap, HashSet};

use super::torch::{Made, Objects};
use crate::error::shown;
use crate::pickle::{Id, Object};

/// Where weights are looked for, the first one wins.
pub const KEYS: [&str; 9] = [
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "ema",
    "state_dict_ema",
    "params",
    "weights",
];

// How deep dicts are looked into.
const DEPTH: usize = 4;
// How many keys of a dict are listed: names are copied, and keys may be long.
const LISTED: usize = 100;

/// The dict that was chosen.
#[derive(Debug)]
pub struct Choice<'p> {
    /// Keys that lead to it; none where it is the whole checkpoint.
    pub path: Vec<&'p str>,
    /// Other places with tensors, as paths.
    pub others: Vec<String>,
    /// Keys beside those that led to it, without weights.
    pub beside: Vec<String>,
    /// Its entries with a string for a key.
    pub entries: Vec<(&'p str, Id)>,
    /// How many entries have another key.
    pub unnamed: usize,
    tensors: usize,
}

/// What a search has found.
#[derive(Debug)]
pub enum Found<'p> {
    /// No tensors under strings.
    Nothing,
    /// One dict.
    One(Choice<'p>),
    /// Several under keys that say nothing, as paths.
    Several(Vec<String>),
}

/// Looks for the dict of weights in the object `root`: in every dict first under the
/// known keys, then for tensors in the dict itself, then under any one other key
/// with more tensors than that.
pub fn find<'p>(heap: &'p Objects<'_>, root: Id) -> Found<'p> {
    Search { heap, seen: HashSet::new() }.dict(root, &mut Vec::new())
}

struct Search<'p, 'a> {
    heap: &'p Objects<'a>,
    // Each is looked into once, however often it is referred to.
    seen: HashSet<Id>,
}

impl<'p> Search<'p, '_> {
    fn dict(&mut self, id: Id, path: &mut Vec<&'p str>) -> Found<'p> {
        let heap = self.heap;
        let Object::Dict(pairs) = &heap[id] else { return Found::Nothing };
        if !self.seen.insert(id) {
            return Found::Nothing;
        }
        let (entries, unnamed) = entries(heap, pairs);
        let is_tensor =
            |&(_, id): &(&str, Id)| matches!(heap[id], Object::Made(Made::Tensor { .. } | Made::Stranger(_)));
        let tensors = entries.iter().filter(|e| is_tensor(e)).count();
        let rank = |key: &str| KEYS.iter().position(|known| *known == key).unwrap_or(KEYS.len());
        let mut order: Vec<_> = entries.iter().collect();
        order.sort_by_key(|(key, _)| rank(key));
        let mut inner = Vec::new();
        if path.len() < DEPTH {
            for &(key, id) in order {
                path.push(key);
                match self.dict(id, path) {
                    Found::Nothing => {}
                    found => inner.push((key, found)),
                }
                path.pop();
            }
        }
        let place = |key: &str| path.iter().copied().chain([key]).map(shown).collect::<Vec<_>>().join(".");
        let known = inner.first().is_some_and(|(key, _)| rank(key) < KEYS.len());
        let most = inner.iter().map(|(_, found)| found.tensors()).max().unwrap_or(0);
        if !known && tensors >= most {
            if tensors == 0 {
                return Found::Nothing;
            }
            let others = inner.iter().take(LISTED).map(|(key, _)| place(key)).collect();
            let path = path.clone();
            return Found::One(Choice { path, others, beside: Vec::new(), entries, unnamed, tensors });
        }
        if !known && inner.len() > 1 {
            return Found::Several(inner.iter().take(LISTED).map(|(key, _)| place(key)).collect());
        }
        let (taken, mut found) = inner.remove(0);
        if let Found::One(choice) = &mut found {
            choice.others.extend(inner.iter().take(LISTED).map(|(key, _)| place(key)));
            let with: HashSet<&str> = inner.iter().map(|(key, _)| *key).collect();
            let beside = entries.iter().filter(|(key, _)| *key != taken && !with.contains(key));
            choice.beside.extend(beside.take(LISTED).map(|(key, _)| place(key)));
        }
        found
    }
}

impl Found<'_> {
    fn tensors(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(choice) => choice.tensors,
            Self::Several(_) => 1,
        }
    }
}

// As in Python: a key keeps its first place and has its last value.
fn entries<'p>(heap: &'p Objects<'_>, pairs: &[(Id, Id)]) -> (Vec<(&'p str, Id)>, usize) {
    let mut places = HashMap::new();
    let mut entries: Vec<(&str, Id)> = Vec::new();
    let mut unnamed = 0;
    for &(key, value) in pairs {
        let Some(key) = heap.text(key) else {
            unnamed += 1;
            continue;
        };
        match places.get(key) {
            Some(&place) => {
                let entry: &mut (&str, Id) = &mut entries[place];
                entry.1 = value;
            }
            None => {
                places.insert(key, entries.len());
                entries.push((key, value));
            }
        }
    }
    (entries, unnamed)
}
