//! Heat maps measured, and kept on the disk as they grow.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;

use rand::Rng;
use tch::{Kind, Tensor};

use super::store::{About, COLUMNS, VERSION, gather, paths, read};
use super::map::mean;
use super::{Entry, HeatMap, Options, Shard, basis};
use crate::audit::subject::Subject;
use crate::audit::{Clean, Rate};
use crate::disk;
use crate::error::{Error, Lack, Result};
use crate::model::convert;
use crate::progress::Progress;
use crate::run::table::TableWriter;
use crate::seed;
use crate::spectrum::{Frequency, Grid};

impl About {
    fn new(subject: &Subject, options: &Options, shard: Option<Shard>, clean: Option<Rate>) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            fingerprint: subject.fingerprint()?,
            shape: subject.net.shape(),
            images: subject.len(),
            options: options.clone(),
            shard,
            clean,
        })
    }

    fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("names and finite numbers");
        disk::write_bytes(path, (text + "\n").as_bytes())
    }
}

/// The table that is being written.
struct Store {
    table: TableWriter,
    done: BTreeMap<u64, Entry>,
    /// Held as long as this process writes.
    _lock: File,
}

impl Store {
    /// Begins the table in `dir`, or goes on with it.
    fn open(dir: &Path, about: &About, wanted: &[(u64, Frequency)]) -> Result<Self> {
        disk::create_dir(dir)?;
        let (csv, json) = paths(dir, about.shard);
        // The description comes first, so that no table is without one.
        if json.exists() {
            let what = match about.shard {
                None => "to go on with the heat map that is there (--force begins anew)",
                Some(_) => "to go on with the part that is there (without its files it begins anew)",
            };
            about.check(&About::read(&json)?, &json, what)?;
        } else if csv.exists() {
            let expected = format!("{} beside it, that says what it is the map of", json.display());
            return Err(Error::input(csv.display(), expected, "none"));
        } else {
            about.write(&json)?;
        }
        let lock = File::options().create(true).append(true).open(&csv).map_err(Error::io(&csv, "create"))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(Error::input(csv.display(), "a heat map that nobody else writes", "another process"));
        }
        let text = std::fs::read(&csv).map_err(Error::io(&csv, "read"))?;
        let header = COLUMNS.join(",") + "\n";
        if header.as_bytes().starts_with(&text) {
            // Killed before the first line was whole.
            std::fs::write(&csv, &header).map_err(Error::io(&csv, "write"))?;
        }
        let done = read(&csv, about, wanted)?;
        let text = std::fs::read(&csv).map_err(Error::io(&csv, "read"))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let table = TableWriter::resume(&csv, &COLUMNS, whole as u64)?;
        Ok(Self { table, done, _lock: lock })
    }

    /// What was done before.
    fn take_done(&mut self) -> BTreeMap<u64, Entry> {
        std::mem::take(&mut self.done)
    }

    fn append(&mut self, index: u64, entry: &Entry) -> Result<()> {
        let numbers = [
            Some(index as f64),
            Some(f64::from(entry.row)),
            Some(f64::from(entry.col)),
            Some(entry.error.count as f64),
            Some(entry.distance),
            entry.distance_se,
        ];
        self.table.append(&numbers)
    }

    fn finish(&self) -> Result<()> {
        self.table.sync()
    }
}

/// The signs r `[images · channels]` of the frequency at place `index`.
fn signs(seed: u64, index: u64, count: usize) -> Vec<f32> {
    let mut rng = seed::rng(seed, "heatmap/sign", index);
    (0..count).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect()
}

fn different(a: &Tensor, b: &Tensor) -> Result<u64> {
    Ok(a.f_ne_tensor(b)?.f_sum(Kind::Int64)?.int64_value(&[]) as u64)
}

