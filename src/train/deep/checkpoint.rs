//! What a run goes on from: `ckpt/step-XXXXXXXX/` with `weights.safetensors`
//! (the network's state dict), `optimiser.safetensors`, `ema.safetensors` where a
//! mean of the weights is kept, and `state.json`.
//!
//! A checkpoint is written beside its place, synced and renamed, so that it is
//! there whole or not at all; checksums tell damage. All random draws are named
//! by seed and step: there is no generator to be saved.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Trainer;
use crate::disk;
use crate::error::{Error, Result};
use crate::run::RunConfig;
use crate::weights::{StateDict, safetensors};

/// Version of the layout of a checkpoint.
pub const SCHEMA: u32 = 1;

const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const OPTIMISER: &str = "optimiser.safetensors";
const EMA: &str = "ema.safetensors";

/// `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the layout.
    pub schema: u32,
    /// Updates made.
    pub step: u64,
    /// Hash of the prepared samples.
    pub data: String,
    /// The run's resolved configuration.
    pub config: RunConfig,
    /// Bytes of the run's growing files that were written before.
    pub lengths: BTreeMap<String, u64>,
    /// XXH3-128 of the other files of the checkpoint, in hexadecimal.
    pub checksums: BTreeMap<String, String>,
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    place: PathBuf,
}

impl Checkpoints {
    /// Those in the folder `place`.
    pub fn new(place: &Path) -> Self {
        Self { place: place.to_path_buf() }
    }

    fn folder(&self, step: u64) -> PathBuf {
        self.place.join(format!("step-{step:08}"))
    }

    /// Steps of the checkpoints that are there, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn steps(&self) -> Result<Vec<u64>> {
        let entries = fs::read_dir(&self.place).map_err(Error::io(&self.place, "read"))?;
        let name = |e: std::io::Result<fs::DirEntry>| e.ok()?.file_name().into_string().ok();
        let mut steps: Vec<u64> =
            entries.filter_map(name).filter_map(|name| name.strip_prefix("step-")?.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Writes the state of `trainer`, whose run's files are `lengths` long.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Device`].
    pub fn write(
        &self,
        trainer: &Trainer,
        config: &RunConfig,
        data: &str,
        lengths: BTreeMap<String, u64>,
    ) -> Result<()> {
        self.sweep()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(BESIDE);
        #[cfg(unix)]
        builder.permissions(disk::readable(0o777));
        let beside = builder.tempdir_in(&self.place).map_err(Error::io(&self.place, "create a folder in"))?;
        let mut checksums = BTreeMap::new();
        let mut put = |name: &str, dict: &StateDict| -> Result<()> {
            let path = beside.path().join(name);
            let format = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
            safetensors::write(&path, dict, &format)?;
            checksums.insert(name.to_owned(), checksum(&path)?);
            Ok(())
        };
        put(WEIGHTS, &trainer.net.state_dict()?)?;
        put(OPTIMISER, &trainer.optimiser.state_dict()?)?;
        if let Some(ema) = &trainer.ema {
            put(EMA, &ema.state_dict()?)?;
        }
        let (step, data, config) = (trainer.step(), data.to_owned(), config.clone());
        let state = State { schema: SCHEMA, step, data, config, lengths, checksums };
        let text = serde_json::to_string_pretty(&state).expect("every field has a JSON form");
        disk::write_bytes(&beside.path().join(STATE), text.as_bytes())?;
        let place = self.folder(step);
        if place.exists() {
            // The same step of the same run: the same state.
            return Ok(());
        }
        fs::rename(beside.path(), &place).map_err(Error::io(&place, "create"))?;
        let _ = File::open(&self.place).and_then(|d| d.sync_all());
        Ok(())
    }

    // What a killed process has left half-written.
    fn sweep(&self) -> Result<()> {
        let entries = fs::read_dir(&self.place).map_err(Error::io(&self.place, "read"))?;
        for entry in entries.filter_map(std::result::Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(BESIDE) {
                fs::remove_dir_all(entry.path()).map_err(Error::io(entry.path(), "remove"))?;
            }
        }
        Ok(())
    }

    /// Removes all but the newest `keep` and the one of `best`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn thin(&self, keep: usize, best: Option<u64>) -> Result<()> {
        let steps = self.steps()?;
        for step in &steps[..steps.len().saturating_sub(keep)] {
            if Some(*step) != best {
                let folder = self.folder(*step);
                // Out of sight first: a kill in between leaves no half checkpoint.
                let aside = self.place.join(format!("{BESIDE}{step}"));
                fs::rename(&folder, &aside).map_err(Error::io(&folder, "remove"))?;
                fs::remove_dir_all(&aside).map_err(Error::io(&aside, "remove"))?;
            }
        }
        Ok(())
    }

