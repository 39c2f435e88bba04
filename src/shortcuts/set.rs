//! The images as the detectors see them: bytes, at most 64 pixels a side, checked.

use std::collections::HashMap;

use ndarray::{ArrayView3, Axis, parallel::prelude::*};
use rand::seq::index::sample;
use xxhash_rust::xxh3::Xxh3;

use super::Duplicates;
use crate::data::{self, spec};
use crate::error::{Error, Result, listed};
use crate::field::{ImageSet, Targets};
use crate::seed;

/// Images of a class that are needed at least.
pub const LEAST: usize = 20;

/// Smallest side, in pixels.
const SMALLEST: usize = 12;

/// Largest side that is looked at, in pixels.
const LARGEST: usize = 64;

/// A checked set.
pub(super) struct Set {
    /// `[c, h, w]`
    pub shape: [usize; 3],
    /// `[N, c, h, w]`, k for k/255.
    bytes: Vec<u8>,
    /// Of the classes that have images.
    pub labels: Vec<usize>,
    pub names: Vec<String>,
    /// Indices of the images of each class, ascending.
    pub members: Vec<Vec<usize>>,
    pub duplicates: Duplicates,
    /// Of every image.
    pub hashes: Vec<u128>,
    pub notes: Vec<String>,
}

impl Set {
    /// Checks `set`, and brings it to the size and the range that the detectors know.
    pub fn new(set: &ImageSet) -> Result<Self> {
        let Targets::Classes { labels, names } = &set.targets else {
            let found = if set.targets.outputs() == 0 { "images without labels" } else { "real targets" };
            return Err(Error::input("data set", "class labels, to look for what gives them away", found));
        };
        let [c, h, w] = set.shape();
        if c != 1 && c != 3 {
            return Err(Error::input("images", "1 or 3 channels", format_args!("{c} (see --grey)")));
        }
        if h < SMALLEST || w < SMALLEST {
            let expected = format!("sides of at least {SMALLEST} pixels");
            return Err(Error::input("images", expected, format_args!("{h}×{w} (see --size)")));
        }
        let mut notes = Vec::new();
        let (labels, names) = present(labels, names, &mut notes)?;
        let mut members = vec![Vec::new(); names.len()];
        labels.iter().enumerate().for_each(|(i, &label)| members[label].push(i));
        let few = members.iter().position(|of| of.len() < LEAST);
        if let Some(class) = few {
            let (name, found) = (crate::error::shown(&names[class]), members[class].len());
            let found = format!("{found} (--classes can leave it out)");
            return Err(Error::input(
                format_args!("class {name}"),
                format_args!("at least {LEAST} images"),
                found,
            ));
        }
        let hashes = hashes(set)?;
        let duplicates = duplicates(&hashes, &labels);
        if duplicates.distinct == 1 {
            return Err(Error::input("images", "images that differ", "the same image over and over"));
        }
        if duplicates.within + duplicates.across > 0 {
            notes.push(format!(
                "{} images are copies of an earlier one of their class, and {} have a copy in another class",
                duplicates.within, duplicates.across
            ));
        }
        let resized;
        let mut seen = set;
        if h.max(w) > LARGEST {
            let scale = LARGEST as f64 / h.max(w) as f64;
            let side = |s: usize| ((s as f64 * scale).round() as usize).max(SMALLEST);
            let size = (side(h), side(w));
            let options = data::Options { size: Some(size), ..data::Options::default() };
            resized = spec::finish(set.clone(), &options)?;
            seen = &resized;
            notes.push(format!(
                "images are looked at in {}×{} pixels, not {h}×{w}: what is finer is not seen",
                size.0, size.1
            ));
        }
        if seen.shape()[1..] != [32, 32] {
            let [_, h, w] = seen.shape();
            notes.push(format!("levels were calibrated on images of 32×32 pixels; these have {h}×{w}"));
        }
        let bytes = bytes(seen, &mut notes);
        Ok(Self { shape: seen.shape(), bytes, labels, names, members, duplicates, hashes, notes })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Image `i`, `[c, h, w]`.
    pub fn bytes(&self, i: usize) -> &[u8] {
        let size: usize = self.shape.iter().product();
        &self.bytes[i * size..(i + 1) * size]
    }
}

/// Of the images in each class, ascending: all where they are at most `most`, else the same part
/// of every class, but [`LEAST`] of it where there are as many, drawn by `seed` for `purpose`.
pub(super) fn drawn(members: &[Vec<usize>], most: usize, seed: u64, purpose: &str) -> Vec<usize> {
    let all: usize = members.iter().map(Vec::len).sum();
    let mut rows = Vec::new();
    for (class, members) in members.iter().enumerate() {
        if all <= most {
            rows.extend_from_slice(members);
            continue;
        }
        let count = (members.len() * most / all).max(LEAST).min(members.len());
        let rng = &mut seed::rng(seed, purpose, class as u64);
        rows.extend(sample(rng, members.len(), count).into_iter().map(|i| members[i]));
    }
    rows.sort_unstable();
    rows
}

// Labels and names of the classes that have images.
fn present(labels: &[u32], names: &[String], notes: &mut Vec<String>) -> Result<(Vec<usize>, Vec<String>)> {
    let mut counts = vec![0usize; names.len()];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let kept: Vec<usize> = (0..names.len()).filter(|&class| counts[class] > 0).collect();
    if kept.len() < 2 {
        return Err(Error::input("data set", "at least 2 classes, to tell apart", kept.len()));
    }
    if kept.len() < names.len() {
        let empty: Vec<&String> = (0..names.len()).filter(|&c| counts[c] == 0).map(|c| &names[c]).collect();
        notes.push(format!("without images, and left out: {}", listed(&empty)));
    }
    let mut new = vec![0; names.len()];
    kept.iter().enumerate().for_each(|(to, &from)| new[from] = to);
    let labels = labels.iter().map(|&label| new[label as usize]).collect();
    Ok((labels, kept.into_iter().map(|class| names[class].clone()).collect()))
}

fn hashes(set: &ImageSet) -> Result<Vec<u128>> {
    let hashes: Vec<Option<u128>> = set.images.axis_iter(Axis(0)).into_par_iter().map(hash).collect();
    let known = |(i, hash): (usize, Option<u128>)| {
        hash.ok_or_else(|| Error::input(format_args!("image {i}"), "finite pixels", "others"))
    };
    hashes.into_iter().enumerate().map(known).collect()
}

fn duplicates(hashes: &[u128], labels: &[usize]) -> Duplicates {
    let mut groups: HashMap<u128, Vec<usize>> = HashMap::new();
    for (hash, &label) in hashes.iter().zip(labels) {
        groups.entry(*hash).or_default().push(label);
    }
    let mut found = Duplicates { within: 0, across: 0, distinct: groups.len() };
    for mut classes in groups.into_values() {
        let all = classes.len();
        classes.sort_unstable();
        classes.dedup();
        found.within += all - classes.len();
        if classes.len() > 1 {
            found.across += all;
        }
    }
    found
}

// None where a pixel is not finite.
fn hash(image: ArrayView3<f32>) -> Option<u128> {
    let mut state = Xxh3::new();
    for v in image {
        if !v.is_finite() {
            return None;
        }
        state.update(&v.to_le_bytes());
    }
    Some(state.digest128())
}

fn bytes(set: &ImageSet, notes: &mut Vec<String>) -> Vec<u8> {
    let (low, high) = set
        .images
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    // Resizing may leave the range by rounding.
    const SLACK: f32 = 1e-4;
    let (offset, scale) = if low >= -SLACK && high <= 1.0 + SLACK {
        (0.0, 255.0)
    } else if low >= 0.0 && high <= 255.0 {
        notes.push("pixels were taken to be in 0 to 255".to_owned());
        (0.0, 1.0)
    } else {
        notes.push(format!("pixels from {low} to {high} were brought to 0 to 255"));
        (low, 255.0 / (high - low))
    };
    set.images.iter().map(|v| ((v - offset) * scale).round().clamp(0.0, 255.0) as u8).collect()
}