/// The images disturbed by the frequency at place `index`: one pass over them. `clean`:
/// logits of the undisturbed ones; `right`: the answer to each.
fn disturbed(
    subject: &Subject,
    clean: &Tensor,
    right: &Tensor,
    options: &Options,
    (index, k): (u64, Frequency),
) -> Result<Entry> {
    let [c, h, w] = subject.net.shape();
    let (images, device) = (subject.len(), subject.pixels.device());
    let plane = basis(Grid::new(h, w), k) * options.epsilon;
    let plane = convert::tensor(plane.view(), Kind::Float, device)?;
    let signs = Tensor::f_from_slice(&signs(options.seed, index, images * c))?;
    let signs = signs.f_reshape([images as i64, c as i64, 1, 1])?.f_to_device(device)?;
    let (chunk, images) = (subject.chunk() as i64, images as i64);
    let mut parts = Vec::new();
    for at in (0..images).step_by(chunk as usize) {
        let count = chunk.min(images - at);
        let part = |t: &Tensor| t.f_narrow(0, at, count);
        let mut pixels = part(&subject.pixels)?.f_addcmul(&part(&signs)?, &plane)?;
        parts.push(subject.logits(&pixels.f_clamp_(0.0, 1.0)?)?);
    }
    let logits = Tensor::f_cat(&parts, 0)?;
    let errors = different(&logits.f_argmax(1, false)?, right)?;
    let moved = logits.f_sub(clean)?.f_to_kind(Kind::Double)?;
    let moved = moved.f_square()?.f_sum_dim_intlist(1i64, false, None::<Kind>)?.f_sqrt()?;
    let (distance, deviation) = mean(&Vec::from_iter(convert::array(&moved)?));
    if !distance.is_finite() {
        let place = format!("network, images disturbed by {k}");
        return Err(Error::lacking(Lack::Numbers, place, "finite logits", "NaN or infinite ones"));
    }
    let distance_se = deviation.map(|d| d / (images as f64).sqrt());
    Ok(Entry { row: k.row, col: k.col, error: Rate::new(errors, images as u64), distance, distance_se })
}

/// The whole map of this network on these images, from the parts `heatmap-i-of-N` in `dir`.
///
/// # Errors
/// [`Error::Input`] where there are no parts, where one is missing, not finished or of
/// another map, with the key that differs; [`Error::Io`]; [`Error::Device`].
pub fn merge_of(dir: &Path, subject: &Subject, options: &Options) -> Result<HeatMap> {
    let (about, entries) = gather(dir)?;
    About::new(subject, options, None, about.clean)?.check(
        &about,
        dir,
        "to merge the parts that are there",
    )?;
    Ok(HeatMap::new(&about, entries))
}

/// Removes the heat map that [`measure`] has kept in `dir`, where there is one that is
/// not of this network on these images, or damaged; parts are left.
///
/// # Errors
/// [`Error::Io`]; [`Error::Device`].
pub fn discard_other(dir: &Path, subject: &Subject, options: &Options) -> Result<()> {
    let (csv, json) = paths(dir, None);
    let about = About::new(subject, options, None, None)?;
    let whole = |kept: &About| {
        about.check(kept, &json, "").is_ok() && (!csv.exists() || read(&csv, kept, &kept.wanted()).is_ok())
    };
    if About::read(&json).is_ok_and(|kept| whole(&kept)) {
        return Ok(());
    }
    // The table first: none is to be without its description.
    [csv, json].iter().try_for_each(|path| disk::remove(path))
}

/// The heat map of a network on its images, or the part `shard` of it.
///
/// One pass over the images for each frequency; `clean` are the answers to the images
/// as they are. With a folder `keep`, what is done is kept there line by line, in
/// `heatmap.csv` (a part's in `heatmap-i-of-N.csv`), with `heatmap.json` beside it that
/// says what it is the map of: a later call goes on where this one ended, however it
/// ended, to the same numbers. [`merge_of`] puts parts together.
///
/// # Errors
/// [`Error::Lacking`] for logits that are not finite; [`Error::Input`] for options that
/// make no map, and where `keep` has the map of something else, with the key that
/// differs; [`Error::Io`]; [`Error::Device`].
pub fn measure(
    subject: &Subject,
    clean: &Clean,
    options: &Options,
    keep: Option<&Path>,
    shard: Option<Shard>,
    progress: impl FnOnce(u64) -> Progress,
) -> Result<HeatMap> {
    options.check()?;
    let shape = subject.net.shape();
    let (wanted, _) = options.frequencies(Grid::new(shape[1], shape[2]));
    let wanted = shard.map_or(wanted.clone(), |shard| shard.part(wanted));
    let errors = clean.accuracy().map(|right| Rate::new(right.of - right.count, right.of));
    // What is right: labels or, without them, the network's own answers.
    let right: Vec<i64> = clean.classes.iter().map(|&class| i64::from(class)).collect();
    let right = Tensor::f_from_slice(&right)?.f_to_device(subject.pixels.device())?;
    let about = About::new(subject, options, shard, errors)?;
    let mut store = keep.map(|dir| Store::open(dir, &about, &wanted)).transpose()?;
    let mut done = store.as_mut().map_or_else(BTreeMap::new, Store::take_done);
    let bar = progress(wanted.len() as u64);
    bar.begin_at(done.len() as u64);
    for &(index, k) in &wanted {
        if done.contains_key(&index) {
            continue;
        }
        let entry = disturbed(subject, &clean.logits, &right, options, (index, k))?;
        if let Some(store) = &mut store {
            store.append(index, &entry)?;
        }
        done.insert(index, entry);
        bar.inc(1);
    }
    if let Some(store) = &store {
        store.finish()?;
    }
    Ok(HeatMap::new(&about, done.into_values().collect()))
}
