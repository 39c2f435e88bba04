//! Writing the checkpoints of a run, and going on from one
//! ([`crate::run::checkpoints`] says what is in them).
//!
//! A checkpoint is written beside its place, synced and renamed, so that it is
//! there whole or not at all. All random draws are named by seed and step: there is
//! no generator to be saved.

use std::collections::BTreeMap;
use std::fs::{self, File};

use super::Trainer;
use crate::disk;
use crate::error::{Error, Result};
use crate::run::RunConfig;
use crate::run::checkpoints::{Checkpoints, SCHEMA, STATE, State, WEIGHTS, checksum};
use crate::run::config::DeepConfig;
use crate::weights::{StateDict, safetensors};

const OPTIMISER: &str = "optimiser.safetensors";
const EMA: &str = "ema.safetensors";

impl Checkpoints {
    /// Writes the state of `trainer`, whose run's files are `lengths` long.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Device`].
    pub fn write(
        &self,
        trainer: &Trainer,
        config: &DeepConfig,
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
        let (step, data, config) = (trainer.step(), data.to_owned(), config.said());
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

    /// Removes all but the newest `keep` and the one of `best`, and what killed
    /// processes have left half-written or half-removed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn thin(&self, keep: usize, best: Option<u64>) -> Result<()> {
        self.sweep()?;
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
