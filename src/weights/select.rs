//! Which dict of a checkpoint holds the weights.
//!
//! Dicts are dicts, and whatever was pickled as an object has those of its state. A
//! pickled network (`torch.nn.Module`: a state with `_parameters`, `_buffers` and `_modules`) has
//! the names of its `state_dict`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::torch::{Made, Objects};
use crate::error::shown;
use crate::pickle::{Id, Object, Step};

/// Where weights are looked for, the first one wins.
pub const KEYS: [&str; 10] = [
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "ema",
    "state_dict_ema",
    "params",
    "weights",
    "module",
];

// How deep dicts are looked into.
const DEPTH: usize = 4;
// How many keys of a dict are listed: names are copied, and keys may be long.
const LISTED: usize = 100;
// What a name costs, beside its bytes.
const ENTRY: usize = 32;

/// The dict that was chosen.
#[derive(Debug)]
pub struct Choice<'p> {
    /// Keys that lead to it; none where it is the whole checkpoint.
    pub path: Vec<String>,
    /// Other places with tensors, as paths.
    pub others: Vec<String>,
    /// Keys beside those that led to it, without weights.
    pub beside: Vec<String>,
    /// Its entries with a string for a key.
    pub entries: Vec<(Cow<'p, str>, Id)>,
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
/// with more tensors than that. A tensor alone is called "tensor"; those of a list, which
/// only counts at the root and under the known keys, are called by their places.
///
/// # Errors
/// Networks whose names are larger than the pickle: parts of them are repeated.
pub fn find<'p>(heap: &'p Objects<'_>, root: Id) -> Step<Found<'p>> {
    let mut search = Search { heap, seen: HashSet::new(), budget: budget(heap) };
    if is_tensor(heap, root) {
        let entries = vec![(Cow::Borrowed("tensor"), root)];
        return Ok(Found::One(Choice::new(Vec::new(), Contents { entries, unnamed: 0 }, 1)));
    }
    search.dict(root, &mut Vec::new())
}

/// What is under `key`, as [`find`] looks for it there; dots lead deeper.
///
/// # Errors
/// As [`find`], and a key that is not there: what is.
pub fn under<'p>(heap: &'p Objects<'_>, root: Id, key: &str) -> Step<Found<'p>> {
    let mut search = Search { heap, seen: HashSet::new(), budget: budget(heap) };
    let (mut id, mut rest, mut path) = (root, key, Vec::new());
    loop {
        let contents = search.contents(id, true)?;
        let entries = contents.map_or(Vec::new(), |c| c.entries);
        // The longest: keys may have dots of their own.
        let fits = |name: &str| {
            rest.strip_prefix(name).is_some_and(|after| after.is_empty() || after.starts_with('.'))
        };
        let step = entries.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len());
        let Some((name, next)) = step else {
            let keys: Vec<_> = entries.iter().map(|(name, _)| shown(name)).collect();
            let found =
                if keys.is_empty() { "nothing".to_owned() } else { super::origin::listed(keys.into_iter()) };
            return Err(("a key of the file (--key)", format!("`{}`; there is {found}", shown(key))));
        };
        path.push(name.clone().into_owned());
        id = *next;
        rest = &rest[name.len()..];
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None => break,
        }
    }
    search.seen.clear();
    let found = if is_tensor(heap, id) {
        let entries = vec![(Cow::Borrowed("tensor"), id)];
        Found::One(Choice::new(Vec::new(), Contents { entries, unnamed: 0 }, 1))
    } else {
        search.dict(id, &mut path.clone())?
    };
    Ok(match found {
        Found::One(mut choice) if choice.path.is_empty() => {
            choice.path = path;
            Found::One(choice)
        }
        found => found,
    })
}

fn budget(heap: &Objects) -> usize {
    2 * heap.limit() + (1 << 12)
}

fn is_tensor(heap: &Objects, id: Id) -> bool {
    matches!(heap[id], Object::Made(Made::Tensor { .. } | Made::Stranger(_)))
}

fn has_names(heap: &Objects, id: Id) -> bool {
    matches!(heap[id], Object::Dict(_) | Object::Instance(_) | Object::List(_) | Object::Tuple(_))
}

