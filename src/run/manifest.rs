//! `manifest.json`: what ran, where, on which data, and how it ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::{Error, Result};
use crate::field::Told;

/// The file's name.
pub const FILE: &str = "manifest.json";

/// Version of the layout of a run directory.
pub const SCHEMA: u32 = 1;

/// How a run ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being written, or killed.
    Running,
    /// All steps made.
    Finished,
    /// Stopped by an error, which is in `error`.
    Failed,
    /// Stopped by a signal, with a checkpoint to go on from.
    Stopped,
}

/// Provenance of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of the directory.
    pub schema: u32,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub error: Option<String>,
    /// Start, UTC.
    pub started: String,
    /// When it was gone on with after it had been stopped or killed, UTC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resumed: Vec<String>,
    /// End, UTC.
    pub finished: Option<String>,
    /// Version of this crate.
    pub domfreq: String,
    /// Commit it was built from.
    pub commit: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Device it computed on.
    pub device: String,
    /// Host name.
    pub host: String,
    /// Threads of libtorch and of the analyser.
    pub threads: usize,
    /// Seed of the run.
    pub seed: u64,
    /// The data.
    pub data: DataRecord,
    /// The job of a batch system (SLURM_JOB_ID and its like), where there is one.
    pub slurm: BTreeMap<String, String>,
    /// Seconds spent, by stage.
    pub seconds: BTreeMap<String, f64>,
}

/// The data of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DataRecord {
    /// Source.
    pub spec: String,
    /// What it was found to be.
    pub description: String,
    /// XXH3-128 of the prepared samples.
    pub hash: String,
    /// Number of samples.
    pub samples: usize,
    /// `[c, h, w]`.
    pub shape: [usize; 3],
    /// Names of the outputs.
    pub classes: Vec<String>,
    /// What x was divided by, per channel.
    pub scale: Vec<f64>,
    /// Decoder of the images: it decides their last bits.
    pub decoder: Option<String>,
    /// What is to be known of the images.
    #[serde(flatten)]
    pub told: Told,
}

impl Manifest {
    /// A run that begins now on this machine.
    pub fn begin(libtorch: String, device: String, threads: usize, seed: u64, data: DataRecord) -> Self {
        let slurm = [
            "SLURM_JOB_ID",
            "SLURM_ARRAY_JOB_ID",
            "SLURM_ARRAY_TASK_ID",
            "SLURM_JOB_NAME",
            "SLURM_JOB_NODELIST",
        ];
        let slurm = slurm.iter().filter_map(|k| Some(((*k).to_owned(), std::env::var(k).ok()?)));
        Self {
            schema: SCHEMA,
            status: Status::Running,
            error: None,
            started: now(),
            resumed: Vec::new(),
            finished: None,
            domfreq: env!("CARGO_PKG_VERSION").to_owned(),
            commit: env!("DOMFREQ_COMMIT").to_owned(),
            libtorch,
            device,
            host: host(),
            threads,
            seed,
            data,
            slurm: slurm.collect(),
            seconds: BTreeMap::new(),
        }
    }

    /// Marks that the run goes on, now and on the machine of `new`.
    pub fn resume(&mut self, new: Self) {
        self.resumed.push(now());
        let Self { domfreq, commit, libtorch, device, host, threads, slurm, .. } = new;
        *self = Self {
            domfreq,
            commit,
            libtorch,
            device,
            host,
            threads,
            slurm,
            status: Status::Running,
            error: None,
            finished: None,
            ..self.clone()
        };
    }

    /// Marks the end.
    pub fn end(&mut self, status: Status, error: Option<String>) {
        (self.status, self.error, self.finished) = (status, error, Some(now()));
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("every field has a JSON form");
        disk::write_bytes(path, text.as_bytes())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] for a file that is no manifest or of a newer schema.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|e| Error::input(path.display(), "the manifest of a run", e))?;
        if manifest.schema > SCHEMA {
            let expected = format!("a run directory of schema {SCHEMA} or older");
            return Err(Error::input(path.display(), expected, format_args!("schema {}", manifest.schema)));
        }
        Ok(manifest)
    }
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// This machine's name.
pub(crate) fn host() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "unknown".to_owned(), |n| n.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_refuses_a_newer_schema() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        let mut m = Manifest::begin("2.11.0".into(), "CPU".into(), 2, 7, DataRecord::default());
        m.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap().status, Status::Running);
        m.end(Status::Failed, Some("why".into()));
        m.schema = SCHEMA + 1;
        m.write(&path).unwrap();
        assert!(Manifest::read(&path).unwrap_err().to_string().contains("schema 2"));
        std::fs::write(&path, "{").unwrap();
        assert!(Manifest::read(&path).unwrap_err().to_string().contains("the manifest of a run"));
    }
}
