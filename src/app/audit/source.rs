//! What is audited: a file of weights, or the newest checkpoint of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;

#[cfg(feature = "torch")]
use crate::audit::guess::Guess;
use crate::audit::guess::guess;
use crate::audit::report::Network;
use crate::error::Error;
use crate::progress::say;
use crate::run::config::ModelKind;
use crate::run::{Checkpoints, RunConfig, RunDir};
use crate::weights::{self, StateDict};

/// Weights, and what is known of them.
pub struct Source {
    /// Their file.
    pub place: PathBuf,
    pub dict: StateDict,
    pub network: Network,
    /// The network that was said (--arch).
    #[cfg(feature = "torch")]
    pub arch: Option<ModelKind>,
    /// What network they fit; a sentence on the nearest where none.
    #[cfg(feature = "torch")]
    pub guess: Result<Guess, String>,
    /// The run they are from.
    pub run: Option<Run>,
}

/// A run of a deep network.
pub struct Run {
    pub dir: RunDir,
    pub config: RunConfig,
}

impl Source {
    /// Opens the file or the run at `path`, of the network `arch` where that is said;
    /// of a second one it counts only where its own cannot be told.
    pub fn open(path: &Path, arch: Option<ModelKind>, second: bool) -> Result<Self> {
        let (place, run) = if path.is_dir() {
            let (place, run) = newest(path)?;
            (place, Some(run))
        } else {
            (path.to_path_buf(), None)
        };
        let weights::Checkpoint { dict, origin } = crate::app::weights(&place)?;
        let guess = guess(&dict);
        let arch = arch.filter(|_| !second || guess.is_err());
        let (architecture, how) = match (&run, &guess) {
            (None, guess) if arch.is_some_and(|kind| guess.as_ref().map_or(true, |g| g.kind != kind)) => {
                (arch.map(|kind| kind.to_string()), Some("as was said (--arch)".to_owned()))
            }
            (Some(run), _) => {
                (Some(run.config.model.kind.to_string()), Some("as the run was configured".to_owned()))
            }
            (None, Ok(guess)) => (Some(guess.to_string()), Some("by its names and shapes".to_owned())),
            (None, Err(near)) => (None, Some(near.clone())),
        };
        let network = Network {
            weights: place.display().to_string(),
            origin: run.is_none().then_some(origin),
            hash: dict.hash(),
            tensors: dict.len(),
            numbers: dict.iter().map(|t| t.data().len()).sum(),
            architecture,
            how,
        };
        Ok(Self {
            place,
            dict,
            network,
            #[cfg(feature = "torch")]
            arch,
            #[cfg(feature = "torch")]
            guess,
            run,
        })
    }
}

#[cfg(feature = "torch")]
impl Source {
    /// The network that the weights fit.
    ///
    /// # Errors
    /// [`Error::Input`] where they fit none.
    pub fn guessed(&self) -> crate::error::Result<&Guess> {
        self.guess.as_ref().map_err(|near| {
            let expected = "weights of a known network, or --arch to say which network they are of";
            Error::input(self.place.display(), expected, near)
        })
    }
}

impl Run {
    /// The weights it began with; None where they cannot be had again.
    #[cfg(feature = "torch")]
    pub fn initial(&self) -> Result<Option<StateDict>> {
        use crate::model::deep::Deep;
        use crate::run::Manifest;
        use crate::run::config::InitKind;
        if let Some(path) = &self.config.init.weights {
            return Ok(if path.exists() { Some(weights::open(path)?.dict) } else { None });
        }
        let data = Manifest::read(&self.dir.manifest())?.data;
        let architecture = crate::blueprint::Architecture::new(&self.config, data.shape, data.classes.len());
        let init = self.config.init.kind.unwrap_or(InitKind::Pytorch);
        let (kind, device) = (tch::Kind::Float, tch::Device::Cpu);
        Ok(Some(Deep::new(architecture, init, self.config.run.seed, kind, device)?.state_dict()?))
    }

    #[cfg(not(feature = "torch"))]
    pub fn initial(&self) -> Result<Option<StateDict>> {
        Ok(None)
    }
}

fn newest(root: &Path) -> Result<(PathBuf, Run)> {
    let dir = RunDir::open(root)?;
    let config = RunConfig::read(&dir.config())?;
    if config.model.kind.is_linear() {
        let expected =
            "a file of weights or a run of a deep network (of linear ones, figures show the templates)";
        return Err(Error::input(root.display(), expected, config.model.kind).into());
    }
    let checkpoints = Checkpoints::new(&dir.checkpoints());
    let Some((state, damaged)) = checkpoints.newest()? else {
        return Err(Error::input(root.display(), "a run with a checkpoint", "none").into());
    };
    damaged.iter().for_each(|e| say(format_args!("a damaged checkpoint is passed over: {e}")));
    Ok((checkpoints.weights(state.step), Run { dir, config }))
}