    /// The newest checkpoint that is whole, and what is wrong with newer ones;
    /// None where there is none at all.
    ///
    /// # Errors
    /// [`Error::Input`] for a checkpoint of a newer layout, and where there are
    /// checkpoints but all are damaged; [`Error::Io`].
    pub fn newest(&self) -> Result<Option<(State, Vec<Error>)>> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            match self.state(step) {
                Ok(state) => return Ok(Some((state, damaged))),
                // Not damage: going back would throw away what was learned since.
                Err(e) if e.to_string().contains(NEWER) => return Err(e),
                Err(e) => damaged.push(e),
            }
        }
        match damaged.into_iter().next() {
            None => Ok(None),
            Some(e) => Err(Error::input(self.place.display(), "a checkpoint that is whole", e)),
        }
    }

    /// `state.json` of a checkpoint whose files are what they were.
    ///
    /// # Errors
    /// [`Error::Input`] naming the file that is damaged or of a newer layout.
    pub fn state(&self, step: u64) -> Result<State> {
        let folder = self.folder(step);
        let path = folder.join(STATE);
        let text = fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| Error::input(path.display(), "the state of a checkpoint", e))?;
        // First the version: a newer layout may have other fields.
        if let Some(schema) = value["schema"].as_u64().filter(|s| *s > u64::from(SCHEMA)) {
            let found = format!("schema {schema}, {NEWER} domfreq");
            return Err(Error::input(path.display(), format!("schema {SCHEMA} or older"), found));
        }
        let state: State = serde_json::from_value(value)
            .map_err(|e| Error::input(path.display(), "the state of a checkpoint", e))?;
        for (name, expected) in &state.checksums {
            let path = folder.join(name);
            let found = checksum(&path)?;
            if found != *expected {
                let expected = format!("the file that was written (XXH3 {expected})");
                return Err(Error::input(path.display(), expected, format!("another (XXH3 {found})")));
            }
        }
        Ok(state)
    }

    /// The file of the network's weights at `step`.
    pub fn weights(&self, step: u64) -> PathBuf {
        self.folder(step).join(WEIGHTS)
    }

    /// Puts the checkpoint of `step` into `trainer`, which was made for the same
    /// configuration.
    ///
    /// # Errors
    /// [`Error::Input`] naming the file that does not fit; [`Error::Io`].
    pub fn load(&self, step: u64, trainer: &mut Trainer) -> Result<()> {
        let folder = self.folder(step);
        let file = |name: &str| -> Result<(StateDict, String)> {
            let path = folder.join(name);
            Ok((safetensors::read(&path)?, path.display().to_string()))
        };
        let (weights, place) = file(WEIGHTS)?;
        trainer.net.load(&weights, &place)?;
        let (buffers, place) = file(OPTIMISER)?;
        trainer.optimiser.load(&buffers, &place, step)?;
        if let Some(ema) = &trainer.ema {
            let (weights, place) = file(EMA)?;
            ema.load(&weights, &place)?;
        }
        trainer.step = step;
        trainer.pending.clear();
        Ok(())
    }
}

const BESIDE: &str = ".step-";
const NEWER: &str = "written by a newer";

fn checksum(path: &Path) -> Result<String> {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut reader = std::io::BufReader::with_capacity(1 << 20, file);
    loop {
        use std::io::BufRead;
        let piece = reader.fill_buf().map_err(Error::io(path, "read"))?;
        if piece.is_empty() {
            return Ok(format!("{:032x}", hash.digest128()));
        }
        hash.update(piece);
        let read = piece.len();
        reader.consume(read);
    }
}

/// The keys in which two configurations differ, with both values; where a run is
/// computed (device and threads) is no difference.
pub fn differences(stored: &RunConfig, asked: &RunConfig) -> Vec<String> {
    let table = |config: &RunConfig| -> toml::Table {
        let mut config = config.clone();
        config.run.device = String::new();
        config.run.threads = 0;
        config.to_toml().parse().expect("a configuration reads back")
    };
    let (stored, asked) = (table(stored), table(asked));
    let mut found = Vec::new();
    let sections: std::collections::BTreeSet<_> = stored.keys().chain(asked.keys()).collect();
    for section in sections {
        let empty = toml::Table::new();
        let of =
            |t: &'_ toml::Table| t.get(section).and_then(|v| v.as_table().cloned()).unwrap_or(empty.clone());
        let (a, b) = (of(&stored), of(&asked));
        let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            if a.get(key) != b.get(key) {
                let shown =
                    |v: Option<&toml::Value>| v.map_or_else(|| "nothing".to_owned(), toml::Value::to_string);
                found.push(format!(
                    "{section}.{key} = {} (stored: {})",
                    shown(b.get(key)),
                    shown(a.get(key))
                ));
            }
        }
    }
    found
}
