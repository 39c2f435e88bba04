//! Heat maps on the disk: a line for each frequency that is done, and a file
//! beside the table that says what it is the map of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, HeatMap, Options, Shard};
use crate::audit::Fingerprint;
use crate::audit::Rate;
use crate::error::{Error, Result};
use crate::run::table::Table;
use crate::spectrum::{Frequency, Grid};

/// Of the files; one of another version is not gone on with.
pub(super) const VERSION: u64 = 1;

/// Values of an image: more than any network takes, and few enough for a list of
/// frequencies.
const LARGEST: usize = 1 << 24;

pub(super) const COLUMNS: [&str; 6] = ["index", "row", "col", "errors", "distance", "distance_se"];

/// What a table belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub version: u64,
    pub fingerprint: Fingerprint,
    pub shape: [usize; 3],
    pub images: usize,
    pub options: Options,
    pub shard: Option<Shard>,
    pub clean: Option<Rate>,
}

impl About {
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let about: Self = serde_json::from_str(&text)
            .map_err(|e| Error::input(path.display(), "the description of a heat map", e))?;
        let place = |key: &str| format!("{}, {key}", path.display());
        if about.version != VERSION {
            return Err(Error::input(place("version"), VERSION, about.version));
        }
        let shard = about.shard.map(|s| Shard::new(s.index, s.of)).transpose();
        shard
            .map_err(|_| Error::input(place("shard"), "a part from 1 to as many as there are", "another"))?;
        if about.shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side)).is_none_or(|n| n > LARGEST) {
            let expected = format!("images of at most {LARGEST} values");
            return Err(Error::input(place("shape"), expected, format_args!("{:?}", about.shape)));
        }
        about.options.check().map_err(|e| Error::input(place("options"), "those of a heat map", e))?;
        Ok(about)
    }

    /// Refuses `other`, whose file is at `path`, where it differs: it is to be the
    /// same `what`.
    pub fn check(&self, other: &Self, path: &Path, what: &str) -> Result<()> {
        let value = |about: &Self| serde_json::to_value(about).expect("names and finite numbers");
        // A rate says no more than the rest, and a close call may fall otherwise on another machine.
        let (mut ours, mut theirs) = (value(self), value(other));
        for about in [&mut ours, &mut theirs] {
            about.as_object_mut().expect("an object").remove("clean");
        }
        match difference("", &ours, &theirs) {
            None => Ok(()),
            Some((key, ours, theirs)) => {
                let expected = format!("{ours} {what}");
                Err(Error::input(format!("{}, {key}", path.display()), expected, theirs))
            }
        }
    }

    pub fn wanted(&self) -> Vec<(u64, Frequency)> {
        let (all, _) = self.options.frequencies(Grid::new(self.shape[1], self.shape[2]));
        self.shard.map_or(all.clone(), |shard| shard.part(all))
    }
}

/// The first key at which two values differ, with both.
fn difference<'a>(key: &str, a: &'a Value, b: &'a Value) -> Option<(String, &'a Value, &'a Value)> {
    match (a, b) {
        (Value::Object(first), Value::Object(second)) => first.iter().find_map(|(name, a)| {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            difference(&key, a, second.get(name).unwrap_or(&Value::Null))
        }),
        _ => (a != b).then(|| (key.to_owned(), a, b)),
    }
}

/// Names of table and description.
pub(super) fn paths(dir: &Path, shard: Option<Shard>) -> (PathBuf, PathBuf) {
    let name = match shard {
        None => "heatmap".to_owned(),
        Some(Shard { index, of }) => format!("heatmap-{index}-of-{of}"),
    };
    (dir.join(format!("{name}.csv")), dir.join(format!("{name}.json")))
}

