//! What was read of a file, and what was left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::StateDict;
use crate::error::shown;

/// How a file holds its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A PyTorch checkpoint: a zip archive, as `torch.save` writes since version 1.6.
    Zip,
    /// A PyTorch checkpoint as older versions wrote it: pickles, then numbers.
    Legacy,
    /// A safetensors file.
    Safetensors,
    /// Several files with an index.
    Shards,
    /// Arrays of numpy.
    Npz,
    /// A program with its parameters, as `torch.jit.save` writes it (`audit --torchscript`).
    TorchScript,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "a PyTorch checkpoint (zip format)",
            Self::Legacy => "a PyTorch checkpoint (legacy format)",
            Self::Safetensors => "a safetensors file",
            Self::Shards => "several files with an index",
            Self::Npz => "arrays of numpy (.npz)",
            Self::TorchScript => "a program (TorchScript)",
        })
    }
}

/// Something in a dict of weights that was not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name, as in the file.
    pub name: String,
    /// What it is ("a sparse tensor", "None").
    pub what: String,
}

/// Where weights come from: what was taken of a file, and what was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// How the file holds them.
    pub format: Format,
    /// Under which key of the file they were ("state_dict", "checkpoint.model");
    /// none where the file holds nothing else.
    pub key: Option<String>,
    /// Other keys with tensors.
    pub others: Vec<String>,
    /// Prefixes that all names had, in the order in which they were taken off.
    pub stripped: Vec<String>,
    /// Entries beside the tensors that were not read.
    pub skipped: Vec<Skipped>,
    /// Keys beside the weights' own, without weights: epoch, optimiser state.
    pub beside: Vec<String>,
    /// Functions and classes that the file names and nobody needs to know to read it: nothing
    /// of them was executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inert: Vec<String>,
    /// Parameters that were computed of their parts, and by what ("conv1.weight (weight norm)").
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub composed: Vec<String>,
    /// Tensors of other networks and things, by the start of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Prefixes of other networks in the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Whose names the tensors have in the file, where they were given those of this crate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
}

impl Origin {
    /// Of a file that holds nothing but tensors.
    pub fn new(format: Format) -> Self {
        let (key, others, stripped, skipped, beside) = Default::default();
        let (inert, composed, outside, networks, names) = Default::default();
        Self { format, key, others, stripped, skipped, beside, inert, composed, outside, networks, names }
    }

    /// What a reader should know, a line for each; none where all of a safetensors
    /// file was read as it is.
    pub fn notes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let quoted = |list: &[String]| listed(list.iter().map(|key| format!("`{}`", shown(key))));
        let key = self.key.as_ref().map(|key| format!("weights under `{}`", shown(key)));
        let prefix =
            (!self.stripped.is_empty()).then(|| format!("{} taken off all names", quoted(&self.stripped)));
        if self.format != Format::Safetensors || key.is_some() || prefix.is_some() {
            lines.push(
                [Some(self.format.to_string()), key, prefix]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; "),
            );
        }
        if !self.others.is_empty() {
            lines.push(format!("tensors under other keys were not read: {}", quoted(&self.others)));
        }
        if !self.skipped.is_empty() {
            let skipped = self.skipped.iter().map(|s| format!("{} ({})", shown(&s.name), s.what));
            lines.push(format!("left out: {}", listed(skipped)));
        }
        if !self.beside.is_empty() {
            lines.push(format!("beside the weights: {}", quoted(&self.beside)));
        }
        let plain = |list: &[String]| listed(list.iter().map(|text| shown(text)));
        if !self.inert.is_empty() {
            lines.push(format!("named in the file, neither known nor executed: {}", plain(&self.inert)));
        }
        if !self.composed.is_empty() {
            lines.push(format!("computed of their parts, as the network does: {}", plain(&self.composed)));
        }
        if !self.outside.is_empty() {
            lines.push(format!("not of this network: {}", plain(&self.outside)));
        }
        if let Some(names) = &self.names {
            lines.push(format!(
                "its names are those of {names}; tensors are called as torchvision calls them"
            ));
        }
        if !self.networks.is_empty() {
            lines.push(format!("other networks in the file (--prefix chooses): {}", quoted(&self.networks)));
        }
        lines
    }
}

// "a, b, c and 4 more"
pub fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 8;
    let more = items.len().saturating_sub(SHOWN);
    let first = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// What wrappers put before all names: data parallelism, Lightning, `torch.compile`.
const PREFIXES: [&str; 3] = ["module.", "model.", "_orig_mod."];

/// What wrappers of parts of a network put into names, and no network calls its own.
const INSIDE: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Takes wrappers of parts out of names; which.
pub fn unwrap_parts(dict: StateDict) -> (StateDict, Vec<String>) {
    let wraps = |part: &&str| INSIDE.contains(part);
    let mut taken = BTreeSet::new();
    let names: Vec<String> = dict
        .iter()
        .map(|tensor| {
            taken.extend(tensor.name().split('.').filter(wraps).map(|wrapper| format!("{wrapper}.")));
            tensor.name().split('.').filter(|part| !wraps(part)).collect::<Vec<_>>().join(".")
        })
        .collect();
    let differ = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    if taken.is_empty() || !differ || names.iter().any(String::is_empty) {
        return (dict, Vec::new());
    }
    let mut short = StateDict::new();
    for (mut tensor, name) in dict.into_iter().zip(names) {
        tensor.name = name;
        short.push(tensor).expect("names that differ");
    }
    (short, taken.into_iter().collect())
}

