//! Which dict of a checkpoint holds the weights.
//!
//! Dicts are dicts, and whatever was pickled as an object has those of its state. A
//! pickled network (`torch.nn.Module`: a state with `_parameters`, `_buffers` and `_modules`) has
//! the names of its `state_dict`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::torch::{Made, Objects};
use crate::error::shown;
use crate::pickle::{Id, Object, Step, Wrong};

/// Where weights are looked for, the first one wins.
pub const KEYS: [&str; 11] = [
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
    // Beside a student, whose average it is (DINO).
    "teacher",
];

// How deep dicts are looked into.
const DEPTH: usize = 4;
// How many keys of a dict are listed: names are copied, and keys may be long.
const LISTED: usize = 100;
// A place with less than this part of the tensors of another one is not meant.
const LITTLE: usize = 10;
// What tensors of two axes count, beside their number.
const MATRICES: usize = 100;
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
    let mut search = Search::new(heap);
    let place = search.place(root, &mut Vec::new(), 0)?;
    search.found(place)
}

/// What is under `key`, as [`find`] looks for it there; dots lead deeper.
///
/// # Errors
/// As [`find`], and a key that is not there: what is.
pub fn under<'p>(heap: &'p Objects<'_>, root: Id, key: &str) -> Step<Found<'p>> {
    let mut search = Search::new(heap);
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
    let place = search.place(id, &mut path, 0)?;
    search.found(place)
}

fn is_tensor(heap: &Objects, id: Id) -> bool {
    matches!(heap[id], Object::Made(Made::Tensor { .. } | Made::Stranger(_)))
}

fn has_names(heap: &Objects, id: Id) -> bool {
    matches!(heap[id], Object::Dict(_) | Object::Instance(_) | Object::List(_) | Object::Tuple(_))
}

// Whether a tensor has two axes or more.
fn is_matrix(heap: &Objects, id: Id) -> bool {
    let Object::Made(Made::Tensor { arguments, .. }) = heap[id] else { return false };
    let sides =
        heap.tuple(arguments, "arguments").ok().and_then(|given| heap.tuple(*given.get(2)?, "sides").ok());
    sides.is_some_and(|sides| sides.len() > 1)
}

/// What has names in an object.
#[derive(Default)]
struct Contents<'p> {
    entries: Vec<(Cow<'p, str>, Id)>,
    unnamed: usize,
}

// Where tensors are.
enum Place {
    Nothing,
    One { id: Id, tensors: usize, path: Vec<String>, others: Vec<String>, beside: Vec<String> },
    Several(Vec<String>),
    // Those of an object that was met before, under another key.
    Again,
}

impl Place {
    fn tensors(&self) -> usize {
        match self {
            Self::Nothing | Self::Again => 0,
            Self::One { tensors, .. } => *tensors,
            Self::Several(_) => 1,
        }
    }
}

struct Search<'p, 'a> {
    heap: &'p Objects<'a>,
    // How deep each was met, and whether there were tensors; it is looked into again from a place that is
    // less deep.
    seen: HashMap<Id, (usize, bool)>,
    // Bytes of names that may still be made, and entries that may still be looked at.
    budget: usize,
    visits: usize,
}

impl<'p, 'a> Search<'p, 'a> {
    fn new(heap: &'p Objects<'a>) -> Self {
        let (budget, visits) = (2 * heap.limit() + (1 << 20), 16 * heap.limit() + (1 << 20));
        Self { heap, seen: HashMap::new(), budget, visits }
    }

