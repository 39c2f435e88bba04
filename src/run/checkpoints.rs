//! What a run goes on from: `ckpt/step-XXXXXXXX/` with `weights.safetensors`
//! (the network's state dict), `optimiser.safetensors`, `ema.safetensors` where a
//! mean of the weights is kept, and `state.json`, whose checksums tell damage.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunConfig;
use crate::error::{Error, Result};

/// Version of the layout of a checkpoint.
pub const SCHEMA: u32 = 1;

pub(crate) const STATE: &str = "state.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";

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
    pub(crate) place: PathBuf,
}

const NEWER: &str = "written by a newer";

impl Checkpoints {
    /// Those in the folder `place`.
    pub fn new(place: &Path) -> Self {
        Self { place: place.to_path_buf() }
    }

    pub(crate) fn folder(&self, step: u64) -> PathBuf {
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
}

pub(crate) fn checksum(path: &Path) -> Result<String> {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut reader = std::io::BufReader::with_capacity(1 << 20, file);
    loop {
        let piece = reader.fill_buf().map_err(Error::io(path, "read"))?;
        if piece.is_empty() {
            return Ok(format!("{:032x}", hash.digest128()));
        }
        hash.update(piece);
        let read = piece.len();
        reader.consume(read);
    }
}