/// The tensors whose names begin with `prefix`, without it; how the others begin, and how many
/// there are of each.
pub fn under(dict: StateDict, prefix: &str) -> (StateDict, Vec<String>) {
    kept(dict, |name| name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(str::to_owned))
}

/// The tensors of `dict` whose names begin with none of `starts`, and how the names of the others begin.
pub fn without(dict: StateDict, starts: &[&str]) -> (StateDict, Vec<String>) {
    let begins = |name: &str| starts.iter().any(|start| name.starts_with(start));
    kept(dict, |name| (!begins(name)).then(|| name.to_owned()))
}

// Those that have a name, under that; names that differ stay so.
fn kept(dict: StateDict, name: impl Fn(&str) -> Option<String>) -> (StateDict, Vec<String>) {
    let mut kept = StateDict::new();
    let mut outside: BTreeMap<String, usize> = BTreeMap::new();
    for mut tensor in dict {
        if let Some(name) = name(&tensor.name) {
            tensor.name = name;
            kept.push(tensor).expect("names that differed differ without their common start");
        } else {
            let start = tensor.name.split('.').next().unwrap_or_default();
            *outside.entry(start.to_owned()).or_default() += 1;
        }
    }
    let text = |(start, count): (String, usize)| {
        if count == 1 { start } else { format!("{start} ({count} tensors)") }
    };
    (kept, outside.into_iter().map(text).collect())
}

/// Takes prefixes off that all names have, again and again; which ones.
pub fn strip(dict: StateDict) -> (StateDict, Vec<String>) {
    let mut stripped = Vec::new();
    let mut length = 0;
    while let Some(prefix) = PREFIXES.iter().find(|prefix| {
        let rest = |name: &str| name[length..].strip_prefix(**prefix).is_some_and(|rest| !rest.is_empty());
        !dict.is_empty() && dict.iter().all(|t| rest(t.name()))
    }) {
        stripped.push((*prefix).to_owned());
        length += prefix.len();
    }
    if length == 0 {
        return (dict, stripped);
    }
    let mut short = StateDict::new();
    for mut tensor in dict {
        tensor.name.drain(..length);
        short.push(tensor).expect("names that differed differ without their common start");
    }
    (short, stripped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Data, NamedTensor};

    fn stripped(names: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut dict = StateDict::new();
        for name in names {
            dict.push(NamedTensor::new(*name, vec![], Data::U8(vec![0])).unwrap()).unwrap();
        }
        let (dict, stripped) = strip(dict);
        (dict.iter().map(|t| t.name().to_owned()).collect(), stripped)
    }

    #[test]
    fn prefixes_go_where_all_names_have_them() {
        let (names, gone) = stripped(&["module.a.b", "module.module.c"]);
        assert_eq!((names, gone), (vec!["a.b".into(), "module.c".into()], vec!["module.".into()]));
        let (names, gone) = stripped(&["model._orig_mod.module.a", "model._orig_mod.module.b"]);
        assert_eq!((names, gone.concat()), (vec!["a".into(), "b".into()], "model._orig_mod.module.".into()));
        for untouched in [&["module.a", "b"][..], &["module.", "module.a"], &["modules.a"], &[]] {
            assert_eq!(stripped(untouched), (untouched.iter().map(|n| (*n).to_owned()).collect(), vec![]));
        }
    }

    #[test]
    fn wrappers_of_parts_go_wherever_they_are() {
        let of = |names: &[&str]| {
            let mut dict = StateDict::new();
            for name in names {
                dict.push(NamedTensor::new(*name, vec![], Data::U8(vec![0])).unwrap()).unwrap();
            }
            let (dict, taken) = unwrap_parts(dict);
            (dict.iter().map(|t| t.name().to_owned()).collect::<Vec<_>>(), taken)
        };
        let (names, taken) =
            of(&["a._fsdp_wrapped_module.0._fsdp_wrapped_module.w", "a.1._checkpoint_wrapped_module.w", "b"]);
        assert_eq!(names, ["a.0.w", "a.1.w", "b"]);
        assert_eq!(taken, ["_checkpoint_wrapped_module.", "_fsdp_wrapped_module."]);
        // One name of two, nothing left, and a part that a network calls so itself.
        for kept in [&["a._orig_mod.w", "a.w"][..], &["_orig_mod"], &["enc.module.w", "dec.w"]] {
            assert_eq!(of(kept), (kept.iter().map(|n| (*n).to_owned()).collect(), vec![]));
        }
    }

    #[test]
    fn notes_say_what_was_taken_and_what_was_left() {
        assert!(Origin::new(Format::Safetensors).notes().is_empty());
        assert_eq!(Origin::new(Format::Legacy).notes(), ["a PyTorch checkpoint (legacy format)"]);
        let origin = Origin {
            key: Some("state_dict".into()),
            others: vec!["ema".into()],
            stripped: vec!["module.".into()],
            skipped: vec![Skipped { name: "a\u{1b}".into(), what: "None".into() }],
            beside: (0..10).map(|i| format!("k{i}")).collect(),
            ..Origin::new(Format::Zip)
        };
        assert_eq!(
            origin.notes(),
            [
                "a PyTorch checkpoint (zip format); weights under `state_dict`; `module.` taken off all names",
                "tensors under other keys were not read: `ema`",
                "left out: a\\u{1b} (None)",
                "beside the weights: `k0`, `k1`, `k2`, `k3`, `k4`, `k5`, `k6`, `k7` and 2 more",
            ]
        );
        let text = serde_json::to_string(&origin).unwrap();
        assert_eq!(serde_json::from_str::<Origin>(&text).unwrap(), origin);
    }
}
