//! Tensors in several files: an index in JSON names the file of each one.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::origin::{Format, Origin, Skipped};
use super::{StateDict, checkpoint};
use crate::error::{Error, Result, shown};

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads all tensors that the index `json`, which lies at `path`, names: file by
/// file, in the order in which they lie there.
///
/// # Errors
/// An index that is none, a file outside of the index's folder, one without a
/// tensor that it should have, and those of [`super::open`].
pub fn read(path: &Path, json: &[u8]) -> Result<(StateDict, Origin)> {
    let place = path.display();
    let Index { weight_map } = serde_json::from_slice(json).map_err(|e| {
        let expected = "an index of files of weights: JSON with a weight_map of names to files";
        Error::input(&place, expected, shown(&e.to_string()))
    })?;
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, file) in &weight_map {
        let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        if file.is_empty() || !inside {
            let place = format!("{place}: tensor {}", shown(name));
            return Err(Error::input(place, "a file in the folder of the index", shown(file)));
        }
        files.entry(file).or_default().push(name);
    }
    if files.is_empty() {
        return Err(Error::input(place, "an index of tensors", "an empty weight_map"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut origin = Origin::new(Format::Shards);
    let mut dict = StateDict::new();
    for (file, names) in files {
        let shard = folder.join(file);
        let (tensors, part) = checkpoint::part(&shard)?;
        origin.inert.extend(part.inert);
        origin.skipped.extend(part.skipped);
        if let Some(missing) = names.iter().find(|name| tensors.get(name).is_none()) {
            let expected = format!("the tensor {}, which {place} places there", shown(missing));
            return Err(Error::input(shard.display(), expected, format_args!("{} others", tensors.len())));
        }
        for tensor in tensors {
            if weight_map.get(tensor.name()).is_some_and(|named| named == file) {
                dict.push(tensor)?;
            } else {
                let what = format!("not in the index, in {}", shown(file));
                origin.skipped.push(Skipped { name: tensor.name, what });
            }
        }
    }
    Ok((dict, origin))
}