    fn found(&mut self, place: Place) -> Step<Found<'p>> {
        Ok(match place {
            Place::Nothing | Place::Again => Found::Nothing,
            Place::Several(places) => Found::Several(places),
            Place::One { id, path, others, beside, .. } => {
                let contents = if is_tensor(self.heap, id) {
                    Some(Contents { entries: vec![(Cow::Borrowed("tensor"), id)], unnamed: 0 })
                } else {
                    self.contents(id, true)?
                };
                let Contents { entries, unnamed } = contents.unwrap_or_default();
                Found::One(Choice { path, others, beside, entries, unnamed })
            }
        })
    }

    // `depth` is that below where the search began, whose path may have been said.
    fn place(&mut self, id: Id, path: &mut Vec<String>, depth: usize) -> Step<Place> {
        if let Some((_, tensors)) = self.seen.get(&id).filter(|(met, _)| *met <= depth) {
            return Ok(if *tensors { Place::Again } else { Place::Nothing });
        }
        // Within itself it has none.
        self.seen.insert(id, (depth, false));
        let place = self.place_of(id, path, depth)?;
        self.seen.insert(id, (depth, place.tensors() > 0));
        Ok(place)
    }

    fn place_of(&mut self, id: Id, path: &mut Vec<String>, depth: usize) -> Step<Place> {
        let heap = self.heap;
        let one = |path: &[String], tensors, others| Place::One {
            id,
            tensors,
            path: path.to_vec(),
            others,
            beside: Vec::new(),
        };
        if depth == 0 && is_tensor(heap, id) {
            return Ok(one(path, 1, Vec::new()));
        }
        let lists = depth == 0 || path.last().is_some_and(|key| KEYS.contains(&key.as_str()));
        let Some(contents) = self.contents(id, lists)? else { return Ok(Place::Nothing) };
        let tensors = contents.entries.iter().map(|(_, id)| *id).filter(|id| is_tensor(heap, *id));
        let (count, matrices) = tensors
            .fold((0, 0), |(count, matrices), id| (count + 1, matrices + usize::from(is_matrix(heap, id))));
        // Weights have some of two axes and more; an average's decay and counters have none.
        let tensors = count + if matrices > 0 { MATRICES } else { 0 };
        let rank = |key: &str| KEYS.iter().position(|known| *known == key).unwrap_or(KEYS.len());
        let mut inner: Vec<(&str, Place)> = Vec::new();
        if depth < DEPTH {
            let mut order: Vec<_> = contents.entries.iter().filter(|(_, id)| has_names(heap, *id)).collect();
            order.sort_by_key(|(key, _)| rank(key));
            for (key, id) in order {
                self.visit(key.len())?;
                path.push(key.clone().into_owned());
                match self.place(*id, path, depth + 1)? {
                    Place::Nothing => {}
                    found => inner.push((key, found)),
                }
                path.pop();
            }
        }
        let place =
            |key: &str| path.iter().map(String::as_str).chain([key]).map(shown).collect::<Vec<_>>().join(".");
        let most = inner.iter().map(|(_, found)| found.tensors()).max().unwrap_or(0);
        // A known key with next to nothing under it (the decay of an average) is not meant.
        let much = |found: &Place| found.tensors() > 0 && found.tensors() * LITTLE >= tensors.max(most);
        // Nor is one with less than what lies beside it.
        let known = |(key, found): &(&str, Place)| {
            rank(key) < KEYS.len() && much(found) && found.tensors() >= tensors
        };
        let known = inner.iter().position(known);
        if known.is_none() && tensors >= most {
            if tensors == 0 {
                return Ok(Place::Nothing);
            }
            return Ok(one(path, tensors, inner.iter().take(LISTED).map(|(key, _)| place(key)).collect()));
        }
        let mut large = (0..inner.len()).filter(|&at| much(&inner[at].1));
        let taken = match (known, large.next(), large.next()) {
            (Some(known), ..) => known,
            (None, Some(only), None) => only,
            _ => return Ok(Place::Several(inner.iter().take(LISTED).map(|(key, _)| place(key)).collect())),
        };
        let (taken, mut found) = inner.remove(taken);
        if let Place::One { others, beside, .. } = &mut found {
            others.extend(inner.iter().take(LISTED).map(|(key, _)| place(key)));
            let with: HashSet<&str> = inner.iter().map(|(key, _)| *key).collect();
            let names = contents.entries.iter().map(|(key, _)| &**key);
            let rest = names.filter(|key| *key != taken && !with.contains(key));
            beside.extend(rest.take(LISTED).map(place));
        }
        Ok(found)
    }

    // None of what has no names; of lists their places, where `lists`.
    fn contents(&mut self, id: Id, lists: bool) -> Step<Option<Contents<'p>>> {
        let heap = self.heap;
        Ok(match &heap[id] {
            Object::Dict(pairs) => {
                self.visit(pairs.len())?;
                Some(entries(heap, pairs.iter()))
            }
            Object::List(items) | Object::Tuple(items) if lists => Some(self.items(items)?),
            Object::Instance(instance) => {
                if self.is_module(id)? {
                    return Ok(Some(Contents { entries: self.module(id)?, unnamed: 0 }));
                }
                self.visit(instance.pairs.len())?;
                let own = entries(heap, instance.pairs.iter().chain(state(heap, id)));
                // What it was made of, where it was given nothing: a compiled network is made of the network.
                match &heap[instance.arguments] {
                    Object::Tuple(arguments) if own.entries.is_empty() => Some(self.items(arguments)?),
                    _ => Some(own),
                }
            }
            _ => None,
        })
    }

    // Those of the items that are tensors or have names, called by their places.
    fn items(&mut self, items: &[Id]) -> Step<Contents<'p>> {
        let heap = self.heap;
        self.visit(items.len())?;
        let items = items.iter().enumerate();
        let kept: Vec<_> = items.filter(|(_, id)| is_tensor(heap, **id) || has_names(heap, **id)).collect();
        self.spend(kept.len() * ENTRY)?;
        let named = kept.into_iter().map(|(place, &id)| (place.to_string().into(), id));
        Ok(Contents { entries: named.collect(), unnamed: 0 })
    }

    // Of a network's part the dicts under these names.
    fn parts<const N: usize>(&mut self, id: Id, names: [&str; N]) -> Step<[Option<Id>; N]> {
        let mut found = [None; N];
        let mut count = 0;
        for &(key, value) in state(self.heap, id) {
            count += 1;
            if count > self.visits {
                break;
            }
            let place = self.heap.text(key).and_then(|key| names.iter().position(|name| *name == key));
            if let Some(place) = place {
                found[place] = Some(value);
            }
        }
        self.visit(count)?;
        Ok(found)
    }

    fn is_module(&mut self, id: Id) -> Step<bool> {
        let parts = self.parts(id, ["_parameters", "_modules"])?;
        Ok(parts.iter().all(|part| part.is_some_and(|id| matches!(self.heap[id], Object::Dict(_)))))
    }

    // Tensors by the names that state_dict() gives them, in its order.
    fn module(&mut self, root: Id) -> Step<Vec<(Cow<'p, str>, Id)>> {
        let heap = self.heap;
        let mut entries = Vec::new();
        let mut stack = vec![(String::new(), root)];
        while let Some((prefix, id)) = stack.pop() {
            self.spend(ENTRY)?;
            let names = ["_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"];
            let [parameters, buffers, passing, modules] = self.parts(id, names)?;
            let passing: HashSet<&str> = match passing.map(|id| &heap[id]) {
                Some(Object::Set(items)) if self.visit(items.len()).is_ok() => {
                    items.iter().filter_map(|&id| heap.text(id)).collect()
                }
                _ => HashSet::new(),
            };
            for (part, all) in [(parameters, true), (buffers, false)] {
                let Some(Object::Dict(pairs)) = part.map(|id| &heap[id]) else { continue };
                self.visit(pairs.len())?;
                for (name, id) in self::entries(heap, pairs.iter()).entries {
                    if is_tensor(heap, id) && (all || !passing.contains(&*name)) {
                        let name = format!("{prefix}{name}");
                        self.spend(name.len() + ENTRY)?;
                        entries.push((name.into(), id));
                    }
                }
            }
            let Some(Object::Dict(pairs)) = modules.map(|id| &heap[id]) else { continue };
            self.visit(pairs.len())?;
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
        self.budget = self.budget.checked_sub(bytes).ok_or_else(repeated)?;
        Ok(())
    }

    fn visit(&mut self, entries: usize) -> Step<()> {
        self.visits = self.visits.checked_sub(entries).ok_or_else(repeated)?;
        Ok(())
    }
}

fn repeated() -> Wrong {
    let found = "the same parts repeated, as in a network that uses its layers again (save its state_dict)";
    ("names within the size of the pickle", found.to_owned())
}

// What an object was given: a dict, or one and another of its slots; as often as it was.
fn state<'p>(heap: &'p Objects<'_>, id: Id) -> impl Iterator<Item = &'p (Id, Id)> {
    let states: &[Id] = match &heap[id] {
        Object::Instance(instance) => &instance.states,
        _ => &[],
    };
    let dict = move |id: &Id| match &heap[*id] {
        Object::Dict(pairs) => pairs.as_slice(),
        _ => &[],
    };
    states.iter().flat_map(move |id| {
        let parts: &[Id] = match &heap[*id] {
            Object::Tuple(parts) => parts,
            _ => std::slice::from_ref(id),
        };
        parts.iter().flat_map(dict)
    })
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