/// What has names in an object.
struct Contents<'p> {
    entries: Vec<(Cow<'p, str>, Id)>,
    unnamed: usize,
}

impl<'p> Choice<'p> {
    fn new(path: Vec<String>, contents: Contents<'p>, tensors: usize) -> Self {
        let Contents { entries, unnamed } = contents;
        Self { path, others: Vec::new(), beside: Vec::new(), entries, unnamed, tensors }
    }
}

struct Search<'p, 'a> {
    heap: &'p Objects<'a>,
    // Each is looked into once, however often it is referred to.
    seen: HashSet<Id>,
    // Bytes of names that may still be made.
    budget: usize,
}

impl<'p> Search<'p, '_> {
    fn dict(&mut self, id: Id, path: &mut Vec<String>) -> Step<Found<'p>> {
        let heap = self.heap;
        if !self.seen.insert(id) {
            return Ok(Found::Nothing);
        }
        let lists = path.last().is_none_or(|key| KEYS.contains(&key.as_str()));
        let Some(contents) = self.contents(id, lists)? else { return Ok(Found::Nothing) };
        let tensors = contents.entries.iter().filter(|(_, id)| is_tensor(heap, *id)).count();
        let rank = |key: &str| KEYS.iter().position(|known| *known == key).unwrap_or(KEYS.len());
        let mut order: Vec<_> = contents.entries.iter().collect();
        order.sort_by_key(|(key, _)| rank(key));
        let mut inner: Vec<(String, Found)> = Vec::new();
        if path.len() < DEPTH {
            for (key, id) in order {
                if !has_names(heap, *id) {
                    continue;
                }
                path.push(key.clone().into_owned());
                match self.dict(*id, path)? {
                    Found::Nothing => {}
                    found => inner.push((key.clone().into_owned(), found)),
                }
                path.pop();
            }
        }
        let place =
            |key: &str| path.iter().map(String::as_str).chain([key]).map(shown).collect::<Vec<_>>().join(".");
        let known = inner.first().is_some_and(|(key, _)| rank(key) < KEYS.len());
        let most = inner.iter().map(|(_, found)| found.tensors()).max().unwrap_or(0);
        if !known && tensors >= most {
            if tensors == 0 {
                return Ok(Found::Nothing);
            }
            let others = inner.iter().take(LISTED).map(|(key, _)| place(key)).collect();
            return Ok(Found::One(Choice { others, ..Choice::new(path.clone(), contents, tensors) }));
        }
        if !known && inner.len() > 1 {
            return Ok(Found::Several(inner.iter().take(LISTED).map(|(key, _)| place(key)).collect()));
        }
        let (taken, mut found) = inner.remove(0);
        if let Found::One(choice) = &mut found {
            choice.others.extend(inner.iter().take(LISTED).map(|(key, _)| place(key)));
            let with: HashSet<&str> = inner.iter().map(|(key, _)| key.as_str()).collect();
            let names = contents.entries.iter().map(|(key, _)| &**key);
            let beside = names.filter(|key| *key != taken && !with.contains(key));
            choice.beside.extend(beside.take(LISTED).map(place));
        }
        Ok(found)
    }

    // None of what has no names; of lists their places, where `lists`.
    fn contents(&mut self, id: Id, lists: bool) -> Step<Option<Contents<'p>>> {
        let heap = self.heap;
        Ok(match &heap[id] {
            Object::Dict(pairs) => Some(entries(heap, pairs.iter())),
            Object::List(items) | Object::Tuple(items) if lists => {
                let items = items.iter().enumerate();
                let kept: Vec<_> =
                    items.filter(|(_, id)| is_tensor(heap, **id) || has_names(heap, **id)).collect();
                self.spend(kept.len() * ENTRY)?;
                let named = kept.into_iter().map(|(place, &id)| (place.to_string().into(), id));
                Some(Contents { entries: named.collect(), unnamed: 0 })
            }
            Object::Instance(instance) => {
                if self.is_module(id) {
                    return Ok(Some(Contents { entries: self.module(id)?, unnamed: 0 }));
                }
                let pairs = instance.pairs.iter().chain(self.state(id));
                Some(entries(heap, pairs))
            }
            _ => None,
        })
    }

    // What an object was given: a dict, or one and another of its slots.
    fn state(&self, id: Id) -> Vec<&'p (Id, Id)> {
        let heap = self.heap;
        let Object::Instance(instance) = &heap[id] else { return Vec::new() };
        let mut pairs = Vec::new();
        for &state in &instance.states {
            match &heap[state] {
                Object::Dict(dict) => pairs.extend(dict),
                Object::Tuple(parts) => parts.iter().for_each(|&part| {
                    if let Object::Dict(dict) = &heap[part] {
                        pairs.extend(dict);
                    }
                }),
                _ => {}
            }
        }
        pairs
    }

    // Of a network's part the dicts under these names.
    fn parts<const N: usize>(&self, id: Id, names: [&str; N]) -> [Option<Id>; N] {
        let mut found = [None; N];
        for &&(key, value) in &self.state(id) {
            let place = self.heap.text(key).and_then(|key| names.iter().position(|name| *name == key));
            if let Some(place) = place {
                found[place] = Some(value);
            }
        }
        found
    }

    fn is_module(&self, id: Id) -> bool {
        let [parameters, modules] = self.parts(id, ["_parameters", "_modules"]);
        [parameters, modules]
            .iter()
            .all(|part| part.is_some_and(|id| matches!(self.heap[id], Object::Dict(_))))
    }

    // Tensors by the names that state_dict() gives them, in its order.
    fn module(&mut self, root: Id) -> Step<Vec<(Cow<'p, str>, Id)>> {
        let heap = self.heap;
        let mut entries = Vec::new();
        let mut stack = vec![(String::new(), root)];
        while let Some((prefix, id)) = stack.pop() {
            self.spend(ENTRY)?;
            let names = ["_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"];
            let [parameters, buffers, passing, modules] = self.parts(id, names);
            let passing: HashSet<&str> = match passing.map(|id| &heap[id]) {
                Some(Object::Set(items)) => items.iter().filter_map(|&id| heap.text(id)).collect(),
                _ => HashSet::new(),
            };
            for (part, all) in [(parameters, true), (buffers, false)] {
                let Some(Object::Dict(pairs)) = part.map(|id| &heap[id]) else { continue };
                for (name, id) in self::entries(heap, pairs.iter()).entries {
                    if is_tensor(heap, id) && (all || !passing.contains(&*name)) {
                        let name = format!("{prefix}{name}");
                        self.spend(name.len() + ENTRY)?;
                        entries.push((name.into(), id));
                    }
                }
            }
            let Some(Object::Dict(pairs)) = modules.map(|id| &heap[id]) else { continue };
            let children = self::entries(heap, pairs.iter()).entries;
            for (name, id) in children.into_iter().rev() {
                let prefix = format!("{prefix}{name}.");
                self.spend(prefix.len() + ENTRY)?;
                stack.push((prefix, id));
            }
        }
        Ok(entries)
    }

    fn spend(&mut self, bytes: usize) -> Step<()> {
        self.budget = self.budget.checked_sub(bytes).ok_or_else(|| {
            ("names within the size of the pickle", "the same parts of a network repeated".to_owned())
        })?;
        Ok(())
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
fn entries<'p, 'i>(heap: &'p Objects<'_>, pairs: impl Iterator<Item = &'i (Id, Id)>) -> Contents<'p> {
    let mut places = HashMap::new();
    let mut entries: Vec<(Cow<str>, Id)> = Vec::new();
    let mut unnamed = 0;
    for &(key, value) in pairs {
        let Some(key) = heap.text(key) else {
            unnamed += 1;
            continue;
        };
        match places.get(key) {
            Some(&place) => {
                let entry: &mut (Cow<str>, Id) = &mut entries[place];
                entry.1 = value;
            }
            None => {
                places.insert(key, entries.len());
                entries.push((Cow::Borrowed(key), value));
            }
        }
    }
    Contents { entries, unnamed }
}