/// The whole lines of a table of `about`, all of them of `wanted` frequencies.
pub(super) fn read(csv: &Path, about: &About, wanted: &[(u64, Frequency)]) -> Result<BTreeMap<u64, Entry>> {
    let known: BTreeMap<u64, Frequency> = wanted.iter().copied().collect();
    let (table, ()) = Table::read_as(csv, |names| {
        if names == COLUMNS { Ok(()) } else { Err("the columns index,row,col,errors,distance,distance_se") }
    })?;
    let columns = table.into_columns();
    let mut done = BTreeMap::new();
    for (i, &index) in columns[0].iter().enumerate() {
        let [row, col, errors, distance, se] = std::array::from_fn(|c| columns[c + 1][i]);
        let refuse = |expected: String, found: String| {
            Err(Error::input(format!("{}, line {}", csv.display(), i + 2), expected, found))
        };
        let Some(k) = known.get(&(index as u64)).filter(|_| index.fract() == 0.0 && index >= 0.0) else {
            return refuse("a frequency of this map".to_owned(), format!("index {index}"));
        };
        if (row, col) != (f64::from(k.row), f64::from(k.col)) {
            return refuse(format!("frequency {k} for index {index}"), format!("({row}, {col})"));
        }
        if !(errors.fract() == 0.0 && (0.0..=about.images as f64).contains(&errors)) {
            return refuse(format!("a count of errors of {} images", about.images), errors.to_string());
        }
        let several = about.images > 1;
        if !(distance.is_finite() && distance >= 0.0) || several != (se.is_finite() && se >= 0.0) {
            return refuse("a distance and its standard error".to_owned(), format!("{distance}, {se}"));
        }
        let entry = Entry {
            row: k.row,
            col: k.col,
            error: Rate::new(errors as u64, about.images as u64),
            distance,
            distance_se: several.then_some(se),
        };
        if done.insert(index as u64, entry).is_some() {
            return refuse("each frequency once".to_owned(), format!("{k} again"));
        }
    }
    Ok(done)
}

/// The whole heat map from the parts `heatmap-i-of-N` in `dir`.
///
/// # Errors
/// [`Error::Input`] where there are no parts, where one is missing, not finished
/// or of something else than the first, and where there are parts of two
/// divisions; [`Error::Io`].
pub fn merge(dir: &Path) -> Result<HeatMap> {
    let (about, entries) = gather(dir)?;
    Ok(HeatMap::new(&about, entries))
}

// What all parts are of, and their frequencies in order.
pub(super) fn gather(dir: &Path) -> Result<(About, Vec<Entry>)> {
    let mut shards = Vec::new();
    for file in std::fs::read_dir(dir).map_err(Error::io(dir, "read"))? {
        let name = file.map_err(Error::io(dir, "read"))?.file_name();
        let numbers = name.to_str().and_then(|n| n.strip_prefix("heatmap-")?.strip_suffix(".json"));
        let numbers = numbers.and_then(|n| n.split_once("-of-"));
        let numbers = numbers.and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        shards.extend(numbers.and_then(|(index, of)| Shard::new(index, of).ok()));
    }
    shards.sort_unstable_by_key(|s| (s.of, s.index));
    let Some(&Shard { of, .. }) = shards.first() else {
        let expected = "parts of a heat map (heatmap-1-of-N.json and so on)";
        return Err(Error::input(dir.display(), expected, "none"));
    };
    if let Some(other) = shards.iter().find(|s| s.of != of) {
        let expected = format!("parts of one division, such as those in {of}");
        return Err(Error::input(dir.display(), expected, format_args!("part {other} as well")));
    }
    let missing: Vec<_> = (1..=of).filter(|&i| shards.iter().all(|s| s.index != i)).take(5).collect();
    if !missing.is_empty() {
        let missing = missing.iter().map(|i| format!("{i}/{of}")).collect::<Vec<_>>().join(", ");
        return Err(Error::input(
            dir.display(),
            format_args!("all {of} parts"),
            format!("no part {missing}"),
        ));
    }
    let mut first: Option<About> = None;
    let mut entries = BTreeMap::new();
    for shard in shards {
        let (csv, json) = paths(dir, Some(shard));
        let about = About::read(&json)?;
        if about.shard != Some(shard) {
            let found = about.shard.map_or("the whole".to_owned(), |s| format!("part {s}"));
            return Err(Error::input(format!("{}, shard", json.display()), format!("part {shard}"), found));
        }
        let as_first = About { shard: None, ..about.clone() };
        first.get_or_insert_with(|| as_first.clone()).check(&as_first, &json, "as in the first part")?;
        let wanted = about.wanted();
        let done = read(&csv, &about, &wanted)?;
        if done.len() < wanted.len() {
            let expected = format!("all {} frequencies of the part", wanted.len());
            return Err(Error::input(csv.display(), expected, done.len()));
        }
        entries.extend(done);
    }
    Ok((first.expect("there is a part"), entries.into_values().collect()))
}
